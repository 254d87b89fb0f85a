//! Fences of lost nodes: begun for what waits for them, once a loss.

use std::collections::BTreeSet;

use super::event::ClusterEvent;
use super::term::Term;
use super::world::Command;
use crate::ledger::nodes::{FenceState, NodeRecords};
use crate::model::{NodeName, Observed};
use crate::orchestrator::fencing::{Fleet, to_fence};

impl Term {
    /// Begins the fences that are due by a look, and forgets what came of those of nodes that answer again.
    pub(super) fn fence_lost(&mut self, observed: &Observed, records: &NodeRecords, may_fence: bool) {
        if !may_fence {
            return;
        }
        let (lost, silent) = (self.liveness.lost(), self.liveness.silent());
        let of = |node: &NodeName| records.nodes.get(node).and_then(|record| record.fence.as_ref());
        let is_over = |node: &&NodeName| {
            !lost.contains(*node) && of(node).is_some_and(|fence| fence.state != FenceState::Off)
        };
        let answering: Vec<NodeName> =
            observed.reachable().map(|(member, _)| &member.name).filter(is_over).cloned().collect();
        // Said again at the next look, until it is written.
        self.out.extend(answering.into_iter().map(Command::ClearFence));
        let waited_for: BTreeSet<NodeName> =
            self.stacks.values().flat_map(|stack| &stack.waits_for).cloned().collect();
        let recorded = records.nodes.keys().filter(|node| of(node).is_some());
        let tried: BTreeSet<NodeName> = self.fenced.iter().chain(recorded).cloned().collect();
        let fleet = Fleet { members: self.roster.nodes.len(), silent: &silent, lost: &lost };
        for node in to_fence(fleet, &waited_for, &self.roster.fences, &tried) {
            self.fenced.insert(node.clone());
            self.say(ClusterEvent::FenceBegan { node: node.clone() });
            let seen = self.last_seen.get(&node).cloned().map(Box::new);
            self.out.push(Command::Fence { node, seen });
        }
    }

    pub(super) fn fence_ended(&mut self, node: NodeName, done: Result<(), String>) {
        let count = match &done {
            Ok(()) => &mut self.counts.nodes_fenced,
            Err(_) => &mut self.counts.fences_failed,
        };
        *count += 1;
        self.look_soon();
        self.say(ClusterEvent::FenceEnded { node, failed: done.err() });
    }
}
