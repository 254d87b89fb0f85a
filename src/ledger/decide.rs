//! How managers agree on what is in a place, though each only keeps the first value it is given.
//!
//! This is Paxos over write-once registers. Simply creating a record on a majority would not do: two writers
//! can split the votes, and with a manager down it cannot be decided who won. So each place has rounds,
//! and each round has an *arbiter*, the manager whose register of that round decides which value the
//! round may have: round `r` has the arbiter `managers[r % n]`. For `r` = 0, 1, …:
//!
//! 1. Close the rounds before: on a majority, every register of an earlier round must hold something; an
//!    empty one is given *nil*. The value of the highest earlier round in which any value was seen is the
//!    candidate, else our own.
//! 2. Create the candidate at the arbiter. What is there afterwards is the round's value; nil, or a silent
//!    arbiter, and the next round begins.
//! 3. Create that value on the others, all at once. If a majority holds it in this round, it is decided.
//!
//! Why at most one value is decided: a round has one value at most, since only its arbiter's register brings
//! one into it, and registers do not change. If round `k` has decided `v`, every later round closed `k` on a
//! majority, which overlaps the majority that holds `v`. So the writer that closed `k` saw `v` there, since a
//! register that was closed with nil could not have been part of the decision. Rounds between hold nothing
//! but `v`, by the same reasoning, so `v` is the candidate. Requests that arrive late change nothing in this:
//! they find a register that is taken, or fill one with the value of its round.
//!
//! # Two sets of managers
//!
//! Two writers with different inventories number the arbiters differently, and one round may then hold two values. Whatever
//! the sets are, as long as any majorities of theirs overlap (sets that differ by one manager), still one value at most is
//! decided. A value counts as decided where a majority holds the same text. If round `k` has decided `v`, a writer that brings a
//! value into a later round has closed `k` on a majority that overlaps the holders of `v`, and so has seen `v` there. Either
//! that is all it saw in the highest round with a value, and it goes on with `v`; or it saw another value in the same round.
//! Then it asks all managers, whose registers do not change any more: if one value alone can be held by a majority of any of
//! the sets, it goes on with that, and with either, if none can. Otherwise it
//! [refuses](LedgerError::ManagersDiffer). So no set needs a record that
//! says it is the one: a place is its own fence. But a value names the managers of the writer that has brought it into
//! its round. Sets that differ by more are refused by what the newest record names,
//! [before](Ledger::read) and [while](Ledger::append) something is written.
//!
//! Contention costs nothing: all meet at the arbiter of round 0 and spread what they find. Only a silent
//! manager leads to a second round.
//!
//! Trimming removes places that are far behind. A writer that was suspended meanwhile could fill such a place
//! a second time. So after the arbiter has answered, the writer checks whether the stream has advanced beyond
//! what is kept: a place is removed only after a later one was decided, and a majority shows that one.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use tokio::time::{sleep, timeout};

use super::LedgerError;
use super::log::{Log, Reach};
use super::payload::{Value, value};
use super::register::{Content, Kind, Place, ReadRegisters, Silent, Stream, WriteRegisters};
use super::unpacked::Unpacked;
use crate::model::{Format, StackName};

/// How long things may take.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// One append, all its rounds.
    pub append: Duration,
    /// For the last managers once a majority has answered.
    pub grace: Duration,
    /// Pause after all arbiters were tried without success.
    pub pause: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            append: Duration::from_secs(10),
            grace: Duration::from_millis(300),
            pause: Duration::from_millis(50),
        }
    }
}

/// Records of streams, on registers of one kind or another.
#[derive(Debug)]
pub struct Ledger<R> {
    registers: R,
    limits: Limits,
    /// Managers that were silent when last asked, and why: the last to be asked next time.
    silent: Mutex<BTreeMap<usize, String>>,
    unpacked: Unpacked,
}

/// How an append ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Appended {
    Won,
    Lost(Value),
}

impl<R: ReadRegisters> Ledger<R> {
    /// A ledger on these registers.
    pub fn new(registers: R, limits: Limits) -> Self {
        Self { registers, limits, silent: Mutex::default(), unpacked: Unpacked::default() }
    }

    /// Below it.
    pub fn registers(&self) -> &R {
        &self.registers
    }

