//! The loop that keeps every stack of the ledger as it was declared.
//!
//! ```text
//! probes, events of engines ─▶ Watch ─▶ one look at all hosts ─▶ each stack: as declared?
//! (senses)                       │                                  │ no, and nothing speaks against it
//!      ledger ─▶ what each stack │                                  ▼
//!                should be (known)                      heal: its lease, plan, engine::run
//! ```
//!
//! Decides little itself: which node is lost is [`Liveness`], which slot is left alone is
//! [`Upkeep`](crate::orchestrator::Upkeep), what is to be done is the same plan a deploy makes. What it does
//! is under the lease of the stack, so that it never works beside a person; of several loops one has the lead.
//!
//! Nothing waits for a host that is silent: looks are given up when one of their hosts is lost, and
//! everything that is asked meanwhile is told so at once.

pub mod declared;
mod heal;
mod hosts;
mod known;
mod lead;
pub mod news;
pub mod once;
mod release;
pub(super) mod senses;
mod stack;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::Lookout;
use super::lease::Validity;
use crate::fleet::Sign;
use crate::fleet::events::Happening;
use crate::ledger::nodes::NodeRecords;
use crate::ledger::{LedgerError, ReadRegisters as _, Written};
use crate::model::{NodeFacts, NodeName, Observed, StackName, Timestamp};
use crate::orchestrator::{Liveness, NodeNews, PlanOptions};

pub use declared::Declarations;
pub use heal::{Hands, reason};
pub use news::{Counts, Deed, News, NodeStanding, Snapshot, Standing};

use heal::{Healed, heal};
use hosts::Hosts;
use known::Known;
use lead::take_lead;
use senses::{Heard, Senses};
use stack::{Judgement, Stack};

/// What happened is looked into after this long: several things often happen together.
const SETTLE_MS: i64 = 150;
/// A look in which some host does not answer is given up after this long, and begun anew.
const LOOK_LIMIT: Duration = Duration::from_secs(20);
/// Between two turns without anything heard.
const TURN: Duration = Duration::from_millis(500);
/// After a question that the ledger did not answer.
const ASK_AGAIN_MS: i64 = 2_000;
/// Stacks that are worked on at a time: more only queue at the engines.
const HEALS_MAX: usize = 8;
/// Stacks whose records are read at a time.
const READS_MAX: usize = 8;
/// What is under way when the loop is told to stop is finished, within this.
const STOP_LIMIT: Duration = Duration::from_secs(60);

/// What to do about a stack that is not as declared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Policy {
    /// Bring it back.
    Heal,
    /// Say so. Such a loop writes nothing anywhere.
    Report,
}

/// How a loop is to go.
#[derive(Debug, Clone)]
pub struct Options {
    /// What to do about drift.
    pub policy: Policy,
    /// From one full look to the next, in milliseconds, if nothing happens.
    pub interval_ms: i64,
    /// From one reading of all that is remembered to the next, in milliseconds, whatever was heard: engines
    /// tell of records that are written, and a directory does not.
    pub records_ms: i64,
    /// From one question for hosts to the next, in milliseconds, where they are discovered.
    pub discover_ms: i64,
    /// How long a node may be silent before it counts as lost, in milliseconds.
    pub patience_ms: i64,
    /// Only these stacks; all if there is none.
    pub only: BTreeSet<StackName>,
    /// The choices of plans.
    pub plan: PlanOptions,
    /// End once every stack was looked at and whatever could be done is done.
    pub once: bool,
}

/// Goes round until it is told to stop. What happens is told to `tell`, and shown to whoever holds the other
/// end of `show`.
pub async fn reconcile(
    hands: Hands,
    options: Options,
    stop: impl Future<Output = ()>,
    show: watch::Sender<Snapshot>,
    mut tell: impl FnMut(Timestamp, &News),
) -> Snapshot {
    let hands = Arc::new(hands);
    let (news, mut heard) = unbounded_channel();
    let (stopping, stopped) = watch::channel(false);
    let mut round = std::pin::pin!(rounds(Arc::clone(&hands), options, &show, stopped, news));
    let mut stop = std::pin::pin!(stop);
    let mut is_stopping = false;
    loop {
        tokio::select! {
            // What was said before the end is told before it.
            biased;
            Some((at, what)) = heard.recv() => tell(at, &what),
            () = &mut stop, if !is_stopping => {
                is_stopping = true;
                tell(hands.clock.now(), &News::Stopping);
                let _nobody_waits = stopping.send(true);
            }
            () = &mut round => break,
        }
    }
    while let Ok((at, what)) = heard.try_recv() {
        tell(at, &what);
    }
    show.borrow().clone()
}

