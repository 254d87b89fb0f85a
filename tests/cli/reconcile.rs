//! One round of the loop on fake engines: what it says, what it mends, and that who reports writes nothing.

use std::time::Duration;

use crate::engine::Wrong;
use crate::hosts::Hosts;

const WEB: &str = "\
services:
  web:
    image: nginx:1.25
    deploy: {replicas: 3, update_config: {parallelism: 0, monitor: 50ms}}
";

fn deployed() -> Hosts {
    Hosts::deployed(WEB)
}

/// One of its containers is gone, and one was stopped.
fn damage(cluster: &Hosts) {
    cluster.engines[0].with(|world| world.containers.clear());
    cluster.engines[1].with(|world| {
        let now = world.clock.now();
        for container in world.containers.values_mut() {
            container.life.stop(now, 137);
        }
    });
}

#[test]
fn one_round_mends_what_has_drifted() {
    let cluster = deployed();
    let run = cluster.expect(0, "reconcile --once");
    assert!(run.stdout.ends_with("stack shop (release 1) is as declared\n"), "{}", run.show());
    damage(&cluster);
    cluster.forget_calls();
    let run = cluster.expect(2, "reconcile --once --policy report");
    assert!(run.stdout.contains("stack shop (release 1) has drifted: "), "{}", run.show());
    assert!(
        run.stdout.contains(": removed") && run.stdout.contains(": stopped (status 137)"),
        "{}",
        run.show()
    );
    assert_eq!(cluster.writes(), [""; 0], "who reports writes nothing");
    let run = cluster.expect(0, "reconcile --once --format json");
    let lines: Vec<serde_json::Value> =
        run.stdout.lines().map(|line| serde_json::from_str(line).expect(line)).collect();
    let types: Vec<&str> = lines.iter().filter_map(|line| line["type"].as_str()).collect();
    assert!(types.starts_with(&["leading", "stack", "heal_began", "acted"]), "{types:?}");
    assert_eq!(lines.last().map(|line| &line["standing"]), Some(&"in_sync".into()), "{}", run.show());
    assert_eq!(cluster.running().len(), 3);
    let history = cluster.expect(0, "history --format {{.Release}}:{{.Outcome}} shop").stdout;
    assert_eq!(history, "1:deployed\n", "healing is no release");
    // Its lease is given back, and so is the lead: the second round finds nothing to do.
    cluster.expect(0, "reconcile --once");
}

#[test]
fn a_removal_that_was_killed_half_way_is_finished_as_one() {
    let cluster = deployed();
    // One is quick, so that the removal is killed between its tasks.
    for engine in &cluster.engines[1..] {
        engine.fail("POST /containers/{id}/stop", 1, Wrong::Slow(Duration::from_secs(5)));
    }
    cluster.kill_when("rm --yes shop", || cluster.running().len() < 3);
    let left = cluster.running().len();
    assert!((1..3).contains(&left), "{left}");
    let history = || cluster.expect(0, "history --format {{.Release}}:{{.Outcome}} shop").stdout;
    assert_eq!(history(), "2:unfinished\n1:deployed\n");
    cluster.expect(0, "reconcile --once");
    assert_eq!(cluster.running(), [""; 0]);
    assert_eq!(history(), "2:removed\n1:deployed\n");
    cluster.forget_calls();
    cluster.expect(0, "reconcile --once");
}

#[test]
fn a_suspended_stack_is_left_as_it_is() {
    let cluster = deployed();
    let run = cluster.expect(0, "suspend -m repairs shop");
    assert!(run.stderr.contains("Stack shop is suspended: the loop leaves it as it is."), "{}", run.show());
    cluster.forget_calls();
    let again = cluster.expect(0, "suspend shop");
    let words = format!("is already suspended by {}", crate::run::who());
    assert!(again.stderr.contains(&words), "{}", again.show());
    assert_eq!(cluster.writes(), [""; 0], "the second time nothing is written");
    damage(&cluster);
    let run = cluster.expect(0, "reconcile --once");
    assert!(
        run.stdout.contains(&format!("is suspended by {}", crate::run::who()))
            && run.stdout.contains("(repairs)"),
        "{}",
        run.show()
    );
    assert_eq!(cluster.running().len(), 1);
    cluster.expect(0, "resume shop");
    cluster.expect(0, "reconcile --once");
    assert_eq!(cluster.running().len(), 3);
    let unknown = cluster.expect(1, "suspend nothing");
    assert!(unknown.stderr.contains("stackctl::history::no_release"), "{}", unknown.show());
}

#[test]
fn times_and_places_that_make_no_sense_are_refused() {
    let cluster = deployed();
    let run = cluster.expect(64, "reconcile --node-timeout 1s");
    assert!(run.stderr.contains("--node-timeout is 1s, but must be at least 3s"), "{}", run.show());
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let at = taken.local_addr().expect("an address");
    let run = cluster.expect(1, &format!("reconcile --once --listen {at}"));
    assert!(run.stderr.contains("stackctl::reconcile::listen"), "{}", run.show());
}

#[test]
fn why_a_host_is_not_fenced_is_said_by_status() {
    let mut cluster = Hosts::deployed(
        "services: {db: {image: nginx:1.25, volumes: ['data:/data'], deploy: {placement: {constraints: \
         [node.hostname == h2]}, update_config: {monitor: 50ms}}}}\nvolumes: {data: }\n",
    );
    // Its socket lies on this machine.
    cluster.inventory(|_| ", fence: [./power]".to_owned());
    let power = cluster.file("power", "#!/bin/sh\ntouch ran\n");
    std::fs::set_permissions(power, std::os::unix::fs::PermissionsExt::from_mode(0o755)).expect("a program");
    cluster.room.env("STACKCTL_TRUST", "1");
    cluster.engines[1].kill();
    let told = || cluster.run("status").stderr.contains("it is never fenced");
    let ran = || cluster.path().join("ran").exists();
    let began = std::time::Instant::now();
    let is_over = || {
        std::thread::sleep(Duration::from_millis(50));
        told() || ran() || began.elapsed() > Duration::from_secs(60)
    };
    cluster.kill_when("reconcile --node-timeout 3s", is_over);
    assert!(!ran());
    assert!(told(), "{}", cluster.run("status").show());
}
