//! `stackctl events`: prints past operations and, with `--follow`, new events, one line each.

use std::io::IsTerminal as _;

use clap::ValueEnum;
use serde_json::json;

use super::Context;
use super::cluster::{self, Cluster};
use super::deploy::stack_name;
use super::logs::time;
use super::reconcile::lines;
use super::report::{Exit, Failure};
use super::rollout::Interrupt;
use crate::engine::operations::{Operation, operations};
use crate::fleet::ConnectOptions;
use crate::model::json::json_line;
use crate::model::{StackName, Timestamp};
use crate::ops::release::Stop as _;
use crate::reconcile::ClusterEvent;
use crate::reconcile::events::{Watching, began, ended, watch};

pub(super) const EXAMPLES: &[(&str, &str)] = &[
    ("Operations of the last day", "stackctl events --since 24h"),
    ("New events as they happen, for a script", "stackctl events --follow --format json"),
    ("Events of one stack", "stackctl events -f shop"),
];

/// The same node timeout as that of the loop.
const PATIENCE_MS: i64 = 5_000;
/// The interval between two reads of the ledger: with a backend that supports watches, and without.
const RECORDS_MS: i64 = 30_000;
const LOOK_MS: i64 = 2_000;

/// Arguments of `events`.
#[derive(Debug, clap::Args)]
pub struct Events {
    /// Only events of this stack, and of nodes
    #[arg(value_name = "STACK", value_parser = stack_name, add = super::complete::stacks())]
    pub stack: Option<StackName>,
    /// Begin with the operations since then: 10m, 2026-01-31, 2026-01-31T12:00:00Z, or seconds since 1970
    /// [default: all; with --follow: none]
    #[arg(long, value_name = "TIME")]
    pub since: Option<String>,
    /// Continue with new events, including tasks that start and end, and nodes that are lost and return
    #[arg(short, long)]
    pub follow: bool,
    /// text, or json for one object a line [default: text at a terminal, else json]
    #[arg(long, value_enum, value_name = "FORMAT")]
    pub format: Option<Format>,
}

/// How events are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people.
    Text,
    /// For programs.
    Json,
}

pub(super) fn run(args: &Events, context: &Context) -> Result<Exit, Failure> {
    let now = cluster::clock()?.now();
    let since = args.since.as_deref().map(|text| time(text, now)).transpose().map_err(Failure::usage)?;
    let since = since.map(|nanos| Timestamp(nanos / 1_000_000)).or(args.follow.then_some(now));
    let format = args
        .format
        .unwrap_or_else(|| if std::io::stdout().is_terminal() { Format::Text } else { Format::Json });
    let ui = &context.ui;
    let show =
        |at: Timestamp, news: &ClusterEvent, one: Option<&Operation>| ui.flow(&line(format, at, news, one));
    cluster::with(context, ConnectOptions::default(), async |cluster: &Cluster| {
        let is_gone = cluster.me.is_gone;
        let known = operations(&cluster.ledger, args.stack.as_ref(), is_gone).await?;
        let of_one = |one| {
            let end = ended(one).map(|(at, news)| (at, news, one));
            [Some((one.at, began(one), one)), end].into_iter().flatten()
        };
        let mut all: Vec<(Timestamp, ClusterEvent, &Operation)> =
            known.iter().rev().flat_map(of_one).collect();
        all.sort_by_key(|(at, ..)| *at);
        for (at, news, one) in all.iter().filter(|(at, ..)| since.is_none_or(|since| *at >= since)) {
            show(*at, news, Some(one));
        }
        if !args.follow {
            return Ok(Exit::Done);
        }
        let watching = Watching {
            nodes: cluster.fleet.nodes(),
            stack: args.stack.clone(),
            patience_ms: PATIENCE_MS,
            records_ms: if cluster.backend.is_watched() { RECORDS_MS } else { LOOK_MS },
            is_gone,
        };
        let interrupt = Interrupt::listen();
        interrupt.arm();
        let work = watch(&cluster.observer, &cluster.ledger, cluster.clock, &watching, &known, show);
        tokio::select! {
            () = work => {}
            () = interrupt.stopped() => {}
        }
        Ok(Exit::Done)
    })
}

fn line(format: Format, at: Timestamp, news: &ClusterEvent, one: Option<&Operation>) -> String {
    match format {
        Format::Text => lines::text(at, news),
        Format::Json => {
            let mut value = news.to_json(at);
            if let Some(one) = one {
                value["operation"] = json!(one.id);
                value["verb"] = json!(one.verb);
                value["who"] = json!(one.who);
            }
            json_line(&value) + "\n"
        }
    }
}
