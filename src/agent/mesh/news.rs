//! Which list of agents is the newest: who has it tells it to who has an older one. It is believed by a certificate of the
//! cluster's authority that has the list's number and digest in its name, no matter which agent shows it.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::{sleep, timeout};

use super::identity::Identity;
use super::link::{ask, ask_from};
use super::over;
use super::state::State;
use super::talk::{Ask, Here, Reply};
use crate::agent::join::{List, Peer};
use crate::agent::wire::Refusal;

/// For all others to answer one that has just begun. Its containers wait for their secrets meanwhile.
pub const GREET_ALL_LIMIT: Duration = Duration::from_secs(2);
/// Rounds of greetings, and the time between two: the network of a host that boots may not be there yet. When no other one
/// answers for so long, this one goes by what it knows.
const GREETINGS_MAX: usize = 10;
const GREET_PAUSE: Duration = Duration::from_secs(1);

/// Asks all others that it reaches for a newer list, before anything is given or kept.
pub async fn greet_all(state: Arc<State>) {
    for _ in 0..GREETINGS_MAX {
        let Some(identity) = state.identity() else { break };
        let peers: Vec<&Peer> = identity.join.peers.iter().collect();
        let is_any = greet_those(&state, &identity, &peers).await;
        if state.identity().is_some_and(|now| !Arc::ptr_eq(&now, &identity)) {
            // The newest list may name some that were not asked.
            continue;
        }
        if is_any || peers.is_empty() {
            break;
        }
        sleep(GREET_PAUSE).await;
    }
    state.has_greeted();
}

/// Greets these at the same time. Whether any of them has answered in time.
pub async fn greet_those(state: &State, identity: &Identity, peers: &[&Peer]) -> bool {
    let greet = |peer| async move { timeout(GREET_ALL_LIMIT, greet(state, identity, peer)).await };
    let all = join_all(peers.iter().copied().map(greet)).await;
    all.iter().any(|done| matches!(done, Ok(Ok(()))))
}

/// Greets another one: the one of both that has the older list has the newer one then.
pub async fn greet(state: &State, identity: &Identity, peer: &Peer) -> Result<(), String> {
    let hello = Ask::Hello { list: identity.join.generation, news: None };
    match ask(identity, peer, &hello).await? {
        Reply::Done(here) => heard(state, identity, peer, here).await,
        _ => Err("it answers something else".to_owned()),
    }
}

/// Takes what another one says of its list, or tells it ours.
async fn heard(state: &State, identity: &Identity, peer: &Peer, here: Here) -> Result<(), String> {
    over::heard(state, identity, &peer.host, here.over).await;
    if let Some(list) = here.news {
        take(state, &peer.host, list).await;
        return Ok(());
    }
    match &identity.list {
        // One that says no number knows of no lists.
        Some(list) if here.list > 0 && here.list < list.number => {
            let news = Ask::Hello { list: list.number, news: Some(list.clone()) };
            ask(identity, peer, &news).await.map(drop)
        }
        Some(_) | None => Ok(()),
    }
}

/// Takes a list that another one says to be newer.
pub async fn take(state: &State, from: &str, list: List) {
    let _turn = state.turn.lock().await;
    let Some(known) = state.identity() else { return };
    let number = list.number;
    let taken = match known.by(list, state.now()) {
        Ok(None) => return,
        Ok(Some(identity)) => become_one(state, identity).await.map_err(|refusal| refusal.to_string()),
        Err(why) => Err(why),
    };
    state.note(&match taken {
        Ok(()) => format!("the agent of {from} has a newer list of agents, number {number}"),
        Err(why) => format!("refused the list of agents number {number} that {from} has: {why}"),
    });
}

/// Is another one from now on, also after the host was off. What is kept for hosts that are no members any more goes.
pub async fn become_one(state: &State, identity: Identity) -> Result<(), Refusal> {
    if let Some(file) = &state.file {
        identity.write(file).map_err(|error| Refusal::NotJoined { why: error.to_string() })?;
    }
    let members = identity.join.peers.iter().chain([&identity.join.own]);
    let hosts: Vec<String> = members.map(|peer| peer.host.clone()).collect();
    forget_us(state.identity(), &hosts);
    state.become_one(Some(identity));
    state.keeper.keep_only_of(hosts).await
}

/// Has those that are no members any more forget what they keep for this host, if they are there and still know it.
fn forget_us(before: Option<Arc<Identity>>, members: &[String]) {
    let Some(before) = before else { return };
    let gone = before.join.peers.iter().filter(|peer| !members.contains(&peer.host));
    let gone: Vec<Peer> = gone.cloned().collect();
    for peer in gone {
        let before = Arc::clone(&before);
        tokio::spawn(async move {
            let _it_may_be_off = ask(&before, &peer, &Ask::Drop).await;
        });
    }
}

/// Tells an agent that is not reached where it should be, and was elsewhere before, what it has missed. It is where it was
/// as long as nothing tells it.
pub async fn find(state: &State, identity: &Arc<Identity>, peer: &Peer) -> bool {
    let (join, Some(list)) = (&identity.join, &identity.list) else { return false };
    let own = |peer: &&Peer| peer.host == join.own.host;
    let from: Vec<_> = std::iter::once(&join.own).chain(join.before.iter().filter(own)).collect();
    for place in join.before.iter().filter(|place| place.host == peer.host) {
        for own in &from {
            let news = Ask::Hello { list: list.number, news: Some(list.clone()) };
            if ask_from(identity, own.address, place, &news).await.is_ok() {
                let at = place.at();
                state.note(&format!(
                    "the agent of {} was found at {at}, and hears where it is to be",
                    peer.host
                ));
                return true;
            }
        }
    }
    false
}
