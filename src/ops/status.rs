//! How stacks stand: is each as it was declared, are its tasks well, and what came of the last operation.
//!
//! Three answers that are never made into one. Everything is computed from one look at the hosts and what
//! the ledger remembers; nothing is written. Knows no words: a surface names each case.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures_util::future::join_all;

use crate::engine::records::remembered;
use crate::engine::{Me, lease};
use crate::ledger::lease::{Held, Holder};
use crate::ledger::release::{History, Outcome, Release, Source};
use crate::ledger::settings::{Settings, Suspended, settings};
use crate::ledger::{Ledger, LedgerError, NoCurrent, ReadRegisters};
use crate::model::{self, Observed, ServiceName, StackName, StackSpec, Task, TaskStatus};
use crate::orchestrator::assign::{SlotKind, SlotWork};
use crate::orchestrator::{Drift, PlanOptions, Planned, Problem, drift, same_image};

/// How a stack stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Status {
    /// The stack.
    pub stack: StackName,
    /// Whether what runs is what was declared.
    pub sync: Sync,
    /// Whether the tasks do what they should.
    pub health: Health,
    /// What came of the last operation.
    pub operation: LastOperation,
    /// The newest release and its number; `None` if none is remembered.
    pub release: Option<(u64, Release)>,
    /// What it was last released from, if that was a repository.
    pub source: Option<Source>,
    /// Services whose image was loaded again under its name: they are as declared, and the next deploy replaces their tasks.
    pub reloaded: BTreeSet<ServiceName>,
    /// Whether it was removed as it should, and nothing of it runs any more.
    pub is_gone: bool,
}

/// Whether what runs is what was declared.
#[derive(Debug, Clone, PartialEq)]
pub enum Sync {
    /// It is.
    InSync,
    /// The newest release was not reached, or not yet; or a repository declares another.
    Behind(Behind),
    /// Something happened to the stack outside of its releases.
    Drifted(Slip),
    /// A user said to leave it as it is.
    Suspended(Suspended),
    /// It is not remembered, or a host that is needed is silent.
    Unknown(Unknown),
}

/// Why a stack is behind what is declared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Behind {
    /// The newest release did not come to a good end.
    Release(NoCurrent),
    /// What its repository declares is not released.
    Repository(Undeployed),
}

/// What its repository declares of a stack and was not released.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Undeployed {
    /// A commit that is not released.
    Due {
        /// The commit, short.
        commit: String,
        /// The repository.
        repository: String,
        /// Whether the commit has the stack no more.
        is_removal: bool,
    },
    /// It cannot be read.
    Unreadable {
        /// The commit, short.
        commit: String,
        /// Why.
        why: String,
    },
}

/// How a stack differs from its newest release.
#[derive(Debug, Clone, PartialEq)]
pub enum Slip {
    /// Tasks or containers were changed.
    Tasks {
        /// The first difference.
        first: Drift,
        /// How many more there are.
        more: usize,
    },
    /// It cannot be brought back: the first reason.
    Problem(Problem),
    /// It can be brought back by so many actions.
    Actions(usize),
}

/// Why it is not known whether a stack is as declared.
#[derive(Debug, Clone, PartialEq)]
pub enum Unknown {
    /// No release is remembered.
    NoRelease(NoCurrent),
    /// What is needed does not answer.
    Silent(Problem),
    /// What is remembered of the stack cannot be read: why not.
    Records(String),
}

/// Whether the tasks do what they should, whatever they were made from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Health {
    /// All of them are up.
    Healthy,
    /// Some are starting.
    Progressing,
    /// Some are missing, or fail.
    Degraded,
    /// Nothing is meant to run.
    Nothing,
    /// A host that is needed is silent, or nothing is remembered and nothing runs.
    Unknown,
}

/// What came of the last operation.
#[derive(Debug, Clone, PartialEq)]
pub enum LastOperation {
    /// There was none.
    None,
    /// It ended.
    Ended(Outcome),
    /// A process works on the stack.
    UnderWay(Holder),
    /// It did not end, and no process works on the stack.
    CutOff,
}

