//! The ledger as commands use it.

use std::sync::Arc;

use super::Context;
use super::cluster::Cluster;
use super::report::{Blame, Failure};
use crate::engine::Store;
pub(super) use crate::engine::records::{Remembered, remembered};
use crate::fleet::inventory::{BadLedger, LedgerPlace};
use crate::fleet::{Fleet, Inventory, RegisterReader, RegisterWriter};
use crate::ledger::release::History;
use crate::ledger::{FileRegisters, Ledger, LedgerError, Limits};
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

/// The ledger of that place, to look into.
pub(super) fn place_of(place: &LedgerPlace, inventory: &Inventory, fleet: &Fleet) -> Reading {
    Ledger::new(store(place, inventory, fleet.register_reader()), Limits::default())
}

/// Another hold of the ledger to look into, for those who outlive a borrow.
pub(super) fn another_reading(context: &Context, cluster: &Cluster) -> Reading {
    place_of(ledger_place(context, cluster), &cluster.inventory, &cluster.fleet)
}

/// The ledger to write to.
pub(super) fn writing(context: &Context, cluster: &Cluster) -> Arc<Writing> {
    let store = store(ledger_place(context, cluster), &cluster.inventory, cluster.fleet.register_writer());
    Arc::new(Ledger::new(store, Limits::default()))
}

/// Where the ledger is.
pub(super) fn ledger_place<'a>(context: &'a Context, cluster: &'a Cluster) -> &'a LedgerPlace {
    context.globals.ledger.as_ref().unwrap_or(&cluster.inventory.ledger)
}

fn store<V>(place: &LedgerPlace, inventory: &Inventory, volumes: V) -> Store<V> {
    match place {
        LedgerPlace::Volumes => Store::Volumes(volumes),
        LedgerPlace::Directory(dir) => Store::Files(FileRegisters::new(dir, &inventory.cluster)),
    }
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
