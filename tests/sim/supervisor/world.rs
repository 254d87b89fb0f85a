//! Several loops over one cluster and one ledger, in virtual time: each supervisor is stepped by the same
//! `drive` as the shell's, and this is the world that it acts through.

use std::collections::{BTreeMap, BTreeSet};

use stackctl::ledger::lease::{Holder, Terms, leader_stream};
use stackctl::model::node::{NodeView, Unreachable};
use stackctl::model::{NodeName, Observed, TaskId, TaskStatus, Timestamp};
use stackctl::ops::declared::Declarations;
use stackctl::reconcile::supervisor::event::{ClusterEvent, Snapshot};
use stackctl::reconcile::supervisor::{self, HostSignal, Input, Look, Roster, Setup, Supervisor};

use super::hand::Hand;
use super::ledger::{Lease, Sight, SimLedger, Taken};
use super::rules::Rules;
use super::work::{Work, WorkEvent};
use crate::faults::Luck;
use crate::world::World;

/// What the sources of hosts are called.
pub const SOURCE: &str = "command hosts";
/// A probe that is not answered takes so long.
const PROBE_LIMIT_MS: i64 = 1_500;
/// Between two words of a world in which nothing happens.
const TURN_MS: i64 = 500;

/// How a host does not answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Silence {
    /// Questions hang.
    Hangs,
    /// Questions are refused at once.
    Refuses,
    /// The machine is there, and its engine is not.
    Engine,
}

/// What will happen.
pub enum Happening {
    Hear { who: usize, life: u64, term: Option<u64>, input: Input },
    Turn { who: usize, life: u64 },
    Probe { who: usize, life: u64, term: u64, node: NodeName },
    LookEnds { who: usize, life: u64, look: u64, begun: Timestamp, is_late: bool },
    Elect { who: usize, life: u64, attempt: u64 },
    Renew { who: usize, life: u64, epoch: u64 },
    Work { id: u64, event: WorkEvent },
    Fault(super::Fault),
}

/// One process of the loop.
pub struct Controller {
    pub supervisor: Option<Supervisor>,
    /// Counts its starts: what was meant for an earlier process is not heard.
    pub life: u64,
    pub term: u64,
    pub is_in_term: bool,
    pub is_over: bool,
    pub roster: Roster,
    pub lead: Option<Lease>,
    pub is_lead_known_as_lost: bool,
    pub attempt: u64,
    pub patience_ms: i64,
    pub sight: Sight,
    pub watched: BTreeSet<NodeName>,
    pub look: Option<u64>,
    pub looks: u64,
    pub found: Option<BTreeSet<NodeName>>,
    pub unknown: Option<Unreachable>,
    pub severed: BTreeSet<NodeName>,
    pub is_work_stopped: bool,
    pub stopped_at: Option<Timestamp>,
    /// When anything was heard last.
    pub heard: Timestamp,
    /// Hosts that this process alone cannot reach.
    pub cut: BTreeSet<NodeName>,
    pub snapshot: Snapshot,
    /// Commands since this was emptied, by name.
    pub calls: BTreeMap<&'static str, u32>,
    pub news: Vec<(Timestamp, ClusterEvent)>,
}

pub struct Sim {
    pub now: Timestamp,
    queue: BTreeMap<(Timestamp, u64), Happening>,
    sequence: u64,
    pub luck: Luck,
    pub hosts: World,
    pub ledger: SimLedger,
    pub setup: Setup,
    pub controllers: Vec<Controller>,
    pub works: BTreeMap<u64, Work>,
    pub down: BTreeMap<NodeName, Silence>,
    pub discovered: BTreeSet<NodeName>,
    pub is_source_down: bool,
    pub declarations: Option<Declarations>,
    /// How many commits there were.
    pub commits: i64,
    /// Whether words are lost and answers are late.
    pub is_calm: bool,
    pub rules: Rules,
    seen: BTreeMap<TaskId, TaskStatus>,
    traced: usize,
    pub trace: Vec<String>,
}

