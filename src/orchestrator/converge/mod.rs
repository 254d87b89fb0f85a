//! Puts an assignment in order and sees it through: `step(now, event)` in, actions out.
//!
//! Four phases. *Prepare*: networks, volumes and images on every node; if any of it fails, nothing has
//! been stopped or started, and that is where it ends. *Roll*: services in order of dependency, slots by
//! the update policy; and back again, if too much failed and the policy asks for a rollback. *Clear*: old
//! tasks that were kept for a rollback, once every fresh task has held for [`SETTLE_MS`]. *Tidy*: unused
//! networks.
//!
//! A state machine without a clock: time is an argument, and the time to be woken is part of the answer.
//! What it decides depends on its inputs alone, so a forecast and a deploy without faults act alike.
//!
//! ```text
//!   slot     one task's way forward        back   the same slot's way back
//!   service  which slots may move now      turn   when, and in which order, services go back
//!   judge    what a task's state means     verdict  how it ended
//! ```

mod back;
#[cfg(test)]
mod in_place_tests;
mod judge;
mod service;
mod slot;
#[cfg(test)]
mod tests;
mod turn;
mod verdict;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::assign::{Assignment, OldTask, Step as Wanted};
use super::event::Event;
use super::notice::Notice;
use crate::model::action::{Action, ActionId, Failure, FailureKind, Outcome, TaskPlan, What};
use crate::model::ids::{NodeName, TaskId};
use crate::model::reason::Reason;
use crate::model::restart::is_complete;
use crate::model::spec::NetworkSpec;
use crate::model::{TaskStatus, Timestamp};

use service::{ServiceRun, State};
use slot::{Leg, SlotRun, Stage};
pub use verdict::{Ending, ServiceEnding, ServiceVerdict, TaskFailure, Verdict};

/// How long a fresh task without a health check must hold before the run counts as done, in
/// milliseconds. Long enough to see a program die of a bad flag, short enough to wait for.
pub const SETTLE_MS: i64 = 2_000;

/// How long a task of a new service may fail and be restarted by the engine before that counts as
/// failed, in milliseconds: programs that die until their database is up are a habit of many stacks.
pub const RESTART_PATIENCE_MS: i64 = 10_000;

/// How long a task may be neither up nor failed before that counts as failed, in milliseconds, where its
/// health check does not ask for more. Kubernetes' `progressDeadlineSeconds` is 600 s; ours ends before a
/// deploy stops being watched.
pub const PROGRESS_MS: i64 = 300_000;

/// The answer to one event.
#[derive(Debug, Default)]
pub struct Step {
    /// What to do now; all of it may be done at the same time.
    pub actions: Vec<Action>,
    /// When to send [`Event::Tick`] if nothing else happens before.
    pub wake_at: Option<Timestamp>,
    /// Notices for the user.
    pub notices: Vec<Notice>,
    /// Set once: nothing is left to do or to wait for.
    pub verdict: Option<Verdict>,
}

/// Sees one assignment through.
#[derive(Debug, Clone)]
pub struct Converger {
    nodes: Vec<NodeName>,
    silent: Vec<bool>,
    services: Vec<ServiceRun>,
    slots: Vec<SlotRun>,
    /// What each action was for, by its number.
    issued: Vec<Purpose>,
    /// Fresh and watched tasks by id.
    by_task: BTreeMap<TaskId, usize>,
    /// Slots that wait until an old task has stopped.
    waiting_for_stop: BTreeMap<TaskId, Vec<usize>>,
    /// The same, for the way back: whose fresh task took an old task's port.
    takers: BTreeMap<TaskId, Vec<usize>>,
    /// Slots on their way back that wait for a port.
    awaiting_ports: Vec<usize>,
    /// If a service fails, the whole stack goes back.
    atomic: bool,
    /// It does.
    is_turning: bool,
    /// Services that are about to turn back.
    turns: Vec<usize>,
    prepare: Vec<Wanted>,
    /// Networks this run has made: node and name.
    made_networks: Vec<(usize, Arc<NetworkSpec>)>,
    unused_networks: Vec<Wanted>,
    phase: Phase,
    failures: Vec<Failed>,
    timers: BTreeSet<(Timestamp, Timer)>,
    settle_until: Option<Timestamp>,
    /// The time of the last step: what is seen now has happened since.
    stepped: Timestamp,
    /// Slots whose task runs, and whose state decides what follows.
    watched: BTreeSet<usize>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Begin,
    Preparing { open: usize },
    Rolling,
    Clearing { open: usize },
    Tidying { open: usize },
    Done,
}

