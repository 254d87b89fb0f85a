//! One service on its way: which of its slots may move now.

use std::collections::VecDeque;
use std::ops::Range;

use super::super::assign::{ServiceWork, SlotKind};
use super::super::notice::Notice;
use super::slot::{Leg, SlotRun, Stage};
use super::verdict::TaskFailure;
use super::{Converger, PROGRESS_MS, Step, Timer};
use crate::model::Timestamp;
use crate::model::ids::ServiceName;
use crate::model::spec::{DependencyCondition, FailureAction, Healthcheck, RestartPolicy, UpdateConfig};

/// A service on its way.
#[derive(Debug, Clone)]
pub(super) struct ServiceRun {
    pub(super) name: ServiceName,
    pub(super) update: UpdateConfig,
    pub(super) rollback: UpdateConfig,
    /// Tasks are replaced, not only made or removed: then a failure is the update's.
    pub(super) is_update: bool,
    /// How long its health check may take to decide, in milliseconds, as far as the stack says.
    pub(super) probing_ms: i64,
    /// How long a task may take to come up, in milliseconds.
    pub(super) progress_ms: i64,
    pub(super) is_job: bool,
    pub(super) restart: RestartPolicy,
    pub(super) depends_on: Vec<(usize, DependencyCondition)>,
    pub(super) dependents: Vec<usize>,
    pub(super) state: State,
    /// All its slots.
    pub(super) slots: Range<usize>,
    /// Slots that stay, lose their task, get one, or get another.
    keeps: Vec<usize>,
    removes: Vec<usize>,
    pub(super) creates: VecDeque<usize>,
    pub(super) replaces: VecDeque<usize>,
    /// Slots that stay and have not shown yet that they are up.
    keeps_open: u32,
    /// Slots that get a task or must show one: what a failure ratio is a share of.
    total: u32,
    max_concurrent: u32,
    creating: u32,
    /// Slots between the first action of their replacement and the end of its delay.
    pub(super) in_motion: u32,
    /// Slots that have not reached their end.
    pub(super) open: usize,
    /// Slots whose turn to go back has not come.
    pub(super) backs: VecDeque<usize>,
    /// Slots that had to go back.
    pub(super) returns: u32,
    /// Slots that were left as they are, because others failed on their way back.
    pub(super) not_returned: u32,
    /// It is about to turn back.
    pub(super) wants_turn: bool,
    pub(super) return_failures: Vec<TaskFailure>,
    pub(super) failures: Vec<TaskFailure>,
    /// Failures of tasks that this run found as they should be, but not up.
    failed_keeps: usize,
    /// Slots left alone because of a failure.
    pub(super) untouched: u32,
    /// Slots are being let go right now: a slot that ends at once must not start a second round inside
    /// the first, or ten thousand of them would nest ten thousand deep.
    pub(super) pumping: bool,
    /// A dependent wants to see this service's tasks end with status 0.
    pub(super) must_complete: bool,
}

/// Where a service stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// For its dependencies, or for the preparation.
    Waiting,
    /// Slots are moving.
    Rolling,
    /// As wanted.
    Up,
    /// Not as wanted, and nothing moves any more.
    Failed,
    /// Its update failed, and what is left of it waits for a decision.
    Paused,
    /// Going back to its old tasks, or waiting for its turn to.
    Returning { begun: bool },
    /// As it was before the run.
    Returned,
    /// It failed on its way back.
    Stuck,
    /// Never begun: a dependency failed.
    Skipped,
}

