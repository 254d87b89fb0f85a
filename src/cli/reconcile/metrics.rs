//! Metrics of the loop, in Prometheus's text format (version 0.0.4).
//!
//! Written by hand: a dozen lines without histograms need no registry, which would have to be kept in step
//! with the loop's own counters.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::notify;
use crate::reconcile::{Counts, NodeStatus, Snapshot, StackStatus};

/// The type of the text.
pub(super) const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// A metric without labels: name, kind, help, value.
type Plain = (&'static str, &'static str, &'static str, f64);

fn fences(counts: &Counts) -> [Plain; 2] {
    [
        ("nodes_fenced_total", "counter", "Lost nodes that are surely off.", counts.nodes_fenced as f64),
        ("fences_failed_total", "counter", "Failed fences of lost nodes.", counts.fences_failed as f64),
    ]
}

fn plain(snapshot: &Snapshot, notified: &notify::Counts, dropped: u64) -> [Plain; 19] {
    let counts = &snapshot.counts;
    let count = |of: &AtomicU64| of.load(Ordering::Relaxed) as f64;
    [
        ("leading", "gauge", "Whether this loop is the leader.", f64::from(u8::from(snapshot.is_leading))),
        (
            "last_turn_timestamp_seconds",
            "gauge",
            "Time of the last iteration.",
            snapshot.at.0 as f64 / 1000.0,
        ),
        ("looks_total", "counter", "Full observations of all hosts.", counts.looks as f64),
        (
            "looks_seconds_total",
            "counter",
            "Time spent in full observations.",
            counts.looks_ms as f64 / 1000.0,
        ),
        ("heals_total", "counter", "Successful heals of a stack.", counts.heals as f64),
        ("heals_failed_total", "counter", "Failed heal attempts.", counts.heals_failed as f64),
        ("releases_total", "counter", "Releases from repositories.", counts.releases as f64),
        (
            "releases_failed_total",
            "counter",
            "Failed releases from repositories.",
            counts.releases_failed as f64,
        ),
        (
            "repository_faults",
            "gauge",
            "Repositories, and stacks in them, that cannot be read.",
            snapshot.repository_faults as f64,
        ),
        ("actions_total", "counter", "Successful actions.", counts.actions as f64),
        ("actions_failed_total", "counter", "Failed actions.", counts.actions_failed as f64),
        ("nodes_lost_total", "counter", "Losses of a node.", counts.nodes_lost as f64),
        ("ledger_failed_total", "counter", "Failed requests to the ledger.", counts.ledger_failed as f64),
        ("notifications_total", "counter", "Delivered notifications.", count(&notified.sent)),
        (
            "notifications_failed_total",
            "counter",
            "Notifications that failed after all retries.",
            count(&notified.failed),
        ),
        (
            "notifications_held_back_total",
            "counter",
            "Events suppressed by a filter, or as a repetition.",
            count(&notified.held_back),
        ),
        (
            "discoveries_failed_total",
            "counter",
            "Failed or implausible answers of discovery sources.",
            counts.discoveries_failed as f64,
        ),
        ("panics_total", "counter", "Tasks of the loop that panicked.", counts.panics as f64),
        (
            "log_lines_dropped_total",
            "counter",
            "Lines of the log that were dropped, because they were not read.",
            dropped as f64,
        ),
    ]
}

/// The whole text.
pub(super) fn text(snapshot: &Snapshot, notified: &notify::Counts, dropped: u64) -> String {
    let mut out = String::new();
    for (name, kind, help, value) in
        plain(snapshot, notified, dropped).into_iter().chain(fences(&snapshot.counts))
    {
        head(&mut out, name, kind, help);
        let _ = writeln!(out, "stackctl_reconcile_{name} {value}");
    }
    head(&mut out, "node", "gauge", "State of each node.");
    for (node, standing) in &snapshot.nodes {
        for (word, one) in
            [("up", NodeStatus::Up), ("silent", NodeStatus::Silent), ("lost", NodeStatus::Lost)]
        {
            let value = u8::from(*standing == one);
            let node = escaped(node.as_str());
            let _ = writeln!(out, "stackctl_reconcile_node{{node=\"{node}\",standing=\"{word}\"}} {value}");
        }
    }
    head(&mut out, "stack", "gauge", "State of each stack.");
    for (stack, standing) in &snapshot.stacks {
        for word in StackStatus::WORDS {
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
    use crate::model::{NodeName, StackName, Timestamp};

    #[test]
    fn every_line_is_one_that_prometheus_reads() {
        let snapshot = Snapshot {
            repository_faults: 1,
            is_leading: true,
            is_standing_by: false,
            is_ledger_failing: false,
            at: Timestamp(1_500),
            nodes: [(NodeName::unchecked("h\"1"), NodeStatus::Lost)].into(),
            stacks: [(StackName::unchecked("shop"), StackStatus::InSync)].into(),
            counts: Counts { looks: 3, looks_ms: 1_250, ..Counts::default() },
        };
        let notified = notify::Counts { sent: AtomicU64::new(7), ..notify::Counts::default() };
        let text = text(&snapshot, &notified, 3);
        for line in [
            "stackctl_reconcile_leading 1",
            "stackctl_reconcile_last_turn_timestamp_seconds 1.5",
            "stackctl_reconcile_looks_seconds_total 1.25",
            "stackctl_reconcile_notifications_total 7",
            "stackctl_reconcile_log_lines_dropped_total 3",
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
