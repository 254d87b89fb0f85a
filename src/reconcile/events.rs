//! What happens to a cluster as it happens, for `events`, which only looks: nodes that are lost and come back, tasks
//! that begin and end, and what is done by whomever. In the words of the loop's [`ClusterEvent`].
//!
//! Nodes and tasks are heard of their engines, operations are read from the ledger when it says that
//! something was written, and every so often.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::sync::mpsc::unbounded_channel;
use tokio::time::sleep;

use super::ClusterEvent;
use super::host_watcher::{self, HostReport, HostWatcher};
use crate::engine::Clock;
use crate::engine::operations::{Id, Operation, State, What, operations};
use crate::fleet::events::EngineEvent;
use crate::fleet::{Observer, Sign};
use crate::ledger::lease::Holder;
use crate::ledger::operation::Changed;
use crate::ledger::{Ledger, ReadRegisters, Written};
use crate::model::{NodeName, StackName, Timestamp};
use crate::orchestrator::{Liveness, NodeNews};

/// Between two turns without anything heard.
const TURN: Duration = Duration::from_millis(500);
/// Leases are heartbeats, many a minute: they are not read.
const LEASE: &str = "lease";
/// Records that are written together are read together.
const SETTLE_MS: i64 = 200;

/// How to watch.
#[derive(Debug, Clone)]
pub struct Watching {
    /// The hosts there are. The events of a host that is discovered later are missed: the caller starts watching again.
    pub nodes: Vec<NodeName>,
    /// Only this stack, and the cluster itself.
    pub stack: Option<StackName>,
    /// How long a node may be silent before it counts as lost, in milliseconds.
    pub patience_ms: i64,
    /// From one reading of all records to the next, in milliseconds.
    pub records_ms: i64,
    /// Whether the holder of a lease can be seen from here to be no more.
    pub is_gone: fn(&Holder) -> bool,
}

/// The event with which an operation began.
#[must_use]
pub fn began(one: &Operation) -> ClusterEvent {
    match (&one.id, &one.what) {
        (Id::Release(stack, release), What::Release { git, .. }) => ClusterEvent::ReleaseBegan {
            stack: stack.clone(),
            release: *release,
            commit: git.as_ref().map(crate::ledger::release::Git::short),
            actions: None,
        },
        (Id::Heal(stack, _), What::Values(changes)) => {
            let healed = changes.iter().find_map(|one| match one {
                Changed::Healed { release, actions } => Some((*release, *actions)),
                _ => None,
            });
            let (release, actions) = healed.unwrap_or_default();
            ClusterEvent::HealBegan { stack: stack.clone(), release, actions }
        }
        (id, _) => {
            let (verb, who) = (one.verb.clone(), one.who.clone());
            ClusterEvent::OperationBegan { operation: id.to_string(), verb, who }
        }
    }
}

/// The event with which it ended, if it did.
#[must_use]
pub fn ended(one: &Operation) -> Option<(Timestamp, ClusterEvent)> {
    let at = one.ended_at.filter(|_| one.state.is_over())?;
    let failed = match &one.state {
        State::Failed(why) => Some(why.strip_prefix("failed: ").unwrap_or(why).to_owned()),
        _ => None,
    };
    let news = match &one.id {
        Id::Release(stack, release) => {
            let outcome = one.state.words().to_owned();
            ClusterEvent::ReleaseEnded { stack: stack.clone(), release: *release, outcome }
        }
        Id::Heal(stack, _) => {
            ClusterEvent::HealEnded { stack: stack.clone(), failed, took_ms: at.since_ms(one.at).max(0) }
        }
        Id::Cluster(_) => {
            ClusterEvent::OperationEnded { operation: one.id.to_string(), verb: one.verb.clone(), failed }
        }
    };
    Some((at, news))
}

