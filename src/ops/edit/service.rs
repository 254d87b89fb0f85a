//! What a [`ServiceChange`] does to a service: docker's meaning (`cli/command/service/update.go`).
//!
//! Pure: what a registry said of a new image is part of the change.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::change::{
    ContainerChange, HealthChange, MapChange, NewConfig, NewNetwork, PolicyChange, PortChange,
    ResourceChange, RestartChange, ServiceChange,
};
use super::error::{EditError, Misfit};
use crate::model::image::Resolved;
use crate::model::spec::{
    Attachment, FileMount, Healthcheck, Mount, Port, ServiceMode, TASKS_MAX, TaskSpec, UpdateConfig,
};
use crate::model::{ServiceName, ServiceSpec, StackSpec, secret_env};

/// Permission bits of a config that says nothing about them.
const FILE_MODE: u32 = 0o444;

/// Changes a service of a stack.
///
/// # Errors
///
/// If the stack lacks what the change names, or the service has no room for it.
pub fn apply(stack: &mut StackSpec, name: &ServiceName, change: &ServiceChange) -> Result<(), EditError> {
    let mut service = service_of(stack, name)?.clone();
    if let Some(count) = change.replicas {
        set_replicas(&mut service, count)?;
    }
    about_service(&mut service, change);
    let task = Arc::make_mut(&mut service.task);
    if let Some(image) = &change.image {
        set_image(task, image, change.resolved.as_ref());
        if let Some(resolved) = &change.resolved {
            service.placement.platforms.clone_from(&resolved.platforms);
        }
    }
    about_container(task, &change.container);
    about_resources(task, &change.resources);
    about_health(task, &change.health);
    about_restarts(task, &change.restarts);
    ports(name, task, &change.ports)?;
    mounts(stack, task, &change.mounts)?;
    configs(stack, task, &change.configs_remove, &change.configs_add)?;
    networks(stack, name, task, &change.networks_remove, &change.networks_add)?;
    if change.force {
        force(&mut service);
    }
    stack.services.insert(name.clone(), service);
    if change.replicas.is_some() { bounded(stack, name) } else { Ok(()) }
}

/// Refuses more tasks than any stack may have. How many nodes there are is not known here: the plan counts them.
pub(super) fn bounded(stack: &StackSpec, service: &ServiceName) -> Result<(), EditError> {
    let each = stack.services.values().map(|service| service.mode.tasks(0));
    let tasks = each.fold(0_u64, u64::saturating_add);
    let refused = || EditError::BadChange { service: service.clone(), why: Misfit::TooManyTasks { tasks } };
    if tasks > TASKS_MAX { Err(refused()) } else { Ok(()) }
}

/// A service of a stack, by its short name.
pub(super) fn service_of<'s>(
    spec: &'s mut StackSpec,
    name: &ServiceName,
) -> Result<&'s mut ServiceSpec, EditError> {
    let known = spec.services.keys().cloned().collect();
    let (stack, service) = (spec.name.clone(), name.clone());
    spec.services.get_mut(name).ok_or(EditError::NoService { stack, service, known })
}

/// Docker scales jobs that have slots as well, which runs those again that are new; here a job is run
/// again by deploying it, with its reason in the stackfile.
pub(super) fn set_replicas(service: &mut ServiceSpec, count: u32) -> Result<(), EditError> {
    match &mut service.mode {
        ServiceMode::Replicated { replicas } => {
            *replicas = count;
            Ok(())
        }
        mode => Err(EditError::NotReplicated { service: service.name.clone(), mode: mode.to_string() }),
    }
}

/// SwarmKit's way: a counter in the task's spec, so that every task is out of date.
pub(super) fn force(service: &mut ServiceSpec) {
    Arc::make_mut(&mut service.task).force_update += 1;
}

fn set<T: Clone>(field: &mut T, value: &Option<T>) {
    if let Some(value) = value {
        field.clone_from(value);
    }
}

/// An empty text is none, as in docker's API.
fn set_text(field: &mut Option<String>, value: &Option<String>) {
    if let Some(value) = value {
        *field = Some(value.clone()).filter(|value| !value.is_empty());
    }
}

fn about_service(service: &mut ServiceSpec, change: &ServiceChange) {
    entries(&mut service.labels, &change.labels);
    let (placement, wanted) = (&mut service.placement, &change.placement);
    placement.constraints.retain(|constraint| !wanted.constraints.remove.contains(constraint));
    for constraint in &wanted.constraints.add {
        if !placement.constraints.contains(constraint) {
            placement.constraints.push(constraint.clone());
        }
    }
    placement.spread.retain(|label| !wanted.spread.remove.contains(label));
    // In order: the first is the outermost.
    placement.spread.extend(wanted.spread.add.iter().cloned());
    set(&mut placement.max_replicas_per_node, &wanted.max_replicas_per_node);
    policy(&mut service.update_config, &change.update);
    policy(&mut service.rollback_config, &change.rollback);
}

