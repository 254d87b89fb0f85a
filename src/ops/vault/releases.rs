//! The key of releases: to it the values of a stack are encrypted in the ledger, and who may read secrets opens them.
//!
//! A pair of its own, since records of releases are never written again: when the cluster's key is replaced, the private half
//! is encrypted again with all secrets, and new releases get a pair that a recipient who was removed has never had. The public
//! half stands among the node records, which every deploy reads anyway.

use std::collections::BTreeMap;

use super::{Known, VaultError, Work, known, sealing};
use crate::engine::node_records;
use crate::ledger::secrets::{self, RELEASES, Secret, Secrets};
use crate::ledger::{LedgerError, WriteRegisters};
use crate::model::{MarkKey, ReleaseKey};
use crate::ops::log::Actor;
pub use crate::vault::Recipient;
use crate::vault::{Keyring, ObjectName};

/// Labels of the secret, which say what is known without a key: the newest public half, and for which key of the cluster it
/// was made.
const RECIPIENT_LABEL: &str = "stackctl.releases.recipient";
const EPOCH_LABEL: &str = "stackctl.releases.epoch";
/// What the proof beside the public half is for.
const PURPOSE: &str = "releases";

/// To whom values of releases are encrypted; `None` where there is no key for that.
///
/// # Errors
///
/// Other hands wrote it: what is encrypted to it could be read by them.
pub fn recipient(marks: &MarkKey, key: Option<&ReleaseKey>) -> Result<Option<Recipient>, VaultError> {
    let Some(ReleaseKey { recipient, proof }) = key else { return Ok(None) };
    if !marks.proves(PURPOSE, recipient.as_bytes(), proof) {
        return Err(VaultError::ForeignReleaseKey);
    }
    recipient.parse().map(Some).map_err(|_| VaultError::ForeignReleaseKey)
}

/// Sees to it that there is a pair for the cluster's key of now. No private key is needed: it is encrypted to the public half
/// of the cluster's key.
pub(super) async fn ensure<R: WriteRegisters + Send + Sync + 'static>(
    work: &Work<'_, R>,
    actor: &Actor,
) -> Result<(), VaultError> {
    let known = known(work.ledger).await?;
    let epoch = known.key()?.epoch().to_string();
    let all = secrets::read(work.ledger).await?;
    let label = |name: &str| all.own(RELEASES).and_then(|secret| secret.labels.get(name));
    let is_new = label(EPOCH_LABEL) != Some(&epoch);
    let recipient = match label(RECIPIENT_LABEL).filter(|_| !is_new) {
        Some(recipient) => recipient.clone(),
        None => make(work, actor, &known, &epoch).await?,
    };
    publish(work, &known, recipient).await
}

/// Makes a pair, and keeps its private half beside those of before.
async fn make<R: WriteRegisters + Send + Sync + 'static>(
    work: &Work<'_, R>,
    actor: &Actor,
    known: &Known,
    epoch: &str,
) -> Result<String, VaultError> {
    let name: ObjectName = RELEASES.parse().expect("a name that secrets can have");
    let (ring, private) = Keyring::generate();
    let recipient = ring.publics().first().map(ToString::to_string).unwrap_or_default();
    let version = sealing::sealed(work, actor, known, &name, &private).await?;
    let labels = BTreeMap::from([
        (RECIPIENT_LABEL.to_owned(), recipient.clone()),
        (EPOCH_LABEL.to_owned(), epoch.to_owned()),
    ]);
    let put = |all: &mut Secrets| {
        let fresh = || Secret { labels: BTreeMap::new(), created: version.at, versions: Vec::new() };
        let secret = all.0.entry(name.clone()).or_insert_with(fresh);
        secret.labels.clone_from(&labels);
        // None is forgotten: any of them may be what opens the release that a rollback leads to.
        secret.versions.push(version.clone());
        Ok(())
    };
    sealing::write(work, put).await?;
    Ok(recipient)
}

/// Writes the public half where who writes a release finds it.
async fn publish<R: WriteRegisters + Send + Sync + 'static>(
    work: &Work<'_, R>,
    known: &Known,
    recipient: String,
) -> Result<(), VaultError> {
    let proof = known.marks.proof(PURPOSE, recipient.as_bytes());
    let key = ReleaseKey { recipient, proof };
    if known.release_key.as_ref() == Some(&key) {
        return Ok(());
    }
    work.check()?;
    node_records::change(work.ledger, |records| {
        records.release_key = Some(key.clone());
        Ok::<(), LedgerError>(())
    })
    .await?;
    Ok(())
}
