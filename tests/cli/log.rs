//! The log of everything that was done, on fake engines: what is in it, whoever was cut off, and what it
//! costs.

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
    at(&mut cluster, 0);
    cluster.stackfile(WEB);
    cluster
}

/// Minutes after noon.
fn at(cluster: &mut Hosts, minute: u32) {
    cluster.room.env("STACKCTL_NOW", &format!("2026-01-31T12:{minute:02}:00Z"));
}

fn told(cluster: &Hosts, more: &str) -> String {
    cluster
        .expect(
            0,
            &format!("log --format {{{{.ID}}}}|{{{{.What}}}}|{{{{.Outcome}}}}|{{{{.Changed}}}} {more}"),
        )
        .stdout
}

#[test]
fn everything_that_was_done_is_told_the_newest_first() {
    let mut cluster = hosts();
    assert_eq!(told(&cluster, ""), "", "an empty ledger has an empty log");
    cluster.expect(0, "deploy --yes -m first shop");
    at(&mut cluster, 1);
    cluster.expect(0, "scale --yes shop_web=3");
    at(&mut cluster, 2);
    cluster.expect(0, "node update --availability pause --label-add zone=b h1");
    at(&mut cluster, 3);
    cluster.expect(0, "suspend -m repairs shop");
    cluster.expect(0, "suspend shop");
    at(&mut cluster, 4);
    cluster.expect(0, "service update --yes --image nginx:1.26 --env-add PASSWORD=hunter2 shop_web");
    at(&mut cluster, 5);
    cluster.expect(0, "resume shop");
    cluster.engines[1].with(|world| world.containers.clear());
    at(&mut cluster, 6);
    cluster.expect(0, "reconcile --once");
    at(&mut cluster, 7);
    cluster.expect(0, "node promote h2");
    cluster.expect(0, "node promote h2");
    at(&mut cluster, 8);
    cluster.expect(0, "rm --yes shop");
    at(&mut cluster, 30);
    cluster.forget_calls();
    let columns = r"table {{.ID}}\t{{.What}}\t{{.Outcome}}\t{{.Changed}}\t{{.Commit}}\t{{.Message}}";
    insta::assert_snapshot!("log", cluster.run_with(&["log", "--format", columns], "").show());
    let table = cluster.expect(0, "log").stdout;
    assert!(table.starts_with("ID ") && table.contains(&crate::run::who()), "{table}");
    assert_eq!(cluster.writes(), [""; 0], "whoever looks writes nothing");

    let lines = told(&cluster, "");
    assert_eq!(lines.lines().count(), 9, "{lines}");
    let of_stack = told(&cluster, "shop");
    assert_eq!(of_stack.lines().count(), 7, "{of_stack}");
    assert!(!of_stack.contains("node"), "{of_stack}");
    assert_eq!(
        told(&cluster, "-n 2"),
        lines.lines().take(2).map(|line| format!("{line}\n")).collect::<String>()
    );
    assert_eq!(told(&cluster, "--since 2026-01-31T12:07:30Z"), "shop@4|rm|removed|-web\n");
    assert_eq!(told(&cluster, "--since 23m").lines().count(), 2);
    let json = cluster.expect(0, "log --format json").stdout;
    assert!(!json.contains("hunter2") && !json.contains("secret"), "{json}");
    let all: Vec<Value> = json.lines().map(|line| serde_json::from_str(line).expect(line)).collect();
    assert_eq!(
        (&all[0]["id"], &all[0]["outcome"], &all[0]["is_well"]),
        (&"shop@4".into(), &"removed".into(), &true.into())
    );
    assert_eq!(all[0]["release"], serde_json::json!({"before": 3, "after": 4}));
    assert_eq!(all[0]["services"], serde_json::json!({"web": "removed"}));
    let paused = all.iter().find(|one| one["id"] == "@1").expect("the pause");
    assert_eq!(paused["changes"][0]["after"]["availability"], "pause", "{paused}");
    assert_eq!(paused["changes"][0]["before"], Value::Null, "{paused}");

    // One operation, in full.
    let shown = cluster.expect(0, "show @3").stdout;
    assert!(shown.contains("verb: suspend shop") && shown.contains("message: repairs"), "{shown}");
    let heal: Value =
        serde_json::from_str(&cluster.expect(0, "show --format json shop~1").stdout).expect("JSON");
    assert_eq!((&heal["verb"], &heal["changes"][0]["release"]), (&"heal".into(), &3.into()), "{heal}");
    let unknown = cluster.expect(1, "show @99");
    assert!(unknown.stderr.contains("stackctl::history::no_operation"), "{}", unknown.show());
}

#[test]
fn what_was_declared_at_a_moment_is_known() {
    let mut cluster = hosts();
    cluster.expect(0, "deploy --yes shop");
    at(&mut cluster, 10);
    cluster.expect(0, "scale --yes shop_web=3");
    at(&mut cluster, 20);
    cluster.expect(0, "node update --label-add zone=b h1");
    at(&mut cluster, 30);
    cluster.expect(0, "scale --yes shop_web=4");
    at(&mut cluster, 40);
    let replicas = |at: &str| {
        let shown = cluster.expect(0, &format!("show --format json --at {at} shop")).stdout;
        let shown: Value = serde_json::from_str(&shown).expect("JSON");
        shown["spec"]["services"]["web"]["mode"]["replicas"].as_u64().unwrap_or_else(|| panic!("{shown}"))
    };
    let then = ["2026-01-31T12:00:30Z", "2026-01-31T12:29:00Z", "5m", "shop@1", "@1"].map(replicas);
    assert_eq!(then, [2, 3, 4, 2, 3]);
    let run = cluster.expect(0, "show --at @1 shop");
    assert!(
        run.stderr.contains("Release 2 of stack shop (deployed), as declared at 2026-01-31T12:10"),
        "{}",
        run.show()
    );
    let history = cluster.expect(0, "history --at 12m --format {{.Release}} shop").stdout;
    assert_eq!(history, "2\n1\n");
    let before = cluster.expect(1, "show --at 2026-01-30T12:00:00Z shop");
    assert!(before.stderr.contains("stackctl::history::no_release"), "{}", before.show());
    let nonsense = cluster.expect(64, "show --at yesterday shop");
    assert!(nonsense.stderr.contains("stackctl::usage::bad_time"), "{}", nonsense.show());
}

#[test]
fn what_was_cut_off_shows_as_such_and_the_log_costs_a_deploy_nothing() {
    let cluster = hosts();
    for engine in &cluster.engines[1..] {
        engine.fail(
            "POST /containers/create",
            1,
            crate::engine::Wrong::Slow(std::time::Duration::from_secs(5)),
        );
    }
    cluster.kill_when("deploy --yes shop", || !cluster.running().is_empty());
    assert_eq!(told(&cluster, ""), "shop@1|deploy|cut off|+web\n");
    cluster.forget_calls();
    cluster.expect(0, "deploy --yes shop");
    let records = |kind: &str| {
        let of = |engine: &crate::engine::FakeEngine| {
            engine.with(|world| world.volumes.keys().filter(|name| name.contains(kind)).count())
        };
        cluster.engines.iter().map(of).sum::<usize>()
    };
    assert_eq!((records(".operations."), records(".heals.")), (0, 0), "a deploy writes nothing for the log");
    assert_eq!(records(".releases."), 2);
    assert_eq!(told(&cluster, ""), "shop@2|deploy|deployed|-\nshop@1|deploy|cut off|+web\n");
}
