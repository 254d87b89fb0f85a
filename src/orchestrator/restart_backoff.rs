//! Restart back-off: what the loop remembers of failures between two observations, so that healing neither
//! storms nor stalls.
//!
//! A slot whose task failed is given another one at once; if that fails as well, after a delay that doubles
//! up to a cap. Once a task has stayed up for a while, the count is reset. The engine has its own, quicker
//! way of restarting a container in place; this counts tasks, which are replaced when that is exhausted, or
//! when a health check fails. A policy with `max_attempts` allows as many new tasks in a row; then the slot
//! waits for the user (SwarmKit's restart supervisor gives up in the same way,
//! `orchestrator/restart/restart.go`, `shouldRestart`).
//!
//! Pure: time is handed in.

use std::collections::BTreeMap;
use std::fmt;

use crate::model::ids::ServiceName;
use crate::model::restart::is_complete;
use crate::model::spec::StackSpec;
use crate::model::task::{Slot, Task};
use crate::model::{Marks, Observed, SpecHash, TaskId, TaskStatus, Timestamp};

/// The longest wait.
pub const CAP_MS: i64 = 5 * 60 * 1000;
/// So long must something go well before its failures are forgotten, at least.
const WELL_MS: i64 = 60_000;

/// A wait that doubles with each failure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backoff {
    first_ms: i64,
    failures: u32,
    until: Timestamp,
}

impl Backoff {
    /// No failure yet.
    #[must_use]
    pub fn new(first_ms: i64) -> Self {
        Self { first_ms: first_ms.max(0), failures: 0, until: Timestamp(i64::MIN) }
    }

    /// One more. When it may be tried again.
    pub fn failed(&mut self, now: Timestamp) -> Timestamp {
        let doubled = self.first_ms.max(1).saturating_mul(1_i64 << self.failures.min(30));
        // Where a policy wants no delay, the first replacement has none; a storm is stopped all the same.
        let wait = if self.failures == 0 { self.first_ms } else { doubled.max(1_000) };
        self.failures = self.failures.saturating_add(1);
        self.until = now.plus_ms(wait.min(CAP_MS));
        self.until
    }

    /// Failures are forgotten.
    pub fn well(&mut self) {
        self.failures = 0;
        self.until = Timestamp(i64::MIN);
    }

    /// Failures in a row.
    #[must_use]
    pub fn failures(&self) -> u32 {
        self.failures
    }

    /// When it may be tried again, if that is not yet.
    #[must_use]
    pub fn waits(&self, now: Timestamp) -> Option<Timestamp> {
        (self.until > now).then_some(self.until)
    }
}

/// Why a slot gets no task for now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Suppressed {
    /// Until then: its tasks failed so many times.
    Until { at: Timestamp, failures: u32 },
    /// Until the user acts: all attempts of its restart policy are used up.
    Exhausted,
}

impl fmt::Display for Suppressed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Until { failures, .. } => {
                write!(f, "its tasks failed {failures} times in a row, and the wait grows with each")
            }
            Self::Exhausted => f.write_str("all attempts of its restart policy are used up"),
        }
    }
}

/// Recorded failures of the slots of one stack.
#[derive(Debug, Clone, Default)]
pub struct RestartBackoff {
    slots: BTreeMap<(ServiceName, Slot), Memory>,
}

#[derive(Debug, Clone)]
struct Memory {
    backoff: Backoff,
    /// No failure is remembered.
    is_well: bool,
    /// The task whose failure was counted last.
    counted: Option<TaskId>,
    /// Since when a task is up.
    up_since: Option<Timestamp>,
}

