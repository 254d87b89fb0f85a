//! The state of a stream, put together from what the managers hold: what is decided, and what may still be.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::LedgerError;
use super::payload::{NotRead, Value};
use super::register::{Found, Place, Stream};
use super::unpacked::Unpacked;
use crate::model::Timestamp;

/// A stream as a majority of the managers shows it.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Log {
    /// What is decided, by place.
    pub entries: BTreeMap<u64, Entry>,
    /// Places that have been begun and are not decided as far as can be seen. Never guessed at: a writer
    /// settles them, a reader reports them.
    pub undecided: BTreeSet<u64>,
    /// Managers that answered.
    pub answered: BTreeSet<usize>,
    /// Values of undecided places that may be decided by managers which do not answer here: who settles such a place
    /// proposes that value, and no other.
    pub(super) kept: BTreeMap<u64, String>,
    /// Places behind the last decided one in which too few managers hold a value, and those that do. While a writer is at
    /// work there is one such place, and for a moment.
    pub alone: BTreeMap<u64, BTreeSet<usize>>,
    /// Every register seen, by manager.
    pub(super) registers: BTreeMap<(usize, Place), Option<String>>,
    /// How many managers did not answer, and how many are a majority.
    pub(super) silent: usize,
    pub(super) majority: usize,
}

/// A decided place.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    pub value: Arc<Value>,
    /// The value as it was written: copies must be equal to the letter.
    pub(super) text: String,
    /// The round in which a majority holds it.
    pub round: u32,
    /// Managers that hold it, and since when by their own clocks.
    pub copies: Vec<(usize, Timestamp)>,
}

impl Entry {
    /// When it was written, by the earliest of the backend's clocks. Etcd reports no time: its entries look
    /// as if made at time zero.
    #[must_use]
    pub fn written(&self) -> Option<Timestamp> {
        self.copies.iter().map(|(_, at)| *at).filter(|at| at.0 > 0).min()
    }

    /// An entry without holders, for tests.
    #[cfg(test)]
    pub(super) fn of(value: Value) -> Self {
        Self { text: value.pack(), value: Arc::new(value), round: 0, copies: Vec::new() }
    }
}

impl Log {
    /// The last decided place.
    #[must_use]
    pub fn last(&self) -> Option<(u64, &Entry)> {
        self.entries.last_key_value().map(|(seq, entry)| (*seq, entry))
    }

    /// The place after the last one in use.
    #[must_use]
    pub fn next(&self) -> u64 {
        self.end().saturating_add(1)
    }

    /// The last place in use; 0 if there is none.
    pub(super) fn end(&self) -> u64 {
        self.registers.keys().map(|(_, place)| place.seq).max().unwrap_or(0)
    }

    /// The newest value that is there, decided or not.
    pub(super) fn newest_text(&self) -> Option<&str> {
        let written = self.registers.iter().filter_map(|((_, place), text)| Some((place, text.as_deref()?)));
        written.max_by_key(|(place, _)| **place).map(|(_, text)| text)
    }

    /// Whether any manager shows a value at a place, decided or not.
    #[must_use]
    pub fn is_shown(&self, seq: u64) -> bool {
        self.shown(seq).is_some()
    }

    /// Whether a place may hold a value: one is shown, or managers that do not answer may have it.
    #[must_use]
    pub(super) fn may_hold_any(&self, seq: u64) -> bool {
        self.silent > 0 || self.is_shown(seq)
    }

    /// The value that is there at a place, decided or not: of the last round that has one.
    pub(super) fn shown(&self, seq: u64) -> Option<&str> {
        let there = self.registers.iter().filter(|((_, place), _)| place.seq == seq);
        let values = there.filter_map(|((_, place), text)| Some((place.round, text.as_deref()?)));
        values.max_by_key(|(round, _)| *round).map(|(_, text)| text)
    }

    /// The managers under which it was written.
    #[must_use]
    pub fn newest_managers(&self) -> Option<Vec<String>> {
        Some(Value::unpack(self.newest_text()?).ok()?.managers)
    }

    /// What managers that answered lack of what is decided: nothing is in the register that decides there. The one rule by
    /// which it is found, named and [copied](super::Ledger::replicate).
    pub fn lacking(&self) -> impl Iterator<Item = (usize, Place, &Entry)> {
        self.entries.iter().flat_map(move |(&seq, entry)| {
            let place = Place { seq, round: entry.round };
            let lacks = move |manager: &usize| !self.registers.contains_key(&(*manager, place));
            self.answered.iter().copied().filter(lacks).map(move |manager| (manager, place, entry))
        })
    }

