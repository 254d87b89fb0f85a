//! Copies all that a ledger holds into another ledger, or into a backup file.
//!
//! Contents of configs that releases name are copied with them, and the encrypted values of secrets. A copy is whole: a place on which the managers do not agree
//! is waited for, and then refused by name. Of leases the copy holds only that they are free and how far their places
//! have come, so that epochs keep growing there, and what their holders left under way.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use miette::Diagnostic;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::contents::{self, CHUNK_BYTES, ContentRef};
use super::decide::{Appended, Ledger};
use super::error::LedgerError;
use super::lease::{self, Held, Left, Note};
use super::log::Log;
use super::patience::read_decided;
use super::payload::Value;
use super::register::{Kind, ReadRegisters, Stream, WriteRegisters};
use super::release::Release;
use super::{configs, document, key, nodes, operation, secrets, settings, volumes};
use crate::model::format::Version;
use crate::model::ids::sha256_hex;
use crate::model::{Format, StackName, Timestamp};

/// What a backup's first line says it is.
const FORMAT: &str = "stackctl ledger backup";
/// Of the form of the file.
/// Version 2 has the format of each record; version 1 is of programs before 0.3.0.
const VERSION: u32 = 2;

/// Places of streams.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Archive {
    streams: BTreeMap<Stream, BTreeMap<u64, Value>>,
    /// Of each stack, those that its releases name; and the values of secrets.
    contents: BTreeMap<StackName, BTreeMap<ContentRef, Vec<u8>>>,
    /// Contents that are named and could not be read: whose, and why.
    missing: Vec<(StackName, String)>,
}

/// How a backup begins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    format: String,
    version: u32,
    /// The oldest program that may read it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    read: Option<Version>,
    /// The cluster it is of.
    pub cluster: String,
    pub at: Timestamp,
}

impl Head {
    /// Of the first line. What it is, and who may read it, is found out before the rest is read.
    fn parse(line: &str) -> Result<Self, BadBackup> {
        let bad = || BadBackup("its first line does not say that it is one".to_owned());
        let whole: serde_json::Value = serde_json::from_str(line).map_err(|_| bad())?;
        if whole["format"] != FORMAT {
            return Err(bad());
        }
        let number = whole["version"].as_u64().and_then(|number| u32::try_from(number).ok());
        let number = number.ok_or_else(bad)?;
        match whole.get("read").map(Version::deserialize) {
            Some(read) => {
                let read = read.map_err(|_| bad())?;
                let format = Format { number, read, write: read };
                format.check_read().map_err(|why| BadBackup(why.to_string()))?;
            }
            None if number == 1 => {}
            None => {
                return Err(BadBackup(format!(
                    "its version is {number}, and it does not say who may read it"
                )));
            }
        }
        Self::deserialize(whole).map_err(|_| bad())
    }
}

/// A place in a backup.
#[derive(Debug, Serialize, Deserialize)]
struct Line {
    stream: String,
    of: String,
    seq: u64,
    id: String,
    #[serde(flatten)]
    format: Option<Format>,
    data: serde_json::Value,
}

/// How a backup ends.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct End {
    records: usize,
    /// Of every line before this one.
    sha256: String,
}

/// Why a file cannot be used as a backup.
#[derive(Debug, Clone, PartialEq, Eq, Error, Diagnostic)]
#[error("this is no backup of a ledger that could be restored: {0}")]
#[diagnostic(
    code(stackctl::ledger::bad_backup),
    help("nothing was changed; make one with `stackctl ledger backup FILE`")
)]
pub struct BadBackup(pub String);

/// Why one ledger cannot be copied onto another.
#[derive(Debug, Clone, PartialEq, Eq, Error, Diagnostic)]
pub enum NotCopied {
    /// It cannot be read or written.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Ledger(#[from] LedgerError),
    /// It holds something else.
    #[error("the ledger that is to be written holds records already: {stream} number {seq}")]
    #[diagnostic(
        code(stackctl::ledger::not_empty),
        help("nothing was changed; choose an empty place: another prefix, another directory")
    )]
    NotEmpty {
        stream: String,
        /// In which place.
        seq: u64,
    },
    /// What was read back is not what was written.
    #[error("{stream} was not read back as it was written")]
    #[diagnostic(
        code(stackctl::ledger::copy_differs),
        help("another process is writing there, or has changed the records: run the command again")
    )]
    Differs { stream: String },
}

