//! Secrets of tasks as files of one folder: for each task a folder of its own with files `0`, `1`, …, and a list of what
//! they are. A task's folder is there with all of them or not at all: it is made beside and moved into its place.
//!
//! One at a time works in the folder: see the [keeper](super).

use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::io::{self, Write as _};
use std::os::unix::fs::{
    DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _, chown,
};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use crate::agent::put::{Owner, SecretFile, SecretsPut};
use crate::model::Timestamp;
use crate::vault::Plaintext;

/// What a task's files are, beside them; and what the task is of.
const MANIFEST: &str = "manifest";
const OWNER: &str = "of";
/// Before the name of a task's folder that is being made, or taken away.
const NEW: &str = ".new-";
const OLD: &str = ".old-";
/// The longest id of a task.
const TASK_CHARS: usize = 64;

/// Why a task's secrets were not written.
#[derive(Debug, thiserror::Error)]
pub enum NotPut {
    /// Not what tasks are called.
    #[error("`{0}` is no id of a task")]
    Task(String),
    /// Files that came without a value, and have none here.
    #[error("values are missing")]
    Missing(Vec<usize>),
    /// The system refuses.
    #[error(transparent)]
    Files(#[from] io::Error),
}

/// The folder.
#[derive(Debug, Clone)]
pub struct Store(PathBuf);

impl Store {
    /// In this folder, which is there.
    pub fn new(folder: PathBuf) -> Self {
        Self(folder)
    }

    /// Writes a task's files; nothing where they are there already.
    pub fn put(&self, put: &SecretsPut, now: Timestamp) -> Result<(), NotPut> {
        if !is_task(&put.task) {
            return Err(NotPut::Task(put.task.clone()));
        }
        let files: Vec<&SecretFile> = put.files.iter().map(|(file, _)| file).collect();
        let folder = self.0.join(&put.task);
        if self.manifest(&put.task).is_some_and(|there| there.iter().eq(files.iter().copied())) {
            if let Some(of) = put.of.clone().filter(|_| self.of(&put.task).is_none()) {
                self.say_of(&put.task, of)?;
            }
            // It may have been written long ago, and its container is about to be made.
            return Ok(touch(&folder, now)?);
        }
        let values = self.values(put)?;
        let (new, old) =
            (self.0.join(format!("{NEW}{}", put.task)), self.0.join(format!("{OLD}{}", put.task)));
        remove(&new)?;
        remove(&old)?;
        let written = self.write(&new, &files, &values).and_then(|()| match &put.of {
            Some(of) => write_owner(&new, of.clone()),
            None => Ok(()),
        });
        written.inspect_err(|_| drop(remove(&new)))?;
        move_over(&new, &folder, &old)?;
        Ok(touch(&folder, now)?)
    }

    /// Removes a task's files, if there are any.
    pub fn forget(&self, task: &str) -> Result<(), NotPut> {
        if !is_task(task) {
            return Err(NotPut::Task(task.to_owned()));
        }
        Ok(remove(&self.0.join(task))?)
    }

    /// What a task is of, if that was said.
    #[expect(clippy::disallowed_methods, reason = "secrets of containers are files")]
    pub fn of(&self, task: &str) -> Option<Owner> {
        serde_json::from_slice(&std::fs::read(self.0.join(task).join(OWNER)).ok()?).ok()
    }

    /// Remembers what a task is of that has files.
    pub fn say_of(&self, task: &str, of: Owner) -> io::Result<()> {
        write_owner(&self.0.join(task), of)
    }

    /// Whether a task has files.
    pub fn has(&self, task: &str) -> bool {
        is_task(task) && self.manifest(task).is_some()
    }

    /// The tasks, and what they have.
    pub fn list(&self) -> io::Result<Vec<(String, Vec<SecretFile>)>> {
        let mut all = Vec::new();
        for task in self.names()?.into_iter().filter(|name| is_task(name)) {
            if let Some(files) = self.manifest(&task) {
                all.push((task, files));
            }
        }
        Ok(all)
    }

    /// The tasks with their values, each value once: as they can be written elsewhere.
    #[cfg(test)]
    pub fn set(&self) -> io::Result<Vec<SecretsPut>> {
        Ok(self.part("", usize::MAX, &mut Vec::new())?.0)
    }

