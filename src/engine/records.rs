//! Where the ledger's registers are, for whoever does not care; and the releases in them, read and written.

use std::collections::BTreeSet;

use tokio::sync::mpsc::Receiver;

use crate::fleet::Fence;
use crate::ledger::nodes;
use crate::ledger::payload::value;
use crate::ledger::release::{History, Outcome, Release, outcomes, releases};
use crate::ledger::{
    Appended, ConsulRegisters, Content, EtcdRegisters, FileRegisters, Found, Ledger, LedgerError, Log, Place,
    ReadRegisters, Silent, Stream, WriteRegisters, Written, ZookeeperRegisters,
};
use crate::model::{StackName, StackSpec, Timestamp};

/// Registers on hosts, in a directory, in etcd, in ZooKeeper or in Consul. Writes only if those on hosts do:
/// a reader's type holds for all.
#[derive(Debug)]
pub enum Store<V> {
    /// Volumes of the managers.
    Volumes(V),
    /// Files.
    Files(FileRegisters),
    /// Keys.
    Etcd(EtcdRegisters),
    /// Nodes.
    Zookeeper(ZookeeperRegisters),
    /// Keys of another kind.
    Consul(ConsulRegisters),
}

impl<V: ReadRegisters> ReadRegisters for Store<V> {
    fn managers(&self) -> &[String] {
        match self {
            Self::Volumes(volumes) => volumes.managers(),
            Self::Files(files) => files.managers(),
            Self::Etcd(etcd) => etcd.managers(),
            Self::Zookeeper(zookeeper) => zookeeper.managers(),
            Self::Consul(consul) => consul.managers(),
        }
    }

    async fn list(&self, manager: usize, stream: &Stream) -> Result<Vec<Found>, Silent> {
        match self {
            Self::Volumes(volumes) => volumes.list(manager, stream).await,
            Self::Files(files) => files.list(manager, stream).await,
            Self::Etcd(etcd) => etcd.list(manager, stream).await,
            Self::Zookeeper(zookeeper) => zookeeper.list(manager, stream).await,
            Self::Consul(consul) => consul.list(manager, stream).await,
        }
    }

    async fn stacks(&self, manager: usize) -> Result<BTreeSet<StackName>, Silent> {
        match self {
            Self::Volumes(volumes) => volumes.stacks(manager).await,
            Self::Files(files) => files.stacks(manager).await,
            Self::Etcd(etcd) => etcd.stacks(manager).await,
            Self::Zookeeper(zookeeper) => zookeeper.stacks(manager).await,
            Self::Consul(consul) => consul.stacks(manager).await,
        }
    }

    async fn clock(&self, manager: usize) -> Result<Timestamp, Silent> {
        match self {
            Self::Volumes(volumes) => volumes.clock(manager).await,
            Self::Files(files) => files.clock(manager).await,
            Self::Etcd(etcd) => etcd.clock(manager).await,
            Self::Zookeeper(zookeeper) => zookeeper.clock(manager).await,
            Self::Consul(consul) => consul.clock(manager).await,
        }
    }

    fn listen(&self) -> Option<Receiver<Written>> {
        match self {
            Self::Volumes(volumes) => volumes.listen(),
            Self::Files(files) => files.listen(),
            Self::Etcd(etcd) => etcd.listen(),
            Self::Zookeeper(zookeeper) => zookeeper.listen(),
            Self::Consul(consul) => consul.listen(),
        }
    }
}

impl<V: WriteRegisters> WriteRegisters for Store<V> {
    async fn create(
        &self,
        manager: usize,
        stream: &Stream,
        place: Place,
        content: &Content,
    ) -> Result<Content, Silent> {
        match self {
            Self::Volumes(volumes) => volumes.create(manager, stream, place, content).await,
            Self::Files(files) => files.create(manager, stream, place, content).await,
            Self::Etcd(etcd) => etcd.create(manager, stream, place, content).await,
            Self::Zookeeper(zookeeper) => zookeeper.create(manager, stream, place, content).await,
            Self::Consul(consul) => consul.create(manager, stream, place, content).await,
        }
    }

