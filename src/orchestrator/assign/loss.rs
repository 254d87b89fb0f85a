//! Nodes that are given up: which of their tasks are recreated elsewhere, and which have to wait.
//!
//! A task without local data is as good on another node. One with local data is not: what it wrote stays
//! behind, and if the node is only cut off, two of them would write at once. Such a slot is *held*: it
//! waits for its node, with a note that says so, unless its service has opted in to
//! [`OnNodeLoss::Reschedule`].
//!
//! The same applies to a node that is drained: Swarm takes every task away and silently leaves the data
//! behind. Here a task with local data stays, or waits if it has ended or the node is silent, unless its
//! service has opted in or the node was drained by force.

use std::collections::BTreeMap;

use super::super::options::PlanOptions;
use crate::model::constraint::Constraint;
use crate::model::ids::{NodeName, ServiceName};
use crate::model::node::{Availability, Member, NodeFacts, NodeView, Unreachable};
use crate::model::spec::{Mount, OnNodeLoss, ServiceSpec, StackSpec, VolumeSpec};
use crate::model::task::{Slot, Task};
use crate::model::{Observed, StackName};

/// What is known of the nodes that are given up.
#[derive(Debug, Default)]
pub(super) struct Lost {
    /// Live tasks of the stack that were last seen there, by service and slot; of several the newest.
    tasks: BTreeMap<(ServiceName, Slot), Task>,
    /// Nodes of which nothing is known, or not all: anything may have run there.
    dark: Vec<Dark>,
    /// Silent nodes that are drained: what has local data may have stayed there.
    drained: Vec<Dark>,
}

/// A node of which nothing is known, or not all.
#[derive(Debug)]
struct Dark {
    member: Member,
    /// The inventory does not name it: its labels are not known, and any constraint may hold there.
    is_missing: bool,
}

impl Dark {
    fn of(member: &Member, observed: &Observed) -> Self {
        Self { member: member.clone(), is_missing: observed.is_missing(&member.name) }
    }
}

/// The observation without what was seen on lost nodes, and what that was.
pub(super) fn give_up(observed: &Observed, options: &PlanOptions, stack: &StackName) -> (Observed, Lost) {
    let mut left = observed.clone();
    let mut gone = Lost::default();
    for node in left.nodes.values_mut().filter(|node| options.lost.contains(&node.member.name)) {
        let name = &node.member.name;
        let why = match &node.view {
            NodeView::Unreachable(_) if !observed.may_hold(name, stack) => continue,
            NodeView::Unreachable(why) => why.clone(),
            NodeView::Facts(_) => observed.remembered.get(name).cloned().unwrap_or_else(|| Unreachable {
                since: observed.at,
                code: "stackctl::cluster::node_unreachable".to_owned(),
                reason: "given up as lost".to_owned(),
                help: None,
            }),
        };
        let facts = match std::mem::replace(&mut node.view, NodeView::Unreachable(why)) {
            NodeView::Facts(facts) => Some(facts),
            NodeView::Unreachable(_) => None,
        };
        // All tasks that can move have left a drained node.
        if node.member.availability != Availability::Drain
            && facts
                .as_ref()
                .is_none_or(|facts| may_have_more(observed, options, &node.member.name, facts, stack))
        {
            gone.dark.push(Dark::of(&node.member, observed));
        }
        let tasks = facts.into_iter().flat_map(|facts| facts.tasks);
        for task in tasks.filter(|task| task.stack == *stack && task.is_live()) {
            let key = (task.service.clone(), task.slot.clone());
            if gone.tasks.get(&key).is_none_or(|other| other.attempt < task.attempt) {
                gone.tasks.insert(key, task);
            }
        }
    }
    (left, gone)
}

/// Whether a node may have been given something of a stack after the look that its facts are of. The ledger knows of it
/// before a host does.
fn may_have_more(
    observed: &Observed,
    options: &PlanOptions,
    node: &NodeName,
    facts: &NodeFacts,
    stack: &StackName,
) -> bool {
    let is_recorded = || observed.known.get(node).is_some_and(|known| known.stacks.contains(stack));
    observed.remembered.contains_key(node)
        && (options.outdated.contains(node) || (is_recorded() && !facts.may_hold(stack)))
}

