//! Agents on hosts: what engines have of them ([`look`]), how they get there ([`ship`]), and the way to their sockets.
//!
//! An agent is shipped over the engine's API and nothing else: no registry, no shell, no file is copied. As a *managed
//! plugin* where the engine takes one: dockerd starts those before its networks and containers, and starts them again
//! when they die. As a *container* where it does not. What is shipped is a [`parcel`](mod@parcel), which is made
//! without an effect. What agents keep of tasks is brought to them by [`secrets`].
//!
//! An agent is known by its name, which has the cluster, the beginning of its program's digest and a word for its rights
//! in it: several can be on a host at a time, which is how one takes over from another. Nothing else is remembered of them: an engine
//! says itself what it has.
//!
//! Takes no decision: which agent goes where is for `ops` to say, and each change here may be repeated.

mod look;
pub mod parcel;
pub mod secrets;
mod ship;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::error::HostError;
use super::host::{AskError, Host, Up};
use super::{Fleet, Inner};
use crate::http::stream::Stream;
use crate::model::format::Version;
use crate::model::{ClusterName, NodeName, Timestamp, Unreachable};

pub use parcel::Rights;
pub(crate) use ship::Shipper;
pub use ship::{How, NotShipped};

/// What an engine has as an agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A managed plugin.
    Plugin,
    /// A container.
    Container,
}

impl Kind {
    /// Its word.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Plugin => "plugin",
            Self::Container => "container",
        }
    }
}

/// An agent of the cluster that an engine has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Installed {
    pub kind: Kind,
    /// What the engine calls it.
    pub name: String,
    /// The digest of its program, by what it was shipped as.
    pub digest: String,
    /// The version of its program, likewise.
    pub version: String,
    /// What it may do, by the [word](Rights::word) for it; empty for one that was given nothing.
    pub rights: String,
    /// Whether the engine has it running.
    pub is_on: bool,
}

/// The first version whose agents give their program to tasks whose variables are secrets.
const PROGRAMS_SINCE: &str = "0.7.0";

impl Installed {
    /// Whether it gives its program to tasks whose variables are secrets.
    #[must_use]
    pub fn gives_programs(&self) -> bool {
        let since = PROGRAMS_SINCE.parse::<Version>();
        self.version.parse::<Version>().is_ok_and(|own| since.is_ok_and(|since| own >= since))
    }

    /// What tells it from others of its cluster on its host.
    #[must_use]
    pub fn mark(&self) -> String {
        parcel::mark(&self.digest, &self.rights)
    }
}

/// A host, as far as agents are concerned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostAgents {
    /// The system of its engine: `linux`.
    pub system: String,
    /// Its processor.
    pub architecture: String,
    /// The engine runs without root's rights.
    pub is_rootless: bool,
    /// The engine has managed plugins at all.
    pub takes_plugins: bool,
    /// Agents of this cluster.
    pub agents: Vec<Installed>,
    /// Images that agents of this cluster were started from.
    pub images: Vec<String>,
    /// What containers of tasks that have secrets from an agent are of.
    pub users: Vec<String>,
}

/// What a host has of agents; or why it does not say.
pub type Looks = BTreeMap<NodeName, Result<HostAgents, Unreachable>>;

impl Fleet {
    /// Asks every engine for the agents of this cluster.
    pub async fn agents(&self, now: impl Fn() -> Timestamp) -> Looks {
        look::all(&self.inner, now).await
    }

    /// The same of one host.
    ///
    /// # Errors
    ///
    /// The host is silent.
    pub async fn agents_of(&self, node: &NodeName) -> Result<HostAgents, HostError> {
        let host = self.inner.known(node)?;
        look::one(&host, &self.inner.cluster).await
    }

    /// A stream to the socket of an agent of this cluster, by its [mark](parcel::mark). That it is there says nothing:
    /// over ssh a socket at which nothing listens can be opened, too.
    ///
    /// # Errors
    ///
    /// The host is silent, or a socket of this machine is not there.
    pub async fn agent_stream(&self, node: &NodeName, mark: &str) -> Result<Stream, NoWay> {
        let host = self.inner.known(node)?;
        self.inner.agent_stream(&host, mark).await
    }

    /// Names and versions of secrets' values that the agent of a host keeps, of whichever tasks.
    ///
    /// # Errors
    ///
    /// The host is silent, or has no agent that keeps any.
    pub async fn kept_secrets(
        &self,
        node: &NodeName,
    ) -> Result<BTreeSet<(String, String)>, secrets::NotDelivered> {
        let host = self.inner.known(node)?;
        secrets::kept(&self.inner, &host).await
    }

    /// Whether an agent of a host can swap files of tasks. One that does not answer cannot.
    pub async fn knows_swaps(&self, node: &NodeName, agent: &Installed) -> bool {
        match self.inner.known(node) {
            Ok(host) => secrets::knows_swaps(&self.inner, &host, agent).await,
            Err(_) => false,
        }
    }

    /// What ships agents to a host. Only for this crate: others do so through `ops::agents`.
    ///
    /// # Errors
    ///
    /// There is no such host.
    pub(crate) fn shipper(&self, node: &NodeName) -> Result<Shipper, HostError> {
        Ok(Shipper::new(self.inner.known(node)?, self.inner.cluster.clone()))
    }
}

/// Why there is no stream to an agent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoWay {
    /// The host is silent.
    #[error(transparent)]
    Silent(#[from] HostError),
    /// The socket cannot be opened.
    #[error("the agent's socket {path} cannot be opened: {why}", path = .0.display(), why = .1)]
    Socket(PathBuf, String),
}

impl Inner {
    pub(super) fn known(&self, node: &NodeName) -> Result<Arc<Host>, HostError> {
        self.host(node).ok_or_else(|| HostError::NameNotResolved { host: node.to_string() })
    }

    async fn agent_stream(&self, host: &Arc<Host>, mark: &str) -> Result<Stream, NoWay> {
        let up = host.up_or_revived().await?;
        let socket = socket_on_host(&self.cluster, host.socket(), mark);
        up.open_beside(&socket).await.map_err(|error| NoWay::Socket(socket, error.to_string()))
    }
}

/// Where on its host an agent listens: beside the engine's own socket, as that is called here.
#[must_use]
pub fn socket_on_host(cluster: &ClusterName, engine: &Path, mark: &str) -> PathBuf {
    parcel::own_folder(cluster, engine).join(parcel::socket_name(mark))
}

/// The agents that the engine of a host has of a cluster, whether they run or not.
pub(super) async fn on(host: &Arc<Host>, cluster: &ClusterName) -> Result<Vec<Installed>, HostError> {
    look::agents_of(host, cluster).await
}

/// A request whose answer is needed, whatever it is.
pub(super) async fn asked<T, F, A>(host: &Arc<Host>, question: F) -> Result<T, AskError>
where
    F: Fn(Arc<Up>) -> A,
    A: Future<Output = Result<T, super::docker::client::CallError>>,
{
    let up = host.up_or_revived().await.map_err(AskError::Silent)?;
    host.ask(up, question).await
}
