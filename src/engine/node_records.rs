//! Observes every host, and reads at the same time what the ledger says of the nodes: without that, a drained
//! node would be given tasks.
//!
//! What is remembered is laid over the inventory here and nowhere else. If it cannot be read, the
//! observation says so ([`Observed::records_unknown`]), and nothing is planned on it.

use std::collections::BTreeMap;

use miette::Diagnostic as _;

use super::new_key::NewKey;
use crate::discover::missing;
use crate::fleet::Observer;
use crate::ledger::nodes::{NodeRecords, stream};
use crate::ledger::{Ledger, LedgerError, Log, ReadRegisters, WriteRegisters, document};
use crate::model::in_place;
use crate::model::{MarkKey, NodeName, Observed, Timestamp, Unreachable};

/// Reads a cluster, and cannot change it.
#[derive(Debug)]
pub struct ClusterReader<'a, R> {
    pub observer: &'a Observer,
    /// Where node records are kept.
    pub ledger: &'a Ledger<R>,
    /// What a cluster without a key of marks would be given.
    pub new_key: &'a NewKey,
}

impl<R: ReadRegisters> ClusterReader<'_, R> {
    /// One observation.
    pub async fn observe(&self, now: Timestamp) -> Observed {
        self.observe_with_records(now).await.0
    }

    /// One observation, and the node records that went into it.
    pub async fn observe_with_records(&self, now: Timestamp) -> (Observed, NodeRecords) {
        let (mut observed, mut read) = tokio::join!(self.observer.observe(now), read(self.ledger));
        // A connection that broke unnoticed is reopened by the observation, not by the ledger's read.
        if let Err(error) = &read
            && error.is_silence()
            && self.would_answer(&observed)
        {
            read = self::read(self.ledger).await;
        }
        match read {
            Ok((_, records)) => {
                apply(&records, &mut observed);
                let root = records.key.as_ref().or(self.new_key.get());
                observed.key = root.map(marks_key).unwrap_or_default();
                self.observer.reveal(&mut observed).await;
                let seen = self.observer.tuning_of(&in_place::unsure(&records.in_place, &observed)).await;
                in_place::lay_over(&records.in_place, &seen, &mut observed);
                observed.in_place.clone_from(&records.in_place);
                observed.settle();
                let is_there = |name: &NodeName| observed.nodes.contains_key(name);
                let judged = missing(&records.discovered, &self.observer.sources(), is_there);
                if let (Err(error), None) = (judged, &observed.hosts_unknown) {
                    observed.hosts_unknown = Some(error.to_unreachable(now));
                }
                (observed, records)
            }
            Err(error) => {
                observed.records_unknown = Some(unknown(&error, now));
                (observed, NodeRecords::default())
            }
        }
    }

    /// Whether a majority of the managers has just answered as hosts.
    fn would_answer(&self, observed: &Observed) -> bool {
        let is_up = |name: &&String| {
            observed.nodes.get(name.as_str()).is_some_and(|node| node.view.facts().is_some())
        };
        let up = self.ledger.registers().managers().iter().filter(is_up).count();
        up >= self.ledger.majority()
    }
}

/// Lays what is remembered over what the inventory says.
pub fn apply(records: &NodeRecords, observed: &mut Observed) {
    for node in observed.nodes.values_mut() {
        records.apply(&mut node.member);
    }
}

fn unknown(error: &LedgerError, now: Timestamp) -> Unreachable {
    Unreachable {
        since: now,
        code: error.code().map(|code| code.to_string()).unwrap_or_default(),
        reason: error.to_string(),
        help: error.help().map(|help| help.to_string()),
    }
}

/// Reads the node records.
pub async fn read<R: ReadRegisters>(ledger: &Ledger<R>) -> Result<(Log, NodeRecords), LedgerError> {
    document::read(ledger, &stream()).await
}

/// Settles the node records, if need be.
pub async fn repair<R: WriteRegisters>(ledger: &Ledger<R>) -> Result<(), LedgerError> {
    document::repair(ledger, &stream()).await
}

/// Changes the node records; returns them before and after.
pub async fn change<R: WriteRegisters, E: From<LedgerError>>(
    ledger: &Ledger<R>,
    with: impl FnMut(&mut NodeRecords) -> Result<(), E>,
) -> Result<(NodeRecords, NodeRecords), E> {
    document::change(ledger, &stream(), with).await
}

/// Records which hosts are discovered, before anything is done to them: a client that has not found them yet
/// learns that its own list is incomplete.
pub async fn remember_found<R: WriteRegisters>(
    ledger: &Ledger<R>,
    found: &BTreeMap<NodeName, String>,
) -> Result<(), LedgerError> {
    let with = |records: &mut NodeRecords| {
        records.discovered.clone_from(found);
        Ok::<(), LedgerError>(())
    };
    change(ledger, with).await.map(|_| ())
}

/// The key of a cluster's marks, from the one that the ledger keeps. It is a key of its own since it leaves the ledger:
/// who compares snapshots has it.
#[must_use]
pub fn marks_key(root: &MarkKey) -> MarkKey {
    root.derive("marks")
}

/// Gives a cluster without a key this one; whether the cluster has it now. One that has another keeps that.
pub async fn keep_key<R: WriteRegisters>(ledger: &Ledger<R>, key: &MarkKey) -> Result<bool, LedgerError> {
    let with = |records: &mut NodeRecords| {
        records.key.get_or_insert_with(|| key.clone());
        Ok::<(), LedgerError>(())
    };
    let (_, after) = change(ledger, with).await?;
    Ok(after.key.as_ref() == Some(key))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::ledger::nodes::NodeRecord;
    use crate::ledger::{FileRegisters, Limits};
    use crate::model::{ClusterName, NodeName};

    fn ledger(dir: &Path) -> Ledger<FileRegisters> {
        Ledger::new(FileRegisters::new(dir, &ClusterName::unchecked("test")), Limits::default())
    }

    fn label(records: &mut NodeRecords, name: &str) -> Result<(), LedgerError> {
        let fresh = || NodeRecord {
            availability: None,
            role: None,
            labels: Default::default(),
            abandons_data: false,
            who: "ann@mill".into(),
            at: Timestamp(0),
        };
        let node = records.nodes.entry(NodeName::unchecked("h1")).or_insert_with(fresh);
        node.labels.insert(name.to_owned(), Some(String::new()));
        Ok(())
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn concurrent_changes_are_all_kept() {
        let dir = tempfile::tempdir().unwrap();
        let writers = (0..6).map(|writer| {
            let ledger = ledger(dir.path());
            tokio::spawn(async move {
                for n in 0..5 {
                    change(&ledger, |records| label(records, &format!("{writer}.{n}"))).await.unwrap();
                }
            })
        });
        for writer in futures_util::future::join_all(writers).await {
            writer.unwrap();
        }
        let ledger = ledger(dir.path());
        let (log, records) = read(&ledger).await.unwrap();
        assert_eq!(records.nodes[&NodeName::unchecked("h1")].labels.len(), 30);
        assert_eq!(log.next(), 31);
        assert!(log.entries.len() <= 11, "{:?}", log.entries.keys());
        let (before, after) = change(&ledger, |records| label(records, "0.0")).await.unwrap();
        assert_eq!((before, read(&ledger).await.unwrap().0.next()), (after, 31), "the second time nothing");
    }
}
