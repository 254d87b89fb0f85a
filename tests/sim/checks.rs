//! What must never be, watched from outside after every effect.

use std::collections::BTreeMap;

use stackctl::model::action::{Action, TaskHandle, What};
use stackctl::model::reason::Reason;
use stackctl::model::spec::{FailureAction, StackSpec, UpdateOrder};
use stackctl::model::task::Slot;
use stackctl::model::{ServiceName, Task, TaskId, TaskStatus, Timestamp};
use stackctl::orchestrator::{Ending, Forecast, ServiceEnding, Verdict};

use crate::world::World;

pub fn fail(world: &World, what: &str) -> ! {
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
        reservations(world, node);
    }
}

/// What runs on a node has reserved no more than there is.
fn reservations(world: &World, node: &stackctl::model::NodeName) {
    let containers = world.containers[node].values().filter(|c| runs(c.task.status));
    let reserved: i64 = containers.clone().map(|c| c.task.spec.resources.reservations.memory).sum();
    let stackctl::model::node::NodeView::Facts(facts) = &world.base.nodes[node].view else { return };
    // Started late, for a run that was killed, or where nobody could look.
    let is_excused =
        world.excused.contains(node) || containers.clone().any(|c| world.unlucky.contains(&c.task.id));
    if reserved > facts.memory && !is_excused {
        fail(world, &format!("{} of {} MiB reserved on {node}", reserved >> 20, facts.memory >> 20));
    }
}

/// A task is started only beside as many running ones of its slot as the order allows: one old one
/// under start-first, none under stop-first. Hosts that were silent when the plan was made are excused.
fn alone_in_slot(world: &World, task: &stackctl::model::action::TaskPlan, spec: &StackSpec) {
    let (service, slot) = (&task.service.service, &task.slot);
    let beside = world
        .tasks()
        .filter(|other| other.service == *service && other.slot == *slot && other.id != task.id)
        .filter(|other| runs(other.status) && !world.excused.contains(&other.node))
        // Started late, for a run that was killed: the lease makes the next run wait for such.
        .filter(|other| !world.unlucky.contains(&other.id))
        .count();
    let allowed = usize::from(spec.services[service].update_config.order == UpdateOrder::StartFirst);
    if beside > allowed {
        fail(
            world,
            &format!("{} is started beside {beside} running tasks of its slot", task.container_name()),
        );
    }
}

/// Under start-first a task that does its work goes only once another in its slot does.
fn none_missed(world: &World, task: &TaskHandle, spec: &StackSpec, why: &Reason) {
    let slot_goes = matches!(why, Reason::ServiceRemoved | Reason::ScaledDown { .. })
        || (matches!(why, Reason::NoLongerFits { .. } | Reason::NodeDrained { .. })
            && !has_successor(world, task));
    let Some(service) = spec.services.get(&task.service) else { return };
    let order =
        if *why == Reason::RolledBack { service.rollback_config.order } else { service.update_config.order };
    let was_up = world.up_at_start.contains_key(&(task.service.clone(), task.slot.clone()));
    if *why == Reason::RolledBack && !was_up {
        return;
    }
    let mut tasks = world.tasks().filter(|other| other.service == task.service && other.slot == task.slot);
    let Some(going) = world.tasks().find(|other| other.id == task.id) else { return };
    let in_place =
        |other: &Task| other.service == task.service && other.slot == task.slot && other.id != task.id;
    let in_place = world.tasks().any(|other| {
        in_place(other) && other.node == going.node && (other.is_live() || *why == Reason::RolledBack)
    });
    // Two tasks cannot publish the same port of a node, nor reserve what is there once.
    let is_scarce = |spec: &stackctl::model::TaskSpec| {
        spec.host_ports().next().is_some() || spec.resources.reservations.memory > 0
    };
    let must_go_first = in_place && (is_scarce(&service.task) || is_scarce(&going.spec));
    let changes_kind = going.is_job || service.mode.is_job() || service.mode.is_global();
    if slot_goes
        || order != UpdateOrder::StartFirst
        || must_go_first
        || changes_kind
        || !going.status.is_up()
        || fell_by_itself(world, &task.id)
    {
        return;
    }
    // What runs at plan time may go down late, for a run that was killed.
    if !tasks.any(|other| other.id != task.id && (runs(other.status) || world.unlucky.contains(&other.id))) {
        fail(world, &format!("{} goes, and nothing serves in its place ({why})", task.container_name()));
    }
}

