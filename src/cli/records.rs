//! The ledger as commands use it.

use std::path::PathBuf;
use std::sync::Arc;

use super::cluster::{Cluster, env};
use super::report::{Blame, Failure};
use crate::engine::Store;
use crate::engine::records::history;
use crate::fleet::{Fleet, Inventory, RegisterReader, RegisterWriter};
use crate::ledger::etcd::{self, Client, EtcdError};
use crate::ledger::nodes;
use crate::ledger::payload::value;
use crate::ledger::place::{BadLedger, LedgerPlace};
use crate::ledger::release::{History, Outcome, Release, outcomes, releases};
use crate::ledger::{
    Appended, EtcdRegisters, FileRegisters, Ledger, LedgerError, Limits, Log, ReadRegisters,
};
use crate::model::{Observed, StackName};
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
}

impl Home {
    /// Makes a place ready to be asked.
    pub(super) fn of(place: &LedgerPlace) -> Result<Self, EtcdError> {
        Ok(match place {
            LedgerPlace::Volumes => Self::Volumes,
            LedgerPlace::Directory(dir) => Self::Directory(dir.clone()),
            LedgerPlace::Etcd(place) => Self::Etcd(etcd::open(place, env)?),
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

/// What is remembered of a stack, and the streams it comes from.
#[derive(Debug, Default)]
pub(super) struct Remembered {
    pub(super) history: History,
    releases: Log,
    outcomes: Log,
}

/// What happened to a stack behind the back of its last release.
pub(super) fn drifted(observed: &Observed, history: &History) -> Drifted {
    // What is not known cannot have been drifted from.
    let Ok(current) = history.current() else { return Drifted::default() };
    let found = drift(observed, &current.spec, &PlanOptions::default());
    Drifted { release: Some(current.number), found }
}

/// Reads the releases of a stack.
pub(super) async fn remembered<R: ReadRegisters>(
    ledger: &Ledger<R>,
    stack: &StackName,
) -> Result<Remembered, LedgerError> {
    let (history, releases, outcomes) = history(ledger, stack).await?;
    Ok(Remembered { history, releases, outcomes })
}

impl Remembered {
    /// Whether a deploy of this that has nothing to do is no news: it is what was deployed last, and well.
    pub(super) fn is_last(&self, spec: &crate::model::StackSpec) -> bool {
        self.history.current().is_ok_and(|current| current.spec == *spec)
    }

    /// Writes a release down; its number.
    pub(super) async fn begin(&self, ledger: &Writing, release: &Release) -> Result<u64, LedgerError> {
        let stream = releases(&release.spec.name);
        let ours = value(ledger.registers(), serde_json::json!(release));
        let mut number = self.releases.undecided.first().copied().unwrap_or_else(|| self.releases.next());
        while ledger.append(&stream, number, &ours).await? != Appended::Won {
            number += 1;
        }
        Ok(number)
    }

    /// Writes down how it ended, and puts the streams in order.
    pub(super) async fn end(
        &self,
        ledger: &Writing,
        stack: &StackName,
        number: u64,
        outcome: &Outcome,
    ) -> Result<(), LedgerError> {
        let ours = value(ledger.registers(), serde_json::json!(outcome));
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
