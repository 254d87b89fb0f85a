//! `stackctl diff`: what a deploy would do, and nothing done.

use clap::ValueEnum;

use super::Context;
use super::cluster;
use super::deploy::ResolveImage;
use super::records::{Reading, reading, remembered};
use super::release_name::{ReleaseName, no_release, release_name};
use super::render::plan;
use super::report::{self, Exit, Failure};
use super::rollout::{self, Kind};
use super::show::yaml;
use super::stackfiles::Stackfiles;
use super::template::json_line;
use crate::engine::{self, Planned, Request};
use crate::fleet::ConnectOptions;
use crate::ledger::release::Release;
use crate::orchestrator::Plan;

pub(super) const EXAMPLES: &[(&str, &str)] = &[
    ("See what would change (status 2 if something would)", "stackctl diff -c docker-compose.yml shop"),
    ("As a comment on a pull request", "stackctl diff --format markdown -c docker-compose.yml shop"),
    ("What going back to release 3 would do", "stackctl diff shop@3"),
];

/// Arguments of `diff`.
#[derive(Debug, clap::Args)]
pub struct Diff {
    /// Name of the stack [default: the stackfile's `name`]; or one of its releases, STACK@N, to see what going
    /// back to it would do
    #[arg(value_name = "STACK[@N]", value_parser = release_name, add = super::complete::stacks_and_releases())]
    pub stack: Option<ReleaseName>,
    /// Another release: how it differs from the first
    #[arg(value_name = "STACK@M", value_parser = release_name, add = super::complete::releases())]
    pub other: Option<ReleaseName>,
    /// What to compare with.
    #[command(flatten)]
    pub stackfiles: Stackfiles,
    /// Count services that are no longer in the stackfile as to be removed
    #[arg(long)]
    pub prune: bool,
    /// When to ask the registry which image a tag stands for
    #[arg(long, value_enum, value_name = "WHEN", default_value_t)]
    pub resolve_image: ResolveImage,
    /// Send this machine's registry credentials to the hosts for the look-ups
    #[arg(long)]
    pub with_registry_auth: bool,
    /// How to show it
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t)]
    pub format: Format,
}

/// How a plan is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Format {
    /// For people.
    #[default]
    Text,
    /// For programs: one JSON object.
    Json,
    /// For pull requests.
    Markdown,
}

pub(super) fn run(args: &Diff, context: &Context) -> Result<Exit, Failure> {
    if let Some(release) = args.stack.as_ref().filter(|name| name.number.is_some() || args.other.is_some()) {
        return of_release(args, release, context);
    }
    let stack = args.stack.as_ref().map(|name| &name.stack);
    let loaded = args.stackfiles.load(stack, context)?;
    let connect = ConnectOptions { with_registry_auth: args.with_registry_auth, ..ConnectOptions::default() };
    cluster::with(context, connect, async |cluster| {
        let options = cluster.plan_options(args.prune);
        let request = Request { options, resolve: args.resolve_image.into() };
        let planned = engine::plan(&cluster.observer, cluster.clock.now(), loaded.spec, request).await;
        show(args, context, &planned)
    })
}

fn show(args: &Diff, context: &Context, planned: &Planned) -> Result<Exit, Failure> {
    let ui = &context.ui;
    let view = rollout::view(planned, Kind::Deploy, ui.is_verbose());
    if args.format == Format::Json {
        let mut value = plan::to_json(&view);
        value["problems"] =
            planned.plan.problems.iter().map(|one| report::to_json(one)).collect::<Vec<_>>().into();
        ui.data(&(json_line(&value) + "\n"));
    }
    rollout::refuse_problems(ui, planned)?;
    match args.format {
        Format::Text => ui.data(&plan::text(&view)),
        Format::Markdown => ui.data(&plan::markdown(&view)),
        Format::Json => {}
    }
    Ok(if planned.plan.is_empty() { Exit::Done } else { Exit::Differs })
}

/// What a deploy of an old release would do; or how one release differs from another.
fn of_release(args: &Diff, name: &ReleaseName, context: &Context) -> Result<Exit, Failure> {
    cluster::with(context, ConnectOptions::default(), async |cluster| {
        let ledger = reading(context, cluster);
        let release = release(&ledger, name).await?;
        if let Some(other) = &args.other {
            return Ok(between(context, (name, &release), (other, &self::release(&ledger, other).await?)));
        }
        let observed = cluster.observer.observe(cluster.clock.now()).await;
        let plan = Plan::make(&observed, &release.spec, cluster.plan_options(true));
        show(args, context, &Planned { observed, spec: release.spec, plan })
    })
}

async fn release(ledger: &Reading, name: &ReleaseName) -> Result<Release, Failure> {
    let mut history = remembered(ledger, &name.stack).await?.history;
    let number = name.number.or_else(|| history.last().map(|(number, ..)| number));
    match number.and_then(|number| history.releases.remove(&number)) {
        Some((release, _)) => Ok(release),
        None => Err(Failure::refused(no_release(&name.stack, number, &history))),
    }
}

/// Line by line, as `diff -u` has it.
fn between(context: &Context, from: (&ReleaseName, &Release), to: (&ReleaseName, &Release)) -> Exit {
    let (old, new) = (yaml(from.1), yaml(to.1));
    if old == new {
        return Exit::Done;
    }
    let lines = similar::TextDiff::from_lines(&old, &new);
    let names = (from.0.to_string(), to.0.to_string());
    context.ui.data(&lines.unified_diff().header(&names.0, &names.1).to_string());
    Exit::Differs
}
