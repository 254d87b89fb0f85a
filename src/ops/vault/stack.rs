//! Secrets of a stack: which version of each it is to have, and that the ledger has it before anything runs with it.
//!
//! A secret that a stackfile brings is kept as docker keeps it: under the stack's name, with the stack's label, among
//! all others of the cluster. So a new key of the cluster encrypts it again, `secret ls` shows it, and a rollback finds
//! its older versions.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures_util::future::join_all;
use miette::Diagnostic as _;

use super::users::users;
use super::values::Values;
use super::{Known, VaultError, config, known, sealing, secret, under_lease};
use crate::agent::wire::TASK_BYTES_MAX;
use crate::compose::{Held, SecretText, SecretTexts, secret_payloads as templates};
use crate::ledger::release::History;
use crate::ledger::secrets::{self, Secret, Secrets};
use crate::ledger::{Ledger, ReadRegisters, WriteRegisters};
use crate::model::ids::STACK_LABEL;
use crate::model::secret_env::{self, VARIABLE_MAX};
use crate::model::spec::{NoVersion, SecretSpec, ServiceSpec};
use crate::model::{StackName, StackSpec};
use crate::ops::log::{Actor, Unended};
use crate::sops;
use crate::stores::{Asked, StoreError};
use crate::template::payload::{self, Payload};
use crate::vault::{Kind, ObjectName, Plaintext};

/// Gives the external configs of a stack their contents, and its secrets their versions: of those that a command makes the
/// present one, of those that were read with its files that of what was read. A stack with neither asks nothing.
///
/// # Errors
///
/// The ledger cannot be read. What else is wrong, such as a value that cannot be decrypted, is a problem of the plan.
pub async fn settle<R: ReadRegisters>(
    ledger: &Ledger<R>,
    values: &Values,
    spec: StackSpec,
    texts: &SecretTexts,
) -> Result<StackSpec, VaultError> {
    let spec = config::settle(ledger, spec).await?;
    let Some(settling) = Settling::begin(ledger, values, &spec).await? else { return Ok(spec) };
    let own = settling.of_texts(&spec, texts).await.into_iter().collect();
    settling.end(spec, own)
}

/// The same for what is about to write: what a killed process left incomplete of secrets and configs is decided first.
///
/// # Errors
///
/// As [`settle`], or the ledger cannot be written.
pub async fn settle_to_write<R: WriteRegisters + Send + Sync + 'static>(
    ledger: &Arc<Ledger<R>>,
    actor: &Actor,
    values: &Values,
    spec: StackSpec,
    texts: &SecretTexts,
) -> Result<StackSpec, VaultError> {
    match settle(ledger, values, spec.clone(), texts).await {
        Err(why) if why.is_undecided() => {
            super::mend(ledger, actor).await?;
            settle(ledger, values, spec, texts).await
        }
        settled => settled,
    }
}

/// The same for a look that writes nothing, where not all values are at hand: a secret of which it cannot be told which
/// version its value is keeps the one that it had `before`. Why not goes to `untold`, with the secret's key.
///
/// # Errors
///
/// The ledger cannot be read.
pub async fn settle_as_known<R: ReadRegisters>(
    ledger: &Ledger<R>,
    values: &Values,
    spec: StackSpec,
    texts: &SecretTexts,
    before: Option<&StackSpec>,
    mut untold: impl FnMut(&str, String),
) -> Result<StackSpec, VaultError> {
    let spec = config::settle(ledger, spec).await?;
    let Some(settling) = Settling::begin(ledger, values, &spec).await? else { return Ok(spec) };
    let mut own: Own = settling.of_texts(&spec, texts).await.into_iter().collect();
    for (key, _) in brought(&spec) {
        let why = match own.get(key) {
            // A deploy would be refused for ever, and not because a store is out.
            Some(Ok(_) | Err(VaultError::NotAllowed { .. })) => continue,
            Some(Err(why)) => why.to_string(),
            None => "its file or variable is not here".to_owned(),
        };
        untold(key, why);
        let same = before.and_then(|before| Some(before.secrets.get(key)?.version.clone()));
        if let Some(version) = same.filter(|version| !version.is_empty()) {
            own.insert(key.clone(), Ok(version));
        }
    }
    settling.end(spec, own)
}

