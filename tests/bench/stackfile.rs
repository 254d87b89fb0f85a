//! Stackfiles read: how long that takes and how much memory, by the file, by the corpus, and beside docker.
//!
//! `cargo bench --bench stackfile`; a word behind `--` chooses: `-- large`. `corpus` and `docker` need
//! `STACKCTL_CORPUS`, the directory of real stackfiles that the tests in `tests/corpus` read; `docker` also a
//! `docker` that knows `stack config`. What is left out is said.
#![allow(clippy::disallowed_methods, reason = "a benchmark measures time, reads files and runs programs")]

#[path = "../support/stackfile.rs"]
mod stackfile;
#[path = "../corpus/world.rs"]
#[allow(dead_code, reason = "shared with the tests, which need more of it")]
mod world;

use std::fmt::Write as _;
use std::hint::black_box;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use criterion::{Criterion, criterion_group, criterion_main};
use peak_alloc::PeakAlloc;
use stackctl::compose::Reading;

use stackfile::load;
use world::{Case, Corpus};

#[global_allocator]
static HEAP: PeakAlloc = PeakAlloc;

/// Services of the large file.
const SERVICES: usize = 2_000;
/// The file's size times this is what reading it may take of the heap.
const HEAP_FACTOR: usize = 20;

/// A stackfile as people write them, only longer. The services of the real ones have 33 values on the
/// average, half of them fewer than 26, and 430 bytes; so have these.
fn large() -> String {
    let mut text = String::from("version: '3.8'\nservices:\n");
    for at in 0..SERVICES {
        let mut line = |line: std::fmt::Arguments<'_>| writeln!(text, "{line}").expect("text takes text");
        line(format_args!("  service-{at:04}:"));
        line(format_args!("    image: registry.example.com/team/app-{at}:${{TAG:-1.{at}}}"));
        line(format_args!("    environment:"));
        line(format_args!("      LOG_LEVEL: info"));
        line(format_args!("      DATABASE_URL: postgres://db.example.com:5432/app_{at}"));
        line(format_args!("      PORT: \"8080\""));
        line(format_args!("    networks:\n      - backend"));
        if at.is_multiple_of(2) {
            line(format_args!("    healthcheck:"));
            line(format_args!("      test: [\"CMD\", \"curl\", \"-f\", \"http://localhost:8080/health\"]"));
            line(format_args!("      interval: 30s\n      retries: 3"));
        }
        if at.is_multiple_of(3) {
            line(format_args!("    volumes:\n      - data:/var/lib/app"));
            line(format_args!("    ports:\n      - \"{}:8080\"", 10_000 + at));
        }
        if at.is_multiple_of(4) {
            line(format_args!("    labels:\n      - \"traefik.enable=true\""));
            line(format_args!("    command: serve --listen 0.0.0.0:8080 --name app-{at}"));
        }
        line(format_args!("    deploy:\n      replicas: 2"));
        if at.is_multiple_of(2) {
            line(format_args!("      update_config:\n        parallelism: 1\n        delay: 10s"));
            line(format_args!("      placement:\n        constraints: [node.labels.zone == a]"));
        } else {
            line(format_args!("      restart_policy:\n        condition: on-failure"));
            line(format_args!(
                "      resources:\n        limits:\n          cpus: '0.50'\n          memory: 128M"
            ));
        }
    }
    text.push_str("networks:\n  backend:\nvolumes:\n  data:\n");
    text
}

/// The same with as little as a service can be: what is kept for each weighs most here.
fn dense() -> String {
    let mut text = String::from("version: '3.8'\nservices:\n");
    for at in 0..SERVICES {
        write!(
            text,
            "  s{at:04}:\n    image: registry.example.com/team/app:${{TAG:-1.{at}}}\n    environment:\n      LEVEL: info\n      PORT: \"80\"\n    networks: [back]\n    deploy:\n      replicas: 3\n      placement:\n        constraints: [node.labels.zone == a]\n      resources:\n        limits: {{cpus: '0.5', memory: 128M}}\n"
        )
        .expect("text takes text");
    }
    text.push_str("networks:\n  back: {}\n");
    text
}

/// Large files: time, and what they take of the heap at most.
fn large_files(c: &mut Criterion) {
    let mut too_much = Vec::new();
    for (name, text) in [("as-written", large()), ("dense", dense())] {
        let before = HEAP.current_usage();
        HEAP.reset_peak_usage();
        let loaded = load(&text);
        let (peak, kept) = (HEAP.peak_usage() - before, HEAP.current_usage() - before);
        assert_eq!(loaded.spec.services.len(), SERVICES);
        drop(loaded);
        let times = |bytes: usize| tenths(bytes, text.len());
        println!(
            "large/{name}: {SERVICES} services in {} bytes; heap at most {peak} bytes, {} times the file, {} of it \
             kept",
            text.len(),
            times(peak),
            times(kept),
        );
        if peak >= text.len() * HEAP_FACTOR {
            too_much.push(name);
        }
        let mut group = c.benchmark_group("large");
        group.sample_size(20).measurement_time(Duration::from_secs(4));
        group.bench_function(name, |b| b.iter_with_large_drop(|| load(black_box(&text))));
        group.finish();
    }
    assert!(too_much.is_empty(), "more than {HEAP_FACTOR} times the file: {too_much:?}");
}

