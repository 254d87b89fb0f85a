//! Whether a stream of records is whole: on all managers, decided, and written under the managers of now.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tokio::time::sleep;

use super::{Area, Check, Finding, Level, check};
use crate::ledger::register::{Kind, Stream};
use crate::ledger::{Ledger, LedgerError, Log, ReadRegisters, lease, sync};

/// Between two looks at a place that a process may be writing.
const LOOK_AGAIN: Duration = Duration::from_millis(150);
/// After so many looks it is not under way.
const LOOKS_MAX: u32 = 4;

/// What keeps a stream from being whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Gap {
    /// A place that no process has finished.
    Undecided {
        /// Of which records.
        stream: String,
        /// Its number.
        seq: u64,
    },
    /// A manager lacks records that the others have.
    Behind {
        /// Which.
        manager: String,
        /// Of which records.
        stream: String,
        /// How many.
        records: usize,
    },
    /// A manager holds other values where the others agree.
    Differs {
        /// Which.
        manager: String,
        /// Of which records.
        stream: String,
        /// How many.
        records: usize,
    },
    /// What too few managers hold to count lies behind all that is decided.
    Alone {
        /// Of which records.
        stream: String,
        /// The first number.
        first: u64,
        /// The last one.
        last: u64,
        /// Who holds them.
        managers: Vec<String>,
        /// How many hold the place that the fewest hold, of those that were decided once; of all if none was.
        fewest: usize,
        /// How many managers there are.
        of: usize,
        /// Whether they were decided once: no writer begins a second place before the first one is. The others lost them, or
        /// came back older.
        were_decided: bool,
    },
    /// Nothing was written since the managers changed: the next change would leave it behind.
    OtherManagers {
        /// Which records.
        stream: String,
        /// The managers of then.
        then: Vec<String>,
    },
}

/// Whether what so many of these managers hold counts once one of the others is no manager any more: those that lack it are
/// no majority then, and cannot decide otherwise.
#[must_use]
pub fn counts_with_one_fewer(holders: usize, managers: usize) -> bool {
    let rest = managers.saturating_sub(1);
    rest.saturating_sub(holders) < rest / 2 + 1
}

impl Gap {
    pub(super) fn level(&self) -> Level {
        match self {
            Self::Alone { were_decided: true, .. } => Level::Fault,
            Self::Undecided { .. }
            | Self::Behind { .. }
            | Self::Differs { .. }
            | Self::Alone { .. }
            | Self::OtherManagers { .. } => Level::Warning,
        }
    }
}

/// Of one stream, and the stream itself, if it can be read.
pub(super) async fn of_stream<R: ReadRegisters>(
    ledger: &Ledger<R>,
    stream: &Stream,
) -> (Vec<Check>, Option<Log>) {
    let log = match read(ledger, stream).await {
        Ok(log) => log,
        Err(error) => return (vec![check(Area::Records, &stream.of, Finding::Unreadable(error))], None),
    };
    let gaps = gaps(stream, &log, ledger.registers().managers());
    let found = gaps.into_iter().map(|gap| check(Area::Records, &stream.of, Finding::Gap(gap))).collect();
    (found, Some(log))
}

/// Of a lease: one that is held is renewed every few seconds, and only its managers are of interest.
pub(super) async fn of_lease<R: ReadRegisters>(ledger: &Ledger<R>, stream: &Stream) -> Vec<Check> {
    let (mut found, log) = of_stream(ledger, stream).await;
    let is_free = log.is_some_and(|log| matches!(lease::held(&log), Ok(None)));
    found.retain(|check| match &check.finding {
        Finding::Gap(Gap::OtherManagers { .. }) | Finding::Unreadable(_) => true,
        Finding::Gap(Gap::Behind { .. }) => is_free,
        _ => false,
    });
    found
}

/// Reads a stream, and looks again where a process may be writing: what stays is left.
async fn read<R: ReadRegisters>(ledger: &Ledger<R>, stream: &Stream) -> Result<Log, LedgerError> {
    let mut log = ledger.read(stream).await?;
    let mut stays = log.alone.clone();
    for _ in 1..LOOKS_MAX {
        if stays.is_empty() || stream.kind == Kind::Lease {
            break;
        }
        sleep(LOOK_AGAIN).await;
        log = ledger.read(stream).await?;
        stays.retain(|seq, _| log.alone.contains_key(seq));
    }
    log.alone = stays;
    Ok(log)
}

fn gaps(stream: &Stream, log: &Log, managers: &[String]) -> Vec<Gap> {
    let name = || stream.to_string();
    let manager = |at: usize| managers[at].clone();
    // Between a process's two looks at it a place may be under way: one that is behind others is not.
    let last = log.last().map_or(0, |(seq, _)| seq);
    let left = log.undecided.iter().filter(|seq| **seq < last);
    let mut found: Vec<Gap> = left.map(|seq| Gap::Undecided { stream: name(), seq: *seq }).collect();
    if !sync::names(log, managers) {
        let then = log.newest_managers().unwrap_or_default();
        found.push(Gap::OtherManagers { stream: name(), then });
        return found;
    }
    let mut lacking: BTreeMap<usize, usize> = BTreeMap::new();
    for (at, ..) in log.lacking() {
        *lacking.entry(at).or_default() += 1;
    }
    let behind = |(at, records)| Gap::Behind { manager: manager(at), stream: name(), records };
    found.extend(lacking.into_iter().map(behind));
    let differing = log.differing();
    // What was decided once was decided again since, and otherwise: it cannot be had back as a whole.
    let is_overwritten = !differing.is_empty();
    let differs = |(at, records)| Gap::Differs { manager: manager(at), stream: name(), records };
    found.extend(differing.into_iter().map(differs));
    // Managers that do not answer may hold them, too.
    let all_answer = log.answered.len() == managers.len();
    if let (Some(first), Some(last)) = (log.alone.keys().next(), log.alone.keys().next_back())
        && all_answer
        && !is_overwritten
    {
        let holders: BTreeSet<usize> = log.alone.values().flatten().copied().collect();
        // What only records what was done goes on behind a place that was left.
        let is_log = matches!(stream.kind, Kind::Operations | Kind::Heals);
        let were_decided = log.alone.len() > 1 && !is_log;
        found.push(Gap::Alone {
            stream: name(),
            first: *first,
            last: *last,
            managers: holders.into_iter().map(manager).collect(),
            fewest: fewest(&log.alone, were_decided),
            of: managers.len(),
            were_decided,
        });
    }
    found
}

/// How many hold the place that the fewest hold. The writer of the last one may have been cut off before it was decided.
fn fewest(alone: &BTreeMap<u64, BTreeSet<usize>>, were_decided: bool) -> usize {
    let counted = alone.len() - usize::from(were_decided);
    alone.values().take(counted).map(BTreeSet::len).min().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_that_may_never_have_been_decided_is_not_counted_with_those_that_were() {
        let alone: BTreeMap<u64, BTreeSet<usize>> = [(10, [0, 1].into()), (11, [0].into())].into();
        assert_eq!(fewest(&alone, true), 2);
        assert_eq!(fewest(&alone, false), 1, "both may be");
    }

    #[test]
    fn a_minority_counts_with_one_fewer_where_those_that_lack_it_are_no_majority() {
        let counts = |managers: usize| -> Vec<usize> {
            (1..=managers / 2).filter(|holders| counts_with_one_fewer(*holders, managers)).collect()
        };
        let all: Vec<_> = (2..=7).map(counts).collect();
        assert_eq!(all, [[1], [1], [2], [2], [3], [3]]);
    }
}
