//! A deploy's way through the ledger: nobody else at work, the plan still true, the release written down,
//! and at the end how it came out.

use std::fmt;
use std::sync::Arc;

use super::{Job, Kind, Ran, Wish, look_again, question, refuse_problems, show_plan};
use crate::cli::Context;
use crate::cli::cluster::Cluster;
use crate::cli::machine;
use crate::cli::records::{Remembered, Writing, drifted, remembered, writing};
use crate::cli::render::age::human_duration;
use crate::cli::report::{Blame, Exit, Failure};
use crate::cli::saved_plan::SavedPlanError;
use crate::engine::lease::{Busy, NotTaken, Wanted, look, take};
use crate::engine::members::{remember_found, tend};
use crate::engine::{Lease, Planned, Store, Validity, outcome};
use crate::fleet::RegisterWriter;
use crate::ledger::lease::{Holder, Terms, stream};
use crate::ledger::release::{Git, History, Outcome, Release, Source};
use crate::ledger::{LedgerError, document, settings};
use crate::model::{StackName, StackSpec, Timestamp};

/// While somebody else is waited for, a line says so this often.
const WORD_EVERY_MS: i64 = 10_000;

/// Somebody else is at work.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[error("stack `{stack}` is taken by {who} (process {pid}, `{verb}`), whose last sign of life {age}")]
#[diagnostic(
    code(stackctl::lease::held),
    help(
        "wait for it with `--lock-timeout 5m`; should its process be gone, its lease ends by itself within a \
         minute, and at once with `stackctl unlock {id}`"
    )
)]
struct Held {
    stack: StackName,
    who: String,
    pid: u32,
    verb: String,
    age: String,
    id: String,
}

/// The lease is gone.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[error("the lease on stack `{stack}` was lost on the way: nothing more was done")]
#[diagnostic(
    code(stackctl::lease::lost),
    help(
        "a majority of the managers was out of reach for some seconds, or somebody ended the lease; run the command \
         again: it continues from what it finds"
    )
)]
pub(super) struct Lost {
    pub(super) stack: StackName,
}

/// What is said of a release beside its spec.
#[derive(Debug, Default)]
pub(in crate::cli) struct Draft {
    /// `deploy`.
    pub(in crate::cli) verb: String,
    pub(in crate::cli) files: Vec<String>,
    pub(in crate::cli) message: Option<String>,
    /// Being found out.
    pub(in crate::cli) git: Option<tokio::task::JoinHandle<Option<Git>>>,
    /// The repository that declares it. Such a release is written down even if nothing is to be done: the
    /// same inputs are then known.
    pub(in crate::cli) source: Option<Source>,
}

/// What has to be known of the ledger before a plan is made.
pub(in crate::cli) struct Record {
    ledger: Arc<Writing>,
    /// The place in the lease's stream that was free before the hosts were looked at: whoever gets that
    /// one knows that nobody was at work meanwhile.
    free: u64,
    remembered: Remembered,
    draft: Draft,
    /// How the plan's spec was made from what is remembered, if it was.
    edit: Option<Edit>,
}

/// Makes a spec from what is remembered. Done again if others were at work meanwhile: what they have
/// changed must not be undone by one who changes something else.
pub(in crate::cli) type Edit = Arc<dyn Fn(&History) -> Result<StackSpec, Failure> + Send + Sync>;

impl fmt::Debug for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Record").field("free", &self.free).field("draft", &self.draft).finish_non_exhaustive()
    }
}

impl Record {
    /// Looks who is at work, and what is remembered.
    pub(in crate::cli) async fn of(
        cluster: &Cluster,
        stack: &StackName,
        draft: Draft,
    ) -> Result<Self, LedgerError> {
        Self::beside(cluster, stack, draft, async {}).await.1
    }

    /// Looks who is at work, then does something else, and reads at the same time what is remembered.
    pub(in crate::cli) async fn beside<T>(
        cluster: &Cluster,
        stack: &StackName,
        draft: Draft,
        other: impl Future<Output = T>,
    ) -> (T, Result<Self, LedgerError>) {
        let ledger = writing(cluster);
        // What of the nodes is left half written would stop the plan, and what of the settings the loop.
        let settings = settings::stream(stack);
        let tended = async { tokio::try_join!(tend(&ledger), document::tend(&ledger, &settings)) };
        let (before, tended) = tokio::join!(look(&ledger, stack), tended);
        let before = before.and_then(|looked| tended.map(|_| looked));
        let (done, remembered) = tokio::join!(other, remembered(&ledger, stack));
        let record = before.and_then(|(log, _)| {
            remembered.map(|remembered| Self { ledger, free: log.next(), remembered, draft, edit: None })
        });
        (done, record)
    }

