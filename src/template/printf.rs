//! `printf`, as far as it is of use to people: `%v %s %q %d %x %X %o %b %c %t %f %%`, with flags, width and precision.

use serde_json::{Number, Value};

use super::given::{Given, bad, too_long};
use super::{Dialect, Wrong};

/// Columns of one value.
const WIDTH_MAX: usize = 1000;

/// `%-06.2f`, read.
#[derive(Debug, Default)]
struct Verb {
    is_left: bool,
    /// Filled up with zeros.
    is_zeros: bool,
    has_sign: bool,
    width: usize,
    precision: Option<usize>,
    letter: char,
}

/// Fills in a format; what it makes may have so many bytes.
pub(super) fn printf(args: &[Given], dialect: &dyn Dialect, bytes_max: usize) -> Result<String, Wrong> {
    let Some((format, mut rest)) =
        args.split_first().and_then(|(first, rest)| Some((first.as_text()?, rest)))
    else {
        return Err(bad("printf", "its first value is a text such as \"%s\""));
    };
    let mut out = String::new();
    let mut behind = format;
    while let Some((before, after)) = behind.split_once('%') {
        out.push_str(before);
        let (verb, after) = verb(after)?;
        behind = after;
        if verb.letter == '%' {
            out.push('%');
            continue;
        }
        let Some((value, others)) = rest.split_first() else {
            return Err(bad("printf", format!("nothing is left for `%{}`", verb.letter.escape_debug())));
        };
        rest = others;
        out.push_str(&verb.filled(value, dialect)?);
        if out.len() > bytes_max {
            return Err(too_long(bytes_max));
        }
    }
    if dialect.is_strict() && !rest.is_empty() {
        return Err(bad("printf", "there are more values than places for them"));
    }
    out.push_str(behind);
    Ok(out)
}

/// Reads what follows a `%`, and gives back what follows that.
fn verb(text: &str) -> Result<(Verb, &str), Wrong> {
    let mut verb = Verb::default();
    let mut chars = text.chars();
    let mut next = chars.next();
    while let Some(flag @ ('-' | '0' | '+')) = next {
        match flag {
            '-' => verb.is_left = true,
            '0' => verb.is_zeros = true,
            _ => verb.has_sign = true,
        }
        next = chars.next();
    }
    while let Some(digit) = next.and_then(|c| c.to_digit(10)) {
        verb.width = (verb.width * 10 + digit as usize).min(WIDTH_MAX);
        next = chars.next();
    }
    if next == Some('.') {
        let rest = chars.as_str();
        let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        verb.precision = Some(rest[..digits].parse().unwrap_or(0).min(WIDTH_MAX));
        chars = rest[digits..].chars();
        next = chars.next();
    }
    verb.letter = next.ok_or_else(|| bad("printf", "`%` at the end"))?;
    Ok((verb, chars.as_str()))
}

impl Verb {
    fn filled(&self, value: &Given, dialect: &dyn Dialect) -> Result<String, Wrong> {
        let number = match value {
            Given::Data(Value::Number(number)) => Some(number),
            _ => None,
        };
        let whole =
            number.and_then(|number| number.as_i64().map(i128::from).or(number.as_u64().map(i128::from)));
        let wrong = || Err(bad("printf", format!("`%{}` is not for {}", self.letter, value.kind())));
        let text = match (self.letter, whole) {
            ('v', _) => value.shown(dialect)?,
            ('s', _) if !dialect.is_strict() || value.as_text().is_some() => value.shown(dialect)?,
            ('d', Some(whole)) => whole.to_string(),
            ('d' | 't', _) if !dialect.is_strict() => value.shown(dialect)?,
            ('t', _) if matches!(value, Given::Data(Value::Bool(_))) => value.shown(dialect)?,
            ('q', _) if !dialect.is_strict() || value.as_text().is_some() => {
                go_quoted(&value.shown(dialect)?)
            }
            ('x' | 'X' | 'o' | 'b', Some(whole)) => self.radix(whole),
            ('x' | 'X', None) if value.as_text().is_some() => {
                let hex: String = value.shown(dialect)?.bytes().map(|byte| format!("{byte:02x}")).collect();
                if self.letter == 'X' { hex.to_uppercase() } else { hex }
            }
            ('c', Some(whole)) => match u32::try_from(whole).ok().and_then(char::from_u32) {
                Some(c) => c.to_string(),
                None => return wrong(),
            },
            ('f', _) => {
                match number.filter(|number| number.is_f64() || !dialect.is_strict()).and_then(Number::as_f64)
                {
                    Some(number) => format!("{number:.*}", self.precision.unwrap_or(6)),
                    None => return wrong(),
                }
            }
            ('s' | 'd' | 't' | 'q' | 'x' | 'X' | 'o' | 'b' | 'c', _) => return wrong(),
            (other, _) => {
                let other = other.escape_debug();
                let known = "%v %s %q %d %x %X %o %b %c %t %f";
                return Err(bad("printf", format!("`%{other}` is not one of {known}")));
            }
        };
        Ok(self.padded(text, number.is_some()))
    }

    fn radix(&self, whole: i128) -> String {
        let size = whole.unsigned_abs();
        let digits = match self.letter {
            'x' => format!("{size:x}"),
            'X' => format!("{size:X}"),
            'o' => format!("{size:o}"),
            _ => format!("{size:b}"),
        };
        if whole < 0 { format!("-{digits}") } else { digits }
    }

    fn padded(&self, mut text: String, is_number: bool) -> String {
        if let Some(precision) = self.precision.filter(|_| matches!(self.letter, 's' | 'v') && !is_number) {
            text = text.chars().take(precision).collect();
        }
        let takes_sign = is_number && self.letter != 'c';
        if self.has_sign && takes_sign && !text.starts_with('-') {
            text.insert(0, '+');
        }
        let fill = self.width.saturating_sub(text.chars().count());
        if self.is_left {
            return text + &" ".repeat(fill);
        }
        if self.is_zeros {
            let sign = usize::from(takes_sign && text.starts_with(['-', '+']));
            text.insert_str(sign, &"0".repeat(fill));
            return text;
        }
        " ".repeat(fill) + &text
    }
}

/// As Go writes a string: not every sign that Rust escapes.
fn go_quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '\u{7}' => out.push_str("\\a"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{b}' => out.push_str("\\v"),
            c if c.is_ascii_control() => out.push_str(&format!("\\x{:02x}", u32::from(c))),
            c if c.is_control() => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}
