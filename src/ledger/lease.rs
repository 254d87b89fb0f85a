//! Who may act on a stack: a stream in which taking, renewing and giving back the lease compete for one
//! place, so that exactly one of them happens.
//!
//! - The *epoch* of a lease is the place of its [`Note::Acquire`]: it only grows.
//! - The lease is free when the last note gives it back, or when there was no heartbeat for so long that the
//!   holder has stopped by itself. Every manager that holds the last heartbeat judges that by its own clock
//!   alone, and there are two such managers at least; or else a client that has itself waited for so long and
//!   seen no newer one. Two machines' clocks are never compared.
//! - A renewal proves the lease only if the stream, read afterwards, shows that it is still this one's, and still
//!   shows the renewal before ([`proof`]): keepers that forgot it, or came back older, give a place to any client.
//! - The holder judges itself by its own clock, from before it sent the renewal that won: a margin before the
//!   TTL is over it sends nothing more.
//!
//! How long all this takes are the lease's [terms](Terms).
//!
//! # Why a holder that was cut off does no harm
//!
//! Its last requests may still be in flight for as long as the connection lives: ssh ends a connection whose
//! other side has not answered three times in a row, five seconds apart, and with it the forwarded socket and
//! its traffic (`ALIVE_INTERVAL_S` and `ALIVE_COUNT_MAX` in `fleet::ssh`). That is [`Terms::drain_ms`], and
//! the next holder waits for it too. The kernel would send what ssh has written again for longer than that
//! ([`ORPHAN_MS`]), but for the connections that stackctl opens itself (`fleet::ssh::direct`). A request that an engine has accepted by then runs to its end. The holder
//! sent it within its own TTL; container names are derived from the task, so that the next holder finds what was
//! made and does not make it twice.
//!
//! # Stops outlive who began them
//!
//! An engine goes on with a stop whose client has left, and shows the container as running until the grace is over:
//! the next holder would keep a task that is about to be killed. So every note carries the [stops](BegunStop) that
//! were begun and not seen to end. Heartbeats, which are written anyway, carry all of them; one with a long grace
//! ([`COVERED_GRACE_MS`]) is written down before it is sent. Who takes the lock waits until it sees the task stopped, or
//! until the time is over, by a clock of its own.
//!
//! A holder that gave its lock back left nothing else. Of any other, shorter stops may be under way that no note has
//! ([`UNLISTED_MS`]); and if it did not run out its TTL, since its process is seen to be gone or a person ended its lock, its
//! requests may still arrive, for the [drain](Terms::drain_ms). A stop goes on for its whole grace after that: one time
//! follows the other. What a holder found so and did not wait for, it [hands on](Left).
//!
//! A host that stands still, or whose engine does, takes requests and carries them out when it goes on. No command waits for
//! that; but who takes the lock once the host answers waits for the stops that it was sent ([`BegunStop::until`]).
//!
//! A manager whose clock is set forward makes the lease look old there. Since every manager that holds the
//! last heartbeat has to agree, one such clock cannot free it; and the holder learns at its next renewal, a
//! few seconds later, that it has lost.
//!
//! # What one manager alone remembers
//!
//! Managers that lose their records, or that come back older, may leave one that shows a holder of whom the others know
//! nothing; so may another inventory's managers. Its note does not count, and the place is closed. But the client that takes
//! the lease then waits as it does where nothing is known of any holder: until the other one has noticed.
//!
//! # Why the leader lease changes hands faster
//!
//! The leader sends nothing to any host under its leadership: a loop that heals a stack does so under that
//! stack's own lease, and waits for it like any other client. Should two loops think for a moment that they
//! lead, each stack still has one writer. So no request of the last leader can be late ([`Terms::LEADER`]).

use serde::{Deserialize, Serialize};

use super::log::Log;
use super::payload::Value;
use super::register::{Kind, Stream};
use crate::model::{NodeName, StackName, TaskId, Timestamp};

/// How long a lease is valid, and what else its holder keeps to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Terms {
    /// TTL of a heartbeat.
    pub ttl_ms: i64,
    /// Between two heartbeats.
    pub renew_ms: i64,
    /// The holder stops so long before the TTL ends.
    pub margin_ms: i64,
    /// How long a request may be in flight.
    pub drain_ms: i64,
}

