//! `stackctl rm`: deploys an empty stack.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Context;
use super::cluster;
use super::deploy::stack_name;
use super::report::{Exit, Failure};
use super::rollout::{self, Draft, Job, Kind, Record};
use super::rollout_args::RolloutArgs;
use crate::fleet::ConnectOptions;
use crate::model::{StackName, StackSpec};
use crate::orchestrator::Planned;

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
        let options = cluster.plan_options(true);
        // Reads the lock before it observes the hosts.
        let mut records: BTreeMap<&StackName, _> = BTreeMap::new();
        if !args.rollout.dry_run {
            for name in &args.stacks {
                let draft = || Draft {
                    verb: "rm".to_owned(),
                    message: args.rollout.message.clone(),
                    ..Draft::default()
                };
                records.insert(name, Record::of(cluster, name, draft()).await);
            }
        }
        let observed = Arc::new(cluster.observe().await);
        let mut all = Vec::new();
        for (at, name) in args.stacks.iter().enumerate() {
            if args.stacks[..at].contains(name) {
                continue;
            }
            let spec = StackSpec::empty(name.clone());
            let planned = Planned::make(Arc::clone(&observed), spec, options.clone());
            if planned.plan().is_empty() {
                ui.talk(&format!("nothing found in stack: {name}\n"));
                rollout::volumes_kept(ui, &observed, name.as_str());
            } else {
                all.push(Job::new(planned, records.remove(name)));
            }
        }
        let choices = args.rollout.choices("rm", Kind::Remove);
        rollout::carry_out(context, cluster, all, choices).await
    })
}
