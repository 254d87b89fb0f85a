//! `stackctl deploy`: plan, ask, converge, prove arrival.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use clap::ValueEnum;

use super::Context;
use super::cluster;
use super::machine;
use super::report::{Exit, Failure};
use super::rollout::{self, Draft, Job, Record, Wish};
use super::rollout_args::StartArgs;
use super::saved_plan::{SavedPlan, SavedPlanError};
use super::stackfiles::Stackfiles;
use crate::engine::{self, Request};
use crate::model::{GoDuration, StackName};
use crate::orchestrator::{PlanOptions, pin};

pub(super) const EXAMPLES: &[(&str, &str)] = &[
    ("Look at the plan, say yes, watch it converge", "stackctl deploy -c docker-compose.yml shop"),
    (
        "In CI: do not ask, take all back if a service fails, give up watching after ten minutes",
        "stackctl deploy --yes --atomic --timeout 10m -c app.yml -c prod.yml shop",
    ),
    ("What `diff --out` has kept, or nothing if it is not true any more", "stackctl deploy --yes plan.bin"),
    (
        "From a pipe, with progress as JSON lines",
        "envsubst <app.yml | stackctl deploy --yes --format json -c - shop",
    ),
];

/// How a plan in a file is told from a stack.
const PLAN_ENDING: &str = ".bin";

/// Arguments of `deploy`.
#[derive(Debug, clap::Args)]
pub struct Deploy {
    /// Name of the stack [default: the stackfile's `name`]; or a plan that `diff --out` has kept: a name
    /// that ends in `.bin`, or a path with a `/`. A plan is carried out if its files and the cluster are still as
    /// they were, or else refused. Its checksum guards against damage, it is no signature
    #[arg(value_name = "STACK|PLAN", add = super::complete::stacks())]
    pub target: Option<Target>,
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

/// What is to be deployed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// The stackfiles, under this name.
    Stack(StackName),
    /// A plan in a file.
    Plan(PathBuf),
}

impl FromStr for Target {
    type Err = crate::model::ids::NameError;

    /// By its looks alone: whether a file is there must not decide what a word means.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.contains('/') || text.ends_with(PLAN_ENDING) {
            return Ok(Self::Plan(PathBuf::from(text)));
        }
        StackName::new(text).map(Self::Stack)
    }
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
    let stack = match &args.target {
        Some(Target::Plan(path)) => return of_plan(args, path, context),
        Some(Target::Stack(stack)) => Some(stack),
        None => None,
    };
    let loaded = args.stackfiles.load(stack, context)?;
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
            let draft = draft(args, &args.stackfiles)?;
            Record::with_plan(cluster, &stack, draft, plan).await
        };
        rollout::carry_out(context, cluster, vec![job], wish).await
    })
}

/// What is said of the release.
fn draft(args: &Deploy, stackfiles: &Stackfiles) -> Result<Draft, Failure> {
    Ok(Draft {
        verb: "deploy".to_owned(),
        files: stackfiles.names()?,
        message: args.start.rollout.message.clone(),
        git: Some(tokio::spawn(machine::git(stackfiles.directory()?))),
        ..Draft::default()
    })
}

/// Carries out a plan that was made before, if it is still the plan.
fn of_plan(args: &Deploy, path: &Path, context: &Context) -> Result<Exit, Failure> {
    if args.stackfiles != Stackfiles::default() || args.prune || args.resolve_image != ResolveImage::default()
    {
        return Err(Failure::usage(SavedPlanError::SaysAll { path: path.to_owned() }));
    }
    let saved = SavedPlan::open(path, context)?;
    let spec = saved.read_again(context)?;
    let stackfiles = saved.stackfiles();
    cluster::with(context, args.start.connect(), async |cluster| {
        let options = PlanOptions { atomic: args.atomic, ..saved.options(cluster) };
        let wish = Wish { is_exact: true, ..args.start.wish("deploy", options.clone()) };
        let plan = saved.plan_again(cluster, spec, options);
        let job = if wish.dry_run {
            Job { planned: plan.await, record: None }
        } else {
            let draft = draft(args, &stackfiles)?;
            Record::with_plan(cluster, &saved.stack, draft, plan).await
        };
        // What stands in the way is told by whoever carries plans out.
        if job.planned.plan.problems.is_empty() {
            saved.compare(context, &job.planned)?;
        }
        rollout::carry_out(context, cluster, vec![job], wish).await
    })
}
