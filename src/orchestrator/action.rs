//! What should be done, where, and why. The decider returns these; `engine` has `fleet` carry them out.

use std::fmt;
use std::sync::Arc;

use serde::Serialize;

use crate::model::ids::{ClusterName, NodeName, ServiceName, SpecHash, StackName, TaskId};
use crate::model::spec::{NetworkSpec, TaskSpec, VolumeSpec};
use crate::model::task::Slot;
use crate::model::{GoDuration, TaskStatus};

use super::reason::Reason;

/// Number of an action within one run, from 0, in the order of issue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct ActionId(pub u32);

/// One thing to do on one node. Every action may be repeated: done twice is done once.
#[derive(Debug, Clone, PartialEq)]
pub struct Action {
    /// Number within the run.
    pub id: ActionId,
    /// Where.
    pub node: NodeName,
    /// What.
    pub what: What,
    /// Why.
    pub why: Reason,
}

/// The verbs.
#[derive(Debug, Clone, PartialEq)]
pub enum What {
    /// Make a network of the stack on the node.
    CreateNetwork {
        /// Its definition.
        network: Arc<NetworkSpec>,
    },
    /// Make a named volume of the stack on the node.
    CreateVolume {
        /// Its definition.
        volume: Arc<VolumeSpec>,
    },
    /// Bring an image to the node.
    PullImage {
        /// As a container is created from it: pinned where a digest is known.
        image: Arc<str>,
    },
    /// Make the container, start nothing.
    CreateTask {
        /// Everything needed for it.
        task: Arc<TaskPlan>,
    },
    /// Complete the container (further networks, config files) and start it.
    ///
    /// Completing belongs to the start, not to the create: a container found half made by an earlier
    /// run that was killed can then simply be started.
    StartTask {
        /// The same plan as for the create.
        task: Arc<TaskPlan>,
    },
    /// Start a container that has run before, as it is: the way back of an update.
    StartAgain {
        /// Which.
        task: TaskHandle,
    },
    /// Ask the container to stop, and after the grace period make it.
    StopTask {
        /// Which.
        task: TaskHandle,
        /// Time between signal and SIGKILL; `None` leaves it to the container's own.
        grace: Option<GoDuration>,
    },
    /// Remove the container with its anonymous volumes.
    RemoveTask {
        /// Which.
        task: TaskHandle,
    },
    /// Remove a network of the stack from the node.
    RemoveNetwork {
        /// Full name.
        name: Arc<str>,
    },
}

/// What all tasks of one service have in common.
#[derive(Debug, Clone, PartialEq)]
pub struct ServicePlan {
    /// Cluster.
    pub cluster: ClusterName,
    /// Stack.
    pub stack: StackName,
    /// Service, short name.
    pub service: ServiceName,
    /// What each task runs, before templates are expanded; this goes into the label.
    pub spec: Arc<TaskSpec>,
    /// Hash of `spec`.
    pub spec_hash: SpecHash,
    /// Canonical JSON of `spec`.
    pub spec_json: Arc<str>,
    /// Whether its tasks are meant to end: restart policies differ, see `restart::engine_policy`.
    pub is_job: bool,
    /// Contents of the config files, by absolute target path.
    pub files: Vec<FilePlan>,
}

/// A file that must be in place before a task starts.
#[derive(Debug, Clone, PartialEq)]
pub struct FilePlan {
    /// Absolute path in the container.
    pub target: String,
    /// Owner.
    pub uid: u64,
    /// Group.
    pub gid: u64,
    /// Permission bits.
    pub mode: u32,
    /// Content.
    pub content: Arc<[u8]>,
}

/// One task to make.
#[derive(Debug, Clone, PartialEq)]
pub struct TaskPlan {
    /// What it shares with its siblings.
    pub service: Arc<ServicePlan>,
    /// Its slot.
    pub slot: Slot,
    /// Its node.
    pub node: NodeName,
    /// Number of the attempt.
    pub attempt: u32,
    /// Derived id.
    pub id: TaskId,
    /// The spec with this task's templates expanded; the service's own where there are none.
    pub spec: Arc<TaskSpec>,
}

impl TaskPlan {
    /// `<stack>_<service>.<slot>.<task id>`, Docker's own form.
    #[must_use]
    pub fn container_name(&self) -> String {
        container_name(&self.service.stack, &self.service.service, &self.slot, &self.id)
    }

