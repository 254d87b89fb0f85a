//! Secrets of tasks, kept in memory on the host of their containers.
//!
//! They are files, which containers have mounted: `secrets/TASK/0`, `1`, … in the folder of the agent's socket. On that folder
//! an agent mounts memory that is never swapped out, when it is asked to keep something for the first time, in such a
//! way that the host sees it there: so the files stay when the agent ends, however it does, and the next one finds
//! them. When the host ends they are gone.
//!
//! What an agent mounts reaches its host only if the host shares its mounts and the agent was given its folder so
//! ([`mounts`]). On a host that shares nothing that cannot be seen from within, so the engine is asked once whether
//! it sees what was mounted ([`engine`]).
//!
//! Files of a task that are swapped while its container runs are in a folder that is mounted ([`sets`]).
//!
//! For tasks whose variables are secrets the agent's own program stands beside them ([`programs`]).
//! Beside them lies what is [kept] for tasks of other hosts.
//!
//! Agents of one cluster, of which there are two for a moment when one takes over, take turns by a lock on the folder.

pub(super) mod engine;
pub(super) mod kept;
mod memory;
mod mounts;
mod over;
mod programs;
mod sets;
mod store;

use std::fs::File;
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

pub use self::engine::{CLUSTER_LABEL, PLACE_LABELS, TASK_LABEL};
use self::mounts::Mount;
pub use self::programs::FOLDER as PROGRAMS_FOLDER;
use self::programs::Programs;
pub use self::sets::FOLDER as FILES_FOLDER;
use self::store::{NotPut, Store};
use super::wire::{Answer, Keeping, KeptSecret, KeptTask, Owner, Refusal, SecretFile, SecretsPut};
use crate::model::Timestamp;

/// The folder of secrets, beside the agent's socket.
pub const FOLDER: &str = "secrets";
/// Where it is tried whether the host sees what is mounted.
const PROBE: &str = "probe";
/// In it, so that it is there only if the mount is.
const IN_PROBE: &str = "here";
/// Between two looks for tasks that are over.
pub const TIDY_PAUSE: Duration = Duration::from_secs(60);
/// A task without a container is over when its secrets are older than this: they come before the container.
const TASK_AGE: Duration = Duration::from_secs(600);

/// What containers start whose variables are secrets: an agent's own program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    pub path: PathBuf,
    /// What tells it from those of other agents.
    pub digest: String,
}

/// How the folder becomes memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ground {
    /// Memory is mounted on it.
    Mount,
    /// A folder of a test is taken as it is.
    #[cfg(test)]
    AsItIs,
}

/// Keeps secrets in one folder.
#[derive(Debug)]
pub struct Keeper {
    /// The folder of the agent's socket.
    own: PathBuf,
    /// What that is called on the host.
    on_host: Option<PathBuf>,
    /// The engine's socket.
    engine: Option<PathBuf>,
    ground: Ground,
    /// The host was found to see what is mounted.
    is_seen: AtomicBool,
    /// One request at a time.
    turn: tokio::sync::Mutex<()>,
}

impl Keeper {
    /// In the folder of the agent's socket. `on_host`: what that folder is called on the host.
    #[must_use]
    pub fn new(own: &Path, on_host: Option<&Path>, engine: Option<&Path>) -> Self {
        Self {
            own: own.to_owned(),
            on_host: on_host.map(Path::to_owned),
            engine: engine.map(Path::to_owned),
            ground: Ground::Mount,
            is_seen: AtomicBool::new(false),
            turn: tokio::sync::Mutex::default(),
        }
    }

    /// In a folder of a test, which is no memory.
    #[cfg(test)]
    pub(crate) fn of_test(own: &Path, engine: Option<&Path>) -> Self {
        Self { ground: Ground::AsItIs, ..Self::new(own, None, engine) }
    }

    /// The same, of a folder that the engine calls by another name.
    #[cfg(test)]
    pub(crate) fn of_test_on(own: &Path, on_host: &Path, engine: &Path) -> Self {
        Self { ground: Ground::AsItIs, ..Self::new(own, Some(on_host), Some(engine)) }
    }

    /// What it keeps, and whether it can keep anything.
    pub async fn keeping(&self) -> Keeping {
        let _turn = self.turn.lock().await;
        let why_not = self.check().await.err().map(|refusal| refusal.to_string());
        let tasks = self.in_store(false, |store| store.list()).await;
        Keeping { tasks: tasks.ok().flatten().unwrap_or_default().len(), why_not }
    }

