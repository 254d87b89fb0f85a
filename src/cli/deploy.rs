//! `stackctl deploy`: plans, asks, converges, and verifies the result.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use clap::ValueEnum;

use super::Context;
use super::cluster;
use super::image::offer::Offers;
use super::ledger::follow_managers;
use super::report::{Exit, Failure};
use super::rollout::{self, Commit, Draft, Record, RolloutOptions};
use super::rollout_args::StartArgs;
use super::saved_plan;
use super::stackfiles::Stackfiles;
use crate::artifact::saved_plan::SavedPlanError;
use crate::engine::plan::Offered;
use crate::engine::{self, Request};
use crate::model::StackName;
use crate::ops::cluster::Cluster;
use crate::ops::identity;
use crate::orchestrator::{PlanOptions, pin};

pub(super) const EXAMPLES: &[(&str, &str)] = &[
    ("See the plan, confirm it, watch it converge", "stackctl deploy -c docker-compose.yml shop"),
    (
        "In CI: do not ask, roll the stack back if a service fails, stop watching after ten minutes",
        "stackctl deploy --yes --atomic --timeout 10m -c app.yml -c prod.yml shop",
    ),
    ("The plan that `diff --out` saved; refused if it is stale", "stackctl deploy --yes plan.bin"),
    (
        "From a pipe, with progress as JSON lines",
        "envsubst <app.yml | stackctl deploy --yes --format json -c - shop",
    ),
];

/// How a name of a plan's file differs from a name of a stack.
const PLAN_ENDING: &str = ".bin";

/// Arguments of `deploy`.
#[derive(Debug, clap::Args)]
pub struct Deploy {
    /// Name of the stack [default: the stackfile's `name`]; or a plan that `diff --out` saved: a name that ends
    /// in `.bin`, or a path with a `/`. stackctl carries out a saved plan if its files and the cluster are
    /// unchanged, and refuses it otherwise. The checksum of a plan detects damage; it is no signature
    #[arg(value_name = "STACK|PLAN", add = super::complete::stacks())]
    pub target: Option<Target>,
    #[command(flatten)]
    pub stackfiles: Stackfiles,
    /// Also remove services that are no longer in the stackfile
    #[arg(long)]
    pub prune: bool,
    /// All or nothing: if a service fails, roll the whole stack back to what ran before
    #[arg(long, env = "STACKCTL_ATOMIC", value_parser = clap::builder::FalseyValueParser::new())]
    pub atomic: bool,
    /// When to ask the registry which image a tag stands for
    #[arg(long, value_enum, value_name = "WHEN", default_value_t)]
    pub resolve_image: ResolveImage,
    /// Bring images that only this machine's engine has to the hosts that get tasks of them
    #[arg(long)]
    pub push: bool,
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

    /// Decides by the form of the word: the existence of a file must not change its meaning.
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
    /// Only if the file names another image than what runs.
    Changed,
    /// Never: each host resolves the tag by itself.
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

pub(super) fn run(args: &Deploy, context: &Context) -> Result<Exit, Failure> {
    let stack = match &args.target {
        Some(Target::Plan(path)) => return of_plan(args, path, context),
        Some(Target::Stack(stack)) => Some(stack),
        None => None,
    };
    let loaded = args.stackfiles.load_with_secrets(stack, context)?;
    cluster::with(context, args.start.connect(), async |cluster| {
        let choices = args.start.choices("deploy");
        let settled = cluster.settle(loaded.spec, &loaded.secrets, choices.dry_run).await?;
        let plan = |offered: Offered| {
            let options = PlanOptions { atomic: args.atomic, ..cluster.plan_options(args.prune) };
            let resolve = args.resolve_image.into();
            let request = Request { options, resolve, offered, ..Request::default() };
            engine::plan(cluster.cluster_reader(), cluster.clock.now(), settled.clone(), request)
        };
        let mut offers = match args.push {
            true => Offers::of(context, cluster, &plan(Offered::default()).await).await?,
            false => Offers::default(),
        };
        let job = on_the_managers_of_now(context, cluster, async || {
            let draft = if choices.dry_run { None } else { Some(draft(args, &args.stackfiles)?) };
            Ok(Record::job(cluster, &settled.name, draft, plan(offers.offered())).await)
        })
        .await?;
        offers.narrow(&job.plan)?;
        let format = choices.format;
        offers.show(context, cluster, format);
        let bring = async || offers.bring(context, cluster, format).await;
        rollout::carry_out_after(context, cluster, vec![job], choices, bring).await
    })
}

/// Plans. Where it is seen by that that the managers have changed, brings all records to those of now, and plans again on
/// what is remembered then.
pub(super) async fn on_the_managers_of_now(
    context: &Context,
    cluster: &Cluster,
    plan: impl AsyncFn() -> Result<rollout::Job, Failure>,
) -> Result<rollout::Job, Failure> {
    let job = plan().await?;
    let order = job.order.as_ref().and_then(|order| order.as_ref().ok());
    if !order.is_some_and(Record::managers_changed) {
        return Ok(job);
    }
    follow_managers(context, cluster).await;
    plan().await
}

/// The facts that the release records about its origin.
fn draft(args: &Deploy, stackfiles: &Stackfiles) -> Result<Draft, Failure> {
    Ok(Draft {
        verb: "deploy".to_owned(),
        files: stackfiles.names()?,
        message: args.start.rollout.message.clone(),
        git: Some(Commit::Pending(tokio::spawn(identity::git(stackfiles.directory()?)))),
        ..Draft::default()
    })
}

/// Carries out a saved plan, unless it is stale.
fn of_plan(args: &Deploy, path: &Path, context: &Context) -> Result<Exit, Failure> {
    if args.stackfiles != Stackfiles::default()
        || args.prune
        || args.push
        || args.resolve_image != ResolveImage::default()
    {
        return Err(Failure::usage(SavedPlanError::SaysAll { path: path.to_owned() }));
    }
    let saved = saved_plan::open(path, context)?;
    let (loaded, inputs) = saved_plan::read_again(&saved, context)?;
    let stackfiles = saved_plan::stackfiles(&saved);
    cluster::with(context, args.start.connect(), async |cluster| {
        let options = PlanOptions { atomic: args.atomic, ..saved_plan::options(&saved, cluster) };
        let choices = RolloutOptions { is_exact: true, ..args.start.choices("deploy") };
        let key = cluster.marks_key().await.map_err(Failure::refused)?;
        let spec = cluster.settle(loaded.spec, &loaded.secrets, choices.dry_run).await?;
        let spec = saved.check(spec, inputs, &key).map_err(Failure::refused)?;
        let job = on_the_managers_of_now(context, cluster, async || {
            let spec = spec.clone();
            let plan = async { saved.plan_again(cluster.observe_for(&spec).await, spec, options.clone()) };
            let draft = if choices.dry_run { None } else { Some(draft(args, &stackfiles)?) };
            Ok(Record::job(cluster, saved.stack(), draft, plan).await)
        })
        .await?;
        // `carry_out` reports problems that block the plan.
        if job.plan.plan().problems.is_empty() {
            saved_plan::compare(&saved, context, &job.plan)?;
        }
        rollout::carry_out(context, cluster, vec![job], choices).await
    })
}
