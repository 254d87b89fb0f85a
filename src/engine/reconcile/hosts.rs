//! Hosts that come and go: sources of the inventory are asked again and again, and what they say is taken
//! over while the loop goes on.
//!
//! A host that joins is connected to, listened to and given tasks like any other. One that left is dialled
//! no more; for as long as a silent node is waited for nothing is planned, and then it counts as lost, so
//! that its tasks go elsewhere and those with data there wait. A source that cannot be asked, or that names
//! suspiciously few hosts, changes nothing: the hosts stay those that were known.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tokio::task::JoinSet;

use super::Watch;
use super::heal::Hands;
use super::news::News;
use crate::discover::{DiscoverError, Found, missing};
use crate::engine::members;
use crate::ledger::nodes::NodeRecords;
use crate::model::{Member, NodeName, Observed, Timestamp, Unreachable};

/// What a loop knows of those who name hosts.
#[derive(Debug)]
pub(super) struct Hosts {
    /// When they are asked again.
    at: Timestamp,
    asks: JoinSet<Result<(Found, NodeRecords), String>>,
    /// Whether they were asked since this loop has the lead: what it knows may be long out of date.
    is_asked: bool,
    /// Whether they have named hosts since then.
    is_known: bool,
    trouble: Option<String>,
    /// Hosts that left: when, and whether they count as lost by now.
    left: BTreeMap<NodeName, (Timestamp, bool)>,
    /// Hosts that others remember, and that are not named any more.
    passed_over: BTreeSet<NodeName>,
}

impl Hosts {
    pub(super) fn new(hands: &Hands, now: Timestamp) -> Self {
        let is_static = hands.discovery.is_none();
        Self {
            at: now,
            asks: JoinSet::new(),
            is_asked: is_static,
            is_known: is_static,
            trouble: None,
            left: hands.fleet.left().into_iter().map(|node| (node, (now, false))).collect(),
            passed_over: BTreeSet::new(),
        }
    }

    /// Whether it is worth looking at hosts at all.
    pub(super) fn is_asked(&self) -> bool {
        self.is_asked
    }

    pub(super) fn is_settled(&self) -> bool {
        self.is_asked && self.asks.is_empty() && self.left.values().all(|(_, is_lost)| *is_lost)
    }

    /// Hosts that left so long ago that they count as lost.
    pub(super) fn lost(&self) -> impl Iterator<Item = NodeName> {
        self.left.iter().filter(|(_, (_, is_lost))| *is_lost).map(|(node, _)| node.clone())
    }

    /// What the sources said, once they have.
    pub(super) async fn answered(&mut self) -> Option<Result<(Found, NodeRecords), String>> {
        let answer = self.asks.join_next().await?;
        Some(answer.unwrap_or_else(|_| Err("the sources of hosts could not be asked".to_owned())))
    }
}

impl Watch {
    /// Asks whoever names hosts, if it is time, and counts hosts as lost that left long enough ago.
    pub(super) fn ask_for_hosts(&mut self) {
        let now = self.now();
        let patience_ms = self.options.patience_ms;
        let mut is_news = false;
        for (at, is_lost) in self.hosts.left.values_mut().filter(|(_, is_lost)| !is_lost) {
            *is_lost = now.since_ms(*at) >= patience_ms;
            is_news |= *is_lost;
        }
        if is_news {
            self.look_soon();
        }
        if let Some(discovery) = &self.hands.discovery
            && now >= self.hosts.at
            && self.hosts.asks.is_empty()
        {
            let (discovery, hands) = (Arc::clone(discovery), Arc::clone(&self.hands));
            self.hosts.asks.spawn(async move {
                let found = discovery.look().await.map_err(|error| error.to_string())?;
                let records = members::read(&hands.reading).await.map_err(|error| error.to_string())?;
                Ok((found, records.1))
            });
            self.hosts.at = now.plus_ms(self.options.discover_ms);
        }
    }