type Tell = UnboundedSender<(Timestamp, News)>;

/// Takes the lead and keeps it as long as it can, again and again.
async fn rounds(
    hands: Arc<Hands>,
    options: Options,
    show: &watch::Sender<Snapshot>,
    mut stopped: watch::Receiver<bool>,
    tell: Tell,
) {
    while !*stopped.borrow() {
        let lead = match &hands.writing {
            None => None,
            Some(writing) => {
                let lead = tokio::select! {
                    lead = take_lead(&hands, writing, options.once, show, &tell) => lead,
                    _ = stopped.wait_for(|stop| *stop) => return,
                };
                let Some(lead) = lead else { return };
                show.send_modify(|snapshot| snapshot.is_standing_by = false);
                say(&hands, &tell, News::Leading);
                Some(lead)
            }
        };
        let validity = lead.as_ref().map_or_else(Validity::always, |lead| lead.validity().clone());
        let mut watch = Watch::new(Arc::clone(&hands), options.clone(), tell.clone());
        watch.run(show, &mut stopped, &validity).await;
        show.send_modify(|snapshot| snapshot.is_leading = false);
        if let Some(lead) = lead {
            if !validity.is_valid() {
                say(&hands, &tell, News::LeadLost);
            }
            // If this does not get through, the lead ends by itself.
            let _ends_by_itself = lead.release().await;
        }
        if options.once {
            return;
        }
    }
}

fn say(hands: &Hands, tell: &Tell, news: News) {
    let _nobody_listens = tell.send((hands.clock.now(), news));
}

/// What repositories say, once they say something else; never, where none is followed.
async fn changed(declarations: &mut Option<watch::Receiver<Declarations>>) -> Declarations {
    if let Some(receiver) = declarations
        && receiver.changed().await.is_ok()
    {
        return receiver.borrow_and_update().clone();
    }
    std::future::pending().await
}

/// All that a loop knows while it has the lead.
struct Watch {
    hands: Arc<Hands>,
    options: Options,
    tell: Tell,
    liveness: Liveness,
    senses: Senses,
    hears: UnboundedReceiver<Heard>,
    hosts: Hosts,
    stacks: BTreeMap<StackName, Stack>,
    /// What was last seen of each node that answered.
    last_seen: Arc<BTreeMap<NodeName, NodeFacts>>,
    looks: JoinSet<Option<(Observed, NodeRecords, i64)>>,
    look_at: Timestamp,
    has_looked: bool,
    /// The names of all stacks.
    lists: JoinSet<Result<BTreeSet<StackName>, LedgerError>>,
    list_at: Timestamp,
    has_listed: bool,
    reads: JoinSet<(StackName, Result<Known, LedgerError>)>,
    heals: JoinSet<(StackName, Timestamp, Healed)>,
    declarations: Declarations,
    heal_news: (Tell, UnboundedReceiver<(Timestamp, News)>),
    stopped: watch::Sender<bool>,
    trouble: Option<String>,
    was_cut_off: bool,
    counts: Counts,
}

impl Watch {
    fn new(hands: Arc<Hands>, options: Options, tell: Tell) -> Self {
        let now = hands.clock.now();
        let nodes = hands.fleet.nodes();
        let (heard, hears) = unbounded_channel();
        let mut senses = Senses::new(hands.fleet.observer().brisk(), heard);
        nodes.iter().for_each(|node| senses.listen(node));
        Self {
            liveness: Liveness::new(nodes, options.patience_ms, now),
            senses,
            hears,
            hosts: Hosts::new(&hands, now),
            hands,
            options,
            tell,
            stacks: BTreeMap::new(),
            last_seen: Arc::default(),
            looks: JoinSet::new(),
            look_at: now,
            has_looked: false,
            lists: JoinSet::new(),
            list_at: now,
            has_listed: false,
            reads: JoinSet::new(),
            heals: JoinSet::new(),
            declarations: Declarations::default(),
            heal_news: unbounded_channel(),
            stopped: watch::Sender::new(false),
            trouble: None,
            was_cut_off: false,
            counts: Counts::default(),
        }
    }

