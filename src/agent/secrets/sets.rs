//! Files of a task that are swapped while its container runs: a folder that is mounted there, in which each set of them has a
//! folder of its own (`..1`, `..2`, …) and a link says which one holds. The names under which they are looked for are links
//! through that one, so that all change at once: when it is renamed.
//!
//! A set is whole when its list stands beside the folder. What has a lower number than the set that holds is what was there
//! before, and stays until the change is known to be good; a higher one was cut off or taken back, and goes.

use std::fs::Permissions;
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::agent::put::SecretFile;
use crate::model::Timestamp;
use crate::model::swap::NOW;

/// The folder that is mounted, in that of its task.
pub const FOLDER: &str = "files";
/// Before the number of a set, in the names of its folder and of its list.
const SET: &str = "..";
const LIST: &str = "manifest-";
/// A link, and a list, before they have their names.
const NEW: &str = "..new";
/// Any user of the container may look into it: files have owners and modes of their own, and on the host no user but root
/// comes as far as this.
const MODE: u32 = 0o755;

/// The sets of one task, by the path of its folder.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sets<'p>(pub &'p Path);

impl Sets<'_> {
    /// The number of the set that holds; nothing where files are not swapped.
    #[expect(clippy::disallowed_methods, reason = "secrets of containers are files")]
    pub fn now(self) -> Option<u32> {
        let to = std::fs::read_link(self.0.join(FOLDER).join(NOW)).ok()?;
        number(to.to_str()?, SET)
    }

    /// The number of the set that held before, if it is still there.
    pub fn former(self) -> Option<u32> {
        let now = self.now()?;
        let numbers = self.numbers().ok()?;
        numbers.into_iter().filter(|number| *number < now && self.list(*number).is_file()).max()
    }

    /// Where the list of a set is.
    pub fn list(self, set: u32) -> PathBuf {
        self.0.join(format!("{LIST}{set}"))
    }

    /// Where a file of a set is.
    pub fn file(self, set: u32, at: usize) -> PathBuf {
        self.folder(set).join(at.to_string())
    }

    fn folder(self, set: u32) -> PathBuf {
        self.0.join(FOLDER).join(format!("{SET}{set}"))
    }

    /// Makes the folder, with the names under which files are looked for, and no set.
    #[expect(clippy::disallowed_methods, reason = "secrets of containers are files")]
    pub fn make(self, files: &[&SecretFile]) -> io::Result<()> {
        let folder = self.0.join(FOLDER);
        make_open(&folder)?;
        for (at, file) in files.iter().enumerate() {
            let Some(place) = file.place.as_deref().filter(|place| !place.is_empty()) else { continue };
            let parts: Vec<&str> = place.split('/').collect();
            if parts.iter().any(|part| part.is_empty() || part.starts_with(SET) || *part == ".") {
                return Err(io::Error::other(format!("`{place}` is no name of a file")));
            }
            let mut above = folder.clone();
            for part in &parts[..parts.len() - 1] {
                above.push(part);
                if !std::fs::exists(&above)? {
                    make_open(&above)?;
                }
            }
            let up = "../".repeat(parts.len() - 1);
            symlink(format!("{up}{NOW}/{at}"), folder.join(place))?;
        }
        Ok(())
    }

    /// Makes a set: `write` puts its files at their paths. Its list says that it is whole.
    #[expect(clippy::disallowed_methods, reason = "secrets of containers are files")]
    pub fn write(
        self,
        set: u32,
        list: &[u8],
        write: impl FnOnce(&dyn Fn(usize) -> PathBuf) -> io::Result<()>,
    ) -> io::Result<()> {
        self.remove(set)?;
        make_open(&self.folder(set))?;
        write(&|at| self.file(set, at))?;
        let new = self.0.join(NEW);
        std::fs::write(&new, list)?;
        std::fs::set_permissions(&new, Permissions::from_mode(0o600))?;
        std::fs::rename(new, self.list(set))
    }

    /// Has a set hold, which is whole.
    #[expect(clippy::disallowed_methods, reason = "secrets of containers are files")]
    pub fn hold(self, set: u32) -> io::Result<()> {
        let folder = self.0.join(FOLDER);
        let new = folder.join(NEW);
        match std::fs::remove_file(&new) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
        symlink(format!("{SET}{set}"), &new)?;
        std::fs::rename(new, folder.join(NOW))
    }

    /// Has the set hold again that held before; nothing where there is none before. The one after it is still being read by
    /// who has come into its folder, and goes when files are tidied up, or with the next one of its number.
    pub fn back(self) -> io::Result<()> {
        self.former().map_or(Ok(()), |former| self.hold(former))
    }

    /// Removes all sets but these.
    pub fn keep_only(self, sets: &[u32]) -> io::Result<()> {
        let mut others = self.numbers()?.into_iter().filter(|number| !sets.contains(number));
        others.try_for_each(|number| self.remove(number))
    }

    /// Whether the set that holds has held for longer than this.
    #[expect(clippy::disallowed_methods, reason = "secrets of containers are files")]
    pub fn has_held(self, now: Timestamp, age: Duration) -> bool {
        let age_ms = i64::try_from(age.as_millis()).unwrap_or(i64::MAX);
        let made = self.now().and_then(|set| std::fs::symlink_metadata(self.folder(set)).ok());
        made.is_some_and(|of| now.since_ms(Timestamp(of.mtime().saturating_mul(1000))) > age_ms)
    }

    /// The folder of a set, by the time of which it is known since when it holds.
    pub fn aged(self, set: u32) -> PathBuf {
        self.folder(set)
    }

    /// First its list: what is left without one is no set.
    #[expect(clippy::disallowed_methods, reason = "secrets of containers are files")]
    fn remove(self, set: u32) -> io::Result<()> {
        match std::fs::remove_file(self.list(set)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
        remove(&self.folder(set))
    }

    /// All that have a folder, or a list.
    #[expect(clippy::disallowed_methods, reason = "secrets of containers are files")]
    fn numbers(self) -> io::Result<Vec<u32>> {
        let mut numbers = Vec::new();
        for (folder, before) in [(self.0.to_owned(), LIST), (self.0.join(FOLDER), SET)] {
            for entry in std::fs::read_dir(folder)? {
                numbers.extend(number(&entry?.file_name().to_string_lossy(), before));
            }
        }
        numbers.sort_unstable();
        numbers.dedup();
        Ok(numbers)
    }
}

fn number(name: &str, before: &str) -> Option<u32> {
    name.strip_prefix(before)?.parse().ok()
}

/// Makes a folder that all may look into, whatever this process takes away from modes.
#[expect(clippy::disallowed_methods, reason = "secrets of containers are files")]
fn make_open(folder: &Path) -> io::Result<()> {
    std::fs::DirBuilder::new().mode(MODE).create(folder)?;
    std::fs::set_permissions(folder, Permissions::from_mode(MODE))
}

/// Removes a folder with all that is in it, if it is there.
#[expect(clippy::disallowed_methods, reason = "secrets of containers are files")]
pub(super) fn remove(folder: &Path) -> io::Result<()> {
    match std::fs::remove_dir_all(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}
