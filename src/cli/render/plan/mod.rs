//! A plan for people, for programs and for pull requests.
//!
//! All three show the same: the changed fields, the actions for each slot, the notes, and the sum. Text for
//! people is folded, so that a stack of a thousand tasks still fits on a screen; programs get every action.

mod fold;
mod json;
mod markdown;
pub(super) mod moves;
mod shown;
mod text;

use crate::diff::{Change, StackDiff};
use crate::model::{ClusterName, StackName, StackSpec};
use crate::orchestrator::{Drifted, Forecast, Note};

pub use json::plan as to_json;
pub use markdown::{findings, markdown, no_plan};
pub(in crate::cli) use shown::short_digest;
pub use text::{summary, text};

/// A plan to be shown.
#[derive(Debug, Clone, Copy)]
pub struct PlanView<'a> {
    pub stack: &'a StackName,
    pub cluster: &'a ClusterName,
    /// Number of observed nodes.
    pub nodes: usize,
    /// Number of live tasks of the stack.
    pub tasks: usize,
    /// Field by field.
    pub diff: &'a StackDiff,
    /// Action by action.
    pub forecast: &'a Forecast,
    /// Drift since the last release.
    pub drift: &'a Drifted,
    /// Notes for the user.
    pub notes: &'a [Note],
    /// The declared stack, to describe new services; none when a stack is removed.
    pub wanted: Option<&'a StackSpec>,
    /// Whether to show everything, unfolded.
    pub is_whole: bool,
}

/// A changed field in lines, the first of which begins with its path.
pub(super) fn change_lines(change: &Change) -> Vec<String> {
    shown::change(change, false)
}

#[cfg(test)]
mod tests;
