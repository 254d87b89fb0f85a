//! At most one writer of a volume, whatever happens to names, labels, inventories and hosts.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::ground::{Ground, HOSTS, Running};

const STACKFILE: &str = "version: '3.8'
services:
  web:
    image: web:1
    deploy: {replicas: 2, update_config: {parallelism: 0, monitor: 100ms}}
  db:
    image: web:1
    volumes: [data:/data]
    deploy: {placement: {constraints: [node.hostname != h1]}, update_config: {monitor: 100ms}}
volumes: {data: {}}
";

/// Time in which a loop does what it would do wrongly.
const IDLE: Duration = Duration::from_secs(8);
/// For what a loop is waited for.
const SOON: Duration = Duration::from_secs(90);

impl Ground {
    /// What runs twice and is meant to run once, over all hosts that are up: writers of a volume of ours, but for those
    /// that are shared by intent, and tasks of one slot on different hosts.
    pub fn doubles(&self, shared: &[&str]) -> Vec<String> {
        let mut writers: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        let mut slots: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for host in HOSTS {
            for inspect in self.ours_on(host) {
                let label =
                    |key: &str| inspect["Config"]["Labels"][key].as_str().unwrap_or_default().to_owned();
                let name = format!("{host}:{}", inspect["Name"].as_str().unwrap_or_default());
                let cluster = label("io.stackctl.cluster");
                let (stack, service) = (label("com.docker.stack.namespace"), label("io.stackctl.service"));
                let slot = format!("{cluster}: slot {stack} {service}.{}", label("io.stackctl.slot"));
                slots.entry(slot).or_default().insert(host.to_owned());
                let mounts = inspect["Mounts"].as_array().cloned().unwrap_or_default();
                for mount in mounts.iter().filter(|mount| mount["Type"] == "volume" && mount["RW"] == true) {
                    let volume = mount["Name"].as_str().unwrap_or_default();
                    // A volume without a name of its own has one task.
                    if volume.len() != 64 && !shared.contains(&volume) {
                        let key = format!("{cluster}: volume {volume}");
                        writers.entry(key).or_default().insert(name.clone());
                    }
                }
            }
        }
        let all = writers.into_iter().chain(slots).filter(|(_, by)| by.len() > 1);
        all.map(|(what, by)| format!("{what}: {by:?}")).collect()
    }

    /// Running containers with our labels. A host that is down runs none.
    fn ours_on(&self, host: &str) -> Vec<Value> {
        let listed =
            self.try_docker(host, &["ps", "-q", "--no-trunc", "--filter", "label=io.stackctl.cluster"]);
        if !listed.status.success() {
            return Vec::new();
        }
        let ids = String::from_utf8_lossy(&listed.stdout).into_owned();
        let one = |id: &str| {
            // Gone since: a loop may be at work.
            let output = self.try_docker(host, &["container", "inspect", id]);
            let found: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap_or_default();
            found.into_iter().find(|inspect| inspect["State"]["Running"] == true)
        };
        ids.split_whitespace().filter_map(one).collect()
    }

    /// Nothing runs twice.
    #[track_caller]
    pub fn assert_single(&self, when: &str) {
        assert_eq!(self.doubles(&[]), [""; 0], "{when}");
    }

    /// Nothing runs twice for a while.
    #[track_caller]
    fn stays_single(&self, when: &str) {
        let begun = Instant::now();
        while begun.elapsed() < IDLE {
            self.assert_single(when);
        }
    }
}

#[track_caller]
fn until(what: &str, is: impl Fn() -> bool) {
    let begun = Instant::now();
    while !is() {
        assert!(begun.elapsed() < SOON, "not within {SOON:?}: {what}");
        std::thread::sleep(Duration::from_millis(200));
    }
}

