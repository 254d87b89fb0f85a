//! What a commit calls for, for what releases it without a loop, as a push does, and for `status`, which only
//! shows it. Asks the ledger what was released, by the same rules as the loop, and writes nothing.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};

use super::declared::record::StackRecord;
use super::declared::{Contents, Declarations, DesiredRelease};
use crate::engine::records::history;
use crate::gitops::Declaration;
use crate::ledger::release::{Git, History, Outcome, Release, Source};
use crate::ledger::settings::{Settings, Suspended, settings};
use crate::ledger::{Ledger, LedgerError, ReadRegisters};
use crate::model::StackName;

/// Stacks whose records are read at a time.
const READS_MAX: usize = 8;

/// A stack, and what a commit calls for.
#[derive(Debug, Clone, PartialEq)]
pub struct PendingRelease {
    /// Which.
    pub stack: StackName,
    /// Whether anything is to be done.
    pub state: State,
    desired: DesiredRelease,
}

/// Whether anything is to be done about a stack.
#[derive(Debug, Clone, PartialEq)]
pub enum State {
    /// It was never released from these inputs.
    Due,
    /// It was, and is not again, whatever came of it.
    Released(Released),
    /// A person said that it is to be left alone.
    Suspended(Suspended),
}

/// The release that was made from the same inputs.
#[derive(Debug, Clone, PartialEq)]
pub struct Released {
    /// Its number.
    pub number: u64,
    /// How it ended; `None` if it did not, or not yet.
    pub outcome: Option<Outcome>,
    /// The commit it was made from.
    pub commit: Option<Git>,
    /// Whether it is the newest: what a person did afterwards stands.
    pub is_last: bool,
}

impl PendingRelease {
    /// What is to run.
    #[must_use]
    pub fn contents(&self) -> Contents {
        self.desired.contents(&self.stack)
    }

    /// Whether the stack is to go.
    #[must_use]
    pub fn is_removal(&self) -> bool {
        self.desired.is_removal()
    }

    /// As the ledger remembers it.
    #[must_use]
    pub fn source(&self) -> Source {
        self.desired.source()
    }

    /// The commit.
    #[must_use]
    pub fn commit(&self) -> &Git {
        &self.desired.commit
    }

    /// How it stands by what is remembered now.
    #[must_use]
    pub fn state_by(&self, history: &History, settings: Settings) -> State {
        state(&self.desired, history, settings)
    }
}

fn state(desired: &DesiredRelease, history: &History, settings: Settings) -> State {
    let known = StackRecord::of(history, settings);
    if !desired.is_due(&known) {
        let last = history.last().map(|(number, ..)| number);
        let made = history.releases.iter().rev().find(|(_, (release, _))| release.source.is_some());
        if let Some((number, (release, outcome))) = made {
            return State::Released(Released {
                number: *number,
                outcome: outcome.clone(),
                commit: release.git.clone(),
                is_last: last == Some(*number),
            });
        }
    }
    known.settings.suspended.map_or(State::Due, State::Suspended)
}

/// What a commit of a repository calls for, in the order in which it is to be done. A stack that goes is
/// among it if it was this repository's, and only if it still is to go.
pub async fn pending<R: ReadRegisters>(
    ledger: &Ledger<R>,
    repository: &str,
    declaration: Arc<Declaration>,
) -> Result<Vec<PendingRelease>, LedgerError> {
    let names = ledger.stacks().await?;
    let all = Declarations {
        expected: [repository.to_owned()].into(),
        declared: BTreeMap::from([(repository.to_owned(), declaration)]),
        trouble: BTreeMap::new(),
    };
    let mut all_desired = all.desired_releases();
    let new = all_desired.keys().filter(|name| !names.contains(*name)).cloned().collect::<Vec<_>>();
    let known = stream::iter(names.into_iter().chain(new))
        .map(|stack| async move {
            let (history, settings) = tokio::join!(history(ledger, &stack), settings(ledger, &stack));
            Ok::<_, LedgerError>((stack, history?.0, settings?))
        })
        .buffered(READS_MAX)
        .try_collect::<Vec<_>>()
        .await?;
    let mut all_pending: Vec<PendingRelease> = (known.into_iter())
        .filter_map(|(stack, history, settings)| {
            let desired = all_desired.remove(&stack).or_else(|| {
                let known = StackRecord::of(&history, settings.clone());
                all.removal(&known).filter(|desired| desired.is_due(&known))
            })?;
            let state = state(&desired, &history, settings);
            Some(PendingRelease { stack, state, desired })
        })
        .collect();
    all_pending.sort_by(|a, b| (a.desired.order(), &a.stack).cmp(&(b.desired.order(), &b.stack)));
    Ok(all_pending)
}

/// The commit of a repository that was released last, of whichever stack and however that ended.
pub async fn last_released<R: ReadRegisters>(
    ledger: &Ledger<R>,
    repository: &str,
) -> Result<Option<String>, LedgerError> {
    let names = ledger.stacks().await?;
    let newest = stream::iter(names)
        .map(|stack| async move {
            let (history, ..) = history(ledger, &stack).await?;
            let of_it = |release: &&Release| {
                release.source.as_ref().is_some_and(|source| source.repository == repository)
            };
            let newest = history.releases.values().map(|(release, _)| release).rfind(of_it);
            Ok::<_, LedgerError>(newest.and_then(|release| Some((release.at, release.git.clone()?.commit))))
        })
        .buffered(READS_MAX)
        .try_collect::<Vec<_>>()
        .await?;
    Ok(newest.into_iter().flatten().max().map(|(_, commit)| commit))
}
