//! `stackctl diff`: what a deploy would do, and nothing done.

use clap::ValueEnum;

use super::Context;
use super::deploy::{ResolveImage, stack_name};
use super::report::{Exit, Failure, NotThereYet};
use super::stackfiles::Stackfiles;
use crate::model::StackName;

pub(super) const EXAMPLES: &[(&str, &str)] = &[
    ("See what would change (status 2 if something would)", "stackctl diff -c docker-compose.yml shop"),
    ("As a comment on a pull request", "stackctl diff --format markdown -c docker-compose.yml shop"),
];

/// Arguments of `diff`.
#[derive(Debug, clap::Args)]
pub struct Diff {
    /// Name of the stack
    #[arg(value_name = "STACK", value_parser = stack_name)]
    pub stack: StackName,
    /// What to compare with.
    #[command(flatten)]
    pub stackfiles: Stackfiles,
    /// Count services that are no longer in the stackfile as to be removed
    #[arg(long)]
    pub prune: bool,
    /// When to ask the registry which image a tag stands for
    #[arg(long, value_enum, value_name = "WHEN", default_value_t)]
    pub resolve_image: ResolveImage,
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

pub(super) fn run(_args: &Diff, _context: &Context) -> Result<Exit, Failure> {
    Err(Failure::refused(NotThereYet("diff")))
}
