//! The files of one commit: paths, and the names of their contents.

use std::collections::BTreeMap;

/// What is at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blob {
    /// Name of the content: the same name is the same content.
    pub id: String,
    /// A symbolic link; its content is where it leads to, and nothing follows it.
    pub is_link: bool,
}

/// Files and submodules that a commit may have. A few objects of git stand for any number of them.
pub const ENTRIES_MAX: usize = 100_000;

/// All files of a commit, by path from the top, without a slash in front.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tree {
    pub files: BTreeMap<String, Blob>,
}

impl Tree {
    /// Reads what `git ls-tree -r -z --full-tree` prints. Submodules are none of this repository's files.
    pub fn parse(listed: &[u8]) -> Result<Self, String> {
        let mut files = BTreeMap::new();
        for (at, line) in listed.split(|byte| *byte == 0).filter(|line| !line.is_empty()).enumerate() {
            if at >= ENTRIES_MAX {
                return Err(format!("it has more than {ENTRIES_MAX} files"));
            }
            let bad = || format!("not a line of ls-tree: {}", String::from_utf8_lossy(line));
            let tab = line.iter().position(|byte| *byte == b'\t').ok_or_else(bad)?;
            let about = std::str::from_utf8(&line[..tab]).map_err(|_| bad())?;
            let [mode, kind, id] = about.split(' ').collect::<Vec<_>>()[..] else { return Err(bad()) };
            // A path that is not UTF-8 cannot be named by a stackfile.
            let Ok(path) = std::str::from_utf8(&line[tab + 1..]) else { continue };
            if kind == "blob" {
                files.insert(path.to_owned(), Blob { id: id.to_owned(), is_link: mode == "120000" });
            }
        }
        Ok(Self { files })
    }

    /// Whether there is anything below a path.
    #[must_use]
    pub fn has_folder(&self, path: &str) -> bool {
        let prefix = format!("{path}/");
        self.files.range(prefix.clone()..).next().is_some_and(|(file, _)| file.starts_with(&prefix))
    }

    /// Names directly below a folder (`""` is the top), that are folders themselves.
    #[must_use]
    pub fn folders_in(&self, folder: &str) -> Vec<&str> {
        let prefix = if folder.is_empty() { String::new() } else { format!("{folder}/") };
        let below = self.files.range(prefix.clone()..).take_while(|(path, _)| path.starts_with(&prefix));
        let mut names: Vec<&str> =
            below.filter_map(|(path, _)| Some(path[prefix.len()..].split_once('/')?.0)).collect();
        names.dedup();
        names
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_links_and_submodules() {
        let listed = b"100644 blob aa11\tstacks/a b/compose.yaml\x00120000 blob bb22\tlink\x00160000 commit cc33\tsub\x00100755 blob dd44\tstacks/x/run.sh\x00";
        let tree = Tree::parse(listed).unwrap();
        let files: Vec<(&str, &str, bool)> =
            tree.files.iter().map(|(path, blob)| (path.as_str(), blob.id.as_str(), blob.is_link)).collect();
        assert_eq!(
            files,
            [
                ("link", "bb22", true),
                ("stacks/a b/compose.yaml", "aa11", false),
                ("stacks/x/run.sh", "dd44", false)
            ]
        );
        assert_eq!(tree.folders_in("stacks"), ["a b", "x"]);
        assert_eq!(tree.folders_in(""), ["stacks"]);
        assert!(tree.has_folder("stacks") && tree.has_folder("stacks/x") && !tree.has_folder("stack"));
        assert!(Tree::parse(b"what is this").is_err());
    }

    #[test]
    fn a_tree_of_too_many_files_is_refused() {
        let listed = |many: usize| -> Vec<u8> {
            (0..many).flat_map(|n| format!("100644 blob aa11\tf{n}\0").into_bytes()).collect()
        };
        assert_eq!(Tree::parse(&listed(ENTRIES_MAX)).unwrap().files.len(), ENTRIES_MAX);
        assert_eq!(Tree::parse(&listed(ENTRIES_MAX + 1)).unwrap_err(), "it has more than 100000 files");
    }
}
