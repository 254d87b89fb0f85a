//! `stackctl deploy`: plan, ask, converge, prove arrival.

use clap::ValueEnum;

use super::Context;
use super::cluster;
use super::machine;
use super::report::{Exit, Failure};
use super::rollout::{self, Draft, Job, Kind, Record, Wish};
use super::stackfiles::Stackfiles;
use crate::engine::{self, Request};
use crate::fleet::ConnectOptions;
use crate::model::{GoDuration, StackName};
use crate::orchestrator::{PlanOptions, pin};

pub(super) const EXAMPLES: &[(&str, &str)] = &[
    ("Look at the plan, say yes, watch it converge", "stackctl deploy -c docker-compose.yml shop"),
    (
        "In CI: do not ask, give up watching after ten minutes",
        "stackctl deploy --yes --timeout 10m -c app.yml -c prod.yml shop",
    ),
    (
        "All or nothing: a service that fails takes the whole stack back",
        "stackctl deploy --yes --atomic -c app.yml shop",
    ),
    (
        "From a pipe, with progress as JSON lines",
        "envsubst <app.yml | stackctl deploy --yes --format json -c - shop",
    ),
];

/// Arguments of `deploy`.
#[derive(Debug, clap::Args)]
pub struct Deploy {
    /// Name of the stack [default: the stackfile's `name`]
    #[arg(value_name = "STACK", value_parser = stack_name, add = super::complete::stacks())]
    pub stack: Option<StackName>,
    /// What to deploy.
    #[command(flatten)]
    pub stackfiles: Stackfiles,
    /// Do not ask for confirmation
    #[arg(short, long, env = "STACKCTL_YES", value_parser = clap::builder::FalseyValueParser::new())]
    pub yes: bool,
    /// Show the plan and stop
    #[arg(long)]
    pub dry_run: bool,
    /// Do not wait until the tasks have proved stable
    #[arg(short, long)]
    pub detach: bool,
    /// Also remove services that are no longer in the stackfile
    #[arg(long)]
    pub prune: bool,
    /// What to remember about it, shown by `history`
    #[arg(short, long, value_name = "TEXT")]
    pub message: Option<String>,
    /// Wait so long for somebody else who deploys the stack, e.g. 5m [default: not at all]
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub lock_timeout: Option<GoDuration>,
    /// All or nothing: if a service fails, take the whole stack back to what ran before
    #[arg(long, env = "STACKCTL_ATOMIC", value_parser = clap::builder::FalseyValueParser::new())]
    pub atomic: bool,
    /// Give up watching after this long, e.g. 90s or 1h; the status is then 4 [default: 10m]
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub timeout: Option<GoDuration>,
    /// When to ask the registry which image a tag stands for
    #[arg(long, value_enum, value_name = "WHEN", default_value_t)]
    pub resolve_image: ResolveImage,
    /// Send this machine's registry credentials to the hosts for their pulls
    #[arg(long)]
    pub with_registry_auth: bool,
    /// How to report: text, or json for one JSON object a line
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t)]
    pub format: Format,
}

/// When a tag is resolved to a digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum ResolveImage {
    /// Each time.
    #[default]
    Always,
    /// Only if the image is written otherwise than in what runs.
    Changed,
    /// Never: each host decides by itself.
    Never,
}

impl From<ResolveImage> for pin::ResolveImage {
    fn from(when: ResolveImage) -> Self {
        match when {
            ResolveImage::Always => Self::Always,
            ResolveImage::Changed => Self::Changed,
            ResolveImage::Never => Self::Never,
        }
    }
}

/// How a deploy reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Format {
    /// For people.
    #[default]
    Text,
    /// For programs: JSON lines.
    Json,
}

/// A stack's name, checked.
pub(super) fn stack_name(text: &str) -> Result<StackName, crate::model::ids::NameError> {
    StackName::new(text)
}

/// A duration as Go writes it, with an example for those who do not know how Go writes it.
pub(super) fn duration(text: &str) -> Result<GoDuration, String> {
    text.parse().map_err(|error| format!("{error}; write it as 90s, 10m or 1h30m"))
}

pub(super) fn run(args: &Deploy, context: &Context) -> Result<Exit, Failure> {
    let loaded = args.stackfiles.load(args.stack.as_ref(), context)?;
    let connect = ConnectOptions { with_registry_auth: args.with_registry_auth, ..ConnectOptions::default() };
    cluster::with(context, connect, async |cluster| {
        let options = PlanOptions { atomic: args.atomic, ..cluster.plan_options(args.prune) };
        let request =
            Request { options: options.clone(), resolve: args.resolve_image.into(), ..Request::default() };
        let stack = loaded.spec.name.clone();
        let plan = engine::plan(cluster.lookout(), cluster.clock.now(), loaded.spec, request);
        let wish = Wish {
            kind: Kind::Deploy,
            format: args.format,
            yes: args.yes,
            dry_run: args.dry_run,
            detach: args.detach,
            timeout: args.timeout,
            lock_timeout: args.lock_timeout,
            options,
        };
        let job = if args.dry_run {
            Job { planned: plan.await, record: None }
        } else {
            let draft = Draft {
                verb: "deploy".to_owned(),
                files: args.stackfiles.names()?,
                message: args.message.clone(),
                git: Some(tokio::spawn(machine::git(args.stackfiles.directory()?))),
            };
            Record::with_plan(context, cluster, &stack, draft, plan).await
        };
        rollout::carry_out(context, cluster, vec![job], wish).await
    })
}
