//! Several files become one: a later file adds to, or overrides, the earlier ones, key by key.
//!
//! Works on trees in normal form, so that a place still belongs to the file that won. Docker's rules,
//! except that a later file can set anything to zero, false or empty; that ports are distinguished by
//! address, number and protocol instead of number alone; that `healthcheck.test` is replaced, not
//! appended to; that lists have each item once; that a network's aliases stay where a later file has none
//! and its options are taken over; and that `!reset` removes a key and `!override` replaces one. Docker's
//! own way is in `docker::merge`.
//!
//! A service that extends another is laid over it by the same rules, but for those that are Compose's
//! alone ([`Manner::Extends`]).

use std::collections::BTreeSet;

use crate::yaml::{Entry, Map, Node, Places, Value};

/// Merges a later file over an earlier one.
pub fn overlay(base: &mut Node, later: Node) {
    node(base, later, &mut Vec::new(), Manner::Files);
}

/// Merges a later file over the result so far, which may be nothing.
pub fn add(all: &mut Option<Node>, mut later: Node) {
    match all {
        Some(base) => overlay(base, later),
        None => {
            settle(&mut later);
            *all = Some(later);
        }
    }
}

/// Merges a service over the one it extends. Keeps `!reset` marks for the earlier files.
pub fn extend(base: &mut Node, service: Node) {
    let off = |node: &Node| {
        let health = node.as_map()?.get("healthcheck")?.as_map()?;
        Some(health.get("disable")?.value == Value::Bool(true) && health.get("test").is_none())
    };
    if off(&service) == Some(true)
        && let Some(health) = base.as_map_mut().and_then(|map| map.get_mut("healthcheck"))
        && let Some(health) = health.as_map_mut()
    {
        // A disabled health check has no other settings.
        health.remove("test");
    }
    node(base, service, &mut vec!["services".to_owned(), String::new()], Manner::Extends);
}

/// Whose rules apply where they differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Manner {
    /// Docker's, for one file over another.
    Files,
    /// Compose's, for a service over the one it extends: aliases add up, and a config or secret is one
    /// with another if it is in the same place (compose-go's `override/uncity.go`).
    Extends,
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
    node.untag();
}

fn is_reset(node: &Node) -> bool {
    node.tag() == Some("!reset")
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

impl Manner {
    /// Marks within a service that extends another still apply to the earlier files.
    fn settle(self, node: &mut Node) {
        if self == Self::Files {
            settle(node);
        }
    }
}

fn rule(path: &[String], manner: Manner) -> Rule {
    let path: Vec<&str> = path.iter().map(String::as_str).collect();
    match path.as_slice() {
        ["services", _, rest @ ..] => match rest {
            ["command" | "entrypoint"] | ["healthcheck", "test"] | ["ulimits", _] => Rule::Replace,
            ["networks", _, "aliases"] if manner == Manner::Extends => Rule::Deep,
            ["secrets" | "configs"] if manner == Manner::Extends => {
                Rule::By(|item| field(item, "target").or_else(|| field(item, "source")))
            }
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

fn node(base: &mut Node, mut later: Node, path: &mut Vec<String>, manner: Manner) {
    if later.tag() == Some("!override") {
        *base = later;
        manner.settle(base);
        return;
    }
    if later.is_null() && !unsets(path) {
        return;
    }
    let rule = rule(path, manner);
    match (rule, &mut base.value, std::mem::replace(&mut later.value, Value::Null)) {
        (Rule::Deep, Value::Map(ours), Value::Map(theirs)) => map(ours, theirs, path, manner),
        (Rule::Deep, Value::List(ours), Value::List(theirs)) => {
            let mut known: BTreeSet<String> = ours.iter().map(meaning).collect();
            for item in theirs {
                if known.insert(meaning(&item)) {
                    ours.push(item);
                }
            }
        }
        (Rule::By(identity), Value::List(ours), Value::List(theirs)) => {
            let new: BTreeSet<String> = theirs.iter().filter_map(identity).collect();
            ours.retain(|item| identity(item).is_none_or(|id| !new.contains(&id)));
            ours.extend(theirs);
        }
        (Rule::Logging, Value::Map(ours), Value::Map(theirs)) => {
            let driver = |map: &Map| map.get("driver").and_then(Node::as_text).map(str::to_owned);
            match (driver(ours), driver(&theirs)) {
                (Some(old), Some(new)) if old != new => *ours = theirs,
                _ => map(ours, theirs, path, manner),
            }
        }
        (_, _, value) => {
            later.value = value;
            *base = later;
            manner.settle(base);
        }
    }
}

/// Whether an empty value has a meaning: a variable that is unset, or a default network in place of one with
/// settings.
fn unsets(path: &[String]) -> bool {
    match path {
        [section, _] => matches!(section.as_str(), "networks" | "volumes" | "secrets" | "configs"),
        [services, _, key, _] => services == "services" && key == "environment",
        _ => false,
    }
}

fn map(ours: &mut Map, theirs: Map, path: &mut Vec<String>, manner: Manner) {
    let mut places = Places::default();
    for Entry { key, value } in theirs.entries {
        if is_reset(&value) {
            if ours.remove(&key).is_some() {
                places = Places::default();
            }
            if manner == Manner::Extends {
                ours.entries.push(Entry { key, value });
            }
            continue;
        }
        path.push(key.value.clone());
        match places.find(ours, &key) {
            Some(at) => {
                let entry = &mut ours.entries[at];
                if !value.is_null() {
                    entry.key.span = key.span;
                }
                node(&mut entry.value, value, path, manner);
            }
            None => {
                let mut value = value;
                manner.settle(&mut value);
                ours.entries.push(Entry { key, value });
            }
        }
        path.pop();
    }
}

/// The identity of a port: where it is published, or the target port if that is open.
pub fn port(item: &Node) -> Option<String> {
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

/// A value without its places, as text: equal texts, equal meaning.
pub fn meaning(node: &Node) -> String {
    let mut out = String::new();
    write_meaning(node, &mut out);
    out
}

fn write_meaning(node: &Node, out: &mut String) {
    use std::fmt::Write as _;
    match &node.value {
        Value::List(list) => {
            out.push('[');
            for item in list {
                write_meaning(item, out);
                out.push(',');
            }
            out.push(']');
        }
        Value::Map(map) => {
            let mut entries: Vec<&Entry> = map.entries.iter().collect();
            entries.sort_by(|a, b| a.key.value.cmp(&b.key.value));
            out.push('{');
            for entry in entries {
                let _ = write!(out, "{:?}:", entry.key.value);
                write_meaning(&entry.value, out);
                out.push(',');
            }
            out.push('}');
        }
        scalar @ (Value::Null | Value::Bool(_) | Value::Int(_) | Value::Float(_) | Value::Text(_)) => {
            let _ = write!(out, "{scalar:?}");
        }
    }
}
