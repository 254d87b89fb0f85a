//! A snapshot: everything about the hosts that a plan needs, and the drift of stacks from the ledger.
//!
//! Values of tasks are masked, see [`redact`](super::redact), and addresses of hosts are left out. What placement
//! needs stays readable: nodes with their labels and sizes, images, names of volumes and networks, ports. Releases
//! are left out, because they contain values too; the snapshot has the drift of each stack instead.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::envelope::in_order;
use super::redact::{FirstSalt, masked_task};
use crate::model::ids::{TaskId, sha256_hex};
use crate::model::in_place::InPlaceRecords;
use crate::model::node::{NodeFacts, NodeView, Unreachable};
use crate::model::observed::ObservedNode;
use crate::model::spec::Strategy;
use crate::model::task::Slot;
use crate::model::{
    ClusterName, KnownMember, MarkKey, Marks, Member, NodeName, Observed, ServiceName, SpecHash, StackName,
    StackSpec, Task, TaskSpec, TaskStatus, Timestamp,
};
use crate::orchestrator::{Drifted, PlanOptions};

/// A whole snapshot.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Document {
    pub cluster: ClusterName,
    /// The time of the observation, by the observer's clock.
    pub at: Timestamp,
    /// Settings of the inventory that influence a plan.
    strategy: Strategy,
    task_history: u32,
    /// The id of the key of the marks; absent in the first format, whose marks have no key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    key_id: Option<String>,
    nodes: BTreeMap<NodeName, Node>,
    /// Stacks of hosts that are remembered and not named.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    missing: BTreeMap<NodeName, BTreeSet<StackName>>,
    /// Why the node records of the ledger are unknown, if they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    records_unknown: Option<Unreachable>,
    /// Why the set of hosts is unknown, if it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    hosts_unknown: Option<Unreachable>,
    /// The specs of tasks, by an arbitrary key that tasks of a service share.
    specs: BTreeMap<String, TaskSpec>,
    /// The stacks in the ledger.
    pub stacks: BTreeMap<StackName, Stack>,
    /// Why the ledger could not be read, if it could not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ledger_unknown: Option<String>,
}

/// A stack as the ledger has it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Stack {
    /// The current release, and the drift since then.
    pub drift: Drifted,
    /// Why that is unknown, if it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unknown: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Node {
    member: Member,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    unreachable: Option<Unreachable>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    facts: Option<Box<NodeFacts>>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    tasks: Vec<TaskSeen>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct TaskSeen {
    id: TaskId,
    stack: StackName,
    service: ServiceName,
    slot: Slot,
    attempt: u32,
    is_job: bool,
    spec: String,
    /// The hash of the spec, under the key of the marks; of the first format a mark of one.
    hash: String,
    container: String,
    status: TaskStatus,
    created_at: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    since: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    published: Vec<String>,
}

impl Document {
    /// Makes a snapshot of an observation and the inventory's settings; `ledger_unknown` says why the ledger
    /// could not be read.
    #[must_use]
    pub fn of(
        observed: &Observed,
        options: &PlanOptions,
        stacks: BTreeMap<StackName, Stack>,
        ledger_unknown: Option<String>,
    ) -> Self {
        let mut specs = Specs { key: &observed.key, masked: BTreeMap::new(), known: BTreeMap::new() };
        let nodes = observed.nodes.iter().map(|(name, node)| {
            let member = Member { address: String::new(), found_by: None, ..node.member.clone() };
            let seen = match &node.view {
                NodeView::Facts(facts) => {
                    let tasks = facts.tasks.iter().map(|task| specs.task(task)).collect();
                    let facts = Some(Box::new(NodeFacts { tasks: Vec::new(), ..NodeFacts::clone(facts) }));
                    Node { member, unreachable: None, facts, tasks }
                }
                NodeView::Unreachable(why) => {
                    Node { member, unreachable: Some(why.clone()), facts: None, tasks: Vec::new() }
                }
            };
            (name.clone(), seen)
        });
        Self {
            cluster: observed.cluster.clone(),
            at: observed.at,
            strategy: options.strategy,
            task_history: options.task_history,
            key_id: Some(observed.key.id()),
            nodes: nodes.collect(),
            missing: (observed.known.iter())
                .filter(|(name, _)| observed.is_missing(name))
                .map(|(name, known)| (name.clone(), known.stacks.clone()))
                .collect(),
            records_unknown: observed.records_unknown.clone(),
            hosts_unknown: observed.hosts_unknown.clone(),
            specs: specs.masked,
            stacks,
            ledger_unknown,
        }
    }

    /// The settings of the inventory.
    #[must_use]
    pub fn plan_options(&self, prune: bool) -> PlanOptions {
        PlanOptions {
            prune,
            strategy: self.strategy,
            task_history: self.task_history,
            ..PlanOptions::default()
        }
    }

    /// Whether a key is the one that the marks were made with. Marks of the first format need none.
    #[must_use]
    pub fn is_marked_with(&self, key: &MarkKey) -> bool {
        self.key_id.as_ref().is_none_or(|id| *id == key.id())
    }

