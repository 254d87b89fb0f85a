//! The authority of the cluster's agents, kept as a secret of the cluster itself: made when agents first need it, opened by
//! who opens secrets, and encrypted again with them when the key is replaced. Its private key reaches no host.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::values::Values;
use super::{VaultError, known, sealing, secret, under_lease};
use crate::ledger::secrets::{self, AUTHORITY, Secret, Secrets};
use crate::ledger::{Ledger, ReadRegisters, WriteRegisters};
use crate::model::Timestamp;
use crate::ops::log::{Actor, Unended};
use crate::vault::ObjectName;
use crate::vault::authority::{Authority, ends_soon, fingerprint};

/// Labels of the secret, which say what is known without a key.
const FINGERPRINT_LABEL: &str = "stackctl.agents.authority";
const UNTIL_LABEL: &str = "stackctl.agents.until";

/// What is known of the authority without its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    pub fingerprint: String,
    pub until: Timestamp,
    version: String,
}

fn of(all: &Secrets, now: Timestamp) -> Option<Kept> {
    let secret = all.own(AUTHORITY)?;
    let until = secret.labels.get(UNTIL_LABEL)?.parse().ok().map(Timestamp)?;
    // One that ends soon is none: another one is made.
    (!ends_soon(until, now)).then(|| Kept {
        fingerprint: secret.labels.get(FINGERPRINT_LABEL).cloned().unwrap_or_default(),
        until,
        version: secret.present().version.clone(),
    })
}

/// The authority, if there is one that lasts.
///
/// # Errors
///
/// The ledger cannot be read.
pub async fn kept<R: ReadRegisters>(ledger: &Ledger<R>, now: Timestamp) -> Result<Option<Kept>, VaultError> {
    Ok(of(&secrets::read(ledger).await?, now))
}

/// The authority, to sign with. Where there is none it is made.
///
/// # Errors
///
/// The cluster has no key, or no private key of this machine opens it.
pub async fn signing<R: WriteRegisters + Send + Sync + 'static>(
    ledger: &Arc<Ledger<R>>,
    actor: &Actor,
    values: &Values,
    cluster: &str,
    unended: impl FnOnce(Unended),
) -> Result<Authority, VaultError> {
    let now = actor.clock.now();
    if let Some(kept) = kept(ledger, now).await? {
        return opened(values, &kept).await;
    }
    known(ledger).await?.key()?;
    let made = under_lease(ledger, actor, "agent authority", unended, async |work| {
        // Another process may have been quicker.
        if of(&secrets::read(work.ledger).await?, now).is_some() {
            return Ok(None);
        }
        let name: ObjectName = AUTHORITY.parse().expect("a name that secrets can have");
        let made = Authority::make(cluster, now).map_err(|why| VaultError::Authority(why.to_string()))?;
        let version = secret::seal(work, actor, &name, &made.to_plaintext()).await?;
        let labels = BTreeMap::from([
            (FINGERPRINT_LABEL.to_owned(), fingerprint(made.certificate())),
            (UNTIL_LABEL.to_owned(), made.until().0.to_string()),
        ]);
        let put = |all: &mut Secrets| {
            let secret =
                Secret { labels: labels.clone(), created: version.at, versions: vec![version.clone()] };
            all.0.insert(name.clone(), secret);
            Ok(())
        };
        sealing::write(work, put).await?;
        Ok(Some(made))
    });
    if let Some(made) = made.await? {
        return Ok(made);
    }
    let kept = kept(ledger, now).await?;
    let kept = kept.ok_or_else(|| VaultError::Authority("it was removed meanwhile".to_owned()))?;
    opened(values, &kept).await
}

async fn opened(values: &Values, kept: &Kept) -> Result<Authority, VaultError> {
    let value = values.get(AUTHORITY, &kept.version).await?;
    Authority::of_plaintext(&value).map_err(|why| VaultError::Authority(why.to_string()))
}
