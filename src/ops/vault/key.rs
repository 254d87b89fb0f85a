//! The cluster's key: made once, opened by its recipients, and replaced when one of them leaves.
//!
//! A replacement is done in three steps, and a run that is cut off goes on in the next: the record with the new key, which
//! still opens what was sealed to the one before; each value encrypted again; the record without the former key.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::{Known, VaultError, Work, known, mend, releases, settled_marks, under_lease};
use crate::ledger::secrets::{self, Version};
use crate::ledger::{Ledger, LedgerError, WriteRegisters, key as kept};
use crate::ops::log::{Actor, Unended};
use crate::vault::{ClusterKey, Keyring, ObjectName, Opened, Recipient, RecipientName, Recipients};

/// What a replacement of the key did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rotated {
    /// The key of now.
    pub key: ClusterKey,
    /// Whether an earlier replacement was finished, and nothing else was done.
    pub is_finished_only: bool,
    /// Values of secrets that were encrypted again by this run; those of the cluster itself are not counted.
    pub renewed: usize,
    /// Values that could not be: they stay encrypted to a former key, which is kept for them.
    pub failed: Vec<(ObjectName, String)>,
}

/// Makes the first key of a cluster.
///
/// # Errors
///
/// There is one already, or the ledger cannot be read or written.
pub async fn init<R: WriteRegisters + Send + Sync + 'static>(
    ledger: &Arc<Ledger<R>>,
    actor: &Actor,
    recipients: Recipients,
    unended: impl FnOnce(Unended),
) -> Result<ClusterKey, VaultError> {
    mend(ledger, actor).await?;
    refuse_second(&known(ledger).await?)?;
    under_lease(ledger, actor, "key init", unended, async |work| {
        let marks = settled_marks(actor, ledger).await?;
        let before = known(ledger).await?;
        refuse_second(&before)?;
        let made = Opened::create(&marks, recipients)?;
        let made = write(work, &before, &made).await?;
        releases::ensure(work, actor).await?;
        Ok(made)
    })
    .await
}

fn refuse_second(known: &Known) -> Result<(), VaultError> {
    match known.there() {
        None => Ok(()),
        Some(key) => Err(VaultError::KeyExists { epoch: key.epoch(), recipients: key.recipients().words() }),
    }
}

/// Lets one more recipient open the key, and all values that were sealed to it before.
///
/// # Errors
///
/// No private key fits, or the name or the key is a recipient's already.
pub async fn add<R: WriteRegisters + Send + Sync + 'static>(
    ledger: &Arc<Ledger<R>>,
    actor: &Actor,
    keys: &Keyring,
    (name, recipient): (RecipientName, Recipient),
    unended: impl FnOnce(Unended),
) -> Result<ClusterKey, VaultError> {
    mend(ledger, actor).await?;
    // Before anything is written: a mistake is no operation.
    known(ledger).await?.key()?.open(keys)?.add(name.clone(), recipient.clone())?;
    under_lease(ledger, actor, &format!("key add-recipient {name}"), unended, async |work| {
        let before = known(ledger).await?;
        let after = before.key()?.open(keys)?.add(name.clone(), recipient)?;
        write(work, &before, &after).await
    })
    .await
}

/// Takes the key from a recipient: a new one, to which all values are encrypted again. What the recipient has read is to be
/// changed by hand.
///
/// # Errors
///
/// No private key fits, or there is no such recipient, or no other.
pub async fn remove<R: WriteRegisters + Send + Sync + 'static>(
    ledger: &Arc<Ledger<R>>,
    actor: &Actor,
    keys: &Keyring,
    name: &RecipientName,
    unended: impl FnOnce(Unended),
    mut told: impl FnMut(usize, usize),
) -> Result<Rotated, VaultError> {
    mend(ledger, actor).await?;
    known(ledger).await?.key()?.open(keys)?.remove(name)?;
    let verb = format!("key rm-recipient {name}");
    under_lease(ledger, actor, &verb, unended, async |work| {
        let before = known(ledger).await?;
        let after = before.key()?.open(keys)?.remove(name)?;
        write(work, &before, &after).await?;
        finish(work, actor, keys, false, &mut told).await
    })
    .await
}

