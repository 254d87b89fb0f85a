//! What the loop tells, in words and by severity: its log and those who are notified say the same.

use serde_json::{Value, json};

use super::event::{ActionEvent, ClusterEvent, StackStatus};
use crate::model::json::stamped;
use crate::model::{NodeName, Timestamp};
use crate::words::{count, elapsed, some_of};

/// Names in a line before the rest is counted.
const NAMES_MAX: usize = 8;

const CUT_OFF: &str = "most nodes are silent: it is more likely this machine that is cut off; nothing is done until they answer";

fn fenced(node: &NodeName, failed: Option<&str>) -> String {
    match failed {
        None => format!("node {node} is off: its tasks move elsewhere, and what they wrote stays behind"),
        Some(why) => format!("node {node} may not be off, and its tasks with data stay: {why}"),
    }
}

impl ClusterEvent {
    /// For programs: one object, with its type, its level and when it was.
    #[must_use]
    pub fn to_json(&self, at: Timestamp) -> Value {
        let mut value = json!(self);
        value["level"] = json!(self.level());
        let kind = value["type"].as_str().unwrap_or_default().to_owned();
        stamped(at, &kind, value)
    }

    /// How severe it is: `info`, `warning` or `error`.
    #[must_use]
    pub fn level(&self) -> &'static str {
        match self {
            Self::Leading
            | Self::HostsKnown
            | Self::StandingBy { .. }
            | Self::NodeBack { .. }
            | Self::FenceBegan { .. }
            | Self::NodeJoined { .. }
            | Self::HealBegan { .. }
            | Self::Commit { .. }
            | Self::ReleaseBegan { .. }
            | Self::OperationBegan { .. }
            | Self::OperationEnded { failed: None, .. }
            | Self::Task { .. }
            | Self::Stopping
            | Self::Acted(ActionEvent { failed: None, .. })
            | Self::HealEnded { failed: None, .. } => "info",
            Self::Stack { standing, .. } => match standing {
                StackStatus::Blocked { .. } | StackStatus::Failed { .. } => "error",
                StackStatus::Degraded { .. } | StackStatus::Drifted { .. } | StackStatus::Held { .. } => {
                    "warning"
                }
                _ => "info",
            },
            Self::Acted(_) | Self::LinesDropped { .. } => "warning",
            Self::ReleaseEnded { outcome, .. } if matches!(outcome.as_str(), "deployed" | "removed") => {
                "info"
            }
            Self::NodeLeft { .. } | Self::FenceEnded { failed: None, .. } => "warning",
            Self::NodeLost { .. }
            | Self::FenceEnded { failed: Some(_), .. }
            | Self::HostsUnknown { .. }
            | Self::CutOff
            | Self::LeadLost
            | Self::LedgerTrouble { .. }
            | Self::TaskPanicked { .. }
            | Self::RepositoryTrouble { .. }
            | Self::Declined { .. }
            | Self::OperationEnded { .. }
            | Self::ReleaseEnded { .. }
            | Self::HealEnded { .. } => "error",
        }
    }

    /// In a sentence, which may hold whatever an engine said.
    #[must_use]
    pub fn words(&self) -> String {
        match self {
            Self::Leading => "this loop has the lead".to_owned(),
            Self::StandingBy { leader } => format!("standing by: {leader} has the lead"),
            Self::LeadLost => "the lead is lost: nothing more is begun".to_owned(),
            Self::NodeLost { node, silent_ms, why } => {
                format!("node {node} is lost: silent for {} ({why})", elapsed(*silent_ms))
            }
            Self::NodeBack { node } => format!("node {node} is back"),
            Self::FenceBegan { node } => format!("node {node}: its fence makes sure that it is off"),
            Self::FenceEnded { node, failed } => fenced(node, failed.as_deref()),
            Self::NodeJoined { node, source } => format!("node {node} joined ({source})"),
            Self::NodeLeft { node } => format!("node {node} left the inventory"),
            Self::HostsKnown => "those who name hosts answer again, and are believed".to_owned(),
            Self::HostsUnknown { why } => format!("the hosts stay those that were known: {why}"),
            Self::CutOff => CUT_OFF.to_owned(),
            Self::Stack { stack, release, standing } => {
                let release = release.map_or_else(String::new, |number| format!(" (release {number})"));
                format!("stack {stack}{release} {}", standing.words())
            }
            Self::HealBegan { stack, release, actions } => {
                format!("stack {stack}: back to release {release}, {}", count(*actions, "action"))
            }
            Self::Acted(ActionEvent { stack, node, verb, object, why, failed }) => match failed {
                None => format!("stack {stack}: {verb} {object} on {node} ({why})"),
                Some(failed) => format!("stack {stack}: {verb} {object} on {node} failed: {failed}"),
            },
            Self::HealEnded { stack, failed: None, took_ms } => {
                format!("stack {stack}: as declared again after {}", elapsed(*took_ms))
            }
            Self::HealEnded { stack, failed: Some(why), took_ms } => {
                format!("stack {stack}: not as declared after {}: {why}", elapsed(*took_ms))
            }
            Self::Commit { repository, commit, subject, stacks } => {
                format!("{repository} is at {commit} ({subject}): {}", declared(*stacks))
            }
            Self::Declined { repository, commit, stack, why } => {
                format!("stack {stack} of {repository} at {commit} cannot be used, and stays as it is: {why}")
            }
            Self::RepositoryTrouble { repository, why } => {
                format!("{repository} cannot be followed, and what it declared stands: {why}")
            }
            Self::ReleaseBegan { stack, release, commit, actions } => {
                let from = commit.as_ref().map_or_else(String::new, |commit| format!(" from {commit}"));
                let actions =
                    actions.map_or_else(|| " began".to_owned(), |n| format!(", {}", count(n, "action")));
                format!("stack {stack}: release {release}{from}{actions}")
            }
            Self::OperationBegan { operation, verb, who } => format!("{operation}: {verb}, by {who}"),
            Self::OperationEnded { operation, verb, failed: None } => format!("{operation}: {verb} is done"),
            Self::OperationEnded { operation, verb, failed: Some(why) } => {
                format!("{operation}: {verb} failed: {why}")
            }
            Self::Task { node, stack, task, what, exit_code } => {
                let status = exit_code.map_or_else(String::new, |code| format!(" (status {code})"));
                format!("stack {stack}: {task} on {node}: {what}{status}")
            }
            Self::ReleaseEnded { stack, release, outcome } => {
                format!("stack {stack}: release {release} is {outcome}")
            }
            Self::LedgerTrouble { why } => why.clone(),
            Self::TaskPanicked { task, why } => {
                format!("{task} panicked, and is tried again; please report this fault of stackctl: {why}")
            }
            Self::LinesDropped { lines } => {
                format!("{lines} lines of the log were dropped: they were not read")
            }
            Self::Stopping => "stopping: what was begun is being finished".to_owned(),
        }
    }
}