/// The whole corpus, one file after the other.
fn whole_corpus(c: &mut Criterion) {
    const MOST: Duration = Duration::from_secs(1);
    let Some(corpus) = Corpus::find() else { return };
    let cases = corpus.cases();
    let all = || cases.iter().filter(|case| corpus.load(case, Reading::Ours).is_ok()).count();
    let begun = Instant::now();
    let taken = all();
    let once = begun.elapsed();
    println!("corpus: {} files and sets, {taken} of them taken, {once:?} in one go", cases.len());
    let mut group = c.benchmark_group("corpus");
    group.sample_size(10).measurement_time(Duration::from_secs(5));
    group.bench_function("all", |b| b.iter(all));
    group.finish();
    assert!(once < MOST, "the corpus takes more than {MOST:?}");
}

/// The whole programs, `stackctl config` and `docker stack config`, by turns, on the largest files of the
/// corpus that both take.
fn beside_docker(_: &mut Criterion) {
    const FILES: usize = 20;
    const TURNS: usize = 15;
    const FASTER: usize = 5;
    // Criterion knows nothing of pairs; but a word behind `--` chooses among these, too.
    let asked = std::env::args().skip(1).find(|arg| !arg.starts_with('-'));
    if asked.is_some_and(|asked| !"docker".contains(asked.as_str())) {
        return;
    }
    let Some(corpus) = Corpus::find() else { return };
    let mut cases: Vec<(usize, &Case)> = Vec::new();
    let all = corpus.cases();
    cases.extend(all.iter().filter_map(|case| Some((corpus.alone(case)?.len(), case))));
    cases.sort_by_key(|(size, case)| (std::cmp::Reverse(*size), case.name.clone()));
    let mut ratios = Vec::new();
    for (size, case) in cases {
        if ratios.len() == FILES {
            break;
        }
        let room = tempfile::tempdir().expect("a temporary directory");
        corpus.furnish(case, room.path());
        let [ours, dockers] =
            [vec![env!("CARGO_BIN_EXE_stackctl")], vec!["docker", "stack"]].map(|program| {
                let env: Vec<(String, String)> = corpus.env().into_iter().collect();
                move |room: &Path| {
                    let begun = Instant::now();
                    let status = Command::new(program[0])
                        .args(&program[1..])
                        .args(["config", "-c", "stack.yml"])
                        .env_clear()
                        .envs(env.iter().map(|(name, value)| (name, value)))
                        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
                        .env("HOME", room)
                        .current_dir(room)
                        .stdin(Stdio::null())
                        .stdout(Stdio::null())
                        .stderr(Stdio::null())
                        .status();
                    status.is_ok_and(|status| status.success()).then(|| begun.elapsed())
                }
            });
        if ours(room.path()).is_none() || dockers(room.path()).is_none() {
            continue;
        }
        let (mut mine, mut theirs) = (Vec::new(), Vec::new());
        for _ in 0..TURNS {
            mine.extend(ours(room.path()));
            theirs.extend(dockers(room.path()));
        }
        mine.sort_unstable();
        theirs.sort_unstable();
        // Other work on the machine only ever adds: the fastest turn of each is the program's own.
        let times = [0, TURNS / 2].map(|at| {
            let (mine, theirs) = (mine[at.min(mine.len() - 1)], theirs[at.min(theirs.len() - 1)]);
            usize::try_from(theirs.as_nanos() * 10 / mine.as_nanos()).expect("a small number")
        });
        let (mine, theirs) = (mine[0], theirs[0]);
        println!("docker: {mine:>10.2?} ours {theirs:>10.2?} docker's, {size:>6} bytes, {}", case.name);
        ratios.push(times);
    }
    if ratios.is_empty() {
        println!("docker: left out, as there is no docker that knows `stack config`");
        return;
    }
    let [fastest, middle] = [0, 1].map(|which| {
        let mut times: Vec<usize> = ratios.iter().map(|times| times[which]).collect();
        times.sort_unstable();
        let (least, middle) = (tenths(times[0], 10), tenths(times[times.len() / 2], 10));
        println!(
            "docker: {} files, by the {} turn of {TURNS}: ours at least {least} times as fast, {middle} in the middle",
            ratios.len(),
            ["fastest", "middle"][which]
        );
        times[times.len() / 2]
    });
    assert!(fastest.max(middle) >= FASTER * 10, "less than {FASTER} times as fast");
}

/// How many times one is in the other, for people.
fn tenths(a: usize, b: usize) -> String {
    let tenths = a * 10 / b.max(1);
    format!("{}.{}", tenths / 10, tenths % 10)
}

criterion_group!(benches, large_files, whole_corpus, beside_docker);
criterion_main!(benches);
