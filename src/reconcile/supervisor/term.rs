//! One term of leadership: all that a loop knows of hosts and stacks while it has the lead.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::event::{ClusterEvent, Counts, NodeStatus, Snapshot, StackStatus};
use super::hosts::Hosts;
use super::news::news;
use super::options::{ASK_AGAIN_MS, LEDGER_TRIES, LOOK_LIMIT_MS, READS_MAX, SETTLE_MS, Setup};
use super::stack::Stack;
use super::work::Healed;
use super::world::{Command, HostSignal, Input, Roster};
use crate::ledger::Written;
use crate::model::{NodeFacts, NodeName, StackName, Timestamp};
use crate::ops::declared::Declarations;
use crate::ops::declared::record::StackRecord;
use crate::orchestrator::{Liveness, NodeNews};

/// All that a loop knows while it has the lead. What came out of an earlier term may be long out of date,
/// so that nothing but the counts and the members is taken over from it.
#[derive(Debug)]
pub(super) struct Term {
    pub(super) setup: Arc<Setup>,
    pub(super) now: Timestamp,
    pub(super) out: Vec<Command>,
    pub(super) counts: Counts,
    pub(super) roster: Roster,
    pub(super) liveness: Liveness,
    pub(super) hosts: Hosts,
    pub(super) stacks: BTreeMap<StackName, Stack>,
    /// What was last seen of each node that answered.
    pub(super) last_seen: Arc<BTreeMap<NodeName, NodeFacts>>,
    /// When the look was begun that saw it.
    pub(super) seen_at: BTreeMap<NodeName, Timestamp>,
    is_looking: bool,
    pub(super) look_at: Timestamp,
    pub(super) has_looked: bool,
    is_listing: bool,
    list_at: Timestamp,
    has_listed: bool,
    /// Since the list was last read.
    list_failures: u32,
    /// Stacks whose records are being read.
    reading: usize,
    /// Stacks that are worked on, and since when.
    pub(super) working: BTreeMap<StackName, Timestamp>,
    declarations: Declarations,
    /// Lost nodes whose fence was decided.
    pub(super) fenced: BTreeMap<NodeName, Fencing>,
    trouble: Option<String>,
    was_cut_off: bool,
}

/// A fence that was decided for a loss.
#[derive(Debug)]
pub(super) struct Fencing {
    pub(super) decided: Timestamp,
    /// When to try once more; only where its command has not run, since that could not be written down.
    pub(super) again_at: Option<Timestamp>,
}

impl Term {
    pub(super) fn new(setup: Arc<Setup>, roster: Roster, counts: Counts, now: Timestamp) -> Self {
        let nodes = roster.nodes.iter().cloned();
        Self {
            liveness: Liveness::new(nodes, setup.options.patience_ms, now),
            hosts: Hosts::new(setup.sources.is_none(), &roster, now),
            setup,
            now,
            out: Vec::new(),
            counts,
            roster,
            stacks: BTreeMap::new(),
            last_seen: Arc::default(),
            seen_at: BTreeMap::new(),
            is_looking: false,
            look_at: now,
            has_looked: false,
            is_listing: false,
            list_at: now,
            has_listed: false,
            list_failures: 0,
            reading: 0,
            working: BTreeMap::new(),
            declarations: Declarations::default(),
            fenced: BTreeMap::new(),
            trouble: None,
            was_cut_off: false,
        }
    }

    /// Takes one input, and begins what is due by then.
    pub(super) fn step(&mut self, now: Timestamp, input: Input) {
        self.now = now;
        self.take(input);
        if self.hosts.is_taking_over() {
            // Its answer is next: until then the members are neither the old nor the new ones.
            return;
        }
        for news in self.liveness.tick(now) {
            self.node_news(news);
        }
        self.begin_what_is_due();
    }

    /// Takes an input while the term comes to its end: nothing more is begun.
    pub(super) fn step_at_end(&mut self, now: Timestamp, input: Input) {
        self.now = now;
        self.take(input);
    }

    fn take(&mut self, input: Input) {
        match input {
            Input::Host(signal) => self.hear(signal),
            Input::Written(what) => self.written(&what),
            Input::Looked(look) => {
                self.is_looking = false;
                self.seen(look);
            }
            Input::Listed(listed) => self.listed(listed),
            Input::Read(stack, known) => self.known(&stack, known),
            Input::HostsNamed(answer) => self.hosts_named(answer),
            Input::HostsTakenOver(taken) => self.hosts_taken_over(taken),
            Input::Fenced(node, done) => self.fence_ended(node, done),
            Input::Declared(declared) => self.declared(declared),
            Input::Said(at, news) => self.work_said(at, news),
            Input::Worked(stack, healed) => self.worked(&stack, healed),
            Input::Tick
            | Input::Stop
            | Input::LeadElsewhere { .. }
            | Input::LeadTaken
            | Input::LeadRefused
            | Input::LeadFailed(_)
            | Input::LeadLost
            | Input::LeadReturned => {}
        }
    }

