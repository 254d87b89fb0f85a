//! A task's secrets as they go over the wire: what each file is, and its value, in base64.
//!
//! A value is a [`Plaintext`] before and behind it, and its text is overwritten once it was sent or read. What the HTTP
//! client and server copy while they do that is not: it stays in freed memory of these processes.

use std::io;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize as _, Zeroizing};

use crate::vault::Plaintext;

/// One file of a task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecretFile {
    /// The secret's name.
    pub name: String,
    /// The version of its value.
    pub version: String,
    pub uid: u32,
    pub gid: u32,
    pub mode: u32,
    /// Where files of the task are swapped, its name in their folder: empty if it has none there. Nothing where it is
    /// mounted by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<String>,
}

impl SecretFile {
    /// Whether another file has the same value.
    #[must_use]
    pub fn has_value_of(&self, other: &Self) -> bool {
        (&self.name, &self.version) == (&other.name, &other.version)
    }
}

/// What a task is of: where its host is off, others know by this which tasks are over.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Owner {
    pub stack: String,
    pub service: String,
    pub slot: String,
    /// By chance, of the agent that was brought the secrets: a task that is made again under the same id has another one.
    #[serde(default)]
    pub born: u64,
}

/// The files of a task. One without a value is made from another task's on the same host.
#[derive(Debug, Clone)]
pub struct SecretsPut {
    pub task: String,
    /// None of a client or an agent that does not say.
    pub of: Option<Owner>,
    pub files: Vec<(SecretFile, Option<Arc<Plaintext>>)>,
}

/// A task that is over.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Over {
    pub task: String,
    /// What its agent drew: see [`Owner`].
    pub born: u64,
}

impl Over {
    /// Whether these are the secrets of that task.
    #[must_use]
    pub fn is_of(&self, put: &SecretsPut) -> bool {
        put.task == self.task && put.of.as_ref().is_some_and(|of| of.born == self.born)
    }
}

#[derive(Serialize)]
struct Written<'a> {
    protocol: u32,
    request: &'a str,
    task: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    of: Option<&'a Owner>,
    files: Vec<WrittenFile<'a>>,
}

#[derive(Serialize)]
struct WrittenFile<'a> {
    #[serde(flatten)]
    file: &'a SecretFile,
    value: Option<&'a str>,
}

#[derive(Deserialize)]
struct Read<'a> {
    task: String,
    #[serde(default)]
    of: Option<Owner>,
    #[serde(borrow)]
    files: Vec<ReadFile<'a>>,
}

/// Field by field: what serde flattens it copies before.
#[derive(Deserialize)]
struct ReadFile<'a> {
    name: String,
    version: String,
    uid: u32,
    gid: u32,
    mode: u32,
    #[serde(default)]
    place: Option<String>,
    value: Option<&'a str>,
}

/// Which part of a set something is, that is sent in several.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// The first is 0.
    pub at: u32,
    pub is_last: bool,
}

/// What a set is, of which these are all tasks or some.
#[derive(Debug, Clone, Copy, Serialize)]
pub(super) struct OfSet<'a> {
    pub word: &'a str,
    pub digest: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub part: Option<Part>,
}

/// Several tasks, and what they are together.
#[derive(Serialize)]
struct WrittenSet<'a> {
    #[serde(flatten)]
    of: OfSet<'a>,
    tasks: Vec<WrittenTask<'a>>,
}

#[derive(Serialize)]
struct WrittenTask<'a> {
    task: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    of: Option<&'a Owner>,
    files: Vec<WrittenFile<'a>>,
}

#[derive(Deserialize)]
struct ReadSet<'a> {
    #[serde(borrow)]
    tasks: Vec<Read<'a>>,
}

/// Values in base64.
type Texts = Vec<Option<Zeroizing<String>>>;

fn texts(put: &SecretsPut) -> Texts {
    let text = |value: &Arc<Plaintext>| Zeroizing::new(STANDARD.encode(value.expose()));
    put.files.iter().map(|(_, value)| value.as_ref().map(text)).collect()
}

fn written<'a>(put: &'a SecretsPut, texts: &'a Texts) -> Vec<WrittenFile<'a>> {
    let files = put.files.iter().zip(texts);
    files
        .map(|((file, _), text)| WrittenFile { file, value: text.as_ref().map(|text| text.as_str()) })
        .collect()
}

/// As bytes. No part of them is left behind elsewhere: they are as many from the start.
pub(super) fn write(protocol: u32, request: &str, put: &SecretsPut) -> Zeroizing<Vec<u8>> {
    let texts = texts(put);
    counted(&Written { protocol, request, task: &put.task, of: put.of.as_ref(), files: written(put, &texts) })
}

/// The same of several tasks, under a word for what is done with them.
pub(super) fn write_set(of: OfSet<'_>, set: &[SecretsPut]) -> Zeroizing<Vec<u8>> {
    let texts: Vec<Texts> = set.iter().map(texts).collect();
    let tasks = set.iter().zip(&texts);
    let tasks = tasks.map(|(put, texts)| WrittenTask {
        task: &put.task,
        of: put.of.as_ref(),
        files: written(put, texts),
    });
    counted(&WrittenSet { of, tasks: tasks.collect() })
}