    /// Managers that hold another value in the register that decides, and in so many places. Nothing can be copied there.
    #[must_use]
    pub fn differing(&self) -> BTreeMap<usize, usize> {
        let mut all = BTreeMap::new();
        for (&seq, entry) in &self.entries {
            let place = Place { seq, round: entry.round };
            for &manager in &self.answered {
                let there = self.registers.get(&(manager, place)).and_then(Option::as_deref);
                if there.is_some_and(|text| text != entry.text) {
                    *all.entry(manager).or_default() += 1;
                }
            }
        }
        all
    }

    /// Whether managers that do not answer may have decided what is not seen to be decided.
    #[must_use]
    pub fn may_go_on(&self) -> bool {
        !self.kept.is_empty()
    }

    /// The first undecided place that a majority of so many managers may hold, since some of them do not answer.
    #[must_use]
    pub fn may_be_decided(&self, managers: usize) -> Option<u64> {
        let silent = managers - self.answered.len();
        let mut holders: BTreeMap<(Place, &str), usize> = BTreeMap::new();
        let open = self.registers.iter().filter(|((_, place), _)| self.undecided.contains(&place.seq));
        for ((_, place), text) in open {
            if let Some(text) = text {
                *holders.entry((*place, text)).or_default() += 1;
            }
        }
        let mut may = holders.iter().filter(|(_, held)| **held + silent > managers / 2);
        may.next().map(|((place, _), _)| place.seq)
    }

    /// Whether a majority may hold such a value at a place: what was decided there once is gone, if not.
    pub(super) fn may_hold(&self, seq: u64, is_it: impl Fn(&str) -> bool) -> bool {
        let there = self.registers.iter().filter(|((_, place), _)| place.seq == seq);
        let holders = there.filter(|(_, content)| content.as_deref().is_some_and(&is_it));
        let holders: BTreeSet<usize> = holders.map(|((manager, _), _)| *manager).collect();
        holders.len() + self.silent >= self.majority
    }

    /// # Errors
    ///
    /// Only a newer program may write into this stream.
    pub fn check_write(&self, stream: &Stream) -> Result<(), LedgerError> {
        for (seq, entry) in &self.entries {
            entry.value.format.check_write().map_err(|why| NotRead::TooOld(why).at(stream, *seq))?;
        }
        Ok(())
    }

    /// Reads what managers hold; these are the names of all of them. A value is decided if a majority of them holds it in one
    /// round: the same text, to the letter. Writers with two sets of managers have two arbiters, and one round may hold two
    /// values then.
    pub(super) fn of(
        stream: &Stream,
        answers: BTreeMap<usize, Vec<Found>>,
        names: &[String],
    ) -> Result<Self, LedgerError> {
        Self::of_known(stream, answers, names, &Unpacked::default())
    }

    /// The same, where values may have been unpacked before.
    pub(super) fn of_known(
        stream: &Stream,
        answers: BTreeMap<usize, Vec<Found>>,
        names: &[String],
        unpacked: &Unpacked,
    ) -> Result<Self, LedgerError> {
        let reach = Reach::of(&answers, names);
        reach.check(stream)?;
        let majority = names.len() / 2 + 1;
        let (answered, silent) = (answers.keys().copied().collect(), names.len() - answers.len());
        let mut log = Self { answered, silent, majority, ..Self::default() };
        let mut holders: BTreeMap<(Place, String), Vec<(usize, Timestamp)>> = BTreeMap::new();
        let decided = reach.decided.unwrap_or(0);
        for (manager, found) in answers {
            for register in found {
                if let Some(text) = &register.content {
                    let copies = holders.entry((register.place, text.clone())).or_default();
                    copies.push((manager, register.created));
                    if register.place.seq > decided {
                        log.alone.entry(register.place.seq).or_default().insert(manager);
                    }
                }
                log.undecided.insert(register.place.seq);
                log.registers.insert((manager, register.place), register.content);
            }
        }
        for ((place @ Place { seq, round }, text), copies) in holders {
            if copies.len() >= majority {
                let value = unpacked.value(&text).map_err(|why| why.at(stream, seq))?;
                log.undecided.remove(&seq);
                log.entries.insert(seq, Entry { value, text, round, copies });
            } else if reach.is_to_be_kept(stream, place, &text, copies.len()) {
                log.kept.insert(seq, text);
            }
        }
        log.keep_plausible(stream, &reach);
        Ok(log)
    }

