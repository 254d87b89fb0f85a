//! Tasks that fail, wait for one another, end on purpose or lose their host.

use std::time::Duration;

use crate::ground::{Ground, HOSTS, Running, now};

/// One after another. The engine starts a program that ends again and again, the first times at once:
/// within this window it is seen.
fn service(image: &str, more: &str) -> String {
    format!(
        "version: '3.8'
services:
  web:
    image: {image}
{more}
    deploy:
      replicas: 2
      update_config: {{parallelism: 1, monitor: 3s}}
"
    )
}

#[test]
fn a_task_that_ends_is_shown_with_its_last_words() {
    let Some(ground) = Ground::new() else { return };
    let good = ground.file("good.yml", &service("web:1", ""));
    ground.stackctl(&format!("deploy --yes -c {good} app")).ends(0);
    let bad = ground.file("bad.yml", &service("web:bad", ""));
    let run = ground.stackctl(&format!("deploy --yes -c {bad} app"));
    assert!([1, 7].contains(&run.status), "{}", run.whole());
    run.says(&["web", "this version fails", "stackctl logs"]);
    // The update stopped at its first failure.
    let left = ground.live("app", "web").into_iter().filter(|task| task.image().starts_with("web:1")).count();
    assert_eq!(left, 1);
    // And the way back is the way there.
    ground.stackctl(&format!("deploy --yes -c {good} app")).ends(0);
    ground.assert_is("app", &["web.1", "web.2"]);
    ground.stackctl(&format!("diff -c {good} app")).ends(0);
}

#[test]
fn a_task_that_is_unhealthy_has_failed() {
    let Some(ground) = Ground::new() else { return };
    let check = "    healthcheck: {interval: 300ms, retries: 2}";
    let file = ground.file("sick.yml", &service("webhc:sick", check));
    let run = ground.stackctl(&format!("deploy --yes -c {file} app")).ends(1);
    run.says(&["web", "unhealthy"]);
    // Healing the image heals the stack.
    let file = ground.file("well.yml", &service("webhc:1", check));
    ground.stackctl(&format!("deploy --yes -c {file} app")).ends(0);
    ground.assert_is("app", &["web.1", "web.2"]);
}

#[test]
fn a_drained_node_gives_its_tasks_away() {
    let Some(ground) = Ground::new() else { return };
    let stack = "version: '3.8'
services:
  web:
    image: web:1
    deploy: {replicas: 4, update_config: {parallelism: 0, monitor: 200ms}}
  every:
    image: web:1
    deploy: {mode: global, update_config: {parallelism: 0, monitor: 200ms}}
";
    let file = ground.file("app.yml", stack);
    let words = format!("deploy --yes --format json -c {file} app");
    ground.stackctl(&words).ends(0);
    assert_eq!(ground.tasks_on("h2", "app").len(), 2);
    let others = ground.everything(&["h1", "h3", "h4"]);
    let drained = ground.inventory(|text| text.replace("h2:\n", "h2:\n    availability: drain\n"));
    ground.stackctl_on(&drained, &words).ends(0);
    assert_eq!(ground.tasks_on("h2", "app").iter().filter(|task| task.is_live()).count(), 0);
    assert_eq!(ground.live("app", "web").len(), 4);
    assert_eq!(ground.live("app", "every").len(), 3);
    // Who was elsewhere stayed.
    let after = ground.everything(&["h1", "h3", "h4"]);
    for (host, before) in others {
        for line in before {
            assert!(after[&host].contains(&line), "{host}: {line}");
        }
    }
    assert_eq!(ground.stackctl_on(&drained, &words).ends(0).actions("planned_action"), [""; 0]);
    // Back again: the global service returns, replicas stay where they are.
    ground.stackctl(&words).ends(0);
    assert_eq!(ground.live("app", "every").len(), 4);
    assert_eq!(ground.live("app", "web").len(), 4);
}

