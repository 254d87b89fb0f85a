//! What a loop knows of one stack, and what it makes of a look at the hosts.

use super::declared::Wish;
use super::heal::{Healed, problems};
use super::known::{Desired, Known};
use super::news::Standing;
use crate::ledger::NoCurrent;
use crate::model::{Observed, StackName, Timestamp};
use crate::orchestrator::{Backoff, Note, Plan, PlanOptions, Rest, Upkeep, drift};

/// The first wait after a stack could not be brought back.
const FIRST_WAIT_MS: i64 = 5_000;
/// Before a stack that somebody else has is looked at again.
const BUSY_MS: i64 = 2_000;
/// Before another try to finish a run whose holder does not let go of its lease.
const UNFINISHED_MS: i64 = 10_000;

/// A stack of the ledger.
#[derive(Debug)]
pub(super) struct Stack {
    known: Option<Known>,
    /// What a repository wishes of it.
    pub(super) wish: Option<Wish>,
    pub(super) standing: Standing,
    /// Being worked on.
    pub(super) is_healing: bool,
    pub(super) is_being_read: bool,
    /// Passed over by a look, because its records were being read.
    is_passed_over: bool,
    /// When its records are to be read again.
    pub(super) read_at: Option<Timestamp>,
    upkeep: Upkeep,
    backoff: Backoff,
    /// Not to be tried before.
    not_before: Option<Timestamp>,
    /// The last failure, for as long as it is not tried again.
    failure: Option<String>,
    rests_until: Option<Timestamp>,
}

impl Default for Stack {
    fn default() -> Self {
        Self {
            known: None,
            wish: None,
            standing: Standing::Unknown,
            is_healing: false,
            is_being_read: false,
            is_passed_over: false,
            read_at: Some(Timestamp(i64::MIN)),
            upkeep: Upkeep::default(),
            backoff: Backoff::new(FIRST_WAIT_MS),
            not_before: None,
            failure: None,
            rests_until: None,
        }
    }
}

/// What follows from a look.
#[derive(Debug)]
pub(super) enum Judgement {
    /// Nothing is to be done, or not now.
    Leave,
    /// To be brought back.
    Heal { number: u64, options: PlanOptions },
    /// To be released as a repository declares it.
    Release(Wish),
}

impl Stack {
    /// Of which release it is to be.
    pub(super) fn number(&self) -> Option<u64> {
        self.known.as_ref().and_then(Known::number)
    }

    pub(super) fn read_soon(&mut self) {
        self.read_at = Some(Timestamp(i64::MIN));
    }

    pub(super) fn is_due_to_be_read(&self, now: Timestamp) -> bool {
        !self.is_being_read && self.read_at.is_some_and(|at| now >= at)
    }

    /// Whether all is known that a single round can know.
    pub(super) fn is_judged(&self) -> bool {
        !self.is_healing
            && !self.is_being_read
            && !self.is_passed_over
            && self.read_at.is_none()
            && !matches!(self.standing, Standing::Unknown | Standing::Healing | Standing::Releasing { .. })
    }

    /// Takes what is remembered; whether it calls for a look.
    pub(super) fn learn(&mut self, known: Known) -> bool {
        self.read_at = None;
        let was_passed_over = std::mem::take(&mut self.is_passed_over);
        if self.known.as_ref() == Some(&known) {
            return was_passed_over;
        }
        if self.number() != known.number() {
            // Another release is another story.
            self.upkeep = Upkeep::default();
            self.backoff.well();
            self.failure = None;
            self.not_before = None;
        }
        self.known = Some(known);
        true
    }

    /// When it wants to be looked at again.
    pub(super) fn wakes_at(&self) -> Option<Timestamp> {
        if self.is_healing {
            return None;
        }
        [self.not_before, self.rests_until].into_iter().flatten().min()
    }

    /// What is known of it.
    pub(super) fn known(&self) -> Option<&Known> {
        self.known.as_ref()
    }

    /// The wish that is to be fulfilled, if there is any and nobody said that the stack is to be left alone.
    fn due(&self) -> Option<&Wish> {
        let known = self.known.as_ref().filter(|known| known.settings.suspended.is_none())?;
        self.wish.as_ref().filter(|wish| wish.is_due(known))
    }

    /// Its place among those that are to be released now.
    pub(super) fn order(&self, now: Timestamp) -> Option<u32> {
        if matches!(self.standing, Standing::Releasing { .. }) {
            return self.wish.as_ref().map(Wish::order);
        }
        let rests = self.not_before.is_some_and(|at| at > now);
        self.due().filter(|_| !rests && !self.is_healing).map(Wish::order)
    }

