//! What the loop wants of a stack, as the release transaction asks for it, and what came of it, as the supervisor
//! hears it.
//!
//! Pure, and the one place for both: the loop asks its ledger and its repositories, the simulator asks its own, and
//! both decide by what is here.

use super::event::{ActionEvent, ClusterEvent};
use super::work::{Healed, Job, Task};
use crate::ledger::lease::Holder;
use crate::ledger::release::Outcome;
use crate::model::StackName;
use crate::ops::declared::Contents;
use crate::ops::declared::record::StackRecord;
use crate::ops::release::{Commit, Done, Draft, Entry, Pulls, Terms, Wanted};
use crate::ops::{self, Event, shortfall};
use crate::orchestrator::pin::ResolveImage;
use crate::orchestrator::{End, PlanOptions, Planned};

/// How the loop has a stack worked on. It waits for no other holder of the lock, goes on itself with what was cut
/// short, and looks again by itself.
#[must_use]
pub fn terms() -> Terms {
    Terms { proof: false, watches_idle: false, resumes: true, pulls: Pulls::InBackground, ..Terms::default() }
}

impl Job {
    /// Restores what was declared, if it is still the release of which that was decided: the holder of the lock before
    /// us may have deployed something, or a person may have suspended the stack.
    #[must_use]
    pub fn wanted(&self, known: &StackRecord) -> Option<Wanted> {
        if known.number() != Some(self.number) || known.settings.suspended.is_some() {
            return None;
        }
        let (spec, prune) = known.spec()?;
        Some(Wanted {
            spec: spec.clone(),
            options: PlanOptions { prune, ..self.options.clone() },
            resolve: ResolveImage::Never,
            entry: Entry::Heal { number: self.number, is_unfinished: known.is_unfinished() },
        })
    }
}

impl Task {
    /// Releases what a repository declares, unless the holder of the lock before us did, or a person suspended the
    /// stack.
    #[must_use]
    pub fn wanted(&self, known: &StackRecord) -> Option<Wanted> {
        let Self { stack, desired, options, .. } = self;
        if known.settings.suspended.is_some() || !desired.is_due(known) {
            return None;
        }
        let mut options = options.clone();
        if known.number() != self.number {
            // Another process has made a release since: lost nodes may have been given tasks.
            options.outdated.extend(options.lost.iter().cloned());
        }
        let Contents { spec, secrets: _, files, prune } = desired.contents(stack);
        let draft = Draft {
            verb: if desired.is_removal() { "rm" } else { "reconcile" }.to_owned(),
            files,
            message: None,
            git: Some(Commit::Known(desired.commit.clone())),
            source: Some(desired.source()),
        };
        Some(Wanted {
            spec,
            options: PlanOptions { prune, ..options },
            resolve: ResolveImage::Always,
            entry: Entry::Release(Box::new(draft)),
        })
    }
}

impl ClusterEvent {
    /// What the transaction tells, where it is news of the cluster.
    #[must_use]
    pub fn of_release(stack: &StackName, event: Event<Planned>) -> Option<Self> {
        Some(match event {
            Event::Began(began) if began.is_heal => {
                let ops::Began { stack, release, actions, .. } = began;
                Self::HealBegan { stack, release, actions }
            }
            Event::Began(began) => {
                let ops::Began { stack, release, commit, actions, .. } = began;
                Self::ReleaseBegan { stack, release, commit, actions: Some(actions) }
            }
            Event::ActionEnded(action, outcome) => Self::Acted(ActionEvent::of(stack, &action, &outcome)),
            Event::Ended { stack, release, outcome } => {
                let outcome = outcome.as_ref().map_or_else(|| "unfinished".to_owned(), Outcome::words);
                Self::ReleaseEnded { stack, release, outcome }
            }
            _ => return None,
        })
    }
}

impl Healed {
    /// What came of a transaction.
    #[must_use]
    pub fn of(done: Result<Done<Planned>, ops::Error>) -> Self {
        match done {
            Ok(Done::NotWanted) => Self::Outdated,
            Ok(Done::Idle) => Self::Done,
            Ok(Done::Ran(ran)) => match (&ran.report.end, shortfall(&ran.report.end)) {
                (End::Interrupted, _) => Self::Stopped,
                (_, None) => Self::Done,
                (_, Some(why)) => Self::Failed(why),
            },
            Err(ops::Error::Held { holder, .. }) => {
                let Holder { who, pid, verb, .. } = *holder;
                Self::Busy(format!("{who} (process {pid}, `{verb}`)"))
            }
            Err(error) => Self::Failed(error.to_string()),
        }
    }
}
