//! Contents of configs, apart from the releases that name them: each is written once and read when a task needs it.
//!
//! A content's name is a [keyed hash](crate::model::MarkKey::content_name) of it, so that the same content is written
//! once for all releases of a stack, and a name proves no guess at what is in it. It is cut into chunks that every
//! backend takes. On each manager that keeps it there are, in the order in which they are written:
//!
//! ```text
//! contents/<stack>  round 0   that the content is being written: what a writer that dies leaves can be found by it
//! chunks/<stack>    round 0   the chunks, each in a register of its own
//! contents/<stack>  round 1   that all chunks are there
//! ```
//!
//! A release is written after its contents, when a majority of the managers has all of them. No agreement is needed:
//! two writers of one name write the same. Where a register holds something else, because an engine died while it made
//! the volume, or because it was damaged, all is written in a second attempt, in the rounds that follow; what is there
//! stays as it is.
//!
//! # What is removed, and when
//!
//! [`tidy`] removes what no release of the stack names that is in the ledger. No stack names the contents of another:
//! the same content in two stacks has two names. So a collector of a stack and a writer of a release of
//! it do so under the same lock, and a collector can take nothing away from a writer of another stack. A writer that has
//! lost its lock in the middle may write a release after its successor has looked; so it writes the contents once more
//! after the release, which costs one look where they are still there.
//!
//! Contents are read from one manager after the other until all of a content is together, and are compared with the
//! digest that the release has of it.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::future::join_all;
use serde::{Deserialize, Serialize};

use super::decide::Ledger;
use super::error::LedgerError;
use super::log::Log;
use super::payload::Value;
use super::register::{Content, Kind, Place, ReadRegisters, Silent, Stream, WriteRegisters};
use crate::model::ids::sha256_hex;
use crate::model::{Format, MarkKey, StackName};

/// Bytes of a chunk. As text it has 320 KiB, and with what is said of it less than Consul's 512 KiB, ZooKeeper's 1 MiB
/// and etcd's 1.5 MiB; and a manager behind a link of 1 Mbit/s takes it within the time of one call.
pub const CHUNK_BYTES: usize = 240 << 10;
/// Attempts at writing a content.
const ATTEMPTS: u32 = 3;
/// Contents that are read at a time: heartbeats need the links, too, and a chunk has to come within the time of one call.
const READS_MAX: usize = 2;
/// Bytes of the contents of one release.
pub const RELEASE_MAX: u64 = 16 << 20;
/// Bytes of all contents of a stack. Docker keeps labels of volumes in memory and prints them in `docker volume ls`. Four
/// times what one release may have, so that at least the newest four releases are kept.
pub const STACK_MAX: u64 = 4 * RELEASE_MAX;

/// What a release says of a content.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ContentRef {
    /// A keyed hash of it.
    pub name: String,
    pub bytes: u64,
}

/// That a content is, or is being written, in a register of [`Kind::Contents`].
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Label {
    #[serde(flatten)]
    format: Format,
    #[serde(flatten)]
    content: ContentRef,
}

/// Before a chunk, on a line of its own.
#[derive(Debug, Serialize, Deserialize)]
struct Head {
    #[serde(flatten)]
    format: Format,
    /// Of which content, and which of its chunks; the first is 1.
    name: String,
    chunk: u64,
    /// Of what follows, as text.
    sha256: String,
}

/// What the managers that answered hold of a stack's contents.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Shelf {
    managers: BTreeMap<usize, BTreeMap<ContentRef, Written>>,
}

/// How far the writing of a content has come on a manager.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Written {
    /// Attempts that were begun.
    attempts: u32,
    is_whole: bool,
}

impl ContentRef {
    /// Of a content of a stack.
    #[must_use]
    pub fn of(key: &MarkKey, stack: &StackName, content: &[u8]) -> Self {
        Self { name: key.content_name(stack, content), bytes: content.len() as u64 }
    }

    fn chunks(&self) -> u64 {
        self.bytes.div_ceil(CHUNK_BYTES as u64)
    }

    /// Where it is said that an attempt at it was begun.
    fn begun(&self, attempt: u32) -> Place {
        Place { seq: number(&self.name), round: 2 * attempt }
    }

    /// Where it is said that an attempt has succeeded.
    fn whole(&self, attempt: u32) -> Place {
        Place { seq: number(&self.name), round: 2 * attempt + 1 }
    }

    fn place(&self, chunk: u64, attempt: u32) -> Place {
        let hash = sha256_hex(format!("{}/{chunk}", self.name).as_bytes());
        Place { seq: number(&hash), round: attempt }
    }

