//! What the holder of a lock waits for before it begins: stops that the last one left under way, and a holder that the
//! ledger may have forgotten.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{Held, Hosts, LeaseTerms};
use crate::engine::Journal;
use crate::ledger::lease::{BegunStop, Left, UNLISTED_MS};
use crate::model::{NodeFacts, NodeName, StackName, Task, TaskId, TaskStatus, Timestamp, Unreachable};
use crate::ops::{Event, Progress};
use crate::orchestrator::Planned;

/// Between two looks at tasks that are being stopped.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// How long a stop is remembered whose host is silent: a machine that stood still, or its engine, goes on within a day or was
/// started again, which ends what it had been sent.
const SILENT_MS: i64 = 24 * 3_600_000;

/// The engine's own grace period, where a task has none.
const DEFAULT_GRACE_MS: i64 = 10_000;

type Seen = BTreeMap<NodeName, Result<Vec<(TaskId, TaskStatus)>, Unreachable>>;

/// What may be under way on the hosts, in milliseconds since the wait for it began.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct UnderWay {
    stops: Vec<Awaited>,
    /// How long any task may be stopped whose stop is in no note.
    any_ms: i64,
    /// How long anything may be sent, whatever is seen.
    any_request_ms: i64,
}

/// A stop that is waited for.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Awaited {
    stop: BegunStop,
    /// When it is over at the latest.
    ends_ms: i64,
    /// Its host did not answer when it was last asked.
    is_silent: bool,
    /// Its host was silent, and answered again.
    is_back: bool,
}

impl Awaited {
    /// A stop that may arrive so late.
    fn new(stop: BegunStop, in_flight_ms: i64) -> Self {
        let is_silent = stop.until.is_some();
        let ends_ms = if is_silent { 0 } else { stop.lasts_ms.saturating_add(in_flight_ms) };
        Self { stop, ends_ms, is_silent, is_back: false }
    }

    /// Whether it may go on, by what its host shows.
    fn see(&mut self, passed_ms: i64, seen: &Seen) -> bool {
        let Some(Ok(tasks)) = seen.get(&self.stop.node) else {
            self.is_silent = true;
            return true;
        };
        if std::mem::take(&mut self.is_silent) && !std::mem::replace(&mut self.is_back, true) {
            // A host that stood still, or its engine, begins only now with what it was sent.
            self.ends_ms = self.ends_ms.max(passed_ms.saturating_add(self.stop.lasts_ms));
        }
        tasks.iter().any(|(task, status)| *task == self.stop.task && can_be_stopped(*status))
    }
}

impl UnderWay {
    /// What a holder that the ledger has forgotten may do to a stack, from the moment at which another one has its lock.
    /// `None` if nothing of the stack is there.
    fn of_forgotten<'a>(stack: &StackName, hosts: impl Iterator<Item = &'a NodeFacts>) -> Option<Self> {
        let any_request_ms = LeaseTerms::STACK.ttl_ms + LeaseTerms::STACK.drain_ms;
        let mut all = Self { any_request_ms, ..Self::default() };
        let mut is_there = false;
        for facts in hosts {
            is_there |= facts.unreadable.iter().any(|found| found.may_work_in(stack));
            for task in facts.tasks.iter().filter(|task| task.stack == *stack) {
                is_there = true;
                if !can_be_stopped(task.status) {
                    continue;
                }
                let grace = task.spec.stop_grace_period;
                let grace_ms = grace.map_or(DEFAULT_GRACE_MS, |grace| grace.as_millis());
                let (node, id) = (task.node.clone(), task.id.clone());
                let name = format!("{}.{}", task.service, task.slot);
                all.stops.push(Awaited::new(BegunStop::new(node, id, name, grace_ms), any_request_ms));
            }
        }
        is_there.then_some(all)
    }

    fn has(&self, node: &NodeName, task: &TaskId) -> bool {
        self.stops.iter().any(|one| (&one.stop.node, &one.stop.task) == (node, task))
    }

    /// What is seen to be over stays so. A host that is silent shows nothing.
    fn see(&mut self, passed_ms: i64, seen: &Seen) {
        self.stops.retain_mut(|one| one.see(passed_ms, seen));
        let is_quiet = seen.values().all(|answer| match answer {
            Ok(tasks) => !tasks.iter().any(|(_, status)| can_be_stopped(*status)),
            Err(_) => false,
        });
        // What is on its way may still find a task.
        if is_quiet && self.any_request_ms <= passed_ms {
            self.any_ms = 0;
        }
    }

    /// Whether all of it is over, or its time is.
    fn is_over(&self, passed_ms: i64) -> bool {
        self.left_ms(passed_ms) <= 0
    }

    fn left_ms(&self, passed_ms: i64) -> i64 {
        let longest = self.stops.iter().map(|one| one.ends_ms).max().unwrap_or(0);
        longest.max(self.any_ms).max(self.any_request_ms) - passed_ms
    }

    /// In whole seconds, how long it may last.
    fn seconds(&self, passed_ms: i64) -> i64 {
        self.left_ms(passed_ms).saturating_add(999) / 1_000
    }

    /// Of the tasks that are waited for.
    fn names(&self, passed_ms: i64) -> Vec<String> {
        let awaited = self.stops.iter().filter(|one| one.ends_ms > passed_ms).map(|one| &one.stop);
        awaited.map(|stop| format!("{} on {}", stop.name, stop.node)).collect()
    }

    /// Stops that were waited for, and of which silent hosts did not say what came of them.
    fn silent(self, now: Timestamp) -> Vec<BegunStop> {
        let silent = self.stops.into_iter().filter(|one| one.is_silent).map(|one| one.stop);
        silent
            .map(|stop| BegunStop { until: stop.until.or(Some(now.plus_ms(SILENT_MS))), ..stop })
            .filter(|stop| stop.until.is_some_and(|until| now < until))
            .collect()
    }
}

