//! Tells agents who they are and who the others are, with a certificate for each: where what they say of it is not as it
//! should be. Agents that do not know each other work as ever, but their hosts have no secrets back after they were off.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures_util::future::join_all;

use super::lock::{NotLocked, alone};
use super::{Hands, Look, Seen, asked, look, status};
use crate::agent::join::{Join, KeyText, Peer, Standing, members, name_of};
use crate::agent::wire::Request;
use crate::engine::Writing;
use crate::fleet::Fleet;
use crate::fleet::agents::Installed;
use crate::model::{ClusterName, NodeName, Timestamp};
use crate::ops::vault::values::Values;
use crate::ops::vault::{VaultError, authority, known};
use crate::vault::authority::{Authority, ends_soon, fingerprint};

/// What certificates are made with.
#[derive(Debug, Clone)]
pub struct Papers {
    pub ledger: Arc<Writing>,
    pub values: Arc<Values>,
    pub cluster: ClusterName,
    /// Where agents listen for each other.
    pub port: u16,
}

/// What became of agents that have to know each other.
#[derive(Debug, Default)]
pub struct Joined {
    /// Agents of these hosts know the others now.
    pub met: Vec<NodeName>,
    /// These do not take it.
    pub failed: Vec<(NodeName, String)>,
    /// These have no address at which others reach them.
    pub nowhere: Vec<(NodeName, String)>,
}

/// Where each host is reached by others.
pub type Places = BTreeMap<NodeName, Result<Peer, String>>;

/// Asks for the address of every host.
pub async fn places(fleet: &Fleet, port: u16) -> Places {
    let place = |node: NodeName| async move {
        let address = fleet.data_address(&node).await;
        let peer = address.map(|address| Peer { host: node.to_string(), address, port });
        (node, peer)
    };
    join_all(fleet.nodes().into_iter().map(place)).await.into_iter().collect()
}

/// Hosts of the inventory whose address is not known here stay where agents know them to be: another client knew it. What an
/// agent says of itself goes before what others say of it, and of those the newest.
fn remember(places: &mut Places, standings: &[&Standing], port: u16) {
    for (node, place) in places.iter_mut().filter(|(_, place)| place.is_err()) {
        let says = |standing: &Standing| {
            let peers = std::iter::once(&standing.own).chain(&standing.peers);
            let address = peers.into_iter().find(|peer| peer.host == node.as_str())?.address;
            Some(((standing.own.host == node.as_str(), standing.generation), address))
        };
        let newest = standings.iter().filter_map(|one| says(one)).max_by_key(|(rank, _)| *rank);
        if let Some((_, address)) = newest {
            *place = Ok(Peer { host: node.to_string(), address, port });
        }
    }
}

/// A host, and all others, where its address is known and it is not the only one.
fn among(places: &Places, node: &NodeName) -> Option<(Peer, Vec<Peer>)> {
    let own = places.get(node)?.as_ref().ok()?.clone();
    let others = places.values().filter_map(|place| place.as_ref().ok()).filter(|peer| **peer != own);
    let others: Vec<Peer> = others.cloned().collect();
    (!others.is_empty()).then_some((own, others))
}

/// Whether an agent needs a new certificate or list of others, by what it says of those that it has.
fn is_due(
    standing: Option<&Standing>,
    (own, others): &(Peer, Vec<Peer>),
    authority: Option<&str>,
    now: Timestamp,
) -> bool {
    let Some(standing) = standing else { return true };
    standing.members != members(own, others)
        // Its certificate is of a version that knew of no lists.
        || standing.vouched == Some(false)
        || authority != Some(standing.authority.as_str())
        || ends_soon(standing.until, now)
}

