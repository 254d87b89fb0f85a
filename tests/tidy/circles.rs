//! Circles of files inside a room: files that name each other, directly or by way of others, can only be read
//! all at once.
//!
//! A module and the modules below it are one thing that is cut into files: that `mod.rs` uses its parts is no
//! arrow. A name that a module hands on from another one (`pub use`) leads to where it is defined.

use std::collections::{BTreeMap, BTreeSet};

use crate::imports::{is_part, paths_behind, without_comments};

/// A module, by its path: `["cli", "render", "ps"]`.
type Module = Vec<String>;

/// The modules of `src`, each with its code, without comments and unit tests.
pub struct Modules {
    code: BTreeMap<Module, String>,
    /// What a module hands on: a name, and the path that it stands for there.
    handed_on: BTreeMap<Module, BTreeMap<String, Module>>,
}

impl Modules {
    /// From files by their path below `src`.
    pub fn of<'t>(files: impl Iterator<Item = (&'t str, &'t str)>) -> Self {
        let mut code = BTreeMap::new();
        for (name, text) in files.filter(|(name, _)| !matches!(*name, "lib.rs" | "main.rs")) {
            let name = name.trim_end_matches(".rs");
            let module: Module =
                name.strip_suffix("/mod").unwrap_or(name).split('/').map(str::to_owned).collect();
            let text = without_comments(text);
            let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default().to_owned();
            code.insert(module, text);
        }
        let mut handed_on: BTreeMap<Module, BTreeMap<String, Module>> = BTreeMap::new();
        for (module, text) in &code {
            let mut names = BTreeMap::new();
            for (text, _) in public_uses(text) {
                for path in paths_behind(&format!("={text}"), "=") {
                    let path: Module = path.split("::").map(str::to_owned).collect();
                    names.insert(path.last().cloned().unwrap_or_default(), path);
                }
            }
            handed_on.insert(module.clone(), names);
        }
        Self { code, handed_on }
    }

    /// Groups of modules that go round in a circle, each in order.
    pub fn circles(&self) -> Vec<Vec<String>> {
        let arrows: BTreeMap<&Module, BTreeSet<Module>> =
            self.code.iter().map(|(module, text)| (module, self.arrows(module, text))).collect();
        let mut reached: BTreeMap<&Module, BTreeSet<&Module>> = BTreeMap::new();
        for module in self.code.keys() {
            let mut seen = BTreeSet::new();
            let mut todo: Vec<&Module> = arrows[module].iter().collect();
            while let Some(next) = todo.pop() {
                if seen.insert(next) {
                    todo.extend(arrows[next].iter());
                }
            }
            reached.insert(module, seen);
        }
        let mut circles = BTreeSet::new();
        for (module, seen) in &reached {
            let ring: Vec<String> = seen
                .iter()
                .filter(|other| reached[**other].contains(module))
                .map(|other| other.join("/"))
                .collect();
            if ring.len() > 1 {
                circles.insert(ring);
            }
        }
        circles.into_iter().collect()
    }

    /// The modules of the same room that a module names, but for those below it.
    fn arrows(&self, module: &Module, text: &str) -> BTreeSet<Module> {
        let mut code = text.replace("pub(super)", "").replace("pub(in ", "(");
        for (_, whole) in public_uses(text) {
            code = code.replace(whole, "");
        }
        let mut paths = Vec::new();
        for start in ["crate", "super", "self"] {
            let behind = paths_behind(&code, &format!("{start}::"));
            paths.extend(behind.into_iter().map(|path| format!("{start}::{path}")));
        }
        let mut arrows = BTreeSet::new();
        for path in paths {
            let path: Module = path.split("::").map(str::to_owned).collect();
            let Some(to) = self.absolute(module, &path).and_then(|path| self.defines(&path, 0)) else {
                continue;
            };
            if to != *module && to[0] == module[0] && !to.starts_with(module) {
                arrows.insert(to);
            }
        }
        arrows
    }

    /// A path from the root, as a module names it; `None` if it leads out of the crate.
    fn absolute(&self, module: &Module, path: &[String]) -> Option<Module> {
        match path.first().map(String::as_str)? {
            "crate" => Some(path[1..].to_vec()),
            "self" => Some([module.as_slice(), &path[1..]].concat()),
            "super" => {
                let up = path.iter().take_while(|part| *part == "super").count();
                let above = module.get(..module.len().checked_sub(up)?)?;
                Some([above, &path[up..]].concat())
            }
            _ => {
                let below = [module.as_slice(), &path[..1]].concat();
                self.code.contains_key(&below).then(|| [module.as_slice(), path].concat())
            }
        }
    }

    /// The module that defines what is at a path.
    fn defines(&self, path: &[String], depth: usize) -> Option<Module> {
        let module = (1..=path.len()).rev().map(|to| &path[..to]).find(|to| self.code.contains_key(*to))?;
        if let Some(name) = path.get(module.len())
            && let Some(from) = self.handed_on[module].get(name)
            && depth < 8
            && let Some(from) = self.absolute(&module.to_vec(), from)
        {
            return self.defines(&from, depth + 1);
        }
        Some(module.to_vec())
    }
}

