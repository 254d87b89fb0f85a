//! What a loop knows of itself, in Prometheus's text format (version 0.0.4).
//!
//! Written by hand: a dozen lines without histograms need no registry that would have to be kept in step
//! with what the loop counts anyway.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::cli::notify;
use crate::engine::reconcile::{NodeStanding, Snapshot, Standing};

/// The type of the text.
pub(super) const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// All of it.
pub(super) fn text(snapshot: &Snapshot, told: &notify::Counts) -> String {
    let mut out = String::new();
    let counts = &snapshot.counts;
    let count = |of: &AtomicU64| of.load(Ordering::Relaxed) as f64;
    let plain: [(&str, &str, &str, f64); 17] = [
        (
            "leading",
            "gauge",
            "Whether this loop is the one that acts.",
            f64::from(u8::from(snapshot.is_leading)),
        ),
        (
            "last_turn_timestamp_seconds",
            "gauge",
            "When the loop last went round.",
            snapshot.at.0 as f64 / 1000.0,
        ),
        ("looks_total", "counter", "Full looks at all hosts.", counts.looks as f64),
        ("looks_seconds_total", "counter", "Time they took.", counts.looks_ms as f64 / 1000.0),
        ("heals_total", "counter", "Times a stack was brought back.", counts.heals as f64),
        ("heals_failed_total", "counter", "Times that was tried in vain.", counts.heals_failed as f64),
        ("releases_total", "counter", "Releases of what repositories declare.", counts.releases as f64),
        ("releases_failed_total", "counter", "Those that did not end well.", counts.releases_failed as f64),
        (
            "repository_faults",
            "gauge",
            "Repositories, and stacks of them, that cannot be used as they are.",
            snapshot.repository_faults as f64,
        ),
        ("actions_total", "counter", "Actions that were carried out.", counts.actions as f64),
        ("actions_failed_total", "counter", "Actions that failed.", counts.actions_failed as f64),
        ("nodes_lost_total", "counter", "Times a node was lost.", counts.nodes_lost as f64),
        (
            "ledger_failed_total",
            "counter",
            "Questions that the ledger did not answer.",
            counts.ledger_failed as f64,
        ),
        (
            "discoveries_failed_total",
            "counter",
            "Times that the sources of hosts could not be asked, or were not believed.",
            counts.discoveries_failed as f64,
        ),
        ("notifications_total", "counter", "Notifications that were delivered.", count(&told.sent)),
        (
            "notifications_failed_total",
            "counter",
            "Notifications that could not be delivered.",
            count(&told.failed),
        ),
        (
            "notifications_held_back_total",
            "counter",
            "Events that a notification does not tell, or told not long ago.",
            count(&told.held_back),
        ),
    ];
    for (name, kind, help, value) in plain {
        head(&mut out, name, kind, help);
        let _ = writeln!(out, "stackctl_reconcile_{name} {value}");
    }
    head(&mut out, "node", "gauge", "How each node stands.");
    for (node, standing) in &snapshot.nodes {
        for (word, one) in
            [("up", NodeStanding::Up), ("silent", NodeStanding::Silent), ("lost", NodeStanding::Lost)]
        {
            let value = u8::from(*standing == one);
            let node = escaped(node.as_str());
            let _ = writeln!(out, "stackctl_reconcile_node{{node=\"{node}\",standing=\"{word}\"}} {value}");
        }
    }
    head(&mut out, "stack", "gauge", "How each stack stands.");
    for (stack, standing) in &snapshot.stacks {
        for word in Standing::WORDS {
            let value = u8::from(standing.word() == word);
            let stack = escaped(stack.as_str());
            let _ =
                writeln!(out, "stackctl_reconcile_stack{{stack=\"{stack}\",standing=\"{word}\"}} {value}");
        }
    }
    out
}

fn head(out: &mut String, name: &str, kind: &str, help: &str) {
    let _ = writeln!(out, "# HELP stackctl_reconcile_{name} {help}\n# TYPE stackctl_reconcile_{name} {kind}");
}

/// A label's value.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::reconcile::Counts;
    use crate::model::{NodeName, StackName, Timestamp};

    #[test]
    fn every_line_is_one_that_prometheus_reads() {
        let snapshot = Snapshot {
            repository_faults: 1,
            is_leading: true,
            is_standing_by: false,
            at: Timestamp(1_500),
            nodes: [(NodeName::unchecked("h\"1"), NodeStanding::Lost)].into(),
            stacks: [(StackName::unchecked("shop"), Standing::InSync)].into(),
            counts: Counts { looks: 3, looks_ms: 1_250, ..Counts::default() },
        };
        let told = notify::Counts { sent: AtomicU64::new(7), ..notify::Counts::default() };
        let text = text(&snapshot, &told);
        for line in [
            "stackctl_reconcile_leading 1",
            "stackctl_reconcile_last_turn_timestamp_seconds 1.5",
            "stackctl_reconcile_looks_seconds_total 1.25",
            "stackctl_reconcile_notifications_total 7",
            r#"stackctl_reconcile_node{node="h\"1",standing="lost"} 1"#,
            r#"stackctl_reconcile_node{node="h\"1",standing="up"} 0"#,
            r#"stackctl_reconcile_stack{stack="shop",standing="in_sync"} 1"#,
        ] {
            assert!(text.lines().any(|one| one == line), "{line} is not in\n{text}");
        }
        let is_of_a_series = |line: &str| {
            line.starts_with('#') || line.rsplit_once(' ').is_some_and(|(_, n)| n.parse::<f64>().is_ok())
        };
        assert!(text.lines().all(is_of_a_series), "{text}");
    }
}
