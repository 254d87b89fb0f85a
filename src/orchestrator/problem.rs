//! What stops a plan. Found before anything is done, and all at once.

use miette::Diagnostic;
use serde::Serialize;
use thiserror::Error;

use super::scheduler::Unplaced;
use crate::model::Unreachable;
use crate::model::ids::{NodeName, ServiceName};

/// One thing that stops a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Error, Diagnostic)]
#[serde(tag = "problem", rename_all = "snake_case")]
pub enum Problem {
    /// A needed host does not answer.
    #[error("node `{node}` is unreachable: {}", why.reason)]
    #[diagnostic(code(stackctl::cluster::node_unreachable), help("{}", silent_help(node, why)))]
    Silent { node: NodeName, why: Unreachable },
    /// A node has tasks or data of the stack, and the inventory does not name it.
    #[error("node `{node}` has tasks or data of this stack, and the inventory does not name it")]
    #[diagnostic(code(stackctl::cluster::node_missing), help("{}", missing_help(node, address)))]
    Missing {
        node: NodeName,
        /// Where it was reached last.
        address: String,
    },
    /// A node's address leads to another machine than the one that has tasks or data of the stack.
    #[error(
        "node `{node}` is another machine than the one that has tasks or data of this stack{}",
        remembered_as.as_ref().map(|other| format!(": {}", leads_to(other))).unwrap_or_default()
    )]
    #[diagnostic(code(stackctl::cluster::other_machine), help("{}", other_machine_help(node, remembered_as.as_ref())))]
    OtherMachine {
        node: NodeName,
        /// By which name the ledger remembers that other machine.
        #[serde(skip_serializing_if = "Option::is_none")]
        remembered_as: Option<NodeName>,
    },
    /// Two nodes are one machine.
    #[error("nodes `{node}` and `{other}` are the same machine")]
    #[diagnostic(
        code(stackctl::cluster::same_machine),
        help("remove one of them from the inventory: every task there would be seen twice")
    )]
    TwoNames { node: NodeName, other: NodeName },
    /// Which hosts there are is not known: on those that are not named, tasks may run.
    #[error("which hosts there are is not known: {}", why.reason)]
    #[diagnostic(code(stackctl::cluster::hosts_unknown), help("{}", hosts_help(why)))]
    HostsUnknown { why: Unreachable },
    /// What the ledger says of nodes cannot be read: a drained node would look active.
    #[error("what is remembered of the nodes cannot be read: {}", why.reason)]
    #[diagnostic(code(stackctl::cluster::records_unknown), help("{}", records_help(why)))]
    RecordsUnknown { why: Unreachable },
    /// A container of the stack is not understood: its slot is not empty.
    #[error("container `{container}` on node `{node}` is part of the stack and not understood: {why}")]
    #[diagnostic(
        code(stackctl::cluster::not_understood),
        help(
            "nothing is planned meanwhile, since a second task in its place could write to the same volumes; if it \
             may go, remove it on that host: `docker rm -f {container}`"
        )
    )]
    NotUnderstood { node: NodeName, container: String, why: String },
    /// No node for some tasks.
    #[error("no suitable node for {} of service `{}`: {}", tasks(.0.tasks), .0.service, .0.summary())]
    #[diagnostic(
        code(stackctl::placement::no_suitable_node),
        help("change `deploy.placement`, the ports or the reservations of `{}`, or add nodes; -v shows it node by node", .0.service)
    )]
    Unplaced(Unplaced),
    /// More tasks than any stack may have. None of them is placed.
    #[error(
        "the stack would have {tasks} tasks, most of them of service `{service}`, and a stack has at most {max}"
    )]
    #[diagnostic(
        code(stackctl::placement::too_many_tasks),
        help("lower `replicas` of `{service}`, in the stackfile or with `stackctl scale`")
    )]
    TooManyTasks {
        /// The service with the most.
        service: ServiceName,
        tasks: u64,
        max: u64,
    },
    /// A constraint that cannot be read.
    #[error("service `{service}`: {why}")]
    #[diagnostic(code(stackctl::placement::bad_constraint))]
    BadConstraint { service: ServiceName, why: String },
    /// A network with the wanted name is there, and is not what is wanted.
    #[error("network `{network}` on node `{node}` {why}")]
    #[diagnostic(code(stackctl::network::conflict), help("{help}"))]
    NetworkConflict {
        node: NodeName,
        /// Full name.
        network: String,
        why: String,
        help: String,
    },
    /// A volume with the wanted name belongs to another cluster.
    #[error("volume `{volume}` on node `{node}` belongs to cluster `{cluster}`")]
    #[diagnostic(
        code(stackctl::volume::conflict),
        help(
            "tasks of both clusters would write to it: give the volume another `name:`; if it is meant to be shared, \
             make it `external`"
        )
    )]
    VolumeOfOther {
        node: NodeName,
        /// Full name.
        volume: String,
        cluster: String,
    },
    /// A secret whose value was compared with nothing.
    #[error("the value of secret `{secret}`{} is not known: {why}", used_by(services))]
    #[diagnostic(code(stackctl::secrets::not_known), help("{help}"))]
    NoSecret { secret: String, services: Vec<ServiceName>, why: String, help: String },
    /// Values that are encrypted in the ledger, and that this process cannot open.
    #[error("values of {} are not known here: they are encrypted in the ledger", services_words(services))]
    #[diagnostic(
        code(stackctl::secrets::sealed_values),
        help(
            "give a private key that opens the secrets of the cluster (STACKCTL_KEY_FILE or STACKCTL_KEY); or \
             deploy the stackfile, which has the values"
        )
    )]
    SealedValues { services: Vec<ServiceName> },
    /// The owner of a config's or secret's file is not a number.
    #[error("service `{service}`: file owner `{what}` is not a number")]
    #[diagnostic(
        code(stackctl::config::owner_not_numeric),
        help("write `uid` and `gid` as numbers: names are known only inside the image")
    )]
    BadFileOwner {
        service: ServiceName,
        /// As written.
        what: String,
    },
    /// A config whose content is not at hand.
    #[error("service `{service}` asks for config `{config}`, whose content is not at hand")]
    #[diagnostic(
        code(stackctl::config::no_content),
        help(
            "make it: `stackctl config create {name} FILE`; or give `{config}` a `file:` in place of `external`"
        )
    )]
    NoContent {
        service: ServiceName,
        /// Key of the config.
        config: String,
        /// What the cluster calls it.
        name: String,
    },
    /// Services that each must be placed after the other.
    #[error("circular affinity between services: {}", services.iter().map(ServiceName::as_str).collect::<Vec<_>>().join(", "))]
    #[diagnostic(
        code(stackctl::placement::affinity_cycle),
        help("take one of the affinities out, or let it only prefer: `affinity:service ==~ …`")
    )]
    AffinityCycle {
        /// The services of the circle.
        services: Vec<ServiceName>,
    },
}

