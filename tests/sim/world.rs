//! A cluster in memory: what hosts do when actions reach them, in virtual time, with faults on demand.
//!
//! It is a second opinion, not a mirror: containers live by Docker's rules ([`crate::life`]), written apart from
//! the code under test. What is drawn here is only when something happens, and what goes wrong.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use stackctl::model::action::{Action, ActionId, Failure, FailureKind, Outcome, What};
use stackctl::model::node::{NodeView, Unreachable};
use stackctl::model::observed::ObservedNode;
use stackctl::model::spec::Healthcheck;
use stackctl::model::{
    NodeName, Observed, ServiceName, Slot, StackSpec, Task, TaskId, TaskStatus, Timestamp,
};
use stackctl::orchestrator::{Converger, Event, Plan, PlanOptions, Verdict, assign};

use crate::checks;
use crate::container::Container;
use crate::faults::{Faults, Luck};
use crate::life::{self, Effect};
use crate::probes;
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
        let killed_at = kill_after.map(|ms| self.now.plus_ms(ms));
        // A service of many tasks may wait for each in turn as long as for one that never gets healthy.
        let give_up = self.now.plus_ms(6 * 3_600_000);
        let mut converger = Converger::new(assign(&observed, spec, options));
        let mut looking = false;
        let mut inbox = VecDeque::new();
        let mut event = Event::Tick;
        loop {
            let step = converger.step(self.now, event);
            for action in step.actions {
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
            if converger.is_watching() && !looking {
                looking = true;
                self.at(250, Happening::Look { run });
            }
            event = loop {
                if let Some(event) = inbox.pop_front() {
                    break event;
                }
                let Some(((at, sequence), happening)) = self.queue.pop_first() else {
                    panic!("nothing is left to happen, and no verdict\n{}", self.trace.join("\n"));
                };
                if killed_at.is_some_and(|killed| at > killed) {
                    self.queue.insert((at, sequence), happening);
                    self.now = killed_at.unwrap_or(self.now);
                    self.say("stackctl is killed".into());
                    return RunEnd::Killed;
                }
                self.now = self.now.max(at);
                assert!(self.now < give_up, "no verdict within six hours\n{}", self.trace.join("\n"));
                if let Happening::Look { run: of } = happening {
                    looking = false;
                    if of == run {
                        inbox.extend(self.look(spec));
                        break Event::Tick;
                    }
                    continue;
                }
                if let Some(event) = self.happen(run, happening) {
                    break event;
                }
            };
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
                let id = action.id;
                if self.silent.contains(&action.node) {
                    let outcome = Outcome::Failed(silent());
                    self.at(self.faults.timeout_ms, Happening::Reply { run: of, id, outcome });
                    return None;
                }
                if of != run
                    && let Some(task) = action.what.task()
                {
                    // The late doing of a run that was killed.
                    self.unlucky.insert(task.id);
                }
                let outcome = self.carry_out(&action);
                checks::hosts(self);
                if self.luck.once_in(self.faults.lost_reply_in) {
                    // The reply is lost; the executor asks again, and the repeat must change nothing.
                    self.say(format!(
                        "reply lost, repeated: {} {}",
                        action.what.verb(),
                        action.what.object()
                    ));
                    let again = self.carry_out(&action);
                    checks::hosts(self);
                    self.at(500, Happening::Reply { run: of, id, outcome: again });
                } else {
                    let delay = self.luck.between(0, 20);
                    self.at(delay, Happening::Reply { run: of, id, outcome });
                }
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

    pub fn carry_out(&mut self, action: &Action) -> Outcome {
        let node = action.node.clone();
        match &action.what {
            What::CreateNetwork { network } => {
                let facts = self.facts(&node);
                facts.networks.insert(
                    network.name.clone(),
                    stackctl::model::node::ObservedNetwork {
                        id: network.name.clone(),
                        driver: "bridge".into(),
                        stack: Some(crate::builder::STACK.into()),
                        cluster: Some("test".into()),
                        spec_hash: Some(network.hash().to_string()),
                        key_id: None,
                    },
                );
                Outcome::Done
            }
            What::CreateVolume { volume } => {
                self.facts(&node).volumes.insert(volume.name.clone());
                Outcome::Done
            }
            What::RemoveNetwork { name } => {
                self.facts(&node).networks.remove(&**name);
                Outcome::Done
            }
            What::PullImage { image } => {
                if self.luck.once_in(self.faults.failed_pull_in) {
                    return Outcome::Failed(refused("the registry says no"));
                }
                self.facts(&node).images.insert(image.to_string());
                Outcome::Done
            }
            What::UpdateTask { task, update } => match self.container(&node, &task.id) {
                None => Outcome::Failed(refused("no such container")),
                Some(container) => {
                    update.to.apply(std::sync::Arc::make_mut(&mut container.task.spec));
                    Outcome::Done
                }
            },
            What::CreateTask { task } => {
                let containers = self.containers.get_mut(&node).expect("known node");
                if containers.contains_key(&task.id) {
                    return Outcome::Done;
                }
                let name = task.container_name();
                let names = containers.values().map(|other| (&*other.task.container, ()));
                if life::named(&name, names).is_some() {
                    return Outcome::Failed(refused("the container name is already in use"));
                }
                let container = Container::new(Task {
                    id: task.id.clone(),
                    stack: task.service.stack.clone(),
                    service: task.service.service.clone(),
                    slot: task.slot.clone(),
                    node: node.clone(),
                    attempt: task.attempt,
                    is_job: task.service.is_job,
                    spec_hash: task.service.spec_hash.clone(),
                    spec: task.service.spec.clone(),
                    key_id: None,
                    container: name,
                    status: TaskStatus::Created,
                    created_at: self.now,
                    since: None,
                    published: Vec::new(),
                });
                containers.insert(task.id.clone(), container);
                Outcome::Done
            }
            What::StartTask { task } => self.start(&node, &task.id),
            What::StartAgain { task } => self.start(&node, &task.id),
            What::StopTask { task, .. } => {
                let now = self.now;
                if let Some(container) = self.container(&node, &task.id) {
                    container.stop(now, life::TERMINATED);
                }
                Outcome::Done
            }
            What::RemoveTask { task } => {
                let containers = self.containers.get_mut(&node).expect("known node");
                let effect = containers.get(&task.id).map(|container| container.life.if_removed(false));
                if effect == Some(Effect::Refused) {
                    return Outcome::Failed(refused("it is running"));
                }
                containers.remove(&task.id);
                Outcome::Done
            }
        }
    }

    fn start(&mut self, node: &NodeName, id: &TaskId) -> Outcome {
        let Some(container) = self.containers[node].get(id) else {
            return Outcome::Failed(refused("no such container"));
        };
        match container.life.if_started() {
            Effect::Nothing => return Outcome::Started(container.task.status),
            Effect::Refused => return Outcome::Failed(refused("it is paused")),
            Effect::Changes => {}
        }
        let others = self.containers[node].values().filter(|other| other.task.id != *id);
        let taken = life::taken(&container.bindings(), others.map(|other| (&other.life, other.bindings())));
        if taken.is_some() {
            checks::port_taken(self, node, id);
            return Outcome::Failed(refused("port is already allocated"));
        }
        if self.luck.once_in(self.faults.failed_start_in) {
            return Outcome::Failed(refused("cannot start"));
        }
        let (now, has_check) = (self.now.0, self.check(node, id).is_some());
        let container = self.container(node, id).expect("it is about to run");
        container.lives(|life| life.start(now, has_check));
        Outcome::Started(self.begins(node, id))
    }

    fn check(&self, node: &NodeName, id: &TaskId) -> Option<Healthcheck> {
        let spec = &self.containers[node].get(id)?.task.spec;
        probes::effective(spec.healthcheck.as_ref(), self.image_checks.get(&spec.image))
    }

    /// A container runs: it may end well, if it is meant to, or crash, or never be well. How it stands at once.
    fn begins(&mut self, node: &NodeName, id: &TaskId) -> TaskStatus {
        let check = self.check(node, id);
        let task = &self.containers[node][id].task;
        let (status, is_job) = (task.status, task.is_job);
        let does = |what: &str| task.spec.image.ends_with(what);
        let (ends, is_bad, is_undecided) = (does(":ends"), does(":bad"), does(":undecided"));
        if ends {
            self.ends(node, id, 0, "has done all it does");
            return self.containers[node][id].task.status;
        }
        let (node_name, task) = (node.clone(), id.clone());
        if check.is_some() && is_undecided {
            self.say(format!("{id} on {node} will never make up its mind"));
        } else if let Some(check) = check {
            let first = probes::first_ms(&check);
            let delay = if self.is_quick { first } else { first + self.luck.between(200, 3_000) };
            let health = if is_bad { life::Health::Unhealthy } else { life::Health::Healthy };
            self.at(delay, Happening::Judged { node: node_name, task, health });
        } else if is_bad {
            let delay = self.luck.between(1, 1_500);
            self.at(delay, Happening::Crash { node: node_name, task, by_chance: false });
        }
        if is_job {
            let delay = self.luck.between(100, 5_000);
            self.at(delay, Happening::JobDone { node: node.clone(), task: id.clone() });
        }
        if self.luck.once_in(self.faults.crash_in) {
            let delay = self.luck.between(1, 4_000);
            self.at(delay, Happening::Crash { node: node.clone(), task: id.clone(), by_chance: true });
        }
        status
    }

    /// A program ends by itself. Whether there was one to end.
    fn ends(&mut self, node: &NodeName, id: &TaskId, code: i64, how: &str) -> bool {
        let now = self.now.0;
        let Some(container) = self.container(node, id) else { return false };
        if !container.lives(|life| life.end(now, code)) {
            return false;
        }
        let restarts_at = container.life.restarts_at();
        self.say(format!("{id} on {node} {how}"));
        if let Some(at) = restarts_at {
            // Never before the engine has waited; a busy host takes longer.
            let delay = self.luck.between(100, 2_000).max(at - now);
            self.at(delay, Happening::Restarted { node: node.clone(), task: id.clone() });
        }
        true
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
        facts.tasks = containers.values().map(|container| container.task.clone()).collect();
    }
}

fn refused(message: &str) -> Failure {
    Failure { kind: FailureKind::Refused, code: "sim::refused".into(), message: message.into(), help: None }
}

fn silent() -> Failure {
    Failure {
        kind: FailureKind::HostSilent,
        code: "sim::silent".into(),
        message: "no answer".into(),
        help: None,
    }
}
