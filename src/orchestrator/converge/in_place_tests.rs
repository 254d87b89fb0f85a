//! Tasks that are changed as they run: slot by slot, watched, and changed back if that fails.

use super::{Converger, Ending, SETTLE_MS};
use crate::model::action::{Action, Failure, FailureKind, Outcome, What};
use crate::model::spec::{FailureAction, Healthcheck, RestartCondition, ServiceSpec};
use crate::model::testing::*;
use crate::model::{GoDuration, Observed, StackName, TaskSpec, TaskStatus, Timestamp};
use crate::orchestrator::assign::SlotKind;
use crate::orchestrator::{Assignment, Event, Note, Plan, PlanOptions, Step, assign};

const MIB: i64 = 1 << 20;

/// Tasks of a service as they run on one node.
fn running(service: &ServiceSpec, tasks: u32) -> Observed {
    let mut observed = nodes(1);
    let facts = facts(observed.nodes.values_mut().next().unwrap());
    facts.images.insert(service.task.image.clone());
    facts.tasks.extend((1..=tasks).map(|number| task_of(&StackName::unchecked(STACK), service, number)));
    observed
}

fn limited(memory: i64) -> ServiceSpec {
    with_task(replicated("web", 2), |task| task.resources.limits.memory = Some(memory * MIB))
}

fn planned(observed: &Observed, service: ServiceSpec) -> Assignment {
    assign(observed, &stack(vec![service]), PlanOptions::default())
}

fn kinds(assignment: &Assignment) -> Vec<SlotKind> {
    assignment.services[0].slots.iter().map(|slot| slot.kind).collect()
}

fn kinds_after(change: impl FnOnce(&mut TaskSpec)) -> Vec<SlotKind> {
    let before = with_task(limited(64), |task| {
        task.resources.limits.nano_cpus = Some(500_000_000);
        task.resources.reservations.memory = 32 * MIB;
    });
    kinds(&planned(&running(&before, 2), with_task(before, change)))
}

#[test]
fn what_an_engine_can_change_is_changed_in_place_and_what_it_cannot_is_replaced() {
    use SlotKind::{InPlace, Replace};
    assert_eq!(kinds_after(|_| {}), []);
    assert_eq!(kinds_after(|task| task.resources.limits.memory = Some(128 * MIB)), [InPlace; 2]);
    assert_eq!(kinds_after(|task| task.resources.limits.nano_cpus = Some(1_000_000_000)), [InPlace; 2]);
    assert_eq!(kinds_after(|task| task.resources.limits.pids = Some(100)), [InPlace; 2]);
    assert_eq!(kinds_after(|task| task.restart_policy.condition = RestartCondition::None), [InPlace; 2]);
    assert_eq!(kinds_after(|task| task.resources.reservations.memory = 64 * MIB), [InPlace; 2]);
    assert_eq!(kinds_after(|task| task.stop_grace_period = Some(GoDuration::from_secs(60))), [InPlace; 2]);
    assert_eq!(kinds_after(|task| task.resources.limits.memory = None), [Replace; 2]);
    assert_eq!(kinds_after(|task| task.resources.limits.nano_cpus = None), [Replace; 2]);
    let added = |action: FailureAction| {
        let before = replicated("web", 2);
        let mut after = limited(64);
        after.update_config.failure_action = action;
        kinds(&planned(&running(&before, 2), after))
    };
    assert_eq!(added(FailureAction::Pause), [InPlace; 2]);
    assert_eq!(added(FailureAction::Rollback), [Replace; 2], "it could not be taken back");
    let both = kinds_after(|task| {
        task.image = "web:2".to_owned();
        task.resources.limits.memory = Some(128 * MIB);
    });
    assert_eq!(both, [Replace; 2]);
}