/// What can be written, as bytes that are as many from the start.
pub(super) fn counted(written: &impl Serialize) -> Zeroizing<Vec<u8>> {
    let mut length = Counted(0);
    let _is_counted = serde_json::to_writer(&mut length, written);
    let mut bytes = Zeroizing::new(Vec::with_capacity(length.0));
    serde_json::to_writer(&mut *bytes, written).expect("strings and numbers can be written to memory");
    bytes
}

/// Back from bytes. The words about what is no request have nothing in them of what was sent.
pub(super) fn read(bytes: &[u8]) -> Result<SecretsPut, String> {
    let read: Read<'_> = serde_json::from_slice(bytes)
        .map_err(|error| format!("no task and files at line {}, column {}", error.line(), error.column()))?;
    put_of(read)
}

/// Bytes that came, which may have values of secrets in them: they are overwritten when they are dropped.
pub(super) struct Came(pub Bytes);

impl Drop for Came {
    fn drop(&mut self) {
        if let Ok(mut bytes) = std::mem::take(&mut self.0).try_into_mut() {
            bytes.as_mut().zeroize();
        }
    }
}

/// Several tasks back from bytes.
pub(super) fn read_set(bytes: &[u8]) -> Result<Vec<SecretsPut>, String> {
    let read: ReadSet<'_> = serde_json::from_slice(bytes)
        .map_err(|error| format!("no tasks and files at line {}, column {}", error.line(), error.column()))?;
    read.tasks.into_iter().map(put_of).collect()
}

fn put_of(read: Read<'_>) -> Result<SecretsPut, String> {
    let mut files = Vec::with_capacity(read.files.len());
    for (at, file) in read.files.into_iter().enumerate() {
        let value = match file.value {
            None => None,
            Some(text) => {
                Some(Arc::new(decoded(text).ok_or_else(|| format!("the value of file {at} is no base64"))?))
            }
        };
        let ReadFile { name, version, uid, gid, mode, place, .. } = file;
        files.push((SecretFile { name, version, uid, gid, mode, place }, value));
    }
    Ok(SecretsPut { task: read.task, of: read.of, files })
}

/// Into memory that is large enough from the start.
fn decoded(text: &str) -> Option<Plaintext> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(base64::decoded_len_estimate(text.len())));
    STANDARD.decode_vec(text, &mut bytes).ok()?;
    Some(Plaintext::new(std::mem::take(&mut *bytes)))
}

/// Counts what is written.
struct Counted(usize);

impl io::Write for Counted {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(name: &str) -> SecretFile {
        SecretFile { name: name.into(), version: "v1".into(), uid: 7, gid: 8, mode: 0o440, place: None }
    }

    #[test]
    fn what_is_written_is_read_back_and_nothing_was_moved() {
        let value = |bytes: &[u8]| Some(Arc::new(Plaintext::new(bytes.to_vec())));
        let of = Owner { stack: "s\"t".into(), service: "web".into(), slot: "1".into(), born: u64::MAX };
        let put = SecretsPut {
            task: "abc".into(),
            of: Some(of.clone()),
            files: vec![
                (file("a\"b"), value(b"hunter2\n")),
                (SecretFile { place: Some("c/d".into()), ..file("c") }, None),
                (file("d"), value(&[0, 255, 10])),
            ],
        };
        let written = write(2, "secrets_put", &put);
        assert_eq!(written.len(), written.capacity(), "it never grew");
        let back = read(&written).unwrap();
        assert_eq!((back.task.as_str(), &back.of), ("abc", &Some(of)));
        for ((file, value), (same, read)) in put.files.iter().zip(&back.files) {
            assert_eq!(file, same);
            let bytes = |one: &Option<Arc<Plaintext>>| one.as_ref().map(|one| one.expose().to_vec());
            assert_eq!(bytes(value), bytes(read));
        }
        assert!(!format!("{back:?}").contains("hunter2"));
        let part = Some(Part { at: 7, is_last: true });
        let set = write_set(OfSet { word: "keep", digest: "d", part }, &[put.clone(), put]);
        assert_eq!(set.len(), set.capacity(), "it never grew");
        let back = read_set(&set).unwrap();
        assert_eq!((back.len(), back[1].files[0].0.name.as_str()), (2, "a\"b"));
    }

    #[test]
    fn words_about_mistakes_have_no_value_in_them() {
        let of = |value: &str, mode: &str| {
            let text = format!(
                r#"{{"task": "a", "files": [{{"name": "n", "version": "v", "uid": 0, "gid": 0, "mode": {mode}, "value": {value}}}]}}"#
            );
            read(text.as_bytes()).map(drop)
        };
        assert_eq!(of(r#""aHVudGVyMg==""#, "1"), Ok(()));
        for (value, mode) in
            [(r#""hunter2!""#, "1"), (r#"["hunter2"]"#, "1"), ("null", r#""hunter2""#), ("7", "1")]
        {
            let why = of(value, mode).unwrap_err();
            assert!(!why.contains("hunter2") && !why.is_empty(), "{why}");
        }
    }
}
