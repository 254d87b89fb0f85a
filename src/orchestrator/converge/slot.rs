//! One slot on its way: create, stop, start, wait, in the order its service asks for.
//!
//! ```text
//!   stop-first   Creating ─> Stopping ─> AwaitingPorts ─> Starting ─> AwaitingUp ─> Holding ─> Up
//!   start-first  Creating ─> AwaitingPorts ─> Starting ─> AwaitingUp ─> Holding ─> Stopping ─> Up
//!   new          Creating ─> AwaitingPorts ─> Starting ─> AwaitingUp ─> Up
//!   in place Updating ─> AwaitingUp ─> Holding ─> Up
//!   removal      Stopping ─> Removing ─> Up
//!   failed       … ─> StoppingFailed (a fresh task beside one that still serves is stopped) ─> Failed
//! ```
//!
//! Any of these may end early and go the other way: see [`super::back`].
//!
//! The container is made before the old one is stopped: a bad mount or a missing plug-in must not cost
//! a running task.
//!
//! *Holding* is for a replacement whose image has no health check: that it runs says little, so it must
//! run for `update_config.monitor` before the next slot, or the task it replaces, is touched. SwarmKit
//! watches for that long as well, but meanwhile goes on; a broken image then costs several tasks.
//!
//! A fresh task that failed is stopped if the task it was to replace still serves: SwarmKit lets the two live
//! on side by side, and goes on restarting the broken one.

use super::super::assign::{Adopt, OldTask, SlotKind, SlotWork};
use super::back::Back;
use super::judge::{Judgement, judge};
use super::service::State;
use super::verdict::TaskFailure;
use super::{Converger, Purpose, RESTART_PATIENCE_MS, SETTLE_MS, Step, Timer};
use crate::model::action::{Failure, FailureKind, Outcome, TaskHandle, What};
use crate::model::ids::TaskId;
use crate::model::reason::Reason;
use crate::model::{Health, TaskStatus, Timestamp};

/// A slot on its way.
#[derive(Debug, Clone)]
pub(super) struct SlotRun {
    pub(super) service: usize,
    pub(super) work: SlotWork,
    pub(super) stage: Stage,
    pub(super) leg: Leg,
    /// Actions of this stage still in flight.
    pub(super) in_flight: u32,
    /// Old tasks elsewhere that still hold a port or room.
    blocked_by: usize,
    /// One of them, which could not be stopped: this slot cannot start.
    blocked_for_good: Option<String>,
    /// Which of its old tasks were asked to go last.
    going: Which,
    /// The fresh task was seen up.
    was_up: bool,
    /// Until when an exit counts as a failure of this run.
    pub(super) watched_until: Option<Timestamp>,
    /// Since when it is being held, or was.
    pub(super) held_since: Option<Timestamp>,
    /// Its task was changed in place, as far as is known.
    pub(super) is_updated: bool,
    /// How far the fresh task's container has got.
    pub(super) fresh: Fresh,
    /// The old task that serves was asked to go.
    pub(super) old_touched: bool,
    /// The fresh task failed.
    pub(super) has_failed: bool,
    /// On the way back: nothing of the fresh task runs any more.
    pub(super) fresh_gone: bool,
    /// On the way back: the old task serves again.
    pub(super) old_is_back: bool,
    /// It ended while an action was in flight.
    pub(super) exited: Option<TaskStatus>,
    /// Why it counts as failing, while the engine keeps restarting it.
    pub(super) failing: Option<String>,
    /// Why it failed after it was up, while an action was in flight.
    fallen: Option<String>,
    /// Something in the present stage failed.
    failure: Option<Failure>,
}

/// Which way a slot goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Leg {
    Forward,
    /// It will go back; what is in flight is awaited, nothing is begun.
    Halted,
    Back,
}

/// How far a fresh task's container came, as far as is known: an action whose end is unknown counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fresh {
    No,
    Created,
    Started,
}