impl Lost {
    /// With the nodes that are silent and drained, lost or not.
    pub(super) fn and_drained(mut self, observed: &Observed, stack: &StackName) -> Self {
        let may_keep = |member: &&Member| {
            member.availability == Availability::Drain
                && !member.abandons_data
                && observed.may_hold(&member.name, stack)
        };
        let silent = observed.silent().map(|(member, _)| member);
        self.drained = silent.filter(may_keep).map(|member| Dark::of(member, observed)).collect();
        self
    }

    /// A drained node that is silent, where a task of the service may have stayed.
    pub(super) fn may_have_kept(&self, service: &ServiceSpec) -> Option<&NodeName> {
        could_be_on(&self.drained, service)
    }

    /// The task that was last seen in a slot, on a lost node.
    pub(super) fn task(&self, service: &ServiceName, slot: &Slot) -> Option<&Task> {
        self.tasks.get(&(service.clone(), slot.clone()))
    }

    /// Slots of a service whose task was last seen on a lost node.
    pub(super) fn slots(&self, service: &ServiceName) -> impl Iterator<Item = &Slot> {
        self.tasks.keys().filter(move |(name, _)| name == service).map(|(_, slot)| slot)
    }

    /// A lost node of which nothing is known, or not all, where a task of the service may be.
    pub(super) fn may_hide(&self, service: &ServiceSpec) -> Option<&NodeName> {
        could_be_on(&self.dark, service)
    }

    /// Whether nothing is lost.
    pub(super) fn is_empty(&self) -> bool {
        self.tasks.is_empty() && self.dark.is_empty()
    }
}

fn could_be_on<'m>(nodes: &'m [Dark], service: &ServiceSpec) -> Option<&'m NodeName> {
    let may = |Dark { member, is_missing }: &&Dark| {
        let constraints = service.placement.constraints.iter();
        let mut read = constraints.filter_map(|text| Constraint::parse(text).ok());
        *is_missing || read.all(|constraint| constraint.may_hold(member))
    };
    nodes.iter().find(may).map(|node| &node.member.name)
}

/// Why a service's tasks stay on a node that is drained, if they do. `on_node_loss: hold` is no reason
/// to stay on one that is drained on purpose.
pub(super) fn stays(service: &ServiceSpec, stack: &StackSpec) -> Option<String> {
    match service.placement.on_node_loss {
        Some(OnNodeLoss::Reschedule) => None,
        Some(OnNodeLoss::Hold) | None => {
            local_data(service, stack).map(|what| format!("{what} is on that node only"))
        }
    }
}

/// Why a service's tasks wait for their node rather than run elsewhere, if they do.
pub(crate) fn holds(service: &ServiceSpec, stack: &StackSpec) -> Option<String> {
    match service.placement.on_node_loss {
        Some(OnNodeLoss::Reschedule) => None,
        Some(OnNodeLoss::Hold) => Some("the service asks for it (`on_node_loss: hold`)".to_owned()),
        None => local_data(service, stack).map(|what| format!("{what} is on that node only")),
    }
}

/// Data of a service that is on one node only: a path of the host, or a named volume of the engine's own.
pub(crate) fn local_data(service: &ServiceSpec, stack: &StackSpec) -> Option<String> {
    service.task.volumes.values().find_map(|mount| match mount {
        Mount::Bind { source, .. } => Some(format!("host path {source}")),
        Mount::Volume { source: Some(name), .. } => {
            let declared = stack.volumes.values().find(|volume| volume.name == *name);
            declared.is_none_or(is_local).then(|| format!("volume {name}"))
        }
        Mount::Volume { source: None, .. } | Mount::Tmpfs { .. } | Mount::Npipe { .. } => None,
    })
}

/// The engine's own driver mounts from elsewhere, too, if its options say so.
fn is_local(volume: &VolumeSpec) -> bool {
    let remote = |kind: &String| matches!(kind.as_str(), "nfs" | "nfs4" | "cifs");
    volume.driver.as_deref().is_none_or(|driver| driver == "local")
        && !volume.driver_opts.get("type").is_some_and(remote)
}