/// Versions of the secrets that a stackfile brings, by their keys.
type Own = BTreeMap<String, Result<String, VaultError>>;

/// Those that a stackfile brings.
fn brought(spec: &StackSpec) -> impl Iterator<Item = (&String, &SecretSpec)> {
    spec.secrets.iter().filter(|(_, secret)| !secret.external)
}

/// What versions are made of.
struct Settling<'v> {
    values: &'v Values,
    known: Known,
    made: Secrets,
    stack: StackName,
}

impl<'v> Settling<'v> {
    /// Nothing for a stack that has no secrets.
    async fn begin<R: ReadRegisters>(
        ledger: &Ledger<R>,
        values: &'v Values,
        spec: &StackSpec,
    ) -> Result<Option<Self>, VaultError> {
        if spec.secrets.is_empty() {
            return Ok(None);
        }
        let made = secrets::read(ledger).await?.of_people();
        Ok(Some(Self { values, known: known(ledger).await?, made, stack: spec.name.clone() }))
    }

    /// Which version each is of the secrets that have a text. Stores are asked all at once.
    async fn of_texts(
        &self,
        spec: &StackSpec,
        texts: &SecretTexts,
    ) -> Vec<(String, Result<String, VaultError>)> {
        let known = brought(spec).filter_map(|(key, secret)| Some((key, secret, texts.get(key)?)));
        let version = async |(key, secret, text): (&String, &SecretSpec, &Arc<SecretText>)| {
            (key.clone(), self.of_text(spec, key, secret, text, longest_variable(spec, key)).await)
        };
        join_all(known.map(version)).await
    }

    /// Which version a text is. Its value is remembered.
    async fn of_text(
        &self,
        spec: &StackSpec,
        key: &str,
        secret: &SecretSpec,
        text: &SecretText,
        variable: Option<&str>,
    ) -> Result<String, VaultError> {
        let name: ObjectName = secret.name.parse().map_err(|_| VaultError::BadName(secret.name.clone()))?;
        super::secret::refuse_own(&name)?;
        if self.made.0.get(&name).is_some_and(|known| !is_of(known, &self.stack)) {
            return Err(VaultError::NotOurs { name, stack: self.stack.clone() });
        }
        let cluster_key = self.known.key()?;
        let value = match &text.held {
            Held::File(bytes) => plain(self.values, key, text, bytes).await?,
            Held::Plain(bytes) => Arc::clone(bytes),
            Held::Elsewhere => Arc::new(self.asked(key, secret, text).await?),
        };
        let bad = |why: String| VaultError::Text { secret: key.to_owned(), from: text.from.clone(), why };
        Kind::Secret.check(&value).map_err(|why| bad(why.to_string()))?;
        match (secret.template_driver.is_some(), variable) {
            (true, _) => {
                is_template(&value).map_err(bad)?;
                can_be_filled_in(spec, key, &value).map_err(bad)?;
            }
            (false, Some(variable)) => is_for_variable(variable, &value).map_err(bad)?,
            (false, None) => {}
        }
        let version = cluster_key.version(&secret.name, &value);
        self.values.put(&secret.name, &version, value);
        Ok(version)
    }

    /// What the driver of a secret gives for it.
    async fn asked(
        &self,
        key: &str,
        secret: &SecretSpec,
        text: &SecretText,
    ) -> Result<Plaintext, VaultError> {
        let driver = secret.driver.as_deref().unwrap_or_default();
        let asked = Asked { driver, options: &secret.driver_opts, secret: key, stack: self.stack.as_str() };
        let named = || (key.to_owned(), text.from.clone());
        self.values.stores().ask(asked).await.map_err(|why| match why {
            StoreError::NotAllowed { .. } => {
                let (secret, from) = named();
                VaultError::NotAllowed { secret, from, why }
            }
            StoreError::Failed(why) => {
                let (secret, from) = named();
                VaultError::Store { secret, from, why }
            }
        })
    }

