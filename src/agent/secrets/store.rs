//! Secrets of tasks as files of one folder: for each task a folder of its own with files `0`, `1`, …, and a list of what
//! they are. A task's folder is there with all of them or not at all: it is made beside and moved into its place. Files that
//! are swapped while their container runs are in [sets] there.
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

use super::sets::{Sets, remove};
use crate::agent::put::{Owner, SecretFile, SecretsPut};
use crate::model::Timestamp;
use crate::vault::Plaintext;

/// What a task's files are, beside them; and what the task is of.
const MANIFEST: &str = "manifest";
/// The number of a task's first set of files that are swapped.
const FIRST: u32 = 1;
const OWNER: &str = "of";
/// Before the name of a task's folder that is being made, or taken away.
const NEW: &str = ".new-";
const OLD: &str = ".old-";
/// What held before a swap goes after so long, where the client that swapped has not said how it went.
pub const FORMER_AGE: Duration = Duration::from_secs(24 * 3600);
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
    /// The task has no files here that can be swapped, or has others than these.
    #[error("`{0}` has no such files here that can be swapped")]
    NoSuchSet(String),
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
        let sets = Sets(&folder);
        if let Some(set) = sets.now() {
            touch(&sets.aged(set), now)?;
        }
        Ok(touch(&folder, now)?)
    }

    /// Swaps the files of a task whose container may run; nothing where these hold. What held before stays.
    pub fn swap(&self, put: &SecretsPut, now: Timestamp) -> Result<(), NotPut> {
        let no_set = || NotPut::NoSuchSet(put.task.clone());
        if !is_task(&put.task) {
            return Err(NotPut::Task(put.task.clone()));
        }
        let folder = self.0.join(&put.task);
        let sets = Sets(&folder);
        let (set, there) = sets.now().zip(self.manifest(&put.task)).ok_or_else(no_set)?;
        let files: Vec<&SecretFile> = put.files.iter().map(|(file, _)| file).collect();
        if there.iter().eq(files.iter().copied()) {
            return Ok(touch(&folder, now)?);
        }
        // Who is to read them is said by the container, and what is mounted by itself cannot be another one.
        let is_same = |one: &SecretFile, other: &SecretFile| {
            let version = if one.place.is_some() { &other.version } else { &one.version };
            SecretFile { version: version.clone(), ..one.clone() } == *other
        };
        if there.len() != files.len() || !there.iter().zip(&files).all(|(one, other)| is_same(one, other)) {
            return Err(no_set());
        }
        let values = self.values(put)?;
        let next = set.saturating_add(1);
        write_set(sets, next, &files, &values)?;
        touch(&sets.aged(next), now)?;
        sets.hold(next)?;
        sets.keep_only(&[set, next])?;
        Ok(touch(&folder, now)?)
    }

    /// Has the files of a task hold again that held before a swap; nothing where there are none.
    pub fn back(&self, task: &str) -> Result<(), NotPut> {
        self.of_sets(task, |sets| sets.back())
    }

    /// Removes what held before a swap.
    pub fn settle(&self, task: &str) -> Result<(), NotPut> {
        self.of_sets(task, |sets| sets.now().map_or(Ok(()), |set| sets.keep_only(&[set])))
    }

    fn of_sets(&self, task: &str, act: impl FnOnce(Sets<'_>) -> io::Result<()>) -> Result<(), NotPut> {
        if !is_task(task) {
            return Err(NotPut::Task(task.to_owned()));
        }
        let folder = self.0.join(task);
        let sets = Sets(&folder);
        match sets.now() {
            Some(_) => Ok(act(sets)?),
            None => Ok(()),
        }
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
            } else if is_task(&name) && Sets(&path).has_held(now, FORMER_AGE) {
                Sets(&path).now().map_or(Ok(()), |set| Sets(&path).keep_only(&[set]))?;
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
        let folder = self.0.join(task);
        let list = Sets(&folder).now().map_or_else(|| folder.join(MANIFEST), |set| Sets(&folder).list(set));
        serde_json::from_slice(&std::fs::read(list).ok()?).ok()
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
            let folder = self.0.join(task);
            let path = match (&files[at].place, Sets(&folder).now()) {
                (Some(_), Some(set)) => Sets(&folder).file(set, at),
                _ => folder.join(at.to_string()),
            };
            std::fs::read(path).ok().map(|bytes| Arc::new(Plaintext::new(bytes)))
        })
    }

    #[expect(clippy::disallowed_methods, reason = "secrets of containers are files")]
    fn write(&self, folder: &Path, files: &[&SecretFile], values: &[Arc<Plaintext>]) -> io::Result<()> {
        std::fs::DirBuilder::new().mode(0o700).create(folder)?;
        for (at, (file, value)) in
            files.iter().zip(values).enumerate().filter(|(_, one)| one.0.place.is_none())
        {
            write_file(&folder.join(at.to_string()), file, value)?;
        }
        if files.iter().all(|file| file.place.is_none()) {
            return make(&folder.join(MANIFEST), &serde_json::to_vec(files)?);
        }
        let sets = Sets(folder);
        sets.make(files)?;
        write_set(sets, FIRST, files, values)?;
        sets.hold(FIRST)
    }
}

