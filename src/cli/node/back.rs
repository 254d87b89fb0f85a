//! Restores nodes as they were before an operation, for `undo`.

use super::super::Context;
use super::super::cluster::Cluster;
use super::super::format::Format;
use super::super::not_confirmed::NotConfirmed;
use super::super::report::{Exit, Failure};
use super::super::rollout_args::RolloutArgs;
use super::drain;
use super::wanted::Wanted;
use crate::model::node::Availability;
use crate::ops::node::back;
use crate::ops::records::Changed;

/// Restores nodes with the steps of `node update`.
pub(in crate::cli) async fn put_back(
    rollout: &RolloutArgs,
    context: &Context,
    cluster: &Cluster,
    changes: &[Changed],
    verb: &str,
) -> Result<Exit, Failure> {
    let returns = back::returns(&cluster.inventory, changes);
    for node in &returns.left_out {
        context.ui.warn(&format!("node {node} is no longer in the inventory: it is left out"));
    }
    for (nodes, change) in returns.changes {
        let (verb, message) = (verb.to_owned(), rollout.message.clone());
        let wanted = Wanted::new(cluster, nodes, change, rollout.format, verb, message);
        if wanted.update.change.availability == Some(Availability::Drain) {
            // A restored drain moves tasks: plan, show and ask as for any drain.
            let exit = drain::run(rollout, context, &wanted).await?;
            if exit != Exit::Done {
                return Ok(exit);
            }
        } else {
            change_back(rollout, context, &wanted).await?;
        }
    }
    Ok(Exit::Done)
}

/// An update that moves no task.
async fn change_back(rollout: &RolloutArgs, context: &Context, wanted: &Wanted<'_>) -> Result<(), Failure> {
    let (ui, cluster, update) = (&context.ui, wanted.cluster, &wanted.update);
    let recorded = wanted.foresee().await?;
    if rollout.dry_run || !rollout.yes {
        wanted.tell(context, &recorded);
    }
    if rollout.dry_run {
        return Ok(());
    }
    if !rollout.yes {
        let names: Vec<&str> = update.nodes.keys().map(|name| name.as_str()).collect();
        let question = format!("Change {} in cluster {}?", names.join(", "), cluster.inventory.cluster);
        if !ui.confirm(&question).map_err(Failure::refused)? {
            return Err(Failure::refused(NotConfirmed));
        }
    }
    wanted.remember(context).await?;
    if update.change.availability == Some(Availability::Active) && rollout.format == Format::Text {
        ui.say("Moved tasks stay where they are; `stackctl rebalance` moves some back.");
    }
    Ok(())
}
