//! What we will do: the stack after every default, short form and variable is settled.
//!
//! No options here that merely mean "default" where Docker's server would fill one in, and no strings
//! that are really numbers. Field names serialise as the stackfile writes them, so that a path in a
//! diff is a path in the user's file.

mod placement;
mod ports;
mod resources;

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::duration::GoDuration;
use super::ids::{ServiceName, StackName};

pub use placement::{OnNodeLoss, Placement, Platform, Strategy};
pub use ports::{HostPort, Port, Protocol, PublishMode};
pub use resources::{ConfigSpec, Ipam, IpamPool, NetworkSpec, NoVersion, SecretSpec, VolumeSpec};

/// A whole stack.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StackSpec {
    pub name: StackName,
    pub services: BTreeMap<ServiceName, ServiceSpec>,
    /// Networks that at least one service uses, by key in the file.
    pub networks: BTreeMap<String, NetworkSpec>,
    /// Named volumes by key in the file.
    pub volumes: BTreeMap<String, VolumeSpec>,
    /// Configs by key in the file.
    pub configs: BTreeMap<String, ConfigSpec>,
    /// Secrets by key in the file. Never their contents.
    pub secrets: BTreeMap<String, SecretSpec>,
}

impl StackSpec {
    /// A stack with nothing in it: what `rm` deploys.
    #[must_use]
    pub fn empty(name: StackName) -> Self {
        Self {
            name,
            services: BTreeMap::new(),
            networks: BTreeMap::new(),
            volumes: BTreeMap::new(),
            configs: BTreeMap::new(),
            secrets: BTreeMap::new(),
        }
    }
}

/// A service: how many tasks of which kind, where they may run, and how they are replaced.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ServiceSpec {
    /// Short name.
    pub name: ServiceName,
    /// How many tasks there are.
    pub mode: ServiceMode,
    /// What each task runs. Everything in here, when changed, replaces tasks.
    pub task: Arc<TaskSpec>,
    /// Where tasks may run. A change moves only the tasks that no longer fit, as in SwarmKit's
    /// `IsTaskDirtyPlacementConstraintsOnly`.
    #[serde(default, skip_serializing_if = "is_default")]
    pub placement: Placement,
    /// How changed tasks are replaced.
    pub update_config: UpdateConfig,
    /// How they are replaced on the way back.
    pub rollback_config: UpdateConfig,
    /// `deploy.labels`: labels of the service, not of its containers.
    #[serde(default, skip_serializing_if = "is_default")]
    pub labels: BTreeMap<String, String>,
    /// `deploy.endpoint_mode`.
    #[serde(default, skip_serializing_if = "is_default")]
    pub endpoint_mode: EndpointMode,
    /// Services that must be up before this one's tasks start.
    #[serde(default, skip_serializing_if = "is_default")]
    pub depends_on: BTreeMap<ServiceName, DependencyCondition>,
}

/// How many tasks a service has, and whether they run on or end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "mode")]
pub enum ServiceMode {
    /// `replicas` slots, numbered from 1.
    Replicated {
        /// Number of slots; 0 is allowed.
        replicas: u32,
    },
    /// One task on each node that fits.
    Global,
    /// `total` tasks that each run to completion once.
    ReplicatedJob {
        /// Tasks that must complete.
        total: u32,
        /// Tasks that may run at a time; equals `total` in a stackfile.
        max_concurrent: u32,
    },
    /// One task to completion on each node that fits.
    GlobalJob,
}

/// The limit of tasks of one stack. Far above what anyone runs; what it holds off is a number that was mistyped, which
/// would take all memory of the machine that plans it.
pub const TASKS_MAX: u64 = 1_000_000;

impl ServiceMode {
    /// How many tasks it asks for on a cluster of so many nodes.
    #[must_use]
    pub fn tasks(self, nodes: usize) -> u64 {
        match self {
            Self::Replicated { replicas } => replicas.into(),
            Self::ReplicatedJob { total, .. } => total.into(),
            Self::Global | Self::GlobalJob => nodes as u64,
        }
    }