    fn end(&self, mut spec: StackSpec, mut own: Own) -> Result<StackSpec, VaultError> {
        for (key, secret) in &mut spec.secrets {
            let version = match secret.external {
                true => secret::find(&self.made, &secret.name).map(|one| one.present().version.clone()),
                false => own.remove(key).unwrap_or_else(|| Ok(String::new())),
            };
            match version {
                Ok(version) => secret.version = version,
                // What is wrong with a secret is a problem of the plan, beside all others.
                Err(error @ VaultError::Ledger(_)) => return Err(error),
                Err(error) => secret.unknown = Some(Arc::new(no_version(&error))),
            }
        }
        let secrets = &spec.secrets;
        for service in spec.services.values_mut().filter(|service| !service.task.secrets.is_empty()) {
            for mount in Arc::make_mut(&mut service.task).secrets.values_mut() {
                mount.content = secrets.get(&mount.source).map(|one| one.version.clone()).unwrap_or_default();
            }
        }
        self.check_sizes(&spec)?;
        Ok(spec)
    }

    /// An agent takes the secrets of a task in one request. Those whose values are not here are not counted.
    fn check_sizes(&self, spec: &StackSpec) -> Result<(), VaultError> {
        for (name, service) in &spec.services {
            let secrets = service.task.secrets.values().filter_map(|mount| spec.secrets.get(&mount.source));
            let sizes = secrets.filter_map(|one| Some(self.values.here(&one.name, &one.version)?.len()));
            let bytes: usize = sizes.sum();
            if bytes > TASK_BYTES_MAX {
                return Err(VaultError::TaskTooLarge {
                    service: name.to_string(),
                    bytes,
                    max: TASK_BYTES_MAX,
                });
            }
            let variables = secret_env::references(&service.task).filter_map(|(variable, key)| {
                let secret = spec.secrets.get(key).filter(|secret| secret.template_driver.is_none())?;
                let value = self.values.here(&secret.name, &secret.version)?;
                Some((value.len(), variable))
            });
            let variables: Vec<(usize, &str)> = variables.collect();
            let bytes =
                variables.iter().map(|(bytes, name)| secret_env::taken_by(name, *bytes)).sum::<usize>()
                    + secret_env::taken(&service.task);
            let max = secret_env::room(&service.task);
            if let Some((_, variable)) = variables.iter().max().filter(|_| bytes > max) {
                let (service, variable) = (name.to_string(), (*variable).to_owned());
                return Err(VaultError::VariablesTooLong { service, variable, bytes, max });
            }
        }
        Ok(())
    }
}

fn no_version(error: &VaultError) -> NoVersion {
    let help = error.help().map_or_else(String::new, |help| help.to_string());
    NoVersion { why: error.to_string(), help }
}

/// The variable with the longest name that has a secret as its value, if one has.
fn longest_variable<'s>(spec: &'s StackSpec, key: &str) -> Option<&'s str> {
    let all = spec.services.values().flat_map(|service| secret_env::references(&service.task));
    all.filter(|(_, source)| *source == key).map(|(name, _)| name).max_by_key(|name| name.len())
}

/// Whether a value can be that of a variable. What is not known here is found by the program of the task.
fn is_for_variable(variable: &str, value: &Plaintext) -> Result<(), String> {
    if value.expose().contains(&0) {
        return Err(format!("it has a NUL byte, which the variable {variable} cannot have"));
    }
    if value.expose().len() + variable.len() + 2 > VARIABLE_MAX {
        return Err(format!("it is too long for the variable {variable}: Linux takes 128 KiB with the name"));
    }
    Ok(())
}

