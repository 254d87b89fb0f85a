//! What a loop hears of its hosts without asking twice: probes, and the engines' own events.
//!
//! Each host has two tasks of its own, so that a slow one delays no other. They end when nothing
//! listens to the host any more.

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures_util::{FutureExt as _, StreamExt as _};
use tokio::sync::mpsc::{Receiver, UnboundedSender};
use tokio::task::JoinSet;
use tokio::time::{Instant, interval, sleep};

use super::supervisor::HostSignal;
use crate::fleet::events::EngineEvent;
use crate::fleet::{Observer, Probe, Sign};
use crate::ledger::Written;
use crate::model::NodeName;
use crate::words::of_panic;

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
    /// Listening to it panicked, and begins again.
    Panicked(NodeName, String),
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
        let mut tasks = JoinSet::new();
        let (observer, heard) = (self.observer.clone(), self.heard.clone());
        let (of, asked, said) = (node.clone(), observer.clone(), heard.clone());
        let probing = move || {
            let (node, probe, heard) = (of.clone(), asked.probe(&of), said.clone());
            async move {
                // Without one it has left meanwhile.
                if let Some(probe) = probe {
                    probing(node, probe, heard).await;
                }
            }
        };
        tasks.spawn(again_after_panics(node.clone(), heard.clone(), probing));
        let of = node.clone();
        tasks.spawn(again_after_panics(node.clone(), heard.clone(), move || {
            listening(of.clone(), observer.clone(), heard.clone())
        }));
        self.each.insert(node.clone(), tasks);
    }

    /// Listens to it no more.
    pub(super) fn leave(&mut self, node: &NodeName) {
        self.each.remove(node);
    }
}

/// A host that nothing listens to any more would count as lost, or as well.
async fn again_after_panics<A: Future<Output = ()>>(
    node: NodeName,
    heard: UnboundedSender<HostReport>,
    listen: impl Fn() -> A,
) {
    while let Err(said) = AssertUnwindSafe(listen()).catch_unwind().await {
        if heard.send(HostReport::Panicked(node.clone(), of_panic(&*said))).is_err() {
            return;
        }
        sleep(LISTEN_AGAIN).await;
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
pub(super) fn signal(heard: HostReport) -> Option<HostSignal> {
    Some(match heard {
        HostReport::Panicked(..) => return None,
        HostReport::Sign(node, Ok(Sign::Engine)) => HostSignal::Engine(node),
        HostReport::Sign(node, Ok(Sign::Machine)) => HostSignal::Machine(node),
        HostReport::Sign(node, Err(why)) => HostSignal::Missed(node, why),
        HostReport::Listening => HostSignal::Listening,
        HostReport::Happened(_, EngineEvent::Container { stack, .. }) => HostSignal::Container(stack),
        HostReport::Happened(_, EngineEvent::Record { kind, of }) => HostSignal::Record { kind, of },
    })
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use tokio::sync::mpsc::unbounded_channel;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_listens_to_a_host_begins_again_after_a_panic() {
        let (heard, mut hears) = unbounded_channel();
        let (node, tries) = (NodeName::unchecked("h1"), AtomicU32::new(0));
        let listen = || async {
            assert!(tries.fetch_add(1, Ordering::Relaxed) >= 2, "not yet");
        };
        again_after_panics(node, heard, listen).await;
        for _ in 0..2 {
            assert!(matches!(hears.recv().await, Some(HostReport::Panicked(_, why)) if why == "not yet"));
        }
        assert!(hears.recv().await.is_none());
    }
}
