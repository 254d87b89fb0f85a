//! Holding a lease: taking it, sending heartbeats in the background, stopping when they do not get through,
//! giving it back. What a lease is, and why it is safe, is in [`ledger::lease`](crate::ledger::lease).

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use serde::Deserialize as _;
use tokio::sync::mpsc::Receiver;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use super::clock::{self, Clock};
use super::pulse::Pulse;
use super::stops::Stops;
use crate::ledger::lease::{Held, Holder, Left, Note, ORPHAN_MS, Proof, State, Terms, proof, state, stream};
use crate::ledger::payload::value;
use crate::ledger::{Appended, Ledger, LedgerError, Log, Stream, WriteRegisters, Written};
use crate::model::{StackName, Timestamp};

/// Between two reads of a lease that another client holds.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// The same where the backend is watched: a read covers for a lost notification.
const LISTEN_MAX: Duration = Duration::from_secs(2);
const LISTEN_MIN: Duration = Duration::from_millis(20);
/// Pause after a failed renewal.
const TRY_AGAIN: Duration = Duration::from_millis(300);

/// Whether a lease may still be relied upon, by this machine's own clock. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Validity(Option<Arc<Term>>);

/// A lease's token, and until when it is valid.
#[derive(Debug)]
struct Term {
    clock: Clock,
    token: String,
    /// By a clock that stands still while the machine is suspended, and how long it had been by then.
    until: AtomicI64,
    slept_ms: AtomicI64,
    stops: Stops,
}

impl Validity {
    /// For actions that need no lease.
    #[must_use]
    pub fn always() -> Self {
        Self(None)
    }

    fn of(stream: &Stream, epoch: u64, clock: Clock, stops: Stops) -> Self {
        let (until, slept_ms) = (AtomicI64::new(0), AtomicI64::new(0));
        Self(Some(Arc::new(Term { clock, token: format!("{}/{epoch}", stream.of), until, slept_ms, stops })))
    }

    /// The stops under this lease that are under way; `None` without one.
    #[must_use]
    pub fn stops(&self) -> Option<&Stops> {
        self.0.as_ref().map(|term| &term.stops)
    }

    /// Whether an action under the lease may be sent now.
    #[must_use]
    pub fn is_valid(&self) -> bool {
        let Some(term) = &self.0 else { return true };
        // A laptop that was closed wakes up with connections that live and a clock that has not moved.
        let slept_ms = clock::slept_ms() - term.slept_ms.load(Ordering::SeqCst);
        term.clock.now().plus_ms(slept_ms.max(0)) < Timestamp(term.until.load(Ordering::SeqCst))
    }

    /// `stack/epoch`, where there is a lease.
    #[must_use]
    pub fn token(&self) -> Option<&str> {
        self.0.as_ref().map(|term| term.token.as_str())
    }

    fn extend(&self, from: Sent, terms: Terms) {
        if let Some(term) = &self.0 {
            term.slept_ms.store(from.slept_ms, Ordering::SeqCst);
            term.until.store(from.at.plus_ms(terms.ttl_ms - terms.margin_ms).0, Ordering::SeqCst);
        }
    }

    fn end(&self) {
        if let Some(term) = &self.0 {
            term.until.store(i64::MIN, Ordering::SeqCst);
            term.stops.lock_is_lost();
        }
    }
}

/// When a heartbeat was sent.
#[derive(Debug, Clone, Copy)]
struct Sent {
    at: Timestamp,
    slept_ms: i64,
}

impl Sent {
    fn now(clock: Clock) -> Self {
        Self { at: clock.now(), slept_ms: clock::slept_ms() }
    }
}

/// Why a lease was not taken.
#[derive(Debug)]
pub enum NotTaken {
    /// The ledger cannot be used.
    Ledger(LedgerError),
    /// Another client holds it, and the wait is over.
    Held(Busy),
}

impl From<LedgerError> for NotTaken {
    fn from(error: LedgerError) -> Self {
        Self::Ledger(error)
    }
}

/// A lease that another client holds, at a moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Busy {
    /// Who, and since which place.
    pub held: Held,
    /// Time since the last heartbeat, by the managers' own clocks.
    pub age_ms: Option<i64>,
}