/// Streams that a ledger with these stacks may have.
pub(super) fn streams(stacks: &BTreeSet<StackName>) -> Vec<Stream> {
    let kinds = [Kind::Releases, Kind::Outcomes, Kind::Settings, Kind::Heals, Kind::Volumes, Kind::Lease];
    let of_stacks = stacks.iter().flat_map(|stack| kinds.map(|kind| Stream::new(kind, stack)));
    let of_cluster = [
        nodes::stream(),
        operation::stream(),
        key::stream(),
        secrets::stream(),
        configs::stream(),
        lease::leader_stream(),
        lease::vault_stream(),
    ];
    of_stacks.chain(of_cluster).collect()
}

/// Whether a stream may have advanced since it was copied and still be the same one: it only records what
/// was done.
fn goes_on(stream: &Stream) -> bool {
    matches!(stream.kind, Kind::Operations | Kind::Heals)
}

/// Reads a stream of which all is to be copied.
///
/// # Errors
///
/// A place stays undecided that counts. Of a document only the newest place does. What only records what was done is never
/// settled, and all readers skip what a majority cannot hold.
async fn read_whole<R: ReadRegisters>(ledger: &Ledger<R>, stream: &Stream) -> Result<Log, LedgerError> {
    let managers = ledger.registers().managers().len();
    let open = |log: &Log| match stream.kind {
        // That it is free is copied, whatever it was.
        Kind::Lease => None,
        Kind::Releases | Kind::Outcomes => log.undecided.first().copied(),
        Kind::Settings | Kind::Nodes | Kind::Volumes | Kind::Key | Kind::Secrets | Kind::Configs => {
            document::in_doubt(log)
        }
        Kind::Operations | Kind::Heals => log.may_be_decided(managers),
        Kind::Contents | Kind::Chunks => None,
    };
    read_decided(|| ledger.read(stream), |log| Some((stream.clone(), open(log)?))).await
}

/// Settles every incomplete place of a ledger.
pub async fn settle<R: WriteRegisters>(ledger: &Ledger<R>) -> Result<(), LedgerError> {
    for stack in ledger.stacks().await? {
        document::repair(ledger, &settings::stream(&stack)).await?;
        document::repair(ledger, &volumes::stream(&stack)).await?;
        for kind in [Kind::Releases, Kind::Outcomes, Kind::Heals] {
            settle_places(ledger, &Stream::new(kind, &stack)).await?;
        }
    }
    settle_places(ledger, &operation::stream()).await?;
    for stream in [key::stream(), secrets::stream(), configs::stream(), nodes::stream()] {
        document::repair(ledger, &stream).await?;
    }
    Ok(())
}

async fn settle_places<R: WriteRegisters>(ledger: &Ledger<R>, stream: &Stream) -> Result<(), LedgerError> {
    let log = ledger.read(stream).await?;
    let nothing = || super::payload::value(ledger.registers(), serde_json::Value::Null);
    ledger.settle(stream, &log, nothing).await
}

/// Every lease that is held.
pub async fn holders<R: ReadRegisters>(ledger: &Ledger<R>) -> Result<Vec<Held>, LedgerError> {
    let mut all = Vec::new();
    for stream in streams(&ledger.stacks().await?).into_iter().filter(|stream| stream.kind == Kind::Lease) {
        let log = ledger.read(&stream).await?;
        let unreadable =
            |detail| LedgerError::Unreadable { stream: stream.to_string(), seq: log.end(), detail };
        all.extend(lease::held(&log).map_err(unreadable)?);
    }
    Ok(all)
}

impl Archive {
    /// All that a ledger holds.
    ///
    /// # Errors
    ///
    /// It cannot be read; or the managers do not agree on a record, and what is copied would lack it.
    pub async fn of<R: ReadRegisters>(ledger: &Ledger<R>) -> Result<Self, LedgerError> {
        let mut archive = Self::of_streams(ledger, streams(&ledger.stacks().await?)).await?;
        archive.read_contents(ledger).await;
        Ok(archive)
    }

    /// The newest records of the cluster's key, of secrets and of configs that commands made, without what they name; and of
    /// the node records the two keys that stand there.
    pub(super) async fn of_vault<R: ReadRegisters>(ledger: &Ledger<R>) -> Result<Self, LedgerError> {
        let of_vault = vec![nodes::stream(), key::stream(), secrets::stream(), configs::stream()];
        let mut archive = Self::of_streams(ledger, of_vault).await?;
        for (stream, places) in &mut archive.streams {
            places.retain(|_, value| value.data.is_object());
            if let Some((seq, mut newest)) = places.pop_last() {
                if stream.kind == Kind::Nodes {
                    newest.data = nodes::keys_in(&newest.data);
                }
                *places = BTreeMap::from([(seq, newest)]);
            }
        }
        archive.streams.retain(|_, places| !places.is_empty());
        Ok(archive)
    }

