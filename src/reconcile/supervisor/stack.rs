//! What a loop knows of one stack, and what it makes of a look at the hosts.

use std::collections::{BTreeMap, BTreeSet};

use super::event::StackStatus;
use super::options::LEDGER_TRIES;
use super::work::{Healed, problems};
use crate::ledger::NoCurrent;
use crate::model::{NodeName, Observed, StackName, Timestamp};
use crate::ops::declared::DesiredRelease;
use crate::ops::declared::record::{Desired, StackRecord};
use crate::orchestrator::fencing::waited_for;
use crate::orchestrator::{Backoff, Note, Plan, PlanOptions, RestartBackoff, Suppressed, drift, same_image};

/// The first wait after a stack could not be brought back.
const FIRST_WAIT_MS: i64 = 5_000;
/// Before the loop looks again at a stack whose lock another process holds.
const BUSY_MS: i64 = 2_000;
/// Before another try to finish a run whose holder does not let go of its lease.
const UNFINISHED_MS: i64 = 10_000;

/// A stack of the ledger.
#[derive(Debug)]
pub(super) struct Stack {
    known: Option<StackRecord>,
    /// What a repository declares of it.
    desired: Option<DesiredRelease>,
    pub(super) standing: StackStatus,
    /// Lost nodes for which slots with data wait.
    pub(super) waits_for: BTreeSet<NodeName>,
    /// How it stood when that was last reported.
    reported: StackStatus,
    /// Being worked on.
    pub(super) is_healing: bool,
    pub(super) is_being_read: bool,
    /// Passed over by a look, because its records were being read.
    is_passed_over: bool,
    /// When its records are to be read again.
    pub(super) read_at: Option<Timestamp>,
    /// Since they were last read.
    read_failures: u32,
    restart_backoff: RestartBackoff,
    /// To bring it back to what runs.
    heals: Tries,
    /// To release what is declared. Apart from those: what runs is looked after while something newer cannot
    /// be had.
    releases: Tries,
    rests_until: Option<Timestamp>,
    changed: Changed,
}

/// When tasks of a stack may have been made last: a look at a node that was begun before does not show them all.
#[derive(Debug)]
struct Changed {
    /// By any process, on any node: that is known by the stack's records.
    at: Timestamp,
    /// By this loop.
    by_us: BTreeMap<NodeName, Timestamp>,
    /// Nodes that are lost to the work under way, which does nothing there.
    spared: BTreeSet<NodeName>,
}

/// Attempts at one thing.
#[derive(Debug)]
struct Tries {
    backoff: Backoff,
    /// Not to be tried before.
    not_before: Option<Timestamp>,
    /// The last failure, for as long as it is not tried again.
    failure: Option<String>,
}

impl Default for Tries {
    fn default() -> Self {
        Self { backoff: Backoff::new(FIRST_WAIT_MS), not_before: None, failure: None }
    }
}

impl Tries {
    /// Until when the next one waits, if that is not yet.
    fn waits(&self, now: Timestamp) -> Option<Timestamp> {
        self.not_before.filter(|at| *at > now)
    }

    /// One more that failed; when it may be tried again.
    fn failed(&mut self, now: Timestamp, why: String) -> Timestamp {
        let again_at = self.backoff.failed(now);
        (self.not_before, self.failure) = (Some(again_at), Some(why));
        again_at
    }

    /// Another process holds the lock.
    fn wait(&mut self, until: Timestamp) {
        self.not_before = Some(until);
    }

    /// There is nothing to be done now; what failed lately is not forgotten for that.
    fn idle(&mut self) {
        (self.not_before, self.failure) = (None, None);
    }

    /// Whether the next try is not due yet. How the stack stands then is what the last one came to.
    fn has_to_wait(&mut self, now: Timestamp, standing: &mut StackStatus) -> bool {
        if self.waits(now).is_none() {
            self.not_before = None;
            return false;
        }
        if let Some(failed) = self.standing(now) {
            *standing = failed;
        }
        true
    }

    /// How it stands while the next try is waited for. As it was said when it was tried: what is wrong by
    /// now is seen at the next one.
    fn standing(&self, now: Timestamp) -> Option<StackStatus> {
        let (again_at, why) = (self.waits(now)?, self.failure.clone()?);
        Some(StackStatus::Failed { why, again_at })
    }
}

