//! After a start without memory, or with a part of it: asks the others what they keep for this host, writes it, and starts the
//! containers that the engine could not start meanwhile.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use tokio::time::{sleep, timeout};

use super::identity::Identity;
use super::link::ask;
use super::news;
use super::over;
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

/// Until all is as it should be. An agent that has all that the engine's containers need, as one of a host that was not
/// off, has nothing to ask for; whether its memory is empty says nothing of that.
pub async fn recover(state: Arc<State>) {
    // Where no other one answers, there is nothing to be had of them, either.
    let _or_goes_by_what_it_knows = timeout(news::GREET_ALL_LIMIT, state.greeted()).await;
    let is_there = state.keeper.own_names().await.is_ok_and(|own| !own.is_empty());
    let is_whole = is_there && look(&state).await.is_some_and(|found| found.is_all);
    if !is_whole {
        // Beside each other: neither waits for an agent, or an engine, that does not answer.
        tokio::select! {
            () = looks(&state) => {}
            () = asks(&state) => {}
        }
    }
    let mut seen = state.seen();
    seen.is_whole = true;
    seen.dropped.clear();
    drop(seen);
    state.changed.notify_one();
}

/// Looks until there is nothing to wait for: no task that is to run lacks its secrets, and none that is there can have any
/// that it lacks from one that was not asked yet.
async fn looks(state: &State) {
    let (mut looks, mut calm) = (0, 0);
    loop {
        if let Some(found) = look(state).await {
            calm = if found.is_calm { calm + 1 } else { 0 };
            if calm >= CALM_LOOKS && (found.is_all || have_all_given(state)) {
                return;
            }
        }
        looks += 1;
        tokio::select! {
            () = sleep(pause(looks)) => {}
            () = state.given.notified() => {}
        }
    }
}

fn pause(times: u32) -> Duration {
    if times < SOON_LOOKS { SOON } else { LATER }
}

fn have_all_given(state: &State) -> bool {
    let Some(identity) = state.identity() else { return false };
    let seen = state.seen();
    identity.join.peers.iter().all(|peer| seen.have_given.contains(&peer.host))
}

/// Asks those that have given nothing back yet; all of them, as long as something is lacking. What one gives is there at
/// once, however long another takes.
async fn asks(state: &State) {
    let (mut answers, mut under_way) = (FuturesUnordered::new(), BTreeSet::new());
    let mut rounds = 0;
    loop {
        let identity = state.identity();
        for peer in identity.iter().flat_map(|identity| identity.around()) {
            let is_asked = state.seen().lacking > 0 || !state.seen().have_given.contains(&peer.host);
            if is_asked && under_way.insert(peer.host.clone()) {
                answers.push(given(state, identity.clone(), peer.clone(), String::new()));
            }
        }
        rounds += 1;
        let next = sleep(pause(rounds));
        tokio::pin!(next);
        loop {
            tokio::select! {
                Some((peer, answer)) = answers.next() => {
                    match came(state, &peer.host, answer).await {
                        Some(after) => answers.push(given(state, state.identity(), peer, after)),
                        None => drop(under_way.remove(&peer.host)),
                    }
                }
                () = &mut next => break,
            }
        }
    }
}

/// Asks one of them for what it keeps, behind this task.
async fn given(
    state: &State,
    identity: Option<Arc<Identity>>,
    peer: Peer,
    after: String,
) -> (Peer, Result<Reply, String>) {
    let answer = match &identity {
        Some(identity) => ask(identity, &peer, &Ask::Give { begun: state.begun, after: Some(after) }).await,
        None => Err("it is no member".to_owned()),
    };
    (peer, answer)
}

/// Takes an answer. Behind which task another part is to be asked for, if there is one.
async fn came(state: &State, host: &str, answer: Result<Reply, String>) -> Option<String> {
    match answer {
        Ok(Reply::Given { set, more }) => {
            let last = set.last().map(|put| put.task.clone()).filter(|_| more);
            restored(state, host, set, last.is_none()).await.then_some(last).flatten()
        }
        Ok(_) => {
            state.reached(host, Err("it answers something else"));
            None
        }
        Err(why) => {
            state.reached(host, Err(&why));
            None
        }
    }
}

