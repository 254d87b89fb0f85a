//! A task as seen on a node: one attempt to run one container.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::ids::{ClusterName, NodeName, ServiceName, SpecHash, StackName, TaskId};
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

const BASE36: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";

/// Length of a task id: what SwarmKit uses, so that columns and habits fit.
pub const TASK_ID_CHARS: usize = 25;

impl TaskId {
    /// The id of the `attempt`-th task of a slot under a spec, on a node.
    ///
    /// A function of its inputs alone, so that a create whose reply was lost, when repeated, meets a
    /// container that already carries the name, and is known to be done rather than done twice. The node
    /// is part of it: a slot that was moved off a silent host has another task there when it is back.
    #[must_use]
    #[expect(clippy::too_many_arguments, reason = "each of them must make a difference")]
    pub fn derive(
        cluster: &ClusterName,
        stack: &StackName,
        service: &ServiceName,
        slot: &Slot,
        node: &NodeName,
        hash: &SpecHash,
        is_job: bool,
        attempt: u32,
    ) -> Self {
        let mut digest = Sha256::new();
        for part in [cluster.as_str(), stack.as_str(), service.as_str(), node.as_str(), hash.as_str()] {
            digest.update(part.as_bytes());
            digest.update([0]);
        }
        match slot {
            Slot::Replica(number) => digest.update(number.to_le_bytes()),
            Slot::Node(node) => digest.update(node.as_str().as_bytes()),
        }
        digest.update([0, u8::from(is_job)]);
        digest.update(attempt.to_le_bytes());
        let hash = digest.finalize();
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&hash[..16]);
        let mut value = u128::from_be_bytes(bytes);
        let mut text = [0u8; TASK_ID_CHARS];
        for place in text.iter_mut().rev() {
            *place = BASE36[(value % 36) as usize];
            value /= 36;
        }
        Self::unchecked(std::str::from_utf8(&text).expect("base 36 is ASCII"))
    }
}

/// A task on a node, read back from its container and labels.
#[derive(Debug, Clone, PartialEq)]
pub struct Task {
    pub id: TaskId,
    pub stack: StackName,
    pub service: ServiceName,
    pub slot: Slot,
    pub node: NodeName,
    /// Number of this attempt in its slot, from 1.
    pub attempt: u32,
    /// Whether it is meant to end. Not part of the spec, but its restart policy depends on it.
    pub is_job: bool,
    /// Hash of the spec it was made from, under the cluster's key: see [`Observed::settle`](super::Observed::settle).
    pub spec_hash: SpecHash,
    /// The spec it was made from; with marks for values where there is a `key_id`.
    pub spec: Arc<TaskSpec>,
    /// The id of the key by which values of the spec are marked. Absent where they lie open: before 0.3.0 a label held
    /// them.
    pub key_id: Option<Arc<str>>,
    /// Container name, `<stack>_<service>.<slot>.<task id>`.
    pub container: String,
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

/// State of a container, as the engine reports it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", tag = "state")]
pub enum TaskStatus {
    /// Made, never started.
    Created,
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
    Exited {
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
    Healthy,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn task_ids_depend_on_every_part() {
        let id = |stack: &str, service: &str, slot: Slot, attempt| {
            TaskId::derive(
                &ClusterName::unchecked("c"),
                &StackName::unchecked(stack),
                &ServiceName::unchecked(service),
                &slot,
                &NodeName::unchecked("h1"),
                &SpecHash::of(b"x"),
                false,
                attempt,
            )
        };
        let first = id("a", "b", Slot::Replica(1), 1);
        assert_eq!(first, id("a", "b", Slot::Replica(1), 1));
        assert_eq!(first.as_str().len(), TASK_ID_CHARS);
        for other in [
            id("a", "b", Slot::Replica(1), 2),
            id("a", "b", Slot::Replica(2), 1),
            id("a", "c", Slot::Replica(1), 1),
            id("ab", "", Slot::Replica(1), 1),
            id("a", "b", Slot::Node(NodeName::unchecked("h1")), 1),
        ] {
            assert_ne!(first, other);
        }
    }
}
