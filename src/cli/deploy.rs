//! `stackctl deploy`: plan, ask, converge, prove arrival.

use clap::ValueEnum;

use super::Context;
use super::cluster;
use super::machine;
use super::report::{Exit, Failure};
use super::rollout::{self, Draft, Job, Record};
use super::rollout_args::StartArgs;
use super::stackfiles::Stackfiles;
use crate::engine::{self, Request};
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
    /// Also remove services that are no longer in the stackfile
    #[arg(long)]
    pub prune: bool,
    /// All or nothing: if a service fails, take the whole stack back to what ran before
    #[arg(long, env = "STACKCTL_ATOMIC", value_parser = clap::builder::FalseyValueParser::new())]
    pub atomic: bool,
    /// When to ask the registry which image a tag stands for
    #[arg(long, value_enum, value_name = "WHEN", default_value_t)]
    pub resolve_image: ResolveImage,
    /// How it is carried out.
    #[command(flatten)]
    pub start: StartArgs,
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
    cluster::with(context, args.start.connect(), async |cluster| {
        let options = PlanOptions { atomic: args.atomic, ..cluster.plan_options(args.prune) };
        let request =
            Request { options: options.clone(), resolve: args.resolve_image.into(), ..Request::default() };
        let stack = loaded.spec.name.clone();
        let plan = engine::plan(cluster.lookout(), cluster.clock.now(), loaded.spec, request);
        let wish = args.start.wish("deploy", options);
        let job = if wish.dry_run {
            Job { planned: plan.await, record: None }
        } else {
            let draft = Draft {
                verb: "deploy".to_owned(),
                files: args.stackfiles.names()?,
                message: args.start.rollout.message.clone(),
                git: Some(tokio::spawn(machine::git(args.stackfiles.directory()?))),
            };
            Record::with_plan(cluster, &stack, draft, plan).await
        };
        rollout::carry_out(context, cluster, vec![job], wish).await
    })
}
