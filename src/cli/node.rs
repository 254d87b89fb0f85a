//! `stackctl node`: the members of the cluster.

mod back;
mod drain;
mod forget;
mod ps;
mod update;
mod wanted;

use std::collections::{BTreeMap, BTreeSet};

use clap::Subcommand;

use super::Context;
use super::cluster::{self, Cluster};
use super::filter::Filters;
use super::inspected::Inspected;
use super::render::nodes::{COLUMNS, WITH_BOTH, WITH_LEDGER, WITH_SOURCE, inspect, pretty, rows};
use super::report::{Exit, Failure};
use crate::fleet::ConnectOptions;
use crate::model::NodeName;
use crate::model::node::{Member, Role};
use crate::model::observed::ObservedNode;
pub(super) use back::put_back;
pub use forget::NodeForget;
pub use ps::NodePs;
pub use update::{NodeRole, NodeUpdate};

pub(super) const EXAMPLES: &[(&str, &str)] = &[
    ("All nodes, and whether they answer", "stackctl node ls"),
    ("Drain a node before maintenance", "stackctl node update --availability drain h1"),
    ("A label that constraints can ask for", "stackctl node update --label-add zone=b h2 h3"),
];

/// Arguments of `node`.
#[derive(Debug, clap::Args)]
pub struct Node {
    #[command(subcommand)]
    pub command: NodeCommand,
}

/// The commands of `node`.
#[derive(Debug, Subcommand)]
pub enum NodeCommand {
    /// List the nodes of the cluster
    #[command(visible_alias = "list")]
    Ls(NodeLs),
    /// Show the details of nodes
    Inspect(NodeInspect),
    /// List the tasks of nodes, of all stacks
    Ps(NodePs),
    /// Change availability, role or labels of nodes, overriding the inventory
    ///
    /// The ledger keeps the changes, and every later command sees them. The ledger's own managers are always
    /// those of the inventory. A drain moves the tasks of a node to other nodes, stack by stack, by the update
    /// policy of each service. Tasks whose data is only on that node stay there, unless their service has
    /// `on_node_loss: reschedule`, or with `--force`.
    Update(NodeUpdate),
    /// Let constraints see nodes as managers
    ///
    /// The managers of the ledger are always those of the inventory.
    Promote(NodeRole),
    /// Let constraints see nodes as workers
    ///
    /// The managers of the ledger are always those of the inventory.
    Demote(NodeRole),
    /// Forget hosts that are gone for good
    ///
    /// A host that has tasks or data of a stack and that the inventory does not name is silent, and no deploy of that
    /// stack goes on, until it is named again or until this command drops it permanently, with all that ran there. The
    /// same holds for all hosts of a source under `discover:` that suddenly names less than half of them.
    Forget(NodeForget),
}

/// Arguments of `node ls`.
#[derive(Debug, clap::Args)]
pub struct NodeLs {
    /// Filter: id=, name=, role=manager|worker, node.label=
    #[arg(short, long = "filter", value_name = "KEY=VALUE")]
    pub filters: Vec<String>,
    /// `table`, `table TEMPLATE`, `json`, or a Go template such as '{{.Hostname}}'
    #[arg(long, value_name = "FORMAT")]
    pub format: Option<String>,
}

/// Arguments of `node inspect`.
#[derive(Debug, clap::Args)]
pub struct NodeInspect {
    /// Names of the nodes
    #[arg(value_name = "NODE", required = true, add = super::complete::nodes())]
    pub nodes: Vec<String>,
    /// A Go template such as '{{.Status.State}}'
    #[arg(short, long, value_name = "FORMAT", conflicts_with = "pretty")]
    pub format: Option<String>,
    /// Print text for people instead of JSON
    #[arg(long)]
    pub pretty: bool,
}

pub(super) fn run(args: &Node, context: &Context) -> Result<Exit, Failure> {
    match &args.command {
        NodeCommand::Ls(args) => ls(args, context),
        NodeCommand::Inspect(args) => inspect_nodes(args, context),
        NodeCommand::Ps(args) => ps::run(args, context),
        NodeCommand::Update(args) => update::run(args, context),
        NodeCommand::Promote(args) => update::role(args, Role::Manager, context),
        NodeCommand::Forget(args) => forget::run(args, context),
        NodeCommand::Demote(args) => update::role(args, Role::Worker, context),
    }
}

