//! Lines for programs: JSON with a type and a time, as text that may go to a terminal.

use serde_json::Value;

use super::Timestamp;

/// An object with its type and time in front.
#[must_use]
pub fn stamped(at: Timestamp, kind: &str, mut value: Value) -> Value {
    value["type"] = kind.into();
    value["at"] = at.to_string().into();
    value
}

/// A value as JSON on one line, without characters that a terminal would act on. `serde_json` spells
/// out those below U+0020; DEL, the C1 set and the direction marks are left to us.
#[must_use]
pub fn json_line(value: &Value) -> String {
    harmless(value.to_string())
}

/// The same on several lines, indented.
#[must_use]
pub fn json_lines(value: &Value) -> String {
    harmless(format!("{value:#}"))
}

fn harmless(text: String) -> String {
    if !text.chars().any(is_risky) {
        return text;
    }
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if is_risky(c) {
            out.push_str(&format!("\\u{:04x}", u32::from(c)));
        } else {
            out.push(c);
        }
    }
    out
}

fn is_risky(c: char) -> bool {
    c != '\n' && c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}
