//! Which nodes are lost: judged by direct probes, in a time that is handed in.
//!
//! One lost packet is no news and one slow answer is no death. A node counts as lost when nothing was
//! heard of it for [`Liveness::patience_ms`] *and* several probes in a row were in vain meanwhile; the first
//! sign of life takes that back. Silence counts only while we were awake ourselves: whoever was suspended,
//! or starved of processor time, has not listened, and must not blame the others for it.
//!
//! A machine that is there while its engine is silent is given much longer: an engine under load is slow,
//! and one that is being restarted comes back to find its containers running.
//!
//! Knows nothing of how a probe is made.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{NodeName, Timestamp};

/// Probes in a row that a lost node has not answered.
const MISSED_MIN: u32 = 3;
/// How much longer an engine may be silent whose machine is there.
const ENGINE_FACTOR: i64 = 6;
/// A gap between two ticks by which we know that we slept. Ticks are expected every second or so.
const ASLEEP_MS: i64 = 2_500;

/// Listens to every node.
#[derive(Debug, Clone)]
pub struct Liveness {
    patience_ms: i64,
    nodes: BTreeMap<NodeName, Ear>,
    last_tick: Option<Timestamp>,
}

/// What was heard of one node.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Ear {
    /// The last sign of life, or the time from which silence counts.
    heard: Timestamp,
    /// The same of its engine.
    engine: Timestamp,
    missed: u32,
    is_lost: bool,
    why: Option<String>,
}

/// News of a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NodeNews {
    /// It counts as lost from now on.
    Lost {
        /// Which.
        node: NodeName,
        /// Milliseconds since the last sign of life.
        silent_ms: i64,
        /// What the last probe said.
        why: String,
    },
    /// It is back.
    Back {
        /// Which.
        node: NodeName,
    },
}

impl Liveness {
    /// Begins to listen. `patience_ms` is how long a node may be silent.
    #[must_use]
    pub fn new(nodes: impl IntoIterator<Item = NodeName>, patience_ms: i64, now: Timestamp) -> Self {
        let ear = Ear { heard: now, engine: now, missed: 0, is_lost: false, why: None };
        Self {
            patience_ms,
            nodes: nodes.into_iter().map(|node| (node, ear.clone())).collect(),
            last_tick: None,
        }
    }

    /// Listens to one more, or to one that is there again, from now on.
    pub fn join(&mut self, node: &NodeName, now: Timestamp) {
        let ear = Ear { heard: now, engine: now, missed: 0, is_lost: false, why: None };
        self.nodes.insert(node.clone(), ear);
    }

    /// Listens to it no more: what it does not say is no news.
    pub fn leave(&mut self, node: &NodeName) {
        self.nodes.remove(node);
    }

    /// The machine is there, and its engine has not answered. Does not bring a lost node back: nothing can
    /// be known of what runs there.
    pub fn machine_heard(&mut self, now: Timestamp, node: &NodeName) {
        if let Some(ear) = self.nodes.get_mut(node) {
            ear.heard = now;
            ear.missed = ear.missed.saturating_add(1);
            ear.why = Some("its machine is there, and its engine does not answer".to_owned());
        }
    }

    /// The engine answered.
    pub fn heard(&mut self, now: Timestamp, node: &NodeName) -> Option<NodeNews> {
        let ear = self.nodes.get_mut(node)?;
        let was_lost = ear.is_lost;
        *ear = Ear { heard: now, engine: now, missed: 0, is_lost: false, why: None };
        was_lost.then(|| NodeNews::Back { node: node.clone() })
    }

    /// A probe was in vain.
    pub fn missed(&mut self, node: &NodeName, why: &str) {
        if let Some(ear) = self.nodes.get_mut(node) {
            ear.missed = ear.missed.saturating_add(1);
            ear.why = Some(why.to_owned());
        }
    }

