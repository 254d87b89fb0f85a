//! A file system in memory, mounted where the host sees it.

use std::io;
use std::path::Path;

use rustix::io::Errno;
use rustix::mount::{MountFlags, UnmountFlags};

use super::mounts::{self, Mount};

/// What the file system is called in lists of mounts.
const SOURCE: &str = "stackctl";
/// Numbers by which the kernel knows them.
const TMPFS: u32 = 0x0102_1994;
const RAMFS: u32 = 0x8584_58f6;

/// What this process sees mounted.
#[expect(clippy::disallowed_methods, reason = "the kernel says it in a file")]
pub fn seen() -> io::Result<Vec<Mount>> {
    Ok(mounts::read(&std::fs::read_to_string("/proc/self/mountinfo")?))
}

/// Mounts memory at a folder, which only root may enter from then on.
pub fn mount(folder: &Path) -> io::Result<()> {
    let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    match rustix::mount::mount(SOURCE, folder, "tmpfs", flags, c"mode=0700,noswap") {
        // Before Linux 6.4 a tmpfs may be swapped out: ramfs never is.
        Err(Errno::INVAL) => rustix::mount::mount(SOURCE, folder, "ramfs", flags, c"mode=0700")?,
        other => other?,
    }
    check(folder).inspect_err(|_| unmount(folder).unwrap_or(()))
}

/// Mounts memory from which programs can be started. It may be swapped out: a program is no secret.
pub fn mount_programs(folder: &Path) -> io::Result<()> {
    let flags = MountFlags::NOSUID | MountFlags::NODEV;
    Ok(rustix::mount::mount(SOURCE, folder, "tmpfs", flags, c"mode=0700")?)
}

/// Whether what is there is what was mounted.
fn check(folder: &Path) -> io::Result<()> {
    // The kernel's type of this number differs between processors, and its bits do not.
    let kind = rustix::fs::statfs(folder)?.f_type as u32;
    let mounts = seen()?;
    let is_memory = mounts::at(&mounts, folder).is_some_and(Mount::is_memory);
    if matches!(kind, TMPFS | RAMFS) && is_memory {
        return Ok(());
    }
    Err(io::Error::other(format!(
        "what was mounted at {} is not the memory that was asked for",
        folder.display()
    )))
}

/// Takes it away, here and on the host. Who has files of it mounted keeps those.
pub fn unmount(folder: &Path) -> io::Result<()> {
    Ok(rustix::mount::unmount(folder, UnmountFlags::DETACH)?)
}
