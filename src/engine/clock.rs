//! The one clock. Everything else is handed the time.

// The system's own, but in tests that simulate time.
use tokio::time::Instant;

use crate::model::Timestamp;

/// Variable that sets the clock, for tests and for documentation: RFC 3339, or milliseconds since 1970.
/// Time runs on from there.
pub const VARIABLE: &str = "STACKCTL_NOW";

/// Tells the time.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    base: Timestamp,
    since: Instant,
}

/// `STACKCTL_NOW` holds no time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, miette::Diagnostic)]
#[error("`STACKCTL_NOW` holds no time: `{0}`")]
#[diagnostic(
    code(stackctl::usage::bad_now),
    help("write it as 2026-01-31T12:00:00Z, or as milliseconds since 1970")
)]
pub struct BadNow(String);

impl Clock {
    /// The machine's time, or `now` if it is set. Steps of the machine's clock while a command runs do
    /// not show: deadlines are counted on a clock that only goes forward.
    #[expect(clippy::disallowed_methods, reason = "the one place that reads a clock")]
    pub fn start(now: Option<&str>) -> Result<Self, BadNow> {
        let base = match now {
            None => jiff::Timestamp::now().as_millisecond(),
            Some(text) => match text.parse::<jiff::Timestamp>() {
                Ok(at) => at.as_millisecond(),
                Err(_) => text.parse::<i64>().map_err(|_| BadNow(text.to_owned()))?,
            },
        };
        Ok(Self { base: Timestamp(base), since: Instant::now() })
    }

    /// Now.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        let ms = i64::try_from(self.since.elapsed().as_millis()).unwrap_or(i64::MAX);
        self.base.plus_ms(ms)
    }
}
