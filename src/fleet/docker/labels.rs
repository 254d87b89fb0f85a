//! Labels ⇄ model. The containers themselves record what runs; nothing else does.
//!
//! Reading never guesses: a container of ours whose labels cannot be read is reported, and left alone.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::model::action::TaskPlan;
use crate::model::ids::{ClusterName, NodeName, ServiceName, SpecHash, StackName, TaskId};
use crate::model::spec::{NetworkSpec, TaskSpec, VolumeSpec};
use crate::model::task::Slot;
use crate::model::{Format, MarkKey, Marks};

/// Docker's own label for the stack, which other tools read too.
pub const STACK: &str = crate::model::ids::STACK_LABEL;
/// The cluster it belongs to; a container with this label is ours or another inventory's.
pub const CLUSTER: &str = "io.stackctl.cluster";
/// Service, short name.
pub const SERVICE: &str = "io.stackctl.service";
/// `3`, or `node:h1` for global services.
pub const SLOT: &str = "io.stackctl.slot";
/// Task id.
pub const TASK: &str = "io.stackctl.task";
/// Number of the attempt in its slot.
pub const ATTEMPT: &str = "io.stackctl.attempt";
/// Whether a task is meant to end: `true` or `false`. In the first format only `true` was written, and an image could bring
/// a label that stood in for it.
pub const JOB: &str = "io.stackctl.job";
/// The id of the key that values are marked with; absent in the first format, which has the values.
pub const KEY: &str = "io.stackctl.key";
/// Hash of the spec as its label has it; of a network's definition.
pub const SPEC_HASH: &str = "io.stackctl.spec-hash";
/// The [`Format`] of the labels, and which versions may read and change them; absent in the first format.
pub const FORMAT: &str = "io.stackctl.format";
/// The spec it was made from, as canonical JSON, with marks in place of values.
pub const SPEC: &str = "io.stackctl.spec";

/// The digest of an agent's program; on a container that is an agent, which is no task.
pub const AGENT: &str = "io.stackctl.agent";
/// The version of that program.
pub const AGENT_VERSION: &str = "io.stackctl.agent.version";
/// The rights that it was given, by their word.
pub const AGENT_RIGHTS: &str = "io.stackctl.agent.rights";
/// The cluster that the agent is of.
pub const AGENT_CLUSTER: &str = "io.stackctl.agent.cluster";

const NODE_SLOT: &str = "node:";

/// Labels of a container: the user's, and over them ours.
#[must_use]
pub fn of_task(plan: &TaskPlan) -> BTreeMap<String, String> {
    let service = &plan.service;
    let mut labels = plan.spec.labels.clone();
    labels.extend(
        [
            (STACK, service.stack.to_string()),
            (CLUSTER, service.cluster.to_string()),
            (SERVICE, service.service.to_string()),
            (SLOT, slot_text(&plan.slot)),
            (TASK, plan.id.to_string()),
            (ATTEMPT, plan.attempt.to_string()),
            (FORMAT, Format::CURRENT.to_string()),
            (KEY, service.key_id.to_string()),
            (JOB, service.is_job.to_string()),
            (SPEC_HASH, SpecHash::of(service.spec_json.as_bytes()).to_string()),
            (SPEC, service.spec_json.to_string()),
        ]
        .map(|(key, value)| (key.to_owned(), value)),
    );
    labels
}

/// Labels of a network.
#[must_use]
pub fn of_network(
    cluster: &ClusterName,
    stack: &StackName,
    key: &MarkKey,
    spec: &NetworkSpec,
) -> BTreeMap<String, String> {
    let mut labels = of_shared(cluster, stack, &spec.labels);
    labels.insert(KEY.to_owned(), key.id());
    labels.insert(SPEC_HASH.to_owned(), Marks::of_stack(key, stack).network_hash(spec).to_string());
    labels
}

/// Labels of a volume.
#[must_use]
pub fn of_volume(cluster: &ClusterName, stack: &StackName, spec: &VolumeSpec) -> BTreeMap<String, String> {
    of_shared(cluster, stack, &spec.labels)
}

fn of_shared(
    cluster: &ClusterName,
    stack: &StackName,
    users: &BTreeMap<String, String>,
) -> BTreeMap<String, String> {
    let mut labels = users.clone();
    labels.insert(STACK.to_owned(), stack.to_string());
    labels.insert(CLUSTER.to_owned(), cluster.to_string());
    labels.insert(FORMAT.to_owned(), Format::CURRENT.to_string());
    labels
}

/// What the labels of a container say.
#[derive(Debug, Clone, PartialEq)]
pub enum Reading {
    /// Not of this cluster.
    Foreign,
    /// A task of ours.
    Task(Box<TaskLabels>),
    /// Ours, but unreadable; why.
    Unreadable(String),
}

/// A task, as far as its labels describe it.
#[derive(Debug, Clone, PartialEq)]
pub struct TaskLabels {
    pub id: TaskId,
    pub stack: StackName,
    /// Service, short name.
    pub service: ServiceName,
    pub slot: Slot,
    pub attempt: u32,
    /// Whether it is meant to end.
    pub is_job: bool,
    pub spec_hash: SpecHash,
    pub spec: Arc<TaskSpec>,
    /// The id of the key of the spec's marks.
    pub key_id: Option<Arc<str>>,
}

