//! Work on a stack, step by step: its lease, its records, a look, a plan, the run, what is written of it.
//! Between any two steps its process may be killed, its lease lost and the ledger gone.
//!
//! The seam: [`Sim::begin_heal`], [`Sim::begin_release`] and [`Sim::begin_deploy`] are all that the loops and
//! persons know of it, and `Input::Worked` is all that comes back. The steps are those of the transaction.

use std::collections::BTreeSet;

use stackctl::ledger::lease::{Terms, stream};
use stackctl::ledger::release::{Outcome as Ended, Release};
use stackctl::model::action::{Action, ActionId, Failure, FailureKind, Outcome, What};
use stackctl::model::node::Unreachable;
use stackctl::model::{NodeName, StackName, StackSpec, Timestamp};
use stackctl::orchestrator::lost::remember_lost;
use stackctl::orchestrator::{Converger, Ending, Event, PlanOptions, Planned};
use stackctl::reconcile::supervisor::Input;
use stackctl::reconcile::supervisor::event::ClusterEvent;
use stackctl::reconcile::supervisor::work::{Healed, Job, Task};

use super::ledger::{Lease, Sight, Taken};
use super::world::{Happening, Sim, holder};

/// So long is one stack worked on at a time.
const TIMEOUT_MS: i64 = 10 * 60 * 1000;
/// How often a person asks for the lease of a stack that another has.
const TRIES_MAX: u32 = 40;

/// What is to be done.
#[derive(Debug)]
pub enum Kind {
    Heal(Job),
    Release(Task),
    /// By a person.
    Deploy(StackSpec),
}

/// One piece of work.
pub struct Work {
    /// The process of a loop that does it, and which start of it; a person without.
    pub owner: Option<(usize, u64)>,
    pub stack: StackName,
    kind: Kind,
    lease: Option<Lease>,
    sight: Sight,
    tries: u32,
    planned: Option<Planned>,
    /// The release that is being carried out.
    number: Option<u64>,
    is_unfinished: bool,
    /// Nodes that it does not count on, and those that it knows.
    pub lost: BTreeSet<NodeName>,
    pub members: BTreeSet<NodeName>,
    converger: Option<Converger>,
    /// Its verdict is found, and is being written down.
    is_decided: bool,
    in_flight: usize,
    is_looking: bool,
    told_silent: BTreeSet<NodeName>,
    begun: Timestamp,
}

/// What happens to it.
#[derive(Debug)]
pub enum WorkEvent {
    Take,
    Renew,
    Plan,
    Begin,
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
    End(Box<(Healed, Option<Ended>)>),
}

impl Work {
    fn who(&self) -> Option<usize> {
        self.owner.map(|(who, _)| who)
    }
}

impl Sim {
    pub fn begin_heal(&mut self, who: usize, job: Job) {
        let (life, stack) = (self.controllers[who].life, job.stack.clone());
        self.begin_work(Some((who, life)), stack, Kind::Heal(job));
    }

    pub fn begin_release(&mut self, who: usize, task: Task) {
        let (life, stack) = (self.controllers[who].life, task.stack.clone());
        self.begin_work(Some((who, life)), stack, Kind::Release(task));
    }

    pub fn begin_deploy(&mut self, spec: StackSpec) {
        self.begin_work(None, spec.name.clone(), Kind::Deploy(spec));
    }

    fn begin_work(&mut self, owner: Option<(usize, u64)>, stack: StackName, kind: Kind) {
        let id = self.rules.next_work();
        let work = Work {
            owner,
            stack,
            kind,
            lease: None,
            sight: None,
            tries: 0,
            planned: None,
            number: None,
            is_unfinished: false,
            lost: BTreeSet::new(),
            members: BTreeSet::new(),
            converger: None,
            is_decided: false,
            in_flight: 0,
            is_looking: false,
            told_silent: BTreeSet::new(),
            begun: self.now,
        };
        self.works.insert(id, work);
        self.soon(id, 20, WorkEvent::Take);
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
        // Work that is done is not put back.
        if self.advance(id, &mut work, event) {
            self.works.insert(id, work);
        }
    }

    /// One step; whether there is more to come.
    fn advance(&mut self, id: u64, work: &mut Work, event: WorkEvent) -> bool {
        match event {
            WorkEvent::Take => return self.take_lease(id, work),
            WorkEvent::Renew => {
                if let Some(lease) = work.lease.as_mut().filter(|lease| lease.is_valid(self.now)) {
                    let before = lease.until;
                    self.ledger.renew(lease);
                    let delay_ms = if lease.until == before { 300 } else { Terms::STACK.renew_ms };
                    self.at(delay_ms, Happening::Work { id, event: WorkEvent::Renew });
                }
            }
            WorkEvent::Plan => return self.plan(id, work),
            WorkEvent::Begin => return self.begin_record(id, work),
            WorkEvent::Run(event) => return self.converge(id, work, event),
            WorkEvent::Reply { id: action, outcome } => {
                work.in_flight -= 1;
                return self.converge(id, work, Event::ActionDone { id: action, outcome });
            }
            WorkEvent::Look => return self.look_at(id, work),
            WorkEvent::End(end) => {
                let (healed, ended) = *end;
                return self.end_record(work, healed, ended);
            }
            WorkEvent::Effect { .. } => {}
        }
        true
    }