/// What the ledger says of a stack.
#[derive(Debug, Clone)]
struct Remembered {
    history: History,
    settings: Settings,
    lock: Option<Held>,
}

impl Status {
    /// The same stack beside what its repository declares. What is to come is reported before what has
    /// slipped, and so is what cannot be read and is therefore not released; a stack that is suspended, or of
    /// which hosts hide the state, stays so.
    #[must_use]
    pub fn beside(self, declared: Option<Undeployed>) -> Self {
        let Some(declared) = declared else { return self };
        let is_told = match self.sync {
            Sync::InSync | Sync::Drifted(_) | Sync::Behind(_) | Sync::Unknown(Unknown::NoRelease(_)) => true,
            Sync::Suspended(_) | Sync::Unknown(Unknown::Silent(_) | Unknown::Records(_)) => false,
        };
        if is_told { Self { sync: Sync::Behind(Behind::Repository(declared)), ..self } } else { self }
    }
}

/// How each of these stacks stands, in their order. A stack whose records cannot be read, for being too large or because
/// they are damaged, is unknown, and keeps the others from nothing.
///
/// # Errors
///
/// If the records of no stack can be read.
pub async fn statuses<R: ReadRegisters>(
    ledger: &Ledger<R>,
    me: &Me,
    observed: &Arc<Observed>,
    options: &PlanOptions,
    stacks: impl IntoIterator<Item = &StackName>,
) -> Result<Vec<Status>, LedgerError> {
    let all = stacks.into_iter().map(async |stack| (stack, remember(ledger, me, stack).await));
    let all = join_all(all).await;
    let is_read = all.is_empty() || all.iter().any(|(_, known)| known.is_ok());
    all.into_iter()
        .map(|(stack, known)| match known {
            Ok(known) => Ok(status(stack, observed, &known, options)),
            Err(error) if is_read => Ok(unread(stack, observed, &error)),
            Err(error) => Err(error),
        })
        .collect()
}

/// How a stack stands of which nothing is known but what runs.
fn unread(stack: &StackName, observed: &Observed, error: &LedgerError) -> Status {
    let live: Vec<&Task> = tasks(observed, stack).collect();
    let is_well = !live.is_empty() && live.iter().all(|task| task.status.is_up());
    let health = match observed.silent_for(stack).next() {
        None if is_well => Health::Healthy,
        None if !live.is_empty() => Health::Degraded,
        _ => Health::Unknown,
    };
    Status {
        stack: stack.clone(),
        sync: Sync::Unknown(Unknown::Records(error.to_string())),
        health,
        operation: LastOperation::None,
        release: None,
        source: None,
        reloaded: BTreeSet::new(),
        is_gone: false,
    }
}

async fn remember<R: ReadRegisters>(
    ledger: &Ledger<R>,
    me: &Me,
    stack: &StackName,
) -> Result<Remembered, LedgerError> {
    let (history, settings, leased) =
        tokio::join!(remembered(ledger, stack), settings(ledger, stack), lease::look(ledger, stack));
    let is_there = |held: &Held| !(me.is_gone)(&held.holder);
    Ok(Remembered { history: history?.history, settings: settings?, lock: leased?.1.held.filter(is_there) })
}

fn status(
    stack: &StackName,
    observed: &Arc<Observed>,
    remembered: &Remembered,
    options: &PlanOptions,
) -> Status {
    let history = &remembered.history;
    let current = history.current();
    let is_removed = matches!(current, Err(NoCurrent::Removed(_)));
    Status {
        stack: stack.clone(),
        sync: sync(observed, remembered, options),
        health: health(stack, observed, history, options),
        operation: operation(remembered),
        release: history.last().map(|(number, release, _)| (number, release.clone())),
        source: history.releases.values().rev().find_map(|(release, _)| release.source.clone()),
        reloaded: current.map(|current| same_image::reloaded(observed, &current.spec)).unwrap_or_default(),
        is_gone: (is_removed || is_trace(remembered)) && tasks(observed, stack).next().is_none(),
    }
}

