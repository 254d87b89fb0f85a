//! What is remembered of nodes over the inventory, and changing it.

use std::collections::{BTreeMap, BTreeSet};

use crate::engine::node_records;
use crate::ledger::nodes::{NodeRecord, NodeRecords};
use crate::ledger::operation::Changed;
use crate::ledger::{Ledger, LedgerError, ReadRegisters, WriteRegisters};
use crate::model::node::{Availability, Member, Role};
use crate::model::{NodeName, Timestamp};
use crate::ops::cluster::Cluster;
use crate::ops::log::{Actor, NewEntry, Unended, logged};

/// What is to be changed about each of some nodes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Change {
    /// Whether they take tasks.
    pub availability: Option<Availability>,
    /// What constraints call their role.
    pub role: Option<Role>,
    /// Labels with their new values; `None` takes one away.
    pub labels: BTreeMap<String, Option<String>>,
    /// Drained: also move tasks whose data is on that node only, and leave the data behind.
    pub force: bool,
}

impl Change {
    /// What is remembered afterwards: only where it differs from the inventory, so that what is put back as
    /// it is there follows it again.
    pub fn apply(&self, inventory: &Member, records: &mut NodeRecords, who: &str, at: Timestamp) {
        let old = records.nodes.get(&inventory.name);
        let mut wanted = inventory.clone();
        if let Some(old) = old {
            old.apply(&mut wanted);
        }
        wanted.availability = self.availability.unwrap_or(wanted.availability);
        wanted.role = self.role.unwrap_or(wanted.role);
        for (key, value) in &self.labels {
            match value {
                Some(value) => wanted.labels.insert(key.clone(), value.clone()),
                None => wanted.labels.remove(key),
            };
        }
        let is_drained = wanted.availability == Availability::Drain;
        let mut labels: BTreeMap<String, Option<String>> = BTreeMap::new();
        for (key, value) in &wanted.labels {
            if inventory.labels.get(key) != Some(value) {
                labels.insert(key.clone(), Some(value.clone()));
            }
        }
        let gone = inventory.labels.keys().filter(|key| !wanted.labels.contains_key(*key));
        labels.extend(gone.map(|key| (key.clone(), None)));
        let new = NodeRecord {
            availability: Some(wanted.availability).filter(|word| *word != inventory.availability),
            role: Some(wanted.role).filter(|word| *word != inventory.role),
            labels,
            abandons_data: is_drained && (self.force || wanted.abandons_data),
            // A person who says whether it takes tasks has the last word.
            fence: old.and_then(|old| old.fence.clone()).filter(|_| self.availability.is_none()),
            who: who.to_owned(),
            at,
        };
        let says_more = new.is_news(inventory) || new.fence.is_some();
        let is_same =
            old.is_some_and(|old| NodeRecord { who: old.who.clone(), at: old.at, ..new.clone() } == *old);
        if !says_more {
            records.nodes.remove(&inventory.name);
        } else if !is_same {
            records.nodes.insert(inventory.name.clone(), new);
        }
    }
}

/// Nodes that are to be changed, and how.
#[derive(Debug)]
pub struct Update {
    /// The nodes, with what is declared of them.
    pub nodes: BTreeMap<NodeName, Member>,
    /// What is to be changed.
    pub change: Change,
    /// What was asked for, for the log.
    pub verb: String,
    /// What the user said about it.
    pub message: Option<String>,
}

/// What is declared of these nodes: by the inventory, or else as they are remembered. A name that is in neither is the
/// error.
///
/// # Errors
///
/// If the ledger cannot be read; only of a name that the inventory does not have.
pub async fn declared(
    cluster: &Cluster,
    names: &[String],
) -> Result<Result<BTreeMap<NodeName, Member>, String>, LedgerError> {
    let hosts = &cluster.inventory.hosts;
    let is_strange = names.iter().any(|name| !hosts.contains_key(name.as_str()));
    let known =
        if is_strange { node_records::read(&cluster.ledger).await?.1.members } else { BTreeMap::new() };
    let one = |name: &String| match (hosts.get(name.as_str()), known.get_key_value(name.as_str())) {
        (Some(host), _) => Ok((host.member.name.clone(), host.member.clone())),
        (None, Some((name, known))) => Ok((name.clone(), known.member(name))),
        (None, None) => Err(name.clone()),
    };
    Ok(names.iter().map(one).collect())
}

