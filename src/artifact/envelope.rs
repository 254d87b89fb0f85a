//! The envelope of files that one stackctl writes and another reads later: kind, format, and checksum. Knows nothing
//! of the content.
//!
//! The checksum is over the content with sorted keys: reformatting the file keeps it valid, changing the content does
//! not. It detects damage and careless edits. It is no signature: anyone can compute a valid one.

use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use crate::model::ids::sha256_hex;
use crate::model::json::json_lines;
use crate::model::{ClusterName, Timestamp};

/// The key of the file's kind.
const MARK: &str = "stackctl";
/// The format of this version.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The kind of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// An observation of a cluster.
    Snapshot,
    /// A saved plan.
    Plan,
}

impl Kind {
    const fn word(self) -> &'static str {
        match self {
            Self::Snapshot => "snapshot",
            Self::Plan => "plan",
        }
    }

    /// The format, which grows when the content changes its meaning.
    const fn format(self) -> u64 {
        match self {
            Self::Snapshot | Self::Plan => 1,
        }
    }

    /// The command that makes such a file.
    const fn maker(self) -> &'static str {
        match self {
            Self::Snapshot => "stackctl snapshot -o FILE",
            Self::Plan => "stackctl diff --out FILE …",
        }
    }

    /// Whether only the same version may use it, because another one might plan differently.
    const fn needs_our_version(self) -> bool {
        match self {
            Self::Snapshot => false,
            Self::Plan => true,
        }
    }
}

/// Why a file cannot be used.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum SealError {
    /// The file cannot be read.
    #[error("the {what} {path} cannot be read: {words}")]
    #[diagnostic(code(stackctl::saved::unreadable), help("check the path; `{maker}` makes one"))]
    Unreadable { what: &'static str, path: String, words: String, maker: &'static str },
    /// Not a file of this kind.
    #[error("{path} is no {what} of stackctl")]
    #[diagnostic(code(stackctl::saved::something_else), help("`{maker}` makes one"))]
    SomethingElse { what: &'static str, path: String, maker: &'static str },
    /// Of a format that this version does not read.
    #[error("the {what} {path} has format {found}, and this stackctl reads format {known}")]
    #[diagnostic(
        code(stackctl::saved::other_format),
        help(
            "stackctl {by} wrote it, this is {VERSION}: make a new one with this version (`{maker}`), or use the old version"
        )
    )]
    OtherFormat {
        what: &'static str,
        path: String,
        found: String,
        /// The format of this version.
        known: u64,
        by: String,
        maker: &'static str,
    },
    /// Made by another version, which might plan differently.
    #[error("the {what} {path} was made by stackctl {by}, and this is {VERSION}")]
    #[diagnostic(
        code(stackctl::saved::other_version),
        help(
            "another version may plan differently: make a new one with this version (`{maker}`), or use that version"
        )
    )]
    OtherVersion { what: &'static str, path: String, by: String, maker: &'static str },
    /// Incomplete, or changed since it was made.
    #[error("the {what} {path} is damaged: {words}")]
    #[diagnostic(
        code(stackctl::saved::damaged),
        help("it is incomplete, or was changed since it was made; make a new one: `{maker}`")
    )]
    Damaged { what: &'static str, path: String, words: String, maker: &'static str },
    /// The file belongs to another cluster than the inventory.
    #[error("the {what} {path} belongs to cluster `{theirs}`, and the inventory to cluster `{ours}`")]
    #[diagnostic(
        code(stackctl::saved::foreign),
        help("name the inventory of that cluster with `-i FILE`, or make one of this cluster: `{maker}`")
    )]
    Foreign { what: &'static str, path: String, theirs: ClusterName, ours: ClusterName, maker: &'static str },
    /// The file cannot be written.
    #[error("cannot write {path}: {why}")]
    #[diagnostic(code(stackctl::cli::cannot_write))]
    CannotWrite { path: String, why: std::io::Error },
}

/// The file's text.
///
/// # Panics
///
/// The content has keys that are no text, or numbers that JSON does not know.
#[must_use]
pub fn seal(kind: Kind, at: Timestamp, content: &impl Serialize) -> String {
    let content = serde_json::to_value(content).expect("string keys and finite numbers");
    let mut whole = json!({
        MARK: kind.word(),
        "format": kind.format(),
        "version": VERSION,
        "at": at.to_string(),
        "content": content,
    });
    whole["checksum"] = checksum(&whole).into();
    json_lines(&in_order(whole)) + "\n"
}

/// The content, if the checksum matches.
///
/// # Errors
///
/// The file cannot be read, is of another kind, format or version, or is damaged.
pub fn open<T: DeserializeOwned>(kind: Kind, path: &Path) -> Result<T, SealError> {
    let text = read(path).map_err(|words| SealError::Unreadable {
        what: kind.word(),
        path: path.display().to_string(),
        words,
        maker: kind.maker(),
    })?;
    unseal(kind, &path.display().to_string(), &text)
}

