//! Limits and restart policies of running containers, on engines of two versions.

use std::time::{Duration, Instant};

use crate::ground::{Ground, HOSTS, Task};

fn stackfile(limits: &str, condition: &str) -> String {
    format!(
        "services:
  web:
    image: busybox:1
    command: ['sleep', '100000']
    stop_grace_period: 1s
    deploy:
      mode: global
      resources: {{limits: {{{limits}}}}}
      restart_policy: {{condition: {condition}}}
      update_config: {{parallelism: 1, monitor: 2s, failure_action: rollback}}
"
    )
}

const BEFORE: &str = "cpus: '0.5', memory: 64M, pids: 50";
const SLOTS: [&str; 4] = ["web.node:h1", "web.node:h2", "web.node:h3", "web.node:h4"];

fn live(ground: &Ground) -> Vec<Task> {
    let mut tasks = ground.live("app", "web");
    tasks.sort_by(|a, b| a.host.cmp(&b.host));
    tasks
}

/// Ids, and when the programs began.
fn ids(ground: &Ground) -> Vec<(String, String)> {
    let began = |task: &Task| task.inspect["State"]["StartedAt"].as_str().unwrap_or_default().to_owned();
    live(ground).iter().map(|task| (task.id().to_owned(), began(task))).collect()
}

fn memory(ground: &Ground) -> Vec<u64> {
    live(ground).iter().map(|task| task.inspect["HostConfig"]["Memory"].as_u64().unwrap_or(0) >> 20).collect()
}

/// What the kernel holds a task to, in MiB.
fn kernels(ground: &Ground, task: &Task) -> u64 {
    let show = "cat /sys/fs/cgroup/memory.max 2>/dev/null || cat /sys/fs/cgroup/memory/memory.limit_in_bytes";
    ground.exec(task, &["sh", "-c", show]).trim().parse::<u64>().expect("bytes") >> 20
}

#[test]
fn running_containers_are_changed_and_none_is_replaced_without_need() {
    let Some(ground) = Ground::new() else { return };
    let deploy = |limits: &str, condition: &str| {
        let file = ground.file("app.yml", &stackfile(limits, condition));
        ground.stackctl(&format!("deploy --yes -c {file} app"))
    };
    deploy(BEFORE, "any").ends(0);
    let before = ids(&ground);
    deploy("cpus: '0.8', memory: 128M, pids: 80", "none").ends(0);
    assert_eq!(ids(&ground), before);
    for task in live(&ground) {
        let host = &task.inspect["HostConfig"];
        let has =
            (host["NanoCpus"].as_u64(), host["PidsLimit"].as_u64(), host["RestartPolicy"]["Name"].as_str());
        assert_eq!(has, (Some(800_000_000), Some(80), Some("no")), "{}", task.host);
        assert_eq!(kernels(&ground, &task), 128, "{}", task.host);
    }
    let again = deploy("cpus: '0.8', memory: 128M, pids: 80", "none").ends(0);
    assert!(again.stdout.contains("No changes"), "{}", again.stdout);
    // No limit of processes can be had back in place; one of memory cannot.
    deploy("cpus: '0.8', memory: 128M", "none").ends(0);
    assert_eq!(ids(&ground), before);
    assert!(
        live(&ground)
            .iter()
            .all(|task| task.inspect["HostConfig"]["PidsLimit"].as_i64().is_none_or(|n| n <= 0))
    );

    // With the ledger everything that was changed in place is forgotten, and containers are asked.
    let managers = HOSTS.iter().filter(|host| {
        let names = ground.docker(host, &["volume", "ls", "-q", "--filter", "name=stackctl-ledger-"]);
        let names: Vec<&str> = names.split_whitespace().collect();
        if !names.is_empty() {
            ground.docker(host, &[&["volume", "rm"][..], &names].concat());
        }
        !names.is_empty()
    });
    assert!(managers.count() > 0);
    let forgotten = deploy("cpus: '0.8', memory: 128M", "none").ends(0);
    assert!(forgotten.stdout.contains("No changes"), "{}", forgotten.stdout);

    // One task uses more than its new limit: that one is replaced.
    let hungry = &live(&ground)[1];
    let eats = "x=$(head -c 24000000 /dev/zero | tr '\\0' x); sleep 100000; true";
    ground.docker(&hungry.host, &["exec", "-d", hungry.id(), "sh", "-c", eats]);
    let deadline = Instant::now() + Duration::from_secs(30);
    while !ground.docker(&hungry.host, &["top", hungry.id(), "-eo", "pid,rss,args"]).lines().any(|row| {
        row.split_whitespace().nth(1).and_then(|kib| kib.parse::<u64>().ok()).is_some_and(|kib| kib > 24_000)
    }) {
        assert!(Instant::now() < deadline, "it has eaten");
    }
    let run = deploy("cpus: '0.8', memory: 16M", "none").ends(0);
    assert!(run.stdout.contains("and the new limit is 16 MiB"), "{}", run.stdout);
    let after = ids(&ground);
    let same: Vec<bool> = after.iter().zip(&before).map(|(after, before)| after == before).collect();
    assert_eq!((same, memory(&ground)), (vec![true, false, true, true], vec![16; 4]));
    ground.assert_is("app", &SLOTS);
}

