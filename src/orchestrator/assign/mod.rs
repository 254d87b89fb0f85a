//! From what is and what is wanted to one decision per slot: keep, create, replace, remove, and where.
//!
//! Every placement is made here, before anything is done, so that the plan that is shown is the plan
//! that is carried out: what follows ([`super::converge`]) only puts these decisions in order. Pure: the
//! same observation and spec give the same assignment, whatever the time.

mod history;
mod in_place;
pub(crate) mod loss;
mod order;
mod place;
mod readiness;
mod resources;
mod room;
mod service;
mod service_plan;
mod slot;
mod stay;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::note::Note;
use super::options::PlanOptions;
use super::problem::Problem;
use super::scheduler::{Divisions, FilterKind, Occupants};
use super::site::{Site, sites};
use crate::model::action::{InPlaceUpdate, TaskHandle, TaskPlan, What};
use crate::model::ids::{NodeName, ServiceName, TaskId};
use crate::model::node::Member;
use crate::model::reason::Reason;
use crate::model::secret_env;
use crate::model::spec::{DependencyCondition, NoVersion, StackSpec, TASKS_MAX, UpdateConfig};
use crate::model::task::Task;
use crate::model::{GoDuration, Observed, TaskStatus};

use loss::Lost;
pub use readiness::Readiness;
use service_plan::secret_content;

/// Everything that was decided about a stack.
#[derive(Debug, Clone)]
pub struct Assignment {
    /// Nodes by index, in order of name.
    pub nodes: Vec<NodeName>,
    /// Made before any task is touched: networks, volumes, images.
    pub prepare: Vec<Step>,
    /// Services in order of dependency, then name.
    pub services: Vec<ServiceWork>,
    /// Networks that go when everything else is done.
    pub unused_networks: Vec<Step>,
    /// If a service fails, the whole stack goes back.
    pub atomic: bool,
    /// What a person should know.
    pub notes: Vec<Note>,
    pub problems: Vec<Problem>,
}

/// An action before it has a number.
#[derive(Debug, Clone)]
pub struct Step {
    /// Index of the node.
    pub node: usize,
    pub what: What,
    pub why: Reason,
}

/// What is to be done about one service.
#[derive(Debug, Clone)]
pub struct ServiceWork {
    /// Short name.
    pub name: ServiceName,
    /// How changed tasks are replaced. For removed services it does not matter.
    pub update: UpdateConfig,
    /// How they are put back when that fails.
    pub rollback: UpdateConfig,
    /// How long its health check may take to decide, in milliseconds, if it has one.
    pub startup_ms: Option<i64>,
    /// How soon a fresh task can count as up.
    pub readiness: Readiness,
    /// Tasks of a job that may run at a time; `u32::MAX` for other services.
    pub max_concurrent: u32,
    /// Whether the tasks are meant to end.
    pub is_job: bool,
    /// Whether it counts as up only when its tasks have ended with status 0: a job, or a service that
    /// another one waits for with `service_completed_successfully`.
    pub must_complete: bool,
    /// Restart policy, for judging ends.
    pub restart: crate::model::spec::RestartPolicy,
    /// Indices of services that must be up first.
    pub depends_on: Vec<(usize, DependencyCondition)>,
    /// Slots that need anything done, or that need watching.
    pub slots: Vec<SlotWork>,
    /// Slots that stay as they are and are up.
    pub kept: u32,
}

/// What is to be done about one slot.
#[derive(Debug, Clone)]
pub struct SlotWork {
    /// What, in one word.
    pub kind: SlotKind,
    /// Node of the fresh task; of the old one if there is no fresh one.
    pub node: usize,
    /// The task to make, or to go on with as `adopt` says.
    pub fresh: Option<Arc<TaskPlan>>,
    /// Whether the fresh task's container is there already.
    pub adopt: Adopt,
    /// Live tasks that go; the first of them serves on until the fresh one is up, if that is `beside`.
    pub old: Vec<OldTask>,
    /// Ended tasks to remove once the slot is settled.
    pub expired: Vec<OldTask>,
    /// A task that stays, and is not up yet or has not completed.
    pub watch: Option<(TaskHandle, TaskStatus)>,
    /// What is changed about the task that stays.
    pub update: Option<Arc<InPlaceUpdate>>,
    /// Start-first, where that can be had: the fresh task is up before the old one goes.
    pub beside: bool,
    /// The old task can be started again while the fresh one still runs.
    pub may_return_beside: bool,
    /// Tasks elsewhere in the stack that hold a port or the room that the fresh one needs; they go first.
    pub after: Vec<TaskId>,
    pub why: Reason,
}

