//! Drift: how the live cluster differs from what was last applied, whatever the stackfile says now.
//!
//! The third side of a diff. Stackfile against last release shows edits of the file; last release against
//! live shows changes made outside stackctl. A comparison with the live cluster alone cannot distinguish a
//! container that was stopped by hand from a new version.
//!
//! Nothing here decides: it is the plan for the last release, read as findings. What the cluster itself
//! brings about (a drained or lost node, a constraint that no longer holds) is no drift.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::assign::{SlotKind, SlotWork, assign};
use super::options::PlanOptions;
use crate::model::ids::{NodeName, ServiceName};
use crate::model::reason::Reason;
use crate::model::{Observed, StackSpec};

/// One difference between what was last applied and what lives.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Drift {
    /// Short name.
    pub service: ServiceName,
    /// Its slot, as in task names: `2`, or a node.
    pub slot: String,
    /// Where the task is, was, or would be.
    pub node: NodeName,
    #[serde(flatten)]
    pub kind: DriftKind,
}

/// How the live cluster differs from a release.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drifted {
    /// Number of the release; none if none is known to have been applied as a whole.
    pub release: Option<u64>,
    pub found: Vec<Drift>,
}

/// What is different.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(tag = "drift", rename_all = "snake_case")]
pub enum DriftKind {
    /// Its container is there and does not run.
    Stopped {
        /// Status of its end, where known.
        exit_code: Option<i64>,
    },
    /// There is no container.
    Removed,
    /// What runs was made from another spec.
    Altered {
        /// Paths as in the stackfile.
        fields: Arc<[String]>,
    },
    /// A task without a slot in the spec.
    Extra,
}

impl fmt::Display for DriftKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stopped { exit_code: Some(code) } => write!(f, "stopped (status {code})"),
            Self::Stopped { exit_code: None } => f.write_str("stopped"),
            Self::Removed => f.write_str("removed"),
            Self::Altered { fields } if fields.is_empty() => f.write_str("altered"),
            Self::Altered { fields } => write!(f, "altered: {}", fields.join(", ")),
            Self::Extra => f.write_str("not asked for"),
        }
    }
}

/// Every difference, in order of service and slot. Empty also where a silent host hides what there is:
/// what is unknown is not different.
#[must_use]
pub fn drift(observed: &Observed, last: &StackSpec, options: &PlanOptions) -> Vec<Drift> {
    let options = PlanOptions { prune: true, ..options.clone() };
    let assignment = assign(observed, last, options);
    let mut all: Vec<Drift> = assignment
        .services
        .iter()
        .flat_map(|service| service.slots.iter().map(move |slot| (service, slot)))
        .filter_map(|(service, slot)| {
            let (slot_name, node) = place(slot, &assignment.nodes)?;
            Some(Drift { service: service.name.clone(), slot: slot_name, node, kind: kind(slot)? })
        })
        .collect();
    all.sort();
    all
}

fn place(slot: &SlotWork, nodes: &[NodeName]) -> Option<(String, NodeName)> {
    let (name, at) = match (&slot.fresh, slot.old.first().or(slot.expired.first())) {
        (Some(fresh), _) => (fresh.slot.to_string(), slot.node),
        // The node of the task that goes, not of the one that stays.
        (None, Some(old)) => (old.handle.slot.to_string(), old.node),
        (None, None) => match (&slot.update, &slot.watch) {
            (Some(_), Some((task, _))) => (task.slot.to_string(), slot.node),
            _ => return None,
        },
    };
    Some((name, nodes[at].clone()))
}

fn kind(slot: &SlotWork) -> Option<DriftKind> {
    match (&slot.why, slot.kind) {
        (_, SlotKind::Keep) | (Reason::History, _) => None,
        (Reason::TaskEnded { exit_code }, _) => Some(DriftKind::Stopped { exit_code: *exit_code }),
        (Reason::NeverStarted, _) => Some(DriftKind::Stopped { exit_code: None }),
        (Reason::NewService | Reason::ScaledUp { .. } | Reason::NodeWithoutTask, _) => {
            Some(DriftKind::Removed)
        }
        (Reason::SpecChanged { fields }, _) => Some(DriftKind::Altered { fields: Arc::clone(fields) }),
        (Reason::Duplicate | Reason::ScaledDown { .. } | Reason::ServiceRemoved, _) => Some(DriftKind::Extra),
        _ => None,
    }
}