    /// What lies far from the last place that is decided, or may be, is not believed.
    ///
    /// - Behind: it is not needed any more, and is trimmed with the rest. A late request may have filled a place again after
    ///   it was trimmed.
    /// - Ahead: a writer takes the place after the last one, and settles what is open before it. A register further ahead was
    ///   made by no writer of ours, and would have all that is decided look as if it were trimmed.
    ///
    /// What is decided stays to be read until what may be decided far ahead of it is settled.
    fn keep_plausible(&mut self, stream: &Stream, reach: &Reach<'_>) {
        let kept = stream.kind.kept();
        let end = reach.end();
        let ahead = end.saturating_add(kept);
        self.registers.retain(|(_, place), _| place.seq <= ahead);
        self.undecided.retain(|seq| *seq <= ahead && seq.saturating_add(kept) >= end);
        let decided = reach.decided.unwrap_or(end);
        self.entries.retain(|seq, _| seq.saturating_add(kept) >= decided);
        let (entries, undecided) = (&self.entries, &self.undecided);
        self.kept.retain(|seq, _| undecided.contains(seq) && !entries.contains_key(seq));
    }
}

/// How far a stream has come. The one rule by which readers and writers judge a place that lies far ahead.
#[derive(Debug)]
pub(super) struct Reach<'a> {
    names: &'a [String],
    answered: BTreeSet<usize>,
    /// The last place that is decided.
    pub decided: Option<u64>,
    /// The last one behind it that may be: managers that do not answer here may hold what is missing from a majority. Where
    /// nothing is decided, the last one with a value: all may be what was, on managers that lost the rest.
    pub possible: Option<u64>,
    /// Who shows the last of these.
    shown_by: Vec<usize>,
}

/// More places than any stream comes to. Names of registers are sorted as long as they have ten digits.
const PLACE_MAX: u64 = 9_999_999_999;

impl<'a> Reach<'a> {
    /// What the managers that answer show; these are the names of all of them.
    pub fn of(answers: &BTreeMap<usize, Vec<Found>>, names: &'a [String]) -> Self {
        let mut holders: BTreeMap<(Place, &str), Vec<usize>> = BTreeMap::new();
        for (manager, found) in answers {
            let values = found.iter().filter_map(|found| Some((found.place, found.content.as_deref()?)));
            for value in values {
                holders.entry(value).or_default().push(*manager);
            }
        }
        let answered = answers.keys().copied().collect();
        let mut reach = Self { names, answered, decided: None, possible: None, shown_by: Vec::new() };
        let majority = names.len() / 2 + 1;
        let decided = holders.iter().rev().find(|(_, managers)| managers.len() >= majority);
        reach.decided = decided.map(|((place, _), _)| place.seq);
        let may_be = |((place, text), managers): &(&(Place, &str), &Vec<usize>)| match reach.decided {
            None => true,
            Some(decided) => place.seq > decided && reach.may_be_decided(text, managers.len()),
        };
        let possible = holders.iter().rev().find(may_be);
        let shown_by = possible.or(decided).map(|(_, managers)| managers.clone()).unwrap_or_default();
        reach.possible = possible.map(|((place, _), _)| place.seq);
        reach.shown_by = shown_by;
        reach
    }

    /// The last place that is decided or may be; 0 if there is none.
    pub fn end(&self) -> u64 {
        self.possible.or(self.decided).unwrap_or(0)
    }

    /// # Errors
    ///
    /// A manager shows a place to which no stream comes.
    pub fn check(&self, stream: &Stream) -> Result<(), LedgerError> {
        let seq = self.end();
        if seq <= PLACE_MAX {
            return Ok(());
        }
        let managers: Vec<&str> =
            self.shown_by.iter().filter_map(|manager| Some(self.names.get(*manager)?.as_str())).collect();
        Err(LedgerError::FarPlace { stream: stream.to_string(), seq, managers: managers.join(", ") })
    }