impl RestartBackoff {
    /// Takes note of an observation; returns the slots that get no task for now.
    pub fn look(
        &mut self,
        observed: &Observed,
        spec: &StackSpec,
    ) -> BTreeMap<(ServiceName, Slot), Suppressed> {
        let now = observed.at;
        let mut newest: BTreeMap<(&ServiceName, &Slot), &Task> = BTreeMap::new();
        for task in observed.tasks().filter(|task| task.stack == spec.name) {
            let place = newest.entry((&task.service, &task.slot)).or_insert(task);
            // A live one counts before an ended one, then the newest attempt.
            if (task.is_live(), task.attempt) > (place.is_live(), place.attempt) {
                *place = task;
            }
        }
        let mut rest = BTreeMap::new();
        let mut hashes: BTreeMap<&ServiceName, SpecHash> = BTreeMap::new();
        for ((name, slot), task) in newest {
            let Some(service) = spec.services.get(name) else { continue };
            let policy = &service.task.restart_policy;
            let window_ms = ms(policy.window.to_std());
            let key = (name.clone(), slot.clone());
            let memory = self.slots.entry(key.clone()).or_insert_with(|| Memory {
                backoff: Backoff::new(ms(policy.delay.to_std())),
                is_well: true,
                counted: None,
                up_since: None,
            });
            if task.status.is_up() {
                let since = *memory.up_since.get_or_insert(now);
                if now.since_ms(since) >= WELL_MS.max(window_ms) {
                    memory.backoff.well();
                    memory.is_well = true;
                }
                continue;
            }
            memory.up_since = None;
            // Another spec is another story: what failed before says nothing about it.
            let wanted = hashes
                .entry(name)
                .or_insert_with(|| Marks::of(&observed.key, &spec.name, name).hash(&service.task));
            if task.spec_hash != *wanted || !has_failed(task, policy, service.mode.is_job()) {
                continue;
            }
            if memory.counted.as_ref() != Some(&task.id) {
                memory.counted = Some(task.id.clone());
                // The engine has restarted it before, or it was stopped by hand: no reason to wait.
                if !std::mem::take(&mut memory.is_well) {
                    memory.backoff.failed(now);
                }
            }
            let failures = memory.backoff.failures() + 1;
            if policy.max_attempts > 0 && failures > policy.max_attempts {
                rest.insert(key, Suppressed::Exhausted);
            } else if let Some(at) = memory.backoff.waits(now) {
                rest.insert(key, Suppressed::Until { at, failures });
            }
        }
        rest
    }
}

/// Whether a task needs to be replaced: it ended unexpectedly, or is unhealthy.
fn has_failed(task: &Task, policy: &crate::model::spec::RestartPolicy, is_job: bool) -> bool {
    match task.status {
        TaskStatus::Exited { exit_code } => !is_complete(policy, is_job, exit_code),
        TaskStatus::Dead => true,
        status => status.is_unhealthy(),
    }
}