fn unseal<T: DeserializeOwned>(kind: Kind, path: &str, text: &[u8]) -> Result<T, SealError> {
    let (what, maker, path) = (kind.word(), kind.maker(), path.to_owned());
    let value: Value = match serde_json::from_slice(text) {
        Ok(value) => value,
        // An incomplete file still begins like a complete one.
        Err(error) if looks_like_ours(text) => {
            return Err(SealError::Damaged { what, path, words: error.to_string(), maker });
        }
        Err(_) => return Err(SealError::SomethingElse { what, path, maker }),
    };
    if value[MARK] != what {
        return Err(SealError::SomethingElse { what, path, maker });
    }
    if value["format"] != kind.format() {
        let found = value["format"].to_string();
        let by = value["version"].as_str().unwrap_or("of another version").to_owned();
        return Err(SealError::OtherFormat { what, path, found, known: kind.format(), by, maker });
    }
    if value["checksum"].as_str() != Some(&checksum(&value)) {
        let words = "its checksum does not match its content".to_owned();
        return Err(SealError::Damaged { what, path, words, maker });
    }
    if kind.needs_our_version() && value["version"] != VERSION {
        let by = value["version"].as_str().unwrap_or("of another version").to_owned();
        return Err(SealError::OtherVersion { what, path, by, maker });
    }
    T::deserialize(&value["content"]).map_err(|error| SealError::Damaged {
        what,
        path,
        words: error.to_string(),
        maker,
    })
}

/// The error for a file of another cluster.
#[must_use]
pub fn foreign(kind: Kind, path: &Path, theirs: &ClusterName, ours: &ClusterName) -> SealError {
    let path = path.display().to_string();
    let (theirs, ours) = (theirs.clone(), ours.clone());
    SealError::Foreign { what: kind.word(), path, theirs, ours, maker: kind.maker() }
}

/// The error for content that is invalid although its checksum matches.
#[must_use]
pub fn damaged(kind: Kind, path: &Path, words: String) -> SealError {
    let path = path.display().to_string();
    SealError::Damaged { what: kind.word(), path, words, maker: kind.maker() }
}

fn looks_like_ours(text: &[u8]) -> bool {
    let head = String::from_utf8_lossy(&text[..text.len().min(200)]);
    head.contains("\"checksum\"") || head.contains(&format!("\"{MARK}\""))
}

/// The checksum, over everything but itself.
fn checksum(whole: &Value) -> String {
    let mut whole = whole.clone();
    if let Value::Object(fields) = &mut whole {
        fields.remove("checksum");
    }
    format!("sha256:{}", sha256_hex(in_order(whole).to_string().as_bytes()))
}

/// The value with sorted keys, whatever order it was built in.
#[must_use]
pub fn in_order(value: Value) -> Value {
    match value {
        Value::Object(fields) => {
            let mut fields: Vec<(String, Value)> = fields.into_iter().collect();
            fields.sort_by(|a, b| a.0.cmp(&b.0));
            Value::Object(
                fields.into_iter().map(|(key, value)| (key, in_order(value))).collect::<Map<_, _>>(),
            )
        }
        Value::Array(list) => Value::Array(list.into_iter().map(in_order).collect()),
        plain => plain,
    }
}

#[expect(clippy::disallowed_methods, reason = "the user names the file")]
fn read(path: &Path) -> Result<Vec<u8>, String> {
    std::fs::read(path).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => "there is no such file".to_owned(),
        std::io::ErrorKind::IsADirectory => "it is a directory".to_owned(),
        _ => error.to_string(),
    })
}

/// Writes the file, or leaves the old one unchanged.
///
/// # Errors
///
/// The file cannot be written.
#[expect(clippy::disallowed_methods, reason = "the user names the file")]
pub fn write(path: &Path, text: &str) -> Result<(), SealError> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".part");
    let beside = Path::new(&beside);
    let written = if path.exists() && !path.is_file() {
        // A pipe, or /dev/stdout.
        std::fs::write(path, text)
    } else {
        std::fs::write(beside, text).and_then(|()| std::fs::rename(beside, path))
    };
    written.map_err(|why| SealError::CannotWrite { path: path.display().to_string(), why })
}

#[cfg(test)]
mod tests {
    use miette::Diagnostic as _;

    use super::*;

    fn opened(text: &str) -> Result<Value, String> {
        unseal(Kind::Snapshot, "x.json", text.as_bytes())
            .map_err(|error| error.code().map(|code| code.to_string()).unwrap_or_default())
    }

    fn sealed() -> String {
        seal(Kind::Snapshot, Timestamp(0), &json!({ "b": [1, {"z": 1.5, "a": null}], "a": "x" }))
    }

    #[test]
    fn what_was_sealed_is_opened_however_it_is_printed() {
        let text = sealed();
        assert_eq!(text, sealed(), "same input, same output");
        assert_eq!(opened(&text).unwrap()["a"], "x");
        let value: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(opened(&value.to_string()).unwrap()["b"][0], 1);
    }

    #[test]
    fn any_change_is_damage() {
        let text = sealed();
        let damaged = Err("stackctl::saved::damaged".to_owned());
        assert_eq!(opened(&text.replace("1.5", "1.6")), damaged);
        assert_eq!(opened(&text.replace("1970-01-01", "1971-01-01")), damaged);
        assert_eq!(opened(&text.replace("\"checksum\"", "\"no\"")), damaged);
        for end in 1..text.trim_end().len() {
            let cut = opened(&text[..end]).unwrap_err();
            assert!(cut == "stackctl::saved::damaged" || end < 60, "{end}: {cut}");
        }
    }

    #[test]
    fn what_is_of_another_kind_or_format_says_so() {
        let text = sealed();
        for other in ["", "services: {}", "{}", "[]", &text.replace("\"snapshot\"", "\"plan\"")] {
            assert_eq!(opened(other), Err("stackctl::saved::something_else".to_owned()), "{other}");
        }
        let other = text.replace("\"format\": 1", "\"format\": 2");
        assert_eq!(opened(&other), Err("stackctl::saved::other_format".to_owned()));
    }
}
