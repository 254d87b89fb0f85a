//! The release transaction in a small world, stepped: several processes release one stack, and between any
//! two steps one may be killed, lose its lock, or find the ledger or the registry gone.
//!
//! The driver here is not the one of plain hosts: it keeps ledger, hosts and registry in memory and knows
//! virtual time alone. What it watches holds for every driver, since the order of the steps is the
//! transaction's.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use stackctl::ledger::LedgerError;
use stackctl::ledger::lease::Holder;
use stackctl::ledger::release::{History, Outcome, Release};
use stackctl::model::action::{Failure, FailureKind};
use stackctl::model::{MarkKey, NodeName, StackName, StackSpec, Timestamp};
use stackctl::ops::release::{
    Approve, Done, Draft, Driver, Entry, Intent, Lock, Plannable, Prepared, Proposal, Remembers, Started,
    Stop, Terms, Wanted, transaction,
};
use stackctl::ops::{Error, Event, Progress, RunReport};
use stackctl::orchestrator::pin::ResolveImage;
use stackctl::orchestrator::{End, Ending, PlanOptions, Problem, TaskFailure, Verdict};

use crate::builder::*;
use crate::faults::Luck;

/// How long a lock counts after its last heartbeat, in milliseconds.
const TTL_MS: i64 = 15_000;

/// Everything outside the processes.
#[derive(Default)]
struct World {
    now: i64,
    lock: Option<Held>,
    epoch: u64,
    releases: BTreeMap<u64, (Release, Option<Outcome>)>,
    /// The spec that runs.
    running: Option<StackSpec>,
    /// Counts every change of what runs.
    changes: u64,
    pulled: BTreeSet<String>,
    is_ledger_gone: bool,
    is_registry_gone: bool,
    /// Processes that could not give their lock back.
    unlock_failed: BTreeSet<usize>,
    /// What each process approved: what ran, and what is to run.
    approved: BTreeMap<usize, Vec<(Option<StackSpec>, StackSpec)>>,
    trace: Vec<String>,
}

#[derive(Clone, Copy, PartialEq)]
struct Held {
    process: usize,
    epoch: u64,
    until: i64,
}

impl World {
    fn say(&mut self, process: usize, what: &str) {
        self.trace.push(format!("{} {process} {what}", self.now));
    }

    fn holds(&self, process: usize, epoch: u64) -> bool {
        self.lock.is_some_and(|held| held.process == process && held.epoch == epoch && self.now < held.until)
    }
}

type Shared = Rc<RefCell<World>>;

/// One process's way to the world.
struct Process {
    id: usize,
    world: Shared,
    /// Pulls are asked to stop.
    stops: bool,
    /// What ran when this process looked last.
    seen: RefCell<Option<StackSpec>>,
    /// For a plan that is carried out as it was shown or not at all: what ran when it was made.
    exact: RefCell<Option<Option<StackSpec>>>,
}

struct Lease {
    process: usize,
    epoch: u64,
    world: Shared,
}

impl Lock for Lease {
    fn epoch(&self) -> u64 {
        self.epoch
    }

    fn is_valid(&self) -> bool {
        self.world.borrow().holds(self.process, self.epoch)
    }
}

struct Plan {
    /// How often what runs had changed when the hosts were looked at.
    base: u64,
    spec: StackSpec,
    options: PlanOptions,
    runs: Option<StackSpec>,
    pulls: bool,
    problems: Vec<Problem>,
}

impl Plannable for Plan {
    fn stack(&self) -> &StackName {
        &self.spec.name
    }

    fn spec(&self) -> &StackSpec {
        &self.spec
    }

    fn key(&self) -> &MarkKey {
        const { &MarkKey::unset() }
    }

    fn options(&self) -> &PlanOptions {
        &self.options
    }

    fn problems(&self) -> &[Problem] {
        &self.problems
    }

    fn actions(&self) -> usize {
        if self.runs.as_ref() == Some(&self.spec) { 0 } else { 2 }
    }

    fn pulls(&self) -> bool {
        self.pulls && self.actions() > 0
    }

    fn does_the_same(&self, other: &Self) -> bool {
        self.runs == other.runs && self.spec == other.spec && self.pulls == other.pulls
    }

