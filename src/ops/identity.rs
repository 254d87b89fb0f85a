//! Who this process is, and where a stackfile comes from: what goes into the ledger beside a release.
//!
//! Knows the files and programs that the system answers by, and nothing of clusters.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::engine::Me;
use crate::engine::new_key::{self, NewKey};
use crate::gitops::command::{self, answer};
use crate::inventory::Env;
use crate::ledger::release::Git;
use crate::model::MarkKey;
use crate::words::clean;

/// Git is asked for a label, not for the deploy: it may not hold it up.
const GIT_LIMIT: Duration = Duration::from_secs(3);
/// Of a commit's first line so much is kept.
const SUBJECT_CHARS: usize = 120;
/// Of the name of a user or a machine so much is kept.
const NAME_CHARS: usize = 64;

#[expect(clippy::disallowed_methods, reason = "the system says which process this is in files")]
fn read(path: impl AsRef<Path>) -> Option<String> {
    Some(std::fs::read_to_string(path).ok()?.trim().to_owned())
}

/// `ann@mill`: the user that this process runs as, and the machine; over ssh `ann@mill from 10.0.0.7`, too. What a variable
/// such as `$USER` says is not asked: anyone sets it. A label for people, and no proof: who can write records can write
/// any name.
#[must_use]
pub fn who(env: Env<'_>) -> String {
    let user = user().unwrap_or_else(|| "unknown".to_owned());
    let machine = read("/proc/sys/kernel/hostname").unwrap_or_else(|| "unknown".to_owned());
    let bounded = |text: &str| clean(text).chars().take(NAME_CHARS).collect::<String>();
    let from = ssh_client(env).map(|address| format!(" from {address}")).unwrap_or_default();
    format!("{}@{}{from}", bounded(&user), bounded(&machine))
}

/// The address that an ssh session comes from: the first word of a variable that sshd sets. Nothing but an address passes.
fn ssh_client(env: Env<'_>) -> Option<IpAddr> {
    env("SSH_CONNECTION")?.split(' ').next()?.parse().ok()
}

/// The name of this process's user.
#[expect(clippy::disallowed_methods, reason = "a process's directory belongs to its user")]
fn user() -> Option<String> {
    let id = std::fs::metadata("/proc/self").ok()?.uid().to_string();
    let names = read("/etc/passwd").unwrap_or_default();
    let of_id = |line: &str| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)? == id).then(|| name.to_owned())
    };
    names.lines().find_map(of_id).or(Some(id))
}

/// Which process this is, of all that this machine runs from one start to the next: its start, the
/// namespace in which the number counts (containers count for themselves), the number, and when the
/// process began. Empty where the system does not say: no other process then takes this one for gone.
fn process() -> String {
    let pid = std::process::id();
    match (place(), began(pid)) {
        (Some(place), Some(began)) => format!("{place} {pid} {began}"),
        _ => String::new(),
    }
}

/// Whether a process of that name has surely ended. One elsewhere may be running: that is not known.
fn is_gone(process: &str) -> bool {
    let Some(here) = place() else { return false };
    let Some(rest) = process.strip_prefix(&here).and_then(|rest| rest.strip_prefix(' ')) else {
        return false;
    };
    let Some((pid, then)) = rest.split_once(' ') else { return false };
    let Ok(pid) = pid.parse() else { return false };
    began(pid).as_deref() != Some(then)
}

#[expect(clippy::disallowed_methods, reason = "a namespace is named by a link")]
fn place() -> Option<String> {
    let boot = read("/proc/sys/kernel/random/boot_id")?;
    let namespace = std::fs::read_link("/proc/self/ns/pid").ok()?;
    Some(format!("{boot} {}", namespace.display()))
}

/// When a process began, in ticks since the machine's start; `None` if it is gone or a mere remainder.
fn began(pid: u32) -> Option<String> {
    let stat = read(format!("/proc/{pid}/stat"))?;
    // The program's name is in brackets, and may have spaces and brackets in it.
    let mut fields = stat.rsplit_once(") ")?.1.split(' ');
    let state = fields.next()?;
    (!matches!(state, "Z" | "X")).then(|| fields.nth(18).map(str::to_owned)).flatten()
}

/// This process, as the holder of its locks.
#[must_use]
pub fn me(env: Env<'_>) -> Me {
    Me {
        who: who(env),
        pid: std::process::id(),
        process: process(),
        is_gone: |holder| is_gone(&holder.process),
        new_key: NewKey::given(env(new_key::VARIABLE).and_then(|text| MarkKey::try_from(text).ok())),
    }
}

