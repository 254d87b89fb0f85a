//! Random schedules of commands and faults on small clusters of real hosts: two users deploy, roll back, scale and
//! remove; hosts are cut off, killed, frozen. After each command that ends well the cluster is as it said, and so a
//! minute later unless a later command began; no slot ever runs twice; and in the end everything comes up as wanted.
//!
//! ```sh
//! PLAYGROUND_DIR=/tmp/pg tests/playground/playground up 6 --engine own,26.1
//! STACKCTL_TEST_PLAYGROUND=/tmp/pg STACKCTL_TEST_SCHEDULES=200 STACKCTL_TEST_SCHEDULES_FILE=/tmp/schedules.jsonl \
//!     cargo test --features zookeeper --test schedules -- --nocapture
//! ```
//!
//! - `STACKCTL_TEST_SCHEDULES`: how many; `STACKCTL_TEST_SEED`: the first seed; the others follow.
//! - `STACKCTL_TEST_SCHEDULES_FILE`: a line for each; seeds that are in it are not played again. What an exception
//!   needs (times, output of all commands) is kept in the folder FILE.d.
//! - `STACKCTL_TEST_PROGRAM`: another program to try than the one compiled with the test.
//! - `STACKCTL_TEST_CLUSTER`: hosts of a cluster; the playground's hosts make as many clusters as they can.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "a test starts programs and reads files"
)]

#[path = "../support/splitmix.rs"]
mod splitmix;

mod board;
mod claim;
mod hosts;
mod play;
mod schedule;
mod stack;

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::{Value, json};

use crate::board::Board;
use crate::hosts::Hosts;
use crate::play::Play;
use crate::schedule::Schedule;

const SCHEDULES: u64 = 5;

