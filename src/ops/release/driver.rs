//! What a release is carried out by. The [transaction](super::transaction) is written over these traits
//! alone: it decides the order of the steps, and a driver takes each of them.

use std::sync::Arc;

use super::{Entry, Terms};
use crate::engine::Lease;
use crate::ledger::WriteRegisters;
use crate::ledger::lease::Holder;
use crate::ledger::release::{History, Outcome};
use crate::model::{MarkKey, StackName, StackSpec, Timestamp};
use crate::ops::{Error, Progress, RunReport};
use crate::orchestrator::pin::ResolveImage;
use crate::orchestrator::{PlanOptions, Planned, Problem};

/// What a transaction asks of a plan. It never looks at the actions themselves.
pub trait Plannable {
    /// The stack that it is about.
    fn stack(&self) -> &StackName;
    /// What is wanted, as it goes into the ledger.
    fn spec(&self) -> &StackSpec;
    /// The key by which values are compared where one side has marks.
    fn key(&self) -> &MarkKey;
    /// The choices that it was made with.
    fn options(&self) -> &PlanOptions;
    /// What stops it.
    fn problems(&self) -> &[Problem];
    /// How many actions it has.
    fn actions(&self) -> usize;
    /// Whether images have to be brought to the nodes first.
    fn pulls(&self) -> bool;
    /// Whether another plan does the same as this one.
    fn does_the_same(&self, other: &Self) -> bool;
    /// Whether another plan, made after images were pulled, changes the same as this one.
    fn changes_the_same(&self, other: &Self) -> bool;
}

impl Plannable for Planned {
    fn stack(&self) -> &StackName {
        self.stack()
    }

    fn spec(&self) -> &StackSpec {
        self.spec()
    }

    fn key(&self) -> &MarkKey {
        &self.observed().key
    }

    fn options(&self) -> &PlanOptions {
        self.options()
    }

    fn problems(&self) -> &[Problem] {
        &self.plan().problems
    }

    fn actions(&self) -> usize {
        self.plan().forecast.actions().count()
    }

    fn pulls(&self) -> bool {
        self.plan().forecast.actions().any(|action| action.what.is_pull())
    }

    fn does_the_same(&self, other: &Self) -> bool {
        self.plan().forecast == other.plan().forecast
    }

    fn changes_the_same(&self, other: &Self) -> bool {
        let changes = |planned: &Self| -> Vec<_> {
            let all = planned.plan().forecast.actions().filter(|action| !action.what.is_pull());
            all.map(|action| (action.node.clone(), action.what.clone(), action.why.clone())).collect()
        };
        changes(self) == changes(other)
    }
}

/// The lock of a stack, held and renewed until it is given back.
pub trait Lock {
    /// Grows from one holder to the next. Equal to the number that was free when the ledger was read before,
    /// if nothing was done to the stack in between.
    fn epoch(&self) -> u64;
    /// Whether the holder may still act. Asked again and again: a lock can be lost at any moment.
    fn is_valid(&self) -> bool;
}

impl<R: WriteRegisters + Send + Sync + 'static> Lock for Lease<R> {
    fn epoch(&self) -> u64 {
        self.epoch()
    }

    fn is_valid(&self) -> bool {
        self.validity().is_valid()
    }
}

/// What the ledger remembers of a stack.
pub trait Remembers {
    /// Its releases.
    fn history(&self) -> &History;
    /// Whether a holder of the lock had not given it back when this was read, or had left anything under way. A plan made
    /// then may keep tasks that are about to end, and is not to be called unchanged.
    fn is_under_way(&self) -> bool {
        false
    }
    /// Whether the ledger knew of no lock that was ever taken. It may have forgotten one; see
    /// [`outlast_forgotten`](Driver::outlast_forgotten).
    fn knows_no_lock(&self) -> bool {
        false
    }
}

/// What came of bringing images to the nodes.
#[derive(Debug)]
pub enum Prepared<P> {
    /// They are there.
    Pulled,
    /// It could not be done, was asked to stop, took too long, or the lock was lost.
    Ended(RunReport<P>),
}

/// An operation that is in the ledger.
#[derive(Debug)]
pub struct Started<B> {
    /// The number of the release; of a heal, the release that the stack is brought back to.
    pub number: u64,
    /// The commit that it is made from, short.
    pub commit: Option<String>,
    /// What the driver needs to end it.
    pub begun: B,
}

