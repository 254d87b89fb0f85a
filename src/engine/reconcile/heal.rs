//! One stack brought back to what was declared: under its lease, so that no deploy is at work beside it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::{mpsc::UnboundedSender, watch};

use super::declared::Declarations;
use super::known::known;
use super::news::{Deed, News};
use crate::discover::Discovery;
use crate::engine::lease::{NotTaken, Wanted, take};
use crate::engine::run::{Crew, End, Progress, RunOptions, run};
use crate::engine::{Clock, Journal, Lease, Lookout, Me, Store, outcome};
use crate::fleet::{Fleet, RegisterReader, RegisterWriter};
use crate::gitops::Asked;
use crate::ledger::lease::{self, Holder};
use crate::ledger::operation::{self, Changed, Ending, Operation};
use crate::ledger::payload::value;
use crate::ledger::release::{Outcome, outcomes};
use crate::ledger::{Ledger, LedgerError};
use crate::model::{NodeFacts, NodeName, NodeView, Observed, StackName, StackSpec, Timestamp};
use crate::orchestrator::{self, Assignment, Plan, PlanOptions, Verdict, assign};

/// How long one stack is worked at before it is looked at anew.
const TIMEOUT_MS: i64 = 10 * 60 * 1000;

/// What a loop works with. Hands: without [`Hands::writing`] they cannot change anything.
#[derive(Debug)]
pub struct Hands {
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
    pub followed: BTreeMap<String, Asked>,
}

/// A stack that is to be healed.
#[derive(Debug)]
pub(super) struct Job {
    pub stack: StackName,
    /// The release as it was when this was decided.
    pub number: u64,
    pub options: PlanOptions,
    /// What was last seen of nodes that are lost.
    pub last_seen: Arc<BTreeMap<NodeName, NodeFacts>>,
}

/// What became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Healed {
    /// It is as declared.
    Done,
    /// Somebody else is at work on it.
    Busy(String),
    /// It was no longer what it was when this was decided.
    Outdated,
    /// Told to stop on the way.
    Stopped,
    /// It could not be done.
    Failed(String),
}

/// Puts what was last seen of lost nodes into an observation, so that what ran there can be told from what
/// never ran; a node that answers is not lost, whatever was thought.
pub(super) fn remember_lost(
    observed: &mut Observed,
    lost: &mut BTreeSet<NodeName>,
    last_seen: &BTreeMap<NodeName, NodeFacts>,
) {
    lost.retain(|node| observed.nodes.get(node).is_some_and(|node| node.view.facts().is_none()));
    for node in lost.iter() {
        if let (Some(node), Some(facts)) = (observed.nodes.get_mut(node), last_seen.get(node)) {
            node.view = NodeView::Facts(Box::new(facts.clone()));
        }
    }
}

/// Takes the lease of a stack; whoever else has it is not waited for.
pub(super) async fn hold(
    hands: &Hands,
    writing: &Arc<Ledger<Store<RegisterWriter>>>,
    stack: &StackName,
) -> Result<Lease<Store<RegisterWriter>>, Healed> {
    let holder = hands.me.holder(stack.as_str(), "reconcile");
    let terms = lease::Terms::STACK;
    let wanted = Wanted { stream: lease::stream(stack), holder, terms, patience_ms: 0 };
    take(writing, hands.clock, wanted, hands.me.is_gone, |_| {}).await.map_err(|why| match why {
        NotTaken::Ledger(error) => Healed::Failed(error.to_string()),
        NotTaken::Held(busy) => {
            let Holder { who, pid, verb, .. } = busy.held.holder;
            Healed::Busy(format!("{who} (process {pid}, `{verb}`)"))
        }
    })
}

/// Heals one stack.
pub(super) async fn heal(
    hands: Arc<Hands>,
    job: Job,
    stop: watch::Receiver<bool>,
    tell: UnboundedSender<(Timestamp, News)>,
) -> Healed {
    let Some(writing) = &hands.writing else { return Healed::Outdated };
    let lease = match hold(&hands, writing, &job.stack).await {
        Ok(lease) => lease,
        Err(why) => return why,
    };
    let healed = with_lease(&hands, writing, job, &lease, stop, tell).await;
    // If this does not get through, the lease ends by itself.
    let _ends_by_itself = lease.release().await;
    healed.unwrap_or_else(|error| Healed::Failed(error.to_string()))
}

