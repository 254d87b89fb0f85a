//! What a rollout looks like while it goes on: rows on a terminal, lines elsewhere, JSON lines for programs.
//!
//! Rendered from the events of [`ops`](crate::ops) and from nothing else.

use std::cell::RefCell;
use std::collections::BTreeSet;

use tokio::sync::mpsc::UnboundedReceiver;

use super::ending::Summary;
use super::{RolloutOptions, say_problems, view};
use crate::cli::cluster::{Cluster, env};
use crate::cli::format::Format;
use crate::cli::render::plan;
use crate::cli::render::progress::{self, Board, Happened, json_line};
use crate::cli::render::text::some_of;
use crate::cli::report;
use crate::cli::ui::{Live, Ui};
use crate::model::Timestamp;
use crate::notify::Notifier;
use crate::ops::records::{Holder, Outcome as Recorded};
use crate::ops::{Began, Event, Progress, RunReport, Unknown};
use crate::orchestrator::{Assignment, Planned};
use crate::reconcile::ClusterEvent;

/// Without a terminal, a progress line appears at least this often.
const HEARTBEAT_MS: i64 = 10_000;
/// The shortest time between two drawings of the rows.
const FRAME_MS: i64 = 50;

/// Rows, lines or JSON.
pub(super) struct Screen<'a> {
    ui: &'a Ui,
    choices: &'a RolloutOptions,
    run: RefCell<Option<Run>>,
    notifier: RefCell<Option<(Notifier, UnboundedReceiver<String>)>>,
}

/// A run that is being watched.
struct Run {
    board: Board,
    kind: Kind,
    drawn: Option<Timestamp>,
    /// Printed below the rows once they are no longer redrawn.
    later: Vec<String>,
    /// The same of what is said in any case.
    warnings: Vec<String>,
}

enum Kind {
    Rows(Live),
    Lines,
    Json,
}

impl<'a> Screen<'a> {
    /// An empty screen. For programs, the version of the format comes first.
    pub(super) fn new(ui: &'a Ui, now: Timestamp, choices: &'a RolloutOptions) -> Self {
        let this = Self::before_plan(ui, choices);
        if choices.format == Format::Json {
            this.say_json(&progress::version(now));
        }
        this
    }

    /// A screen for messages before there is a plan. For programs, the version comes with the plan.
    pub(super) fn before_plan(ui: &'a Ui, choices: &'a RolloutOptions) -> Self {
        Self { ui, choices, run: RefCell::default(), notifier: RefCell::default() }
    }

    /// Starts to send notifications. `ill` are stacks that were in trouble before.
    pub(super) fn notify(&self, cluster: &Cluster, ill: &BTreeSet<String>) {
        let mut notifier =
            Notifier::start(&cluster.inventory, cluster.clock, cluster.me.who.clone(), &env, ill);
        let complaints = notifier.complaints();
        *self.notifier.borrow_mut() = Some((notifier, complaints));
    }

    /// Leaves the rows of a rollout that ended before its run did, and waits for the delivery of notifications.
    pub(super) async fn finish(&self, now: Timestamp) {
        self.leave(now);
        let notifier = self.notifier.borrow_mut().take();
        if let Some((notifier, mut complaints)) = notifier {
            notifier.finish(&mut complaints, |why| self.ui.warn(why)).await;
        }
    }

    fn tell(&self, news: &ClusterEvent) {
        if let Some((notifier, _)) = &*self.notifier.borrow() {
            notifier.tell(news);
        }
    }

    fn say_json(&self, line: &serde_json::Value) {
        self.ui.data(&(crate::model::json::json_line(line) + "\n"));
    }

    fn problems(&self, planned: &Planned, now: Timestamp) {
        if self.choices.format == Format::Json {
            for problem in &planned.plan().problems {
                self.say_json(&progress::stamped(now, "diagnostic", report::to_json(problem)));
            }
        }
        say_problems(self.ui, &planned.plan().problems);
    }

    /// The plan itself.
    pub(super) fn show_plan(&self, planned: &Planned, now: Timestamp) {
        let diff = planned.diff(self.choices.values);
        let view = view(planned, &diff, self.choices.kind, self.ui.is_verbose());
        match self.choices.format {
            Format::Text => self.ui.data(&plan::text(&view)),
            Format::Json => {
                for action in planned.plan().forecast.actions() {
                    self.say_json(&progress::planned(now, action));
                }
                let whole = plan::to_json(&view);
                let fields = ["stack", "cluster", "changes", "drift", "notes", "summary"];
                let about: serde_json::Map<_, _> =
                    fields.iter().map(|&key| (key.to_owned(), whole[key].clone())).collect();
                self.say_json(&progress::stamped(now, "plan", about.into()));
            }
        }
    }