    pub(super) fn take_commands(&mut self) -> Vec<Command> {
        std::mem::take(&mut self.out)
    }

    pub(super) fn say(&mut self, news: ClusterEvent) {
        self.out.push(Command::Report(self.now, news));
    }

    /// Whether a heal or a release is under way.
    pub(super) fn is_at_work(&self) -> bool {
        !self.working.is_empty()
    }

    pub(super) fn into_roster(self) -> Roster {
        self.roster
    }

    /// Whether there is nothing left to wait for.
    pub(super) fn is_settled(&self) -> bool {
        (self.has_listed || self.list_failures >= LEDGER_TRIES)
            && self.has_looked
            && !self.is_listing
            && self.reading == 0
            && self.working.is_empty()
            && !self.is_looking
            && self.look_at > self.now
            && self.declarations.is_complete()
            && self.hosts.is_settled()
            && self.stacks.values().all(Stack::is_judged)
    }

    pub(super) fn begin_what_is_due(&mut self) {
        let now = self.now;
        if now >= self.list_at && !self.is_listing {
            self.is_listing = true;
            self.out.push(Command::ListStacks);
            self.list_at = now.plus_ms(self.setup.options.records_ms);
        }
        let due = self.stacks.iter_mut().filter(|(_, stack)| stack.is_due_to_be_read(now));
        for (name, stack) in due.take(READS_MAX.saturating_sub(self.reading)) {
            stack.is_being_read = true;
            self.reading += 1;
            self.out.push(Command::ReadStack(name.clone()));
        }
        self.ask_for_hosts();
        if now >= self.look_at && !self.is_looking && self.hosts.is_asked() {
            self.is_looking = true;
            self.out.push(Command::Look { limit_ms: LOOK_LIMIT_MS });
            self.look_at = now.plus_ms(self.setup.options.interval_ms);
        }
    }

    /// Looks again at once: what is seen by the look under way is of the past.
    pub(super) fn look_afresh(&mut self) {
        if self.is_looking {
            self.out.push(Command::AbortLook);
        }
        self.look_at = self.now;
    }

    /// Looks again soon: something happened.
    pub(super) fn look_soon(&mut self) {
        self.look_at = self.look_at.min(self.now.plus_ms(SETTLE_MS));
    }

    /// Repositories say something else.
    fn declared(&mut self, declared: Declarations) {
        for news in news(&self.declarations, &declared) {
            self.say(news);
        }
        self.declarations = declared;
        for name in self.declarations.desired_releases().into_keys() {
            if self.setup.options.concerns(&name) && !self.stacks.contains_key(&name) {
                self.stacks.insert(name, Stack::default());
            }
        }
        self.declare();
        // Nothing was judged by this yet.
        self.has_looked = false;
        self.look_soon();
    }

    /// Hands every stack what repositories declare of it.
    fn declare(&mut self) {
        let mut all_desired = self.declarations.desired_releases();
        for (name, stack) in &mut self.stacks {
            let (desired, known) = (all_desired.remove(name), stack.known());
            let desired = match (desired, known) {
                (Some(desired), Some(known)) if self.declarations.is_held_by_another(known, &desired) => None,
                (None, Some(known)) => self.declarations.removal(known),
                (desired, _) => desired,
            };
            stack.declare(desired);
        }
    }

    fn hear(&mut self, signal: HostSignal) {
        let now = self.now;
        match signal {
            HostSignal::Engine(node) => {
                if let Some(news) = self.liveness.heard(now, &node) {
                    self.node_news(news);
                }
            }
            HostSignal::Machine(node) => self.liveness.machine_heard(now, &node),
            HostSignal::Missed(node, why) => self.liveness.missed(&node, &why),
            HostSignal::Listening => self.look_soon(),
            HostSignal::Container(stack) => {
                // What we do ourselves is looked into when it is done.
                if self.stacks.get(&stack).is_none_or(|stack| !stack.is_healing) {
                    self.look_soon();
                }
            }
            HostSignal::Record { kind, of } => self.recorded(&kind, &of),
        }
    }

    /// The ledger itself says that something was written.
    fn written(&mut self, what: &Written) {
        match what {
            Written::In(stream) => self.recorded(stream.kind.word(), &stream.of),
            Written::Perhaps => {
                self.list_at = self.now;
                self.look_soon();
            }
        }
    }

    /// Something was written into the ledger.
    fn recorded(&mut self, kind: &str, of: &str) {
        match kind {
            "releases" | "outcomes" | "settings" => {
                let mut known = false;
                for (name, stack) in &mut self.stacks {
                    if name.as_str().starts_with(of) {
                        stack.read_soon();
                        known |= name.as_str() == of;
                    }
                }
                if !known {
                    self.list_at = self.now;
                }
            }
            "nodes" => self.look_soon(),
            // Signs of life of deploys, ours among them.
            _ => {}
        }
    }

