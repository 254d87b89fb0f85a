//! Releases: what was deployed, by whom, from which sources, and how it ended.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use super::contents::{self, ContentRef};
use super::log::{Entry, Log};
use super::register::{Kind, Stream};
use super::sealed;
use crate::model::{MarkKey, ServiceName, StackName, StackSpec, Timestamp, hidden};
use crate::vault::{Keyring, Recipient};

/// Bytes that the record of one release may have as it is written: Consul takes 512 KiB. Its contents are apart.
pub const RECORD_MAX: u64 = 480 << 10;
/// Bytes of all records of a stack's releases: they are read whole, within the 3 s of one call.
pub const RECORDS_MAX: u64 = 8 << 20;

/// A content of a config, as a release has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Content {
    /// Apart from the release.
    Apart(ContentRef),
    /// In base64: so do versions before 0.3.0, which cannot read the other form.
    Within(String),
}

/// A numbered record of what was deployed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Release {
    /// What was to run: images pinned, variables filled in.
    pub spec: StackSpec,
    /// Values of the spec, encrypted: it has [marks](crate::model::hidden) in their places.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sealed: Option<String>,
    /// Contents of configs, by key. Never of secrets.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub contents: BTreeMap<String, Content>,
    /// `deploy`, `rollback to 3`, `rm`.
    pub verb: String,
    /// `user@machine`.
    pub who: String,
    /// When, by the clock of the client that deployed.
    pub at: Timestamp,
    /// Stackfiles, as they were named.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<String>,
    /// The commit they were at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub git: Option<Git>,
    /// The repository that declares it, if no person deployed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<Source>,
    /// Of stackctl.
    pub version: String,
    /// What the person said about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// Releases with a lower number no longer count: with them the stack would have more bytes than are kept.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub kept_from: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// The git commit of a stackfile.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Git {
    pub commit: String,
    /// Branch, unless the head is detached.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub branch: Option<String>,
    /// Whether there was more than what is committed.
    pub dirty: bool,
    /// First line of the commit's message.
    pub subject: String,
}

/// What the loop made a release from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// Public name of the repository, without credentials.
    pub repository: String,
    /// One word for all that the stack was made from: the same inputs are released once.
    pub inputs: String,
    /// Whether the stack is to be removed once the repository no longer has it.
    #[serde(default)]
    pub removes: bool,
}

impl Git {
    /// `1a2b3c4`, with a mark if there was more than that.
    #[must_use]
    pub fn short(&self) -> String {
        let end = self.commit.len().min(7);
        format!("{}{}", &self.commit[..end], if self.dirty { "+" } else { "" })
    }
}

/// How a release ended. One without is under way, or was interrupted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Outcome {
    /// As wanted.
    Deployed,
    /// The stack is gone.
    Removed,
    /// Not as wanted.
    Failed,
    /// Stopped half way, by a person or because the time was over.
    Interrupted,
    /// Failed and taken back.
    RolledBack {
        /// To which release: what ran before this one; 0 if that was nothing.
        to: u64,
        /// The services that are as they were then; the others are as this release has them. Without it
        /// that holds of the whole stack.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        services: Option<BTreeSet<ServiceName>>,
    },
    /// Nothing was stopped or started: an image could not be pulled, a network could not be made.
    NotBegun {
        /// The release that ran before and goes on; 0 if that was nothing.
        still: u64,
    },
    /// Failed, and waits.
    Paused,
    /// A host went silent: what the release changed there is not known. Versions before 0.3.0 have no word for it, and
    /// read no record of this format at all.
    Unknown,
}

impl Outcome {
    /// As it is written down, with when it was.
    #[must_use]
    pub fn recorded(&self, at: Timestamp) -> serde_json::Value {
        let mut value = serde_json::json!(self);
        value["at"] = serde_json::json!(at);
        value
    }

