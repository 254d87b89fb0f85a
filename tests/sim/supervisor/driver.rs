//! The release transaction in the simulated world: the code that the loop, the hook and persons run, over a driver
//! whose every step is asked of the world and answered there some milliseconds later.
//!
//! Between any two steps the process may be killed, its lease lost, the ledger gone. What a step does is
//! [`work`](super::work)'s: nothing here knows of hosts.

use std::cell::RefCell;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;

use stackctl::ledger::LedgerError;
use stackctl::ledger::lease::{Holder, stream};
use stackctl::ledger::release::{History, Outcome, Release};
use stackctl::model::{StackName, StackSpec, Timestamp};
use stackctl::ops::declared::record::StackRecord;
use stackctl::ops::release::{
    ApproveAll, Done, Draft, Driver, Edited, Entry, Intent, Job as OfRollout, Lock, Order, Prepared,
    Remembers, Rollout, Started, Stop, Terms, Wanted, rollout, transaction,
};
use stackctl::ops::{Error, Event, Progress, RunReport};
use stackctl::orchestrator::pin::ResolveImage;
use stackctl::orchestrator::{End, PlanOptions, Planned};
use stackctl::reconcile::intent::terms;
use stackctl::reconcile::supervisor::work::{Healed, Job, Task};

use super::ledger::{Lease, Taken};
use super::work::Work;
use super::world::Sim;

/// How often a person gives a command again that could not begin.
const TRIES_MAX: u32 = 40;
/// How long a person waits for another holder of the lock.
const PATIENCE_MS: i64 = 20_000;
/// Between two attempts at a lock, and at a command.
const AGAIN_MS: i64 = 1_000;

/// One process of the transaction, as the world holds it.
pub type Running = Pin<Box<dyn Future<Output = Healed>>>;
/// What is done in the world when a step is due.
pub type Step = Box<dyn FnOnce(&mut Sim, &mut Work)>;

/// How what takes many moments came to its end.
pub enum Came {
    Pulled,
    Ended(End),
}

#[derive(Default)]
struct Inner {
    now: Timestamp,
    /// What is asked of the world, and within how many milliseconds it is answered.
    asked: Option<(i64, Step)>,
    came: Option<Came>,
    lease: Option<Lease>,
    said: Vec<(Timestamp, Event<Planned>)>,
}

/// Between a process and the world.
#[derive(Clone, Default)]
pub struct Port(Rc<RefCell<Inner>>);

impl Port {
    pub fn set_now(&self, now: Timestamp) {
        self.0.borrow_mut().now = now;
    }

    pub fn asked(&self) -> Option<(i64, Step)> {
        self.0.borrow_mut().asked.take()
    }

    pub fn said(&self) -> Vec<(Timestamp, Event<Planned>)> {
        std::mem::take(&mut self.0.borrow_mut().said)
    }

    pub fn come(&self, came: Came) {
        self.0.borrow_mut().came = Some(came);
    }

    pub fn lease(&self) -> Option<Lease> {
        self.0.borrow().lease.clone()
    }

    pub fn hold(&self, lease: Option<Lease>) {
        self.0.borrow_mut().lease = lease;
    }

    pub fn is_lease_valid(&self, now: Timestamp) -> bool {
        self.0.borrow().lease.as_ref().is_some_and(|lease| lease.is_valid(now))
    }

    /// Has the world do something, at some moment within so many milliseconds.
    async fn ask<T: 'static>(
        &self,
        within_ms: i64,
        what: impl FnOnce(&mut Sim, &mut Work) -> T + 'static,
    ) -> T {
        let answer = Rc::new(RefCell::new(None));
        let to = Rc::clone(&answer);
        let step: Step = Box::new(move |sim, work| *to.borrow_mut() = Some(what(sim, work)));
        self.0.borrow_mut().asked = Some((within_ms, step));
        std::future::poll_fn(|_| answer.borrow_mut().take().map_or(Poll::Pending, Poll::Ready)).await
    }

    async fn comes(&self) -> Came {
        std::future::poll_fn(|_| self.0.borrow_mut().came.take().map_or(Poll::Pending, Poll::Ready)).await
    }

    fn report(&self, plan: &Arc<Planned>, began: Timestamp, terms: &Terms, end: End) -> RunReport<Planned> {
        RunReport {
            plan: Arc::clone(plan),
            began,
            ended: self.now(),
            timeout_ms: terms.timeout_ms,
            end,
            is_unbegun: false,
            proof: None,
            tails: Vec::new(),
            journal: None,
        }
    }
}