    /// What is remembered.
    pub(in crate::cli) fn history(&self) -> &History {
        &self.remembered.history
    }

    /// With the way in which its spec is made.
    pub(in crate::cli) fn edited_by(self, edit: Edit) -> Self {
        Self { edit: Some(edit), ..self }
    }

    /// Waits until nobody is at work on the stack, as long as was wished.
    pub(in crate::cli) async fn wait_for_others(
        &self,
        context: &Context,
        cluster: &Cluster,
        stack: &StackName,
        wish: &Wish,
    ) -> Result<(), Failure> {
        let lease = lock(context, cluster, &self.ledger, stack, &self.draft.verb, wish).await?;
        give_back(context, lease).await;
        Ok(())
    }

    /// Looks who is at work, then plans, and reads at the same time what is remembered.
    pub(in crate::cli) async fn with_plan(
        cluster: &Cluster,
        stack: &StackName,
        draft: Draft,
        plan: impl Future<Output = Planned>,
    ) -> Job {
        let (mut planned, record) = Self::beside(cluster, stack, draft, plan).await;
        if let Ok(record) = &record {
            planned.plan.drift = drifted(&planned.observed, record.history());
        }
        Job { planned, record: Some(record) }
    }
}

/// A lease that is held, and the release that is being made.
pub(super) struct Begun {
    ledger: Arc<Writing>,
    lease: Lease<Store<RegisterWriter>>,
    remembered: Remembered,
    number: u64,
    commit: String,
    stack: StackName,
}

/// What there is to be done.
pub(super) enum Beginning {
    /// The plan.
    Begun(Box<Begun>),
    /// Nothing that would need a lease.
    Idle,
    /// Nothing at all any more.
    NoMore,
}

/// Takes the lease, looks whether the plan still holds and is `still` wanted, and writes the release down.
pub(super) async fn begin(
    context: &Context,
    cluster: &Cluster,
    planned: &mut Planned,
    mut record: Record,
    wish: &Wish,
    still: impl AsyncFnOnce(&History) -> Result<bool, Failure>,
) -> Result<Beginning, Failure> {
    if is_idle(planned, &record, wish) {
        return Ok(Beginning::Idle);
    }
    let stack = planned.spec.name.clone();
    let lease = lock(context, cluster, &record.ledger, &stack, &record.draft.verb, wish).await?;
    if lease.epoch() != record.free {
        let checked = check_again(context, cluster, planned, &mut record, wish).await;
        if !matches!(checked, Ok(false)) {
            give_back(context, lease).await;
            return checked.map(|_| Beginning::Idle);
        }
    }
    let is_still = still(record.history()).await;
    if !matches!(is_still, Ok(true)) {
        give_back(context, lease).await;
        return is_still.map(|_| Beginning::NoMore);
    }
    if cluster.discovery.is_some()
        && let Err(error) = remember_found(&record.ledger, &cluster.fleet.found()).await
    {
        give_back(context, lease).await;
        return Err(error.into());
    }
    let draft = &mut record.draft;
    let git = match draft.git.take() {
        Some(git) => git.await.ok().flatten(),
        None => None,
    };
    let release = Release {
        files: std::mem::take(&mut draft.files),
        message: draft.message.take(),
        git,
        source: draft.source.take(),
        ..Release::of(planned.spec.clone(), draft.verb.clone(), machine::who(), cluster.clock.now())
    };
    match record.remembered.begin(&record.ledger, &release).await {
        Ok(number) => {
            let Record { ledger, remembered, .. } = record;
            let commit = release.git.as_ref().map(Git::short).unwrap_or_default();
            Ok(Beginning::Begun(Box::new(Begun { ledger, lease, remembered, number, commit, stack })))
        }
        Err(error) => {
            give_back(context, lease).await;
            Err(error.into())
        }
    }
}

/// Whether nothing has to be done and nothing is news.
fn is_idle(planned: &Planned, record: &Record, wish: &Wish) -> bool {
    planned.plan.forecast.waves.is_empty()
        && record.draft.source.is_none()
        && (wish.kind == Kind::Remove || record.remembered.is_last(&planned.spec))
}

