//! Whether the reconcile loop may touch a stack.

use super::cluster::Cluster;
use super::log::{NewEntry, Unended, logged};
use crate::engine::Writing;
use crate::ledger::operation::Changed;
use crate::ledger::settings::{Settings, Suspended, change, settings, stream};
use crate::ledger::{LedgerError, document};
use crate::model::StackName;

/// The first of some stacks of which no release is remembered: the loop does not look after it.
///
/// # Errors
///
/// If the ledger cannot be read.
pub async fn first_unknown<'s>(
    cluster: &Cluster,
    stacks: &'s [StackName],
) -> Result<Option<&'s StackName>, LedgerError> {
    for stack in stacks {
        if cluster.remembered(stack).await?.history.releases.is_empty() {
            return Ok(Some(stack));
        }
    }
    Ok(None)
}

/// What the settings of a stack were, and what they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Put {
    /// Before.
    pub before: Settings,
    /// Now.
    pub after: Settings,
}

/// Suspends a stack, or with `None` resumes it, and writes that into the log under these words; nothing is
/// written if it is so already. The user who was first to suspend it stays the one to ask.
///
/// # Errors
///
/// If the ledger cannot be read or written.
pub async fn put(
    cluster: &Cluster,
    ledger: &Writing,
    stack: &StackName,
    wanted: &Option<Suspended>,
    (verb, message): (String, Option<String>),
    unended: impl FnOnce(Unended),
) -> Result<Put, LedgerError> {
    let is_news = |settings: &Settings| settings.suspended.is_some() != wanted.is_some();
    document::repair(ledger, &stream(stack)).await?;
    let now = settings(ledger, stack).await?;
    if !is_news(&now) {
        return Ok(Put { before: now.clone(), after: now });
    }
    let changed = Changed::Suspended { stack: stack.clone(), before: now.suspended, after: wanted.clone() };
    let entry = NewEntry { verb, message, stacks: vec![stack.clone()], changes: vec![changed] };
    let work = change(ledger, stack, |settings| {
        if is_news(settings) {
            settings.suspended.clone_from(wanted);
        }
    });
    let (before, after) = logged(&cluster.actor(), ledger, entry, work, unended).await?;
    Ok(Put { before, after })
}
