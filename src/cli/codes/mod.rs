//! The catalogue of every diagnostic code: what it means, where it comes from, what to do, and how it looks
//! when it is right. `stackctl explain-code` shows it.
//!
//! A code is for ever: tools and people look for it. One that is no longer raised is taken out, and its name
//! is not used again for anything else. `tests/diagnostics` proves that every code in the sources has a row
//! here, that every row is raised somewhere, and that every row of a file's mistake has a case that shows it.
//!
//! The table is part of `cli`, not of the rooms that raise the codes: a room says what went wrong in a
//! sentence, the long story is told on request only.

mod checks;
mod commands;
mod compose;
mod engine;
mod files;
mod hooks;
mod hosts;
mod ledger;
mod projects;
mod repositories;
mod saved;
mod services;
mod values;

use crate::yaml::closest;

/// What all codes begin with.
const PREFIX: &str = "stackctl::";

/// One row of the catalogue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Code {
    /// The middle part of the code. Mistakes of YAML itself have one for each kind of file.
    pub rooms: &'static [&'static str],
    /// The last part.
    pub name: &'static str,
    /// In one line.
    pub title: &'static str,
    /// Where it comes from.
    pub cause: &'static str,
    /// What to do.
    pub remedy: &'static str,
    /// How it looks when it is right, or what to type.
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
}

/// Every row.
pub fn all() -> impl Iterator<Item = &'static Code> {
    [
        files::CODES,
        compose::CODES,
        values::CODES,
        checks::CODES,
        projects::CODES,
        hosts::CODES,
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

/// The rows that a person may mean: by the whole code, without `stackctl::`, or by its last part.
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

/// The code that was perhaps meant.
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
    fn codes_are_found_by_any_of_their_names() {
        for asked in ["stackctl::compose::bad_port", "compose::bad_port", "bad_port", " bad_port "] {
            assert_eq!(find(asked).len(), 1, "{asked}");
        }
        assert_eq!(find("bad_name").len(), 2, "of a file and of an argument");
        assert!(find("docker::bad_port").is_empty());
        assert_eq!(near("bad_prot").as_deref(), Some("stackctl::compose::bad_port"));
        assert_eq!(near("docker::bad_port").as_deref(), Some("stackctl::compose::bad_port"));
        assert_eq!(near("frobnicate"), None);
    }
}
