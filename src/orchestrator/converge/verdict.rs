//! How a run ended.

use serde::Serialize;

use super::super::action::{Failure, FailureKind, TaskHandle};
use super::service::State;
use super::{Converger, Failed};
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
    /// A host went silent on the way.
    HostSilent,
}

/// A service that is not as wanted.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ServiceVerdict {
    /// Short name.
    pub service: ServiceName,
    /// Failed tasks.
    pub failures: Vec<TaskFailure>,
    /// Slots that were not touched because of them.
    pub untouched: u32,
    /// Services it waited for in vain.
    pub waited_for: Vec<ServiceName>,
}

/// Something that failed.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TaskFailure {
    /// Where.
    pub node: NodeName,
    /// `web.1`, or `pull image nginx:1.25`.
    pub what: String,
    /// Container name, where there is a container to ask for logs.
    pub container: Option<String>,
    /// Id of the task, where it is one.
    pub task: Option<TaskId>,
    /// Why.
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
            .map(|service| ServiceVerdict {
                service: service.name.clone(),
                failures: service.failures.clone(),
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
            .chain(services.iter().flat_map(|service| &service.failures))
            .any(|failed| failed.failure.kind == FailureKind::HostSilent);
        let ending = match (silent, failures.is_empty(), services.is_empty()) {
            (true, _, _) => Ending::HostSilent,
            (false, true, true) => Ending::Converged,
            (false, false, true) if !begun && !self.services.is_empty() => Ending::NotPrepared,
            (false, _, _) => Ending::Failed,
        };
        Verdict { ending, services, failures }
    }
}
