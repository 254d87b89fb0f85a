//! A document that the cluster remembers: a stream whose newest place holds the whole document.
//!
//! Older places may be trimmed at any time. A writer reads, changes and appends at the next place; a writer
//! that loses that place reads again. An incomplete place is closed with what a manager shows there, which may be the last
//! copy of what was decided before the others lost it, or else with the previous content, so that the newest place is
//! always complete.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::decide::{Appended, Ledger};
use super::error::LedgerError;
use super::log::{Entry, Log, is_same_set};
use super::patience::read_decided;
use super::payload::{Value, value};
use super::register::{ReadRegisters, Stream, WriteRegisters};

/// What can be remembered so. Before anything is written it is the default.
pub trait Document: Default + Clone + PartialEq + Serialize + DeserializeOwned {}

impl<D: Default + Clone + PartialEq + Serialize + DeserializeOwned> Document for D {}

/// The newest place that says something.
fn newest(log: &Log) -> Option<(u64, &Entry)> {
    let mut written = log.entries.iter().rev().filter(|(_, entry)| !entry.value.data.is_null());
    written.next().map(|(seq, entry)| (*seq, entry))
}

/// The document in a stream as it was read; incomplete places are ignored.
pub fn document_in<D: Document>(log: &Log, stream: &Stream) -> Result<D, LedgerError> {
    let Some((seq, entry)) = newest(log) else { return Ok(D::default()) };
    D::deserialize(&entry.value.data).map_err(|error| LedgerError::Unreadable {
        stream: stream.to_string(),
        seq,
        detail: error.to_string(),
    })
}

/// A document is written as a whole: what this version does not know of it would be lost.
fn check_whole(log: &Log, stream: &Stream, known: &impl Document) -> Result<(), LedgerError> {
    let Some((seq, entry)) = newest(log) else { return Ok(()) };
    match unknown_part(&entry.value.data, &serde_json::json!(known)) {
        Some(what) => Err(LedgerError::UnknownPart { stream: stream.to_string(), seq, what }),
        None => Ok(()),
    }
}

/// The path of a part that is written and was not understood. An empty part says nothing, and is often left out.
fn unknown_part(written: &serde_json::Value, known: &serde_json::Value) -> Option<String> {
    use serde_json::Value::{Array, Object};
    let join = |key: String, rest: String| if rest.is_empty() { key } else { format!("{key}.{rest}") };
    match (written, known) {
        (Object(written), _) => written.iter().find_map(|(key, part)| match known.get(key) {
            Some(known) => unknown_part(part, known).map(|rest| join(key.clone(), rest)),
            None => (!says_nothing(part)).then(|| key.clone()),
        }),
        (Array(written), Array(known)) if written.len() == known.len() => {
            let mut parts = written.iter().zip(known).enumerate();
            parts.find_map(|(at, (part, known))| {
                unknown_part(part, known).map(|rest| join(at.to_string(), rest))
            })
        }
        // Another form of the same: a set is sorted, a number has another unit.
        _ => None,
    }
}

fn says_nothing(part: &serde_json::Value) -> bool {
    match part {
        serde_json::Value::Null | serde_json::Value::Bool(false) => true,
        serde_json::Value::Bool(true) => false,
        serde_json::Value::Number(number) => number.as_f64() == Some(0.0),
        serde_json::Value::String(text) => text.is_empty(),
        serde_json::Value::Array(list) => list.is_empty(),
        serde_json::Value::Object(fields) => fields.is_empty(),
    }
}

/// Places behind the newest that is decided; one of them may turn out to be the newest.
pub(super) fn in_doubt(log: &Log) -> Option<u64> {
    let last = log.last().map_or(0, |(seq, _)| seq);
    log.undecided.iter().copied().find(|seq| *seq > last)
}

/// Reads the document. Waits for a writer that is still running, and never guesses at an incomplete place.
pub async fn read<R: ReadRegisters, D: Document>(
    ledger: &Ledger<R>,
    stream: &Stream,
) -> Result<(Log, D), LedgerError> {
    let open = |log: &Log| Some((stream.clone(), in_doubt(log)?));
    let log = read_decided(|| ledger.read(stream), open).await?;
    let document = document_in(&log, stream)?;
    Ok((log, document))
}

/// Whether a place is incomplete that may turn out to be the newest.
///
/// # Errors
///
/// The stream cannot be read.
pub async fn is_open<R: ReadRegisters>(ledger: &Ledger<R>, stream: &Stream) -> Result<bool, LedgerError> {
    Ok(in_doubt(&ledger.read(stream).await?).is_some())
}

