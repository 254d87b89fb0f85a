//! `stackctl restart`: replaces tasks one after the other, without a change.

use super::Context;
use super::cluster::{self, Cluster};
use super::edit;
use super::report::{Exit, Failure};
use super::rollout_args::StartArgs;
use super::service_name::{named, not_found};
use crate::model::{Observed, ServiceName, StackName};
use crate::ops::edit::SmallRelease;

pub(super) const EXAMPLES: &[(&str, &str)] = &[
    ("Every task of a service, by its update policy", "stackctl restart shop_web"),
    ("Every service of a stack, except for jobs", "stackctl restart --yes shop"),
];

/// Arguments of `restart`.
#[derive(Debug, clap::Args)]
pub struct Restart {
    /// A stack, or one service of it as STACK_SERVICE
    #[arg(value_name = "STACK[_SERVICE]", add = super::complete::full_services())]
    pub what: String,
    #[command(flatten)]
    pub start: StartArgs,
}

pub(super) fn run(args: &Restart, context: &Context) -> Result<Exit, Failure> {
    cluster::with(context, args.start.connect(), async |cluster: &Cluster| {
        let observed = cluster.observe().await;
        let (stack, service) = meant(&args.what, &observed)?;
        let all = vec![SmallRelease::restart(stack, service)];
        edit::carry_out(context, cluster, &args.start, "restart", all).await
    })
}

/// A stack that runs; or else a service.
fn meant(text: &str, observed: &Observed) -> Result<(StackName, Option<ServiceName>), Failure> {
    if let Some(task) = observed.tasks().find(|task| task.stack.as_str() == text) {
        return Ok((task.stack.clone(), None));
    }
    let Ok(name) = named(text) else { return Err(not_found(text, observed)) };
    let full = name.find(observed).map_err(Failure::refused)?;
    Ok((full.stack, Some(full.service)))
}
