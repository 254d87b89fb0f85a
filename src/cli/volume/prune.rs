//! `stackctl volume prune`: what replaced tasks have left, shown, confirmed and removed.

use super::super::Context;
use super::super::cluster::{self, Cluster};
use super::super::deploy::stack_name;
use super::super::not_confirmed::NotConfirmed;
use super::super::recorded::warn_unended;
use super::super::render::text::{clean, count};
use super::super::render::volumes::short_name;
use super::super::report::{Blame, Exit, Failure};
use super::super::rollout_args::duration;
use crate::fleet::ConnectOptions;
use crate::model::{GoDuration, StackName};
use crate::ops::volumes::prune::{Pruned, prune, unneeded};
use crate::ops::volumes::{Remembered, remembered};

/// Arguments of `volume prune`.
#[derive(Debug, clap::Args)]
pub struct VolumePrune {
    /// Only volumes of these stacks [default: of all]
    #[arg(value_name = "STACK", value_parser = stack_name, add = super::super::complete::stacks())]
    pub stacks: Vec<StackName>,
    /// Do not ask for confirmation
    #[arg(short, long, env = "STACKCTL_YES", value_parser = clap::builder::FalseyValueParser::new())]
    pub yes: bool,
    /// Show what would be removed and stop
    #[arg(long)]
    pub dry_run: bool,
    /// How long to wait if another process holds the lock of a stack, e.g. 5m [default: do not wait]
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub lock_timeout: Option<GoDuration>,
}

/// Engines refused, or hosts went silent.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[error("{} not removed: {why}", count(*volumes, "volume"))]
#[diagnostic(
    code(stackctl::volume::not_removed),
    help("run the command again: it takes what is still there and not needed")
)]
struct NotRemoved {
    volumes: usize,
    why: String,
}

pub(super) fn run(args: &VolumePrune, context: &Context) -> Result<Exit, Failure> {
    let ui = &context.ui;
    cluster::with(context, ConnectOptions::default(), async |cluster: &Cluster| {
        let (observed, all) = tokio::join!(cluster.observe(), remembered(cluster));
        let mut all = all?;
        all.retain(|stack, _| args.stacks.is_empty() || args.stacks.contains(stack));
        cluster::warn_of_silent(ui, &observed);
        let wanted = unneeded(&observed, &all);
        if wanted.is_empty() {
            ui.say("No volume can go: each is in use, has a name, or may hold the newest data of a slot.");
            return Ok(cluster::or_silent(Exit::Done, &observed));
        }
        ui.data(&plan(&wanted));
        if args.dry_run {
            return Ok(cluster::or_silent(Exit::Done, &observed));
        }
        let number = count(volumes(&wanted), "volume");
        let question = format!("Remove {number} of cluster {}, with all that is in them?", observed.cluster);
        if !args.yes && !ui.confirm(&question).map_err(Failure::refused)? {
            return Err(Failure::refused(NotConfirmed));
        }
        let pruned = carry_out(args, context, cluster, &wanted).await?;
        report(context, &pruned)?;
        Ok(cluster::or_silent(Exit::Done, &observed))
    })
}

fn volumes(wanted: &Remembered) -> usize {
    wanted.values().flat_map(|nodes| nodes.values()).map(std::collections::BTreeMap::len).sum()
}

/// One line for each: `- shop  db.1 /data  3f2a…  on h1`.
fn plan(wanted: &Remembered) -> String {
    let mut out = String::new();
    for (stack, nodes) in wanted {
        for (node, volumes) in nodes {
            for (name, made) in volumes {
                let slot = format!("{}.{} {}", made.service, made.slot, made.target);
                let line = format!("- {stack}  {slot}  {}  on {node}", short_name(name));
                out += &format!("{}\n", clean(&line));
            }
        }
    }
    out + &format!("\nPlan: {} to remove\n", count(volumes(wanted), "volume"))
}

async fn carry_out(
    args: &VolumePrune,
    context: &Context,
    cluster: &Cluster,
    wanted: &Remembered,
) -> Result<Pruned, Failure> {
    let patience_ms = args.lock_timeout.map_or(0, GoDuration::as_millis);
    let mut all = Pruned::default();
    for (stack, volumes) in wanted {
        let waiting = |holder: &crate::ops::records::Holder| {
            context.ui.say(&format!(
                "Waiting for {} (`{}`), who holds the lock of {stack}",
                holder.who, holder.verb
            ));
        };
        let done = prune(cluster, stack, volumes, patience_ms, waiting, warn_unended(&context.ui)).await?;
        all.removed.extend(done.removed);
        all.left.extend(done.left);
        all.failed.extend(done.failed);
    }
    Ok(all)
}

fn report(context: &Context, pruned: &Pruned) -> Result<(), Failure> {
    let Pruned { removed, left, failed } = pruned;
    context.ui.say(&format!("{} removed.", count(removed.len(), "volume")));
    if !left.is_empty() {
        context.ui.say(&format!("{} left as it was: needed by now, or gone.", count(left.len(), "volume")));
    }
    for (node, name, failure) in failed {
        context.ui.warn(&clean(&format!("{} on {node}: {}", short_name(name), failure.message)));
    }
    let Some((_, _, first)) = failed.first() else { return Ok(()) };
    let is_silent =
        failed.iter().all(|(_, _, one)| one.kind == crate::model::action::FailureKind::HostSilent);
    let blame = if is_silent { Blame::Unreachable } else { Blame::Refused };
    Err(Failure::new(blame, NotRemoved { volumes: failed.len(), why: first.message.clone() }))
}
