//! What a loop that keeps a stack plans otherwise than a deploy: sick tasks are replaced, slots that rest
//! are left, and what stays is not waited for.

use stackctl::model::action::What;
use stackctl::model::reason::Reason;
use stackctl::model::{Health, Observed, Slot, StackSpec, TaskStatus};
use stackctl::orchestrator::{Ending, Note, Plan, PlanOptions, Suppressed};

use crate::builder::*;
use crate::faults::Faults;
use crate::options;
use crate::world::{RunEnd, World};

const SICK: TaskStatus = TaskStatus::Running { health: Health::Unhealthy };
const FAILED: TaskStatus = TaskStatus::Exited { exit_code: 1 };

/// Two tasks that are up, as they are seen, and then in another state.
fn seen(spec: &StackSpec, states: [TaskStatus; 2]) -> Observed {
    let mut world = World::new(cluster(vec![node("h1"), node("h2")]), 1, Faults::NONE);
    match world.deploy(spec, options(), None) {
        RunEnd::Verdict(verdict) if verdict.ending == Ending::Converged => {}
        other => panic!("{other:?}"),
    }
    let mut observed = world.observe();
    for node in observed.nodes.values_mut() {
        for task in &mut facts(node).tasks {
            let Slot::Replica(number) = task.slot else { panic!("{}", task.slot) };
            task.status = states[number as usize - 1];
        }
    }
    observed
}

/// Slots that get a new task, and why.
fn started(plan: &Plan) -> Vec<(String, Reason)> {
    let starts = plan.forecast.actions().filter(|action| matches!(action.what, What::StartTask { .. }));
    let mut all: Vec<_> =
        starts.map(|action| (action.what.task().unwrap().slot.to_string(), action.why.clone())).collect();
    all.sort();
    all
}

fn plan(observed: &Observed, spec: &StackSpec, rest: &[(u32, Suppressed)]) -> Plan {
    let suppressed =
        rest.iter().map(|(slot, rest)| ((service_name("web"), Slot::Replica(*slot)), rest.clone()));
    let options = PlanOptions { upkeep: true, suppressed: suppressed.collect(), ..options() };
    Plan::make(observed, spec, options)
}

#[test]
fn sick_tasks_are_replaced_by_a_loop_alone() {
    let spec = stack(vec![replicated("web", 2)]);
    let observed = seen(&spec, [SICK, FAILED]);
    let ended = Reason::TaskEnded { exit_code: Some(1) };
    let by_a_loop = plan(&observed, &spec, &[]);
    assert_eq!(started(&by_a_loop), [("1".to_owned(), Reason::Unhealthy), ("2".to_owned(), ended)]);
    let by_a_deploy = started(&Plan::make(&observed, &spec, options()));
    assert!(by_a_deploy.iter().all(|(slot, _)| slot != "1"), "whoever deploys waits for it: {by_a_deploy:?}");
}

#[test]
fn slots_that_rest_are_left_as_they_are_and_are_named() {
    let spec = stack(vec![replicated("web", 2)]);
    let until = Suppressed::Until { at: stackctl::model::Timestamp(9_000), failures: 2 };
    let all = [(1, until.clone()), (2, Suppressed::Exhausted)];
    let suppressed = plan(&seen(&spec, [FAILED, FAILED]), &spec, &all);
    assert!(suppressed.forecast.waves.is_empty(), "{:?}", started(&suppressed));
    let named = |note: &&Note| matches!(note, Note::Resting { .. });
    assert_eq!(suppressed.notes.iter().filter(named).count(), 2, "{:?}", suppressed.notes);
    // A sick one serves on, for what it is worth, until its turn comes.
    let sick = plan(&seen(&spec, [SICK, SICK]), &spec, &[(1, until)]);
    assert_eq!(started(&sick), [("2".to_owned(), Reason::Unhealthy)]);
}

#[test]
fn what_stays_is_not_waited_for() {
    let spec = stack(vec![replicated("web", 2)]);
    let starting = TaskStatus::Running { health: Health::Starting };
    let observed = seen(&spec, [starting, TaskStatus::Restarting { exit_code: 1 }]);
    let assignment = |upkeep| {
        let options = PlanOptions { upkeep, ..options() };
        stackctl::orchestrator::assign(&observed, &spec, options)
    };
    let watched =
        |upkeep| assignment(upkeep).services[0].slots.iter().filter(|slot| slot.watch.is_some()).count();
    assert_eq!((watched(false), watched(true)), (2, 0));
}
