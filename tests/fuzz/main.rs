//! Broken and hostile input: nothing may panic, nothing may take much longer than a large plain file, and nothing
//! may take more memory than the budget of a set of files leads to.
//!
//! Each target mutates what it is given to begin with, the sample stacks, the seeds here, and the files of
//! `STACKCTL_CORPUS`, by a generator that a seed decides. It goes on for `STACKCTL_FUZZ_SECONDS` (a short
//! while, if nobody says), from `STACKCTL_FUZZ_SEED` on. An input that breaks something is written to
//! `found/`; what is there is tried again in every run.
//!
//! ```sh
//! STACKCTL_FUZZ_SECONDS=300 cargo test --test fuzz whole_file
//! ```
#![allow(clippy::disallowed_methods, reason = "a test reads files, a clock and its environment")]

mod mutate;
mod seeds;
#[path = "../support/splitmix.rs"]
mod splitmix;
mod targets;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use mutate::Luck;
use peak_alloc::PeakAlloc;

#[global_allocator]
static HEAP: PeakAlloc = PeakAlloc;

/// How many times as long as a large plain file one input may take. Seconds would say more of the machine and
/// of the build than of the input.
const SLOW: u32 = 24;
/// What one input may take of the heap at its peak. All that is made of a set of files is 64 MiB, of which there are
/// a few copies: of a file the text, the tree, the typed reading, the specification and the merged file.
const HEAP_MAX: usize = 512 << 20;
/// How long a target goes on if nobody says.
const SECONDS: u64 = 2;

/// Tries what was found before, then new inputs until the time is over.
fn fuzz(name: &str, run: fn(&[u8]) -> Result<(), String>, seeds: &[Vec<u8>]) {
    let number = |variable: &str| std::env::var(variable).ok().and_then(|text| text.parse::<u64>().ok());
    let directory = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/found");
    println!("a large plain file: {:?}", too_long() / SLOW);
    for (path, input) in found(&directory, name) {
        if let Err(why) = attempt(run, &input) {
            panic!("{why}: {}", path.display());
        }
    }
    for (at, seed) in seeds.iter().enumerate() {
        keep(name, &directory, run, seed, &format!("seed {at}"));
    }
    let until = Instant::now() + Duration::from_secs(number("STACKCTL_FUZZ_SECONDS").unwrap_or(SECONDS));
    let mut round = number("STACKCTL_FUZZ_SEED").unwrap_or(1);
    let first = round;
    while Instant::now() < until {
        let mut luck = Luck::new(round);
        let input = mutate::mutated(seeds, &mut luck);
        keep(name, &directory, run, &input, &format!("STACKCTL_FUZZ_SEED={round}"));
        round += 1;
    }
    println!("{name}: {} seeds, {} inputs", seeds.len(), round - first);
    println!("at most {} MiB of the heap so far", MOST.load(Ordering::Relaxed) >> 20);
}

/// Tries an input; one that breaks something is written down before the test fails.
fn keep(
    name: &str,
    directory: &std::path::Path,
    run: fn(&[u8]) -> Result<(), String>,
    input: &[u8],
    which: &str,
) {
    let Err(why) = attempt(run, input) else { return };
    let path = directory.join(format!("{name}-{:016x}", mutate::hash(input)));
    std::fs::create_dir_all(directory).expect("a folder for what is found");
    std::fs::write(&path, input).expect("the input can be kept");
    panic!("{why} ({which}): {}", path.display());
}

fn attempt(run: fn(&[u8]) -> Result<(), String>, input: &[u8]) -> Result<(), String> {
    // The heap is counted for the whole process: one input at a time.
    static ONE: Mutex<()> = Mutex::new(());
    let _alone = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    let mut took = Duration::MAX;
    // What is slow three times is slow; once may be the machine.
    for _ in 0..3 {
        HEAP.reset_peak_usage();
        let before = HEAP.current_usage();
        let (spent, outcome) = timed(|| catch_unwind(AssertUnwindSafe(|| run(input))));
        let taken = HEAP.peak_usage().saturating_sub(before);
        MOST.fetch_max(taken, Ordering::Relaxed);
        if taken > HEAP_MAX {
            return Err(format!("took {} MiB of the heap", taken >> 20));
        }
        match outcome {
            Err(_) => return Err("panicked".to_owned()),
            Ok(Err(why)) => return Err(why),
            Ok(Ok(())) => took = took.min(spent),
        }
        if took <= too_long() {
            return Ok(());
        }
    }
    Err(format!("took {took:?}; a large plain file takes {:?}", too_long() / SLOW))
}

/// The most that any input took of the heap.
static MOST: AtomicUsize = AtomicUsize::new(0);

/// What is too long here: `SLOW` times what this build on this machine needs for a plain file of 2,000
/// services, the shortest time of three.
fn too_long() -> Duration {
    static PLAIN: OnceLock<Duration> = OnceLock::new();
    let plain = PLAIN.get_or_init(|| {
        let text = seeds::plain();
        let times = (0..3).map(|_| {
            let (took, result) = timed(|| targets::read(text.as_bytes()));
            result.expect("a plain file is read");
            took
        });
        times.min().unwrap_or_default()
    });
    *plain * SLOW
}

/// What the processor needed for something, or how long it took where nothing counts that.
fn timed<T>(what: impl FnOnce() -> T) -> (Duration, T) {
    let (began, before) = (Instant::now(), on_processor());
    let result = what();
    let spent = on_processor().zip(before).map(|(now, before)| now.saturating_sub(before));
    (spent.unwrap_or_else(|| began.elapsed()), result)
}

/// How long this thread has had a processor: on a busy machine, or when it is nice to others, that is much
/// less than has passed. What waits for ever is not found by this, but by whoever waits for the test.
fn on_processor() -> Option<Duration> {
    let line = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    line.split(' ').next()?.parse().ok().map(Duration::from_nanos)
}

/// Inputs that broke something once.
fn found(directory: &std::path::Path, name: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let Ok(entries) = std::fs::read_dir(directory) else { return Vec::new() };
    let mut paths: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.sort();
    let own = |path: &PathBuf| {
        path.file_name().is_some_and(|file| file.to_string_lossy().starts_with(&format!("{name}-")))
    };
    paths
        .into_iter()
        .filter(own)
        .filter_map(|path| std::fs::read(&path).ok().map(|bytes| (path, bytes)))
        .collect()
}

#[test]
fn yaml_tree() {
    fuzz("yaml_tree", targets::yaml_tree, &seeds::files());
}

#[test]
fn interpolation() {
    fuzz("interpolation", targets::interpolation, &seeds::interpolation());
}

#[test]
fn short_forms() {
    fuzz("short_forms", targets::short_forms, &seeds::short_forms());
}

#[test]
fn whole_file() {
    fuzz("whole_file", targets::whole_file, &seeds::files());
}

#[test]
fn bombs() {
    fuzz("bombs", targets::bomb, &seeds::bombs());
}

#[test]
fn wide_files_are_read_soon() {
    let mut slow = Vec::new();
    for (name, text) in seeds::wide() {
        println!("{:>8} bytes {name}", text.len());
        if let Err(why) = attempt(targets::read, text.as_bytes()) {
            slow.push(format!("{name}: {why}"));
        }
    }
    assert!(slow.is_empty(), "{}", slow.join("\n"));
}
