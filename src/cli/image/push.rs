//! `stackctl image push`: what is sent to whom, how far it has come, and what came of it.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use serde_json::json;

use super::super::Context;
use super::super::cluster::{self, Cluster, env};
use super::super::format::Format;
use super::super::node::check_names;
use super::super::recorded::warn_unended;
use super::super::render::nodes::bytes as size;
use super::super::render::progress::stamped;
use super::super::render::text::{clean, count};
use super::super::report::{Blame, Exit, Failure};
use super::super::ui::{Live, Ui};
use crate::fleet::{ConnectOptions, own_dialer};
use crate::image::{Origin, Source};
use crate::inventory::Agents;
use crate::model::json::json_line;
use crate::model::{NodeName, StackName};
use crate::ops::images::push::{Hands, Plan, Results, carry_out};
use crate::ops::images::source::{AtHand, Engine, read, tagged};
use crate::ops::images::{Meter, NotPushed, Pushed};

/// Where archives are kept while they are sent, unless TMPDIR says otherwise: not where memory may be.
const SPOOL: &str = "/var/tmp";

/// A stack's name, checked.
fn stack_name(text: &str) -> Result<StackName, crate::model::ids::NameError> {
    StackName::new(text)
}

/// Arguments of `image push`.
#[derive(Debug, clap::Args)]
pub struct ImagePush {
    /// A name of this machine's engine, a path (`./FILE`, `/FOLDER`, `FILE.tar`), or `-`
    #[arg(value_name = "IMAGE")]
    pub image: Origin,
    /// Only to these hosts [default: to all]
    #[arg(long = "host", value_name = "NAME", value_delimiter = ',', add = super::super::complete::nodes())]
    pub hosts: Vec<String>,
    /// Only to the hosts that run tasks of this stack
    #[arg(long, value_name = "STACK", value_parser = stack_name, conflicts_with = "hosts")]
    #[arg(add = super::super::complete::stacks())]
    pub stack: Option<StackName>,
    /// What the image is called on the hosts [default: its names in the source]
    #[arg(long = "tag", value_name = "NAME:TAG")]
    pub tags: Vec<String>,
    /// Which image is meant, where an archive has several
    #[arg(long = "image", value_name = "NAME")]
    pub wanted: Option<String>,
    /// Show what would be sent and stop
    #[arg(long)]
    pub dry_run: bool,
    /// Lines for people, or JSON lines
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t)]
    pub format: Format,
}

/// Hosts that did not get the image.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[error("{} not get the image: {why}", if *hosts == 1 { "1 host did".to_owned() } else { format!("{hosts} hosts did") })]
#[diagnostic(
    code(stackctl::image::not_pushed),
    help("run the command again: it goes on with what is missing")
)]
pub(in super::super) struct NotEverywhere {
    hosts: usize,
    why: String,
}

/// No host runs a task of the stack.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[error("no host that answers runs a task of stack `{0}`")]
#[diagnostic(code(stackctl::image::no_hosts), help("name the hosts: `--host h1,h2`"))]
struct NoHosts(StackName);

pub(super) fn run(args: &ImagePush, context: &Context) -> Result<Exit, Failure> {
    cluster::with(context, ConnectOptions::default(), async |cluster: &Cluster| {
        let hosts = hosts(args, context, cluster).await?;
        let plan = planned(args, context, cluster, hosts).await?;
        let screen = Screen::new(context, cluster, args.format);
        screen.plan(&plan);
        let silent = plan.silent.keys().next().is_some();
        let end = if silent { Exit::Unreachable } else { Exit::Done };
        if args.dry_run {
            return Ok(end);
        }
        let results = push(context, cluster, &plan, &screen).await?;
        screen.summary(&plan, &results);
        verdict(&results)?;
        Ok(end)
    })
}

