//! What is remembered of tasks that were changed as they run: their labels cannot say it.
//!
//! Twice a run. Before the first change the tasks are put down as unsure: a process that is killed leaves them so, and
//! the next look asks their containers. After the last it is put down what they have.

use std::collections::BTreeMap;

use crate::engine::{Writing, node_records};
use crate::ledger::LedgerError;
use crate::ledger::nodes::NodeRecords;
use crate::model::action::{Action, Outcome, What};
use crate::model::in_place::InPlaceRecord;
use crate::model::{Observed, StackName, TaskId, Tuning};
use crate::orchestrator::Planned;

/// What came of changes in place: what a task has now; `None` where that is not known.
pub(super) type Updated = BTreeMap<TaskId, Option<Tuning>>;

/// Takes note of an action that ended.
pub(super) fn note(updated: &mut Updated, action: &Action, outcome: &Outcome) {
    if let What::UpdateTask { task, update } = &action.what {
        let now = matches!(outcome, Outcome::Done).then(|| update.to.clone());
        updated.insert(task.id.clone(), now);
    }
}

/// Puts down which tasks a plan changes, before any is.
pub(super) async fn begin(writing: &Writing, plan: &Planned) -> Result<(), LedgerError> {
    let changed = |action: &Action| match &action.what {
        What::UpdateTask { task, update } if update.is_engines() => Some(task.id.clone()),
        _ => None,
    };
    let tasks: Vec<TaskId> = plan.plan().forecast.actions().filter_map(changed).collect();
    if tasks.is_empty() {
        return Ok(());
    }
    change(writing, plan.stack(), |record| record.unsure.extend(tasks.iter().cloned())).await
}

/// Puts down what tasks have, as a run and the newest look say.
pub(super) async fn end(
    writing: &Writing,
    stack: &StackName,
    looked: &Observed,
    updated: &Updated,
) -> Result<(), LedgerError> {
    let before = looked.in_place.get(stack).cloned().unwrap_or_default();
    let mut after = before.clone();
    settle(&mut after, stack, looked, updated);
    if after == before && updated.is_empty() {
        return Ok(());
    }
    change(writing, stack, |record| settle(record, stack, looked, updated)).await
}

fn settle(record: &mut InPlaceRecord, stack: &StackName, looked: &Observed, updated: &Updated) {
    let tasks: BTreeMap<&TaskId, Tuning> =
        (looked.tasks().filter(|task| task.stack == *stack && task.is_live()))
            .map(|task| (&task.id, Tuning::of(&task.spec)))
            .collect();
    // A look that was taken before a change says nothing of the task that was changed.
    let asked = |id: &&&TaskId| !updated.contains_key(**id);
    let was_asked: Vec<&TaskId> = tasks
        .keys()
        .filter(asked)
        .filter(|id| record.is_old || record.unsure.contains(**id))
        .copied()
        .collect();
    for id in was_asked {
        record.unsure.remove(id);
        record.tasks.insert(id.clone(), tasks[id].clone());
    }
    for (id, now) in updated {
        match now {
            Some(now) => {
                record.unsure.remove(id);
                record.tasks.insert(id.clone(), now.clone());
            }
            None => {
                record.unsure.insert(id.clone());
            }
        }
    }
    // What a silent host has is not known to be gone.
    if looked.silent().next().is_none() {
        record.is_old = false;
        record.tasks.retain(|id, _| tasks.contains_key(id));
        record.unsure.retain(|id| tasks.contains_key(id));
    }
}

async fn change(
    writing: &Writing,
    stack: &StackName,
    with: impl Fn(&mut InPlaceRecord),
) -> Result<(), LedgerError> {
    let with = |records: &mut NodeRecords| {
        let record = records.in_place.entry(stack.clone()).or_default();
        with(record);
        if record.is_empty() {
            records.in_place.remove(stack);
        }
        Ok::<(), LedgerError>(())
    };
    node_records::change(writing, with).await.map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::spec::Limits;
    use crate::model::testing::*;

    fn tuning(pids: i64) -> Tuning {
        Tuning { limits: Limits { pids: Some(pids), ..Limits::default() }, ..Tuning::default() }
    }

    fn looked(numbers: &[u32]) -> Observed {
        let (service, mut observed) = (replicated("web", 3), nodes(1));
        for number in numbers {
            let mut task = task_of(&StackName::unchecked(STACK), &service, *number);
            tuning(7).apply(std::sync::Arc::make_mut(&mut task.spec));
            facts(observed.nodes.values_mut().next().unwrap()).tasks.push(task);
        }
        observed
    }

    fn id(number: u32) -> TaskId {
        TaskId::unchecked(&format!("web{number}"))
    }

    #[test]
    fn what_a_killed_run_left_unsure_is_as_it_was_seen() {
        let mut record = InPlaceRecord { unsure: [id(1), id(2)].into(), ..InPlaceRecord::default() };
        record.tasks.insert(id(9), tuning(1));
        let stack = StackName::unchecked(STACK);
        let updated = Updated::from([(id(2), None), (id(3), Some(tuning(5)))]);
        settle(&mut record, &stack, &looked(&[1, 2, 3]), &updated);
        assert_eq!(record.unsure, [id(2)].into());
        assert_eq!(record.tasks, [(id(1), tuning(7)), (id(3), tuning(5))].into(), "the ninth is gone");
        let mut silent = looked(&[1]);
        silent.nodes.insert(node_name("n2"), node("n2"));
        silence(silent.nodes.get_mut(&node_name("n2")).unwrap());
        record.is_old = true;
        settle(&mut record, &stack, &silent, &Updated::new());
        assert!(record.is_old && record.tasks.contains_key(&id(3)), "it may be on the silent host");
    }
}
