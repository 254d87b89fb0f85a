//! Short scenes, one per rule, readable aloud.

use stackctl::model::action::What;
use stackctl::model::node::Availability;
use stackctl::model::reason::Reason;
use stackctl::model::spec::{
    DependencyCondition, FailureAction, Mount, ServiceMode, UpdateOrder, VolumeSpec,
};
use stackctl::model::{NodeName, StackSpec};
use stackctl::orchestrator::{Ending, Plan, PlanOptions, Problem, ServiceEnding};

use crate::builder::*;
use crate::faults::Faults;
use crate::options;
use crate::world::{RunEnd, World};

pub fn four() -> World {
    let nodes = [("h1", "a"), ("h2", "b"), ("h3", "a"), ("h4", "b")];
    World::new(
        cluster(nodes.iter().map(|(name, zone)| labelled(name, &[("zone", zone)])).collect()),
        1,
        Faults::NONE,
    )
}

pub fn deploy(world: &mut World, spec: &StackSpec) -> Ending {
    match world.deploy(spec, options(), None) {
        RunEnd::Verdict(verdict) => verdict.ending,
        other => panic!("{other:?}\n{}", world.trace.join("\n")),
    }
}

pub fn nodes_of(world: &World, service: &str) -> Vec<String> {
    let mut nodes: Vec<String> = world
        .tasks()
        .filter(|task| task.service.as_str() == service && task.is_live())
        .map(|task| task.node.to_string())
        .collect();
    nodes.sort();
    nodes
}

/// Verbs and objects of a plan, task ids left out.
pub fn told(plan: &Plan) -> Vec<String> {
    plan.forecast
        .actions()
        .map(|action| {
            let object = match action.what.task() {
                Some(task) => task.to_string(),
                None => action.what.object(),
            };
            format!("{} {object} on {}", action.what.verb(), action.node)
        })
        .collect()
}

#[test]
fn tasks_spread_over_nodes() {
    let mut world = four();
    assert_eq!(deploy(&mut world, &stack(vec![replicated("web", 6)])), Ending::Converged);
    assert_eq!(nodes_of(&world, "web"), ["h1", "h1", "h2", "h2", "h3", "h4"]);
}

#[test]
fn spread_preferences_level_branches_first() {
    let nodes = vec![
        labelled("h1", &[("zone", "a")]),
        labelled("h2", &[("zone", "a")]),
        labelled("h3", &[("zone", "b")]),
    ];
    let mut world = World::new(cluster(nodes), 1, Faults::NONE);
    let mut web = replicated("web", 4);
    web.placement.spread.push("node.labels.zone".into());
    deploy(&mut world, &stack(vec![web]));
    assert_eq!(nodes_of(&world, "web"), ["h1", "h2", "h3", "h3"]);
}

#[test]
fn a_global_service_runs_once_on_each_node_that_fits() {
    let mut world = four();
    deploy(&mut world, &stack(vec![constrained(global("agent"), "node.labels.zone == a")]));
    assert_eq!(nodes_of(&world, "agent"), ["h1", "h3"]);
}

#[test]
fn the_second_run_does_nothing() {
    let mut world = four();
    let spec = stack(vec![replicated("web", 3), global("agent")]);
    deploy(&mut world, &spec);
    let plan = Plan::make(&world.observe(), &spec, options());
    assert!(plan.is_empty() && plan.diff.is_empty(), "{:?}", told(&plan));
}

#[test]
fn what_is_planned_is_what_is_done() {
    let mut world = four();
    let mut spec = stack(vec![with_port(replicated("web", 3), 80), replicated("db", 2), global("agent")]);
    for round in 0..3 {
        let plan = Plan::make(&world.observe(), &spec, options());
        let begin = world.trace.len();
        deploy(&mut world, &spec);
        let mut done: Vec<String> = world.trace[begin..]
            .iter()
            .filter_map(|line| line.split_once("> ").map(|(_, action)| action.to_owned()))
            .collect();
        let mut planned: Vec<String> = plan
            .forecast
            .actions()
            .map(|a| format!("{} {} on {} ({})", a.what.verb(), a.what.object(), a.node, a.why))
            .collect();
        done.sort();
        planned.sort();
        assert_eq!(planned, done, "round {round}");
        assert!(!done.is_empty());
        let web = spec.services.get_mut("web").unwrap();
        *web = with_image(web.clone(), &format!("web:{}", round + 2));
        let db = spec.services.get_mut("db").unwrap();
        db.mode = ServiceMode::Replicated { replicas: 5 - round };
    }
}

