//! The log of everything that was done to the cluster, newest first: releases, which are written down when
//! they are made, and what [`operation`](crate::ledger::operation) holds beside them.
//!
//! A view, not a record: nothing is written for it. An operation without an end shows as such, whichever
//! process was cut off.
//!
//! # Times
//!
//! The time is that of the writer's clock, unless the backend's clock says that it was earlier: so an
//! operation whose writer's clock is ahead does not sort before later ones, and records that were copied to
//! another place keep their time. Within one stream the order is that of its places, whatever the clocks
//! said.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use futures_util::StreamExt as _;
use serde::{Deserialize as _, Serialize};

use super::lease;
use super::records::history;
use crate::ledger::lease::Holder;
use crate::ledger::operation::{self, Changed, Ending, Recorded};
use crate::ledger::release::{Git, History, Outcome};
use crate::ledger::{Entry, Ledger, LedgerError, Log, ReadRegisters};
use crate::model::{ServiceName, StackName, StackSpec, Timestamp};

/// Engines report a volume's creation time in whole seconds.
const ROUNDING_MS: i64 = 1_000;
/// Stacks whose records are read at a time.
const READS_MAX: usize = 16;

/// How an operation is called.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Id {
    /// `shop@3`: a release.
    Release(StackName, u64),
    /// `@12`: of the cluster.
    Cluster(u64),
    /// `shop~4`: what the loop healed.
    Heal(StackName, u64),
}

impl Id {
    /// The stack that it is of; none for one of the cluster.
    #[must_use]
    pub fn stack(&self) -> Option<&StackName> {
        match self {
            Self::Release(stack, _) | Self::Heal(stack, _) => Some(stack),
            Self::Cluster(_) => None,
        }
    }

    /// Back from its words.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (at, is_heal) = match (text.find('@'), text.find('~')) {
            (Some(at), None) => (at, false),
            (None, Some(at)) => (at, true),
            _ => return None,
        };
        let (stack, number) = (&text[..at], text[at + 1..].parse().ok().filter(|number| *number > 0)?);
        Some(match (stack, is_heal) {
            ("", false) => Self::Cluster(number),
            (stack, false) => Self::Release(StackName::new(stack).ok()?, number),
            (stack, true) => Self::Heal(StackName::new(stack).ok()?, number),
        })
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Release(stack, number) => write!(f, "{stack}@{number}"),
            Self::Cluster(number) => write!(f, "@{number}"),
            Self::Heal(stack, number) => write!(f, "{stack}~{number}"),
        }
    }
}

impl Serialize for Id {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// How it ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// Not yet: its process is still running.
    UnderWay,
    /// It never will: its process is gone.
    CutOff,
    /// It has no end, and it is not known from here whether its process still runs.
    Unfinished,
    /// It succeeded.
    Succeeded(String),
    Failed(String),
}

impl State {
    /// The state in a word or two.
    #[must_use]
    pub fn words(&self) -> &str {
        match self {
            Self::UnderWay => "under way",
            Self::CutOff => "cut off",
            Self::Unfinished => "unfinished",
            Self::Succeeded(words) | Self::Failed(words) => words,
        }
    }

    /// Whether it came to an end.
    #[must_use]
    pub fn is_over(&self) -> bool {
        matches!(self, Self::Succeeded(_) | Self::Failed(_))
    }
}

/// What a release did to a service, by what was declared before and since.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Touch {
    Added,
    /// It was removed.
    Removed,
    /// It has changed.
    Changed,
    /// Only its tasks were replaced.
    Restarted,
}

/// What an operation changed.
#[derive(Debug, Clone, PartialEq)]
pub enum What {
    /// A release: which one was declared before, and what differs; `None` if that is no longer recorded.
    Release {
        /// What was declared before; 0 is nothing.
        before: Option<u64>,
        /// Services that were touched.
        services: BTreeMap<ServiceName, Touch>,
        git: Option<Git>,
        /// The repository it was released from by the loop.
        repository: Option<String>,
    },
    Values(Vec<Changed>),
}

/// One thing that was done.
#[derive(Debug, Clone, PartialEq)]
pub struct Operation {
    pub id: Id,
    pub at: Timestamp,
    pub ended_at: Option<Timestamp>,
    /// `user@machine`.
    pub who: String,
    /// The command line, without secret values.
    pub verb: String,
    /// The user's message.
    pub message: Option<String>,
    /// Stacks it is about, unless it is about the cluster.
    pub stacks: Vec<StackName>,
    pub state: State,
    pub what: What,
}

