//! What an agent knows of itself and the others, for all that speaks with them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, watch};

use super::identity::Identity;
use super::notes::Notes;
use crate::agent::relay::board::Board;
use crate::agent::secrets::{Keeper, Program};
use crate::model::Timestamp;

/// Rounds that follow soon when another one has begun.
const ROUNDS_SOON: u32 = 8;

/// What was found out since the agent began.
#[derive(Debug, Default)]
pub struct Seen {
    /// Why it does not listen.
    pub why_not: Option<String>,
    /// Why an agent was not reached, if it was not.
    pub peers: BTreeMap<String, Option<String>>,
    /// Hosts that keep a whole set of this one, and the digest of that set. What tasks have may have changed since: whether
    /// it is what they have now is for who reads it to compare.
    pub kept_by: BTreeMap<String, String>,
    /// Why one that is reached does not keep it.
    pub not_kept: BTreeMap<String, String>,
    /// Those that keep nothing for it, as they said.
    pub keep_nothing: BTreeSet<String>,
    /// Those that have given back what they kept.
    pub have_given: BTreeSet<String>,
    /// What it has in memory is all that there is to have: it may have those forget that have given nothing back.
    pub is_whole: bool,
    /// Tasks that are over, as a client said while not all was there: what others keep of them does not come back.
    pub dropped: BTreeSet<String>,
    /// Tasks that others gave back, and of which the engine has not said yet that it has their containers.
    pub unproved: BTreeSet<String>,
    /// What others that had begun without memory said of which start that was.
    pub begun: BTreeMap<String, u64>,
    /// Rounds that follow soon: one that has begun may not listen yet.
    pub soon: u32,
    /// Tasks that are to run, and whose containers need secrets that are not here.
    pub lacking: usize,
    /// Tasks that wait for secrets and have none given back, since they are over.
    pub over: usize,
    pub notes: Notes,
}

/// What reads a clock.
type Now = Box<dyn Fn() -> Timestamp + Send + Sync>;

/// All of it.
pub struct State {
    pub keeper: Arc<Keeper>,
    pub cluster: String,
    /// What it gives to tasks whose variables are secrets.
    pub program: Program,
    identity: watch::Sender<Option<Arc<Identity>>>,
    /// Where it is written down who it is.
    pub file: Option<PathBuf>,
    /// One change of that at a time.
    pub turn: tokio::sync::Mutex<()>,
    /// It has asked the others, since it began, whether they know a newer list of agents.
    greeted: watch::Sender<bool>,
    /// Transfers that others may come for.
    pub board: Arc<Board>,
    /// What tasks have has changed.
    pub changed: Notify,
    /// Another one has given something back.
    pub given: Notify,
    /// What tells this start of the agent from others.
    pub begun: u64,
    seen: Mutex<Seen>,
    now: Now,
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("State")
            .field("cluster", &self.cluster)
            .field("seen", &self.seen)
            .finish_non_exhaustive()
    }
}

impl State {
    /// Of one who has just begun.
    pub fn new(
        keeper: Arc<Keeper>,
        cluster: &str,
        program: Program,
        file: Option<PathBuf>,
        now: Now,
    ) -> Self {
        let known = file.as_deref().and_then(Identity::read);
        Self {
            keeper,
            cluster: cluster.to_owned(),
            program,
            identity: watch::Sender::new(known.map(Arc::new)),
            file,
            turn: tokio::sync::Mutex::default(),
            greeted: watch::Sender::new(false),
            board: Arc::default(),
            changed: Notify::new(),
            given: Notify::new(),
            begun: by_chance(),
            seen: Mutex::default(),
            now,
        }
    }

    /// Who it is, if that is known.
    pub fn identity(&self) -> Option<Arc<Identity>> {
        self.identity.borrow().clone()
    }

    /// Waits for changes of that.
    pub fn identities(&self) -> watch::Receiver<Option<Arc<Identity>>> {
        self.identity.subscribe()
    }

    /// It is another one from now on.
    pub fn become_one(&self, identity: Option<Identity>) {
        let hosts: BTreeSet<String> =
            identity.iter().flat_map(|known| &known.join.peers).map(|peer| peer.host.clone()).collect();
        {
            let mut seen = self.seen();
            seen.peers.retain(|host, _| hosts.contains(host));
            seen.kept_by.retain(|host, _| hosts.contains(host));
            seen.not_kept.retain(|host, _| hosts.contains(host));
            seen.keep_nothing.retain(|host| hosts.contains(host));
        }
        self.identity.send_replace(identity.map(Arc::new));
        self.changed.notify_one();
    }

    /// The others have been asked whether they know a newer list of agents.
    pub fn has_greeted(&self) {
        self.greeted.send_replace(true);
    }

    /// Waits for that: before, nothing is given or kept.
    pub async fn greeted(&self) {
        let mut greeted = self.greeted.subscribe();
        let _the_sender_is_ours = greeted.wait_for(|has| *has).await;
    }

    /// What was found out.
    pub fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The time.
    pub fn now(&self) -> Timestamp {
        (self.now)()
    }

    /// Remembers that something happened.
    pub fn note(&self, text: &str) {
        let now = self.now();
        self.seen().notes.add(now, text);
    }

    /// Whether an agent was reached, and if not, why; a change is noted.
    pub fn reached(&self, host: &str, done: Result<(), &str>) {
        let why = done.err().map(str::to_owned);
        let before = self.seen().peers.insert(host.to_owned(), why.clone());
        match (before, why) {
            (None | Some(None), Some(why)) => {
                self.note(&format!("the agent of {host} is not reached: {why}"))
            }
            (Some(Some(_)), None) => self.note(&format!("the agent of {host} is reached again")),
            (_, Some(_) | None) => {}
        }
    }

    /// Another one has begun without memory, and so without what it kept: it gets that again at once, while its host is
    /// the only one that is empty.
    pub fn has_begun(&self, host: &str, begun: u64) {
        let mut seen = self.seen();
        if seen.begun.insert(host.to_owned(), begun) != Some(begun) {
            seen.kept_by.remove(host);
            seen.soon = ROUNDS_SOON;
            self.changed.notify_one();
        }
    }

    /// Whether it may have another agent keep and forget things: not before that one has given back what it keeps, to
    /// one who came up without memory.
    pub fn may_tell(&self, host: &str) -> bool {
        let seen = self.seen();
        seen.is_whole || seen.have_given.contains(host)
    }
}

/// It protects nothing, and is another one each time.
fn by_chance() -> u64 {
    RandomState::new().build_hasher().finish()
}