/// Preparation or tidying that failed: it belongs to no task.
#[derive(Debug, Clone)]
struct Failed {
    node: NodeName,
    what: String,
    failure: Failure,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Timer {
    /// The delay after this slot's batch is over.
    Delay { slot: usize, leg: Leg },
    /// A slot's patience is over.
    Patience { slot: usize, leg: Leg },
    /// A slot's fresh task, or the old one on the way back, has run for long enough.
    Hold { slot: usize, leg: Leg },
    /// A slot's task should be up by now.
    Progress { slot: usize, leg: Leg },
    /// The fresh tasks have held.
    Settled,
}

#[derive(Debug, Clone)]
enum Purpose {
    Prepare { node: usize, what: What },
    Slot(usize),
    Tidy { node: usize, what: What },
    Ended,
}

impl Converger {
    /// Begins with an assignment that has no problems.
    #[must_use]
    pub fn new(assignment: Assignment) -> Self {
        let Assignment { nodes, prepare, services: work, unused_networks, atomic, .. } = assignment;
        let mut slots = Vec::new();
        let mut services = Vec::with_capacity(work.len());
        for (at, work) in work.into_iter().enumerate() {
            services.push(ServiceRun::new(at, work, &mut slots));
        }
        for at in 0..services.len() {
            for (on, _) in services[at].depends_on.clone() {
                services[on].dependents.push(at);
            }
        }
        // Collected, not inserted one by one: made in bulk, that is several times as fast.
        let by_task =
            slots.iter().enumerate().filter_map(|(at, slot)| Some((slot.task_id()?.clone(), at))).collect();
        let mut waiting_for_stop: BTreeMap<TaskId, Vec<usize>> = BTreeMap::new();
        for (at, slot) in slots.iter().enumerate() {
            for id in &slot.work.after {
                waiting_for_stop.entry(id.clone()).or_default().push(at);
            }
        }
        Self {
            silent: vec![false; nodes.len()],
            nodes,
            services,
            slots,
            issued: Vec::new(),
            by_task,
            takers: waiting_for_stop.clone(),
            waiting_for_stop,
            awaiting_ports: Vec::new(),
            atomic,
            is_turning: false,
            turns: Vec::new(),
            prepare,
            made_networks: Vec::new(),
            unused_networks,
            phase: Phase::Begin,
            failures: Vec::new(),
            timers: BTreeSet::new(),
            settle_until: None,
            stepped: Timestamp(i64::MIN),
            watched: BTreeSet::new(),
        }
    }

    /// Takes in one event and returns what follows from it.
    pub fn step(&mut self, now: Timestamp, event: Event) -> Step {
        self.step_all(now, [event])
    }

    /// The same for all events of one look. None of them is later than a timer that is due by now: a task that was seen
    /// failed has not held, though its time is over once that is known.
    pub fn step_all(&mut self, now: Timestamp, events: impl IntoIterator<Item = Event>) -> Step {
        let mut step = Step::default();
        for event in events {
            self.absorb(now, event, &mut step);
        }
        self.stepped = now;
        self.ring(now, &mut step);
        self.turn_round(now, &mut step);
        self.advance(now, &mut step);
        while !self.turns.is_empty() {
            self.turn_round(now, &mut step);
            self.advance(now, &mut step);
        }
        step.wake_at = self.timers.first().map(|(at, _)| *at);
        step
    }