    /// Shows the number of the release.
    fn began(&self, began: Began, now: Timestamp) {
        let Began { stack, release, commit, actions, .. } = began;
        match self.choices.format {
            Format::Text => self.detail(format!("Release {release} of stack {stack}")),
            Format::Json => {
                let about = serde_json::json!({ "stack": stack, "release": release });
                self.say_json(&progress::stamped(now, "release", about));
            }
        }
        self.tell(&ClusterEvent::ReleaseBegan { stack, release, commit, actions: Some(actions) });
    }

    /// Below the rows, where there are rows.
    fn detail(&self, text: String) {
        if let Some(Run { kind: Kind::Rows(_), later, .. }) = &mut *self.run.borrow_mut() {
            later.push(text);
        } else {
            self.ui.detail(&text);
        }
    }

    fn warn(&self, text: String) {
        if let Some(Run { kind: Kind::Rows(_), warnings, .. }) = &mut *self.run.borrow_mut() {
            warnings.push(text);
        } else {
            self.ui.warn(&text);
        }
    }

    fn run_began(&self, planned: &Planned, now: Timestamp) {
        self.leave(now);
        let is_busy = planned.is_busy();
        if !is_busy && let Some(names) = watched(planned.assignment()) {
            self.ui.say(&format!("Waiting until {names}."));
        }
        let kind = match self.choices.format {
            Format::Json => Kind::Json,
            Format::Text => self.ui.live().filter(|_| is_busy).map_or(Kind::Lines, Kind::Rows),
        };
        let board = Board::new(planned.stack().as_str(), &planned.plan().forecast, now);
        *self.run.borrow_mut() =
            Some(Run { board, kind, drawn: None, later: Vec::new(), warnings: Vec::new() });
    }

    /// Shows what happened; `None` is a tick without an event.
    fn take(&self, now: Timestamp, happened: Option<Happened<'_>>) {
        let mut run = self.run.borrow_mut();
        let Some(Run { board, kind, drawn, .. }) = &mut *run else { return };
        let line = match happened {
            Some(happened) => board.take(now, happened),
            None => board.heartbeat(now, HEARTBEAT_MS),
        };
        match kind {
            Kind::Json => {
                if let Some(happened) = happened {
                    self.say_json(&json_line(now, happened));
                }
            }
            Kind::Lines => {
                if let Some(line) = line {
                    self.ui.say(&line);
                }
            }
            Kind::Rows(live) => {
                if drawn.is_none_or(|at| now.since_ms(at) >= FRAME_MS) {
                    *drawn = Some(now);
                    live.draw(&board.rows(now, self.ui.width(), self.ui.height().saturating_sub(1)));
                }
            }
        }
    }

    /// Stops redrawing; the next message goes below the rows.
    fn leave(&self, now: Timestamp) {
        let Some(Run { board, kind, later, warnings, .. }) = self.run.borrow_mut().take() else { return };
        if let Kind::Rows(mut live) = kind {
            live.draw(&board.rows(now, self.ui.width(), self.ui.height().saturating_sub(1)));
            live.leave();
        }
        for text in warnings {
            self.ui.warn(&text);
        }
        for text in later {
            self.ui.detail(&text);
        }
    }

    fn stopping(&self) {
        // Below what is drawn, and below the terminal's own `^C`.
        let lead = if self.ui.live().is_some() { "\n" } else { "" };
        self.ui.say(&format!(
            "{lead}Stopping: stackctl finishes the actions that it began. Ctrl-C again ends it at once."
        ));
    }

    fn run_ended(&self, report: &RunReport<Planned>, now: Timestamp) {
        self.leave(now);
        let summary = Summary { ui: self.ui, report, choices: self.choices };
        summary.tell();
        if let Some(path) = &report.journal {
            self.ui.detail(&format!("Journal of this run: {}", path.display()));
        }
        if self.choices.format == Format::Json {
            self.say_json(&summary.json(now));
        }
    }

