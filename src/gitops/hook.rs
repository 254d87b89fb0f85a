//! The `post-receive` hook of a bare repository: its text, installing and removing it. What it calls is up to
//! the caller.
//!
//! The hook is written beside its place and then renamed: a push meanwhile finds the old one or the new one,
//! never half of one.

use std::io::{self, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use crate::model::shell::quoted;

/// Its name, which git has chosen.
const NAME: &str = "post-receive";
/// By this line ours is known.
const MARK: &str = "# Written by `stackctl hook install`";
/// The name under which an earlier hook is kept.
const BEFORE: &str = "post-receive.before-stackctl";

/// What can go wrong with a repository's hook.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum HookError {
    /// Not one at all.
    #[error("{} is no git repository: {words}", path.display())]
    #[diagnostic(
        code(stackctl::hook::no_repository),
        help("name a bare repository; `git init --bare {}` makes one", path.display())
    )]
    NoRepository { path: PathBuf, words: String },
    /// One with a work tree.
    #[error("{} is not bare: it has a work tree, and people do not push into that", path.display())]
    #[diagnostic(
        code(stackctl::hook::not_bare),
        help("`git clone --bare {} {0}.git` makes a bare one of it", path.display())
    )]
    NotBare { path: PathBuf },
    /// Its hooks are not its own.
    #[error("git looks for the hooks of {} in {}, which others may share", path.display(), hooks.display())]
    #[diagnostic(
        code(stackctl::hook::shared_hooks),
        help("nothing was written; `git -C {} config core.hooksPath hooks` gives it hooks of its own", path.display())
    )]
    Shared { path: PathBuf, hooks: PathBuf },
    /// The existing hook is not ours.
    #[error("{} is there already, and stackctl did not write it", path.display())]
    #[diagnostic(
        code(stackctl::hook::foreign),
        help(
            "nothing was written; `--force` puts ours there and keeps that one as `{BEFORE}`; or call \
             `stackctl hook run` from it"
        )
    )]
    Foreign { path: PathBuf },
    /// There is an older hook that would be lost.
    #[error("{} is there already: a second hook cannot be kept under that name", path.display())]
    #[diagnostic(code(stackctl::hook::kept_before), help("nothing was written; move it away"))]
    KeptBefore { path: PathBuf },
    /// The system says no.
    #[error("{} cannot be written: {words}", path.display())]
    #[diagnostic(
        code(stackctl::hook::unwritable),
        help("the hook is as it was; do it as the user to whom the repository belongs")
    )]
    Unwritable {
        /// What was to be written.
        path: PathBuf,
        words: String,
    },
    /// The git program.
    #[error("the git program cannot be started: {0}")]
    #[diagnostic(code(stackctl::repository::no_git), help("install git on this machine"))]
    NoGit(String),
}

/// A bare repository, and where its hooks are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bare {
    pub dir: PathBuf,
    hooks: PathBuf,
}

/// The result of installing the hook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Installed {
    pub path: PathBuf,
    /// Whether it was changed.
    pub is_changed: bool,
    /// Where an earlier hook is kept now.
    pub kept: Option<PathBuf>,
}

/// The result of removing it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Removed {
    /// It was not there.
    Nothing,
    Gone,
    /// The earlier hook is back.
    Before,
}

/// What a hook calls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// The program, in full.
    pub program: String,
    pub args: Vec<String>,
    /// Whether a failure ends the push, too.
    pub fails_push: bool,
}

impl Call {
    /// The hook.
    ///
    /// All child processes ignore the same signals: the commit is in the repository by now, and Ctrl-C or a
    /// broken connection does not undo that. Git ignores this hook's exit status, so a push that must fail is
    /// ended by killing the receiving process, after all output was sent and every ref was written.
    #[must_use]
    pub fn text(&self) -> String {
        let program = quoted(&self.program);
        let all: Vec<String> = self.args.iter().map(|arg| quoted(arg)).collect();
        let all = all.join(" ");
        let (exec, then) = if self.fails_push { ("", ENDS_PUSH) } else { ("exec ", "") };
        format!(
            "#!/bin/sh\n{MARK}, which rewrites it; `stackctl hook remove` removes it.\n\
             # What a push changes is released, and the progress is printed in the pusher's terminal.\n\
             trap '' INT HUP PIPE\n\
             # Git's own variables are about this repository; git is asked about others from here.\n\
             for name in $(env | sed -n 's/^\\(GIT_[A-Za-z0-9_]*\\)=.*/\\1/p'); do unset \"$name\"; done\n\
             if ! [ -x {program} ]; then\n\
             \x20 echo 'stackctl: FAILED: '{program}' is not there any more: nothing is released' >&2\n\
             \x20 exit 1\n\
             fi\n\
             {exec}{program} {all}\n{then}"
        )
    }
}

