//! The catalogue of every diagnostic code: meaning, cause, remedy, and a correct example. `stackctl explain-code`
//! shows it.
//!
//! A code is permanent, because tools and people look for it. A code that is no longer raised is removed, and its
//! name is never used again for anything else. `tests/diagnostics` proves that every code in the sources has a row
//! here, that every row is raised somewhere, and that every row of a file's mistake has a case that shows it.
//!
//! The table is part of `cli`, not of the modules that raise the codes: these report what went wrong in a sentence,
//! and the explanation is shown on request only.

mod agents;
mod checks;
mod commands;
mod compose;
mod engine;
mod files;
mod hooks;
mod hosts;
mod images;
mod ledger;
mod projects;
mod repositories;
mod saved;
mod services;
mod topics;
mod values;
mod vault;

use crate::yaml::closest;

/// The beginning of all codes.
const PREFIX: &str = "stackctl::";

/// One row of the catalogue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Code {
    /// The middle part of the code. Mistakes of YAML itself have one for each kind of file.
    pub rooms: &'static [&'static str],
    pub name: &'static str,
    /// In one line.
    pub title: &'static str,
    pub cause: &'static str,
    pub remedy: &'static str,
    /// A correct example, or a command.
    pub example: &'static str,
}

/// A row of one room.
const fn row(
    rooms: &'static [&'static str],
    name: &'static str,
    title: &'static str,
    cause: &'static str,
    remedy: &'static str,
    example: &'static str,
) -> Code {
    Code { rooms, name, title, cause, remedy, example }
}

impl Code {
    /// The whole codes: `stackctl::compose::bad_port`.
    pub fn codes(&self) -> impl Iterator<Item = String> {
        self.rooms.iter().map(|room| format!("{PREFIX}{room}::{}", self.name))
    }

    /// The topic of `stackctl help` that says more.
    #[must_use]
    pub fn topic(&self) -> &'static str {
        topics::of(self.rooms[0], self.name)
    }
}

/// Every row.
pub fn all() -> impl Iterator<Item = &'static Code> {
    [
        files::CODES,
        compose::CODES,
        values::CODES,
        vault::CODES,
        checks::CODES,
        projects::CODES,
        hosts::CODES,
        images::CODES,
        agents::CODES,
        engine::CODES,
        ledger::CODES,
        repositories::CODES,
        hooks::CODES,
        saved::CODES,
        commands::CODES,
        services::CODES,
    ]
    .into_iter()
    .flatten()
}

/// The rows that the user may mean: by the whole code, without `stackctl::`, or by its last part.
#[must_use]
pub fn find(asked: &str) -> Vec<&'static Code> {
    let asked = asked.trim();
    let short = asked.strip_prefix(PREFIX).unwrap_or(asked);
    all()
        .filter(|code| match short.split_once("::") {
            Some((room, name)) => code.name == name && code.rooms.contains(&room),
            None => code.name == short,
        })
        .collect()
}

/// The nearest code, for a suggestion.
#[must_use]
pub fn near(asked: &str) -> Option<String> {
    let name = asked.rsplit("::").next().unwrap_or(asked).trim();
    let names: Vec<&str> = all().map(|code| code.name).collect();
    // The last part alone may be right, and the room wrong.
    let near = names.iter().find(|known| **known == name).copied().or_else(|| closest(name, &names))?;
    find(near).first().and_then(|code| code.codes().next())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_row_says_something_and_no_code_is_there_twice() {
        let mut seen = BTreeSet::new();
        for code in all() {
            for full in code.codes() {
                assert!(seen.insert(full.clone()), "{full} is there twice");
            }
            let name = code.name;
            assert!(name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_'), "{name}");
            assert!(!code.title.ends_with('.') && code.title.chars().count() <= 72, "{name}: title");
            assert!(
                code.cause.ends_with('.') && code.remedy.ends_with('.'),
                "{name}: sentences end in a dot"
            );
            assert!(!code.example.trim().is_empty() && !code.example.contains('\t'), "{name}: example");
        }
    }

    #[test]
    fn every_code_names_a_topic() {
        for code in all() {
            assert!(crate::cli::help::find(code.topic()).is_some(), "{}: {}", code.name, code.topic());
        }
    }

    #[test]
    fn codes_are_found_by_any_of_their_names() {
        for asked in ["stackctl::compose::bad_port", "compose::bad_port", "bad_port", " bad_port "] {
            assert_eq!(find(asked).len(), 1, "{asked}");
        }
        assert_eq!(find("bad_name").len(), 4, "of a file, of an argument, of a secret and of a registry");
        assert!(find("docker::bad_port").is_empty());
        assert_eq!(near("bad_prot").as_deref(), Some("stackctl::compose::bad_port"));
        assert_eq!(near("docker::bad_port").as_deref(), Some("stackctl::compose::bad_port"));
        assert_eq!(near("frobnicate"), None);
    }
}
