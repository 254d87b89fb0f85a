//! `stackctl agent install`: brings hosts an agent, after a consent that no flag gives.

use std::path::{Path, PathBuf};

use super::super::Context;
use super::super::cluster::{self, Cluster};
use super::super::not_confirmed::NotConfirmed;
use super::super::recorded::warn_unended;
use super::super::render::agents::{happened, plan_text};
use super::super::render::text::{clean, count, some_of};
use super::super::report::{Blame, Exit, Failure};
use super::super::ui::Ui;
use super::{Unfinished, look_at};
use crate::fleet::ConnectOptions;
use crate::inventory::{FILE, Inventory};
use crate::ops::agents::Hands;
use crate::ops::agents::install::{NotInstalled, install};
use crate::ops::agents::join::{Joined, acquaint as acquainted};
use crate::ops::agents::plan::{Obstacle, Permission, Plan, permission};
use crate::ops::agents::programs::Programs;
use crate::ops::records::Holder;
use crate::ops::vault::VaultError;

/// Hosts that a message names.
const NAMED_MAX: usize = 5;

/// Arguments of `agent install`.
#[derive(Debug, clap::Args)]
pub struct AgentInstall {
    /// Names of the hosts [default: all]
    #[arg(value_name = "HOST", add = super::super::complete::nodes())]
    pub hosts: Vec<String>,
    /// Do not ask for confirmation where every host has an agent already; never stands in for the consent to the first one
    #[arg(short, long, env = "STACKCTL_YES", value_parser = clap::builder::FalseyValueParser::new())]
    pub yes: bool,
    /// Show what would be done and stop
    #[arg(long)]
    pub dry_run: bool,
}

/// Why nothing was shipped.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
enum NotAllowed {
    #[error("the inventory says `agents: off`: no host gets an agent")]
    #[diagnostic(
        code(stackctl::agent::off),
        help("write `agents: ask` or `agents: auto` at the top of {}", file.display())
    )]
    Off {
        /// The inventory.
        file: PathBuf,
    },
    #[error("{hosts} would get an agent, which has root's rights, and there is no terminal to ask at")]
    #[diagnostic(
        code(stackctl::agent::no_consent),
        help("`--yes` does not stand in for this; to consent, write `agents: auto` at the top of {}", file.display())
    )]
    NoConsent {
        /// The hosts, or some of them.
        hosts: String,
        /// The inventory.
        file: PathBuf,
    },
}

/// A host can have no agent, or there is none for it here.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[error("{host} can have no agent: {why}")]
pub(super) enum NotPossible {
    #[diagnostic(code(stackctl::agent::no_program), help("{how}; nothing was changed on any host"))]
    NoProgram { host: String, why: String, how: String },
    #[diagnostic(
        code(stackctl::agent::not_supported),
        help(
            "name the hosts that are to have one: `stackctl agent install HOST…`; nothing was changed on any host"
        )
    )]
    Host { host: String, why: String },
}

pub(super) fn run(args: &AgentInstall, context: &Context) -> Result<Exit, Failure> {
    let ui = &context.ui;
    cluster::with(context, ConnectOptions::default(), async |cluster: &Cluster| {
        let look = look_at(cluster, context, &args.hosts).await?;
        let programs = Programs::here();
        let plan = Plan::of(look, |architecture| programs.for_host(architecture));
        let end = if plan.silent.is_empty() { Exit::Done } else { Exit::Unreachable };
        if let Some((node, obstacle)) = plan.obstacles.first() {
            return Err(Failure::refused(not_possible(node.as_str(), obstacle)));
        }
        ui.data(&plan_text(&plan, &cluster.inventory.cluster, cluster.inventory.agent_port));
        if args.dry_run {
            return Ok(end);
        }
        if plan.changes().next().is_none() {
            acquaint(context, cluster).await;
            return Ok(end);
        }
        consent(args.yes, context, cluster, &plan)?;
        let unended = warn_unended(ui);
        let tell = |node: &_, what| ui.say(&clean(&happened(node, &what)));
        let (actor, writing) = (cluster.actor(), cluster.writing());
        let hands = Hands { fleet: &cluster.fleet, actor: &actor, writing: &writing };
        let failed = install(&hands, &plan, tell, |holder| waiting(ui, holder), unended).await?;
        let done = plan.changes().count() - failed.len();
        ui.say(&format!("{} done.", count(done, "host")));
        for (node, why) in &failed {
            ui.warn(&clean(&format!("{node}: {why}")));
        }
        acquaint(context, cluster).await;
        let Some((node, why)) = failed.first() else { return Ok(end) };
        let blame =
            if failed.iter().all(|(_, why)| why.is_silence()) { Blame::Unreachable } else { Blame::Refused };
        Err(Failure::new(blame, unfinished(node.as_str(), why, failed.len())))
    })
}

