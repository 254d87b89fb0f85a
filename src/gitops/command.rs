//! How git is started: without the configuration of the user and of the machine, and without anything that a
//! repository could make it start in turn.

use std::path::Path;
use std::process::{Command, Stdio};

use tokio::process::Command as Async;

use crate::process_group;

/// Settings without which git could be misled or wait for input.
const ENVIRONMENT: [(&str, &str); 10] = [
    ("GIT_TERMINAL_PROMPT", "0"),
    ("GIT_ASKPASS", "true"),
    ("SSH_ASKPASS", "true"),
    ("GIT_OPTIONAL_LOCKS", "0"),
    ("GIT_CONFIG_NOSYSTEM", "1"),
    ("GIT_CONFIG_GLOBAL", "/dev/null"),
    ("GIT_ATTR_NOSYSTEM", "1"),
    // What is missing is missing: no other repository is asked for it.
    ("GIT_NO_LAZY_FETCH", "1"),
    ("GIT_SSH_COMMAND", "ssh -oBatchMode=yes -oConnectTimeout=15 -oServerAliveInterval=15"),
    ("LC_ALL", "C"),
];

/// Variables that a hook or a calling git has set for its own repository, or that name programs.
const NOT_OURS: [&str; 14] = [
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_OBJECT_DIRECTORY",
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_QUARANTINE_PATH",
    "GIT_NAMESPACE",
    "GIT_CONFIG",
    "GIT_CONFIG_PARAMETERS",
    "GIT_CONFIG_COUNT",
    "GIT_EXTERNAL_DIFF",
    "GIT_PROXY_COMMAND",
    "GIT_PAGER",
    "GIT_EDITOR",
];

/// Programs that a repository's own configuration can name, set to nothing that can be started.
const NO_PROGRAMS: [(&str, &str); 4] = [
    ("core.fsmonitor", "false"),
    ("core.hooksPath", "/dev/null"),
    ("core.pager", "cat"),
    ("gpg.program", "/dev/null"),
];

/// Protocols of a repository that is followed: none of these is a command.
const TRANSPORTS: &str = "https:http:ssh:git:file";

/// The most that is read of short answers.
const WORDS_MAX: u64 = 1 << 20;

/// What git may reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// The repository that is there, and no other.
    Local,
    /// Other machines.
    Network,
}

/// Git, with settings that go before any other.
#[expect(clippy::disallowed_methods, reason = "git alone knows its repositories")]
pub fn command(reach: Reach, settings: &[(String, String)]) -> Command {
    let mut command = process_group::blocking_program("git");
    for name in NOT_OURS {
        command.env_remove(name);
    }
    command.envs(ENVIRONMENT);
    command.env("GIT_ALLOW_PROTOCOL", if reach == Reach::Network { TRANSPORTS } else { "none" });
    // In the environment, where a name may hold any character, and no other user sees a value.
    let fixed = NO_PROGRAMS.iter().map(|(name, value)| (*name, *value));
    let given = settings.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let mut count = 0;
    for (at, (name, value)) in fixed.chain(given).enumerate() {
        command.env(format!("GIT_CONFIG_KEY_{at}"), name).env(format!("GIT_CONFIG_VALUE_{at}"), value);
        count = at + 1;
    }
    command.env("GIT_CONFIG_COUNT", count.to_string());
    command
}

/// Git as a push starts it, with all that is configured.
#[expect(clippy::disallowed_methods, reason = "git alone knows its repositories")]
pub(super) fn as_a_push_does() -> Command {
    let mut command = process_group::blocking_program("git");
    for name in NOT_OURS {
        command.env_remove(name);
    }
    command.env("GIT_ALLOW_PROTOCOL", "none").env("LC_ALL", "C");
    command
}

/// Settings of the user's own git, in full and in order, of the sections that are asked for: `credential` is how a
/// login is found, `http` how a proxy or a certificate, `url` which addresses stand for others, `safe` whose
/// repositories may be read. Empty if git cannot say.
pub async fn of_the_user(sections: &[&str]) -> Vec<(String, String)> {
    #[expect(clippy::disallowed_methods, reason = "git alone knows its configuration")]
    let mut command = process_group::program("git");
    command.args(["config", "--global", "--includes", "--null", "--list"]);
    for name in NOT_OURS {
        command.env_remove(name);
    }
    command.current_dir("/").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let Ok(output) = process_group::output(&mut command, WORDS_MAX).await else { return Vec::new() };
    let text = String::from_utf8_lossy(&output.stdout);
    let pairs = text.split('\0').filter_map(|entry| entry.split_once('\n'));
    let is_asked_for =
        |name: &str| name.split_once('.').is_some_and(|(section, _)| sections.contains(&section));
    pairs
        .filter(|(name, _)| is_asked_for(name))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

/// What git says about the repository that a directory is in, if it succeeds.
pub async fn answer(dir: &Path, settings: &[(String, String)], args: &[&str]) -> Option<String> {
    let mut command = Async::from(command(Reach::Local, settings));
    command.arg("-C").arg(dir).arg("--no-pager").args(args);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let output = process_group::output(&mut command, WORDS_MAX).await.ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim_end().to_owned())
}

/// A file of configuration with these settings.
#[must_use]
pub fn as_file(settings: &[(String, String)]) -> String {
    let escaped = |text: &str| text.replace('\\', "\\\\").replace('"', "\\\"");
    let mut text = String::new();
    for (name, value) in settings {
        let (Some((section, rest)), Some((_, key))) = (name.split_once('.'), name.rsplit_once('.')) else {
            continue;
        };
        let below = rest.strip_suffix(key).and_then(|rest| rest.strip_suffix('.'));
        let below = below.map_or_else(String::new, |below| format!(" \"{}\"", escaped(below)));
        let value = escaped(value).replace('\n', "\\n").replace('\t', "\\t");
        text.push_str(&format!("[{section}{below}]\n\t{key} = \"{value}\"\n"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_written_as_git_reads_them() {
        let own = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let settings = [
            own("credential.helper", "!f() { echo \"a\\b\"; }; f"),
            own("credential.https://git.example.com/a.b.username", "ann"),
            own("http.https://x/.extraheader", "A: b\nC"),
            own("credential.helper", ""),
        ];
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config");
        #[expect(clippy::disallowed_methods, reason = "git reads a file")]
        std::fs::write(&path, as_file(&settings)).unwrap();
        let mut git = command(Reach::Local, &[]);
        git.args(["config", "--null", "--list", "--file"]).arg(&path);
        let said = String::from_utf8(git.output().unwrap().stdout).unwrap();
        let read: Vec<(String, String)> =
            said.split('\0').filter_map(|entry| entry.split_once('\n')).map(|(a, b)| own(a, b)).collect();
        assert_eq!(read, settings);
    }
}
