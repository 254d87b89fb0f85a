//! `.env` files as Compose writes them: quotes, `export`, comments, values over several lines, variables in
//! values. Text in, pairs out; knows nothing of files.
//!
//! The rules are those of compose-go's `dotenv` package (its `parser.go`), as they stand in Compose v2:
//! single quotes keep everything, double quotes know escapes and variables, an unquoted value ends at
//! ` #` or at the end of the line, `NAME` alone takes the caller's value, and `NAME: value` works too.
//! One difference: a name alone on the last line, without a newline, is a name alone there as well.
//!
//! What `env_file` means in a stackfile that docker reads is another matter: see
//! [`short::env_file`](super::short::env_file).

use std::collections::BTreeMap;
use std::ops::Range;

use super::interpolate;
use crate::yaml::{Budget, PAIR};

/// A variable that a file sets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Variable {
    pub name: String,
    pub value: String,
    /// Where the name is written.
    pub at: Range<usize>,
}

/// Why a text is no such file. Quotes nothing of it, because it may be a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Fit for a label.
    pub why: &'static str,
    /// The byte it is at.
    pub at: usize,
    /// Whether it is well written, but comes to too much.
    pub is_excess: bool,
}

/// Reads a text. `outside` is asked for variables in values, and for names without a value; what the text
/// itself has set so far comes after it. What the variables come to counts against the budget.
pub fn parse(
    text: &str,
    outside: &dyn Fn(&str) -> Option<String>,
    budget: &Budget,
) -> Result<Vec<Variable>, Fault> {
    let mut reader = Reader { text, at: 0, outside, budget, known: BTreeMap::new(), found: Vec::new() };
    if text.starts_with('\u{feff}') {
        reader.at = '\u{feff}'.len_utf8();
    }
    while reader.skip_to_statement() {
        reader.statement()?;
    }
    Ok(reader.found)
}

/// The text with nothing but the names in it, line for line, and where each of them is there.
#[must_use]
pub fn masked(text: &str, names: &[Range<usize>]) -> (String, Vec<Range<usize>>) {
    let (mut shown, mut places) = (String::new(), Vec::new());
    let mut names = names.iter().peekable();
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        let end = start + line.len();
        let mut is_named = false;
        while let Some(name) = names.next_if(|name| name.start < end) {
            let at = shown.len() + usize::from(is_named);
            if is_named {
                shown.push(' ');
            }
            shown.push_str(&text[name.clone()]);
            places.push(at..shown.len());
            shown.push_str("=…");
            is_named = true;
        }
        if !is_named && !line.trim().is_empty() {
            shown.push('…');
        }
        if line.ends_with('\n') {
            shown.push('\n');
        }
        start = end;
    }
    (shown, places)
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
    outside: &'a dyn Fn(&str) -> Option<String>,
    budget: &'a Budget,
    known: BTreeMap<String, String>,
    found: Vec<Variable>,
}

