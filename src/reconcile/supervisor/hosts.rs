//! Hosts that come and go: sources of the inventory are asked again and again, and what they say is taken
//! over while the loop goes on.
//!
//! A host that joins is connected to, listened to and given tasks like any other. One that left is dialled
//! no more; for as long as a silent node is waited for nothing is planned, and then it counts as lost, so
//! that its tasks go elsewhere and those with data there wait. A source that cannot be asked, or that names
//! suspiciously few hosts, changes nothing: the hosts stay those that were known.

use std::collections::{BTreeMap, BTreeSet};

use super::event::ClusterEvent;
use super::term::Term;
use super::world::{Command, Named, Roster, TakenOver};
use crate::discover::{DiscoverError, missing};
use crate::ledger::nodes::NodeRecords;
use crate::model::{NodeName, Observed, Timestamp, Unreachable};

/// What a loop knows of the sources of hosts.
#[derive(Debug)]
pub(super) struct Hosts {
    /// When they are asked again.
    at: Timestamp,
    is_asking: bool,
    /// What they named, while it is being taken over.
    taking_over: Option<Named>,
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
    pub(super) fn new(is_static: bool, roster: &Roster, now: Timestamp) -> Self {
        Self {
            at: now,
            is_asking: false,
            taking_over: None,
            is_asked: is_static,
            is_known: is_static,
            trouble: None,
            left: roster.left.iter().map(|node| (node.clone(), (now, false))).collect(),
            passed_over: BTreeSet::new(),
        }
    }

    /// Whether it is worth looking at hosts at all.
    pub(super) fn is_asked(&self) -> bool {
        self.is_asked
    }

    pub(super) fn is_taking_over(&self) -> bool {
        self.taking_over.is_some()
    }

    pub(super) fn is_settled(&self) -> bool {
        self.is_asked && !self.is_asking && self.left.values().all(|(_, is_lost)| *is_lost)
    }

    /// Hosts that left so long ago that they count as lost.
    fn lost(&self) -> impl Iterator<Item = NodeName> {
        self.left.iter().filter(|(_, (_, is_lost))| *is_lost).map(|(node, _)| node.clone())
    }
}

impl Term {
    /// Asks the sources of hosts, if it is time, and counts hosts as lost that left long enough ago.
    pub(super) fn ask_for_hosts(&mut self) {
        let now = self.now;
        let patience_ms = self.setup.options.patience_ms;
        let mut is_news = false;
        for (at, is_lost) in self.hosts.left.values_mut().filter(|(_, is_lost)| !is_lost) {
            *is_lost = now.since_ms(*at) >= patience_ms;
            is_news |= *is_lost;
        }
        if is_news {
            self.look_soon();
        }
        if self.setup.sources.is_some() && now >= self.hosts.at && !self.hosts.is_asking {
            self.hosts.is_asking = true;
            self.out.push(Command::AskForHosts);
            self.hosts.at = now.plus_ms(self.setup.options.discover_ms);
        }
    }

    /// What the sources said.
    pub(super) fn hosts_named(&mut self, answer: Result<Named, String>) {
        self.hosts.is_asking = false;
        self.hosts.is_asked = true;
        let judged = answer.and_then(|named| match self.judge(&named) {
            Ok(()) => Ok(named),
            Err(error) => Err(error.to_string()),
        });
        match judged {
            Ok(named) => {
                if self.hosts.trouble.take().is_some() {
                    self.say(ClusterEvent::HostsKnown);
                }
                self.hosts.is_known = true;
                self.hosts.taking_over = Some(named);
                self.out.push(Command::TakeOverHosts);
            }
            Err(why) => {
                self.counts.discoveries_failed += 1;
                if !self.hosts.is_known {
                    // What was known while another loop had the lead is worth nothing.
                    self.out.push(Command::SetHostsUnknown(unknown(self.now, why.clone())));
                    self.look_soon();
                }
                if self.hosts.trouble.as_ref() != Some(&why) {
                    self.hosts.trouble = Some(why.clone());
                    self.say(ClusterEvent::HostsUnknown { why });
                }
            }
        }
    }

    fn judge(&self, named: &Named) -> Result<(), DiscoverError> {
        let Some(sources) = &self.setup.sources else { return Ok(()) };
        let mut known = named.records.discovered.clone();
        // A loop that may not write remembers by itself.
        if !self.setup.may_write {
            known.extend(self.roster.found.clone());
        }
        // A host may have moved from a source into the inventory.
        let is_there = |name: &NodeName| {
            named.hosts.contains_key(name)
                || (self.roster.nodes.contains(name) && !self.roster.found.contains_key(name))
        };
        missing(&known, sources, is_there)
    }

    /// Members of the cluster changed as the sources said.
    pub(super) fn hosts_taken_over(&mut self, taken: TakenOver) {
        let Some(Named { hosts, records }) = self.hosts.taking_over.take() else { return };
        let now = self.now;
        self.roster = taken.roster;
        for node in taken.left {
            self.liveness.leave(&node);
            self.out.push(Command::UnwatchHost(node.clone()));
            self.hosts.left.insert(node.clone(), (now, false));
            self.say(ClusterEvent::NodeLeft { node });
        }
        for node in taken.joined {
            self.liveness.join(&node, now);
            self.out.push(Command::WatchHost(node.clone()));
            self.hosts.left.remove(&node);
            let source = hosts.get(&node).cloned().unwrap_or_default();
            self.say(ClusterEvent::NodeJoined { node, source });
        }
        self.hosts.passed_over =
            records.discovered.keys().filter(|name| !hosts.contains_key(*name)).cloned().collect();
        if self.setup.may_write && self.roster.found != records.discovered {
            // Whether it gets through is seen at the next question.
            self.out.push(Command::RememberHosts(self.roster.found.clone()));
        }
        if taken.is_news {
            self.look_afresh();
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
        if self.setup.sources.is_none() {
            return;
        }
        // Written down as gone: a loop that remembers it from now on has found it again.
        self.hosts.passed_over.retain(|name| records.discovered.contains_key(name));
        let is_strange = |name: &&NodeName| {
            let is_there = observed.nodes.contains_key(*name) && !observed.is_missing(name);
            !is_there && !self.hosts.passed_over.contains(*name)
        };
        // Tasks may run there since: without knowing them they would be started twice.
        let strangers: Vec<&str> =
            records.discovered.keys().filter(is_strange).map(NodeName::as_str).collect();
        if !strangers.is_empty() {
            let why = format!("others have found {}, and this loop has not yet", strangers.join(", "));
            observed.hosts_unknown = Some(unknown(observed.at, why));
            self.hosts.at = self.now;
        }
    }

    /// Forgets hosts that left and had nothing there that anybody would wait for.
    pub(super) fn forget_hosts(&mut self) {
        let had_tasks =
            |node: &NodeName| self.last_seen.get(node).is_some_and(|facts| !facts.tasks.is_empty());
        let gone: Vec<NodeName> = self.hosts.lost().filter(|node| !had_tasks(node)).collect();
        for node in gone {
            self.hosts.left.remove(&node);
            self.roster.left.remove(&node);
            self.out.push(Command::ForgetHost(node));
        }
    }
}

fn unknown(now: Timestamp, reason: String) -> Unreachable {
    Unreachable { since: now, code: "stackctl::cluster::hosts_unknown".to_owned(), reason, help: None }
}