    /// The observation, under a key of marks. Values equal to those of the declared stack can be told; without the key
    /// of the marks none can.
    ///
    /// # Errors
    ///
    /// The document is invalid, in words.
    pub fn observed(&self, wanted: &StackSpec, key: &MarkKey) -> Result<Observed, String> {
        let mut known: BTreeMap<(&ServiceName, &str), Arc<TaskSpec>> = BTreeMap::new();
        let mut nodes = BTreeMap::new();
        for (name, node) in &self.nodes {
            let view = match (&node.facts, &node.unreachable) {
                (Some(facts), None) => {
                    let mut facts = facts.clone();
                    for seen in &node.tasks {
                        facts.tasks.push(self.task(seen, name, wanted, key, &mut known)?);
                    }
                    NodeView::Facts(facts)
                }
                (None, Some(why)) => NodeView::Unreachable(why.clone()),
                _ => return Err(format!("node {name} is neither present nor silent")),
            };
            nodes.insert(name.clone(), ObservedNode { member: node.member.clone(), view });
        }
        let mut observed = Observed {
            cluster: self.cluster.clone(),
            at: self.at,
            key: key.clone(),
            release_key: None,
            nodes,
            memory_use: BTreeMap::new(),
            unsure: BTreeSet::new(),
            in_place: InPlaceRecords::new(),
            known: (self.missing.iter())
                .map(|(name, stacks)| {
                    (name.clone(), KnownMember { stacks: stacks.clone(), ..KnownMember::default() })
                })
                .collect(),
            records_unknown: self.records_unknown.clone(),
            hosts_unknown: self.hosts_unknown.clone(),
            remembered: BTreeMap::new(),
        };
        if self.key_id.is_none() {
            observed.settle();
        }
        Ok(observed)
    }

    fn task<'d>(
        &'d self,
        seen: &'d TaskSeen,
        node: &NodeName,
        wanted: &StackSpec,
        key: &MarkKey,
        known: &mut BTreeMap<(&'d ServiceName, &'d str), Arc<TaskSpec>>,
    ) -> Result<Task, String> {
        let masked = self.specs.get(&seen.spec).ok_or_else(|| format!("no spec {}", seen.spec))?;
        let mut task = Task {
            id: seen.id.clone(),
            stack: seen.stack.clone(),
            service: seen.service.clone(),
            slot: seen.slot.clone(),
            node: node.clone(),
            attempt: seen.attempt,
            is_job: seen.is_job,
            spec_hash: SpecHash::unchecked(&seen.hash),
            spec: Arc::default(),
            key_id: self.key_id.as_deref().map(Arc::from),
            container: seen.container.clone(),
            status: seen.status,
            created_at: seen.created_at,
            since: seen.since,
            published: seen.published.clone(),
        };
        let declared = wanted.services.get(seen.service.as_str()).filter(|_| wanted.name == seen.stack);
        let unmask = || {
            Arc::new(match (declared, &self.key_id) {
                (None, _) => masked.clone(),
                (Some(service), None) => FirstSalt::of(&self.cluster, &task).unmasked(masked, &service.task),
                (Some(service), Some(_)) => {
                    Marks::of(key, &task.stack, &task.service).unmasked(masked, &service.task)
                }
            })
        };
        let spec = Arc::clone(known.entry((&seen.service, &seen.spec)).or_insert_with(unmask));
        task.spec = spec;
        Ok(task)
    }
}

/// A digest that is equal for two observations of an unchanged cluster, whatever their time.
///
/// # Panics
///
/// Never: what is seen has string keys and finite numbers.
#[must_use]
pub fn fingerprint(observed: &Observed) -> String {
    let still = Observed { at: Timestamp(0), ..observed.clone() };
    let document = Document::of(&still, &PlanOptions::default(), BTreeMap::new(), None);
    let value = serde_json::to_value(document).expect("string keys and finite numbers");
    format!("sha256:{}", sha256_hex(in_order(value).to_string().as_bytes()))
}

/// Masks specs.
struct Specs<'a> {
    key: &'a MarkKey,
    masked: BTreeMap<String, TaskSpec>,
    /// By service and hash: a service of a thousand tasks is masked once.
    known: BTreeMap<(StackName, ServiceName, SpecHash), String>,
}

impl Specs<'_> {
    fn task(&mut self, task: &Task) -> TaskSeen {
        let key = (task.stack.clone(), task.service.clone(), task.spec_hash.clone());
        let spec = self.known.entry(key).or_insert_with(|| {
            let masked = masked_task(self.key, task);
            let name =
                sha256_hex(format!("{}/{}/{}", task.stack, task.service, masked.canonical_json()).as_bytes());
            let name = name[..12].to_owned();
            self.masked.insert(name.clone(), masked);
            name
        });
        TaskSeen {
            id: task.id.clone(),
            stack: task.stack.clone(),
            service: task.service.clone(),
            slot: task.slot.clone(),
            attempt: task.attempt,
            is_job: task.is_job,
            spec: spec.clone(),
            hash: task.spec_hash.to_string(),
            container: task.container.clone(),
            status: task.status,
            created_at: task.created_at,
            since: task.since,
            published: task.published.clone(),
        }
    }
}