    fn take_lease(&mut self, id: u64, work: &mut Work) -> bool {
        let who = work.owner.map_or_else(|| "ann".to_owned(), |(who, life)| format!("c{who}.{life}"));
        let holder = holder(&who, &format!("{who}-{id}"), "deploy");
        match self.ledger.take(&stream(&work.stack), &holder, Terms::STACK, &mut work.sight) {
            Taken::Held(lease) => {
                self.say(|| format!("{who} has the lease of {}, epoch {}", work.stack, lease.epoch));
                let others = self.works.values().filter(|other| other.stack == work.stack);
                let is_held = |other: &Work| other.lease.as_ref().is_some_and(|one| one.is_valid(self.now));
                if others.into_iter().any(is_held) {
                    self.fail(&format!("two have the lease of {}", work.stack));
                }
                work.lease = Some(lease);
                self.at(Terms::STACK.renew_ms, Happening::Work { id, event: WorkEvent::Renew });
                self.soon(id, 40, WorkEvent::Plan);
                true
            }
            Taken::Busy(..) | Taken::Failed(_) if work.owner.is_none() && work.tries < TRIES_MAX => {
                work.tries += 1;
                self.at(1_000, Happening::Work { id, event: WorkEvent::Take });
                true
            }
            Taken::Busy(_, other) => self.over(work, Healed::Busy(other)),
            Taken::Failed(why) => self.over(work, Healed::Failed(why)),
        }
    }

    /// What is wanted, by what is remembered now; `None` if it is not wanted any more.
    fn wanted(&self, work: &mut Work) -> Result<Option<(StackSpec, PlanOptions)>, String> {
        let known = self.ledger.known(&work.stack)?;
        Ok(match &work.kind {
            Kind::Heal(job) => {
                if known.number() != Some(job.number) || known.settings.suspended.is_some() {
                    return Ok(None);
                }
                work.number = Some(job.number);
                work.is_unfinished = known.is_unfinished();
                let spec = known.spec();
                spec.map(|(spec, prune)| (spec.clone(), PlanOptions { prune, ..job.options.clone() }))
            }
            Kind::Release(task) => {
                if known.settings.suspended.is_some() || !task.wish.is_due(&known) {
                    return Ok(None);
                }
                let contents = task.wish.contents(&work.stack);
                Some((contents.spec, PlanOptions { prune: contents.prune, ..task.options.clone() }))
            }
            Kind::Deploy(spec) => Some((spec.clone(), PlanOptions { prune: true, ..PlanOptions::default() })),
        })
    }

    fn plan(&mut self, id: u64, work: &mut Work) -> bool {
        let (spec, mut options) = match self.wanted(work) {
            Ok(Some(wanted)) => wanted,
            Ok(None) => return self.over(work, Healed::Outdated),
            Err(why) => return self.over(work, Healed::Failed(why)),
        };
        let mut observed = self.observe(work.who());
        let last_seen = match &work.kind {
            Kind::Heal(job) => job.last_seen.clone(),
            Kind::Release(task) => task.last_seen.clone(),
            Kind::Deploy(_) => Default::default(),
        };
        remember_lost(&mut observed, &mut options.lost, &last_seen);
        work.lost.clone_from(&options.lost);
        work.members = observed.nodes.keys().cloned().collect();
        let planned = Planned::make(observed, spec, options);
        if !planned.plan().problems.is_empty() {
            let why: Vec<String> = planned.plan().problems.iter().map(ToString::to_string).collect();
            return self.over(work, Healed::Failed(why.join("; ")));
        }
        let (is_busy, is_heal) = (planned.is_busy(), matches!(work.kind, Kind::Heal(_)));
        if is_heal && !is_busy && !work.is_unfinished {
            return self.over(work, Healed::Done);
        }
        if is_heal && let Some(number) = work.number {
            let actions = planned.plan().forecast.actions().count();
            self.said(work, ClusterEvent::HealBegan { stack: work.stack.clone(), release: number, actions });
        }
        work.planned = Some(planned);
        let next = if is_heal { WorkEvent::Run(Event::Tick) } else { WorkEvent::Begin };
        self.soon(id, 60, next);
        true
    }

    fn said(&mut self, work: &Work, news: ClusterEvent) {
        if let Some(owner) = work.owner {
            let at = self.now;
            self.worked(owner, Input::Said(at, news));
        }
    }

