//! The driver for plain hosts: the ledger, the look at the hosts, the registries, and the run.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::join_all;
use tokio::task::JoinHandle;

use super::in_place;
use super::release::{Draft, Driver, Entry, Lock as _, Prepared, Pulls, Remembers, Started, Stop, Terms};
use crate::engine::lease::{Busy, NotTaken, Wanted, look, take};
use crate::engine::plan::{LastSeen, ask_memory, remember_lost};
use crate::engine::records::{self, Contents, Remembered, remembered_beside, remembered_to_write};
use crate::engine::{
    Clock, ClusterReader, Journal, Lease, Me, Reading, Request, RunContext, RunOptions, Store, Validity,
    Writing, node_records, run,
};
use crate::fleet::{Fleet, Observer, RegisterReader, RegisterWriter};
use crate::ledger::lease::{Holder, Terms as LeaseTerms, stream};
use crate::ledger::operation::{self, Changed, Ending as OperationEnding, Operation};
use crate::ledger::payload::value;
use crate::ledger::release::{Git, History, Outcome as Recorded, Release, outcomes};
use crate::ledger::{LedgerError, ReadRegisters as _, document, settings};
use crate::model::{NodeName, Observed, StackName, StackSpec, Timestamp};
use crate::ops::agents::need::EnsureAgents;
use crate::ops::served::served;
use crate::ops::vault::values::Values;
use crate::ops::{Error, Event, Progress, RunReport, Tail, Unknown, failures, shortfall};
use crate::orchestrator::pin::ResolveImage;
use crate::orchestrator::{End, Ending, PlanOptions, Planned, Verdict};

/// Between two reports that a holder of the lock is waited for, in milliseconds.
const WAITING_EVERY_MS: i64 = 10_000;
/// Between two ticks while images are pulled.
const TICK_EVERY: Duration = Duration::from_millis(100);
/// Lines of a failed container's output that are fetched.
const TAIL_LINES: u32 = 10;
/// Containers whose output is fetched.
const TAILS_MAX: usize = 8;

mod beginning;
mod members;
mod outlast;
mod pulls;
mod secrets;

type Held = Lease<Store<RegisterWriter>>;

/// A cluster of plain hosts. For one transaction at a time: it holds the journal of that.
#[derive(Debug)]
pub struct Hosts<'a> {
    /// The hosts.
    pub fleet: &'a Fleet,
    /// What looks at them.
    pub observer: Observer,
    /// The one clock.
    pub clock: Clock,
    /// The records, to be read.
    pub reading: &'a Reading,
    /// The records, to be written.
    pub writing: Arc<Writing>,
    /// This process.
    pub me: Me,
    /// Where journals of runs are kept; `None` for a machine without a place for them.
    pub journals: Option<PathBuf>,
    /// Whether hosts are discovered: other processes then have to learn of those that are used here.
    pub discovers: bool,
    /// Values of secrets, and what brings agents; `None` where no plan has any secret.
    pub secrets: Option<(Arc<Values>, Arc<dyn EnsureAgents>)>,
    /// What was last seen of nodes that are lost, laid into each look at the hosts.
    pub last_seen: LastSeen,
    run: Mutex<Preparation>,
}

/// What was done before the run.
#[derive(Debug, Default)]
struct Preparation {
    journal: Option<Journal>,
    pulled: BTreeSet<(NodeName, Arc<str>)>,
    began: Option<Timestamp>,
    /// When a lock was taken of which the ledger remembered nothing.
    found_nothing: Option<Timestamp>,
    /// Whether something was sent that may still arrive.
    is_uncertain: bool,
    /// What came of changes that the ledger remembers for each task.
    changes: in_place::Changes,
    /// Agents that do not know the others.
    unknown: Vec<Unknown>,
    /// Contents of configs that were read because the plan lacks them.
    contents: Contents,
    /// Of the lock under which it is run.
    validity: Option<Validity>,
}

/// What the ledger remembers of a stack.
#[derive(Debug)]
pub struct HostsRecord {
    remembered: Remembered,
    is_under_way: bool,
    knows_no_lock: bool,
    managers_changed: bool,
}

