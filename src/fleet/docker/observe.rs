//! Observes a host: five calls at once, turned into facts.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use crate::fleet::registers;
use crate::model::action::TaskHandle;
use crate::model::ids::{ClusterName, NodeName, StackName, TaskId};
use crate::model::image::ImageRef;
use crate::model::node::{ForeignContainer, NodeFacts, ObservedNetwork, Plugins, UnreadableContainer};
use crate::model::spec::{HostPort, Platform, Protocol};
use crate::model::task::{Health, Task, TaskStatus};
use crate::model::time::Timestamp;
use crate::model::volume::{AnonymousVolume, ObservedVolume, SERVED_MS, VolumeUse, is_made_up};

use super::client::{ApiVersion, CallError, Reader, with_query};
use super::create;
use super::labels::{self, Reading, SpecCache};
use super::wire;

/// For a whole observation. `/info` of an engine with many containers on a slow disk takes seconds.
pub const OBSERVE_LIMIT: Duration = Duration::from_secs(20);
/// For the small poll of the watching loop.
pub const LOOK_LIMIT: Duration = Duration::from_secs(5);

/// What an engine answered.
#[derive(Debug, Default)]
pub(in crate::fleet) struct Answers {
    info: wire::Info,
    containers: Vec<wire::Container>,
    networks: Vec<wire::Network>,
    volumes: wire::Volumes,
    images: Vec<wire::Image>,
}

/// Everything a plan needs to know of a host.
pub(in crate::fleet) async fn ask(reader: &Reader) -> Result<Answers, CallError> {
    let wanted = serde_json::json!({ "name": [not_beginning_with(registers::PREFIX)] }).to_string();
    let volumes = with_query("/volumes", &[("filters", &wanted)]);
    let (info, containers, networks, volumes, images) = tokio::try_join!(
        reader.get("/info", OBSERVE_LIMIT),
        // All of them: others' containers take ports as well.
        reader.get("/containers/json?all=1", OBSERVE_LIMIT),
        reader.get::<Option<_>>("/networks", OBSERVE_LIMIT),
        reader.get(&volumes, OBSERVE_LIMIT),
        reader.get::<Option<_>>("/images/json", OBSERVE_LIMIT),
    )?;
    Ok(Answers {
        info,
        containers,
        networks: networks.unwrap_or_default(),
        volumes,
        images: images.unwrap_or_default(),
    })
}

/// A pattern for names that do not begin so; docker's have no way to say that. The ledger's volumes carry
/// whole releases in their labels: sixty of a stack of fifty services are 200 KB for each manager at each
/// look, with large configs a hundred times that.
fn not_beginning_with(prefix: &str) -> String {
    let escaped = |text: &str| text.replace('.', "\\.");
    let other = |(at, c): (usize, char)| format!("{}[^{c}]", escaped(&prefix[..at]));
    let ends_within = |(at, _): (usize, char)| format!("{}$", escaped(&prefix[..at]));
    let all = prefix.char_indices().map(other).chain(prefix.char_indices().skip(1).map(ends_within));
    format!("^(?:{})", all.collect::<Vec<_>>().join("|"))
}

/// What a look at the tasks of one stack finds.
#[derive(Debug, Default)]
pub(in crate::fleet) struct Looked {
    pub tasks: Vec<(TaskId, TaskStatus)>,
    /// Volumes that the engine made for them, by name.
    pub volumes: Vec<(String, AnonymousVolume)>,
}

/// What the tasks of one stack do, in one small call.
pub(in crate::fleet) async fn look(
    reader: &Reader,
    cluster: &ClusterName,
    stack: &StackName,
) -> Result<Looked, CallError> {
    let wanted = [format!("{}={cluster}", labels::CLUSTER), format!("{}={stack}", labels::STACK)];
    let filters = serde_json::json!({ "label": wanted }).to_string();
    let path = with_query("/containers/json", &[("all", "1"), ("filters", &filters)]);
    let containers: Vec<wire::Container> = reader.get(&path, LOOK_LIMIT).await?;
    let mut seen: Vec<(TaskId, TaskStatus)> = containers
        .iter()
        .filter_map(|container| {
            let id = container.labels.get(labels::TASK)?;
            Some((TaskId::unchecked(id), status_of(container).ok()?))
        })
        .collect();
    seen.sort_by(|a, b| a.0.cmp(&b.0));
    // Only for what has one: its spec is read for that.
    let has_one = |container: &&wire::Container| container.mounts.iter().any(is_anonymous);
    let mut cache = SpecCache::default();
    let volumes = containers.iter().filter(has_one).flat_map(|container| {
        match labels::read(cluster, &container.labels, &mut cache) {
            Reading::Task(read) => anonymous_volumes(container, *read),
            Reading::Foreign | Reading::Unreadable(_) => Vec::new(),
        }
    });
    Ok(Looked { volumes: volumes.collect(), tasks: seen })
}

