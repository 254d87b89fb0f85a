//! One service: which slots it should have, and the decision for each.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::super::note::Note;
use super::super::problem::Problem;
use super::super::scheduler::{FilterKind, Request, Tally, Unplaced, refusal};
use super::service_plan::service_plan;
use super::slot::{Fate, Found, keep_lowest};
use super::{Adopt, Planner, ServiceWork, SlotKind, SlotWork, handle, loss};
use crate::diff::task_changes;
use crate::model::action::{ServicePlan, TaskPlan};
use crate::model::in_place::{Retune, Tuning};
use crate::model::node::Availability;
use crate::model::reason::Reason;
use crate::model::spec::{Healthcheck, RestartCondition, ServiceMode, ServiceSpec};
use crate::model::task::{Slot, Task};
use crate::model::template;
use crate::model::{ServiceName, SpecHash, TaskId, TaskSpec, TaskStatus};

/// What is known of one service while its slots are decided.
pub(super) struct Table<'p> {
    pub(super) service: &'p ServiceSpec,
    pub(super) plan: Arc<ServicePlan>,
    pub(super) request: Request,
    /// What tasks are to have that is no reason to replace them.
    pub(super) tuning: Tuning,
    templated: bool,
    /// Why its tasks stay on a drained node, if they do.
    pub(super) stays: Option<String>,
    /// Old spec hash to the fields that differ from the wanted one.
    fields: BTreeMap<SpecHash, Arc<[String]>>,
    /// Slots with at least one task before this run.
    slots_before: u32,
    slots_wanted: u32,
}

/// A slot that needs a task, before it is known where.
pub(super) struct Open<'o> {
    pub(super) found: Found<'o>,
    /// A container of an earlier run that only needs to be started.
    pub(super) adopt: Option<&'o Task>,
    /// Its target node; resources are taken there.
    pub(super) target: Option<usize>,
    /// Its fresh task runs beside the old one until it is up.
    pub(super) beside: bool,
    why: Reason,
}

impl<'o> Open<'o> {
    fn new(found: Found<'o>, why: Reason) -> Self {
        Self { found, adopt: None, target: None, beside: false, why }
    }
}

impl<'o> Planner<'o> {
    pub(super) fn wanted_services(&mut self) -> Vec<ServiceWork> {
        let order = self.in_order();
        let offset_of: BTreeMap<&ServiceName, usize> =
            order.iter().enumerate().map(|(at, service)| (&service.name, at)).collect();
        // Removed services come before these in the list; they depend on nothing, nothing on them.
        let removed = if self.options.prune {
            self.running.keys().filter(|name| !self.spec.services.contains_key(name.as_str())).count()
        } else {
            0
        };
        let mut all = Vec::with_capacity(order.len());
        for service in &order {
            let mut work = self.service(service);
            work.depends_on = self
                .awaited(service)
                .filter_map(|(name, condition)| Some((removed + offset_of.get(name)?, condition)))
                .collect();
            all.push(work);
        }
        all
    }

    fn service(&mut self, service: &'o ServiceSpec) -> ServiceWork {
        let must_complete = self.must_complete(service);
        let mut work = ServiceWork {
            name: service.name.clone(),
            update: service.update_config,
            rollback: service.rollback_config,
            startup_ms: service.task.healthcheck.as_ref().map(Healthcheck::startup_ms),
            readiness: self.readiness(service, must_complete),
            max_concurrent: u32::MAX,
            is_job: service.mode.is_job(),
            must_complete,
            restart: service.task.restart_policy,
            depends_on: Vec::new(),
            slots: Vec::new(),
            kept: 0,
        };
        let mut table = match self.table(service, must_complete) {
            Ok(table) => table,
            Err(problem) => {
                self.problems.push(problem);
                return work;
            }
        };
        self.note_service(service);
        self.note_swaps(&table);
        // A service whose mode changed has slots of the other kind: they go.
        let (found, other_kind): (Vec<Found>, Vec<Found>) =
            self.found(service).into_iter().partition(|found| {
                let newest =
                    found.live.iter().chain(&found.ended).chain(&found.lost).max_by_key(|task| task.attempt);
                matches!(found.slot, Slot::Node(_)) == service.mode.is_global()
                    && newest.is_none_or(|task| task.is_job == must_complete)
            });
        for found in &other_kind {
            let why = Reason::SpecChanged { fields: Arc::from(["deploy.mode".to_owned()]) };
            self.remove_slot(&mut work, found, why);
        }
        table.slots_before = u32::try_from(found.len()).unwrap_or(u32::MAX);
        match service.mode {
            ServiceMode::Replicated { replicas } => self.numbered(&mut table, &mut work, found, replicas, 1),
            ServiceMode::ReplicatedJob { total, max_concurrent } => {
                work.max_concurrent = max_concurrent.max(1);
                self.numbered(&mut table, &mut work, found, total, 0);
            }
            ServiceMode::Global | ServiceMode::GlobalJob => self.global(&mut table, &mut work, found),
        }
        // Slots of both kinds may share a number: the old kind's task is gone before the new one starts.
        for slot in work.slots.iter_mut().filter(|_| !other_kind.is_empty()) {
            let Some(fresh) = &slot.fresh else { continue };
            let namesakes = other_kind.iter().filter(|found| found.slot == fresh.slot);
            slot.after.extend(namesakes.flat_map(|found| &found.live).map(|task| task.id.clone()));
        }
        self.note_order(&table, &work);
        work.slots.sort_by_cached_key(|slot| (slot.kind, slot.slot()));
        work
    }

