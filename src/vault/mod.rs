//! Secrets: values that are encrypted where they rest, and the key of a cluster that opens them.
//!
//! Everything here is a function of its arguments: no files, no clock, no environment, no network. There is one
//! exception: randomness, which the operating system's generator gives ([`draw`], every new key, every sealed value, every
//! [certificate](authority)).
//!
//! # How a value is kept
//!
//! ```text
//! private keys of people, CI, the loop      Keyring
//!        │ open
//! private half of the cluster's key         ClusterKey → Opened      one for each epoch, the older ones sealed to the newest
//!        │ opens
//! sealed values                             SealedValue              each names its epoch and its version
//! ```
//!
//! All of it is the [age](https://age-encryption.org/v1) format: with a private key of a recipient, `age` alone opens the
//! cluster's key, and with that every value.
//!
//! - [`Plaintext`] holds a secret's bytes: it cannot be printed, compared, copied or serialised, and is overwritten when
//!   it is dropped. `tests/tidy` lists the files that may read it.
//! - [`KeyRecord`] is what a ledger keeps. [`KeyRecord::check`] makes it a [`ClusterKey`], to which values can be sealed,
//!   and [`ClusterKey::open`] makes that an [`Opened`] one, which opens values and changes who can.
//! - A value's version is a digest by the key of marks ([`MarkKey::of_secret`](crate::model::MarkKey::of_secret)), which
//!   encrypts nothing: new recipients and a new key of the cluster change no version, so they replace no task.
//!
//! # What the list of recipients is proved by
//!
//! Two proofs stand in the record, each over all of it. One is made with the key of marks, so every program of this
//! cluster checks it, also one that can open nothing. The other is made with the private half: who can only read and
//! write the ledger, where the key of marks is kept, cannot make it.
//!
//! What neither can show: that a record which another hand replaced as a whole, with a key pair of its own, is not this
//! cluster's. Such a key opens no value that was sealed before, and [`Opened::continues`] compares it with a public half
//! that is known from elsewhere. Nor that an earlier record of this cluster was put back: values of a later epoch show it
//! ([`ValueError::Newer`]). A recipient who was removed keeps what they could open before: the values have to be
//! changed, too, and until the ledger refuses them, they could write as before.
//!
//! # What stays in memory
//!
//! What is dropped here is overwritten. Copies that the crate `age` makes while it encrypts are not: a part of a value of
//! up to 64 KiB can stay in freed memory of this process.

pub mod authority;
mod cluster_key;
mod draw;
mod envelope;
mod error;
mod keyring;
mod name;
mod recipient;
mod recipients;
mod record;
mod sealing;
mod sizes;
mod ssh_wire;
mod value;

#[cfg(test)]
mod tests;

pub use crate::model::Plaintext;
pub use cluster_key::{ClusterKey, Opened};
pub use draw::draw;
pub use envelope::is_sealed;
pub use error::{ChangeError, NotUsable, Proof, ValueError};
pub use keyring::{BadKey, Keyring};
pub use name::{BadName, BadObjectName, ObjectName, RecipientName};
pub use recipient::{BadRecipient, Recipient};
pub use recipients::Recipients;
pub use record::KeyRecord;
pub use sealing::{Form, OpenError, SealError, open, seal};
pub use sizes::{BadSize, Kind};
pub use value::SealedValue;
