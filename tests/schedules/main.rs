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

use std::collections::BTreeSet;
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
