//! What a program does over time, and how the API writes down how its container stands. Nothing runs: each look
//! works out what would have happened by then. What follows for the container is up to [`super::life`].

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use super::life::{Health, Life, Policy, State};

/// The host's clock.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Clock {
    /// The machine's own.
    #[default]
    Real,
    /// Stands still, at so many milliseconds since 1970.
    Fixed(i64),
}

impl Clock {
    /// Milliseconds since 1970.
    pub fn now(self) -> i64 {
        match self {
            Self::Real => SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .map_or(0, |since| i64::try_from(since.as_millis()).unwrap_or(i64::MAX)),
            Self::Fixed(ms) => ms,
        }
    }
}

/// What the program in an image does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Behaviour {
    /// Runs until it is stopped.
    Runs,
    /// Runs, and is judged healthy after so many milliseconds.
    HealthyAfter(i64),
    /// Runs, and is judged unhealthy after so many milliseconds.
    UnhealthyAfter(i64),
    /// Ends by itself after so many milliseconds with a status.
    Exits(i64, i64),
    /// Cannot be started at all.
    CannotStart(String),
}

impl Behaviour {
    /// Has a container do what its program would have done by now, and its engine what follows from that.
    pub fn play(&self, life: &mut Life, now: i64) {
        loop {
            let since = |at: Option<i64>| at.map(|at| now - at);
            match (life.state(), self) {
                (State::Restarting, _) => {
                    let Some(at) = life.restarts_at().filter(|at| *at <= now) else { return };
                    life.restart(at);
                }
                (State::Running, Self::Exits(after, code)) if since(life.started()) >= Some(*after) => {
                    let end = life.started().map_or(now, |started| started + after);
                    life.end(end, *code);
                }
                (State::Running, Self::HealthyAfter(after) | Self::UnhealthyAfter(after)) => {
                    if since(life.started()) >= Some(*after) {
                        let is_healthy = matches!(self, Self::HealthyAfter(_));
                        life.judge(if is_healthy { Health::Healthy } else { Health::Unhealthy });
                    }
                    return;
                }
                (State::Running, Self::Runs | Self::Exits(..) | Self::CannotStart(_)) => {
                    life.judge(Health::Healthy);
                    return;
                }
                _ => return,
            }
        }
    }

    /// Whether its image brings a health check.
    pub fn has_check(&self) -> bool {
        matches!(self, Self::HealthyAfter(_) | Self::UnhealthyAfter(_))
    }
}

/// The restart policy that a create asks for.
pub fn policy(asked: &Value) -> Policy {
    let policy = &asked["HostConfig"]["RestartPolicy"];
    let most = policy["MaximumRetryCount"].as_u64().and_then(|most| u32::try_from(most).ok());
    match policy["Name"].as_str() {
        Some("always") => Policy::Always,
        Some("unless-stopped") => Policy::UnlessStopped,
        Some("on-failure") => Policy::OnFailure(most.unwrap_or(0)),
        _ => Policy::No,
    }
}

/// The text of `docker ps`: `Up 3 minutes (healthy)`.
pub fn status(life: &Life, now: i64) -> String {
    let ago = |at: i64| stackctl::cli::render::age::human_duration(now - at);
    let up = ago(life.started().unwrap_or(now));
    let (end, code) = life.ended().unwrap_or_default();
    match (life.state(), life.health()) {
        (State::Created, _) => "Created".to_owned(),
        (State::Paused, _) => format!("Up {up} (Paused)"),
        (State::Running, None) => format!("Up {up}"),
        (State::Running, Some(Health::Starting)) => format!("Up {up} (health: starting)"),
        (State::Running, Some(health)) => format!("Up {up} ({})", health.word()),
        (State::Restarting, _) => format!("Restarting ({code}) {} ago", ago(end)),
        (State::Exited, _) => format!("Exited ({code}) {} ago", ago(end)),
    }
}

/// `State` of an inspect.
pub fn state_json(life: &Life) -> Value {
    let state = life.state();
    let (end, code) = life.ended().unwrap_or((i64::MIN, 0));
    let mut value = json!({
        "Status": state.word(),
        "Running": state.is_running(),
        "Paused": state == State::Paused,
        "Restarting": state == State::Restarting,
        "OOMKilled": false,
        "Dead": false,
        "Pid": if matches!(state, State::Running | State::Paused) { 4242 } else { 0 },
        "ExitCode": code,
        "Error": "",
        "StartedAt": rfc3339(life.started().unwrap_or(i64::MIN)),
        "FinishedAt": rfc3339(end),
    });
    if let Some(health) = life.health() {
        value["Health"] = json!({ "Status": health.word(), "FailingStreak": 0, "Log": [] });
    }
    value
}

/// Go's form of a time; its zero for what never was.
pub fn rfc3339(ms: i64) -> String {
    if ms == i64::MIN {
        return "0001-01-01T00:00:00Z".to_owned();
    }
    stackctl::model::Timestamp(ms).to_string()
}
