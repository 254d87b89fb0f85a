//! Values as text: JSON, made small where it is large, so that it fits a label or a file.
//!
//! Versions before 0.3.0 wrote no [`Format`], and the record under `data`. Since then it is under `record`: a program
//! that knows no formats finds no `data` in the value and reads nothing of the stream, so that it cannot act on a part
//! of what is recorded.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::Map;

use super::error::LedgerError;
use super::register::{ReadRegisters, Stream};
use crate::model::Format;
use crate::model::format::TooOld;

/// Texts longer than this are compressed.
const PLAIN_MAX: usize = 1024;
/// Before a compressed text.
const COMPRESSED: &str = "deflate:";
/// Fast and nearly as good as the best for JSON.
const LEVEL: u8 = 6;
/// What a record may come to when it is unpacked: more than any stack, less than a machine's memory.
const BYTES_MAX: usize = 64 << 20;

/// What is put into a place of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Value {
    /// Unique to this append: a reader knows by it whose value won the place.
    pub id: String,
    /// The managers it was written under.
    pub managers: Vec<String>,
    /// Of the record.
    pub format: Format,
    /// The record; nothing, where a place that was left incomplete is closed.
    pub data: serde_json::Value,
}

/// A value as JSON.
#[derive(Debug, Serialize)]
struct Frame {
    id: String,
    managers: Vec<String>,
    #[serde(flatten)]
    format: Format,
    record: serde_json::Value,
}

/// What stands beside the record.
#[derive(Debug, Deserialize)]
struct Head {
    id: String,
    managers: Vec<String>,
}

/// Where the record is, and where it was in versions before 0.3.0.
const RECORD: &str = "record";
const FIRST_RECORD: &str = "data";

/// Why a value cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotRead {
    /// A newer program wrote it.
    TooOld(TooOld),
    /// It is cut off, foreign, or too large.
    Damaged(String),
}

impl NotRead {
    /// The error for a place of a stream.
    #[must_use]
    pub fn at(self, stream: &Stream, seq: u64) -> LedgerError {
        let stream = stream.to_string();
        match self {
            Self::TooOld(why) => LedgerError::Newer { stream, seq, why: why.to_string() },
            Self::Damaged(detail) => LedgerError::Unreadable { stream, seq, detail },
        }
    }
}

impl Value {
    /// As text for a register.
    #[must_use]
    pub fn pack(&self) -> String {
        let Self { id, managers, format, data } = self.clone();
        pack(&serde_json::json!(Frame { id, managers, format, record: data }).to_string())
    }

    /// Back from text.
    ///
    /// # Errors
    ///
    /// A newer program wrote it, or it is damaged.
    pub fn unpack(text: &str) -> Result<Self, NotRead> {
        let damaged = |error: serde_json::Error| NotRead::Damaged(error.to_string());
        let json = unpack(text).map_err(NotRead::Damaged)?;
        let mut whole: Map<String, serde_json::Value> = serde_json::from_str(&json).map_err(damaged)?;
        // Taken out, and not copied with what stands beside it: a loop reads all of a stream at each look.
        let mut taken =
            |key: &str| whole.remove(key).ok_or_else(|| NotRead::Damaged(format!("missing field `{key}`")));
        let (record, first) = (taken(RECORD), taken(FIRST_RECORD));
        let whole = serde_json::Value::Object(whole);
        let is_first = whole.get("format").is_none();
        let format = match is_first {
            true => Format::FIRST,
            false => Format::deserialize(&whole).map_err(damaged)?,
        };
        // First of all: nothing else need be as this version knows it.
        format.check_read().map_err(NotRead::TooOld)?;
        let data = if is_first { first? } else { record? };
        let Head { id, managers } = Head::deserialize(&whole).map_err(damaged)?;
        Ok(Self { id, managers, format, data })
    }
}

/// A unique id.
#[must_use]
pub fn fresh_id() -> String {
    use std::hash::{BuildHasher as _, Hasher as _};
    // Seeded by the system's randomness; a new one for each is what makes ids differ within a process.
    let number = std::hash::RandomState::new().build_hasher().finish();
    format!("{number:016x}")
}

