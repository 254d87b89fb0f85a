//! `stackctl agent`: the program that stays on hosts, for features that need one.

pub(super) mod bring;
mod install;
mod logs;
mod rm;
mod serve;

use std::collections::BTreeSet;

use clap::Subcommand;

use super::Context;
use super::cluster::{self, Cluster};
use super::node::check_names;
use super::render::agents::{COLUMNS, rows};
use super::report::{Blame, Exit, Failure};
use crate::fleet::ConnectOptions;
use crate::model::NodeName;
use crate::ops::agents::join::outdated;
use crate::ops::agents::lock::NotLocked;
use crate::ops::agents::{Look, look};
pub use install::AgentInstall;
pub use logs::AgentLogs;
pub use rm::AgentRm;
pub use serve::AgentServe;

pub(super) const EXAMPLES: &[(&str, &str)] = &[
    ("Which hosts have an agent, and whether it answers", "stackctl agent ls"),
    ("Show what would be brought to all hosts", "stackctl agent install --dry-run"),
    ("Remove the agents of two hosts", "stackctl agent rm h1 h2"),
];

/// Arguments of `agent`.
#[derive(Debug, clap::Args)]
pub struct Agent {
    #[command(subcommand)]
    pub command: AgentCommand,
}

/// The commands of `agent`.
#[derive(Debug, Subcommand)]
pub enum AgentCommand {
    /// List the agents of the cluster, and hosts without one
    ///
    /// An agent is `up` if it answers, `silent` if its engine has it running and it does not answer, and `off` if its engine
    /// does not have it running. A host without one has `none`; whether a host that is `unreachable` has one is not known.
    /// SECRETS says of how many tasks an agent keeps the secrets in memory.
    #[command(visible_alias = "list")]
    Ls(AgentLs),
    /// Bring hosts an agent, or a newer one
    ///
    /// One host after the other: the new agent answers before the one before it is ended. A host that has this version
    /// already is left as it is; one with a later version, too. What an interrupted run left undone is finished.
    ///
    /// An agent has root's rights on its host. With `agents: ask` in the inventory, or without a word there, a host gets its
    /// first agent only after a yes at a terminal, which `--yes` does not stand in for; `agents: auto` is that yes, and with
    /// `agents: off` no host gets one.
    Install(AgentInstall),
    /// Remove agents, with everything that came with them
    ///
    /// With an agent go the secrets of tasks that it keeps in memory. One whose secrets containers have is left, and so are all
    /// others, unless `--force` is given.
    #[command(visible_alias = "remove")]
    Rm(AgentRm),
    /// Show what happened between agents: who was turned away, who was not reached, what was handed over
    ///
    /// An agent remembers its newest 50 lines, in memory; no value of a secret is in them. Times are those of the host.
    Logs(AgentLogs),
    /// Be the agent of this host
    #[command(hide = true)]
    Serve(AgentServe),
}

/// Arguments of `agent ls`.
#[derive(Debug, clap::Args)]
pub struct AgentLs {
    /// `table`, `table TEMPLATE`, `json`, or a Go template such as '{{.Node}}'
    #[arg(long, value_name = "FORMAT")]
    pub format: Option<String>,
}

pub(super) fn run(args: &Agent, context: &Context) -> Result<Exit, Failure> {
    match &args.command {
        AgentCommand::Ls(args) => ls(args, context),
        AgentCommand::Install(args) => install::run(args, context),
        AgentCommand::Rm(args) => rm::run(args, context),
        AgentCommand::Logs(args) => logs::run(args, context),
        AgentCommand::Serve(args) => serve::run(args),
    }
}

/// A silent host is no failure here: its line says that it is silent.
fn ls(args: &AgentLs, context: &Context) -> Result<Exit, Failure> {
    COLUMNS.render(args.format.as_deref(), &[])?;
    cluster::with(context, ConnectOptions::default(), async |cluster: &Cluster| {
        let look = look(&cluster.fleet, cluster.clock, None).await;
        let outdated = outdated(&cluster.fleet, cluster.inventory.agent_port, &look).await;
        let rows = rows(&look, &outdated, cluster.clock.now());
        context.ui.data(&COLUMNS.render(args.format.as_deref(), &rows)?);
        Ok(Exit::Done)
    })
}

/// The agents of the hosts that were named, or of all; with a warning for each that does not answer.
async fn look_at(cluster: &Cluster, context: &Context, names: &[String]) -> Result<Look, Failure> {
    let named: BTreeSet<NodeName> = check_names(cluster, names)?.into_iter().collect();
    let look = look(&cluster.fleet, cluster.clock, Some(&named).filter(|named| !named.is_empty())).await;
    for (node, on) in &look {
        if let Err(why) = on {
            context.ui.warn(&format!("node {node} is silent and is left out: {}", why.reason));
            if let Some(help) = &why.help {
                context.ui.detail(&format!("  help: {help}"));
            }
        }
    }
    Ok(look)
}

impl From<NotLocked> for Failure {
    fn from(error: NotLocked) -> Self {
        match error {
            NotLocked::Ledger(error) => error.into(),
            NotLocked::Busy(_) => Self::new(Blame::Locked, error),
        }
    }
}

/// Hosts did not become what they were to be.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[error("{}", .0)]
#[diagnostic(
    code(stackctl::agent::unfinished),
    help("run the command again: it goes on from what it finds; `stackctl agent ls` shows what is there")
)]
pub(super) struct Unfinished(String);