fn policy(policy: &mut UpdateConfig, change: &PolicyChange) {
    let UpdateConfig { parallelism, delay, failure_action, monitor, max_failure_ratio, order } = policy;
    set(parallelism, &change.parallelism);
    set(delay, &change.delay);
    set(failure_action, &change.failure_action);
    set(monitor, &change.monitor);
    set(max_failure_ratio, &change.max_failure_ratio);
    set(order, &change.order);
}

fn entries<V: Clone>(map: &mut BTreeMap<String, V>, change: &MapChange<V>) {
    map.retain(|key, _| !change.remove.contains(key));
    map.extend(change.set.iter().cloned());
}

/// An image that no registry knows keeps its digest if it is the same one.
fn set_image(task: &mut TaskSpec, image: &str, resolved: Option<&Resolved>) {
    match resolved {
        Some(resolved) => task.digest = Some(resolved.digest.clone()),
        None if task.image != image => task.digest = None,
        None => {}
    }
    image.clone_into(&mut task.image);
}

fn about_container(task: &mut TaskSpec, change: &ContainerChange) {
    let words = |words: &Vec<String>| Some(words.clone()).filter(|words| !words.is_empty());
    if let Some(args) = &change.args {
        task.command = words(args);
    }
    if let Some(entrypoint) = &change.entrypoint {
        task.entrypoint = words(entrypoint);
    }
    entries(&mut task.environment, &change.environment);
    // One that is a secret is set or removed as any other.
    let set = change.environment.set.iter().map(|(name, _)| name);
    for name in change.environment.remove.iter().chain(set) {
        task.secrets.remove(&secret_env::file_of(name));
    }
    entries(&mut task.labels, &change.labels);
    set_text(&mut task.user, &change.user);
    set_text(&mut task.working_dir, &change.working_dir);
    set_text(&mut task.hostname, &change.hostname);
    set_text(&mut task.stop_signal, &change.stop_signal);
    if change.stop_grace_period.is_some() {
        task.stop_grace_period = change.stop_grace_period;
    }
}

fn about_resources(task: &mut TaskSpec, change: &ResourceChange) {
    let limit = |field: &mut Option<i64>, value: Option<i64>| {
        if let Some(value) = value {
            *field = (value > 0).then_some(value);
        }
    };
    let limits = &mut task.resources.limits;
    limit(&mut limits.nano_cpus, change.limit_cpu);
    limit(&mut limits.memory, change.limit_memory);
    limit(&mut limits.pids, change.limit_pids);
    set(&mut task.resources.reservations.nano_cpus, &change.reserve_cpu);
    set(&mut task.resources.reservations.memory, &change.reserve_memory);
}

fn about_health(task: &mut TaskSpec, change: &HealthChange) {
    if change.is_off {
        task.healthcheck = Some(Healthcheck { test: vec!["NONE".to_owned()], ..Healthcheck::default() });
        return;
    }
    let is_set = [change.interval, change.timeout, change.start_period];
    if change.command.is_none() && change.retries.is_none() && is_set.iter().all(Option::is_none) {
        return;
    }
    let check = task.healthcheck.get_or_insert_default();
    // An interval asks for a check.
    if check.test.first().is_some_and(|word| word == "NONE") {
        check.test.clear();
    }
    if let Some(command) = &change.command {
        check.test = match command.as_str() {
            "" => Vec::new(),
            command => vec!["CMD-SHELL".to_owned(), command.to_owned()],
        };
    }
    for (field, value) in [
        (&mut check.interval, change.interval),
        (&mut check.timeout, change.timeout),
        (&mut check.start_period, change.start_period),
    ] {
        if value.is_some() {
            *field = value;
        }
    }
    if change.retries.is_some() {
        check.retries = change.retries;
    }
    if *check == Healthcheck::default() {
        task.healthcheck = None;
    }
}

fn about_restarts(task: &mut TaskSpec, change: &RestartChange) {
    let policy = &mut task.restart_policy;
    set(&mut policy.condition, &change.condition);
    set(&mut policy.delay, &change.delay);
    set(&mut policy.max_attempts, &change.max_attempts);
    set(&mut policy.window, &change.window);
}

