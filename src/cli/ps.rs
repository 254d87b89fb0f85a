//! `stackctl ps`: the tasks of a stack.

use super::Context;
use super::cluster;
use super::deploy::stack_name;
use super::filter::Filters;
use super::render::ps::{COLUMNS, Shape, desired_state, name, rows};
use super::report::{Exit, Failure};
use crate::model::{StackName, Task};

pub(super) const EXAMPLES: &[(&str, &str)] = &[
    ("What runs where, and what ended before it", "stackctl ps shop"),
    ("Only what should be running on one node", "stackctl ps -f node=h2 -f desired-state=running shop"),
    ("Name and state, for a script", r"stackctl ps --format '{{.Name}}\t{{.CurrentState}}' shop"),
];

/// Arguments of `ps`.
#[derive(Debug, clap::Args)]
pub struct Ps {
    /// Name of the stack
    #[arg(value_name = "STACK", value_parser = stack_name, add = super::complete::stacks())]
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

pub(super) fn run(args: &Ps, context: &Context) -> Result<Exit, Failure> {
    let filters = Filters::parse(&args.filters, &["id", "name", "node", "desired-state"])?;
    filters.check_values("desired-state", &["running", "shutdown"])?;
    let format = args.format.as_deref();
    COLUMNS.render(format, &[])?;
    cluster::look(context, |now, observed| {
        let all: Vec<&Task> = observed.tasks().filter(|task| task.stack == args.stack).collect();
        if all.is_empty() {
            context.ui.talk(&format!("nothing found in stack: {}\n", args.stack));
            return Ok(Exit::Refused);
        }
        let tasks: Vec<&Task> = all.into_iter().filter(|task| fits(task, &filters)).collect();
        let is_table = format.is_none_or(|format| format.trim().starts_with("table"));
        let shape = Shape { is_whole: args.no_trunc, is_indented: is_table };
        context.ui.data(&COLUMNS.render(format, &rows(now, &tasks, shape))?);
        Ok(Exit::Done)
    })
}

/// As docker: ids and names by their beginning, the service's short name too.
pub(super) fn fits(task: &Task, filters: &Filters) -> bool {
    let full = name(task);
    filters.allows("id", |id| task.id.as_str().starts_with(id))
        && filters.allows("name", |name| {
            full.starts_with(name) || full[task.stack.as_str().len() + 1..].starts_with(name)
        })
        && filters.allows("node", |node| task.node.as_str() == node)
        && filters.allows("desired-state", |state| desired_state(task).eq_ignore_ascii_case(state))
}
