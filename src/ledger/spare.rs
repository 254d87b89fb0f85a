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

use super::archive::{Archive, Head, NotCopied};
use super::decide::Ledger;
use super::error::LedgerError;
use super::nodes::{self, NodeRecords};
use super::register::{ReadRegisters, Stream, WriteRegisters};
use super::{configs, document, key, secrets};
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

    /// Documents, the keys of the node records among them, that it has and the ledger has not at all. A document of which all
    /// was removed is there, and empty: what is not there was lost.
    async fn lost<R: ReadRegisters>(&self, ledger: &Ledger<R>) -> Result<bool, LedgerError> {
        let has_key = self.keys().key.is_some();
        for stream in
            documents().into_iter().filter(|stream| self.has(stream)).chain(has_key.then(nodes::stream))
        {
            if !is_there(ledger, &stream).await? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Writes all of it but the keys of the node records into a ledger that has nothing of the kind: no such documents, or
    /// empty ones.
    ///
    /// # Errors
    ///
    /// The ledger has other records, or cannot be read or written.
    pub async fn write<R: WriteRegisters>(&self, ledger: &Ledger<R>) -> Result<(), NotCopied> {
        let refused = |stream: &Stream, seq| NotCopied::NotEmpty { stream: stream.to_string(), seq };
        let all = documents();
        for stream in all.iter().filter(|stream| self.has(stream)) {
            if let Some(seq) = document::other_than(ledger, stream, self.archive.newest(stream)).await? {
                return Err(refused(stream, seq));
            }
        }
        self.archive.write_contents(ledger).await?;
        for stream in &all {
            let Some(kept) = self.archive.newest_place(stream) else { continue };
            document::put_back(ledger, stream, kept).await?.map_err(|seq| refused(stream, seq))?;
        }
        Ok(())
    }
}

/// Why a copy stays as it is.
const IS_LOST: &str =
    "the ledger has lost what its copy has: `stackctl ledger restore --spare` brings that back";

/// Has every manager that answers keep a copy of what there is now; those that do not, and why. Where managers keep none,
/// nothing is asked. A copy of what the ledger has lost is left alone: it may be the last.
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
    if lost(ledger).await?.is_some() {
        return Ok(registers.managers().iter().map(|name| (name.clone(), IS_LOST.to_owned())).collect());
    }
    // From now on, that there are none is written down as well.
    if is_there(ledger, &key::stream()).await? {
        document::begin::<_, secrets::Secrets>(ledger, &secrets::stream()).await?;
        document::begin::<_, configs::Configs>(ledger, &configs::stream()).await?;
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

/// Whether the ledger has a document, be it empty.
async fn is_there<R: ReadRegisters>(ledger: &Ledger<R>, stream: &Stream) -> Result<bool, LedgerError> {
    Ok(ledger.read(stream).await?.last().is_some_and(|(_, entry)| !entry.value.data.is_null()))
}

/// The newest copy, if it has something that the ledger has not at all: that was lost, and nothing is to be made in its
/// place. Where the ledger has all that a copy can have, none is read: they are as large as what is in them.
///
/// # Errors
///
/// The ledger cannot be read.
pub async fn lost<R: ReadRegisters>(ledger: &Ledger<R>) -> Result<Option<Spare>, LedgerError> {
    let mut streams = documents().into_iter().chain([nodes::stream()]);
    loop {
        match streams.next() {
            None => return Ok(None),
            Some(stream) if is_there(ledger, &stream).await? => {}
            Some(_) => break,
        }
    }
    let Some(spare) = left(ledger).await? else { return Ok(None) };
    Ok(spare.lost(ledger).await?.then_some(spare))
}

/// The newest copy. Where none can be read that is only an error if the ledger has lost its beginning, too: otherwise the next
/// change replaces what cannot be read.
///
/// # Errors
///
/// The ledger cannot be read, or it is not known what was lost.
pub async fn left<R: ReadRegisters>(ledger: &Ledger<R>) -> Result<Option<Spare>, LedgerError> {
    match newest(ledger).await {
        Err(error @ LedgerError::SpareUnreadable { .. }) => {
            let begun = ledger.read(&nodes::stream()).await?;
            if begun.last().is_some() { Ok(None) } else { Err(error) }
        }
        newest => newest,
    }
}

/// What managers keep: of each document what has the latest place, since copies are as old as what their managers took, and
/// clocks of clients say nothing of that. `None` if none that answers has one.
///
/// # Errors
///
/// No manager that answers has one that can be read, and one has one that cannot: it is not known what was lost.
pub async fn newest<R: ReadRegisters>(ledger: &Ledger<R>) -> Result<Option<Spare>, LedgerError> {
    let (mut all, damaged) = all(ledger).await;
    all.sort_by_key(|spare| spare.at);
    let Some(mut newest) = all.pop() else {
        return match damaged.into_iter().next() {
            Some((manager, why)) => Err(LedgerError::SpareUnreadable { manager, why }),
            None => Ok(None),
        };
    };
    // The latest of those with equal places is the first.
    for other in all.into_iter().rev() {
        newest.archive.take_newer(other.archive);
    }
    Ok(Some(newest))
}

/// Copies by their managers, and those that cannot be read, with the reason.
async fn all<R: ReadRegisters>(ledger: &Ledger<R>) -> (Vec<Spare>, Vec<(String, String)>) {
    let registers = ledger.registers();
    if !registers.keeps_spares() {
        return (Vec::new(), Vec::new());
    }
    let looks = registers.managers().iter().enumerate().map(async |(manager, name)| {
        let text = registers.spare(manager).await.ok()??;
        let parsed = Archive::parse(&text).map_err(|why| why.to_string());
        let spare = |(head, archive): (Head, Archive)| Spare { manager: name.clone(), at: head.at, archive };
        Some(parsed.map(spare).map_err(|why| (name.clone(), why)))
    });
    let (mut spares, mut damaged) = (Vec::new(), Vec::new());
    for look in join_all(looks).await.into_iter().flatten() {
        match look {
            Ok(spare) => spares.push(spare),
            Err(why) => damaged.push(why),
        }
    }
    (spares, damaged)
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
    let (have, _) = all(ledger).await;
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
        let spare = newest(&ledger).await.unwrap().unwrap();
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
    async fn a_copy_of_what_was_lost_is_replaced_by_nothing() {
        let memory = Memory::new(3).with_spares();
        let ledger = memory.ledger();
        let with = |records: &mut NodeRecords| {
            records.key = Some(MarkKey::new([7; 32]));
            Ok::<(), LedgerError>(())
        };
        document::change(&ledger, &nodes::stream(), with).await.unwrap();
        make(&ledger, "site", b"listen 80").await;
        assert!(
            keep(&ledger, Timestamp(5)).await.unwrap().is_empty() && lost(&ledger).await.unwrap().is_none()
        );
        let copies = memory.world().spares.clone();
        let pruned = |managers: &[usize]| {
            memory.world().registers.retain(|(manager, ..), _| !managers.contains(manager));
        };

        pruned(&[0, 1, 2]);
        // A key of marks is made by the next deploy.
        let with = |records: &mut NodeRecords| {
            records.key = Some(MarkKey::new([8; 32]));
            Ok::<(), LedgerError>(())
        };
        document::change(&ledger, &nodes::stream(), with).await.unwrap();
        assert_eq!(lost(&ledger).await.unwrap().unwrap().named(), (0, 1));
        assert_eq!(keep(&ledger, Timestamp(6)).await.unwrap().len(), 3);
        assert_eq!(memory.world().spares, copies);
        // Of each document what has the latest place, whatever clocks said; and damaged copies hide none.
        let poor = Archive::of_vault(&ledger).await.unwrap().text(OF, Timestamp(7));
        memory.world().spares.insert(2, poor);
        memory.world().spares.insert(1, "junk".to_owned());
        let spare = newest(&ledger).await.unwrap().unwrap();
        assert_eq!((spare.at, spare.named()), (Timestamp(7), (0, 1)));
        spare.write(&ledger).await.unwrap();
        assert!(lost(&ledger).await.unwrap().is_none());

        // All configs are removed, which is no loss.
        configs::change(&ledger, |all: &mut Configs| {
            all.0.clear();
            Ok::<(), LedgerError>(())
        })
        .await
        .unwrap();
        assert!(lost(&ledger).await.unwrap().is_none());
        keep(&ledger, Timestamp(8)).await.unwrap();

        // What a minority shows is decided again, and not closed as nothing; unless the copy is newer.
        for (name, sees_it) in [("page", true), ("code", false)] {
            if !sees_it {
                memory.world().silent.insert(2);
            }
            make(&ledger, name, b"hello").await;
            memory.world().silent.clear();
            keep(&ledger, Timestamp(9)).await.unwrap();
            pruned(&[0, 1]);
            assert!(lost(&ledger).await.unwrap().is_some());
            newest(&ledger).await.unwrap().unwrap().write(&ledger).await.unwrap();
            let back = configs::read(&ledger).await.unwrap();
            assert!(back.0.contains_key(&name.parse().unwrap()), "{name}: {:?}", back.0.keys());
            document::repair(&ledger, &nodes::stream()).await.unwrap();
            assert!(lost(&ledger).await.unwrap().is_none());
        }
        let (_, records) = document::read::<_, NodeRecords>(&ledger, &nodes::stream()).await.unwrap();
        assert_eq!(records.key, Some(MarkKey::new([8; 32])), "as the third manager shows it");
    }

    #[tokio::test]
    async fn where_nothing_is_missing_no_copy_is_read() {
        let memory = Memory::new(3).with_spares();
        let ledger = memory.ledger();
        for stream in [nodes::stream(), key::stream()] {
            let some = super::super::payload::value(ledger.registers(), serde_json::json!({ "key": "some" }));
            ledger.append(&stream, 1, &some).await.unwrap();
        }
        let reads = || memory.world().calls.iter().filter(|call| call.starts_with("spare ")).count();
        assert!(
            lost(&ledger).await.unwrap().is_none() && reads() == 3,
            "there are no secrets and configs yet"
        );
        keep(&ledger, Timestamp(5)).await.unwrap();
        memory.world().calls.clear();
        assert!(lost(&ledger).await.unwrap().is_none());
        keep(&ledger, Timestamp(6)).await.unwrap();
        assert_eq!(reads(), 0);
        // That there were none is missed as well.
        let configs = configs::stream().to_string();
        memory.world().registers.retain(|(_, stream, _), _| *stream != configs);
        let spare = lost(&ledger).await.unwrap().unwrap();
        assert_eq!((spare.named(), reads()), ((0, 0), 3));
    }

    #[tokio::test]
    async fn a_copy_that_cannot_be_read_is_not_none() {
        let memory = Memory::new(3).with_spares();
        let ledger = memory.ledger();
        for manager in 0..3 {
            memory.world().spares.insert(manager, "junk".to_owned());
        }
        let error = lost(&ledger).await.unwrap_err();
        assert!(matches!(error, LedgerError::SpareUnreadable { .. }), "{error}");
        // Where the ledger has its beginning nothing of it was lost, and the next change replaces them.
        document::change(&ledger, &nodes::stream(), |records: &mut NodeRecords| {
            records.key = Some(MarkKey::new([7; 32]));
            Ok::<(), LedgerError>(())
        })
        .await
        .unwrap();
        assert!(lost(&ledger).await.unwrap().is_none());
        make(&ledger, "site", b"listen 80").await;
        assert!(keep(&ledger, Timestamp(5)).await.unwrap().is_empty());
        assert!(behind(&ledger).await.unwrap().is_empty());
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
        let keys = newest(&ledger).await.unwrap().unwrap().keys();
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
        assert!(newest(&ledger).await.unwrap().is_none() && behind(&ledger).await.unwrap().is_empty());
        assert_eq!(memory.world().calls.len(), before);
    }
}
