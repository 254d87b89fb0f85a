//! Who uses a secret: stacks, by what their releases name.

use std::collections::{BTreeMap, BTreeSet};

use crate::engine::records::remembered;
use crate::ledger::{Ledger, LedgerError, ReadRegisters};
use crate::model::{StackName, StackSpec};

/// What releases name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Users {
    /// Stacks that run with a secret, or may, by the secret's name.
    pub running: BTreeMap<String, BTreeSet<StackName>>,
    /// Versions of secrets that any remembered release names.
    pub named: BTreeMap<String, BTreeSet<String>>,
}

/// Reads the releases of all stacks.
///
/// # Errors
///
/// The ledger cannot be read.
pub async fn users<R: ReadRegisters>(ledger: &Ledger<R>) -> Result<Users, LedgerError> {
    let mut users = Users::default();
    for stack in ledger.stacks().await? {
        let history = remembered(ledger, &stack).await?.history;
        for (release, _) in history.releases.values() {
            for secret in release.spec.secrets.values().filter(|secret| !secret.version.is_empty()) {
                users.named.entry(secret.name.clone()).or_default().insert(secret.version.clone());
            }
        }
        // Where it is not certain what runs, what may run counts.
        let running = match history.current() {
            Ok(current) => secrets_of(&current.spec),
            Err(
                crate::ledger::current::NoCurrent::Removed(_) | crate::ledger::current::NoCurrent::NoRelease,
            ) => BTreeSet::new(),
            Err(_) => history.releases.values().flat_map(|(release, _)| secrets_of(&release.spec)).collect(),
        };
        for name in running {
            users.running.entry(name).or_default().insert(stack.clone());
        }
    }
    Ok(users)
}

/// Those that its services use.
fn secrets_of(spec: &StackSpec) -> BTreeSet<String> {
    let keys = spec.services.values().flat_map(|service| service.task.secrets.values());
    keys.filter_map(|mount| Some(spec.secrets.get(&mount.source)?.name.clone())).collect()
}
