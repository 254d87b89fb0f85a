//! The loop's log: one line for each thing that happens, for people or for programs.

use serde_json::json;

use crate::cli::render::age::elapsed;
use crate::cli::render::progress::stamped;
use crate::cli::render::style::{BAD, CHANGE, FAINT, paint};
use crate::cli::render::text::{clean, count, some_of};
use crate::cli::template::json_line;
use crate::engine::reconcile::{Deed, News, Standing};
use crate::model::Timestamp;

/// Names in a line before the rest is counted.
const NAMES_MAX: usize = 8;

/// As a JSON object.
pub(super) fn json(at: Timestamp, news: &News) -> String {
    json_line(&value(at, news)) + "\n"
}

/// The same, not yet a line.
pub(in crate::cli) fn value(at: Timestamp, news: &News) -> serde_json::Value {
    let mut value = json!(news);
    value["level"] = json!(level(news));
    let kind = value["type"].as_str().unwrap_or_default().to_owned();
    stamped(at, &kind, value)
}

/// As a line for people.
pub(in crate::cli) fn text(at: Timestamp, news: &News) -> String {
    let style = match level(news) {
        "error" => BAD,
        "warning" => CHANGE,
        _ => anstyle::Style::new(),
    };
    format!("{}  {}\n", paint(FAINT, at), paint(style, clean(&words(news))))
}

/// How severe it is.
pub(in crate::cli) fn level(news: &News) -> &'static str {
    match news {
        News::Leading
        | News::HostsKnown
        | News::StandingBy { .. }
        | News::NodeBack { .. }
        | News::NodeJoined { .. }
        | News::HealBegan { .. }
        | News::Commit { .. }
        | News::ReleaseBegan { .. }
        | News::OperationBegan { .. }
        | News::OperationEnded { failed: None, .. }
        | News::Task { .. }
        | News::Stopping
        | News::Acted(Deed { failed: None, .. })
        | News::HealEnded { failed: None, .. } => "info",
        News::Stack { standing, .. } => match standing {
            Standing::Blocked { .. } | Standing::Failed { .. } => "error",
            Standing::Degraded { .. } | Standing::Drifted { .. } | Standing::Held { .. } => "warning",
            _ => "info",
        },
        News::Acted(_) => "warning",
        News::ReleaseEnded { outcome, .. } if matches!(outcome.as_str(), "deployed" | "removed") => "info",
        News::NodeLeft { .. } => "warning",
        News::NodeLost { .. }
        | News::HostsUnknown { .. }
        | News::CutOff
        | News::LeadLost
        | News::LedgerTrouble { .. }
        | News::RepositoryTrouble { .. }
        | News::Declined { .. }
        | News::OperationEnded { .. }
        | News::ReleaseEnded { .. }
        | News::HealEnded { .. } => "error",
    }
}

/// In a sentence.
pub(in crate::cli) fn words(news: &News) -> String {
    match news {
        News::Leading => "this loop has the lead".to_owned(),
        News::StandingBy { leader } => format!("standing by: {leader} has the lead"),
        News::LeadLost => "the lead is lost: nothing more is begun".to_owned(),
        News::NodeLost { node, silent_ms, why } => {
            format!("node {node} is lost: silent for {} ({why})", elapsed(*silent_ms))
        }
        News::NodeBack { node } => format!("node {node} is back"),
        News::NodeJoined { node, source } => format!("node {node} joined ({source})"),
        News::NodeLeft { node } => format!("node {node} left the inventory"),
        News::HostsKnown => "those who name hosts answer again, and are believed".to_owned(),
        News::HostsUnknown { why } => format!("the hosts stay those that were known: {why}"),
        News::CutOff => {
            "most nodes are silent: it is more likely this machine that is cut off; nothing is done until \
                         they answer"
                .to_owned()
        }
        News::Stack { stack, release, standing } => {
            let release = release.map_or_else(String::new, |number| format!(" (release {number})"));
            format!("stack {stack}{release} {}", standing_words(standing))
        }
        News::HealBegan { stack, release, actions } => {
            format!("stack {stack}: back to release {release}, {}", count(*actions, "action"))
        }
        News::Acted(Deed { stack, node, verb, object, why, failed }) => match failed {
            None => format!("stack {stack}: {verb} {object} on {node} ({why})"),
            Some(failed) => format!("stack {stack}: {verb} {object} on {node} failed: {failed}"),
        },
        News::HealEnded { stack, failed: None, took_ms } => {
            format!("stack {stack}: as declared again after {}", elapsed(*took_ms))
        }
        News::HealEnded { stack, failed: Some(why), took_ms } => {
            format!("stack {stack}: not as declared after {}: {why}", elapsed(*took_ms))
        }
        News::Commit { repository, commit, subject, stacks: 0 } => {
            format!(
                "{repository} is at {commit} ({subject}): no stack that can be used; they are listed in stackctl.yml, \
                 or are folders of stacks/"
            )
        }
        News::Commit { repository, commit, subject, stacks } => {
            format!("{repository} is at {commit} ({subject}): {}", count(*stacks, "stack"))
        }
        News::Declined { repository, commit, stack, why } => {
            format!("stack {stack} of {repository} at {commit} cannot be used, and stays as it is: {why}")
        }
        News::RepositoryTrouble { repository, why } => {
            format!("{repository} cannot be followed, and what it declared stands: {why}")
        }
        News::ReleaseBegan { stack, release, commit, actions } => {
            let from = commit.as_ref().map_or_else(String::new, |commit| format!(" from {commit}"));
            let actions =
                actions.map_or_else(|| " began".to_owned(), |n| format!(", {}", count(n, "action")));
            format!("stack {stack}: release {release}{from}{actions}")
        }
        News::OperationBegan { operation, verb, who } => format!("{operation}: {verb}, by {who}"),
        News::OperationEnded { operation, verb, failed: None } => format!("{operation}: {verb} is done"),
        News::OperationEnded { operation, verb, failed: Some(why) } => {
            format!("{operation}: {verb} failed: {why}")
        }
        News::Task { node, stack, task, what, exit_code } => {
            let status = exit_code.map_or_else(String::new, |code| format!(" (status {code})"));
            format!("stack {stack}: {task} on {node}: {what}{status}")
        }
        News::ReleaseEnded { stack, release, outcome } => {
            format!("stack {stack}: release {release} is {outcome}")
        }
        News::LedgerTrouble { why } => why.clone(),
        News::Stopping => "stopping: what was begun is being finished".to_owned(),
    }
}

