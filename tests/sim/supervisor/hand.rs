//! The world as one supervisor acts through it: each command begins something in the simulated world.

use std::collections::BTreeSet;

use stackctl::model::{NodeName, StackName, Timestamp};
use stackctl::reconcile::supervisor::event::{ClusterEvent, Snapshot};
use stackctl::reconcile::supervisor::{self, Command, Input, Named, Roster, TakenOver};

use super::rules;
use super::world::{Controller, Happening, SOURCE, Silence, Sim};

/// Work that is to stop is given so long.
const STOP_LIMIT_MS: i64 = 60_000;

/// The world as one supervisor acts through it.
pub struct Hand<'a> {
    pub sim: &'a mut Sim,
    pub who: usize,
}

impl Hand<'_> {
    fn one(&mut self) -> &mut Controller {
        &mut self.sim.controllers[self.who]
    }

    fn count(&mut self, name: &'static str) {
        *self.one().calls.entry(name).or_default() += 1;
    }

    fn begin_term(&mut self, hosts: Vec<NodeName>) {
        let one = self.one();
        one.term += 1;
        one.is_in_term = true;
        one.is_work_stopped = false;
        one.watched.clear();
        let (who, now) = (self.who, self.sim.now);
        self.sim.rules.term_begins(who, now);
        for node in hosts {
            self.watch(node);
        }
        if let Some(declarations) = self.sim.declarations.clone() {
            self.sim.hear_later(1, who, Input::Declared(declarations));
        }
    }

    fn end_term(&mut self) {
        self.cuts_nothing_off();
        let who = self.who;
        let one = self.one();
        one.is_in_term = false;
        one.look = None;
        one.watched.clear();
        let life = one.life;
        self.sim.works.retain(|_, work| work.owner != Some((who, life)));
    }

    fn read(&mut self, stack: StackName) {
        self.count("read");
        let (who, now) = (self.who, self.sim.now);
        let known = self.sim.ledger.known(&stack).map(Box::new).map_err(|error| error.to_string());
        self.sim.rules.reads(who, now, &stack, known.as_deref().ok());
        let delay_ms = self.sim.luck.between(5, 60);
        self.sim.hear_later(delay_ms, who, Input::Read(stack, known));
    }

    fn watch(&mut self, node: NodeName) {
        let (who, now) = (self.who, self.sim.now);
        self.one().watched.insert(node.clone());
        self.sim.rules.heard(who, now, &node);
        let Controller { life, term, .. } = *self.one();
        let delay_ms = self.sim.luck.between(0, 50);
        self.sim.at(delay_ms, Happening::Probe { who, life, term, node });
    }

    fn look(&mut self, limit_ms: i64) {
        let who = self.who;
        let one = self.one();
        one.looks += 1;
        let (look, life) = (one.looks, one.life);
        one.look = Some(look);
        let members: Vec<NodeName> = one.roster.nodes.difference(&one.severed).cloned().collect();
        let hangs = members
            .iter()
            .any(|node| matches!(self.sim.silence(Some(who), node), Some(Silence::Hangs | Silence::Engine)));
        let took_ms = if hangs { limit_ms } else { self.sim.luck.between(5, 60) };
        let begun = self.sim.now;
        self.sim.at(took_ms, Happening::LookEnds { who, life, look, begun, is_late: hangs });
    }

    /// Work is given time to come to a stop.
    fn cuts_nothing_off(&mut self) {
        let (who, now) = (self.who, self.sim.now);
        let Controller { life, stopped_at, .. } = *self.one();
        let is_at_work = self.sim.works.values().any(|work| work.owner == Some((who, life)));
        if is_at_work && stopped_at.is_none_or(|at| now.since_ms(at) < STOP_LIMIT_MS) {
            self.sim.fail(&format!("c{who} cuts its work off"));
        }
    }

    fn take_over(&mut self) -> Option<Input> {
        let found = self.one().found.take()?;
        let who = self.who;
        let before = self.one().roster.clone();
        let named = self.sim.named();
        let joined: Vec<NodeName> = found.difference(&before.nodes).cloned().collect();
        let left: Vec<NodeName> =
            before.nodes.iter().filter(|n| !named.contains(*n) && !found.contains(*n)).cloned().collect();
        let mut roster = Roster {
            nodes: named.union(&found).cloned().collect(),
            found: found.iter().map(|node| (node.clone(), SOURCE.to_owned())).collect(),
            left: before.left,
            fences: before.fences,
        };
        roster.left.extend(left.iter().cloned());
        roster.left.retain(|node| !joined.contains(node));
        rules::taken_over(self.sim, who, &found);
        let is_news = !joined.is_empty() || !left.is_empty() || self.one().unknown.take().is_some();
        self.one().roster = roster.clone();
        let now = self.sim.now;
        self.sim.rules.left(who, now, &left);
        Some(Input::HostsTakenOver(TakenOver { joined, left, is_news, roster }))
    }

    fn ask_for_hosts(&mut self) {
        let is_down = self.sim.is_source_down;
        let found: BTreeSet<NodeName> = self.sim.discovered.clone();
        let answer = match self.sim.ledger.nodes() {
            _ if is_down => Err("the source is silent".to_owned()),
            Err(why) => Err(why),
            Ok(records) => {
                let hosts = found.iter().map(|node| (node.clone(), SOURCE.to_owned())).collect();
                Ok(Named { hosts, records })
            }
        };
        self.one().found = Some(found);
        let delay_ms = self.sim.luck.between(10, 300);
        self.sim.hear_later(delay_ms, self.who, Input::HostsNamed(answer));
    }

    fn log(&mut self, at: Timestamp, news: ClusterEvent) {
        let who = self.who;
        self.sim.say(|| format!("c{who}: {}", serde_json::json!(news)));
        self.one().news.push((at, news));
    }
}