    fn begin_record(&mut self, id: u64, work: &mut Work) -> bool {
        let Some(planned) = &work.planned else { return false };
        if !work.lease.as_ref().is_some_and(|lease| lease.is_valid(self.now)) {
            return self.over(work, Healed::Failed("the lease was lost".to_owned()));
        }
        let mut release =
            Release::of(planned.spec().clone(), "deploy".to_owned(), "ann@mill".to_owned(), self.now);
        if let Kind::Release(task) = &work.kind {
            release.git = Some(task.wish.commit.clone());
            release.source = Some(task.wish.source());
        }
        match self.ledger.begin(&release) {
            Ok(number) => {
                self.say(|| format!("release {number} of {} begins", work.stack));
                work.number = Some(number);
                self.written("releases", work.stack.clone().as_str());
                let (commit, actions) = (None, None);
                self.said(
                    work,
                    ClusterEvent::ReleaseBegan {
                        stack: work.stack.clone(),
                        release: number,
                        commit,
                        actions,
                    },
                );
                self.soon(id, 40, WorkEvent::Run(Event::Tick));
                true
            }
            Err(why) => self.over(work, Healed::Failed(why)),
        }
    }

    fn is_told_to_stop(&self, work: &Work) -> bool {
        work.who().is_some_and(|who| self.controllers[who].is_work_stopped)
    }

    fn converge(&mut self, id: u64, work: &mut Work, event: Event) -> bool {
        let Some(planned) = work.planned.as_ref().filter(|_| !work.is_decided) else { return true };
        let converger = work.converger.get_or_insert_with(|| Converger::new(planned.assignment().clone()));
        let step = converger.step(self.now, event);
        let is_watching = converger.is_watching();
        let is_valid = work.lease.as_ref().is_some_and(|lease| lease.is_valid(self.now));
        let is_stopped = self.is_told_to_stop(work);
        if let Some(verdict) = step.verdict.filter(|_| is_valid) {
            let healed = match verdict.ending {
                Ending::Converged => Healed::Done,
                ending => Healed::Failed(format!("{ending:?}")),
            };
            let ended = match verdict.ending {
                Ending::Converged if planned.spec().services.is_empty() => Some(Ended::Removed),
                Ending::Converged => Some(Ended::Deployed),
                Ending::HostSilent if work.owner.is_some() => None,
                Ending::Paused | Ending::RollbackPaused => Some(Ended::Paused),
                _ => Some(Ended::Failed),
            };
            work.is_decided = true;
            self.soon(id, 40, WorkEvent::End(Box::new((healed, ended))));
            return true;
        }
        if is_valid && !is_stopped {
            for action in step.actions {
                self.send(id, work, action);
            }
        }
        if work.in_flight == 0 && !is_valid {
            return self.over(work, Healed::Failed("the lease was lost on the way".to_owned()));
        }
        if work.in_flight == 0 && is_stopped {
            return self.over(work, Healed::Stopped);
        }
        if self.now.since_ms(work.begun) >= TIMEOUT_MS {
            return self.over(work, Healed::Failed("not as declared after 10 minutes".to_owned()));
        }
        if let Some(at) = step.wake_at {
            let delay_ms = at.since_ms(self.now).max(0);
            self.at(delay_ms, Happening::Work { id, event: WorkEvent::Run(Event::Tick) });
        }
        if (is_watching || work.in_flight > 0) && !work.is_looking {
            work.is_looking = true;
            self.at(400, Happening::Work { id, event: WorkEvent::Look });
        }
        true
    }

    fn send(&mut self, id: u64, work: &mut Work, action: Action) {
        let Some(lease) = &work.lease else { return };
        let epoch = lease.epoch;
        super::rules::sent(self, work, epoch, &action);
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
        work.in_flight += 1;
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
        super::rules::effect(self, id, stack, epoch, &action);
        let outcome = self.hosts.carry_out(&action);
        self.engines_tell();
        let event = WorkEvent::Reply { id: action_id, outcome };
        self.soon(id, 20, event);
    }

    fn look_at(&mut self, id: u64, work: &mut Work) -> bool {
        work.is_looking = false;
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
            if !self.converge(id, work, event) {
                return false;
            }
        }
        true
    }

    fn end_record(&mut self, work: &mut Work, healed: Healed, ended: Option<Ended>) -> bool {
        let is_valid = work.lease.as_ref().is_some_and(|lease| lease.is_valid(self.now));
        let is_recorded = !matches!(work.kind, Kind::Heal(_)) || work.is_unfinished;
        if let (true, true, Some(number), Some(ended)) = (is_valid, is_recorded, work.number, ended) {
            self.say(|| format!("release {number} of {}: {}", work.stack, ended.words()));
            if let Err(why) = self.ledger.end(&work.stack, number, &ended) {
                return self.over(work, Healed::Failed(why));
            }
            self.written("outcomes", work.stack.clone().as_str());
        }
        self.over(work, healed)
    }

    /// Gives the lease back and says how it ended; nothing more is to come.
    fn over(&mut self, work: &mut Work, healed: Healed) -> bool {
        if let Some(lease) = work.lease.take() {
            self.ledger.give_back(&lease);
        }
        self.say(|| format!("work on {} of {:?} ends: {healed:?}", work.stack, work.owner));
        if let Some(owner) = work.owner {
            let is_release = matches!(work.kind, Kind::Release(_));
            self.rules.worked(owner.0, self.now.plus_ms(1), &work.stack, is_release, &healed);
            self.worked(owner, Input::Worked(work.stack.clone(), healed));
        }
        false
    }
}
