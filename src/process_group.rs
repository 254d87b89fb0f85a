//! Child processes: what they get of our environment, and that they end together with everything they have started.
//!
//! Our own environment may hold secrets: the user's private key, and the variables that secrets of a stackfile are made
//! of. A program has no use for them, keeps them as long as it runs, and hands them to all that it starts, so
//! [`program`] leaves them out. No other place makes a command.
//!
//! `git` fetches through processes of its own, and an inventory's script may start any: ending only the first
//! one leaves the others waiting for a server that does not answer, two more with each poll. So each child
//! leads a process group of its own, and the whole group is ended. With a terminal the child stays in our
//! group: Ctrl-C ends us at once, and has to reach it too. Knows nothing of what the programs are for.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::io::{self, IsTerminal as _};
use std::process::Output;
use std::sync::{Mutex, PoisonError};

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::AsyncReadExt as _;
use tokio::process::{Child, Command};

/// The variable that may hold the user's private key.
pub const PRIVATE_KEY: &str = "STACKCTL_KEY";

/// Without these many programs would not be found or not run. What is in them is no secret, whatever a stackfile makes of one.
const NEEDED: [&str; 12] = [
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "SHELL",
    "TERM",
    "TMPDIR",
    "LANG",
    "SSH_AUTH_SOCK",
    "XDG_CONFIG_HOME",
    "XDG_RUNTIME_DIR",
    "XDG_STATE_HOME",
];

/// What children do not get besides. Of the whole process, as its environment is.
static KEPT_BACK: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

/// From now on no program gets this variable, which holds a secret.
pub fn keep_back(variable: &str) {
    if !variable.is_empty() && !NEEDED.contains(&variable) {
        KEPT_BACK.lock().unwrap_or_else(PoisonError::into_inner).insert(variable.to_owned());
    }
}

/// A program, with our environment but for what is secret in it.
#[expect(clippy::disallowed_methods, reason = "the same for callers that wait")]
pub fn program(name: impl AsRef<OsStr>) -> Command {
    blocking_program(name).into()
}

/// The same for a caller that does nothing else meanwhile.
#[expect(clippy::disallowed_methods, reason = "the one place where commands are made")]
pub fn blocking_program(name: impl AsRef<OsStr>) -> std::process::Command {
    let mut command = std::process::Command::new(name);
    command.env_remove(PRIVATE_KEY);
    for variable in &*KEPT_BACK.lock().unwrap_or_else(PoisonError::into_inner) {
        command.env_remove(variable);
    }
    command
}

/// The program that takes the place of this process, as the first of a container: all of the environment is its own.
#[expect(clippy::disallowed_methods, reason = "no child, and nothing of a user's in its environment")]
pub fn in_our_place(name: impl AsRef<OsStr>) -> std::process::Command {
    std::process::Command::new(name)
}

/// Ends a program and all it has started when this is dropped, unless it ended by itself.
#[derive(Debug)]
pub struct ProcessGroup(Option<Pid>);

/// Starts it.
pub fn start(command: &mut Command) -> io::Result<(Child, ProcessGroup)> {
    if io::stdin().is_terminal() {
        return Ok((command.kill_on_drop(true).spawn()?, ProcessGroup(None)));
    }
    start_group(command)
}

/// Starts it, in a group of its own.
fn start_group(command: &mut Command) -> io::Result<(Child, ProcessGroup)> {
    let child = command.process_group(0).kill_on_drop(true).spawn()?;
    let leader = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
    Ok((child, ProcessGroup(leader)))
}

/// What is kept of the words of a program that fails.
const WORDS_MAX: u64 = 64 << 10;

