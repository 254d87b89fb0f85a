//! Who an agent is among the agents of its cluster, as a client tells it, and how it says that it stands with them.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::model::Timestamp;
use crate::model::ids::sha256_hex;

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
}

impl Join {
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
    /// Hosts that keep its own.
    #[serde(default)]
    pub kept_by: Vec<String>,
    /// Tasks that are to run, and whose containers need secrets that are not here.
    #[serde(default)]
    pub lacking: usize,
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
    fn a_key_is_written_and_never_shown() {
        let join = Join {
            own: peer("a", 1),
            certificate: "c".into(),
            key: KeyText::new(Zeroizing::new("hunter2".into())),
            authority: "ca".into(),
            until: Timestamp(7),
            generation: 3,
            peers: vec![peer("b", 1)],
        };
        assert!(!format!("{join:?}").contains("hunter2"));
        let text = serde_json::to_vec(&join).unwrap();
        assert_eq!(serde_json::from_slice::<Join>(&text).unwrap(), join);
    }
}
