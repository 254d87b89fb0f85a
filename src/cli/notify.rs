//! Tells people and programs what happens, as the inventory's `notifications` say.
//!
//! Nobody waits for it: each who is told has a queue and a worker of its own. What cannot be delivered is
//! tried a few times, counted, and said once; no rollout fails or tarries because of it.

mod event;
mod webhook;

use std::collections::BTreeSet;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;
use tokio::sync::mpsc::{Receiver, Sender, UnboundedReceiver, UnboundedSender, channel, unbounded_channel};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::cluster::Cluster;
use super::machine;
use crate::engine::Clock;
use crate::engine::reconcile::News;
use crate::fleet::inventory::notifications::{Notification, Target};
use crate::process_group;

use event::{Event, Gate};
use webhook::{Webhook, delivery};

/// Events that wait for one who is slow.
const QUEUE_MAX: usize = 256;
/// Before the second try, and before the third.
const PAUSES: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(5)];
/// What is under way when a command is done is waited for no longer than this.
const FAREWELL: Duration = Duration::from_secs(8);

/// Why somebody was not told.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Untold {
    why: String,
    /// Another try would end the same.
    is_final: bool,
}

/// What became of all that was to be told.
#[derive(Debug, Default)]
pub(super) struct Counts {
    pub(super) sent: AtomicU64,
    pub(super) failed: AtomicU64,
    /// The same trouble as told before.
    pub(super) held_back: AtomicU64,
}

/// Whoever tells.
#[derive(Debug)]
pub(super) struct Notifier {
    lanes: Vec<Sender<Event>>,
    workers: JoinSet<()>,
    complaints: Option<UnboundedReceiver<String>>,
    counts: Arc<Counts>,
    clock: Clock,
    cluster: String,
    who: String,
}

/// How one of them is told.
enum Sending {
    Command(Vec<String>),
    Webhook(Box<Webhook>),
}

impl Notifier {
    /// Makes ready; one that cannot be used is complained of, and the others are told. `ill` is what was in
    /// trouble before: its end is news.
    pub(super) fn start(cluster: &Cluster, ill: &BTreeSet<String>) -> Self {
        let (complain, complaints) = unbounded_channel();
        let counts = Arc::new(Counts::default());
        let (mut lanes, mut workers) = (Vec::new(), JoinSet::new());
        for (at, rule) in cluster.inventory.notifications.iter().enumerate() {
            let sending = match Sending::of(&rule.target) {
                Ok(sending) => sending,
                Err(why) => {
                    let _nobody_listens =
                        complain.send(format!("notification {} cannot be used: {why}", at + 1));
                    continue;
                }
            };
            let (say, hear) = channel(QUEUE_MAX);
            lanes.push(say);
            let gate = Gate::new(rule.clone(), ill);
            let (counts, complain) = (Arc::clone(&counts), complain.clone());
            workers.spawn(work(rule.clone(), sending, gate, hear, counts, complain));
        }
        let (clock, who) = (cluster.clock, machine::who());
        let cluster = cluster.inventory.cluster.to_string();
        Self { lanes, workers, complaints: Some(complaints), counts, clock, cluster, who }
    }

    /// What became of all.
    pub(super) fn counts(&self) -> Arc<Counts> {
        Arc::clone(&self.counts)
    }

    /// Tells it to everybody whom it concerns. Never waits.
    pub(super) fn tell(&self, news: &News) {
        if self.lanes.is_empty() {
            return;
        }
        let event = Event::of(self.clock.now(), news, &self.cluster, &self.who);
        for lane in &self.lanes {
            if lane.try_send(event.clone()).is_err() {
                self.counts.failed.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    /// What there is to complain of, as it comes; to be asked for once.
    pub(super) fn complaints(&mut self) -> UnboundedReceiver<String> {
        self.complaints.take().unwrap_or_else(|| unbounded_channel().1)
    }

    /// Lets what is under way be delivered, for a while.
    pub(super) async fn finish(
        mut self,
        complaints: &mut UnboundedReceiver<String>,
        complain: impl Fn(&str),
    ) {
        self.lanes.clear();
        let is_over = timeout(FAREWELL, async { while self.workers.join_next().await.is_some() {} }).await;
        while let Ok(why) = complaints.try_recv() {
            complain(&why);
        }
        if is_over.is_err() {
            complain("notifications took too long and were given up");
        }
    }
}

impl Sending {
    fn of(target: &Target) -> Result<Self, String> {
        Ok(match target {
            Target::Command(words) => Self::Command(words.clone()),
            Target::Webhook { url, secret, ca } => {
                Self::Webhook(Box::new(Webhook::new(url, secret.as_ref(), ca.as_deref())?))
            }
        })
    }

    fn name(&self) -> String {
        match self {
            Self::Command(words) => format!("command {}", words.first().map_or("", String::as_str)),
            Self::Webhook(webhook) => webhook.name(),
        }
    }

    async fn once(&self, kind: &str, delivery: &str, body: &str) -> Result<(), Untold> {
        match self {
            Self::Command(words) => run(words, kind, body).await,
            Self::Webhook(webhook) => webhook.post(kind, delivery, body).await,
        }
    }
}

async fn work(
    rule: Notification,
    sending: Sending,
    mut gate: Gate,
    mut hear: Receiver<Event>,
    counts: Arc<Counts>,
    complain: UnboundedSender<String>,
) {
    let mut is_failing = false;
    while let Some(event) = hear.recv().await {
        if !gate.passes(&event) {
            counts.held_back.fetch_add(1, Ordering::Relaxed);
            continue;
        }
        match deliver(&rule, &sending, &event).await {
            Ok(()) => {
                counts.sent.fetch_add(1, Ordering::Relaxed);
                is_failing = false;
            }
            Err(why) => {
                counts.failed.fetch_add(1, Ordering::Relaxed);
                // Once, until it works again.
                if !std::mem::replace(&mut is_failing, true) {
                    let _nobody_listens =
                        complain.send(format!("{} was not notified: {why}", sending.name()));
                }
            }
        }
    }
}

async fn deliver(rule: &Notification, sending: &Sending, event: &Event) -> Result<(), String> {
    let (body, delivery) = (event.body(rule.format), delivery());
    let mut pauses = PAUSES.into_iter();
    loop {
        let tried = timeout(rule.timeout, sending.once(event.kind(), &delivery, &body)).await;
        let untold = match tried {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(untold)) => untold,
            Err(_) => Untold { why: format!("no answer within {:?}", rule.timeout), is_final: false },
        };
        match pauses.next().filter(|_| !untold.is_final) {
            Some(pause) => sleep(pause).await,
            None => return Err(untold.why),
        }
    }
}

/// Gives an event to a command.
#[expect(clippy::disallowed_methods, reason = "the inventory names the command")]
async fn run(words: &[String], kind: &str, body: &str) -> Result<(), Untold> {
    let (program, args) =
        words.split_first().map_or(("", &[][..]), |(program, args)| (program.as_str(), args));
    let untold = |why: String| Untold { why, is_final: false };
    let mut command = Command::new(program);
    command.args(args).env("STACKCTL_EVENT", kind);
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    let (mut child, group) = process_group::start(&mut command)
        .map_err(|error| Untold { why: error.to_string(), is_final: true })?;
    if let Some(mut input) = child.stdin.take() {
        // A command that does not read it may end well all the same.
        let _not_read = input.write_all(format!("{body}\n").as_bytes()).await;
    }
    let status = child.wait().await.map_err(|error| untold(error.to_string()))?;
    group.is_over();
    if status.success() { Ok(()) } else { Err(untold(format!("it ended with {status}"))) }
}
