//! Public keys to which values are sealed: age's own, and those of ssh.
//!
//! What is wrong with one is said without quoting it: a private key that was pasted in its place must not reach a
//! terminal or a log.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use super::ssh_wire;

/// A public key. Two are equal if they are the same key: what follows an ssh key as its comment does not count.
#[derive(Clone)]
pub struct Recipient {
    text: String,
    key: Key,
}

#[derive(Clone)]
enum Key {
    Age(age::x25519::Recipient),
    Ssh(age::ssh::Recipient),
}

impl Recipient {
    /// In the form that stands in records: without a comment.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    pub(super) fn of_age(key: age::x25519::Recipient) -> Self {
        Self { text: key.to_string(), key: Key::Age(key) }
    }

    pub(super) fn of_ssh(key: age::ssh::Recipient) -> Self {
        Self { text: key.to_string(), key: Key::Ssh(key) }
    }

    /// Whether it is one of age's own: keys of clusters are.
    pub(super) fn is_age(&self) -> bool {
        matches!(self.key, Key::Age(_))
    }

    pub(super) fn as_age(&self) -> &dyn age::Recipient {
        match &self.key {
            Key::Age(key) => key,
            Key::Ssh(key) => key,
        }
    }
}

/// Why a text is no recipient. Never repeats the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadRecipient {
    #[error("it is empty: an age1… or ssh-ed25519 public key is expected")]
    Empty,
    #[error("it is a private key of age: give its public key, which `age-keygen -y FILE` prints")]
    PrivateAge,
    #[error("it is a private key: give the public key, which is in the file that ends with .pub")]
    PrivatePem,
    #[error("it is a key of an age plugin or of a kind newer than X25519: use an age1… key of 62 characters")]
    OtherAge,
    #[error("it begins as an age key does, and is none: a character is wrong or missing")]
    BadAge,
    #[error("it is an age key by which everyone could open what is sealed to it")]
    WeakAge,
    #[error(
        "it is an ssh key of the kind {0}, to which nothing can be encrypted: use ssh-ed25519 or ssh-rsa"
    )]
    OtherSsh(&'static str),
    #[error("it begins as an ssh key does, and is none: it is cut off, or a character is wrong")]
    BadSsh,
    #[error("it is an RSA key of less than 2048 bits, which is too weak")]
    RsaTooSmall,
    #[error("it is an RSA key of more than 4096 bits, which is more than age takes")]
    RsaTooLarge,
    #[error("it is no public key: it begins neither with age1 nor with ssh-ed25519 or ssh-rsa")]
    Unknown,
}

/// Kinds of ssh keys that cannot encrypt, or that age does not know.
const OTHER_SSH: [&str; 8] = [
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "sk-ecdsa-sha2-nistp256@openssh.com",
    "sk-ssh-ed25519@openssh.com",
    "ssh-dss",
    "ssh-ed448",
    "ssh-xmss@openssh.com",
];

/// The letters of Bech32, by their value.
const LETTERS: &[u8] = b"qpzry9x8gf2tvdw0s3jn54khce6mua7l";
/// Letters of a key behind `age1`: 32 bytes, and a checksum of 6 letters.
const AGE_LETTERS: usize = 58;

impl FromStr for Recipient {
    type Err = BadRecipient;

    fn from_str(text: &str) -> Result<Self, BadRecipient> {
        let text = text.trim();
        let upper = text.to_ascii_uppercase();
        if text.is_empty() {
            return Err(BadRecipient::Empty);
        }
        if upper.contains("AGE-SECRET-KEY-") || upper.contains("AGE-PLUGIN-") {
            return Err(BadRecipient::PrivateAge);
        }
        if upper.contains("PRIVATE KEY") || upper.contains("PUTTY-USER-KEY-FILE") {
            return Err(BadRecipient::PrivatePem);
        }
        let mut words = text.split_ascii_whitespace();
        let kind = words.next().unwrap_or_default();
        if upper.starts_with("AGE1") {
            return of_age(text);
        }
        if let Some(other) = OTHER_SSH.into_iter().find(|other| *other == kind) {
            return Err(BadRecipient::OtherSsh(other));
        }
        match kind {
            "ssh-ed25519" | "ssh-rsa" => of_ssh(kind, words.next().unwrap_or_default()),
            _ => Err(BadRecipient::Unknown),
        }
    }
}

