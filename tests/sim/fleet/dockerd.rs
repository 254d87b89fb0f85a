//! What engines do: containers by Docker's rules ([`crate::life`]), and stops that take their grace period, whether or
//! not the client that asked still listens.

use std::collections::BTreeMap;
use std::time::Duration;

use stackctl::model::action::{Action, Outcome, What};
use stackctl::model::node::{NodeFacts, NodeView, UnreadableContainer};
use stackctl::model::{NodeName, StackName, TaskId, TaskStatus};
use tokio::time::sleep;

use super::{Net, World, lock};
use crate::commands::rules::Rules;

/// An engine, beside its containers.
#[derive(Debug, Default)]
pub struct Dockerd {
    /// Containers that are being stopped, and until when.
    pub stopping: BTreeMap<TaskId, i64>,
    /// Containers that a person renamed, or whose labels cannot be read.
    pub unreadable: BTreeMap<TaskId, String>,
}

impl World {
    /// What a host tells of itself.
    pub fn facts(&mut self, node: &NodeName) -> Box<NodeFacts> {
        let NodeView::Facts(facts) = &self.hosts.base.nodes[node].view else {
            panic!("no host is silent by itself")
        };
        let mut facts = facts.clone();
        let unreadable = &self.dockerd[node].unreadable;
        for container in self.hosts.containers[node].values() {
            let task = &container.task;
            match unreadable.get(&task.id) {
                None => facts.tasks.push(task.clone()),
                Some(why) => facts.unreadable.push(UnreadableContainer {
                    name: task.container.clone(),
                    stack: Some(task.stack.clone()),
                    is_live: task.is_live(),
                    why: why.clone(),
                }),
            }
        }
        facts
    }

    pub fn tasks_of(&self, node: &NodeName, stack: &StackName) -> Vec<(TaskId, TaskStatus)> {
        let unreadable = &self.dockerd[node].unreadable;
        let of_stack = self.hosts.containers[node].values().map(|container| &container.task);
        of_stack
            .filter(|task| task.stack == *stack && !unreadable.contains_key(&task.id))
            .map(|task| (task.id.clone(), task.status))
            .collect()
    }

    fn status(&self, node: &NodeName, task: &TaskId) -> Option<TaskStatus> {
        Some(self.hosts.containers[node].get(task)?.task.status)
    }

    fn effect(&mut self, action: &Action) -> Outcome {
        let now = self.now();
        self.hosts.settle(now.saturating_sub(self.hosts.now.0 - crate::commands::EPOCH_MS));
        self.hosts.carry_out(action)
    }
}

impl Net {
    /// An action as it takes effect on its host, and its answer.
    pub async fn carry_out(&self, process: usize, stack: &StackName, action: &Action) -> Outcome {
        if let What::StopTask { task, grace } = &action.what {
            let grace_ms = grace.map_or(10_000, |grace| grace.as_millis());
            self.stop(process, stack, action, &task.id, grace_ms).await;
            return Outcome::Done;
        }
        let mut world = lock(self);
        let id = action.what.task().map(|task| task.id);
        let before = id.as_ref().and_then(|id| world.status(&action.node, id));
        let outcome = world.effect(action);
        let after = id.as_ref().and_then(|id| world.status(&action.node, id));
        if !action.what.is_pull() {
            Rules::effect(&mut world, process, stack, action, before != after);
        }
        outcome
    }

    /// The engine sends the signal, waits, and kills: it does not matter to it who still listens.
    async fn stop(&self, process: usize, stack: &StackName, action: &Action, task: &TaskId, grace_ms: i64) {
        let node = &action.node;
        let (until, is_begun) = {
            let mut world = lock(self);
            let (now, status) = (world.now(), world.status(node, task));
            if !status.is_some_and(|status| {
                matches!(status, TaskStatus::Running { .. } | TaskStatus::Restarting { .. })
            }) {
                return;
            }
            let ends = now + world.program_ends_ms(node, task, grace_ms);
            let begun = world.dockerd.get_mut(node).expect("known");
            let is_begun = begun.stopping.contains_key(task);
            // The sooner of two stops ends it.
            let until = begun.stopping.get(task).map_or(ends, |other| ends.min(*other));
            begun.stopping.insert(task.clone(), until);
            Rules::effect(&mut world, process, stack, action, !is_begun);
            (until, is_begun)
        };
        let _ = is_begun;
        loop {
            let left = until - lock(self).now();
            if left <= 0 {
                break;
            }
            sleep(Duration::from_millis(left.unsigned_abs())).await;
        }
        let mut world = lock(self);
        if world.dockerd.get_mut(node).expect("known").stopping.remove(task).is_some() {
            world.effect(action);
            world.say(format_args!("{task} on {node} has stopped"));
            Rules::changed(&mut world);
        }
    }
}

impl World {
    /// How long the program takes once it gets the signal: the one of `slow` ignores it.
    fn program_ends_ms(&mut self, node: &NodeName, task: &TaskId, grace_ms: i64) -> i64 {
        let is_deaf = self.hosts.containers[node][task].task.service.as_str() == "slow";
        if is_deaf { grace_ms } else { self.luck.between(10, 300).min(grace_ms) }
    }
}
