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

    /// Reads what managers hold. A value is decided if a majority of all managers holds it in one round.
    pub(super) fn of(
        stream: &Stream,
        answers: BTreeMap<usize, Vec<Found>>,
        majority: usize,
    ) -> Result<Self, LedgerError> {
        let mut log = Self { answered: answers.keys().copied().collect(), ..Self::default() };
        // In one round there is one value at most, so that holders of any value can be counted together.
        let mut holders: BTreeMap<Place, (String, Vec<(usize, Timestamp)>)> = BTreeMap::new();
        for (manager, found) in answers {
            for register in found {
                if let Some(text) = &register.content {
                    let (_, copies) =
                        holders.entry(register.place).or_insert_with(|| (text.clone(), Vec::new()));
                    copies.push((manager, register.created));
                }
                log.undecided.insert(register.place.seq);
                log.registers.insert((manager, register.place), register.content);
            }
        }
        for (Place { seq, round }, (text, copies)) in holders {
            if copies.len() >= majority {
                let value = Value::unpack(&text).map_err(|why| why.at(stream, seq))?;
                log.undecided.remove(&seq);
                log.entries.insert(seq, Entry { value, text, round, copies });
            }
        }
        // A place behind all that is kept is not needed any more, and is trimmed with the rest. Nor can it be
        // trusted: a late request may have filled a place again after it was trimmed.
        let end = log.end();
        log.undecided.retain(|seq| seq.saturating_add(stream.kind.kept()) >= end);
        log.entries.retain(|seq, _| seq.saturating_add(stream.kind.kept()) >= end);
        Ok(log)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
