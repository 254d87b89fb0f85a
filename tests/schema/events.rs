//! The JSON Schema of events: a line of `stackctl events` and of `stackctl reconcile --format json`, and
//! what notifications are given.
//!
//! Written by hand, and held to the types that are written by one sample of each.

use serde_json::{Value, json};
use stackctl::model::reason::Reason;
use stackctl::model::{NodeName, StackName};
use stackctl::reconcile::{ActionEvent, ClusterEvent, StackStatus};

/// Each type of event, and its own fields: `?` behind a name may be missing or null.
pub const TYPES: [(&str, &str, &[&str]); 28] = [
    ("leading", "This loop is the leader.", &[]),
    ("standing_by", "Another loop is the leader.", &["leader"]),
    ("lead_lost", "This loop is no longer the leader.", &[]),
    ("node_lost", "A node counts as lost.", &["node", "silent_ms", "why"]),
    ("node_back", "A lost node is back.", &["node"]),
    ("fence_began", "The command that makes sure that a lost node is off begins.", &["node"]),
    ("fence_ended", "It ended: the node is off, or may not be.", &["node", "failed?"]),
    ("node_joined", "A host was discovered.", &["node", "source"]),
    ("node_left", "A host is not discovered any more.", &["node"]),
    ("hosts_unknown", "A source of hosts does not answer or is not trusted.", &["why"]),
    ("hosts_known", "The sources of hosts answer and are trusted again.", &[]),
    ("cut_off", "So many nodes are silent that this machine is the more likely cause.", &[]),
    ("stack", "The state of a stack changed.", &["stack", "release?", "standing"]),
    ("heal_began", "The loop begins to restore a stack.", &["stack", "release", "actions"]),
    ("acted", "An action was done, or failed.", &["stack", "node", "verb", "object", "why", "failed?"]),
    ("heal_ended", "The loop's work on a stack ended.", &["stack", "failed?", "took_ms"]),
    ("commit", "A new commit of a repository was read.", &["repository", "commit", "subject", "stacks"]),
    ("declined", "A stack of a commit cannot be used.", &["repository", "commit", "stack", "why"]),
    ("repository_trouble", "A repository cannot be read.", &["repository", "why"]),
    ("release_began", "A release began.", &["stack", "release", "commit?", "actions?"]),
    ("release_ended", "A release ended.", &["stack", "release", "outcome"]),
    ("operation_began", "Something else was begun: see `stackctl log`.", &["operation", "verb", "who"]),
    ("operation_ended", "It ended.", &["operation", "verb", "failed?"]),
    (
        "task",
        "A task's container began, ended, or changed its health.",
        &["node", "stack", "task", "what", "exit_code?"],
    ),
    ("ledger_trouble", "The ledger cannot be read or written.", &["why"]),
    ("task_panicked", "A task of stackctl panicked; it is tried again.", &["task", "why"]),
    ("lines_dropped", "Lines before this one were dropped, because they were not read.", &["lines"]),
    ("stopping", "All loops of the process end.", &[]),
];

/// A field, whatever event it is in.
fn field(name: &str) -> Value {
    let (kind, what) = match name {
        "silent_ms" => ("integer", "Milliseconds since the last answer."),
        "took_ms" => ("integer", "Milliseconds since it began."),
        "release" => ("integer", "Number of the release."),
        "actions" => ("integer", "How many actions are planned."),
        "stacks" => ("integer", "How many stacks are declared."),
        "exit_code" => ("integer", "Its exit status."),
        "stack" => ("string", "Name of the stack."),
        "node" => ("string", "Name of the node."),
        "why" => ("", "Why, in words or as an object."),
        "failed" => ("string", "Why it failed."),
        "outcome" => ("string", "How it ended, in the words of `stackctl history`."),
        "operation" => ("string", "Its name in `stackctl log`."),
        "verb" => ("string", "The command."),
        "who" => ("string", "`user@machine`."),
        "standing" => ("string", "The state, in a word."),
        "task" => ("string", "Service and slot; or what a task of stackctl was to do."),
        "lines" => ("integer", "How many lines."),
        "what" => ("string", "The engine's name of the event: `start`, `die`, `health_status: healthy`."),
        "source" => ("string", "The source that named it."),
        "leader" => ("string", "Name of the leader."),
        "object" => ("string", "The object of the action."),
        "repository" => ("string", "The name of the repository, without passwords."),
        "commit" => ("string", "Its hash, short."),
        "subject" => ("string", "First line of the commit's message."),
        other => panic!("what is `{other}`?"),
    };
    if kind.is_empty() {
        json!({ "description": what })
    } else {
        json!({ "description": what, "type": kind })
    }
}

