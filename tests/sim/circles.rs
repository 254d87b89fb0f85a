//! Services that wait for one another in a circle: all of the order is kept but what closes it.

use stackctl::model::StackSpec;
use stackctl::model::spec::DependencyCondition;
use stackctl::orchestrator::{Ending, Note, Plan};

use crate::builder::*;
use crate::faults::Faults;
use crate::options;
use crate::stories::{deploy, told};
use crate::world::World;

const STARTED: DependencyCondition = DependencyCondition::ServiceStarted;
const COMPLETED: DependencyCondition = DependencyCondition::ServiceCompletedSuccessfully;

/// `web` → `db` → `api` → `web`, and `log` hangs on it. As a release that another version has recorded.
fn circle(condition: DependencyCondition) -> StackSpec {
    let spec = stack(vec![
        depends(replicated("web", 1), "db", STARTED),
        depends(replicated("db", 1), "api", condition),
        depends(replicated("api", 1), "web", STARTED),
        depends(replicated("log", 1), "web", STARTED),
    ]);
    serde_json::from_str(&serde_json::to_string(&spec).expect("JSON")).expect("what was written")
}

fn world() -> World {
    World::new(cluster(vec![node("h1")]), 1, Faults::NONE)
}

/// The notes on circles of a plan, and in which order its tasks are started.
fn planned(spec: &StackSpec) -> (Vec<String>, Vec<String>) {
    let plan = Plan::make(&world().observe(), spec, options());
    assert!(plan.problems.is_empty(), "{:?}", plan.problems);
    let notes = plan.notes.iter().filter(|note| matches!(note, Note::CircleBroken { .. }));
    let starts = told(&plan).into_iter().filter(|line| line.starts_with("start"));
    (notes.map(ToString::to_string).collect(), starts.collect())
}

#[test]
fn a_recorded_circle_is_broken_and_the_rest_is_kept() {
    let (notes, starts) = planned(&circle(STARTED));
    assert_eq!(
        notes,
        ["db does not wait for api: services depend on one another in a circle (api → web → db → api)"]
    );
    assert_eq!(
        starts,
        [
            "start task db.1 on h1",
            "start task web.1 on h1",
            "start task api.1 on h1",
            "start task log.1 on h1"
        ]
    );
    let mut world = world();
    assert_eq!(deploy(&mut world, &circle(STARTED)), Ending::Converged);
    let again = Plan::make(&world.observe(), &circle(STARTED), options());
    assert!(again.is_empty() && again.notes.is_empty(), "{:?}", again.notes);
}

/// Whoever is not waited for need not come to an end.
#[test]
fn what_closes_a_circle_asks_for_nothing() {
    let spec = circle(COMPLETED);
    assert_eq!(planned(&spec).0.len(), 1);
    let mut world = world();
    assert_eq!(deploy(&mut world, &spec), Ending::Converged);
    assert!(world.tasks().all(|task| !task.is_job), "it runs on, as any service");
}

#[test]
fn a_service_that_waits_for_itself_does_not() {
    let spec = stack(vec![depends(replicated("web", 1), "web", STARTED)]);
    let (notes, starts) = planned(&spec);
    assert_eq!(notes, ["web does not wait for web: services depend on one another in a circle (web → web)"]);
    assert_eq!(starts, ["start task web.1 on h1"]);
}
