//! `stackctl reconcile`: keeps every stack of the ledger as it was declared.

pub(super) mod lines;
mod metrics;
pub(super) mod repositories;
mod serve;
mod webhook;

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

use clap::ValueEnum;
use tokio::sync::watch;

use super::Context;
use super::cluster::{self, Cluster};
use super::deploy::{duration, stack_name};
use super::format::Format;
use super::machine;
use super::notify::Notifier;
use super::records::{Home, another_reading, writing};
use super::report::{Exit, Failure};
use super::rollout::{Interrupt, journals};
use crate::engine::reconcile::{self, Hands, NodeStanding, Options, Snapshot, Standing};
use crate::fleet::ConnectOptions;
use crate::model::{GoDuration, StackName};
use repositories::Repositories;
use webhook::Webhook;

pub(super) const EXAMPLES: &[(&str, &str)] = &[
    ("Keep every stack of the cluster as it was deployed", "stackctl reconcile --listen 127.0.0.1:9180"),
    (
        "Release what a repository declares, and keep it so",
        "stackctl reconcile --repo https://git.example.com/ops/stacks.git#main",
    ),
    (
        "Look once and only say what has drifted, as JSON lines",
        "stackctl reconcile --once --policy report --format json",
    ),
];

/// From one reading of all records to the next, where engines tell of new ones.
const RECORDS_MS: i64 = 5 * 60 * 1000;

/// Arguments of `reconcile`.
#[derive(Debug, clap::Args)]
pub struct Reconcile {
    /// Only these stacks [default: all that were deployed]
    #[arg(value_name = "STACK", value_parser = stack_name, add = super::complete::stacks())]
    pub stacks: Vec<StackName>,
    /// What to do about a stack that is not as it was declared
    #[arg(long, value_enum, value_name = "POLICY", default_value_t, env = "STACKCTL_RECONCILE_POLICY")]
    pub policy: Policy,
    /// From one full look to the next, if nothing happens meanwhile
    #[arg(long, value_name = "DURATION", value_parser = duration, default_value = "30s")]
    pub interval: GoDuration,
    /// How long a node may be silent before its tasks are run elsewhere
    #[arg(long, value_name = "DURATION", value_parser = duration, default_value = "5s")]
    pub node_timeout: GoDuration,
    /// From one question for hosts to the next, where the inventory has `discover:`
    #[arg(long, value_name = "DURATION", value_parser = duration, default_value = "30s")]
    pub discover_interval: GoDuration,
    /// What is released, besides.
    #[command(flatten)]
    pub repositories: Repositories,
    /// Who tells of pushes.
    #[command(flatten)]
    pub webhook: Webhook,
    /// Serve /healthz and /metrics (Prometheus) at this address
    #[arg(long, value_name = "ADDRESS", env = "STACKCTL_LISTEN")]
    pub listen: Option<SocketAddr>,
    /// End after one round: status 2 if something has drifted and is left so, 1 if something is in the way,
    /// 5 if another loop is at work
    #[arg(long)]
    pub once: bool,
    /// How to log: text, or json for one JSON object a line
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t)]
    pub format: Format,
}

/// What to do about a stack that is not as it was declared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Policy {
    /// Bring it back.
    #[default]
    Heal,
    /// Say so, and write nothing anywhere.
    Report,
}

/// A time that makes no sense.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[error("{flag} is {given}, and must be {least} at least")]
#[diagnostic(
    code(stackctl::reconcile::too_short),
    help(
        "nothing is asked more than once a second, and a node that is given less time is lost at every hiccup"
    )
)]
struct TooShort {
    flag: &'static str,
    given: GoDuration,
    least: &'static str,
}

/// The address cannot be listened at.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[error("cannot listen at {address}: {why}")]
#[diagnostic(code(stackctl::reconcile::listen), help("another program may be there: choose another port"))]
struct CannotListen {
    address: SocketAddr,
    why: std::io::Error,
}

