//! A source as a diagnostic shows it: the few lines around a place, found without reading all before them.
//!
//! `miette`'s own sources count lines from the top of the file for every place they show, several times a
//! diagnostic. With a dozen notes on a file of a few kilobytes that was half the time of a whole command.
//! What is shown is `miette`'s business still: it is handed the same text, from a line nearby.

use std::ops::Range;

use miette::{MietteError, MietteSpanContents, SourceCode, SourceSpan, SpanContents};

/// Text with a name, and where its lines begin.
#[derive(Debug)]
pub(super) struct Page {
    name: String,
    language: &'static str,
    text: String,
    /// Offset of each line, in bytes.
    lines: Vec<usize>,
}

impl Page {
    pub(super) fn new(name: String, language: &'static str, text: String) -> Self {
        let bytes = text.as_bytes();
        // A line ends where miette says it does: at CR, LF, or both.
        let ends = (0..bytes.len()).filter(|&at| match bytes[at] {
            b'\n' => true,
            b'\r' => bytes.get(at + 1) != Some(&b'\n'),
            _ => false,
        });
        let lines = std::iter::once(0).chain(ends.map(|at| at + 1)).collect();
        Self { name, language, text, lines }
    }
}

/// Bytes of a line that is shown whole.
const LINE_MAX: usize = 200;
/// Bytes that are shown on each side of a place in a longer line.
const AROUND: usize = 90;
/// Bytes of a place that lines of any length may have. A drawing that is some 65,000 columns wide makes `miette` panic.
const PLACE_MAX: usize = 1024;

impl Page {
    /// A place as it can be drawn: in long lines, no more than its beginning.
    pub(super) fn drawable(&self, place: Range<usize>) -> Range<usize> {
        if !self.is_too_wide(&place) {
            return place;
        }
        let mut end = place.start + PLACE_MAX;
        while !self.text.is_char_boundary(end) {
            end -= 1;
        }
        place.start..end
    }

    fn is_too_wide(&self, place: &Range<usize>) -> bool {
        let bytes = self.text.as_bytes().get(place.clone()).unwrap_or_default();
        bytes.len() > PLACE_MAX && bytes.split(|byte| *byte == b'\n').any(|line| line.len() > LINE_MAX)
    }

    /// A place in a long line, such as that of a file that a program has written, with a little around it.
    fn around(&self, span: &SourceSpan, line: usize) -> Box<dyn SpanContents<'_> + '_> {
        let end = span.offset() + span.len();
        let begins = self.lines[line];
        let last = self.lines.partition_point(|start| *start <= end).max(1);
        let ends = self.lines.get(last).map_or(self.text.len(), |next| next - 1).max(end);
        let mut from = span.offset().saturating_sub(AROUND).max(begins);
        let mut to = (end + AROUND).min(ends);
        while !self.text.is_char_boundary(from) {
            from -= 1;
        }
        while !self.text.is_char_boundary(to) {
            to += 1;
        }
        let data = &self.text.as_bytes()[from..to];
        let contents = MietteSpanContents::new_named(
            self.name.clone(),
            data,
            (from, to - from).into(),
            line,
            from - begins,
            last - line,
        );
        Box::new(contents.with_language(self.language))
    }
}

impl SourceCode for Page {
    fn read_span<'a>(
        &'a self,
        span: &SourceSpan,
        lines_before: usize,
        lines_after: usize,
    ) -> Result<Box<dyn SpanContents<'a> + 'a>, MietteError> {
        let line = self.lines.partition_point(|start| *start <= span.offset()) - 1;
        let is_excerpt = lines_before + lines_after > 0;
        // From one place to another, as `miette` asks first: it draws one after the other then.
        if is_excerpt && self.is_too_wide(&(span.offset()..span.offset() + span.len())) {
            return Err(MietteError::OutOfBounds);
        }
        // One byte more than asked for: an empty place at the start of a line is found by the byte before it.
        let first = line.saturating_sub(lines_before + 1);
        let start = self.lines[first];
        let near: SourceSpan = (span.offset() - start, span.len()).into();
        let found = self.text.as_bytes()[start..].read_span(&near, lines_before, lines_after)?;
        let place: SourceSpan = (found.span().offset() + start, found.span().len()).into();
        let shown = &self.text.as_bytes()[SourceSpan::offset(&place)..][..place.len()];
        let is_long = |line: &[u8]| line.len() > LINE_MAX;
        if is_excerpt && shown.split(|byte| *byte == b'\n').any(is_long) {
            return Ok(self.around(span, line));
        }
        // The slice lives as long as the text, which the trait object's own lifetime says as well.
        let data =
            &self.text.as_bytes()[SourceSpan::offset(&place)..SourceSpan::offset(&place) + place.len()];
        Ok(Box::new(
            MietteSpanContents::new_named(
                self.name.clone(),
                data,
                place,
                found.line() + first,
                found.column(),
                found.line_count() + first,
            )
            .with_language(self.language),
        ))
    }
}