const ENDS_PUSH: &str = r#"status=$?
if [ "$status" -ne 0 ]; then
  # What was said goes first.
  sleep 0.3 2>/dev/null || sleep 1
  # Only our own parent, and only if it is still there.
  parent=$(sed -n 's/^PPid:[[:space:]]*//p' "/proc/$$/status" 2>/dev/null)
  case $(tr '\0' ' ' <"/proc/$parent/cmdline" 2>/dev/null) in
    *receive-pack*) kill -TERM "$parent" ;;
  esac
fi
exit "$status"
"#;

impl Bare {
    /// The repository at a path, if it is one into which people push.
    #[expect(clippy::disallowed_methods, reason = "a repository is a directory")]
    pub fn at(path: &Path) -> Result<Self, HookError> {
        let no = |words: String| HookError::NoRepository { path: path.to_owned(), words };
        let at = std::fs::canonicalize(path).map_err(|error| no(error.to_string()))?;
        if !at.is_dir() {
            return Err(no("it is a file".to_owned()));
        }
        // As git sees it when it receives a push: from within the repository.
        let asked = |dir: &Path| {
            git(&at, dir, &["rev-parse", "--is-bare-repository", "--absolute-git-dir", "--git-path", "hooks"])
        };
        let said = match asked(&at)? {
            Ok(said) => said,
            Err(_) if matches!(asked(&at.join(".git")), Ok(Ok(_))) => {
                return Err(HookError::NotBare { path: at });
            }
            Err(words) => return Err(no(words)),
        };
        let [is_bare, dir, hooks] = said.lines().collect::<Vec<_>>()[..] else {
            return Err(no(said));
        };
        let this = Self { dir: resolved(Path::new(dir)), hooks: resolved(&at.join(hooks)) };
        if is_bare != "true" {
            return Err(HookError::NotBare { path: this.dir });
        }
        if !this.hooks.starts_with(&this.dir) {
            return Err(HookError::Shared { path: this.dir, hooks: this.hooks });
        }
        Ok(this)
    }

    /// The branch that its head names, in full; it need not be there yet.
    #[must_use]
    pub fn head(&self) -> Option<String> {
        git(&self.dir, &self.dir, &["symbolic-ref", "--quiet", "HEAD"]).ok()?.ok()
    }

    /// Installs the hook. A hook that is not ours is kept beside it if `force` is set; without it, nothing is
    /// changed.
    #[expect(clippy::disallowed_methods, reason = "a hook is a file")]
    pub fn install(&self, text: &str, force: bool) -> Result<Installed, HookError> {
        let path = self.hooks.join(NAME);
        let bad = |path: &Path| {
            let path = path.to_owned();
            move |error: io::Error| HookError::Unwritable { path, words: error.to_string() }
        };
        let there = self.there().map_err(bad(&path))?;
        let is_ours = there.as_deref().is_none_or(is_ours);
        if !is_ours && !force {
            return Err(HookError::Foreign { path });
        }
        let is_executable =
            || std::fs::metadata(&path).is_ok_and(|about| about.permissions().mode() & 0o111 == 0o111);
        if there.as_deref() == Some(text.as_bytes()) && is_executable() {
            return Ok(Installed { path, is_changed: false, kept: None });
        }
        std::fs::create_dir_all(&self.hooks).map_err(bad(&self.hooks))?;
        let new = self.hooks.join(format!(".{NAME}.{}", std::process::id()));
        let written = write(&new, text).map_err(bad(&new));
        let kept = self.hooks.join(BEFORE);
        let placed = written.and_then(|()| {
            if !is_ours {
                std::fs::hard_link(&path, &kept).map_err(|error| match error.kind() {
                    io::ErrorKind::AlreadyExists => HookError::KeptBefore { path: kept.clone() },
                    _ => bad(&kept)(error),
                })?;
            }
            std::fs::rename(&new, &path).map_err(bad(&path))
        });
        if let Err(error) = placed {
            let _may_not_be_there = std::fs::remove_file(&new);
            return Err(error);
        }
        Ok(Installed { path, is_changed: true, kept: (!is_ours).then_some(kept) })
    }

