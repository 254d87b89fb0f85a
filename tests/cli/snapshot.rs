//! A diff without hosts.

use serde_json::Value;

use crate::engine::Clock;
use crate::hosts::Hosts;
use crate::run::Room;

const NOW: &str = "2026-01-31T12:01:05Z";
const THEN_MS: i64 = 1_769_860_800_000;

const SHOP: &str = "\
services:
  web:
    image: nginx:1.25
    command: [serve, --token=hunter2]
    environment: {MODE: fast, DSN: 'postgres://me:hunter2@db'}
    labels: {auth: hunter2}
    configs: [{source: page, target: /page}]
    deploy:
      replicas: 2
      update_config: {monitor: 50ms}
  db:
    image: postgres:16
    environment: {POSTGRES_PASSWORD: hunter2}
    deploy: {update_config: {monitor: 50ms}}
configs:
  page: {content: hunter2}
";

/// Three hosts that run the shop, whose clocks stand still.
fn shop() -> Hosts {
    let mut hosts = Hosts::new(3);
    for engine in &hosts.engines {
        engine.with(|world| world.clock = Clock::Fixed(THEN_MS));
    }
    hosts.room.env("STACKCTL_NOW", NOW);
    hosts.stackfile(SHOP);
    hosts.expect(0, "deploy --yes shop");
    hosts
}

/// A room without hosts and inventory, and with what was snapped elsewhere.
fn room_of(hosts: &Hosts) -> Room {
    let mut room = Room::new();
    if let Ok(key) = std::fs::read_to_string(hosts.path().join("key")) {
        room.env("STACKCTL_SNAPSHOT_KEY", key.trim());
    }
    let text = std::fs::read_to_string(hosts.path().join("snap.json")).expect("a snapshot");
    room.file("snap.json", &text);
    room.file("compose.yaml", SHOP);
    room
}

/// Without the millisecond at which it was made, and what hangs on it.
fn without_time(text: &str) -> String {
    let is_time = |line: &&str| ["\"at\":", "\"checksum\":"].iter().any(|key| line.trim().starts_with(key));
    text.lines().filter(|line| !is_time(line)).collect::<Vec<_>>().join("\n")
}

#[test]
fn a_diff_against_a_snapshot_is_the_diff_and_asks_no_host() {
    let hosts = shop();
    hosts.forget_calls();
    hosts.expect(0, "snapshot -o snap.json --key-out key");
    assert_eq!(hosts.writes(), [""; 0]);
    let text = std::fs::read_to_string(hosts.path().join("snap.json")).unwrap();
    assert!(!text.contains("hunter2"), "{text}");
    let again = hosts.expect(0, "snapshot").stdout;
    let kept = text.replace(&hosts.path().display().to_string(), "[DIR]");
    assert_eq!(without_time(&again), without_time(&kept));

    let mut room = room_of(&hosts);
    let same = room.run("diff --against snap.json shop");
    assert_eq!(same.status, 0, "{}", same.show());
    for (edit, hides) in [
        (("replicas: 2", "replicas: 3"), false),
        (("nginx:1.25", "nginx:1.26"), false),
        (("fast", "slow"), true),
        (("[serve, --token=hunter2]", "[serve, --token=hunter3]"), true),
        (("page: {content: hunter2}", "page: {content: other}"), true),
        (("POSTGRES_PASSWORD: hunter2", "POSTGRES_PASSWORD: hunter3"), true),
    ] {
        let text = SHOP.replace(edit.0, edit.1);
        assert_ne!(text, SHOP);
        hosts.stackfile(&text);
        room.file("compose.yaml", &text);
        let live = hosts.expect(2, "diff --show-values --format json --resolve-image never shop");
        let kept =
            room.run("diff --show-values --format json --resolve-image never --against snap.json shop");
        assert_eq!(kept.status, 2, "{edit:?} {}", kept.show());
        assert!(!kept.stdout.contains("hunter2"), "{}", kept.stdout);
        let plan = |text: &str| -> Value { serde_json::from_str(text).unwrap() };
        let (live, kept) = (plan(&live.stdout), plan(&kept.stdout));
        assert_eq!(live["actions"], kept["actions"], "{edit:?}");
        assert_eq!(live["summary"], kept["summary"], "{edit:?}");
        assert_eq!(live["changes"] != kept["changes"], hides, "{edit:?} {}", kept["changes"]);
    }
    room.file("compose.yaml", &SHOP.replace("fast", "slow").replace("nginx:1.25", "nginx:1.26"));
    insta::assert_snapshot!("diff_against", room.run("diff --against snap.json shop").show());
    let loss = room.run("diff --against snap.json --simulate-loss h2 shop");
    assert!(loss.stdout.contains("h2 (lost)"), "{}", loss.show());

    // A file in place of the variable; and what becomes of it without a key, or with that of another cluster.
    room.file("compose.yaml", SHOP);
    room.env("STACKCTL_SNAPSHOT_KEY", "");
    let key = std::fs::read_to_string(hosts.path().join("key")).unwrap();
    room.file("key", &key);
    assert_eq!(room.run("diff --against snap.json --key key shop").status, 0);
    insta::assert_snapshot!("diff_against_without_key", room.run("diff --against snap.json shop").show());
    room.file("other", &"7".repeat(64));
    room.file("none", &key[1..]);
    for (file, code) in
        [("other", "saved::other_key"), ("none", "saved::bad_key"), ("gone", "saved::bad_key")]
    {
        let run = room.run(&format!("diff --against snap.json --key {file} shop"));
        assert!(run.status == 1 && run.stderr.contains(code), "{}", run.show());
        assert!(!run.stderr.contains(key[1..].trim()), "{}", run.show());
    }
}