/// Whether another task was made for the slot.
fn has_successor(world: &World, task: &TaskHandle) -> bool {
    let mut others = world.tasks().filter(|other| other.service == task.service && other.slot == task.slot);
    others.any(|other| other.id != task.id && other.is_live())
}

/// Whether a task may be down without anybody's doing.
fn fell_by_itself(world: &World, id: &TaskId) -> bool {
    let is_bad = |task: &&Task| task.id == *id && task.spec.image.ends_with(":bad");
    world.unlucky.contains(id) || world.tasks().any(|task| is_bad(&task))
}

/// A start that finds its port taken was sent too early, unless something came late.
pub fn port_taken(world: &World, node: &stackctl::model::NodeName, id: &TaskId) {
    let there = &world.containers[node];
    let late = there.keys().any(|id| world.unlucky.contains(id));
    if late || world.excused.contains(node) || !world.told_silent.is_empty() {
        return;
    }
    let ours = &there[id].task;
    let wanted: Vec<_> = ours.spec.host_ports().collect();
    let clashes =
        |task: &Task| task.spec.host_ports().any(|port| wanted.iter().any(|one| one.clashes_with(&port)));
    let goes_back = world.gone_back.contains(&(ours.service.clone(), ours.slot.clone()));
    for holder in there.values().map(|c| &c.task).filter(|task| task.id != *id && runs(task.status)) {
        // What could not go back itself, or has no need to, keeps the port from others that go back.
        let stays = world.gone_back.contains(&(holder.service.clone(), holder.slot.clone()))
            || (goes_back && holder.service != ours.service);
        if clashes(holder) && !stays {
            fail(
                world,
                &format!("{} is started on {node}, and {} has its port", ours.container, holder.container),
            );
        }
    }
}

/// Whoever did its work before the run, and was not replaced by one who does, has the slot for itself.
fn alone_at_the_end(world: &World, spec: &StackSpec) {
    if !world.told_silent.is_empty() {
        return;
    }
    let mut running: BTreeMap<(&ServiceName, &Slot), Vec<&Task>> = BTreeMap::new();
    let counts = |task: &&Task| {
        runs(task.status) && !world.unlucky.contains(&task.id) && !world.excused.contains(&task.node)
    };
    for task in world.tasks().filter(counts).filter(|task| spec.services.contains_key(&task.service)) {
        running.entry((&task.service, &task.slot)).or_default().push(task);
    }
    for ((service, slot), tasks) in running {
        if tasks.len() > 1 && tasks.iter().any(|task| world.watch.has_started(&task.id)) {
            fail(world, &format!("{service}.{slot} is left with {} running tasks", tasks.len()));
        }
    }
}

/// What must hold when a run says how it ended.
pub fn ended(world: &World, verdict: &Verdict, spec: &StackSpec) {
    if verdict.failures.is_empty()
        && verdict.services.iter().all(|service| service.return_failures.is_empty())
    {
        alone_at_the_end(world, spec);
    }
    for service in &verdict.services {
        let in_peace = service.return_failures.is_empty() && world.told_silent.is_empty();
        if service.ending != ServiceEnding::RolledBack || !in_peace {
            continue;
        }
        // A job's task may have come to its end meanwhile.
        let is_job = spec.services.get(&service.service).is_some_and(|one| one.mode.is_job());
        for ((name, slot), before) in &world.up_at_start {
            if is_job || *name != service.service || before.iter().any(|id| fell_by_itself(world, id)) {
                continue;
            }
            let now = world.tasks().any(|task| before.contains(&task.id) && runs(task.status));
            if !now {
                fail(world, &format!("{name}.{slot} is rolled back, and its old task does not run"));
            }
        }
    }
    // A host that goes silent in the last moment is found by the look that follows every run.
    if verdict.ending == Ending::Converged && world.told_silent.is_empty() {
        for service in spec.services.values().filter(|service| service.task.image.ends_with(":bad")) {
            // One that ran already may have been seen in a good moment.
            let starts = world.started.contains(&service.name);
            if starts && !service.mode.is_job() {
                fail(world, &format!("{} cannot run, and the run says all is well", service.name));
            }
        }
    }
}

