//! What is in a slot now, and what that means for it.

use crate::model::spec::RestartPolicy;
use crate::model::task::{Slot, Task};
use crate::model::{SpecHash, TaskStatus};

use crate::model::restart;

/// A slot with the tasks found in it.
#[derive(Debug)]
pub(super) struct Found<'o> {
    pub(super) slot: Slot,
    pub(super) live: Vec<&'o Task>,
    /// Newest first.
    pub(super) ended: Vec<&'o Task>,
    /// The task that was last seen in it, on a lost node. It is gone, and nothing is done about it.
    pub(super) lost: Option<&'o Task>,
}

/// The state of a slot, by its tasks.
#[derive(Debug)]
pub(super) enum Fate<'o> {
    /// This one stays; the other live ones go.
    Keep(&'o Task),
    /// Completed: nothing runs here and nothing should.
    Complete,
    /// Made by an earlier run and never started: start it.
    Adopt(&'o Task),
    /// A task is needed.
    Fresh,
}

impl<'o> Found<'o> {
    pub(super) fn sort(slot: Slot, tasks: Vec<&'o Task>) -> Self {
        let (live, mut ended): (Vec<&Task>, Vec<&Task>) = tasks.into_iter().partition(|task| task.is_live());
        // Attempts, not clocks: two hosts need not agree on the time.
        ended.sort_by(|a, b| b.attempt.cmp(&a.attempt).then_with(|| a.id.cmp(&b.id)));
        Self { slot, live, ended, lost: None }
    }

    /// A slot without tasks.
    pub(super) fn empty(slot: Slot) -> Self {
        Self { slot, live: Vec::new(), ended: Vec::new(), lost: None }
    }

    /// Number of the next attempt.
    pub(super) fn next_attempt(&self) -> u32 {
        self.live.iter().chain(&self.ended).chain(&self.lost).map(|task| task.attempt).max().unwrap_or(0) + 1
    }

    /// Decides. `stays` says whether a task may stay on its node.
    pub(super) fn fate(
        &self,
        wanted: &SpecHash,
        policy: &RestartPolicy,
        is_job: bool,
        stays: impl Fn(&Task) -> bool,
    ) -> Fate<'o> {
        let current = |task: &&&'o Task| task.spec_hash == *wanted && stays(task);
        // Running before restarting before frozen; the oldest of equals has proved itself longest.
        let order = |task: &&&'o Task| {
            let rank = match task.status {
                status if status.is_up() => 0,
                TaskStatus::Running { .. } => 1,
                TaskStatus::Restarting { .. } => 2,
                _ => 3,
            };
            (rank, task.created_at, task.id.clone())
        };
        let started = self.live.iter().filter(|task| task.status != TaskStatus::Created);
        if let Some(task) = started.filter(current).min_by_key(order) {
            return Fate::Keep(task);
        }
        if let Some(task) = self
            .live
            .iter()
            .filter(|task| task.status == TaskStatus::Created)
            .filter(current)
            .min_by_key(order)
        {
            return Fate::Adopt(task);
        }
        if self.live.is_empty()
            && self.lost.is_none()
            && let Some(last) = self.ended.first()
            && last.spec_hash == *wanted
            && let TaskStatus::Exited { exit_code } = last.status
            && restart::is_complete(policy, is_job, exit_code)
        {
            return Fate::Complete;
        }
        Fate::Fresh
    }

    /// Whether something in here runs.
    pub(super) fn is_running(&self) -> bool {
        self.live.iter().any(|task| matches!(task.status, TaskStatus::Running { .. }))
    }
}

/// Which slots stay when fewer are wanted, by SwarmKit's rule (`replicated/slot.go`): running slots and
/// low numbers first, then each slot by its rank among its siblings on the same node, so that nodes with
/// the most copies lose first and low numbers live on. Slots that must move anyway, or hold two live
/// tasks, go before all others.
pub(super) fn keep_lowest<'o>(
    mut slots: Vec<Found<'o>>,
    wanted: usize,
    stays: impl Fn(&Task) -> bool,
) -> (Vec<Found<'o>>, Vec<Found<'o>>) {
    slots.sort_by(|a, b| b.is_running().cmp(&a.is_running()).then_with(|| a.slot.cmp(&b.slot)));
    let mut on_node: std::collections::BTreeMap<&crate::model::NodeName, usize> =
        std::collections::BTreeMap::new();
    let mut ranked: Vec<(usize, Found<'o>)> = Vec::with_capacity(slots.len());
    for found in slots {
        let rank = match found.live.as_slice() {
            [task] if stays(task) => {
                let copies = on_node.entry(&task.node).or_default();
                *copies += 1;
                *copies
            }
            _ => usize::MAX,
        };
        ranked.push((rank, found));
    }
    ranked.sort_by_key(|(rank, _)| *rank);
    let surplus = ranked.split_off(wanted.min(ranked.len()));
    let mut kept: Vec<Found<'o>> = ranked.into_iter().map(|(_, found)| found).collect();
    kept.sort_by(|a, b| a.slot.cmp(&b.slot));
    let mut gone: Vec<Found<'o>> = surplus.into_iter().map(|(_, found)| found).collect();
    gone.sort_by(|a, b| a.slot.cmp(&b.slot));
    (kept, gone)
}
