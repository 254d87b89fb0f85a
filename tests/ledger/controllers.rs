//! Three loops on an etcd of three members, and what becomes of the lead when the leader is killed, cut off
//! or sent away, and when etcd loses its own leader: somebody follows in time, and never do two act.
//!
//! `STACKCTL_TEST_TAKEOVERS` is how often each is done.

use std::fs::File;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::hosts::Hosts;
use crate::server::{Server, is_there, signal};

const WEB: &str =
    "services: {web: {image: 'nginx:1.25', deploy: {replicas: 3, update_config: {monitor: 50ms}}}}\n";
/// What issue and README promise.
const BOUND: Duration = Duration::from_secs(15);

/// A loop, as if on a machine of its own: the others cannot see its process.
struct Loop {
    child: Child,
    log: PathBuf,
    name: String,
}

impl Loop {
    fn start(hosts: &Hosts, name: String) -> Self {
        let log = hosts.path().join(format!("{name}.log"));
        let out = File::create(&log).expect("a log");
        let program = env!("CARGO_BIN_EXE_stackctl");
        // A process elsewhere is one of another namespace.
        let mut command = if can_be_elsewhere() {
            let mut command = Command::new("unshare");
            command.args(["--pid", "--fork", "--kill-child=KILL", program]);
            command
        } else {
            Command::new(program)
        };
        let child = command
            .args(["reconcile", "--format", "json", "--interval", "2s"])
            .env_clear()
            .env("HOME", hosts.path())
            .env("XDG_RUNTIME_DIR", hosts.path())
            .env("PATH", "/usr/bin:/bin")
            .env("USER", &name)
            .current_dir(hosts.path())
            .stdin(Stdio::null())
            .stdout(out)
            .stderr(Stdio::null())
            .spawn()
            .expect("the binary starts");
        Self { child, log, name }
    }

    fn lines(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(&self.log).expect("a log");
        text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }

    fn types(&self) -> Vec<String> {
        self.lines().iter().map(|line| line["type"].as_str().unwrap_or_default().to_owned()).collect()
    }

    /// As far as it knows itself.
    fn is_leading(&self) -> bool {
        let types = self.types();
        let last = types.iter().rposition(|word| word == "leading");
        last.is_some_and(|last| !types[last..].iter().any(|word| word == "lead_lost" || word == "stopping"))
    }

    fn signal(&self, word: &str) {
        let id = self.child.id();
        let children = std::fs::read_to_string(format!("/proc/{id}/task/{id}/children")).unwrap_or_default();
        match children.split_whitespace().next() {
            Some(id) => {
                let sent = Command::new("kill").args([word, id]).status();
                assert!(sent.is_ok_and(|status| status.success()));
            }
            None => signal(&self.child, word),
        }
    }
}

impl Drop for Loop {
    fn drop(&mut self) {
        let _gone = Command::new("kill").args(["-CONT", &self.child.id().to_string()]).status();
        let _ended = self.child.kill();
        let _ended = self.child.wait();
    }
}

fn can_be_elsewhere() -> bool {
    let tried = Command::new("unshare").args(["--pid", "--fork", "true"]).stderr(Stdio::null()).status();
    tried.is_ok_and(|status| status.success())
}

/// Waits until something is so; how long it took.
fn until(what: &str, limit: Duration, mut is_so: impl FnMut() -> bool) -> Duration {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < limit, "{what}: not within {limit:?}");
        std::thread::sleep(Duration::from_millis(50));
    }
    begun.elapsed()
}

#[test]
fn of_three_loops_one_leads_whatever_is_done_to_them() {
    if !is_there() {
        return;
    }
    let rounds =
        std::env::var("STACKCTL_TEST_TAKEOVERS").ok().and_then(|count| count.parse().ok()).unwrap_or(1_usize);
    let server = Server::start();
    let hosts = Hosts::new(2);
    hosts.stackfile(WEB);
    let text = std::fs::read_to_string(hosts.path().join("stackctl.yml")).expect("an inventory");
    hosts.room.file("stackctl.yml", &format!("ledger: {}\n{text}", server.place("prod")));
    hosts.expect(0, "deploy --yes shop");
    let mut loops: Vec<Loop> = ["ann", "ben", "cleo"].map(|name| Loop::start(&hosts, name.to_owned())).into();
    let leading = |loops: &[Loop]| -> Vec<String> {
        loops.iter().filter(|one| one.is_leading()).map(|one| one.name.clone()).collect()
    };
    until("somebody leads", Duration::from_secs(20), || leading(&loops).len() == 1);
    let mut table = Vec::new();
    for round in 0..rounds {
        for fault in ["killed", "cut off", "sent away", "etcd's leader killed", "etcd's leader cut off"] {
            let at = loops.iter().position(Loop::is_leading).expect("somebody leads");
            // What is under the new lead is to be seen.
            hosts.engines[1].with(|world| world.containers.clear());
            let others =
                |loops: &[Loop]| loops.iter().enumerate().any(|(n, one)| n != at && one.is_leading());
            let took = match fault {
                "killed" => {
                    loops[at].signal("-KILL");
                    let took = until(fault, BOUND, || others(&loops));
                    let name = format!("{}-{round}", loops[at].name);
                    loops[at] = Loop::start(&hosts, name);
                    took
                }
                "cut off" => {
                    loops[at].signal("-STOP");
                    let took = until(fault, BOUND, || others(&loops));
                    let before = loops[at].types().len();
                    loops[at].signal("-CONT");
                    until("it learns of it", BOUND, || !loops[at].is_leading());
                    let since = loops[at].types().split_off(before);
                    let lost = since.iter().position(|word| word == "lead_lost").expect("it says so");
                    assert!(
                        !since[..lost].iter().any(|word| word == "acted"),
                        "it acted without the lead: {since:?}"
                    );
                    took
                }
                "sent away" => {
                    loops[at].signal("-INT");
                    let took = until(fault, BOUND, || others(&loops));
                    let name = format!("{}-{round}", loops[at].name);
                    loops[at] = Loop::start(&hosts, name);
                    took
                }
                _ => {
                    let member = server.leader();
                    let is_cut = fault.ends_with("cut off");
                    if is_cut {
                        server.cut(member)
                    } else {
                        server.kill(member)
                    }
                    std::thread::sleep(Duration::from_secs(6));
                    let took = until(fault, BOUND, || leading(&loops).len() == 1);
                    if is_cut {
                        server.join(member)
                    } else {
                        server.start_again(member)
                    }
                    took
                }
            };
            assert_eq!(leading(&loops).len(), 1, "{fault}");
            table.push((fault, took));
            // A stack that the dead leader was at work on is free once its own lease is over.
            until("the stack is whole", Duration::from_secs(60), || hosts.running().len() == 3);
        }
    }
    let mut names = hosts.running();
    names.dedup();
    assert_eq!(names.len(), 3, "{names:?}");
    for (fault, took) in table {
        eprintln!("{fault}: somebody leads again after {:.1} s", took.as_secs_f64());
    }
}
