//! Values as text: JSON, made small where it is large, so that it fits a label or a file.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use super::register::ReadRegisters;

/// Texts longer than this are compressed.
const PLAIN_MAX: usize = 1024;
/// Before a compressed text.
const COMPRESSED: &str = "deflate:";
/// Fast and nearly as good as the best for JSON.
const LEVEL: u8 = 6;
/// What a record may come to when it is unpacked: more than any stack, less than a machine's memory.
const BYTES_MAX: usize = 256 << 20;

/// What is put into a place of a stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Value {
    /// Unique to this append: a reader knows by it whose value won the place.
    pub id: String,
    /// The managers it was written under.
    pub managers: Vec<String>,
    /// The record; nothing, where a place that was left incomplete is closed.
    pub data: serde_json::Value,
}

impl Value {
    /// As text for a register.
    #[must_use]
    pub fn pack(&self) -> String {
        pack(&serde_json::json!(self).to_string())
    }

    /// Back from text.
    pub fn unpack(text: &str) -> Result<Self, String> {
        serde_json::from_str(&unpack(text)?).map_err(|error| error.to_string())
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
    Value { id: fresh_id(), managers: registers.managers().to_vec(), data }
}

fn pack(json: &str) -> String {
    if json.len() <= PLAIN_MAX {
        return json.to_owned();
    }
    let small = miniz_oxide::deflate::compress_to_vec(json.as_bytes(), LEVEL);
    format!("{COMPRESSED}{}", STANDARD.encode(small))
}

fn unpack(text: &str) -> Result<String, String> {
    let Some(small) = text.strip_prefix(COMPRESSED) else { return Ok(text.to_owned()) };
    let small = STANDARD.decode(small).map_err(|error| error.to_string())?;
    let bytes = miniz_oxide::inflate::decompress_to_vec_with_limit(&small, BYTES_MAX)
        .map_err(|error| error.to_string())?;
    String::from_utf8(bytes).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_packed_is_unpacked() {
        for length in [0, 10, 2_000, 3_000_000] {
            let data = serde_json::json!({ "text": "some words ".repeat(length / 11) });
            let value = Value { id: "a".into(), managers: vec!["h1".into()], data };
            let text = value.pack();
            assert_eq!(Value::unpack(&text).as_ref(), Ok(&value));
            assert!(text.len() < PLAIN_MAX + length / 10, "{length}: {}", text.len());
        }
        assert!(Value::unpack("deflate:!").is_err());
        assert!(Value::unpack("deflate:AAAA").is_err());
        assert!(Value::unpack("no").is_err());
    }
}
