//! Marks stand for values that must not lie open: in labels of containers, and in snapshots.
//!
//! A mark is a keyed hash (HMAC-SHA256) of a value, its place, its stack and its service. Who has no key cannot check a
//! guess at a value, not even of a weak password; who has it sees whether two values are equal, which is all that a
//! comparison needs. The key of a cluster lies in its ledger, beside what is remembered of its nodes.
//!
//! The hash that decides whether a task is replaced is made of a spec with marks in it. So it proves no guess either;
//! and since a container's label holds that spec, a version that hashes in another way computes the hash again and
//! replaces nothing.

use std::collections::BTreeMap;
use std::fmt;

use hmac::{Hmac, KeyInit as _, Mac as _};
use serde::{Deserialize, Serialize};
use sha2::Sha256;

use super::ids::{ServiceName, SpecHash, StackName, hex};
use super::image::ImageRef;
use super::in_place::Tuning;
use super::spec::{Attachment, FileMount, Healthcheck, Logging, NetworkSpec, TaskSpec};
use super::swap;
use super::task::Task;

const KEY_BYTES: usize = 32;
/// Bytes of a mark: two values of one place have the same by chance once in 10^19.
const MARK_BYTES: usize = 8;
/// Bytes of a content's name: no two contents ever have the same.
const NAME_BYTES: usize = 16;
/// Bytes of a key's id.
const ID_BYTES: usize = 4;
const BEFORE: &str = "(hidden:";
const AFTER: &str = ")";

/// The key of a cluster's marks. Its value is in no output: not by `Debug`, and by no error.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct MarkKey([u8; KEY_BYTES]);

impl MarkKey {
    /// A key of random bytes.
    #[must_use]
    pub const fn new(bytes: [u8; KEY_BYTES]) -> Self {
        Self(bytes)
    }

    /// What there is before the first release of a cluster, when no container carries a mark: a plan needs some key.
    #[must_use]
    pub const fn unset() -> Self {
        Self([0; KEY_BYTES])
    }

    /// By which a label names the key that it was made with. Says nothing about the key.
    #[must_use]
    pub fn id(&self) -> String {
        hex(&self.digest(&["id"])[..ID_BYTES])
    }

    /// A key for another purpose, from which this one cannot be found.
    #[must_use]
    pub fn derive(&self, purpose: &str) -> Self {
        Self(self.digest(&["derive", purpose]))
    }

    /// The name of a stack's content, by which only who has the key can check a guess at it: equal contents of two
    /// stacks have two names.
    #[must_use]
    pub fn content_name(&self, stack: &StackName, content: &[u8]) -> String {
        hex(&self.digest_of(&[b"content", stack.as_str().as_bytes(), content])[..NAME_BYTES])
    }

    /// The version of a secret's value: a digest by which only who has the key can check a guess at it. Equal values of
    /// two secrets have two versions. What encrypts the value has no part in it, so it outlasts every key of that.
    #[must_use]
    pub fn of_secret(&self, name: &str, value: &[u8]) -> String {
        hex(&self.derive("secrets").digest_of(&[name.as_bytes(), value])[..NAME_BYTES])
    }

    /// Proves to others with this key that one with it has written this content, for this purpose.
    #[must_use]
    pub fn proof(&self, purpose: &str, content: &[u8]) -> String {
        hex(&self.derive("proofs").digest_of(&[purpose.as_bytes(), content]))
    }

    /// Whether it is the [proof](Self::proof) of this content. How long that takes says nothing about the right one.
    #[must_use]
    pub fn proves(&self, purpose: &str, content: &[u8], proof: &str) -> bool {
        let mac = self.derive("proofs").mac_of(&[purpose.as_bytes(), content]);
        unhex(proof).is_some_and(|proof| mac.verify_slice(&proof).is_ok())
    }

    /// As text for the owner of the cluster.
    #[must_use]
    pub fn reveal(&self) -> String {
        hex(&self.0)
    }

    /// The mark of a value, whose place the other parts say: `(hidden:0123456789abcdef)`, understandable wherever it is
    /// shown.
    #[must_use]
    pub fn mark(&self, parts: &[&str]) -> String {
        format!("{BEFORE}{}{AFTER}", hex(&self.digest(parts)[..MARK_BYTES]))
    }

    fn digest(&self, parts: &[&str]) -> [u8; KEY_BYTES] {
        self.digest_of(&parts.iter().map(|part| part.as_bytes()).collect::<Vec<_>>())
    }

    fn digest_of(&self, parts: &[&[u8]]) -> [u8; KEY_BYTES] {
        self.mac_of(parts).finalize().into_bytes().into()
    }

