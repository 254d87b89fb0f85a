//! What sources say, as text that is read like the hosts of an inventory.
//!
//! Two forms are taken: ours, `{"hosts": {"h4": …}}`, and what Ansible's dynamic inventories print for
//! `--list`: groups with their hosts, and the hosts' variables under `_meta`. Of those it is addresses,
//! users and ports that count; the groups of a host become labels, `group.web=true`.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::ledger::consul::Instance;

/// Groups that say nothing.
const EVERYBODY: [&str; 2] = ["all", "ungrouped"];

/// What a program printed.
pub(super) fn of_text(text: &str) -> Result<String, String> {
    let value: Value = serde_json::from_str(text).map_err(|error| match text.trim().is_empty() {
        true => "it prints nothing".to_owned(),
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

/// The values of keys, each of which is called as the host is.
pub(super) fn of_values(values: BTreeMap<String, String>) -> Result<String, String> {
    let mut hosts = Map::new();
    for (name, text) in values {
        let value = match serde_json::from_str::<Value>(&text) {
            Ok(value @ (Value::String(_) | Value::Object(_))) => value,
            Ok(_) => return Err(format!("what is at `{name}` is neither an address nor an object")),
            Err(error) => return Err(format!("what is at `{name}` is not JSON: {error}")),
        };
        hosts.insert(name, value);
    }
    Ok(written(Map::from_iter([("hosts".to_owned(), Value::Object(hosts))])))
}

/// Who offers a service. Its nodes' meta become labels.
///
/// That nobody does is no answer: what a token may not see Consul leaves out, and says nothing.
pub(super) fn of_instances(instances: Vec<Instance>, user: Option<&str>) -> Result<String, String> {
    if instances.is_empty() {
        return Err("nobody offers the service, or our token may not see who does (service:read, node:read)"
            .to_owned());
    }
    let user = user.map_or_else(String::new, |user| format!("{user}@"));
    let mut hosts = Map::new();
    for Instance { node, address, meta } in instances {
        let name = if address.contains(':') { format!("[{address}]") } else { address };
        let entry = json!({ "address": format!("ssh://{user}{name}"), "labels": meta });
        // Twice on one node, at other ports: one host.
        if let Some(other) = hosts.insert(node.clone(), entry.clone())
            && other != entry
        {
            return Err(format!("`{node}` has two addresses"));
        }
    }
    Ok(written(Map::from_iter([("hosts".to_owned(), Value::Object(hosts))])))
}

/// JSON that our reader of YAML takes, whatever way it came in: without tabs, and without escapes of pairs.
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
            _ => return Err(format!("the hosts of group `{name}` are no list")),
        };
        for host in hosts {
            let host = host.as_str().ok_or_else(|| format!("a host of group `{name}` is no text"))?;
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
