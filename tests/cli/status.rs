//! How stacks stand, on fake engines: three words, each for itself.

use std::time::Duration;

use crate::engine::Wrong;
use crate::hosts::Hosts;

const WEB: &str = "\
services:
  web:
    image: nginx:1.25
    deploy: {replicas: 3, update_config: {parallelism: 1, monitor: 50ms, failure_action: pause}}
";
const WORDS: &str = "{{.Sync}}/{{.Health}}/{{.Operation}}/{{.Release}}";

fn cluster() -> Hosts {
    let mut cluster = Hosts::new(3);
    cluster.room.env("USER", "ann").env("STACKCTL_NOW", "2026-01-31T12:00:00Z");
    cluster.stackfile(WEB);
    cluster.expect(0, "deploy --yes shop");
    cluster
}

fn words(cluster: &Hosts) -> String {
    cluster.expect(0, &format!("status --format {WORDS} shop")).stdout.trim_end().to_owned()
}

fn why(cluster: &Hosts) -> String {
    cluster.expect(0, "status --format {{.Why}} shop").stdout.trim_end().to_owned()
}

#[test]
fn a_stack_is_in_sync_drifted_suspended_behind_and_gone() {
    let cluster = cluster();
    assert_eq!(words(&cluster), "in sync/healthy/deployed/1");
    let run = cluster.expect(0, "status");
    let header: Vec<&str> = run.stdout.split_whitespace().take(5).collect();
    assert_eq!(header, ["STACK", "SYNC", "HEALTH", "LAST", "OPERATION"], "{}", run.show());

    cluster.engines[0].with(|world| world.containers.clear());
    assert_eq!(words(&cluster), "drifted/degraded/deployed/1");
    assert_eq!(why(&cluster), "web.1 on h1: removed");
    cluster.expect(0, "suspend -m repairs shop");
    assert_eq!(words(&cluster), "suspended/degraded/deployed/1");
    assert!(
        why(&cluster).starts_with(&format!("by {}", crate::run::who()))
            && why(&cluster).ends_with(": repairs"),
        "{}",
        why(&cluster)
    );
    cluster.expect(0, "resume shop");
    cluster.expect(0, "reconcile --once");
    assert_eq!(words(&cluster), "in sync/healthy/deployed/1");

    // An update that is paused half way.
    cluster.stackfile(&WEB.replace("1.25", "1.26"));
    for engine in &cluster.engines {
        engine.fail("POST /containers/{id}/start", 1, Wrong::Refuse(400, "no such thing".to_owned()));
    }
    cluster.expect(7, "deploy --yes shop");
    cluster.engines.iter().for_each(|engine| engine.heal());
    assert_eq!(words(&cluster), "behind/degraded/paused/2");
    cluster.expect(0, "deploy --yes shop");
    assert_eq!(words(&cluster), "in sync/healthy/deployed/3");

    // Killed half way.
    for engine in &cluster.engines[1..] {
        engine.fail("POST /containers/{id}/stop", 1, Wrong::Slow(Duration::from_secs(5)));
    }
    cluster.kill_when("rm --yes shop", || cluster.running().len() < 3);
    let half = words(&cluster);
    assert!(half.starts_with("behind/") && half.ends_with("/cut off/4"), "{half}");
    cluster.engines.iter().for_each(|engine| engine.heal());
    cluster.expect(0, "rm --yes shop");
    assert_eq!(words(&cluster), "in sync/-/removed/5");
    assert_eq!(
        cluster.expect(0, "status --format {{.Stack}}").stdout,
        "",
        "what is gone as it should is no news"
    );

    let run = cluster.expect(1, "status nothing");
    assert!(run.stderr.contains("stackctl::cli::no_such_stack"), "{}", run.show());
}

#[test]
fn what_is_not_known_is_not_said_to_be_well() {
    let cluster = cluster();
    cluster.engines[2].kill();
    let run = cluster.run(&format!("status --format {WORDS} shop"));
    assert_eq!(run.status, 6, "{}", run.show());
    assert_eq!(run.stdout, "unknown/unknown/deployed/1\n", "{}", run.show());
    let format = "status --format json shop";
    let value: serde_json::Value = serde_json::from_str(&cluster.run(format).stdout).expect("a JSON object");
    assert_eq!((&value["Stack"], &value["Sync"]), (&"shop".into(), &"unknown".into()));
}

#[test]
fn one_stack_whose_records_cannot_be_read_hides_no_other() {
    let cluster = cluster();
    cluster.expect(0, "deploy --yes blog");
    cluster.engines[0].with(|world| {
        for volume in world.volumes.values_mut() {
            let labels = &mut volume.asked["Labels"];
            if labels["io.stackctl.ledger.stream"] == "releases/blog" {
                labels["io.stackctl.ledger.data"] = "not a record".into();
            }
        }
    });
    let run = cluster.expect(1, &format!("status --format {{{{.Stack}}}}:{WORDS}"));
    assert_eq!(run.stdout, "blog:unknown/healthy/-/\nshop:in sync/healthy/deployed/1\n");
    assert!(run.stderr.contains("stack blog: its records cannot be read: "), "{}", run.show());
    // Asked about that one alone, it is the answer.
    let run = cluster.expect(1, "status blog");
    assert!(run.stderr.contains("stackctl::ledger::"), "{}", run.show());
}

/// A container that is paused is left to who paused it; what is gone elsewhere comes back.
#[test]
fn a_paused_task_hides_no_repair_of_another() {
    let cluster = cluster();
    cluster.engines[0].with(|world| {
        world.containers.values_mut().for_each(|one| {
            one.life.pause();
        });
    });
    cluster.engines[1].with(|world| world.containers.clear());
    let diff = cluster.expect(2, "diff shop");
    assert!(diff.stdout.contains("+ web.2 on h2"), "{}", diff.show());
    let run = cluster.expect(1, "deploy --yes shop");
    assert!(run.stderr.contains("web.1 on h1: it is paused"), "{}", run.show());
    assert_eq!(cluster.engines[1].with(|world| world.containers.len()), 1, "{}", run.show());
    assert_eq!(words(&cluster), "in sync/degraded/failed/2");
}
