//! The engine's API: which call is meant, and what it does to the world.

use std::collections::BTreeMap;
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use super::containers::{
    answered, create_container, inspect, list_containers, logs, on_container, remove_container, start, stats,
    stop, update, wait,
};
use super::http::{Reply, Request, refusal, unescaped};
use super::images;
use super::plugins;
use super::resources::{
    connect, create_network, disconnect, list_networks, list_volumes, network_json, remove_network,
    volume_json,
};
use super::state::rfc3339;
use super::world::{World, image_digest, repository, with_tag};
use super::{Shared, lock};

/// Names in paths become `{id}`: `GET /containers/{id}/json`.
pub(super) fn route(request: &Request) -> String {
    let parts: Vec<&str> = request.path.trim_matches('/').split('/').collect();
    let path = match parts.as_slice() {
        ["images" | "distribution", middle @ .., "json"] if !middle.is_empty() => {
            format!("/{}/{{id}}/json", parts[0])
        }
        ["plugins", _, .., verb @ ("enable" | "disable")] => format!("/plugins/{{id}}/{verb}"),
        ["plugins", name, ..] if *name != "create" => "/plugins/{id}".to_owned(),
        ["images", "create" | "json" | "load"] => request.path.clone(),
        ["images", _, .., "get"] => "/images/{id}/get".to_owned(),
        ["images", _, ..] => "/images/{id}".to_owned(),
        [kind @ ("containers" | "networks" | "volumes"), name] if !is_verb(name) => format!("/{kind}/{{id}}"),
        [kind @ ("containers" | "networks"), _, verb] => format!("/{kind}/{{id}}/{verb}"),
        _ => request.path.clone(),
    };
    format!("{} {path}", request.method)
}

fn is_verb(name: &str) -> bool {
    matches!(name, "json" | "create" | "prune")
}

/// The name in the path, whole: image names hold slashes.
fn subject(request: &Request) -> String {
    let path = request.path.trim_matches('/');
    let rest = path.split_once('/').map_or("", |(_, rest)| rest);
    let is_image = path.starts_with("images/") || path.starts_with("distribution/");
    let name = if path.starts_with("plugins/") {
        rest.strip_suffix("/enable").or_else(|| rest.strip_suffix("/disable")).unwrap_or(rest)
    } else if is_image {
        rest.strip_suffix("/json").or_else(|| rest.strip_suffix("/get")).unwrap_or(rest)
    } else {
        rest.split('/').next().unwrap_or(rest)
    };
    unescaped(name)
}

/// The signal that a command sends to the first process of its container.
fn sent(body: &Value) -> Option<String> {
    let command = body["Cmd"][2].as_str()?.strip_prefix("kill -")?;
    Some(command.strip_suffix(" 1")?.to_owned())
}

