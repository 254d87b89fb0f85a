//! Hosts that are sent the same archives, one of which passes layers on to the others. They go through the archives side by
//! side: the layers of one go out when all who are still together have come to it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::timeout;

use crate::model::NodeName;

/// For the others to come to an archive: one whose engine is so much slower goes on alone.
const GATHER_MAX: Duration = Duration::from_secs(60);
/// For the relay to begin: it waits for others, and for its agent.
const BEGIN_MAX: Duration = Duration::from_secs(120);

/// Such hosts.
#[derive(Debug)]
pub struct Group {
    transfer: String,
    relay: NodeName,
    /// Each with the mark of its agent.
    members: BTreeMap<NodeName, String>,
    has: usize,
    stand: watch::Sender<Stand>,
}

/// How far they have come.
#[derive(Debug, Default)]
struct Stand {
    left: BTreeSet<NodeName>,
    at: BTreeMap<usize, BTreeSet<NodeName>>,
    /// Those for whom the relay has begun an archive.
    begun: BTreeMap<usize, BTreeSet<NodeName>>,
}

impl Group {
    /// Hosts with the marks of their agents, which all are sent what lies above the lowest `has` layers. `transfer` is a
    /// name by chance.
    #[must_use]
    pub fn new(
        transfer: String,
        relay: NodeName,
        members: BTreeMap<NodeName, String>,
        has: usize,
    ) -> Arc<Self> {
        Arc::new(Self { transfer, relay, members, has, stand: watch::Sender::default() })
    }

    /// The host whose agent passes layers on.
    #[must_use]
    pub fn relay(&self) -> &NodeName {
        &self.relay
    }

    /// Whether a host is one of them.
    #[must_use]
    pub fn has_member(&self, node: &NodeName) -> bool {
        self.members.contains_key(node)
    }

    /// The layers, from the lowest up, that all of them have.
    #[must_use]
    pub fn has(&self) -> usize {
        self.has
    }
}

/// A host of a group, until it leaves.
#[derive(Debug)]
pub(super) struct Member {
    group: Arc<Group>,
    node: NodeName,
    mark: String,
}

/// What it is to one archive.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// Layers are sent to it, for itself and these.
    Relay(Vec<NodeName>),
    /// It gets layers from the relay.
    Taker,
    /// There is no other one with it.
    Alone,
}

impl Member {
    /// A host as what it is there; nothing if it is none of them.
    pub(super) fn of(group: &Arc<Group>, node: &NodeName) -> Option<Self> {
        let mark = group.members.get(node)?.clone();
        Some(Self { group: Arc::clone(group), node: node.clone(), mark })
    }

    /// What its agent's socket is called by.
    pub(super) fn mark(&self) -> &str {
        &self.mark
    }

    /// The host whose agent passes layers on.
    pub(super) fn relay(&self) -> &NodeName {
        &self.group.relay
    }

    /// The name of a transfer: each archive has its own.
    pub(super) fn transfer(&self, at: usize) -> String {
        format!("{}-{at}", self.group.transfer)
    }

    /// Whether it is the one that passes layers on.
    pub(super) fn is_relay(&self) -> bool {
        self.node == self.group.relay
    }

    /// Comes to an archive, and waits for the others. A relay for whom none has come leaves.
    pub(super) async fn come(&self, at: usize) -> Role {
        let (group, mut stand) = (&self.group, self.group.stand.subscribe());
        if group.stand.borrow().left.contains(&self.node) {
            return Role::Alone;
        }
        group.stand.send_modify(|stand| {
            stand.at.entry(at).or_default().insert(self.node.clone());
        });
        if self.is_relay() {
            let all = |stand: &Stand| {
                let here = |node: &NodeName| stand.left.contains(node) || stand.at[&at].contains(node);
                group.members.keys().all(here)
            };
            // What is given back holds the lock.
            drop(timeout(GATHER_MAX, stand.wait_for(all)).await);
            let takers: Vec<NodeName> = {
                let stand = group.stand.borrow();
                let is_with = |node: &&NodeName| **node != group.relay && !stand.left.contains(*node);
                stand.at[&at].iter().filter(is_with).cloned().collect()
            };
            if takers.is_empty() {
                self.leave();
                return Role::Alone;
            }
            return Role::Relay(takers);
        }
        let is_known = |stand: &Stand| stand.begun.contains_key(&at) || stand.left.contains(&group.relay);
        drop(timeout(BEGIN_MAX, stand.wait_for(is_known)).await);
        let stand = group.stand.borrow();
        let is_taker = stand.begun.get(&at).is_some_and(|takers| takers.contains(&self.node));
        if is_taker { Role::Taker } else { Role::Alone }
    }

    /// The relay's agent waits for these.
    pub(super) fn begin(&self, at: usize, takers: Vec<NodeName>) {
        self.group.stand.send_modify(|stand| {
            stand.begun.insert(at, takers.into_iter().collect());
        });
    }

    fn leave(&self) {
        self.group.stand.send_modify(|stand| {
            stand.left.insert(self.node.clone());
        });
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        self.leave();
    }
}

#[cfg(test)]
mod tests {
    use futures_util::future::join3;

    use super::*;

    fn node(name: &str) -> NodeName {
        NodeName::unchecked(name)
    }

    fn three() -> [Member; 3] {
        let names = ["h1", "h2", "h3"];
        let members = names.map(|name| (node(name), "m".to_owned())).into();
        let group = Group::new("t".into(), node("h1"), members, 0);
        assert!(Member::of(&group, &node("h4")).is_none());
        names.map(|name| Member::of(&group, &node(name)).unwrap())
    }

    async fn relayed(relay: &Member, at: usize) -> Role {
        let role = relay.come(at).await;
        if let Role::Relay(takers) = &role {
            relay.begin(at, takers.clone());
        }
        role
    }

    #[tokio::test(start_paused = true)]
    async fn they_go_through_the_archives_side_by_side() {
        let [h1, h2, h3] = three();
        for at in 0..2 {
            let roles = join3(relayed(&h1, at), h2.come(at), h3.come(at)).await;
            assert_eq!(roles, (Role::Relay(vec![node("h2"), node("h3")]), Role::Taker, Role::Taker));
        }
        // One that has left is waited for no longer, and one that comes too late goes alone.
        drop(h3);
        let begun = tokio::time::Instant::now();
        let roles = tokio::join!(relayed(&h1, 2), h2.come(2));
        assert_eq!(roles, (Role::Relay(vec![node("h2")]), Role::Taker));
        assert_eq!(begun.elapsed(), Duration::ZERO);
        assert_eq!(relayed(&h1, 3).await, Role::Alone);
        assert_eq!(begun.elapsed(), GATHER_MAX);
        // It is waited for once.
        assert_eq!((relayed(&h1, 4).await, h2.come(3).await), (Role::Alone, Role::Alone));
        assert_eq!(begun.elapsed(), GATHER_MAX);
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_relay_each_goes_alone() {
        let [h1, h2, h3] = three();
        drop(h1);
        assert_eq!(tokio::join!(h2.come(0), h3.come(0)), (Role::Alone, Role::Alone));
        let [h1, h2, h3] = three();
        drop((h2, h3));
        assert_eq!(h1.come(0).await, Role::Alone);
        let [_never_comes, h2, _] = three();
        let begun = tokio::time::Instant::now();
        assert_eq!((h2.come(0).await, begun.elapsed()), (Role::Alone, BEGIN_MAX));
    }
}
