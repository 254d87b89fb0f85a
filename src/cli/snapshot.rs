//! `stackctl snapshot`: one look at the cluster, kept for those who cannot look themselves.
//!
//! A pull request's job that may not reach the hosts compares with it: `diff --against FILE`.

mod document;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use clap::ValueHint;
use futures_util::future::join_all;

use super::Context;
use super::cluster::{self, Cluster, env, or_silent, warn_of_silent};
use super::records::{drifted, reading, remembered};
use super::report::{Exit, Failure};
use super::sealed::{self, Kind};
use crate::fleet::{ConnectOptions, inventory};
use crate::model::ids::sha256_hex;
use crate::model::{Observed, StackName, Timestamp};
use crate::orchestrator::PlanOptions;

pub(super) use document::Document;
use document::Stack;

pub(super) const EXAMPLES: &[(&str, &str)] = &[
    ("Keep what the cluster runs now", "stackctl snapshot -o snapshot.json"),
    (
        "What would a deploy change? Without a way to the hosts",
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
        let text = sealed::seal(Kind::Snapshot, observed.at, &document);
        match &args.output {
            Some(path) => sealed::write(path, &text)?,
            None => context.ui.data(&text),
        }
        warn_of_silent(&context.ui, &observed);
        Ok(or_silent(Exit::Done, &observed))
    })
}

/// What the ledger says of every stack that it knows or that runs; or why it says nothing.
async fn stacks(cluster: &Cluster, observed: &Observed) -> (BTreeMap<StackName, Stack>, Option<String>) {
    let ledger = reading(cluster);
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

/// Equal for two looks at a cluster that is the same but for the time of the look.
pub(super) fn fingerprint(observed: &Observed) -> String {
    let still = Observed { at: Timestamp(0), ..observed.clone() };
    let document = Document::of(&still, &PlanOptions::default(), BTreeMap::new(), None);
    let value = serde_json::to_value(document).expect("string keys and finite numbers");
    format!("sha256:{}", sha256_hex(sealed::in_order(value).to_string().as_bytes()))
}

/// Reads a snapshot. Asks no host; but an inventory that is at hand must be of the same cluster.
pub(super) fn open(path: &Path, context: &Context) -> Result<Document, Failure> {
    let document: Document = sealed::open(Kind::Snapshot, path)?;
    let explicit = context.globals.inventory.as_deref();
    if inventory::find(explicit, &env).is_some() {
        let (inventory, notes) = inventory::load(explicit, &env).map_err(Failure::refused)?;
        cluster::show_notes(&context.ui, &notes);
        if inventory.cluster != document.cluster {
            return Err(sealed::foreign(Kind::Snapshot, path, &document.cluster, &inventory.cluster));
        }
    }
    Ok(document)
}
