//! The inputs of a stack: every file and every variable that was read for it, so that a later run can find out
//! whether any of them has changed.
//!
//! Files are kept as digests. A saved file contains only marks of digests and of variables, because these often
//! hold passwords.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::redact::Salt;
use crate::compose::Files;
use crate::model::ids::sha256_hex;

/// The inputs that were read.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inputs {
    /// Digests by path, relative if possible; `None` could not be read.
    files: BTreeMap<String, Option<String>>,
    /// Values by name, or their marks; `None` is not set.
    variables: BTreeMap<String, Option<String>>,
}

/// Reads files and variables for a caller, and records them.
pub struct Recorder<'a> {
    files: &'a dyn Files,
    env: &'a dyn Fn(&str) -> Option<String>,
    /// Paths below it are kept relative, because the next checkout may be in another directory.
    here: String,
    seen: RefCell<Inputs>,
}

impl<'a> Recorder<'a> {
    /// Reads through these functions. Paths below the working directory are kept relative.
    #[must_use]
    pub fn new(files: &'a dyn Files, env: &'a dyn Fn(&str) -> Option<String>) -> Self {
        let here = std::path::absolute(".").unwrap_or_default();
        let here = here.to_string_lossy().trim_end_matches('/').to_owned() + "/";
        Self { files, env, here, seen: RefCell::default() }
    }

    /// Records a file that was read elsewhere.
    pub fn saw(&self, path: &str, bytes: Option<&[u8]>) {
        let absolute = std::path::absolute(Path::new(path)).map(|path| path.to_string_lossy().into_owned());
        let path = absolute.unwrap_or_else(|_| path.to_owned());
        let path = path.strip_prefix(&self.here).unwrap_or(&path).to_owned();
        let digest = bytes.map(|bytes| format!("sha256:{}", sha256_hex(bytes)));
        self.seen.borrow_mut().files.insert(path, digest);
    }

    /// A variable of the caller.
    #[must_use]
    pub fn variable(&self, name: &str) -> Option<String> {
        let value = (self.env)(name);
        self.seen.borrow_mut().variables.insert(name.to_owned(), value.clone());
        value
    }

    /// The inputs that were read.
    #[must_use]
    pub fn inputs(self) -> Inputs {
        self.seen.into_inner()
    }
}

impl Files for Recorder<'_> {
    fn read(&self, path: &str) -> io::Result<Vec<u8>> {
        let read = self.files.read(path);
        self.saw(path, read.as_ref().ok().map(Vec::as_slice));
        read
    }
}

impl Inputs {
    /// Replaces values of variables and digests of files by marks. Files may hold passwords too, and a whole digest
    /// would confirm a guess.
    #[must_use]
    pub fn masked(mut self, salt: &Salt<'_>) -> Self {
        for (path, digest) in &mut self.files {
            if let Some(digest) = digest {
                *digest = salt.mark(&format!("file {path}"), digest);
            }
        }
        for (name, value) in &mut self.variables {
            if let Some(value) = value {
                *value = salt.mark(&format!("variable {name}"), value);
            }
        }
        self
    }

    /// The differences in words; both sides are masked with the same key.
    #[must_use]
    pub fn changed(&self, now: &Self) -> Vec<String> {
        let names = |of: &BTreeMap<String, Option<String>>, and: &BTreeMap<String, Option<String>>| {
            of.keys().chain(and.keys()).cloned().collect::<BTreeSet<String>>()
        };
        let mut changed = Vec::new();
        for path in names(&self.files, &now.files) {
            let word = match (self.files.get(&path), now.files.get(&path)) {
                (then, now) if then == now => continue,
                (Some(Some(_)), Some(None)) => "can no longer be read",
                (Some(Some(_)), Some(Some(_))) => "has changed",
                (Some(_), None) => "is no longer read",
                (_, _) => "is read now",
            };
            changed.push(format!("the file {path} {word}"));
        }
        for name in names(&self.variables, &now.variables) {
            let word = match (self.variables.get(&name), now.variables.get(&name)) {
                (then, now) if then == now => continue,
                (Some(Some(_)), Some(None)) => "is no longer set",
                (Some(Some(_)), Some(Some(_))) => "has another value",
                // Read by another file, whose change is reported.
                (None, _) | (_, None) => continue,
                (Some(None), _) => "is set now",
            };
            changed.push(format!("the variable {name} {word}"));
        }
        changed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct One(&'static str);

    impl Files for One {
        fn read(&self, path: &str) -> io::Result<Vec<u8>> {
            if path.ends_with("a.conf") {
                Ok(self.0.as_bytes().to_vec())
            } else {
                Err(io::ErrorKind::NotFound.into())
            }
        }
    }

    fn read(content: &'static str, tag: Option<&str>) -> Inputs {
        let env = |name: &str| tag.filter(|_| name == "TAG").map(str::to_owned);
        let files = One(content);
        let recorder = Recorder::new(&files, &env);
        assert!(recorder.read("/etc/a.conf").is_ok() && recorder.read("/etc/.env").is_err());
        assert_eq!(recorder.variable("TAG").as_deref(), tag);
        recorder.inputs().masked(&Salt::new(&crate::model::MarkKey::unset(), "test"))
    }

    #[test]
    fn what_changed_is_named_and_no_value_is_kept() {
        let before = read("one", Some("hunter2"));
        assert!(!serde_json::to_string(&before).unwrap().contains("hunter2"));
        assert_eq!(before.changed(&read("one", Some("hunter2"))), [""; 0]);
        assert_eq!(
            before.changed(&read("two", Some("hunter3"))),
            ["the file /etc/a.conf has changed", "the variable TAG has another value"]
        );
        assert_eq!(before.changed(&read("one", None)), ["the variable TAG is no longer set"]);
    }

    #[test]
    fn paths_below_this_directory_are_relative() {
        let env = |_: &str| None;
        let recorder = Recorder::new(&One(""), &env);
        recorder.saw("stacks/app.yml", Some(b"x"));
        assert_eq!(recorder.inputs().files.keys().collect::<Vec<_>>(), ["stacks/app.yml"]);
    }
}
