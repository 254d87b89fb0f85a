//! Clusters and stacks drawn by chance, small enough that every seed is quick, odd enough to matter.

use std::sync::Arc;

use stackctl::model::node::Availability;
use stackctl::model::spec::{
    DependencyCondition, FailureAction, Healthcheck, NetworkSpec, ServiceMode, ServiceSpec, StackSpec,
    UpdateOrder, VolumeSpec,
};
use stackctl::model::{GoDuration, Observed};

use crate::builder;
use crate::faults::Luck;

pub fn cluster(luck: &mut Luck) -> Observed {
    let n = luck.between(1, 6);
    let mut nodes: Vec<_> = (1..=n)
        .map(|i| builder::labelled(&format!("h{i}"), &[("zone", if i % 2 == 0 { "b" } else { "a" })]))
        .collect();
    // Some hosts have some of the images.
    for node in &mut nodes {
        for image in ["web:1", "db:1"] {
            if luck.once_in(2) {
                builder::facts(node).images.insert(image.into());
            }
        }
    }
    builder::cluster(nodes)
}

pub fn stack(luck: &mut Luck, observed: &Observed) -> StackSpec {
    let names = ["web", "db", "api", "log", "job"];
    let count = usize::try_from(luck.between(1, 4)).expect("small");
    let mut services = Vec::new();
    for (at, name) in names.iter().take(count).enumerate() {
        let mut service = match luck.between(0, 5) {
            0 => builder::global(name),
            1 if *name == "api" => {
                builder::service(name, ServiceMode::ReplicatedJob { total: 2, max_concurrent: 1 })
            }
            _ => builder::replicated(name, u32::try_from(luck.between(0, 5)).expect("small")),
        };
        service.update_config.parallelism = u32::try_from(luck.between(0, 3)).expect("small");
        service.update_config.delay = GoDuration::from_millis(*luck.pick(&[0, 0, 1_000]));
        service.update_config.order = *luck.pick(&[UpdateOrder::StopFirst, UpdateOrder::StartFirst]);
        for config in [&mut service.update_config, &mut service.rollback_config] {
            config.failure_action = *luck.pick(&[
                FailureAction::Pause,
                FailureAction::Continue,
                FailureAction::Rollback,
                FailureAction::Rollback,
            ]);
            config.max_failure_ratio = *luck.pick(&[0.0, 0.0, 0.4]);
            config.monitor = GoDuration::from_millis(*luck.pick(&[0, 2_000, 5_000]));
        }
        service.rollback_config.parallelism = u32::try_from(luck.between(0, 3)).expect("small");
        service.rollback_config.delay = GoDuration::from_millis(*luck.pick(&[0, 0, 1_000]));
        service.rollback_config.order = *luck.pick(&[UpdateOrder::StopFirst, UpdateOrder::StartFirst]);
        if luck.once_in(3) {
            service = builder::with_task(service, |task| task.healthcheck = Some(Healthcheck::default()));
        }
        if luck.once_in(4) {
            let nodes = u32::try_from(observed.nodes.len()).expect("small");
            if let ServiceMode::Replicated { replicas } = &mut service.mode {
                *replicas = (*replicas).min(nodes);
            }
            // Now and then two services want one port, and then not one node.
            let at = if luck.once_in(3) { 0 } else { at };
            service = builder::with_port(service, 8000 + u16::try_from(at).expect("small"));
        }
        if luck.once_in(4) {
            reserve(luck, &mut service, observed);
        }
        if at > 0 && luck.once_in(3) {
            service = builder::depends(service, names[at - 1], DependencyCondition::ServiceStarted);
        }
        service = builder::with_task(service, |task| {
            task.networks.insert(format!("{}_default", builder::STACK), Default::default());
        });
        services.push(service);
    }
    let mut spec = builder::stack(services);
    let network = NetworkSpec { name: format!("{}_default", builder::STACK), ..NetworkSpec::default() };
    spec.networks.insert("default".into(), network);
    spec.volumes.insert("data".into(), VolumeSpec { name: "app_data".into(), ..VolumeSpec::default() });
    spec
}

/// So much that a node of 8 GiB has room for few, seldom for both tasks of a slot at a time.
fn reserve(luck: &mut Luck, service: &mut ServiceSpec, observed: &Observed) {
    let nodes = u32::try_from(observed.nodes.len()).expect("small");
    if let ServiceMode::Replicated { replicas } = &mut service.mode {
        *replicas = (*replicas).min(nodes);
    }
    let memory = *luck.pick(&[1_i64, 2, 3, 5]) << 30;
    Arc::make_mut(&mut service.task).resources.reservations.memory = memory;
}

/// One edit of the stackfile.
pub fn change(luck: &mut Luck, spec: &mut StackSpec) {
    let names: Vec<_> = spec.services.keys().cloned().collect();
    let name = luck.pick(&names).clone();
    if luck.once_in(6) && names.len() > 1 {
        spec.services.remove(&name);
        for service in spec.services.values_mut() {
            service.depends_on.remove(&name);
        }
        return;
    }
    let service = spec.services.get_mut(&name).expect("picked from it");
    let is_scarce =
        service.task.host_ports().next().is_some() || service.task.resources.reservations.memory > 0;
    match luck.between(0, 4) {
        0 => {
            let has_check = service.task.healthcheck.is_some();
            let image = if has_check && luck.once_in(6) {
                // Neither healthy nor unhealthy.
                format!("{name}:undecided")
            } else if luck.once_in(2) {
                format!("{name}:bad")
            } else {
                format!("{name}:{}", luck.between(1, 3))
            };
            Arc::make_mut(&mut service.task).image = image;
        }
        1 => {
            if let ServiceMode::Replicated { replicas } = &mut service.mode
                && !is_scarce
            {
                *replicas = u32::try_from(luck.between(0, 6)).expect("small");
            }
        }
        2 if is_scarce => {
            // One more or fewer, as far as there may be room.
            if let ServiceMode::Replicated { replicas } = &mut service.mode {
                *replicas = replicas.saturating_add_signed(i32::from(luck.once_in(2)) * 2 - 1).min(6);
            }
        }
        // What running tasks are given as they are, and now and then what they are not: a limit that is gone.
        3 => {
            let memory = luck.pick(&[None, Some(64_i64), Some(128), Some(256)]).map(|mib| mib << 20);
            Arc::make_mut(&mut service.task).resources.limits.memory = memory;
        }
        _ => {
            let value = luck.between(0, 3).to_string();
            Arc::make_mut(&mut service.task).environment.insert("LEVEL".into(), Some(value));
        }
    }
}

/// Whoever wrote a bad image writes a good one.
pub fn mend(spec: &mut StackSpec) {
    let is_bad = |image: &str| image.ends_with(":bad") || image.ends_with(":undecided");
    for service in spec.services.values_mut().filter(|service| is_bad(&service.task.image)) {
        let image = format!("{}:1", service.name);
        Arc::make_mut(&mut service.task).image = image;
    }
}

/// Somebody edits the inventory.
pub fn change_nodes(luck: &mut Luck, observed: &mut Observed) {
    let names: Vec<_> = observed.nodes.keys().cloned().collect();
    let name = luck.pick(&names).clone();
    let node = observed.nodes.get_mut(&name).expect("picked from it");
    node.member.availability = *luck.pick(&[Availability::Active, Availability::Pause, Availability::Drain]);
}

pub fn restore_nodes(observed: &mut Observed) {
    for node in observed.nodes.values_mut() {
        node.member.availability = Availability::Active;
    }
}
