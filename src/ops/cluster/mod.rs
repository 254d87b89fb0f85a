//! A cluster, opened: its inventory, what the ledger remembers, and the connections to its hosts.
//!
//! Two steps. [`Unconnected::of`] reads keys and passwords and sends nothing, so that a mistake in the
//! inventory costs no connection; [`Unconnected::connect`] discovers hosts and dials them all at once. The
//! environment is handed in. Whether a silent host matters is the caller's to decide: a host that does not
//! answer is part of what [`Cluster::observe`] gives.

mod backend;

use std::path::PathBuf;
use std::sync::Arc;

pub use backend::Backend;

use super::agents::join::Papers;
use super::agents::need::HostAgents;
use super::hosts::Hosts;
use super::identity;
use super::log::Actor;
use super::vault::VaultError;
use super::vault::private::KeyPlaces;
use super::vault::stack::{settle, settle_to_write};
use super::vault::values::Values;
use crate::compose::SecretTexts;
use crate::discover::{DiscoverError, Discovery};
use crate::engine::records::{Remembered, remembered, remembered_for_sure, remembered_patiently};
use crate::engine::{Clock, ClusterReader, Me, Reading, Store, Writing, node_records, plan};
use crate::fleet::{ConnectOptions, Fleet, Logins, Observer, RegisterReader};
use crate::inventory::{Agents, Env, Inventory};
use crate::ledger::place::LedgerPlace;
use crate::ledger::release::{History, releases};
use crate::ledger::{LedgerError, OpenError};
use crate::model::{ClusterName, MarkKey, Observed, StackName, StackSpec};
use crate::orchestrator::options::TASK_HISTORY;
use crate::orchestrator::{Drifted, PlanOptions, drift, same_image};
use crate::stores::Stores;

