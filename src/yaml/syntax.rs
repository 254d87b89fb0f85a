//! Messages for texts that break YAML's rules. The parser speaks of scalars and block collections; users need to know
//! which line is wrong and how to correct it.
//!
//! Beside `parse` the only file that knows `granit-parser`.

use granit_parser::ErrorKind;

use super::report::Diagnostic;
use super::source::{SourceId, Span};

/// The mistake at a byte of a text.
pub fn error(file: SourceId, text: &str, at: usize, kind: &ErrorKind, depth_max: usize) -> Diagnostic {
    let scene = Scene::new(file, text, at);
    let diagnostic = Diagnostic::error("yaml_syntax", "not valid YAML");
    if let Some(tab) = scene.tab() {
        return diagnostic.at(tab, "a tab").help("YAML does not allow tabs for indentation: use spaces");
    }
    match kind {
        ErrorKind::TabNotAllowed
        | ErrorKind::TabInBlockIndentation
        | ErrorKind::TabAtBlockScalarStart
        | ErrorKind::TabInIndentation
        | ErrorKind::TabInPlainScalar => diagnostic
            .at(scene.here(), "a tab is not allowed here")
            .help("YAML does not allow tabs for indentation: use spaces"),
        ErrorKind::SimpleKeyExpected | ErrorKind::InvalidSimpleKey => diagnostic
            .at(scene.line(), "neither a key with its `:` nor an item with its `- `")
            .help("write `key: value`; a text that goes on is indented further than its key"),
        ErrorKind::MappingValueNotAllowed if scene.has_colon_before() => diagnostic
            .at(scene.here(), "a second `: ` in one line")
            .help("put the text behind the first `:` in quotes"),
        ErrorKind::MappingValueNotAllowed
        | ErrorKind::ExpectedBlockMappingKey
        | ErrorKind::ExpectedBlockSequenceEntry
        | ErrorKind::BlockSequenceEntryNotAllowed
        | ErrorKind::MappingKeyNotAllowed
        | ErrorKind::InvalidIndentation
        | ErrorKind::ExpectedDocumentStart
            if scene.open_bracket().is_none() =>
        {
            scene.indentation(diagnostic)
        }
        ErrorKind::UnclosedQuotedScalar
        | ErrorKind::InvalidQuotedScalarIndent
        | ErrorKind::DocumentIndicatorInQuotedScalar => match scene.open_quote() {
            Some(quote) => diagnostic.at(quote, "this quote is not closed").help("close it on the same line"),
            None => diagnostic.at(scene.here(), "a quote is not closed"),
        },
        ErrorKind::InvalidTrailingSingleQuotedScalar | ErrorKind::InvalidTrailingDoubleQuotedScalar => {
            diagnostic
                .at(scene.here(), "something behind the closing quote")
                .help("put the whole text in quotes; within single quotes a quote is written twice")
        }
        ErrorKind::UnknownQuotedScalarEscape
        | ErrorKind::InvalidQuotedScalarHexEscape
        | ErrorKind::InvalidUnicodeEscape => diagnostic
            .at(scene.here(), "not an escape that double quotes know")
            .help("write a backslash twice, or use single quotes"),
        ErrorKind::RecursionLimitExceeded => {
            diagnostic.at(scene.here(), format!("more than {depth_max} lists and mappings within each other"))
        }
        ErrorKind::UnexpectedCharacter { character: '@' | '`' | '%' } | ErrorKind::DirectiveDisallowed => {
            diagnostic
                .at(scene.here(), "a text cannot begin with this character")
                .help("put the text in quotes")
        }
        ErrorKind::MissingAnchorOrAliasName => diagnostic
            .at(scene.here(), "a name is missing behind `&` or `*`")
            .help("put a text that begins with `&` or `*` in quotes"),
        ErrorKind::CommentInterceptedScalar | ErrorKind::CommentNotSeparated => diagnostic
            .at(scene.here(), "a comment within a text")
            .help("put the text in quotes, or move the comment to a line of its own"),
        ErrorKind::InvalidBlockEntryWhitespace => {
            diagnostic.at(scene.here(), "a blank is missing behind the `-`").help("write `- item`")
        }
        ErrorKind::InvalidBlockScalarIndent | ErrorKind::InvalidBlockScalarHeader => diagnostic
            .at(scene.here(), "does not fit the block text that begins with `|` or `>`")
            .help("indent all lines of the text alike, further than its key"),
        ErrorKind::MisplacedFlowCollectionEnd => {
            diagnostic.at(scene.here(), "closes nothing").help("remove it, or open it before")
        }
        ErrorKind::MismatchedFlowCollectionEnd { open, close } => {
            let diagnostic = diagnostic.at(scene.here(), format!("`{close}` where `{open}` is open"));
            match scene.open_bracket() {
                Some(bracket) => diagnostic.also(bracket, "opened here"),
                None => diagnostic,
            }
        }
        other => scene.bracket(diagnostic, &other.to_string()),
    }
}