/// Somebody else was at work between the plan and the lease. Whether there is nothing left to do.
async fn check_again(
    context: &Context,
    cluster: &Cluster,
    planned: &mut Planned,
    record: &mut Record,
    wish: &Wish,
) -> Result<bool, Failure> {
    let ui = &context.ui;
    record.remembered = remembered(&record.ledger, &planned.spec.name).await?;
    if let Some(edit) = &record.edit {
        planned.spec = edit(record.history())?;
    }
    let again = look_again(cluster, planned, wish.options.clone()).await;
    refuse_problems(ui, &again)?;
    let is_same = again.plan.forecast == planned.plan.forecast;
    *planned = again;
    if is_same {
        return Ok(false);
    }
    if is_idle(planned, record, wish) {
        ui.say("Somebody else has done it meanwhile.");
        return Ok(true);
    }
    ui.say("Somebody else was at work meanwhile. The plan is now:");
    show_plan(ui, planned, wish.clone(), cluster.clock.now());
    if wish.is_exact {
        return Err(Failure::refused(SavedPlanError::Stale {
            why: "somebody else was at work meanwhile".to_owned(),
        }));
    }
    if !wish.yes && !planned.plan.forecast.waves.is_empty() {
        let question = question(wish.kind, &[planned.spec.name.as_str()], &cluster.inventory.cluster);
        if !ui.confirm(&question).map_err(Failure::refused)? {
            return Err(Failure::refused(super::NotConfirmed));
        }
    }
    Ok(false)
}

/// Takes the lease of a stack, and says for whom it waits.
pub(super) async fn lock(
    context: &Context,
    cluster: &Cluster,
    ledger: &Arc<Writing>,
    stack: &StackName,
    verb: &str,
    wish: &Wish,
) -> Result<Lease<Store<RegisterWriter>>, Failure> {
    let ui = &context.ui;
    let patience_ms = wish
        .lock_timeout
        .map_or(0, |timeout| i64::try_from(timeout.to_std().as_millis()).unwrap_or(i64::MAX));
    let me = machine::me();
    let holder = me.holder(stack.as_str(), verb);
    let wanted = Wanted { stream: stream(stack), holder, terms: Terms::STACK, patience_ms };
    let mut said: Option<Timestamp> = None;
    let tell = |busy: &Busy| {
        let now = cluster.clock.now();
        if said.is_none_or(|at| now.since_ms(at) >= WORD_EVERY_MS) {
            said = Some(now);
            let Holder { who, pid, verb, .. } = &busy.held.holder;
            ui.say(&format!("Waiting for {who} (process {pid}, `{verb}`) to be done with stack {stack}."));
        }
    };
    match take(ledger, cluster.clock, wanted, me.is_gone, tell).await {
        Ok(lease) => Ok(lease),
        Err(NotTaken::Ledger(error)) => Err(error.into()),
        Err(NotTaken::Held(Busy { held, age_ms })) => {
            let age = age_ms.map_or("has no age that can be told".to_owned(), |ms| {
                format!("was {} ago", human_duration(ms).to_lowercase())
            });
            let Holder { id, who, pid, verb, .. } = held.holder;
            Err(Failure::new(Blame::Locked, Held { stack: stack.clone(), who, pid, verb, age, id }))
        }
    }
}

async fn give_back(context: &Context, lease: Lease<Store<RegisterWriter>>) {
    if let Err(error) = lease.release().await {
        context.ui.detail(&format!("The lease ends by itself within a minute: {error}"));
    }
}

impl Begun {
    /// Whether we may act.
    pub(super) fn validity(&self) -> Validity {
        self.lease.validity().clone()
    }

    /// The number of the release.
    pub(super) fn number(&self) -> u64 {
        self.number
    }

    /// The commit it is from, short; empty if it is from none.
    pub(super) fn commit(&self) -> String {
        self.commit.clone()
    }

    /// Writes down how it ended, and gives the lease back; how that was.
    pub(super) async fn end(
        self,
        context: &Context,
        now: Timestamp,
        ran: &Ran,
        spec: &StackSpec,
        is_atomic: bool,
    ) -> Option<Outcome> {
        // Every step was done, and another look shows that it is not as wanted.
        let is_there = !matches!(ran.exit, Exit::Refused | Exit::Unreachable);
        let outcome =
            outcome::of_run(&ran.end, spec, &self.remembered.history, is_atomic).map(
                |outcome| match outcome {
                    Outcome::Deployed | Outcome::Removed if !is_there => Outcome::Failed,
                    outcome => outcome,
                },
            );
        if let Some(outcome) = &outcome
            && let Err(error) =
                self.remembered.end(&self.ledger, &self.stack, self.number, now, outcome).await
        {
            context.ui.warn(&format!("release {} was not written to its end: {error}", self.number));
        }
        give_back(context, self.lease).await;
        outcome
    }
}
