//! What a look at the managers says about a stream: what is decided, and what may yet be.

use std::collections::{BTreeMap, BTreeSet};

use super::LedgerError;
use super::payload::Value;
use super::register::{Found, Place, Stream};
use crate::model::Timestamp;

/// A stream as a majority of the managers shows it.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Log {
    /// What is decided, by place.
    pub entries: BTreeMap<u64, Entry>,
    /// Places where somebody has begun to write and nothing is decided as far as can be seen. Never
    /// guessed at: a writer settles them, a reader says so.
    pub undecided: BTreeSet<u64>,
    /// Managers that answered.
    pub answered: BTreeSet<usize>,
    /// Every register seen, by manager.
    pub(super) registers: BTreeMap<(usize, Place), Option<String>>,
}

/// A decided place.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// Its value.
    pub value: Value,
    /// The value as it was written: copies must be equal to the letter.
    pub(super) text: String,
    /// The round in which a majority holds it.
    pub round: u32,
    /// Managers that hold it, and since when by their own clocks.
    pub copies: Vec<(usize, Timestamp)>,
}

impl Entry {
    /// When it was written, by the clock of the keeper that says so first.
    #[must_use]
    pub fn written(&self) -> Option<Timestamp> {
        self.copies.iter().map(|(_, at)| *at).min()
    }

    /// One that nobody holds, for tests.
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

    /// The place after the last one that anybody has touched.
    #[must_use]
    pub fn next(&self) -> u64 {
        self.end() + 1
    }

    /// The last place that anybody has touched; 0 if there is none.
    pub(super) fn end(&self) -> u64 {
        self.registers.keys().map(|(_, place)| place.seq).max().unwrap_or(0)
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
                let value = Value::unpack(&text).map_err(|detail| LedgerError::Unreadable {
                    stream: stream.to_string(),
                    seq,
                    detail,
                })?;
                log.undecided.remove(&seq);
                log.entries.insert(seq, Entry { value, text, round, copies });
            }
        }
        // What lies behind all that is kept is of no use to anybody, and trimmed with the rest. Nor is it to
        // be believed: a request that comes late may have filled a place anew that was trimmed.
        let end = log.end();
        log.undecided.retain(|seq| seq + stream.kind.kept() >= end);
        log.entries.retain(|seq, _| seq + stream.kind.kept() >= end);
        Ok(log)
    }
}
