//! Tasks of this host that are over, as a client said to the others while it was off: it hears of them before it is given
//! anything back, and their containers stay down until a client removes them.

use std::collections::BTreeSet;

use super::identity::Identity;
use super::state::State;
use crate::agent::put::{Over, SecretsPut};
use crate::agent::secrets::engine::User;

/// Remembers what another one has heard. What was given back of these tasks already is forgotten.
pub async fn heard(state: &State, identity: &Identity, from: &str, over: Vec<Over>) {
    let (keeper, own) = (&state.keeper, &identity.join.own.host);
    let Ok(known) = keeper.over_of(own).await else { return };
    let own_tasks = keeper.own_names().await.unwrap_or_default();
    // One that was made again since under the same id is another one.
    let is_another = |one: &Over| own_tasks.iter().any(|put| put.task == one.task && !one.is_of(put));
    let new: Vec<Over> = over.into_iter().filter(|one| !known.contains(one) && !is_another(one)).collect();
    // What cannot be remembered is heard again.
    if new.is_empty() || keeper.end_of(own, new.clone()).await.is_err() {
        return;
    }
    state.note(&format!(
        "{} tasks are over: the agent of {from} heard so while it did not reach this one",
        new.len()
    ));
    // An agent that was not off leaves what runs to the client that removes it.
    if state.seen().is_whole {
        return;
    }
    for put in own_tasks {
        if new.iter().any(|one| one.is_of(&put)) {
            let _is_tidied_later = keeper.forget(put.task).await;
        }
    }
}

/// What is not over of a set that another one gives back.
pub async fn without(state: &State, set: Vec<SecretsPut>) -> Vec<SecretsPut> {
    let over = known(state).await;
    set.into_iter().filter(|put| !over.iter().any(|one| one.is_of(put))).collect()
}

/// Parts tasks that are to have secrets from those that are over and have none: how many of these there are is said.
pub async fn parted(state: &State, users: Vec<User>, own: &BTreeSet<String>) -> Vec<User> {
    let over = known(state).await;
    let is_over = |user: &User| !own.contains(&user.task) && over.iter().any(|one| one.task == user.task);
    let (gone, left): (Vec<User>, Vec<User>) = users.into_iter().partition(is_over);
    state.seen().over = gone.iter().filter(|user| user.is_refused).count();
    left
}

async fn known(state: &State) -> Vec<Over> {
    let Some(identity) = state.identity() else { return Vec::new() };
    state.keeper.over_of(&identity.join.own.host).await.unwrap_or_default()
}