    /// Managers that must answer.
    #[must_use]
    pub fn majority(&self) -> usize {
        self.registers.managers().len() / 2 + 1
    }

    /// What is decided, and what is not. Changes nothing.
    pub async fn read(&self, stream: &Stream) -> Result<Log, LedgerError> {
        let answers = self.ask_all(|manager| self.registers.list(manager, stream)).await?;
        let log = Log::of_known(stream, answers, self.registers.managers(), &self.unpacked)?;
        self.check_managers(stream, &log)?;
        Ok(log)
    }

    /// Stacks of which anything is remembered: what a majority holds is seen on any other majority.
    pub async fn stacks(&self) -> Result<BTreeSet<StackName>, LedgerError> {
        let answers = self.ask_all(|manager| self.registers.stacks(manager)).await?;
        Ok(answers.into_values().flatten().collect())
    }

    /// What the managers' clocks say.
    pub async fn clocks(&self) -> Result<BTreeMap<usize, crate::model::Timestamp>, LedgerError> {
        self.ask_all(|manager| self.registers.clock(manager)).await
    }

    /// Two sets that differ by one have no majorities apart from each other.
    fn check_managers(&self, stream: &Stream, log: &Log) -> Result<(), LedgerError> {
        // Decided or not: with other managers what was decided may look as if it were not.
        log.newest_text().map_or(Ok(()), |text| self.check_managers_of(stream, text))
    }

    /// Whether a value was written under managers that differ by one at most.
    fn check_managers_of(&self, stream: &Stream, text: &str) -> Result<(), LedgerError> {
        let Ok(value) = self.unpacked.value(text) else { return Ok(()) };
        let (then, now) = (&value.managers, self.registers.managers());
        let gone = then.iter().filter(|name| !now.contains(name)).count();
        let new = now.iter().filter(|name| !then.contains(name)).count();
        if gone + new > 1 {
            let (then, now) = (then.clone(), now.to_vec());
            return Err(LedgerError::ManagersChanged { stream: stream.to_string(), then, now });
        }
        Ok(())
    }

    /// Asks every manager at once. The last are waited for only a moment once a majority has answered.
    pub(super) async fn ask_all<T, F>(
        &self,
        ask: impl Fn(usize) -> F,
    ) -> Result<BTreeMap<usize, T>, LedgerError>
    where
        F: Future<Output = Result<T, Silent>>,
    {
        let (all, majority) = (self.registers.managers().len(), self.majority());
        let asked = (0..all).map(|manager| self.asked(manager, ask(manager)));
        let answers = some(asked, majority, self.limits.grace).await;
        if answers.len() < majority {
            return Err(self.no_majority(answers.len()));
        }
        Ok(answers)
    }

    /// Remembers who is silent.
    pub(super) async fn asked<T>(
        &self,
        manager: usize,
        ask: impl Future<Output = Result<T, Silent>>,
    ) -> (usize, Option<T>) {
        match ask.await {
            Ok(answer) => {
                self.silent().remove(&manager);
                (manager, Some(answer))
            }
            Err(Silent(why)) => {
                self.silent().insert(manager, why);
                (manager, None)
            }
        }
    }

    fn silent(&self) -> MutexGuard<'_, BTreeMap<usize, String>> {
        self.silent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn no_majority(&self, answering: usize) -> LedgerError {
        let names = self.registers.managers();
        let silent: Vec<String> =
            self.silent().iter().map(|(manager, why)| format!("{}: {why}", names[*manager])).collect();
        LedgerError::NoMajority {
            answering,
            managers: names.len(),
            needed: self.majority(),
            silent: silent.join("; "),
        }
    }
}

impl<R: WriteRegisters> Ledger<R> {
    /// What is decided, for a writer that goes on from there. What managers that do not answer may have decided is decided
    /// first.
    ///
    /// # Errors
    ///
    /// As [`Self::read`]; or only a newer program may write there.
    pub async fn read_to_write(&self, stream: &Stream) -> Result<Log, LedgerError> {
        loop {
            let log = self.read(stream).await?;
            log.check_write(stream)?;
            if log.kept.is_empty() {
                return Ok(log);
            }
            for (seq, text) in &log.kept {
                self.decide(stream, *seq, text.clone(), *seq).await?;
            }
        }
    }