    fn changes_the_same(&self, other: &Self) -> bool {
        self.runs == other.runs && self.spec == other.spec
    }
}

struct Record(History);

impl Remembers for Record {
    fn history(&self) -> &History {
        &self.0
    }
}

/// Lets every other process go on before this one does.
async fn step() {
    let mut is_done = false;
    std::future::poll_fn(
        |_| {
            if std::mem::replace(&mut is_done, true) { Poll::Ready(()) } else { Poll::Pending }
        },
    )
    .await;
}

fn gone() -> Error {
    Error::Ledger(LedgerError::NoMajority { answering: 0, managers: 1, needed: 1, silent: "h1".to_owned() })
}

impl Process {
    /// One question to the ledger.
    async fn ask(&self, what: &str) -> Result<(), Error> {
        step().await;
        let mut world = self.world.borrow_mut();
        world.say(self.id, what);
        if world.is_ledger_gone { Err(gone()) } else { Ok(()) }
    }

    fn look(&self, spec: StackSpec, options: PlanOptions) -> Plan {
        let world = self.world.borrow();
        self.seen.borrow_mut().clone_from(&world.running);
        let pulls = spec.services.values().any(|one| !world.pulled.contains(&one.task.image));
        Plan { base: world.changes, spec, options, runs: world.running.clone(), pulls, problems: Vec::new() }
    }

    fn report(&self, plan: &Arc<Plan>, began: i64, end: End) -> RunReport<Plan> {
        RunReport {
            plan: Arc::clone(plan),
            began: Timestamp(began),
            ended: self.now(),
            timeout_ms: 0,
            end,
            is_unbegun: false,
            proof: None,
            tails: Vec::new(),
            journal: None,
        }
    }

    /// What may never be otherwise when something that runs is changed.
    fn change(&self, plan: &Plan, epoch: u64, is_first: bool) {
        let mut world = self.world.borrow_mut();
        assert!(world.holds(self.id, epoch), "{} changes without the lock", self.id);
        let (release, outcome) = world.releases.values().next_back().expect("a release was begun");
        assert!(outcome.is_none() && release.who == self.id.to_string(), "no release of its own is open");
        assert_eq!(release.spec, plan.spec, "what is carried out is what was written down");
        let ours = (plan.runs.clone(), plan.spec.clone());
        let approved = world.approved.get(&self.id).is_some_and(|all| all.contains(&ours));
        assert!(approved, "{} carries out a plan that was not approved", self.id);
        if let Some(runs) = &*self.exact.borrow() {
            assert_eq!(plan.runs, *runs, "another plan than the one that was shown");
        }
        if is_first {
            assert_eq!(plan.runs, *self.seen.borrow(), "the plan is not of the last look");
            assert_eq!(world.changes, plan.base, "the plan is of an older state than the hosts are in");
        }
        assert!(
            !plan.spec.services.values().any(|one| !world.pulled.contains(&one.task.image)),
            "not pulled"
        );
        world.changes += 1;
        world.running = (!is_first).then(|| plan.spec.clone());
        world.say(self.id, "changes");
    }
}

impl Driver for Process {
    type Plan = Plan;
    type Lock = Lease;
    type Record = Record;
    type Begun = u64;

    fn now(&self) -> Timestamp {
        Timestamp(self.world.borrow().now)
    }

    async fn lock(
        &self,
        stack: &StackName,
        verb: &str,
        patience_ms: i64,
        mut waiting: impl FnMut(&Holder),
    ) -> Result<Lease, Error> {
        let begun = self.now();
        loop {
            self.ask("locks").await?;
            let mut world = self.world.borrow_mut();
            let now = world.now;
            match world.lock.filter(|held| now < held.until) {
                None => {
                    world.epoch += 1;
                    let (process, epoch) = (self.id, world.epoch);
                    world.lock = Some(Held { process, epoch, until: now + TTL_MS });
                    return Ok(Lease { process, epoch, world: Rc::clone(&self.world) });
                }
                Some(held) => {
                    let holder = Holder {
                        id: held.process.to_string(),
                        who: String::new(),
                        pid: 0,
                        process: String::new(),
                        verb: verb.to_owned(),
                    };
                    if now - begun.0 >= patience_ms {
                        return Err(Error::Held {
                            stack: stack.clone(),
                            holder: Box::new(holder),
                            age_ms: None,
                            lasts_ms: 35_000,
                            has_ended: false,
                        });
                    }
                    drop(world);
                    waiting(&holder);
                }
            }
        }
    }

