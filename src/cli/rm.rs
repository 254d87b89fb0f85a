//! `stackctl rm`: a deploy of nothing.

use std::collections::BTreeMap;

use super::Context;
use super::cluster;
use super::deploy::{Format, duration, stack_name};
use super::report::{Exit, Failure};
use super::rollout::{self, Draft, Job, Kind, Record, Wish};
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
    /// Wait so long for somebody else who deploys the stack, e.g. 5m [default: not at all]
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub lock_timeout: Option<GoDuration>,
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
        // Who is at work is looked at before the hosts are.
        let mut records: BTreeMap<&StackName, _> = BTreeMap::new();
        if !args.dry_run {
            for name in &args.stacks {
                let draft = || Draft { verb: "rm".to_owned(), ..Draft::default() };
                records.insert(name, Record::of(context, cluster, name, draft()).await);
            }
        }
        let observed = cluster.observe().await;
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
                let planned = Planned { observed: observed.clone(), spec, plan };
                all.push(Job { planned, record: records.remove(name) });
            }
        }
        let wish = Wish {
            kind: Kind::Remove,
            format: args.format,
            yes: args.yes,
            dry_run: args.dry_run,
            detach: false,
            timeout: args.timeout,
            lock_timeout: args.lock_timeout,
            options,
        };
        rollout::carry_out(context, cluster, all, wish).await
    })
}
