//! Hosts: which there are, how to reach them, and what their engines report and do.
//!
//! ```text
//! Inventory ─▶ Fleet::connect ─▶ one Host each ─▶ ssh master ─▶ forwarded socket ─▶ pooled HTTP
//!                  │
//!                  ├─▶ Observer: asks (observe, look, resolve, logs), cannot write
//!                  ├─▶ Executor: carries out the orchestrator's actions
//!                  ├─▶ exec: commands in running containers
//!                  ├─▶ agents: what ships them, and streams to their sockets
//!                  ├─▶ images: what engines have, what brings them one, and what removes one
//!                  └─▶ RegisterReader, RegisterWriter: the ledger's records, as volumes of the managers
//! ```
//!
//! Knows nothing of stackfiles, plans or terminals, and takes no decisions: the time is handed in, and so is
//! each [`Action`](crate::model::action::Action). *Unreachable is not empty*: an unreachable host is reported
//! as such, and no default turns it into a host without tasks.

pub mod agents;
pub mod auth;
mod checkup;
mod data_address;
pub mod docker;
pub mod error;
pub mod events;
pub mod exec;
pub mod executor;
#[cfg(test)]
#[path = "../../tests/support/engine/mod.rs"]
#[allow(clippy::disallowed_methods, reason = "an engine of this process, with sockets and a clock")]
mod fake;
mod host;
pub mod images;
mod lines;
pub mod logs;
mod membership;
pub mod observer;
mod one_layer;
pub mod probe;
pub mod registers;
pub mod registry;
mod runtime_dir;
mod sightings;
mod spare;
mod ssh;
mod swapper;
pub mod transport;
mod turns;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use crate::inventory::{HostEntry, Inventory};
use crate::model::volume::AnonymousVolumes;
use crate::model::{
    ClusterName, MarkKey, Member, NodeName, Role, StackName, TaskId, TaskSpec, Timestamp, Unreachable,
};

pub use auth::{Login, Logins};
pub use checkup::{Checkup, Disk};
pub use error::HostError;
pub use executor::Executor;
pub use membership::MembershipChange;
pub use observer::Observer;
pub use probe::{Probe, Sign};
pub use registers::{RegisterReader, RegisterWriter};
pub use registry::LoginError;
pub use ssh::direct::{VERB as DIAL_FOR_SSH, dial as dial_for_ssh, helper as own_dialer};
pub use transport::Fence;

use host::Host;
use membership::{Membership, MembershipCell};
use sightings::Sightings;

/// How to connect.
#[derive(Debug, Clone)]
pub struct ConnectOptions {
    /// Upper bound for one ssh handshake.
    pub handshake: Duration,
    /// Handshakes at a time; more only makes them all slower.
    pub dials_max: usize,
    /// Calls in flight over all hosts; the others wait for their turn, and their deadlines with them.
    pub calls_max: usize,
    /// Send the user's registry credentials to the engines for pulls and look-ups. They are read when the first image is
    /// asked for.
    pub with_registry_auth: bool,
    /// The program that opens connections for ssh, so that a dead link ends them: see [`dial_for_ssh`].
    pub dial_with: Option<PathBuf>,
    /// Where the sockets go; by default `$XDG_RUNTIME_DIR/stackctl`, else `/tmp/stackctl-<uid>`.
    pub runtime_dir: Option<PathBuf>,
}

impl Default for ConnectOptions {
    fn default() -> Self {
        Self {
            handshake: Duration::from_secs(10),
            dials_max: 16,
            calls_max: turns::CALLS_MAX,
            with_registry_auth: true,
            dial_with: None,
            runtime_dir: None,
        }
    }
}

/// How often each call was made, by node and by `METHOD /path/{}`.
pub type Calls = BTreeMap<NodeName, BTreeMap<String, u64>>;

/// The hosts of an inventory and the connections to them. A clone is the same connections.
#[derive(Debug, Clone)]
pub struct Fleet {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    cluster: ClusterName,
    membership: MembershipCell,
    /// For those that join.
    dialer: Arc<ssh::Dialer>,
    credentials: Arc<auth::Credentials>,
    registries: registry::Registries,
    /// Specs whose values were read from their containers: labels and values of a container never change.
    revealed: Mutex<BTreeMap<TaskId, Arc<TaskSpec>>>,
    /// Volumes that engines made for tasks.
    sightings: Mutex<Sightings>,
}

