//! What no excerpt shows: the values that a reader names, and of a text without a tree every value.
//!
//! Where a text can be read, its reader knows what may be secret ([`Sink::hide_values`]). Of a text that breaks YAML's
//! rules only its lines are known. So each line shows the key or the `- ` that it begins with, and the quotes or brackets
//! around all that follows; where a line is in doubt, none of it is shown. Masked parts keep their length, so that a
//! place is where it was.

use std::ops::Range;

use super::budget::FILE_MAX;
use super::report::{Diagnostic, Sink};
use super::source::{SourceId, Span};
use super::tree::{Entry, Node, Value};

impl Sink<'_> {
    /// The mistake of a file that is not UTF-8.
    pub fn not_utf8(&self, file: SourceId, at: usize) {
        hide_text(self, file, 0, &[]);
        self.push(
            Diagnostic::error("not_utf8", "the file is not UTF-8")
                .at(Span::new(file, at..at), "first bad byte")
                .help("save the file in UTF-8"),
        );
    }

    /// No excerpt shows the scalars of this value. Of `NAME=value` in a list the name stays.
    pub fn hide_values(&self, node: &Node) {
        match &node.value {
            Value::Map(map) => map.entries.iter().for_each(|entry| {
                self.hide_key(entry, false);
                self.hide_values(&entry.value);
            }),
            Value::List(list) => list.iter().for_each(|item| match named(item, self) {
                Some(value) => {
                    if !is_reference(self.sources().slice(value).trim_end_matches(['"', '\''])) {
                        self.hide(value);
                    }
                    self.hide_properties(item);
                }
                None => {
                    let entries = item.as_map().map_or(&[][..], |map| &map.entries);
                    entries.iter().for_each(|entry| self.hide_key(entry, true));
                    self.hide_values(item);
                }
            }),
            // A text that begins with `*`, `&` or `!` and has no quotes is no text to YAML.
            Value::Null => {
                if self.sources().slice(node.span).starts_with('*') {
                    self.hide(node.span);
                }
                self.hide_properties(node);
            }
            // Nothing is hidden by stars where there is nothing.
            Value::Text(text) if text.is_empty() => self.hide_properties(node),
            // It names a secret, and is none.
            Value::Text(text) if is_reference(text) => self.hide_properties(node),
            Value::Text(_) | Value::Int(_) | Value::Float(_) | Value::Bool(_) => {
                self.hide(node.span);
                self.hide_properties(node);
            }
        }
    }

    /// A text with `: ` in it and without quotes is a mapping to YAML, and its beginning a key: `- PASSWORD=a: b`. In a list,
    /// where texts are expected, what is no name is hidden.
    fn hide_key(&self, entry: &Entry, is_in_list: bool) {
        let span = entry.key.span;
        let written = self.sources().slice(span);
        match name_len(written) {
            Some(len) => self.hide(span.part(len..written.len())),
            None if is_in_list && !is_name(&entry.key) => self.hide(span),
            None => {}
        }
    }

    fn hide_properties(&self, node: &Node) {
        let written = |span| self.sources().slice(span);
        if let Some(span) = node.properties().filter(|span| !TAGS.contains(&written(*span))) {
            self.hide(span);
        }
    }
}

/// Whether a text is the name of a secret: `secret://db`.
fn is_reference(text: &str) -> bool {
    let is_sign = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    text.strip_prefix("secret://").is_some_and(|name| name.chars().all(is_sign))
}

/// Tags that a value of any text may have.
const TAGS: [&str; 3] = ["!reset", "!override", "!!str"];

fn named(item: &Node, sink: &Sink<'_>) -> Option<Span> {
    item.as_text()?;
    let written = sink.sources().slice(item.span);
    Some(item.span.part(name_len(written)?..written.len()))
}

/// Bytes of a line that shows its key: of a longer line an excerpt shows a part only.
const LINE_MAX: usize = 4096;

