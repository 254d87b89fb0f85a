//! A volume as seen on a node, and what is known of one that has no name of its own.
//!
//! An image may declare a volume (`VOLUME /data`). Where the stackfile mounts nothing there, the engine makes a volume
//! for the container, names it by 64 digits, and forgets whose it was as soon as the container is removed. It holds data
//! all the same: so it is remembered, by [`AnonymousVolume`], and never removed with its container.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::ids::{NodeName, ServiceName, StackName, TaskId};
use super::task::Slot;
use super::time::Timestamp;

/// Digits of a name that an engine makes up.
const MADE_UP_DIGITS: usize = 64;

/// Whether an engine has made this name up. Such a volume was made for one container.
#[must_use]
pub fn is_made_up(name: &str) -> bool {
    name.len() == MADE_UP_DIGITS && name.bytes().all(|c| c.is_ascii_digit() || (b'a'..=b'f').contains(&c))
}

/// A volume on a node.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ObservedVolume {
    pub driver: String,
    /// The cluster that it was made for, if by a stackctl.
    pub cluster: Option<String>,
    /// The stack that it was made for, if by a stackctl.
    pub stack: Option<String>,
    /// When, as the engine says it.
    pub created_at: String,
    /// Containers that have it mounted, whether they run or not, and of whatever maker.
    pub uses: Vec<VolumeUse>,
}

/// A container that has a volume mounted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VolumeUse {
    /// Its name.
    pub container: String,
    /// Whether it runs, or may start again.
    pub is_live: bool,
    /// Its stack and what there is to remember of the volume, if it is a task of ours.
    pub task: Option<(StackName, AnonymousVolume)>,
}

/// The task for which an engine made a volume.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AnonymousVolume {
    pub service: ServiceName,
    pub slot: Slot,
    pub task: TaskId,
    /// Where it was mounted.
    pub target: String,
    /// When the container was made, by the host's clock.
    pub created_at: Timestamp,
    /// It was mounted for config files in a read-only root, and holds nothing else unless the image has a volume there.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_for_files: bool,
    /// Whether its task is known to have served: it was up for [`SERVED_MS`], ended well as a job, or was up at the end of
    /// a run that went well. Records of 0.3.0 and earlier do not say it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub has_served: bool,
}

impl AnonymousVolume {
    /// The same with what was known before: a task that has served did so whatever became of it.
    #[must_use]
    pub fn with_known(mut self, known: Option<&Self>) -> Self {
        self.has_served |= known.is_some_and(|known| known.task == self.task && known.has_served);
        self
    }
}

/// How long a task has to be up to have served, where nothing else says so, in milliseconds: one that its engine starts
/// again and again is up for moments.
pub const SERVED_MS: i64 = 60_000;

/// Adds what was seen of volumes to what is known of them.
pub fn add_seen(
    known: &mut BTreeMap<String, AnonymousVolume>,
    seen: impl IntoIterator<Item = (String, AnonymousVolume)>,
) {
    for (name, one) in seen {
        let one = one.with_known(known.get(&name));
        known.insert(name, one);
    }
}

/// The anonymous volumes of a stack, by node and name.
pub type AnonymousVolumes = BTreeMap<NodeName, BTreeMap<String, AnonymousVolume>>;

impl ObservedVolume {
    /// The task of a stack that it was made for, while its container is still there. Nothing for a volume with a name.
    #[must_use]
    pub fn made_for(&self, name: &str) -> Option<&(StackName, AnonymousVolume)> {
        self.uses.iter().filter(|_| is_made_up(name)).find_map(|one| one.task.as_ref())
    }
}

/// Containers of a place whose volumes are kept. The newest may be the empty one of an update that failed.
const KEPT: usize = 2;