/// What was declared before a release: its number, and its spec. `None` if it is not known.
#[must_use]
pub fn declared_before(history: &History, number: u64) -> Option<(u64, Option<StackSpec>)> {
    match history.before(number) {
        Ok(Some(current)) => Some((current.number, Some(current.spec))),
        // There was none; or it is no longer recorded.
        Ok(None) => (number == 1 || history.releases.range(..number).next().is_some()).then_some((0, None)),
        Err(_) => {
            let (number, (release, _)) = history.releases.range(..number).next_back()?;
            Some((*number, Some(release.spec.clone())))
        }
    }
}

/// What differs in a newer spec, service by service.
#[must_use]
pub fn touched(before: Option<&StackSpec>, after: &StackSpec) -> BTreeMap<ServiceName, Touch> {
    let mut all = BTreeMap::new();
    for (name, service) in &after.services {
        match before.and_then(|before| before.services.get(name)) {
            None => drop(all.insert(name.clone(), Touch::Added)),
            Some(old) if old == service => {}
            Some(old) => {
                let mut same = old.clone();
                std::sync::Arc::make_mut(&mut same.task).force_update = service.task.force_update;
                let touch = if same == *service { Touch::Restarted } else { Touch::Changed };
                all.insert(name.clone(), touch);
            }
        }
    }
    for name in before.into_iter().flat_map(|before| before.services.keys()) {
        if !after.services.contains_key(name) {
            all.insert(name.clone(), Touch::Removed);
        }
    }
    all
}

/// By two clocks, and within a stream never before its predecessor.
fn when(at: Timestamp, written: Option<Timestamp>, last: &mut Timestamp) -> Timestamp {
    let is_ahead = |written: &Timestamp| at.since_ms(*written) > ROUNDING_MS;
    let at = written.filter(is_ahead).unwrap_or(at).max(*last);
    *last = at;
    at
}

/// Releases as operations.
#[must_use]
pub fn of_releases(
    stack: &StackName,
    (history, releases, outcomes): &(History, Log, Log),
    is_at_work: bool,
) -> Vec<Operation> {
    let mut last = Timestamp(i64::MIN);
    let newest = history.last().map(|(number, ..)| number);
    let operation = |(number, (release, outcome)): (&u64, &(_, Option<Outcome>))| {
        let release: &crate::ledger::release::Release = release;
        let written = |log: &Log| log.entries.get(number).and_then(Entry::written);
        let at = when(release.at, written(releases), &mut last);
        let ended_at = outcomes.entries.get(number).and_then(|entry| {
            let said = entry.value.data.get("at").and_then(|at| Timestamp::deserialize(at).ok());
            let ended = said
                .map_or(entry.written(), |said| Some(when(said, entry.written(), &mut Timestamp(i64::MIN))));
            ended.map(|ended| ended.max(at))
        });
        let state = match outcome {
            Some(outcome @ (Outcome::Deployed | Outcome::Removed)) => State::Succeeded(outcome.words()),
            Some(outcome) => State::Failed(outcome.words()),
            None if is_at_work && newest == Some(*number) => State::UnderWay,
            None => State::CutOff,
        };
        let before = declared_before(history, *number);
        let services = match &before {
            Some((_, before)) => touched(before.as_ref(), &release.spec),
            None => BTreeMap::new(),
        };
        let what = What::Release {
            before: before.map(|(number, _)| number),
            services,
            git: release.git.clone(),
            repository: release.source.as_ref().map(|source| source.repository.clone()),
        };
        Operation {
            id: Id::Release(stack.clone(), *number),
            at,
            ended_at: ended_at.filter(|_| state.is_over()),
            who: release.who.clone(),
            verb: release.verb.clone(),
            message: release.message.clone(),
            stacks: vec![stack.clone()],
            state,
            what,
        }
    };
    history.releases.iter().map(operation).collect()
}

/// Recorded operations as operations.
#[must_use]
pub fn of_records(
    all: Vec<Recorded>,
    id: impl Fn(u64) -> Id,
    unended: impl Fn(&Recorded) -> State,
) -> Vec<Operation> {
    let mut last = Timestamp(i64::MIN);
    let operation = |one: Recorded| {
        let at = when(one.operation.at, one.written, &mut last);
        let state = match &one.ended {
            None => unended(&one),
            Some((_, Ending::Done)) => State::Succeeded("done".to_owned()),
            Some((_, Ending::Failed { why })) => State::Failed(format!("failed: {why}")),
        };
        let operation::Operation { verb, who, message, stacks, changes, .. } = one.operation;
        Operation {
            id: id(one.number),
            at,
            ended_at: one.ended.map(|(ended, _)| ended.max(at)),
            who,
            verb,
            message,
            stacks,
            state,
            what: What::Values(changes),
        }
    };
    all.into_iter().map(operation).collect()
}

