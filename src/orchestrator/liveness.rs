//! Failure detector: decides by direct probes which nodes are lost, in a time that is handed in.
//!
//! One lost packet or one slow answer does not make a node lost. A node is lost when it has not answered for
//! [`Liveness::patience_ms`] *and* several probes in a row failed meanwhile; its next answer takes that back.
//! Time counts only while this process was awake: after it was suspended, or starved of processor time, it
//! must not blame the nodes for answers that it did not receive.
//!
//! A machine that answers while its engine is silent is given much longer: an engine under load is slow, and
//! one that is being restarted comes back to find its containers running.
//!
//! Knows nothing of how a probe is made.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{NodeName, Timestamp};

/// Probes in a row that a lost node has not answered.
const MISSED_MIN: u32 = 3;
/// How much longer an engine may be silent if its machine answers.
const ENGINE_FACTOR: i64 = 6;
/// A gap between two ticks that shows that we were suspended. Ticks are expected every second or so.
const ASLEEP_MS: i64 = 2_500;

/// The health of every node.
#[derive(Debug, Clone)]
pub struct Liveness {
    patience_ms: i64,
    nodes: BTreeMap<NodeName, NodeHealth>,
    last_tick: Option<Timestamp>,
}

/// The health of one node.
#[derive(Debug, Clone, PartialEq, Eq)]
struct NodeHealth {
    /// The last answer, or the time from which silence counts.
    heard: Timestamp,
    /// The same of its engine.
    engine: Timestamp,
    missed: u32,
    is_lost: bool,
    why: Option<String>,
}

/// A change of a node's health.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NodeNews {
    /// It counts as lost from now on.
    Lost {
        node: NodeName,
        /// Milliseconds since the last answer.
        silent_ms: i64,
        /// What the last probe said.
        why: String,
    },
    /// It is back.
    Back { node: NodeName },
}

impl Liveness {
    /// Begins to watch. `patience_ms` is how long a node may be silent.
    #[must_use]
    pub fn new(nodes: impl IntoIterator<Item = NodeName>, patience_ms: i64, now: Timestamp) -> Self {
        let health = NodeHealth { heard: now, engine: now, missed: 0, is_lost: false, why: None };
        Self {
            patience_ms,
            nodes: nodes.into_iter().map(|node| (node, health.clone())).collect(),
            last_tick: None,
        }
    }

    /// Watches a new node, or one that has returned, from now on.
    pub fn join(&mut self, node: &NodeName, now: Timestamp) {
        let health = NodeHealth { heard: now, engine: now, missed: 0, is_lost: false, why: None };
        self.nodes.insert(node.clone(), health);
    }

    /// Stops watching a node: its silence no longer counts.
    pub fn leave(&mut self, node: &NodeName) {
        self.nodes.remove(node);
    }

    /// The machine answered, and its engine did not. Does not bring a lost node back: nothing can
    /// be known of what runs there.
    pub fn machine_heard(&mut self, now: Timestamp, node: &NodeName) {
        if let Some(health) = self.nodes.get_mut(node) {
            health.heard = now;
            health.missed = health.missed.saturating_add(1);
            health.why = Some("its machine is there, and its engine does not answer".to_owned());
        }
    }

    /// The engine answered.
    pub fn heard(&mut self, now: Timestamp, node: &NodeName) -> Option<NodeNews> {
        let health = self.nodes.get_mut(node)?;
        let was_lost = health.is_lost;
        *health = NodeHealth { heard: now, engine: now, missed: 0, is_lost: false, why: None };
        was_lost.then(|| NodeNews::Back { node: node.clone() })
    }

    /// A probe failed.
    pub fn missed(&mut self, node: &NodeName, why: &str) {
        if let Some(health) = self.nodes.get_mut(node) {
            health.missed = health.missed.saturating_add(1);
            health.why = Some(why.to_owned());
        }
    }

    /// Time passes. Nodes that became lost.
    pub fn tick(&mut self, now: Timestamp) -> Vec<NodeNews> {
        let slept = self.last_tick.replace(now).is_some_and(|last| now.since_ms(last) > ASLEEP_MS);
        let mut news = Vec::new();
        for (node, health) in self.nodes.iter_mut().filter(|(_, health)| !health.is_lost) {
            if slept {
                (health.heard, health.engine, health.missed) = (now, now, 0);
                continue;
            }
            let is_over = now.since_ms(health.heard) >= self.patience_ms
                || now.since_ms(health.engine) >= self.patience_ms.saturating_mul(ENGINE_FACTOR);
            if is_over && health.missed >= MISSED_MIN {
                health.is_lost = true;
                let silent_ms = now.since_ms(health.engine);
                let why = health.why.clone().unwrap_or_default();
                news.push(NodeNews::Lost { node: node.clone(), silent_ms, why });
            }
        }
        news
    }

    /// Nodes that are lost.
    #[must_use]
    pub fn lost(&self) -> BTreeSet<NodeName> {
        self.nodes.iter().filter(|(_, health)| health.is_lost).map(|(node, _)| node.clone()).collect()
    }

