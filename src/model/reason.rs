//! Why an action is taken. The diff line and the progress line print the same reason.

use std::fmt;
use std::sync::Arc;

use serde::Serialize;

use crate::model::ids::{NodeName, ServiceName};

/// Why an action is taken.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(tag = "reason", rename_all = "snake_case")]
pub enum Reason {
    /// The service is not there yet.
    NewService,
    /// More slots are wanted.
    ScaledUp { from: u32, to: u32 },
    /// Fewer slots are wanted.
    ScaledDown { from: u32, to: u32 },
    /// A global service has no task on this node yet.
    NodeWithoutTask,
    /// The spec differs, in these fields.
    SpecChanged {
        /// Paths as in the stackfile.
        fields: Arc<[String]>,
    },
    /// Its new memory limit is below what it uses: the kernel would end it.
    LimitBelowUse {
        /// Bytes.
        uses: i64,
        /// Bytes.
        limit: i64,
    },
    /// The service is no longer in the stackfile, and pruning was asked for; or the stack is removed.
    ServiceRemoved,
    /// The node is drained.
    NodeDrained { node: NodeName },
    /// The task's node no longer meets a constraint or a filter.
    NoLongerFits { node: NodeName, why: Arc<str> },
    /// The node is lost, and the task with it.
    NodeLost { node: NodeName },
    /// It is better placed elsewhere.
    Rebalanced { from: NodeName, to: NodeName },
    /// The slot's last task ended and its policy wants it running.
    TaskEnded {
        /// Status, where known.
        exit_code: Option<i64>,
    },
    /// Its health check fails.
    Unhealthy,
    /// Made by an earlier run, never started.
    NeverStarted,
    /// A second live task in a slot.
    Duplicate,
    /// A task of the service will run here.
    NeededBy { service: ServiceName },
    /// No task of the stack is left that uses it.
    Unused,
    /// More ended tasks than are kept.
    History,
    /// It failed, and the task that it was to replace is still running.
    Withdrawn,
    /// The update failed: back to what ran before.
    RolledBack,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NewService => f.write_str("new service"),
            Self::ScaledUp { from, to } => write!(f, "scaled up from {from} to {to}"),
            Self::ScaledDown { from, to } => write!(f, "scaled down from {from} to {to}"),
            Self::NodeWithoutTask => f.write_str("no task on this node yet"),
            Self::SpecChanged { fields } if fields.is_empty() => f.write_str("changed"),
            Self::SpecChanged { fields } => {
                const SHOWN_MAX: usize = 3;
                let shown = fields.iter().take(SHOWN_MAX).map(String::as_str).collect::<Vec<_>>().join(", ");
                let more = fields.len().saturating_sub(SHOWN_MAX);
                write!(f, "{shown} changed")?;
                if more > 0 {
                    write!(f, " (and {more} more)")?;
                }
                Ok(())
            }
            Self::LimitBelowUse { uses, limit } => {
                let mib = |bytes: &i64| bytes.div_euclid(1 << 20);
                write!(f, "it uses {} MiB of memory, and the new limit is {} MiB", mib(uses), mib(limit))
            }
            Self::ServiceRemoved => f.write_str("no longer wanted"),
            Self::NodeDrained { node } => write!(f, "node {node} is set to drain"),
            Self::NoLongerFits { node, why } => write!(f, "no longer fits node {node}: {why}"),
            Self::NodeLost { node } => write!(f, "node {node} is lost"),
            Self::Rebalanced { from, to } => write!(f, "moved from {from} to {to} for balance"),
            Self::TaskEnded { exit_code: Some(code) } => write!(f, "last task ended with status {code}"),
            Self::TaskEnded { exit_code: None } => f.write_str("last task ended"),
            Self::Unhealthy => f.write_str("unhealthy"),
            Self::NeverStarted => f.write_str("made by an earlier run, never started"),
            Self::Duplicate => f.write_str("second task in its slot"),
            Self::NeededBy { service } => write!(f, "needed by {service}"),
            Self::Unused => f.write_str("no task uses it any more"),
            Self::History => f.write_str("older than the ended tasks that are kept"),
            Self::Withdrawn => f.write_str("failed, and the task it was to replace still serves"),
            Self::RolledBack => f.write_str("the update failed: back to what ran before"),
        }
    }
}
