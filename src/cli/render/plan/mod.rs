//! A plan for people, for programs and for pull requests.
//!
//! All three tell the same: what differs, field by field; what will be done, slot by slot; what one
//! should know; and the sum of it. People get it folded, so that a stack of a thousand tasks still fits
//! on a screen; programs get every action.

mod fold;
mod json;
mod markdown;
pub(super) mod moves;
mod shown;
mod text;

use crate::diff::{Change, StackDiff};
use crate::model::{ClusterName, StackName, StackSpec};
use crate::orchestrator::{Drifted, Forecast, Note};

pub use json::{action as action_json, plan as to_json};
pub use markdown::{findings, markdown, no_plan};
pub(in crate::cli) use shown::short_digest;
pub use text::{summary, text};

/// What a plan is shown from.
#[derive(Debug, Clone, Copy)]
pub struct PlanView<'a> {
    /// The stack.
    pub stack: &'a StackName,
    /// The cluster.
    pub cluster: &'a ClusterName,
    /// Nodes that were looked at.
    pub nodes: usize,
    /// Live tasks of the stack that were found there.
    pub tasks: usize,
    /// Field by field.
    pub diff: &'a StackDiff,
    /// Action by action.
    pub forecast: &'a Forecast,
    /// What happened behind the file's back.
    pub drift: &'a Drifted,
    /// What one should know.
    pub notes: &'a [Note],
    /// What is wanted, for a word on new services; there is none when a stack is removed.
    pub wanted: Option<&'a StackSpec>,
    /// Nothing folded, nothing cut.
    pub is_whole: bool,
}

/// A changed field in lines, the first of which begins with its path.
pub(super) fn change_lines(change: &Change) -> Vec<String> {
    shown::change(change, false)
}

#[cfg(test)]
mod tests;
