//! Secrets and configs of the cluster in a comparison with a snapshot. What they are is in the ledger, and so is the key with
//! which versions of secrets are made: it cannot be told whether a value is another one, so they are taken out of the
//! comparison on both sides.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::model::node::NodeView;
use crate::model::spec::FileMount;
use crate::model::{Marks, Observed, StackSpec};

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
    let external = |key: &str| spec.configs.get(key).is_some_and(|config| config.external);
    let Observed { key, nodes, .. } = observed;
    let id = key.id();
    for node in nodes.values_mut() {
        let NodeView::Facts(facts) = &mut node.view else { continue };
        for task in facts.tasks.iter_mut().filter(|task| task.stack == spec.name) {
            let marks = Marks::of(key, &task.stack, &task.service);
            let was = &mut task.spec;
            let has_any =
                !was.secrets.is_empty() || was.configs.values().any(|mount| external(&mount.source));
            if !has_any {
                continue;
            }
            let was = Arc::make_mut(was);
            for mount in was.secrets.values_mut() {
                UNTOLD.clone_into(&mut mount.content);
            }
            for mount in of_cluster(&mut was.configs, external) {
                UNTOLD.clone_into(&mut mount.content);
                mount.template_driver = None;
            }
            // Without the key there is no other hash, and the service counts as different.
            if task.key_id.as_deref().is_none_or(|of| of == id) {
                task.spec_hash = marks.hash_of_shown(&task.spec);
            }
        }
    }
    let secrets = spec.secrets.keys().cloned().collect();
    let of_command = spec.configs.iter().filter(|(_, config)| config.external);
    let configs: Vec<String> = of_command.map(|(key, _)| key.clone()).collect();
    for service in spec.services.values_mut() {
        let wanted = Arc::make_mut(&mut service.task);
        for mount in wanted.secrets.values_mut() {
            UNTOLD.clone_into(&mut mount.content);
        }
        for mount in of_cluster(&mut wanted.configs, |key| configs.iter().any(|one| one == key)) {
            UNTOLD.clone_into(&mut mount.content);
            mount.template_driver = None;
        }
    }
    for secret in spec.secrets.values_mut() {
        UNTOLD.clone_into(&mut secret.version);
    }
    for config in spec.configs.values_mut().filter(|config| config.external) {
        UNTOLD.clone_into(&mut config.digest);
        config.template_driver = None;
    }
    Untold { secrets, configs }
}

/// Files whose content a config of the cluster is.
fn of_cluster(
    mounts: &mut BTreeMap<String, FileMount>,
    is_external: impl Fn(&str) -> bool,
) -> impl Iterator<Item = &mut FileMount> {
    mounts.values_mut().filter(move |mount| is_external(&mount.source))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::testing::{cluster, facts, node, node_name, replicated, stack, task_of, with_task};
    use crate::model::{MarkKey, ServiceSpec};

    /// A service with a secret of that version, and a value that is hidden.
    fn service(version: &str, value: &str) -> ServiceSpec {
        with_task(replicated("web", 1), |task| {
            task.environment.insert("A".into(), Some(value.into()));
            let mount = FileMount {
                source: "db".into(),
                uid: "0".into(),
                gid: "0".into(),
                mode: 0o444,
                content: version.into(),
                template_driver: None,
            };
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