/// Does what is asked.
pub(super) fn answer(request: &Request, shared: &Shared) -> Reply {
    let name = subject(request);
    let flag = |key: &str| {
        request.query.get(key).is_some_and(|value| matches!(value.as_str(), "1" | "true" | "True"))
    };
    let body: Value = serde_json::from_slice(&request.body).unwrap_or(Value::Null);
    let route = route(request);
    match route.as_str() {
        "POST /containers/{id}/exec" if let Some(signal) = sent(&body) => {
            return on_container(&mut lock(&shared.world), &name, |container, _| {
                container.signals.push(signal);
                Reply::Json(201, json!({ "Id": "signal" }))
            });
        }
        "POST /exec/signal/start" => return Reply::Empty(200),
        "GET /exec/signal/json" => return Reply::Json(200, json!({ "Running": false, "ExitCode": 0 })),
        "POST /containers/{id}/stop" | "POST /containers/{id}/kill" => {
            plugins::follow(&mut lock(&shared.world), &name, false);
            return stop(shared, &name);
        }
        "POST /images/create" => return pull(request, shared),
        "POST /containers/{id}/wait" => return wait(shared, name),
        _ => {}
    }
    let mut world = lock(&shared.world);
    let world = &mut *world;
    match route.as_str() {
        "GET /_ping" | "HEAD /_ping" => Reply::Text(200, "OK".to_owned()),
        "GET /version" => Reply::Json(200, version(world)),
        "GET /info" => Reply::Json(200, info(world)),
        "GET /events" => Reply::Stream("application/json", Box::new(|_| Some(Vec::new()))),
        "GET /containers/json" => list_containers(world, request, flag("all")),
        "POST /containers/create" => create_container(world, request.query.get("name"), body),
        "GET /containers/{id}/json" => {
            on_container(world, &name, |container, _| Reply::Json(200, inspect(container)))
        }
        "POST /containers/{id}/start" => {
            plugins::follow(world, &name, true);
            start(world, &name)
        }
        "GET /plugins" => plugins::list(world),
        "POST /plugins/create" => plugins::create(world, request),
        "POST /plugins/{id}/enable" => plugins::switch(world, &name, true),
        "POST /plugins/{id}/disable" => plugins::switch(world, &name, false),
        "DELETE /plugins/{id}" => plugins::remove(world, &name),
        "POST /images/load" => images::load(world, &request.body),
        "POST /containers/{id}/update" => on_container(world, &name, |container, _| update(container, &body)),
        "GET /containers/{id}/stats" => on_container(world, &name, |container, _| stats(container)),
        "POST /containers/{id}/pause" => on_container(world, &name, |container, _| {
            let effect = container.life.pause();
            answered(container, effect)
        }),
        "POST /containers/{id}/unpause" => on_container(world, &name, |container, _| {
            let effect = container.life.unpause();
            answered(container, effect)
        }),
        "DELETE /containers/{id}" => remove_container(world, &name, flag("force"), flag("v")),
        "PUT /containers/{id}/archive" => on_container(world, &name, |container, _| {
            let path = request.query.get("path").cloned().unwrap_or_default();
            container.archives.push((path, request.body.clone()));
            Reply::Empty(200)
        }),
        "GET /containers/{id}/archive" => on_container(world, &name, |container, _| {
            let path = request.query.get("path").cloned().unwrap_or_default();
            match container.uploaded(&path) {
                Some(archive) => Reply::Text(200, archive),
                None => refusal(404, format!("Could not find the file {path}")),
            }
        }),
        "GET /containers/{id}/logs" => logs(world, request, &name, flag("follow")),
        "GET /networks" => list_networks(world, request),
        "POST /networks/create" => create_network(world, &body),
        "GET /networks/{id}" => match world.network(&name) {
            Some(network) => Reply::Json(200, network_json(network)),
            None => refusal(404, format!("network {name} not found")),
        },
        "DELETE /networks/{id}" => remove_network(world, &name),
        "POST /networks/{id}/connect" => connect(world, &name, &body),
        "POST /networks/{id}/disconnect" => disconnect(world, &name, &body),
        "GET /volumes" => list_volumes(world, request),
        "POST /volumes/create" => {
            let volume = body["Name"].as_str().map_or_else(|| world.new_id(), str::to_owned);
            world.add_volume(&volume, &body);
            Reply::Json(201, volume_json(world, &volume))
        }
        "GET /volumes/{id}" if world.volumes.contains_key(&name) => {
            Reply::Json(200, volume_json(world, &name))
        }
        "DELETE /volumes/{id}" if world.is_mounted(&name) => {
            refusal(409, format!("remove {name}: volume is in use"))
        }
        "DELETE /volumes/{id}" => match world.volumes.remove(&name) {
            Some(_) => Reply::Empty(204),
            None => refusal(404, format!("get {name}: no such volume")),
        },
        "GET /volumes/{id}" => refusal(404, format!("get {name}: no such volume")),
        "GET /images/json" => Reply::Json(200, images::list(world)),
        "GET /images/{id}/json" => images::inspect(world, &name),
        "GET /images/{id}/get" => images::save(world, &name),
        "DELETE /images/{id}" => images::remove(world, &name),
        "GET /distribution/{id}/json" => distribution(world, &name),
        _ => refusal(404, "page not found"),
    }
}

fn version(world: &World) -> Value {
    json!({
        "Version": world.version, "ApiVersion": world.api_version, "MinAPIVersion": "1.12",
        "Os": "linux", "Arch": "amd64", "GoVersion": "go1.19", "GitCommit": "fake", "KernelVersion": "6.1.0",
    })
}

