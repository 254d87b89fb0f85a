//! A run as it goes: rows that are drawn over and over on a terminal, lines with the time in front
//! everywhere else, JSON lines for programs.
//!
//! [`Board`] keeps what is known so far; it is told each [`Happened`] and hands out text. It draws
//! nothing and reads no clock.

mod json;
mod rows;

use std::collections::BTreeMap;

use super::age::elapsed;
use super::plan::moves::{MoveKind, Moves};
use super::style::{ADD, BAD, CHANGE, FAINT, paint};
use super::text::{clean, count, pad};
use crate::model::{Health, NodeName, ServiceName, Slot, TaskId, TaskStatus, Timestamp};
use crate::orchestrator::{Action, ActionId, Failure, Forecast, Notice, Outcome, Reason, TaskHandle, What};

pub use json::{line as json_line, planned, stamped, version};

/// Something that happened in a run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Happened<'a> {
    /// An action was begun.
    Began(&'a Action),
    /// An action ended.
    Ended(&'a Action, &'a Outcome),
    /// A task was seen doing something; `None` if it is gone.
    Seen(&'a NodeName, &'a TaskHandle, Option<TaskStatus>),
    /// A node went silent.
    Silent(&'a NodeName, &'a str),
    /// The run turned.
    Noticed(&'a Notice),
}

/// What is known of a run so far.
#[derive(Debug, Clone)]
pub struct Board {
    stack: String,
    began: Timestamp,
    /// When a line was last said.
    said: Timestamp,
    services: BTreeMap<ServiceName, Row>,
    /// Actions that belong to no task: networks, volumes, images.
    chores: Chores,
    open: BTreeMap<ActionId, Open>,
}

#[derive(Debug, Clone, Default)]
struct Row {
    slots: BTreeMap<Slot, Stand>,
    /// From the first action of the service to its last slot.
    began: Option<Timestamp>,
    ended: Option<Timestamp>,
}

/// How a slot stands.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Stand {
    is_removal: bool,
    phase: Phase,
    node: Option<NodeName>,
    /// Which task was started in it last: what becomes of another is not the slot's story any more.
    task: Option<TaskId>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Phase {
    Waiting,
    /// With the word for it: `stopping`, `starting`, `not healthy yet`.
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
}

impl Board {
    /// A run that is about to do what was forecast.
    #[must_use]
    pub fn new(stack: &str, forecast: &Forecast, began: Timestamp) -> Self {
        let mut services: BTreeMap<ServiceName, Row> = BTreeMap::new();
        for (service, moves) in Moves::of(forecast).services {
            let row = services.entry(service.clone()).or_default();
            for one in moves {
                let is_removal = one.kind == MoveKind::Remove;
                let node = one.to.or(one.from);
                let stand = Stand { is_removal, phase: Phase::Waiting, node, task: None };
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
        }
    }

    /// Takes note of what happened. The answer is a line for those who watch no rows, if it is worth one.
    pub fn take(&mut self, now: Timestamp, happened: Happened<'_>) -> Option<String> {
        let line = match happened {
            Happened::Began(action) => {
                self.begin(now, action);
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

    /// A line for when nothing was said for a while, so that silence is never taken for a hang.
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
            .chain(self.open.values().filter(|open| open.is_chore).map(|open| open.text.clone()))
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
            What::StopTask { .. } | What::StartAgain { .. } if action.why == Reason::RolledBack => {
                ("rolling back".to_owned(), false)
            }
            What::StartAgain { .. } => ("starting again".to_owned(), false),
            What::StopTask { .. } => ("stopping".to_owned(), false),
            What::RemoveTask { .. } => ("removing".to_owned(), false),
        };
        let text = format!("{word} on {}", action.node);
        self.open.insert(action.id, Open { began: now, text, is_chore });
        // Clearing away an ended or a failed task says nothing about its slot.
        let is_aside = matches!(action.what, What::RemoveTask { .. }) || action.why == Reason::Withdrawn;
        if let Some(task) = action.what.task()
            && !is_aside
            && let Some((row, stand)) = self.stand(&task)
        {
            row.get_or_insert(now);
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
                line(format!("{} on {node}", paint(CHANGE, "started again")))
            }
            What::StopTask { .. } => {
                let is_removal = self.stand(&task).is_some_and(|(_, stand)| stand.is_removal);
                if is_removal || action.why == Reason::RolledBack {
                    self.settle(now, &task, Phase::Done);
                }
                line(format!("stopped on {node}{took}"))
            }
            // Told by the start that follows, or not worth a line.
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
        // An old task on its way out is of no interest, nor is one that is still being moved, nor the
        // failed one once its slot goes back.
        let passes = ["stopping", "creating", "rolling back"];
        if stand.is_removal || matches!(&before, Phase::Moving(word) if passes.contains(&word.as_str())) {
            return None;
        }
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

    /// Slots that are as they should be, and how many there are to see to.
    #[must_use]
    pub fn tasks(&self) -> (usize, usize) {
        let stands = self.services.values().flat_map(|row| row.slots.values());
        let done = stands.clone().filter(|stand| stand.phase == Phase::Done).count();
        (done, stands.count())
    }

    /// The last line of a run that went well: `shop is up: 8 tasks in 12s`.
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

/// The subject of a line is named before; the verb alone is left.
fn first_word(verb: &str) -> &str {
    verb.split(' ').next().unwrap_or(verb)
}

fn failure_words(failure: &Failure) -> String {
    clean(&failure.message).into_owned()
}

#[cfg(test)]
mod tests;
