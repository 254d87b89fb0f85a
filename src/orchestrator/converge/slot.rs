//! One slot on its way: create, stop, start, wait, in the order its service asks for.
//!
//! ```text
//!   stop-first   Creating ─> Stopping ─> AwaitingPorts ─> Starting ─> AwaitingUp ─> Holding ─> Up
//!   start-first  Creating ─> AwaitingPorts ─> Starting ─> AwaitingUp ─> Holding ─> Stopping ─> Up
//!   new          Creating ─> AwaitingPorts ─> Starting ─> AwaitingUp ─> Up
//!   removal      Stopping ─> Removing ─> Up
//! ```
//!
//! The container is made before the old one is stopped: a bad mount or a missing plug-in must not cost
//! a running task.
//!
//! *Holding* is for a replacement whose image has no health check: that it runs says little, so it must
//! run for `update_config.monitor` before the next slot, or the task it replaces, is touched. SwarmKit
//! watches for that long as well, but meanwhile goes on; a broken image then costs several tasks.

use super::super::action::{Failure, FailureKind, Outcome, What};
use super::super::assign::{OldTask, SlotKind, SlotWork};
use super::verdict::TaskFailure;
use super::{Converger, Judgement, Purpose, RESTART_PATIENCE_MS, SETTLE_MS, Step, Timer, judge};
use crate::model::ids::TaskId;
use crate::model::spec::UpdateOrder;
use crate::model::{Health, TaskStatus, Timestamp};

/// A slot on its way.
#[derive(Debug)]
pub(super) struct SlotRun {
    pub(super) service: usize,
    pub(super) work: SlotWork,
    pub(super) stage: Stage,
    /// Actions of this stage still in flight.
    in_flight: u32,
    /// Old tasks elsewhere that still hold a port.
    blocked_by: usize,
    /// The fresh task was seen up.
    was_up: bool,
    /// How long it was held after that, in milliseconds.
    pub(super) held_ms: i64,
    /// The container was made: it can be asked for its logs.
    made: bool,
    /// Why it counts as failing, while the engine is at it.
    failing: Option<String>,
    /// Something in the present stage failed.
    failure: Option<Failure>,
}

/// Where a slot stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    Queued,
    Creating,
    Stopping,
    AwaitingPorts,
    Starting,
    AwaitingUp,
    /// It runs: see that it lasts.
    Holding,
    Removing,
    Up,
    Failed,
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
            made: work.adopt || work.watch.is_some(),
            work,
            stage: Stage::Queued,
            in_flight: 0,
            was_up: false,
            held_ms: 0,
            failing: None,
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

    fn is_over(&self) -> bool {
        matches!(self.stage, Stage::Up | Stage::Failed)
    }
}

impl Converger {
    fn is_start_first(&self, slot: usize) -> bool {
        let run = &self.slots[slot];
        // Two tasks cannot publish one port of a node: then the old one goes first, whatever the order.
        self.services[run.service].update.order == UpdateOrder::StartFirst
            && run.work.fresh.as_ref().is_some_and(|fresh| fresh.spec.host_ports().next().is_none())
    }

    /// First action of a slot that gets a task.
    pub(super) fn begin_slot(&mut self, now: Timestamp, slot: usize, step: &mut Step) {
        if self.touches_silent(slot) {
            let failure = silent_failure();
            return self.fail_slot(now, slot, failure, step);
        }
        if self.slots[slot].work.adopt {
            return self.created(now, slot, step);
        }
        let run = &mut self.slots[slot];
        run.stage = Stage::Creating;
        run.in_flight = 1;
        let task = run.work.fresh.clone().expect("a slot that is created or replaced has a fresh task");
        let (node, why) = (run.work.node, run.work.why.clone());
        self.issue(node, What::CreateTask { task }, why, Purpose::Slot(slot), step);
    }

