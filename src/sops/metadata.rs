//! The part `sops` of a file: who can open it, what is encrypted, and by what it is known to be whole.

use std::collections::{BTreeMap, BTreeSet};

use super::cipher::Cipher;
use super::dotenv::OURS;
use super::error::{Format, Limit, SopsError};
use super::rule::{Names, Rule};
use super::tree::{Document, Entry, Item, Value};
use crate::vault::{Keyring, OpenError, open};

/// The key of the part.
pub const NAME: &str = "sops";
/// What joins names to one, in the files whose part has one level only.
const MAP: &str = "__map_";
const LIST: &str = "__list_";
/// The version that files are of.
const MAJOR: u32 = 3;
/// Kinds of keys, and what they are called.
const KINDS: [(&str, &str); 7] = [
    ("age", "age"),
    ("pgp", "PGP"),
    ("kms", "AWS KMS"),
    ("gcp_kms", "GCP KMS"),
    ("azure_kv", "Azure Key Vault"),
    ("hc_vault", "HashiCorp Vault"),
    ("hckms", "Huawei KMS"),
];
const GROUPS: &str = "key_groups";

/// The part, with all its names on one level.
#[derive(Debug, PartialEq)]
pub struct Flat(BTreeMap<String, String>);

/// What of the part is used.
#[derive(Debug)]
pub struct Metadata {
    pub rule: Rule,
    pub mac_only_encrypted: bool,
    pub mac: String,
    /// As SOPS writes it.
    pub modified: String,
}

impl Flat {
    /// The part of a file, if it has a key of its name. Of several documents the first one counts, as for SOPS.
    ///
    /// # Errors
    ///
    /// It is too large, or has a name twice.
    pub fn of(document: &Document, format: Format) -> Result<Option<Self>, SopsError> {
        let entries = document.branches.first().map_or(&[][..], |branch| &branch.entries);
        let mut flat = Flattening { all: BTreeMap::new(), bytes: 0 };
        if format == Format::Dotenv {
            for entry in entries {
                if let (Some(name), Item::Leaf(leaf)) = (entry.key.strip_prefix(OURS), &entry.value) {
                    flat.put(name, &leaf.value)?;
                }
            }
            return Ok(Some(Self(flat.all)).filter(|flat| !flat.0.is_empty()));
        }
        match entries.iter().find(|entry| entry.key == NAME).map(|entry| &entry.value) {
            Some(Item::Map(entries)) => flat.map("", entries)?,
            _ => return Ok(None),
        }
        Ok(Some(Self(flat.all)))
    }

