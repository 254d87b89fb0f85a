//! The key of a cluster: who can open it, what it opens, and how it is replaced.

use std::collections::BTreeMap;
use std::fmt;

use age::secrecy::ExposeSecret as _;
use age::x25519::Identity;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use super::error::{ChangeError, NotUsable, Proof, ValueError};
use super::keyring::Keyring;
use super::name::RecipientName;
use super::recipient::Recipient;
use super::recipients::Recipients;
use super::record::{Former, KeyRecord, Proofs, Said};
use super::sealing::{Form, OpenError, SealError, open, seal};
use super::sizes::Kind;
use super::value::SealedValue;
use crate::model::{Format, MarkKey, Plaintext};

/// More than the text of a private key has.
const PRIVATE_MAX: usize = 200;

/// The key of a cluster, known to be its own: what can be done without a private key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClusterKey {
    marks: MarkKey,
    format: Format,
    said: Said,
    proofs: Proofs,
}

impl KeyRecord {
    /// The key, if this cluster wrote it.
    ///
    /// # Errors
    ///
    /// A newer program wrote it, it is damaged, or other hands wrote it.
    pub fn check(&self, marks: &MarkKey) -> Result<ClusterKey, NotUsable> {
        if *marks == MarkKey::unset() {
            return Err(NotUsable::NoMarks);
        }
        let (format, said, proofs) = self.read()?;
        proofs.check(Proof::Marks, marks, format, &said)?;
        Ok(ClusterKey { marks: marks.clone(), format, said, proofs })
    }
}

impl ClusterKey {
    /// For the ledger.
    #[must_use]
    pub fn record(&self) -> KeyRecord {
        KeyRecord::of(self.format, &self.said, &self.proofs)
    }

    /// Which of the cluster's keys it is, counted from 1.
    #[must_use]
    pub const fn epoch(&self) -> u64 {
        self.said.epoch
    }

    /// To which values are sealed.
    #[must_use]
    pub const fn public(&self) -> &Recipient {
        &self.said.public
    }

    /// Who can open it.
    #[must_use]
    pub const fn recipients(&self) -> &Recipients {
        &self.said.recipients
    }

    /// The epochs of former keys that it still opens.
    pub fn former(&self) -> impl Iterator<Item = u64> {
        self.said.former.iter().map(|former| former.epoch)
    }

    /// The names of recipients whose private keys these are.
    pub fn names_of<'k>(&'k self, keys: &'k Keyring) -> impl Iterator<Item = &'k RecipientName> {
        let is_theirs = |recipient: &Recipient| keys.publics().contains(recipient);
        self.said.recipients.iter().filter(move |(_, recipient)| is_theirs(recipient)).map(|(name, _)| name)
    }

    /// The version that a value of this name has: the same one for all epochs.
    #[must_use]
    pub fn version(&self, name: &str, plain: &Plaintext) -> String {
        self.marks.of_secret(name, plain.expose())
    }

    /// Seals a value, for which no private key is needed. `name` counts for its version.
    ///
    /// # Errors
    ///
    /// It is empty or too large.
    pub fn seal(&self, kind: Kind, name: &str, plain: &Plaintext) -> Result<SealedValue, SealError> {
        kind.check(plain)?;
        let version = self.version(name, plain);
        Ok(SealedValue { epoch: self.said.epoch, version, sealed: text(&self.said.public, plain) })
    }

    /// Seals bytes to the recipients themselves, so that their private keys open them where the cluster's key is lost.
    #[must_use]
    pub fn seal_for_recipients(&self, plain: &Plaintext) -> Vec<u8> {
        let to = self.said.recipients.iter().map(|(_, recipient)| recipient);
        seal(to, plain, Form::Armored).expect("there are recipients")
    }

    /// Opens the key itself, with the private key of a recipient.
    ///
    /// # Errors
    ///
    /// None of the keys fits, the list of recipients was changed without the private half, or a former key is lost.
    pub fn open(&self, keys: &Keyring) -> Result<Opened, NotUsable> {
        let Said { epoch, public, recipients, sealed, former } = &self.said;
        let private = open(keys, sealed.as_bytes(), PRIVATE_MAX).map_err(|error| match error {
            OpenError::NoKeyFits { tried, .. } => {
                NotUsable::NoKeyFits { tried, recipients: recipients.words() }
            }
            other => NotUsable::Private(other),
        })?;
        let private = half_of(&private, public, *epoch)?;
        self.proofs.check(Proof::PrivateHalf, &proof_key(&private), self.format, &self.said)?;
        let ring = ring_of(&private);
        let mut all = BTreeMap::new();
        for Former { epoch, public, sealed } in former {
            let half = open(&ring, sealed.as_bytes(), PRIVATE_MAX)
                .map_err(|why| NotUsable::Former { epoch: *epoch, why })?;
            all.insert(*epoch, half_of(&half, public, *epoch)?);
        }
        all.insert(*epoch, private);
        Ok(Opened { key: self.clone(), private: all })
    }
}

