//! The envelope of files that one stackctl writes and another reads later: kind, format, and checksum. Knows nothing
//! of the content.
//!
//! The checksum is over the content with sorted keys: reformatting the file keeps it valid, changing the content does
//! not. It detects damage and careless edits. It is no signature: anyone can compute a valid one.

use std::io::{Read as _, Write as _};
use std::path::Path;

use serde::de::DeserializeOwned;
use serde::{Deserialize as _, Serialize};
use serde_json::{Map, Value, json};

use crate::model::ids::sha256_hex;
use crate::model::json::json_lines;
use crate::model::{ClusterName, Format, Timestamp};

/// The key of the file's kind.
const MARK: &str = "stackctl";
/// The format of this version.
const VERSION: &str = env!("CARGO_PKG_VERSION");
/// Larger than any snapshot or plan.
const BYTES_MAX: u64 = 64 << 20;

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
    #[error("the {what} {path} cannot be used: {why}")]
    #[diagnostic(
        code(stackctl::saved::other_format),
        help(
            "stackctl {by} wrote it, this is {VERSION}: make a new one with this version (`{maker}`), or use the old version"
        )
    )]
    OtherFormat {
        what: &'static str,
        path: String,
        /// Which version may read it.
        why: String,
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
        "format": Format::CURRENT.number,
        "read": Format::CURRENT.read,
        "write": Format::CURRENT.write,
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
    let text = read_at_most(path, BYTES_MAX).map_err(|words| SealError::Unreadable {
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
    if let Err(why) = check_format(&value) {
        let by = value["version"].as_str().unwrap_or("of another version").to_owned();
        return Err(SealError::OtherFormat { what, path, why, by, maker });
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

/// The first format has a number alone.
fn check_format(whole: &Value) -> Result<(), String> {
    let format = match Format::deserialize(whole) {
        Ok(format) => format,
        Err(_) if whole["format"] == Format::FIRST.number => Format::FIRST,
        Err(_) => return Err(format!("it has format {}, and does not say who may read it", whole["format"])),
    };
    format.check_read().map_err(|why| why.to_string())
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

/// Reads a file that the user names, if it is no larger than `most` bytes.
///
/// # Errors
///
/// The reason in words, for people.
#[expect(clippy::disallowed_methods, reason = "the user names the file")]
pub fn read_at_most(path: &Path, most: u64) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let read = std::fs::File::open(path).and_then(|file| file.take(most + 1).read_to_end(&mut bytes));
    match read {
        Ok(_) if u64::try_from(bytes.len()).is_ok_and(|read| read <= most) => Ok(bytes),
        Ok(_) => Err(format!("it is larger than {} MiB", most >> 20)),
        Err(error) => Err(match error.kind() {
            std::io::ErrorKind::NotFound => "there is no such file".to_owned(),
            std::io::ErrorKind::IsADirectory => "it is a directory".to_owned(),
            _ => error.to_string(),
        }),
    }
}

/// Writes the file for its owner alone, or leaves the old one unchanged.
///
/// # Errors
///
/// The file cannot be written.
#[expect(clippy::disallowed_methods, reason = "the user names the file")]
pub fn write(path: &Path, text: &str) -> Result<(), SealError> {
    let written = if path.exists() && !path.is_file() {
        // A pipe, or /dev/stdout.
        std::fs::write(path, text)
    } else {
        write_private(path, text)
    };
    written.map_err(|why| SealError::CannotWrite { path: path.display().to_string(), why })
}

/// The new file has a name that did not exist: at one that can be guessed another user may have put a link.
#[expect(clippy::disallowed_methods, reason = "the user names the file")]
fn write_private(path: &Path, text: &str) -> std::io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let mut beside = path.as_os_str().to_owned();
    beside.push(format!(".{}.part", std::process::id()));
    let beside = Path::new(&beside);
    let options = std::fs::File::options().write(true).create_new(true).mode(0o600).clone();
    let opened = options.open(beside).or_else(|error| match error.kind() {
        // Left by a process of this number that died; what is there is removed, never written to.
        std::io::ErrorKind::AlreadyExists => std::fs::remove_file(beside).and_then(|()| options.open(beside)),
        _ => Err(error),
    });
    let written = opened.and_then(|mut file| {
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        std::fs::rename(beside, path)
    });
    if written.is_err() {
        let _is_gone = std::fs::remove_file(beside);
    }
    written
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
    }

    #[test]
    fn a_newer_format_says_which_version_is_needed_and_the_first_is_read() {
        let newer = sealed().replace("\"read\": \"0.3.0\"", "\"read\": \"99.0.0\"");
        let error = unseal::<Value>(Kind::Snapshot, "x.json", newer.as_bytes()).unwrap_err().to_string();
        assert!(error.contains("stackctl 99.0.0 or newer may read it"), "{error}");
        let mut first: Value = serde_json::from_str(&sealed()).unwrap();
        let fields = first.as_object_mut().unwrap();
        fields.remove("read");
        fields.remove("write");
        fields["format"] = json!(9);
        assert_eq!(opened(&first.to_string()), Err("stackctl::saved::other_format".to_owned()));
        first["format"] = json!(1);
        first["checksum"] = json!(checksum(&first));
        assert_eq!(opened(&first.to_string()).unwrap()["a"], "x");
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "looks at the files")]
    fn what_is_written_is_for_its_owner_alone_and_follows_no_link() {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = tempfile::tempdir().unwrap();
        let (path, victim) = (dir.path().join("plan.bin"), dir.path().join("victim"));
        std::fs::write(&victim, "mine").unwrap();
        for name in ["plan.bin.part".to_owned(), format!("plan.bin.{}.part", std::process::id())] {
            std::os::unix::fs::symlink(&victim, dir.path().join(name)).unwrap();
        }
        write(&path, "text").unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "text");
        assert_eq!(std::fs::read_to_string(&victim).unwrap(), "mine");
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn a_file_that_is_too_large_is_not_read() {
        let file = tempfile::NamedTempFile::new().unwrap();
        file.as_file().set_len(1 << 40).unwrap();
        let read = open::<Value>(Kind::Plan, file.path()).unwrap_err().to_string();
        assert!(read.contains("larger than 64 MiB"), "{read}");
    }
}
