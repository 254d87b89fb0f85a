//! What is remembered of tasks that were changed as they run: their labels cannot say it.
//!
//! Twice a run. Before the first change the tasks are put down as unsure: a process that is killed leaves them so, and
//! the next look asks their containers. After the last it is put down what they have.

use std::collections::{BTreeMap, BTreeSet};

use crate::engine::{Writing, node_records};
use crate::ledger::LedgerError;
use crate::ledger::nodes::NodeRecords;
use crate::model::action::{Action, Outcome, What};
use crate::model::in_place::InPlaceRecord;
use crate::model::{NodeName, Observed, StackName, Task, TaskId, Tuning};
use crate::orchestrator::Planned;

/// What came of a run, as far as it matters here.
#[derive(Debug, Default)]
pub(super) struct Changes {
    /// What tasks have now; `None` where that is not known.
    updated: BTreeMap<TaskId, Option<Tuning>>,
    /// Tasks of which nothing counts that was recorded: they are gone, or they were made with what their labels say.
    renewed: BTreeSet<TaskId>,
}

impl Changes {
    /// Takes note of an action that ended.
    pub(super) fn note(&mut self, action: &Action, outcome: &Outcome) {
        let is_done = matches!(outcome, Outcome::Done);
        match &action.what {
            What::UpdateTask { task, update } => {
                self.updated.insert(task.id.clone(), is_done.then(|| update.to.clone()));
            }
            What::RemoveTask { task } if is_done => {
                self.renewed.insert(task.id.clone());
            }
            // It is as its label says, whatever one of its id was given before.
            What::CreateTask { task } if is_done => {
                self.renewed.insert(task.id.clone());
            }
            _ => {}
        }
    }
}

/// Which tasks a plan has engines change, of which stack.
pub(super) fn changed(plan: &Planned) -> Option<(&StackName, Vec<TaskId>)> {
    let changed = |action: &Action| match &action.what {
        What::UpdateTask { task, update } if update.is_engines() => Some(task.id.clone()),
        _ => None,
    };
    let tasks: Vec<TaskId> = plan.plan().forecast.actions().filter_map(changed).collect();
    (!tasks.is_empty()).then(|| (plan.stack(), tasks))
}

/// Tasks of a plan whose files are swapped in their host's memory.
pub(super) fn swapped(plan: &Planned) -> Vec<(NodeName, TaskId)> {
    let swapped = |action: &Action| match &action.what {
        What::UpdateTask { task, update } => {
            let is_swap = update.reload.as_ref().is_some_and(|reload| reload.task.service.swaps);
            is_swap.then(|| (action.node.clone(), task.id.clone()))
        }
        _ => None,
    };
    plan.plan().forecast.actions().filter_map(swapped).collect()
}

/// Puts down what tasks have, as the look before a run and what came of the run say.
pub(super) async fn end(writing: &Writing, plan: &Planned, changes: &Changes) -> Result<(), LedgerError> {
    let (stack, looked) = (plan.stack(), plan.observed());
    let before = looked.in_place.get(stack).cloned().unwrap_or_default();
    let mut after = before.clone();
    settle(&mut after, stack, looked, changes);
    if after == before && changes.updated.is_empty() {
        return Ok(());
    }
    change(writing, stack, |record| settle(record, stack, looked, changes)).await
}

fn settle(record: &mut InPlaceRecord, stack: &StackName, looked: &Observed, changes: &Changes) {
    let is_there =
        |task: &&Task| task.stack == *stack && task.is_live() && !changes.renewed.contains(&task.id);
    let there: BTreeMap<&TaskId, &Task> =
        looked.tasks().filter(is_there).map(|task| (&task.id, task)).collect();
    for (id, task) in &there {
        if looked.unsure.contains(*id) {
            record.unsure.insert((*id).clone());
            continue;
        }
        // The look asked these containers, and they were not changed since.
        let was_asked = !looked.remembered.contains_key(&task.node);
        if was_asked && (record.is_old || record.unsure.contains(*id)) && !changes.updated.contains_key(*id) {
            record.unsure.remove(*id);
            record.tasks.insert((*id).clone(), Tuning::of(&task.spec));
        }
    }
    for (id, now) in &changes.updated {
        match now {
            Some(now) => {
                // The engine was sent what differs from what was known. Where that was a guess, the rest still is.
                if !looked.unsure.contains(id) {
                    record.unsure.remove(id);
                }
                record.tasks.insert(id.clone(), now.clone());
            }
            None => {
                record.unsure.insert(id.clone());
            }
        }
    }
    for id in &changes.renewed {
        record.tasks.remove(id);
        record.unsure.remove(id);
    }
    // What a silent host has is not known to be gone.
    if looked.silent().next().is_none() && looked.remembered.is_empty() {
        record.is_old = false;
        record.tasks.retain(|id, _| there.contains_key(id));
        record.unsure.retain(|id| there.contains_key(id));
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
        let updated = [(id(2), None), (id(3), Some(tuning(5)))].into();
        let changes = Changes { updated, ..Changes::default() };
        settle(&mut record, &stack, &looked(&[1, 2, 3]), &changes);
        assert_eq!(record.unsure, [id(2)].into());
        assert_eq!(record.tasks, [(id(1), tuning(7)), (id(3), tuning(5))].into(), "the ninth is gone");
        let mut silent = looked(&[1]);
        silent.nodes.insert(node_name("n2"), node("n2"));
        silence(silent.nodes.get_mut(&node_name("n2")).unwrap());
        record.is_old = true;
        settle(&mut record, &stack, &silent, &Changes::default());
        assert!(record.is_old && record.tasks.contains_key(&id(3)), "it may be on the silent host");
        let renewed = Changes { renewed: [id(1), id(2), id(3)].into(), ..Changes::default() };
        settle(&mut record, &stack, &looked(&[1, 2, 3]), &renewed);
        assert!(record.is_empty(), "{record:?}");
    }

    #[test]
    fn a_container_that_did_not_answer_stays_unsure_whatever_its_label_says() {
        let stack = StackName::unchecked(STACK);
        let mut looked = looked(&[1, 2, 3]);
        looked.unsure = [id(1), id(3)].into();
        for is_old in [false, true] {
            let mut record = InPlaceRecord { is_old, ..InPlaceRecord::default() };
            record.unsure = [id(1), id(2), id(3)].into();
            let changes = Changes { updated: [(id(3), Some(tuning(5)))].into(), ..Changes::default() };
            settle(&mut record, &stack, &looked, &changes);
            assert_eq!(record.unsure, [id(1), id(3)].into(), "{is_old}");
            assert_eq!(record.tasks, [(id(2), tuning(7)), (id(3), tuning(5))].into(), "{is_old}");
            assert!(!record.is_old, "each task says for itself");
        }
    }

    #[test]
    fn an_earlier_look_at_a_lost_host_settles_nothing() {
        let mut record = InPlaceRecord { unsure: [id(1)].into(), is_old: true, ..InPlaceRecord::default() };
        record.tasks.insert(id(9), tuning(1));
        let before = record.clone();
        let mut observed = looked(&[1, 2]);
        let why = crate::model::Unreachable {
            since: crate::model::Timestamp(0),
            code: String::new(),
            reason: String::new(),
            help: None,
        };
        observed.remembered.insert(node_name("n000001"), why);
        settle(&mut record, &StackName::unchecked(STACK), &observed, &Changes::default());
        assert_eq!(record, before);
    }
}
