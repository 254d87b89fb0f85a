//! What a container does over time. Nothing runs: each look works out what would have happened by then.

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

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

/// How a container's life stands.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Life {
    /// When it was last started.
    pub started: Option<i64>,
    /// When it last ended, and how.
    pub ended: Option<(i64, i64)>,
    /// When the engine will start it again.
    pub restarts_at: Option<i64>,
    /// How often the engine has done so.
    pub restarts: i64,
    /// Stopped by hand: the engine leaves it alone.
    pub is_stopped: bool,
}

/// The engine's words for how it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    Created,
    Running,
    Restarting,
    Exited,
}

impl State {
    pub fn word(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Running => "running",
            Self::Restarting => "restarting",
            Self::Exited => "exited",
        }
    }
}

impl Life {
    /// How it stands.
    pub fn state(&self) -> State {
        match (self.started, self.ended, self.restarts_at) {
            (_, _, Some(_)) => State::Restarting,
            (None, None, None) => State::Created,
            (_, Some(_), None) => State::Exited,
            (Some(_), None, None) => State::Running,
        }
    }

    /// Lets time pass up to `now`.
    pub fn pass(&mut self, now: i64, behaviour: &Behaviour, policy: &Value) {
        loop {
            match (self.state(), behaviour) {
                (State::Running, Behaviour::Exits(after, code)) => {
                    let end = self.started.unwrap_or(now) + after;
                    if end > now {
                        return;
                    }
                    self.ended = Some((end, *code));
                    if restarts(policy, *code, self.restarts) && !self.is_stopped {
                        // The engine's own back-off: 100 ms, doubled each time up to a minute.
                        self.restarts_at = Some(end + (100 << self.restarts.clamp(0, 9)).min(60_000));
                    }
                }
                (State::Restarting, _) => {
                    let at = self.restarts_at.unwrap_or(now);
                    if at > now {
                        return;
                    }
                    self.restarts += 1;
                    *self = Self { started: Some(at), ended: None, restarts_at: None, ..self.clone() };
                }
                _ => return,
            }
        }
    }

    /// The program is asked to end.
    pub fn stop(&mut self, now: i64, code: i64) {
        if matches!(self.state(), State::Running | State::Restarting) {
            self.ended = Some((now, code));
            self.restarts_at = None;
        }
        self.is_stopped = true;
    }

    /// `starting`, `healthy`, `unhealthy`, or nothing where it is not judged.
    pub fn health(&self, now: i64, behaviour: &Behaviour, has_check: bool) -> Option<&'static str> {
        let started = self.started.filter(|_| self.state() == State::Running)?;
        match behaviour {
            Behaviour::HealthyAfter(after) if now >= started + after => Some("healthy"),
            Behaviour::UnhealthyAfter(after) if now >= started + after => Some("unhealthy"),
            Behaviour::HealthyAfter(_) | Behaviour::UnhealthyAfter(_) => Some("starting"),
            Behaviour::Runs | Behaviour::Exits(..) | Behaviour::CannotStart(_) => {
                has_check.then_some("healthy")
            }
        }
    }

    /// The text of `docker ps`: `Up 3 minutes (healthy)`.
    pub fn status(&self, now: i64, health: Option<&str>) -> String {
        let ago = |at: i64| stackctl::cli::render::age::human_duration(now - at);
        let (end, code) = self.ended.unwrap_or_default();
        match (self.state(), health) {
            (State::Created, _) => "Created".to_owned(),
            (State::Running, None) => format!("Up {}", ago(self.started.unwrap_or(now))),
            (State::Running, Some("starting")) => {
                format!("Up {} (health: starting)", ago(self.started.unwrap_or(now)))
            }
            (State::Running, Some(health)) => format!("Up {} ({health})", ago(self.started.unwrap_or(now))),
            (State::Restarting, _) => format!("Restarting ({code}) {} ago", ago(end)),
            (State::Exited, _) => format!("Exited ({code}) {} ago", ago(end)),
        }
    }

    /// `State` of an inspect.
    pub fn to_json(&self, health: Option<&str>) -> Value {
        let state = self.state();
        let (end, code) = self.ended.unwrap_or((i64::MIN, 0));
        let mut value = json!({
            "Status": state.word(),
            "Running": matches!(state, State::Running | State::Restarting),
            "Paused": false,
            "Restarting": state == State::Restarting,
            "OOMKilled": false,
            "Dead": false,
            "Pid": if state == State::Running { 4242 } else { 0 },
            "ExitCode": code,
            "Error": "",
            "StartedAt": rfc3339(self.started.unwrap_or(i64::MIN)),
            "FinishedAt": rfc3339(end),
        });
        if let Some(health) = health {
            value["Health"] = json!({ "Status": health, "FailingStreak": 0, "Log": [] });
        }
        value
    }
}

fn restarts(policy: &Value, code: i64, restarts: i64) -> bool {
    let most = policy["MaximumRetryCount"].as_i64().unwrap_or(0);
    match policy["Name"].as_str() {
        Some("always" | "unless-stopped") => true,
        Some("on-failure") => code != 0 && (most == 0 || restarts < most),
        _ => false,
    }
}

/// Go's form of a time; its zero for what never was.
pub fn rfc3339(ms: i64) -> String {
    if ms == i64::MIN {
        return "0001-01-01T00:00:00Z".to_owned();
    }
    stackctl::model::Timestamp(ms).to_string()
}
