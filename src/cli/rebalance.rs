//! `stackctl rebalance`: move a few tasks to where they would be placed today.

use super::Context;
use super::cluster;
use super::deploy::stack_name;
use super::machine;
use super::report::{Exit, Failure};
use super::rollout::{self, Draft, Job, Kind, Record};
use super::rollout_args::RolloutArgs;
use super::stackfiles::Stackfiles;
use crate::engine::Planned;
use crate::fleet::ConnectOptions;
use crate::model::StackName;
use crate::orchestrator::{Plan, pin, rebalance};

pub(super) const EXAMPLES: &[(&str, &str)] = &[
    ("See which tasks would move to a node that was added", "stackctl rebalance --dry-run -c app.yml shop"),
    (
        "Move three of them, by the services' update policy",
        "stackctl rebalance --max-moves 3 -c app.yml shop",
    ),
];

/// Arguments of `rebalance`.
#[derive(Debug, clap::Args)]
pub struct Rebalance {
    /// Name of the stack [default: the stackfile's `name`]
    #[arg(value_name = "STACK", value_parser = stack_name, add = super::complete::stacks())]
    pub stack: Option<StackName>,
    /// What the stack is.
    #[command(flatten)]
    pub stackfiles: Stackfiles,
    /// Move no more tasks than this
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
            let draft =
                Draft { verb: "rebalance".to_owned(), files, message: args.rollout.message.clone(), git };
            Some(Record::of(context, cluster, &spec.name, draft).await)
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
        if !plan.forecast.waves.is_empty() {
            return Err(Failure::refused(NotCurrent { stack: spec.name }));
        }
        let moves = rebalance(&observed, &spec, &options, args.max_moves);
        options.moves = moves.into_iter().map(|one| ((one.service, one.slot), one.to)).collect();
        let plan = Plan::make(&observed, &spec, options.clone());
        let wish = args.rollout.wish("rebalance", Kind::Deploy, options);
        let job = Job { planned: Planned { observed, spec, plan }, record };
        rollout::carry_out(context, cluster, vec![job], wish).await
    })
}