/// The hosts that are meant.
async fn hosts(args: &ImagePush, context: &Context, cluster: &Cluster) -> Result<Vec<NodeName>, Failure> {
    let named = check_names(cluster, &args.hosts)?;
    let Some(stack) = &args.stack else {
        return Ok(if named.is_empty() { cluster.fleet.nodes() } else { named });
    };
    let observed = cluster.observe().await;
    cluster::warn_of_silent(&context.ui, &observed);
    let tasks = observed.tasks().filter(|task| task.stack == *stack && task.is_live());
    let nodes: BTreeSet<NodeName> = tasks.map(|task| task.node.clone()).collect();
    if nodes.is_empty() {
        let is_silent = observed.silent().next().is_some();
        return Err(Failure::new(cluster::blame(is_silent), NoHosts(stack.clone())));
    }
    Ok(nodes.into_iter().collect())
}

/// The folder for archives.
pub(in super::super) fn spool_folder() -> PathBuf {
    let set = env("TMPDIR").filter(|folder| !folder.is_empty());
    set.map_or_else(|| PathBuf::from(SPOOL), PathBuf::from)
}

/// How this machine's engine is reached.
pub(in super::super) fn connect_options() -> ConnectOptions {
    ConnectOptions { dial_with: own_dialer(), with_registry_auth: false, ..ConnectOptions::default() }
}

/// Reads the image, unless every host has it, and asks what hosts lack.
async fn planned(
    args: &ImagePush,
    context: &Context,
    cluster: &Cluster,
    hosts: Vec<NodeName>,
) -> Result<Plan, Failure> {
    let read = read(&args.image, args.wanted.as_deref(), &spool_folder()).await.map_err(Failure::refused)?;
    let source = match (read, &args.image) {
        (Some(source), _) => source,
        (None, origin) => {
            let engine = Engine::connect(&env, connect_options()).await.map_err(Failure::refused)?;
            let found = of_engine(args, context, cluster, &hosts, &engine, &origin.to_string()).await;
            engine.close().await;
            match found? {
                Ok(plan) => return Ok(plan),
                Err(source) => source,
            }
        }
    };
    let image = AtHand::of(source, &args.tags).map_err(Failure::refused)?;
    Plan::of(&cluster.fleet, &image, hosts).await.map_err(Failure::refused)
}

/// A plan that sends nothing, if every host has the image; otherwise the image itself, which takes a while.
async fn of_engine(
    args: &ImagePush,
    context: &Context,
    cluster: &Cluster,
    hosts: &[NodeName],
    engine: &Engine,
    name: &str,
) -> Result<Result<Plan, Source>, Failure> {
    let names = if args.tags.is_empty() { vec![name.to_owned()] } else { args.tags.clone() };
    let names: Result<Vec<String>, _> = names.iter().map(|name| tagged(name)).collect();
    // By an id the names are those of the archive.
    if let (Ok(names), Some(id)) = (names, engine.id(name).await.map_err(Failure::refused)?)
        && let Some(plan) = Plan::if_everywhere(&cluster.fleet, &id, &names, hosts).await
    {
        return Ok(Ok(plan));
    }
    Ok(Err(save(engine, name, context).await?))
}

/// Has this machine's engine save an image; says so on a terminal, since nothing else is seen meanwhile.
pub(in super::super) async fn save(
    engine: &Engine,
    name: &str,
    context: &Context,
) -> Result<Source, Failure> {
    let live = RefCell::new(context.ui.live());
    let said = RefCell::new(0);
    let far = |bytes: u64| {
        // Not for each piece.
        if let Some(live) = live.borrow_mut().as_mut()
            && bytes >> 23 != *said.borrow()
        {
            *said.borrow_mut() = bytes >> 23;
            live.draw(&[
                clean(&format!("reading {name} from this machine's engine: {}", shown(bytes))).into_owned()
            ]);
        }
    };
    let saved = engine.save(name, &spool_folder(), far).await;
    if let Some(live) = live.borrow_mut().as_mut() {
        live.draw(&[]);
    }
    saved.map_err(Failure::refused)
}

/// A number of bytes for people.
pub(in super::super) fn shown(bytes: u64) -> String {
    size(i64::try_from(bytes).unwrap_or(i64::MAX))
}

