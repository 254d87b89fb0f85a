//! Nodes as they were before an update: what of them is to be put back, and whether that still can be.

use std::collections::BTreeMap;

use super::update::Change;
use crate::inventory::Inventory;
use crate::ledger::nodes::{NodeRecord, NodeRecords};
use crate::ledger::operation::Changed;
use crate::model::NodeName;
use crate::model::node::{Availability, Member};

/// What puts nodes back.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Returns {
    /// Changes, each with the nodes that it is for, in the order in which they are to be made.
    pub changes: Vec<(BTreeMap<NodeName, Member>, Change)>,
    /// Nodes that the inventory does not have any more: nothing is changed about them.
    pub left_out: Vec<NodeName>,
}

/// The first node that is not as the changes have left it: it was changed again since.
#[must_use]
pub fn overtaken<'a>(now: &NodeRecords, changes: &'a [Changed]) -> Option<&'a NodeName> {
    changes.iter().find_map(|one| match one {
        Changed::Node { node, before, after } => {
            let now = now.nodes.get(node);
            fields(before.as_deref(), after.as_deref())
                .into_iter()
                .any(|field| value(now, &field) != value(after.as_deref(), &field))
                .then_some(node)
        }
        _ => None,
    })
}

/// What makes nodes what they were before these changes. Nodes that need the same are put back together.
#[must_use]
pub fn returns(inventory: &Inventory, changes: &[Changed]) -> Returns {
    let mut all = Returns::default();
    for one in changes {
        let Changed::Node { node, before, after } = one else { continue };
        let Some(host) = inventory.hosts.get(node.as_str()) else {
            all.left_out.push(node.clone());
            continue;
        };
        let change = to_before(&host.member, before.as_deref(), after.as_deref());
        match all.changes.iter_mut().find(|(_, same)| *same == change) {
            Some((nodes, _)) => {
                nodes.insert(node.clone(), host.member.clone());
            }
            None => all.changes.push(([(node.clone(), host.member.clone())].into(), change)),
        }
    }
    all
}

/// The change that leads back from `after`. What was not recorded before is as the inventory has it.
fn to_before(inventory: &Member, before: Option<&NodeRecord>, after: Option<&NodeRecord>) -> Change {
    let mut change = Change::default();
    for field in fields(before, after) {
        match field {
            Field::Availability => {
                let then = before.and_then(|record| record.availability);
                let then = then.unwrap_or(inventory.availability);
                change.availability = Some(then);
                change.force = then == Availability::Drain && before.is_some_and(|one| one.abandons_data);
            }
            Field::Role => {
                change.role = Some(before.and_then(|record| record.role).unwrap_or(inventory.role));
            }
            Field::Label(key) => {
                let then = match before.and_then(|record| record.labels.get(&key)) {
                    Some(then) => then.clone(),
                    None => inventory.labels.get(&key).cloned(),
                };
                change.labels.insert(key, then);
            }
        }
    }
    change
}

/// What of a node can be changed by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Field {
    Availability,
    Role,
    Label(String),
}

/// A value as text: only to be compared.
fn value(record: Option<&NodeRecord>, field: &Field) -> Option<String> {
    let record = record?;
    match field {
        Field::Availability => record.availability.map(|word| word.to_string()),
        Field::Role => record.role.map(|word| word.to_string()),
        Field::Label(key) => record.labels.get(key).map(|value| format!("{value:?}")),
    }
}

/// What differs.
fn fields(before: Option<&NodeRecord>, after: Option<&NodeRecord>) -> Vec<Field> {
    let keys = [before, after].into_iter().flatten().flat_map(|record| record.labels.keys().cloned());
    let keys: std::collections::BTreeSet<String> = keys.collect();
    let all = [Field::Availability, Field::Role].into_iter().chain(keys.into_iter().map(Field::Label));
    all.filter(|field| value(before, field) != value(after, field)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Timestamp;

    #[test]
    fn only_what_was_changed_is_compared() {
        let record = |availability, labels: &[(&str, &str)]| NodeRecord {
            availability,
            role: None,
            labels: labels
                .iter()
                .map(|(key, value)| ((*key).to_owned(), Some((*value).to_owned())))
                .collect::<BTreeMap<_, _>>(),
            abandons_data: false,
            fence: None,
            who: "ann@mill".into(),
            at: Timestamp(5),
        };
        let before = record(None, &[("zone", "a")]);
        let after = record(Some(Availability::Drain), &[("zone", "a"), ("disk", "ssd")]);
        assert_eq!(
            fields(Some(&before), Some(&after)),
            [Field::Availability, Field::Label("disk".to_owned())]
        );
        assert_eq!(fields(None, Some(&before)), [Field::Label("zone".to_owned())]);
        assert_eq!(fields(Some(&after), Some(&NodeRecord { at: Timestamp(9), ..after.clone() })), []);
    }

    #[test]
    fn nodes_go_back_together_and_one_that_was_changed_since_is_named() {
        let page =
            "cluster: test\nhosts:\n  h1: ssh://h1\n  h2: { address: ssh://h2, labels: { zone: a } }\n";
        let (inventory, _) = crate::inventory::parse(page, "hosts.yml").unwrap();
        let drained = |zone: Option<&str>| NodeRecord {
            availability: Some(Availability::Drain),
            role: None,
            labels: [("zone".to_owned(), zone.map(str::to_owned))].into(),
            abandons_data: false,
            fence: None,
            who: "ann@mill".into(),
            at: Timestamp(5),
        };
        let changed = |node: &str, zone: Option<&str>| Changed::Node {
            node: NodeName::unchecked(node),
            before: None,
            after: Some(Box::new(drained(zone))),
        };
        let changes = [changed("h1", Some("b")), changed("gone", Some("b")), changed("h2", Some("b"))];
        let back = |zone: Option<&str>| Change {
            availability: Some(Availability::Active),
            labels: [("zone".to_owned(), zone.map(str::to_owned))].into(),
            ..Change::default()
        };
        let (h1, h2) = (NodeName::unchecked("h1"), NodeName::unchecked("h2"));
        let of =
            |node: &NodeName| BTreeMap::from([(node.clone(), inventory.hosts[node.as_str()].member.clone())]);
        assert_eq!(
            returns(&inventory, &changes),
            Returns {
                changes: vec![(of(&h1), back(None)), (of(&h2), back(Some("a")))],
                left_out: vec![NodeName::unchecked("gone")],
            }
        );
        let alike = [changed("h1", Some("b")), changed("h1", Some("b"))];
        assert_eq!(returns(&inventory, &alike).changes, [(of(&h1), back(None))]);
        let mut now = NodeRecords::default();
        now.nodes.insert(h1.clone(), drained(Some("b")));
        assert_eq!(overtaken(&now, &changes[..1]), None);
        now.nodes.insert(h1.clone(), drained(Some("c")));
        assert_eq!(overtaken(&now, &changes[..1]), Some(&h1));
    }
}
