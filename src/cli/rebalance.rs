//! `stackctl rebalance`: moves a few tasks to the nodes where they would be placed today.

use super::Context;
use super::cluster;
use super::deploy::stack_name;
use super::report::{Exit, Failure};
use super::rollout::{self, Commit, Draft, Kind};
use super::rollout_args::RolloutArgs;
use super::stackfiles::Stackfiles;
use super::standing::tell_left;
use crate::fleet::ConnectOptions;
use crate::model::StackName;
use crate::ops::identity;
use crate::ops::rebalance::{Moves, NotMoved, rebalance, rebalance_as};

pub(super) const EXAMPLES: &[(&str, &str)] = &[
    ("Show which tasks of all stacks would move, for example to a new node", "stackctl rebalance --dry-run"),
    (
        "Move three tasks of one stack, by the update policy of its services",
        "stackctl rebalance --max-moves 3 shop",
    ),
];

/// Arguments of `rebalance`.
#[derive(Debug, clap::Args)]
pub struct Rebalance {
    /// Name of the stack [default: every stack that runs; with -c the stackfile's `name`]
    #[arg(value_name = "STACK", value_parser = stack_name, add = super::complete::stacks())]
    pub stack: Option<StackName>,
    /// The stackfiles, if the newest release is not to be used.
    #[command(flatten)]
    pub stackfiles: Stackfiles,
    /// Move at most this many tasks, of all stacks together
    #[arg(long, value_name = "N", default_value_t = 10)]
    pub max_moves: usize,
    #[command(flatten)]
    pub rollout: RolloutArgs,
}

/// The stack differs from the file.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[error("stack `{stack}` differs from its stackfile: no task was moved")]
#[diagnostic(
    code(stackctl::plan::not_current),
    help("deploy the stack first, or see the difference with `stackctl diff`")
)]
struct NotCurrent {
    stack: StackName,
}

pub(super) fn run(args: &Rebalance, context: &Context) -> Result<Exit, Failure> {
    if args.stackfiles.files.is_empty() { from_ledger(args, context) } else { from_file(args, context) }
}

/// Moves tasks of the newest releases.
fn from_ledger(args: &Rebalance, context: &Context) -> Result<Exit, Failure> {
    cluster::with(context, ConnectOptions::default(), async |cluster| {
        let Rebalance { stack, max_moves, rollout, .. } = args;
        let message = rollout.message.as_ref();
        let Moves { jobs, left } =
            rebalance(cluster, stack.as_ref(), *max_moves, message, rollout.dry_run).await?;
        let choices = rollout.choices("rebalance", Kind::Move);
        let exit = rollout::carry_out(context, cluster, jobs, choices).await?;
        Ok(tell_left(&context.ui, left, exit))
    })
}

fn from_file(args: &Rebalance, context: &Context) -> Result<Exit, Failure> {
    let loaded = args.stackfiles.load_with_secrets(args.stack.as_ref(), context)?;
    cluster::with(context, ConnectOptions::default(), async |cluster| {
        let draft = if args.rollout.dry_run {
            None
        } else {
            Some(Draft {
                verb: "rebalance".to_owned(),
                files: args.stackfiles.names()?,
                message: args.rollout.message.clone(),
                git: Some(Commit::Pending(tokio::spawn(identity::git(args.stackfiles.directory()?)))),
                source: None,
            })
        };
        let spec = cluster.settle(loaded.spec, &loaded.secrets, args.rollout.dry_run).await?;
        let job = match rebalance_as(cluster, spec, draft, args.max_moves).await {
            Ok(job) => job,
            Err(NotMoved::NotCurrent(stack)) => return Err(Failure::refused(NotCurrent { stack })),
            Err(NotMoved::Problems(planned)) => {
                return rollout::refuse_problems(&context.ui, &planned).map(|()| Exit::Done);
            }
        };
        let choices = args.rollout.choices("rebalance", Kind::Deploy);
        rollout::carry_out(context, cluster, vec![job], choices).await
    })
}