/// Writes what came back, before the engine says whose containers it has: it is about to start them. Whether it could.
async fn restored(state: &State, host: &str, set: Vec<SecretsPut>, is_last: bool) -> bool {
    state.reached(host, Ok(()));
    let dropped = state.seen().dropped.clone();
    let set = over::without(state, filled(set)).await;
    let set = set.into_iter().filter(|put| !dropped.contains(&put.task)).collect();
    match state.keeper.restore(set, state.now()).await {
        Ok(tasks) => {
            if !tasks.is_empty() {
                state.note(&format!("the agent of {host} gave back the secrets of {} tasks", tasks.len()));
            }
            let is_any = !tasks.is_empty();
            let mut seen = state.seen();
            seen.unproved.extend(tasks);
            if is_last {
                seen.have_given.insert(host.to_owned());
            }
            drop(seen);
            if is_any {
                state.given.notify_one();
                state.changed.notify_one();
            }
            true
        }
        // It is asked again.
        Err(refusal) => {
            state.note(&format!("what {host} gave back cannot be kept: {refusal}"));
            false
        }
    }
}

/// What there is on this host.
#[derive(Debug, Clone, Copy)]
struct Found {
    /// Nothing that is to run lacks its secrets, or waits for a start.
    is_calm: bool,
    /// Nor does anything that was stopped or has ended lack them.
    is_all: bool,
}

/// Starts what can be started. `None` if the engine does not say what there is.
async fn look(state: &State) -> Option<Found> {
    let Some((engine, folder)) = state.keeper.of_engine() else {
        return Some(Found { is_calm: true, is_all: true });
    };
    let users = engine::users(engine, &state.cluster, folder).await.ok()?;
    prove(state, &users).await;
    for user in users.iter().filter(|user| user.is_refused && user.is_replaced) {
        replaced(state, &user.task).await;
    }
    let users: Vec<User> = users.into_iter().filter(|user| !(user.is_refused && user.is_replaced)).collect();
    let own: BTreeSet<String> =
        state.keeper.own_names().await.ok()?.into_iter().map(|put| put.task).collect();
    let users = over::parted(state, users, &own).await;
    let is_there = |user: &&User| own.contains(&user.task);
    // One that was stopped, has ended or was replaced is no task that waits for anything.
    let are_to_run = users.iter().filter(|user| (user.is_running || user.is_refused) && !user.is_replaced);
    let lacking: BTreeSet<&str> =
        are_to_run.filter(|user| !is_there(user)).map(|user| user.task.as_str()).collect();
    state.seen().lacking = lacking.len();
    let refused: Vec<&User> = users.iter().filter(|user| user.is_refused).filter(is_there).collect();
    for user in &refused {
        start(state, engine, user).await;
    }
    let is_calm = lacking.is_empty() && refused.is_empty();
    Some(Found { is_calm, is_all: is_calm && users.iter().all(|user| is_there(&user)) })
}

async fn start(state: &State, engine: &Path, user: &User) {
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

/// Forgets what was given back of tasks that this host has no container of: another host may say what it likes.
async fn prove(state: &State, users: &[User]) {
    let given = std::mem::take(&mut state.seen().unproved);
    let is_here = |task: &String| users.iter().any(|user| user.task == *task);
    let foreign: Vec<String> = given.into_iter().filter(|task| !is_here(task)).collect();
    if foreign.is_empty() {
        return;
    }
    for task in &foreign {
        if state.keeper.forget(task.clone()).await.is_err() {
            state.seen().unproved.insert(task.clone());
        }
    }
    state.note(&format!("of what was given back, {} tasks are none of this host: forgotten", foreign.len()));
    state.changed.notify_one();
}

/// A task that could not start was replaced meanwhile. The engine would start it beside the new one when the host is off
/// the next time: it has no secrets then, as nothing keeps them.
async fn replaced(state: &State, task: &str) {
    let is_new = state.seen().dropped.insert(task.to_owned());
    let _is_tried_with_the_next_look = state.keeper.forget(task.to_owned()).await;
    if is_new {
        state.note(&format!("task {task} was replaced while it waited for its secrets: they are forgotten"));
    }
}
