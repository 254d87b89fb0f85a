//! `stackctl service ls` and `service ps`: docker's lists, over all stacks.

use std::collections::BTreeSet;

use crate::cli::Context;
use crate::cli::cluster;
use crate::cli::filter::Filters;
use crate::cli::ps::{PsShape, fits_task, listed};
use crate::cli::render::ps::COLUMNS as TASK_COLUMNS;
use crate::cli::render::services::{COLUMNS, ServiceView, rows, views};
use crate::cli::report::{Exit, Failure};
use crate::cli::service_name::{FullName, Named, named};
use crate::cli::services::fits;
use crate::model::Task;

/// Arguments of `service ls`.
#[derive(Debug, clap::Args)]
pub struct Ls {
    /// Filter: id=, label=, mode=replicated|global, name=
    #[arg(short, long = "filter", value_name = "KEY=VALUE")]
    pub filters: Vec<String>,
    /// `table`, `table TEMPLATE`, `json`, or a Go template such as '{{.Name}}'
    #[arg(long, value_name = "FORMAT")]
    pub format: Option<String>,
}

/// Arguments of `service ps`.
#[derive(Debug, clap::Args)]
pub struct Ps {
    /// Services, STACK_SERVICE
    #[arg(value_name = "SERVICE", required = true, value_parser = named)]
    #[arg(add = crate::cli::complete::full_services())]
    pub services: Vec<Named>,
    /// Which tasks, and how they are shown.
    #[command(flatten)]
    pub shape: PsShape,
}

pub(super) fn ls(args: &Ls, context: &Context) -> Result<Exit, Failure> {
    let filters = Filters::parse(&args.filters, &["id", "label", "mode", "name"])?;
    filters.check_values("mode", &["replicated", "global"])?;
    let format = args.format.as_deref();
    COLUMNS.render(format, &[])?;
    cluster::look(context, &[], |_, observed| {
        let tasks: Vec<&Task> = observed.tasks().collect();
        let mut services: Vec<ServiceView<'_>> =
            views(&tasks).into_iter().filter(|view| fits(view, &filters)).collect();
        services.sort_by_key(ServiceView::full_name);
        context.ui.data(&COLUMNS.render(format, &rows(&services))?);
        Ok(Exit::Done)
    })
}

pub(super) fn ps(args: &Ps, context: &Context) -> Result<Exit, Failure> {
    let filters = args.shape.filters()?;
    let format = args.shape.format.as_deref();
    TASK_COLUMNS.render(format, &[])?;
    cluster::look(context, &[], |now, observed| {
        let mut wanted: BTreeSet<FullName> = BTreeSet::new();
        for service in &args.services {
            let name = service.find(observed).map_err(Failure::refused)?;
            if !observed.tasks().any(|task| task.stack == name.stack && task.service == name.service) {
                return Err(service.unknown(observed));
            }
            wanted.insert(name);
        }
        let is_wanted = |task: &&Task| {
            wanted.contains(&FullName { stack: task.stack.clone(), service: task.service.clone() })
        };
        let tasks: Vec<&Task> =
            observed.tasks().filter(is_wanted).filter(|task| fits_task(task, &filters)).collect();
        context.ui.data(&listed(now, &tasks, format, args.shape.no_trunc)?);
        Ok(Exit::Done)
    })
}
