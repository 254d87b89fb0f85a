//! Several files become one by docker's rules: what is zero, false or empty in a later file does not
//! count, lists are appended, and ports are distinguished by their published number alone.
//!
//! Works on trees in normal form. Source: `cli/compose/loader/merge.go` of docker's client, and runs.

use crate::yaml::{Entry, Map, Node, Places, Value};

/// Numbers that a later file can set to zero: docker distinguishes "not written" from zero for these only.
const ZERO_COUNTS: [&str; 4] = ["replicas", "retries", "max_attempts", "parallelism"];

/// Merges a later file over an earlier one.
pub fn overlay(base: &mut Node, later: Node) {
    node(base, later, &mut Vec::new());
}

/// How two values of one key become one.
#[derive(Clone, Copy)]
enum Rule {
    /// The later one.
    Replace,
    /// The later one, unless there is nothing in it.
    ReplaceUnlessEmpty,
    /// Mappings key by key, lists one after the other, anything else the later one unless it is empty.
    Deep,
    /// Items with one identity: the later one; the list comes out in their order.
    By(fn(&Node) -> Identity),
    /// Options together if the driver is the same or not given, else the later one.
    Logging,
    /// Aliases are the later ones, also where there are none; driver options the earlier ones.
    Attachment,
}

/// The identity of items, and their order.
pub type Identity = (i128, String);

fn rule(path: &[String]) -> Rule {
    let path: Vec<&str> = path.iter().map(String::as_str).collect();
    match path.as_slice() {
        ["services", _, rest @ ..] => match rest {
            ["command" | "entrypoint"] => Rule::ReplaceUnlessEmpty,
            ["networks", _] => Rule::Attachment,
            ["ulimits", _] | ["labels" | "sysctls", _] | ["deploy", "labels", _] => Rule::Replace,
            ["logging", "options", _] => Rule::Replace,
            ["build", ..] => Rule::Replace,
            ["ports"] => Rule::By(published),
            ["volumes"] => Rule::By(|item| (0, field(item, "target"))),
            ["secrets" | "configs"] => Rule::By(|item| (0, field(item, "source"))),
            ["logging"] => Rule::Logging,
            _ => Rule::Deep,
        },
        ["networks" | "volumes" | "secrets" | "configs", _] => Rule::Replace,
        [key] if key.starts_with("x-") => Rule::Replace,
        _ => Rule::Deep,
    }
}

/// Whether what a later file has at a path does not count.
pub fn passes_over(path: &[String], later: &Node) -> bool {
    let counts = path.last().is_some_and(|key| ZERO_COUNTS.contains(&key.as_str()));
    match rule(path) {
        // `networks: {a: }` at the top is a network that is like any other, and its own.
        Rule::Replace => later.is_null() && path.len() > 2,
        // What is there already is sifted all the same.
        Rule::By(_) | Rule::Attachment => later.is_null(),
        Rule::ReplaceUnlessEmpty | Rule::Deep | Rule::Logging => {
            is_empty(later) && (!counts || later.is_null())
        }
    }
}

fn node(base: &mut Node, mut later: Node, path: &mut Vec<String>) {
    if passes_over(path, &later) {
        return;
    }
    match (rule(path), &mut base.value, std::mem::replace(&mut later.value, Value::Null)) {
        (Rule::Deep, Value::Map(ours), Value::Map(theirs)) => map(ours, theirs, path),
        (Rule::Deep, Value::List(ours), Value::List(theirs)) => ours.extend(theirs),
        (Rule::By(identity), Value::List(ours), Value::List(theirs)) => {
            ours.extend(theirs);
            // The last of each identity stays; sorting keeps the order of equals.
            ours.sort_by_cached_key(identity);
            let list = std::mem::take(ours);
            for item in list {
                match ours.last_mut() {
                    Some(last) if identity(last) == identity(&item) => *last = item,
                    _ => ours.push(item),
                }
            }
        }
        (Rule::Logging, Value::Map(ours), Value::Map(theirs)) => {
            let driver = |map: &Map| map.get("driver").and_then(Node::as_text).map(str::to_owned);
            match (driver(ours), driver(&theirs)) {
                (Some(old), Some(new)) if old != new => *ours = theirs,
                _ => map(ours, theirs, path),
            }
        }
        (Rule::Attachment, Value::Map(ours), Value::Map(mut theirs)) => {
            ours.remove("aliases");
            theirs.entries.retain(|entry| entry.key.value != "driver_opts" && !is_empty(&entry.value));
            theirs.entries.into_iter().for_each(|entry| ours.set(entry.key, entry.value));
        }
        (_, _, value) => {
            later.value = value;
            *base = later;
        }
    }
}

fn map(ours: &mut Map, theirs: Map, path: &mut Vec<String>) {
    let mut places = Places::default();
    for Entry { key, value } in theirs.entries {
        path.push(key.value.clone());
        match places.find(ours, &key) {
            Some(at) => node(&mut ours.entries[at].value, value, path),
            None => ours.entries.push(Entry { key, value }),
        }
        path.pop();
    }
}

/// What Go takes for the zero of a type.
pub fn is_empty(node: &Node) -> bool {
    match &node.value {
        Value::Null => true,
        Value::Bool(flag) => !flag,
        Value::Int(int) => int.get() == 0,
        Value::Float(float) => *float == 0.0,
        Value::Text(text) => text.is_empty() || is_no_time(text),
        Value::List(list) => list.is_empty(),
        Value::Map(map) => map.entries.is_empty(),
    }
}

/// `0s`, but not `0`: that may be text.
fn is_no_time(text: &str) -> bool {
    text.len() > 1
        && text.parse::<crate::model::GoDuration>().is_ok_and(|time| time == crate::model::GoDuration::ZERO)
}

/// The identity of a port to docker: its published number.
pub fn published(item: &Node) -> Identity {
    match item.as_map().and_then(|map| map.get("published")).map(|node| &node.value) {
        Some(Value::Int(number)) => (number.get(), String::new()),
        Some(Value::Text(text)) => (text.parse().unwrap_or(0), String::new()),
        _ => (0, String::new()),
    }
}

fn field(item: &Node, key: &str) -> String {
    item.as_map().and_then(|map| map.get(key)).and_then(Node::as_text).unwrap_or_default().to_owned()
}
