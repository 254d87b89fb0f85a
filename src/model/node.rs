//! A node: a member of the cluster. The connection to it is a *host* and belongs to `fleet`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::ids::{NodeName, StackName, TaskId};
use super::spec::{HostPort, Mount, Platform};
use super::task::Task;
use super::time::Timestamp;
use super::volume::{AnonymousVolume, ObservedVolume};

/// What is declared of a node: by the inventory, overridden by the ledger's node records.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// Name in the inventory.
    pub name: NodeName,
    /// Address as written, for people: `ssh://root@h1`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub address: String,
    pub role: Role,
    /// Labels for `node.labels.*`.
    pub labels: BTreeMap<String, String>,
    /// Whether it takes tasks.
    pub availability: Availability,
    /// Drained by force: its tasks leave it, even those whose data is on this node only.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub abandons_data: bool,
    /// The source of discovery that named it; `None` if it stands in the inventory itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub found_by: Option<String>,
}

/// What constraints call `node.role`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Also keeps the cluster's records.
    Manager,
    /// Runs tasks.
    #[default]
    Worker,
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Manager => "manager",
            Self::Worker => "worker",
        })
    }
}

/// Whether a node takes tasks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Availability {
    /// Takes new tasks.
    #[default]
    Active,
    /// Keeps its tasks, takes no new ones.
    Pause,
    /// Gives its tasks away.
    Drain,
}

impl fmt::Display for Availability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Active => "active",
            Self::Pause => "pause",
            Self::Drain => "drain",
        })
    }
}

/// What was seen of a node: either facts, or that it is silent. Nothing turns one into the other.
#[derive(Debug, Clone, PartialEq)]
pub enum NodeView {
    /// The engine answered.
    Facts(Box<NodeFacts>),
    /// It did not. Its tasks are unknown, never gone.
    Unreachable(Unreachable),
}

/// Why a node is silent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unreachable {
    pub since: Timestamp,
    /// Diagnostic code, e.g. `stackctl::ssh::host_key_changed`.
    pub code: String,
    /// What is wrong, in a phrase.
    pub reason: String,
    /// What to do about it.
    pub help: Option<String>,
}

/// The facts that an engine reports.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct NodeFacts {
    /// The engine's own id, for `node.id`.
    pub id: String,
    /// The machine's host name, for `node.hostname`.
    pub hostname: String,
    /// Address we reach it at, for `node.ip`.
    pub ip: Option<IpAddr>,
    /// Platform in Go's words (`linux`, `amd64`).
    pub platform: Platform,
    /// CPU in billionths of a core.
    pub nano_cpus: i64,
    /// Memory in bytes.
    pub memory: i64,
    /// Discrete generic resources by kind.
    pub generic: BTreeMap<String, i64>,
    /// Engine version, e.g. `20.10.24`.
    pub engine_version: String,
    /// API version in use, e.g. `1.41`.
    pub api_version: String,
    /// Labels for `engine.labels.*`.
    pub engine_labels: BTreeMap<String, String>,
    /// Plug-ins by kind. An empty set of log drivers means the engine does not say.
    pub plugins: Plugins,
    /// Part of a swarm: worth a warning, since its own scheduler runs beside us.
    pub swarm_active: bool,
    /// Tasks of this cluster, all stacks. Not serialised: their specs may hold secrets in variables, and code
    /// that writes them down has to redact those.
    #[serde(skip)]
    pub tasks: Vec<Task>,
    /// Containers that are not ours.
    pub foreign: Vec<ForeignContainer>,
    pub networks: BTreeMap<String, ObservedNetwork>,
    pub volumes: BTreeSet<String>,
    /// The same with what there is to say of each. Not part of a snapshot: no plan needs it.
    #[serde(skip)]
    pub volume_details: BTreeMap<String, ObservedVolume>,
    /// Volumes that another cluster's inventory made, and its name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub foreign_volumes: BTreeMap<String, String>,
    /// Images present: every `repo:tag` and `repo@digest`, in familiar form.
    pub images: BTreeSet<String>,
    /// The engine's ids of images, by every name of theirs, and by the id itself. Compared on one host only: another engine
    /// may give the same image another id.
    #[serde(skip)]
    pub image_ids: BTreeMap<String, String>,
    /// The ids of the images that tasks were made from.
    #[serde(skip)]
    pub task_images: BTreeMap<TaskId, String>,
    /// Containers of this cluster that are not understood. Never touched.
    pub unreadable: Vec<UnreadableContainer>,
}

