//! The pages for contributors in `.github`, held against the repository: what they name is there.

use std::path::{Path, PathBuf};

use crate::root;

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Every Markdown file below `.github`.
fn pages() -> Vec<PathBuf> {
    let mut pages = Vec::new();
    for folder in [".github", ".github/decisions"] {
        let entries = std::fs::read_dir(root().join(folder)).expect("a folder");
        pages.extend(entries.map(|entry| entry.expect("an entry").path()));
    }
    pages.retain(|path| path.extension().is_some_and(|extension| extension == "md"));
    pages.sort();
    pages
}

/// The words between backticks.
fn code(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

/// What begins with an entry of the top level. Commands with arguments are no paths.
fn is_path(word: &str) -> bool {
    let first = word.split('/').next().unwrap_or_default();
    !first.is_empty() && !word.contains(' ') && root().join(first).exists()
}

/// Paths that are nowhere. Of one with a `NAME` to be chosen the folder has to be there.
fn missing_paths(text: &str) -> Vec<String> {
    let is_there = |path: &&str| match path.split_once("NAME") {
        Some((folder, _)) => root().join(folder).is_dir(),
        None => root().join(path).exists(),
    };
    code(text).filter(|word| is_path(word)).filter(|path| !is_there(path)).map(str::to_owned).collect()
}

/// What the table names in brackets behind a file, as in "`src/cli/mod.rs` (`Command`)", and is not in that file.
fn missing_names(text: &str) -> Vec<String> {
    let mut missing = Vec::new();
    for (at, _) in text.match_indices(".rs` (`") {
        let path = text[..at].rsplit('`').next().unwrap_or_default().to_owned() + ".rs";
        let names = text[at + ".rs` (".len()..].split(')').next().unwrap_or_default();
        let source = if path.contains("NAME") { String::new() } else { read(&root().join(&path)) };
        let absent = code(names).filter(|name| !path.contains("NAME") && !source.contains(name));
        missing.extend(absent.map(|name| format!("{path}: {name}")));
    }
    missing
}

#[test]
fn what_the_pages_name_is_there() {
    let mut faults = Vec::new();
    let mut rows = 0;
    for page in pages() {
        let text = read(&page);
        let name = page.strip_prefix(root()).expect("below the root").display().to_string();
        faults.extend(missing_paths(&text).into_iter().map(|path| format!("{name}: {path} is nowhere")));
        faults.extend(missing_names(&text).into_iter().map(|what| format!("{name}: {what} is not in it")));
        for target in text.split("](").skip(1).map(|rest| rest.split([')', '#']).next().unwrap_or_default()) {
            if !target.is_empty() && !page.parent().expect("a folder").join(target).exists() {
                faults.push(format!("{name}: the link {target} leads nowhere"));
            }
        }
        rows +=
            text.lines().filter(|line| line.starts_with("| a") && line.matches(" | ").count() == 3).count();
    }
    assert!(faults.is_empty(), "\n{}\n", faults.join("\n"));
    assert!(rows > 10, "the table in CONTRIBUTING.md has {rows} rows");
}

#[test]
fn decisions_are_numbered_and_say_why() {
    let list = read(&root().join(".github/decisions/README.md"));
    let records: Vec<PathBuf> = pages()
        .into_iter()
        .filter(|path| path.parent().is_some_and(|folder| folder.ends_with("decisions")))
        .filter(|path| !path.ends_with("README.md"))
        .collect();
    assert!(records.len() >= 10, "{records:?}");
    for (number, path) in (1..).zip(&records) {
        let text = read(path);
        let name = path.file_name().and_then(|name| name.to_str()).expect("a name");
        assert!(name.starts_with(&format!("{number:04}-")), "{name} is not number {number}");
        let title = text.lines().next().unwrap_or_default();
        let title = title.strip_prefix(&format!("# {number}. ")).unwrap_or_else(|| panic!("{name}: {title}"));
        assert!(list.contains(&format!("{number}. [{title}]({name})\n")), "{name} is not in the list");
        for part in ["\n## What\n", "\n## Why\n", "\n## Rejected\n"] {
            assert!(text.contains(part), "{name} has no {part:?}");
        }
    }
}

/// Labels are what other tools read on hosts: those that are written stand in the topic, and no others.
#[test]
fn the_topic_on_stability_lists_the_labels() {
    let labels = read(&root().join("src/fleet/docker/labels.rs"));
    let mut written: Vec<&str> = labels
        .lines()
        .filter(|line| line.starts_with("pub const "))
        .filter_map(|line| line.split('"').nth(1))
        .filter(|label| label.starts_with("io.stackctl."))
        .collect();
    let topic = read(&root().join("src/cli/help/stability.md"));
    let mut listed: Vec<&str> = topic
        .lines()
        .filter_map(|line| line.strip_prefix("| `io.stackctl."))
        .map(|rest| rest.split('`').next().unwrap_or_default())
        .collect();
    written.sort_unstable();
    listed.sort_unstable();
    let written: Vec<&str> = written.iter().map(|label| &label["io.stackctl.".len()..]).collect();
    assert_eq!(written, listed);
}

#[test]
fn what_is_missing_is_found() {
    assert_eq!(
        missing_paths("`src/nowhere.rs`, `src/cli/NAME.rs`, `src/cli/`, `cargo doc`"),
        ["src/nowhere.rs"]
    );
    assert_eq!(missing_paths("`src/nowhere/NAME.rs`"), ["src/nowhere/NAME.rs"]);
    assert_eq!(missing_names("`src/cli/mod.rs` (`Command`, `Absent`)"), ["src/cli/mod.rs: Absent"]);
}
