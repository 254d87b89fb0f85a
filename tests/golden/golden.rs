//! Holds a text to its golden file. Knows nothing of what is in it.

use std::path::{Path, PathBuf};

/// The folder of golden files.
pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/files")
}

fn may_write() -> bool {
    std::env::var_os("STACKCTL_WRITE_GENERATED").is_some()
}

fn write(name: &str, text: &str) {
    let path = folder().join(name);
    std::fs::create_dir_all(path.parent().expect("a folder")).expect("the folder can be made");
    std::fs::write(&path, text).expect("the file can be written");
}

/// Holds `text` to the golden file of this name; all lines that differ are in the panic's message.
#[track_caller]
pub fn hold(name: &str, text: &str) {
    if may_write() {
        return write(name, text);
    }
    let there = std::fs::read_to_string(folder().join(name)).unwrap_or_default();
    assert!(
        there == text,
        "tests/golden/files/{name}: a format that machines read has changed (see tests/golden/main.rs)\n{}",
        difference(&there, text)
    );
}

/// A file that an older program wrote: `text` makes it where there is none, and it is never written again.
pub fn record(name: &str, text: impl FnOnce() -> String) {
    if may_write() && !folder().join(name).exists() {
        write(name, &text());
    }
}

/// Reads a golden file.
#[track_caller]
pub fn read(name: &str) -> String {
    let path = folder().join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Lines that are gone and lines that are new, with a line around each.
fn difference(before: &str, after: &str) -> String {
    similar::TextDiff::from_lines(before, after).unified_diff().context_radius(1).to_string()
}

#[test]
fn a_difference_names_what_is_gone_and_what_is_new() {
    let shown = difference("a\nb\nc\n", "a\nB\nc\n");
    assert!(shown.contains("\n-b\n+B\n"), "{shown}");
}
