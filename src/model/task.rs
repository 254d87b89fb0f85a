//! A task as seen on a node: one attempt to run one container.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::ids::{NodeName, ServiceName, SpecHash, StackName, TaskId};
use super::spec::TaskSpec;
use super::time::Timestamp;

/// Which of a service's places a task fills.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Slot {
    /// 1 to replicas; those of jobs begin at 0.
    Replica(u32),
    /// The node, for global services.
    Node(NodeName),
}

impl fmt::Display for Slot {
    /// What stands in a container name after the service.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Replica(number) => write!(f, "{number}"),
            Self::Node(node) => write!(f, "{node}"),
        }
    }
}

/// A task on a node, read back from its container and labels.
#[derive(Debug, Clone, PartialEq)]
pub struct Task {
    /// Derived id.
    pub id: TaskId,
    /// Its stack.
    pub stack: StackName,
    /// Its service, short name.
    pub service: ServiceName,
    /// Its slot.
    pub slot: Slot,
    /// Where it is.
    pub node: NodeName,
    /// Number of this attempt in its slot, from 1.
    pub attempt: u32,
    /// Whether it is meant to end. Not part of the spec, but its restart policy hangs on it.
    pub is_job: bool,
    /// Hash of the spec it was made from.
    pub spec_hash: SpecHash,
    /// The spec it was made from.
    pub spec: Arc<TaskSpec>,
    /// Container name, `<stack>_<service>.<slot>.<task id>`.
    pub container: String,
    /// What it is doing.
    pub status: TaskStatus,
    /// When the container was made, by the host's clock.
    pub created_at: Timestamp,
    /// When the status was reached, where known, by the host's clock.
    pub since: Option<Timestamp>,
    /// Ports as the engine has published them, for people: `0.0.0.0:80->80/tcp`.
    pub published: Vec<String>,
}

impl Task {
    /// Whether it runs, will run, or may start again by itself.
    #[must_use]
    pub fn is_live(&self) -> bool {
        self.status.is_live()
    }
}

/// State of a container, as the engine tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", tag = "state")]
pub enum TaskStatus {
    /// Made, never started.
    Created,
    /// Running.
    Running {
        /// Health, if there is a check.
        health: Health,
    },
    /// Ended, and the engine is about to start it again.
    Restarting {
        /// Status of the last end.
        exit_code: i64,
    },
    /// Frozen by hand.
    Paused,
    /// Ended.
    Exited {
        /// Status.
        exit_code: i64,
    },
    /// Could not be removed by the engine.
    Dead,
    /// On its way out.
    Removing,
}

/// Health of a running container.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Health {
    /// No check.
    #[default]
    None,
    /// Not judged yet.
    Starting,
    /// Good.
    Healthy,
    /// Bad.
    Unhealthy,
}

impl TaskStatus {
    /// Whether it runs, will run, or may start again by itself.
    #[must_use]
    pub fn is_live(self) -> bool {
        match self {
            Self::Created | Self::Running { .. } | Self::Restarting { .. } | Self::Paused => true,
            Self::Exited { .. } | Self::Dead | Self::Removing => false,
        }
    }

    /// Whether it does its work: running, and healthy where that is judged.
    #[must_use]
    pub fn is_up(self) -> bool {
        matches!(self, Self::Running { health: Health::None | Health::Healthy })
    }

    /// Whether it runs, and its health check says no.
    #[must_use]
    pub fn is_unhealthy(self) -> bool {
        matches!(self, Self::Running { health: Health::Unhealthy })
    }

    /// Docker's word for the observed state of a task (`docker service ps`).
    #[must_use]
    pub fn swarm_word(self) -> &'static str {
        match self {
            Self::Created => "Ready",
            Self::Running { health: Health::Starting } => "Starting",
            Self::Running { .. } => "Running",
            Self::Restarting { .. } => "Restarting",
            Self::Paused => "Paused",
            Self::Exited { exit_code: 0 } => "Complete",
            Self::Exited { .. } | Self::Dead => "Failed",
            Self::Removing => "Remove",
        }
    }
}
