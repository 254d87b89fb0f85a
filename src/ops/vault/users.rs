//! Who uses a secret: stacks, by what their releases name.

use std::collections::{BTreeMap, BTreeSet};

use crate::engine::records::remembered;
use crate::ledger::{Ledger, LedgerError, ReadRegisters};
use crate::model::{MarkKey, Marks, Observed, ServiceName, StackName, StackSpec};

/// What tasks on hosts have of secrets and configs: after a loss of releases it is all that says who uses them.
#[derive(Debug, Clone, Default)]
pub struct Held {
    key: MarkKey,
    /// Of each file of a task: whose it is, its place among the values of a spec, and what it holds or the mark of that.
    files: BTreeSet<(StackName, ServiceName, String, String)>,
}

impl Held {
    /// What was seen.
    #[must_use]
    pub fn of(observed: &Observed) -> Self {
        let mut files = BTreeSet::new();
        for task in observed.tasks().filter(|task| task.is_live()) {
            for (kind, mounts) in [("secrets", &task.spec.secrets), ("configs", &task.spec.configs)] {
                for (target, mount) in mounts {
                    let place = format!("{kind} {target}");
                    files.insert((task.stack.clone(), task.service.clone(), place, mount.content.clone()));
                }
            }
        }
        Self { key: observed.key.clone(), files }
    }

    /// Stacks whose tasks have this version of a secret, or a config of this digest.
    fn by<'h>(&'h self, content: &str) -> impl Iterator<Item = &'h StackName> {
        let has = move |(stack, service, place, held): &&(StackName, ServiceName, String, String)| {
            held == content || *held == Marks::of(&self.key, stack, service).mark(place, content)
        };
        self.files.iter().filter(has).map(|(stack, ..)| stack)
    }

    /// Stacks that use something that has these contents, by releases or by what their tasks have.
    pub(super) fn users<'c>(
        &self,
        by_releases: Option<&BTreeSet<StackName>>,
        contents: impl Iterator<Item = &'c str>,
    ) -> Vec<StackName> {
        let by_tasks = contents.flat_map(|content| self.by(content).cloned().collect::<Vec<_>>());
        let all: BTreeSet<StackName> = by_releases.into_iter().flatten().cloned().chain(by_tasks).collect();
        all.into_iter().collect()
    }
}

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