/// Tells agents who they are among the others. What stands in the way of that is a warning: they work as ever.
pub(super) async fn acquaint(context: &Context, cluster: &Cluster) {
    let ui = &context.ui;
    let (actor, writing) = (cluster.actor(), cluster.writing());
    let hands = Hands { fleet: &cluster.fleet, actor: &actor, writing: &writing };
    match acquainted(&hands, &cluster.papers()).await {
        Ok(Joined { met, failed, nowhere }) => {
            if !met.is_empty() {
                let names: Vec<String> = met.iter().map(ToString::to_string).collect();
                ui.say(&clean(&format!(
                    "{}: know the agents of the other hosts, at port {}",
                    some_of(&names, NAMED_MAX),
                    cluster.inventory.agent_port
                )));
            }
            for (node, why) in failed.iter().chain(&nowhere) {
                ui.warn(&clean(&format!("{node}: its agent does not know the others: {why}")));
            }
        }
        // Without a key there are no secrets that could be handed over.
        Err(VaultError::NoKey) => {}
        Err(why) => ui.warn(&clean(&format!("agents do not know each other: {why}"))),
    }
}

/// Another process does the same, and is waited for.
pub(super) fn waiting(ui: &Ui, holder: &Holder) {
    let Holder { who, pid, verb, .. } = holder;
    ui.say(&clean(&format!("Waiting for {who} (process {pid}, `{verb}`), which works on the agents.")));
}

pub(super) fn unfinished(node: &str, why: &NotInstalled, failed: usize) -> Unfinished {
    Unfinished(format!("{} without the agent that was to be brought: {node}: {why}", count(failed, "host")))
}

/// Asks, where that is to be done.
pub(super) fn consent(yes: bool, context: &Context, cluster: &Cluster, plan: &Plan) -> Result<(), Failure> {
    let inventory = &cluster.inventory;
    let file = inventory.file.clone().unwrap_or_else(|| Path::new(FILE).to_owned());
    let is_granted = match permission(inventory.agents, plan) {
        Permission::Granted => true,
        Permission::Refused => return Err(Failure::refused(NotAllowed::Off { file })),
        Permission::Ask if yes => true,
        Permission::Ask => {
            let number = count(plan.changes().count(), "host");
            let question = format!("Replace the agents of {number} of cluster {}?", inventory.cluster);
            context.ui.confirm(&question).map_err(Failure::refused)?
        }
        // A script that answers every question with yes has not read this one.
        Permission::AskFirst if yes => {
            return Err(Failure::refused(NotAllowed::NoConsent { hosts: first(plan), file }));
        }
        Permission::AskFirst => {
            let asked = context.ui.confirm(&question(plan, inventory));
            asked.map_err(|_| Failure::refused(NotAllowed::NoConsent { hosts: first(plan), file }))?
        }
    };
    if is_granted { Ok(()) } else { Err(Failure::refused(NotConfirmed)) }
}

fn first(plan: &Plan) -> String {
    some_of(&plan.first().iter().map(ToString::to_string).collect::<Vec<_>>(), NAMED_MAX)
}

fn question(plan: &Plan, inventory: &Inventory) -> String {
    let Inventory { cluster, agent_port, .. } = inventory;
    format!(
        "Bring {} of cluster {cluster} a program that stays there, has root's rights, and listens at TCP port {agent_port} for \
         its like on the other hosts?",
        first(plan)
    )
}

pub(super) fn not_possible(host: &str, obstacle: &Obstacle) -> NotPossible {
    let (host, why) = (host.to_owned(), obstacle.to_string());
    match obstacle {
        Obstacle::NoProgram(missing) => {
            let (architecture, file) = (&missing.architecture, missing.file.display());
            let how = format!(
                "on a machine with {architecture}, in stackctl's sources, `cargo quick` makes a static program: copy \
                 target/quick/stackctl to {file}, or run that one"
            );
            NotPossible::NoProgram { host, why, how }
        }
        Obstacle::Rootless | Obstacle::System(_) => NotPossible::Host { host, why },
    }
}