    /// Writes a task's secrets, or says which values are missing.
    ///
    /// # Errors
    ///
    /// It cannot keep secrets.
    pub async fn put(&self, put: SecretsPut, now: Timestamp) -> Result<Answer, Refusal> {
        let _turn = self.turn.lock().await;
        self.check().await?;
        written(self.in_store(true, move |store| Ok(store.put(&put, now))).await?)
    }

    /// Swaps the files of a task whose container may run, or says which values are missing.
    ///
    /// # Errors
    ///
    /// It has none that can be swapped here, or the system refuses.
    pub async fn swap(&self, put: SecretsPut, now: Timestamp) -> Result<Answer, Refusal> {
        let _turn = self.turn.lock().await;
        written(self.in_store(false, move |store| Ok(store.swap(&put, now))).await?)
    }

    /// Has the files of a task hold again that held before they were swapped.
    ///
    /// # Errors
    ///
    /// The system refuses.
    pub async fn swap_back(&self, task: String) -> Result<Answer, Refusal> {
        let _turn = self.turn.lock().await;
        let done = self.in_store(false, move |store| Ok(store.back(&task))).await?;
        changed(done)
    }

    /// Removes what held before the files of a task were swapped.
    ///
    /// # Errors
    ///
    /// The system refuses.
    pub async fn settle(&self, task: String) -> Result<Answer, Refusal> {
        let _turn = self.turn.lock().await;
        let done = self.in_store(false, move |store| Ok(store.settle(&task))).await?;
        changed(done)
    }

    /// Gives a task, whose secrets are here, this program to start with.
    ///
    /// # Errors
    ///
    /// It has no secrets here, or the system refuses.
    pub async fn put_program(&self, task: String, program: Program) -> Result<Answer, Refusal> {
        let _turn = self.turn.lock().await;
        self.check().await?;
        let (folder, ground) = (self.programs(), self.ground);
        let given = self.in_store(false, move |store| {
            if !store.has(&task) {
                return Err(io::Error::other(format!("there are no secrets of `{task}`")));
            }
            if ground != Ground::Mount {
                make_folder(&folder)?;
            } else if !is_mounted(&folder, Mount::is_programs)? {
                make_folder(&folder)?;
                memory::mount_programs(&folder)?;
            }
            Programs::new(folder).give(&task, &program.path, &program.digest)
        });
        match given.await? {
            Some(()) => Ok(Answer::Done),
            None => Err(refused(&"there are no secrets here")),
        }
    }

    /// Removes a task's secrets.
    ///
    /// # Errors
    ///
    /// The system refuses.
    pub async fn forget(&self, task: String) -> Result<Answer, Refusal> {
        let _turn = self.turn.lock().await;
        let programs = self.programs();
        let gone = self.in_store(false, move |store| {
            let gone = store.forget(&task);
            keep_programs(&programs, store)?;
            Ok(gone)
        });
        changed(gone.await?)
    }

    /// Whose secrets are kept.
    ///
    /// # Errors
    ///
    /// The system refuses.
    pub async fn list(&self) -> Result<Answer, Refusal> {
        let _turn = self.turn.lock().await;
        let tasks = self.in_store(false, |store| store.list()).await?.unwrap_or_default();
        Ok(Answer::Kept(tasks.into_iter().map(|(task, files)| kept_task(task, files, None)).collect()))
    }

    /// Removes all secrets, and the memory that they were in.
    ///
    /// # Errors
    ///
    /// The system refuses.
    pub async fn clear(&self) -> Result<Answer, Refusal> {
        let _turn = self.turn.lock().await;
        self.in_store(false, |store| store.empty()).await?;
        let (folder, probe, ground) = (self.folder(), self.own.join(PROBE), self.ground);
        let programs = self.programs();
        self.locked(move || {
            end_probe(&probe)?;
            if is_folder(&programs) {
                Programs::new(programs.clone()).keep(|_| false)?;
            }
            for (folder, is_ours) in
                [(&folder, Mount::is_memory as fn(&Mount) -> bool), (&programs, Mount::is_programs)]
            {
                // One upon the other: what a second agent may have mounted at the same moment.
                while ground == Ground::Mount && is_mounted(folder, is_ours)? {
                    memory::unmount(folder)?;
                }
                remove_folder(folder)?;
            }
            Ok(())
        })
        .await?;
        Ok(Answer::Done)
    }

