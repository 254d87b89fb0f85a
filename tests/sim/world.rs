//! A cluster in memory: what hosts do when actions reach them, in virtual time, with faults on demand.
//!
//! It is a second opinion, not a mirror: containers live by Docker's rules ([`crate::life`]), written apart from
//! the code under test. What is drawn here is only when something happens, and what goes wrong.

mod hosts;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use stackctl::model::action::{Action, ActionId, Failure, FailureKind, Outcome, What};
use stackctl::model::node::{NodeView, Unreachable};
use stackctl::model::observed::ObservedNode;
use stackctl::model::spec::Healthcheck;
use stackctl::model::{NodeName, Observed, ServiceName, Slot, StackSpec, Task, TaskId, Timestamp};
use stackctl::orchestrator::{Converger, Event, Plan, PlanOptions, Verdict, assign};

use crate::checks;
use crate::container::Container;
use crate::faults::{Faults, Luck};
use crate::life;
use crate::watch::Watch;

/// The cluster and its clock.
pub struct World {
    pub now: Timestamp,
    pub base: Observed,
    pub containers: BTreeMap<NodeName, BTreeMap<TaskId, Container>>,
    pub silent: BTreeSet<NodeName>,
    /// Silent when the last plan was made, and planned without: what runs there is not its doing.
    pub excused: BTreeSet<NodeName>,
    /// Slots that had a running task when the last plan was made, and which.
    pub up_at_start: BTreeMap<(ServiceName, Slot), BTreeSet<TaskId>>,
    /// Silent, and the present run has been told so.
    pub told_silent: BTreeSet<NodeName>,
    /// Slots the present run has started an old task again in.
    pub gone_back: BTreeSet<(ServiceName, Slot)>,
    /// Services the present run has started tasks of.
    pub started: BTreeSet<ServiceName>,
    /// Tasks that fell by chance, not because of what they are.
    pub unlucky: BTreeSet<TaskId>,
    /// Given up by the last plan: nothing may be done there.
    pub lost: BTreeSet<NodeName>,
    /// Whether the last look at a silent host is kept.
    pub remembers: bool,
    /// What the present run has done so far, for what must hold between its actions.
    pub watch: Watch,
    pub luck: Luck,
    pub faults: Faults,
    /// Health checks that images bring, by image.
    pub image_checks: BTreeMap<String, Healthcheck>,
    /// Hosts answer at once: what a run takes are its own waits.
    pub is_quick: bool,
    /// What will happen, by time and order of scheduling.
    queue: BTreeMap<(Timestamp, u64), Happening>,
    sequence: u64,
    /// Every line of what happened: equal seeds have equal traces.
    pub trace: Vec<String>,
}

#[derive(Debug, Clone)]
enum Happening {
    /// An action takes effect on its host, and its reply is on the way unless lost.
    Effect {
        run: u64,
        action: Action,
    },
    Reply {
        run: u64,
        id: ActionId,
        outcome: Outcome,
    },
    Crash {
        node: NodeName,
        task: TaskId,
        by_chance: bool,
    },
    /// A health check makes up its mind.
    Judged {
        node: NodeName,
        task: TaskId,
        health: life::Health,
    },
    Restarted {
        node: NodeName,
        task: TaskId,
    },
    JobDone {
        node: NodeName,
        task: TaskId,
    },
    Silent {
        node: NodeName,
    },
    Back {
        node: NodeName,
    },
    Wake {
        run: u64,
    },
    Look {
        run: u64,
    },
}

/// How one run of stackctl came to its end.
#[derive(Debug)]
pub enum RunEnd {
    Verdict(Verdict),
    /// It was killed: nothing more was sent; what was sent may still take effect.
    Killed,
    /// The plan had problems.
    Refused,
}

/// What a run waits for.
struct Wait {
    inbox: VecDeque<Event>,
    is_looking: bool,
    killed_at: Option<Timestamp>,
    give_up: Timestamp,
}

