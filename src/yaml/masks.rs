//! What no excerpt shows: the values that a reader names, and of a text without a tree every value.
//!
//! Where a text can be read, its reader knows what may be secret ([`Sink::hide_values`]). Of a text that breaks YAML's
//! rules only its lines are known. So each line shows what it is built of, keys, the `- ` of items, brackets, the quotes
//! around a value, and nothing that may be a value; where a line is in doubt, none of it is shown. Masked parts keep
//! their length, so that a place is where it was.

use std::ops::Range;

use super::report::{Diagnostic, Sink};
use super::source::{SourceId, Span};
use super::tree::{Node, Value};

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
            Value::Map(map) => map.entries.iter().for_each(|entry| self.hide_values(&entry.value)),
            Value::List(list) => list.iter().for_each(|item| match named(item, self) {
                Some(value) => self.hide(value),
                None => self.hide_values(item),
            }),
            Value::Null => {}
            // Nothing is hidden by stars where there is nothing.
            Value::Text(text) if text.is_empty() => {}
            Value::Text(_) | Value::Int(_) | Value::Float(_) | Value::Bool(_) => self.hide(node.span),
        }
    }
}

fn named(item: &Node, sink: &Sink<'_>) -> Option<Span> {
    item.as_text()?;
    let written = sink.sources().slice(item.span);
    Some(item.span.part(name_len(written)?..written.len()))
}

