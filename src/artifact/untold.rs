//! Secrets and configs of the cluster in a comparison with a snapshot. What they are is in the ledger, and so is the key with
//! which versions of secrets are made: it cannot be told whether a value is another one, so they are taken out of the
//! comparison on both sides.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::model::node::NodeView;
use crate::model::{Marks, Observed, StackSpec, TaskSpec};

/// What stands in the place of each version.
const UNTOLD: &str = "untold";

/// What is the same on both sides now, by the keys of the stackfile.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Untold {
    /// All secrets of the stack.
    pub secrets: Vec<String>,
    /// Configs that a command made, which the stack names `external`.
    pub configs: Vec<String>,
}

/// Makes the secrets of a stack, and the configs that it does not bring, the same in what is wanted and in what was seen.
pub fn make_untold(observed: &mut Observed, spec: &mut StackSpec) -> Untold {
    let of_command = spec.configs.iter().filter(|(_, config)| config.external);
    let configs: BTreeSet<String> = of_command.map(|(key, _)| key.clone()).collect();
    let Observed { key, nodes, .. } = observed;
    let id = key.id();
    for node in nodes.values_mut() {
        let NodeView::Facts(facts) = &mut node.view else { continue };
        for task in facts.tasks.iter_mut().filter(|task| task.stack == spec.name) {
            let marks = Marks::of(key, &task.stack, &task.service);
            if !make_files_untold(&mut task.spec, &configs) {
                continue;
            }
            // Without the key there is no other hash, and the service counts as different.
            if task.key_id.as_deref().is_none_or(|of| of == id) {
                task.spec_hash = marks.hash(&task.spec);
            }
        }
    }
    for service in spec.services.values_mut() {
        make_files_untold(&mut service.task, &configs);
    }
    for secret in spec.secrets.values_mut() {
        UNTOLD.clone_into(&mut secret.version);
    }
    for config in spec.configs.values_mut().filter(|config| config.external) {
        UNTOLD.clone_into(&mut config.digest);
        config.template_driver = None;
    }
    Untold { secrets: spec.secrets.keys().cloned().collect(), configs: configs.into_iter().collect() }
}

/// Takes contents of secrets and of these configs out of a task; whether it has any.
fn make_files_untold(task: &mut Arc<TaskSpec>, configs: &BTreeSet<String>) -> bool {
    if task.secrets.is_empty() && !task.configs.values().any(|mount| configs.contains(&mount.source)) {
        return false;
    }
    let task = Arc::make_mut(task);
    for mount in task.secrets.values_mut() {
        UNTOLD.clone_into(&mut mount.content);
    }
    for mount in task.configs.values_mut().filter(|mount| configs.contains(&mount.source)) {
        UNTOLD.clone_into(&mut mount.content);
        mount.template_driver = None;
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::testing::{
        cluster, facts, file_mount, node, node_name, replicated, stack, task_of, with_task,
    };
    use crate::model::{MarkKey, ServiceSpec};

    /// A service with a secret of that version, and a value that is hidden.
    fn service(version: &str, value: &str) -> ServiceSpec {
        with_task(replicated("web", 1), |task| {
            task.environment.insert("A".into(), Some(value.into()));
            let mount = file_mount("db", version);
            task.secrets.insert("/run/secrets/db".into(), mount);
        })
    }

    #[test]
    fn another_version_of_a_secret_is_no_difference_and_another_value_is_one() {
        let key = MarkKey::new([7; 32]);
        let was = service("v1", "one");
        for (value, is_same) in [("one", true), ("two", false)] {
            let mut wanted = stack(vec![service("v2", value)]);
            let name = wanted.name.clone();
            let marks = Marks::of(&key, &name, &was.name);
            let mut task = task_of(&wanted.name, &was, 1);
            task.spec = Arc::new(marks.masked(&was.task));
            (task.key_id, task.spec_hash) = (Some(Arc::from(key.id())), marks.hash(&was.task));
            let mut observed = cluster(vec![node("n000001")]);
            observed.key = key.clone();
            facts(observed.nodes.get_mut(&node_name("n000001")).unwrap()).tasks.push(task);
            assert!(make_untold(&mut observed, &mut wanted).secrets.is_empty(), "it is not at the top");
            let task = observed.tasks().next().unwrap();
            let now = &wanted.services.values().next().unwrap().task;
            assert_eq!(task.spec_hash == marks.hash(now), is_same, "{value}");
        }
    }
}