    /// What the sources said.
    pub(super) fn hosts_named(&mut self, answer: Result<(Found, NodeRecords), String>) {
        self.hosts.is_asked = true;
        let judged = answer.and_then(|(found, records)| match self.judge(&found, &records) {
            Ok(()) => Ok((found, records)),
            Err(error) => Err(error.to_string()),
        });
        match judged {
            Ok((found, records)) => {
                if self.hosts.trouble.take().is_some() {
                    self.say(News::HostsKnown);
                }
                self.hosts.is_known = true;
                self.take_over(&found, records);
            }
            Err(why) => {
                self.counts.discoveries_failed += 1;
                if !self.hosts.is_known {
                    // What was known when somebody else had the lead is worth nothing.
                    self.hands.fleet.set_unknown(Some(unknown(self.now(), why.clone())));
                    self.look_soon();
                }
                if self.hosts.trouble.as_ref() != Some(&why) {
                    self.hosts.trouble = Some(why.clone());
                    self.say(News::HostsUnknown { why });
                }
            }
        }
    }

    fn judge(&self, found: &Found, records: &NodeRecords) -> Result<(), DiscoverError> {
        let mut known = records.discovered.clone();
        // A loop that may not write remembers by itself.
        if self.hands.writing.is_none() {
            known.extend(self.hands.fleet.found());
        }
        let nodes = self.hands.fleet.nodes();
        let found_before = self.hands.fleet.found();
        // A host may have moved from a source into the inventory.
        let is_there = |name: &NodeName| {
            found.contains_key(name) || (nodes.contains(name) && !found_before.contains_key(name))
        };
        missing(&known, &self.hands.fleet.observer().sources(), is_there)
    }

    fn take_over(&mut self, found: &Found, records: NodeRecords) {
        let now = self.now();
        let movement = self.hands.fleet.set_found(found, |member| left_words(now, member));
        for node in movement.left {
            self.liveness.leave(&node);
            self.senses.leave(&node);
            self.hosts.left.insert(node.clone(), (now, false));
            self.say(News::NodeLeft { node });
        }
        for node in movement.joined {
            self.liveness.join(&node, now);
            self.senses.listen(&node);
            self.hosts.left.remove(&node);
            let source = found[&node].member.found_by.clone().unwrap_or_default();
            self.say(News::NodeJoined { node, source });
        }
        self.hosts.passed_over =
            records.discovered.keys().filter(|name| !found.contains_key(*name)).cloned().collect();
        let named = self.hands.fleet.found();
        if let Some(writing) = self.hands.writing.clone().filter(|_| named != records.discovered) {
            // Whether it gets through is seen at the next question.
            tokio::spawn(async move { members::remember_found(&writing, &named).await.is_ok() });
        }
        if movement.is_news {
            self.looks.abort_all();
            self.look_at = now;
        }
    }

    /// Lays over an observation what is known of hosts: which count as lost, and that there are others.
    pub(super) fn with_hosts(
        &mut self,
        observed: &mut Observed,
        records: &NodeRecords,
        lost: &mut BTreeSet<NodeName>,
    ) {
        lost.extend(self.hosts.lost());
        if self.hands.discovery.is_none() {
            return;
        }
        // Written down as gone: who remembers it from now on has found it again.
        self.hosts.passed_over.retain(|name| records.discovered.contains_key(name));
        let is_strange =
            |name: &&NodeName| !observed.nodes.contains_key(*name) && !self.hosts.passed_over.contains(*name);
        // Tasks may run there since: without knowing them they would be started twice.
        let strangers: Vec<&str> =
            records.discovered.keys().filter(is_strange).map(NodeName::as_str).collect();
        if !strangers.is_empty() {
            let why = format!("others have found {}, and this loop has not yet", strangers.join(", "));
            observed.hosts_unknown = Some(unknown(observed.at, why));
            self.hosts.at = self.now();
        }
    }

    /// Forgets hosts that left and had nothing there that anybody would wait for.
    pub(super) fn forget_hosts(&mut self) {
        let had_tasks =
            |node: &NodeName| self.last_seen.get(node).is_some_and(|facts| !facts.tasks.is_empty());
        let gone: Vec<NodeName> = self.hosts.lost().filter(|node| !had_tasks(node)).collect();
        for node in gone {
            self.hosts.left.remove(&node);
            self.hands.fleet.forget_left(&node);
        }
    }
}

fn unknown(now: Timestamp, reason: String) -> Unreachable {
    Unreachable { since: now, code: "stackctl::cluster::hosts_unknown".to_owned(), reason, help: None }
}

fn left_words(now: Timestamp, member: &Member) -> Unreachable {
    let source = member.found_by.as_deref().unwrap_or("the inventory");
    Unreachable {
        since: now,
        code: "stackctl::cluster::node_unreachable".to_owned(),
        reason: format!("it has left: {source} does not name it any more"),
        help: None,
    }
}