    async fn of_streams<R: ReadRegisters>(
        ledger: &Ledger<R>,
        streams: Vec<Stream>,
    ) -> Result<Self, LedgerError> {
        let mut archive = Self::default();
        for stream in streams {
            let log = read_whole(ledger, &stream).await?;
            let left = if stream.kind == Kind::Lease { left_in(&log) } else { Left::default() };
            let mut places: BTreeMap<u64, Value> = log
                .entries
                .into_iter()
                .map(|(seq, entry)| (seq, Arc::unwrap_or_clone(entry.value)))
                .collect();
            if stream.kind == Kind::Lease {
                places = places.pop_last().map(|(seq, _)| (seq, free(seq, left))).into_iter().collect();
            }
            if !places.is_empty() {
                archive.streams.insert(stream, places);
            }
        }
        Ok(archive)
    }

    pub(super) async fn read_contents<R: ReadRegisters>(&mut self, ledger: &Ledger<R>) {
        let named = self.streams.iter().filter_map(|(stream, places)| match stream.kind {
            Kind::Releases => Some((StackName::new(&stream.of).ok()?, named_by(places))),
            Kind::Secrets => Some((secrets::owner(), named_by_secrets(places))),
            Kind::Configs => Some((configs::owner(), named_by_configs(places))),
            _ => None,
        });
        for (owner, contents) in named {
            for content in contents {
                match contents::get(ledger, &owner, &content).await {
                    Ok(bytes) => {
                        self.contents.entry(owner.clone()).or_default().insert(content, bytes);
                    }
                    Err(why) => self.missing.push((owner.clone(), why)),
                }
            }
        }
    }

    /// Contents that are named and could not be read: of which stack, or of [secrets](secrets::owner) or
    /// [configs](configs::owner), and why. They are not
    /// in here.
    #[must_use]
    pub fn missing(&self) -> &[(StackName, String)] {
        &self.missing
    }

    /// Records in it: leases are none.
    #[must_use]
    pub fn records(&self) -> usize {
        self.kept().map(|(_, places)| places.len()).sum()
    }

    /// Stacks of which there is something in it.
    #[must_use]
    pub fn stacks(&self) -> BTreeSet<StackName> {
        let is_of_cluster = |stream: &&Stream| {
            matches!(stream.kind, Kind::Nodes | Kind::Operations | Kind::Key | Kind::Secrets | Kind::Configs)
        };
        let of_stacks = self.streams.keys().filter(|stream| !is_of_cluster(stream));
        of_stacks.filter_map(|stream| StackName::new(&stream.of).ok()).collect()
    }

    /// Stacks of which there is more than a lease in it.
    #[must_use]
    pub fn recorded(&self) -> BTreeSet<StackName> {
        self.clone().without_leases().stacks()
    }

    fn kept(&self) -> impl Iterator<Item = (&Stream, &BTreeMap<u64, Value>)> {
        self.streams.iter().filter(|(stream, _)| stream.kind != Kind::Lease)
    }

    /// As it is restored: what tasks were given while they ran may have changed since, and their containers are asked until
    /// the next release of their stack. The same from the same backup, so that a restore that was cut off can go on.
    #[must_use]
    pub fn as_of_then(mut self) -> Self {
        let stacks = self.stacks();
        let places = self.streams.get_mut(&nodes::stream()).into_iter().flat_map(BTreeMap::values_mut);
        let newest = places.rev().find(|value| value.data.is_object());
        // What a newer program has written is not for this one to change; nor is what this one does not know of. Programs of
        // the first format changed nothing in place.
        let is_ours =
            |value: &&mut Value| value.format != Format::FIRST && value.format.check_write().is_ok();
        if let Some(value) = newest.filter(is_ours) {
            for stack in stacks {
                value.data["in_place"][stack.as_str()]["is_old"] = true.into();
            }
        }
        self
    }

