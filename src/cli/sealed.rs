//! Files that one stackctl writes and another reads later: what they are, of which format, and whether they
//! are whole. Knows nothing of what is in them.
//!
//! The checksum is over the content with its keys in order: whoever prints the file prettier breaks nothing,
//! whoever changes it does. It guards against damage and carelessness. It is no signature: anybody can make
//! one that is right.

use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use super::report::Failure;
use super::template::json_lines;
use crate::model::ids::sha256_hex;
use crate::model::{ClusterName, Timestamp};

/// Under which key it says what it is.
const MARK: &str = "stackctl";
/// Ours.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// What such a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// What was seen of a cluster.
    Snapshot,
    /// What is to be done about one.
    Plan,
}

impl Kind {
    const fn word(self) -> &'static str {
        match self {
            Self::Snapshot => "snapshot",
            Self::Plan => "plan",
        }
    }

    /// Grows when what is in it changes its meaning.
    const fn format(self) -> u64 {
        match self {
            Self::Snapshot | Self::Plan => 1,
        }
    }

    /// How one is made.
    const fn maker(self) -> &'static str {
        match self {
            Self::Snapshot => "stackctl snapshot -o FILE",
            Self::Plan => "stackctl diff --out FILE …",
        }
    }

    /// Whether another version, even of the same format, may come to something else with it.
    const fn needs_our_version(self) -> bool {
        match self {
            Self::Snapshot => false,
            Self::Plan => true,
        }
    }
}

/// Why such a file cannot be used.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub(super) enum SealError {
    #[error("the {what} {path} cannot be read: {words}")]
    #[diagnostic(code(stackctl::saved::unreadable), help("check the path; `{maker}` makes one"))]
    Unreadable { what: &'static str, path: String, words: String, maker: &'static str },
    #[error("{path} is no {what} of stackctl")]
    #[diagnostic(code(stackctl::saved::something_else), help("`{maker}` makes one"))]
    SomethingElse { what: &'static str, path: String, maker: &'static str },
    #[error("the {what} {path} is of format {found}, and this stackctl reads format {known}")]
    #[diagnostic(
        code(stackctl::saved::other_format),
        help(
            "it was made by stackctl {by}, this is {VERSION}: make it anew with this one (`{maker}`), or use that one"
        )
    )]
    OtherFormat {
        what: &'static str,
        path: String,
        found: String,
        known: u64,
        by: String,
        maker: &'static str,
    },
    #[error("the {what} {path} was made by stackctl {by}, and this is {VERSION}")]
    #[diagnostic(
        code(stackctl::saved::other_version),
        help("another version may plan otherwise: make it anew with this one (`{maker}`), or use that one")
    )]
    OtherVersion { what: &'static str, path: String, by: String, maker: &'static str },
    #[error("the {what} {path} is damaged: {words}")]
    #[diagnostic(
        code(stackctl::saved::damaged),
        help("it was cut or changed since it was made; make it anew: `{maker}`")
    )]
    Damaged { what: &'static str, path: String, words: String, maker: &'static str },
    #[error("the {what} {path} is of cluster `{theirs}`, and this is cluster `{ours}`")]
    #[diagnostic(
        code(stackctl::saved::foreign),
        help("name the inventory of that cluster with `-i FILE`, or make one of this cluster: `{maker}`")
    )]
    Foreign { what: &'static str, path: String, theirs: ClusterName, ours: ClusterName, maker: &'static str },
    #[error("cannot write {path}: {why}")]
    #[diagnostic(code(stackctl::cli::cannot_write))]
    CannotWrite { path: String, why: std::io::Error },
}

/// The file's text.
pub(super) fn seal(kind: Kind, at: Timestamp, content: &impl Serialize) -> String {
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

/// What is in it, if it is whole.
pub(super) fn open<T: DeserializeOwned>(kind: Kind, path: &Path) -> Result<T, Failure> {
    let text = read(path).map_err(|words| {
        Failure::refused(SealError::Unreadable {
            what: kind.word(),
            path: path.display().to_string(),
            words,
            maker: kind.maker(),
        })
    })?;
    unseal(kind, &path.display().to_string(), &text).map_err(Failure::refused)
}

fn unseal<T: DeserializeOwned>(kind: Kind, path: &str, text: &[u8]) -> Result<T, SealError> {
    let (what, maker, path) = (kind.word(), kind.maker(), path.to_owned());
    let value: Value = match serde_json::from_slice(text) {
        Ok(value) => value,
        // A file that was cut still begins as one of ours.
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
        let words = "its checksum is not that of its content".to_owned();
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

/// That it is of another cluster than ours.
pub(super) fn foreign(kind: Kind, path: &Path, theirs: &ClusterName, ours: &ClusterName) -> Failure {
    let path = path.display().to_string();
    let (theirs, ours) = (theirs.clone(), ours.clone());
    Failure::refused(SealError::Foreign { what: kind.word(), path, theirs, ours, maker: kind.maker() })
}

/// That what is in it makes no sense, though its checksum is right.
pub(super) fn damaged(kind: Kind, path: &Path, words: String) -> Failure {
    let path = path.display().to_string();
    Failure::refused(SealError::Damaged { what: kind.word(), path, words, maker: kind.maker() })
}

fn looks_like_ours(text: &[u8]) -> bool {
    let head = String::from_utf8_lossy(&text[..text.len().min(200)]);
    head.contains("\"checksum\"") || head.contains(&format!("\"{MARK}\""))
}

/// Over all but itself.
fn checksum(whole: &Value) -> String {
    let mut whole = whole.clone();
    if let Value::Object(fields) = &mut whole {
        fields.remove("checksum");
    }
    format!("sha256:{}", sha256_hex(in_order(whole).to_string().as_bytes()))
}

/// With keys by name, however this was built.
pub(super) fn in_order(value: Value) -> Value {
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

#[expect(clippy::disallowed_methods, reason = "whoever types the command names the file")]
fn read(path: &Path) -> Result<Vec<u8>, String> {
    std::fs::read(path).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => "there is no such file".to_owned(),
        std::io::ErrorKind::IsADirectory => "it is a directory".to_owned(),
        _ => error.to_string(),
    })
}

/// Writes it, or what was there stays.
#[expect(clippy::disallowed_methods, reason = "whoever types the command names the file")]
pub(super) fn write(path: &Path, text: &str) -> Result<(), Failure> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".part");
    let beside = Path::new(&beside);
    let written = if path.exists() && !path.is_file() {
        // A pipe, or /dev/stdout.
        std::fs::write(path, text)
    } else {
        std::fs::write(beside, text).and_then(|()| std::fs::rename(beside, path))
    };
    written.map_err(|why| Failure::refused(SealError::CannotWrite { path: path.display().to_string(), why }))
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
