//! The converger answered by hand, where the order of the answers is what matters.

use stackctl::model::action::{Action, Outcome, What};
use stackctl::model::spec::{Healthcheck, ServiceMode, UpdateOrder};
use stackctl::model::{GoDuration, Health, Observed, StackSpec, TaskStatus, Timestamp, Unreachable};
use stackctl::orchestrator::converge::SETTLE_MS;
use stackctl::orchestrator::{Converger, Ending, Event, Plan, Step, assign};

use crate::builder::*;
use crate::faults::Faults;
use crate::options;
use crate::world::World;

const UP: TaskStatus = TaskStatus::Running { health: Health::None };

/// A converger that has prepared everything, and what it does first then.
fn rolling(observed: &Observed, spec: &StackSpec) -> (Converger, Vec<Action>) {
    let mut converger = Converger::new(assign(observed, spec, options()));
    let prepare = converger.step(Timestamp(0), Event::Tick).actions;
    assert!(prepare.iter().all(|action| matches!(action.what, What::PullImage { .. })), "{prepare:?}");
    let actions =
        prepare.iter().flat_map(|action| answer(&mut converger, 0, action, Outcome::Done).actions).collect();
    (converger, actions)
}

fn answer(converger: &mut Converger, now: i64, action: &Action, outcome: Outcome) -> Step {
    converger.step(Timestamp(now), Event::ActionDone { id: action.id, outcome })
}

fn verbs(actions: &[Action]) -> Vec<String> {
    actions
        .iter()
        .map(|action| match action.what.task() {
            Some(task) => format!("{} {task}", action.what.verb()),
            None => action.what.verb().to_owned(),
        })
        .collect()
}

/// One task of `web` on `h1`, started and seen as told.
fn started(status: TaskStatus) -> (Converger, Action, Step) {
    let (mut converger, create) = rolling(&cluster(vec![node("h1")]), &stack(vec![replicated("web", 1)]));
    let start = answer(&mut converger, 0, &create[0], Outcome::Done).actions.remove(0);
    let step = answer(&mut converger, 0, &start, Outcome::Started(status));
    (converger, start, step)
}

#[test]
fn delays_and_settling_take_their_time() {
    let mut world = World::new(cluster(vec![node("h1")]), 1, Faults::NONE);
    // Of an image without a word about it nothing is sure: it may bring a health check of its own.
    let none = Healthcheck { test: vec!["NONE".into()], ..Healthcheck::default() };
    let mut web = with_task(replicated("web", 3), |task| task.healthcheck = Some(none));
    web.update_config.parallelism = 1;
    web.update_config.delay = GoDuration::from_millis(10_000);
    let plan = Plan::make(&world.observe(), &stack(vec![web.clone()]), options());
    assert_eq!(plan.forecast.duration_ms, SETTLE_MS);
    world.deploy(&stack(vec![web.clone()]), options(), None);
    let web_monitor_ms = web.update_config.monitor.as_millis();
    let plan = Plan::make(&world.observe(), &stack(vec![with_image(web, "web:2")]), options());
    assert_eq!(
        plan.forecast.duration_ms,
        20_000 + web_monitor_ms,
        "a delay between two slots, none after the last, which only has to hold"
    );
}

/// The first of two tasks of `web` replaced, running again at time 0, and what is done then.
fn replaced(order: UpdateOrder, status: TaskStatus) -> (Converger, Action, Vec<String>) {
    let mut world = World::new(cluster(vec![node("h1")]), 1, Faults::NONE);
    let mut web = replicated("web", 2);
    web.update_config.order = order;
    web.update_config.monitor = GoDuration::from_millis(7_000);
    world.deploy(&stack(vec![web.clone()]), options(), None);
    let (mut converger, mut actions) = rolling(&world.observe(), &stack(vec![with_image(web, "web:2")]));
    loop {
        let [action] = &actions[..] else { panic!("{actions:?}") };
        let action = action.clone();
        if let What::StartTask { .. } = action.what {
            let step = answer(&mut converger, 0, &action, Outcome::Started(status));
            return (converger, action, verbs(&step.actions));
        }
        actions = answer(&mut converger, 0, &action, Outcome::Done).actions;
    }
}

#[test]
fn a_replacement_without_a_health_check_must_hold_before_the_next_slot() {
    let (mut converger, _, then) = replaced(UpdateOrder::StopFirst, UP);
    assert_eq!(then, [""; 0]);
    assert!(converger.step(Timestamp(6_999), Event::Tick).actions.is_empty());
    let next = converger.step(Timestamp(7_000), Event::Tick).actions;
    assert_eq!(verbs(&next), ["create task web.2"]);
}

#[test]
fn a_replacement_without_a_health_check_must_hold_before_the_old_task_goes() {
    let (mut converger, _, then) = replaced(UpdateOrder::StartFirst, UP);
    assert_eq!(then, [""; 0]);
    let next = converger.step(Timestamp(7_000), Event::Tick).actions;
    assert_eq!(verbs(&next), ["stop task web.1"]);
}