fn ms(duration: std::time::Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::testing::*;
    use crate::model::{Health, TaskStatus as S};

    const UP: S = S::Running { health: Health::None };

    /// One service with one task that behaves as asked.
    fn world(
        status: S,
        attempt: u32,
        at: i64,
        change: impl Fn(&mut crate::model::TaskSpec),
    ) -> (Observed, StackSpec) {
        let mut service = replicated("web", 1);
        change(std::sync::Arc::make_mut(&mut service.task));
        let spec = stack(vec![service.clone()]);
        let mut observed = nodes(1);
        observed.at = Timestamp(at);
        let node = observed.nodes.values_mut().next().unwrap();
        let one = Task {
            id: TaskId::unchecked(&format!("t{attempt}")),
            stack: spec.name.clone(),
            service: service.name.clone(),
            slot: Slot::Replica(1),
            node: node.member.name.clone(),
            attempt,
            is_job: false,
            spec_hash: hash_of(&spec.name, &service),
            spec: service.task,
            key_id: None,
            container: "web".to_owned(),
            status,
            created_at: Timestamp(0),
            since: None,
            published: Vec::new(),
        };
        facts(node).tasks.push(one);
        (observed, spec)
    }

    fn rests(upkeep: &mut RestartBackoff, status: S, attempt: u32, at: i64) -> Option<Suppressed> {
        let (observed, spec) = world(status, attempt, at, |_| {});
        upkeep.look(&observed, &spec).into_values().next()
    }

    #[test]
    fn waits_double_up_to_a_cap_and_end_when_all_is_well() {
        let mut backoff = Backoff::new(5_000);
        let waits: Vec<i64> = (0..9).map(|_| backoff.failed(Timestamp(0)).0 / 1000).collect();
        assert_eq!(waits, [5, 10, 20, 40, 80, 160, 300, 300, 300]);
        assert_eq!(backoff.waits(Timestamp(299_999)), Some(Timestamp(300_000)));
        assert_eq!(backoff.waits(Timestamp(300_000)), None);
        backoff.well();
        assert_eq!((backoff.failures(), backoff.waits(Timestamp(0))), (0, None));
        let mut none = Backoff::new(0);
        assert_eq!((none.failed(Timestamp(7)), none.failed(Timestamp(7))), (Timestamp(7), Timestamp(1_007)));
    }

    #[test]
    fn a_failure_is_counted_once_and_each_task_doubles_the_wait() {
        let mut upkeep = RestartBackoff::default();
        let until = |at, failures| Some(Suppressed::Until { at: Timestamp(at), failures });
        let ended = S::Exited { exit_code: 1 };
        assert_eq!(rests(&mut upkeep, UP, 1, 0), None);
        assert_eq!(rests(&mut upkeep, ended, 1, 1_000), None, "the first is replaced at once");
        assert_eq!(rests(&mut upkeep, ended, 1, 2_000), None);
        assert_eq!(rests(&mut upkeep, ended, 2, 3_000), until(8_000, 2));
        assert_eq!(rests(&mut upkeep, ended, 2, 7_999), until(8_000, 2));
        assert_eq!(rests(&mut upkeep, ended, 2, 8_000), None);
        assert_eq!(rests(&mut upkeep, S::Running { health: Health::Unhealthy }, 3, 9_000), until(19_000, 3));
        // Up for a moment only.
        assert_eq!(rests(&mut upkeep, UP, 4, 20_000), None);
        assert_eq!(rests(&mut upkeep, ended, 4, 21_000), until(41_000, 4));
        // Up for long.
        assert_eq!(rests(&mut upkeep, UP, 5, 50_000), None);
        assert_eq!(rests(&mut upkeep, UP, 5, 120_000), None);
        assert_eq!(rests(&mut upkeep, ended, 5, 121_000), None);
        assert_eq!(rests(&mut upkeep, ended, 6, 122_000), until(127_000, 2));
    }

    #[test]
    fn exhausted_attempts_wait_for_the_user() {
        let limited = |task: &mut crate::model::TaskSpec| task.restart_policy.max_attempts = 2;
        let mut upkeep = RestartBackoff::default();
        let mut rest = |status, attempt, at| {
            let (observed, spec) = world(status, attempt, at, limited);
            upkeep.look(&observed, &spec).into_values().next()
        };
        let ended = S::Exited { exit_code: 1 };
        assert_eq!(rest(ended, 1, 0), None);
        assert!(matches!(rest(ended, 2, 1_000), Some(Suppressed::Until { failures: 2, .. })));
        assert_eq!(rest(S::Restarting { exit_code: 1 }, 3, 20_000), None, "the engine is at it");
        assert_eq!(rest(ended, 3, 30_000), Some(Suppressed::Exhausted));
        assert_eq!(rest(ended, 3, 900_000), Some(Suppressed::Exhausted));
    }

    #[test]
    fn what_has_done_its_work_or_is_of_another_spec_has_not_failed() {
        let once = |task: &mut crate::model::TaskSpec| {
            task.restart_policy.condition = crate::model::spec::RestartCondition::OnFailure
        };
        let (observed, spec) = world(S::Exited { exit_code: 0 }, 1, 0, once);
        assert!(RestartBackoff::default().look(&observed, &spec).is_empty());
        let (observed, mut spec) = world(S::Exited { exit_code: 1 }, 1, 0, once);
        let service = spec.services.values_mut().next().unwrap();
        std::sync::Arc::make_mut(&mut service.task).image = "web:2".to_owned();
        assert!(RestartBackoff::default().look(&observed, &spec).is_empty());
    }
}
