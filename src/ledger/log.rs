//! The state of a stream, put together from what the managers hold: what is decided, and what may still be.

use std::collections::{BTreeMap, BTreeSet};

use super::LedgerError;
use super::payload::{NotRead, Value};
use super::register::{Found, Place, Stream};
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
    /// Every register seen, by manager.
    pub(super) registers: BTreeMap<(usize, Place), Option<String>>,
}

/// A decided place.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    pub value: Value,
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
        Self { text: value.pack(), value, round: 0, copies: Vec::new() }
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

    /// # Errors
    ///
    /// Only a newer program may write into this stream.
    pub fn check_write(&self, stream: &Stream) -> Result<(), LedgerError> {
        for (seq, entry) in &self.entries {
            entry.value.format.check_write().map_err(|why| NotRead::TooOld(why).at(stream, *seq))?;
        }
        Ok(())
    }

    /// Reads what managers hold. A value is decided if a majority of all managers holds it in one round: the same text, to
    /// the letter. Writers with two sets of managers have two arbiters, and one round may hold two values then.
    pub(super) fn of(
        stream: &Stream,
        answers: BTreeMap<usize, Vec<Found>>,
        majority: usize,
    ) -> Result<Self, LedgerError> {
        let mut log = Self { answered: answers.keys().copied().collect(), ..Self::default() };
        let mut holders: BTreeMap<(Place, String), Vec<(usize, Timestamp)>> = BTreeMap::new();
        for (manager, found) in answers {
            for register in found {
                if let Some(text) = &register.content {
                    let copies = holders.entry((register.place, text.clone())).or_default();
                    copies.push((manager, register.created));
                }
                log.undecided.insert(register.place.seq);
                log.registers.insert((manager, register.place), register.content);
            }
        }
        holders.retain(|_, copies| copies.len() >= majority);
        let end = holders.keys().map(|(place, _)| place.seq).max();
        for ((Place { seq, round }, text), copies) in holders {
            let value = Value::unpack(&text).map_err(|why| why.at(stream, seq))?;
            log.undecided.remove(&seq);
            log.entries.insert(seq, Entry { value, text, round, copies });
        }
        log.keep_plausible(stream, end);
        Ok(log)
    }

    /// What lies far from the last decided place is not believed.
    ///
    /// - Behind: it is not needed any more, and is trimmed with the rest. A late request may have filled a place again after
    ///   it was trimmed.
    /// - Ahead: a writer takes the place after the last one, and settles what is open before it. A register further ahead was
    ///   made by no writer of ours, and would have all that is decided look as if it were trimmed.
    ///
    /// Where nothing is decided, all of it may be what was, on managers that lost the rest.
    fn keep_plausible(&mut self, stream: &Stream, decided: Option<u64>) {
        let kept = stream.kind.kept();
        if let Some(decided) = decided {
            let ahead = decided.saturating_add(kept);
            self.registers.retain(|(_, place), _| place.seq <= ahead);
            self.undecided.retain(|seq| *seq <= ahead);
        }
        let end = decided.unwrap_or_else(|| self.end());
        self.undecided.retain(|seq| seq.saturating_add(kept) >= end);
        self.entries.retain(|seq, _| seq.saturating_add(kept) >= end);
    }
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
        Log::of(&stream, answers.into_iter().enumerate().collect(), 2).unwrap()
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
