//! Whether a task does what its service wants of it.

use super::Converger;
use super::service::ServiceRun;
use crate::model::restart;
use crate::model::{Health, TaskStatus};

/// What a task's state means to its slot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Judgement {
    Up,
    NotYet,
    /// Bad, but the engine restarts it.
    Failing(String),
    Failed(String),
}

/// Whether a task does what its service wants of it, will not, or may yet.
pub(super) fn judge(status: Option<TaskStatus>, service: &ServiceRun, must_complete: bool) -> Judgement {
    let Some(status) = status else {
        return Judgement::Failed("its container is gone".to_owned());
    };
    match status {
        TaskStatus::Running { health: Health::Unhealthy } => Judgement::Failed("it is unhealthy".to_owned()),
        TaskStatus::Running { .. } if must_complete => Judgement::NotYet,
        TaskStatus::Running { health: Health::Starting } => Judgement::NotYet,
        TaskStatus::Running { .. } => Judgement::Up,
        TaskStatus::Created => Judgement::NotYet,
        TaskStatus::Restarting { exit_code } => {
            Judgement::Failing(format!("it ended with status {exit_code}"))
        }
        TaskStatus::Paused => Judgement::Failed("it is paused".to_owned()),
        TaskStatus::Exited { exit_code } if must_complete && exit_code == 0 => Judgement::Up,
        // A policy may leave a task at any status; that is no success of the task.
        TaskStatus::Exited { exit_code: 0 }
            if !must_complete && restart::is_complete(&service.restart, service.is_job, 0) =>
        {
            Judgement::Up
        }
        TaskStatus::Exited { exit_code } => Judgement::Failed(format!("it ended with status {exit_code}")),
        TaskStatus::Dead | TaskStatus::Removing => {
            Judgement::Failed("its container is being removed".to_owned())
        }
    }
}

impl Converger {
    /// Whether a failure of its task is one of this run: it was up, and until the last step the time in which that counts was
    /// not over. By the clock of now, a failure that is seen in the last look would be none.
    pub(super) fn is_on_watch(&self, slot: usize) -> bool {
        let run = &self.slots[slot];
        (run.work.fresh.is_some() || run.is_updated)
            && run.watched_until.is_some_and(|until| self.stepped <= until)
    }
}
