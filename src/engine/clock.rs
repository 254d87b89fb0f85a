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

/// How long this machine has been suspended since it was started, in milliseconds. A [`Clock`] stands still
/// meanwhile; what others count as time did not.
///
/// Where the system does not say (it is Linux's to say), 0: there a machine that wakes up relies on a lease
/// for a moment too long, until its next sign of life.
#[must_use]
pub fn slept_ms() -> i64 {
    #[cfg(target_os = "linux")]
    {
        use rustix::time::{ClockId, clock_gettime};
        let ms = |clock| {
            let time = clock_gettime(clock);
            time.tv_sec * 1_000 + time.tv_nsec / 1_000_000
        };
        // In this order what passes between the two readings makes it longer, not shorter.
        let waking = ms(ClockId::Monotonic);
        (ms(ClockId::Boottime) - waking).max(0)
    }
    #[cfg(not(target_os = "linux"))]
    0
}