#[test]
fn stop_first_makes_the_new_task_before_it_stops_the_old_one() {
    let mut world = four();
    deploy(&mut world, &stack(vec![replicated("web", 1)]));
    let plan =
        Plan::make(&world.observe(), &stack(vec![with_image(replicated("web", 1), "web:2")]), options());
    assert_eq!(
        told(&plan),
        [
            "pull image web:2 on h1",
            "create task web.1 on h1",
            "stop task web.1 on h1",
            "start task web.1 on h1"
        ]
    );
}

#[test]
fn start_first_stops_the_old_task_last() {
    let mut world = four();
    let mut web = replicated("web", 1);
    web.update_config.order = UpdateOrder::StartFirst;
    deploy(&mut world, &stack(vec![web.clone()]));
    let plan = Plan::make(&world.observe(), &stack(vec![with_image(web, "web:2")]), options());
    assert_eq!(
        told(&plan),
        [
            "pull image web:2 on h1",
            "create task web.1 on h1",
            "start task web.1 on h1",
            "stop task web.1 on h1"
        ]
    );
}

#[test]
fn an_update_goes_by_parallelism() {
    let mut world = four();
    let mut web = replicated("web", 4);
    web.update_config.parallelism = 2;
    deploy(&mut world, &stack(vec![web.clone()]));
    let plan = Plan::make(&world.observe(), &stack(vec![with_image(web, "web:2")]), options());
    let stops: Vec<usize> = plan
        .forecast
        .waves
        .iter()
        .map(|wave| wave.iter().filter(|a| matches!(a.what, What::StopTask { .. })).count())
        .filter(|n| *n > 0)
        .collect();
    assert_eq!(stops, [2, 2]);
}

#[test]
fn a_replaced_task_stays_on_its_node() {
    let mut world = four();
    deploy(&mut world, &stack(vec![replicated("web", 2)]));
    let before = nodes_of(&world, "web");
    deploy(&mut world, &stack(vec![with_image(replicated("web", 2), "web:2")]));
    assert_eq!(nodes_of(&world, "web"), before);
}

#[test]
fn scaling_down_takes_from_the_fullest_nodes_and_keeps_low_numbers() {
    let mut world = four();
    deploy(&mut world, &stack(vec![replicated("web", 6)]));
    deploy(&mut world, &stack(vec![replicated("web", 4)]));
    assert_eq!(nodes_of(&world, "web"), ["h1", "h2", "h3", "h4"]);
    let slots: std::collections::BTreeSet<String> =
        world.tasks().filter(|task| task.is_live()).map(|task| task.slot.to_string()).collect();
    assert!(slots.iter().map(String::as_str).eq(["1", "2", "3", "4"]), "{slots:?}");
}

#[test]
fn a_drained_node_gives_its_tasks_away() {
    let mut world = four();
    let spec = stack(vec![replicated("web", 4), global("agent")]);
    deploy(&mut world, &spec);
    world.base.nodes.get_mut("h2").unwrap().member.availability = Availability::Drain;
    let plan = Plan::make(&world.observe(), &spec, options());
    assert!(
        plan.forecast
            .actions()
            .all(|a| matches!(&a.why, Reason::NodeDrained { .. } | Reason::NeededBy { .. } | Reason::Unused))
    );
    deploy(&mut world, &spec);
    assert!(!nodes_of(&world, "web").contains(&"h2".to_owned()));
    assert_eq!(nodes_of(&world, "agent"), ["h1", "h3", "h4"]);
}

#[test]
fn a_paused_node_keeps_its_tasks_and_gets_none() {
    let mut world = four();
    deploy(&mut world, &stack(vec![replicated("web", 2), global("agent")]));
    world.base.nodes.get_mut("h1").unwrap().member.availability = Availability::Pause;
    let spec = stack(vec![replicated("web", 5), with_image(global("agent"), "agent:2")]);
    deploy(&mut world, &spec);
    assert_eq!(nodes_of(&world, "web").iter().filter(|n| *n == "h1").count(), 1);
    let old = world.tasks().find(|t| t.service.as_str() == "agent" && t.node.as_str() == "h1" && t.is_live());
    assert_eq!(old.unwrap().spec.image, "agent:1");
}

