//! The walls of `src`, read from its text: who may name whom, where effects live, and what a file must
//! and must not hold. `.clippy.toml` guards the effects a second time, by resolved path.
#![allow(clippy::disallowed_methods, reason = "reads the sources")]

use std::path::{Path, PathBuf};

/// Who may name whom. A path of `crate::` must begin with one of these, or with the room's own name.
const ARROWS: [(&str, &[&str]); 13] = [
    ("process_group", &[]),
    ("model", &[]),
    ("yaml", &["model"]),
    ("diff", &["model"]),
    ("orchestrator", &["model", "diff"]),
    ("compose", &["model", "yaml", "orchestrator::constraint", "orchestrator::template"]),
    ("swarm", &["model", "yaml"]),
    ("ledger", &["model"]),
    (
        "fleet",
        &[
            "model",
            "ledger::place",
            "ledger::register",
            "yaml",
            "orchestrator::action",
            "orchestrator::pin",
            "orchestrator::reason",
            "orchestrator::restart",
        ],
    ),
    ("discover", &["process_group", "model", "fleet::inventory", "ledger"]),
    ("gitops", &["process_group", "model", "yaml", "compose", "ledger::release"]),
    ("engine", &["model", "orchestrator", "fleet", "ledger", "discover", "gitops"]),
    (
        "cli",
        &[
            "process_group",
            "model",
            "yaml",
            "diff",
            "orchestrator",
            "compose",
            "swarm",
            "fleet",
            "ledger",
            "discover",
            "gitops",
            "engine",
        ],
    ),
];

/// Rooms without effects, and what they must not name.
const PURE: [&str; 6] = ["model", "yaml", "diff", "orchestrator", "compose", "swarm"];
const EFFECTS: [&str; 11] = [
    "tokio",
    "std::fs",
    "std::env",
    "std::process",
    "std::net::Tcp",
    "std::time::SystemTime",
    "std::time::Instant",
    "jiff::Timestamp::now",
    "bollard",
    "openssh",
    "std::thread",
];

const PRINTS: [&str; 4] = ["println!", "eprintln!", "print!", "eprint!"];
const UNFINISHED: [&str; 4] = ["todo!", "unimplemented!", "dbg!", "FIXME"];
const LINES_MAX: usize = 700;

#[test]
fn the_sources_are_tidy() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    collect(&root, &mut files);
    assert!(files.len() > 50, "only {} sources were found", files.len());
    files.sort();
    let mut faults = Vec::new();
    for file in files {
        let name = file.strip_prefix(&root).expect("below src").to_string_lossy().into_owned();
        let text = std::fs::read_to_string(&file).expect("sources are text");
        faults.extend(check(&name, &text).into_iter().map(|fault| format!("src/{name}: {fault}")));
    }
    assert!(faults.is_empty(), "\n{}\n", faults.join("\n"));
}

fn collect(dir: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(dir).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

/// What is wrong with one file, each with what to do about it.
fn check(name: &str, text: &str) -> Vec<String> {
    let mut faults = Vec::new();
    let room = name.split('/').next().map(|room| room.trim_end_matches(".rs")).unwrap_or_default();
    let code = without_comments(text);
    if !text.starts_with("//!") {
        faults.push("open it with `//!` and a line on why it exists".to_owned());
    }
    let lines = text.lines().count();
    if lines > LINES_MAX {
        faults.push(format!("{lines} lines: cut it in two along a subject, {LINES_MAX} is the most"));
    }
    for word in UNFINISHED.into_iter().filter(|word| has_word(text, word)) {
        faults.push(format!("`{word}`: finish it, or leave it out and say so in the README"));
    }
    if name != "cli/ui.rs" {
        for word in PRINTS.into_iter().filter(|word| has_word(&code, word)) {
            faults.push(format!("`{word}`: return the text and let cli::ui print it"));
        }
    }
    if PURE.contains(&room) {
        for word in EFFECTS.into_iter().filter(|word| has_word(&code, word)) {
            faults.push(format!(
                "`{word}`: {room} has no effects; take it as an argument, or return an action"
            ));
        }
    }
    match ARROWS.into_iter().find(|(of, _)| *of == room) {
        Some((_, allowed)) => {
            for path in crate_paths(&code) {
                let within = |wall: &str| path == wall || path.starts_with(&format!("{wall}::"));
                // `builder` makes small worlds for unit tests; it is not there in the program.
                if !within(room) && !within("builder") && !allowed.iter().any(|wall| within(wall)) {
                    faults.push(format!(
                        "`crate::{path}`: {room} may name {} only; move what both need down, or hand it in",
                        if allowed.is_empty() { "nothing".to_owned() } else { allowed.join(", ") }
                    ));
                }
            }
        }
        None if matches!(room, "lib" | "main") => {}
        None => faults.push(format!("`{room}` is a new room: give it its arrows in tests/tidy.rs")),
    }
    faults
}

/// The text without comments, line by line. A `//` in a string cuts the line too: good enough here.
fn without_comments(text: &str) -> String {
    text.lines().map(|line| line.split("//").next().unwrap_or_default()).collect::<Vec<_>>().join("\n")
}

/// Whether a word is there that does not go on to the left: `println!` is not in `eprintln!`.
fn has_word(text: &str, word: &str) -> bool {
    text.match_indices(word).any(|(at, _)| !text[..at].ends_with(is_part))
}

fn is_part(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Every path that begins with `crate::`, lists opened out: `a::{b, c}` is `a::b` and `a::c`.
fn crate_paths(code: &str) -> Vec<String> {
    let mut paths = Vec::new();
    for (at, word) in code.match_indices("crate::") {
        if !code[..at].ends_with(is_part) {
            open_out("", &code[at + word.len()..], &mut paths);
        }
    }
    paths
}

/// Reads one path or list behind `::`; gives what follows it.
fn open_out<'t>(head: &str, text: &'t str, paths: &mut Vec<String>) -> &'t str {
    let mut text = text.trim_start();
    if let Some(mut list) = text.strip_prefix('{') {
        loop {
            list = list.trim_start().trim_start_matches(',').trim_start();
            if let Some(rest) = list.strip_prefix('}') {
                return rest;
            }
            let rest = open_out(head, list, paths);
            if rest.len() == list.len() {
                return rest;
            }
            list = rest;
        }
    }
    let end = text.find(|c: char| !is_part(c)).unwrap_or(text.len());
    let (name, rest) = text.split_at(end);
    text = rest;
    let path = match (head, name) {
        (_, "") => return text,
        ("", name) => name.to_owned(),
        (head, "self") => head.to_owned(),
        (head, name) => format!("{head}::{name}"),
    };
    match text.strip_prefix("::") {
        Some(rest) if rest.trim_start().starts_with(|c: char| is_part(c) || c == '{') => {
            open_out(&path, rest, paths)
        }
        _ => {
            paths.push(path);
            text
        }
    }
}

