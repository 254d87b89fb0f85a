//! One service on its way: which of its slots may move now.

use std::collections::VecDeque;

use super::super::assign::{ServiceWork, SlotKind};
use super::slot::{SlotRun, Stage};
use super::verdict::TaskFailure;
use super::{Converger, Step, Timer};
use crate::model::Timestamp;
use crate::model::ids::ServiceName;
use crate::model::spec::{DependencyCondition, FailureAction, RestartPolicy, UpdateConfig};

/// A service on its way.
#[derive(Debug)]
pub(super) struct ServiceRun {
    pub(super) name: ServiceName,
    pub(super) update: UpdateConfig,
    pub(super) is_job: bool,
    pub(super) restart: RestartPolicy,
    pub(super) depends_on: Vec<(usize, DependencyCondition)>,
    pub(super) dependents: Vec<usize>,
    pub(super) state: State,
    /// Slots that stay, lose their task, get one, or get another.
    keeps: Vec<usize>,
    removes: Vec<usize>,
    creates: VecDeque<usize>,
    replaces: VecDeque<usize>,
    max_concurrent: u32,
    creating: u32,
    /// Slots between the first action of their replacement and the end of its delay.
    pub(super) in_motion: u32,
    /// Slots that have not reached their end.
    open: usize,
    pub(super) failures: Vec<TaskFailure>,
    /// Slots left alone because of a failure.
    pub(super) untouched: u32,
    /// Slots are being let go right now: a slot that ends at once must not start a second round inside
    /// the first, or ten thousand of them would nest ten thousand deep.
    pumping: bool,
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
    /// Never begun: a dependency failed.
    Skipped,
}

impl ServiceRun {
    pub(super) fn new(at: usize, work: ServiceWork, slots: &mut Vec<SlotRun>) -> Self {
        let mut run = Self {
            name: work.name,
            update: work.update,
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
                SlotKind::Replace => run.replaces.push_back(slot),
            }
            slots.push(SlotRun::new(at, work));
        }
        run
    }

    pub(super) fn is_over(&self) -> bool {
        matches!(self.state, State::Up | State::Failed | State::Skipped)
    }

    fn parallelism(&self) -> u32 {
        if self.update.parallelism == 0 { u32::MAX } else { self.update.parallelism }
    }

    /// Whether a failure stops slots that have not been touched.
    fn is_halted(&self) -> bool {
        !self.failures.is_empty() && self.update.failure_action != FailureAction::Continue
    }
}

impl Converger {
    /// Begins a service if all it depends on is up; skips it if something failed.
    pub(super) fn begin_if_ready(&mut self, now: Timestamp, service: usize, step: &mut Step) {
        if self.services[service].state != State::Waiting {
            return;
        }
        let states = || self.services[service].depends_on.iter().map(|(on, _)| self.services[*on].state);
        if states().any(|state| matches!(state, State::Failed | State::Skipped)) {
            let run = &mut self.services[service];
            run.state = State::Skipped;
            run.untouched = u32::try_from(run.open).unwrap_or(u32::MAX);
            self.tell_dependents(now, service, step);
            return;
        }
        if states().any(|state| state != State::Up) {
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
                let left = run.replaces.len() + run.creates.len();
                run.untouched += u32::try_from(left).unwrap_or(u32::MAX);
                run.open -= left;
                run.replaces.clear();
                run.creates.clear();
            }
            let next = if run.creating < run.max_concurrent && !run.creates.is_empty() {
                run.creating += 1;
                run.creates.pop_front()
            } else if run.in_motion < run.parallelism() && !run.replaces.is_empty() {
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
            SlotKind::Keep | SlotKind::Remove => {}
            SlotKind::Create => run.creating -= 1,
            SlotKind::Replace => {
                // Counted from when it ran, as SwarmKit does.
                let delay = run.update.delay.as_millis() - self.slots[slot].held_ms;
                if delay > 0 && !run.replaces.is_empty() && !run.is_halted() {
                    // The slot stays in motion until the delay is over (SwarmKit sleeps in its worker).
                    self.timers.insert((now.plus_ms(delay), Timer::Delay { slot }));
                } else {
                    run.in_motion -= 1;
                }
            }
        }
        self.pump(now, service, step);
    }

    fn close_if_over(&mut self, now: Timestamp, service: usize, step: &mut Step) {
        let run = &mut self.services[service];
        if run.state != State::Rolling || run.open > 0 {
            return;
        }
        run.state = if run.failures.is_empty() { State::Up } else { State::Failed };
        self.tell_dependents(now, service, step);
    }

    fn tell_dependents(&mut self, now: Timestamp, service: usize, step: &mut Step) {
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
