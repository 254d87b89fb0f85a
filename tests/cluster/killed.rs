//! A program that dies at any moment leaves what the next run finishes.

use std::time::{Duration, Instant};

use crate::ground::{Ground, HOSTS, Running, number};

/// Where `STACKCTL_TEST_KILLS` does not say: all three looks, and once from nothing again.
const KILLS: u64 = 7;

/// ssh keeps a connection for a minute.
const CONNECTIONS_LIVE_MAX: Duration = Duration::from_secs(70);

/// Three ways the stack looks, one after another: made, updated, scaled and cut down.
fn stackfile(kind: u64) -> (String, Vec<&'static str>) {
    let (image, web, text) =
        [("webhc:1", 2, "a"), ("webhc:2", 2, "b"), ("webhc:2", 4, "b")][kind as usize % 3];
    let file = format!(
        "version: '3.8'
x-check: &check {{interval: 3s, start_period: 20s, start_interval: 200ms}}
services:
  web:
    image: {image}
    healthcheck: *check
    networks: [front]
    configs: [{{source: page, target: /page}}]
    deploy:
      replicas: {web}
      placement: {{max_replicas_per_node: 1}}
      update_config: {{parallelism: 2, monitor: 200ms}}
  db:
    image: webhc:1
    environment: {{KIND: {text}}}
    networks: [front, back]
    volumes: ['data:/data']
    healthcheck: *check
    deploy:
      placement: {{constraints: [node.labels.host != h9, node.labels.storage == ssd]}}
      update_config: {{monitor: 200ms, order: start-first}}
  every:
    image: webhc:1
    healthcheck: *check
    environment: {{KIND: {text}}}
    networks: [back]
    deploy:
      mode: global
      placement: {{constraints: [node.labels.zone == b]}}
      update_config: {{parallelism: 0, monitor: 200ms}}
networks: {{front: , back: }}
volumes: {{data: }}
configs: {{page: {{content: {text}}}}}
"
    );
    let mut slots = vec!["web.1", "web.2", "web.3", "web.4"];
    slots.truncate(web);
    slots.extend(["db.1", "every.node:h2", "every.node:h4"]);
    (file, slots)
}

