//! Secrets that a command makes: created, given new values, removed.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::users::{Held, users};
use super::{Known, VaultError, Work, known, mend, refuse_lost, releases, sealing, under_lease};
use crate::ledger::secrets::{self, Secret, Secrets, Version};
use crate::ledger::{Ledger, ReadRegisters, WriteRegisters};
use crate::ops::log::{Actor, Unended};
use crate::vault::{Keyring, Kind, ObjectName, Plaintext};

/// Names the registry of which a secret is a login.
pub const REGISTRY_LABEL: &str = "stackctl.registry";

/// All secrets.
///
/// # Errors
///
/// The ledger cannot be read, or has lost them.
pub async fn all<R: ReadRegisters>(ledger: &Ledger<R>) -> Result<Secrets, VaultError> {
    Ok(read(ledger).await?.of_people())
}

/// All secrets, the cluster's own too. None at all may be a loss.
pub(super) async fn read<R: ReadRegisters>(ledger: &Ledger<R>) -> Result<Secrets, VaultError> {
    let all = secrets::read(ledger).await?;
    if all.0.is_empty() {
        refuse_lost(ledger, &secrets::stream()).await?;
    }
    Ok(all)
}

/// A secret of the cluster itself is made and changed by nothing that people say.
pub(super) fn refuse_own(name: &ObjectName) -> Result<(), VaultError> {
    if secrets::is_own(name.as_str()) { Err(VaultError::Reserved(name.clone())) } else { Ok(()) }
}

/// Makes a secret.
///
/// # Errors
///
/// There is one of that name, the cluster has no key, or the value is empty or too large.
pub async fn create<R: WriteRegisters + Send + Sync + 'static>(
    ledger: &Arc<Ledger<R>>,
    actor: &Actor,
    name: &ObjectName,
    labels: BTreeMap<String, String>,
    value: &Plaintext,
    unended: impl FnOnce(Unended),
) -> Result<Version, VaultError> {
    mend(ledger, actor).await?;
    refuse_own(name)?;
    refuse_value(ledger, name, value).await?;
    if read(ledger).await?.0.contains_key(name) {
        return Err(VaultError::Exists(name.clone()));
    }
    under_lease(ledger, actor, &format!("secret create {name}"), unended, async |work| {
        let version = seal(work, actor, name, value).await?;
        let secret = Secret { labels, created: version.at, versions: vec![version.clone()] };
        let put = |all: &mut Secrets| {
            if all.0.contains_key(name) {
                return Err(VaultError::Exists(name.clone()));
            }
            all.0.insert(name.clone(), secret.clone());
            Ok(())
        };
        sealing::write(work, put).await?;
        Ok(version)
    })
    .await
}

/// Gives a secret a new value; `None` if it has that value already.
///
/// # Errors
///
/// There is no such secret, or the value is empty or too large.
pub async fn rotate<R: WriteRegisters + Send + Sync + 'static>(
    ledger: &Arc<Ledger<R>>,
    actor: &Actor,
    name: &ObjectName,
    value: &Plaintext,
    verb: &str,
    unended: impl FnOnce(Unended),
) -> Result<Option<Version>, VaultError> {
    mend(ledger, actor).await?;
    refuse_own(name)?;
    let known = refuse_value(ledger, name, value).await?;
    let version = known.key()?.version(name.as_str(), value);
    let before = read(ledger).await?;
    let before = find(&before, name.as_str())?;
    refuse_login(name, before)?;
    if before.present().version == version {
        return Ok(None);
    }
    let named = users(ledger).await?.named.remove(name.as_str()).unwrap_or_default();
    under_lease(ledger, actor, &format!("secret {verb} {name}"), unended, async |work| {
        let version = seal(work, actor, name, value).await?;
        let put = |all: &mut Secrets| {
            find(all, name.as_str())?;
            if let Some(secret) = all.0.get_mut(name) {
                secret.put(version.clone(), &named);
            }
            Ok(())
        };
        sealing::write(work, put).await?;
        Ok(Some(version))
    })
    .await
}

