//! The plan: the very machine that converges, run in virtual time against a world in which every action
//! succeeds.
//!
//! Nothing here decides anything. A simulation test holds that a run without faults performs exactly
//! these actions.

use std::collections::{BTreeMap, BTreeSet};

use super::assign::{Assignment, assign};
use super::converge::Converger;
use super::drift::Drifted;
use super::event::Event;
use super::least::Least;
use super::note::Note;
use super::options::PlanOptions;
use super::problem::Problem;
use crate::diff::{self, StackDiff};
use crate::model::action::{Action, Outcome, What};
use crate::model::{Health, NodeName, Observed, ServiceName, StackSpec, TaskId, TaskStatus, Timestamp};

/// The actions for a stack, and the problems that prevent them.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Field by field.
    pub diff: StackDiff,
    /// Action by action.
    pub forecast: Forecast,
    /// What a person should know.
    pub notes: Vec<Note>,
    /// Problems. With any of these nothing may be done.
    pub problems: Vec<Problem>,
    /// Drift from the last release, where one is known.
    pub drift: Drifted,
}

/// Actions in waves: all actions of a wave may be done at the same time, and the next wave begins when
/// they are.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Forecast {
    pub waves: Vec<Vec<Action>>,
    /// The least time that a run takes in which all goes well, in milliseconds; 0 if nothing is sure.
    pub duration_ms: i64,
}

/// How much a plan does.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct Summary {
    /// Tasks made in new or empty slots.
    pub create: u32,
    /// Tasks replaced.
    pub replace: u32,
    /// Tasks changed as they run.
    pub in_place: u32,
    /// Tasks stopped without a successor.
    pub remove: u32,
    /// Nodes with any action.
    pub nodes: u32,
    /// Images pulled, counted once a node.
    pub pull: u32,
}

impl Plan {
    /// Plans a stack only to look at the plan; what is to be carried out is made by
    /// [`Planned::make`](super::Planned::make). Reads nothing, writes nothing: the observation is all it knows.
    #[must_use]
    pub fn make(observed: &Observed, spec: &StackSpec, options: PlanOptions) -> Self {
        let assignment = assign(observed, spec, options.clone());
        Self::of(observed, spec, &options, assignment)
    }

    /// The plan of an assignment that was made of the same observation, spec and choices.
    pub(super) fn of(
        observed: &Observed,
        spec: &StackSpec,
        options: &PlanOptions,
        mut assignment: Assignment,
    ) -> Self {
        let tasks = observed.tasks().filter(|task| task.stack == spec.name);
        let mut diff = diff::stack(tasks, spec, &observed.key, diff::Values::Hidden);
        if !options.prune {
            // A service that stays is no difference; a note mentions it.
            diff.services.retain(|service| service.kind != diff::DiffKind::Removed);
        }
        let mut notes = std::mem::take(&mut assignment.notes);
        let problems = std::mem::take(&mut assignment.problems);
        let forecast = Forecast::of(assignment, observed.at);
        // No replicas wanted, or no node that a global service fits: nothing there is as it should be.
        let touched: std::collections::BTreeSet<_> =
            forecast.actions().filter_map(|action| action.what.service()).collect();
        let refused = |name: &crate::model::ServiceName| {
            problems.iter().any(|problem| match problem {
                Problem::Unplaced(unplaced) => unplaced.service == *name,
                Problem::TooManyTasks { .. } => true,
                other => other.is_silence(),
            })
        };
        for service in diff.services.iter_mut().filter(|service| service.kind == diff::DiffKind::Added) {
            if !touched.contains(&service.name) && !refused(&service.name) {
                service.kind = diff::DiffKind::Unchanged;
            }
        }
        notes.extend(volumes_left(observed, spec, &forecast));
        if forecast.waves.is_empty() && problems.is_empty() {
            notes.retain(|note| !note.is_about_doing());
        }
        Self { diff, forecast, notes, problems, drift: Drifted::default() }
    }

    /// Whether there is nothing to do and no problem.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.forecast.waves.is_empty() && self.problems.is_empty()
    }
}

