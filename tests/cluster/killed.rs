//! A program that dies at any moment leaves what the next run finishes.

use std::time::{Duration, Instant};

use crate::ground::{Ground, HOSTS};

const KILLS: u64 = 20;

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
    let mut seed =
        std::env::var("STACKCTL_TEST_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(1_u64);
    eprintln!("STACKCTL_TEST_SEED={seed}");
    let mut killed = Vec::new();
    for kill in 0..KILLS {
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
