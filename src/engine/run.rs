//! Sees a stack through: the converger decides, the executor acts, the observer watches.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;

use super::{Clock, Journal, Validity};
use crate::fleet::events::{ContainerExit, ContainerExits};
use crate::fleet::{Executor, Observer};
use crate::ledger::lease::BegunStop;
use crate::model::action::{Action, FailureKind, Outcome, TaskHandle, What};
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
    tell: impl FnMut(Timestamp, Progress<'_>),
) -> End {
    let (observer, clock) = (context.observer, context.clock);
    let mut run = Run::new(context, planned, options, tell);
    let mut look = std::pin::pin!(futures_util::future::OptionFuture::from(None));
    let mut looking = false;
    let mut interrupt = std::pin::pin!(interrupt);
    let mut next_look = tokio::time::Instant::now();
    let mut events = vec![Event::Tick];
    loop {
        let wake_at = match run.decide(std::mem::take(&mut events)) {
            Ok(wake_at) => wake_at,
            Err(verdict) => return verdict,
        };
        let now = clock.now();
        if let Some(end) = run.over(now) {
            return end;
        }
        if run.converger.is_watching() && !looking && tokio::time::Instant::now() >= next_look {
            let awaited: BTreeSet<(NodeName, TaskId)> =
                run.converger.awaited().into_iter().map(|(node, task, _)| (node, task)).collect();
            looking = true;
            look.set(Some(async move { (awaited, observer.look(now, planned.stack()).await) }).into());
        }
        let sleep = tokio::time::sleep(run.rest(now, wake_at));
        tokio::select! {
            // The same happenings make the same run; none of them comes so often that it keeps out the next.
            biased;
            Some((outcome, action)) = run.in_flight.next() => events.push(run.ended(&action, outcome)),
            Some((awaited, seen)) = &mut look => {
                look.set(None.into());
                looking = false;
                next_look = tokio::time::Instant::now() + LOOK_EVERY;
                let now = clock.now();
                events.extend(run.watch.take(awaited, seen, |progress| (run.tell)(now, progress)));
                events.push(Event::Tick);
            }
            Some(exit) = next(&mut run.container_exits) => events.push(run.exited(exit)),
            () = &mut interrupt, if !run.is_interrupted => run.is_interrupted = true,
            () = sleep => {
                (run.tell)(clock.now(), Progress::Tick);
                events.push(Event::Tick);
            }
        }
    }
}

/// One run: what was decided, what is on its way, and who is told.
struct Run<'a, T> {
    context: RunContext<'a>,
    planned: &'a Planned,
    options: RunOptions,
    tell: T,
    deadline: Option<Timestamp>,
    converger: Converger,
    watch: Watch,
    in_flight: FuturesUnordered<BoxFuture<'a, (Outcome, Action)>>,
    container_exits: Option<ContainerExits>,
    is_interrupted: bool,
}

