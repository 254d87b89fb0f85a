//! `stackctl ls`: lists the stacks of the cluster.

use super::Context;
use super::cluster;
use super::render::services::{STACK_COLUMNS, stack_rows};
use super::report::{Exit, Failure};
use crate::model::Task;

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

pub(super) fn run(args: &Ls, context: &Context) -> Result<Exit, Failure> {
    STACK_COLUMNS.render(args.format.as_deref(), &[])?;
    cluster::look(context, &[], |_, observed| {
        let tasks: Vec<&Task> = observed.tasks().collect();
        context.ui.data(&STACK_COLUMNS.render(args.format.as_deref(), &stack_rows(&tasks))?);
        Ok(Exit::Done)
    })
}
