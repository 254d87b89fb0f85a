//! Sees a stack through: the converger says what, the executor does it, the observer watches.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;

use super::{Clock, Journal, Validity};
use crate::fleet::events::{Fall, Falls};
use crate::fleet::{Executor, Observer};
use crate::model::{NodeName, StackName, TaskId, TaskStatus, Timestamp, Unreachable};
use crate::orchestrator::{Action, Assignment, Converger, Event, Notice, Outcome, TaskHandle, Verdict};

/// Between two looks at the hosts while something is awaited. One small call a host.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// Between two words to whoever watches while nothing happens.
const TICK_EVERY: Duration = Duration::from_millis(100);

/// Looks in a row that a host must miss before it counts as silent: one lost packet is no news.
const MISSED_LOOKS_MAX: u32 = 2;

/// How a run is to end.
#[derive(Debug, Clone, Copy, Default)]
pub struct RunOptions {
    /// Stop watching after so long, in milliseconds.
    pub timeout_ms: Option<i64>,
    /// Stop as soon as nothing is left but to wait.
    pub detach: bool,
}

/// How a run ended.
#[derive(Debug)]
pub enum End {
    /// By its own verdict.
    Verdict(Verdict),
    /// Nothing is left but to wait, and nobody wants to.
    Detached,
    /// The time is over. Tasks that are not up yet.
    TimedOut(Vec<(NodeName, TaskHandle)>),
    /// The person said stop. Actions that were on their way have ended.
    Interrupted,
    /// Somebody else may be at work on the stack by now. Actions that were on their way have ended.
    LeaseLost,
}

/// What happens, for whoever watches.
#[derive(Debug)]
pub enum Progress<'a> {
    /// An action was begun.
    Began(&'a Action),
    /// An action ended.
    Ended(&'a Action, &'a Outcome),
    /// A task does something else than before; `None` if it is gone.
    Seen(&'a NodeName, &'a TaskHandle, Option<TaskStatus>),
    /// A node went silent.
    Silent(&'a NodeName, &'a str),
    /// The run turned: paused, or on its way back.
    Noticed(&'a Notice),
    /// Nothing, for a while.
    Tick,
}

/// Whom a run works with.
#[derive(Debug)]
pub struct Crew<'a> {
    /// Asks.
    pub observer: &'a Observer,
    /// Acts.
    pub executor: &'a Executor,
    /// Tells the time.
    pub clock: &'a Clock,
    /// Writes it down.
    pub journal: &'a mut Journal,
    /// Whether there is still a right to act.
    pub lease: &'a Validity,
}