impl<'a, T: FnMut(Timestamp, Progress<'_>)> Run<'a, T> {
    fn new(context: RunContext<'a>, planned: &'a Planned, options: RunOptions, tell: T) -> Self {
        let begun = context.clock.now();
        Self {
            planned,
            tell,
            deadline: options.timeout_ms.map(|ms| begun.plus_ms(ms)),
            converger: Converger::new(planned.assignment().clone()),
            watch: Watch::of(planned.assignment()),
            in_flight: FuturesUnordered::new(),
            container_exits: None,
            is_interrupted: false,
            context,
            options,
        }
    }

    /// Has the converger decide about everything that happened, and begins what it wants. When to ask again at the
    /// latest; its verdict as an error, if it has come to one.
    fn decide(&mut self, mut events: Vec<Event>) -> Result<Option<Timestamp>, End> {
        let mut wake_at = None;
        while !events.is_empty() {
            let now = self.context.clock.now();
            let step = self.converger.step_all(now, events);
            wake_at = step.wake_at;
            for notice in &step.notices {
                self.context.journal.noticed(now, notice);
                (self.tell)(now, Progress::Noticed(notice));
            }
            if let Some(verdict) = step.verdict.filter(|_| self.context.lease.is_valid()) {
                self.context.journal.verdict(now, &verdict);
                return Err(End::Verdict(verdict));
            }
            events = step.actions.into_iter().filter_map(|action| self.begin(now, action)).collect();
        }
        Ok(wake_at)
    }

    /// Sends an action, if the run may still act. An image that was pulled before is an event at once.
    fn begin(&mut self, now: Timestamp, action: Action) -> Option<Event> {
        if self.is_interrupted || self.is_late(now) || !self.context.lease.is_valid() {
            return None;
        }
        self.context.journal.began(now, &action);
        if let What::PullImage { image } = &action.what
            && self.options.pulled.contains(&(action.node.clone(), Arc::clone(image)))
        {
            self.context.journal.ended(now, &action, &Outcome::Done);
            return Some(Event::ActionDone { id: action.id, outcome: Outcome::Done });
        }
        (self.tell)(now, Progress::Began(&action));
        self.watch.know(&action);
        let RunContext { observer, executor, .. } = self.context;
        // Before any container can exit.
        self.container_exits.get_or_insert_with(|| observer.container_exits(self.planned.stack()));
        let stop = begun_stop(&action).and_then(|stop| Some((stop, self.context.lease.stops()?.clone())));
        self.in_flight.push(Box::pin(async move {
            let Some((stop, stops)) = stop else { return (executor.execute(&action).await, action) };
            let (node, task) = (stop.node.clone(), stop.task.clone());
            stops.begin(stop).await;
            let outcome = executor.execute(&action).await;
            if is_answered(&outcome) {
                stops.end(&node, &task);
            }
            (outcome, action)
        }));
        None
    }

    /// Whether the time is up: nothing more is begun, and what is under way is waited for.
    fn is_late(&self, now: Timestamp) -> bool {
        self.deadline.is_some_and(|deadline| now >= deadline)
    }

    /// How the run ends without a verdict, if it does now.
    fn over(&mut self, now: Timestamp) -> Option<End> {
        let is_quiet = self.in_flight.is_empty();
        let (word, end) = if self.is_interrupted && is_quiet {
            ("interrupted", End::Interrupted)
        } else if !self.context.lease.is_valid() && is_quiet {
            ("lease lost", End::LeaseLost)
        } else if self.is_late(now) && is_quiet {
            // Not before: an engine goes on with a stop whose client has left, and the next deploy would
            // keep a task that is about to be killed.
            ("timed out", End::TimedOut(self.watch.named(self.converger.awaited())))
        } else if self.options.detach && is_quiet && self.converger.only_waits() {
            ("detached", End::Detached)
        } else {
            return None;
        };
        self.context.journal.said(now, word);
        Some(end)
    }

    /// How long nothing has to be done, if nothing happens.
    fn rest(&self, now: Timestamp, wake_at: Option<Timestamp>) -> Duration {
        let until = |at: Timestamp| Duration::from_millis(u64::try_from(at.since_ms(now)).unwrap_or(0));
        let deadline = self.deadline.filter(|_| !self.is_late(now));
        [wake_at, deadline].into_iter().flatten().map(until).fold(TICK_EVERY, Duration::min)
    }

    fn ended(&mut self, action: &Action, outcome: Outcome) -> Event {
        let now = self.context.clock.now();
        self.context.journal.ended(now, action, &outcome);
        (self.tell)(now, Progress::Ended(action, &outcome));
        Event::ActionDone { id: action.id, outcome }
    }

    /// A container has exited: reported now, not at the next poll, so that the reaction is immediate.
    fn exited(&mut self, exit: ContainerExit) -> Event {
        let now = self.context.clock.now();
        let status = TaskStatus::Exited { exit_code: exit.exit_code };
        let awaited = self.converger.awaited();
        self.watch.exited(&exit.task, status, awaited, |progress| (self.tell)(now, progress));
        Event::TaskExited { task: exit.task, exit_code: exit.exit_code }
    }
}

/// The stop of a task, for the lease's notes.
fn begun_stop(action: &Action) -> Option<BegunStop> {
    /// The engine's own grace period, where a task has none.
    const DEFAULT_MS: i64 = 10_000;
    let What::StopTask { task, grace } = &action.what else { return None };
    let grace_ms = grace.map_or(DEFAULT_MS, |grace| grace.as_nanos() / 1_000_000);
    Some(BegunStop::new(action.node.clone(), task.id.clone(), task.to_string(), grace_ms))
}

/// Whether the engine has said what came of an action.
fn is_answered(outcome: &Outcome) -> bool {
    match outcome {
        Outcome::Done | Outcome::Started(_) => true,
        Outcome::Failed(failure) => failure.kind == FailureKind::Refused,
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
