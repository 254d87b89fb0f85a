//! The map at the head of `src/lib.rs`, read as it is drawn: one line a room, from the top floor down, with
//! the rooms that it may name. What is drawn is what the imports are held against, in both directions.

use std::collections::{BTreeMap, BTreeSet};

use crate::imports::crate_paths;

/// Rooms from the top floor down, each with what it may name: a room, or a part of one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Map {
    pub rooms: Vec<(String, Vec<String>)>,
    /// The rooms that are said to be for something.
    pub described: BTreeSet<String>,
}

impl Map {
    /// Reads the first drawing of the page, and the list below it.
    pub fn read(page: &str) -> Self {
        let lines: Vec<&str> =
            page.lines().map_while(|line| line.strip_prefix("//!")).map(str::trim_end).collect();
        let drawing = lines.iter().skip_while(|line| line.trim() != "```text").skip(1);
        let mut rooms: Vec<(String, Vec<String>)> = Vec::new();
        for line in drawing.take_while(|line| line.trim() != "```") {
            let (name, names) = line.split_once('→').unwrap_or(("", line));
            let names = names.split(',').map(|name| name.trim().to_owned()).filter(|name| !name.is_empty());
            match (name.trim(), rooms.last_mut()) {
                ("", Some((_, last))) => last.extend(names),
                (name, _) => rooms.push((name.to_owned(), names.collect())),
            }
        }
        let described = lines
            .iter()
            .filter_map(|line| {
                line.strip_prefix(" - [`")?.split_once("`]: ").map(|(name, _)| name.to_owned())
            })
            .collect();
        Self { rooms, described }
    }

    /// What a room may name.
    pub fn arrows(&self, room: &str) -> Option<&[String]> {
        self.rooms.iter().find(|(name, _)| name == room).map(|(_, names)| names.as_slice())
    }

    /// What is wrong with the map beside the rooms that are there, and what their files name.
    pub fn faults(&self, named: &BTreeMap<String, BTreeSet<String>>) -> Vec<String> {
        let mut faults = Vec::new();
        let floor = |room: &str| self.rooms.iter().position(|(name, _)| name == room);
        for (at, (room, arrows)) in self.rooms.iter().enumerate() {
            for arrow in arrows {
                let to = arrow.split("::").next().unwrap_or_default();
                match floor(to) {
                    Some(below) if below > at => {}
                    Some(_) => faults.push(format!("{room} → {arrow} points up: cut the circle")),
                    None => faults.push(format!("{room} → {arrow}: no such room is drawn")),
                }
                let is_used = |path: &String| within(path, arrow);
                if room != "main" && !named.get(room).is_some_and(|paths| paths.iter().any(is_used)) {
                    faults.push(format!("{room} → {arrow}: no file names it, take the arrow away"));
                }
            }
            if room != "main" && !named.contains_key(room) {
                faults.push(format!("{room} is drawn, and is no room of src"));
            }
            if room != "main" && !self.described.contains(room) {
                faults.push(format!("{room} is drawn, and no line below says what it is for"));
            }
        }
        for room in named.keys().filter(|room| floor(room).is_none()) {
            faults.push(format!("{room} is not drawn: give it a place and its arrows"));
        }
        for room in self.described.iter().filter(|room| floor(room).is_none()) {
            faults.push(format!("{room} is described, and not drawn"));
        }
        faults
    }
}

/// Whether a path is `wall`, or below it.
pub fn within(path: &str, wall: &str) -> bool {
    path == wall || path.strip_prefix(wall).is_some_and(|rest| rest.starts_with("::"))
}

/// What the files of each room name.
pub fn named<'t>(files: impl Iterator<Item = (&'t str, &'t str)>) -> BTreeMap<String, BTreeSet<String>> {
    let mut named: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (room, code) in files.filter(|(room, _)| !matches!(*room, "lib" | "core" | "main")) {
        named.entry(room.to_owned()).or_default().extend(crate_paths(code));
    }
    named
}

#[test]
fn a_map_is_read_as_it_is_drawn() {
    let page = "//! Title.\n//!\n//! ```text\n//! main → cli\n//! cli  → yaml,\n//!        model::ids\n//! yaml →\n\
                //! ```\n//!\n//! - [`cli`]: words.\n//!   More of it: [`yaml`]: no.\n";
    let map = Map::read(page);
    let rooms: Vec<String> = map.rooms.iter().map(|(name, to)| format!("{name}>{}", to.join("+"))).collect();
    assert_eq!(rooms, ["main>cli", "cli>yaml+model::ids", "yaml>"]);
    assert_eq!(map.described, BTreeSet::from(["cli".to_owned()]));
}

/// Every way in which map and sources can differ is found.
#[test]
fn a_map_can_be_wrong() {
    let faults = |drawn: &str, described: &[&str], files: &[(&str, &str)]| {
        let list: String = described.iter().map(|room| format!("//! - [`{room}`]: x.\n")).collect();
        let map = Map::read(&format!("//! ```text\n{drawn}//! ```\n{list}"));
        map.faults(&named(files.iter().copied())).join("; ")
    };
    let files = [("cli", "use crate::yaml::Map;"), ("yaml", ""), ("lib", "use crate::nothing;")];
    let right = "//! main → cli\n//! cli → yaml\n//! yaml →\n";
    assert_eq!(faults(right, &["cli", "yaml"], &files), "");
    let part = "//! main → cli\n//! cli → yaml::Map\n//! yaml →\n";
    assert_eq!(faults(part, &["cli", "yaml"], &files), "");
    assert_eq!(
        faults("//! cli → yaml::Node\n//! yaml →\n", &["cli", "yaml"], &files),
        "cli → yaml::Node: no file names it, take the arrow away"
    );
    assert_eq!(
        faults("//! yaml →\n//! cli → yaml\n", &["cli", "yaml"], &files),
        "cli → yaml points up: cut the circle"
    );
    assert_eq!(
        faults("//! cli →\n", &["cli", "yaml"], &files),
        "yaml is not drawn: give it a place and its arrows; yaml is described, and not drawn"
    );
    assert_eq!(
        faults("//! cli → yaml\n//! yaml →\n//! web →\n", &["cli", "yaml"], &files),
        "web is drawn, and is no room of src; web is drawn, and no line below says what it is for"
    );
    assert_eq!(
        faults("//! cli → web\n//! yaml →\n", &["cli", "yaml"], &files),
        "cli → web: no such room is drawn; cli → web: no file names it, take the arrow away"
    );
}
