//! `stackctl rebalance`: move a few tasks to where they would be placed today.

use std::collections::BTreeMap;

use super::Context;
use super::cluster;
use super::deploy::stack_name;
use super::machine;
use super::report::{Exit, Failure, draw};
use super::rollout::{self, Draft, Job, Kind, Record};
use super::rollout_args::RolloutArgs;
use super::stackfiles::Stackfiles;
use super::standing::{Standing, running, standing};
use crate::engine::Planned;
use crate::fleet::ConnectOptions;
use crate::model::{NodeName, Observed, ServiceName, Slot, StackName};
use crate::orchestrator::rebalance::{Move, carry};
use crate::orchestrator::{Action, Plan, PlanOptions, Reason, pin, rebalance};

pub(super) const EXAMPLES: &[(&str, &str)] = &[
    ("See which tasks of all stacks would move to a node that was added", "stackctl rebalance --dry-run"),
    ("Move three of one stack, by its services' update policy", "stackctl rebalance --max-moves 3 shop"),
];

/// Arguments of `rebalance`.
#[derive(Debug, clap::Args)]
pub struct Rebalance {
    /// Name of the stack [default: every stack that runs; with -c the stackfile's `name`]
    #[arg(value_name = "STACK", value_parser = stack_name, add = super::complete::stacks())]
    pub stack: Option<StackName>,
    /// What the stack is, if not what its newest release says.
    #[command(flatten)]
    pub stackfiles: Stackfiles,
    /// Move no more tasks than this, of all stacks together
    #[arg(long, value_name = "N", default_value_t = 10)]
    pub max_moves: usize,
    /// How it is carried out.
    #[command(flatten)]
    pub rollout: RolloutArgs,
}

/// The stack is not what the file says.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[error("stack `{stack}` is not as the stackfile says: nothing was moved")]
#[diagnostic(
    code(stackctl::plan::not_current),
    help("deploy it first, or see the difference with `stackctl diff`")
)]
struct NotCurrent {
    stack: StackName,
}

pub(super) fn run(args: &Rebalance, context: &Context) -> Result<Exit, Failure> {
    if args.stackfiles.files.is_empty() { from_ledger(args, context) } else { from_file(args, context) }
}

/// What the newest releases say is moved, and whatever is not as they say is mended with it: a run that was
/// cut off may have left two tasks in a slot.
fn from_ledger(args: &Rebalance, context: &Context) -> Result<Exit, Failure> {
    cluster::with(context, ConnectOptions::default(), async |cluster| {
        let (ui, rollout) = (&context.ui, &args.rollout);
        let stacks = match &args.stack {
            Some(stack) => [stack.clone()].into(),
            None => running(&cluster.observe().await),
        };
        let message = rollout.message.as_ref();
        let (standing, left) = standing(cluster, stacks, "rebalance", message, rollout.dry_run).await?;
        let observed = cluster.observe().await;
        let base = cluster.plan_options(false);
        let mut wish = rollout.wish("rebalance", Kind::Move, base.clone());
        // Where tasks will be once the moves so far are made: two stacks do not both fill one node.
        let mut then: Observed = observed.clone();
        let mut moves_left = args.max_moves;
        let mut jobs = Vec::new();
        for Standing { spec, record, is_settled } in standing {
            let moves = rebalance(&then, &spec, &base, moves_left);
            moves_left -= moves.len();
            moves.iter().for_each(|one| carry(&mut then, &spec.name, one));
            let moves = targets(moves);
            let options = PlanOptions { moves: moves.clone(), ..base.clone() };
            let plan = Plan::make(&observed, &spec, options);
            wish.moves.insert(spec.name.clone(), moves);
            // Nothing to do is no news, unless it ends what was begun.
            let is_news = !plan.forecast.waves.is_empty() || !is_settled;
            let record = record.filter(|_| is_news).map(Ok);
            jobs.push(Job { planned: Planned { observed: observed.clone(), spec, plan }, record });
        }
        let exit = rollout::carry_out(context, cluster, jobs, wish).await?;
        for one in &left {
            ui.talk(&draw(one, ui.look()));
        }
        Ok(if exit == Exit::Done && !left.is_empty() { Exit::Refused } else { exit })
    })
}

fn targets(moves: Vec<Move>) -> BTreeMap<(ServiceName, Slot), NodeName> {
    moves.into_iter().map(|one| ((one.service, one.slot), one.to)).collect()
}

fn from_file(args: &Rebalance, context: &Context) -> Result<Exit, Failure> {
    let loaded = args.stackfiles.load(args.stack.as_ref(), context)?;
    cluster::with(context, ConnectOptions::default(), async |cluster| {
        let mut spec = loaded.spec;
        let mut options = cluster.plan_options(false);
        // Who is at work is looked at before the hosts are.
        let record = if args.rollout.dry_run {
            None
        } else {
            let files = args.stackfiles.names()?;
            let git = Some(tokio::spawn(machine::git(args.stackfiles.directory()?)));
            let draft = Draft {
                verb: "rebalance".to_owned(),
                files,
                message: args.rollout.message.clone(),
                git,
                source: None,
            };
            Some(Record::of(cluster, &spec.name, draft).await)
        };
        let observed = cluster.observe().await;
        // What runs stays as it is, digests too.
        let stack = spec.name.clone();
        let running = observed.tasks().filter(|task| task.stack == stack);
        let _said_at_deploys =
            pin::pin(&mut spec, pin::ResolveImage::Never, running, &pin::Resolutions::new());
        let plan = Plan::make(&observed, &spec, options.clone());
        let before = Planned { observed, spec, plan };
        rollout::refuse_problems(&context.ui, &before)?;
        let Planned { observed, spec, plan } = before;
        // What a run left behind that was cut off is no difference from the file.
        let is_leftover = |action: &Action| action.why == Reason::Duplicate;
        if !plan.forecast.actions().all(is_leftover) {
            return Err(Failure::refused(NotCurrent { stack: spec.name }));
        }
        let moves = rebalance(&observed, &spec, &options, args.max_moves);
        options.moves = targets(moves);
        let plan = Plan::make(&observed, &spec, options.clone());
        let wish = args.rollout.wish("rebalance", Kind::Deploy, options);
        let job = Job { planned: Planned { observed, spec, plan }, record };
        rollout::carry_out(context, cluster, vec![job], wish).await
    })
}