    fn label(&self) -> String {
        serde_json::json!(Label { format: Format::CURRENT, content: self.clone() }).to_string()
    }

    fn is_in(&self, label: &Content) -> bool {
        label.as_ref().and_then(|text| of_label(text)).as_ref() == Some(self)
    }

    fn pack(&self, chunk: u64, bytes: &[u8]) -> String {
        let text = STANDARD.encode(bytes);
        let (name, sha256) = (self.name.clone(), sha256_hex(text.as_bytes()));
        let head = Head { format: Format::CURRENT, name, chunk, sha256 };
        format!("{}\n{text}", serde_json::json!(head))
    }

    /// Back from the text of a chunk, or what is wrong with it.
    fn unpack(&self, chunk: u64, text: &str) -> Result<Vec<u8>, String> {
        let (head, body) = text.split_once('\n').ok_or("it is cut off")?;
        let whole: serde_json::Value = serde_json::from_str(head).map_err(|error| error.to_string())?;
        // First of all: nothing else need be as this version knows it.
        let format = Format::deserialize(&whole).map_err(|error| error.to_string())?;
        format.check_read().map_err(|why| why.to_string())?;
        let head = Head::deserialize(whole).map_err(|error| error.to_string())?;
        if (head.name.as_str(), head.chunk) != (self.name.as_str(), chunk) {
            return Err("it is of another content".to_owned());
        }
        if head.sha256 != sha256_hex(body.as_bytes()) {
            return Err("it is cut off or was changed".to_owned());
        }
        STANDARD.decode(body).map_err(|error| error.to_string())
    }
}

fn of_label(text: &str) -> Option<ContentRef> {
    serde_json::from_str::<Label>(text).ok().map(|label| label.content)
}

/// The first 64 bits of a hash in hex.
fn number(hash: &str) -> u64 {
    u64::from_str_radix(hash.get(..16).unwrap_or_default(), 16).unwrap_or_default()
}

fn index(stack: &StackName) -> Stream {
    Stream::new(Kind::Contents, stack)
}

fn chunks(stack: &StackName) -> Stream {
    Stream::new(Kind::Chunks, stack)
}

/// Names of contents in a stream of releases: in any register of it, decided or not, still counted or not. `None` if one
/// of them cannot be read: what it names is not known.
#[must_use]
pub fn named(releases: &Log) -> Option<BTreeSet<String>> {
    let mut all = BTreeSet::new();
    for text in releases.registers.values().flatten() {
        let value = Value::unpack(text).ok()?;
        let contents = value.data["contents"].as_object().into_iter().flatten();
        for (_, content) in contents.filter(|(_, content)| !content.is_string()) {
            all.insert(ContentRef::deserialize(content).ok()?.name);
        }
    }
    Some(all)
}

impl Shelf {
    /// Contents of which anything is on some manager.
    #[must_use]
    pub fn contents(&self) -> BTreeSet<ContentRef> {
        self.managers.values().flat_map(BTreeMap::keys).cloned().collect()
    }

    /// How many of the managers that answered say that they hold all of a content.
    #[must_use]
    pub fn holders(&self, name: &str) -> usize {
        self.holding(name).count()
    }

    fn holding(&self, name: &str) -> impl Iterator<Item = usize> {
        let holds = move |all: &BTreeMap<ContentRef, Written>| {
            all.iter().any(|(content, written)| content.name == name && written.is_whole)
        };
        self.managers.iter().filter(move |(_, all)| holds(all)).map(|(manager, _)| *manager)
    }

    /// How many managers answered.
    #[must_use]
    pub fn answered(&self) -> usize {
        self.managers.len()
    }

    fn lacks(&self, manager: usize, content: &ContentRef) -> bool {
        self.managers
            .get(&manager)
            .is_some_and(|all| !all.get(content).is_some_and(|written| written.is_whole))
    }
}

/// Which contents of a stack there are. The contents are not read.
pub async fn shelf<R: ReadRegisters>(ledger: &Ledger<R>, stack: &StackName) -> Result<Shelf, LedgerError> {
    let index = index(stack);
    let found = ledger.ask_all(|manager| ledger.registers().list(manager, &index)).await?;
    let mut managers = BTreeMap::new();
    for (manager, found) in found {
        let all: &mut BTreeMap<ContentRef, Written> = managers.entry(manager).or_default();
        for register in found {
            let Some(content) = register.content.as_deref().and_then(of_label) else { continue };
            // One that is not where its name calls for is not ours.
            if register.place.seq != content.begun(0).seq {
                continue;
            }
            let written = all.entry(content).or_default();
            written.attempts = written.attempts.max(register.place.round / 2 + 1);
            written.is_whole |= register.place.round % 2 == 1;
        }
    }
    Ok(Shelf { managers })
}