/// Whether of a stack there is nothing but a lease that is free: it was never deployed, or its records were removed.
fn is_trace(remembered: &Remembered) -> bool {
    let history = &remembered.history;
    history.releases.is_empty()
        && history.undecided.is_empty()
        && remembered.lock.is_none()
        && remembered.settings == Settings::default()
}

fn sync(observed: &Arc<Observed>, remembered: &Remembered, options: &PlanOptions) -> Sync {
    let current = match remembered.history.current() {
        Ok(current) => current,
        Err(why @ NoCurrent::NoRelease) => return Sync::Unknown(Unknown::NoRelease(why)),
        Err(NoCurrent::Removed(_)) => return Sync::InSync,
        // The first one is undecided, or the managers have lost what they had decided.
        Err(why) if remembered.history.releases.is_empty() => return Sync::Unknown(Unknown::NoRelease(why)),
        Err(why) => return Sync::Behind(Behind::Release(why)),
    };
    let planned = Planned::amiss(Arc::clone(observed), current.spec, options.clone());
    let plan = planned.plan();
    if let Some(problem) = plan.problems.iter().find(|problem| problem.is_silence()) {
        return Sync::Unknown(Unknown::Silent(problem.clone()));
    }
    if let Some(suspended) = &remembered.settings.suspended {
        return Sync::Suspended(suspended.clone());
    }
    let mut found = drift(planned.observed(), planned.spec(), options).into_iter();
    if let Some(first) = found.next() {
        return Sync::Drifted(Slip::Tasks { first, more: found.count() });
    }
    match plan.problems.first() {
        Some(problem) => Sync::Drifted(Slip::Problem(problem.clone())),
        None if plan.forecast.waves.is_empty() => Sync::InSync,
        None => Sync::Drifted(Slip::Actions(plan.forecast.actions().count())),
    }
}

fn health(stack: &StackName, observed: &Arc<Observed>, history: &History, options: &PlanOptions) -> Health {
    let wanted: Option<StackSpec> = match history.current() {
        Ok(current) => Some(current.spec),
        Err(NoCurrent::Removed(_)) => return Health::Nothing,
        Err(_) => None,
    };
    if observed.silent_for(stack).next().is_some() {
        return Health::Unknown;
    }
    let live: Vec<&Task> = tasks(observed, stack).collect();
    let Some(wanted) = wanted else {
        // How many there should be is not known.
        return match live.as_slice() {
            [] => Health::Unknown,
            live if live.iter().all(|task| task.status.is_up()) => Health::Healthy,
            _ => Health::Degraded,
        };
    };
    let planned = Planned::amiss(Arc::clone(observed), wanted, options.clone());
    let slots = || planned.assignment().services.iter().flat_map(|service| &service.slots);
    // A task that is up and is to be changed as it runs serves.
    let serves = |slot: &&SlotWork| {
        slot.kind == SlotKind::InPlace && slot.watch.as_ref().is_some_and(|(_, status)| status.is_up())
    };
    let mut watched = slots().filter(|slot| !serves(slot)).filter_map(|slot| slot.watch.as_ref()).peekable();
    // One that is to be replaced may serve until then.
    let is_down = |slot: &SlotWork| slot.kind == SlotKind::Replace && slot.old.iter().all(|old| !old.is_up);
    if slots().any(|slot| slot.kind == SlotKind::Create || is_down(slot)) {
        Health::Degraded
    } else if watched.peek().is_some() {
        let is_starting = |status: TaskStatus| {
            matches!(status, TaskStatus::Created | TaskStatus::Running { health: model::Health::Starting })
        };
        if watched.all(|(_, status)| is_starting(*status)) { Health::Progressing } else { Health::Degraded }
    } else if planned.spec().services.is_empty() {
        Health::Nothing
    } else {
        Health::Healthy
    }
}

/// Live tasks of a stack.
fn tasks<'o>(observed: &'o Observed, stack: &'o StackName) -> impl Iterator<Item = &'o Task> {
    observed.tasks().filter(move |task| task.stack == *stack && task.is_live())
}