#[test]
fn a_job_is_done_once() {
    let Some(ground) = Ground::new() else { return };
    let stack = |command: &str| {
        format!(
            "version: '3.8'
services:
  job:
    image: busybox:1
    command: {command}
    deploy: {{mode: replicated-job, replicas: 3}}
"
        )
    };
    let file = ground.file("job.yml", &stack("[sh, -c, 'echo done; true']"));
    let words = format!("deploy --yes --format json -c {file} job");
    ground.stackctl(&words).ends(0);
    let tasks = ground.tasks("job");
    assert_eq!(tasks.len(), 3);
    assert!(tasks.iter().all(|task| task.state() == "exited" && task.inspect["State"]["ExitCode"] == 0));
    let before = ground.everything(&HOSTS);
    assert_eq!(ground.stackctl(&words).ends(0).actions("planned_action"), [""; 0]);
    assert_eq!(ground.everything(&HOSTS), before);
    // Another command is another job.
    let file = ground.file("job.yml", &stack("[sh, -c, 'echo again; true']"));
    ground.stackctl(&format!("deploy --yes -c {file} job")).ends(0);
    ground.stackctl("logs job").ends(0).says(&["again"]);
    // One that fails has failed.
    let tries = "    deploy: {mode: replicated-job, replicas: 3, restart_policy: {condition: none}}\n";
    let file = stack("[sh, -c, 'echo no luck; exit 3']");
    let (head, _) = file.split_once("    deploy:").expect("a deploy section");
    let file = ground.file("job.yml", &format!("{head}{tries}"));
    ground.stackctl(&format!("deploy --yes -c {file} job")).ends(1).says(&["no luck", "status 3"]);
}

#[test]
fn services_wait_for_those_they_depend_on() {
    let Some(ground) = Ground::new() else { return };
    let stack = "version: '3.8'
x-deploy: &deploy {replicas: 2, update_config: {parallelism: 0, monitor: 200ms}}
services:
  db:
    image: webhc:1
    environment: {WEB_START_DELAY: '1'}
    deploy: *deploy
  migrate:
    image: busybox:1
    command: [sh, -c, 'sleep 1; echo migrated']
    depends_on: {db: {condition: service_healthy}}
    deploy: {mode: replicated-job, replicas: 1}
  web:
    image: web:1
    depends_on:
      db: {condition: service_healthy}
      migrate: {condition: service_completed_successfully}
    deploy: *deploy
  proxy:
    image: web:1
    depends_on: [web]
    deploy: *deploy
";
    let file = ground.file("app.yml", stack);
    let since = now();
    ground.stackctl(&format!("deploy --yes -c {file} app")).ends(0);
    let times = |service: &str| -> Vec<jiff::Timestamp> {
        let tasks = ground.tasks("app").into_iter().filter(|task| task.service() == service);
        tasks.map(|task| task.started_at()).collect()
    };
    // Not from what the engine says of its checks: it keeps the last five, the first that passed may be gone.
    let happened = ground.events(&HOSTS, since);
    let healthy_at = (ground.live("app", "db").iter())
        .map(|db| {
            let first = (happened.iter())
                .find(|it| it.action == "health_status: healthy" && it.name == db.name())
                .unwrap_or_else(|| panic!("{} was never healthy: {happened:#?}", db.name()));
            jiff::Timestamp::from_nanosecond(first.at.into()).expect("a time")
        })
        .max()
        .expect("tasks of db");
    let migrated_at: jiff::Timestamp = (ground.tasks("app").iter())
        .find(|task| task.service() == "migrate")
        .and_then(|task| task.inspect["State"]["FinishedAt"].as_str()?.parse().ok())
        .expect("the end of migrate");
    assert!(times("migrate").iter().all(|at| *at > healthy_at));
    assert!(times("web").iter().all(|at| *at > migrated_at));
    assert!(times("proxy").iter().min() > times("web").iter().max());
}

