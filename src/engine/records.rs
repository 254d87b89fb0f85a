//! Releases in a ledger, read and written.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::ledger::contents::{self, ContentRef};
use crate::ledger::nodes;
use crate::ledger::patience::{read_decided, read_patiently};
use crate::ledger::payload::value;
use crate::ledger::release::{Content, History, Outcome, RECORD_MAX, Release, kept_from, outcomes, releases};
use crate::ledger::{Appended, Ledger, LedgerError, Log, ReadRegisters, Stream, WriteRegisters, sync};
use crate::model::ids::sha256_hex;
use crate::model::{Format, MarkKey, StackName, StackSpec, Timestamp, hidden, secret_env};
use crate::vault::{Keyring, Recipient};

/// The releases of a stack, and the streams they come from: releases, and how they ended.
pub async fn history<R: ReadRegisters>(
    ledger: &Ledger<R>,
    stack: &StackName,
) -> Result<(History, Log, Log), LedgerError> {
    let streams = (releases(stack), outcomes(stack));
    // Errors of both streams are reported for the first, whichever answers first.
    let (releases, outcomes) = tokio::join!(ledger.read(&streams.0), ledger.read(&streams.1));
    let (releases, outcomes) = (releases?, outcomes?);
    let history = History::of(&releases, &outcomes).map_err(|(seq, detail)| LedgerError::Unreadable {
        stream: streams.0.to_string(),
        seq,
        detail,
    })?;
    Ok((history, releases, outcomes))
}

/// Contents of configs, by their digests.
pub type Contents = BTreeMap<String, Arc<[u8]>>;

const NOT_NAMED: &str = "no release that is kept names it";

/// A release that was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Begun {
    pub number: u64,
    /// Releases with a lower number no longer count.
    kept_from: u64,
    /// Whether there are contents to look after.
    has_contents: bool,
}

/// What is recorded of a stack, and the streams it comes from.
#[derive(Debug, Default)]
pub struct Remembered {
    pub history: History,
    releases: Log,
    outcomes: Log,
}

/// Reads the releases of a stack.
pub async fn remembered<R: ReadRegisters>(
    ledger: &Ledger<R>,
    stack: &StackName,
) -> Result<Remembered, LedgerError> {
    let (history, releases, outcomes) = history(ledger, stack).await?;
    Ok(Remembered { history, releases, outcomes })
}

/// The same for a writer that is not to disturb another one: releases that managers which do not answer may have decided are
/// decided first. What the other one has begun is left to it.
pub async fn remembered_beside<W: WriteRegisters>(
    ledger: &Ledger<W>,
    stack: &StackName,
) -> Result<Remembered, LedgerError> {
    let seen = remembered(ledger, stack).await?;
    if !seen.releases.may_go_on() && !seen.outcomes.may_go_on() {
        return Ok(seen);
    }
    for stream in [releases(stack), outcomes(stack)] {
        ledger.read_to_write(&stream).await?;
    }
    remembered(ledger, stack).await
}

/// The same for a writer while no other is at work. It goes by the newest release, or by one that it chooses: those that were
/// begun and are not decided are settled first, so that none is passed over.
///
/// # Errors
///
/// If they cannot be read, or not be settled.
pub async fn remembered_to_write<W: WriteRegisters>(
    ledger: &Ledger<W>,
    stack: &StackName,
) -> Result<Remembered, LedgerError> {
    let seen = remembered_beside(ledger, stack).await?;
    let open = seen.history.doubtful().collect();
    let seen = settled(ledger, stack, &releases(stack), (&seen.releases, open)).await?.unwrap_or(seen);
    let open = seen.open_ends();
    Ok(settled(ledger, stack, &outcomes(stack), (&seen.outcomes, open)).await?.unwrap_or(seen))
}

/// Settles some places of one of the streams, and reads again. Where there are none, nothing is asked.
async fn settled<W: WriteRegisters>(
    ledger: &Ledger<W>,
    stack: &StackName,
    stream: &Stream,
    (log, open): (&Log, BTreeSet<u64>),
) -> Result<Option<Remembered>, LedgerError> {
    if open.is_empty() {
        return Ok(None);
    }
    let nothing = || value(ledger.registers(), serde_json::Value::Null);
    ledger.settle_places(stream, log, &open, nothing).await?;
    remembered(ledger, stack).await.map(Some)
}

/// The same for a reader, which waits for a writer that is at work.
///
/// # Errors
///
/// If they cannot be read, or it stays undecided which releases there are.
pub async fn remembered_for_sure<R: ReadRegisters>(
    ledger: &Ledger<R>,
    stack: &StackName,
) -> Result<Remembered, LedgerError> {
    read_decided(|| remembered(ledger, stack), |seen| seen.doubt(stack)).await
}

/// The same for a reader that goes on with what stays undecided.
///
/// # Errors
///
/// If they cannot be read.
pub async fn remembered_patiently<R: ReadRegisters>(
    ledger: &Ledger<R>,
    stack: &StackName,
) -> Result<Remembered, LedgerError> {
    read_patiently(|| remembered(ledger, stack), |seen| seen.history.doubtful().next().is_some()).await
}

