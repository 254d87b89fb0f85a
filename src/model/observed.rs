//! One observation of a cluster. May be partial: an unreachable node is a result, not an absence.

use std::collections::BTreeMap;

use super::ids::{ClusterName, NodeName};
use super::node::{Availability, Member, NodeFacts, NodeView, Unreachable};
use super::task::Task;
use super::time::Timestamp;

/// One observation of every node of a cluster.
#[derive(Debug, Clone, PartialEq)]
pub struct Observed {
    pub cluster: ClusterName,
    /// When, by our own clock.
    pub at: Timestamp,
    /// Every member of the inventory, silent ones too.
    pub nodes: BTreeMap<NodeName, ObservedNode>,
    /// Why it is not known what the ledger says of nodes, if so: members are then as the inventory has
    /// them, and one that was drained since looks active. Nothing is planned on that.
    pub records_unknown: Option<Unreachable>,
    /// Why it is not known which members there are, if so: a source of discovery fails, or names so few
    /// that it is more likely at fault. Nothing is planned on that.
    pub hosts_unknown: Option<Unreachable>,
}

/// A member and what was seen of it.
#[derive(Debug, Clone, PartialEq)]
pub struct ObservedNode {
    /// What is declared of it.
    pub member: Member,
    pub view: NodeView,
}

impl Observed {
    /// Members that did not answer.
    pub fn silent(&self) -> impl Iterator<Item = (&Member, &Unreachable)> {
        self.nodes.values().filter_map(|node| match &node.view {
            NodeView::Unreachable(why) => Some((&node.member, why)),
            NodeView::Facts(_) => None,
        })
    }

    /// Silent members that a deploy cannot do without. One that is set to `drain` is not needed: it
    /// takes no tasks, and any that still run there are handled when it is back.
    pub fn silent_and_needed(&self) -> impl Iterator<Item = (&Member, &Unreachable)> {
        self.silent().filter(|(member, _)| member.availability != Availability::Drain)
    }

    /// Members that answered, with their facts.
    pub fn reachable(&self) -> impl Iterator<Item = (&Member, &NodeFacts)> {
        self.nodes.values().filter_map(|node| node.view.facts().map(|facts| (&node.member, facts)))
    }

    /// Every task that was seen, ordered by node.
    pub fn tasks(&self) -> impl Iterator<Item = &Task> {
        self.reachable().flat_map(|(_, facts)| &facts.tasks)
    }
}