    /// What is known of a service before any slot is looked at, or why it cannot be placed at all.
    fn table(&self, service: &'o ServiceSpec, must_complete: bool) -> Result<Table<'o>, Problem> {
        let plan = service_plan(self.observed, self.spec, service, must_complete)?;
        let request = Request::of(service, self.spec)
            .map_err(|why| Problem::BadConstraint { service: service.name.clone(), why: why.to_string() })?;
        Ok(Table {
            service,
            plan: Arc::new(plan),
            request,
            tuning: Tuning::of(&service.task),
            templated: template::is_templated(&service.task),
            stays: loss::stays(service, self.spec),
            fields: BTreeMap::new(),
            slots_before: 0,
            slots_wanted: 0,
        })
    }

    /// The slots of a service that have tasks, and those that are known to have lost theirs.
    fn found(&self, service: &ServiceSpec) -> Vec<Found<'o>> {
        let tasks = self.running.get(&service.name).cloned().unwrap_or_default();
        let mut by_slot: BTreeMap<&Slot, Vec<&'o Task>> = BTreeMap::new();
        for task in tasks {
            by_slot.entry(&task.slot).or_default().push(task);
        }
        for slot in self.lost.slots(&service.name).filter(|_| !service.mode.is_global()) {
            by_slot.entry(slot).or_default();
        }
        let lost = self.lost;
        let found = by_slot.into_iter().map(|(slot, tasks)| Found {
            lost: lost.task(&service.name, slot),
            ..Found::sort(slot.clone(), tasks)
        });
        found.collect()
    }

    fn note_service(&mut self, service: &ServiceSpec) {
        let policy = &service.task.restart_policy;
        let say = |why: &str| Note::RestartPolicyApproximated {
            service: service.name.clone(),
            why: why.to_owned(),
        };
        if policy.condition == RestartCondition::Any && policy.max_attempts > 0 && !service.mode.is_job() {
            self.notes.push(say("the engine limits attempts only for ends with a status other than 0"));
        }
        if service.task.network_mode.is_none() {
            let ingress: Vec<String> = service
                .task
                .ports
                .iter()
                .filter(|port| port.mode == crate::model::spec::PublishMode::Ingress)
                .filter_map(|port| port.published.map(|number| format!("{}:{number}", service.name)))
                .collect();
            if !ingress.is_empty() {
                match self.notes.iter_mut().find(|note| matches!(note, Note::IngressIsLocal { .. })) {
                    Some(Note::IngressIsLocal { ports }) => ports.extend(ingress),
                    _ => self.notes.push(Note::IngressIsLocal { ports: ingress }),
                }
            }
        }
    }

