//! Values of secrets as a deploy needs them: those that the stackfile's author has here, and those that the ledger has
//! encrypted, for which a private key is looked up once, when the first of them is needed.
//!
//! They stay in the memory of this process and are handed to the hosts' agents alone.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::future::BoxFuture;
use tokio::sync::OnceCell;

use super::VaultError;
use super::private::{KeyPlaces, NoKeys};
use crate::engine::Reading;
use crate::fleet::agents::secrets::SecretValues;
use crate::ledger::secrets;
use crate::stores::Stores;
use crate::vault::{Keyring, ObjectName, Opened, Plaintext};

/// Name and version of a value.
type Which = (String, String);

/// What this process knows of values, and where it learns of others.
#[derive(Debug)]
pub struct Values {
    ledger: Reading,
    keys: KeyPlaces,
    stores: Stores,
    keyring: OnceCell<Keyring>,
    here: Mutex<BTreeMap<Which, Arc<Plaintext>>>,
    release_keys: Mutex<Option<Arc<Keyring>>>,
    known: Mutex<Option<Arc<Opener>>>,
}

/// What values are opened with: the list of them, and the key of then.
#[derive(Debug)]
struct Opener {
    all: secrets::Secrets,
    key: Opened,
}

impl Values {
    /// Of a ledger; private keys are looked for in these places, and these stores are asked.
    #[must_use]
    pub fn new(ledger: Reading, keys: KeyPlaces, stores: Stores) -> Self {
        Self {
            ledger,
            keys,
            stores,
            keyring: OnceCell::new(),
            here: Mutex::default(),
            release_keys: Mutex::default(),
            known: Mutex::default(),
        }
    }

    /// The stores that drivers of secrets ask.
    #[must_use]
    pub const fn stores(&self) -> &Stores {
        &self.stores
    }

    /// Where values are that are not here.
    pub(super) const fn ledger(&self) -> &Reading {
        &self.ledger
    }

    /// The private keys of releases, if they were needed before.
    pub(super) fn known_release_keys(&self) -> Option<Arc<Keyring>> {
        self.release_keys.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Remembers them.
    pub(super) fn put_release_keys(&self, keys: Keyring) -> Arc<Keyring> {
        let keys = Arc::new(keys);
        *self.release_keys.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&keys));
        keys
    }

    /// Remembers a value that was given here.
    pub fn put(&self, name: &str, version: &str, value: Arc<Plaintext>) {
        self.lock().insert((name.to_owned(), version.to_owned()), value);
    }

    /// A value that was given here, or was needed before.
    #[must_use]
    pub fn here(&self, name: &str, version: &str) -> Option<Arc<Plaintext>> {
        self.lock().get(&(name.to_owned(), version.to_owned())).map(Arc::clone)
    }

    /// The private keys of this machine, looked up once.
    ///
    /// # Errors
    ///
    /// There are none, or they cannot be read.
    pub async fn keyring(&self) -> Result<&Keyring, NoKeys> {
        self.keyring.get_or_try_init(async || Ok(self.keys.keyring().await?.keys)).await
    }

    /// A value, from here or from the ledger.
    ///
    /// # Errors
    ///
    /// It is not there, or no private key of this machine opens it.
    pub async fn get(&self, name: &str, version: &str) -> Result<Arc<Plaintext>, VaultError> {
        if let Some(value) = self.here(name, version) {
            return Ok(value);
        }
        let value = Arc::new(self.of_ledger(name, version).await?);
        self.put(name, version, Arc::clone(&value));
        Ok(value)
    }

    /// A deploy needs many: list and key are read once for all of them. Another process may have changed both since: what
    /// cannot be opened by them is tried with those of now.
    async fn of_ledger(&self, name: &str, version: &str) -> Result<Plaintext, VaultError> {
        let object: ObjectName = name.parse().map_err(|_| VaultError::BadName(name.to_owned()))?;
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(known) = known
            && let Ok(value) = self.opened(&known, &object, version).await
        {
            return Ok(value);
        }
        let all = secrets::read(&self.ledger).await?;
        let is_it = |one: &secrets::Version| one.version == version;
        // Before a private key is asked for.
        if !all.0.get(&object).is_some_and(|secret| secret.versions.iter().any(is_it)) {
            return Err(VaultError::NoVersion { name: name.to_owned(), version: version.to_owned() });
        }
        let key = super::known(&self.ledger).await?.key()?.open(self.keyring().await?)?;
        let known = Arc::new(Opener { all, key });
        *self.known.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&known));
        self.opened(&known, &object, version).await
    }

    async fn opened(&self, by: &Opener, name: &ObjectName, version: &str) -> Result<Plaintext, VaultError> {
        let lost = || VaultError::NoVersion { name: name.to_string(), version: version.to_owned() };
        let secret = by.all.0.get(name).ok_or_else(lost)?;
        let found = secret.versions.iter().find(|one| one.version == version).ok_or_else(lost)?;
        super::sealing::opened(&self.ledger, &by.key, name, found).await
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<Which, Arc<Plaintext>>> {
        self.here.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl SecretValues for Values {
    fn value<'a>(&'a self, name: &'a str, version: &'a str) -> BoxFuture<'a, Result<Arc<Plaintext>, String>> {
        Box::pin(async move {
            // A release that another hand wrote could name it, and would bring it to a host.
            if secrets::is_own(name) {
                return Err("it is the cluster's own".to_owned());
            }
            self.get(name, version).await.map_err(|why| why.to_string())
        })
    }
}
