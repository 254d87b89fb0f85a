//! What the flags of `service update` do to a service.
//!
//! Docker's meaning (`cli/command/service/update.go`), with one order for all of them: what is to go goes
//! first, then what is to come comes, so that `--x-rm a --x-add a=…` replaces.
//!
//! Pure: the environment and the registry's answer are handed in.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::flags::Flags;
use super::forms::{ConfigFlag, MountFlag, MountKind, NetworkFlag, Pair, Ports};
use crate::cli::restart::force;
use crate::cli::scale::set_replicas;
use crate::cli::verbs::ServiceError;
use crate::model::spec::{Attachment, FileMount, Healthcheck, Mount, Port, TaskSpec, UpdateConfig};
use crate::model::{ServiceName, ServiceSpec, StackSpec};
use crate::orchestrator::pin::Resolved;

/// Permission bits of a config that says nothing about them.
const FILE_MODE: u32 = 0o444;

/// Changes a service of a stack. `resolved` is what the registry said of the new image.
pub(super) fn apply(
    stack: &mut StackSpec,
    name: &ServiceName,
    flags: &Flags,
    resolved: Option<&Resolved>,
    env: &dyn Fn(&str) -> Option<String>,
) -> Result<(), ServiceError> {
    let Some(mut service) = stack.services.get(name).cloned() else {
        let known = stack.services.keys().map(ToString::to_string).collect();
        return Err(ServiceError::NoService { stack: stack.name.clone(), service: name.clone(), known });
    };
    if let Some(count) = flags.replicas {
        set_replicas(&mut service, count)?;
    }
    about_service(&mut service, flags);
    let task = Arc::make_mut(&mut service.task);
    if let Some(image) = &flags.image {
        set_image(task, image, resolved);
        if let Some(resolved) = resolved {
            service.placement.platforms.clone_from(&resolved.platforms);
        }
    }
    about_container(task, flags, env);
    about_resources(task, flags);
    about_health(task, flags);
    about_restarts(task, flags);
    ports(name, task, flags)?;
    mounts(stack, task, flags)?;
    configs(stack, task, flags)?;
    networks(stack, name, task, flags)?;
    if flags.force {
        force(&mut service);
    }
    stack.services.insert(name.clone(), service);
    Ok(())
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

fn about_service(service: &mut ServiceSpec, flags: &Flags) {
    labels(&mut service.labels, &flags.label_rm, &flags.label_add);
    let placement = &mut service.placement;
    placement.constraints.retain(|constraint| !flags.constraint_rm.contains(constraint));
    for constraint in &flags.constraint_add {
        if !placement.constraints.contains(constraint) {
            placement.constraints.push(constraint.clone());
        }
    }
    placement.spread.retain(|label| !flags.placement_pref_rm.contains(label));
    // In order: the first is the outermost.
    placement.spread.extend(flags.placement_pref_add.iter().cloned());
    set(&mut placement.max_replicas_per_node, &flags.replicas_max_per_node);
    let UpdateConfig { parallelism, delay, failure_action, monitor, max_failure_ratio, order } =
        &mut service.update_config;
    set(parallelism, &flags.update_parallelism);
    set(delay, &flags.update_delay);
    set(failure_action, &flags.update_failure_action);
    set(monitor, &flags.update_monitor);
    set(max_failure_ratio, &flags.update_max_failure_ratio);
    set(order, &flags.update_order);
    let UpdateConfig { parallelism, delay, failure_action, monitor, max_failure_ratio, order } =
        &mut service.rollback_config;
    set(parallelism, &flags.rollback_parallelism);
    set(delay, &flags.rollback_delay);
    set(failure_action, &flags.rollback_failure_action);
    set(monitor, &flags.rollback_monitor);
    set(max_failure_ratio, &flags.rollback_max_failure_ratio);
    set(order, &flags.rollback_order);
}

fn labels(labels: &mut BTreeMap<String, String>, remove: &[String], add: &[Pair]) {
    labels.retain(|key, _| !remove.contains(key));
    labels.extend(add.iter().map(|pair| (pair.key.clone(), pair.value.clone().unwrap_or_default())));
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

fn about_container(task: &mut TaskSpec, flags: &Flags, env: &dyn Fn(&str) -> Option<String>) {
    let words = |words: &super::forms::Words| Some(words.0.clone()).filter(|words| !words.is_empty());
    if let Some(args) = &flags.args {
        task.command = words(args);
    }
    if let Some(entrypoint) = &flags.entrypoint {
        task.entrypoint = words(entrypoint);
    }
    task.environment.retain(|key, _| !flags.env_rm.contains(key));
    for Pair { key, value } in &flags.env_add {
        task.environment.insert(key.clone(), value.clone().or_else(|| env(key)));
    }
    labels(&mut task.labels, &flags.container_label_rm, &flags.container_label_add);
    set_text(&mut task.user, &flags.user);
    set_text(&mut task.working_dir, &flags.workdir);
    set_text(&mut task.hostname, &flags.hostname);
    set_text(&mut task.stop_signal, &flags.stop_signal);
    if flags.stop_grace_period.is_some() {
        task.stop_grace_period = flags.stop_grace_period;
    }
}

fn about_resources(task: &mut TaskSpec, flags: &Flags) {
    let limit = |field: &mut Option<i64>, value: Option<i64>| {
        if let Some(value) = value {
            *field = (value > 0).then_some(value);
        }
    };
    let limits = &mut task.resources.limits;
    limit(&mut limits.nano_cpus, flags.limit_cpu);
    limit(&mut limits.memory, flags.limit_memory);
    limit(&mut limits.pids, flags.limit_pids);
    set(&mut task.resources.reservations.nano_cpus, &flags.reserve_cpu);
    set(&mut task.resources.reservations.memory, &flags.reserve_memory);
}

fn about_health(task: &mut TaskSpec, flags: &Flags) {
    if flags.no_healthcheck {
        task.healthcheck = Some(Healthcheck { test: vec!["NONE".to_owned()], ..Healthcheck::default() });
        return;
    }
    let is_set = [flags.health_interval, flags.health_timeout, flags.health_start_period];
    if flags.health_cmd.is_none() && flags.health_retries.is_none() && is_set.iter().all(Option::is_none) {
        return;
    }
    let check = task.healthcheck.get_or_insert_default();
    // Whoever sets an interval wants a check.
    if check.test.first().is_some_and(|word| word == "NONE") {
        check.test.clear();
    }
    if let Some(command) = &flags.health_cmd {
        check.test = match command.as_str() {
            "" => Vec::new(),
            command => vec!["CMD-SHELL".to_owned(), command.to_owned()],
        };
    }
    for (field, value) in [
        (&mut check.interval, flags.health_interval),
        (&mut check.timeout, flags.health_timeout),
        (&mut check.start_period, flags.health_start_period),
    ] {
        if value.is_some() {
            *field = value;
        }
    }
    if flags.health_retries.is_some() {
        check.retries = flags.health_retries;
    }
    if *check == Healthcheck::default() {
        task.healthcheck = None;
    }
}

fn about_restarts(task: &mut TaskSpec, flags: &Flags) {
    let policy = &mut task.restart_policy;
    set(&mut policy.condition, &flags.restart_condition);
    set(&mut policy.delay, &flags.restart_delay);
    set(&mut policy.max_attempts, &flags.restart_max_attempts);
    set(&mut policy.window, &flags.restart_window);
}

/// A port goes by its number in the container and its protocol, and by its mode if one was written.
fn ports(name: &ServiceName, task: &mut TaskSpec, flags: &Flags) -> Result<(), ServiceError> {
    let goes = |port: &Port| {
        flags.publish_rm.iter().any(|Ports { ports, has_mode }| {
            ports.iter().any(|gone| {
                gone.target == port.target
                    && gone.protocol == port.protocol
                    && (!has_mode || gone.mode == port.mode)
            })
        })
    };
    task.ports.retain(|port| !goes(port));
    task.ports.extend(flags.publish_add.iter().flat_map(|all| all.ports.iter().cloned()));
    task.ports.sort();
    task.ports.dedup();
    let taken: Vec<_> = task.host_ports().collect();
    for (at, port) in taken.iter().enumerate() {
        if taken[..at].iter().any(|other| port.clashes_with(other)) {
            let why = format!("port {port} would be published twice; remove one with --publish-rm");
            return Err(ServiceError::BadChange { service: name.clone(), why });
        }
    }
    Ok(())
}

fn not_in(stack: &StackSpec, kind: &'static str, name: &str, known: Vec<&String>) -> ServiceError {
    let help = if known.is_empty() {
        format!("its stackfile declares none: add the {kind} there and deploy it")
    } else {
        let known: Vec<&str> = known.into_iter().map(String::as_str).collect();
        format!("there are: {}; others are added in the stackfile", known.join(", "))
    };
    ServiceError::NotInStack { stack: stack.name.clone(), kind, name: name.to_owned(), help }
}

fn mounts(stack: &StackSpec, task: &mut TaskSpec, flags: &Flags) -> Result<(), ServiceError> {
    task.volumes.retain(|target, _| !flags.mount_rm.contains(target));
    for flag in &flags.mount_add {
        let MountFlag { kind, source, target, read_only, propagation, nocopy, subpath, size, mode } = flag;
        let mount = match kind {
            MountKind::Bind => Mount::Bind {
                source: source.clone().unwrap_or_default(),
                read_only: *read_only,
                propagation: propagation.clone(),
                create_host_path: false,
            },
            MountKind::Volume => Mount::Volume {
                source: source.as_ref().map(|name| volume(stack, name)).transpose()?,
                read_only: *read_only,
                nocopy: *nocopy,
                subpath: subpath.clone(),
            },
            MountKind::Tmpfs => Mount::Tmpfs { size: *size, mode: *mode, options: Vec::new() },
        };
        task.volumes.insert(target.clone(), mount);
    }
    Ok(())
}

/// Its full name, by that or by its key.
fn volume(stack: &StackSpec, name: &str) -> Result<String, ServiceError> {
    let by_name = || stack.volumes.values().find(|volume| volume.name == name);
    match stack.volumes.get(name).or_else(by_name) {
        Some(volume) => Ok(volume.name.clone()),
        None => Err(not_in(stack, "volume", name, stack.volumes.keys().collect())),
    }
}

fn configs(stack: &StackSpec, task: &mut TaskSpec, flags: &Flags) -> Result<(), ServiceError> {
    let key = |name: &str| {
        let by_name = || stack.configs.iter().find(|(_, config)| config.name == name);
        stack.configs.get_key_value(name).or_else(by_name)
    };
    for name in &flags.config_rm {
        let key = key(name).map_or(name.as_str(), |(key, _)| key.as_str());
        task.configs.retain(|_, mount| mount.source != key);
    }
    for ConfigFlag { source, target, uid, gid, mode } in &flags.config_add {
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
        };
        task.configs.insert(path, mount);
    }
    Ok(())
}

fn networks(
    stack: &StackSpec,
    name: &ServiceName,
    task: &mut TaskSpec,
    flags: &Flags,
) -> Result<(), ServiceError> {
    let full = |wanted: &str| {
        let by_name = || stack.networks.values().find(|network| network.name == wanted);
        match stack.networks.get(wanted).or_else(by_name) {
            Some(network) => Ok(network.name.clone()),
            None => Err(not_in(stack, "network", wanted, stack.networks.keys().collect())),
        }
    };
    let bad = |why: String| Err(ServiceError::BadChange { service: name.clone(), why });
    if let (Some(mode), false) = (&task.network_mode, flags.network_add.is_empty()) {
        return bad(format!("its network_mode is `{mode}`, and leaves no room for networks"));
    }
    for wanted in &flags.network_rm {
        if task.networks.remove(&full(wanted)?).is_none() {
            return bad(format!("it is not on network `{wanted}`"));
        }
    }
    for NetworkFlag { name: wanted, aliases } in &flags.network_add {
        let mut aliases = aliases.clone();
        if !aliases.iter().any(|alias| alias == name.as_str()) {
            aliases.push(name.to_string());
        }
        let attachment = Box::new(Attachment { aliases, ..Attachment::default() });
        if task.networks.insert(full(wanted)?, attachment).is_some() {
            return bad(format!("it is on network `{wanted}` already"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