#[test]
fn a_new_content_of_a_config_is_no_reason_to_replace_a_task_that_reads_it_again() {
    use crate::model::spec::{ConfigSpec, FileMount};
    let with = |content: &str, signal: Option<&str>| {
        with_task(replicated("web", 2), |task| {
            let mount = FileMount {
                source: "site".into(),
                uid: "0".into(),
                gid: "0".into(),
                mode: 0o444,
                content: content.into(),
                template_driver: None,
            };
            task.configs.insert("/site".into(), mount);
            task.on_config = signal.map(Into::into);
        })
    };
    let spec = |after: ServiceSpec| {
        let content = after.task.configs["/site"].content.clone();
        let mut spec = stack(vec![after]);
        let config = ConfigSpec {
            name: "site".into(),
            external: false,
            digest: content,
            content: Some(std::sync::Arc::from(&b"x"[..])),
            labels: std::collections::BTreeMap::new(),
            template_driver: None,
        };
        spec.configs.insert("site".into(), config);
        spec
    };
    let planned = |before: ServiceSpec, after: ServiceSpec| {
        assign(&running(&before, 2), &spec(after), PlanOptions::default())
    };
    // As labels have it.
    let mut hidden = running(&with("a", Some("SIGHUP")), 2);
    let key = hidden.key.clone();
    for task in &mut facts(hidden.nodes.values_mut().next().unwrap()).tasks {
        let marks = crate::model::Marks::of(&key, &task.stack, &task.service);
        task.spec = std::sync::Arc::new(marks.masked(&task.spec));
        task.key_id = Some(std::sync::Arc::from(key.id()));
    }
    let last = spec(with("a", Some("SIGHUP")));
    let drift = crate::orchestrator::drift::drift(&hidden, &last, &PlanOptions::default());
    assert!(drift.is_empty(), "{drift:?}");
    assert_eq!(kinds(&assign(&hidden, &last, PlanOptions::default())), []);
    let hup = Some("SIGHUP");
    assert_eq!(kinds(&planned(with("a", None), with("b", None))), [SlotKind::Replace; 2]);
    assert_eq!(kinds(&planned(with("a", hup), with("a", hup))), []);
    let changed = planned(with("a", hup), with("b", hup));
    assert_eq!(kinds(&changed), [SlotKind::InPlace; 2]);
    let update = changed.services[0].slots[0].update.as_ref().unwrap();
    let reload = update.reload.as_ref().unwrap();
    assert_eq!(
        (reload.signal.as_str(), reload.is_back, reload.task.slot.clone()),
        ("SIGHUP", false, crate::model::Slot::Replica(1))
    );
    assert!(update.reversed().reload.unwrap().is_back);
    assert_eq!(kinds(&planned(with("a", None), with("a", hup))), [SlotKind::Replace; 2], "as its label says");
}

/// A service with a secret in a file, and in a variable; a config beside.
fn with_secrets(file: &str, variable: &str, config: &str, change: impl FnOnce(&mut TaskSpec)) -> ServiceSpec {
    with_task(replicated("web", 2), |task| {
        task.on_config = Some("SIGHUP".into());
        task.secrets.insert("/run/secrets/db".into(), file_mount("db", file));
        task.secrets.insert("/run/stackctl/env/DB".into(), file_mount("db", variable));
        task.configs.insert("/site".into(), file_mount("site", config));
        change(task);
    })
}

/// As it is asked for after tasks of another spec were made, by a version that makes them so that files can be swapped, or not.
fn after(made: &ServiceSpec, swaps: bool, wanted: ServiceSpec) -> Assignment {
    use crate::model::spec::{ConfigSpec, SecretSpec};
    let mut observed = running(made, 2);
    for task in &mut facts(observed.nodes.values_mut().next().unwrap()).tasks {
        std::sync::Arc::make_mut(&mut task.spec).swaps = swaps;
    }
    let mut spec = stack(vec![wanted]);
    spec.secrets
        .insert("db".into(), SecretSpec { name: "db".into(), version: "v".into(), ..SecretSpec::default() });
    let site = ConfigSpec {
        name: "site".into(),
        external: false,
        digest: "d".into(),
        content: Some(std::sync::Arc::from(&b"x"[..])),
        labels: std::collections::BTreeMap::new(),
        template_driver: None,
    };
    spec.configs.insert("site".into(), site);
    assign(&observed, &spec, PlanOptions::default())
}