impl ServiceRun {
    pub(super) fn new(at: usize, work: ServiceWork, slots: &mut Vec<SlotRun>) -> Self {
        let first = slots.len();
        let mut run = Self {
            name: work.name,
            update: work.update,
            rollback: work.rollback,
            is_update: false,
            probing_ms: work.startup_ms.unwrap_or_else(|| Healthcheck::default().startup_ms()),
            progress_ms: work.startup_ms.map_or(PROGRESS_MS, |ms| ms.max(PROGRESS_MS)),
            slots: first..first + work.slots.len(),
            keeps_open: 0,
            total: 0,
            backs: VecDeque::new(),
            returns: 0,
            not_returned: 0,
            wants_turn: false,
            return_failures: Vec::new(),
            is_job: work.is_job,
            restart: work.restart,
            depends_on: work.depends_on,
            dependents: Vec::new(),
            state: State::Waiting,
            keeps: Vec::new(),
            removes: Vec::new(),
            creates: VecDeque::new(),
            replaces: VecDeque::new(),
            max_concurrent: work.max_concurrent,
            creating: 0,
            in_motion: 0,
            open: work.slots.len(),
            failures: Vec::new(),
            failed_keeps: 0,
            untouched: 0,
            pumping: false,
            must_complete: work.must_complete,
        };
        for work in work.slots {
            let slot = slots.len();
            match work.kind {
                SlotKind::Keep => run.keeps.push(slot),
                SlotKind::Remove => run.removes.push(slot),
                SlotKind::Create => run.creates.push_back(slot),
                SlotKind::Replace | SlotKind::InPlace => run.replaces.push_back(slot),
            }
            slots.push(SlotRun::new(at, work));
        }
        run.is_update = !run.replaces.is_empty();
        let count = run.keeps.len() + run.creates.len() + run.replaces.len();
        run.total = u32::try_from(count).unwrap_or(u32::MAX);
        run.keeps_open = u32::try_from(run.keeps.len()).unwrap_or(u32::MAX);
        run.replaces.make_contiguous().sort_by_key(|slot| slots[*slot].work.turn());
        run
    }

    /// The task of a slot of this kind failed.
    pub(super) fn fail(&mut self, failure: TaskFailure, kind: SlotKind) {
        self.failures.push(failure);
        self.failed_keeps += usize::from(kind == SlotKind::Keep);
    }

    pub(super) fn is_over(&self) -> bool {
        match self.state {
            State::Up | State::Failed | State::Paused | State::Skipped | State::Returned | State::Stuck => {
                true
            }
            State::Waiting | State::Rolling | State::Returning { .. } => false,
        }
    }

    /// Whether its dependents can no longer start.
    fn blocks_dependents(&self) -> bool {
        matches!(self.state, State::Returning { .. }) || (self.is_over() && self.state != State::Up)
    }

    /// Skips the slots that were not begun; returns them.
    pub(super) fn leave_rest(&mut self) -> Vec<usize> {
        let left: Vec<usize> = self.replaces.drain(..).chain(self.creates.drain(..)).collect();
        self.untouched += u32::try_from(left.len()).unwrap_or(u32::MAX);
        left
    }

    /// Whether failures stop slots that have not been touched: with an update, more than its
    /// `max_failure_ratio` (strictly more, as in SwarmKit); without that ratio, any failure. Where nothing is replaced, a
    /// task that was there before and is not up (such as a paused one) does not keep another from being made: it says
    /// nothing about that one, and SwarmKit makes it as well.
    fn is_halted(&self) -> bool {
        let own = self.failures.len() - self.failed_keeps;
        self.update.failure_action != FailureAction::Continue
            && if self.is_update { self.has_failed() } else { exceeds(own, self.total, 0.0) }
    }

    /// Whether more failed than is tolerated.
    fn has_failed(&self) -> bool {
        let ratio = if self.is_update { self.update.max_failure_ratio } else { 0.0 };
        exceeds(self.failures.len(), self.total, ratio)
    }
}

/// Slots that may be in motion at a time; 0 stands for all.
pub(super) fn parallelism(config: &UpdateConfig) -> u32 {
    if config.parallelism == 0 { u32::MAX } else { config.parallelism }
}

/// Whether so many failures are more than this share of the whole.
pub(super) fn exceeds(failures: usize, total: u32, ratio: f64) -> bool {
    let failures = f64::from(u32::try_from(failures).unwrap_or(u32::MAX));
    failures > 0.0 && failures > ratio * f64::from(total)
}

impl ServiceRun {
    /// What failed first, in words.
    pub(super) fn cause(&self) -> String {
        self.failures
            .first()
            .map(|failed| format!("{}: {}", failed.what, failed.failure.message))
            .unwrap_or_default()
    }
}