    async fn unlock(&self, lock: Lease) -> Result<(), Error> {
        if let Err(error) = self.ask("unlocks").await {
            self.world.borrow_mut().unlock_failed.insert(self.id);
            return Err(error);
        }
        let mut world = self.world.borrow_mut();
        if world.holds(self.id, lock.epoch) {
            world.lock = None;
        }
        Ok(())
    }

    async fn read(&self, _: &StackName) -> Result<Record, Error> {
        self.ask("reads").await?;
        let releases = self.world.borrow().releases.clone();
        Ok(Record(History { releases, ..History::default() }))
    }

    async fn plan(&self, spec: StackSpec, options: PlanOptions, _: ResolveImage) -> Plan {
        step().await;
        self.look(spec, options)
    }

    async fn plan_again(&self, plan: &Plan, spec: Option<StackSpec>) -> Plan {
        step().await;
        self.look(spec.unwrap_or_else(|| plan.spec.clone()), plan.options.clone())
    }

    async fn prepare(
        &self,
        plan: &Arc<Plan>,
        _: &Terms,
        lock: &Lease,
        _: &impl Stop,
        _: &impl Progress<Plan>,
    ) -> Prepared<Plan> {
        let begun = self.now().0;
        step().await;
        if self.stops {
            return Prepared::Ended(self.report(plan, begun, End::Interrupted));
        }
        if !lock.is_valid() {
            return Prepared::Ended(self.report(plan, begun, End::LeaseLost));
        }
        let is_gone = self.world.borrow().is_registry_gone;
        if is_gone {
            let failure = Failure {
                kind: FailureKind::Refused,
                code: "gone".to_owned(),
                message: "no registry".to_owned(),
                help: None,
            };
            let failed = TaskFailure {
                node: NodeName::unchecked("h1"),
                what: "pull image".to_owned(),
                container: None,
                task: None,
                failure,
            };
            let end = End::Verdict(Verdict::not_prepared(vec![failed]));
            return Prepared::Ended(self.report(plan, begun, end));
        }
        let images = plan.spec.services.values().map(|one| one.task.image.clone());
        self.world.borrow_mut().pulled.extend(images);
        Prepared::Pulled
    }

    async fn begin(&self, plan: &Plan, record: &Record, entry: Entry) -> Result<Started<u64>, Error> {
        self.ask("begins").await?;
        let Entry::Release(draft) = entry else { panic!("only releases here") };
        let mut world = self.world.borrow_mut();
        // The transaction asks for the lock before; what falls between that and the write is fenced here.
        if !world.lock.is_some_and(|held| held.process == self.id && world.now < held.until) {
            return Err(gone());
        }
        let number = record
            .0
            .last()
            .map_or(1, |(number, ..)| number + 1)
            .max(world.releases.last_key_value().map_or(1, |(number, _)| number + 1));
        let release = Release::of(plan.spec.clone(), draft.verb, self.id.to_string(), Timestamp(world.now));
        let is_alone = world.releases.insert(number, (release, None)).is_none();
        assert!(is_alone, "a release is written once");
        Ok(Started { number, commit: None, begun: number })
    }

    async fn run(
        &self,
        plan: &Arc<Plan>,
        _: &Terms,
        lock: Option<&Lease>,
        _: &impl Stop,
        _: &impl Progress<Plan>,
    ) -> RunReport<Plan> {
        let begun = self.now().0;
        assert!(plan.actions() == 0 || lock.is_some(), "a plan with actions runs under the lock");
        for is_first in [true, false].into_iter().take(plan.actions()) {
            step().await;
            let lock = lock.expect("just looked at");
            if !lock.is_valid() {
                return self.report(plan, begun, End::LeaseLost);
            }
            self.change(plan, lock.epoch, is_first);
        }
        // The tasks are watched until they are up: the lock may be lost meanwhile.
        step().await;
        let verdict = Verdict { ending: Ending::Converged, services: Vec::new(), failures: Vec::new() };
        self.report(plan, begun, End::Verdict(verdict))
    }

