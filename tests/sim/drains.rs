//! Nodes that are drained: their tasks leave by the update policy, and what has local data stays.

use stackctl::model::action::What;
use stackctl::model::node::Availability;
use stackctl::model::spec::{Mount, OnNodeLoss, ServiceSpec, UpdateOrder, VolumeSpec};
use stackctl::model::{Slot, StackSpec};
use stackctl::orchestrator::{Ending, Note, Plan, PlanOptions};

use crate::builder::*;
use crate::faults::Faults;
use crate::options;
use crate::world::{RunEnd, World};

fn three() -> World {
    World::new(cluster(vec![node("h1"), node("h2"), node("h3")]), 1, Faults::NONE)
}

fn deploy(world: &mut World, spec: &StackSpec) {
    match world.deploy(spec, options(), None) {
        RunEnd::Verdict(verdict) if verdict.ending == Ending::Converged => {}
        other => panic!("{other:?}\n{}", world.trace.join("\n")),
    }
}

fn drain(world: &mut World, name: &str) {
    world.base.nodes.get_mut(name).unwrap().member.availability = Availability::Drain;
}

fn at(world: &World, service: &str) -> Vec<String> {
    let live = world.tasks().filter(|task| task.service.as_str() == service && task.is_live());
    let mut at: Vec<String> = live.map(|task| format!("{} {}", task.slot, task.node)).collect();
    at.sort();
    at
}

fn db() -> StackSpec {
    let db = with_task(replicated("db", 1), |task| {
        let mount =
            Mount::Volume { source: Some("app_data".into()), read_only: false, nocopy: false, subpath: None };
        task.volumes.insert("/data".into(), mount);
    });
    let mut spec = stack(vec![db]);
    spec.volumes.insert("data".into(), VolumeSpec { name: "app_data".into(), ..VolumeSpec::default() });
    spec
}

fn service<'s>(spec: &'s mut StackSpec, name: &str) -> &'s mut ServiceSpec {
    spec.services.get_mut(name).unwrap()
}

/// Whether a task goes (`-`) or comes (`+`), in order; equal ones of a wave together.
fn steps(plan: &Plan) -> Vec<String> {
    let of_wave = |wave: &Vec<stackctl::model::action::Action>| {
        let count = |sign: &str, n: usize| if n == 0 { String::new() } else { sign.repeat(n) };
        let starts = wave.iter().filter(|a| matches!(a.what, What::StartTask { .. })).count();
        let stops = wave.iter().filter(|a| matches!(a.what, What::StopTask { .. })).count();
        count("+", starts) + &count("-", stops)
    };
    plan.forecast.waves.iter().map(of_wave).filter(|steps| !steps.is_empty()).collect()
}

#[test]
fn a_drain_goes_by_order_and_parallelism() {
    for (order, parallelism, expected) in [
        (UpdateOrder::StartFirst, 1, &["+", "-", "+", "-", "+", "-"][..]),
        (UpdateOrder::StopFirst, 1, &["-", "+", "-", "+", "-", "+"]),
        (UpdateOrder::StartFirst, 2, &["++", "--", "+", "-"]),
        (UpdateOrder::StopFirst, 0, &["---", "+++"]),
    ] {
        let mut world = three();
        let mut spec = stack(vec![replicated("web", 9)]);
        service(&mut spec, "web").update_config.order = order;
        service(&mut spec, "web").update_config.parallelism = parallelism;
        deploy(&mut world, &spec);
        drain(&mut world, "h2");
        let plan = Plan::make(&world.observe(), &spec, options());
        assert_eq!(steps(&plan), expected, "{order:?} by {parallelism}");
        // The world's own checks watch parallelism and order while it is carried out.
        deploy(&mut world, &spec);
        assert!(at(&world, "web").iter().all(|task| !task.ends_with("h2")));
        assert!(Plan::make(&world.observe(), &spec, options()).is_empty());
    }
}

#[test]
fn a_published_port_is_no_reason_to_stop_first_on_another_node() {
    let mut world = three();
    let mut spec = stack(vec![with_port(replicated("web", 2), 80)]);
    service(&mut spec, "web").update_config.order = UpdateOrder::StartFirst;
    deploy(&mut world, &spec);
    drain(&mut world, "h1");
    let plan = Plan::make(&world.observe(), &spec, options());
    assert_eq!(steps(&plan), ["+", "-"]);
    assert!(!plan.notes.iter().any(|note| matches!(note, Note::ForcedStopFirst { .. })));
    deploy(&mut world, &spec);
    assert_eq!(at(&world, "web"), ["1 h3", "2 h2"]);
}