    /// Whether tasks are meant to end.
    #[must_use]
    pub fn is_job(self) -> bool {
        matches!(self, Self::ReplicatedJob { .. } | Self::GlobalJob)
    }

    /// Whether there is one task a node instead of numbered slots.
    #[must_use]
    pub fn is_global(self) -> bool {
        matches!(self, Self::Global | Self::GlobalJob)
    }
}

impl fmt::Display for ServiceMode {
    /// The word the stackfile uses.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Replicated { .. } => "replicated",
            Self::Global => "global",
            Self::ReplicatedJob { .. } => "replicated-job",
            Self::GlobalJob => "global-job",
        })
    }
}

/// `deploy.endpoint_mode`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EndpointMode {
    /// One virtual address for the service.
    #[default]
    Vip,
    /// Names resolve to the tasks' own addresses.
    Dnsrr,
}

/// When a dependency counts as up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DependencyCondition {
    /// Its tasks have started.
    ServiceStarted,
    /// Its tasks are healthy.
    ServiceHealthy,
    /// Its tasks have ended with status 0.
    ServiceCompletedSuccessfully,
}

/// What one task runs. The hash of this decides whether a task is replaced.
///
/// Maps and sorted lists only, so that equal meaning has equal bytes. A field at its default is left
/// out of the JSON: a later version with more fields still hashes today's specs alike.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct TaskSpec {
    /// The image as written.
    pub image: String,
    /// `sha256:…` the image is pinned to, settled when the plan is made.
    #[serde(skip_serializing_if = "is_default")]
    pub digest: Option<String>,
    /// Overrides the image's CMD.
    #[serde(skip_serializing_if = "is_default")]
    pub command: Option<Vec<String>>,
    /// Overrides the image's ENTRYPOINT.
    #[serde(skip_serializing_if = "is_default")]
    pub entrypoint: Option<Vec<String>>,
    /// Environment; `None` unsets a variable of the image.
    #[serde(skip_serializing_if = "is_default")]
    pub environment: BTreeMap<String, Option<String>>,
    /// The user's own container labels.
    #[serde(skip_serializing_if = "is_default")]
    pub labels: BTreeMap<String, String>,
    /// Host name; may hold service templates.
    #[serde(skip_serializing_if = "is_default")]
    pub hostname: Option<String>,
    #[serde(skip_serializing_if = "is_default")]
    pub domainname: Option<String>,
    /// User, or `uid:gid`.
    #[serde(skip_serializing_if = "is_default")]
    pub user: Option<String>,
    #[serde(skip_serializing_if = "is_default")]
    pub group_add: Vec<String>,
    #[serde(skip_serializing_if = "is_default")]
    pub working_dir: Option<String>,
    /// Keep stdin open.
    #[serde(skip_serializing_if = "is_default")]
    pub stdin_open: bool,
    /// Allocate a terminal.
    #[serde(skip_serializing_if = "is_default")]
    pub tty: bool,
    /// Capabilities added, normalised (`CAP_NET_ADMIN`, `ALL`), sorted.
    #[serde(skip_serializing_if = "is_default")]
    pub cap_add: Vec<String>,
    /// Capabilities dropped, normalised, sorted.
    #[serde(skip_serializing_if = "is_default")]
    pub cap_drop: Vec<String>,
    /// All capabilities and devices.
    #[serde(skip_serializing_if = "is_default")]
    pub privileged: bool,
    /// Security options, e.g. `no-new-privileges:true`.
    #[serde(skip_serializing_if = "is_default")]
    pub security_opt: Vec<String>,
    /// Devices of the host.
    #[serde(skip_serializing_if = "is_default")]
    pub devices: Vec<Device>,
    /// Rules for the device cgroup.
    #[serde(skip_serializing_if = "is_default")]
    pub device_cgroup_rules: Vec<String>,
    /// Kernel parameters of the container's namespaces.
    #[serde(skip_serializing_if = "is_default")]
    pub sysctls: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "is_default")]
    pub ulimits: BTreeMap<String, Ulimit>,
    /// Run an init as process 1; unset leaves it to the engine.
    #[serde(skip_serializing_if = "is_default")]
    pub init: Option<bool>,
    /// Mount the root file system read-only.
    #[serde(skip_serializing_if = "is_default")]
    pub read_only: bool,
    /// Size of `/dev/shm` in bytes.
    #[serde(skip_serializing_if = "is_default")]
    pub shm_size: Option<u64>,
    /// `host`, `shareable`, `private`, `none`.
    #[serde(skip_serializing_if = "is_default")]
    pub ipc: Option<String>,
    /// `host` shares the host's processes.
    #[serde(skip_serializing_if = "is_default")]
    pub pid: Option<String>,
    /// `host`, `none` or `bridge`; replaces named networks.
    #[serde(skip_serializing_if = "is_default")]
    pub network_mode: Option<String>,
    /// `host` turns user namespaces off.
    #[serde(skip_serializing_if = "is_default")]
    pub userns_mode: Option<String>,
    /// `host` or `private`.
    #[serde(skip_serializing_if = "is_default")]
    pub cgroupns_mode: Option<String>,
    #[serde(skip_serializing_if = "is_default")]
    pub cgroup_parent: Option<String>,
    /// Fixed hardware address.
    #[serde(skip_serializing_if = "is_default")]
    pub mac_address: Option<String>,
    #[serde(skip_serializing_if = "is_default")]
    pub runtime: Option<String>,
    /// Isolation technology (Windows).
    #[serde(skip_serializing_if = "is_default")]
    pub isolation: Option<String>,
    /// Preference of the kernel's out-of-memory killer, −1000 to 1000.
    #[serde(skip_serializing_if = "is_default")]
    pub oom_score_adj: Option<i64>,
    /// Signal that asks the container to stop.
    #[serde(skip_serializing_if = "is_default")]
    pub stop_signal: Option<String>,
    /// Signal that has the process read its files again: a new content of a config or a secret is then no reason to replace
    /// a task.
    #[serde(skip_serializing_if = "is_default")]
    pub on_config: Option<String>,
    /// Its container was made so that its files can be [swapped](super::swap). Labels alone say so: none is declared so.
    #[serde(skip_serializing_if = "is_default")]
    pub swaps: bool,
    /// Time between that signal and SIGKILL; the engine's own default is 10 s.
    #[serde(skip_serializing_if = "is_default")]
    pub stop_grace_period: Option<GoDuration>,
    #[serde(skip_serializing_if = "is_default")]
    pub dns: Vec<String>,
    #[serde(skip_serializing_if = "is_default")]
    pub dns_search: Vec<String>,
    #[serde(skip_serializing_if = "is_default")]
    pub dns_opt: Vec<String>,
    /// Entries for `/etc/hosts`, as `name:address`.
    #[serde(skip_serializing_if = "is_default")]
    pub extra_hosts: Vec<String>,
    #[serde(skip_serializing_if = "is_default")]
    pub logging: Option<Logging>,
    /// How health is judged; `None` leaves it to the image.
    #[serde(skip_serializing_if = "is_default")]
    pub healthcheck: Option<Healthcheck>,
    /// `deploy.resources`.
    #[serde(skip_serializing_if = "is_default")]
    pub resources: Resources,
    /// `deploy.restart_policy`.
    #[serde(skip_serializing_if = "is_default")]
    pub restart_policy: RestartPolicy,
    #[serde(skip_serializing_if = "is_default")]
    pub ports: Vec<Port>,
    /// Mounts, by target.
    #[serde(skip_serializing_if = "is_default")]
    pub volumes: BTreeMap<String, Mount>,
    /// Attachments, by full name of the network. Boxed: a map has room for many, and most have one.
    #[serde(skip_serializing_if = "is_default")]
    pub networks: BTreeMap<String, Box<Attachment>>,
    /// Configs as files, by absolute target path.
    #[serde(skip_serializing_if = "is_default")]
    pub configs: BTreeMap<String, FileMount>,
    /// Secrets as files, by absolute target path.
    #[serde(skip_serializing_if = "is_default")]
    pub secrets: BTreeMap<String, FileMount>,
    /// How often all tasks were forced to be replaced without a change: SwarmKit's `TaskSpec.ForceUpdate`.
    /// No stackfile has it; a deploy takes it over from what runs.
    #[serde(skip_serializing_if = "is_default")]
    pub force_update: u64,
}

