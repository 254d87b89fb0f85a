//! Values of an inventory that no excerpt in a diagnostic shows: what programs are started with, where notifications go,
//! variables of stacks, of an address the login and what follows `?`, and everything where a mistake hides what it is.

use super::{drivers, hosts, notifications, sources};
use crate::model::address;
use crate::yaml::{Entry, Node, Sink, Value};

/// Keys below which everything is masked.
const KEYS: [&str; 4] = ["command", "webhook", "fence", "variables"];
/// Keys of a file.
pub(super) const TOP_KEYS: [&str; 14] = [
    "cluster",
    "ssh_config",
    "known_hosts",
    "known_hosts_file",
    "task_history",
    "placement",
    "ledger",
    "agents",
    "agent_port",
    "secrets",
    "notifications",
    "hosts",
    "discover",
    // For `reconcile --repo`: which stacks a repository has.
    "stacks",
];
/// Keys of an item of `stacks`.
pub const STACK_KEYS: [&str; 8] =
    ["stack", "files", "env_files", "variables", "profiles", "order", "prune", "remove"];
/// Hides them in a file as it was read.
pub fn hide(file: &Node, sink: &Sink<'_>) {
    let Some(top) = file.as_map() else { return sink.hide_values(file) };
    for Entry { key, value } in &top.entries {
        match (key.value.as_str(), &value.value) {
            ("hosts", Value::Map(hosts)) => hosts.entries.iter().for_each(|host| match &host.value.value {
                Value::Text(_) => shown(&host.value, sink),
                _ => fields(&host.value, &[&hosts::HOST_KEYS], sink),
            }),
            ("notifications", _) => items(value, &[&notifications::KEYS], sink),
            ("discover", _) => {
                items(value, &[&sources::KINDS, &sources::OF_SERVICES, &["timeout"]], sink);
            }
            ("secrets", Value::Map(secrets)) => {
                secrets.entries.iter().for_each(|entry| {
                    match (entry.key.value.as_str(), &entry.value.value) {
                        ("drivers", Value::Map(drivers)) => drivers.entries.iter().for_each(|driver| {
                            if !driver.value.is_null() {
                                fields(&driver.value, &[&drivers::KEYS], sink);
                            }
                        }),
                        ("drivers", Value::List(_)) => shown(&entry.value, sink),
                        _ => sink.hide_values(&entry.value),
                    }
                });
            }
            ("stacks", _) => items(value, &[&STACK_KEYS], sink),
            ("placement", _) => fields(value, &[&["strategy"]], sink),
            (known, _) if TOP_KEYS.contains(&known) => shown(value, sink),
            _ => sink.hide_values(value),
        }
    }
}

fn items(node: &Node, known: &[&[&str]], sink: &Sink<'_>) {
    match node.as_list() {
        Some(items) => items.iter().for_each(|item| fields(item, known, sink)),
        None => sink.hide_values(node),
    }
}

/// A key that is not known may be one of those that are masked, misspelt.
fn fields(node: &Node, known: &[&[&str]], sink: &Sink<'_>) {
    let Some(fields) = node.as_map() else { return sink.hide_values(node) };
    for Entry { key, value } in &fields.entries {
        let key = key.value.as_str();
        let is_known = known.iter().any(|known| known.contains(&key));
        match value.as_map() {
            _ if KEYS.contains(&key) || !is_known => sink.hide_values(value),
            Some(labels) if key == "labels" => {
                labels.entries.iter().for_each(|label| shown(&label.value, sink));
            }
            _ => shown(value, sink),
        }
    }
}

/// A text or a list of texts, without what is secret in addresses.
fn shown(node: &Node, sink: &Sink<'_>) {
    match &node.value {
        Value::Text(_) => an_address(node, sink),
        Value::List(list) => list.iter().for_each(|item| shown(item, sink)),
        Value::Map(_) => sink.hide_values(node),
        Value::Null | Value::Bool(_) | Value::Int(_) | Value::Float(_) => {}
    }
}

fn an_address(node: &Node, sink: &Sink<'_>) {
    let written = sink.sources().slice(node.span);
    let bare = written.len() - written.trim_start_matches(['"', '\'']).len();
    let (scheme, from) = address::scheme(written);
    let from = from.max(bare);
    let is_web = matches!(scheme.as_str(), "http" | "https");
    let after = |signs: &[char]| Some(from + written[from..].find(signs)? + 1);
    if let Some(login) = address::login(written) {
        sink.hide(node.span.part(login.start.max(bare)..login.end));
    }
    // The path of a web address is a token for many chat services.
    let rest = if is_web { after(&['/', '?', '#']) } else { after(&['?']) };
    if let Some(rest) = rest.filter(|rest| (is_web || !scheme.is_empty()) && *rest < written.len()) {
        sink.hide(node.span.part(rest..written.len()));
    }
}