fn of_age(text: &str) -> Result<Recipient, BadRecipient> {
    let Ok(key) = text.parse::<age::x25519::Recipient>() else {
        // A second `1` ends the name of a plugin; the letters themselves have none.
        let is_other = text.len() > "age1".len() + AGE_LETTERS || text[4..].contains('1');
        return Err(if is_other { BadRecipient::OtherAge } else { BadRecipient::BadAge });
    };
    let key = Recipient::of_age(key);
    if is_weak(&point(&key.text)) { Err(BadRecipient::WeakAge) } else { Ok(key) }
}

/// The bytes of a key whose checksum is right.
fn point(text: &str) -> [u8; 32] {
    let (mut bytes, mut at, mut bits, mut held) = ([0; 32], 0, 0_u32, 0_u32);
    for letter in text.bytes().skip("age1".len()) {
        let value = LETTERS.iter().position(|one| *one == letter).unwrap_or_default();
        held = (held << 5 | u32::try_from(value).unwrap_or_default()) & 0xfff;
        bits += 5;
        if bits >= 8 && at < bytes.len() {
            bits -= 8;
            bytes[at] = u8::try_from(held >> bits & 0xff).unwrap_or_default();
            at += 1;
        }
    }
    bytes
}

/// Whether a point of Curve25519 has a small order: a secret that is shared with it is nothing, and age panics.
fn is_weak(point: &[u8; 32]) -> bool {
    const ORDER_8: [[u8; 32]; 2] = [
        [
            0xe0, 0xeb, 0x7a, 0x7c, 0x3b, 0x41, 0xb8, 0xae, 0x16, 0x56, 0xe3, 0xfa, 0xf1, 0x9f, 0xc4, 0x6a,
            0xda, 0x09, 0x8d, 0xeb, 0x9c, 0x32, 0xb1, 0xfd, 0x86, 0x62, 0x05, 0x16, 0x5f, 0x49, 0xb8, 0x00,
        ],
        [
            0x5f, 0x9c, 0x95, 0xbc, 0xa3, 0x50, 0x8c, 0x24, 0xb1, 0xd0, 0xb1, 0x55, 0x9c, 0x83, 0xef, 0x5b,
            0x04, 0x44, 0x5c, 0xc4, 0x58, 0x1c, 0x8e, 0x86, 0xd8, 0x22, 0x4e, 0xdd, 0xd0, 0x9f, 0x11, 0x57,
        ],
    ];
    // The highest bit does not count; p - 1, p and p + 1 are other forms of the same as 0 and 1.
    let mut point = *point;
    point[31] &= 0x7f;
    let is_near = |low: u8, fill: u8, high: u8| {
        point[0] == low && point[31] == high && point[1..31].iter().all(|byte| *byte == fill)
    };
    ORDER_8.contains(&point)
        || [0, 1].into_iter().any(|low| is_near(low, 0, 0))
        || [0xec, 0xed, 0xee].into_iter().any(|low| is_near(low, 0xff, 0x7f))
}

fn of_ssh(kind: &str, blob: &str) -> Result<Recipient, BadRecipient> {
    use age::ssh::ParseRecipientKeyError as Error;

    let bytes = STANDARD.decode(blob).map_err(|_| BadRecipient::BadSsh)?;
    if !ssh_wire::is_public_whole(&bytes) {
        return Err(BadRecipient::BadSsh);
    }
    let text = format!("{kind} {blob}");
    match text.parse() {
        // What age has passed over at the end of the key would be lost.
        Ok(key) => Some(Recipient::of_ssh(key)).filter(|key| key.text == text).ok_or(BadRecipient::BadSsh),
        Err(Error::RsaModulusTooSmall) => Err(BadRecipient::RsaTooSmall),
        Err(Error::RsaModulusTooLarge) => Err(BadRecipient::RsaTooLarge),
        Err(_) => Err(BadRecipient::BadSsh),
    }
}