    /// Whether a ledger holds nothing but what is in here: it is empty, or a copy that was cut off.
    pub async fn fits<R: ReadRegisters>(&self, ledger: &Ledger<R>) -> Result<(), NotCopied> {
        let mut stacks = ledger.stacks().await?;
        stacks.extend(self.stacks());
        for stream in streams(&stacks).into_iter().filter(|stream| stream.kind != Kind::Lease) {
            let log = ledger.read(&stream).await?;
            let ours = self.streams.get(&stream);
            // What lies before all that is here was trimmed since it was copied.
            let first = ours.and_then(|places| places.keys().next()).copied().unwrap_or(0);
            let last = ours.and_then(|places| places.keys().next_back()).copied().unwrap_or(0);
            for (seq, entry) in log.entries.range(first..) {
                // That it was copied was written down behind what was copied.
                if goes_on(&stream) && *seq > last {
                    break;
                }
                let same = ours
                    .and_then(|places| places.get(seq))
                    .is_some_and(|value| value.id == entry.value.id && value.data == entry.value.data);
                if !same {
                    return Err(NotCopied::NotEmpty { stream: stream.to_string(), seq: *seq });
                }
            }
        }
        Ok(())
    }

    /// Writes what a ledger lacks of it, and reads all of it back; how much that was. Done again, it writes
    /// nothing.
    pub async fn write<R: WriteRegisters>(&self, ledger: &Ledger<R>) -> Result<usize, NotCopied> {
        let mut written = 0;
        // Before the releases that name them.
        self.write_contents(ledger).await?;
        for (stream, places) in &self.streams {
            let log = ledger.read_to_write(stream).await?;
            for (seq, value) in places {
                // A lease that has been taken there has an epoch of its own.
                let is_there = log.entries.contains_key(seq);
                if is_there || (stream.kind == Kind::Lease && log.end() >= *seq) {
                    continue;
                }
                let value = Value { managers: ledger.registers().managers().to_vec(), ..value.clone() };
                if ledger.append(stream, *seq, &value).await? != Appended::Won {
                    return Err(NotCopied::Differs { stream: stream.to_string() });
                }
                written += usize::from(stream.kind != Kind::Lease);
            }
        }
        for (stream, places) in self.kept() {
            let log = ledger.read(stream).await?;
            let is_there = |(seq, value): (&u64, &Value)| {
                log.entries
                    .get(seq)
                    .is_some_and(|entry| (&entry.value.id, &entry.value.data) == (&value.id, &value.data))
            };
            let is_longer = log.last().map(|(seq, _)| seq) != places.keys().next_back().copied();
            if (is_longer && !goes_on(stream)) || !places.iter().all(is_there) {
                return Err(NotCopied::Differs { stream: stream.to_string() });
            }
        }
        Ok(written)
    }

    /// Writes the contents that it has.
    pub(super) async fn write_contents<R: WriteRegisters>(
        &self,
        ledger: &Ledger<R>,
    ) -> Result<(), LedgerError> {
        for (stack, all) in &self.contents {
            let contents = all.iter().map(|(content, bytes)| (content.clone(), &**bytes)).collect();
            let unread = all.keys().cloned().collect();
            contents::put(ledger, stack, &contents, &unread).await?;
        }
        Ok(())
    }

    /// As the text of a file.
    #[must_use]
    pub fn text(&self, cluster: &str, at: Timestamp) -> String {
        let head = Head {
            format: FORMAT.to_owned(),
            version: VERSION,
            read: Some(Format::CURRENT.read),
            cluster: cluster.to_owned(),
            at,
        };
        let mut text = serde_json::json!(head).to_string() + "\n";
        let mut records = 0;
        for (stream, places) in &self.streams {
            for (seq, value) in places {
                let Value { id, format, data, .. } = value.clone();
                let line = Line {
                    stream: stream.kind.word().to_owned(),
                    of: stream.of.clone(),
                    seq: *seq,
                    id,
                    format: Some(format),
                    data,
                };
                text += &(serde_json::json!(line).to_string() + "\n");
                records += 1;
            }
        }
        for line in self.content_lines() {
            text += &(serde_json::json!(line).to_string() + "\n");
            records += 1;
        }
        let end = End { records, sha256: sha256_hex(text.as_bytes()) };
        text + &serde_json::json!(end).to_string() + "\n"
    }

