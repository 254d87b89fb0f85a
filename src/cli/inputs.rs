//! What a stack is read from: every file and every variable that the reading asked for, so that it can be
//! told later whether any of them is another one.
//!
//! Files by their digest. What is kept has only marks of these and of variables: what they hold is often a
//! password.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::mask::Salt;
use crate::compose::Files;
use crate::model::ids::sha256_hex;

/// What was read.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Inputs {
    /// Digests by path, which is relative where that is possible; `None` could not be read.
    files: BTreeMap<String, Option<String>>,
    /// Values by name, or marks of them; `None` is not set.
    variables: BTreeMap<String, Option<String>>,
}

/// Reads for somebody else, and remembers what.
pub(super) struct Recorder<'a> {
    files: &'a dyn Files,
    env: &'a dyn Fn(&str) -> Option<String>,
    /// Paths below it are kept relative: a checkout may lie elsewhere the next time.
    here: String,
    seen: RefCell<Inputs>,
}

impl<'a> Recorder<'a> {
    pub(super) fn new(files: &'a dyn Files, env: &'a dyn Fn(&str) -> Option<String>) -> Self {
        let here = std::path::absolute(".").unwrap_or_default();
        let here = here.to_string_lossy().trim_end_matches('/').to_owned() + "/";
        Self { files, env, here, seen: RefCell::default() }
    }

    /// Remembers a file that was read elsewhere.
    pub(super) fn saw(&self, path: &str, bytes: Option<&[u8]>) {
        let absolute = std::path::absolute(Path::new(path)).map(|path| path.to_string_lossy().into_owned());
        let path = absolute.unwrap_or_else(|_| path.to_owned());
        let path = path.strip_prefix(&self.here).unwrap_or(&path).to_owned();
        let digest = bytes.map(|bytes| format!("sha256:{}", sha256_hex(bytes)));
        self.seen.borrow_mut().files.insert(path, digest);
    }

    /// A variable of the caller.
    pub(super) fn variable(&self, name: &str) -> Option<String> {
        let value = (self.env)(name);
        self.seen.borrow_mut().variables.insert(name.to_owned(), value.clone());
        value
    }

    pub(super) fn inputs(self) -> Inputs {
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
    /// With marks for the values of variables and for the digests of files, which may hold passwords too: a
    /// whole digest would prove a guess.
    pub(super) fn masked(mut self, salt: &Salt) -> Self {
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

    /// What is otherwise now, in words; both masked alike.
    pub(super) fn changed(&self, now: &Self) -> Vec<String> {
        let names = |of: &BTreeMap<String, Option<String>>, and: &BTreeMap<String, Option<String>>| {
            of.keys().chain(and.keys()).cloned().collect::<BTreeSet<String>>()
        };
        let mut changed = Vec::new();
        for path in names(&self.files, &now.files) {
            let word = match (self.files.get(&path), now.files.get(&path)) {
                (then, now) if then == now => continue,
                (Some(Some(_)), Some(None)) => "cannot be read any more",
                (Some(Some(_)), Some(Some(_))) => "has changed",
                (Some(_), None) => "is not read any more",
                (_, _) => "is read now",
            };
            changed.push(format!("the file {path} {word}"));
        }
        for name in names(&self.variables, &now.variables) {
            let word = match (self.variables.get(&name), now.variables.get(&name)) {
                (then, now) if then == now => continue,
                (Some(Some(_)), Some(None)) => "is not set any more",
                (Some(Some(_)), Some(Some(_))) => "has another value",
                // Asked for by another file, which is said.
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
        recorder.inputs().masked(&Salt::new("test"))
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
        assert_eq!(before.changed(&read("one", None)), ["the variable TAG is not set any more"]);
    }

    #[test]
    fn paths_below_this_directory_are_relative() {
        let env = |_: &str| None;
        let recorder = Recorder::new(&One(""), &env);
        recorder.saw("stacks/app.yml", Some(b"x"));
        assert_eq!(recorder.inputs().files.keys().collect::<Vec<_>>(), ["stacks/app.yml"]);
    }
}