impl Reader<'_> {
    fn rest(&self) -> &str {
        &self.text[self.at..]
    }

    fn fault<T>(&self, why: &'static str, at: usize) -> Result<T, Fault> {
        Err(Fault { why, at, is_excess: false })
    }

    /// Goes on to the next name; `false` at the end.
    fn skip_to_statement(&mut self) -> bool {
        loop {
            let rest = self.rest();
            self.at += rest.len() - rest.trim_start().len();
            if !self.rest().starts_with('#') {
                return self.at < self.text.len();
            }
            self.at += self.rest().find('\n').unwrap_or(self.rest().len());
        }
    }

    fn statement(&mut self) -> Result<(), Fault> {
        if let Some(rest) = self.rest().strip_prefix("export")
            && rest.starts_with(char::is_whitespace)
        {
            self.at = self.text.len() - rest.trim_start_matches(is_blank).len();
        }
        let start = self.at;
        let end = self.rest().find(['=', ':', '\n']).map_or(self.text.len(), |offset| start + offset);
        let name = self.text[start..end].trim_end();
        let part = |c: char| c.is_alphanumeric() || "_.-[]".contains(c);
        if let Some((offset, c)) = name.char_indices().find(|&(_, c)| !part(c)) {
            let why =
                if c.is_whitespace() { "a blank in a name" } else { "a character that a name cannot have" };
            return self.fault(why, start + offset);
        }
        if name.is_empty() {
            return self.fault("no name before this", start);
        }
        let (name, at) = (name.to_owned(), start..start + name.len());
        let alone = !self.text[end..].starts_with(['=', ':']);
        self.at = if end == self.text.len() { end } else { end + 1 };
        let value = if alone { (self.outside)(&name) } else { Some(self.value()?) };
        if let Some(value) = value {
            if !self.budget.take(PAIR + name.len() + value.len()) {
                let why = "with this one the variables come to more than 64 MiB";
                return Err(Fault { why, at: start, is_excess: true });
            }
            self.known.insert(name.clone(), value.clone());
            self.found.push(Variable { name, value, at });
        }
        Ok(())
    }

    /// The value behind the `=`.
    fn value(&mut self) -> Result<String, Fault> {
        self.at = self.text.len() - self.rest().trim_start_matches(is_blank).len();
        let start = self.at;
        let quote = match self.rest().chars().next() {
            Some(quote @ ('"' | '\'')) => quote,
            _ => {
                let end = self.rest().find('\n').map_or(self.text.len(), |offset| start + offset);
                self.at = end;
                let value = &self.text[start..end];
                let value = value.split_once(" #").map_or(value, |(value, _)| value);
                return self.expand(value.trim_end(), start);
            }
        };
        let mut value = String::new();
        let mut escaped = false;
        for (offset, c) in self.text[start + 1..].char_indices() {
            match c {
                c if c == quote && !escaped => {
                    self.at = start + 1 + offset + 1;
                    return match quote {
                        '"' => self.expand(&unescape(&value), start),
                        _ => Ok(value),
                    };
                }
                '\\' if !escaped => {
                    escaped = true;
                    continue;
                }
                // Only the quote itself loses its backslash here.
                c => {
                    if escaped && c != quote {
                        value.push('\\');
                    }
                    value.push(c);
                }
            }
            escaped = false;
        }
        self.fault("a quote that is not closed", start)
    }

    fn expand(&self, value: &str, at: usize) -> Result<String, Fault> {
        if !value.contains('$') {
            return Ok(value.to_owned());
        }
        let look = |name: &str| (self.outside)(name).or_else(|| self.known.get(name).cloned());
        interpolate::expand(value, &look, self.budget).map_err(|unfilled| Fault {
            why: unfilled.why,
            at,
            is_excess: unfilled.is_excess,
        })
    }
}

/// A blank that does not end a line.
fn is_blank(c: char) -> bool {
    matches!(c, '\t' | '\u{b}' | '\u{c}' | '\r' | ' ' | '\u{85}' | '\u{a0}')
}