/// Asks agents of hosts alone whether they know who they are; if one does not, the client does so for all agents of the cluster.
///
/// # Errors
///
/// As [`acquaint`].
pub async fn join_if_due(
    hands: &Hands<'_>,
    papers: &Papers,
    agents: &BTreeMap<NodeName, Installed>,
) -> Result<Joined, VaultError> {
    if hands.fleet.nodes().len() < 2 {
        return Ok(Joined::default());
    }
    let ask = |(node, agent)| async move { (node, status(hands.fleet, node, agent).await) };
    let said = join_all(agents.iter().map(ask)).await;
    let mut places = places(hands.fleet, papers.port).await;
    let standings = said.iter().filter_map(|(_, status)| status.as_ref()?.standing.as_deref());
    remember(&mut places, &standings.collect::<Vec<_>>(), papers.port);
    let now = hands.actor.clock.now();
    let kept = authority::kept(&papers.ledger, now).await?;
    let fingerprint = kept.as_ref().map(|kept| kept.fingerprint.as_str());
    let is_any = said.iter().any(|(node, status)| {
        let (Some(status), Some(among)) = (status, among(&places, node)) else { return false };
        is_due(status.standing.as_deref(), &among, fingerprint, now)
    });
    if !is_any {
        return Ok(Joined { nowhere: without_place(&places, agents.keys()), ..Joined::default() });
    }
    acquaint_alone(hands, papers).await
}

/// Tells agents who they are, where what they say of that is out of date, while no other process does the same.
///
/// # Errors
///
/// The cluster has no key, or none here opens what signs certificates.
pub async fn acquaint(hands: &Hands<'_>, papers: &Papers) -> Result<Joined, VaultError> {
    let seen = look(hands.fleet, hands.actor.clock, None).await;
    // Where nothing is to be said, nothing is written: a lock is.
    if let Some(joined) = join(hands, papers, &seen, false).await? {
        return Ok(joined);
    }
    acquaint_alone(hands, papers).await
}

/// The same where something is to be said.
async fn acquaint_alone(hands: &Hands<'_>, papers: &Papers) -> Result<Joined, VaultError> {
    let work = async {
        let look = look(hands.fleet, hands.actor.clock, None).await;
        join(hands, papers, &look, true).await
    };
    let joined = alone(hands, "agent install", |_| (), work).await.map_err(|why| match why {
        NotLocked::Ledger(error) => VaultError::Ledger(error),
        NotLocked::Busy(holder) => VaultError::Authority(NotLocked::Busy(holder).to_string()),
    })?;
    Ok(joined?.unwrap_or_default())
}

/// `None` if there is something to say, and it may not be said.
async fn join(
    hands: &Hands<'_>,
    papers: &Papers,
    look: &Look,
    may: bool,
) -> Result<Option<Joined>, VaultError> {
    let now = hands.actor.clock.now();
    let (agents, mut joined) = (speakers(look), Joined::default());
    if agents.is_empty() || hands.fleet.nodes().len() < 2 {
        return Ok(Some(joined));
    }
    // Without one there are no secrets, either.
    known(&papers.ledger).await?.key()?;
    let mut places = places(hands.fleet, papers.port).await;
    let standings: Vec<&Standing> = agents.values().filter_map(|(_, standing)| *standing).collect();
    remember(&mut places, &standings, papers.port);
    joined.nowhere = nowhere(&places, look, &agents);
    let due = |authority: Option<&str>| -> Vec<(NodeName, Peer, Vec<Peer>)> {
        let of = |(node, (_, standing)): (&NodeName, &(&Installed, Option<&Standing>))| {
            let among = among(&places, node)?;
            is_due(*standing, &among, authority, now).then(|| (node.clone(), among.0, among.1))
        };
        agents.iter().filter_map(of).collect()
    };
    let kept = authority::kept(&papers.ledger, now).await?;
    if due(kept.as_ref().map(|kept| kept.fingerprint.as_str())).is_empty() {
        return Ok(Some(joined));
    }
    if !may {
        return Ok(None);
    }
    let cluster = papers.cluster.as_str();
    let signing = authority::signing(&papers.ledger, hands.actor, &papers.values, cluster, |_| ()).await?;
    let generation = number_of_now(&standings, now);
    for (node, own, others) in due(Some(&fingerprint(signing.certificate()))) {
        let (agent, _) = agents[&node];
        let taken = match paper(&signing, own, others, generation, now) {
            Ok(paper) => {
                let answer = asked(hands.fleet, &node, agent, &Request::Join(Box::new(paper))).await;
                answer.map(drop)
            }
            Err(why) => Err(why),
        };
        match taken {
            Ok(()) => joined.met.push(node),
            Err(why) => joined.failed.push((node, why)),
        }
    }
    Ok(Some(joined))
}

