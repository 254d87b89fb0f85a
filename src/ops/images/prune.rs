//! Removes images that nothing needs any more: neither a container, whether it runs or not, nor one of the newest releases
//! of a stack.
//!
//! By default only images that stackctl knows: that remembered releases have named, or that were pushed; never what was
//! pushed a moment ago, which a deploy may be about to use. Under the locks of
//! the stacks that have named them, so that no release is about to use what is removed.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::future::join_all;

use super::listed::{is_part, is_spare, normal, users};
use super::needed::{Needed, NotKnown};
use crate::fleet::images::{HeldImage, HostImages, Looks, NotRemoved};
use crate::image::load::part_of;
use crate::ledger::LedgerError;
use crate::ledger::lease::Holder;
use crate::model::{NodeName, StackName, Timestamp};
use crate::ops::Error;
use crate::ops::cluster::Cluster;
use crate::ops::log::{NewEntry, Unended, logged};
use crate::ops::release::{Driver as _, Lock};

/// The verb of these operations.
const VERB: &str = "image prune";
/// A part that is so old, in seconds, is of a push that is over.
const PART_AGE: i64 = 3600;

/// What can go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Choice {
    /// The newest releases of each stack whose images stay.
    pub keep: usize,
    /// Images that stackctl does not know, too.
    pub all: bool,
}

/// One name of an image on a host, or the image itself if it has none.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Target {
    /// The host.
    pub node: NodeName,
    /// What is removed there.
    pub name: String,
    /// What the engine calls the image.
    pub id: String,
    /// Its bytes, layers that it shares with others included.
    pub bytes: u64,
}

/// What can go of these hosts.
#[must_use]
pub fn unneeded(looks: &Looks, needed: &Needed, choice: Choice, now: Timestamp) -> Vec<Target> {
    let answered = looks.iter().filter_map(|(node, look)| Some((node, look.as_ref().ok()?)));
    answered.flat_map(|(node, host)| of_host(node, host, needed, choice, now)).collect()
}

fn of_host(
    node: &NodeName,
    host: &HostImages,
    needed: &Needed,
    choice: Choice,
    now: Timestamp,
) -> Vec<Target> {
    let target = |image: &HeldImage, name: &String| Target {
        node: node.clone(),
        name: name.clone(),
        id: image.id.clone(),
        bytes: image.bytes,
    };
    let mut targets = Vec::new();
    for image in &host.images {
        let all = || image.names.iter().chain(&image.digests);
        let is_in_use = users(host, image).next().is_some();
        if is_in_use || is_spare(image) || all().any(|name| needed.kept.contains(&normal(name))) {
            continue;
        }
        if is_part(image) {
            let is_over = |name: &&String| {
                part_of(name, None).is_some_and(|(_, stamp)| stamp + PART_AGE < now.0 / 1000)
            };
            targets.extend(image.names.iter().filter(is_over).map(|name| target(image, name)));
            continue;
        }
        let is_known = |name: &&String| choice.all || needed.knows(&normal(name));
        if all().next().is_none() {
            if (choice.all || needed.pushed.contains(&image.id)) && !needed.kept.contains(&image.id) {
                targets.push(target(image, &image.id));
            }
            continue;
        }
        // With the last tag of an image go its digests; one that has no tag goes by those.
        let names = if image.names.is_empty() { &image.digests } else { &image.names };
        targets.extend(names.iter().filter(is_known).map(|name| target(image, name)));
    }
    targets
}

/// What became of the targets.
#[derive(Debug, Default)]
pub struct Pruned {
    /// What is gone.
    pub removed: Vec<Target>,
    /// What is needed by now, or gone already.
    pub left: Vec<Target>,
    /// What was refused, and why.
    pub failed: Vec<(Target, NotRemoved)>,
}

