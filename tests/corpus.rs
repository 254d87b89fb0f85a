//! Real stackfiles. With `STACKCTL_CORPUS` naming a directory of them (and `../oracle` beside it holding
//! what docker made of each), every file that docker deploys must load here, and no file may make the
//! reader panic. Without it there is nothing to do.
#![allow(clippy::disallowed_methods, reason = "a test reads files and its environment")]

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use stackctl::compose::{self, Files, Options, SourceText, Stack};
use stackctl::model::StackName;
use stackctl::yaml::Severity;

/// Files that docker takes and we refuse on purpose, and why.
const REFUSED: &[(&str, &str)] = &[
    ("ocariot__docker-swarm/docker-ocariot-stack.yml", "two services that wait for each other"),
    ("chrisbecke__swarm-stacks/vault__stack.yml", "a template with conditions: `{{if eq .Task.Slot \"1\"}}`"),
    ("docker__cli/cli__compose__loader__loader_test.go__L283.yml", "`credential_spec` is for Windows"),
    (
        "docker__cli/e2e__stack__testdata__stack-with-named-resources.yml",
        "relative targets, which no engine mounts",
    ),
    (
        "kubernetes__kompose/script__test__fixtures__network-mode-service__compose.yaml",
        "`network_mode: service:…`, which docker drops",
    ),
];

struct Corpus {
    root: PathBuf,
    oracle: PathBuf,
    env: BTreeMap<String, String>,
    run: serde_json::Value,
}

/// The files that stood beside a stackfile when docker read it.
struct Beside(BTreeMap<String, String>);

impl Files for Beside {
    fn read(&self, path: &str) -> io::Result<Vec<u8>> {
        match self.0.get(path) {
            Some(content) => Ok(content.clone().into_bytes()),
            None => Err(io::Error::from(io::ErrorKind::NotFound)),
        }
    }
}

fn json(path: &Path) -> Option<serde_json::Value> {
    serde_json::from_slice(&std::fs::read(path).ok()?).ok()
}

impl Corpus {
    fn find() -> Option<Self> {
        let root = PathBuf::from(std::env::var_os("STACKCTL_CORPUS")?);
        let oracle = root.parent()?.join("oracle");
        let env = serde_json::from_value(json(&oracle.join("env.json"))?).ok()?;
        Some(Self { run: json(&oracle.join("run.json"))?, env, root, oracle })
    }

    fn beside(&self, file: &str) -> Beside {
        let list = json(&self.oracle.join(file).join("files.json"));
        let list = list.as_ref().and_then(|list| list.as_array()).cloned().unwrap_or_default();
        let text = |value: &serde_json::Value, key: &str| value[key].as_str().unwrap_or_default().to_owned();
        Beside(list.iter().map(|item| (text(item, "path"), text(item, "content"))).collect())
    }

    fn load(&self, file: &str) -> Result<compose::Loaded, compose::Report> {
        let run = |key: &str| self.run[key].as_str().unwrap_or_default().to_owned();
        let (workdir, home, user, path) = (run("workdir"), run("home"), run("user"), run("path"));
        let env = |name: &str| match name {
            "HOME" => Some(home.clone()),
            "USER" => Some(user.clone()),
            "PATH" => Some(path.clone()),
            "PWD" => Some(workdir.clone()),
            name => self.env.get(name).cloned(),
        };
        let options = Options {
            stack: Stack::Given(&StackName::unchecked(&run("stack"))),
            project_dir: &workdir,
            home: Some(&home),
            env: &env,
            files: &self.beside(file),
            env_files: None,
            profiles: &[],
        };
        let bytes = std::fs::read(self.root.join(file)).unwrap_or_default();
        compose::load(vec![SourceText { name: file.to_owned(), bytes }], &options)
    }
}

/// Files of this machine.
struct Disk;

impl Files for Disk {
    fn read(&self, path: &str) -> io::Result<Vec<u8>> {
        std::fs::read(path)
    }
}

#[test]
fn every_sample_stack_loads_without_a_warning() {
    let stacks = Path::new(env!("CARGO_MANIFEST_DIR")).join("stacks");
    let Ok(entries) = std::fs::read_dir(stacks) else { return };
    for directory in entries.filter_map(Result::ok).map(|entry| entry.path()) {
        let file = directory.join("docker-compose.yml");
        let Ok(bytes) = std::fs::read(&file) else { continue };
        let options = Options {
            stack: Stack::Given(&StackName::unchecked("sample")),
            project_dir: &directory.to_string_lossy(),
            home: None,
            env: &|_| None,
            files: &Disk,
            env_files: None,
            profiles: &[],
        };
        let source = SourceText { name: file.display().to_string(), bytes };
        match compose::load(vec![source], &options) {
            Ok(loaded) => {
                let warnings = loaded.notes.iter().filter(|note| note.severity == Severity::Warning);
                let warnings: Vec<_> = warnings.map(|note| note.machine()).collect();
                assert!(warnings.is_empty(), "{warnings:?}");
            }
            Err(report) => panic!("{:?}", report.machine()),
        }
    }
}

#[test]
fn every_stackfile_that_docker_deploys_loads() {
    let Some(corpus) = Corpus::find() else { return };
    let index = std::fs::read_to_string(corpus.root.join("INDEX.tsv")).expect("the corpus has an index");
    let mut counts: BTreeMap<(String, bool), usize> = BTreeMap::new();
    let mut failures = Vec::new();
    for line in index.lines().skip(1) {
        let columns: Vec<&str> = line.split('\t').collect();
        let (file, outcome) = (columns[0], columns[6]);
        let result = corpus.load(file);
        *counts.entry((outcome.to_owned(), result.is_ok())).or_default() += 1;
        match result {
            Ok(loaded) => {
                let text = compose::config::text(&loaded.merged, true);
                assert!(!text.is_empty(), "{file}");
            }
            Err(report) => {
                assert!(!report.faults.is_empty(), "{file}");
                let known = REFUSED.iter().any(|(name, _)| *name == file);
                if outcome == "ok" && !known || std::env::var_os("STACKCTL_CORPUS_VERBOSE").is_some() {
                    println!("{outcome} {file}");
                    for fault in report.machine() {
                        println!(
                            "    {}:{} {} {} [{:?}]",
                            fault.line, fault.column, fault.code, fault.message, fault.help
                        );
                    }
                }
                if outcome == "ok" && !known {
                    failures.push(file.to_owned());
                }
            }
        }
    }
    for ((outcome, loads), count) in &counts {
        println!("{outcome}: {count} {}", if *loads { "load" } else { "are refused" });
    }
    assert!(failures.is_empty(), "{} files that docker deploys are refused: {failures:?}", failures.len());
}