/// How much of a fresh task an earlier run has left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Adopt {
    /// Nothing.
    No,
    /// Its container, never started.
    Created,
    /// It was started beside the task it replaces: a run ended half way under start-first, or on its way
    /// back. It has yet to prove itself.
    Started(TaskStatus),
}

/// One word for what happens to a slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum SlotKind {
    /// Stays; only watched.
    Keep,
    /// Keeps its task, which is changed as it runs.
    InPlace,
    /// Gets a task.
    Create,
    /// Gets another task.
    Replace,
    /// Loses its task.
    Remove,
}

/// A task that goes.
#[derive(Debug, Clone)]
pub struct OldTask {
    pub handle: TaskHandle,
    /// Index of its node.
    pub node: usize,
    /// Needs no stop: it never ran, or has ended.
    pub idle: bool,
    /// It does its work.
    pub is_up: bool,
    /// Its own grace period.
    pub grace: Option<GoDuration>,
    /// Why, where it differs from the slot's reason.
    pub why: Reason,
    /// Is removed rather than kept for a post-mortem.
    pub discard: bool,
}

impl SlotWork {
    /// Its turn among the slots of a service that get another task. What an earlier run has begun is
    /// brought to its end first; then broken slots, which have nothing to lose. SwarmKit takes slots in
    /// random order.
    pub(super) fn turn(&self) -> u8 {
        match self.adopt {
            Adopt::Started(_) => 0,
            Adopt::No | Adopt::Created => {
                1 + u8::from(self.update.is_some() || self.old.iter().any(|old| old.is_up))
            }
        }
    }
}

/// Decides about every slot of a stack.
#[must_use]
pub fn assign(observed: &Observed, spec: &StackSpec, options: PlanOptions) -> Assignment {
    // What is in configs that change in place is compared as it is, and labels have marks of it.
    let shown;
    let observed = match spec.services.values().any(|service| service.task.on_config.is_some()) {
        true => {
            let mut known = observed.clone();
            known.unmask(spec);
            shown = known;
            &shown
        }
        false => observed,
    };
    if options.lost.is_empty() {
        return assign_to(observed, &Lost::default().and_drained(observed, &spec.name), spec, options);
    }
    let (left, lost) = loss::give_up(observed, &options, &spec.name);
    let lost = lost.and_drained(&left, &spec.name);
    assign_to(&left, &lost, spec, options)
}

fn assign_to(observed: &Observed, lost: &Lost, spec: &StackSpec, options: PlanOptions) -> Assignment {
    let sites = sites(observed);
    let mut plan = Planner {
        observed,
        lost,
        spec,
        options,
        occupants: has_affinities(spec).then(|| Occupants::of(&sites)),
        sites,
        index: observed.nodes.keys().enumerate().map(|(at, name)| (name, at)).collect(),
        running: BTreeMap::new(),
        divisions: Divisions::default(),
        not_awaited: BTreeSet::new(),
        notes: Vec::new(),
        problems: Vec::new(),
    };
    for task in observed.tasks().filter(|task| task.stack == spec.name) {
        plan.running.entry(&task.service).or_default().push(task);
    }
    plan.look_around();
    plan.break_circles();
    let mut services = Vec::new();
    // Before anything is made for any of them: memory for so many tasks there may not be.
    match too_many_tasks(spec, observed.nodes.len()) {
        Some(problem) => plan.problems.push(problem),
        None => {
            services.extend(plan.removed_services());
            services.extend(plan.wanted_services());
        }
    }
    plan.hand_over_room(&mut services);
    // What a host that does not answer leaves without a node is no reason to add nodes.
    if plan.problems.iter().any(Problem::is_silence) {
        let follows = |problem: &Problem| matches!(problem, Problem::Unplaced(why) if why.counts.contains_key(&FilterKind::Ready));
        plan.problems.retain(|problem| !follows(problem));
    }
    let prepare = plan.prepare(&services);
    let unused_networks = plan.unused_networks(&services);
    plan.notes.sort();
    plan.notes.dedup();
    Assignment {
        nodes: observed.nodes.keys().cloned().collect(),
        prepare,
        services,
        unused_networks,
        atomic: plan.options.atomic,
        notes: plan.notes,
        problems: plan.problems,
    }
}

/// The number of tasks, if it is more than any stack may have.
fn too_many_tasks(spec: &StackSpec, nodes: usize) -> Option<Problem> {
    let all = || spec.services.values().map(|service| (service.mode.tasks(nodes), &service.name));
    let tasks = all().fold(0_u64, |sum, (tasks, _)| sum.saturating_add(tasks));
    let (_, service) = all().max()?;
    let problem = || Problem::TooManyTasks { service: service.clone(), tasks, max: TASKS_MAX };
    (tasks > TASKS_MAX).then(problem)
}

