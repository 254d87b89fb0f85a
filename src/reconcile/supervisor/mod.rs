//! The loop as a pure machine: [`Supervisor::step`] takes one input at a time and says what is to be done.
//!
//! ```text
//!            Input                                Command
//!   World ──────────▶ Supervisor::step(now, …) ──────────▶ World
//!  (the shell, or      election ─▶ Term ─▶ ending
//!   the simulator)                  │
//!                         signs of hosts ─▶ Liveness
//!                         a look ─▶ each Stack: as declared? ─▶ heal, release, or leave
//! ```
//!
//! Decides little itself: which node is lost is [`Liveness`](crate::orchestrator::Liveness), which slot is
//! left alone is [`RestartBackoff`](crate::orchestrator::RestartBackoff), and
//! what is to be done is the same plan a deploy makes.
//! What it does about a stack is done under the lease of the stack, so that it never works beside a person;
//! of several loops one has the lead.
//!
//! Nothing waits for a host that is silent: a look is given up when one of its hosts is lost.
//!
//! Knows no clock, no socket and no task: time is handed in, what takes time is begun by a [`Command`] and
//! heard of as an [`Input`]. So the simulator drives all of it, several loops at once.

pub mod event;
mod fences;
mod hosts;
mod look;
mod news;
pub mod options;
mod stack;
mod term;
pub mod work;
pub mod world;

pub use options::{Options, Policy, Setup};
pub use world::{Command, HostSignal, Input, Look, Named, Roster, TakenOver, Unfenced, World};

use std::sync::Arc;

use crate::model::Timestamp;
use event::{ClusterEvent, Snapshot};
use options::{ASK_AGAIN_MS, LEDGER_TRIES, STOP_LIMIT_MS};
use term::Term;

/// A loop that keeps every stack of the ledger as it was declared.
#[derive(Debug)]
pub struct Supervisor {
    setup: Arc<Setup>,
    phase: Phase,
    is_stopping: bool,
    /// Members of the cluster while no term goes on.
    roster: Roster,
    /// What was shown last; while a term goes on that term knows better.
    shown: Snapshot,
}

#[derive(Debug)]
enum Phase {
    /// Nothing was heard yet.
    New,
    /// Competing for the lead.
    Electing(Election),
    /// Having the lead, or needing none.
    Leading(Box<Term>),
    /// The same while what is under way comes to a stop.
    Ending {
        term: Box<Term>,
        until: Timestamp,
        is_lost: bool,
    },
    /// Giving the lead back.
    Returning,
    Over,
}

/// What was heard since a loop competes for the lead.
#[derive(Debug, Default)]
struct Election {
    leader: Option<String>,
    /// Why the ledger could not be asked, and how often.
    trouble: Option<String>,
    failures: u32,
}

/// Has a world hear an input, and all that follows from it at once. Whether that was the end.
pub fn drive(supervisor: &mut Supervisor, world: &mut impl World, input: Input) -> bool {
    let mut next = Some(input);
    let mut is_over = false;
    while let Some(input) = next.take() {
        for command in supervisor.step(world.now(), input) {
            is_over |= matches!(command, Command::Done);
            if let Some(answer) = world.carry_out(command) {
                // One command of a step at most is answered at once.
                next = Some(answer);
            }
        }
    }
    world.show(supervisor.snapshot(world.now()));
    is_over
}

impl Supervisor {
    /// One that has heard nothing yet. `roster` are the members as they are known at the start.
    #[must_use]
    pub fn new(setup: Setup, roster: Roster, now: Timestamp) -> Self {
        let shown = Snapshot { at: now, ..Snapshot::default() };
        Self { setup: Arc::new(setup), phase: Phase::New, is_stopping: false, roster, shown }
    }

    /// What follows from one input at a time that never goes back.
    pub fn step(&mut self, now: Timestamp, input: Input) -> Vec<Command> {
        let mut out = Vec::new();
        if matches!(input, Input::Stop) && !self.is_stopping {
            self.is_stopping = true;
            out.push(Command::Report(now, ClusterEvent::Stopping));
        }
        match std::mem::replace(&mut self.phase, Phase::Over) {
            Phase::New if self.is_stopping => out.push(Command::Done),
            Phase::New => self.compete(now, 0, &mut out),
            Phase::Electing(election) => self.elect(now, input, election, &mut out),
            Phase::Leading(term) => self.lead(now, term, input, &mut out),
            Phase::Ending { term, until, is_lost } => {
                self.end(now, (term, until, is_lost), Some(input), &mut out);
            }
            Phase::Returning if matches!(input, Input::LeadReturned) => self.after_term(now, &mut out),
            Phase::Returning => self.phase = Phase::Returning,
            Phase::Over => {}
        }
        out
    }