#[test]
fn a_change_that_fails_is_taken_back_on_every_container() {
    let Some(ground) = Ground::new() else { return };
    let file = ground.file("app.yml", &stackfile(BEFORE, "none"));
    ground.stackctl(&format!("deploy --yes -c {file} app")).ends(0);
    let before: Vec<String> = ids(&ground).into_iter().map(|(id, _)| id).collect();
    let file = ground.file("app.yml", &stackfile("cpus: '0.5', memory: 256M, pids: 50", "none"));
    let run = ground.begin(&format!("deploy --yes -c {file} app"));
    let deadline = Instant::now() + Duration::from_secs(60);
    let changed = loop {
        let changed: Vec<Task> = live(&ground)
            .into_iter()
            .filter(|task| task.inspect["HostConfig"]["Memory"] == 256 << 20)
            .collect();
        assert!(Instant::now() < deadline, "two of them are changed in time");
        if changed.len() == 2 {
            break changed;
        }
    };
    ground.docker(&changed[1].host, &["kill", changed[1].id()]);
    let run = run.wait();
    assert_ne!(run.status, 0, "{}", run.stdout);
    let after: Vec<String> = ids(&ground).into_iter().map(|(id, _)| id).collect();
    assert_eq!((after, memory(&ground)), (before, vec![64; 4]));
    ground.assert_is("app", &SLOTS);
}

#[test]
fn an_image_that_was_loaded_counts_by_its_id() {
    let Some(ground) = Ground::new() else { return };
    let deploy = |image: &str| {
        let text = format!("services: {{web: {{image: '{image}', deploy: {{mode: global}}}}}}\n");
        let file = ground.file("app.yml", &text);
        ground.stackctl(&format!("deploy --yes -c {file} app")).ends(0)
    };
    let tag =
        |from: &str, to: &str| HOSTS.iter().for_each(|host| drop(ground.docker(host, &["tag", from, to])));
    tag("web:1", "local:1");
    deploy("local:1");
    let before = ids(&ground);
    tag("web:1", "local:2");
    let run = deploy("local:2");
    assert!(run.stdout.contains("local:2 is the same image as local:1"), "{}", run.stdout);
    assert_eq!(ids(&ground), before);
    tag("web:2", "local:2");
    let run = deploy("local:2");
    assert!(run.stdout.contains("4 to replace"), "{}", run.stdout);
    assert!(deploy("local:2").stdout.contains("No changes"));
    tag("web:3", "local:2");
    let run = deploy("local:2");
    assert!(run.stdout.contains("4 to replace"), "{}", run.stdout);
    HOSTS.iter().for_each(|host| drop(ground.try_docker(host, &["rmi", "local:1", "local:2"])));
}