    /// Whether it is SOPS's: another program may have settings of this name.
    pub fn is_of_sops(&self) -> bool {
        let [mac, time, version] = ["mac", "lastmodified", "version"].map(|name| self.0.contains_key(name));
        let keys = self.has_keys("") || self.has(&format!("{GROUPS}{LIST}"));
        (mac && keys) || ((mac || keys) && (time || version))
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|text| !text.is_empty())
    }

    /// Whether there is a name that begins so.
    fn has(&self, begin: &str) -> bool {
        self.0.range(begin.to_owned()..).next().is_some_and(|(name, _)| name.starts_with(begin))
    }

    fn has_keys(&self, group: &str) -> bool {
        KINDS.into_iter().any(|(kind, _)| self.has(&format!("{group}{kind}{LIST}")))
    }

    /// How many items a list has.
    fn count(&self, list: &str) -> usize {
        (0..).take_while(|number| self.has(&format!("{list}{LIST}{number}{MAP}"))).count()
    }

    /// Reads what is used besides the keys.
    ///
    /// # Errors
    ///
    /// It is of another version, or does not say what it must.
    pub fn read(&self) -> Result<Metadata, SopsError> {
        let damaged = |what| SopsError::Metadata { what };
        let version = self.text("version").ok_or(damaged("it has no version"))?;
        let major = version.split('.').next().and_then(|major| major.parse::<u32>().ok());
        match major {
            Some(MAJOR) => {}
            // Nothing but a number is shown: any text may stand there.
            Some(major) => return Err(SopsError::Version { version: major.to_string() }),
            None => return Err(damaged("its version is no version")),
        }
        let mac_only_encrypted = match self.text("mac_only_encrypted") {
            None | Some("false" | "False" | "FALSE" | "f" | "F" | "0") => false,
            Some("true" | "True" | "TRUE" | "t" | "T" | "1") => true,
            Some(_) => return Err(damaged("its `mac_only_encrypted` is neither true nor false")),
        };
        let mac = self.text("mac").ok_or(SopsError::NoMac)?.to_owned();
        let modified = self.text("lastmodified").ok_or(damaged("it has no `lastmodified`"))?;
        let modified = time(modified).ok_or(damaged("its `lastmodified` is no time"))?;
        Ok(Metadata { rule: self.rule(mac_only_encrypted)?, mac_only_encrypted, mac, modified })
    }

    fn rule(&self, mac_only_encrypted: bool) -> Result<Rule, SopsError> {
        const RULES: [&str; 6] = [
            "unencrypted_suffix",
            "encrypted_suffix",
            "unencrypted_regex",
            "encrypted_regex",
            "unencrypted_comment_regex",
            "encrypted_comment_regex",
        ];
        let mut rules = RULES.into_iter().filter_map(|rule| Some((rule, self.text(rule)?)));
        let Some((rule, text)) = rules.next() else {
            let names = Names::Suffix("_unencrypted".to_owned());
            return Ok(Rule::Names { names, are_encrypted: false });
        };
        if rules.next().is_some() {
            return Err(SopsError::Metadata { what: "it has more than one rule of what is encrypted" });
        }
        let are_encrypted = rule.starts_with("encrypted");
        if rule.ends_with("_suffix") {
            return Ok(Rule::Names { names: Names::Suffix(text.to_owned()), are_encrypted });
        }
        let names = Names::regex(text).ok_or(SopsError::Rule { rule })?;
        if !rule.ends_with("_comment_regex") {
            return Ok(Rule::Names { names, are_encrypted });
        }
        // By their looks alone, values that are not encrypted could then be added anywhere.
        if mac_only_encrypted { Err(SopsError::CommentRule { rule }) } else { Ok(Rule::Looks) }
    }

    /// The key of the values, by the first recipient for whom there is a private key.
    ///
    /// # Errors
    ///
    /// There is none, or what it opens is no key.
    pub fn key(&self, keys: &Keyring) -> Result<Cipher, SopsError> {
        let groups = self.count(GROUPS);
        // As for SOPS, keys outside of groups are all that counts.
        let group = match groups {
            1 if !self.has_keys("") => format!("{GROUPS}{LIST}0{MAP}"),
            2.. if !self.has_keys("") => return Err(SopsError::KeyGroups { groups }),
            _ => String::new(),
        };
        let list = format!("{group}age");
        let count = self.count(&list);
        if count == 0 {
            return Err(self.no_age_key(&group));
        }
        let mut wrong = None;
        for number in 0..count {
            let sealed = self.text(&format!("{list}{LIST}{number}{MAP}enc")).unwrap_or_default();
            match open(keys, sealed.as_bytes(), 32) {
                Ok(key) => return Cipher::new(&key),
                Err(OpenError::NoKeyFits { .. }) => {}
                Err(error) => wrong = wrong.or(Some(error)),
            }
        }
        Err(match wrong {
            Some(OpenError::TooLarge { .. }) => SopsError::DataKeyLength,
            Some(error) => SopsError::DataKey(error),
            None => SopsError::NoKeyFits { tried: keys.len(), sealed_to: self.recipients(&list, count) },
        })
    }

    fn no_age_key(&self, group: &str) -> SopsError {
        let others = KINDS.into_iter().filter_map(|(kind, name)| {
            let count = self.count(&format!("{group}{kind}"));
            (count > 0).then(|| format!("{count} {name} key{}", if count == 1 { "" } else { "s" }))
        });
        let keys: Vec<String> = others.collect();
        if keys.is_empty() {
            return SopsError::Metadata { what: "it has no keys" };
        }
        SopsError::NoAgeKey { keys: keys.join(", ") }
    }

    /// The public keys, as far as they look like some.
    fn recipients(&self, list: &str, count: usize) -> String {
        const SHOWN_MAX: usize = 3;
        let named = (0..count.min(SHOWN_MAX)).map(|number| {
            let name = self.text(&format!("{list}{LIST}{number}{MAP}recipient")).unwrap_or_default();
            let is_key = ["age1", "ssh-"].into_iter().any(|begin| name.starts_with(begin))
                && name.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ');
            match (is_key, name.len()) {
                (false, _) => "an unknown key".to_owned(),
                (true, ..=100) => name.to_owned(),
                (true, _) => format!("{}…", &name[..40]),
            }
        });
        let mut words: Vec<String> = named.collect();
        if count > SHOWN_MAX {
            words.push(format!("{} more", count - SHOWN_MAX));
        }
        words.join(", ")
    }
}

