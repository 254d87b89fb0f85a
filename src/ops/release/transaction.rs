//! The order of the steps. Everything that may change a host happens between [`begin`](Driver::begin) and
//! [`end`](Driver::end), under the lock; whatever stops it before leaves everything as it was.

use std::sync::Arc;

use super::driver::{Driver, Lock as _, Plannable, Prepared, Remembers, Stop};
use super::{Approve, Done, Entry, Error, Intent, Proposal, Ran, Terms, Wanted, outcome};
use crate::ledger::Current;
use crate::ledger::release::{History, Outcome};
use crate::model::{StackName, hidden};
use crate::ops::{Began, Event, Progress, RunReport};

/// What a transaction is about.
type Proposed<D> = Proposal<<D as Driver>::Plan, <D as Driver>::Record>;

/// Carries out what `intent` wants of a stack. A `proposal` was planned, shown and approved before; without
/// one everything is decided under the lock.
///
/// # Errors
///
/// Only before anything was changed. How a run ended, even badly, is in [`Done::Ran`].
#[expect(clippy::too_many_arguments, reason = "each is one party of the transaction")]
pub async fn transaction<D, I, A>(
    driver: &D,
    stack: &StackName,
    verb: &str,
    proposal: Option<Proposed<D>>,
    intent: &mut I,
    approve: &mut A,
    terms: &Terms,
    stop: &impl Stop,
    progress: &impl Progress<D::Plan>,
) -> Result<Done<D::Plan>, I::Error>
where
    D: Driver,
    I: Intent,
    A: Approve<D::Plan, Error = I::Error>,
{
    let steps = Steps { driver, intent, approve, terms, stop, progress };
    if let Some(proposal) = &proposal
        && is_idle::<D>(proposal)
    {
        return Ok(steps.watch(Arc::clone(&proposal.plan)).await);
    }
    let waiting = |holder: &_| {
        progress.event(driver.now(), Event::Waiting { stack: stack.clone(), holder: Clone::clone(holder) })
    };
    let lock = driver.lock(stack, verb, terms.patience_ms, waiting).await?;
    steps.locked(stack, proposal, lock).await
}

/// Whether a plan is not shown before the lock is taken: it says that nothing is to be done, and something may be under way
/// that changes this; or the ledger was lost, and there is something to do about that.
pub(super) fn is_premature<P: Plannable>(plan: &P, record: &impl Remembers) -> bool {
    let is_lost = || record.knows_no_lock() && !is_known(record.history(), plan);
    plan.actions() == 0 && (record.is_under_way() || is_lost())
}

/// Whether nothing has to be done and nothing is new.
fn is_idle<D: Driver>(proposal: &Proposed<D>) -> bool {
    let Proposal { plan, record, entry, .. } = proposal;
    plan.actions() == 0
        && !record.is_under_way()
        && match entry {
            Entry::Heal { is_unfinished, .. } => !is_unfinished,
            Entry::Release(draft) => draft.source.is_none() && is_known(record.history(), &**plan),
        }
}

/// Whether a release of this that has nothing to do is no news: it is what was released last, and well; or
/// it removes a stack of which nothing is left.
fn is_known(history: &History, plan: &impl Plannable) -> bool {
    let spec = plan.spec();
    let is_it = |current: Current| hidden::is_same(plan.key(), &current.spec, spec);
    spec.services.is_empty() || history.current().is_ok_and(is_it)
}

/// A plan with problems is no plan.
pub(super) fn refuse_problems<D: Driver>(
    driver: &D,
    plan: &Arc<D::Plan>,
    progress: &impl Progress<D::Plan>,
) -> Result<(), Error> {
    if plan.problems().is_empty() {
        return Ok(());
    }
    progress.event(driver.now(), Event::Problems(Arc::clone(plan)));
    Err(Error::Refused { stack: plan.stack().clone(), problems: plan.problems().to_vec() })
}

/// The parties of one transaction.
struct Steps<'a, D, I, A, S, P> {
    driver: &'a D,
    intent: &'a mut I,
    approve: &'a mut A,
    terms: &'a Terms,
    stop: &'a S,
    progress: &'a P,
}

/// What was found out under the lock.
enum Checked<P> {
    Go(P),
    Idle(P),
    NotWanted,
}

