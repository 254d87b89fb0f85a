//! What the ledger remembers of the members of a cluster, so that a host that an inventory does not name is not taken
//! for absent.
//!
//! An inventory is a file of one person: it may lack a host, name one wrongly, or be one of two. The ledger is one. A
//! member that had tasks or data of a stack and is not named is *silent*, until it is forgotten or drained. An engine's
//! id together with the name of its machine says which machine it is; an id alone does not, since copies of a virtual
//! machine share it, and some engines draw another one each time.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::ids::{NodeName, StackName};
use super::node::{Availability, Member, NodeFacts, Role};

/// To whom values of releases are encrypted, for who writes them: no private key is needed for that.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReleaseKey {
    /// A recipient of age.
    pub recipient: String,
    /// That this cluster wrote it: see [`MarkKey::proof`](super::MarkKey::proof).
    pub proof: String,
}

/// What is remembered of one member.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct KnownMember {
    /// The address by which the inventory reached it last.
    pub address: String,
    /// The id of its engine.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub engine: String,
    /// What its machine calls itself.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub hostname: String,
    /// The source of discovery that named it; `None` if it stood in the inventory itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub found_by: Option<String>,
    /// Stacks that have tasks or data there.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub stacks: BTreeSet<StackName>,
    /// Where other members reach it for data. Kept as it is; nothing uses it yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data_address: Option<String>,
    /// What is known of an agent on it. Kept as it is; nothing uses it yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<serde_json::Value>,
    /// Its public keys, by their use. Kept as they are; nothing uses them yet.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub public_keys: BTreeMap<String, String>,
}

/// All members that are remembered.
pub type KnownMembers = BTreeMap<NodeName, KnownMember>;

impl KnownMember {
    /// What is declared of a member that no inventory at hand names: nothing but its address.
    #[must_use]
    pub fn member(&self, name: &NodeName) -> Member {
        Member {
            name: name.clone(),
            address: self.address.clone(),
            role: Role::Worker,
            labels: BTreeMap::new(),
            availability: Availability::Active,
            abandons_data: false,
            found_by: None,
        }
    }

    pub(super) fn is_machine(&self, facts: &NodeFacts) -> bool {
        !self.engine.is_empty() && self.engine == facts.id && self.hostname == facts.hostname
    }

    pub(super) fn is_another_machine(&self, facts: &NodeFacts) -> bool {
        !self.engine.is_empty() && self.engine != facts.id && self.hostname != facts.hostname
    }
}

/// What a release tells of the members: written down before anything is done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberNews {
    pub(super) stack: StackName,
    /// Members that the inventory names, as far as they are known.
    pub(super) named: KnownMembers,
    /// Those of them that answered.
    pub(super) seen: BTreeSet<NodeName>,
    /// Where the stack has tasks or data, or is about to.
    pub(super) holds: BTreeSet<NodeName>,
    /// Old and new names.
    pub(super) renamed: BTreeMap<NodeName, NodeName>,
}

impl MemberNews {
    /// Changes what is remembered. Of other stacks only what surely holds is said: others may be at work on them.
    pub fn apply(&self, members: &mut KnownMembers) {
        for (old, new) in &self.renamed {
            if let Some(known) = members.remove(old) {
                members.insert(new.clone(), known);
            }
        }
        for (name, now) in &self.named {
            let known = members.entry(name.clone()).or_default();
            (known.address, known.found_by) = (now.address.clone(), now.found_by.clone());
            if self.seen.contains(name) {
                (known.engine, known.hostname) = (now.engine.clone(), now.hostname.clone());
                known.stacks.remove(&self.stack);
            }
            if self.holds.contains(name) {
                known.stacks.insert(self.stack.clone());
            }
        }
        // What had nothing and is not named any more is no member.
        members.retain(|name, known| self.named.contains_key(name) || !known.stacks.is_empty());
    }
}
