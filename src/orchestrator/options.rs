//! What the person asked for besides the stackfile.

/// Choices that change a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PlanOptions {
    /// Remove services of the stack that the stackfile does not name.
    pub prune: bool,
    /// Ended tasks kept for each slot, for logs and post-mortem.
    pub task_history: u32,
    /// All or nothing: if a service fails, the whole stack goes back to what ran before.
    pub atomic: bool,
}

impl Default for PlanOptions {
    fn default() -> Self {
        Self { prune: false, task_history: TASK_HISTORY, atomic: false }
    }
}

/// Ended tasks kept for each slot unless the inventory says otherwise. SwarmKit keeps 5; two answer
/// "why did the last one die, and did the one before die alike" at less cost in disk.
pub const TASK_HISTORY: u32 = 2;
