//! One slot on its way back: the fresh task goes, the old one is started again.
//!
//! ```text
//!   stop-first   Landing ─> StoppingFresh ─> AwaitingPorts ─> StartingOld ─> AwaitingOld ─> HoldingOld ─> Removing ─> Returned
//!   start-first  Landing ─> StartingOld ─> AwaitingOld ─> HoldingOld ─> StoppingFresh ─> Removing ─> Returned
//!   in place     Landing ─> Updating ─> StartingOld ─> AwaitingOld ─> HoldingOld ─> Returned
//! ```
//!
//! The old container was stopped, not removed, so the way back needs no pull, no registry, no content of
//! configs and no ledger: what ran is what runs again. SwarmKit makes new tasks from the previous spec
//! instead, which fails when the registry no longer has the image, and brings back neither configs nor
//! sibling services.
//!
//! A task that failed stays, stopped, for its logs; a healthy one that only had to go is removed.

use std::sync::Arc;

use super::judge::Judgement;
use super::slot::{Fresh, Leg, Stage, ended, silent_failure};
use super::verdict::TaskFailure;
use super::{Converger, Purpose, RESTART_PATIENCE_MS, Step, Timer};
use crate::model::action::{Failure, What};
use crate::model::reason::Reason;
use crate::model::spec::UpdateOrder;
use crate::model::{Health, TaskStatus, Timestamp};

/// The stage of a slot on its way back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Back {
    /// What it had begun on its way forward is being finished.
    Landing,
    /// What was changed of a task that runs is changed back.
    Updating,
    StoppingFresh,
    /// Another slot's fresh task still holds the port that the old task needs.
    AwaitingPorts,
    StartingOld,
    AwaitingOld,
    HoldingOld,
    Removing,
}

impl Converger {
    /// Turns a slot round. May be called again while it is landing.
    pub(super) fn go_back(&mut self, now: Timestamp, slot: usize, step: &mut Step) {
        self.watched.remove(&slot);
        let run = &mut self.slots[slot];
        run.leg = Leg::Back;
        run.failing = None;
        run.exited = None;
        if run.in_flight > 0 {
            run.stage = Stage::Back(Back::Landing);
            return;
        }
        self.disappoint_waiting(now, slot, step);
        if self.touches_silent(slot) {
            return self.fail_back(now, slot, silent_failure(), step);
        }
        if self.slots[slot].work.update.is_some() {
            self.update_back(now, slot, step);
        } else if self.is_side_by_side(slot) {
            self.start_old(now, slot, step);
        } else {
            self.stop_fresh(now, slot, step);
        }
    }

    /// A task that was changed as it ran gets back what it had.
    fn update_back(&mut self, now: Timestamp, slot: usize, step: &mut Step) {
        let run = &mut self.slots[slot];
        let (Some(update), Some((task, _))) = (&run.work.update, run.work.watch.clone()) else {
            return self.returned(now, slot, step);
        };
        let update = Arc::new(update.reversed());
        run.stage = Stage::Back(Back::Updating);
        run.in_flight = 1;
        let node = run.work.node;
        self.issue(node, What::UpdateTask { task, update }, Reason::RolledBack, Purpose::Slot(slot), step);
    }

    /// It has that again. If the change has ended it, it is started; one that runs is not touched by that.
    fn updated_back(&mut self, now: Timestamp, slot: usize, step: &mut Step) {
        let run = &mut self.slots[slot];
        let (true, Some((task, _))) = (run.is_engines(), run.work.watch.clone()) else {
            return self.returned(now, slot, step);
        };
        run.stage = Stage::Back(Back::StartingOld);
        run.in_flight = 1;
        let node = run.work.node;
        self.issue(node, What::StartAgain { task }, Reason::RolledBack, Purpose::Slot(slot), step);
    }

    /// Whether the old task is up before the fresh one goes.
    fn is_side_by_side(&self, slot: usize) -> bool {
        let run = &self.slots[slot];
        self.services[run.service].rollback.order == UpdateOrder::StartFirst
            && run.old_touched
            && run.fresh == Fresh::Started
            && run.work.may_return_beside
            && run.serving().is_some()
    }

