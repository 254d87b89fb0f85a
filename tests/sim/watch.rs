//! What must hold between the actions of one run: who goes before whom, and how long after.
//!
//! Told from the actions alone and from what was to be seen when the plan was made, not from what the
//! code under test believes of itself.

use std::collections::{BTreeMap, BTreeSet};

use stackctl::model::action::{Action, What};
use stackctl::model::reason::Reason;
use stackctl::model::spec::{FailureAction, ServiceMode, ServiceSpec, StackSpec};
use stackctl::model::task::Slot;
use stackctl::model::{Observed, ServiceName, Task, TaskId, Timestamp};
use stackctl::orchestrator::{Note, Plan, PlanOptions, ServiceEnding, ServiceVerdict, Verdict};

type At = (ServiceName, Slot);

/// One run so far.
#[derive(Default)]
pub struct Watch {
    atomic: bool,
    /// Slots that had a task that did its work.
    up: BTreeSet<At>,
    /// Slots that get another task for one that did not, and have not got it yet.
    broken: BTreeSet<At>,
    /// Slots in which a task is to be started.
    wanted: BTreeMap<ServiceName, u32>,
    /// When a task was first started in a slot that had one.
    started_at: BTreeMap<At, Timestamp>,
    /// Dependencies that the plan gives up, since they close a circle: who waits, and for whom.
    given_up: BTreeSet<(ServiceName, ServiceName)>,
    /// Services that have begun to start tasks.
    begun: BTreeSet<ServiceName>,
    started: BTreeSet<TaskId>,
}

impl Watch {
    pub fn of(plan: &Plan, observed: &Observed, spec: &StackSpec, options: &PlanOptions) -> Self {
        let mut watch = Self { atomic: options.atomic, ..Self::default() };
        let mut live: BTreeMap<At, bool> = BTreeMap::new();
        let counts =
            |task: &&Task| task.stack == spec.name && task.is_live() && !options.lost.contains(&task.node);
        for task in observed.tasks().filter(counts) {
            let ran = task.status != stackctl::model::TaskStatus::Created;
            if ran {
                *live.entry((task.service.clone(), task.slot.clone())).or_default() |= task.status.is_up();
            }
        }
        for action in plan.forecast.actions() {
            match &action.what {
                What::CreateTask { task } => {
                    let at = (task.service.service.clone(), task.slot.clone());
                    if live.get(&at) == Some(&false) {
                        watch.broken.insert(at);
                    }
                }
                What::StartTask { task } => {
                    *watch.wanted.entry(task.service.service.clone()).or_default() += 1;
                }
                _ => {}
            }
        }
        watch.given_up = (plan.notes.iter())
            .filter_map(|note| match note {
                Note::CircleBroken { service, on, .. } => Some((service.clone(), on.clone())),
                _ => None,
            })
            .collect();
        watch.up = live.into_iter().filter_map(|(at, is_up)| is_up.then_some(at)).collect();
        watch
    }

    pub fn has_started(&self, id: &TaskId) -> bool {
        self.started.contains(id)
    }

