//! `stackctl rm`: deploys an empty stack.

use super::Context;
use super::cluster;
use super::deploy::stack_name;
use super::render::text::count;
use super::report::{Exit, Failure};
use super::rollout::{self, Kind};
use super::rollout_args::RolloutArgs;
use crate::fleet::ConnectOptions;
use crate::model::StackName;
use crate::ops::removal::{Removal, removal};

pub(super) const EXAMPLES: &[(&str, &str)] = &[
    ("Remove a stack, after a look at the plan", "stackctl rm shop"),
    ("Remove two without asking", "stackctl rm --yes shop blog"),
];

/// Arguments of `rm`.
#[derive(Debug, clap::Args)]
pub struct Rm {
    /// Names of the stacks
    #[arg(value_name = "STACK", required = true, value_parser = stack_name)]
    #[arg(add = super::complete::stacks())]
    pub stacks: Vec<StackName>,
    #[command(flatten)]
    pub rollout: RolloutArgs,
}

pub(super) fn run(args: &Rm, context: &Context) -> Result<Exit, Failure> {
    let ui = &context.ui;
    cluster::with(context, ConnectOptions::default(), async |cluster| {
        let message = args.rollout.message.as_deref();
        let Removal { jobs, absent, observed } =
            removal(cluster, &args.stacks, message, args.rollout.dry_run).await;
        for (stack, over) in absent {
            ui.talk(&format!("nothing found in stack: {stack}\n"));
            if over > 0 {
                let tasks = count(over, "task");
                ui.talk(&format!(
                    "{tasks} of it on hosts that do not answer: no agent gives their secrets back\n"
                ));
            }
            rollout::volumes_kept(ui, &observed, &observed, &stack);
        }
        let choices = args.rollout.choices("rm", Kind::Remove);
        rollout::carry_out(context, cluster, jobs, choices).await
    })
}