/// Whether a value can be filled in for tasks; if not, where the mistake is. Its own words are not shown.
fn is_template(value: &Plaintext) -> Result<(), String> {
    let Err(faults) = Payload::parse(value.expose()) else { return Ok(()) };
    let place = faults.first().map(|fault| payload::place(value.expose(), fault));
    let (line, column) = place.unwrap_or_default();
    Err(format!("it is no template of Go: line {line}, column {column}"))
}

/// Whether a template can be filled in for all services that have it, as far as that is sure. Its own words are not shown.
fn can_be_filled_in(spec: &StackSpec, key: &str, value: &Plaintext) -> Result<(), String> {
    let has_it = |service: &&ServiceSpec| service.task.secrets.values().any(|mount| mount.source == key);
    for service in spec.services.values().filter(has_it) {
        if let Some(why) = templates::why_not(spec.name.as_str(), service, &spec.configs, value.expose()) {
            let templates::WhyNot { line, column, wrong, .. } = &why;
            let (name, help) = (&service.name, why.help(service.name.as_str()));
            return Err(format!(
                "the template cannot be filled in for service `{name}`: line {line}, column {column}: {wrong}; {help}"
            ));
        }
    }
    Ok(())
}

/// What a file holds: decrypted, if it is encrypted.
async fn plain(
    values: &Values,
    key: &str,
    text: &SecretText,
    bytes: &Arc<Plaintext>,
) -> Result<Arc<Plaintext>, VaultError> {
    let bad = |why: String| VaultError::Text { secret: key.to_owned(), from: text.from.clone(), why };
    let Some(format) = sops::detect(bytes.expose(), &text.from) else { return Ok(Arc::clone(bytes)) };
    let keys = values.keyring().await.map_err(|why| bad(why.to_string()))?;
    sops::open(bytes.expose(), format, keys).map(Arc::new).map_err(|why| bad(why.to_string()))
}

/// A secret of the stack, as the ledger is to have it.
#[derive(Debug)]
struct Wanted {
    name: ObjectName,
    spec: SecretSpec,
}

/// What the ledger is to have before a plan is carried out.
#[derive(Debug)]
pub struct Pending {
    stack: StackName,
    wanted: Vec<Wanted>,
    /// Versions that any release of any stack names, and this plan.
    named: BTreeMap<String, BTreeSet<String>>,
    /// Secrets of the stack that none names.
    has_left: bool,
}

/// Looks whether the ledger has, or can get, the versions that a plan names. Writes nothing. A stack without secrets, now and
/// as far as its releases are remembered, asks nothing.
///
/// # Errors
///
/// A version is nowhere, a name is taken by a secret that is not the stack's, or the ledger cannot be read.
pub async fn pending<R: ReadRegisters>(
    ledger: &Ledger<R>,
    values: &Values,
    spec: &StackSpec,
    history: &History,
) -> Result<Option<Pending>, VaultError> {
    let has_any = |spec: &StackSpec| !spec.secrets.is_empty();
    if !has_any(spec) && !history.releases.values().any(|(release, _)| has_any(&release.spec)) {
        return Ok(None);
    }
    let named = users(ledger).await?.named;
    Ok(Some(pending_by(ledger, values, spec, named).await?))
}

