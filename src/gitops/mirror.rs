//! The directory that a repository is mirrored into. It is a cache: if it is damaged in any way, it is made
//! again without asking the user. Knows nothing of what git does with it.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::time::sleep;

use super::error::GitError;
use super::login::{is_unclear, parted};

/// The one ref of a mirror.
pub(super) const REF: &str = "refs/stackctl/head";
/// Between two tries, while another process of this machine fetches.
const AGAIN: Duration = Duration::from_millis(100);
/// What is taken over from the user's own configuration: how a login is found, a proxy or a
/// certificate, and addresses in place of others.
pub(super) const USERS: &str = "user-config";
/// What git makes in it.
const GITS_OWN: [&str; 7] = ["objects", "refs", "info", "logs", "packed-refs", "shallow", "shallow.lock"];

/// Creates or repairs it.
#[expect(clippy::disallowed_methods, reason = "a mirror is a directory of files")]
pub(super) fn prepare(dir: &Path, url: &str) -> Result<(), GitError> {
    for folder in ["objects", "refs", "info"] {
        let folder = dir.join(folder);
        DirBuilder::new().recursive(true).mode(0o700).create(&folder).map_err(bad(&folder))?;
    }
    let (url, _given_to_each_call) = parted(url);
    forget_logins(dir);
    let url = escaped(&url);
    let config = format!(
        "[core]\n\trepositoryformatversion = 0\n\tbare = true\n\thooksPath = /dev/null\n\tfsmonitor = false\n\
         [remote \"origin\"]\n\turl = \"{url}\"\n[gc]\n\tautoDetach = false\n[transfer]\n\tfsckObjects = true\n\
         [http]\n\tlowSpeedLimit = 1\n\tlowSpeedTime = 60\n\
         [protocol]\n\tallow = never\n[protocol \"https\"]\n\tallow = always\n[protocol \"http\"]\n\tallow = always\n\
         [protocol \"ssh\"]\n\tallow = always\n[protocol \"git\"]\n\tallow = always\n[protocol \"file\"]\n\tallow = always\n"
    );
    settle(&dir.join("config"), &config)?;
    // Last: this file makes the directory a repository.
    settle(&dir.join("HEAD"), &format!("ref: {REF}\n"))
}

/// Earlier versions kept logins beside the mirrors, and a user alone in their configuration. The mirror of an address
/// with an older token is not in use now, but its files are still there.
#[expect(clippy::disallowed_methods, reason = "a mirror is a directory of files")]
fn forget_logins(dir: &Path) {
    let mirrors = dir.parent().and_then(|all| std::fs::read_dir(all).ok());
    for mirror in mirrors.into_iter().flatten().flatten() {
        // Almost always there is none.
        let _none = std::fs::remove_file(mirror.path().join("credentials"));
        let config = mirror.path().join("config");
        let Ok(text) = std::fs::read_to_string(&config) else { continue };
        let Some(url) = text.lines().find_map(|line| line.strip_prefix("\turl = \"")?.strip_suffix('"'))
        else {
            continue;
        };
        if is_unclear(url) {
            // Such an address is refused now.
            let _again = std::fs::remove_file(&config);
        } else if let (plain, Some(_)) = parted(url) {
            // The next use of that mirror tries again.
            let _again = settle(&config, &text.replace(url, &plain));
        }
    }
}

/// Escaped for a quoted value of git's configuration.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"")
}

/// Removes everything that git has made in it.
#[expect(clippy::disallowed_methods, reason = "a mirror is a directory of files")]
pub(super) fn empty(dir: &Path) -> Result<(), GitError> {
    for name in GITS_OWN {
        let path = dir.join(name);
        let gone = match std::fs::symlink_metadata(&path) {
            Ok(about) if about.is_dir() => std::fs::remove_dir_all(&path),
            Ok(_) => std::fs::remove_file(&path),
            Err(error) => Err(error),
        };
        gone.or_else(|error| if error.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(error) })
            .map_err(bad(&path))?;
    }
    Ok(())
}

/// An exclusive lock on the mirror, until this is dropped. A loop and a `status` command may need it at once;
/// git would refuse the second one, and that error cannot be distinguished from a stale lock.
#[expect(clippy::disallowed_methods, reason = "a mirror is a directory of files")]
pub(super) async fn hold(dir: &Path, limit: Duration) -> Result<File, GitError> {
    let path = dir.join("stackctl.lock");
    let mut options = OpenOptions::new();
    let file =
        options.write(true).create(true).truncate(false).mode(0o600).open(&path).map_err(bad(&path))?;
    let held = async {
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(()),
                Err(std::fs::TryLockError::WouldBlock) => sleep(AGAIN).await,
                Err(std::fs::TryLockError::Error(error)) => return Err(bad(&path)(error)),
            }
        }
    };
    match tokio::time::timeout(limit, held).await {
        Ok(held) => held.map(|()| file),
        Err(_) => Err(GitError::Silent {
            what: "another process of this machine is fetching".to_owned(),
            seconds: limit.as_secs(),
        }),
    }
}

/// Writes a file atomically, unless it has this content already.
#[expect(clippy::disallowed_methods, reason = "a mirror is a directory of files")]
pub(super) fn settle(path: &Path, text: &str) -> Result<(), GitError> {
    if std::fs::read_to_string(path).is_ok_and(|there| there == text) {
        return Ok(());
    }
    let new = path.with_extension(format!("new-{}", std::process::id()));
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    options.open(&new).and_then(|mut file| file.write_all(text.as_bytes())).map_err(bad(&new))?;
    std::fs::rename(&new, path).map_err(bad(path))
}

fn bad(path: &Path) -> impl Fn(io::Error) -> GitError + use<> {
    let path: PathBuf = path.to_owned();
    move |error| GitError::NoMirror { path: path.clone(), words: error.to_string() }
}
