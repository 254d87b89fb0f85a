//! The spare copy: what a ledger whose registers others can remove by the way has, and nothing else could say again.
//!
//! That is the key of marks, the cluster's key, and the secrets and configs that commands made. Releases are not in it: what
//! runs is on the hosts, and what is to run is in stackfiles. Values are in it as the ledger has them, encrypted; who reads it
//! learns what a reader of the ledger learns.
//!
//! Each manager keeps one, written after every change under the lease of the change. Where all registers are gone, the
//! copy says that this was no new cluster: a key that is made then would not open what was encrypted to the former one.

use std::collections::BTreeSet;

use futures_util::future::join_all;
use serde::Deserialize as _;

use super::archive::{Archive, NotCopied};
use super::decide::Ledger;
use super::error::LedgerError;
use super::nodes::{self, NodeRecords};
use super::register::{ReadRegisters, Stream, WriteRegisters};
use super::{configs, key, secrets};
use crate::model::Timestamp;

/// What a copy says of which cluster it is: the name under which it is kept says that.
const OF: &str = "-";

/// A copy that was found.
#[derive(Debug, Clone)]
pub struct Spare {
    /// The manager that keeps it.
    pub manager: String,
    /// When it was written, by the clock of the client.
    pub at: Timestamp,
    archive: Archive,
}

/// What it has as the ledger has it.
fn documents() -> [Stream; 3] {
    [key::stream(), secrets::stream(), configs::stream()]
}

impl Spare {
    /// The keys that stand among the node records.
    #[must_use]
    pub fn keys(&self) -> NodeRecords {
        let newest = self.archive.newest(&nodes::stream());
        newest.and_then(|data| NodeRecords::deserialize(data).ok()).unwrap_or_default()
    }

    /// Whether it has this document.
    #[must_use]
    pub fn has(&self, document: &Stream) -> bool {
        self.archive.newest(document).is_some()
    }

    /// How many secrets and configs of people are in it.
    #[must_use]
    pub fn named(&self) -> (usize, usize) {
        let all = self.archive.newest(&secrets::stream());
        let secrets = all.and_then(|data| secrets::Secrets::deserialize(data).ok()).unwrap_or_default();
        let all = self.archive.newest(&configs::stream());
        let configs = all.and_then(|data| configs::Configs::deserialize(data).ok()).unwrap_or_default();
        (secrets.of_people().0.len(), configs.0.len())
    }

    /// Writes all of it but the keys of the node records into a ledger that has nothing of the kind.
    ///
    /// # Errors
    ///
    /// The ledger has other records, or cannot be read or written.
    pub async fn write<R: WriteRegisters>(&self, ledger: &Ledger<R>) -> Result<(), NotCopied> {
        for stream in documents() {
            let log = ledger.read(&stream).await?;
            if let Some((seq, newest)) = log.last().filter(|(_, newest)| newest.value.data.is_object())
                && self.archive.newest(&stream) != Some(&newest.value.data)
            {
                return Err(NotCopied::NotEmpty { stream: stream.to_string(), seq });
            }
        }
        self.archive.clone().without_nodes().write(ledger).await.map(drop)
    }
}

/// Has every manager that answers keep a copy of what there is now; those that do not, and why. Where managers keep none,
/// nothing is asked.
///
/// # Errors
///
/// What there is cannot be read.
pub async fn keep<R: WriteRegisters>(
    ledger: &Ledger<R>,
    at: Timestamp,
) -> Result<Vec<(String, String)>, LedgerError> {
    let registers = ledger.registers();
    if !registers.keeps_spares() {
        return Ok(Vec::new());
    }
    let mut archive = Archive::of_vault(ledger).await?;
    archive.read_contents(ledger).await;
    let text = archive.text(OF, at);
    let puts = registers.managers().iter().enumerate().map(async |(manager, name)| {
        let put = registers.put_spare(manager, &text).await;
        put.err().map(|why| (name.clone(), why.0))
    });
    Ok(join_all(puts).await.into_iter().flatten().collect())
}

/// The newest copy that a manager keeps; `None` if none that answers has one that can be read.
pub async fn newest<R: ReadRegisters>(ledger: &Ledger<R>) -> Option<Spare> {
    all(ledger).await.into_iter().max_by_key(|spare| spare.at)
}

async fn all<R: ReadRegisters>(ledger: &Ledger<R>) -> Vec<Spare> {
    let registers = ledger.registers();
    if !registers.keeps_spares() {
        return Vec::new();
    }
    let looks = registers.managers().iter().enumerate().map(async |(manager, name)| {
        let text = registers.spare(manager).await.ok()??;
        let (head, archive) = Archive::parse(&text).ok()?;
        Some(Spare { manager: name.clone(), at: head.at, archive })
    });
    join_all(looks).await.into_iter().flatten().collect()
}