/// The key of a cluster with its private halves: opens values, and changes who can.
///
/// Each change gives a new one and leaves this as it is. It counts once its [record](ClusterKey::record) is written.
pub struct Opened {
    key: ClusterKey,
    /// By epoch; the last is that of the key.
    private: BTreeMap<u64, Identity>,
}

impl Opened {
    /// The first key of a cluster.
    ///
    /// # Errors
    ///
    /// The cluster has no key of marks.
    pub fn create(marks: &MarkKey, recipients: Recipients) -> Result<Self, NotUsable> {
        if *marks == MarkKey::unset() {
            return Err(NotUsable::NoMarks);
        }
        Ok(Self::make(marks, recipients, [(1, Identity::generate())].into()))
    }

    /// The key, without its private halves.
    #[must_use]
    pub const fn key(&self) -> &ClusterKey {
        &self.key
    }

    /// One more recipient. It can open every value of this key, also those that were sealed before.
    ///
    /// # Errors
    ///
    /// The name or the key is there already; or this program may not change the record.
    pub fn add(&self, name: RecipientName, recipient: Recipient) -> Result<Self, ChangeError> {
        self.check_write()?;
        let recipients = self.key.said.recipients.with(name, recipient)?;
        Ok(Self::make(&self.key.marks, recipients, self.private.clone()))
    }

    /// One recipient less, and so a new key: the present one is known to the recipient. The values are to be
    /// [encrypted again](Self::renew), and those that matter are to be changed.
    ///
    /// # Errors
    ///
    /// There is no such recipient, or no other; or this program may not change the record.
    pub fn remove(&self, name: &RecipientName) -> Result<Self, ChangeError> {
        self.check_write()?;
        Ok(self.next(self.key.said.recipients.without(name)?))
    }

    /// A new key for the same recipients. The former keys are sealed to it.
    ///
    /// # Errors
    ///
    /// This program may not change the record.
    pub fn rotate(&self) -> Result<Self, ChangeError> {
        self.check_write()?;
        Ok(self.next(self.key.said.recipients.clone()))
    }

    /// Without the former keys before an epoch: once each value was encrypted again, nothing needs them.
    ///
    /// # Errors
    ///
    /// This program may not change the record.
    pub fn forget(&self, before: u64) -> Result<Self, ChangeError> {
        self.check_write()?;
        let mut private = self.private.clone();
        private.retain(|epoch, _| *epoch >= before || *epoch == self.key.said.epoch);
        Ok(Self::make(&self.key.marks, self.key.said.recipients.clone(), private))
    }

    /// Whether this key, or a former one, has this public half: of a record that other hands have replaced with a key pair
    /// of their own, none has.
    #[must_use]
    pub fn continues(&self, known: &Recipient) -> bool {
        self.private.values().any(|half| Recipient::of_age(half.to_public()) == *known)
    }

    /// Opens a value that was sealed by this name.
    ///
    /// # Errors
    ///
    /// It is of an epoch that this key does not have, it is damaged, or it is another value than its version says.
    pub fn open(&self, name: &str, value: &SealedValue) -> Result<Plaintext, ValueError> {
        let plain = self.open_any(value)?;
        let is_that = self.key.version(name, &plain) == value.version;
        if is_that { Ok(plain) } else { Err(ValueError::OtherValue) }
    }

    /// The value encrypted to the present key, with the version that it has; `None` if it is already. So re-encryption
    /// that was cut off goes on where it was.
    ///
    /// # Errors
    ///
    /// It is of an epoch that this key does not have, or it is damaged.
    pub fn renew(&self, value: &SealedValue) -> Result<Option<SealedValue>, ValueError> {
        let Said { epoch, public, .. } = &self.key.said;
        if value.epoch == *epoch {
            return Ok(None);
        }
        let sealed = text(public, &self.open_any(value)?);
        Ok(Some(SealedValue { epoch: *epoch, version: value.version.clone(), sealed }))
    }