    fn touches_silent(&self, slot: usize) -> bool {
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
        self.slots[slot].made = true;
        // Start-first keeps one old task serving, not two: runs that were killed may have left more.
        let going = if self.is_start_first(slot) { Which::Rest } else { Which::All };
        self.stop_old(now, slot, going, step);
    }

    /// Makes some of the old tasks stop. What never ran is removed instead, and now rather than later: a
    /// start that a killed run had sent may still be on its way, and must find nothing to start.
    fn stop_old(&mut self, now: Timestamp, slot: usize, which: Which, step: &mut Step) {
        self.slots[slot].stage = Stage::Stopping;
        let old = &self.slots[slot].work.old;
        let (first, rest) = old.split_at(old.len().min(1));
        let chosen = match which {
            Which::All => [first, rest],
            Which::First => [first, &[]],
            Which::Rest => [rest, &[]],
        };
        let going: Vec<OldTask> = chosen.into_iter().flatten().cloned().collect();
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
        let ids: Vec<TaskId> = self.slots[slot].work.old.iter().map(|old| old.handle.id.clone()).collect();
        for id in ids {
            for waiting in self.waiting_for_stop.remove(&id).unwrap_or_default() {
                self.slots[waiting].blocked_by -= 1;
                if self.slots[waiting].stage == Stage::AwaitingPorts {
                    self.start(waiting, step);
                }
            }
        }
        if self.slots[slot].work.fresh.is_none() || self.slots[slot].was_up {
            self.clear_away(now, slot, step);
        } else {
            self.start(slot, step);
        }
    }

    fn start(&mut self, slot: usize, step: &mut Step) {
        let run = &mut self.slots[slot];
        if run.blocked_by > 0 {
            run.stage = Stage::AwaitingPorts;
            return;
        }
        run.stage = Stage::Starting;
        run.in_flight = 1;
        let task = run.work.fresh.clone().expect("a slot that starts has a fresh task");
        let (node, why) = (run.work.node, run.work.why.clone());
        self.issue(node, What::StartTask { task }, why, Purpose::Slot(slot), step);
    }

    /// Waits for a task that runs already.
    pub(super) fn await_up(&mut self, now: Timestamp, slot: usize, step: &mut Step) {
        self.slots[slot].stage = Stage::AwaitingUp;
        self.watched.insert(slot);
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
        if let Some(failure) = run.failure.take() {
            return self.fail_slot(now, slot, failure, step);
        }
        match run.stage {
            Stage::Creating => self.created(now, slot, step),
            Stage::Stopping => self.old_stopped(now, slot, step),
            Stage::Starting => {
                run.stage = Stage::AwaitingUp;
                self.watched.insert(slot);
                if let Some(status) = status {
                    self.task_seen(now, slot, Some(status), step);
                }
            }
            Stage::Removing => self.finish(now, slot, Stage::Up, step),
            Stage::Queued
            | Stage::AwaitingPorts
            | Stage::AwaitingUp
            | Stage::Holding
            | Stage::Up
            | Stage::Failed => {}
        }
    }

