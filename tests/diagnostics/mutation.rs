//! Files that are right are broken in one place each, the way people break them; nearly every time the
//! place has to be found. Uses the files of `STACKCTL_CORPUS` (and what stood beside them, `../oracle`), or
//! else the samples in `stacks/`. `STACKCTL_MUTATION_SEED` begins with another seed.

mod breaks;
mod random;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};

use stackctl::compose::{self, Files, Options, SourceText, Stack};
use stackctl::model::StackName;
use stackctl::yaml::{MachineDiagnostic, Severity};

use breaks::{Broken, KINDS};
use random::Random;

/// Files in a round, and rounds.
const FILES_MAX: usize = 200;
const ROUNDS: u64 = 5;
/// Of a hundred.
const FOUND_MIN: f64 = 98.0;

/// A file that is right, and the world it is right in.
struct Sample {
    name: String,
    text: String,
    dir: String,
    beside: BTreeMap<String, String>,
}

struct World {
    samples: Vec<Sample>,
    env: BTreeMap<String, String>,
}

struct Beside<'a>(&'a BTreeMap<String, String>);

impl Files for Beside<'_> {
    fn read(&self, path: &str) -> io::Result<Vec<u8>> {
        match self.0.get(path) {
            Some(text) => Ok(text.clone().into_bytes()),
            None => std::fs::read(path),
        }
    }
}

impl World {
    fn find() -> Self {
        let corpus = std::env::var_os("STACKCTL_CORPUS").map(PathBuf::from);
        corpus.and_then(|root| Self::of_corpus(&root)).unwrap_or_else(Self::of_samples)
    }

    fn of_corpus(root: &Path) -> Option<Self> {
        let json = |path: &Path| -> Option<serde_json::Value> {
            serde_json::from_slice(&std::fs::read(path).ok()?).ok()
        };
        let oracle = root.parent()?.join("oracle");
        let run = json(&oracle.join("run.json"))?;
        let mut env: BTreeMap<String, String> =
            serde_json::from_value(json(&oracle.join("env.json"))?).ok()?;
        for (name, key) in [("HOME", "home"), ("USER", "user"), ("PATH", "path"), ("PWD", "workdir")] {
            env.insert(name.to_owned(), run[key].as_str().unwrap_or_default().to_owned());
        }
        let index = std::fs::read_to_string(root.join("INDEX.tsv")).ok()?;
        let samples = index.lines().skip(1).filter_map(|line| {
            let name = line.split('\t').next()?.to_owned();
            let text = std::fs::read_to_string(root.join(&name)).ok()?;
            let list = json(&oracle.join(&name).join("files.json"));
            let list = list.as_ref().and_then(|list| list.as_array()).cloned().unwrap_or_default();
            let field =
                |item: &serde_json::Value, key: &str| item[key].as_str().unwrap_or_default().to_owned();
            let beside = list.iter().map(|item| (field(item, "path"), field(item, "content"))).collect();
            Some(Sample { name, text, dir: env["PWD"].clone(), beside })
        });
        Some(Self { samples: samples.collect(), env })
    }

    fn of_samples() -> Self {
        let stacks = Path::new(env!("CARGO_MANIFEST_DIR")).join("stacks");
        let mut samples: Vec<Sample> = std::fs::read_dir(stacks)
            .expect("samples")
            .filter_map(|entry| {
                let dir = entry.ok()?.path();
                let text = std::fs::read_to_string(dir.join("docker-compose.yml")).ok()?;
                let name = dir.file_name()?.to_string_lossy().into_owned();
                Some(Sample { name, text, dir: dir.to_string_lossy().into_owned(), beside: BTreeMap::new() })
            })
            .collect();
        samples.sort_by(|a, b| a.name.cmp(&b.name));
        Self { samples, env: BTreeMap::new() }
    }

    fn found(&self, sample: &Sample, text: &str) -> (bool, Vec<MachineDiagnostic>) {
        let env = |name: &str| self.env.get(name).cloned();
        let options = Options {
            stack: Stack::Given(&StackName::unchecked("s")),
            project_dir: &sample.dir,
            home: Some("/home/u"),
            env: &env,
            files: &Beside(&sample.beside),
            env_files: Some(&[]),
            profiles: &["*".to_owned()],
            reading: stackctl::compose::Reading::Ours,
            variables: stackctl::compose::Variables::Fill,
            secrets: stackctl::compose::SecretFiles::default(),
        };
        let source = SourceText { name: "stack.yml".to_owned(), bytes: text.into() };
        match compose::load(vec![source], &options) {
            Ok(loaded) => (true, loaded.notes.iter().map(|note| note.machine()).collect()),
            Err(report) => (false, report.machine()),
        }
    }
}

/// Whether an error or warning that was not there before is in the broken lines.
fn is_found(broken: &Broken, before: &[MachineDiagnostic], after: &[MachineDiagnostic]) -> bool {
    let known: BTreeSet<(&str, &str)> =
        before.iter().map(|found| (found.code.as_str(), found.message.as_str())).collect();
    after.iter().any(|found| {
        found.severity != Severity::Note
            && broken.lines.contains(&found.line)
            && !known.contains(&(found.code.as_str(), found.message.as_str()))
    })
}

#[test]
fn nearly_every_mistake_is_found_on_its_line() {
    let world = World::find();
    let right: Vec<(&Sample, Vec<MachineDiagnostic>)> = world
        .samples
        .iter()
        .filter_map(|sample| match world.found(sample, &sample.text) {
            (true, notes) => Some((sample, notes)),
            (false, _) => None,
        })
        .collect();
    assert!(right.len() >= 5, "only {} files are right", right.len());
    let first: u64 =
        std::env::var("STACKCTL_MUTATION_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(1);
    let mut scores: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    let mut misses = Vec::new();
    for seed in first..first + ROUNDS {
        let mut random = Random::new(seed);
        let mut order: Vec<usize> = (0..right.len()).collect();
        random.shuffle(&mut order);
        for (turn, at) in order.into_iter().take(FILES_MAX).enumerate() {
            let (sample, before) = &right[at];
            // Not every file has what can be broken in every way.
            let broken = (0..KINDS.len()).find_map(|n| {
                let (kind, make) = KINDS[(turn + n) % KINDS.len()];
                Some((kind, make(&sample.text, &mut random)?))
            });
            let Some((kind, broken)) = broken else { continue };
            let (_, after) = world.found(sample, &broken.text);
            let score = scores.entry(kind).or_default();
            score.1 += 1;
            if is_found(&broken, before, &after) {
                score.0 += 1;
            } else {
                let told: Vec<String> = after
                    .iter()
                    .filter(|found| found.severity != Severity::Note && !before.contains(found))
                    .map(|found| format!("{}:{} {} {}", found.line, found.column, found.code, found.message))
                    .collect();
                misses.push(format!(
                    "seed {seed} {kind} {}:{:?}\n    {}\n    {told:?}",
                    sample.name, broken.lines, broken.what
                ));
            }
        }
    }
    let (found, all) = scores.values().fold((0, 0), |(found, all), score| (found + score.0, all + score.1));
    for miss in &misses {
        println!("{miss}");
    }
    for (kind, (found, all)) in &scores {
        println!("{kind}: {found} of {all}");
    }
    #[expect(clippy::cast_precision_loss, reason = "hundreds")]
    let share = 100.0 * found as f64 / all as f64;
    println!("{} files; {found} of {all} mistakes found on their line: {share:.2} %", right.len());
    assert!(share >= FOUND_MIN, "{share:.2} %");
}