    /// In a word or two.
    #[must_use]
    pub fn words(&self) -> String {
        match self {
            Self::Deployed => "deployed".to_owned(),
            Self::Removed => "removed".to_owned(),
            Self::Failed => "failed".to_owned(),
            Self::Interrupted => "interrupted".to_owned(),
            Self::RolledBack { to, services } => {
                let who = services.as_ref().map_or_else(String::new, some_names);
                let to = if *to == 0 { "nothing".to_owned() } else { to.to_string() };
                format!("{who}rolled back to {to}")
            }
            Self::NotBegun { .. } => "not begun".to_owned(),
            Self::Paused => "paused".to_owned(),
            Self::Unknown => "unknown".to_owned(),
        }
    }
}

/// `db, web `: a word or two.
fn some_names(names: &BTreeSet<ServiceName>) -> String {
    const MAX: usize = 3;
    let shown: Vec<&str> = names.iter().take(MAX).map(ServiceName::as_str).collect();
    match names.len().saturating_sub(MAX) {
        0 => shown.join(", ") + " ",
        more => format!("{} and {more} more ", shown.join(", ")),
    }
}

impl Release {
    /// Without the contents of configs, which the spec leaves out when it is written.
    #[must_use]
    pub fn of(spec: StackSpec, verb: String, who: String, at: Timestamp) -> Self {
        let version = env!("CARGO_PKG_VERSION").to_owned();
        Self {
            spec,
            sealed: None,
            contents: BTreeMap::new(),
            verb,
            who,
            at,
            files: Vec::new(),
            git: None,
            source: None,
            version,
            message: None,
            kept_from: 0,
        }
    }

    /// Reads a record, and puts the contents of configs that are within back into their places.
    fn read(data: &serde_json::Value) -> Result<Self, String> {
        let mut release = Self::deserialize(data).map_err(|error| error.to_string())?;
        for (key, content) in &release.contents {
            let Content::Within(text) = content else { continue };
            let bytes = STANDARD.decode(text).map_err(|error| format!("config {key}: {error}"))?;
            if let Some(config) = release.spec.configs.get_mut(key) {
                config.content = Some(Arc::from(bytes));
            }
        }
        Ok(release)
    }

    /// Encrypts its values, and puts marks in their places. One that has none stays as it is.
    pub fn seal(&mut self, key: &MarkKey, to: &Recipient) {
        let values = hidden::take(key, &mut self.spec);
        if !values.is_empty() {
            self.sealed = Some(sealed::seal(&values, to));
        }
    }

    /// Puts its values back into their places, if they are encrypted.
    ///
    /// # Errors
    ///
    /// None of the keys opens them, or one is missing. It stays as it is.
    pub fn open(&mut self, keys: &Keyring) -> Result<(), String> {
        let Some(text) = &self.sealed else { return Ok(()) };
        let values = sealed::open(text, keys)?;
        let mut spec = self.spec.clone();
        if !hidden::put(&mut spec, &values) {
            return Err("not all values are there".to_owned());
        }
        (self.spec, self.sealed) = (spec, None);
        Ok(())
    }

    /// Its contents that are apart from it.
    pub fn contents_apart(&self) -> impl Iterator<Item = &ContentRef> {
        self.contents.values().filter_map(|content| match content {
            Content::Apart(content) => Some(content),
            Content::Within(_) => None,
        })
    }

    /// Whether it took the stack away.
    #[must_use]
    pub fn is_removal(&self) -> bool {
        self.verb == "rm" || self.spec.services.is_empty()
    }
}

/// The releases of a stack that are remembered.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct History {
    pub releases: BTreeMap<u64, (Release, Option<Outcome>)>,
    /// Numbers under which something is written that cannot be made out with the managers that answer.
    pub undecided: Vec<u64>,
    /// Releases of which it cannot be made out how they ended: too few managers hold it.
    pub unknown_ends: BTreeSet<u64>,
}

/// Releases that are kept however large they are, the newest among them: one that failed can be gone back from.
const KEPT_MIN: usize = 4;