#[test]
fn logs_of_all_hosts_come_merged_by_time() {
    let Some(ground) = Ground::new() else { return };
    let stack = "version: '3.8'
services:
  web:
    image: busybox:1
    init: true
    command: [sh, -c, 'for i in 0 1 2 3 4 5 6 7 8 9; do echo line $$i; sleep 0.1; done; sleep 1000']
    deploy: {mode: global, update_config: {parallelism: 0, monitor: 1500ms}}
";
    let file = ground.file("app.yml", stack);
    ground.stackctl(&format!("deploy --yes -c {file} app")).ends(0);
    let run = ground.stackctl("logs --timestamps app").ends(0);
    let mut by_task = std::collections::BTreeMap::<String, Vec<String>>::new();
    let mut times = Vec::new();
    for line in run.stdout.lines() {
        let (head, said) = line.split_once('|').unwrap_or_else(|| panic!("{}", run.whole()));
        let is_time = |word: &&str| word.parse::<jiff::Timestamp>().is_ok();
        times.extend(
            line.split_whitespace()
                .find(is_time)
                .map(|word| word.parse::<jiff::Timestamp>().expect("a time")),
        );
        let who = head.split_whitespace().find(|word| !is_time(word)).unwrap_or_default();
        by_task
            .entry(who.to_owned())
            .or_default()
            .push(said.split_whitespace().last().unwrap_or_default().to_owned());
    }
    assert_eq!(times.len(), 40, "{}", run.whole());
    assert!(times.is_sorted(), "{}", run.whole());
    assert_eq!(by_task.len(), 4, "{by_task:?}");
    for (who, lines) in by_task {
        assert_eq!(lines.concat(), "0123456789", "{who}");
    }
    // They were written at the same time, so hosts take turns.
    let tail = ground.stackctl("logs --tail 2 --raw app").ends(0);
    let mut tail: Vec<&str> = tail.stdout.lines().collect();
    tail.sort_unstable();
    assert_eq!(tail, ["line 8", "line 8", "line 8", "line 8", "line 9", "line 9", "line 9", "line 9"]);
}

#[test]
fn a_host_cut_off_on_the_way_ends_the_deploy_and_healed_it_is_finished() {
    let Some(ground) = Ground::new() else { return };
    let stack = "version: '3.8'
services:
  first:
    image: webhc:1
    deploy: {mode: global, update_config: {parallelism: 0, monitor: 500ms}}
  second:
    image: web:1
    depends_on: {first: {condition: service_healthy}}
    deploy: {replicas: 4, update_config: {parallelism: 0, monitor: 500ms}}
";
    let file = ground.file("app.yml", stack);
    let words = format!("deploy --yes --format json -c {file} app");
    let mut running = ground.begin(&words);
    let started =
        running.line_of("action_start", |line| line["node"] == "h2" && line["verb"] == "start task");
    assert!(started.is_some(), "{}", running.wait().whole());
    ground.playground("cut h2");
    running.wait().ends(6).says(&["h2"]);
    // As long as it is gone, nobody can tell what runs there.
    ground.stackctl(&words).ends(6);
    ground.playground("heal h2");
    std::thread::sleep(Duration::from_millis(200));
    // The lock is still held if something was under way to the host when it was cut off.
    ground.stackctl(&format!("{words} --lock-timeout 3m")).ends(0);
    let slots = ["first.node:h1", "first.node:h2", "first.node:h3", "first.node:h4"];
    let slots = [&slots[..], &["second.1", "second.2", "second.3", "second.4"]].concat();
    ground.assert_is("app", &slots);
    assert_eq!(ground.stackctl(&words).ends(0).actions("planned_action"), [""; 0]);
}

