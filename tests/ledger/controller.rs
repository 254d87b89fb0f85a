//! A reconcile loop as a program of its own, which can be killed, stopped and asked what it logged.

use std::fs::File;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::hosts::Hosts;
use crate::processes::signal;

/// A loop, as if on a machine of its own: the others cannot see its process.
pub struct Loop {
    child: Child,
    log: PathBuf,
    pub name: String,
}

impl Loop {
    /// Starts one that is called so, with more in its environment.
    pub fn start(hosts: &Hosts, name: &str, more: &[(&str, String)]) -> Self {
        let log = hosts.path().join(format!("{name}.log"));
        let out = File::create(&log).expect("a log");
        let program = env!("CARGO_BIN_EXE_stackctl");
        // A process elsewhere is one of another namespace.
        let mut command = if can_be_elsewhere() {
            let mut command = Command::new("unshare");
            command.args(["--pid", "--fork", "--kill-child=KILL", program]);
            command
        } else {
            Command::new(program)
        };
        let child = command
            .args(["reconcile", "--format", "json", "--interval", "2s"])
            .env_clear()
            .env("HOME", hosts.path())
            .env("XDG_RUNTIME_DIR", hosts.path())
            .env("PATH", "/usr/bin:/bin")
            .env("USER", name)
            .envs(more.iter().map(|(key, value)| (key, value)))
            .current_dir(hosts.path())
            .stdin(Stdio::null())
            .stdout(out)
            .stderr(Stdio::null())
            .spawn()
            .expect("the binary starts");
        Self { child, log, name: name.to_owned() }
    }

    /// What it has logged so far.
    pub fn lines(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(&self.log).expect("a log");
        text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }

    /// The kinds of it.
    pub fn types(&self) -> Vec<String> {
        self.lines().iter().map(|line| line["type"].as_str().unwrap_or_default().to_owned()).collect()
    }

    /// Whether each heal has ended that it began since it has the lead.
    pub fn is_at_rest(&self) -> bool {
        let types = self.types();
        let leads_since = types.iter().rposition(|word| word == "leading").unwrap_or(0);
        let count = |of: &str| types[leads_since..].iter().filter(|word| *word == of).count();
        count("heal_began") == count("heal_ended")
    }

    /// As far as it knows itself.
    pub fn is_leading(&self) -> bool {
        let types = self.types();
        let last = types.iter().rposition(|word| word == "leading");
        last.is_some_and(|last| !types[last..].iter().any(|word| word == "lead_lost" || word == "stopping"))
    }

    /// Sends it a signal.
    pub fn signal(&self, word: &str) {
        let id = self.child.id();
        let children = std::fs::read_to_string(format!("/proc/{id}/task/{id}/children")).unwrap_or_default();
        match children.split_whitespace().next() {
            Some(id) => {
                let sent = Command::new("kill").args([word, id]).status();
                assert!(sent.is_ok_and(|status| status.success()));
            }
            None => signal(&self.child, word),
        }
    }
}

impl Drop for Loop {
    fn drop(&mut self) {
        let _gone = Command::new("kill").args(["-CONT", &self.child.id().to_string()]).status();
        let _ended = self.child.kill();
        let _ended = self.child.wait();
    }
}

fn can_be_elsewhere() -> bool {
    let tried = Command::new("unshare").args(["--pid", "--fork", "true"]).stderr(Stdio::null()).status();
    tried.is_ok_and(|status| status.success())
}

/// Waits until something is so; how long it took.
pub fn until(what: &str, limit: Duration, mut is_so: impl FnMut() -> bool) -> Duration {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < limit, "{what}: not within {limit:?}");
        std::thread::sleep(Duration::from_millis(50));
    }
    begun.elapsed()
}

/// How often, or by which chance: what a variable says, or else this.
pub fn number(variable: &str, default: u64) -> u64 {
    std::env::var(variable).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}