/// Writes contents to every manager that answers and lacks them. A majority has all of them afterwards. The `unread` ones
/// were not read from the managers: what these say that they have may be lost, and is read once, from any of them. What is
/// lost on all is written to all. Where a manager that has it is silent, nothing is known to be lost.
pub async fn put<R: WriteRegisters>(
    ledger: &Ledger<R>,
    stack: &StackName,
    contents: &BTreeMap<ContentRef, &[u8]>,
    unread: &BTreeSet<ContentRef>,
) -> Result<(), LedgerError> {
    if contents.is_empty() {
        return Ok(());
    }
    let shelf = &shelf(ledger, stack).await?;
    let unread: Vec<_> = contents.iter().filter(|(content, _)| unread.contains(content)).collect();
    let mut lost = BTreeSet::new();
    for some in unread.chunks(READS_MAX) {
        let looks = some.iter().map(|(content, bytes)| is_lost(ledger, stack, shelf, content, bytes));
        let looks = join_all(looks).await;
        lost.extend(some.iter().zip(looks).filter(|(_, is_lost)| *is_lost).map(|((content, _), _)| *content));
    }
    let lost = &lost;
    let writers = shelf.managers.keys().map(async |manager| {
        let is_lacking = |content: &ContentRef| lost.contains(content) || shelf.lacks(*manager, content);
        let lacking = contents.iter().filter(|(content, _)| is_lacking(content));
        let write = async {
            for (content, bytes) in lacking {
                write(ledger.registers(), *manager, stack, content, bytes).await?;
            }
            Ok(())
        };
        ledger.asked(*manager, write).await.1.is_some()
    });
    let holders = join_all(writers).await.into_iter().filter(|is_whole| *is_whole).count();
    if holders < ledger.majority() { Err(ledger.no_majority(holders)) } else { Ok(()) }
}

/// Whether what managers say that they have of a content is not what they have.
async fn is_lost<R: ReadRegisters>(
    ledger: &Ledger<R>,
    stack: &StackName,
    shelf: &Shelf,
    content: &ContentRef,
    bytes: &[u8],
) -> bool {
    let holders: Vec<usize> = shelf.holding(&content.name).collect();
    match get_from(ledger, stack, content, &holders).await {
        Ok(read) => read != bytes,
        Err(GetError { is_silent, .. }) => !is_silent && !holders.is_empty(),
    }
}

async fn write<R: WriteRegisters>(
    registers: &R,
    manager: usize,
    stack: &StackName,
    content: &ContentRef,
    bytes: &[u8],
) -> Result<(), Silent> {
    let (index, stream) = (index(stack), chunks(stack));
    let label = Some(content.label());
    'attempts: for attempt in 0..ATTEMPTS {
        let begun = registers.create(manager, &index, content.begun(attempt), &label).await?;
        if !content.is_in(&begun) {
            continue;
        }
        for (chunk, bytes) in (1..).zip(bytes.chunks(CHUNK_BYTES)) {
            let text = Some(content.pack(chunk, bytes));
            let there = registers.create(manager, &stream, content.place(chunk, attempt), &text).await?;
            if there.is_none_or(|there| content.unpack(chunk, &there).as_deref() != Ok(bytes)) {
                continue 'attempts;
            }
        }
        let whole = registers.create(manager, &index, content.whole(attempt), &label).await?;
        if content.is_in(&whole) {
            return Ok(());
        }
    }
    Err(Silent(format!("the places of content {} hold something else", content.name)))
}

/// Reads a content. It is the caller's to compare it with a digest.
///
/// # Errors
///
/// A chunk is on no manager that answers, or is damaged on all of them: what is wrong.
pub async fn get<R: ReadRegisters>(
    ledger: &Ledger<R>,
    stack: &StackName,
    content: &ContentRef,
) -> Result<Vec<u8>, String> {
    let all: Vec<usize> = (0..ledger.registers().managers().len()).collect();
    get_from(ledger, stack, content, &all).await.map_err(|error| error.why)
}

/// Why a content was not read.
struct GetError {
    why: String,
    /// A manager that may have it did not answer.
    is_silent: bool,
}

impl GetError {
    fn damaged(why: String) -> Self {
        Self { why, is_silent: false }
    }
}