    async fn end(
        &self,
        begun: u64,
        _: &Record,
        report: &RunReport<Plan>,
        outcome: Option<&Outcome>,
    ) -> Result<(), Error> {
        if let Some(outcome) = outcome {
            let mut world = self.world.borrow_mut();
            let is_holder = world.lock.is_some_and(|held| held.process == self.id && world.now < held.until);
            assert!(is_holder, "{} writes an outcome without the lock", self.id);
            if let Some((_, of)) = world.releases.get_mut(&begun) {
                assert!(of.is_none(), "an outcome is written once");
                *of = Some(outcome.clone());
            }
            assert!(report.is_converged());
        }
        Ok(())
    }
}

/// What a process wants: a spec of its own; one that plans only under the lock, or before it.
struct Wish {
    spec: StackSpec,
    /// Asked so often, it is not wanted any more.
    tires_after: u32,
    asked: u32,
    said_no: bool,
}

impl Intent for Wish {
    type Error = Error;

    async fn wanted(&mut self, _: &History) -> Result<Option<Wanted>, Error> {
        let entry = Entry::Release(Box::new(Draft { verb: "reconcile".to_owned(), ..Draft::default() }));
        let (spec, options) = (self.spec.clone(), PlanOptions::default());
        Ok(Some(Wanted { spec, options, resolve: ResolveImage::Never, entry }))
    }

    async fn is_still_wanted(&mut self, _: &History) -> Result<bool, Error> {
        assert!(!self.said_no, "asked again after a no");
        self.asked += 1;
        self.said_no = self.asked > self.tires_after;
        Ok(!self.said_no)
    }
}

/// Says yes, unless to a plan that was changed, now and then.
struct Consent {
    process: usize,
    world: Shared,
    refuses: bool,
}

impl Approve<Plan> for Consent {
    type Error = Error;

    async fn approve(&mut self, plans: &[&Plan]) -> Result<(), Error> {
        step().await;
        if self.refuses {
            return Err(Error::NotApproved);
        }
        for plan in plans {
            let what = (plan.runs.clone(), plan.spec.clone());
            self.world.borrow_mut().approved.entry(self.process).or_default().push(what);
        }
        Ok(())
    }
}

