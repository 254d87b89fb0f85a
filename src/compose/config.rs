//! The merged file as text: `stackctl config` prints it, and docker reads it with the same meaning, except for a few
//! settings that docker does not know: see [`for_docker`]. Keys are sorted, sizes are bytes, durations are in one
//! spelling, paths are absolute.
//!
//! Only files without mistakes get here; unexpected values stay unchanged.

use super::docker::form;
pub use super::docker::form::Loss;
use super::support::{At, KEYS};
use super::{moved, platform, short};
use crate::model::GoDuration;
use crate::yaml::emit::{Style, yaml};
use crate::yaml::scalar::go_float;
use crate::yaml::{Entry, Map, Node, Spanned, Value, Whole};

/// Sections in the order they are printed; `x-` keys come last.
const ORDER: [&str; 6] = ["version", "services", "networks", "volumes", "secrets", "configs"];

/// The minor version that is printed for a file that leaves the choice to the reader: docker's newest.
const NEWEST: u32 = 13;

/// The merged file as YAML. With `escape_dollars` a reader that fills in variables gets the same values
/// back; without it the text is what docker's own `stack config` prints.
#[must_use]
pub fn text(merged: &Node, escape_dollars: bool) -> String {
    yaml(merged, Style { escape_dollars })
}

/// The merged file as docker's client reads it, and the settings that docker does not know.
#[must_use]
pub fn for_docker(merged: &Node) -> (Node, Vec<Loss>) {
    let mut narrowed = merged.clone();
    let losses = form::narrow(&mut narrowed);
    (narrowed, losses)
}

/// Brings the tree into the form that is printed.
pub(super) fn settle(root: &mut Node) {
    root.sort();
    let span = root.span;
    let Some(top) = root.as_map_mut() else { return };
    let written = top.get("version").and_then(Node::as_text).and_then(|version| version.strip_prefix("3."));
    let written = written.and_then(|minor| minor.parse().ok()).unwrap_or(NEWEST);
    // Docker knows no such key.
    top.remove("name");
    let rank = |key: &str| ORDER.iter().position(|section| *section == key).unwrap_or(ORDER.len());
    for section in &ORDER[2..] {
        for Entry { key, value } in entries(top, section) {
            if value.is_null() {
                value.value = Value::Map(Map::default());
            }
            let Some(resource) = value.as_map_mut() else { continue };
            if resource.get("external").is_some_and(|external| external.value == Value::Bool(true))
                && resource.get("name").is_none_or(|name| name.as_text().is_none_or(str::is_empty))
            {
                resource
                    .set(Spanned::new("name".to_owned(), key.span), Node::text(key.value.clone(), key.span));
            }
        }
    }
    for Entry { value, .. } in entries(top, "services") {
        if let Some(service) = value.as_map_mut() {
            settle_service(service);
        }
    }
    // Docker cannot read its own output again where a long form is newer than the file.
    let version = format!("3.{}", written.max(needed(top)).min(NEWEST));
    top.set(Spanned::new("version".to_owned(), span), Node::text(version, span));
    top.entries.sort_by_key(|entry| rank(&entry.key.value));
}

/// The mappings in a section.
fn children<'m>(top: &'m Map, section: &str) -> impl Iterator<Item = &'m Map> {
    let section = top.get(section).and_then(Node::as_map);
    section.into_iter().flat_map(|section| &section.entries).filter_map(|entry| entry.value.as_map())
}

/// The minor version that knows what is printed: the long forms we write, and the keys of services.
fn needed(top: &Map) -> u32 {
    let mut needed = 0;
    for (section, minor) in [("networks", 5), ("secrets", 5), ("configs", 5), ("volumes", 4)] {
        if children(top, section).any(|resource| resource.get("name").is_some()) {
            needed = needed.max(minor);
        }
    }
    for service in children(top, "services") {
        let is_long =
            |node: &Node| node.as_list().is_some_and(|list| list.iter().any(|item| item.as_map().is_some()));
        if ["ports", "volumes"].iter().any(|key| service.get(key).is_some_and(is_long)) {
            needed = needed.max(2);
        }
        needed = needed.max(newest_key(service, At::Service));
        if let Some(deploy) = service.get("deploy").and_then(Node::as_map) {
            needed = needed.max(newest_key(deploy, At::Deploy));
        }
    }
    needed
}

fn newest_key(map: &Map, at: At) -> u32 {
    let minor = |entry: &Entry| {
        let (.., since, _) = KEYS.iter().find(|key| key.0 == at && key.1 == entry.key.value)?;
        since.strip_prefix("3.")?.parse().ok()
    };
    map.entries.iter().filter_map(minor).max().unwrap_or(0)
}

