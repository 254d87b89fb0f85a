//! Work on a stack: what the steps of its transaction do in the world, one at a time, and its run.
//!
//! The order of the steps is the transaction's own ([`driver`]). [`Sim::begin_heal`], [`Sim::begin_release`] and
//! [`Sim::begin_deploy`] are all that the loops and persons know of it, and `Input::Worked` is all that comes back.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use stackctl::ledger::LedgerError;
use stackctl::ledger::lease::{Terms, stream};
use stackctl::ledger::release::{Outcome as Ended, Release};
use stackctl::model::action::{Action, ActionId, Failure, FailureKind, Outcome, What};
use stackctl::model::node::{NodeFacts, Unreachable};
use stackctl::model::{NodeName, StackName, StackSpec, Timestamp};
use stackctl::orchestrator::lost::remember_lost;
use stackctl::orchestrator::{Converger, End, Event, PlanOptions, Planned, TaskFailure, Verdict};
use stackctl::reconcile::supervisor::Input;
use stackctl::reconcile::supervisor::event::ClusterEvent;
use stackctl::reconcile::supervisor::work::{Healed, Job, Task};

use super::driver::{self, Came, Port, Running, Step};
use super::ledger::{Sight, Taken};
use super::rules;
use super::world::{Happening, Sim, holder};

/// Between two looks at what happens to a run.
const LOOK_MS: i64 = 400;

/// One piece of work.
pub struct Work {
    id: u64,
    /// The process of a loop that does it, and which start of it; a person without.
    pub owner: Option<(usize, u64)>,
    pub stack: StackName,
    is_release: bool,
    /// The transaction, and what is between it and the world.
    running: Running,
    port: Port,
    asked: Option<Step>,
    sight: Sight,
    last_seen: Arc<BTreeMap<NodeName, NodeFacts>>,
    /// Nodes that it does not count on, and those that it knows.
    pub lost: BTreeSet<NodeName>,
    pub members: BTreeSet<NodeName>,
    stage: Stage,
    pulled: BTreeSet<(NodeName, Arc<str>)>,
    in_flight: usize,
    told_silent: BTreeSet<NodeName>,
}

/// What it does between two steps of its transaction.
enum Stage {
    Rests,
    Pulls { waits_for: BTreeMap<ActionId, Action>, failed: Vec<TaskFailure> },
    Runs { converger: Box<Converger>, begun: Timestamp, limit_ms: i64, is_looking: bool },
}

/// What happens to it.
#[derive(Debug)]
pub enum WorkEvent {
    /// What it asked of the world is done.
    Step,
    Renew,
    Run(Event),
    /// An action reaches its host, whether or not its sender still lives.
    Effect {
        action: Box<Action>,
        stack: StackName,
        epoch: u64,
        is_lost: bool,
    },
    Reply {
        id: ActionId,
        outcome: Outcome,
    },
    Look,
}

impl Work {
    fn who(&self) -> Option<usize> {
        self.owner.map(|(who, _)| who)
    }
}

impl Sim {
    pub fn begin_heal(&mut self, who: usize, job: Job) {
        let (owner, stack) = ((who, self.controllers[who].life), job.stack.clone());
        let last_seen = Arc::clone(&job.last_seen);
        self.begin_work(Some(owner), stack, false, last_seen, |port| driver::heal(port, job));
    }

    pub fn begin_release(&mut self, who: usize, task: Task) {
        let (owner, stack) = ((who, self.controllers[who].life), task.stack.clone());
        let last_seen = Arc::clone(&task.last_seen);
        self.begin_work(Some(owner), stack, true, last_seen, |port| driver::release(port, task));
    }

    pub fn begin_deploy(&mut self, spec: StackSpec) {
        self.begin_work(None, spec.name.clone(), true, Arc::default(), |port| driver::deploy(port, spec));
    }

    fn begin_work(
        &mut self,
        owner: Option<(usize, u64)>,
        stack: StackName,
        is_release: bool,
        last_seen: Arc<BTreeMap<NodeName, NodeFacts>>,
        running: impl FnOnce(Port) -> Running,
    ) {
        let (id, port) = (self.rules.next_work(), Port::default());
        let mut work = Work {
            id,
            owner,
            stack,
            is_release,
            running: running(port.clone()),
            port,
            asked: None,
            sight: None,
            last_seen,
            lost: BTreeSet::new(),
            members: BTreeSet::new(),
            stage: Stage::Rests,
            pulled: BTreeSet::new(),
            in_flight: 0,
            told_silent: BTreeSet::new(),
        };
        if self.goes_on(&mut work) {
            self.works.insert(id, work);
        }
    }

