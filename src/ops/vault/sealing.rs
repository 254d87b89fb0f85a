//! Values of secrets as the ledger keeps them: encrypted and written, read and opened, and the list that names them.

use super::{Known, VaultError, Work};
use crate::ledger::secrets::{self, Secrets, Version};
use crate::ledger::{Ledger, ReadRegisters, WriteRegisters};
use crate::ops::log::Actor;
use crate::vault::{Kind, ObjectName, Opened, Plaintext, SealedValue};

/// A version of a secret, opened.
pub(super) async fn opened<R: ReadRegisters>(
    ledger: &Ledger<R>,
    key: &Opened,
    name: &ObjectName,
    version: &Version,
) -> Result<Plaintext, VaultError> {
    let bad = |why: String| VaultError::Value { name: name.clone(), version: version.version.clone(), why };
    let sealed: SealedValue = secrets::value(ledger, version).await.map_err(bad)?;
    key.open(name.as_str(), &sealed).map_err(|why| VaultError::value(name, &version.version, &why))
}

/// Encrypts a value to the key of now, and writes it.
pub(super) async fn sealed<R: WriteRegisters + Send + Sync + 'static>(
    work: &Work<'_, R>,
    actor: &Actor,
    known: &Known,
    name: &ObjectName,
    value: &Plaintext,
) -> Result<Version, VaultError> {
    let sealed =
        known.key()?.seal(Kind::Secret, name.as_str(), value).map_err(|why| VaultError::size(name, why))?;
    work.check()?;
    let content = secrets::put_value(work.ledger, &known.marks, &sealed).await?;
    let (who, at) = (actor.me.who.clone(), actor.clock.now());
    Ok(Version { version: sealed.version, epoch: sealed.epoch, content, who, at })
}

pub(super) async fn write<R: WriteRegisters + Send + Sync + 'static>(
    work: &Work<'_, R>,
    put: impl FnMut(&mut Secrets) -> Result<(), VaultError>,
) -> Result<(), VaultError> {
    work.check()?;
    secrets::change(work.ledger, put).await?;
    // What is written is written: what is left behind is collected by the next change.
    Ok(secrets::tidy(work.ledger, || work.may()).await?)
}
