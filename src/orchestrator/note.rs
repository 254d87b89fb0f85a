//! What the user should know about a plan besides its actions. Each note is shown once.

use std::fmt;

use serde::Serialize;

use crate::model::ids::{NodeName, ServiceName};
use crate::model::task::Slot;

/// Something to know. Never an error: errors stop the plan.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(tag = "note", rename_all = "snake_case")]
pub enum Note {
    /// Networks are a bridge on each host for now.
    NetworksAreLocal {
        /// Full names.
        networks: Vec<String>,
    },
    /// Ingress ports are published where tasks run.
    IngressIsLocal {
        /// `service:port`.
        ports: Vec<String>,
    },
    /// A service runs that the stackfile does not name.
    NotInStackfile { service: ServiceName },
    /// `start-first` cannot be had.
    ForcedStopFirst {
        service: ServiceName,
        /// How many of its tasks.
        tasks: u32,
        /// Of how many that are replaced.
        of: u32,
        why: String,
    },
    /// `start-first` can be had on other nodes only.
    StartsElsewhere {
        service: ServiceName,
        /// How many of its tasks.
        tasks: u32,
        why: String,
    },
    /// A new stop grace period holds for our own stops only.
    OldStopGrace { service: ServiceName },
    /// A global service leaves out a node.
    NodeLeftOut { service: ServiceName, node: NodeName, why: String },
    /// A node is silent, and set to `drain`: the plan does without it.
    SilentNodeIgnored { node: NodeName, why: String },
    /// A node of the cluster is not named by the inventory. It has nothing of this stack.
    NodeMissing { node: NodeName },
    /// A node has another name than before.
    NodeRenamed { old: NodeName, new: NodeName },
    /// A node is given up: nothing is done there, what ran there counts as gone.
    NodeLost { node: NodeName, why: String },
    /// A slot waits for its lost node.
    Held {
        service: ServiceName,
        slot: Slot,
        node: NodeName,
        /// Why it is not made elsewhere.
        why: String,
    },
    /// A task stays on a drained node.
    StaysOnDrained {
        service: ServiceName,
        slot: Slot,
        node: NodeName,
        why: String,
        /// It is not as wanted, and is not replaced.
        is_outdated: bool,
    },
    /// A slot waits for a drained node, where its data may be.
    WaitsForDrained {
        service: ServiceName,
        slot: Slot,
        node: NodeName,
        /// Why it is not made elsewhere.
        why: String,
    },
    /// A slot that failed is left as it is for now.
    Resting {
        service: ServiceName,
        slot: Slot,
        /// Why, and how long.
        why: String,
    },
    /// A node runs in swarm mode.
    SwarmModeActive { node: NodeName },
    /// A container carries our labels, but they make no sense.
    UnreadableContainer { node: NodeName, container: String, why: String },
    /// No digest for these images.
    NotPinned {
        /// As written.
        images: Vec<String>,
        why: String,
    },
    /// No digest for these images; the running one is kept.
    PinKept {
        /// As written.
        images: Vec<String>,
        why: String,
    },
    /// A snapshot's hidden values are compared without the key of its marks.
    CannotTell {
        /// With hidden values.
        services: Vec<ServiceName>,
    },
    /// Values of secrets are compared with nothing, and count as unchanged.
    SecretsUntold {
        /// Keys of the secrets.
        secrets: Vec<String>,
    },
    /// Configs of the cluster are compared with nothing, and count as unchanged.
    ConfigsUntold {
        /// Keys of the configs.
        configs: Vec<String>,
    },
    /// Configs that are made of secrets are kept as secrets are.
    ConfigsInMemory {
        /// Keys of the configs.
        configs: Vec<String>,
    },
    /// Variables whose values are secrets reveal them to more than files do.
    SecretVariables {
        service: ServiceName,
        /// Their names.
        variables: Vec<String>,
    },
    /// A service reads its files again on a signal, and a secret that is another one replaces its tasks after all.
    NotSwapped {
        service: ServiceName,
        #[serde(flatten)]
        why: NotSwapped,
    },
    /// An image has another name, and is the same to the bit: tasks that run stay.
    SameImage {
        service: ServiceName,
        /// The name that running tasks were made with.
        was: String,
        /// As written.
        is: String,
    },
    /// Services depend on one another in a circle, and here it is broken.
    CircleBroken {
        /// Which service does not wait.
        service: ServiceName,
        /// For which other one.
        on: ServiceName,
        /// The services along the circle, from `on` to `service`.
        circle: Vec<ServiceName>,
    },
    /// The engine's restart policy is coarser than the file's.
    RestartPolicyApproximated { service: ServiceName, why: String },
    /// Tasks that end leave volumes which the engine made for them; no later task gets those.
    LeavesVolumes { service: ServiceName, volumes: usize },
}

