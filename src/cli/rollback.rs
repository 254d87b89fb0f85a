//! `stackctl rollback`: a deploy of an older release.

use super::Context;
use super::cluster::{self, Cluster};
use super::deploy::stack_name;
use super::release_name::find;
use super::report::{Exit, Failure};
use super::rollout::{self, Commit, Draft, Job, Record};
use super::rollout_args::StartArgs;
use crate::model::StackName;
use crate::orchestrator::{Planned, pin};

pub(super) const EXAMPLES: &[(&str, &str)] = &[
    ("Back to the last successful release before this one", "stackctl rollback shop"),
    ("To a certain one, after a look at the plan", "stackctl rollback --to 3 shop"),
];

/// Arguments of `rollback`.
#[derive(Debug, clap::Args)]
pub struct Rollback {
    /// Name of the stack
    #[arg(value_name = "STACK", value_parser = stack_name, add = super::complete::stacks())]
    pub stack: StackName,
    /// Number of the release [default: the last successful one before the newest]
    #[arg(long, value_name = "N")]
    pub to: Option<u64>,
    #[command(flatten)]
    pub start: StartArgs,
}

pub(super) fn run(args: &Rollback, context: &Context) -> Result<Exit, Failure> {
    cluster::with(context, args.start.connect(), async |cluster: &Cluster| {
        let stack = &args.stack;
        let history = cluster.remembered(stack).await?.history;
        let to = args.to.or_else(|| history.before_last());
        let (to, release, _) = find(&context.ui, stack, to, &history)?;
        // The images keep the digests of the release.
        let mut spec = release.spec.clone();
        let options = cluster.plan_options(true);
        let plan = async {
            let observed = cluster.observe().await;
            pin::keep_forced(&mut spec, observed.tasks().filter(|task| task.stack == *stack));
            Planned::make(observed, spec, options)
        };
        let choices = args.start.choices("rollback");
        let draft = Draft {
            verb: format!("rollback to {to}"),
            files: release.files.clone(),
            message: args.start.rollout.message.clone(),
            git: release.git.clone().map(Commit::Known),
            ..Draft::default()
        };
        let job = if choices.dry_run {
            Job::new(plan.await, None)
        } else {
            Record::with_plan(cluster, stack, draft, plan).await
        };
        rollout::carry_out(context, cluster, vec![job], choices).await
    })
}
