//! The width of text on a terminal, and cutting and padding by it. See also [`words`](crate::words).

use std::borrow::Cow;
use std::collections::BTreeSet;

use unicode_width::UnicodeWidthChar;

pub use crate::words::{clean, clean_block, count, some_of};

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

/// `40.5 MB`: of bytes that come over a network.
#[must_use]
pub fn megabytes(bytes: u64) -> String {
    let tenths = bytes.saturating_add(50_000) / 100_000;
    format!("{}.{} MB", tenths / 10, tenths % 10)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_but_colours_is_spelled_out() {
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
}