    fn stop_fresh(&mut self, now: Timestamp, slot: usize, step: &mut Step) {
        if self.touches_silent(slot) {
            return self.fail_back(now, slot, silent_failure(), step);
        }
        let run = &mut self.slots[slot];
        run.stage = Stage::Back(Back::StoppingFresh);
        let what = match (&run.work.fresh, run.fresh) {
            (Some(fresh), Fresh::Started) => fresh.stop(),
            // Never ran: it has no logs, and a start in flight must find nothing.
            (Some(fresh), Fresh::Created) => What::RemoveTask { task: fresh.handle() },
            (Some(_), Fresh::No) | (None, _) => return self.fresh_gone(now, slot, step),
        };
        run.in_flight = 1;
        let node = run.work.node;
        self.issue(node, what, Reason::RolledBack, Purpose::Slot(slot), step);
    }

    fn fresh_gone(&mut self, now: Timestamp, slot: usize, step: &mut Step) {
        let run = &mut self.slots[slot];
        if run.fresh == Fresh::Created {
            run.fresh = Fresh::No;
        }
        run.fresh_gone = true;
        for waiting in std::mem::take(&mut self.awaiting_ports) {
            self.start_old(now, waiting, step);
        }
        let run = &self.slots[slot];
        if run.old_is_back || !run.old_touched || run.serving().is_none() {
            self.remove_fresh(now, slot, step);
        } else {
            self.start_old(now, slot, step);
        }
    }

    /// Starts the old task, once its port is free.
    fn start_old(&mut self, now: Timestamp, slot: usize, step: &mut Step) {
        let Some(old) = self.slots[slot].serving().cloned() else {
            return self.remove_fresh(now, slot, step);
        };
        if self.touches_silent(slot) {
            return self.fail_back(now, slot, silent_failure(), step);
        }
        let is_there = |other: &usize| {
            let other = &self.slots[*other];
            other.fresh == Fresh::Started && !other.fresh_gone && other.leg != Leg::Forward
        };
        let takers: Vec<usize> =
            self.takers.get(&old.handle.id).into_iter().flatten().copied().filter(is_there).collect();
        if !takers.is_empty() {
            self.slots[slot].stage = Stage::Back(Back::AwaitingPorts);
            self.awaiting_ports.push(slot);
            // Before their turn, or each might wait for the other.
            for taker in takers {
                if self.slots[taker].leg == Leg::Halted {
                    self.go_back(now, taker, step);
                }
            }
            return;
        }
        let run = &mut self.slots[slot];
        run.stage = Stage::Back(Back::StartingOld);
        run.in_flight = 1;
        self.by_task.insert(old.handle.id.clone(), slot);
        let what = What::StartAgain { task: old.handle };
        self.issue(old.node, what, Reason::RolledBack, Purpose::Slot(slot), step);
    }

    pub(super) fn back_action_done(
        &mut self,
        now: Timestamp,
        slot: usize,
        back: Back,
        failure: Option<Failure>,
        status: Option<TaskStatus>,
        step: &mut Step,
    ) {
        if back == Back::Landing {
            if let Some(failure) = failure {
                self.record_failure(slot, failure);
            }
            return self.go_back(now, slot, step);
        }
        if let Some(failure) = failure {
            return self.fail_back(now, slot, failure, step);
        }
        match back {
            Back::Updating => self.updated_back(now, slot, step),
            Back::StoppingFresh => self.fresh_gone(now, slot, step),
            Back::StartingOld => {
                self.slots[slot].stage = Stage::Back(Back::AwaitingOld);
                let status = self.slots[slot].exited.take().or(status);
                self.watched.insert(slot);
                self.expect_progress(now, slot);
                if let Some(status) = status {
                    self.task_seen(now, slot, Some(status), step);
                }
            }
            Back::Removing => self.returned(now, slot, step),
            Back::Landing | Back::AwaitingPorts | Back::AwaitingOld | Back::HoldingOld => {}
        }
    }

