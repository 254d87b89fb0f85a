//! What a loop hears of its hosts without asking twice: probes, and the engines' own events.
//!
//! Each host has two tasks of its own, so that a slow one delays no other. They end when nothing
//! listens to the host any more.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::StreamExt;
use tokio::sync::mpsc::{Receiver, UnboundedSender};
use tokio::task::JoinSet;
use tokio::time::{Instant, interval, sleep};

use super::supervisor::HostSignal;
use crate::fleet::events::EngineEvent;
use crate::fleet::{Observer, Probe, Sign};
use crate::ledger::Written;
use crate::model::NodeName;

/// From one probe of a host to the next.
const PROBE_EVERY: Duration = Duration::from_secs(1);
/// How long one probe may take: a few of them have to fit into the time after which a node is lost.
const PROBE_LIMIT: Duration = Duration::from_millis(1_500);
/// Before a host is listened to again.
const LISTEN_AGAIN: Duration = Duration::from_secs(1);

/// What was heard.
#[derive(Debug)]
pub(super) enum HostReport {
    /// A probe's answer, or why there was none.
    Sign(NodeName, Result<Sign, String>),
    /// A host is listened to from now on: what happened before has to be looked for.
    Listening,
    /// Something happened.
    Happened(NodeName, EngineEvent),
}

/// Listens to hosts, to each for as long as it belongs to the cluster.
#[derive(Debug)]
pub(super) struct HostWatcher {
    observer: Observer,
    heard: UnboundedSender<HostReport>,
    each: BTreeMap<NodeName, JoinSet<()>>,
}

impl HostWatcher {
    /// Listens to no host yet.
    pub(super) fn new(observer: Observer, heard: UnboundedSender<HostReport>) -> Self {
        Self { observer, heard, each: BTreeMap::new() }
    }

    /// Begins to listen to a host.
    pub(super) fn listen(&mut self, node: &NodeName) {
        let Some(probe) = self.observer.probe(node) else { return };
        let mut tasks = JoinSet::new();
        tasks.spawn(probing(node.clone(), probe, self.heard.clone()));
        tasks.spawn(listening(node.clone(), self.observer.clone(), self.heard.clone()));
        self.each.insert(node.clone(), tasks);
    }

    /// Listens to it no more.
    pub(super) fn leave(&mut self, node: &NodeName) {
        self.each.remove(node);
    }
}

async fn probing(node: NodeName, mut probe: Probe, heard: UnboundedSender<HostReport>) {
    let mut next = interval(PROBE_EVERY);
    // A probe that took longer than its turn is followed by the next one at once, and by no others.
    next.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        let _: Instant = next.tick().await;
        let sign = probe.sign(PROBE_LIMIT).await;
        if heard.send(HostReport::Sign(node.clone(), sign)).is_err() {
            return;
        }
    }
}

async fn listening(node: NodeName, observer: Observer, heard: UnboundedSender<HostReport>) {
    loop {
        if let Some(mut engine_events) = observer.engine_events(&node).await {
            if heard.send(HostReport::Listening).is_err() {
                return;
            }
            while let Some(event) = engine_events.next().await {
                if heard.send(HostReport::Happened(node.clone(), event)).is_err() {
                    return;
                }
            }
        }
        sleep(LISTEN_AGAIN).await;
    }
}

/// What a ledger tells that tells anything.
pub(super) async fn next_written(written: &mut Option<Receiver<Written>>) -> Option<Written> {
    match written {
        Some(written) => written.recv().await,
        None => None,
    }
}

/// What a loop makes of it.
pub(super) fn signal(heard: HostReport) -> HostSignal {
    match heard {
        HostReport::Sign(node, Ok(Sign::Engine)) => HostSignal::Engine(node),
        HostReport::Sign(node, Ok(Sign::Machine)) => HostSignal::Machine(node),
        HostReport::Sign(node, Err(why)) => HostSignal::Missed(node, why),
        HostReport::Listening => HostSignal::Listening,
        HostReport::Happened(_, EngineEvent::Container { stack, .. }) => HostSignal::Container(stack),
        HostReport::Happened(_, EngineEvent::Record { kind, of }) => HostSignal::Record { kind, of },
    }
}
