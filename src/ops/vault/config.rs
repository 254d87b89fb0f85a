//! Configs: those that a command makes, for stacks that name them `external`, and those of stacks.
//!
//! They are no secrets, so they are not encrypted, and a cluster needs no key for them. A release that uses one has a copy of
//! it: what is removed or replaced here changes nothing that runs, until the stack is deployed again.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::users::Held;
use super::{VaultError, Work, mend, refuse_lost, settled_marks, under_lease};
use crate::engine::records::{Remembered, remembered};
use crate::ledger::configs::{self, Config, Configs};
use crate::ledger::release::Content;
use crate::ledger::{Ledger, ReadRegisters, WriteRegisters};
use crate::model::ids::{STACK_LABEL, sha256_hex};
use crate::model::spec::ConfigSpec;
use crate::model::{StackName, StackSpec, Timestamp};
use crate::ops::log::{Actor, Unended};
use crate::template::payload::{self, Payload};
use crate::vault::{Kind, ObjectName, Plaintext};

/// A config of the cluster, or of a stack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Full name.
    pub name: String,
    /// Which stack brought it; `None` if a command made it.
    pub stack: Option<StackName>,
    /// The SHA-256 of its content.
    pub digest: String,
    /// How long its content is; `None` where that is not recorded, as by versions before 0.3.0.
    pub bytes: Option<u64>,
    pub labels: BTreeMap<String, String>,
    pub template_driver: Option<String>,
    /// When it was made; of a stack's when the oldest remembered release with this content was.
    pub created: Timestamp,
    /// Who made it, or that release.
    pub who: String,
    /// Stacks that run with it, or may.
    pub used_by: BTreeSet<StackName>,
}

/// All configs: those that a command made first, then those of each stack, as it runs now.
///
/// # Errors
///
/// The ledger cannot be read.
pub async fn all<R: ReadRegisters>(ledger: &Ledger<R>) -> Result<Vec<Found>, VaultError> {
    let made = configs::read(ledger).await?;
    if made.0.is_empty() {
        refuse_lost(ledger, &configs::stream()).await?;
    }
    let mut found: Vec<Found> = made.0.iter().map(|(name, config)| of_command(name, config)).collect();
    for stack in ledger.stacks().await? {
        let record = remembered(ledger, &stack).await?;
        for spec in running(&record) {
            for (key, config) in &spec.configs {
                if config.external {
                    for one in &mut found {
                        if one.stack.is_none() && one.name == config.name {
                            one.used_by.insert(stack.clone());
                        }
                    }
                } else if !found.iter().any(|one| is_same(one, &stack, config)) {
                    found.extend(of_stack(&record, &stack, key, config));
                }
            }
        }
    }
    Ok(found)
}

fn is_same(found: &Found, stack: &StackName, config: &ConfigSpec) -> bool {
    found.stack.as_ref() == Some(stack) && found.name == config.name && found.digest == config.digest
}

/// What a stack runs with; where that is not certain, all that it may run with.
fn running(record: &Remembered) -> Vec<StackSpec> {
    use crate::ledger::NoCurrent;
    match record.history.current() {
        Ok(current) => vec![current.spec],
        Err(NoCurrent::Removed(_) | NoCurrent::NoRelease) => Vec::new(),
        Err(_) => record.history.releases.values().map(|(release, _)| release.spec.clone()).collect(),
    }
}

fn of_command(name: &ObjectName, config: &Config) -> Found {
    Found {
        name: name.to_string(),
        stack: None,
        digest: config.digest.clone(),
        bytes: Some(config.content.bytes),
        labels: config.labels.clone(),
        template_driver: config.template_driver.clone(),
        created: config.created,
        who: config.who.clone(),
        used_by: BTreeSet::new(),
    }
}

fn of_stack(record: &Remembered, stack: &StackName, key: &str, config: &ConfigSpec) -> Option<Found> {
    let has = |spec: &StackSpec| spec.configs.get(key).is_some_and(|one| one.digest == config.digest);
    let (release, _) = record.history.releases.values().find(|(release, _)| has(&release.spec))?;
    let bytes = match record.history.content(&config.digest) {
        Some(Content::Apart(content)) => Some(content.bytes),
        Some(Content::Within(_)) | None => None,
    };
    let mut labels = config.labels.clone();
    labels.insert(STACK_LABEL.to_owned(), stack.to_string());
    Some(Found {
        name: config.name.clone(),
        stack: Some(stack.clone()),
        digest: config.digest.clone(),
        bytes,
        labels,
        template_driver: config.template_driver.clone(),
        created: release.at,
        who: release.who.clone(),
        used_by: BTreeSet::from([stack.clone()]),
    })
}