    /// SIGKILL for persons who deploy.
    pub fn kill_persons(&mut self) {
        self.works.retain(|_, work| work.owner.is_some());
    }

    fn soon(&mut self, id: u64, within_ms: i64, event: WorkEvent) {
        let delay_ms = self.luck.between(1, within_ms);
        self.at(delay_ms, Happening::Work { id, event });
    }

    pub fn work(&mut self, id: u64, event: WorkEvent) {
        if let WorkEvent::Effect { action, stack, epoch, is_lost } = event {
            return self.effect(id, *action, &stack, epoch, is_lost);
        }
        let Some(mut work) = self.works.remove(&id) else { return };
        self.advance(&mut work, event);
        // Work that is done is not put back.
        if self.goes_on(&mut work) {
            self.works.insert(id, work);
        }
    }

    /// Lets the transaction take its next step, if it can; whether there is more to come.
    fn goes_on(&mut self, work: &mut Work) -> bool {
        work.port.set_now(self.now);
        let ended = work.running.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        for (at, event) in work.port.said() {
            let news = ClusterEvent::of_release(&work.stack, event);
            if let (Some(owner), Some(news)) = (work.owner, news) {
                self.worked(owner, Input::Said(at, news));
            }
        }
        if let Poll::Ready(healed) = ended {
            self.over(work, healed);
            return false;
        }
        if let Some((within_ms, step)) = work.port.asked() {
            work.asked = Some(step);
            self.soon(work.id, within_ms, WorkEvent::Step);
        }
        true
    }

    fn advance(&mut self, work: &mut Work, event: WorkEvent) {
        match event {
            WorkEvent::Step => {
                if let Some(step) = work.asked.take() {
                    step(self, work);
                }
            }
            WorkEvent::Renew => self.renew_lock(work),
            WorkEvent::Run(event) => self.converge(work, event),
            WorkEvent::Reply { id, outcome } => self.reply(work, id, outcome),
            WorkEvent::Look => self.look_at(work),
            WorkEvent::Effect { .. } => {}
        }
    }

    pub fn take_lock(&mut self, work: &mut Work, verb: &str) -> Taken {
        let who = work.owner.map_or_else(|| "ann".to_owned(), |(who, life)| format!("c{who}.{life}"));
        let holder = holder(&who, &format!("{who}-{}", work.id), verb);
        let taken = self.ledger.take(&stream(&work.stack), &holder, Terms::STACK, &mut work.sight);
        if let Taken::Held(lease) = &taken {
            self.say(|| format!("{who} has the lease of {}, epoch {}", work.stack, lease.epoch));
            self.is_alone(work, "the lease is taken");
            work.port.hold(Some(lease.clone()));
            self.at(Terms::STACK.renew_ms, Happening::Work { id: work.id, event: WorkEvent::Renew });
        }
        taken
    }

    fn renew_lock(&mut self, work: &mut Work) {
        let Some(mut lease) = work.port.lease().filter(|lease| lease.is_valid(self.now)) else { return };
        let before = lease.until;
        self.ledger.renew(&mut lease);
        let delay_ms = if lease.until == before { 300 } else { Terms::STACK.renew_ms };
        work.port.hold(Some(lease));
        self.at(delay_ms, Happening::Work { id: work.id, event: WorkEvent::Renew });
    }

    pub fn give_lock_back(&mut self, work: &mut Work) {
        if let Some(lease) = work.port.lease() {
            self.ledger.give_back(&lease);
            work.port.hold(None);
        }
    }

    /// No other process may rely on the lock of a stack while this is done.
    fn is_alone(&self, work: &Work, what: &str) {
        let others = self.works.values().filter(|other| other.stack == work.stack && other.id != work.id);
        if others.into_iter().any(|other| other.port.is_lease_valid(self.now)) {
            self.fail(&format!("{what} on {} while another has its lease", work.stack));
        }
    }

    pub fn plan(&mut self, work: &mut Work, spec: StackSpec, mut options: PlanOptions) -> Planned {
        let mut observed = self.observe(work.who());
        remember_lost(&mut observed, &mut options.lost, &work.last_seen);
        work.lost.clone_from(&options.lost);
        work.members = observed.nodes.keys().cloned().collect();
        Planned::make(observed, spec, options)
    }