fn swap_notes(assignment: &Assignment) -> Vec<String> {
    let is_one = |note: &&Note| matches!(note, Note::NotSwapped { .. });
    assignment.notes.iter().filter(is_one).map(ToString::to_string).collect()
}

#[test]
fn another_secret_is_swapped_where_a_signal_has_files_read_again() {
    use SlotKind::{InPlace, Replace};
    let same = |_: &mut TaskSpec| {};
    let made = with_secrets("a", "a", "a", same);
    assert_eq!(kinds(&after(&made, true, made.clone())), []);
    assert_eq!(kinds(&after(&made, false, made.clone())), [], "an older version's tasks stay as they are");
    let swapped = after(&made, true, with_secrets("b", "a", "b", same));
    assert_eq!((kinds(&swapped), swap_notes(&swapped)), (vec![InPlace; 2], vec![]));
    let update = swapped.services[0].slots[0].update.clone().unwrap();
    let plan = &update.reload.as_ref().unwrap().task;
    let files: Vec<&str> = plan.service.secrets.iter().map(|one| one.target.as_str()).collect();
    assert_eq!(files, ["/run/secrets/db", "/run/stackctl/env/DB", "/site"]);
    assert!(plan.service.swaps && plan.service.files.is_empty());
    assert!(plan.service.spec_json.contains("\"swaps\":true"), "its container says how it was made");
    let links: Vec<_> = plan.links().collect();
    assert_eq!(links, [("/site", "/run/secrets/..data/2".to_owned())]);
    // A variable is read once, whatever else is changed with it.
    let rolled = after(&made, true, with_secrets("b", "b", "a", same));
    assert_eq!(kinds(&rolled), [Replace; 2]);
    assert!(
        swap_notes(&rolled)[0].starts_with("web: the secret of variable DB is another one"),
        "{:?}",
        rolled.notes
    );
    // What was made file by file is replaced once, for a config that is among the swapped ones too.
    for wanted in [with_secrets("b", "a", "a", same), with_secrets("a", "a", "b", same)] {
        let is_secret = wanted.task.secrets["/run/secrets/db"].content == "b";
        let old = after(&made, false, wanted);
        assert_eq!((kinds(&old), swap_notes(&old).len()), (vec![Replace; 2], usize::from(is_secret)));
    }
    // Where there can be no link, secrets go on as without the signal, and configs as before.
    let fixed = |file: &str, config: &str| {
        with_secrets(file, "a", config, |task| {
            task.secrets.insert("/dev/shm/x".into(), file_mount("db", file)).map_or((), drop)
        })
    };
    let old = after(&fixed("a", "a"), false, fixed("b", "a"));
    assert_eq!(kinds(&old), [Replace; 2]);
    let said = "web: its secrets cannot be changed in place, and its tasks are replaced: there can be no link at /dev/shm/x";
    assert_eq!(swap_notes(&old), [said]);
    let old = after(&fixed("a", "a"), false, fixed("a", "b"));
    assert_eq!((kinds(&old), swap_notes(&old)), (vec![InPlace; 2], vec![]));
}

#[test]
fn a_limit_below_what_a_task_uses_replaces_that_task() {
    let mut observed = running(&limited(64), 2);
    observed.memory_use = [("web1", 40 * MIB), ("web2", 20 * MIB)]
        .map(|(id, uses)| (crate::model::TaskId::unchecked(id), uses))
        .into();
    let assignment = planned(&observed, limited(32));
    assert_eq!(kinds(&assignment), [SlotKind::InPlace, SlotKind::Replace]);
    let why = assignment.services[0].slots[1].why.to_string();
    assert_eq!(why, "it uses 40 MiB of memory, and the new limit is 32 MiB");
}

