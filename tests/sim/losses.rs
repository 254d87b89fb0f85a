//! Nodes that are given up, what becomes of their tasks, and their return.

use std::collections::BTreeSet;

use stackctl::model::reason::Reason;
use stackctl::model::spec::{Mount, OnNodeLoss, ServiceSpec, VolumeSpec};
use stackctl::model::{NodeName, StackSpec};
use stackctl::orchestrator::{Ending, Note, Plan, PlanOptions, Problem};

use crate::builder::*;
use crate::faults::{Faults, Luck};
use crate::world::{RunEnd, World};
use crate::{checks, generate, options};

fn three() -> World {
    World::new(cluster(vec![node("h1"), node("h2"), node("h3")]), 1, Faults::NONE)
}

fn without(names: &[&str]) -> PlanOptions {
    PlanOptions { lost: names.iter().map(|name| node_name(name)).collect(), ..options() }
}

fn deploy(world: &mut World, spec: &StackSpec, options: PlanOptions) {
    match world.deploy(spec, options, None) {
        RunEnd::Verdict(verdict) if verdict.ending == Ending::Converged => {}
        other => panic!("{other:?}\n{}", world.trace.join("\n")),
    }
}

fn at(world: &World, service: &str) -> Vec<(String, String)> {
    let live = world.tasks().filter(|task| task.service.as_str() == service && task.is_live());
    let mut at: Vec<_> = live.map(|task| (task.slot.to_string(), task.node.to_string())).collect();
    at.sort();
    at
}

fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    expected.iter().map(|(slot, node)| ((*slot).to_owned(), (*node).to_owned())).collect()
}

fn with_data(name: &str) -> ServiceSpec {
    with_task(replicated(name, 1), |task| {
        let mount =
            Mount::Volume { source: Some("app_data".into()), read_only: false, nocopy: false, subpath: None };
        task.volumes.insert("/data".into(), mount);
    })
}

fn with_volume(services: Vec<ServiceSpec>) -> StackSpec {
    let mut spec = stack(services);
    spec.volumes.insert("data".into(), VolumeSpec { name: "app_data".into(), ..VolumeSpec::default() });
    spec
}

#[test]
fn tasks_of_a_lost_node_are_made_elsewhere_and_duplicates_go_when_it_is_back() {
    for remembers in [false, true] {
        let mut world = three();
        world.remembers = remembers;
        let spec = stack(vec![replicated("web", 3), global("agent")]);
        deploy(&mut world, &spec, options());
        world.silent.insert(node_name("h2"));
        deploy(&mut world, &spec, without(&["h2"]));
        assert_eq!(at(&world, "web"), pairs(&[("1", "h1"), ("2", "h1"), ("2", "h2"), ("3", "h3")]));
        let again = Plan::make(&world.observe(), &spec, without(&["h2"]));
        assert!(again.is_empty(), "{:?}", again.forecast);
        world.silent.clear();
        world.settle(60_000);
        let back = Plan::make(&world.observe(), &spec, options());
        assert!(back.forecast.actions().all(|action| action.why == Reason::Duplicate));
        deploy(&mut world, &spec, options());
        assert_eq!(at(&world, "web"), pairs(&[("1", "h1"), ("2", "h2"), ("3", "h3")]), "the oldest wins");
        assert!(Plan::make(&world.observe(), &spec, options()).is_empty());
    }
}

#[test]
fn a_silent_node_that_is_not_given_up_stops_the_plan() {
    let mut world = three();
    let spec = stack(vec![replicated("web", 3)]);
    deploy(&mut world, &spec, options());
    world.silent.insert(node_name("h2"));
    let plan = Plan::make(&world.observe(), &spec, without(&["h1"]));
    assert!(matches!(&plan.problems[..], [Problem::Silent { node, .. }] if node.as_str() == "h2"));
}

#[test]
fn what_was_known_to_run_there_says_why_it_moves() {
    let mut world = three();
    world.remembers = true;
    let spec = stack(vec![replicated("web", 3)]);
    deploy(&mut world, &spec, options());
    world.lost = [node_name("h2")].into();
    let plan = Plan::make(&world.observe(), &spec, without(&["h2"]));
    let whys: BTreeSet<String> = plan.forecast.actions().map(|action| action.why.to_string()).collect();
    assert_eq!(whys, ["node h2 is lost".to_owned()].into());
    assert!(matches!(&plan.notes[..], [Note::NodeLost { node, .. }] if node.as_str() == "h2"));
}

