//! The terminal's side of a rollout: shows plans, asks, watches and reports, for all commands that change what
//! runs; `diff` uses the first part. [`ops::release`] decides what is done, and in which order.

mod approve;
mod ending;
mod interrupt;
mod screen;

use super::agent::bring::Needed;
use super::cluster::{Cluster, blame};
use super::format::Format;
use super::not_confirmed::NotConfirmed;
use super::render::plan::PlanView;
use super::render::style::{STRONG, paint};
use super::render::text::{clean, pad, width};
use super::report::{Exit, Failure};
use super::{Context, ui::Ui};
use crate::diff::{StackDiff, Values};
use crate::model::{GoDuration, StackName};
use crate::ops::order::{self, Choosing};
use crate::ops::records::{History, Outcome};
use crate::ops::release::{self, ApproveAll, Done, Order, Ran, Rollout, Still, TIMEOUT_MS, Terms};
use crate::ops::{self, Progress};
use crate::orchestrator::{Planned, Problem};

pub(super) use crate::ops::release::{Commit, Draft};
use approve::Terminal;
pub(super) use ending::{exit, volumes_kept};
pub(super) use interrupt::{Interrupt, hangup};
use screen::Screen;

/// A plan that is to be carried out.
pub(super) type Job = order::Job<Failure>;
/// What is needed to carry it out.
pub(super) type Record = order::Order<Failure>;

/// The command name that stands for a push.
pub(super) const PUSH: &str = "git push";

/// What the user asked for besides the stack itself.
#[derive(Debug, Clone)]
pub(super) struct RolloutOptions {
    /// What was typed behind `stackctl`: `deploy`; or [`PUSH`].
    pub(super) command: &'static str,
    /// What the plan does to the stack.
    pub(super) kind: Kind,
    pub(super) format: Format,
    pub(super) yes: bool,
    pub(super) dry_run: bool,
    /// Whether only the plan that was shown may be carried out, and never a newer one.
    pub(super) is_exact: bool,
    pub(super) detach: bool,
    pub(super) timeout: Option<GoDuration>,
    /// How long to wait for another process that holds the lock of the stack.
    pub(super) lock_timeout: Option<GoDuration>,
    /// Whether plans show values.
    pub(super) values: Values,
}

/// What a plan does to a stack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Deploy,
    Remove,
    /// Moves its tasks to other nodes, and changes nothing else.
    Move,
}

/// All problems that block a plan.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[error("{} in the way of stack `{stack}`: nothing was changed", problems_are(problems))]
#[diagnostic(code(stackctl::plan::refused))]
struct Refused {
    stack: StackName,
    #[related]
    problems: Vec<Problem>,
}

fn problems_are(problems: &[Problem]) -> String {
    if problems.len() == 1 { "1 problem is".to_owned() } else { format!("{} problems are", problems.len()) }
}

impl RolloutOptions {
    /// How long to wait for another process, in milliseconds.
    pub(super) fn patience_ms(&self) -> i64 {
        self.lock_timeout.map_or(0, ms)
    }

    /// How a release is chosen for it.
    pub(super) fn choosing<'a, P>(&self, progress: &'a P) -> Choosing<'a, P> {
        Choosing { verb: self.command, patience_ms: self.patience_ms(), is_dry: self.dry_run, progress }
    }

    fn terms(&self) -> Terms {
        Terms {
            patience_ms: self.patience_ms(),
            timeout_ms: self.timeout.map_or(TIMEOUT_MS, ms),
            detach: self.detach,
            is_exact: self.is_exact,
            ..Terms::default()
        }
    }
}

fn ms(limit: GoDuration) -> i64 {
    i64::try_from(limit.to_std().as_millis()).unwrap_or(i64::MAX)
}

/// A plan as it is shown.
pub(super) fn view<'a>(
    planned: &'a Planned,
    diff: &'a StackDiff,
    kind: Kind,
    is_whole: bool,
) -> PlanView<'a> {
    let stack = planned.stack();
    PlanView {
        stack,
        cluster: &planned.observed().cluster,
        nodes: planned.observed().reachable().count(),
        tasks: planned.observed().tasks().filter(|task| task.stack == *stack && task.is_live()).count(),
        diff,
        forecast: &planned.plan().forecast,
        drift: &planned.plan().drift,
        notes: &planned.plan().notes,
        wanted: (kind != Kind::Remove).then_some(planned.spec()),
        is_whole,
    }
}

/// Refuses a plan with problems, and reports all of them.
pub(super) fn refuse_problems(ui: &Ui, planned: &Planned) -> Result<(), Failure> {
    let problems = planned.plan().problems.clone();
    if problems.is_empty() {
        return Ok(());
    }
    say_problems(ui, &problems);
    Err(refused(planned.stack().clone(), problems))
}

fn say_problems(ui: &Ui, problems: &[Problem]) {
    for problem in problems {
        if let Problem::Unplaced(unplaced) = problem {
            let columns = unplaced.nodes.iter().map(|(node, _)| width(node.as_str())).max().unwrap_or(0);
            ui.detail(&format!("Nodes for service {}:", paint(STRONG, &unplaced.service)));
            for (node, why) in &unplaced.nodes {
                ui.detail(&format!("  {}  {}", pad(node.as_str(), columns), clean(why)));
            }
        }
    }
}