#[test]
fn a_task_that_is_not_well_is_replaced() {
    let mut observed = running(&limited(64), 2);
    let node = facts(observed.nodes.values_mut().next().unwrap());
    node.tasks[0].status = TaskStatus::Restarting { exit_code: 137 };
    assert_eq!(kinds(&planned(&observed, limited(128))), [SlotKind::InPlace, SlotKind::Replace]);
}

#[test]
fn what_the_node_does_not_have_cannot_be_reserved_in_place() {
    let small = with_task(replicated("web", 2), |task| task.resources.reservations.memory = MIB);
    let mut observed = running(&small, 2);
    observed.nodes.insert(node_name("n000002"), node("n000002"));
    facts(observed.nodes.get_mut(&node_name("n000002")).unwrap()).images.insert(small.task.image.clone());
    let large = with_task(small, |task| task.resources.reservations.memory = 5 << 30);
    assert_eq!(kinds(&planned(&observed, large)), [SlotKind::InPlace, SlotKind::Replace], "8 GiB a node");
}

#[test]
fn a_plan_says_what_is_changed_and_nothing_twice() {
    let after = with_task(limited(64), |task| task.stop_grace_period = Some(GoDuration::from_secs(60)));
    let plan = Plan::make(&running(&limited(64), 2), &stack(vec![after.clone()]), PlanOptions::default());
    assert_eq!((plan.forecast.summary().in_place, plan.forecast.summary().replace), (2, 0));
    assert!(plan.notes.iter().any(|note| matches!(note, Note::OldStopGrace { .. })), "{:?}", plan.notes);
    let fields: Vec<&str> = plan.diff.services[0].changes.iter().map(|change| &*change.path).collect();
    assert_eq!(fields, ["stop_grace_period"]);
    assert!(Plan::make(&running(&after, 2), &stack(vec![after]), PlanOptions::default()).is_empty());
}

/// A run that raises the limit of two tasks, up to its first step.
fn begin(action: FailureAction) -> (Converger, Step) {
    let mut after = limited(128);
    after.update_config.failure_action = action;
    let mut converger = Converger::new(planned(&running(&limited(64), 2), after));
    let step = converger.step(Timestamp(0), Event::Tick);
    (converger, step)
}

fn updates(step: &Step) -> Vec<(&str, i64)> {
    let update = |action: &Action| match &action.what {
        What::UpdateTask { update, .. } => update.to.limits.memory.unwrap() / MIB,
        other => panic!("{other:?}"),
    };
    step.actions.iter().map(|action| (action.node.as_str(), update(action))).collect()
}

fn seen(converger: &mut Converger, at: i64, status: TaskStatus) -> Step {
    let (node, task, _) = converger.awaited().remove(0);
    converger.step(Timestamp(at), Event::TaskSeen { node, task, status: Some(status) })
}

const RUNNING: TaskStatus = TaskStatus::Running { health: crate::model::Health::None };

#[test]
fn tasks_are_changed_one_after_the_other_each_watched_for_the_monitor_time() {
    let (mut converger, step) = begin(FailureAction::Pause);
    assert_eq!(updates(&step), [("n000001", 128)]);
    let done = Event::ActionDone { id: step.actions[0].id, outcome: Outcome::Done };
    assert!(converger.step(Timestamp(0), done).actions.is_empty());
    let step = seen(&mut converger, 100, TaskStatus::Running { health: crate::model::Health::Healthy });
    assert_eq!((step.actions.len(), step.wake_at), (0, Some(Timestamp(5_100))), "healthy or not");
    let step = converger.step(Timestamp(5_100), Event::Tick);
    assert_eq!(updates(&step), [("n000001", 128)]);
    converger.step(Timestamp(5_100), Event::ActionDone { id: step.actions[0].id, outcome: Outcome::Done });
    seen(&mut converger, 5_200, RUNNING);
    let step = converger.step(Timestamp(10_200 + SETTLE_MS), Event::Tick);
    assert_eq!(step.verdict.unwrap().ending, Ending::Converged);
}