impl Terms {
    /// Of a stack's lease. `drain_ms` is ssh's keep-alive: three times five seconds, and one more.
    pub const STACK: Self = Self { ttl_ms: 15_000, renew_ms: 4_500, margin_ms: 2_000, drain_ms: DRAIN_MS };
    /// The same, where a connection was made that its link does not end.
    pub const STACK_LOOSE: Self = Self { drain_ms: ORPHAN_MS, ..Self::STACK };
    /// Of the leader lease: a standby takes over a dead leader within about ten seconds. One dead manager
    /// delays a renewal by three seconds, which the TTL allows for.
    pub const LEADER: Self = Self { ttl_ms: 9_000, renew_ms: 2_500, margin_ms: 1_500, drain_ms: 0 };
}

/// How long something may arrive that was sent over a connection which broke: Linux sends what is left in a closed
/// socket again for about a hundred seconds (`tcp_orphan_retries`: 0.2 s, doubled up to 51.2 s), and then gives up. Only for
/// connections that are not known to be over.
pub const ORPHAN_MS: i64 = 110_000;

/// How long after the end of a grace period an engine may need for the end of a container.
const STOP_MARGIN_MS: i64 = 10_000;
/// A stop with a grace up to this is not written down before it is sent: the engines' own grace costs no write. Who follows a
/// holder that did not give the lock back waits for such stops.
pub const COVERED_GRACE_MS: i64 = 12_000;
/// How long such a stop may last from the moment at which it has arrived.
pub const UNLISTED_MS: i64 = COVERED_GRACE_MS + STOP_MARGIN_MS;

/// Of leases that do not say.
const DRAIN_MS: i64 = 20_000;
/// Engines report a volume's age in whole seconds.
const ROUNDING_MS: i64 = 1_000;

/// Who holds a lease.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// Of this lease alone; what `unlock` takes.
    pub id: String,
    /// `user@machine`.
    pub who: String,
    pub pid: u32,
    /// Which process of which boot of which machine: lets a process on that machine check whether it still
    /// exists.
    #[serde(default)]
    pub process: String,
    pub verb: String,
}

/// A stop of a task that was begun, and was not seen to end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BegunStop {
    pub node: NodeName,
    pub task: TaskId,
    /// `web.1`.
    pub name: String,
    /// How long after the note it may last: its grace, and what the engine needs then.
    pub lasts_ms: i64,
    /// It was waited for, and its host was silent: a host that stood still begins it when it goes on. No client waits for it
    /// while the host is silent; it is forgotten at this time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
}

impl BegunStop {
    /// A stop with this grace.
    #[must_use]
    pub fn new(node: NodeName, task: TaskId, name: String, grace_ms: i64) -> Self {
        Self { node, task, name, lasts_ms: grace_ms.saturating_add(STOP_MARGIN_MS), until: None }
    }

    /// Whether it may last longer than the lock of a holder that dies: then it is written down before it is sent.
    #[must_use]
    pub fn outlasts_lock(&self) -> bool {
        self.lasts_ms > COVERED_GRACE_MS + STOP_MARGIN_MS
    }
}

/// What the holder of a lease has under way: what it began, and what it found and has not waited for yet. Each client that
/// takes the lease finds it in the last note, even if a holder between them had no reason to wait for it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Left {
    /// Stops that were not seen to end.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stops: Vec<BegunStop>,
    /// How long a stop may last that is in no list, of a holder that did not give the lease back. Requests of such a holder
    /// may arrive until [`UNLISTED_MS`] before that; zero where there was none.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub unlisted_ms: i64,
    /// The ledger knew of no lease when this one was taken, and may have forgotten a holder, which no client has waited for
    /// yet. That a client has, is written down at once.
    #[serde(default, skip_serializing_if = "is_false")]
    pub found_nothing: bool,
}

impl Left {
    /// How long a request of a holder that did not give the lease back may still arrive.
    #[must_use]
    pub fn in_flight_ms(&self) -> i64 {
        (self.unlisted_ms - UNLISTED_MS).max(0)
    }

