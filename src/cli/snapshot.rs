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
use crate::model::{ClusterName, MarkKey, Observed, StackName};

pub(super) const EXAMPLES: &[(&str, &str)] = &[
    ("Save what the cluster runs now", "stackctl snapshot -o snapshot.json"),
    (
        "Save it with the key that tells whether hidden values differ",
        "stackctl snapshot -o snapshot.json --key-out key",
    ),
    (
        "Show what a deploy would change, without access to the hosts",
        "stackctl diff --against snapshot.json --key key -c app.yml shop",
    ),
];

/// Arguments of `snapshot`.
#[derive(Debug, clap::Args)]
pub struct Snapshot {
    /// Write it to this file [default: stdout]
    #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub output: Option<PathBuf>,
    /// Also write the key of its marks to this file: `diff --against` compares hidden values with it. Whoever has the
    /// key can check a guess at a value
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub key_out: Option<PathBuf>,
}

/// The key of a snapshot's marks cannot be used.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub(super) enum KeyError {
    /// The file or the variable holds no key.
    #[error("{place} holds no key of a snapshot: {why}")]
    #[diagnostic(
        code(stackctl::saved::bad_key),
        help("`stackctl snapshot --key-out FILE` writes the key of a cluster")
    )]
    Bad {
        /// Where it was looked for.
        place: String,
        why: String,
    },
    /// The snapshot was made with another key.
    #[error("{place} holds the key of another cluster, or of a time before its ledger was lost")]
    #[diagnostic(
        code(stackctl::saved::other_key),
        help("`stackctl snapshot -o FILE --key-out KEY` writes a snapshot and its key")
    )]
    Other { place: String },
    /// There is no key before the first release.
    #[error("cluster `{0}` has no key yet: it gets one with its first release")]
    #[diagnostic(code(stackctl::saved::no_key), help("nothing runs there that would have to be hidden"))]
    None(ClusterName),
}

/// The variable that holds the key of a snapshot's marks.
const KEY: &str = "STACKCTL_SNAPSHOT_KEY";
/// Longer than any key, with its line end.
const KEY_BYTES_MAX: u64 = 1024;

/// The key of a snapshot's marks, if one is given: in a file, or in the variable.
pub(super) fn key_of(document: &Document, file: Option<&Path>) -> Result<Option<MarkKey>, Failure> {
    let bad = |place: &str, why: String| Failure::refused(KeyError::Bad { place: place.to_owned(), why });
    let (place, text) = match (file, env(KEY)) {
        (Some(path), _) => {
            let place = path.display().to_string();
            let bytes = envelope::read_at_most(path, KEY_BYTES_MAX).map_err(|why| bad(&place, why))?;
            (place, String::from_utf8_lossy(&bytes).into_owned())
        }
        (None, Some(text)) if !text.is_empty() => (format!("the variable {KEY}"), text),
        (None, _) => return Ok(None),
    };
    let key = MarkKey::try_from(text.trim().to_owned()).map_err(|why| bad(&place, why.to_string()))?;
    if !document.is_marked_with(&key) {
        return Err(Failure::refused(KeyError::Other { place }));
    }
    Ok(Some(key))
}

pub(super) fn run(args: &Snapshot, context: &Context) -> Result<Exit, Failure> {
    cluster::with(context, ConnectOptions::default(), async |cluster| {
        let observed = cluster.observe().await;
        let (stacks, unknown) = stacks(cluster, &observed).await;
        let document = Document::of(&observed, &cluster.plan_options(false), stacks, unknown);
        if let Some(path) = &args.key_out {
            if observed.key == MarkKey::unset() {
                return Err(Failure::refused(KeyError::None(observed.cluster.clone())));
            }
            envelope::write(path, &format!("{}\n", observed.key.reveal())).map_err(Failure::refused)?;
        }
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
        let (inventory, notes) = cluster::read_inventory(explicit)?;
        cluster::show_notes(&context.ui, &notes);
        if inventory.cluster != document.cluster {
            let foreign = envelope::foreign(Kind::Snapshot, path, &document.cluster, &inventory.cluster);
            return Err(Failure::refused(foreign));
        }
    }
    Ok(document)
}