impl<D, I, A, S, P> Steps<'_, D, I, A, S, P>
where
    D: Driver,
    I: Intent,
    A: Approve<D::Plan, Error = I::Error>,
    S: Stop,
    P: Progress<D::Plan>,
{
    fn say(&self, event: Event<D::Plan>) {
        self.progress.event(self.driver.now(), event);
    }

    /// All steps that need the lock, and its return whatever came of them.
    async fn locked(
        mut self,
        stack: &StackName,
        proposal: Option<Proposed<D>>,
        lock: D::Lock,
    ) -> Result<Done<D::Plan>, I::Error> {
        let is_before = self.driver.outlast_stops(stack, &lock, self.progress).await;
        let checked = match proposal {
            Some(proposal) => {
                let has_waited = self.driver.outlast_forgotten(&proposal.plan, &lock, self.progress).await;
                let is_shown = !is_premature(&*proposal.plan, &proposal.record);
                if lock.epoch() == proposal.free && !is_before && !has_waited && is_shown {
                    Ok(Checked::Go(proposal))
                } else {
                    self.check_again(proposal).await
                }
            }
            None => self.propose(stack, &lock).await,
        };
        let done = match checked {
            Ok(Checked::Go(proposal)) => self.go(proposal, &lock).await,
            Ok(Checked::Idle(proposal)) => {
                // Nothing is changed any more: another process need not wait for the tasks to come up.
                self.unlock(lock).await;
                return Ok(self.watch(proposal.plan).await);
            }
            Ok(Checked::NotWanted) => Ok(Done::NotWanted),
            Err(error) => Err(error),
        };
        self.unlock(lock).await;
        done
    }

    async fn unlock(&self, lock: D::Lock) {
        if let Err(error) = self.driver.unlock(lock).await {
            self.say(Event::LockNotReturned { why: error.to_string() });
        }
    }

    /// A plan made under the lock.
    async fn propose(&mut self, stack: &StackName, lock: &D::Lock) -> Result<Checked<Proposed<D>>, I::Error> {
        let record = self.driver.read(stack).await?;
        let Some(Wanted { spec, options, resolve, entry }) = self.intent.wanted(record.history()).await?
        else {
            return Ok(Checked::NotWanted);
        };
        let mut plan = Arc::new(self.driver.plan(spec, options, resolve).await);
        if self.driver.outlast_forgotten(&plan, lock, self.progress).await {
            plan = Arc::new(self.driver.plan_again(&plan, None).await);
        }
        refuse_problems(self.driver, &plan, self.progress)?;
        let proposal = Proposal { plan, record, free: 0, entry };
        if is_idle::<D>(&proposal) {
            return Ok(Checked::Idle(proposal));
        }
        self.show_and_approve(&proposal.plan).await?;
        Ok(Checked::Go(proposal))
    }

    /// Another process worked on the stack between the plan and the lock, or may have: whether the plan still holds.
    async fn check_again(&mut self, mut proposal: Proposed<D>) -> Result<Checked<Proposed<D>>, I::Error> {
        let stack = proposal.plan.stack().clone();
        let is_shown = !is_premature(&*proposal.plan, &proposal.record);
        proposal.record = self.driver.read(&stack).await?;
        let spec = self.intent.again(proposal.record.history())?;
        let again = Arc::new(self.driver.plan_again(&proposal.plan, spec).await);
        refuse_problems(self.driver, &again, self.progress)?;
        let is_same = again.does_the_same(&proposal.plan);
        proposal.plan = again;
        if is_idle::<D>(&proposal) {
            if !is_shown {
                self.say(Event::Plan(Arc::clone(&proposal.plan)));
            } else if !is_same {
                self.say(Event::AlreadyApplied { stack });
            }
            return Ok(Checked::Idle(proposal));
        }
        match (is_same, is_shown) {
            (true, true) => {}
            (_, false) if !self.terms.is_exact => self.show_and_approve(&proposal.plan).await?,
            (true, false) => self.say(Event::Plan(Arc::clone(&proposal.plan))),
            (false, _) => self.plan_changed(&proposal.plan).await?,
        }
        Ok(Checked::Go(proposal))
    }

    async fn plan_changed(&mut self, plan: &Arc<D::Plan>) -> Result<(), I::Error> {
        self.say(Event::PlanChanged { stack: plan.stack().clone() });
        if self.terms.is_exact {
            self.say(Event::Plan(Arc::clone(plan)));
            let why = "another process worked on the stack in the meantime".to_owned();
            return Err(Error::Stale { why }.into());
        }
        self.show_and_approve(plan).await
    }

    async fn show_and_approve(&mut self, plan: &Arc<D::Plan>) -> Result<(), I::Error> {
        self.say(Event::Plan(Arc::clone(plan)));
        if plan.actions() > 0 { self.approve.approve(&[plan]).await } else { Ok(()) }
    }

    /// From a plan that holds to the end of its run.
    async fn go(&mut self, mut proposal: Proposed<D>, lock: &D::Lock) -> Result<Done<D::Plan>, I::Error> {
        if !self.intent.is_still_wanted(proposal.record.history()).await? {
            return Ok(Done::NotWanted);
        }
        let mut said = None;
        if let Entry::Release(_) = &proposal.entry
            && proposal.plan.pulls()
        {
            self.say(Event::RunBegan(Arc::clone(&proposal.plan)));
            said = Some(Arc::clone(&proposal.plan));
            if let Some(done) = self.prepare(&mut proposal, lock).await? {
                return Ok(done);
            }
        }
        let Proposal { plan, record, entry, .. } = proposal;
        let (is_heal, ends) = match &entry {
            Entry::Heal { is_unfinished, .. } => (true, *is_unfinished),
            Entry::Release(_) => (false, true),
        };
        // A release that is written without the lock would be the newest beside that of the next holder.
        if !lock.is_valid() {
            return Err(Error::LockLost { stack: plan.stack().clone() }.into());
        }
        let plan = self.claim(plan, &record, &entry).await?;
        let started = self.driver.begin(&plan, &record, entry).await?;
        let (stack, release) = (plan.stack().clone(), started.number);
        self.say(Event::Began(Began {
            stack: stack.clone(),
            release,
            is_heal,
            commit: started.commit,
            actions: plan.actions(),
        }));
        if said.is_none_or(|said| !Arc::ptr_eq(&said, &plan)) {
            self.say(Event::RunBegan(Arc::clone(&plan)));
        }
        let report = self.driver.run(&plan, self.terms, Some(lock), self.stop, self.progress).await;
        let report = Arc::new(report);
        self.say(Event::RunEnded(Arc::clone(&report)));
        // Without the lock another process may have written a release since: its outcomes are its own.
        let may_write = ends && lock.is_valid();
        let outcome = self.outcome(&report, record.history(), is_heal).filter(|_| may_write);
        if let Err(error) = self.driver.end(started.begun, &record, &report, outcome.as_ref()).await {
            self.say(Event::NotRecorded { release, why: error.to_string() });
        }
        if !is_heal {
            self.say(Event::Ended { stack, release, outcome: outcome.clone() });
        }
        Ok(Done::Ran(Ran { report, number: Some(release), outcome }))
    }

    /// Two first releases of a cluster may begin at once, each with a key of its own: the second plans again under the one
    /// that is kept.
    async fn claim(
        &mut self,
        mut plan: Arc<D::Plan>,
        record: &D::Record,
        entry: &Entry,
    ) -> Result<Arc<D::Plan>, I::Error> {
        for is_last in [false, true] {
            if self.driver.claim(&plan, record, entry).await? {
                return Ok(plan);
            }
            if !is_last {
                plan = Arc::new(self.driver.plan_again(&plan, None).await);
                refuse_problems(self.driver, &plan, self.progress)?;
                self.plan_changed(&plan).await?;
            }
        }
        let why = "another process has made the first release of this cluster in the meantime".to_owned();
        Err(Error::Stale { why }.into())
    }

    fn outcome(&self, report: &RunReport<D::Plan>, before: &History, is_heal: bool) -> Option<Outcome> {
        if is_heal {
            outcome::of_heal(report)
        } else {
            outcome::of_release(report, before, self.terms.resumes)
        }
    }

    /// Pulls, and looks again afterwards: that may have taken minutes. Gives how it ended, if it did here.
    async fn prepare(
        &mut self,
        proposal: &mut Proposed<D>,
        lock: &D::Lock,
    ) -> Result<Option<Done<D::Plan>>, I::Error> {
        match self.driver.prepare(&proposal.plan, self.terms, lock, self.stop, self.progress).await {
            Prepared::Pulled => {}
            Prepared::Ended(report) => {
                let report = Arc::new(RunReport { is_unbegun: true, ..report });
                self.say(Event::RunEnded(Arc::clone(&report)));
                return Ok(Some(Done::Ran(Ran { report, number: None, outcome: None })));
            }
        }
        if !self.intent.is_still_wanted(proposal.record.history()).await? {
            return Ok(Some(Done::NotWanted));
        }
        let again = Arc::new(self.driver.plan_again(&proposal.plan, None).await);
        refuse_problems(self.driver, &again, self.progress)?;
        if !again.changes_the_same(&proposal.plan) {
            proposal.plan = again;
            self.plan_changed(&proposal.plan).await?;
        }
        Ok(None)
    }

    /// Watches a stack that needs no action until its tasks are up. Takes no lock: it changes nothing.
    async fn watch(&self, plan: Arc<D::Plan>) -> Done<D::Plan> {
        if !self.terms.watches_idle {
            return Done::Idle;
        }
        self.say(Event::RunBegan(Arc::clone(&plan)));
        let report = self.driver.run(&plan, self.terms, None, self.stop, self.progress).await;
        let report = Arc::new(report);
        self.say(Event::RunEnded(Arc::clone(&report)));
        Done::Ran(Ran { report, number: None, outcome: None })
    }
}
