//! What an action does on its host, and how its containers live from then on.

use stackctl::model::action::{Action, Failure, FailureKind, Outcome, TaskPlan, What};
use stackctl::model::spec::Healthcheck;
use stackctl::model::{NodeName, Task, TaskId, TaskStatus};

use super::{Happening, World};
use crate::container::Container;
use crate::life::{self, Effect};
use crate::{checks, probes};

impl World {
    pub fn carry_out(&mut self, action: &Action) -> Outcome {
        let node = action.node.clone();
        match &action.what {
            What::CreateNetwork { network } => {
                let facts = self.facts(&node);
                facts.networks.insert(
                    network.name.clone(),
                    stackctl::model::node::ObservedNetwork {
                        id: network.name.clone(),
                        driver: "bridge".into(),
                        stack: Some(crate::builder::STACK.into()),
                        cluster: Some("test".into()),
                        spec_hash: Some(network.hash().to_string()),
                        key_id: None,
                    },
                );
                Outcome::Done
            }
            What::CreateVolume { volume } => {
                self.facts(&node).volumes.insert(volume.name.clone());
                Outcome::Done
            }
            What::RemoveNetwork { name } => {
                self.facts(&node).networks.remove(&**name);
                Outcome::Done
            }
            What::PullImage { image } => {
                if self.luck.once_in(self.faults.failed_pull_in) {
                    return Outcome::Failed(refused("the registry says no"));
                }
                self.facts(&node).images.insert(image.to_string());
                Outcome::Done
            }
            What::UpdateTask { task, update } => match self.container(&node, &task.id) {
                None => Outcome::Failed(refused("no such container")),
                Some(container) => {
                    container.update(update);
                    Outcome::Done
                }
            },
            What::CreateTask { task } => self.create(&node, task),
            What::StartTask { task } => self.start(&node, &task.id),
            What::StartAgain { task } => self.start(&node, &task.id),
            What::StopTask { task, .. } => {
                let now = self.now;
                if let Some(container) = self.container(&node, &task.id) {
                    container.stop(now, life::TERMINATED);
                }
                Outcome::Done
            }
            What::RemoveTask { task } => {
                let containers = self.containers.get_mut(&node).expect("known node");
                let effect = containers.get(&task.id).map(|container| container.life.if_removed(false));
                if effect == Some(Effect::Refused) {
                    return Outcome::Failed(refused("it is running"));
                }
                containers.remove(&task.id);
                Outcome::Done
            }
        }
    }

    fn create(&mut self, node: &NodeName, task: &TaskPlan) -> Outcome {
        let containers = self.containers.get_mut(node).expect("known node");
        if containers.contains_key(&task.id) {
            return Outcome::Done;
        }
        let name = task.container_name();
        let names = containers.values().map(|other| (&*other.task.container, ()));
        if life::named(&name, names).is_some() {
            return Outcome::Failed(refused("the container name is already in use"));
        }
        let container = Container::new(Task {
            id: task.id.clone(),
            stack: task.service.stack.clone(),
            service: task.service.service.clone(),
            slot: task.slot.clone(),
            node: node.clone(),
            attempt: task.attempt,
            is_job: task.service.is_job,
            spec_hash: task.service.spec_hash.clone(),
            spec: task.service.spec.clone(),
            key_id: None,
            container: name,
            status: TaskStatus::Created,
            created_at: self.now,
            since: None,
            published: Vec::new(),
        });
        containers.insert(task.id.clone(), container);
        Outcome::Done
    }

    fn start(&mut self, node: &NodeName, id: &TaskId) -> Outcome {
        let Some(container) = self.containers[node].get(id) else {
            return Outcome::Failed(refused("no such container"));
        };
        match container.life.if_started() {
            Effect::Nothing => return Outcome::Started(container.task.status),
            Effect::Refused => return Outcome::Failed(refused("it is paused")),
            Effect::Changes => {}
        }
        let others = self.containers[node].values().filter(|other| other.task.id != *id);
        let taken = life::taken(&container.bindings(), others.map(|other| (&other.life, other.bindings())));
        if taken.is_some() {
            checks::port_taken(self, node, id);
            return Outcome::Failed(refused("port is already allocated"));
        }
        if self.luck.once_in(self.faults.failed_start_in) {
            return Outcome::Failed(refused("cannot start"));
        }
        let (now, has_check) = (self.now.0, self.check(node, id).is_some());
        let container = self.container(node, id).expect("it is about to run");
        container.lives(|life| life.start(now, has_check));
        Outcome::Started(self.begins(node, id))
    }

    fn check(&self, node: &NodeName, id: &TaskId) -> Option<Healthcheck> {
        let spec = &self.containers[node].get(id)?.task.spec;
        probes::effective(spec.healthcheck.as_ref(), self.image_checks.get(&spec.image))
    }

    /// A container runs: it may end well, if it is meant to, or crash, or never be well. How it stands at once.
    pub(super) fn begins(&mut self, node: &NodeName, id: &TaskId) -> TaskStatus {
        let check = self.check(node, id);
        let task = &self.containers[node][id].task;
        let (status, is_job) = (task.status, task.is_job);
        let does = |what: &str| task.spec.image.ends_with(what);
        let (ends, is_bad, is_undecided) = (does(":ends"), does(":bad"), does(":undecided"));
        if ends {
            self.ends(node, id, 0, "has done all it does");
            return self.containers[node][id].task.status;
        }
        let (node_name, task) = (node.clone(), id.clone());
        if check.is_some() && is_undecided {
            self.say(format!("{id} on {node} will never make up its mind"));
        } else if let Some(check) = check {
            let first = probes::first_ms(&check);
            let delay = if self.is_quick { first } else { first + self.luck.between(200, 3_000) };
            let health = if is_bad { life::Health::Unhealthy } else { life::Health::Healthy };
            self.at(delay, Happening::Judged { node: node_name, task, health });
        } else if is_bad {
            let delay = self.luck.between(1, 1_500);
            self.at(delay, Happening::Crash { node: node_name, task, by_chance: false });
        }
        if is_job {
            let delay = self.luck.between(100, 5_000);
            self.at(delay, Happening::JobDone { node: node.clone(), task: id.clone() });
        }
        if self.luck.once_in(self.faults.crash_in) {
            let delay = self.luck.between(1, 4_000);
            self.at(delay, Happening::Crash { node: node.clone(), task: id.clone(), by_chance: true });
        }
        status
    }

    /// A program ends by itself. Whether there was one to end.
    pub(super) fn ends(&mut self, node: &NodeName, id: &TaskId, code: i64, how: &str) -> bool {
        let now = self.now.0;
        let Some(container) = self.container(node, id) else { return false };
        if !container.lives(|life| life.end(now, code)) {
            return false;
        }
        let restarts_at = container.life.restarts_at();
        self.say(format!("{id} on {node} {how}"));
        if let Some(at) = restarts_at {
            // Never before the engine has waited; a busy host takes longer.
            let delay = self.luck.between(100, 2_000).max(at - now);
            self.at(delay, Happening::Restarted { node: node.clone(), task: id.clone() });
        }
        true
    }
}

fn refused(message: &str) -> Failure {
    Failure { kind: FailureKind::Refused, code: "sim::refused".into(), message: message.into(), help: None }
}