    /// Time passes. Nodes that became lost.
    pub fn tick(&mut self, now: Timestamp) -> Vec<NodeNews> {
        let slept = self.last_tick.replace(now).is_some_and(|last| now.since_ms(last) > ASLEEP_MS);
        let mut news = Vec::new();
        for (node, ear) in self.nodes.iter_mut().filter(|(_, ear)| !ear.is_lost) {
            if slept {
                (ear.heard, ear.engine, ear.missed) = (now, now, 0);
                continue;
            }
            let is_over = now.since_ms(ear.heard) >= self.patience_ms
                || now.since_ms(ear.engine) >= self.patience_ms.saturating_mul(ENGINE_FACTOR);
            if is_over && ear.missed >= MISSED_MIN {
                ear.is_lost = true;
                let silent_ms = now.since_ms(ear.engine);
                let why = ear.why.clone().unwrap_or_default();
                news.push(NodeNews::Lost { node: node.clone(), silent_ms, why });
            }
        }
        news
    }

    /// Nodes that are lost.
    #[must_use]
    pub fn lost(&self) -> BTreeSet<NodeName> {
        self.nodes.iter().filter(|(_, ear)| ear.is_lost).map(|(node, _)| node.clone()).collect()
    }

    /// Nodes whose last probe was in vain, lost or not yet.
    #[must_use]
    pub fn silent(&self) -> BTreeSet<NodeName> {
        self.nodes.iter().filter(|(_, ear)| ear.is_lost || ear.missed > 0).map(|(n, _)| n.clone()).collect()
    }

    /// Whether so many are lost that we are more likely the ones who are cut off: more than half of them.
    #[must_use]
    pub fn is_more_likely_us(&self) -> bool {
        self.nodes.values().filter(|ear| ear.is_lost).count() * 2 > self.nodes.len()
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
    fn silence_counts_after_a_while_and_a_word_ends_it() {
        let mut liveness = liveness(&["a", "b"]);
        assert_eq!(silence(&mut liveness, 1, 4), None);
        assert_eq!(liveness.silent(), BTreeSet::from([node("a")]));
        assert_eq!(silence(&mut liveness, 5, 9), Some(5));
        assert_eq!((liveness.lost(), liveness.is_more_likely_us()), (BTreeSet::from([node("a")]), false));
        assert_eq!(silence(&mut liveness, 6, 9), None, "told once");
        assert_eq!(liveness.heard(Timestamp(9_500), &node("a")), Some(NodeNews::Back { node: node("a") }));
        assert_eq!(liveness.lost(), BTreeSet::new());
        assert_eq!(silence(&mut liveness, 10, 14), None);
    }

    #[test]
    fn nodes_come_and_go() {
        let mut liveness = liveness(&["a", "b"]);
        assert_eq!(silence(&mut liveness, 1, 4), None);
        liveness.leave(&node("a"));
        assert_eq!(silence(&mut liveness, 5, 20), None, "nobody listens to it");
        assert_eq!(liveness.silent(), BTreeSet::new());
        liveness.join(&node("a"), Timestamp(20_000));
        assert_eq!(silence(&mut liveness, 21, 24), None, "its silence counts from when it came");
        assert_eq!(silence(&mut liveness, 25, 26), Some(25));
        liveness.leave(&node("a"));
        assert!(liveness.lost().is_empty() && !liveness.is_more_likely_us());
    }

    #[test]
    fn slow_probes_are_no_death() {
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
    fn who_slept_has_not_listened() {
        let mut liveness = liveness(&["a", "b"]);
        assert_eq!(silence(&mut liveness, 1, 3), None);
        assert_eq!(liveness.tick(Timestamp(100_000)), [], "nobody is lost because we were suspended");
        assert_eq!(silence(&mut liveness, 101, 104), None);
        assert_eq!(silence(&mut liveness, 105, 106), Some(105));
    }

    #[test]
    fn when_most_are_silent_it_is_us() {
        let mut liveness = liveness(&["a", "b", "c"]);
        for second in 1..=6 {
            for name in ["a", "b"] {
                liveness.missed(&node(name), "no answer");
            }
            liveness.heard(Timestamp(second * 1000), &node("c"));
            liveness.tick(Timestamp(second * 1000));
        }
        assert!(liveness.is_more_likely_us());
    }
}
