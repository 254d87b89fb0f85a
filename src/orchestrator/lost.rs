//! The last observations of lost nodes.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{NodeFacts, NodeName, NodeView, Observed};

/// Puts the last observations of lost nodes into a new one, so that it is known what ran there; a node that
/// answers is not lost, whatever the caller says. One that its source of discovery names no more is.
pub fn remember_lost(
    observed: &mut Observed,
    lost: &mut BTreeSet<NodeName>,
    last_seen: &BTreeMap<NodeName, NodeFacts>,
) {
    lost.extend(observed.left().cloned());
    lost.retain(|node| observed.nodes.get(node).is_some_and(|node| node.view.facts().is_none()));
    for node in lost.iter() {
        if let (Some(of), Some(facts)) = (observed.nodes.get_mut(node), last_seen.get(node)) {
            let earlier = NodeView::Facts(Box::new(facts.clone()));
            if let NodeView::Unreachable(why) = std::mem::replace(&mut of.view, earlier) {
                observed.remembered.insert(node.clone(), why);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::spec::{Mount, ServiceSpec};
    use crate::model::testing::*;
    use crate::model::{KnownMember, StackName};
    use crate::orchestrator::{Note, Plan, PlanOptions};

    fn with_data(name: &str) -> ServiceSpec {
        let data =
            Mount::Volume { source: Some("data".into()), read_only: false, nocopy: false, subpath: None };
        with_task(replicated(name, 1), |task| {
            task.volumes.insert("/data".into(), data);
        })
    }

    /// A plan for a database while n000002 is lost, which was empty when it was seen last. Whether its slot is held.
    fn is_held(is_recorded: bool, is_outdated: bool, seen: &NodeFacts) -> bool {
        let mut observed = nodes(2);
        let n2 = node_name("n000002");
        silence(observed.nodes.get_mut(&n2).unwrap());
        if is_recorded {
            let known =
                KnownMember { stacks: [StackName::unchecked(STACK)].into(), ..KnownMember::default() };
            observed.known.insert(n2.clone(), known);
        }
        let mut options = PlanOptions { lost: [n2.clone()].into(), ..PlanOptions::default() };
        options.outdated.extend(is_outdated.then(|| n2.clone()));
        remember_lost(&mut observed, &mut options.lost, &[(n2.clone(), seen.clone())].into());
        let plan = Plan::make(&observed, &stack(vec![with_data("db"), replicated("web", 1)]), options);
        assert_eq!(plan.problems, []);
        let held = plan.notes.iter().any(|note| matches!(note, Note::Held { node, .. } if *node == n2));
        assert!(plan.forecast.actions().all(|action| action.node != n2));
        assert!(!plan.is_empty(), "what has no data runs elsewhere");
        held
    }

    #[test]
    fn a_lost_node_that_the_ledger_knows_more_of_is_not_empty() {
        let empty = NodeFacts::default();
        let mut other = NodeFacts::default();
        other.tasks.push(crate::model::Task {
            node: node_name("n000002"),
            ..task_of(&StackName::unchecked(STACK), &replicated("web", 1), 1)
        });
        assert!(!is_held(false, false, &empty), "nothing was there, and nothing was made since");
        assert!(is_held(true, false, &empty), "the ledger says that it has got something");
        assert!(!is_held(true, false, &other), "what it is known for was seen");
        assert!(is_held(true, true, &other), "and more may have been made since");
        assert!(is_held(false, true, &empty));
    }
}
