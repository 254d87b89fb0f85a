//! Which tasks a run has shown to do their work.

use std::collections::BTreeSet;

use super::RunReport;
use crate::model::{TaskId, TaskStatus};
use crate::orchestrator::{End, Ending, Planned};

/// Tasks that were up, or had ended well, when a run that went well looked at the hosts once more.
pub(super) fn served(report: &RunReport<Planned>) -> BTreeSet<&TaskId> {
    let (End::Verdict(verdict), Some(proof)) = (&report.end, &report.proof) else { return BTreeSet::new() };
    if verdict.ending != Ending::Converged {
        return BTreeSet::new();
    }
    let does_well = |status: TaskStatus| status.is_up() || status == TaskStatus::Exited { exit_code: 0 };
    let tasks = proof.observed().tasks().filter(|task| task.stack == *proof.stack());
    tasks.filter(|task| does_well(task.status)).map(|task| &task.id).collect()
}
