//! The current members of the cluster: discovered hosts join and leave.
//!
//! A caller takes one snapshot of the hosts and works with that: a change shows in its next snapshot.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, PoisonError, RwLock};

use crate::inventory::HostEntry;
use crate::model::{Member, NodeName, Unreachable};

use super::Inner;
use super::host::Host;

/// Hosts that left and are still reported, the last ones: tasks whose data is there wait for them.
const LEFT_MAX: usize = 64;

/// The members of the cluster, and the hosts that left.
#[derive(Debug, Clone, Default)]
pub(super) struct Membership {
    pub hosts: BTreeMap<NodeName, Arc<Host>>,
    /// What is declared of the current members.
    pub members: BTreeMap<NodeName, Member>,
    /// The hosts that left, and how they are reported.
    pub left: BTreeMap<NodeName, (Member, Unreachable)>,
    /// Why the membership is not fully known, if so.
    pub unknown: Option<Unreachable>,
    /// The discovery sources.
    pub sources: BTreeSet<String>,
}

/// The current membership, shared by all callers.
#[derive(Debug, Default)]
pub(super) struct MembershipCell(RwLock<Arc<Membership>>);

/// Hosts that joined and left.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MembershipChange {
    /// Hosts that joined, came back, or changed their address.
    pub joined: Vec<NodeName>,
    /// Hosts that left or changed their address.
    pub left: Vec<NodeName>,
    /// Whether any declaration changed.
    pub is_news: bool,
}

impl MembershipCell {
    pub(super) fn new(membership: Membership) -> Self {
        Self(RwLock::new(Arc::new(membership)))
    }

    pub(super) fn now(&self) -> Arc<Membership> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn change(&self, membership: Membership) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(membership);
    }
}

impl Inner {
    pub(super) fn membership(&self) -> Arc<Membership> {
        self.membership.now()
    }

    pub(super) fn host(&self, node: &NodeName) -> Option<Arc<Host>> {
        self.membership().hosts.get(node).cloned()
    }

    /// Sets the reason why the membership is not fully known; or clears it.
    pub(super) fn set_unknown(&self, unknown: Option<Unreachable>) {
        let membership = self.membership();
        if membership.unknown != unknown {
            self.membership.change(Membership { unknown, ..Membership::clone(&membership) });
        }
    }

    /// Replaces the set of discovered hosts. Connections to new hosts are opened, and those to hosts that
    /// left closed, in the background.
    pub(super) fn set_found(
        &self,
        found: &BTreeMap<NodeName, HostEntry>,
        why_left: impl Fn(&Member) -> Unreachable,
    ) -> MembershipChange {
        let mut membership = Membership::clone(&self.membership());
        let mut change =
            MembershipChange { is_news: membership.unknown.take().is_some(), ..MembershipChange::default() };
        let is_same = |host: &Host, entry: &HostEntry| {
            host.entry.address == entry.address && host.entry.docker_socket == entry.docker_socket
        };
        let before: Vec<NodeName> = (membership.members.values())
            .filter(|member| member.found_by.is_some())
            .map(|member| member.name.clone())
            .collect();
        for name in before {
            let stays = found.get(&name).is_some_and(|entry| is_same(&membership.hosts[&name], entry));
            if stays {
                continue;
            }
            if let (Some(host), Some(member)) =
                (membership.hosts.remove(&name), membership.members.remove(&name))
            {
                host.mark_lost();
                let why = why_left(&member);
                membership.left.insert(name.clone(), (member, why));
                change.left.push(name);
            }
        }
        for (name, entry) in found {
            if membership.members.get(name).is_some_and(|member| member.found_by.is_none()) {
                continue;
            }
            change.is_news |=
                membership.members.insert(name.clone(), entry.member.clone()).as_ref() != Some(&entry.member);
            membership.left.remove(name);
            if !membership.hosts.contains_key(name) {
                let host = Arc::new(Host::new(entry.clone(), Arc::clone(&self.dialer)));
                host.reconnect_later();
                membership.hosts.insert(name.clone(), host);
                change.joined.push(name.clone());
            }
        }
        while membership.left.len() > LEFT_MAX {
            let oldest = membership.left.iter().min_by_key(|(_, (_, why))| why.since);
            let Some(oldest) = oldest.map(|(name, _)| name.clone()) else { break };
            membership.left.remove(&oldest);
        }
        change.is_news |= !change.joined.is_empty() || !change.left.is_empty();
        self.membership.change(membership);
        change
    }

    /// Stops reporting a host that left.
    pub(super) fn forget_left(&self, node: &NodeName) {
        let mut membership = Membership::clone(&self.membership());
        if membership.left.remove(node).is_some() {
            self.membership.change(membership);
        }
    }
}
