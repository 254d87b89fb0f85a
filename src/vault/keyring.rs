//! Private keys, as text of a file or a variable gives them. Knows nothing of where that was found.

use std::fmt;

use age::secrecy::ExposeSecret as _;
use zeroize::Zeroizing;

use super::recipient::Recipient;
use super::{envelope, ssh_wire};
use crate::model::Plaintext;

/// Private keys that may open something. Shows none of them.
#[derive(Default)]
pub struct Keyring {
    keys: Vec<Box<dyn age::Identity + Send + Sync>>,
    publics: Vec<Recipient>,
}

/// Why a text gives no private keys. Names what the text was said to be, and never repeats it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadKey {
    #[error("{name} has no private key in it")]
    Empty { name: String },
    #[error("{name} is not text, as private keys are")]
    NotText { name: String },
    #[error(
        "{name} is an ssh key with a passphrase, for which stackctl cannot ask: give an age key, or a copy of it \
         without a passphrase (`ssh-keygen -p`)"
    )]
    Passphrase { name: String },
    #[error("{name} is itself encrypted: decrypt it first (`age --decrypt`)")]
    Sealed { name: String },
    #[error(
        "{name} is a key of the kind {kind}, which can open nothing: give an age, ssh-ed25519 or ssh-rsa key"
    )]
    OtherKind { name: String, kind: String },
    #[error("{name} has a key of an age plugin in line {line}: stackctl starts no plugins")]
    Plugin { name: String, line: usize },
    #[error("{name} has a public key in line {line}: a private key is needed")]
    Public { name: String, line: usize },
    #[error("{name} has something else than a private key in line {line}, or one that is cut off")]
    Damaged { name: String, line: usize },
}

/// How private keys that are of no use here begin, and what they are called.
const OTHER_KINDS: [(&str, &str); 6] = [
    ("-----BEGIN PRIVATE KEY-----", "PKCS #8"),
    ("-----BEGIN ENCRYPTED PRIVATE KEY-----", "PKCS #8"),
    ("-----BEGIN EC PRIVATE KEY-----", "ECDSA"),
    ("-----BEGIN DSA PRIVATE KEY-----", "DSA"),
    ("-----BEGIN PGP PRIVATE KEY BLOCK-----", "PGP"),
    ("PuTTY-User-Key-File-", "PuTTY"),
];
const SSH: [&str; 2] = ["-----BEGIN OPENSSH PRIVATE KEY-----", "-----BEGIN RSA PRIVATE KEY-----"];
/// Ssh keys with which age can open.
const USABLE_SSH: [&str; 2] = ["ssh-ed25519", "ssh-rsa"];

impl Keyring {
    /// Reads the keys of a text: one of age in each line, with comments behind `#`, or one ssh key. `name` is what an error
    /// calls it: `the file keys.txt`, `the variable STACKCTL_KEY`.
    ///
    /// # Errors
    ///
    /// It has no keys, or one that cannot be used.
    pub fn parse(text: &Plaintext, name: &str) -> Result<Self, BadKey> {
        let owner = || name.to_owned();
        if envelope::is_sealed(text.expose()) {
            return Err(BadKey::Sealed { name: owner() });
        }
        let text = std::str::from_utf8(text.expose()).map_err(|_| BadKey::NotText { name: owner() })?;
        if let Some((_, kind)) = OTHER_KINDS.into_iter().find(|(begin, _)| text.contains(begin)) {
            return Err(BadKey::OtherKind { name: owner(), kind: kind.to_owned() });
        }
        let mut ring = Self::default();
        if let Some(at) = SSH.into_iter().find_map(|begin| text.find(begin)) {
            ring.add_ssh(&text[at..], name, 1 + text[..at].matches('\n').count())?;
            return Ok(ring);
        }
        for (at, line) in text.lines().map(str::trim).enumerate() {
            if !line.is_empty() && !line.starts_with('#') {
                ring.add_age(line, name, at + 1)?;
            }
        }
        if ring.is_empty() { Err(BadKey::Empty { name: owner() }) } else { Ok(ring) }
    }

    fn add_age(&mut self, text: &str, name: &str, line: usize) -> Result<(), BadKey> {
        let name = name.to_owned();
        if let Ok(key) = text.parse::<age::x25519::Identity>() {
            self.push_age(key);
            return Ok(());
        }
        // Long enough for the words that are looked for, and for no key.
        let begin = text.get(..text.len().min(20)).unwrap_or_default().to_ascii_uppercase();
        Err(if begin.starts_with("AGE-PLUGIN-") {
            BadKey::Plugin { name, line }
        } else if begin.starts_with("AGE-SECRET-KEY-PQ-") {
            BadKey::OtherKind { name, kind: "AGE-SECRET-KEY-PQ".to_owned() }
        } else if ["AGE1", "SSH-", "ECDSA-", "SK-"].into_iter().any(|public| begin.starts_with(public)) {
            BadKey::Public { name, line }
        } else {
            BadKey::Damaged { name, line }
        })
    }