/// Hides the values of a text from a byte on. Single signs that a diagnostic is about stay.
pub fn hide_text(sink: &Sink<'_>, file: SourceId, from: usize, signs: &[Span]) {
    let text = &sink.sources().get(file).text;
    let mut scan = Scan::default();
    if text.len() > FILE_MAX {
        scan.hidden.push(from..text.len());
    } else {
        let mut start = from;
        for line in text[from..].split_inclusive('\n') {
            scan.line(start, line.trim_end());
            start += line.len();
        }
    }
    for mut range in scan.hidden {
        for sign in signs.iter().map(|sign| sign.range()) {
            if range.contains(&sign.start) {
                sink.hide(Span::new(file, range.start..sign.start));
                range.start = sign.end;
            }
        }
        if range.start < range.end {
            sink.hide(Span::new(file, range));
        }
    }
}

/// Goes through the lines of a text, once, and remembers what makes a line part of a value that began above it.
#[derive(Default)]
struct Scan {
    hidden: Vec<Range<usize>>,
    /// Lines indented further than this belong to a text that began with `|` or `>`.
    block: Option<usize>,
    /// The quote of a text that goes on over lines.
    quote: Option<char>,
    /// Brackets that are open.
    depth: usize,
    /// What the lines below are cannot be said, so they show nothing.
    is_lost: bool,
}

impl Scan {
    /// A line without what is blank at its end, and where it begins.
    fn line(&mut self, start: usize, line: &str) {
        let text = line.trim_start();
        if text.is_empty() {
            return;
        }
        let indent = line.len() - text.len();
        let mut part = indent..line.len();
        if self.is_lost || self.block.is_some_and(|above| indent > above) {
            // No key of this line is one.
        } else if self.quote.is_some() {
            self.follow(text);
        } else {
            self.block = None;
            let values = self.values(line, indent);
            if line.len() <= LINE_MAX {
                part = values;
            }
        }
        if part.start < part.end {
            self.hidden.push(start + part.start..start + part.end);
        }
    }

    /// The part of a line behind its key, or behind the `- ` of its item.
    fn values(&mut self, line: &str, indent: usize) -> Range<usize> {
        // There a line ends for YAML alone.
        self.is_lost |= line.contains('\r');
        let (mut at, mut column, mut is_item) = (indent, indent, false);
        while let Some(item) =
            line[at..].strip_prefix('-').filter(|item| item.starts_with(char::is_whitespace))
        {
            (column, is_item) = (at, true);
            at = line.len() - item.trim_start().len();
        }
        let rest = &line[at..];
        if matches!(rest, "-" | "---" | "...") {
            return at..at;
        }
        if let Some(len) = key(rest) {
            (column, is_item) = (at, false);
            at = line.len() - rest[len..].trim_start().len();
        }
        let text = &line[at..];
        self.begin(text, column);
        let (front, back) = outer(text);
        let name = if is_item { name_len(text) } else { None };
        at + name.unwrap_or(front)..line.len() - back
    }

    /// What a value begins that may go on below its line.
    fn begin(&mut self, text: &str, column: usize) {
        let mut value = text;
        // Anchors and tags stand before it.
        while value.starts_with(['&', '!']) {
            value = value.find(char::is_whitespace).map_or("", |end| value[end..].trim_start());
        }
        if value.starts_with('#') {
            return;
        }
        let is_mark = |mark: &str| value.strip_prefix(mark).is_some_and(|rest| !rest.starts_with(is_ink));
        // A key, or a document, whose value may begin in any way.
        let is_document = value.strip_prefix("---").is_some_and(|rest| !rest.trim_start().starts_with('#'));
        self.is_lost |= is_mark("?") || is_mark(":") || is_document;
        if value.split_whitespace().any(is_block_header) {
            self.block = Some(column);
        }
        if self.depth > 0 || value.starts_with(OPENING) {
            self.follow(value);
        } else if let Some(at) = behind_a_key(value) {
            self.follow(&value[at..]);
        }
    }

