//! Volumes that engines made for the tasks of a stack: whose each was, which no engine remembers.
//!
//! One [document](super::document) of each stack that has any. It is written before a container is removed, under the
//! stack's lease, and by `volume prune`.

use serde::{Deserialize, Serialize};

use super::decide::Ledger;
use super::document;
use super::error::LedgerError;
use super::register::{Kind, ReadRegisters, Stream, WriteRegisters};
use crate::model::volume::{AnonymousVolumes, add_seen};
use crate::model::{Member, NodeFacts, NodeName, Observed, StackName};

/// What is remembered of a stack.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct VolumeRecords {
    /// By node and name.
    #[serde(default, skip_serializing_if = "AnonymousVolumes::is_empty")]
    pub anonymous: AnonymousVolumes,
}

/// The stream of a stack.
#[must_use]
pub fn stream(stack: &StackName) -> Stream {
    Stream::new(Kind::Volumes, stack)
}

/// What is remembered of a stack.
pub async fn records<R: ReadRegisters>(
    ledger: &Ledger<R>,
    stack: &StackName,
) -> Result<VolumeRecords, LedgerError> {
    Ok(document::read(ledger, &stream(stack)).await?.1)
}

/// Adds what was seen, and drops what hosts that answered no longer have.
pub async fn remember<R: WriteRegisters>(
    ledger: &Ledger<R>,
    stack: &StackName,
    seen: &AnonymousVolumes,
    observed: &Observed,
) -> Result<(), LedgerError> {
    let with = |records: &mut VolumeRecords| {
        records.settle(observed);
        for (node, volumes) in seen {
            add_seen(records.anonymous.entry(node.clone()).or_default(), volumes.clone());
        }
        Ok::<(), LedgerError>(())
    };
    document::change(ledger, &stream(stack), with).await.map(drop)
}

/// Drops what was removed.
pub async fn forget<R: WriteRegisters>(
    ledger: &Ledger<R>,
    stack: &StackName,
    removed: &[(NodeName, String)],
) -> Result<(), LedgerError> {
    let with = |records: &mut VolumeRecords| {
        for (node, name) in removed {
            if let Some(volumes) = records.anonymous.get_mut(node) {
                volumes.remove(name);
            }
        }
        records.anonymous.retain(|_, volumes| !volumes.is_empty());
        Ok::<(), LedgerError>(())
    };
    document::change(ledger, &stream(stack), with).await.map(drop)
}

impl VolumeRecords {
    /// A silent host may have them still.
    fn settle(&mut self, observed: &Observed) {
        for (node, volumes) in &mut self.anonymous {
            let is_it = |(member, _): &(&Member, &NodeFacts)| member.name == *node;
            if let Some((_, facts)) = observed.answered().find(is_it) {
                volumes.retain(|name, _| facts.volumes.contains(name));
            }
        }
        self.anonymous.retain(|_, volumes| !volumes.is_empty());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::testing::{node_name, nodes};
    use crate::model::volume::AnonymousVolume;
    use crate::model::{ServiceName, Slot, TaskId, Timestamp, Unreachable};

    #[test]
    fn only_a_host_that_answers_says_that_a_volume_is_gone() {
        let volume = AnonymousVolume {
            service: ServiceName::unchecked("db"),
            slot: Slot::Replica(1),
            task: TaskId::unchecked("t"),
            target: "/data".to_owned(),
            created_at: Timestamp(0),
            is_for_files: false,
            has_served: false,
        };
        let of = node_name("n000001");
        let mut records = VolumeRecords::default();
        records.anonymous.entry(of.clone()).or_default().insert("v".to_owned(), volume);
        let mut observed = nodes(1);
        let why = Unreachable { since: Timestamp(0), code: String::new(), reason: String::new(), help: None };
        observed.remembered.insert(of.clone(), why);
        records.settle(&observed);
        assert_eq!(records.anonymous.len(), 1, "it was made after that look");
        observed.remembered.clear();
        records.settle(&observed);
        assert!(records.anonymous.is_empty());
    }
}