/// Writes the files of a set, and its list.
fn write_set(sets: Sets<'_>, set: u32, files: &[&SecretFile], values: &[Arc<Plaintext>]) -> io::Result<()> {
    sets.write(set, &serde_json::to_vec(files)?, |path_of| {
        let mut all = files.iter().zip(values).enumerate().filter(|(_, one)| one.0.place.is_some());
        all.try_for_each(|(at, (file, value))| write_file(&path_of(at), file, value))
    })
}

#[expect(clippy::disallowed_methods, reason = "secrets of containers are files")]
fn write_file(path: &Path, file: &SecretFile, value: &Plaintext) -> io::Result<()> {
    make(path, value.expose())?;
    chown(path, Some(file.uid), Some(file.gid))?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(file.mode & 0o7777))
}

#[expect(clippy::disallowed_methods, reason = "secrets of containers are files")]
fn make(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true).mode(0o600).open(path)?.write_all(content)
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
        SecretFile { name: name.into(), version: version.into(), uid, gid, mode: 0o440, place: None }
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

    /// A file that is swapped, under this name.
    fn swapped(name: &str, version: &str, place: &str) -> SecretFile {
        SecretFile { place: Some(place.into()), ..file(name, version) }
    }

    fn no_set(result: Result<(), NotPut>) -> bool {
        matches!(result, Err(NotPut::NoSuchSet(_)))
    }

    #[test]
    fn files_are_swapped_all_at_once_and_back_in_the_folder_that_is_mounted() {
        let (folder, store) = store();
        let set = |a: &str, b: &str| {
            let version = |text: &str| format!("of {text}");
            put(
                "t1",
                &[
                    (swapped("a", &version(a), "a"), Some(a)),
                    (file("v", "1"), Some("variable")),
                    (swapped("b", &version(b), "deep/b"), Some(b)),
                    (swapped("c", "1", ""), Some("elsewhere")),
                ],
            )
        };
        assert!(no_set(store.swap(&set("x", "y"), NOW)), "nothing is there");
        store.put(&set("x", "y"), NOW).unwrap();
        let mounted = folder.path().join("t1/files");
        let inode = std::fs::metadata(&mounted).unwrap().ino();
        let read = || {
            ["a", "deep/b", "..data/3"]
                .map(|name| std::fs::read_to_string(mounted.join(name)).unwrap())
                .join(" ")
        };
        let mode = |name: &str| std::fs::metadata(mounted.join(name)).unwrap().mode() & 0o7777;
        assert_eq!((read(), text(&folder, "t1/1")), ("x y elsewhere".into(), "variable".into()));
        assert_eq!([mode(""), mode("..data"), mode("deep"), mode("a")], [0o755, 0o755, 0o755, 0o440]);
        assert_eq!(std::fs::read_link(mounted.join("deep/b")).unwrap(), Path::new("../..data/2"));
        // One that is open stays what it was.
        let mut open = std::fs::File::open(mounted.join("a")).unwrap();
        store.swap(&set("z", "y"), NOW).unwrap();
        assert_eq!(
            (read(), store.list().unwrap()[0].1[0].version.as_str()),
            ("z y elsewhere".into(), "of z")
        );
        let mut was = String::new();
        io::Read::read_to_string(&mut open, &mut was).unwrap();
        assert_eq!(was, "x");
        // Once more is nothing more, and what held before is still there.
        store.swap(&set("z", "y"), NOW).unwrap();
        assert_eq!((read(), mounted.join("..1").exists()), ("z y elsewhere".into(), true));
        store.back("t1").unwrap();
        store.back("t1").unwrap();
        assert_eq!(
            (read(), mounted.join("..2/0").exists()),
            ("x y elsewhere".into(), true),
            "it may be read"
        );
        store.tidy(NOW, AGE, |_| true).unwrap();
        assert!(mounted.join("..2").exists(), "and soon still");
        store.tidy(Timestamp(NOW.0 + 87_000_000), AGE, |_| true).unwrap();
        assert_eq!((read(), mounted.join("..2").exists()), ("x y elsewhere".into(), false));
        // A value that is there need not come again; one that is not is missed, and nothing is changed.
        let bare = |put: SecretsPut| SecretsPut {
            files: put.files.into_iter().map(|(file, _)| (file, None)).collect(),
            ..put
        };
        assert_eq!(missing(store.swap(&bare(set("w", "y")), NOW)), [0]);
        assert_eq!(read(), "x y elsewhere");
        store.swap(&set("w", "y"), NOW).unwrap();
        store.settle("t1").unwrap();
        assert_eq!((read(), mounted.join("..1").exists()), ("w y elsewhere".into(), false));
        store.back("t1").unwrap();
        assert_eq!(read(), "w y elsewhere", "there is no way back from what is settled");
        assert_eq!(std::fs::metadata(&mounted).unwrap().ino(), inode, "it is what is mounted");
        let names = std::fs::read_dir(folder.path().join("t1")).unwrap().count();
        assert_eq!(names, 3, "the folder, the variable, the list");
    }

    #[test]
    fn what_was_cut_off_is_no_set_and_what_a_container_fixes_is_not_swapped() {
        let (folder, store) = store();
        let one = |file: SecretFile| put("t1", &[(file, Some("x"))]);
        store.put(&one(swapped("a", "1", "a")), NOW).unwrap();
        let mounted = folder.path().join("t1/files");
        let read = || std::fs::read_to_string(mounted.join("a")).unwrap();
        // Killed before its list, before it held, and while it was renamed.
        std::fs::create_dir(mounted.join("..2")).unwrap();
        std::fs::write(mounted.join("..2/0"), "half").unwrap();
        std::os::unix::fs::symlink("..2", mounted.join("..new")).unwrap();
        store.back("t1").unwrap();
        assert_eq!(read(), "x", "it is none that held before");
        store.swap(&put("t1", &[(swapped("a", "2", "a"), Some("y"))]), NOW).unwrap();
        assert_eq!(read(), "y");
        // Sets of before the former one go.
        store.swap(&put("t1", &[(swapped("a", "3", "a"), Some("z"))]), NOW).unwrap();
        assert!(!mounted.join("..1").exists() && mounted.join("..2").exists());
        for other in [
            swapped("b", "4", "a"),
            swapped("a", "4", "b"),
            SecretFile { mode: 0o400, ..swapped("a", "4", "a") },
            file("a", "4"),
        ] {
            assert!(no_set(store.swap(&one(other.clone()), NOW)), "{other:?}");
        }
        assert!(no_set(store.swap(&put("t1", &[]), NOW)) && read() == "z");
        // Files that are mounted one by one, and names that lead elsewhere.
        store.put(&put("t2", &[(file("a", "1"), Some("x"))]), NOW).unwrap();
        assert!(no_set(store.swap(&put("t2", &[(file("a", "2"), Some("y"))]), NOW)));
        for name in ["..data", "../x", "a//b", "/a", "a/../../b", "."] {
            assert!(store.put(&put("t3", &[(swapped("a", "1", name), Some("x"))]), NOW).is_err(), "{name}");
        }
        assert_eq!(store.list().unwrap().len(), 2);
        // It was never said how it went.
        let used = |_: &str| true;
        store.tidy(Timestamp(NOW.0 + 86_000_000), AGE, used).unwrap();
        assert!(mounted.join("..2").exists());
        store.tidy(Timestamp(NOW.0 + 87_000_000), AGE, used).unwrap();
        assert!(!mounted.join("..2").exists() && read() == "z");
    }

    #[test]
    fn what_is_written_elsewhere_is_swapped_there_too() {
        let ((folder, store), (other, there)) = (self::store(), self::store());
        store.put(&put("t1", &[(swapped("a", "1", "a"), Some("x"))]), NOW).unwrap();
        store.swap(&put("t1", &[(swapped("a", "2", "a"), Some("y"))]), NOW).unwrap();
        for put in store.set().unwrap() {
            there.put(&put, NOW).unwrap();
        }
        assert_eq!(text(&other, "t1/files/a"), "y");
        assert_eq!(store.list().unwrap(), there.list().unwrap());
        there.swap(&put("t1", &[(swapped("a", "3", "a"), Some("z"))]), NOW).unwrap();
        assert_eq!((text(&folder, "t1/files/a"), text(&other, "t1/files/a")), ("y".into(), "z".into()));
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
