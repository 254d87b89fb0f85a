//! `stackctl env-run`, which no user calls: the first process of a container whose variables are secrets. It reads their
//! values from memory and becomes the program of the service: the same process, with the same files, user and signals.
//!
//! ```text
//! /run/stackctl/run env-run DB_PASSWORD API_KEY -- ENTRYPOINT… COMMAND…
//! ```
//!
//! It needs nothing of the container's file system, and says what is wrong in one line, which is in the task's log. As
//! with dockerd, a program that is not there ends with status 127, and one that cannot be started with 126. One
//! difference is left: a script without `#!` is read by `/bin/sh`, where dockerd starts nothing.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::OsStringExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};

use super::ui::{Settings, Ui};
use crate::model::secret_env::file_of;
use crate::process_group::in_our_place;

const NOT_FOUND: u8 = 127;
const NOT_STARTED: u8 = 126;
/// Where programs are looked for.
const PATH: &str = "PATH";

/// Why the program of a service is not started.
#[derive(Debug, thiserror::Error)]
enum NotRun {
    #[error("this is how containers start whose variables are secrets, and no command")]
    NotAContainer,
    #[error("the value of {0} cannot be read")]
    NoValue(String, #[source] io::Error),
    #[error("the value of {0} has a NUL byte in it, which no variable can have: mount the secret as a file")]
    Nul(String),
    #[error("no program `{0}` in PATH")]
    NotInPath(String),
    #[error("`{}` cannot be started", .0.display())]
    Program(PathBuf, #[source] io::Error),
}

impl NotRun {
    fn status(&self) -> u8 {
        match self {
            Self::NotInPath(_) => NOT_FOUND,
            Self::Program(_, error) if error.kind() == io::ErrorKind::NotFound => NOT_FOUND,
            _ => NOT_STARTED,
        }
    }

    /// With the system's own words, which name no value.
    fn line(&self) -> String {
        match self {
            Self::NoValue(_, error) | Self::Program(_, error) => format!("stackctl: {self}: {error}"),
            _ => format!("stackctl: {self}"),
        }
    }
}

/// Becomes the program, or gives the exit status with which the container ends.
pub(super) fn run(args: &[OsString]) -> u8 {
    let Err(why) = become_it(args, &|name| PathBuf::from(file_of(name)));
    Ui::new(Settings { is_plain: true, is_quiet: false, is_verbose: false }).talk(&(why.line() + "\n"));
    why.status()
}

/// Only an error comes back. The attempt alone changes how this process takes signals, so it is for one without other work.
fn become_it(args: &[OsString], file: &dyn Fn(&str) -> PathBuf) -> Result<std::convert::Infallible, NotRun> {
    let (place, mut command) = prepared(args, file)?;
    Err(NotRun::Program(place, command.exec()))
}

/// The program of the service, with the values in its environment.
fn prepared(
    args: &[OsString],
    file: &dyn Fn(&str) -> PathBuf,
) -> Result<(PathBuf, std::process::Command), NotRun> {
    let end = args.iter().position(|word| word == "--").ok_or(NotRun::NotAContainer)?;
    let (names, [program, rest @ ..]) = (&args[..end], &args[end + 1..]) else {
        return Err(NotRun::NotAContainer);
    };
    let mut values = Vec::new();
    for name in names {
        let name = name.to_str().ok_or(NotRun::NotAContainer)?;
        values.push((name, value(name, &file(name))?));
    }
    let path = values.iter().find(|(name, _)| *name == PATH).map(|(_, value)| value.clone());
    let place = find(program, path.or_else(own_path).as_deref())?;
    let mut command = in_our_place(&place);
    command.arg0(program).args(rest).envs(values.iter().map(|(name, value)| (name, value)));
    Ok((place, command))
}

#[expect(clippy::disallowed_methods, reason = "values of secrets are files in memory")]
fn value(name: &str, file: &Path) -> Result<OsString, NotRun> {
    let bytes = std::fs::read(file).map_err(|error| NotRun::NoValue(name.to_owned(), error))?;
    // All else goes: a variable is bytes, not text.
    if bytes.contains(&0) { Err(NotRun::Nul(name.to_owned())) } else { Ok(OsString::from_vec(bytes)) }
}

#[expect(clippy::disallowed_methods, reason = "the container's own variables are those of its program")]
fn own_path() -> Option<OsString> {
    std::env::var_os(PATH)
}

/// Where a program is, as dockerd looks for it: in PATH unless there is a `/` in its name.
fn find(program: &OsStr, path: Option<&OsStr>) -> Result<PathBuf, NotRun> {
    if program.as_encoded_bytes().contains(&b'/') {
        return Ok(program.into());
    }
    let folders = path
        .filter(|path| !path.is_empty())
        .map(|path| std::env::split_paths(path).collect::<Vec<_>>())
        .unwrap_or_default();
    let here = |folder: &PathBuf| match folder.as_os_str().is_empty() {
        true => Path::new(".").join(program),
        false => folder.join(program),
    };
    let found = folders.iter().map(here).find(|place| is_program(place));
    found.ok_or_else(|| NotRun::NotInPath(program.to_string_lossy().into_owned()))
}

#[expect(clippy::disallowed_methods, reason = "programs are files")]
fn is_program(place: &Path) -> bool {
    std::fs::metadata(place).is_ok_and(|of| of.is_file() && of.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "a test has files")]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<OsString> {
        text.split_whitespace().map(OsString::from).collect()
    }

    #[test]
    fn a_program_is_looked_for_as_dockerd_does() {
        let folder = tempfile::tempdir().unwrap();
        let place = |name: &str| folder.path().join(name);
        for (name, mode) in [("no", 0o644), ("yes", 0o755)] {
            std::fs::create_dir(place(name)).unwrap();
            std::fs::write(place(name).join("app"), "#!/bin/sh\n").unwrap();
            std::fs::set_permissions(place(name).join("app"), std::fs::Permissions::from_mode(mode)).unwrap();
        }
        std::fs::create_dir_all(place("dir").join("app")).unwrap();
        let path = std::env::join_paths([place("none"), place("dir"), place("no"), place("yes")]).unwrap();
        let found = |name: &str, path: Option<&OsStr>| find(OsStr::new(name), path);
        assert_eq!(found("app", Some(&path)).unwrap(), place("yes").join("app"));
        assert_eq!(found("./app", None).unwrap(), Path::new("./app"));
        for path in [None, Some(OsStr::new("")), Some(place("no").as_os_str())] {
            let why = found("app", path).unwrap_err();
            assert_eq!((why.status(), why.line()), (127, "stackctl: no program `app` in PATH".to_owned()));
        }
    }

    #[test]
    fn what_cannot_be_started_says_why_and_shows_no_value() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str| folder.path().join(name);
        std::fs::write(file("A"), b"hunter2\xff\n").unwrap();
        std::fs::write(file("NUL"), b"hunter2\0").unwrap();
        std::fs::write(file("app"), b"hunter2").unwrap();
        let app = file("app").display().to_string();
        let said = |text: &str| {
            // As a child, and not in the place of all other tests: both fail by the same call.
            let started = prepared(&words(text), &file);
            let why =
                started.map(|(place, mut command)| NotRun::Program(place, command.spawn().unwrap_err()));
            let why = why.unwrap_or_else(|why| why);
            assert!(!why.line().contains("hunter2"), "{}", why.line());
            (why.status(), why.line())
        };
        let (status, line) = said("NUL -- true");
        assert!(status == 126 && line.starts_with("stackctl: the value of NUL has a NUL byte"), "{line}");
        let (status, line) = said("A GONE -- true");
        assert!(status == 126 && line.contains("the value of GONE cannot be read: No such file"), "{line}");
        let (status, line) = said("A -- /nowhere/app x");
        assert!(status == 127 && line.contains("`/nowhere/app` cannot be started: No such file"), "{line}");
        let (status, line) = said(&format!("A -- {app}"));
        assert!(status == 126 && line.contains("Permission denied"), "{line}");
        for text in ["", "A", "A --", "--"] {
            assert_eq!(said(text).0, 126, "{text}");
        }
    }
}
