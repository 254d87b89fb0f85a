//! Files that are made from the code and kept beside it. Each must be what the code would write now.
//!
//! `STACKCTL_WRITE_GENERATED=1 cargo test --test generated` writes them anew.
#![allow(clippy::disallowed_methods, reason = "a test reads files and its environment")]

#[path = "support/generated.rs"]
mod generated;

use std::fmt::Write as _;
use std::path::Path;

use clap_complete::Shell;
use stackctl::cli::completions::script;
use stackctl::cli::report::Exit;
use stackctl::compose::support::{KEYS, Treatment};

#[test]
fn completions_are_current() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("completions");
    for (shell, name) in
        [(Shell::Bash, "stackctl.bash"), (Shell::Zsh, "_stackctl"), (Shell::Fish, "stackctl.fish")]
    {
        generated::check(&dir.join(name), &script(shell), "generated");
    }
}

#[test]
fn tables_of_the_readme_are_current() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let text = std::fs::read_to_string(&path).expect("there is a README");
    let text = replaced(&text, "<!-- statuses: generated -->\n", &statuses());
    let text = replaced(&text, "<!-- keys: generated -->\n", &keys());
    generated::check(&path, &text, "generated");
}

/// The text with what stands between a marker and the next end replaced.
fn replaced(text: &str, marker: &str, by: &str) -> String {
    let begin = text.find(marker).unwrap_or_else(|| panic!("no {marker}")) + marker.len();
    let end = begin + text[begin..].find("<!-- end -->").unwrap_or_else(|| panic!("no end of {marker}"));
    format!("{}\n{by}\n{}", &text[..begin], &text[end..])
}

fn statuses() -> String {
    Exit::ALL.iter().fold(String::from("| status | meaning |\n|---|---|\n"), |mut table, exit| {
        let _ = writeln!(table, "| {} | {} |", exit.code(), exit.meaning());
        table
    })
}

fn keys() -> String {
    let mut table = String::from("| where | key | since | treatment |\n|---|---|---|---|\n");
    let mut last = None;
    for (at, key, since, treatment) in KEYS {
        let place = if last.replace(at) == Some(at) { String::new() } else { format!("{at:?}") };
        let treatment = match treatment {
            Treatment::Used => "used".to_owned(),
            Treatment::Partly(why) => format!("used, but: {why}"),
            Treatment::NotYet(why) => format!("not yet: {why}"),
            Treatment::Ignored(why) => format!("ignored: {why}"),
            Treatment::Noted(why) => format!("noted: {why}"),
            Treatment::Refused(advice) => format!("refused: {advice}"),
        };
        let _ = writeln!(table, "| {place} | `{key}` | {since} | {treatment} |");
    }
    table
}