    /// Of a holder that did not give the lease back; its requests arrive within so much time from now.
    #[must_use]
    pub fn of_dead(self, in_flight_ms: i64) -> Self {
        let unlisted_ms = in_flight_ms.max(0).saturating_add(UNLISTED_MS);
        Self { unlisted_ms: self.unlisted_ms.max(unlisted_ms), ..self }
    }
}

/// A place of the stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "note", rename_all = "snake_case")]
pub enum Note {
    /// The lease is taken.
    Acquire {
        holder: Holder,
        ttl_ms: i64,
        /// How long after it something sent may arrive.
        #[serde(rename = "late_ms", default = "drain_ms")]
        drain_ms: i64,
        /// What is under way.
        #[serde(flatten)]
        left: Left,
    },
    /// A heartbeat. Repeats the whole lease, since earlier notes are trimmed.
    Renew {
        holder: Holder,
        /// Since when it has the lease.
        epoch: u64,
        ttl_ms: i64,
        /// How long after it something sent may arrive.
        #[serde(rename = "late_ms", default = "drain_ms")]
        drain_ms: i64,
        /// It was the last one: the holder has ended, and listed all that it had under way.
        #[serde(default, skip_serializing_if = "is_false")]
        is_last: bool,
        /// What is under way.
        #[serde(flatten)]
        left: Left,
    },
    /// The lease is given back.
    Release {
        id: String,
        /// By whom, if not by the holder.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<String>,
        /// What was under way.
        #[serde(flatten)]
        left: Left,
    },
}

/// A lease that is held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    pub holder: Holder,
    /// Since which place.
    pub epoch: u64,
    /// TTL of a heartbeat.
    pub ttl_ms: i64,
    /// How long after it something sent may arrive.
    pub drain_ms: i64,
    /// The place of the last heartbeat.
    pub sign: u64,
    /// Whether the holder ended with it while something that it had sent could still arrive. Then it does not matter that
    /// its process is gone.
    pub is_last: bool,
    /// What was under way then.
    pub left: Left,
}

impl Held {
    /// Time since the last heartbeat as far as it is proved: two managers at least measured it, each by its own clock.
    /// One clock alone may have been set forward; a client that has but one waits, and measures by its own.
    #[must_use]
    pub fn proved_age_ms(
        &self,
        log: &Log,
        clocks: &std::collections::BTreeMap<usize, Timestamp>,
    ) -> Option<i64> {
        let copies = log.entries.get(&self.sign).map_or(0, |entry| entry.copies.len());
        self.age_ms(log, clocks).filter(|_| copies > 1)
    }

    /// Time since the last heartbeat, by the manager's clock that shows the least; `None` if a manager that
    /// holds it reports no time.
    #[must_use]
    pub fn age_ms(&self, log: &Log, clocks: &std::collections::BTreeMap<usize, Timestamp>) -> Option<i64> {
        let copies = &log.entries.get(&self.sign)?.copies;
        let ages = copies.iter().map(|(manager, created)| Some(clocks.get(manager)?.since_ms(*created)));
        ages.collect::<Option<Vec<i64>>>()?.into_iter().min()
    }

    /// How long until the holder has stopped and all its requests have arrived or never will; for a caller
    /// that knows the age of the last heartbeat and has itself waited since it first saw it.
    #[must_use]
    pub fn left_ms(&self, age_ms: Option<i64>, waited_ms: i64) -> i64 {
        let age_ms = age_ms.map_or(0, |age| age - ROUNDING_MS);
        self.ttl_ms + self.drain_ms - age_ms.max(waited_ms)
    }
}

/// What a stream says of a lease that was just renewed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proof {
    /// The client that took it at this place holds it.
    Ours,
    /// Another client has taken it.
    Taken,
    /// The keepers of the stream forgot that it was held, or came back older, and there is another holder, or may be one.
    /// Neither may go on, since each took it in good faith.
    Forgotten,
}