/// Hides the values of a text from a byte on. Single signs that a diagnostic is about stay.
pub fn hide_text(sink: &Sink<'_>, file: SourceId, from: usize, signs: &[Span]) {
    let mut scan = Scan { hidden: Vec::new(), block: None, quote: None };
    let mut start = from;
    for line in sink.sources().get(file).text[from..].split_inclusive('\n') {
        scan.line(start, line.trim_end());
        start += line.len();
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

struct Scan {
    hidden: Vec<Range<usize>>,
    /// Lines indented further than this belong to a text that began with `|` or `>`.
    block: Option<usize>,
    /// The quote of a text that goes on over lines.
    quote: Option<char>,
}

impl Scan {
    fn hide(&mut self, range: Range<usize>) {
        if !range.is_empty() {
            self.hidden.push(range);
        }
    }

    /// A line without what is blank at its end, and where it begins.
    fn line(&mut self, start: usize, line: &str) {
        let indent = line.len() - line.trim_start().len();
        if indent == line.len() {
            return;
        }
        let whole = start + indent..start + line.len();
        if self.block.is_some_and(|above| indent > above) {
            return self.hide(whole);
        }
        self.block = None;
        if let Some(quote) = self.quote {
            self.quote = self.quote.filter(|_| !line.contains(quote));
            return self.hide(whole);
        }
        let (mut at, mut column) = (indent, indent);
        while line[at..].starts_with('-') && line[at + 1..].trim_start().len() != line[at + 1..].len() {
            column = at;
            at = line.len() - line[at + 1..].trim_start().len();
        }
        let rest = &line[at..];
        if matches!(rest, "-" | "---" | "...") {
            return;
        }
        if let Some(len) = key(rest) {
            (column, at) = (at, line.len() - rest[len..].trim_start().len());
        }
        self.value(start + at, &line[at..], column);
    }

    /// What stands behind a key or an item's `- `, or alone.
    fn value(&mut self, at: usize, text: &str, column: usize) {
        let end = at + text.len();
        let shown = text.split(" #").next().unwrap_or(text).trim_end();
        let last = shown.rsplit(char::is_whitespace).next().unwrap_or(shown);
        if is_block_header(last) {
            self.block = Some(column);
            self.hide(at..at + shown.len() - last.len());
            return self.hide(at + shown.len()..end);
        }
        match text.chars().next() {
            None => {}
            Some('#') => self.hide(at + 1..end),
            // An anchor or a tag before the value.
            Some('&' | '!') if text.contains(' ') => {
                let word = text.find(' ').unwrap_or(text.len());
                self.hide(at + 1..at + word);
                let rest = text[word..].trim_start();
                self.value(end - rest.len(), rest, column);
            }
            Some(quote @ ('"' | '\'')) => {
                let close = closing(text, quote);
                self.quote = close.is_none().then_some(quote);
                let is_last = close.is_some_and(|close| close + 1 == text.len());
                let from = at + name_len(text).unwrap_or(1);
                self.hide(from..(end - usize::from(is_last)).max(from));
            }
            Some('[' | '{' | ']' | '}' | ',') => self.flow(at, text),
            Some(_) => self.hide(at + name_len(text).unwrap_or(0)..end),
        }
    }

    /// A line of lists and mappings in brackets.
    fn flow(&mut self, start: usize, text: &str) {
        let (mut token, mut at) = (0, 0);
        while let Some(c) = text[at..].chars().next() {
            let next = at + c.len_utf8();
            let is_first = text[token..at].trim().is_empty();
            match c {
                '"' | '\'' if is_first => match closing(&text[at..], c) {
                    Some(close) => {
                        at += close + 1;
                        continue;
                    }
                    None => {
                        self.quote = Some(c);
                        return self.hide(start + next..start + text.len());
                    }
                },
                '#' if text[..at].ends_with(char::is_whitespace) => {
                    return self.hide(start + token..start + text.len());
                }
                '[' | ']' | '{' | '}' | ',' => {
                    self.token(start + token, &text[token..at]);
                    token = next;
                }
                ':' if key(text[token..].trim_start()).is_some_and(|len| {
                    let name = text[token..].trim_start();
                    text.len() - name.len() + len == next
                }) =>
                {
                    token = next;
                }
                _ => {}
            }
            at = next;
        }
        self.token(start + token, &text[token..]);
    }

    /// What stands between two signs of a flow.
    fn token(&mut self, start: usize, text: &str) {
        let trimmed = text.trim_start();
        let at = start + text.len() - trimmed.len();
        let trimmed = trimmed.trim_end();
        self.hide(at + name_len(trimmed).unwrap_or(0)..at + trimmed.len());
    }
}

/// Bytes of a key and its `:` that a text begins with.
fn key(text: &str) -> Option<usize> {
    let quote = text.chars().next().filter(|c| matches!(c, '"' | '\''));
    if let Some(quote) = quote {
        let close = 1 + text[1..].find(quote)?;
        let colon = text.len() - text[close + 1..].trim_start().len();
        return (is_name(&text[1..close]) && text[colon..].starts_with(':')).then_some(colon + 1);
    }
    let is_apart = |at: usize| text[at + 1..].chars().next().is_none_or(char::is_whitespace);
    let (colon, _) = text.match_indices(':').find(|(at, _)| is_apart(*at))?;
    is_name(text[..colon].trim_end()).then_some(colon + 1)
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_alphanumeric() || "_.-/<".contains(c))
}

/// Bytes of the `NAME=` that an item begins with, perhaps behind a quote. The text that base64 makes ends in such a
/// sign and is no name.
fn name_len(text: &str) -> Option<usize> {
    let bare = text.trim_start_matches(['"', '\'']);
    let (name, value) = bare.split_once('=')?;
    let is_variable = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
    let has_value = !value.trim_matches(['=', '"', '\'']).is_empty();
    let is_shown = is_name(name) && (has_value || (!value.contains('=') && name.chars().all(is_variable)));
    is_shown.then(|| text.len() - value.len())
}

/// Where the quote that opens a text is closed.
fn closing(text: &str, quote: char) -> Option<usize> {
    let mut chars = text.char_indices().skip(1).peekable();
    while let Some((at, c)) = chars.next() {
        if quote == '"' && c == '\\'
            || quote == '\'' && c == quote && chars.peek().is_some_and(|(_, next)| *next == quote)
        {
            chars.next();
        } else if c == quote {
            return Some(at);
        }
    }
    None
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
    fn keys_and_signs_stay_and_no_value_does() {
        let text = r##"services:
  web:
    image: nginx:1 # old
    "quoted" : "a \" b"
    environment:
      - PASSWORD=hunter2
      - "TOKEN=abc"
      - EMPTY=
      - aGVsbG8K=
      A: it's
    labels: {a: 'x, y', "b": [c, D=e], f g: h}
    command: [sh, -c, "a ] b"]
    other: &anchor {A: b}
    PASSWORD=bare
    tty true
    a b: c
    -5
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
      - EMPTY=
      - *********
      A: ****
    labels: {a: *** **, "b": [*, D=*], * ** *}
    command: [**, **, ** * **]
    other: &****** {A: *}
    PASSWORD=****
    *** ****
    * ** *
    **
"##
        );
    }

    #[test]
    fn a_text_over_several_lines_is_hidden_whole() {
        let text = "a: |\n  key: hunter2\n\n  hunter2:\nb: \"x\n  hunter2: y\n  z\" k: x\nc: >- # hunter2\n   d: e\n- |\n d: e\n";
        let shown = shown(text);
        assert!(!shown.contains("hunter2") && !shown.contains('k') && !shown.contains('d'), "{shown}");
        assert!(shown.contains("a: |") && shown.contains("b: \"*") && shown.contains("c: >-"), "{shown}");
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
