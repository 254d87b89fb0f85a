//! What the holder of a lock waits for before it begins: stops that the last one left under way, and a holder that the
//! ledger may have forgotten.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{Held, Hosts, LeaseTerms};
use crate::engine::Journal;
use crate::ledger::lease::{BegunStop, UNLISTED_MS};
use crate::model::{NodeFacts, NodeName, StackName, TaskId, TaskStatus, Unreachable};
use crate::ops::{Event, Progress};
use crate::orchestrator::Planned;

/// Between two looks at tasks that are being stopped.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// The engine's own grace period, where a task has none.
const DEFAULT_GRACE_MS: i64 = 10_000;

type Seen = BTreeMap<NodeName, Result<Vec<(TaskId, TaskStatus)>, Unreachable>>;

/// What may be under way on the hosts.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct UnderWay {
    stops: Vec<BegunStop>,
    /// How long any task may be stopped whose stop is in no note.
    any_ms: i64,
    /// How long anything may be sent, whatever is seen.
    any_request_ms: i64,
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
                let stop = BegunStop::new(node, id, name, grace_ms);
                let lasts_ms = stop.lasts_ms.saturating_add(any_request_ms);
                all.stops.push(BegunStop { lasts_ms, ..stop });
            }
        }
        is_there.then_some(all)
    }

    /// What was seen to be over stays so.
    fn keep_only(&mut self, left: &Self) {
        self.stops
            .retain(|stop| left.stops.iter().any(|one| (&one.node, &one.task) == (&stop.node, &stop.task)));
        if left.any_ms == 0 {
            self.any_ms = 0;
        }
    }

    /// What of it is, after so much time.
    fn after(&self, passed_ms: i64) -> Self {
        let stops = self.stops.iter().filter(|stop| stop.lasts_ms > passed_ms).cloned().collect();
        let left_ms = |ms: i64| (ms - passed_ms).max(0);
        Self { stops, any_ms: left_ms(self.any_ms), any_request_ms: left_ms(self.any_request_ms) }
    }

    /// What of it may be, as the hosts are seen. One that is silent shows nothing.
    fn seen(mut self, seen: &Seen) -> Self {
        self.stops.retain(|stop| match seen.get(&stop.node) {
            Some(Ok(tasks)) => {
                tasks.iter().any(|(task, status)| *task == stop.task && can_be_stopped(*status))
            }
            Some(Err(_)) | None => true,
        });
        let is_quiet = seen.values().all(|answer| match answer {
            Ok(tasks) => !tasks.iter().any(|(_, status)| can_be_stopped(*status)),
            Err(_) => false,
        });
        if is_quiet {
            self.any_ms = 0;
        }
        self
    }

    fn is_nothing(&self) -> bool {
        self.stops.is_empty() && self.any_ms == 0 && self.any_request_ms == 0
    }

    /// In whole seconds, how long it may last.
    fn seconds(&self) -> i64 {
        let longest = self.stops.iter().map(|stop| stop.lasts_ms).max().unwrap_or(0);
        longest.max(self.any_ms).max(self.any_request_ms).saturating_add(999) / 1_000
    }

    fn names(&self) -> Vec<String> {
        self.stops.iter().map(|stop| format!("{} on {}", stop.name, stop.node)).collect()
    }
}

/// Whether a stop would end it.
fn can_be_stopped(status: TaskStatus) -> bool {
    status.is_live() && status != TaskStatus::Created
}