    fn open_any(&self, value: &SealedValue) -> Result<Plaintext, ValueError> {
        let ours = self.key.said.epoch;
        let Some(half) = self.private.get(&value.epoch) else {
            let epoch = value.epoch;
            return Err(if epoch > ours {
                ValueError::Newer { epoch, ours }
            } else {
                ValueError::Forgotten { epoch }
            });
        };
        Ok(open(&ring_of(half), value.sealed.as_bytes(), Kind::Config.bytes_max())?)
    }

    fn check_write(&self) -> Result<(), NotUsable> {
        self.key.format.check_write().map_err(NotUsable::TooOld)
    }

    fn next(&self, recipients: Recipients) -> Self {
        let mut private = self.private.clone();
        let epoch = self.key.said.epoch.checked_add(1).expect("no cluster rotates so often");
        private.insert(epoch, Identity::generate());
        Self::make(&self.key.marks, recipients, private)
    }

    /// Seals the last of these to the recipients, and the others to the last.
    fn make(marks: &MarkKey, recipients: Recipients, private: BTreeMap<u64, Identity>) -> Self {
        let (epoch, present) = private.last_key_value().expect("a cluster has a key");
        let public = Recipient::of_age(present.to_public());
        let former = private.iter().filter(|(other, _)| *other != epoch).map(|(epoch, half)| Former {
            epoch: *epoch,
            public: Recipient::of_age(half.to_public()),
            sealed: text(&public, &plain_of(half)),
        });
        let to = recipients.iter().map(|(_, recipient)| recipient);
        let sealed = as_text(seal(to, &plain_of(present), Form::Armored));
        let said = Said { epoch: *epoch, former: former.collect(), public, recipients, sealed };
        let proofs = Proofs::make(marks, &proof_key(present), Format::CURRENT, &said);
        let key = ClusterKey { marks: marks.clone(), format: Format::CURRENT, said, proofs };
        Self { key, private }
    }
}

#[cfg(test)]
impl Opened {
    /// A record that says something else, with right proofs: by the key of marks, and by the private half if the hand that
    /// wrote it had that.
    pub(super) fn forged(&self, has_private: bool, change: impl FnOnce(&mut Format, &mut Said)) -> KeyRecord {
        let ClusterKey { marks, mut format, mut said, .. } = self.key.clone();
        change(&mut format, &mut said);
        let present = self.private.values().last().expect("a cluster has a key");
        let private = if has_private { proof_key(present) } else { MarkKey::new([9; 32]) };
        let proofs = Proofs::make(&marks, &private, format, &said);
        KeyRecord::of(format, &said, &proofs)
    }
}

impl fmt::Debug for Opened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Opened({} of epoch {})", self.key.said.public, self.key.said.epoch)
    }
}

fn text(to: &Recipient, plain: &Plaintext) -> String {
    as_text(seal([to], plain, Form::Armored))
}

fn as_text(sealed: Result<Vec<u8>, SealError>) -> String {
    String::from_utf8(sealed.expect("there are recipients")).expect("the armored form is text")
}

/// As age's own files have it, so that `age` alone can open everything.
fn plain_of(half: &Identity) -> Plaintext {
    Plaintext::new(half.to_string().expose_secret().as_bytes().to_vec())
}

fn ring_of(half: &Identity) -> Keyring {
    let mut ring = Keyring::default();
    ring.push_age(half.clone());
    ring
}

/// The private half in a text, if it is that of this key.
fn half_of(text: &Plaintext, public: &Recipient, epoch: u64) -> Result<Identity, NotUsable> {
    let half = std::str::from_utf8(text.expose()).ok().and_then(|text| text.trim().parse::<Identity>().ok());
    half.filter(|half| Recipient::of_age(half.to_public()) == *public).ok_or(NotUsable::OtherHalf { epoch })
}

/// A key for proofs, from which the private half cannot be found.
fn proof_key(half: &Identity) -> MarkKey {
    let mut mac = Hmac::<Sha256>::new_from_slice(half.to_string().expose_secret().as_bytes())
        .expect("any length will do");
    mac.update(b"stackctl: proofs by the private half");
    MarkKey::new(mac.finalize().into_bytes().into())
}