impl HostsRecord {
    /// Whether other managers than those of now wrote the records of nodes last, or those of the stack.
    #[must_use]
    pub fn managers_changed(&self) -> bool {
        self.managers_changed
    }
}

impl Remembers for HostsRecord {
    fn history(&self) -> &History {
        &self.remembered.history
    }

    fn is_under_way(&self) -> bool {
        self.is_under_way
    }

    fn knows_no_lock(&self) -> bool {
        self.knows_no_lock
    }
}

/// An operation of plain hosts that was begun.
#[derive(Debug)]
pub enum Begun {
    /// A release.
    Release(records::Begun),
    /// A heal: the release it restores, whether it finishes that, and its number in the log, once it is
    /// written.
    Heal {
        /// The release.
        release: u64,
        /// Whether the run of the release was cut short.
        is_unfinished: bool,
        /// Its entry in the log.
        entry: JoinHandle<Result<u64, LedgerError>>,
    },
}

impl<'a> Hosts<'a> {
    /// A driver without journals, for hosts that are all named in the inventory.
    #[must_use]
    pub fn new(fleet: &'a Fleet, clock: Clock, reading: &'a Reading, writing: Arc<Writing>, me: Me) -> Self {
        // Who has a driver is about to change something.
        me.new_key.draw();
        Self {
            fleet,
            observer: fleet.observer(),
            clock,
            reading,
            writing,
            me,
            journals: None,
            discovers: false,
            secrets: None,
            last_seen: Arc::default(),
            run: Mutex::default(),
        }
    }

    /// With a place for the journals of runs.
    #[must_use]
    pub fn with_journals(self, journals: Option<PathBuf>) -> Self {
        Self { journals, ..self }
    }

    /// For a cluster whose hosts are discovered.
    #[must_use]
    pub fn discovering(self, discovers: bool) -> Self {
        Self { discovers, ..self }
    }

    /// For a loop: it looks through an observer that waits for no silent host, and knows what was last seen of
    /// nodes that are lost.
    #[must_use]
    pub fn of_loop(self, observer: Observer, last_seen: LastSeen) -> Self {
        Self { observer, last_seen, ..self }
    }