impl Default for Stack {
    fn default() -> Self {
        Self {
            known: None,
            desired: None,
            standing: StackStatus::Unknown,
            waits_for: BTreeSet::new(),
            reported: StackStatus::Unknown,
            is_healing: false,
            is_being_read: false,
            is_passed_over: false,
            read_at: Some(Timestamp(i64::MIN)),
            read_failures: 0,
            restart_backoff: RestartBackoff::default(),
            heals: Tries::default(),
            releases: Tries::default(),
            rests_until: None,
            changed: Changed { at: Timestamp(i64::MIN), by_us: BTreeMap::new(), spared: BTreeSet::new() },
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
    Release(DesiredRelease),
}

impl Stack {
    /// Of which release it is to be.
    pub(super) fn number(&self) -> Option<u64> {
        self.known.as_ref().and_then(StackRecord::number)
    }

    pub(super) fn read_soon(&mut self) {
        self.read_at = Some(Timestamp(i64::MIN));
    }

    /// The ledger did not give its records.
    pub(super) fn could_not_be_read(&mut self, again_at: Timestamp) {
        (self.read_at, self.read_failures) = (Some(again_at), self.read_failures + 1);
    }

    /// Whether the ledger has failed several times in a row to give its records.
    pub(super) fn cannot_be_read(&self) -> bool {
        self.read_failures >= LEDGER_TRIES
    }

    pub(super) fn is_due_to_be_read(&self, now: Timestamp) -> bool {
        !self.is_being_read && self.read_at.is_some_and(|at| now >= at)
    }

    /// Whether all is known that a single round can know.
    pub(super) fn is_judged(&self) -> bool {
        let is_known = !self.is_passed_over
            && self.read_at.is_none()
            && !matches!(
                self.standing,
                StackStatus::Unknown | StackStatus::Healing | StackStatus::Releasing { .. }
            );
        !self.is_healing && !self.is_being_read && (is_known || self.cannot_be_read())
    }

    /// Work on it begins, for which these nodes are lost.
    pub(super) fn begin_work(&mut self, lost: &BTreeSet<NodeName>) {
        self.is_healing = true;
        self.changed.spared.clone_from(lost);
    }

    /// Whether a node may have been given a task since a look at it that was begun at that time.
    pub(super) fn may_have_changed(&self, node: &NodeName, looked_at: Timestamp) -> bool {
        self.known.as_ref().is_none_or(StackRecord::is_unfinished)
            || looked_at <= self.changed.at
            || self.changed.by_us.get(node).is_some_and(|at| looked_at <= *at)
    }

    /// Takes what is remembered; whether it calls for a look.
    pub(super) fn learn(&mut self, now: Timestamp, known: StackRecord) -> bool {
        (self.read_at, self.read_failures) = (None, 0);
        let was_passed_over = std::mem::take(&mut self.is_passed_over);
        if self.known.as_ref() == Some(&known) {
            return was_passed_over;
        }
        if self.number() != known.number() {
            // Another release is another story.
            self.restart_backoff = RestartBackoff::default();
            self.heals = Tries::default();
        }
        if self.known.as_ref().is_none_or(|before| before.desired != known.desired) {
            self.changed.at = now;
        }
        self.known = Some(known);
        true
    }

    /// When it wants to be looked at again.
    pub(super) fn wakes_at(&self) -> Option<Timestamp> {
        if self.is_healing {
            return None;
        }
        [self.heals.not_before, self.releases.not_before, self.rests_until].into_iter().flatten().min()
    }

    /// Takes what a repository declares of it by now.
    pub(super) fn declare(&mut self, desired: Option<DesiredRelease>) {
        let inputs =
            |desired: &Option<DesiredRelease>| desired.as_ref().map(|desired| desired.source().inputs);
        if inputs(&self.desired) != inputs(&desired) {
            // Another release is another story.
            self.releases = Tries::default();
        }
        self.desired = desired;
    }

    /// How it stands by this judgement, if that is news. While another process holds its lock every try to
    /// join him is none.
    pub(super) fn news(&mut self, judgement: &Judgement) -> Option<StackStatus> {
        let is_a_try =
            matches!(self.reported, StackStatus::Busy { .. }) && !matches!(judgement, Judgement::Leave);
        if self.standing == self.reported || is_a_try {
            return None;
        }
        self.reported = self.standing.clone();
        Some(self.reported.clone())
    }

    /// What is known of it.
    pub(super) fn known(&self) -> Option<&StackRecord> {
        self.known.as_ref()
    }

    /// The release that is due, if there is one and the stack is not suspended.
    fn due(&self) -> Option<&DesiredRelease> {
        let known = self.known.as_ref().filter(|known| known.settings.suspended.is_none())?;
        self.desired.as_ref().filter(|desired| desired.is_due(known))
    }

    /// Its place among those that are to be released now.
    pub(super) fn order(&self, now: Timestamp) -> Option<u32> {
        if matches!(self.standing, StackStatus::Releasing { .. }) {
            return self.desired.as_ref().map(DesiredRelease::order);
        }
        let waits = self.releases.waits(now).is_some();
        self.due().filter(|_| !waits && !self.is_healing).map(DesiredRelease::order)
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
        self.waits_for.clear();
        // By what was known before, a release that was just made is due.
        if self.desired.is_some() && (self.is_being_read || self.read_at.is_some()) {
            self.is_passed_over = true;
            return Judgement::Leave;
        }
        // Also where a release is undecided: it is settled under the lock, and what is due is asked again then.
        match self.due().cloned() {
            None => self.releases.idle(),
            Some(desired) if self.releases.waits(observed.at).is_none() => {
                self.releases.not_before = None;
                self.standing = StackStatus::Behind { commit: desired.commit.short() };
                return if desired.order() > turn { Judgement::Leave } else { Judgement::Release(desired) };
            }
            // Another process holds its lock.
            Some(_) if self.releases.failure.is_none() => return Judgement::Leave,
            Some(_) => {}
        }
        let judgement = self.judge_what_runs(name, observed, base);
        if matches!(judgement, Judgement::Leave)
            && let Some(standing) = self.releases.standing(observed.at)
        {
            self.standing = standing;
        }
        judgement
    }

    /// The same for what was released, whatever is declared.
    fn judge_what_runs(&mut self, name: &StackName, observed: &Observed, base: &PlanOptions) -> Judgement {
        let Some(known) = &self.known else { return Judgement::Leave };
        match &known.desired {
            Desired::Nothing(why) => {
                let runs = || observed.tasks().any(|task| task.stack == *name && task.is_live());
                self.standing = without(why, runs);
                return Judgement::Leave;
            }
            Desired::Undecided(number) => return self.settle(*number, observed, base),
            Desired::Current(_) | Desired::Unfinished { .. } => {}
        }
        let Some((spec, prune)) = known.spec() else { return Judgement::Leave };
        debug_assert_eq!(spec.name, *name);
        let looked = same_image::folded(observed, spec);
        let observed = &*looked;
        let suppressed = self.restart_backoff.look(observed, spec);
        self.rests_until = suppressed.values().filter_map(until).min();
        let options = PlanOptions { prune, suppressed, ..base.clone() };
        let plan = Plan::make(observed, spec, options.clone());
        self.waits_for = waited_for(spec, &plan.notes).cloned().collect();
        if !plan.problems.is_empty() {
            self.waits_for.clear();
            self.standing = StackStatus::Blocked { why: problems(&plan) };
            return Judgement::Leave;
        }
        let is_unfinished = known.is_unfinished();
        let actions = plan.forecast.actions().count();
        if let Some(suspended) = &known.settings.suspended {
            // Nothing of it is moved: no host is fenced for it.
            self.waits_for.clear();
            let (who, why) = (suspended.who.clone(), suspended.why.clone());
            self.standing = StackStatus::Suspended { who, why, actions };
            return Judgement::Leave;
        }
        if actions == 0 && !is_unfinished {
            let waiting: Vec<String> =
                plan.notes.iter().filter(|note| waits(note)).map(ToString::to_string).collect();
            self.standing =
                if waiting.is_empty() { StackStatus::InSync } else { StackStatus::Degraded { waiting } };
            self.heals.idle();
            return Judgement::Leave;
        }
        if self.heals.has_to_wait(observed.at, &mut self.standing) {
            return Judgement::Leave;
        }
        // What was to be gone, and what is not there yet, did not drift.
        let drifts = !is_unfinished && !spec.services.is_empty();
        let found = if drifts { drift(observed, spec, base) } else { Vec::new() };
        self.standing = StackStatus::Drifted { found, actions };
        let number = known.number().unwrap_or_default();
        Judgement::Heal { number, options }
    }

    /// The same where a newer release is undecided: by an older one nothing is said of what runs. To bring the stack back is to
    /// take its lock, under which it is settled; what is right then is seen by what is read then.
    fn settle(&mut self, number: u64, observed: &Observed, base: &PlanOptions) -> Judgement {
        let is_suspended = self.known.as_ref().is_some_and(|known| known.settings.suspended.is_some());
        if !is_suspended && self.heals.has_to_wait(observed.at, &mut self.standing) {
            return Judgement::Leave;
        }
        self.standing = StackStatus::Held { why: NoCurrent::Unfinished(number).to_string() };
        if is_suspended { Judgement::Leave } else { Judgement::Heal { number, options: base.clone() } }
    }

    /// What became of the work on it, which was a release or a heal.
    pub(super) fn after(
        &mut self,
        now: Timestamp,
        is_release: bool,
        healed: Healed,
        nodes: impl IntoIterator<Item = NodeName>,
    ) {
        self.is_healing = false;
        let spared = std::mem::take(&mut self.changed.spared);
        let touched = nodes.into_iter().filter(|node| !spared.contains(node));
        self.changed.by_us.extend(touched.map(|node| (node, now)));
        self.read_soon();
        let tries = if is_release { &mut self.releases } else { &mut self.heals };
        match healed {
            Healed::Done => *tries = Tries::default(),
            Healed::Failed(why) => {
                let again_at = tries.failed(now, why.clone());
                self.standing = StackStatus::Failed { why, again_at };
                // The work itself has reported it.
                self.reported = self.standing.clone();
            }
            Healed::Busy(who) => {
                let is_unfinished = self.known.as_ref().is_some_and(StackRecord::is_unfinished);
                self.rest(now.plus_ms(if is_unfinished { UNFINISHED_MS } else { BUSY_MS }));
                self.standing = StackStatus::Busy { who };
            }
            Healed::Outdated => self.rest(now.plus_ms(BUSY_MS)),
            Healed::Stopped => {}
        }
    }

    /// Leaves it alone for a while: another process holds its lock.
    fn rest(&mut self, until: Timestamp) {
        for tries in [&mut self.heals, &mut self.releases] {
            tries.idle();
            tries.wait(until);
        }
    }
}

/// How a stack stands of which nothing is declared. What runs was not removed, only because its records are
/// gone: pruned volumes, another ledger.
fn without(why: &NoCurrent, runs: impl Fn() -> bool) -> StackStatus {
    match why {
        NoCurrent::Removed(_) => StackStatus::Removed,
        NoCurrent::NoRelease if !runs() => StackStatus::Removed,
        why => StackStatus::Held { why: why.to_string() },
    }
}

fn until(rest: &Suppressed) -> Option<Timestamp> {
    match rest {
        Suppressed::Until { at, .. } => Some(*at),
        Suppressed::Exhausted => None,
    }
}

/// Whether a note tells of a slot that is not as declared, and for which nothing is done now.
fn waits(note: &Note) -> bool {
    matches!(note, Note::Held { .. } | Note::Resting { .. } | Note::WaitsForDrained { .. })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::settings::Settings;
    use crate::model::testing as builder;
    use crate::ops::declared::Declarations;
    use crate::ops::declared::testing::declaration;

    #[test]
    fn whoever_else_is_at_work_is_told_once_and_tries_beside_him_are_not() {
        let drifted = || StackStatus::Drifted { found: Vec::new(), actions: 1 };
        let heal = || Judgement::Heal { number: 1, options: PlanOptions::default() };
        let mut stack = Stack { standing: drifted(), ..Stack::default() };
        assert_eq!(stack.news(&heal()), Some(drifted()));
        for is_first in [true, false] {
            stack.after(Timestamp(0), false, Healed::Busy("ann@mill (process 7)".to_owned()), []);
            assert_eq!(stack.news(&Judgement::Leave).is_some(), is_first);
            stack.standing = drifted();
            assert_eq!(stack.news(&heal()), None);
        }
        stack.standing = StackStatus::InSync;
        assert_eq!(stack.news(&Judgement::Leave), Some(StackStatus::InSync));
    }

    #[test]
    fn what_is_due_is_released_at_once_where_an_older_release_is_undecided() {
        let declared = [("a".to_owned(), declaration(&[("shop", "2")], &[]))].into();
        let all = Declarations { declared, ..Declarations::default() }.desired_releases();
        let shop = StackName::unchecked("shop");
        let known = StackRecord {
            desired: Desired::Undecided(2),
            settings: Settings::default(),
            source: None,
            is_removed: false,
            is_not_begun: false,
        };
        let mut stack = Stack { known: Some(known), read_at: None, ..Stack::default() };
        let observed = builder::cluster(Vec::new());
        let judged = |stack: &mut Stack| stack.judge(&shop, &observed, &PlanOptions::default(), u32::MAX);
        assert!(matches!(judged(&mut stack), Judgement::Heal { number: 2, .. }), "it is settled");
        // To carry out what may be of an older commit would come before the one that mends it.
        stack.declare(Some(all[&shop].clone()));
        assert!(matches!(judged(&mut stack), Judgement::Release(_)));
    }

    #[test]
    fn what_runs_and_has_lost_its_records_is_not_told_as_removed() {
        let held = StackStatus::Held { why: "no release of the stack is remembered".to_owned() };
        assert_eq!(without(&NoCurrent::NoRelease, || true), held);
        assert_eq!(without(&NoCurrent::NoRelease, || false), StackStatus::Removed);
        assert_eq!(without(&NoCurrent::Removed(3), || true), StackStatus::Removed);
        assert!(matches!(without(&NoCurrent::Unfinished(3), || true), StackStatus::Held { .. }));
    }
}
