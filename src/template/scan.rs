//! Text into pieces: what stands between actions, and the tokens of each action.

use std::ops::Range;

use serde_json::Number;

use super::{FAULTS_MAX, Fault, Wrong};

/// What Go trims and takes for blank.
const BLANKS: [char; 4] = [' ', '\t', '\r', '\n'];

/// A text in pieces, and what is wrong with single ones.
#[derive(Debug, Default)]
pub(super) struct Scanned {
    pub pieces: Vec<Piece>,
    pub faults: Vec<Fault>,
    /// Whether nothing could be read from some place on.
    pub is_cut: bool,
}

#[derive(Debug)]
pub(super) enum Piece {
    Text(String),
    Action(Action),
}

/// What stands between `{{` and `}}`.
#[derive(Debug)]
pub(super) struct Action {
    /// With the braces.
    pub at: Range<usize>,
    /// Up to a mistake, if there is one.
    pub tokens: Vec<Token>,
    pub is_broken: bool,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Token {
    pub at: Range<usize>,
    pub sign: Sign,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Sign {
    Field(String),
    Word(String),
    /// Without its `$`.
    Variable(String),
    Text(String),
    Number(Number),
    Pipe,
    Open,
    Close,
    Comma,
    /// `:=`
    Declare,
    /// `=`
    Assign,
    /// A blank: separates `.A .B` (two arguments) from `.A.B` (one).
    Blank,
}

/// Splits text from `{{ actions }}`, and applies the trim marks `{{-` and `-}}`.
pub(super) fn scan(text: &str) -> Scanned {
    let mut scanner = Scanner { text, at: 0, trims: false, found: Scanned::default() };
    while scanner.piece() {}
    scanner.found
}

struct Scanner<'t> {
    text: &'t str,
    at: usize,
    /// Whether the action before trims what follows it.
    trims: bool,
    found: Scanned,
}

impl Scanner<'_> {
    fn rest(&self) -> &str {
        &self.text[self.at..]
    }

    fn fault(&mut self, at: Range<usize>, why: impl Into<String>) {
        if self.found.faults.len() < FAULTS_MAX {
            self.found.faults.push(Fault { at, wrong: Wrong::Syntax(why.into()) });
        }
    }

    /// A text and the action behind it; `false` at the end.
    fn piece(&mut self) -> bool {
        let open = self.rest().find("{{").map(|offset| self.at + offset);
        let mut before = &self.text[self.at..open.unwrap_or(self.text.len())];
        if self.trims {
            before = before.trim_start_matches(BLANKS);
        }
        let Some(open) = open else {
            self.found.pieces.push(Piece::Text(before.to_owned()));
            return false;
        };
        self.at = open + 2;
        if self.rest().strip_prefix('-').is_some_and(|rest| rest.starts_with(BLANKS)) {
            before = before.trim_end_matches(BLANKS);
            self.at += 1;
        }
        self.found.pieces.push(Piece::Text(before.to_owned()));
        self.trims = false;
        let body = self.rest().trim_start_matches(BLANKS);
        if body.starts_with("/*") {
            self.at = self.text.len() - body.len();
            return self.comment(open);
        }
        self.action(open)
    }

    fn comment(&mut self, open: usize) -> bool {
        let Some(end) = self.rest().find("*/") else {
            self.found.is_cut = true;
            self.fault(open..open + 2, "a comment is not closed with `*/`");
            return false;
        };
        self.at += end + 2;
        let tail = self.rest().trim_start_matches(BLANKS);
        let start = self.text.len() - tail.len();
        if tail.starts_with("}}") || tail.starts_with("-}}") {
            self.trims = tail.starts_with('-');
            self.at = start + 2 + usize::from(self.trims);
            return true;
        }
        self.fault(open..self.at, "a comment stands alone between `{{` and `}}`");
        self.skip_action(open)
    }

    /// Goes on behind the end of an action that cannot be read.
    fn skip_action(&mut self, open: usize) -> bool {
        match self.rest().find("}}") {
            Some(end) => {
                self.at += end + 2;
                true
            }
            None => {
                self.found.is_cut = true;
                self.at = self.text.len();
                let nothing_said = self.found.faults.last().is_none_or(|fault| fault.at.start < open);
                if nothing_said {
                    self.fault(open..open + 2, "`{{` is not closed with `}}`");
                }
                false
            }
        }
    }

    fn action(&mut self, open: usize) -> bool {
        let mut tokens: Vec<Token> = Vec::new();
        loop {
            let is_apart = tokens.last().is_none_or(|token| token.sign == Sign::Blank);
            let rest = self.rest();
            if rest.starts_with("}}") || (is_apart && rest.starts_with("-}}")) {
                self.trims = rest.starts_with('-');
                self.at += 2 + usize::from(self.trims);
                break;
            }
            if rest.is_empty() {
                return self.skip_action(open);
            }
            match sign(rest) {
                Ok((sign, len)) => {
                    tokens.push(Token { at: self.at..self.at + len, sign });
                    self.at += len;
                }
                Err((why, len)) => {
                    self.fault(self.at..self.at + len, why);
                    let goes_on = self.skip_action(open);
                    let at = open..self.at;
                    self.found.pieces.push(Piece::Action(Action { at, tokens, is_broken: true }));
                    return goes_on;
                }
            }
        }
        let at = open..self.at;
        if tokens.iter().all(|token| token.sign == Sign::Blank) {
            self.fault(at, "nothing between `{{` and `}}`");
        } else {
            self.found.pieces.push(Piece::Action(Action { at, tokens, is_broken: false }));
        }
        true
    }
}

fn word_len(text: &str) -> usize {
    text.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(text.len())
}

