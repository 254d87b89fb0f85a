//! Values of a stackfile that no excerpt in a diagnostic shows, whatever the diagnostic is about.
//!
//! An excerpt has the lines around its place, and CI prints it where many read it. Whether a value is secret cannot be
//! seen: a token may stand in a label, in a command, in an option of a driver. So the values of all places where the
//! author writes what the program means are masked, and names stay; also where a value itself is at fault.

use super::support::{At, KEYS};
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
const NAMES: [&str; 12] = [
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
];

/// Keys of a file whose entries have names of the author's choice.
const SECTIONS: [&str; 5] = ["services", "networks", "volumes", "configs", "secrets"];

/// Keys of a service, a network or a volume whose entries have names of the author's choice, and whose values may be shown.
const NAMED: [&str; 8] = [
    "additional_contexts",
    "aux_addresses",
    "depends_on",
    "extra_hosts",
    "models",
    "networks",
    "sysctls",
    "ulimits",
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
        let is_known = KEYS.iter().any(|known| known.0 == At::Top && known.1 == key);
        if !is_known && !key.starts_with("x-") {
            // Perhaps one of them, misspelt.
            sink.hide_values(&entry.value);
        } else if SECTIONS.contains(&key) {
            section(&entry.value, key == "services", sink);
        }
    }
}

/// Where a mistake may have hidden what a value is: behind a name that no key has, or where a mapping is expected.
fn section(node: &Node, of_services: bool, sink: &Sink<'_>) {
    let Some(named) = node.as_map() else {
        if of_services {
            sink.hide_values(node);
        }
        return;
    };
    for named in &named.entries {
        match named.value.as_map() {
            Some(_) => unknown(&named.value, sink),
            None if of_services => sink.hide_values(&named.value),
            None => {}
        }
    }
}

/// What stands below a key that no mapping has, however deep.
fn unknown(node: &Node, sink: &Sink<'_>) {
    match &node.value {
        Value::List(list) => list.iter().for_each(|item| unknown(item, sink)),
        Value::Map(map) => {
            for Entry { key, value } in &map.entries {
                match (key.value.as_str(), value.as_map()) {
                    (key, _) if !is_known(key) => sink.hide_values(value),
                    // See `template`.
                    (key, _) if key.starts_with("x-") => {}
                    (key, Some(named)) if NAMED.contains(&key) => {
                        named.entries.iter().for_each(|named| unknown(&named.value, sink));
                    }
                    _ => unknown(value, sink),
                }
            }
        }
        _ => {}
    }
}

/// Whether it is a key of any mapping, or one that is the author's own.
fn is_known(key: &str) -> bool {
    key.starts_with("x-") || KEYS.iter().any(|known| known.1 == key)
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
/// known place has it then. A mapping of known keys may be a part of a service, anything else may be its environment.
fn template(node: &Node, sink: &Sink<'_>) {
    match node.as_map() {
        Some(map) if map.entries.iter().all(|entry| is_known(&entry.key.value)) => {
            anywhere(node, sink);
            for Entry { value, .. } in &map.entries {
                let parts = value.as_list().unwrap_or(std::slice::from_ref(value));
                parts.iter().filter(|part| part.as_map().is_some()).for_each(|part| template(part, sink));
            }
        }
        _ => sink.hide_values(node),
    }
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
