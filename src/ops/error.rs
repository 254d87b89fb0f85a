//! Why an operation was not carried out. Typed: a surface maps each to its own code, status and words.

use crate::ledger::LedgerError;
use crate::ledger::lease::Holder;
use crate::model::StackName;
use crate::ops::agents::need::NoAgents;
use crate::ops::edit::EditError;
use crate::ops::undo::NotUndone;
use crate::ops::vault::VaultError;
use crate::orchestrator::Problem;

/// Why a release, a heal or a rollout did not begin. In each case nothing that runs was changed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The ledger cannot be read or written.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// Another process holds the lock of the stack, and the time to wait for it is over.
    #[error("stack `{stack}` is locked by {} (process {}, `{}`)", holder.who, holder.pid, holder.verb)]
    Held {
        /// The stack whose lock it is.
        stack: StackName,
        /// The process that holds it.
        holder: Box<Holder>,
        /// Time since its last heartbeat in milliseconds, by the managers' own clocks, where that is known.
        age_ms: Option<i64>,
        /// How long after its last heartbeat the lock expires.
        lasts_ms: i64,
        /// The holder has ended, and something that it had sent may still arrive.
        has_ended: bool,
    },
    /// The lock was lost before anything was written or changed: another process may hold it by now.
    #[error("the lock of stack `{stack}` was lost before anything was changed")]
    LockLost {
        /// The stack whose lock it was.
        stack: StackName,
    },
    /// The plan has problems.
    #[error("{}", problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Refused {
        /// The stack that was planned.
        stack: StackName,
        /// All of them.
        problems: Vec<Problem>,
    },
    /// Only the plan that was shown may be carried out, and it is no longer the plan.
    #[error("the plan is stale: {why}")]
    Stale {
        /// What has changed.
        why: String,
    },
    /// Secrets that it needs cannot be had.
    #[error(transparent)]
    Vault(Box<VaultError>),
    /// Hosts that need an agent have none.
    #[error(transparent)]
    NoAgents(#[from] NoAgents),
    /// A service has no room for what is asked of it.
    #[error(transparent)]
    NotEdited(#[from] EditError),
    /// An operation cannot be undone.
    #[error(transparent)]
    NotUndone(#[from] NotUndone),
    /// The plan was shown and not approved.
    #[error("not confirmed: nothing was changed")]
    NotApproved,
}

impl From<VaultError> for Error {
    fn from(error: VaultError) -> Self {
        Self::Vault(Box::new(error))
    }
}