fn is_anonymous(mount: &wire::MountPoint) -> bool {
    mount.kind == "volume" && is_made_up(&mount.name)
}

/// The volumes of a task whose container has its name: what merely carries its labels may be a copy of it.
fn anonymous_volumes(
    container: &wire::Container,
    read: labels::TaskLabels,
) -> Vec<(String, AnonymousVolume)> {
    let labels::TaskLabels { id, stack, service, slot, spec, is_job, .. } = read;
    let handle = TaskHandle { id, stack, service, slot };
    if container.name() != handle.container_name() {
        return Vec::new();
    }
    let has_served = status_of(container).is_ok_and(|status| has_served(container, status, is_job));
    let all = container.mounts.iter().filter(|mount| is_anonymous(mount)).map(|mount| {
        let made = AnonymousVolume {
            service: handle.service.clone(),
            slot: handle.slot.clone(),
            task: handle.id.clone(),
            target: mount.destination.clone(),
            created_at: Timestamp(container.created.saturating_mul(1000)),
            is_for_files: create::is_file_volume(&spec, &mount.destination),
            has_served,
        };
        (mount.name.clone(), made)
    });
    all.collect()
}

/// Whether what is seen of a container says that it has done its work for a while, or to its end.
fn has_served(container: &wire::Container, status: TaskStatus, is_job: bool) -> bool {
    match status {
        TaskStatus::Exited { exit_code } => is_job && exit_code == 0,
        status => status.is_up() && age_ms(&container.status).is_some_and(|age| age >= SERVED_MS),
    }
}

/// Volumes with the containers that have them mounted. Volumes of the ledger belong to no stack.
fn volume_details(
    volumes: wire::Volumes,
    containers: &[wire::Container],
    tasks: &[Task],
) -> BTreeMap<String, ObservedVolume> {
    let is_records = |volume: &wire::Volume| volume.name.starts_with(registers::PREFIX);
    let of = |volume: wire::Volume| {
        let label = |key: &str| volume.labels.get(key).cloned();
        let cluster = label(labels::CLUSTER);
        // Docker's own label alone is on volumes of other tools too.
        let stack = cluster.as_ref().and_then(|_| label(labels::STACK));
        let created_at = volume.created_at;
        (volume.name, ObservedVolume { driver: volume.driver, cluster, stack, created_at, uses: Vec::new() })
    };
    let mut all: BTreeMap<String, ObservedVolume> =
        volumes.volumes.into_iter().filter(|volume| !is_records(volume)).map(of).collect();
    let by_name: BTreeMap<&str, &Task> = tasks.iter().map(|task| (task.container.as_str(), task)).collect();
    for container in containers {
        for mount in container.mounts.iter().filter(|mount| mount.kind == "volume") {
            let Some(volume) = all.get_mut(&mount.name) else { continue };
            let task = by_name.get(container.name()).map(|task| {
                let made = AnonymousVolume {
                    service: task.service.clone(),
                    slot: task.slot.clone(),
                    task: task.id.clone(),
                    target: mount.destination.clone(),
                    created_at: task.created_at,
                    is_for_files: create::is_file_volume(&task.spec, &mount.destination),
                    has_served: has_served(container, task.status, task.is_job),
                };
                (task.stack.clone(), made)
            });
            let is_live = status_of(container).map_or(true, TaskStatus::is_live);
            volume.uses.push(VolumeUse { container: container.name().to_owned(), is_live, task });
        }
    }
    all
}