impl Hosts<'_> {
    /// Waits until every stop that the last holder left under way is seen to be over, or its time is, by our own clock.
    ///
    /// Such a task could be replaced at once instead; but a new task of its slot often needs the old one's volume or
    /// port, so that the plan would wait for the same stop. Waiting first leaves a plan that is made of what is so.
    pub(super) async fn wait_for_stops(
        &self,
        stack: &StackName,
        lock: &Held,
        progress: &impl Progress<Planned>,
    ) {
        let Some(stops) = lock.validity().stops() else { return };
        let mut all = UnderWay { stops: stops.under_way().1, ..UnderWay::default() };
        self.add_unlisted(stack, lock, &mut all);
        let begun = self.clock.now();
        let mut is_said = false;
        while !all.is_nothing() && lock.validity().is_valid() {
            let seen = self.observer.look(self.clock.now(), stack).await;
            let left = all.after(self.clock.now().since_ms(begun)).seen(&seen);
            if left.is_nothing() {
                break;
            }
            if !std::mem::replace(&mut is_said, true) {
                let (stack, tasks, seconds) = (stack.clone(), left.names(), left.seconds());
                progress.event(self.clock.now(), Event::WaitingForStops { stack, tasks, seconds });
            }
            all.keep_only(&left);
            tokio::time::sleep(LOOK_EVERY).await;
        }
        if lock.validity().is_valid() {
            stops.end_all();
        }
    }

    /// The last stops of a holder that did not run out its TTL may be in no note. The journal of one on this machine
    /// has them; of any other, each task may be about to end.
    fn add_unlisted(&self, stack: &StackName, lock: &Held, all: &mut UnderWay) {
        if !lock.found().is_cut_short {
            return;
        }
        let of_journal = match (&lock.found().dead, &self.journals) {
            (Some(dead), Some(dir)) => Journal::stops_left(dir, stack, dead.pid),
            _ => None,
        };
        let Some(begun) = of_journal else {
            all.any_ms = UNLISTED_MS;
            return;
        };
        for (node, task, name) in begun {
            if !all.stops.iter().any(|stop| (&stop.node, &stop.task) == (&node, &task)) {
                all.stops.push(BegunStop { node, task, name, lasts_ms: UNLISTED_MS });
            }
        }
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
        let Some(since) = self.run().found_nothing.take() else { return false };
        let facts = plan.observed().reachable().map(|(_, facts)| facts);
        let Some(mut all) = UnderWay::of_forgotten(plan.stack(), facts) else { return false };
        let mut left = all.after(self.clock.now().since_ms(since));
        let (stack, seconds) = (plan.stack().clone(), left.seconds());
        progress.event(self.clock.now(), Event::WaitingForForgotten { stack, seconds });
        while !left.is_nothing() && lock.validity().is_valid() {
            tokio::time::sleep(LOOK_EVERY).await;
            left = all.after(self.clock.now().since_ms(since));
            // What runs until then may still be stopped.
            if left.any_request_ms == 0 && !left.is_nothing() {
                left = left.seen(&self.observer.look(self.clock.now(), plan.stack()).await);
                all.keep_only(&left);
            }
        }
        true
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

    #[test]
    fn a_stop_is_under_way_until_its_task_is_seen_to_have_ended_or_its_time_is_over() {
        let all = UnderWay { stops: vec![stop("x", 40_000)], ..UnderWay::default() };
        let is_over = |passed_ms, seen: &Seen| all.after(passed_ms).seen(seen).is_nothing();
        assert!(!is_over(0, &seen(Some(&[("x", RUNNING)]))), "the engine shows it as running for its grace");
        assert!(is_over(0, &seen(Some(&[("x", EXITED), ("y", RUNNING)]))));
        assert!(is_over(0, &seen(Some(&[]))), "it is gone");
        assert!(!is_over(49_999, &seen(None)), "a silent host shows nothing");
        assert!(is_over(50_000, &seen(None)) && is_over(50_000, &seen(Some(&[("x", RUNNING)]))));
        assert_eq!((all.seconds(), all.names()), (50, vec!["web.1 on h1".to_owned()]));
    }

    #[test]
    fn where_it_is_not_known_which_any_task_that_runs_may_be_stopped() {
        let all = UnderWay { any_ms: UNLISTED_MS, ..UnderWay::default() };
        let is_over = |passed_ms, seen: &Seen| all.after(passed_ms).seen(seen).is_nothing();
        assert!(!is_over(0, &seen(Some(&[("x", RUNNING)]))) && !is_over(0, &seen(None)));
        assert!(is_over(0, &seen(Some(&[("x", EXITED), ("y", TaskStatus::Created)]))));
        assert!(is_over(UNLISTED_MS, &seen(None)));
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
        assert_eq!(all.seconds(), (until_ms + 40_000 + 10_000) / 1_000);
        let shows = |status| BTreeMap::from([(task.node.clone(), Ok(vec![(task.id.clone(), status)]))]);
        let is_over = |passed_ms, status| all.after(passed_ms).seen(&shows(status)).is_nothing();
        assert!(!is_over(until_ms - 1, EXITED), "a request of its may still arrive");
        assert!(is_over(until_ms, EXITED) && !is_over(until_ms, RUNNING));
        assert!(!is_over(until_ms + 49_999, RUNNING) && is_over(until_ms + 50_000, RUNNING));
        let ended = of(&stack, facts(vec![Task { status: EXITED, ..task.clone() }])).unwrap();
        assert_eq!(ended.seconds(), until_ms / 1_000);
    }
}