/// Names of volumes on one node that may hold the newest data of a slot, of all that are still there: of each place of
/// each slot those of the two containers that were made last, and those made in the same second as one of them, since
/// engines say no more; the newest whose task served; and all that are newer than that, or of which none is known to have
/// served: updates that failed, however many, do not push out the data of the task that ran. Each host is taken by itself: clocks differ, and a slot that has moved left its data behind. A
/// volume that was made for config files is one of them: where its image has a volume there, it has data, too.
#[must_use]
pub fn newest(volumes: &BTreeMap<String, AnonymousVolume>) -> BTreeSet<String> {
    fn place(one: &AnonymousVolume) -> (&ServiceName, &Slot, &str) {
        (&one.service, &one.slot, &one.target)
    }
    let mut made: BTreeMap<_, BTreeSet<Timestamp>> = BTreeMap::new();
    for one in volumes.values() {
        made.entry(place(one)).or_default().insert(one.created_at);
    }
    let mut served: BTreeMap<_, Timestamp> = BTreeMap::new();
    for one in volumes.values().filter(|one| one.has_served) {
        let newest = served.entry(place(one)).or_insert(one.created_at);
        *newest = one.created_at.max(*newest);
    }
    let is_kept = |one: &AnonymousVolume| {
        let is_new = made[&place(one)].iter().rev().take(KEPT).any(|at| *at == one.created_at);
        is_new || served.get(&place(one)).is_none_or(|newest| one.created_at >= *newest)
    };
    volumes.iter().filter(|(_, one)| is_kept(one)).map(|(name, _)| name.clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn volume(slot: u32, target: &str, at: i64) -> AnonymousVolume {
        AnonymousVolume {
            service: ServiceName::unchecked("db"),
            slot: Slot::Replica(slot),
            task: TaskId::unchecked("t"),
            target: target.to_owned(),
            created_at: Timestamp(at),
            is_for_files: false,
            has_served: true,
        }
    }

    #[test]
    fn names_that_engines_make_up_are_known() {
        assert!(is_made_up(&"0123456789abcdef".repeat(4)));
        for name in ["shop_data", "", &"0123456789ABCDEF".repeat(4), &"a".repeat(63), &"g".repeat(64)] {
            assert!(!is_made_up(name), "{name}");
        }
    }

    #[test]
    fn the_newest_of_each_place_of_each_slot_is_kept_and_so_is_what_may_be_as_new() {
        let files = AnonymousVolume { is_for_files: true, ..volume(1, "/etc/x", 9) };
        let all = [
            ("old", volume(1, "/data", 1)),
            ("before", volume(1, "/data", 2)),
            ("new", volume(1, "/data", 3)),
            ("same second", volume(1, "/data", 3)),
            ("log", volume(1, "/log", 1)),
            ("other slot", volume(2, "/data", 1)),
            ("files", files),
        ];
        let all = all.map(|(name, one)| (name.to_owned(), one)).into();
        let kept: Vec<String> = newest(&all).into_iter().collect();
        assert_eq!(kept, ["before", "files", "log", "new", "other slot", "same second"]);
    }

    #[test]
    fn updates_that_failed_do_not_push_out_the_data_of_the_task_that_ran() {
        let failed = |at: i64| AnonymousVolume { has_served: false, ..volume(1, "/data", at) };
        let named = |all: Vec<AnonymousVolume>| {
            let all = all.into_iter().map(|one| (format!("of {}", one.created_at.0), one)).collect();
            newest(&all).into_iter().collect::<Vec<_>>()
        };
        let ran = volume(1, "/data", 2);
        let all = vec![volume(1, "/data", 1), ran, failed(3), failed(4), failed(5)];
        assert_eq!(named(all.clone()), ["of 2", "of 3", "of 4", "of 5"]);
        let all = all.into_iter().chain([volume(1, "/data", 6)]).collect();
        assert_eq!(named(all), ["of 5", "of 6"], "another has served since");
        assert_eq!(named((1..5).map(failed).collect()), ["of 1", "of 2", "of 3", "of 4"], "nothing is known");
    }

    #[test]
    fn a_task_that_has_served_did_so_whatever_is_seen_of_it_later() {
        let later = AnonymousVolume { has_served: false, ..volume(1, "/data", 1) };
        let mut known = BTreeMap::from([("v".to_owned(), volume(1, "/data", 1))]);
        add_seen(&mut known, [("v".to_owned(), later.clone())]);
        assert!(known["v"].has_served);
        // As records of 0.3.0 say it, and as it is written where it is not so.
        let written = serde_json::to_string(&later).unwrap();
        assert!(!written.contains("has_served"), "{written}");
        assert_eq!(serde_json::from_str::<AnonymousVolume>(&written).unwrap(), later);
    }
}