    pub fn write_release(&mut self, work: &mut Work, release: &Release) -> Result<u64, LedgerError> {
        self.is_alone(work, "a release is written");
        let number = self.ledger.begin(release)?;
        self.say(|| format!("release {number} of {} begins", work.stack));
        self.written("releases", work.stack.as_str());
        Ok(number)
    }

    pub fn write_outcome(
        &mut self,
        work: &mut Work,
        number: u64,
        outcome: &Ended,
    ) -> Result<(), LedgerError> {
        self.is_alone(work, "an outcome is written");
        self.say(|| format!("release {number} of {}: {}", work.stack, outcome.words()));
        self.ledger.end(&work.stack, number, outcome)?;
        self.written("outcomes", work.stack.as_str());
        Ok(())
    }

    fn is_told_to_stop(&self, work: &Work) -> bool {
        work.who().is_some_and(|who| self.controllers[who].is_work_stopped)
    }

    fn ends(work: &mut Work, end: End) {
        work.stage = Stage::Rests;
        work.port.come(Came::Ended(end));
    }

    pub fn begin_pulls(&mut self, work: &mut Work, planned: &Planned) {
        let pulls = planned.plan().forecast.actions().filter(|action| action.what.is_pull());
        let waits_for: BTreeMap<ActionId, Action> = pulls.map(|one| (one.id, one.clone())).collect();
        let all: Vec<Action> = waits_for.values().cloned().collect();
        work.stage = Stage::Pulls { waits_for, failed: Vec::new() };
        work.in_flight = 0;
        for action in all {
            self.send(work, action);
        }
        self.at(LOOK_MS, Happening::Work { id: work.id, event: WorkEvent::Look });
        self.pulls_go_on(work);
    }

    /// Pulls are abandoned at once: nothing that runs is changed by them.
    fn pulls_go_on(&mut self, work: &mut Work) {
        let is_stopped = self.is_told_to_stop(work);
        let Stage::Pulls { waits_for, failed } = &mut work.stage else { return };
        let came = if is_stopped {
            Came::Ended(End::Interrupted)
        } else if waits_for.is_empty() && failed.is_empty() {
            Came::Pulled
        } else if waits_for.is_empty() {
            Came::Ended(End::Verdict(Verdict::not_prepared(std::mem::take(failed))))
        } else if !work.port.is_lease_valid(self.now) {
            Came::Ended(End::LeaseLost)
        } else {
            return;
        };
        work.stage = Stage::Rests;
        work.port.come(came);
    }

    pub fn begin_run(&mut self, work: &mut Work, planned: Arc<Planned>, limit_ms: i64) {
        let converger = Box::new(Converger::new(planned.assignment().clone()));
        work.stage = Stage::Runs { converger, begun: self.now, limit_ms, is_looking: false };
        work.in_flight = 0;
        work.told_silent.clear();
        self.converge(work, Event::Tick);
    }

    fn reply(&mut self, work: &mut Work, id: ActionId, outcome: Outcome) {
        match &mut work.stage {
            Stage::Rests => {}
            Stage::Pulls { waits_for, failed } => {
                let Some(Action { node, what, .. }) = waits_for.remove(&id) else { return };
                match (outcome, &what) {
                    (Outcome::Failed(failure), _) => {
                        let what = format!("{} {}", what.verb(), what.object());
                        failed.push(TaskFailure { node, what, container: None, task: None, failure });
                    }
                    (_, What::PullImage { image }) => drop(work.pulled.insert((node, Arc::clone(image)))),
                    _ => {}
                }
                self.pulls_go_on(work);
            }
            Stage::Runs { .. } => {
                work.in_flight -= 1;
                self.converge(work, Event::ActionDone { id, outcome });
            }
        }
    }

    fn converge(&mut self, work: &mut Work, event: Event) {
        let (now, id) = (self.now, work.id);
        let Stage::Runs { converger, begun, limit_ms, .. } = &mut work.stage else { return };
        let step = converger.step(now, event);
        let (is_watching, is_late) = (converger.is_watching(), now.since_ms(*begun) >= *limit_ms);
        let is_valid = work.port.is_lease_valid(now);
        let is_stopped = self.is_told_to_stop(work);
        if let Some(verdict) = step.verdict.filter(|_| is_valid) {
            return Self::ends(work, End::Verdict(verdict));
        }
        if is_valid && !is_stopped {
            for action in step.actions {
                self.send(work, action);
            }
        }
        if work.in_flight == 0 && !is_valid {
            return Self::ends(work, End::LeaseLost);
        }
        if work.in_flight == 0 && is_stopped {
            return Self::ends(work, End::Interrupted);
        }
        if work.in_flight == 0 && is_late {
            return Self::ends(work, End::TimedOut(Vec::new()));
        }
        if let Some(at) = step.wake_at {
            let delay_ms = at.since_ms(now).max(0);
            self.at(delay_ms, Happening::Work { id, event: WorkEvent::Run(Event::Tick) });
        }
        let Stage::Runs { is_looking, .. } = &mut work.stage else { return };
        if (is_watching || work.in_flight > 0) && !std::mem::replace(is_looking, true) {
            self.at(LOOK_MS, Happening::Work { id, event: WorkEvent::Look });
        }
    }