    /// Back from the text of a file.
    pub fn parse(text: &str) -> Result<(Head, Self), BadBackup> {
        let bad = |why: &str| BadBackup(why.to_owned());
        let head = Head::parse(text.lines().next().unwrap_or_default())?;
        let body =
            text.trim_end_matches('\n').rsplit_once('\n').map(|(body, end)| (format!("{body}\n"), end));
        let (body, end) = body.ok_or_else(|| bad("it has no end"))?;
        let end: End = serde_json::from_str(end).map_err(|_| bad("it has no end: it was cut off"))?;
        if end.sha256 != sha256_hex(body.as_bytes()) {
            return Err(bad("its checksum is not that of what is in it: it was changed or damaged"));
        }
        let (mut archive, mut lines) = (Self::default(), 0);
        let mut parts: BTreeMap<(StackName, String), Vec<u8>> = BTreeMap::new();
        for (at, line) in body.lines().enumerate().skip(1) {
            let line: Line =
                serde_json::from_str(line).map_err(|error| BadBackup(format!("line {}: {error}", at + 1)))?;
            let kind = Kind::of_word(&line.stream)
                .ok_or_else(|| BadBackup(format!("line {}: there are no `{}`", at + 1, line.stream)))?;
            let format = line.format.unwrap_or(Format::FIRST);
            format.check_read().map_err(|why| BadBackup(format!("line {}: {why}", at + 1)))?;
            lines += 1;
            if kind == Kind::Contents {
                let bad = || BadBackup(format!("line {}: it is no part of a content", at + 1));
                let owners = [secrets::owner(), configs::owner()];
                let owner = owners.into_iter().find(|owner| owner.as_str() == line.of);
                let stack = owner.or_else(|| StackName::new(&line.of).ok()).ok_or_else(bad)?;
                let bytes = line.data.as_str().and_then(|text| STANDARD.decode(text).ok()).ok_or_else(bad)?;
                parts.entry((stack, line.id)).or_default().extend(bytes);
                continue;
            }
            let value = Value { id: line.id, managers: Vec::new(), format, data: line.data };
            archive.streams.entry(Stream::new(kind, line.of)).or_default().insert(line.seq, value);
        }
        if lines != end.records {
            return Err(bad("it does not have as many records as it says"));
        }
        for ((stack, name), bytes) in parts {
            let content = ContentRef { name, bytes: bytes.len() as u64 };
            archive.contents.entry(stack).or_default().insert(content, bytes);
        }
        Ok((head, archive))
    }

    /// Contents in parts, the parts of one in their order.
    fn content_lines(&self) -> impl Iterator<Item = Line> {
        let all = self.contents.iter().flat_map(|(stack, all)| all.iter().map(move |one| (stack, one)));
        all.flat_map(|(stack, (content, bytes))| {
            let parts = if bytes.is_empty() { vec![&bytes[..]] } else { bytes.chunks(CHUNK_BYTES).collect() };
            (1..).zip(parts).map(move |(seq, bytes)| Line {
                stream: Kind::Contents.word().to_owned(),
                of: stack.to_string(),
                seq,
                id: content.name.clone(),
                format: Some(Format::CURRENT),
                data: STANDARD.encode(bytes).into(),
            })
        })
    }

    /// Takes over documents of which another one has a later place, with all contents that it has.
    pub(super) fn take_newer(&mut self, other: Self) {
        for (stream, places) in other.streams {
            let place = |places: &BTreeMap<u64, Value>| places.keys().next_back().copied();
            if self.streams.get(&stream).and_then(place) < place(&places) {
                self.streams.insert(stream, places);
            }
        }
        for (stack, contents) in other.contents {
            self.contents.entry(stack).or_default().extend(contents);
        }
    }

    /// The newest record of a document in it.
    pub(super) fn newest(&self, stream: &Stream) -> Option<&serde_json::Value> {
        self.newest_place(stream).map(|(_, value)| &value.data)
    }

    /// The same with its place, and with what is said of it.
    pub(super) fn newest_place(&self, stream: &Stream) -> Option<(u64, &Value)> {
        let (seq, value) = self.streams.get(stream)?.last_key_value()?;
        Some((*seq, value))
    }

    /// Whether both have the same records. What these name is not compared.
    pub(super) fn has_records_of(&self, other: &Self) -> bool {
        let values = |archive: &Self| -> BTreeMap<Stream, serde_json::Value> {
            let newest = |stream: &Stream| archive.newest(stream).cloned().unwrap_or_default();
            archive.streams.keys().map(|stream| (stream.clone(), newest(stream))).collect()
        };
        values(self) == values(other)
    }

