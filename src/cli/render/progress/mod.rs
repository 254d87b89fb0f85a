//! The progress of a run: rows that are redrawn on a terminal, lines with a time elsewhere, JSON lines for
//! programs.
//!
//! [`Board`] keeps the state so far; it takes each [`Happened`] and returns text. It draws nothing and reads no
//! clock.

mod json;
mod rows;

use std::collections::{BTreeMap, BTreeSet};

use super::age::elapsed;
use super::plan::moves::{MoveKind, Moves};
use super::style::{ADD, BAD, CHANGE, FAINT, paint};
use super::text::{clean, count, megabytes, pad};
use crate::model::action::{Action, ActionId, Failure, Outcome, Pulled, TaskHandle, What};
use crate::model::reason::Reason;
use crate::model::{Health, NodeName, ServiceName, Slot, TaskId, TaskStatus, Timestamp};
use crate::orchestrator::{Forecast, Notice};

pub use crate::model::json::stamped;
pub use json::{line as json_line, planned, version};

/// An event of a run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Happened<'a> {
    /// An action was begun.
    Began(&'a Action),
    /// A pull has come so far.
    Advanced(&'a Action, Pulled),
    /// An action ended.
    Ended(&'a Action, &'a Outcome),
    /// The status of a task was observed; `None` if it is gone.
    Seen(&'a NodeName, &'a TaskHandle, Option<TaskStatus>),
    /// A node went silent.
    Silent(&'a NodeName, &'a str),
    /// The run changed its course, such as to a rollback.
    Noticed(&'a Notice),
}

/// The state of a run so far.
#[derive(Debug, Clone)]
pub struct Board {
    stack: String,
    began: Timestamp,
    /// The time of the last line.
    said: Timestamp,
    services: BTreeMap<ServiceName, Row>,
    /// Actions that belong to no task: networks, volumes, images.
    chores: Chores,
    open: BTreeMap<ActionId, Open>,
    /// Tasks that got back, as they ran, what they had.
    changed_back: BTreeSet<TaskId>,
}

#[derive(Debug, Clone, Default)]
struct Row {
    slots: BTreeMap<Slot, Stand>,
    /// The time from the first action of the service to its last slot.
    began: Option<Timestamp>,
    ended: Option<Timestamp>,
}

/// The state of a slot.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Stand {
    is_removal: bool,
    phase: Phase,
    node: Option<NodeName>,
    /// The task that was started in it last; other tasks no longer matter for the slot.
    task: Option<TaskId>,
    /// Whether that task is up; with start-first the old task may still have to be stopped.
    is_up: bool,
}

impl Stand {
    /// Whether the slot serves, as users of the service see it.
    fn counts(&self) -> bool {
        match self.phase {
            Phase::Done => true,
            Phase::Moving(_) => self.is_up,
            Phase::Waiting | Phase::Failed(_) => false,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Phase {
    Waiting,
    /// In motion: `stopping`, `starting`, `not healthy yet`.
    Moving(String),
    Done,
    Failed(String),
}

#[derive(Debug, Clone, Default)]
struct Chores {
    total: usize,
    done: usize,
    failed: usize,
}

#[derive(Debug, Clone)]
struct Open {
    began: Timestamp,
    text: String,
    is_chore: bool,
    /// Of a pull.
    far: Option<Pulled>,
}

impl Open {
    /// `pulling nginx on h1: 12.0 of 40.5 MB`.
    fn words(&self) -> String {
        match self.far.filter(|far| far.bytes > 0) {
            Some(Pulled { bytes, total: Some(total) }) if bytes >= total => {
                format!("{}: {}, unpacking", self.text, megabytes(bytes))
            }
            Some(Pulled { bytes, total: Some(total) }) => {
                format!("{}: {} of {}", self.text, megabytes(bytes), megabytes(total))
            }
            Some(Pulled { bytes, total: None }) => format!("{}: {}", self.text, megabytes(bytes)),
            None => self.text.clone(),
        }
    }
}

impl Board {
    /// The state before a run with this forecast.
    #[must_use]
    pub fn new(stack: &str, forecast: &Forecast, began: Timestamp) -> Self {
        let mut services: BTreeMap<ServiceName, Row> = BTreeMap::new();
        for (service, moves) in Moves::of(forecast).services {
            let row = services.entry(service.clone()).or_default();
            for one in moves {
                let is_removal = one.kind == MoveKind::Remove;
                let node = one.to.or(one.from);
                let stand = Stand { is_removal, phase: Phase::Waiting, node, task: None, is_up: false };
                row.slots.insert(one.slot, stand);
            }
        }
        let total = forecast.actions().filter(|action| action.what.task().is_none()).count();
        Self {
            stack: stack.to_owned(),
            began,
            said: began,
            services,
            chores: Chores { total, ..Chores::default() },
            open: BTreeMap::new(),
            changed_back: BTreeSet::new(),
        }
    }

    /// Takes an event. Returns a line for output without rows, if the event deserves one.
    pub fn take(&mut self, now: Timestamp, happened: Happened<'_>) -> Option<String> {
        let line = match happened {
            Happened::Began(action) => {
                self.begin(now, action);
                None
            }
            Happened::Advanced(action, far) => {
                if let Some(open) = self.open.get_mut(&action.id) {
                    open.far = Some(far);
                }
                None
            }
            Happened::Ended(action, outcome) => self.end(now, action, outcome),
            Happened::Seen(node, task, status) => self.see(now, node, task, status),
            Happened::Noticed(notice) => Some((self.stack.clone(), paint(BAD, clean(&notice.to_string())))),
            Happened::Silent(node, why) => {
                Some((format!("node {node}"), paint(BAD, format!("silent: {}", clean(why)))))
            }
        };
        line.map(|(subject, text)| self.line(now, &subject, &text))
    }

    /// A sign of progress after a quiet time, so that a long wait does not look like a hang.
    pub fn heartbeat(&mut self, now: Timestamp, every_ms: i64) -> Option<String> {
        if now.since_ms(self.said) < every_ms {
            return None;
        }
        let what = self.waiting_for()?;
        Some(self.line(now, &self.stack.clone(), &paint(FAINT, what)))
    }

    fn line(&mut self, now: Timestamp, subject: &str, text: &str) -> String {
        const SUBJECT_COLUMNS: usize = 24;
        self.said = now;
        let at = pad(&format!("+{}", elapsed(now.since_ms(self.began))), 7);
        format!("{} {}  {text}", paint(FAINT, at), pad(&clean(subject), SUBJECT_COLUMNS))
    }

    fn waiting_for(&self) -> Option<String> {
        let moving: Vec<String> = self
            .services
            .iter()
            .flat_map(|(service, row)| row.slots.iter().map(move |(slot, stand)| (service, slot, stand)))
            .filter_map(|(service, slot, stand)| match (&stand.phase, &stand.node) {
                (Phase::Moving(word), Some(node)) => Some(format!("{service}.{slot} {word} on {node}")),
                (Phase::Moving(word), None) => Some(format!("{service}.{slot} {word}")),
                _ => None,
            })
            .chain(self.open.values().filter(|open| open.is_chore).map(Open::words))
            .collect();
        let first = moving.first()?;
        let more = moving.len() - 1;
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        Some(format!("still waiting: {}{more}", clean(first)))
    }

    fn begin(&mut self, now: Timestamp, action: &Action) {
        let (word, is_chore) = match &action.what {
            What::PullImage { image } => (format!("pulling {image}"), true),
            What::CreateNetwork { network } => (format!("making network {}", network.name), true),
            What::CreateVolume { volume } => (format!("making volume {}", volume.name), true),
            What::RemoveNetwork { name } => (format!("removing network {name}"), true),
            What::CreateTask { .. } => ("creating".to_owned(), false),
            What::StartTask { .. } => ("starting".to_owned(), false),
            What::StopTask { .. } | What::StartAgain { .. } | What::UpdateTask { .. }
                if action.why == Reason::RolledBack =>
            {
                ("rolling back".to_owned(), false)
            }
            What::UpdateTask { .. } => ("changing in place".to_owned(), false),
            What::StartAgain { .. } => ("starting again".to_owned(), false),
            What::StopTask { .. } => ("stopping".to_owned(), false),
            What::RemoveTask { .. } => ("removing".to_owned(), false),
        };
        let text = format!("{word} on {}", action.node);
        self.open.insert(action.id, Open { began: now, text, is_chore, far: None });
        // The removal of an ended or failed task does not change the state of its slot.
        let is_aside = matches!(action.what, What::RemoveTask { .. }) || action.why == Reason::Withdrawn;
        if let Some(task) = action.what.task()
            && !is_aside
            && let Some((row, stand)) = self.stand(&task)
        {
            row.get_or_insert(now);
            let stops_another = matches!(action.what, What::StopTask { .. })
                && action.why != Reason::RolledBack
                && stand.task.as_ref().is_some_and(|started| *started != task.id);
            stand.is_up = stops_another && stand.counts();
            stand.phase = Phase::Moving(word);
            stand.node = Some(action.node.clone());
            if matches!(action.what, What::StartTask { .. } | What::StartAgain { .. }) {
                stand.task = Some(task.id.clone());
            }
        }
    }

    fn end(&mut self, now: Timestamp, action: &Action, outcome: &Outcome) -> Option<(String, String)> {
        let open = self.open.remove(&action.id);
        let took = open.map(|open| format!(" in {}", elapsed(now.since_ms(open.began)))).unwrap_or_default();
        let node = &action.node;
        let Some(task) = action.what.task() else {
            return Some(self.chore_end(action, outcome, &took));
        };
        let name = self.name(&task);
        let line = |text: String| Some((name.clone(), text));
        if let Outcome::Failed(failure) = outcome {
            let words = failure_words(failure);
            self.settle(now, &task, Phase::Failed(words.clone()));
            return line(paint(BAD, format!("{} failed on {node}: {words}", first_word(action.what.verb()))));
        }
        match &action.what {
            What::StartTask { .. } => {
                let status = match outcome {
                    Outcome::Started(status) => *status,
                    Outcome::Done | Outcome::Failed(_) => TaskStatus::Running { health: Health::None },
                };
                self.settle(now, &task, phase(Some(status)));
                line(match status {
                    TaskStatus::Running { health: Health::Starting } => {
                        format!("started on {node}, waiting for its health check")
                    }
                    status if status.is_up() => format!("{} on {node}", paint(ADD, "started")),
                    status => format!("started on {node}, and is {}", status.swarm_word().to_lowercase()),
                })
            }
            What::StartAgain { .. } => {
                if let Outcome::Started(status) = outcome {
                    self.settle(now, &task, phase(Some(*status)));
                }
                // Only one that had ended was started: whether it had is not known here.
                let is_changed = self.changed_back.contains(&task.id);
                let words = if is_changed { "runs as before" } else { "started again" };
                line(format!("{} on {node}", paint(CHANGE, words)))
            }
            What::UpdateTask { .. } => {
                self.settle(now, &task, phase(Some(TaskStatus::Running { health: Health::None })));
                let is_back = action.why == Reason::RolledBack;
                if is_back {
                    self.changed_back.insert(task.id.clone());
                }
                let word = if is_back { "changed back" } else { "changed" };
                line(format!("{} in place on {node}", paint(CHANGE, word)))
            }
            What::StopTask { .. } => {
                let is_removal = self.stand(&task).is_some_and(|(_, stand)| stand.is_removal);
                // With start-first this was the last action.
                let is_up = self.stand(&task).is_some_and(|(_, stand)| stand.is_up);
                if is_removal || is_up || action.why == Reason::RolledBack {
                    self.settle(now, &task, Phase::Done);
                }
                line(format!("stopped on {node}{took}"))
            }
            // Covered by the start that follows, or not worth a line.
            What::CreateTask { .. } | What::RemoveTask { .. } => None,
            What::PullImage { .. }
            | What::CreateNetwork { .. }
            | What::CreateVolume { .. }
            | What::RemoveNetwork { .. } => None,
        }
    }

    fn chore_end(&mut self, action: &Action, outcome: &Outcome, took: &str) -> (String, String) {
        let (kind, word) = match &action.what {
            What::PullImage { .. } => ("image", "pulled"),
            What::CreateNetwork { .. } => ("network", "made"),
            What::CreateVolume { .. } => ("volume", "made"),
            _ => ("network", "removed"),
        };
        let node = &action.node;
        let object = super::plan::short_digest(&action.what.object());
        let text = match outcome {
            Outcome::Failed(failure) => {
                self.chores.failed += 1;
                let words = failure_words(failure);
                paint(BAD, format!("{} failed on {node}: {words}", first_word(action.what.verb())))
            }
            Outcome::Done | Outcome::Started(_) => {
                self.chores.done += 1;
                format!("{word} on {node}{took}")
            }
        };
        (format!("{kind} {object}"), text)
    }

    fn see(
        &mut self,
        now: Timestamp,
        node: &NodeName,
        task: &TaskHandle,
        status: Option<TaskStatus>,
    ) -> Option<(String, String)> {
        let (_, stand) = self.stand(task)?;
        if stand.task.as_ref().is_some_and(|started| *started != task.id) {
            return None;
        }
        let (before, after) = (stand.phase.clone(), phase(status));
        // Not shown: an old task that is being stopped, a task that is still being moved, and a
        // failed task whose slot rolls back.
        let passes = ["stopping", "creating", "rolling back"];
        let is_passing = matches!(&before, Phase::Moving(word) if passes.contains(&word.as_str()));
        // A new task beside an old one is shown once it fails.
        let falls_beside = stand.is_up && after != Phase::Done;
        if stand.is_removal || (is_passing && !falls_beside) {
            return None;
        }
        stand.is_up = false;
        self.settle(now, task, after.clone());
        let name = self.name(task);
        match (before, after) {
            (Phase::Done, Phase::Done) | (Phase::Failed(_), Phase::Failed(_)) => None,
            (_, Phase::Done) => Some((name, format!("{} on {node}", paint(ADD, "up")))),
            (_, Phase::Failed(why)) => Some((name, paint(BAD, format!("{why} on {node}")))),
            (Phase::Moving(old), Phase::Moving(new)) if old == new => None,
            (_, Phase::Moving(word)) => Some((name, paint(CHANGE, format!("{word} on {node}")))),
            (_, Phase::Waiting) => None,
        }
    }

    fn name(&self, task: &TaskHandle) -> String {
        format!("{}_{task}", self.stack)
    }

    fn stand(&mut self, task: &TaskHandle) -> Option<(&mut Option<Timestamp>, &mut Stand)> {
        let row = self.services.get_mut(&task.service)?;
        Some((&mut row.began, row.slots.get_mut(&task.slot)?))
    }

    fn settle(&mut self, now: Timestamp, task: &TaskHandle, phase: Phase) {
        let Some(row) = self.services.get_mut(&task.service) else { return };
        if let Some(stand) = row.slots.get_mut(&task.slot) {
            stand.phase = phase;
        }
        let is_over = row.slots.values().all(|stand| matches!(stand.phase, Phase::Done | Phase::Failed(_)));
        row.ended = is_over.then(|| row.ended.unwrap_or(now));
    }

    /// Slots that are done, and all slots of the run.
    #[must_use]
    pub fn tasks(&self) -> (usize, usize) {
        let stands = self.services.values().flat_map(|row| row.slots.values());
        let done = stands.clone().filter(|stand| stand.counts()).count();
        (done, stands.count())
    }

    /// The last line of a successful run: `shop is up: 8 tasks in 12s`.
    #[must_use]
    pub fn last_line(&self, now: Timestamp) -> String {
        let (done, _) = self.tasks();
        format!("{}: {} in {}", self.stack, count(done, "task"), elapsed(now.since_ms(self.began)))
    }
}

fn phase(status: Option<TaskStatus>) -> Phase {
    match status {
        None => Phase::Failed("its container is gone".to_owned()),
        Some(status) if status.is_up() => Phase::Done,
        Some(TaskStatus::Exited { exit_code: 0 }) => Phase::Done,
        Some(TaskStatus::Exited { exit_code }) => Phase::Failed(format!("ended with status {exit_code}")),
        Some(TaskStatus::Dead) => Phase::Failed("dead".to_owned()),
        Some(TaskStatus::Running { health: Health::Unhealthy }) => Phase::Failed("unhealthy".to_owned()),
        Some(TaskStatus::Running { .. }) => Phase::Moving("waiting for its health check".to_owned()),
        Some(TaskStatus::Restarting { exit_code }) => {
            Phase::Moving(format!("restarting after status {exit_code}"))
        }
        Some(TaskStatus::Created) => Phase::Moving("starting".to_owned()),
        Some(TaskStatus::Paused) => Phase::Moving("paused".to_owned()),
        Some(TaskStatus::Removing) => Phase::Moving("being removed".to_owned()),
    }
}

/// Keeps the verb of a line, whose subject was named before.
fn first_word(verb: &str) -> &str {
    verb.split(' ').next().unwrap_or(verb)
}

fn failure_words(failure: &Failure) -> String {
    clean(&failure.message).into_owned()
}

#[cfg(test)]
mod tests;