/// Ends a run early.
pub trait Stop {
    /// A run begins: the next request to stop is for it.
    fn arm(&self) {}
    /// Until the run is to stop.
    fn stopped(&self) -> impl Future<Output = ()> + Send;
    /// The run is over.
    fn disarm(&self) {}
}

/// Never stops.
impl Stop for () {
    async fn stopped(&self) {
        std::future::pending().await
    }
}

/// The steps of a release. Each may fail; none is taken twice by a transaction, but for looking.
#[expect(async_fn_in_trait, reason = "a surface on one thread has progress that is not Send; the loop's is")]
pub trait Driver {
    /// A plan.
    type Plan: Plannable;
    /// A lock that is held.
    type Lock: Lock;
    /// What was read of a stack.
    type Record: Remembers;
    /// An operation that was begun.
    type Begun;

    /// Now, by the one clock.
    fn now(&self) -> Timestamp;
    /// Takes the lock of a stack; while another process holds it, `waiting` is called now and then.
    async fn lock(
        &self,
        stack: &StackName,
        verb: &str,
        patience_ms: i64,
        waiting: impl FnMut(&Holder),
    ) -> Result<Self::Lock, Error>;
    /// Gives the lock back.
    async fn unlock(&self, lock: Self::Lock) -> Result<(), Error>;
    /// Waits for stops that the last holder of the lock left under way. The engine shows their tasks as running: a plan
    /// made before would keep them. Whether it has waited, or the last holder did not give the lock back: such a plan is of
    /// before then.
    async fn outlast_stops(
        &self,
        _stack: &StackName,
        _lock: &Self::Lock,
        _progress: &impl Progress<Self::Plan>,
    ) -> bool {
        false
    }
    /// Waits for a holder of the lock that the ledger may have forgotten, and for what it began, if there is no trace of any
    /// and the stack runs. Whether it has waited: the plan is of before then.
    async fn outlast_forgotten(
        &self,
        _plan: &Self::Plan,
        _lock: &Self::Lock,
        _progress: &impl Progress<Self::Plan>,
    ) -> bool {
        false
    }
    /// Reads what the ledger remembers of a stack.
    async fn read(&self, stack: &StackName) -> Result<Self::Record, Error>;
    /// Looks at the hosts, resolves images, and plans. Writes nothing.
    async fn plan(&self, spec: StackSpec, options: PlanOptions, resolve: ResolveImage) -> Self::Plan;
    /// Looks at the hosts again and plans with the same choices; `spec` in place of the plan's own, if given.
    async fn plan_again(&self, plan: &Self::Plan, spec: Option<StackSpec>) -> Self::Plan;
    /// Brings the images of a plan to the nodes, if it has any to bring. Nothing that runs is changed by that.
    async fn prepare(
        &self,
        plan: &Arc<Self::Plan>,
        terms: &Terms,
        lock: &Self::Lock,
        stop: &impl Stop,
        progress: &impl Progress<Self::Plan>,
    ) -> Prepared<Self::Plan>;
    /// Writes down what has to be known before an operation begins. `false` if another process has given the cluster its
    /// key since the plan was made: it has to be made again, and nothing was done.
    async fn claim(&self, _: &Self::Plan, _: &Self::Record, _: &Entry) -> Result<bool, Error> {
        Ok(true)
    }
    /// Writes down that an operation begins.
    async fn begin(
        &self,
        plan: &Self::Plan,
        record: &Self::Record,
        entry: Entry,
    ) -> Result<Started<Self::Begun>, Error>;
    /// Carries a plan out. Actions that are on their way are awaited in any case. Without a lock the plan has
    /// no action: its tasks are watched.
    async fn run(
        &self,
        plan: &Arc<Self::Plan>,
        terms: &Terms,
        lock: Option<&Self::Lock>,
        stop: &impl Stop,
        progress: &impl Progress<Self::Plan>,
    ) -> RunReport<Self::Plan>;
    /// Writes down how it ended, and keeps the records in order.
    async fn end(
        &self,
        begun: Self::Begun,
        record: &Self::Record,
        report: &RunReport<Self::Plan>,
        outcome: Option<&Outcome>,
    ) -> Result<(), Error>;
}
