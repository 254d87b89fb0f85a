//! What the ledger says a stack should be, for a loop that keeps it so.

use super::heal::Hands;
use crate::engine::members;
use crate::engine::records::history;
use crate::ledger::release::{History, Outcome, Source};
use crate::ledger::settings::{self, Settings};
use crate::ledger::{Current, Ledger, LedgerError, NoCurrent, ReadRegisters, document};
use crate::model::{StackName, StackSpec};

/// What is remembered of a stack.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Known {
    pub desired: Desired,
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
pub(super) enum Desired {
    /// As declared.
    Current(Box<Current>),
    /// As a release says whose run did not come to its end. Nobody said that it should stop there: it is
    /// finished once nobody is at work on it any more.
    Unfinished { number: u64, spec: Box<StackSpec>, is_removal: bool },
    /// Nothing that could be kept.
    Nothing(NoCurrent),
}

impl Known {
    /// From what is remembered.
    pub(super) fn of(history: &History, settings: Settings) -> Self {
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
                None => Desired::Nothing(NoCurrent::Unfinished(number)),
            },
            Err(why) => Desired::Nothing(why),
        };
        Self { desired, settings, source, is_removed, is_not_begun }
    }

    /// Of which release.
    pub(super) fn number(&self) -> Option<u64> {
        match &self.desired {
            Desired::Current(current) => Some(current.number),
            Desired::Unfinished { number, .. } => Some(*number),
            Desired::Nothing(_) => None,
        }
    }

    /// Whether it is of a run that did not come to its end.
    pub(super) fn is_unfinished(&self) -> bool {
        matches!(self.desired, Desired::Unfinished { .. })
    }

    /// What is to run, and whether what is not named there is to go. A deploy leaves such services unless it
    /// is told to prune, and so does the loop.
    pub(super) fn spec(&self) -> Option<(&StackSpec, bool)> {
        match &self.desired {
            Desired::Current(current) => Some((&current.spec, false)),
            Desired::Unfinished { spec, is_removal, .. } => Some((spec, *is_removal)),
            Desired::Nothing(_) => None,
        }
    }
}

/// Reads it.
pub(super) async fn known<R: ReadRegisters>(
    ledger: &Ledger<R>,
    stack: &StackName,
) -> Result<Known, LedgerError> {
    let (history, settings) = tokio::join!(history(ledger, stack), settings::settings(ledger, stack));
    Ok(Known::of(&history?.0, settings?))
}

/// Reads it for a loop. What somebody left half written of its settings would stay so until the next
/// command: a loop that may write settles it.
pub(super) async fn settled(hands: &Hands, stack: &StackName) -> Result<Known, LedgerError> {
    match (known(&hands.reading, stack).await, &hands.writing) {
        (Err(LedgerError::Undecided { .. }), Some(writing)) => {
            document::tend(writing, &settings::stream(stack)).await?;
            known(&hands.reading, stack).await
        }
        (known, _) => known,
    }
}

/// The same for what is remembered of the nodes. Whether it can be read is told by the look at them.
pub(super) async fn tend_nodes(hands: &Hands) {
    if let Some(writing) = &hands.writing {
        let _is_told = members::tend(writing).await;
    }
}
