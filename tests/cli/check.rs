//! `check` and `explain-code`: no host is needed, and none is asked.

use insta::assert_snapshot;
use serde_json::Value;

use crate::hosts::Hosts;
use crate::run::Room;

const BASE: &str =
    "services:\n  web:\n    image: nginx\n    container_name: web\n    deploy: {mode: global}\n";
const PROD: &str =
    "services:\n  web:\n    deploy: {replicas: 2}\n    networks: [back]\nnetworks:\n  front:\n";

fn room() -> Room {
    let room = Room::new();
    room.file("base.yml", BASE);
    room.file("prod.yml", PROD);
    room.file("good.yml", "services:\n  web:\n    image: nginx\n");
    room
}

#[test]
fn everything_is_told_in_the_order_of_the_files() {
    let run = room().run("check -c base.yml -c prod.yml shop");
    assert_snapshot!("check_text", run.show());
}

#[test]
fn programs_get_every_place() {
    let run = room().run("check --format json -c base.yml,prod.yml shop");
    assert_eq!(run.status, 1);
    let told: Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(
        (&told["errors"], &told["warnings"], &told["files"][1]),
        (&2.into(), &1.into(), &"prod.yml".into())
    );
    let clash = &told["diagnostics"][1];
    assert_eq!(clash["code"], "stackctl::compose::replicas_and_global");
    assert_eq!(
        (&clash["file"], &clash["line"], &clash["column"]),
        (&"prod.yml".into(), &3.into(), &24.into())
    );
    assert_eq!((&clash["related"][0]["file"], &clash["related"][0]["line"]), (&"base.yml".into(), &5.into()));
    assert_eq!(run.stderr, "");
}

#[test]
fn warnings_are_errors_to_who_says_so() {
    let room = room();
    let run = room.run("check -c base.yml");
    assert_eq!((run.status, run.stderr.as_str()), (0, ""), "{}", run.show());
    assert!(run.stdout.ends_with("base.yml: 1 warning\n"), "{}", run.show());
    let run = room.run("check --strict -c base.yml");
    assert!(run.status == 1 && run.stdout.ends_with("base.yml: 1 error\n"), "{}", run.show());
    assert_eq!(room.run("check -c good.yml").show(), "status: 0\n--- stdout\ngood.yml: nothing found\n");
    assert_eq!(room.run("check -q -c good.yml").show(), "status: 0\n");
}

/// Docker takes such files, and waits for nothing at all.
#[test]
fn what_cannot_be_waited_for_is_no_reason_to_refuse() {
    let text = "services:\n  a: {image: a, depends_on: [b, gone]}\n  b: {image: a, depends_on: [a]}\n";
    let hosts = Hosts::new(1);
    hosts.stackfile(text);
    let run = hosts.expect(0, "check");
    assert!(run.stdout.ends_with("compose.yaml: 2 warnings\n"), "{}", run.show());
    let run = hosts.expect(1, "check --strict");
    assert!(run.stdout.ends_with("compose.yaml: 2 errors\n"), "{}", run.show());
    let run = hosts.expect(0, "deploy --yes shop");
    for told in ["undefined_service", "dependency_cycle", "closes the circle: `b` does not wait for `a`"] {
        assert!(run.stderr.contains(told), "{told}: {}", run.show());
    }
    let begins = |word: &str| run.stderr.find(&format!("shop_{word}.1")).expect("a line about it");
    assert!(begins("b") < begins("a"), "the order that can be kept: {}", run.show());
    assert_eq!(hosts.running().len(), 2);
    let run = hosts.expect(0, "deploy --yes shop");
    assert!(run.stdout.contains("No changes."), "{}", run.show());
}

#[test]
fn all_files_that_cannot_be_read_are_told() {
    assert_snapshot!("check_unreadable", room().run("check -c gone.yml -c good.yml -c lost.yml").show());
}

#[test]
fn a_code_is_explained() {
    let room = room();
    let run = room.run("explain-code stackctl::compose::bad_port");
    assert_snapshot!("explain_code", run.show());
    assert_eq!(room.run("explain-code bad_port").stdout, run.stdout);
    let run = room.run("explain-code bad_prot");
    assert!(
        run.status == 64 && run.stderr.contains("did you mean `stackctl::compose::bad_port`?"),
        "{}",
        run.show()
    );
    let list = room.run("explain-code").stdout;
    assert!(list.lines().count() > 150 && list.lines().is_sorted(), "{list}");
    let told: Value = serde_json::from_str(&room.run("explain-code --format json").stdout).unwrap();
    assert_eq!(told.as_array().unwrap().len(), list.lines().count());
}