impl Sim {
    pub fn new(hosts: World, setup: Setup, discovered: BTreeSet<NodeName>, luck: Luck) -> Self {
        let now = hosts.now;
        Self {
            now,
            queue: BTreeMap::new(),
            sequence: 0,
            luck,
            hosts,
            ledger: SimLedger::new(now),
            setup,
            controllers: Vec::new(),
            works: BTreeMap::new(),
            down: BTreeMap::new(),
            discovered,
            is_source_down: false,
            declarations: None,
            commits: 0,
            is_calm: false,
            rules: Rules::default(),
            seen: BTreeMap::new(),
            traced: 0,
            trace: Vec::new(),
        }
    }

    pub fn fail(&self, why: &str) -> ! {
        panic!("{why}\n{}\nat {}: {why}", self.trace.join("\n"), self.now.0);
    }

    pub fn say(&mut self, line: impl FnOnce() -> String) {
        if self.trace.len() > 4_000 {
            self.trace.drain(..2_000);
        }
        let at = self.now.0;
        self.trace.push(format!("{at} {}", line()));
    }

    pub fn at(&mut self, delay_ms: i64, happening: Happening) {
        self.sequence += 1;
        self.queue.insert((self.now.plus_ms(delay_ms), self.sequence), happening);
    }

    /// Hosts of the inventory itself.
    pub fn named(&self) -> BTreeSet<NodeName> {
        let nodes = self.hosts.base.nodes.values();
        nodes.filter(|node| node.member.found_by.is_none()).map(|node| node.member.name.clone()).collect()
    }

    /// Begins one more process, or begins one again that ended.
    pub fn start(&mut self, who: usize) {
        let life = self.controllers.get(who).map_or(1, |one| one.life + 1);
        let mut roster = Roster { nodes: self.named(), ..Roster::default() };
        if self.setup.sources.is_some() {
            roster.nodes.extend(self.discovered.iter().cloned());
            roster.found = self.discovered.iter().map(|node| (node.clone(), SOURCE.to_owned())).collect();
        }
        let controller = Controller {
            supervisor: Some(Supervisor::new(self.setup.clone(), roster.clone(), self.now)),
            life,
            term: 0,
            is_in_term: false,
            is_over: false,
            roster,
            lead: None,
            is_lead_known_as_lost: false,
            attempt: 0,
            patience_ms: 0,
            sight: None,
            watched: BTreeSet::new(),
            look: None,
            looks: 0,
            found: None,
            unknown: None,
            severed: BTreeSet::new(),
            is_work_stopped: false,
            stopped_at: None,
            heard: self.now,
            cut: BTreeSet::new(),
            snapshot: Snapshot::default(),
            calls: BTreeMap::new(),
            news: Vec::new(),
        };
        if who == self.controllers.len() {
            self.controllers.push(controller);
        } else {
            self.controllers[who] = controller;
        }
        self.say(|| format!("c{who} starts"));
        self.rules.started(who);
        self.at(0, Happening::Turn { who, life });
        self.hear(who, Input::Tick);
    }

    /// SIGKILL: nothing is given back, what was sent may still take effect.
    pub fn kill(&mut self, who: usize) {
        self.say(|| format!("c{who} is killed"));
        let life = self.controllers[who].life;
        let controller = &mut self.controllers[who];
        controller.is_over = true;
        controller.is_in_term = false;
        controller.lead = None;
        self.works.retain(|_, work| work.owner != Some((who, life)));
    }

    pub fn is_alive(&self, who: usize, life: u64) -> bool {
        self.controllers.get(who).is_some_and(|one| one.life == life && !one.is_over)
    }