    /// Nodes whose last probe failed, lost or not yet.
    #[must_use]
    pub fn silent(&self) -> BTreeSet<NodeName> {
        self.nodes
            .iter()
            .filter(|(_, health)| health.is_lost || health.missed > 0)
            .map(|(n, _)| n.clone())
            .collect()
    }

    /// Whether more than half of the nodes are lost: then we are probably the ones who are cut off.
    #[must_use]
    pub fn is_partitioned(&self) -> bool {
        self.nodes.values().filter(|health| health.is_lost).count() * 2 > self.nodes.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(name: &str) -> NodeName {
        NodeName::unchecked(name)
    }

    fn liveness(names: &[&str]) -> Liveness {
        Liveness::new(names.iter().map(|name| node(name)), 5_000, Timestamp(0))
    }

    /// A second after the other in which one node is silent; when it was lost.
    fn silence(liveness: &mut Liveness, from: i64, to: i64) -> Option<i64> {
        for second in from..=to {
            let now = Timestamp(second * 1000);
            liveness.missed(&node("a"), "no answer");
            liveness.heard(now, &node("b"));
            if !liveness.tick(now).is_empty() {
                return Some(second);
            }
        }
        None
    }

    #[test]
    fn silence_counts_after_the_patience_and_an_answer_ends_it() {
        let mut liveness = liveness(&["a", "b"]);
        assert_eq!(silence(&mut liveness, 1, 4), None);
        assert_eq!(liveness.silent(), BTreeSet::from([node("a")]));
        assert_eq!(silence(&mut liveness, 5, 9), Some(5));
        assert_eq!((liveness.lost(), liveness.is_partitioned()), (BTreeSet::from([node("a")]), false));
        assert_eq!(silence(&mut liveness, 6, 9), None, "reported once");
        assert_eq!(liveness.heard(Timestamp(9_500), &node("a")), Some(NodeNews::Back { node: node("a") }));
        assert_eq!(liveness.lost(), BTreeSet::new());
        assert_eq!(silence(&mut liveness, 10, 14), None);
    }

    #[test]
    fn nodes_come_and_go() {
        let mut liveness = liveness(&["a", "b"]);
        assert_eq!(silence(&mut liveness, 1, 4), None);
        liveness.leave(&node("a"));
        assert_eq!(silence(&mut liveness, 5, 20), None, "it is not watched");
        assert_eq!(liveness.silent(), BTreeSet::new());
        liveness.join(&node("a"), Timestamp(20_000));
        assert_eq!(silence(&mut liveness, 21, 24), None, "its silence counts from when it came");
        assert_eq!(silence(&mut liveness, 25, 26), Some(25));
        liveness.leave(&node("a"));
        assert!(liveness.lost().is_empty() && !liveness.is_partitioned());
    }

    #[test]
    fn slow_probes_do_not_lose_a_node() {
        let mut liveness = liveness(&["a"]);
        for second in 1..60 {
            if second % 4 == 0 {
                liveness.heard(Timestamp(second * 1000), &node("a"));
            } else {
                liveness.missed(&node("a"), "no answer");
            }
            assert_eq!(liveness.tick(Timestamp(second * 1000)), []);
        }
        // Long, but asked only twice.
        liveness.heard(Timestamp(59_500), &node("a"));
        liveness.missed(&node("a"), "no answer");
        liveness.missed(&node("a"), "no answer");
        for second in 60..70 {
            assert_eq!(liveness.tick(Timestamp(second * 1000)), []);
        }
    }

    #[test]
    fn an_engine_is_given_longer_than_a_machine() {
        let mut liveness = liveness(&["a"]);
        let lost = (1..100).find(|second| {
            liveness.machine_heard(Timestamp(second * 1000), &node("a"));
            !liveness.tick(Timestamp(second * 1000)).is_empty()
        });
        assert_eq!(lost, Some(30));
        liveness.machine_heard(Timestamp(40_000), &node("a"));
        assert_eq!(liveness.lost(), BTreeSet::from([node("a")]));
    }

    #[test]
    fn time_asleep_does_not_count() {
        let mut liveness = liveness(&["a", "b"]);
        assert_eq!(silence(&mut liveness, 1, 3), None);
        assert_eq!(liveness.tick(Timestamp(100_000)), [], "no node is lost because we were suspended");
        assert_eq!(silence(&mut liveness, 101, 104), None);
        assert_eq!(silence(&mut liveness, 105, 106), Some(105));
    }

    #[test]
    fn when_most_nodes_are_lost_we_are_partitioned() {
        let mut liveness = liveness(&["a", "b", "c"]);
        for second in 1..=6 {
            for name in ["a", "b"] {
                liveness.missed(&node(name), "no answer");
            }
            liveness.heard(Timestamp(second * 1000), &node("c"));
            liveness.tick(Timestamp(second * 1000));
        }
        assert!(liveness.is_partitioned());
    }
}
