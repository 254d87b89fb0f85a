//! Secrets in a comparison with a snapshot. Their versions are made with a key that stays in the ledger, so it cannot be told
//! whether a value is another one: they are taken out of the comparison on both sides.

use std::sync::Arc;

use crate::model::node::NodeView;
use crate::model::{Marks, Observed, StackSpec};

/// What stands in the place of each version.
const UNTOLD: &str = "untold";

/// Makes the secrets of a stack the same in what is wanted and in what was seen; their keys.
pub fn secrets_untold(observed: &mut Observed, spec: &mut StackSpec) -> Vec<String> {
    let Observed { key, nodes, .. } = observed;
    for node in nodes.values_mut() {
        let NodeView::Facts(facts) = &mut node.view else { continue };
        let ours = |task: &&mut crate::model::Task| task.stack == spec.name && !task.spec.secrets.is_empty();
        for task in facts.tasks.iter_mut().filter(ours) {
            let marks = Marks::of(key, &task.stack, &task.service);
            let is_masked = task.key_id.is_some();
            for (target, mount) in &mut Arc::make_mut(&mut task.spec).secrets {
                mount.content = match is_masked {
                    true => marks.mark(&format!("secrets {target}"), UNTOLD),
                    false => UNTOLD.to_owned(),
                };
            }
        }
    }
    for service in spec.services.values_mut().filter(|service| !service.task.secrets.is_empty()) {
        for mount in Arc::make_mut(&mut service.task).secrets.values_mut() {
            UNTOLD.clone_into(&mut mount.content);
        }
    }
    for secret in spec.secrets.values_mut() {
        UNTOLD.clone_into(&mut secret.version);
    }
    spec.secrets.keys().cloned().collect()
}