impl Converger {
    /// Begins a service if all it depends on is up; skips it if something failed.
    pub(super) fn begin_if_ready(&mut self, now: Timestamp, service: usize, step: &mut Step) {
        if self.services[service].state != State::Waiting {
            return;
        }
        let needed = || self.services[service].depends_on.iter().map(|(on, _)| &self.services[*on]);
        if self.is_turning || needed().any(ServiceRun::blocks_dependents) {
            self.skip(now, service, step);
            self.tell_dependents(now, service, step);
            return;
        }
        if needed().any(|other| other.state != State::Up) {
            return;
        }
        let run = &mut self.services[service];
        run.state = State::Rolling;
        let (keeps, removes) = (std::mem::take(&mut run.keeps), std::mem::take(&mut run.removes));
        for slot in keeps {
            self.await_up(now, slot, step);
        }
        for slot in removes {
            self.begin_removal(now, slot, step);
        }
        self.pump(now, service, step);
    }

    /// Lets as many slots move as the policy allows.
    pub(super) fn pump(&mut self, now: Timestamp, service: usize, step: &mut Step) {
        if std::mem::replace(&mut self.services[service].pumping, true) {
            return;
        }
        loop {
            let run = &mut self.services[service];
            if run.state != State::Rolling {
                break;
            }
            if run.is_halted() {
                if self.atomic || run.rolls_back() {
                    self.want_turn(service);
                    break;
                }
                let left = run.leave_rest();
                run.open -= left.len();
                if !left.is_empty() && run.is_update {
                    step.notices.push(Notice::Paused { service: run.name.clone(), cause: run.cause() });
                }
                for slot in left {
                    self.disappoint_waiting(now, slot, step);
                }
            }
            let run = &mut self.services[service];
            // What an earlier run changed must prove itself before more is changed.
            let may_replace = run.keeps_open == 0;
            let next = if run.creating < run.max_concurrent && !run.creates.is_empty() {
                run.creating += 1;
                run.creates.pop_front()
            } else if may_replace && run.in_motion < parallelism(&run.update) && !run.replaces.is_empty() {
                run.in_motion += 1;
                run.replaces.pop_front()
            } else {
                None
            };
            match next {
                Some(slot) => self.begin_slot(now, slot, step),
                None => break,
            }
        }
        self.services[service].pumping = false;
        self.close_if_over(now, service, step);
    }

    /// A slot reached its end, good or bad.
    pub(super) fn slot_over(&mut self, now: Timestamp, slot: usize, step: &mut Step) {
        let service = self.slots[slot].service;
        let run = &mut self.services[service];
        run.open -= 1;
        match self.slots[slot].work.kind {
            SlotKind::Remove => {}
            SlotKind::Keep => run.keeps_open -= 1,
            SlotKind::Create => run.creating -= 1,
            // Nothing has happened on the host.
            SlotKind::InPlace if !self.slots[slot].is_engines() => run.in_motion -= 1,
            SlotKind::Replace | SlotKind::InPlace => {
                // Counted from when it ran, as SwarmKit does.
                let held = self.slots[slot].held_since.map_or(0, |since| now.since_ms(since));
                let delay = run.update.delay.as_millis() - held;
                if delay > 0 && !run.replaces.is_empty() && !run.is_halted() {
                    // The slot stays in motion until the delay is over (SwarmKit sleeps in its worker).
                    self.timers.insert((now.plus_ms(delay), Timer::Delay { slot, leg: Leg::Forward }));
                } else {
                    run.in_motion -= 1;
                }
            }
        }
        self.pump(now, service, step);
    }

    fn close_if_over(&mut self, now: Timestamp, service: usize, step: &mut Step) {
        let run = &mut self.services[service];
        if run.state != State::Rolling || run.open > 0 || run.wants_turn {
            return;
        }
        let has_failed = run.has_failed();
        run.state = match run.update.failure_action {
            _ if run.failures.is_empty() => State::Up,
            FailureAction::Pause if run.is_update && has_failed => State::Paused,
            FailureAction::Pause | FailureAction::Continue | FailureAction::Rollback => State::Failed,
        };
        if self.atomic && has_failed {
            return self.want_turn(service);
        }
        self.tell_dependents(now, service, step);
    }

    pub(super) fn tell_dependents(&mut self, now: Timestamp, service: usize, step: &mut Step) {
        if self.phase != super::Phase::Rolling {
            return;
        }
        for dependent in self.services[service].dependents.clone() {
            self.begin_if_ready(now, dependent, step);
        }
    }

    pub(super) fn stage_of(&self, slot: usize) -> Stage {
        self.slots[slot].stage
    }
}
