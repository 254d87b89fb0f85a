//! Ended tasks: the newest few of each slot are kept for logs and post-mortem, the rest go.

use super::slot::Found;
use super::{Adopt, OldTask, Planner, ServiceWork, SlotKind, SlotWork};
use crate::model::Task;
use crate::model::reason::Reason;

impl<'o> Planner<'o> {
    /// Live tasks of a slot that are stopped, except the one that stays. As many of them are kept, once
    /// stopped, as a slot keeps; the rest are removed.
    pub(super) fn retired(
        &self,
        found: &Found<'o>,
        stays: Option<&Task>,
        why: &Reason,
        discard: bool,
    ) -> Vec<OldTask> {
        let mut going: Vec<&Task> =
            found.live.iter().copied().filter(|task| stays.is_none_or(|stays| stays.id != task.id)).collect();
        going.sort_by(|a, b| b.attempt.cmp(&a.attempt).then_with(|| a.id.cmp(&b.id)));
        let mut room = self.options.task_history as usize;
        let mut going: Vec<OldTask> = going
            .into_iter()
            .map(|task| {
                let old = self.old(task, why.clone(), discard || room == 0);
                room -= usize::from(!old.discard);
                old
            })
            .collect();
        // First the one that serves: until its successor is up, where that is the order, and again if the
        // update fails. A newer one that never did its work is not it.
        going.sort_by_key(|old| (old.idle, !old.is_up));
        going
    }

    /// Ended tasks of a slot that go once `retiring` have ended too.
    pub(super) fn expired(&self, found: &Found<'o>, retiring: &[OldTask]) -> Vec<OldTask> {
        let staying = retiring.iter().filter(|old| !old.discard).count();
        let room = (self.options.task_history as usize).saturating_sub(staying);
        found.ended.iter().skip(room).map(|task| self.old(task, Reason::History, true)).collect()
    }

    /// Ended tasks to remove from a slot without any other change.
    pub(super) fn expire_kept(&self, work: &mut ServiceWork, found: &Found<'o>) {
        // A completed task is the current state of its slot, not history.
        let present = usize::from(found.live.is_empty());
        let keep = present + self.options.task_history as usize;
        let expired: Vec<OldTask> =
            found.ended.iter().skip(keep).map(|task| self.old(task, Reason::History, true)).collect();
        if let Some(node) = expired.first().map(|first| first.node) {
            work.slots.push(SlotWork {
                kind: SlotKind::Remove,
                node,
                fresh: None,
                adopt: Adopt::No,
                old: Vec::new(),
                expired,
                watch: None,
                update: None,
                beside: false,
                may_return_beside: false,
                after: Vec::new(),
                why: Reason::History,
            });
        }
    }
}
