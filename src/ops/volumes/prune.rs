//! Removes volumes that engines made for tasks, and that hold no slot's newest data.
//!
//! Only what is remembered as a stack's of this cluster, on hosts that answer, without a container that has it mounted.
//! The engine itself refuses to remove one that was mounted in the meantime.

use std::collections::BTreeMap;

use super::{Remembered, made_for};
use crate::ledger::lease::Holder;
use crate::ledger::volumes;
use crate::model::action::Failure;
use crate::model::volume::{AnonymousVolume, AnonymousVolumes, newest};
use crate::model::{NodeName, Observed, StackName};
use crate::ops::Error;
use crate::ops::cluster::Cluster;
use crate::ops::log::{NewEntry, Unended, logged};
use crate::ops::release::{Driver as _, Lock as _};

/// The verb of these operations; the stack follows.
const VERB: &str = "volume prune";

/// What can go, by stack, node and name.
#[must_use]
pub fn unneeded(observed: &Observed, remembered: &Remembered) -> Remembered {
    let of = |(stack, all)| (StackName::clone(stack), unneeded_of(observed, stack, all));
    remembered.iter().map(of).filter(|(_, volumes)| !volumes.is_empty()).collect()
}

/// The same of one stack.
#[must_use]
pub fn unneeded_of(
    observed: &Observed,
    stack: &StackName,
    remembered: &AnonymousVolumes,
) -> AnonymousVolumes {
    let mut found = AnonymousVolumes::new();
    for (member, facts) in observed.reachable() {
        let all = made_for(facts, &member.name, stack, Some(remembered));
        let kept = newest(&all);
        let is_remembered =
            |name: &str| remembered.get(&member.name).is_some_and(|volumes| volumes.contains_key(name));
        let is_free = |name: &str| {
            let is_ours = |of: &Option<String>| of.as_ref().is_none_or(|of| of == observed.cluster.as_str());
            facts.volume_details.get(name).is_some_and(|seen| seen.uses.is_empty() && is_ours(&seen.cluster))
        };
        let unneeded: BTreeMap<String, AnonymousVolume> = all
            .into_iter()
            .filter(|(name, _)| is_remembered(name) && is_free(name) && !kept.contains(name))
            .collect();
        if !unneeded.is_empty() {
            found.insert(member.name.clone(), unneeded);
        }
    }
    found
}

/// What became of the volumes of a stack.
#[derive(Debug, Default)]
pub struct Pruned {
    /// Node and name of each.
    pub removed: Vec<(NodeName, String)>,
    /// A container has it mounted by now, or another process has removed it: it stays as it is.
    pub left: Vec<(NodeName, String)>,
    pub failed: Vec<(NodeName, String, Failure)>,
}

/// How a removal of volumes is written into the log if it failed.
#[derive(Debug, thiserror::Error)]
enum Unfinished {
    #[error(transparent)]
    Ledger(#[from] crate::ledger::LedgerError),
    #[error("{failed} of {all} volumes were not removed: {why}")]
    Failed { failed: usize, all: usize, why: String },
}

/// Removes volumes of a stack, under its lock, as far as they can go by then as well: `wanted` is what was shown.
///
/// # Errors
///
/// If another process holds the lock, or the ledger cannot be read or written.
pub async fn prune(
    cluster: &Cluster,
    stack: &StackName,
    wanted: &AnonymousVolumes,
    patience_ms: i64,
    waiting: impl FnMut(&Holder),
    unended: impl FnOnce(Unended),
) -> Result<Pruned, Error> {
    let driver = cluster.driver();
    let lock = driver.lock(stack, VERB, patience_ms, waiting).await?;
    let observed = cluster.observe().await;
    let executor = cluster.fleet.executor(stack, &observed.key).fenced(lock.validity().fence());
    let done = async {
        let now = volumes::records(&cluster.ledger, stack).await?.anonymous;
        let now = unneeded_of(&observed, stack, &now);
        let mut pruned = Pruned::default();
        let mut targets = Vec::new();
        for (node, names) in wanted {
            for name in names.keys().cloned() {
                let is_still = now.get(node).is_some_and(|volumes| volumes.contains_key(&name));
                if is_still { &mut targets } else { &mut pruned.left }.push((node.clone(), name));
            }
        }
        if targets.is_empty() {
            return Ok(pruned);
        }
        if !lock.is_valid() {
            return Err(Error::LockLost { stack: stack.clone() });
        }
        let entry = NewEntry {
            verb: format!("{VERB} {stack}"),
            stacks: vec![stack.clone()],
            message: Some(format!("{} volumes that engines made", targets.len())),
            ..NewEntry::default()
        };
        let writing = cluster.writing();
        let all = targets.len();
        let work = async {
            for (node, name) in targets {
                match executor.remove_volume(&node, &name).await {
                    Ok(true) => pruned.removed.push((node, name)),
                    Ok(false) => pruned.left.push((node, name)),
                    Err(failure) => pruned.failed.push((node, name, failure)),
                }
            }
            volumes::forget(&writing, stack, &pruned.removed).await?;
            match pruned.failed.first() {
                None => Ok(()),
                Some((_, _, failure)) => {
                    let (failed, why) = (pruned.failed.len(), failure.message.clone());
                    Err(Unfinished::Failed { failed, all, why })
                }
            }
        };
        match logged(&cluster.actor(), &writing, entry, work, unended).await {
            Ok(()) | Err(Unfinished::Failed { .. }) => Ok(pruned),
            Err(Unfinished::Ledger(error)) => Err(error.into()),
        }
    }
    .await;
    let given_back = if executor.is_uncertain().await { lock.leave().await } else { lock.release().await };
    let pruned = done?;
    given_back?;
    Ok(pruned)
}
