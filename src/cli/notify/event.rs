//! What is told, and whether somebody is told it: by type, by severity, by stack, and not the same twice.
//!
//! Pure: times are handed in.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::cli::reconcile::lines;
use crate::engine::reconcile::{News, Standing};
use crate::fleet::inventory::notifications::{Form, Level, Notification};
use crate::model::{StackName, Timestamp};

/// Something that happened, ready to be told.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::cli) struct Event {
    at: Timestamp,
    kind: String,
    level: Level,
    stack: Option<StackName>,
    /// What may be in trouble, and in which.
    trouble: Option<(String, String)>,
    /// What is well again.
    recovered: Option<String>,
    value: Value,
    text: String,
}

impl Event {
    /// Of what the loop tells, in its own words; deploys tell their releases in the same.
    pub(in crate::cli) fn of(at: Timestamp, news: &News, cluster: &str, who: &str) -> Self {
        let mut value = lines::value(at, news);
        value["cluster"] = json!(cluster);
        value["who"] = json!(who);
        let words = crate::cli::render::text::clean(&lines::words(news)).into_owned();
        value["text"] = json!(words);
        let mut level = match lines::level(news) {
            "error" => Level::Error,
            "warning" => Level::Warning,
            _ => Level::Info,
        };
        let of_stack = |stack: &StackName| format!("stack {stack}");
        let (mut trouble, mut recovered, mut stack) = (None, None, None);
        match news {
            News::NodeLost { node, .. } => trouble = Some((format!("node {node}"), String::new())),
            News::NodeBack { node } => recovered = Some(format!("node {node}")),
            News::NodeLeft { node } => trouble = Some((format!("node {node}"), "left".to_owned())),
            News::NodeJoined { node, .. } => recovered = Some(format!("node {node}")),
            News::LeadLost => trouble = Some(("lead".to_owned(), String::new())),
            News::Leading => recovered = Some("lead".to_owned()),
            News::HostsUnknown { .. } => trouble = Some(("hosts".to_owned(), String::new())),
            News::HostsKnown => recovered = Some("hosts".to_owned()),
            News::CutOff => trouble = Some(("network".to_owned(), String::new())),
            News::LedgerTrouble { .. } => trouble = Some(("ledger".to_owned(), String::new())),
            News::RepositoryTrouble { repository, .. } => {
                trouble = Some((format!("repository {repository}"), String::new()));
            }
            News::Commit { repository, .. } => recovered = Some(format!("repository {repository}")),
            News::Declined { repository, commit, stack, .. } => {
                trouble = Some((format!("{stack} of {repository}"), commit.clone()));
            }
            News::Stack { stack: of, release, standing } => {
                stack = Some(of.clone());
                match standing {
                    Standing::InSync | Standing::Removed => recovered = Some(of_stack(of)),
                    // A deploy is half way, or a node was lost, which is told by itself.
                    Standing::Drifted { found, .. } if found.is_empty() => level = Level::Info,
                    // Somebody deploys.
                    Standing::Busy { .. } => {}
                    standing => {
                        let release = release.map(|number| number.to_string()).unwrap_or_default();
                        trouble = Some((of_stack(of), format!("{} {release}", standing.word())));
                    }
                }
            }
            News::ReleaseEnded { stack: of, release, .. } => {
                stack = Some(of.clone());
                if lines::level(news) == "info" {
                    recovered = Some(of_stack(of));
                } else {
                    trouble = Some((of_stack(of), format!("release {release}")));
                }
            }
            News::HealEnded { stack: of, failed, .. } => {
                stack = Some(of.clone());
                trouble = failed.as_ref().map(|_| (of_stack(of), "heal".to_owned()));
            }
            News::HealBegan { stack: of, .. } | News::ReleaseBegan { stack: of, .. } => {
                stack = Some(of.clone());
            }
            News::Acted(deed) => stack = Some(deed.stack.clone()),
            News::Task { stack: of, .. } => stack = Some(of.clone()),
            News::StandingBy { .. }
            | News::OperationBegan { .. }
            | News::OperationEnded { .. }
            | News::Stopping => {}
        }
        let kind = value["type"].as_str().unwrap_or_default().to_owned();
        Self { at, kind, level, stack, trouble, recovered, value, text: format!("[{cluster}] {words}") }
    }

    /// Its type.
    pub(super) fn kind(&self) -> &str {
        &self.kind
    }

    /// As it is sent.
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

/// Who is told what.
#[derive(Debug)]
pub(super) struct Gate {
    rule: Notification,
    /// What was told of troubles that last, and when.
    told: BTreeMap<(String, String), Timestamp>,
}

impl Gate {
    /// `ill` is what was in trouble before this process began.
    pub(super) fn new(rule: Notification, ill: &BTreeSet<String>) -> Self {
        let told = ill.iter().map(|subject| ((subject.clone(), String::new()), Timestamp(i64::MIN)));
        Self { told: told.collect(), rule }
    }

    /// Whether this is told.
    pub(super) fn passes(&mut self, event: &Event) -> bool {
        let is_other = |stack: &StackName| !self.rule.stacks.contains(stack.as_str());
        if !self.rule.stacks.is_empty() && event.stack.as_ref().is_some_and(is_other) {
            return false;
        }
        if let Some(subject) = &event.recovered {
            let before = self.told.len();
            self.told.retain(|(of, _), _| of != subject);
            // Whoever was told of the trouble is told of its end.
            if self.told.len() < before {
                return true;
            }
        }
        let is_wanted = if self.rule.on.is_empty() {
            // What came of a heal is told by how the stack stands.
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
        if self.told.get(&trouble).is_some_and(is_repeat) {
            return false;
        }
        self.told.insert(trouble, event.at);
        true
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::fleet::inventory::notifications::Target;
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

    fn event(minute: i64, news: &News) -> Event {
        Event::of(Timestamp(minute * 60_000), news, "prod", "ann@mill")
    }

    fn lost() -> News {
        News::NodeLost { node: NodeName::unchecked("h1"), silent_ms: 5_000, why: "no <answer>".into() }
    }

    fn back() -> News {
        News::NodeBack { node: NodeName::unchecked("h1") }
    }

    fn ended(stack: &str, release: u64, outcome: &str) -> News {
        News::ReleaseEnded { stack: StackName::unchecked(stack), release, outcome: outcome.into() }
    }

    #[test]
    fn the_same_trouble_is_told_once_an_hour_and_its_end_too() {
        let mut gate = Gate::new(rule(), &BTreeSet::new());
        let mut passes = |minute, news: &News| gate.passes(&event(minute, news));
        assert!(!passes(0, &back()), "nobody was told that it was lost");
        assert!(passes(1, &lost()));
        assert!(!passes(30, &lost()));
        assert!(passes(61, &lost()), "an hour later it is told again");
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
    fn a_deploy_that_is_half_way_is_no_trouble_for_those_who_hear_of_trouble() {
        let stack =
            |standing| News::Stack { stack: StackName::unchecked("shop"), release: Some(2), standing };
        let mut gate = Gate::new(rule(), &BTreeSet::new());
        let mut passes = |standing| gate.passes(&event(0, &stack(standing)));
        assert!(!passes(Standing::Drifted { found: Vec::new(), actions: 3 }));
        assert!(!passes(Standing::InSync));
        assert!(passes(Standing::Held { why: "release 2 failed".into() }));
        assert!(passes(Standing::InSync));
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
        assert!(gate.passes(&event(0, &ended("shop", 1, "deployed"))), "it was ill before we came");
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
