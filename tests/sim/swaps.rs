//! Start-first where the old and the new task cannot be on one host: round by a spare one, or not at all.

use stackctl::model::node::Availability;
use stackctl::model::spec::{DependencyCondition, FailureAction, Mount, UpdateOrder, VolumeSpec};
use stackctl::orchestrator::{Ending, Plan, PlanOptions};

use crate::builder::*;
use crate::options;
use crate::stories::{deploy, four, images, nodes_of, told, update};
use crate::world::RunEnd;

/// `web`, start-first, on port 80.
fn published(replicas: u32) -> stackctl::model::ServiceSpec {
    let mut web = with_port(replicated("web", replicas), 80);
    web.update_config.order = UpdateOrder::StartFirst;
    web
}

fn notes(plan: &Plan, about: &str) -> Vec<String> {
    plan.notes.iter().map(ToString::to_string).filter(|note| note.contains(about)).collect()
}

#[test]
fn start_first_with_a_published_port_goes_round_by_a_spare_host() {
    let mut world = four();
    deploy(&mut world, &stack(vec![published(3)]));
    let changed = stack(vec![with_image(published(3), "web:2")]);
    let plan = Plan::make(&world.observe(), &changed, options());
    assert_eq!(
        notes(&plan, "start-first"),
        [
            "web: 3 tasks move to other hosts to be replaced start-first: two tasks cannot publish port 80/tcp on one host"
        ]
    );
    let moves: Vec<String> = told(&plan)
        .into_iter()
        .filter(|line| line.starts_with("start") || line.starts_with("stop"))
        .collect();
    // One slot after another: the host that one leaves is the next one's.
    assert_eq!(
        moves,
        [
            "start task web.1 on h4",
            "stop task web.1 on h1",
            "start task web.2 on h1",
            "stop task web.2 on h2",
            "start task web.3 on h2",
            "stop task web.3 on h3"
        ]
    );
    assert_eq!(deploy(&mut world, &changed), Ending::Converged);
    assert!(Plan::make(&world.observe(), &changed, options()).is_empty());
}

#[test]
fn all_at_once_wait_for_the_host_that_another_leaves() {
    let mut world = four();
    let mut web = published(3);
    web.update_config.parallelism = 0;
    deploy(&mut world, &stack(vec![web.clone()]));
    let changed = stack(vec![with_image(web, "web:2")]);
    assert_eq!(deploy(&mut world, &changed), Ending::Converged);
    assert_eq!(nodes_of(&world, "web"), ["h1", "h2", "h4"]);
}

#[test]
fn a_bad_update_of_a_published_port_never_touches_the_tasks_that_serve() {
    let mut world = four();
    let mut web = published(3);
    web.update_config.failure_action = FailureAction::Rollback;
    deploy(&mut world, &stack(vec![web.clone()]));
    let begin = world.trace.len();
    let bad = stack(vec![with_image(web, "web:bad")]);
    let RunEnd::Verdict(verdict) = world.deploy(&bad, options(), None) else { panic!() };
    assert_eq!(verdict.ending, Ending::RolledBack);
    let stopped: Vec<&String> = world.trace[begin..].iter().filter(|line| line.contains("> stop")).collect();
    assert!(stopped.iter().all(|line| line.contains("on h4")), "{stopped:#?}");
    assert_eq!(images(&world, "web"), ["web:1"; 3]);
}

#[test]
fn tasks_that_went_round_come_back_each_once_its_host_is_free() {
    for order in [UpdateOrder::StopFirst, UpdateOrder::StartFirst] {
        let mut world = four();
        let app = |web: &str, api: &str| {
            let mut web = with_image(published(3), web);
            web.rollback_config.parallelism = 0;
            web.rollback_config.order = order;
            let api = with_image(replicated("api", 1), api);
            stack(vec![web, depends(api, "web", DependencyCondition::ServiceStarted)])
        };
        deploy(&mut world, &app("web:1", "api:1"));
        let before: Vec<_> =
            world.tasks().filter(|task| task.is_live()).map(|task| task.id.clone()).collect();
        // `web` has gone round before `api` fails and takes it back.
        let atomic = PlanOptions { atomic: true, ..options() };
        let verdict = update(&mut world, &app("web:2", "api:bad"), atomic);
        assert_eq!(verdict.ending, Ending::RolledBack, "{verdict:#?}");
        let after: Vec<_> = world.tasks().filter(|task| task.is_live()).map(|task| task.id.clone()).collect();
        assert_eq!(before, after);
    }
}

#[test]
fn without_a_spare_host_a_published_port_is_stop_first_and_says_so() {
    let port = "two tasks cannot publish port 80/tcp on one host";
    let data = "app_data".to_owned();
    let with_data = with_task(published(3), |task| {
        let mount = Mount::Volume { source: Some(data), read_only: false, nocopy: false, subpath: None };
        task.volumes.insert("/data".into(), mount);
    });
    let mut everywhere = with_port(global("web"), 80);
    everywhere.update_config.order = UpdateOrder::StartFirst;
    for (web, why) in [
        (published(4), format!("{port}, and no other is free")),
        (with_data, format!("{port}, and volume app_data is on that host only")),
        (everywhere, port.to_owned()),
    ] {
        let mut world = four();
        let mut spec = stack(vec![web.clone()]);
        spec.volumes.insert("data".into(), VolumeSpec { name: "app_data".into(), ..VolumeSpec::default() });
        deploy(&mut world, &spec);
        let before = nodes_of(&world, "web");
        *spec.services.get_mut("web").unwrap() = with_image(web, "web:2");
        let plan = Plan::make(&world.observe(), &spec, options());
        assert_eq!(notes(&plan, "stop-first"), [format!("web is replaced stop-first: {why}")]);
        assert_eq!(deploy(&mut world, &spec), Ending::Converged);
        assert_eq!(nodes_of(&world, "web"), before);
    }
}

#[test]
fn start_first_reserves_nothing_twice() {
    let gib = |replicas: u32, gib: i64| {
        let mut web = with_task(replicated("web", replicas), |task| {
            task.resources.reservations.memory = gib << 30;
        });
        web.update_config.order = UpdateOrder::StartFirst;
        web
    };
    // Room for the old and the new at once; on another host; on none.
    for (replicas, size, said) in [(4, 4, ""), (3, 5, "3 tasks move to other hosts"), (4, 5, "stop-first")] {
        let mut world = four();
        deploy(&mut world, &stack(vec![gib(replicas, size)]));
        let changed = stack(vec![with_image(gib(replicas, size), "web:2")]);
        let plan = Plan::make(&world.observe(), &changed, options());
        let notes = notes(&plan, "one host has no room");
        assert_eq!(notes.len(), usize::from(!said.is_empty()), "{notes:?}");
        assert!(notes.iter().all(|note| note.contains(said)), "{notes:?}");
        assert_eq!(deploy(&mut world, &changed), Ending::Converged);
    }
}

#[test]
fn a_drained_host_gives_a_published_port_away_start_first() {
    let mut world = four();
    deploy(&mut world, &stack(vec![published(3)]));
    world.base.nodes.get_mut("h2").unwrap().member.availability = Availability::Drain;
    let plan = Plan::make(&world.observe(), &stack(vec![published(3)]), options());
    let moves: Vec<String> = told(&plan).into_iter().filter(|line| line.contains("st")).collect();
    let at = |what: &str| moves.iter().position(|line| line.starts_with(what)).unwrap();
    assert!(at("start task web.2 on h4") < at("stop task web.2 on h2"), "{moves:?}");
    assert!(notes(&plan, "first").is_empty(), "{:?}", plan.notes);
}
