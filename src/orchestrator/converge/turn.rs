//! Turning back: a service whose update failed, or with `atomic` the whole stack.
//!
//! A stack goes back in reverse order, dependants first, so that every mixture of old and new services it
//! passes through is one that held on the way forward. A rollback is never itself rolled back: a failure on
//! the way back stops there and is reported.

use super::super::notice::Notice;
use super::service::{ServiceRun, State, exceeds, parallelism};
use super::slot::{Fresh, Leg, Stage};
use super::{Converger, Step, Timer};
use crate::model::Timestamp;
use crate::model::spec::FailureAction;

impl Converger {
    /// Whether old tasks are kept until all is proved: they are the way back.
    pub(super) fn keeps_way_back(&self, service: usize) -> bool {
        self.atomic || self.services[service].rolls_back()
    }

    /// A service is to turn back, or with `atomic` the stack, once the event at hand is dealt with: in the
    /// middle of it, slots that are being moved forward would find themselves going back.
    pub(super) fn want_turn(&mut self, service: usize) {
        if !std::mem::replace(&mut self.services[service].wants_turn, true) {
            self.turns.push(service);
        }
    }

    /// Turns those that want it.
    pub(super) fn turn_round(&mut self, now: Timestamp, step: &mut Step) {
        while let Some(service) = self.turns.pop() {
            if self.atomic {
                self.turn_stack(now, service, step);
            } else {
                self.turn_service(now, service, step);
            }
        }
    }

    /// The update of one service failed: back to its old tasks.
    fn turn_service(&mut self, now: Timestamp, service: usize, step: &mut Step) {
        let run = &self.services[service];
        step.notices.push(Notice::RollingBack { service: run.name.clone(), cause: run.cause() });
        self.halt(now, service, step);
        self.begin_return(now, service, step);
    }

    /// A service of an `atomic` stack failed.
    fn turn_stack(&mut self, now: Timestamp, cause: usize, step: &mut Step) {
        if std::mem::replace(&mut self.is_turning, true) {
            return;
        }
        let run = &self.services[cause];
        step.notices.push(Notice::RollingBackStack { service: run.name.clone(), cause: run.cause() });
        for service in 0..self.services.len() {
            if self.services[service].state == State::Waiting {
                self.skip(now, service, step);
            } else if self.services[service].state != State::Skipped {
                self.halt(now, service, step);
            }
        }
        for service in (0..self.services.len()).rev() {
            self.return_if_ready(now, service, step);
        }
    }

    pub(super) fn skip(&mut self, now: Timestamp, service: usize, step: &mut Step) {
        let run = &mut self.services[service];
        run.state = State::Skipped;
        run.untouched = u32::try_from(run.open).unwrap_or(u32::MAX);
        for slot in run.slots.clone() {
            self.disappoint_waiting(now, slot, step);
        }
    }

    /// Nothing of this service moves forward any more.
    fn halt(&mut self, now: Timestamp, service: usize, step: &mut Step) {
        let run = &mut self.services[service];
        let left = run.leave_rest();
        run.state = State::Returning { begun: false };
        for slot in left {
            self.disappoint_waiting(now, slot, step);
        }
        let run = &mut self.services[service];
        for slot in run.slots.clone() {
            let slot_run = &mut self.slots[slot];
            slot_run.leg = slot_run.leg.max(Leg::Halted);
            self.watched.remove(&slot);
        }
    }

    fn return_if_ready(&mut self, now: Timestamp, service: usize, step: &mut Step) {
        if self.services[service].state != (State::Returning { begun: false }) {
            return;
        }
        let mut dependents = self.services[service].dependents.iter();
        if dependents.all(|&other| !matches!(self.services[other].state, State::Returning { .. })) {
            self.begin_return(now, service, step);
        }
    }