fn standing_words(standing: &Standing) -> String {
    match standing {
        Standing::Unknown => "is not known yet".to_owned(),
        Standing::InSync => "is as declared".to_owned(),
        Standing::Degraded { waiting } => format!("is as declared, but: {}", some(waiting)),
        Standing::Drifted { found, actions } if found.is_empty() => {
            format!("is not as declared: {} would mend it", count(*actions, "action"))
        }
        Standing::Drifted { found, .. } => {
            let found: Vec<String> = found
                .iter()
                .map(|one| format!("{}.{} on {}: {}", one.service, one.slot, one.node, one.kind))
                .collect();
            format!("has drifted: {}", some(&found))
        }
        Standing::Behind { commit } => format!("is behind {commit}"),
        Standing::Releasing { commit } => format!("is being released from {commit}"),
        Standing::Healing => "is being brought back".to_owned(),
        Standing::Busy { who } => format!("is left to {who}"),
        Standing::Suspended { who, why, actions } => {
            let why = why.as_ref().map_or_else(String::new, |why| format!(" ({why})"));
            let drift = match actions {
                0 => String::new(),
                n => format!("; {} would bring it back", count(*n, "action")),
            };
            format!("is suspended by {who}{why}{drift}")
        }
        Standing::Held { why } => format!("is left as it is: {why}"),
        Standing::Blocked { why } => format!("cannot be brought back: {why}"),
        Standing::Failed { why, again_at } => {
            format!("could not be brought back: {why}; again at {again_at}")
        }
        Standing::Removed => "is removed".to_owned(),
    }
}

fn some(all: &[String]) -> String {
    some_of(all, NAMES_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{NodeName, StackName};

    #[test]
    fn a_line_says_when_what_and_why() {
        let lost = News::NodeLost {
            node: NodeName::unchecked("h3"),
            silent_ms: 5_200,
            why: "no answer\x1b[2J".to_owned(),
        };
        let line = anstream::adapter::strip_str(&text(Timestamp(0), &lost)).to_string();
        assert!(line.starts_with("1970-01-01T00:00:00"), "{line}");
        assert!(
            line.contains("node h3 is lost: silent for 5.2s (no answer") && !line.contains('\x1b'),
            "{line}"
        );
        let value: serde_json::Value = serde_json::from_str(&json(Timestamp(0), &lost)).unwrap();
        assert_eq!(
            (&value["type"], &value["level"], &value["node"]),
            (&json!("node_lost"), &json!("error"), &json!("h3"))
        );
        let stack = News::Stack {
            stack: StackName::unchecked("shop"),
            release: Some(4),
            standing: Standing::Held { why: "release 4 failed".to_owned() },
        };
        assert!(
            text(Timestamp(0), &stack).contains("stack shop (release 4) is left as it is: release 4 failed")
        );
        let value: serde_json::Value = serde_json::from_str(&json(Timestamp(0), &stack)).unwrap();
        assert_eq!((&value["standing"], &value["why"]), (&json!("held"), &json!("release 4 failed")));
    }
}
