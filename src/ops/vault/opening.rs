//! Values of releases, opened for what makes tasks of them or shows them.

use std::sync::Arc;

use futures_util::future::BoxFuture;

use super::values::Values;
use super::{VaultError, known, sealing};
use crate::engine::node_records;
use crate::engine::records::Remembered;
use crate::ledger::secrets::{self, RELEASES};
use crate::vault::{Keyring, ObjectName, Recipient};

impl Values {
    /// Opens what is remembered of a stack as far as the private keys of this machine can. What they do not open stays as it
    /// is: marks compare as values do, and only what makes tasks of them is refused.
    ///
    /// Its layers are not to be those of every command's future: so it is a future of its own.
    pub fn open<'v>(&'v self, remembered: &'v mut Remembered) -> BoxFuture<'v, ()> {
        Box::pin(async move {
            if !remembered.history.is_sealed() {
                return;
            }
            // A key may have come since: then all are read again.
            for is_again in [false, true] {
                let Ok(keys) = self.release_keys(is_again).await else { return };
                if remembered.open(&keys).is_none() {
                    return;
                }
            }
        })
    }

    /// Why values of releases cannot be opened here, in a cluster that encrypts them.
    pub async fn why_sealed(&self) -> Option<VaultError> {
        let (_, records) = node_records::read(self.ledger()).await.ok()?;
        records.release_key?;
        self.release_keys(false).await.err()
    }

    /// Whether values of releases may be encrypted to a public key. Who can write the ledger can prove one of their own there;
    /// who has opened releases knows better.
    pub async fn trusts(&self, to: &Recipient) -> bool {
        let Some(keys) = self.known_release_keys() else { return true };
        // Another process may have replaced the key since.
        let is_in = |keys: &Keyring| keys.publics().contains(to);
        is_in(&keys) || self.release_keys(true).await.is_ok_and(|keys| is_in(&keys))
    }

    /// The private keys of releases, all that can be opened.
    ///
    /// # Errors
    ///
    /// No private key of this machine opens one.
    pub async fn release_keys(&self, is_again: bool) -> Result<Arc<Keyring>, VaultError> {
        if let Some(keys) = self.known_release_keys().filter(|_| !is_again) {
            return Ok(keys);
        }
        let all = secrets::read(self.ledger()).await?;
        let (mut keys, mut lost) = (Keyring::default(), None);
        let Some(secret) = all.own(RELEASES) else { return Ok(self.put_release_keys(keys)) };
        let name: ObjectName = RELEASES.parse().expect("a name that secrets can have");
        // Once for all of them.
        let opened = known(self.ledger()).await?.key()?.open(self.keyring().await?)?;
        for version in &secret.versions {
            let text = match sealing::opened(self.ledger(), &opened, &name, version).await {
                Ok(text) => text,
                // One that is lost is no reason to open nothing.
                Err(why) => {
                    lost = Some(why);
                    continue;
                }
            };
            let ring = Keyring::parse(&text, "the key of releases");
            keys.append(ring.map_err(|why| VaultError::ReleaseKey(why.to_string()))?);
        }
        match lost {
            Some(why) if keys.is_empty() => Err(why),
            _ => Ok(self.put_release_keys(keys)),
        }
    }
}
