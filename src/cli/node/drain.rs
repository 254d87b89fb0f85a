//! `node update --availability drain`: records the drain, and moves tasks off nodes, stack by stack, by each
//! service's update policy. Shows the plan and asks before anything is written. `--detach` writes the record
//! without moving tasks.

use super::super::Context;
use super::super::report::{Exit, Failure};
use super::super::rollout::{self, Kind};
use super::super::rollout_args::RolloutArgs;
use super::super::standing::tell_left;
use super::wanted::Wanted;
use crate::ops::node::drain::{Drain, drain};

pub(super) async fn run(
    rollout: &RolloutArgs,
    context: &Context,
    wanted: &Wanted<'_>,
) -> Result<Exit, Failure> {
    let (cluster, update) = (wanted.cluster, &wanted.update);
    let Drain { recorded, silent, jobs, left } = drain(cluster, update, rollout.dry_run).await?;
    for name in silent {
        context.ui.warn(&format!("node {name} is silent: its tasks stay until it returns"));
    }
    if rollout.dry_run {
        wanted.tell(context, &recorded);
    }
    let choices = rollout.choices("node update", Kind::Move);
    let remember = async || wanted.remember(context).await;
    let exit = rollout::carry_out_after(context, cluster, jobs, choices, remember).await?;
    Ok(tell_left(&context.ui, left, exit))
}
