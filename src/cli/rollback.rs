//! `stackctl rollback`: a deploy of an older release.

use super::Context;
use super::cluster::{self, Cluster};
use super::deploy::{Format, duration, stack_name};
use super::history::warn_of_undecided;
use super::records::{reading, remembered};
use super::release_name::no_release;
use super::report::{Exit, Failure};
use super::rollout::{self, Draft, Job, Kind, Record, Wish};
use crate::engine::Planned;
use crate::fleet::ConnectOptions;
use crate::model::{GoDuration, StackName};
use crate::orchestrator::Plan;

pub(super) const EXAMPLES: &[(&str, &str)] = &[
    ("Back to the last release that was deployed well before this one", "stackctl rollback shop"),
    ("To a certain one, after a look at the plan", "stackctl rollback --to 3 shop"),
];

/// Arguments of `rollback`.
#[derive(Debug, clap::Args)]
pub struct Rollback {
    /// Name of the stack
    #[arg(value_name = "STACK", value_parser = stack_name, add = super::complete::stacks())]
    pub stack: StackName,
    /// Number of the release [default: the last that was deployed well before the newest]
    #[arg(long, value_name = "N")]
    pub to: Option<u64>,
    /// Do not ask for confirmation
    #[arg(short, long, env = "STACKCTL_YES", value_parser = clap::builder::FalseyValueParser::new())]
    pub yes: bool,
    /// Show the plan and stop
    #[arg(long)]
    pub dry_run: bool,
    /// Do not wait until the tasks have proved stable
    #[arg(short, long)]
    pub detach: bool,
    /// What to remember about it, shown by `history`
    #[arg(short, long, value_name = "TEXT")]
    pub message: Option<String>,
    /// Wait so long for somebody else who deploys the stack, e.g. 5m [default: not at all]
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub lock_timeout: Option<GoDuration>,
    /// Give up watching after this long, e.g. 90s or 1h; the status is then 4 [default: 10m]
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub timeout: Option<GoDuration>,
    /// Send this machine's registry credentials to the hosts for their pulls
    #[arg(long)]
    pub with_registry_auth: bool,
    /// How to report: text, or json for one JSON object a line
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t)]
    pub format: Format,
}

pub(super) fn run(args: &Rollback, context: &Context) -> Result<Exit, Failure> {
    let connect = ConnectOptions { with_registry_auth: args.with_registry_auth, ..ConnectOptions::default() };
    cluster::with(context, connect, async |cluster: &Cluster| {
        let stack = &args.stack;
        let history = remembered(reading(cluster), stack).await?.history;
        let to = args.to.or_else(|| history.before_last());
        let Some((release, _)) = to.and_then(|to| history.releases.get(&to)) else {
            warn_of_undecided(&context.ui, &history);
            return Err(Failure::refused(no_release(stack, to, &history)));
        };
        // The images are those of the release: pinned then, and not looked up again.
        let spec = release.spec.clone();
        let options = cluster.plan_options(true);
        let plan = async {
            let observed = cluster.observe().await;
            let plan = Plan::make(&observed, &spec, options.clone());
            Planned { observed, spec, plan }
        };
        let wish = Wish {
            kind: Kind::Deploy,
            format: args.format,
            yes: args.yes,
            dry_run: args.dry_run,
            detach: args.detach,
            timeout: args.timeout,
            lock_timeout: args.lock_timeout,
            options: options.clone(),
        };
        let draft = Draft {
            verb: format!("rollback to {}", to.unwrap_or_default()),
            files: release.files.clone(),
            message: args.message.clone(),
            git: release.git.clone().map(|git| tokio::spawn(async { Some(git) })),
        };
        let job = if args.dry_run {
            Job { planned: plan.await, record: None }
        } else {
            Record::with_plan(context, cluster, stack, draft, plan).await
        };
        rollout::carry_out(context, cluster, vec![job], wish).await
    })
}