/// The number from which releases count beside a new one, whose record has so many bytes. It never falls.
#[must_use]
pub fn kept_from(log: &Log, new: &Release, record: u64) -> u64 {
    let read = |(seq, entry): (&u64, &Entry)| {
        let release = Release::deserialize(&entry.value.data).ok()?;
        Some((*seq, entry.text.len() as u64, release))
    };
    let older: Vec<(u64, u64, Release)> = log.entries.iter().rev().filter_map(read).collect();
    let first = older.iter().map(|(.., release)| release.kept_from).max().unwrap_or(0);
    let mut contents: BTreeSet<&ContentRef> = new.contents_apart().collect();
    let (mut records, mut kept) = (record, 1);
    for (seq, bytes, release) in older.iter().filter(|(seq, ..)| *seq >= first) {
        records += bytes;
        contents.extend(release.contents_apart());
        let apart: u64 = contents.iter().map(|content| content.bytes).sum();
        if kept >= KEPT_MIN && (records > RECORDS_MAX || apart > contents::STACK_MAX) {
            return seq + 1;
        }
        kept += 1;
    }
    first
}

/// The stream of a stack's releases.
#[must_use]
pub fn releases(stack: &StackName) -> Stream {
    Stream::new(Kind::Releases, stack)
}

/// The stream of how they ended.
#[must_use]
pub fn outcomes(stack: &StackName) -> Stream {
    Stream::new(Kind::Outcomes, stack)
}

impl History {
    /// From the two streams; the number of a record that cannot be read, and why.
    pub fn of(releases: &Log, outcomes: &Log) -> Result<Self, (u64, String)> {
        let undecided = releases.undecided.iter().copied().filter(|seq| releases.may_hold_any(*seq));
        let mut history = Self { undecided: undecided.collect(), ..Self::default() };
        for (&seq, entry) in &releases.entries {
            if entry.value.data.is_null() {
                continue;
            }
            let release = Release::read(&entry.value.data).map_err(|why| (seq, why))?;
            let outcome = match outcomes.entries.get(&seq).map(|entry| &entry.value.data) {
                None | Some(serde_json::Value::Null) => None,
                Some(data) => Some(Outcome::deserialize(data).map_err(|e| (seq, e.to_string()))?),
            };
            if outcome.is_none() && outcomes.undecided.contains(&seq) {
                history.unknown_ends.insert(seq);
            }
            history.releases.insert(seq, (release, outcome));
        }
        let first = history.releases.values().map(|(release, _)| release.kept_from).max().unwrap_or(0);
        history.releases = history.releases.split_off(&first);
        Ok(history)
    }

    /// Whether values of a release are encrypted.
    #[must_use]
    pub fn is_sealed(&self) -> bool {
        self.releases.values().any(|(release, _)| release.sealed.is_some())
    }

    /// Opens the values of all releases that these keys open; the newest that they do not, and why.
    pub fn open(&mut self, keys: &Keyring) -> Option<(u64, String)> {
        let all = self.releases.iter_mut();
        all.filter_map(|(number, (release, _))| Some((*number, release.open(keys).err()?))).last()
    }

    /// The content of a config that has this digest, as a release has it, the newest first.
    #[must_use]
    pub fn content(&self, digest: &str) -> Option<&Content> {
        self.releases.values().rev().find_map(|(release, _)| {
            let (key, _) = release.spec.configs.iter().find(|(_, config)| config.digest == digest)?;
            release.contents.get(key)
        })
    }

    /// Whether contents of the stack are apart from its releases.
    #[must_use]
    pub fn has_contents_apart(&self) -> bool {
        self.releases.values().any(|(release, _)| release.contents_apart().next().is_some())
    }

    /// The specs of the newest releases, the newest first.
    pub fn newest_specs(&self) -> impl Iterator<Item = &StackSpec> {
        /// More than a rollback goes back, and few enough to compare with each.
        const MANY: usize = 8;
        self.releases.values().rev().take(MANY).map(|(release, _)| &release.spec)
    }