    /// What those outside see.
    #[must_use]
    pub fn snapshot(&self, now: Timestamp) -> Snapshot {
        match &self.phase {
            Phase::Leading(term) | Phase::Ending { term, .. } => term.snapshot(now),
            Phase::New | Phase::Electing(_) | Phase::Returning | Phase::Over => self.shown.clone(),
        }
    }

    /// Competes for the lead, or goes on without where nothing is ever written.
    fn compete(&mut self, now: Timestamp, after_ms: i64, out: &mut Vec<Command>) {
        if !self.setup.may_write {
            return self.begin(now, out);
        }
        self.phase = Phase::Electing(Election::default());
        self.take_lead(after_ms, out);
    }

    /// One that goes round only once does not wait for another.
    fn take_lead(&self, after_ms: i64, out: &mut Vec<Command>) {
        let patience_ms = if self.setup.options.once { 0 } else { i64::MAX };
        out.push(Command::TakeLead { patience_ms, after_ms });
    }

    fn elect(&mut self, now: Timestamp, input: Input, mut election: Election, out: &mut Vec<Command>) {
        match input {
            Input::Stop => {
                out.extend([Command::CancelLead, Command::Done]);
                return;
            }
            Input::LeadTaken => {
                self.shown.is_standing_by = false;
                out.push(Command::Report(now, ClusterEvent::Leading));
                return self.begin(now, out);
            }
            Input::LeadRefused => {
                out.push(Command::Done);
                return;
            }
            Input::LeadElsewhere { id, leader: words } => {
                (self.shown.at, self.shown.is_standing_by) = (now, true);
                if election.leader.as_ref() != Some(&id) {
                    election.leader = Some(id);
                    out.push(Command::Report(now, ClusterEvent::StandingBy { leader: words }));
                }
            }
            Input::LeadFailed(why) => {
                self.shown.counts.ledger_failed += 1;
                if election.trouble.as_ref() != Some(&why) {
                    election.trouble = Some(why.clone());
                    out.push(Command::Report(now, ClusterEvent::LedgerTrouble { why }));
                }
                election.failures += 1;
                self.shown.is_ledger_failing = election.failures >= LEDGER_TRIES;
                if self.setup.options.once && self.shown.is_ledger_failing {
                    out.push(Command::Done);
                    return;
                }
                self.take_lead(ASK_AGAIN_MS, out);
            }
            _ => {}
        }
        self.phase = Phase::Electing(election);
    }

    fn begin(&mut self, now: Timestamp, out: &mut Vec<Command>) {
        out.push(Command::BeginTerm { hosts: self.roster.nodes.iter().cloned().collect() });
        let mut term =
            Term::new(Arc::clone(&self.setup), std::mem::take(&mut self.roster), self.shown.counts, now);
        term.begin_what_is_due();
        out.append(&mut term.take_commands());
        self.phase = Phase::Leading(Box::new(term));
    }

    fn lead(&mut self, now: Timestamp, mut term: Box<Term>, input: Input, out: &mut Vec<Command>) {
        let (is_over, is_lost) = match input {
            Input::Stop => (true, false),
            Input::LeadLost => (true, true),
            input => {
                term.step(now, input);
                out.append(&mut term.take_commands());
                (self.setup.options.once && term.is_settled(), false)
            }
        };
        if is_over {
            out.push(Command::StopWork);
            self.end(now, (term, now.plus_ms(STOP_LIMIT_MS), is_lost), None, out);
        } else {
            self.phase = Phase::Leading(term);
        }
    }

    /// Lets what is under way come to a stop between two actions, so that the leases are given back.
    fn end(
        &mut self,
        now: Timestamp,
        (mut term, until, mut is_lost): (Box<Term>, Timestamp, bool),
        input: Option<Input>,
        out: &mut Vec<Command>,
    ) {
        match input {
            Some(Input::LeadLost) => is_lost = true,
            Some(input @ (Input::Said(..) | Input::Worked(..))) => term.step_at_end(now, input),
            _ => {}
        }
        out.append(&mut term.take_commands());
        // What takes longer is cut off: leases end by themselves, and the next run finds what is there.
        if term.is_at_work() && now < until {
            self.phase = Phase::Ending { term, until, is_lost };
            return;
        }
        out.push(Command::EndTerm);
        self.shown = Snapshot { is_leading: false, ..term.snapshot(now) };
        self.roster = term.into_roster();
        if !self.setup.may_write {
            return self.after_term(now, out);
        }
        if is_lost {
            out.push(Command::Report(now, ClusterEvent::LeadLost));
        }
        out.push(Command::ReturnLead);
        self.phase = Phase::Returning;
    }

    fn after_term(&mut self, now: Timestamp, out: &mut Vec<Command>) {
        if self.setup.options.once || self.is_stopping {
            out.push(Command::Done);
            self.phase = Phase::Over;
        } else {
            self.compete(now, 0, out);
        }
    }
}

#[cfg(test)]
mod tests;