/// Settles incomplete places; whether other managers than those of now wrote the newest record. If none is incomplete,
/// only reads.
pub async fn settle<R: WriteRegisters>(ledger: &Ledger<R>, stream: &Stream) -> Result<bool, LedgerError> {
    let mut log = ledger.read_to_write(stream).await?;
    let is_others = is_of_others(ledger, &log);
    while let Some(place) = in_doubt(&log) {
        close(ledger, stream, &log, place).await?;
        log = ledger.read_to_write(stream).await?;
    }
    Ok(is_others)
}

/// Settles incomplete places. If the manager set has changed by one, also writes the document again under the
/// new set, so that the next change of managers is safe. In all other cases only reads.
pub async fn repair<R: WriteRegisters>(ledger: &Ledger<R>, stream: &Stream) -> Result<(), LedgerError> {
    loop {
        let log = ledger.read_to_write(stream).await?;
        match in_doubt(&log) {
            Some(place) => close(ledger, stream, &log, place).await?,
            None if is_of_others(ledger, &log) => {
                ledger.append(stream, log.next(), &again(ledger, &log)).await?;
                ledger.replicate(stream, &ledger.read(stream).await?).await;
            }
            None => return Ok(()),
        }
    }
}

fn is_of_others<R: ReadRegisters>(ledger: &Ledger<R>, log: &Log) -> bool {
    log.last().is_some_and(|(_, entry)| !is_same_set(&entry.value.managers, ledger.registers().managers()))
}

/// Settles an incomplete place.
async fn close<R: WriteRegisters>(
    ledger: &Ledger<R>,
    stream: &Stream,
    log: &Log,
    place: u64,
) -> Result<(), LedgerError> {
    ledger.settle_places(stream, log, &[place].into(), || again(ledger, log)).await?;
    ledger.replicate(stream, &ledger.read(stream).await?).await;
    Ok(())
}

/// The newest record for another place, as it stands where it is, with its format: a newer program may have written more
/// than this one knows of.
fn again<R: ReadRegisters>(ledger: &Ledger<R>, log: &Log) -> Value {
    match newest(log) {
        Some((_, entry)) => {
            Value { format: entry.value.format, ..value(ledger.registers(), entry.value.data.clone()) }
        }
        None => value(ledger.registers(), serde_json::Value::Null),
    }
}

/// Writes an empty document where there is none yet. One that is incomplete is left to who settles it.
///
/// # Errors
///
/// The ledger cannot be read or written.
pub(super) async fn begin<R: WriteRegisters, D: Document>(
    ledger: &Ledger<R>,
    stream: &Stream,
) -> Result<(), LedgerError> {
    let log = ledger.read_to_write(stream).await?;
    if newest(&log).is_some() || in_doubt(&log).is_some() {
        return Ok(());
    }
    let empty = value(ledger.registers(), serde_json::json!(D::default()));
    match ledger.append(stream, log.next(), &empty).await {
        Ok(_) | Err(LedgerError::Overtaken { .. }) => Ok(()),
        Err(error) => Err(error),
    }
}

/// The place of a document that is neither this nor empty, if there is one.
pub(super) async fn other_than<R: ReadRegisters>(
    ledger: &Ledger<R>,
    stream: &Stream,
    kept: Option<&serde_json::Value>,
) -> Result<Option<u64>, LedgerError> {
    let log = ledger.read(stream).await?;
    let there = newest(&log).filter(|(_, entry)| Some(&entry.value.data) != kept);
    Ok(there.filter(|(_, entry)| !says_nothing(&entry.value.data)).map(|(seq, _)| seq))
}

/// Writes a document as it was kept elsewhere, at its place or behind what is there, where there is none, or an empty one;
/// otherwise the place of what is there. Nothing is written where it stands already. What a minority of managers still shows
/// is decided again if it is of that place or a later one: before, what was kept is newer.
///
/// # Errors
///
/// The ledger cannot be read or written.
pub(super) async fn put_back<R: WriteRegisters>(
    ledger: &Ledger<R>,
    stream: &Stream,
    (place, kept): (u64, &Value),
) -> Result<Result<(), u64>, LedgerError> {
    loop {
        let log = ledger.read_to_write(stream).await?;
        match newest(&log) {
            Some((_, entry)) if entry.value.data == kept.data => return Ok(Ok(())),
            Some((seq, entry)) if !says_nothing(&entry.value.data) => return Ok(Err(seq)),
            Some(_) | None => {}
        }
        if log.undecided.range(place..).any(|seq| log.is_shown(*seq)) {
            settle(ledger, stream).await?;
            return Ok(Ok(()));
        }
        let ours = Value { managers: ledger.registers().managers().to_vec(), ..kept.clone() };
        match ledger.append(stream, log.next().max(place), &ours).await {
            Ok(Appended::Won) => {
                ledger.replicate(stream, &ledger.read(stream).await?).await;
                return Ok(Ok(()));
            }
            Ok(Appended::Lost(_)) | Err(LedgerError::Overtaken { .. }) => {}
            Err(error) => return Err(error),
        }
    }
}

