//! Where control sockets and forwarded sockets live: a private directory with a short path.
//!
//! Short, because a socket's path is limited to about 108 bytes and ssh adds a random suffix of 17. One
//! directory for each fleet; those of killed processes are removed on the next start. A file lock shows
//! whether the owner lives, not a process id: ids are reused, and mean nothing to a container that shares
//! `/tmp`.
#![expect(clippy::disallowed_methods, reason = "a directory of files")]

use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{self, Child, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use crate::process_group;

/// Longest base that leaves room for `/<pid>-<n>/<number>.ctl` and ssh's suffix.
const BASE_BYTES_MAX: usize = 60;
/// Names below /tmp that are tried: another user may have taken the first ones.
const BASES_MAX: u32 = 32;
const LOCK: &str = "lock";
/// Until ssh has ended the connection of a dead program.
const END_PAUSE: Duration = Duration::from_millis(20);
const END_LOOKS_MAX: u32 = 50;

/// A private directory, removed when dropped.
#[derive(Debug)]
pub(super) struct RuntimeDir {
    path: PathBuf,
    next: AtomicU32,
    _alive: File,
}

/// The files of one ssh connection.
#[derive(Debug, Clone)]
pub(super) struct Paths {
    /// Control socket of the master.
    pub control: PathBuf,
    /// Our end of the forwarded engine socket.
    pub socket: PathBuf,
    pub log: PathBuf,
}

impl RuntimeDir {
    /// Makes the directory, and removes those that dead programs left.
    pub(super) fn create(wanted: Option<&Path>) -> io::Result<Self> {
        let uid = own_uid()?;
        match wanted {
            Some(path) => Self::create_in(path, uid),
            None => Self::create_in_first(&default_bases(uid), uid),
        }
    }

    /// Below the first that is ours alone, or can be made so: anyone may make a directory of that name below /tmp.
    fn create_in_first(bases: &[PathBuf], uid: u32) -> io::Result<Self> {
        let mut error = io::Error::from(io::ErrorKind::NotFound);
        for base in bases {
            match Self::create_in(base, uid) {
                Ok(made) => return Ok(made),
                // Of the name that was preferred.
                Err(other) if base == &bases[0] => error = other,
                Err(_) => {}
            }
        }
        Err(error)
    }

    fn create_in(base: &Path, uid: u32) -> io::Result<Self> {
        if base.as_os_str().len() > BASE_BYTES_MAX {
            return Err(io::Error::other(format!("the path {} is too long for sockets", base.display())));
        }
        make_private(base, uid)?;
        // Held while making and cleaning, so that no other process removes a directory that is being made.
        let door = lock_file(&base.join(LOCK))?;
        door.lock()?;
        remove_stale(base);
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        loop {
            let name = format!("{}-{}", process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
            let path = base.join(name);
            match DirBuilder::new().mode(0o700).create(&path) {
                Ok(()) => {}
                Err(e) if e.kind() == io::ErrorKind::AlreadyExists => continue,
                Err(e) => return Err(e),
            }
            let alive = lock_file(&path.join(LOCK))?;
            alive.lock()?;
            return Ok(Self { path, next: AtomicU32::new(0), _alive: alive });
        }
    }

    /// The directory below which it is, with those of other programs of this user.
    pub(super) fn base(&self) -> &Path {
        self.path.parent().unwrap_or(&self.path)
    }

    /// Fresh names; a second connection to a host never meets the remains of the first.
    pub(super) fn paths(&self) -> Paths {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let file = |ending: &str| self.path.join(format!("{number}.{ending}"));
        Paths { control: file("ctl"), socket: file("sock"), log: file("log") }
    }
}

impl Drop for RuntimeDir {
    fn drop(&mut self) {
        // Best effort: what stays is removed on the next start.
        let _ = fs::remove_dir_all(&self.path);
    }
}

/// Where it may be, in order of preference.
fn default_bases(uid: u32) -> Vec<PathBuf> {
    let short = |path: &PathBuf| path.as_os_str().len() <= BASE_BYTES_MAX && path.is_absolute();
    let own = std::env::var_os("XDG_RUNTIME_DIR")
        .map(|dir| Path::new(&dir).join("stackctl"))
        .filter(short)
        .filter(|path| path.parent().is_some_and(Path::is_dir));
    let below_tmp = PathBuf::from(format!("/tmp/stackctl-{uid}"));
    let others = (2..=BASES_MAX).map(|number| PathBuf::from(format!("/tmp/stackctl-{uid}-{number}")));
    own.into_iter().chain([below_tmp]).chain(others).collect()
}

/// Our user id, read from a file we create: the standard library has no other way.
fn own_uid() -> io::Result<u32> {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    loop {
        let name = format!(".stackctl-{}-{}", process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        match fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path) {
            Ok(file) => {
                fs::remove_file(&path)?;
                return Ok(file.metadata()?.uid());
            }
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
            Err(e) => return Err(e),
        }
    }
}

fn make_private(base: &Path, uid: u32) -> io::Result<()> {
    match DirBuilder::new().mode(0o700).create(base) {
        Ok(()) => return Ok(()),
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
        Err(e) => return Err(e),
    }
    let meta = fs::symlink_metadata(base)?;
    let trouble = if !meta.is_dir() {
        "is not a directory"
    } else if meta.uid() != uid {
        "belongs to another user"
    } else if meta.permissions().mode() & 0o077 != 0 {
        "can be entered by other users"
    } else {
        return Ok(());
    };
    Err(io::Error::other(format!("{} {trouble}", base.display())))
}

fn lock_file(path: &Path) -> io::Result<File> {
    fs::OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path)
}

/// Ends the ssh connections of programs that were killed since, and removes their directories. A program that stands still
/// may hold the door: it is not waited for, since the caller holds a lock that others wait for.
pub(super) fn end_dead(base: &Path) -> io::Result<()> {
    let door = lock_file(&base.join(LOCK))?;
    if !happens_soon(|| door.try_lock().is_ok()) {
        return Err(io::Error::from(io::ErrorKind::WouldBlock));
    }
    remove_stale(base);
    Ok(())
}

/// Looks again and again for a second; whether it happens.
fn happens_soon(mut happens: impl FnMut() -> bool) -> bool {
    (0..END_LOOKS_MAX).any(|look| {
        if look > 0 {
            std::thread::sleep(END_PAUSE);
        }
        happens()
    })
}

/// Whether a directory is called as [`RuntimeDir`] calls its own: a process, and a number.
fn is_name(name: &str) -> bool {
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|digit| digit.is_ascii_digit());
    name.split_once('-').is_some_and(|(process, number)| is_number(process) && is_number(number))
}

