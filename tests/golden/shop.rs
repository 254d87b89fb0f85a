//! The cluster whose outputs are held: three fake hosts, a stack that uses much of what there is, and a short
//! history. Everything that can stand still does: clocks, names, ids.

use serde_json::{Value, json};

use crate::engine::{Behaviour, Clock, World};
use crate::hosts::Hosts;

/// What the machines take for now.
const THEN_MS: i64 = 1_769_860_800_000;
/// What stackctl takes for now, a minute later.
pub const NOW: &str = "2026-01-31T12:01:05Z";

/// Three services: several of a kind, one a host, and one that ends.
pub const STACKFILE: &str = "\
services:
  web:
    image: nginx:1.25
    command: [serve, --port, '80']
    user: '101'
    environment: {LEVEL: info, TOKEN: hunter2}
    labels: {team: a}
    ports: ['8080:80', '8443:443/udp']
    networks: {back: {aliases: [www]}}
    volumes:
      - data:/data
      - /srv/www:/www:ro
      - type: tmpfs
        target: /cache
    configs: [{source: page, target: /page, mode: 0444}]
    extra_hosts: ['db:10.0.0.9']
    healthcheck: {test: [CMD, probe], interval: 5s, retries: 2}
    cap_add: [NET_ADMIN]
    ulimits: {nofile: {soft: 1024, hard: 2048}}
    logging: {driver: json-file, options: {max-size: 1m}}
    stop_grace_period: 3s
    deploy:
      replicas: 2
      labels: {tier: front}
      placement: {constraints: ['node.hostname != h9'], preferences: [{spread: node.labels.zone}]}
      resources: {limits: {cpus: '0.5', memory: 64m}, reservations: {memory: 16m}}
      restart_policy: {condition: on-failure, max_attempts: 3, delay: 1s, window: 10s}
      update_config: {parallelism: 0, monitor: 50ms, failure_action: rollback, order: stop-first}
      rollback_config: {parallelism: 0, monitor: 50ms}
  agent:
    image: agent:2
    depends_on: [web]
    networks: [back]
    deploy: {mode: global, update_config: {parallelism: 0, monitor: 50ms}}
  once:
    image: job:1
    deploy: {mode: replicated-job, replicas: 1}
networks:
  back: {driver: bridge, labels: {net: '1'}, driver_opts: {com.docker.network.bridge.name: br1}}
volumes:
  data: {labels: {keep: 'yes'}, driver: local, driver_opts: {type: tmpfs, device: tmpfs, o: 'size=1m'}}
configs:
  page: {file: page.html}
";

/// Hosts as they are before the first deploy, with the files of the stack.
pub fn empty() -> Hosts {
    let mut hosts = Hosts::new(3);
    for engine in &hosts.engines {
        engine.with(stand_still);
    }
    hosts.room.env("STACKCTL_NOW", NOW).env("USER", "ann");
    hosts.inventory(|at| format!(", labels: {{zone: {}}}", ["a", "b", "a"][at]));
    hosts.stackfile(STACKFILE);
    hosts.file("page.html", "hello");
    hosts
}

/// The clock stands, and the job is done at once.
pub fn stand_still(world: &mut World) {
    world.clock = Clock::Fixed(THEN_MS);
    world.behaviours.insert("job:1".to_owned(), Behaviour::Exits(0, 0));
}

/// Two releases, a heal, and operations of each kind that a ledger remembers.
pub fn lived_in() -> Hosts {
    let hosts = empty();
    live_in(&hosts);
    hosts
}

/// The same, by whichever program the room has.
pub fn live_in(hosts: &Hosts) {
    hosts.expect(0, "deploy --yes -m first shop");
    hosts.stackfile(&STACKFILE.replace("LEVEL: info", "LEVEL: debug"));
    hosts.expect(0, "deploy --yes shop");
    let is_agent = |one: &crate::engine::Container| one.name.starts_with("shop_agent");
    hosts.engines[1].with(|world| world.containers.retain(|_, one| !is_agent(one)));
    hosts.expect(0, "reconcile --once");
    hosts.expect(0, "node update --availability pause --label-add disk=ssd h3");
    hosts.expect(0, "suspend -m repairs shop");
}

/// What is on a host, as it was asked for: enough to make it again.
pub fn written(world: &World) -> Value {
    let mut containers: Vec<Value> = world
        .containers
        .values()
        .map(|one| json!({ "name": one.name, "asked": one.asked, "ended": one.life.ended().map(|(_, code)| code) }))
        .collect();
    containers.sort_by_key(|one| one["name"].to_string());
    let made = |name: &str| !["bridge", "host", "none"].contains(&name);
    let mut networks: Vec<Value> = world
        .networks
        .values()
        .filter(|one| made(&one.name))
        .map(|one| json!({ "name": one.name, "asked": one.asked }))
        .collect();
    networks.sort_by_key(|one| one["name"].to_string());
    let volumes: Vec<Value> =
        world.volumes.values().map(|one| json!({ "name": one.name, "asked": one.asked })).collect();
    json!({ "containers": containers, "networks": networks, "volumes": volumes, "images": world.images })
}

/// Puts onto an empty host what [`written`] gave.
pub fn put_back(world: &mut World, all: &Value) {
    let list = |key: &str| all[key].as_array().cloned().unwrap_or_default();
    let name = |one: &Value| one["name"].as_str().expect("a name").to_owned();
    for network in list("networks") {
        world.add_network(&name(&network), &network["asked"]);
    }
    for volume in list("volumes") {
        world.add_volume(&name(&volume), &volume["asked"]);
    }
    for (image, digest) in all["images"].as_object().expect("images") {
        world.images.insert(image.clone(), digest.as_str().expect("a digest").to_owned());
    }
    for container in list("containers") {
        world.add_container(&name(&container), container["asked"].clone());
        world.start(&name(&container));
        if let Some(code) = container["ended"].as_i64() {
            world.end(&name(&container), THEN_MS, code);
        }
    }
}
