//! The engine's API: which call is meant, and what it does to the world.

use std::collections::BTreeMap;
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use super::http::{Reply, Request, refusal, unescaped};
use super::state::{Behaviour, Life, State, rfc3339};
use super::world::{Container, Network, World, image_digest, repository, with_tag};
use super::{Shared, lock};

/// Names in paths become `{id}`: `GET /containers/{id}/json`.
pub(super) fn route(request: &Request) -> String {
    let parts: Vec<&str> = request.path.trim_matches('/').split('/').collect();
    let path = match parts.as_slice() {
        ["images" | "distribution", middle @ .., "json"] if !middle.is_empty() => {
            format!("/{}/{{id}}/json", parts[0])
        }
        ["images", "create" | "json"] => request.path.clone(),
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
    let name = if is_image {
        rest.strip_suffix("/json").unwrap_or(rest)
    } else {
        rest.split('/').next().unwrap_or(rest)
    };
    unescaped(name)
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
        "POST /containers/{id}/stop" | "POST /containers/{id}/kill" => return stop(shared, &name),
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
            on_container(world, &name, |container, now| Reply::Json(200, inspect(container, now)))
        }
        "POST /containers/{id}/start" => on_container(world, &name, start),
        "DELETE /containers/{id}" => remove_container(world, &name, flag("force")),
        "PUT /containers/{id}/archive" => on_container(world, &name, |container, _| {
            let path = request.query.get("path").cloned().unwrap_or_default();
            container.archives.push((path, request.body.clone()));
            Reply::Empty(200)
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
        "DELETE /volumes/{id}" => match world.volumes.remove(&name) {
            Some(_) => Reply::Empty(204),
            None => refusal(404, format!("get {name}: no such volume")),
        },
        "GET /volumes/{id}" => refusal(404, format!("get {name}: no such volume")),
        "GET /images/json" => Reply::Json(200, list_images(world)),
        "GET /images/{id}/json" if world.has_image(&name) => Reply::Json(200, image_json(&name)),
        "GET /images/{id}/json" => refusal(404, format!("No such image: {name}")),
        "DELETE /images/{id}" => match world.images.remove(&with_tag(&name)) {
            Some(_) => Reply::Json(200, json!([{ "Untagged": name }])),
            None => refusal(404, format!("No such image: {name}")),
        },
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
fn filters(request: &Request) -> BTreeMap<String, Vec<String>> {
    let text = request.query.get("filters").map_or("{}", String::as_str);
    let value: Value = serde_json::from_str(text).unwrap_or_default();
    let list = |value: &Value| match value {
        Value::Array(items) => items.iter().filter_map(|item| item.as_str().map(str::to_owned)).collect(),
        Value::Object(map) => map.keys().cloned().collect(),
        _ => Vec::new(),
    };
    value.as_object().into_iter().flatten().map(|(key, value)| (key.clone(), list(value))).collect()
}

/// Labels add up; values of any other filter are alternatives.
fn fits(
    wanted: &BTreeMap<String, Vec<String>>,
    labels: &Value,
    others: &[(&str, &dyn Fn(&str) -> bool)],
) -> bool {
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

fn list_containers(world: &mut World, request: &Request, is_all: bool) -> Reply {
    let now = world.now();
    let wanted = filters(request);
    let mut rows: Vec<(i64, Value)> = Vec::new();
    for container in world.containers.values_mut() {
        container.pass(now);
        let state = container.life.state();
        let is_shown =
            is_all || wanted.contains_key("status") || matches!(state, State::Running | State::Restarting);
        let network = |name: &str| container.networks.iter().any(|network| network == name);
        let others: [(&str, &dyn Fn(&str) -> bool); 4] = [
            ("status", &|word| word == state.word()),
            ("name", &|name| container.name.contains(name.trim_start_matches(['^', '/']))),
            ("id", &|id| container.id.starts_with(id)),
            ("network", &network),
        ];
        if is_shown && fits(&wanted, container.labels(), &others) {
            rows.push((container.created, summary(container, now)));
        }
    }
    // The newest first, as docker does.
    rows.sort_by_key(|(created, _)| std::cmp::Reverse(*created));
    Reply::Json(200, rows.into_iter().map(|(_, row)| row).collect())
}

fn summary(container: &Container, now: i64) -> Value {
    let health = container.health(now);
    let networks: serde_json::Map<String, Value> =
        container.networks.iter().map(|name| (name.clone(), json!({ "NetworkID": name }))).collect();
    json!({
        "Id": container.id, "Names": [format!("/{}", container.name)], "Image": container.image(),
        "ImageID": "sha256:0", "Command": "fake", "Created": container.created / 1000,
        "State": container.life.state().word(), "Status": container.life.status(now, health),
        "Labels": container.labels(), "Ports": ports(container), "Mounts": [],
        "HostConfig": { "NetworkMode": container.networks.first() },
        "NetworkSettings": { "Networks": networks },
    })
}

/// Published ports, once a container runs.
fn ports(container: &Container) -> Value {
    if container.life.state() != State::Running {
        return json!([]);
    }
    let bindings = container.asked["HostConfig"]["PortBindings"].as_object();
    let ports = bindings.into_iter().flatten().flat_map(|(target, bindings)| {
        let (number, protocol) = target.split_once('/').unwrap_or((target, "tcp"));
        let private: u16 = number.parse().unwrap_or(0);
        bindings.as_array().into_iter().flatten().map(move |binding| {
            let text = |key: &str| binding[key].as_str().unwrap_or_default();
            let ip = if text("HostIp").is_empty() { "0.0.0.0" } else { text("HostIp") };
            let public: u16 = text("HostPort").parse().unwrap_or(0);
            json!({
                "IP": ip, "PrivatePort": private, "Type": protocol,
                "PublicPort": if public == 0 { 49_153 } else { public },
            })
        })
    });
    ports.collect()
}

fn inspect(container: &Container, now: i64) -> Value {
    let mut config = container.asked.clone();
    let host = config["HostConfig"].take();
    let networks: serde_json::Map<String, Value> = container
        .networks
        .iter()
        .map(|name| {
            let mut endpoint = container.asked["NetworkingConfig"]["EndpointsConfig"][name].clone();
            if endpoint.is_null() {
                endpoint = json!({});
            }
            endpoint["NetworkID"] = name.clone().into();
            (name.clone(), endpoint)
        })
        .collect();
    json!({
        "Id": container.id, "Name": format!("/{}", container.name), "Created": rfc3339(container.created),
        "State": container.life.to_json(container.health(now)), "RestartCount": container.life.restarts,
        "Image": "sha256:0", "Config": config, "HostConfig": host, "Mounts": [],
        "NetworkSettings": { "Networks": networks, "Ports": {} },
    })
}

fn on_container(world: &mut World, name: &str, then: impl FnOnce(&mut Container, i64) -> Reply) -> Reply {
    let now = world.now();
    match world.container(name) {
        Some(container) => then(container, now),
        None => refusal(404, format!("No such container: {name}")),
    }
}

fn create_container(world: &mut World, name: Option<&String>, asked: Value) -> Reply {
    let image = asked["Image"].as_str().unwrap_or_default().to_owned();
    if !world.has_image(&image) {
        return refusal(404, format!("No such image: {image}"));
    }
    let name = name.cloned().unwrap_or_else(|| world.new_id()[..12].to_owned());
    if let Some(taken) = world.containers.values().find(|container| container.name == name) {
        return refusal(
            409,
            format!(
                "Conflict. The container name \"/{name}\" is already in use by container \"{}\". You have to \
                 remove (or rename) that container to be able to reuse that name.",
                taken.id
            ),
        );
    }
    let mode = asked["HostConfig"]["NetworkMode"].as_str().unwrap_or("default").to_owned();
    let endpoints = asked["NetworkingConfig"]["EndpointsConfig"].as_object().cloned().unwrap_or_default();
    for network in endpoints.keys().chain(std::iter::once(&mode).filter(|mode| *mode != "default")) {
        if !network.starts_with("container:") && world.network(network).is_none() {
            return refusal(404, format!("network {network} not found"));
        }
    }
    let id = world.add_container(&name, asked);
    Reply::Json(201, json!({ "Id": id, "Warnings": [] }))
}

fn start(container: &mut Container, now: i64) -> Reply {
    if let Behaviour::CannotStart(why) = &container.behaviour {
        return refusal(500, why.clone());
    }
    if matches!(container.life.state(), State::Running | State::Restarting) {
        return Reply::Empty(304);
    }
    container.life = Life { started: Some(now), ..Life::default() };
    container.pass(now);
    Reply::Empty(204)
}

fn stop(shared: &Shared, name: &str) -> Reply {
    let (time, state) = {
        let mut world = lock(&shared.world);
        let time = world.stop_ms;
        match world.container(name) {
            Some(container) => (time, container.life.state()),
            None => return refusal(404, format!("No such container: {name}")),
        }
    };
    if matches!(state, State::Created | State::Exited) {
        return Reply::Empty(304);
    }
    thread::sleep(Duration::from_millis(time));
    let mut world = lock(&shared.world);
    on_container(&mut world, name, |container, now| {
        container.life.stop(now, 0);
        Reply::Empty(204)
    })
}

fn wait(shared: &Shared, name: String) -> Reply {
    if lock(&shared.world).container(&name).is_none() {
        return refusal(404, format!("No such container: {name}"));
    }
    let mut is_done = false;
    Reply::Stream(
        "application/json",
        Box::new(move |shared| {
            if is_done {
                return None;
            }
            let mut world = lock(&shared.world);
            let container = world.container(&name)?;
            if container.life.state() != State::Exited {
                return Some(Vec::new());
            }
            is_done = true;
            let code = container.life.ended.map_or(0, |(_, code)| code);
            Some(json!({ "StatusCode": code }).to_string().into_bytes())
        }),
    )
}

fn remove_container(world: &mut World, name: &str, is_forced: bool) -> Reply {
    let Some(container) = world.container(name) else {
        return refusal(404, format!("No such container: {name}"));
    };
    let id = container.id.clone();
    if matches!(container.life.state(), State::Running | State::Restarting) && !is_forced {
        return refusal(
            409,
            format!(
                "You cannot remove a running container {id}. Stop the container before attempting removal or \
                 force remove"
            ),
        );
    }
    world.containers.remove(&id);
    Reply::Empty(204)
}

fn logs(world: &mut World, request: &Request, name: &str, is_following: bool) -> Reply {
    let Some(container) = world.container(name) else {
        return refusal(404, format!("No such container: {name}"));
    };
    let (id, is_tty) = (container.id.clone(), container.asked["Tty"].as_bool().unwrap_or(false));
    let query = |key: &str| request.query.get(key).cloned().unwrap_or_default();
    let shows = |key: &str| matches!(query(key).as_str(), "1" | "true");
    let (shows_out, shows_err, has_times) = (shows("stdout"), shows("stderr"), shows("timestamps"));
    // Whole seconds, or seconds with a fraction after a dot.
    let time = |key: &str| query(key).parse::<f64>().ok().filter(|&seconds| seconds > 0.0);
    let (since, until) = (time("since"), time("until"));
    #[expect(clippy::cast_precision_loss, reason = "times of this century")]
    let fits = move |(at, is_err, _): &&(i64, bool, String)| {
        let at = *at as f64 / 1000.0;
        (if *is_err { shows_err } else { shows_out })
            && since.is_none_or(|since| at >= since)
            && until.is_none_or(|until| at <= until)
    };
    let skipped = query("tail")
        .parse::<usize>()
        .map_or(0, |tail| container.output.iter().filter(fits).count().saturating_sub(tail));
    let mut shown = skipped;
    let mut is_done = false;
    Reply::Stream(
        if is_tty {
            "application/vnd.docker.raw-stream"
        } else {
            "application/vnd.docker.multiplexed-stream"
        },
        Box::new(move |shared| {
            if is_done {
                return None;
            }
            let mut world = lock(&shared.world);
            let container = world.container(&id)?;
            let mut piece = Vec::new();
            for (at, is_err, line) in container.output.iter().filter(fits).skip(shown) {
                shown += 1;
                let time = if has_times { format!("{} ", rfc3339(*at)) } else { String::new() };
                let line = format!("{time}{line}\n");
                if !is_tty {
                    piece.extend([if *is_err { 2 } else { 1 }, 0, 0, 0]);
                    piece.extend(u32::try_from(line.len()).unwrap_or(0).to_be_bytes());
                }
                piece.extend(line.as_bytes());
            }
            is_done = !is_following || container.life.state() == State::Exited;
            if is_done && piece.is_empty() { None } else { Some(piece) }
        }),
    )
}

fn network_json(network: &Network) -> Value {
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

fn list_networks(world: &World, request: &Request) -> Reply {
    let wanted = filters(request);
    let all = world.networks.values().filter(|network| {
        let others: [(&str, &dyn Fn(&str) -> bool); 2] =
            [("name", &|name| network.name.contains(name)), ("id", &|id| network.id.starts_with(id))];
        fits(&wanted, &network.asked["Labels"], &others)
    });
    Reply::Json(200, all.map(network_json).collect())
}

fn create_network(world: &mut World, asked: &Value) -> Reply {
    let name = asked["Name"].as_str().unwrap_or_default().to_owned();
    if world.network(&name).is_some() {
        return refusal(409, format!("network with name {name} already exists"));
    }
    let id = world.add_network(&name, asked);
    Reply::Json(201, json!({ "Id": id, "Warning": "" }))
}

fn remove_network(world: &mut World, key: &str) -> Reply {
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

fn connect(world: &mut World, key: &str, body: &Value) -> Reply {
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

fn disconnect(world: &mut World, key: &str, body: &Value) -> Reply {
    let name = world.network(key).map_or_else(|| key.to_owned(), |network| network.name.clone());
    let container = body["Container"].as_str().unwrap_or_default().to_owned();
    on_container(world, &container, |container, _| {
        container.networks.retain(|network| *network != name);
        Reply::Empty(200)
    })
}

fn volume_json(world: &World, name: &str) -> Value {
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

fn list_volumes(world: &World, request: &Request) -> Reply {
    let wanted = filters(request);
    let names = world.volumes.values().filter(|volume| {
        let others: [(&str, &dyn Fn(&str) -> bool); 1] = [("name", &|name| volume.name.contains(name))];
        fits(&wanted, &volume.asked["Labels"], &others)
    });
    let volumes: Vec<Value> = names.map(|volume| volume_json(world, &volume.name)).collect();
    Reply::Json(200, json!({ "Volumes": volumes, "Warnings": null }))
}

fn list_images(world: &World) -> Value {
    let image = |(name, digest): (&String, &String)| {
        json!({
            "Id": format!("sha256:{}", super::world::digest(name)), "RepoTags": [name],
            "RepoDigests": [format!("{}@{digest}", repository(name))], "Created": 0, "Size": 1, "Labels": null,
        })
    };
    world.images.iter().map(image).collect()
}

fn image_json(name: &str) -> Value {
    let name = name.split('@').next().unwrap_or(name);
    json!({
        "Id": format!("sha256:{}", super::world::digest(&with_tag(name))), "RepoTags": [with_tag(name)],
        "RepoDigests": [format!("{}@{}", repository(name), image_digest(name))],
        "Os": "linux", "Architecture": "amd64", "Config": { "Cmd": ["fake"] },
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
