//! `stackctl volume`: volumes over all hosts of the cluster.

mod prune;

use clap::Subcommand;

use super::Context;
use super::cluster::{self, Cluster};
use super::filter::Filters;
use super::inspected::Inspected;
use super::render::volumes::{COLUMNS, inspect, rows};
use super::report::{Exit, Failure};
use crate::fleet::ConnectOptions;
use crate::model::Observed;
use crate::model::volume::is_made_up;
use crate::ops::volumes::{Listed, Standing, listed, remembered};
pub use prune::VolumePrune;

pub(super) const EXAMPLES: &[(&str, &str)] = &[
    ("The volumes of a stack, on whichever host they are", "stackctl volume ls -f stack=shop"),
    ("What replaced tasks have left behind", "stackctl volume prune --dry-run"),
];

/// Arguments of `volume`.
#[derive(Debug, clap::Args)]
pub struct Volume {
    #[command(subcommand)]
    pub command: VolumeCommand,
}

/// The commands of `volume`.
#[derive(Debug, Subcommand)]
pub enum VolumeCommand {
    /// List the volumes of the cluster, over all hosts
    ///
    /// A volume is `in use` while a container that runs, or may start again, has it mounted. It is `kept` if a container
    /// that has ended holds it, or if it may hold the newest data of a slot. What is `unused` has no container. Volumes
    /// without a name, which images declare, are listed with the slot that they were made for.
    #[command(visible_alias = "list")]
    Ls(VolumeLs),
    /// Show the details of volumes
    Inspect(VolumeInspect),
    /// Remove what replaced tasks have left: volumes without a name that hold no slot's newest data
    ///
    /// Takes only volumes that an engine made for a task of this cluster because its image declares one, that no container
    /// has mounted, and that are not the newest of their slot on their host. Never takes a volume with a name, nor
    /// anything of another cluster or of a silent host. Each stack is pruned under its lock.
    Prune(VolumePrune),
}

/// Arguments of `volume ls`.
#[derive(Debug, clap::Args)]
pub struct VolumeLs {
    /// Filter: name=, node=, stack=, service=, status=in-use|kept|unused|unknown, anonymous=true|false
    #[arg(short, long = "filter", value_name = "KEY=VALUE")]
    pub filters: Vec<String>,
    /// Volumes of no stack of this cluster, too
    #[arg(short, long)]
    pub all: bool,
    /// `table`, `table TEMPLATE`, `json`, or a Go template such as '{{.Name}}'
    #[arg(long, value_name = "FORMAT")]
    pub format: Option<String>,
    /// Print whole names
    #[arg(long)]
    pub no_trunc: bool,
}

/// Arguments of `volume inspect`.
#[derive(Debug, clap::Args)]
pub struct VolumeInspect {
    /// Names of the volumes; the beginning of a name without meaning is enough
    #[arg(value_name = "VOLUME", required = true)]
    pub volumes: Vec<String>,
    /// A Go template such as '{{.Status}}'
    #[arg(short, long, value_name = "FORMAT")]
    pub format: Option<String>,
}

/// No host has a volume of that name.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[error("no volume `{0}` on the hosts that answer")]
#[diagnostic(code(stackctl::volume::unknown), help("`stackctl volume ls --all` lists them"))]
struct Unknown(String);

pub(super) fn run(args: &Volume, context: &Context) -> Result<Exit, Failure> {
    match &args.command {
        VolumeCommand::Ls(args) => ls(args, context),
        VolumeCommand::Inspect(args) => inspect_volumes(args, context),
        VolumeCommand::Prune(args) => prune::run(args, context),
    }
}

const STATUSES: &[&str] = &["in-use", "kept", "unused", "unknown"];

fn ls(args: &VolumeLs, context: &Context) -> Result<Exit, Failure> {
    let known = ["name", "node", "stack", "service", "status", "anonymous"];
    let filters = Filters::parse(&args.filters, &known)?;
    filters.check_values("status", STATUSES)?;
    filters.check_values("anonymous", &["true", "false"])?;
    COLUMNS.render(args.format.as_deref(), &[])?;
    cluster::with(context, ConnectOptions::default(), async |cluster: &Cluster| {
        let (observed, all) = look(cluster).await?;
        let is_shown = |one: &&Listed| (args.all || one.is_ours) && fits(one, &filters);
        let shown: Vec<&Listed> = all.iter().filter(is_shown).collect();
        // For programs names are whole: they are given to other commands.
        let is_table = args.format.as_deref().is_none_or(|format| format.trim().starts_with("table"));
        let rows = rows(&shown, args.no_trunc || !is_table);
        context.ui.data(&COLUMNS.render(args.format.as_deref(), &rows)?);
        cluster::warn_of_silent(&context.ui, &observed);
        Ok(cluster::or_silent(Exit::Done, &observed))
    })
}

async fn look(cluster: &Cluster) -> Result<(Observed, Vec<Listed>), Failure> {
    let (observed, remembered) = tokio::join!(cluster.observe(), remembered(cluster));
    let all = listed(&observed, &remembered?);
    Ok((observed, all))
}

fn fits(one: &Listed, filters: &Filters) -> bool {
    let word = match one.standing {
        Standing::InUse => "in-use",
        Standing::Kept(_) => "kept",
        Standing::Unused => "unused",
        Standing::Unknown => "unknown",
    };
    filters.allows("name", |name| one.name.starts_with(name))
        && filters.allows("node", |node| one.node.as_str() == node)
        && filters.allows("stack", |stack| one.stack.as_ref().is_some_and(|of| of.as_str() == stack))
        && filters.allows("service", |service| one.services.iter().any(|of| of.as_str() == service))
        && filters.allows("status", |status| word == status)
        && filters.allows("anonymous", |flag| is_made_up(&one.name).to_string() == flag)
}

fn inspect_volumes(args: &VolumeInspect, context: &Context) -> Result<Exit, Failure> {
    let inspected = Inspected::of(args.format.as_deref(), false)?;
    cluster::with(context, ConnectOptions::default(), async |cluster: &Cluster| {
        let (observed, all) = look(cluster).await?;
        let mut found = Vec::new();
        for name in &args.volumes {
            let is_meant = |one: &&Listed| {
                one.name == *name || (is_made_up(&one.name) && !name.is_empty() && one.name.starts_with(name))
            };
            let volumes: Vec<&Listed> = all.iter().filter(is_meant).collect();
            if volumes.is_empty() {
                cluster::warn_of_silent(&context.ui, &observed);
                let is_silent = observed.silent().next().is_some();
                return Err(Failure::new(cluster::blame(is_silent), Unknown(name.clone())));
            }
            found.extend(volumes.into_iter().map(inspect));
        }
        context.ui.data(&inspected.print(found, |_| String::new())?);
        Ok(Exit::Done)
    })
}
