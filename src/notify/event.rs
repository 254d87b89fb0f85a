//! Notification events, and the filter of each receiver: by type, severity and stack, without repetitions.
//!
//! Pure: the caller passes times in.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::inventory::notifications::{Form, Level, Notification};
use crate::model::{NodeName, StackName, Timestamp};
use crate::reconcile::{ClusterEvent, StackStatus};
use crate::words::clean;

/// An event, ready to be sent.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Event {
    at: Timestamp,
    kind: String,
    level: Level,
    stack: Option<StackName>,
    /// The subject that is in trouble, and the kind of trouble.
    trouble: Option<(String, String)>,
    /// The subject that has recovered.
    recovered: Option<String>,
    value: Value,
    text: String,
}

impl Event {
    /// Makes it from an event of the loop, with the same words; deploys report their releases in the same way.
    pub(super) fn of(at: Timestamp, news: &ClusterEvent, cluster: &str, who: &str) -> Self {
        let mut value = news.to_json(at);
        value["cluster"] = json!(cluster);
        value["who"] = json!(who);
        let words = clean(&news.words()).into_owned();
        value["text"] = json!(words);
        let mut level = level(news);
        let of_stack = |stack: &StackName| format!("stack {stack}");
        let (mut trouble, mut recovered, mut stack) = (None, None, None);
        match news {
            ClusterEvent::NodeLost { node, .. } => trouble = Some((format!("node {node}"), String::new())),
            ClusterEvent::FenceBegan { .. } => {}
            ClusterEvent::NodeBack { node } => recovered = Some(format!("node {node}")),
            ClusterEvent::FenceEnded { node, failed } => trouble = Some(fenced(node, failed.as_deref())),
            ClusterEvent::NodeLeft { node } => trouble = Some((format!("node {node}"), "left".to_owned())),
            ClusterEvent::NodeJoined { node, .. } => recovered = Some(format!("node {node}")),
            ClusterEvent::LeadLost => trouble = Some(("lead".to_owned(), String::new())),
            ClusterEvent::Leading => recovered = Some("lead".to_owned()),
            ClusterEvent::HostsUnknown { .. } => trouble = Some(("hosts".to_owned(), String::new())),
            ClusterEvent::HostsKnown => recovered = Some("hosts".to_owned()),
            ClusterEvent::CutOff => trouble = Some(("network".to_owned(), String::new())),
            ClusterEvent::LedgerTrouble { .. } => trouble = Some(("ledger".to_owned(), String::new())),
            ClusterEvent::RepositoryTrouble { repository, .. } => {
                trouble = Some((format!("repository {repository}"), String::new()));
            }
            ClusterEvent::Commit { repository, .. } => recovered = Some(format!("repository {repository}")),
            ClusterEvent::Declined { repository, commit, stack, .. } => {
                trouble = Some((format!("{stack} of {repository}"), commit.clone()));
            }
            ClusterEvent::Stack { stack: of, release, standing } => {
                stack = Some(of.clone());
                match standing {
                    StackStatus::InSync | StackStatus::Removed => recovered = Some(of_stack(of)),
                    // A deploy is under way, or a node was lost, which has an event of its own.
                    StackStatus::Drifted { found, .. } if found.is_empty() => level = Level::Info,
                    // A process deploys the stack.
                    StackStatus::Busy { .. } => {}
                    standing => {
                        let release = release.map(|number| number.to_string()).unwrap_or_default();
                        trouble = Some((of_stack(of), format!("{} {release}", standing.word())));
                    }
                }
            }
            ClusterEvent::ReleaseEnded { stack: of, release, .. } => {
                stack = Some(of.clone());
                if news.level() == "info" {
                    recovered = Some(of_stack(of));
                } else {
                    trouble = Some((of_stack(of), format!("release {release}")));
                }
            }
            ClusterEvent::HealEnded { stack: of, failed, .. } => {
                stack = Some(of.clone());
                trouble = failed.as_ref().map(|_| (of_stack(of), "heal".to_owned()));
            }
            ClusterEvent::HealBegan { stack: of, .. } | ClusterEvent::ReleaseBegan { stack: of, .. } => {
                stack = Some(of.clone());
            }
            ClusterEvent::Acted(action) => stack = Some(action.stack.clone()),
            ClusterEvent::Task { stack: of, .. } => stack = Some(of.clone()),
            ClusterEvent::TaskPanicked { task, .. } => trouble = Some((task.clone(), String::new())),
            ClusterEvent::StandingBy { .. }
            | ClusterEvent::LinesDropped { .. }
            | ClusterEvent::OperationBegan { .. }
            | ClusterEvent::OperationEnded { .. }
            | ClusterEvent::Stopping => {}
        }
        let kind = value["type"].as_str().unwrap_or_default().to_owned();
        Self { at, kind, level, stack, trouble, recovered, value, text: format!("[{cluster}] {words}") }
    }

