//! The cluster's key as it is remembered: who can open it, and what it is proved by. One [document](super::document) of the
//! cluster.
//!
//! What is read here counts for nothing until it is [checked](KeyRecord::check). Knows no private key.

use super::decide::Ledger;
use super::document;
use super::error::LedgerError;
use super::register::{Kind, ReadRegisters, Stream, WriteRegisters};
use crate::vault::KeyRecord;

/// The stream of the cluster's key.
#[must_use]
pub fn stream() -> Stream {
    Stream::new(Kind::Key, "cluster")
}

/// The newest record; [none](KeyRecord::is_none) before there is a key.
///
/// # Errors
///
/// It cannot be read, or the managers do not agree on the newest.
pub async fn read<R: ReadRegisters>(ledger: &Ledger<R>) -> Result<KeyRecord, LedgerError> {
    Ok(document::read(ledger, &stream()).await?.1)
}

/// Puts a record in the place of the one that it was made of; whether that one was still there. Done again, it writes
/// nothing.
///
/// # Errors
///
/// It cannot be read or written.
pub async fn replace<R: WriteRegisters>(
    ledger: &Ledger<R>,
    before: &KeyRecord,
    after: &KeyRecord,
) -> Result<bool, LedgerError> {
    let (_, now) = document::change(ledger, &stream(), |record: &mut KeyRecord| {
        if record == before {
            record.clone_from(after);
        }
        Ok::<(), LedgerError>(())
    })
    .await?;
    Ok(now == *after)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::testing::Memory;

    fn record(text: &str) -> KeyRecord {
        serde_json::from_value(serde_json::json!({ "key": { "public": text } })).unwrap()
    }

    #[tokio::test]
    async fn of_two_who_replace_a_record_one_does() {
        let ledger = Memory::new(3).ledger();
        let none = read(&ledger).await.unwrap();
        assert!(none.is_none());
        assert!(replace(&ledger, &none, &record("a")).await.unwrap());
        assert!(!replace(&ledger, &none, &record("b")).await.unwrap());
        assert_eq!(read(&ledger).await.unwrap(), record("a"));
        assert!(
            replace(&ledger, &none, &record("a")).await.unwrap(),
            "an answer that was lost is asked for again"
        );
        assert_eq!(ledger.read(&stream()).await.unwrap().next(), 2);
    }
}