#[test]
fn one_port_of_a_node_is_given_once() {
    let world = four();
    let plan = Plan::make(&world.observe(), &stack(vec![with_port(replicated("web", 5), 80)]), options());
    let [Problem::Unplaced(unplaced)] = plan.problems.as_slice() else { panic!("{:?}", plan.problems) };
    assert_eq!(unplaced.tasks, 1);
    assert_eq!(unplaced.summary(), "host port already in use on 4 nodes");
    assert_eq!(unplaced.nodes[0], (NodeName::unchecked("h1"), "port 80/tcp is taken".to_owned()));
}

#[test]
fn a_port_that_a_stranger_holds_is_taken() {
    let mut world = four();
    let node = world.base.nodes.get_mut("h1").unwrap();
    facts(node).foreign.push(stackctl::model::node::ForeignContainer {
        name: "nginx".into(),
        running: true,
        ports: with_port(replicated("x", 1), 80).task.host_ports().collect(),
        cluster: None,
    });
    deploy(&mut world, &stack(vec![with_port(replicated("web", 3), 80)]));
    assert_eq!(nodes_of(&world, "web"), ["h2", "h3", "h4"]);
}

#[test]
fn a_port_passes_from_a_removed_service_to_a_new_one() {
    let mut world = World::new(cluster(vec![node("h1")]), 1, Faults::NONE);
    deploy(&mut world, &stack(vec![with_port(replicated("old", 1), 80)]));
    assert_eq!(deploy(&mut world, &stack(vec![with_port(replicated("new", 1), 80)])), Ending::Converged);
    assert_eq!((world.live("old"), world.live("new")), (0, 1));
}

#[test]
fn reservations_are_counted() {
    let world = four();
    let big = with_task(replicated("big", 5), |task| task.resources.reservations.memory = 5 << 30);
    let plan = Plan::make(&world.observe(), &stack(vec![big]), options());
    let [Problem::Unplaced(unplaced)] = plan.problems.as_slice() else { panic!("{:?}", plan.problems) };
    assert_eq!(unplaced.summary(), "insufficient resources on 4 nodes");
    assert_eq!(unplaced.nodes[0].1, "5120 MiB asked, 3072 of 8192 MiB free");
}

#[test]
fn at_most_so_many_replicas_a_node() {
    let world = four();
    let mut web = replicated("web", 9);
    web.placement.max_replicas_per_node = 2;
    let plan = Plan::make(&world.observe(), &stack(vec![web]), options());
    let [Problem::Unplaced(unplaced)] = plan.problems.as_slice() else { panic!("{:?}", plan.problems) };
    assert_eq!(
        (unplaced.tasks, unplaced.summary()),
        (1, "max replicas per node reached on 4 nodes".to_owned())
    );
}

#[test]
fn a_silent_host_stops_the_plan() {
    let mut world = four();
    world.silent.insert(NodeName::unchecked("h3"));
    let plan = Plan::make(&world.observe(), &stack(vec![replicated("web", 1)]), options());
    assert!(matches!(plan.problems.as_slice(), [Problem::Silent { node, .. }] if node.as_str() == "h3"));
    assert!(matches!(world.deploy(&stack(vec![replicated("web", 1)]), options(), None), RunEnd::Refused));
}

#[test]
fn a_silent_drained_host_is_done_without() {
    let mut world = four();
    world.silent.insert(NodeName::unchecked("h3"));
    world.base.nodes.get_mut("h3").unwrap().member.availability = Availability::Drain;
    assert_eq!(deploy(&mut world, &stack(vec![global("agent")])), Ending::Converged);
    assert_eq!(nodes_of(&world, "agent"), ["h1", "h2", "h4"]);
}

#[test]
fn dependencies_come_first() {
    let world = four();
    let spec = stack(vec![
        depends(replicated("api", 1), "db", DependencyCondition::ServiceHealthy),
        replicated("db", 1),
    ]);
    let plan = Plan::make(&world.observe(), &spec, options());
    let order: Vec<String> = told(&plan).into_iter().filter(|line| line.starts_with("start")).collect();
    assert_eq!(order, ["start task db.1 on h1", "start task api.1 on h2"]);
}

#[test]
fn a_failed_dependency_keeps_its_dependants_from_starting() {
    let mut world = four();
    world.faults.failed_start_in = 1;
    let spec = stack(vec![
        depends(replicated("api", 1), "db", DependencyCondition::ServiceStarted),
        replicated("db", 1),
    ]);
    let RunEnd::Verdict(verdict) = world.deploy(&spec, options(), None) else { panic!() };
    assert_eq!(verdict.ending, Ending::Failed);
    let api = verdict.services.iter().find(|s| s.service.as_str() == "api").unwrap();
    assert_eq!(api.waited_for, [service_name("db")]);
    assert_eq!(world.live("api"), 0);
}

