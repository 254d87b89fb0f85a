//! Several stacks released one after the other: all are shown and approved before the first is begun.

use std::sync::Arc;

use super::driver::{Driver, Plannable as _, Stop};
use super::transaction::{is_premature, refuse_problems};
use super::{Approve, Done, Error, Intent, Proposal, Terms, transaction};
use crate::ledger::LedgerError;
use crate::ops::{Event, Progress};

/// One stack of a rollout.
#[derive(Debug)]
pub struct Job<P, R, I> {
    /// What would be done about it.
    pub plan: Arc<P>,
    /// What is needed to do it, or why there is none; `None` for a plan that is only looked at.
    pub order: Option<Result<Order<R, I>, LedgerError>>,
}

impl<P, R, I> Job<P, R, I> {
    /// A plan, and what is needed to carry it out.
    #[must_use]
    pub fn new(plan: P, order: Option<Result<Order<R, I>, LedgerError>>) -> Self {
        Self { plan: Arc::new(plan), order }
    }
}

/// What is needed to carry a plan out, beside the plan.
#[derive(Debug)]
pub struct Order<R, I> {
    /// What was read of the ledger before the plan was made.
    pub record: R,
    /// The number that was free in the lock's stream then.
    pub free: u64,
    /// What is written of the release.
    pub draft: super::Draft,
    /// How to plan again if another process works on the stack first.
    pub intent: I,
}

/// How several stacks are released.
#[derive(Debug, Clone, Default)]
pub struct Rollout {
    /// How each of them is.
    pub terms: Terms,
    /// Show the plans and stop.
    pub dry_run: bool,
}

/// Shows plans, asks once, and carries them out one after the other until one does not end well. `first` is
/// done once it is known that plans will be carried out, and before the first of them is.
///
/// # Errors
///
/// If a plan has problems, is not approved, or cannot be begun. Stacks before it are released then.
pub async fn rollout<D, I, A>(
    driver: &D,
    jobs: Vec<Job<D::Plan, D::Record, I>>,
    how: &Rollout,
    approve: &mut A,
    first: impl AsyncFnOnce() -> Result<(), I::Error>,
    stop: &impl Stop,
    progress: &impl Progress<D::Plan>,
) -> Result<Vec<Done<D::Plan>>, I::Error>
where
    D: Driver,
    I: Intent,
    A: Approve<D::Plan, Error = I::Error>,
{
    show(driver, &jobs, how.dry_run, progress)?;
    let mut all = Vec::new();
    if how.dry_run {
        return Ok(all);
    }
    let busy: Vec<&D::Plan> = jobs.iter().map(|job| &*job.plan).filter(|plan| plan.actions() > 0).collect();
    if !busy.is_empty() {
        approve.approve(&busy).await?;
    }
    first().await?;
    for Job { plan, order } in jobs {
        let Some(order) = order else { continue };
        let Order { record, free, draft, mut intent } = order.map_err(Error::Ledger)?;
        let (stack, verb) = (plan.stack().clone(), draft.verb.clone());
        let entry = super::Entry::Release(Box::new(draft));
        let proposal = Proposal { plan, record, free, entry };
        let done = transaction(
            driver,
            &stack,
            &verb,
            Some(proposal),
            &mut intent,
            approve,
            &how.terms,
            stop,
            progress,
        )
        .await?;
        let is_well = done.is_well();
        all.push(done);
        if !is_well {
            break;
        }
    }
    Ok(all)
}

/// A plan with problems is no plan: nothing is shown of the others then, and nothing is done. That there is nothing to do is
/// said under the lock, where another process may be about to change that.
fn show<D: Driver, I>(
    driver: &D,
    jobs: &[Job<D::Plan, D::Record, I>],
    is_dry_run: bool,
    progress: &impl Progress<D::Plan>,
) -> Result<(), Error> {
    for Job { plan, .. } in jobs {
        refuse_problems(driver, plan, progress)?;
    }
    for Job { plan, order } in jobs {
        let is_premature = |order: &Order<_, _>| is_premature(&**plan, &order.record);
        if !is_dry_run && matches!(order, Some(Ok(order)) if is_premature(order)) {
            continue;
        }
        progress.event(driver.now(), Event::Plan(Arc::clone(plan)));
    }
    Ok(())
}