/// The stage of a slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    Queued,
    /// Its task is being changed as it runs.
    Updating,
    Creating,
    Stopping,
    AwaitingPorts,
    Starting,
    AwaitingUp,
    /// It runs: see that it lasts.
    Holding,
    Removing,
    /// The fresh task failed and is being stopped; the old task keeps running.
    StoppingFailed,
    Up,
    Failed,
    /// On the way back.
    Back(Back),
    /// As it was before the run.
    Returned,
}

/// Which of a slot's old tasks.
#[derive(Debug, Clone, Copy)]
enum Which {
    All,
    /// The one that serves until the fresh task is up.
    First,
    Rest,
}

impl SlotRun {
    pub(super) fn new(service: usize, work: SlotWork) -> Self {
        Self {
            service,
            blocked_by: work.after.len(),
            blocked_for_good: None,
            going: Which::Rest,
            fresh: match work.adopt {
                Adopt::No => Fresh::No,
                Adopt::Created => Fresh::Created,
                Adopt::Started(_) => Fresh::Started,
            },
            work,
            stage: Stage::Queued,
            leg: Leg::Forward,
            in_flight: 0,
            is_updated: false,
            was_up: false,
            watched_until: None,
            held_since: None,
            old_touched: false,
            has_failed: false,
            fresh_gone: false,
            old_is_back: false,
            exited: None,
            failing: None,
            fallen: None,
            failure: None,
        }
    }

    /// The task whose state matters to this slot.
    pub(super) fn task_id(&self) -> Option<&TaskId> {
        self.work.fresh.as_ref().map(|fresh| &fresh.id).or(self
            .work
            .watch
            .as_ref()
            .map(|(handle, _)| &handle.id))
    }

    /// The task that is waited for, and the index of its node.
    pub(super) fn awaited(&self) -> Option<(usize, &TaskId)> {
        match self.leg {
            Leg::Back if self.work.update.is_some() => Some((self.work.node, self.task_id()?)),
            Leg::Back => self.serving().map(|old| (old.node, &old.handle.id)),
            Leg::Forward | Leg::Halted => Some((self.work.node, self.task_id()?)),
        }
    }

    /// The old task that serves until the fresh one is up, and again on the way back. A duplicate of the
    /// task that stays is neither.
    pub(super) fn serving(&self) -> Option<&OldTask> {
        let is_duplicate = self.work.fresh.is_none() && self.work.why == Reason::Duplicate;
        self.work.old.first().filter(|old| !old.idle && !is_duplicate)
    }

    /// Old tasks that were asked to go last.
    fn asked_to_go(&self) -> &[OldTask] {
        let old = &self.work.old;
        let first = old.len().min(1);
        match self.going {
            Which::All => old,
            Which::First => &old[..first],
            Which::Rest => &old[first..],
        }
    }

    /// Whether an engine changes its task in place.
    pub(super) fn is_engines(&self) -> bool {
        self.work.update.as_ref().is_some_and(|update| update.is_engines())
    }

    fn is_over(&self) -> bool {
        matches!(self.stage, Stage::Up | Stage::Failed)
    }
}

impl Converger {
    /// First action of a slot that gets a task.
    pub(super) fn begin_slot(&mut self, now: Timestamp, slot: usize, step: &mut Step) {
        if self.touches_silent(slot) {
            let failure = silent_failure();
            return self.fail_slot(now, slot, failure, step);
        }
        if self.slots[slot].work.update.is_some() {
            return self.update(slot, step);
        }
        match self.slots[slot].work.adopt {
            Adopt::No => {}
            Adopt::Created => return self.created(now, slot, step),
            Adopt::Started(status) => {
                self.slots[slot].stage = Stage::AwaitingUp;
                self.watched.insert(slot);
                self.expect_progress(now, slot);
                return self.task_seen(now, slot, Some(status), step);
            }
        }
        let run = &mut self.slots[slot];
        run.stage = Stage::Creating;
        run.fresh = Fresh::Created;
        run.in_flight = 1;
        let task = run.work.fresh.clone().expect("a slot that is created or replaced has a fresh task");
        let (node, why) = (run.work.node, run.work.why.clone());
        self.issue(node, What::CreateTask { task }, why, Purpose::Slot(slot), step);
    }

