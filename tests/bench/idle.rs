//! What a loop costs that has nothing to do: its own CPU and memory, and what it asks of each host, for few
//! stacks and for many; what one commit costs that touches one of them; and how long a person waits who asks
//! how all of them stand and what was done.
//!
//! `cargo bench --bench idle`; numbers behind `--` are the counts of stacks: `-- 10 50 200`. Engines are the
//! tests' own, on this machine; the loop is the real binary, following a real repository.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "a benchmark starts programs and measures time"
)]

#[path = "../support/engine/mod.rs"]
mod engine;
#[path = "../support/git.rs"]
mod git;
#[path = "../cli/hosts.rs"]
#[allow(dead_code, reason = "shared with the tests, which need more of it")]
mod hosts;
#[path = "../cli/run.rs"]
#[allow(dead_code, reason = "shared with the tests, which need more of it")]
mod run;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::Value;

use git::git;
use hosts::Hosts;

const HOSTS: usize = 4;
const SERVICES: usize = 3;
/// Two full looks, and what comes between them.
const IDLE: Duration = Duration::from_secs(60);
/// After the last release, until what it stirred up has settled.
const SETTLE: Duration = Duration::from_secs(10);
const LIMIT: Duration = Duration::from_secs(1_800);

/// A repository with so many stacks, and a loop that follows it.
struct Bench {
    hosts: Hosts,
    work: PathBuf,
    log: PathBuf,
    child: Child,
}

fn stackfile(image: &str) -> String {
    let service =
        |at| format!("  s{at}:\n    image: {image}\n    deploy: {{update_config: {{monitor: 50ms}}}}\n");
    format!("services:\n{}", (0..SERVICES).map(service).collect::<String>())
}

impl Bench {
    fn new(stacks: usize) -> Self {
        let hosts = Hosts::new(HOSTS);
        let (work, bare) = (hosts.path().join("work"), hosts.path().join("ops.git"));
        git(hosts.path(), &["init", "-q", "--bare", "-b", "main", &bare.display().to_string()]);
        git(hosts.path(), &["init", "-q", "-b", "main", &work.display().to_string()]);
        git(&work, &["remote", "add", "origin", &bare.display().to_string()]);
        for stack in 0..stacks {
            write(&work, stack, "app:1");
        }
        push(&work, "all");
        let inventory = fs::read_to_string(hosts.path().join("stackctl.yml")).expect("an inventory");
        let ledger = hosts.path().join("ledger").display().to_string();
        hosts.room.file("stackctl.yml", &format!("ledger: file://{ledger}\n{inventory}"));
        let log = hosts.path().join("log");
        let child = Command::new(env!("CARGO_BIN_EXE_stackctl"))
            .args(["reconcile", "--format", "json", "--repo", "ops.git#main", "--poll", "5s"])
            .env_clear()
            .env("HOME", hosts.path())
            .env("XDG_RUNTIME_DIR", hosts.path())
            .env("PATH", "/usr/bin:/bin")
            .env("USER", "bench")
            .current_dir(hosts.path())
            .stdin(Stdio::null())
            .stdout(File::create(&log).expect("a log"))
            .stderr(Stdio::null())
            .spawn()
            .expect("the binary starts");
        Self { hosts, work, log, child }
    }

    /// Stacks that were released so far, as often as they were.
    fn released(&self) -> Vec<String> {
        let text = fs::read_to_string(&self.log).expect("a log");
        let lines = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        lines
            .filter(|line| line["type"] == "release_ended")
            .map(|line| {
                assert_eq!(line["outcome"], "deployed", "{line}");
                line["stack"].as_str().unwrap_or_default().to_owned()
            })
            .collect()
    }

    fn until_released(&self, count: usize) -> Duration {
        let begun = Instant::now();
        while self.released().len() < count {
            assert!(begun.elapsed() < LIMIT, "{} of {count} were released", self.released().len());
            sleep(Duration::from_millis(100));
        }
        begun.elapsed()
    }

    /// Time on processors so far, of all threads; clock ticks are 10 ms on every Linux there is.
    fn cpu(&self) -> Duration {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id())).expect("it runs");
        let fields: Vec<&str> = stat.rsplit(") ").next().expect("fields").split(' ').collect();
        let ticks = |at: usize| fields[at].parse::<u64>().expect("ticks");
        Duration::from_millis(10 * (ticks(11) + ticks(12)))
    }

    fn resident_mib(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("it runs");
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("a size");
        line.split_whitespace().nth(1).and_then(|kib| kib.parse::<u64>().ok()).expect("KiB") / 1024
    }

    fn calls(&self) -> BTreeMap<String, usize> {
        let mut all = BTreeMap::new();
        for engine in &self.hosts.engines {
            for (call, count) in engine.counts() {
                *all.entry(call).or_default() += count;
            }
        }
        all
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        let _ended = self.child.kill();
        let _ended = self.child.wait();
    }
}

fn write(work: &Path, stack: usize, image: &str) {
    let dir = work.join(format!("stacks/s{stack:03}"));
    fs::create_dir_all(&dir).expect("a folder");
    fs::write(dir.join("compose.yaml"), stackfile(image)).expect("a file");
}

fn push(work: &Path, subject: &str) {
    git(work, &["add", "-A"]);
    git(work, &["commit", "-q", "-m", subject]);
    git(work, &["push", "-q", "origin", "main"]);
}

fn measure(stacks: usize) {
    let bench = Bench::new(stacks);
    let first = bench.until_released(stacks);
    sleep(SETTLE);
    for engine in &bench.hosts.engines {
        engine.forget_calls();
    }
    let before = bench.cpu();
    sleep(IDLE);
    let cpu = bench.cpu() - before;
    let calls = bench.calls();
    let all: usize = calls.values().sum();
    println!(
        "{stacks} stacks of {SERVICES} services on {HOSTS} hosts, first released in {:.1} s",
        first.as_secs_f64()
    );
    println!(
        "  idle, a minute: {:.2} s of CPU, {} calls a host, {} MiB resident",
        cpu.as_secs_f64(),
        all / HOSTS,
        bench.resident_mib()
    );
    for (call, count) in calls {
        println!("    {:6} {call}", count / HOSTS);
    }
    for engine in &bench.hosts.engines {
        engine.forget_calls();
    }
    let before = bench.cpu();
    write(&bench.work, stacks / 2, "app:2");
    push(&bench.work, "one");
    let took = bench.until_released(stacks + 1);
    sleep(Duration::from_secs(2));
    let released = bench.released().split_off(stacks);
    assert_eq!(released, [format!("s{:03}", stacks / 2)], "one commit, one stack");
    println!(
        "  a commit that touches one: released after {:.1} s (looked at every 5 s), {:.2} s of CPU, {} calls a host",
        took.as_secs_f64(),
        (bench.cpu() - before).as_secs_f64(),
        bench.calls().values().sum::<usize>() / HOSTS
    );
    for words in ["status", "log", "log s000", "history s000"] {
        let mut times: Vec<Duration> = (0..5)
            .map(|_| {
                let begun = Instant::now();
                bench.hosts.expect(0, words);
                begun.elapsed()
            })
            .collect();
        times.sort();
        println!("  `stackctl {words}`: {:.2} s (the median of 5)", times[2].as_secs_f64());
    }
}

fn main() {
    let counts: Vec<usize> = std::env::args().filter_map(|word| word.parse().ok()).collect();
    for stacks in if counts.is_empty() { vec![10, 50, 200] } else { counts } {
        measure(stacks);
    }
}
