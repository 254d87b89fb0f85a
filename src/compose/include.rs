//! `include`: other files whose services and resources become part of this one, each read with its own
//! directory and its own variables.
//!
//! An included file is complete by itself (Compose's rule): its definitions cannot be repeated here, unless they are
//! identical, as when two files include a third. To change an included file, merge another file over it with a list
//! under `path`.

use super::merge::meaning;
use super::support::{self, At};
use crate::yaml::{Diagnostic, Entry, Fields, Map, Node, Places, Sink, Span, Spanned, Value, text};

/// Sections whose entries an include brings.
const SECTIONS: [&str; 5] = ["services", "networks", "volumes", "configs", "secrets"];

/// An item of `include`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Include {
    /// One file, or several of which the later lie over the earlier.
    pub paths: Vec<Spanned<String>>,
    /// Where relative paths in them start; where the first file is, if nothing is said.
    pub project_directory: Option<Spanned<String>>,
    /// Files with variables, in place of the `.env` in that directory.
    pub env_files: Option<Vec<Spanned<String>>>,
}

/// Takes `include` out of a file.
pub fn take(root: &mut Node, sink: &Sink<'_>) -> Vec<Include> {
    let Some(entry) = root.as_map_mut().and_then(|top| top.remove("include")) else { return Vec::new() };
    let items = match &entry.value.value {
        Value::Null => return Vec::new(),
        Value::List(list) => list.as_slice(),
        // Compose requires a list; for one file, no list is as clear.
        Value::Text(_) => std::slice::from_ref(&entry.value),
        _ => {
            crate::yaml::decode::wrong_type(sink, &entry.value, "`include`", "a list");
            return Vec::new();
        }
    };
    items.iter().filter_map(|item| read(item, sink)).collect()
}

fn read(item: &Node, sink: &Sink<'_>) -> Option<Include> {
    let include = match &item.value {
        Value::Text(path) => Include {
            paths: vec![Spanned::new(path.clone(), item.span)],
            project_directory: None,
            env_files: None,
        },
        Value::Map(_) => {
            let fields = Fields::of(sink, item, item.span, "an item of `include`")?;
            support::check(&fields, At::Include);
            if fields.entry("path").is_none() {
                fields.missing("path");
            }
            Include {
                paths: one_or_more(&fields, "path").unwrap_or_default(),
                project_directory: fields.text("project_directory"),
                env_files: one_or_more(&fields, "env_file").filter(|files| !files.is_empty()),
            }
        }
        _ => {
            crate::yaml::decode::wrong_type(sink, item, "an item of `include`", "text or a mapping");
            return None;
        }
    };
    let remote = |path: &Spanned<String>| path.contains("://") || path.starts_with("git@");
    if let Some(path) = include.paths.iter().find(|path| remote(path)) {
        sink.push(
            Diagnostic::error("remote_file", "only files of this machine can be included")
                .at(path.span, "an address, not a path")
                .help("fetch it first, then include the copy"),
        );
        return None;
    }
    (!include.paths.is_empty()).then_some(include)
}

fn one_or_more(fields: &Fields<'_>, key: &str) -> Option<Vec<Spanned<String>>> {
    let node = fields.node(key)?;
    match &node.value {
        Value::List(_) => fields.texts(key),
        _ => text(fields.sink(), node, || fields.name(key)).map(|text| vec![text]),
    }
}

/// Puts what was included beside what is here; `at` is the place of the include.
pub fn import(into: &mut Node, from: Node, at: Span, sink: &Sink<'_>) {
    let (Some(top), Value::Map(from)) = (into.as_map_mut(), from.value) else { return };
    for section in from.entries {
        if !SECTIONS.contains(&section.key.value.as_str()) {
            continue;
        }
        let Value::Map(theirs) = section.value.value else { continue };
        match top.get_mut(&section.key) {
            Some(node) if node.is_null() => node.value = Value::Map(theirs),
            Some(node) => {
                if let Some(ours) = node.as_map_mut() {
                    add(ours, theirs, &section.key, at, sink);
                }
            }
            None => top
                .entries
                .push(Entry { value: Node::made(Value::Map(theirs), section.value.span), key: section.key }),
        }
    }
}

fn add(ours: &mut Map, theirs: Map, section: &str, at: Span, sink: &Sink<'_>) {
    let mut places = Places::default();
    for entry in theirs.entries {
        let Some(known) = places.find(ours, &entry.key) else {
            ours.entries.push(entry);
            continue;
        };
        let known = &ours.entries[known];
        if meaning(&known.value) == meaning(&entry.value) {
            continue;
        }
        let kind = section.trim_end_matches('s');
        sink.push(
            Diagnostic::error(
                "conflicting_definitions",
                format!("{kind} `{}` is defined twice, with different settings", sink.clean(&entry.key)),
            )
            .at(known.key.span, "defined here")
            .also(entry.key.span, "and in an included file")
            .also(at, "included here")
            .help("to change what is included, include a list: `path: [theirs.yml, changes.yml]`"),
        );
    }
}