    /// The newest.
    #[must_use]
    pub fn last(&self) -> Option<(u64, &Release, Option<&Outcome>)> {
        let (number, (release, outcome)) = self.releases.last_key_value()?;
        Some((*number, release, outcome.as_ref()))
    }

    /// Numbers that may be those of releases besides the remembered ones. What lies before the first of these was removed
    /// once, and a manager that was silent then may still have it; or the other managers have lost it. Whatever it says, no
    /// release that is chosen is passed over for it: the newest is newer, and what there was before the first remembered one
    /// counts as forgotten. `ledger sync` settles it.
    pub fn doubtful(&self) -> impl Iterator<Item = u64> {
        let first = self.releases.first_key_value().map_or(0, |(number, _)| *number);
        self.undecided.iter().copied().filter(move |number| *number > first)
    }

    /// One of these that is newer than all that are remembered.
    #[must_use]
    pub fn newer_undecided(&self) -> Option<u64> {
        let newest = self.last().map_or(0, |(number, ..)| number);
        self.undecided.iter().copied().filter(|number| *number > newest).max()
    }

    /// Releases between the newest and the target of a rollback of which it is not known how they ended: one of them may be
    /// the target.
    pub fn doubtful_ends(&self) -> impl Iterator<Item = u64> {
        let (target, newest) =
            (self.before_last().unwrap_or(0), self.last().map_or(0, |(number, ..)| number));
        self.unknown_ends.iter().copied().filter(move |number| (target + 1..newest).contains(number))
    }

