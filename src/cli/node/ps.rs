//! `stackctl node ps`: the tasks of nodes, of all stacks.

use super::super::Context;
use super::super::cluster;
use super::super::filter::Filters;
use super::super::ps::{fits_task, listed};
use super::super::render::ps::COLUMNS;
use super::super::report::{Exit, Failure};
use super::check_names;
use crate::fleet::ConnectOptions;
use crate::model::Task;

/// Arguments of `node ps`.
#[derive(Debug, clap::Args)]
pub struct NodePs {
    /// Names of the nodes [default: all]
    #[arg(value_name = "NODE", add = super::super::complete::nodes())]
    pub nodes: Vec<String>,
    /// Filter: id=, name=, desired-state=running|shutdown
    #[arg(short, long = "filter", value_name = "KEY=VALUE")]
    pub filters: Vec<String>,
    /// `table`, `table TEMPLATE`, `json`, or a Go template such as '{{.Name}}'
    #[arg(long, value_name = "FORMAT")]
    pub format: Option<String>,
    /// Print whole ids, images with digests, and whole errors
    #[arg(long)]
    pub no_trunc: bool,
}

pub(super) fn run(args: &NodePs, context: &Context) -> Result<Exit, Failure> {
    let filters = Filters::parse(&args.filters, &["id", "name", "desired-state"])?;
    filters.check_values("desired-state", &["running", "shutdown"])?;
    let format = args.format.as_deref();
    COLUMNS.render(format, &[])?;
    cluster::with(context, ConnectOptions::default(), async |cluster| {
        let names = check_names(cluster, &args.nodes)?;
        let now = cluster.clock.now();
        let mut observed = cluster.observe().await;
        observed.nodes.retain(|name, _| names.is_empty() || names.contains(name));
        let tasks: Vec<&Task> = observed.tasks().filter(|task| fits_task(task, &filters)).collect();
        context.ui.data(&listed(now, &tasks, format, args.no_trunc)?);
        cluster::warn_of_silent(&context.ui, &observed);
        Ok(cluster::or_silent(Exit::Done, &observed))
    })
}
