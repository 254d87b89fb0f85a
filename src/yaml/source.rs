//! Texts that were read, and places in them. Opens no files: bytes are handed in.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::{Deref, Range};

use elsa::FrozenVec;

/// A file as it was handed in.
#[derive(Debug, Clone)]
pub struct SourceText {
    /// What messages call it; usually the path as given.
    pub name: String,
    /// Its bytes; not being UTF-8 is a diagnostic, not a panic.
    pub bytes: Vec<u8>,
}

/// Which of the [`Sources`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct SourceId(u32);

impl SourceId {
    /// Its place among the [`Sources`].
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// A range of bytes in one of the [`Sources`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Span {
    pub file: SourceId,
    pub start: u32,
    /// One past the last byte.
    pub end: u32,
}

impl Span {
    /// A place in a text.
    #[must_use]
    pub fn new(file: SourceId, range: Range<usize>) -> Self {
        let clip = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        Self { file, start: clip(range.start), end: clip(range.end) }
    }

    /// The bytes.
    #[must_use]
    pub fn range(self) -> Range<usize> {
        self.start as usize..self.end as usize
    }

    /// Whether two places have a byte in common.
    #[must_use]
    pub fn touches(self, other: Self) -> bool {
        self.file == other.file && self.start < other.end && other.start < self.end
    }

    /// A part of this place, counted from its start.
    #[must_use]
    pub fn part(self, range: Range<usize>) -> Self {
        let start = self.start as usize;
        Self::new(self.file, start + range.start..start + range.end)
    }
}

/// Places in files, as ranges that do not touch.
#[derive(Debug, Default)]
pub(super) struct Ranges(BTreeMap<(SourceId, u32), u32>);

impl Ranges {
    /// Adds one, with those that it touches.
    pub(super) fn add(&mut self, mut span: Span) {
        while let Some(other) = self.touching(span) {
            self.0.remove(&(other.file, other.start));
            span = Span { start: span.start.min(other.start), end: span.end.max(other.end), ..span };
        }
        self.0.insert((span.file, span.start), span.end);
    }

    /// One that has a byte of this place.
    pub(super) fn touching(&self, span: Span) -> Option<Span> {
        let (&(file, start), &end) = self.0.range(..(span.file, span.end)).next_back()?;
        Some(Span { file, start, end }).filter(|other| other.touches(span))
    }

    /// All of them, in order.
    pub(super) fn iter(&self) -> impl Iterator<Item = Span> {
        self.0.iter().map(|(&(file, start), &end)| Span { file, start, end })
    }
}

/// A value and where it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Spanned<T> {
    pub value: T,
    pub span: Span,
}

impl<T> Spanned<T> {
    /// Puts the two together.
    pub const fn new(value: T, span: Span) -> Self {
        Self { value, span }
    }

    /// Another value from the same place.
    pub fn map<U>(self, f: impl FnOnce(T) -> U) -> Spanned<U> {
        Spanned { value: f(self.value), span: self.span }
    }
}

impl<T> Deref for Spanned<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T: fmt::Display> fmt::Display for Spanned<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.value.fmt(f)
    }
}

/// A text with a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// What messages call it.
    pub name: String,
    /// The text, without a byte order mark.
    pub text: String,
}

/// All texts of one run, so that a [`Span`] can be small. Only ever grows, also while others look into
/// it: a file is found to need another one half way through the reading.
#[derive(Default)]
pub struct Sources {
    list: FrozenVec<Box<Source>>,
}

impl fmt::Debug for Sources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter().map(|source| &source.name)).finish()
    }
}

/// A place as people count: from 1, columns in characters.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place<'a> {
    pub file: &'a str,
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
}

impl Sources {
    /// None yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a text. Bytes that are not UTF-8 come back as the offset of the first bad one; the text
    /// is kept with replacement characters so that the place can still be shown.
    pub fn add(&self, source: SourceText) -> Result<SourceId, (SourceId, usize)> {
        let id = SourceId(u32::try_from(self.list.len()).unwrap_or(u32::MAX));
        let bytes = source.bytes;
        let bytes = match bytes.strip_prefix(b"\xef\xbb\xbf") {
            Some(rest) => rest.to_vec(),
            None => bytes,
        };
        match String::from_utf8(bytes) {
            Ok(text) => {
                self.list.push(Box::new(Source { name: source.name, text }));
                Ok(id)
            }
            Err(error) => {
                let valid = error.utf8_error().valid_up_to();
                let text = String::from_utf8_lossy(error.as_bytes()).into_owned();
                self.list.push(Box::new(Source { name: source.name, text }));
                Err((id, valid))
            }
        }
    }

    /// One of them.
    #[must_use]
    pub fn get(&self, id: SourceId) -> &Source {
        &self.list[id.index()]
    }

    /// All of them, in the order they were added.
    pub fn iter(&self) -> impl Iterator<Item = &Source> {
        self.list.iter()
    }

    /// The text of a place, as it stands in the file.
    #[must_use]
    pub fn slice(&self, span: Span) -> &str {
        self.get(span.file).text.get(span.range()).unwrap_or("")
    }

    /// File, line and column of the first byte of a place.
    #[must_use]
    pub fn place(&self, span: Span) -> Place<'_> {
        let source = self.get(span.file);
        let before = source.text.get(..span.start as usize).unwrap_or(&source.text);
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        Place {
            file: &source.name,
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
        }
    }

    /// The place of a part of a scalar's value, where the value stands in the file as it is: plain,
    /// or in quotes without escapes. Otherwise the place of the whole scalar.
    #[must_use]
    pub fn part(&self, span: Span, value: &str, part: Range<usize>) -> Span {
        let written = self.slice(span);
        let quote = usize::from(written.starts_with(['"', '\'']));
        if written.get(quote..).is_some_and(|rest| rest.starts_with(value)) {
            span.part(part.start + quote..part.end + quote)
        } else {
            span
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn add(text: &str) -> (Sources, SourceId) {
        let sources = Sources::new();
        let id = sources.add(SourceText { name: "a.yml".into(), bytes: text.into() }).unwrap();
        (sources, id)
    }

    #[test]
    fn places_count_lines_and_characters_from_one() {
        let (sources, id) = add("é: 1\nbé: 2\n");
        let place = sources.place(Span::new(id, 11..12));
        assert_eq!((place.file, place.line, place.column), ("a.yml", 2, 5));
    }

    #[test]
    fn a_byte_order_mark_is_dropped_and_bad_bytes_are_found() {
        let (sources, id) = add("\u{feff}a: 1");
        assert_eq!(sources.get(id).text, "a: 1");
        let bad = SourceText { name: "b".into(), bytes: b"a: \xff".to_vec() };
        assert!(matches!(Sources::new().add(bad), Err((_, 3))));
    }

    #[test]
    fn a_part_of_a_quoted_scalar_is_found_and_of_an_escaped_one_is_not() {
        let (sources, id) = add(r#"a: "80:x" "\x38""#);
        let quoted = Span::new(id, 3..9);
        assert_eq!(sources.slice(sources.part(quoted, "80:x", 3..4)), "x");
        let escaped = Span::new(id, 10..16);
        assert_eq!(sources.part(escaped, "8", 0..1), escaped);
    }
}
