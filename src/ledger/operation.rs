//! What was done to the cluster apart from releases: to its nodes, to the reconcile loop's settings, to
//! leases, to the records as a whole; and what the loop has healed.
//!
//! An operation takes two places of one stream: its beginning, with all its details, and its end. One without
//! an end was cut off, or is under way. Releases are not repeated here: they have both in streams of their
//! own.
//!
//! User actions and heals are kept in separate streams: a container that crashes every minute must not push
//! out the record of who drained a node.

use serde::{Deserialize, Serialize};

use super::decide::{Appended, Ledger};
use super::error::LedgerError;
use super::log::Log;
use super::nodes::NodeRecord;
use super::payload::value;
use super::register::{Kind, ReadRegisters, Stream, WriteRegisters};
use super::settings::Suspended;
use crate::model::{NodeName, StackName, Timestamp};

/// The record of an operation's beginning.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Operation {
    /// The words of the command, without secret values: `node update --availability drain h1`.
    pub verb: String,
    /// `user@machine`.
    pub who: String,
    /// When, by their clock.
    pub at: Timestamp,
    /// What they said about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// Stacks it is about, unless it is about the cluster.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stacks: Vec<StackName>,
    /// What it changes, value by value.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<Changed>,
}

/// Something that was one thing and became another.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "snake_case")]
pub enum Changed {
    /// What is remembered of a node over the inventory.
    Node { node: NodeName, before: Option<Box<NodeRecord>>, after: Option<Box<NodeRecord>> },
    /// Whether the loop leaves a stack alone.
    Suspended { stack: StackName, before: Option<Suspended>, after: Option<Suspended> },
    /// A lease that was ended.
    Lease {
        stack: StackName,
        /// Its holder and what that did, in words.
        holder: String,
    },
    /// Actions that were carried out.
    Healed {
        /// The release the stack was brought back to.
        release: u64,
        /// How many actions were planned.
        actions: usize,
    },
}

/// How an operation ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "how", rename_all = "snake_case")]
pub enum Ending {
    /// As wanted.
    Done,
    /// Not as wanted.
    Failed { why: String },
}

/// A place of the stream.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "entry", rename_all = "snake_case")]
enum Entry {
    Began(Operation),
    Ended {
        of: u64,
        at: Timestamp,
        #[serde(flatten)]
        ending: Ending,
    },
}

/// A recorded operation.
#[derive(Debug, Clone, PartialEq)]
pub struct Recorded {
    pub number: u64,
    /// When it was written, by the backend's clock.
    pub written: Option<Timestamp>,
    pub operation: Operation,
    /// When and how it ended, if it did.
    pub ended: Option<(Timestamp, Ending)>,
}

/// What persons do to the cluster.
#[must_use]
pub fn stream() -> Stream {
    Stream::new(Kind::Operations, "cluster")
}

/// What the loop heals of a stack.
#[must_use]
pub fn heals(stack: &StackName) -> Stream {
    Stream::new(Kind::Heals, stack)
}

/// The operations of a stream, without those whose beginning was trimmed.
pub fn recorded(log: &Log, stream: &Stream) -> Result<Vec<Recorded>, LedgerError> {
    let mut all: Vec<Recorded> = Vec::new();
    for (&seq, place) in &log.entries {
        if place.value.data.is_null() {
            continue;
        }
        let entry = Entry::deserialize(&place.value.data).map_err(|error| LedgerError::Unreadable {
            stream: stream.to_string(),
            seq,
            detail: error.to_string(),
        })?;
        match entry {
            Entry::Began(operation) => {
                all.push(Recorded { number: seq, written: place.written(), operation, ended: None });
            }
            Entry::Ended { of, at, ending } => {
                if let Some(one) = all.iter_mut().find(|one| one.number == of) {
                    one.ended = Some((at, ending));
                }
            }
        }
    }
    Ok(all)
}

/// Reads the operations of a stream.
pub async fn read<R: ReadRegisters>(
    ledger: &Ledger<R>,
    stream: &Stream,
) -> Result<Vec<Recorded>, LedgerError> {
    recorded(&ledger.read(stream).await?, stream)
}

/// Writes down that an operation begins; its number.
pub async fn begin<R: WriteRegisters>(
    ledger: &Ledger<R>,
    stream: &Stream,
    operation: Operation,
) -> Result<u64, LedgerError> {
    let (number, _) = append(ledger, stream, &Entry::Began(operation)).await?;
    Ok(number)
}

