//! Hosts that a program names, on fake engines: what commands make of them, and what the loop does as they
//! come and go.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::hosts::Hosts;

const AGENT: &str = "\
services:
  agent:
    image: nginx:1.25
    deploy: {mode: global, update_config: {parallelism: 0, monitor: 50ms}}
";

const WEB: &str = "\
services:
  web:
    image: nginx:1.25
    deploy: {replicas: 4, update_config: {parallelism: 0, monitor: 50ms}}
";

/// For anything that a loop is waited for.
const SOON: Duration = Duration::from_secs(30);

/// `h1` stands in the inventory; the others are in a file that a program prints.
fn cluster(hosts: usize) -> Hosts {
    let mut cluster = Hosts::new(hosts);
    cluster.room.env("STACKCTL_TRUST", "1").env("USER", "ann").env("STACKCTL_NOW", "2026-01-31T12:00:00Z");
    let (name, address) = (cluster.engines[0].name().to_owned(), cluster.engines[0].address());
    let text = format!(
        "cluster: test\nhosts:\n  {name}: {{address: \"{address}\", role: manager}}\ndiscover:\n\
         - {{command: [sh, -c, 'test ! -e broken || {{ echo no cloud today >&2; exit 3; }}; cat hosts.json'], timeout: 2s}}\n"
    );
    cluster.room.file("stackctl.yml", &text);
    cluster.stackfile(AGENT);
    let all: Vec<usize> = (1..hosts).collect();
    named(&cluster, &all);
    cluster
}

/// The program names these.
fn named(cluster: &Hosts, hosts: &[usize]) {
    let hosts = hosts.iter().map(|at| {
        let engine = &cluster.engines[*at];
        (engine.name().to_owned(), json!({ "address": engine.address(), "labels": { "found": "yes" } }))
    });
    let hosts: serde_json::Map<String, Value> = hosts.collect();
    // All at once: the program may be reading it.
    let new = cluster.room.file("hosts.new", &json!({ "hosts": hosts }).to_string());
    std::fs::rename(new, cluster.room.path().join("hosts.json")).expect("a file in the room");
}

fn on(cluster: &Hosts, at: usize) -> usize {
    cluster.engines[at].with(|world| world.running().len())
}

/// A loop, and its lines.
struct Loop {
    child: Child,
    lines: Receiver<Value>,
}