impl Progress<Planned> for Port {
    fn event(&self, now: Timestamp, event: Event<Planned>) {
        self.0.borrow_mut().said.push((now, event));
    }
}

/// A lock that is held.
pub struct Grip {
    port: Port,
    epoch: u64,
}

impl Lock for Grip {
    fn epoch(&self) -> u64 {
        self.epoch
    }

    fn is_valid(&self) -> bool {
        self.port.is_lease_valid(self.port.now())
    }
}

/// What was read of a stack.
pub struct Read(History);

impl Remembers for Read {
    fn history(&self) -> &History {
        &self.0
    }
}

impl Driver for Port {
    type Plan = Planned;
    type Lock = Grip;
    type Record = Read;
    type Begun = u64;

    fn now(&self) -> Timestamp {
        self.0.borrow().now
    }

    async fn lock(
        &self,
        stack: &StackName,
        verb: &str,
        patience_ms: i64,
        mut waiting: impl FnMut(&Holder),
    ) -> Result<Grip, Error> {
        let begun = self.now();
        loop {
            let verb = verb.to_owned();
            match self.ask(20, move |sim, work| sim.take_lock(work, &verb)).await {
                Taken::Held(lease) => return Ok(Grip { port: self.clone(), epoch: lease.epoch }),
                Taken::Lost => {}
                Taken::Failed(error) => return Err(Error::Ledger(error)),
                Taken::Busy(holder) if self.now().since_ms(begun) >= patience_ms => {
                    let stack = stack.clone();
                    return Err(Error::Held {
                        stack,
                        holder,
                        age_ms: None,
                        lasts_ms: 35_000,
                        has_ended: false,
                    });
                }
                Taken::Busy(holder) => {
                    waiting(&holder);
                    self.ask(AGAIN_MS, |_, _| ()).await;
                }
            }
        }
    }

    async fn unlock(&self, _: Grip) -> Result<(), Error> {
        self.ask(20, Sim::give_lock_back).await;
        Ok(())
    }

    async fn read(&self, _: &StackName) -> Result<Read, Error> {
        Ok(Read(self.ask(40, |sim, work| sim.ledger.settled_history(&work.stack)).await?))
    }

    async fn plan(&self, spec: StackSpec, options: PlanOptions, _: ResolveImage) -> Planned {
        self.ask(60, move |sim, work| sim.plan(work, spec, options)).await
    }

    async fn plan_again(&self, plan: &Planned, spec: Option<StackSpec>) -> Planned {
        let (spec, options) = (spec.unwrap_or_else(|| plan.spec().clone()), plan.options().clone());
        self.ask(60, move |sim, work| sim.plan(work, spec, options)).await
    }

    async fn prepare(
        &self,
        plan: &Arc<Planned>,
        terms: &Terms,
        _: &Grip,
        _: &impl Stop,
        _: &impl Progress<Planned>,
    ) -> Prepared<Planned> {
        let (began, planned) = (self.now(), Arc::clone(plan));
        self.ask(1, move |sim, work| sim.begin_pulls(work, &planned)).await;
        match self.comes().await {
            Came::Pulled => Prepared::Pulled,
            Came::Ended(end) => Prepared::Ended(self.report(plan, began, terms, end)),
        }
    }

    async fn begin(&self, plan: &Planned, _: &Read, entry: Entry) -> Result<Started<u64>, Error> {
        let draft = match entry {
            Entry::Release(draft) => draft,
            Entry::Heal { number, .. } => return Ok(Started { number, commit: None, begun: number }),
        };
        let Draft { verb, git, source, .. } = *draft;
        let git = match git {
            Some(commit) => commit.read().await,
            None => None,
        };
        let release = Release::of(plan.spec().clone(), verb, "ann@mill".to_owned(), self.now());
        let release = Release { git, source, ..release };
        let number = self.ask(40, move |sim, work| sim.write_release(work, &release)).await?;
        Ok(Started { number, commit: None, begun: number })
    }