/// A web server that serves what its config says, and reads that only when it is told to; or ends by it.
fn reader(content: &str) -> String {
    let program = "trap 'cp /etc/site.txt /www/index.html; test $(cat /etc/site.txt) != bad || exit 3' HUP; mkdir -p /www; cp \
                   /etc/site.txt /www/index.html; httpd -p 8000 -h /www; while :; do sleep 1 & wait $!; done";
    format!(
        "services:
  web:
    image: busybox:1
    command: ['sh', '-c', \"{}\"]
    stop_grace_period: 1s
    configs: [{{source: site, target: /etc/site.txt, mode: 0440}}]
    x-stackctl: {{on_config: SIGHUP}}
    deploy:
      mode: global
      restart_policy: {{condition: none}}
      update_config: {{parallelism: 1, monitor: 3s, failure_action: rollback}}
configs:
  site: {{content: '{content}'}}
",
        program.replace('$', "$$")
    )
}

fn served(ground: &Ground) -> Vec<String> {
    let ask = ["wget", "-qO-", "http://127.0.0.1:8000/"];
    live(ground).iter().map(|task| ground.exec(task, &ask).trim().to_owned()).collect()
}

#[test]
fn a_config_changes_in_place_where_a_signal_has_it_read_again() {
    let Some(ground) = Ground::new() else { return };
    let deploy = |content: &str| {
        let file = ground.file("app.yml", &reader(content));
        ground.stackctl(&format!("deploy --yes -c {file} app"))
    };
    deploy("one").ends(0);
    // Its program has put what it serves in place.
    std::thread::sleep(Duration::from_secs(1));
    let before = ids(&ground);
    assert_eq!(served(&ground), ["one"; 4]);
    deploy("two").ends(0);
    assert_eq!((ids(&ground), served(&ground)), (before.clone(), vec!["two".to_owned(); 4]));
    for task in live(&ground) {
        let shown = ground.exec(&task, &["stat", "-c", "%a %u", "/etc/site.txt"]);
        assert_eq!(shown.trim(), "440 0", "{}", task.host);
    }
    let again = deploy("two").ends(0);
    assert!(again.stdout.contains("No changes"), "{}", again.stdout);
    // An engine that starts again, and a container that a person restarts, have what was put there.
    ground.docker("h1", &["restart", "-t", "0", live(&ground)[0].id()]);
    std::thread::sleep(Duration::from_secs(2));
    assert_eq!(served(&ground)[0], "two");
    // Nor has the signal made a container of it that a person has stopped.
    assert_eq!(ground.stackctl("status app").ends(0).stdout.matches("drift").count(), 0);

    // It ends by the new one: what it had before is put back.
    let before: Vec<String> = ids(&ground).into_iter().map(|(id, _)| id).collect();
    let run = deploy("bad").ends(3);
    let after: Vec<String> = ids(&ground).into_iter().map(|(id, _)| id).collect();
    assert_eq!(after.len(), 4, "{}", run.whole());
    assert_eq!(served(&ground), ["two"; 4], "{}", run.whole());
    let same = after.iter().filter(|id| before.contains(id)).count();
    assert!(same >= 3, "all but the first are as they were: {}", run.whole());
    ground.stackctl("rollback --yes app --to 1").ends(0);
    assert_eq!(served(&ground), ["one"; 4]);
    ground.assert_is("app", &SLOTS);
}

#[test]
fn a_container_that_was_sent_a_signal_is_started_again_by_its_engine() {
    let Some(ground) = Ground::new() else { return };
    let deploy = |content: &str| {
        let text = format!(
            "services:\n  web:\n    image: busybox:1\n    command: ['sh', '-c', \"trap : HUP; while :; do sleep 1 & wait $$!; \
             done\"]\n    stop_grace_period: 1s\n    configs: [{{source: site, target: /site}}]\n    x-stackctl: {{on_config: \
             SIGHUP}}\n    deploy: {{mode: global, update_config: {{parallelism: 0, monitor: 1s}}}}\nconfigs:\n  site: {{content: \
             '{content}'}}\n"
        );
        let file = ground.file("app.yml", &text);
        ground.stackctl(&format!("deploy --yes -c {file} app")).ends(0)
    };
    deploy("one");
    let before = ids(&ground);
    deploy("two");
    assert_eq!(ids(&ground), before);
    // A process that ends, and an engine that is started again.
    for task in live(&ground) {
        let pid = ground.docker(&task.host, &["inspect", "-f", "{{.State.Pid}}", task.id()]);
        ground.on_host(&task.host, &format!("kill -KILL {}", pid.trim()));
    }
    ground.playground("dockerd h1 restart");
    ground.playground("dockerd h2 restart");
    let deadline = Instant::now() + Duration::from_secs(30);
    while live(&ground).iter().filter(|task| task.state() == "running").count() < 4 {
        assert!(Instant::now() < deadline, "{:?}", ids(&ground));
        std::thread::sleep(Duration::from_millis(200));
    }
    for task in live(&ground) {
        assert_eq!(ground.exec(&task, &["cat", "/site"]), "two", "{}", task.host);
    }
    assert!(deploy("two").stdout.contains("No changes"));
}
