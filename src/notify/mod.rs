//! Sends events to the receivers in the inventory's `notifications`.
//!
//! No caller waits for it: each target has its own queue and worker. A failed delivery is retried a few times,
//! counted, and reported once; no rollout fails or waits because of it.
//!
//! Knows nothing of commands and terminals: complaints go to the caller, as sentences.

mod event;
mod webhook;

use std::collections::BTreeSet;
use std::panic::AssertUnwindSafe;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::FutureExt as _;
use tokio::io::AsyncWriteExt as _;
use tokio::sync::mpsc::{Receiver, Sender, UnboundedReceiver, UnboundedSender, channel, unbounded_channel};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::engine::Clock;
use crate::inventory::notifications::{Notification, Target};
use crate::inventory::{Env, Inventory};
use crate::process_group;
use crate::reconcile::ClusterEvent;
use crate::words::of_panic;

use event::{Event, Gate};
use webhook::{Webhook, delivery};

/// The length of the queue of a slow target.
const QUEUE_MAX: usize = 256;
/// The pauses before the second and the third attempt.
const PAUSES: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(5)];
/// How long a finished command waits for deliveries.
const FAREWELL: Duration = Duration::from_secs(8);

/// Why a target was not notified.
#[derive(Debug, Clone, PartialEq, Eq)]
struct DeliveryError {
    why: String,
    /// Whether a retry would fail in the same way.
    is_final: bool,
}

/// Events by outcome.
#[derive(Debug, Default)]
pub struct Counts {
    /// Delivered.
    pub sent: AtomicU64,
    /// Given up.
    pub failed: AtomicU64,
    /// The same trouble as before.
    pub held_back: AtomicU64,
}

/// Sends events to every target of the inventory.
#[derive(Debug)]
pub struct Notifier {
    lanes: Vec<Sender<Event>>,
    workers: JoinSet<()>,
    complaints: Option<UnboundedReceiver<String>>,
    counts: Arc<Counts>,
    clock: Clock,
    cluster: String,
    who: String,
}

/// How one target is reached.
enum Sending {
    Command(Vec<String>),
    Webhook(Box<Webhook>),
}

impl Notifier {
    /// Prepares all targets; reports one that cannot be used, and uses the others. `ill` are subjects that were in
    /// trouble before, whose recovery is sent. `who` is the user of this process.
    #[must_use]
    pub fn start(
        inventory: &Inventory,
        clock: Clock,
        who: String,
        env: Env<'_>,
        ill: &BTreeSet<String>,
    ) -> Self {
        let (complain, complaints) = unbounded_channel();
        let counts = Arc::new(Counts::default());
        let (mut lanes, mut workers) = (Vec::new(), JoinSet::new());
        for (at, rule) in inventory.notifications.iter().enumerate() {
            let sending = match Sending::of(&rule.target, env) {
                Ok(sending) => sending,
                Err(why) => {
                    let _no_receiver =
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
        let cluster = inventory.cluster.to_string();
        Self { lanes, workers, complaints: Some(complaints), counts, clock, cluster, who }
    }

    /// Events by outcome.
    #[must_use]
    pub fn counts(&self) -> Arc<Counts> {
        Arc::clone(&self.counts)
    }

    /// Queues an event for all targets. Never waits.
    pub fn tell(&self, news: &ClusterEvent) {
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

    /// The stream of complaints about targets; to be taken once.
    pub fn complaints(&mut self) -> UnboundedReceiver<String> {
        self.complaints.take().unwrap_or_else(|| unbounded_channel().1)
    }

    /// Waits for pending deliveries, for [`FAREWELL`] at most.
    pub async fn finish(mut self, complaints: &mut UnboundedReceiver<String>, complain: impl Fn(&str)) {
        self.lanes.clear();
        let is_over = timeout(FAREWELL, async { while self.workers.join_next().await.is_some() {} }).await;
        while let Ok(why) = complaints.try_recv() {
            complain(&why);
        }
        if is_over.is_err() {
            complain("notifications took too long and were abandoned");
        }
    }
}

impl Sending {
    fn of(target: &Target, env: Env<'_>) -> Result<Self, String> {
        Ok(match target {
            Target::Command(words) => Self::Command(words.clone()),
            Target::Webhook { url, secret, ca } => {
                Self::Webhook(Box::new(Webhook::new(url, secret.as_ref(), ca.as_deref(), env)?))
            }
        })
    }

    fn name(&self) -> String {
        match self {
            Self::Command(words) => format!("command {}", words.first().map_or("", String::as_str)),
            Self::Webhook(webhook) => webhook.name(),
        }
    }

    async fn once(&self, kind: &str, delivery: &str, body: &str) -> Result<(), DeliveryError> {
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
        // One that panics must not be the target's last.
        let delivered = AssertUnwindSafe(deliver(&rule, &sending, &event)).catch_unwind().await;
        match delivered.unwrap_or_else(|said| Err(format!("stackctl panicked: {}", of_panic(&*said)))) {
            Ok(()) => {
                counts.sent.fetch_add(1, Ordering::Relaxed);
                is_failing = false;
            }
            Err(why) => {
                counts.failed.fetch_add(1, Ordering::Relaxed);
                // Reported once, until a delivery succeeds again.
                if !std::mem::replace(&mut is_failing, true) {
                    let _no_receiver = complain.send(format!("{} was not notified: {why}", sending.name()));
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
        let failure = match tried {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(failure)) => failure,
            Err(_) => DeliveryError { why: format!("no answer within {:?}", rule.timeout), is_final: false },
        };
        match pauses.next().filter(|_| !failure.is_final) {
            Some(pause) => sleep(pause).await,
            None => return Err(failure.why),
        }
    }
}

/// Runs a command with an event as its input.
#[expect(clippy::disallowed_methods, reason = "the inventory names the command")]
async fn run(words: &[String], kind: &str, body: &str) -> Result<(), DeliveryError> {
    let (program, args) =
        words.split_first().map_or(("", &[][..]), |(program, args)| (program.as_str(), args));
    let failure = |why: String| DeliveryError { why, is_final: false };
    let mut command = process_group::program(program);
    command.args(args).env("STACKCTL_EVENT", kind);
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    let (mut child, group) = process_group::start(&mut command)
        .map_err(|error| DeliveryError { why: error.to_string(), is_final: true })?;
    if let Some(mut input) = child.stdin.take() {
        // A command that does not read its input may still succeed.
        let _not_read = input.write_all(format!("{body}\n").as_bytes()).await;
    }
    let status = child.wait().await.map_err(|error| failure(error.to_string()))?;
    group.is_over();
    if status.success() { Ok(()) } else { Err(failure(format!("it ended with {status}"))) }
}