    /// How it stands by this look, and what follows. Stacks of an order above `turn` are not released yet.
    pub(super) fn judge(
        &mut self,
        name: &StackName,
        observed: &Observed,
        base: &PlanOptions,
        turn: u32,
    ) -> Judgement {
        if self.is_healing {
            return Judgement::Leave;
        }
        self.rests_until = None;
        // By what was known before, a wish that was just fulfilled is due.
        if self.wish.is_some() && (self.is_being_read || self.read_at.is_some()) {
            self.is_passed_over = true;
            return Judgement::Leave;
        }
        if let Some(wish) = self.due().cloned() {
            return self.judge_wish(observed.at, wish, turn);
        }
        let Some(known) = &self.known else { return Judgement::Leave };
        let nothing = match &known.desired {
            Desired::Nothing(NoCurrent::Removed(_) | NoCurrent::NoRelease) => Some(Standing::Removed),
            Desired::Nothing(why) => Some(Standing::Held { why: why.to_string() }),
            Desired::Current(_) | Desired::Unfinished { .. } => None,
        };
        if let Some(standing) = nothing {
            self.standing = standing;
            return Judgement::Leave;
        }
        let Some((spec, prune)) = known.spec() else { return Judgement::Leave };
        debug_assert_eq!(spec.name, *name);
        let resting = self.upkeep.look(observed, spec);
        self.rests_until = resting.values().filter_map(until).min();
        let options = PlanOptions { prune, resting, ..base.clone() };
        let plan = Plan::make(observed, spec, options.clone());
        if !plan.problems.is_empty() {
            self.standing = Standing::Blocked { why: problems(&plan) };
            return Judgement::Leave;
        }
        let is_unfinished = known.is_unfinished();
        let actions = plan.forecast.actions().count();
        if let Some(suspended) = &known.settings.suspended {
            let (who, why) = (suspended.who.clone(), suspended.why.clone());
            self.standing = Standing::Suspended { who, why, actions };
            return Judgement::Leave;
        }
        if actions == 0 && !is_unfinished {
            let waiting: Vec<String> =
                plan.notes.iter().filter(|note| waits(note)).map(ToString::to_string).collect();
            self.standing =
                if waiting.is_empty() { Standing::InSync } else { Standing::Degraded { waiting } };
            self.failure = None;
            self.not_before = None;
            return Judgement::Leave;
        }
        if let Some(at) = self.not_before.filter(|at| *at > observed.at) {
            // As it was said when it was tried; what is wrong by now is seen at the next try.
            if let Some(why) = &self.failure {
                self.standing = Standing::Failed { why: why.clone(), again_at: at };
            }
            return Judgement::Leave;
        }
        self.not_before = None;
        // What was to be gone, and what is not there yet, did not drift.
        let drifts = !is_unfinished && !spec.services.is_empty();
        let found = if drifts { drift(observed, spec, base) } else { Vec::new() };
        self.standing = Standing::Drifted { found, actions };
        let number = known.number().unwrap_or_default();
        Judgement::Heal { number, options }
    }

    /// What to do about a wish that is due.
    fn judge_wish(&mut self, now: Timestamp, wish: Wish, turn: u32) -> Judgement {
        if let Some(at) = self.not_before.filter(|at| *at > now) {
            if let Some(why) = &self.failure {
                self.standing = Standing::Failed { why: why.clone(), again_at: at };
            }
            return Judgement::Leave;
        }
        self.not_before = None;
        self.standing = Standing::Behind { commit: wish.commit.short() };
        if wish.order() > turn { Judgement::Leave } else { Judgement::Release(wish) }
    }

    /// What became of the work on it.
    pub(super) fn after(&mut self, now: Timestamp, healed: Healed) {
        self.is_healing = false;
        match healed {
            Healed::Done => {
                self.backoff.well();
                self.failure = None;
                self.not_before = None;
                self.read_soon();
            }
            Healed::Failed(why) => {
                let again_at = self.backoff.failed(now);
                self.not_before = Some(again_at);
                self.standing = Standing::Failed { why: why.clone(), again_at };
                self.failure = Some(why);
                self.read_soon();
            }
            Healed::Busy(who) => {
                let is_unfinished = self.known.as_ref().is_some_and(Known::is_unfinished);
                self.not_before = Some(now.plus_ms(if is_unfinished { UNFINISHED_MS } else { BUSY_MS }));
                self.standing = Standing::Busy { who };
                self.failure = None;
                self.read_soon();
            }
            Healed::Outdated => {
                self.not_before = Some(now.plus_ms(BUSY_MS));
                self.read_soon();
            }
            Healed::Stopped => self.read_soon(),
        }
    }
}

fn until(rest: &Rest) -> Option<Timestamp> {
    match rest {
        Rest::Until { at, .. } => Some(*at),
        Rest::Exhausted => None,
    }
}

/// Whether a note tells of a slot that is not as declared, and for which nothing is done now.
fn waits(note: &Note) -> bool {
    matches!(note, Note::Held { .. } | Note::Resting { .. } | Note::WaitsForDrained { .. })
}