#[test]
fn what_has_local_data_stays_and_says_so() {
    let mut world = three();
    let mut spec = db();
    deploy(&mut world, &spec);
    drain(&mut world, "h1");
    let plan = Plan::make(&world.observe(), &spec, options());
    assert!(plan.is_empty(), "{:?}", steps(&plan));
    let notes: Vec<String> = plan.notes.iter().map(ToString::to_string).collect();
    let stays = "db.1 stays on drained node h1: volume app_data is on that node only; \
                 `on_node_loss: reschedule`, or a drain with --force, gives that data up";
    assert_eq!(notes, [stays]);
    // A new version is not placed apart from the data either.
    let changed = stack(vec![with_image(spec.services["db"].clone(), "db:2")]);
    let changed = StackSpec { volumes: spec.volumes.clone(), ..changed };
    let plan = Plan::make(&world.observe(), &changed, options());
    assert!(plan.is_empty());
    assert!(plan.notes[0].to_string().contains("h1 and is not replaced:"), "{}", plan.notes[0]);
    // Opted in.
    service(&mut spec, "db").placement.on_node_loss = Some(OnNodeLoss::Reschedule);
    deploy(&mut world, &spec);
    assert_eq!(at(&world, "db"), ["1 h2"]);
}

#[test]
fn force_and_global_services_leave_data_behind() {
    let mut world = three();
    let mut spec = db();
    deploy(&mut world, &spec);
    drain(&mut world, "h1");
    world.base.nodes.get_mut("h1").unwrap().member.abandons_data = true;
    deploy(&mut world, &spec);
    assert_eq!(at(&world, "db"), ["1 h2"]);
    // One of each node finds its data when it is back.
    let mut world = three();
    service(&mut spec, "db").mode = stackctl::model::spec::ServiceMode::Global;
    deploy(&mut world, &spec);
    drain(&mut world, "h1");
    deploy(&mut world, &spec);
    assert_eq!(at(&world, "db"), ["h2 h2", "h3 h3"]);
}

#[test]
fn a_drained_node_that_is_away_may_still_have_the_data() {
    let mut world = three();
    let mut spec = db();
    deploy(&mut world, &spec);
    drain(&mut world, "h1");
    world.silent.insert(node_name("h1"));
    let plan = Plan::make(&world.observe(), &spec, options());
    assert!(plan.is_empty(), "{:?} {:?}", steps(&plan), plan.problems);
    let waits = |note: &Note| matches!(note, Note::WaitsForDrained { slot: Slot::Replica(1), .. });
    assert!(plan.notes.iter().any(waits), "{:?}", plan.notes);
    let lost = PlanOptions { lost: [node_name("h1")].into(), ..options() };
    assert!(Plan::make(&world.observe(), &spec, lost).is_empty());
    // It has ended there.
    world.silent.clear();
    for container in world.containers.get_mut("h1").unwrap().values_mut() {
        container.stop(world.now, 1);
    }
    let plan = Plan::make(&world.observe(), &spec, options());
    assert!(plan.is_empty() && plan.notes.iter().any(waits), "{:?} {:?}", steps(&plan), plan.notes);
    service(&mut spec, "db").placement.on_node_loss = Some(OnNodeLoss::Reschedule);
    assert!(!Plan::make(&world.observe(), &spec, options()).is_empty());
}

#[test]
fn a_move_that_is_asked_for_keeps_the_rules() {
    let to = |slot: u32, node: &str| ((service_name("web"), Slot::Replica(slot)), node_name(node));
    let moving = |moves: Vec<_>| PlanOptions { moves: moves.into_iter().collect(), ..options() };
    let mut world = three();
    let mut spec = stack(vec![replicated("web", 3)]);
    deploy(&mut world, &spec);
    for (max, constraint) in [(1, None), (0, Some("affinity:service != web"))] {
        let mut spec = spec.clone();
        let placement = &mut service(&mut spec, "web").placement;
        placement.max_replicas_per_node = max;
        placement.constraints.extend(constraint.map(str::to_owned));
        let plan = Plan::make(&world.observe(), &spec, moving(vec![to(2, "h3")]));
        assert!(plan.is_empty(), "{constraint:?}: {:?}", steps(&plan));
        // Three that change places: each finds its node taken, and stays.
        let around = vec![to(1, "h2"), to(2, "h3"), to(3, "h1")];
        assert!(Plan::make(&world.observe(), &spec, moving(around)).is_empty());
    }
    // Two to a node that has room for one more.
    service(&mut spec, "web").placement.max_replicas_per_node = 2;
    let plan = Plan::make(&world.observe(), &spec, moving(vec![to(1, "h3"), to(2, "h3")]));
    assert_eq!(plan.forecast.summary().replace, 1);
    world.deploy(&spec, moving(vec![to(1, "h3"), to(2, "h3")]), None);
    assert_eq!(at(&world, "web"), ["1 h3", "2 h2", "3 h3"]);
}