/// A port goes by its number in the container and its protocol, and by its mode if one was asked for.
fn ports(name: &ServiceName, task: &mut TaskSpec, change: &PortChange) -> Result<(), EditError> {
    let goes = |port: &Port| {
        change.remove.iter().any(|gone| {
            gone.target == port.target
                && gone.protocol == port.protocol
                && gone.mode.is_none_or(|mode| mode == port.mode)
        })
    };
    task.ports.retain(|port| !goes(port));
    task.ports.extend(change.add.iter().cloned());
    task.ports.sort();
    task.ports.dedup();
    let taken: Vec<_> = task.host_ports().collect();
    for (at, port) in taken.iter().enumerate() {
        if taken[..at].iter().any(|other| port.clashes_with(other)) {
            let why = Misfit::PublishedTwice { port: port.to_string() };
            return Err(EditError::BadChange { service: name.clone(), why });
        }
    }
    Ok(())
}

fn not_in(stack: &StackSpec, kind: &'static str, name: &str, known: Vec<&String>) -> EditError {
    let known = known.into_iter().cloned().collect();
    EditError::NotInStack { stack: stack.name.clone(), kind, name: name.to_owned(), known }
}

fn mounts(stack: &StackSpec, task: &mut TaskSpec, change: &MapChange<Mount>) -> Result<(), EditError> {
    task.volumes.retain(|target, _| !change.remove.contains(target));
    for (target, mount) in &change.set {
        let mut mount = mount.clone();
        if let Mount::Volume { source: Some(source), .. } = &mut mount {
            *source = volume(stack, source)?;
        }
        task.volumes.insert(target.clone(), mount);
    }
    Ok(())
}

/// Its full name, by that or by its key.
fn volume(stack: &StackSpec, name: &str) -> Result<String, EditError> {
    let by_name = || stack.volumes.values().find(|volume| volume.name == name);
    match stack.volumes.get(name).or_else(by_name) {
        Some(volume) => Ok(volume.name.clone()),
        None => Err(not_in(stack, "volume", name, stack.volumes.keys().collect())),
    }
}

fn configs(
    stack: &StackSpec,
    task: &mut TaskSpec,
    remove: &[String],
    add: &[NewConfig],
) -> Result<(), EditError> {
    let key = |name: &str| {
        let by_name = || stack.configs.iter().find(|(_, config)| config.name == name);
        stack.configs.get_key_value(name).or_else(by_name)
    };
    for name in remove {
        let key = key(name).map_or(name.as_str(), |(key, _)| key.as_str());
        task.configs.retain(|_, mount| mount.source != key);
    }
    for NewConfig { source, target, uid, gid, mode } in add {
        let Some((key, config)) = key(source) else {
            return Err(not_in(stack, "config", source, stack.configs.keys().collect()));
        };
        let target = target.as_deref().unwrap_or(source);
        let path = if target.starts_with('/') { target.to_owned() } else { format!("/{target}") };
        let owner = |id: &Option<String>| id.clone().unwrap_or_else(|| "0".to_owned());
        let mount = FileMount {
            source: key.clone(),
            uid: owner(uid),
            gid: owner(gid),
            mode: mode.unwrap_or(FILE_MODE),
            content: config.digest.clone(),
            template_driver: config.template_driver.clone(),
        };
        task.configs.insert(path, mount);
    }
    Ok(())
}

fn networks(
    stack: &StackSpec,
    name: &ServiceName,
    task: &mut TaskSpec,
    remove: &[String],
    add: &[NewNetwork],
) -> Result<(), EditError> {
    let full = |wanted: &str| {
        let by_name = || stack.networks.values().find(|network| network.name == wanted);
        match stack.networks.get(wanted).or_else(by_name) {
            Some(network) => Ok(network.name.clone()),
            None => Err(not_in(stack, "network", wanted, stack.networks.keys().collect())),
        }
    };
    let bad = |why: Misfit| Err(EditError::BadChange { service: name.clone(), why });
    if let (Some(mode), false) = (&task.network_mode, add.is_empty()) {
        return bad(Misfit::NetworkMode { mode: mode.to_string() });
    }
    for wanted in remove {
        if task.networks.remove(&full(wanted)?).is_none() {
            return bad(Misfit::NotOnNetwork(wanted.clone()));
        }
    }
    for NewNetwork { name: wanted, aliases } in add {
        let mut aliases = aliases.clone();
        if !aliases.iter().any(|alias| alias == name.as_str()) {
            aliases.push(name.to_string());
        }
        let attachment = Box::new(Attachment { aliases, ..Attachment::default() });
        if task.networks.insert(full(wanted)?, attachment).is_some() {
            return bad(Misfit::OnNetwork(wanted.clone()));
        }
    }
    Ok(())
}