/// Writes down how it ended, and puts the stream in order.
pub async fn end<R: WriteRegisters>(
    ledger: &Ledger<R>,
    stream: &Stream,
    number: u64,
    at: Timestamp,
    ending: Ending,
) -> Result<(), LedgerError> {
    let (_, log) = append(ledger, stream, &Entry::Ended { of: number, at, ending }).await?;
    ledger.replicate(stream, &log).await;
    ledger.trim(stream, &log).await;
    Ok(())
}

/// Appends at the next free place; returns that place, and the stream as it was before.
async fn append<R: WriteRegisters>(
    ledger: &Ledger<R>,
    stream: &Stream,
    entry: &Entry,
) -> Result<(u64, Log), LedgerError> {
    let ours = value(ledger.registers(), serde_json::json!(entry));
    loop {
        let log = ledger.read_to_write(stream).await?;
        // Incomplete places are skipped, by readers as well.
        match ledger.append(stream, log.next(), &ours).await {
            Ok(Appended::Won) => return Ok((log.next(), log)),
            Ok(Appended::Lost(_)) | Err(LedgerError::Overtaken { .. }) => {}
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::ledger::{FileRegisters, Limits};
    use crate::model::ClusterName;

    fn ledger(dir: &Path) -> Ledger<FileRegisters> {
        Ledger::new(FileRegisters::new(dir, &ClusterName::unchecked("test")), Limits::default())
    }

    fn operation(verb: &str) -> Operation {
        let stack = StackName::unchecked("shop");
        let suspended = Suspended { who: "ann@mill".into(), at: Timestamp(5), why: None };
        Operation {
            verb: verb.to_owned(),
            who: "ann@mill".to_owned(),
            at: Timestamp(5),
            message: None,
            stacks: vec![stack.clone()],
            changes: vec![Changed::Suspended { stack, before: None, after: Some(suspended) }],
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn what_began_is_there_and_says_whether_it_ended() {
        let dir = tempfile::tempdir().unwrap();
        let ledger = ledger(dir.path());
        assert_eq!(read(&ledger, &stream()).await.unwrap(), [], "an older ledger has a shorter log");
        let cut_off = begin(&ledger, &stream(), operation("suspend shop")).await.unwrap();
        let number = begin(&ledger, &stream(), operation("resume shop")).await.unwrap();
        end(&ledger, &stream(), number, Timestamp(9), Ending::Failed { why: "no".into() }).await.unwrap();
        let all = read(&ledger, &stream()).await.unwrap();
        assert_eq!((all[0].number, &all[0].ended, all.len()), (cut_off, &None, 2));
        assert_eq!(all[0].operation, operation("suspend shop"));
        assert_eq!(all[1].ended, Some((Timestamp(9), Ending::Failed { why: "no".into() })));
        assert!(all[0].written.is_some());
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn the_log_does_not_grow_for_ever_and_loses_nothing_to_a_race() {
        let dir = tempfile::tempdir().unwrap();
        let writers = (0..4).map(|writer| {
            let ledger = ledger(dir.path());
            tokio::spawn(async move {
                for n in 0..5 {
                    let number =
                        begin(&ledger, &stream(), operation(&format!("{writer}.{n}"))).await.unwrap();
                    end(&ledger, &stream(), number, Timestamp(9), Ending::Done).await.unwrap();
                }
            })
        });
        for writer in futures_util::future::join_all(writers).await {
            writer.unwrap();
        }
        let ledger = ledger(dir.path());
        let all = read(&ledger, &stream()).await.unwrap();
        assert_eq!(all.len(), 20);
        assert!(all.iter().all(|one| one.ended.is_some()));
        for _ in 0..Kind::Heals.kept() {
            let number = begin(&ledger, &heals(&StackName::unchecked("shop")), operation("heal")).await;
            let stream = heals(&StackName::unchecked("shop"));
            end(&ledger, &stream, number.unwrap(), Timestamp(9), Ending::Done).await.unwrap();
        }
        let log = ledger.read(&heals(&StackName::unchecked("shop"))).await.unwrap();
        let kept = usize::try_from(Kind::Heals.kept()).unwrap();
        assert!(log.entries.len() <= kept + 1, "{}", log.entries.len());
        assert!(!recorded(&log, &heals(&StackName::unchecked("shop"))).unwrap().is_empty());
    }
}