/// Whether any service has an affinity.
fn has_affinities(spec: &StackSpec) -> bool {
    let mut placements = spec.services.values().map(|service| &service.placement);
    // Cheaper than to read them all, and wrong at worst for texts that cannot be read.
    placements.any(|placement| {
        placement.constraints.iter().any(|text| text.contains(':') && text.contains("ffinity"))
    })
}

/// The planner's state: its inputs, and what it has assigned so far.
struct Planner<'o> {
    observed: &'o Observed,
    lost: &'o Lost,
    spec: &'o StackSpec,
    options: PlanOptions,
    sites: Vec<Site<'o>>,
    /// Occupants of each node, if any service has an affinity.
    occupants: Option<Occupants>,
    index: BTreeMap<&'o NodeName, usize>,
    /// Tasks of this stack by service.
    running: BTreeMap<&'o ServiceName, Vec<&'o Task>>,
    divisions: Divisions,
    /// Dependencies that are dropped: the dependent, and what it would wait for.
    not_awaited: BTreeSet<(ServiceName, ServiceName)>,
    notes: Vec<Note>,
    problems: Vec<Problem>,
}

impl<'o> Planner<'o> {
    /// Notes about the cluster, whatever the stack.
    fn look_around(&mut self) {
        self.look_for_members();
        let is_lost = |member: &Member| self.options.lost.contains(&member.name);
        let concerns = |member: &Member| self.observed.may_hold(&member.name, &self.spec.name);
        let silent = || self.observed.silent().filter(|(member, _)| concerns(member));
        for (member, why) in silent().filter(|(member, _)| is_lost(member)) {
            let why = why.reason.clone();
            self.notes.push(Note::NodeLost { node: member.name.clone(), why });
        }
        if let Some(why) = &self.observed.hosts_unknown {
            self.problems.push(Problem::HostsUnknown { why: why.clone() });
        }
        if let Some(why) = &self.observed.records_unknown {
            self.problems.push(Problem::RecordsUnknown { why: why.clone() });
        }
        for (member, why) in self.observed.silent_for(&self.spec.name).filter(|(member, _)| !is_lost(member))
        {
            let node = member.name.clone();
            self.problems.push(match self.observed.is_missing(&node) {
                true => Problem::Missing { address: member.address.clone(), node },
                false => Problem::Silent { node, why: why.clone() },
            });
        }
        for (member, why) in silent().filter(|(member, _)| !is_lost(member)) {
            if member.availability == crate::model::Availability::Drain {
                let why = why.reason.clone();
                self.notes.push(Note::SilentNodeIgnored { node: member.name.clone(), why });
            }
        }
        for (member, facts) in self.observed.reachable() {
            if facts.swarm_active {
                self.notes.push(Note::SwarmModeActive { node: member.name.clone() });
            }
            for found in &facts.unreadable {
                let (node, container) = (member.name.clone(), found.name.clone());
                let why = found.why.clone();
                if found.may_work_in(&self.spec.name) {
                    self.problems.push(Problem::NotUnderstood { node, container, why });
                } else {
                    self.notes.push(Note::UnreadableContainer { node, container, why });
                }
            }
        }
        self.look_at_secrets();
    }

    /// Those that services use.
    fn look_at_secrets(&mut self) {
        for (key, secret) in &self.spec.secrets {
            let uses = |service: &&crate::model::ServiceSpec| {
                service.task.secrets.values().any(|mount| mount.source == *key)
            };
            let services: Vec<_> =
                self.spec.services.values().filter(uses).map(|service| service.name.clone()).collect();
            if services.is_empty() {
                continue;
            }
            if secret.version.is_empty() {
                let (why, help) = match secret.unknown.as_deref() {
                    Some(NoVersion { why, help }) => (why.clone(), help.clone()),
                    None => (
                        "its file or variable is not here, and no release of the stack tells".to_owned(),
                        "plan where it is".to_owned(),
                    ),
                };
                self.problems.push(Problem::NoSecret { secret: key.clone(), services, why, help });
            }
        }
        for service in self.spec.services.values() {
            let variables: Vec<String> = secret_env::names(&service.task).map(str::to_owned).collect();
            if !variables.is_empty() {
                self.notes.push(Note::SecretVariables { service: service.name.clone(), variables });
            }
        }
        let mut in_memory: BTreeSet<&String> = BTreeSet::new();
        for mount in self.spec.services.values().flat_map(|service| service.task.configs.values()) {
            let config = self.spec.configs.get(&mount.source);
            if config.is_some_and(|config| secret_content(config, mount).is_some()) {
                in_memory.insert(&mount.source);
            }
        }
        if !in_memory.is_empty() {
            let configs = in_memory.into_iter().cloned().collect();
            self.notes.push(Note::ConfigsInMemory { configs });
        }
    }

