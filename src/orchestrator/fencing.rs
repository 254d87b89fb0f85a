//! Which lost node is to be fenced now: a pure decision of the loop that has the lead.
//!
//! A node is fenced only for a slot whose data is there and that waits for it, once a loss, and never while half of the
//! fleet is silent: then it is as likely that this machine is cut off.

use std::collections::BTreeSet;

use super::note::Note;
use crate::model::NodeName;
use crate::model::spec::{OnNodeLoss, StackSpec};

/// What is known of the fleet.
#[derive(Debug, Clone, Copy)]
pub struct Fleet<'a> {
    /// How many members there are.
    pub members: usize,
    /// Members that do not answer, lost or not yet.
    pub silent: &'a BTreeSet<NodeName>,
    /// Members that count as lost.
    pub lost: &'a BTreeSet<NodeName>,
}

/// Lost nodes for which slots with data wait, by the notes of a plan. A service that asks to be held is no reason.
pub fn waited_for<'n>(spec: &'n StackSpec, notes: &'n [Note]) -> impl Iterator<Item = &'n NodeName> {
    notes.iter().filter_map(|note| match note {
        Note::Held { service, node, .. } => {
            let placement = spec.services.get(service).map(|service| service.placement.on_node_loss);
            (placement.flatten() != Some(OnNodeLoss::Hold)).then_some(node)
        }
        _ => None,
    })
}

/// The nodes to fence now. `waited_for` are those for which slots with data wait, `can_be` those that have a command,
/// and `tried` those for which it has run or runs.
#[must_use]
pub fn to_fence(
    fleet: Fleet<'_>,
    waited_for: &BTreeSet<NodeName>,
    can_be: &BTreeSet<NodeName>,
    tried: &BTreeSet<NodeName>,
) -> Vec<NodeName> {
    if fleet.silent.union(fleet.lost).count() * 2 >= fleet.members {
        return Vec::new();
    }
    let is_due =
        |node: &&NodeName| fleet.lost.contains(*node) && can_be.contains(*node) && !tried.contains(*node);
    waited_for.iter().filter(is_due).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(names: &[&str]) -> BTreeSet<NodeName> {
        names.iter().map(|name| NodeName::unchecked(name)).collect()
    }

    #[test]
    fn a_node_is_fenced_once_a_loss_for_what_waits_for_it() {
        let of = |lost: &[&str], waited_for: &[&str], can_be: &[&str], tried: &[&str]| {
            let lost = set(lost);
            let fleet = Fleet { members: 4, silent: &lost, lost: &lost };
            to_fence(fleet, &set(waited_for), &set(can_be), &set(tried))
        };
        let h2 = [NodeName::unchecked("h2")];
        assert_eq!(of(&["h2"], &["h2"], &["h1", "h2"], &[]), h2);
        for (lost, waited_for, can_be, tried) in [
            (&[][..], &["h2"][..], &["h2"][..], &[][..]),
            (&["h2"], &[], &["h2"], &[]),
            (&["h2"], &["h2"], &[], &[]),
            (&["h2"], &["h2"], &["h2"], &["h2"]),
        ] {
            assert_eq!(of(lost, waited_for, can_be, tried), []);
        }
    }

    #[test]
    fn a_service_that_asks_to_be_held_is_no_reason() {
        use crate::model::{Slot, testing};
        for (on_node_loss, is_reason) in [(None, true), (Some(OnNodeLoss::Hold), false)] {
            let mut db = testing::replicated("db", 1);
            db.placement.on_node_loss = on_node_loss;
            let (service, slot) = (db.name.clone(), Slot::Replica(1));
            let node = NodeName::unchecked("h2");
            let notes = [Note::Held { service, slot, node, why: String::new() }];
            let spec = testing::stack(vec![db]);
            assert_eq!(waited_for(&spec, &notes).count() == 1, is_reason, "{on_node_loss:?}");
        }
    }

    #[test]
    fn nothing_is_fenced_while_half_of_the_fleet_is_silent() {
        let (lost, h2) = (set(&["h2"]), set(&["h2"]));
        for (members, silent, is_fenced) in [
            (1, &["h2"][..], false),
            (2, &["h2"], false),
            (3, &["h2"], true),
            (3, &["h2", "h3"], false),
            (4, &["h2", "h3"], false),
            (5, &["h2", "h3"], true),
        ] {
            let silent = set(silent);
            let fleet = Fleet { members, silent: &silent, lost: &lost };
            assert_eq!(!to_fence(fleet, &h2, &h2, &set(&[])).is_empty(), is_fenced, "{members} {silent:?}");
        }
    }
}