    async fn run(
        &mut self,
        show: &watch::Sender<Snapshot>,
        stopped: &mut watch::Receiver<bool>,
        lead: &Validity,
    ) {
        self.counts = show.borrow().counts;
        let mut written = self.hands.reading.registers().listen();
        let mut declarations = self.hands.declarations.clone();
        if let Some(declarations) = &mut declarations {
            declarations.mark_changed();
        }
        while lead.is_valid() && !*stopped.borrow() {
            self.begin_what_is_due();
            self.show(show);
            if self.options.once && self.is_settled() {
                break;
            }
            tokio::select! {
                Some(what) = self.hears.recv() => self.hear(what),
                Some(what) = senses::told(&mut written) => self.written(&what),
                Some(seen) = self.looks.join_next() => self.seen(seen.ok().flatten()),
                Some(named) = self.hosts.answered() => self.hosts_named(named),
                Some(listed) = self.lists.join_next() => self.listed(listed),
                Some(read) = self.reads.join_next() => if let Ok((stack, known)) = read {
                    self.known(&stack, known);
                },
                Some(healed) = self.heals.join_next() => if let Ok((stack, begun, healed)) = healed {
                    self.healed(&stack, begun, healed);
                },
                Some((at, news)) = self.heal_news.1.recv() => self.heal_said(at, news),
                declared = changed(&mut declarations) => self.declared(declared),
                _ = stopped.wait_for(|stop| *stop) => break,
                () = sleep(TURN) => {}
            }
            for news in self.liveness.tick(self.now()) {
                self.node_news(news);
            }
        }
        self.finish().await;
        self.show(show);
    }

    fn now(&self) -> Timestamp {
        self.hands.clock.now()
    }

    fn say(&self, news: News) {
        say(&self.hands, &self.tell, news);
    }

    /// Lets what is under way come to a stop between two actions, and gives the leases back.
    async fn finish(&mut self) {
        let _nobody_waits = self.stopped.send(true);
        let finish = async {
            while let Some(healed) = self.heals.join_next().await {
                if let Ok((stack, begun, healed)) = healed {
                    self.healed(&stack, begun, healed);
                }
                while let Ok((at, news)) = self.heal_news.1.try_recv() {
                    self.heal_said(at, news);
                }
            }
        };
        // What takes longer is cut off: leases end by themselves, and the next run finds what is there.
        let _cut_off = timeout(STOP_LIMIT, finish).await;
    }

    /// Whether there is nothing left to wait for.
    fn is_settled(&self) -> bool {
        self.has_listed
            && self.has_looked
            && self.lists.is_empty()
            && self.reads.is_empty()
            && self.heals.is_empty()
            && self.looks.is_empty()
            && self.look_at > self.now()
            && self.declarations.is_complete()
            && self.hosts.is_settled()
            && self.stacks.values().all(|stack| stack.is_judged())
    }

    fn begin_what_is_due(&mut self) {
        let now = self.now();
        if now >= self.list_at && self.lists.is_empty() {
            let hands = Arc::clone(&self.hands);
            self.lists.spawn(async move {
                known::tend_nodes(&hands).await;
                hands.reading.stacks().await
            });
            self.list_at = now.plus_ms(self.options.records_ms);
        }
        let due = self.stacks.iter_mut().filter(|(_, stack)| stack.is_due_to_be_read(now));
        for (name, stack) in due.take(READS_MAX.saturating_sub(self.reads.len())) {
            stack.is_being_read = true;
            let (hands, name) = (Arc::clone(&self.hands), name.clone());
            self.reads.spawn(async move {
                let known = known::settled(&hands, &name).await;
                (name, known)
            });
        }
        self.ask_for_hosts();
        if now >= self.look_at && self.looks.is_empty() && self.hosts.is_asked() {
            let hands = Arc::clone(&self.hands);
            self.looks.spawn(async move {
                let observer = hands.fleet.observer().brisk();
                let lookout = Lookout { observer: &observer, ledger: &hands.reading };
                let begun = hands.clock.now();
                let (observed, records) =
                    timeout(LOOK_LIMIT, lookout.observe_with_records(begun)).await.ok()?;
                Some((observed, records, hands.clock.now().since_ms(begun)))
            });
            self.look_at = now.plus_ms(self.options.interval_ms);
        }
    }

    /// Repositories say something else.
    fn declared(&mut self, declared: Declarations) {
        for news in declared.news(&self.declarations) {
            self.say(news);
        }
        self.declarations = declared;
        let only = &self.options.only;
        for name in self.declarations.wishes().into_keys() {
            if (only.is_empty() || only.contains(&name)) && !self.stacks.contains_key(&name) {
                self.stacks.insert(name, Stack::default());
            }
        }
        self.wish();
        // Nothing was judged by this yet.
        self.has_looked = false;
        self.look_soon();
    }