#[test]
fn jobs_run_to_their_end_and_are_not_run_again() {
    let mut world = four();
    let spec = stack(vec![service("seed", ServiceMode::ReplicatedJob { total: 2, max_concurrent: 1 })]);
    assert_eq!(deploy(&mut world, &spec), Ending::Converged);
    assert_eq!((world.live("seed"), world.tasks().count()), (0, 2));
    assert!(Plan::make(&world.observe(), &spec, options()).is_empty());
    let changed = stack(vec![with_image(
        service("seed", ServiceMode::ReplicatedJob { total: 2, max_concurrent: 1 }),
        "seed:2",
    )]);
    assert_eq!(deploy(&mut world, &changed), Ending::Converged);
    assert!(world.tasks().any(|task| task.spec.image == "seed:2"));
}

#[test]
fn a_service_that_becomes_a_job_is_made_anew() {
    let mut world = four();
    deploy(&mut world, &stack(vec![replicated("seed", 2)]));
    let job = stack(vec![service("seed", ServiceMode::ReplicatedJob { total: 2, max_concurrent: 2 })]);
    assert_eq!(deploy(&mut world, &job), Ending::Converged);
    assert_eq!((world.live("seed"), world.tasks().filter(|task| task.is_job).count()), (0, 2));
    assert!(Plan::make(&world.observe(), &job, options()).is_empty());
}

#[test]
fn a_failed_pull_touches_nothing() {
    let mut world = four();
    deploy(&mut world, &stack(vec![replicated("web", 4)]));
    world.faults.failed_pull_in = 1;
    let RunEnd::Verdict(verdict) =
        world.deploy(&stack(vec![with_image(replicated("web", 4), "web:2")]), options(), None)
    else {
        panic!()
    };
    assert_eq!(verdict.ending, Ending::NotPrepared);
    assert_eq!(world.live("web"), 4);
    assert!(world.tasks().all(|task| task.spec.image == "web:1"));
}

#[test]
fn a_bad_update_stops_after_the_first_slot() {
    let mut world = four();
    deploy(&mut world, &stack(vec![replicated("web", 4)]));
    world.faults.failed_start_in = 1;
    let RunEnd::Verdict(verdict) =
        world.deploy(&stack(vec![with_image(replicated("web", 4), "web:2")]), options(), None)
    else {
        panic!()
    };
    assert_eq!(verdict.ending, Ending::Paused);
    assert_eq!(verdict.services[0].untouched, 3);
    assert_eq!(world.tasks().filter(|t| t.is_live() && t.spec.image == "web:1").count(), 3);
}

#[test]
fn a_removed_stack_finds_its_volumes_again() {
    let mut world = four();
    let with_data = |mut spec: StackSpec| {
        spec.volumes.insert("data".into(), VolumeSpec { name: "app_data".into(), ..VolumeSpec::default() });
        spec
    };
    let db = || {
        with_task(replicated("db", 1), |task| {
            let source = Some("app_data".to_owned());
            task.volumes.insert(
                "/data".into(),
                Mount::Volume { source, read_only: false, nocopy: false, subpath: None },
            );
        })
    };
    // Two services that come before it by name push it off the first node.
    let spec = with_data(stack(vec![replicated("a", 1), replicated("b", 1), db()]));
    deploy(&mut world, &spec);
    let home = nodes_of(&world, "db");
    deploy(&mut world, &StackSpec::empty(spec.name.clone()));
    assert_eq!(world.tasks().count(), 0);
    deploy(&mut world, &with_data(stack(vec![db()])));
    assert_eq!(nodes_of(&world, "db"), home);
}

#[test]
fn services_outside_the_stackfile_stay_without_prune() {
    let mut world = four();
    deploy(&mut world, &stack(vec![replicated("web", 1), replicated("old", 1)]));
    let spec = stack(vec![replicated("web", 1)]);
    let plan = Plan::make(&world.observe(), &spec, PlanOptions::default());
    assert!(plan.is_empty());
    assert_eq!(plan.notes.len(), 1);
}

#[test]
fn the_plan_is_the_same_every_time() {
    let world = four();
    let spec = stack(vec![replicated("web", 9), replicated("db", 3), global("agent")]);
    let first = Plan::make(&world.observe(), &spec, options());
    let second = Plan::make(&world.observe(), &spec, options());
    assert_eq!(first.forecast, second.forecast);
}