#[test]
fn what_drifted_and_who_was_silent_is_in_the_snapshot() {
    let hosts = shop();
    hosts.engines[1].with(|world| {
        let running = world.running();
        let id =
            world.containers.iter().find(|(_, one)| running.contains(&one.name)).map(|(id, _)| id.clone());
        world.containers.remove(&id.expect("a task runs on h2"));
    });
    hosts.expect(0, "snapshot -o snap.json --key-out key");
    let room = room_of(&hosts);
    let run = room.run("diff --against snap.json shop");
    assert!(run.status == 2 && run.stdout.contains("removed"), "{}", run.show());
    assert_eq!(
        run.stdout,
        hosts.expect(2, "diff shop").stdout.replace(&hosts.path().display().to_string(), "[DIR]")
    );

    hosts.engines[2].kill();
    hosts.expect(6, "snapshot -o snap.json");
    let room = room_of(&hosts);
    let run = room.run("diff --against snap.json shop");
    assert!(run.status == 6 && run.stderr.contains("node `h3` is unreachable"), "{}", run.show());
}

#[test]
fn snapshots_that_are_no_good_are_refused() {
    let hosts = shop();
    hosts.expect(0, "snapshot -o snap.json --key-out key");
    let room = room_of(&hosts);
    let text = std::fs::read_to_string(hosts.path().join("snap.json")).unwrap();
    room.file("changed.json", &text.replace("\"state\": \"running\"", "\"state\": \"dead\""));
    // The place does not depend on how long the version is.
    let text_of = text.replace(env!("CARGO_PKG_VERSION"), "0.0.0");
    room.file("cut.json", &text_of[..text_of.len() / 2]);
    room.file("newer.json", &text.replace("\"read\": \"0.3.0\"", "\"read\": \"99.0.0\""));
    room.file("other.yml", "cluster: other\nhosts: {h1: nowhere}\n");
    let mut shown = String::new();
    for args in [
        "diff --against changed.json shop",
        "diff --against cut.json shop",
        "diff --against newer.json shop",
        "diff --against compose.yaml shop",
        "diff --against nowhere.json shop",
        "diff -i other.yml --against snap.json shop",
        "diff --against snap.json shop@1",
    ] {
        let run = room.run(args);
        assert!(matches!(run.status, 1 | 64) && run.stdout.is_empty(), "{args}\n{}", run.show());
        shown.push_str(&format!("$ stackctl {args}\n{}\n", run.show()));
    }
    insta::assert_snapshot!("snapshots_refused", shown.replace(env!("CARGO_PKG_VERSION"), "VERSION"));
}
