//! Hosts: which there are, how they are reached, and what their engines say and do.
//!
//! ```text
//! Inventory ─▶ Fleet::connect ─▶ one Host each ─▶ ssh master ─▶ forwarded socket ─▶ pooled HTTP
//!                  │
//!                  ├─▶ Observer: asks (observe, look, resolve, logs), cannot write
//!                  ├─▶ Executor: carries out the orchestrator's actions
//!                  └─▶ RegisterReader, RegisterWriter: the ledger's records, as volumes of the managers
//! ```
//!
//! Knows nothing of stackfiles, plans or terminals, and takes no decisions: the time is handed in, what
//! to do is an [`Action`](crate::orchestrator::Action). *Unreachable is not empty*: a silent host is
//! reported as such, and no default turns it into a host without tasks.

pub mod auth;
pub mod docker;
pub mod error;
pub mod events;
pub mod executor;
#[cfg(test)]
mod fake;
mod host;
pub mod inventory;
pub mod logs;
pub mod observer;
pub mod probe;
pub mod registers;
pub mod registry;
mod runtime_dir;
mod ssh;
pub mod transport;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;

use crate::model::{ClusterName, NodeName, StackName};

pub use error::HostError;
pub use executor::Executor;
pub use inventory::Inventory;
pub use observer::Observer;
pub use probe::{Probe, Sign};
pub use registers::{RegisterReader, RegisterWriter};
pub use transport::Fence;

use host::Host;

/// How to connect.
#[derive(Debug, Clone)]
pub struct ConnectOptions {
    /// Upper bound for one ssh handshake.
    pub handshake: Duration,
    /// Handshakes at a time; more only makes them all slower.
    pub dials_max: usize,
    /// Send the user's registry credentials to the engines for pulls and look-ups.
    pub with_registry_auth: bool,
    /// Where the sockets go; by default `$XDG_RUNTIME_DIR/stackctl`, else `/tmp/stackctl-<uid>`.
    pub runtime_dir: Option<PathBuf>,
}

impl Default for ConnectOptions {
    fn default() -> Self {
        Self {
            handshake: Duration::from_secs(10),
            dials_max: 16,
            with_registry_auth: false,
            runtime_dir: None,
        }
    }
}

/// How often each call was made, by node and by `METHOD /path/{}`.
pub type Calls = BTreeMap<NodeName, BTreeMap<String, u64>>;

/// The hosts of an inventory and the connections to them.
#[derive(Debug)]
pub struct Fleet {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    cluster: ClusterName,
    hosts: BTreeMap<NodeName, Arc<Host>>,
    credentials: Arc<auth::Credentials>,
}

impl Fleet {
    /// Connects to every host at once. Never fails as a whole: what is wrong with a host stays with it,
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
        // What is wrong with a host is kept in the host.
        join_all(hosts.values().map(|host| async { host.revive().await.is_ok() })).await;
        let inner = Inner { cluster: inventory.cluster.clone(), hosts, credentials: Arc::new(credentials) };
        Self { inner: Arc::new(inner) }
    }

    /// The hosts that cannot be used, and why.
    #[must_use]
    pub fn errors(&self) -> BTreeMap<NodeName, HostError> {
        let silent = |(name, host): (&NodeName, &Arc<Host>)| Some((name.clone(), host.up().err()?));
        self.inner.hosts.iter().filter_map(silent).collect()
    }

    /// What asks. Cheap to clone, and unable to write.
    #[must_use]
    pub fn observer(&self) -> Observer {
        Observer::new(Arc::clone(&self.inner))
    }

    /// What acts, for one stack: its name goes onto what is made. Cheap to clone.
    #[must_use]
    pub fn executor(&self, stack: &StackName) -> Executor {
        Executor::new(Arc::clone(&self.inner), stack.clone())
    }

    /// The ledger's registers, for those who only read them.
    #[must_use]
    pub fn register_reader(&self) -> RegisterReader {
        RegisterReader::new(Arc::clone(&self.inner))
    }

    /// The ledger's registers, to be written.
    #[must_use]
    pub fn register_writer(&self) -> RegisterWriter {
        RegisterWriter::new(Arc::clone(&self.inner))
    }

    /// Takes a host for gone: whoever asks it from now on learns so at once. It is called anew whenever
    /// somebody asks for it.
    pub fn sever(&self, node: &NodeName) {
        if let Some(host) = self.inner.hosts.get(node) {
            host.sever();
        }
    }

    /// How often each call was made.
    #[must_use]
    pub fn calls(&self) -> Calls {
        self.inner.hosts.iter().map(|(name, host)| (name.clone(), host.calls())).collect()
    }

    /// Ends the connections. Without this the ssh masters end by themselves a minute later.
    pub async fn close(self) {
        join_all(self.inner.hosts.values().map(|host| host.close())).await;
    }
}

#[cfg(test)]
mod tests;
