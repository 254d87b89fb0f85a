//! Which rooms touch files, start processes and read the environment. `.clippy.toml` refuses each of these
//! calls and says where they belong; here that is held against the sources, in both directions.

use std::collections::BTreeSet;

use crate::imports::{has_word, without_comments};

/// An effect, the words by which it is known, and the rooms that have it.
pub const EFFECTS: [(&str, &[&str], &[&str]); 3] = [
    (
        "files",
        &["std::fs", "tokio::fs"],
        &[
            "agent",
            "artifact",
            "cli",
            "engine",
            "fleet",
            "gitops",
            "image",
            "inventory",
            "ledger",
            "notify",
            "ops",
            "stores",
        ],
    ),
    (
        "processes",
        &[
            "process_group::program",
            "process_group::blocking_program",
            "tokio::process",
            "process::{Child",
            "process::{Command",
            "process::Command",
        ],
        &["cli", "discover", "fleet", "gitops", "notify", "ops", "process_group", "stores"],
    ),
    (
        "environment",
        &["std::env::var", "std::env::args", "std::env::temp_dir", "std::env::current"],
        &["cli", "fleet", "main"],
    ),
];

/// What is wrong with the list beside the files, each with its room; and with what clippy's settings say.
pub fn faults<'t>(files: impl Iterator<Item = (&'t str, &'t str)>, settings: &str) -> Vec<String> {
    let files: Vec<(&str, String)> =
        files.map(|(room, text)| (room, without_comments(without_tests(text)))).collect();
    let mut faults = Vec::new();
    for (effect, words, rooms) in EFFECTS {
        let has = |code: &str| words.iter().any(|word| has_word(code, word));
        let found: BTreeSet<&str> =
            files.iter().filter(|(_, code)| has(code)).map(|(room, _)| *room).collect();
        let listed: BTreeSet<&str> = rooms.iter().copied().collect();
        for room in found.difference(&listed) {
            faults.push(format!("{room} has an effect, {effect}: hand it in, or list the room and say so"));
        }
        for room in listed.difference(&found) {
            faults.push(format!("{room} has no effect any more, {effect}: take it from the list"));
        }
        let said = format!("{effect}: {}", rooms.join(", "));
        if !settings.contains(&said) {
            faults.push(format!(".clippy.toml does not say `{said}`"));
        }
    }
    faults
}

/// A file without the unit tests at its end.
fn without_tests(text: &str) -> &str {
    let tests = text.find("\nmod tests {").unwrap_or(text.len());
    text[..tests].rfind("#[cfg(test)]").map_or(text, |begin| &text[..begin])
}

#[test]
fn an_effect_is_found_where_it_is_and_missed_where_it_was() {
    let settings: String =
        EFFECTS.iter().map(|(effect, _, rooms)| format!("# {effect}: {}\n", rooms.join(", "))).collect();
    let mut files: Vec<(&str, String)> = Vec::new();
    for (_, words, rooms) in EFFECTS {
        files.extend(rooms.iter().map(|room| (*room, format!("use {};", words[0]))));
    }
    let check = |files: &[(&str, String)], settings: &str| {
        faults(files.iter().map(|(room, text)| (*room, text.as_str())), settings).join("; ")
    };
    assert_eq!(check(&files, &settings), "");
    let more = [files.clone(), vec![("mesh", "std::fs::read(x);".to_owned())]].concat();
    assert_eq!(check(&more, &settings), "mesh has an effect, files: hand it in, or list the room and say so");
    let tests = "fn f() {}\n#[cfg(test)]\n#[expect(x)]\nmod tests {\n    std::fs::read(x);\n}\n".to_owned();
    assert_eq!(check(&[files.clone(), vec![("mesh", tests)]].concat(), &settings), "");
    let fewer: Vec<_> = files.iter().filter(|(room, _)| *room != "discover").cloned().collect();
    assert_eq!(check(&fewer, &settings), "discover has no effect any more, processes: take it from the list");
    assert!(check(&files, "").contains(".clippy.toml does not say `environment: cli, fleet, main`"));
}