    /// Removes secrets of tasks that have been without a container for a while. If the engine does not say which there
    /// are, nothing.
    pub async fn tidy(&self, now: Timestamp) {
        let Some(engine) = &self.engine else { return };
        if !matches!(self.in_store(false, |store| store.list()).await, Ok(Some(_))) {
            return;
        }
        // What is put while the engine is asked is young, and so is what is asked for once more.
        let Ok(mut used) = engine::tasks(engine).await else { return };
        let _turn = self.turn.lock().await;
        // What cannot be removed now is tried again with the next look.
        let programs = self.programs();
        let tidied = self.in_store(false, move |store| {
            store.tidy(now, TASK_AGE, |task| used.contains_key(task))?;
            // A client of an earlier version did not say what its tasks are of.
            for (task, _) in store.list()? {
                if let Some(of) = used.remove(&task).flatten().filter(|_| store.of(&task).is_none()) {
                    store.say_of(&task, of)?;
                }
            }
            keep_programs(&programs, store)
        });
        let _tidied = tidied.await;
    }

    fn programs(&self) -> PathBuf {
        self.own.join(PROGRAMS_FOLDER)
    }

    /// The engine of this host, and what it calls the folder of the agent's socket.
    pub(super) fn of_engine(&self) -> Option<(&Path, &Path)> {
        Some((self.engine.as_deref()?, self.on_host.as_deref()?))
    }

    fn folder(&self) -> PathBuf {
        self.own.join(FOLDER)
    }

    /// Whether the host sees, or would see, what is kept here.
    async fn check(&self) -> Result<(), Refusal> {
        if self.ground != Ground::Mount || self.is_seen.load(Ordering::Relaxed) {
            return Ok(());
        }
        let (folder, own) = (self.folder(), self.own.clone());
        let (is_there, reaches) = self
            .locked(move || {
                let seen = memory::seen()?;
                Ok((
                    mounts::at(&seen, &folder).is_some(),
                    mounts::of(&seen, &own).is_some_and(Mount::reaches_its_origin),
                ))
            })
            .await?;
        // One that is there came from the host, where an earlier agent had put it.
        if !is_there {
            if !reaches {
                return Err(Refusal::NotShared);
            }
            self.try_it().await?;
        }
        self.is_seen.store(true, Ordering::Relaxed);
        Ok(())
    }

    /// Mounts memory for a moment and asks the engine whether it sees it.
    async fn try_it(&self) -> Result<(), Refusal> {
        let (Some(engine), Some(on_host)) = (&self.engine, &self.on_host) else { return Ok(()) };
        let (probe, in_probe) = (self.own.join(PROBE), self.own.join(PROBE).join(IN_PROBE));
        self.locked({
            let probe = probe.clone();
            move || {
                end_probe(&probe)?;
                make_folder(&probe)?;
                memory::mount(&probe)?;
                make_folder(&in_probe)
            }
        })
        .await?;
        let sees = engine::sees(engine, &on_host.join(PROBE).join(IN_PROBE)).await;
        self.locked(move || end_probe(&probe)).await?;
        match sees {
            Ok(true) => Ok(()),
            Ok(false) => Err(Refusal::NotShared),
            Err(why) => Err(refused(&format!("the engine does not say whether it sees them: {why}"))),
        }
    }

    /// Works in the folder; `None` where there is no memory, and none is to be made.
    async fn in_store<T, W>(&self, is_to_be: bool, work: W) -> Result<Option<T>, Refusal>
    where
        T: Send + 'static,
        W: FnOnce(&Store) -> io::Result<T> + Send + 'static,
    {
        let (folder, ground) = (self.folder(), self.ground);
        self.locked(move || {
            let is_there = match ground {
                Ground::Mount => is_mounted(&folder, Mount::is_memory)?,
                #[cfg(test)]
                Ground::AsItIs => is_folder(&folder),
            };
            match (is_there, is_to_be) {
                (false, false) => return Ok(None),
                (false, true) => {
                    make_folder(&folder)?;
                    if ground == Ground::Mount {
                        memory::mount(&folder)?;
                    }
                }
                (true, _) => {}
            }
            work(&Store::new(folder)).map(Some)
        })
        .await
    }