/// Changes what is remembered; what it was before and is now. Nothing is written if nothing changes. Of
/// two who change it at once, the second makes its change to what the first has written.
pub async fn change<R: WriteRegisters, D: Document, E: From<LedgerError>>(
    ledger: &Ledger<R>,
    stream: &Stream,
    mut with: impl FnMut(&mut D) -> Result<(), E>,
) -> Result<(D, D), E> {
    loop {
        repair(ledger, stream).await?;
        let (log, before): (Log, D) = read(ledger, stream).await?;
        let mut after = before.clone();
        with(&mut after)?;
        if after == before {
            return Ok((before, after));
        }
        log.check_write(stream)?;
        check_whole(&log, stream, &before)?;
        let ours = value(ledger.registers(), serde_json::json!(after));
        match ledger.append(stream, log.next(), &ours).await {
            Ok(Appended::Won) => {
                let log = ledger.read(stream).await?;
                ledger.replicate(stream, &log).await;
                ledger.trim(stream, &log).await;
                return Ok((before, after));
            }
            // Held up for so long that others have written many times: the change is made to their last.
            Ok(Appended::Lost(_)) | Err(LedgerError::Overtaken { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use serde_json::json;

    use super::super::{FileRegisters, Kind, Limits, Place};
    use super::*;
    use crate::model::format::Version;
    use crate::model::{ClusterName, Format};

    type Words = BTreeSet<String>;

    fn ledger(dir: &Path) -> Ledger<FileRegisters> {
        Ledger::new(FileRegisters::new(dir, &ClusterName::unchecked("test")), Limits::default())
    }

    fn stream() -> Stream {
        Stream::new(Kind::Settings, "shop")
    }

    async fn add(ledger: &Ledger<FileRegisters>, word: &str) -> (Words, Words) {
        let with = |words: &mut Words| {
            words.insert(word.to_owned());
            Ok::<(), LedgerError>(())
        };
        change(ledger, &stream(), with).await.unwrap()
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn concurrent_changes_are_all_kept() {
        let dir = tempfile::tempdir().unwrap();
        let writers = (0..6).map(|writer| {
            let ledger = ledger(dir.path());
            tokio::spawn(async move {
                for n in 0..5 {
                    add(&ledger, &format!("{writer}.{n}")).await;
                }
            })
        });
        for writer in futures_util::future::join_all(writers).await {
            writer.unwrap();
        }
        let ledger = ledger(dir.path());
        let (log, words) = read::<_, Words>(&ledger, &stream()).await.unwrap();
        assert_eq!((words.len(), log.next()), (30, 31));
        let kept = usize::try_from(stream().kind.kept()).unwrap();
        assert!(log.entries.len() <= kept + 2, "{:?}", log.entries.keys());
        let (before, after) = add(&ledger, "0.0").await;
        let (log, words) = read::<_, Words>(&ledger, &stream()).await.unwrap();
        assert_eq!((&before, &words, log.next()), (&after, &after, 31), "the second time nothing");
    }

    #[tokio::test]
    async fn an_incomplete_place_is_closed_with_the_previous_content() {
        let dir = tempfile::tempdir().unwrap();
        let ledger = ledger(dir.path());
        add(&ledger, "a").await;
        // Closed in its first round, and no writer came to the second.
        let place = Place { seq: 2, round: 0 };
        ledger.registers().create(0, &stream(), place, &None).await.unwrap();
        let doubt = read::<_, Words>(&ledger, &stream()).await.unwrap_err();
        assert_eq!(doubt, LedgerError::Undecided { stream: "settings/shop".into(), seq: 2 });
        repair(&ledger, &stream()).await.unwrap();
        let (log, words) = read::<_, Words>(&ledger, &stream()).await.unwrap();
        assert_eq!((words, log.next()), (["a".to_owned()].into(), 3));
        let (_, words) = add(&ledger, "b").await;
        assert_eq!(words.len(), 2);
    }

    #[tokio::test]
    async fn the_same_managers_in_another_order_are_the_same() {
        let ledger = super::super::testing::Memory::new(2).ledger();
        let managers = vec!["h2".to_owned(), "h1".to_owned()];
        let value = Value { managers, ..of_format(Format::CURRENT, json!(["a"])) };
        ledger.append(&stream(), 1, &value).await.unwrap();
        repair(&ledger, &stream()).await.unwrap();
        assert_eq!(ledger.read(&stream()).await.unwrap().next(), 2, "nothing is written");
    }

    fn of_format(format: Format, data: serde_json::Value) -> Value {
        Value { id: "a".into(), managers: vec!["files".into()], format, data }
    }

    #[derive(Debug, Default, Clone, PartialEq, Serialize, serde::Deserialize)]
    #[serde(default)]
    struct Node {
        role: String,
    }

    type Nodes = std::collections::BTreeMap<String, Node>;

    async fn drain(ledger: &Ledger<FileRegisters>) -> Result<(Nodes, Nodes), LedgerError> {
        change(ledger, &stream(), |nodes: &mut Nodes| {
            nodes.entry("h1".into()).or_default().role = "worker".into();
            Ok(())
        })
        .await
    }

    async fn written(ledger: &Ledger<FileRegisters>) -> (u64, serde_json::Value) {
        let log = ledger.read(&stream()).await.unwrap();
        let (seq, entry) = log.last().unwrap();
        (seq, entry.value.data.clone())
    }

    #[tokio::test]
    async fn what_a_change_would_drop_is_not_written_back() {
        let dir = tempfile::tempdir().unwrap();
        let ledger = ledger(dir.path());
        let managers = ledger.registers().managers().to_vec();
        let newer = json!({ "h1": { "role": "manager", "agent": { "port": 1 }, "zone": "" } });
        let value = Value { managers, ..of_format(Format::FIRST, newer.clone()) };
        ledger.append(&stream(), 1, &value).await.unwrap();
        let error = drain(&ledger).await.unwrap_err();
        assert!(
            matches!(&error, LedgerError::UnknownPart { seq: 1, what, .. } if what == "h1.agent"),
            "{error}"
        );
        assert_eq!(written(&ledger).await, (1, newer));
        let known =
            Value { id: "b".into(), data: json!({ "h1": { "role": "manager", "zone": "" } }), ..value };
        ledger.append(&stream(), 2, &known).await.unwrap();
        drain(&ledger).await.unwrap();
        assert_eq!(written(&ledger).await, (3, json!({ "h1": { "role": "worker" } })));
    }

    #[tokio::test]
    async fn a_document_that_only_a_newer_program_may_change_is_read_and_not_written() {
        let dir = tempfile::tempdir().unwrap();
        let ledger = ledger(dir.path());
        let write = Format { write: "99.0.0".parse::<Version>().unwrap(), ..Format::CURRENT };
        let managers = ledger.registers().managers().to_vec();
        let value = Value { managers, ..of_format(write, json!({ "h1": { "role": "manager" } })) };
        ledger.append(&stream(), 1, &value).await.unwrap();
        let (_, nodes) = read::<_, Nodes>(&ledger, &stream()).await.unwrap();
        assert_eq!(nodes["h1"].role, "manager");
        let error = drain(&ledger).await.unwrap_err();
        assert!(matches!(&error, LedgerError::Newer { seq: 1, .. }), "{error}");
        assert!(error.to_string().contains("stackctl 99.0.0 or newer may change it"), "{error}");
        assert_eq!(written(&ledger).await.0, 1);
    }

    #[test]
    fn the_newest_place_says_everything() {
        let entry = |data: serde_json::Value| Entry::of(of_format(Format::CURRENT, data));
        let entries = [(3, entry(json!(["a"]))), (4, entry(json!(["b"]))), (5, entry(json!(null)))];
        let log = Log { entries: entries.into(), ..Log::default() };
        assert_eq!(document_in::<Words>(&log, &stream()), Ok(["b".to_owned()].into()));
        assert_eq!(document_in::<Words>(&Log::default(), &stream()), Ok(Words::new()));
        let odd = Log { entries: [(7, entry(json!({ "words": 1 })))].into(), ..Log::default() };
        let error = document_in::<Words>(&odd, &stream()).unwrap_err();
        assert!(matches!(error, LedgerError::Unreadable { seq: 7, .. }), "{error}");
    }
}
