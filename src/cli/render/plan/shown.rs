//! Values of fields in a plan: short ones on one line, long ones as a line diff.

use serde_json::Value;
use similar::{ChangeTag, TextDiff};

use super::super::style::{ADD, FAINT, REMOVE, paint};
use super::super::text::{clean, clean_block, width};
use crate::diff::Change;

/// Longer values are shown as a line diff.
const INLINE_COLUMNS_MAX: usize = 60;
/// Lines of a diff that are shown before the rest is counted.
const DIFF_LINES_MAX: usize = 16;
/// Stands for a value that looks like a password.
const HIDDEN: &str = crate::diff::HIDDEN;
/// Hex digits of a digest that people compare.
const DIGEST_CHARS: usize = 12;

/// A change as lines, the first of which begins with the path.
pub(super) fn change(change: &Change, is_whole: bool) -> Vec<String> {
    let path = clean(&change.path);
    let is_hidden = |value: &Option<Value>| value.as_ref().is_some_and(|value| value == HIDDEN);
    if is_hidden(&change.before) && is_hidden(&change.after) {
        return vec![format!("{path}: {}", paint(FAINT, "(hidden, changed)"))];
    }
    // The name of a secret, whose value differs.
    if let (Some(before), true) = (inline(change.before.as_ref(), is_whole), change.before == change.after) {
        return vec![format!("{path}: {before} {}", paint(FAINT, "(hidden, changed)"))];
    }
    let (before, after) = (inline(change.before.as_ref(), is_whole), inline(change.after.as_ref(), is_whole));
    if let (Some(before), Some(after)) = (before, after) {
        return vec![format!("{path}: {before} {} {after}", paint(FAINT, "->"))];
    }
    let mut lines = vec![format!("{path}:")];
    lines.extend(difference(change.before.as_ref(), change.after.as_ref(), is_whole));
    lines
}

/// A value on one line, if it fits there.
fn inline(value: Option<&Value>, is_whole: bool) -> Option<String> {
    let text = match value {
        None => paint(FAINT, "(none)"),
        Some(Value::String(text)) if text.contains('\n') => return None,
        Some(Value::String(text)) if text == HIDDEN => paint(FAINT, text),
        Some(Value::String(text)) => string(text, is_whole),
        Some(other) => clean(&other.to_string()).into_owned(),
    };
    (width(&text) <= INLINE_COLUMNS_MAX || is_image(value)).then_some(text)
}

fn is_image(value: Option<&Value>) -> bool {
    value.and_then(Value::as_str).is_some_and(|text| text.contains("@sha256:"))
}

/// Unquoted if it cannot be misread, else quoted.
fn string(text: &str, is_whole: bool) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "_-./:@+=*,%~".contains(c);
    if !text.is_empty() && text.chars().all(is_plain) {
        return if is_whole { text.to_owned() } else { short_digest(text) };
    }
    clean(&Value::from(text).to_string()).into_owned()
}

/// `nginx:1.25@sha256:0123456789ab…`: a dozen digits are enough to compare.
pub(in crate::cli) fn short_digest(text: &str) -> String {
    match text.split_once("@sha256:") {
        Some((name, hex)) if hex.len() > DIGEST_CHARS => format!("{name}@sha256:{}…", &hex[..DIGEST_CHARS]),
        _ => text.to_owned(),
    }
}

/// Two values as lines, with what changed between them.
fn difference(before: Option<&Value>, after: Option<&Value>, is_whole: bool) -> Vec<String> {
    let (before, after) = (block(before), block(after));
    let diff = TextDiff::from_lines(&before, &after);
    let mut lines = Vec::new();
    for (at, group) in diff.grouped_ops(1).iter().enumerate() {
        if at > 0 {
            lines.push(paint(FAINT, "  …"));
        }
        for op in group {
            for change in diff.iter_changes(op) {
                let text = clean_block(change.value().trim_end_matches('\n')).replace('\t', "    ");
                lines.push(match change.tag() {
                    ChangeTag::Equal => paint(FAINT, format!("  {text}")),
                    ChangeTag::Delete => paint(REMOVE, format!("- {text}")),
                    ChangeTag::Insert => paint(ADD, format!("+ {text}")),
                });
            }
        }
    }
    let most = if is_whole { usize::MAX } else { DIFF_LINES_MAX };
    if lines.len() > most + 1 {
        let more = lines.len() - most;
        lines.truncate(most);
        lines.push(paint(FAINT, format!("  … {more} more lines; -v shows them")));
    }
    lines
}

/// A value with a line for each of its parts.
fn block(value: Option<&Value>) -> String {
    let line = |text: String| text + "\n";
    match value {
        None => String::new(),
        Some(Value::String(text)) if text.ends_with('\n') => text.clone(),
        Some(Value::String(text)) => line(text.clone()),
        Some(Value::Array(items)) => items.iter().map(|item| line(part(item))).collect(),
        Some(Value::Object(map)) => {
            map.iter().map(|(key, item)| line(format!("{key}: {}", part(item)))).collect()
        }
        Some(other) => line(other.to_string()),
    }
}

fn part(value: &Value) -> String {
    match value {
        Value::String(text) => string(text, true),
        other => other.to_string(),
    }
}