impl TaskSpec {
    /// The bytes that are hashed and kept in a label.
    #[must_use]
    pub fn canonical_json(&self) -> String {
        serde_json::to_string(self).expect("a spec has string keys and finite numbers")
    }

    /// What a container is created from: pinned if there is a digest.
    #[must_use]
    pub fn pinned_image(&self) -> String {
        match &self.digest {
            Some(digest) if !self.image.contains('@') => format!("{}@{digest}", self.image),
            _ => self.image.clone(),
        }
    }

    /// Host ports that a task occupies: every published port with a fixed number.
    ///
    /// Ingress-mode ports count too: until there is a mesh, the engine of each node that runs a task
    /// publishes them.
    pub fn host_ports(&self) -> impl Iterator<Item = HostPort> + '_ {
        self.ports.iter().filter_map(|port| {
            port.published.map(|number| HostPort { number, protocol: port.protocol, ip: port.host_ip })
        })
    }
}

/// A device of the host.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Device {
    /// Path on the host.
    pub source: String,
    /// Path in the container.
    pub target: String,
    /// Some of `r`, `w`, `m`.
    pub permissions: String,
}

/// Soft and hard limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ulimit {
    /// Soft limit; −1 is unlimited.
    pub soft: i64,
    /// Hard limit; −1 is unlimited.
    pub hard: i64,
}