    /// The observed state of the old task after it was started again.
    pub(super) fn old_seen(
        &mut self,
        now: Timestamp,
        slot: usize,
        status: Option<TaskStatus>,
        judgement: Judgement,
        step: &mut Step,
    ) {
        let run = &mut self.slots[slot];
        match (run.stage, judgement) {
            (Stage::Back(Back::AwaitingOld), Judgement::Up) => {
                run.failing = None;
                let unchecked = matches!(status, Some(TaskStatus::Running { health: Health::None }));
                let hold = self.services[run.service].rollback.monitor.as_millis();
                if unchecked && hold > 0 {
                    run.stage = Stage::Back(Back::HoldingOld);
                    self.timers.insert((now.plus_ms(hold), Timer::Hold { slot, leg: Leg::Back }));
                } else {
                    self.old_is_back(now, slot, step);
                }
            }
            (Stage::Back(Back::AwaitingOld), Judgement::Failing(why)) => {
                // What it depends on may be on its own way back.
                let is_news = run.failing.replace(why).is_none();
                if is_news {
                    let timer = Timer::Patience { slot, leg: Leg::Back };
                    self.timers.insert((now.plus_ms(RESTART_PATIENCE_MS), timer));
                }
            }
            // A task that was changed back as it ran keeps the answer that it had: the next probe is the first that
            // says anything of how it is now.
            (Stage::Back(Back::AwaitingOld), Judgement::Failed(why))
                if run.work.update.is_some() && status.is_some_and(TaskStatus::is_unhealthy) =>
            {
                let is_news = run.failing.replace(why).is_none();
                if is_news {
                    let until = now.plus_ms(self.services[run.service].probing_ms);
                    self.timers.insert((until, Timer::Patience { slot, leg: Leg::Back }));
                }
            }
            (Stage::Back(Back::AwaitingOld | Back::HoldingOld), Judgement::Failed(why))
            | (Stage::Back(Back::HoldingOld), Judgement::Failing(why)) => {
                self.fail_back(now, slot, ended(&why), step);
            }
            _ => {}
        }
    }

    /// Time is up for a slot on its way back.
    pub(super) fn back_timer(&mut self, now: Timestamp, slot: usize, timer: Timer, step: &mut Step) {
        match (self.slots[slot].stage, timer) {
            (Stage::Back(Back::HoldingOld), Timer::Hold { .. }) => self.old_is_back(now, slot, step),
            (Stage::Back(Back::AwaitingOld), Timer::Patience { .. }) => {
                if let Some(why) = self.slots[slot].failing.take() {
                    self.fail_back(now, slot, ended(&why), step);
                }
            }
            (Stage::Back(Back::AwaitingOld), Timer::Progress { .. }) => {
                let failure = self.too_late(slot);
                self.fail_back(now, slot, failure, step);
            }
            _ => {}
        }
    }

    fn old_is_back(&mut self, now: Timestamp, slot: usize, step: &mut Step) {
        self.watched.remove(&slot);
        let run = &mut self.slots[slot];
        run.old_is_back = true;
        if run.fresh_gone {
            self.remove_fresh(now, slot, step);
        } else {
            self.stop_fresh(now, slot, step);
        }
    }

    fn remove_fresh(&mut self, now: Timestamp, slot: usize, step: &mut Step) {
        if self.touches_silent(slot) {
            return self.fail_back(now, slot, silent_failure(), step);
        }
        let run = &mut self.slots[slot];
        match &run.work.fresh {
            Some(fresh) if run.fresh == Fresh::Started && !run.has_failed => {
                run.stage = Stage::Back(Back::Removing);
                run.in_flight = 1;
                let what = What::RemoveTask { task: fresh.handle() };
                let node = run.work.node;
                self.issue(node, what, Reason::RolledBack, Purpose::Slot(slot), step);
            }
            _ => self.returned(now, slot, step),
        }
    }

    fn returned(&mut self, now: Timestamp, slot: usize, step: &mut Step) {
        self.slots[slot].stage = Stage::Returned;
        self.back_over(now, slot, step);
    }

    /// A slot that could not go back. Its current state is reported; nothing more is tried.
    pub(super) fn fail_back(&mut self, now: Timestamp, slot: usize, failure: Failure, step: &mut Step) {
        self.watched.remove(&slot);
        let run = &mut self.slots[slot];
        run.stage = Stage::Failed;
        run.fresh_gone = true;
        let fresh = run.work.fresh.as_ref().map(|fresh| (run.work.node, fresh.handle()));
        let kept = run.work.watch.as_ref().map(|(task, _)| (run.work.node, task.clone()));
        let shown = run.serving().map(|old| (old.node, old.handle.clone())).or(fresh).or(kept);
        if let Some((node, handle)) = shown {
            let failure = TaskFailure::of_task(&self.nodes[node], &handle, failure, true);
            let service = self.slots[slot].service;
            self.services[service].return_failures.push(failure);
        }
        // The engine reports whether the port is free.
        for waiting in std::mem::take(&mut self.awaiting_ports) {
            self.start_old(now, waiting, step);
        }
        self.back_over(now, slot, step);
    }
}
