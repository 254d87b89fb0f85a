//! Whether the names of the inventory are still those of the machines that the ledger remembers. The rules are those of every
//! plan: see [`Observed::replaced`], [`Observed::doubled`] and [`Observed::renamed`].

use super::{Area, Check, Finding, Level, check};
use crate::model::{NodeName, Observed};

/// A name that is not that of the machine before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Naming {
    /// It leads to another machine than the one that has tasks or data.
    OtherMachine {
        /// The name.
        node: NodeName,
        /// By which name that machine is remembered.
        remembered_as: Option<NodeName>,
    },
    /// It is a second name of a machine.
    TwoNames {
        /// The first one.
        node: NodeName,
        /// This one.
        other: NodeName,
    },
    /// It is the new name of a machine.
    Renamed {
        /// The one before.
        old: NodeName,
    },
}

impl Naming {
    pub(super) fn level(&self) -> Level {
        match self {
            Self::OtherMachine { .. } | Self::TwoNames { .. } => Level::Fault,
            Self::Renamed { .. } => Level::Warning,
        }
    }
}

/// Names that are not those of the machines that the ledger remembers.
pub(super) fn names(known: &Observed) -> Vec<Check> {
    let found = |node: &NodeName, naming| check(Area::Hosts, node, Finding::Naming(naming));
    let other_machines = known.replaced_for_any().into_iter().map(|node| {
        let remembered_as = known.remembered_as(node).cloned();
        found(node, Naming::OtherMachine { node: node.clone(), remembered_as })
    });
    let two_names = known
        .doubled()
        .into_iter()
        .map(|(node, other)| found(other, Naming::TwoNames { node: node.clone(), other: other.clone() }));
    let renamed = known.renamed().map(|(old, new)| found(new, Naming::Renamed { old: old.clone() }));
    other_machines.chain(two_names).chain(renamed).collect()
}
