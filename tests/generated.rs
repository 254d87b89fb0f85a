//! Files that are made from the code and kept beside it. Each must be what the code would write now.
//!
//! `STACKCTL_WRITE_GENERATED=1 cargo test --test generated` writes them anew.
#![allow(clippy::disallowed_methods, reason = "a test reads files and its environment")]

use std::path::Path;

use clap_complete::Shell;
use stackctl::cli::completions::script;

#[test]
fn completions_are_current() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("completions");
    for (shell, name) in
        [(Shell::Bash, "stackctl.bash"), (Shell::Zsh, "_stackctl"), (Shell::Fish, "stackctl.fish")]
    {
        check(&dir.join(name), &script(shell));
    }
}

fn check(path: &Path, wanted: &str) {
    if std::env::var_os("STACKCTL_WRITE_GENERATED").is_some() {
        std::fs::write(path, wanted).expect("the file can be written");
        return;
    }
    let there = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        there == wanted,
        "{} is not current; write it anew with STACKCTL_WRITE_GENERATED=1 cargo test --test generated",
        path.display()
    );
}
