//! Write-once registers: what the ledger needs of a backend.

use std::collections::BTreeSet;
use std::fmt;
use std::future::Future;

use tokio::sync::mpsc::Receiver;

use crate::model::{StackName, Timestamp};

/// What a stream is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Who may act on a stack.
    Lease,
    /// What was deployed.
    Releases,
    /// How releases ended, under the same numbers.
    Outcomes,
    /// What a user has set for the reconcile loop about a stack.
    Settings,
    /// Changes to nodes on top of the inventory; one stream for the whole cluster.
    Nodes,
    /// User actions other than releases; one stream for the whole cluster.
    Operations,
    /// Heals of a stack by the loop.
    Heals,
    /// Which contents of a stack's configs there are. No stream of places: see [`contents`](super::contents).
    Contents,
    /// The contents themselves, in parts. Never listed: it would bring all of them.
    Chunks,
    /// Volumes that engines made for tasks of a stack.
    Volumes,
    /// The key to which values are encrypted, and who can open it; one stream for the whole cluster.
    Key,
    /// Secrets that were made by a command; one stream for the whole cluster. Their values are contents.
    Secrets,
    /// Configs that were made by a command; one stream for the whole cluster. What is in them are contents.
    Configs,
}

impl Kind {
    /// All there are.
    pub const ALL: [Self; 13] = [
        Self::Lease,
        Self::Releases,
        Self::Outcomes,
        Self::Settings,
        Self::Nodes,
        Self::Operations,
        Self::Heals,
        Self::Contents,
        Self::Chunks,
        Self::Volumes,
        Self::Key,
        Self::Secrets,
        Self::Configs,
    ];

    /// The word in names and labels.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Lease => "lease",
            Self::Releases => "releases",
            Self::Outcomes => "outcomes",
            Self::Settings => "settings",
            Self::Nodes => "nodes",
            Self::Operations => "operations",
            Self::Heals => "heals",
            Self::Contents => "contents",
            Self::Chunks => "chunks",
            Self::Volumes => "volumes",
            Self::Key => "key",
            Self::Secrets => "secrets",
            Self::Configs => "configs",
        }
    }

    /// Back from the word.
    #[must_use]
    pub fn of_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.word() == word)
    }

    /// Places at the end of the stream that are kept when it is trimmed.
    #[must_use]
    pub const fn kept(self) -> u64 {
        match self {
            // A holder that sleeps through so many renewals has lost the lease long ago.
            Self::Lease => 6,
            // The newest holds all there is.
            Self::Settings | Self::Volumes | Self::Key | Self::Secrets | Self::Configs => 4,
            // The newest says everything; a few more, to see who did what.
            Self::Nodes => 9,
            Self::Releases | Self::Outcomes => 49,
            // Two places each: sixty operations, and a dozen heals of each stack.
            Self::Operations => 119,
            Self::Heals => 23,
            // By no number: one is removed once no release names it.
            Self::Contents | Self::Chunks => u64::MAX,
        }
    }

    /// Whether readers wait for what is written there. Contents are written before the release that names them.
    #[must_use]
    pub const fn is_watched(self) -> bool {
        !matches!(self, Self::Contents | Self::Chunks)
    }
}

/// A sequence of places, each with one value or none yet.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Stream {
    pub kind: Kind,
    /// Whose it is: the stack's name, or `cluster`.
    pub of: String,
}

impl Stream {
    /// The stream of a stack, or of the cluster.
    #[must_use]
    pub fn new(kind: Kind, of: impl fmt::Display) -> Self {
        Self { kind, of: of.to_string() }
    }

    /// The stream of a register that readers wait for, by what it is called: `<kind>/<of>/<place>`.
    #[must_use]
    pub fn of_register(name: &str) -> Option<Self> {
        let mut parts = name.split('/');
        let (kind, of, _place) = (Kind::of_word(parts.next()?)?, parts.next()?, parts.next()?);
        kind.is_watched().then(|| Self::new(kind, of))
    }
}

impl fmt::Display for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.kind.word(), self.of)
    }
}