impl World {
    pub fn new(base: Observed, seed: u64, faults: Faults) -> Self {
        Self {
            now: Timestamp(1_000_000),
            containers: base.nodes.keys().map(|name| (name.clone(), BTreeMap::new())).collect(),
            base,
            silent: BTreeSet::new(),
            excused: BTreeSet::new(),
            up_at_start: BTreeMap::new(),
            told_silent: BTreeSet::new(),
            gone_back: BTreeSet::new(),
            started: BTreeSet::new(),
            unlucky: BTreeSet::new(),
            lost: BTreeSet::new(),
            remembers: false,
            watch: Watch::default(),
            luck: Luck::new(seed),
            faults,
            image_checks: BTreeMap::new(),
            is_quick: false,
            queue: BTreeMap::new(),
            sequence: 0,
            trace: Vec::new(),
        }
    }

    /// What a look at every host finds.
    ///
    /// Of a host that is given up it may be the last look: containers there go on unseen, but the fake ones
    /// do nothing by themselves that would matter.
    pub fn observe(&self) -> Observed {
        let mut observed = self.base.clone();
        observed.at = self.now;
        for (name, node) in &mut observed.nodes {
            if self.silent.contains(name) && !(self.remembers && self.lost.contains(name)) {
                node.view = NodeView::Unreachable(Unreachable {
                    since: self.now,
                    code: "stackctl::ssh::unreachable".into(),
                    reason: "no answer".into(),
                    help: None,
                });
                continue;
            }
            fill(node, &self.containers[name]);
        }
        observed
    }

    fn at(&mut self, delay_ms: i64, happening: Happening) {
        self.sequence += 1;
        self.queue.insert((self.now.plus_ms(delay_ms), self.sequence), happening);
    }

    fn say(&mut self, line: String) {
        self.trace.push(format!("{} {line}", self.now.0));
    }

    /// One run of stackctl: plan, then converge. `kill_after` ends it after so many milliseconds.
    pub fn deploy(&mut self, spec: &StackSpec, options: PlanOptions, kill_after: Option<i64>) -> RunEnd {
        let run = self.begins_run(&options);
        let observed = self.observe();
        let plan = Plan::make(&observed, spec, options.clone());
        if !plan.problems.is_empty() {
            self.say(format!(
                "refused: {:?}",
                plan.problems.iter().map(ToString::to_string).collect::<Vec<_>>()
            ));
            return RunEnd::Refused;
        }
        self.watch = Watch::of(&plan, &observed, spec, &options);
        let begun = self.now;
        let mut wait = Wait {
            inbox: VecDeque::new(),
            is_looking: false,
            killed_at: kill_after.map(|ms| self.now.plus_ms(ms)),
            // A service of many tasks may wait for each in turn as long as for one that never gets healthy.
            give_up: self.now.plus_ms(6 * 3_600_000),
        };
        let mut converger = Converger::new(assign(&observed, spec, options));
        let mut event = Event::Tick;
        loop {
            let step = converger.step(self.now, event);
            for action in step.actions {
                self.sends(run, action, spec);
            }
            for notice in &step.notices {
                self.say(format!("! {notice}"));
            }
            if let Some(verdict) = step.verdict {
                self.say(format!("verdict {:?}", verdict.ending));
                checks::ended(self, &verdict, spec);
                checks::took_as_long_as_was_said(self, &verdict, begun, &plan.forecast);
                if let Err(what) = self.watch.ended(&verdict, spec) {
                    checks::fail(self, &what);
                }
                return RunEnd::Verdict(verdict);
            }
            if let Some(at) = step.wake_at {
                self.at(at.since_ms(self.now).max(0), Happening::Wake { run });
            }
            if converger.is_watching() && !wait.is_looking {
                wait.is_looking = true;
                self.at(250, Happening::Look { run });
            }
            let Some(next) = self.next_event(run, &mut wait, spec) else { return RunEnd::Killed };
            event = next;
        }
    }

