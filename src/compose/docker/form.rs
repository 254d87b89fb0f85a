//! The merged file as docker's client can read it: in the schema of its newest version 3, without other keys. Each
//! removed key is reported, with its place and an alternative.
//!
//! Source: `config_schema_v3.13.json` of docker's client. Which keys it knows is in [`KEYS`]: those that the
//! Compose specification brought it does not.

use crate::compose::support::{At, KEYS};
use crate::yaml::{Map, Node, Value};

/// A key that was removed or changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loss {
    /// Keys from the top: `services.web.depends_on.db.condition`.
    pub path: String,
    /// What happened to it.
    pub why: &'static str,
}

/// The mappings of a file, and which keys each knows. `*` is any key, `#` any item.
const PLACES: [(&str, At); 32] = [
    ("", At::Top),
    ("services.*", At::Service),
    ("services.*.deploy", At::Deploy),
    ("services.*.deploy.update_config", At::UpdateConfig),
    ("services.*.deploy.rollback_config", At::RollbackConfig),
    ("services.*.deploy.restart_policy", At::RestartPolicy),
    ("services.*.deploy.resources", At::Resources),
    ("services.*.deploy.resources.limits", At::Limits),
    ("services.*.deploy.resources.reservations", At::Reservations),
    ("services.*.deploy.resources.reservations.generic_resources.#", At::GenericResource),
    (
        "services.*.deploy.resources.reservations.generic_resources.#.discrete_resource_spec",
        At::DiscreteResourceSpec,
    ),
    ("services.*.deploy.placement", At::Placement),
    ("services.*.deploy.placement.preferences.#", At::Preference),
    ("services.*.healthcheck", At::Healthcheck),
    ("services.*.logging", At::Logging),
    ("services.*.ulimits.*", At::Ulimit),
    ("services.*.ports.#", At::Port),
    ("services.*.volumes.#", At::Mount),
    ("services.*.networks.*", At::Attachment),
    ("services.*.configs.#", At::FileMount),
    ("services.*.secrets.#", At::FileMount),
    ("networks.*", At::Network),
    ("networks.*.ipam", At::Ipam),
    ("networks.*.ipam.config.#", At::IpamPool),
    ("volumes.*", At::Volume),
    ("configs.*", At::Config),
    ("secrets.*", At::Secret),
    // Objects that docker's schema leaves open; it keeps what it knows of them.
    ("services.*.volumes.#.bind", At::MountBind),
    ("services.*.volumes.#.volume", At::MountVolume),
    ("services.*.volumes.#.tmpfs", At::MountTmpfs),
    ("services.*.devices.#", At::Device),
    ("services.*.depends_on.*", At::Dependency),
];

/// Objects that take any key.
const OPEN: [At; 4] = [At::MountBind, At::MountVolume, At::MountTmpfs, At::FileMount];

/// Objects that take notes of one's own, under keys that begin with `x-`.
const NOTED: [At; 6] = [At::Top, At::Service, At::Network, At::Volume, At::Config, At::Secret];

/// The version whose schema this is.
const NEWEST: &str = "3.13";

/// Removes what docker's client cannot read.
pub fn narrow(root: &mut Node) -> Vec<Loss> {
    let mut losses = Vec::new();
    node(root, &mut Vec::new(), &mut losses);
    // What is printed is in long forms, some of them as new as can be.
    if let Some(version) = root.as_map_mut().and_then(|top| top.get_mut("version")) {
        version.value = Value::Text(NEWEST.to_owned());
    }
    losses
}

fn node(node: &mut Node, path: &mut Vec<String>, losses: &mut Vec<Loss>) {
    if let ["services", _, key] = path.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        match *key {
            "depends_on" => dependencies(node, path, losses),
            "devices" => devices(node),
            _ => {}
        }
    }
    match &mut node.value {
        Value::List(list) => {
            for (at, item) in list.iter_mut().enumerate() {
                path.push(at.to_string());
                self::node(item, path, losses);
                path.pop();
            }
        }
        Value::Map(map) => {
            if let Some(at) = place(path).filter(|at| !OPEN.contains(at)) {
                known(map, at, path, losses);
            }
            for entry in &mut map.entries {
                path.push(entry.key.value.clone());
                self::node(&mut entry.value, path, losses);
                path.pop();
            }
        }
        Value::Null | Value::Bool(_) | Value::Int(_) | Value::Float(_) | Value::Text(_) => {}
    }
}

/// Which mapping is at a path.
fn place(path: &[String]) -> Option<At> {
    let fits = |pattern: &str| {
        let mut steps = pattern.split('.').filter(|step| !step.is_empty());
        path.iter().all(|key| {
            steps.next().is_some_and(|step| match step {
                "*" => true,
                "#" => key.bytes().all(|b| b.is_ascii_digit()),
                step => step == key,
            })
        }) && steps.next().is_none()
    };
    PLACES.iter().find(|(pattern, _)| fits(pattern)).map(|(_, at)| *at)
}

/// Keeps the keys that docker knows.
fn known(map: &mut Map, at: At, path: &[String], losses: &mut Vec<Loss>) {
    map.entries.retain(|entry| {
        let key = entry.key.value.as_str();
        if key.starts_with("x-") && !NOTED.contains(&at) {
            losses.push(Loss { path: joined(path, key), why: "left out: docker takes no notes here" });
            return false;
        }
        // Docker takes nothing where it wants a mapping or a text.
        if entry.value.is_null() {
            return false;
        }
        let is_new = (at, key) == (At::Service, "build")
            || KEYS.iter().any(|(place, name, since, _)| *place == at && *name == key && *since == "spec");
        if is_new {
            losses.push(Loss { path: joined(path, key), why: instead(at, key) });
        }
        !is_new
    });
}

/// The message for a key that docker does not know.
fn instead(at: At, key: &str) -> &'static str {
    match (at, key) {
        (At::Config, "content") => "left out: docker takes it from a `file`, and fails without one",
        (At::Config | At::Secret, "environment") => {
            "left out: docker takes it from a `file`, and fails without one"
        }
        (At::Service, "build") => {
            "left out: docker builds nothing for a stack, and may not know all of its keys"
        }
        (At::Port, "host_ip") => "left out: the port is published on every address",
        (At::IpamPool, _) => "left out: the engine chooses",
        _ => "left out: docker's schema has no such key",
    }
}

/// To docker a dependency is only a name, which it ignores.
fn dependencies(node: &mut Node, path: &[String], losses: &mut Vec<Loss>) {
    let Some(map) = node.as_map() else { return };
    for entry in &map.entries {
        let condition = entry.value.as_map().and_then(|own| own.get("condition")?.as_text());
        if condition.is_some_and(|condition| condition != "service_started") {
            let path = joined(path, &format!("{}.condition", entry.key.value));
            losses.push(Loss { path, why: "left out: a swarm starts its services in any order" });
        }
    }
    let names = map.entries.iter().map(|entry| Node::text(entry.key.value.clone(), entry.key.span));
    node.value = Value::List(names.collect());
}

/// A device is a line to docker.
fn devices(node: &mut Node) {
    let Value::List(list) = &mut node.value else { return };
    for item in list {
        let Some(map) = item.as_map() else { continue };
        let part = |key: &str| map.get(key).and_then(Node::as_text);
        let Some(source) = part("source") else { continue };
        let (target, permissions) = (part("target").unwrap_or(source), part("permissions").unwrap_or("rwm"));
        item.value = Value::Text(format!("{source}:{target}:{permissions}"));
    }
}

fn joined(path: &[String], key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{}.{key}", path.join(".")) }
}