    /// Tells every stack what repositories wish of it.
    fn wish(&mut self) {
        let mut wishes = self.declarations.wishes();
        for (name, stack) in &mut self.stacks {
            let (wish, known) = (wishes.remove(name), stack.known());
            let wish = match (wish, known) {
                (Some(wish), Some(known)) if self.declarations.is_held_by_another(known, &wish) => None,
                (None, Some(known)) => self.declarations.farewell(known),
                (wish, _) => wish,
            };
            stack.wishes(wish);
        }
    }

    /// Looks again soon: something happened.
    fn look_soon(&mut self) {
        self.look_at = self.look_at.min(self.now().plus_ms(SETTLE_MS));
    }

    fn hear(&mut self, what: Heard) {
        let now = self.now();
        match what {
            Heard::Sign(node, Ok(Sign::Engine)) => {
                if let Some(news) = self.liveness.heard(now, &node) {
                    self.node_news(news);
                }
            }
            Heard::Sign(node, Ok(Sign::Machine)) => self.liveness.machine_heard(now, &node),
            Heard::Sign(node, Err(why)) => self.liveness.missed(&node, &why),
            Heard::Listening => self.look_soon(),
            Heard::Happened(_, Happening::Container { stack, .. }) => {
                // What we do ourselves is looked into when it is done.
                if self.stacks.get(&stack).is_none_or(|stack| !stack.is_healing) {
                    self.look_soon();
                }
            }
            Heard::Happened(_, Happening::Record { kind, of }) => self.recorded(&kind, &of),
        }
    }

    /// The ledger itself tells.
    fn written(&mut self, what: &Written) {
        match what {
            Written::In(stream) => self.recorded(stream.kind.word(), &stream.of),
            Written::Perhaps => {
                self.list_at = self.now();
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
                    self.list_at = self.now();
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
                // Whoever asks it from now on is told at once; and nobody waits for an answer any more.
                self.hands.fleet.sever(&node);
                self.looks.abort_all();
                self.look_at = self.now();
                self.say(News::NodeLost { node, silent_ms, why });
            }
            NodeNews::Back { node } => {
                self.look_soon();
                self.say(News::NodeBack { node });
            }
        }
        let is_cut_off = self.liveness.is_more_likely_us();
        if is_cut_off && !self.was_cut_off {
            self.say(News::CutOff);
        }
        self.was_cut_off = is_cut_off;
    }

    fn trouble(&mut self, error: &LedgerError) {
        self.counts.ledger_failed += 1;
        let why = error.to_string();
        if self.trouble.as_ref() != Some(&why) {
            self.trouble = Some(why.clone());
            self.say(News::LedgerTrouble { why });
        }
    }

    fn listed(&mut self, listed: Result<Result<BTreeSet<StackName>, LedgerError>, tokio::task::JoinError>) {
        match listed {
            Ok(Ok(names)) => {
                self.has_listed = true;
                let only = &self.options.only;
                for name in names.into_iter().filter(|name| only.is_empty() || only.contains(name)) {
                    self.stacks.entry(name).or_default().read_soon();
                }
            }
            Ok(Err(error)) => {
                self.trouble(&error);
                self.list_at = self.now().plus_ms(ASK_AGAIN_MS);
            }
            Err(_) => self.list_at = self.now(),
        }
    }

    fn known(&mut self, name: &StackName, known: Result<Known, LedgerError>) {
        let now = self.now();
        let Some(stack) = self.stacks.get_mut(name) else { return };
        stack.is_being_read = false;
        match known {
            Ok(known) => {
                self.trouble = None;
                if stack.learn(known) {
                    self.wish();
                    self.look_soon();
                }
            }
            Err(error) => {
                stack.read_at = Some(now.plus_ms(ASK_AGAIN_MS));
                self.trouble(&error);
            }
        }
    }

