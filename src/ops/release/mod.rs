//! Releases: the one way in which what runs is changed, for every surface.
//!
//! ```text
//! lock ─▶ still the plan? ─▶ still wanted? ─▶ pull ─▶ begin ─▶ run ─▶ another look ─▶ end ─▶ unlock
//!           │ no: look, plan, approve again            │
//!           ▼                                          └ from here on the ledger says that hosts change
//! ```
//!
//! [`transaction`] is that order and nothing else. Commands, the push hook and the loop differ in what they
//! want ([`Intent`]), in who approves ([`Approve`]) and in how long they wait ([`Terms`]); a [`Driver`] takes
//! the steps.
//!
//! # Pull first, then write
//!
//! Images are pulled before a release is written down. A registry that does not answer is no release: nothing
//! was changed, the number is not used up, and a loop that tries again each minute does not fill the history.
//! The other order was rejected for that; it had one merit, that a person's failed attempt stood in `history`.
//! What cannot be prepared after that, such as a network, leaves everything as before: the release counts as
//! rolled back, so that no loop tries the same inputs for ever.

mod driver;
mod edited;
mod outcome;
mod rollout;
mod transaction;

use std::sync::Arc;

use tokio::task::JoinHandle;

use super::{Error, RunReport};
use crate::ledger::release::{Git, History, Outcome, Source};
use crate::model::StackSpec;
use crate::orchestrator::End;
use crate::orchestrator::PlanOptions;
use crate::orchestrator::pin::ResolveImage;

pub use driver::{Driver, Lock, Plannable, Prepared, Remembers, Started, Stop};
pub use edited::{Edit, Edited, Still};
pub use rollout::{Job, Order, Rollout, rollout};
pub use transaction::transaction;

/// How long a run is watched unless its caller says otherwise, in milliseconds.
pub const TIMEOUT_MS: i64 = 10 * 60 * 1000;

/// The commit that stackfiles are from.
#[derive(Debug)]
pub enum Commit {
    /// It is known.
    Known(Git),
    /// git is being asked.
    Pending(JoinHandle<Option<Git>>),
}

impl Commit {
    /// The commit, once git has answered; `None` if the files are in no repository.
    pub async fn read(self) -> Option<Git> {
        match self {
            Self::Known(git) => Some(git),
            Self::Pending(git) => git.await.ok().flatten(),
        }
    }
}

/// What is written of a release beside its spec.
#[derive(Debug, Default)]
pub struct Draft {
    /// The command in short: `deploy`, `rollback to 3`.
    pub verb: String,
    /// Stackfiles, as they were named.
    pub files: Vec<String>,
    /// What the user said about it.
    pub message: Option<String>,
    /// The commit of the stackfiles.
    pub git: Option<Commit>,
    /// The repository that declares the stack. Such a release is written down even if nothing is to be done:
    /// the same inputs are then known.
    pub source: Option<Source>,
}

/// What is written down when an operation begins.
#[derive(Debug)]
pub enum Entry {
    /// A new release.
    Release(Box<Draft>),
    /// What was declared is restored.
    Heal {
        /// The release that declared it.
        number: u64,
        /// Whether the run of that release was cut short, so that this one ends it.
        is_unfinished: bool,
    },
}

/// What is to run, decided under the lock.
#[derive(Debug)]
pub struct Wanted {
    /// What is to run.
    pub spec: StackSpec,
    /// The choices of the plan.
    pub options: PlanOptions,
    /// When registries are asked.
    pub resolve: ResolveImage,
    /// What is written of it.
    pub entry: Entry,
}

/// What a caller wants of a stack, as a function of what the ledger remembers of it.
#[expect(async_fn_in_trait, reason = "see Driver")]
pub trait Intent {
    /// The caller's own errors, beside those of this room.
    type Error: From<Error>;

    /// What is to run now; `None` if there is nothing to be done any more. Called under the lock where no
    /// plan was made before it.
    async fn wanted(&mut self, history: &History) -> Result<Option<Wanted>, Self::Error>;

    /// The spec to plan again after another process worked on the stack; `None` leaves it as it was planned.
    fn again(&mut self, _history: &History) -> Result<Option<StackSpec>, Self::Error> {
        Ok(None)
    }