/// Answers as facts.
pub(in crate::fleet) fn facts(
    answers: Answers,
    cluster: &ClusterName,
    node: &NodeName,
    api: ApiVersion,
    ip: Option<IpAddr>,
) -> NodeFacts {
    let Answers { info, containers, networks, volumes, images } = answers;
    let names = image_names(&images);
    let host_now = info.system_time.parse::<jiff::Timestamp>().ok().map(|at| Timestamp(at.as_millisecond()));
    let mut facts = NodeFacts {
        platform: platform(&info),
        id: info.id,
        hostname: info.name,
        ip,
        nano_cpus: info.ncpu.saturating_mul(1_000_000_000),
        memory: info.mem_total,
        generic: generic(&info.generic_resources),
        engine_version: info.server_version,
        api_version: api.to_string(),
        engine_labels: info.labels.iter().map(|text| split_label(text)).collect(),
        plugins: Plugins {
            volume: info.plugins.volume.into_iter().collect(),
            network: info.plugins.network.into_iter().collect(),
            log: info.plugins.log.into_iter().collect(),
        },
        swarm_active: !matches!(info.swarm.local_node_state.as_str(), "" | "inactive"),
        networks: networks_by_name(networks),
        foreign_volumes: foreign_volumes(&volumes, cluster),
        images: names.keys().cloned().collect(),
        image_ids: names
            .into_iter()
            .chain(images.into_iter().map(|image| (image.id.clone(), image.id)))
            .collect(),
        ..NodeFacts::default()
    };
    let mut cache = SpecCache::default();
    for container in &containers {
        match labels::read(cluster, &container.labels, &mut cache) {
            Reading::Foreign => facts.foreign.push(foreign(container)),
            Reading::Unreadable(why) => facts.unreadable.push(unreadable(container, why)),
            Reading::Task(read) => match task(container, *read, node, host_now) {
                Ok(task) => {
                    facts.task_images.insert(task.id.clone(), container.image_id.clone());
                    facts.tasks.push(task);
                }
                Err(why) => facts.unreadable.push(unreadable(container, why)),
            },
        }
    }
    facts.tasks.sort_by(|a, b| a.container.cmp(&b.container));
    drop_copies(&mut facts);
    facts.volume_details = volume_details(volumes, &containers, &facts.tasks);
    facts.volumes = facts.volume_details.keys().cloned().collect();
    facts.foreign.sort_by(|a, b| a.name.cmp(&b.name));
    facts.unreadable.sort();
    facts
}

fn unreadable(container: &wire::Container, why: String) -> UnreadableContainer {
    UnreadableContainer {
        name: container.name().to_owned(),
        stack: container.labels.get(labels::STACK).map(|name| StackName::unchecked(name)),
        is_live: status_of(container).map_or(true, TaskStatus::is_live),
        why,
    }
}

/// Of containers with one task's labels the one with its name is the task. The others are copies: `docker commit`
/// takes labels over into an image, and so into every container of that image.
fn drop_copies(facts: &mut NodeFacts) {
    let is_named = |task: &Task| task.container == handle_of(task).container_name();
    let mut named: BTreeMap<TaskId, String> = BTreeMap::new();
    for task in &facts.tasks {
        let known = named.entry(task.id.clone()).or_insert_with(|| task.container.clone());
        if is_named(task) {
            known.clone_from(&task.container);
        }
    }
    let (tasks, copies): (Vec<Task>, Vec<Task>) =
        std::mem::take(&mut facts.tasks).into_iter().partition(|task| named[&task.id] == task.container);
    facts.tasks = tasks;
    facts.unreadable.extend(copies.into_iter().map(|task| UnreadableContainer {
        why: format!("it has the labels of `{}`", named[&task.id]),
        is_live: task.is_live(),
        stack: Some(task.stack),
        name: task.container,
    }));
}

fn handle_of(task: &Task) -> TaskHandle {
    TaskHandle {
        id: task.id.clone(),
        stack: task.stack.clone(),
        service: task.service.clone(),
        slot: task.slot.clone(),
    }
}

fn task(
    container: &wire::Container,
    read: labels::TaskLabels,
    node: &NodeName,
    host_now: Option<Timestamp>,
) -> Result<Task, String> {
    let handle = TaskHandle {
        id: read.id.clone(),
        stack: read.stack.clone(),
        service: read.service.clone(),
        slot: read.slot.clone(),
    };
    let name = handle.container_name();
    // A task that was renamed is still that task. What was made of an image with a task's labels is not.
    if container.name() != name && container.image != read.spec.pinned_image() {
        return Err(format!("it has the labels of `{name}`, and neither its name nor its image"));
    }
    let status = status_of(container)?;
    let created_at = Timestamp(container.created.saturating_mul(1000));
    let since = match status {
        TaskStatus::Created => Some(created_at),
        _ => host_now.zip(age_ms(&container.status)).map(|(now, age)| now.plus_ms(-age)),
    };
    Ok(Task {
        id: read.id,
        stack: read.stack,
        service: read.service,
        slot: read.slot,
        node: node.clone(),
        attempt: read.attempt,
        is_job: read.is_job,
        spec_hash: read.spec_hash,
        spec: read.spec,
        key_id: read.key_id,
        container: container.name().to_owned(),
        status,
        created_at,
        since,
        published: published(&container.ports),
    })
}

