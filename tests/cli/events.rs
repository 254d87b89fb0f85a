//! Events of a cluster on fake engines: what the log has, and what happens while one listens.

use std::time::Duration;

use serde_json::Value;

use crate::hosts::Hosts;

const WEB: &str = "\
services:
  web:
    image: nginx:1.25
    deploy: {replicas: 2, update_config: {parallelism: 0, monitor: 50ms}}
";

fn hosts() -> Hosts {
    let mut cluster = Hosts::new(3);
    cluster.room.env("USER", "ann");
    cluster.stackfile(WEB);
    cluster
}

fn events(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).expect(line)).collect()
}

fn types(all: &[Value]) -> Vec<&str> {
    all.iter().filter_map(|one| one["type"].as_str()).collect()
}

#[test]
fn what_was_done_is_told_in_order() {
    let cluster = hosts();
    cluster.expect(0, "deploy --yes shop");
    cluster.expect(0, "node update --label-add zone=b h1");
    cluster.engines.iter().for_each(|engine| engine.with(|world| world.containers.clear()));
    cluster.expect(0, "reconcile --once");
    cluster.forget_calls();
    let all = events(&cluster.expect(0, "events").stdout);
    assert_eq!(
        types(&all),
        ["release_began", "release_ended", "operation_began", "operation_ended", "heal_began", "heal_ended"]
    );
    assert_eq!(
        (&all[1]["operation"], &all[1]["outcome"], &all[1]["verb"]),
        (&"shop@1".into(), &"deployed".into(), &"deploy".into())
    );
    assert_eq!((&all[2]["operation"], &all[2]["level"]), (&"@1".into(), &"info".into()));
    assert!(all.iter().all(|one| one["who"].as_str().is_some_and(|who| who == crate::run::who())), "{all:?}");
    assert_eq!(types(&events(&cluster.expect(0, "events shop").stdout)).len(), 4);
    assert_eq!(cluster.expect(0, "events --since 0s").stdout, "");
    let text = cluster.expect(0, "events --format text --since 1h").stdout;
    assert!(
        text.contains("  stack shop: release 1 is deployed\n")
            && text.contains("@1: node update --label-add zone=b h1 is done"),
        "{text}"
    );
    assert_eq!(cluster.writes(), [""; 0], "whoever listens writes nothing");
}

#[test]
fn what_happens_is_told_as_it_happens() {
    let mut cluster = hosts();
    // Fake engines tell nothing by themselves: a directory is looked into every other second.
    let ledger = format!("file://{}", cluster.room.path().join("ledger").display());
    cluster.room.env("STACKCTL_LEDGER", &ledger);
    cluster.expect(0, "deploy --yes shop");
    let run = std::thread::scope(|scope| {
        let listening = scope.spawn(|| cluster.room.interrupt("events --follow --format json", 12_000));
        std::thread::sleep(Duration::from_secs(3));
        cluster.stackfile(&WEB.replace("1.25", "1.26"));
        cluster.expect(0, "deploy --yes shop");
        cluster.expect(0, "suspend shop");
        listening.join().expect("it ends")
    });
    assert_eq!(run.status, 0, "{}", run.show());
    let all = events(&run.stdout);
    let of = |wanted: &[&str]| -> Vec<String> {
        let all = all.iter().filter(|one| wanted.contains(&one["type"].as_str().unwrap_or_default()));
        all.map(|one| {
            format!(
                "{} {}",
                one["type"].as_str().unwrap_or_default(),
                one["operation"].as_str().unwrap_or_default()
            )
        })
        .collect()
    };
    assert_eq!(
        of(&["release_began", "release_ended", "operation_began", "operation_ended"]),
        ["release_began shop@2", "release_ended shop@2", "operation_began @1", "operation_ended @1"],
        "{}",
        run.show()
    );
}