#[test]
fn local_data_holds_a_task_unless_its_service_lets_go() {
    for remembers in [false, true] {
        let mut world = three();
        world.remembers = remembers;
        let mut spec = with_volume(vec![with_data("db"), replicated("web", 2)]);
        deploy(&mut world, &spec, options());
        assert_eq!(at(&world, "db"), pairs(&[("1", "h1")]));
        world.silent.insert(node_name("h1"));
        deploy(&mut world, &spec, without(&["h1"]));
        assert_eq!(at(&world, "db"), pairs(&[("1", "h1")]), "held, not doubled");
        let plan = Plan::make(&world.observe(), &spec, without(&["h1"]));
        assert!(plan.is_empty() && plan.problems.is_empty());
        let held: Vec<String> = plan
            .notes
            .iter()
            .filter(|note| matches!(note, Note::Held { .. }))
            .map(ToString::to_string)
            .collect();
        let words = "db.1 waits for lost node h1: volume app_data is on that node only; a `fence:`";
        assert!(held.len() == 1 && held[0].starts_with(words), "{held:?}");
        spec.services.get_mut("db").unwrap().placement.on_node_loss = Some(OnNodeLoss::Reschedule);
        deploy(&mut world, &spec, without(&["h1"]));
        assert_eq!(at(&world, "db").len(), 2, "{:?}", at(&world, "db"));
        world.silent.clear();
        deploy(&mut world, &spec, options());
        assert_eq!(at(&world, "db"), pairs(&[("1", "h1")]));
    }
}

#[test]
fn a_service_without_data_may_ask_to_wait() {
    let mut world = three();
    world.remembers = true;
    let mut web = replicated("web", 3);
    web.placement.on_node_loss = Some(OnNodeLoss::Hold);
    let spec = stack(vec![web]);
    deploy(&mut world, &spec, options());
    world.silent.insert(node_name("h2"));
    deploy(&mut world, &spec, without(&["h2"]));
    assert_eq!(at(&world, "web"), pairs(&[("1", "h1"), ("2", "h2"), ("3", "h3")]));
}

#[test]
fn a_dark_node_that_could_not_have_the_task_holds_nothing() {
    let mut world = World::new(
        cluster(vec![labelled("h1", &[("disk", "ssd")]), labelled("h2", &[("disk", "hdd")])]),
        1,
        Faults::NONE,
    );
    world.silent.insert(node_name("h2"));
    let spec = with_volume(vec![constrained(with_data("db"), "node.labels.disk == ssd")]);
    deploy(&mut world, &spec, without(&["h2"]));
    assert_eq!(at(&world, "db"), pairs(&[("1", "h1")]));
}

#[test]
fn moves_that_are_asked_for_are_made_by_the_update_policy() {
    let mut world = three();
    let spec = stack(vec![replicated("web", 3)]);
    deploy(&mut world, &spec, options());
    let moves = [((service_name("web"), stackctl::model::Slot::Replica(2)), node_name("h3"))];
    let moving = PlanOptions { moves: moves.into(), ..options() };
    let plan = Plan::make(&world.observe(), &spec, moving.clone());
    assert_eq!(plan.forecast.summary().replace, 1);
    let (from, to) = (node_name("h2"), node_name("h3"));
    assert!(
        plan.forecast
            .actions()
            .any(|action| action.why == Reason::Rebalanced { from: from.clone(), to: to.clone() })
    );
    deploy(&mut world, &spec, moving.clone());
    assert_eq!(at(&world, "web"), pairs(&[("1", "h1"), ("2", "h3"), ("3", "h3")]));
    assert!(Plan::make(&world.observe(), &spec, moving).is_empty(), "it is where it should be");
}

/// Losses, changes and returns by chance; in the end no duplicates, and nothing to do.
fn run(seed: u64) {
    let mut luck = Luck::new(seed);
    let observed = generate::cluster(&mut luck);
    let mut spec = generate::stack(&mut luck, &observed);
    let mut world = World::new(observed, seed, Faults { crash_in: *luck.pick(&[0, 20]), ..Faults::NONE });
    let names: Vec<NodeName> = world.base.nodes.keys().cloned().collect();
    for _ in 0..luck.between(2, 6) {
        world.remembers = luck.once_in(2);
        world.silent = names.iter().filter(|_| luck.once_in(4)).cloned().collect();
        let lost = PlanOptions { lost: world.silent.clone(), ..options() };
        let kill_after = luck.once_in(4).then(|| luck.between(0, 5_000));
        world.deploy(&spec, lost, kill_after);
        let pause = luck.between(0, 20_000);
        world.settle(pause);
        if luck.once_in(3) {
            generate::change(&mut luck, &mut spec);
        }
    }
    world.faults = Faults::NONE;
    generate::mend(&mut spec);
    world.silent.clear();
    world.settle(200_000);
    for _ in 0..3 {
        match world.deploy(&spec, options(), None) {
            RunEnd::Refused => return,
            RunEnd::Verdict(verdict) if verdict.ending == Ending::Converged => {
                world.settle(60_000);
                checks::arrived(&world, &spec, options().task_history);
                assert!(Plan::make(&world.observe(), &spec, options()).is_empty(), "something is left to do");
                return;
            }
            RunEnd::Verdict(_) | RunEnd::Killed => {}
        }
    }
    panic!("never arrives\n{}", world.trace.join("\n"));
}

#[test]
fn every_seed_survives_losses_and_returns() {
    for seed in 0..1_000 {
        if std::panic::catch_unwind(|| run(seed)).is_err() {
            panic!("seed {seed} fails");
        }
    }
}
