//! `stackctl ps`: the tasks of a stack.

use super::Context;
use super::deploy::stack_name;
use super::report::{Exit, Failure, NotThereYet};
use crate::model::StackName;

pub(super) const EXAMPLES: &[(&str, &str)] = &[
    ("What runs where, and what ended before it", "stackctl ps shop"),
    ("Only what should be running on one node", "stackctl ps -f node=h2 -f desired-state=running shop"),
    ("Name and state, for a script", r"stackctl ps --format '{{.Name}}\t{{.CurrentState}}' shop"),
];

/// Arguments of `ps`.
#[derive(Debug, clap::Args)]
pub struct Ps {
    /// Name of the stack
    #[arg(value_name = "STACK", value_parser = stack_name)]
    pub stack: StackName,
    /// Only tasks that fit: id=, name=, node=, desired-state=running|shutdown
    #[arg(short, long = "filter", value_name = "KEY=VALUE")]
    pub filters: Vec<String>,
    /// `table`, `table TEMPLATE`, `json`, or a Go template such as '{{.Name}}'
    #[arg(long, value_name = "FORMAT")]
    pub format: Option<String>,
    /// Whole ids, images with digests, and whole errors
    #[arg(long)]
    pub no_trunc: bool,
}

pub(super) fn run(_args: &Ps, _context: &Context) -> Result<Exit, Failure> {
    Err(Failure::refused(NotThereYet("ps")))
}
