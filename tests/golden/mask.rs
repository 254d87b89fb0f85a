//! Replaces what differs from run to run or is written for people, so that what is left is format alone.

use std::sync::LazyLock;

use regex_lite::Regex;
use serde_json::Value;

/// The program that wrote what is in `files/recorded`.
const RECORDED: &str = "0.1.0";

/// Keys whose values are sentences for people.
const WORDS: &[&str] = &[
    "message",
    "help",
    "title",
    "cause",
    "remedy",
    "example",
    "text",
    "detail",
    "words",
    "description",
    "label",
    "shown",
    "When",
    "Took",
    "CurrentState",
];
/// Keys whose values were measured.
const MEASURED: [&str; 5] = ["duration_ms", "took_ms", "silent_ms", "pid", "process"];

static PATTERNS: LazyLock<Vec<(Regex, &str)>> = LazyLock::new(|| {
    [
        (r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?( ?(Z|[+-]\d\d:?\d\d( [A-Z]+)?))?", "[time]"),
        (r"\b(ann|root)@[A-Za-z0-9.-]+( from [0-9a-f.:]+)?", "ann@[machine]"),
        (r"\b[0-9a-f]{16}\b", "[id]"),
        (r"unix:///[^ ]*/(h[0-9]+\.sock)", "unix://[dir]/$1"),
    ]
    .map(|(pattern, with)| (Regex::new(pattern).expect("a pattern"), with))
    .into()
});

/// Milliseconds since 1970 of the time in which tests are run.
fn is_time(number: f64) -> bool {
    (1.5e12..3.0e12).contains(&number)
}

/// A text without times, ids and names of machines.
pub fn text(text: &str) -> String {
    PATTERNS
        .iter()
        .fold(text.to_owned(), |text, (pattern, with)| pattern.replace_all(&text, *with).into_owned())
}

/// A value without them, and without sentences.
pub fn value(mut value: Value) -> Value {
    inside(&mut value, "");
    value
}

fn inside(value: &mut Value, key: &str) {
    match value {
        Value::String(_) if WORDS.contains(&key) => *value = "[words]".into(),
        Value::String(one) if one == env!("CARGO_PKG_VERSION") || one == RECORDED => {
            *value = "[version]".into();
        }
        Value::String(_) if ["Arch", "Os"].contains(&key) => *value = "[machine]".into(),
        // What an engine calls its networks is counted up by the fake ones, whichever is made first.
        Value::String(one) if key == "id" && one.len() == 64 => *value = "[id]".into(),
        Value::String(_) if MEASURED.contains(&key) => *value = "[measured]".into(),
        // A reason is an object of its own beside this sentence.
        Value::String(words) if key.eq_ignore_ascii_case("why") && words.contains(' ') => {
            *value = "[words]".into()
        }
        Value::String(one) => *one = text(one),
        Value::Number(number) if MEASURED.contains(&key) || number.as_f64().is_some_and(is_time) => {
            *value = "[measured]".into();
        }
        Value::Array(items) => items.iter_mut().for_each(|item| inside(item, key)),
        Value::Object(map) => map.iter_mut().for_each(|(key, one)| inside(one, key)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Lines of JSON, each masked. In the order in which they came.
#[track_caller]
pub fn lines(text: &str) -> Vec<Value> {
    let read = |line: &str| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
    text.lines().filter(|line| !line.trim().is_empty()).map(|line| value(read(line))).collect()
}

/// Lists in the order of what is left without ids of tasks: some are sorted by names with ids in them.
pub fn in_order(value: &mut Value) {
    match value {
        Value::Array(list) => {
            list.iter_mut().for_each(in_order);
            if list.iter().all(|one| one["Name"].is_string() && one["State"].is_string()) {
                list.sort_by_key(|one| task_ids(&one.to_string()));
            }
        }
        Value::Object(fields) => fields.values_mut().for_each(in_order),
        _ => {}
    }
}

/// Text without ids of tasks: words of twenty-five characters in base 36, or of their first twelve.
pub fn task_ids(text: &str) -> String {
    let is_word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(is_word) {
        let (before, from) = rest.split_at(at);
        let end = from.find(|c: char| !is_word(c)).unwrap_or(from.len());
        let (word, after) = from.split_at(end);
        // Hex is a digest.
        let is_hex = word.bytes().all(|byte| byte.is_ascii_hexdigit());
        let is_id =
            [12, 25].contains(&word.len()) && word.bytes().any(|byte| byte.is_ascii_digit()) && !is_hex;
        out += before;
        out += if is_id { "[task]" } else { word };
        rest = after;
    }
    out + rest
}

/// Values as a text with an end of line behind each.
pub fn shown(values: &[Value]) -> String {
    values.iter().map(|one| format!("{one:#}\n")).collect()
}

#[test]
fn what_is_format_stays_and_the_rest_goes() {
    let before = serde_json::json!({
        "at": "2026-01-31T12:00:05.123Z", "who": "ann@mill-3", "reason": "config_changed", "took_ms": 7,
        "message": "do it", "since": 1_769_860_800_000_u64, "count": 3, "why": "it is gone", "why2": {"why": "removed"},
    });
    let after = serde_json::json!({
        "at": "[time]", "who": "ann@[machine]", "reason": "config_changed", "took_ms": "[measured]",
        "message": "[words]", "since": "[measured]", "count": 3, "why": "[words]", "why2": {"why": "removed"},
    });
    assert_eq!(value(before), after);
}
