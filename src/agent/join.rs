//! Who an agent is among the agents of its cluster, as a client tells it, and how it says that it stands with them.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::model::Timestamp;
use crate::model::ids::sha256_hex;
use crate::vault::authority::name_of_list;

/// The text of a private key, which is overwritten when it is dropped, and never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct KeyText(Zeroizing<String>);

impl KeyText {
    /// Takes it over.
    #[must_use]
    pub fn new(text: Zeroizing<String>) -> Self {
        Self(text)
    }

    /// Its PEM text, for what speaks TLS.
    #[must_use]
    pub fn pem(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl fmt::Debug for KeyText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyText(hidden)")
    }
}

impl Serialize for KeyText {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for KeyText {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Ok(Self(Zeroizing::new(String::deserialize(from)?)))
    }
}

/// Where the agent of a host listens for other agents.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Peer {
    /// The host's name in the inventory.
    pub host: String,
    pub address: IpAddr,
    pub port: u16,
}

impl Peer {
    /// Address and port.
    #[must_use]
    pub fn at(&self) -> SocketAddr {
        SocketAddr::new(self.address, self.port)
    }
}

/// Who an agent is, and who the others are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Join {
    /// Itself.
    pub own: Peer,
    /// Its certificate, in PEM.
    pub certificate: String,
    pub key: KeyText,
    /// The certificate of the authority that it and all others have theirs from, in PEM.
    pub authority: String,
    /// The end of its certificate.
    pub until: Timestamp,
    /// A client that comes later gives a larger number.
    pub generation: u64,
    /// The others, by name.
    pub peers: Vec<Peer>,
    /// The certificate of another one that vouches for this list of agents, if it heard of it from others. A client says none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proof: Option<String>,
    /// Where agents were before, for those that do not know of it yet.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub before: Vec<Peer>,
    /// The newest list does not name it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_out: bool,
}

/// Places of one host that are remembered.
const PLACES_MAX: usize = 4;

/// All agents of a cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct List {
    /// That of the newest is the largest.
    pub number: u64,
    /// By name.
    pub members: Vec<Peer>,
    /// A certificate, in PEM, by which the authority vouches for it.
    pub proof: String,
}

impl List {
    /// What a certificate has in it that vouches for it.
    #[must_use]
    pub fn name(&self) -> String {
        name_of(self.number, self.members.clone())
    }
}

/// The name of a list of agents with this number.
#[must_use]
pub fn name_of(number: u64, mut members: Vec<Peer>) -> String {
    members.sort();
    name_of_list(number, &sha256_hex(&serde_json::to_vec(&members).expect("texts and numbers are JSON")))
}

impl Join {
    /// All agents, itself among them, by the newest list that it knows; none if that does not name it.
    #[must_use]
    pub fn list(&self) -> Option<List> {
        let mut members: Vec<Peer> = self.peers.iter().chain([&self.own]).cloned().collect();
        members.sort();
        let proof = self.proof.as_ref().unwrap_or(&self.certificate).clone();
        (!self.is_out).then_some(List { number: self.generation, members, proof })
    }

    /// The same agent by another list.
    #[must_use]
    pub fn by(&self, list: List) -> Self {
        let List { number, mut members, proof } = list;
        let at = members.iter().position(|peer| peer.host == self.own.host);
        let own = at.map(|at| members.remove(at));
        let mut join = Self { generation: number, proof: Some(proof), is_out: own.is_none(), ..self.clone() };
        (join.own, join.peers) = match own {
            Some(own) => (own, members),
            None => (self.own.clone(), Vec::new()),
        };
        join.before = self.moved(&join);
        join
    }

    /// Where agents were of which this one says another place; the newest first.
    #[must_use]
    pub fn moved(&self, to: &Self) -> Vec<Peer> {
        let mut before: Vec<Peer> = Vec::new();
        for old in std::iter::once(&self.own).chain(&self.peers).chain(&self.before) {
            let now = std::iter::once(&to.own).chain(&to.peers).find(|peer| peer.host == old.host);
            let known = before.iter().filter(|peer| peer.host == old.host).count();
            if now.is_some_and(|now| now != old) && known < PLACES_MAX && !before.contains(old) {
                before.push(old.clone());
            }
        }
        before
    }

    /// A digest of who is a member and where.
    #[must_use]
    pub fn members(&self) -> String {
        members(&self.own, &self.peers)
    }
}

/// A digest of who is a member and where, for the agent of one host.
#[must_use]
pub fn members(own: &Peer, peers: &[Peer]) -> String {
    let mut peers: Vec<&Peer> = peers.iter().collect();
    peers.sort();
    sha256_hex(&serde_json::to_vec(&(own, peers)).expect("texts and numbers are JSON"))
}