impl PartialEq for Recipient {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Recipient {}

impl fmt::Display for Recipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for Recipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Recipient({})", self.text)
    }
}

impl Serialize for Recipient {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for Recipient {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vault::{Form, Plaintext, seal};

    fn parse(text: &str) -> Result<String, BadRecipient> {
        text.parse().map(|key: Recipient| key.to_string())
    }

    fn age_key() -> String {
        age::x25519::Identity::generate().to_public().to_string()
    }

    /// Keys as `ssh-keygen` writes them, made of nothing: none stands in the repository.
    fn ssh(kind: &str, parts: &[&[u8]]) -> String {
        let mut blob = Vec::new();
        for part in [kind.as_bytes()].iter().chain(parts) {
            blob.extend(u32::try_from(part.len()).unwrap().to_be_bytes());
            blob.extend(*part);
        }
        format!("{kind} {}", STANDARD.encode(blob))
    }

    fn ed25519() -> String {
        ssh("ssh-ed25519", &[&[&[0x58][..], &[0x66; 31]].concat()])
    }

    fn rsa(bytes: usize) -> String {
        ssh("ssh-rsa", &[&[1, 0, 1], &[&[0][..], &vec![0xc5; bytes]].concat()])
    }

    /// A key with a right checksum over these bytes.
    fn age_of(bytes: [u8; 32]) -> String {
        let mut letters = Vec::new();
        let (mut held, mut bits) = (0_u32, 0);
        for byte in bytes {
            (held, bits) = ((held << 8 | u32::from(byte)) & 0xffff, bits + 8);
            while bits >= 5 {
                bits -= 5;
                letters.push(held >> bits & 31);
            }
        }
        letters.push(held << (5 - bits) & 31);
        let checked = |letters: &[u32]| {
            let mut sum = 1_u32;
            for value in [3, 3, 3, 0, 1, 7, 5].iter().chain(letters) {
                let top = sum >> 25;
                sum = (sum & 0x1ff_ffff) << 5 ^ value;
                for (at, generator) in
                    [0x3b6a_57b2, 0x2650_8e6d, 0x1ea1_19fa, 0x3d42_33dd, 0x2a14_62b3].into_iter().enumerate()
                {
                    if top >> at & 1 == 1 {
                        sum ^= generator;
                    }
                }
            }
            sum
        };
        let sum = checked(&[&letters[..], &[0; 6]].concat()) ^ 1;
        letters.extend((0..6).map(|at| sum >> (5 * (5 - at)) & 31));
        let letters = letters.into_iter().map(|value| char::from(LETTERS[usize::try_from(value).unwrap()]));
        format!("age1{}", letters.collect::<String>())
    }

    #[test]
    fn keys_of_age_and_ssh_are_read_and_comments_do_not_count() {
        let key = age_key();
        assert_eq!(parse(&format!("  {key}\n")), Ok(key.clone()));
        for key in [ed25519(), rsa(256), rsa(512)] {
            assert_eq!(parse(&key), Ok(key.clone()));
            assert_eq!(parse(&format!("{key} ann@mill laptop\n")), Ok(key.clone()));
        }
        let one: Recipient = ed25519().parse().unwrap();
        assert_eq!(one, format!("{} ann", ed25519()).parse().unwrap());
        let text = serde_json::to_string(&one).unwrap();
        assert_eq!(serde_json::from_str::<Recipient>(&text).unwrap(), one);
        assert!(serde_json::from_str::<Recipient>("\"age1x\"").is_err());
    }