    /// What the ledger remembers of members, against what the inventory names.
    fn look_for_members(&mut self) {
        let (observed, stack) = (self.observed, &self.spec.name);
        let is_elsewhere = |name: &&NodeName| observed.is_missing(name) && !observed.may_hold(name, stack);
        for node in observed.nodes.keys().filter(is_elsewhere) {
            self.notes.push(Note::NodeMissing { node: node.clone() });
        }
        for (old, new) in observed.renamed() {
            self.notes.push(Note::NodeRenamed { old: old.clone(), new: new.clone() });
        }
        for node in observed.replaced(stack) {
            let remembered_as = observed.remembered_as(node).cloned();
            self.problems.push(Problem::OtherMachine { node: node.clone(), remembered_as });
        }
        for (node, other) in observed.doubled() {
            self.problems.push(Problem::TwoNames { node: node.clone(), other: other.clone() });
        }
    }

    /// Whether a service's tasks are meant to end. A service that another waits for to complete is run
    /// like a job: restarting it after a good end would keep the other waiting for ever.
    fn must_complete(&self, service: &crate::model::ServiceSpec) -> bool {
        let waited_for = |other: &crate::model::ServiceSpec| {
            other.depends_on.get(&service.name) == Some(&DependencyCondition::ServiceCompletedSuccessfully)
                && !self.not_awaited.contains(&(other.name.clone(), service.name.clone()))
        };
        service.mode.is_job() || self.spec.services.values().any(waited_for)
    }

    fn node_index(&self, name: &NodeName) -> usize {
        self.index[name]
    }

    /// A task that goes. One that never ran has no logs, and is always removed.
    fn old(&self, task: &Task, why: Reason, discard: bool) -> OldTask {
        let never_ran = task.status == TaskStatus::Created;
        OldTask {
            handle: handle(task),
            node: self.node_index(&task.node),
            idle: !task.is_live() || never_ran,
            is_up: task.status.is_up(),
            grace: task.spec.stop_grace_period,
            why,
            discard: discard || never_ran,
        }
    }

    /// Services that run and are not in the stackfile: all their tasks go, with `prune`.
    fn removed_services(&mut self) -> Vec<ServiceWork> {
        let gone: Vec<&'o ServiceName> = self
            .running
            .keys()
            .copied()
            .filter(|name| !self.spec.services.contains_key(name.as_str()))
            .collect();
        let mut work = Vec::new();
        for name in gone {
            if !self.options.prune {
                self.notes.push(Note::NotInStackfile { service: name.clone() });
                continue;
            }
            let mut slots: BTreeMap<&'o crate::model::Slot, Vec<&'o Task>> = BTreeMap::new();
            for task in self.running[name].clone() {
                self.release(task);
                slots.entry(&task.slot).or_default().push(task);
            }
            let slots =
                slots.into_values().map(|tasks| self.removal(&tasks, Reason::ServiceRemoved)).collect();
            work.push(ServiceWork {
                name: name.clone(),
                update: UpdateConfig::default(),
                rollback: UpdateConfig::default(),
                startup_ms: None,
                readiness: Readiness::Complete,
                max_concurrent: u32::MAX,
                is_job: false,
                must_complete: false,
                restart: crate::model::spec::RestartPolicy::default(),
                depends_on: Vec::new(),
                slots,
                kept: 0,
            });
        }
        work
    }

    /// A slot whose tasks, ended ones too, are all removed.
    fn removal(&self, tasks: &[&'o Task], why: Reason) -> SlotWork {
        let (live, ended): (Vec<&Task>, Vec<&Task>) = tasks.iter().partition(|task| task.is_live());
        let old = |task: &&Task| self.old(task, why.clone(), true);
        SlotWork {
            kind: SlotKind::Remove,
            node: self.node_index(&tasks[0].node),
            fresh: None,
            adopt: Adopt::No,
            old: live.iter().map(old).collect(),
            expired: ended.iter().map(old).collect(),
            watch: None,
            update: None,
            beside: false,
            may_return_beside: false,
            after: Vec::new(),
            why: why.clone(),
        }
    }

    fn release(&mut self, task: &Task) {
        let at = self.node_index(&task.node);
        self.sites[at].release(task);
        self.leaves(task);
    }

    /// A task will be gone, even if its resources are not free yet.
    fn leaves(&mut self, task: &Task) {
        let at = self.node_index(&task.node);
        if let Some(occupants) = &mut self.occupants {
            occupants.leave(at, task);
        }
    }
}

/// What later actions on an observed task need.
pub(super) fn handle(task: &Task) -> TaskHandle {
    TaskHandle {
        id: task.id.clone(),
        stack: task.stack.clone(),
        service: task.service.clone(),
        slot: task.slot.clone(),
    }
}
