//! `stackctl services`: the services of a stack.

use super::Context;
use super::deploy::stack_name;
use super::report::{Exit, Failure, NotThereYet};
use crate::model::StackName;

pub(super) const EXAMPLES: &[(&str, &str)] = &[
    ("All services of a stack", "stackctl services shop"),
    ("Those whose name begins with web", "stackctl services -f name=web shop"),
];

/// Arguments of `services`.
#[derive(Debug, clap::Args)]
pub struct Services {
    /// Name of the stack
    #[arg(value_name = "STACK", value_parser = stack_name)]
    pub stack: StackName,
    /// Only services that fit: id=, label=, mode=replicated|global, name=
    #[arg(short, long = "filter", value_name = "KEY=VALUE")]
    pub filters: Vec<String>,
    /// `table`, `table TEMPLATE`, `json`, or a Go template such as '{{.Name}}'
    #[arg(long, value_name = "FORMAT")]
    pub format: Option<String>,
}

pub(super) fn run(_args: &Services, _context: &Context) -> Result<Exit, Failure> {
    Err(Failure::refused(NotThereYet("services")))
}