fn db(ground: &Ground) -> Vec<String> {
    let mut tasks: Vec<String> = HOSTS
        .into_iter()
        .flat_map(|host| ground.ours_on(host).into_iter().map(move |inspect| (host, inspect)))
        .filter(|(_, inspect)| inspect["Config"]["Labels"]["io.stackctl.service"] == "db")
        .map(|(host, inspect)| {
            format!("{host} {}", inspect["Name"].as_str().unwrap_or_default().trim_start_matches('/'))
        })
        .collect();
    tasks.sort();
    tasks
}

fn a_loop(ground: &Ground, inventory: &str) -> Running {
    ground.begin_on(inventory, "reconcile --format json --node-timeout 3s")
}

fn in_sync(watch: &mut Running) {
    watch.line_of("stack", |line| line["standing"] == "in_sync").expect("a stack in sync");
}

/// Without the entries of some hosts.
fn without(ground: &Ground, file: &str, hosts: &[&str]) -> String {
    let whole = ground.inventory(|text| text);
    let text = std::fs::read_to_string(whole).expect("an inventory");
    let (head, entries) = text.split_once("hosts:\n").expect("hosts");
    let mut kept = String::new();
    let mut is_kept = true;
    for line in entries.lines() {
        if line.starts_with("  h") {
            is_kept = !hosts.iter().any(|host| line.starts_with(&format!("  {host}:")));
        }
        if is_kept {
            kept += &format!("{line}\n");
        }
    }
    ground.file(file, &format!("{head}hosts:\n{kept}"))
}

#[test]
fn nothing_that_is_done_to_a_task_or_an_inventory_makes_a_second_writer() {
    let Some(ground) = Ground::new() else { return };
    let inventory = ground.inventory(|text| text);
    let file = ground.file("app.yml", STACKFILE);
    ground.stackctl_on(&inventory, &format!("deploy --yes -c {file} app")).ends(0);
    let mut watch = a_loop(&ground, &inventory);
    in_sync(&mut watch);
    let [task] = &db(&ground)[..] else { panic!("one database") };
    let (host, name) = task.split_once(' ').expect("a host and a name");
    // Renamed: the same task.
    ground.docker(host, &["rename", name, "app_db.old"]);
    ground.stays_single("renamed");
    assert_eq!(db(&ground), [format!("{host} app_db.old")]);
    ground.docker(host, &["rename", "app_db.old", name]);
    // A copy with its labels.
    ground.docker(host, &["commit", name, "copied:1"]);
    ground.docker(host, &["run", "-d", "--name", "copy", "copied:1"]);
    ground.stays_single("copied");
    assert!(db(&ground).contains(&format!("{host} {name}")), "{:?}", db(&ground));
    ground.docker(host, &["rm", "-f", "copy"]);
    // Stopped and started by hand.
    ground.docker(host, &["stop", "-t", "1", name]);
    until("the database runs again", || db(&ground).len() == 1);
    ground.try_docker(host, &["start", name]);
    until("one database", || db(&ground).len() == 1);
    ground.stays_single("stopped and started");
    let [task] = &db(&ground)[..] else { panic!("one database") };
    let host = task.split_once(' ').expect("a host and a name").0.to_owned();
    watch.terminate();
    watch.wait();
    // Its host is not in the inventory.
    let lacking = without(&ground, "lacking.yml", &[&host]);
    let mut watch = a_loop(&ground, &lacking);
    watch.line_of("stack", |line| line["standing"] == "blocked").expect("a stack that is blocked");
    ground
        .stackctl_on(&lacking, &format!("deploy --yes -c {file} app"))
        .ends(6)
        .says(&["stackctl::cluster::node_missing"]);
    ground.stackctl_on(&lacking, "rm --yes app").ends(6);
    ground.stays_single("its host is not named");
    watch.terminate();
    watch.wait();
    // Two loops with an inventory each, of which each lacks a host.
    let other = HOSTS.into_iter().find(|one| *one != "h1" && *one != host).expect("another host");
    let (ann, bob) = (without(&ground, "ann.yml", &[other]), without(&ground, "bob.yml", &[&host]));
    let loops = [a_loop(&ground, &ann), a_loop(&ground, &bob)];
    ground.stays_single("two inventories");
    assert_eq!(db(&ground), std::slice::from_ref(task));
    for one in loops {
        one.terminate();
        one.wait();
    }
}

