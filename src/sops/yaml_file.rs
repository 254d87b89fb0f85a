//! YAML to trees with places, one for each document, and what is done to its text: where comments are, and how the part
//! `sops` is taken out. Aliases, merges and tags are refused: SOPS writes none that would change a value.

use std::ops::Range;

use super::error::{Format, Limit, SopsError};
use super::metadata::{NAME, is_part};
use super::tree::{Branch, Document, Entry, Item, Leaf, Value, line_end, line_of, line_start};
use crate::yaml::{Map, Node, Sink, SourceText, Sources, Span, Value as Yaml, parse};

/// Reads every document of a text.
///
/// # Errors
///
/// It is no YAML, or has what SOPS does not write.
pub fn read(text: &str) -> Result<Document, SopsError> {
    let documents = documents(text);
    if documents.len() > Limit::Documents.most() {
        return Err(SopsError::TooLarge(Limit::Documents));
    }
    let branches = documents.into_iter().map(|range| branch(text, range));
    Ok(Document { branches: branches.collect::<Result<_, _>>()? })
}

/// The documents of a text: a line that begins with `---` is the start of one, whatever is before it.
fn documents(text: &str) -> Vec<Range<usize>> {
    let mut starts = vec![0];
    let mut at = 0;
    while at < text.len() {
        let end = line_end(text, at);
        let is_start = text[at..end]
            .strip_prefix("---")
            .is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '\t', '\r', '\n']));
        // Before the first one there may be comments only: they belong to it.
        if is_start && (starts.len() > 1 || has_content(&text[..at])) {
            starts.push(at);
        }
        at = end;
    }
    let ends = starts.iter().copied().skip(1).chain([text.len()]);
    starts.iter().copied().zip(ends).map(|(start, end)| start..end).collect()
}

/// Whether there is anything but blank lines and comments.
fn has_content(text: &str) -> bool {
    text.lines().map(str::trim).any(|line| !line.is_empty() && !line.starts_with('#'))
}

fn branch(text: &str, range: Range<usize>) -> Result<Branch, SopsError> {
    let malformed =
        |at: usize| SopsError::Malformed { format: "YAML", line: line_of(text, range.start) + at };
    let sources = Sources::new();
    let source = SourceText { name: String::new(), bytes: text[range.clone()].into() };
    let file = sources.add(source).map_err(|_| SopsError::NotUtf8)?;
    let sink = Sink::new(NAME, &sources);
    let root = parse(&sources, file, &sink);
    match sink.finish() {
        Err(report) => {
            let first = report.faults.first();
            if first.is_some_and(|fault| fault.code.contains("::too_")) {
                return Err(SopsError::TooLarge(Limit::Values));
            }
            return Err(malformed(first.map_or(0, |fault| fault.line.saturating_sub(1))));
        }
        // Documents are cut apart already: this is one behind an end without a beginning.
        Ok(notes) => {
            if let Some(note) = notes.iter().find(|note| note.code.ends_with("more_documents")) {
                return Err(malformed(note.line.saturating_sub(1)));
            }
        }
    }
    let reader = Reader { text, start: range.start };
    let entries = match root.as_ref().map(|node| (&node.value, node.span)) {
        None | Some((Yaml::Null, _)) => Vec::new(),
        Some((Yaml::Map(map), span)) => {
            if text[reader.place(span)].starts_with('{') {
                return Err(reader.layout(span, "a document in braces"));
            }
            reader.map(map)?
        }
        Some((_, span)) => {
            let line = line_of(text, reader.place(span).start);
            return Err(SopsError::Malformed { format: "YAML", line });
        }
    };
    Ok(Branch { range, entries })
}

struct Reader<'a> {
    text: &'a str,
    /// Of the document, which places are counted from.
    start: usize,
}

impl Reader<'_> {
    fn place(&self, span: Span) -> Range<usize> {
        let clip = |at: u32| (self.start + at as usize).min(self.text.len());
        clip(span.start)..clip(span.end).max(clip(span.start))
    }

    fn layout(&self, span: Span, what: &'static str) -> SopsError {
        SopsError::Layout { line: line_of(self.text, self.place(span).start), what }
    }

    fn map(&self, map: &Map) -> Result<Vec<Entry>, SopsError> {
        let entry = |entry: &crate::yaml::Entry| {
            let (key_at, end) = (self.place(entry.key.span), self.place(entry.value.span).end);
            let value = self.item(&entry.value)?;
            let end = end.max(key_at.end).max(end_of(&value));
            Ok(Entry { key: entry.key.value.clone(), key_at, end, value })
        };
        let entries: Vec<Entry> = map.entries.iter().map(entry).collect::<Result<_, _>>()?;
        // What was merged in stands elsewhere, or in another order.
        let ordered = entries.windows(2).all(|pair| pair[0].end <= pair[1].key_at.start);
        if ordered {
            return Ok(entries);
        }
        let line = entries.first().map_or(1, |entry| line_of(self.text, entry.key_at.start));
        Err(SopsError::Layout { line, what: "a merged mapping" })
    }

    fn item(&self, node: &Node) -> Result<Item, SopsError> {
        if node.via().is_some() {
            return Err(self.layout(node.place(), "an alias"));
        }
        if node.tag().is_some() || node.properties().is_some() {
            return Err(self.layout(node.span, "a tag or an anchor"));
        }
        let leaf = |value| Item::Leaf(Leaf { at: self.place(node.span), value });
        Ok(match &node.value {
            Yaml::Map(map) => Item::Map(self.map(map)?),
            Yaml::List(list) => {
                Item::List(list.iter().map(|node| self.item(node)).collect::<Result<_, _>>()?)
            }
            Yaml::Null => leaf(Value::Null),
            Yaml::Bool(is) => leaf(Value::Bool(*is)),
            Yaml::Int(number) => leaf(Value::Whole(number.get())),
            Yaml::Float(number) => leaf(Value::Float(*number)),
            Yaml::Text(text) => leaf(Value::Text(text.clone())),
        })
    }
}

