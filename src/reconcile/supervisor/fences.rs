//! Fences of lost nodes: begun for what waits for them, once a loss.

use std::collections::BTreeSet;

use super::event::ClusterEvent;
use super::options::ASK_AGAIN_MS;
use super::term::{Fencing, Term};
use super::world::{Command, Unfenced};
use crate::ledger::nodes::{Fence, FenceState, NodeRecords};
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
            observed.answered().map(|(member, _)| &member.name).filter(is_over).cloned().collect();
        // Said again at the next look, until it is written.
        self.out.extend(answering.into_iter().map(Command::ClearFence));
        let waited_for: BTreeSet<NodeName> =
            self.stacks.values().flat_map(|stack| &stack.waits_for).cloned().collect();
        let recorded =
            records.nodes.keys().filter(|node| of(node).is_some_and(|fence| self.is_tried(node, fence)));
        let decided =
            self.fenced.iter().filter(|(_, fencing)| fencing.again_at.is_none_or(|at| at > self.now));
        let tried: BTreeSet<NodeName> = decided.map(|(node, _)| node).chain(recorded).cloned().collect();
        let fleet = Fleet { members: self.roster.nodes.len(), silent: &silent, lost: &lost };
        for node in to_fence(fleet, &waited_for, &self.roster.fences, &tried) {
            let first = Fencing { decided: self.now, again_at: None };
            let decided = self.fenced.entry(node.clone()).or_insert(first).decided;
            self.fenced.insert(node.clone(), Fencing { decided, again_at: None });
            if decided == self.now {
                self.say(ClusterEvent::FenceBegan { node: node.clone() });
            }
            let seen = self.last_seen.get(&node).cloned().map(Box::new);
            self.out.push(Command::Fence { node, seen, decided });
        }
    }

    /// Whether a fence on record has run, or may have. One of ours that could not begin may have been written all the
    /// same; one that another process may not run is ours to try.
    fn is_tried(&self, node: &NodeName, fence: &Fence) -> bool {
        let is_ours = |fencing: &Fencing| fencing.again_at.is_some() && fencing.decided == fence.at;
        let was_not_begun = fence.state == FenceState::Running && self.fenced.get(node).is_some_and(is_ours);
        fence.state.has_begun() && !was_not_begun
    }

    pub(super) fn fence_ended(&mut self, node: NodeName, done: Result<(), Unfenced>) {
        let failed = match done {
            Ok(()) => None,
            Err(Unfenced::Failed(why)) => Some(why),
            Err(Unfenced::NotBegun(why)) => {
                // Decided again by another look: by then the node may have answered.
                let again_at = self.now.plus_ms(ASK_AGAIN_MS);
                if let Some(fencing) = self.fenced.get_mut(&node) {
                    fencing.again_at = Some(again_at);
                }
                self.look_at = self.look_at.min(again_at);
                return self.ledger_failed(format!("node {node} is not fenced yet: {why}"));
            }
        };
        let count = match &failed {
            None => &mut self.counts.nodes_fenced,
            Some(_) => &mut self.counts.fences_failed,
        };
        *count += 1;
        self.look_soon();
        self.say(ClusterEvent::FenceEnded { node, failed });
    }
}
