//! Where the tasks of a service may and should run. Texts as written; the orchestrator interprets them.

use serde::{Deserialize, Serialize};

use super::is_default;

/// Where tasks may and should run.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Placement {
    /// `node.labels.zone == a` and the like, as written; checked by `orchestrator::constraint`.
    #[serde(skip_serializing_if = "is_default")]
    pub constraints: Vec<String>,
    /// Labels to spread over, outermost first: `node.labels.zone`.
    #[serde(skip_serializing_if = "is_default")]
    pub spread: Vec<String>,
    /// Whether constraints mean to the letter what they mean to SwarmKit, to which `*` is a star.
    #[serde(skip_serializing_if = "is_default")]
    pub is_literal: bool,
    /// Which node is best; without it the cluster's own choice.
    #[serde(skip_serializing_if = "is_default")]
    pub strategy: Option<Strategy>,
    /// What to do with tasks whose node is lost; by default that depends on their volumes.
    #[serde(skip_serializing_if = "is_default")]
    pub on_node_loss: Option<OnNodeLoss>,
    /// 0 is without limit.
    #[serde(skip_serializing_if = "is_default")]
    pub max_replicas_per_node: u32,
    /// Platforms of the image, where a registry has reported them; empty fits all.
    #[serde(skip_serializing_if = "is_default")]
    pub platforms: Vec<Platform>,
}

/// Which of the nodes that fit is best: Swarm classic's three words (`scheduler/strategy`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Strategy {
    /// The one with the fewest tasks, as in Swarm mode.
    #[default]
    Spread,
    /// The fullest one that still has room, so that others stay empty.
    Binpack,
    /// Any; the same one each time for the same slot.
    Random,
}

/// What to do with a task whose node is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnNodeLoss {
    /// Its slot gets another task on another node, even if data stays behind.
    Reschedule,
    /// Its slot waits until the node is back.
    Hold,
}

/// Operating system and architecture; an empty part fits all.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
pub struct Platform {
    /// `linux`, `windows`.
    pub os: String,
    /// `amd64`, `arm64` (Go's words).
    pub architecture: String,
}