/// A lease that this process holds.
#[derive(Debug)]
pub struct Lease<R> {
    ledger: Arc<Ledger<R>>,
    stream: Stream,
    holder: Holder,
    epoch: u64,
    validity: Validity,
    next: Arc<AtomicU64>,
    found: Found,
    pulse: Arc<OnceLock<Pulse>>,
    renewer: JoinHandle<()>,
}

/// One that is dropped was not given back: a task that held it has panicked, or was cut off. It ends as if its process had
/// died, instead of being renewed for as long as the process lives.
impl<R> Drop for Lease<R> {
    fn drop(&mut self) {
        self.renewer.abort();
        self.validity.end();
    }
}

/// In which state a lease was found by the client that took it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Found {
    /// No note about it counts, as far as the ledger knows: none was ever written, or those that were are on too few
    /// managers; or one manager shows a holder of whom the others know nothing. The ledger may have forgotten that another client
    /// holds the lease, who notices at its next renewal.
    pub is_nothing: bool,
    /// The last holder, if it did not give the lease back.
    pub dead: Option<Holder>,
    /// What may be under way and is in no note is all of that holder: what it inherited had ended before.
    pub is_all_of_dead: bool,
}

/// Which lease to take, and on which terms.
#[derive(Debug)]
pub struct Wanted {
    pub stream: Stream,
    pub holder: Holder,
    /// How long it is to be valid.
    pub terms: Terms,
    /// How long to wait for another holder.
    pub patience_ms: i64,
}

fn state_in(log: &Log, stream: &Stream) -> Result<State, LedgerError> {
    state(log).map_err(|detail| unreadable(log, stream, detail))
}

fn unreadable(log: &Log, stream: &Stream, detail: String) -> LedgerError {
    let seq = log.last().map_or(0, |(seq, _)| seq);
    LedgerError::Unreadable { stream: stream.to_string(), seq, detail }
}

/// Who holds it, if any, and what is under way. Only reads.
pub async fn look<R: crate::ledger::ReadRegisters>(
    ledger: &Ledger<R>,
    stack: &StackName,
) -> Result<(Log, State), LedgerError> {
    let stream = stream(stack);
    let log = ledger.read(&stream).await?;
    let state = state_in(&log, &stream)?;
    Ok((log, state))
}

/// Takes the lease, waiting for its current holder. `is_gone` says whether a holder's process is known from
/// here to have ended; `tell` is called with the holder that is waited for.
pub async fn take<R: WriteRegisters + Send + Sync + 'static>(
    ledger: &Arc<Ledger<R>>,
    clock: Clock,
    wanted: Wanted,
    is_gone: impl Fn(&Holder) -> bool,
    mut tell: impl FnMut(&Busy),
) -> Result<Lease<R>, NotTaken> {
    let (stream, terms) = (wanted.stream.clone(), wanted.terms);
    let begun = clock.now();
    // The note that counts, and when we first saw it. By its id: keepers that came back older give its place to another one.
    let mut seen: Option<(String, Timestamp)> = None;
    let mut heard = None;
    loop {
        let log = ledger.read_settled(&stream).await?;
        let before = state_in(&log, &stream)?;
        let sign = log.entries.get(&before.sign).map(|entry| entry.value.id.clone()).unwrap_or_default();
        let first = seen.filter(|(last, _)| *last == sign).map_or(clock.now(), |(_, first)| first);
        seen = Some((sign, first));
        let is_cut_short = before.held.as_ref().map_or(before.is_unlocked, |held| is_gone(&held.holder));
        if let Some(held) = before.held.clone()
            && (held.is_last || !is_cut_short)
        {
            let clocks = ledger.clocks().await?;
            let age_ms = held.age_ms(&log, &clocks);
            let proved_ms = proved_age_ms(ledger, &held, &log, &clocks);
            let left_ms = held.left_ms(proved_ms, clock.now().since_ms(first));
            // One clock says that the holder is dead. That is no proof, and reason enough to watch for a while, even for
            // a command without patience.
            let seems_dead = held.left_ms(age_ms, 0) <= 0;
            if left_ms > 0 {
                let busy = Busy { held, age_ms };
                if clock.now().since_ms(begun) >= wanted.patience_ms && !seems_dead {
                    return Err(NotTaken::Held(busy));
                }
                tell(&busy);
                // A write from before the watch is open is found by the read that follows the first
                // notification.
                match heard.get_or_insert_with(|| ledger.registers().listen()) {
                    None => sleep(LOOK_EVERY).await,
                    Some(heard) => {
                        let left = Duration::from_millis(left_ms.unsigned_abs()).min(LISTEN_MAX);
                        // A backend whose watch falls silent is polled all the same.
                        let _in_time = timeout(left.max(LISTEN_MIN), news_of(&stream, heard)).await;
                    }
                }
                continue;
            }
        }
        let (epoch, sent) = (log.next(), Sent::now(clock));
        // What the last holder had under way is ours to wait for, and our successor's if we die.
        let is_all_of_dead = before.held.as_ref().is_some_and(|held| held.left.unlisted_ms == 0);
        let is_nothing = before.sign == 0 || before.shows_another;
        let (dead, left) = left_to_next(before, is_cut_short, is_nothing, clock.now());
        let is_nothing = left.found_nothing;
        let Terms { ttl_ms, drain_ms, .. } = terms;
        let note = Note::Acquire { holder: wanted.holder.clone(), ttl_ms, drain_ms, left: left.clone() };
        let ours = value(ledger.registers(), serde_json::json!(note));
        if ledger.append(&stream, epoch, &ours).await? == Appended::Won {
            let validity = Validity::of(&stream, epoch, clock, Stops::inherited(left));
            validity.extend(sent, terms);
            let found = Found { is_nothing, dead, is_all_of_dead };
            return Ok(keep(Arc::clone(ledger), clock, wanted, validity, epoch, found, log));
        }
    }
}

