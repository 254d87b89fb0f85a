//! Secrets that a command has made: their names, labels and versions. One [document](super::document) of the cluster; the
//! values are [contents](super::contents) of an owner that is no stack, encrypted to the cluster's key.
//!
//! A value is written before the document names it, and removed once it does not: both under one lock
//! ([`vault_stream`](super::lease::vault_stream)).

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::contents::{self, ContentRef};
use super::decide::Ledger;
use super::document;
use super::error::LedgerError;
use super::register::{Kind, ReadRegisters, Stream, WriteRegisters};
use crate::model::{StackName, Timestamp};
use crate::vault::{ObjectName, SealedValue};

/// All secrets: each record holds the whole.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Secrets(pub BTreeMap<ObjectName, Secret>);

/// What is known of a secret without its key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Secret {
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// When it was made, by the clock of the client that made it.
    pub created: Timestamp,
    /// The oldest first; the last is the present one.
    pub versions: Vec<Version>,
}

/// One value of a secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Version {
    /// A keyed digest of the value: it stays when the value is encrypted again.
    pub version: String,
    /// The epoch of the cluster's key to which the value is encrypted.
    pub epoch: u64,
    /// Where the encrypted value is.
    pub content: ContentRef,
    /// `user@machine` that gave the value.
    pub who: String,
    /// When, by their clock.
    pub at: Timestamp,
}

/// A secret that is the cluster's own: what signs certificates of its agents. People neither name nor list it.
pub const AUTHORITY: &str = "stackctl.agents.authority";

/// Another one of its own: the private key that opens values of releases. Each version opens those that were written while it
/// was the newest.
pub const RELEASES: &str = "stackctl.releases.key";

/// Whether a secret is the cluster's own.
#[must_use]
pub fn is_own(name: &str) -> bool {
    [AUTHORITY, RELEASES].contains(&name)
}

/// Versions that are kept of a secret, besides those that a release names.
pub const VERSIONS_MAX: usize = 5;

impl Secrets {
    /// Those that people have made.
    #[must_use]
    pub fn of_people(mut self) -> Self {
        self.0.retain(|name, _| !is_own(name.as_str()));
        self
    }

    /// The cluster's own of a name.
    #[must_use]
    pub fn own(&self, own: &str) -> Option<&Secret> {
        self.0.iter().find(|(name, _)| name.as_str() == own).map(|(_, secret)| secret)
    }

    /// Names of the contents that hold the values.
    #[must_use]
    pub fn contents(&self) -> BTreeSet<String> {
        self.versions().map(|(_, version)| version.content.name.clone()).collect()
    }

    /// Every value of every secret.
    pub fn versions(&self) -> impl Iterator<Item = (&ObjectName, &Version)> {
        self.0.iter().flat_map(|(name, secret)| secret.versions.iter().map(move |version| (name, version)))
    }
}

impl Secret {
    /// The present version.
    ///
    /// # Panics
    ///
    /// If there is none: a secret is written with its first one.
    #[must_use]
    pub fn present(&self) -> &Version {
        self.versions.last().expect("a secret has a version")
    }

    /// Gives it a value, and forgets those that are too old and that no release names.
    pub fn put(&mut self, version: Version, named: &BTreeSet<String>) {
        self.versions.retain(|one| one.version != version.version);
        self.versions.push(version);
        let mut surplus = self.versions.len().saturating_sub(VERSIONS_MAX);
        self.versions.retain(|one| {
            let goes = surplus > 0 && !named.contains(&one.version);
            surplus -= usize::from(goes);
            !goes
        });
    }
}

/// The stream of the secrets.
#[must_use]
pub fn stream() -> Stream {
    Stream::new(Kind::Secrets, "cluster")
}

/// Whose contents the values are. No stack's name begins with a dot.
#[must_use]
pub fn owner() -> StackName {
    StackName::unchecked(".secrets")
}

/// The secrets.
///
/// # Errors
///
/// They cannot be read, or the managers do not agree on the newest record.
pub async fn read<R: ReadRegisters>(ledger: &Ledger<R>) -> Result<Secrets, LedgerError> {
    Ok(document::read(ledger, &stream()).await?.1)
}

/// Changes the secrets; what they were, and what they are.
///
/// # Errors
///
/// They cannot be read or written; and those of the change.
pub async fn change<R: WriteRegisters, E: From<LedgerError>>(
    ledger: &Ledger<R>,
    with: impl FnMut(&mut Secrets) -> Result<(), E>,
) -> Result<(Secrets, Secrets), E> {
    document::change(ledger, &stream(), with).await
}

/// Writes an encrypted value; where it is. Only a majority that has it makes it one.
///
/// # Errors
///
/// It cannot be written.
pub async fn put_value<R: WriteRegisters>(
    ledger: &Ledger<R>,
    key: &crate::model::MarkKey,
    value: &SealedValue,
) -> Result<ContentRef, LedgerError> {
    let bytes = serde_json::to_vec(value).expect("texts and numbers are JSON");
    let content = ContentRef::of(key, &owner(), &bytes);
    let contents = BTreeMap::from([(content.clone(), &*bytes)]);
    contents::put(ledger, &owner(), &contents, &BTreeSet::new()).await?;
    Ok(content)
}

/// Reads an encrypted value.
///
/// # Errors
///
/// It is on no manager that answers, or is damaged: in words.
pub async fn value<R: ReadRegisters>(ledger: &Ledger<R>, version: &Version) -> Result<SealedValue, String> {
    let bytes = contents::get(ledger, &owner(), &version.content).await?;
    let value: SealedValue =
        serde_json::from_slice(&bytes).map_err(|error| format!("it is damaged: {error}"))?;
    if value.version != version.version || value.epoch != version.epoch {
        return Err("it is damaged: it is another value than its record says".to_owned());
    }
    Ok(value)
}

/// Names of the contents that are to stay, for their collector.
async fn named<R: ReadRegisters>(ledger: &Ledger<R>) -> Result<Option<BTreeSet<String>>, LedgerError> {
    Ok(Some(read(ledger).await?.contents()))
}

/// Removes values that no secret has any more, and brings the others to managers that lack them.
///
/// # Errors
///
/// The secrets cannot be read.
pub async fn tidy<R: WriteRegisters>(ledger: &Ledger<R>, may: impl Fn() -> bool) -> Result<(), LedgerError> {
    contents::tidy_of(ledger, &owner(), async || named(ledger).await, may).await
}

/// Writes again what managers have lost of the values.
///
/// # Errors
///
/// The secrets cannot be read.
pub async fn mend<R: WriteRegisters>(ledger: &Ledger<R>, may: impl Fn() -> bool) -> Result<(), LedgerError> {
    contents::mend_of(ledger, &owner(), async || named(ledger).await, may).await
}

/// Whether each manager that answers has all values.
///
/// # Errors
///
/// The secrets cannot be read.
pub async fn are_everywhere<R: ReadRegisters>(ledger: &Ledger<R>) -> Result<bool, LedgerError> {
    contents::are_everywhere_of(ledger, &owner(), async || named(ledger).await).await
}
