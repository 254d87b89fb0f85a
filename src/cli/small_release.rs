//! A small release: what runs now, with one thing changed, planned, shown, confirmed, carried out and
//! remembered as a deploy is. What `scale`, `restart` and the verbs of `service` have in common.
//!
//! The change is a function of the stack's history, not a spec: whoever waits for somebody else's deploy
//! makes it anew from what that one left.

use std::sync::Arc;

use super::Context;
use super::cluster::Cluster;
use super::records::{drifted, reading, remembered};
use super::report::{Exit, Failure};
use super::rollout::{self, Draft, Edit, Job, Record};
use super::rollout_args::StartArgs;
use crate::engine::Planned;
use crate::ledger::release::History;
use crate::ledger::{Current, NoCurrent};
use crate::model::{Observed, StackName, StackSpec};
use crate::orchestrator::{Note, Plan, PlanOptions};

/// One stack's part of what was asked for.
pub(super) struct SmallRelease {
    pub(super) stack: StackName,
    /// For the history: `scale web=5`.
    pub(super) verb: String,
    pub(super) edit: Edit,
    /// What is to be said with the plan.
    pub(super) notes: Vec<Note>,
}

/// What runs is not known, so that there is nothing to change.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[error("stack `{stack}` cannot be changed: {why}")]
#[diagnostic(code(stackctl::history::no_current), help("{help}"))]
struct NothingToChange {
    stack: StackName,
    why: NoCurrent,
    help: String,
}

/// An edit of what runs now.
pub(super) fn edit(
    stack: &StackName,
    change: impl Fn(&History, Current) -> Result<StackSpec, Failure> + Send + Sync + 'static,
) -> Edit {
    let stack = stack.clone();
    Arc::new(move |history| change(history, current(&stack, history)?))
}

/// What runs now, as it was declared.
pub(super) fn current(stack: &StackName, history: &History) -> Result<Current, Failure> {
    history.current().map_err(|why| {
        let help = miette::Diagnostic::help(&why).map(|help| help.to_string()).unwrap_or_default();
        Failure::refused(NothingToChange { stack: stack.clone(), why, help })
    })
}

/// One stack, ready to be planned.
struct Ready {
    small: SmallRelease,
    observed: Option<Observed>,
    spec: StackSpec,
    /// None if it is only looked at.
    record: Option<Record>,
    history: History,
}

/// Carries out one release after the other. What is wrong with any of them is said before the first.
pub(super) async fn carry_out(
    context: &Context,
    cluster: &Cluster,
    start: &StartArgs,
    command: &'static str,
    all: Vec<SmallRelease>,
) -> Result<Exit, Failure> {
    // Services that are not in the release are none of ours.
    let options = cluster.plan_options(false);
    let mut ready = Vec::with_capacity(all.len());
    for small in all {
        ready.push(prepare(context, cluster, start, command, small, &options).await?);
    }
    let mut exit = Exit::Done;
    for (at, Ready { small, observed, spec, record, history }) in ready.into_iter().enumerate() {
        // The first one may have taken room that the second one was to have.
        let observed = match observed.filter(|_| at == 0) {
            Some(observed) => observed,
            None => cluster.observe().await,
        };
        let mut plan = Plan::make(&observed, &spec, options.clone());
        plan.notes.splice(0..0, small.notes);
        plan.drift = drifted(&observed, &history);
        let job = Job { planned: Planned { observed, spec, plan }, record: record.map(Ok) };
        let wish = start.wish(command, options.clone());
        exit = rollout::carry_out(context, cluster, vec![job], wish).await?;
        if exit != Exit::Done {
            break;
        }
    }
    Ok(exit)
}

async fn prepare(
    context: &Context,
    cluster: &Cluster,
    start: &StartArgs,
    command: &'static str,
    small: SmallRelease,
    options: &PlanOptions,
) -> Result<Ready, Failure> {
    let stack = &small.stack;
    if start.rollout.dry_run {
        let ledger = reading(cluster);
        let look = cluster.observe();
        let (observed, remembered) = tokio::join!(look, remembered(ledger, stack));
        let history = remembered?.history;
        let spec = (small.edit)(&history)?;
        return Ok(Ready { small, observed: Some(observed), spec, record: None, history });
    }
    let message = &start.rollout.message;
    let draft = || Draft { verb: small.verb.clone(), message: message.clone(), ..Draft::default() };
    let look = cluster.observe();
    let (mut observed, record) = Record::beside(cluster, stack, draft(), look).await;
    let mut record = record?;
    if let Err(NoCurrent::Unfinished(_)) = record.history().current() {
        let wish = start.wish(command, options.clone());
        record.wait_for_others(context, cluster, stack, &wish).await?;
        let look = cluster.observe();
        let (again, fresh) = Record::beside(cluster, stack, draft(), look).await;
        (observed, record) = (again, fresh?);
    }
    let history = record.history().clone();
    let spec = (small.edit)(&history)?;
    let record = Some(record.edited_by(Arc::clone(&small.edit)));
    Ok(Ready { small, observed: Some(observed), spec, record, history })
}
