//! `stackctl rm`: a deploy of nothing.

use super::Context;
use super::deploy::{Format, duration, stack_name};
use super::report::{Exit, Failure, NotThereYet};
use crate::model::{GoDuration, StackName};

pub(super) const EXAMPLES: &[(&str, &str)] = &[
    ("Remove a stack, after a look at what goes", "stackctl rm shop"),
    ("Remove two without asking", "stackctl rm --yes shop blog"),
];

/// Arguments of `rm`.
#[derive(Debug, clap::Args)]
pub struct Rm {
    /// Names of the stacks
    #[arg(value_name = "STACK", required = true, value_parser = stack_name)]
    pub stacks: Vec<StackName>,
    /// Do not ask for confirmation
    #[arg(short, long, env = "STACKCTL_YES", value_parser = clap::builder::FalseyValueParser::new())]
    pub yes: bool,
    /// Show what would go and stop
    #[arg(long)]
    pub dry_run: bool,
    /// Give up watching after this long, e.g. 90s or 10m; the status is then 4
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub timeout: Option<GoDuration>,
    /// How to report: text, or json for one JSON object a line
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t)]
    pub format: Format,
}

pub(super) fn run(_args: &Rm, _context: &Context) -> Result<Exit, Failure> {
    Err(Failure::refused(NotThereYet("rm")))
}