/// Hosts whose agents know other members, or other places of them, than this client does.
pub async fn outdated(fleet: &Fleet, port: u16, look: &Look) -> BTreeSet<NodeName> {
    let agents = speakers(look);
    let standings: Vec<&Standing> = agents.values().filter_map(|(_, standing)| *standing).collect();
    if standings.is_empty() {
        return BTreeSet::new();
    }
    let mut places = places(fleet, port).await;
    remember(&mut places, &standings, port);
    let is_outdated = |node: &NodeName, standing: &Standing| {
        among(&places, node).is_some_and(|(own, others)| standing.members != members(&own, &others))
    };
    let outdated = agents.iter().filter(|(node, (_, one))| one.is_some_and(|one| is_outdated(node, one)));
    outdated.map(|(node, _)| node.clone()).collect()
}

/// Hosts that are no members for want of an address: those with an agent, and silent ones, which may have one.
fn nowhere(
    places: &Places,
    look: &Look,
    agents: &BTreeMap<NodeName, (&Installed, Option<&Standing>)>,
) -> Vec<(NodeName, String)> {
    let may_have = |node: &NodeName| agents.contains_key(node) || look.get(node).is_some_and(Result::is_err);
    without_place(places, places.keys().filter(|node| may_have(node)))
}

/// Those of these hosts that no other one reaches, each with the reason.
fn without_place<'a>(places: &Places, nodes: impl Iterator<Item = &'a NodeName>) -> Vec<(NodeName, String)> {
    nodes.filter_map(|node| Some((node.clone(), places.get(node)?.as_ref().err()?.clone()))).collect()
}

/// Agents that can speak with others, one for each host.
fn speakers(look: &Look) -> BTreeMap<NodeName, (&Installed, Option<&Standing>)> {
    let mut all = BTreeMap::new();
    for (node, on) in look {
        let Ok(on) = on else { continue };
        let can = |agent: &&super::Agent| {
            agent.keeps_secrets() && matches!(&agent.seen, Seen::Up(hello) if hello.knows_peers())
        };
        if let Some(agent) = on.agents.iter().find(can) {
            all.insert(node.clone(), (&agent.installed, agent.standing.as_ref()));
        }
    }
    all
}

/// A number that is larger than those that are known, and than those of clients before that are not known here: agents of
/// silent hosts may have them.
fn number_of_now(standings: &[&Standing], now: Timestamp) -> u64 {
    let known = standings.iter().map(|standing| standing.generation).max().unwrap_or(0);
    (known + 1).max(u64::try_from(now.0 / 1000).unwrap_or(0))
}