/// Keeps what is said, to be looked at.
struct Said(RefCell<Vec<&'static str>>);

impl Progress<Plan> for Said {
    fn event(&self, _: Timestamp, event: Event<Plan>) {
        let word = match event {
            Event::Plan(_) => "plan",
            Event::PlanChanged { .. } => "changed",
            Event::AlreadyApplied { .. } => "applied",
            Event::Began(_) => "began",
            Event::RunBegan(_) => "run",
            Event::RunEnded(_) => "ran",
            Event::Ended { .. } => "ended",
            _ => return,
        };
        self.0.borrow_mut().push(word);
    }
}

fn version(number: i64) -> StackSpec {
    stack(vec![with_image(replicated("web", 1), &format!("web:{number}"))])
}

/// How one process behaves.
#[derive(Clone)]
struct Habit {
    spec: StackSpec,
    plans_before: bool,
    is_exact: bool,
    refuses: bool,
    stops: bool,
    tires_after: u32,
    patience_ms: i64,
}

impl Habit {
    fn plain(spec: StackSpec) -> Self {
        Self {
            spec,
            plans_before: true,
            is_exact: false,
            refuses: false,
            stops: false,
            tires_after: u32::MAX,
            patience_ms: i64::MAX,
        }
    }

    fn draw(luck: &mut Luck) -> Self {
        Self {
            plans_before: luck.once_in(2),
            is_exact: luck.once_in(5),
            refuses: luck.once_in(6),
            stops: luck.once_in(12),
            tires_after: if luck.once_in(4) { u32::try_from(luck.between(0, 1)).unwrap() } else { u32::MAX },
            patience_ms: *luck.pick(&[0, 5_000, 60_000]),
            ..Self::plain(version(luck.between(1, 3)))
        }
    }
}

/// A whole process: what it reads and shows before the lock, and the transaction.
async fn process(id: usize, world: Shared, habit: Habit) -> (Result<&'static str, Error>, Vec<&'static str>) {
    let said = Said(RefCell::default());
    let result = release(id, world, habit, &said).await;
    (result, said.0.into_inner())
}

async fn release(id: usize, world: Shared, habit: Habit, said: &Said) -> Result<&'static str, Error> {
    let driver = Process {
        id,
        world: Rc::clone(&world),
        stops: habit.stops,
        seen: RefCell::default(),
        exact: RefCell::default(),
    };
    let mut consent = Consent { process: id, world: Rc::clone(&world), refuses: false };
    let (spec, tires_after) = (habit.spec.clone(), habit.tires_after);
    let mut wish = Wish { spec, tires_after, asked: 0, said_no: false };
    let proposal = if habit.plans_before {
        driver.ask("looks who holds the lock").await?;
        let free = {
            let world = world.borrow();
            let is_held = world.lock.is_some_and(|held| world.now < held.until);
            if is_held { 0 } else { world.epoch + 1 }
        };
        let record = driver.read(&habit.spec.name).await?;
        let plan = driver.plan(habit.spec.clone(), PlanOptions::default(), ResolveImage::Never).await;
        consent.approve(&[&plan]).await?;
        if habit.is_exact {
            *driver.exact.borrow_mut() = Some(plan.runs.clone());
        }
        let entry = Entry::Release(Box::new(Draft { verb: "deploy".to_owned(), ..Draft::default() }));
        Some(Proposal { plan: Arc::new(plan), record, free, entry })
    } else {
        None
    };
    consent.refuses = habit.refuses;
    let terms = Terms { patience_ms: habit.patience_ms, is_exact: habit.is_exact, ..Terms::default() };
    let before = world.borrow().releases.len();
    let name = habit.spec.name.clone();
    let done =
        transaction(&driver, &name, "deploy", proposal, &mut wish, &mut consent, &terms, &(), said).await?;
    let own = world.borrow().releases.values().skip(before).any(|(one, _)| one.who == id.to_string());
    Ok(match done {
        Done::NotWanted => {
            assert!(wish.said_no && !own, "what is not wanted any more is not written");
            "not wanted"
        }
        Done::Idle => "idle",
        Done::Ran(ran) => {
            assert_eq!(ran.number.is_some(), own, "a run that was begun is in the ledger, and no other");
            assert!(!ran.report.is_unbegun || !own, "what ended in its pulls changed nothing");
            match &ran.report.end {
                End::Verdict(verdict) if verdict.ending == Ending::Converged => "converged",
                End::Verdict(_) => {
                    assert!(ran.number.is_none(), "images that cannot be pulled are no release");
                    "not prepared"
                }
                End::LeaseLost => "lock lost",
                _ => "stopped",
            }
        }
    })
}

type Running = Pin<Box<dyn Future<Output = (Result<&'static str, Error>, Vec<&'static str>)>>>;

/// Lets one process take one step; its heartbeat goes out beside it.
fn poll(world: &Shared, id: usize, process: &mut Running) -> Poll<()> {
    {
        let mut world = world.borrow_mut();
        let now = world.now;
        if let Some(held) = &mut world.lock
            && held.process == id
            && now < held.until
        {
            held.until = now + TTL_MS;
        }
    }
    process.as_mut().poll(&mut Context::from_waker(Waker::noop())).map(|(result, said)| {
        let word = result.as_ref().map_or_else(ToString::to_string, |word| (*word).to_owned());
        let mut world = world.borrow_mut();
        let holds = world.lock.is_some_and(|held| held.process == id && world.now < held.until);
        assert!(!holds || world.unlock_failed.contains(&id), "{id} keeps the lock");
        world.say(id, &format!("{word}: {}", said.join(" ")));
    })
}