/// The status of a container. Before API 1.52 the list has no exit status or health of its own, so they are
/// parsed from the text for people: `Up 2 hours (healthy)`, `Exited (137) 3 minutes ago`.
fn status_of(container: &wire::Container) -> Result<TaskStatus, String> {
    let text = &container.status;
    status(
        &container.state,
        container.health.as_ref().map(|health| health.status.as_str()),
        || {
            if text.ends_with("(healthy)") {
                "healthy"
            } else if text.ends_with("(unhealthy)") {
                "unhealthy"
            } else if text.ends_with("(health: starting)") {
                "starting"
            } else {
                ""
            }
        },
        || exit_code(text),
    )
}

/// A state with its details as the engine names them.
pub(super) fn status<'a>(
    state: &str,
    health: Option<&'a str>,
    other_health: impl Fn() -> &'a str,
    exit_code: impl Fn() -> i64,
) -> Result<TaskStatus, String> {
    Ok(match state {
        "created" => TaskStatus::Created,
        "running" => TaskStatus::Running {
            health: match health.filter(|text| !text.is_empty()).unwrap_or_else(other_health) {
                "healthy" => Health::Healthy,
                "unhealthy" => Health::Unhealthy,
                "starting" => Health::Starting,
                _ => Health::None,
            },
        },
        "restarting" => TaskStatus::Restarting { exit_code: exit_code() },
        "paused" => TaskStatus::Paused,
        "exited" => TaskStatus::Exited { exit_code: exit_code() },
        "dead" => TaskStatus::Dead,
        "removing" => TaskStatus::Removing,
        other => return Err(format!("its state is `{other}`, which this stackctl does not know")),
    })
}

/// The number in `Exited (137) 3 minutes ago`.
fn exit_code(text: &str) -> i64 {
    let inner = text.split_once('(').and_then(|(_, rest)| rest.split_once(')'));
    inner.and_then(|(number, _)| number.parse().ok()).unwrap_or(0)
}

/// How long ago, by a text such as `Up About a minute (healthy)`. As coarse as that text.
fn age_ms(text: &str) -> Option<i64> {
    let rest = match text.strip_prefix("Up ") {
        Some(rest) => rest.split(" (").next()?,
        None => text.split_once(") ")?.1.strip_suffix(" ago")?,
    };
    let (count, unit) = match rest {
        "Less than a second" => (0, "second"),
        "About a minute" => (1, "minute"),
        "About an hour" => (1, "hour"),
        _ => {
            let (count, unit) = rest.split_once(' ')?;
            (count.parse().ok()?, unit.trim_end_matches('s'))
        }
    };
    let seconds: i64 = match unit {
        "second" => 1,
        "minute" => 60,
        "hour" => 3600,
        "day" => 24 * 3600,
        "week" => 7 * 24 * 3600,
        "month" => 30 * 24 * 3600,
        "year" => 365 * 24 * 3600,
        _ => return None,
    };
    Some(seconds.saturating_mul(count).saturating_mul(1000))
}

fn foreign(container: &wire::Container) -> ForeignContainer {
    let mut ports: Vec<HostPort> = container
        .ports
        .iter()
        .filter_map(|port| {
            Some(HostPort {
                number: port.public_port?,
                protocol: protocol(&port.protocol),
                ip: port
                    .ip
                    .as_deref()
                    .and_then(|ip| ip.parse().ok())
                    .filter(|ip: &IpAddr| !ip.is_unspecified()),
            })
        })
        .collect();
    ports.sort();
    ports.dedup();
    let running = matches!(container.state.as_str(), "running" | "paused" | "restarting");
    let cluster = container.labels.get(labels::CLUSTER).cloned();
    ForeignContainer { name: container.name().to_owned(), running, ports, cluster }
}

fn protocol(text: &str) -> Protocol {
    match text {
        "udp" => Protocol::Udp,
        "sctp" => Protocol::Sctp,
        _ => Protocol::Tcp,
    }
}

