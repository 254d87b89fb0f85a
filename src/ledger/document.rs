//! A document that the cluster remembers: a stream whose newest place holds the whole document.
//!
//! Older places may be trimmed at any time. A writer reads, changes and appends at the next place; a writer
//! that loses that place reads again. An incomplete place is closed with the previous content, so that the
//! newest place is always complete.

use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::time::sleep;

use super::decide::{Appended, Ledger};
use super::error::LedgerError;
use super::log::{Entry, Log};
use super::payload::value;
use super::register::{ReadRegisters, Stream, WriteRegisters};

/// Between two reads of a place that another process is about to write.
const LOOK_AGAIN: Duration = Duration::from_millis(100);
/// After so many reads the writer of an incomplete place is taken for cut off.
const LOOKS_MAX: u32 = 4;

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

/// Places behind the newest that is decided; one of them may turn out to be the newest.
fn in_doubt(log: &Log) -> Option<u64> {
    let last = log.last().map_or(0, |(seq, _)| seq);
    log.undecided.iter().copied().find(|seq| *seq > last)
}

/// Reads the document. Waits for a writer that is still running, and never guesses at an incomplete place.
pub async fn read<R: ReadRegisters, D: Document>(
    ledger: &Ledger<R>,
    stream: &Stream,
) -> Result<(Log, D), LedgerError> {
    let mut looks = 1;
    loop {
        let log = ledger.read(stream).await?;
        match in_doubt(&log) {
            None => {
                let document = document_in(&log, stream)?;
                return Ok((log, document));
            }
            Some(seq) if looks == LOOKS_MAX => {
                return Err(LedgerError::Undecided { stream: stream.to_string(), seq });
            }
            Some(_) => sleep(LOOK_AGAIN).await,
        }
        looks += 1;
    }
}

/// Settles incomplete places. If the manager set has changed by one, also writes the document again under the
/// new set, so that the next change of managers is safe. In all other cases only reads.
pub async fn repair<R: WriteRegisters>(ledger: &Ledger<R>, stream: &Stream) -> Result<(), LedgerError> {
    loop {
        let log = ledger.read(stream).await?;
        let managers = ledger.registers().managers();
        let is_ours = log.last().is_none_or(|(_, entry)| entry.value.managers == managers);
        let place = match in_doubt(&log) {
            Some(seq) => seq,
            None if is_ours => return Ok(()),
            None => log.next(),
        };
        // As it stands there: a newer program may have written more than this one knows of.
        let before = newest(&log).map_or(serde_json::Value::Null, |(_, entry)| entry.value.data.clone());
        ledger.append(stream, place, &value(ledger.registers(), before)).await?;
        ledger.replicate(stream, &ledger.read(stream).await?).await;
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

    use super::super::{FileRegisters, Kind, Limits, Place, Value};
    use super::*;
    use crate::model::ClusterName;

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

    #[test]
    fn the_newest_place_says_everything() {
        let entry = |data: serde_json::Value| Entry::of(Value { id: "a".into(), managers: Vec::new(), data });
        let entries = [(3, entry(json!(["a"]))), (4, entry(json!(["b"]))), (5, entry(json!(null)))];
        let log = Log { entries: entries.into(), ..Log::default() };
        assert_eq!(document_in::<Words>(&log, &stream()), Ok(["b".to_owned()].into()));
        assert_eq!(document_in::<Words>(&Log::default(), &stream()), Ok(Words::new()));
        let odd = Log { entries: [(7, entry(json!({ "words": 1 })))].into(), ..Log::default() };
        let error = document_in::<Words>(&odd, &stream()).unwrap_err();
        assert!(matches!(error, LedgerError::Unreadable { seq: 7, .. }), "{error}");
    }
}
