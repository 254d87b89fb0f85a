//! Observes every host, and reads at the same time what the ledger says of the nodes: without that, a drained
//! node would be given tasks.
//!
//! What is remembered is laid over the inventory here and nowhere else. If it cannot be read, the
//! observation says so ([`Observed::records_unknown`]), and nothing is planned on it.

use std::collections::BTreeMap;

use miette::Diagnostic as _;

use super::keepers::{self, keepers};
use super::new_key::NewKey;
use crate::discover::missing;
use crate::fleet::Observer;
use crate::ledger::nodes::{NodeRecords, stream};
use crate::ledger::spare::{self, Spare};
use crate::ledger::{Ledger, LedgerError, Log, ReadRegisters, WriteRegisters, document};
use crate::model::overlay;
use crate::model::{
    MarkKey, MemberNews, NodeName, NodeView, Observed, StackName, TaskId, Timestamp, Unreachable,
};

/// The code of records that are there, on hosts that are no managers.
pub const ELSEWHERE: &str = "stackctl::cluster::records_unknown";

/// The code of records that were removed, of which managers keep a copy.
const LOST: &str = "stackctl::ledger::lost";

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
                observed.records_unknown = self.records_elsewhere(&mut observed, &records).await;
                let sources = self.observer.sources();
                apply(&records, &mut observed);
                if observed.records_unknown.is_none() {
                    observed.recall(records.members.clone(), &sources, |member| records.apply(member));
                }
                let root = records.key.as_ref().or(self.new_key.get());
                observed.key = root.map(marks_key).unwrap_or_default();
                observed.release_key.clone_from(&records.release_key);
                self.observer.reveal(&mut observed).await;
                let seen = self.observer.tuning_of(&overlay::unsure(&records.in_place, &observed)).await;
                overlay::lay_over(&records.in_place, &seen, &mut observed);
                observed.in_place.clone_from(&records.in_place);
                observed.settle();
                let is_there =
                    |name: &NodeName| observed.nodes.contains_key(name) && !observed.is_missing(name);
                let judged = missing(&records.discovered, &sources, is_there);
                if let (Err(error), None) = (judged, &observed.hosts_unknown) {
                    observed.hosts_unknown = Some(error.to_unreachable(now));
                }
                (observed, records)
            }
            Err(error) => {
                observed.records_unknown = Some(self.unreadable(&mut observed, &error).await);
                (observed, NodeRecords::default())
            }
        }
    }

    /// Why these are not the cluster's records, if so: the managers of the inventory keep none, and a host that is none of
    /// them does. Another inventory names other managers, or all were changed at once.
    async fn records_elsewhere(&self, observed: &mut Observed, records: &NodeRecords) -> Option<Unreachable> {
        // A cluster without records is mostly a new one, which has no tasks either.
        if records.key.is_some() || observed.tasks().next().is_none() {
            return None;
        }
        if !self.is_kept_by_hosts(observed) {
            return None;
        }
        match spare::newest(self.ledger).await {
            Ok(Some(spare)) => return Some(lost(&spare, observed.at)),
            Ok(None) => {}
            Err(error) => return Some(unknown(&error, observed.at)),
        }
        let managers = self.ledger.registers().managers();
        let mut others = keepers(self.observer, observed).await;
        others.retain(|keeper| managers.iter().all(|name| name != keeper.node.as_str()));
        let name = others.first()?.node.clone();
        let renamed = keepers::renamed(&others, observed);
        let as_before = || {
            format!(
                "give {name} `role: manager` again: all inventories of a cluster name the same managers, and managers are \
                 changed one at a time; records that are of no use any more are the volumes `stackctl-ledger-*` of {name}"
            )
        };
        Some(Unreachable {
            since: observed.at,
            code: ELSEWHERE.to_owned(),
            reason: format!(
                "node {name} keeps records of this cluster and is no manager in the inventory, whose managers keep none{}",
                keepers::why(&renamed)
            ),
            help: Some(keepers::help(&renamed, observed).unwrap_or_else(as_before)),
        })
    }

    /// Why these records cannot be read. Where other managers wrote them, these may be the same machines by other names.
    async fn unreadable(&self, observed: &mut Observed, error: &LedgerError) -> Unreachable {
        // What a minority still shows is not decided: most managers have lost it.
        if let LedgerError::Undecided { .. } = error
            && let Ok(Some(spare)) = spare::lost(self.ledger).await
        {
            return lost(&spare, observed.at);
        }
        let mut why = unknown(error, observed.at);
        if let LedgerError::ManagersChanged { then, .. } = error
            && self.is_kept_by_hosts(observed)
        {
            let mut those = keepers(self.observer, observed).await;
            those.retain(|keeper| keeper.managers == *then);
            let renamed = keepers::renamed(&those, observed);
            why.reason += &keepers::why(&renamed);
            why.help = keepers::help(&renamed, observed).or(why.help);
        }
        why
    }

    /// Whether the managers are hosts: a ledger that is not in volumes has keepers of other names.
    fn is_kept_by_hosts(&self, observed: &Observed) -> bool {
        let managers = self.ledger.registers().managers();
        managers.iter().all(|name| observed.nodes.contains_key(name.as_str()))
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
        let fence = records.nodes.get(&node.member.name).and_then(|record| record.fence.as_ref());
        if let (NodeView::Unreachable(why), Some(fence)) = (&mut node.view, fence) {
            why.reason = format!("{}; {fence}", why.reason);
        }
    }
}