    fn seen(&mut self, seen: Option<(Observed, NodeRecords, i64)>) {
        let Some((mut observed, records, took_ms)) = seen else {
            // Given up. Whoever did not answer is soon lost, or answers.
            self.look_soon();
            return;
        };
        self.has_looked = true;
        self.counts.looks += 1;
        self.counts.looks_ms += u64::try_from(took_ms).unwrap_or(0);
        let mut lost = self.liveness.lost();
        self.with_hosts(&mut observed, &records, &mut lost);
        heal::remember_lost(&mut observed, &mut lost, &self.last_seen);
        let answered = observed.nodes.iter().filter(|(name, _)| !lost.contains(*name));
        let seen = answered.filter_map(|(name, node)| Some((name.clone(), node.view.facts()?.clone())));
        Arc::make_mut(&mut self.last_seen).extend(seen);
        let base = PlanOptions { lost, upkeep: true, ..self.options.plan.clone() };
        let is_cut_off = self.liveness.is_more_likely_us();
        let may_heal = self.options.policy == Policy::Heal && !is_cut_off;
        let mut news = Vec::new();
        let mut jobs = Vec::new();
        let turn =
            self.stacks.values().filter_map(|stack| stack.order(observed.at)).min().unwrap_or(u32::MAX);
        let mut releases = Vec::new();
        for (name, stack) in &mut self.stacks {
            let judgement = stack.judge(name, &observed, &base, turn);
            if let Some(standing) = stack.news(&judgement) {
                news.push(News::Stack { stack: name.clone(), release: stack.number(), standing });
            }
            let has_room = self.heals.len() + jobs.len() + releases.len() < HEALS_MAX;
            match judgement {
                Judgement::Heal { number, options } if may_heal && has_room => {
                    stack.is_healing = true;
                    stack.standing = Standing::Healing;
                    jobs.push((name.clone(), number, options));
                }
                Judgement::Release(wish) if may_heal && has_room => {
                    stack.is_healing = true;
                    stack.standing = Standing::Releasing { commit: wish.commit.short() };
                    releases.push((name.clone(), wish));
                }
                Judgement::Leave | Judgement::Heal { .. } | Judgement::Release(_) => {}
            }
            if let Some(at) = stack.wakes_at() {
                self.look_at = self.look_at.min(at.max(observed.at.plus_ms(SETTLE_MS)));
            }
        }
        for one in news {
            self.say(one);
        }
        for (stack, number, options) in jobs {
            let last_seen = Arc::clone(&self.last_seen);
            let job = heal::Job { stack: stack.clone(), number, options, last_seen };
            let (hands, begun) = (Arc::clone(&self.hands), self.now());
            let (stop, tell) = (self.stopped.subscribe(), self.heal_news.0.clone());
            self.heals.spawn(async move { (stack, begun, heal(hands, job, stop, tell).await) });
        }
        self.forget_hosts();
        // What a deploy does is not what upkeep does: it starts what was given up on, too.
        let base = PlanOptions { upkeep: false, ..base };
        for (stack, wish) in releases {
            let (options, last_seen) = (base.clone(), Arc::clone(&self.last_seen));
            let task = release::Task { stack: stack.clone(), wish, options, last_seen };
            let (hands, begun) = (Arc::clone(&self.hands), self.now());
            let (stop, tell) = (self.stopped.subscribe(), self.heal_news.0.clone());
            self.heals.spawn(async move { (stack, begun, release::release(hands, task, stop, tell).await) });
        }
    }

    fn heal_said(&mut self, at: Timestamp, news: News) {
        if let News::Acted(deed) = &news {
            self.counts.actions += 1;
            self.counts.actions_failed += u64::from(deed.failed.is_some());
        }
        let _nobody_listens = self.tell.send((at, news));
    }

    fn healed(&mut self, name: &StackName, begun: Timestamp, healed: Healed) {
        // What it did is told before that it is done.
        while let Ok((at, news)) = self.heal_news.1.try_recv() {
            self.heal_said(at, news);
        }
        let now = self.now();
        let Some(stack) = self.stacks.get_mut(name) else { return };
        let took_ms = now.since_ms(begun);
        let is_release = matches!(stack.standing, Standing::Releasing { .. });
        let (well, badly) = if is_release {
            stack.standing = Standing::Unknown;
            (&mut self.counts.releases, &mut self.counts.releases_failed)
        } else {
            (&mut self.counts.heals, &mut self.counts.heals_failed)
        };
        // What came to nothing is no news; of a release its own end is told, and here only what was wrong.
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
        stack.after(now, is_release, healed);
        self.look_soon();
        if is_news {
            self.say(News::HealEnded { stack: name.clone(), failed, took_ms });
        }
    }

    /// What those outside see.
    fn show(&self, show: &watch::Sender<Snapshot>) {
        let (lost, silent) = (self.liveness.lost(), self.liveness.silent());
        let standing = |node: NodeName| {
            let standing = match (lost.contains(&node), silent.contains(&node)) {
                (true, _) => NodeStanding::Lost,
                (false, true) => NodeStanding::Silent,
                (false, false) => NodeStanding::Up,
            };
            (node, standing)
        };
        show.send_replace(Snapshot {
            is_leading: self.hands.writing.is_some(),
            is_standing_by: false,
            at: self.now(),
            nodes: self.hands.fleet.nodes().into_iter().map(standing).collect(),
            stacks: self.stacks.iter().map(|(name, stack)| (name.clone(), stack.standing.clone())).collect(),
            repository_faults: self.declarations.faults(),
            counts: self.counts,
        });
    }
}