/// `0.0.0.0:80->80/tcp`, as `docker ps` has it. The IPv6 twin of an address for all is left out.
fn published(ports: &[wire::PublishedPort]) -> Vec<String> {
    let mut ports: Vec<_> =
        ports.iter().filter_map(|port| Some((port.private_port, port.public_port?, port))).collect();
    ports.sort_by(|a, b| (a.0, a.1, &a.2.ip).cmp(&(b.0, b.1, &b.2.ip)));
    let twin = |port: &wire::PublishedPort| port.ip.as_deref() == Some("::");
    let has_v4 = |number: u16| {
        ports.iter().any(|(_, public, port)| *public == number && port.ip.as_deref() == Some("0.0.0.0"))
    };
    let shown = ports.iter().filter(|(_, public, port)| !(twin(port) && has_v4(*public)));
    let text = |(private, public, port): &(u16, u16, &wire::PublishedPort)| {
        let ip = port.ip.as_deref().unwrap_or("0.0.0.0");
        let ip = if ip.contains(':') { format!("[{ip}]") } else { ip.to_owned() };
        format!("{ip}:{public}->{private}/{}", port.protocol)
    };
    shown.map(text).collect()
}

/// Volumes with the label of another cluster.
fn foreign_volumes(volumes: &wire::Volumes, ours: &ClusterName) -> BTreeMap<String, String> {
    let cluster = |volume: &wire::Volume| volume.labels.get(labels::CLUSTER).cloned();
    let all = volumes.volumes.iter().filter_map(|volume| Some((volume.name.clone(), cluster(volume)?)));
    all.filter(|(_, cluster)| cluster != ours.as_str()).collect()
}

/// By name. Old engines allow several networks of one name; ours is the one to know of.
fn networks_by_name(networks: Vec<wire::Network>) -> BTreeMap<String, ObservedNetwork> {
    let mut map: BTreeMap<String, ObservedNetwork> = BTreeMap::new();
    for network in networks {
        let label = |key: &str| network.labels.get(key).cloned();
        let cluster = label(labels::CLUSTER);
        // Docker's own label alone is on networks of other tools too.
        let stack = cluster.as_ref().and_then(|_| label(labels::STACK));
        let seen = ObservedNetwork {
            stack,
            spec_hash: label(labels::SPEC_HASH),
            key_id: cluster.as_ref().and_then(|_| label(labels::KEY)),
            cluster,
            id: network.id,
            driver: network.driver,
        };
        let known = map.get(&network.name);
        if known.is_none_or(|known| known.cluster.is_none() && seen.cluster.is_some()) {
            map.insert(network.name, seen);
        }
    }
    map
}

/// Ids of images by name.
fn image_names(images: &[wire::Image]) -> BTreeMap<String, String> {
    let familiar =
        |name: &String| ImageRef::parse(name).map_or_else(|_| name.clone(), |image| image.to_string());
    let mut ids = BTreeMap::new();
    for image in images {
        let names = image.repo_tags.iter().chain(&image.repo_digests);
        for name in names.filter(|name| !name.contains("<none>")) {
            ids.insert(familiar(name), image.id.clone());
        }
    }
    ids
}

fn generic(resources: &[wire::GenericResource]) -> BTreeMap<String, i64> {
    let mut map = BTreeMap::new();
    for resource in resources {
        if let Some(discrete) = &resource.discrete_resource_spec {
            *map.entry(discrete.kind.clone()).or_default() += discrete.value;
        }
        if let Some(named) = &resource.named_resource_spec {
            *map.entry(named.kind.clone()).or_default() += 1;
        }
    }
    map
}

fn split_label(text: &str) -> (String, String) {
    let (key, value) = text.split_once('=').unwrap_or((text, ""));
    (key.to_owned(), value.to_owned())
}

/// What images are to be for.
pub(in crate::fleet) fn platform(info: &wire::Info) -> Platform {
    Platform { os: info.os_type.clone(), architecture: go_architecture(&info.architecture) }
}

/// The kernel's word as Go's, which images use.
fn go_architecture(text: &str) -> String {
    match text {
        "x86_64" => "amd64",
        "aarch64" | "armv8l" => "arm64",
        "i386" | "i486" | "i586" | "i686" => "386",
        arm if arm.starts_with("arm") => "arm",
        "mips64el" => "mips64le",
        other => other,
    }
    .to_owned()
}

#[cfg(test)]
mod tests;
