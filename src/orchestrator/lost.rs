//! The last observations of lost nodes.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{NodeFacts, NodeName, NodeView, Observed};

/// Puts the last observations of lost nodes into a new one, so that it is known what ran there; a node that
/// answers is not lost, whatever the caller says. One that its source of discovery names no more is.
pub fn remember_lost(
    observed: &mut Observed,
    lost: &mut BTreeSet<NodeName>,
    last_seen: &BTreeMap<NodeName, NodeFacts>,
) {
    lost.extend(observed.left().cloned());
    lost.retain(|node| observed.nodes.get(node).is_some_and(|node| node.view.facts().is_none()));
    for node in lost.iter() {
        if let (Some(node), Some(facts)) = (observed.nodes.get_mut(node), last_seen.get(node)) {
            node.view = NodeView::Facts(Box::new(facts.clone()));
        }
    }
}
