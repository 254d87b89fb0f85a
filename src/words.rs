//! Text for people: makes it safe to print, hides what looks like a secret, and formats counts, lists and durations.
//!
//! Text from a stackfile, a container or an engine may contain control characters. Printed raw, they could move the
//! cursor, recolour the screen or hide a line, so they are escaped. Knows nothing of colours, widths or terminals.

mod secrets;

use std::borrow::Cow;
use std::fmt::Write as _;

pub use secrets::without_secrets;

/// `text` on one line, with every control character spelled out: `\n`, `\t`, `\x1b`.
#[must_use]
pub fn clean(text: &str) -> Cow<'_, str> {
    spell_out(text, false)
}

/// As [`clean`], but newlines and tabs stay: for text that is meant to have lines.
#[must_use]
pub fn clean_block(text: &str) -> Cow<'_, str> {
    spell_out(text, true)
}

fn spell_out(text: &str, is_block: bool) -> Cow<'_, str> {
    let is_bad = |c: char| is_control(c) && !(is_block && matches!(c, '\n' | '\t'));
    if !text.chars().any(is_bad) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        match c {
            c if !is_bad(c) => out.push(c),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if u32::from(c) < 0x100 => {
                let _ = write!(out, "\\x{:02x}", u32::from(c));
            }
            c => {
                let _ = write!(out, "\\u{{{:x}}}", u32::from(c));
            }
        }
    }
    Cow::Owned(out)
}

/// Control characters, and those that change the direction of text: `a\u{202e}b` looks different from what it is.
fn is_control(c: char) -> bool {
    c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{2028}' | '\u{2029}')
}

/// `1 task`, `2 tasks`: nouns here all take an `s`.
#[must_use]
pub fn count(number: usize, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}

/// The first few of `items`, and how many more there are: `h1, h2, h3 and 37 more`.
#[must_use]
pub fn some_of<T: AsRef<str>>(items: &[T], most: usize) -> String {
    let shown = if items.len() <= most + 1 { items.len() } else { most };
    let text = items[..shown].iter().map(AsRef::as_ref).collect::<Vec<_>>().join(", ");
    match items.len() - shown {
        0 => text,
        more => format!("{text} and {more} more"),
    }
}

/// A short stop-watch reading for progress: `0.4s`, `12s`, `3m05s`, `1h02m`.
#[must_use]
pub fn elapsed(ms: i64) -> String {
    let ms = ms.max(0);
    let seconds = ms / 1000;
    match seconds {
        0..10 => format!("{seconds}.{}s", ms % 1000 / 100),
        10..60 => format!("{seconds}s"),
        60..3600 => format!("{}m{:02}s", seconds / 60, seconds % 60),
        _ => format!("{}h{:02}m", seconds / 3600, seconds % 3600 / 60),
    }
}

/// What a task said when it panicked.
#[must_use]
pub fn of_panic(said: &(dyn std::any::Any + Send)) -> String {
    let text = said.downcast_ref::<&str>().copied().or(said.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("it panicked").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_spelled_out() {
        assert_eq!(clean("plain é 漢"), "plain é 漢");
        assert_eq!(clean("a\x1b[31mb\n\tc\r\u{9b}d\u{202e}"), "a\\x1b[31mb\\n\\tc\\r\\x9bd\\u{202e}");
        assert_eq!(clean_block("a\n\tb\x07"), "a\n\tb\\x07");
    }

    #[test]
    fn a_list_is_cut_only_if_that_saves_something() {
        assert_eq!(some_of(&["a", "b", "c"], 2), "a, b, c");
        assert_eq!(some_of(&["a", "b", "c", "d"], 2), "a, b and 2 more");
    }

    #[test]
    fn stop_watch() {
        for (ms, text) in [(450, "0.4s"), (12_300, "12s"), (185_000, "3m05s"), (3_720_000, "1h02m")] {
            assert_eq!(elapsed(ms), text);
        }
    }
}