/// Why a cluster cannot be opened. Nothing was sent.
#[derive(Debug, thiserror::Error)]
pub enum NotOpened {
    /// The ledger's keys or passwords.
    #[error(transparent)]
    Ledger(#[from] OpenError),
    /// Those of what discovers hosts, or an inventory that leaves no place for the records.
    #[error(transparent)]
    Discovery(#[from] DiscoverError),
}

/// A cluster that is ready to be connected.
#[derive(Debug)]
pub struct Unconnected {
    inventory: Inventory,
    clock: Clock,
    backend: Backend,
    discovery: Option<Discovery>,
    me: Me,
    journals: Option<PathBuf>,
    keys: KeyPlaces,
    stores: Stores,
}

impl Unconnected {
    /// Reads what is needed to speak with the ledger and with what discovers hosts. `ledger` is where the
    /// records are, if not where the inventory says.
    ///
    /// # Errors
    ///
    /// If a key or a password cannot be read, or no place is left for the records.
    pub fn of(
        inventory: Inventory,
        ledger: Option<&LedgerPlace>,
        clock: Clock,
        env: Env<'_>,
    ) -> Result<Self, NotOpened> {
        let named = Self::of_named(inventory, ledger, clock, env)?;
        let discovery = Discovery::of(&named.inventory, matches!(named.backend, Backend::Volumes), env)?;
        Ok(Self { discovery, ..named })
    }

    /// The same with the hosts that the inventory itself names, for a caller that has no time to discover
    /// others.
    ///
    /// # Errors
    ///
    /// If a key or a password of the ledger cannot be read.
    pub fn of_named(
        inventory: Inventory,
        ledger: Option<&LedgerPlace>,
        clock: Clock,
        env: Env<'_>,
    ) -> Result<Self, OpenError> {
        let backend = Backend::open(ledger.unwrap_or(&inventory.ledger), env)?;
        let (me, journals) = (identity::me(env), journals(&inventory.cluster, env));
        let (keys, stores) = (KeyPlaces::of(env), Stores::of(&inventory, env));
        Ok(Self { inventory, clock, backend, discovery: None, me, journals, keys, stores })
    }

    /// Discovers hosts and dials them all. A host that does not answer is no error, and neither is a
    /// discovery that fails: [`Cluster::observe`] says so.
    pub async fn connect(self, options: ConnectOptions) -> Cluster {
        let Self { mut inventory, clock, backend, discovery, me, journals, keys, stores } = self;
        let unknown = match &discovery {
            None => None,
            Some(discovery) => discover(&mut inventory, discovery).await.err(),
        };
        let fleet = Fleet::connect(&inventory, options).await;
        // What the inventory itself names is there to be looked at; nothing is planned on it.
        fleet.set_unknown(unknown.map(|error| error.to_unreachable(clock.now())));
        let observer = fleet.observer();
        let ledger = backend.reading(&inventory, &fleet);
        let discovery = discovery.map(Arc::new);
        let secrets = Arc::new(Values::new(backend.reading(&inventory, &fleet), keys, stores));
        let logins: Arc<dyn Logins> = Arc::<Values>::clone(&secrets);
        fleet.know_logins(Arc::downgrade(&logins));
        Cluster { inventory, clock, fleet, observer, ledger, backend, discovery, me, journals, secrets }
    }
}

/// Adds what is found to the inventory.
async fn discover(inventory: &mut Inventory, discovery: &Discovery) -> Result<(), DiscoverError> {
    inventory.hosts.extend(discovery.look().await?);
    Ok(())
}

/// Where this machine keeps what it knows of a cluster: journals of runs, mirrors of repositories. `None`
/// for a user without a home.
fn journals(cluster: &ClusterName, env: Env<'_>) -> Option<PathBuf> {
    let set = |name: &str| env(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let state = set("XDG_STATE_HOME").or_else(|| Some(set("HOME")?.join(".local/state")))?;
    Some(state.join("stackctl").join(cluster.as_str()))
}

/// The hosts and records that an operation works with.
#[derive(Debug)]
pub struct Cluster {
    /// Which hosts there are, discovered ones included.
    pub inventory: Inventory,
    /// The one clock.
    pub clock: Clock,
    /// The connections.
    pub fleet: Fleet,
    /// What asks through them.
    pub observer: Observer,
    /// What is remembered, to be read.
    pub ledger: Reading,
    /// What keeps it.
    pub backend: Backend,
    /// What discovers hosts, where the inventory has sources for that.
    pub discovery: Option<Arc<Discovery>>,
    /// This process.
    pub me: Me,
    /// Where journals of runs are kept, if this machine has a place for them.
    pub journals: Option<PathBuf>,
    /// Values of secrets, as far as this process knows them or can learn of them.
    pub secrets: Arc<Values>,
}

impl Cluster {
    /// What looks at hosts, and at what is remembered of them.
    #[must_use]
    pub fn cluster_reader(&self) -> ClusterReader<'_, Store<RegisterReader>> {
        ClusterReader { observer: &self.observer, ledger: &self.ledger, new_key: &self.me.new_key }
    }

    /// The ledger, to be written.
    #[must_use]
    pub fn writing(&self) -> Arc<Writing> {
        self.backend.writing(&self.inventory, &self.fleet)
    }

    /// Another hold of the ledger to look into, for a task that outlives a borrow.
    #[must_use]
    pub fn another_reading(&self) -> Reading {
        self.backend.reading(&self.inventory, &self.fleet)
    }

    /// What carries releases out.
    #[must_use]
    pub fn driver(&self) -> Hosts<'_> {
        Hosts::new(&self.fleet, self.clock, &self.ledger, self.writing(), self.me.clone())
            .with_journals(self.journals.clone())
            .with_secrets(Arc::clone(&self.secrets), self.host_agents())
            .discovering(self.discovery.is_some())
    }

    /// Who works on it.
    #[must_use]
    pub fn actor(&self) -> Actor {
        Actor { me: self.me.clone(), clock: self.clock }
    }

    /// Gives configs and secrets of a stack what they are [now](settle). For what is about to write, and is not `dry`, what a
    /// killed process left incomplete of them is decided first.
    ///
    /// # Errors
    ///
    /// The ledger cannot be read or written.
    pub async fn settle(
        &self,
        spec: StackSpec,
        texts: &SecretTexts,
        dry: bool,
    ) -> Result<StackSpec, VaultError> {
        if dry {
            settle(&self.ledger, &self.secrets, spec, texts).await
        } else {
            settle_to_write(&self.writing(), &self.actor(), &self.secrets, spec, texts).await
        }
    }

    /// What sees to it that hosts have agents.
    #[must_use]
    pub fn host_agents(&self) -> Arc<HostAgents> {
        Arc::new(HostAgents {
            fleet: self.fleet.clone(),
            actor: self.actor(),
            writing: self.writing(),
            is_auto: self.inventory.agents == Agents::Auto,
            papers: self.papers(),
        })
    }

    /// What certificates of agents are made with.
    #[must_use]
    pub fn papers(&self) -> Papers {
        Papers {
            ledger: self.writing(),
            values: Arc::clone(&self.secrets),
            cluster: self.inventory.cluster.clone(),
            port: self.inventory.agent_port,
        }
    }

    /// One look at every host, with what the ledger says of it.
    pub async fn observe(&self) -> Observed {
        self.cluster_reader().observe(self.clock.now()).await
    }

    /// The same for a plan of this spec.
    pub async fn observe_for(&self, wanted: &StackSpec) -> Observed {
        self.observe_for_all([wanted]).await
    }

    /// The same for plans of several stacks on one look.
    pub async fn observe_for_all(&self, wanted: impl IntoIterator<Item = &StackSpec>) -> Observed {
        let mut observed = self.observe().await;
        for spec in wanted {
            self.ask_memory(&mut observed, spec).await;
        }
        observed
    }

    /// Asks tasks that are to get a lower memory limit how much they use: what a plan does with them depends on it.
    pub async fn ask_memory(&self, observed: &mut Observed, wanted: &StackSpec) {
        plan::ask_memory(&self.observer, observed, wanted).await;
    }

    /// The key of the cluster's marks; the one of a cluster without a key before its first release.
    ///
    /// # Errors
    ///
    /// If the ledger cannot be read.
    pub async fn marks_key(&self) -> Result<MarkKey, LedgerError> {
        let (_, records) = node_records::read(&self.ledger).await?;
        Ok(records.key.as_ref().map(node_records::marks_key).unwrap_or_default())
    }

    /// What the ledger remembers of a stack.
    ///
    /// # Errors
    ///
    /// If the ledger cannot be read.
    pub async fn remembered(&self, stack: &StackName) -> Result<Remembered, LedgerError> {
        remembered(&self.ledger, stack).await
    }

    /// The same with the values of releases, as far as the private keys of this machine open them: for what makes tasks of
    /// them, or shows them.
    ///
    /// # Errors
    ///
    /// If the ledger cannot be read.
    pub async fn remembered_open(&self, stack: &StackName) -> Result<Remembered, LedgerError> {
        let mut remembered = remembered(&self.ledger, stack).await?;
        self.secrets.open(&mut remembered).await;
        Ok(remembered)
    }

    /// The same, with values, for a command that chooses a release by it and writes nothing: it must pass over none.
    ///
    /// # Errors
    ///
    /// If the ledger cannot be read, or it stays undecided which releases there are.
    pub async fn remembered_for_sure(&self, stack: &StackName) -> Result<Remembered, LedgerError> {
        let mut remembered = remembered_for_sure(&self.ledger, stack).await?;
        self.secrets.open(&mut remembered).await;
        Ok(remembered)
    }

    /// The same, after a wait for a process that may be writing a release, for a command that says itself what is undecided.
    ///
    /// # Errors
    ///
    /// If the ledger cannot be read.
    pub async fn remembered_patiently(&self, stack: &StackName) -> Result<Remembered, LedgerError> {
        remembered_patiently(&self.ledger, stack).await
    }

    /// The numbers of the releases that are recorded of a stack; what the releases say is not read.
    ///
    /// # Errors
    ///
    /// If the ledger cannot be read.
    pub async fn release_numbers(&self, stack: &StackName) -> Result<Vec<u64>, LedgerError> {
        Ok(self.ledger.read(&releases(stack)).await?.entries.into_keys().collect())
    }

    /// The choices of a plan that are made by the inventory.
    #[must_use]
    pub fn plan_options(&self, prune: bool) -> PlanOptions {
        PlanOptions {
            prune,
            strategy: self.inventory.strategy.unwrap_or_default(),
            task_history: self.inventory.task_history.unwrap_or(TASK_HISTORY),
            ..PlanOptions::default()
        }
    }

    /// Takes leave of every host.
    pub async fn close(self) {
        self.fleet.close().await;
    }
}

/// What happened to a stack outside of its last release.
#[must_use]
pub fn drifted(observed: &Observed, history: &History) -> Drifted {
    // What is not known cannot have been drifted from.
    let Ok(current) = history.current() else { return Drifted::default() };
    let observed = same_image::folded(observed, &current.spec);
    let found = drift(&observed, &current.spec, &PlanOptions::default());
    Drifted { release: Some(current.number), found }
}