impl supervisor::World for Hand<'_> {
    fn now(&self) -> Timestamp {
        self.sim.now
    }

    fn show(&mut self, snapshot: Snapshot) {
        self.sim.rules.shown(self.who, &snapshot);
        self.one().snapshot = snapshot;
    }

    fn carry_out(&mut self, command: Command) -> Option<Input> {
        let who = self.who;
        match command {
            Command::TakeLead { patience_ms, after_ms } => {
                let one = self.one();
                one.attempt += 1;
                (one.patience_ms, one.sight) = (patience_ms, None);
                let (life, attempt) = (one.life, one.attempt);
                self.sim.at(after_ms + 1, Happening::Elect { who, life, attempt });
            }
            Command::CancelLead => self.one().attempt += 1,
            Command::ReturnLead => {
                if let Some(lease) = self.one().lead.take() {
                    self.sim.ledger.give_back(&lease);
                }
                let life = self.one().life;
                self.sim.at(5, Happening::Hear { who, life, term: None, input: Input::LeadReturned });
            }
            Command::BeginTerm { hosts } => self.begin_term(hosts),
            Command::EndTerm => self.end_term(),
            Command::WatchHost(node) => self.watch(node),
            Command::UnwatchHost(node) => drop(self.one().watched.remove(&node)),
            Command::MarkHostLost(node) => drop(self.one().severed.insert(node)),
            Command::Look { limit_ms } => {
                self.count("look");
                self.look(limit_ms);
            }
            Command::AbortLook => {
                if self.one().look.take().is_some() {
                    self.sim.hear_later(1, who, Input::Looked(None));
                }
            }
            Command::ListStacks => {
                self.count("list");
                let stacks = self.sim.ledger.stacks();
                let delay_ms = self.sim.luck.between(5, 60);
                self.sim.hear_later(delay_ms, who, Input::Listed(stacks));
            }
            Command::ReadStack(stack) => self.read(stack),
            Command::AskForHosts => self.ask_for_hosts(),
            Command::TakeOverHosts => return self.take_over(),
            Command::SetHostsUnknown(why) => self.one().unknown = Some(why),
            Command::ForgetHost(node) => drop(self.one().roster.left.remove(&node)),
            Command::RememberHosts(named) => {
                self.sim.ledger.remember(&named);
                self.sim.written("nodes", "cluster");
            }
            // No host of the simulator has a fence.
            Command::Fence { .. } | Command::ClearFence(_) => {}
            Command::Heal(job) => {
                self.count("heal");
                rules::healing(self.sim, who, &job);
                self.sim.begin_heal(who, job);
            }
            Command::Release(task) => {
                self.count("release");
                rules::releasing(self.sim, who, &task);
                self.sim.begin_release(who, task);
            }
            Command::StopWork => {
                let now = self.sim.now;
                let one = self.one();
                (one.is_work_stopped, one.stopped_at) = (true, Some(now));
            }
            Command::Report(at, news) => self.log(at, news),
            Command::Done => {}
        }
        None
    }
}