    async fn run(
        &self,
        plan: &Arc<Planned>,
        terms: &Terms,
        _: Option<&Grip>,
        _: &impl Stop,
        _: &impl Progress<Planned>,
    ) -> RunReport<Planned> {
        let (began, planned, limit_ms) = (self.now(), Arc::clone(plan), terms.timeout_ms);
        self.ask(1, move |sim, work| sim.begin_run(work, planned, limit_ms)).await;
        let Came::Ended(end) = self.comes().await else { panic!("a run has no pulls") };
        self.report(plan, began, terms, end)
    }

    async fn end(
        &self,
        number: u64,
        _: &Read,
        _: &RunReport<Planned>,
        outcome: Option<&Outcome>,
    ) -> Result<(), Error> {
        let Some(outcome) = outcome.cloned() else { return Ok(()) };
        Ok(self.ask(40, move |sim, work| sim.write_outcome(work, number, &outcome)).await?)
    }
}

/// What a loop wants, by the loop's own words.
enum Purpose {
    Heal(Job),
    Release(Task),
}

struct OfLoop {
    port: Port,
    purpose: Purpose,
}

impl Intent for OfLoop {
    type Error = Error;

    async fn wanted(&mut self, history: &History) -> Result<Option<Wanted>, Error> {
        let settings = self.port.ask(20, |sim, work| sim.ledger.settings(&work.stack)).await?;
        let known = StackRecord::of(history, settings);
        Ok(match &self.purpose {
            Purpose::Heal(job) => job.wanted(&known),
            Purpose::Release(task) => task.wanted(&known),
        })
    }

    async fn is_still_wanted(&mut self, _: &History) -> Result<bool, Error> {
        let Purpose::Release(task) = &self.purpose else { return Ok(true) };
        let settings = self.port.ask(20, |sim, work| sim.ledger.settings(&work.stack)).await?;
        let (repository, commit) = (task.desired.repository.clone(), task.desired.commit.commit.clone());
        let is_newest = move |sim: &mut Sim, _: &mut Work| {
            let declared = sim.declarations.as_ref().and_then(|all| all.declared.get(&repository));
            declared.is_some_and(|declaration| declaration.commit.commit == commit)
        };
        Ok(settings.suspended.is_none() && self.port.ask(20, is_newest).await)
    }
}

async fn of_loop(port: Port, stack: StackName, purpose: Purpose) -> Healed {
    let mut intent = OfLoop { port: port.clone(), purpose };
    let (approve, terms) = (&mut ApproveAll::new(), &terms());
    let done = transaction(&port, &stack, "reconcile", None, &mut intent, approve, terms, &(), &port).await;
    Healed::of(done)
}

/// A loop brings a stack back to what was declared.
pub fn heal(port: Port, job: Job) -> Running {
    Box::pin(of_loop(port, job.stack.clone(), Purpose::Heal(job)))
}

/// A loop releases what a repository declares.
pub fn release(port: Port, task: Task) -> Running {
    Box::pin(of_loop(port, task.stack.clone(), Purpose::Release(task)))
}

/// A person's deploy, which plans, shows and then takes the lock, given again until it could begin.
pub fn deploy(port: Port, spec: StackSpec) -> Running {
    Box::pin(async move {
        let mut tries = 0;
        loop {
            tries += 1;
            match of_person(&port, spec.clone()).await {
                Err(_) if tries < TRIES_MAX => port.ask(AGAIN_MS, |_, _| ()).await,
                done => return Healed::of(done),
            }
        }
    })
}

async fn of_person(port: &Port, spec: StackSpec) -> Result<Done<Planned>, Error> {
    let free = |sim: &mut Sim, work: &mut Work| sim.ledger.free(&stream(&work.stack));
    let free = port.ask(40, free).await?;
    let record = port.read(&spec.name).await?;
    let options = PlanOptions { prune: true, ..PlanOptions::default() };
    let plan = port.plan(spec, options, ResolveImage::Never).await;
    let draft = Draft { verb: "deploy".to_owned(), ..Draft::default() };
    let order = Order { record, free, draft, intent: Edited::<Error>::default() };
    let terms = Terms { patience_ms: PATIENCE_MS, proof: false, watches_idle: false, ..Terms::default() };
    let how = Rollout { terms, dry_run: false };
    let jobs = vec![OfRollout::new(plan, Some(Ok::<_, LedgerError>(order)))];
    let first = async || Ok(());
    let mut done = rollout(port, jobs, &how, &mut ApproveAll::new(), first, &(), port).await?;
    Ok(done.pop().expect("one stack, one end"))
}
