//! Releases in a ledger, read and written.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tokio::time::sleep;

use crate::ledger::contents::{self, ContentRef};
use crate::ledger::nodes;
use crate::ledger::payload::value;
use crate::ledger::release::{Content, History, Outcome, RECORD_MAX, Release, kept_from, outcomes, releases};
use crate::ledger::{Appended, Ledger, LedgerError, Log, ReadRegisters, WriteRegisters, sync};
use crate::model::ids::sha256_hex;
use crate::model::{MarkKey, StackName, StackSpec, Timestamp};

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

/// Between two looks at a place that a process may be writing.
const LOOK_AGAIN: Duration = Duration::from_millis(150);
/// After so many looks it is not under way.
const LOOKS_MAX: u32 = 4;

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
    let nothing = || value(ledger.registers(), serde_json::Value::Null);
    let mut seen = remembered_beside(ledger, stack).await?;
    let undecided: BTreeSet<u64> = seen.history.doubtful().collect();
    if !undecided.is_empty() {
        let mut open = seen.releases;
        open.undecided = undecided;
        ledger.settle(&releases(stack), &open, nothing).await?;
        seen = remembered(ledger, stack).await?;
    }
    let undecided = seen.open_ends();
    if !undecided.is_empty() {
        let mut open = seen.outcomes;
        open.undecided = undecided;
        ledger.settle(&outcomes(stack), &open, nothing).await?;
        seen = remembered(ledger, stack).await?;
    }
    Ok(seen)
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
    let mut looks = 1;
    loop {
        let seen = remembered(ledger, stack).await?;
        match seen.doubt(stack) {
            None => return Ok(seen),
            Some(doubt) if looks == LOOKS_MAX => return Err(doubt),
            Some(_) => sleep(LOOK_AGAIN).await,
        }
        looks += 1;
    }
}

impl Remembered {
    /// Whether the newest release, or how one ended, was written under other managers than these.
    #[must_use]
    pub fn is_of_others(&self, managers: &[String]) -> bool {
        [&self.releases, &self.outcomes].into_iter().any(|log| !sync::names(log, managers))
    }

    /// Releases of which it is to be settled how they ended. Of the newest one only where that was written: a process may be
    /// about to write it.
    fn open_ends(&self) -> BTreeSet<u64> {
        let newest = self.history.last().map(|(number, ..)| number);
        let is_written =
            |number: &u64| self.history.unknown_ends.contains(number) && self.outcomes.is_shown(*number);
        self.history.doubtful_ends().chain(newest.filter(is_written)).collect()
    }

    /// Why it is not certain which releases there are.
    fn doubt(&self, stack: &StackName) -> Option<LedgerError> {
        let of_release = self.history.doubtful().next().map(|seq| (releases(stack), seq));
        let of_end = || self.history.doubtful_ends().next().map(|seq| (outcomes(stack), seq));
        let (stream, seq) = of_release.or_else(of_end)?;
        Some(LedgerError::Undecided { stream: stream.to_string(), seq })
    }

