//! Values of a stackfile that no excerpt in a diagnostic shows, whatever the diagnostic is about.
//!
//! An excerpt has the lines around its place, and CI prints it where many read it. Whether a value is secret cannot be
//! seen: a token may stand in a label, in a command, in an option of a driver. So the values of all places where the
//! author writes what the program means are masked, and names stay; also where a value itself is at fault.

use crate::yaml::{Node, Sink, Span, Value};

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

/// Hides them in a file as it was read, before anything is filled in, merged or found to be wrong.
pub fn hide(file: &Node, sink: &Sink<'_>) {
    for place in PLACES {
        below(file, place, sink);
    }
}

fn below(node: &Node, path: &[&str], sink: &Sink<'_>) {
    match (&node.value, path) {
        (_, []) => all(node, sink),
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

/// All scalars of a node. Of `NAME=value` in a list the name stays.
fn all(node: &Node, sink: &Sink<'_>) {
    match &node.value {
        Value::Map(map) => map.entries.iter().for_each(|entry| all(&entry.value, sink)),
        Value::List(list) => list.iter().for_each(|item| match named(item, sink) {
            Some(value) => sink.hide(value),
            None => all(item, sink),
        }),
        Value::Null => {}
        // Nothing is hidden by stars where there is nothing.
        Value::Text(text) if text.is_empty() => {}
        Value::Text(_) | Value::Int(_) | Value::Float(_) | Value::Bool(_) => sink.hide(node.span),
    }
}

fn named(item: &Node, sink: &Sink<'_>) -> Option<Span> {
    item.as_text()?;
    let written = sink.sources().slice(item.span);
    let (name, _) = written.split_once('=')?;
    let is_name = |c: char| c.is_alphanumeric() || "_.-/\"'".contains(c);
    let start = item.span.range().start + name.len() + 1;
    name.chars().all(is_name).then(|| Span::new(item.span.file, start..item.span.range().end))
}
