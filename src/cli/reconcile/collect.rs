//! Images are removed before a disk is full: every ten minutes, while this loop leads.

use std::convert::Infallible;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::sleep;

use super::super::Context;
use super::super::cluster::Cluster;
use super::super::render::text::{clean, count};
use crate::model::Timestamp;
use crate::ops::images::collect::collect;
use crate::ops::images::prune::{NotPruned, Pruned};
use crate::reconcile::Snapshot;

/// Before the first look at the disks: who leads is known by then.
const FIRST: Duration = Duration::from_secs(15);
/// Between two looks.
const EVERY: Duration = Duration::from_secs(600);

/// Looks again and again; never ends. With a limit of 0 it does nothing.
pub(super) async fn collect_before_full(
    context: &Context,
    cluster: &Cluster,
    percent: u8,
    seen: watch::Receiver<Snapshot>,
) -> Infallible {
    if percent == 0 {
        return std::future::pending().await;
    }
    let mut pause = FIRST;
    loop {
        sleep(std::mem::replace(&mut pause, EVERY)).await;
        // Another loop does it.
        if seen.borrow().is_standing_by {
            continue;
        }
        match collect(cluster, percent).await {
            Ok(None) => {}
            Ok(Some(pruned)) => context.ui.say(&said(cluster.clock.now(), &pruned)),
            // What is in the way of a deploy is the loop's to say.
            Err(NotPruned::Ops(_)) => {}
            Err(error @ NotPruned::NotKnown(_)) => {
                context
                    .ui
                    .warn(&clean(&format!("no image is removed from disks that are nearly full: {error}")));
            }
        }
    }
}

fn said(at: Timestamp, pruned: &Pruned) -> String {
    let removed = count(pruned.removed.len(), "image");
    let failed = match pruned.failed.first() {
        None => String::new(),
        Some((target, why)) => {
            format!("; {} not removed, {} on {}: {why}", pruned.failed.len(), target.name, target.node)
        }
    };
    clean(&format!("{at}  {removed} removed, since disks are nearly full{failed}")).into_owned()
}