    /// The target of a rollback without an explicit one: the last release before the newest that was deployed
    /// successfully.
    #[must_use]
    pub fn before_last(&self) -> Option<u64> {
        let good = |(_, (_, outcome)): &(&u64, &(Release, Option<Outcome>))| {
            matches!(outcome, Some(Outcome::Deployed))
        };
        self.releases.iter().rev().skip(1).find(good).map(|(number, _)| *number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::Value;
    use crate::model::Format;
    use crate::model::spec::ConfigSpec;

    fn log(all: &[(u64, serde_json::Value)]) -> Log {
        let entries = all.iter().map(|(seq, data)| {
            let value = Value {
                id: seq.to_string(),
                managers: Vec::new(),
                format: Format::CURRENT,
                data: data.clone(),
            };
            (*seq, Entry::of(value))
        });
        Log { entries: entries.collect(), ..Log::default() }
    }

    fn release(verb: &str) -> Release {
        let mut spec = StackSpec::empty(StackName::unchecked("shop"));
        let config = ConfigSpec {
            name: "shop_page".into(),
            external: false,
            digest: "d".into(),
            content: Some(Arc::from(&b"<p>\xff"[..])),
            labels: BTreeMap::new(),
            template_driver: None,
        };
        spec.configs.insert("page".into(), config);
        Release::of(spec, verb.to_owned(), "ann@mill".to_owned(), Timestamp(5))
    }

    /// As 0.1.0 wrote it, and so did versions up to 0.3.0.
    #[test]
    fn a_release_with_its_contents_within_comes_back_with_them() {
        let mut data = serde_json::json!(release("deploy"));
        data["contents"] = serde_json::json!({ "page": "PHA+/w==" });
        let history = History::of(&log(&[(1, data.clone())]), &Log::default()).unwrap();
        let (read, _) = &history.releases[&1];
        assert_eq!(read.spec.configs["page"].content.as_deref(), Some(&b"<p>\xff"[..]));
        assert_eq!(history.content("d"), Some(&Content::Within("PHA+/w==".to_owned())));
        assert_eq!(serde_json::json!(read), data, "and is written as it was");
        assert!(!history.has_contents_apart());
        let bad = History::of(&log(&[(1, serde_json::json!({"x": 1}))]), &Log::default());
        assert!(bad.unwrap_err().1.contains("missing field"));
    }

    /// An older program would take a config without a content for an empty one: it must not be able to read the record.
    #[test]
    fn contents_apart_are_in_a_form_that_an_older_program_refuses() {
        #[derive(Debug, Deserialize)]
        struct Older {
            #[expect(dead_code, reason = "read, as the older program does")]
            contents: BTreeMap<String, String>,
        }
        let mut release = release("deploy");
        let content = ContentRef { name: "0123".to_owned(), bytes: 4 };
        release.contents.insert("page".into(), Content::Apart(content.clone()));
        let data = serde_json::json!(release);
        assert_eq!(data["contents"]["page"], serde_json::json!({ "name": "0123", "bytes": 4 }));
        assert!(Older::deserialize(&data).unwrap_err().to_string().contains("expected a string"));
        let history = History::of(&log(&[(1, data)]), &Log::default()).unwrap();
        assert_eq!(history.releases[&1].0.spec.configs["page"].content, None);
        assert_eq!(history.releases[&1].0.contents_apart().collect::<Vec<_>>(), [&content]);
    }

    #[test]
    fn an_end_that_too_few_managers_hold_is_unknown_and_not_cut_off() {
        let json = serde_json::json!(release("deploy"));
        let releases = log(&[(1, json.clone()), (2, json)]);
        let outcomes = Log { undecided: [1].into(), ..Log::default() };
        let history = History::of(&releases, &outcomes).unwrap();
        assert_eq!(history.unknown_ends, [1].into());
        assert!(history.releases.values().all(|(_, outcome)| outcome.is_none()));
    }

    #[test]
    fn releases_before_the_first_that_counts_are_not_there() {
        let json = |kept_from| serde_json::json!(Release { kept_from, ..release("deploy") });
        let all = log(&[(1, json(0)), (2, json(0)), (3, json(2)), (4, json(2))]);
        let history = History::of(&all, &Log::default()).unwrap();
        assert_eq!(history.releases.keys().copied().collect::<Vec<_>>(), [2, 3, 4]);
        assert_eq!(kept_from(&all, &release("deploy"), 10), 2, "it never falls");
    }

    /// As releases are trimmed, by their number or by what a newer one says.
    #[test]
    fn what_lies_before_the_first_release_that_counts_is_in_no_doubt_and_what_lies_behind_it_is() {
        let json = |kept_from| serde_json::json!(Release { kept_from, ..release("deploy") });
        let doubtful = |all: &[(u64, serde_json::Value)], undecided: &[u64]| {
            let log = Log { undecided: undecided.iter().copied().collect(), silent: 1, ..log(all) };
            History::of(&log, &Log::default()).unwrap().doubtful().collect::<Vec<_>>()
        };
        let trimmed = [(3, json(0)), (5, json(0))];
        assert_eq!(doubtful(&trimmed, &[1, 2, 4, 6]), [4, 6]);
        // Of the first one that is decided nothing counts: it does not make the places between it and the next doubtful.
        let large = [(1, json(0)), (4, json(3)), (6, json(3))];
        assert_eq!(doubtful(&large, &[2, 5, 7]), [5, 7]);
        assert_eq!(doubtful(&[], &[1, 2]), [1, 2], "where nothing is decided, all may be");
    }

    #[test]
    fn a_place_that_was_begun_and_shows_no_release_is_none_once_every_manager_answers() {
        let place = |seq| (0, super::super::register::Place { seq, round: 0 });
        let registers = [(place(1), None), (place(2), Some("half written".to_owned()))].into();
        let begun = Log { undecided: [1, 2, 3].into(), registers, ..Log::default() };
        let of = |silent| {
            let log = Log { silent, ..begun.clone() };
            History::of(&log, &Log::default()).unwrap().doubtful().collect::<Vec<_>>()
        };
        assert_eq!(of(0), [2]);
        assert_eq!(of(1), [1, 2, 3]);
    }

    #[test]
    fn a_rollback_goes_to_the_last_good_one_before_the_newest() {
        let json = |verb| serde_json::json!(release(verb));
        let releases =
            log(&[(1, json("deploy")), (2, json("deploy")), (4, json("deploy")), (5, json("deploy"))]);
        let ended = |outcome: &Outcome| serde_json::json!(outcome);
        let outcomes = log(&[
            (1, ended(&Outcome::Deployed)),
            (2, ended(&Outcome::Deployed)),
            (4, ended(&Outcome::Failed)),
            (5, ended(&Outcome::Deployed)),
        ]);
        let history = History::of(&releases, &outcomes).unwrap();
        assert_eq!(history.before_last(), Some(2));
        assert_eq!(history.last().unwrap().0, 5);
        assert_eq!(History::default().before_last(), None);
    }

    #[test]
    fn outcomes_have_labels_and_an_old_record_covers_the_whole_stack() {
        let part =
            |names: &[&str]| Some(names.iter().copied().map(ServiceName::unchecked).collect::<BTreeSet<_>>());
        for (to, services, words) in [
            (3, part(&["web"]), "web rolled back to 3"),
            (3, part(&["a", "b", "c", "d", "e"]), "a, b, c and 2 more rolled back to 3"),
            (0, part(&["web"]), "web rolled back to nothing"),
            (3, None, "rolled back to 3"),
        ] {
            let outcome = Outcome::RolledBack { to, services };
            assert_eq!(outcome.words(), words);
            assert_eq!(Outcome::deserialize(serde_json::json!(outcome)).unwrap(), outcome);
        }
        let unknown = Outcome::Unknown.recorded(Timestamp(5));
        assert_eq!(unknown, serde_json::json!({"outcome": "unknown", "at": 5}));
        assert_eq!(Outcome::deserialize(unknown).unwrap().words(), "unknown");
        let timed = Outcome::Deployed.recorded(Timestamp(5));
        assert_eq!(timed, serde_json::json!({"outcome": "deployed", "at": 5}));
        assert_eq!(Outcome::deserialize(timed).unwrap(), Outcome::Deployed);
        let old = serde_json::json!({"outcome": "rolled_back", "to": 3});
        assert_eq!(Outcome::deserialize(old).unwrap(), Outcome::RolledBack { to: 3, services: None });
    }

    #[test]
    fn what_is_encrypted_is_cut_off_changed_or_incomplete_and_the_release_stays_as_it_is() {
        use crate::model::testing::{replicated, with_task};
        use crate::vault::Keyring;

        let mut whole = release("deploy");
        let service = with_task(replicated("web", 1), |task| {
            task.environment.insert("TOKEN".into(), Some("hunter2".into()));
        });
        whole.spec.services.insert(service.name.clone(), service);
        let (ring, key) = (Keyring::generate().0, MarkKey::new([7; 32]));
        let mut closed = whole.clone();
        closed.seal(&key, &ring.publics()[0]);
        let text = closed.sealed.clone().expect("it has a value");
        let mut opened = closed.clone();
        opened.open(&ring).unwrap();
        assert_eq!(opened, whole);
        let mut changed = text.clone().into_bytes();
        let at = changed.len() / 2;
        changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
        let of_another = {
            let mut other = release("deploy");
            other.spec.services.insert(ServiceName::unchecked("db"), replicated("db", 1));
            other.seal(&key, &ring.publics()[0]);
            other.sealed.unwrap_or_else(|| sealed::seal(&hidden::Values::new(), &ring.publics()[0]))
        };
        let bad = [
            text[..text.len() / 2].to_owned(),
            String::from_utf8(changed).unwrap(),
            "no".to_owned(),
            of_another,
        ];
        for bad in bad {
            let mut release = Release { sealed: Some(bad), ..closed.clone() };
            let before = release.clone();
            let why = release.open(&ring).unwrap_err();
            assert!(!why.is_empty() && !why.contains("hunter2"), "{why}");
            assert_eq!(release, before);
        }
    }
}
