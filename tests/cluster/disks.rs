//! A disk that fills while a deploy is at work: nothing is lost, and stackctl says what is the matter.

use crate::ground::{Ground, Run};

/// Two waves: what comes second begins when the first one has been up for a while.
fn stackfile(value: &str) -> String {
    format!(
        "services:
  first:
    image: webhc:1
    environment: {{VALUE: {value}, WEB_START_DELAY: '4'}}
    healthcheck: {{interval: 1s, start_period: 30s}}
    deploy: {{mode: global, update_config: {{parallelism: 0, monitor: 500ms}}}}
  second:
    image: web:1
    environment: {{VALUE: {value}}}
    volumes: ['data:/data']
    depends_on: {{first: {{condition: service_healthy}}}}
    deploy: {{mode: global, update_config: {{parallelism: 0, monitor: 500ms}}}}
volumes: {{data: {{}}}}
"
    )
}

const SLOTS: [&str; 8] = [
    "first.node:h1",
    "first.node:h2",
    "first.node:h3",
    "first.node:h4",
    "second.node:h1",
    "second.node:h2",
    "second.node:h3",
    "second.node:h4",
];

/// Hosts with disks of their own, and the first version on them with something in its volumes.
fn begun() -> Option<Ground> {
    let ground = Ground::new()?;
    if !ground.has_disks() {
        eprintln!("skipped: hosts have no disks of their own; see playground up --disk");
        return None;
    }
    let file = ground.file("app.yml", &stackfile("one"));
    ground.stackctl(&format!("deploy --yes -m one -c {file} app")).ends(0);
    for task in ground.live("app", "second") {
        ground.exec(&task, &["sh", "-c", "echo kept >/data/file"]);
    }
    Some(ground)
}

/// The second version, and a disk that is full before its second wave.
fn filled(ground: &Ground, host: &str) -> Run {
    let file = ground.file("app.yml", &stackfile("two"));
    let mut running = ground.begin(&format!("deploy --yes --format json -m two -c {file} app"));
    let started =
        running.line_of("action_start", |line| line["node"] == host && line["verb"] == "start task");
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
    ground.assert_is("app", &SLOTS);
    for task in ground.live("app", "second") {
        assert_eq!(ground.exec(&task, &["cat", "/data/file"]).trim(), "kept", "{}", task.name());
    }
    assert_eq!(ground.stackctl(&words).ends(0).actions("planned_action"), [""; 0]);
    ground.stackctl("history --format {{.Message}}:{{.Outcome}} app").ends(0).says(&["one:deployed"]);
}

#[test]
fn a_worker_s_disk_fills_in_mid_deploy() {
    let Some(ground) = begun() else { return };
    let run = filled(&ground, "h3");
    run.ends(1).says(&["the disk is full", "h3", "docker system df"]);
    // Containers are made before their predecessors are stopped: the old task still serves.
    ground.assert_is("app", &SLOTS);
    finished(&ground, "h3");
}

#[test]
fn the_manager_s_disk_fills_in_mid_deploy() {
    let Some(ground) = begun() else { return };
    let run = filled(&ground, "h1");
    eprintln!("{}", run.whole());
    assert_ne!(run.status, 0, "{}", run.whole());
    run.says(&["the disk is full", "h1"]);
    ground.assert_is("app", &SLOTS);
    finished(&ground, "h1");
}