/// The same from these managers.
async fn get_from<R: ReadRegisters>(
    ledger: &Ledger<R>,
    stack: &StackName,
    content: &ContentRef,
    managers: &[usize],
) -> Result<Vec<u8>, GetError> {
    if content.bytes > RELEASE_MAX {
        let why = format!("it is said to have {} bytes, more than any release", content.bytes);
        return Err(GetError::damaged(why));
    }
    let mut bytes = Vec::new();
    let mut first = 0;
    for chunk in 1..=content.chunks() {
        // Of the manager that has the one, the next is asked for as well.
        let part;
        (part, first) = get_chunk(ledger, stack, (content, chunk), managers, first).await?;
        bytes.extend(part);
    }
    if bytes.len() as u64 != content.bytes {
        return Err(GetError::damaged(format!("it has {} bytes and not {}", bytes.len(), content.bytes)));
    }
    Ok(bytes)
}

async fn get_chunk<R: ReadRegisters>(
    ledger: &Ledger<R>,
    stack: &StackName,
    (content, chunk): (&ContentRef, u64),
    managers: &[usize],
    first: usize,
) -> Result<(Vec<u8>, usize), GetError> {
    let (mut wrong, mut is_silent) = (Vec::new(), false);
    for at in (0..managers.len()).map(|at| (first + at) % managers.len()) {
        let name = &ledger.registers().managers()[managers[at]];
        match chunk_on(ledger.registers(), managers[at], stack, content, chunk).await {
            Ok(Ok(bytes)) => return Ok((bytes, at)),
            Ok(Err(why)) => wrong.push(format!("{name}: {why}")),
            Err(Silent(why)) => {
                is_silent = true;
                wrong.push(format!("{name}: {why}"));
            }
        }
    }
    let why = format!("part {chunk} of {} is on no manager ({})", content.chunks(), wrong.join("; "));
    Err(GetError { why, is_silent })
}

/// A chunk as one manager has it, or why that is none.
async fn chunk_on<R: ReadRegisters>(
    registers: &R,
    manager: usize,
    stack: &StackName,
    content: &ContentRef,
    chunk: u64,
) -> Result<Result<Vec<u8>, String>, Silent> {
    let mut found = "it is not there".to_owned();
    // An attempt that was given up before this chunk leaves a gap.
    for attempt in 0..ATTEMPTS {
        match registers.get(manager, &chunks(stack), content.place(chunk, attempt)).await? {
            Some(Some(text)) => match content.unpack(chunk, &text) {
                Ok(bytes) => return Ok(Ok(bytes)),
                Err(why) => found = why,
            },
            // An engine died while it made the volume.
            Some(None) => found = "it is empty".to_owned(),
            None => {}
        }
    }
    Ok(Err(found))
}

/// Managers that answered and lack a content, or a part of it that they say they have: a volume was removed, or damaged.
/// Every part is read on each of them. One that is silent meanwhile is not among them.
pub async fn lacking<R: ReadRegisters>(
    ledger: &Ledger<R>,
    stack: &StackName,
    shelf: &Shelf,
    content: &ContentRef,
) -> BTreeSet<usize> {
    let all = join_all(shelf.managers.keys().map(async |&manager| {
        if shelf.lacks(manager, content) {
            return Some(manager);
        }
        for chunk in 1..=content.chunks() {
            match chunk_on(ledger.registers(), manager, stack, content, chunk).await {
                Ok(Ok(_)) => {}
                Ok(Err(_)) => return Some(manager),
                Err(Silent(_)) => return None,
            }
        }
        None
    }));
    all.await.into_iter().flatten().collect()
}

/// What is on the managers, and which of it is named, by releases of a stack or whatever else its owner is, and which is
/// not. If what names them cannot be read, neither is known of any.
struct Sorted {
    shelf: Shelf,
    named: Vec<ContentRef>,
    unnamed: Vec<ContentRef>,
}

async fn sorted<R: ReadRegisters>(
    ledger: &Ledger<R>,
    owner: &StackName,
    names: impl AsyncFnOnce() -> Result<Option<BTreeSet<String>>, LedgerError>,
) -> Result<Sorted, LedgerError> {
    let shelf = shelf(ledger, owner).await?;
    // Read after the look at what there is: what is named by a record that is written meanwhile is not among that.
    let Some(names) = names().await? else {
        return Ok(Sorted { shelf, named: Vec::new(), unnamed: Vec::new() });
    };
    let (named, unnamed) = shelf.contents().into_iter().partition(|content| names.contains(&content.name));
    Ok(Sorted { shelf, named, unnamed })
}

async fn named_by_releases<R: ReadRegisters>(
    ledger: &Ledger<R>,
    stack: &StackName,
) -> Result<Option<BTreeSet<String>>, LedgerError> {
    Ok(named(&ledger.read(&Stream::new(Kind::Releases, stack)).await?))
}

