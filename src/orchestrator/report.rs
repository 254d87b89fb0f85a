//! Progress and result of a run: plain data between the code that carries a plan out and its observers.

use super::converge::Verdict;
use super::notice::Notice;
use crate::model::action::{Action, Outcome, TaskHandle};
use crate::model::{NodeName, TaskStatus};

/// How a run ended.
#[derive(Debug)]
pub enum End {
    Verdict(Verdict),
    /// Nothing was left but to wait, and the caller did not want to.
    Detached,
    /// The time is over. Tasks that are not up yet.
    TimedOut(Vec<(NodeName, TaskHandle)>),
    /// It was asked to stop. Actions that were on their way have ended.
    Interrupted,
    /// The lock was lost: another process may hold it by now. Actions that were on their way have ended.
    LeaseLost,
}

/// What happens in a run.
#[derive(Debug)]
pub enum Progress<'a> {
    /// An action was begun.
    Began(&'a Action),
    /// An action ended.
    Ended(&'a Action, &'a Outcome),
    /// A task does something else than before; `None` if it is gone.
    Seen(&'a NodeName, &'a TaskHandle, Option<TaskStatus>),
    /// A node went silent.
    Silent(&'a NodeName, &'a str),
    /// The run turned: paused, or on its way back.
    Noticed(&'a Notice),
    /// Nothing, for a while.
    Tick,
}
