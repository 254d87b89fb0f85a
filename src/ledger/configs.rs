//! Configs that a command has made: their names, labels and digests. One [document](super::document) of the cluster; what is
//! in them are [contents](super::contents) of an owner that is no stack.
//!
//! A content is written before the document names it, and removed once it does not: both under one lock
//! ([`vault_stream`](super::lease::vault_stream)). A release that uses one has a copy among its own contents, so that a
//! rollback does not depend on what became of it here.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::contents::{self, ContentRef};
use super::decide::Ledger;
use super::document;
use super::error::LedgerError;
use super::register::{Kind, ReadRegisters, Stream, WriteRegisters};
use crate::model::ids::sha256_hex;
use crate::model::{MarkKey, StackName, Timestamp};
use crate::vault::ObjectName;

/// All configs: each record holds the whole.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Configs(pub BTreeMap<ObjectName, Config>);

/// What is known of a config without its content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Config {
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// When it was made, by the clock of the client that made it.
    pub created: Timestamp,
    /// `user@machine` that made it.
    pub who: String,
    /// The SHA-256 of its content, as stackfiles have it.
    pub digest: String,
    /// Where the content is.
    pub content: ContentRef,
    /// What fills it in for each task, if it is a template.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template_driver: Option<String>,
}

impl Configs {
    /// Where their contents are.
    #[must_use]
    pub fn contents(&self) -> BTreeSet<ContentRef> {
        self.0.values().map(|config| config.content.clone()).collect()
    }
}

/// The stream of the configs.
#[must_use]
pub fn stream() -> Stream {
    Stream::new(Kind::Configs, "cluster")
}

/// Whose contents they are. No stack's name begins with a dot.
#[must_use]
pub fn owner() -> StackName {
    StackName::unchecked(".configs")
}

/// The configs.
///
/// # Errors
///
/// They cannot be read, or the managers do not agree on the newest record.
pub async fn read<R: ReadRegisters>(ledger: &Ledger<R>) -> Result<Configs, LedgerError> {
    Ok(document::read(ledger, &stream()).await?.1)
}

/// Changes the configs; what they were, and what they are.
///
/// # Errors
///
/// They cannot be read or written; and those of the change.
pub async fn change<R: WriteRegisters, E: From<LedgerError>>(
    ledger: &Ledger<R>,
    with: impl FnMut(&mut Configs) -> Result<(), E>,
) -> Result<(Configs, Configs), E> {
    document::change(ledger, &stream(), with).await
}

/// Writes a content; where it is. Only a majority that has it makes it one.
///
/// # Errors
///
/// It cannot be written.
pub async fn put<R: WriteRegisters>(
    ledger: &Ledger<R>,
    key: &MarkKey,
    bytes: &[u8],
) -> Result<ContentRef, LedgerError> {
    let content = ContentRef::of(&key.derive("contents"), &owner(), bytes);
    let contents = BTreeMap::from([(content.clone(), bytes)]);
    contents::put(ledger, &owner(), &contents, &BTreeSet::new()).await?;
    Ok(content)
}

/// What is in a config.
///
/// # Errors
///
/// It is on no manager that answers, or is damaged: in words.
pub async fn content<R: ReadRegisters>(ledger: &Ledger<R>, config: &Config) -> Result<Arc<[u8]>, String> {
    let bytes = contents::get(ledger, &owner(), &config.content).await?;
    if sha256_hex(&bytes) != config.digest {
        return Err("what is there is another content".to_owned());
    }
    Ok(bytes.into())
}

/// Names of the contents that are to stay, for their collector.
async fn named<R: ReadRegisters>(ledger: &Ledger<R>) -> Result<Option<BTreeSet<String>>, LedgerError> {
    Ok(Some(read(ledger).await?.contents().into_iter().map(|content| content.name).collect()))
}

/// Removes contents that no config has any more, and brings the others to managers that lack them.
///
/// # Errors
///
/// The configs cannot be read.
pub async fn tidy<R: WriteRegisters>(ledger: &Ledger<R>, may: impl Fn() -> bool) -> Result<(), LedgerError> {
    contents::tidy_of(ledger, &owner(), async || named(ledger).await, may).await
}

/// Writes again what managers have lost of the contents.
///
/// # Errors
///
/// The configs cannot be read.
pub async fn mend<R: WriteRegisters>(ledger: &Ledger<R>, may: impl Fn() -> bool) -> Result<(), LedgerError> {
    contents::mend_of(ledger, &owner(), async || named(ledger).await, may).await
}

/// Whether each manager that answers has all contents.
///
/// # Errors
///
/// The configs cannot be read.
pub async fn are_everywhere<R: ReadRegisters>(ledger: &Ledger<R>) -> Result<bool, LedgerError> {
    contents::are_everywhere_of(ledger, &owner(), async || named(ledger).await).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::testing::Memory;

    #[tokio::test]
    async fn a_content_is_there_as_long_as_a_config_has_it() {
        let ledger = Memory::new(3).ledger();
        let content = put(&ledger, &MarkKey::new([7; 32]), b"listen 80").await.unwrap();
        let config = Config {
            labels: BTreeMap::new(),
            created: Timestamp(1),
            who: "ada@desk".to_owned(),
            digest: sha256_hex(b"listen 80"),
            content,
            template_driver: None,
        };
        let name: ObjectName = "site".parse().unwrap();
        let add = |all: &mut Configs| {
            all.0.insert(name.clone(), config.clone());
            Ok::<(), LedgerError>(())
        };
        change(&ledger, add).await.unwrap();
        tidy(&ledger, || true).await.unwrap();
        assert_eq!(&*super::content(&ledger, &config).await.unwrap(), b"listen 80");
        assert!(are_everywhere(&ledger).await.unwrap());
        let other = Config { digest: sha256_hex(b"listen 81"), ..config.clone() };
        assert!(super::content(&ledger, &other).await.is_err());
        let clear = |all: &mut Configs| {
            all.0.clear();
            Ok::<(), LedgerError>(())
        };
        change(&ledger, clear).await.unwrap();
        tidy(&ledger, || true).await.unwrap();
        assert!(super::content(&ledger, &config).await.is_err());
    }
}
