//! Whether the ledger has the values of all secrets that it knows, and those that releases name; and whether managers keep
//! spare copies of them.

use std::collections::BTreeMap;

use super::{Area, Check, Finding, check};
use crate::ledger::{Ledger, ReadRegisters, contents, secrets, spare};
use crate::ops::vault::users::users;

/// What messages call where the secrets are kept.
const OF: &str = "secrets";

/// Managers without a spare copy of what there is now. What cannot be read is reported with the streams.
pub(super) async fn spares<R: ReadRegisters>(ledger: &Ledger<R>) -> Option<Check> {
    let behind = spare::behind(ledger).await.ok()?;
    (!behind.is_empty()).then(|| check(Area::Records, OF, Finding::NoSpare(behind)))
}

/// Looks at each value on each manager. What cannot be read is reported with the streams.
pub(super) async fn values<R: ReadRegisters>(ledger: &Ledger<R>) -> Vec<Check> {
    let Ok(all) = secrets::read(ledger).await else { return Vec::new() };
    let Ok(users) = users(ledger).await else { return Vec::new() };
    let mut found = Vec::new();
    let known: BTreeMap<&str, Vec<&str>> = all
        .0
        .iter()
        .map(|(name, secret)| {
            let versions = secret.versions.iter().map(|one| one.version.as_str());
            (name.as_str(), versions.collect())
        })
        .collect();
    for (name, versions) in &users.named {
        let has = |version: &String| {
            known.get(name.as_str()).is_some_and(|versions| versions.contains(&version.as_str()))
        };
        for version in versions.iter().filter(|version| !has(version)) {
            let (secret, version) = (name.clone(), version.clone());
            let why = "a release names it, and it is not kept".to_owned();
            found.push(check(Area::Records, OF, Finding::SecretLost { secret, version, why }));
        }
    }
    if all.0.is_empty() {
        return found;
    }
    let shelf = match contents::shelf(ledger, &secrets::owner()).await {
        Ok(shelf) => shelf,
        Err(error) => {
            found.push(check(Area::Records, OF, Finding::Unreadable(error)));
            return found;
        }
    };
    for (name, version) in all.versions() {
        if let Err(why) = secrets::value(ledger, version).await {
            let (secret, version) = (name.to_string(), version.version.clone());
            found.push(check(Area::Records, OF, Finding::SecretLost { secret, version, why }));
            continue;
        }
        let lacking = contents::lacking(ledger, &secrets::owner(), &shelf, &version.content).await;
        if !lacking.is_empty() {
            let names = ledger.registers().managers();
            let (holders, answering) = (shelf.answered() - lacking.len(), shelf.answered());
            let lacking = lacking.into_iter().map(|manager| names[manager].clone()).collect();
            let copies =
                Finding::Copies { kind: "secret", name: name.to_string(), holders, answering, lacking };
            found.push(check(Area::Records, OF, copies));
        }
    }
    found
}