    /// Its stop, with its own grace period.
    #[must_use]
    pub fn stop(&self) -> What {
        What::StopTask { task: self.handle(), grace: self.spec.stop_grace_period }
    }

    /// What later actions on this task need.
    #[must_use]
    pub fn handle(&self) -> TaskHandle {
        TaskHandle {
            id: self.id.clone(),
            stack: self.service.stack.clone(),
            service: self.service.service.clone(),
            slot: self.slot.clone(),
        }
    }
}

/// A task that exists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskHandle {
    /// Derived id.
    pub id: TaskId,
    /// Stack.
    pub stack: StackName,
    /// Service, short name.
    pub service: ServiceName,
    /// Slot.
    pub slot: Slot,
}

impl TaskHandle {
    /// Name of its container.
    #[must_use]
    pub fn container_name(&self) -> String {
        container_name(&self.stack, &self.service, &self.slot, &self.id)
    }
}

impl fmt::Display for TaskHandle {
    /// `web.1`: service and slot, as `docker service ps` names tasks.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.service, self.slot)
    }
}

fn container_name(stack: &StackName, service: &ServiceName, slot: &Slot, id: &TaskId) -> String {
    format!("{stack}_{service}.{slot}.{id}")
}

impl What {
    /// The verb for people and machines: `create task`, `pull image`.
    #[must_use]
    pub fn verb(&self) -> &'static str {
        match self {
            Self::CreateNetwork { .. } => "create network",
            Self::CreateVolume { .. } => "create volume",
            Self::PullImage { .. } => "pull image",
            Self::CreateTask { .. } => "create task",
            Self::StartTask { .. } => "start task",
            Self::StartAgain { .. } => "start task again",
            Self::StopTask { .. } => "stop task",
            Self::RemoveTask { .. } => "remove task",
            Self::RemoveNetwork { .. } => "remove network",
        }
    }

    /// What the verb is done to: a container, network, volume or image name.
    #[must_use]
    pub fn object(&self) -> String {
        match self {
            Self::CreateNetwork { network } => network.name.clone(),
            Self::CreateVolume { volume } => volume.name.clone(),
            Self::PullImage { image } => image.to_string(),
            Self::CreateTask { task } | Self::StartTask { task } => task.container_name(),
            Self::StartAgain { task } | Self::StopTask { task, .. } | Self::RemoveTask { task } => {
                task.container_name()
            }
            Self::RemoveNetwork { name } => name.to_string(),
        }
    }

    /// The service whose task it is about, if it is about one.
    #[must_use]
    pub fn service(&self) -> Option<&ServiceName> {
        match self {
            Self::CreateTask { task } | Self::StartTask { task } => Some(&task.service.service),
            Self::StartAgain { task } | Self::StopTask { task, .. } | Self::RemoveTask { task } => {
                Some(&task.service)
            }
            Self::CreateNetwork { .. }
            | Self::CreateVolume { .. }
            | Self::PullImage { .. }
            | Self::RemoveNetwork { .. } => None,
        }
    }

    /// The task it is about, if it is about one.
    #[must_use]
    pub fn task(&self) -> Option<TaskHandle> {
        match self {
            Self::CreateTask { task } | Self::StartTask { task } => Some(task.handle()),
            Self::StartAgain { task } | Self::StopTask { task, .. } | Self::RemoveTask { task } => {
                Some(task.clone())
            }
            Self::CreateNetwork { .. }
            | Self::CreateVolume { .. }
            | Self::PullImage { .. }
            | Self::RemoveNetwork { .. } => None,
        }
    }
}

/// What came of an action.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// Done, or found to be done already.
    Done,
    /// A start, and what the container was seen doing right after it.
    Started(TaskStatus),
    /// Not done.
    Failed(Failure),
}

/// Why an action was not done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Failure {
    /// Which kind, for decisions.
    pub kind: FailureKind,
    /// Diagnostic code, e.g. `stackctl::docker::image_missing`.
    pub code: String,
    /// The engine's words, cleaned.
    pub message: String,
    /// What to do about it.
    pub help: Option<String>,
}

/// What kind of failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureKind {
    /// The host went silent: whether it was done is unknown.
    HostSilent,
    /// The engine said no: bad mount, port taken, no such image, disk full.
    Refused,
    /// It took longer than its deadline.
    Deadline,
}
