//! `stackctl reconcile`: keeps every stack of the ledger as declared.

mod collect;
pub(super) mod lines;
mod metrics;
pub(super) mod repositories;
mod serve;
mod watchdog;
mod webhook;

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

use clap::ValueEnum;
use tokio::sync::watch;

use super::Context;
use super::cluster::{self, Cluster, env};
use super::deploy::stack_name;
use super::format::Format;
use super::ledger::follow_managers;

use super::report::{Exit, Failure};
use super::rollout::Interrupt;
use super::rollout_args::duration;
use crate::engine::Clock;
use crate::fleet::ConnectOptions;
use crate::gitops::webhook::Secrets;
use crate::http::server::Server;
use crate::model::{GoDuration, StackName};
use crate::notify::{self, Notifier};
use crate::ops::ledger::managers_changed;
use crate::ops::release::Stop as _;
use crate::reconcile::{self, LoopContext, NodeStatus, Options, Snapshot, StackStatus};
use repositories::{Followed, Repositories};
use watchdog::Watchdog;
use webhook::{Endpoint, Webhook};

pub(super) const EXAMPLES: &[(&str, &str)] = &[
    ("Keep every stack of the cluster as it was deployed", "stackctl reconcile --listen 127.0.0.1:9180"),
    (
        "Follow a repository, and release what it declares",
        "stackctl reconcile --repo https://git.example.com/ops/stacks.git#main",
    ),
    (
        "Run one round that only reports drift, as JSON lines",
        "stackctl reconcile --once --policy report --format json",
    ),
];

/// The interval between two reads of all records, if engines report new ones as events.
const RECORDS_MS: i64 = 5 * 60 * 1000;

/// Arguments of `reconcile`.
#[derive(Debug, clap::Args)]
pub struct Reconcile {
    /// Manage only these stacks [default: all stacks with a release]
    #[arg(value_name = "STACK", value_parser = stack_name, add = super::complete::stacks())]
    pub stacks: Vec<StackName>,
    /// What to do about a stack that is not as declared
    #[arg(long, value_enum, value_name = "POLICY", default_value_t, env = "STACKCTL_RECONCILE_POLICY")]
    pub policy: Policy,
    /// Interval of full observations, if no event comes earlier
    #[arg(long, value_name = "DURATION", value_parser = duration, default_value = "30s")]
    pub interval: GoDuration,
    /// How long a node may be silent before its tasks run elsewhere
    #[arg(long, value_name = "DURATION", value_parser = duration, default_value = "5s")]
    pub node_timeout: GoDuration,
    /// Interval at which the sources under `discover:` are asked for hosts
    #[arg(long, value_name = "DURATION", value_parser = duration, default_value = "30s")]
    pub discover_interval: GoDuration,
    /// Repositories to follow.
    #[command(flatten)]
    pub repositories: Repositories,
    /// Webhooks of forges.
    #[command(flatten)]
    pub webhook: Webhook,
    /// Serve /healthz and /metrics (Prometheus) at this address
    #[arg(long, value_name = "ADDRESS", env = "STACKCTL_LISTEN")]
    pub listen: Option<SocketAddr>,
    /// Remove images that nothing needs from hosts whose disk is used to so many percent, as `image prune` does; 0: never
    #[arg(long, value_name = "PERCENT", default_value_t = 85, value_parser = clap::value_parser!(u8).range(0..=99))]
    pub prune_images: u8,
    /// End after one round: status 2 if drift is left, 1 if something prevents the repair, 5 if another loop is
    /// active
    #[arg(long)]
    pub once: bool,
    /// Format of the log: text, or json for one JSON object a line
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t)]
    pub format: Format,
}

/// What to do about a stack that is not as declared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Policy {
    /// Repair it.
    #[default]
    Heal,
    /// Report it, and write nothing.
    Report,
}

/// An interval that is too short.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[error("{flag} is {given}, but must be at least {least}")]
#[diagnostic(
    code(stackctl::reconcile::too_short),
    help("the loop probes nodes once a second; with a shorter time, every delay would count as a lost node")
)]
struct TooShort {
    flag: &'static str,
    given: GoDuration,
    least: &'static str,
}

