//! Every action and every answer of a run, as JSON lines in a file: what to look into when a run went
//! wrong, and what to replay. Holds names and reasons only; contents of files never pass through here.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::model::action::{Action, FailureKind, Outcome};
use crate::model::{NodeName, StackName, TaskId, Timestamp};
use crate::orchestrator::{Notice, Verdict};

/// Journals kept for each stack.
const KEPT_MAX: usize = 20;

/// The verb of a stop.
const STOP: &str = "stop task";

/// What a run began of which it is not known how it ended.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Unanswered {
    /// Node, task and `web.1` of each stop.
    pub stops: Vec<(NodeName, TaskId, String)>,
    /// Where any action was begun.
    pub nodes: BTreeSet<NodeName>,
}

/// Node, task and `web.1` of a stop that was begun: its object is a container, `<stack>_<service>.<slot>.<task id>`.
fn stop_of(line: &Value, stack: &StackName) -> Option<(NodeName, TaskId, String)> {
    let (name, task) = line["object"].as_str()?.rsplit_once('.')?;
    let name = name.strip_prefix(stack.as_str())?.strip_prefix('_')?.to_owned();
    Some((NodeName::unchecked(line["node"].as_str()?), TaskId::unchecked(task), name))
}

fn is_unanswered(kind: &Value) -> bool {
    [FailureKind::HostSilent, FailureKind::Deadline].iter().any(|unanswered| *kind == json!(unanswered))
}

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

    /// A new journal under `<dir>/<stack>/` of what is done under a lock, readable by its owner only; the oldest beyond the
    /// newest few are removed.
    #[expect(clippy::disallowed_methods, reason = "the journal is a file")]
    pub fn create(dir: &Path, stack: &StackName, lock: Option<&str>, now: Timestamp) -> io::Result<Self> {
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
        let mut this = Self { file: Some(file), path: Some(path) };
        this.line(&json!({"at": now.0, "event": "opened", "lock": lock}));
        Ok(this)
    }

    /// What was begun under a lock of a process, and was not seen to end. `None` if there is no whole journal of it.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "the journal is a file")]
    pub fn left_by(dir: &Path, stack: &StackName, pid: u32, lock: &str) -> Option<Unanswered> {
        let of_process = format!("-{pid}.jsonl");
        let all = fs::read_dir(dir.join(stack.as_str())).ok()?.filter_map(|entry| Some(entry.ok()?.path()));
        let newest = all.filter(|path| path.to_string_lossy().ends_with(&of_process)).max()?;
        unanswered(&fs::read_to_string(newest).ok()?, stack, lock)
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

    #[expect(clippy::disallowed_methods, reason = "the journal is a file")]
    fn line(&mut self, line: &Value) {
        let Some(file) = &mut self.file else { return };
        // In one piece: a process that is killed leaves whole lines.
        if file.write_all(format!("{line}\n").as_bytes()).is_err() {
            // What follows would be missing, and who reads it takes it for all that was done.
            let _is_gone = self.path.take().map(fs::remove_file);
            self.file = None;
        }
    }
}

