//! Text that is safe to show and whose width is known.
//!
//! Whatever comes from a stackfile, a container or an engine may hold control characters. Shown raw
//! they could move the cursor, recolour the screen or hide a line, so they are spelled out instead.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt::Write as _;

use unicode_width::UnicodeWidthChar;

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

/// Control characters, and those that turn the direction of text: `a\u{202e}b` reads other than it is.
fn is_control(c: char) -> bool {
    c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{2028}' | '\u{2029}')
}

/// `text` with its colour codes and newlines, and every other control character spelled out: for text
/// that something else has coloured already.
#[must_use]
pub fn only_colours(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\x1b') {
        out.push_str(&clean_block(&rest[..at]));
        rest = &rest[at..];
        let code = rest.strip_prefix("\x1b[").map_or(0, |code| {
            code.find(|c: char| !(c.is_ascii_digit() || c == ';'))
                .filter(|&end| code[end..].starts_with('m'))
                .map_or(0, |end| end + 3)
        });
        if code == 0 {
            out.push_str("\\x1b");
            rest = &rest[1..];
        } else {
            out.push_str(&rest[..code]);
            rest = &rest[code..];
        }
    }
    out.push_str(&clean_block(rest));
    out
}

/// Columns that `text` takes on a terminal. ANSI colour codes take none.
#[must_use]
pub fn width(text: &str) -> usize {
    let mut columns = 0;
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c == '\x1b' {
            // Our own colours only: ESC [ … m.
            let _ = chars.by_ref().find(char::is_ascii_alphabetic);
        } else {
            columns += c.width().unwrap_or(0);
        }
    }
    columns
}

/// `text` cut to `columns`, with an ellipsis where something was cut. For text without colours.
#[must_use]
pub fn ellipsis(text: &str, columns: usize) -> Cow<'_, str> {
    if width(text) <= columns {
        return Cow::Borrowed(text);
    }
    let mut out = String::new();
    let mut used = 0;
    for c in text.chars() {
        let wide = c.width().unwrap_or(0);
        if used + wide + 1 > columns {
            break;
        }
        used += wide;
        out.push(c);
    }
    out.push('…');
    Cow::Owned(out)
}

/// `text` with blanks behind it, up to `columns`.
#[must_use]
pub fn pad(text: &str, columns: usize) -> String {
    format!("{text}{}", " ".repeat(columns.saturating_sub(width(text))))
}

/// `1 task`, `2 tasks`: nouns here all take an `s`.
#[must_use]
pub fn count(number: usize, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}

/// Numbers as ranges: `1-3,5,9-12`.
#[must_use]
pub fn ranges(numbers: &BTreeSet<u32>) -> String {
    let mut runs: Vec<(u32, u32)> = Vec::new();
    for &number in numbers {
        match runs.last_mut() {
            Some((_, last)) if *last + 1 == number => *last = number,
            _ => runs.push((number, number)),
        }
    }
    let show = |&(first, last): &(u32, u32)| {
        if first == last { first.to_string() } else { format!("{first}-{last}") }
    };
    runs.iter().map(show).collect::<Vec<_>>().join(",")
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_spelled_out() {
        assert_eq!(clean("plain é 漢"), "plain é 漢");
        assert_eq!(clean("a\x1b[31mb\n\tc\r\u{9b}d\u{202e}"), "a\\x1b[31mb\\n\\tc\\r\\x9bd\\u{202e}");
        assert_eq!(clean_block("a\n\tb\x07"), "a\n\tb\\x07");
        assert_eq!(only_colours("\x1b[1;31mred\x1b[0m\n\x1b[2J\x1b"), "\x1b[1;31mred\x1b[0m\n\\x1b[2J\\x1b");
    }

    #[test]
    fn width_counts_columns_not_bytes() {
        assert_eq!(width("héllo"), 5);
        assert_eq!(width("漢字"), 4);
        assert_eq!(width("\x1b[1m\x1b[32mok\x1b[0m"), 2);
    }

    #[test]
    fn long_text_ends_in_an_ellipsis() {
        assert_eq!(ellipsis("short", 5), "short");
        assert_eq!(ellipsis("longer", 5), "long…");
        assert_eq!(ellipsis("漢字漢字", 5), "漢字…");
    }

    #[test]
    fn numbers_fold_into_ranges() {
        assert_eq!(ranges(&[1, 2, 3, 5, 9, 10].into()), "1-3,5,9-10");
        assert_eq!(ranges(&[7].into()), "7");
    }

    #[test]
    fn a_list_is_cut_only_if_that_saves_something() {
        assert_eq!(some_of(&["a", "b", "c"], 2), "a, b, c");
        assert_eq!(some_of(&["a", "b", "c", "d"], 2), "a, b and 2 more");
    }
}
