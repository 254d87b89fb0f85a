//! Who belongs to the cluster just now: hosts come and go where they are discovered.
//!
//! Whoever works with hosts takes them once and keeps what was taken: a change is seen by the next question.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, PoisonError, RwLock};

use crate::model::{Member, NodeName, Unreachable};

use super::Inner;
use super::host::Host;
use super::inventory::HostEntry;

/// Hosts that left and are still told of, the last ones. What had its data there waits for them.
const LEFT_MAX: usize = 64;

/// Everybody.
#[derive(Debug, Clone, Default)]
pub(super) struct Seats {
    pub hosts: BTreeMap<NodeName, Arc<Host>>,
    /// What is declared of them now.
    pub members: BTreeMap<NodeName, Member>,
    /// Those that were there, and what is said of them.
    pub left: BTreeMap<NodeName, (Member, Unreachable)>,
    /// Why it is not known who else there is, if so.
    pub unknown: Option<Unreachable>,
    /// Whom the inventory asks for hosts.
    pub sources: BTreeSet<String>,
}

/// Shared by all who ask.
#[derive(Debug, Default)]
pub(super) struct Table(RwLock<Arc<Seats>>);

/// Who came and who went.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Movement {
    /// Hosts that are there now; among them those that came back, and those whose address changed.
    pub joined: Vec<NodeName>,
    /// Hosts that are not there any more, and those whose address changed.
    pub left: Vec<NodeName>,
    /// Whether anything is declared otherwise.
    pub is_news: bool,
}

impl Table {
    pub(super) fn new(seats: Seats) -> Self {
        Self(RwLock::new(Arc::new(seats)))
    }

    pub(super) fn now(&self) -> Arc<Seats> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn change(&self, seats: Seats) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(seats);
    }
}

impl Inner {
    pub(super) fn seats(&self) -> Arc<Seats> {
        self.seats.now()
    }

    pub(super) fn host(&self, node: &NodeName) -> Option<Arc<Host>> {
        self.seats().hosts.get(node).cloned()
    }

    /// Says why it is not known who else there is; or that it is known.
    pub(super) fn set_unknown(&self, unknown: Option<Unreachable>) {
        let seats = self.seats();
        if seats.unknown != unknown {
            self.seats.change(Seats { unknown, ..Seats::clone(&seats) });
        }
    }

    /// Takes these, and only these, as the hosts that are discovered. Connections to new ones are made
    /// behind the caller's back, and those to hosts that left are ended so.
    pub(super) fn set_found(
        &self,
        found: &BTreeMap<NodeName, HostEntry>,
        why_left: impl Fn(&Member) -> Unreachable,
    ) -> Movement {
        let mut seats = Seats::clone(&self.seats());
        let mut movement = Movement { is_news: seats.unknown.take().is_some(), ..Movement::default() };
        let is_same = |host: &Host, entry: &HostEntry| {
            host.entry.address == entry.address && host.entry.docker_socket == entry.docker_socket
        };
        let before: Vec<NodeName> = (seats.members.values())
            .filter(|member| member.found_by.is_some())
            .map(|member| member.name.clone())
            .collect();
        for name in before {
            let stays = found.get(&name).is_some_and(|entry| is_same(&seats.hosts[&name], entry));
            if stays {
                continue;
            }
            if let (Some(host), Some(member)) = (seats.hosts.remove(&name), seats.members.remove(&name)) {
                host.sever();
                let why = why_left(&member);
                seats.left.insert(name.clone(), (member, why));
                movement.left.push(name);
            }
        }
        for (name, entry) in found {
            if seats.members.get(name).is_some_and(|member| member.found_by.is_none()) {
                continue;
            }
            movement.is_news |=
                seats.members.insert(name.clone(), entry.member.clone()).as_ref() != Some(&entry.member);
            seats.left.remove(name);
            if !seats.hosts.contains_key(name) {
                let host = Arc::new(Host::new(entry.clone(), Arc::clone(&self.dialer)));
                host.revive_later();
                seats.hosts.insert(name.clone(), host);
                movement.joined.push(name.clone());
            }
        }
        while seats.left.len() > LEFT_MAX {
            let oldest = seats.left.iter().min_by_key(|(_, (_, why))| why.since);
            let Some(oldest) = oldest.map(|(name, _)| name.clone()) else { break };
            seats.left.remove(&oldest);
        }
        movement.is_news |= !movement.joined.is_empty() || !movement.left.is_empty();
        self.seats.change(seats);
        movement
    }

    /// Says no more of a host that left.
    pub(super) fn forget_left(&self, node: &NodeName) {
        let mut seats = Seats::clone(&self.seats());
        if seats.left.remove(node).is_some() {
            self.seats.change(seats);
        }
    }
}