/// Specs that were read before: siblings carry the same text, and share one value.
#[derive(Debug, Default)]
pub struct SpecCache(BTreeMap<SpecHash, Arc<TaskSpec>>);

impl SpecCache {
    fn read(&mut self, hash: &SpecHash, json: &str) -> Result<Arc<TaskSpec>, String> {
        if let Some(spec) = self.0.get(hash) {
            return Ok(Arc::clone(spec));
        }
        let spec: TaskSpec =
            serde_json::from_str(json).map_err(|e| format!("its label {SPEC} cannot be read: {e}"))?;
        let spec = Arc::new(spec);
        self.0.insert(hash.clone(), Arc::clone(&spec));
        Ok(spec)
    }
}

/// Reads a container's labels back.
#[must_use]
pub fn read(cluster: &ClusterName, labels: &BTreeMap<String, String>, cache: &mut SpecCache) -> Reading {
    if labels.get(CLUSTER).is_none_or(|name| name != cluster.as_str()) {
        return Reading::Foreign;
    }
    match read_task(labels, cache) {
        Ok(task) => Reading::Task(Box::new(task)),
        Err(why) => Reading::Unreadable(why),
    }
}

fn read_task(labels: &BTreeMap<String, String>, cache: &mut SpecCache) -> Result<TaskLabels, String> {
    // First of all: nothing else need be as this version knows it.
    let format = labels.get(FORMAT).map_or(Ok(Format::FIRST), |text| text.parse());
    let format: Format = format.map_err(|why| format!("its label {FORMAT} cannot be read: {why}"))?;
    format.check_write().map_err(|why| why.to_string())?;
    let label = |key: &str| match labels.get(key) {
        Some(value) if !value.is_empty() => Ok(value.as_str()),
        Some(_) | None => Err(format!("its label {key} is missing")),
    };
    let slot = label(SLOT)?;
    let attempt = label(ATTEMPT)?;
    let (hash, json) = (label(SPEC_HASH)?, label(SPEC)?);
    let spec_hash = SpecHash::unchecked(hash);
    if SpecHash::of(json.as_bytes()) != spec_hash {
        return Err(format!("its labels {SPEC} and {SPEC_HASH} do not belong together"));
    }
    Ok(TaskLabels {
        id: TaskId::unchecked(label(TASK)?),
        stack: StackName::unchecked(label(STACK)?),
        service: ServiceName::unchecked(label(SERVICE)?),
        slot: read_slot(slot).ok_or_else(|| format!("its label {SLOT} says `{slot}`"))?,
        attempt: attempt.parse().map_err(|_| format!("its label {ATTEMPT} says `{attempt}`"))?,
        is_job: match (format.number, labels.get(JOB).map(String::as_str)) {
            (_, Some("true")) => true,
            (_, Some("false")) | (1, _) => false,
            (_, other) => return Err(format!("its label {JOB} says `{}`", other.unwrap_or_default())),
        },
        spec: cache.read(&spec_hash, json)?,
        spec_hash,
        key_id: match format.number {
            1 => None,
            _ => Some(Arc::from(label(KEY)?)),
        },
    })
}

/// A slot as its label has it. The prefix keeps a node that is called `3` apart from slot 3.
#[must_use]
pub fn slot_text(slot: &Slot) -> String {
    match slot {
        Slot::Replica(number) => number.to_string(),
        Slot::Node(node) => format!("{NODE_SLOT}{node}"),
    }
}

fn read_slot(text: &str) -> Option<Slot> {
    match text.strip_prefix(NODE_SLOT) {
        Some("") => None,
        Some(node) => Some(Slot::Node(NodeName::unchecked(node))),
        // Slots of jobs are numbered from 0.
        None => text.parse().ok().map(Slot::Replica),
    }
}

#[cfg(test)]
pub(in crate::fleet) mod tests {
    use super::*;
    use crate::model::action::{FilePlan, ServicePlan};

    /// A plan for slot `slot` of service `web` in stack `efk`.
    pub fn plan(spec: TaskSpec, slot: Slot, files: Vec<FilePlan>) -> TaskPlan {
        let (spec, key) = (Arc::new(spec), MarkKey::new([7; 32]));
        let (stack, web) = (StackName::unchecked("efk"), ServiceName::unchecked("web"));
        let marks = Marks::of(&key, &stack, &web);
        let service = ServicePlan {
            cluster: ClusterName::unchecked("prod"),
            stack: StackName::unchecked("efk"),
            service: ServiceName::unchecked("web"),
            spec_hash: marks.hash(&spec),
            spec_json: marks.masked(&spec).canonical_json().into(),
            key_id: key.id().into(),
            spec: Arc::clone(&spec),
            is_job: false,
            files,
            secrets: Vec::new(),
            swaps: false,
        };
        let node = NodeName::unchecked("h1");
        let ServicePlan { cluster, stack, service: name, spec_hash, .. } = &service;
        let id = TaskId::derive(cluster, stack, name, &slot, &node, spec_hash, false, 2);
        TaskPlan { service: Arc::new(service), slot, node, attempt: 2, id, spec, fields: None }
    }

