//! Values of a stackfile that no excerpt in a diagnostic shows, whatever the diagnostic is about.
//!
//! An excerpt has the lines around its place, and CI prints it where many read it. Whether a value is secret cannot be
//! seen: a token may stand in a label, in a command, in an option of a driver. So the values of all places where the
//! author writes what the program means are masked, and names stay; also where a value itself is at fault.

use super::support::{self, At, Below, is_key};
use crate::yaml::{Entry, Node, Sink, Value};

/// Where they are; `*` is every key there, and lists are seen through.
const PLACES: [&[&str]; 23] = [
    &["services", "*", "environment"],
    &["services", "*", "labels"],
    &["services", "*", "annotations"],
    &["services", "*", "command"],
    &["services", "*", "entrypoint"],
    &["services", "*", "healthcheck", "test"],
    &["services", "*", "logging", "options"],
    &["services", "*", "deploy", "labels"],
    &["services", "*", "build", "args"],
    &["services", "*", "build", "labels"],
    &["services", "*", "post_start"],
    &["services", "*", "pre_stop"],
    &["services", "*", "provider", "options"],
    &["services", "*", "volumes", "volume", "labels"],
    &["networks", "*", "labels"],
    &["networks", "*", "driver_opts"],
    &["volumes", "*", "labels"],
    &["volumes", "*", "driver_opts"],
    &["configs", "*", "labels"],
    &["configs", "*", "content"],
    &["secrets", "*", "labels"],
    &["secrets", "*", "content"],
    &["secrets", "*", "driver_opts"],
];

/// Their names, for where a mistake has put one into another mapping.
const NAMES: [&str; 13] = [
    "annotations",
    "args",
    "command",
    "content",
    "driver_opts",
    "entrypoint",
    "environment",
    "labels",
    "options",
    "post_start",
    "pre_stop",
    "runtime_flags",
    "test",
];

/// Hides them in a file as it was read, before anything is filled in or found to be wrong.
pub fn hide(file: &Node, sink: &Sink<'_>) {
    for place in PLACES {
        below(file, place, sink);
    }
    if file.as_map().is_none() {
        anywhere(file, sink);
    }
    for entry in file.as_map().iter().flat_map(|map| &map.entries) {
        let key = entry.key.value.as_str();
        match entry.value.as_map() {
            Some(named) if matches!(key, "configs" | "secrets") => {
                let parts = named.entries.iter().flat_map(|named| match named.value.as_map() {
                    Some(parts) => &parts.entries[..],
                    None => std::slice::from_ref(named),
                });
                // There, it is the name of a variable.
                let is_name =
                    |part: &Entry| part.key.value == "environment" && part.value.as_text().is_some();
                parts.filter(|part| !is_name(part)).for_each(|part| of_entry(part, sink));
            }
            _ => of_entry(entry, sink),
        }
    }
    part(file, At::Top, true, sink);
}

/// What stands where a mapping of known keys is expected, or a list of them. Where a mistake may have hidden what a value
/// is, it is hidden: behind a key that this mapping does not have, even if another has it, or where a mapping is
/// expected and no short form of it.
fn part(node: &Node, at: At, has_short_form: bool, sink: &Sink<'_>) {
    match &node.value {
        // It is a command or options, one level too high.
        Value::List(_) if matches!(at, At::Healthcheck | At::Logging) => sink.hide_values(node),
        Value::List(list) => list.iter().for_each(|item| part(item, at, has_short_form, sink)),
        Value::Map(map) => map.entries.iter().for_each(|entry| {
            let Entry { key, value } = entry;
            match support::below(at, key) {
                _ if !is_key(at, key) => sink.hide_values(value),
                Below::One(at, has_short_form) => part(value, at, has_short_form, sink),
                Below::Named(at, has_short_form) => named(value, at, has_short_form, sink),
                Below::Names => named(value, at, true, sink),
                // What the author's own keys hold: see `template`.
                Below::Plain if key.starts_with("x-") => {}
                Below::Plain => plain(value, sink),
            }
        }),
        Value::Null => {}
        _ if !has_short_form => sink.hide_values(node),
        _ => {}
    }
}

/// Mappings with names of the author's choice.
fn named(node: &Node, at: At, has_short_form: bool, sink: &Sink<'_>) {
    match &node.value {
        Value::Map(map) => {
            map.entries.iter().for_each(|named| match (at, &named.value.value) {
                // There the content itself may stand by mistake, and be no text to YAML.
                (At::Config | At::Secret, Value::Null) => sink.hide_values(&named.value),
                _ => part(&named.value, at, has_short_form, sink),
            });
        }
        Value::Null => {}
        _ if has_short_form => plain(node, sink),
        _ => sink.hide_values(node),
    }
}

/// What has no keys: a mapping there is one by mistake.
fn plain(node: &Node, sink: &Sink<'_>) {
    match &node.value {
        Value::List(list) => list.iter().for_each(|item| plain(item, sink)),
        Value::Map(_) => sink.hide_values(node),
        _ => {}
    }
}

/// Where a name of them is a key, however deep.
fn anywhere(node: &Node, sink: &Sink<'_>) {
    match &node.value {
        Value::List(list) => list.iter().for_each(|item| anywhere(item, sink)),
        Value::Map(map) => map.entries.iter().for_each(|entry| of_entry(entry, sink)),
        _ => {}
    }
}

/// The same, for an entry and what is below it.
fn of_entry(entry: &Entry, sink: &Sink<'_>) {
    match entry.key.value.as_str() {
        key if NAMES.contains(&key) => sink.hide_values(&entry.value),
        key if key.starts_with("x-") => template(&entry.value, sink),
        _ => anywhere(&entry.value, sink),
    }
}

/// What stands below a key of the author's own. Where it is merged into a mapping, that one may override it, and no
/// known place has it then. A mapping whose keys another has may be a part of that, anything else may be an environment.
fn template(node: &Node, sink: &Sink<'_>) {
    let Some(map) = node.as_map() else { return sink.hide_values(node) };
    let fits = |at: &&At| map.entries.iter().all(|entry| is_key(**at, &entry.key.value));
    let mut places = support::mappings().iter().filter(fits).peekable();
    if places.peek().is_none() {
        return sink.hide_values(node);
    }
    anywhere(node, sink);
    places.for_each(|at| part(node, *at, true, sink));
}

fn below(node: &Node, path: &[&str], sink: &Sink<'_>) {
    match (&node.value, path) {
        (_, []) => sink.hide_values(node),
        (Value::List(list), _) => list.iter().for_each(|item| below(item, path, sink)),
        (Value::Map(map), [first, rest @ ..]) => {
            for entry in &map.entries {
                match entry.key.value.as_str() {
                    "<<" => below(&entry.value, path, sink),
                    key if *first == "*" || key == *first => below(&entry.value, rest, sink),
                    _ => {}
                }
            }
        }
        _ => {}
    }
}