/// Of a journal's text. `None` unless it is of this lock, and whole.
fn unanswered(text: &str, stack: &StackName, lock: &str) -> Option<Unanswered> {
    let lines = text.strip_suffix('\n')?.lines().map(serde_json::from_str::<Value>);
    let lines: Vec<Value> = lines.collect::<Result<_, _>>().ok()?;
    let is_of_lock = |line: &Value| line["event"] == "opened" && line["lock"] == lock;
    lines.first().filter(|line| is_of_lock(line))?;
    let mut begun = BTreeMap::new();
    for line in &lines {
        match (line["event"].as_str(), line["id"].as_u64()) {
            (Some("began"), Some(id)) => {
                begun.insert(id, line);
            }
            // The engine has answered.
            (Some("ended"), Some(id)) if !is_unanswered(&line["outcome"]["kind"]) => {
                begun.remove(&id);
            }
            _ => {}
        }
    }
    let mut left = Unanswered::default();
    for line in begun.into_values() {
        left.nodes.insert(NodeName::unchecked(line["node"].as_str()?));
        if line["verb"] == STOP {
            left.stops.push(stop_of(line, stack)?);
        }
    }
    Some(left)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::model::action::{ActionId, Failure, TaskHandle, What};
    use crate::model::reason::Reason;
    use crate::model::{ServiceName, Slot};

    #[test]
    fn a_journal_tells_which_stops_were_begun_and_not_seen_to_end() {
        let dir = tempfile::tempdir().unwrap();
        let stack = StackName::unchecked("shop");
        let mut journal = Journal::create(dir.path(), &stack, Some("shop-1"), Timestamp(5)).unwrap();
        let of = |number: u32, what| Action {
            id: ActionId(number),
            node: NodeName::unchecked("h1"),
            what,
            why: Reason::ScaledUp { from: 1, to: 3 },
        };
        let stop = |number: u32| {
            let task = TaskHandle {
                id: TaskId::unchecked(&format!("t{number}")),
                stack: stack.clone(),
                service: ServiceName::unchecked("web"),
                slot: Slot::Replica(number),
            };
            of(number, What::StopTask { task, grace: None })
        };
        let failed =
            |kind| Outcome::Failed(Failure { kind, code: String::new(), message: String::new(), help: None });
        let outcomes = [
            Some(Outcome::Done),
            Some(failed(FailureKind::HostSilent)),
            None,
            Some(failed(FailureKind::Refused)),
            Some(failed(FailureKind::Deadline)),
        ];
        for (number, outcome) in (0..).zip(&outcomes) {
            journal.began(Timestamp(6), &stop(number));
            if let Some(outcome) = outcome {
                journal.ended(Timestamp(7), &stop(number), outcome);
            }
        }
        journal.began(Timestamp(6), &of(9, What::RemoveNetwork { name: Arc::from("shop_default") }));
        let left_by = |stack: &StackName, pid, lock| Journal::left_by(dir.path(), stack, pid, lock);
        let left = left_by(&stack, std::process::id(), "shop-1").unwrap();
        assert_eq!(left.nodes, [NodeName::unchecked("h1")].into());
        let names: Vec<String> =
            left.stops.into_iter().map(|(node, task, name)| format!("{node} {task} {name}")).collect();
        assert_eq!(names, ["h1 t1 web.1", "h1 t2 web.2", "h1 t4 web.4"]);
        assert_eq!(left_by(&stack, 0, "shop-1"), None);
        assert_eq!(left_by(&StackName::unchecked("other"), std::process::id(), "shop-1"), None);
        assert_eq!(left_by(&stack, std::process::id(), "shop-0"), None, "an earlier one of that number");
    }

    #[test]
    fn a_journal_that_ended_early_says_nothing() {
        let stack = StackName::unchecked("shop");
        let (opened, began) = (
            r#"{"event":"opened","lock":"shop-1"}"#,
            r#"{"event":"began","id":1,"node":"h1","verb":"start task","object":"shop_web.1.x"}"#,
        );
        let of = |text: String| unanswered(&text, &stack, "shop-1").map(|left| left.nodes.len());
        assert_eq!(of(format!("{opened}\n{began}\n")), Some(1));
        assert_eq!(of(format!("{opened}\n{began}")), None, "its last line is cut");
        assert_eq!(of(format!("{opened}\n{}\n", &began[..40])), None);
        assert_eq!(of(String::new()), None);
    }

    /// Such as one on a disk that is full.
    #[test]
    #[allow(clippy::disallowed_methods, reason = "the journal is a file")]
    fn a_journal_that_cannot_be_written_to_its_end_is_removed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("1.jsonl");
        fs::write(&path, "").unwrap();
        // A file that is open for reading alone takes nothing.
        let mut journal = Journal { file: Some(File::open(&path).unwrap()), path: Some(path.clone()) };
        journal.said(Timestamp(1), "detached");
        assert!(!path.exists() && journal.path().is_none());
    }
}
