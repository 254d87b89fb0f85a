//! What if a node were lost, or another one were there: plans on a hypothetical cluster.
//!
//! The observation and the options are changed before the plan is made; no other code knows of it.

use std::collections::{BTreeMap, BTreeSet};

use super::forecast::Plan;
use super::options::PlanOptions;
use crate::model::Observed;
use crate::model::action::What;
use crate::model::ids::{NodeName, ServiceName, StackName};
use crate::model::node::{Availability, Member, NodeFacts, NodeView, Role};
use crate::model::observed::ObservedNode;
use crate::model::spec::Platform;
use crate::model::task::TaskStatus;

/// A cluster that is not there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WhatIf {
    /// Nodes to give up.
    pub lose: BTreeSet<NodeName>,
    /// Nodes to add.
    pub add: Vec<NewNode>,
}

/// A node that might be added.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewNode {
    pub name: NodeName,
    pub labels: BTreeMap<String, String>,
    /// CPU in billionths of a core; as much as the first node that answers, without it.
    pub nano_cpus: Option<i64>,
    /// Bytes; likewise.
    pub memory: Option<i64>,
}

impl WhatIf {
    /// Whether things are taken as they are.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.lose.is_empty() && self.add.is_empty()
    }

    /// Changes what was seen and what is asked for. A node that is there already is not added again.
    pub fn apply(&self, observed: &mut Observed, options: &mut PlanOptions) {
        options.lost.extend(self.lose.iter().cloned());
        let pattern = observed.reachable().next().map(|(_, facts)| facts.clone());
        for new in &self.add {
            let node = new.observed(pattern.as_ref());
            observed.nodes.entry(new.name.clone()).or_insert(node);
        }
    }
}

impl NewNode {
    /// Empty, and like an existing node in all else: same platform, drivers and size.
    fn observed(&self, pattern: Option<&NodeFacts>) -> ObservedNode {
        let plain = NodeFacts {
            platform: Platform { os: "linux".to_owned(), architecture: "amd64".to_owned() },
            ..NodeFacts::default()
        };
        let pattern = pattern.unwrap_or(&plain);
        ObservedNode {
            member: Member {
                name: self.name.clone(),
                address: String::new(),
                role: Role::Worker,
                labels: self.labels.clone(),
                availability: Availability::Active,
                abandons_data: false,
                found_by: None,
            },
            view: NodeView::Facts(Box::new(NodeFacts {
                id: self.name.to_string(),
                hostname: self.name.to_string(),
                nano_cpus: self.nano_cpus.unwrap_or(pattern.nano_cpus),
                memory: self.memory.unwrap_or(pattern.memory),
                platform: pattern.platform.clone(),
                plugins: pattern.plugins.clone(),
                engine_version: pattern.engine_version.clone(),
                api_version: pattern.api_version.clone(),
                ..NodeFacts::default()
            })),
        }
    }
}

/// Tasks of one service on one node, now and once a plan is carried out.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Landing {
    pub service: ServiceName,
    pub node: NodeName,
    pub now: u32,
    pub then: u32,
}

/// Where the tasks of a stack would be, in order of service and node.
#[must_use]
pub fn landings(
    observed: &Observed,
    stack: &StackName,
    lost: &BTreeSet<NodeName>,
    plan: &Plan,
) -> Vec<Landing> {
    let mut counts: BTreeMap<(&ServiceName, &NodeName), (u32, u32)> = BTreeMap::new();
    for task in observed.tasks().filter(|task| task.stack == *stack) {
        if task.is_live() && task.status != TaskStatus::Created {
            let count = counts.entry((&task.service, &task.node)).or_default();
            count.0 += 1;
            count.1 += u32::from(!lost.contains(&task.node));
        }
    }
    for action in plan.forecast.actions() {
        match &action.what {
            What::StartTask { task } => {
                counts.entry((&task.service.service, &action.node)).or_default().1 += 1
            }
            What::StopTask { task, .. } => {
                let count = counts.entry((&task.service, &action.node)).or_default();
                count.1 = count.1.saturating_sub(1);
            }
            What::CreateNetwork { .. }
            | What::CreateVolume { .. }
            | What::PullImage { .. }
            | What::CreateTask { .. }
            | What::StartAgain { .. }
            | What::UpdateTask { .. }
            | What::RemoveTask { .. }
            | What::RemoveNetwork { .. } => {}
        }
    }
    let row = |((service, node), (now, then)): ((&ServiceName, &NodeName), (u32, u32))| Landing {
        service: service.clone(),
        node: node.clone(),
        now,
        then,
    };
    counts.into_iter().map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::testing::*;

    #[test]
    fn an_added_node_takes_tasks_as_its_labels_and_size_allow() {
        let mut observed = cluster(vec![node("h1")]);
        let service = with_task(constrained(replicated("web", 2), "node.labels.zone == b"), |task| {
            task.resources.reservations.memory = 1 << 30;
        });
        let spec = stack(vec![service]);
        let new = |memory: i64| NewNode {
            name: node_name("h2"),
            labels: [("zone".to_owned(), "b".to_owned())].into(),
            nano_cpus: None,
            memory: Some(memory),
        };
        let mut small = observed.clone();
        let mut options = PlanOptions::default();
        WhatIf { lose: BTreeSet::new(), add: vec![new(1 << 30)] }.apply(&mut small, &mut options);
        assert_eq!(Plan::make(&small, &spec, options.clone()).problems.len(), 1, "room for one only");
        WhatIf { lose: BTreeSet::new(), add: vec![new(2 << 30)] }.apply(&mut observed, &mut options);
        let plan = Plan::make(&observed, &spec, options.clone());
        let landed = landings(&observed, &spec.name, &options.lost, &plan);
        let expected = Landing { service: service_name("web"), node: node_name("h2"), now: 0, then: 2 };
        assert_eq!(landed, [expected]);
    }
}
