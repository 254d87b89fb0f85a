//! How the commands of a supervisor are carried out: each that takes time is a task, and ends with one input.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::{Receiver, UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinError, JoinSet};
use tokio::time::timeout;

use super::event::ClusterEvent;
use super::heal::{LoopContext, heal};
use super::host_watcher::{self, HostReport, HostWatcher};
use super::leader::{Elected, Led, take_lead};
use super::records;
use super::release::release;
use super::supervisor::work::Healed;
use super::supervisor::{Command, Input, Look, Named, Roster, TakenOver, Unfenced};
use super::tasks::{self, Panicked, Tasks};
use crate::discover::Found;
use crate::engine::{ClusterReader, Pulse, node_records};
use crate::fleet::Fleet;
use crate::ledger::nodes::NodeRecords;
use crate::ledger::{ReadRegisters as _, Written};
use crate::model::{Member, NodeFacts, NodeName, Timestamp, Unreachable};
use crate::ops::declared::Declarations;
use crate::ops::log::Actor;
use crate::ops::node::fence::{self, Loss, NotFenced};

/// Of a task that broke off without an answer.
const BROKE_OFF: &str = "the task that was to do it broke off";

type Asked = Result<(Found, NodeRecords), String>;

/// Both ends of a channel: what is said by tasks, and heard by the shell.
type Channel<T> = (UnboundedSender<T>, UnboundedReceiver<T>);

/// What is under way, and where it is heard of.
#[derive(Debug)]
pub(super) struct Effects {
    context: Arc<LoopContext>,
    /// Of the loop's turns, for its lead.
    pulse: Pulse,
    /// What is heard before anything new is waited for.
    at_hand: VecDeque<Input>,
    lead: Option<Led>,
    /// Attempts to take it.
    pub(super) leads: JoinSet<Elected>,
    /// Other leaders that were seen meanwhile: the name of the lease, and who.
    pub(super) others: Channel<(String, String)>,
    host_watcher: Option<HostWatcher>,
    pub(super) hears: UnboundedReceiver<HostReport>,
    pub(super) written: Option<Receiver<Written>>,
    pub(super) declarations: Option<watch::Receiver<Declarations>>,
    pub(super) tasks: Tasks,
    look: Option<AbortHandle>,
    pub(super) asks: JoinSet<Asked>,
    /// What the sources named last.
    found: Option<Found>,
    stop_work: watch::Sender<bool>,
    pub(super) said: Channel<(Timestamp, ClusterEvent)>,
}

impl Effects {
    pub(super) fn new(context: Arc<LoopContext>) -> Self {
        Self {
            pulse: Pulse::new(context.clock),
            context,
            at_hand: VecDeque::new(),
            lead: None,
            leads: JoinSet::new(),
            others: unbounded_channel(),
            host_watcher: None,
            hears: unbounded_channel().1,
            written: None,
            declarations: None,
            tasks: Tasks::default(),
            look: None,
            asks: JoinSet::new(),
            found: None,
            stop_work: watch::Sender::new(false),
            said: unbounded_channel(),
        }
    }

    pub(super) fn now(&self) -> Timestamp {
        self.context.clock.now()
    }

    pub(super) fn carry_out(&mut self, command: Command) -> Option<Input> {
        let fleet = &self.context.fleet;
        match command {
            Command::TakeLead { patience_ms, after_ms } => {
                let (context, others) = (Arc::clone(&self.context), self.others.0.clone());
                self.leads.spawn(take_lead(context, patience_ms, after_ms, others, self.pulse.clone()));
            }
            Command::CancelLead => self.leads.abort_all(),
            Command::ReturnLead => self.return_lead(),
            Command::BeginTerm { hosts } => {
                let (heard, hears) = unbounded_channel();
                let mut host_watcher = HostWatcher::new(fleet.observer().non_blocking(), heard);
                hosts.iter().for_each(|node| host_watcher.listen(node));
                (self.host_watcher, self.hears) = (Some(host_watcher), hears);
                self.follow();
            }
            Command::EndTerm => self.end_term(),
            Command::WatchHost(node) => {
                self.host_watcher.iter_mut().for_each(|host_watcher| host_watcher.listen(&node))
            }
            Command::UnwatchHost(node) => {
                self.host_watcher.iter_mut().for_each(|host_watcher| host_watcher.leave(&node))
            }
            Command::MarkHostLost(node) => fleet.mark_lost(&node),
            Command::Look { limit_ms } => self.look(limit_ms),
            Command::AbortLook => self.look.iter().for_each(AbortHandle::abort),
            Command::ListStacks => self.list_stacks(),
            Command::ReadStack(stack) => {
                let context = Arc::clone(&self.context);
                let instead = Input::Read(stack.clone(), Err(BROKE_OFF.to_owned()));
                self.tasks.begin("reading the records of a stack", instead, async move {
                    let known = records::settled(&context, &stack).await;
                    Input::Read(stack, known.map(Box::new).map_err(|error| error.to_string()))
                });
            }
            Command::AskForHosts => self.ask_for_hosts(),
            Command::TakeOverHosts => return self.take_over_hosts(),
            Command::SetHostsUnknown(why) => fleet.set_unknown(Some(why)),
            Command::ForgetHost(node) => fleet.forget_left(&node),
            Command::RememberHosts(named) => {
                if let Some(writing) = self.context.writing.clone() {
                    tokio::spawn(async move { node_records::remember_found(&writing, &named).await.is_ok() });
                }
            }
            Command::Fence { node, seen, decided } => self.fence(node, seen, decided),
            Command::ClearFence(node) => self.clear_fence(node),
            Command::Heal(job) => {
                let (context, stack) = (Arc::clone(&self.context), job.stack.clone());
                let (stop, tell) = (self.stop_work.subscribe(), self.said.0.clone());
                self.tasks.begin("a heal", broke_off(&stack), async move {
                    Input::Worked(stack, heal(context, job, stop, tell).await)
                });
            }
            Command::Release(task) => {
                let (context, stack) = (Arc::clone(&self.context), task.stack.clone());
                let (stop, tell) = (self.stop_work.subscribe(), self.said.0.clone());
                self.tasks.begin("a release", broke_off(&stack), async move {
                    Input::Worked(stack, release(context, task, stop, tell).await)
                });
            }
            Command::StopWork => {
                self.stop_work.send_replace(true);
            }
            Command::Report(..) | Command::Done => {}
        }
        None
    }