/// The commit that a directory is at, if it is in a git work tree and this machine has git.
pub async fn git(dir: PathBuf) -> Option<Git> {
    let dir = dir.as_path();
    tokio::time::timeout(GIT_LIMIT, async {
        // Whose repositories may be read is the user's to say.
        let mut settings = command::of_the_user(&["safe"]).await;
        let about = answer(dir, &settings, &["log", "-1", "--no-show-signature", "--format=%H%n%s"]).await?;
        let (commit, subject) = about.split_once('\n').unwrap_or((&about, ""));
        let branch = answer(dir, &settings, &["symbolic-ref", "--short", "--quiet", "HEAD"]).await;
        settings.extend(without_filters(dir, &settings).await);
        let changed = ["diff", "--quiet", "--no-ext-diff", "--no-textconv", "--ignore-submodules", "HEAD"];
        let dirty = answer(dir, &settings, &changed).await.is_none();
        let subject = clean(subject).chars().take(SUBJECT_CHARS).collect();
        Some(Git { commit: commit.to_owned(), branch, dirty, subject })
    })
    .await
    .ok()?
}

/// Settings that switch off every filter that the folder's own configuration names: git passes a file that may have
/// changed through such a program before it compares.
async fn without_filters(dir: &Path, settings: &[(String, String)]) -> Vec<(String, String)> {
    let named =
        answer(dir, settings, &["config", "--null", "--name-only", "--get-regexp", "^filter\\."]).await;
    let named = named.unwrap_or_default();
    let filters: BTreeSet<&str> =
        named.split('\0').filter_map(|name| Some(name.rsplit_once('.')?.0)).collect();
    let off = |filter: &&str| {
        [("clean", ""), ("process", ""), ("smudge", ""), ("required", "false")]
            .map(|(key, value)| (format!("{filter}.{key}"), value.to_owned()))
    };
    filters.iter().flat_map(off).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_is_not_gone_and_one_that_ended_is() {
        let us = process();
        assert!(!us.is_empty() && !is_gone(&us), "{us}");
        assert!(!is_gone("") && !is_gone("elsewhere 1 2"));
        let (rest, _) = us.rsplit_once(' ').unwrap();
        assert!(is_gone(&format!("{rest} 1")), "another process of that number");
    }

    #[test]
    fn a_user_is_named_by_the_system_and_an_ssh_session_by_its_address() {
        let of = |ssh: Option<&str>| {
            let ssh = ssh.map(str::to_owned);
            who(&|name| match name {
                "USER" | "LOGNAME" => Some("mallory".to_owned()),
                "SSH_CONNECTION" => ssh.clone(),
                _ => None,
            })
        };
        let local = of(None);
        assert!(local.starts_with(&format!("{}@", user().unwrap())) && !local.contains("mallory"), "{local}");
        assert_eq!(of(Some("10.0.0.7 5022 10.0.0.1 22")), format!("{local} from 10.0.0.7"));
        assert_eq!(of(Some("fe80::1%eth0 5022 ::1 22")), local, "not an address");
        assert_eq!(of(Some("2001:db8::7 5022 ::1 22")), format!("{local} from 2001:db8::7"));
        for lie in ["", "10.0.0.7\u{1b}[2J 1 2 3", "\n", "root@bank"] {
            assert_eq!(of(Some(lie)), local, "{lie:?}");
        }
    }

    /// A folder that was unpacked, or that another user made, has a configuration of its own.
    #[tokio::test]
    #[expect(clippy::disallowed_methods, reason = "a repository is made by git")]
    async fn asking_about_a_folder_starts_none_of_its_programs() {
        let room = tempfile::tempdir().unwrap();
        let run = |args: &[&str]| {
            let mut git = std::process::Command::new("git");
            git.arg("-C").arg(room.path()).args(["-c", "user.name=a", "-c", "user.email=a@b"]).args(args);
            let done = git.env("GIT_CONFIG_GLOBAL", "/dev/null").output().unwrap();
            assert!(done.status.success(), "{args:?}: {}", String::from_utf8_lossy(&done.stderr));
        };
        run(&["init", "-q", "-b", "main"]);
        std::fs::write(room.path().join("a.yml"), "one\n").unwrap();
        std::fs::write(room.path().join(".gitattributes"), "* filter=x\n*.yml filter=y.z diff=d\n").unwrap();
        run(&["add", "-A"]);
        run(&["commit", "-q", "-m", "first"]);
        let mark = room.path().join("mark");
        let touch = format!("touch {}; cat", mark.display());
        for key in
            ["filter.x.clean", "filter.y.z.process", "core.fsmonitor", "diff.d.command", "diff.d.textconv"]
        {
            run(&["config", key, &touch]);
        }
        run(&["config", "filter.y.z.required", "true"]);
        // It may have changed, by its times: git looks into it.
        std::fs::write(room.path().join("a.yml"), "one\n").unwrap();
        let about = git(room.path().to_owned()).await.unwrap();
        assert!(!mark.exists(), "a program of the folder was started");
        assert_eq!(
            (about.subject.as_str(), about.branch.as_deref(), about.dirty),
            ("first", Some("main"), false)
        );
        std::fs::write(room.path().join("a.yml"), "two\n").unwrap();
        assert!(git(room.path().to_owned()).await.unwrap().dirty && !mark.exists());
    }
}
