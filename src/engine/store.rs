//! A ledger over whichever backend is configured.

use std::collections::BTreeSet;

use tokio::sync::mpsc::Receiver;

use crate::fleet::{RegisterReader, RegisterWriter};
use crate::ledger::{
    ConsulRegisters, Content, EtcdRegisters, FileRegisters, Found, Ledger, Place, ReadRegisters, Silent,
    Stream, WriteRegisters, Written, ZookeeperRegisters,
};
use crate::model::{StackName, Timestamp};

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

    async fn get(&self, manager: usize, stream: &Stream, place: Place) -> Result<Option<Content>, Silent> {
        match self {
            Self::Volumes(volumes) => volumes.get(manager, stream, place).await,
            Self::Files(files) => files.get(manager, stream, place).await,
            Self::Etcd(etcd) => etcd.get(manager, stream, place).await,
            Self::Zookeeper(zookeeper) => zookeeper.get(manager, stream, place).await,
            Self::Consul(consul) => consul.get(manager, stream, place).await,
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

    async fn spare(&self, manager: usize) -> Result<Option<String>, Silent> {
        match self {
            Self::Volumes(volumes) => volumes.spare(manager).await,
            Self::Files(_) | Self::Etcd(_) | Self::Zookeeper(_) | Self::Consul(_) => Ok(None),
        }
    }

    fn keeps_spares(&self) -> bool {
        match self {
            Self::Volumes(volumes) => volumes.keeps_spares(),
            Self::Files(_) | Self::Etcd(_) | Self::Zookeeper(_) | Self::Consul(_) => false,
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

    async fn put_spare(&self, manager: usize, copy: &str) -> Result<(), Silent> {
        match self {
            Self::Volumes(volumes) => volumes.put_spare(manager, copy).await,
            Self::Files(_) | Self::Etcd(_) | Self::Zookeeper(_) | Self::Consul(_) => Ok(()),
        }
    }
}