    /// Listens for records and commits from now on; what repositories declare already counts as new.
    fn follow(&mut self) {
        self.written = self.context.reading.registers().listen();
        self.declarations = self.context.declarations.clone();
        if let Some(declarations) = &mut self.declarations {
            declarations.mark_changed();
        }
    }

    /// What is known already: the lead is gone, or what the work had to log before it ended.
    pub(super) fn at_hand(&mut self) -> Option<Input> {
        // Asked for once a turn.
        self.pulse.beat();
        if let Some(lead) = &mut self.lead
            && lead.is_lost()
        {
            return Some(Input::LeadLost);
        }
        self.at_hand.pop_front()
    }

    pub(super) fn ended(&mut self, (input, panicked): (Input, Option<Panicked>)) -> Input {
        // What it did is logged before its end.
        while let Ok((at, news)) = self.said.1.try_recv() {
            self.at_hand.push_back(Input::Said(at, news));
        }
        self.panicked(panicked);
        self.at_hand.push_back(input);
        self.at_hand.pop_front().unwrap_or(Input::Tick)
    }

    /// A fault of this program: counted, logged, and no reason to leave a stack alone.
    fn panicked(&mut self, panicked: Option<Panicked>) {
        let now = self.now();
        let said = panicked.map(|Panicked { task, why }| ClusterEvent::TaskPanicked { task, why });
        self.at_hand.extend(said.map(|news| Input::Said(now, news)));
    }

    /// What was heard of a host.
    pub(super) fn heard(&mut self, heard: HostReport) -> Input {
        match heard {
            HostReport::Panicked(node, why) => {
                let task = format!("listening to node {node}");
                Input::Said(self.now(), ClusterEvent::TaskPanicked { task, why })
            }
            heard => host_watcher::signal(heard).map_or(Input::Tick, Input::Host),
        }
    }

    pub(super) fn elected(&mut self, elected: Result<Elected, JoinError>) -> Input {
        // Whom it waited for is logged before it is the leader.
        while let Ok((id, leader)) = self.others.1.try_recv() {
            self.at_hand.push_back(Input::LeadElsewhere { id, leader });
        }
        self.at_hand.push_back(match elected {
            Ok(Elected::Leader(lead)) => {
                self.lead = Some(*lead);
                Input::LeadTaken
            }
            Ok(Elected::Refused) => Input::LeadRefused,
            Ok(Elected::Failed(why)) => Input::LeadFailed(why),
            Err(error) => {
                let panicked = tasks::panicked("taking the lead", error);
                Input::LeadFailed(panicked.map_or_else(|| BROKE_OFF.to_owned(), |panicked| panicked.why))
            }
        });
        self.at_hand.pop_front().unwrap_or(Input::Tick)
    }

    fn list_stacks(&mut self) {
        let (context, instead) = (Arc::clone(&self.context), Input::Listed(Err(BROKE_OFF.to_owned())));
        self.tasks.begin("reading the list of stacks", instead, async move {
            records::tend_nodes(&context).await;
            Input::Listed(context.reading.stacks().await.map_err(|error| error.to_string()))
        });
    }

