//! Runs the real binary in a clean room and shows what came out of it.

use std::collections::BTreeMap;
use std::io::{PipeWriter, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// The key of each cluster, so that ids of tasks are the same in every run.
#[allow(dead_code, reason = "of those who share this file, not all need it")]
pub const NEW_KEY: &str = "5eed5eed5eed5eed5eed5eed5eed5eed5eed5eed5eed5eed5eed5eed5eed5eed";

/// In whose name commands of a room are carried out: `ann@mill`.
#[allow(dead_code, reason = "of those who share this file, not all ask")]
pub fn who() -> String {
    stackctl::ops::identity::who(&|_| None)
}

/// Where a command runs: a directory of its own, and nothing of the caller's environment.
pub struct Room {
    dir: tempfile::TempDir,
    binary: PathBuf,
    env: BTreeMap<String, String>,
    /// What to show in place of texts that differ from run to run.
    masks: Vec<(String, String)>,
}

/// What a command did.
pub struct Run {
    pub status: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Room {
    pub fn new() -> Self {
        let dir = tempfile::Builder::new().prefix("st").tempdir().expect("a temporary directory");
        let home = dir.path().display().to_string();
        let env = [
            ("HOME", home.as_str()),
            ("COLUMNS", "100"),
            ("PATH", "/usr/bin:/bin"),
            ("STACKCTL_NEW_KEY", NEW_KEY),
        ];
        let masks = vec![(home.clone(), "[DIR]".to_owned())];
        let env = env.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
        Self { dir, binary: env!("CARGO_BIN_EXE_stackctl").into(), env, masks }
    }

    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    /// Another build of the program.
    #[allow(dead_code, reason = "of those who share this file, not all have one")]
    pub fn binary(&mut self, path: &Path) -> &mut Self {
        path.clone_into(&mut self.binary);
        self
    }

    /// Writes a file into the room.
    pub fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.dir.path().join(name);
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent).expect("a directory in the room");
        }
        std::fs::write(&path, text).expect("a file in the room");
        path
    }

    pub fn env(&mut self, key: &str, value: &str) -> &mut Self {
        self.env.insert(key.to_owned(), value.to_owned());
        self
    }

    /// What a command is given of an environment.
    pub fn variables(&self) -> &BTreeMap<String, String> {
        &self.env
    }

    /// Runs `stackctl` with arguments as a shell would part them: no quotes.
    pub fn run(&self, args: &str) -> Run {
        self.run_with(&args.split_whitespace().collect::<Vec<_>>(), "")
    }

    /// Runs `stackctl` with arguments and input.
    pub fn run_with(&self, args: &[&str], input: &str) -> Run {
        self.end(self.start(args), input)
    }

    /// Runs `stackctl` and presses Ctrl-C after so many milliseconds.
    pub fn interrupt(&self, args: &str, after_ms: u64) -> Run {
        let child = self.start(&args.split_whitespace().collect::<Vec<_>>());
        let id = child.id().to_string();
        std::thread::spawn(move || {
            std::thread::sleep(std::time::Duration::from_millis(after_ms));
            let _ = Command::new("kill").args(["-INT", &id]).status();
        });
        self.end(child, "")
    }

    /// Runs `stackctl` and kills it, as a machine that goes down does, as soon as it has come so far.
    pub fn kill_when(&self, args: &str, has_come: impl Fn() -> bool) {
        let mut child = self.start(&args.split_whitespace().collect::<Vec<_>>());
        while !has_come() {
            assert!(child.try_wait().expect("a child").is_none(), "{args} came to its end");
            std::thread::sleep(std::time::Duration::from_millis(2));
        }
        child.kill().expect("a child that runs");
        child.wait().expect("it is gone");
    }

    /// Starts `stackctl`; all its output goes into a pipe.
    pub fn start_into(&self, args: &[&str], output: PipeWriter) -> Child {
        let both = output.try_clone().expect("a second handle");
        self.command(args)
            .stdin(Stdio::null())
            .stdout(output)
            .stderr(both)
            .spawn()
            .expect("the binary starts")
    }

    /// Sends a signal.
    pub fn signal(&self, child: &Child, name: &str) {
        let status = Command::new("kill").args([format!("-{name}"), child.id().to_string()]).status();
        assert!(status.expect("kill").success());
    }

    fn start(&self, args: &[&str]) -> Child {
        let mut command = self.command(args);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().expect("the binary starts")
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(&self.binary);
        command.args(args).env_clear().envs(&self.env).current_dir(self.dir.path());
        command
    }

    fn end(&self, mut child: Child, input: &str) -> Run {
        // A command that does not read its input may be gone by now.
        let _ = child.stdin.take().expect("a pipe").write_all(input.as_bytes());
        let output = child.wait_with_output().expect("the binary ends");
        let text = |bytes: &[u8]| {
            let text = String::from_utf8(bytes.to_vec()).expect("text comes out");
            self.masks.iter().fold(text, |text, (from, to)| text.replace(from, to))
        };
        Run {
            status: output.status.code().unwrap_or(-1),
            stdout: text(&output.stdout),
            stderr: text(&output.stderr),
        }
    }
}

impl Run {
    /// All of it, for a snapshot.
    pub fn show(&self) -> String {
        let mut out = format!("status: {}\n", self.status);
        for (name, text) in [("stdout", &self.stdout), ("stderr", &self.stderr)] {
            if !text.is_empty() {
                out.push_str(&format!("--- {name}\n{text}"));
                if !text.ends_with('\n') {
                    out.push_str("(no newline)\n");
                }
            }
        }
        out
    }
}