    fn add_ssh(&mut self, text: &str, name: &str, line: usize) -> Result<(), BadKey> {
        use age::ssh::{Identity, UnsupportedKey};

        let name = name.to_owned();
        let damaged = |name| BadKey::Damaged { name, line };
        let text = Zeroizing::new(text.replace("\r\n", "\n"));
        if text.starts_with(SSH[0]) && !ssh_wire::is_private_whole(&text) {
            return Err(damaged(name));
        }
        match Identity::from_buffer(text.as_bytes(), None) {
            Ok(key @ Identity::Unencrypted(_)) => {
                let public = Recipient::of_ssh(key.clone().try_into().map_err(|_| damaged(name.clone()))?);
                self.keys.push(Box::new(key));
                self.publics.push(public);
                Ok(())
            }
            Ok(Identity::Encrypted(_)) => Err(BadKey::Passphrase { name }),
            Ok(Identity::Unsupported(UnsupportedKey::EncryptedPem | UnsupportedKey::EncryptedSsh(_))) => {
                Err(BadKey::Passphrase { name })
            }
            // What age takes for a kind that it does not know, if the rest of the key is damaged.
            Ok(Identity::Unsupported(UnsupportedKey::Hardware(kind) | UnsupportedKey::Type(kind)))
                if !USABLE_SSH.contains(&kind.as_str()) && is_word(&kind) =>
            {
                Err(BadKey::OtherKind { name, kind })
            }
            Ok(Identity::Unsupported(_)) | Err(_) => Err(damaged(name)),
        }
    }

    pub(super) fn push_age(&mut self, key: age::x25519::Identity) {
        self.publics.push(Recipient::of_age(key.to_public()));
        self.keys.push(Box::new(key));
    }

    /// A new key, and the text of a file for it, as `age-keygen` writes one.
    #[must_use]
    pub fn generate() -> (Self, Plaintext) {
        let key = age::x25519::Identity::generate();
        let (public, private) = (key.to_public().to_string(), key.to_string());
        let text = [b"# public key: ", public.as_bytes(), b"\n", private.expose_secret().as_bytes(), b"\n"];
        let mut ring = Self::default();
        ring.push_age(key);
        // Joined in one piece: a buffer that grows leaves copies behind.
        (ring, Plaintext::new(text.concat()))
    }

    /// Takes over the keys of another.
    pub fn append(&mut self, mut other: Self) {
        self.keys.append(&mut other.keys);
        self.publics.append(&mut other.publics);
    }

    /// The public halves, in the order in which the keys were given.
    #[must_use]
    pub fn publics(&self) -> &[Recipient] {
        &self.publics
    }

    /// How many keys there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    pub(super) fn as_age(&self) -> impl Iterator<Item = &dyn age::Identity> {
        self.keys.iter().map(|key| key.as_ref() as &dyn age::Identity)
    }
}

