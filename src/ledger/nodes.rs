//! What is remembered of nodes over the inventory: availability, role and labels that were changed by a
//! command rather than in the file.
//!
//! One [document](super::document) of the cluster.
//!
//! The ledger's own managers stay those of the inventory, whatever roles are recorded here: a reader finds
//! the managers before it can read any record, so a record cannot change them.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::document::document_in;
use super::log::Log;
use super::register::{Found, Kind, Stream};
use crate::model::in_place::InPlaceRecords;
use crate::model::node::{Availability, Member, Role};
use crate::model::{KnownMembers, MarkKey, NodeName, ReleaseKey, Timestamp};

/// What is remembered of all nodes. Nodes that the inventory does not have may be among them.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct NodeRecords {
    pub nodes: BTreeMap<NodeName, NodeRecord>,
    /// Hosts that were discovered at the last change, and the sources that named them. A process that misses
    /// most of them now does not trust its source.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub discovered: BTreeMap<NodeName, String>,
    /// Members at the last change, by which a host that is not named now is known to be missing.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub members: KnownMembers,
    /// The key of the cluster's marks, from the first release on. It lies here, since each look at the hosts reads this
    /// document, and no further call is needed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<MarkKey>,
    /// To whom values of releases are encrypted. It lies here for the same reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release_key: Option<ReleaseKey>,
    /// What was changed on running containers. It lies here for the same reason.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub in_place: InPlaceRecords,
}

/// Of a record of nodes only the keys: what no host could say again.
pub(super) fn keys_in(data: &serde_json::Value) -> serde_json::Value {
    let mut keys = serde_json::json!({ "nodes": {} });
    for name in ["key", "release_key"] {
        if let Some(key) = data.get(name) {
            keys[name] = key.clone();
        }
    }
    keys
}

/// What is remembered of one node. What is not set is as the inventory has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeRecord {
    /// Whether it takes tasks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub availability: Option<Availability>,
    /// What constraints call its role.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<Role>,
    /// Labels that were added, and those that were taken away.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, Option<String>>,
    /// Drained by force: data that is on this node only is given up.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub abandons_data: bool,
    /// What became of the command that makes sure that it is off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fence: Option<Fence>,
    /// `user@machine` that changed it last.
    pub who: String,
    /// When, by the clock of the client that changed it.
    pub at: Timestamp,
}

/// A run of the command that makes sure that a node is off.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fence {
    #[serde(flatten)]
    pub state: FenceState,
    /// `user@machine` that ran it.
    pub who: String,
    /// When that was written down.
    pub at: Timestamp,
}

/// How far it came.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum FenceState {
    /// It runs, or was cut off. It is not run again for the same loss.
    Running,
    /// The node is off, until a person lets it back.
    Off,
    /// It may not be off: its tasks stay.
    Failed {
        why: String,
        /// Its command was not run: the process that wrote this may not run it. Another one may.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        is_refused: bool,
    },
}

impl FenceState {
    /// Whether the command has run, or may have.
    #[must_use]
    pub fn has_begun(&self) -> bool {
        !matches!(self, Self::Failed { is_refused: true, .. })
    }
}

impl fmt::Display for Fence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { state, who, at } = self;
        match state {
            FenceState::Running => write!(f, "its fence was begun by {who} at {at}, and has not ended"),
            FenceState::Off => {
                write!(f, "fenced by {who} at {at}: off until `stackctl node update --availability active`")
            }
            FenceState::Failed { why, is_refused: true } => write!(f, "not fenced by {who} at {at}: {why}"),
            FenceState::Failed { why, is_refused: false } => write!(f, "fencing it failed at {at}: {why}"),
        }
    }
}

impl NodeRecord {
    /// One that says nothing yet.
    #[must_use]
    pub fn new(who: String, at: Timestamp) -> Self {
        let labels = BTreeMap::new();
        Self { availability: None, role: None, labels, abandons_data: false, fence: None, who, at }
    }