    /// Whether a majority may hold a value of which so many of those that answer have a copy: of our managers, or of those
    /// under which it was written.
    fn may_be_decided(&self, text: &str, held: usize) -> bool {
        let silent = self.names.len() - self.answered.len();
        if held + silent > self.names.len() / 2 {
            return true;
        }
        let Ok(Value { managers, .. }) = Value::unpack(text) else { return false };
        let answers =
            |name: &String| self.answered.iter().any(|manager| self.names.get(*manager) == Some(name));
        let unseen = managers.iter().filter(|name| !answers(name)).count();
        !managers.is_empty() && held + unseen > managers.len() / 2
    }

    /// Whether a value that is not seen to be decided is not to be given way to another one: it lies so far ahead of what is
    /// decided that other managers must have gone on from there, or it was written under another set of managers, of which
    /// not all can be asked.
    fn is_to_be_kept(&self, stream: &Stream, place: Place, text: &str, held: usize) -> bool {
        let decided = self.decided.unwrap_or(0);
        let is_far = place.seq > decided.saturating_add(stream.kind.kept());
        let is_of_others =
            || Value::unpack(text).is_ok_and(|value| !is_same_set(&value.managers, self.names));
        place.seq > decided && self.may_be_decided(text, held) && (is_far || is_of_others())
    }
}