/// The text with stars in place of some parts, so that every place in it stays where it is.
pub(super) fn without(text: String, parts: impl Iterator<Item = Range<usize>>) -> String {
    let mut bytes = text.into_bytes();
    for part in parts {
        let hidden = bytes.get_mut(part).into_iter().flatten().filter(|byte| !byte.is_ascii_whitespace());
        hidden.for_each(|byte| *byte = b'*');
    }
    // A part begins and ends where characters do; if not, better no excerpt than a value.
    String::from_utf8(bytes).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use miette::NamedSource;

    use super::super::report::{Diagnostic, Sink};
    use super::super::source::{SourceText, Sources, Span};
    use super::*;

    #[test]
    fn of_a_long_line_only_the_part_around_the_place_is_shown() {
        let text = format!("a: 1\nb: {}HERE{}\nc: 1\n", "ä".repeat(5_000), "x".repeat(10_000));
        let at = text.find("HERE").unwrap();
        let page = Page::new("f.yml".into(), "yaml", text.clone());
        let found = page.read_span(&(at, 4).into(), 1, 1).unwrap();
        assert!(found.data().len() <= 200, "{}", found.data().len());
        let span = found.span();
        assert_eq!(&text.as_bytes()[span.offset()..span.offset() + span.len()], found.data());
        assert!(std::str::from_utf8(found.data()).unwrap().contains("HERE"));
        assert_eq!((found.line(), found.column()), (1, span.offset() - 5));
        for place in [(0, 1), (text.len(), 0), (text.len() - 3, 1), (at, 1_000)] {
            page.read_span(&place.into(), 1, 1).unwrap();
        }
        assert_eq!(page.drawable(at..at + 9_000), at..at + PLACE_MAX);
        assert_eq!(page.drawable(1..2 + PLACE_MAX).len(), PLACE_MAX - 1, "no half of a character");
    }

    #[test]
    fn places_far_apart_in_a_long_line_are_drawn_one_by_one() {
        let at = 150_000;
        for text in [
            "x".repeat(2 * at),
            "\t".repeat(2 * at),
            "ä".repeat(at),
            "x\r".repeat(at),
            format!("{}\n{}", "x".repeat(at - 1), "y".repeat(at)),
        ] {
            let sources = Sources::new();
            let id = sources.add(SourceText { name: "f.yml".into(), bytes: text.into() }).unwrap();
            for [first, second] in [
                [0..1, at..at],
                [at..at + 1, 0..2 * at],
                [at..2 * at, at + 1000..at + 1001],
                [0..at - 1, at..at + 1200],
                [2..1000, 1060..1061],
                [2..1002, 2 * at..2 * at],
            ] {
                let sink = Sink::new("test", &sources);
                sink.push(
                    Diagnostic::error("x", "x")
                        .at(Span::new(id, first.clone()), "FIRST")
                        .also(Span::new(id, second.clone()), "SECOND"),
                );
                let fault = &sink.finish().unwrap_err().faults[0];
                let handler = miette::GraphicalReportHandler::new_themed(miette::GraphicalTheme::ascii());
                let mut drawn = String::new();
                handler.render_report(&mut drawn, fault).unwrap();
                let width = drawn.lines().map(str::len).max().unwrap();
                assert!(!drawn.contains("Failed") && width < 6000, "{width} {first:?} {second:?}");
            }
        }
    }

    #[test]
    fn a_page_shows_what_miette_would() {
        for text in ["", "a", "a\nbb\nccc\n", "a\r\nbb\r\n\r\nccc", "a\rb\r\rc\n", "\n\n\nx: ä\ny: 1\n"] {
            let ours = Page::new("f.yml".into(), "yaml", text.into());
            let theirs = NamedSource::new("f.yml", text.to_owned()).with_language("yaml");
            for at in 0..=text.len() {
                for len in 0..=text.len() - at {
                    for (before, after) in [(0, 0), (1, 1), (2, 3)] {
                        let span = (at, len).into();
                        let contents = |page: &dyn SourceCode| {
                            page.read_span(&span, before, after).ok().map(|found| {
                                (
                                    found.data().to_vec(),
                                    *found.span(),
                                    (found.line(), found.column(), found.line_count()),
                                    found.name().map(str::to_owned),
                                    found.language().map(str::to_owned),
                                )
                            })
                        };
                        assert_eq!(
                            contents(&ours),
                            contents(&theirs),
                            "{text:?} {at} {len} {before} {after}"
                        );
                    }
                }
            }
        }
    }
}
