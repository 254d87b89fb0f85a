//! One observation of a cluster. May be partial: an unreachable node is a result, not an absence.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::ids::{ClusterName, NodeName, ServiceName, SpecHash, StackName, TaskId};
use super::in_place::InPlaceRecords;
use super::known::{KnownMembers, ReleaseKey};
use super::marks::{MarkKey, Marks};
use super::node::{Availability, Member, NodeFacts, NodeView, Unreachable, UnreadableContainer};
use super::spec::{StackSpec, TaskSpec};
use super::task::Task;
use super::time::Timestamp;

/// One observation of every node of a cluster.
#[derive(Debug, Clone, PartialEq)]
pub struct Observed {
    pub cluster: ClusterName,
    /// When, by our own clock.
    pub at: Timestamp,
    /// The key of the cluster's marks.
    pub key: MarkKey,
    /// To whom values of releases are encrypted; `None` in a cluster without a key for that.
    pub release_key: Option<ReleaseKey>,
    /// Every member of the inventory, silent ones too, and those that are [remembered](super::known) and not named.
    pub nodes: BTreeMap<NodeName, ObservedNode>,
    /// Nodes that did not answer and have the facts of an earlier look, and why they did not answer. Plans go by those
    /// facts as far as they can be trusted; nothing is written down by them.
    pub remembered: BTreeMap<NodeName, Unreachable>,
    /// Bytes of memory that tasks use, of those that were asked: a limit below that would end them.
    pub memory_use: BTreeMap<TaskId, i64>,
    /// What was changed in place, as the ledger remembers it. Tasks have it already: their specs are as they are now.
    pub in_place: InPlaceRecords,
    /// Tasks of which it is not known what was changed in place: their containers were asked, and did not answer. Their specs
    /// are as their labels have them.
    pub unsure: BTreeSet<TaskId>,
    /// What the ledger remembers of members.
    pub known: KnownMembers,
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
    /// Puts tasks under the cluster's key: their hashes are those of this version, whatever version made them. Tasks
    /// under another key stay as they are. What only carries the labels of a task is none from now on.
    pub fn settle(&mut self) {
        let (key, id) = (self.key.clone(), self.key.id());
        // Tasks of a service share their spec, and so their hash.
        let mut known: BTreeMap<(StackName, ServiceName, usize), SpecHash> = BTreeMap::new();
        for task in self.tasks_mut().filter(|task| task.key_id.as_deref().is_none_or(|of| of == id)) {
            let at = (task.stack.clone(), task.service.clone(), Arc::as_ptr(&task.spec) as usize);
            let hash =
                known.entry(at).or_insert_with(|| Marks::of(&key, &task.stack, &task.service).hash_of(task));
            task.spec_hash = hash.clone();
        }
        self.part_copies();
    }

    /// Shows the values of tasks that are those of a known spec of their stack: what differs can then be told in words.
    pub fn unmask(&mut self, known: &StackSpec) {
        let (key, id) = (self.key.clone(), self.key.id());
        let mut seen: BTreeMap<(ServiceName, usize), Arc<TaskSpec>> = BTreeMap::new();
        let is_ours =
            |task: &&mut Task| task.stack == known.name && task.key_id.as_deref() == Some(id.as_str());
        for task in self.tasks_mut().filter(is_ours) {
            let Some(service) = known.services.get(&task.service) else { continue };
            let at = (task.service.clone(), Arc::as_ptr(&task.spec) as usize);
            let spec = seen.entry(at).or_insert_with(|| {
                Arc::new(Marks::of(&key, &task.stack, &task.service).unmasked(&task.spec, &service.task))
            });
            task.spec = Arc::clone(spec);
        }
    }

    /// Gives tasks the specs that their containers were found to be made with. A task that was asked for and not found is
    /// not understood from now on. Hashes of the others stay: [`Self::settle`] may not be repeated once values are shown.
    pub fn reveal(&mut self, found: &BTreeMap<TaskId, Option<Arc<TaskSpec>>>) {
        let key = self.key.clone();
        const WHY: &str =
            "its values are marked with a key that is lost, and the container does not show them";
        for facts in self.nodes.values_mut().filter_map(|node| node.view.facts_mut()) {
            for mut task in std::mem::take(&mut facts.tasks) {
                match found.get(&task.id) {
                    None => facts.tasks.push(task),
                    Some(Some(spec)) => {
                        task.spec_hash = Marks::of(&key, &task.stack, &task.service).hash(spec);
                        task.spec = Arc::clone(spec);
                        task.key_id = None;
                        facts.tasks.push(task);
                    }
                    Some(None) => facts.unreadable.push(UnreadableContainer {
                        is_live: task.is_live(),
                        name: task.container,
                        stack: Some(task.stack),
                        why: WHY.to_owned(),
                    }),
                }
            }
        }
    }

    pub(super) fn tasks_mut(&mut self) -> impl Iterator<Item = &mut Task> {
        self.nodes.values_mut().filter_map(|node| node.view.facts_mut()).flat_map(|facts| &mut facts.tasks)
    }

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

    /// Members with facts: those that [answered](Self::answered), and those whose facts are of an earlier look.
    pub fn reachable(&self) -> impl Iterator<Item = (&Member, &NodeFacts)> {
        self.nodes.values().filter_map(|node| node.view.facts().map(|facts| (&node.member, facts)))
    }

    /// Members that answered this look, with their facts.
    pub fn answered(&self) -> impl Iterator<Item = (&Member, &NodeFacts)> {
        self.reachable().filter(|(member, _)| !self.remembered.contains_key(&member.name))
    }

    /// Every task that was seen, ordered by node.
    pub fn tasks(&self) -> impl Iterator<Item = &Task> {
        self.reachable().flat_map(|(_, facts)| &facts.tasks)
    }
}