/// Removes secrets, with all their versions. All of them must be there, and no stack may run with one of them, by its release
/// or by what its tasks have ([`Held`]).
///
/// # Errors
///
/// There is no such secret, or it is in use.
pub async fn remove<R: WriteRegisters + Send + Sync + 'static>(
    ledger: &Arc<Ledger<R>>,
    actor: &Actor,
    names: &[ObjectName],
    held: &Held,
    unended: impl FnOnce(Unended),
) -> Result<(), VaultError> {
    mend(ledger, actor).await?;
    let all = read(ledger).await?;
    for name in names {
        refuse_own(name)?;
        refuse_login(name, find(&all, name.as_str())?)?;
    }
    let users = users(ledger).await?;
    for name in names {
        let versions = all.0.get(name).into_iter().flat_map(|secret| &secret.versions);
        let versions = versions.map(|version| version.version.as_str());
        let stacks = held.users(users.running.get(name.as_str()), versions);
        if !stacks.is_empty() {
            return Err(VaultError::Used { name: name.clone(), stacks });
        }
    }
    let words: Vec<&str> = names.iter().map(ObjectName::as_str).collect();
    under_lease(ledger, actor, &format!("secret rm {}", words.join(" ")), unended, async |work| {
        let put = |all: &mut Secrets| {
            all.0.retain(|name, _| !names.contains(name));
            Ok(())
        };
        sealing::write(work, put).await
    })
    .await
}

/// The present value of a secret.
///
/// # Errors
///
/// There is no such secret, no private key fits, or the value is lost or damaged.
pub async fn value<R: ReadRegisters>(
    ledger: &Ledger<R>,
    keys: &Keyring,
    name: &ObjectName,
) -> Result<Plaintext, VaultError> {
    refuse_own(name)?;
    let opened = known(ledger).await?.key()?.open(keys)?;
    let all = read(ledger).await?;
    let version = find(&all, name.as_str())?.present();
    sealing::opened(ledger, &opened, name, version).await
}

/// A secret by its name.
///
/// # Errors
///
/// There is none.
pub fn find<'s>(all: &'s Secrets, name: &str) -> Result<&'s Secret, VaultError> {
    let parsed = name.parse::<ObjectName>().ok();
    parsed.and_then(|name| all.0.get(&name)).ok_or_else(|| VaultError::Unknown {
        name: name.to_owned(),
        known: all.0.keys().map(ToString::to_string).filter(|name| !secrets::is_own(name)).collect(),
    })
}

/// What a registry's login becomes by another way is no login, or is missing where none looks for it.
fn refuse_login(name: &ObjectName, secret: &Secret) -> Result<(), VaultError> {
    match secret.labels.get(REGISTRY_LABEL) {
        Some(registry) => Err(VaultError::IsLogin { name: name.clone(), registry: registry.clone() }),
        None => Ok(()),
    }
}

/// Before the lease is taken: a mistake is no operation.
async fn refuse_value<R: ReadRegisters>(
    ledger: &Ledger<R>,
    name: &ObjectName,
    value: &Plaintext,
) -> Result<Known, VaultError> {
    Kind::Secret.check(value).map_err(|why| VaultError::Size { name: name.clone(), why })?;
    let known = known(ledger).await?;
    known.key()?;
    Ok(known)
}

/// Encrypts a value to the key of now, and writes it. With the first one values of releases are encrypted, too.
pub(super) async fn seal<R: WriteRegisters + Send + Sync + 'static>(
    work: &Work<'_, R>,
    actor: &Actor,
    name: &ObjectName,
    value: &Plaintext,
) -> Result<Version, VaultError> {
    let known = known(work.ledger).await?;
    if known.release_key.is_none() {
        releases::ensure(work, actor).await?;
    }
    sealing::sealed(work, actor, &known, name, value).await
}