    /// Of all records only those of what persons did.
    #[must_use]
    pub fn operations(mut self) -> Self {
        self.contents.clear();
        self.streams.retain(|stream, _| stream.kind == Kind::Operations);
        self
    }

    /// Without leases: for a ledger in which they are being held.
    #[must_use]
    pub fn without_leases(mut self) -> Self {
        self.streams.retain(|stream, _| stream.kind != Kind::Lease);
        self
    }
}

/// Whether a manager that answers has any record of a stack, decided or not. A lease is none.
pub async fn has_records<R: ReadRegisters>(
    ledger: &Ledger<R>,
    stack: &StackName,
) -> Result<bool, LedgerError> {
    let of_stack = streams(&[stack.clone()].into());
    for stream in of_stack.iter().filter(|stream| stream.of == stack.as_str() && stream.kind != Kind::Lease) {
        if ledger.read(stream).await?.next() > 1 {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Removes all records of a ledger but leases. Every manager has to answer: what one of them kept would
/// come back with it.
pub async fn wipe<R: WriteRegisters>(ledger: &Ledger<R>) -> Result<(), LedgerError> {
    let all = ledger.registers().managers().len();
    let stacks = ledger.stacks().await?;
    for stream in streams(&stacks).into_iter().filter(|stream| stream.kind != Kind::Lease) {
        // The second look finds what the first one's removals left.
        for _ in 0..2 {
            let log = ledger.read(&stream).await?;
            if log.answered.len() < all {
                let names = ledger.registers().managers().iter().enumerate();
                let silent: Vec<&str> = names
                    .filter(|(at, _)| !log.answered.contains(at))
                    .map(|(_, name)| name.as_str())
                    .collect();
                return Err(LedgerError::NoMajority {
                    answering: log.answered.len(),
                    managers: all,
                    needed: all,
                    silent: format!("no answer from {}", silent.join(", ")),
                });
            }
            for (manager, place) in log.registers.keys() {
                let removed = ledger.registers().remove(*manager, &stream, *place).await;
                removed.map_err(|silent| LedgerError::NoMajority {
                    answering: all - 1,
                    managers: all,
                    needed: all,
                    silent: silent.0,
                })?;
            }
        }
    }
    // No release, secret or config names anything now.
    for stack in &stacks {
        contents::tidy(ledger, stack, || true).await?;
    }
    configs::tidy(ledger, || true).await?;
    secrets::tidy(ledger, || true).await
}

/// What the releases name that still count.
fn named_by(places: &BTreeMap<u64, Value>) -> BTreeSet<ContentRef> {
    let releases =
        places.iter().filter_map(|(seq, value)| Some((*seq, Release::deserialize(&value.data).ok()?)));
    let releases: Vec<(u64, Release)> = releases.collect();
    let first = releases.iter().map(|(_, release)| release.kept_from).max().unwrap_or(0);
    let kept = releases.iter().filter(|(seq, _)| *seq >= first);
    kept.flat_map(|(_, release)| release.contents_apart().cloned()).collect()
}

/// What the newest record of the secrets names.
fn named_by_secrets(places: &BTreeMap<u64, Value>) -> BTreeSet<ContentRef> {
    let newest = places.values().rev().find(|value| !value.data.is_null());
    let secrets = newest.and_then(|value| secrets::Secrets::deserialize(&value.data).ok());
    secrets.iter().flat_map(secrets::Secrets::versions).map(|(_, version)| version.content.clone()).collect()
}

/// What the newest record of the configs names.
fn named_by_configs(places: &BTreeMap<u64, Value>) -> BTreeSet<ContentRef> {
    let newest = places.values().rev().find(|value| !value.data.is_null());
    let configs = newest.and_then(|value| configs::Configs::deserialize(&value.data).ok());
    configs.map(|configs| configs.contents()).unwrap_or_default()
}

/// What the holder of a lease has under way, or left so.
fn left_in(log: &Log) -> Left {
    let state = lease::state(log).unwrap_or_default();
    state.held.map_or(state.left, |held| held.left)
}

/// That a lease is free, as the place it had come to, and what its holders left under way. The same each time.
fn free(seq: u64, left: Left) -> Value {
    let note = Note::Release { id: String::new(), by: Some("stackctl ledger".to_owned()), left };
    let data = serde_json::json!(note);
    Value { id: format!("free-{seq}"), managers: Vec::new(), format: Format::CURRENT, data }
}

#[cfg(test)]
mod tests;
