//! What must never be, watched from outside after every effect.

use std::collections::BTreeMap;

use stackctl::model::spec::{StackSpec, UpdateOrder};
use stackctl::model::task::Slot;
use stackctl::model::{NodeName, ServiceName, TaskStatus};
use stackctl::orchestrator::{Action, What};

use crate::world::World;

fn fail(world: &World, what: &str) -> ! {
    panic!("{what}\n--- what happened\n{}", world.trace.join("\n"));
}

fn runs(status: TaskStatus) -> bool {
    matches!(status, TaskStatus::Running { .. } | TaskStatus::Restarting { .. })
}

/// What must never be on the hosts.
pub fn hosts(world: &World) {
    for (node, containers) in &world.containers {
        let mut ports = Vec::new();
        for container in containers.values().filter(|c| runs(c.task.status)) {
            for port in container.task.spec.host_ports() {
                if ports.iter().any(|other: &stackctl::model::spec::HostPort| other.clashes_with(&port)) {
                    fail(world, &format!("port {port} twice on {node}"));
                }
                ports.push(port);
            }
        }
    }
}

/// No slot has two running tasks, unless the service swaps start-first.
pub fn slots(world: &World, spec: &StackSpec) {
    let mut running: BTreeMap<(&ServiceName, &Slot), u32> = BTreeMap::new();
    for task in world.tasks().filter(|task| runs(task.status) && !world.excused.contains(&task.node)) {
        *running.entry((&task.service, &task.slot)).or_default() += 1;
    }
    for ((service, slot), n) in running {
        let order = spec.services.get(service).map(|s| s.update_config.order);
        let allowed = if order == Some(UpdateOrder::StartFirst) { 2 } else { 1 };
        if n > allowed {
            fail(world, &format!("{n} running tasks in slot {slot} of {service}"));
        }
    }
}

/// An action is sent only where it may be, and only when its time has come.
pub fn action_allowed(world: &World, action: &Action, spec: &StackSpec) {
    if let What::StartTask { task } = &action.what {
        let node = &world.base.nodes[&action.node];
        if node.member.availability != stackctl::model::Availability::Active {
            fail(world, &format!("a task is started on {}, which is not active", action.node));
        }
        let service = &spec.services[&task.service.service];
        if !world.containers[&action.node].contains_key(&task.id) {
            fail(world, &format!("{} is started before it is made", task.container_name()));
        }
        in_motion(world, &action.node, service.update_config.parallelism, &task.service.service, spec);
    }
}

/// No more than `parallelism` slots of a service are without a running task because of an update.
///
/// Counted from the hosts: slots whose newest task is of the wanted spec and not running, while an older
/// one of the slot was stopped on purpose (status 143).
fn in_motion(world: &World, _node: &NodeName, parallelism: u32, service: &ServiceName, spec: &StackSpec) {
    if parallelism == 0 || spec.services[service].update_config.order == UpdateOrder::StartFirst {
        return;
    }
    let wanted = spec.services[service].task.hash();
    let mut slots: BTreeMap<&Slot, (bool, bool, bool)> = BTreeMap::new();
    for task in world.tasks().filter(|task| task.service == *service) {
        let entry = slots.entry(&task.slot).or_default();
        entry.0 |= runs(task.status);
        entry.1 |= task.status == TaskStatus::Exited { exit_code: 143 } && task.spec_hash != wanted;
        entry.2 |= task.status == TaskStatus::Created && task.spec_hash == wanted;
    }
    let moving = slots.values().filter(|(runs, stopped, made)| !runs && *stopped && *made).count();
    if moving > parallelism as usize {
        fail(world, &format!("{moving} slots of {service} in motion, {parallelism} allowed"));
    }
}

/// When all is quiet: exactly what the stackfile says, nothing twice, nothing left over.
pub fn arrived(world: &World, spec: &StackSpec, task_history: u32) {
    let mut live: BTreeMap<&ServiceName, Vec<&Slot>> = BTreeMap::new();
    let mut ended: BTreeMap<(&ServiceName, &Slot), u32> = BTreeMap::new();
    for task in world.tasks() {
        if task.is_live() {
            if !runs(task.status) {
                fail(world, &format!("{} is {:?}", task.container, task.status));
            }
            live.entry(&task.service).or_default().push(&task.slot);
            if !spec.services.get(&task.service).is_some_and(|service| service.task.hash() == task.spec_hash)
            {
                fail(world, &format!("{} is of another spec", task.container));
            }
        } else {
            *ended.entry((&task.service, &task.slot)).or_default() += 1;
        }
    }
    for ((service, slot), n) in ended {
        if n > task_history + 1 {
            fail(world, &format!("{n} ended tasks in slot {slot} of {service}"));
        }
    }
    for (service, slots) in &mut live {
        let before = slots.len();
        slots.sort();
        slots.dedup();
        if slots.len() != before {
            fail(world, &format!("a slot of {service} is live twice"));
        }
        if !spec.services.contains_key(service.as_str()) {
            fail(world, &format!("{service} is an orphan"));
        }
    }
    for service in spec.services.values() {
        use stackctl::model::ServiceMode;
        let wanted = match service.mode {
            ServiceMode::Replicated { replicas } => replicas as usize,
            ServiceMode::Global | ServiceMode::GlobalJob | ServiceMode::ReplicatedJob { .. } => continue,
        };
        let there = live.get(&service.name).map_or(0, Vec::len);
        if there != wanted {
            fail(world, &format!("{there} of {wanted} tasks of {} are live", service.name));
        }
    }
}
