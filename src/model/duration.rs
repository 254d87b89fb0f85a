//! Durations as Go writes them (`1m30s`, `1.5h`, `100ms`), because stackfiles and Docker's flags do.
//!
//! Not `humantime`: it takes `5d` and `1m 30s`, which Docker refuses, and prints forms Docker cannot
//! read back.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A signed duration in nanoseconds that reads and prints like Go's `time.Duration`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct GoDuration(i64);

/// Why a text is not a Go duration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DurationError {
    /// No digits, no unit, or something else in between.
    #[error("not a duration")]
    Malformed,
    /// A number without `ns`, `us`, `ms`, `s`, `m` or `h` after it.
    #[error("a unit is missing")]
    MissingUnit,
    /// A unit that Go does not know, such as `d`.
    #[error("unknown unit `{0}`")]
    UnknownUnit(String),
    /// Beyond about 292 years.
    #[error("the duration is too large")]
    Overflow,
}

impl GoDuration {
    /// No time at all.
    pub const ZERO: Self = Self(0);

    /// From whole nanoseconds.
    #[must_use]
    pub const fn from_nanos(ns: i64) -> Self {
        Self(ns)
    }

    /// From whole milliseconds.
    #[must_use]
    pub const fn from_millis(ms: i64) -> Self {
        Self(ms.saturating_mul(1_000_000))
    }

    /// From whole seconds.
    #[must_use]
    pub const fn from_secs(s: i64) -> Self {
        Self(s.saturating_mul(1_000_000_000))
    }

    /// Whole nanoseconds.
    #[must_use]
    pub const fn as_nanos(self) -> i64 {
        self.0
    }

    /// Whole milliseconds, rounded down.
    #[must_use]
    pub const fn as_millis(self) -> i64 {
        self.0.div_euclid(1_000_000)
    }

    /// As an unsigned duration; negative ones become zero.
    #[must_use]
    pub fn to_std(self) -> Duration {
        Duration::from_nanos(u64::try_from(self.0).unwrap_or(0))
    }
}

impl FromStr for GoDuration {
    type Err = DurationError;

    /// Reads the grammar of Go's `time.ParseDuration`: an optional sign, then one or more of
    /// decimal number and unit; a bare `0` needs no unit.
    fn from_str(text: &str) -> Result<Self, DurationError> {
        let (negative, mut rest) = match text.as_bytes().first() {
            Some(b'-') => (true, &text[1..]),
            Some(b'+') => (false, &text[1..]),
            _ => (false, text),
        };
        if rest == "0" {
            return Ok(Self::ZERO);
        }
        if rest.is_empty() {
            return Err(DurationError::Malformed);
        }
        let mut total: i128 = 0;
        while !rest.is_empty() {
            let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
            let whole = &rest[..digits];
            rest = &rest[digits..];
            let mut fraction = "";
            if let Some(after) = rest.strip_prefix('.') {
                let end = after.find(|c: char| !c.is_ascii_digit()).unwrap_or(after.len());
                fraction = &after[..end];
                rest = &after[end..];
            }
            if whole.is_empty() && fraction.is_empty() {
                return Err(DurationError::Malformed);
            }
            let end = rest.find(|c: char| c == '.' || c.is_ascii_digit()).unwrap_or(rest.len());
            let (unit, after) = rest.split_at(end);
            rest = after;
            let scale: i128 = match unit {
                "ns" => 1,
                "us" | "µs" | "μs" => 1_000,
                "ms" => 1_000_000,
                "s" => 1_000_000_000,
                "m" => 60_000_000_000,
                "h" => 3_600_000_000_000,
                "" => return Err(DurationError::MissingUnit),
                other => return Err(DurationError::UnknownUnit(other.to_owned())),
            };
            if whole.len() > 19 {
                return Err(DurationError::Overflow);
            }
            total += whole.parse::<i128>().unwrap_or(0) * scale;
            let mut place = scale;
            for digit in fraction.bytes() {
                place /= 10;
                total += i128::from(digit - b'0') * place;
            }
        }
        if negative {
            total = -total;
        }
        i64::try_from(total).map(Self).map_err(|_| DurationError::Overflow)
    }
}