    /// Whether the state of tasks matters now: if so, look at them often.
    #[must_use]
    pub fn is_watching(&self) -> bool {
        !self.watched.is_empty() || self.settle_until.is_some()
    }

    /// Whether nothing is left to do but to wait for tasks to come up and to hold.
    #[must_use]
    pub fn only_waits(&self) -> bool {
        let begun = |service: &ServiceRun| service.state != State::Waiting;
        let waits = |slot: &SlotRun| match slot.stage {
            Stage::AwaitingUp => {
                // A failure would still have to be answered.
                let answers = self.keeps_way_back(slot.service);
                !answers && slot.work.old.is_empty() && slot.work.expired.is_empty()
            }
            Stage::Up | Stage::Failed => true,
            _ => false,
        };
        self.phase == Phase::Rolling
            && self.unused_networks.is_empty()
            && self.services.iter().all(begun)
            && self.slots.iter().all(waits)
    }

    /// Tasks that run and are not up yet: node, task, and whether it must end with status 0.
    #[must_use]
    pub fn awaited(&self) -> Vec<(NodeName, TaskId, bool)> {
        let waiting = self.watched.iter().map(|slot| &self.slots[*slot]);
        waiting
            .filter_map(|slot| {
                let must_complete = self.services[slot.service].must_complete;
                let (node, task) = slot.awaited()?;
                Some((self.nodes[node].clone(), task.clone(), must_complete))
            })
            .collect()
    }

    fn absorb(&mut self, now: Timestamp, event: Event, step: &mut Step) {
        match event {
            Event::Tick => {}
            Event::ActionDone { id, outcome } => self.action_done(now, id, outcome, step),
            Event::TaskSeen { task, status, .. } => {
                if let Some(&slot) = self.by_task.get(&task)
                    && self.slots[slot].awaited().is_some_and(|(_, awaited)| *awaited == task)
                {
                    self.task_seen(now, slot, status, step);
                }
            }
            Event::TaskExited { task, exit_code } => {
                if let Some(&slot) = self.by_task.get(&task)
                    && self.slots[slot].awaited().is_some_and(|(_, awaited)| *awaited == task)
                    && !self.services[self.slots[slot].service].must_complete
                {
                    let service = &self.services[self.slots[slot].service];
                    // Unless its policy leaves it at that, the next poll shows whether it stays down.
                    let status = match is_complete(&service.restart, service.is_job, exit_code) {
                        true => TaskStatus::Exited { exit_code },
                        false => TaskStatus::Restarting { exit_code },
                    };
                    if self.slots[slot].in_flight > 0 {
                        self.slots[slot].exited = Some(status);
                    } else {
                        self.task_seen(now, slot, Some(status), step);
                    }
                }
            }
            Event::NodeSilent { node, why } => {
                if let Ok(at) = self.nodes.binary_search(&node) {
                    let failure = Failure {
                        kind: FailureKind::HostSilent,
                        code: why.code,
                        message: why.reason,
                        help: why.help,
                    };
                    self.node_silent(now, at, &failure, step);
                }
            }
        }
    }

    fn ring(&mut self, now: Timestamp, step: &mut Step) {
        while let Some(&(at, timer)) = self.timers.first() {
            if at > now {
                return;
            }
            self.timers.pop_first();
            match timer {
                Timer::Delay { slot, leg: Leg::Back } => self.back_delay_over(now, slot, step),
                Timer::Delay { slot, .. } => {
                    let service = self.slots[slot].service;
                    if self.services[service].state == State::Rolling {
                        self.services[service].in_motion -= 1;
                        self.pump(now, service, step);
                    }
                }
                Timer::Patience { slot, leg } | Timer::Hold { slot, leg } | Timer::Progress { slot, leg }
                    if leg == self.slots[slot].leg =>
                {
                    match timer {
                        _ if leg == Leg::Back => self.back_timer(now, slot, timer, step),
                        Timer::Patience { .. } => self.patience_over(now, slot, step),
                        Timer::Hold { .. } => self.held(now, slot, step),
                        _ => self.progress_over(now, slot, step),
                    }
                }
                // Set before the slot turned round.
                Timer::Patience { .. } | Timer::Hold { .. } | Timer::Progress { .. } => {}
                Timer::Settled => {}
            }
        }
    }