/// All recorded operations: of one stack, or of all and of the cluster itself. The newest first. `is_gone`
/// says whether the process of a lease's holder is known from here to have ended.
pub async fn operations<R: ReadRegisters>(
    ledger: &Ledger<R>,
    stack: Option<&StackName>,
    is_gone: fn(&Holder) -> bool,
) -> Result<Vec<Operation>, LedgerError> {
    let stacks: BTreeSet<StackName> = match stack {
        Some(stack) => [stack.clone()].into(),
        None => ledger.stacks().await?,
    };
    let of_stacks = futures_util::stream::iter(stacks)
        .map(|stack| async move { of_stack(ledger, &stack, is_gone).await })
        .buffered(READS_MAX)
        .collect::<Vec<_>>();
    let stream = operation::stream();
    let (of_stacks, of_cluster) = tokio::join!(of_stacks, operation::read(ledger, &stream));
    let mut all = of_records(of_cluster?, Id::Cluster, |_| State::Unfinished);
    all.retain(|one| stack.is_none_or(|stack| one.stacks.contains(stack)));
    for one in of_stacks {
        all.extend(one?);
    }
    // Of what is equally old, what is numbered higher came later.
    all.sort_by(|a, b| (b.at, &b.id).cmp(&(a.at, &a.id)));
    Ok(all)
}

async fn of_stack<R: ReadRegisters>(
    ledger: &Ledger<R>,
    stack: &StackName,
    is_gone: fn(&Holder) -> bool,
) -> Result<Vec<Operation>, LedgerError> {
    let heals = operation::heals(stack);
    let (history, heals, leased) =
        tokio::join!(history(ledger, stack), operation::read(ledger, &heals), lease::look(ledger, stack));
    let held = leased?.1.held.filter(|held| !is_gone(&held.holder));
    let is_healing = held.as_ref().is_some_and(|held| held.holder.verb == "reconcile");
    let mut all = of_releases(stack, &history?, held.is_some());
    let unended = |_: &Recorded| if is_healing { State::UnderWay } else { State::CutOff };
    all.extend(of_records(heals?, |number| Id::Heal(stack.clone(), number), unended));
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::testing::{replicated, stack, with_image};

    #[test]
    fn ids_are_read_back() {
        let shop = || StackName::unchecked("shop");
        for (text, id) in [
            ("shop@3", Some(Id::Release(shop(), 3))),
            ("@12", Some(Id::Cluster(12))),
            ("shop~4", Some(Id::Heal(shop(), 4))),
            ("shop", None),
            ("shop@0", None),
            ("~4", None),
            ("shop@3~4", None),
            ("@x", None),
        ] {
            assert_eq!(Id::parse(text), id, "{text}");
            assert!(id.is_none_or(|id| id.to_string() == text));
        }
    }

    #[test]
    fn a_clock_that_is_ahead_or_a_copy_does_not_change_the_order() {
        let mut last = Timestamp(i64::MIN);
        let mut at = |said, written: Option<i64>| when(Timestamp(said), written.map(Timestamp), &mut last).0;
        assert_eq!(at(10, Some(11)), 10);
        assert_eq!(at(13, Some(0)), 13, "the backend reports whole seconds");
        assert_eq!(at(3_600_000, Some(20)), 20, "its writer's clock was ahead");
        assert_eq!(at(30, Some(9_000_000)), 30, "it was copied later");
        assert_eq!(at(5, None), 30, "it came after the one before");
    }

    #[test]
    fn changes_and_restarts_are_distinguished() {
        let spec = |images: &[(&str, &str)]| {
            stack(images.iter().map(|(name, image)| with_image(replicated(name, 1), image)).collect())
        };
        let before = spec(&[("web", "web:1"), ("db", "db:1"), ("old", "old:1"), ("same", "same:1")]);
        let mut after = spec(&[("web", "web:2"), ("db", "db:1"), ("new", "new:1"), ("same", "same:1")]);
        std::sync::Arc::make_mut(&mut after.services.get_mut("db").unwrap().task).force_update = 1;
        let touched: Vec<String> =
            touched(Some(&before), &after).iter().map(|(name, touch)| format!("{name} {touch:?}")).collect();
        assert_eq!(touched, ["db Restarted", "new Added", "old Removed", "web Changed"]);
        assert_eq!(super::touched(None, &before).len(), 4);
    }
}