fn tasks(n: u32) -> String {
    if n == 1 { "1 task".to_owned() } else { format!("{n} tasks") }
}

fn services_words(services: &[ServiceName]) -> String {
    let names: Vec<String> = services.iter().map(|name| format!("`{name}`")).collect();
    format!("service{} {}", if names.len() == 1 { "" } else { "s" }, names.join(", "))
}

fn used_by(services: &[ServiceName]) -> String {
    if services.is_empty() {
        return String::new();
    }
    format!(" (used by {})", services.iter().map(ServiceName::as_str).collect::<Vec<_>>().join(", "))
}

fn records_help(why: &Unreachable) -> String {
    let remedy = why.help.as_deref().map(|help| format!("{help}; ")).unwrap_or_default();
    format!("{remedy}without it nothing is planned: a node that was drained would be given tasks")
}

impl Problem {
    /// The one service it is about, if it is about one.
    #[must_use]
    pub fn service(&self) -> Option<&ServiceName> {
        match self {
            Self::Unplaced(unplaced) => Some(&unplaced.service),
            Self::BadConstraint { service, .. }
            | Self::TooManyTasks { service, .. }
            | Self::BadFileOwner { service, .. }
            | Self::NoContent { service, .. } => Some(service),
            Self::NoSecret { services, .. }
            | Self::SealedValues { services }
            | Self::AffinityCycle { services } => services.first(),
            Self::Silent { .. }
            | Self::HostsUnknown { .. }
            | Self::RecordsUnknown { .. }
            | Self::Missing { .. }
            | Self::OtherMachine { .. }
            | Self::TwoNames { .. }
            | Self::NotUnderstood { .. }
            | Self::VolumeOfOther { .. }
            | Self::NetworkConflict { .. } => None,
        }
    }

    /// Whether hosts that do not answer are to blame.
    #[must_use]
    pub fn is_silence(&self) -> bool {
        match self {
            Self::Silent { .. } | Self::Missing { .. } | Self::HostsUnknown { .. } => true,
            Self::RecordsUnknown { why } => {
                matches!(
                    why.code.as_str(),
                    "stackctl::ledger::no_majority" | "stackctl::ledger::no_agreement"
                )
            }
            Self::Unplaced(_)
            | Self::BadConstraint { .. }
            | Self::TooManyTasks { .. }
            | Self::OtherMachine { .. }
            | Self::TwoNames { .. }
            | Self::NotUnderstood { .. }
            | Self::VolumeOfOther { .. }
            | Self::NetworkConflict { .. }
            | Self::NoSecret { .. }
            | Self::SealedValues { .. }
            | Self::BadFileOwner { .. }
            | Self::NoContent { .. }
            | Self::AffinityCycle { .. } => false,
        }
    }
}

fn hosts_help(why: &Unreachable) -> String {
    let remedy = why.help.as_deref().map(|help| format!("{help}; ")).unwrap_or_default();
    format!("{remedy}nothing is planned meanwhile: tasks may run on hosts that are not named now")
}

fn silent_help(node: &NodeName, why: &Unreachable) -> String {
    let remedy = why.help.as_deref().map(|help| format!("{help}; ")).unwrap_or_default();
    format!(
        "{remedy}to go on without it, `stackctl node update --availability drain {node}`: what runs there stays \
         unknown until it is back"
    )
}

/// To which machine the address of a node leads, by the name under which the ledger remembers that machine.
#[must_use]
pub fn leads_to(remembered_as: &NodeName) -> String {
    format!("its address leads to the machine that the ledger remembers as {remembered_as}")
}

fn other_machine_help(node: &NodeName, remembered_as: Option<&NodeName>) -> String {
    match remembered_as {
        Some(other) => format!(
            "correct the addresses of {node} and {other} in the inventory: stacks that have tasks or data there are not \
             deployed meanwhile"
        ),
        None => format!(
            "check its address in the inventory; if the machine was replaced for good, `stackctl node forget {node}`: \
             what ran there counts as gone then"
        ),
    }
}

fn missing_help(node: &NodeName, address: &str) -> String {
    format!(
        "it was reached at {address}: put it back into the inventory. If it is gone for good, `stackctl node forget \
         {node}`; to go on without it for now, `stackctl node update --availability drain {node}`"
    )
}