    /// Has a supervisor hear something.
    pub fn hear(&mut self, who: usize, input: Input) {
        let controller = &mut self.controllers[who];
        if controller.is_over {
            return;
        }
        controller.heard = self.now;
        let is_lost = controller.lead.as_ref().is_some_and(|lead| !lead.is_valid(self.now));
        if is_lost && !std::mem::replace(&mut controller.is_lead_known_as_lost, true) {
            self.say(|| format!("c{who} has lost the lead"));
            self.drive(who, Input::LeadLost);
        }
        self.drive(who, input);
    }

    fn drive(&mut self, who: usize, input: Input) {
        let Some(mut one) = self.controllers[who].supervisor.take() else { return };
        let is_over = supervisor::drive(&mut one, &mut Hand { sim: self, who }, input);
        self.controllers[who].supervisor = Some(one);
        if is_over {
            self.say(|| format!("c{who} ends"));
            let life = self.controllers[who].life;
            assert!(!self.works.values().any(|work| work.owner == Some((who, life))), "it left work behind");
            self.controllers[who].is_over = true;
        }
    }

    pub fn hear_later(&mut self, delay_ms: i64, who: usize, input: Input) {
        let Controller { life, term, .. } = self.controllers[who];
        self.at(delay_ms, Happening::Hear { who, life, term: Some(term), input });
    }

    /// Something was written: those who listen hear of it, mostly.
    pub fn written(&mut self, kind: &str, of: &str) {
        for who in 0..self.controllers.len() {
            let is_lost = !self.is_calm && self.luck.once_in(10);
            if self.controllers[who].is_in_term && !is_lost {
                let signal = HostSignal::Record { kind: kind.to_owned(), of: of.to_owned() };
                let delay_ms = self.luck.between(5, 80);
                self.hear_later(delay_ms, who, Input::Host(signal));
            }
        }
    }

    /// How a host does not answer a process; `None` if it does.
    pub fn silence(&self, who: Option<usize>, node: &NodeName) -> Option<Silence> {
        let is_cut = who.is_some_and(|who| self.controllers[who].cut.contains(node));
        self.down.get(node).copied().or(is_cut.then_some(Silence::Hangs))
    }

    /// What a look by this process finds; a person sees all that is there.
    pub fn observe(&self, who: Option<usize>) -> Observed {
        let mut observed = self.hosts.observe();
        observed.at = self.now;
        let unreachable = |reason: &str| {
            NodeView::Unreachable(Unreachable {
                since: self.now,
                code: "stackctl::cluster::node_unreachable".into(),
                reason: reason.to_owned(),
                help: None,
            })
        };
        let named = self.named();
        observed.nodes.retain(|name, node| {
            let (is_member, has_left) = match who {
                Some(who) => {
                    let roster = &self.controllers[who].roster;
                    (roster.nodes.contains(name), roster.left.contains(name))
                }
                None => (named.contains(name) || self.discovered.contains(name), false),
            };
            if has_left && !is_member {
                node.view = unreachable("it has left");
            } else if self.silence(who, name).is_some() {
                node.view = unreachable("no answer");
            }
            is_member || has_left
        });
        observed.hosts_unknown = who.and_then(|who| self.controllers[who].unknown.clone());
        observed
    }

    /// Until then, unless `until` is over before. Whether it was.
    pub fn run(&mut self, for_ms: i64, mut is_enough: impl FnMut(&Self) -> bool) -> bool {
        let end = self.now.plus_ms(for_ms);
        let mut ask_at = self.now;
        while let Some(entry) = self.queue.first_entry() {
            if entry.key().0 > end {
                break;
            }
            let ((at, _), happening) = entry.remove_entry();
            self.go_to(at);
            self.happen(happening);
            if self.now >= ask_at {
                ask_at = self.now.plus_ms(5_000);
                if is_enough(self) {
                    return true;
                }
            }
        }
        self.go_to(end);
        false
    }

    fn go_to(&mut self, at: Timestamp) {
        self.now = self.now.max(at);
        self.hosts.settle(self.now.since_ms(self.hosts.now));
        self.ledger.set_now(self.now);
        if self.hosts.trace.len() != self.traced {
            self.traced = self.hosts.trace.len();
            self.engines_tell();
        }
    }

