//! What a plain scalar means: the table of Go's `yaml.v3`, because that is what `docker` reads with.
//!
//! YAML 1.2 for booleans (`yes` is text), Go for numbers (`0777` is octal, `12_000` is a number,
//! `22:22` is text). A date stays text as written; docker makes a Go timestamp of it and prints that.

use super::tree::Value;

/// The value of a plain scalar without a tag.
#[must_use]
pub fn resolve(text: &str) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Value::Null,
        "true" | "True" | "TRUE" => return Value::Bool(true),
        "false" | "False" | "FALSE" => return Value::Bool(false),
        ".nan" | ".NaN" | ".NAN" => return Value::Float(f64::NAN),
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => return Value::Float(f64::INFINITY),
        "-.inf" | "-.Inf" | "-.INF" => return Value::Float(f64::NEG_INFINITY),
        _ => {}
    }
    number(text).unwrap_or_else(|| Value::Text(text.to_owned()))
}

/// A number as Go's `yaml.v3` reads it, if it is one.
fn number(text: &str) -> Option<Value> {
    if !text.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '+' | '-' | '.')) {
        return None;
    }
    let plain: String = text.chars().filter(|&c| c != '_').collect();
    let (sign, digits) = match plain.as_bytes().first()? {
        b'-' => (-1, &plain[1..]),
        b'+' => (1, &plain[1..]),
        _ => (1, plain.as_str()),
    };
    if text.starts_with('.') {
        return float(text);
    }
    let radix = |digits: &str, radix| {
        (!digits.is_empty() && digits.bytes().all(|b| b.is_ascii_alphanumeric()))
            .then(|| i128::from_str_radix(digits, radix).ok())
            .flatten()
            .filter(|&n| n <= i128::from(u64::MAX))
    };
    let lower = digits.to_ascii_lowercase();
    let whole = match lower.get(..2) {
        Some("0x") => radix(&digits[2..], 16),
        Some("0o") => radix(&digits[2..], 8),
        Some("0b") => radix(&digits[2..], 2),
        _ if digits.len() > 1 && digits.starts_with('0') => radix(&digits[1..], 8),
        _ => radix(digits, 10),
    };
    match whole {
        Some(whole) => Some(Value::Int((sign * whole).into())),
        None => float(&plain),
    }
}

/// `[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?`
fn float(text: &str) -> Option<Value> {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (mantissa, exponent) = match unsigned.find(['e', 'E']) {
        Some(at) => (&unsigned[..at], Some(&unsigned[at + 1..])),
        None => (unsigned, None),
    };
    let (whole, part) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
    let mantissa_fits = digits(whole) && digits(part) && !(whole.is_empty() && part.is_empty());
    let exponent_fits = exponent.is_none_or(|e| {
        let e = e.strip_prefix(['-', '+']).unwrap_or(e);
        !e.is_empty() && digits(e)
    });
    (mantissa_fits && exponent_fits).then(|| text.parse().ok()).flatten().map(Value::Float)
}

/// A number as Go prints it, which is what a number becomes in `environment` and in labels: `1.10`
/// is `1.1` and `1e3` is `1000`.
#[must_use]
pub fn go_float(value: f64) -> String {
    if value.is_nan() {
        return "NaN".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "+Inf" } else { "-Inf" }.to_owned();
    }
    if value == 0.0 {
        return if value.is_sign_negative() { "-0" } else { "0" }.to_owned();
    }
    let scientific = format!("{value:e}");
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if (-4..21).contains(&exponent) {
        return format!("{value}");
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{mantissa}e{sign}{:02}", exponent.unsigned_abs())
}

#[cfg(test)]
mod tests {
    use super::super::tree::Whole;
    use super::*;

    #[test]
    fn resolves_as_docker_does() {
        for (text, value) in [
            ("yes", Value::Text("yes".into())),
            ("on", Value::Text("on".into())),
            ("True", Value::Bool(true)),
            ("~", Value::Null),
            ("0777", Value::Int(Whole::from(511))),
            ("0o777", Value::Int(Whole::from(511))),
            ("0x1F", Value::Int(Whole::from(31))),
            ("0b101", Value::Int(Whole::from(5))),
            ("-12", Value::Int(Whole::from(-12))),
            ("12_000", Value::Int(Whole::from(12_000))),
            ("08", Value::Float(8.0)),
            ("1e3", Value::Float(1000.0)),
            ("1.10", Value::Float(1.1)),
            (".5", Value::Float(0.5)),
            ("1.", Value::Float(1.0)),
            ("22:22", Value::Text("22:22".into())),
            ("1:30", Value::Text("1:30".into())),
            ("2024-01-01", Value::Text("2024-01-01".into())),
            ("1.2.3", Value::Text("1.2.3".into())),
            ("-", Value::Text("-".into())),
            ("+", Value::Text("+".into())),
            (".", Value::Text(".".into())),
            ("0x", Value::Text("0x".into())),
            ("1e", Value::Text("1e".into())),
            ("18446744073709551615", Value::Int(Whole::from(i128::from(u64::MAX)))),
            ("é", Value::Text("é".into())),
            ("0é", Value::Text("0é".into())),
        ] {
            assert_eq!(resolve(text), value, "{text}");
        }
    }

    #[test]
    fn prints_numbers_as_go_does() {
        for (value, text) in [
            (1.1, "1.1"),
            (1000.0, "1000"),
            (0.0001, "0.0001"),
            (0.00001, "1e-05"),
            (1e21, "1e+21"),
            (-2.5, "-2.5"),
        ] {
            assert_eq!(go_float(value), text);
        }
    }
}
