//! Calls about networks and volumes.

use serde_json::{Value, json};

use super::api::{Filter, filters, fits};
use super::containers::on_container;
use super::http::{Reply, Request, refusal};
use super::life::State;
use super::state::rfc3339;
use super::world::{Network, World};

pub(super) fn network_json(network: &Network) -> Value {
    let mut value = network.asked.clone();
    value["Id"] = network.id.clone().into();
    value["Name"] = network.name.clone().into();
    value["Created"] = rfc3339(network.created).into();
    value["Scope"] = "local".into();
    for (key, default) in [("Driver", json!("bridge")), ("Labels", json!({})), ("Options", json!({}))] {
        if value[key].is_null() {
            value[key] = default;
        }
    }
    value
}

pub(super) fn list_networks(world: &World, request: &Request) -> Reply {
    let wanted = filters(request);
    let all = world.networks.values().filter(|network| {
        let others: [Filter<'_>; 2] =
            [("name", &|name| network.name.contains(name)), ("id", &|id| network.id.starts_with(id))];
        fits(&wanted, &network.asked["Labels"], &others)
    });
    Reply::Json(200, all.map(network_json).collect())
}

pub(super) fn create_network(world: &mut World, asked: &Value) -> Reply {
    let name = asked["Name"].as_str().unwrap_or_default().to_owned();
    if world.network(&name).is_some() {
        return refusal(409, format!("network with name {name} already exists"));
    }
    let id = world.add_network(&name, asked);
    Reply::Json(201, json!({ "Id": id, "Warning": "" }))
}

pub(super) fn remove_network(world: &mut World, key: &str) -> Reply {
    let Some(network) = world.network(key).cloned() else {
        return refusal(404, format!("network {key} not found"));
    };
    let user = world.containers.values().find(|container| {
        container.life.state() == State::Running && container.networks.contains(&network.name)
    });
    if let Some(user) = user {
        return refusal(
            403,
            format!(
                "error while removing network: network {} id {} has active endpoints ({})",
                network.name, network.id, user.name
            ),
        );
    }
    world.networks.remove(&network.id);
    Reply::Empty(204)
}

pub(super) fn connect(world: &mut World, key: &str, body: &Value) -> Reply {
    let Some(network) = world.network(key).map(|network| network.name.clone()) else {
        return refusal(404, format!("network {key} not found"));
    };
    let container = body["Container"].as_str().unwrap_or_default().to_owned();
    on_container(world, &container, |container, _| {
        if container.networks.contains(&network) {
            return refusal(
                403,
                format!("endpoint with name {} already exists in network {network}", container.name),
            );
        }
        container.asked["NetworkingConfig"]["EndpointsConfig"][&network] = body["EndpointConfig"].clone();
        container.networks.push(network);
        Reply::Empty(200)
    })
}

pub(super) fn disconnect(world: &mut World, key: &str, body: &Value) -> Reply {
    let name = world.network(key).map_or_else(|| key.to_owned(), |network| network.name.clone());
    let container = body["Container"].as_str().unwrap_or_default().to_owned();
    on_container(world, &container, |container, _| {
        container.networks.retain(|network| *network != name);
        Reply::Empty(200)
    })
}

pub(super) fn volume_json(world: &World, name: &str) -> Value {
    let volume = &world.volumes[name];
    let or = |key: &str, default: Value| match &volume.asked[key] {
        Value::Null => default,
        value => value.clone(),
    };
    json!({
        "Name": volume.name, "Driver": or("Driver", json!("local")), "Labels": or("Labels", Value::Null),
        "Options": or("DriverOpts", Value::Null), "Scope": "local", "CreatedAt": rfc3339(volume.created),
        "Mountpoint": format!("/var/lib/docker/volumes/{name}/_data"),
    })
}

/// Docker takes what is asked for as a pattern (`api/types/filters`, `Match`).
fn is_named(name: &str, pattern: &str) -> bool {
    name == pattern || regex_lite::Regex::new(pattern).is_ok_and(|pattern| pattern.is_match(name))
}

pub(super) fn list_volumes(world: &World, request: &Request) -> Reply {
    let wanted = filters(request);
    let names = world.volumes.values().filter(|volume| {
        let others: [Filter<'_>; 1] = [("name", &|name| is_named(&volume.name, name))];
        fits(&wanted, &volume.asked["Labels"], &others)
    });
    let volumes: Vec<Value> = names.map(|volume| volume_json(world, &volume.name)).collect();
    Reply::Json(200, json!({ "Volumes": volumes, "Warnings": null }))
}
