//! Several files become one: a later file adds to, or overrides, the earlier ones, key by key.
//!
//! Works on trees in normal form, so that a place still belongs to the file that won. Docker's rules,
//! except that a later file can set anything to zero, false or empty; that ports are told apart by
//! address, number and protocol instead of number alone; that `healthcheck.test` is replaced, not
//! appended to; that lists have each item once; that a network's aliases stay where a later file has none
//! and its options are taken over; and that `!reset` removes a key and `!override` replaces one. Docker's
//! own way is in `docker::merge`.

use crate::yaml::{Entry, Map, Node, Value};

/// Lays a later file over an earlier one.
pub fn overlay(base: &mut Node, later: Node) {
    node(base, later, &mut Vec::new());
}

/// Takes out what `!reset` marks and forgets `!override`: for a file with nothing under it.
pub fn settle(node: &mut Node) {
    match &mut node.value {
        Value::List(list) => {
            list.retain(|item| !is_reset(item));
            list.iter_mut().for_each(settle);
        }
        Value::Map(map) => {
            map.entries.retain(|entry| !is_reset(&entry.value));
            map.entries.iter_mut().for_each(|entry| settle(&mut entry.value));
        }
        Value::Null | Value::Bool(_) | Value::Int(_) | Value::Float(_) | Value::Text(_) => {}
    }
    node.tag = None;
}

fn is_reset(node: &Node) -> bool {
    node.tag.as_deref() == Some("!reset")
}

/// How two values of one key become one.
#[derive(Clone, Copy)]
enum Rule {
    /// The later one.
    Replace,
    /// Mappings key by key, lists one after the other, anything else the later one.
    Deep,
    /// Items with one identity: the later one.
    By(fn(&Node) -> Option<String>),
    /// Options together if the driver is the same, else the later one.
    Logging,
}

fn rule(path: &[String]) -> Rule {
    let path: Vec<&str> = path.iter().map(String::as_str).collect();
    match path.as_slice() {
        ["services", _, rest @ ..] => match rest {
            ["command" | "entrypoint"] | ["healthcheck", "test"] | ["ulimits", _] => Rule::Replace,
            ["networks", _, "aliases"] | ["build", ..] => Rule::Replace,
            ["ports"] => Rule::By(port),
            ["volumes"] => Rule::By(|item| field(item, "target")),
            ["secrets" | "configs"] => Rule::By(|item| field(item, "source")),
            ["logging"] => Rule::Logging,
            _ => Rule::Deep,
        },
        ["networks" | "volumes" | "secrets" | "configs", _] => Rule::Replace,
        [key] if key.starts_with("x-") => Rule::Replace,
        _ => Rule::Deep,
    }
}

fn node(base: &mut Node, later: Node, path: &mut Vec<String>) {
    if later.tag.as_deref() == Some("!override") {
        *base = later;
        settle(base);
        return;
    }
    if later.is_null() && !unsets(path) {
        return;
    }
    let rule = rule(path);
    match (rule, &mut base.value, later.value) {
        (Rule::Deep, Value::Map(ours), Value::Map(theirs)) => map(ours, theirs, path),
        (Rule::Deep, Value::List(ours), Value::List(theirs)) => {
            // A constraint that stands there twice says no more, but docker sends it twice.
            let is_placement = path.iter().any(|key| key == "placement");
            for item in theirs {
                if is_placement || !ours.iter().any(|known| same(known, &item)) {
                    ours.push(item);
                }
            }
        }
        (Rule::By(identity), Value::List(ours), Value::List(theirs)) => {
            let replaced = |item: &Node| {
                identity(item).is_some_and(|id| theirs.iter().any(|new| identity(new).as_ref() == Some(&id)))
            };
            ours.retain(|item| !replaced(item));
            ours.extend(theirs);
        }
        (Rule::Logging, Value::Map(ours), Value::Map(theirs)) => {
            let driver = |map: &Map| map.get("driver").and_then(Node::as_text).map(str::to_owned);
            match (driver(ours), driver(&theirs)) {
                (Some(old), Some(new)) if old != new => *ours = theirs,
                _ => map(ours, theirs, path),
            }
        }
        (_, _, value) => {
            *base = Node { value, ..later };
            settle(base);
        }
    }
}

/// Whether nothing written is something said: a variable that is to be unset, or a network of the stack's
/// own in place of one that was described.
fn unsets(path: &[String]) -> bool {
    match path {
        [section, _] => matches!(section.as_str(), "networks" | "volumes" | "secrets" | "configs"),
        [services, _, key, _] => services == "services" && key == "environment",
        _ => false,
    }
}

fn map(ours: &mut Map, theirs: Map, path: &mut Vec<String>) {
    for Entry { key, value } in theirs.entries {
        if is_reset(&value) {
            ours.remove(&key);
            continue;
        }
        path.push(key.value.clone());
        match ours.entries.iter_mut().find(|entry| entry.key.value == key.value) {
            Some(entry) => {
                if !value.is_null() {
                    entry.key.span = key.span;
                }
                node(&mut entry.value, value, path);
            }
            None => {
                let mut value = value;
                settle(&mut value);
                ours.entries.push(Entry { key, value });
            }
        }
        path.pop();
    }
}

/// What makes two ports one: where it is published, or what it publishes if that is left open.
fn port(item: &Node) -> Option<String> {
    let map = item.as_map()?;
    let part = |key: &str| map.get(key).map(|node| format!("{:?}", node.value)).unwrap_or_default();
    let protocol = map.get("protocol").and_then(Node::as_text).unwrap_or("tcp").to_ascii_lowercase();
    match map.get("published") {
        Some(_) => Some(format!("{} {} {protocol}", part("host_ip"), part("published"))),
        None => Some(format!("target {} {protocol}", part("target"))),
    }
}

fn field(item: &Node, key: &str) -> Option<String> {
    item.as_map()?.get(key)?.as_text().map(str::to_owned)
}

/// Equal but for places.
fn same(a: &Node, b: &Node) -> bool {
    match (&a.value, &b.value) {
        (Value::List(a), Value::List(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
        (Value::Map(a), Value::Map(b)) => {
            a.entries.len() == b.entries.len()
                && a.entries.iter().all(|x| b.get(&x.key).is_some_and(|y| same(&x.value, y)))
        }
        (a, b) => a == b,
    }
}
