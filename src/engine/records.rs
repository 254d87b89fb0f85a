//! A ledger over whichever backend is configured; and the releases in it, read and written.

use std::collections::BTreeSet;

use tokio::sync::mpsc::Receiver;

use crate::fleet::{Fence, RegisterReader, RegisterWriter};
use crate::ledger::nodes;
use crate::ledger::payload::value;
use crate::ledger::release::{History, Outcome, Release, outcomes, releases};
use crate::ledger::{
    Appended, ConsulRegisters, Content, EtcdRegisters, FileRegisters, Found, Ledger, LedgerError, Log, Place,
    ReadRegisters, Silent, Stream, WriteRegisters, Written, ZookeeperRegisters,
};
use crate::model::{StackName, StackSpec, Timestamp};

/// Registers on hosts, in a directory, in etcd, in ZooKeeper or in Consul. Writable only if those on hosts
/// are: a reader's type applies to all.
#[derive(Debug)]
pub enum Store<V> {
    /// Volumes of the managers.
    Volumes(V),
    Files(FileRegisters),
    Etcd(EtcdRegisters),
    Zookeeper(ZookeeperRegisters),
    /// Keys of another kind.
    Consul(ConsulRegisters),
}

/// A read-only ledger.
pub type Reading = Ledger<Store<RegisterReader>>;
/// A writable ledger.
pub type Writing = Ledger<Store<RegisterWriter>>;

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

    fn measures_age(&self) -> bool {
        match self {
            Self::Volumes(volumes) => volumes.measures_age(),
            Self::Files(files) => files.measures_age(),
            Self::Etcd(etcd) => etcd.measures_age(),
            Self::Zookeeper(zookeeper) => zookeeper.measures_age(),
            Self::Consul(consul) => consul.measures_age(),
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
    // Errors of both streams are reported for the first, whichever answers first.
    let (releases, outcomes) = tokio::join!(ledger.read(&streams.0), ledger.read(&streams.1));
    let (releases, outcomes) = (releases?, outcomes?);
    let history = History::of(&releases, &outcomes).map_err(|(seq, detail)| LedgerError::Unreadable {
        stream: streams.0.to_string(),
        seq,
        detail,
    })?;
    Ok((history, releases, outcomes))
}

/// What is recorded of a stack, and the streams it comes from.
#[derive(Debug, Default)]
pub struct Remembered {
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
    /// Whether a deploy of this that has nothing to do is no new release: it is what was deployed last, and
    /// successfully.
    pub fn is_last(&self, spec: &StackSpec) -> bool {
        self.history.current().is_ok_and(|current| current.spec == *spec)
    }

    /// Writes a release; returns its number.
    pub async fn begin(
        &self,
        ledger: &Ledger<impl WriteRegisters>,
        release: &Release,
    ) -> Result<u64, LedgerError> {
        let stream = releases(&release.spec.name);
        self.releases.check_write(&stream)?;
        self.outcomes.check_write(&outcomes(&release.spec.name))?;
        let ours = value(ledger.registers(), serde_json::json!(release));
        let mut number = self.releases.undecided.first().copied().unwrap_or_else(|| self.releases.next());
        while ledger.append(&stream, number, &ours).await? != Appended::Won {
            number += 1;
        }
        Ok(number)
    }

    /// Writes how a release ended, and trims the streams.
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
                ledger.replicate(&stream, log).await;
                ledger.trim(&stream, log).await;
            }
        };
        // Node records may stay unwritten for months: so each deploy copies them to new managers.
        let of_nodes = async {
            if let Ok(log) = ledger.read(&nodes::stream()).await {
                ledger.replicate(&nodes::stream(), &log).await;
            }
        };
        tokio::join!(of_stack, of_nodes);
        Ok(())
    }
}

impl super::lease::Validity {
    /// The check that the fleet makes before it sends a change.
    #[must_use]
    pub fn fence(&self) -> Fence {
        let this = self.clone();
        Fence::new(self.token().map(str::to_owned), move || this.is_valid())
    }
}
