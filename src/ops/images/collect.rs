//! Removes images before a disk is full: what the loop does by itself.

use std::collections::{BTreeMap, BTreeSet};

use super::needed::{KEPT, Needed};
use super::prune::{Choice, NotPruned, Pruned, prune, unneeded};
use crate::fleet::{Checkup, Disk};
use crate::model::{NodeName, Unreachable};
use crate::ops::cluster::Cluster;

/// Hosts whose engine's disk is used to so many percent or more.
#[must_use]
pub fn nearly_full(
    checkups: &BTreeMap<NodeName, Result<Checkup, Unreachable>>,
    percent: u8,
) -> BTreeSet<NodeName> {
    let is_full = |checkup: &Checkup| checkup.disk.as_ref().is_some_and(|disk| used(disk) >= percent);
    let all = checkups.iter().filter(|(_, checkup)| checkup.as_ref().is_ok_and(is_full));
    all.map(|(node, _)| node.clone()).collect()
}

/// How much of a disk is used, in percent, rounded down.
fn used(disk: &Disk) -> u8 {
    let used = u128::from(disk.bytes.saturating_sub(disk.free)) * 100;
    u8::try_from(used / u128::from(disk.bytes.max(1))).unwrap_or(100)
}

/// What one look at the disks came to.
#[derive(Debug, Default)]
pub struct Collected {
    /// What became of the images that nothing needs.
    pub pruned: Pruned,
    /// Whether every host could be looked at, and all went that was to go.
    pub is_whole: bool,
}

/// Looks at the disks of all hosts, and removes what nothing needs on those that are nearly full. Hosts whose disk cannot be
/// looked at are left alone. What another process works on is left for the next time.
///
/// # Errors
///
/// What releases need is not known, or the ledger cannot be written.
pub async fn collect(cluster: &Cluster, percent: u8) -> Result<Collected, NotPruned> {
    let clock = cluster.clock;
    let checkups = cluster.fleet.checkups(|| clock.now()).await;
    let is_seen = checkups.values().all(Result::is_ok);
    let full = nearly_full(&checkups, percent);
    if full.is_empty() {
        return Ok(Collected { pruned: Pruned::default(), is_whole: is_seen });
    }
    let choice = Choice { keep: KEPT, all: false };
    let mut looks = cluster.fleet.images(|| clock.now()).await;
    looks.retain(|node, _| full.contains(node));
    let is_seen = is_seen && looks.values().all(Result::is_ok);
    let wanted = unneeded(&looks, &Needed::read(cluster, KEPT, clock.now()).await?, choice, clock.now());
    if wanted.is_empty() {
        return Ok(Collected { pruned: Pruned::default(), is_whole: is_seen });
    }
    let pruned = prune(cluster, &wanted, choice, 0, |_| (), |_| ()).await?;
    let is_whole = is_seen && pruned.failed.is_empty() && pruned.left.is_empty();
    Ok(Collected { pruned, is_whole })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::testing::node_name;

    #[test]
    fn a_disk_is_nearly_full_from_the_percentage_on() {
        let checkup = |free: u64| {
            let disk = Disk { folder: "/".into(), bytes: 1000, free };
            Ok(Checkup { ahead_ms: None, took_ms: 0, disk: Some(disk) })
        };
        let blind = Ok(Checkup { ahead_ms: None, took_ms: 0, disk: None });
        let all = [("h1", checkup(151)), ("h2", checkup(150)), ("h3", checkup(0)), ("h4", blind)];
        let all: BTreeMap<_, _> = all.into_iter().map(|(name, one)| (node_name(name), one)).collect();
        assert_eq!(nearly_full(&all, 85), [node_name("h2"), node_name("h3")].into());
    }
}