/// Log driver; an empty driver means the engine's default.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Logging {
    #[serde(skip_serializing_if = "is_default")]
    pub driver: Option<String>,
    #[serde(skip_serializing_if = "is_default")]
    pub options: BTreeMap<String, String>,
}

/// Health check; unset parts come from the image, then from the engine (30 s, 30 s, 3, 0 s).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Healthcheck {
    /// `["NONE"]`, `["CMD", …]`, `["CMD-SHELL", …]`; empty inherits the image's.
    #[serde(skip_serializing_if = "is_default")]
    pub test: Vec<String>,
    /// Between checks.
    #[serde(skip_serializing_if = "is_default")]
    pub interval: Option<GoDuration>,
    /// For one check.
    #[serde(skip_serializing_if = "is_default")]
    pub timeout: Option<GoDuration>,
    /// Failures until unhealthy.
    #[serde(skip_serializing_if = "is_default")]
    pub retries: Option<u32>,
    /// Time in which failures do not count.
    #[serde(skip_serializing_if = "is_default")]
    pub start_period: Option<GoDuration>,
    /// Between checks in the start period (engine 25 and later).
    #[serde(skip_serializing_if = "is_default")]
    pub start_interval: Option<GoDuration>,
}

impl Healthcheck {
    /// How long the check may take to decide, in milliseconds: the start period, then as many
    /// checks as may fail, each at its slowest. What is not set counts as the engine's default.
    #[must_use]
    pub fn startup_ms(&self) -> i64 {
        const DEFAULT_MS: i64 = 30_000;
        let ms = |set: Option<GoDuration>, unset: i64| set.map_or(unset, GoDuration::as_millis);
        let each = ms(self.interval, DEFAULT_MS).saturating_add(ms(self.timeout, DEFAULT_MS));
        let probes = i64::from(self.retries.unwrap_or(3)) + 1;
        ms(self.start_period, 0).saturating_add(each.saturating_mul(probes))
    }

    /// Whether it says that there is no check, whatever the image says.
    #[must_use]
    pub fn is_disabled(&self) -> bool {
        self.test.first().is_some_and(|word| word == "NONE")
    }