/// The text around a mistake.
struct Scene<'a> {
    file: SourceId,
    text: &'a str,
    at: usize,
    line_start: usize,
    line_end: usize,
}

impl<'a> Scene<'a> {
    fn new(file: SourceId, text: &'a str, at: usize) -> Self {
        let mut at = at.min(text.len());
        while !text.is_char_boundary(at) {
            at -= 1;
        }
        // At the end of the file there is nothing to point at: the last line with something on it is.
        let at = if text[at..].trim().is_empty() { text.trim_end().len() } else { at };
        let line_start = text[..at].rfind('\n').map_or(0, |newline| newline + 1);
        let line_end = text[at..].find('\n').map_or(text.len(), |newline| at + newline);
        Self { file, text, at, line_start, line_end }
    }

    /// The character.
    fn here(&self) -> Span {
        let end =
            self.at + self.text[self.at..].chars().next().filter(|c| *c != '\n').map_or(0, char::len_utf8);
        Span::new(self.file, self.at..end)
    }

    /// What stands on the line.
    fn line(&self) -> Span {
        let line = &self.text[self.line_start..self.line_end];
        let start = self.line_start + line.len() - line.trim_start().len();
        Span::new(self.file, start..(self.line_start + line.trim_end().len()).max(start))
    }

    /// Whether the line has a key before the place.
    fn has_colon_before(&self) -> bool {
        self.text[self.line_start..self.at].contains(": ")
    }

    /// A line that fits none of those above it.
    fn indentation(&self, diagnostic: Diagnostic) -> Diagnostic {
        let culprit = self.culprit();
        let (line, own) = (culprit.line(), culprit.indent());
        // The lines that are still open above: each less indented than the one below it.
        let mut levels: Vec<usize> = Vec::new();
        for above in culprit.above() {
            let indent = indent_of(above);
            if levels.last().is_none_or(|last| indent < *last) {
                levels.push(indent);
            }
            if indent == 0 {
                break;
            }
        }
        let diagnostic = if culprit.line_start == self.line_start {
            diagnostic
        } else {
            diagnostic.also(self.line(), "does not stand under it")
        };
        if levels.contains(&own) {
            let item = self.text[line.range()].starts_with("- ");
            let label = if item { "an item among keys" } else { "a key among items, or behind a text" };
            return diagnostic.at(line, label).help("a list has items only, a mapping has keys only");
        }
        let shown: Vec<String> = levels.iter().rev().map(usize::to_string).collect();
        diagnostic.at(line, format!("indented by {own}")).help(format!(
            "indent it like its siblings; the lines above it are indented by {}",
            shown.join(", ")
        ))
    }

