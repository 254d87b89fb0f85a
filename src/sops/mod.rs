//! Files that hold secrets and configs encrypted: whole ones by [age](https://age-encryption.org/v1), and those of
//! [SOPS](https://getsops.io), in which keys stand in clear and values do not.
//!
//! Everything here is a function of its arguments: no files, no clock, no environment, no network. Which private keys
//! there are, and where from, is the caller's ([`Keyring`](crate::vault::Keyring)).
//!
//! ```text
//! bytes ──▶ detect ──▶ read: json, yaml_file, dotenv ──▶ a tree with places
//!                                                          │
//!           Keyring ──▶ metadata: the key, the rule ──▶ decrypt: one pass ──▶ Plaintext
//! ```
//!
//! - [`Source::open_file`] takes any file: an encrypted one is opened, any other is given as it is.
//! - [`detect`] says what a file is, [`open`] opens one.
//!
//! # How a SOPS file is opened
//!
//! One of the recipients in its part `sops` has to be an age or ssh key of which the keyring has the private half; that
//! gives the key of the values. Each of them is AES-256-GCM with the keys down to it as additional data, so none can be
//! moved. All of them in their order, also those that are not encrypted, are what the MAC is made of. What comes out is the
//! file's own text, with values in the place of what was encrypted and without the part `sops`: order, layout and comments
//! stay. A binary file gives its bytes.
//!
//! Refused by name: INI files, keys that are split over groups (Shamir), other kinds of keys than age and ssh where no such
//! key is there, other versions than 3, and YAML with aliases or tags, which SOPS does not write.
//!
//! # What the format does not protect
//!
//! Who can change a SOPS file and has no key can still change some of it unseen, for this program as for SOPS:
//!
//! - comments, which no MAC covers, and values without content: `null`, `""`, `{}`, `[]`, and their keys;
//! - whether something is an item of a list, since paths have no numbers: `{a: 1}` can be made `[{a: 1}]`;
//! - the keys of values that are not encrypted; with `mac_only_encrypted` these values, too;
//! - the type of a value: a number can be made a text of its digits, and the other way round.
//!
//! And who knows a recipient, which is public, can encrypt a whole new file to it. Where that matters, the file's origin
//! has to be checked, as git does with signed commits.
//!
//! # What stays in memory
//!
//! What comes out, the key of the values with what AES makes of it, and each value on its way are overwritten when they
//! are dropped. Not overwritten: the state of the MAC's hash, with up to 128 bytes of the last values; the key by which
//! GCM authenticates, which opens nothing; and what registers and the stack keep for a while. Of a file that is not
//! encrypted no copy is made, unless it names both `sops` and `lastmodified`: then it is read, to be sure. The encrypted
//! text, and what of it is not encrypted, is no secret.

mod cipher;
mod decrypt;
mod detect;
mod dotenv;
mod error;
mod json;
mod metadata;
mod out;
mod rule;
mod source;
mod tree;
mod yaml_file;

#[cfg(test)]
mod tests;

pub use detect::detect;
pub use error::{FileError, Format, Limit, SopsError};
pub use source::{Source, open};