    /// Puts a value into a place unless another is there. Asked again with the same value, it wins again.
    ///
    /// The caller has looked at the stream with [`Self::read_to_write`], or holds the lock under which that was done.
    pub async fn append(&self, stream: &Stream, seq: u64, value: &Value) -> Result<Appended, LedgerError> {
        let decided = self.decide(stream, seq, value.pack(), 0).await?;
        let decided = Value::unpack(&decided).map_err(|why| why.at(stream, seq))?;
        Ok(if decided.id == value.id { Appended::Won } else { Appended::Lost(decided) })
    }

    /// What a place holds in the end: this, unless another value is there. Places from `judged_from` on are looked at to see
    /// whether others have changed the managers: one that was read was judged then with the newest one, and what lies
    /// before it may have been written several changes ago.
    async fn decide(
        &self,
        stream: &Stream,
        seq: u64,
        ours: String,
        judged_from: u64,
    ) -> Result<String, LedgerError> {
        let rounds = self.rounds(stream, seq, ours, judged_from);
        timeout(self.limits.append, rounds).await.unwrap_or_else(|_| Err(self.late(stream, seq)))
    }

    /// Settles every incomplete place, so that all of the stream is decided: with what a manager still shows there, which may
    /// be the last copy of what was decided before the others lost it. A lease that was half taken is given to no process.
    pub async fn settle(
        &self,
        stream: &Stream,
        log: &Log,
        nothing: impl FnMut() -> Value,
    ) -> Result<(), LedgerError> {
        self.settle_places(stream, log, &log.undecided, nothing).await
    }

    /// The same for some of the places.
    pub async fn settle_places(
        &self,
        stream: &Stream,
        log: &Log,
        places: &BTreeSet<u64>,
        mut nothing: impl FnMut() -> Value,
    ) -> Result<(), LedgerError> {
        for seq in places {
            let shown = || log.shown(*seq).filter(|_| stream.kind != Kind::Lease);
            let ours = log.kept.get(seq).cloned().or_else(|| Some(self.under_ours(shown()?.to_owned())));
            self.decide(stream, *seq, ours.unwrap_or_else(|| nothing().pack()), *seq).await?;
        }
        Ok(())
    }

    /// Reads a stream to its end, after settling incomplete places with a value that says nothing.
    ///
    /// # Errors
    ///
    /// As [`Self::read_to_write`], or an incomplete place cannot be settled.
    pub async fn read_settled(&self, stream: &Stream) -> Result<Log, LedgerError> {
        loop {
            let log = self.read_to_write(stream).await?;
            if log.undecided.is_empty() {
                return Ok(log);
            }
            self.settle(stream, &log, || value(&self.registers, serde_json::Value::Null)).await?;
        }
    }

    /// Gives managers that answered what they lack of what is decided.
    pub async fn replicate(&self, stream: &Stream, log: &Log) -> usize {
        let mut mended = 0;
        for (manager, place, entry) in log.lacking() {
            let content = Some(entry.text.clone());
            let create = self.registers.create(manager, stream, place, &content);
            mended += usize::from(self.asked(manager, create).await.1.is_some());
        }
        mended
    }

    /// Removes what lies further behind the last decided place than is kept.
    pub async fn trim(&self, stream: &Stream, log: &Log) {
        self.trim_before(stream, log, 0).await;
    }

    /// The same; and what lies before a place of which the stream itself says that nothing before it counts.
    pub async fn trim_before(&self, stream: &Stream, log: &Log, first: u64) {
        let Some((last, _)) = log.last() else { return };
        let is_old = |place: &Place| {
            place.seq < first.min(last) || place.seq.saturating_add(stream.kind.kept()) < last
        };
        let old = log.registers.keys().filter(|(_, place)| is_old(place));
        let mut removals: FuturesUnordered<_> = old
            .map(|(manager, place)| self.asked(*manager, self.registers.remove(*manager, stream, *place)))
            .collect();
        while removals.next().await.is_some() {}
    }