/// Why a secret is not changed in place.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(tag = "why", rename_all = "snake_case")]
pub enum NotSwapped {
    /// It is the value of a variable.
    Variable {
        /// The variable's name.
        name: String,
    },
    /// A file is where there can be no link.
    Place {
        /// Which, and why not.
        reason: String,
    },
    /// Its container was made without the folder.
    OlderVersion,
}

/// How a task with local data leaves a lost node.
const OFF: &str =
    "a `fence:` that makes sure that the host is off, or a drain with --force, gives that data up";

/// How a task with local data leaves a drained node.
const LET_GO: &str = "`on_node_loss: reschedule`, or a drain with --force, gives that data up";

impl Note {
    /// Whether it matters only for a change: with nothing to do, it would
    /// be said again and again to people who know.
    #[must_use]
    pub fn is_about_doing(&self) -> bool {
        match self {
            Self::NetworksAreLocal { .. }
            | Self::IngressIsLocal { .. }
            | Self::ForcedStopFirst { .. }
            | Self::StartsElsewhere { .. }
            | Self::OldStopGrace { .. }
            | Self::NodeLeftOut { .. }
            | Self::NotPinned { .. }
            | Self::CircleBroken { .. }
            | Self::CannotTell { .. }
            | Self::SecretVariables { .. }
            | Self::NotSwapped { .. }
            | Self::RestartPolicyApproximated { .. }
            | Self::LeavesVolumes { .. } => true,
            Self::NotInStackfile { .. }
            | Self::SilentNodeIgnored { .. }
            | Self::NodeMissing { .. }
            | Self::NodeRenamed { .. }
            | Self::NodeLost { .. }
            | Self::Held { .. }
            | Self::StaysOnDrained { .. }
            | Self::WaitsForDrained { .. }
            | Self::Resting { .. }
            | Self::SwarmModeActive { .. }
            | Self::UnreadableContainer { .. }
            | Self::SecretsUntold { .. }
            | Self::ConfigsUntold { .. }
            | Self::ConfigsInMemory { .. }
            | Self::SameImage { .. }
            | Self::PinKept { .. } => false,
        }
    }
}

fn leaves(service: &ServiceName, volumes: usize) -> String {
    let volumes = if volumes == 1 { "1 volume".to_owned() } else { format!("{volumes} volumes") };
    format!(
        "{service} leaves {volumes} without a name, kept and not given to new tasks: see `stackctl volume ls`"
    )
}

const OLD_STOP_GRACE: &str = "the new stop_grace_period holds whenever stackctl stops a task; `docker stop`, and an engine that shuts \
     down, keep the old one until the task is replaced";

fn silent(node: &NodeName, why: &str) -> String {
    format!("node {node} is silent ({why}) and set to drain: planned without it; what runs there is unknown")
}

fn same_image(service: &ServiceName, was: &str, is: &str) -> String {
    format!("{service}: {is} is the same image as {was}, so its tasks stay")
}

fn held(service: &ServiceName, slot: &Slot, node: &NodeName, why: &str) -> String {
    format!("{service}.{slot} waits for lost node {node}: {why}; {OFF}")
}

fn missing(node: &NodeName) -> String {
    format!("node {node} is not in the inventory; nothing of this stack is there")
}

fn renamed(old: &NodeName, new: &NodeName) -> String {
    format!(
        "node {new} is the machine that was {old}: what `stackctl node update` has set for {old} does not hold for \
         {new}, and tasks of global services are made again under the new name"
    )
}

fn cannot_tell(services: &[ServiceName]) -> String {
    let names: Vec<&str> = services.iter().map(ServiceName::as_str).collect();
    format!(
        "cannot tell whether hidden values of {} differ, which counts as a difference: give the key that `stackctl \
         snapshot --key-out` wrote",
        names.join(", ")
    )
}

fn untold(what: &str, keys: &[String]) -> String {
    format!("cannot tell whether {what} differ, which is taken for no difference: {}", keys.join(", "))
}

fn in_memory(configs: &[String]) -> String {
    let configs = configs.join(", ");
    format!(
        "made of secrets, and so brought to the memory of hosts by their agents, as secrets are: {configs}"
    )
}

fn revealed(service: &ServiceName, variables: &[String]) -> String {
    format!(
        "{service} gets secrets as variables ({}): /proc/PID/environ shows them to root and to processes of the same user, \
         child processes inherit them, crash reports may have them, and all processes of the container can read them below \
         /run/stackctl/env",
        variables.join(", ")
    )
}