/// Whether a stop would end it.
fn can_be_stopped(status: TaskStatus) -> bool {
    status.is_live() && status != TaskStatus::Created
}

/// Whether a plan is made of tasks of a host that was silent when their stops were waited for.
fn has_come_back(plan: &Planned, left: &Left) -> bool {
    let tasks = plan.observed().reachable().flat_map(|(_, facts)| &facts.tasks);
    let runs = tasks.filter(|task| can_be_stopped(task.status));
    let is_of = |stop: &BegunStop, task: &Task| (&stop.node, &stop.task) == (&task.node, &task.id);
    runs.into_iter().any(|task| left.stops.iter().any(|stop| stop.until.is_some() && is_of(stop, task)))
}

impl Hosts<'_> {
    /// Waits until every stop that the last holder left under way is seen to be over, or its time is, by our own clock.
    ///
    /// Such a task could be replaced at once instead; but a new task of its slot often needs the old one's volume or
    /// port, so that the plan would wait for the same stop. Waiting first leaves a plan that is made of what is so. Whether
    /// there was anything to wait for.
    pub(super) async fn wait_for_stops(
        &self,
        stack: &StackName,
        lock: &Held,
        progress: &impl Progress<Planned>,
    ) -> bool {
        let Some(stops) = lock.validity().stops() else { return false };
        let mut all = self.left_to_us(stack, lock, stops.under_way().1);
        let begun = self.clock.now();
        let is_any = !all.stops.is_empty() || !all.is_over(0);
        let mut is_said = false;
        while lock.validity().is_valid() && (!all.stops.is_empty() || !all.is_over(0)) {
            let seen = self.observer.look(self.clock.now(), stack).await;
            let passed_ms = self.clock.now().since_ms(begun);
            all.see(passed_ms, &seen);
            if all.is_over(passed_ms) {
                break;
            }
            if !std::mem::replace(&mut is_said, true) {
                let (stack, tasks) = (stack.clone(), all.names(passed_ms));
                let seconds = all.seconds(passed_ms);
                progress.event(self.clock.now(), Event::WaitingForStops { stack, tasks, seconds });
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        if lock.validity().is_valid() {
            stops.outlasted(all.silent(self.clock.now()));
        }
        is_any
    }

    /// What the holders before us had under way. The requests of one that did not give the lock back may still arrive, and
    /// its last stops may be in no note. The journal of one on this machine has what it began; of any other, each task may
    /// be about to end.
    fn left_to_us(&self, stack: &StackName, lock: &Held, left: Left) -> UnderWay {
        let in_flight_ms = left.in_flight_ms();
        let begun = match (&lock.found().dead, &self.journals) {
            (Some(dead), Some(dir)) if lock.found().is_all_of_dead && left.unlisted_ms > 0 => {
                Journal::left_by(dir, stack, dead.pid, &dead.id)
            }
            _ => None,
        };
        // Of a journal of this machine it is known where it sent what.
        let late_ms = |node: &NodeName| match &begun {
            Some(_) if self.fleet.is_local(node) => 0,
            _ => in_flight_ms,
        };
        let stops = left.stops.into_iter();
        let stops = stops.map(|stop| Awaited::new(stop.clone(), late_ms(&stop.node))).collect();
        let mut all = UnderWay { stops, ..UnderWay::default() };
        let Some(begun) = &begun else {
            return UnderWay { any_ms: left.unlisted_ms, any_request_ms: in_flight_ms, ..all };
        };
        all.any_request_ms = begun.nodes.iter().map(late_ms).max().unwrap_or(0);
        for (node, task, name) in begun.stops.iter().cloned() {
            if !all.has(&node, &task) {
                let late_ms = late_ms(&node);
                let stop = BegunStop { node, task, name, lasts_ms: UNLISTED_MS, until: None };
                all.stops.push(Awaited::new(stop, late_ms));
            }
        }
        all
    }

    /// A stack runs, and the ledger remembers no lock of it: its volumes may have been pruned while another process works.
    /// That process notices at its next renewal, or cannot renew; within a TTL it has stopped either way. What it sent
    /// arrives within the drain after that; and a stop goes on for the grace of its task. Whether this has waited.
    pub(super) async fn wait_for_a_forgotten_holder(
        &self,
        plan: &Planned,
        lock: &Held,
        progress: &impl Progress<Planned>,
    ) -> bool {
        let is_back = lock.validity().stops().is_some_and(|stops| has_come_back(plan, &stops.under_way().1));
        if is_back {
            // It was silent when it was waited for.
            let _stops = self.wait_for_stops(plan.stack(), lock, progress).await;
        }
        let Some(since) = self.run().found_nothing.take() else { return is_back };
        let facts = plan.observed().reachable().map(|(_, facts)| facts);
        let all = UnderWay::of_forgotten(plan.stack(), facts);
        let has_waited = all.is_some();
        if let Some(all) = all {
            self.wait_since(since, all, plan.stack(), lock, progress).await;
        }
        if lock.validity().is_valid()
            && let Some(stops) = lock.validity().stops()
        {
            stops.none_is_forgotten();
        }
        has_waited || is_back
    }

    async fn wait_since(
        &self,
        since: Timestamp,
        mut all: UnderWay,
        stack: &StackName,
        lock: &Held,
        progress: &impl Progress<Planned>,
    ) {
        let passed_ms = || self.clock.now().since_ms(since);
        let seconds = all.seconds(passed_ms());
        progress.event(self.clock.now(), Event::WaitingForForgotten { stack: stack.clone(), seconds });
        while !all.is_over(passed_ms()) && lock.validity().is_valid() {
            tokio::time::sleep(LOOK_EVERY).await;
            // What runs until then may still be stopped.
            if all.any_request_ms <= passed_ms() && !all.is_over(passed_ms()) {
                let seen = self.observer.look(self.clock.now(), stack).await;
                all.see(passed_ms(), &seen);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{GoDuration, Health, Task, Timestamp, testing};

    const RUNNING: TaskStatus = TaskStatus::Running { health: Health::None };
    const EXITED: TaskStatus = TaskStatus::Exited { exit_code: 137 };

    fn stop(task: &str, grace_ms: i64) -> BegunStop {
        BegunStop::new(NodeName::unchecked("h1"), TaskId::unchecked(task), "web.1".into(), grace_ms)
    }

    fn seen(tasks: Option<&[(&str, TaskStatus)]>) -> Seen {
        let answer = match tasks {
            Some(tasks) => Ok(tasks.iter().map(|(id, status)| (TaskId::unchecked(id), *status)).collect()),
            None => Err(Unreachable {
                since: Timestamp(0),
                code: String::new(),
                reason: String::new(),
                help: None,
            }),
        };
        BTreeMap::from([(NodeName::unchecked("h1"), answer)])
    }

    fn awaited(in_flight_ms: i64) -> UnderWay {
        UnderWay { stops: vec![Awaited::new(stop("x", 40_000), in_flight_ms)], ..UnderWay::default() }
    }

    fn is_over(all: &UnderWay, passed_ms: i64, seen: &Seen) -> bool {
        let mut all = all.clone();
        all.see(passed_ms, seen);
        all.is_over(passed_ms)
    }

    #[test]
    fn a_stop_is_under_way_until_its_task_is_seen_to_have_ended_or_its_time_is_over() {
        let all = awaited(0);
        let is_over = |passed_ms, seen: &Seen| is_over(&all, passed_ms, seen);
        assert!(!is_over(0, &seen(Some(&[("x", RUNNING)]))), "the engine shows it as running for its grace");
        assert!(is_over(0, &seen(Some(&[("x", EXITED), ("y", RUNNING)]))));
        assert!(is_over(0, &seen(Some(&[]))), "it is gone");
        assert!(!is_over(49_999, &seen(None)), "a silent host shows nothing");
        assert!(is_over(50_000, &seen(None)) && is_over(50_000, &seen(Some(&[("x", RUNNING)]))));
        assert_eq!((all.seconds(0), all.names(0)), (50, vec!["web.1 on h1".to_owned()]));
    }

    #[test]
    fn the_grace_of_a_stop_begins_when_its_request_arrives() {
        let all = awaited(20_000);
        let running = seen(Some(&[("x", RUNNING)]));
        assert!(!is_over(&all, 69_999, &running) && is_over(&all, 70_000, &running));
    }

    #[test]
    fn a_stop_of_a_silent_host_is_remembered_and_waited_for_when_it_answers() {
        let mut all = awaited(0);
        all.see(50_000, &seen(None));
        assert!(all.is_over(50_000), "a host that is gone for good is waited for once");
        let silent = all.silent(Timestamp(1_000));
        let until = Some(Timestamp(1_000 + SILENT_MS));
        assert_eq!(silent, [BegunStop { until, ..stop("x", 40_000) }]);
        // The next holder.
        let of = |stop: &BegunStop| UnderWay {
            stops: vec![Awaited::new(stop.clone(), 20_000)],
            ..UnderWay::default()
        };
        let mut next = of(&silent[0]);
        next.see(0, &seen(None));
        assert!(next.is_over(0) && next.names(0).is_empty(), "no command waits for it again");
        assert_eq!(next.silent(Timestamp(2_000)), silent, "by the time that was written down");
        // The host goes on, and its engine begins with what it was sent.
        let mut back = of(&silent[0]);
        back.see(100, &seen(Some(&[("x", RUNNING)])));
        assert!(!back.is_over(50_099) && back.is_over(50_100));
        back.see(200, &seen(None));
        back.see(300, &seen(Some(&[("x", RUNNING)])));
        assert!(back.is_over(50_100), "a host that comes and goes does not begin it again and again");
        assert_eq!(back.silent(Timestamp(2_000)), []);
        let mut over = of(&silent[0]);
        over.see(0, &seen(Some(&[("x", EXITED)])));
        assert!(over.is_over(0) && over.stops.is_empty());
        assert_eq!(of(&silent[0]).silent(Timestamp(1_000 + SILENT_MS)), []);
    }

    #[test]
    fn where_it_is_not_known_which_any_task_that_runs_may_be_stopped() {
        let all = UnderWay { any_ms: UNLISTED_MS, ..UnderWay::default() };
        let over = |passed_ms, seen: &Seen| is_over(&all, passed_ms, seen);
        assert!(!over(0, &seen(Some(&[("x", RUNNING)]))) && !over(0, &seen(None)));
        assert!(over(0, &seen(Some(&[("x", EXITED), ("y", TaskStatus::Created)]))));
        assert!(over(UNLISTED_MS, &seen(None)));
        let all = UnderWay { any_ms: UNLISTED_MS + 20_000, any_request_ms: 20_000, ..UnderWay::default() };
        let nothing = seen(Some(&[]));
        assert!(!is_over(&all, 19_999, &nothing), "a request may still arrive");
        assert!(is_over(&all, 20_000, &nothing) && !is_over(&all, 20_000, &seen(None)));
        let mut quiet_before = all.clone();
        quiet_before.see(19_999, &nothing);
        assert!(!is_over(&quiet_before, 20_000, &seen(Some(&[("x", RUNNING)]))), "it has arrived since");
    }

    #[test]
    fn a_forgotten_holder_may_have_stopped_any_task_of_the_stack_with_its_grace() {
        let stack = StackName::unchecked(testing::STACK);
        let slow = testing::with_task(testing::replicated("slow", 1), |task| {
            task.stop_grace_period = Some(GoDuration::from_millis(40_000));
        });
        let task = testing::task_of(&stack, &slow, 1);
        let facts = |tasks| NodeFacts { tasks, ..NodeFacts::default() };
        let of = |stack: &StackName, facts: NodeFacts| UnderWay::of_forgotten(stack, [facts].iter());
        assert_eq!(of(&stack, facts(Vec::new())), None, "a stack that is deployed for the first time");
        assert_eq!(of(&StackName::unchecked("other"), facts(vec![task.clone()])), None);
        let all = of(&stack, facts(vec![task.clone()])).unwrap();
        let until_ms = LeaseTerms::STACK.ttl_ms + LeaseTerms::STACK.drain_ms;
        assert_eq!(all.seconds(0), (until_ms + 40_000 + 10_000) / 1_000);
        let shows = |status| BTreeMap::from([(task.node.clone(), Ok(vec![(task.id.clone(), status)]))]);
        let over = |passed_ms, status| is_over(&all, passed_ms, &shows(status));
        assert!(!over(until_ms - 1, EXITED), "a request of its may still arrive");
        assert!(over(until_ms, EXITED) && !over(until_ms, RUNNING));
        assert!(!over(until_ms + 49_999, RUNNING) && over(until_ms + 50_000, RUNNING));
        let ended = of(&stack, facts(vec![Task { status: EXITED, ..task.clone() }])).unwrap();
        assert_eq!(ended.seconds(0), until_ms / 1_000);
    }
}