/// One of them by its name: that of a command before that of a stack.
///
/// # Errors
///
/// There is none.
pub fn find<'f>(all: &'f [Found], name: &str) -> Result<&'f Found, VaultError> {
    all.iter().find(|one| one.name == name).ok_or_else(|| VaultError::NoConfig {
        name: name.to_owned(),
        known: all.iter().map(|one| one.name.clone()).collect(),
    })
}

/// What is in a config.
///
/// # Errors
///
/// It is lost or damaged, or the ledger cannot be read.
pub async fn content<R: ReadRegisters>(ledger: &Ledger<R>, found: &Found) -> Result<Arc<[u8]>, VaultError> {
    let lost = |why: String| VaultError::ConfigContent { name: found.name.clone(), why };
    match &found.stack {
        None => {
            let made = configs::read(ledger).await?;
            let name = found.name.parse::<ObjectName>().ok();
            let config = name.and_then(|name| made.0.get(&name).cloned());
            let config = config.ok_or_else(|| lost("it was removed meanwhile".to_owned()))?;
            configs::content(ledger, &config).await.map_err(lost)
        }
        Some(stack) => {
            let record = remembered(ledger, stack).await?;
            let has = |config: &ConfigSpec| config.name == found.name && config.digest == found.digest;
            let specs = record.history.releases.values().map(|(release, _)| &release.spec);
            let mut spec = specs
                .rev()
                .find(|spec| spec.configs.values().any(has))
                .cloned()
                .ok_or_else(|| lost("no release that is kept names it".to_owned()))?;
            spec.configs.retain(|_, config| has(config));
            let contents = record.contents(ledger, &spec).await?;
            contents.get(&found.digest).cloned().ok_or_else(|| lost("it is not kept".to_owned()))
        }
    }
}

/// What a new config is made of.
#[derive(Debug)]
pub struct New<'n> {
    pub name: &'n ObjectName,
    pub labels: BTreeMap<String, String>,
    pub template_driver: Option<String>,
    pub content: &'n [u8],
}

/// Makes a config.
///
/// # Errors
///
/// There is one of that name, or the content is empty or too large.
pub async fn create<R: WriteRegisters + Send + Sync + 'static>(
    ledger: &Arc<Ledger<R>>,
    actor: &Actor,
    new: New<'_>,
    unended: impl FnOnce(Unended),
) -> Result<Config, VaultError> {
    mend(ledger, actor).await?;
    let New { name, labels, template_driver, content } = new;
    refuse_content(name, content)?;
    refuse_template(name, template_driver.as_deref(), content)?;
    if configs::read(ledger).await?.0.contains_key(name) {
        return Err(VaultError::ConfigExists(name.clone()));
    }
    under_lease(ledger, actor, &format!("config create {name}"), unended, async |work| {
        let made = put(work, actor, content).await?;
        let config = Config { labels, template_driver, ..made };
        let add = |all: &mut Configs| {
            if all.0.contains_key(name) {
                return Err(VaultError::ConfigExists(name.clone()));
            }
            all.0.insert(name.clone(), config.clone());
            Ok(())
        };
        write(work, add).await?;
        Ok(config)
    })
    .await
}

/// Gives a config a new content; `None` if it has that content already. Stacks get it with their next deploy.
///
/// # Errors
///
/// There is no such config, or the content is empty or too large.
pub async fn rotate<R: WriteRegisters + Send + Sync + 'static>(
    ledger: &Arc<Ledger<R>>,
    actor: &Actor,
    name: &ObjectName,
    content: &[u8],
    unended: impl FnOnce(Unended),
) -> Result<Option<Config>, VaultError> {
    mend(ledger, actor).await?;
    refuse_content(name, content)?;
    let known = configs::read(ledger).await?;
    let known = known_config(&known, name)?;
    refuse_template(name, known.template_driver.as_deref(), content)?;
    if known.digest == sha256_hex(content) {
        return Ok(None);
    }
    under_lease(ledger, actor, &format!("config rotate {name}"), unended, async |work| {
        let made = put(work, actor, content).await?;
        let mut now = made.clone();
        let change = |all: &mut Configs| {
            let Config { labels, template_driver, .. } = known_config(all, name)?.clone();
            now = Config { labels, template_driver, ..made.clone() };
            all.0.insert(name.clone(), now.clone());
            Ok(())
        };
        write(work, change).await?;
        Ok(Some(now))
    })
    .await
}