/// What is remembered of all nodes, before an update and after it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recorded {
    /// Before.
    pub before: NodeRecords,
    /// After.
    pub after: NodeRecords,
}

/// One value of a node that an update changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Difference {
    /// Whether it takes tasks: before, after.
    Availability(Availability, Availability),
    /// Whether the data of its tasks is given up: before, after.
    AbandonsData(bool, bool),
    /// What constraints call its role: before, after.
    Role(Role, Role),
    /// A label, with its value before and after.
    Label(String, Option<String>, Option<String>),
}

/// What an update changes about a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeDifferences {
    /// The node.
    pub node: NodeName,
    /// Value by value; empty if it is as wanted already.
    pub differences: Vec<Difference>,
    /// Its role by the inventory, if the update asks for another one: that decides whether it keeps records.
    pub role_in_inventory: Option<Role>,
}

impl Update {
    /// Changes records in memory.
    pub fn apply(&self, records: &mut NodeRecords, actor: &Actor) {
        for inventory in self.nodes.values() {
            self.change.apply(inventory, records, &actor.me.who, actor.clock.now());
        }
    }

    /// What would be remembered. Writes nothing.
    ///
    /// # Errors
    ///
    /// If the ledger cannot be read.
    pub async fn foresee<R: ReadRegisters>(
        &self,
        ledger: &Ledger<R>,
        actor: &Actor,
    ) -> Result<Recorded, LedgerError> {
        let (_, before) = node_records::read(ledger).await?;
        let mut after = before.clone();
        self.apply(&mut after, actor);
        Ok(Recorded { before, after })
    }

    /// Writes it down; in the log, too, if it changes anything. `unended` is called if the end of the
    /// operation cannot be written.
    ///
    /// # Errors
    ///
    /// If the ledger cannot be read or written.
    pub async fn write<R: WriteRegisters>(
        &self,
        ledger: &Ledger<R>,
        actor: &Actor,
        unended: impl FnOnce(Unended),
    ) -> Result<Recorded, LedgerError> {
        node_records::repair(ledger).await?;
        let changes = self.changes(&self.foresee(ledger, actor).await?);
        let change = async || {
            node_records::change(ledger, |records| {
                self.apply(records, actor);
                Ok::<(), LedgerError>(())
            })
            .await
        };
        let (before, after) = if changes.is_empty() {
            change().await?
        } else {
            let (verb, message) = (self.verb.clone(), self.message.clone());
            let entry = NewEntry { verb, message, stacks: Vec::new(), changes };
            logged(actor, ledger, entry, change(), unended).await?
        };
        Ok(Recorded { before, after })
    }

    /// What of the nodes is remembered differently, as the log keeps it.
    fn changes(&self, Recorded { before, after }: &Recorded) -> Vec<Changed> {
        let of = |records: &NodeRecords, name: &NodeName| records.nodes.get(name).cloned().map(Box::new);
        let all = self.nodes.keys().map(|node| (node, of(before, node), of(after, node)));
        all.filter(|(_, before, after)| before != after)
            .map(|(node, before, after)| Changed::Node { node: node.clone(), before, after })
            .collect()
    }

    /// What changes about each node, value by value.
    #[must_use]
    pub fn differences(&self, Recorded { before, after }: &Recorded) -> Vec<NodeDifferences> {
        let of = |(name, inventory): (&NodeName, &Member)| {
            let with = |records: &NodeRecords| {
                let mut member = inventory.clone();
                records.apply(&mut member);
                member
            };
            let is_other_role = self.change.role.is_some_and(|role| role != inventory.role);
            NodeDifferences {
                node: name.clone(),
                differences: differences(&with(before), &with(after)),
                role_in_inventory: is_other_role.then_some(inventory.role),
            }
        };
        self.nodes.iter().map(of).collect()
    }
}