/// A tree that is being laid flat.
struct Flattening {
    all: BTreeMap<String, String>,
    bytes: usize,
}

impl Flattening {
    fn map(&mut self, begin: &str, entries: &[Entry]) -> Result<(), SopsError> {
        entries.iter().try_for_each(|entry| self.item(&format!("{begin}{}", entry.key), &entry.value))
    }

    fn item(&mut self, name: &str, item: &Item) -> Result<(), SopsError> {
        self.afford(name.len())?;
        match item {
            Item::Map(entries) => self.map(&format!("{name}{MAP}"), entries),
            Item::List(items) => {
                let numbered = items.iter().enumerate();
                numbered
                    .into_iter()
                    .try_for_each(|(number, item)| self.item(&format!("{name}{LIST}{number}"), item))
            }
            Item::Leaf(leaf) => self.put(name, &leaf.value),
        }
    }

    fn put(&mut self, name: &str, value: &Value) -> Result<(), SopsError> {
        let text = match value {
            Value::Null => String::new(),
            Value::Bool(is) => is.to_string(),
            Value::Whole(number) => number.to_string(),
            Value::Float(number) => number.to_string(),
            Value::Text(text) => text.clone(),
        };
        self.afford(name.len() + text.len())?;
        match self.all.insert(name.to_owned(), text) {
            None => Ok(()),
            Some(_) => Err(SopsError::Metadata { what: "it has a name twice" }),
        }
    }

    /// Names become as long as the part is deep.
    fn afford(&mut self, bytes: usize) -> Result<(), SopsError> {
        self.bytes += bytes;
        if self.bytes > Limit::Metadata.most() {
            return Err(SopsError::TooLarge(Limit::Metadata));
        }
        Ok(())
    }
}

/// Names of a document that belong to the part.
pub fn is_part(entry: &Entry, format: Format) -> bool {
    if format == Format::Dotenv { entry.key.starts_with(OURS) } else { entry.key == NAME }
}

/// The keys at the top of a file.
pub fn names(document: &Document) -> BTreeSet<&str> {
    let first = document.branches.first().map_or(&[][..], |branch| &branch.entries);
    first.iter().map(|entry| entry.key.as_str()).collect()
}