/// How long ago the last heartbeat was, as far as that is proved.
fn proved_age_ms<R: crate::ledger::ReadRegisters>(
    ledger: &Ledger<R>,
    held: &Held,
    log: &Log,
    clocks: &BTreeMap<usize, Timestamp>,
) -> Option<i64> {
    let is_measured = ledger.registers().measures_age();
    if is_measured { held.age_ms(log, clocks) } else { held.proved_age_ms(log, clocks) }
}

/// The last holder, if it did not give the lease back, and what may be under way for the client that takes it now. Each stop
/// counts from now: a holder whose TTL has run out may have sent it last, and the drain after that is how long it was on its way.
fn left_to_next(
    before: State,
    is_cut_short: bool,
    is_nothing: bool,
    now: Timestamp,
) -> (Option<Holder>, Left) {
    let (dead, mut left) = match before.held {
        // All that it had under way is listed, and has arrived.
        Some(held) if held.is_last => (Some(held.holder), held.left),
        // Its process is gone. What it sent last may be on its way.
        Some(held) if is_cut_short => (Some(held.holder), held.left.of_dead(held.drain_ms)),
        Some(held) => (Some(held.holder), held.left.of_dead(0)),
        None => (None, before.left),
    };
    left.found_nothing |= is_nothing;
    left.stops.retain(|stop| stop.until.is_none_or(|until| now < until));
    (dead, left)
}

/// A lease that was won at a place, renewed from now on.
fn keep<R: WriteRegisters + Send + Sync + 'static>(
    ledger: Arc<Ledger<R>>,
    clock: Clock,
    wanted: Wanted,
    validity: Validity,
    epoch: u64,
    found: Found,
    log: Log,
) -> Lease<R> {
    let Wanted { stream, holder, terms, .. } = wanted;
    let (next, pulse) = (Arc::new(AtomicU64::new(epoch + 1)), Arc::default());
    let renewer = LeaseRenewer {
        ledger: Arc::clone(&ledger),
        stream: stream.clone(),
        holder: holder.clone(),
        terms,
        epoch,
        clock,
        validity: validity.clone(),
        next: Arc::clone(&next),
        proved: AtomicU64::new(epoch),
        pulse: Arc::clone(&pulse),
    };
    let renewer = tokio::spawn(renewer.run(log));
    Lease { ledger, stream, holder, epoch, validity, next, found, pulse, renewer }
}

/// Waits until something may have been written into a stream.
async fn news_of(stream: &Stream, heard: &mut Receiver<Written>) {
    loop {
        match heard.recv().await {
            Some(Written::In(other)) if other != *stream => {}
            Some(_) => return,
            None => std::future::pending().await,
        }
    }
}