    /// What a task is seen doing, taken for what it means to its slot.
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
        match (run.stage, judgement) {
            (Stage::AwaitingUp, Judgement::Up) => {
                let hold = if service.is_job { 0 } else { service.update.monitor.as_millis() };
                // Healthy is a claim that was checked; running is not: see that it lasts.
                let unchecked = matches!(status, Some(TaskStatus::Running { health: Health::None }));
                let run = &mut self.slots[slot];
                run.failing = None;
                if unchecked && run.work.fresh.is_some() {
                    self.settle_until = self.settle_until.max(Some(now.plus_ms(SETTLE_MS)));
                }
                if unchecked && run.work.kind == SlotKind::Replace && hold > 0 {
                    run.stage = Stage::Holding;
                    run.held_ms = hold;
                    self.timers.insert((now.plus_ms(hold), Timer::Hold(slot)));
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
                if self.slots[slot].work.kind == SlotKind::Replace {
                    return self.fail_slot(now, slot, ended(&why), step);
                }
                if self.slots[slot].failing.replace(why).is_none() {
                    self.timers.insert((now.plus_ms(RESTART_PATIENCE_MS), Timer::Patience(slot)));
                }
            }
            (Stage::AwaitingUp | Stage::Holding, Judgement::Failed(why))
            | (Stage::Holding, Judgement::Failing(why)) => {
                self.fail_slot(now, slot, ended(&why), step);
            }
            // It was up and is no longer, before the run was over.
            (Stage::Up, Judgement::Failing(why) | Judgement::Failed(why))
                if self.slots[slot].work.fresh.is_some() =>
            {
                self.relapse(now, slot, &why, step);
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
        if self.is_start_first(slot) && !self.slots[slot].work.old.is_empty() {
            self.stop_old(now, slot, Which::First, step);
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

    /// The fresh task is up, or there is none: what is left is to remove what is not kept.
    fn clear_away(&mut self, now: Timestamp, slot: usize, step: &mut Step) {
        let going: Vec<OldTask> = {
            let work = &self.slots[slot].work;
            let stopped = work.old.iter().filter(|old| old.discard && !old.idle);
            stopped.chain(&work.expired).cloned().collect()
        };
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

    fn finish(&mut self, now: Timestamp, slot: usize, stage: Stage, step: &mut Step) {
        self.slots[slot].stage = stage;
        self.slot_over(now, slot, step);
    }

    pub(super) fn fail_slot(&mut self, now: Timestamp, slot: usize, failure: Failure, step: &mut Step) {
        if self.slots[slot].is_over() {
            return;
        }
        self.watched.remove(&slot);
        self.record_failure(slot, failure);
        // Whoever waits for the ports of this slot's old tasks will not get them.
        let ids: Vec<TaskId> = self.slots[slot].work.old.iter().map(|old| old.handle.id.clone()).collect();
        let waiting: Vec<usize> =
            ids.iter().flat_map(|id| self.waiting_for_stop.remove(id).unwrap_or_default()).collect();
        self.finish(now, slot, Stage::Failed, step);
        for slot in waiting {
            if self.slots[slot].stage == Stage::AwaitingPorts {
                let failure = Failure {
                    kind: FailureKind::Refused,
                    code: "stackctl::task::port_not_freed".to_owned(),
                    message: "the task that holds its port could not be stopped".to_owned(),
                    help: None,
                };
                self.fail_slot(now, slot, failure, step);
            }
        }
    }

    /// A task that was up fell within the run. Its slot is over already; its service is told.
    fn relapse(&mut self, now: Timestamp, slot: usize, why: &str, step: &mut Step) {
        self.slots[slot].stage = Stage::Failed;
        self.record_failure(slot, ended(why));
        let service = self.slots[slot].service;
        if self.services[service].state == super::State::Up {
            self.services[service].state = super::State::Failed;
        }
        self.pump(now, service, step);
    }

    fn record_failure(&mut self, slot: usize, failure: Failure) {
        let run = &self.slots[slot];
        let node = &self.nodes[run.work.node];
        let handle =
            match (&run.work.fresh, &run.work.watch, run.work.old.first().or(run.work.expired.first())) {
                (Some(fresh), _, _) => fresh.handle(),
                (None, Some((handle, _)), _) => handle.clone(),
                (None, None, Some(old)) => old.handle.clone(),
                (None, None, None) => return,
            };
        let failure = TaskFailure::of_task(node, &handle, failure, run.made);
        self.services[run.service].failures.push(failure);
    }
}

fn ended(why: &str) -> Failure {
    Failure {
        kind: FailureKind::Refused,
        code: "stackctl::task::not_up".to_owned(),
        message: why.to_owned(),
        help: None,
    }
}

fn silent_failure() -> Failure {
    Failure {
        kind: FailureKind::HostSilent,
        code: "stackctl::cluster::node_unreachable".to_owned(),
        message: "its host went silent".to_owned(),
        help: None,
    }
}