    /// A run of stackctl begins: what was before counts no more.
    fn begins_run(&mut self, options: &PlanOptions) -> u64 {
        self.sequence += 1;
        let run = self.sequence;
        self.excused = self.silent.clone();
        let mut up: BTreeMap<_, BTreeSet<TaskId>> = BTreeMap::new();
        for task in self.tasks().filter(|task| task.status.is_up()) {
            up.entry((task.service.clone(), task.slot.clone())).or_default().insert(task.id.clone());
        }
        self.up_at_start = up;
        self.told_silent.clear();
        self.gone_back.clear();
        self.started.clear();
        self.unlucky.clear();
        self.lost.clone_from(&options.lost);
        run
    }

    /// An action of the run is sent.
    fn sends(&mut self, run: u64, action: Action, spec: &StackSpec) {
        checks::action_allowed(self, &action, spec);
        if let Err(what) = self.watch.sent(self.now, &action, spec, self.told_silent.is_empty()) {
            checks::fail(self, &what);
        }
        if let What::StartTask { task } = &action.what {
            self.started.insert(task.service.service.clone());
        }
        if let What::StartAgain { task } = &action.what {
            self.gone_back.insert((task.service.clone(), task.slot.clone()));
        }
        self.say(format!(
            "> {} {} on {} ({})",
            action.what.verb(),
            action.what.object(),
            action.node,
            action.why
        ));
        let delay = match &action.what {
            _ if self.is_quick => 0,
            What::PullImage { .. } => {
                self.luck.between(50, if self.faults.slow_pulls { 60_000 } else { 500 })
            }
            What::StopTask { .. } => self.luck.between(10, 3_000),
            _ => self.luck.between(1, 50),
        };
        self.at(delay, Happening::Effect { run, action });
    }

    /// What the run hears next; `None` if it is killed before.
    fn next_event(&mut self, run: u64, wait: &mut Wait, spec: &StackSpec) -> Option<Event> {
        loop {
            if let Some(event) = wait.inbox.pop_front() {
                return Some(event);
            }
            let Some(((at, sequence), happening)) = self.queue.pop_first() else {
                panic!("nothing is left to happen, and no verdict\n{}", self.trace.join("\n"));
            };
            if wait.killed_at.is_some_and(|killed| at > killed) {
                self.queue.insert((at, sequence), happening);
                self.now = wait.killed_at.unwrap_or(self.now);
                self.say("stackctl is killed".into());
                return None;
            }
            self.now = self.now.max(at);
            assert!(self.now < wait.give_up, "no verdict within six hours\n{}", self.trace.join("\n"));
            if let Happening::Look { run: of } = happening {
                wait.is_looking = false;
                if of == run {
                    let seen = self.look(spec);
                    wait.inbox.extend(seen);
                    return Some(Event::Tick);
                }
                continue;
            }
            if let Some(event) = self.happen(run, happening) {
                return Some(event);
            }
        }
    }

    /// Lets what is on its way arrive, with nobody steering.
    pub fn settle(&mut self, for_ms: i64) {
        let until = self.now.plus_ms(for_ms);
        while let Some(entry) = self.queue.first_entry() {
            if entry.key().0 > until {
                break;
            }
            let ((at, _), happening) = entry.remove_entry();
            self.now = self.now.max(at);
            self.happen(u64::MAX, happening);
        }
        self.now = until;
    }

    /// Something happens; an event if the present run hears of it.
    fn happen(&mut self, run: u64, happening: Happening) -> Option<Event> {
        match happening {
            Happening::Effect { run: of, action } => {
                self.takes_effect(run, of, &action);
                None
            }
            Happening::Reply { run: of, id, outcome } => {
                (of == run).then_some(Event::ActionDone { id, outcome })
            }
            Happening::Wake { run: of } => (of == run).then_some(Event::Tick),
            Happening::Look { .. } => None,
            Happening::Crash { node, task, by_chance } => {
                if by_chance {
                    self.unlucky.insert(task.clone());
                }
                let fell = self.ends(&node, &task, 1, "crashes") && !self.silent.contains(&node);
                fell.then_some(Event::TaskExited { task, exit_code: 1 })
            }
            Happening::Judged { node, task, health } => {
                if let Some(container) = self.container(&node, &task)
                    && container.lives(|life| life.judge(health))
                {
                    self.say(format!("{task} on {node} is {health:?}"));
                }
                None
            }
            Happening::Restarted { node, task } => {
                let now = self.now.0;
                if let Some(container) = self.container(&node, &task)
                    && container.lives(|life| life.restart(now))
                {
                    self.say(format!("{task} on {node} is restarted by its engine"));
                    self.begins(&node, &task);
                }
                None
            }
            Happening::JobDone { node, task } => {
                self.ends(&node, &task, 0, "completes");
                None
            }
            Happening::Silent { node } => {
                self.say(format!("{node} goes silent"));
                self.silent.insert(node.clone());
                self.told_silent.insert(node.clone());
                Some(Event::NodeSilent {
                    node,
                    why: Unreachable {
                        since: self.now,
                        code: "stackctl::ssh::unreachable".into(),
                        reason: "no answer".into(),
                        help: None,
                    },
                })
            }
            Happening::Back { node } => {
                self.say(format!("{node} is back"));
                self.silent.remove(&node);
                None
            }
        }
    }

