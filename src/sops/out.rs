//! What comes out, as it grows: in one piece of memory, so that none of it is left where it was too small.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use super::error::{Limit, SopsError};
use crate::vault::Plaintext;

/// Bytes that are written for one that was encrypted, at most: an escape in JSON, less what base64 adds.
const GROWTH: usize = 5;

/// A text with secrets in it.
pub struct Out {
    bytes: Zeroizing<Vec<u8>>,
    room: usize,
}

impl Out {
    /// With room for all that a file of this length can hold.
    pub fn new(encrypted: usize) -> Self {
        let room = (encrypted.saturating_mul(GROWTH) + 64).min(Limit::Plain.most());
        Self { bytes: Zeroizing::new(Vec::with_capacity(room)), room }
    }

    /// Adds bytes as they are.
    ///
    /// # Errors
    ///
    /// They are too many.
    pub fn push(&mut self, bytes: &[u8]) -> Result<(), SopsError> {
        if self.bytes.len() + bytes.len() > self.room {
            return Err(SopsError::TooLarge(Limit::Plain));
        }
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }

    /// Adds a text in double quotes, with escapes that JSON and YAML share.
    pub fn push_quoted(&mut self, text: &str) -> Result<(), SopsError> {
        self.push(b"\"")?;
        let mut rest = text;
        while let Some((at, sign)) = rest.char_indices().find(|(_, sign)| is_escaped(*sign)) {
            self.push(&rest.as_bytes()[..at])?;
            match sign {
                '"' => self.push(b"\\\"")?,
                '\\' => self.push(b"\\\\")?,
                '\n' => self.push(b"\\n")?,
                '\r' => self.push(b"\\r")?,
                '\t' => self.push(b"\\t")?,
                other => self.push(Zeroizing::new(format!("\\u{:04x}", u32::from(other))).as_bytes())?,
            }
            rest = &rest[at + sign.len_utf8()..];
        }
        self.push(rest.as_bytes())?;
        self.push(b"\"")
    }

    /// Adds bytes that are no text, as YAML has them.
    pub fn push_yaml_bytes(&mut self, bytes: &[u8]) -> Result<(), SopsError> {
        self.push(b"!!binary ")?;
        self.push(Zeroizing::new(STANDARD.encode(bytes)).as_bytes())
    }

    /// Adds a text with its line breaks as `\n`, as a line of dotenv has them.
    pub fn push_line(&mut self, bytes: &[u8]) -> Result<(), SopsError> {
        for (number, part) in bytes.split(|byte| *byte == b'\n').enumerate() {
            if number > 0 {
                self.push(b"\\n")?;
            }
            self.push(part)?;
        }
        Ok(())
    }

    /// Whether what comes next begins a line.
    pub fn ends_line(&self) -> bool {
        self.bytes.last().is_none_or(|byte| *byte == b'\n')
    }

    /// All of it.
    pub fn finish(mut self) -> Plaintext {
        Plaintext::new(std::mem::take(&mut *self.bytes))
    }
}

/// What a reader of YAML or JSON, or a terminal, would take for something else.
fn is_escaped(sign: char) -> bool {
    matches!(
        sign,
        '"' | '\\' | '\0'..='\u{1f}' | '\u{7f}'..='\u{9f}' | '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}'
    )
}

/// A number as Go writes it: in YAML and in JSON it does so differently. `None` if it cannot be written.
pub fn number(value: f64, is_json: bool) -> Option<Zeroizing<String>> {
    if !value.is_finite() {
        let word = if value.is_nan() {
            ".nan"
        } else if value > 0.0 {
            ".inf"
        } else {
            "-.inf"
        };
        return (!is_json).then(|| Zeroizing::new(word.to_owned()));
    }
    let scientific = Zeroizing::new(format!("{value:e}"));
    let (digits, exponent) = scientific.split_once('e')?;
    let exponent: i32 = exponent.parse().ok()?;
    let plain = if is_json { -6..21 } else { -4..6 };
    if plain.contains(&exponent) {
        return Some(Zeroizing::new(value.to_string()));
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    let width = if is_json { 1 } else { 2 };
    Some(Zeroizing::new(format!("{digits}e{sign}{:0width$}", exponent.unsigned_abs())))
}

/// A number as SOPS makes its MAC of it.
pub fn digits(value: f64) -> Zeroizing<String> {
    Zeroizing::new(if value.is_infinite() {
        if value > 0.0 { "+Inf" } else { "-Inf" }.to_owned()
    } else {
        value.to_string()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_as_go_writes_them() {
        for (value, yaml, json, hashed) in [
            (0.0, "0", "0", "0"),
            (-0.0, "-0", "-0", "-0"),
            (3.0, "3", "3", "3"),
            (0.25, "0.25", "0.25", "0.25"),
            (123_456.0, "123456", "123456", "123456"),
            (1_000_000.0, "1e+06", "1000000", "1000000"),
            (1_234_567.5, "1.2345675e+06", "1234567.5", "1234567.5"),
            (0.0001, "0.0001", "0.0001", "0.0001"),
            (0.000_012, "1.2e-05", "0.000012", "0.000012"),
            (1e-7, "1e-07", "1e-7", "0.0000001"),
            (1e21, "1e+21", "1e+21", "1000000000000000000000"),
        ] {
            assert_eq!(number(value, false).unwrap().as_str(), yaml);
            assert_eq!(number(value, true).unwrap().as_str(), json);
            assert_eq!(digits(value).as_str(), hashed);
        }
        assert_eq!(number(f64::NEG_INFINITY, false).unwrap().as_str(), "-.inf");
        assert!(number(f64::NAN, true).is_none());
        assert_eq!((digits(f64::NAN).as_str(), digits(f64::INFINITY).as_str()), ("NaN", "+Inf"));
    }

    #[test]
    fn nothing_is_moved_and_too_much_is_refused() {
        let mut out = Out::new(Limit::Plain.most());
        let place = out.bytes.as_ptr();
        let all = vec![b'x'; Limit::Plain.most()];
        out.push(&all).unwrap();
        assert_eq!(out.push(b"x"), Err(SopsError::TooLarge(Limit::Plain)));
        assert_eq!(out.bytes.as_ptr(), place);
        let plain = out.finish();
        assert!(plain.expose() == all && plain.expose().as_ptr() == place);
    }

    proptest::proptest! {
        #[test]
        fn quoted_text_reads_back(text in "[\\x00-\\x{ff}\\u{2028}\\u{2029}\\u{feff}\\u{ffff}\\u{1f600}a-c: #]{0,20}") {
            let mut out = Out::new(text.len() + 10);
            out.push_quoted(&text).unwrap();
            let written = String::from_utf8(out.finish().expose().to_vec()).unwrap();
            proptest::prop_assert_eq!(serde_json::from_str::<String>(&written).unwrap(), text.clone());
            proptest::prop_assert_eq!(serde_saphyr::from_str::<String>(&written).unwrap(), text);
        }
    }
}