/// The loop cannot listen at the address.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[error("cannot listen at {address}: {why}")]
#[diagnostic(code(stackctl::reconcile::listen), help("another program may use the port: choose another one"))]
struct CannotListen {
    address: SocketAddr,
    why: std::io::Error,
}

/// In milliseconds, for arithmetic.
fn ms(duration: &GoDuration) -> i64 {
    i64::try_from(duration.to_std().as_millis()).unwrap_or(i64::MAX)
}

impl Reconcile {
    /// Refuses intervals that would overload hosts, or lose nodes at every delay.
    fn check_times(&self) -> Result<(), Failure> {
        for (flag, given, least_ms, least) in [
            ("--interval", &self.interval, 1_000, "1s"),
            ("--node-timeout", &self.node_timeout, 3_000, "3s"),
            ("--discover-interval", &self.discover_interval, 1_000, "1s"),
            ("--poll", &self.repositories.poll, 1_000, "1s"),
        ] {
            if ms(given) < least_ms {
                return Err(Failure::usage(TooShort { flag, given: *given, least }));
            }
        }
        Ok(())
    }

    fn options(&self, cluster: &Cluster) -> Options {
        Options {
            policy: match self.policy {
                Policy::Heal => reconcile::Policy::Heal,
                Policy::Report => reconcile::Policy::Report,
            },
            interval_ms: ms(&self.interval),
            records_ms: if cluster.backend.is_watched() { RECORDS_MS } else { ms(&self.interval) },
            discover_ms: ms(&self.discover_interval),
            patience_ms: ms(&self.node_timeout),
            only: self.stacks.iter().cloned().collect::<BTreeSet<_>>(),
            plan: cluster.plan_options(false),
            once: self.once,
        }
    }

    fn loop_context(&self, cluster: &Cluster, followed: Option<&Followed>) -> LoopContext {
        LoopContext {
            secrets: (Arc::clone(&cluster.secrets), cluster.host_agents()),
            fleet: cluster.fleet.clone(),
            clock: cluster.clock,
            reading: cluster.another_reading(),
            writing: (self.policy == Policy::Heal).then(|| cluster.writing()),
            me: cluster.me.clone(),
            journals: cluster.journals.clone(),
            discovery: cluster.discovery.clone(),
            declarations: followed.map(|followed| followed.declarations.clone()),
            followed: followed.map(|followed| followed.asked.clone()).unwrap_or_default(),
        }
    }
}

/// The servers, until this is dropped.
#[derive(Default)]
struct Listening {
    endpoint: Option<Endpoint>,
    _status: Option<Server>,
}

impl Listening {
    /// Starts the servers for webhooks, and for health and metrics.
    async fn start(
        args: &Reconcile,
        context: &Context,
        clock: Clock,
        secrets: Option<Secrets>,
        followed: Option<&Followed>,
        seen: watch::Receiver<Snapshot>,
        notified: Arc<notify::Counts>,
    ) -> Result<Self, Failure> {
        let cannot = |address| move |why| Failure::refused(CannotListen { address, why });
        let mut all = Self::default();
        if let (Some(address), Some(secrets), Some(followed)) = (args.webhook.webhook, secrets, followed) {
            let endpoint = webhook::listen(address, secrets, followed.asked.clone(), clock).await;
            let endpoint = endpoint.map_err(cannot(address))?;
            context.ui.say(&format!("Listening at http://{}{}", endpoint.server.at(), webhook::PATH));
            all.endpoint = Some(endpoint);
        }
        if let Some(address) = args.listen {
            let deliveries = all.endpoint.as_ref().map(|endpoint| Arc::clone(&endpoint.counts));
            let server = serve::serve(address, clock, seen, notified, deliveries, context.ui.dropped()).await;
            let server = server.map_err(cannot(address))?;
            context.ui.say(&format!("Listening at http://{}: /healthz and /metrics", server.at()));
            all._status = Some(server);
        }
        Ok(all)
    }

    /// Logs what forges deliver; never ends.
    async fn log(&mut self, context: &Context, format: Format) -> Infallible {
        while let Some(endpoint) = &mut self.endpoint
            && let Some((at, word)) = endpoint.words.recv().await
        {
            context.ui.log(&word.line(at, format), |lines| lines::dropped(at, lines, format));
        }
        std::future::pending().await
    }
}