    /// The same of the tasks behind one, in the order of their ids, until their values are so many bytes; and whether there are
    /// more. `known`: files whose values were in an earlier part.
    pub fn part(
        &self,
        after: &str,
        bytes_max: usize,
        known: &mut Vec<SecretFile>,
    ) -> io::Result<(Vec<SecretsPut>, bool)> {
        let there = self.list()?;
        let (mut set, mut bytes) = (Vec::new(), 0);
        for (task, files) in there.iter().filter(|(task, _)| task.as_str() > after) {
            if bytes >= bytes_max {
                return Ok((set, true));
            }
            let files_max = files.len();
            let mut put =
                SecretsPut { task: task.clone(), of: self.of(task), files: Vec::with_capacity(files_max) };
            for file in files {
                let value = match known.iter().any(|one| one.has_value_of(file)) {
                    true => None,
                    false => self.value_of(file, &there),
                };
                bytes += value.as_ref().map_or(0, |value| value.expose().len());
                known.extend(value.is_some().then(|| file.clone()));
                put.files.push((file.clone(), value));
            }
            set.push(put);
        }
        Ok((set, false))
    }

    /// What lies beside the tasks under a name that no task has.
    pub fn beside(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Removes what was left of a write that was interrupted, and tasks that are older than `age` unless `is_used`.
    #[expect(clippy::disallowed_methods, reason = "secrets of containers are files")]
    pub fn tidy(&self, now: Timestamp, age: Duration, is_used: impl Fn(&str) -> bool) -> io::Result<()> {
        let age_ms = i64::try_from(age.as_millis()).unwrap_or(i64::MAX);
        for name in self.names()? {
            let path = self.0.join(&name);
            let of = std::fs::symlink_metadata(&path)?;
            let is_old = now.since_ms(Timestamp(of.mtime().saturating_mul(1000))) > age_ms;
            if name.starts_with(NEW) || name.starts_with(OLD) || is_task(&name) && is_old && !is_used(&name) {
                remove(&path)?;
            }
        }
        Ok(())
    }

    /// Removes everything.
    pub fn empty(&self) -> io::Result<()> {
        self.names()?.iter().try_for_each(|name| remove(&self.0.join(name)))
    }

    #[expect(clippy::disallowed_methods, reason = "secrets of containers are files")]
    fn names(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in std::fs::read_dir(&self.0)? {
            names.push(entry?.file_name().to_string_lossy().into_owned());
        }
        names.sort();
        Ok(names)
    }

    #[expect(clippy::disallowed_methods, reason = "secrets of containers are files")]
    fn manifest(&self, task: &str) -> Option<Vec<SecretFile>> {
        serde_json::from_slice(&std::fs::read(self.0.join(task).join(MANIFEST)).ok()?).ok()
    }

    /// A value for each file: the one that came with it, or with another file of the task, or that of another task.
    fn values(&self, put: &SecretsPut) -> Result<Vec<Arc<Plaintext>>, NotPut> {
        let there = self.list()?;
        let mut values: Vec<Option<Arc<Plaintext>>> = Vec::new();
        for (file, value) in &put.files {
            let same = put.files.iter().filter(|(other, _)| other.has_value_of(file));
            let sent = value.as_ref().or_else(|| same.filter_map(|(_, value)| value.as_ref()).next());
            values.push(match sent {
                Some(value) => Some(Arc::clone(value)),
                None => self.value_of(file, &there),
            });
        }
        let missing: Vec<usize> = (0..values.len()).filter(|at| values[*at].is_none()).collect();
        if missing.is_empty() {
            Ok(values.into_iter().flatten().collect())
        } else {
            Err(NotPut::Missing(missing))
        }
    }

    #[expect(clippy::disallowed_methods, reason = "secrets of containers are files")]
    fn value_of(&self, file: &SecretFile, there: &[(String, Vec<SecretFile>)]) -> Option<Arc<Plaintext>> {
        there.iter().find_map(|(task, files)| {
            let at = files.iter().position(|other| other.has_value_of(file))?;
            // `read` asks for the length first, so that the bytes are moved nowhere.
            std::fs::read(self.0.join(task).join(at.to_string()))
                .ok()
                .map(|bytes| Arc::new(Plaintext::new(bytes)))
        })
    }

    #[expect(clippy::disallowed_methods, reason = "secrets of containers are files")]
    fn write(&self, folder: &Path, files: &[&SecretFile], values: &[Arc<Plaintext>]) -> io::Result<()> {
        std::fs::DirBuilder::new().mode(0o700).create(folder)?;
        let make = |name: &str, content: &[u8]| -> io::Result<PathBuf> {
            let path = folder.join(name);
            let mut options = std::fs::OpenOptions::new();
            options.write(true).create_new(true).mode(0o600).open(&path)?.write_all(content)?;
            Ok(path)
        };
        for (at, (file, value)) in files.iter().zip(values).enumerate() {
            let path = make(&at.to_string(), value.expose())?;
            chown(&path, Some(file.uid), Some(file.gid))?;
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(file.mode & 0o7777))?;
        }
        make(MANIFEST, &serde_json::to_vec(files)?).map(drop)
    }
}

/// As a whole or not at all.
#[expect(clippy::disallowed_methods, reason = "secrets of containers are files")]
fn write_owner(folder: &Path, mut of: Owner) -> io::Result<()> {
    if of.born == 0 {
        of.born = RandomState::new().build_hasher().finish().max(1);
    }
    let new = folder.join("of.new");
    std::fs::write(&new, serde_json::to_vec(&of)?)?;
    std::fs::rename(&new, folder.join(OWNER))
}

/// Whether it can be the id of a task, and so the name of a folder and no other path.
fn is_task(name: &str) -> bool {
    let is_sign = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    !name.is_empty() && name.len() <= TASK_CHARS && name.chars().all(is_sign)
}

#[expect(clippy::disallowed_methods, reason = "secrets of containers are files")]
pub(super) fn remove(folder: &Path) -> io::Result<()> {
    match std::fs::remove_dir_all(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// Moves a folder into its place. What is there goes aside before: a folder that is not empty cannot be moved over.
#[expect(clippy::disallowed_methods, reason = "secrets of containers are files")]
pub(super) fn move_over(new: &Path, place: &Path, old: &Path) -> io::Result<()> {
    match std::fs::rename(place, old) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    std::fs::rename(new, place)?;
    remove(old)
}

/// Says that it is needed now.
#[expect(clippy::disallowed_methods, reason = "secrets of containers are files")]
fn touch(folder: &Path, now: Timestamp) -> io::Result<()> {
    let now = UNIX_EPOCH + Duration::from_millis(u64::try_from(now.0).unwrap_or(0));
    std::fs::File::open(folder)?.set_modified(now)
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "a test looks at files")]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_769_860_000_000);
    const AGE: Duration = Duration::from_secs(600);

