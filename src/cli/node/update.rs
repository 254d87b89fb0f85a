//! `stackctl node update`, `promote` and `demote`: change node records, which override the inventory.

use std::collections::BTreeMap;

use clap::ValueEnum;

use super::super::Context;
use super::super::cluster;
use super::super::format::Format;
use super::super::report::{Exit, Failure};
use super::super::rollout_args::{RegistryAuth, RolloutArgs};
use super::wanted::Wanted;
use super::{declared, drain};
use crate::fleet::ConnectOptions;
use crate::model::node::{Availability, Role};
use crate::ops::node::Change;

/// Arguments of `node update`.
#[derive(Debug, clap::Args)]
#[command(group(clap::ArgGroup::new("change").required(true).multiple(true)
    .args(["availability", "role", "label_add", "label_rm"])))]
pub struct NodeUpdate {
    /// Names of the nodes
    #[arg(value_name = "NODE", required = true, add = super::super::complete::nodes())]
    pub nodes: Vec<String>,
    /// Whether the nodes take tasks: with `pause` they keep their tasks and take no new ones, with `drain` they
    /// give their tasks away
    #[arg(long, value_enum, value_name = "WORD")]
    pub availability: Option<AvailabilityWord>,
    /// The role that constraints see as `node.role`. The ledger's managers are always those of the inventory
    #[arg(long, value_enum, value_name = "WORD")]
    pub role: Option<RoleWord>,
    /// Add or change a label, seen by constraints as `node.labels.KEY`
    #[arg(long, value_name = "KEY[=VALUE]")]
    pub label_add: Vec<String>,
    /// Remove a label, also one of the inventory
    #[arg(long, value_name = "KEY")]
    pub label_rm: Vec<String>,
    /// With `--availability drain`: also move tasks whose data is only on that node, and leave the data behind
    #[arg(long)]
    pub force: bool,
    /// Only record the change: tasks move with the next deploy of their stack
    #[arg(short, long, visible_alias = "no-wait")]
    pub detach: bool,
    /// Whether registry credentials are sent.
    #[command(flatten)]
    pub auth: RegistryAuth,
    /// How tasks are moved off a drained node.
    #[command(flatten)]
    pub rollout: RolloutArgs,
}

/// Arguments of `node promote` and `node demote`.
#[derive(Debug, clap::Args)]
pub struct NodeRole {
    /// Names of the nodes
    #[arg(value_name = "NODE", required = true, add = super::super::complete::nodes())]
    pub nodes: Vec<String>,
}

/// Docker's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum AvailabilityWord {
    /// Takes new tasks.
    Active,
    /// Keeps its tasks, takes no new ones.
    Pause,
    /// Gives its tasks away.
    Drain,
}

/// Docker's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum RoleWord {
    /// A manager.
    Manager,
    /// A worker.
    Worker,
}

/// A mistake in the arguments.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
enum WrongChange {
    #[error("`{0}` is not a label")]
    #[diagnostic(code(stackctl::node::bad_label), help("write it as KEY=VALUE, for example `zone=a`"))]
    Label(String),
    #[error("label `{0}` is both added and removed")]
    #[diagnostic(code(stackctl::node::bad_label), help("name it once"))]
    Twice(String),
    #[error("`--force` needs `--availability drain`")]
    #[diagnostic(
        code(stackctl::node::not_drained),
        help("a drain can leave data behind: add `--availability drain`, or remove `--force`")
    )]
    Force,
}

/// The change that the flags ask for.
fn change(args: &NodeUpdate) -> Result<Change, WrongChange> {
    let availability = args.availability.map(|word| match word {
        AvailabilityWord::Active => Availability::Active,
        AvailabilityWord::Pause => Availability::Pause,
        AvailabilityWord::Drain => Availability::Drain,
    });
    if args.force && availability != Some(Availability::Drain) {
        return Err(WrongChange::Force);
    }
    let mut labels = BTreeMap::new();
    for text in &args.label_add {
        let (key, value) = text.split_once('=').unwrap_or((text, ""));
        labels.insert(key.to_owned(), Some(value.to_owned()));
    }
    for key in &args.label_rm {
        if labels.insert(key.clone(), None).flatten().is_some() {
            return Err(WrongChange::Twice(key.clone()));
        }
    }
    let is_bad = |key: &&String| key.is_empty() || key.contains(|c: char| c.is_whitespace() || c == '=');
    if let Some(bad) = labels.keys().find(is_bad) {
        return Err(WrongChange::Label(bad.clone()));
    }
    let role = args.role.map(|word| match word {
        RoleWord::Manager => Role::Manager,
        RoleWord::Worker => Role::Worker,
    });
    Ok(Change { availability, role, labels, force: args.force })
}

/// What was typed, for the log.
fn verb(args: &NodeUpdate) -> String {
    let mut words = vec!["node update".to_owned()];
    if let Some(word) = args.availability.and_then(|word| word.to_possible_value()) {
        words.push(format!("--availability {}", word.get_name()));
    }
    if let Some(word) = args.role.and_then(|word| word.to_possible_value()) {
        words.push(format!("--role {}", word.get_name()));
    }
    words.extend(args.label_add.iter().map(|label| format!("--label-add {label}")));
    words.extend(args.label_rm.iter().map(|label| format!("--label-rm {label}")));
    words.extend(args.force.then(|| "--force".to_owned()));
    words.extend(args.nodes.iter().cloned());
    words.join(" ")
}

pub(super) fn run(args: &NodeUpdate, context: &Context) -> Result<Exit, Failure> {
    let change = change(args).map_err(Failure::usage)?;
    cluster::with(context, args.auth.connect(), async |cluster| {
        let nodes = declared(cluster, &args.nodes).await?;
        let (verb, message) = (verb(args), args.rollout.message.clone());
        let wanted = Wanted::new(cluster, nodes, change, args.rollout.format, verb, message);
        if wanted.update.change.availability == Some(Availability::Drain) && !args.detach {
            return drain::run(&args.rollout, context, &wanted).await;
        }
        if args.rollout.dry_run {
            wanted.tell(context, &wanted.foresee().await?);
        } else {
            wanted.remember(context).await?;
        }
        Ok(Exit::Done)
    })
}

/// `promote` and `demote`.
pub(super) fn role(args: &NodeRole, role: Role, context: &Context) -> Result<Exit, Failure> {
    cluster::with(context, ConnectOptions::default(), async |cluster| {
        let nodes = declared(cluster, &args.nodes).await?;
        let change = Change { role: Some(role), ..Change::default() };
        let word = if role == Role::Manager { "promote" } else { "demote" };
        let verb = format!("node {word} {}", args.nodes.join(" "));
        let wanted = Wanted::new(cluster, nodes, change, Format::Text, verb, None);
        wanted.remember(context).await?;
        Ok(Exit::Done)
    })
}