    /// When the engine probes for the first time at the earliest, in milliseconds after the start.
    ///
    /// That is one `interval` after the start, or one `start_interval` where there is a start period (engine
    /// 25 and later). What is not set, or is 0, comes from the image, which may set a start period as well:
    /// so both have to be set for a bound.
    #[must_use]
    pub fn first_probe_ms(&self) -> i64 {
        let ms = |set: Option<GoDuration>| set.map_or(0, GoDuration::as_millis).max(0);
        // Without a test of its own there may be no check at all.
        if self.test.is_empty() { 0 } else { ms(self.interval).min(ms(self.start_interval)) }
    }
}

/// `deploy.resources`: what a task may use and what is kept free for it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Resources {
    /// Enforced by the kernel.
    #[serde(skip_serializing_if = "is_default")]
    pub limits: Limits,
    /// Counted by the scheduler.
    #[serde(skip_serializing_if = "is_default")]
    pub reservations: Reservations,
}

/// Upper bounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Limits {
    /// CPU in billionths of a core.
    #[serde(skip_serializing_if = "is_default")]
    pub nano_cpus: Option<i64>,
    /// Bytes.
    #[serde(skip_serializing_if = "is_default")]
    pub memory: Option<i64>,
    /// Processes and threads.
    #[serde(skip_serializing_if = "is_default")]
    pub pids: Option<i64>,
}

/// What the scheduler reserves.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Reservations {
    /// CPU in billionths of a core.
    #[serde(skip_serializing_if = "is_default")]
    pub nano_cpus: i64,
    /// Bytes.
    #[serde(skip_serializing_if = "is_default")]
    pub memory: i64,
    /// Discrete generic resources by kind.
    #[serde(skip_serializing_if = "is_default")]
    pub generic: BTreeMap<String, i64>,
}

/// When an ended task is started again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RestartPolicy {
    /// On which endings.
    pub condition: RestartCondition,
    /// Before a restart; SwarmKit's default is 5 s.
    pub delay: GoDuration,
    /// 0 is without limit.
    pub max_attempts: u32,
    /// Only restarts within this time count towards `max_attempts`; zero counts all.
    pub window: GoDuration,
}

impl Default for RestartPolicy {
    /// SwarmKit's `api/defaults/service.go`: any, 5 s, no limit, no window.
    fn default() -> Self {
        Self {
            condition: RestartCondition::Any,
            delay: GoDuration::from_secs(5),
            max_attempts: 0,
            window: GoDuration::ZERO,
        }
    }
}

/// Which endings call for a restart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RestartCondition {
    None,
    /// Those with a status other than 0.
    OnFailure,
    #[default]
    Any,
}

/// How tasks are replaced.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct UpdateConfig {
    /// Slots in motion at a time; 0 is all at once.
    pub parallelism: u32,
    /// After each batch.
    pub delay: GoDuration,
    /// What a failed update leads to.
    pub failure_action: FailureAction,
    /// How long a new task is watched.
    pub monitor: GoDuration,
    /// Share of failed tasks that is tolerated, 0 to 1.
    pub max_failure_ratio: f64,
    /// Old first or new first.
    pub order: UpdateOrder,
}

impl Default for UpdateConfig {
    /// SwarmKit's `api/defaults/service.go`.
    fn default() -> Self {
        Self {
            parallelism: 1,
            delay: GoDuration::ZERO,
            failure_action: FailureAction::Pause,
            monitor: GoDuration::from_secs(5),
            max_failure_ratio: 0.0,
            order: UpdateOrder::StopFirst,
        }
    }
}

/// What a failed update leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FailureAction {
    /// Stop replacing.
    Pause,
    Continue,
    /// Back to the previous spec.
    Rollback,
}

/// Which of the two tasks of a slot goes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum UpdateOrder {
    /// The old one stops, then the new one starts.
    StopFirst,
    /// The new one is up, then the old one stops.
    StartFirst,
}