    /// Changes the task of a slot as it runs.
    fn update(&mut self, slot: usize, step: &mut Step) {
        let run = &mut self.slots[slot];
        let (Some(update), Some((task, _))) = (run.work.update.clone(), run.work.watch.clone()) else {
            unreachable!("a slot that is changed in place has a task, and what is changed about it")
        };
        run.stage = Stage::Updating;
        run.is_updated = true;
        run.in_flight = 1;
        let (node, why) = (run.work.node, run.work.why.clone());
        self.issue(node, What::UpdateTask { task, update }, why, Purpose::Slot(slot), step);
    }

    /// The engine has changed a task: see that it goes on as before.
    fn updated(&mut self, now: Timestamp, slot: usize, step: &mut Step) {
        if !self.slots[slot].is_engines() {
            return self.up(now, slot, step);
        }
        let run = &mut self.slots[slot];
        run.stage = Stage::AwaitingUp;
        let exited = run.exited.take();
        self.watched.insert(slot);
        self.expect_progress(now, slot);
        if exited.is_some() {
            self.task_seen(now, slot, exited, step);
        }
    }

    pub(super) fn touches_silent(&self, slot: usize) -> bool {
        let work = &self.slots[slot].work;
        self.silent[work.node] || work.old.iter().any(|old| self.silent[old.node])
    }

    /// First action of a slot that loses its task.
    pub(super) fn begin_removal(&mut self, now: Timestamp, slot: usize, step: &mut Step) {
        if self.touches_silent(slot) {
            return self.fail_slot(now, slot, silent_failure(), step);
        }
        self.stop_old(now, slot, Which::All, step);
    }

    fn created(&mut self, now: Timestamp, slot: usize, step: &mut Step) {
        // Start-first keeps one old task serving, not two: runs that were killed may have left more.
        let going = if self.slots[slot].work.beside { Which::Rest } else { Which::All };
        self.stop_old(now, slot, going, step);
    }

    /// Makes some of the old tasks stop. What never ran is removed instead, and now rather than later: a
    /// start that a killed run had sent may still be on its way, and must find nothing to start.
    fn stop_old(&mut self, now: Timestamp, slot: usize, which: Which, step: &mut Step) {
        if self.touches_silent(slot) {
            return self.fail_slot(now, slot, silent_failure(), step);
        }
        self.slots[slot].stage = Stage::Stopping;
        self.slots[slot].going = which;
        let going = self.slots[slot].asked_to_go().to_vec();
        self.slots[slot].old_touched |= !matches!(which, Which::Rest);
        self.slots[slot].in_flight = u32::try_from(going.len()).expect("few tasks a slot");
        for old in &going {
            if old.idle {
                self.remove_action(old, Purpose::Slot(slot), step);
            } else {
                self.stop_action(old, Purpose::Slot(slot), step);
            }
        }
        if going.is_empty() {
            self.old_stopped(now, slot, step);
        }
    }

    fn old_stopped(&mut self, now: Timestamp, slot: usize, step: &mut Step) {
        let gone = self.slots[slot].asked_to_go().iter();
        let ids: Vec<TaskId> = gone.map(|old| old.handle.id.clone()).collect();
        for id in ids {
            for waiting in self.waiting_for_stop.remove(&id).unwrap_or_default() {
                self.slots[waiting].blocked_by -= 1;
                if self.slots[waiting].stage == Stage::AwaitingPorts {
                    self.start(now, waiting, step);
                }
            }
        }
        if self.slots[slot].work.fresh.is_none() || self.slots[slot].was_up {
            self.clear_away(now, slot, step);
        } else {
            self.start(now, slot, step);
        }
    }

