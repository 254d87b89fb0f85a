//! One container in detail: used to explain a failed start.

use std::time::Duration;

use crate::model::{TaskStatus, Timestamp};

use super::client::{CallError, Reader};
use super::{failure, observe, wire};

/// For one inspect.
pub const INSPECT_LIMIT: Duration = Duration::from_secs(10);

/// A container in detail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskDetails {
    pub status: TaskStatus,
    /// Why it could not start, in the engine's words.
    pub error: Option<String>,
    /// Status of the last end; 0 while it has not ended.
    pub exit_code: i64,
    /// Ended by the kernel for want of memory.
    pub oom_killed: bool,
    /// When it last started, by the host's clock.
    pub started_at: Option<Timestamp>,
    /// When it last ended, by the host's clock.
    pub finished_at: Option<Timestamp>,
    /// How often the engine has restarted it.
    pub restarts: i64,
    /// What the last health check printed, if it failed.
    pub health_output: Option<String>,
    /// It writes to a terminal: its log is one stream, without marks.
    pub tty: bool,
}

/// Looks at one container by name or id; `None` if it is gone.
pub(in crate::fleet) async fn container(
    reader: &Reader,
    name: &str,
) -> Result<Option<wire::Inspect>, CallError> {
    match reader.get(&format!("/containers/{name}/json"), INSPECT_LIMIT).await {
        Ok(inspect) => Ok(Some(inspect)),
        Err(error) if error.status() == Some(404) => Ok(None),
        Err(error) => Err(error),
    }
}

/// What it does.
pub(in crate::fleet) fn status(inspect: &wire::Inspect) -> Result<TaskStatus, CallError> {
    let state = &inspect.state;
    let health = state.health.as_ref().map(|health| health.status.as_str());
    observe::status(&state.status, health, || "", || state.exit_code).map_err(CallError::Decode)
}

/// As details.
pub(in crate::fleet) fn details(inspect: &wire::Inspect) -> Result<TaskDetails, CallError> {
    let state = &inspect.state;
    let failed =
        state.health.as_ref().and_then(|health| health.log.iter().rfind(|check| check.exit_code != 0));
    let text = |text: &str| Some(text.trim().to_owned()).filter(|text| !text.is_empty());
    Ok(TaskDetails {
        status: status(inspect)?,
        error: text(&failure::cleaned(&state.error)),
        exit_code: state.exit_code,
        oom_killed: state.oom_killed,
        started_at: time(&state.started_at),
        finished_at: time(&state.finished_at),
        restarts: inspect.restart_count,
        health_output: failed.and_then(|check| text(&check.output)),
        tty: inspect.config.tty,
    })
}

/// Go writes "never" as the year 1.
fn time(text: &str) -> Option<Timestamp> {
    let at = text.parse::<jiff::Timestamp>().ok()?.as_millisecond();
    (at > 0).then_some(Timestamp(at))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Health;

    #[test]
    fn an_unhealthy_container_shows_why() {
        let inspect: wire::Inspect = serde_json::from_str(
            r#"{"Id":"x","RestartCount":2,"State":{"Status":"running","ExitCode":0,"Error":"","OOMKilled":false,
                "StartedAt":"2026-11-21T01:00:00.5Z","FinishedAt":"0001-01-01T00:00:00Z",
                "Health":{"Status":"unhealthy","Log":[{"ExitCode":1,"Output":"no answer\n"},{"ExitCode":0,"Output":""}]}},
                "Config":{"Tty":true,"Labels":null}}"#,
        )
        .unwrap();
        let details = details(&inspect).unwrap();
        assert_eq!(details.status, TaskStatus::Running { health: Health::Unhealthy });
        assert_eq!(details.health_output.as_deref(), Some("no answer"));
        assert_eq!(details.started_at.unwrap().to_string(), "2026-11-21T01:00:00.500Z");
        assert_eq!(
            (details.finished_at, details.restarts, details.tty, details.error),
            (None, 2, true, None)
        );
    }
}
