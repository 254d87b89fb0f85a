//! What a loop hears of its hosts without asking twice: probes, and the engines' own events.
//!
//! Each host has two tasks of its own, so that a slow one keeps nobody else waiting. They end when nobody
//! listens to the host any more.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::StreamExt;
use tokio::sync::mpsc::{Receiver, UnboundedSender};
use tokio::task::JoinSet;
use tokio::time::{Instant, interval, sleep};

use crate::fleet::events::Happening;
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
pub(in crate::engine) enum Heard {
    /// A probe's answer, or why there was none.
    Sign(NodeName, Result<Sign, String>),
    /// A host is listened to from now on: what happened before has to be looked for.
    Listening,
    /// Something happened.
    Happened(NodeName, Happening),
}

/// Begins to listen to every host.
pub(in crate::engine) fn open(observer: &Observer, heard: &UnboundedSender<Heard>) -> JoinSet<()> {
    let mut all = JoinSet::new();
    for (node, probe) in observer.probes() {
        all.spawn(probing(node.clone(), probe, heard.clone()));
        all.spawn(listening(node, observer.clone(), heard.clone()));
    }
    all
}

/// Listens to hosts, to each for as long as it belongs to the cluster.
#[derive(Debug)]
pub(super) struct Senses {
    observer: Observer,
    heard: UnboundedSender<Heard>,
    each: BTreeMap<NodeName, JoinSet<()>>,
}

impl Senses {
    /// Listens to nobody yet.
    pub(super) fn new(observer: Observer, heard: UnboundedSender<Heard>) -> Self {
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

async fn probing(node: NodeName, mut probe: Probe, heard: UnboundedSender<Heard>) {
    let mut next = interval(PROBE_EVERY);
    // A probe that took longer than its turn is followed by the next one at once, and by no others.
    next.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        let _: Instant = next.tick().await;
        let sign = probe.sign(PROBE_LIMIT).await;
        if heard.send(Heard::Sign(node.clone(), sign)).is_err() {
            return;
        }
    }
}

async fn listening(node: NodeName, observer: Observer, heard: UnboundedSender<Heard>) {
    loop {
        if let Some(mut happenings) = observer.happenings(&node).await {
            if heard.send(Heard::Listening).is_err() {
                return;
            }
            while let Some(happening) = happenings.next().await {
                if heard.send(Heard::Happened(node.clone(), happening)).is_err() {
                    return;
                }
            }
        }
        sleep(LISTEN_AGAIN).await;
    }
}

/// What a ledger tells that tells anything.
pub(in crate::engine) async fn told(written: &mut Option<Receiver<Written>>) -> Option<Written> {
    match written {
        Some(written) => written.recv().await,
        None => None,
    }
}