    fn mac_of(&self, parts: &[&[u8]]) -> Hmac<Sha256> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).expect("any length will do");
        for part in parts {
            mac.update(&u64::try_from(part.len()).expect("it is in memory").to_le_bytes());
            mac.update(part);
        }
        mac
    }
}

impl Default for MarkKey {
    fn default() -> Self {
        Self::unset()
    }
}

impl fmt::Debug for MarkKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MarkKey({})", self.id())
    }
}

/// A text that is no key. Does not repeat it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it is no key: 64 hexadecimal digits are expected")]
pub struct BadKey;

impl TryFrom<String> for MarkKey {
    type Error = BadKey;

    fn try_from(text: String) -> Result<Self, BadKey> {
        unhex(&text).map(Self).ok_or(BadKey)
    }
}

/// As many bytes as a key and a whole digest have.
fn unhex(text: &str) -> Option<[u8; KEY_BYTES]> {
    let mut bytes = [0; KEY_BYTES];
    if text.len() != 2 * KEY_BYTES || !text.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    for (at, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&text[2 * at..2 * at + 2], 16).ok()?;
    }
    Some(bytes)
}

impl From<MarkKey> for String {
    fn from(key: MarkKey) -> Self {
        key.reveal()
    }
}

/// Makes the marks of one service: equal values of two services have different marks, so that no service can be used
/// to guess at the values of another.
#[derive(Debug, Clone)]
pub struct Marks<'a> {
    key: &'a MarkKey,
    stack: &'a StackName,
    service: &'a str,
}

impl<'a> Marks<'a> {
    /// Of a service.
    #[must_use]
    pub fn of(key: &'a MarkKey, stack: &'a StackName, service: &'a ServiceName) -> Self {
        Self { key, stack, service: service.as_str() }
    }

    /// Of what belongs to a stack as a whole.
    #[must_use]
    pub fn of_stack(key: &'a MarkKey, stack: &'a StackName) -> Self {
        Self { key, stack, service: "" }
    }

    /// The mark of a value.
    #[must_use]
    pub fn mark(&self, place: &str, value: &str) -> String {
        self.key.mark(&["mark", self.stack.as_str(), self.service, place, value])
    }

    /// The spec with marks in place of values. Labels of containers stay: an engine shows them anyway. So do marks: of a
    /// release whose values this process cannot open there is nothing else.
    #[must_use]
    pub fn masked(&self, spec: &TaskSpec) -> TaskSpec {
        let mut spec = spec.clone();
        each_hidden(&mut spec, &mut |place, value| {
            if !is_mark(value) {
                *value = self.mark(place, value);
            }
        });
        spec
    }

    /// The spec with the values of `wanted` in place of their own marks.
    #[must_use]
    pub fn unmasked(&self, masked: &TaskSpec, wanted: &TaskSpec) -> TaskSpec {
        unmasked_by(masked, wanted, |place, value| self.mark(place, value))
    }

    /// The hash that decides whether a task is up to date: of a spec with all its values.
    #[must_use]
    pub fn hash(&self, spec: &TaskSpec) -> SpecHash {
        hash_of_masked(&self.masked(spec))
    }

    /// A hash of all of a spec, what changes in place included: for programs that ask whether anything is otherwise.
    #[must_use]
    pub fn hash_of_all(&self, spec: &TaskSpec) -> SpecHash {
        hash_by_digest(self.masked(spec))
    }

    /// The same of a task, whether its values are known or marks.
    #[must_use]
    pub fn hash_of(&self, task: &Task) -> SpecHash {
        if task.key_id.is_some() { hash_of_masked(&task.spec) } else { self.hash(&task.spec) }
    }

    /// The hash by which a node's network is known to be up to date.
    #[must_use]
    pub fn network_hash(&self, spec: &NetworkSpec) -> SpecHash {
        let mut spec = spec.clone();
        for (name, value) in spec.driver_opts.iter_mut().filter(|(_, value)| !is_mark(value)) {
            *value = self.mark(&network_place(name), value);
        }
        spec.hash()
    }
}

/// The place of an option of a network's driver.
pub(super) fn network_place(option: &str) -> String {
    format!("network {option}")
}

/// A spec with the values of `wanted` in place of their own marks, however those are made.
pub fn unmasked_by(masked: &TaskSpec, wanted: &TaskSpec, mark: impl Fn(&str, &str) -> String) -> TaskSpec {
    let mut known = BTreeMap::new();
    each_value(&mut wanted.clone(), &mut |place, value| {
        known.insert((place.to_owned(), mark(place, value)), value.clone());
    });
    let mut spec = masked.clone();
    each_value(&mut spec, &mut |place, value| {
        if let Some(same) = known.get(&(place.to_owned(), value.clone())) {
            value.clone_from(same);
        }
    });
    spec
}