    /// Its type.
    pub(super) fn kind(&self) -> &str {
        &self.kind
    }

    /// The body, as it is sent.
    pub(super) fn body(&self, form: Form) -> String {
        match form {
            Form::Json => self.value.to_string(),
            Form::Slack => {
                // The three characters that Slack's text gives a meaning to.
                let text = self.text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
                json!({ "text": text }).to_string()
            }
        }
    }
}

/// The filter of one receiver.
#[derive(Debug)]
pub(super) struct Gate {
    rule: Notification,
    /// Lasting troubles that were reported, and when.
    reported: BTreeMap<(String, String), Timestamp>,
}

impl Gate {
    /// `ill` is what was in trouble before this process began.
    pub(super) fn new(rule: Notification, ill: &BTreeSet<String>) -> Self {
        let reported = ill.iter().map(|subject| ((subject.clone(), String::new()), Timestamp(i64::MIN)));
        Self { reported: reported.collect(), rule }
    }

    /// Whether the receiver gets this event.
    pub(super) fn passes(&mut self, event: &Event) -> bool {
        let is_other = |stack: &StackName| !self.rule.stacks.contains(stack.as_str());
        if !self.rule.stacks.is_empty() && event.stack.as_ref().is_some_and(is_other) {
            return false;
        }
        if let Some(subject) = &event.recovered {
            let before = self.reported.len();
            self.reported.retain(|(of, _), _| of != subject);
            // A receiver of the alert also gets the recovery.
            if self.reported.len() < before {
                return true;
            }
        }
        let is_wanted = if self.rule.on.is_empty() {
            // The status of the stack reports the outcome of a heal.
            event.level >= self.rule.level && !matches!(event.kind.as_str(), "acted" | "heal_ended")
        } else {
            self.rule.on.contains(&event.kind)
        };
        if !is_wanted {
            return false;
        }
        let Some(trouble) = event.trouble.clone().filter(|_| event.level > Level::Info) else { return true };
        let repeat_ms = i64::try_from(self.rule.repeat.as_millis()).unwrap_or(i64::MAX);
        let is_repeat = |then: &Timestamp| event.at.since_ms(*then) < repeat_ms;
        if self.reported.get(&trouble).is_some_and(is_repeat) {
            return false;
        }
        self.reported.insert(trouble, event.at);
        true
    }
}

fn fenced(node: &NodeName, failed: Option<&str>) -> (String, String) {
    (format!("node {node}"), failed.map_or("off", |_| "not off").to_owned())
}

