//! `stackctl diff`: what a deploy would do, and nothing done.

use clap::ValueEnum;

use super::Context;
use super::cluster;
use super::deploy::{ResolveImage, stack_name};
use super::render::plan;
use super::report::{self, Exit, Failure};
use super::rollout::{self, Kind};
use super::stackfiles::Stackfiles;
use super::template::json_line;
use crate::engine::{self, Request};
use crate::fleet::ConnectOptions;
use crate::model::StackName;

pub(super) const EXAMPLES: &[(&str, &str)] = &[
    ("See what would change (status 2 if something would)", "stackctl diff -c docker-compose.yml shop"),
    ("As a comment on a pull request", "stackctl diff --format markdown -c docker-compose.yml shop"),
];

/// Arguments of `diff`.
#[derive(Debug, clap::Args)]
pub struct Diff {
    /// Name of the stack [default: the stackfile's `name`]
    #[arg(value_name = "STACK", value_parser = stack_name, add = super::complete::stacks())]
    pub stack: Option<StackName>,
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
    let loaded = args.stackfiles.load(args.stack.as_ref(), context)?;
    let connect = ConnectOptions { with_registry_auth: args.with_registry_auth, ..ConnectOptions::default() };
    cluster::with(context, connect, async |cluster| {
        let options = cluster.plan_options(args.prune);
        let request = Request { options, resolve: args.resolve_image.into() };
        let planned = engine::plan(&cluster.observer, cluster.clock.now(), loaded.spec, request).await;
        let ui = &context.ui;
        let view = rollout::view(&planned, Kind::Deploy, ui.is_verbose());
        if args.format == Format::Json {
            let mut value = plan::to_json(&view);
            value["problems"] =
                planned.plan.problems.iter().map(|one| report::to_json(one)).collect::<Vec<_>>().into();
            ui.data(&(json_line(&value) + "\n"));
        }
        rollout::refuse_problems(ui, &planned)?;
        match args.format {
            Format::Text => ui.data(&plan::text(&view)),
            Format::Markdown => ui.data(&plan::markdown(&view)),
            Format::Json => {}
        }
        Ok(if planned.plan.is_empty() { Exit::Done } else { Exit::Differs })
    })
}