/// A run in which all went well took no less than its plan said.
pub fn took_as_long_as_was_said(world: &World, verdict: &Verdict, begun: Timestamp, forecast: &Forecast) {
    let (took, least) = (world.now.since_ms(begun), forecast.duration_ms);
    if verdict.ending == Ending::Converged && took < least {
        fail(world, &format!("the plan said at least {least} ms, and the run took {took}"));
    }
}

/// An action is sent only where it may be, and only when its time has come.
pub fn action_allowed(world: &World, action: &Action, spec: &StackSpec) {
    if world.lost.contains(&action.node) {
        fail(world, &format!("{} on {}, which is given up", action.what.verb(), action.node));
    }
    if world.told_silent.contains(&action.node) {
        fail(world, &format!("{} on {}, which is known to be silent", action.what.verb(), action.node));
    }
    match &action.what {
        What::StopTask { task, .. } => none_missed(world, task, spec, &action.why),
        What::StartTask { task }
            if world.gone_back.contains(&(task.service.service.clone(), task.slot.clone())) =>
        {
            fail(world, &format!("{} is started in a slot that went back", task.container_name()));
        }
        What::StartAgain { task } => {
            let service = spec.services.get(&task.service);
            let beside = world
                .tasks()
                .filter(|other| {
                    other.service == task.service && other.slot == task.slot && other.id != task.id
                })
                .filter(|other| runs(other.status) && !world.excused.contains(&other.node))
                // Started late, for a run that was killed: the lease makes the next run wait for such.
                .filter(|other| !world.unlucky.contains(&other.id))
                .count();
            let order = service.map(|service| service.rollback_config.order);
            if beside > usize::from(order == Some(UpdateOrder::StartFirst)) {
                fail(
                    world,
                    &format!("{} is started again beside {beside} of its slot", task.container_name()),
                );
            }
        }
        _ => {}
    }
    if let What::StartTask { task } = &action.what {
        let node = &world.base.nodes[&action.node];
        if node.member.availability != stackctl::model::Availability::Active {
            fail(world, &format!("a task is started on {}, which is not active", action.node));
        }
        let service = &spec.services[&task.service.service];
        if !world.containers[&action.node].contains_key(&task.id) {
            fail(world, &format!("{} is started before it is made", task.container_name()));
        }
        alone_in_slot(world, task, spec);
        in_motion(world, service.update_config.parallelism, &task.service.service, spec);
    }
}

/// No more than `parallelism` slots of a service are without a running task because of an update.
///
/// Counted from the hosts: slots whose newest task is of the wanted spec and not running, while an older
/// one of the slot was stopped on purpose (status 143). A slot that was down before the run is filled, not
/// updated: it does not count.
fn in_motion(world: &World, parallelism: u32, service: &ServiceName, spec: &StackSpec) {
    let update = &spec.services[service].update_config;
    // Under `continue`, or a ratio, a slot that failed stays down while others move: it cannot be told apart here.
    let blind = update.order == UpdateOrder::StartFirst
        || update.failure_action == FailureAction::Continue
        || update.max_failure_ratio > 0.0;
    if parallelism == 0 || blind {
        return;
    }
    let wanted = stackctl::model::testing::hash_of(&spec.name, &spec.services[service]);
    let mut slots: BTreeMap<&Slot, (bool, bool, bool)> = BTreeMap::new();
    for task in world.tasks().filter(|task| task.service == *service) {
        let entry = slots.entry(&task.slot).or_default();
        entry.0 |= runs(task.status);
        entry.1 |= task.status == TaskStatus::Exited { exit_code: 143 } && task.spec_hash != wanted;
        entry.2 |= task.status == TaskStatus::Created && task.spec_hash == wanted;
    }
    let moving = slots
        .iter()
        .filter(|(slot, (runs, stopped, made))| {
            let was_up = world.up_at_start.contains_key(&(service.clone(), (**slot).clone()));
            was_up && !runs && *stopped && *made
        })
        .count();
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
            let wanted = spec.services.get(&task.service);
            let wanted = wanted.map(|service| stackctl::model::testing::hash_of(&spec.name, service));
            if wanted.as_ref() != Some(&task.spec_hash) {
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