/// Each `pub use …;` of a text: its paths, and the whole of it.
fn public_uses(text: &str) -> Vec<(&str, &str)> {
    let mut found = Vec::new();
    for (at, _) in text.match_indices("pub") {
        let rest = &text[at + "pub".len()..];
        let rest = match rest.strip_prefix('(') {
            Some(inside) => inside.split_once(')').map_or("", |(_, rest)| rest),
            None => rest,
        };
        let Some(paths) = rest.trim_start().strip_prefix("use ") else { continue };
        let Some(end) = paths.find(';') else { continue };
        if !text[..at].ends_with(is_part) {
            let whole = &text[at..text.len() - (paths.len() - end) + 1];
            found.push((&paths[..end], whole));
        }
    }
    found
}

#[test]
fn a_circle_is_found_wherever_it_runs() {
    let circles = |files: &[(&str, &str)]| {
        let circles = Modules::of(files.iter().copied()).circles();
        circles.iter().map(|ring| ring.join(" ")).collect::<Vec<_>>().join("; ")
    };
    let of = |files: &[(&str, &str)]| circles(files);
    assert_eq!(of(&[("r/a.rs", "use super::b::B;"), ("r/b.rs", "use crate::r::a;")]), "r/a r/b");
    assert_eq!(
        of(&[
            ("r/a.rs", "fn f() { super::b::f() }"),
            ("r/b/mod.rs", "use super::{c::{self, C}, d};"),
            ("r/c.rs", "use crate::r::a::A;"),
        ]),
        "r/a r/b r/c"
    );
    // By way of a name that is handed on.
    assert_eq!(
        of(&[
            ("r/mod.rs", "mod a;\nmod b;\npub use b::{B, C};"),
            ("r/a.rs", "use super::B;"),
            ("r/b.rs", "use super::a::A;"),
        ]),
        "r/a r/b"
    );
    // Two of the same name, up two floors.
    assert_eq!(
        of(&[("r/a/x.rs", "use super::super::b::y;"), ("r/b/y.rs", "use crate::r::a::x::X;")]),
        "r/a/x r/b/y"
    );
}

#[test]
fn what_is_no_circle_passes() {
    for files in [
        // A module and its parts.
        [("r/mod.rs", "mod a;\nuse a::A;"), ("r/a.rs", "use super::R;")],
        // One way only.
        [("r/a.rs", "use super::b::B;"), ("r/b.rs", "// see super::a\nfn f() {}")],
        // Tests may look back.
        [
            ("r/a.rs", "use super::b::B;"),
            ("r/b.rs", "#[cfg(test)]\nmod tests {\n    use super::super::a;\n}"),
        ],
        // Rooms have a map of their own.
        [("r/a.rs", "use crate::s::b;"), ("s/b.rs", "use crate::r::a;")],
    ] {
        assert!(Modules::of(files.into_iter()).circles().is_empty(), "{files:?}");
    }
}