#[test]
fn a_replacement_that_is_healthy_need_not_hold() {
    let healthy = TaskStatus::Running { health: Health::Healthy };
    assert_eq!(replaced(UpdateOrder::StopFirst, healthy).2, ["create task web.2"]);
}

#[test]
fn a_replacement_that_falls_within_the_monitor_is_the_last() {
    for status in [TaskStatus::Restarting { exit_code: 1 }, TaskStatus::Exited { exit_code: 1 }] {
        let (mut converger, start, _) = replaced(UpdateOrder::StopFirst, UP);
        let task = start.what.task().unwrap().id;
        let fell = converger
            .step(Timestamp(6_000), Event::TaskSeen { node: start.node, task, status: Some(status) });
        assert!(fell.actions.is_empty(), "{:?}", verbs(&fell.actions));
        let verdict = fell.verdict.or_else(|| converger.step(Timestamp(9_000), Event::Tick).verdict).unwrap();
        assert_eq!((verdict.ending, verdict.services[0].untouched), (Ending::Paused, 1));
    }
}

#[test]
fn a_port_is_not_taken_before_it_is_free() {
    let mut world = World::new(cluster(vec![node("h1")]), 1, Faults::NONE);
    world.deploy(&stack(vec![with_port(replicated("old", 1), 80)]), options(), None);
    let (mut converger, first) = rolling(&world.observe(), &stack(vec![with_port(replicated("new", 1), 80)]));
    assert_eq!(verbs(&first), ["stop task old.1", "create task new.1"]);
    assert!(answer(&mut converger, 1, &first[1], Outcome::Done).actions.is_empty(), "the old one still runs");
    let next = answer(&mut converger, 2, &first[0], Outcome::Done).actions;
    assert!(verbs(&next).contains(&"start task new.1".to_owned()), "{:?}", verbs(&next));
}

#[test]
fn a_task_is_not_awaited_on_a_host_that_went_silent() {
    let (mut converger, start, step) = started(TaskStatus::Running { health: Health::Starting });
    assert!(step.verdict.is_none() && converger.is_watching());
    let why = Unreachable {
        since: Timestamp(1),
        code: "stackctl::ssh::unreachable".into(),
        reason: "no answer".into(),
        help: None,
    };
    let step = converger.step(Timestamp(1), Event::NodeSilent { node: start.node, why });
    assert_eq!(step.verdict.map(|verdict| verdict.ending), Some(Ending::HostSilent));
}

#[test]
fn a_task_that_exits_while_it_settles_has_failed() {
    let (mut converger, start, step) = started(UP);
    assert!(step.verdict.is_none(), "it has to hold first");
    let task = start.what.task().unwrap().id;
    let status = Some(TaskStatus::Exited { exit_code: 1 });
    let fell = converger.step(Timestamp(500), Event::TaskSeen { node: start.node, task, status });
    let ended = fell.verdict.or_else(|| converger.step(Timestamp(SETTLE_MS), Event::Tick).verdict);
    assert_eq!(ended.map(|verdict| verdict.ending), Some(Ending::Failed));
}

#[test]
fn a_task_that_holds_has_arrived() {
    let (mut converger, _, _) = started(UP);
    assert!(converger.step(Timestamp(SETTLE_MS - 1), Event::Tick).verdict.is_none());
    let ended = converger.step(Timestamp(SETTLE_MS), Event::Tick).verdict;
    assert_eq!(ended.map(|verdict| verdict.ending), Some(Ending::Converged));
}

#[test]
fn a_job_runs_so_many_tasks_at_a_time() {
    let job = service("job", ServiceMode::ReplicatedJob { total: 3, max_concurrent: 2 });
    let (mut converger, first) = rolling(&cluster(vec![node("h1")]), &stack(vec![job]));
    assert_eq!(verbs(&first), ["create task job.0", "create task job.1"]);
    let start = answer(&mut converger, 1, &first[0], Outcome::Done).actions.remove(0);
    assert!(answer(&mut converger, 2, &start, Outcome::Started(UP)).actions.is_empty(), "it has not ended");
    let task = start.what.task().unwrap().id;
    let status = Some(TaskStatus::Exited { exit_code: 0 });
    let next = converger.step(Timestamp(3), Event::TaskSeen { node: start.node, task, status });
    assert_eq!(verbs(&next.actions), ["create task job.2"]);
}

#[test]
fn an_answer_that_comes_twice_counts_once() {
    let (mut converger, create) = rolling(&cluster(vec![node("h1")]), &stack(vec![replicated("web", 1)]));
    let start = answer(&mut converger, 0, &create[0], Outcome::Done).actions.remove(0);
    assert!(answer(&mut converger, 0, &create[0], Outcome::Done).actions.is_empty());
    for _ in 0..2 {
        assert!(answer(&mut converger, 0, &start, Outcome::Started(UP)).actions.is_empty());
    }
    let ended = converger.step(Timestamp(SETTLE_MS), Event::Tick).verdict;
    assert_eq!(ended.map(|verdict| verdict.ending), Some(Ending::Converged));
}
