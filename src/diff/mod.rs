//! The difference between what runs and what is declared, field by field, with the names of the stackfile.
//!
//! Values are [hidden](is_value) unless they are asked for.
//!
//! Uses the model only. Nodes, order and actions belong to `orchestrator`.

mod fields;
mod variables;

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use crate::model::spec::{ServiceMode, ServiceSpec, TaskSpec};
use crate::model::task::{Slot, Task};
use crate::model::{MarkKey, Marks, ServiceName, SpecHash, StackSpec, Tuning};

pub use fields::{Change, HIDDEN, Impact, Values, is_value};

/// The difference between a stack as it runs and as it is declared.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StackDiff {
    /// Every service of either side, by name.
    pub services: Vec<ServiceDiff>,
}

/// The difference of one service.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ServiceDiff {
    pub name: ServiceName,
    /// In one word.
    pub kind: DiffKind,
    /// Field by field; empty for added and removed services.
    pub changes: Vec<Change>,
}

/// The kind of difference of a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum DiffKind {
    /// Not there yet.
    Added,
    /// Still there, no longer wanted.
    Removed,
    /// Differs.
    Changed,
    /// Does not differ.
    Unchanged,
}

impl StackDiff {
    /// Whether nothing differs. Fields only: a missing task or a drained node shows in the forecast.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.services.iter().all(|service| service.kind == DiffKind::Unchanged)
    }
}

/// Compares what runs (`tasks`: those of this stack) with what is declared.
///
/// Reads what was last applied from the tasks themselves, so that values which an engine fills in are never
/// mistaken for a change.
#[must_use]
pub fn stack<'t>(
    tasks: impl Iterator<Item = &'t Task>,
    wanted: &StackSpec,
    key: &MarkKey,
    values: Values,
) -> StackDiff {
    let mut running: BTreeMap<&ServiceName, Vec<&Task>> = BTreeMap::new();
    for task in tasks {
        running.entry(&task.service).or_default().push(task);
    }
    let mut services: Vec<ServiceDiff> = wanted
        .services
        .values()
        .map(|spec| match running.get(&spec.name) {
            None => ServiceDiff { name: spec.name.clone(), kind: DiffKind::Added, changes: Vec::new() },
            Some(tasks) => service(tasks, spec, &Marks::of(key, &wanted.name, &spec.name), values),
        })
        .collect();
    for name in running.keys().filter(|name| !wanted.services.contains_key(name.as_str())) {
        services.push(ServiceDiff { name: (*name).clone(), kind: DiffKind::Removed, changes: Vec::new() });
    }
    services.sort_by(|a, b| a.name.cmp(&b.name));
    StackDiff { services }
}

/// Every field that differs between two task specs, in the order of the stackfile's keys, without values.
#[must_use]
pub fn task_changes(before: &TaskSpec, after: &TaskSpec) -> Vec<Change> {
    task_changes_with(before, after, Values::Hidden)
}

/// The same; with values, if they are asked for.
#[must_use]
pub fn task_changes_with(before: &TaskSpec, after: &TaskSpec, values: Values) -> Vec<Change> {
    let mut changes = fields::changes(before, after, values);
    variables::told(before, after, &mut changes);
    changes
}

fn service(tasks: &[&Task], wanted: &ServiceSpec, marks: &Marks<'_>, values: Values) -> ServiceDiff {
    let mut changes = mode_changes(tasks, wanted.mode);
    let hash = marks.hash(&wanted.task);
    let live: Vec<&&Task> = tasks.iter().filter(|task| task.is_live()).collect();
    let tuning = Tuning::of(&wanted.task);
    let newest = |differs: &dyn Fn(&Task) -> bool| {
        live.iter().filter(|task| differs(task)).max_by_key(|task| (task.created_at, &task.id))
    };
    // What most of them have: after an update that was stopped, one has what had been wanted before this.
    let mut alike: BTreeMap<&SpecHash, usize> = BTreeMap::new();
    live.iter().for_each(|task| *alike.entry(&task.spec_hash).or_default() += 1);
    let differing = live.iter().filter(|task| task.spec_hash != hash);
    let most = differing.max_by_key(|task| (alike[&task.spec_hash], task.created_at, &task.id));
    let dirty = most.or_else(|| newest(&|task| Tuning::of(&task.spec) != tuning));
    // Without a live task, the newest ended one shows what was applied last.
    let ended = || tasks.iter().max_by_key(|task| (task.created_at, &task.id));
    let applied: Option<&TaskSpec> = match dirty {
        Some(task) => Some(&task.spec),
        None if live.is_empty() => ended().filter(|task| task.spec_hash != hash).map(|task| &*task.spec),
        None => None,
    };
    if let Some(applied) = applied {
        changes.extend(task_changes_with(applied, &wanted.task, values));
    }
    let kind = if changes.is_empty() { DiffKind::Unchanged } else { DiffKind::Changed };
    ServiceDiff { name: wanted.name.clone(), kind, changes }
}

/// Mode and number of slots, as far as the tasks show them.
fn mode_changes(tasks: &[&Task], wanted: ServiceMode) -> Vec<Change> {
    let numbered = tasks.iter().any(|task| matches!(task.slot, Slot::Replica(_)));
    if numbered == wanted.is_global() {
        let was = if numbered { "replicated" } else { "global" };
        return vec![Change::new(
            "deploy.mode",
            Some(was.into()),
            Some(wanted.to_string().into()),
            Impact::Replace,
        )];
    }
    let wanted_slots = match wanted {
        ServiceMode::Replicated { replicas } => replicas,
        ServiceMode::ReplicatedJob { total, .. } => total,
        ServiceMode::Global | ServiceMode::GlobalJob => return Vec::new(),
    };
    let slots: std::collections::BTreeSet<&Slot> = tasks.iter().map(|task| &task.slot).collect();
    if u32::try_from(slots.len()).ok() == Some(wanted_slots) {
        return Vec::new();
    }
    vec![Change::new(
        "deploy.replicas",
        Some(slots.len().into()),
        Some(Value::from(wanted_slots)),
        Impact::Scale,
    )]
}