/// Carries a plan out, and shows how far it has come.
pub(in super::super) async fn push(
    context: &Context,
    cluster: &Cluster,
    plan: &Plan,
    screen: &Screen<'_>,
) -> Result<Results, Failure> {
    let (actor, writing) = (cluster.actor(), cluster.writing());
    let asks_agents = cluster.inventory.agents != Agents::Off;
    let hands = Hands { fleet: &cluster.fleet, actor: &actor, writing: &writing, asks_agents };
    let far = |meters: &BTreeMap<NodeName, Arc<Meter>>| screen.far(plan, meters);
    let done = |node: &NodeName, result: &Result<Pushed, NotPushed>| screen.done(plan, node, result);
    let warn = |node: &NodeName, why: &str| screen.sent_from_here(node, why);
    let results = carry_out(&hands, plan, far, done, warn, warn_unended(&context.ui)).await;
    screen.leave();
    Ok(results?)
}

/// Fails if a host did not get it.
pub(in super::super) fn verdict(results: &Results) -> Result<(), Failure> {
    let failed: Vec<(&NodeName, &NotPushed)> =
        results.iter().filter_map(|(node, result)| Some((node, result.as_ref().err()?))).collect();
    let Some((node, why)) = failed.first() else { return Ok(()) };
    let is_silent = failed.iter().all(|(_, why)| matches!(why, NotPushed::Silent(_)));
    if let Some((_, NotPushed::Fault(fault))) =
        failed.iter().find(|(_, why)| matches!(why, NotPushed::Fault(_)))
    {
        return Err(Failure::refused(fault.clone()));
    }
    let blame = if is_silent { Blame::Unreachable } else { Blame::Refused };
    Err(Failure::new(blame, NotEverywhere { hosts: failed.len(), why: format!("{node}: {why}") }))
}

/// Rows on a terminal, lines elsewhere, JSON lines for programs.
pub(in super::super) struct Screen<'a> {
    ui: &'a Ui,
    cluster: &'a Cluster,
    format: Format,
    live: RefCell<Option<Live>>,
    ended: RefCell<BTreeSet<NodeName>>,
}

impl<'a> Screen<'a> {
    pub(in super::super) fn new(context: &'a Context, cluster: &'a Cluster, format: Format) -> Self {
        Self { ui: &context.ui, cluster, format, live: RefCell::default(), ended: RefCell::default() }
    }

    fn json(&self, kind: &str, value: serde_json::Value) {
        self.ui.data(&(json_line(&stamped(self.cluster.clock.now(), kind, value)) + "\n"));
    }

    /// What is to be sent.
    pub(in super::super) fn plan(&self, plan: &Plan) {
        for (node, error) in &plan.silent {
            self.ui.warn(&format!("node {node} is silent and is left out: {error}"));
        }
        match self.format {
            Format::Text => {
                plan_lines(plan).iter().for_each(|line| self.ui.say(line));
            }
            Format::Json => {
                let host = |(node, (_, need)): (&NodeName, &(_, crate::ops::images::Need))| json!({ "node": node, "layers_there": need.has, "layers": need.lacks, "bytes": need.bytes });
                let hosts: Vec<_> = plan.hosts.iter().map(host).collect();
                let silent: Vec<_> = plan.silent.keys().collect();
                self.json(
                    "image_plan",
                    json!({ "images": plan.names, "hosts": hosts, "silent": silent, "bytes": plan.bytes() }),
                );
            }
        }
    }

    fn far(&self, plan: &Plan, meters: &BTreeMap<NodeName, Arc<Meter>>) {
        let ended = self.ended.borrow();
        let going = || meters.iter().filter(|(node, _)| !ended.contains(*node));
        if self.format == Format::Json {
            for (node, meter) in going() {
                self.json(
                    "image_progress",
                    json!({ "node": node, "bytes": meter.came(), "total": meter.total() }),
                );
            }
            return;
        }
        let mut live = self.live.borrow_mut();
        if live.is_none() {
            *live = self.ui.live();
        }
        let row = |(node, meter): (&NodeName, &Arc<Meter>)| {
            let total = meter.total();
            let of = if total == 0 { String::new() } else { format!(" of {}", shown(total)) };
            let sent = if total == 0 { meter.came() } else { meter.came().min(total) };
            clean(&format!("pushing {} to {node}: {}{of}", called(plan), shown(sent))).into_owned()
        };
        if let Some(live) = live.as_mut() {
            live.draw(&going().map(row).collect::<Vec<_>>());
        }
    }