/// Something mounted into a task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum Mount {
    /// A path of the host.
    Bind {
        /// Path on the host.
        source: String,
        #[serde(default, skip_serializing_if = "is_default")]
        read_only: bool,
        /// `rprivate`, `rshared`, …
        #[serde(default, skip_serializing_if = "is_default")]
        propagation: Option<String>,
        /// Make the directory on the host if it is missing.
        #[serde(default, skip_serializing_if = "is_default")]
        create_host_path: bool,
    },
    /// A volume of the engine.
    Volume {
        /// Full name; `None` is an anonymous volume, new for each task.
        #[serde(default, skip_serializing_if = "is_default")]
        source: Option<String>,
        #[serde(default, skip_serializing_if = "is_default")]
        read_only: bool,
        /// Do not copy the image's files into a new volume.
        #[serde(default, skip_serializing_if = "is_default")]
        nocopy: bool,
        /// A directory in the volume (engine 26 and later).
        #[serde(default, skip_serializing_if = "is_default")]
        subpath: Option<String>,
    },
    Tmpfs {
        /// Bytes; 0 is without limit.
        #[serde(default, skip_serializing_if = "is_default")]
        size: u64,
        #[serde(default, skip_serializing_if = "is_default")]
        mode: Option<u32>,
        /// Other mount options of the short form, e.g. `noexec`.
        #[serde(default, skip_serializing_if = "is_default")]
        options: Vec<String>,
    },
    /// A Windows named pipe.
    Npipe {
        /// Pipe on the host.
        source: String,
    },
}

impl Mount {
    /// The named volume this mounts, if it does.
    #[must_use]
    pub fn named_volume(&self) -> Option<&str> {
        match self {
            Self::Volume { source: Some(name), .. } => Some(name),
            Self::Volume { source: None, .. }
            | Self::Bind { .. }
            | Self::Tmpfs { .. }
            | Self::Npipe { .. } => None,
        }
    }
}

/// How a task joins a network.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Attachment {
    /// Names it answers to there, the service's own among them, in order.
    #[serde(skip_serializing_if = "is_default")]
    pub aliases: Vec<String>,
    /// Fixed IPv4 address.
    #[serde(skip_serializing_if = "is_default")]
    pub ipv4_address: Option<IpAddr>,
    /// Fixed IPv6 address.
    #[serde(skip_serializing_if = "is_default")]
    pub ipv6_address: Option<IpAddr>,
    /// Driver options of the attachment.
    #[serde(skip_serializing_if = "is_default")]
    pub driver_opts: BTreeMap<String, String>,
}

/// A config or secret as a file in the container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileMount {
    /// Key of the config or secret in the file.
    pub source: String,
    pub uid: String,
    pub gid: String,
    /// Permission bits; 0444 unless given.
    pub mode: u32,
    /// What the file holds: SHA-256 in hex for configs, the version for secrets. A changed file is a changed spec.
    pub content: String,
    /// `golang` fills the content in for each task. It is here, and not only with the config, because it decides what is in
    /// the container as the content does: with another driver it is another task.
    #[serde(default, skip_serializing_if = "is_default")]
    pub template_driver: Option<String>,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_default_spec_is_small_and_comes_back() {
        let spec = TaskSpec { image: "nginx".into(), ..TaskSpec::default() };
        assert_eq!(spec.canonical_json(), r#"{"image":"nginx"}"#);
        assert_eq!(serde_json::from_str::<TaskSpec>(&spec.canonical_json()).unwrap(), spec);
    }

    #[test]
    fn a_health_check_may_take_any_time_to_decide() {
        let check = |retries: u32| Healthcheck { retries: Some(retries), ..Healthcheck::default() };
        assert_eq!(check(2).startup_ms(), 180_000);
        let long = Some(GoDuration::from_secs(i64::MAX / 1_000_000_000));
        let longest = Healthcheck { interval: long, timeout: long, start_period: long, ..check(u32::MAX) };
        assert_eq!(longest.startup_ms(), i64::MAX);
    }
}