    /// Does what takes a moment outside of the thread that answers, with the folder locked.
    async fn locked<T, W>(&self, work: W) -> Result<T, Refusal>
    where
        T: Send + 'static,
        W: FnOnce() -> io::Result<T> + Send + 'static,
    {
        let own = self.own.clone();
        let done = tokio::task::spawn_blocking(move || {
            let _lock = lock(&own)?;
            work()
        });
        match done.await {
            Ok(done) => done.map_err(|error| refused(&error)),
            Err(error) => Err(refused(&error)),
        }
    }
}

/// What is said of a task that has these files.
fn kept_task(task: String, files: impl IntoIterator<Item = SecretFile>, of: Option<Owner>) -> KeptTask {
    let secret = |file: SecretFile| KeptSecret { name: file.name, version: file.version };
    KeptTask { task, secrets: files.into_iter().map(secret).collect(), of }
}

/// What came of writing a task's files; `None` where there is no folder for them.
fn written(done: Option<Result<(), NotPut>>) -> Result<Answer, Refusal> {
    match done {
        Some(Err(NotPut::Missing(places))) => Ok(Answer::Missing(places)),
        Some(result) => result.map(|()| Answer::Missing(Vec::new())).map_err(|error| refused(&error)),
        None => Err(refused(&"its folder is gone")),
    }
}

/// What came of changing a task's files; where there is no folder for them, nothing was to be done.
fn changed(done: Option<Result<(), NotPut>>) -> Result<Answer, Refusal> {
    done.unwrap_or(Ok(())).map(|()| Answer::Done).map_err(|error| refused(&error))
}

fn refused(why: &dyn std::fmt::Display) -> Refusal {
    Refusal::NotKept { why: why.to_string() }
}

/// Waits until no other agent works in the folder.
#[expect(clippy::disallowed_methods, reason = "secrets of containers are files")]
fn lock(own: &Path) -> io::Result<File> {
    let folder = File::open(own)?;
    folder.lock()?;
    Ok(folder)
}

/// Takes away programs of tasks that have no secrets any more.
fn keep_programs(folder: &Path, store: &Store) -> io::Result<()> {
    if is_folder(folder) { Programs::new(folder.to_owned()).keep(|task| store.has(task)) } else { Ok(()) }
}

/// Whether what is ours is mounted at the folder; an error if it is something else.
fn is_mounted(folder: &Path, is_ours: impl Fn(&Mount) -> bool) -> io::Result<bool> {
    match mounts::at(&memory::seen()?, folder) {
        None => Ok(false),
        Some(mount) if is_ours(mount) => Ok(true),
        Some(mount) => Err(io::Error::other(format!(
            "a file system `{}` is mounted at {}",
            mount.kind,
            folder.display()
        ))),
    }
}

#[expect(clippy::disallowed_methods, reason = "secrets of containers are files")]
fn is_folder(folder: &Path) -> bool {
    std::fs::symlink_metadata(folder).is_ok_and(|of| of.is_dir())
}

#[expect(clippy::disallowed_methods, reason = "secrets of containers are files")]
fn make_folder(folder: &Path) -> io::Result<()> {
    match std::fs::DirBuilder::new().mode(0o700).create(folder) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && is_folder(folder) => Ok(()),
        other => other,
    }
}

