//! Agents of a cluster among each other: each has its secrets kept by two others, and has them back when its host was off.
//!
//! ```text
//! client ─ join ─▶ identity ─▶ listen      what others ask: kept for them in this host's memory
//!                     │      ─▶ rounds      what they are asked: to keep, and to forget
//!                     └──────▶ recover     after a start without memory: to give back
//! ```
//!
//! Who an agent is, and who the others are, a client tells it: certificates of one [authority](crate::vault::authority),
//! whose key is on no host. It is believed by its certificate *and* its address together, so that a copy of a host's
//! disk, which has its certificate, gets nothing elsewhere. An agent hands over only what is kept for the one who asks.
//!
//! No clock of another host is compared with, and nothing is decided by a majority: a set is replaced as a whole by the
//! one whose it is. Which hosts are members is a list with a number, for which the authority vouches in certificates of
//! its members: agents tell each other the newest ([`news`]), so one that was off while it changed hears of it before it
//! gives or keeps anything. One that begins, and has not all that the engine's containers need, asks each other one before it has
//! that one keep anything, so that it never has its own secrets forgotten.

mod identity;
mod link;
mod listen;
mod news;
mod notes;
mod over;
mod recover;
mod rounds;
mod state;
mod talk;

#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::sync::Arc;

use tokio::task::JoinSet;

use self::identity::Identity;
use self::state::State;
use super::join::{Join, Standing};
use super::put::Over;
use super::relay::board::Board;
use super::secrets::{Keeper, Program, kept};
use super::wire::Refusal;
use crate::http::stream::Stream;
use crate::model::Timestamp;
use crate::vault::authority::fingerprint;

/// An agent among the others.
#[derive(Debug)]
pub struct Mesh {
    state: Arc<State>,
}

impl Mesh {
    /// Of an agent that begins: it still knows what a client said before, if there is a file for that.
    pub fn new(
        keeper: Arc<Keeper>,
        cluster: &str,
        program: Program,
        file: Option<PathBuf>,
        now: impl Fn() -> Timestamp + Send + Sync + 'static,
    ) -> Self {
        Self { state: Arc::new(State::new(keeper, cluster, program, file, Box::new(now))) }
    }

    /// Speaks with the others, as long as these tasks go on.
    pub fn run(&self, tasks: &mut JoinSet<()>) {
        tasks.spawn(news::greet_all(Arc::clone(&self.state)));
        tasks.spawn(listen::listen(Arc::clone(&self.state)));
        tasks.spawn(rounds::rounds(Arc::clone(&self.state)));
        tasks.spawn(recover::recover(Arc::clone(&self.state)));
    }

    /// Transfers that others may come for.
    pub fn board(&self) -> &Arc<Board> {
        &self.state.board
    }

    /// A stream to the agent of a host, for the layers of a transfer.
    ///
    /// # Errors
    ///
    /// It is not reached, in words.
    pub async fn layers(&self, host: &str, transfer: &str) -> Result<Stream, String> {
        let identity = self.state.identity().ok_or("this agent does not know the others")?;
        let peer = identity.join.peers.iter().find(|peer| peer.host == host);
        let peer = peer.ok_or_else(|| format!("this agent knows of no agent on {host}"))?;
        link::layers(&identity, peer, transfer).await
    }

    /// What tasks have has changed.
    pub fn changed(&self) {
        self.state.changed.notify_one();
    }

    /// A client brings a task's secrets: it is no matter of what others gave back.
    pub async fn put(&self, task: &str) {
        self.state.seen().unproved.remove(task);
        if let Some(identity) = self.state.identity() {
            let _it_has_another_mark = self.state.keeper.begin_of(&identity.join.own.host, task).await;
        }
    }

    /// A client says that tasks of another host, which is off, are over.
    ///
    /// # Errors
    ///
    /// It cannot be remembered.
    pub async fn end_of(&self, host: &str, over: Vec<Over>) -> Result<(), Refusal> {
        let all = over.len();
        let dropped = self.state.keeper.end_of(host, over).await?;
        self.state.note(&format!(
            "a client said that {all} tasks of {host} are over: forgot the secrets of {dropped} of them"
        ));
        Ok(())
    }

    /// A task is over.
    pub fn dropped(&self, task: &str) {
        let mut seen = self.state.seen();
        if !seen.is_whole {
            seen.dropped.insert(task.to_owned());
        }
    }

    /// Becomes who a client says.
    ///
    /// # Errors
    ///
    /// What it says cannot be used, is older than what is known, or cannot be written down.
    pub async fn join(&self, join: Join) -> Result<(), Refusal> {
        let refused = |why: String| Refusal::NotJoined { why };
        let _turn = self.state.turn.lock().await;
        let known = self.state.identity();
        let known = known.as_ref().filter(|known| known.join.authority == join.authority);
        if known.is_some_and(|known| known.join.generation > join.generation) {
            return Err(refused("another client has said something newer".to_owned()));
        }
        let before = known.map(|known| known.join.moved(&join)).unwrap_or_default();
        let identity = Identity::of(Join { before, ..join }).map_err(refused)?;
        news::become_one(&self.state, identity).await
    }

    /// Has the others forget what they keep for it, and forgets who it is.
    pub async fn leave(&self) {
        let _turn = self.state.turn.lock().await;
        let before = self.state.identity();
        // First: a round that is under way would have them keep it again.
        self.state.become_one(None);
        if let Some(file) = &self.state.file {
            let _there_is_none_or_it_goes_with_the_agent = identity::remove(file);
        }
        if let Some(identity) = before {
            rounds::take_leave(&identity).await;
        }
    }

    /// How it stands with the others.
    pub async fn standing(&self) -> Option<Standing> {
        let identity = self.state.identity()?;
        let keeps_for = self.state.keeper.keeps_for().await.unwrap_or_default();
        // What was kept before the last change is not what tasks have now.
        let has = self.state.keeper.own_names().await.ok().map(|names| kept::digest(&names));
        let Join { own, until, generation, authority, .. } = &identity.join;
        let seen = self.state.seen();
        let unreached = |(host, why): (&String, &Option<String>)| Some((host.clone(), why.clone()?));
        Some(Standing {
            own: own.clone(),
            members: identity.join.members(),
            authority: fingerprint(authority),
            until: *until,
            generation: *generation,
            vouched: Some(identity.list.is_some()),
            is_out: identity.join.is_out,
            peers: identity.join.peers.clone(),
            why_not: seen.why_not.clone(),
            reached: seen
                .peers
                .iter()
                .filter(|(_, why)| why.is_none())
                .map(|(host, _)| host.clone())
                .collect(),
            unreached: seen.peers.iter().filter_map(unreached).collect(),
            keeps_for,
            kept_by: seen
                .kept_by
                .iter()
                .filter(|(_, digest)| has.as_ref() == Some(*digest))
                .map(|(host, _)| host.clone())
                .collect(),
            not_kept: seen.not_kept.clone().into_iter().collect(),
            lacking: seen.lacking,
            over: seen.over,
            log: seen.notes.all(),
        })
    }
}
