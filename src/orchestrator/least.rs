//! The least time that a plan can take: the very machine that converges, in a world that is as quick as
//! any world can be.
//!
//! A bound must never be above what a run takes in which all goes well. So every action ends at once, and
//! every task counts as up as soon as is possible at all ([`Readiness`]); what is left are the waits that
//! the machine itself insists on: delays, holding, settling, and the first probe of a health check. In each
//! service slots move in a fixed order, so none of those waits gets shorter when something takes longer.
//!
//! The waves of a [`Forecast`](super::Forecast) come from another run, in which no task has a health
//! check: what is done must not depend on how long it takes.

use std::collections::{BTreeMap, BTreeSet};

use super::assign::{Assignment, Readiness};
use super::converge::Converger;
use super::event::Event;
use crate::model::action::{Action, Outcome, What};
use crate::model::ids::{NodeName, ServiceName, TaskId};
use crate::model::{Health, TaskStatus, Timestamp};

const HEALTHY: TaskStatus = TaskStatus::Running { health: Health::Healthy };

/// What is known beforehand of how soon tasks are up.
#[derive(Debug)]
pub(super) struct Least {
    readiness: BTreeMap<ServiceName, Readiness>,
    /// Nothing takes any time for sure: there is no need to run anything.
    is_nothing: bool,
}

/// Tasks that come up, each once.
#[derive(Debug, Default)]
struct Tasks {
    /// First probes that are to come: when, and of which task.
    probes: BTreeSet<(Timestamp, NodeName, TaskId)>,
    /// Tasks that were seen up, or will be by a probe. One that holds is still awaited.
    seen: BTreeSet<TaskId>,
}

impl Least {
    pub(super) fn of(assignment: &Assignment) -> Self {
        let fresh =
            || assignment.services.iter().filter(|work| work.slots.iter().any(|slot| slot.fresh.is_some()));
        Self {
            readiness: fresh().map(|work| (work.name.clone(), work.readiness)).collect(),
            is_nothing: !fresh().any(|work| work.readiness.takes_time() || work.update.delay.as_millis() > 0)
                && !assignment.services.iter().any(|work| {
                    work.slots
                        .iter()
                        .any(|slot| slot.update.as_ref().is_some_and(|update| update.is_engines()))
                }),
        }
    }

    /// How long the converger takes from its first step to its verdict, in milliseconds.
    pub(super) fn duration_ms(&self, converger: &Converger, begin: Timestamp) -> i64 {
        if self.is_nothing {
            return 0;
        }
        let mut converger = converger.clone();
        let (mut now, mut wake_at) = (begin, None);
        let mut events = vec![Event::Tick];
        let mut tasks = Tasks::default();
        loop {
            for event in std::mem::take(&mut events) {
                let step = converger.step(now, event);
                if step.verdict.is_some() {
                    return now.since_ms(begin);
                }
                wake_at = step.wake_at;
                for action in &step.actions {
                    let outcome = self.outcome(now, action, &mut tasks);
                    events.push(Event::ActionDone { id: action.id, outcome });
                }
            }
            if !events.is_empty() {
                continue;
            }
            for (node, task, must_complete) in converger.awaited() {
                if tasks.seen.insert(task.clone()) {
                    let status = if must_complete { TaskStatus::Exited { exit_code: 0 } } else { HEALTHY };
                    events.push(Event::TaskSeen { node, task, status: Some(status) });
                }
            }
            if !events.is_empty() {
                continue;
            }
            let probe_at = tasks.probes.first().map(|(at, ..)| *at);
            let Some(at) = wake_at.into_iter().chain(probe_at).filter(|at| *at > now).min() else {
                return now.since_ms(begin);
            };
            now = at;
            events.push(Event::Tick);
            while let Some((_, node, task)) = tasks.probes.first().filter(|(at, ..)| *at <= now).cloned() {
                tasks.probes.pop_first();
                events.push(Event::TaskSeen { node, task, status: Some(HEALTHY) });
            }
        }
    }

    fn outcome(&self, now: Timestamp, action: &Action, tasks: &mut Tasks) -> Outcome {
        let What::StartTask { task } = &action.what else { return Outcome::Done };
        let readiness = self.readiness.get(&task.service.service);
        Outcome::Started(match readiness.copied().unwrap_or(Readiness::Complete) {
            Readiness::Running => TaskStatus::Running { health: Health::None },
            Readiness::Healthy { after_ms: 0 } => HEALTHY,
            Readiness::Healthy { after_ms } => {
                tasks.seen.insert(task.id.clone());
                tasks.probes.insert((now.plus_ms(after_ms), action.node.clone(), task.id.clone()));
                TaskStatus::Running { health: Health::Starting }
            }
            Readiness::Complete => TaskStatus::Exited { exit_code: 0 },
        })
    }
}
