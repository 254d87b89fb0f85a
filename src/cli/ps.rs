//! `stackctl ps`: the tasks of a stack.

use std::slice::from_ref;

use super::Context;
use super::cluster;
use super::deploy::stack_name;
use super::filter::Filters;
use super::render::ps::{COLUMNS, Shape, desired_state, name, rows};
use super::report::{Exit, Failure};
use super::template::TemplateError;
use crate::model::{StackName, Task, Timestamp};

pub(super) const EXAMPLES: &[(&str, &str)] = &[
    ("All tasks, and below each those that it replaced", "stackctl ps shop"),
    ("Only tasks that should run on one node", "stackctl ps -f node=h2 -f desired-state=running shop"),
    ("Name and state, for a script", r"stackctl ps --format '{{.Name}}\t{{.CurrentState}}' shop"),
];

/// Arguments of `ps`.
#[derive(Debug, clap::Args)]
pub struct Ps {
    /// Name of the stack
    #[arg(value_name = "STACK", value_parser = stack_name, add = super::complete::stacks())]
    pub stack: StackName,
    /// Which tasks, and how they are shown.
    #[command(flatten)]
    pub shape: PsShape,
}

/// Which tasks are listed, and how.
#[derive(Debug, clap::Args)]
pub struct PsShape {
    /// Filter: id=, name=, node=, desired-state=running|shutdown
    #[arg(short, long = "filter", value_name = "KEY=VALUE")]
    pub filters: Vec<String>,
    /// `table`, `table TEMPLATE`, `json`, or a Go template such as '{{.Name}}'
    #[arg(long, value_name = "FORMAT")]
    pub format: Option<String>,
    /// Print whole ids, images with digests, and whole errors
    #[arg(long)]
    pub no_trunc: bool,
}

impl PsShape {
    /// The filters, understood.
    pub(super) fn filters(&self) -> Result<Filters, Failure> {
        let filters = Filters::parse(&self.filters, &["id", "name", "node", "desired-state"])?;
        filters.check_values("desired-state", &["running", "shutdown"])?;
        Ok(filters)
    }
}

pub(super) fn run(args: &Ps, context: &Context) -> Result<Exit, Failure> {
    let filters = args.shape.filters()?;
    let format = args.shape.format.as_deref();
    COLUMNS.render(format, &[])?;
    cluster::look(context, from_ref(&args.stack), |now, observed| {
        let all: Vec<&Task> = observed.tasks().filter(|task| task.stack == args.stack).collect();
        if all.is_empty() {
            context.ui.talk(&format!("nothing found in stack: {}\n", args.stack));
            return Ok(Exit::Refused);
        }
        let tasks: Vec<&Task> = all.into_iter().filter(|task| fits_task(task, &filters)).collect();
        context.ui.data(&listed(now, &tasks, format, args.shape.no_trunc)?);
        Ok(Exit::Done)
    })
}

/// A list of tasks, in the format that was asked for.
pub(super) fn listed(
    now: Timestamp,
    tasks: &[&Task],
    format: Option<&str>,
    is_whole: bool,
) -> Result<String, TemplateError> {
    let is_indented = format.is_none_or(|format| format.trim().starts_with("table"));
    COLUMNS.render(format, &rows(now, tasks, Shape { is_whole, is_indented }))
}

/// As docker does: matches the beginning of ids and names, and of the service's short name.
pub(super) fn fits_task(task: &Task, filters: &Filters) -> bool {
    let full = name(task);
    filters.allows("id", |id| task.id.as_str().starts_with(id))
        && filters.allows("name", |name| {
            full.starts_with(name) || full[task.stack.as_str().len() + 1..].starts_with(name)
        })
        && filters.allows("node", |node| task.node.as_str() == node)
        && filters.allows("desired-state", |state| desired_state(task).eq_ignore_ascii_case(state))
}