    /// Whether there is nothing in it.
    #[must_use]
    pub fn says_nothing(&self) -> bool {
        *self == Self::new(self.who.clone(), self.at)
    }

    /// Applies it to what the inventory says. Whatever is not recorded stays.
    pub fn apply(&self, member: &mut Member) {
        member.availability = self.availability.unwrap_or(member.availability);
        member.role = self.role.unwrap_or(member.role);
        for (name, value) in &self.labels {
            match value {
                Some(value) => member.labels.insert(name.clone(), value.clone()),
                None => member.labels.remove(name),
            };
        }
        member.abandons_data = self.abandons_data && member.availability == Availability::Drain;
    }

    /// Whether it says anything beyond what the inventory does.
    #[must_use]
    pub fn is_news(&self, inventory: &Member) -> bool {
        let mut member = inventory.clone();
        self.apply(&mut member);
        member != *inventory
    }
}

/// What one host shows of these records by itself, whether or not it is a manager now: under which managers they were written
/// last, and what they say. It is good for messages alone: other managers may have decided otherwise.
#[must_use]
pub fn shown_by(found: Vec<Found>) -> Option<(Vec<String>, NodeRecords)> {
    let log = Log::of(&stream(), BTreeMap::from([(0, found)]), &[String::new()]).ok()?;
    Some((log.newest_managers()?, document_in(&log, &stream()).unwrap_or_default()))
}

/// The one stream.
#[must_use]
pub fn stream() -> Stream {
    Stream::new(Kind::Nodes, "cluster")
}

impl NodeRecords {
    /// What the inventory says of a node, with what is remembered of it.
    pub fn apply(&self, member: &mut Member) {
        if let Some(record) = self.nodes.get(&member.name) {
            record.apply(member);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member() -> Member {
        Member {
            name: NodeName::unchecked("h1"),
            address: "ssh://h1".into(),
            role: Role::Manager,
            labels: [("zone", "a"), ("disk", "ssd")].map(|(k, v)| (k.to_owned(), v.to_owned())).into(),
            availability: Availability::Pause,
            abandons_data: false,
            found_by: None,
        }
    }

    fn record() -> NodeRecord {
        NodeRecord::new("ann@mill".into(), Timestamp(5))
    }

    fn of(record: NodeRecord) -> NodeRecords {
        NodeRecords { nodes: [(NodeName::unchecked("h1"), record)].into(), ..NodeRecords::default() }
    }

    #[test]
    fn what_is_not_recorded_is_as_in_the_inventory() {
        let mut after = member();
        of(record()).apply(&mut after);
        assert_eq!(after, member());
        assert!(!record().is_news(&member()));
        let labels = BTreeMap::from([
            ("zone".to_owned(), Some("b".to_owned())),
            ("disk".to_owned(), None),
            ("gone".to_owned(), None),
            ("new".to_owned(), Some(String::new())),
        ]);
        let changed = NodeRecord {
            availability: Some(Availability::Active),
            role: Some(Role::Worker),
            labels,
            ..record()
        };
        assert!(changed.is_news(&member()));
        of(changed).apply(&mut after);
        assert_eq!((after.availability, after.role), (Availability::Active, Role::Worker));
        let labels: Vec<String> = after.labels.iter().map(|(k, v)| format!("{k}={v}")).collect();
        assert_eq!(labels, ["new=", "zone=b"]);
    }

    #[test]
    fn an_unknown_node_is_harmless() {
        let mut after = Member { name: NodeName::unchecked("h2"), ..member() };
        let before = after.clone();
        of(NodeRecord { availability: Some(Availability::Drain), ..record() }).apply(&mut after);
        assert_eq!(after, before);
    }

    #[test]
    fn data_is_given_up_only_where_a_node_is_drained() {
        for (availability, abandons) in
            [(Availability::Drain, true), (Availability::Active, false), (Availability::Pause, false)]
        {
            let mut after = member();
            let record = NodeRecord { availability: Some(availability), abandons_data: true, ..record() };
            record.apply(&mut after);
            assert_eq!(after.abandons_data, abandons);
        }
    }
}