/// Where the last of its leaves ends.
fn end_of(item: &Item) -> usize {
    match item {
        Item::Map(entries) => entries.iter().map(|entry| entry.end).max().unwrap_or_default(),
        Item::List(items) => items.iter().map(end_of).max().unwrap_or_default(),
        Item::Leaf(leaf) => leaf.at.end,
    }
}

/// What is to be taken out so that no document has the part `sops`, and nothing else is missing.
///
/// # Errors
///
/// It cannot be taken out of this text: it does not stand on lines of its own.
pub fn cuts(text: &str, document: &Document) -> Result<Vec<Range<usize>>, SopsError> {
    let mut cuts = Vec::new();
    for branch in &document.branches {
        let parts = branch.entries.iter().enumerate().filter(|(_, entry)| is_part(entry, Format::Yaml));
        for (at, part) in parts {
            let next = branch.entries.get(at + 1).map(|entry| line_start(text, entry.key_at.start));
            cuts.push(cut(text, part, next.unwrap_or(branch.range.end))?);
        }
    }
    check(text, document, &cuts)?;
    Ok(cuts)
}

fn cut(text: &str, part: &Entry, limit: usize) -> Result<Range<usize>, SopsError> {
    let layout = || SopsError::Layout {
        line: line_of(text, part.key_at.start),
        what: "the part `sops` in one line with others",
    };
    let start = line_start(text, part.key_at.start);
    if !text[start..part.key_at.start].trim().is_empty() || part.end > limit {
        return Err(layout());
    }
    // A text of several lines ends behind its last line break.
    let end = if text[..part.end].ends_with('\n') { part.end } else { line_end(text, part.end) };
    // Comments that follow it belong to what is around it.
    let end = if end > limit || has_content(&text[end..limit]) { limit } else { end };
    Ok(start..end)
}

/// Without the part, which is still encrypted here, the text must say what it said, and nothing besides.
fn check(text: &str, document: &Document, cuts: &[Range<usize>]) -> Result<(), SopsError> {
    let mut rest = String::with_capacity(text.len());
    let mut at = 0;
    for cut in cuts {
        rest.push_str(&text[at..cut.start]);
        at = cut.end;
    }
    rest.push_str(&text[at..]);
    let line = cuts.first().map_or(1, |cut| line_of(text, cut.start));
    let layout = SopsError::Layout { line, what: "the part `sops` in an unusual place" };
    let Ok(after) = read(&rest) else { return Err(layout) };
    let same = document.branches.iter().map(|branch| {
        branch.entries.iter().filter(|entry| !is_part(entry, Format::Yaml)).collect::<Vec<_>>()
    });
    // A document that had nothing else is empty now.
    let same: Vec<Vec<&Entry>> = same.collect();
    let found: Vec<Vec<&Entry>> =
        after.branches.iter().map(|branch| branch.entries.iter().collect()).collect();
    let is_same = same.len() == found.len()
        && same
            .iter()
            .zip(&found)
            .all(|(before, after)| are_alike(before.iter().copied(), after.iter().copied()));
    if is_same { Ok(()) } else { Err(layout) }
}

/// Whether keys and values are the same, wherever they stand.
fn are_alike<'e>(
    some: impl ExactSizeIterator<Item = &'e Entry>,
    others: impl ExactSizeIterator<Item = &'e Entry>,
) -> bool {
    some.len() == others.len()
        && some.zip(others).all(|(one, other)| one.key == other.key && is_alike(&one.value, &other.value))
}

fn is_alike(one: &Item, other: &Item) -> bool {
    match (one, other) {
        (Item::Map(one), Item::Map(other)) => are_alike(one.iter(), other.iter()),
        (Item::List(one), Item::List(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| is_alike(one, other))
        }
        (Item::Leaf(one), Item::Leaf(other)) => match (&one.value, &other.value) {
            (Value::Float(one), Value::Float(other)) => one.to_bits() == other.to_bits(),
            (one, other) => one == other,
        },
        _ => false,
    }
}

