//! `stackctl image prune`: what nothing needs any more, shown, confirmed and removed.

use std::collections::BTreeMap;

use super::super::Context;
use super::super::cluster::{self, Cluster};
use super::super::not_confirmed::NotConfirmed;
use super::super::recorded::warn_unended;
use super::super::render::images::short_id;
use super::super::render::text::{clean, count, some_of};
use super::super::report::{Blame, Exit, Failure};
use super::super::rollout_args::duration;
use super::push::shown;
use super::warn_of_silent;
use crate::fleet::ConnectOptions;
use crate::model::GoDuration;
use crate::ops::images::NotRemoved;
use crate::ops::images::needed::{KEPT, Needed, NotKnown};
use crate::ops::images::prune::{Choice, NotPruned, Pruned, Target, prune, unneeded};

/// Hosts that a line names.
const NAMED_MAX: usize = 5;

/// Arguments of `image prune`.
#[derive(Debug, clap::Args)]
pub struct ImagePrune {
    /// How many of the newest releases of each stack keep their images
    #[arg(long, value_name = "N", default_value_t = KEPT)]
    pub keep: usize,
    /// Also images that no release has named and that were not pushed
    #[arg(short, long)]
    pub all: bool,
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
#[error("{} not removed: {why}", count(*images, "image"))]
#[diagnostic(
    code(stackctl::image::not_removed),
    help("run the command again: it takes what is still there and not needed")
)]
struct NotAllRemoved {
    images: usize,
    why: String,
}

/// A release that may need images is not known.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[error("{0}")]
#[diagnostic(
    code(stackctl::image::needs_unknown),
    help("nothing was removed; bring back the managers that are silent, or see `stackctl ledger sync`")
)]
struct NeedsUnknown(NotKnown);

impl From<NotKnown> for Failure {
    fn from(error: NotKnown) -> Self {
        match error {
            NotKnown::Ledger(error) => error.into(),
            NotKnown::Lost(error) => (*error).into(),
            undecided @ NotKnown::Undecided { .. } => Self::refused(NeedsUnknown(undecided)),
        }
    }
}

impl From<NotPruned> for Failure {
    fn from(error: NotPruned) -> Self {
        match error {
            NotPruned::NotKnown(error) => error.into(),
            NotPruned::Ops(error) => error.into(),
        }
    }
}

pub(super) fn run(args: &ImagePrune, context: &Context) -> Result<Exit, Failure> {
    let ui = &context.ui;
    let choice = Choice { keep: args.keep, all: args.all };
    cluster::with(context, ConnectOptions::default(), async |cluster: &Cluster| {
        let clock = cluster.clock;
        let (looks, needed) =
            tokio::join!(cluster.fleet.images(|| clock.now()), Needed::read(cluster, args.keep, clock.now()));
        let end = warn_of_silent(ui, &looks);
        let wanted = unneeded(&looks, &needed?, choice, clock.now());
        if wanted.is_empty() {
            ui.say("No image can go: each is in use, or needed, or not stackctl's.");
            return Ok(end);
        }
        ui.data(&plan(&wanted));
        if args.dry_run {
            return Ok(end);
        }
        let number = count(wanted.len(), "image");
        let question = format!("Remove {number} of cluster {}?", cluster.inventory.cluster);
        if !args.yes && !ui.confirm(&question).map_err(Failure::refused)? {
            return Err(Failure::refused(NotConfirmed));
        }
        let patience_ms = args.lock_timeout.map_or(0, GoDuration::as_millis);
        let waiting = |holder: &crate::ops::records::Holder| {
            ui.say(&format!("Waiting for {} (`{}`), who holds the lock of a stack", holder.who, holder.verb));
        };
        let pruned = prune(cluster, &wanted, choice, patience_ms, waiting, warn_unended(ui)).await?;
        report(context, &pruned)?;
        Ok(end)
    })
}

/// One line for each image: `- app:1  f00dcafe1234  20MiB  on h1, h2`.
fn plan(wanted: &[Target]) -> String {
    let mut by_image: BTreeMap<(&str, &str), Vec<&Target>> = BTreeMap::new();
    for target in wanted {
        by_image.entry((&target.name, &target.id)).or_default().push(target);
    }
    let mut out = String::new();
    for ((name, id), targets) in &by_image {
        let nodes: Vec<String> = targets.iter().map(|target| target.node.to_string()).collect();
        let bytes = targets.iter().map(|target| target.bytes).max().unwrap_or(0);
        let name = if name == id { "<none>" } else { name };
        let line = format!("- {name}  {}  {}  on {}", short_id(id), shown(bytes), some_of(&nodes, NAMED_MAX));
        out += &format!("{}\n", clean(&line));
    }
    out + &format!("\nPlan: {} to remove\n", count(wanted.len(), "image"))
}

fn report(context: &Context, pruned: &Pruned) -> Result<(), Failure> {
    let Pruned { removed, left, failed } = pruned;
    context.ui.say(&format!("{} removed.", count(removed.len(), "image")));
    if !left.is_empty() {
        context.ui.say(&format!("{} left as it was: needed by now, or gone.", count(left.len(), "image")));
    }
    for (target, why) in failed {
        context.ui.warn(&clean(&format!("{} on {}: {why}", target.name, target.node)));
    }
    let Some((_, first)) = failed.first() else { return Ok(()) };
    let is_silent = failed.iter().all(|(_, why)| matches!(why, NotRemoved::Silent(_)));
    let blame = if is_silent { Blame::Unreachable } else { Blame::Refused };
    Err(Failure::new(blame, NotAllRemoved { images: failed.len(), why: first.to_string() }))
}