impl StackStatus {
    /// In words behind the stack's name.
    fn words(&self) -> String {
        match self {
            Self::Unknown => "is not known yet".to_owned(),
            Self::InSync => "is as declared".to_owned(),
            Self::Degraded { waiting } => format!("is as declared, but: {}", some(waiting)),
            Self::Drifted { found, actions } if found.is_empty() => {
                format!("is not as declared: {} would repair it", count(*actions, "action"))
            }
            Self::Drifted { found, .. } => {
                let found: Vec<String> = found
                    .iter()
                    .map(|one| format!("{}.{} on {}: {}", one.service, one.slot, one.node, one.kind))
                    .collect();
                format!("has drifted: {}", some(&found))
            }
            Self::Behind { commit } => format!("is behind {commit}"),
            Self::Releasing { commit } => format!("is being released from {commit}"),
            Self::Healing => "is being brought back".to_owned(),
            Self::Busy { who } => format!("is left to {who}"),
            Self::Suspended { who, why, actions } => {
                let why = why.as_ref().map_or_else(String::new, |why| format!(" ({why})"));
                let drift = match actions {
                    0 => String::new(),
                    n => format!("; {} would bring it back", count(*n, "action")),
                };
                format!("is suspended by {who}{why}{drift}")
            }
            Self::Held { why } => format!("is left as it is: {why}"),
            Self::Blocked { why } => format!("cannot be brought back: {why}"),
            Self::Failed { why, again_at } => {
                format!("could not be brought back: {why}; again at {again_at}")
            }
            Self::Removed => "is removed".to_owned(),
        }
    }
}

/// What a commit declares.
fn declared(stacks: usize) -> String {
    match stacks {
        0 => {
            "no stack that can be used; they are listed in stackctl.yml, or are folders of stacks/".to_owned()
        }
        some => count(some, "stack"),
    }
}

fn some(all: &[String]) -> String {
    some_of(all, NAMES_MAX)
}