    /// Removes it, and puts the earlier hook back.
    #[expect(clippy::disallowed_methods, reason = "a hook is a file")]
    pub fn remove(&self) -> Result<Removed, HookError> {
        let (path, before) = (self.hooks.join(NAME), self.hooks.join(BEFORE));
        let bad = |error: io::Error| HookError::Unwritable { path: path.clone(), words: error.to_string() };
        match self.there().map_err(bad)? {
            None => return Ok(Removed::Nothing),
            Some(text) if !is_ours(&text) => return Err(HookError::Foreign { path }),
            Some(_) => {}
        }
        match std::fs::rename(&before, &path) {
            Ok(()) => return Ok(Removed::Before),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(bad(error)),
        }
        std::fs::remove_file(&path).map_err(bad)?;
        Ok(Removed::Gone)
    }

    /// The hook that is there now.
    #[expect(clippy::disallowed_methods, reason = "a hook is a file")]
    fn there(&self) -> io::Result<Option<Vec<u8>>> {
        let path = self.hooks.join(NAME);
        match std::fs::read(&path) {
            Ok(text) => Ok(Some(text)),
            // A dangling link is a hook that is not ours, too.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Ok(std::fs::symlink_metadata(&path).is_ok().then(Vec::new))
            }
            Err(error) => Err(error),
        }
    }
}

fn is_ours(text: &[u8]) -> bool {
    String::from_utf8_lossy(text).lines().nth(1).is_some_and(|line| line.starts_with(MARK))
}

fn write(path: &Path, text: &str) -> io::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o755);
    #[expect(clippy::disallowed_methods, reason = "a hook is a file")]
    let mut file = options.open(path)?;
    file.write_all(text.as_bytes())?;
    // Whatever the umask: every user who may push may call it.
    file.set_permissions(std::fs::Permissions::from_mode(0o755))?;
    file.sync_all()
}

/// With links resolved, as far as the path exists.
#[expect(clippy::disallowed_methods, reason = "a repository is a directory")]
fn resolved(path: &Path) -> PathBuf {
    match (std::fs::canonicalize(path), path.parent(), path.file_name()) {
        (Ok(path), ..) => path,
        (Err(_), Some(parent), Some(name)) => resolved(parent).join(name),
        (Err(_), ..) => path.to_owned(),
    }
}

/// What git reports of a repository in the environment of a push, or why it fails.
/// Git is asked for names and paths alone, which starts nothing; that of the hooks may be the user's or the machine's own
/// (`core.hooksPath`), since a push goes by that, too.
fn git(from: &Path, dir: &Path, args: &[&str]) -> Result<Result<String, String>, HookError> {
    let mut command = super::command::as_a_push_does();
    command.current_dir(from).arg("--git-dir").arg(dir).args(args).stdin(Stdio::null());
    let output = command.output().map_err(|error| HookError::NoGit(error.to_string()))?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().trim_start_matches("fatal: ").to_owned();
    Ok(if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) })
}

/// A push as git reports it to the hook: one line for each ref.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pushed {
    /// The ref, in full.
    pub reference: String,
    /// Where it is now; `None` if it is gone.
    pub commit: Option<String>,
}

impl Pushed {
    /// Reads `old new ref`; `None` if it is something else.
    #[must_use]
    pub fn parse(line: &str) -> Option<Self> {
        let (_, rest) = line.split_once(' ')?;
        let (new, reference) = rest.split_once(' ')?;
        let is_gone = !new.is_empty() && new.bytes().all(|byte| byte == b'0');
        (!reference.is_empty())
            .then(|| Self { reference: reference.to_owned(), commit: (!is_gone).then(|| new.to_owned()) })
    }
}

