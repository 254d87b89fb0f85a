//! `stackctl rm`: a deploy of nothing.

use super::Context;
use super::cluster;
use super::deploy::{Format, duration, stack_name};
use super::report::{Exit, Failure};
use super::rollout::{self, Kind, Wish};
use crate::engine::Planned;
use crate::fleet::ConnectOptions;
use crate::model::{GoDuration, StackName, StackSpec};
use crate::orchestrator::Plan;

pub(super) const EXAMPLES: &[(&str, &str)] = &[
    ("Remove a stack, after a look at what goes", "stackctl rm shop"),
    ("Remove two without asking", "stackctl rm --yes shop blog"),
];

/// Arguments of `rm`.
#[derive(Debug, clap::Args)]
pub struct Rm {
    /// Names of the stacks
    #[arg(value_name = "STACK", required = true, value_parser = stack_name)]
    #[arg(add = super::complete::stacks())]
    pub stacks: Vec<StackName>,
    /// Do not ask for confirmation
    #[arg(short, long, env = "STACKCTL_YES", value_parser = clap::builder::FalseyValueParser::new())]
    pub yes: bool,
    /// Show what would go and stop
    #[arg(long)]
    pub dry_run: bool,
    /// Give up watching after this long, e.g. 90s or 1h; the status is then 4 [default: 10m]
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub timeout: Option<GoDuration>,
    /// How to report: text, or json for one JSON object a line
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t)]
    pub format: Format,
}

pub(super) fn run(args: &Rm, context: &Context) -> Result<Exit, Failure> {
    let ui = &context.ui;
    cluster::with(context, ConnectOptions::default(), async |cluster| {
        let options = cluster.plan_options(true);
        let observed = cluster.observer.observe(cluster.clock.now()).await;
        let mut all = Vec::new();
        for (at, name) in args.stacks.iter().enumerate() {
            if args.stacks[..at].contains(name) {
                continue;
            }
            let spec = StackSpec::empty(name.clone());
            let plan = Plan::make(&observed, &spec, options.clone());
            if plan.is_empty() {
                ui.talk(&format!("nothing found in stack: {name}\n"));
                rollout::volumes_kept(ui, &observed, name.as_str());
            } else {
                all.push(Planned { observed: observed.clone(), spec, plan });
            }
        }
        let wish = Wish {
            kind: Kind::Remove,
            format: args.format,
            yes: args.yes,
            dry_run: args.dry_run,
            detach: false,
            timeout: args.timeout,
            options,
        };
        rollout::carry_out(context, cluster, &all, wish).await
    })
}