pub fn update(world: &mut World, spec: &StackSpec, options: PlanOptions) -> stackctl::orchestrator::Verdict {
    match world.deploy(spec, options, None) {
        RunEnd::Verdict(verdict) => verdict,
        other => panic!("{other:?}\n{}", world.trace.join("\n")),
    }
}

pub fn images(world: &World, service: &str) -> Vec<String> {
    let live = world.tasks().filter(|task| task.service.as_str() == service && task.is_live());
    let mut images: Vec<String> = live.map(|task| task.spec.image.clone()).collect();
    images.sort();
    images
}

/// `web`, ten tasks, of which a failed update goes back by itself.
fn ten(failure_action: FailureAction) -> stackctl::model::ServiceSpec {
    let mut web = replicated("web", 10);
    web.update_config.failure_action = failure_action;
    web.update_config.parallelism = 2;
    web
}

#[test]
fn a_bad_update_goes_back_to_the_very_tasks_that_ran() {
    let mut world = four();
    deploy(&mut world, &stack(vec![ten(FailureAction::Rollback)]));
    let before: Vec<_> = world.tasks().filter(|task| task.is_live()).map(|task| task.id.clone()).collect();
    let verdict =
        update(&mut world, &stack(vec![with_image(ten(FailureAction::Rollback), "web:bad")]), options());
    assert_eq!(verdict.ending, Ending::RolledBack);
    let web = &verdict.services[0];
    assert_eq!((web.ending, web.returned, web.untouched), (ServiceEnding::RolledBack, 2, 8));
    let after: Vec<_> = world.tasks().filter(|task| task.is_live()).map(|task| task.id.clone()).collect();
    assert_eq!(before, after, "the old containers, not new ones like them");
    assert!(Plan::make(&world.observe(), &stack(vec![ten(FailureAction::Rollback)]), options()).is_empty());
}

#[test]
fn under_start_first_a_bad_update_costs_no_task() {
    let mut world = four();
    let mut web = ten(FailureAction::Rollback);
    web.update_config.order = UpdateOrder::StartFirst;
    deploy(&mut world, &stack(vec![web.clone()]));
    let restarts = world.trace.len();
    let verdict = update(&mut world, &stack(vec![with_image(web, "web:bad")]), options());
    assert_eq!(verdict.ending, Ending::RolledBack);
    let stops: Vec<&String> = world.trace[restarts..]
        .iter()
        .filter(|line| line.contains("> stop task"))
        .filter(|line| !line.contains("back to what ran before"))
        .collect();
    assert!(stops.is_empty(), "{stops:#?}");
    assert_eq!(images(&world, "web"), ["web:1"; 10]);
}

#[test]
fn so_many_failures_are_tolerated_and_no_more() {
    for (ratio, ending, untouched) in [(0.15, Ending::Paused, 7), (1.0, Ending::Failed, 0)] {
        let mut world = four();
        let mut web = ten(FailureAction::Pause);
        web.update_config.max_failure_ratio = ratio;
        deploy(&mut world, &stack(vec![web.clone()]));
        let verdict = update(&mut world, &stack(vec![with_image(web, "web:bad")]), options());
        assert_eq!((verdict.ending, verdict.services[0].untouched), (ending, untouched), "{ratio}");
    }
}

#[test]
fn a_paused_update_goes_on_with_the_broken_slots_first() {
    let mut world = four();
    deploy(&mut world, &stack(vec![ten(FailureAction::Pause)]));
    let bad = stack(vec![with_image(ten(FailureAction::Pause), "web:bad")]);
    assert_eq!(update(&mut world, &bad, options()).ending, Ending::Paused);
    let broken: Vec<String> = world
        .tasks()
        .filter(|task| task.is_live() && !task.status.is_up() || task.spec.image == "web:bad")
        .map(|task| task.slot.to_string())
        .collect();
    let good = stack(vec![with_image(ten(FailureAction::Pause), "web:2")]);
    let plan = Plan::make(&world.observe(), &good, options());
    let first = plan.forecast.waves.iter().flatten().find_map(|action| match &action.what {
        What::CreateTask { task } => Some(task.slot.to_string()),
        _ => None,
    });
    assert!(broken.contains(&first.clone().unwrap()), "{first:?} of {broken:?}");
    assert_eq!(update(&mut world, &good, options()).ending, Ending::Converged);
}