impl fmt::Display for GoDuration {
    /// The shortest form that Go itself prints: `1m30s`, `1.5s`, `100ms`, `0s`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ns = self.0.unsigned_abs();
        if self.0 < 0 {
            f.write_str("-")?;
        }
        let decimal = |value: u64, scale: u64| {
            let (whole, part) = (value / scale, value % scale);
            if part == 0 {
                return whole.to_string();
            }
            let width = scale.ilog10() as usize;
            let text = format!("{whole}.{part:0width$}");
            text.trim_end_matches('0').to_owned()
        };
        match ns {
            0 => f.write_str("0s"),
            1..1_000 => write!(f, "{ns}ns"),
            1_000..1_000_000 => write!(f, "{}µs", decimal(ns, 1_000)),
            1_000_000..1_000_000_000 => write!(f, "{}ms", decimal(ns, 1_000_000)),
            _ => {
                let (minutes, rest) = (ns / 60_000_000_000, ns % 60_000_000_000);
                let seconds = decimal(rest, 1_000_000_000);
                match (minutes / 60, minutes % 60) {
                    (0, 0) => write!(f, "{seconds}s"),
                    (0, m) => write!(f, "{m}m{seconds}s"),
                    (h, m) => write!(f, "{h}h{m}m{seconds}s"),
                }
            }
        }
    }
}

impl Serialize for GoDuration {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for GoDuration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_what_go_reads() {
        for (text, ns) in [
            ("0", 0),
            ("1m30s", 90_000_000_000),
            ("1.5h", 5_400_000_000_000),
            ("100ms", 100_000_000),
            ("-1s", -1_000_000_000),
            (".5s", 500_000_000),
            ("1us", 1_000),
            ("1h2m3s4ms5us6ns", 3_723_004_005_006),
        ] {
            assert_eq!(text.parse(), Ok(GoDuration(ns)), "{text}");
        }
    }

    #[test]
    fn refuses_what_go_refuses() {
        assert_eq!("5".parse::<GoDuration>(), Err(DurationError::MissingUnit));
        assert_eq!("5d".parse::<GoDuration>(), Err(DurationError::UnknownUnit("d".into())));
        assert_eq!("".parse::<GoDuration>(), Err(DurationError::Malformed));
        assert_eq!("s".parse::<GoDuration>(), Err(DurationError::Malformed));
        assert_eq!("1m 30s".parse::<GoDuration>(), Err(DurationError::UnknownUnit("m ".into())));
        assert_eq!("9999999h".parse::<GoDuration>(), Err(DurationError::Overflow));
    }

    #[test]
    fn prints_as_go_prints() {
        for text in ["0s", "1m30s", "1h0m0s", "100ms", "1.5s", "2.002ms", "1µs", "-1s", "72h3m0.5s"] {
            assert_eq!(text.parse::<GoDuration>().unwrap().to_string(), text);
        }
    }

    proptest! {
        #[test]
        fn round_trips(ns in any::<i64>()) {
            prop_assume!(ns != i64::MIN);
            let duration = GoDuration(ns);
            prop_assert_eq!(duration.to_string().parse::<GoDuration>(), Ok(duration));
        }

        #[test]
        fn parts_add_up_in_any_order(h in 0..1000_i64, m in 0..1000_i64, s in 0..1000_i64, ms in 0..1000_i64) {
            let sum = GoDuration((((h * 60 + m) * 60 + s) * 1000 + ms) * 1_000_000);
            for text in [format!("{h}h{m}m{s}s{ms}ms"), format!("{ms}ms{s}s{m}m{h}h"), format!("{h}h{m}m{s}.{ms:03}s")] {
                prop_assert_eq!(text.parse::<GoDuration>(), Ok(sum), "{}", text);
            }
        }
    }
}