impl Forecast {
    /// Runs a converger against a world in which every action succeeds.
    #[must_use]
    pub fn of(assignment: Assignment, begin: Timestamp) -> Self {
        let least = Least::of(&assignment);
        let mut converger = Converger::new(assignment);
        let duration_ms = least.duration_ms(&converger, begin);
        let mut now = begin;
        let mut waves = Vec::new();
        let mut step = converger.step(now, Event::Tick);
        loop {
            let mut next = super::Step::default();
            if step.actions.is_empty() {
                // What runs already comes up by itself; what must end, ends.
                for (node, task, must_complete) in converger.awaited() {
                    let event = Event::TaskSeen { node, task, status: Some(good_end(must_complete)) };
                    merge(&mut next, converger.step(now, event));
                }
                if next.actions.is_empty() && next.verdict.is_none() && step.verdict.is_none() {
                    let wake_at = next.wake_at.or(step.wake_at);
                    let Some(at) = wake_at.filter(|at| *at > now) else { break };
                    now = at;
                    merge(&mut next, converger.step(now, Event::Tick));
                }
            } else {
                for action in &step.actions {
                    let outcome = match &action.what {
                        What::StartTask { task } => Outcome::Started(good_end(task.service.is_job)),
                        _ => Outcome::Done,
                    };
                    merge(&mut next, converger.step(now, Event::ActionDone { id: action.id, outcome }));
                }
                waves.push(step.actions);
            }
            if step.verdict.is_some() {
                break;
            }
            step = next;
        }
        Self { waves, duration_ms }
    }

    /// Every action, in order of issue.
    pub fn actions(&self) -> impl Iterator<Item = &Action> {
        self.waves.iter().flatten()
    }

    /// How much is done.
    #[must_use]
    pub fn summary(&self) -> Summary {
        let mut summary = Summary::default();
        let mut nodes = std::collections::BTreeSet::<&NodeName>::new();
        let (mut started, mut stopped) =
            (std::collections::BTreeSet::new(), std::collections::BTreeSet::new());
        for action in self.actions() {
            nodes.insert(&action.node);
            match &action.what {
                What::StartTask { task } => {
                    started.insert((&task.service.service, &task.slot));
                }
                What::StopTask { task, .. } => {
                    stopped.insert((&task.service, &task.slot));
                }
                What::UpdateTask { .. } => summary.in_place += 1,
                What::PullImage { .. } => summary.pull += 1,
                What::CreateTask { .. }
                | What::StartAgain { .. }
                | What::RemoveTask { .. }
                | What::CreateNetwork { .. }
                | What::CreateVolume { .. }
                | What::RemoveNetwork { .. } => {}
            }
        }
        let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        summary.replace = count(started.intersection(&stopped).count());
        summary.create = count(started.len()) - summary.replace;
        summary.remove = count(stopped.len()) - summary.replace;
        summary.nodes = count(nodes.len());
        summary
    }
}

/// What the tasks that end have of volumes which the engine made for them.
fn volumes_left(observed: &Observed, spec: &StackSpec, forecast: &Forecast) -> Vec<Note> {
    let ending: BTreeSet<&TaskId> = (forecast.actions())
        .filter_map(|action| match &action.what {
            What::StopTask { task, .. } | What::RemoveTask { task } => Some(&task.id),
            _ => None,
        })
        .collect();
    let mut left: BTreeMap<&ServiceName, usize> = BTreeMap::new();
    for (_, facts) in observed.reachable() {
        for (_, stack, made) in facts.anonymous_volumes() {
            if *stack == spec.name && !made.is_for_files && ending.contains(&made.task) {
                *left.entry(&made.service).or_default() += 1;
            }
        }
    }
    let note =
        |(service, volumes): (&ServiceName, usize)| Note::LeavesVolumes { service: service.clone(), volumes };
    left.into_iter().map(note).collect()
}

fn good_end(must_complete: bool) -> TaskStatus {
    if must_complete {
        TaskStatus::Exited { exit_code: 0 }
    } else {
        TaskStatus::Running { health: Health::None }
    }
}

fn merge(into: &mut super::Step, step: super::Step) {
    into.actions.extend(step.actions);
    into.notices.extend(step.notices);
    into.wake_at = step.wake_at;
    into.verdict = into.verdict.take().or(step.verdict);
}