impl<R: WriteRegisters + Send + Sync + 'static> Lease<R> {
    /// The place at which it was taken: grows from one holder to the next.
    #[must_use]
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Its id, of this lease alone.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.holder.id
    }

    /// In which state it was found.
    #[must_use]
    pub fn found(&self) -> &Found {
        &self.found
    }

    /// Whether it still holds.
    #[must_use]
    pub fn validity(&self) -> &Validity {
        &self.validity
    }

    /// From now on it is renewed only while this beats: work that is stuck must not keep others from taking over.
    pub fn renew_while(&self, pulse: Pulse) {
        // The first one counts.
        let _known = self.pulse.set(pulse);
    }

    /// Leaves it to expire, since something that was sent may still arrive: the next holder waits until it cannot any more.
    ///
    /// # Errors
    ///
    /// The note cannot be written. Then the lease expires as if this process had died.
    pub async fn leave(self) -> Result<(), LedgerError> {
        self.renewer.abort();
        self.validity.end();
        let ttl_ms = Terms::STACK.ttl_ms;
        let verb = format!("{}, which ended while a host was silent", self.holder.verb);
        let note = Note::Renew {
            holder: Holder { verb, ..self.holder.clone() },
            epoch: self.epoch,
            ttl_ms,
            drain_ms: ORPHAN_MS,
            is_last: true,
            left: self.left(),
        };
        append_own(&self.ledger, &self.stream, self.next.load(Ordering::SeqCst), &self.holder.id, &note).await
    }

    /// Gives it back. If that fails, it expires by itself.
    pub async fn release(self) -> Result<(), LedgerError> {
        self.renewer.abort();
        self.validity.end();
        // A renewal that was interrupted may be in the next place.
        let next = self.next.load(Ordering::SeqCst);
        end(&self.ledger, &self.stream, next, &self.holder.id, None, self.left()).await
    }

    fn left(&self) -> Left {
        self.validity.stops().map(|stops| stops.under_way().1).unwrap_or_default()
    }
}

/// Ends a lease on behalf of a user who knows that its holder has stopped. `is_gone` says whether a holder's process is known
/// from here to have ended. Any other one may go on until its TTL is over: it may have been stopped for a moment, or cut off,
/// and then learns of this no earlier.
pub async fn unlock<R: WriteRegisters>(
    ledger: &Ledger<R>,
    stack: &StackName,
    id: &str,
    by: &str,
    is_gone: impl Fn(&Holder) -> bool,
) -> Result<Option<Held>, LedgerError> {
    let stream = stream(stack);
    let log = ledger.read_settled(&stream).await?;
    let State { held, shows_another, .. } = state_in(&log, &stream)?;
    let Some(held) = held.filter(|held| held.holder.id == id) else { return Ok(None) };
    let left_ms = held.left_ms(proved_age_ms(ledger, &held, &log, &ledger.clocks().await?), 0).max(0);
    // What it has sent may be on its way even then.
    let has_ended = held.is_last || is_gone(&held.holder);
    let in_flight_ms = if has_ended { held.drain_ms.min(left_ms) } else { left_ms };
    let mut left = held.left.clone().of_dead(in_flight_ms);
    left.found_nothing |= shows_another;
    end(ledger, &stream, log.next(), id, Some(by), left.clone()).await?;
    Ok(Some(Held { left, ..held }))
}

async fn end<R: WriteRegisters>(
    ledger: &Ledger<R>,
    stream: &Stream,
    next: u64,
    id: &str,
    by: Option<&str>,
    left: Left,
) -> Result<(), LedgerError> {
    let note = Note::Release { id: id.to_owned(), by: by.map(str::to_owned), left };
    append_own(ledger, stream, next, id, &note).await
}

/// Appends a note of a holder behind its own renewals; nothing, if another client has the lease by then.
async fn append_own<R: WriteRegisters>(
    ledger: &Ledger<R>,
    stream: &Stream,
    mut next: u64,
    id: &str,
    note: &Note,
) -> Result<(), LedgerError> {
    let ours = value(ledger.registers(), serde_json::json!(note));
    loop {
        match ledger.append(stream, next, &ours).await? {
            Appended::Won => return Ok(()),
            Appended::Lost(other) => match Note::deserialize(&other.data) {
                Ok(Note::Renew { holder, .. }) if holder.id == id => next += 1,
                // Another client has taken it since.
                Ok(_) => return Ok(()),
                // A place that was closed.
                Err(_) => next += 1,
            },
        }
    }
}