    fn start(&mut self, now: Timestamp, slot: usize, step: &mut Step) {
        if self.touches_silent(slot) {
            return self.fail_slot(now, slot, silent_failure(), step);
        }
        let run = &mut self.slots[slot];
        if let Some(blocker) = &run.blocked_for_good {
            let failure = not_freed(blocker);
            return self.fail_slot(now, slot, failure, step);
        }
        if run.blocked_by > 0 {
            run.stage = Stage::AwaitingPorts;
            return;
        }
        run.stage = Stage::Starting;
        run.fresh = Fresh::Started;
        run.in_flight = 1;
        let task = run.work.fresh.clone().expect("a slot that starts has a fresh task");
        let (node, why) = (run.work.node, run.work.why.clone());
        self.issue(node, What::StartTask { task }, why, Purpose::Slot(slot), step);
    }

    /// Waits for a task that runs already.
    pub(super) fn await_up(&mut self, now: Timestamp, slot: usize, step: &mut Step) {
        self.slots[slot].stage = Stage::AwaitingUp;
        self.watched.insert(slot);
        self.expect_progress(now, slot);
        let status = self.slots[slot].work.watch.as_ref().map(|(_, status)| *status);
        self.task_seen(now, slot, status, step);
    }

    pub(super) fn slot_action_done(
        &mut self,
        now: Timestamp,
        slot: usize,
        outcome: Outcome,
        step: &mut Step,
    ) {
        let run = &mut self.slots[slot];
        run.in_flight -= 1;
        let mut status = None;
        match outcome {
            Outcome::Done => {}
            Outcome::Started(seen) => status = Some(seen),
            Outcome::Failed(failure) => {
                if failure.kind == FailureKind::HostSilent {
                    let node = run.work.node;
                    self.silent[node] = true;
                }
                self.slots[slot].failure.get_or_insert(failure);
            }
        }
        let run = &mut self.slots[slot];
        if run.in_flight > 0 {
            return;
        }
        let failure = run.failure.take();
        if let Stage::Back(back) = run.stage {
            return self.back_action_done(now, slot, back, failure, status, step);
        }
        if run.stage == Stage::Creating
            && failure.as_ref().is_some_and(|failure| failure.kind == FailureKind::Refused)
        {
            run.fresh = Fresh::No;
        }
        if run.leg != Leg::Forward {
            if let Some(failure) = failure {
                self.record_failure(slot, failure);
            }
            if self.slots[slot].leg == Leg::Back {
                self.go_back(now, slot, step);
            }
            return;
        }
        if run.stage == Stage::StoppingFailed {
            return self.finish(now, slot, Stage::Failed, step);
        }
        if let Some(failure) = failure {
            return self.fail_slot(now, slot, failure, step);
        }
        match run.stage {
            Stage::Updating => self.updated(now, slot, step),
            Stage::Creating => self.created(now, slot, step),
            Stage::Stopping => self.old_stopped(now, slot, step),
            Stage::Starting => self.started(now, slot, status, step),
            Stage::Removing => self.finish(now, slot, Stage::Up, step),
            Stage::Queued
            | Stage::AwaitingPorts
            | Stage::AwaitingUp
            | Stage::Holding
            | Stage::StoppingFailed
            | Stage::Up
            | Stage::Failed
            | Stage::Back(_)
            | Stage::Returned => {}
        }
    }

    fn started(&mut self, now: Timestamp, slot: usize, status: Option<TaskStatus>, step: &mut Step) {
        let run = &mut self.slots[slot];
        run.stage = Stage::AwaitingUp;
        let status = run.exited.take().or(status);
        self.watched.insert(slot);
        self.expect_progress(now, slot);
        if let Some(status) = status {
            self.task_seen(now, slot, Some(status), step);
        }
    }