fn settle_service(service: &mut Map) {
    let duration = |text: &str| text.parse::<GoDuration>().ok().map(|duration| duration.to_string());
    let size = |text: &str| short::bytes(text).ok().map(|bytes| bytes.to_string());
    // Docker refuses some keys with nothing behind them.
    service.entries.retain(|entry| !entry.value.is_null());
    settle_platform(service);
    service.remove("profiles");
    change(service, &["stop_grace_period"], duration);
    for key in ["interval", "timeout", "start_period", "start_interval"] {
        change(service, &["healthcheck", key], duration);
    }
    for (block, keys) in [
        ("update_config", ["delay", "monitor"]),
        ("rollback_config", ["delay", "monitor"]),
        ("restart_policy", ["delay", "window"]),
    ] {
        for key in keys {
            change(service, &["deploy", block, key], duration);
        }
    }
    for block in ["limits", "reservations"] {
        change(service, &["deploy", "resources", block, "memory"], size);
        change(service, &["deploy", "resources", block, "cpus"], |text| Some(text.to_owned()));
    }
    for port in items(service, "ports") {
        settle_port(port);
    }
    // Docker knows dependencies as a list only.
    if let Some(dependencies) = service.get_mut("depends_on")
        && let Some(map) = dependencies.as_map()
        && map.entries.iter().all(|entry| is_plain(&entry.value))
    {
        let names = map.entries.iter().map(|entry| Node::text(entry.key.value.clone(), entry.key.span));
        dependencies.value = Value::List(names.collect());
    }
}

/// Docker knows placement, but no platform.
fn settle_platform(service: &mut Map) {
    let Some(entry) = service.remove("platform") else { return };
    let Some(map) = moved::at(service, &["deploy", "placement"], entry.key.span) else { return };
    if map.get("constraints").is_none_or(Node::is_null) {
        let key = Spanned::new("constraints".to_owned(), entry.key.span);
        map.set(key, Node::made(Value::List(Vec::new()), entry.key.span));
    }
    if let Some(Value::List(list)) = map.get_mut("constraints").map(|node| &mut node.value) {
        let constraints = entry.value.as_text().and_then(|text| platform::constraints(text).ok());
        list.extend(constraints.into_iter().flatten().map(|text| Node::text(text, entry.value.span)));
    }
}

/// A dependency that says no more than its name.
fn is_plain(dependency: &Node) -> bool {
    match dependency.as_map() {
        Some(map) => map.entries.iter().all(|entry| match entry.key.value.as_str() {
            "condition" => entry.value.as_text() == Some("service_started"),
            // What it left out is left out already; and nothing is done for `restart`.
            "required" | "restart" => true,
            _ => false,
        }),
        None => dependency.is_null(),
    }
}

/// Numbers as numbers; an address of the host goes back into the short form, the only one in which
/// docker has a place for it.
fn settle_port(port: &mut Node) {
    let Some(map) = port.as_map_mut() else { return };
    for key in ["published", "target"] {
        if let Some(node) = map.get_mut(key)
            && let Some(number) = node.as_text().and_then(|text| text.parse::<i128>().ok())
        {
            node.value = Value::Int(Whole::from(number));
        }
    }
    let text = |key: &str| map.get(key).and_then(Node::as_text);
    let (ip, mode) = (text("host_ip"), text("mode").unwrap_or("ingress"));
    let Some(ip) = ip.filter(|_| mode == "ingress") else { return };
    let ip = if ip.contains(':') { format!("[{ip}]") } else { ip.to_owned() };
    let number = |key: &str| match map.get(key).map(|node| &node.value) {
        Some(Value::Int(int)) => int.to_string(),
        _ => String::new(),
    };
    let protocol = text("protocol").unwrap_or("tcp");
    port.value = Value::Text(format!("{ip}:{}:{}/{protocol}", number("published"), number("target")));
}

/// Rewrites the scalar at a path, if there is one.
fn change(map: &mut Map, path: &[&str], rewrite: impl Fn(&str) -> Option<String>) {
    let [key, rest @ ..] = path else { return };
    let Some(node) = map.get_mut(key) else { return };
    if !rest.is_empty() {
        if let Some(inner) = node.as_map_mut() {
            change(inner, rest, rewrite);
        }
        return;
    }
    let text = match &node.value {
        Value::Text(text) => text.clone(),
        Value::Int(int) => int.to_string(),
        Value::Float(float) => go_float(*float),
        Value::Null | Value::Bool(_) | Value::List(_) | Value::Map(_) => return,
    };
    if let Some(text) = rewrite(&text) {
        node.value = Value::Text(text);
    }
}

fn entries<'m>(map: &'m mut Map, key: &str) -> impl Iterator<Item = &'m mut Entry> {
    map.get_mut(key).and_then(Node::as_map_mut).into_iter().flat_map(|section| &mut section.entries)
}

fn items<'m>(map: &'m mut Map, key: &str) -> impl Iterator<Item = &'m mut Node> {
    let list = map.get_mut(key).and_then(|node| match &mut node.value {
        Value::List(list) => Some(list),
        _ => None,
    });
    list.into_iter().flatten()
}