#[test]
fn a_task_that_dies_of_it_gets_back_what_it_had_and_is_started() {
    let (mut converger, step) = begin(FailureAction::Rollback);
    converger.step(Timestamp(0), Event::ActionDone { id: step.actions[0].id, outcome: Outcome::Done });
    seen(&mut converger, 100, RUNNING);
    let step = seen(&mut converger, 900, TaskStatus::Exited { exit_code: 137 });
    assert_eq!(updates(&step), [("n000001", 64)], "and the second task is not touched");
    let step =
        converger.step(Timestamp(900), Event::ActionDone { id: step.actions[0].id, outcome: Outcome::Done });
    let again = &step.actions[0];
    assert!(matches!(again.what, What::StartAgain { .. }), "{again:?}");
    converger.step(Timestamp(900), Event::ActionDone { id: again.id, outcome: Outcome::Started(RUNNING) });
    let step = converger.step(Timestamp(900 + 5_000), Event::Tick);
    assert_eq!(step.verdict.unwrap().ending, Ending::RolledBack);
}

/// A run that takes memory from tasks with a health check, up to where the first is unhealthy, has got back what it had
/// and is asked to run.
fn unhealthy_and_changed_back() -> Converger {
    let checked = |memory: i64| {
        with_task(limited(memory), |task| {
            let every = Some(GoDuration::from_secs(2));
            let check =
                Healthcheck { interval: every, timeout: every, retries: Some(4), ..Default::default() };
            task.healthcheck = Some(check);
        })
    };
    let mut after = checked(20);
    after.update_config.failure_action = FailureAction::Rollback;
    let mut converger = Converger::new(planned(&running(&checked(64), 2), after));
    let step = converger.step(Timestamp(0), Event::Tick);
    converger.step(Timestamp(0), Event::ActionDone { id: step.actions[0].id, outcome: Outcome::Done });
    seen(&mut converger, 100, HEALTHY);
    let step = seen(&mut converger, 4_000, UNHEALTHY);
    assert_eq!(updates(&step), [("n000001", 64)]);
    let done = Event::ActionDone { id: step.actions[0].id, outcome: Outcome::Done };
    let again = &converger.step(Timestamp(4_000), done).actions[0];
    let ran_on = Outcome::Started(UNHEALTHY);
    let step = converger.step(Timestamp(4_000), Event::ActionDone { id: again.id, outcome: ran_on });
    assert!(step.verdict.is_none(), "what it answered before says nothing of how it is now: {step:?}");
    converger
}

const HEALTHY: TaskStatus = TaskStatus::Running { health: crate::model::Health::Healthy };
const UNHEALTHY: TaskStatus = TaskStatus::Running { health: crate::model::Health::Unhealthy };

#[test]
fn a_task_that_was_changed_back_is_judged_by_its_next_probe() {
    let mut converger = unhealthy_and_changed_back();
    assert!(seen(&mut converger, 5_000, UNHEALTHY).verdict.is_none());
    let verdict = seen(&mut converger, 6_000, HEALTHY).verdict.unwrap();
    assert_eq!(verdict.ending, Ending::RolledBack);
}

#[test]
fn a_task_that_was_changed_back_and_stays_unhealthy_is_not_awaited_for_ever() {
    let mut converger = unhealthy_and_changed_back();
    assert!(seen(&mut converger, 20_000, UNHEALTHY).verdict.is_none());
    // Five probes, each of four seconds at most.
    let step = converger.step(Timestamp(4_000 + 20_000), Event::Tick);
    assert_eq!(step.verdict.unwrap().ending, Ending::RollbackPaused);
}

#[test]
fn an_engine_that_refuses_pauses_the_update() {
    let (mut converger, step) = begin(FailureAction::Pause);
    let failure =
        Failure { kind: FailureKind::Refused, code: String::new(), message: "no".into(), help: None };
    let failed = Event::ActionDone { id: step.actions[0].id, outcome: Outcome::Failed(failure) };
    let verdict = converger.step(Timestamp(0), failed).verdict.unwrap();
    assert_eq!((verdict.ending, verdict.services[0].untouched), (Ending::Paused, 1));
}
