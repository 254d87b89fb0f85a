//! Every action and every answer of a run, as JSON lines in a file: what to look into when a run went
//! wrong, and what to replay. Holds names and reasons only; contents of files never pass through here.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::model::action::{Action, Outcome};
use crate::model::{StackName, Timestamp};
use crate::orchestrator::{Notice, Verdict};

/// Journals kept for each stack.
const KEPT_MAX: usize = 20;

/// A run's journal. Writing it must never stop a run: the first failure ends the journal, not the run.
#[derive(Debug)]
pub struct Journal {
    file: Option<File>,
    path: Option<PathBuf>,
}

impl Journal {
    /// No journal.
    #[must_use]
    pub fn none() -> Self {
        Self { file: None, path: None }
    }

    /// A new journal under `<dir>/<stack>/`, readable by its owner only; the oldest beyond the newest few
    /// are removed.
    #[expect(clippy::disallowed_methods, reason = "the journal is a file")]
    pub fn create(dir: &Path, stack: &StackName, now: Timestamp) -> io::Result<Self> {
        use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
        let dir = dir.join(stack.as_str());
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&dir)?;
        let mut old: Vec<PathBuf> =
            fs::read_dir(&dir)?.filter_map(|entry| Some(entry.ok()?.path())).collect();
        old.retain(|path| path.extension().is_some_and(|extension| extension == "jsonl"));
        old.sort();
        for path in old.iter().rev().skip(KEPT_MAX - 1) {
            fs::remove_file(path)?;
        }
        // The process id distinguishes two runs of one millisecond.
        let path = dir.join(format!("{:015}-{}.jsonl", now.0, std::process::id()));
        let file = File::options().write(true).create_new(true).mode(0o600).open(&path)?;
        Ok(Self { file: Some(file), path: Some(path) })
    }

    /// Where it is written.
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    /// An action was begun.
    pub fn began(&mut self, now: Timestamp, action: &Action) {
        self.line(&json!({
            "at": now.0, "event": "began", "id": action.id, "node": action.node,
            "verb": action.what.verb(), "object": action.what.object(), "why": action.why,
        }));
    }

    /// An action ended.
    pub fn ended(&mut self, now: Timestamp, action: &Action, outcome: &Outcome) {
        let result = match outcome {
            Outcome::Done => json!("done"),
            Outcome::Started(status) => json!(status),
            Outcome::Failed(failure) => json!(failure),
        };
        self.line(&json!({"at": now.0, "event": "ended", "id": action.id, "outcome": result}));
    }

    pub(super) fn verdict(&mut self, now: Timestamp, verdict: &Verdict) {
        self.line(&json!({"at": now.0, "event": "verdict", "verdict": verdict}));
    }

    pub(super) fn noticed(&mut self, now: Timestamp, notice: &Notice) {
        self.line(&json!({"at": now.0, "event": "notice", "what": notice}));
    }

    pub(super) fn said(&mut self, now: Timestamp, event: &str) {
        self.line(&json!({"at": now.0, "event": event}));
    }

    fn line(&mut self, line: &Value) {
        if let Some(file) = &mut self.file
            && writeln!(file, "{line}").is_err()
        {
            self.file = None;
        }
    }
}
