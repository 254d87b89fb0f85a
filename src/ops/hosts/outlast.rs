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

type Seen = BTreeMap<NodeName, Result<Vec<(TaskId, TaskStatus)>, Unreachable>>;

/// What may be under way on the hosts.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct UnderWay {
    stops: Vec<BegunStop>,
    /// How long any task may be stopped whose stop is in no note.
    any_ms: i64,
}

impl UnderWay {
    /// What of it is, after so much time.
    fn after(&self, passed_ms: i64) -> Self {
        let stops = self.stops.iter().filter(|stop| stop.lasts_ms > passed_ms).cloned().collect();
        Self { stops, any_ms: (self.any_ms - passed_ms).max(0) }
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
        self.stops.is_empty() && self.any_ms == 0
    }

    /// In whole seconds, how long it may last.
    fn seconds(&self) -> i64 {
        let longest = self.stops.iter().map(|stop| stop.lasts_ms).max().unwrap_or(0);
        longest.max(self.any_ms).saturating_add(999) / 1_000
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
        let mut all = UnderWay { stops: stops.under_way().1, any_ms: 0 };
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
            // What was seen to be over stays so.
            all.stops.retain(|stop| {
                left.stops.iter().any(|one| (&one.node, &one.task) == (&stop.node, &stop.task))
            });
            if left.any_ms == 0 {
                all.any_ms = 0;
            }
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
    /// That process notices at its next renewal, or cannot renew; within a TTL it has stopped either way.
    pub(super) async fn wait_for_a_forgotten_holder(
        &self,
        plan: &Planned,
        progress: &impl Progress<Planned>,
    ) {
        let Some(since) = self.run().found_nothing.take() else { return };
        let may_run = |facts: &NodeFacts| {
            facts.tasks.iter().any(|task| task.stack == *plan.stack())
                || facts.unreadable.iter().any(|found| found.may_work_in(plan.stack()))
        };
        let now = self.clock.now();
        let left_ms = LeaseTerms::STACK.ttl_ms - now.since_ms(since);
        if left_ms > 0 && plan.observed().reachable().any(|(_, facts)| may_run(facts)) {
            let (stack, seconds) = (plan.stack().clone(), (left_ms + 999) / 1_000);
            progress.event(now, Event::WaitingForForgotten { stack, seconds });
            tokio::time::sleep(Duration::from_millis(left_ms.unsigned_abs())).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Health, Timestamp};

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
        let all = UnderWay { stops: vec![stop("x", 40_000)], any_ms: 0 };
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
        let all = UnderWay { stops: Vec::new(), any_ms: UNLISTED_MS };
        let is_over = |passed_ms, seen: &Seen| all.after(passed_ms).seen(seen).is_nothing();
        assert!(!is_over(0, &seen(Some(&[("x", RUNNING)]))) && !is_over(0, &seen(None)));
        assert!(is_over(0, &seen(Some(&[("x", EXITED), ("y", TaskStatus::Created)]))));
        assert!(is_over(UNLISTED_MS, &seen(None)));
    }
}