    /// Replicated services and jobs: `wanted` slots, numbered from `first`.
    fn numbered(
        &mut self,
        table: &mut Table<'_>,
        work: &mut ServiceWork,
        found: Vec<Found<'o>>,
        wanted: u32,
        first: u32,
    ) {
        table.slots_wanted = wanted;
        let (kept, surplus) = keep_lowest(found, wanted as usize, |task| self.lasts(table, task).is_none());
        for found in surplus {
            self.remove_slot(work, &found, Reason::ScaledDown { from: table.slots_before, to: wanted });
        }
        let mut tally = self.tally(table);
        let (mut open, mut moving) = (Vec::new(), Vec::new());
        let mut taken: std::collections::BTreeSet<u32> = std::collections::BTreeSet::new();
        for found in kept {
            if let Slot::Replica(number) = found.slot {
                taken.insert(number);
            }
            if let Some((home, target)) = self.move_asked_for(table, &found) {
                tally.counts[home] += 1;
                moving.push((found, home, target));
            } else if let Some(at) = self.settle(table, work, found, &mut open) {
                tally.counts[at] += 1;
            }
        }
        // Once it is known where all the others are: the same rules hold as for a task that is new there.
        for (found, home, target) in moving {
            tally.counts[home] -= 1;
            if refusal(&table.request, &self.sites[target], &tally, target).is_ok() {
                let [from, to] = [home, target].map(|at| self.sites[at].member.name.clone());
                self.sites[target].load.add(&table.request.demand);
                tally.add(target);
                let why = Reason::Rebalanced { from, to };
                open.push(Open { target: Some(target), ..Open::new(found, why) });
            } else if let Some(at) = self.settle(table, work, found, &mut open) {
                tally.counts[at] += 1;
            }
        }
        // Counted again where they are placed, with all that come.
        for target in open.iter().filter_map(|open| open.target) {
            tally.counts[target] -= 1;
        }
        let missing = wanted.saturating_sub(u32::try_from(taken.len()).unwrap_or(u32::MAX));
        let new = if table.slots_before == 0 {
            Reason::NewService
        } else {
            Reason::ScaledUp { from: table.slots_before, to: wanted }
        };
        let free = (first..).filter(|number| !taken.contains(number)).take(missing as usize);
        for number in free {
            let found = Found::empty(Slot::Replica(number));
            if !self.held(table, &found) {
                open.push(Open::new(found, new.clone()));
            }
        }
        self.place(table, work, open, tally);
    }

    /// One task on each active node that meets constraints and platform.
    fn global(&mut self, table: &mut Table<'_>, work: &mut ServiceWork, found: Vec<Found<'o>>) {
        let mut by_node: BTreeMap<Slot, Found<'o>> =
            found.into_iter().map(|found| (found.slot.clone(), found)).collect();
        let mut unplaced = Vec::new();
        let tally = self.tally(table);
        for at in 0..self.sites.len() {
            let member = self.sites[at].member;
            let found = by_node.remove(&Slot::Node(member.name.clone()));
            for mut open in self.open_on(table, work, at, found) {
                open.beside = table.is_start_first() && table.request.check_room(&self.sites[at], 0).is_ok();
                for task in &open.found.live {
                    self.release(task);
                }
                match refusal(&table.request, &self.sites[at], &tally, at) {
                    Ok(()) => {}
                    // As with constraints: the service is not for this node.
                    Err((FilterKind::Affinity, why)) => {
                        let (service, node) = (table.service.name.clone(), member.name.clone());
                        self.notes.push(Note::NodeLeftOut { service, node, why });
                        continue;
                    }
                    Err((kind, why)) => {
                        unplaced.push((kind, member.name.clone(), why));
                        continue;
                    }
                }
                self.sites[at].load.add(&table.request.demand);
                let slot_work = self.fresh(table, open, at);
                work.slots.push(slot_work);
            }
        }
        if !unplaced.is_empty() {
            let mut counts = BTreeMap::new();
            for (kind, _, _) in &unplaced {
                *counts.entry(*kind).or_default() += 1;
            }
            self.problems.push(Problem::Unplaced(Unplaced {
                service: table.service.name.clone(),
                tasks: u32::try_from(unplaced.len()).unwrap_or(u32::MAX),
                counts,
                nodes: unplaced.into_iter().map(|(_, node, why)| (node, why)).collect(),
            }));
        }
        // Slots of nodes that are no longer in the inventory cannot be seen, and so not be here; slots
        // of silent nodes are left alone.
    }