/// A time as Go writes it back after reading it: that is what the MAC is authenticated with.
fn time(text: &str) -> Option<String> {
    const FORM: &str = "0000-00-00T00:00:00";
    let fits = |text: &str, form: &str| {
        text.len() == form.len()
            && text.bytes().zip(form.bytes()).all(|(byte, sign)| match sign {
                b'0' => byte.is_ascii_digit(),
                sign => byte == sign,
            })
    };
    let (at, mut zone) = text.split_at_checked(FORM.len())?;
    if let Some(rest) = zone.strip_prefix('.') {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        zone = rest.get(digits..).filter(|_| digits > 0)?;
    }
    let zone = match zone {
        "Z" | "+00:00" | "-00:00" => "Z",
        other if fits(other, "+00:00") || fits(other, "-00:00") => other,
        _ => return None,
    };
    fits(at, FORM).then(|| format!("{at}{zone}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flat(all: &[(&str, &str)]) -> Flat {
        Flat(all.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect())
    }

    /// One that is right, with other texts for some of its names.
    fn read(changed: &[(&str, &str)]) -> Result<Metadata, SopsError> {
        let mut all = flat(&[
            ("version", "3.9.4"),
            ("lastmodified", "2024-01-02T03:04:05Z"),
            ("mac", "ENC[x]"),
            ("age__list_0__map_enc", "x"),
        ]);
        all.0.extend(changed.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())));
        all.read()
    }

    #[test]
    fn times_are_as_go_writes_them() {
        for (text, written) in [
            ("2024-01-02T03:04:05Z", Some("2024-01-02T03:04:05Z")),
            ("2024-01-02T03:04:05+00:00", Some("2024-01-02T03:04:05Z")),
            ("2024-01-02T03:04:05.123456Z", Some("2024-01-02T03:04:05Z")),
            ("2024-01-02T03:04:05+02:00", Some("2024-01-02T03:04:05+02:00")),
            ("2024-01-02T03:04:05.5-02:00", Some("2024-01-02T03:04:05-02:00")),
            ("2024-01-02T03:04:05", None),
            ("2024-01-02T03:04:05.Z", None),
            ("2024-01-02 03:04:05Z", None),
            ("2024-01-02T03:04:0éZ", None),
            ("", None),
        ] {
            assert_eq!(time(text).as_deref(), written, "{text}");
        }
    }

    #[test]
    fn what_the_part_must_say() {
        assert!(read(&[]).is_ok());
        let damaged = |what| Some(SopsError::Metadata { what });
        for (name, text, error) in [
            ("version", "", damaged("it has no version")),
            ("version", "hunter2", damaged("its version is no version")),
            ("version", "4.0.0", Some(SopsError::Version { version: "4".to_owned() })),
            ("version", "2.1", Some(SopsError::Version { version: "2".to_owned() })),
            ("lastmodified", "", damaged("it has no `lastmodified`")),
            ("lastmodified", "today", damaged("its `lastmodified` is no time")),
            ("mac", "", Some(SopsError::NoMac)),
            ("mac_only_encrypted", "maybe", damaged("its `mac_only_encrypted` is neither true nor false")),
            ("encrypted_regex", "(", Some(SopsError::Rule { rule: "encrypted_regex" })),
            ("encrypted_regex", "^a", None),
            ("unencrypted_comment_regex", "a", None),
        ] {
            assert_eq!(read(&[(name, text)]).err(), error, "{name} {text}");
        }
        assert_eq!(
            read(&[("encrypted_regex", "a"), ("encrypted_suffix", "b")]).err(),
            damaged("it has more than one rule of what is encrypted")
        );
        assert_eq!(
            read(&[("encrypted_comment_regex", "a"), ("mac_only_encrypted", "true")]).err(),
            Some(SopsError::CommentRule { rule: "encrypted_comment_regex" })
        );
    }

    #[test]
    fn keys_that_do_not_fit_are_named() {
        let none = Keyring::default();
        let error = |all: &[(&str, &str)]| flat(all).key(&none).err().map(|error| error.to_string());
        assert_eq!(
            error(&[("pgp__list_0__map_fp", "x"), ("pgp__list_1__map_fp", "x"), ("kms__list_0__map_arn", "x")]),
            Some(
                "it is encrypted to 2 PGP keys, 1 AWS KMS key and to no age or ssh key: add one (`sops rotate \
                 --add-age`)"
                    .to_owned()
            )
        );
        assert_eq!(error(&[]), Some("its part `sops` is damaged: it has no keys".to_owned()));
        let group = |number: usize| format!("key_groups__list_{number}__map_age__list_0__map_enc");
        assert_eq!(
            flat(&[(&group(0), "x"), (&group(1), "x")]).key(&none).err(),
            Some(SopsError::KeyGroups { groups: 2 })
        );
        // One group is no group.
        let error = flat(&[(&group(0), "x")]).key(&none).err();
        assert_eq!(error, Some(SopsError::DataKey(OpenError::NotSealed)));
    }

    #[test]
    fn settings_of_other_programs_are_no_part() {
        assert!(!flat(&[("version", "3.9.4"), ("lastmodified", "x"), ("enabled", "true")]).is_of_sops());
        assert!(!flat(&[("mac", "x"), ("age", "1")]).is_of_sops());
        assert!(flat(&[("mac", "x"), ("age__list_0__map_enc", "x")]).is_of_sops());
        assert!(flat(&[("version", "3.9.4"), ("pgp__list_0__map_fp", "x")]).is_of_sops());
        assert!(flat(&[("mac", "x"), ("lastmodified", "x")]).is_of_sops());
    }
}