impl Loop {
    fn begin(cluster: &Hosts) -> Self {
        let words = "reconcile --format json --discover-interval 1s --node-timeout 3s";
        let mut child = Command::new(env!("CARGO_BIN_EXE_stackctl"))
            .args(words.split(' '))
            .env_clear()
            .envs(cluster.room.variables())
            .env_remove("STACKCTL_NOW")
            .current_dir(cluster.room.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the binary starts");
        let out = BufReader::new(child.stdout.take().expect("a pipe"));
        let (tell, lines) = channel();
        std::thread::spawn(move || {
            let lines = out.lines().map_while(Result::ok);
            lines.filter_map(|line| serde_json::from_str(&line).ok()).all(|line| tell.send(line).is_ok())
        });
        Self { child, lines }
    }

    /// Reads on until there is such a line; what was read, with it.
    #[track_caller]
    fn until(&self, what: &str, fits: impl Fn(&Value) -> bool) -> Vec<Value> {
        let (begun, mut read) = (Instant::now(), Vec::new());
        loop {
            let left = SOON.saturating_sub(begun.elapsed());
            let Ok(line) = self.lines.recv_timeout(left) else {
                panic!("not within {SOON:?}: {what}\n{read:#?}")
            };
            let is_it = fits(&line);
            read.push(line);
            if is_it {
                return read;
            }
        }
    }
}

impl Drop for Loop {
    fn drop(&mut self) {
        let _ended = self.child.kill();
        let _ended = self.child.wait();
    }
}

#[track_caller]
fn soon(what: &str, is: impl Fn() -> bool) {
    let begun = Instant::now();
    while !is() {
        assert!(begun.elapsed() < SOON, "not within {SOON:?}: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn found_hosts_are_hosts_of_the_cluster() {
    let cluster = cluster(3);
    insta::assert_snapshot!("node_ls_found", cluster.expect(0, "node ls").show());
    let table = cluster.expect(0, "node ls --format {{.Name}}:{{.Source}}:{{.Labels}}").stdout;
    assert_eq!(table, "h1:inventory:\nh2:command sh:found=yes\nh3:command sh:found=yes\n");
    cluster.expect(0, "deploy --yes shop");
    assert_eq!([0, 1, 2].map(|at| on(&cluster, at)), [1, 1, 1]);
    cluster.forget_calls();
    cluster.expect(0, "deploy --yes shop");
    assert_eq!(cluster.writes(), [""; 0], "the second run does nothing");
    let records: Vec<usize> = (0..3)
        .map(|at| {
            cluster.engines[at].with(|world| {
                world.volumes.keys().filter(|name| name.starts_with("stackctl-ledger-")).count()
            })
        })
        .collect();
    assert!(records[0] > 0 && records[1..] == [0, 0], "found hosts keep no records: {records:?}");
    // One of two is gone: that may be. What it had is remembered until a person says otherwise.
    named(&cluster, &[1]);
    let run = cluster.expect(0, "node ls --format {{.Name}}:{{.Status}}");
    assert_eq!(run.stdout, "h1:Ready\nh2:Ready\nh3:Down\n");
    assert!(run.stderr.contains("it has left: command sh does not name it any more"), "{}", run.show());
    cluster.stackfile(WEB);
    cluster.expect(0, "deploy --yes shop");
    assert_eq!([0, 1].map(|at| on(&cluster, at)).iter().sum::<usize>(), 2 + 4, "all of `web` run on those");
    cluster.expect(0, "node forget h3");
    assert_eq!(cluster.expect(0, "node ls --format {{.Name}}").stdout, "h1\nh2\n");
}

#[test]
fn a_source_that_fails_stops_plans_and_is_never_an_empty_one() {
    let cluster = cluster(3);
    cluster.expect(0, "deploy --yes shop");
    cluster.room.file("broken", "");
    cluster.forget_calls();
    cluster.stackfile(WEB);
    let run = cluster.expect(6, "deploy --yes shop");
    assert!(run.stderr.contains("stackctl::cluster::hosts_unknown"), "{}", run.show());
    assert!(run.stderr.contains("command sh failed with status 3: no cloud today"), "{}", run.show());
    cluster.expect(6, "diff shop");
    cluster.expect(6, "rm --yes shop");
    assert_eq!(cluster.writes(), [""; 0]);
    let run = cluster.expect(0, "node ls --format {{.Name}}");
    assert_eq!(run.stdout, "h1\nh2\nh3\n");
    assert!(run.stderr.contains("the list of hosts may be incomplete"), "{}", run.show());
    cluster.expect(6, "ps shop");
    // What needs no plan goes on.
    cluster.expect(0, "history shop");
    cluster.expect(0, "suspend shop");
    for (text, word) in [
        ("", "its output is empty"),
        ("{\"hosts\": {\"h1\": \"unix:///elsewhere\"}}", "`h1` is unix://"),
        ("{\"hosts\": {\"h2\": {\"address\": \"h2\", \"role\": \"manager\"}}}", "makes `h2` a manager"),
    ] {
        std::fs::remove_file(cluster.room.path().join("broken")).ok();
        cluster.room.file("hosts.json", text);
        let run = cluster.expect(6, "diff shop");
        assert!(run.stderr.contains(word), "{}", run.show());
    }
    let text = std::fs::read_to_string(cluster.room.path().join("stackctl.yml")).expect("the inventory");
    let without = text.lines().filter(|line| !line.starts_with("  h1")).collect::<Vec<_>>().join("\n");
    cluster.room.file("stackctl.yml", &without.replace("hosts:\n", ""));
    let run = cluster.expect(1, "node ls");
    assert!(run.stderr.contains("stackctl::discovery::no_keeper"), "{}", run.show());
}

#[test]
fn few_hosts_of_many_are_not_believed_until_a_person_says_so() {
    let cluster = cluster(5);
    cluster.expect(0, "deploy --yes shop");
    named(&cluster, &[1]);
    cluster.forget_calls();
    let run = cluster.expect(6, "deploy --yes shop");
    assert!(run.stderr.contains("names 1 of the 4 hosts it named before: without"), "{}", run.show());
    assert!(run.stderr.contains("stackctl node forget h3"), "{}", run.show());
    named(&cluster, &[]);
    let run = cluster.expect(6, "diff shop");
    assert!(run.stderr.contains("names 0 of the 4 hosts"), "{}", run.show());
    assert_eq!(cluster.writes(), [""; 0]);
    named(&cluster, &[1]);
    let run = cluster.expect(1, "node forget h2");
    assert!(run.stderr.contains("stackctl::discovery::still_there"), "{}", run.show());
    let run = cluster.expect(1, "node forget h9");
    assert!(run.stderr.contains("stackctl::discovery::not_known"), "{}", run.show());
    let run = cluster.expect(0, "node forget h3 h4");
    assert!(run.stderr.contains("Host h3 is dropped"), "{}", run.show());
    // Half of two may go.
    cluster.expect(0, "deploy --yes shop");
}

#[test]
fn the_loop_takes_hosts_in_and_lets_them_go() {
    let cluster = cluster(4);
    named(&cluster, &[1, 2]);
    cluster.expect(0, "deploy --yes agents");
    cluster.stackfile(WEB);
    cluster.expect(0, "deploy --yes shop");
    let watch = Loop::begin(&cluster);
    watch.until("in sync", |line| line["standing"] == "in_sync" && line["stack"] == "shop");

    // It joins: the global service's task comes there without a restart.
    named(&cluster, &[1, 2, 3]);
    let read = watch.until("h4 joins", |line| line["type"] == "node_joined");
    assert_eq!(read.last().map(|line| &line["node"]), Some(&json!("h4")));
    soon("a task of the global service", || on(&cluster, 3) == 1);

    // A source that fails, or that names hardly anybody, changes nothing, and is told of once.
    cluster.room.file("broken", "");
    watch.until("trouble", |line| line["type"] == "hosts_unknown");
    std::fs::remove_file(cluster.room.path().join("broken")).expect("the file");
    named(&cluster, &[1]);
    let read = watch.until("few", |line| {
        line["type"] == "hosts_unknown"
            && line["why"].as_str().is_some_and(|why| why.contains("names 1 of the 3"))
    });
    assert!(read.iter().all(|line| line["type"] != "node_left"), "{read:#?}");

    // It leaves: what ran there runs elsewhere.
    let before = on(&cluster, 1);
    assert!(before > 1, "h2 runs nothing of the shop");
    named(&cluster, &[2, 3]);
    let left = watch.until("h2 leaves", |line| line["type"] == "node_left");
    assert_eq!(left.last().map(|line| &line["node"]), Some(&json!("h2")));
    assert_eq!(left.iter().filter(|line| line["type"] == "hosts_unknown").count(), 0, "{left:#?}");
    let shop = |at: usize| {
        cluster.engines[at]
            .with(|world| world.running().iter().filter(|name| name.starts_with("shop_")).count())
    };
    soon("four tasks elsewhere", || shop(0) + shop(2) + shop(3) == 4);
    assert_eq!(on(&cluster, 1), before, "nobody touches a host that left");
    cluster.engines[1].forget_calls();
    std::thread::sleep(Duration::from_millis(2_500));
    assert_eq!(cluster.engines[1].calls().len(), 0, "nobody asks it either");

    // It is back, and what is there twice goes.
    named(&cluster, &[1, 2, 3]);
    watch.until("h2 joins", |line| line["type"] == "node_joined");
    soon("four tasks in all", || (0..4).map(shop).sum::<usize>() == 4);
    watch.until("in sync", |line| line["standing"] == "in_sync" && line["stack"] == "shop");
    let agents = |at: usize| on(&cluster, at) - shop(at);
    soon("an agent on each", || (0..4).all(|at| agents(at) == 1));
}

#[test]
fn a_loop_that_reports_asks_once_and_writes_nothing() {
    let cluster = cluster(3);
    cluster.expect(0, "deploy --yes shop");
    cluster.forget_calls();
    cluster.expect(0, "reconcile --once --policy report");
    cluster.room.file("broken", "");
    let run = cluster.expect(1, "reconcile --once --policy report");
    assert!(run.stdout.contains("the hosts stay those that were known"), "{}", run.show());
    assert!(run.stdout.contains("which hosts there are is not known"), "{}", run.show());
    assert_eq!(cluster.writes(), [""; 0]);
}
