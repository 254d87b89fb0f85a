//! Hand-over of ports and reservations: a fresh task waits for the old ones whose port, or whose reserved
//! share of a node, it was given.
//!
//! A task waits only for tasks of services that were placed before its own and do not depend on it, or of
//! slots that move before its own. So there is no circular wait: the first of them waits for none.

use std::collections::{BTreeMap, BTreeSet};

use super::super::site::{Demand, Load, Site, sites};
use super::{Adopt, OldTask, Planner, ServiceWork, SlotKind, SlotWork};
use crate::model::TaskId;
use crate::model::task::Task;

/// A task that goes, seen from its node.
struct Leaving<'o> {
    demand: Demand,
    id: &'o TaskId,
    service: usize,
}

/// A node on which tasks hand over ports and reservations.
#[derive(Default)]
struct NodeRoom<'o> {
    leaving: Vec<Leaving<'o>>,
    /// Reservations of all present tasks, and of all that will come.
    present: Load,
    /// The same, including the tasks that leave.
    all: Load,
    /// Once one task has to wait, those behind it wait as well.
    is_tight: bool,
}

impl<'o> Planner<'o> {
    /// Makes fresh tasks wait for those whose resources they take, and marks which old tasks could run beside
    /// them.
    pub(super) fn hand_over_room(&self, services: &mut [ServiceWork]) {
        let going: BTreeSet<&TaskId> = services
            .iter()
            .flat_map(|work| &work.slots)
            .flat_map(|slot| &slot.old)
            .map(|old| &old.handle.id)
            .collect();
        if going.is_empty() {
            return;
        }
        let live = self.observed.tasks().filter(|task| going.contains(&task.id) && task.is_live());
        let tasks: BTreeMap<TaskId, &'o Task> = live.map(|task| (task.id.clone(), task)).collect();
        let there = sites(self.observed).into_iter().map(|site| site.load.reserved());
        let mut nodes: Vec<NodeRoom<'o>> = there
            .map(|there| NodeRoom { all: there.clone(), present: there, ..NodeRoom::default() })
            .collect();
        for service in 0..services.len() {
            // In the order of movement: removed tasks first, then replaced ones. A fresh task waits for any of
            // these.
            let rank = |slot: &SlotWork| match slot.kind {
                SlotKind::Remove => 0,
                SlotKind::Replace => 1 + slot.turn(),
                SlotKind::Keep | SlotKind::InPlace | SlotKind::Create => u8::MAX,
            };
            let slots = &services[service].slots;
            let mut order: Vec<usize> = (0..slots.len()).collect();
            order.sort_by_key(|at| rank(&slots[*at]));
            let mut waiting = Vec::new();
            for at in order {
                let slot = &slots[at];
                // One that an earlier run has started is there already.
                if let Some(fresh) = &slot.fresh
                    && !matches!(slot.adopt, Adopt::Started(_))
                {
                    let in_place = slot.old.iter().filter(|old| old.node == slot.node && !slot.beside);
                    let gone = in_place.filter_map(|old| tasks.get(&old.handle.id).copied());
                    let (demand, is_new) = (Demand::of(&fresh.spec), slot.adopt == Adopt::No);
                    let before = nodes[slot.node].arrive(&demand, is_new, gone, &self.sites[slot.node]);
                    if !before.is_empty() {
                        waiting.push((at, before));
                    }
                }
                for OldTask { handle, node, .. } in &slot.old {
                    if let Some(task) = tasks.get(&handle.id) {
                        let demand = Demand::of(&task.spec);
                        nodes[*node].leaving.push(Leaving { demand, id: &task.id, service });
                    }
                }
            }
            if !waiting.is_empty() {
                let theirs = dependents(services, service);
                for (at, before) in waiting {
                    let after = &mut services[service].slots[at].after;
                    let others = before.into_iter().filter(|(of, _)| !theirs.contains(of));
                    after.extend(others.map(|(_, id)| id.clone()));
                    after.sort();
                    after.dedup();
                }
            }
        }
        self.allow_returns(services, &tasks, &nodes);
    }

    /// Marks which old tasks may come back beside their successors.
    fn allow_returns(
        &self,
        services: &mut [ServiceWork],
        tasks: &BTreeMap<TaskId, &'o Task>,
        nodes: &[NodeRoom<'o>],
    ) {
        for slot in services.iter_mut().flat_map(|work| &mut work.slots) {
            let (Some(fresh), Some(old)) = (&slot.fresh, slot.old.first()) else { continue };
            let Some(task) = tasks.get(&old.handle.id) else { continue };
            let mut ports = task.spec.host_ports();
            let clash = ports.any(|port| fresh.spec.host_ports().any(|fresh| fresh.clashes_with(&port)));
            let both_reserve = Demand::of(&task.spec).reserves() && Demand::of(&fresh.spec).reserves();
            let has_room = !both_reserve || !nodes[old.node].all.exceeds(&self.sites[old.node]);
            // On another node than its successor, it waits there for the tasks that took its resources.
            slot.may_return_beside = old.node != slot.node || (!clash && has_room);
        }
    }
}

impl<'o> NodeRoom<'o> {
    /// Adds a fresh task; returns which tasks it waits for, and of which service. `gone` are the old ones
    /// that make way for it before.
    fn arrive(
        &mut self,
        demand: &Demand,
        is_new: bool,
        gone: impl Iterator<Item = &'o Task>,
        site: &Site<'_>,
    ) -> Vec<(usize, &'o TaskId)> {
        if demand.reserves() {
            let mut now = self.present.clone();
            for task in gone {
                now.remove(&Demand { ports: Vec::new(), ..Demand::of(&task.spec) });
            }
            if is_new {
                let reserved = Demand { ports: Vec::new(), ..demand.clone() };
                now.add(&reserved);
                self.all.add(&reserved);
            }
            self.is_tight |= now.exceeds(site);
            // Until its old one goes, it takes as much as the larger of the two.
            self.present.raise_to(&now);
        }
        let waits = demand.reserves() && self.is_tight;
        let clashes = |leaving: &&Leaving<'_>| {
            let mut theirs = leaving.demand.ports.iter();
            waits || theirs.any(|port| demand.ports.iter().any(|wanted| wanted.clashes_with(port)))
        };
        self.leaving.iter().filter(clashes).map(|leaving| (leaving.service, leaving.id)).collect()
    }
}

/// Services that depend on this one, directly or not: it must not wait for them.
fn dependents(services: &[ServiceWork], of: usize) -> BTreeSet<usize> {
    let mut found = BTreeSet::new();
    let mut left = vec![of];
    while let Some(one) = left.pop() {
        for (at, work) in services.iter().enumerate() {
            if work.depends_on.iter().any(|(on, _)| *on == one) && found.insert(at) {
                left.push(at);
            }
        }
    }
    found
}