    /// The line to blame. The parser stops at the first line that does not fit those above, but it may be
    /// the one above that is out of step with the rest of the file.
    fn culprit(&self) -> Scene<'a> {
        let own = self.indent();
        let mut child: Option<&str> = None;
        for above in self.above() {
            let indent = indent_of(above);
            if indent == own {
                // This line has siblings: what is wrong with it is not how far it is indented.
                break;
            }
            if indent > own {
                child = Some(above);
                continue;
            }
            let fits_below = |parent: &str, line: &str| {
                let expected = content_of(parent) + self.step(line);
                own == expected && indent_of(line) != expected
            };
            // The first below a key says how far the others are indented.
            let first = child.filter(|child| opens(above) && fits_below(above, child));
            // Or the one above has lost its place, and this one would stand beside it.
            let parent = self.lines_before(above).find(|line| opens(line) && indent_of(line) <= indent);
            let blamed = first.or_else(|| parent.filter(|parent| fits_below(parent, above)).map(|_| above));
            if let Some(blamed) = blamed {
                return Scene::new(self.file, self.text, self.offset(blamed) + indent_of(blamed));
            }
            break;
        }
        Scene { ..*self }
    }

    /// How far this file mostly indents what stands below a key: items by their own measure.
    fn step(&self, like: &str) -> usize {
        let is_item = |line: &str| line.trim_start().starts_with("- ");
        let mut counts_of = std::collections::BTreeMap::<usize, usize>::new();
        let mut above: Option<&str> = None;
        for line in self.text.lines().filter(|line| counts(line)) {
            let is_other = !std::ptr::eq(line.as_ptr(), like.as_ptr());
            if let Some(parent) = above.filter(|above| is_other && opens(above))
                && is_item(line) == is_item(like)
                && let Some(step) = indent_of(line).checked_sub(content_of(parent))
            {
                *counts_of.entry(step).or_default() += 1;
            }
            above = Some(line);
        }
        counts_of.into_iter().max_by_key(|(_, count)| *count).map_or(2, |(step, _)| step)
    }

    /// The lines before one of those above, nearest first.
    fn lines_before(&self, line: &str) -> impl Iterator<Item = &'a str> {
        self.text[..self.offset(line)].lines().rev().filter(|line| counts(line))
    }

    /// Where a line of the text begins.
    fn offset(&self, line: &str) -> usize {
        line.as_ptr() as usize - self.text.as_ptr() as usize
    }

    /// The place itself, or the next line if that is indented by a tab: the parser takes such a line for
    /// more of the text above it.
    fn tab(&self) -> Option<Span> {
        let mut start = self.line_start;
        let lines = self.text[self.line_start..].split_inclusive('\n');
        for line in lines.filter(|line| !line.trim().is_empty()).take(2) {
            start = self.offset(line).max(start);
            if let Some(tab) = line[..indent_of(line)].find('\t') {
                return Some(Span::new(self.file, start + tab..start + tab + 1));
            }
        }
        None
    }

    /// The lines above, nearest first.
    fn above(&self) -> impl Iterator<Item = &'a str> {
        self.text[..self.line_start].lines().rev().filter(|line| counts(line))
    }

    fn indent(&self) -> usize {
        indent_of(&self.text[self.line_start..self.line_end])
    }

    /// A mistake within brackets: perhaps one was never closed.
    fn bracket(&self, diagnostic: Diagnostic, words: &str) -> Diagnostic {
        match self.open_bracket() {
            Some(bracket) => {
                let closing = if self.text[bracket.range()].starts_with('{') { '}' } else { ']' };
                diagnostic
                    .at(bracket, "this bracket is not closed")
                    .also(self.here(), "here at the latest")
                    .help(format!("close it with `{closing}`, and separate its items with `,`"))
            }
            None => diagnostic.at(self.here(), words.replace('\n', " ")),
        }
    }

    /// The innermost bracket before the place that is still open.
    fn open_bracket(&self) -> Option<Span> {
        let mut open: Vec<usize> = Vec::new();
        let mut quote: Option<char> = None;
        let mut before = '\n';
        let mut comment = false;
        for (at, c) in self.text[..self.at].char_indices() {
            match (quote, c) {
                (_, '\n') if comment => comment = false,
                _ if comment => {}
                (Some(mark), c) if c == mark && before != '\\' => quote = None,
                (Some(_), _) => {}
                // Within a word these mean nothing.
                (None, '"' | '\'') if !before.is_alphanumeric() => quote = Some(c),
                (None, '#') if before.is_whitespace() => comment = true,
                (None, '[' | '{') if !open.is_empty() || begins_value(&self.text[..at]) => open.push(at),
                (None, ']' | '}') => drop(open.pop()),
                _ => {}
            }
            before = c;
        }
        open.last().map(|at| Span::new(self.file, *at..at + 1))
    }

    /// The quote that opens the text the place is in: the last line with an odd number of them.
    fn open_quote(&self) -> Option<Span> {
        let mut end = self.line_end;
        loop {
            let start = self.text[..end].rfind('\n').map_or(0, |newline| newline + 1);
            let line = &self.text[start..end];
            for mark in ['"', '\''] {
                let begins = line.match_indices(mark).rfind(|(at, _)| begins_value(&line[..*at]));
                if let Some((at, _)) = begins
                    && line.matches(mark).count() % 2 == 1
                {
                    return Some(Span::new(self.file, start + at..start + at + 1));
                }
            }
            end = start.checked_sub(1)?;
        }
    }
}

fn indent_of(line: &str) -> usize {
    line.len() - line.trim_start().len()
}

/// Where what a line says begins, behind the `- ` of items.
fn content_of(line: &str) -> usize {
    line.len() - line.trim_start_matches([' ', '-']).len()
}

/// Whether something has to stand below a line.
fn opens(line: &str) -> bool {
    let text = line.split(" #").next().unwrap_or(line).trim_end();
    let last = text.rsplit(' ').next().unwrap_or(text);
    let text = if last.starts_with(['&', '!']) { text[..text.len() - last.len()].trim_end() } else { text };
    text.ends_with(':') || text.ends_with(" -")
}

/// Whether there is something on a line besides a comment.
fn counts(line: &str) -> bool {
    let text = line.trim_start();
    !text.is_empty() && !text.starts_with('#')
}

/// Whether a value may begin behind this text.
fn begins_value(before: &str) -> bool {
    let trimmed = before.trim_end_matches(' ');
    let is_apart = trimmed.len() < before.len();
    trimmed.is_empty()
        || trimmed.ends_with(['\n', '[', '{', ','])
        || (is_apart && trimmed.ends_with([':', '-']))
}