/// A container of this cluster that is not understood: its labels are damaged, or a newer program wrote them.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(from = "WrittenUnreadable")]
pub struct UnreadableContainer {
    pub name: String,
    /// Its stack, as far as its labels say one.
    pub stack: Option<StackName>,
    /// Whether it runs, or may start again.
    pub is_live: bool,
    pub why: String,
}

/// As snapshots have it: those of the first format have pairs.
#[derive(Deserialize)]
#[serde(untagged)]
enum WrittenUnreadable {
    Pair(String, String),
    Whole { name: String, stack: Option<StackName>, is_live: bool, why: String },
}

impl From<WrittenUnreadable> for UnreadableContainer {
    fn from(written: WrittenUnreadable) -> Self {
        match written {
            WrittenUnreadable::Pair(name, why) => Self { name, stack: None, is_live: true, why },
            WrittenUnreadable::Whole { name, stack, is_live, why } => Self { name, stack, is_live, why },
        }
    }
}

impl UnreadableContainer {
    /// Whether it may be at work in a stack: it carries the stack's label or, without one, a name of the stack's form.
    #[must_use]
    pub fn may_work_in(&self, stack: &StackName) -> bool {
        let is_of = match &self.stack {
            Some(of) => of == stack,
            None => self.name.strip_prefix(stack.as_str()).is_some_and(|rest| rest.starts_with('_')),
        };
        self.is_live && is_of
    }
}

/// Names of plug-ins, by kind.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Plugins {
    pub volume: BTreeSet<String>,
    pub network: BTreeSet<String>,
    pub log: BTreeSet<String>,
}

/// A container that is not ours: only its resource usage counts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ForeignContainer {
    pub name: String,
    /// Whether it runs.
    pub running: bool,
    /// Ports it has on the host.
    pub ports: Vec<HostPort>,
    /// The cluster that its label names. Counts for nothing that is decided, and is in no snapshot.
    #[serde(skip)]
    pub cluster: Option<String>,
}

/// A network on a node.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ObservedNetwork {
    /// The engine's id.
    pub id: String,
    pub driver: String,
    /// Stack it was made for, if one of ours.
    pub stack: Option<String>,
    /// Cluster it was made for, if one of ours.
    pub cluster: Option<String>,
    /// Hash of the definition it was made from, if one of ours.
    pub spec_hash: Option<String>,
    /// The id of the key that the hash was made with; absent before 0.3.0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_id: Option<String>,
}

impl NodeFacts {
    /// Whether there are tasks of a stack that run, or data of the stack.
    #[must_use]
    pub fn may_hold(&self, stack: &StackName) -> bool {
        self.may_hold_without(stack, |_| false)
    }

    /// The same once the tasks that `goes` names are gone.
    #[must_use]
    pub fn may_hold_without(&self, stack: &StackName, goes: impl Fn(&TaskId) -> bool) -> bool {
        let is_its =
            |name: &String| name.strip_prefix(stack.as_str()).is_some_and(|rest| rest.starts_with('_'));
        // An ended task that left no data behind says only what was there.
        let has_data =
            |task: &Task| task.spec.volumes.values().any(|mount| !matches!(mount, Mount::Tmpfs { .. }));
        let mut tasks = self.tasks.iter().filter(|task| task.stack == *stack);
        tasks.any(|task| has_data(task) || (task.is_live() && !goes(&task.id)))
            || self.unreadable.iter().any(|found| found.may_work_in(stack))
            || self.volumes.iter().any(is_its)
            || self.volume_details.values().any(|volume| volume.stack.as_ref() == Some(&stack.to_string()))
            || self.anonymous_volumes().any(|(_, of, _)| of == stack)
    }

    /// Volumes that this host's engine made for tasks which are still there, with the stack of each.
    pub fn anonymous_volumes(&self) -> impl Iterator<Item = (&str, &StackName, &AnonymousVolume)> {
        self.volume_details.iter().filter_map(|(name, volume)| {
            let (stack, made) = volume.made_for(name)?;
            Some((name.as_str(), stack, made))
        })
    }
}

impl NodeView {
    /// The facts, to be completed.
    pub fn facts_mut(&mut self) -> Option<&mut NodeFacts> {
        match self {
            Self::Facts(facts) => Some(facts),
            Self::Unreachable(_) => None,
        }
    }

    /// The facts, if there are any.
    #[must_use]
    pub fn facts(&self) -> Option<&NodeFacts> {
        match self {
            Self::Facts(facts) => Some(facts),
            Self::Unreachable(_) => None,
        }
    }
}
