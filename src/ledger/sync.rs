//! Brings all records to every manager, and has each stream name the managers that there are now.
//!
//! A record names the managers under which it was written and is never written again. A stream into which nothing was written
//! since the managers changed is on the managers of then alone, and names them: the next change would leave it behind, and
//! is [refused](LedgerError::ManagersChanged). So a stream is copied whole, and is given a place that says nothing but the
//! managers of now. Done again, it writes nothing.

use std::collections::BTreeSet;

use super::archive::streams;
use super::contents;
use super::decide::{Appended, Ledger};
use super::document;
use super::error::LedgerError;
use super::log::{Log, is_same_set};
use super::payload::value;
use super::register::{Kind, ReadRegisters, Stream, WriteRegisters};
use super::release::{outcomes, releases};
use super::{configs, key, nodes, operation, secrets};
use crate::model::StackName;

/// How often a manager is asked that was slower than the others.
const LOOKS_MAX: u32 = 5;

/// Streams that name other managers than those of now, or of which a manager that answers lacks something; all of the
/// cluster's and of these stacks.
pub async fn behind<R: ReadRegisters>(
    ledger: &Ledger<R>,
    stacks: &BTreeSet<StackName>,
) -> Result<Vec<Stream>, LedgerError> {
    let mut all = Vec::new();
    for stream in streams(stacks) {
        let log = read(ledger, &stream).await?;
        if !names(&log, ledger.registers().managers()) || !is_everywhere(&log) {
            all.push(stream);
        }
    }
    Ok(all)
}

/// Whether all that is decided is on all managers, and all that there is before it is decided.
fn is_everywhere(log: &Log) -> bool {
    let last = log.last().map_or(0, |(seq, _)| seq);
    log.silent == 0
        && log.kept.is_empty()
        && log.undecided.iter().all(|seq| *seq > last)
        && log.lacking().next().is_none()
}

/// Whether the newest record of a stream names these managers. One without a record does.
#[must_use]
pub fn names(log: &Log, managers: &[String]) -> bool {
    log.newest_managers().is_none_or(|then| is_same_set(&then, managers))
}

/// All records of a stack but its lease, which the caller holds.
///
/// # Errors
///
/// They cannot be read or written, or a manager does not answer.
pub async fn stack<R: WriteRegisters>(
    ledger: &Ledger<R>,
    stack: &StackName,
    may: impl Fn() -> bool,
) -> Result<(), LedgerError> {
    let documents = [Kind::Settings, Kind::Volumes].map(|kind| Stream::new(kind, stack));
    for stream in &documents {
        document::repair(ledger, stream).await?;
    }
    mark_releases(ledger, stack).await?;
    let heals = operation::heals(stack);
    mark(ledger, &heals).await?;
    for stream in documents.iter().chain(&[releases(stack), outcomes(stack), heals]) {
        copy(ledger, stream).await?;
    }
    contents::tidy(ledger, stack, &may).await?;
    contents::mend(ledger, stack, may).await
}

/// What persons did.
///
/// # Errors
///
/// As of [`stack`].
pub async fn operations<R: WriteRegisters>(ledger: &Ledger<R>) -> Result<(), LedgerError> {
    mark(ledger, &operation::stream()).await?;
    copy(ledger, &operation::stream()).await
}

/// What is remembered of nodes.
///
/// # Errors
///
/// As of [`stack`].
pub async fn nodes<R: WriteRegisters>(ledger: &Ledger<R>) -> Result<(), LedgerError> {
    document::repair(ledger, &nodes::stream()).await?;
    copy(ledger, &nodes::stream()).await
}

/// The cluster's key, and its secrets and configs with what is in them. The caller holds their lease.
///
/// # Errors
///
/// As of [`stack`].
pub async fn vault<R: WriteRegisters>(ledger: &Ledger<R>, may: impl Fn() -> bool) -> Result<(), LedgerError> {
    for stream in [key::stream(), secrets::stream(), configs::stream()] {
        document::repair(ledger, &stream).await?;
        copy(ledger, &stream).await?;
    }
    secrets::tidy(ledger, &may).await?;
    secrets::mend(ledger, &may).await?;
    configs::tidy(ledger, &may).await?;
    configs::mend(ledger, may).await
}

/// An outcome has the number of its release: the place that says nothing has one number in both, behind all of both.
async fn mark_releases<R: WriteRegisters>(ledger: &Ledger<R>, stack: &StackName) -> Result<(), LedgerError> {
    let streams = [releases(stack), outcomes(stack)];
    let (releases, outcomes) =
        (ledger.read_settled(&streams[0]).await?, ledger.read_settled(&streams[1]).await?);
    let managers = ledger.registers().managers();
    if names(&releases, managers) && names(&outcomes, managers) {
        return Ok(());
    }
    let place = releases.next().max(outcomes.next());
    for stream in &streams {
        nothing(ledger, stream, place).await?;
    }
    Ok(())
}

async fn mark<R: WriteRegisters>(ledger: &Ledger<R>, stream: &Stream) -> Result<(), LedgerError> {
    let log = ledger.read_settled(stream).await?;
    if names(&log, ledger.registers().managers()) {
        return Ok(());
    }
    match nothing(ledger, stream, log.next()).await {
        // Another process has written there meanwhile, under managers of its own.
        Err(LedgerError::Overtaken { .. }) => Ok(()),
        done => done,
    }
}

