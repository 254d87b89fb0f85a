//! `stackctl service rollback`: undoes the last change of one service.

use crate::cli::Context;
use crate::cli::cluster::{self, Cluster};
use crate::cli::edit;
use crate::cli::report::{Exit, Failure};
use crate::cli::rollout_args::StartArgs;
use crate::cli::service_name::{Named, named};
use crate::cli::verbs::full_names;
use crate::ops::edit::SmallRelease;

/// Arguments of `service rollback`.
#[derive(Debug, clap::Args)]
pub struct Rollback {
    /// The service, STACK_SERVICE
    #[arg(value_name = "SERVICE", value_parser = named, add = crate::cli::complete::full_services())]
    pub service: Named,
    #[command(flatten)]
    pub start: StartArgs,
}

pub(super) fn run(args: &Rollback, context: &Context) -> Result<Exit, Failure> {
    back(context, &args.service, &args.start, "service rollback")
}

/// As with docker, a second rollback restores what the first one rolled back.
pub(super) fn back(
    context: &Context,
    service: &Named,
    start: &StartArgs,
    command: &'static str,
) -> Result<Exit, Failure> {
    cluster::with(context, start.connect(), async |cluster: &Cluster| {
        let name = full_names(cluster, std::iter::once(service)).await?.remove(0);
        let all = vec![SmallRelease::roll_back(name.stack, name.service)];
        edit::carry_out(context, cluster, start, command, all).await
    })
}
