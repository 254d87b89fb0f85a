//! The stacks that come with the product.

use std::io;
use std::path::Path;

use stackctl::compose::{self, Files, Loaded, Options, Reading, SecretFiles, SourceText, Stack, Variables};
use stackctl::model::StackName;
use stackctl::yaml::Severity;

/// Files of this machine.
struct Disk;

impl Files for Disk {
    fn read(&self, path: &str) -> io::Result<Vec<u8>> {
        std::fs::read(path)
    }
}

/// Reads a text as stack `sample`; it has to be right.
pub fn load(text: &str) -> Loaded {
    let options = Options {
        stack: Stack::Given(&StackName::unchecked("sample")),
        project_dir: "/srv/app",
        home: None,
        env: &|name| (name == "HOME").then(|| "/root".to_owned()),
        files: &Disk,
        env_files: None,
        profiles: &[],
        reading: Reading::default(),
        variables: Variables::default(),
        secrets: SecretFiles::default(),
    };
    let source = SourceText { name: "stack.yml".into(), bytes: text.into() };
    compose::load(vec![source], &options).unwrap_or_else(|report| panic!("{:?}", report.machine()))
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
            reading: Reading::default(),
            variables: Variables::default(),
            secrets: SecretFiles::default(),
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