    fn begin_return(&mut self, now: Timestamp, service: usize, step: &mut Step) {
        let run = &self.services[service];
        let is_touched = |slot: &usize| {
            let run = &self.slots[*slot];
            let is_done = run.leg == Leg::Back && matches!(run.stage, Stage::Returned | Stage::Failed);
            let is_touched = run.in_flight > 0 || run.fresh != Fresh::No || run.old_touched || run.is_updated;
            run.stage != Stage::Queued && is_touched && !is_done
        };
        // The latest first; but before all others, slots without a serving task.
        let mut backs: Vec<usize> = run.slots.clone().rev().filter(is_touched).collect();
        backs.sort_by_key(|slot| !self.slots[*slot].has_failed);
        let run = &mut self.services[service];
        run.state = State::Returning { begun: true };
        run.open = backs.len();
        run.returns = u32::try_from(backs.len()).unwrap_or(u32::MAX);
        run.in_motion = 0;
        run.backs = backs.into();
        self.pump_back(now, service, step);
    }

    /// Lets as many slots go back as the policy allows.
    fn pump_back(&mut self, now: Timestamp, service: usize, step: &mut Step) {
        if std::mem::replace(&mut self.services[service].pumping, true) {
            return;
        }
        loop {
            let run = &mut self.services[service];
            if run.state != (State::Returning { begun: true }) {
                break;
            }
            if run.is_stuck() {
                let left = run.backs.len();
                run.not_returned += u32::try_from(left).unwrap_or(u32::MAX);
                run.open -= left;
                run.backs.clear();
            }
            if run.in_motion >= parallelism(&run.rollback) {
                break;
            }
            let Some(slot) = run.backs.pop_front() else { break };
            run.in_motion += 1;
            // One that another waited for has gone ahead.
            if self.slots[slot].leg != Leg::Back {
                self.go_back(now, slot, step);
            }
        }
        self.services[service].pumping = false;
        let run = &mut self.services[service];
        if run.state != (State::Returning { begun: true }) || run.open > 0 {
            return;
        }
        run.state = if run.return_failures.is_empty() { State::Returned } else { State::Stuck };
        if self.is_turning {
            for other in (0..self.services.len()).rev() {
                self.return_if_ready(now, other, step);
            }
        } else {
            self.tell_dependents(now, service, step);
        }
    }

    /// A slot came to the end of its way back, good or bad.
    pub(super) fn back_over(&mut self, now: Timestamp, slot: usize, step: &mut Step) {
        let service = self.slots[slot].service;
        let run = &mut self.services[service];
        if run.state != (State::Returning { begun: true }) {
            // It went ahead of its service, because another waited for its port.
            return;
        }
        run.open -= 1;
        if let Some(at) = run.backs.iter().position(|queued| *queued == slot) {
            // It went ahead of its turn: it was never counted as in motion.
            run.backs.remove(at);
            return self.pump_back(now, service, step);
        }
        let delay = run.rollback.delay.as_millis();
        if delay > 0 && !run.backs.is_empty() && !run.is_stuck() {
            self.timers.insert((now.plus_ms(delay), Timer::Delay { slot, leg: Leg::Back }));
        } else {
            run.in_motion -= 1;
        }
        self.pump_back(now, service, step);
    }

    /// The delay after a slot's way back is over.
    pub(super) fn back_delay_over(&mut self, now: Timestamp, slot: usize, step: &mut Step) {
        let service = self.slots[slot].service;
        self.services[service].in_motion -= 1;
        self.pump_back(now, service, step);
    }
}

impl ServiceRun {
    /// Whether a failed update of this service goes back by itself.
    pub(super) fn rolls_back(&self) -> bool {
        self.is_update && self.update.failure_action == FailureAction::Rollback
    }

    /// Whether too many slots failed on the way back. A rollback is never rolled back: anything but
    /// `continue` stops it.
    fn is_stuck(&self) -> bool {
        self.rollback.failure_action != FailureAction::Continue
            && exceeds(self.return_failures.len(), self.returns, self.rollback.max_failure_ratio)
    }

    /// Slots that are as they were before the run.
    pub(super) fn returned(&self) -> u32 {
        let failed = u32::try_from(self.return_failures.len()).unwrap_or(u32::MAX);
        self.returns.saturating_sub(failed).saturating_sub(self.not_returned)
    }
}