/// A place that says nothing but who the managers are.
async fn nothing<R: WriteRegisters>(
    ledger: &Ledger<R>,
    stream: &Stream,
    place: u64,
) -> Result<(), LedgerError> {
    let ours = value(ledger.registers(), serde_json::Value::Null);
    match ledger.append(stream, place, &ours).await? {
        Appended::Won => Ok(()),
        Appended::Lost(_) => Err(LedgerError::Overtaken { stream: stream.to_string() }),
    }
}

/// Gives every manager what it lacks of a stream.
///
/// # Errors
///
/// A manager does not answer, or does not take it.
pub async fn copy<R: WriteRegisters>(ledger: &Ledger<R>, stream: &Stream) -> Result<(), LedgerError> {
    let log = read(ledger, stream).await?;
    ledger.replicate(stream, &log).await;
    let log = read(ledger, stream).await?;
    if is_everywhere(&log) { Ok(()) } else { Err(ledger.no_majority(log.answered.len())) }
}

/// Reads a stream from all managers.
async fn read<R: ReadRegisters>(ledger: &Ledger<R>, stream: &Stream) -> Result<Log, LedgerError> {
    let names = ledger.registers().managers();
    let mut log = ledger.read(stream).await?;
    for _ in 1..LOOKS_MAX {
        if log.answered.len() == names.len() {
            return Ok(log);
        }
        log = ledger.read(stream).await?;
    }
    let silent: Vec<&str> = (names.iter().enumerate())
        .filter(|(at, _)| !log.answered.contains(at))
        .map(|(_, name)| name.as_str())
        .collect();
    if silent.is_empty() {
        return Ok(log);
    }
    Err(LedgerError::NoMajority {
        answering: log.answered.len(),
        managers: names.len(),
        needed: names.len(),
        silent: format!("no answer from {}", silent.join(", ")),
    })
}

#[cfg(test)]
mod tests {
    use super::super::testing::Memory;
    use super::super::{Limits, payload};
    use super::*;

    fn shop() -> StackName {
        StackName::unchecked("shop")
    }

    async fn write(ledger: &Ledger<Memory>, stream: &Stream, seq: u64) {
        let value = payload::value(ledger.registers(), serde_json::json!({}));
        assert_eq!(ledger.append(stream, seq, &value).await.unwrap(), Appended::Won);
    }

    #[tokio::test]
    async fn from_one_manager_to_three_and_without_the_first_nothing_is_lost() {
        let memory = Memory::new(3);
        let of = |managers: &[usize]| Ledger::new(memory.only(managers), Limits::default());
        let streams = [releases(&shop()), outcomes(&shop()), operation::heals(&shop()), operation::stream()];
        for stream in &streams {
            for seq in 1..=3 {
                write(&of(&[0]), stream, seq).await;
            }
        }
        for managers in [&[0, 1][..], &[0, 1, 2], &[1, 2]] {
            let ledger = of(managers);
            super::stack(&ledger, &shop(), || true).await.unwrap();
            operations(&ledger).await.unwrap();
            let stacks = [shop()].into();
            assert_eq!(behind(&ledger, &stacks).await.unwrap(), [], "{managers:?}");
            for stream in &streams {
                let log = ledger.read(stream).await.unwrap();
                assert!((1..=3).all(|seq| log.entries.contains_key(&seq)), "{managers:?} {stream}");
                assert!(log.undecided.is_empty(), "{managers:?} {stream}");
            }
            let before = memory.world().registers.len();
            super::stack(&ledger, &shop(), || true).await.unwrap();
            operations(&ledger).await.unwrap();
            assert_eq!(memory.world().registers.len(), before, "the second time nothing is written");
        }
        // A release and its outcome go on with one number.
        let ledger = of(&[1, 2]);
        let last = ledger.read(&streams[0]).await.unwrap().next();
        assert_eq!(ledger.read(&streams[1]).await.unwrap().next(), last);
    }

    #[tokio::test]
    async fn a_place_that_an_only_manager_decided_is_decided_under_it_and_another() {
        let memory = Memory::new(3);
        let stream = releases(&shop());
        for managers in [&[0][..], &[0, 1], &[1], &[1, 2], &[2], &[0, 2], &[0]] {
            let ledger = Ledger::new(memory.only(managers), Limits::default());
            super::stack(&ledger, &shop(), || true).await.unwrap();
            assert_eq!(behind(&ledger, &[shop()].into()).await.unwrap(), [], "{managers:?}");
            let next = ledger.read(&stream).await.unwrap().next();
            write(&ledger, &stream, next).await;
        }
    }

    #[tokio::test]
    async fn a_manager_that_is_silent_is_no_copy() {
        let memory = Memory::new(3);
        let all = Ledger::new(memory.only(&[0, 1, 2]), Limits::default());
        write(&all, &operation::stream(), 1).await;
        operations(&all).await.unwrap();
        // A majority is enough to read and to write, and not to say that all have it.
        memory.world().silent.insert(2);
        let limits = Limits { append: std::time::Duration::from_millis(200), ..Limits::default() };
        let all = Ledger::new(all.registers().clone(), limits);
        assert!(operations(&all).await.unwrap_err().is_silence());
        assert!(behind(&all, &BTreeSet::new()).await.unwrap_err().is_silence());
    }
}