/// Managers without a copy of what there is now. A silent one is among them: what it has is not known. None where there is
/// nothing to copy.
///
/// # Errors
///
/// What there is cannot be read.
pub async fn behind<R: ReadRegisters>(ledger: &Ledger<R>) -> Result<BTreeSet<String>, LedgerError> {
    let registers = ledger.registers();
    if !registers.keeps_spares() {
        return Ok(BTreeSet::new());
    }
    let now = Archive::of_vault(ledger).await?;
    if documents().iter().all(|stream| now.newest(stream).is_none()) {
        return Ok(BTreeSet::new());
    }
    let have = all(ledger).await;
    let has = |name: &&String| {
        have.iter().any(|spare| spare.manager == **name && spare.archive.has_records_of(&now))
    };
    Ok(registers.managers().iter().filter(|name| !has(name)).cloned().collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::Kind;
    use crate::ledger::configs::{Config, Configs};
    use crate::ledger::testing::Memory;
    use crate::model::MarkKey;
    use crate::model::ids::sha256_hex;

    async fn make(ledger: &Ledger<Memory>, name: &str, text: &[u8]) {
        let content = configs::put(ledger, &MarkKey::new([7; 32]), text).await.unwrap();
        let config = Config {
            labels: Default::default(),
            created: Timestamp(1),
            who: "ada@desk".to_owned(),
            digest: sha256_hex(text),
            content,
            template_driver: None,
        };
        let add = |all: &mut Configs| {
            all.0.insert(name.parse().unwrap(), config.clone());
            Ok::<(), LedgerError>(())
        };
        configs::change(ledger, add).await.unwrap();
    }

    #[tokio::test]
    async fn what_is_pruned_everywhere_comes_back_from_any_manager() {
        let memory = Memory::new(3).with_spares();
        let ledger = memory.ledger();
        assert!(behind(&ledger).await.unwrap().is_empty(), "there is nothing to copy");
        make(&ledger, "site", b"listen 80").await;
        assert_eq!(behind(&ledger).await.unwrap().len(), 3);
        memory.world().silent.insert(2);
        assert_eq!(keep(&ledger, Timestamp(5)).await.unwrap().len(), 1, "one is silent");
        memory.world().silent.clear();
        assert_eq!(behind(&ledger).await.unwrap(), ["h3".to_owned()].into());
        make(&ledger, "page", b"hello").await;
        assert_eq!(behind(&ledger).await.unwrap().len(), 3, "the copies are old");
        keep(&ledger, Timestamp(6)).await.unwrap();
        assert!(behind(&ledger).await.unwrap().is_empty());

        memory.world().registers.clear();
        let spare = newest(&ledger).await.unwrap();
        assert_eq!((spare.at, spare.named()), (Timestamp(6), (0, 2)));
        spare.write(&ledger).await.unwrap();
        let back = configs::read(&ledger).await.unwrap();
        let page = &back.0[&"page".parse().unwrap()];
        assert_eq!(&*configs::content(&ledger, page).await.unwrap(), b"hello");
        spare.write(&ledger).await.unwrap();
        make(&ledger, "other", b"other").await;
        let refused = spare.write(&ledger).await.unwrap_err();
        assert!(matches!(refused, NotCopied::NotEmpty { .. }), "{refused}");
    }

    #[tokio::test]
    async fn of_the_nodes_only_the_keys_are_in_it() {
        let memory = Memory::new(1).with_spares();
        let ledger = memory.ledger();
        let with = |records: &mut NodeRecords| {
            records.key = Some(MarkKey::new([7; 32]));
            records.discovered.insert(crate::model::testing::node_name("n000001"), "dns".to_owned());
            Ok::<(), LedgerError>(())
        };
        super::super::document::change(&ledger, &nodes::stream(), with).await.unwrap();
        keep(&ledger, Timestamp(5)).await.unwrap();
        let keys = newest(&ledger).await.unwrap().keys();
        assert_eq!((keys.key, keys.discovered.len()), (Some(MarkKey::new([7; 32])), 0));
        assert!(memory.world().registers.keys().all(|(_, stream, _)| stream.starts_with(Kind::Nodes.word())));
    }

    #[tokio::test]
    async fn a_ledger_that_is_not_pruned_is_not_asked() {
        let memory = Memory::new(3);
        let ledger = memory.ledger();
        make(&ledger, "site", b"listen 80").await;
        let before = memory.world().calls.len();
        assert!(keep(&ledger, Timestamp(5)).await.unwrap().is_empty());
        assert!(newest(&ledger).await.is_none() && behind(&ledger).await.unwrap().is_empty());
        assert_eq!(memory.world().calls.len(), before);
    }
}
