//! `stackctl snapshot`: saves an observation of the cluster.
//!
//! A pull request's job without access to the hosts compares with it: `diff --against FILE`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use clap::ValueHint;
use futures_util::future::join_all;

use super::Context;
use super::cluster::{self, Cluster, env, or_silent, warn_of_silent};
use super::records::{drifted, remembered};
use super::report::{Exit, Failure};
use crate::artifact::envelope::{self, Kind};
use crate::artifact::snapshot::{Document, Stack};
use crate::fleet::ConnectOptions;
use crate::inventory;
use crate::model::{Observed, StackName};

pub(super) const EXAMPLES: &[(&str, &str)] = &[
    ("Save what the cluster runs now", "stackctl snapshot -o snapshot.json"),
    (
        "Show what a deploy would change, without access to the hosts",
        "stackctl diff --against snapshot.json -c app.yml shop",
    ),
];

/// Arguments of `snapshot`.
#[derive(Debug, clap::Args)]
pub struct Snapshot {
    /// Write it to this file [default: stdout]
    #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub output: Option<PathBuf>,
}

pub(super) fn run(args: &Snapshot, context: &Context) -> Result<Exit, Failure> {
    cluster::with(context, ConnectOptions::default(), async |cluster| {
        let observed = cluster.observe().await;
        let (stacks, unknown) = stacks(cluster, &observed).await;
        let document = Document::of(&observed, &cluster.plan_options(false), stacks, unknown);
        let text = envelope::seal(Kind::Snapshot, observed.at, &document);
        match &args.output {
            Some(path) => envelope::write(path, &text).map_err(Failure::refused)?,
            None => context.ui.data(&text),
        }
        warn_of_silent(&context.ui, &observed);
        Ok(or_silent(Exit::Done, &observed))
    })
}

/// The ledger's records of every stack that it knows or that runs; or why they are unknown.
async fn stacks(cluster: &Cluster, observed: &Observed) -> (BTreeMap<StackName, Stack>, Option<String>) {
    let ledger = &cluster.ledger;
    let known = match ledger.stacks().await {
        Ok(known) => known,
        Err(error) => return (BTreeMap::new(), Some(error.to_string())),
    };
    let running: BTreeSet<StackName> = observed.tasks().map(|task| task.stack.clone()).collect();
    let all = known.union(&running).map(async |stack| {
        let seen = match remembered(ledger, stack).await {
            Ok(remembered) => Stack { drift: drifted(observed, &remembered.history), unknown: None },
            Err(error) => Stack { unknown: Some(error.to_string()), ..Stack::default() },
        };
        (stack.clone(), seen)
    });
    (join_all(all).await.into_iter().collect(), None)
}

/// Reads a snapshot. Asks no host, but if there is an inventory, it must be of the same cluster.
pub(super) fn open(path: &Path, context: &Context) -> Result<Document, Failure> {
    let document: Document = envelope::open(Kind::Snapshot, path).map_err(Failure::refused)?;
    let named = cluster::named_inventory(context)?;
    let explicit = named.as_deref();
    if inventory::find(explicit, &env).is_some() {
        let (inventory, notes) = inventory::load(explicit, &env).map_err(Failure::refused)?;
        cluster::show_notes(&context.ui, &notes);
        if inventory.cluster != document.cluster {
            let foreign = envelope::foreign(Kind::Snapshot, path, &document.cluster, &inventory.cluster);
            return Err(Failure::refused(foreign));
        }
    }
    Ok(document)
}