    /// Follows quotes and brackets to the end of a line.
    fn follow(&mut self, text: &str) {
        let (mut before, mut is_closed) = (' ', false);
        let mut chars = text.chars().peekable();
        while let Some(c) = chars.next() {
            match (self.quote, c) {
                (Some('"'), '\\') => {
                    chars.next();
                }
                (Some('\''), '\'') if chars.peek() == Some(&'\'') => {
                    chars.next();
                }
                (Some(quote), c) if c == quote => (self.quote, is_closed) = (None, true),
                (Some(_), _) => {}
                (None, '#') if before.is_whitespace() => return,
                (None, c) if is_closed && !c.is_whitespace() => {
                    // Behind a text in quotes nothing else may stand: perhaps this quote opened one.
                    self.is_lost |= !matches!(c, ',' | ']' | '}' | ':');
                    is_closed = false;
                    self.sign(before, c);
                }
                (None, c) => self.sign(before, c),
            }
            before = c;
        }
    }

    fn sign(&mut self, before: char, c: char) {
        match c {
            '"' | '\'' if before.is_whitespace() || "[{,:=".contains(before) => self.quote = Some(c),
            '[' | '{' => self.depth += 1,
            ']' | '}' => self.depth = self.depth.saturating_sub(1),
            _ => {}
        }
    }
}

/// What opens a text or a collection that may go on below its line.
const OPENING: [char; 4] = ['"', '\'', '[', '{'];

/// Where such a one opens behind a key that is no plain name, such as one of several words. To YAML, a quote behind
/// `NAME=` opens nothing; its author may believe so.
fn behind_a_key(text: &str) -> Option<usize> {
    if let Some(len) = name_len(text).filter(|len| text[*len..].starts_with(['"', '\''])) {
        return Some(len);
    }
    text.match_indices(':').find_map(|(colon, _)| {
        let mut value = text[colon + 1..].trim_start();
        let is_apart = !text[colon + 1..].starts_with(is_ink);
        while value.starts_with(['&', '!']) {
            value = value.find(char::is_whitespace).map_or("", |end| value[end..].trim_start());
        }
        (is_apart && value.starts_with(OPENING)).then(|| text.len() - value.len())
    })
}

/// Bytes at the front and at the back of a value that only say what it is.
fn outer(text: &str) -> (usize, usize) {
    if text.chars().all(|c| "[]{},".contains(c)) {
        return (text.len(), 0);
    }
    let word = text.split_whitespace().next().unwrap_or_default();
    if is_block_header(word) {
        return (word.len(), 0);
    }
    let close = match text.chars().next() {
        Some(quote @ ('"' | '\'')) => quote,
        Some('[') => ']',
        Some('{') => '}',
        Some('#') => return (1, 0),
        _ => return (0, 0),
    };
    (1, usize::from(text.len() > 1 && text.ends_with(close)))
}

/// Bytes of a key and its `:` that a text begins with.
fn key(text: &str) -> Option<usize> {
    let quote = text.chars().next().filter(|c| matches!(c, '"' | '\''));
    if let Some(quote) = quote {
        let close = 1 + text[1..].find(quote)?;
        let colon = text.len() - text[close + 1..].trim_start().len();
        return (is_name(&text[1..close]) && text[colon..].starts_with(':')).then_some(colon + 1);
    }
    let colon = text.find(':')?;
    let is_apart = !text[colon + 1..].starts_with(is_ink);
    (is_apart && is_name(text[..colon].trim_end())).then_some(colon + 1)
}

fn is_ink(c: char) -> bool {
    !c.is_whitespace()
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_alphanumeric() || "_.-/<".contains(c))
}

/// Bytes of the `NAME=` that an item begins with, perhaps behind a quote. A text that ends in such a sign is no name:
/// base64 and base32 make them.
fn name_len(text: &str) -> Option<usize> {
    let bare = text.strip_prefix(['"', '\'']).unwrap_or(text);
    let (name, value) = bare.split_once('=')?;
    let has_value = !value.trim_matches(['=', '"', '\'']).is_empty();
    (has_value && is_name(name)).then(|| text.len() - value.len())
}