    fn reading(labels: &BTreeMap<String, String>) -> Reading {
        read(&ClusterName::unchecked("prod"), labels, &mut SpecCache::default())
    }

    fn unreadable(labels: &BTreeMap<String, String>) -> String {
        match reading(labels) {
            Reading::Unreadable(why) => why,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_is_written_is_read_back() {
        let mut spec = TaskSpec { image: "web:1".into(), ..TaskSpec::default() };
        spec.labels.insert("team".into(), "a".into());
        spec.labels.insert(TASK.into(), "mine".into());
        for slot in [Slot::Replica(0), Slot::Replica(3), Slot::Node(NodeName::unchecked("3"))] {
            let plan = plan(spec.clone(), slot.clone(), Vec::new());
            let labels = of_task(&plan);
            assert_eq!(labels["team"], "a");
            let Reading::Task(task) = reading(&labels) else { panic!("{labels:?}") };
            assert_eq!(task.slot, slot);
            assert_eq!(task.id, plan.id, "our labels win over the user's");
            assert_eq!((task.attempt, task.service.as_str(), task.stack.as_str()), (2, "web", "efk"));
            assert_eq!(*task.spec, spec);
            assert_eq!(task.key_id, Some(plan.service.key_id.clone()));
        }
    }

    #[test]
    fn labels_of_the_first_format_have_no_number_and_the_values() {
        let mut labels = of_task(&plan(TaskSpec::default(), Slot::Replica(1), Vec::new()));
        assert_eq!(labels.remove(FORMAT), Some(Format::CURRENT.to_string()));
        labels.remove(KEY);
        let Reading::Task(task) = reading(&labels) else { panic!("{labels:?}") };
        assert_eq!(task.key_id, None);
    }

    #[test]
    fn no_label_of_an_image_stands_in_for_one_of_ours() {
        let labels = of_task(&plan(TaskSpec::default(), Slot::Replica(1), Vec::new()));
        // What a container has is what it was made with, over what its image brings.
        let ours = [STACK, CLUSTER, SERVICE, SLOT, TASK, ATTEMPT, JOB, FORMAT, KEY, SPEC_HASH, SPEC];
        assert!(ours.iter().all(|key| labels.contains_key(*key)), "{labels:?}");
        assert_eq!(labels[JOB], "false");
    }

    #[test]
    fn no_value_is_in_a_label() {
        let text = r#"{"image":"web:1","command":["--key=hunter2"],"environment":{"DSN":"hunter3"},
            "configs":{"/c":{"source":"c","uid":"0","gid":"0","mode":292,"content":"hunter4"}}}"#;
        let spec: TaskSpec = serde_json::from_str(text).unwrap();
        let labels = of_task(&plan(spec.clone(), Slot::Replica(1), Vec::new()));
        assert!(labels.values().all(|value| !value.contains("hunter")), "{labels:?}");
        let guess = SpecHash::of(spec.canonical_json().as_bytes());
        assert!(labels.values().all(|value| value != guess.as_str()), "{labels:?}");
    }

    #[test]
    fn another_cluster_is_foreign() {
        let mut labels = of_task(&plan(TaskSpec::default(), Slot::Replica(1), Vec::new()));
        labels.insert(CLUSTER.into(), "staging".into());
        assert_eq!(reading(&labels), Reading::Foreign);
        assert_eq!(reading(&BTreeMap::new()), Reading::Foreign);
    }

    #[test]
    fn nothing_is_guessed() {
        let good = of_task(&plan(TaskSpec::default(), Slot::Replica(1), Vec::new()));
        for key in [SERVICE, SLOT, TASK, ATTEMPT, SPEC_HASH, SPEC, STACK, KEY] {
            let mut labels = good.clone();
            labels.remove(key);
            assert_eq!(unreadable(&labels), format!("its label {key} is missing"));
        }
        let ours = crate::model::format::Version::ours();
        let newer = format!("it has format 9: stackctl 99.0.0 or newer may change it, and this is {ours}");
        for (key, value, why) in [
            (JOB, "perhaps", "its label io.stackctl.job says `perhaps`"),
            (FORMAT, "9 read=0.1.0 write=99.0.0", newer.as_str()),
            (FORMAT, "x", "its label io.stackctl.format cannot be read: `x` is no format"),
            (SLOT, "-1", "its label io.stackctl.slot says `-1`"),
            (SLOT, "node:", "its label io.stackctl.slot says `node:`"),
            (ATTEMPT, "x", "its label io.stackctl.attempt says `x`"),
            (SPEC, "{}", "its labels io.stackctl.spec and io.stackctl.spec-hash do not belong together"),
        ] {
            let mut labels = good.clone();
            labels.insert(key.into(), value.into());
            assert_eq!(unreadable(&labels), why);
        }
    }
}
