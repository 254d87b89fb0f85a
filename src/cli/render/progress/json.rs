//! A run as JSON lines, each with its `type` and its time in `at`.

use serde_json::{Value, json};

use super::Happened;
use crate::model::action::{Action, Outcome};
use crate::model::json::stamped;
use crate::model::{Health, TaskStatus, Timestamp};

/// Grows when a field changes its meaning or goes; new types and fields do not count.
const VERSION: u32 = 1;

/// The first line of every run.
#[must_use]
pub fn version(at: Timestamp) -> Value {
    stamped(at, "version", json!({ "version": VERSION, "stackctl": env!("CARGO_PKG_VERSION") }))
}

/// An action of the forecast.
#[must_use]
pub fn planned(at: Timestamp, action: &Action) -> Value {
    stamped(at, "planned_action", action.to_json())
}

/// An event.
#[must_use]
pub fn line(at: Timestamp, happened: Happened<'_>) -> Value {
    match happened {
        Happened::Began(action) => stamped(at, "action_start", action.to_json()),
        Happened::Advanced(action, far) => {
            let mut value = action.to_json();
            value["bytes"] = far.bytes.into();
            if let Some(total) = far.total {
                value["total_bytes"] = total.into();
            }
            stamped(at, "action_progress", value)
        }
        Happened::Ended(action, outcome) => {
            let mut value = action.to_json();
            match outcome {
                Outcome::Done => value["outcome"] = "done".into(),
                Outcome::Started(status) => {
                    value["outcome"] = "done".into();
                    value["task_state"] = state(Some(*status));
                }
                Outcome::Failed(failure) => {
                    value["outcome"] = "failed".into();
                    value["failure"] = json!(failure);
                }
            }
            stamped(at, "action_done", value)
        }
        Happened::Seen(node, task, status) => stamped(
            at,
            "task",
            json!({
                "node": node,
                "service": task.service,
                "slot": task.slot.to_string(),
                "task": task.id,
                "task_state": state(status),
            }),
        ),
        Happened::Noticed(notice) => {
            let mut value = json!(notice);
            value["message"] = notice.to_string().into();
            stamped(at, "notice", value)
        }
        Happened::Silent(node, why) => stamped(at, "node_silent", json!({ "node": node, "message": why })),
    }
}

fn state(status: Option<TaskStatus>) -> Value {
    match status {
        None => json!({ "state": "gone" }),
        // Without a health check the field is absent.
        Some(TaskStatus::Running { health: Health::None }) => json!({ "state": "running" }),
        Some(status) => json!(status),
    }
}