/// Whether it is the name of a kind, and no bytes of a key that was read wrongly.
fn is_word(kind: &str) -> bool {
    kind.len() < 50 && kind.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-@.".contains(&byte))
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Keyring({} hidden)", self.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Keyring, BadKey> {
        Keyring::parse(&Plaintext::new(text.as_bytes().to_vec()), "keys.txt")
    }

    #[test]
    fn age_keys_are_read_with_comments_around_them() {
        let keys = [age::x25519::Identity::generate(), age::x25519::Identity::generate()];
        let [one, other] = keys.each_ref().map(|key| key.to_string().expose_secret().to_owned());
        let mut ring = parse(&format!("# of ann\n\n  {one}\r\n{other}")).unwrap();
        let publics: Vec<&str> = ring.publics().iter().map(Recipient::as_str).collect();
        assert_eq!(publics, keys.each_ref().map(|key| key.to_public().to_string()));
        assert_eq!(format!("{ring:?}"), "Keyring(2 hidden)");
        ring.append(parse(&one.to_lowercase()).unwrap());
        assert_eq!((ring.len(), ring.is_empty()), (3, false));
    }

    #[test]
    fn what_is_wrong_is_said_with_its_place_and_never_quoted() {
        let key = age::x25519::Identity::generate().to_string().expose_secret().to_owned();
        let public = age::x25519::Identity::generate().to_public().to_string();
        for (text, wanted) in [
            (String::new(), "keys.txt has no private key in it"),
            ("# hunter2\n\n".to_owned(), "keys.txt has no private key in it"),
            (format!("{key}\n{}", &key[..50]), "something else than a private key in line 2"),
            (format!("{key}\nhunter2"), "something else than a private key in line 2"),
            ("ü\u{fe}hunter2 hunter2 hunter2".to_owned(), "something else than a private key in line 1"),
            (format!("\n{public}"), "public key in line 2"),
            ("ssh-ed25519 AAAAhunter2".to_owned(), "public key in line 1"),
            ("AGE-PLUGIN-YUBIKEY-1HUNTER2".to_owned(), "key of an age plugin in line 1"),
            ("AGE-SECRET-KEY-PQ-1HUNTER2".to_owned(), "of the kind AGE-SECRET-KEY-PQ"),
            ("-----BEGIN PRIVATE KEY-----\nhunter2".to_owned(), "of the kind PKCS #8"),
            ("-----BEGIN EC PRIVATE KEY-----\nhunter2".to_owned(), "of the kind ECDSA"),
            ("PuTTY-User-Key-File-3: hunter2".to_owned(), "of the kind PuTTY"),
            ("\n\n-----BEGIN OPENSSH PRIVATE KEY-----\nhunter2".to_owned(), "or one that is cut off"),
            (
                "-----BEGIN RSA PRIVATE KEY-----\nhunter2\n-----END RSA PRIVATE KEY-----".to_owned(),
                "in line 1",
            ),
            (
                "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,AA\n\nAAAA\n\
                 -----END RSA PRIVATE KEY-----\n"
                    .to_owned(),
                "ssh key with a passphrase",
            ),
            ("-----BEGIN AGE ENCRYPTED FILE-----\nhunter2".to_owned(), "itself encrypted"),
            ("age-encryption.org/v1\nhunter2".to_owned(), "itself encrypted"),
        ] {
            let error = parse(&text).unwrap_err();
            let shown = format!("{error} {error:?}").to_lowercase();
            assert!(error.to_string().contains(wanted), "{text}: {error}");
            assert!(error.to_string().starts_with("keys.txt ") && !shown.contains("hunter2"), "{error:?}");
        }
        let bytes = Plaintext::new(vec![0xff, 0xfe]);
        assert_eq!(Keyring::parse(&bytes, "k").unwrap_err(), BadKey::NotText { name: "k".to_owned() });
    }

    /// An ssh key in the form that `ssh-keygen` writes, without a passphrase.
    fn openssh(public: &[&[u8]], private: &[&[u8]]) -> String {
        let wire = |parts: &[&[u8]]| {
            let string = |part: &&[u8]| [&u32::try_from(part.len()).unwrap().to_be_bytes(), *part].concat();
            parts.iter().map(string).collect::<Vec<_>>().concat()
        };
        let mut inner = [&[7; 8], &wire(private)[..]].concat();
        inner.extend((1..).take(inner.len().next_multiple_of(8) - inner.len()).map(|at: u8| at));
        let bytes = [
            b"openssh-key-v1\0",
            &wire(&[b"none", b"none", b""])[..],
            &1_u32.to_be_bytes(),
            &wire(&[&wire(public), &inner]),
        ];
        let text = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, bytes.concat());
        let lines: Vec<&str> =
            (0..text.len()).step_by(70).map(|at| &text[at..text.len().min(at + 70)]).collect();
        format!(
            "-----BEGIN OPENSSH PRIVATE KEY-----\n{}\n-----END OPENSSH PRIVATE KEY-----\n",
            lines.join("\n")
        )
    }

    #[test]
    fn an_ssh_key_is_built_as_it_is_read() {
        let seed = [5; 32];
        let public = [&[0x58][..], &[0x66; 31]].concat();
        let both = [&seed[..], &public].concat();
        let text = openssh(&[b"ssh-ed25519", &public], &[b"ssh-ed25519", &public, &both, b"ann@mill"]);
        assert!(parse(&text).unwrap().publics()[0].as_str().starts_with("ssh-ed25519 "));
    }

    /// Numbers that make no key, in a form that is right.
    #[test]
    fn numbers_of_rsa_keys_may_be_anything() {
        let number = || proptest::collection::vec(0_u8..=127, 0..4);
        proptest::proptest!(|(numbers in [number(), number(), number(), number(), number(), number()])| {
            let [n, e, d, iqmp, p, q] = numbers.each_ref().map(Vec::as_slice);
            let text = openssh(&[b"ssh-rsa", e, n], &[b"ssh-rsa", n, e, d, iqmp, p, q, b"ann@mill"]);
            assert!(parse(&text).is_err());
        });
        for few in 0_u32..4096 {
            let number = |at: u32| vec![u8::try_from(few >> (2 * at) & 3).unwrap()];
            let [n, e, d, iqmp, p, q] = [0, 1, 2, 3, 4, 5].map(number);
            let text = openssh(&[b"ssh-rsa", &e, &n], &[b"ssh-rsa", &n, &e, &d, &iqmp, &p, &q, b""]);
            assert!(parse(&text).is_err());
        }
    }
}
