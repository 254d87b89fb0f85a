//! `stackctl node`: the members of the cluster.

use clap::Subcommand;

use super::Context;
use super::cluster;
use super::filter::Filters;
use super::render::nodes::{COLUMNS, inspect, pretty, rows};
use super::report::{Exit, Failure};
use super::template::{Template, json_line, json_lines};
use crate::fleet::ConnectOptions;
use crate::model::observed::ObservedNode;

pub(super) const EXAMPLES: &[(&str, &str)] = &[
    ("All nodes, and whether they answer", "stackctl node ls"),
    ("One node, for people", "stackctl node inspect --pretty h1"),
];

/// Arguments of `node`.
#[derive(Debug, clap::Args)]
pub struct Node {
    /// What to do.
    #[command(subcommand)]
    pub command: NodeCommand,
}

/// The commands of `node`.
#[derive(Debug, Subcommand)]
pub enum NodeCommand {
    /// List the nodes of the cluster
    #[command(visible_alias = "list")]
    Ls(NodeLs),
    /// Show all that is known of nodes
    Inspect(NodeInspect),
}

/// Arguments of `node ls`.
#[derive(Debug, clap::Args)]
pub struct NodeLs {
    /// Only nodes that fit: id=, name=, role=manager|worker, node.label=
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
    /// For people rather than programs
    #[arg(long)]
    pub pretty: bool,
}

pub(super) fn run(args: &Node, context: &Context) -> Result<Exit, Failure> {
    match &args.command {
        NodeCommand::Ls(args) => ls(args, context),
        NodeCommand::Inspect(args) => inspect_nodes(args, context),
    }
}

/// A silent node is an answer here, not a failure: its line says so.
fn ls(args: &NodeLs, context: &Context) -> Result<Exit, Failure> {
    let filters = Filters::parse(&args.filters, &["id", "name", "role", "node.label"])?;
    filters.check_values("role", &["manager", "worker"])?;
    let format = args.format.as_deref();
    COLUMNS.render(format, &[])?;
    cluster::with(context, ConnectOptions::default(), async |cluster| {
        let mut observed = cluster.observe().await;
        cluster::warn_of_silent(&context.ui, &observed);
        observed.nodes.retain(|_, node| fits(node, &filters));
        context.ui.data(&COLUMNS.render(format, &rows(&observed))?);
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

fn inspect_nodes(args: &NodeInspect, context: &Context) -> Result<Exit, Failure> {
    let template =
        args.format.as_deref().filter(|&format| format != "json").map(Template::parse).transpose()?;
    cluster::with(context, ConnectOptions::default(), async |cluster| {
        let known = || cluster.inventory.hosts.keys().map(ToString::to_string).collect::<Vec<_>>();
        for name in &args.nodes {
            if !cluster.inventory.hosts.contains_key(name.as_str()) {
                return Err(Failure::refused(NoSuchNode { name: name.clone(), known: known() }));
            }
        }
        let observed = cluster.observe().await;
        let nodes: Vec<&ObservedNode> =
            args.nodes.iter().filter_map(|name| observed.nodes.get(name.as_str())).collect();
        let values: Vec<serde_json::Value> = nodes.iter().map(|node| inspect(node)).collect();
        let text = match &template {
            _ if args.pretty => nodes.iter().map(|node| pretty(node)).collect::<Vec<_>>().join("\n"),
            Some(template) => {
                let lines = values.iter().map(|value| Ok(template.render(value)? + "\n"));
                lines.collect::<Result<String, Failure>>()?
            }
            None if args.format.is_some() => json_line(&values.into()) + "\n",
            None => json_lines(&values.into()) + "\n",
        };
        context.ui.data(&text);
        Ok(Exit::Done)
    })
}
