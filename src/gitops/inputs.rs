//! What a stack is made from: every file that reading it asked for, whether it was there or not, and every
//! variable. A commit that changes none of these does not concern the stack.

use std::cell::RefCell;
use std::io;

use sha2::{Digest as _, Sha256};

use super::declaration::Inputs;
use super::tree::Tree;
use crate::compose::Files;
use crate::model::ids::{hex, sha256_hex};

/// Contents by their names.
pub trait Blobs {
    /// The bytes.
    fn content(&self, id: &str) -> io::Result<Vec<u8>>;
}

/// The path that stands for the repository's top while stackfiles are read. No host has such a path: a mount
/// below it was relative in the stackfile, and means nothing on a host.
pub const TOP: &str = "/.repository";

impl Inputs {
    /// One word for all of it.
    #[must_use]
    pub fn digest(&self) -> String {
        let mut hash = Sha256::new();
        let mut part = |text: &str| {
            hash.update((text.len() as u64).to_be_bytes());
            hash.update(text);
        };
        part(&self.listed);
        for (kind, all) in [("file", &self.files), ("variable", &self.variables)] {
            for (name, value) in all {
                part(kind);
                part(name);
                part(value.as_deref().map_or("absent", |_| "present"));
                part(value.as_deref().unwrap_or_default());
            }
        }
        hex(&hash.finalize())
    }

    /// Whether the result would be the same with another tree and these variables.
    #[must_use]
    pub fn are_same_in(&self, tree: &Tree, listed: &str, env: &dyn Fn(&str) -> Option<String>) -> bool {
        self.listed == listed
            && self.files.iter().all(|(path, id)| tree.files.get(path).map(|blob| &blob.id) == id.as_ref())
            && self.variables.iter().all(|(name, value)| env(name).map(|value| digest(&value)) == *value)
    }
}

/// A digest of some text, in hex.
#[must_use]
pub fn digest(text: &str) -> String {
    sha256_hex(text.as_bytes())
}

/// Serves the files of a commit, and records which were read.
pub struct Noting<'a> {
    tree: &'a Tree,
    blobs: &'a dyn Blobs,
    env: &'a dyn Fn(&str) -> Option<String>,
    seen: RefCell<Inputs>,
}

impl<'a> Noting<'a> {
    /// Nothing was asked for yet.
    pub fn new(
        tree: &'a Tree,
        blobs: &'a dyn Blobs,
        env: &'a dyn Fn(&str) -> Option<String>,
        listed: &str,
    ) -> Self {
        let seen = Inputs { listed: listed.to_owned(), ..Inputs::default() };
        Self { tree, blobs, env, seen: RefCell::new(seen) }
    }

    /// A variable from outside of the repository.
    pub fn variable(&self, name: &str) -> Option<String> {
        let value = (self.env)(name);
        let noted = value.as_deref().map(digest);
        self.seen.borrow_mut().variables.insert(name.to_owned(), noted);
        value
    }

    /// All that was asked for.
    pub fn inputs(self) -> Inputs {
        self.seen.into_inner()
    }

    /// A file by its path from the repository's top.
    pub fn file(&self, path: &str) -> io::Result<Vec<u8>> {
        let blob = self.tree.files.get(path);
        self.seen.borrow_mut().files.insert(path.to_owned(), blob.map(|blob| blob.id.clone()));
        match blob {
            Some(blob) if blob.is_link => {
                Err(io::Error::other("it is a symbolic link, and none is followed in a repository"))
            }
            Some(blob) => match self.blobs.content(&blob.id)? {
                pointer if is_lfs_pointer(&pointer) => {
                    Err(io::Error::other("Git LFS keeps it, and only a pointer is here"))
                }
                content => Ok(content),
            },
            None if self.tree.has_folder(path) => Err(io::ErrorKind::IsADirectory.into()),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }
}

impl Files for Noting<'_> {
    fn read(&self, path: &str) -> io::Result<Vec<u8>> {
        match inside(path) {
            Some(path) => self.file(&path),
            None => Err(io::Error::other("it is not in the repository")),
        }
    }
}

/// Whether this is the pointer of a file that Git LFS keeps: by its specification each begins with this line,
/// and is smaller than 1024 bytes.
fn is_lfs_pointer(content: &[u8]) -> bool {
    content.len() < 1024 && content.starts_with(b"version https://git-lfs.github.com/spec/")
}

/// A path below [`TOP`], from there, without `.` and `..`; `None` if it leads out.
pub(super) fn inside(path: &str) -> Option<String> {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/').filter(|part| !part.is_empty() && *part != ".") {
        match part {
            ".." => drop(parts.pop()?),
            part => parts.push(part),
        }
    }
    (parts.first() == TOP.strip_prefix('/').as_ref()).then(|| parts[1..].join("/"))
}