/// Numbers that look random and come again (SplitMix64).
pub fn random(seed: &mut u64) -> u64 {
    *seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *seed;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[test]
fn a_killed_deploy_is_finished_by_the_next_one() {
    let Some(ground) = Ground::new() else { return };
    let mut seed = number("STACKCTL_TEST_SEED", 1);
    eprintln!("STACKCTL_TEST_SEED={seed}");
    let mut killed = Vec::new();
    for kill in 0..number("STACKCTL_TEST_KILLS", KILLS) {
        if kill % 6 == 5 {
            ground.stackctl("rm --yes app").ends(0);
        }
        let (file, slots) = stackfile(kill);
        let file = ground.file("app.yml", &file);
        let words = format!("deploy --yes --format json -c {file} app");
        // After so many of the lines in which an action begins or ends, and a moment more.
        let mut running = ground.begin(&words);
        let (mut planned, mut left) = (0, None);
        while let Some(line) = running.line() {
            if line.contains("\"planned_action\"") {
                planned += 1;
            }
            if !line.contains("\"action_start\"") && !line.contains("\"action_done\"") {
                continue;
            }
            let left = left.get_or_insert_with(|| random(&mut seed) % (2 * planned + 1));
            if *left == 0 {
                break;
            }
            *left -= 1;
        }
        std::thread::sleep(Duration::from_millis(random(&mut seed) % 120));
        killed.push((running.kill(), Instant::now()));

        eprintln!("kill {kill}: {planned} planned, killed with {left:?} to go");
        ground.stackctl(&words).ends(0);
        ground.assert_is("app", &slots);
        let again = ground.stackctl(&words).ends(0);
        assert_eq!(again.actions("planned_action"), [""; 0], "{}", again.whole());
    }
    ground.stackctl("rm --yes app").ends(0);
    assert!(ground.tasks("app").is_empty());
    for host in HOSTS {
        assert!(ground.networks(host, "app").is_empty(), "{host}");
    }
    // The ssh connections of killed programs end by themselves.
    let lines: Vec<String> = (std::fs::read_dir("/proc").expect("/proc").flatten())
        .filter_map(|entry| std::fs::read(entry.path().join("cmdline")).ok())
        .map(|line| String::from_utf8_lossy(&line).replace('\0', " "))
        .collect();
    for (program, at) in killed {
        let own = ground.path().join(format!("stackctl/{program}-")).display().to_string();
        let left: Vec<&String> = lines.iter().filter(|line| line.contains(&own)).collect();
        assert!(at.elapsed() < CONNECTIONS_LIVE_MAX || left.is_empty(), "{left:#?}");
    }
}

/// Four tasks that publish a port of each of three hosts or none, by turns: moved or replaced in place.
fn updating(image: &str, round: u64) -> String {
    let (ports, replicas) = match round % 2 {
        0 => ("    ports: [{target: 80, published: 8080, mode: host}]\n", 3),
        _ => ("", 4),
    };
    format!(
        "version: '3.8'
services:
  web:
    image: {image}
    healthcheck: {{interval: 400ms, retries: 2}}
    environment: {{ROUND: '{round}'}}
{ports}    deploy:
      replicas: {replicas}
      update_config: {{parallelism: 2, order: start-first, failure_action: rollback, max_failure_ratio: 0.3}}
      rollback_config: {{parallelism: 1}}
"
    )
}

/// Reads until the run has begun what is to be cut short, and so many actions and a moment more.
fn kill_within(mut running: Running, begins: &str, most: u64, seed: &mut u64) -> bool {
    let mut left = None;
    while let Some(line) = running.line() {
        if left.is_none() && line.contains(begins) {
            left = Some(random(seed) % most);
        }
        if let Some(left) = left.as_mut().filter(|_| line.contains("\"action_")) {
            if *left == 0 {
                break;
            }
            *left -= 1;
        }
    }
    std::thread::sleep(Duration::from_millis(random(seed) % 300));
    running.kill();
    left.is_some()
}

#[test]
fn a_killed_update_and_a_killed_rollback_are_finished_by_the_next_run() {
    let Some(ground) = Ground::new() else { return };
    let rounds = number("STACKCTL_ROUNDS", 2);
    let mut seed = number("STACKCTL_TEST_SEED", 1);
    eprintln!("STACKCTL_TEST_SEED={seed}");
    let words = |text: &str| {
        let file = ground.file("app.yml", text);
        format!("deploy --yes --format json -c {file} app")
    };
    let arrives = |text: &str, round: u64| {
        ground.stackctl(&words(text)).ends(0);
        let slots = ["web.1", "web.2", "web.3", "web.4"];
        ground.assert_is("app", &slots[..if round.is_multiple_of(2) { 3 } else { 4 }]);
        let again = ground.stackctl(&words(text)).ends(0);
        assert_eq!(again.actions("planned_action"), [""; 0], "{}", again.whole());
    };
    let (mut updates, mut rollbacks) = (0, 0);
    for round in 0..rounds {
        arrives(&updating("webhc:1", round), round);
        let next = updating("webhc:2", round);
        updates += u32::from(kill_within(ground.begin(&words(&next)), "\"action_start\"", 16, &mut seed));
        arrives(&next, round);
        let bad = updating("webhc:sick", round);
        let begun = kill_within(ground.begin(&words(&bad)), "\"rolling_back\"", 6, &mut seed);
        rollbacks += u32::from(begun);
        arrives(&next, round);
    }
    eprintln!("{rounds} rounds: {updates} updates and {rollbacks} rollbacks killed on their way");
    assert_eq!((u64::from(updates), u64::from(rollbacks)), (rounds, rounds));
}
