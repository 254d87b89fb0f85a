//! A disk that fills while a deploy is at work: nothing is lost, and stackctl says what is the matter.

use crate::ground::{Ground, Run};

/// The second wave waits for a job of some seconds, which runs on neither of the hosts that are filled.
fn stackfile(value: &str, seconds: u32) -> String {
    format!(
        "services:
  pause:
    image: busybox:1
    command: [sleep, '{seconds}']
    environment: {{VALUE: {value}}}
    deploy: {{mode: replicated-job, replicas: 1, placement: {{constraints: [node.hostname == h2]}}}}
  web:
    image: web:1
    environment: {{VALUE: {value}}}
    volumes: ['data:/data']
    depends_on: {{pause: {{condition: service_completed_successfully}}}}
    deploy: {{mode: global, update_config: {{parallelism: 0, monitor: 500ms}}}}
volumes: {{data: {{}}}}
"
    )
}

const SLOTS: [&str; 4] = ["web.node:h1", "web.node:h2", "web.node:h3", "web.node:h4"];

/// One live task in each slot, whatever the job left.
fn assert_serves(ground: &Ground) {
    let mut slots: Vec<String> = ground.live("app", "web").iter().map(crate::ground::Task::slot).collect();
    slots.sort();
    assert_eq!(slots, SLOTS);
}

/// Hosts with disks of their own, and the first version on them with something in its volumes.
fn begun() -> Option<Ground> {
    let ground = Ground::new()?;
    if !ground.has_disks() {
        eprintln!("skipped: hosts have no disks of their own; see playground up --disk");
        return None;
    }
    let file = ground.file("app.yml", &stackfile("one", 0));
    ground.stackctl(&format!("deploy --yes -m one -c {file} app")).ends(0);
    for task in ground.live("app", "web") {
        ground.exec(&task, &["sh", "-c", "echo kept >/data/file"]);
    }
    Some(ground)
}

/// The second version, and a disk that is full before its second wave.
fn filled(ground: &Ground, host: &str, seconds: u32) -> Run {
    let file = ground.file("app.yml", &stackfile("two", seconds));
    let mut running = ground.begin(&format!("deploy --yes --format json -m two -c {file} app"));
    let started =
        running.line_of("action_start", |line| line["service"] == "pause" && line["verb"] == "start task");
    assert!(started.is_some(), "{}", running.wait().whole());
    ground.playground(&format!("disk {host} full"));
    running.wait()
}

/// With room again, the same deploy goes through, and what was written is there.
fn finished(ground: &Ground, host: &str) {
    ground.playground(&format!("disk {host} free"));
    let words = format!(
        "deploy --yes --format json --lock-timeout 2m -m again -c {} app",
        ground.path().join("app.yml").display()
    );
    ground.stackctl(&words).ends(0);
    assert_serves(ground);
    for task in ground.live("app", "web") {
        assert_eq!(ground.exec(&task, &["cat", "/data/file"]).trim(), "kept", "{}", task.name());
    }
    assert_eq!(ground.stackctl(&words).ends(0).actions("planned_action"), [""; 0]);
    ground.stackctl("history --format {{.Message}}:{{.Outcome}} app").ends(0).says(&["one:deployed"]);
}

#[test]
fn a_worker_s_disk_fills_in_mid_deploy() {
    let Some(ground) = begun() else { return };
    let run = filled(&ground, "h3", 6);
    run.ends(7).says(&["the disk is full", "h3", "docker system df"]);
    // Containers are made before their predecessors are stopped: the old task still serves.
    assert_serves(&ground);
    finished(&ground, "h3");
}

#[test]
fn the_manager_s_disk_fills_in_mid_deploy() {
    let Some(ground) = begun() else { return };
    let run = filled(&ground, "h1", 30);
    // The lease cannot be renewed: what may not be written down is not done.
    run.ends(5).says(&["the lease on stack `app` was lost"]);
    assert_serves(&ground);
    let words = format!("deploy --yes --lock-timeout 2m -c {} app", ground.path().join("app.yml").display());
    ground.stackctl(&words).ends(6).says(&["h1", "no space left on device"]);
    assert_serves(&ground);
    finished(&ground, "h1");
}
