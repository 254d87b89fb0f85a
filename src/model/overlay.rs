//! What was changed [in place](super::in_place) against what was observed: which containers have to be asked, and tasks as
//! they are now in place of what their labels say.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::in_place::{InPlaceRecords, Seen, Tuning};
use super::{Observed, StackSpec, Task, TaskId, TaskSpec, TaskStatus};

/// Live tasks whose containers have to be asked, since it is not known what was changed in place.
#[must_use]
pub fn unsure<'o>(records: &InPlaceRecords, observed: &'o Observed) -> Vec<&'o Task> {
    let is_unsure = |task: &&Task| {
        records
            .get(&task.stack)
            .is_some_and(|of| (of.is_old && !of.tasks.contains_key(&task.id)) || of.unsure.contains(&task.id))
    };
    if records.is_empty() {
        Vec::new()
    } else {
        observed.tasks().filter(|task| task.is_live()).filter(is_unsure).collect()
    }
}

/// Running tasks of a stack that are to get a lower memory limit: how much they use decides whether they can.
#[must_use]
pub fn lowered<'o>(observed: &'o Observed, wanted: &StackSpec) -> Vec<&'o Task> {
    let is_lowered = |task: &&Task| {
        let service = wanted.services.get(&task.service);
        task.stack == wanted.name
            && matches!(task.status, TaskStatus::Running { .. })
            && service.is_some_and(|service| {
                Tuning::of(&task.spec).lowered_memory(&Tuning::of(&service.task)).is_some()
            })
    };
    observed.tasks().filter(is_lowered).collect()
}

/// Lays what was changed in place over what the labels say. Tasks that were asked are as they were `seen`; one that did
/// not answer is as its label has it, and [unsure](Observed::unsure).
pub fn lay_over(records: &InPlaceRecords, seen: &BTreeMap<TaskId, Seen>, observed: &mut Observed) {
    if records.is_empty() {
        return;
    }
    let asked = unsure(records, observed).into_iter().map(|task| task.id.clone());
    observed.unsure = asked.filter(|id| !seen.contains_key(id)).collect();
    // Tasks that share their spec share it afterwards, too.
    let mut shared: Vec<(Arc<TaskSpec>, Tuning, Arc<TaskSpec>)> = Vec::new();
    for task in observed.tasks_mut() {
        let Some(record) = records.get(&task.stack) else { continue };
        let now = Tuning::of(&task.spec);
        let known = record.tasks.get(&task.id).unwrap_or(&now).or(&now);
        let tuning = seen
            .get(&task.id)
            .map_or_else(|| known.clone(), |seen| known.as_seen(seen, task.is_job, task.spec.swaps));
        if tuning == now {
            continue;
        }
        let same = |(from, to, _): &&(Arc<TaskSpec>, Tuning, Arc<TaskSpec>)| {
            Arc::ptr_eq(from, &task.spec) && *to == tuning
        };
        task.spec = match shared.iter().find(same) {
            Some((_, _, made)) => Arc::clone(made),
            None => {
                let mut spec = TaskSpec::clone(&task.spec);
                tuning.apply(&mut spec);
                let made = Arc::new(spec);
                shared.push((Arc::clone(&task.spec), tuning, Arc::clone(&made)));
                made
            }
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::in_place::InPlaceRecord;
    use crate::model::restart::EnginePolicy;
    use crate::model::spec::Limits;
    use crate::model::testing::*;

    #[test]
    fn records_are_laid_over_labels_and_spare_what_is_shared() {
        let service = replicated("web", 3);
        let (spec, shared) = (stack(vec![service.clone()]), Arc::clone(&service.task));
        let mut observed = nodes(1);
        for number in 1..=3 {
            let task = task_of(&spec.name, &service, number);
            facts(observed.nodes.values_mut().next().unwrap())
                .tasks
                .push(Task { spec: Arc::clone(&shared), ..task });
        }
        let ids: Vec<TaskId> = observed.tasks().map(|task| task.id.clone()).collect();
        let to = Tuning { limits: Limits { memory: Some(128), ..Limits::default() }, ..Tuning::default() };
        let record = InPlaceRecord {
            tasks: ids[..2].iter().map(|id| (id.clone(), to.clone())).collect(),
            unsure: [ids[2].clone()].into(),
            is_old: false,
        };
        let records = InPlaceRecords::from([(spec.name.clone(), record)]);
        assert_eq!(
            unsure(&records, &observed).iter().map(|task| task.id.clone()).collect::<Vec<_>>(),
            ids[2..]
        );
        let seen = Seen {
            limits: Limits { pids: Some(7), ..Limits::default() },
            policy: EnginePolicy::UnlessStopped,
        };
        lay_over(&records, &BTreeMap::from([(ids[2].clone(), seen)]), &mut observed);
        let tasks: Vec<&Task> = observed.tasks().collect();
        assert!(Arc::ptr_eq(&tasks[0].spec, &tasks[1].spec));
        assert_eq!(Tuning::of(&tasks[0].spec), to);
        assert_eq!(tasks[2].spec.resources.limits.pids, Some(7));
        assert!(observed.unsure.is_empty());
        lay_over(&records, &BTreeMap::new(), &mut observed);
        assert_eq!(observed.unsure, [ids[2].clone()].into(), "it did not answer");
    }
}
