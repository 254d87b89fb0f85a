//! The user's options besides the stackfile.

use std::collections::{BTreeMap, BTreeSet};

use super::restart_backoff::Suppressed;
use crate::model::ids::{NodeName, ServiceName};
use crate::model::spec::Strategy;
use crate::model::task::Slot;

/// Choices that change a plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlanOptions {
    /// Remove services of the stack that the stackfile does not name.
    pub prune: bool,
    /// Ended tasks kept for each slot, for logs and post-mortem.
    pub task_history: u32,
    /// All or nothing: if a service fails, the whole stack goes back to what ran before.
    pub atomic: bool,
    /// Which node is best, for services that do not say.
    pub strategy: Strategy,
    /// Nodes that are given up, whether they are silent or only declared so: nothing is done there, and
    /// what was last seen there counts as gone. Without it a silent node that is needed stops the plan.
    ///
    /// A caller who still has the last observation of such a node should leave it in: then it is known what
    /// ran there.
    pub lost: BTreeSet<NodeName>,
    /// Lost nodes that may have been given tasks since they were last seen: that a slot was empty there says nothing.
    pub outdated: BTreeSet<NodeName>,
    /// Slots that are to move, and where to; see [`rebalance`](super::rebalance()). A move that is
    /// not possible is left out: the same rules hold as for a task that is new on a node.
    pub moves: BTreeMap<(ServiceName, Slot), NodeName>,
    /// For a loop that keeps a stack as it is declared: sick tasks are replaced, and what stays is not
    /// waited for.
    pub upkeep: bool,
    /// Slots that are left as they are for now; see [`RestartBackoff`](super::RestartBackoff).
    pub suppressed: BTreeMap<(ServiceName, Slot), Suppressed>,
}

impl Default for PlanOptions {
    fn default() -> Self {
        Self {
            prune: false,
            task_history: TASK_HISTORY,
            atomic: false,
            strategy: Strategy::default(),
            lost: BTreeSet::new(),
            outdated: BTreeSet::new(),
            moves: BTreeMap::new(),
            upkeep: false,
            suppressed: BTreeMap::new(),
        }
    }
}

/// Ended tasks kept for each slot unless the inventory says otherwise. SwarmKit keeps 5; two answer
/// "why did the last one die, and did the one before die alike" at less cost in disk.
pub const TASK_HISTORY: u32 = 2;