/// Why nothing was removed.
#[derive(Debug, thiserror::Error)]
pub enum NotPruned {
    /// What releases need is not known.
    #[error(transparent)]
    NotKnown(#[from] NotKnown),
    /// Another process works on a stack, or the ledger cannot be written.
    #[error(transparent)]
    Ops(#[from] Error),
}

impl From<LedgerError> for NotPruned {
    fn from(error: LedgerError) -> Self {
        Self::NotKnown(error.into())
    }
}

/// How the operation is written into the log if it failed.
#[derive(Debug, thiserror::Error)]
enum Unfinished {
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    #[error("{failed} of {all} images were not removed: {why}")]
    Failed { failed: usize, all: usize, why: String },
}

/// Removes images, as far as they can go by then as well: `wanted` is what was shown. Under the locks of all stacks that
/// have named them.
///
/// # Errors
///
/// Another process holds one of the locks, or the ledger cannot be read or written.
pub async fn prune(
    cluster: &Cluster,
    wanted: &[Target],
    choice: Choice,
    patience_ms: i64,
    mut waiting: impl FnMut(&Holder),
    unended: impl FnOnce(Unended),
) -> Result<Pruned, NotPruned> {
    let before = Needed::read(cluster, choice.keep, cluster.clock.now()).await?;
    let of = |target: &Target| before.of_stacks.get(&normal(&target.name));
    let stacks: BTreeSet<&StackName> = wanted.iter().filter_map(of).flatten().collect();
    let mut locks = Vec::new();
    let mut taken = Ok(());
    // In the order of their names, as every process takes them that takes several.
    for stack in stacks {
        match cluster.driver().lock(stack, VERB, patience_ms, &mut waiting).await {
            Ok(lock) => locks.push(lock),
            Err(error) => {
                taken = Err(error);
                break;
            }
        }
    }
    let done = match taken {
        Ok(()) => {
            let is_valid = || locks.iter().all(Lock::is_valid);
            remove(cluster, wanted, choice, is_valid, unended).await
        }
        Err(error) => Err(error.into()),
    };
    let given_back = join_all(locks.into_iter().map(|lock| lock.release())).await;
    let pruned = done?;
    given_back.into_iter().collect::<Result<Vec<_>, _>>()?;
    Ok(pruned)
}

async fn remove(
    cluster: &Cluster,
    wanted: &[Target],
    choice: Choice,
    is_valid: impl Fn() -> bool,
    unended: impl FnOnce(Unended),
) -> Result<Pruned, NotPruned> {
    let clock = cluster.clock;
    let (needed, looks) =
        tokio::join!(Needed::read(cluster, choice.keep, clock.now()), cluster.fleet.images(|| clock.now()));
    let now = unneeded(&looks, &needed?, choice, clock.now());
    let mut pruned = Pruned::default();
    let mut by_node: BTreeMap<&NodeName, Vec<&Target>> = BTreeMap::new();
    for target in wanted {
        match now.contains(target) {
            true => by_node.entry(&target.node).or_default().push(target),
            false => pruned.left.push(target.clone()),
        }
    }
    let all: usize = by_node.values().map(Vec::len).sum();
    if all == 0 {
        return Ok(pruned);
    }
    let is_valid = &is_valid;
    let work = async {
        // Hosts at once; the images of one host one after the other, since they share layers.
        let each = by_node.iter().map(async |(node, targets)| {
            let mut ends = Vec::new();
            for target in targets.iter().take_while(|_| is_valid()) {
                ends.push(((*target).clone(), cluster.fleet.remove_image(node, &target.name).await));
            }
            ends
        });
        for (target, end) in join_all(each).await.into_iter().flatten() {
            match end {
                Ok(()) => pruned.removed.push(target),
                Err(why) => pruned.failed.push((target, why)),
            }
        }
        match pruned.failed.first() {
            None => Ok(()),
            Some((_, why)) => {
                Err(Unfinished::Failed { failed: pruned.failed.len(), all, why: why.to_string() })
            }
        }
    };
    let entry = NewEntry {
        verb: VERB.to_owned(),
        message: Some(format!("{all} images of {} hosts", by_node.len())),
        ..NewEntry::default()
    };
    let writing = cluster.writing();
    match logged(&cluster.actor(), &writing, entry, work, unended).await {
        Ok(()) | Err(Unfinished::Failed { .. }) => Ok(pruned),
        Err(Unfinished::Ledger(error)) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::listed::tests::{host, image};
    use super::*;
    use crate::model::testing::node_name;

    const NOW: Timestamp = Timestamp(100_000_000);

    fn targets(host: HostImages, needed: &Needed, all: bool) -> Vec<String> {
        let mut looks = Looks::new();
        looks.insert(node_name("h1"), Ok(host));
        let found = unneeded(&looks, needed, Choice { keep: 3, all }, NOW);
        found.into_iter().map(|target| target.name).collect()
    }

    fn needed(kept: &[&str], known: &[&str], pushed: &[&str]) -> Needed {
        let texts = |all: &[&str]| all.iter().map(|&text| text.to_owned()).collect();
        let stacks: BTreeSet<StackName> = [StackName::unchecked("shop")].into();
        let of_stacks = known.iter().map(|&name| (name.to_owned(), stacks.clone())).collect();
        Needed { kept: texts(kept), of_stacks, pushed: texts(pushed) }
    }

    #[test]
    fn what_a_container_has_and_what_a_release_needs_stays() {
        let images = vec![
            image("sha256:a1", &["app:1"], &[]),
            image("sha256:a2", &["app:2"], &[]),
            image("sha256:a3", &["app:3"], &[]),
            image("sha256:d1", &["debian:12"], &[]),
            image("sha256:e1", &[], &[]),
        ];
        let needed = needed(&["app:3"], &["app:1", "app:2", "app:3"], &[]);
        let host = host(images, &[("shop_web", "app:2", "sha256:a2")]);
        assert_eq!(targets(host.clone(), &needed, false), ["app:1"]);
        assert_eq!(targets(host, &needed, true), ["app:1", "debian:12", "sha256:e1"]);
    }

    #[test]
    fn one_name_that_is_needed_keeps_the_whole_image() {
        let digest = format!("app@sha256:{}", "1".repeat(64));
        let images = vec![image("sha256:a1", &["app:1"], &[&digest]), image("sha256:a2", &[], &[&digest])];
        assert!(
            targets(host(images.clone(), &[]), &needed(&[&digest], &["app:1", &digest], &[]), true)
                .is_empty()
        );
        let by_digest = targets(host(images, &[]), &needed(&[], &[&digest], &[]), false);
        assert_eq!(by_digest, [digest], "the one with a tag that no release has named stays");
    }

    #[test]
    fn what_was_pushed_goes_by_its_name_or_id_and_old_parts_go() {
        let (old, new) = ("stackctl.invalid/part:0123-1-5", "stackctl.invalid/part:0123-1-99990");
        let images = vec![
            image("sha256:a1", &["app:1"], &[]),
            image("sha256:a2", &[], &[]),
            image("sha256:b1", &[old], &[]),
            image("sha256:b2", &[new], &[]),
        ];
        let needed = needed(&[], &[], &["app:1", "sha256:a2"]);
        assert_eq!(targets(host(images, &[]), &needed, false), ["app:1", "sha256:a2", old]);
    }

    #[test]
    fn a_silent_host_says_nothing_of_its_images() {
        let why =
            crate::model::Unreachable { since: NOW, code: String::new(), reason: "gone".into(), help: None };
        let looks: Looks = [(node_name("h1"), Err(why))].into();
        assert!(unneeded(&looks, &Needed::default(), Choice { keep: 3, all: true }, NOW).is_empty());
    }
}