    /// An action of the run `of` arrives at its host.
    fn takes_effect(&mut self, run: u64, of: u64, action: &Action) {
        let id = action.id;
        if self.silent.contains(&action.node) {
            let outcome = Outcome::Failed(silent());
            self.at(self.faults.timeout_ms, Happening::Reply { run: of, id, outcome });
            return;
        }
        if of != run
            && let Some(task) = action.what.task()
        {
            // The late doing of a run that was killed.
            self.unlucky.insert(task.id);
        }
        let outcome = self.carry_out(action);
        checks::hosts(self);
        if self.luck.once_in(self.faults.lost_reply_in) {
            // The reply is lost; the executor asks again, and the repeat must change nothing.
            self.say(format!("reply lost, repeated: {} {}", action.what.verb(), action.what.object()));
            let again = self.carry_out(action);
            checks::hosts(self);
            self.at(500, Happening::Reply { run: of, id, outcome: again });
        } else {
            let delay = self.luck.between(0, 20);
            self.at(delay, Happening::Reply { run: of, id, outcome });
        }
    }

    fn container(&mut self, node: &NodeName, task: &TaskId) -> Option<&mut Container> {
        self.containers.get_mut(node)?.get_mut(task)
    }

    /// What one look at the hosts tells of the stack's tasks.
    fn look(&mut self, spec: &StackSpec) -> Vec<Event> {
        let mut events = Vec::new();
        for (node, containers) in &self.containers {
            if self.silent.contains(node) {
                continue;
            }
            for (id, container) in containers.iter().filter(|(_, c)| c.task.stack == spec.name) {
                events.push(Event::TaskSeen {
                    node: node.clone(),
                    task: id.clone(),
                    status: Some(container.task.status),
                });
            }
        }
        events
    }

    /// A host goes silent after a while, and comes back after another.
    pub fn schedule_silence(&mut self, node: &NodeName, after_ms: i64, for_ms: i64) {
        self.at(after_ms, Happening::Silent { node: node.clone() });
        self.at(after_ms + for_ms, Happening::Back { node: node.clone() });
    }

    fn facts(&mut self, node: &NodeName) -> &mut stackctl::model::NodeFacts {
        match &mut self.base.nodes.get_mut(node).expect("known node").view {
            NodeView::Facts(facts) => facts,
            NodeView::Unreachable(_) => panic!("the base world has no silent nodes"),
        }
    }

    /// Live tasks of a service.
    pub fn live(&self, service: &str) -> usize {
        self.tasks().filter(|task| task.service.as_str() == service && task.is_live()).count()
    }

    pub fn tasks(&self) -> impl Iterator<Item = &Task> {
        self.containers.values().flat_map(|containers| containers.values().map(|c| &c.task))
    }
}

fn fill(node: &mut ObservedNode, containers: &BTreeMap<TaskId, Container>) {
    if let NodeView::Facts(facts) = &mut node.view {
        facts.tasks = containers.values().map(Container::as_it_is).collect();
    }
}

fn silent() -> Failure {
    Failure {
        kind: FailureKind::HostSilent,
        code: "sim::silent".into(),
        message: "no answer".into(),
        help: None,
    }
}