#[expect(clippy::disallowed_methods, reason = "secrets of containers are files")]
fn remove_folder(folder: &Path) -> io::Result<()> {
    match std::fs::remove_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// What is left of a trial, also of an agent that was killed in the middle of it.
fn end_probe(probe: &Path) -> io::Result<()> {
    while mounts::at(&memory::seen()?, probe).is_some() {
        memory::unmount(probe)?;
    }
    remove_folder(probe)
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "a test looks at files")]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::vault::Plaintext;

    fn put(task: &str) -> SecretsPut {
        let (uid, gid) = (rustix::process::getuid().as_raw(), rustix::process::getgid().as_raw());
        let file = SecretFile { name: "a".into(), version: "v".into(), uid, gid, mode: 0o400, place: None };
        SecretsPut {
            task: task.into(),
            of: None,
            files: vec![(file, Some(Arc::new(Plaintext::new(b"x".to_vec()))))],
        }
    }

    #[tokio::test]
    async fn what_is_put_is_listed_forgotten_and_cleared() {
        let own = tempfile::tempdir().unwrap();
        let keeper = Keeper::of_test(own.path(), None);
        assert_eq!(keeper.keeping().await, Keeping::default());
        assert_eq!(keeper.list().await, Ok(Answer::Kept(Vec::new())));
        assert_eq!(keeper.forget("t1".into()).await, Ok(Answer::Done));
        assert!(!own.path().join(FOLDER).exists(), "looking makes nothing");
        for task in ["t1", "t2"] {
            assert_eq!(keeper.put(put(task), Timestamp(1_000)).await, Ok(Answer::Missing(Vec::new())));
        }
        let refused = keeper.put(put("../t3"), Timestamp(1_000)).await.unwrap_err();
        assert_eq!(refused.to_string(), "the agent cannot keep secrets: `../t3` is no id of a task");
        assert_eq!(keeper.keeping().await.tasks, 2);
        assert_eq!(keeper.forget("t1".into()).await, Ok(Answer::Done));
        let secret = KeptSecret { name: "a".into(), version: "v".into() };
        let kept = KeptTask { task: "t2".into(), secrets: vec![secret], of: None };
        assert_eq!(keeper.list().await, Ok(Answer::Kept(vec![kept])));
        assert_eq!(keeper.clear().await, Ok(Answer::Done));
        assert_eq!(std::fs::read_dir(own.path()).unwrap().count(), 0);
        assert_eq!(keeper.clear().await, Ok(Answer::Done));
    }

    #[tokio::test]
    async fn a_task_has_a_program_as_long_as_it_has_secrets() {
        let own = tempfile::tempdir().unwrap();
        let keeper = Keeper::of_test(own.path(), None);
        let path = own.path().join("program");
        std::fs::write(&path, "one").unwrap();
        let program = Program { path, digest: "aa".into() };
        let is_there = |task: &str| own.path().join(PROGRAMS_FOLDER).join(task).exists();
        assert!(keeper.put_program("t1".into(), program.clone()).await.is_err(), "nothing is kept");
        for task in ["t1", "t2"] {
            keeper.put(put(task), Timestamp(1_000)).await.unwrap();
            for _again in 0..2 {
                assert_eq!(keeper.put_program(task.into(), program.clone()).await, Ok(Answer::Done));
            }
            assert!(is_there(task));
        }
        for task in ["t3", "../t1", ".of-aa"] {
            assert!(keeper.put_program(task.into(), program.clone()).await.is_err(), "{task}");
        }
        keeper.forget("t1".into()).await.unwrap();
        assert!(!is_there("t1") && is_there("t2") && is_there(".of-aa"));
        keeper.forget("t2".into()).await.unwrap();
        assert!(!is_there("t2") && !is_there(".of-aa"));
        keeper.put(put("t1"), Timestamp(1_000)).await.unwrap();
        keeper.put_program("t1".into(), program).await.unwrap();
        keeper.clear().await.unwrap();
        assert_eq!(std::fs::read_dir(own.path()).unwrap().count(), 1, "what the test made");
    }

    #[tokio::test]
    async fn an_engine_that_does_not_answer_has_nothing_removed() {
        let own = tempfile::tempdir().unwrap();
        let engine = own.path().join("docker.sock");
        let keeper = Keeper::of_test(own.path(), Some(&engine));
        keeper.put(put("t1"), Timestamp(1_000)).await.unwrap();
        keeper.tidy(Timestamp(10_000_000)).await;
        assert_eq!(keeper.keeping().await.tasks, 1);
        let listener = std::os::unix::net::UnixListener::bind(&engine).unwrap();
        std::thread::spawn(move || {
            use std::io::{Read as _, Write as _};
            let (mut stream, _) = listener.accept().unwrap();
            let _asked = stream.read(&mut [0; 4096]).unwrap();
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n[]").unwrap();
        });
        keeper.tidy(Timestamp(10_000_000)).await;
        assert_eq!(keeper.keeping().await.tasks, 0);
    }

    /// This process may mount nothing that reaches anywhere, or nothing at all.
    #[tokio::test]
    async fn without_a_shared_folder_nothing_is_kept() {
        let own = tempfile::tempdir().unwrap();
        let keeper = Keeper::new(own.path(), None, None);
        if mounts::of(&memory::seen().unwrap(), own.path()).is_some_and(Mount::reaches_its_origin) {
            return;
        }
        assert_eq!(keeper.put(put("t1"), Timestamp(1_000)).await, Err(Refusal::NotShared));
        assert!(keeper.keeping().await.why_not.unwrap().contains("mount --make-rshared /"));
        assert_eq!(std::fs::read_dir(own.path()).unwrap().count(), 0);
    }
}
