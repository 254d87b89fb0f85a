//! What a surface reads of the ledger before it plans, so that it can prove under the lock that the plan
//! still holds, or plan again if another process was first.

use super::cluster::{Cluster, drifted};
use super::hosts::HostsRecord;
use super::release::{self, Draft, Driver as _, Edit, Edited, Remembers as _};
use super::{Error, Event, Progress};
use crate::engine::records::{Remembered, remembered_to_write};
use crate::ledger::LedgerError;
use crate::ledger::release::History;
use crate::model::StackName;
use crate::orchestrator::Planned;

/// A plan for hosts, and what is needed to carry it out. `E` is the error of the surface.
pub type Job<E> = release::Job<Planned, HostsRecord, Edited<E>>;

/// What is needed to carry it out.
pub type Order<E> = release::Order<HostsRecord, Edited<E>>;

impl<E: From<Error>> Order<E> {
    /// Reads who works on the stack, and what is remembered.
    ///
    /// # Errors
    ///
    /// If the ledger cannot be read, or cannot be put in order.
    pub async fn of(cluster: &Cluster, stack: &StackName, draft: Draft) -> Result<Self, LedgerError> {
        Self::beside(cluster, stack, draft, async {}).await.1
    }

    /// Reads who works on the stack, then does something else, and reads at the same time what is remembered.
    pub async fn beside<T>(
        cluster: &Cluster,
        stack: &StackName,
        draft: Draft,
        other: impl Future<Output = T>,
    ) -> (T, Result<Self, LedgerError>) {
        let (done, read) = cluster.driver().read_before(stack, other).await;
        let order = read.map(|(record, free)| Self { record, free, draft, intent: Edited::default() });
        (done, order)
    }

    /// Reads who works on the stack, then plans, and reads at the same time what is remembered.
    pub async fn with_plan(
        cluster: &Cluster,
        stack: &StackName,
        draft: Draft,
        plan: impl Future<Output = Planned>,
    ) -> Job<E> {
        let (mut planned, order) = Self::beside(cluster, stack, draft, plan).await;
        if let Ok(order) = &order {
            let drift = drifted(planned.observed(), order.history());
            planned = planned.with_drift(drift).with_known(order.history().newest_specs());
        }
        Job::new(planned, Some(order))
    }

    /// A plan with what is needed to carry it out, where a draft of the release is given; otherwise a plan that is only
    /// looked at.
    pub async fn job(
        cluster: &Cluster,
        stack: &StackName,
        draft: Option<Draft>,
        plan: impl Future<Output = Planned>,
    ) -> Job<E> {
        match draft {
            Some(draft) => Self::with_plan(cluster, stack, draft, plan).await,
            None => Job::new(plan.await, None),
        }
    }

    /// Whether other managers than those of now wrote the records of the cluster last.
    #[must_use]
    pub fn managers_changed(&self) -> bool {
        self.record.managers_changed()
    }

    /// What is remembered.
    #[must_use]
    pub fn history(&self) -> &History {
        self.record.history()
    }

    /// With the way in which its spec is made.
    #[must_use]
    pub fn edited_by(self, edit: Edit) -> Self {
        Self { intent: Edited::by(edit), ..self }
    }

    /// Waits until no other process holds the lock of the stack, for `patience_ms` at most, and settles what is undecided: what
    /// a killed process left with its lock would have each later look leave it open.
    ///
    /// # Errors
    ///
    /// If the lock is still held then, the ledger cannot be read, or it stays undecided which releases there are.
    pub async fn settle(
        &self,
        cluster: &Cluster,
        stack: &StackName,
        patience_ms: i64,
        progress: &impl Progress<Planned>,
    ) -> Result<(), Error> {
        settled(cluster, stack, (&self.draft.verb, patience_ms), progress).await.map(drop)
    }
}

/// A command that chooses a release by what is remembered, and must pass over none.
#[derive(Debug)]
pub struct Choosing<'a, P> {
    /// The command in short, for processes that wait for its lock.
    pub verb: &'a str,
    /// How long to wait for another process that holds the lock, in milliseconds.
    pub patience_ms: i64,
    /// Whether nothing is to be written.
    pub is_dry: bool,
    /// Who is told for which process it waits.
    pub progress: &'a P,
}

impl<P: Progress<Planned>> Choosing<'_, P> {
    /// What is remembered of a stack. What is not decided of it is settled under the lock of the stack: a process that holds
    /// it may be about to write just that. Where nothing is to be written, it is refused. What is decided costs no lock.
    ///
    /// # Errors
    ///
    /// If the ledger cannot be read, the lock is held, or it stays undecided which releases there are.
    pub async fn remembered(&self, cluster: &Cluster, stack: &StackName) -> Result<Remembered, Error> {
        if self.is_dry {
            return Ok(cluster.remembered_for_sure(stack).await?);
        }
        let seen = cluster.remembered_open(stack).await?;
        if seen.is_settled() {
            return Ok(seen);
        }
        settled(cluster, stack, (self.verb, self.patience_ms), self.progress).await
    }
}

/// What is remembered of a stack, settled under its lock, which is waited for.
async fn settled(
    cluster: &Cluster,
    stack: &StackName,
    (verb, patience_ms): (&str, i64),
    progress: &impl Progress<Planned>,
) -> Result<Remembered, Error> {
    let driver = cluster.driver();
    let waiting = |holder: &_| {
        let (stack, holder) = (stack.clone(), Clone::clone(holder));
        progress.event(driver.now(), Event::Waiting { stack, holder });
    };
    let lock = driver.lock(stack, verb, patience_ms, waiting).await?;
    let remembered = remembered_to_write(&cluster.writing(), stack).await;
    if let Err(error) = driver.unlock(lock).await {
        progress.event(driver.now(), Event::LockNotReturned { why: error.to_string() });
    }
    let mut remembered = remembered?;
    cluster.secrets.open(&mut remembered).await;
    Ok(remembered)
}