/// Whether a word says that the lines below it are a text.
fn is_block_header(word: &str) -> bool {
    word.strip_prefix(['|', '>']).is_some_and(|rest| {
        rest.len() <= 2 && rest.chars().all(|c| c.is_ascii_digit() || matches!(c, '+' | '-'))
    })
}

#[cfg(test)]
mod tests {
    use super::super::report::Sink;
    use super::super::source::{SourceText, Sources};
    use super::super::{Report, parse};

    fn report(text: &str) -> Report {
        let sources = Sources::new();
        let (Ok(id) | Err((id, _))) = sources.add(SourceText { name: "a.yml".into(), bytes: text.into() });
        let sink = Sink::new("test", &sources);
        assert!(parse(&sources, id, &sink).is_none(), "{text}");
        sink.finish().unwrap_err()
    }

    /// The text as excerpts show it, below a line that no parser takes.
    fn shown(text: &str) -> String {
        let broken = format!("{text}\n\u{1}: [\n");
        let report = report(&broken);
        let fault = &report.faults[0];
        let page = miette::Diagnostic::source_code(fault).unwrap();
        let all = page.read_span(&(0, text.len()).into(), 0, 0).unwrap();
        String::from_utf8(all.data().to_vec()).unwrap()
    }

    #[test]
    fn keys_and_outer_signs_stay_and_no_value_does() {
        let text = r##"services:
  web:
    image: nginx:1 # old
    "quoted" : "a \" b"
    environment:
      - PASSWORD=hunter2
      - "TOKEN=abc"
      - EMPTY=
      - aGVsbG8K=
      - HUNTER2A=
      - key: hunter2=x1
      - !t hunter2=x1
      A: it's
      PASSWORD: hunter2=x1
      D: HUNTER2A=
      E: "hunter2=x1"
      C: !t hunter2=a
      F: [hunter2=x1, "D=e"]
    labels: {a: 'x, y', "b": [c, D=e], f g: h}
    other: &anchor {A: b}
    PASSWORD=bare
    tty true
    a b: c
    -5
    args: [
      hunter2=x1,
      a: b, {c: d}
    ], []
    # hunter2: x
"##;
        assert_eq!(
            shown(text),
            r##"services:
  web:
    image: ******* * ***
    "quoted" : "* ** *"
    environment:
      - PASSWORD=*******
      - "TOKEN=***"
      - ******
      - *********
      - *********
      - key: **********
      - ** **********
      A: ****
      PASSWORD: **********
      D: *********
      E: "**********"
      C: ** *********
      F: [*********** *****]
    labels: {** *** *** **** *** ***** * ** *}
    other: ******* *** **
    *************
    *** ****
    * ** *
    **
    args: [
      ***********
      a: ** *** **
    ** **
    # ******** *
"##
        );
    }

    #[test]
    fn a_text_over_several_lines_is_hidden_whole() {
        let text = "a: |\n  key: hunter2\n\n  hunter2:\nb: \"x\n  hunter2: y\n  z\"\nc: >- # hunter2\n   d: e\n- |\n d: e\n\
                    f: {g: 'it''s, \"\n  hunter2: y', h: \"\n  hunter2: y\",\n  i: &j !t '\n  hunter2: \"'}\n\
                    z: !t &u '\n  hunter2: a'\nx: [\n  p, \"\n  hunter2: a\"]\nw: &v |\n  hunter2: a\n";
        let shown = shown(text);
        assert!(!shown.contains("hunter2") && !shown.contains(['k', 'd', 'y', 'h']), "{shown}");
        for key in ["a: |\n", "b: \"*", "c: >-", "f: {", "  i: *", "z: *", "x: [\n", "w: *"] {
            assert!(shown.contains(key), "{key} {shown}");
        }
    }

    #[test]
    fn a_quote_behind_a_key_that_is_no_plain_name_is_followed() {
        for key in [
            "my label",
            "it's",
            "a:b",
            "*a ",
            "a(b)",
            "- my label",
            "&a my label",
            "my\tlabel",
            "a: my label",
            "[a]",
            "'my label'",
        ] {
            for open in ["\"", "&a \"", "!t  \"", "[\"", "{a: \"", "[b, {c: \""] {
                let text = format!("{key}: {open}multi\n  hunter2: x\n  - TOKEN=y\n  - hunter2 z\n");
                let shown = shown(&text);
                assert!(!shown.contains("hunter2") && !shown.contains("TOKEN"), "{text}{shown}");
            }
        }
        let shown_of_name = shown("- A=\"multi\n  hunter2: x\"\n- B='c'\n- D=e\n");
        assert_eq!(shown_of_name, "- A=******\n  ******** **\n- B=***\n- D=*\n");
        assert_eq!(shown("my label: \"a\"\nb: c\n"), "** ****** ***\nb: *\n");
    }

    #[test]
    fn where_it_cannot_be_said_what_a_line_is_it_shows_nothing() {
        for text in [
            "b: \"x\n  z\" k\n  hunter2: \"x\n",
            "--- |\nhunter2: x\n",
            "? \"a\n  hunter2: x\"\n",
            "a: b\r  \"c\n  hunter2: x\"\n",
            "a:\r  \"c\n  hunter2: x\"\n",
            "a: [b\n]\n: \"c\n  hunter2: d\"\n",
        ] {
            let shown = shown(text);
            assert!(!shown.contains("hunter2"), "{shown}");
        }
        let long = format!("{}: x\nb: y\n", "hunter2".repeat(1000));
        let shown = shown(&long);
        assert!(!shown.contains("hunter2") && shown.ends_with("\nb: *\n"), "{shown}");
    }

    #[test]
    fn a_line_of_any_length_and_depth_is_gone_through_once() {
        for text in [
            format!("a: {}x\n", "&a ".repeat(350_000)),
            format!("a: [{}\n", "a:".repeat(500_000)),
            format!("a: {}\n", "[".repeat(1_000_000)),
            format!("a: {}\n", "\"'".repeat(500_000)),
            format!("{}x\n", "- ".repeat(500_000)),
            format!("{}x\n", "a: |\n".repeat(200_000)),
            format!("a: b{}\n", " #".repeat(500_000)),
        ] {
            assert!(shown(&text).len() == text.len());
            let report = report(&format!("{text}\u{1}: [\n"));
            let handler = miette::GraphicalReportHandler::new_themed(miette::GraphicalTheme::ascii());
            let mut drawn = String::new();
            handler.render_report(&mut drawn, &report.faults[0]).unwrap();
            assert!(drawn.lines().all(|line| line.len() < 4096), "{}", drawn.len());
        }
    }

    #[test]
    fn a_file_that_is_too_large_is_hidden_whole() {
        let report = report(&format!("hunter2: x\n#{}", "\n".repeat(super::FILE_MAX)));
        assert!(report.faults[0].code.ends_with("too_large"));
        let page = miette::Diagnostic::source_code(&report.faults[0]).unwrap();
        let all = page.read_span(&(0, 10).into(), 0, 0).unwrap();
        assert_eq!(all.data(), b"******** *");
    }

    #[test]
    fn the_sign_that_is_wrong_stays_and_is_where_it_was() {
        for (text, sign, column) in
            [("a: hunter2: x\n", "a: *******: *", 11), ("a: @hunter2\n", "a: @*******", 4)]
        {
            let report = report(text);
            let drawn = format!("{:?}", miette::Report::new(report.clone()));
            assert!(drawn.contains(sign) && !drawn.contains("hunter2"), "{drawn}");
            assert_eq!(report.faults[0].column, column, "{drawn}");
        }
    }
}
