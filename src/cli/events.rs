//! `stackctl events`: what happened to the cluster, and what happens to it, one line each.

use std::io::IsTerminal as _;

use clap::ValueEnum;
use serde_json::json;

use super::Context;
use super::cluster::{self, Cluster};
use super::deploy::stack_name;
use super::logs::time;
use super::machine;
use super::reconcile::lines;
use super::records::{Home, reading};
use super::report::{Exit, Failure};
use super::rollout::Interrupt;
use super::template::json_line;
use crate::engine::operations::{Operation, operations};
use crate::engine::reconcile::News;
use crate::engine::watch::{Watching, began, ended, watch};
use crate::fleet::ConnectOptions;
use crate::model::{StackName, Timestamp};

pub(super) const EXAMPLES: &[(&str, &str)] = &[
    ("What was done in the last day", "stackctl events --since 24h"),
    ("What happens from now on, for a script", "stackctl events --follow --format json"),
    ("To one stack", "stackctl events -f shop"),
];

/// As long as a loop gives it.
const PATIENCE_MS: i64 = 5_000;
/// From one reading of a ledger that tells by itself to the next, and of one that does not.
const RECORDS_MS: i64 = 30_000;
const LOOK_MS: i64 = 2_000;

/// Arguments of `events`.
#[derive(Debug, clap::Args)]
pub struct Events {
    /// Only what happens to this stack, and to nodes
    #[arg(value_name = "STACK", value_parser = stack_name, add = super::complete::stacks())]
    pub stack: Option<StackName>,
    /// Begin with what the log has since then: 10m, 2026-01-31, 2026-01-31T12:00:00Z, or seconds since 1970 [default: with
    /// all it has; with --follow: with now]
    #[arg(long, value_name = "TIME")]
    pub since: Option<String>,
    /// Go on with what happens: also tasks that begin and end, and nodes that are lost and come back
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
    let show = |at: Timestamp, news: &News, one: Option<&Operation>| ui.data(&line(format, at, news, one));
    cluster::with(context, ConnectOptions::default(), async |cluster: &Cluster| {
        let is_gone = machine::me().is_gone;
        let known = operations(reading(cluster), args.stack.as_ref(), is_gone).await?;
        let of_one = |one| {
            let end = ended(one).map(|(at, news)| (at, news, one));
            [Some((one.at, began(one), one)), end].into_iter().flatten()
        };
        let mut all: Vec<(Timestamp, News, &Operation)> = known.iter().rev().flat_map(of_one).collect();
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
            records_ms: if matches!(cluster.home, Home::Directory(_)) { LOOK_MS } else { RECORDS_MS },
            is_gone,
        };
        let interrupt = Interrupt::listen();
        interrupt.begin();
        let work = watch(&cluster.observer, reading(cluster), cluster.clock, &watching, &known, show);
        tokio::select! {
            () = work => {}
            () = interrupt.wait() => {}
        }
        Ok(Exit::Done)
    })
}

fn line(format: Format, at: Timestamp, news: &News, one: Option<&Operation>) -> String {
    match format {
        Format::Text => lines::text(at, news),
        Format::Json => {
            let mut value = lines::value(at, news);
            if let Some(one) = one {
                value["operation"] = json!(one.id);
                value["verb"] = json!(one.verb);
                value["who"] = json!(one.who);
            }
            json_line(&value) + "\n"
        }
    }
}