    /// An action is sent.
    pub fn sent(
        &mut self,
        now: Timestamp,
        action: &Action,
        spec: &StackSpec,
        in_peace: bool,
    ) -> Result<(), String> {
        let Some(name) = action.what.service().cloned() else { return Ok(()) };
        let goes_forward = !matches!(action.why, Reason::RolledBack | Reason::Withdrawn | Reason::History);
        if goes_forward && !matches!(action.what, What::RemoveTask { .. }) {
            self.dependants_wait(&name, spec)?;
        }
        let Some(service) = spec.services.get(&name) else { return Ok(()) };
        match &action.what {
            What::CreateTask { task } => {
                let at = (name, task.slot.clone());
                self.broken.remove(&at);
                if self.up.contains(&at) {
                    // Slots of a silent host are passed over.
                    if in_peace {
                        self.broken_went_first(&at)?;
                    }
                    self.delay_is_over(now, &at, service)?;
                }
            }
            What::StartTask { task } => {
                self.started.insert(task.id.clone());
                self.begun.insert(name.clone());
                let at = (name, task.slot.clone());
                if self.up.contains(&at) {
                    self.started_at.entry(at).or_insert(now);
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// A service that others depend on has done all it does before the first of those starts anything.
    fn dependants_wait(&self, name: &ServiceName, spec: &StackSpec) -> Result<(), String> {
        for other in self.begun.iter().filter_map(|other| spec.services.get(other)) {
            let is_given_up = self.given_up.contains(&(other.name.clone(), name.clone()));
            if other.depends_on.contains_key(name) && !is_given_up {
                return Err(format!(
                    "{} has begun before {name}, on which it depends, was through",
                    other.name
                ));
            }
        }
        Ok(())
    }

    /// Slots that have nothing to lose go before those that have.
    fn broken_went_first(&self, (name, slot): &At) -> Result<(), String> {
        match self.broken.iter().find(|(service, _)| service == name) {
            Some((_, broken)) => Err(format!("{name}.{slot} is replaced before {broken}, which is broken")),
            None => Ok(()),
        }
    }

    /// Fewer than `parallelism` other slots have got their task within the last `delay`.
    fn delay_is_over(&self, now: Timestamp, (name, slot): &At, service: &ServiceSpec) -> Result<(), String> {
        let (delay, parallelism) =
            (service.update_config.delay.as_millis(), service.update_config.parallelism);
        let just =
            |(at, since): &(&At, &Timestamp)| at.0 == *name && at.1 != *slot && now.since_ms(**since) < delay;
        let moving = self.started_at.iter().filter(just).count();
        if parallelism > 0 && moving >= parallelism as usize {
            return Err(format!("{name}.{slot} moves less than {delay} ms after {moving} others of it"));
        }
        Ok(())
    }

    /// The run is over.
    pub fn ended(&self, verdict: &Verdict, spec: &StackSpec) -> Result<(), String> {
        for one in &verdict.services {
            if let Some(service) = spec.services.get(&one.service) {
                self.share_of_failures(one, service)?;
                rollback_stops(one, service)?;
            }
        }
        Ok(())
    }

    /// An update stops when more than its share of slots failed, and only then.
    fn share_of_failures(&self, one: &ServiceVerdict, service: &ServiceSpec) -> Result<(), String> {
        let is_update = self.up.iter().any(|at| at.0 == one.service && self.started_at.contains_key(at));
        let ServiceMode::Replicated { replicas } = service.mode else { return Ok(()) };
        if !is_update || self.atomic {
            return Ok(());
        }
        let (name, failed) = (&one.service, one.failures.len());
        let share = |of: u32| failed as f64 > service.update_config.max_failure_ratio * f64::from(of);
        let wanted = self.wanted.get(name).copied().unwrap_or(0);
        match one.ending {
            // At least so many slots are counted, whatever else is.
            ServiceEnding::Paused | ServiceEnding::RolledBack if !share(wanted) => {
                Err(format!("{name} stopped for {failed} failures among {wanted}"))
            }
            ServiceEnding::Failed
                if service.update_config.failure_action != FailureAction::Continue && share(replicas) =>
            {
                Err(format!("{name} went on after {failed} failures among {replicas}"))
            }
            _ => Ok(()),
        }
    }
}

/// A rollback that fails stops, but for what was under way.
fn rollback_stops(one: &ServiceVerdict, service: &ServiceSpec) -> Result<(), String> {
    let config = &service.rollback_config;
    let failed = one.return_failures.len();
    let tolerated = config.max_failure_ratio * f64::from(one.returned + one.not_returned + failed as u32);
    let most = tolerated + f64::from(config.parallelism);
    if config.failure_action != FailureAction::Continue && config.parallelism > 0 && failed as f64 > most {
        return Err(format!("the rollback of {} goes on after {failed} failures", one.service));
    }
    Ok(())
}