/// Whether a text is a mark.
#[must_use]
pub fn is_mark(text: &str) -> bool {
    let inner = text.strip_prefix(BEFORE).and_then(|rest| rest.strip_suffix(AFTER));
    inner.is_some_and(|digits| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

/// Whether values of a spec are marks.
#[must_use]
pub fn has_marks(spec: &TaskSpec) -> bool {
    let mut has = false;
    each_hidden(&mut spec.clone(), &mut |_, value| has |= is_mark(value));
    has
}

/// What can change [in place](super::in_place) counts for nothing.
fn hash_of_masked(masked: &TaskSpec) -> SpecHash {
    let mut spec = masked.clone();
    Tuning::default().apply(&mut spec);
    if spec.on_config.is_some() {
        spec.configs.values_mut().for_each(|mount| mount.content.clear());
        swap::secrets_mut(&mut spec).for_each(|(_, mount)| mount.content.clear());
    }
    hash_by_digest(spec)
}

/// An image counts by its digest alone, where there is one: another name or tag of the same image is no change.
fn hash_by_digest(mut spec: TaskSpec) -> SpecHash {
    // It says how a container was made, and nothing of what is wanted.
    spec.swaps = false;
    if let Some(digest) = ImageRef::parse(&spec.image).ok().and_then(|image| image.digest) {
        spec.digest = Some(digest.to_string());
    }
    if spec.digest.is_some() {
        spec.image.clear();
    }
    SpecHash::of(spec.canonical_json().as_bytes())
}

/// Every free-form value, with its place. A new field of a spec does not compile until this function decides
/// whether to mask it.
pub fn each_value(spec: &mut TaskSpec, act: &mut dyn FnMut(&str, &mut String)) {
    let TaskSpec {
        command,
        entrypoint,
        environment,
        labels,
        logging,
        healthcheck,
        networks,
        configs,
        secrets,
        // Names, numbers, fixed words, paths and addresses stay readable: the plan consists of them.
        image: _,
        digest: _,
        hostname: _,
        domainname: _,
        user: _,
        group_add: _,
        working_dir: _,
        stdin_open: _,
        tty: _,
        cap_add: _,
        cap_drop: _,
        privileged: _,
        security_opt: _,
        devices: _,
        device_cgroup_rules: _,
        sysctls: _,
        ulimits: _,
        init: _,
        read_only: _,
        shm_size: _,
        ipc: _,
        pid: _,
        network_mode: _,
        userns_mode: _,
        cgroupns_mode: _,
        cgroup_parent: _,
        mac_address: _,
        runtime: _,
        isolation: _,
        oom_score_adj: _,
        stop_signal: _,
        on_config: _,
        swaps: _,
        stop_grace_period: _,
        dns: _,
        dns_search: _,
        dns_opt: _,
        extra_hosts: _,
        resources: _,
        restart_policy: _,
        ports: _,
        volumes: _,
        force_update: _,
    } = spec;
    for (words, place) in [(command, "command"), (entrypoint, "entrypoint")] {
        each_word(words.iter_mut().flatten(), place, act);
    }
    for (name, value) in environment {
        if let Some(value) = value {
            act(&format!("environment {name}"), value);
        }
    }
    for (name, value) in labels {
        act(&format!("labels {name}"), value);
    }
    if let Some(Logging { driver: _, options }) = logging {
        for (name, value) in options {
            act(&format!("logging {name}"), value);
        }
    }
    if let Some(Healthcheck {
        test,
        interval: _,
        timeout: _,
        retries: _,
        start_period: _,
        start_interval: _,
    }) = healthcheck
    {
        each_word(test.iter_mut(), "healthcheck", act);
    }
    for (network, attachment) in networks {
        let Attachment { driver_opts, aliases: _, ipv4_address: _, ipv6_address: _ } = &mut **attachment;
        for (name, value) in driver_opts {
            act(&format!("networks {network} {name}"), value);
        }
    }
    for (files, kind) in [(configs, "configs"), (secrets, "secrets")] {
        for (target, file) in files {
            let FileMount { content, source: _, uid: _, gid: _, mode: _, template_driver: _ } = file;
            act(&format!("{kind} {target}"), content);
        }
    }
}

fn each_word<'w>(
    words: impl Iterator<Item = &'w mut String>,
    place: &str,
    act: &mut dyn FnMut(&str, &mut String),
) {
    for (at, word) in words.enumerate() {
        act(&format!("{place} {at}"), word);
    }
}

/// Every value that is hidden where a container's own details can be read by others.
pub(super) fn each_hidden(spec: &mut TaskSpec, act: &mut dyn FnMut(&str, &mut String)) {
    each_value(spec, &mut |place, value| {
        if !place.starts_with("labels ") {
            act(place, value);
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec() -> TaskSpec {
        let text = r#"{"image":"web:1","command":["run","--key=hunter2"],"entrypoint":["hunter3"],
            "environment":{"DSN":"hunter4","MODE":"fast","GONE":null},"labels":{"team":"a"},
            "logging":{"driver":"splunk","options":{"token":"hunter6"}},
            "healthcheck":{"test":["CMD","curl","-u","hunter7"],"interval":"5s"},
            "networks":{"n":{"driver_opts":{"key":"hunter8"}}},
            "configs":{"/c":{"source":"c","uid":"0","gid":"0","mode":292,"content":"hunter9"}}}"#;
        serde_json::from_str(text).unwrap()
    }

    fn key(byte: u8) -> MarkKey {
        MarkKey::new([byte; KEY_BYTES])
    }

    #[test]
    fn another_template_and_one_that_is_none_any_more_are_other_tasks() {
        let (key, stack, service) = (key(7), StackName::unchecked("shop"), ServiceName::unchecked("web"));
        let hash = |change: &dyn Fn(&mut FileMount)| {
            let mut spec = spec();
            spec.configs.values_mut().for_each(change);
            Marks::of(&key, &stack, &service).hash(&spec)
        };
        let plain = hash(&|_| {});
        let templated = hash(&|file| file.template_driver = Some("golang".into()));
        let changed = hash(&|file| {
            file.template_driver = Some("golang".into());
            file.content = "another digest".into();
        });
        assert!(plain != templated && templated != changed);
        let text = serde_json::to_string(&spec().configs["/c"]).unwrap();
        assert!(!text.contains("template"), "those of older versions keep their hash: {text}");
    }

    #[test]
    fn no_value_is_left_and_the_same_values_come_back() {
        let (key, stack, service) = (key(7), StackName::unchecked("shop"), ServiceName::unchecked("web"));
        let marks = Marks::of(&key, &stack, &service);
        let masked = marks.masked(&spec());
        let text = masked.canonical_json();
        assert!(!text.contains("hunter") && text.contains("5s") && text.contains("GONE"), "{text}");
        assert_eq!(masked.labels["team"], "a", "labels are shown by the engine itself");
        assert_eq!(marks.unmasked(&masked, &spec()), spec());
        let mut other = spec();
        other.environment.insert("DSN".into(), Some("guess".into()));
        let seen = marks.unmasked(&masked, &other);
        assert!(seen.environment["DSN"].as_deref().is_some_and(is_mark));
        assert_eq!(seen.environment["MODE"], spec().environment["MODE"]);
    }

    #[test]
    fn neither_mark_nor_hash_can_be_had_without_the_key_or_in_another_place() {
        let (stack, web, db) =
            (StackName::unchecked("shop"), ServiceName::unchecked("web"), ServiceName::unchecked("db"));
        let (ours, other) = (key(7), key(8));
        let marks = Marks::of(&ours, &stack, &web);
        assert_eq!(marks.hash(&spec()), marks.hash(&spec()));
        for marks_of in
            [Marks::of(&other, &stack, &web), Marks::of(&ours, &stack, &db), Marks::of_stack(&ours, &stack)]
        {
            assert_ne!(marks_of.mark("environment A", "x"), marks.mark("environment A", "x"));
            assert_ne!(marks_of.hash(&spec()), marks.hash(&spec()));
        }
        assert_ne!(marks.mark("environment A", "x"), marks.mark("environment B", "x"));
        assert_ne!(marks.mark("ab", "c"), marks.mark("a", "bc"), "where a place ends counts");
        // Of 64 bits, so that of all guesses that could ever be made none is right by chance.
        let mark = marks.mark("environment A", "x");
        let digits = mark.strip_prefix(BEFORE).and_then(|rest| rest.strip_suffix(AFTER)).unwrap();
        assert_eq!(digits.len(), 16);
        assert_ne!(ours.derive("snapshots"), ours);
        assert_ne!(ours.derive("snapshots"), other.derive("snapshots"));
    }

    #[test]
    fn versions_of_secrets_differ_by_key_name_and_value_and_are_no_other_digest() {
        let (ours, stack) = (key(7), StackName::unchecked("shop"));
        let version = ours.of_secret("db", b"hunter2");
        assert_eq!(version, ours.of_secret("db", b"hunter2"));
        // Of 128 bits, and frozen: versions stand in records, and what runs is compared with them.
        assert_eq!(version, "1a08ca04867ff1bab7bdd071e4a6587d");
        for other in [
            key(8).of_secret("db", b"hunter2"),
            ours.of_secret("web", b"hunter2"),
            ours.of_secret("db", b"hunter3"),
            ours.of_secret("d", b"bhunter2"),
            ours.content_name(&stack, b"hunter2"),
            ours.content_name(&StackName::unchecked("db"), b"hunter2"),
        ] {
            assert_ne!(other, version);
        }
        let mark = |parts: &[&str]| ours.mark(parts).contains(&version[..16]);
        for parts in [&["db", "hunter2"][..], &["secret", "db", "hunter2"], &["secrets", "db", "hunter2"]] {
            assert!(!mark(parts), "{parts:?}");
        }
        assert!(!ours.proof("db", b"hunter2").starts_with(&version));
    }

    #[test]
    fn a_proof_holds_for_its_key_purpose_and_content_alone() {
        let ours = key(7);
        let proof = ours.proof("recipients", b"ann");
        assert!(ours.proves("recipients", b"ann", &proof));
        // Frozen: it stands in records.
        assert_eq!(proof, "bd9d6af7e0bb67bd091423042cc962b7896e2c421b166083e8ad63bf3fcd99fb");
        assert!(!key(8).proves("recipients", b"ann", &proof));
        assert!(!ours.proves("managers", b"ann", &proof));
        assert!(!ours.proves("recipients", b"bob", &proof));
        assert!(!ours.proves("recipient", b"sann", &proof), "where the purpose ends counts");
        for bad in ["", &proof[..63], &format!("{proof}0"), &"0".repeat(64), &"é".repeat(32)] {
            assert!(!ours.proves("recipients", b"ann", bad), "{bad}");
        }
        for at in 0..proof.len() {
            let other = if &proof[at..=at] == "0" { "1" } else { "0" };
            assert!(!ours.proves(
                "recipients",
                b"ann",
                &format!("{}{other}{}", &proof[..at], &proof[at + 1..])
            ));
        }
    }

    #[test]
    fn a_key_is_read_back_and_never_shown() {
        let key = key(171);
        let text = serde_json::to_string(&key).unwrap();
        assert_eq!(serde_json::from_str::<MarkKey>(&text).unwrap(), key);
        let shown = format!("{key:?} {}", key.id());
        assert!(!shown.contains("abab"), "{shown}");
        for bad in ["", "ab", &"g".repeat(64), &"+a".repeat(32), &"é".repeat(32)] {
            let error = MarkKey::try_from(bad.to_owned()).unwrap_err().to_string();
            assert!(bad.is_empty() || !error.contains(bad), "{error}");
        }
    }

    #[test]
    fn what_changes_in_place_counts_for_nothing() {
        let (key, stack, service) = (key(7), StackName::unchecked("shop"), ServiceName::unchecked("web"));
        let marks = Marks::of(&key, &stack, &service);
        let mut other = spec();
        other.resources.limits.memory = Some(1 << 20);
        other.resources.reservations.nano_cpus = 5;
        other.restart_policy.max_attempts = 5;
        other.stop_grace_period = Some(crate::model::GoDuration::from_secs(60));
        assert_eq!(marks.hash(&spec()), marks.hash(&other));
        assert_ne!(marks.hash_of_all(&spec()), marks.hash_of_all(&other));
    }

    #[test]
    fn an_image_counts_by_its_digest_alone() {
        let (key, stack, service) = (key(7), StackName::unchecked("shop"), ServiceName::unchecked("web"));
        let hash = |image: &str, digest: Option<&str>| {
            let spec =
                TaskSpec { image: image.into(), digest: digest.map(str::to_owned), ..TaskSpec::default() };
            Marks::of(&key, &stack, &service).hash(&spec)
        };
        let (one, two) = (format!("sha256:{}", "1".repeat(64)), format!("sha256:{}", "2".repeat(64)));
        assert_eq!(hash("web:1", Some(&one)), hash("web:2", Some(&one)));
        assert_eq!(hash("web:1", Some(&one)), hash("mirror:5000/web", Some(&one)));
        assert_eq!(hash("web:1", Some(&one)), hash(&format!("web@{one}"), None));
        assert_ne!(hash("web:1", Some(&one)), hash("web:1", Some(&two)));
        assert_ne!(hash("web:1", None), hash("web:2", None));
    }
}