fn not_swapped(service: &ServiceName, why: &NotSwapped) -> String {
    match why {
        NotSwapped::Variable { name } => format!(
            "{service}: the secret of variable {name} is another one, and a process reads its variables once, when it starts: its \
             tasks are replaced"
        ),
        NotSwapped::Place { reason } => {
            format!("{service}: its secrets cannot be changed in place, and its tasks are replaced: {reason}")
        }
        NotSwapped::OlderVersion => format!(
            "{service}: secrets cannot be changed in place in tasks that a version before this one made: they are replaced, \
             this once"
        ),
    }
}

fn unordered(service: &ServiceName, on: &ServiceName, circle: &[ServiceName]) -> String {
    let ring = ring(circle, on);
    format!("{service} does not wait for {on}: services depend on one another in a circle ({ring})")
}

/// `a → b → a`
fn ring(circle: &[ServiceName], on: &ServiceName) -> String {
    circle.iter().chain([on]).map(ServiceName::as_str).collect::<Vec<_>>().join(" → ")
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NetworksAreLocal { networks } => write!(
                f,
                "networks are bridges on each host for now: tasks on different hosts do not see each other through {}",
                networks.join(", ")
            ),
            Self::IngressIsLocal { ports } => write!(
                f,
                "ports are published on the hosts that run a task, not on every host: {}",
                ports.join(", ")
            ),
            Self::NotInStackfile { service } => {
                write!(f, "service {service} runs but is not in the stackfile; --prune removes it")
            }
            Self::ForcedStopFirst { service, tasks, of, why } => match tasks == of {
                true => write!(f, "{service} is replaced stop-first: {why}"),
                false => write!(f, "{service}: {tasks} of {of} tasks are replaced stop-first: {why}"),
            },
            Self::OldStopGrace { service } => write!(f, "{service}: {OLD_STOP_GRACE}"),
            Self::StartsElsewhere { service, tasks, why } => {
                let moves =
                    if *tasks == 1 { "task moves to another host" } else { "tasks move to other hosts" };
                write!(f, "{service}: {tasks} {moves} to be replaced start-first: {why}")
            }
            Self::NodeLeftOut { service, node, why } => write!(f, "{service} leaves out node {node}: {why}"),
            Self::SilentNodeIgnored { node, why } => f.write_str(&silent(node, why)),
            Self::NodeMissing { node } => f.write_str(&missing(node)),
            Self::NodeRenamed { old, new } => f.write_str(&renamed(old, new)),
            Self::NodeLost { node, why } => {
                write!(f, "node {node} counts as lost ({why}): planned without it and what runs there")
            }
            Self::Held { service, slot, node, why } => f.write_str(&held(service, slot, node, why)),
            Self::StaysOnDrained { service, slot, node, why, is_outdated } => {
                let outdated = if *is_outdated { " and is not replaced" } else { "" };
                write!(f, "{service}.{slot} stays on drained node {node}{outdated}: {why}; {LET_GO}")
            }
            Self::WaitsForDrained { service, slot, node, why } => {
                write!(f, "{service}.{slot} waits for drained node {node}: {why}; {LET_GO}")
            }
            Self::Resting { service, slot, why } => write!(f, "{service}.{slot} is left as it is: {why}"),
            Self::SwarmModeActive { node } => {
                write!(f, "node {node} is in swarm mode: its own scheduler may run tasks beside these")
            }
            Self::UnreadableContainer { node, container, why } => {
                write!(f, "container {container} on {node} is left alone: its labels make no sense ({why})")
            }
            Self::NotPinned { images, why } => {
                write!(f, "not pinned to a digest, used or pulled by tag ({why}): {}", images.join(", "))
            }
            Self::PinKept { images, why } => {
                write!(f, "kept at the digest that runs ({why}): {}", images.join(", "))
            }
            Self::CannotTell { services } => write!(f, "{}", cannot_tell(services)),
            Self::SecretsUntold { secrets } => f.write_str(&untold("the values of these secrets", secrets)),
            Self::ConfigsUntold { configs } => {
                f.write_str(&untold("the contents of these configs of the cluster", configs))
            }
            Self::ConfigsInMemory { configs } => f.write_str(&in_memory(configs)),
            Self::SecretVariables { service, variables } => f.write_str(&revealed(service, variables)),
            Self::NotSwapped { service, why } => f.write_str(&not_swapped(service, why)),
            Self::SameImage { service, was, is } => f.write_str(&same_image(service, was, is)),
            Self::CircleBroken { service, on, circle } => f.write_str(&unordered(service, on, circle)),
            Self::RestartPolicyApproximated { service, why } => {
                write!(f, "restart policy of {service}: {why}")
            }
            Self::LeavesVolumes { service, volumes } => f.write_str(&leaves(service, *volumes)),
        }
    }
}