/// Watches for ever. `known` is what was reported before; the first event of an operation comes with it.
pub async fn watch<R: ReadRegisters>(
    observer: &Observer,
    ledger: &Ledger<R>,
    clock: Clock,
    watching: &Watching,
    known: &[Operation],
    mut tell: impl FnMut(Timestamp, &ClusterEvent, Option<&Operation>),
) {
    let (say, mut heard) = unbounded_channel();
    let mut host_watcher = HostWatcher::new(observer.non_blocking(), say);
    watching.nodes.iter().for_each(|node| host_watcher.listen(node));
    let mut written = ledger.registers().listen();
    let mut liveness = Liveness::new(watching.nodes.iter().cloned(), watching.patience_ms, clock.now());
    let mut reported: BTreeMap<Id, bool> =
        known.iter().map(|one| (one.id.clone(), one.state.is_over())).collect();
    let mut trouble: Option<String> = None;
    let mut read_at = clock.now();
    loop {
        if clock.now() >= read_at {
            let all = operations(ledger, watching.stack.as_ref(), watching.is_gone).await;
            trouble = match all {
                Ok(all) => {
                    tell_new(&all, &mut reported, &mut tell);
                    None
                }
                Err(error) => Some(error.to_string()).inspect(|why| {
                    if trouble.as_ref() != Some(why) {
                        tell(clock.now(), &ClusterEvent::LedgerTrouble { why: why.clone() }, None);
                    }
                }),
            };
            read_at = clock.now().plus_ms(watching.records_ms);
        }
        let is_new_record = tokio::select! {
            Some(report) = heard.recv() => match take(report, clock.now(), &mut liveness) {
                Heard::Nothing => false,
                Heard::Record => true,
                Heard::Of(stack, event) => {
                    if stack.is_none() || watching.stack.is_none() || watching.stack == stack {
                        tell(clock.now(), &event, None);
                    }
                    false
                }
            },
            Some(what) = host_watcher::next_written(&mut written) => {
                !matches!(&what, Written::In(stream) if stream.kind.word() == LEASE)
            }
            () = sleep(TURN) => false,
        };
        if is_new_record {
            read_at = read_at.min(clock.now().plus_ms(SETTLE_MS));
        }
        for news in liveness.tick(clock.now()) {
            tell(clock.now(), &of_node(news), None);
        }
    }
}

/// What a host's report means.
enum Heard {
    Nothing,
    /// Something was written that has to be read.
    Record,
    /// An event, and the stack that it is about.
    Of(Option<StackName>, ClusterEvent),
}

fn take(report: HostReport, now: Timestamp, liveness: &mut Liveness) -> Heard {
    match report {
        HostReport::Sign(node, Ok(Sign::Engine)) => {
            return liveness.heard(now, &node).map_or(Heard::Nothing, |news| Heard::Of(None, of_node(news)));
        }
        HostReport::Sign(node, Ok(Sign::Machine)) => liveness.machine_heard(now, &node),
        HostReport::Sign(node, Err(why)) => liveness.missed(&node, &why),
        HostReport::Listening => return Heard::Record,
        HostReport::Panicked(node, why) => {
            let task = format!("listening to node {node}");
            return Heard::Of(None, ClusterEvent::TaskPanicked { task, why });
        }
        HostReport::Happened(_, EngineEvent::Record { kind, .. }) if kind != LEASE => return Heard::Record,
        HostReport::Happened(_, EngineEvent::Record { .. }) => {}
        HostReport::Happened(node, EngineEvent::Container { stack, what, task, exit_code }) => {
            let event = ClusterEvent::Task { node, stack: stack.clone(), task, what, exit_code };
            return Heard::Of(Some(stack), event);
        }
    }
    Heard::Nothing
}

/// Reports what was not reported yet, the oldest first.
fn tell_new(
    all: &[Operation],
    reported: &mut BTreeMap<Id, bool>,
    tell: &mut impl FnMut(Timestamp, &ClusterEvent, Option<&Operation>),
) {
    let mut news: Vec<(Timestamp, ClusterEvent, &Operation)> = Vec::new();
    for one in all.iter().rev() {
        let before = reported.insert(one.id.clone(), one.state.is_over());
        if before.is_none() {
            news.push((one.at, began(one), one));
        }
        if let Some((at, what)) = ended(one).filter(|_| before != Some(true)) {
            news.push((at, what, one));
        }
    }
    news.sort_by_key(|(at, ..)| *at);
    for (at, what, one) in news {
        tell(at, &what, Some(one));
    }
}

fn of_node(news: NodeNews) -> ClusterEvent {
    match news {
        NodeNews::Lost { node, silent_ms, why } => ClusterEvent::NodeLost { node, silent_ms, why },
        NodeNews::Back { node } => ClusterEvent::NodeBack { node },
    }
}
