//! One stack brought back to what was declared: under its lock, so that no deploy works beside it.
//!
//! What is done, and in which order, is [`ops::release`]'s. Here is what the loop wants of it, and how what
//! happens becomes the loop's own events.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::{mpsc::UnboundedSender, watch};

use super::event::{ActionEvent, ClusterEvent};
use super::work::{Healed, Job};
use crate::discover::Discovery;
use crate::engine::{Clock, Me, Store};
use crate::fleet::{Fleet, RegisterReader, RegisterWriter};
use crate::gitops::FollowedRepo;
use crate::ledger::Ledger;
use crate::ledger::lease::Holder;
use crate::ledger::release::{History, Outcome};
use crate::ledger::settings::settings;
use crate::model::{NodeFacts, NodeName, StackName, Timestamp};
use crate::ops::declared::Declarations;
use crate::ops::declared::record::StackRecord;
use crate::ops::release::{ApproveAll, Done, Entry, Intent, Pulls, Stop, Terms, Wanted, transaction};
use crate::ops::{self, Event, Hosts, Progress, shortfall};
use crate::orchestrator::pin::ResolveImage;
use crate::orchestrator::{End, PlanOptions, Planned};

/// What a loop works with. Without [`LoopContext::writing`] it cannot change anything.
#[derive(Debug)]
pub struct LoopContext {
    /// The hosts.
    pub fleet: Fleet,
    /// The one clock.
    pub clock: Clock,
    /// What is remembered.
    pub reading: Ledger<Store<RegisterReader>>,
    /// The same to be written; `None` for a loop that only reports.
    pub writing: Option<Arc<Ledger<Store<RegisterWriter>>>>,
    /// Who we are.
    pub me: Me,
    /// Where runs are written down.
    pub journals: Option<PathBuf>,
    /// Whom to ask for hosts; `None` if all stand in the inventory.
    pub discovery: Option<Arc<Discovery>>,
    /// What repositories declare; `None` if none is followed.
    pub declarations: Option<watch::Receiver<Declarations>>,
    /// The same repositories, by the names they are called.
    pub followed: BTreeMap<String, FollowedRepo>,
}

/// Why a stack was not worked on.
#[derive(Debug)]
pub(super) enum Refusal {
    /// By the transaction.
    Ops(ops::Error),
    /// By what the loop asked besides, in words.
    Other(String),
}

impl From<ops::Error> for Refusal {
    fn from(error: ops::Error) -> Self {
        Self::Ops(error)
    }
}

/// Ends a run once the loop has to stop.
struct Stopped(watch::Receiver<bool>);

impl Stop for Stopped {
    async fn stopped(&self) {
        // An error is a loop that is gone.
        let mut stop = self.0.clone();
        let _gone = stop.wait_for(|stop| *stop).await;
    }
}

/// What happens, in the loop's own events.
struct Telling {
    stack: StackName,
    tell: UnboundedSender<(Timestamp, ClusterEvent)>,
}

impl Progress<Planned> for Telling {
    fn event(&self, now: Timestamp, event: Event<Planned>) {
        let news = match event {
            Event::Began(began) if began.is_heal => {
                let ops::Began { stack, release, actions, .. } = began;
                ClusterEvent::HealBegan { stack, release, actions }
            }
            Event::Began(began) => {
                let ops::Began { stack, release, commit, actions, .. } = began;
                ClusterEvent::ReleaseBegan { stack, release, commit, actions: Some(actions) }
            }
            Event::ActionEnded(action, outcome) => {
                ClusterEvent::Acted(ActionEvent::of(&self.stack, &action, &outcome))
            }
            Event::Ended { stack, release, outcome } => {
                let outcome = outcome.as_ref().map_or_else(|| "unfinished".to_owned(), Outcome::words);
                ClusterEvent::ReleaseEnded { stack, release, outcome }
            }
            _ => return,
        };
        let _nobody_listens = self.tell.send((now, news));
    }
}

/// Restores what was declared, if it is still the release of which that was decided.
struct Restore<'a> {
    context: &'a LoopContext,
    job: Job,
}

impl Intent for Restore<'_> {
    type Error = Refusal;

    async fn wanted(&mut self, history: &History) -> Result<Option<Wanted>, Refusal> {
        let settings = settings(&self.context.reading, &self.job.stack).await.map_err(ops::Error::Ledger)?;
        let known = StackRecord::of(history, settings);
        let Job { number, options, .. } = &self.job;
        // The holder of the lock before us may have deployed something, or a person may have suspended it.
        if known.number() != Some(*number) || known.settings.suspended.is_some() {
            return Ok(None);
        }
        let is_unfinished = known.is_unfinished();
        let Some((spec, prune)) = known.spec() else { return Ok(None) };
        Ok(Some(Wanted {
            spec: spec.clone(),
            options: PlanOptions { prune, ..options.clone() },
            resolve: ResolveImage::Never,
            entry: Entry::Heal { number: *number, is_unfinished },
        }))
    }
}

/// Heals one stack.
pub(super) async fn heal(
    context: Arc<LoopContext>,
    job: Job,
    stop: watch::Receiver<bool>,
    tell: UnboundedSender<(Timestamp, ClusterEvent)>,
) -> Healed {
    let (stack, last_seen) = (job.stack.clone(), Arc::clone(&job.last_seen));
    work(&context, &stack, last_seen, Restore { context: &context, job }, stop, tell).await
}

/// Has the transaction carry out what is wanted of a stack. Another holder of its lock is not waited for.
pub(super) async fn work(
    context: &LoopContext,
    stack: &StackName,
    last_seen: Arc<BTreeMap<NodeName, NodeFacts>>,
    mut intent: impl Intent<Error = Refusal>,
    stop: watch::Receiver<bool>,
    tell: UnboundedSender<(Timestamp, ClusterEvent)>,
) -> Healed {
    let Some(writing) = &context.writing else { return Healed::Outdated };
    let driver =
        Hosts::new(&context.fleet, context.clock, &context.reading, Arc::clone(writing), context.me.clone())
            .with_journals(context.journals.clone())
            .of_loop(context.fleet.observer().non_blocking(), last_seen);
    let terms = Terms {
        proof: false,
        watches_idle: false,
        resumes: true,
        pulls: Pulls::InBackground,
        ..Terms::default()
    };
    let done = transaction(
        &driver,
        stack,
        "reconcile",
        None,
        &mut intent,
        &mut ApproveAll::new(),
        &terms,
        &Stopped(stop),
        &Telling { stack: stack.clone(), tell },
    )
    .await;
    match done {
        Ok(Done::NotWanted) => Healed::Outdated,
        Ok(Done::Idle) => Healed::Done,
        Ok(Done::Ran(ran)) => Healed::of(&ran.report.end),
        Err(Refusal::Ops(ops::Error::Held { holder, .. })) => {
            let Holder { who, pid, verb, .. } = *holder;
            Healed::Busy(format!("{who} (process {pid}, `{verb}`)"))
        }
        Err(Refusal::Ops(error)) => Healed::Failed(error.to_string()),
        Err(Refusal::Other(why)) => Healed::Failed(why),
    }
}

impl Healed {
    /// What came of a run.
    fn of(end: &End) -> Self {
        match (end, shortfall(end)) {
            (End::Interrupted, _) => Self::Stopped,
            (_, None) => Self::Done,
            (_, Some(why)) => Self::Failed(why),
        }
    }
}
