//! The scripts that make and try releases: they can be read by bash, and nothing is published under a
//! placeholder. Nothing is built here.

use std::path::PathBuf;
use std::process::{Command, Output};

use crate::root;

/// A folder with what `.ci/release` reads: who publishes, and the pages.
struct Publisher(tempfile::TempDir);

impl Publisher {
    fn new(copyright: &str, maintainer: &str, contact: &str, version: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let write =
            |name: &str, text: String| std::fs::write(folder.path().join(name), text).expect("written");
        write("identity", format!("COPYRIGHT='{copyright}'\nMAINTAINER='{maintainer}'\n"));
        write("SECURITY.md", format!("Report to: {contact}\n"));
        write("CHANGELOG.md", format!("# Changelog\n\n## {version} (2026-01-31)\n\n## 0.0.1 (2026-01-01)\n"));
        Self(folder)
    }

    fn release(&self, args: &[&str]) -> Output {
        Command::new("bash")
            .arg(root().join(".ci/release"))
            .args(args)
            .env("STACKCTL_IDENTITY", self.0.path().join("identity"))
            .env("STACKCTL_PAGES", self.0.path())
            .output()
            .expect("bash")
    }
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

const HOLDER: &str = "2026 the holder";
const MAINTAINER: &str = "The maintainer <maintainer@example.invalid>";
const CONTACT: &str = "security@example.invalid";

#[test]
fn nothing_is_published_under_a_placeholder() {
    let version = env!("CARGO_PKG_VERSION");
    let right = Publisher::new(HOLDER, MAINTAINER, CONTACT, version).release(&["--check"]);
    assert!(right.status.success(), "{}", said(&right));
    for (publisher, words) in [
        (Publisher::new("@COPYRIGHT_HOLDER@", MAINTAINER, CONTACT, version), "@COPYRIGHT_HOLDER@"),
        (Publisher::new(HOLDER, "@MAINTAINER@", CONTACT, version), "@MAINTAINER@"),
        (Publisher::new(HOLDER, MAINTAINER, "@SECURITY_CONTACT@", version), "@SECURITY_CONTACT@"),
        (Publisher::new(HOLDER, "the maintainer", CONTACT, version), "Name <address>"),
        (Publisher::new(HOLDER, MAINTAINER, CONTACT, "9.9.9"), "9.9.9"),
    ] {
        let output = publisher.release(&["--check"]);
        assert_eq!(output.status.code(), Some(1), "{}", said(&output));
        assert!(said(&output).contains(words), "{words}: {}", said(&output));
    }
    // It refuses before it builds.
    let publisher = Publisher::new(HOLDER, "@MAINTAINER@", CONTACT, version);
    let output = publisher.release(&[]);
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    assert!(said(&output).contains("not to be published like this"), "{}", said(&output));
    let output = publisher.release(&["--binary", "/bin/true"]);
    assert!(output.status.code() == Some(1) && said(&output).contains("--trial"), "{}", said(&output));
    assert_eq!(publisher.release(&["--publish"]).status.code(), Some(64));
}

/// Until the publisher is known, the repository names no person: what is needed is a placeholder of the form that
/// is refused, or is filled in and right.
#[test]
fn the_repository_itself_is_right_or_refused() {
    let output = Command::new("bash").arg(root().join(".ci/release")).arg("--check").output().expect("bash");
    let faults = said(&output);
    let others: Vec<&str> = faults.lines().filter(|line| !line.contains("a placeholder is left")).collect();
    assert!(others.is_empty(), "{faults}");
    assert_eq!(output.status.success(), faults.is_empty());
}

#[test]
fn bash_can_read_every_script() {
    let mut scripts: Vec<PathBuf> = Vec::new();
    for folder in [".ci", "tests", "tests/playground", "tests/playground/lib", "tests/baseline"] {
        let files = std::fs::read_dir(root().join(folder)).expect("a folder");
        scripts.extend(files.map(|file| file.expect("an entry").path()).filter(|path| path.is_file()));
    }
    scripts.retain(|path| {
        let text = String::from_utf8_lossy(&std::fs::read(path).expect("a file")).into_owned();
        text.starts_with("#!/bin/bash") || text.starts_with("# shellcheck shell=bash")
    });
    assert!(scripts.len() >= 8, "{scripts:?}");
    for script in scripts {
        let output = Command::new("bash").arg("-n").arg(&script).output().expect("bash");
        assert!(output.status.success(), "{}: {}", script.display(), said(&output));
    }
}