pub(super) fn run(args: &Reconcile, context: &Context) -> Result<Exit, Failure> {
    let ms = |duration: &GoDuration| i64::try_from(duration.to_std().as_millis()).unwrap_or(i64::MAX);
    for (flag, given, least_ms, least) in [
        ("--interval", &args.interval, 1_000, "1s"),
        ("--node-timeout", &args.node_timeout, 3_000, "3s"),
        ("--discover-interval", &args.discover_interval, 1_000, "1s"),
        ("--poll", &args.repositories.poll, 1_000, "1s"),
    ] {
        if ms(given) < least_ms {
            return Err(Failure::usage(TooShort { flag, given: *given, least }));
        }
    }
    let secrets = args.webhook.webhook_secret_file.as_deref().map(webhook::secrets).transpose()?;
    cluster::with(context, ConnectOptions::default(), async |cluster: &Cluster| {
        let options = Options {
            policy: match args.policy {
                Policy::Heal => reconcile::Policy::Heal,
                Policy::Report => reconcile::Policy::Report,
            },
            interval_ms: ms(&args.interval),
            records_ms: match cluster.home {
                Home::Volumes | Home::Etcd(_) | Home::Zookeeper(_) | Home::Consul(_) => RECORDS_MS,
                Home::Directory(_) => ms(&args.interval),
            },
            discover_ms: ms(&args.discover_interval),
            patience_ms: ms(&args.node_timeout),
            only: args.stacks.iter().cloned().collect::<BTreeSet<_>>(),
            plan: cluster.plan_options(false),
            once: args.once,
        };
        let followed = args.repositories.follow(cluster)?;
        let hands = Hands {
            fleet: cluster.fleet.clone(),
            clock: cluster.clock,
            reading: another_reading(cluster),
            writing: (args.policy == Policy::Heal).then(|| writing(cluster)),
            me: machine::me(),
            journals: journals(cluster),
            discovery: cluster.discovery.clone(),
            declarations: followed.as_ref().map(|followed| followed.declarations.clone()),
            followed: followed.as_ref().map(|followed| followed.asked.clone()).unwrap_or_default(),
        };
        let mut notifier = Notifier::start(cluster, &BTreeSet::new());
        let mut complaints = notifier.complaints();
        let show = watch::Sender::new(Snapshot { at: cluster.clock.now(), ..Snapshot::default() });
        let cannot = |address| move |why| Failure::refused(CannotListen { address, why });
        let mut endpoint = None;
        if let (Some(address), Some(secrets), Some(followed)) = (args.webhook.webhook, secrets, &followed) {
            let listening = webhook::listen(address, secrets, followed.asked.clone(), cluster.clock).await;
            let listening = listening.map_err(cannot(address))?;
            context.ui.say(&format!("Listening at http://{}{}", listening.at, webhook::PATH));
            endpoint = Some(listening);
        }
        let _server = match args.listen {
            None => None,
            Some(address) => {
                let seen = show.subscribe();
                let deliveries = endpoint.as_ref().map(|endpoint| Arc::clone(&endpoint.counts));
                let served = serve::serve(address, cluster.clock, seen, notifier.counts(), deliveries).await;
                let (at, server) = served.map_err(cannot(address))?;
                context.ui.say(&format!("Listening at http://{at}: /healthz and /metrics"));
                Some(server)
            }
        };
        let interrupt = Arc::new(Interrupt::listen());
        interrupt.begin();
        let stop = {
            let interrupt = Arc::clone(&interrupt);
            async move { interrupt.wait().await }
        };
        let round = reconcile::reconcile(hands, options, stop, show, |at, news| {
            context.ui.data(&match args.format {
                Format::Text => lines::text(at, news),
                Format::Json => lines::json(at, news),
            });
            notifier.tell(news);
        });
        let complain = async {
            while let Some(why) = complaints.recv().await {
                context.ui.warn(&why);
            }
            std::future::pending::<Infallible>().await
        };
        let told = async {
            while let Some(endpoint) = &mut endpoint
                && let Some((at, word)) = endpoint.words.recv().await
            {
                context.ui.data(&word.line(at, args.format));
            }
            std::future::pending::<Infallible>().await
        };
        let last = tokio::select! {
            last = round => last,
            never = complain => match never {},
            never = told => match never {},
        };
        interrupt.over();
        notifier.finish(&mut complaints, |why| context.ui.warn(why)).await;
        Ok(if args.once { exit(&last) } else { Exit::Done })
    })
}

/// How a single round ended.
fn exit(last: &Snapshot) -> Exit {
    let any = |is: fn(&Standing) -> bool| last.stacks.values().any(is);
    if last.is_standing_by {
        return Exit::Locked;
    }
    if last.repository_faults > 0 || last.counts.releases_failed > 0 {
        Exit::Refused
    } else if last.nodes.values().any(|node| *node == NodeStanding::Lost) {
        Exit::Unreachable
    } else if any(|standing| {
        matches!(standing, Standing::Failed { .. } | Standing::Blocked { .. } | Standing::Held { .. })
    }) {
        Exit::Refused
    } else if any(|standing| matches!(standing, Standing::Busy { .. })) {
        Exit::Locked
    } else if any(|standing| {
        matches!(standing, Standing::Drifted { .. } | Standing::Degraded { .. } | Standing::Behind { .. })
    }) {
        Exit::Differs
    } else {
        Exit::Done
    }
}