/// Which ref is followed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Followed(String);

impl Followed {
    /// Reads `main`, `refs/tags/v1` or `refs/tags/v*`: a short name is a branch's.
    pub fn parse(text: &str) -> Result<Self, String> {
        let full = if text.starts_with("refs/") { text.to_owned() } else { format!("refs/heads/{text}") };
        let is_bad = |c: char| c.is_whitespace() || c.is_control() || "?[\\~^:".contains(c);
        if full.contains(is_bad) || full.contains("..") || full.ends_with('/') || text.starts_with('-') {
            return Err(
                "it is no name of a branch, nor the full name of a ref, such as `refs/tags/v*`".to_owned()
            );
        }
        Ok(Self(full))
    }

    /// In full.
    #[must_use]
    pub fn full(&self) -> &str {
        &self.0
    }

    /// As people write it: a branch by its short name.
    #[must_use]
    pub fn short(&self) -> &str {
        short(&self.0)
    }

    /// Whether a ref is this one or one of these. As git has it: a `*` stands for anything but a slash.
    #[must_use]
    pub fn is(&self, reference: &str) -> bool {
        matches(&self.0, reference)
    }
}

/// A branch by its own name, any other ref in full.
#[must_use]
pub fn short(reference: &str) -> &str {
    reference.strip_prefix("refs/heads/").unwrap_or(reference)
}

fn matches(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((before, after)) => text.strip_prefix(before).is_some_and(|rest| {
            let end = rest.find('/').unwrap_or(rest.len());
            rest.char_indices()
                .map(|(at, _)| at)
                .chain([rest.len()])
                .filter(|at| *at <= end)
                .any(|at| matches(after, &rest[at..]))
        }),
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn whatever_is_in_an_argument_the_shell_hands_it_on() {
        let args = ["plain", "it's", "$(touch x) `y` \"z\" \\", "", "-n", "a\nb", "*"];
        let call = Call {
            program: "/bin/echo".into(),
            args: args.iter().map(|arg| (*arg).to_owned()).collect(),
            fails_push: false,
        };
        #[expect(clippy::disallowed_methods, reason = "the shell reads it")]
        let mut shell = Command::new("sh");
        shell.arg("-c").arg(call.text()).env("GIT_DIR", "x");
        let output = shell.output().unwrap();
        assert_eq!(String::from_utf8(output.stdout).unwrap(), args.join(" ") + "\n");
        let gone = Call { program: "/nowhere/stack'ctl".into(), ..call }.text();
        #[expect(clippy::disallowed_methods, reason = "the shell reads it")]
        let output = Command::new("sh").arg("-c").arg(gone).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(said, "stackctl: FAILED: /nowhere/stack'ctl is not there any more: nothing is released\n");
        assert_eq!(output.status.code(), Some(1));
    }

    #[test]
    fn refs_that_are_followed() {
        for (text, reference, is) in [
            ("main", "refs/heads/main", true),
            ("main", "refs/heads/main2", false),
            ("main", "refs/tags/main", false),
            ("refs/tags/v*", "refs/tags/v1.2", true),
            ("refs/tags/v*", "refs/tags/v", true),
            ("refs/tags/v*", "refs/tags/v1/x", false),
            ("refs/tags/v*.0", "refs/tags/v1.0.0", true),
            ("refs/tags/v*.0", "refs/tags/v1.0.1", false),
            ("release/*/x", "refs/heads/release/é/x", true),
        ] {
            assert_eq!(Followed::parse(text).unwrap().is(reference), is, "{text} {reference}");
        }
        for bad in ["a b", "-x", "a..b", "x?", "refs/tags/", "a:b", "v[1]"] {
            assert!(Followed::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn lines_of_a_push() {
        let zero = "0".repeat(40);
        let parse = |line: &str| Pushed::parse(line);
        let gone = parse(&format!("aa {zero} refs/heads/x y")).unwrap();
        assert_eq!((gone.reference.as_str(), gone.commit), ("refs/heads/x y", None));
        assert_eq!(parse(&format!("{zero} bb refs/heads/x")).unwrap().commit.as_deref(), Some("bb"));
        assert_eq!((parse(""), parse("a b"), parse("a b ")), (None, None, None));
    }
}
