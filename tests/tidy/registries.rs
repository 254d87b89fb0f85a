//! No host of a package registry stands in the repository: tests reach packages by what the machine is set up
//! with ([`tests/packages`](../packages)), so that a mirror of its own serves them too.

use std::path::{Path, PathBuf};

/// Domains, in parts, so that this file does not name them itself.
const DOMAINS: [&[&str]; 6] = [
    &["debian", "org"],
    &["crates", "io"],
    &["pypi", "org"],
    &["pythonhosted", "org"],
    &["npmjs", "org"],
    &["npmjs", "com"],
];
/// What is not ours to read: the history, what was built, and the list of sources that cargo writes itself.
const PASSED_OVER: [&str; 3] = [".git", "target", "Cargo.lock"];

/// The domains of registries that a text names.
fn named(text: &str) -> Vec<String> {
    let text = text.to_ascii_lowercase();
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '-';
    let is_there = |domain: &String| {
        text.match_indices(domain.as_str()).any(|(at, _)| {
            let after = &text[at + domain.len()..];
            !text[..at].ends_with(is_part) && !after.starts_with(is_part)
        })
    };
    DOMAINS.iter().map(|parts| parts.join(".")).filter(is_there).collect()
}

fn collect(dir: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(dir).expect("a folder") {
        let entry = entry.expect("an entry");
        let is_passed_over = PASSED_OVER.iter().any(|name| entry.file_name() == *name);
        let kind = entry.file_type().expect("a kind of file");
        match (kind.is_dir(), is_passed_over) {
            (_, true) => {}
            (true, false) => collect(&entry.path(), files),
            (false, false) => files.push(entry.path()),
        }
    }
}

#[test]
fn no_file_names_a_registry() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    collect(root, &mut files);
    assert!(files.iter().any(|file| file.ends_with(".ci/run")), "hidden folders are read too");
    let mut faults = Vec::new();
    for file in files {
        let text = String::from_utf8_lossy(&std::fs::read(&file).unwrap_or_default()).into_owned();
        let name = file.strip_prefix(root).expect("below the root").display().to_string();
        faults.extend(named(&text).into_iter().map(|domain| format!("{name}: {domain}")));
    }
    assert!(faults.is_empty(), "let tests/packages ask the machine's own mirror:\n{}\n", faults.join("\n"));
}

#[test]
fn names_are_found_and_others_are_not() {
    for parts in DOMAINS {
        let domain = parts.join(".");
        assert_eq!(
            named(&format!("deb http://Deb.{domain}/x sid main")),
            std::slice::from_ref(&domain),
            "{domain}"
        );
        assert_eq!(named(&format!("https://{domain}")), std::slice::from_ref(&domain));
        assert!(named(&format!("my{domain} {domain}x {}", parts.join("-"))).is_empty(), "{domain}");
    }
}