fn number(variable: &str, default: u64) -> u64 {
    std::env::var(variable).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// Where lines go, and what is kept beside them.
struct Record {
    file: PathBuf,
    kept: PathBuf,
    /// The program: what is compiled meanwhile is not tried.
    program: PathBuf,
    writing: Mutex<()>,
}

impl Record {
    fn new(room: &Path) -> Self {
        let file = std::env::var_os("STACKCTL_TEST_SCHEDULES_FILE")
            .map_or_else(|| room.join("schedules.jsonl"), PathBuf::from);
        let kept = PathBuf::from(format!("{}.d", file.display()));
        let program = room.join("stackctl");
        let given = std::env::var_os("STACKCTL_TEST_PROGRAM").map(PathBuf::from);
        let given = given.unwrap_or_else(|| env!("CARGO_BIN_EXE_stackctl").into());
        std::fs::copy(given, &program).expect("a copy of the program");
        Self { file, kept, program, writing: Mutex::new(()) }
    }

    /// Seeds that were played.
    fn seeds(&self) -> BTreeSet<u64> {
        let text = std::fs::read_to_string(&self.file).unwrap_or_default();
        let seed = |line: &str| serde_json::from_str::<Value>(line).ok()?["seed"].as_u64();
        text.lines().filter_map(seed).collect()
    }

    fn write(&self, line: &Value) {
        let _alone = self.writing.lock().expect("no writer fails");
        eprintln!("{line}");
        let mut file = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(&self.file)
            .expect("the file of schedules");
        writeln!(file, "{line}").expect("a line");
    }
}

/// Plays a seed on a cluster, and keeps what an exception needs. How many there were.
fn play(seed: u64, hosts: &Hosts, record: &Record) -> usize {
    let room = tempfile::Builder::new().prefix("sc").tempdir_in("/tmp").expect("a directory");
    let schedule = Schedule::of(seed, hosts.names.len());
    let board = match hosts.reset() {
        Ok(()) => Play::new(&schedule, hosts, &record.program, room.path().to_owned()).play(),
        Err(error) => {
            let mut board = Board::new();
            board.except("playground".to_owned(), error);
            board
        }
    };
    let line = json!({
        "seed": seed,
        "hosts": hosts.names.join(","),
        "managers": schedule.managers,
        "commands": board.commands,
        "acknowledged": board.acknowledged,
        "statuses": board.statuses.iter().map(|(status, count)| (status.to_string(), *count)).collect::<BTreeMap<_, _>>(),
        "checked": board.checked,
        "rechecked": board.rechecked,
        "exceptions": board.exceptions.len(),
        "causes": board.exceptions.iter().map(|one| &one.cause).collect::<Vec<_>>(),
        "seconds": board.begun.elapsed().as_secs(),
        "engines": hosts.engines(),
        "version": env!("CARGO_PKG_VERSION"),
    });
    if !board.exceptions.is_empty() {
        let kept = record.kept.join(format!("seed-{seed}"));
        let _ = std::fs::remove_dir_all(&kept);
        std::fs::create_dir_all(&kept).expect("a folder for what is kept");
        std::fs::write(kept.join("timeline"), board.timeline.join("\n") + "\n").expect("the timeline");
        std::fs::write(kept.join("schedule"), format!("{schedule:#?}\n")).expect("the schedule");
        for entry in std::fs::read_dir(room.path()).expect("the room").flatten() {
            if entry.file_type().is_ok_and(|kind| kind.is_file()) {
                let _ = std::fs::copy(entry.path(), kept.join(entry.file_name()));
            }
        }
        for one in &board.exceptions {
            eprintln!("seed {seed}: {}: {}", one.cause, one.text);
        }
    }
    record.write(&line);
    board.exceptions.len()
}

/// The playground's hosts in groups of a size.
fn clusters(dir: &Path, size: usize) -> Vec<Hosts> {
    let there = |at: &usize| dir.join(format!("hosts/h{at}")).is_dir();
    let names: Vec<String> = (1..).take_while(there).map(|at| format!("h{at}")).collect();
    names.chunks_exact(size).map(|names| Hosts::new(dir, names)).collect()
}

#[test]
fn clusters_are_as_commands_said_and_stay_so() {
    let Some(dir) = std::env::var_os("STACKCTL_TEST_PLAYGROUND").map(PathBuf::from) else {
        return eprintln!("skipped: there are no hosts; tests/all brings some up");
    };
    let room = tempfile::Builder::new().prefix("sc").tempdir_in("/tmp").expect("a directory");
    let record = Record::new(room.path());
    let first = number("STACKCTL_TEST_SEED", 1);
    let count = number("STACKCTL_TEST_SCHEDULES", SCHEDULES);
    eprintln!("STACKCTL_TEST_SEED={first} STACKCTL_TEST_SCHEDULES={count}");
    let played = record.seeds();
    let seeds: Vec<u64> = (first..first + count).filter(|seed| !played.contains(seed)).collect();
    let clusters = clusters(&dir, number("STACKCTL_TEST_CLUSTER", 2).max(1) as usize);
    assert!(!clusters.is_empty(), "too few hosts in {}", dir.display());
    let (next, exceptions) = (AtomicU64::new(0), AtomicU64::new(0));
    std::thread::scope(|scope| {
        for hosts in &clusters {
            let (next, exceptions, seeds, record) = (&next, &exceptions, &seeds, &record);
            scope.spawn(move || {
                while let Some(seed) = seeds.get(next.fetch_add(1, Ordering::SeqCst) as usize) {
                    exceptions.fetch_add(play(*seed, hosts, record) as u64, Ordering::SeqCst);
                }
            });
        }
    });
    assert_eq!(exceptions.into_inner(), 0, "exceptions; see above and {}", record.kept.display());
}

#[test]
fn a_seed_is_a_schedule() {
    let text = |seed| format!("{:?}", Schedule::of(seed, 3));
    assert_eq!(text(7), text(7));
    assert_ne!(text(7), text(8));
    // Everything there is happens in a few of them.
    let all: String = (0..60).map(text).collect();
    for word in [
        "Deploy",
        "Rollback(Some",
        "Rollback(None",
        "Rm",
        "Scale",
        "Update",
        "Timeout",
        "Interrupt",
        "Kill",
        "Freeze",
    ]
    .into_iter()
    .chain([
        "Cut }",
        "CutIn",
        "CutOut",
        "CutFromMachine",
        "DaemonKilled",
        "PowerLost",
        "DaemonFrozen",
        "Frozen }",
    ])
    .chain(["Loss", "Delay", "SlowData", "Every", "Job", "Checked"])
    {
        assert!(all.contains(word), "{word}");
    }
}

#[test]
fn what_is_otherwise_than_said_is_seen() {
    use crate::claim::Claim;
    use crate::hosts::{Container, Seen};
    use crate::stack::{Kind, Service, Wanted};

    let hosts = ["h1".to_owned(), "h2".to_owned()];
    let task = |service: &str, slot: &str, mark: u64, state: &str| Container {
        host: "h1".to_owned(),
        id: "1".to_owned(),
        name: format!("app_{service}.{slot}"),
        service: service.to_owned(),
        slot: slot.to_owned(),
        state: state.to_owned(),
        image: if service == "job" { "busybox:1" } else { "web:1" }.to_owned(),
        mark: mark.to_string(),
        times: String::new(),
        exit: 0,
    };
    let service = |kind, replicas| Service { kind, mark: 7, image: 1, replicas };
    let wanted = Wanted::from([
        ("web", service(Kind::Web, 2)),
        ("every", service(Kind::Every, 1)),
        ("job", service(Kind::Job, 1)),
    ]);
    let good = [
        task("web", "1", 7, "running"),
        task("web", "2", 7, "running"),
        task("every", "node:h1", 7, "running"),
        task("every", "node:h2", 7, "running"),
        task("job", "0", 7, "exited"),
        task("web", "1", 6, "exited"),
    ];
    let seen = |containers: Vec<Container>| Seen { containers, networks: Vec::new(), silent: Vec::new() };
    let whole = Claim::Whole(wanted.clone());
    let faults =
        |claim: &Claim, containers, may_miss| claim.faults(&seen(containers), &hosts, may_miss).len();
    assert_eq!(faults(&whole, good.to_vec(), false), 0);
    for at in 0..5 {
        let without: Vec<Container> =
            good.iter().enumerate().filter(|(other, _)| *other != at).map(|(_, one)| one.clone()).collect();
        assert_eq!(faults(&whole, without.clone(), false), 1, "{}", good[at].name);
        assert_eq!(faults(&whole, without, true), 0, "a host that lost its tasks may have it");
    }
    let with = |more: Container| good.iter().cloned().chain([more]).collect::<Vec<_>>();
    for more in [
        task("web", "1", 7, "running"),
        task("web", "3", 7, "running"),
        task("other", "1", 7, "running"),
        task("every", "node:h3", 7, "running"),
    ] {
        assert_eq!(faults(&whole, with(more.clone()), true), 1, "{}", more.name);
    }
    let mut old = good.to_vec();
    old[0].mark = "6".to_owned();
    old[1].state = "restarting".to_owned();
    assert_eq!(faults(&whole, old.clone(), true), 2);
    assert_eq!(faults(&Claim::Alike, old.clone(), true), 2);
    assert_eq!(faults(&Claim::Count("web", 2), old.clone(), true), 2);
    assert_eq!(faults(&Claim::Mark("web", 7), old, true), 2);
    assert_eq!(faults(&Claim::Count("web", 1), good.to_vec(), true), 1);
    assert_eq!(faults(&Claim::OneOf(vec![Wanted::new(), wanted]), good.to_vec(), false), 0);
    assert_eq!(faults(&Claim::Nothing, good.to_vec(), true), good.len());
}