#[test]
fn lists_of_paths_are_opened_out() {
    let paths = |code: &str| crate_paths(code).join(" ");
    assert_eq!(
        paths("use crate::model::{self, ids::{A, B}, C};"),
        "model model::ids::A model::ids::B model::C"
    );
    assert_eq!(paths("let x: crate::diff::Change = crate::cli::run();"), "diff::Change cli::run");
    assert_eq!(paths("use crate::{\n    model::A,\n    fleet,\n};"), "model::A fleet");
    assert_eq!(paths("crate::yaml::Map::<A>::default()"), "yaml::Map");
    assert_eq!(paths("my_crate::model"), "");
}

/// Every rule finds what it is for, and lets pass what is right.
#[test]
fn every_rule_can_fail() {
    let fault = |name: &str, text: &str| check(name, text).join("; ");
    let cases = [
        ("model/a.rs", "use std::fmt;", "open it with `//!`"),
        ("model/a.rs", "//! A.\nuse crate::diff::Change;", "model may name nothing only"),
        ("diff/a.rs", "//! A.\nuse crate::{model::Task, orchestrator::Plan};", "`crate::orchestrator::Plan`"),
        ("yaml/a.rs", "//! A.\nuse crate::compose::load;", "yaml may name model only"),
        ("orchestrator/a.rs", "//! A.\nuse crate::fleet::Executor;", "`crate::fleet::Executor`"),
        ("compose/a.rs", "//! A.\nuse crate::engine::run;", "`crate::engine::run`"),
        ("compose/a.rs", "//! A.\nuse crate::orchestrator::Plan;", "`crate::orchestrator::Plan`"),
        (
            "fleet/a.rs",
            "//! A.\nuse crate::orchestrator::{action::What, assign};",
            "`crate::orchestrator::assign`",
        ),
        ("engine/a.rs", "//! A.\nfn f(x: crate::cli::ui::Ui) {}", "`crate::cli::ui::Ui`"),
        ("mesh/mod.rs", "//! A.\n", "a new room"),
        ("orchestrator/a.rs", "//! A.\nuse tokio::spawn;", "`tokio`: orchestrator has no effects"),
        ("compose/a.rs", "//! A.\nlet x = std::fs::read(y);", "`std::fs`"),
        ("diff/a.rs", "//! A.\nlet x = std::env::var(y);", "`std::env`"),
        ("model/a.rs", "//! A.\nuse std::time::SystemTime;", "`std::time::SystemTime`"),
        ("model/a.rs", "//! A.\nuse std::time::Instant;", "`std::time::Instant`"),
        ("yaml/a.rs", "//! A.\nuse bollard::Docker;", "`bollard`"),
        ("yaml/a.rs", "//! A.\nuse openssh::Session;", "`openssh`"),
        ("engine/a.rs", "//! A.\nfn f() { println!(\"x\") }", "`println!`: return the text"),
        ("cli/ps.rs", "//! A.\nfn f() { eprintln!(\"x\") }", "`eprintln!`"),
        ("cli/ps.rs", "//! A.\nfn f() { print!(\"x\") }", "`print!`"),
        ("cli/ps.rs", "//! A.\nfn f() { todo!() }", "`todo!`"),
        ("cli/ps.rs", "//! A.\nfn f() { unimplemented!() }", "`unimplemented!`"),
        ("cli/ps.rs", "//! A.\nfn f() { dbg!(1) }", "`dbg!`"),
        ("cli/ps.rs", "//! A.\n// FIXME later", "`FIXME`"),
    ];
    for (name, text, wanted) in cases {
        let found = fault(name, text);
        assert!(found.contains(wanted), "{name}: {text:?} gives {found:?}, not {wanted:?}");
    }
    let long = "//! A.\n".repeat(LINES_MAX + 1);
    assert!(fault("model/a.rs", &long).contains("701 lines"));

    for (name, text) in [
        ("cli/ui.rs", "//! A.\nfn f() { eprintln!(\"x\") }"),
        ("cli/ps.rs", "//! A.\n// may say println! in a comment\nuse crate::engine::run;"),
        ("fleet/a.rs", "//! A.\nuse crate::orchestrator::action::{Action, What};\nuse tokio::spawn;"),
        ("compose/a.rs", "//! A.\nuse crate::orchestrator::constraint::Constraint;"),
        ("orchestrator/a.rs", "//! [`fleet`](crate::fleet) is not an import.\nuse crate::diff;"),
        ("main.rs", "//! A.\nfn main() {}"),
    ] {
        assert_eq!(fault(name, text), "", "{name}: {text:?}");
    }
}