/// Whether a renewal that won its place shows that the lease is still that of `epoch` and of the holder with this id, who
/// proved it last at the place `last`. A won place alone proves nothing: keepers that forgot the stream give a place to any client.
/// Nor does the epoch: keepers that came back older give the same place to another one.
///
/// # Errors
///
/// A note cannot be read.
pub fn proof(log: &Log, epoch: u64, id: &str, last: u64) -> Result<Proof, String> {
    if !log.may_hold(last, |text| holder_of(text).is_some_and(|holder| holder.id == id)) {
        // They forgot what we have proved. A process that took the lease from where they stood then did so behind the places that
        // are near to ours: its notes look like old ones, which are not believed any more.
        let texts = log.registers.values().flatten();
        if texts.filter_map(|text| holder_of(text)).any(|holder| holder.id != id) {
            return Ok(Proof::Forgotten);
        }
    }
    for (&seq, entry) in log.entries.range(epoch.saturating_add(1)..) {
        if entry.value.data.is_null() {
            continue;
        }
        // Who lost a lease notices at the next place, and renews nothing behind the note that took it.
        let note = Note::deserialize(&entry.value.data).map_err(|error| format!("{seq}: {error}"))?;
        let is_anothers = |other: u64, holder: &Holder| other != epoch || holder.id != id;
        if matches!(&note, Note::Renew { epoch: other, holder, .. } if is_anothers(*other, holder)) {
            return Ok(Proof::Forgotten);
        }
    }
    let is_ours = held(log)?.is_some_and(|held| held.epoch == epoch && held.holder.id == id);
    Ok(if is_ours { Proof::Ours } else { Proof::Taken })
}

/// Who says in a note that it holds the lease.
fn holder_of(text: &str) -> Option<Holder> {
    match Note::deserialize(&Value::unpack(text).ok()?.data).ok()? {
        Note::Acquire { holder, .. } | Note::Renew { holder, .. } => Some(holder),
        Note::Release { .. } => None,
    }
}

