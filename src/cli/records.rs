//! The ledger as commands use it.

use std::path::PathBuf;
use std::sync::Arc;

use super::cluster::{Cluster, env};
use super::report::{Blame, Failure};
use crate::engine::Store;
pub(super) use crate::engine::records::{Remembered, remembered};
use crate::fleet::{Fleet, Inventory, RegisterReader, RegisterWriter};
use crate::ledger::etcd::{self, Client};
use crate::ledger::place::{BadLedger, LedgerPlace};
use crate::ledger::release::History;
use crate::ledger::{
    ConsulRegisters, EtcdRegisters, FileRegisters, Ledger, LedgerError, Limits, OpenError,
    ZookeeperRegisters, consul, zookeeper,
};
use crate::model::Observed;
use crate::orchestrator::{Drifted, PlanOptions, drift};

/// A ledger that cannot be written.
pub(super) type Reading = Ledger<Store<RegisterReader>>;
/// One that can.
pub(super) type Writing = Ledger<Store<RegisterWriter>>;

impl From<LedgerError> for Failure {
    fn from(error: LedgerError) -> Self {
        let blame = if error.is_silence() { Blame::Unreachable } else { Blame::Refused };
        Self::new(blame, error)
    }
}

/// The ledger to look into.
pub(super) fn reading(cluster: &Cluster) -> &Reading {
    &cluster.ledger
}

/// Where the ledger is, and what is needed to speak with whoever keeps it.
#[derive(Debug, Clone)]
pub(super) enum Home {
    /// Volumes of the managers.
    Volumes,
    /// Files.
    Directory(PathBuf),
    /// Keys of etcd.
    Etcd(Arc<Client>),
    /// Nodes of ZooKeeper.
    Zookeeper(Arc<zookeeper::Session>),
    /// Keys of Consul.
    Consul(Arc<consul::Client>),
}

impl Home {
    /// Makes a place ready to be asked.
    pub(super) fn of(place: &LedgerPlace) -> Result<Self, OpenError> {
        Ok(match place {
            LedgerPlace::Volumes => Self::Volumes,
            LedgerPlace::Directory(dir) => Self::Directory(dir.clone()),
            LedgerPlace::Etcd(place) => Self::Etcd(etcd::open(place, env)?),
            LedgerPlace::Zookeeper(place) => Self::Zookeeper(Arc::new(zookeeper::open(place, env)?)),
            LedgerPlace::Consul(place) => Self::Consul(consul::open(place, env)?),
        })
    }

    /// The ledger there, to look into.
    pub(super) fn reading(&self, inventory: &Inventory, fleet: &Fleet) -> Reading {
        Ledger::new(self.store(inventory, fleet.register_reader()), Limits::default())
    }

    /// The ledger there, to write to.
    pub(super) fn writing(&self, inventory: &Inventory, fleet: &Fleet) -> Arc<Writing> {
        Arc::new(Ledger::new(self.store(inventory, fleet.register_writer()), Limits::default()))
    }

    fn store<V>(&self, inventory: &Inventory, volumes: V) -> Store<V> {
        match self {
            Self::Volumes => Store::Volumes(volumes),
            Self::Directory(dir) => Store::Files(FileRegisters::new(dir, &inventory.cluster)),
            Self::Etcd(client) => Store::Etcd(EtcdRegisters::new(Arc::clone(client), &inventory.cluster)),
            Self::Zookeeper(session) => {
                Store::Zookeeper(ZookeeperRegisters::new(Arc::clone(session), &inventory.cluster))
            }
            Self::Consul(client) => {
                Store::Consul(ConsulRegisters::new(Arc::clone(client), &inventory.cluster))
            }
        }
    }
}

/// Another hold of the ledger to look into, for those who outlive a borrow.
pub(super) fn another_reading(cluster: &Cluster) -> Reading {
    cluster.home.reading(&cluster.inventory, &cluster.fleet)
}

/// The ledger to write to.
pub(super) fn writing(cluster: &Cluster) -> Arc<Writing> {
    cluster.home.writing(&cluster.inventory, &cluster.fleet)
}

/// A ledger's place on the command line.
pub(super) fn place(text: &str) -> Result<LedgerPlace, BadLedger> {
    LedgerPlace::parse(text)
}

/// What happened to a stack behind the back of its last release.
pub(super) fn drifted(observed: &Observed, history: &History) -> Drifted {
    // What is not known cannot have been drifted from.
    let Ok(current) = history.current() else { return Drifted::default() };
    let found = drift(observed, &current.spec, &PlanOptions::default());
    Drifted { release: Some(current.number), found }
}