pub fn schema() -> Value {
    let one = |(kind, what, fields): &(&str, &str, &[&str])| {
        let mut properties = json!({ "type": { "const": kind } });
        let mut required = vec!["type"];
        for name in *fields {
            let plain = name.trim_end_matches('?');
            properties[plain] = field(plain);
            if plain == *name {
                required.push(plain);
            } else if properties[plain]["type"].is_string() {
                properties[plain]["type"] = json!([properties[plain]["type"], "null"]);
            }
        }
        json!({ "title": kind, "description": what, "properties": properties, "required": required })
    };
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "stackctl event",
        "description": "A line of `stackctl events` and of `stackctl reconcile --format json`. New types and new fields may come; those there are keep their meaning.",
        "type": "object",
        "properties": {
            "at": { "description": "Time of the event.", "type": "string", "format": "date-time" },
            "level": { "enum": ["info", "warning", "error"] },
            "operation": { "description": "Of `stackctl events`: its name in `stackctl log`.", "type": "string" },
            "verb": { "description": "Of `stackctl events`: the command.", "type": "string" },
            "who": { "description": "Of `stackctl events` and notifications: `user@machine`.", "type": "string" },
            "cluster": { "description": "Of notifications: name of the cluster.", "type": "string" },
            "text": { "description": "Of notifications: the event in a sentence.", "type": "string" },
        },
        "required": ["at", "type", "level"],
        "oneOf": TYPES.iter().map(one).collect::<Vec<_>>(),
    })
}

/// One of each.
pub fn samples() -> Vec<ClusterEvent> {
    let stack = || StackName::new("shop").expect("a name");
    let node = || NodeName::new("h1").expect("a name");
    let text = || "words".to_owned();
    vec![
        ClusterEvent::Leading,
        ClusterEvent::StandingBy { leader: text() },
        ClusterEvent::LeadLost,
        ClusterEvent::NodeLost { node: node(), silent_ms: 5_000, why: text() },
        ClusterEvent::NodeBack { node: node() },
        ClusterEvent::FenceBegan { node: node() },
        ClusterEvent::FenceEnded { node: node(), failed: Some(text()) },
        ClusterEvent::NodeJoined { node: node(), source: text() },
        ClusterEvent::NodeLeft { node: node() },
        ClusterEvent::HostsUnknown { why: text() },
        ClusterEvent::HostsKnown,
        ClusterEvent::CutOff,
        ClusterEvent::Stack { stack: stack(), release: Some(3), standing: StackStatus::InSync },
        ClusterEvent::Stack {
            stack: stack(),
            release: None,
            standing: StackStatus::Suspended { who: text(), why: None, actions: 1 },
        },
        ClusterEvent::HealBegan { stack: stack(), release: 3, actions: 2 },
        ClusterEvent::Acted(ActionEvent {
            stack: stack(),
            node: node(),
            verb: "start task",
            object: text(),
            why: Reason::Duplicate,
            failed: None,
        }),
        ClusterEvent::HealEnded { stack: stack(), failed: Some(text()), took_ms: 5 },
        ClusterEvent::Commit { repository: text(), commit: text(), subject: text(), stacks: 2 },
        ClusterEvent::Declined { repository: text(), commit: text(), stack: text(), why: text() },
        ClusterEvent::RepositoryTrouble { repository: text(), why: text() },
        ClusterEvent::ReleaseBegan { stack: stack(), release: 3, commit: Some(text()), actions: Some(2) },
        ClusterEvent::ReleaseBegan { stack: stack(), release: 3, commit: None, actions: None },
        ClusterEvent::ReleaseEnded { stack: stack(), release: 3, outcome: text() },
        ClusterEvent::OperationBegan { operation: text(), verb: text(), who: text() },
        ClusterEvent::OperationEnded { operation: text(), verb: text(), failed: None },
        ClusterEvent::Task { node: node(), stack: stack(), task: text(), what: text(), exit_code: Some(1) },
        ClusterEvent::LedgerTrouble { why: text() },
        ClusterEvent::TaskPanicked { task: text(), why: text() },
        ClusterEvent::LinesDropped { lines: 3 },
        ClusterEvent::Stopping,
    ]
}