    /// What a node's slot of a global service needs. Nothing where the node takes no task, or keeps its own.
    fn open_on(
        &mut self,
        table: &mut Table<'_>,
        work: &mut ServiceWork,
        at: usize,
        found: Option<Found<'o>>,
    ) -> Vec<Open<'o>> {
        let mut open = Vec::new();
        let site = &self.sites[at];
        let member = site.member;
        if site.view.is_err() {
            return open;
        }
        // Paused nodes are neither given tasks nor updated (SwarmKit's `global.go`).
        if member.availability == Availability::Pause {
            work.kept += u32::from(found.is_some_and(|found| !found.live.is_empty()));
            return open;
        }
        if let Err(kind) = table.request.check_lasting(site) {
            let why = table.request.explain(kind, site);
            if let Some(found) = found {
                let why = Reason::NoLongerFits { node: member.name.clone(), why: Arc::from(why.as_str()) };
                self.remove_slot(work, &found, why);
            } else if kind == FilterKind::Platform {
                let (service, node) = (table.service.name.clone(), member.name.clone());
                self.notes.push(Note::NodeLeftOut { service, node, why });
            }
            return open;
        }
        if member.availability == Availability::Drain {
            if let Some(found) = found {
                self.remove_slot(work, &found, Reason::NodeDrained { node: member.name.clone() });
            }
            return open;
        }
        match found {
            Some(found) => {
                self.settle(table, work, found, &mut open);
            }
            None => {
                let is_new = table.slots_before == 0;
                let why = if is_new { Reason::NewService } else { Reason::NodeWithoutTask };
                open.push(Open::new(Found::empty(Slot::Node(member.name.clone())), why));
            }
        }
        open
    }

    /// Whether a task must leave its node, and why.
    pub(super) fn lasts(&self, table: &Table<'_>, task: &Task) -> Option<Reason> {
        let site = &self.sites[self.node_index(&task.node)];
        if site.member.availability == Availability::Drain && !self.keeps(table, task) {
            return Some(Reason::NodeDrained { node: task.node.clone() });
        }
        let kind = table.request.check_lasting(site).err()?;
        let why = table.request.explain(kind, site);
        Some(Reason::NoLongerFits { node: task.node.clone(), why: Arc::from(why) })
    }

    /// A slot with tasks in it: keeps one and returns its node, or leaves the slot open with a reason.
    fn settle(
        &mut self,
        table: &mut Table<'_>,
        work: &mut ServiceWork,
        found: Found<'o>,
        open: &mut Vec<Open<'o>>,
    ) -> Option<usize> {
        let (policy, is_job) = (&table.service.task.restart_policy, table.plan.is_job);
        let rests = self.rest(table, &found.slot);
        let stays = |task: &Task| {
            let is_sick = self.options.upkeep && task.status.is_unhealthy();
            let is_alone = found.live.len() == 1;
            let stays_as_it_is = match self.retune(table, task) {
                Retune::None => true,
                Retune::Remember | Retune::Engine => is_alone,
                Retune::Replace => false,
            };
            self.lasts(table, task).is_none() && (!is_sick || rests.is_some()) && stays_as_it_is
        };
        let fate = found.fate(&table.plan.spec_hash, policy, is_job, stays);
        match fate {
            Fate::Complete => {
                work.kept += 1;
                self.expire_kept(work, &found);
                None
            }
            Fate::Keep(task) => {
                self.settle_on(table, work, found, task);
                Some(self.node_index(&task.node))
            }
            // Its successor could not be placed where the data is.
            Fate::Adopt(_) | Fate::Fresh if let Some(task) = self.kept_by_drain(table, &found) => {
                self.note_kept(table, task, true);
                self.keep(work, task);
                Some(self.node_index(&task.node))
            }
            Fate::Adopt(task) => {
                let why = self.reason_for(table, &found, true);
                open.push(Open { adopt: Some(task), ..Open::new(found, why) });
                None
            }
            Fate::Fresh if self.held(table, &found) => None,
            Fate::Fresh if let Some(why) = rests.filter(|_| found.live.is_empty()) => {
                let (service, slot) = (table.service.name.clone(), found.slot.clone());
                self.notes.push(Note::Resting { service, slot, why });
                None
            }
            Fate::Fresh => {
                let why = self.reason_for(table, &found, false);
                open.push(Open::new(found, why));
                None
            }
        }
    }

    /// A slot that keeps a task: all others in it go.
    fn settle_on(&mut self, table: &mut Table<'_>, work: &mut ServiceWork, found: Found<'o>, task: &'o Task) {
        if self.keeps(table, task) {
            self.note_kept(table, task, false);
        }
        let others = self.retired(&found, Some(task), &Reason::Duplicate, false);
        for other in found.live.iter().filter(|other| other.id != task.id) {
            self.release(other);
        }
        if others.is_empty() {
            if !self.keep_in_place(table, work, task) {
                self.keep(work, task);
            }
            self.expire_kept(work, &found);
            return;
        }
        let why = self.surplus_reason(table, &found, task);
        let at = self.node_index(&task.node);
        if found.live.iter().any(|other| other.spec_hash != task.spec_hash) {
            // The one it was to replace goes once it has proved itself, not before.
            let open = Open { adopt: Some(task), ..Open::new(found, why) };
            let slot = self.fresh(table, open, at);
            work.slots.push(slot);
            return;
        }
        let expired = self.expired(&found, &others);
        work.slots.push(SlotWork {
            kind: SlotKind::Remove,
            node: at,
            fresh: None,
            adopt: Adopt::No,
            old: others,
            expired,
            watch: None,
            update: None,
            beside: false,
            may_return_beside: false,
            after: Vec::new(),
            why,
        });
        work.kept += 1;
    }

    pub(super) fn tally(&self, table: &Table<'_>) -> Tally {
        let (request, service) = (&table.request, table.service);
        Tally::of(request, service, &self.spec.name, self.occupants.as_ref(), &self.sites)
    }

    fn keep(&self, work: &mut ServiceWork, task: &Task) {
        if !work.must_complete && (task.status.is_up() || self.options.upkeep) {
            work.kept += 1;
            return;
        }
        work.slots.push(SlotWork {
            kind: SlotKind::Keep,
            node: self.node_index(&task.node),
            fresh: None,
            adopt: Adopt::No,
            old: Vec::new(),
            expired: Vec::new(),
            watch: Some((handle(task), task.status)),
            update: None,
            beside: false,
            may_return_beside: false,
            after: Vec::new(),
            why: Reason::NeverStarted,
        });
    }

    fn surplus_reason(&self, table: &mut Table<'_>, found: &Found<'o>, kept: &Task) -> Reason {
        let changed =
            found.live.iter().find(|task| task.id != kept.id && task.spec_hash != table.plan.spec_hash);
        match changed {
            Some(task) => Reason::SpecChanged { fields: table.fields_changed(task) },
            None => Reason::Duplicate,
        }
    }

    fn reason_for(&self, table: &mut Table<'_>, found: &Found<'o>, adopt: bool) -> Reason {
        let changed =
            found.live.iter().chain(&found.ended).find(|task| task.spec_hash != table.plan.spec_hash);
        let leaving = found.live.iter().find_map(|task| self.lasts(table, task));
        let outgrown = found.live.iter().find_map(|task| self.outgrown(table, task));
        match (found.live.is_empty(), leaving, changed) {
            // Moved because it must, even if it would have been replaced as well.
            (false, Some(leaving), _) => leaving,
            (false, None, Some(task)) if found.live.iter().any(|live| live.id == task.id) => {
                Reason::SpecChanged { fields: table.fields_changed(task) }
            }
            (false, None, _) if let Some(why) = outgrown => why,
            (false, None, _) if adopt => Reason::NeverStarted,
            (false, None, _) if found.live.iter().any(|task| task.status.is_unhealthy()) => Reason::Unhealthy,
            (false, None, _) => Reason::TaskEnded { exit_code: None },
            (true, _, _) if let Some(task) = found.lost => Reason::NodeLost { node: task.node.clone() },
            (true, _, _) => {
                let last = found.ended.first();
                match last {
                    Some(task) if task.spec_hash != table.plan.spec_hash => {
                        Reason::SpecChanged { fields: table.fields_changed(task) }
                    }
                    Some(task) => Reason::TaskEnded {
                        exit_code: match task.status {
                            crate::model::TaskStatus::Exited { exit_code } => Some(exit_code),
                            _ => None,
                        },
                    },
                    None => Reason::NewService,
                }
            }
        }
    }

    fn remove_slot(&mut self, work: &mut ServiceWork, found: &Found<'o>, why: Reason) {
        let tasks: Vec<&'o Task> = found.live.iter().chain(&found.ended).copied().collect();
        if tasks.is_empty() {
            return;
        }
        for task in &found.live {
            self.release(task);
        }
        let slot = self.removal(&tasks, why);
        work.slots.push(slot);
    }

    /// What templates of a task may ask for, where its node is known.
    fn fields(&self, table: &Table<'_>, task: &TaskId, slot: &Slot, at: usize) -> Option<template::Fields> {
        let (stack, service, member) = (&self.spec.name, table.service, self.sites[at].member);
        let facts = self.sites[at].view.ok()?;
        Some(template::Context { stack, service, member, facts, task, slot }.fields())
    }

    /// A task that runs, as it would be made with the wanted spec.
    pub(super) fn made_again(&self, table: &Table<'_>, task: &Task, at: usize) -> Arc<TaskPlan> {
        let (spec, fields) = self.filled_in(table, &task.id, &task.slot, at);
        let (slot, node, id) = (task.slot.clone(), task.node.clone(), task.id.clone());
        Arc::new(TaskPlan {
            service: table.plan.clone(),
            slot,
            node,
            attempt: task.attempt,
            id,
            spec,
            fields,
        })
    }

    /// The spec of a task with its templates filled in, and what those of its files are filled in with.
    fn filled_in(
        &self,
        table: &Table<'_>,
        task: &TaskId,
        slot: &Slot,
        at: usize,
    ) -> (Arc<TaskSpec>, Option<Arc<template::Fields>>) {
        let has_templates = table.plan.has_templates();
        let is_asked = table.templated || has_templates;
        let fields = if is_asked { self.fields(table, task, slot, at) } else { None };
        let spec = match &fields {
            Some(fields) if table.templated => template::expand(&table.service.task, fields),
            _ => table.service.task.clone(),
        };
        (spec, fields.filter(|_| has_templates).map(Arc::new))
    }

    /// The decision for a slot that gets a task on a node.
    pub(super) fn fresh(&mut self, table: &mut Table<'_>, open: Open<'o>, at: usize) -> SlotWork {
        let Open { found, adopt, why, beside, target: _ } = open;
        let node = self.sites[at].member.name.clone();
        let adopted = adopt.filter(|task| task.node == node);
        let (id, attempt) = match adopted {
            Some(task) => (task.id.clone(), task.attempt),
            None => {
                let attempt = found.next_attempt();
                let ServicePlan { cluster, stack, service, spec_hash, is_job, .. } = &*table.plan;
                let id =
                    TaskId::derive(cluster, stack, service, &found.slot, &node, spec_hash, *is_job, attempt);
                (id, attempt)
            }
        };
        let (spec, fields) = self.filled_in(table, &id, &found.slot, at);
        let discard = table.plan.is_job;
        let old = self.retired(&found, adopted, &why, discard);
        let expired = self.expired(&found, &old);
        let kind = if old.iter().any(|old| !old.idle) { SlotKind::Replace } else { SlotKind::Create };
        let task =
            TaskPlan { service: table.plan.clone(), slot: found.slot, node, attempt, id, spec, fields };
        if let Some(occupants) = &mut self.occupants {
            occupants.join(at, &task);
        }
        SlotWork {
            kind,
            node: at,
            fresh: Some(Arc::new(task)),
            adopt: match adopted.map(|task| task.status) {
                None => Adopt::No,
                Some(TaskStatus::Created) => Adopt::Created,
                Some(status) => Adopt::Started(status),
            },
            old,
            expired,
            watch: None,
            update: None,
            beside,
            may_return_beside: false,
            after: Vec::new(),
            why,
        }
    }
}

impl Table<'_> {
    /// The fields in which a task's spec differs from the wanted one.
    fn fields_changed(&mut self, task: &Task) -> Arc<[String]> {
        if let Some(fields) = self.fields.get(&task.spec_hash) {
            return fields.clone();
        }
        let fields = self.tuned_fields(task);
        self.fields.insert(task.spec_hash.clone(), fields.clone());
        fields
    }

    /// The same of a task whose hash says nothing of the difference.
    pub(super) fn tuned_fields(&self, task: &Task) -> Arc<[String]> {
        task_changes(&task.spec, &self.service.task).into_iter().map(|change| change.path).collect()
    }
}

impl SlotWork {
    /// Its slot, for ordering.
    fn slot(&self) -> Option<Slot> {
        self.fresh
            .as_ref()
            .map(|fresh| fresh.slot.clone())
            .or_else(|| self.old.first().or(self.expired.first()).map(|old| old.handle.slot.clone()))
            .or_else(|| self.watch.as_ref().map(|(handle, _)| handle.slot.clone()))
    }
}
