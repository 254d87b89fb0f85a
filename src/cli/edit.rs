//! Small releases at the terminal: each is planned, shown, confirmed and carried out as a deploy is.

use super::Context;
use super::cluster::Cluster;
use super::report::{Exit, Failure};
use super::rollout;
use super::rollout_args::StartArgs;
use crate::ops::edit::{Preparing, Ready, SmallRelease, prepare};

/// Carries out releases one after the other. Reports what is wrong with any of them before the first begins.
pub(super) async fn carry_out(
    context: &Context,
    cluster: &Cluster,
    start: &StartArgs,
    command: &'static str,
    all: Vec<SmallRelease>,
) -> Result<Exit, Failure> {
    let choices = start.choices(command);
    let how = Preparing {
        message: start.rollout.message.clone(),
        dry_run: start.rollout.dry_run,
        patience_ms: choices.patience_ms(),
    };
    let mut ready: Vec<Ready<Failure>> = Vec::with_capacity(all.len());
    let screen = rollout::before_plan(context, &choices);
    for small in all {
        ready.push(prepare(cluster, small, &how, &screen).await?);
    }
    let mut exit = Exit::Done;
    for (at, one) in ready.into_iter().enumerate() {
        // The first release may have taken resources that the second one needs.
        let one = if at == 0 { one } else { one.looked_again(cluster).await };
        exit = rollout::carry_out(context, cluster, vec![one.plan(cluster)], choices.clone()).await?;
        if exit != Exit::Done {
            break;
        }
    }
    Ok(exit)
}