impl Remembered {
    /// Whether the newest release, or how one ended, was written under other managers than these.
    #[must_use]
    pub fn is_of_others(&self, managers: &[String]) -> bool {
        [&self.releases, &self.outcomes].into_iter().any(|log| !sync::names(log, managers))
    }

    /// Whether [`remembered_to_write`] finds nothing to settle.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        !self.releases.may_go_on()
            && !self.outcomes.may_go_on()
            && self.history.doubtful().next().is_none()
            && self.open_ends().is_empty()
    }

    /// Releases of which it is to be settled how they ended. No process writes that of an older one any more. Of the newest one
    /// only where it was written: a process may be about to write it, or to go on with its run.
    fn open_ends(&self) -> BTreeSet<u64> {
        let newest = self.history.last().map(|(number, ..)| number);
        let is_open = |number: &u64| Some(*number) != newest || self.outcomes.is_shown(*number);
        self.history.unknown_ends.iter().copied().filter(is_open).collect()
    }

    /// # Errors
    ///
    /// It is undecided how a release ended, from this one or the one before it on: what the release has changed is not known,
    /// nor what there was before it.
    pub fn check_ends_from(&self, number: u64, stack: &StackName) -> Result<(), LedgerError> {
        let before = self.history.releases.range(..number).next_back().map_or(number, |(before, _)| *before);
        match self.open_ends().range(before..).next() {
            Some(&seq) => Err(LedgerError::Undecided { stream: outcomes(stack).to_string(), seq }),
            None => Ok(()),
        }
    }

    /// The place for which it is not certain which releases there are.
    fn doubt(&self, stack: &StackName) -> Option<(Stream, u64)> {
        let of_release = self.history.doubtful().next().map(|seq| (releases(stack), seq));
        of_release.or_else(|| self.history.doubtful_ends().next().map(|seq| (outcomes(stack), seq)))
    }

    /// Reads the contents that a spec of an older release lacks, by their digests.
    ///
    /// # Errors
    ///
    /// One cannot be read, or is not what it was.
    pub async fn contents(
        &self,
        ledger: &Ledger<impl ReadRegisters>,
        spec: &StackSpec,
    ) -> Result<Contents, LedgerError> {
        let mut all = Contents::new();
        for (key, config) in &spec.configs {
            if config.digest.is_empty() || config.content.is_some() || all.contains_key(&config.digest) {
                continue;
            }
            let bytes = self.content(ledger, &spec.name, &config.digest).await;
            let bad = |why| LedgerError::NoContent { stack: spec.name.to_string(), config: key.clone(), why };
            all.insert(config.digest.clone(), bytes.map_err(bad)?);
        }
        Ok(all)
    }

    async fn content(
        &self,
        ledger: &Ledger<impl ReadRegisters>,
        stack: &StackName,
        digest: &str,
    ) -> Result<Arc<[u8]>, String> {
        let bytes = match self.history.content(digest).ok_or(NOT_NAMED)? {
            Content::Apart(content) => contents::get(ledger, stack, content).await?,
            Content::Within(text) => STANDARD.decode(text).map_err(|error| error.to_string())?,
        };
        if sha256_hex(&bytes) != digest {
            return Err("what is there is another content".to_owned());
        }
        Ok(bytes.into())
    }

    /// Opens the values of releases as far as these keys can; the newest release that they do not open, and why.
    pub fn open(&mut self, keys: &Keyring) -> Option<(u64, String)> {
        self.history.open(keys)
    }

    /// Writes a release, and before it the contents that it names. Those that its spec lacks are `read`, as far as they
    /// were needed. The key is that of the cluster's marks, and `to` the one to which values are encrypted, if there is one.
    pub async fn begin(
        &self,
        ledger: &Ledger<impl WriteRegisters>,
        mut release: Release,
        (key, to): (&MarkKey, Option<&Recipient>),
        read: &Contents,
        may: impl Fn() -> bool,
    ) -> Result<Option<Begun>, LedgerError> {
        let stack = release.spec.name.clone();
        let stream = releases(&stack);
        self.releases.check_write(&stream)?;
        self.outcomes.check_write(&outcomes(&stack))?;
        // No later record takes their places. This one's lock is held: no process writes there any more.
        ledger
            .settle(&outcomes(&stack), &self.outcomes, || value(ledger.registers(), serde_json::Value::Null))
            .await?;
        let new = self.name_contents(&mut release, key, read)?;
        // They would be encrypted as if they were values.
        if let [service, ..] = &hidden::services_with_marks(&release.spec)[..] {
            return Err(LedgerError::SealedValues { stack: stack.to_string(), service: service.to_string() });
        }
        let has_variables =
            release.spec.services.values().any(|service| secret_env::names(&service.task).next().is_some());
        if let Some(to) = to {
            release.seal(key, to);
        }
        let mut ours = value(ledger.registers(), serde_json::json!(release));
        if release.sealed.is_some() {
            ours.format = Format::SEALED_VALUES;
        } else if has_variables {
            ours.format = Format::SECRET_VARIABLES;
        }
        let record = ours.pack().len() as u64;
        let too_large =
            |what, bytes, max| LedgerError::TooLarge { stack: stack.to_string(), what, bytes, max };
        if record > RECORD_MAX {
            return Err(too_large("records", record, RECORD_MAX));
        }
        let bytes = new.keys().map(|content| content.bytes).sum();
        if bytes > contents::RELEASE_MAX {
            return Err(too_large("contents", bytes, contents::RELEASE_MAX));
        }
        // What runs, and what a rollback leads to, stay whatever they weigh.
        let current = self.history.current().ok().map(|current| current.number);
        let needed = [current, self.history.before_last()].into_iter().flatten().min();
        release.kept_from = kept_from(&self.releases, &release, record).min(needed.unwrap_or(u64::MAX));
        ours.data = serde_json::json!(release);
        let is_read = |bytes: &Arc<[u8]>| read.values().any(|read| Arc::ptr_eq(read, bytes));
        let unread = new.iter().filter(|(_, bytes)| !is_read(bytes)).map(|(content, _)| content.clone());
        let unread = unread.collect();
        let new = new.iter().map(|(content, bytes)| (content.clone(), &**bytes)).collect();
        contents::put(ledger, &stack, &new, &unread).await?;
        let mut number = self.next_number();
        // Contents may have taken minutes. Behind the release of the next holder this one would be the newest.
        loop {
            if !may() {
                return Ok(None);
            }
            if ledger.append(&stream, number, &ours).await? == Appended::Won {
                break;
            }
            number += 1;
        }
        // A process that removed one of them before the release was there to name it had taken our lock.
        contents::put(ledger, &stack, &new, &BTreeSet::new()).await?;
        let has_contents = !release.contents.is_empty() || self.history.has_contents_apart();
        Ok(Some(Begun { number, kept_from: release.kept_from, has_contents }))
    }

    /// The place of a new release: behind all that are decided, the first that is not. What is left over before them, on a
    /// manager that was away when it was removed, is no place for the newest. And how the release ends is not to be what an
    /// earlier one of its number came to, which managers have lost.
    fn next_number(&self) -> u64 {
        let decided = self.releases.last().map_or(0, |(number, _)| number);
        let open = self.releases.undecided.range(decided + 1..).next().copied();
        open.unwrap_or_else(|| self.releases.next()).max(self.outcomes.next())
    }

    /// Has a release name its contents; those that are at hand.
    fn name_contents(
        &self,
        release: &mut Release,
        key: &MarkKey,
        read: &Contents,
    ) -> Result<BTreeMap<ContentRef, Arc<[u8]>>, LedgerError> {
        let (key, stack) = (key.derive("contents"), &release.spec.name);
        let mut new = BTreeMap::new();
        for (name, config) in release.spec.configs.iter().filter(|(_, config)| !config.digest.is_empty()) {
            let content = match config.content.as_ref().or_else(|| read.get(&config.digest)) {
                Some(bytes) => {
                    let content = ContentRef::of(&key, stack, bytes);
                    new.insert(content.clone(), Arc::clone(bytes));
                    Content::Apart(content)
                }
                None => self.history.content(&config.digest).cloned().ok_or_else(|| {
                    let (stack, config) = (stack.to_string(), name.clone());
                    LedgerError::NoContent { stack, config, why: NOT_NAMED.to_owned() }
                })?,
            };
            release.contents.insert(name.clone(), content);
        }
        Ok(new)
    }

    /// Writes how a release ended, trims the streams, and removes contents that are no longer named. `may` says whether
    /// the lock is still held.
    pub async fn end(
        &self,
        ledger: &Ledger<impl WriteRegisters>,
        stack: &StackName,
        begun: &Begun,
        (at, outcome): (Timestamp, &Outcome),
        may: impl Fn() -> bool,
    ) -> Result<(), LedgerError> {
        let ours = value(ledger.registers(), outcome.recorded(at));
        ledger.append(&outcomes(stack), begun.number, &ours).await?;
        let of_stack = async {
            for (stream, log) in [(releases(stack), &self.releases), (outcomes(stack), &self.outcomes)] {
                ledger.replicate(&stream, log).await;
                ledger.trim_before(&stream, log, begun.kept_from).await;
            }
            if begun.has_contents {
                // What cannot be removed now is removed after the next release.
                let _is_left_for_later = contents::tidy(ledger, stack, may).await;
            }
        };
        // Node records may stay unwritten for months: so each deploy copies them to new managers.
        let of_nodes = async {
            if let Ok(log) = ledger.read(&nodes::stream()).await {
                ledger.replicate(&nodes::stream(), &log).await;
            }
        };
        tokio::join!(of_stack, of_nodes);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
