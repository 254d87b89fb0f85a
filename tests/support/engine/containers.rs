//! Calls about containers.

use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use super::api::{Filter, filters, fits};
use super::http::{Reply, Request, refusal};
use super::life::{Effect, State, named};
use super::state::{Behaviour, policy, rfc3339, state_json, status};
use super::world::{Container, World};
use super::{Shared, lock};

/// The programs in these images, such as nginx, catch SIGTERM and shut down as they should.
const SHUT_DOWN: i64 = 0;

pub(super) fn list_containers(world: &mut World, request: &Request, is_all: bool) -> Reply {
    let now = world.now();
    let wanted = filters(request);
    let mut rows: Vec<(i64, Value)> = Vec::new();
    for container in world.containers.values_mut() {
        container.pass(now);
        let state = container.life.state();
        let is_shown = is_all || wanted.contains_key("status") || state.is_running();
        let network = |name: &str| container.networks.iter().any(|network| network == name);
        let others: [Filter<'_>; 4] = [
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
    let networks: serde_json::Map<String, Value> =
        container.networks.iter().map(|name| (name.clone(), json!({ "NetworkID": name }))).collect();
    json!({
        "Id": container.id, "Names": [format!("/{}", container.name)], "Image": container.image(),
        "ImageID": "sha256:0", "Command": "fake", "Created": container.created / 1000,
        "State": container.life.state().word(), "Status": status(&container.life, now),
        "Labels": container.labels(), "Ports": ports(container), "Mounts": mounts(container),
        "HostConfig": { "NetworkMode": container.networks.first() },
        "NetworkSettings": { "Networks": networks },
    })
}

fn mounts(container: &Container) -> Value {
    let mount = |(name, target, _): &(String, String, bool)| json!({ "Type": "volume", "Name": name, "Destination": target, "Driver": "local", "RW": true });
    let asked = container.asked["HostConfig"]["Mounts"].as_array().into_iter().flatten();
    let bind = |one: &Value| {
        let is_bind = one["Type"] == "bind";
        is_bind.then(
            || json!({ "Type": "bind", "Source": one["Source"], "Destination": one["Target"], "RW": true }),
        )
    };
    container.volumes.iter().map(mount).chain(asked.filter_map(bind)).collect()
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

pub(super) fn inspect(container: &Container) -> Value {
    let mut config = container.asked.clone();
    let host = config["HostConfig"].take();
    for target in &container.declared {
        config["Volumes"][target] = json!({});
    }
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
        "State": state_json(&container.life), "RestartCount": container.life.restarts(),
        "Image": "sha256:0", "Config": config, "HostConfig": host, "Mounts": mounts(container),
        "NetworkSettings": { "Networks": networks, "Ports": {} },
    })
}

pub(super) fn on_container(
    world: &mut World,
    name: &str,
    then: impl FnOnce(&mut Container, i64) -> Reply,
) -> Reply {
    let now = world.now();
    match world.container(name) {
        Some(container) => then(container, now),
        None => refusal(404, format!("No such container: {name}")),
    }
}

/// What is zero or not there stays as it is.
pub(super) fn update(container: &mut Container, body: &Value) -> Reply {
    if let Some(memory) = body["Memory"].as_i64()
        && body["MemorySwap"].as_i64().is_none_or(|swap| swap < memory)
    {
        return refusal(409, "Memory limit should be smaller than already set memoryswap limit");
    }
    for (key, value) in body.as_object().into_iter().flatten() {
        if value.as_i64() != Some(0) && !value.is_null() {
            container.asked["HostConfig"][key] = value.clone();
        }
    }
    container.life.set_policy(policy(&container.asked));
    Reply::Json(200, json!({ "Warnings": null }))
}

pub(super) fn stats(container: &Container) -> Reply {
    if !container.life.state().is_running() {
        return Reply::Json(200, json!({ "memory_stats": {} }));
    }
    Reply::Json(200, json!({ "memory_stats": { "usage": container.uses, "stats": { "inactive_file": 0 } } }))
}

pub(super) fn create_container(world: &mut World, name: Option<&String>, asked: Value) -> Reply {
    let image = asked["Image"].as_str().unwrap_or_default().to_owned();
    if !world.has_image(&image) {
        return refusal(404, format!("No such image: {image}"));
    }
    let name = name.cloned().unwrap_or_else(|| world.new_id()[..12].to_owned());
    let names = world.containers.values().map(|container| (&*container.name, &container.id));
    if let Some(taken) = named(&name, names) {
        return refusal(
            409,
            format!(
                "Conflict. The container name \"/{name}\" is already in use by container \"{}\". You have to \
                 remove (or rename) that container to be able to reuse that name.",
                taken
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

pub(super) fn start(world: &mut World, name: &str) -> Reply {
    let now = world.now();
    let Some(container) = world.container(name) else {
        return refusal(404, format!("No such container: {name}"));
    };
    let (id, name) = (container.id.clone(), container.name.clone());
    match container.life.if_started() {
        Effect::Nothing => return Reply::Empty(304),
        Effect::Refused => return refusal(409, "cannot start a paused container, try unpause instead"),
        Effect::Changes => {}
    }
    if let Behaviour::CannotStart(why) = &container.behaviour {
        return refusal(500, why.clone());
    }
    if let Some(taken) = world.taken_port(&id) {
        let ip = taken.ip.map_or_else(|| "0.0.0.0".to_owned(), |ip| ip.to_string());
        return refusal(
            500,
            format!(
                "driver failed programming external connectivity on endpoint {name} ({id}): Bind for \
                 {ip}:{} failed: port is already allocated",
                taken.port
            ),
        );
    }
    on_container(world, &id, |container, _| {
        container.start(now);
        Reply::Empty(204)
    })
}

/// An answer to what only some states allow.
pub(super) fn answered(container: &Container, effect: Effect) -> Reply {
    match effect {
        Effect::Changes => Reply::Empty(204),
        Effect::Nothing => Reply::Empty(304),
        Effect::Refused => {
            refusal(409, format!("Container {} is {}", container.id, container.life.state().word()))
        }
    }
}

pub(super) fn stop(shared: &Shared, name: &str) -> Reply {
    let (time, effect) = {
        let mut world = lock(&shared.world);
        let time = world.stop_ms;
        match world.container(name) {
            Some(container) => (time, container.life.if_stopped()),
            None => return refusal(404, format!("No such container: {name}")),
        }
    };
    if effect == Effect::Nothing {
        return Reply::Empty(304);
    }
    thread::sleep(Duration::from_millis(time));
    let mut world = lock(&shared.world);
    on_container(&mut world, name, |container, now| {
        container.life.stop(now, SHUT_DOWN);
        Reply::Empty(204)
    })
}

pub(super) fn wait(shared: &Shared, name: String) -> Reply {
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
            let code = container.life.ended().map_or(0, |(_, code)| code);
            Some(json!({ "StatusCode": code }).to_string().into_bytes())
        }),
    )
}

pub(super) fn remove_container(world: &mut World, name: &str, is_forced: bool, with_volumes: bool) -> Reply {
    let Some(container) = world.container(name) else {
        return refusal(404, format!("No such container: {name}"));
    };
    let id = container.id.clone();
    if container.life.if_removed(is_forced) == Effect::Refused {
        let state = container.life.state();
        let how = if state == State::Paused { "Unpause and then stop" } else { "Stop" };
        return refusal(
            409,
            format!(
                "You cannot remove a {} container {id}. {how} the container before attempting removal or force \
                 remove",
                state.word()
            ),
        );
    }
    let gone = world.containers.remove(&id);
    for (volume, _, is_made_up) in gone.into_iter().flat_map(|gone| gone.volumes) {
        if with_volumes && is_made_up {
            world.volumes.remove(&volume);
        }
    }
    Reply::Empty(204)
}

pub(super) fn logs(world: &mut World, request: &Request, name: &str, is_following: bool) -> Reply {
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
