//! The loop's log: one line for each event, as text or as JSON.

use crate::cli::format::Format;
use crate::cli::render::style::{BAD, CHANGE, FAINT, paint};
use crate::cli::render::text::clean;
use crate::model::Timestamp;
use crate::model::json::json_line;
use crate::reconcile::ClusterEvent;

/// As a JSON object.
pub(super) fn json(at: Timestamp, news: &ClusterEvent) -> String {
    json_line(&news.to_json(at)) + "\n"
}

/// Of lines that were dropped before one.
pub(super) fn dropped(at: Timestamp, lines: u64, format: Format) -> String {
    line(at, &ClusterEvent::LinesDropped { lines }, format)
}

/// In a format.
pub(super) fn line(at: Timestamp, news: &ClusterEvent, format: Format) -> String {
    match format {
        Format::Text => text(at, news),
        Format::Json => json(at, news),
    }
}

/// As a line for people.
pub(in crate::cli) fn text(at: Timestamp, news: &ClusterEvent) -> String {
    let style = match news.level() {
        "error" => BAD,
        "warning" => CHANGE,
        _ => anstyle::Style::new(),
    };
    format!("{}  {}\n", paint(FAINT, at), paint(style, clean(&news.words())))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::model::{NodeName, StackName};
    use crate::reconcile::StackStatus;

    #[test]
    fn a_line_says_when_what_and_why() {
        let lost = ClusterEvent::NodeLost {
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
        let stack = ClusterEvent::Stack {
            stack: StackName::unchecked("shop"),
            release: Some(4),
            standing: StackStatus::Held { why: "release 4 failed".to_owned() },
        };
        assert!(
            text(Timestamp(0), &stack).contains("stack shop (release 4) is left as it is: release 4 failed")
        );
        let value: serde_json::Value = serde_json::from_str(&json(Timestamp(0), &stack)).unwrap();
        assert_eq!((&value["standing"], &value["why"]), (&json!("held"), &json!("release 4 failed")));
    }
}
