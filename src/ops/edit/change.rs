//! What can be changed of a service, as data. A field that is empty leaves the service as it is.

use crate::model::GoDuration;
use crate::model::image::Resolved;
use crate::model::spec::{FailureAction, Mount, Port, Protocol, PublishMode, RestartCondition, UpdateOrder};

/// A change of one service. What is to go goes first, then what is to come comes, so that removing and
/// setting the same key replaces it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ServiceChange {
    /// Another image.
    pub image: Option<String>,
    /// What a registry said of that image.
    pub resolved: Option<Resolved>,
    /// Another number of tasks.
    pub replicas: Option<u32>,
    /// Labels of the service.
    pub labels: MapChange<String>,
    /// Where its tasks may run.
    pub placement: PlacementChange,
    /// How it is updated.
    pub update: PolicyChange,
    /// How it is rolled back.
    pub rollback: PolicyChange,
    /// The process in the container.
    pub container: ContainerChange,
    /// Limits and reservations.
    pub resources: ResourceChange,
    /// The health check.
    pub health: HealthChange,
    /// When ended tasks are started again.
    pub restarts: RestartChange,
    /// Published ports.
    pub ports: PortChange,
    /// Mounts, by their path in the container. The source of a volume is its key in the stack or its full
    /// name.
    pub mounts: MapChange<Mount>,
    /// Configs to take away, by key or full name.
    pub configs_remove: Vec<String>,
    /// Configs to mount.
    pub configs_add: Vec<NewConfig>,
    /// Networks to leave, by key or full name.
    pub networks_remove: Vec<String>,
    /// Networks to join.
    pub networks_add: Vec<NewNetwork>,
    /// Replace all tasks though nothing changed.
    pub force: bool,
}

/// A change of a map.
#[derive(Debug, Clone, PartialEq)]
pub struct MapChange<V> {
    /// Keys that go.
    pub remove: Vec<String>,
    /// Entries that come.
    pub set: Vec<(String, V)>,
}

impl<V> Default for MapChange<V> {
    fn default() -> Self {
        Self { remove: Vec::new(), set: Vec::new() }
    }
}

/// A change of a list without duplicates.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ListChange {
    /// Items that go.
    pub remove: Vec<String>,
    /// Items that come, in order.
    pub add: Vec<String>,
}

/// A change of where tasks may run.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PlacementChange {
    /// Constraints.
    pub constraints: ListChange,
    /// Labels to spread over, the outermost first.
    pub spread: ListChange,
    /// 0 is without limit.
    pub max_replicas_per_node: Option<u32>,
}

/// A change of an update or rollback policy.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PolicyChange {
    /// Tasks at a time; 0 is all at once.
    pub parallelism: Option<u32>,
    /// Between two batches.
    pub delay: Option<GoDuration>,
    /// What a failure leads to.
    pub failure_action: Option<FailureAction>,
    /// How long a new task is watched.
    pub monitor: Option<GoDuration>,
    /// Share of failed tasks that is tolerated, 0 to 1.
    pub max_failure_ratio: Option<f64>,
    /// Start the new task first, or stop the old one first.
    pub order: Option<UpdateOrder>,
}

/// A change of the process in the container. An empty text or list is none.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ContainerChange {
    /// Arguments of the entrypoint.
    pub args: Option<Vec<String>>,
    /// In place of the image's entrypoint.
    pub entrypoint: Option<Vec<String>>,
    /// Variables; one without a value is declared and not set.
    pub environment: MapChange<Option<String>>,
    /// Labels of the containers.
    pub labels: MapChange<String>,
    /// User, or uid:gid.
    pub user: Option<String>,
    /// Working directory.
    pub working_dir: Option<String>,
    /// Host name.
    pub hostname: Option<String>,
    /// Signal that asks a task to stop.
    pub stop_signal: Option<String>,
    /// Before a task that does not stop is killed.
    pub stop_grace_period: Option<GoDuration>,
}

/// A change of limits, of which 0 is without limit, and of reservations.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ResourceChange {
    /// Billionths of a core.
    pub limit_cpu: Option<i64>,
    /// Bytes.
    pub limit_memory: Option<i64>,
    /// Processes.
    pub limit_pids: Option<i64>,
    /// Billionths of a core.
    pub reserve_cpu: Option<i64>,
    /// Bytes.
    pub reserve_memory: Option<i64>,
}

/// A change of the health check.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct HealthChange {
    /// Check nothing, whatever the image says. Everything else is ignored then.
    pub is_off: bool,
    /// A command for the shell; an empty one is the image's own check.
    pub command: Option<String>,
    /// Between two checks.
    pub interval: Option<GoDuration>,
    /// For one check.
    pub timeout: Option<GoDuration>,
    /// Time at the start in which failed checks do not count.
    pub start_period: Option<GoDuration>,
    /// Failed checks until a task counts as unhealthy.
    pub retries: Option<u32>,
}

/// A change of when ended tasks are started again.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RestartChange {
    /// After which ends.
    pub condition: Option<RestartCondition>,
    /// Before it is started again.
    pub delay: Option<GoDuration>,
    /// How often at most; 0 is without limit.
    pub max_attempts: Option<u32>,
    /// Only restarts within this time count.
    pub window: Option<GoDuration>,
}

/// A change of published ports.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PortChange {
    /// Ports of the container that are no longer published.
    pub remove: Vec<GonePort>,
    /// Ports to publish.
    pub add: Vec<Port>,
}

/// A published port, by what it is in the container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GonePort {
    /// Number in the container.
    pub target: u16,
    /// Protocol.
    pub protocol: Protocol,
    /// Only one that is published in this mode.
    pub mode: Option<PublishMode>,
}

/// A config to mount.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewConfig {
    /// Its key in the stack, or its full name.
    pub source: String,
    /// Where; its name in the root directory, if that is not said.
    pub target: Option<String>,
    /// Owner.
    pub uid: Option<String>,
    /// Group.
    pub gid: Option<String>,
    /// Permission bits.
    pub mode: Option<u32>,
}

/// A network to join.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewNetwork {
    /// Its key in the stack, or its full name.
    pub name: String,
    /// Names of the service there, beside its own.
    pub aliases: Vec<String>,
}
