//! `stackctl services`: the services of a stack.

use std::slice::from_ref;

use super::Context;
use super::cluster;
use super::deploy::stack_name;
use super::filter::Filters;
use super::render::services::{COLUMNS, ServiceView, rows, views};
use super::report::{Exit, Failure};
use crate::model::{StackName, Task};

pub(super) const EXAMPLES: &[(&str, &str)] = &[
    ("All services of a stack", "stackctl services shop"),
    ("Those whose name begins with web", "stackctl services -f name=web shop"),
];

/// Arguments of `services`.
#[derive(Debug, clap::Args)]
pub struct Services {
    /// Name of the stack
    #[arg(value_name = "STACK", value_parser = stack_name, add = super::complete::stacks())]
    pub stack: StackName,
    /// Filter: id=, label=, mode=replicated|global, name=
    #[arg(short, long = "filter", value_name = "KEY=VALUE")]
    pub filters: Vec<String>,
    /// `table`, `table TEMPLATE`, `json`, or a Go template such as '{{.Name}}'
    #[arg(long, value_name = "FORMAT")]
    pub format: Option<String>,
}

pub(super) fn run(args: &Services, context: &Context) -> Result<Exit, Failure> {
    let filters = Filters::parse(&args.filters, &["id", "label", "mode", "name"])?;
    filters.check_values("mode", &["replicated", "global"])?;
    let format = args.format.as_deref();
    COLUMNS.render(format, &[])?;
    cluster::look(context, from_ref(&args.stack), |_, observed| {
        let tasks: Vec<&Task> = observed.tasks().filter(|task| task.stack == args.stack).collect();
        if tasks.is_empty() {
            // As with docker this is no failure, unlike an empty `ps`.
            context.ui.talk(&format!("nothing found in stack: {}\n", args.stack));
            return Ok(Exit::Done);
        }
        let services: Vec<ServiceView<'_>> =
            views(&tasks).into_iter().filter(|view| fits(view, &filters)).collect();
        context.ui.data(&COLUMNS.render(format, &rows(&services))?);
        Ok(Exit::Done)
    })
}

/// As docker: ids and names by their beginning, the short name too.
pub(super) fn fits(view: &ServiceView<'_>, filters: &Filters) -> bool {
    filters.allows("id", |id| view.id().starts_with(id))
        && filters
            .allows("name", |name| view.full_name().starts_with(name) || view.name.as_str().starts_with(name))
        && filters.allows("mode", |mode| view.mode() == mode)
        && filters.allows_labels("label", &view.spec.labels)
}