    /// Engines tell of containers that changed, to those who can hear them.
    pub fn engines_tell(&mut self) {
        let now: Vec<_> =
            self.hosts.tasks().map(|t| (t.id.clone(), t.status, t.stack.clone(), t.node.clone())).collect();
        let mut changed = BTreeSet::new();
        for (id, status, stack, node) in &now {
            if self.seen.insert(id.clone(), *status) != Some(*status) {
                changed.insert((stack.clone(), node.clone()));
            }
        }
        for (stack, node) in changed {
            for who in 0..self.controllers.len() {
                let listens = self.controllers[who].watched.contains(&node);
                if listens && self.silence(Some(who), &node).is_none() {
                    let delay_ms = self.luck.between(1, 30);
                    self.hear_later(delay_ms, who, Input::Host(HostSignal::Container(stack.clone())));
                }
            }
        }
    }

    fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::Hear { who, life, term, input } => {
                let is_of_term = term.is_none_or(|term| {
                    self.controllers[who].term == term && self.controllers[who].is_in_term
                });
                if self.is_alive(who, life) && is_of_term {
                    self.hear(who, input);
                }
            }
            Happening::Turn { who, life } if self.is_alive(who, life) => {
                let silent_ms = self.now.since_ms(self.controllers[who].heard);
                if silent_ms >= TURN_MS {
                    self.hear(who, Input::Tick);
                    self.at(TURN_MS, Happening::Turn { who, life });
                } else {
                    self.at(TURN_MS - silent_ms, Happening::Turn { who, life });
                }
            }
            Happening::Probe { who, life, term, node } => self.probe(who, life, term, node),
            Happening::LookEnds { who, life, look, begun, is_late } => {
                if self.is_alive(who, life) && self.controllers[who].look == Some(look) {
                    self.controllers[who].look = None;
                    let look = if is_late { None } else { Some(self.look(who, begun)) };
                    self.hear(who, Input::Looked(look));
                }
            }
            Happening::Elect { who, life, attempt } => self.elect(who, life, attempt),
            Happening::Renew { who, life, epoch } => self.renew(who, life, epoch),
            Happening::Work { id, event } => self.work(id, event),
            Happening::Fault(fault) => self.fault(fault),
            Happening::Turn { .. } => {}
        }
    }

    fn probe(&mut self, who: usize, life: u64, term: u64, node: NodeName) {
        let one = &self.controllers[who];
        if !self.is_alive(who, life) || one.term != term || !one.watched.contains(&node) {
            return;
        }
        let again = |node: &NodeName| Happening::Probe { who, life, term, node: node.clone() };
        match self.silence(Some(who), &node) {
            None => {
                self.at(1_000, again(&node));
                self.controllers[who].severed.remove(&node);
                self.rules.heard(who, self.now, &node);
                self.hear(who, Input::Host(HostSignal::Engine(node)));
            }
            Some(Silence::Engine) => {
                self.at(1_000, again(&node));
                self.hear(who, Input::Host(HostSignal::Machine(node)));
            }
            Some(silence) => {
                let took_ms = if silence == Silence::Hangs { PROBE_LIMIT_MS } else { 1_000 };
                self.at(took_ms, again(&node));
                self.hear(who, Input::Host(HostSignal::Missed(node, "no answer".to_owned())));
            }
        }
    }

    fn look(&self, who: usize, begun: Timestamp) -> Box<Look> {
        let mut observed = self.observe(Some(who));
        observed.at = begun;
        let records = match self.ledger.nodes() {
            Ok(records) => records,
            Err(why) => {
                observed.records_unknown = Some(Unreachable {
                    since: begun,
                    code: "stackctl::ledger::silent".into(),
                    reason: why,
                    help: None,
                });
                Default::default()
            }
        };
        Box::new(Look { observed, records, took_ms: self.now.since_ms(begun) })
    }

    fn elect(&mut self, who: usize, life: u64, attempt: u64) {
        if !self.is_alive(who, life) || self.controllers[who].attempt != attempt {
            return;
        }
        let holder = holder(&format!("c{who}"), &format!("lead-{who}-{life}-{attempt}"), "reconcile");
        let mut sight = self.controllers[who].sight;
        let taken = self.ledger.take(&leader_stream(), &holder, Terms::LEADER, &mut sight);
        self.controllers[who].sight = sight;
        match taken {
            Taken::Held(lease) => {
                self.say(|| format!("c{who} leads, epoch {}", lease.epoch));
                let others = self.controllers.iter().enumerate().filter(|(other, _)| *other != who);
                for (other, one) in others {
                    if one.lead.as_ref().is_some_and(|lead| lead.is_valid(self.now)) {
                        self.fail(&format!("c{who} takes the lead while c{other} has it"));
                    }
                }
                let epoch = lease.epoch;
                self.controllers[who].lead = Some(lease);
                self.controllers[who].is_lead_known_as_lost = false;
                self.at(Terms::LEADER.renew_ms, Happening::Renew { who, life, epoch });
                self.hear(who, Input::LeadTaken);
            }
            Taken::Busy(other) => {
                let Holder { id, who: leader, .. } = *other;
                self.hear(who, Input::LeadElsewhere { id, leader });
                if self.controllers[who].patience_ms == 0 {
                    self.hear(who, Input::LeadRefused);
                } else {
                    self.at(500, Happening::Elect { who, life, attempt });
                }
            }
            Taken::Lost => self.hear(who, Input::LeadFailed("another was faster".to_owned())),
            Taken::Failed(why) => self.hear(who, Input::LeadFailed(why.to_string())),
        }
    }

    fn renew(&mut self, who: usize, life: u64, epoch: u64) {
        if !self.is_alive(who, life) {
            return;
        }
        let Some(mut lease) = self.controllers[who].lead.take_if(|lead| lead.epoch == epoch) else { return };
        if lease.is_valid(self.now) {
            let before = lease.until;
            self.ledger.renew(&mut lease);
            let delay_ms = if lease.until == before { 300 } else { Terms::LEADER.renew_ms };
            self.at(delay_ms, Happening::Renew { who, life, epoch });
        }
        self.controllers[who].lead = Some(lease);
    }

    /// Hands a repository's last word to those who follow it.
    pub fn declare(&mut self, declarations: Declarations) {
        self.declarations = Some(declarations.clone());
        for who in 0..self.controllers.len() {
            if self.controllers[who].is_in_term {
                self.hear_later(1, who, Input::Declared(declarations.clone()));
            }
        }
    }
}

/// A process as the holder of a lease.
pub fn holder(who: &str, id: &str, verb: &str) -> Holder {
    Holder { id: id.to_owned(), who: who.to_owned(), pid: 1, process: String::new(), verb: verb.to_owned() }
}

impl Sim {
    /// What comes of the work on a stack, for the loop that began it.
    pub fn worked(&mut self, (who, life): (usize, u64), input: Input) {
        if self.is_alive(who, life) {
            let term = self.controllers[who].term;
            self.at(1, Happening::Hear { who, life, term: Some(term), input });
        }
    }

    /// The loop that has the lead, if any has.
    pub fn leader(&self) -> Option<usize> {
        self.controllers.iter().position(|one| {
            !one.is_over && one.is_in_term && one.lead.as_ref().is_some_and(|lead| lead.is_valid(self.now))
        })
    }

    /// Whether both stacks are as declared for the leader, and no work goes on.
    pub fn is_settled(&self) -> bool {
        let Some(who) = self.leader() else { return false };
        let stacks = &self.controllers[who].snapshot.stacks;
        let is_well = |name: &str| stacks.get(name).is_some_and(|one| one.word() == "in_sync");
        self.works.is_empty() && is_well("app") && is_well("shop")
    }
}