    /// Moves on to the next phase as long as the present one is over.
    fn advance(&mut self, now: Timestamp, step: &mut Step) {
        loop {
            match self.phase {
                Phase::Begin => {
                    let prepare = std::mem::take(&mut self.prepare);
                    self.phase = Phase::Preparing { open: prepare.len() };
                    for wanted in prepare {
                        let purpose = Purpose::Prepare { node: wanted.node, what: wanted.what.clone() };
                        self.issue(wanted.node, wanted.what, wanted.why, purpose, step);
                    }
                }
                Phase::Preparing { open: 0 } if self.failures.is_empty() => {
                    self.phase = Phase::Rolling;
                    for service in 0..self.services.len() {
                        self.begin_if_ready(now, service, step);
                    }
                }
                Phase::Preparing { open: 0 } => return self.end(step),
                Phase::Rolling => {
                    if self.services.iter().any(|service| !service.is_over()) {
                        return;
                    }
                    if let Some(until) = self.settle_until.filter(|until| *until > now) {
                        self.timers.insert((until, Timer::Settled));
                        return;
                    }
                    self.settle_until = None;
                    self.clear(step);
                }
                Phase::Clearing { open: 0 } => self.tidy(step),
                Phase::Tidying { open: 0 } => return self.end(step),
                Phase::Preparing { .. } | Phase::Clearing { .. } | Phase::Tidying { .. } | Phase::Done => {
                    return;
                }
            }
        }
    }

    /// The update has held: what was kept for a rollback is removed.
    fn clear(&mut self, step: &mut Step) {
        let all_up = self.services.iter().all(|service| service.state == State::Up);
        let mut going: Vec<OldTask> = Vec::new();
        for (at, service) in self.services.iter().enumerate() {
            let proved = if self.atomic { all_up } else { service.state == State::Up };
            if proved && self.keeps_way_back(at) {
                going.extend(service.slots.clone().flat_map(|slot| self.leftovers(slot)));
            }
        }
        let going = going
            .into_iter()
            .map(|old| Wanted { node: old.node, what: What::RemoveTask { task: old.handle }, why: old.why })
            .collect();
        let open = self.issue_tidying(going, step);
        self.phase = Phase::Clearing { open };
    }

    /// Removes unused networks.
    fn tidy(&mut self, step: &mut Step) {
        let unused = if self.services.iter().all(|service| service.state == State::Up) {
            std::mem::take(&mut self.unused_networks)
        } else if self.is_turning {
            self.unused_new_networks()
        } else {
            // After a failure it is not known which networks will be needed next.
            Vec::new()
        };
        let open = self.issue_tidying(unused, step);
        self.phase = Phase::Tidying { open };
    }

    /// Asks for what belongs to no slot's way, except on silent nodes, where it stays to be done. Tells
    /// how much was asked for.
    fn issue_tidying(&mut self, all: Vec<Wanted>, step: &mut Step) -> usize {
        let mut open = 0;
        for Wanted { node, what, why } in all {
            if self.silent[node] {
                self.note_failure(node, &what, Outcome::Failed(slot::silent_failure()));
                continue;
            }
            open += 1;
            let purpose = Purpose::Tidy { node, what: what.clone() };
            self.issue(node, what, why, purpose, step);
        }
        open
    }