    fn cluster_reader(&self) -> ClusterReader<'_, Store<RegisterReader>> {
        ClusterReader { observer: &self.observer, ledger: self.reading, new_key: &self.me.new_key }
    }

    async fn look(&self, options: &mut PlanOptions) -> Observed {
        let mut observed = self.cluster_reader().observe(self.clock.now()).await;
        remember_lost(&mut observed, &mut options.lost, &self.last_seen);
        observed
    }

    /// Reads who works on a stack and what is remembered of it, before a plan is made; puts in order what
    /// another process left half written, which would stop the plan or the loop, or be passed over by the plan. What a
    /// process that has the lock left so is put in order once the lock is ours.
    ///
    /// The order matters: the number that is free in the lock's stream is read first. A process that takes the
    /// lock with that number knows that nothing was done since. It is 0, which no lock has, if another process
    /// held the lock then.
    pub async fn read_before<T>(
        &self,
        stack: &StackName,
        meanwhile: impl Future<Output = T>,
    ) -> (T, Result<(HostsRecord, u64), LedgerError>) {
        let settings = settings::stream(stack);
        let tended = async {
            tokio::try_join!(node_records::settle(&self.writing), document::repair(&self.writing, &settings))
        };
        let (looked, tended) = tokio::join!(look(&self.writing, stack), tended);
        let looked = looked.and_then(|(log, state)| tended.map(|(changed, ())| (log, state, changed)));
        let is_quiet = looked.as_ref().is_ok_and(|(_, state, _)| !state.is_under_way());
        let read = async {
            match is_quiet {
                true => remembered_to_write(&self.writing, stack).await,
                false => remembered_beside(&self.writing, stack).await,
            }
        };
        let read = async {
            let mut remembered = read.await?;
            self.open(&mut remembered).await;
            Ok(remembered)
        };
        let (done, remembered) = tokio::join!(meanwhile, read);
        let record = looked.and_then(|(log, state, managers_changed)| {
            let (is_under_way, knows_no_lock) = (state.is_under_way(), state.sign == 0);
            // A holder that is killed writes nothing any more: the number that is free now stays free, and yet
            // it may have changed something after the look that follows. No lock has the number 0.
            let free = if is_under_way { 0 } else { log.next() };
            remembered.map(|remembered| {
                let managers_changed =
                    managers_changed || remembered.is_of_others(self.writing.registers().managers());
                (HostsRecord { remembered, is_under_way, knows_no_lock, managers_changed }, free)
            })
        });
        (done, record)
    }

    fn run(&self) -> std::sync::MutexGuard<'_, Preparation> {
        self.run.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A run without a journal is still a run.
    /// Says what was found out before the run of agents that do not know each other.
    fn tell_unknown(&self, progress: &impl Progress<Planned>) {
        let unknown = std::mem::take(&mut self.run().unknown);
        for unknown in unknown {
            progress.event(self.clock.now(), Event::AgentsUnknown(unknown));
        }
    }

    fn begin_journal(&self, planned: &Planned, lock: Option<&Held>, progress: &impl Progress<Planned>) {
        let mut run = self.run();
        run.began.get_or_insert_with(|| self.clock.now());
        if run.journal.is_some() || !planned.is_busy() {
            return;
        }
        let Some(dir) = &self.journals else { return };
        match Journal::create(dir, planned.stack(), lock.map(Lease::id), self.clock.now()) {
            Ok(journal) => run.journal = Some(journal),
            Err(error) => {
                let (dir, why) = (dir.clone(), error.to_string());
                progress.event(self.clock.now(), Event::NoJournal { dir, why });
            }
        }
    }

    async fn report(
        &self,
        plan: &Arc<Planned>,
        terms: &Terms,
        end: End,
        with_proof: bool,
    ) -> RunReport<Planned> {
        // What is uncertain stays so until the lock is given back.
        let (journal, began) = {
            let mut run = self.run();
            run.pulled.clear();
            (run.journal.take(), run.began.take())
        };
        let journal = journal.and_then(|journal| journal.path().map(PathBuf::from));
        let began = began.unwrap_or_else(|| self.clock.now());
        let tails = match &end {
            End::Verdict(verdict) => self.tails(verdict).await,
            _ => Vec::new(),
        };
        let proof = if with_proof { Some(Arc::new(self.plan_again(plan, None).await)) } else { None };
        RunReport {
            plan: Arc::clone(plan),
            began,
            ended: self.clock.now(),
            timeout_ms: terms.timeout_ms,
            end,
            is_unbegun: false,
            proof,
            tails,
            journal,
        }
    }

    /// The last words of containers that failed.
    async fn tails(&self, verdict: &Verdict) -> Vec<Tail> {
        let mut containers: Vec<(NodeName, String)> = Vec::new();
        for failed in failures(verdict) {
            if let Some(container) = &failed.container {
                let one = (failed.node.clone(), container.clone());
                if !containers.contains(&one) && containers.len() < TAILS_MAX {
                    containers.push(one);
                }
            }
        }
        join_all(containers.into_iter().map(async |(node, container)| {
            let lines = self.observer.tail(&node, &container, TAIL_LINES).await;
            Tail { node, container, lines }
        }))
        .await
    }

    async fn begin_release(
        &self,
        plan: &Planned,
        record: &HostsRecord,
        draft: Draft,
    ) -> Result<Started<Begun>, Error> {
        let Draft { verb, files, message, git, source } = draft;
        let git = match git {
            Some(commit) => commit.read().await,
            None => None,
        };
        let commit = git.as_ref().map(Git::short);
        let release = Release {
            files,
            message,
            git,
            source,
            ..Release::of(plan.spec().clone(), verb, self.me.who.clone(), self.clock.now())
        };
        let contents = self.run().contents.clone();
        let key = &plan.observed().key;
        let to = self.release_recipient(plan.observed()).await?;
        let validity = self.run().validity.clone();
        let may = || validity.as_ref().is_none_or(Validity::is_valid);
        let begun =
            record.remembered.begin(&self.writing, release, (key, to.as_ref()), &contents, may).await?;
        let begun = begun.ok_or_else(|| Error::LockLost { stack: plan.stack().clone() })?;
        Ok(Started { number: begun.number, commit, begun: Begun::Release(begun) })
    }

    /// Writes down that a stack is being healed. The work does not wait for that.
    fn begin_heal(&self, plan: &Planned, release: u64, is_unfinished: bool) -> Started<Begun> {
        let stack = plan.stack().clone();
        let operation = Operation {
            verb: "heal".to_owned(),
            who: self.me.who.clone(),
            at: self.clock.now(),
            message: None,
            stacks: vec![stack.clone()],
            changes: vec![Changed::Healed { release, actions: plan.plan().forecast.actions().count() }],
        };
        let writing = Arc::clone(&self.writing);
        let entry =
            tokio::spawn(
                async move { operation::begin(&writing, &operation::heals(&stack), operation).await },
            );
        let begun = Begun::Heal { release, is_unfinished, entry };
        Started { number: release, commit: None, begun }
    }

    async fn end_heal(
        &self,
        stack: &StackName,
        entry: JoinHandle<Result<u64, LedgerError>>,
        report: &RunReport<Planned>,
    ) {
        let ending = match shortfall(&report.end) {
            None => OperationEnding::Done,
            Some(why) => OperationEnding::Failed { why },
        };
        if let Ok(Ok(number)) = entry.await {
            // If it is not written, it shows as cut off, which is what happened to the log.
            let _shows_as_cut_off =
                operation::end(&self.writing, &operation::heals(stack), number, self.clock.now(), ending)
                    .await;
        }
    }
}

