//! Nodes that are drained, labelled and filled again, on real hosts; also by a program that is killed.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::ground::{Ground, HOSTS, now, number};
use crate::killed::random;
use crate::updates::fewest_and_most;

fn web(replicas: usize, more: &str) -> String {
    format!(
        "version: '3.8'
services:
  web:
    image: webhc:1
    healthcheck: {{interval: 3s, start_period: 20s, start_interval: 200ms}}
    deploy:
      replicas: {replicas}
      {more}
      update_config: {{parallelism: 1, monitor: 200ms, order: start-first}}
"
    )
}

fn on(ground: &Ground, host: &str) -> usize {
    ground.live("app", "web").iter().filter(|task| task.host == host).count()
}

#[test]
fn a_drain_never_serves_with_fewer() {
    let Some(ground) = Ground::new() else { return };
    let file = ground.file("app.yml", &web(6, ""));
    ground.stackctl(&format!("deploy --yes -c {file} app")).ends(0);
    let slots = ["web.1", "web.2", "web.3", "web.4", "web.5", "web.6"];
    ground.assert_is("app", &slots);
    assert!(on(&ground, "h1") >= 1 && on(&ground, "h2") >= 1);
    let since = now();
    ground.stackctl("node update --availability drain --yes h1 h2").ends(0);
    ground.assert_is("app", &slots);
    assert_eq!((on(&ground, "h1"), on(&ground, "h2")), (0, 0));
    assert_eq!(fewest_and_most(&ground, since, 6), (6, 7));
    let again = ground.stackctl("node update --availability drain --yes --format json h1 h2").ends(0);
    assert_eq!(again.actions("planned_action"), [""; 0], "{}", again.whole());

    // Back, and filled again with bounded moves.
    ground.stackctl("node update --availability active h1 h2").ends(0);
    let dry = ground.stackctl("rebalance --dry-run --max-moves 1 --format json").ends(0);
    assert!(!dry.actions("planned_action").is_empty(), "{}", dry.whole());
    let since = now();
    ground.stackctl("rebalance --yes").ends(0);
    ground.assert_is("app", &slots);
    assert_eq!(fewest_and_most(&ground, since, 6), (6, 7));
    assert!(HOSTS.iter().all(|host| (1..=2).contains(&on(&ground, host))));
    let again = ground.stackctl("rebalance --yes --format json").ends(0);
    assert_eq!(again.actions("planned_action"), [""; 0], "{}", again.whole());

    // What explains and what only imagines.
    let explained = ground.stackctl(&format!("explain -c {file} app web")).ends(0).whole();
    assert!(explained.contains("6 live tasks") && explained.contains("fits"), "{explained}");
    let lost = ground.stackctl(&format!("diff --simulate-loss h3 -c {file} app")).ends(2).whole();
    assert!(lost.contains("h3 (lost)"), "{lost}");
    let added = ground
        .stackctl(&format!("diff --simulate-add h9:zone=z:cpus=8,memory=16G -c {file} app"))
        .ends(0)
        .whole();
    assert!(added.contains("TASKS NOW"), "{added}");
    ground.stackctl("rm --yes app").ends(0);
}

#[test]
fn a_label_that_is_added_lets_a_constraint_hold() {
    let Some(ground) = Ground::new() else { return };
    let placed = |constraint: &str| {
        ground.file("app.yml", &web(2, &format!("placement: {{constraints: ['{constraint}']}}")))
    };
    let file = placed("node.labels.made == up");
    ground.stackctl(&format!("deploy --yes -c {file} app")).ends(1);
    ground.stackctl("node update --label-add made=up h4").ends(0);
    ground.stackctl(&format!("deploy --yes -c {file} app")).ends(0);
    assert_eq!(on(&ground, "h4"), 2);
    // The records are not only there for this program's own inventory.
    let listed = ground.stackctl("node ls").ends(0).whole();
    assert!(listed.contains("label made"), "{listed}");
    let managers: BTreeSet<String> = ground
        .stackctl("node ls -f role=manager --format {{.Name}}")
        .ends(0)
        .stdout
        .lines()
        .map(str::to_owned)
        .collect();
    let workers: Vec<&str> = HOSTS.into_iter().filter(|host| !managers.contains(*host)).collect();
    let worker = workers.first().copied().unwrap_or("h4");
    ground.stackctl("node demote h1 h2 h3 h4").ends(0);
    ground.stackctl(&format!("node promote {worker}")).ends(0);
    let file = placed("node.role == manager");
    ground.stackctl(&format!("deploy --yes -c {file} app")).ends(0);
    assert_eq!(on(&ground, worker), 2);
    let history = ground.stackctl("history --format {{.Release}}:{{.Outcome}} app").ends(0).whole();
    assert!(
        history.contains("2:deployed") && history.contains("1:deployed"),
        "the ledger is where it was: {history}"
    );
    ground.stackctl("rm --yes app").ends(0);
}

/// `STACKCTL_TEST_KILLS` is how often each is killed.
fn kills() -> u64 {
    number("STACKCTL_TEST_KILLS", 3)
}

fn killed_and_run_again(ground: &Ground, words: &str, seed: &mut u64) {
    let json = format!("{words} --format json");
    let mut running = ground.begin(&json);
    let (mut planned, mut left) = (0, None);
    // In half of the rounds by time alone, so that the record and the lease are met as well.
    if random(seed).is_multiple_of(2) {
        std::thread::sleep(Duration::from_millis(random(seed) % 1_500));
    } else {
        while let Some(line) = running.line() {
            if line.contains("\"planned_action\"") {
                planned += 1;
            }
            if !line.contains("\"action_start\"") && !line.contains("\"action_done\"") {
                continue;
            }
            let left = left.get_or_insert_with(|| random(seed) % (2 * planned + 1));
            if *left == 0 {
                break;
            }
            *left -= 1;
        }
        std::thread::sleep(Duration::from_millis(random(seed) % 120));
    }
    running.kill();
    eprintln!("{words}: {planned} planned, killed with {left:?} to go");
    ground.stackctl(&json).ends(0);
    let again = ground.stackctl(&json).ends(0);
    assert_eq!(again.actions("planned_action"), [""; 0], "{}", again.whole());
}

#[test]
fn a_killed_drain_or_rebalance_is_finished_by_the_next_one() {
    let Some(ground) = Ground::new() else { return };
    let mut seed = number("STACKCTL_TEST_SEED", 1);
    eprintln!("STACKCTL_TEST_SEED={seed}");
    let file = ground.file("app.yml", &web(6, ""));
    ground.stackctl(&format!("deploy --yes -c {file} app")).ends(0);
    let slots = ["web.1", "web.2", "web.3", "web.4", "web.5", "web.6"];
    for round in 0..kills() {
        let host = HOSTS[round as usize % HOSTS.len()];
        killed_and_run_again(&ground, &format!("node update --availability drain --yes {host}"), &mut seed);
        ground.assert_is("app", &slots);
        assert_eq!(on(&ground, host), 0);
        ground.stackctl(&format!("node update --availability active {host}")).ends(0);
        killed_and_run_again(&ground, "rebalance --yes", &mut seed);
        ground.assert_is("app", &slots);
        assert!((1..=2).contains(&on(&ground, host)), "{host} has its share again");
        ground.stackctl(&format!("diff -c {file} app")).ends(0);
    }
    ground.stackctl("rm --yes app").ends(0);
    assert!(ground.tasks("app").is_empty());
}