impl Inner {
    fn revealed(&self) -> MutexGuard<'_, BTreeMap<TaskId, Arc<TaskSpec>>> {
        self.revealed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hosts that answer, managers first: credentials go through the host that asks.
    fn managers_first(&self) -> Vec<Arc<host::Up>> {
        let membership = self.membership();
        let is_worker =
            |name: &NodeName| membership.members.get(name).is_none_or(|member| member.role != Role::Manager);
        let mut hosts: Vec<_> = membership.hosts.iter().collect();
        hosts.sort_by_key(|(name, _)| is_worker(name));
        hosts.into_iter().filter_map(|(_, host)| host.up().ok()).collect()
    }

    fn sightings(&self) -> MutexGuard<'_, Sightings> {
        self.sightings.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Fleet {
    /// Connects to every host at once. Never fails as a whole: each host keeps its own error.
    /// see [`Fleet::errors`].
    pub async fn connect(inventory: &Inventory, options: ConnectOptions) -> Self {
        let credentials =
            if options.with_registry_auth { auth::Credentials::of_user() } else { auth::Credentials::none() };
        let dialer = Arc::new(ssh::Dialer::new(inventory, &options));
        let hosts = inventory
            .hosts
            .iter()
            .map(|(name, entry)| (name.clone(), Arc::new(Host::new(entry.clone(), Arc::clone(&dialer)))))
            .collect::<BTreeMap<_, _>>();
        // Each host keeps its error. Handshakes that wait for each other's turn are late by our own doing.
        let are_crowded = hosts.len() > options.dials_max;
        let dial = |_, host: Arc<Host>| async move { host.reconnect().await.map(drop) };
        let again = |node, host, _| dial(node, host);
        let is_doubtful = |error: &HostError| error.may_be_ours(are_crowded);
        turns::ask_all(&hosts, dial, again, is_doubtful).await;
        let membership = Membership {
            hosts,
            members: inventory
                .hosts
                .iter()
                .map(|(name, entry)| (name.clone(), entry.member.clone()))
                .collect(),
            sources: inventory.discover.iter().map(|source| source.name.clone()).collect(),
            ..Membership::default()
        };
        let inner = Inner {
            cluster: inventory.cluster.clone(),
            membership: MembershipCell::new(membership),
            dialer,
            credentials: Arc::new(credentials),
            registries: registry::Registries::default(),
            revealed: Mutex::default(),
            sightings: Mutex::default(),
        };
        Self { inner: Arc::new(inner) }
    }

    /// The hosts that cannot be used, and why.
    #[must_use]
    pub fn errors(&self) -> BTreeMap<NodeName, HostError> {
        let silent = |(name, host): (&NodeName, &Arc<Host>)| Some((name.clone(), host.up().err()?));
        self.inner.membership().hosts.iter().filter_map(silent).collect()
    }

    /// All of them.
    #[must_use]
    pub fn nodes(&self) -> Vec<NodeName> {
        self.inner.membership().hosts.keys().cloned().collect()
    }

    /// What is declared of a host.
    #[must_use]
    pub fn entry(&self, node: &NodeName) -> Option<HostEntry> {
        self.inner.host(node).map(|host| host.entry.clone())
    }

    /// Hosts that have a command that makes sure that they are off.
    #[must_use]
    pub fn fences(&self) -> Vec<NodeName> {
        let membership = self.inner.membership();
        let with = membership.hosts.iter().filter(|(_, host)| host.entry.fence.is_some());
        with.map(|(name, _)| name.clone()).collect()
    }

    /// Discovered hosts, and their sources.
    #[must_use]
    pub fn found(&self) -> BTreeMap<NodeName, String> {
        let membership = self.inner.membership();
        let found = membership.members.values();
        found.filter_map(|member| Some((member.name.clone(), member.found_by.clone()?))).collect()
    }

    /// Hosts that left the cluster and are still reported.
    #[must_use]
    pub fn left(&self) -> Vec<NodeName> {
        self.inner.membership().left.keys().cloned().collect()
    }

    /// Sets the reason why the membership is not fully known; or clears it.
    pub fn set_unknown(&self, unknown: Option<Unreachable>) {
        self.inner.set_unknown(unknown);
    }

    /// From now on the logins of registries that the cluster keeps are known: they are sent where the user has none and a
    /// registry wants some.
    pub fn know_logins(&self, logins: Weak<dyn Logins>) {
        self.inner.credentials.know(logins);
    }

    /// Has a registry say whether it takes a login.
    ///
    /// # Errors
    ///
    /// It does not, or no host could ask it.
    pub async fn check_login(&self, registry: &str, login: &Login) -> Result<(), LoginError> {
        let up = self.inner.managers_first();
        let engines: Vec<_> = up.iter().map(|up| &up.engine).collect();
        registry::check(&engines, registry, login).await
    }

    /// The next thing that people should know of the user's credentials, such as a helper that fails. Waits for it; each
    /// is said once.
    pub async fn warning(&self) -> String {
        self.inner.credentials.warning().await
    }

    /// What is left of these, without waiting.
    pub async fn last_warnings(&self) -> Vec<String> {
        self.inner.credentials.last_warnings().await
    }

    /// Replaces the set of discovered hosts. Hosts that left are reported as unreachable, with `why_left` as
    /// the reason, until they [are forgotten](Self::forget_left).
    pub fn set_found(
        &self,
        found: &BTreeMap<NodeName, HostEntry>,
        why_left: impl Fn(&Member) -> Unreachable,
    ) -> MembershipChange {
        self.inner.set_found(found, why_left)
    }

    /// Stops reporting a host that left.
    pub fn forget_left(&self, node: &NodeName) {
        self.inner.forget_left(node);
    }

    /// A reader of the hosts. Cheap to clone, and unable to write.
    #[must_use]
    pub fn observer(&self) -> Observer {
        Observer::new(Arc::clone(&self.inner))
    }

    /// An executor for one stack, whose name goes onto everything it makes, as does the id of the cluster's key of marks.
    /// Cheap to clone. Only for this crate: other
    /// programs change hosts through `ops::release`.
    #[must_use]
    pub(crate) fn executor(&self, stack: &StackName, key: &MarkKey) -> Executor {
        Executor::new(Arc::clone(&self.inner), stack.clone(), key.clone())
    }

    /// Volumes that engines made for tasks of a stack, whether those are still there or not, as far as this process has
    /// seen them.
    #[must_use]
    pub fn anonymous_volumes(&self, stack: &StackName) -> AnonymousVolumes {
        self.inner.sightings().of(stack)
    }

    /// Runs a command in a container. No part of a deploy, and not in the journal of one.
    pub async fn exec(
        &self,
        node: &NodeName,
        container: &str,
        command: &exec::Command,
    ) -> Result<(exec::Session, exec::Input), exec::ExecError> {
        exec::run(&self.inner, node, container, command).await
    }

    /// The ledger's registers, read-only.
    #[must_use]
    pub fn register_reader(&self) -> RegisterReader {
        RegisterReader::new(Arc::clone(&self.inner))
    }

    /// The ledger's registers, for writing.
    #[must_use]
    pub fn register_writer(&self) -> RegisterWriter {
        RegisterWriter::new(Arc::clone(&self.inner))
    }

    /// Asks every host for its clock and its disk; `now` is our own clock.
    pub async fn checkups(
        &self,
        now: impl Fn() -> Timestamp + Copy,
    ) -> BTreeMap<NodeName, Result<Checkup, Unreachable>> {
        checkup::checkups(&self.inner, now).await
    }

    /// The directory below which sockets of ssh's connections are, if one could be made.
    #[must_use]
    pub fn sockets(&self) -> Option<PathBuf> {
        self.inner.dialer.sockets().map(Path::to_owned)
    }

    /// How many times a limit for one look at all hosts is to be granted, since calls wait for their turns.
    #[must_use]
    pub fn rounds(&self) -> u32 {
        self.inner.dialer.turns.rounds(self.inner.membership().hosts.len())
    }

    /// Whether a connection was made that its link does not end, behind a jump host say: what was sent over it may arrive
    /// long after its end.
    #[must_use]
    pub fn has_dialled_loose(&self) -> bool {
        self.inner.dialer.has_dialled_loose()
    }

    /// Ends the connections of this user's programs that were killed on this machine: what they sent last may still be in
    /// one. That of earlier ones was done when this fleet was made.
    pub async fn end_connections_of_the_killed(&self) {
        let Some(base) = self.inner.dialer.sockets().map(Path::to_owned) else { return };
        // Best effort, as at the start: a connection without its program ends by its own limits.
        let _ended = tokio::task::spawn_blocking(move || runtime_dir::end_dead(&base)).await;
    }

    /// Whether requests to a host go to a socket of this machine: they are there once they are written.
    #[must_use]
    pub fn is_local(&self, node: &NodeName) -> bool {
        self.inner.host(node).is_some_and(|host| !host.is_over_ssh())
    }

    /// Marks a host as lost: later requests to it fail at once. Each of them also triggers a new dial.
    pub fn mark_lost(&self, node: &NodeName) {
        if let Some(host) = self.inner.host(node) {
            host.mark_lost();
        }
    }

    /// How often each call was made.
    #[must_use]
    pub fn calls(&self) -> Calls {
        self.inner.membership().hosts.iter().map(|(name, host)| (name.clone(), host.calls())).collect()
    }

    /// Ends the connections. Without this the ssh masters end by themselves a minute later.
    pub async fn close(self) {
        turns::each(self.inner.membership().hosts.values(), |host| host.close()).await;
    }
}

#[cfg(test)]
mod tests;