    async fn rounds(
        &self,
        stream: &Stream,
        seq: u64,
        ours: String,
        judged_from: u64,
    ) -> Result<String, LedgerError> {
        let (all, majority) = (self.registers.managers().len(), self.majority());
        let mut known: Vec<BTreeMap<u32, Content>> = vec![BTreeMap::new(); all];
        let first = {
            let silent = self.silent();
            (0..all).find(|manager| !silent.contains_key(manager)).unwrap_or(0)
        };
        let mut round = u32::try_from(first).expect("few managers");
        // A majority, unless it shows values of writers with other managers.
        let mut enough = majority;
        loop {
            let arbiter = round as usize % all;
            let place = Place { seq, round };
            let seen = match self.close(stream, place, enough, &mut known).await {
                Ok(seen) => seen,
                Err(LedgerError::ManagersDiffer { .. }) if enough < all => {
                    enough = all;
                    continue;
                }
                Err(differ @ LedgerError::ManagersDiffer { .. }) => return Err(differ),
                Err(_) => {
                    // A reader finds out at once that there is no majority. Here some requests may have been
                    // lost; the append's own time limit ends the attempts.
                    sleep(self.limits.pause * 4).await;
                    continue;
                }
            };
            let candidate = Some(seen.map_or_else(|| ours.clone(), |seen| self.under_ours(seen)));
            let create = self.registers.create(arbiter, stream, place, &candidate);
            if let (_, Some(content)) = self.asked(arbiter, create).await {
                known[arbiter].insert(round, content.clone());
                if let Some(value) = content
                    && self.spread(stream, place, (arbiter, &value), judged_from).await? >= majority
                {
                    return Ok(value);
                }
            }
            round += 1;
            if round as usize % all == first {
                sleep(self.limits.pause * round.min(16)).await;
            }
        }
    }

    /// Closes every round before this one on a majority; the value of the highest in which there is one.
    async fn close(
        &self,
        stream: &Stream,
        place: Place,
        enough: usize,
        known: &mut [BTreeMap<u32, Content>],
    ) -> Result<Option<String>, LedgerError> {
        if place.round == 0 {
            return Ok(None);
        }
        let majority = self.majority();
        let closing = known.iter().enumerate().map(|(manager, known)| {
            let missing: Vec<u32> = (0..place.round).filter(|round| !known.contains_key(round)).collect();
            let close = async move {
                let mut found = BTreeMap::new();
                for round in missing {
                    let place = Place { round, ..place };
                    found.insert(round, self.registers.create(manager, stream, place, &None).await?);
                }
                Ok(found)
            };
            self.asked(manager, close)
        });
        let closed = some(closing, enough, Duration::ZERO).await;
        if closed.len() < majority {
            return Err(self.no_majority(closed.len()));
        }
        for (manager, found) in closed {
            known[manager].extend(found);
        }
        let contents = known.iter().flatten().filter(|(round, _)| **round < place.round);
        let highest = contents.filter(|(_, content)| content.is_some()).map(|(round, _)| *round).max();
        match highest {
            None => Ok(None),
            Some(round) => self.value_of(stream, Place { round, ..place }, known).map(Some),
        }
    }

    /// The same value, as brought into a round by a writer with our managers: which sets may have decided one of two values is
    /// judged by what these say.
    fn under_ours(&self, text: String) -> String {
        match Value::unpack(&text) {
            Ok(value) if value.managers != self.registers.managers() && value.format != Format::FIRST => {
                Value { managers: self.registers.managers().to_vec(), ..value }.pack()
            }
            Ok(_) | Err(_) => text,
        }
    }

