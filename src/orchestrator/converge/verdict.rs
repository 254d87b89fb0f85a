//! How a run ended.

use serde::Serialize;

use super::service::State;
use super::{Converger, Failed};
use crate::model::action::{Failure, FailureKind, TaskHandle};
use crate::model::ids::{NodeName, ServiceName, TaskId};

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Verdict {
    /// In one word.
    pub ending: Ending,
    /// Services that are not as wanted.
    pub services: Vec<ServiceVerdict>,
    /// Networks, volumes and images that could not be prepared or tidied up.
    pub failures: Vec<TaskFailure>,
}

/// How a run ended, in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// Everything is as wanted.
    Converged,
    /// Something could not be prepared: nothing was stopped or started.
    NotPrepared,
    /// Some task is not as wanted.
    Failed,
    /// What failed went back to what ran before.
    RolledBack,
    /// An update failed and was stopped there: to be continued, or rolled back.
    Paused,
    /// A rollback failed as well, and was stopped there.
    RollbackPaused,
    /// A host went silent on the way.
    HostSilent,
}

impl Verdict {
    /// Of a run that ended while images were pulled: nothing was stopped or started.
    #[must_use]
    pub fn not_prepared(failures: Vec<TaskFailure>) -> Self {
        let is_silent = failures.iter().any(|failed| failed.failure.kind == FailureKind::HostSilent);
        let ending = if is_silent { Ending::HostSilent } else { Ending::NotPrepared };
        Self { ending, services: Vec::new(), failures }
    }
}

/// A service that is not as wanted.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ServiceVerdict {
    /// Short name.
    pub service: ServiceName,
    pub ending: ServiceEnding,
    pub failures: Vec<TaskFailure>,
    /// Slots that went back to their old task.
    pub returned: u32,
    /// Tasks that failed on the way back.
    pub return_failures: Vec<TaskFailure>,
    /// Slots that should have gone back and were left as they are.
    pub not_returned: u32,
    /// Slots that were not touched because of them.
    pub untouched: u32,
    /// Dependencies that did not come up.
    pub waited_for: Vec<ServiceName>,
}

/// How a service ended that is not as wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ServiceEnding {
    /// Some of its tasks failed.
    Failed,
    /// Its update was stopped by a failure.
    Paused,
    /// It is as it was before the run.
    RolledBack,
    /// It failed on its way back.
    RollbackPaused,
    /// It was not begun, because what it depends on is not up.
    Skipped,
}

/// Something that failed.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TaskFailure {
    pub node: NodeName,
    /// `web.1`, or `pull image nginx:1.25`.
    pub what: String,
    /// Container name, where there is a container to ask for logs.
    pub container: Option<String>,
    /// Id of the task, where it is one.
    pub task: Option<TaskId>,
    pub failure: Failure,
}

impl TaskFailure {
    pub(super) fn of_task(node: &NodeName, handle: &TaskHandle, failure: Failure, exists: bool) -> Self {
        Self {
            node: node.clone(),
            what: handle.to_string(),
            container: exists.then(|| handle.container_name()),
            task: exists.then(|| handle.id.clone()),
            failure,
        }
    }
}

impl Converger {
    pub(super) fn verdict(&self) -> Verdict {
        let failures: Vec<TaskFailure> = self
            .failures
            .iter()
            .map(|Failed { node, what, failure }| TaskFailure {
                node: node.clone(),
                what: what.clone(),
                container: None,
                task: None,
                failure: failure.clone(),
            })
            .collect();
        let begun = self.services.iter().any(|service| service.state != State::Waiting);
        let services: Vec<ServiceVerdict> = self
            .services
            .iter()
            .filter(|service| begun && service.state != State::Up)
            // A service that had nothing to do has nothing to go back to.
            .filter(|service| {
                let idle = service.returns == 0 && service.untouched == 0 && service.failures.is_empty();
                !(service.state == State::Returned && idle)
            })
            .map(|service| ServiceVerdict {
                service: service.name.clone(),
                ending: match service.state {
                    State::Paused => ServiceEnding::Paused,
                    State::Returned => ServiceEnding::RolledBack,
                    State::Stuck => ServiceEnding::RollbackPaused,
                    State::Skipped | State::Waiting => ServiceEnding::Skipped,
                    State::Up | State::Rolling | State::Failed | State::Returning { .. } => {
                        ServiceEnding::Failed
                    }
                },
                failures: service.failures.clone(),
                returned: service.returned(),
                return_failures: service.return_failures.clone(),
                not_returned: service.not_returned,
                untouched: service.untouched,
                waited_for: service
                    .depends_on
                    .iter()
                    .filter(|(on, _)| self.services[*on].state != State::Up)
                    .map(|(on, _)| self.services[*on].name.clone())
                    .collect(),
            })
            .collect();
        let silent = failures
            .iter()
            .chain(
                services.iter().flat_map(|service| service.failures.iter().chain(&service.return_failures)),
            )
            .any(|failed| failed.failure.kind == FailureKind::HostSilent);
        let any = |ending: ServiceEnding| services.iter().any(|service| service.ending == ending);
        let ending = if silent {
            Ending::HostSilent
        } else if failures.is_empty() && services.is_empty() {
            Ending::Converged
        } else if !begun && services.is_empty() && !self.services.is_empty() {
            Ending::NotPrepared
        } else if any(ServiceEnding::RollbackPaused) {
            Ending::RollbackPaused
        } else if any(ServiceEnding::Paused) {
            Ending::Paused
        } else if any(ServiceEnding::Failed) || !any(ServiceEnding::RolledBack) || !failures.is_empty() {
            Ending::Failed
        } else {
            Ending::RolledBack
        };
        Verdict { ending, services, failures }
    }
}