fn remove_stale(base: &Path) {
    let Ok(entries) = fs::read_dir(base) else { return };
    // Where XDG_STATE_HOME and XDG_RUNTIME_DIR are one directory, journals and mirrors stand beside ours.
    let is_ours = |entry: &fs::DirEntry| {
        entry.file_type().is_ok_and(|kind| kind.is_dir()) && entry.file_name().to_str().is_some_and(is_name)
    };
    for entry in entries.flatten().filter(is_ours) {
        let dead = match File::open(entry.path().join(LOCK)) {
            Ok(file) => file.try_lock().is_ok(),
            // Of a program that was killed between its first two steps. That it cannot be opened otherwise, as where too
            // many files are open, says nothing about its program.
            Err(error) => error.kind() == io::ErrorKind::NotFound,
        };
        if dead {
            end_masters(&entry.path());
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

/// Ends the ssh connections of a program that was killed: what it sent last may be in one of them.
fn end_masters(dir: &Path) {
    let Ok(entries) = fs::read_dir(dir) else { return };
    let sockets = entries.flatten().map(|entry| entry.path());
    let sockets = sockets.filter(|path| path.extension().is_some_and(|ending| ending == "ctl"));
    let mut running: Vec<Child> = sockets.filter_map(|socket| end_master(&socket).ok()).collect();
    happens_soon(|| {
        running.retain_mut(|ssh| matches!(ssh.try_wait(), Ok(None)));
        running.is_empty()
    });
    for mut ssh in running {
        // It is our own, and asks a socket that does not answer.
        let _ended = ssh.kill().and_then(|()| ssh.wait());
    }
}

fn end_master(socket: &Path) -> io::Result<Child> {
    let mut ssh = process_group::blocking_program("ssh");
    ssh.args(["-F", "none", "-O", "exit", "-S"]).arg(socket).args(["--", "host"]);
    ssh.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn live_directories_stay_and_dead_ones_are_removed() {
        let folder = tempfile::tempdir().unwrap();
        let base = folder.path().join("s");
        let first = RuntimeDir::create(Some(&base)).unwrap();
        fs::create_dir(base.join("4711-0")).unwrap();
        fs::write(base.join("4711-0").join(LOCK), "").unwrap();
        let second = RuntimeDir::create(Some(&base)).unwrap();
        assert!(first.path.is_dir() && second.path.is_dir());
        assert_ne!(first.path, second.path);
        assert!(!base.join("4711-0").exists());
        let gone = first.path.clone();
        drop(first);
        assert!(!gone.exists());
    }

    #[test]
    fn what_others_keep_beside_them_stays() {
        let folder = tempfile::tempdir().unwrap();
        let base = folder.path().join("s");
        let _made = RuntimeDir::create(Some(&base)).unwrap();
        for name in ["journal", "mirrors", "4711", "4711-x", "-1"] {
            fs::create_dir(base.join(name)).unwrap();
            fs::write(base.join(name).join("kept"), "").unwrap();
        }
        end_dead(&base).unwrap();
        for name in ["journal", "mirrors", "4711", "4711-x", "-1"] {
            assert!(base.join(name).join("kept").exists(), "{name}");
        }
    }

    #[test]
    fn who_holds_a_lock_does_not_wait_for_the_door() {
        let folder = tempfile::tempdir().unwrap();
        let base = folder.path().join("s");
        let _ours = RuntimeDir::create(Some(&base)).unwrap();
        let dead = base.join("4711-0");
        fs::create_dir(&dead).unwrap();
        fs::write(dead.join(LOCK), "").unwrap();
        let door = lock_file(&base.join(LOCK)).unwrap();
        door.lock().unwrap();
        assert_eq!(end_dead(&base).unwrap_err().kind(), io::ErrorKind::WouldBlock);
        assert!(dead.exists());
        drop(door);
        end_dead(&base).unwrap();
        assert!(!dead.exists());
    }

    #[test]
    fn a_lock_that_cannot_be_opened_is_not_taken_for_that_of_a_dead_program() {
        let folder = tempfile::tempdir().unwrap();
        let base = folder.path().join("s");
        let _ours = RuntimeDir::create(Some(&base)).unwrap();
        let (unclear, unborn) = (base.join("4711-0"), base.join("4711-1"));
        fs::create_dir(&unclear).unwrap();
        fs::create_dir(&unborn).unwrap();
        // As little as where too many files are open, whose number a test cannot lower for itself alone.
        std::os::unix::fs::symlink(LOCK, unclear.join(LOCK)).unwrap();
        end_dead(&base).unwrap();
        assert!(unclear.exists() && !unborn.exists());
    }

    #[test]
    fn a_directory_that_others_can_enter_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let base = folder.path().join("s");
        fs::create_dir(&base).unwrap();
        fs::set_permissions(&base, fs::Permissions::from_mode(0o755)).unwrap();
        let error = RuntimeDir::create(Some(&base)).unwrap_err().to_string();
        assert!(error.ends_with("can be entered by other users"), "{error}");
    }

    #[test]
    fn where_a_name_is_taken_by_others_the_next_one_is() {
        let folder = tempfile::tempdir().unwrap();
        let bases: Vec<PathBuf> = ["a", "b", "c"].iter().map(|name| folder.path().join(name)).collect();
        fs::create_dir(&bases[0]).unwrap();
        fs::set_permissions(&bases[0], fs::Permissions::from_mode(0o777)).unwrap();
        std::os::unix::fs::symlink("/tmp", &bases[1]).unwrap();
        let uid = own_uid().unwrap();
        let made = RuntimeDir::create_in_first(&bases, uid).unwrap();
        assert!(made.path.starts_with(&bases[2]), "{}", made.path.display());
        let error = RuntimeDir::create_in_first(&bases[..2], uid).unwrap_err().to_string();
        assert!(
            error.contains("/a can be entered by other users"),
            "of the name that was preferred: {error}"
        );
        assert!(default_bases(uid).contains(&PathBuf::from(format!("/tmp/stackctl-{uid}-2"))));
    }

    #[test]
    fn a_path_too_long_for_sockets_is_refused() {
        let error = RuntimeDir::create(Some(Path::new(&format!("/tmp/{}", "x".repeat(80))))).unwrap_err();
        assert!(error.to_string().ends_with("is too long for sockets"));
    }
}