fn level(news: &ClusterEvent) -> Level {
    match news.level() {
        "error" => Level::Error,
        "warning" => Level::Warning,
        _ => Level::Info,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::inventory::notifications::Target;
    use crate::model::NodeName;

    fn rule() -> Notification {
        Notification {
            target: Target::Command(vec!["true".into()]),
            on: BTreeSet::new(),
            level: Level::Warning,
            stacks: BTreeSet::new(),
            format: Form::Json,
            repeat: Duration::from_secs(3600),
            timeout: Duration::from_secs(1),
        }
    }

    fn event(minute: i64, news: &ClusterEvent) -> Event {
        Event::of(Timestamp(minute * 60_000), news, "prod", "ann@mill")
    }

    fn lost() -> ClusterEvent {
        ClusterEvent::NodeLost {
            node: NodeName::unchecked("h1"),
            silent_ms: 5_000,
            why: "no <answer>".into(),
        }
    }

    fn back() -> ClusterEvent {
        ClusterEvent::NodeBack { node: NodeName::unchecked("h1") }
    }

    fn ended(stack: &str, release: u64, outcome: &str) -> ClusterEvent {
        ClusterEvent::ReleaseEnded { stack: StackName::unchecked(stack), release, outcome: outcome.into() }
    }

    #[test]
    fn a_repeated_alert_is_sent_once_an_hour_and_its_recovery_too() {
        let mut gate = Gate::new(rule(), &BTreeSet::new());
        let mut passes = |minute, news: &ClusterEvent| gate.passes(&event(minute, news));
        assert!(!passes(0, &back()), "no alert was sent");
        assert!(passes(1, &lost()));
        assert!(!passes(30, &lost()));
        assert!(passes(61, &lost()), "an hour later it is sent again");
        assert!(passes(62, &back()));
        assert!(!passes(63, &back()));
        assert!(passes(64, &lost()), "another time is another trouble");
        assert!(passes(70, &ended("shop", 3, "failed")));
        assert!(passes(71, &ended("shop", 4, "failed")), "another release is another trouble");
        assert!(!passes(72, &ended("blog", 4, "deployed")));
        assert!(passes(73, &ended("shop", 5, "deployed")));
        assert!(!passes(74, &ended("shop", 6, "deployed")));
    }

    #[test]
    fn a_deploy_under_way_is_no_alert() {
        let stack = |standing| ClusterEvent::Stack {
            stack: StackName::unchecked("shop"),
            release: Some(2),
            standing,
        };
        let mut gate = Gate::new(rule(), &BTreeSet::new());
        let mut passes = |standing| gate.passes(&event(0, &stack(standing)));
        assert!(!passes(StackStatus::Drifted { found: Vec::new(), actions: 3 }));
        assert!(!passes(StackStatus::InSync));
        assert!(passes(StackStatus::Held { why: "release 2 failed".into() }));
        assert!(passes(StackStatus::InSync));
    }

    #[test]
    fn types_and_stacks_are_chosen() {
        let named = Notification { on: ["release_ended".to_owned()].into(), ..rule() };
        let mut gate = Gate::new(named, &BTreeSet::new());
        assert!(gate.passes(&event(0, &ended("shop", 1, "deployed"))), "whatever its level");
        assert!(!gate.passes(&event(0, &lost())));
        let shop = Notification { stacks: ["shop".to_owned()].into(), ..rule() };
        let mut gate = Gate::new(shop, &["stack shop".to_owned()].into());
        assert!(!gate.passes(&event(0, &ended("blog", 1, "failed"))));
        assert!(gate.passes(&event(0, &lost())), "it is about no stack");
        assert!(
            gate.passes(&event(0, &ended("shop", 1, "deployed"))),
            "it was in trouble before this process began"
        );
    }

    #[test]
    fn an_event_is_that_of_the_log_and_slack_takes_its_words() {
        let event = event(0, &lost());
        let value: Value = serde_json::from_str(&event.body(Form::Json)).unwrap();
        let fields =
            ["type", "level", "node", "cluster", "who", "at"].map(|key| value[key].as_str().unwrap());
        assert_eq!(fields, ["node_lost", "error", "h1", "prod", "ann@mill", "1970-01-01T00:00:00.000Z"]);
        let slack: Value = serde_json::from_str(&event.body(Form::Slack)).unwrap();
        assert_eq!(slack["text"], "[prod] node h1 is lost: silent for 5.0s (no &lt;answer&gt;)");
    }
}
