//! Turns answers of sources into text that is read like the hosts of an inventory.
//!
//! Two forms are taken: ours, `{"hosts": {"h4": …}}`, and what Ansible's dynamic inventories print for
//! `--list`: groups with their hosts, and the hosts' variables under `_meta`. Of those it is addresses,
//! users and ports that count; the groups of a host become labels, `group.web=true`.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::ledger::consul::Instance;

/// Groups that say nothing.
const EVERYBODY: [&str; 2] = ["all", "ungrouped"];

/// The output of a program.
pub(super) fn of_text(text: &str) -> Result<String, String> {
    let value: Value = serde_json::from_str(text).map_err(|error| match text.trim().is_empty() {
        true => "its output is empty".to_owned(),
        false => format!("it is not JSON: {error}"),
    })?;
    let Value::Object(top) = value else { return Err("it is not an object".to_owned()) };
    match top.get("hosts") {
        Some(Value::Object(_)) => Ok(written(top)),
        Some(_) => Err("`hosts` is not an object".to_owned()),
        None if top.is_empty() => Err("it has no `hosts`".to_owned()),
        None => ansible(&top),
    }
}

/// The values of keys, which have the names of the hosts.
pub(super) fn of_values(values: BTreeMap<String, String>) -> Result<String, String> {
    let mut hosts = Map::new();
    for (name, text) in values {
        let value = match serde_json::from_str::<Value>(&text) {
            Ok(value @ (Value::String(_) | Value::Object(_))) => value,
            Ok(_) => return Err(format!("the value of `{name}` is neither an address nor an object")),
            Err(error) => return Err(format!("the value of `{name}` is not JSON: {error}")),
        };
        hosts.insert(name, value);
    }
    Ok(written(Map::from_iter([("hosts".to_owned(), Value::Object(hosts))])))
}

/// The nodes of a service, whose meta become labels.
///
/// An empty list is an error: Consul silently leaves out what the token may not see.
pub(super) fn of_instances(instances: Vec<Instance>, user: Option<&str>) -> Result<String, String> {
    if instances.is_empty() {
        return Err(
            "no host offers the service, or the token may not see those that do (service:read, node:read)"
                .to_owned(),
        );
    }
    let user = user.map_or_else(String::new, |user| format!("{user}@"));
    let mut hosts = Map::new();
    for Instance { node, address, meta } in instances {
        let name = if address.contains(':') { format!("[{address}]") } else { address };
        let entry = json!({ "address": format!("ssh://{user}{name}"), "labels": meta });
        // Two instances on one node, at different ports, are one host.
        if let Some(other) = hosts.insert(node.clone(), entry.clone())
            && other != entry
        {
            return Err(format!("`{node}` has two addresses"));
        }
    }
    Ok(written(Map::from_iter([("hosts".to_owned(), Value::Object(hosts))])))
}

/// JSON in a form that our YAML reader accepts: without tabs, and without escaped surrogate pairs.
fn written(top: Map<String, Value>) -> String {
    format!("{:#}", Value::Object(top))
}

fn ansible(top: &Map<String, Value>) -> Result<String, String> {
    let none = Map::new();
    let variables = top.get("_meta").and_then(|meta| meta.get("hostvars")).and_then(Value::as_object);
    if variables.is_none() && !top.values().any(|group| group.get("hosts").is_some()) {
        return Err("it has no `hosts`".to_owned());
    }
    let variables = variables.unwrap_or(&none);
    let mut groups: BTreeMap<&str, Vec<&str>> =
        variables.keys().map(|host| (host.as_str(), Vec::new())).collect();
    for (name, group) in top.iter().filter(|(name, _)| *name != "_meta") {
        let hosts = match (group, group.get("hosts")) {
            (Value::Array(hosts), _) | (_, Some(Value::Array(hosts))) => hosts.as_slice(),
            (Value::Object(_), None) => &[],
            _ => return Err(format!("the hosts of group `{name}` are not a list")),
        };
        for host in hosts {
            let host = host.as_str().ok_or_else(|| format!("a host of group `{name}` is not text"))?;
            groups.entry(host).or_default().push(name);
        }
    }
    let mut hosts = Map::new();
    for (host, groups) in groups {
        let said = |keys: [&str; 2]| {
            let of = variables.get(host)?;
            keys.iter().find_map(|key| of.get(*key)).map(|value| match value {
                Value::String(text) => text.clone(),
                other => other.to_string(),
            })
        };
        let name = said(["ansible_host", "ansible_ssh_host"]).unwrap_or_else(|| host.to_owned());
        let name = if name.contains(':') { format!("[{name}]") } else { name };
        let user =
            said(["ansible_user", "ansible_ssh_user"]).map_or_else(String::new, |user| format!("{user}@"));
        let port =
            said(["ansible_port", "ansible_ssh_port"]).map_or_else(String::new, |port| format!(":{port}"));
        let labels = groups.iter().filter(|group| !EVERYBODY.contains(group));
        let labels: Map<String, Value> =
            labels.map(|group| (format!("group.{group}"), Value::from("true"))).collect();
        hosts.insert(
            host.to_owned(),
            json!({ "address": format!("ssh://{user}{name}{port}"), "labels": labels }),
        );
    }
    Ok(written(Map::from_iter([("hosts".to_owned(), Value::Object(hosts))])))
}