    /// A task that is neither up nor down for ever would keep its service waiting for ever: SwarmKit has
    /// no deadline there.
    pub(super) fn expect_progress(&mut self, now: Timestamp, slot: usize) {
        let service = &self.services[self.slots[slot].service];
        if !service.must_complete {
            let at = now.plus_ms(service.progress_ms);
            self.timers.insert((at, Timer::Progress { slot, leg: self.slots[slot].leg }));
        }
    }

    /// What the observed state of a task means for its slot.
    pub(super) fn task_seen(
        &mut self,
        now: Timestamp,
        slot: usize,
        status: Option<TaskStatus>,
        step: &mut Step,
    ) {
        let run = &self.slots[slot];
        let service = &self.services[run.service];
        let judgement = judge(status, service, service.must_complete);
        match run.leg {
            Leg::Forward => {}
            Leg::Halted => return,
            Leg::Back => return self.old_seen(now, slot, status, judgement, step),
        }
        match (run.stage, judgement) {
            (Stage::AwaitingUp, Judgement::Up) => {
                let hold = if service.is_job { 0 } else { service.update.monitor.as_millis() };
                // Healthy is a claim that was checked; running is not: see that it lasts.
                let unchecked = matches!(status, Some(TaskStatus::Running { health: Health::None }));
                let run = &mut self.slots[slot];
                run.failing = None;
                let (is_replaced, is_updated) = (run.work.kind == SlotKind::Replace, run.is_updated);
                if (unchecked && run.work.fresh.is_some()) || is_updated {
                    self.settle_until = self.settle_until.max(Some(now.plus_ms(SETTLE_MS)));
                }
                run.watched_until = Some(now.plus_ms(hold.max(SETTLE_MS)));
                // What was healthy before it was changed says nothing yet about the time after.
                if ((unchecked && is_replaced) || is_updated) && hold > 0 {
                    run.stage = Stage::Holding;
                    run.held_since = Some(now);
                    self.timers.insert((now.plus_ms(hold), Timer::Hold { slot, leg: Leg::Forward }));
                } else {
                    self.up(now, slot, step);
                }
            }
            (Stage::AwaitingUp, Judgement::NotYet) => {}
            (Stage::AwaitingUp, Judgement::Failing(why)) => {
                // A job may fail and try again as long as its policy allows.
                if self.services[self.slots[slot].service].must_complete {
                    return;
                }
                if matches!(self.slots[slot].work.kind, SlotKind::Replace | SlotKind::InPlace) {
                    return self.fail_slot(now, slot, ended(&why), step);
                }
                if self.slots[slot].failing.replace(why).is_none() {
                    let timer = Timer::Patience { slot, leg: Leg::Forward };
                    self.timers.insert((now.plus_ms(RESTART_PATIENCE_MS), timer));
                }
            }
            (Stage::AwaitingUp | Stage::Holding, Judgement::Failed(why))
            | (Stage::Holding, Judgement::Failing(why)) => {
                self.fail_slot(now, slot, ended(&why), step);
            }
            // It was up and is no longer, within the time in which that counts as this run's failure.
            (Stage::Up, Judgement::Failing(why) | Judgement::Failed(why)) if self.is_on_watch(slot) => {
                self.relapse(now, slot, &why, step);
            }
            // The same while its old task goes: its slot ends when that has gone.
            (Stage::Stopping | Stage::Removing, Judgement::Failing(why) | Judgement::Failed(why))
                if self.is_on_watch(slot) =>
            {
                self.slots[slot].fallen.get_or_insert(why);
            }
            _ => {}
        }
    }

    /// A replacement has run for as long as its service's `monitor` asks.
    pub(super) fn held(&mut self, now: Timestamp, slot: usize, step: &mut Step) {
        if self.stage_of(slot) == Stage::Holding {
            self.up(now, slot, step);
        }
    }

