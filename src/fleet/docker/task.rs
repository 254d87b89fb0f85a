//! What every action on a task's container needs: why it is not done, and the container where it has another name by now.

use serde_json::json;

use super::client::{CallError, DEFAULT_LIMIT, Engine, with_query};
use super::failure::ActionError;
use super::{labels, wire};
use crate::model::action::TaskHandle;

/// Why an action is not done.
#[derive(Debug)]
pub(in crate::fleet) enum Stop {
    /// The engine's answer, or silence.
    Call(CallError),
    /// Our own finding.
    Found(Box<ActionError>),
}

impl From<CallError> for Stop {
    fn from(error: CallError) -> Self {
        Self::Call(error)
    }
}

impl From<ActionError> for Stop {
    fn from(error: ActionError) -> Self {
        Self::Found(Box::new(error))
    }
}

/// The id of a task's container that is no longer called as it was: a name that is not there is no proof that the
/// task has gone. Nothing, if that is what was tried.
pub(super) async fn renamed(
    engine: &Engine,
    task: &TaskHandle,
    tried: &str,
) -> Result<Option<String>, CallError> {
    let filters = json!({ "label": [format!("{}={}", labels::TASK, task.id)] }).to_string();
    let path = with_query("/containers/json", &[("all", "1"), ("filters", &filters)]);
    let found: Vec<wire::Container> = engine.reader.get(&path, DEFAULT_LIMIT).await?;
    let is_ours = |one: &&wire::Container| {
        let label = |key: &str| one.labels.get(key).map(String::as_str);
        label(labels::STACK) == Some(task.stack.as_str())
            && label(labels::SERVICE) == Some(task.service.as_str())
    };
    Ok(found.iter().find(is_ours).map(|one| one.id.clone()).filter(|id| id != tried))
}