    /// Whether it is still to be done. Called under the lock, before images are pulled and after that.
    async fn is_still_wanted(&mut self, _history: &History) -> Result<bool, Self::Error> {
        Ok(true)
    }
}

/// Approves plans.
#[expect(async_fn_in_trait, reason = "see Driver")]
pub trait Approve<P> {
    /// The error of a refusal.
    type Error: From<Error>;

    /// Approves these plans, all of them, or says why not: [`Error::NotApproved`]. Not called for plans
    /// without actions.
    async fn approve(&mut self, plans: &[&P]) -> Result<(), Self::Error>;
}

/// Approves everything: for surfaces that ask no user.
#[derive(Debug, Clone, Copy, Default)]
pub struct ApproveAll<E>(std::marker::PhantomData<E>);

impl<E> ApproveAll<E> {
    /// For a caller with errors of its own.
    #[must_use]
    pub fn new() -> Self {
        Self(std::marker::PhantomData)
    }
}

impl<P, E: From<Error>> Approve<P> for ApproveAll<E> {
    type Error = E;

    async fn approve(&mut self, _: &[&P]) -> Result<(), E> {
        Ok(())
    }
}

/// How images are pulled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pulls {
    /// A user waits: the time is part of the run's limit, and pulls that were begun are finished when the run
    /// is asked to stop.
    Watched,
    /// They take the time that they need, and are abandoned when the run is asked to stop.
    InBackground,
}

/// How an operation is carried out.
#[derive(Debug, Clone)]
pub struct Terms {
    /// How long to wait for another process that holds the lock, in milliseconds.
    pub patience_ms: i64,
    /// How long to watch the run, in milliseconds.
    pub timeout_ms: i64,
    /// How images are pulled before that.
    pub pulls: Pulls,
    /// Stop watching as soon as every action is done.
    pub detach: bool,
    /// Carry out the plan that was shown or none: never plan again.
    pub is_exact: bool,
    /// Look at the hosts again after all went well. A loop does so anyway.
    pub proof: bool,
    /// A stack with nothing to do is watched until its tasks are up.
    pub watches_idle: bool,
    /// Leave a release whose run was cut short unfinished in the ledger: the caller goes on with it.
    pub resumes: bool,
}

impl Default for Terms {
    fn default() -> Self {
        Self {
            patience_ms: 0,
            timeout_ms: TIMEOUT_MS,
            pulls: Pulls::Watched,
            detach: false,
            is_exact: false,
            proof: true,
            watches_idle: true,
            resumes: false,
        }
    }
}

/// A plan that was made before the lock was taken, and what was read of the ledger before that plan.
#[derive(Debug)]
pub struct Proposal<P, R> {
    /// The plan.
    pub plan: Arc<P>,
    /// What the ledger remembered.
    pub record: R,
    /// The number that was free in the lock's stream before the hosts were looked at. A lock with this
    /// epoch proves that no process worked on the stack since. 0, which no lock has, if one held the lock then.
    pub free: u64,
    /// What is written of it.
    pub entry: Entry,
}

/// What came of a transaction.
#[derive(Debug)]
pub enum Done<P> {
    /// It was no longer wanted: nothing was done.
    NotWanted,
    /// Nothing was to be done.
    Idle,
    /// A run took place.
    Ran(Ran<P>),
}

impl<P: Plannable> Done<P> {
    /// Whether everything is as wanted, as far as was watched.
    #[must_use]
    pub fn is_well(&self) -> bool {
        match self {
            Self::NotWanted | Self::Idle => true,
            Self::Ran(ran) => ran.report.is_well(),
        }
    }
}

impl<P: Plannable> RunReport<P> {
    /// Whether another look showed what was wanted, or was not taken.
    #[must_use]
    pub fn is_proved(&self) -> bool {
        self.proof.as_ref().is_none_or(|proof| proof.actions() == 0 && proof.problems().is_empty())
    }

    /// Whether everything is as wanted, as far as was watched.
    #[must_use]
    pub fn is_well(&self) -> bool {
        matches!(self.end, End::Detached) || (self.is_converged() && self.is_proved())
    }
}

/// A run, and how it is remembered.
#[derive(Debug)]
pub struct Ran<P> {
    /// How it went.
    pub report: Arc<RunReport<P>>,
    /// The number of the release, if one was written.
    pub number: Option<u64>,
    /// How it was recorded to have ended.
    pub outcome: Option<Outcome>,
}