    #[test]
    fn what_is_wrong_is_said_and_never_quoted() {
        use BadRecipient::*;
        let key = age_key();
        let typo = format!("{}{}", &key[..61], if key.ends_with('q') { 'p' } else { 'q' });
        let cut = &ed25519()[..40];
        let zero = ssh("ssh-rsa", &[&[0, 0, 0], &[0, 5]]);
        let yubikey = "age1yubikey1qqqqqqqq";
        let post_quantum = format!("age1pq1{}", "q".repeat(1900));
        let long = format!("{key}qq");
        let other = |kind| ssh(kind, &[b"nistp256", &[4; 65]]);
        for (text, wanted) in [
            ("", Empty),
            (" \n ", Empty),
            ("AGE-SECRET-KEY-1HUNTER2", PrivateAge),
            ("age-secret-key-1hunter2", PrivateAge),
            ("# created by hunter2\nAGE-SECRET-KEY-1HUNTER2", PrivateAge),
            ("AGE-PLUGIN-YUBIKEY-1HUNTER2", PrivateAge),
            ("-----BEGIN OPENSSH PRIVATE KEY-----\nhunter2", PrivatePem),
            ("-----BEGIN RSA PRIVATE KEY-----\nhunter2", PrivatePem),
            ("PuTTY-User-Key-File-3: hunter2", PrivatePem),
            (yubikey, OtherAge),
            (&post_quantum, OtherAge),
            (&long, OtherAge),
            (&typo, BadAge),
            ("age1hunter2é", BadAge),
            ("age1", BadAge),
            (&other("ecdsa-sha2-nistp256"), OtherSsh("ecdsa-sha2-nistp256")),
            (&other("sk-ssh-ed25519@openssh.com"), OtherSsh("sk-ssh-ed25519@openssh.com")),
            (cut, BadSsh),
            ("ssh-ed25519", BadSsh),
            ("ssh-ed25519 hunter2", BadSsh),
            (&ed25519().replace("ed25519 ", "rsa "), BadSsh),
            (&zero, BadSsh),
            (&ssh("ssh-ed25519", &[&[1; 32], b"hunter2"]), BadSsh),
            (&rsa(128), RsaTooSmall),
            (&rsa(1024), RsaTooLarge),
            ("hunter2", Unknown),
            ("restrict ssh-ed25519 hunter2", Unknown),
        ] {
            let found = parse(text).unwrap_err();
            assert_eq!(found, wanted, "{text}");
            assert!(
                !found.to_string().contains("hunter2") && !format!("{found:?}").contains("hunter2"),
                "{found}"
            );
        }
    }

    #[test]
    fn keys_that_everyone_shares_are_refused_where_age_would_panic() {
        let plain = Plaintext::new(b"x".to_vec());
        let mut near = [0xff; 32];
        (near[0], near[31]) = (0xed, 0x7f);
        let mut high = [0; 32];
        high[31] = 0x80;
        for weak in [[0; 32], near, high] {
            assert_eq!(parse(&age_of(weak)), Err(BadRecipient::WeakAge));
        }
        for at in 0..64_u8 {
            let strong: Recipient = age_of([at.wrapping_mul(37) | 2; 32]).parse().unwrap();
            assert_eq!(point(strong.as_str()), [at.wrapping_mul(37) | 2; 32]);
            seal([&strong], &plain, Form::Binary).unwrap();
        }
    }

    #[test]
    fn any_text_is_a_recipient_or_an_error() {
        let number = || proptest::collection::vec(0_u8.., 0..300);
        let text = "(age1|ssh-rsa |ssh-ed25519 )?[ -~é\n]{0,80}";
        proptest::proptest!(|(text in text, one in number(), other in number(), bytes in [0_u8.., 0_u8..])| {
            let point = [&bytes[..], &[0x66; 30]].concat();
            for text in [text, ssh("ssh-rsa", &[&one, &other]), ssh("ssh-ed25519", &[&point]), ssh("ssh-ed25519", &[&one])] {
                if let Ok(found) = text.parse::<Recipient>() {
                    assert!(text.starts_with(found.as_str()), "{text}");
                    seal([&found], &Plaintext::new(b"x".to_vec()), Form::Binary).unwrap();
                }
            }
        });
    }
}