#[cfg(test)]
pub(super) mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::gitops::tree::Blob;

    /// Files whose contents are their names' own.
    #[derive(Default)]
    pub struct Given(pub BTreeMap<String, String>);

    impl Given {
        pub fn of(files: &[(&str, &str)]) -> (Tree, Self) {
            let mut tree = Tree::default();
            let mut given = Self::default();
            for (path, text) in files {
                let id = digest(text);
                tree.files.insert((*path).to_owned(), Blob { id: id.clone(), is_link: false });
                given.0.insert(id, (*text).to_owned());
            }
            (tree, given)
        }
    }

    impl Blobs for Given {
        fn content(&self, id: &str) -> io::Result<Vec<u8>> {
            self.0.get(id).map(|text| text.clone().into_bytes()).ok_or(io::ErrorKind::NotFound.into())
        }
    }

    #[test]
    fn what_was_read_is_noted_and_what_was_not_is_not() {
        let (tree, blobs) = Given::of(&[("a/x.yml", "1"), ("a/y.yml", "2"), ("b/z", "3")]);
        let env = |name: &str| (name == "TAG").then(|| "7".to_owned());
        let noting = Noting::new(&tree, &blobs, &env, "list");
        assert_eq!(noting.read("/.repository/a/../a/./x.yml").unwrap(), b"1");
        assert_eq!(noting.read("/.repository/a/.env").unwrap_err().kind(), io::ErrorKind::NotFound);
        assert_eq!(noting.read("/.repository/a").unwrap_err().kind(), io::ErrorKind::IsADirectory);
        for outside in
            ["/etc/passwd", "/.repository/../etc/passwd", "/.repository/a/../../x", "/.repositoryx/a"]
        {
            assert!(noting.read(outside).is_err(), "{outside}");
        }
        assert_eq!(noting.variable("TAG").as_deref(), Some("7"));
        assert_eq!(noting.variable("NONE"), None);
        let inputs = noting.inputs();
        let files: Vec<(&str, bool)> =
            inputs.files.iter().map(|(path, id)| (path.as_str(), id.is_some())).collect();
        assert_eq!(files, [("a", false), ("a/.env", false), ("a/x.yml", true)]);
        assert!(!format!("{inputs:?}").contains("\"7\""), "values of variables stay where they are");

        assert!(inputs.are_same_in(&tree, "list", &env));
        let (other, _) = Given::of(&[("a/x.yml", "1"), ("a/y.yml", "other"), ("c", "")]);
        assert!(inputs.are_same_in(&other, "list", &env), "what was not read does not matter");
        let (changed, _) = Given::of(&[("a/x.yml", "2")]);
        let (added, _) = Given::of(&[("a/x.yml", "1"), ("a/.env", "")]);
        assert!(!inputs.are_same_in(&changed, "list", &env));
        assert!(!inputs.are_same_in(&added, "list", &env), "what was missed may come");
        assert!(!inputs.are_same_in(&tree, "other", &env) && !inputs.are_same_in(&tree, "list", &|_| None));
    }

    #[test]
    fn a_pointer_of_git_lfs_is_not_taken_for_the_file() {
        let pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n";
        let about = format!("{pointer}{}", "a text about pointers\n".repeat(50));
        let (tree, blobs) = Given::of(&[("c.conf", pointer), ("about", &about)]);
        let noting = Noting::new(&tree, &blobs, &|_| None, "");
        let error = noting.read("/.repository/c.conf").unwrap_err().to_string();
        assert!(error.contains("Git LFS keeps it"), "{error}");
        assert_eq!(noting.read("/.repository/about").unwrap(), about.as_bytes());
        assert!(noting.inputs().files["c.conf"].is_some(), "the file itself may come");
    }

    #[test]
    fn a_digest_tells_each_part_from_each_other() {
        let base = Inputs { listed: "l".into(), ..Inputs::default() };
        let with = |files: &[(&str, Option<&str>)], variables: &[(&str, Option<&str>)]| {
            let own = |all: &[(&str, Option<&str>)]| {
                all.iter().map(|(k, v)| ((*k).to_owned(), v.map(str::to_owned))).collect()
            };
            Inputs { files: own(files), variables: own(variables), ..base.clone() }.digest()
        };
        let all = [
            with(&[], &[]),
            with(&[("a", None)], &[]),
            with(&[("a", Some(""))], &[]),
            with(&[("a", Some("b"))], &[]),
            with(&[], &[("a", Some("b"))]),
            with(&[("ab", Some(""))], &[]),
            Inputs { listed: "m".into(), ..base.clone() }.digest(),
        ];
        let mut distinct = all.to_vec();
        distinct.sort();
        distinct.dedup();
        assert_eq!(distinct.len(), all.len());
    }
}