    /// Ends with the term: a loop that lost the lead goes on with no fence.
    fn fence(&mut self, node: NodeName, seen: Option<Box<NodeFacts>>, decided: Timestamp) {
        let failed = |why: &str| Err(Unfenced::Failed(why.to_owned()));
        let (context, broke_off) = (Arc::clone(&self.context), failed(BROKE_OFF));
        let instead = Input::Fenced(node.clone(), broke_off);
        self.tasks.begin("fencing a host", instead, async move {
            let Some(writing) = &context.writing else {
                return Input::Fenced(node, failed("this loop writes nothing"));
            };
            let actor = Actor { me: context.me.clone(), clock: context.clock };
            let loss = Loss { node: &node, seen: seen.as_deref(), decided };
            let done = fence::fence(&context.fleet, writing, &actor, loss).await;
            let done = done.map_err(|error| match error {
                NotFenced::NotBegun(why) => Unfenced::NotBegun(why.to_string()),
                NotFenced::Failed(why) => Unfenced::Failed(why),
            });
            Input::Fenced(node, done)
        });
    }

    fn clear_fence(&self, node: NodeName) {
        if let Some(writing) = self.context.writing.clone() {
            tokio::spawn(async move { fence::clear(&writing, &node).await.is_ok() });
        }
    }

    fn return_lead(&mut self) {
        let lead = self.lead.take();
        self.tasks.begin("returning the lead", Input::LeadReturned, async move {
            if let Some(lead) = lead {
                lead.give_back().await;
            }
            Input::LeadReturned
        });
    }

    fn end_term(&mut self) {
        // Dropped: what is still under way is cut off, and nothing of it is heard.
        (self.tasks, self.asks) = (Tasks::default(), JoinSet::new());
        self.at_hand.clear();
        (self.host_watcher, self.hears) = (None, unbounded_channel().1);
        (self.written, self.declarations, self.look, self.found) = (None, None, None, None);
        (self.stop_work, self.said) = (watch::Sender::new(false), unbounded_channel());
    }

    fn look(&mut self, limit_ms: i64) {
        let context = Arc::clone(&self.context);
        let limit = Duration::from_millis(limit_ms.unsigned_abs()).saturating_mul(context.fleet.rounds());
        let handle = self.tasks.begin("a look at the hosts", Input::Looked(None), async move {
            let observer = context.fleet.observer().non_blocking();
            let cluster_reader =
                ClusterReader { observer: &observer, ledger: &context.reading, new_key: &context.me.new_key };
            let begun = context.clock.now();
            let look = timeout(limit, cluster_reader.observe_with_records(begun)).await.ok();
            Input::Looked(look.map(|(observed, records)| {
                let took_ms = context.clock.now().since_ms(begun);
                Box::new(Look { observed, records, took_ms })
            }))
        });
        self.look = Some(handle);
    }

    fn ask_for_hosts(&mut self) {
        let context = Arc::clone(&self.context);
        self.asks.spawn(async move {
            let Some(discovery) = &context.discovery else { return Err(BROKE_OFF.to_owned()) };
            let found = discovery.look().await.map_err(|error| error.to_string())?;
            let records = node_records::read(&context.reading).await.map_err(|error| error.to_string())?;
            Ok((found, records.1))
        });
    }

    pub(super) fn hosts_named(&mut self, asked: Result<Asked, JoinError>) -> Input {
        let asked = asked.unwrap_or_else(|error| {
            self.panicked(tasks::panicked("asking the sources of hosts", error));
            Err("the sources of hosts could not be asked".to_owned())
        });
        Input::HostsNamed(asked.map(|(found, records)| {
            let source = |member: &Member| member.found_by.clone().unwrap_or_default();
            let hosts = found.iter().map(|(name, entry)| (name.clone(), source(&entry.member))).collect();
            self.found = Some(found);
            Named { hosts, records }
        }))
    }

    fn take_over_hosts(&mut self) -> Option<Input> {
        let (now, found) = (self.now(), self.found.take()?);
        let fleet = &self.context.fleet;
        let moved = fleet.set_found(&found, |member| left_words(now, member));
        Some(Input::HostsTakenOver(TakenOver {
            joined: moved.joined,
            left: moved.left,
            is_news: moved.is_news,
            roster: roster(fleet),
        }))
    }
}

/// The members of a cluster as they are now.
pub(super) fn roster(fleet: &Fleet) -> Roster {
    Roster {
        nodes: fleet.nodes().into_iter().collect(),
        found: fleet.found(),
        left: fleet.left().into_iter().collect(),
        fences: fleet.fences().into_iter().collect(),
    }
}

/// What repositories say, once they say something else; never, where none is followed.
pub(super) async fn changed(declarations: &mut Option<watch::Receiver<Declarations>>) -> Declarations {
    if let Some(receiver) = declarations
        && receiver.changed().await.is_ok()
    {
        return receiver.borrow_and_update().clone();
    }
    std::future::pending().await
}

fn broke_off(stack: &crate::model::StackName) -> Input {
    Input::Worked(stack.clone(), Healed::Failed(BROKE_OFF.to_owned()))
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
