//! Child processes that end together with everything they have started.
//!
//! `git` fetches through processes of its own, and an inventory's script may start any: ending only the first
//! one leaves the others waiting for a server that does not answer, two more with each poll. So each child
//! leads a process group of its own, and the whole group is ended. With a terminal the child stays in our
//! group: Ctrl-C ends us at once, and has to reach it too. Knows nothing of what the programs are for.

use std::io::{self, IsTerminal as _};
use std::process::Output;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::process::{Child, Command};

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

/// Starts it and waits for its end. A caller that stops waiting ends it.
pub async fn output(command: &mut Command) -> io::Result<Output> {
    let (child, group) = start(command)?;
    let output = child.wait_with_output().await?;
    group.is_over();
    Ok(output)
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
mod tests {
    use std::process::Stdio;
    use std::time::Duration;

    use rustix::process::test_kill_process;
    use tokio::io::{AsyncBufReadExt as _, BufReader};

    use super::*;

    #[expect(clippy::disallowed_methods, reason = "a program that starts another")]
    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        command
    }

    /// Whether it runs: an ended process stays listed until its parent has waited for it.
    #[expect(clippy::disallowed_methods, reason = "the system knows")]
    fn runs(id: Pid) -> bool {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", id.as_raw_nonzero())).unwrap_or_default();
        let state = stat.rsplit_once(')').and_then(|(_, rest)| rest.trim_start().chars().next());
        test_kill_process(id).is_ok() && state != Some('Z')
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
        let output = output(&mut shell("echo done; exit 3")).await.unwrap();
        assert_eq!((output.stdout.as_slice(), output.status.code()), (&b"done\n"[..], Some(3)));
    }
}
