//! Moves keys of a service to their place under `deploy`: `cpus`, `mem_limit`, `mem_reservation`, `pids_limit`,
//! `scale`. So files with either form can be merged, and docker can read the merged file.
//!
//! Compose takes both of a pair if they say the same, and refuses them otherwise; so do we, within a file.
//! Of several files the later wins, whichever way it is written.

use super::short;
use crate::yaml::scalar::go_float;
use crate::yaml::{Diagnostic, Entry, Map, Node, Sink, Span, Spanned, Value, Whole};

/// How two spellings of a value are compared.
#[derive(Clone, Copy)]
enum Kind {
    Cores,
    Size,
    Count,
}

const MOVED: [(&str, &[&str], Kind); 5] = [
    ("cpus", &["deploy", "resources", "limits", "cpus"], Kind::Cores),
    ("mem_limit", &["deploy", "resources", "limits", "memory"], Kind::Size),
    ("mem_reservation", &["deploy", "resources", "reservations", "memory"], Kind::Size),
    ("pids_limit", &["deploy", "resources", "limits", "pids"], Kind::Count),
    ("scale", &["deploy", "replicas"], Kind::Count),
];

/// Moves them.
pub fn to_deploy(service: &mut Map, sink: &Sink<'_>) {
    for (key, path, kind) in MOVED {
        let Some(entry) = service.remove(key) else { continue };
        if entry.value.is_null() && entry.value.tag().is_none() {
            continue;
        }
        let [inner @ .., last] = path else { continue };
        if let Some(map) = at(service, inner, entry.key.span) {
            place(map, key, path, last, entry, kind, sink);
        }
    }
}

/// The mapping at a path, created if there is none. `None` if the value is something else, which the reader of that
/// key reports.
pub fn at<'m>(mut map: &'m mut Map, path: &[&str], span: Span) -> Option<&'m mut Map> {
    for step in path {
        if map.get(step).is_none_or(Node::is_null) {
            map.set(Spanned::new((*step).to_owned(), span), Node::map(Vec::new(), span));
        }
        map = map.get_mut(step)?.as_map_mut()?;
    }
    Some(map)
}

fn place(map: &mut Map, key: &str, path: &[&str], last: &str, entry: Entry, kind: Kind, sink: &Sink<'_>) {
    let mut value = entry.value;
    if let (Kind::Count, Some(number)) =
        (kind, value.as_text().and_then(|text| text.trim().parse::<i128>().ok()))
    {
        value.value = Value::Int(Whole::from(number));
    }
    match map.entry(last).filter(|other| !other.value.is_null()) {
        None => map.set(Spanned::new(last.to_owned(), entry.key.span), value),
        Some(other) => {
            let (ours, theirs) = (measure(&value, kind), measure(&other.value, kind));
            if ours.is_some() && theirs.is_some() && ours != theirs {
                sink.push(
                    Diagnostic::error(
                        "two_values",
                        format!("`{key}` and `{}` contradict each other", path.join(".")),
                    )
                    .at(entry.key.span, "this one")
                    .also(other.key.span, "and this one")
                    .help(format!("keep `{}`", path.join("."))),
                );
            }
        }
    }
}

/// The value as a number, if it is one.
fn measure(node: &Node, kind: Kind) -> Option<i128> {
    let text = match &node.value {
        Value::Int(int) => int.to_string(),
        Value::Float(float) => go_float(*float),
        Value::Text(text) => text.clone(),
        Value::Null | Value::Bool(_) | Value::List(_) | Value::Map(_) => return None,
    };
    match kind {
        Kind::Cores => short::nano_cpus(&text).ok().map(i128::from),
        Kind::Size => short::bytes(&text).ok().map(i128::from),
        Kind::Count => text.trim().parse().ok(),
    }
}
