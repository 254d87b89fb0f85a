//! `stackctl ls`: which stacks there are.

use super::Context;
use super::report::{Exit, Failure, NotThereYet};

pub(super) const EXAMPLES: &[(&str, &str)] = &[
    ("All stacks of the cluster", "stackctl ls"),
    ("Their names alone", "stackctl ls --format '{{.Name}}'"),
];

/// Arguments of `ls`.
#[derive(Debug, clap::Args)]
pub struct Ls {
    /// `table`, `table TEMPLATE`, `json`, or a Go template such as '{{.Name}}'
    #[arg(long, value_name = "FORMAT")]
    pub format: Option<String>,
}

pub(super) fn run(_args: &Ls, _context: &Context) -> Result<Exit, Failure> {
    Err(Failure::refused(NotThereYet("ls")))
}