    async fn remove(&self, manager: usize, stream: &Stream, place: Place) -> Result<(), Silent> {
        match self {
            Self::Volumes(volumes) => volumes.remove(manager, stream, place).await,
            Self::Files(files) => files.remove(manager, stream, place).await,
            Self::Etcd(etcd) => etcd.remove(manager, stream, place).await,
            Self::Zookeeper(zookeeper) => zookeeper.remove(manager, stream, place).await,
            Self::Consul(consul) => consul.remove(manager, stream, place).await,
        }
    }
}

/// The releases of a stack, and the streams they come from: releases, and how they ended.
pub async fn history<R: ReadRegisters>(
    ledger: &Ledger<R>,
    stack: &StackName,
) -> Result<(History, Log, Log), LedgerError> {
    let streams = (releases(stack), outcomes(stack));
    // What is wrong with both is said of the first, whichever answers first.
    let (releases, outcomes) = tokio::join!(ledger.read(&streams.0), ledger.read(&streams.1));
    let (releases, outcomes) = (releases?, outcomes?);
    let history = History::of(&releases, &outcomes).map_err(|(seq, detail)| LedgerError::Unreadable {
        stream: streams.0.to_string(),
        seq,
        detail,
    })?;
    Ok((history, releases, outcomes))
}

/// What is remembered of a stack, and the streams it comes from.
#[derive(Debug, Default)]
pub struct Remembered {
    /// Its releases.
    pub history: History,
    releases: Log,
    outcomes: Log,
}

/// Reads the releases of a stack.
pub async fn remembered<R: ReadRegisters>(
    ledger: &Ledger<R>,
    stack: &StackName,
) -> Result<Remembered, LedgerError> {
    let (history, releases, outcomes) = history(ledger, stack).await?;
    Ok(Remembered { history, releases, outcomes })
}

impl Remembered {
    /// Whether a deploy of this that has nothing to do is no news: it is what was deployed last, and well.
    pub fn is_last(&self, spec: &StackSpec) -> bool {
        self.history.current().is_ok_and(|current| current.spec == *spec)
    }

    /// Writes a release down; its number.
    pub async fn begin(
        &self,
        ledger: &Ledger<impl WriteRegisters>,
        release: &Release,
    ) -> Result<u64, LedgerError> {
        let stream = releases(&release.spec.name);
        let ours = value(ledger.registers(), serde_json::json!(release));
        let mut number = self.releases.undecided.first().copied().unwrap_or_else(|| self.releases.next());
        while ledger.append(&stream, number, &ours).await? != Appended::Won {
            number += 1;
        }
        Ok(number)
    }

    /// Writes down how it ended, and puts the streams in order.
    pub async fn end(
        &self,
        ledger: &Ledger<impl WriteRegisters>,
        stack: &StackName,
        number: u64,
        at: Timestamp,
        outcome: &Outcome,
    ) -> Result<(), LedgerError> {
        let ours = value(ledger.registers(), outcome.recorded(at));
        ledger.append(&outcomes(stack), number, &ours).await?;
        let of_stack = async {
            for (stream, log) in [(releases(stack), &self.releases), (outcomes(stack), &self.outcomes)] {
                ledger.mend(&stream, log).await;
                ledger.trim(&stream, log).await;
            }
        };
        // Nobody writes of nodes for months: a manager that is new gets it from whoever deploys.
        let of_nodes = async {
            if let Ok(log) = ledger.read(&nodes::stream()).await {
                ledger.mend(&nodes::stream(), &log).await;
            }
        };
        tokio::join!(of_stack, of_nodes);
        Ok(())
    }
}

impl super::lease::Validity {
    /// What the fleet asks before it sends anything that may change something.
    #[must_use]
    pub fn fence(&self) -> Fence {
        let this = self.clone();
        Fence::new(self.token().map(str::to_owned), move || this.is_valid())
    }
}