    fn send(&mut self, work: &mut Work, action: Action) {
        let Some(lease) = work.port.lease() else { return };
        let (id, epoch) = (work.id, lease.epoch);
        work.in_flight += 1;
        if let What::PullImage { image } = &action.what
            && work.pulled.contains(&(action.node.clone(), Arc::clone(image)))
        {
            let event = WorkEvent::Reply { id: action.id, outcome: Outcome::Done };
            return self.at(0, Happening::Work { id, event });
        }
        rules::sent(self, work, epoch, &action);
        self.say(|| {
            format!(
                "w{id} > {} {} of {} on {} ({})",
                action.what.verb(),
                action.what.object(),
                work.stack,
                action.node,
                action.why
            )
        });
        let is_late = !self.is_calm && self.luck.once_in(40);
        let delay_ms = match &action.what {
            _ if is_late => self.luck.between(1_000, 12_000),
            What::StopTask { .. } => self.luck.between(10, 800),
            _ => self.luck.between(1, 60),
        };
        let is_lost = self.silence(work.who(), &action.node).is_some();
        let (action, stack) = (Box::new(action), work.stack.clone());
        let event = WorkEvent::Effect { action, stack, epoch, is_lost };
        self.at(delay_ms, Happening::Work { id, event });
    }

    fn effect(&mut self, id: u64, action: Action, stack: &StackName, epoch: u64, is_lost: bool) {
        let (action_id, node) = (action.id, action.node.clone());
        if is_lost || self.down.contains_key(&node) {
            let outcome = Outcome::Failed(Failure {
                kind: FailureKind::HostSilent,
                code: "sim::silent".into(),
                message: "no answer".into(),
                help: None,
            });
            let delay_ms = *self.luck.pick(&[500, 5_000]);
            let event = WorkEvent::Reply { id: action_id, outcome };
            return self.at(delay_ms, Happening::Work { id, event });
        }
        rules::effect(self, id, stack, epoch, &action);
        let outcome = self.hosts.carry_out(&action);
        self.engines_tell();
        let event = WorkEvent::Reply { id: action_id, outcome };
        self.soon(id, 20, event);
    }

    fn look_at(&mut self, work: &mut Work) {
        match &mut work.stage {
            Stage::Rests => return,
            Stage::Pulls { .. } => {
                self.at(LOOK_MS, Happening::Work { id: work.id, event: WorkEvent::Look });
                return self.pulls_go_on(work);
            }
            Stage::Runs { is_looking, .. } => *is_looking = false,
        }
        let mut events = Vec::new();
        for node in work.members.clone() {
            if self.silence(work.who(), &node).is_some() {
                if !work.lost.contains(&node) && work.told_silent.insert(node.clone()) {
                    let why = Unreachable {
                        since: self.now,
                        code: "stackctl::ssh::unreachable".into(),
                        reason: "no answer".into(),
                        help: None,
                    };
                    events.push(Event::NodeSilent { node, why });
                }
                continue;
            }
            let tasks = self.hosts.containers.get(&node).into_iter().flat_map(|all| all.values());
            for container in tasks.filter(|container| container.task.stack == work.stack) {
                let (task, status) = (container.task.id.clone(), Some(container.task.status));
                events.push(Event::TaskSeen { node: node.clone(), task, status });
            }
        }
        events.push(Event::Tick);
        for event in events {
            self.converge(work, event);
        }
    }

    /// Says how it ended; nothing more is to come.
    fn over(&mut self, work: &Work, healed: Healed) {
        if work.port.lease().is_some() {
            self.fail(&format!("work on {} keeps its lease", work.stack));
        }
        self.say(|| format!("work on {} of {:?} ends: {healed:?}", work.stack, work.owner));
        if let Some(owner) = work.owner {
            self.rules.worked(owner.0, self.now.plus_ms(1), &work.stack, work.is_release, &healed);
            self.worked(owner, Input::Worked(work.stack.clone(), healed));
        }
    }
}