    fn done(&self, plan: &Plan, node: &NodeName, result: &Result<Pushed, NotPushed>) {
        self.ended.borrow_mut().insert(node.clone());
        let line = match result {
            Ok(pushed) => format!("{} pushed to {node}: {}", called(plan), sent(pushed)),
            Err(why) => format!("{} not pushed to {node}: {why}", called(plan)),
        };
        match (self.format, &*self.live.borrow()) {
            (Format::Json, _) => {}
            (Format::Text, Some(live)) => live.line(&clean(&line)),
            (Format::Text, None) => self.ui.say(&clean(&line)),
        }
    }

    /// Agents did not pass on to a host what they should have.
    fn sent_from_here(&self, node: &NodeName, why: &str) {
        let line = format!("what {node} still lacks is sent from here: {why}");
        match &*self.live.borrow() {
            Some(live) => live.line(&clean(&format!("warning: {line}"))),
            None => self.ui.warn(&line),
        }
    }

    fn leave(&self) {
        if let Some(mut live) = self.live.borrow_mut().take() {
            live.draw(&[]);
        }
    }

    pub(in super::super) fn summary(&self, plan: &Plan, results: &Results) {
        if self.format == Format::Text {
            return;
        }
        let host = |node: &NodeName| match results.get(node) {
            None => json!({ "node": node, "outcome": "there", "layers": 0, "layer_bytes": 0, "sent": 0 }),
            Some(Ok(pushed)) => json!({
                "node": node, "outcome": "pushed", "layers": pushed.layers, "layer_bytes": pushed.layer_bytes,
                "sent": pushed.sent, "id": pushed.id,
                "passed_on_by": pushed.passed_on.as_ref().map(|one| &one.by),
                "passed_on": pushed.passed_on.as_ref().map_or(0, |one| one.bytes),
            }),
            Some(Err(why)) => json!({ "node": node, "outcome": "failed", "why": why.to_string() }),
        };
        let mut hosts: Vec<_> = plan.hosts.keys().map(host).collect();
        hosts.extend(plan.silent.keys().map(|node| json!({ "node": node, "outcome": "silent" })));
        let sent: u64 = results.values().flatten().map(|pushed| pushed.sent).sum();
        self.json("image_pushed", json!({ "images": plan.names, "hosts": hosts, "sent": sent }));
    }
}

fn called(plan: &Plan) -> String {
    plan.names.join(", ")
}

fn sent(pushed: &Pushed) -> String {
    match pushed.layers {
        0 => "its name alone, every layer was there".to_owned(),
        layers => {
            let by = pushed.passed_on.as_ref();
            let by = by.map(|one| format!(", passed on by {}", one.by)).unwrap_or_default();
            format!("{}, {}{by}", count(layers, "layer"), shown(pushed.layer_bytes))
        }
    }
}

/// `push myapp:1.2 to h1, h3, 34 MB each`: hosts that lack the same in one line.
pub(in super::super) fn plan_lines(plan: &Plan) -> Vec<String> {
    let mut by_need: BTreeMap<(u64, usize), Vec<&str>> = BTreeMap::new();
    for (node, _, need) in plan.lacking() {
        by_need.entry((need.bytes, need.lacks)).or_default().push(node.as_str());
    }
    if by_need.is_empty() && !plan.hosts.is_empty() {
        let hosts = count(plan.hosts.len(), "host");
        return vec![
            clean(&format!("{} is on {hosts} already: nothing is sent.", called(plan))).into_owned(),
        ];
    }
    let line = |((bytes, layers), nodes): ((u64, usize), Vec<&str>)| {
        let each = if nodes.len() > 1 { " each" } else { "" };
        let what = match layers {
            0 => "the name alone".to_owned(),
            _ => format!("{}{each}", shown(bytes)),
        };
        clean(&format!("push {} to {}, {what}", called(plan), nodes.join(", "))).into_owned()
    };
    by_need.into_iter().rev().map(line).collect()
}