/// Where the texts of comments are, behind their `#`.
pub fn comments(text: &str, document: &Document) -> Vec<Range<usize>> {
    let mut written = Vec::new();
    for branch in &document.branches {
        collect(&branch.entries, &mut written);
    }
    let mut found = Vec::new();
    let mut at = 0;
    for range in written.into_iter().filter(|range| !range.is_empty()) {
        if range.start >= at {
            between(text, at..range.start, &mut found);
            at = range.end;
        }
    }
    between(text, at..text.len(), &mut found);
    found
}

/// Where keys and leaves are written, in order.
fn collect(entries: &[Entry], written: &mut Vec<Range<usize>>) {
    for entry in entries {
        written.push(entry.key_at.clone());
        collect_item(&entry.value, written);
    }
}

fn collect_item(item: &Item, written: &mut Vec<Range<usize>>) {
    match item {
        Item::Map(entries) => collect(entries, written),
        Item::List(items) => items.iter().for_each(|item| collect_item(item, written)),
        Item::Leaf(leaf) => written.push(leaf.at.clone()),
    }
}

/// The comments of a part of a text that has neither keys nor values in it.
fn between(text: &str, part: Range<usize>, found: &mut Vec<Range<usize>>) {
    let mut at = part.start;
    while let Some(sign) = text[at..part.end].find('#').map(|sign| at + sign) {
        let is_comment = text[..sign].chars().next_back().is_none_or(char::is_whitespace);
        if is_comment {
            let line = text[sign + 1..part.end].find('\n').map_or(part.end, |newline| sign + 1 + newline);
            let end = sign + 1 + text[sign + 1..line].trim_end_matches('\r').len();
            found.push(sign + 1..end);
            at = line;
        } else {
            at = sign + 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn without_part(text: &str) -> Result<String, SopsError> {
        let cuts = cuts(text, &read(text)?)?;
        let mut rest = text.to_owned();
        cuts.into_iter().rev().for_each(|cut| rest.replace_range(cut, ""));
        Ok(rest)
    }

    #[test]
    fn the_part_is_taken_out_wherever_it_stands() {
        for (text, rest) in [
            ("a: 1\nsops:\n    mac: x\n    age:\n        - enc: |\n            x\n            y\n", "a: 1\n"),
            ("a: 1\nsops:\n    age:\n        - enc: |\n            x\n            y\nb: 2\n", "a: 1\nb: 2\n"),
            ("sops:\n  mac: x # c\n  pgp: []\n# of b\nb: 2\n", "# of b\nb: 2\n"),
            ("a: 1\nsops: {mac: x, age: []}\n# end\n", "a: 1\n# end\n"),
            ("a: 1\nsops:\n  mac: x\n  kms: []\n---\nb: 2\nsops:\n  mac: x", "a: 1\n---\nb: 2\n"),
            ("# c\n---\na: 1\nsops:\n  mac: 'x\n\n    y'\n", "# c\n---\na: 1\n"),
            ("a: 1\n\nsops:\n  version: 3\n\n\n# end", "a: 1\n\n\n\n# end"),
            ("a:\n  sops: b\n  c: 1\nsops:\n  mac:\n", "a:\n  sops: b\n  c: 1\n"),
        ] {
            assert_eq!(without_part(text).as_deref(), Ok(rest), "{text}");
        }
    }

    #[test]
    fn what_sops_does_not_write_is_refused() {
        let layout = |line, what| Err(SopsError::Layout { line, what });
        for (text, error) in [
            ("a: &x 1\nb: *x\n", layout(1, "a tag or an anchor")),
            ("a: &x {b: 1}\nc: *x\n", layout(2, "an alias")),
            ("a: !!binary aGk=\n", layout(1, "a tag or an anchor")),
            ("a: !x {b: 1}\n", layout(1, "a tag or an anchor")),
            ("a: 1\nb:\n  <<: {c: 1}\n  d: 2\n", layout(4, "a merged mapping")),
            ("# c\n{a: 1}\n", layout(2, "a document in braces")),
            ("a: 1\n---\n- b\n", Err(SopsError::Malformed { format: "YAML", line: 3 })),
            ("a: 1\n---\nb: 1\nb: 2\n", Err(SopsError::Malformed { format: "YAML", line: 4 })),
            ("a: 1\n...\nb: 1\n", Err(SopsError::Malformed { format: "YAML", line: 3 })),
            ("a: [\n", Err(SopsError::Malformed { format: "YAML", line: 1 })),
        ] {
            assert_eq!(read(text).map(|_| ()), error, "{text}");
        }
    }

    #[test]
    fn comments_are_found_and_what_only_looks_like_one_is_not() {
        let text = "# one\na: \"x # no\" # two\nb: |  # three\n  # no\n  no\n#four\nc: x#no # five\nd: # six\n  \
                    - 'a''# no' #seven\n  # eight\ne: [1, # nine\n  2]\n\"f # no\": #ten\r\n---\n# eleven\ng: h # twelve";
        let found = comments(text, &read(text).unwrap());
        let found: Vec<&str> = found.into_iter().map(|range| text[range].trim()).collect();
        assert_eq!(
            found,
            [
                "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven",
                "twelve"
            ]
        );
    }
}