    /// Files of the user that runs the test: only root gives files away.
    fn file(name: &str, version: &str) -> SecretFile {
        let (uid, gid) = (rustix::process::getuid().as_raw(), rustix::process::getgid().as_raw());
        SecretFile { name: name.into(), version: version.into(), uid, gid, mode: 0o440 }
    }

    fn put(task: &str, files: &[(SecretFile, Option<&str>)]) -> SecretsPut {
        let value = |text: &str| Arc::new(Plaintext::new(text.as_bytes().to_vec()));
        let files = files.iter().map(|(file, text)| (file.clone(), text.map(value))).collect();
        SecretsPut { task: task.into(), of: None, files }
    }

    fn store() -> (tempfile::TempDir, Store) {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::new(folder.path().to_owned());
        (folder, store)
    }

    fn text(folder: &tempfile::TempDir, path: &str) -> String {
        std::fs::read_to_string(folder.path().join(path)).unwrap()
    }

    fn missing(result: Result<(), NotPut>) -> Vec<usize> {
        match result {
            Err(NotPut::Missing(places)) => places,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn all_files_of_a_task_are_there_or_none() {
        let (folder, store) = store();
        let asked = put("t1", &[(file("a", "1"), Some("x")), (file("b", "1"), None), (file("c", "1"), None)]);
        assert_eq!(missing(store.put(&asked, NOW)), [1, 2]);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
        let asked = put("t1", &[(file("a", "1"), Some("x")), (file("b", "1"), Some("y"))]);
        store.put(&asked, NOW).unwrap();
        assert_eq!((text(&folder, "t1/0"), text(&folder, "t1/1")), ("x".into(), "y".into()));
        let mode = |path: &str| std::fs::metadata(folder.path().join(path)).unwrap().mode() & 0o7777;
        assert_eq!((mode("t1"), mode("t1/0"), mode("t1/manifest")), (0o700, 0o440, 0o600));
        assert!(!text(&folder, "t1/manifest").contains('x'), "names and versions alone");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
        assert_eq!(store.list().unwrap(), [("t1".to_owned(), vec![file("a", "1"), file("b", "1")])]);
    }

    #[test]
    fn a_value_that_is_there_is_taken_from_there() {
        let (folder, store) = store();
        store.put(&put("t1", &[(file("a", "1"), Some("x")), (file("b", "1"), Some("y"))]), NOW).unwrap();
        // Of another task; with another mode; twice in one task.
        let other = SecretFile { mode: 0o400, ..file("b", "1") };
        store
            .put(&put("t2", &[(other, None), (file("c", "1"), Some("z")), (file("c", "1"), None)]), NOW)
            .unwrap();
        assert_eq!((text(&folder, "t2/0"), text(&folder, "t2/2")), ("y".into(), "z".into()));
        // Another version is another value.
        assert_eq!(missing(store.put(&put("t3", &[(file("b", "2"), None)]), NOW)), [0]);
        // The same again needs no value, and writes nothing.
        let before = std::fs::metadata(folder.path().join("t1/0")).unwrap().ino();
        store.put(&put("t1", &[(file("a", "1"), None), (file("b", "1"), None)]), NOW).unwrap();
        assert_eq!(std::fs::metadata(folder.path().join("t1/0")).unwrap().ino(), before);
        // Another list takes its place.
        store.put(&put("t1", &[(file("b", "1"), None)]), NOW).unwrap();
        assert_eq!(text(&folder, "t1/0"), "y");
        assert!(!folder.path().join("t1/1").exists() && !folder.path().join(".old-t1").exists());
    }

    #[test]
    fn what_a_task_is_of_is_remembered_and_a_task_that_is_made_again_is_another_one() {
        let (folder, store) = store();
        let owner = |born| Owner { stack: "shop".into(), service: "web".into(), slot: "1".into(), born };
        let files = [(file("a", "1"), Some("x"))];
        store.put(&put("t1", &files), NOW).unwrap();
        assert_eq!(store.of("t1"), None);
        let said = SecretsPut { of: Some(owner(0)), ..put("t1", &files) };
        store.put(&said, NOW).unwrap();
        let first = store.of("t1").unwrap();
        assert!(first.born != 0 && first == owner(first.born));
        store.put(&said, NOW).unwrap();
        assert_eq!(
            (store.of("t1"), store.set().unwrap()[0].of.clone()),
            (Some(first.clone()), Some(first.clone()))
        );
        store.forget("t1").unwrap();
        store.put(&said, NOW).unwrap();
        assert_ne!(store.of("t1").unwrap().born, first.born);
        // As another agent sends it.
        store.put(&SecretsPut { of: Some(owner(7)), ..put("t2", &files) }, NOW).unwrap();
        assert_eq!(store.of("t2"), Some(owner(7)));
        assert_eq!(std::fs::read_dir(folder.path().join("t2")).unwrap().count(), 3);
    }

    #[test]
    fn a_name_that_is_no_task_is_no_path() {
        let (folder, store) = store();
        for name in ["", ".", "..", "../x", "a/b", ".new-a", "A", "manifest-1", &"a".repeat(65)] {
            assert!(matches!(store.put(&put(name, &[]), NOW), Err(NotPut::Task(_))), "{name}");
            assert!(matches!(store.forget(name), Err(NotPut::Task(_))), "{name}");
        }
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn what_is_forgotten_is_gone_and_what_was_never_there_is_gone_too() {
        let (folder, store) = store();
        store.put(&put("t1", &[(file("a", "1"), Some("x"))]), NOW).unwrap();
        store.forget("t1").unwrap();
        store.forget("t1").unwrap();
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
        store.put(&put("t1", &[(file("a", "1"), Some("x"))]), NOW).unwrap();
        store.empty().unwrap();
        assert_eq!(store.list().unwrap(), []);
    }

    #[test]
    fn old_tasks_without_a_container_go_and_no_others() {
        let (folder, store) = store();
        for task in ["used", "unused", "fresh", "again"] {
            store.put(&put(task, &[(file("a", "1"), Some("x"))]), NOW).unwrap();
        }
        std::fs::create_dir(folder.path().join(".new-t9")).unwrap();
        let later = Timestamp(NOW.0 + 601_000);
        store.put(&put("fresh", &[(file("a", "2"), Some("y"))]), later).unwrap();
        store.put(&put("again", &[(file("a", "1"), None)]), later).unwrap();
        store.tidy(Timestamp(NOW.0 + 599_000), AGE, |_| false).unwrap();
        assert!(folder.path().join("unused").exists() && !folder.path().join(".new-t9").exists());
        store.tidy(later, AGE, |task| task == "used").unwrap();
        let left: Vec<String> = store.list().unwrap().into_iter().map(|(task, _)| task).collect();
        assert_eq!(left, ["again", "fresh", "used"]);
    }
}