/// Several processes at once under faults, then one alone in peace. The trace, to be compared.
fn run(seed: u64) -> Vec<String> {
    let mut luck = Luck::new(seed);
    let world: Shared = Rc::default();
    let (kill_in, fault_in, stall_in) =
        (*luck.pick(&[0, 40, 12]), *luck.pick(&[0, 25, 8]), *luck.pick(&[0, 30]));
    let mut processes: BTreeMap<usize, Running> = BTreeMap::new();
    let mut next = 0;
    for _ in 0..400 {
        if processes.len() < 3 && next < 8 {
            let habit = Habit::draw(&mut luck);
            processes.insert(next, Box::pin(process(next, Rc::clone(&world), habit)));
            next += 1;
        }
        let ids: Vec<usize> = processes.keys().copied().collect();
        if ids.is_empty() {
            break;
        }
        let id = *luck.pick(&ids);
        world.borrow_mut().now += luck.between(0, 900);
        if luck.once_in(stall_in) {
            // A laptop is closed: no process takes a step, and no heartbeat goes out.
            world.borrow_mut().now += 2 * TTL_MS;
        }
        if luck.once_in(fault_in) {
            let mut world = world.borrow_mut();
            world.is_ledger_gone = luck.once_in(2);
            world.is_registry_gone = luck.once_in(2);
        }
        if luck.once_in(fault_in) {
            // Behind the back of all processes.
            world.borrow_mut().running = None;
        }
        if luck.once_in(kill_in) {
            world.borrow_mut().say(id, "is killed");
            processes.remove(&id);
        } else if poll(&world, id, processes.get_mut(&id).expect("picked from these")).is_ready() {
            processes.remove(&id);
        }
    }
    drop(processes);
    peace(&world, next);
    world.take().trace
}

/// Nothing fails any more: what is wanted is reached, and a second time there is nothing to do.
fn peace(world: &Shared, mut id: usize) {
    {
        let mut world = world.borrow_mut();
        world.is_ledger_gone = false;
        world.is_registry_gone = false;
    }
    let alone = |id: usize| {
        let mut one: Running = Box::pin(process(id, Rc::clone(world), Habit::plain(version(9))));
        for _ in 0..200 {
            world.borrow_mut().now += 1_000;
            if poll(world, id, &mut one).is_ready() {
                return;
            }
        }
        panic!("process {id} never ends");
    };
    alone(id);
    assert_eq!(world.borrow().running, Some(version(9)), "what is wanted is reached");
    let last = world.borrow().releases.values().next_back().and_then(|(_, outcome)| outcome.clone());
    assert_eq!(last, Some(Outcome::Deployed));
    assert!(world.borrow().lock.is_none(), "the lock is given back");
    let (changes, releases) = (world.borrow().changes, world.borrow().releases.len());
    id += 1;
    alone(id);
    let after = (world.borrow().changes, world.borrow().releases.len());
    assert_eq!(after, (changes, releases), "the second time there is nothing to do");
}

#[test]
fn every_seed_of_the_transaction_is_safe_and_arrives() {
    crate::each_seed("every_seed_of_the_transaction", crate::SEEDS, run);
}

#[test]
fn equal_seeds_of_the_transaction_have_equal_traces() {
    for seed in [1, 99, 2024] {
        assert_eq!(run(seed), run(seed), "seed {seed}");
    }
}

/// One process that meets nobody.
fn alone(habit: Habit, prepare: impl FnOnce(&mut World)) -> (String, Shared) {
    let world: Shared = Rc::default();
    prepare(&mut world.borrow_mut());
    let mut one: Running = Box::pin(process(0, Rc::clone(&world), habit));
    while poll(&world, 0, &mut one).is_pending() {
        world.borrow_mut().now += 10;
    }
    let last = world.borrow().trace.last().cloned().unwrap_or_default();
    (last.split_once(" 0 ").map(|(_, rest)| rest.to_owned()).unwrap_or_default(), world)
}

#[test]
fn a_registry_that_does_not_answer_is_no_release() {
    let (said, world) = alone(Habit::plain(version(1)), |world| world.is_registry_gone = true);
    assert_eq!(said, "not prepared: run ran");
    assert!(world.borrow().releases.is_empty() && world.borrow().lock.is_none());
}

#[test]
fn a_loop_s_release_is_planned_shown_and_written_under_the_lock() {
    let (said, world) = alone(Habit { plans_before: false, ..Habit::plain(version(1)) }, |_| {});
    assert_eq!(said, "converged: plan run began ran ended");
    assert_eq!(world.borrow().releases.len(), 1);
}

#[test]
fn what_is_no_longer_wanted_after_the_pulls_is_not_begun() {
    let (said, world) = alone(Habit { tires_after: 1, ..Habit::plain(version(1)) }, |_| {});
    assert_eq!(said, "not wanted: run");
    assert!(world.borrow().releases.is_empty() && world.borrow().running.is_none());
}
