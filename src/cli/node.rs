//! `stackctl node`: the members of the cluster.

use clap::Subcommand;

use super::Context;
use super::report::{Exit, Failure, NotThereYet};

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
    #[arg(value_name = "NODE", required = true)]
    pub nodes: Vec<String>,
    /// A Go template such as '{{.Status.State}}'
    #[arg(short, long, value_name = "FORMAT", conflicts_with = "pretty")]
    pub format: Option<String>,
    /// For people rather than programs
    #[arg(long)]
    pub pretty: bool,
}

pub(super) fn run(_args: &Node, _context: &Context) -> Result<Exit, Failure> {
    Err(Failure::refused(NotThereYet("node")))
}