fn differences(before: &Member, after: &Member) -> Vec<Difference> {
    let mut all = Vec::new();
    if before.availability != after.availability {
        all.push(Difference::Availability(before.availability, after.availability));
    }
    if before.abandons_data != after.abandons_data {
        all.push(Difference::AbandonsData(before.abandons_data, after.abandons_data));
    }
    if before.role != after.role {
        all.push(Difference::Role(before.role, after.role));
    }
    let keys: BTreeSet<&String> = before.labels.keys().chain(after.labels.keys()).collect();
    let labels = keys.into_iter().map(|key| (key, before.labels.get(key), after.labels.get(key)));
    let changed = labels.filter(|(_, old, new)| old != new);
    all.extend(changed.map(|(key, old, new)| Difference::Label(key.clone(), old.cloned(), new.cloned())));
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::nodes::{Fence, FenceState};

    fn inventory() -> Member {
        Member {
            name: NodeName::unchecked("h1"),
            address: "h1".into(),
            role: Role::Worker,
            labels: [("zone".to_owned(), "a".to_owned())].into(),
            availability: Availability::Active,
            abandons_data: false,
            found_by: None,
        }
    }

    fn drain(force: bool) -> Change {
        Change { availability: Some(Availability::Drain), force, ..Change::default() }
    }

    #[test]
    fn what_is_put_back_as_the_inventory_has_it_is_remembered_no_more() {
        let mut records = NodeRecords::default();
        let zone = |value: Option<&str>| Change {
            labels: [("zone".to_owned(), value.map(str::to_owned))].into(),
            ..Change::default()
        };
        drain(true).apply(&inventory(), &mut records, "ann@mill", Timestamp(1));
        zone(None).apply(&inventory(), &mut records, "ann@mill", Timestamp(2));
        let record = records.nodes[&inventory().name].clone();
        assert_eq!((record.availability, record.abandons_data), (Some(Availability::Drain), true));
        assert_eq!(record.labels, [("zone".to_owned(), None)].into());
        // A drain without force takes nothing back, and the second time nothing changes, not even the time.
        drain(false).apply(&inventory(), &mut records, "ann@mill", Timestamp(3));
        assert_eq!(records.nodes[&inventory().name], record);
        zone(Some("a")).apply(&inventory(), &mut records, "ann@mill", Timestamp(4));
        let active = Change { availability: Some(Availability::Active), ..Change::default() };
        active.apply(&inventory(), &mut records, "ann@mill", Timestamp(5));
        assert_eq!(records, NodeRecords::default());
    }

    #[test]
    fn a_fenced_node_is_off_until_a_person_lets_it_back() {
        let mut records = NodeRecords::default();
        drain(true).apply(&inventory(), &mut records, "ann@mill", Timestamp(1));
        let off = Fence { state: FenceState::Off, who: "loop@mill".into(), at: Timestamp(1) };
        records.nodes.get_mut(&inventory().name).unwrap().fence = Some(off.clone());
        let label = Change { labels: [("a".to_owned(), Some("b".to_owned()))].into(), ..Change::default() };
        label.apply(&inventory(), &mut records, "ann@mill", Timestamp(2));
        assert_eq!(records.nodes[&inventory().name].fence, Some(off));
        let active = Change { availability: Some(Availability::Active), ..Change::default() };
        active.apply(&inventory(), &mut records, "ann@mill", Timestamp(3));
        let record = &records.nodes[&inventory().name];
        assert_eq!((record.fence.as_ref(), record.availability, record.abandons_data), (None, None, false));
    }

    #[test]
    fn what_changes_is_listed_value_by_value() {
        let mut after = inventory();
        after.availability = Availability::Pause;
        after.labels = [("disk".to_owned(), String::new())].into();
        assert_eq!(
            differences(&inventory(), &after),
            [
                Difference::Availability(Availability::Active, Availability::Pause),
                Difference::Label("disk".to_owned(), None, Some(String::new())),
                Difference::Label("zone".to_owned(), Some("a".to_owned()), None),
            ]
        );
    }
}