/// The first token of a text, and how long it is; or why there is none, and how long what is in its place is.
fn sign(text: &str) -> Result<(Sign, usize), (String, usize)> {
    let first = text.chars().next().unwrap_or_default();
    let second = text[first.len_utf8()..].chars().next().unwrap_or_default();
    Ok(match first {
        c if BLANKS.contains(&c) => (Sign::Blank, text.len() - text.trim_start_matches(BLANKS).len()),
        '|' => (Sign::Pipe, 1),
        '(' => (Sign::Open, 1),
        ')' => (Sign::Close, 1),
        ',' => (Sign::Comma, 1),
        ':' if second == '=' => (Sign::Declare, 2),
        '=' => (Sign::Assign, 1),
        '$' => {
            let len = word_len(&text[1..]);
            (Sign::Variable(text[1..=len].to_owned()), 1 + len)
        }
        c if c.is_ascii_digit()
            || (matches!(c, '+' | '-') && (second.is_ascii_digit() || second == '.'))
            || (c == '.' && second.is_ascii_digit()) =>
        {
            let len = number_len(text);
            let number = number(&text[..len]).ok_or_else(|| ("this is not a number".to_owned(), len))?;
            (Sign::Number(number), len)
        }
        '.' => {
            let len = word_len(&text[1..]);
            (Sign::Field(text[1..=len].to_owned()), 1 + len)
        }
        '`' => {
            let end = text[1..].find('`').ok_or_else(|| ("a raw string is not closed".to_owned(), 1))?;
            (Sign::Text(text[1..=end].to_owned()), end + 2)
        }
        '"' => quoted(text).map(|(text, len)| (Sign::Text(text), len))?,
        '\'' => return Err(("single characters in quotes are not known here: use `\"`".to_owned(), 1)),
        c if c.is_alphabetic() || c == '_' => {
            let len = word_len(text);
            (Sign::Word(text[..len].to_owned()), len)
        }
        c => return Err((format!("`{}` means nothing inside `{{{{ }}}}`", c.escape_debug()), c.len_utf8())),
    })
}

fn number_len(text: &str) -> usize {
    let mut before = ' ';
    let is_part = |c: char, before: char| {
        c.is_ascii_alphanumeric()
            || matches!(c, '_' | '.')
            || (matches!(c, '+' | '-') && matches!(before, ' ' | 'e' | 'E'))
    };
    text.char_indices()
        .find(|&(_, c)| {
            let ends = !is_part(c, before);
            before = c;
            ends
        })
        .map_or(text.len(), |(at, _)| at)
}

/// A number as Go writes them, but for imaginary ones and hexadecimal fractions.
fn number(text: &str) -> Option<Number> {
    let (is_negative, body) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let digits: String = body.chars().filter(|c| *c != '_').collect();
    let lower = digits.to_ascii_lowercase();
    let is_octal = |rest: &str| !rest.is_empty() && rest.bytes().all(|digit| digit.is_ascii_digit());
    let whole = match lower.as_bytes() {
        [b'0', b'x', rest @ ..] => Some((rest.len(), 16)),
        [b'0', b'o', rest @ ..] => Some((rest.len(), 8)),
        [b'0', b'b', rest @ ..] => Some((rest.len(), 2)),
        [b'0', ..] if is_octal(&lower[1..]) => Some((lower.len() - 1, 8)),
        all if all.iter().all(u8::is_ascii_digit) => Some((all.len(), 10)),
        _ => None,
    };
    if let Some((len, radix)) = whole {
        let digits = &lower[lower.len() - len..];
        let size = u64::from_str_radix(digits, radix).ok()?;
        return if is_negative {
            0i64.checked_sub_unsigned(size).map(Number::from)
        } else {
            Some(size.into())
        };
    }
    if !lower.bytes().all(|c| c.is_ascii_digit() || matches!(c, b'.' | b'e' | b'+' | b'-')) {
        return None;
    }
    let size: f64 = lower.parse().ok()?;
    Number::from_f64(if is_negative { -size } else { size })
}

/// A string in double quotes with Go's escapes, and how long it is with them.
fn quoted(text: &str) -> Result<(String, usize), (String, usize)> {
    let mut out = String::new();
    let mut chars = text.char_indices().skip(1);
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Ok((out, at + 1)),
            '\n' => break,
            '\\' => {
                let (c, further) = escape(&text[at + 1..])
                    .ok_or_else(|| ("an escape that a string cannot have".to_owned(), 1))?;
                out.push(c);
                for _ in 0..further {
                    chars.next();
                }
            }
            c => out.push(c),
        }
    }
    Err(("a string is not closed".to_owned(), 1))
}

/// What follows a backslash: the character, and of how many it is made. A byte that is no character is none.
fn escape(text: &str) -> Option<(char, usize)> {
    let first = text.chars().next()?;
    let digits = |from: usize, count: usize, radix: u32| {
        let code = u32::from_str_radix(text.get(from..from + count)?, radix).ok()?;
        Some(code)
    };
    let plain = |c| Some((c, 1));
    match first {
        'a' => plain('\u{7}'),
        'b' => plain('\u{8}'),
        'f' => plain('\u{c}'),
        'n' => plain('\n'),
        'r' => plain('\r'),
        't' => plain('\t'),
        'v' => plain('\u{b}'),
        '\\' | '"' | '\'' => plain(first),
        'x' => char::from_u32(digits(1, 2, 16)?).filter(char::is_ascii).map(|c| (c, 3)),
        'u' => char::from_u32(digits(1, 4, 16)?).map(|c| (c, 5)),
        'U' => char::from_u32(digits(1, 8, 16)?).map(|c| (c, 9)),
        '0'..='7' => char::from_u32(digits(0, 3, 8)?).filter(char::is_ascii).map(|c| (c, 3)),
        _ => None,
    }
}
