//! Where the ledger's registers are, for whoever does not care.

use std::collections::BTreeSet;

use tokio::sync::mpsc::Receiver;

use crate::fleet::Fence;
use crate::ledger::release::{History, outcomes, releases};
use crate::ledger::{
    Content, EtcdRegisters, FileRegisters, Found, Ledger, LedgerError, Log, Place, ReadRegisters, Silent,
    Stream, WriteRegisters, Written,
};
use crate::model::{StackName, Timestamp};

/// Registers on hosts, in a directory, or in etcd. Writes only if those on hosts do: a reader's type holds for both.
#[derive(Debug)]
pub enum Store<V> {
    /// Volumes of the managers.
    Volumes(V),
    /// Files.
    Files(FileRegisters),
    /// Keys.
    Etcd(EtcdRegisters),
}

impl<V: ReadRegisters> ReadRegisters for Store<V> {
    fn managers(&self) -> &[String] {
        match self {
            Self::Volumes(volumes) => volumes.managers(),
            Self::Files(files) => files.managers(),
            Self::Etcd(etcd) => etcd.managers(),
        }
    }

    async fn list(&self, manager: usize, stream: &Stream) -> Result<Vec<Found>, Silent> {
        match self {
            Self::Volumes(volumes) => volumes.list(manager, stream).await,
            Self::Files(files) => files.list(manager, stream).await,
            Self::Etcd(etcd) => etcd.list(manager, stream).await,
        }
    }

    async fn stacks(&self, manager: usize) -> Result<BTreeSet<StackName>, Silent> {
        match self {
            Self::Volumes(volumes) => volumes.stacks(manager).await,
            Self::Files(files) => files.stacks(manager).await,
            Self::Etcd(etcd) => etcd.stacks(manager).await,
        }
    }

    async fn clock(&self, manager: usize) -> Result<Timestamp, Silent> {
        match self {
            Self::Volumes(volumes) => volumes.clock(manager).await,
            Self::Files(files) => files.clock(manager).await,
            Self::Etcd(etcd) => etcd.clock(manager).await,
        }
    }

    fn listen(&self) -> Option<Receiver<Written>> {
        match self {
            Self::Volumes(volumes) => volumes.listen(),
            Self::Files(files) => files.listen(),
            Self::Etcd(etcd) => etcd.listen(),
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
        }
    }

    async fn remove(&self, manager: usize, stream: &Stream, place: Place) -> Result<(), Silent> {
        match self {
            Self::Volumes(volumes) => volumes.remove(manager, stream, place).await,
            Self::Files(files) => files.remove(manager, stream, place).await,
            Self::Etcd(etcd) => etcd.remove(manager, stream, place).await,
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

impl super::lease::Validity {
    /// What the fleet asks before it sends anything that may change something.
    #[must_use]
    pub fn fence(&self) -> Fence {
        let this = self.clone();
        Fence::new(move || this.is_valid())
    }
}
