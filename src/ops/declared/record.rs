//! What the ledger says a stack should be, for a loop that keeps it so.

use crate::ledger::release::{History, Outcome, Source};
use crate::ledger::settings::Settings;
use crate::ledger::{Current, NoCurrent};
use crate::model::StackSpec;

/// What is remembered of a stack.
#[derive(Debug, Clone, PartialEq)]
pub struct StackRecord {
    /// What it should be.
    pub desired: Desired,
    /// What a person said about it.
    pub settings: Settings,
    /// From which repository it was last released, and what from; persons may have done more since.
    pub source: Option<Source>,
    /// Whether the newest release took it away.
    pub is_removed: bool,
    /// Whether the newest release is from a repository and changed nothing, as when an image could not be
    /// pulled: what it wanted is still to be had.
    pub is_not_begun: bool,
}

/// What a stack should be.
#[derive(Debug, Clone, PartialEq)]
pub enum Desired {
    /// As declared.
    Current(Box<Current>),
    /// As a release says whose run did not finish. No person stopped it: the loop finishes it once no other
    /// process holds the lock of the stack.
    Unfinished {
        /// Of which release.
        number: u64,
        /// What was to run.
        spec: Box<StackSpec>,
        /// Whether that was to be nothing.
        is_removal: bool,
    },
    /// As a release says that is newer than all that are known, and of which a majority of the managers has no record: whether
    /// it is one is settled under the lock of the stack. Until then nothing older is what the stack should be.
    Undecided(u64),
    /// Nothing that could be kept.
    Nothing(NoCurrent),
}

impl StackRecord {
    /// From what is remembered.
    #[must_use]
    pub fn of(history: &History, settings: Settings) -> Self {
        let source = history.releases.values().rev().find_map(|(release, _)| release.source.clone());
        let is_removed = history.last().is_some_and(|(_, release, _)| release.is_removal());
        let is_not_begun = history.last().is_some_and(|(_, release, outcome)| {
            release.source.is_some() && matches!(outcome, Some(Outcome::NotBegun { .. }))
        });
        let desired = match history.current() {
            Ok(current) => Desired::Current(Box::new(current)),
            Err(NoCurrent::Unfinished(number)) => match history.releases.get(&number) {
                Some((release, _)) => {
                    let is_removal = release.is_removal();
                    Desired::Unfinished { number, spec: Box::new(release.spec.clone()), is_removal }
                }
                None => Desired::Undecided(number),
            },
            Err(why) => Desired::Nothing(why),
        };
        Self { desired, settings, source, is_removed, is_not_begun }
    }

    /// Of which release.
    #[must_use]
    pub fn number(&self) -> Option<u64> {
        match &self.desired {
            Desired::Current(current) => Some(current.number),
            Desired::Unfinished { number, .. } | Desired::Undecided(number) => Some(*number),
            Desired::Nothing(_) => None,
        }
    }

    /// Whether it is of a run that did not come to its end, as far as is known.
    #[must_use]
    pub fn is_unfinished(&self) -> bool {
        matches!(self.desired, Desired::Unfinished { .. } | Desired::Undecided(_))
    }

    /// What is to run, and whether what is not named there is to go. A deploy leaves such services unless it
    /// prunes, and so does the loop.
    #[must_use]
    pub fn spec(&self) -> Option<(&StackSpec, bool)> {
        match &self.desired {
            Desired::Current(current) => Some((&current.spec, false)),
            Desired::Unfinished { spec, is_removal, .. } => Some((spec, *is_removal)),
            Desired::Undecided(_) | Desired::Nothing(_) => None,
        }
    }
}