/// Before the first repair is due: it would be refused then.
async fn warn_without_key(context: &Context, cluster: &Cluster) {
    if let Some(why) = cluster.secrets.why_sealed().await {
        context.ui.warn(&format!(
            "values of releases are encrypted, and this loop cannot open them: {why}. It repairs no stack that has any until it is \
             started with a private key (`stackctl help reconcile`)"
        ));
    }
}

pub(super) fn run(args: &Reconcile, context: &Context) -> Result<Exit, Failure> {
    args.check_times()?;
    let secrets = args.webhook.webhook_secret_file.as_deref().map(webhook::secrets).transpose()?;
    cluster::with(context, ConnectOptions::default(), async |cluster: &Cluster| {
        if args.policy == Policy::Heal && managers_changed(&cluster.ledger).await {
            follow_managers(context, cluster).await;
        }
        if args.policy == Policy::Heal {
            warn_without_key(context, cluster).await;
        }
        let followed = args.repositories.follow(cluster)?;
        let ill = BTreeSet::new();
        let mut notifier =
            Notifier::start(&cluster.inventory, cluster.clock, cluster.me.who.clone(), &env, &ill);
        let mut complaints = notifier.complaints();
        let show = watch::Sender::new(Snapshot { at: cluster.clock.now(), ..Snapshot::default() });
        let (seen, turns, notified) = (show.subscribe(), show.subscribe(), notifier.counts());
        let percent = if args.policy == Policy::Heal { args.prune_images } else { 0 };
        let collect = collect::collect_before_full(context, cluster, percent, show.subscribe());
        let clock = cluster.clock;
        let mut listening =
            Listening::start(args, context, clock, secrets, followed.as_ref(), seen, notified).await?;
        let interrupt = Arc::new(Interrupt::listen());
        interrupt.arm();
        let stop = {
            let interrupt = Arc::clone(&interrupt);
            async move { interrupt.stopped().await }
        };
        let (hands, options) = (args.loop_context(cluster, followed.as_ref()), args.options(cluster));
        let round = reconcile::reconcile(hands, options, stop, show, |at, news| {
            let format = args.format;
            context.ui.log(&lines::line(at, news, format), |lines| lines::dropped(at, lines, format));
            notifier.tell(news);
        });
        let complain = async {
            while let Some(why) = complaints.recv().await {
                context.ui.warn(&why);
            }
            std::future::pending::<Infallible>().await
        };
        let alive = watchdog::tell(env(watchdog::VARIABLE).and_then(|place| Watchdog::new(&place)), turns);
        let last = tokio::select! {
            last = round => last,
            never = alive => match never {},
            never = complain => match never {},
            never = collect => match never {},
            never = listening.log(context, args.format) => match never {},
        };
        interrupt.disarm();
        notifier.finish(&mut complaints, |why| context.ui.warn(why)).await;
        if args.once {
            return Ok(exit(&last));
        }
        // It ends by a signal alone.
        context.ui.was_asked_to_end();
        Ok(Exit::Done)
    })
}

/// How a single round ended.
fn exit(last: &Snapshot) -> Exit {
    let any = |is: fn(&StackStatus) -> bool| last.stacks.values().any(is);
    if last.is_standing_by {
        return Exit::Locked;
    }
    // Why the ledger fails is in the log.
    if last.is_ledger_failing || last.repository_faults > 0 || last.counts.releases_failed > 0 {
        Exit::Refused
    } else if last.nodes.values().any(|node| *node == NodeStatus::Lost) {
        Exit::Unreachable
    } else if any(|standing| {
        matches!(
            standing,
            StackStatus::Failed { .. } | StackStatus::Blocked { .. } | StackStatus::Held { .. }
        )
    }) {
        Exit::Refused
    } else if any(|standing| matches!(standing, StackStatus::Busy { .. })) {
        Exit::Locked
    } else if any(|standing| {
        matches!(
            standing,
            StackStatus::Drifted { .. } | StackStatus::Degraded { .. } | StackStatus::Behind { .. }
        )
    }) {
        Exit::Differs
    } else {
        Exit::Done
    }
}
