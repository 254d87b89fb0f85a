//! Values of secrets in stores outside of the cluster, asked when a stack is planned: password managers, Vault, and whatever
//! a program of this machine can ask.
//!
//! A stackfile names a driver and the options that say which value it wants; the [inventory](crate::inventory::drivers) says
//! which drivers there are and what they start. What a store answers goes on in memory alone, and no message has any of it:
//! not what a program printed, nor what of that it repeats in its errors.

mod hashicorp;
mod program;

use std::collections::BTreeMap;
use std::fmt;

use thiserror::Error;
use tokio::sync::Semaphore;
use tokio::time::timeout;
use zeroize::Zeroizing;

use crate::inventory::drivers::{Driver, DriverKind};
use crate::inventory::{Env, Inventory};
use crate::model::Plaintext;

/// So many values are asked for at a time.
const AT_A_TIME: usize = 8;
/// Swarm's limit on the value of a secret: the first size that it refuses.
const BYTES_MAX: usize = 500 * 1024;

/// Which value is asked for.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// The driver that the stackfile names.
    pub driver: &'a str,
    /// Its options there.
    pub options: &'a BTreeMap<String, String>,
    /// The secret's key in the stackfile.
    pub secret: &'a str,
    pub stack: &'a str,
}

/// Why there is no value.
#[derive(Debug, Error)]
pub enum StoreError {
    /// A stackfile alone starts nothing.
    #[error("{}", refused(.known))]
    NotAllowed { known: Vec<String> },
    /// The store cannot be asked, or does not have it.
    #[error("{0}")]
    Failed(String),
}

fn refused(known: &[String]) -> String {
    match known {
        [] => "the inventory allows no drivers".to_owned(),
        known => format!("the inventory allows other drivers: {}", known.join(", ")),
    }
}

/// The drivers that the inventory allows.
pub struct Stores {
    drivers: BTreeMap<String, Driver>,
    variables: Variables,
    turns: Semaphore,
}

impl fmt::Debug for Stores {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stores").field("drivers", &self.drivers).finish_non_exhaustive()
    }
}

impl Stores {
    /// Those of an inventory. Addresses and tokens that it does not have come from variables.
    #[must_use]
    pub fn of(inventory: &Inventory, env: Env<'_>) -> Self {
        let drivers = inventory.drivers.clone();
        // Of no interest where no driver reads them.
        let variables = if drivers.is_empty() { Variables::default() } else { Variables::of(env) };
        Self { drivers, variables, turns: Semaphore::new(AT_A_TIME) }
    }

    /// None: every driver is refused.
    #[must_use]
    pub fn none() -> Self {
        Self { drivers: BTreeMap::new(), variables: Variables::default(), turns: Semaphore::new(AT_A_TIME) }
    }

    /// Asks for a value.
    ///
    /// # Errors
    ///
    /// The driver is not allowed, the store cannot be asked or does not have the value, or that is none for a secret.
    pub async fn ask(&self, asked: Asked<'_>) -> Result<Plaintext, StoreError> {
        let Some(driver) = self.drivers.get(asked.driver) else {
            let known = self.drivers.keys().cloned().collect();
            return Err(StoreError::NotAllowed { known });
        };
        let _turn = self.turns.acquire().await.expect("the semaphore is never closed");
        let answer = async {
            match &driver.kind {
                DriverKind::Program => program::speaking(asked).await,
                DriverKind::Command { argv, folder } => program::command(asked, argv, folder).await,
                DriverKind::Pass { store } => program::pass(asked, store.as_deref()).await,
                DriverKind::Vault(place) => hashicorp::ask(asked, place, &self.variables).await,
            }
        };
        let value = match timeout(driver.timeout, answer).await {
            Ok(answer) => answer.map_err(StoreError::Failed)?,
            // Dropped, and with it ended, whatever was started.
            Err(_) => {
                let seconds = driver.timeout.as_secs();
                return Err(StoreError::Failed(format!("it gave no answer within {seconds} s")));
            }
        };
        match value.len() {
            0 => Err(StoreError::Failed("what it gave is empty".to_owned())),
            len if len >= BYTES_MAX => Err(StoreError::Failed(format!(
                "what it gave is too large: a secret has less than {BYTES_MAX} bytes"
            ))),
            _ => Ok(value),
        }
    }
}

/// The option of a secret, or what it is without one.
fn option<'a>(asked: &Asked<'a>, name: &str, otherwise: &'a str) -> &'a str {
    asked.options.get(name).map_or(otherwise, String::as_str)
}

/// Whether the driver knows all options of the secret: one that is misspelt would be passed over.
fn known_options(asked: &Asked<'_>, known: &[&str]) -> Result<(), String> {
    match asked.options.keys().find(|name| !known.contains(&name.as_str())) {
        None => Ok(()),
        Some(name) if known.is_empty() => Err(format!("it takes no option `{name}`, nor any other")),
        Some(name) => Err(format!("it has no option `{name}`; there are: {}", known.join(", "))),
    }
}

/// The variables that drivers of this program read.
#[derive(Default)]
struct Variables(BTreeMap<&'static str, Zeroizing<String>>);

impl Variables {
    fn of(env: Env<'_>) -> Self {
        let set =
            |name: &'static str| Some((name, Zeroizing::new(env(name).filter(|value| !value.is_empty())?)));
        Self(hashicorp::VARIABLES.into_iter().filter_map(set).collect())
    }

    /// The first of them that is set.
    fn first(&self, names: &[&str]) -> Option<&str> {
        names.iter().find_map(|name| self.0.get(*name)).map(|value| value.as_str())
    }
}