/// Whether each manager that answers has all contents of a stack that releases name, in all their parts, as far as any has
/// them.
pub async fn are_everywhere<R: ReadRegisters>(
    ledger: &Ledger<R>,
    stack: &StackName,
) -> Result<bool, LedgerError> {
    are_everywhere_of(ledger, stack, async || named_by_releases(ledger, stack).await).await
}

/// The same of an owner whose contents something else names.
pub(super) async fn are_everywhere_of<R: ReadRegisters>(
    ledger: &Ledger<R>,
    owner: &StackName,
    names: impl AsyncFnOnce() -> Result<Option<BTreeSet<String>>, LedgerError>,
) -> Result<bool, LedgerError> {
    let Sorted { shelf, named, .. } = sorted(ledger, owner, names).await?;
    for content in &named {
        if !lacking(ledger, owner, &shelf, content).await.is_empty() {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Writes again what managers that answer have lost of the contents that releases name. Reads all of these; where a manager
/// merely lacks a content, [`tidy`] sees that at less cost.
pub async fn mend<R: WriteRegisters>(
    ledger: &Ledger<R>,
    stack: &StackName,
    may: impl Fn() -> bool,
) -> Result<(), LedgerError> {
    mend_of(ledger, stack, async || named_by_releases(ledger, stack).await, may).await
}

/// The same of an owner whose contents something else names.
pub(super) async fn mend_of<R: WriteRegisters>(
    ledger: &Ledger<R>,
    owner: &StackName,
    names: impl AsyncFnOnce() -> Result<Option<BTreeSet<String>>, LedgerError>,
    may: impl Fn() -> bool,
) -> Result<(), LedgerError> {
    let Sorted { shelf, named, .. } = sorted(ledger, owner, names).await?;
    for content in &named {
        let lacking = lacking(ledger, owner, &shelf, content).await;
        bring(ledger, owner, content, lacking, &may).await;
    }
    Ok(())
}

/// Gives a content to managers that lack it. One that is damaged everywhere is reported when it is needed.
async fn bring<R: WriteRegisters>(
    ledger: &Ledger<R>,
    stack: &StackName,
    content: &ContentRef,
    lacking: BTreeSet<usize>,
    may: &impl Fn() -> bool,
) {
    if lacking.is_empty() || !may() {
        return;
    }
    let Ok(bytes) = get(ledger, stack, content).await else { return };
    for manager in lacking {
        ledger.asked(manager, write(ledger.registers(), manager, stack, content, &bytes)).await;
    }
}

/// Gives managers that answered what they lack of the contents that releases name, and removes the others. `may` is asked
/// before each change: the lock may be lost meanwhile.
pub async fn tidy<R: WriteRegisters>(
    ledger: &Ledger<R>,
    stack: &StackName,
    may: impl Fn() -> bool,
) -> Result<(), LedgerError> {
    tidy_of(ledger, stack, async || named_by_releases(ledger, stack).await, may).await
}

/// The same of an owner whose contents something else names.
pub(super) async fn tidy_of<R: WriteRegisters>(
    ledger: &Ledger<R>,
    owner: &StackName,
    names: impl AsyncFnOnce() -> Result<Option<BTreeSet<String>>, LedgerError>,
    may: impl Fn() -> bool,
) -> Result<(), LedgerError> {
    let Sorted { shelf, named, unnamed } = sorted(ledger, owner, names).await?;
    for content in &named {
        let managers = shelf.managers.keys().copied();
        let lacking = managers.filter(|manager| shelf.lacks(*manager, content)).collect();
        bring(ledger, owner, content, lacking, &may).await;
    }
    for content in &unnamed {
        for (manager, all) in &shelf.managers {
            let Some(written) = all.get(content) else { continue };
            if !may() {
                return Ok(());
            }
            let remove = remove(ledger.registers(), *manager, owner, content, written.attempts);
            ledger.asked(*manager, remove).await;
        }
    }
    Ok(())
}

/// Removes a content from a manager. That it is whole goes first and that it is there last, so that what is left of it
/// by a collector that dies is found again.
async fn remove<R: WriteRegisters>(
    registers: &R,
    manager: usize,
    stack: &StackName,
    content: &ContentRef,
    attempts: u32,
) -> Result<(), Silent> {
    let (index, stream) = (index(stack), chunks(stack));
    for attempt in 0..attempts {
        registers.remove(manager, &index, content.whole(attempt)).await?;
        for chunk in 1..=content.chunks() {
            registers.remove(manager, &stream, content.place(chunk, attempt)).await?;
        }
        registers.remove(manager, &index, content.begun(attempt)).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