/// Replaces the key for the same recipients. If an earlier replacement was cut off, finishes that one and does no more.
///
/// # Errors
///
/// No private key fits, or the ledger cannot be read or written.
pub async fn rotate<R: WriteRegisters + Send + Sync + 'static>(
    ledger: &Arc<Ledger<R>>,
    actor: &Actor,
    keys: &Keyring,
    unended: impl FnOnce(Unended),
    mut told: impl FnMut(usize, usize),
) -> Result<Rotated, VaultError> {
    mend(ledger, actor).await?;
    known(ledger).await?.key()?.open(keys)?;
    under_lease(ledger, actor, "key rotate", unended, async |work| {
        let before = known(ledger).await?;
        let opened = before.key()?.open(keys)?;
        if opened.key().former().next().is_some() || !behind(work, opened.key()).await?.is_empty() {
            let done = finish(work, actor, keys, true, &mut told).await?;
            // Values that are lost would stand in the way of every replacement.
            if done.renewed > 0 || done.failed.is_empty() {
                return Ok(done);
            }
        }
        let before = known(ledger).await?;
        let opened = before.key()?.open(keys)?;
        write(work, &before, &opened.rotate()?).await?;
        finish(work, actor, keys, false, &mut told).await
    })
    .await
}

/// Values that are sealed to a former key.
async fn behind<R: WriteRegisters + Send + Sync + 'static>(
    work: &Work<'_, R>,
    key: &ClusterKey,
) -> Result<Vec<(ObjectName, Version)>, LedgerError> {
    let all = secrets::read(work.ledger).await?;
    let is_behind = |(_, version): &(&ObjectName, &Version)| version.epoch != key.epoch();
    Ok(all.versions().filter(is_behind).map(|(name, version)| (name.clone(), version.clone())).collect())
}

/// Encrypts again what is behind, and gives up former keys that no value needs any more.
async fn finish<R: WriteRegisters + Send + Sync + 'static>(
    work: &Work<'_, R>,
    actor: &Actor,
    keys: &Keyring,
    is_finished_only: bool,
    told: &mut impl FnMut(usize, usize),
) -> Result<Rotated, VaultError> {
    // First of all: what is deployed meanwhile is encrypted to a pair of the new key.
    releases::ensure(work, actor).await?;
    let before = known(work.ledger).await?;
    let opened = before.key()?.open(keys)?;
    let todo = behind(work, opened.key()).await?;
    let (mut renewed, mut failed) = (0, Vec::new());
    for (at, (name, version)) in todo.iter().enumerate() {
        work.check()?;
        match renew(work, &before, &opened, name, version).await? {
            // People count those that they made.
            Ok(()) => renewed += usize::from(!secrets::is_own(name.as_str())),
            Err(why) => failed.push((name.clone(), why)),
        }
        told(at + 1, todo.len());
    }
    // What is sealed to them is not lost for good with the last who has them.
    let needed: BTreeSet<u64> =
        behind(work, opened.key()).await?.into_iter().map(|(_, version)| version.epoch).collect();
    let oldest = needed.first().copied().unwrap_or(opened.key().epoch());
    let mut key = opened.key().clone();
    if key.former().any(|epoch| epoch < oldest) {
        key = write(work, &before, &opened.forget(oldest)?).await?;
    }
    work.check()?;
    secrets::tidy(work.ledger, || work.may()).await?;
    Ok(Rotated { key, is_finished_only, renewed, failed })
}

/// Encrypts one value again; in words why that is not possible.
async fn renew<R: WriteRegisters + Send + Sync + 'static>(
    work: &Work<'_, R>,
    known: &Known,
    opened: &Opened,
    name: &ObjectName,
    version: &Version,
) -> Result<Result<(), String>, VaultError> {
    let value = match secrets::value(work.ledger, version).await {
        Ok(value) => value,
        Err(why) => return Ok(Err(why)),
    };
    let renewed = match opened.renew(&value) {
        Ok(Some(renewed)) => renewed,
        Ok(None) => return Ok(Ok(())),
        Err(why) => return Ok(Err(why.to_string())),
    };
    let content = secrets::put_value(work.ledger, &known.marks, &renewed).await?;
    let put = |all: &mut secrets::Secrets| {
        let of_name = all.0.get_mut(name).into_iter().flat_map(|secret| &mut secret.versions);
        for one in of_name.filter(|one| *one == version) {
            one.content.clone_from(&content);
            one.epoch = renewed.epoch;
        }
        Ok::<(), LedgerError>(())
    };
    secrets::change(work.ledger, put).await?;
    Ok(Ok(()))
}

/// Writes the record of a key in the place of the one that it was made of.
async fn write<R: WriteRegisters + Send + Sync + 'static>(
    work: &Work<'_, R>,
    before: &Known,
    after: &Opened,
) -> Result<ClusterKey, VaultError> {
    work.check()?;
    if kept::replace(work.ledger, &before.record, &after.key().record()).await? {
        Ok(after.key().clone())
    } else {
        Err(VaultError::Overtaken)
    }
}