/// A value of this append alone.
pub fn value(registers: &impl ReadRegisters, data: serde_json::Value) -> Value {
    Value { id: fresh_id(), managers: registers.managers().to_vec(), format: Format::CURRENT, data }
}

fn pack(json: &str) -> String {
    if json.len() <= PLAIN_MAX {
        return json.to_owned();
    }
    let small = miniz_oxide::deflate::compress_to_vec(json.as_bytes(), LEVEL);
    format!("{COMPRESSED}{}", STANDARD.encode(small))
}

fn unpack(text: &str) -> Result<String, String> {
    if text.len() > BYTES_MAX {
        return Err(format!("it has {} bytes, more than any record", text.len()));
    }
    let Some(small) = text.strip_prefix(COMPRESSED) else { return Ok(text.to_owned()) };
    let small = STANDARD.decode(small).map_err(|error| error.to_string())?;
    let bytes = miniz_oxide::inflate::decompress_to_vec_with_limit(&small, BYTES_MAX)
        .map_err(|error| error.to_string())?;
    String::from_utf8(bytes).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(data: serde_json::Value) -> Value {
        Value { id: "a".into(), managers: vec!["h1".into()], format: Format::CURRENT, data }
    }

    #[test]
    fn what_is_packed_is_unpacked() {
        for length in [0, 10, 2_000, 3_000_000] {
            let value = value(serde_json::json!({ "text": "some words ".repeat(length / 11) }));
            let text = value.pack();
            assert_eq!(Value::unpack(&text).as_ref(), Ok(&value));
            assert!(text.len() < PLAIN_MAX + length / 10, "{length}: {}", text.len());
        }
    }

    #[test]
    fn what_is_cut_off_or_foreign_is_damaged() {
        let text = value(serde_json::json!({ "text": "some words ".repeat(900) })).pack();
        assert!(text.starts_with(COMPRESSED));
        let cut = (0..text.len()).step_by(7).map(|end| &text[..end]);
        for bad in cut.chain(["deflate:!", "deflate:AAAA", "no", "{}", "[]", "null"]) {
            assert!(matches!(Value::unpack(bad), Err(NotRead::Damaged(_))), "{bad}");
        }
    }

    #[test]
    fn a_small_text_that_unpacks_to_a_large_one_is_refused() {
        let bomb = miniz_oxide::deflate::compress_to_vec(&vec![b' '; BYTES_MAX + 1], LEVEL);
        let text = format!("{COMPRESSED}{}", STANDARD.encode(bomb));
        assert!(text.len() < 1 << 20);
        assert!(matches!(Value::unpack(&text), Err(NotRead::Damaged(_))));
    }

    #[test]
    fn a_value_without_a_number_is_of_the_first_format() {
        let text = r#"{"data":{"x":1},"id":"a","managers":["h1"]}"#;
        let first = Value { format: Format::FIRST, ..value(serde_json::json!({ "x": 1 })) };
        assert_eq!(Value::unpack(text), Ok(first.clone()));
        // Written back it has a number, and stays what it is.
        assert_eq!(Value::unpack(&first.pack()), Ok(first));
    }

    #[test]
    fn a_program_that_knows_no_formats_finds_nothing_to_read() {
        /// As versions before 0.3.0 read it.
        #[derive(Debug, Deserialize)]
        #[allow(dead_code, reason = "it is refused")]
        struct FirstFrame {
            id: String,
            managers: Vec<String>,
            data: serde_json::Value,
        }
        let text = value(serde_json::json!({ "x": 1 })).pack();
        let error = serde_json::from_str::<FirstFrame>(&text).unwrap_err().to_string();
        assert!(error.starts_with("missing field `data`"), "{error}");
    }

    #[test]
    fn a_newer_value_says_which_version_is_needed_whatever_else_is_in_it() {
        let text = r#"{"format":9,"read":"99.0.0","write":"99.1.0","sealed":"?"}"#;
        let Err(NotRead::TooOld(why)) = Value::unpack(text) else { panic!() };
        assert!(why.to_string().contains("stackctl 99.0.0 or newer may read it"), "{why}");
        let readable = text.replace("99.0.0", "0.1.0");
        assert!(matches!(Value::unpack(&readable), Err(NotRead::Damaged(_))), "it lacks an id");
    }
}