/// Starts it and waits for its end. A caller that stops waiting ends it, and so does an output of more than `most`
/// bytes, which is an error of the kind [`io::ErrorKind::FileTooLarge`]. Of what it says beside its output the
/// beginning is kept.
pub async fn output(command: &mut Command, most: u64) -> io::Result<Output> {
    let (mut child, group) = start(command)?;
    let (out, err) = (child.stdout.take(), child.stderr.take());
    let heard = async {
        let mut bytes = Vec::new();
        if let Some(out) = out {
            out.take(most.saturating_add(1)).read_to_end(&mut bytes).await?;
        }
        if bytes.len() as u64 > most {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        Ok(bytes)
    };
    let said = async {
        let mut bytes = Vec::new();
        if let Some(mut err) = err {
            (&mut err).take(WORDS_MAX).read_to_end(&mut bytes).await?;
            tokio::io::copy(&mut err, &mut tokio::io::sink()).await?;
        }
        Ok::<_, io::Error>(bytes)
    };
    let (stdout, stderr) = tokio::try_join!(heard, said)?;
    let status = child.wait().await?;
    group.is_over();
    Ok(Output { status, stdout, stderr })
}

impl ProcessGroup {
    /// It has ended and was waited for: its id may be in use again.
    pub fn is_over(mut self) {
        self.0 = None;
    }
}

impl Drop for ProcessGroup {
    fn drop(&mut self) {
        if let Some(leader) = self.0 {
            // The group may be empty by now.
            let _gone = kill_process_group(leader, Signal::KILL);
        }
    }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "starts programs")]
mod tests {
    use std::process::Stdio;
    use std::time::Duration;

    use rustix::process::test_kill_process;
    use tokio::io::{AsyncBufReadExt as _, BufReader};

    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = program("sh");
        command.args(["-c", script]).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        command
    }

    /// Whether it runs: an ended process stays listed until its parent has waited for it.
    fn runs(id: Pid) -> bool {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", id.as_raw_nonzero())).unwrap_or_default();
        let state = stat.rsplit_once(')').and_then(|(_, rest)| rest.trim_start().chars().next());
        test_kill_process(id).is_ok() && state != Some('Z')
    }

    #[tokio::test]
    async fn secret_variables_are_not_handed_on_and_needed_ones_are() {
        let left_out = || {
            let command = blocking_program("sh");
            let out = command.get_envs().filter(|(_, value)| value.is_none());
            out.map(|(name, _)| name.to_string_lossy().into_owned()).collect::<Vec<_>>()
        };
        assert!(left_out().contains(&PRIVATE_KEY.to_owned()));
        for name in ["SECRET_OF_A_STACKFILE", "PATH", ""] {
            keep_back(name);
        }
        let left = left_out();
        assert!(left.iter().any(|name| name == "SECRET_OF_A_STACKFILE"), "{left:?}");
        assert!(!left.iter().any(|name| name == "PATH" || name.is_empty()), "{left:?}");
        // What is set for a child itself comes to it.
        let mut command = shell("echo $SECRET_OF_A_STACKFILE");
        command.env("SECRET_OF_A_STACKFILE", "x");
        assert_eq!(output(&mut command, 5).await.unwrap().stdout, b"x\n");
    }

    #[tokio::test]
    async fn child_processes_end_with_their_program() {
        let (mut child, group) = start_group(&mut shell("sleep 600 & echo $!; wait")).unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let line = lines.next_line().await.unwrap().unwrap();
        let grandchild = Pid::from_raw(line.parse().unwrap()).unwrap();
        assert!(runs(grandchild));
        drop((child, group));
        for _ in 0..500 {
            if !runs(grandchild) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("it runs on");
    }

    #[tokio::test]
    async fn what_comes_to_its_end_is_heard_to_its_end() {
        let output = output(&mut shell("echo done; exit 3"), 5).await.unwrap();
        assert_eq!((output.stdout.as_slice(), output.status.code()), (&b"done\n"[..], Some(3)));
    }

    #[tokio::test]
    async fn an_output_without_end_is_not_kept_and_ends_its_program() {
        let error = output(&mut shell("echo $$; exec cat /dev/zero"), 1 << 20).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::FileTooLarge);
        let mut loud = shell("head -c 10000000 /dev/zero >&2; echo done");
        loud.stderr(Stdio::piped());
        let output = output(&mut loud, 5).await.unwrap();
        assert_eq!((output.stdout.as_slice(), output.stderr.len()), (&b"done\n"[..], 64 << 10));
    }
}