/// The entry of a host gets a command that makes sure that it is off.
fn fenced(ground: &Ground, file: &str, host: &str, script: &str) -> String {
    let program = ground.file("fence.sh", &format!("#!/bin/sh\n{script}\n"));
    std::fs::set_permissions(&program, std::os::unix::fs::PermissionsExt::from_mode(0o755))
        .expect("a program");
    let whole = ground.inventory(|text| {
        text.replace(&format!("  {host}:\n"), &format!("  {host}:\n    fence: [{program}, {host}]\n"))
    });
    let text = std::fs::read_to_string(whole).expect("an inventory");
    ground.file(file, &text)
}

#[test]
fn a_database_moves_away_from_a_silent_host_only_once_that_is_off() {
    let Some(ground) = Ground::new() else { return };
    let file = ground.file("app.yml", STACKFILE);
    let plain = ground.inventory(|text| text);
    ground.stackctl_on(&plain, &format!("deploy --yes -c {file} app")).ends(0);
    let [task] = &db(&ground)[..] else { panic!("one database") };
    let host = task.split_once(' ').expect("a host and a name").0.to_owned();
    // One that fails: the database stays, and its host answers again.
    let failing = fenced(&ground, "failing.yml", &host, "echo no power controller >&2; exit 1");
    let mut watch = a_loop(&ground, &failing);
    in_sync(&mut watch);
    ground.playground(&format!("cut {host} machine"));
    let ended = watch.line_of("fence_ended", |_| true).expect("an end of the fence");
    assert!(ended["failed"].as_str().unwrap_or_default().contains("no power controller"), "{ended}");
    ground.stays_single("the fence failed");
    assert_eq!(db(&ground), std::slice::from_ref(task));
    let shown = ground.stackctl_on(&failing, "status").whole();
    assert!(shown.contains("no power controller"), "{shown}");
    ground.playground(&format!("heal {host}"));
    in_sync(&mut watch);
    watch.terminate();
    watch.wait();
    // One that ends the host.
    let playground = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/playground/playground");
    let dir = std::env::var("STACKCTL_TEST_PLAYGROUND").expect("a playground");
    let script = format!(
        "[ \"$STACKCTL_NODE\" = {host} ] || exit 7; PLAYGROUND_DIR={dir} exec {playground} kill $1 >&2"
    );
    let working = fenced(&ground, "working.yml", &host, &script);
    let mut watch = a_loop(&ground, &working);
    in_sync(&mut watch);
    ground.playground(&format!("cut {host} machine"));
    let ended = watch.line_of("fence_ended", |_| true).expect("an end of the fence");
    assert!(ended["failed"].is_null(), "{ended}");
    until("the database runs elsewhere", || db(&ground).len() == 1 && !db(&ground)[0].starts_with(&host));
    ground.stays_single("fenced");
    let moved = db(&ground);
    // It is back, and takes nothing until a person lets it.
    ground.playground(&format!("heal {host}"));
    ground.playground(&format!("start {host}"));
    watch.line_of("node_back", |line| line["node"] == host.as_str()).expect("the node is back");
    until("only the new one runs", || db(&ground) == moved);
    ground.stays_single("the fenced host is back");
    ground
        .stackctl_on(&working, &format!("node inspect --pretty {host}"))
        .ends(0)
        .says(&["fenced by", "Availability: drain"]);
    ground.stackctl_on(&working, "log").ends(0).says(&[&format!("fence {host}")]);
    ground.stackctl_on(&working, &format!("node update --availability active {host}")).ends(0);
    ground.stays_single("the host was let back");
    assert_eq!(db(&ground), moved);
    watch.terminate();
    watch.wait();
}