fn drain_ms() -> i64 {
    DRAIN_MS
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands references in")]
fn is_false(is: &bool) -> bool {
    !is
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands references in")]
fn is_zero(ms: &i64) -> bool {
    *ms == 0
}

/// The stream of a stack's lease.
#[must_use]
pub fn stream(stack: &StackName) -> Stream {
    Stream::new(Kind::Lease, stack)
}

/// The stream of the lease that the cluster's reconcile loops share: its holder is the leader. No stack's
/// name begins with a dot.
#[must_use]
pub fn leader_stream() -> Stream {
    Stream::new(Kind::Lease, ".reconcile")
}

/// The stream of the lease under which the cluster's key and its secrets are changed.
#[must_use]
pub fn vault_stream() -> Stream {
    Stream::new(Kind::Lease, ".vault")
}

/// The lease's holder as far as is decided; `None` if it is free.
pub fn held(log: &Log) -> Result<Option<Held>, String> {
    state(log).map(|state| state.held)
}

/// What a lease's stream says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct State {
    /// Who holds it.
    pub held: Option<Held>,
    /// What its last holder had under way, where it is free.
    pub left: Left,
    /// Whether it is free because a person ended it.
    pub is_unlocked: bool,
    /// The place that says so.
    pub sign: u64,
    /// Whether a manager shows another holder, of whom the others know nothing ([`shows_another`]).
    pub shows_another: bool,
}

impl State {
    /// Whether anything may be under way that no client has waited for: a holder has not given the lease back, or what it or
    /// one before it left is not known to be over.
    #[must_use]
    pub fn is_under_way(&self) -> bool {
        let Left { stops, unlisted_ms, found_nothing } = &self.left;
        let is_left = !stops.is_empty() || *unlisted_ms > 0 || *found_nothing;
        self.held.is_some() || is_left || self.shows_another
    }

    /// Stops that its holder has under way, or its last one had.
    pub fn stops(&self) -> impl Iterator<Item = &BegunStop> {
        let of_holder = self.held.iter().flat_map(|held| &held.left.stops);
        of_holder.chain(&self.left.stops)
    }
}

/// The lease as far as is decided.
///
/// # Errors
///
/// A note cannot be read.
pub fn state(log: &Log) -> Result<State, String> {
    let mut state = State::default();
    // What was before the first note is trimmed. A place that was only closed is no note.
    let mut is_first = true;
    for (&seq, entry) in &log.entries {
        if entry.value.data.is_null() {
            continue;
        }
        let note = Note::deserialize(&entry.value.data).map_err(|error| error.to_string())?;
        let is_first = std::mem::take(&mut is_first);
        match note {
            Note::Acquire { holder, ttl_ms, drain_ms, left } => {
                let held = Held { holder, epoch: seq, ttl_ms, drain_ms, sign: seq, is_last: false, left };
                state = State { held: Some(held), sign: seq, ..State::default() };
            }
            // A renewal that comes after the lease was given back or taken over renews nothing.
            Note::Renew { holder, epoch, ttl_ms, drain_ms, is_last, left } => {
                let is_same = |held: &Held| held.epoch == epoch && held.holder.id == holder.id;
                let renews = state.held.as_ref().map_or(is_first, is_same);
                if renews {
                    let held = Held { holder, epoch, ttl_ms, drain_ms, sign: seq, is_last, left };
                    state = State { held: Some(held), sign: seq, ..State::default() };
                }
            }
            Note::Release { id, by, left } => {
                let ends = state.held.as_ref().map_or(is_first, |held| held.holder.id == id);
                if ends {
                    // Records that were copied have the locks free, and no holder had them.
                    let is_unlocked = by.is_some() && !id.is_empty();
                    state = State { left, is_unlocked, sign: seq, ..State::default() };
                }
            }
        }
    }
    state.shows_another = shows_another(log, &state);
    Ok(state)
}

/// Whether a manager shows a note by which another client than the holder has the lease, in or behind the place that counts,
/// and that note is not decided. Where the place is decided otherwise, in this round or an earlier one, the note is no trace of
/// a race: a round has one value, and later ones have none but what was decided. Then the managers have lost what they had
/// decided, or the note was written under other managers, and that client may hold the lease in good faith until it renews.
fn shows_another(log: &Log, state: &State) -> bool {
    log.registers.iter().any(|((_, place), text)| {
        let Some(text) = text.as_deref().filter(|_| place.seq >= state.sign) else { return false };
        let decided = log.entries.get(&place.seq);
        if decided.is_some_and(|entry| place.round < entry.round || entry.text == text) {
            return false;
        }
        let Ok(value) = Value::unpack(text) else { return false };
        // The same note, brought into a later round by a writer with other managers.
        if decided.is_some_and(|entry| entry.value.id == value.id) {
            return false;
        }
        let is_holder = |id: &str| state.held.as_ref().is_some_and(|held| held.holder.id == id);
        holder_of(text).is_some_and(|holder| !is_holder(&holder.id))
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::log::Entry;
    use super::super::register::{Found, Place};
    use super::*;

    fn holder(id: &str) -> Holder {
        Holder { id: id.into(), who: "a@m".into(), pid: 1, process: String::new(), verb: "deploy".into() }
    }

    fn log(first: u64, notes: Vec<Option<Note>>) -> Log {
        let entries = (first..).zip(notes).map(|(seq, note)| {
            let data = note.map_or(serde_json::Value::Null, |note| serde_json::json!(note));
            let format = crate::model::Format::CURRENT;
            let value = Value { id: seq.to_string(), managers: Vec::new(), format, data };
            let copies = vec![(0, Timestamp(1_000)), (2, Timestamp(50_000))];
            (seq, Entry { text: value.pack(), value: value.into(), round: 0, copies })
        });
        Log { entries: entries.collect(), ..Log::default() }
    }

    fn acquire(id: &str) -> Option<Note> {
        Some(Note::Acquire { holder: holder(id), ttl_ms: 15_000, drain_ms: DRAIN_MS, left: Left::default() })
    }

    fn renew(id: &str, epoch: u64) -> Option<Note> {
        Some(Note::Renew {
            holder: holder(id),
            epoch,
            ttl_ms: 15_000,
            drain_ms: DRAIN_MS,
            is_last: false,
            left: Left::default(),
        })
    }

    fn release(id: &str) -> Option<Note> {
        Some(Note::Release { id: id.into(), by: None, left: Left::default() })
    }

    fn who(log: &Log) -> Option<(String, u64, u64)> {
        held(log).unwrap().map(|held| (held.holder.id, held.epoch, held.sign))
    }

    #[test]
    fn the_last_valid_note_names_the_holder() {
        let is = |id: &str, epoch, sign| Some((id.to_owned(), epoch, sign));
        assert_eq!(who(&log(1, vec![])), None);
        assert_eq!(who(&log(1, vec![acquire("a")])), is("a", 1, 1));
        assert_eq!(who(&log(1, vec![acquire("a"), renew("a", 1), None])), is("a", 1, 2));
        assert_eq!(who(&log(1, vec![acquire("a"), release("a")])), None);
        assert_eq!(who(&log(1, vec![acquire("a"), release("b")])), is("a", 1, 1));
        // Taken over: what the first one writes afterwards counts for nothing.
        let late = vec![acquire("a"), acquire("b"), renew("a", 1), release("a")];
        assert_eq!(who(&log(1, late)), is("b", 2, 2));
        assert_eq!(who(&log(1, vec![acquire("a"), release("a"), renew("a", 1)])), None);
        // What came before is trimmed.
        assert_eq!(who(&log(7, vec![renew("a", 1), renew("a", 1)])), is("a", 1, 8));
    }

    #[test]
    fn a_lease_is_held_though_what_is_left_of_its_stream_begins_with_closed_places() {
        let log = log(52, vec![None, None, renew("a", 47), renew("a", 47)]);
        assert_eq!(who(&log), Some(("a".to_owned(), 47, 55)));
        assert_eq!(proof(&log, 47, "a", 54), Ok(Proof::Ours));
    }

    #[test]
    fn the_note_that_counts_says_which_stops_are_under_way() {
        let stop = |task: &str| {
            BegunStop::new(NodeName::unchecked("h1"), TaskId::unchecked(task), "web.1".into(), 40_000)
        };
        let left = |task: &str| Left { stops: vec![stop(task)], ..Left::default() };
        let renewed = |of: &str, task: &str| match renew(of, 1) {
            Some(Note::Renew { holder, epoch, ttl_ms, drain_ms, is_last, .. }) => {
                Some(Note::Renew { holder, epoch, ttl_ms, drain_ms, is_last, left: left(task) })
            }
            _ => unreachable!(),
        };
        let released = |id: &str, by: Option<&str>, task: &str| {
            Some(Note::Release { id: id.into(), by: by.map(Into::into), left: left(task) })
        };
        let of = |notes| {
            let state = state(&log(1, notes)).unwrap();
            let left = state.held.map_or(state.left, |held| held.left);
            let tasks: Vec<String> = left.stops.iter().map(|stop| stop.task.to_string()).collect();
            (tasks.join(" "), state.is_unlocked, state.sign)
        };
        let is = |tasks: &str, is_unlocked, sign| (tasks.to_owned(), is_unlocked, sign);
        assert_eq!(of(vec![acquire("a"), renewed("a", "x")]), is("x", false, 2));
        assert_eq!(
            of(vec![acquire("a"), renewed("a", "x"), renew("a", 1)]),
            is("", false, 3),
            "it has ended"
        );
        assert_eq!(of(vec![acquire("a"), released("a", None, "y")]), is("y", false, 2));
        assert_eq!(of(vec![acquire("a"), released("a", Some("op"), "y"), None]), is("y", true, 2));
        // What came before is trimmed.
        assert_eq!(of(vec![released("a", None, "y")]), is("y", false, 1));
        // Of one that has lost the lease.
        assert_eq!(of(vec![acquire("a"), acquire("b"), renewed("a", "x")]), is("", false, 2));
        assert_eq!(of(vec![acquire("a"), acquire("b"), released("a", None, "x")]), is("", false, 2));
    }

    #[test]
    fn a_stop_that_is_not_written_down_at_once_is_over_when_the_next_holder_has_waited() {
        let Terms { ttl_ms, margin_ms, drain_ms, .. } = Terms::STACK;
        let arrives_ms = ttl_ms - margin_ms + drain_ms;
        let is_free_ms = ttl_ms + drain_ms;
        assert!(arrives_ms + COVERED_GRACE_MS + STOP_MARGIN_MS <= is_free_ms + UNLISTED_MS);
        // Of one whose process is gone, all counts from now.
        let left = Left::default().of_dead(drain_ms);
        assert!(drain_ms + COVERED_GRACE_MS + STOP_MARGIN_MS <= left.unlisted_ms);
        assert_eq!(left.in_flight_ms(), drain_ms);
        let released = Some(Note::Release { id: "a".into(), by: None, left });
        let is_under_way = |notes| state(&log(1, notes)).unwrap().is_under_way();
        assert!(is_under_way(vec![acquire("a"), released]), "no stack is called unchanged then");
        assert!(!is_under_way(vec![acquire("a"), release("a")]) && !is_under_way(Vec::new()));
        assert!(is_under_way(vec![acquire("a")]), "a holder that was killed has the lease like a live one");
        let forgotten = Left { found_nothing: true, ..Left::default() };
        assert!(is_under_way(vec![Some(Note::Release {
            id: "a".into(),
            by: None,
            left: forgotten.clone()
        })]));
        assert!(forgotten.of_dead(0).found_nothing, "it may have died before it had waited");
        let of = |grace_ms| {
            BegunStop::new(NodeName::unchecked("h1"), TaskId::unchecked("x"), "web.1".into(), grace_ms)
        };
        assert!(!of(10_000).outlasts_lock(), "the engines' own grace costs no write");
        assert!(!of(COVERED_GRACE_MS).outlasts_lock() && of(COVERED_GRACE_MS + 1).outlasts_lock());
        assert!(of(i64::MAX).outlasts_lock());
    }

    #[test]
    fn each_host_judges_the_age_and_the_youngest_counts() {
        let log = log(1, vec![acquire("a")]);
        let held = held(&log).unwrap().unwrap();
        let clocks = |a, b| BTreeMap::from([(0, Timestamp(a)), (2, Timestamp(b))]);
        assert_eq!(held.age_ms(&log, &clocks(90_000, 60_000)), Some(10_000));
        assert_eq!(held.age_ms(&log, &BTreeMap::from([(0, Timestamp(90_000))])), None);
        assert_eq!(held.left_ms(None, 0), 35_000);
        assert_eq!(held.left_ms(Some(35_000), 0), 1_000, "an age may be a second too great");
        assert_eq!(held.left_ms(Some(36_000), 0), 0);
        assert_eq!(held.left_ms(Some(-3_600_000), 34_000), 1_000, "one's own waiting is not");
    }

    #[test]
    fn one_clock_alone_proves_no_age() {
        let one = |copies: Vec<(usize, Timestamp)>| {
            let mut log = log(1, vec![acquire("a")]);
            log.entries.get_mut(&1).unwrap().copies = copies;
            let clocks = BTreeMap::from([(0, Timestamp(90_000)), (2, Timestamp(60_000))]);
            held(&log).unwrap().unwrap().proved_age_ms(&log, &clocks)
        };
        assert_eq!(one(vec![(0, Timestamp(1_000)), (2, Timestamp(50_000))]), Some(10_000));
        assert_eq!(one(vec![(0, Timestamp(1_000))]), None, "its clock may have been set forward");
    }

    #[test]
    fn a_renewal_proves_a_lease_only_where_it_is_still_held() {
        let of = |notes: Vec<Option<Note>>, epoch, id| proof(&log(1, notes), epoch, id, epoch).unwrap();
        assert_eq!(of(vec![acquire("a"), renew("a", 1), None, renew("a", 1)], 1, "a"), Proof::Ours);
        assert_eq!(of(vec![acquire("a"), renew("a", 1), acquire("b")], 1, "a"), Proof::Taken);
        assert_eq!(of(vec![acquire("a"), release("a")], 1, "a"), Proof::Taken);
        // The stream was lost: b took the lease at the first place, and a goes on at its own.
        let lost = || vec![acquire("b"), renew("b", 1), None, renew("a", 4)];
        assert_eq!(of(lost(), 1, "b"), Proof::Forgotten, "for b");
        assert_eq!(of(lost(), 4, "a"), Proof::Taken, "for a, whose own note is lost");
        // The keepers came back older: b took it again where it was free, and a renewed behind that.
        let older = vec![release("x"), acquire("b"), renew("b", 2), renew("a", 1)];
        assert_eq!(of(older, 2, "b"), Proof::Forgotten);
        // Taken over in good order.
        assert_eq!(of(vec![acquire("a"), renew("a", 1), acquire("b"), renew("b", 3)], 3, "b"), Proof::Ours);
        // b took it at the very place at which a had.
        let same = || vec![acquire("b"), renew("b", 1), None, renew("a", 1)];
        assert_eq!(of(same(), 1, "b"), Proof::Forgotten);
        assert_eq!(of(same(), 1, "a"), Proof::Forgotten);
        assert_eq!(of(vec![acquire("b"), renew("b", 1)], 1, "a"), Proof::Forgotten);
        assert_eq!(of(vec![acquire("b")], 1, "a"), Proof::Taken);
    }

    #[test]
    fn a_holder_whose_last_renewal_is_gone_stops_where_there_may_be_another() {
        let found = |(seq, note): (u64, Option<Note>)| {
            let (data, format) = (serde_json::json!(note), crate::model::Format::CURRENT);
            let value = Value { id: format!("{seq}"), managers: Vec::new(), format, data };
            let place = Place { seq, round: 0 };
            Found { place, content: Some(value.pack()), created: Timestamp(1) }
        };
        let of = |managers: Vec<Vec<(u64, Option<Note>)>>| {
            let names: Vec<String> = (1..=managers.len()).map(|name| name.to_string()).collect();
            let found = managers.into_iter().map(|notes| notes.into_iter().map(found).collect());
            let log = Log::of(&stream(&StackName::unchecked("shop")), found.enumerate().collect(), &names);
            proof(&log.unwrap(), 31, "a", 39).unwrap()
        };
        let older = || vec![(19, acquire("x")), (20, release("x")), (21, acquire("b")), (22, renew("b", 21))];
        let ours = |from: u64| (from..=40).map(|seq| (seq, renew("a", 31)));
        let and_ours = |before: Vec<_>, from| before.into_iter().chain(ours(from)).collect();
        // b took the lease where it was free once more, so far behind that its notes count for nothing.
        assert_eq!(of(vec![and_ours(older(), 40)]), Proof::Forgotten);
        assert_eq!(of(vec![ours(40).collect()]), Proof::Ours, "all was lost, and no other has come");
        let one_is_as_it_was = vec![and_ours(older(), 40), and_ours(older(), 40), ours(34).collect()];
        assert_eq!(of(one_is_as_it_was), Proof::Forgotten);
        let one_was_away = vec![ours(34).collect(), ours(34).collect(), and_ours(older(), 40)];
        assert_eq!(of(one_was_away), Proof::Ours);
    }

    #[test]
    fn a_lease_of_an_older_version_has_default_terms() {
        let note = |text: &str| Note::deserialize(&serde_json::from_str::<serde_json::Value>(text).unwrap());
        let old =
            r#"{"note":"acquire","holder":{"id":"a","who":"a@m","pid":1,"verb":"deploy"},"ttl_ms":15000}"#;
        assert!(matches!(note(old), Ok(Note::Acquire { drain_ms: 20_000, .. })));
        let new = old.replace("15000}", "15000,\"late_ms\":7}");
        assert!(matches!(note(&new), Ok(Note::Acquire { drain_ms: 7, .. })));
        assert!(serde_json::to_string(&note(&new).unwrap()).unwrap().contains("\"late_ms\":7"));
    }

    #[test]
    fn a_holder_renews_in_time_and_stops_in_time() {
        for terms in [Terms::STACK, Terms::LEADER] {
            let valid_ms = terms.ttl_ms - terms.margin_ms;
            assert!(terms.margin_ms > ROUNDING_MS);
            // One renewal that gets no answer, for as long as an answer may take, and another one.
            assert!(valid_ms > terms.renew_ms + 4_500, "{terms:?}");
        }
    }
}
