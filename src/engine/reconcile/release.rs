//! One stack released as a repository declares it: a deploy like a person's, under the same lease, checked
//! by health and taken back the same way, and remembered with the commit it is from.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::future::join_all;
use tokio::sync::{mpsc::UnboundedSender, watch};

use super::declared::{Contents, Wish};
use super::heal::{Hands, Healed, carry_out, hold, problems, remember_lost};
use super::known::Known;
use super::news::{Deed, News};
use crate::engine::records::remembered;
use crate::engine::{End, Lease, Lookout, Store, outcome};
use crate::fleet::RegisterWriter;
use crate::ledger::release::{Outcome, Release};
use crate::ledger::settings::settings;
use crate::ledger::{Ledger, LedgerError};
use crate::model::{NodeFacts, NodeName, StackName, Timestamp};
use crate::orchestrator::pin::{ResolveImage, images_to_resolve, pin};
use crate::orchestrator::{Ending, Plan, PlanOptions, What, action, assign};

/// A stack that is to be released.
#[derive(Debug)]
pub(super) struct Task {
    pub stack: StackName,
    pub wish: Wish,
    pub options: PlanOptions,
    /// What was last seen of nodes that are lost.
    pub last_seen: Arc<BTreeMap<NodeName, NodeFacts>>,
}

/// Releases one stack.
pub(super) async fn release(
    hands: Arc<Hands>,
    task: Task,
    stop: watch::Receiver<bool>,
    tell: UnboundedSender<(Timestamp, News)>,
) -> Healed {
    let Some(writing) = &hands.writing else { return Healed::Outdated };
    let lease = match hold(&hands, writing, &task.stack).await {
        Ok(lease) => lease,
        Err(why) => return why,
    };
    let released = with_lease(&hands, writing, task, &lease, stop, tell).await;
    // If this does not get through, the lease ends by itself.
    let _ends_by_itself = lease.release().await;
    released.unwrap_or_else(|error| Healed::Failed(error.to_string()))
}