    /// Networks that this run made, and that are unused now that the stack has gone back. One that a failed
    /// task is kept on stays: without it that task could not be started for a post-mortem.
    fn unused_new_networks(&self) -> Vec<Wanted> {
        let is_used = |node: usize, name: &str| {
            self.slots.iter().any(|slot| {
                let kept = slot.has_failed || slot.stage != Stage::Returned;
                let uses = |fresh: &Arc<TaskPlan>| fresh.spec.networks.contains_key(name);
                kept && slot.work.node == node
                    && slot.fresh != slot::Fresh::No
                    && slot.work.fresh.as_ref().is_some_and(uses)
            })
        };
        self.made_networks
            .iter()
            .filter(|(node, network)| !self.silent[*node] && !is_used(*node, &network.name))
            .map(|(node, network)| Wanted {
                node: *node,
                what: What::RemoveNetwork { name: Arc::from(network.name.as_str()) },
                why: Reason::RolledBack,
            })
            .collect()
    }

    fn end(&mut self, step: &mut Step) {
        self.phase = Phase::Done;
        self.timers.clear();
        self.settle_until = None;
        step.verdict = Some(self.verdict());
    }

    fn issue(&mut self, node: usize, what: What, why: Reason, purpose: Purpose, step: &mut Step) {
        let id =
            ActionId(u32::try_from(self.issued.len()).expect("fewer than four thousand million actions"));
        self.issued.push(purpose);
        step.actions.push(Action { id, node: self.nodes[node].clone(), what, why });
    }

    fn action_done(&mut self, now: Timestamp, id: ActionId, outcome: Outcome, step: &mut Step) {
        // An answer that comes twice counts once.
        let Some(purpose) = self.issued.get_mut(id.0 as usize) else { return };
        match std::mem::replace(purpose, Purpose::Ended) {
            Purpose::Ended => {}
            Purpose::Prepare { node, what } => {
                if let Phase::Preparing { open } = &mut self.phase {
                    *open -= 1;
                }
                if let (What::CreateNetwork { network }, Outcome::Done) = (&what, &outcome) {
                    self.made_networks.push((node, Arc::clone(network)));
                }
                self.note_failure(node, &what, outcome);
            }
            Purpose::Tidy { node, what } => {
                if let Phase::Clearing { open } | Phase::Tidying { open } = &mut self.phase {
                    *open -= 1;
                }
                self.note_failure(node, &what, outcome);
            }
            Purpose::Slot(slot) => self.slot_action_done(now, slot, outcome, step),
        }
    }

    fn note_failure(&mut self, node: usize, what: &What, outcome: Outcome) {
        if let Outcome::Failed(failure) = outcome {
            self.failures.push(Failed { node: self.nodes[node].clone(), what: describe(what), failure });
        }
    }

    /// A node went silent: whatever waits for it has failed, with what it was doing unknown.
    fn node_silent(&mut self, now: Timestamp, node: usize, failure: &Failure, step: &mut Step) {
        self.silent[node] = true;
        // With an action in flight its own answer decides; without one nothing else would come.
        for slot in self.watched.clone() {
            let run = &self.slots[slot];
            if run.leg == Leg::Back {
                if run.awaited().is_some_and(|(awaited, _)| awaited == node) {
                    self.fail_back(now, slot, failure.clone(), step);
                }
            } else if run.work.node == node || run.work.old.iter().any(|old| old.node == node) {
                self.fail_slot(now, slot, failure.clone(), step);
            }
        }
    }

    fn stop_action(&mut self, old: &OldTask, purpose: Purpose, step: &mut Step) {
        let what = What::StopTask { task: old.handle.clone(), grace: old.grace };
        self.issue(old.node, what, old.why.clone(), purpose, step);
    }

    fn remove_action(&mut self, old: &OldTask, purpose: Purpose, step: &mut Step) {
        let what = What::RemoveTask { task: old.handle.clone() };
        self.issue(old.node, what, old.why.clone(), purpose, step);
    }
}

fn describe(what: &What) -> String {
    format!("{} {}", what.verb(), what.object())
}
