//! Which hosts of a push pass layers on to which: those that lack something of the same image, keep images in the same way, and have agents
//! that reach each other.

use std::collections::BTreeMap;
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::sync::Arc;

use futures_util::future::join_all;

use crate::agent::join::Standing;
use crate::fleet::Fleet;
use crate::fleet::images::{Checked, Group, Need};
use crate::image::load::Store;
use crate::model::NodeName;
use crate::ops::agents::{Seen, on_host};

/// Less than that is sent to each host: asking agents would take as long.
const WORTH_BYTES: u64 = 1 << 20;

/// What hosts lack of images.
pub type Lacking<'a> = Vec<(&'a NodeName, &'a Arc<Checked>, &'a Need)>;

/// A host that may pass layers on.
#[derive(Debug, Clone)]
struct Candidate {
    node: NodeName,
    /// What its agent's socket is called by.
    mark: String,
    standing: Standing,
    has: usize,
}

impl Candidate {
    /// Whether two agents are members of the same list, and neither says that it does not reach the other.
    fn reaches(&self, other: &Self) -> bool {
        let knows = |one: &Self, other: &Self| {
            let host = other.node.as_str();
            let standing = &one.standing;
            standing.own.host == one.node.as_str()
                && standing.peers.iter().any(|peer| peer.host == host)
                && !standing.unreached.iter().any(|(other, _)| other == host)
                && !standing.is_out
                && standing.why_not.is_none()
        };
        self.standing.authority == other.standing.authority && knows(self, other) && knows(other, self)
    }
}

/// Asks for agents, where layers could be passed on at all. Where there is no group, each host is sent its own.
pub async fn groups(fleet: &Fleet, lacking: &Lacking<'_>) -> Vec<Arc<Group>> {
    let mut alike: BTreeMap<(*const Checked, Store), Lacking<'_>> = BTreeMap::new();
    for one in lacking.iter().filter(|(_, _, need)| need.bytes >= WORTH_BYTES) {
        alike.entry((Arc::as_ptr(one.1), one.2.store)).or_default().push(*one);
    }
    let mut groups = Vec::new();
    for alike in alike.into_values().filter(|alike| alike.len() > 1) {
        let asked = alike.iter().map(|(node, _, need)| candidate(fleet, node, need));
        let candidates = join_all(asked).await.into_iter().flatten().collect();
        groups.extend(together(candidates).into_iter().map(group));
    }
    groups
}

/// A host with an agent that passes layers on; nothing if it has none, or does not say so.
async fn candidate(fleet: &Fleet, node: &NodeName, need: &Need) -> Option<Candidate> {
    let agents = on_host(fleet, node).await.ok()?;
    agents.into_iter().find_map(|agent| {
        let Seen::Up(hello) = &agent.seen else { return None };
        let standing = agent.standing.filter(|_| hello.knows_layers())?;
        Some(Candidate { node: node.clone(), mark: agent.installed.mark(), standing, has: need.has })
    })
}

/// Hosts that go together: in each group the first one, by name, reaches all others.
fn together(candidates: Vec<Candidate>) -> Vec<Vec<Candidate>> {
    let (mut left, mut groups) = (candidates, Vec::new());
    left.sort_by(|a, b| a.node.cmp(&b.node));
    while !left.is_empty() {
        let relay = left.remove(0);
        let (others, rest): (Vec<_>, Vec<_>) = left.into_iter().partition(|other| relay.reaches(other));
        left = rest;
        if !others.is_empty() {
            groups.push(std::iter::once(relay).chain(others).collect());
        }
    }
    groups
}

fn group(members: Vec<Candidate>) -> Arc<Group> {
    let relay = members[0].node.clone();
    let has = members.iter().map(|one| one.has).min().unwrap_or_default();
    let members = members.into_iter().map(|one| (one.node, one.mark)).collect();
    Group::new(by_chance(), relay, members, has)
}

/// A name that two pushes do not share. It protects nothing.
fn by_chance() -> String {
    let number = || RandomState::new().build_hasher().finish();
    format!("{:016x}{:016x}", number(), number())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agent::join::Peer;
    use crate::model::Timestamp;

    fn peer(host: &str) -> Peer {
        Peer { host: host.into(), address: "10.0.0.1".parse().unwrap(), port: 1 }
    }

    fn candidate(host: &str, peers: &[&str], has: usize) -> Candidate {
        let standing = Standing {
            own: peer(host),
            members: String::new(),
            authority: "a".into(),
            until: Timestamp(0),
            generation: 1,
            vouched: Some(true),
            is_out: false,
            peers: peers.iter().map(|host| peer(host)).collect(),
            why_not: None,
            reached: Vec::new(),
            unreached: Vec::new(),
            keeps_for: Vec::new(),
            kept_by: Vec::new(),
            not_kept: Vec::new(),
            lacking: 0,
            over: 0,
            log: Vec::new(),
        };
        Candidate { node: NodeName::unchecked(host), mark: format!("mark-{host}"), standing, has }
    }

    fn names(candidates: Vec<Candidate>) -> Vec<Vec<String>> {
        let names = |group: Vec<Candidate>| group.iter().map(|one| one.node.to_string()).collect();
        together(candidates).into_iter().map(names).collect()
    }

    #[test]
    fn hosts_go_together_whose_agents_reach_each_other() {
        let all = ["h1", "h2", "h3", "h4"];
        let four = || all.map(|host| candidate(host, &all, 0)).to_vec();
        assert_eq!(names(four()), [all]);
        assert_eq!(names(vec![]), [[""; 0]; 0]);
        assert_eq!(names(four()[..1].to_vec()), [[""; 0]; 0], "one host has no other one");

        let changed = |change: fn(&mut Standing)| {
            let mut hosts = four();
            change(&mut hosts[0].standing);
            names(hosts)
        };
        let others = [["h2", "h3", "h4"]];
        assert_eq!(changed(|one| one.authority = "b".into()), others);
        assert_eq!(changed(|one| one.is_out = true), others);
        assert_eq!(changed(|one| one.own.host = "h2".into()), others, "a copy of another one");
        assert_eq!(changed(|one| one.why_not = Some("it cannot listen".into())), others);
        assert_eq!(changed(|one| one.peers.clear()), others);
        let unreached = changed(|one| {
            for host in ["h3", "h4"] {
                one.unreached.push((host.into(), "no answer".into()));
            }
        });
        assert_eq!(unreached, [["h1", "h2"], ["h3", "h4"]]);
    }

    #[test]
    fn a_group_begins_where_the_one_with_the_least_begins() {
        let all = ["h1", "h2", "h3"];
        let hosts = vec![candidate("h1", &all, 3), candidate("h2", &all, 1), candidate("h3", &all, 2)];
        let group = group(hosts);
        assert_eq!((group.relay().as_str(), group.has()), ("h1", 1));
        assert_ne!(by_chance(), by_chance());
    }
}