/// Why a heartbeat proves nothing.
enum NotRenewed {
    /// Another client has the lease, or may have it.
    Lost,
    /// It did not get through.
    Unproved,
}

/// Sends heartbeats.
struct LeaseRenewer<R> {
    ledger: Arc<Ledger<R>>,
    stream: Stream,
    holder: Holder,
    terms: Terms,
    epoch: u64,
    clock: Clock,
    validity: Validity,
    next: Arc<AtomicU64>,
    /// The place of the last note that proved it.
    proved: AtomicU64,
    pulse: Arc<OnceLock<Pulse>>,
}

impl<R: WriteRegisters + Send + Sync + 'static> LeaseRenewer<R> {
    async fn run(self, log: Log) {
        self.tidy(&log).await;
        self.rest().await;
        while self.validity.is_valid() {
            if self.pulse.get().is_some_and(|pulse| !pulse.beats()) {
                sleep(TRY_AGAIN).await;
                continue;
            }
            match self.renew().await {
                Ok(Some(log)) => {
                    self.tidy(&log).await;
                    self.rest().await;
                }
                // Our own, sent before, whose answer was lost; or a place that was closed.
                Ok(None) => {}
                Err(NotRenewed::Lost) => return self.validity.end(),
                Err(NotRenewed::Unproved) => sleep(TRY_AGAIN).await,
            }
        }
        self.validity.end();
    }

    /// Until the next heartbeat; shorter, if there is something that has to be written down before it may begin.
    async fn rest(&self) {
        let rest = sleep(Duration::from_millis(self.terms.renew_ms.unsigned_abs()));
        let Some(stops) = self.validity.stops() else { return rest.await };
        tokio::select! {
            biased;
            () = rest => {}
            () = stops.is_pressing() => {}
        }
    }

    /// Sends one heartbeat, and reads whether it proves the lease.
    async fn renew(&self) -> Result<Option<Log>, NotRenewed> {
        let Terms { ttl_ms, drain_ms, .. } = self.terms;
        let sent = Sent::now(self.clock);
        let (version, left) = self.validity.stops().map(Stops::under_way).unwrap_or_default();
        let (holder, epoch) = (self.holder.clone(), self.epoch);
        let note = Note::Renew { holder, epoch, ttl_ms, drain_ms, is_last: false, left };
        let ours = value(self.ledger.registers(), serde_json::json!(note));
        let place = self.next.load(Ordering::SeqCst);
        match self.ledger.append(&self.stream, place, &ours).await {
            Ok(Appended::Won) => {
                self.next.store(place + 1, Ordering::SeqCst);
                let log = self.ledger.read(&self.stream).await.map_err(|_| NotRenewed::Unproved)?;
                match proof(&log, self.epoch, &self.holder.id, self.proved.load(Ordering::SeqCst)) {
                    Ok(Proof::Ours) => {
                        self.proved.store(place, Ordering::SeqCst);
                        self.validity.extend(sent, self.terms);
                        if let Some(stops) = self.validity.stops() {
                            stops.are_written(version);
                        }
                        Ok(Some(log))
                    }
                    Ok(Proof::Taken | Proof::Forgotten) => Err(NotRenewed::Lost),
                    // Of a newer program, say: it proves nothing.
                    Err(_) => Err(NotRenewed::Unproved),
                }
            }
            Ok(Appended::Lost(other)) => match Note::deserialize(&other.data) {
                Ok(Note::Renew { holder, .. }) if holder.id == self.holder.id => {
                    self.next.store(place + 1, Ordering::SeqCst);
                    Ok(None)
                }
                Ok(_) => Err(NotRenewed::Lost),
                Err(_) => {
                    self.next.store(place + 1, Ordering::SeqCst);
                    Ok(None)
                }
            },
            Err(LedgerError::Overtaken { .. }) => Err(NotRenewed::Lost),
            Err(_) => Err(NotRenewed::Unproved),
        }
    }

    async fn tidy(&self, log: &Log) {
        self.ledger.replicate(&self.stream, log).await;
        self.ledger.trim(&self.stream, log).await;
    }
}

#[cfg(test)]
mod tests;