    /// The value of a round in which there is one: the only one there, or the only one that a majority can hold.
    fn value_of(
        &self,
        stream: &Stream,
        place: Place,
        known: &[BTreeMap<u32, Content>],
    ) -> Result<String, LedgerError> {
        let ours = self.registers.managers();
        let mut sets = BTreeSet::from([ours.to_vec()]);
        // By the value's id: the same value may be there under two sets.
        let mut holders: Vec<(String, &String, BTreeSet<&String>)> = Vec::new();
        for (name, known) in ours.iter().zip(known) {
            let Some(Some(text)) = known.get(&place.round) else { continue };
            let id = match Value::unpack(text) {
                Ok(Value { id, managers, .. }) => {
                    sets.insert(managers);
                    id
                }
                Err(_) => text.clone(),
            };
            match holders.iter_mut().find(|(of, ..)| *of == id) {
                Some((_, _, by)) => drop(by.insert(name)),
                None => holders.push((id, text, BTreeSet::from([name]))),
            }
        }
        let first = holders.first().expect("there is a value in this round").1;
        if holders.len() == 1 || sets.len() < 2 {
            // Two values of one set: a manager has lost a register, and was given another value since.
            return Ok(first.clone());
        }
        let answers = |name: &String| {
            let at = ours.iter().position(|one| one == name);
            at.is_some_and(|at| known[at].contains_key(&place.round))
        };
        let may_be_decided = |(_, _, held): &&(String, &String, BTreeSet<&String>)| {
            let may_hold = |name: &&String| held.contains(*name) || !answers(name);
            sets.iter().any(|set| set.iter().filter(may_hold).count() > set.len() / 2)
        };
        let mut possible = holders.iter().filter(may_be_decided).map(|(_, text, _)| *text);
        match (possible.next(), possible.next()) {
            (Some(_), Some(_)) => {
                let sets: Vec<String> = sets.iter().map(|set| set.join(", ")).collect();
                let (stream, seq) = (stream.to_string(), place.seq);
                Err(LedgerError::ManagersDiffer { stream, seq, sets: sets.join("; and with ") })
            }
            (only, _) => Ok(only.unwrap_or(first).clone()),
        }
    }

    /// Tells the others the value of a round; how many hold it. Looks at the same time whether the stream
    /// has gone on so far that the place may have been removed.
    async fn spread(
        &self,
        stream: &Stream,
        place: Place,
        (arbiter, value): (usize, &str),
        judged_from: u64,
    ) -> Result<usize, LedgerError> {
        let content = Some(value.to_owned());
        let (all, majority) = (self.registers.managers().len(), self.majority());
        let others = (0..all).filter(|manager| *manager != arbiter).map(|manager| {
            let create = self.registers.create(manager, stream, place, &content);
            self.asked(manager, create)
        });
        let ends =
            (0..all).map(|manager| async move { (manager, self.registers.list(manager, stream).await.ok()) });
        let (held, mut ends) =
            tokio::join!(some(others, majority - 1, self.limits.grace), some(ends, majority, Duration::ZERO));
        let names = self.registers.managers();
        let limit = place.seq.saturating_add(stream.kind.kept());
        if ends.len() < all && Reach::of(&ends, names).end() > limit {
            // One that was not waited for may show that nothing is decided there.
            ends = self.ask_all(|manager| self.registers.list(manager, stream)).await.unwrap_or(ends);
        }
        if ends.len() < majority {
            return Ok(0);
        }
        let reach = Reach::of(&ends, names);
        reach.check(stream)?;
        if reach.end() > limit {
            return Err(LedgerError::Overtaken { stream: stream.to_string() });
        }
        // Since it was read, others may have changed the managers twice.
        let judged = judged_from..=limit;
        let found = ends.into_values().flatten().filter(|found| judged.contains(&found.place.seq));
        let values = found.filter_map(|found| Some((found.place, found.content?)));
        if let Some((_, text)) = values.filter(|(_, text)| text != value).max() {
            self.check_managers_of(stream, &text)?;
        }
        Ok(1 + held.values().filter(|held| held.as_deref() == Some(value)).count())
    }

    fn late(&self, stream: &Stream, seq: u64) -> LedgerError {
        let LedgerError::NoMajority { silent, .. } = self.no_majority(0) else { unreachable!() };
        LedgerError::Late {
            stream: stream.to_string(),
            seq,
            seconds: self.limits.append.as_secs(),
            silent: if silent.is_empty() { silent } else { format!(": {silent}") },
        }
    }
}

/// Answers, until all are there, or `enough` and a moment more.
async fn some<T>(
    asked: impl Iterator<Item = impl Future<Output = (usize, Option<T>)>>,
    enough: usize,
    grace: Duration,
) -> BTreeMap<usize, T> {
    let mut asked: FuturesUnordered<_> = asked.collect();
    let mut answers = BTreeMap::new();
    while answers.len() < enough {
        match asked.next().await {
            Some((manager, answer)) => answers.extend(answer.map(|answer| (manager, answer))),
            None => return answers,
        }
    }
    let rest = async {
        while let Some((manager, answer)) = asked.next().await {
            answers.extend(answer.map(|answer| (manager, answer)));
        }
    };
    // Those that are late are not missed: a majority is there.
    let _ = timeout(grace, rest).await;
    answers
}

#[cfg(test)]
mod tests;