    fn node_news(&mut self, news: NodeNews) {
        match news {
            NodeNews::Lost { node, silent_ms, why } => {
                self.counts.nodes_lost += 1;
                // Its answers are not waited for any more.
                self.out.push(Command::MarkHostLost(node.clone()));
                self.look_afresh();
                self.say(ClusterEvent::NodeLost { node, silent_ms, why });
            }
            NodeNews::Back { node } => {
                // Its next loss is another one.
                self.fenced.remove(&node);
                self.look_soon();
                self.say(ClusterEvent::NodeBack { node });
            }
        }
        let is_cut_off = self.liveness.is_partitioned();
        if is_cut_off && !self.was_cut_off {
            self.say(ClusterEvent::CutOff);
        }
        self.was_cut_off = is_cut_off;
    }

    pub(super) fn ledger_failed(&mut self, why: String) {
        self.counts.ledger_failed += 1;
        if self.trouble.as_ref() != Some(&why) {
            self.trouble = Some(why.clone());
            self.say(ClusterEvent::LedgerTrouble { why });
        }
    }

    fn listed(&mut self, listed: Result<BTreeSet<StackName>, String>) {
        self.is_listing = false;
        match listed {
            Ok(names) => {
                (self.has_listed, self.list_failures) = (true, 0);
                for name in names.into_iter().filter(|name| self.setup.options.concerns(name)) {
                    self.stacks.entry(name).or_default().read_soon();
                }
            }
            Err(why) => {
                self.list_failures += 1;
                self.ledger_failed(why);
                self.list_at = self.now.plus_ms(ASK_AGAIN_MS);
            }
        }
    }

    fn known(&mut self, name: &StackName, known: Result<Box<StackRecord>, String>) {
        self.reading = self.reading.saturating_sub(1);
        let Some(stack) = self.stacks.get_mut(name) else { return };
        stack.is_being_read = false;
        match known {
            Ok(known) => {
                self.trouble = None;
                if stack.learn(self.now, *known) {
                    self.declare();
                    self.look_soon();
                }
            }
            Err(why) => {
                stack.could_not_be_read(self.now.plus_ms(ASK_AGAIN_MS));
                self.ledger_failed(why);
            }
        }
    }

    fn work_said(&mut self, at: Timestamp, news: ClusterEvent) {
        if let ClusterEvent::Acted(deed) = &news {
            self.counts.actions += 1;
            self.counts.actions_failed += u64::from(deed.failed.is_some());
        }
        self.counts.panics += u64::from(matches!(news, ClusterEvent::TaskPanicked { .. }));
        self.out.push(Command::Report(at, news));
    }

    fn worked(&mut self, name: &StackName, healed: Healed) {
        let now = self.now;
        let begun = self.working.remove(name).unwrap_or(now);
        let Some(stack) = self.stacks.get_mut(name) else { return };
        let took_ms = now.since_ms(begun);
        let is_release = matches!(stack.standing, StackStatus::Releasing { .. });
        let (well, badly) = if is_release {
            stack.standing = StackStatus::Unknown;
            (&mut self.counts.releases, &mut self.counts.releases_failed)
        } else {
            (&mut self.counts.heals, &mut self.counts.heals_failed)
        };
        // What came to nothing is no news; of a release its own end is logged, and here only what was wrong.
        let (failed, is_news) = match &healed {
            Healed::Done => {
                *well += 1;
                (None, !is_release)
            }
            Healed::Failed(why) => {
                *badly += 1;
                (Some(why.clone()), true)
            }
            Healed::Busy(_) | Healed::Outdated | Healed::Stopped => (None, false),
        };
        let nodes = self.roster.nodes.iter().chain(&self.roster.left).cloned();
        stack.after(now, is_release, healed, nodes);
        self.look_soon();
        if is_news {
            self.say(ClusterEvent::HealEnded { stack: name.clone(), failed, took_ms });
        }
    }

    /// What those outside see.
    pub(super) fn snapshot(&self, now: Timestamp) -> Snapshot {
        let (lost, silent) = (self.liveness.lost(), self.liveness.silent());
        let standing = |node: &NodeName| {
            let standing = match (lost.contains(node), silent.contains(node)) {
                (true, _) => NodeStatus::Lost,
                (false, true) => NodeStatus::Silent,
                (false, false) => NodeStatus::Up,
            };
            (node.clone(), standing)
        };
        Snapshot {
            is_leading: self.setup.may_write,
            is_standing_by: false,
            at: now,
            nodes: self.roster.nodes.iter().map(standing).collect(),
            stacks: self.stacks.iter().map(|(name, stack)| (name.clone(), stack.standing.clone())).collect(),
            repository_faults: self.declarations.faults(),
            is_ledger_failing: self.list_failures >= LEDGER_TRIES
                || self.stacks.values().any(Stack::cannot_be_read),
            counts: self.counts,
        }
    }
}