/// By what releases name.
async fn pending_by<R: ReadRegisters>(
    ledger: &Ledger<R>,
    values: &Values,
    spec: &StackSpec,
    mut named: BTreeMap<String, BTreeSet<String>>,
) -> Result<Pending, VaultError> {
    for secret in spec.secrets.values().filter(|one| !one.version.is_empty()) {
        named.entry(secret.name.clone()).or_default().insert(secret.version.clone());
    }
    let all = secrets::read(ledger).await?;
    let mut wanted = Vec::new();
    for secret in spec.secrets.values().filter(|secret| !secret.version.is_empty()) {
        let name: ObjectName = secret.name.parse().map_err(|_| VaultError::BadName(secret.name.clone()))?;
        super::secret::refuse_own(&name)?;
        let known = all.0.get(&name);
        if !secret.external && known.is_some_and(|known| !is_of(known, &spec.name)) {
            return Err(VaultError::NotOurs { name, stack: spec.name.clone() });
        }
        let has = known.is_some_and(|known| known.versions.iter().any(|one| one.version == secret.version));
        let is_present = known.is_some_and(|known| known.present().version == secret.version);
        match (has, secret.external) {
            (true, true) => {}
            (true, false) if is_present => {}
            // An older one becomes the present one again.
            (true, false) => wanted.push(Wanted { name, spec: secret.clone() }),
            (false, false) if values.here(&secret.name, &secret.version).is_some() => {
                wanted.push(Wanted { name, spec: secret.clone() });
            }
            (false, _) => {
                let version = secret.version.clone();
                return Err(VaultError::NoVersion { name: secret.name.clone(), version });
            }
        }
    }
    let has_left = all.0.iter().any(|(name, secret)| is_left(&named, name, secret, &spec.name));
    Ok(Pending { stack: spec.name.clone(), wanted, named, has_left })
}

/// Whether a stack has brought a secret that no release names any more, of whichever stack.
fn is_left(
    named: &BTreeMap<String, BTreeSet<String>>,
    name: &ObjectName,
    secret: &Secret,
    stack: &StackName,
) -> bool {
    is_of(secret, stack) && !named.contains_key(name.as_str())
}

/// Writes what the ledger lacks of a plan's versions. Versions and secrets of the stack that no release names are removed,
/// beyond the newest versions.
///
/// # Errors
///
/// The ledger cannot be written.
pub async fn keep<R: WriteRegisters + Send + Sync + 'static>(
    ledger: &Arc<Ledger<R>>,
    actor: &Actor,
    values: &Values,
    pending: &Pending,
    unended: impl FnOnce(Unended),
) -> Result<(), VaultError> {
    let Pending { stack, wanted, named, has_left } = pending;
    if wanted.is_empty() && !has_left {
        return Ok(());
    }
    let names: Vec<&str> = wanted.iter().map(|one| one.name.as_str()).collect();
    let verb = match names.is_empty() {
        true => format!("secrets of stack {stack} are tidied up"),
        false => format!("secrets of stack {stack}: {}", names.join(", ")),
    };
    under_lease(ledger, actor, &verb, unended, async |work| {
        let mut new = BTreeMap::new();
        for one in wanted {
            if let Some(value) = values.here(&one.spec.name, &one.spec.version) {
                new.insert(one.name.clone(), secret::seal(work, actor, &one.name, &value).await?);
            }
        }
        let put = |all: &mut Secrets| {
            for one in wanted {
                put_one(all, stack, one, new.get(&one.name), named)?;
            }
            all.0.retain(|name, secret| !is_left(named, name, secret, stack));
            Ok(())
        };
        sealing::write(work, put).await
    })
    .await
}

fn put_one(
    all: &mut Secrets,
    stack: &StackName,
    Wanted { name, spec }: &Wanted,
    new: Option<&secrets::Version>,
    named: &BTreeMap<String, BTreeSet<String>>,
) -> Result<(), VaultError> {
    let lost = || VaultError::NoVersion { name: name.to_string(), version: spec.version.clone() };
    let known =
        all.0.get(name).and_then(|known| known.versions.iter().find(|one| one.version == spec.version));
    let version = known.or(new).cloned().ok_or_else(lost)?;
    let secret = all.0.entry(name.clone()).or_insert_with(|| Secret {
        labels: BTreeMap::new(),
        created: version.at,
        versions: Vec::new(),
    });
    secret.labels.clone_from(&spec.labels);
    secret.labels.insert(STACK_LABEL.to_owned(), stack.to_string());
    secret.put(version, named.get(name.as_str()).unwrap_or(&BTreeSet::new()));
    Ok(())
}

/// Whether a stackfile of this stack brought the secret.
fn is_of(secret: &Secret, stack: &StackName) -> bool {
    secret.labels.get(STACK_LABEL).is_some_and(|of| of == stack.as_str())
}

#[cfg(test)]
mod tests;