/// The escapes of double quotes: Go's for single characters, `\0` and up to three octal digits, and `\$`,
/// which becomes `$$` so that what follows is no variable. Others stay as they are.
fn unescape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        let Some(c) = rest.chars().next() else {
            out.push('\\');
            break;
        };
        let plain = match c {
            'a' => Some('\u{7}'),
            'b' => Some('\u{8}'),
            'f' => Some('\u{c}'),
            'n' => Some('\n'),
            'r' => Some('\r'),
            't' => Some('\t'),
            'v' => Some('\u{b}'),
            '\\' | '"' => Some(c),
            _ => None,
        };
        if let Some(plain) = plain {
            out.push(plain);
            rest = &rest[1..];
            continue;
        }
        let digits = rest.bytes().skip(1).take(3).take_while(u8::is_ascii_digit).count();
        match (c, u32::from_str_radix(rest.get(1..=digits).unwrap_or_default(), 8)) {
            ('$', _) => {
                out.push_str("$$");
                rest = &rest[1..];
            }
            ('0', Ok(code)) if digits == 3 && code < 0x100 => {
                out.extend(char::from_u32(code));
                rest = &rest[1 + digits..];
            }
            _ => out.push('\\'),
        }
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn shown(text: &str) -> String {
        let outside = |name: &str| match name {
            "CALLER" => Some("caller".to_owned()),
            "A" => Some("the caller's".to_owned()),
            _ => None,
        };
        match parse(text, &outside, &Budget::default()) {
            Ok(found) => {
                let all: Vec<String> =
                    found.iter().map(|variable| format!("{}={}", variable.name, variable.value)).collect();
                all.join("|")
            }
            Err(fault) => format!("{} at {}", fault.why, fault.at),
        }
    }

    #[test]
    fn values_in_all_their_forms() {
        for (text, expected) in [
            ("", ""),
            ("A=1\nB=2", "A=1|B=2"),
            ("\u{feff}A=1\r\nB=2\r\n", "A=1|B=2"),
            ("# c\n\n  A = 1 \n", "A=1"),
            ("export A=1\nexport\tB=2", "A=1|B=2"),
            ("exported=1", "exported=1"),
            ("A: 1", "A=1"),
            ("A=1 # c\nB=1#2\nC=a b", "A=1|B=1#2|C=a b"),
            ("A='x # $B'\nB=\"x # y\" # c\n", "A=x # $B|B=x # y"),
            ("A='a\nb'\nB=\"a\nb\"", "A=a\nb|B=a\nb"),
            (r"A='it\'s \n'", r"A=it's \n"),
            (r#"A="q\"\n\t\\ \$X \q \0101 \012""#, "A=q\"\n\t\\ $X \\q A \\012"),
            ("CALLER\nNOBODY\nB=1", "CALLER=caller|B=1"),
            ("B=1\nCALLER", "B=1|CALLER=caller"),
            ("X=1\nB=$X${X}-${NO:-d}-$$X", "X=1|B=11-d-$X"),
            ("A=1\nB=$A", "A=1|B=the caller's"),
            ("P=a$1b$", "P=a$1b$"),
            ("A=\nB=''", "A=|B="),
            ("a.b-c[0]=1", "a.b-c[0]=1"),
            ("A B=1", "a blank in a name at 1"),
            ("A!=1", "a character that a name cannot have at 1"),
            ("=1", "no name before this at 0"),
            ("A='x", "a quote that is not closed at 2"),
            ("A=\"x\\\"", "a quote that is not closed at 2"),
            ("A=\"\\é\\\u{feff}\"", "A=\\é\\\u{feff}"),
            ("A=${X", "the `{` is not closed at 2"),
            ("A=${NO:?m}", "a variable that it requires is not set at 2"),
        ] {
            assert_eq!(shown(text), expected, "{text:?}");
        }
    }

    #[test]
    fn only_names_are_shown() {
        let text = "A=geheim\nB='é\nx'\n";
        let names: Vec<_> = parse(text, &|_| None, &Budget::default())
            .unwrap()
            .into_iter()
            .map(|variable| variable.at)
            .collect();
        let (shown, places) = masked(text, &names);
        assert_eq!(shown, "A=…\nB=…\n…\n");
        assert_eq!(places.iter().map(|place| &shown[place.clone()]).collect::<Vec<_>>(), ["A", "B"]);
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "\\PC{0,20}|[AB=:'\"\\\\$#{}\n\r é0-9]{0,24}") {
            let found = parse(&text, &|_| None, &Budget::default()).unwrap_or_default();
            let names: Vec<_> = found.iter().map(|variable| variable.at.clone()).collect();
            let (shown, places) = masked(&text, &names);
            prop_assert_eq!(shown.matches('\n').count(), text.matches('\n').count());
            let back: Vec<&str> = places.iter().map(|place| &shown[place.clone()]).collect();
            prop_assert_eq!(back, found.iter().map(|variable| variable.name.as_str()).collect::<Vec<_>>());
        }

        #[test]
        fn quoted_values_come_back(values in prop::collection::vec("[^']{0,12}", 1..5)) {
            let text: String = values.iter().enumerate().map(|(n, value)| format!("V{n}='{}'\n", value.replace('\\', "/"))).collect();
            let found = parse(&text, &|_| None, &Budget::default()).unwrap();
            let back: Vec<String> = found.into_iter().map(|variable| variable.value).collect();
            prop_assert_eq!(back, values.iter().map(|value| value.replace('\\', "/")).collect::<Vec<_>>());
        }
    }
}
