//! Which images releases need, and which ones stackctl knows at all.

use std::collections::{BTreeMap, BTreeSet};

use super::listed::normal;
use super::push::pushed;
use crate::ledger::release::History;
use crate::ledger::{LedgerError, operation};
use crate::model::{StackName, StackSpec, Timestamp};
use crate::ops::cluster::Cluster;
use crate::ops::vault::{VaultError, refuse_all_lost};

/// The newest releases of each stack whose images stay.
pub const KEPT: usize = 3;

/// What was pushed so little time ago stays, in milliseconds: the deploy that it was pushed for may not have begun.
const FRESH_MS: i64 = 3_600_000;

/// What is remembered of images.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Needed {
    /// Names that the newest releases of a stack have; names and ids of what was pushed a moment ago.
    pub kept: BTreeSet<String>,
    /// Names that any remembered release has, and the stacks of those.
    pub of_stacks: BTreeMap<String, BTreeSet<StackName>>,
    /// Names and ids of images that were pushed, as far as the log goes back.
    pub pushed: BTreeSet<String>,
}

/// Why images that are needed are not known.
#[derive(Debug, thiserror::Error)]
pub enum NotKnown {
    /// The ledger cannot be read.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// All releases are gone, and what they needed is not known; or the ledger cannot be read.
    #[error(transparent)]
    Lost(#[from] Box<VaultError>),
    /// A release may be among those that need theirs, and what it says is not known.
    #[error("release {number} of stack {stack} cannot be made out: images that it needs might be removed")]
    Undecided {
        /// The stack.
        stack: StackName,
        /// The number.
        number: u64,
    },
}

impl Needed {
    /// Reads it, for so many releases of each stack that are kept.
    ///
    /// # Errors
    ///
    /// It is not known.
    pub async fn read(cluster: &Cluster, keep: usize, now: Timestamp) -> Result<Self, NotKnown> {
        refuse_all_lost(&cluster.ledger).await.map_err(Box::new)?;
        let mut needed = Self::default();
        for stack in cluster.ledger.stacks().await? {
            let history = cluster.remembered(&stack).await?.history;
            if let Some(number) = history.doubtful().next() {
                return Err(NotKnown::Undecided { stack, number });
            }
            needed.add(&stack, &history, keep);
        }
        for one in operation::read(&cluster.ledger, &operation::stream()).await? {
            let words = pushed(&one.operation.verb, one.operation.message.as_deref());
            let words = words.map(|word| if is_id(word) { word.to_owned() } else { normal(word) });
            needed.add_pushed(words.collect(), now.since_ms(one.operation.at) < FRESH_MS);
        }
        Ok(needed)
    }

    fn add_pushed(&mut self, words: BTreeSet<String>, is_fresh: bool) {
        if is_fresh {
            self.kept.extend(words.iter().cloned());
        }
        self.pushed.extend(words);
    }

    fn add(&mut self, stack: &StackName, history: &History, keep: usize) {
        // A removal has no images, and a stack may come back from it: the release before it is the newest that has any.
        let with_images = history.releases.iter().rev().filter(|(_, (release, _))| !release.is_removal());
        let mut newest: Vec<u64> = with_images.take(keep).map(|(number, _)| *number).collect();
        newest.extend(history.before_last());
        if let Ok(current) = history.current() {
            newest.push(current.number);
            // Parts of it may have been taken back.
            self.kept.extend(names(&current.spec));
        }
        for (number, (release, _)) in &history.releases {
            for name in names(&release.spec) {
                if newest.contains(number) {
                    self.kept.insert(name.clone());
                }
                self.of_stacks.entry(name).or_default().insert(stack.clone());
            }
        }
    }

    /// Whether stackctl knows an image by this name: because a release has named it, or because it was pushed.
    #[must_use]
    pub fn knows(&self, name: &str) -> bool {
        self.of_stacks.contains_key(name) || self.pushed.contains(name)
    }
}

fn is_id(word: &str) -> bool {
    word.starts_with("sha256:")
}

/// The images of a spec, as they may be called on a host: pinned, and by their tags.
fn names(spec: &StackSpec) -> BTreeSet<String> {
    let of = |service: &crate::model::ServiceSpec| {
        [normal(&service.task.pinned_image()), normal(&service.task.image)]
    };
    spec.services.values().flat_map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::release::{Outcome, Release};
    use crate::model::testing::{STACK, replicated, stack, with_image};

    #[test]
    fn the_newest_releases_and_the_one_that_runs_keep_their_images() {
        let mut history = History::default();
        for number in 1..=6_u64 {
            let spec = stack(vec![with_image(replicated("web", 1), &format!("app:{number}"))]);
            let release = Release::of(spec, "deploy".into(), "ann@mill".into(), Timestamp(0));
            let outcome = if number < 4 { Outcome::Deployed } else { Outcome::Failed };
            history.releases.insert(number, (release, Some(outcome)));
        }
        let mut needed = Needed::default();
        needed.add(&StackName::unchecked(STACK), &history, 2);
        let kept: Vec<&str> = needed.kept.iter().map(String::as_str).collect();
        // 3 is the last one that went well: what a rollback goes back to.
        assert_eq!(kept, ["app:3", "app:5", "app:6"]);
        assert!(needed.knows("app:1") && !needed.knows("app:7"));
    }

    #[test]
    fn what_was_pushed_a_moment_ago_stays() {
        let mut needed = Needed::default();
        needed.add_pushed(["app:1".to_owned()].into(), false);
        needed.add_pushed(["app:2".to_owned()].into(), true);
        assert_eq!(needed.kept, ["app:2".to_owned()].into());
        assert!(needed.knows("app:1") && needed.knows("app:2"));
    }

    #[test]
    fn a_stack_that_was_removed_keeps_what_it_would_come_back_with() {
        let mut history = History::default();
        let spec = stack(vec![with_image(replicated("web", 1), "app:1")]);
        let release = Release::of(spec.clone(), "deploy".into(), "ann@mill".into(), Timestamp(0));
        history.releases.insert(1, (release, Some(Outcome::Deployed)));
        let gone = Release::of(StackSpec::empty(spec.name.clone()), "rm".into(), "ann".into(), Timestamp(0));
        history.releases.insert(2, (gone, Some(Outcome::Removed)));
        let mut needed = Needed::default();
        needed.add(&spec.name, &history, 1);
        assert!(needed.kept.contains("app:1"));
    }
}
