//! Where the ledger is kept, and what is needed to speak with what keeps it.

use std::path::PathBuf;
use std::sync::Arc;

use crate::engine::{Reading, Store, Writing};
use crate::fleet::Fleet;
use crate::inventory::{Env, Inventory};
use crate::ledger::etcd::{self, Client};
use crate::ledger::place::LedgerPlace;
use crate::ledger::{
    ConsulRegisters, EtcdRegisters, FileRegisters, Ledger, Limits, OpenError, ZookeeperRegisters, consul,
    zookeeper,
};

/// What keeps the ledger.
#[derive(Debug, Clone)]
pub enum Backend {
    /// Volumes of the managers.
    Volumes,
    /// Files of this directory.
    Directory(PathBuf),
    /// Keys of etcd.
    Etcd(Arc<Client>),
    /// Nodes of ZooKeeper.
    Zookeeper(Arc<zookeeper::Session>),
    /// Keys of Consul.
    Consul(Arc<consul::Client>),
}

impl Backend {
    /// Makes a place ready to be asked. Nothing is sent.
    ///
    /// # Errors
    ///
    /// If a key or a password that the place names cannot be read.
    pub fn open(place: &LedgerPlace, env: Env<'_>) -> Result<Self, OpenError> {
        Ok(match place {
            LedgerPlace::Volumes => Self::Volumes,
            LedgerPlace::Directory(dir) => Self::Directory(dir.clone()),
            LedgerPlace::Etcd(place) => Self::Etcd(etcd::open(place, env)?),
            LedgerPlace::Zookeeper(place) => Self::Zookeeper(Arc::new(zookeeper::open(place, env)?)),
            LedgerPlace::Consul(place) => Self::Consul(consul::open(place, env)?),
        })
    }

    /// Whether it reports what is written, so that a reader need not poll it often.
    #[must_use]
    pub fn is_watched(&self) -> bool {
        match self {
            Self::Volumes | Self::Etcd(_) | Self::Zookeeper(_) | Self::Consul(_) => true,
            Self::Directory(_) => false,
        }
    }

    /// The ledger of a cluster, to be read.
    #[must_use]
    pub fn reading(&self, inventory: &Inventory, fleet: &Fleet) -> Reading {
        Ledger::new(self.store(inventory, fleet.register_reader()), Limits::default())
    }

    /// The ledger of a cluster, to be written.
    #[must_use]
    pub fn writing(&self, inventory: &Inventory, fleet: &Fleet) -> Arc<Writing> {
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
