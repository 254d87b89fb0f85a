//! Why a slot stays as it is although it differs from the spec: data on a node that is lost or drained, and a
//! back-off after failures; and the moves that the user asked for.

use super::super::note::Note;
use super::service::Table;
use super::slot::{Fate, Found};
use super::{Planner, loss};
use crate::model::node::Availability;
use crate::model::task::{Slot, Task};
use crate::model::{NodeName, TaskStatus};

impl<'o> Planner<'o> {
    /// Whether a task is on a drained node and stays there because of its data.
    pub(super) fn keeps(&self, table: &Table<'_>, task: &Task) -> bool {
        let member = self.sites[self.node_index(&task.node)].member;
        table.stays.is_some() && member.availability == Availability::Drain && !member.abandons_data
    }

    /// A task that stays on its drained node though it is not as wanted; none if another one of its slot
    /// runs elsewhere.
    pub(super) fn kept_by_drain(&self, table: &Table<'_>, found: &Found<'o>) -> Option<&'o Task> {
        let mut started = found.live.iter().filter(|task| task.status != TaskStatus::Created);
        let first = *started.next()?;
        let all_stay = self.keeps(table, first) && started.all(|task| self.keeps(table, task));
        (all_stay && self.lasts(table, first).is_none()).then_some(first)
    }

    pub(super) fn note_kept(&mut self, table: &Table<'_>, task: &Task, is_outdated: bool) {
        self.notes.push(Note::StaysOnDrained {
            service: table.service.name.clone(),
            slot: task.slot.clone(),
            node: task.node.clone(),
            why: table.stays.clone().unwrap_or_default(),
            is_outdated,
        });
    }

    /// Whether an empty slot has to wait for a lost or drained node; if so, adds a note.
    pub(super) fn held(&mut self, table: &Table<'_>, found: &Found<'o>) -> bool {
        if !found.live.is_empty() {
            return false;
        }
        let service = table.service;
        if let Some(why) = &table.stays {
            let left = found.ended.first().filter(|task| self.keeps(table, task)).map(|task| &task.node);
            if let Some(node) = left.or_else(|| self.lost.may_have_kept(service)).cloned() {
                let (service, slot, why) = (service.name.clone(), found.slot.clone(), why.clone());
                self.notes.push(Note::WaitsForDrained { service, slot, node, why });
                return true;
            }
        }
        if self.lost.is_empty() {
            return false;
        }
        let Some(why) = loss::holds(service, self.spec) else { return false };
        // A node that is drained by force is waited for no longer.
        let is_given_up =
            |node: &NodeName| self.observed.nodes.get(node).is_some_and(|of| of.member.abandons_data);
        let last_seen = found.lost.map(|task| &task.node).filter(|node| !is_given_up(node));
        let node = last_seen.or_else(|| self.lost.may_hide(service));
        let Some(node) = node.cloned() else { return false };
        let (service, slot) = (service.name.clone(), found.slot.clone());
        self.notes.push(Note::Held { service, slot, node, why });
        true
    }

    /// Why a slot that failed is not given another task now, if so.
    pub(super) fn rest(&self, table: &Table<'_>, slot: &Slot) -> Option<String> {
        let key = (table.service.name.clone(), slot.clone());
        self.options.suppressed.get(&key).map(ToString::to_string)
    }

    /// From where to where the task of a slot is to be moved, if that was asked for and it would stay
    /// otherwise.
    pub(super) fn move_asked_for(&self, table: &Table<'_>, found: &Found<'o>) -> Option<(usize, usize)> {
        let key = (table.service.name.clone(), found.slot.clone());
        let target = *self.index.get(self.options.moves.get(&key)?)?;
        let (policy, is_job) = (&table.service.task.restart_policy, table.plan.is_job);
        let stays = |task: &Task| self.lasts(table, task).is_none();
        let Fate::Keep(task) = found.fate(&table.plan.spec_hash, policy, is_job, stays) else { return None };
        let home = self.node_index(&task.node);
        (home != target).then_some((home, target))
    }
}