impl Driver for Hosts<'_> {
    type Plan = Planned;
    type Lock = Held;
    type Record = HostsRecord;
    type Begun = Begun;

    fn now(&self) -> Timestamp {
        self.clock.now()
    }

    async fn lock(
        &self,
        stack: &StackName,
        verb: &str,
        patience_ms: i64,
        mut waiting: impl FnMut(&Holder),
    ) -> Result<Self::Lock, Error> {
        let holder = self.me.holder(stack.as_str(), verb);
        let terms = if self.fleet.has_dialled_loose() { LeaseTerms::STACK_LOOSE } else { LeaseTerms::STACK };
        let wanted = Wanted { stream: stream(stack), holder, terms, patience_ms };
        let mut said: Option<Timestamp> = None;
        let tell = |busy: &Busy| {
            let now = self.clock.now();
            if said.is_none_or(|at| now.since_ms(at) >= WAITING_EVERY_MS) {
                said = Some(now);
                waiting(&busy.held.holder);
            }
        };
        let taken = take(&self.writing, self.clock, wanted, self.me.is_gone, tell).await;
        if let Ok(lease) = &taken {
            self.run().found_nothing = lease.found().is_nothing.then(|| self.clock.now());
            self.run().validity = Some(lease.validity().clone());
            if lease.found().dead.is_some() {
                self.fleet.end_connections_of_the_killed().await;
            }
        }
        taken.map_err(|why| match why {
            NotTaken::Ledger(error) => Error::Ledger(error),
            NotTaken::Held(Busy { held, age_ms }) => {
                let (lasts_ms, has_ended) = (held.left_ms(None, 0), held.is_last);
                let holder = Box::new(held.holder);
                Error::Held { stack: stack.clone(), holder, age_ms, lasts_ms, has_ended }
            }
        })
    }

    async fn unlock(&self, lock: Self::Lock) -> Result<(), Error> {
        if std::mem::take(&mut self.run().is_uncertain) {
            return Ok(lock.leave().await?);
        }
        Ok(lock.release().await?)
    }

    async fn outlast_stops(&self, stack: &StackName, lock: &Held, progress: &impl Progress<Planned>) -> bool {
        self.wait_for_stops(stack, lock, progress).await || lock.found().dead.is_some()
    }

    async fn outlast_forgotten(
        &self,
        plan: &Planned,
        lock: &Held,
        progress: &impl Progress<Planned>,
    ) -> bool {
        self.wait_for_a_forgotten_holder(plan, lock, progress).await
    }

    async fn read(&self, stack: &StackName) -> Result<HostsRecord, Error> {
        let mut remembered = remembered_to_write(&self.writing, stack).await?;
        self.open(&mut remembered).await;
        // They were waited for when the lock was taken.
        let record =
            HostsRecord { remembered, is_under_way: false, knows_no_lock: false, managers_changed: false };
        Ok(record)
    }

    async fn plan(&self, spec: StackSpec, options: PlanOptions, resolve: ResolveImage) -> Planned {
        let request =
            Request { options, resolve, last_seen: Arc::clone(&self.last_seen), ..Request::default() };
        crate::engine::plan(self.cluster_reader(), self.clock.now(), spec, request).await
    }

    async fn plan_again(&self, plan: &Planned, spec: Option<StackSpec>) -> Planned {
        let mut options = plan.options().clone();
        let mut observed = self.look(&mut options).await;
        let spec = spec.unwrap_or_else(|| plan.spec().clone());
        ask_memory(&self.observer, &mut observed, &spec).await;
        Planned::make(observed, spec, options)
    }

    async fn prepare(
        &self,
        plan: &Arc<Planned>,
        terms: &Terms,
        lock: &Held,
        stop: &impl Stop,
        progress: &impl Progress<Planned>,
    ) -> Prepared<Planned> {
        self.begin_journal(plan, Some(lock), progress);
        stop.arm();
        let mut pull = std::pin::pin!(self.pull(plan, lock, progress));
        let mut stopped = std::pin::pin!(stop.stopped());
        let is_watched = terms.pulls == Pulls::Watched;
        let limit_ms = if is_watched { terms.timeout_ms } else { i64::MAX };
        let (begun, mut is_stopping) = (self.clock.now(), false);
        let end = loop {
            tokio::select! {
                biased;
                (pulled, failed) = &mut pull => {
                    if is_stopping {
                        break End::Interrupted;
                    }
                    if failed.is_empty() {
                        stop.disarm();
                        self.run().pulled = pulled;
                        return Prepared::Pulled;
                    }
                    break End::Verdict(Verdict::not_prepared(failed));
                }
                () = &mut stopped, if !is_stopping => {
                    if !is_watched {
                        break End::Interrupted;
                    }
                    is_stopping = true;
                    progress.event(self.clock.now(), Event::Stopping);
                }
                () = tokio::time::sleep(TICK_EVERY) => progress.event(self.clock.now(), Event::Tick),
            }
            if !lock.is_valid() {
                break End::LeaseLost;
            }
            if self.clock.now().since_ms(begun) >= limit_ms {
                break End::TimedOut(Vec::new());
            }
        };
        stop.disarm();
        Prepared::Ended(self.report(plan, terms, end, false).await)
    }

    async fn claim(&self, plan: &Planned, record: &HostsRecord, entry: &Entry) -> Result<bool, Error> {
        // Before anything is written: without them nothing can be done.
        let contents = match plan.is_busy() {
            true => record.remembered.contents(self.reading, plan.spec()).await?,
            false => Contents::new(),
        };
        self.run().contents = contents;
        let is_release = matches!(entry, Entry::Release(_));
        self.keep_secrets(plan, record, is_release).await?;
        self.write_beginning(plan, is_release).await
    }

    async fn begin(
        &self,
        plan: &Planned,
        record: &HostsRecord,
        entry: Entry,
    ) -> Result<Started<Begun>, Error> {
        self.remember_volumes(plan, &BTreeSet::new()).await?;
        match entry {
            Entry::Release(draft) => self.begin_release(plan, record, *draft).await,
            Entry::Heal { number, is_unfinished } => Ok(self.begin_heal(plan, number, is_unfinished)),
        }
    }

    async fn run(
        &self,
        plan: &Arc<Planned>,
        terms: &Terms,
        lock: Option<&Held>,
        stop: &impl Stop,
        progress: &impl Progress<Planned>,
    ) -> RunReport<Planned> {
        // Only a plan that changes nothing runs without a lock, and every caller is held to it.
        if lock.is_none() && plan.is_busy() {
            return self.report(plan, terms, End::LeaseLost, false).await;
        }
        self.begin_journal(plan, lock, progress);
        self.tell_unknown(progress);
        let (mut journal, pulled, began, contents) = {
            let mut run = self.run();
            let journal = run.journal.take().unwrap_or_else(Journal::none);
            (journal, std::mem::take(&mut run.pulled), run.began, std::mem::take(&mut run.contents))
        };
        let filled = (!contents.is_empty()).then(|| Arc::new(plan.with_contents(&contents)));
        let plan = filled.as_ref().unwrap_or(plan);
        let spent_ms = match began {
            Some(began) if terms.pulls == Pulls::Watched => self.clock.now().since_ms(began),
            _ => 0,
        };
        let validity = lock.map_or_else(Validity::always, |lock| lock.validity().clone());
        self.run().validity = Some(validity.clone());
        let mut executor = self.fleet.executor(plan.stack(), &plan.observed().key).fenced(validity.fence());
        if let Some((values, _)) = &self.secrets {
            executor = executor.with_secrets(Arc::clone(values) as _);
        }
        let options =
            RunOptions { timeout_ms: Some(terms.timeout_ms - spent_ms), detach: terms.detach, pulled };
        let context = RunContext {
            observer: &self.observer,
            executor: &executor,
            clock: &self.clock,
            journal: &mut journal,
            lease: &validity,
        };
        stop.arm();
        let stopped = async {
            stop.stopped().await;
            progress.event(self.clock.now(), Event::Stopping);
        };
        let tell = |now, what: crate::orchestrator::Progress<'_>| {
            if let crate::orchestrator::Progress::Ended(action, outcome) = &what {
                self.run().changes.note(action, outcome);
            }
            progress.event(now, Event::of_run(&what));
        };
        let end = run(context, plan, options, stopped, tell).await;
        stop.disarm();
        self.run().journal = Some(journal);
        let is_uncertain = executor.is_uncertain().await;
        self.run().is_uncertain |= is_uncertain;
        let changes = std::mem::take(&mut self.run().changes);
        // Before another look, which goes by it. Without the lock another process may have changed tasks since.
        if lock.is_some() && validity.is_valid() {
            let _stays_unsure = in_place::end(&self.writing, plan, &changes).await;
        }
        let is_done = matches!(&end, End::Verdict(verdict) if verdict.ending == Ending::Converged);
        // Now only: any failure may still have had them swapped back.
        if is_done {
            executor.settle_files(&in_place::swapped(plan)).await;
        }
        self.report(plan, terms, end, terms.proof && is_done && plan.is_busy()).await
    }

    async fn end(
        &self,
        begun: Begun,
        record: &HostsRecord,
        report: &RunReport<Planned>,
        outcome: Option<&Recorded>,
    ) -> Result<(), Error> {
        let stack = report.plan.stack();
        let (now, validity) = (self.clock.now(), self.run().validity.take());
        // Those of tasks that came and went in this run: nothing else is lost if they cannot be written.
        let looked = report.proof.as_ref().unwrap_or(&report.plan);
        let remembered = self.remember_volumes(looked, &served(report)).await;
        self.end_of_silent(report).await;
        // Without the lock another process may be about to place something there; and so may a request on its way.
        if validity.as_ref().is_some_and(Validity::is_valid) && !self.run().is_uncertain {
            self.release_members(report).await;
        }
        match begun {
            Begun::Release(begun) => {
                if let Some(outcome) = outcome {
                    let may = || validity.as_ref().is_some_and(Validity::is_valid);
                    record.remembered.end(&self.writing, stack, &begun, (now, outcome), may).await?;
                }
            }
            Begun::Heal { release, is_unfinished, entry } => {
                self.end_heal(stack, entry, report).await;
                if let Some(outcome) = outcome.filter(|_| is_unfinished) {
                    let ours = value(self.writing.registers(), outcome.recorded(now));
                    self.writing.append(&outcomes(stack), release, &ours).await?;
                }
            }
        }
        remembered
    }
}