#[test]
fn with_atomic_one_failure_takes_the_whole_stack_back() {
    let mut world = four();
    let app = |db: &str, web: &str, log: &str| {
        let web = with_image(replicated("web", 3), web);
        let web = depends(web, "db", DependencyCondition::ServiceStarted);
        stack(vec![with_image(replicated("db", 1), db), web, with_image(global("log"), log)])
    };
    let atomic = PlanOptions { atomic: true, ..options() };
    deploy(&mut world, &app("db:1", "web:1", "log:1"));
    let before: Vec<_> = world.tasks().filter(|task| task.is_live()).map(|task| task.id.clone()).collect();
    let verdict = update(&mut world, &app("db:2", "web:bad", "log:2"), atomic.clone());
    assert_eq!(verdict.ending, Ending::RolledBack, "{verdict:#?}");
    let after: Vec<_> = world.tasks().filter(|task| task.is_live()).map(|task| task.id.clone()).collect();
    assert_eq!(before, after);
    let order: Vec<&String> = world.trace.iter().filter(|line| line.contains("start task again")).collect();
    let at = |name: &str| order.iter().position(|line| line.contains(name)).unwrap();
    assert!(at("app_web") < at("app_db"), "dependants first, on the way back: {order:#?}");
    assert!(Plan::make(&world.observe(), &app("db:1", "web:1", "log:1"), options()).is_empty());
}

#[test]
fn with_atomic_a_service_that_was_pruned_comes_back() {
    let mut world = four();
    deploy(&mut world, &stack(vec![replicated("web", 2), replicated("old", 2)]));
    let atomic = PlanOptions { atomic: true, ..options() };
    let verdict = update(&mut world, &stack(vec![with_image(replicated("web", 2), "web:bad")]), atomic);
    assert_eq!(verdict.ending, Ending::RolledBack);
    assert_eq!((world.live("old"), images(&world, "web").len()), (2, 2));
}

#[test]
fn a_rollback_that_fails_is_not_rolled_back() {
    let mut world = four();
    let web = ten(FailureAction::Rollback);
    deploy(&mut world, &stack(vec![web.clone()]));
    // Nothing can be started any more, neither the new nor the old.
    world.faults.failed_start_in = 1;
    let verdict = update(&mut world, &stack(vec![with_image(web, "web:2")]), options());
    assert_eq!(verdict.ending, Ending::RollbackPaused);
    let web = &verdict.services[0];
    assert_eq!((web.ending, web.return_failures.len(), web.untouched), (ServiceEnding::RollbackPaused, 1, 8));
    // A stop of what never ran changes nothing: the new tasks of both slots in motion stay as they were made.
    let up = world.tasks().filter(|task| task.service.as_str() == "web" && task.status.is_up()).count();
    assert_eq!((up, world.live("web")), (8, 10));
    assert_eq!(world.gone_back.len(), 1, "the slot that failed both ways, and no other");
}

#[test]
fn what_happens_behind_the_file_s_back_is_drift() {
    use stackctl::orchestrator::{DriftKind, drift};
    let mut world = four();
    let last = stack(vec![replicated("web", 4), global("log")]);
    deploy(&mut world, &last);
    let found = |world: &World| -> Vec<String> {
        let all = drift(&world.observe(), &last, &options());
        all.iter().map(|one| format!("{}.{} {}", one.service, one.slot, one.kind)).collect()
    };
    assert!(found(&world).is_empty(), "{:?}", found(&world));
    // A container stopped, another removed, each by hand.
    for containers in world.containers.values_mut() {
        containers.retain(|_, c| c.task.container.split('.').nth(1) != Some("h2"));
        for c in containers.values_mut().filter(|c| c.task.container.starts_with("app_web.3.")) {
            c.stop(world.now, 137);
        }
    }
    assert_eq!(found(&world), ["log.h2 removed", "web.3 stopped (status 137)"]);
    // A file that asks for something else is not what drift is about.
    let wanted = stack(vec![with_image(replicated("web", 5), "web:2"), global("log")]);
    assert_eq!(Plan::make(&world.observe(), &wanted, options()).forecast.summary().create, 3);
    assert_eq!(found(&world).len(), 2);
    // Somebody deploys another version past the record of releases.
    deploy(&mut world, &wanted);
    let altered = drift(&world.observe(), &last, &options());
    assert!(matches!(&altered[0].kind, DriftKind::Altered { fields } if fields.join(",") == "image"));
    assert!(altered.iter().any(|one| one.kind == DriftKind::Extra), "{altered:?}");
}
