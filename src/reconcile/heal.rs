//! One stack brought back to what was declared: under its lock, so that no deploy works beside it.
//!
//! What is done, and in which order, is [`ops::release`]'s; what the loop wants of it is [`intent`](super::intent)'s.
//! Here it gets a driver, and an intent that asks the real ledger.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::{mpsc::UnboundedSender, watch};

use super::event::ClusterEvent;
use super::intent::terms;
use super::work::{Healed, Job};
use crate::discover::Discovery;
use crate::engine::{Clock, Me, Store};
use crate::fleet::{Fleet, RegisterReader, RegisterWriter};
use crate::gitops::FollowedRepo;
use crate::ledger::Ledger;
use crate::ledger::release::History;
use crate::ledger::settings::settings;
use crate::model::{NodeFacts, NodeName, StackName, Timestamp};
use crate::ops::agents::need::HostAgents;
use crate::ops::declared::Declarations;
use crate::ops::declared::record::StackRecord;
use crate::ops::release::{ApproveAll, Intent, Stop, Wanted, transaction};
use crate::ops::vault::values::Values;
use crate::ops::{self, Event, Hosts, Progress};
use crate::orchestrator::Planned;

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
    /// Values of secrets, and what brings the agents that keep them on hosts.
    pub secrets: (Arc<Values>, Arc<HostAgents>),
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
        if let Some(news) = ClusterEvent::of_release(&self.stack, event) {
            let _nobody_listens = self.tell.send((now, news));
        }
    }
}

/// A heal, and what it asks.
struct Restore<'a> {
    context: &'a LoopContext,
    job: Job,
}

impl Intent for Restore<'_> {
    type Error = Refusal;

    async fn wanted(&mut self, history: &History) -> Result<Option<Wanted>, Refusal> {
        let settings = settings(&self.context.reading, &self.job.stack).await.map_err(ops::Error::Ledger)?;
        Ok(self.job.wanted(&StackRecord::of(history, settings)))
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
            .with_secrets(Arc::clone(&context.secrets.0), Arc::clone(&context.secrets.1) as _)
            .of_loop(context.fleet.observer().non_blocking(), last_seen);
    let done = transaction(
        &driver,
        stack,
        "reconcile",
        None,
        &mut intent,
        &mut ApproveAll::new(),
        &terms(),
        &Stopped(stop),
        &Telling { stack: stack.clone(), tell },
    )
    .await;
    match done {
        Err(Refusal::Other(why)) => Healed::Failed(why),
        Err(Refusal::Ops(error)) => Healed::of(Err(error)),
        Ok(done) => Healed::of(Ok(done)),
    }
}
