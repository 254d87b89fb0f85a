//! The agent's own program, for containers whose variables are secrets: it is what the engine starts in them.
//!
//! It stands once in a file system in memory of its own, from which programs can be started (`/run` of many hosts is one
//! from which none can), and has a further name for each task. So a newer agent leaves older tasks what they run, and what
//! no task has a name of goes. A name stays as long as the task's secrets: see the [keeper](super).

use std::io;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

/// The folder, beside the agent's socket.
pub const FOLDER: &str = "programs";
/// Before the digest of a program.
const WHOLE: &str = ".of-";
/// A program that is being written.
const NEW: &str = ".new";

/// The folder.
#[derive(Debug, Clone)]
pub struct Programs(PathBuf);

impl Programs {
    /// In this folder, which is there.
    pub fn new(folder: PathBuf) -> Self {
        Self(folder)
    }

    /// Gives a task the program at this path, with this digest; nothing where it has one.
    #[expect(clippy::disallowed_methods, reason = "what containers start is a file")]
    pub fn give(&self, task: &str, program: &Path, digest: &str) -> io::Result<()> {
        let (whole, new) = (self.0.join(format!("{WHOLE}{digest}")), self.0.join(NEW));
        if !std::fs::exists(&whole)? {
            std::fs::copy(program, &new)?;
            // Users of containers are of all kinds, and none of them changes it.
            std::fs::set_permissions(&new, std::fs::Permissions::from_mode(0o555))?;
            std::fs::rename(&new, &whole)?;
        }
        match std::fs::hard_link(&whole, self.0.join(task)) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            other => other,
        }
    }

    /// Takes away what no task has: its names, and programs without any.
    #[expect(clippy::disallowed_methods, reason = "what containers start is a file")]
    pub fn keep(&self, is_kept: impl Fn(&str) -> bool) -> io::Result<()> {
        let mut all = Vec::new();
        for entry in std::fs::read_dir(&self.0)? {
            all.push(entry?.file_name().to_string_lossy().into_owned());
        }
        for name in all.iter().filter(|name| !name.starts_with('.') && !is_kept(name)) {
            std::fs::remove_file(self.0.join(name))?;
        }
        for name in all.iter().filter(|name| name.starts_with('.')) {
            let path = self.0.join(name);
            if std::fs::symlink_metadata(&path)?.nlink() == 1 {
                std::fs::remove_file(path)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "a test looks at files")]
mod tests {
    use super::*;

    #[test]
    fn each_task_keeps_the_program_that_it_was_given_and_no_other_stays() {
        let folder = tempfile::tempdir().unwrap();
        let (own, programs) = (folder.path().join("own"), folder.path().join("programs"));
        std::fs::create_dir(&programs).unwrap();
        let names = || {
            let all = std::fs::read_dir(&programs).unwrap().map(|one| one.unwrap().file_name());
            let mut all: Vec<String> = all.map(|name| name.to_string_lossy().into_owned()).collect();
            all.sort();
            all
        };
        let text = |name: &str| std::fs::read_to_string(programs.join(name)).unwrap();
        let store = Programs::new(programs.clone());
        std::fs::write(&own, "one").unwrap();
        store.give("t1", &own, "aa").unwrap();
        store.give("t2", &own, "aa").unwrap();
        std::fs::write(&own, "two").unwrap();
        // A newer agent: what runs stays as it is.
        store.give("t2", &own, "bb").unwrap();
        store.give("t3", &own, "bb").unwrap();
        assert_eq!((text("t1"), text("t2"), text("t3")), ("one".into(), "one".into(), "two".into()));
        let of = std::fs::metadata(programs.join("t1")).unwrap();
        assert_eq!((of.mode() & 0o7777, of.nlink()), (0o555, 3));
        store.keep(|task| task != "t3").unwrap();
        assert_eq!(names(), [".of-aa", "t1", "t2"]);
        // One that was cut off goes, too.
        std::fs::write(programs.join(".new"), "tw").unwrap();
        store.keep(|task| task == "t2").unwrap();
        assert_eq!(names(), [".of-aa", "t2"]);
        store.keep(|_| false).unwrap();
        assert!(names().is_empty());
        // None of the half that was there before is taken.
        std::fs::write(programs.join(".new"), "tw").unwrap();
        store.give("t4", &own, "bb").unwrap();
        assert_eq!(text("t4"), "two");
    }
}
