//! Volumes that engines made for tasks, and tasks with secrets, as they were seen in lists of containers.
//!
//! An engine forgets whose such a volume was once the container is removed. What was seen before that is kept here until
//! it is [written down](crate::ledger::volumes); no call is made for it.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::action::TaskHandle;
use crate::model::volume::{AnonymousVolume, AnonymousVolumes};
use crate::model::{NodeFacts, NodeName, StackName, Task, TaskId, TaskStatus, secret_env};

/// Those of one node, by name.
type Here = BTreeMap<String, (StackName, AnonymousVolume)>;

/// By node and name.
#[derive(Debug, Default)]
pub(super) struct Sightings {
    volumes: BTreeMap<NodeName, Here>,
    /// Tasks that have files in their host's memory.
    with_secrets: BTreeMap<NodeName, BTreeSet<TaskId>>,
    /// Tasks that an engine could not start for want of their secrets. An agent that gets these starts them.
    waiting: BTreeMap<NodeName, Vec<TaskHandle>>,
}

/// What engines say of a task whose files were not there: as a shell says it of a program.
const NOT_FOUND: i64 = 127;

fn is_waiting(task: &Task) -> bool {
    let has_any = !task.spec.secrets.is_empty() || secret_env::names(&task.spec).next().is_some();
    has_any && task.status == TaskStatus::Exited { exit_code: NOT_FOUND }
}

fn add(here: &mut Here, name: String, stack: &StackName, made: AnonymousVolume) {
    let made = made.with_known(here.get(&name).map(|(_, known)| known));
    here.insert(name, (stack.clone(), made));
}

impl Sightings {
    /// A whole look at a host: what it no longer has is dropped, so that a process that never ends keeps no more than
    /// there is.
    pub(super) fn observed(&mut self, node: &NodeName, facts: &NodeFacts) {
        let with_secrets = facts.tasks.iter().filter(|task| !task.spec.secrets.is_empty());
        let waiting = facts.tasks.iter().filter(|task| is_waiting(task)).map(|task| TaskHandle {
            id: task.id.clone(),
            stack: task.stack.clone(),
            service: task.service.clone(),
            slot: task.slot.clone(),
        });
        self.waiting.insert(node.clone(), waiting.collect());
        self.with_secrets.insert(node.clone(), with_secrets.map(|task| task.id.clone()).collect());
        let mut here = self.volumes.remove(node).unwrap_or_default();
        here.retain(|name, _| facts.volumes.contains(name));
        for (name, stack, made) in facts.anonymous_volumes() {
            add(&mut here, name.to_owned(), stack, made.clone());
        }
        if !here.is_empty() {
            self.volumes.insert(node.clone(), here);
        }
    }

    /// A look at the tasks of one stack.
    pub(super) fn looked(&mut self, node: &NodeName, stack: &StackName, all: Vec<(String, AnonymousVolume)>) {
        if !all.is_empty() {
            let here = self.volumes.entry(node.clone()).or_default();
            all.into_iter().for_each(|(name, made)| add(here, name, stack, made));
        }
    }

    /// Those of a stack.
    pub(super) fn of(&self, stack: &StackName) -> AnonymousVolumes {
        let mut found = AnonymousVolumes::new();
        for (node, all) in &self.volumes {
            let ours = all.iter().filter(|(_, (of, _))| of == stack);
            let ours: BTreeMap<_, _> = ours.map(|(name, (_, made))| (name.clone(), made.clone())).collect();
            if !ours.is_empty() {
                found.insert(node.clone(), ours);
            }
        }
        found
    }

    /// A task was made whose files are in its host's memory.
    pub(super) fn made_with_secrets(&mut self, node: &NodeName, task: &TaskId) {
        self.with_secrets.entry(node.clone()).or_default().insert(task.clone());
    }

    /// Those that wait for their secrets in the slot of this task, on any node. Each is named once.
    pub(super) fn take_waiting(&mut self, of: &TaskHandle) -> Vec<(NodeName, TaskHandle)> {
        let mut taken = Vec::new();
        for (node, all) in &mut self.waiting {
            let is_of = |task: &mut TaskHandle| {
                (&task.stack, &task.service, &task.slot) == (&of.stack, &of.service, &of.slot)
            };
            taken.extend(all.extract_if(.., is_of).map(|task| (node.clone(), task)));
        }
        taken
    }

    /// Whether a task has files in its host's memory.
    pub(super) fn has_secrets(&self, node: &NodeName, task: &TaskId) -> bool {
        self.with_secrets.get(node).is_some_and(|tasks| tasks.contains(task))
    }

    /// Those of a task that were made for config files: names, and where they were mounted.
    pub(super) fn for_files(&self, node: &NodeName, task: &TaskId) -> Vec<(String, String)> {
        let all = self.volumes.get(node).into_iter().flatten();
        let ours = all.filter(|(_, (_, made))| made.is_for_files && made.task == *task);
        ours.map(|(name, (_, made))| (name.clone(), made.target.clone())).collect()
    }
}
