//! Values of a stackfile that no excerpt in a diagnostic shows, whatever the diagnostic is about.
//!
//! An excerpt has the lines around its place, and CI prints it where many read it. Whether a value is secret cannot be
//! seen: a token may stand in a label, in a command, in an option of a driver. So the values of all places where the
//! author writes what the program means are masked, and names stay; also where a value itself is at fault.

use super::support::KEYS;
use crate::yaml::{Node, Sink, Value};

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
const NAMES: [&str; 11] = [
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
];

/// Hides them in a file as it was read, before anything is filled in, merged or found to be wrong.
pub fn hide(file: &Node, sink: &Sink<'_>) {
    for place in PLACES {
        below(file, place, sink);
    }
    for entry in file.as_map().iter().flat_map(|map| &map.entries) {
        match (entry.key.value.as_str(), entry.value.as_map()) {
            (key, _) if NAMES.contains(&key) => sink.hide_values(&entry.value),
            ("services", Some(services)) => {
                for part in services.entries.iter().filter_map(|service| service.value.as_map()) {
                    for part in &part.entries {
                        let key = part.key.value.as_str();
                        // Perhaps one of them, misspelt.
                        let is_known = KEYS.iter().any(|known| known.1 == key);
                        let is_unknown = !is_known && key != "<<" && !key.starts_with("x-");
                        if is_unknown || NAMES.contains(&key) {
                            sink.hide_values(&part.value)
                        } else {
                            anywhere(&part.value, sink)
                        }
                    }
                }
            }
            _ => {}
        }
    }
}

/// Where a name of them is a key, however deep.
fn anywhere(node: &Node, sink: &Sink<'_>) {
    match &node.value {
        Value::List(list) => list.iter().for_each(|item| anywhere(item, sink)),
        Value::Map(map) => {
            for entry in &map.entries {
                let is_one = NAMES.contains(&entry.key.value.as_str());
                if is_one { sink.hide_values(&entry.value) } else { anywhere(&entry.value, sink) }
            }
        }
        _ => {}
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