/// A cluster whose volumes were pruned is no new one: with a new key of marks, and without its secrets, its tasks would look
/// like those of another.
fn lost(spare: &Spare, now: Timestamp) -> Unreachable {
    Unreachable {
        since: now,
        code: LOST.to_owned(),
        reason: format!(
            "the ledger has lost all records: manager {} keeps a copy of the cluster's keys, secrets and configs, of {}",
            spare.manager, spare.at
        ),
        help: Some(
            "`stackctl ledger restore --spare` brings these back; with a backup, `stackctl ledger restore FILE` brings \
             releases back as well; `stackctl help ledger` says how to begin again without them"
                .to_owned(),
        ),
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

/// The same, but leaves what other managers than those of now wrote as it is; whether they did.
///
/// It is a sign that other records are behind, since these follow last. It is gone once anything is written here under the
/// managers of now: the records of a stack are the other sign.
pub async fn settle<R: WriteRegisters>(ledger: &Ledger<R>) -> Result<bool, LedgerError> {
    document::settle(ledger, &stream()).await
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

/// What is written down before something is changed. Nothing of it is written twice.
#[derive(Debug, Default)]
pub struct Beginning<'a> {
    /// The key of a cluster without one.
    pub key: Option<&'a MarkKey>,
    /// Discovered hosts, where there are sources.
    pub found: Option<BTreeMap<NodeName, String>>,
    /// Members.
    pub members: Option<MemberNews>,
    /// Tasks of a stack that are about to be changed in place.
    pub unsure: Option<(&'a StackName, Vec<TaskId>)>,
}

impl Beginning<'_> {
    /// Writes it down, in one change; whether the cluster has that key now. One that has another keeps that.
    pub async fn write<R: WriteRegisters>(&self, ledger: &Ledger<R>) -> Result<bool, LedgerError> {
        if self.key.is_none() && self.found.is_none() && self.members.is_none() && self.unsure.is_none() {
            return Ok(true);
        }
        let with = |records: &mut NodeRecords| {
            if let Some(key) = self.key {
                records.key.get_or_insert_with(|| key.clone());
            }
            if let Some(found) = &self.found {
                records.discovered.clone_from(found);
            }
            if let Some((stack, tasks)) = &self.unsure {
                let record = records.in_place.entry((*stack).clone()).or_default();
                record.unsure.extend(tasks.iter().cloned());
            }
            if let Some(news) = &self.members {
                news.apply(&mut records.members);
            }
            Ok::<(), LedgerError>(())
        };
        let (_, after) = change(ledger, with).await?;
        Ok(self.key.is_none_or(|key| after.key.as_ref() == Some(key)))
    }
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
        let fresh = || NodeRecord::new("ann@mill".into(), Timestamp(0));
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