fn info(world: &World) -> Value {
    let mut info = json!({
        "ID": format!("FAKE:{}", world.name.to_uppercase()), "Name": world.name, "ServerVersion": world.version,
        "OSType": "linux", "Architecture": "x86_64", "NCPU": 4, "MemTotal": 8_589_934_592_u64,
        "Labels": [], "GenericResources": null, "Driver": "overlay2", "SystemTime": rfc3339(world.now()),
        "Plugins": {
            "Volume": ["local"], "Network": ["bridge", "host", "ipvlan", "macvlan", "null", "overlay"],
            "Log": ["json-file", "journald", "local", "none", "syslog"], "Authorization": null,
        },
        "Swarm": { "LocalNodeState": "inactive", "NodeID": "", "ControlAvailable": false },
    });
    for (key, value) in world.info.as_object().into_iter().flatten() {
        info[key] = value.clone();
    }
    info
}

/// `filters` of a query: by key, the values asked for. Old clients write a map where new ones a list.
pub(super) fn filters(request: &Request) -> BTreeMap<String, Vec<String>> {
    let text = request.query.get("filters").map_or("{}", String::as_str);
    let value: Value = serde_json::from_str(text).unwrap_or_default();
    let list = |value: &Value| match value {
        Value::Array(items) => items.iter().filter_map(|item| item.as_str().map(str::to_owned)).collect(),
        Value::Object(map) => map.keys().cloned().collect(),
        _ => Vec::new(),
    };
    value.as_object().into_iter().flatten().map(|(key, value)| (key.clone(), list(value))).collect()
}

/// A filter besides the labels: its name, and whether a value of it fits.
pub(super) type Filter<'a> = (&'a str, &'a dyn Fn(&str) -> bool);

/// Labels add up; values of any other filter are alternatives.
pub(super) fn fits(wanted: &BTreeMap<String, Vec<String>>, labels: &Value, others: &[Filter<'_>]) -> bool {
    wanted.iter().all(|(key, values)| {
        if key == "label" {
            return values.iter().all(|label| match label.split_once('=') {
                Some((name, value)) => labels[name] == value,
                None => labels.get(label).is_some(),
            });
        }
        let fits = others.iter().find(|(name, _)| name == key).map(|(_, fits)| fits);
        values.is_empty() || fits.is_none_or(|fits| values.iter().any(|value| fits(value)))
    })
}

fn distribution(world: &World, name: &str) -> Reply {
    let bare = name.split('@').next().unwrap_or(name);
    if world.missing.iter().any(|missing| with_tag(missing) == with_tag(bare)) {
        return refusal(404, format!("manifest unknown: manifest unknown ({name})"));
    }
    Reply::Json(
        200,
        json!({
            "Descriptor": {
                "mediaType": "application/vnd.docker.distribution.manifest.list.v2+json",
                "digest": image_digest(&familiar(bare)), "size": 1,
            },
            "Platforms": [{ "os": "linux", "architecture": "amd64" }],
        }),
    )
}

/// `docker.io/library/nginx:1` is `nginx:1`.
fn familiar(image: &str) -> String {
    let image = image.strip_prefix("docker.io/").unwrap_or(image);
    image.strip_prefix("library/").unwrap_or(image).to_owned()
}

fn pull(request: &Request, shared: &Shared) -> Reply {
    let query = |key: &str| request.query.get(key).cloned().unwrap_or_default();
    let image = familiar(&query("fromImage"));
    let (image, digest) = match (image.split_once('@'), query("tag")) {
        (Some((image, digest)), _) => (image.to_owned(), digest.to_owned()),
        (None, tag) if tag.starts_with("sha256:") => (image, tag),
        (None, tag) if tag.is_empty() => (image, String::new()),
        (None, tag) => (format!("{image}:{tag}"), String::new()),
    };
    let time = lock(&shared.world).pull_ms;
    thread::sleep(Duration::from_millis(time));
    let mut world = lock(&shared.world);
    if world.missing.iter().any(|missing| with_tag(missing) == with_tag(&image)) {
        return refusal(404, format!("manifest for {image} not found: manifest unknown: manifest unknown"));
    }
    let digest = if digest.is_empty() { image_digest(&image) } else { digest };
    world.images.insert(with_tag(&image), digest.clone());
    let lines = [
        json!({ "status": format!("Pulling from {}", repository(&image)) }),
        json!({ "status": format!("Digest: {digest}") }),
        json!({ "status": format!("Status: Downloaded newer image for {image}") }),
    ];
    let mut text = Some(lines.map(|line| line.to_string() + "\r\n").concat().into_bytes());
    Reply::Stream("application/json", Box::new(move |_| text.take()))
}
