//! Again and again: that two others keep what tasks of this host have, that no other one does, and who is reached.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::{sleep, timeout};

use super::identity::Identity;
use super::link::ask;
use super::news;
use super::state::State;
use super::talk::{Ask, PART_BYTES, Reply};
use crate::agent::join::Peer;
use crate::agent::put::{Part, SecretsPut};
use crate::agent::secrets::kept::{digest, owners};

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
    state.greeted().await;
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
pub(super) async fn round(state: &State, identity: &Arc<Identity>) {
    // Before it is read what there is: what one of these had is among it. One that gives something back in between would have
    // to forget just that, by what was read before.
    let may_tell: BTreeSet<&str> = identity
        .join
        .peers
        .iter()
        .map(|peer| peer.host.as_str())
        .filter(|host| state.may_tell(host))
        .collect();
    // What cannot be read is not nothing.
    let Ok(names) = state.keeper.own_names().await else { return };
    let wanted = if names.is_empty() { 0 } else { GUARDIANS };
    // One that was not reached may know something newer by now: before anything is sent to others.
    let missed = missed(state, identity);
    if !missed.is_empty() {
        news::greet_those(state, identity, &missed).await;
        if is_old(state, identity) {
            return;
        }
    }
    let (mut guardians, mut others) = (0, Vec::new());
    for peer in identity.around() {
        if guardians == wanted || !may_tell.contains(&*peer.host) {
            others.push(peer);
            continue;
        }
        let done = has_kept(state, identity, peer, &names).await;
        if is_old(state, identity) {
            return;
        }
        state.reached(&peer.host, done.as_ref().map(|_| ()).map_err(String::as_str));
        if let Ok(Err(why)) = &done {
            state.note(&format!("the agent of {} does not keep the secrets of this host: {why}", peer.host));
        }
        let mut seen = state.seen();
        seen.not_kept.remove(&peer.host);
        match done {
            Ok(Ok(digest)) => {
                guardians += 1;
                seen.kept_by.insert(peer.host.clone(), digest);
                seen.keep_nothing.remove(&peer.host);
            }
            Ok(Err(why)) => {
                seen.not_kept.insert(peer.host.clone(), why);
                seen.kept_by.remove(&peer.host);
            }
            Err(_) => drop(seen.kept_by.remove(&peer.host)),
        }
    }
    let forgotten = others.into_iter().map(|peer| {
        let may = may_tell.contains(&*peer.host);
        forget(state, identity, peer, may)
    });
    join_all(forgotten).await;
    let missed = self::missed(state, identity);
    join_all(missed.into_iter().map(|peer| news::find(state, identity, peer))).await;
}

/// Others that were not reached the last time.
fn missed<'a>(state: &State, identity: &'a Identity) -> Vec<&'a Peer> {
    let seen = state.seen();
    let is_missed = |peer: &&Peer| matches!(seen.peers.get(&peer.host), Some(Some(_)));
    identity.join.peers.iter().filter(is_missed).collect()
}

/// Whether the agent is another one by now, as it has heard of a newer list of agents: the rounds begin again.
fn is_old(state: &State, identity: &Arc<Identity>) -> bool {
    state.identity().is_none_or(|now| !Arc::ptr_eq(&now, identity))
}

/// Has another one keep what tasks of this host have; it is sent if the other has something else. Gives the digest of what
/// is kept there now. An error within says why one that is reached does not keep it.
async fn has_kept(
    state: &State,
    identity: &Arc<Identity>,
    peer: &Peer,
    names: &[SecretsPut],
) -> Result<Result<String, String>, String> {
    let own = digest(names);
    let question = Ask::Has { digest: own.clone(), owners: owners(names) };
    let Reply::Has { has, list, parts } = ask(identity, peer, &question).await? else {
        return Err("it answers something else".to_owned());
    };
    // What is sent is for members of the newest list alone.
    if list > 0 && list != identity.join.generation {
        news::greet(state, identity, peer).await?;
    }
    if has || is_old(state, identity) {
        return Ok(Ok(own));
    }
    let sent = sent(state, identity, peer, parts).await;
    let names = state.keeper.own_names().await.unwrap_or_default();
    if sent.is_err() && own != digest(&names) {
        // It was no longer one set when all of it was there: the next round sends it as it is now.
        state.changed.notify_one();
        return Ok(Err("it has changed while it was sent".to_owned()));
    }
    Ok(sent)
}

/// Sends all of it: in parts, to one that takes them. Gives the digest of what was sent.
async fn sent(
    state: &State,
    identity: &Arc<Identity>,
    peer: &Peer,
    in_parts: bool,
) -> Result<String, String> {
    let names = state.keeper.own_names().await.map_err(|refusal| refusal.to_string())?;
    let (digest, bytes_max) = (digest(&names), if in_parts { PART_BYTES } else { usize::MAX });
    let (mut known, mut after) = (Vec::new(), String::new());
    for at in 0.. {
        // Of a cluster that the agent has left, or by a list that is not the newest, nothing more is kept.
        if is_old(state, identity) {
            return Err("the agent is another one by now".to_owned());
        }
        let part = state.keeper.own_part(&after, bytes_max, known).await;
        let (set, more, next) = part.map_err(|refusal| refusal.to_string())?;
        (known, after) = (next, set.last().map_or_else(|| after.clone(), |put| put.task.clone()));
        // What fits into one is sent as it always was.
        let part = (at > 0 || more).then_some(Part { at, is_last: !more });
        match ask(identity, peer, &Ask::Keep { digest: digest.clone(), part, set }).await? {
            Reply::Done(_) if more => {}
            Reply::Done(_) => break,
            _ => return Err("it answers something else".to_owned()),
        }
    }
    Ok(digest)
}

/// Has another one forget what it keeps for this host, or only greets it.
async fn forget(state: &State, identity: &Identity, peer: &Peer, may_tell: bool) {
    let is_told = may_tell && !state.seen().keep_nothing.contains(&peer.host);
    let done = match is_told {
        true => ask(identity, peer, &Ask::Drop).await.map(drop),
        false => news::greet(state, identity, peer).await,
    };
    state.reached(&peer.host, done.as_ref().copied().map_err(String::as_str));
    // It is not to keep anything any more.
    state.seen().not_kept.remove(&peer.host);
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
