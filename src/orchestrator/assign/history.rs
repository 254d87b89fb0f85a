//! Ended tasks: the newest few of each slot are kept for logs and post-mortem, the rest go.

use super::super::reason::Reason;
use super::slot::Found;
use super::{OldTask, Planner, ServiceWork, SlotKind, SlotWork};

impl<'o> Planner<'o> {
    /// Ended tasks of a slot that go once `retiring` have ended too.
    pub(super) fn expired(&self, found: &Found<'o>, retiring: &[OldTask]) -> Vec<OldTask> {
        let staying = retiring.iter().filter(|old| !old.discard).count();
        let room = (self.options.task_history as usize).saturating_sub(staying);
        found.ended.iter().skip(room).map(|task| self.old(task, Reason::History, true)).collect()
    }

    /// Ended tasks that go from a slot nothing else happens to.
    pub(super) fn expire_kept(&self, work: &mut ServiceWork, found: &Found<'o>) {
        let expired = self.expired(found, &[]);
        if let Some(first) = expired.first() {
            work.slots.push(SlotWork {
                kind: SlotKind::Remove,
                node: first.node,
                fresh: None,
                adopt: false,
                old: Vec::new(),
                expired: expired.clone(),
                watch: None,
                after: Vec::new(),
                why: Reason::History,
            });
        }
    }
}
