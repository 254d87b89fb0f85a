//! After a start without memory: asks the others what they keep for this host, writes it, and starts the containers that the
//! engine could not start meanwhile.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use tokio::time::sleep;

use super::identity::Identity;
use super::link::ask;
use super::state::State;
use super::talk::{Ask, Reply};
use crate::agent::join::Peer;
use crate::agent::put::SecretsPut;
use crate::agent::secrets::engine::{self, User};
use crate::agent::secrets::kept::filled;

/// Between two looks at first, when the host has just begun; and later, when others are waited for.
const SOON: Duration = Duration::from_secs(1);
const LATER: Duration = Duration::from_secs(4);
/// Looks that are soon.
const SOON_LOOKS: u32 = 60;
/// An engine that begins starts its containers for a while: so many looks have to find all as it should be.
const CALM_LOOKS: u32 = 30;

/// Until all is as it should be. An agent whose memory is there, as that of an earlier one of this host, has nothing to ask
/// for.
pub async fn recover(state: Arc<State>) {
    let is_there = state.keeper.own_names().await.is_ok_and(|own| !own.is_empty());
    let (mut looks, mut calm) = (0, 0);
    while !is_there && calm < CALM_LOOKS {
        if let Some(identity) = state.identity() {
            asked(&state, &identity).await;
        }
        match look(&state).await {
            Some(true) => calm += 1,
            Some(false) => calm = 0,
            None => {}
        }
        looks += 1;
        sleep(if looks < SOON_LOOKS { SOON } else { LATER }).await;
    }
    let mut seen = state.seen();
    seen.is_whole = true;
    seen.dropped.clear();
    drop(seen);
    state.changed.notify_one();
}

/// Asks those that have given nothing back yet; all of them, as long as something is lacking.
async fn asked(state: &State, identity: &Identity) {
    let is_lacking = state.seen().lacking > 0;
    let is_asked = |peer: &&Peer| is_lacking || !state.seen().have_given.contains(&peer.host);
    let asks = identity.around().into_iter().filter(is_asked);
    let ask = async |peer: &Peer| (peer.host.clone(), ask(identity, peer, &Ask::Give).await);
    let mut answers: FuturesUnordered<_> = asks.map(ask).collect();
    while let Some((host, answer)) = answers.next().await {
        match answer {
            Ok(Reply::Given(set)) => restored(state, &host, set).await,
            Ok(_) => state.reached(&host, Err("it answers something else")),
            Err(why) => state.reached(&host, Err(&why)),
        }
    }
}

async fn restored(state: &State, host: &str, set: Vec<SecretsPut>) {
    state.reached(host, Ok(()));
    let dropped = state.seen().dropped.clone();
    let set = filled(set).into_iter().filter(|put| !dropped.contains(&put.task)).collect();
    match state.keeper.restore(set, state.now()).await {
        Ok(tasks) => {
            if tasks > 0 {
                state.note(&format!("the agent of {host} gave back the secrets of {tasks} tasks"));
            }
            state.seen().have_given.insert(host.to_owned());
        }
        // It is asked again.
        Err(refusal) => state.note(&format!("what {host} gave back cannot be kept: {refusal}")),
    }
}

/// Starts what can be started; whether nothing is lacking. `None` if the engine does not say.
async fn look(state: &State) -> Option<bool> {
    let Some((engine, folder)) = state.keeper.of_engine() else { return Some(true) };
    let users = engine::users(engine, &state.cluster, folder).await.ok()?;
    for user in users.iter().filter(|user| user.is_refused && user.is_replaced) {
        over(state, &user.task).await;
    }
    let users: Vec<User> = users.into_iter().filter(|user| !(user.is_refused && user.is_replaced)).collect();
    let own = state.keeper.own_names().await.ok()?;
    let own: BTreeSet<&str> = own.iter().map(|put| put.task.as_str()).collect();
    let tasks = users.iter().map(|user| user.task.as_str());
    let lacking: BTreeSet<&str> = tasks.filter(|task| !own.contains(task)).collect();
    state.seen().lacking = lacking.len();
    let refused: Vec<&User> =
        users.iter().filter(|user| user.is_refused && own.contains(user.task.as_str())).collect();
    for user in &refused {
        let short: String = user.container.chars().take(12).collect();
        if user.has_program
            && let Err(refusal) = state.keeper.put_program(user.task.clone(), state.program.clone()).await
        {
            state.note(&format!("container {short} has no program to start with: {refusal}"));
        }
        match engine::start(engine, &user.container).await {
            Ok(()) => {
                state.note(&format!("started container {short}, which could not start without its secrets"));
            }
            Err(why) => state.note(&format!("container {short} does not start: {why}")),
        }
    }
    Some(lacking.is_empty() && refused.is_empty())
}

/// A task that could not start was replaced meanwhile. The engine would start it beside the new one when the host is off
/// the next time: it has no secrets then, as nothing keeps them.
async fn over(state: &State, task: &str) {
    let is_new = state.seen().dropped.insert(task.to_owned());
    let _is_tried_with_the_next_look = state.keeper.forget(task.to_owned()).await;
    if is_new {
        state.note(&format!("task {task} was replaced while it waited for its secrets: they are forgotten"));
    }
}