/// What ssh has written is the kernel's: it sends that again long after the deploy has ended. Not so where stackctl has
/// opened the connection, which it does not if the user says how.
#[test]
fn what_may_still_arrive_at_a_host_keeps_the_lock() {
    let Some(ground) = Ground::new() else { return };
    let inventory = ground.inventory_with_ssh(|config| format!("AddressFamily inet\n{config}"));
    let stack = |image: &str| {
        format!(
            "services:
  slow:
    image: {image}
    command: [sh, -c, \"trap '' TERM; while :; do sleep 1; done\"]
    stop_grace_period: 20s
    deploy: {{mode: global, update_config: {{parallelism: 0, monitor: 500ms}}}}
"
        )
    };
    let file = ground.file("slow.yml", &stack("web:1"));
    let words = format!("deploy --yes --format json -c {file} slow");
    ground.stackctl_on(&inventory, &words).ends(0);
    ground.file("slow.yml", &stack("web:2"));
    let mut running = ground.begin_on(&inventory, &words);
    let stopping =
        running.line_of("action_start", |line| line["node"] == "h2" && line["verb"] == "stop task");
    assert!(stopping.is_some(), "{}", running.wait().whole());
    ground.playground("cut h2");
    running.wait().ends(6).says(&["h2"]);
    ground.playground("heal h2");
    std::thread::sleep(Duration::from_millis(500));
    // On this machine the process is seen to be gone. That does not matter.
    ground.stackctl_on(&inventory, &words).ends(5).says(&["which ended while a host was silent"]);
    // No advice to unlock it: what was sent may still arrive.
    assert!(!ground.stackctl_on(&inventory, &words).ends(5).whole().contains("stackctl unlock"));
    ground.stackctl_on(&inventory, &format!("{words} --lock-timeout 150s")).ends(0);
}

/// The engine goes on with a stop whose client was killed, and shows the task as running for its whole grace.
#[test]
fn after_a_kill_the_way_back_leads_to_a_task_that_stays() {
    let Some(ground) = Ground::new() else { return };
    let stack = |image: &str| {
        format!(
            "services:
  slow:
    image: {image}
    command: [sh, -c, \"trap '' TERM; while :; do sleep 1; done\"]
    stop_grace_period: 40s
    deploy: {{update_config: {{monitor: 500ms, order: stop-first}}}}
"
        )
    };
    let file = ground.file("slow.yml", &stack("web:1"));
    let words = format!("deploy --yes --format json -c {file} slow");
    ground.stackctl(&words).ends(0);
    ground.file("slow.yml", &stack("web:2"));
    let mut running = ground.begin(&words);
    let stopping = running.line_of("action_start", |line| line["verb"] == "stop task");
    assert!(stopping.is_some(), "{}", running.wait().whole());
    std::thread::sleep(Duration::from_millis(700));
    running.kill();
    ground.file("slow.yml", &stack("web:1"));
    ground.stackctl(&words).ends(0);
    ground.assert_is("slow", &["slow.1"]);
    std::thread::sleep(Duration::from_secs(45));
    ground.assert_is("slow", &["slow.1"]);
    assert_eq!(ground.stackctl(&words).ends(0).actions("planned_action"), [""; 0]);
}

/// Eight tasks of one host, each needs a while to stop.
fn eight(image: &str) -> String {
    format!(
        "services:
  slow:
    image: {image}
    command: [sh, -c, \"trap '' TERM; while :; do sleep 1; done\"]
    stop_grace_period: 5s
    deploy:
      replicas: 8
      placement: {{constraints: [node.hostname == h2]}}
      update_config: {{parallelism: 0, monitor: 500ms, order: stop-first}}
"
    )
}

/// Until its eight stops have begun.
fn begin_to_stop(ground: &Ground, words: &str) -> crate::ground::Running {
    let mut running = ground.begin(words);
    for _ in 0..8 {
        let stopping = running.line_of("action_start", |line| line["verb"] == "stop task");
        assert!(stopping.is_some(), "a stop");
    }
    running
}

/// All of it runs, and does so a minute later: nothing comes late.
fn stays(ground: &Ground, words: &str) {
    ground.stackctl(words).ends(0);
    let slots = ["slow.1", "slow.2", "slow.3", "slow.4", "slow.5", "slow.6", "slow.7", "slow.8"];
    ground.assert_is("slow", &slots);
    std::thread::sleep(Duration::from_secs(60));
    ground.assert_is("slow", &slots);
    assert_eq!(ground.stackctl(words).ends(0).actions("planned_action"), [""; 0]);
}

/// An update begins to stop tasks of a host, which is cut off then. `ends` has it end; the host comes back, and the way
/// back to the version before has to last.
fn goes_back_after_a_cut(ground: &Ground, ends: impl FnOnce(Running)) {
    let file = ground.file("slow.yml", &eight("web:1"));
    let words = format!("deploy --yes --format json -c {file} slow");
    ground.stackctl(&words).ends(0);
    ground.file("slow.yml", &eight("web:2"));
    let running = begin_to_stop(ground, &words);
    ground.playground("cut h2");
    ends(running);
    ground.playground("heal h2");
    std::thread::sleep(Duration::from_millis(500));
    ground.file("slow.yml", &eight("web:1"));
    stays(ground, &words);
}

/// A dead link ends the connection with all that is in it, so that the lock is free at once.
#[test]
fn a_connection_that_died_takes_along_what_was_in_it() {
    let Some(ground) = Ground::new() else { return };
    goes_back_after_a_cut(&ground, |running| {
        running.wait().ends(6).says(&["h2"]);
    });
}

/// The ssh of a program that was killed lives on, with what was to go to a host that is cut off.
#[test]
fn the_connections_of_a_killed_program_are_ended_by_the_next_one() {
    let Some(ground) = Ground::new() else { return };
    goes_back_after_a_cut(&ground, |running| {
        running.kill();
        ground.stackctl("ps slow");
    });
}
