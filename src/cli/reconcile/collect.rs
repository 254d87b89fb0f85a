//! Images are removed before a disk is full: every ten minutes, and sooner where a host could not be looked at, while this
//! loop leads.

use std::convert::Infallible;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::sleep;

use super::super::Context;
use super::super::cluster::Cluster;
use super::super::render::text::{clean, count};
use crate::model::Timestamp;
use crate::ops::images::collect::{Collected, collect};
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
    let (mut pause, mut again) = (FIRST, FIRST);
    loop {
        sleep(pause).await;
        // Another loop does it.
        if seen.borrow().is_standing_by {
            pause = EVERY;
            continue;
        }
        let is_whole = match collect(cluster, percent).await {
            Ok(Collected { pruned, is_whole }) => {
                if !pruned.removed.is_empty() || !pruned.failed.is_empty() {
                    context.ui.say(&said(cluster.clock.now(), &pruned));
                }
                is_whole
            }
            // What is in the way of a deploy is the loop's to say.
            Err(NotPruned::Ops(_)) => false,
            Err(error @ NotPruned::NotKnown(_)) => {
                context
                    .ui
                    .warn(&clean(&format!("no image is removed from disks that are nearly full: {error}")));
                true
            }
        };
        (pause, again) = next(is_whole, again);
    }
}

/// How long until the next look, and how long after that one if it is not whole either: a disk fills within the ten minutes for
/// which a host that was slow once would not be looked at.
fn next(is_whole: bool, again: Duration) -> (Duration, Duration) {
    match is_whole {
        true => (EVERY, FIRST),
        false => (again.min(EVERY), again.saturating_mul(2)),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_that_was_slow_is_looked_at_again_soon_and_one_that_is_off_less_and_less() {
        let (mut again, mut pauses) = (FIRST, Vec::new());
        for is_whole in [true, false, false, false, true, false].into_iter().chain([false; 7]) {
            let (pause, next_one) = next(is_whole, again);
            again = next_one;
            pauses.push(pause.as_secs());
        }
        assert_eq!(pauses, [600, 15, 30, 60, 600, 15, 30, 60, 120, 240, 480, 600, 600]);
    }
}