/// Removes configs that a command made. All of them must be there, and no stack may run with one of them.
///
/// # Errors
///
/// There is no such config, it is a stack's own, or it is in use.
pub async fn remove<R: WriteRegisters + Send + Sync + 'static>(
    ledger: &Arc<Ledger<R>>,
    actor: &Actor,
    names: &[ObjectName],
    held: &Held,
    unended: impl FnOnce(Unended),
) -> Result<(), VaultError> {
    mend(ledger, actor).await?;
    let all = all(ledger).await?;
    for name in names {
        let found = find(&all, name.as_str())?;
        if let Some(stack) = &found.stack {
            return Err(VaultError::ConfigOfStack { name: name.clone(), stack: stack.clone() });
        }
        let stacks = held.users(Some(&found.used_by), [found.digest.as_str()].into_iter());
        if !stacks.is_empty() {
            return Err(VaultError::ConfigUsed { name: name.clone(), stacks });
        }
    }
    let words: Vec<&str> = names.iter().map(ObjectName::as_str).collect();
    under_lease(ledger, actor, &format!("config rm {}", words.join(" ")), unended, async |work| {
        let clear = |all: &mut Configs| {
            all.0.retain(|name, _| !names.contains(name));
            Ok(())
        };
        write(work, clear).await
    })
    .await
}

/// Gives a stack's external configs what the ledger has of them. One that it does not have is a problem of the plan. A
/// stack without external configs asks nothing.
///
/// # Errors
///
/// The ledger cannot be read, or a content is lost.
pub async fn settle<R: ReadRegisters>(
    ledger: &Ledger<R>,
    mut spec: StackSpec,
) -> Result<StackSpec, VaultError> {
    if !spec.configs.values().any(|config| config.external) {
        return Ok(spec);
    }
    let made = configs::read(ledger).await?;
    if made.0.is_empty() {
        refuse_lost(ledger, &configs::stream()).await?;
    }
    for config in spec.configs.values_mut().filter(|config| config.external) {
        let name = config.name.parse::<ObjectName>().ok();
        let Some(known) = name.and_then(|name| made.0.get(&name)) else { continue };
        let content = configs::content(ledger, known).await;
        let lost = |why| VaultError::ConfigContent { name: config.name.clone(), why };
        let content = content.map_err(lost)?;
        config.digest.clone_from(&known.digest);
        config.template_driver.clone_from(&known.template_driver);
        config.content = Some(content);
    }
    let configs = &spec.configs;
    for service in spec.services.values_mut() {
        let uses = |source: &str| configs.get(source).filter(|config| config.external);
        if !service.task.configs.values().any(|mount| uses(&mount.source).is_some()) {
            continue;
        }
        for mount in Arc::make_mut(&mut service.task).configs.values_mut() {
            let Some(config) = uses(&mount.source) else { continue };
            mount.content.clone_from(&config.digest);
            mount.template_driver.clone_from(&config.template_driver);
        }
    }
    Ok(spec)
}

fn known_config<'c>(all: &'c Configs, name: &ObjectName) -> Result<&'c Config, VaultError> {
    all.0.get(name).ok_or_else(|| VaultError::NoConfig {
        name: name.to_string(),
        known: all.0.keys().map(ToString::to_string).collect(),
    })
}

/// Before the lease is taken: a mistake is no operation.
fn refuse_content(name: &ObjectName, content: &[u8]) -> Result<(), VaultError> {
    let size = Kind::Config.check(&Plaintext::new(content.to_vec()));
    size.map_err(|why| VaultError::ConfigSize { name: name.clone(), why })
}

/// What is no template is found here, and not by the first task that is to have it.
fn refuse_template(name: &ObjectName, driver: Option<&str>, content: &[u8]) -> Result<(), VaultError> {
    let Some(faults) = driver.and_then(|_| Payload::parse(content).err()) else { return Ok(()) };
    let Some(fault) = faults.first() else { return Ok(()) };
    let (line, column) = payload::place(content, fault);
    Err(VaultError::ConfigTemplate { name: name.clone(), line, column, why: fault.wrong.to_string() })
}

/// Writes a content, and says of it what there is to say.
async fn put<R: WriteRegisters + Send + Sync + 'static>(
    work: &Work<'_, R>,
    actor: &Actor,
    content: &[u8],
) -> Result<Config, VaultError> {
    let marks = settled_marks(actor, work.ledger).await?;
    work.check()?;
    Ok(Config {
        labels: BTreeMap::new(),
        created: actor.clock.now(),
        who: actor.me.who.clone(),
        digest: sha256_hex(content),
        content: configs::put(work.ledger, &marks, content).await?,
        template_driver: None,
    })
}

async fn write<R: WriteRegisters + Send + Sync + 'static>(
    work: &Work<'_, R>,
    with: impl FnMut(&mut Configs) -> Result<(), VaultError>,
) -> Result<(), VaultError> {
    work.check()?;
    configs::change(work.ledger, with).await?;
    // What is written is written: what is left behind is collected by the next change.
    Ok(configs::tidy(work.ledger, || work.may()).await?)
}

#[cfg(test)]
mod tests;