/// A register of a stream: each place has one for every round, on every manager.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// Which place; the first is 1.
    pub seq: u64,
    /// Which attempt to agree on its value.
    pub round: u32,
}

impl Place {
    /// As registers are called wherever they have names: in the order of places.
    #[must_use]
    pub fn name(self) -> String {
        format!("{:010}.{}", self.seq, self.round)
    }

    /// Back from its name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        let (seq, round) = name.split_once('.')?;
        Some(Self { seq: seq.parse().ok()?, round: round.parse().ok()? })
    }
}

/// What is in a register for ever: a value, or the note that there will be none in this round.
pub type Content = Option<String>;

/// A register that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    pub place: Place,
    pub content: Content,
    /// When it was made, by the backend's clock.
    pub created: Timestamp,
}

/// Why a manager does not answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Silent(pub String);

/// What a backend that can be watched reports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Written {
    /// Something was written into a stream.
    In(Stream),
    /// The watch has begun; earlier writes may have been missed.
    Perhaps,
}

/// Reads registers, and can do nothing else.
pub trait ReadRegisters: Sync {
    /// Who keeps registers, by name, in order.
    fn managers(&self) -> &[String];

    /// Every register of a stream on a manager that holds anything.
    fn list(
        &self,
        manager: usize,
        stream: &Stream,
    ) -> impl Future<Output = Result<Vec<Found>, Silent>> + Send;

    /// One register of a stream; `None` if there is none. A backend of large registers reads no other.
    fn get(
        &self,
        manager: usize,
        stream: &Stream,
        place: Place,
    ) -> impl Future<Output = Result<Option<Content>, Silent>> + Send {
        async move {
            let mut found = self.list(manager, stream).await?.into_iter();
            Ok(found.find(|found| found.place == place).map(|found| found.content))
        }
    }

    /// Stacks of which a manager remembers anything: those whose lease was ever taken, since every write
    /// about a stack is made under its lease.
    fn stacks(&self, manager: usize) -> impl Future<Output = Result<BTreeSet<StackName>, Silent>> + Send;

    /// What a manager's clock says: the one that [`Found::created`] is read from.
    fn clock(&self, manager: usize) -> impl Future<Output = Result<Timestamp, Silent>> + Send;

    /// Whether the backend itself measures how old a heartbeat is, by timers that no one sets: leases of etcd and sessions
    /// of Consul. A volume, a file or a node of ZooKeeper has a time of day.
    fn measures_age(&self) -> bool {
        false
    }

    /// Watches for writes, where the backend supports it, so that callers need to poll less. Ends when the
    /// receiver is dropped.
    fn listen(&self) -> Option<Receiver<Written>> {
        None
    }

    /// The [spare copy](super::spare) that a manager keeps, if it keeps one.
    fn spare(&self, manager: usize) -> impl Future<Output = Result<Option<String>, Silent>> + Send {
        let _none_has = manager;
        std::future::ready(Ok(None))
    }

    /// Whether managers keep spare copies: where others remove registers by the way, as `docker volume prune` does.
    fn keeps_spares(&self) -> bool {
        false
    }
}

/// Reads and writes registers.
pub trait WriteRegisters: ReadRegisters {
    /// Has a manager keep a spare copy, in the place of the one before, if [its kind does](ReadRegisters::keeps_spares).
    fn put_spare(&self, manager: usize, copy: &str) -> impl Future<Output = Result<(), Silent>> + Send {
        let _none_keeps = (manager, copy);
        std::future::ready(Ok(()))
    }

    /// Makes a register with this content, or finds it made; what is in it now, and from now on.
    fn create(
        &self,
        manager: usize,
        stream: &Stream,
        place: Place,
        content: &Content,
    ) -> impl Future<Output = Result<Content, Silent>> + Send;

    /// Removes a register of a place that is no longer needed.
    fn remove(
        &self,
        manager: usize,
        stream: &Stream,
        place: Place,
    ) -> impl Future<Output = Result<(), Silent>> + Send;
}
