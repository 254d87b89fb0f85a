//! Sees a stack through: the converger decides, the executor acts, the observer watches.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;

use super::{Clock, Journal, Validity};
use crate::fleet::events::{ContainerExit, ContainerExits};
use crate::fleet::{Executor, Observer};
use crate::model::action::{Action, Outcome, TaskHandle, What};
use crate::model::{NodeName, TaskId, TaskStatus, Timestamp, Unreachable};
use crate::orchestrator::{Assignment, Converger, End, Event, Planned, Progress};

/// Between two polls of the hosts while something is awaited. One small call a host.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// Between two progress reports while nothing happens.
const TICK_EVERY: Duration = Duration::from_millis(100);

/// Polls in a row that a host must miss before it counts as silent: one lost packet is no failure.
const MISSED_LOOKS_MAX: u32 = 2;

/// How a run is to begin and to end.
#[derive(Debug, Clone, Default)]
pub struct RunOptions {
    /// Images that were pulled before the run, with the nodes they are on: the run does not pull them again
    /// and reports nothing of them.
    pub pulled: BTreeSet<(NodeName, Arc<str>)>,
    /// Stop watching after so many milliseconds.
    pub timeout_ms: Option<i64>,
    /// Stop as soon as all that is left is waiting.
    pub detach: bool,
}

/// What a run works with.
#[derive(Debug)]
pub struct RunContext<'a> {
    pub observer: &'a Observer,
    pub executor: &'a Executor,
    pub clock: &'a Clock,
    pub journal: &'a mut Journal,
    /// Whether it still holds the lease.
    pub lease: &'a Validity,
}

/// Carries out exactly this plan, with its assignment. `interrupt` ends the run early: actions in flight are
/// awaited, none is begun.
pub async fn run(
    context: RunContext<'_>,
    planned: &Planned,
    options: RunOptions,
    interrupt: impl Future<Output = ()>,
    mut tell: impl FnMut(Timestamp, Progress<'_>),
) -> End {
    let RunContext { observer, executor, clock, journal, lease } = context;
    let begun = clock.now();
    let deadline = options.timeout_ms.map(|ms| begun.plus_ms(ms));
    let stack = planned.stack();
    let mut watch = Watch::of(planned.assignment());
    let mut converger = Converger::new(planned.assignment().clone());
    let mut on_the_way = FuturesUnordered::new();
    let mut look = std::pin::pin!(futures_util::future::OptionFuture::from(None));
    let mut looking = false;
    let mut interrupt = std::pin::pin!(interrupt);
    let mut interrupted = false;
    let mut next_look = tokio::time::Instant::now();
    let mut events = vec![Event::Tick];
    let mut container_exits = None;
    loop {
        let mut wake_at = None;
        let mut done = Vec::new();
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
                if let What::PullImage { image } = &action.what
                    && options.pulled.contains(&(action.node.clone(), Arc::clone(image)))
                {
                    journal.ended(now, &action, &Outcome::Done);
                    done.push(Event::ActionDone { id: action.id, outcome: Outcome::Done });
                    continue;
                }
                tell(now, Progress::Began(&action));
                watch.know(&action);
                // Before any container can exit.
                container_exits.get_or_insert_with(|| observer.container_exits(stack));
                on_the_way.push(async move {
                    let outcome = executor.execute(&action).await;
                    (action, outcome)
                });
            }
        }
        if !done.is_empty() {
            events = done;
            continue;
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
            Some(exit) = next(&mut container_exits) => {
                // Reported now, not at the next poll, so that the reaction is immediate.
                let now = clock.now();
                let status = TaskStatus::Exited { exit_code: exit.exit_code };
                watch.exited(&exit.task, status, converger.awaited(), |progress| tell(now, progress));
                events.push(Event::TaskExited { task: exit.task, exit_code: exit.exit_code });
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

/// The next container exit; never, if there is no event stream or none is left open.
async fn next(container_exits: &mut Option<ContainerExits>) -> Option<ContainerExit> {
    container_exits.as_mut()?.next().await
}

/// The last status seen, so that only changes are reported.
#[derive(Debug, Default)]
struct Watch {
    handles: BTreeMap<TaskId, TaskHandle>,
    last: BTreeMap<TaskId, TaskStatus>,
    missed: BTreeMap<NodeName, u32>,
}

impl Watch {
    /// Tasks that are kept and not up yet are awaited, though no action names them.
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

    /// A task that is waited for has exited; the next poll shows whether the engine restarts it.
    fn exited(
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
        // It was awaited when the poll began, and is missing: the container is gone.
        for (node, task) in awaited {
            if let Some(handle) = self.handles.get(&task) {
                tell(Progress::Seen(&node, handle, None));
            }
            events.push(Event::TaskSeen { node, task, status: None });
        }
        events
    }
}
