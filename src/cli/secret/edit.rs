//! `stackctl secret edit`: the value in an editor, in a file that is never on a disk.

use std::fs::{self, DirBuilder, File};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use super::super::Context;
use super::super::cluster::{self, Cluster, env};
use super::super::report::{Exit, Failure};
use super::{SecretEdit, give, present};
use crate::fleet::ConnectOptions;
use crate::ops::vault::private::read_file;
use crate::process_group;
use crate::vault::{Kind, Plaintext};

/// Why the value was not edited. Nothing was changed.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
enum NotEdited {
    /// A file on a disk can be found there later, even if it was removed.
    #[error("there is no directory in memory for the editor's file: {tried}")]
    #[diagnostic(
        code(stackctl::secret::no_memory_file),
        help("pipe the new value in instead: `stackctl secret rotate NAME -`")
    )]
    NoMemory { tried: String },
    #[error("the editor `{editor}` {why}: nothing was changed")]
    #[diagnostic(
        code(stackctl::secret::editor),
        help("set VISUAL or EDITOR to an editor that waits until you close it")
    )]
    Editor { editor: String, why: String },
    #[error("the editor's file cannot be {what}: {why}")]
    #[diagnostic(code(stackctl::secret::edited_file), help("nothing was changed"))]
    File { what: &'static str, why: String },
}

pub(super) fn run(args: &SecretEdit, context: &Context) -> Result<Exit, Failure> {
    cluster::with(context, ConnectOptions::default(), async |cluster: &Cluster| {
        let value = present(cluster, args).await?;
        let edited = edit(&value).map_err(Failure::refused)?;
        give(cluster, context, &args.name, &edited, "edit").await
    })
}

/// Before the id of the process.
const PREFIX: &str = "stackctl-edit-";

/// A directory of this process in memory; with all that is in it, it is gone when this is dropped.
struct Room(PathBuf);

impl Room {
    #[expect(clippy::disallowed_methods, reason = "a directory in memory, for the editor")]
    fn make() -> Result<Self, NotEdited> {
        let runtime = env("XDG_RUNTIME_DIR").filter(|dir| !dir.is_empty()).map(PathBuf::from);
        let mut tried = Vec::new();
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
        for parent in runtime.into_iter().chain([PathBuf::from("/dev/shm")]) {
            if !is_in_memory(&mounts, &parent) {
                tried.push(format!("{} is not in memory", parent.display()));
                continue;
            }
            remove_stale(&parent);
            let dir = parent.join(format!("{PREFIX}{}", std::process::id()));
            match DirBuilder::new().mode(0o700).create(&dir) {
                Ok(()) => return Ok(Self(dir)),
                Err(error) => tried.push(format!("{}: {error}", parent.display())),
            }
        }
        Err(NotEdited::NoMemory { tried: tried.join("; ") })
    }
}

/// What a process that was killed has left.
#[expect(clippy::disallowed_methods, reason = "what was made for the editor")]
fn remove_stale(parent: &Path) {
    for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let pid = name.to_str().and_then(|name| name.strip_prefix(PREFIX)?.parse::<u32>().ok());
        if pid.is_some_and(|pid| !Path::new(&format!("/proc/{pid}")).exists()) {
            drop(Room(entry.path()));
        }
    }
}

impl Drop for Room {
    /// With what the editor left beside the file. All of it is overwritten first, for what it is worth in memory.
    #[expect(clippy::disallowed_methods, reason = "what was made for the editor")]
    fn drop(&mut self) {
        for entry in fs::read_dir(&self.0).into_iter().flatten().flatten() {
            let len = entry.metadata().map_or(0, |meta| usize::try_from(meta.len()).unwrap_or(0));
            let overwrite = File::options().write(true).open(entry.path());
            let _is_gone_soon = overwrite.and_then(|mut file| file.write_all(&vec![0; len]));
        }
        let _is_in_memory = fs::remove_dir_all(&self.0);
    }
}

/// Whether the mount that a path is on keeps its files in memory.
fn is_in_memory(mounts: &str, path: &Path) -> bool {
    let mount = |line: &str| {
        let (left, right) = line.split_once(" - ")?;
        let point = PathBuf::from(left.split(' ').nth(4)?);
        Some((point, right.split(' ').next()?.to_owned()))
    };
    let on = mounts.lines().filter_map(mount).filter(|(point, _)| path.starts_with(point));
    // Of two on one place the later one covers the other.
    let last = on.max_by_key(|(point, _)| point.components().count());
    last.is_some_and(|(_, kind)| kind == "tmpfs" || kind == "ramfs")
}

#[expect(clippy::disallowed_methods, reason = "the user's editor, on a file in memory")]
fn edit(value: &Plaintext) -> Result<Plaintext, NotEdited> {
    let room = Room::make()?;
    let file = room.0.join("secret");
    let failed = |what| move |error: io::Error| NotEdited::File { what, why: error.to_string() };
    let mut opened =
        File::options().write(true).create_new(true).mode(0o600).open(&file).map_err(failed("made"))?;
    opened.write_all(value.expose()).map_err(failed("written"))?;
    drop(opened);
    let set = |name: &str| env(name).filter(|value| !value.trim().is_empty());
    let editor = set("VISUAL").or_else(|| set("EDITOR")).unwrap_or_else(|| "vi".to_owned());
    let bad = |why: String| NotEdited::Editor { editor: editor.clone(), why };
    let mut words = editor.split_whitespace();
    let mut command = process_group::blocking_program(words.next().unwrap_or("vi"));
    command.args(words).arg(&file).stdin(Stdio::inherit()).stdout(Stdio::inherit());
    let status = command.status().map_err(|error| bad(format!("cannot be started: {error}")))?;
    if !status.success() {
        return Err(bad(format!("ended with {status}")));
    }
    read_file(&file, Kind::Secret.bytes_max()).map_err(failed("read"))
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "a test looks at files")]
mod tests {
    use super::*;

    #[test]
    fn files_are_in_memory_where_the_mount_says_so() {
        let mounts = "24 1 8:1 / / rw - ext4 /dev/root rw\n25 24 0:22 / /dev rw - devtmpfs udev rw\n\
                      26 25 0:23 / /dev/shm rw - tmpfs tmpfs rw\n27 24 0:25 / /run rw - tmpfs tmpfs rw\n\
                      28 27 8:2 / /run/disk rw - ext4 /dev/sdb rw\n";
        for (path, is) in [
            ("/dev/shm", true),
            ("/run/user/0", true),
            ("/run/disk", false),
            ("/run/disk/x", false),
            ("/tmp", false),
            ("/runner", false),
        ] {
            assert_eq!(is_in_memory(mounts, Path::new(path)), is, "{path}");
        }
    }

    #[test]
    fn nothing_is_left_of_the_editors_directory() {
        let Ok(room) = Room::make() else { return };
        let dir = room.0.clone();
        fs::write(dir.join("secret~"), "x").unwrap();
        drop(room);
        assert!(!dir.exists());
    }
}
