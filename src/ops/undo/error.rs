//! Why something is not undone. Nothing was changed then.

use std::collections::BTreeSet;

use crate::engine::operations::Id;
use crate::ledger::NoCurrent;
use crate::model::{NodeName, ServiceName, StackName};

/// Why something is not undone.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotUndone {
    /// The log has no operation, or none of the stack.
    #[error("the log has no operation to undo")]
    Nothing {
        /// The stack, if one was named.
        stack: Option<StackName>,
    },
    /// No such operation.
    #[error("no operation `{0}` is remembered")]
    NoOperation(Id),
    /// A release that may be the newest operation is not decided, and only a process that holds the lock of its stack may
    /// decide it.
    #[error("which operation is the newest cannot be told: release {number} of stack `{stack}` is undecided")]
    Unsure {
        /// Of which stack.
        stack: StackName,
        /// Its number.
        number: u64,
    },
    /// It is of a kind that cannot be undone, or nothing of it is left.
    #[error("`{id}` ({verb}) cannot be undone: {why}")]
    Cannot {
        /// The operation.
        id: Id,
        /// The words of its command.
        verb: String,
        /// What forbids it.
        why: Obstacle,
    },
    /// The same was changed again since.
    #[error("`{id}` ({verb}) cannot be undone by itself: the same was changed since")]
    Overtaken {
        /// The operation.
        id: Id,
        /// The words of its command.
        verb: String,
        /// The operations that changed it, with the words of their commands; empty if it was changed by none
        /// that is in the log. Releases come oldest first, others newest first.
        later: Vec<(Id, String)>,
        /// What they changed.
        what: Subject,
    },
}

/// What an operation changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    /// Services of the release's stack.
    Services(BTreeSet<ServiceName>),
    /// Whether the loop may touch the stack.
    Suspension(StackName),
    /// What is remembered of a node.
    Node(NodeName),
}

/// What forbids that an operation is undone.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Obstacle {
    /// Another process carries it out.
    #[error("it is under way")]
    UnderWay,
    /// Only releases have a spec to go back to.
    #[error("it is no release")]
    NoRelease,
    /// The releases before it are no longer in the ledger.
    #[error("what was declared before it is no longer remembered")]
    Forgotten,
    /// It is not known what to go back to.
    #[error("what ran before it is not known: {0}")]
    NoBefore(NoCurrent),
    /// It is not known what later operations left.
    #[error("{0}")]
    NoCurrent(NoCurrent),
    /// Services that stay and services that go back need one config with two contents.
    #[error("config {0} would have to have two contents")]
    TwoContents(String),
    /// Nothing of it was begun.
    #[error("it was not begun: it changed nothing")]
    NotBegun,
    /// It was rolled back.
    #[error("it was rolled back: nothing of it is left")]
    RolledBack,
    /// It declared what was declared before.
    #[error("it changed nothing that was declared, it only moved or replaced tasks")]
    OnlyTasks,
    /// The loop's own work.
    #[error("the loop brought back what was declared, and would again")]
    Healed,
    /// A lock that was broken.
    #[error("the process that held the lock has stopped by now")]
    Lock,
    /// A copy or a restore of the whole ledger.
    #[error("the records as a whole were written")]
    Records,
}