    fn up(&mut self, now: Timestamp, slot: usize, step: &mut Step) {
        self.watched.remove(&slot);
        self.slots[slot].was_up = true;
        // Beside one that an earlier run has started, all old ones are still there, whatever the order.
        let which = match self.slots[slot].work.adopt {
            Adopt::Started(_) => Some(Which::All),
            Adopt::No | Adopt::Created => self.slots[slot].work.beside.then_some(Which::First),
        };
        if let Some(which) = which.filter(|_| !self.slots[slot].work.old.is_empty()) {
            self.stop_old(now, slot, which, step);
        } else {
            self.clear_away(now, slot, step);
        }
    }

    pub(super) fn patience_over(&mut self, now: Timestamp, slot: usize, step: &mut Step) {
        if self.stage_of(slot) != Stage::AwaitingUp {
            return;
        }
        if let Some(why) = self.slots[slot].failing.take() {
            self.fail_slot(now, slot, ended(&why), step);
        }
    }

    /// A task that should be up by now: neither is it, nor did it fail.
    pub(super) fn progress_over(&mut self, now: Timestamp, slot: usize, step: &mut Step) {
        if self.stage_of(slot) == Stage::AwaitingUp {
            let failure = self.too_late(slot);
            self.fail_slot(now, slot, failure, step);
        }
    }

    pub(super) fn too_late(&self, slot: usize) -> Failure {
        let seconds = self.services[self.slots[slot].service].progress_ms / 1_000;
        Failure {
            kind: FailureKind::Deadline,
            code: "stackctl::task::no_progress".to_owned(),
            message: format!("it was not up after {seconds} s"),
            help: Some(
                "its health check said neither yes nor no: look at `healthcheck` and at the task's log"
                    .to_owned(),
            ),
        }
    }

    /// The fresh task is up, or there is none: what is left is to remove what is not kept.
    fn clear_away(&mut self, now: Timestamp, slot: usize, step: &mut Step) {
        // Where there may be a way back, it is kept until the way forward is proved.
        let keeps = self.keeps_way_back(self.slots[slot].service);
        let going = if keeps { Vec::new() } else { self.leftovers(slot) };
        if going.iter().any(|old| self.silent[old.node]) {
            return self.fail_slot(now, slot, silent_failure(), step);
        }
        if going.is_empty() {
            return self.finish(now, slot, Stage::Up, step);
        }
        let run = &mut self.slots[slot];
        run.stage = Stage::Removing;
        run.in_flight = u32::try_from(going.len()).expect("few tasks a slot");
        for old in &going {
            self.remove_action(old, Purpose::Slot(slot), step);
        }
    }

    /// Stopped tasks that are not kept for post-mortem.
    pub(super) fn leftovers(&self, slot: usize) -> Vec<OldTask> {
        let work = &self.slots[slot].work;
        let stopped = work.old.iter().filter(|old| old.discard && !old.idle);
        stopped.chain(&work.expired).cloned().collect()
    }

    fn finish(&mut self, now: Timestamp, slot: usize, stage: Stage, step: &mut Step) {
        let run = &mut self.slots[slot];
        run.stage = stage;
        let (exited, fallen) = (run.exited.take(), run.fallen.take());
        let service = &self.services[run.service];
        let judged = exited.map(|status| judge(Some(status), service, service.must_complete));
        let why = match judged {
            Some(Judgement::Failing(why) | Judgement::Failed(why)) => Some(why),
            Some(Judgement::Up | Judgement::NotYet) | None => fallen,
        };
        // It was up, and failed while its old task was on its way out.
        if let Some(why) = why.filter(|_| stage == Stage::Up) {
            self.slots[slot].stage = Stage::Failed;
            self.record_failure(slot, ended(&why));
        }
        self.slot_over(now, slot, step);
    }

