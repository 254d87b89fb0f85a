//! Again and again: that two others keep what tasks of this host have, that no other one does, and who is reached.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::{sleep, timeout};

use super::identity::Identity;
use super::link::ask;
use super::state::State;
use super::talk::{Ask, Reply};
use crate::agent::join::Peer;
use crate::agent::secrets::kept::digest;

/// Hosts that keep what this one has.
const GUARDIANS: usize = 2;
/// Between two rounds where nothing changes.
const PAUSE: Duration = Duration::from_secs(10);
/// The same where another agent has just begun.
const SOON: Duration = Duration::from_secs(1);
/// A deploy changes several tasks, one after the other.
const SETTLE: Duration = Duration::from_millis(300);
/// For a leave-taking: what another one does not hear in time stays with the others until the host is no member.
const LEAVE_LIMIT: Duration = Duration::from_secs(3);

/// Goes round as long as it is polled.
pub async fn rounds(state: Arc<State>) {
    loop {
        if let Some(identity) = state.identity() {
            round(&state, &identity).await;
        }
        let pause = {
            let mut seen = state.seen();
            let is_soon = seen.soon > 0;
            seen.soon = seen.soon.saturating_sub(1);
            if is_soon { SOON } else { PAUSE }
        };
        tokio::select! {
            () = sleep(pause) => {}
            () = state.changed.notified() => sleep(SETTLE).await,
        }
    }
}

/// Once around.
pub(super) async fn round(state: &State, identity: &Identity) {
    // What cannot be read is not nothing.
    let Ok(names) = state.keeper.own_names().await else { return };
    let (own, wanted) = (digest(&names), if names.is_empty() { 0 } else { GUARDIANS });
    let (mut guardians, mut others) = (0, Vec::new());
    for peer in identity.around() {
        if guardians == wanted || !state.may_tell(&peer.host) {
            others.push(peer);
            continue;
        }
        let done = has_kept(state, identity, peer, &own).await;
        state.reached(&peer.host, done.as_ref().copied().map_err(String::as_str));
        let mut seen = state.seen();
        match done {
            Ok(()) => {
                guardians += 1;
                seen.kept_by.insert(peer.host.clone());
                seen.keep_nothing.remove(&peer.host);
            }
            Err(_) => drop(seen.kept_by.remove(&peer.host)),
        }
    }
    join_all(others.into_iter().map(|peer| forget(state, identity, peer))).await;
}

/// Has another one keep what tasks of this host have; it is sent if the other has something else.
async fn has_kept(state: &State, identity: &Identity, peer: &Peer, own: &str) -> Result<(), String> {
    if let Reply::Has(true) = ask(identity, peer, &Ask::Has { digest: own.to_owned() }).await? {
        return Ok(());
    }
    let set = state.keeper.own().await.map_err(|refusal| refusal.to_string())?;
    match ask(identity, peer, &Ask::Keep { digest: digest(&set), set }).await? {
        Reply::Done => Ok(()),
        _ => Err("it answers something else".to_owned()),
    }
}

/// Has another one forget what it keeps for this host, or only greets it.
async fn forget(state: &State, identity: &Identity, peer: &Peer) {
    let is_told = state.may_tell(&peer.host) && !state.seen().keep_nothing.contains(&peer.host);
    let done = ask(identity, peer, if is_told { &Ask::Drop } else { &Ask::Hello }).await;
    state.reached(&peer.host, done.as_ref().map(|_| ()).map_err(String::as_str));
    if is_told && done.is_ok() {
        let mut seen = state.seen();
        seen.keep_nothing.insert(peer.host.clone());
        seen.kept_by.remove(&peer.host);
    }
}

/// Has all others forget what they keep for this host.
pub async fn take_leave(identity: &Identity) {
    let asked = join_all(identity.join.peers.iter().map(|peer| ask(identity, peer, &Ask::Drop)));
    let _those_that_are_reached_in_time = timeout(LEAVE_LIMIT, asked).await;
}