/// Carries an assignment out. `interrupt` ends it early: actions on their way are awaited, none is begun.
pub async fn run(
    crew: Crew<'_>,
    stack: &StackName,
    assignment: Assignment,
    options: RunOptions,
    interrupt: impl Future<Output = ()>,
    mut tell: impl FnMut(Timestamp, Progress<'_>),
) -> End {
    let Crew { observer, executor, clock, journal, lease } = crew;
    let begun = clock.now();
    let deadline = options.timeout_ms.map(|ms| begun.plus_ms(ms));
    let mut watch = Watch::of(&assignment);
    let mut converger = Converger::new(assignment);
    let mut on_the_way = FuturesUnordered::new();
    let mut look = std::pin::pin!(futures_util::future::OptionFuture::from(None));
    let mut looking = false;
    let mut interrupt = std::pin::pin!(interrupt);
    let mut interrupted = false;
    let mut next_look = tokio::time::Instant::now();
    let mut events = vec![Event::Tick];
    let mut falls = None;
    loop {
        let mut wake_at = None;
        for event in events.drain(..) {
            let now = clock.now();
            let step = converger.step(now, event);
            wake_at = step.wake_at;
            for notice in &step.notices {
                journal.noticed(now, notice);
                tell(now, Progress::Noticed(notice));
            }
            if let Some(verdict) = step.verdict.filter(|_| lease.is_valid()) {
                journal.verdict(now, &verdict);
                return End::Verdict(verdict);
            }
            for action in step.actions {
                if interrupted || !lease.is_valid() {
                    continue;
                }
                journal.began(now, &action);
                tell(now, Progress::Began(&action));
                watch.know(&action);
                // Before anything can fall.
                falls.get_or_insert_with(|| observer.falls(stack));
                on_the_way.push(async move {
                    let outcome = executor.execute(&action).await;
                    (action, outcome)
                });
            }
        }
        let now = clock.now();
        if interrupted && on_the_way.is_empty() {
            journal.said(now, "interrupted");
            return End::Interrupted;
        }
        if !lease.is_valid() && on_the_way.is_empty() {
            journal.said(now, "lease lost");
            return End::LeaseLost;
        }
        if deadline.is_some_and(|deadline| now >= deadline) {
            journal.said(now, "timed out");
            return End::TimedOut(watch.named(converger.awaited()));
        }
        if options.detach && on_the_way.is_empty() && converger.only_waits() {
            journal.said(now, "detached");
            return End::Detached;
        }
        if converger.is_watching() && !looking && tokio::time::Instant::now() >= next_look {
            let awaited: BTreeSet<(NodeName, TaskId)> =
                converger.awaited().into_iter().map(|(node, task, _)| (node, task)).collect();
            looking = true;
            look.set(Some(async move { (awaited, observer.look(now, stack).await) }).into());
        }
        let until = |at: Option<Timestamp>| at.map(|at| u64::try_from(at.since_ms(now)).unwrap_or(0));
        let sleep_ms = [until(wake_at), until(deadline), Some(TICK_EVERY.as_millis() as u64)];
        let sleep = Duration::from_millis(sleep_ms.into_iter().flatten().min().unwrap_or(0));
        tokio::select! {
            Some((action, outcome)) = on_the_way.next() => {
                let now = clock.now();
                journal.ended(now, &action, &outcome);
                tell(now, Progress::Ended(&action, &outcome));
                events.push(Event::ActionDone { id: action.id, outcome });
            }
            Some((awaited, seen)) = &mut look => {
                look.set(None.into());
                looking = false;
                next_look = tokio::time::Instant::now() + LOOK_EVERY;
                let now = clock.now();
                events.extend(watch.take(awaited, seen, |progress| tell(now, progress)));
                events.push(Event::Tick);
            }
            Some(fall) = next(&mut falls) => {
                // Told now, not at the next look: what follows from it is told at once.
                let now = clock.now();
                let status = TaskStatus::Exited { exit_code: fall.exit_code };
                watch.fell(&fall.task, status, converger.awaited(), |progress| tell(now, progress));
                events.push(Event::TaskFell { task: fall.task, exit_code: fall.exit_code });
            }
            () = &mut interrupt, if !interrupted => {
                interrupted = true;
            }
            () = tokio::time::sleep(sleep) => {
                tell(clock.now(), Progress::Tick);
                events.push(Event::Tick);
            }
        }
    }
}

/// The next fall; never, if nobody listens or nobody is left to be heard.
async fn next(falls: &mut Option<Falls>) -> Option<Fall> {
    falls.as_mut()?.next().await
}

/// What was seen last, so that only news is told.
#[derive(Debug, Default)]
struct Watch {
    handles: BTreeMap<TaskId, TaskHandle>,
    last: BTreeMap<TaskId, TaskStatus>,
    missed: BTreeMap<NodeName, u32>,
}

impl Watch {
    /// Tasks that stay and are not up yet are awaited without an action that would name them.
    fn of(assignment: &Assignment) -> Self {
        let mut this = Self::default();
        for (handle, status) in assignment
            .services
            .iter()
            .flat_map(|service| &service.slots)
            .filter_map(|slot| slot.watch.as_ref())
        {
            this.handles.insert(handle.id.clone(), handle.clone());
            this.last.insert(handle.id.clone(), *status);
        }
        this
    }

    fn know(&mut self, action: &Action) {
        if let Some(handle) = action.what.task() {
            self.handles.insert(handle.id.clone(), handle);
        }
    }

    /// A task that is waited for came to an end; whether its engine starts it again will be seen.
    fn fell(
        &mut self,
        task: &TaskId,
        status: TaskStatus,
        awaited: Vec<(NodeName, TaskId, bool)>,
        mut tell: impl FnMut(Progress<'_>),
    ) {
        let node = awaited.into_iter().find_map(|(node, id, _)| (id == *task).then_some(node));
        if let Some(node) = node
            && let Some(handle) = self.handles.get(task)
            && self.last.insert(task.clone(), status) != Some(status)
        {
            tell(Progress::Seen(&node, handle, Some(status)));
        }
    }

    fn named(&self, awaited: Vec<(NodeName, TaskId, bool)>) -> Vec<(NodeName, TaskHandle)> {
        awaited
            .into_iter()
            .filter_map(|(node, task, _)| Some((node, self.handles.get(&task)?.clone())))
            .collect()
    }

    fn take(
        &mut self,
        mut awaited: BTreeSet<(NodeName, TaskId)>,
        seen: BTreeMap<NodeName, Result<Vec<(TaskId, TaskStatus)>, Unreachable>>,
        mut tell: impl FnMut(Progress<'_>),
    ) -> Vec<Event> {
        let mut events = Vec::new();
        for (node, answer) in seen {
            match answer {
                Ok(tasks) => {
                    self.missed.remove(&node);
                    for (task, status) in tasks {
                        awaited.remove(&(node.clone(), task.clone()));
                        if self.last.insert(task.clone(), status) != Some(status)
                            && let Some(handle) = self.handles.get(&task)
                        {
                            tell(Progress::Seen(&node, handle, Some(status)));
                        }
                        events.push(Event::TaskSeen { node: node.clone(), task, status: Some(status) });
                    }
                }
                Err(why) => {
                    awaited.retain(|(of, _)| *of != node);
                    let missed = self.missed.entry(node.clone()).or_default();
                    *missed += 1;
                    if *missed == MISSED_LOOKS_MAX {
                        tell(Progress::Silent(&node, &why.reason));
                        events.push(Event::NodeSilent { node, why });
                    }
                }
            }
        }
        // Awaited when the look began, and not there: the container is gone.
        for (node, task) in awaited {
            if let Some(handle) = self.handles.get(&task) {
                tell(Progress::Seen(&node, handle, None));
            }
            events.push(Event::TaskSeen { node, task, status: None });
        }
        events
    }
}