fn operation(remembered: &Remembered) -> LastOperation {
    match (remembered.history.last(), &remembered.lock) {
        (None, _) => LastOperation::None,
        (Some((.., Some(outcome))), None) => LastOperation::Ended(outcome.clone()),
        (Some(_), Some(held)) => LastOperation::UnderWay(held.holder.clone()),
        (Some((.., None)), None) => LastOperation::CutOff,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Timestamp;
    use crate::model::testing::*;

    #[test]
    fn what_a_repository_declares_hides_neither_a_silent_host_nor_what_a_user_said() {
        let of = |sync: Sync| Status {
            stack: StackName::unchecked("shop"),
            sync,
            health: Health::Healthy,
            operation: LastOperation::None,
            release: None,
            source: None,
            reloaded: BTreeSet::new(),
            is_gone: false,
        };
        let due = || Undeployed::Unreadable { commit: "0123456".into(), why: "a tab".into() };
        let behind = || Sync::Behind(Behind::Repository(due()));
        let suspended = || Sync::Suspended(Suspended { who: "ann@mill".into(), at: Timestamp(5), why: None });
        let new = Sync::Unknown(Unknown::NoRelease(NoCurrent::NoRelease));
        assert_eq!(of(Sync::InSync).beside(Some(due())).sync, behind());
        assert_eq!(of(new.clone()).beside(Some(due())).sync, behind());
        assert_eq!(of(Sync::Drifted(Slip::Actions(2))).beside(Some(due())).sync, behind());
        assert_eq!(of(suspended()).beside(Some(due())).sync, suspended());
        assert_eq!(of(new.clone()).beside(None).sync, new);
    }
    /// A stack of one service with two tasks that run, and its one release.
    fn deployed() -> (Observed, StackSpec, Remembered) {
        let (service, mut observed) = (replicated("web", 2), nodes(1));
        let spec = stack(vec![service.clone()]);
        let facts = facts(observed.nodes.values_mut().next().unwrap());
        for number in 1..=2 {
            facts.tasks.push(task_of(&spec.name, &service, number));
        }
        let release = Release::of(spec.clone(), "deploy".into(), "ann@mill".into(), Timestamp(1));
        let releases = [(1, (release, Some(Outcome::Deployed)))].into();
        let history = History { releases, ..History::default() };
        (observed, spec, Remembered { history, settings: Settings::default(), lock: None })
    }

    #[test]
    fn a_task_that_serves_and_is_to_be_changed_as_it_runs_is_well() {
        let (mut observed, spec, known) = deployed();
        let tasks = &mut facts(observed.nodes.values_mut().next().unwrap()).tasks;
        // The engine was asked, and has another limit than was declared.
        Arc::make_mut(&mut tasks[0].spec).resources.limits.pids = Some(5);
        let status = |observed: &Observed| {
            status(&spec.name, &Arc::new(observed.clone()), &known, &PlanOptions::default())
        };
        let found = status(&observed);
        assert_eq!(found.health, Health::Healthy);
        let Sync::Drifted(Slip::Tasks { first, more: 0 }) = found.sync else { panic!("{:?}", found.sync) };
        assert_eq!(first.kind.to_string(), "altered: resources.limits.pids");
        let tasks = &mut facts(observed.nodes.values_mut().next().unwrap()).tasks;
        tasks[0].status = TaskStatus::Running { health: model::Health::Unhealthy };
        assert_eq!(status(&observed).health, Health::Degraded);
    }

    #[test]
    fn an_image_that_was_loaded_again_is_no_drift_and_is_named() {
        let (mut observed, spec, known) = deployed();
        let facts = facts(observed.nodes.values_mut().next().unwrap());
        let image = spec.services["web"].task.image.clone();
        facts.images = [image.clone()].into();
        facts.image_ids = [(image, "sha256:bb".to_owned()), ("sha256:aa".into(), "sha256:aa".into())].into();
        facts.task_images =
            facts.tasks.iter().map(|task| (task.id.clone(), "sha256:aa".to_owned())).collect();
        let observed = Arc::new(observed);
        let found = status(&spec.name, &observed, &known, &PlanOptions::default());
        assert_eq!((found.sync, found.health), (Sync::InSync, Health::Healthy));
        assert_eq!(found.reloaded, [service_name("web")].into());
    }
}