/// How an agent stands with the others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// Itself, by its certificate.
    pub own: Peer,
    /// The [digest](members) of the members that it knows.
    pub members: String,
    /// The [fingerprint](crate::vault::authority::fingerprint) of its authority.
    pub authority: String,
    pub until: Timestamp,
    pub generation: u64,
    /// Whether the authority vouches for its list of the others, so that it can tell it to them; none of an agent that
    /// knows of no such thing.
    #[serde(default)]
    pub vouched: Option<bool>,
    /// The newest list does not name it.
    #[serde(default)]
    pub is_out: bool,
    /// The others, as it knows them.
    #[serde(default)]
    pub peers: Vec<Peer>,
    /// Why it does not listen.
    #[serde(default)]
    pub why_not: Option<String>,
    /// Hosts whose agents it reaches.
    #[serde(default)]
    pub reached: Vec<String>,
    /// Those that it does not, each with the reason.
    #[serde(default)]
    pub unreached: Vec<(String, String)>,
    /// Hosts whose secrets it keeps for them.
    #[serde(default)]
    pub keeps_for: Vec<String>,
    /// Hosts that keep all that its tasks have now.
    #[serde(default)]
    pub kept_by: Vec<String>,
    /// Those that are reached and do not keep them, each with the reason.
    #[serde(default)]
    pub not_kept: Vec<(String, String)>,
    /// Tasks that are to run, and whose containers need secrets that are not here.
    #[serde(default)]
    pub lacking: usize,
    /// Tasks whose containers wait for secrets, and that are over: a client said so while the host was off.
    #[serde(default)]
    pub over: usize,
    /// What happened with others, the newest last.
    #[serde(default)]
    pub log: Vec<Noted>,
}

/// Something that happened. No value of a secret is in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Noted {
    /// The last time.
    pub at: Timestamp,
    pub text: String,
    /// How often in a row.
    pub times: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(host: &str, port: u16) -> Peer {
        Peer { host: host.into(), address: "10.0.0.1".parse().unwrap(), port }
    }

    #[test]
    fn members_are_the_same_in_any_order_and_others_with_any_difference() {
        let (a, b, c) = (peer("a", 1), peer("b", 1), peer("c", 1));
        let all = members(&a, &[b.clone(), c.clone()]);
        assert_eq!(all, members(&a, &[c.clone(), b.clone()]));
        for (own, peers) in
            [(&b, vec![a.clone(), c.clone()]), (&a, vec![b.clone()]), (&a, vec![peer("b", 2), c])]
        {
            assert_ne!(all, members(own, &peers));
        }
    }

    #[test]
    fn a_list_has_one_name_whatever_its_order_and_places_of_before_are_remembered() {
        let (a, b, c) = (peer("a", 1), peer("b", 1), peer("c", 1));
        let name = |number, members: &[&Peer]| name_of(number, members.iter().copied().cloned().collect());
        assert_eq!(name(7, &[&a, &b, &c]), name(7, &[&c, &a, &b]));
        for other in [name(8, &[&a, &b, &c]), name(7, &[&a, &b]), name(7, &[&a, &b, &peer("c", 2)])] {
            assert_ne!(other, name(7, &[&a, &b, &c]));
        }
        let join = join(&a, &[&b, &c]);
        assert_eq!(join.list().unwrap().name(), name(3, &[&a, &b, &c]));
        let list = |number, members: &[&Peer]| List {
            number,
            members: members.iter().copied().cloned().collect(),
            proof: "p".into(),
        };
        let moved = join.by(list(4, &[&a, &peer("b", 2), &c]));
        assert_eq!((moved.generation, moved.before.as_slice()), (4, &[b.clone()][..]));
        let again = moved.by(list(5, &[&peer("a", 2), &peer("b", 3), &c]));
        assert_eq!(again.before, [a.clone(), peer("b", 2), b.clone()]);
        assert_eq!((again.own.port, again.peers.len()), (2, 2));
        let back = again.by(list(6, &[&a, &b, &c]));
        assert!(!back.before.contains(&b) && back.before.contains(&peer("b", 3)));
        let out = back.by(list(7, &[&b, &c]));
        assert!(out.is_out && out.peers.is_empty() && out.list().is_none());
        // As a client of an earlier version writes it, and to an agent of one.
        let text = serde_json::to_string(&join).unwrap();
        assert!(!text.contains("before") && !text.contains("is_out") && !text.contains("proof"), "{text}");
        assert_eq!(serde_json::from_str::<Join>(&text).unwrap(), join);
    }

    fn join(own: &Peer, peers: &[&Peer]) -> Join {
        Join {
            own: own.clone(),
            certificate: "c".into(),
            key: KeyText::new(Zeroizing::new("hunter2".into())),
            authority: "ca".into(),
            until: Timestamp(7),
            generation: 3,
            peers: peers.iter().copied().cloned().collect(),
            proof: None,
            before: vec![],
            is_out: false,
        }
    }

    #[test]
    fn a_key_is_written_and_never_shown() {
        let join = join(&peer("a", 1), &[&peer("b", 1)]);
        assert!(!format!("{join:?}").contains("hunter2"));
        let text = serde_json::to_vec(&join).unwrap();
        assert_eq!(serde_json::from_slice::<Join>(&text).unwrap(), join);
    }
}