/// A silent node is no failure here: its line says that it is silent.
fn ls(args: &NodeLs, context: &Context) -> Result<Exit, Failure> {
    let filters = Filters::parse(&args.filters, &["id", "name", "role", "node.label"])?;
    filters.check_values("role", &["manager", "worker"])?;
    let format = args.format.as_deref();
    COLUMNS.render(format, &[])?;
    cluster::with(context, ConnectOptions::default(), async |cluster| {
        let (mut observed, records) =
            cluster.cluster_reader().observe_with_records(cluster.clock.now()).await;
        cluster::warn_of_silent(&context.ui, &observed);
        observed.nodes.retain(|_, node| fits(node, &filters));
        // Only where the column has something to show.
        let is_found = observed.nodes.values().any(|node| node.member.found_by.is_some());
        let format = format.or(match (!records.nodes.is_empty(), is_found) {
            (false, false) => None,
            (true, false) => Some(WITH_LEDGER),
            (false, true) => Some(WITH_SOURCE),
            (true, true) => Some(WITH_BOTH),
        });
        context.ui.data(&COLUMNS.render(format, &rows(&observed, &keepers(cluster), &records))?);
        Ok(Exit::Done)
    })
}

fn fits(node: &ObservedNode, filters: &Filters) -> bool {
    let member = &node.member;
    filters.allows("id", |id| node.view.facts().is_some_and(|facts| facts.id.starts_with(id)))
        && filters.allows("name", |name| member.name.as_str().starts_with(name))
        && filters.allows("role", |role| member.role.to_string() == role)
        && filters.allows_labels("node.label", &member.labels)
}

/// A node that the inventory does not have.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[error("no node `{name}` in the inventory")]
#[diagnostic(code(stackctl::inventory::no_such_node), help("there are: {}", known.join(", ")))]
struct NoSuchNode {
    name: String,
    known: Vec<String>,
}

/// What is declared of nodes that an update names. One that is remembered and not named may be drained, too.
async fn declared(cluster: &Cluster, names: &[String]) -> Result<BTreeMap<NodeName, Member>, Failure> {
    let found = crate::ops::node::declared(cluster, names).await?;
    found.map_err(|name| Failure::refused(NoSuchNode { name, known: known(cluster) }))
}

fn known(cluster: &Cluster) -> Vec<String> {
    cluster.inventory.hosts.keys().map(ToString::to_string).collect()
}

/// The names as nodes of the inventory.
pub(super) fn check_names(cluster: &Cluster, names: &[String]) -> Result<Vec<NodeName>, Failure> {
    let hosts = &cluster.inventory.hosts;
    let mut found = Vec::new();
    for name in names {
        let Some((known_as, _)) = hosts.get_key_value(name.as_str()) else {
            return Err(Failure::refused(NoSuchNode { name: name.clone(), known: known(cluster) }));
        };
        if !found.contains(known_as) {
            found.push(known_as.clone());
        }
    }
    Ok(found)
}

/// Nodes that keep the ledger: managers of the inventory, whatever role constraints see.
fn keepers(cluster: &Cluster) -> BTreeSet<NodeName> {
    let is_keeper = |member: &&Member| member.role == Role::Manager && member.found_by.is_none();
    let managers = cluster.inventory.members().filter(is_keeper);
    managers.map(|member| member.name.clone()).collect()
}

fn inspect_nodes(args: &NodeInspect, context: &Context) -> Result<Exit, Failure> {
    let inspected = Inspected::of(args.format.as_deref(), args.pretty)?;
    cluster::with(context, ConnectOptions::default(), async |cluster| {
        check_names(cluster, &args.nodes)?;
        let (observed, records) = cluster.cluster_reader().observe_with_records(cluster.clock.now()).await;
        cluster::warn_of_records(&context.ui, &observed);
        let nodes: Vec<&ObservedNode> =
            args.nodes.iter().filter_map(|name| observed.nodes.get(name.as_str())).collect();
        let values: Vec<serde_json::Value> =
            nodes.iter().map(|node| inspect(node, records.nodes.get(&node.member.name))).collect();
        let text =
            inspected.print(values, |at| pretty(nodes[at], records.nodes.get(&nodes[at].member.name)))?;
        context.ui.data(&text);
        Ok(Exit::Done)
    })
}
