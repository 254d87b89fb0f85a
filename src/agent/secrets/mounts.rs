//! What a process sees mounted, as the kernel says it (`/proc/self/mountinfo`). Reads no file: the text is handed in.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Path, PathBuf};

/// One line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    /// Where it stands.
    pub point: PathBuf,
    /// The kind of its file system.
    pub kind: String,
    /// What is mounted below it is seen elsewhere, and what is mounted there is seen here.
    is_shared: bool,
    /// What is mounted elsewhere is seen here.
    is_led: bool,
    /// Options of its file system.
    options: String,
}

impl Mount {
    /// Whether mounts that are made below it reach where it comes from. One that is shared and led is shared with what
    /// came from it, and not with what it came from.
    #[must_use]
    pub fn reaches_its_origin(&self) -> bool {
        self.is_shared && !self.is_led
    }

    /// Whether it is memory for programs.
    #[must_use]
    pub fn is_programs(&self) -> bool {
        self.kind == "tmpfs"
    }

    /// Whether it is memory that is never written to a disk.
    #[must_use]
    pub fn is_memory(&self) -> bool {
        self.kind == "ramfs"
            || self.kind == "tmpfs" && self.options.split(',').any(|option| option == "noswap")
    }
}

/// All lines, in their order.
#[must_use]
pub fn read(text: &str) -> Vec<Mount> {
    text.lines().filter_map(line).collect()
}

/// The mount that stands at a folder: the uppermost.
#[must_use]
pub fn at<'a>(mounts: &'a [Mount], folder: &Path) -> Option<&'a Mount> {
    mounts.iter().rev().find(|mount| mount.point == folder)
}

/// The mount in which a path lies.
#[must_use]
pub fn of<'a>(mounts: &'a [Mount], path: &Path) -> Option<&'a Mount> {
    let above = mounts.iter().filter(|mount| path.starts_with(&mount.point));
    // The last of several at one place.
    above.max_by_key(|mount| mount.point.components().count())
}

/// `36 35 98:0 /mnt1 /mnt2 rw,noatime shared:1 master:2 - ext3 /dev/root rw,errors=continue`
fn line(text: &str) -> Option<Mount> {
    let (own, of_kind) = text.split_once(" - ")?;
    let mut own = own.split(' ').skip(4);
    let point = plain(own.next()?);
    let tags: Vec<&str> = own.skip(1).collect();
    let has = |tag: &str| tags.iter().any(|one| one.starts_with(tag));
    let mut of_kind = of_kind.split(' ');
    Some(Mount {
        point,
        kind: of_kind.next()?.to_owned(),
        is_shared: has("shared:"),
        is_led: has("master:"),
        options: of_kind.nth(1).unwrap_or_default().to_owned(),
    })
}

/// Blanks and backslashes are written as three octal digits.
fn plain(text: &str) -> PathBuf {
    let (mut bytes, mut rest) = (Vec::new(), text.as_bytes());
    while let Some((&first, behind)) = rest.split_first() {
        let code = behind.get(..3).filter(|_| first == b'\\').and_then(|code| std::str::from_utf8(code).ok());
        match code.and_then(|code| u8::from_str_radix(code, 8).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &behind[3..];
            }
            None => {
                bytes.push(first);
                rest = behind;
            }
        }
    }
    PathBuf::from(OsString::from_vec(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As plugins saw it on Docker 20.10 and 26.1: with a shared root, without one, and on a host that shares nothing.
    const SHARED: &str = "203 120 0:44 / /host rw,relatime shared:23 - tmpfs tmpfs rw,mode=755";
    const LED: &str = "199 118 0:44 / /host rw,relatime shared:24 master:23 - tmpfs tmpfs rw,mode=755";
    const KEPT: &str = "108 71 0:62 / /host/stackctl/x/secrets rw,nosuid,nodev,noexec,relatime shared:24 - tmpfs tmpfs rw,mode=700,noswap";

    #[test]
    fn a_mount_says_whether_what_is_mounted_below_it_reaches_the_host() {
        let reaches =
            |text: &str| of(&read(text), Path::new("/host/stackctl/x")).unwrap().reaches_its_origin();
        assert!(reaches(SHARED));
        assert!(!reaches(LED));
        assert!(!reaches("1 2 0:44 / /host rw master:23 - tmpfs tmpfs rw"));
        assert!(!reaches("1 2 0:44 / /host rw - tmpfs tmpfs rw"));
    }

    #[test]
    fn a_path_lies_in_the_nearest_mount_and_the_uppermost_of_one_place() {
        let text = format!(
            "1 0 8:1 / / rw - ext4 /dev/sda rw\n{SHARED}\n{KEPT}\n9 9 0:9 / /host/stackctl/x/secrets rw - ramfs x rw\nnonsense\n"
        );
        let mounts = read(&text);
        assert_eq!(mounts.len(), 4);
        let kind = |path: &str| of(&mounts, Path::new(path)).unwrap().kind.clone();
        assert_eq!(
            (kind("/hosts"), kind("/host/stackctl"), kind("/host/stackctl/x/secrets/a")),
            ("ext4".into(), "tmpfs".into(), "ramfs".into())
        );
        assert_eq!(at(&mounts, Path::new("/host/stackctl/x/secrets")).unwrap().kind, "ramfs");
        assert_eq!(at(&mounts, Path::new("/host/stackctl/x")), None);
    }

    #[test]
    fn memory_is_what_the_kernel_never_swaps() {
        let is_memory = |text: &str| read(text)[0].is_memory();
        assert!(is_memory(KEPT) && is_memory("9 9 0:9 / /s rw - ramfs x rw"));
        assert!(!is_memory(SHARED) && !is_memory("9 9 0:9 / /s rw,noswap - ext4 x rw,noswap"));
    }

    #[test]
    fn blanks_in_paths_are_written_as_numbers() {
        let mounts = read(r"1 0 8:1 / /a\040b\134c rw - ext4 x rw");
        assert_eq!(mounts[0].point, Path::new(r"/a b\c"));
    }
}