async fn with_lease(
    hands: &Hands,
    writing: &Arc<Ledger<Store<RegisterWriter>>>,
    job: Job,
    lease: &Lease<Store<RegisterWriter>>,
    stop: watch::Receiver<bool>,
    tell: UnboundedSender<(Timestamp, News)>,
) -> Result<Healed, LedgerError> {
    let Job { stack, number, mut options, last_seen } = job;
    // Whoever had the lease before us may have deployed something, or have been told to leave it.
    let known = known(&hands.reading, &stack).await?;
    if known.number() != Some(number) || known.settings.suspended.is_some() {
        return Ok(Healed::Outdated);
    }
    let is_unfinished = known.is_unfinished();
    let Some((spec, prune)) = known.spec() else { return Ok(Healed::Outdated) };
    options.prune = prune;
    let observer = hands.fleet.observer().brisk();
    let lookout = Lookout { observer: &observer, ledger: &hands.reading };
    let mut observed = lookout.observe(hands.clock.now()).await;
    remember_lost(&mut observed, &mut options.lost, &last_seen);
    let plan = Plan::make(&observed, spec, options.clone());
    if !plan.problems.is_empty() {
        return Ok(Healed::Failed(problems(&plan)));
    }
    let (mut healed, mut outcome) = (Healed::Done, Some(outcome::done(spec)));
    if !plan.forecast.waves.is_empty() || is_unfinished {
        let actions = plan.forecast.actions().count();
        let _nobody_listens = tell
            .send((hands.clock.now(), News::HealBegan { stack: stack.clone(), release: number, actions }));
        let work = carry_out(hands, assign(&observed, spec, options), &stack, lease, stop, &tell);
        // Beside the work: nobody waits for the log.
        let (recorded, end) = tokio::join!(recorded(hands, writing, &stack, number, actions), work);
        (healed, outcome) = (Healed::of(&end), finished(&end, spec));
        let ending = match &healed {
            Healed::Failed(why) => Ending::Failed { why: why.clone() },
            Healed::Stopped => Ending::Failed { why: "told to stop".to_owned() },
            Healed::Done | Healed::Busy(_) | Healed::Outdated => Ending::Done,
        };
        if let Ok(number) = recorded {
            let stream = operation::heals(&stack);
            // It shows as cut off then, which is what happened to the log.
            let _is_not_told = operation::end(writing, &stream, number, hands.clock.now(), ending).await;
        }
    }
    if is_unfinished && let Some(outcome) = outcome.filter(|_| lease.validity().is_valid()) {
        let ours = value(writing.registers(), outcome.recorded(hands.clock.now()));
        writing.append(&outcomes(&stack), number, &ours).await?;
    }
    Ok(healed)
}

/// Writes down that a stack is being healed.
async fn recorded(
    hands: &Hands,
    writing: &Ledger<Store<RegisterWriter>>,
    stack: &StackName,
    release: u64,
    actions: usize,
) -> Result<u64, LedgerError> {
    let operation = Operation {
        verb: "heal".to_owned(),
        who: hands.me.who.clone(),
        at: hands.clock.now(),
        message: None,
        stacks: vec![stack.clone()],
        changes: vec![Changed::Healed { release, actions }],
    };
    operation::begin(writing, &operation::heals(stack), operation).await
}

pub(super) async fn carry_out(
    hands: &Hands,
    assignment: Assignment,
    stack: &StackName,
    lease: &Lease<Store<RegisterWriter>>,
    mut stop: watch::Receiver<bool>,
    tell: &UnboundedSender<(Timestamp, News)>,
) -> End {
    let observer = hands.fleet.observer().brisk();
    let executor = hands.fleet.executor(stack).fenced(lease.validity().fence());
    // A run without a journal is still a run.
    let mut journal = (hands.journals.as_ref())
        .and_then(|dir| Journal::create(dir, stack, hands.clock.now()).ok())
        .unwrap_or_else(Journal::none);
    let crew = Crew {
        observer: &observer,
        executor: &executor,
        clock: &hands.clock,
        journal: &mut journal,
        lease: lease.validity(),
    };
    let stopped = async move {
        // An error is a loop that is gone.
        let _gone = stop.wait_for(|stop| *stop).await;
    };
    let options = RunOptions { timeout_ms: Some(TIMEOUT_MS), detach: false };
    run(crew, stack, assignment, options, stopped, |now, progress| {
        if let Progress::Ended(action, outcome) = progress {
            let deed = Deed::of(stack, action, outcome);
            let _nobody_listens = tell.send((now, News::Acted(deed)));
        }
    })
    .await
}

impl Healed {
    /// What came of a run.
    pub(super) fn of(end: &End) -> Self {
        match end {
            End::Verdict(verdict) if verdict.ending == orchestrator::Ending::Converged => Self::Done,
            End::Verdict(verdict) => Self::Failed(reason(verdict)),
            End::Detached => Self::Done,
            End::TimedOut(_) => Self::Failed("not as declared after 10 minutes".to_owned()),
            End::Interrupted => Self::Stopped,
            End::LeaseLost => Self::Failed("the stack's lease was lost on the way".to_owned()),
        }
    }
}

/// What is to be remembered of a run that was to finish somebody else's release of `spec`.
fn finished(end: &End, spec: &StackSpec) -> Option<Outcome> {
    let End::Verdict(verdict) = end else { return None };
    match verdict.ending {
        orchestrator::Ending::Converged => Some(outcome::done(spec)),
        orchestrator::Ending::Paused | orchestrator::Ending::RollbackPaused => Some(Outcome::Paused),
        // What is back and what is not is told by whoever looks next; it is not as declared.
        orchestrator::Ending::NotPrepared
        | orchestrator::Ending::Failed
        | orchestrator::Ending::RolledBack => Some(Outcome::Failed),
        orchestrator::Ending::HostSilent => None,
    }
}

/// The first thing that went wrong, and how many more did.
#[must_use]
pub fn reason(verdict: &Verdict) -> String {
    let of_services = verdict.services.iter().flat_map(|one| one.failures.iter().chain(&one.return_failures));
    let mut all = verdict.failures.iter().chain(of_services);
    let Some(first) = all.next() else { return "not as declared".to_owned() };
    let orchestrator::TaskFailure { node, what, failure, .. } = first;
    let more = match all.count() {
        0 => String::new(),
        more => format!(" (and {more} more)"),
    };
    format!("{what} on {node}: {}{more}", failure.message)
}

/// What stands in the way of a plan.
pub(super) fn problems(plan: &Plan) -> String {
    let all: Vec<String> = plan.problems.iter().map(ToString::to_string).collect();
    all.join("; ")
}