    fn waiting(&self, stack: &crate::model::StackName, holder: &Holder) {
        let Holder { who, pid, verb, .. } = holder;
        self.ui.say(&format!(
            "Waiting for {who} (process {pid}, `{verb}`), which holds the lock of stack {stack}."
        ));
    }

    fn waiting_for_stops(&self, stack: &crate::model::StackName, tasks: &[String], seconds: i64) {
        const NAMES_MAX: usize = 8;
        let what = if tasks.is_empty() {
            format!("may have begun to stop tasks of stack {stack}")
        } else {
            format!("began to stop {} of stack {stack}", some_of(tasks, NAMES_MAX))
        };
        self.ui
            .say(&format!("A process that ended early {what}: waiting {seconds} s at most for their end."));
    }
}

impl Progress<Planned> for Screen<'_> {
    fn event(&self, now: Timestamp, event: Event<Planned>) {
        match event {
            Event::Problems(planned) => self.problems(&planned, now),
            Event::Plan(planned) => self.show_plan(&planned, now),
            Event::Waiting { stack, holder } => self.waiting(&stack, &holder),
            Event::WaitingForStops { stack, tasks, seconds } => {
                self.waiting_for_stops(&stack, &tasks, seconds);
            }
            Event::WaitingForForgotten { stack, seconds } => self.ui.say(&format!(
                "Stack {stack} runs, and the ledger knows of no lock on it. It may have forgotten one: waiting {seconds} s at \
                 most for the end of what its holder began."
            )),
            Event::AlreadyApplied { .. } => self.ui.say("Another deploy has already applied this."),
            Event::PlanChanged { .. } => {
                self.leave(now);
                self.ui.say("Another process changed the cluster meanwhile. The new plan:");
            }
            Event::Began(began) => self.began(began, now),
            Event::RunBegan(planned) => self.run_began(&planned, now),
            Event::AgentsUnknown(unknown) => self.warn(hand_over(&unknown)),
            Event::NoJournal { dir, why } => {
                self.detail(format!("Cannot write a journal of this run in {}: {why}", dir.display()));
            }
            Event::ActionBegan(action) => self.take(now, Some(Happened::Began(&action))),
            Event::ActionAdvanced(action, far) => self.take(now, Some(Happened::Advanced(&action, far))),
            Event::ActionEnded(action, outcome) => self.take(now, Some(Happened::Ended(&action, &outcome))),
            Event::TaskSeen(node, task, status) => self.take(now, Some(Happened::Seen(&node, &task, status))),
            Event::NodeSilent(node, why) => self.take(now, Some(Happened::Silent(&node, &why))),
            Event::Noticed(notice) => self.take(now, Some(Happened::Noticed(&notice))),
            Event::Tick => self.take(now, None),
            Event::Stopping => self.stopping(),
            Event::RunEnded(report) => self.run_ended(&report, now),
            Event::Ended { stack, release, outcome } => {
                let outcome = outcome.as_ref().map_or_else(|| "unfinished".to_owned(), Recorded::words);
                self.tell(&ClusterEvent::ReleaseEnded { stack, release, outcome });
            }
            Event::NotRecorded { release, why } => {
                self.ui.warn(&format!("the outcome of release {release} was not recorded: {why}"));
            }
            Event::LockNotReturned { why } => {
                self.ui.detail(&format!(
                    "The lease was not returned. It expires 35 s after its last heartbeat, or 125 s behind a jump host: {why}"
                ));
            }
        }
    }
}

/// That secrets of tasks are not handed over after their host was off.
fn hand_over(unknown: &Unknown) -> String {
    let Unknown { node, why } = unknown;
    let who = match node {
        Some(node) => format!("the agent of {node} does not know the others"),
        None => "agents do not know each other".to_owned(),
    };
    format!("secrets are not handed over after a host was off: {who}: {why}")
}

/// Tasks that are kept and whose health is still awaited, in words.
fn watched(assignment: &Assignment) -> Option<String> {
    const NAMES_MAX: usize = 8;
    let names: Vec<String> = assignment
        .services
        .iter()
        .flat_map(|service| service.slots.iter().map(move |slot| (service, slot)))
        .filter_map(|(service, slot)| {
            let (task, _) = slot.watch.as_ref()?;
            let what = if service.must_complete { "done" } else { "up" };
            Some(format!("{task} on {} is {what}", assignment.nodes[slot.node]))
        })
        .collect();
    (!names.is_empty()).then(|| some_of(&names, NAMES_MAX))
}

#[cfg(test)]
mod tests;
