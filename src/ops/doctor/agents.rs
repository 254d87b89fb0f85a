//! Whether hosts whose tasks have secrets have an agent that keeps them: without one, a container that ends does not start
//! again once the host has been off.

use std::collections::{BTreeMap, BTreeSet};

use super::peers::Peers;
use super::{Area, Check, Finding, check};
use crate::agent::join::Standing;
use crate::model::{NodeName, Observed, Timestamp};
use crate::ops::agents::join::outdated;
use crate::ops::agents::{Agent, Seen, look};
use crate::ops::cluster::Cluster;
use crate::ops::vault::authority;

/// A certificate that ends within these days is named: an ordinary deploy would have replaced it long before.
const SOON_MS: i64 = 30 * 24 * 3_600_000;

/// Asks the hosts that run tasks with secrets, and no others.
pub(super) async fn agents(cluster: &Cluster, known: &Observed) -> Vec<Check> {
    let mut users: BTreeMap<NodeName, BTreeSet<String>> = BTreeMap::new();
    for task in known.tasks().filter(|task| !task.spec.secrets.is_empty()) {
        let users = users.entry(task.node.clone()).or_default();
        // One that is down may wait for its secrets, and needs no other agent than there is.
        if task.is_live() {
            users.insert(format!("{}_{}.{}", task.stack, task.service, task.slot));
        }
    }
    if users.is_empty() {
        return Vec::new();
    }
    let nodes: BTreeSet<NodeName> = users.keys().cloned().collect();
    let looks = look(&cluster.fleet, cluster.clock, Some(&nodes)).await;
    let kept = authority::kept(&cluster.ledger, cluster.clock.now()).await;
    let authority = kept.ok().flatten().map(|kept| kept.fingerprint);
    let outdated = outdated(&cluster.fleet, cluster.inventory.agent_port, &looks).await;
    let mut found = Vec::new();
    for (node, users) in users {
        // One that does not answer is said to be silent.
        let Some(Ok(on)) = looks.get(&node) else { continue };
        if let Some(agent) = on.agents.iter().find(|agent| agent.keeps_secrets()) {
            let mut troubles = troubles(agent, cluster, authority.as_deref());
            if outdated.contains(&node) && !troubles.contains(&Peers::Out) {
                troubles.push(Peers::Outdated);
            }
            found.extend(troubles.into_iter().map(|one| check(Area::Hosts, &node, Finding::Peers(one))));
            continue;
        }
        if users.is_empty() {
            continue;
        }
        let silent = on.agents.iter().find_map(|agent| match &agent.seen {
            Seen::Silent(why) => Some(why.clone()),
            Seen::Up(_) | Seen::Off => None,
        });
        let users = users.into_iter().collect();
        found.push(check(Area::Hosts, node, Finding::NoAgent { users, silent }));
    }
    found
}

/// What is wrong between an agent and the others.
fn troubles(agent: &Agent, cluster: &Cluster, authority: Option<&str>) -> Vec<Peers> {
    let knows = matches!(&agent.seen, Seen::Up(hello) if hello.knows_peers());
    match &agent.standing {
        Some(standing) => of_standing(standing, authority, cluster.clock.now()),
        None if knows && cluster.fleet.nodes().len() > 1 => vec![Peers::Unknown],
        None => Vec::new(),
    }
}

fn of_standing(standing: &Standing, authority: Option<&str>, now: Timestamp) -> Vec<Peers> {
    let mut found = Vec::new();
    if standing.is_out {
        found.push(Peers::Out);
    }
    if standing.until.since_ms(now) < SOON_MS {
        found.push(Peers::Ends { until: standing.until });
    }
    if authority.is_some_and(|authority| authority != standing.authority) {
        found.push(Peers::OtherAuthority);
    }
    if let Some(why) = &standing.why_not {
        found.push(Peers::Deaf { why: why.clone() });
    }
    for (host, why) in &standing.unreached {
        found.push(Peers::NotReached { host: host.clone(), port: standing.own.port, why: why.clone() });
    }
    for (host, why) in &standing.not_kept {
        found.push(Peers::NotKept { host: host.clone(), why: why.clone() });
    }
    if standing.lacking > 0 {
        found.push(Peers::Lacking(standing.lacking));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agent::join::Peer;

    #[test]
    fn what_is_wrong_between_agents_is_named() {
        let now = Timestamp(1_796_000_000_000);
        let own = Peer { host: "h1".into(), address: std::net::Ipv4Addr::LOCALHOST.into(), port: 4795 };
        let fine = Standing {
            own,
            members: String::new(),
            authority: "ca".into(),
            until: now.plus_ms(2 * SOON_MS),
            generation: 1,
            vouched: Some(true),
            is_out: false,
            peers: vec![],
            why_not: None,
            reached: vec!["h2".into()],
            unreached: vec![],
            keeps_for: vec![],
            kept_by: vec![],
            not_kept: vec![],
            lacking: 0,
            over: 0,
            log: vec![],
        };
        assert_eq!(of_standing(&fine, Some("ca"), now), []);
        assert_eq!(of_standing(&fine, None, now), []);
        let until = now.plus_ms(SOON_MS - 1);
        let bad = Standing {
            until,
            why_not: Some("in use".into()),
            unreached: vec![("h3".into(), "refused".into())],
            not_kept: vec![("h4".into(), "full".into())],
            lacking: 2,
            is_out: true,
            ..fine
        };
        assert_eq!(
            of_standing(&bad, Some("other"), now),
            [
                Peers::Out,
                Peers::Ends { until },
                Peers::OtherAuthority,
                Peers::Deaf { why: "in use".into() },
                Peers::NotReached { host: "h3".into(), port: 4795, why: "refused".into() },
                Peers::NotKept { host: "h4".into(), why: "full".into() },
                Peers::Lacking(2),
            ]
        );
    }
}
