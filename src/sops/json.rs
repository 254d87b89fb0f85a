//! JSON to a tree with places: strict, except that a key's text may stand for anything. Numbers are read as Go's encoder
//! would write them back: SOPS makes its MAC of that.

use std::collections::BTreeSet;

use super::error::{Limit, SopsError};
use super::tree::{Branch, Document, Entry, Item, Leaf, Value, line_of};

/// Objects and lists within each other.
const DEPTH_MAX: usize = 64;

/// Reads an object with whatever is in it.
///
/// # Errors
///
/// It is no JSON, is nested too deep, or has a key twice: which of the two counts depends on who reads it.
pub fn read(text: &str) -> Result<Document, SopsError> {
    let mut reader = Reader { text, at: 0, values: 0 };
    let entries = reader.whole().ok_or_else(|| {
        if reader.values > Limit::Values.most() {
            return SopsError::TooLarge(Limit::Values);
        }
        SopsError::Malformed { format: "JSON", line: line_of(text, reader.at) }
    })?;
    Ok(Document { branches: vec![Branch { range: 0..text.len(), entries }] })
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
    values: usize,
}

impl Reader<'_> {
    fn whole(&mut self) -> Option<Vec<Entry>> {
        self.blank();
        let Item::Map(entries) = self.item(0)? else { return None };
        self.blank();
        (self.at == self.text.len()).then_some(entries)
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn blank(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn take(&mut self, word: &str) -> Option<()> {
        self.text[self.at..].starts_with(word).then(|| self.at += word.len())
    }

    fn item(&mut self, depth: usize) -> Option<Item> {
        let start = self.at;
        self.values += 1;
        if depth > DEPTH_MAX || self.values > Limit::Values.most() {
            return None;
        }
        let value = match self.peek()? {
            b'{' => return self.map(depth).map(Item::Map),
            b'[' => return self.list(depth).map(Item::List),
            b'"' => Value::Text(self.string()?),
            b't' => self.take("true").map(|()| Value::Bool(true))?,
            b'f' => self.take("false").map(|()| Value::Bool(false))?,
            b'n' => self.take("null").map(|()| Value::Null)?,
            _ => self.number()?,
        };
        Some(Item::Leaf(Leaf { at: start..self.at, value }))
    }

    fn map(&mut self, depth: usize) -> Option<Vec<Entry>> {
        let mut entries: Vec<Entry> = Vec::new();
        let mut keys = BTreeSet::new();
        self.take("{")?;
        self.blank();
        if self.take("}").is_some() {
            return Some(entries);
        }
        loop {
            self.blank();
            let start = self.at;
            let key = self.string()?;
            let key_at = start..self.at;
            if !keys.insert(key.clone()) {
                self.at = start;
                return None;
            }
            self.blank();
            self.take(":")?;
            self.blank();
            let value = self.item(depth + 1)?;
            entries.push(Entry { key, key_at, end: self.at, value });
            self.blank();
            if self.take(",").is_none() {
                return self.take("}").map(|()| entries);
            }
        }
    }

    fn list(&mut self, depth: usize) -> Option<Vec<Item>> {
        let mut items = Vec::new();
        self.take("[")?;
        self.blank();
        if self.take("]").is_some() {
            return Some(items);
        }
        loop {
            self.blank();
            items.push(self.item(depth + 1)?);
            self.blank();
            if self.take(",").is_none() {
                return self.take("]").map(|()| items);
            }
        }
    }

    fn string(&mut self) -> Option<String> {
        self.take("\"")?;
        let mut out = String::new();
        loop {
            let rest = &self.text[self.at..];
            let plain = rest.find(|c: char| c == '"' || c == '\\' || c < ' ')?;
            out.push_str(&rest[..plain]);
            self.at += plain + 1;
            match rest.as_bytes()[plain] {
                b'"' => return Some(out),
                b'\\' => out.push(self.escape()?),
                _ => {
                    self.at -= 1;
                    return None;
                }
            }
        }
    }

    /// What stands behind a backslash.
    fn escape(&mut self) -> Option<char> {
        let sign = self.peek()?;
        self.at += 1;
        Some(match sign {
            b'"' | b'\\' | b'/' => char::from(sign),
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => {
                let high = self.hex()?;
                let before = self.at;
                let low = if (0xd800..0xdc00).contains(&high) {
                    self.take("\\u").and_then(|()| self.hex()).filter(|low| (0xdc00..0xe000).contains(low))
                } else {
                    None
                };
                match low {
                    Some(low) => char::from_u32(0x1_0000 + ((high - 0xd800) << 10) + (low - 0xdc00))?,
                    None => {
                        self.at = before;
                        // Half a pair is what Go reads as a replacement character.
                        char::from_u32(high).unwrap_or(char::REPLACEMENT_CHARACTER)
                    }
                }
            }
            _ => return None,
        })
    }

    fn hex(&mut self) -> Option<u32> {
        let digits = self.text.get(self.at..self.at + 4)?;
        let is_hex = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        let number = u32::from_str_radix(digits, 16).ok().filter(|_| is_hex)?;
        self.at += 4;
        Some(number)
    }

    fn digits(&mut self) -> Option<()> {
        let start = self.at;
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        (self.at > start).then_some(())
    }

    fn number(&mut self) -> Option<Value> {
        let start = self.at;
        let _ = self.take("-");
        let whole = self.at;
        self.digits()?;
        if self.text[whole..self.at].starts_with('0') && self.at > whole + 1 {
            return None;
        }
        let mut is_whole = true;
        if self.take(".").is_some() {
            is_whole = false;
            self.digits()?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            is_whole = false;
            self.at += 1;
            let _ = self.take("+").or_else(|| self.take("-"));
            self.digits()?;
        }
        let text = &self.text[start..self.at];
        let exact = text.parse::<i64>().ok().filter(|_| is_whole);
        match exact {
            Some(number) => Some(Value::Whole(number.into())),
            None => text.parse().ok().filter(|float: &f64| float.is_finite()).map(Value::Float),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(text: &str) -> Option<Value> {
        let document = read(&format!("{{\"a\": {text}}}")).ok()?;
        let entry = document.branches.into_iter().next()?.entries.into_iter().next()?;
        match entry.value {
            Item::Leaf(leaf) => Some(leaf.value),
            _ => None,
        }
    }

    #[test]
    fn values_are_what_go_reads() {
        for (text, expected) in [
            ("0", Value::Whole(0)),
            ("-12", Value::Whole(-12)),
            ("9223372036854775807", Value::Whole(i64::MAX.into())),
            ("9223372036854775808", Value::Float(9_223_372_036_854_775_808.0)),
            ("1.0", Value::Float(1.0)),
            ("2e3", Value::Float(2000.0)),
            ("true", Value::Bool(true)),
            ("false", Value::Bool(false)),
            ("null", Value::Null),
            (r#""a\n\u00e9\ud83d\ude00\/""#, Value::Text("a\né😀/".to_owned())),
            (r#""\ud83dx\ude00""#, Value::Text("\u{fffd}x\u{fffd}".to_owned())),
        ] {
            assert_eq!(value(text), Some(expected), "{text}");
        }
    }

    #[test]
    fn what_is_no_json_is_refused_with_its_line() {
        let deep = format!("{}{}", "{\"a\": ".repeat(70), "[".repeat(70));
        for (text, line) in [
            ("", 1),
            ("[]", 1),
            ("{", 1),
            ("{\"a\": 1,\n}", 2),
            ("{\"a\": 1}\n\nx", 3),
            ("{\"a\": 01}", 1),
            ("{\"a\": .5}", 1),
            ("{\"a\": 1.}", 1),
            ("{\"a\": 1e}", 1),
            ("{\"a\": 1e999}", 1),
            ("{\"a\": \"\\x\"}", 1),
            ("{\"a\": \"\\u12\"}", 1),
            ("{\"a\": \"\\u+123\"}", 1),
            ("{\n\"a\": \"b\nc\"}", 2),
            ("{\"a\": 1,\n\"a\": 2}", 2),
            ("{\"a\": truf}", 1),
            (&deep, 1),
        ] {
            assert_eq!(read(text), Err(SopsError::Malformed { format: "JSON", line }), "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn reads_what_serde_reads(text in r#"[\[\]{}:,"\\a0-9.eE+\-u tfrunl]{0,24}"#) {
            let text = format!("{{\"a\":{text}}}");
            let theirs: Result<serde_json::Map<String, serde_json::Value>, _> = serde_json::from_str(&text);
            // Go's reader takes half pairs, serde does not; serde takes the last of equal keys.
            if theirs.is_ok() && !text.contains("\\u") && text.matches('"').count() < 4 {
                proptest::prop_assert!(read(&text).is_ok(), "{}", text);
            } else if read(&text).is_ok() && !text.contains("\\u") {
                proptest::prop_assert!(theirs.is_ok(), "{}", text);
            }
        }
    }
}