async fn with_lease(
    hands: &Hands,
    writing: &Arc<Ledger<Store<RegisterWriter>>>,
    task: Task,
    lease: &Lease<Store<RegisterWriter>>,
    stop: watch::Receiver<bool>,
    tell: UnboundedSender<(Timestamp, News)>,
) -> Result<Healed, LedgerError> {
    let Task { stack, wish, mut options, last_seen } = task;
    // Whoever had the lease before us may have done it, or have been told to leave the stack.
    let (before, settings) =
        tokio::join!(remembered(&hands.reading, &stack), settings(&hands.reading, &stack));
    let (before, settings) = (before?, settings?);
    if settings.suspended.is_some() || !wish.is_due(&Known::of(&before.history, settings)) {
        return Ok(Healed::Outdated);
    }
    let Contents { mut spec, files, prune } = wish.contents(&stack);
    options.prune = prune;
    let observer = hands.fleet.observer().brisk();
    let lookout = Lookout { observer: &observer, ledger: &hands.reading };
    let images = images_to_resolve(&spec, ResolveImage::Always, std::iter::empty()).into_iter().collect();
    let (mut observed, answers) = tokio::join!(lookout.observe(hands.clock.now()), observer.resolve(&images));
    remember_lost(&mut observed, &mut options.lost, &last_seen);
    let running = observed.tasks().filter(|task| task.stack == stack);
    pin(&mut spec, ResolveImage::Always, running, &answers);
    let mut plan = Plan::make(&observed, &spec, options.clone());
    if !plan.problems.is_empty() {
        return Ok(Healed::Failed(problems(&plan)));
    }
    match pull(hands, &plan, &stack, lease, stop.clone(), &tell).await {
        Pulled::Nothing => {}
        Pulled::All => {
            // That may have taken minutes.
            if self::settings(&hands.reading, &stack).await?.suspended.is_some() {
                return Ok(Healed::Outdated);
            }
            observed = lookout.observe(hands.clock.now()).await;
            remember_lost(&mut observed, &mut options.lost, &last_seen);
            plan = Plan::make(&observed, &spec, options.clone());
            if !plan.problems.is_empty() {
                return Ok(Healed::Failed(problems(&plan)));
            }
        }
        Pulled::Failed(why) => return Ok(Healed::Failed(why)),
        Pulled::Stopped => return Ok(Healed::Stopped),
    }
    // What is released here may be older than what a hook has released from the same repository: that must
    // not be taken back.
    if let Some(asked) = hands.followed.get(&wish.repository) {
        match asked.is_at(&wish.commit.commit).await {
            Ok(true) => {}
            Ok(false) => {
                asked.sooner();
                return Ok(Healed::Outdated);
            }
            Err(why) => return Ok(Healed::Failed(why)),
        }
    }
    let verb = if wish.is_removal() { "rm" } else { "reconcile" };
    let release = Release {
        files,
        git: Some(wish.commit.clone()),
        source: Some(wish.source()),
        ..Release::of(spec.clone(), verb.to_owned(), hands.me.who.clone(), hands.clock.now())
    };
    let number = before.begin(writing, &release).await?;
    let (commit, actions) = (Some(wish.commit.short()), Some(plan.forecast.actions().count()));
    let began = News::ReleaseBegan { stack: stack.clone(), release: number, commit, actions };
    let _nobody_listens = tell.send((hands.clock.now(), began));
    let is_atomic = options.atomic;
    let end = carry_out(hands, assign(&observed, &spec, options), &stack, lease, stop, &tell).await;
    let outcome = match &end {
        // Finished by the loop as soon as that can be done.
        End::TimedOut(_) | End::Interrupted => None,
        End::Verdict(verdict) if verdict.ending == Ending::HostSilent => None,
        end => match outcome::of_run(end, &spec, &before.history, is_atomic) {
            // Its images are there. What else could not be prepared cannot be the next time either, and the
            // history would fill with tries.
            Some(Outcome::NotBegun { still }) => Some(Outcome::RolledBack { to: still, services: None }),
            outcome => outcome,
        },
    };
    let healed = Healed::of(&end);
    let words = outcome.as_ref().map_or_else(|| "unfinished".to_owned(), Outcome::words);
    if let Some(outcome) = outcome.filter(|_| lease.validity().is_valid()) {
        before.end(writing, &stack, number, hands.clock.now(), &outcome).await?;
    }
    let ended = News::ReleaseEnded { stack, release: number, outcome: words };
    let _nobody_listens = tell.send((hands.clock.now(), ended));
    Ok(healed)
}

/// What came of the pulls of a plan.
enum Pulled {
    Nothing,
    All,
    Failed(String),
    Stopped,
}

/// Pulls what a plan needs before anything is written down: what cannot be had is tried again and again,
/// and that is no release each time.
async fn pull(
    hands: &Hands,
    plan: &Plan,
    stack: &StackName,
    lease: &Lease<Store<RegisterWriter>>,
    mut stop: watch::Receiver<bool>,
    tell: &UnboundedSender<(Timestamp, News)>,
) -> Pulled {
    let executor = hands.fleet.executor(stack).fenced(lease.validity().fence());
    let pulls = (plan.forecast.actions()).filter(|action| matches!(action.what, What::PullImage { .. })).map(
        async |action| {
            let outcome = executor.execute(action).await;
            let deed = News::Acted(Deed::of(stack, action, &outcome));
            let _nobody_listens = tell.send((hands.clock.now(), deed));
            match outcome {
                action::Outcome::Failed(failure) => Some(format!(
                    "{} {} on {}: {}",
                    action.what.verb(),
                    action.what.object(),
                    action.node,
                    failure.message
                )),
                action::Outcome::Done | action::Outcome::Started(_) => None,
            }
        },
    );
    let all = tokio::select! {
        all = join_all(pulls) => all,
        // An error is a loop that is gone.
        _ = stop.wait_for(|stop| *stop) => return Pulled::Stopped,
    };
    let is_any = !all.is_empty();
    let mut failed = all.into_iter().flatten();
    match (failed.next(), failed.count()) {
        (None, _) if is_any => Pulled::All,
        (None, _) => Pulled::Nothing,
        (Some(first), 0) => Pulled::Failed(first),
        (Some(first), more) => Pulled::Failed(format!("{first} (and {more} more)")),
    }
}
