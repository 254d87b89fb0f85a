//! `stackctl logs`: the output of tasks on every host, merged by time.

use super::Context;
use super::report::{Exit, Failure, NotThereYet};

pub(super) const EXAMPLES: &[(&str, &str)] = &[
    ("The last hundred lines of each task of a stack", "stackctl logs --tail 100 shop"),
    ("Follow one service", "stackctl logs -f shop/web"),
    ("The last ten minutes, with times", "stackctl logs --since 10m -t shop web"),
];

/// Arguments of `logs`.
#[derive(Debug, clap::Args)]
pub struct Logs {
    /// Name of the stack, or STACK/SERVICE
    #[arg(value_name = "STACK")]
    pub stack: String,
    /// One service of it
    #[arg(value_name = "SERVICE")]
    pub service: Option<String>,
    /// Go on showing what is written
    #[arg(short, long)]
    pub follow: bool,
    /// How many lines to show of each task
    #[arg(short = 'n', long, value_name = "LINES", default_value = "all")]
    pub tail: String,
    /// Only lines since then: 10m, 2026-01-31T12:00:00Z, or seconds since 1970
    #[arg(long, value_name = "TIME")]
    pub since: Option<String>,
    /// Only lines until then
    #[arg(long, value_name = "TIME")]
    pub until: Option<String>,
    /// Show when each line was written
    #[arg(short, long)]
    pub timestamps: bool,
    /// Whole task ids in front of the lines
    #[arg(long)]
    pub no_trunc: bool,
    /// The lines alone, without the task in front
    #[arg(long)]
    pub raw: bool,
}

pub(super) fn run(_args: &Logs, _context: &Context) -> Result<Exit, Failure> {
    Err(Failure::refused(NotThereYet("logs")))
}
