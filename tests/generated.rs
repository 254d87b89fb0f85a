//! Files that are made from the code and kept beside it. Each must be what the code would write now.
//!
//! `STACKCTL_WRITE_GENERATED=1 cargo test --test generated` writes them again.
#![allow(clippy::disallowed_methods, reason = "a test reads files and its environment")]

#[path = "support/generated.rs"]
mod generated;

use std::fmt::Write as _;
use std::path::Path;

use clap_complete::Shell;
use stackctl::cli::codes;
use stackctl::cli::completions::script;
use stackctl::cli::help::TOPICS;
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
fn tables_of_topics_and_readme_are_current() {
    let file = |path: &str, marker: &str, table: &str| {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
        let text =
            std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let text = replaced(&text, &format!("<!-- {marker}: generated -->\n"), table);
        generated::check(&path, &text, "generated");
    };
    file("src/cli/help/exit-statuses.md", "statuses", &statuses());
    file("src/cli/help/stackfile.md", "keys", &keys());
    file("src/cli/help/error-codes.md", "codes", &codes());
    file("src/cli/help/commands.md", "commands", &stackctl::cli::help::command::table());
    file("README.md", "topics", &topics());
}

/// The text with what stands between a marker and the next end replaced.
fn replaced(text: &str, marker: &str, by: &str) -> String {
    let begin = text.find(marker).unwrap_or_else(|| panic!("no {marker}")) + marker.len();
    let end = begin + text[begin..].find("<!-- end -->").unwrap_or_else(|| panic!("no end of {marker}"));
    format!("{}\n{by}\n{}", &text[..begin], &text[end..])
}

/// Every code, sorted, below the topic that says more.
fn codes() -> String {
    let mut out = String::new();
    for topic in TOPICS {
        let mut rows: Vec<String> = codes::all()
            .filter(|code| code.topic() == topic.name)
            .flat_map(|code| code.codes().map(|full| format!("| `{full}` | {} |\n", code.title)))
            .collect();
        rows.sort();
        if !rows.is_empty() {
            let _ = writeln!(out, "## [{0}]({0}.md)\n\n| code | message about |\n|---|---|", topic.name);
            out.push_str(&rows.concat());
            out.push('\n');
        }
    }
    out.trim_end().to_owned() + "\n"
}

/// One row for each topic.
fn topics() -> String {
    TOPICS.iter().fold(String::from("| topic | about |\n|---|---|\n"), |mut table, topic| {
        let _ = writeln!(table, "| [{0}](src/cli/help/{0}.md) | {1} |", topic.name, topic.summary);
        table
    })
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