fn refused(stack: StackName, problems: Vec<Problem>) -> Failure {
    let is_silent = problems.iter().any(Problem::is_silence);
    Failure::new(blame(is_silent), Refused { stack, problems })
}

impl From<ops::Error> for Failure {
    fn from(error: ops::Error) -> Self {
        match error {
            ops::Error::Ledger(error) => error.into(),
            ops::Error::Held { stack, holder, age_ms, lasts_ms, has_ended } => {
                ending::held(stack, *holder, age_ms, lasts_ms, has_ended)
            }
            ops::Error::LockLost { stack } => ending::lost(stack),
            ops::Error::Refused { stack, problems } => refused(stack, problems),
            ops::Error::Stale { why } => {
                Self::refused(crate::artifact::saved_plan::SavedPlanError::Stale { why })
            }
            ops::Error::Vault(error) => (*error).into(),
            ops::Error::NoAgents(error) => Self::refused(error),
            ops::Error::NotApproved => Self::refused(NotConfirmed),
            ops::Error::NotEdited(error) => error.into(),
            ops::Error::NotUndone(error) => error.into(),
        }
    }
}

/// Messages before there is a plan: which process stackctl waits for.
pub(super) fn before_plan<'a>(context: &'a Context, choices: &'a RolloutOptions) -> impl Progress<Planned> {
    Screen::before_plan(&context.ui, choices)
}

/// Shows plans, asks once, and carries them out one after the other.
pub(super) async fn carry_out(
    context: &Context,
    cluster: &Cluster,
    all: Vec<Job>,
    choices: RolloutOptions,
) -> Result<Exit, Failure> {
    carry_out_after(context, cluster, all, choices, async || Ok(())).await
}

/// The same, with a step that runs once it is certain that plans will be carried out, and before the
/// first of them is.
pub(super) async fn carry_out_after(
    context: &Context,
    cluster: &Cluster,
    all: Vec<Job>,
    choices: RolloutOptions,
    first: impl AsyncFnOnce() -> Result<(), Failure>,
) -> Result<Exit, Failure> {
    let ill = all.iter().filter_map(ill).collect();
    let needed = Needed::by(cluster, all.iter().map(|job| &*job.plan)).await;
    if let Some(needed) = &needed {
        needed.show(&context.ui, &cluster.inventory);
    }
    let screen = Screen::new(&context.ui, cluster.clock.now(), &choices);
    let how = Rollout { terms: choices.terms(), dry_run: choices.dry_run };
    let mut approve = Terminal { ui: &context.ui, cluster: &cluster.inventory.cluster, choices: &choices };
    let interrupt = Interrupt::listen();
    let driver = cluster.driver();
    let first = async || {
        if let Some(needed) = &needed {
            needed.bring(context, cluster, choices.yes).await?;
        }
        first().await?;
        screen.notify(cluster, &ill);
        Ok(())
    };
    let done = release::rollout(&driver, all, &how, &mut approve, first, &interrupt, &screen).await;
    // Also if a later stack could not begin: the notifications about the earlier stacks are delivered.
    screen.finish(cluster.clock.now()).await;
    Ok(done?.last().map_or(Exit::Done, exit_of))
}

fn exit_of(done: &Done<Planned>) -> Exit {
    match done {
        Done::NotWanted | Done::Idle => Exit::Done,
        Done::Ran(ran) => exit(&ran.report),
    }
}

/// A stack that was in trouble at its last release: notifications report its recovery.
fn ill(job: &Job) -> Option<String> {
    let order = job.order.as_ref()?.as_ref().ok()?;
    let last = order.history().last().and_then(|(.., outcome)| outcome);
    let is_ill = !matches!(last, None | Some(Outcome::Deployed | Outcome::Removed));
    is_ill.then(|| format!("stack {}", job.plan.stack()))
}

/// Shows one plan and carries it out without a question, unless `still` says, once the lock is held and the
/// history is the newest, that it is not to be done any more. `None` if there was nothing to be done.
pub(super) async fn carry_out_unasked(
    context: &Context,
    cluster: &Cluster,
    job: Job,
    choices: RolloutOptions,
    interrupt: &Interrupt,
    still: impl AsyncFnMut(&History) -> Result<bool, Failure>,
) -> Result<Option<Ran<Planned>>, Failure> {
    let ill = ill(&job).into_iter().collect();
    let screen = Screen::new(&context.ui, cluster.clock.now(), &choices);
    let how = Rollout { terms: choices.terms(), dry_run: false };
    let Job { plan, order } = job;
    let still = |Record { record, free, draft, intent }: Record| {
        let intent = Still { edited: intent, still };
        Order { record, free, draft, intent }
    };
    let job = release::Job { plan, order: order.map(|order| order.map(still)) };
    let first = async || {
        screen.notify(cluster, &ill);
        Ok(())
    };
    let (driver, mut approve) = (cluster.driver(), ApproveAll::new());
    let done = release::rollout(&driver, vec![job], &how, &mut approve, first, interrupt, &screen).await;
    screen.finish(cluster.clock.now()).await;
    Ok(match done?.pop() {
        None | Some(Done::NotWanted | Done::Idle) => None,
        Some(Done::Ran(ran)) => Some(ran),
    })
}