/// Managers are a set, whatever their order in a record.
pub(super) fn is_same_set(left: &[String], right: &[String]) -> bool {
    left.iter().collect::<BTreeSet<_>>() == right.iter().collect::<BTreeSet<_>>()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(seq: u64, round: u32, id: &str) -> Found {
        let value = Value {
            id: id.into(),
            managers: Vec::new(),
            format: crate::model::Format::CURRENT,
            data: serde_json::Value::Null,
        };
        Found { place: Place { seq, round }, content: Some(value.pack()), created: Timestamp(1) }
    }

    fn read(answers: [Vec<Found>; 3]) -> Log {
        let stream = Stream::new(crate::ledger::Kind::Lease, "shop");
        Log::of(&stream, answers.into_iter().enumerate().collect(), &names()).unwrap()
    }

    fn names() -> Vec<String> {
        ["1", "2", "3"].map(str::to_owned).into()
    }

    fn read_some(answers: &[(usize, Vec<Found>)]) -> Result<Log, LedgerError> {
        let stream = Stream::new(crate::ledger::Kind::Lease, "shop");
        Log::of(&stream, answers.iter().cloned().collect(), &names())
    }

    fn numbers(places: impl IntoIterator<Item = u64>) -> Vec<u64> {
        places.into_iter().collect()
    }

    #[test]
    fn two_values_in_one_round_are_two_and_neither_counts_for_the_other() {
        let log = read([vec![found(1, 0, "a")], vec![found(1, 0, "b")], vec![]]);
        assert_eq!((log.entries.len(), log.undecided.len()), (0, 1));
        let log = read([vec![found(1, 0, "a")], vec![found(1, 0, "b")], vec![found(1, 0, "b")]]);
        assert_eq!(log.entries[&1].value.id, "b");
        let managers: Vec<usize> = log.entries[&1].copies.iter().map(|(manager, _)| *manager).collect();
        assert_eq!(managers, [1, 2]);
    }

    #[test]
    fn one_manager_alone_hides_nothing_and_moves_no_writer() {
        let honest = || (1..=3).map(|seq| found(seq, 0, "a")).collect::<Vec<Found>>();
        let lie = [honest(), vec![found(900, 0, "x"), found(u64::MAX, 0, "x")]].concat();
        let log = read([honest(), honest(), lie]);
        assert_eq!(log.entries.keys().copied().collect::<Vec<u64>>(), [1, 2, 3]);
        assert_eq!((log.next(), log.undecided.len()), (4, 0));
        // A writer is ahead of what is decided by a few places at most.
        let log = read([honest(), [honest(), vec![found(4, 0, "b")]].concat(), honest()]);
        assert_eq!((log.next(), log.undecided.iter().copied().collect::<Vec<u64>>()), (5, vec![4]));
        // Where a majority has lost all of it, one that has it still is believed.
        let log = read([vec![], vec![], vec![found(40, 0, "a")]]);
        assert_eq!((log.next(), log.undecided.iter().copied().collect::<Vec<u64>>()), (41, vec![40]));
    }

    #[test]
    fn what_each_manager_lacks_has_otherwise_and_has_alone_is_known() {
        let places = |last: u64| (1..=last).map(|seq| found(seq, 0, "a")).collect::<Vec<Found>>();
        let other = vec![found(1, 0, "a"), found(2, 0, "b")];
        let closed = Found { content: None, ..found(3, 0, "a") };
        let log = read([places(5), places(3), [other, vec![closed]].concat()]);
        let places = log.lacking().map(|(manager, place, _)| (manager, place.seq));
        assert_eq!(places.collect::<Vec<_>>(), [], "a place that was closed takes nothing more");
        assert_eq!(log.differing(), [(2, 1)].into());
        let alone = BTreeSet::from([0]);
        assert_eq!(log.alone, [(4, alone.clone()), (5, alone)].into());
        // Decided in its second round, of which one manager has no register.
        let log = read([vec![found(1, 1, "a")], vec![found(1, 1, "a")], vec![found(1, 0, "a")]]);
        let places = log.lacking().map(|(manager, place, _)| (manager, place.round));
        assert_eq!((places.collect::<Vec<_>>(), log.alone.len()), (vec![(2, 1)], 0));
    }

    #[test]
    fn what_managers_that_are_silent_may_have_decided_is_open_and_not_dropped() {
        let places = |from: u64, to: u64| (from..=to).map(|seq| found(seq, 0, "a")).collect::<Vec<Found>>();
        // One was away while the other two went on, and is back; one of these is away now.
        let log = read_some(&[(1, places(1, 3)), (2, places(14, 20))]).unwrap();
        assert_eq!(numbers(log.entries.into_keys()), [] as [u64; 0]);
        let log = read_some(&[(1, places(1, 3)), (2, [places(1, 3), places(14, 20)].concat())]).unwrap();
        assert_eq!(numbers(log.entries.keys().copied()), [1, 2, 3], "what is decided can be read");
        assert_eq!(numbers(log.undecided.iter().copied()), numbers(14..=20));
        assert_eq!(numbers(log.kept.keys().copied()), numbers(14..=20));
        assert_eq!(log.next(), 21);
        // Where all answer, one alone has decided nothing.
        let all = [(0, places(1, 3)), (1, places(1, 3)), (2, [places(1, 3), places(14, 20)].concat())];
        assert_eq!(read_some(&all).unwrap().next(), 4);
    }

    #[test]
    fn a_place_to_which_no_stream_comes_is_named_and_one_without_a_value_is_not_there() {
        let lie = |content: Option<String>| Found { content, ..found(u64::MAX - 7, 0, "x") };
        let text = found(1, 0, "x").content;
        for others in [vec![], vec![found(1, 0, "a")]] {
            let shows = |content| [others.clone(), vec![lie(content)]].concat();
            let log = read_some(&[(0, others.clone()), (2, shows(None))]).unwrap();
            assert!(log.next() <= 2 && log.undecided.is_empty(), "{log:?}");
            let error = read_some(&[(0, others.clone()), (2, shows(text.clone()))]).unwrap_err();
            assert!(matches!(&error, LedgerError::FarPlace { managers, .. } if managers == "3"), "{error}");
        }
        // A manager that is the only one.
        let stream = Stream::new(crate::ledger::Kind::Lease, "shop");
        let alone = |found| Log::of(&stream, [(0, found)].into(), &["1".to_owned()]);
        assert_eq!(alone(vec![found(1, 0, "a"), lie(None)]).unwrap().next(), 2);
        let error = alone(vec![found(1, 0, "a"), lie(text.clone())]).unwrap_err();
        assert!(matches!(&error, LedgerError::FarPlace { managers, .. } if managers == "1"), "{error}");
    }

    #[test]
    fn an_entry_without_a_backend_time_has_no_date() {
        let value = Value {
            id: "a".into(),
            managers: Vec::new(),
            format: crate::model::Format::CURRENT,
            data: serde_json::Value::Null,
        };
        let of = |copies: &[i64]| {
            let copies = copies.iter().enumerate().map(|(at, ms)| (at, Timestamp(*ms))).collect();
            Entry { copies, ..Entry::of(value.clone()) }.written()
        };
        assert_eq!(of(&[0]), None);
        assert_eq!(of(&[9, 0, 7]), Some(Timestamp(7)));
        assert_eq!(of(&[]), None);
    }
}