    pub(super) fn fail_slot(&mut self, now: Timestamp, slot: usize, failure: Failure, step: &mut Step) {
        if self.slots[slot].is_over() || self.slots[slot].leg != Leg::Forward {
            return;
        }
        self.watched.remove(&slot);
        self.record_failure(slot, failure);
        self.disappoint_waiting(now, slot, step);
        // The service may turn back because of it, and then decides about this slot as well.
        let service = self.slots[slot].service;
        self.pump(now, service, step);
        let run = &self.slots[slot];
        let serves_on = run.serving().is_some() && !run.old_touched && !self.services[service].wants_turn;
        if let (Fresh::Started, true, Some(fresh)) = (run.fresh, serves_on, &run.work.fresh)
            && !self.touches_silent(slot)
        {
            let what = fresh.stop();
            let node = run.work.node;
            self.slots[slot].stage = Stage::StoppingFailed;
            self.slots[slot].in_flight = 1;
            return self.issue(node, what, Reason::Withdrawn, Purpose::Slot(slot), step);
        }
        self.finish(now, slot, Stage::Failed, step);
    }

    /// Slots that wait for the ports or resources of this slot's old tasks will not get them.
    pub(super) fn disappoint_waiting(&mut self, now: Timestamp, slot: usize, step: &mut Step) {
        let old = self.slots[slot].work.old.iter();
        let old: Vec<TaskHandle> = old.map(|old| old.handle.clone()).collect();
        for task in old {
            for waiting in self.waiting_for_stop.remove(&task.id).unwrap_or_default() {
                // A slot that has not got so far finds out when it does.
                self.slots[waiting].blocked_for_good.get_or_insert_with(|| task.to_string());
                if self.slots[waiting].stage == Stage::AwaitingPorts {
                    self.fail_slot(now, waiting, not_freed(&task.to_string()), step);
                }
            }
        }
    }

    /// A task that was up exited within the run. Its slot is settled already; its service is informed.
    fn relapse(&mut self, now: Timestamp, slot: usize, why: &str, step: &mut Step) {
        self.slots[slot].stage = Stage::Failed;
        self.record_failure(slot, ended(why));
        let service = self.slots[slot].service;
        // It may be the failure that exceeds the tolerated ratio.
        if matches!(self.services[service].state, State::Up | State::Failed) {
            self.services[service].state = State::Rolling;
        }
        self.pump(now, service, step);
    }

    pub(super) fn record_failure(&mut self, slot: usize, failure: Failure) {
        self.slots[slot].has_failed = true;
        let run = &self.slots[slot];
        let node = &self.nodes[run.work.node];
        let handle =
            match (&run.work.fresh, &run.work.watch, run.work.old.first().or(run.work.expired.first())) {
                (Some(fresh), _, _) => fresh.handle(),
                (None, Some((handle, _)), _) => handle.clone(),
                (None, None, Some(old)) => old.handle.clone(),
                (None, None, None) => return,
            };
        let made = run.fresh != Fresh::No || run.work.watch.is_some();
        let failure = TaskFailure::of_task(node, &handle, failure, made);
        self.services[run.service].fail(failure, run.work.kind);
    }
}

pub(super) fn ended(why: &str) -> Failure {
    Failure {
        kind: FailureKind::Refused,
        code: "stackctl::task::not_up".to_owned(),
        message: why.to_owned(),
        help: None,
    }
}

/// A slot cannot start, because another's old task could not be stopped.
fn not_freed(blocker: &str) -> Failure {
    Failure {
        kind: FailureKind::Refused,
        code: "stackctl::task::port_not_freed".to_owned(),
        message: format!("{blocker}, whose port or room it needs, stays where it is"),
        help: None,
    }
}

pub(super) fn silent_failure() -> Failure {
    Failure {
        kind: FailureKind::HostSilent,
        code: "stackctl::cluster::node_unreachable".to_owned(),
        message: "its host went silent".to_owned(),
        help: None,
    }
}