fn paper(
    signing: &Authority,
    own: Peer,
    peers: Vec<Peer>,
    generation: u64,
    now: Timestamp,
) -> Result<Join, String> {
    let list = name_of(generation, peers.iter().chain([&own]).cloned().collect());
    let issued =
        signing.issue(&own.host, own.address, Some(&list), now).map_err(|error| error.to_string())?;
    Ok(Join {
        own,
        certificate: issued.certificate,
        key: KeyText::new(issued.key),
        authority: signing.certificate().to_owned(),
        until: issued.until,
        generation,
        peers,
        proof: None,
        before: Vec::new(),
        is_out: false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_796_000_000_000);
    const DAY_MS: i64 = 24 * 3_600_000;

    fn peer(host: &str, last: u8) -> Peer {
        Peer { host: host.into(), address: std::net::Ipv4Addr::new(10, 0, 0, last).into(), port: 4795 }
    }

    fn standing(own: &Peer, others: &[Peer]) -> Standing {
        Standing {
            own: own.clone(),
            members: members(own, others),
            authority: "ca".into(),
            until: NOW.plus_ms(1_000 * DAY_MS),
            generation: 1,
            vouched: Some(true),
            is_out: false,
            peers: others.to_vec(),
            why_not: None,
            reached: vec![],
            unreached: vec![],
            keeps_for: vec![],
            kept_by: vec![],
            not_kept: vec![],
            lacking: 0,
            over: 0,
            log: vec![],
        }
    }

    #[test]
    fn an_agent_is_told_when_what_it_knows_is_not_as_it_should_be() {
        let (own, others) = (peer("h1", 1), vec![peer("h2", 2), peer("h3", 3)]);
        let knows = standing(&own, &others);
        let among = (own.clone(), others.clone());
        let due = |standing: Option<&Standing>, authority| is_due(standing, &among, authority, NOW);
        assert!(!due(Some(&knows), Some("ca")));
        assert!(due(None, Some("ca")) && due(Some(&knows), Some("other")) && due(Some(&knows), None));
        // An agent of 0.8.0 says nothing of that: it takes no other list from others.
        for (vouched, is) in [(Some(false), true), (None, false)] {
            assert_eq!(due(Some(&Standing { vouched, ..knows.clone() }), Some("ca")), is);
        }
        assert_eq!(number_of_now(&[&knows], NOW), 1_796_000_000);
        let later = Standing { generation: 1_900_000_000, ..knows.clone() };
        assert_eq!(number_of_now(&[&later, &knows], NOW), 1_900_000_001);
        let ends = Standing { until: NOW.plus_ms(20 * DAY_MS), ..knows.clone() };
        assert!(due(Some(&ends), Some("ca")));
        for (own, others) in [(peer("h1", 9), others.clone()), (own, vec![peer("h2", 2)])] {
            assert!(is_due(Some(&knows), &(own, others), Some("ca"), NOW));
        }
    }

    #[test]
    fn a_host_whose_address_is_not_known_here_stays_where_agents_know_it_to_be() {
        let node = NodeName::unchecked;
        let unknown = || Err("no address of it is known here".to_owned());
        let here: Places = [
            (node("h1"), Ok(peer("h1", 1))),
            (node("h2"), Ok(peer("h2", 2))),
            (node("h3"), unknown()),
            (node("h4"), unknown()),
        ]
        .into();
        let knows =
            |own: Peer, others: &[Peer], generation| Standing { generation, ..standing(&own, others) };
        let h1 = knows(peer("h1", 1), &[peer("h2", 2), peer("h3", 3), peer("h9", 9)], 2);
        let old = knows(peer("h2", 2), &[peer("h1", 1), peer("h3", 33)], 1);
        let mut places = here.clone();
        remember(&mut places, &[&old, &h1], 4795);
        assert_eq!(places[&node("h3")], Ok(peer("h3", 3)), "the newest word");
        assert_eq!(places[&node("h4")], unknown(), "no agent knows it");
        assert!(!places.contains_key("h9"), "the inventory does not name it");
        // Nothing is due: no agent hears that it is gone.
        let (own, others) = among(&places, &node("h2")).unwrap();
        assert_eq!((own.host.as_str(), others), ("h2", vec![peer("h1", 1), peer("h3", 3)]));
        // What it says itself goes before, at the port of now.
        let own = knows(peer("h3", 30), &[peer("h1", 1)], 1);
        let mut places = here;
        remember(&mut places, &[&h1, &own], 4796);
        assert_eq!(places[&node("h3")], Ok(Peer { port: 4796, ..peer("h3", 30) }));
        // Silent hosts may have an agent, those that answer without one have none.
        let silent = Err(crate::model::Unreachable {
            since: NOW,
            code: String::new(),
            reason: "off".into(),
            help: None,
        });
        let look: Look = [(node("h4"), silent)].into();
        assert_eq!(nowhere(&places, &look, &BTreeMap::new()), [(node("h4"), unknown().unwrap_err())]);
        assert_eq!(nowhere(&places, &Look::new(), &BTreeMap::new()), []);
    }

    #[test]
    fn a_host_without_an_address_and_one_alone_are_no_members() {
        let node = NodeName::unchecked;
        let mut places: Places = [
            (node("h1"), Ok(peer("h1", 1))),
            (node("h2"), Ok(peer("h2", 2))),
            (node("local"), Err("a socket".to_owned())),
        ]
        .into();
        assert_eq!(among(&places, &node("h1")), Some((peer("h1", 1), vec![peer("h2", 2)])));
        assert_eq!(among(&places, &node("local")), None);
        let said = without_place(&places, [node("h1"), node("local")].iter());
        assert_eq!(said, [(node("local"), "a socket".to_owned())]);
        places.remove("h2");
        assert_eq!(among(&places, &node("h1")), None);
    }
}