    /// Whether a deploy of this that has nothing to do is no new release: it is what was deployed last, and
    /// successfully.
    pub fn is_last(&self, spec: &StackSpec) -> bool {
        self.history.current().is_ok_and(|current| current.spec == *spec)
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
            if config.external || config.content.is_some() || all.contains_key(&config.digest) {
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

    /// Writes a release, and before it the contents that it names. Those that its spec lacks are `read`, as far as they
    /// were needed. The key is that of the cluster's marks.
    pub async fn begin(
        &self,
        ledger: &Ledger<impl WriteRegisters>,
        mut release: Release,
        key: &MarkKey,
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
        let mut ours = value(ledger.registers(), serde_json::json!(release));
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
        let new = new.iter().map(|(content, bytes)| (content.clone(), &**bytes)).collect();
        contents::put(ledger, &stack, &new).await?;
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
        contents::put(ledger, &stack, &new).await?;
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
        for (name, config) in release.spec.configs.iter().filter(|(_, config)| !config.external) {
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
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;
    use crate::ledger::release::{RECORDS_MAX, Release};
    use crate::ledger::testing::Memory;
    use crate::ledger::{Place, Stream};
    use crate::model::spec::ConfigSpec;

    fn shop() -> StackName {
        StackName::unchecked("shop")
    }

    fn key() -> MarkKey {
        MarkKey::new([7; 32])
    }

    fn spec(contents: &[(&str, Vec<u8>)]) -> StackSpec {
        let mut spec = StackSpec::empty(shop());
        for (key, bytes) in contents {
            let config = ConfigSpec {
                name: format!("shop_{key}"),
                external: false,
                digest: sha256_hex(bytes),
                content: Some(Arc::from(&bytes[..])),
                labels: BTreeMap::new(),
                template_driver: None,
            };
            spec.configs.insert((*key).to_owned(), config);
        }
        spec
    }

    fn without_contents(mut spec: StackSpec) -> StackSpec {
        spec.configs.values_mut().for_each(|config| config.content = None);
        spec
    }

    fn draft(spec: StackSpec) -> Release {
        Release::of(spec, "deploy".into(), "ann@mill".into(), Timestamp(5))
    }

    async fn deploy(memory: &Memory, spec: StackSpec, read: &Contents) -> Result<u64, LedgerError> {
        let ledger = memory.ledger();
        let before = remembered(&ledger, &shop()).await?;
        let begun =
            before.begin(&ledger, draft(spec), &key(), read, || true).await?.expect("the lock is held");
        before.end(&ledger, &shop(), &begun, (Timestamp(6), &Outcome::Deployed), || true).await?;
        Ok(begun.number)
    }

    /// Bytes of contents that are on a manager.
    fn stored(memory: &Memory) -> usize {
        let world = memory.world();
        let of_chunks =
            world.registers.iter().filter(|((at, of, _), _)| *at == 0 && of.starts_with("chunks/"));
        of_chunks.filter_map(|(_, content)| content.as_ref()).map(String::len).sum()
    }

    #[tokio::test]
    async fn contents_are_written_once_and_read_only_where_they_are_asked_for() {
        let memory = Memory::new(3);
        let one = spec(&[("page", b"one".to_vec()), ("same", b"one".to_vec())]);
        deploy(&memory, one.clone(), &Contents::new()).await.unwrap();
        let after_one = stored(&memory);
        let mut two = one.clone();
        two.configs.remove("same");
        deploy(&memory, two, &Contents::new()).await.unwrap();
        assert_eq!(stored(&memory), after_one);
        memory.world().calls.clear();
        let ledger = memory.ledger();
        let found = remembered(&ledger, &shop()).await.unwrap();
        assert!(memory.world().calls.iter().all(|call| !call.contains("chunks")), "a list of releases");
        assert_eq!(found.history.releases[&1].0.spec, one, "equal by their digests");
        assert_eq!(found.history.releases[&1].0.spec, without_contents(one.clone()));
        let read = found.contents(&ledger, &found.history.releases[&1].0.spec).await.unwrap();
        assert_eq!(read.into_iter().collect::<Vec<_>>(), [(sha256_hex(b"one"), Arc::from(&b"one"[..]))]);
    }

    #[tokio::test]
    async fn a_release_is_not_written_once_the_lock_is_lost() {
        let memory = Memory::new(3);
        let ledger = memory.ledger();
        let before = remembered(&ledger, &shop()).await.unwrap();
        let release = draft(spec(&[("page", b"one".to_vec())]));
        let begun = before.begin(&ledger, release, &key(), &Contents::new(), || false).await.unwrap();
        assert!(begun.is_none());
        assert!(remembered(&ledger, &shop()).await.unwrap().history.releases.is_empty());
    }

    #[tokio::test]
    async fn what_a_rollback_leads_to_stays_whatever_the_failures_after_it_weigh() {
        let memory = Memory::new(3);
        let good = spec(&[("page", b"one".to_vec())]);
        deploy(&memory, good.clone(), &Contents::new()).await.unwrap();
        let ledger = memory.ledger();
        for number in 2..=9 {
            let mut failed = serde_json::json!(draft(spec(&[])));
            let heavy: String = noise(2 << 20, number).iter().map(|byte| format!("{byte:02x}")).collect();
            failed["message"] = heavy.into();
            let failed = value(ledger.registers(), failed);
            ledger.append(&releases(&shop()), number, &failed).await.unwrap();
            let ended = value(ledger.registers(), Outcome::Failed.recorded(Timestamp(6)));
            ledger.append(&outcomes(&shop()), number, &ended).await.unwrap();
        }
        deploy(&memory, spec(&[]), &Contents::new()).await.unwrap();
        let found = remembered(&ledger, &shop()).await.unwrap();
        let kept = found.history.releases.get(&1).expect("the only one that was good");
        assert_eq!(found.contents(&ledger, &without_contents(good)).await.unwrap().len(), 1, "{kept:?}");
    }

    #[tokio::test]
    async fn the_next_release_settles_how_one_before_it_ended() {
        let memory = Memory::new(3);
        let one = spec(&[("page", b"one".to_vec())]);
        deploy(&memory, one.clone(), &Contents::new()).await.unwrap();
        // Its writer was cut off after the first manager.
        let of_outcomes = outcomes(&shop()).to_string();
        memory.world().registers.retain(|(at, of, _), _| *at == 0 || *of != of_outcomes);
        let ledger = memory.ledger();
        let found = remembered(&ledger, &shop()).await.unwrap();
        assert_eq!(found.history.releases[&1].1, None);
        deploy(&memory, one, &Contents::new()).await.unwrap();
        let found = remembered(&ledger, &shop()).await.unwrap();
        assert_eq!(found.history.releases[&1].1, Some(Outcome::Deployed));
        assert!(found.outcomes.undecided.is_empty());
    }

    /// Has these managers lose what is in a place of a stream.
    fn lose(memory: &Memory, managers: &[usize], stream: &Stream, number: u64) {
        let of_stream = stream.to_string();
        let is_lost = |at: usize, of: &str, place: &Place| {
            managers.contains(&at) && of == of_stream && place.seq == number
        };
        memory.world().registers.retain(|(at, of, place), _| !is_lost(*at, of, place));
    }

    async fn deployed(memory: &Memory, releases: u64) {
        for number in 1..=releases {
            let content = format!("{number}").into_bytes();
            let done = deploy(memory, spec(&[("page", content)]), &Contents::new()).await;
            assert_eq!(done, Ok(number));
        }
    }

    #[tokio::test]
    async fn the_last_copy_of_what_the_other_managers_have_lost_is_kept() {
        let ends = async |memory: &Memory| -> Vec<Option<Outcome>> {
            let found = remembered(&memory.ledger(), &shop()).await.unwrap();
            assert!(found.releases.undecided.is_empty() && found.outcomes.undecided.is_empty());
            found.history.releases.into_values().map(|(_, outcome)| outcome).collect()
        };
        for (streams, left) in [(vec![outcomes(&shop())], 1), (vec![releases(&shop()), outcomes(&shop())], 2)]
        {
            let memory = Memory::new(3);
            deployed(&memory, left).await;
            streams.iter().for_each(|stream| lose(&memory, &[0, 1], stream, left));
            remembered_to_write(&memory.ledger(), &shop()).await.unwrap();
            assert_eq!(ends(&memory).await, vec![Some(Outcome::Deployed); usize::try_from(left).unwrap()]);
        }
        // A deploy that found the lock free settles it too.
        let memory = Memory::new(3);
        deployed(&memory, 1).await;
        lose(&memory, &[0, 1], &outcomes(&shop()), 1);
        deploy(&memory, spec(&[]), &Contents::new()).await.unwrap();
        assert_eq!(ends(&memory).await, [Some(Outcome::Deployed), Some(Outcome::Deployed)]);
    }

    #[tokio::test]
    async fn a_release_does_not_end_as_an_earlier_one_of_its_number_did() {
        for lost in [&[][..], &[0, 1]] {
            let memory = Memory::new(3);
            deployed(&memory, 2).await;
            lose(&memory, &[0, 1, 2], &releases(&shop()), 2);
            lose(&memory, lost, &outcomes(&shop()), 2);
            assert_eq!(deploy(&memory, spec(&[]), &Contents::new()).await, Ok(3), "{lost:?}");
        }
    }

    #[tokio::test]
    async fn a_new_release_is_the_newest_whatever_is_left_over_before_it() {
        let memory = Memory::new(3);
        deployed(&memory, 3).await;
        // Removed from the managers that answered then; and the writers of the last two were killed.
        lose(&memory, &[0, 2], &releases(&shop()), 2);
        [2, 3].into_iter().for_each(|number| lose(&memory, &[0, 1, 2], &outcomes(&shop()), number));
        assert_eq!(deploy(&memory, spec(&[]), &Contents::new()).await, Ok(4));
        let found = remembered(&memory.ledger(), &shop()).await.unwrap();
        assert_eq!(found.history.current().unwrap().spec, spec(&[]));
    }

    #[tokio::test]
    async fn a_writer_that_goes_by_the_newest_release_settles_the_one_that_was_begun() {
        for manager in 0..3 {
            let memory = Memory::new(3);
            deployed(&memory, 2).await;
            // Its writer was cut off after the first manager.
            let others: Vec<usize> = (0..3).filter(|at| *at != manager).collect();
            lose(&memory, &others, &releases(&shop()), 2);
            lose(&memory, &[0, 1, 2], &outcomes(&shop()), 2);
            let ledger = memory.ledger();
            let beside = remembered_beside(&ledger, &shop()).await.unwrap();
            assert_eq!(beside.history.undecided, [2], "it is left to a writer that is at work");
            let found = remembered_to_write(&ledger, &shop()).await.unwrap();
            assert_eq!(found.history.current(), Err(crate::ledger::NoCurrent::Unfinished(2)));
            assert_eq!(deploy(&memory, spec(&[]), &Contents::new()).await, Ok(3));
        }
    }

    #[tokio::test]
    async fn an_older_release_is_written_again_with_or_without_its_contents() {
        let memory = Memory::new(3);
        let one = spec(&[("page", b"one".to_vec())]);
        deploy(&memory, one.clone(), &Contents::new()).await.unwrap();
        // A plan that does nothing needs no contents, and its release names them all the same.
        deploy(&memory, without_contents(one.clone()), &Contents::new()).await.unwrap();
        let ledger = memory.ledger();
        let found = remembered(&ledger, &shop()).await.unwrap();
        assert_eq!(found.history.releases[&1].0.contents, found.history.releases[&2].0.contents);
        let unknown = without_contents(spec(&[("page", b"two".to_vec())]));
        let error = deploy(&memory, unknown, &Contents::new()).await.unwrap_err();
        assert!(matches!(&error, LedgerError::NoContent { config, .. } if config == "page"), "{error}");
    }

    #[tokio::test]
    async fn what_is_there_and_is_another_content_is_refused() {
        let memory = Memory::new(3);
        let mut one = spec(&[("page", b"one".to_vec())]);
        deploy(&memory, one.clone(), &Contents::new()).await.unwrap();
        let ledger = memory.ledger();
        let mut found = remembered(&ledger, &shop()).await.unwrap();
        for spec in [&mut one, &mut found.history.releases.get_mut(&1).unwrap().0.spec] {
            spec.configs.get_mut("page").unwrap().digest = sha256_hex(b"two");
        }
        let error = found.contents(&ledger, &without_contents(one)).await.unwrap_err().to_string();
        assert!(
            error.contains("config `page` of stack shop") && error.contains("another content"),
            "{error}"
        );
    }

    /// A writer, and at each of its writes a collector: of the stack's next holder up to the release itself, and of
    /// another stack with the same content.
    #[tokio::test]
    async fn a_collector_takes_nothing_from_a_release_that_is_being_written() {
        let content = vec![7; 300 << 10];
        let one = spec(&[("page", content.clone())]);
        let mut write = 1;
        loop {
            let memory = Memory::new(3);
            deploy(&memory, spec(&[("page", b"before".to_vec())]), &Contents::new()).await.unwrap();
            let (was_there, others) = (Arc::new(AtomicBool::new(false)), memory.clone());
            let reached = Arc::clone(&was_there);
            let writer = memory.interrupted(write, move || {
                reached.store(true, Ordering::Relaxed);
                let others = others.clone();
                async move {
                    for stack in [shop(), StackName::unchecked("blog")] {
                        let ledger = others.ledger();
                        contents::tidy(&ledger, &stack, || true).await.unwrap();
                    }
                }
            });
            let ledger = writer.ledger();
            let before = remembered(&ledger, &shop()).await.unwrap();
            before.begin(&ledger, draft(one.clone()), &key(), &Contents::new(), || true).await.unwrap();
            let found = remembered(&memory.ledger(), &shop()).await.unwrap();
            let read = found.contents(&memory.ledger(), &without_contents(one.clone())).await;
            assert_eq!(read.unwrap()[&sha256_hex(&content)].len(), content.len(), "at write {write}");
            if !was_there.load(Ordering::Relaxed) {
                break;
            }
            write += 1;
        }
        assert!(write > 10, "{write} writes");
    }

    #[tokio::test]
    async fn a_stack_without_configs_costs_no_call_more() {
        let memory = Memory::new(1);
        deploy(&memory, spec(&[]), &Contents::new()).await.unwrap();
        memory.world().calls.clear();
        deploy(&memory, spec(&[]), &Contents::new()).await.unwrap();
        let calls = memory.world().calls.clone();
        let expected = [
            "list 0 releases/shop",
            "list 0 outcomes/shop",
            "create 0 releases/shop",
            "list 0 releases/shop",
            "create 0 outcomes/shop",
            "list 0 outcomes/shop",
            "list 0 nodes/cluster",
        ];
        assert_eq!(calls, expected);
    }

    fn noise(bytes: usize, seed: u64) -> Vec<u8> {
        let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
        let mut next = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state.to_le_bytes()[0]
        };
        (0..bytes).map(|_| next()).collect()
    }

    #[tokio::test]
    async fn releases_are_kept_as_far_as_their_bytes_allow_and_one_that_is_too_large_writes_nothing() {
        let memory = Memory::new(1);
        let large = |seed: u64| {
            let keys = ["a", "b", "c", "d", "e", "f"];
            spec(&keys.map(|key| (key, noise(990_000, seed * 100 + u64::from(key.as_bytes()[0])))))
        };
        for number in 1..=20 {
            assert_eq!(deploy(&memory, large(number), &Contents::new()).await, Ok(number));
            let max = usize::try_from(contents::STACK_MAX).unwrap() * 4 / 3 + (1 << 20);
            assert!(stored(&memory) < max, "{}", stored(&memory));
        }
        let ledger = memory.ledger();
        let found = remembered(&ledger, &shop()).await.unwrap();
        assert_eq!(
            found.history.releases.keys().copied().collect::<Vec<_>>(),
            (10..=20).collect::<Vec<u64>>()
        );
        for (release, _) in found.history.releases.values() {
            assert_eq!(found.contents(&ledger, &release.spec).await.unwrap().len(), 6);
        }
        let listed: usize = {
            let world = memory.world();
            let of = world.registers.iter().filter(|((_, of, _), _)| of.starts_with("releases/"));
            of.filter_map(|(_, content)| content.as_ref()).map(String::len).sum()
        };
        assert!(listed < 1 << 20, "a list of releases has {listed} bytes");

        let before = memory.world().registers.clone();
        let many: Vec<(String, Vec<u8>)> = (0..18).map(|at| (format!("k{at}"), noise(990_000, at))).collect();
        let many: Vec<(&str, Vec<u8>)> =
            many.iter().map(|(key, bytes)| (key.as_str(), bytes.clone())).collect();
        let error = deploy(&memory, spec(&many), &Contents::new()).await.unwrap_err();
        assert!(matches!(error, LedgerError::TooLarge { what: "contents", .. }), "{error}");
        let mut wordy = draft(spec(&[]));
        wordy.message = Some(noise(900 << 10, 1).iter().map(|byte| format!("{byte:02x}")).collect());
        let error = found.begin(&ledger, wordy, &key(), &Contents::new(), || true).await.unwrap_err();
        assert!(matches!(error, LedgerError::TooLarge { what: "records", .. }), "{error}");
        assert_eq!(memory.world().registers, before);
    }

    #[tokio::test]
    async fn records_have_a_budget_of_their_own_and_four_are_kept_in_any_case() {
        let memory = Memory::new(1);
        let ledger = memory.ledger();
        // As a program before 0.3.0 wrote them: with contents within, and as large as they come.
        for number in 1..=10 {
            let mut old = serde_json::json!(draft(without_contents(spec(&[("page", b"one".to_vec())]))));
            old["contents"] = serde_json::json!({ "page": STANDARD.encode("one") });
            old["message"] =
                noise(2 << 20, number).iter().map(|byte| format!("{byte:02x}")).collect::<String>().into();
            let ours = value(ledger.registers(), old);
            ledger.append(&releases(&shop()), number, &ours).await.unwrap();
        }
        let kept = async || {
            let found = remembered(&memory.ledger(), &shop()).await.unwrap();
            found.history.releases.keys().copied().collect::<Vec<_>>()
        };
        assert_eq!(kept().await.len(), 10);
        deploy(&memory, spec(&[("page", b"two".to_vec())]), &Contents::new()).await.unwrap();
        assert_eq!(kept().await, [8, 9, 10, 11]);
        // And so it stays, whatever a late request brings back.
        let at = (0, releases(&shop()).to_string(), Place { seq: 3, round: 0 });
        let again = memory
            .world()
            .registers
            .iter()
            .find(|((_, of, _), _)| of.starts_with("releases/"))
            .map(|(_, it)| it.clone());
        memory.world().registers.insert(at, again.unwrap());
        assert_eq!(kept().await, [8, 9, 10, 11]);
        for _ in 0..20 {
            deploy(&memory, spec(&[("page", b"two".to_vec())]), &Contents::new()).await.unwrap();
        }
        assert_eq!(kept().await.len(), 23, "those that are small: {}", RECORDS_MAX);
    }
}
