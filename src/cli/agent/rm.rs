//! `stackctl agent rm`: removes agents, shown and confirmed.

use super::super::Context;
use super::super::cluster::{self, Cluster};
use super::super::not_confirmed::NotConfirmed;
use super::super::recorded::warn_unended;
use super::super::render::agents::{removal_text, removed};
use super::super::render::text::{clean, count, some_of};
use super::super::report::{Blame, Exit, Failure};
use super::install::waiting;
use super::{Unfinished, look_at};
use crate::fleet::ConnectOptions;
use crate::fleet::agents::NotShipped;
use crate::ops::agents::remove::{removals, remove};

/// Tasks that a message names.
const NAMED_MAX: usize = 5;

/// Arguments of `agent rm`.
#[derive(Debug, clap::Args)]
pub struct AgentRm {
    /// Names of the hosts [default: all]
    #[arg(value_name = "HOST", add = super::super::complete::nodes())]
    pub hosts: Vec<String>,
    /// Remove them also where containers have secrets from them: those cannot start again then
    #[arg(long)]
    pub force: bool,
    /// Do not ask for confirmation
    #[arg(short, long, env = "STACKCTL_YES", value_parser = clap::builder::FalseyValueParser::new())]
    pub yes: bool,
    /// Show what would be removed and stop
    #[arg(long)]
    pub dry_run: bool,
}

/// Tasks that an agent must not leave behind.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[error("the agent of {node} keeps secrets of {users}")]
#[diagnostic(
    code(stackctl::agent::in_use),
    help(
        "remove those tasks first; `--force` removes the agent with the secrets, and then the containers cannot start \
         again; nothing was changed on any host"
    )
)]
struct InUse {
    node: String,
    /// The tasks, or some of them.
    users: String,
}

pub(super) fn run(args: &AgentRm, context: &Context) -> Result<Exit, Failure> {
    let ui = &context.ui;
    cluster::with(context, ConnectOptions::default(), async |cluster: &Cluster| {
        let look = look_at(cluster, context, &args.hosts).await?;
        let end = if look.values().all(Result::is_ok) { Exit::Done } else { Exit::Unreachable };
        let hosts = removals(&look);
        if hosts.is_empty() {
            ui.say("No host that answers has an agent of this cluster.");
            return Ok(end);
        }
        ui.data(&removal_text(&hosts));
        if args.dry_run {
            return Ok(end);
        }
        let used = hosts.iter().find(|(_, removal)| !removal.users.is_empty());
        if let Some((node, removal)) = used.filter(|_| !args.force) {
            let users = clean(&some_of(&removal.users, NAMED_MAX)).into_owned();
            return Err(Failure::refused(InUse { node: node.to_string(), users }));
        }
        let number = count(hosts.len(), "host");
        let question = format!("Remove the agents of {number} of cluster {}?", cluster.inventory.cluster);
        if !args.yes && !ui.confirm(&question).map_err(Failure::refused)? {
            return Err(Failure::refused(NotConfirmed));
        }
        let unended = warn_unended(ui);
        let tell = |node: &_, agent: &_| ui.say(&clean(&removed(node, agent)));
        let failed = remove(cluster, &hosts, tell, |holder| waiting(ui, holder), unended).await?;
        ui.say(&format!("{} without an agent.", count(hosts.len() - failed.len(), "host")));
        for (node, why) in &failed {
            ui.warn(&clean(&format!("{node}: {why}")));
        }
        let Some((node, why)) = failed.first() else { return Ok(end) };
        let is_silence = failed.iter().all(|(_, why)| matches!(why, NotShipped::Silent(_)));
        let blame = if is_silence { Blame::Unreachable } else { Blame::Refused };
        let why = format!("{} may still have an agent: {node}: {why}", count(failed.len(), "host"));
        Err(Failure::new(blame, Unfinished(why)))
    })
}
