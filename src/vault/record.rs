//! The key of a cluster as a ledger keeps it, and what proves that the cluster itself wrote it.
//!
//! ```json
//! {"format": 2, "read": "0.3.0", "write": "0.3.0",
//!  "key": {"epoch": 2, "public": "age1…", "recipients": {"ann": "ssh-ed25519 …", "ci": "age1…"},
//!          "sealed": "…armored, to the recipients…", "former": [{"epoch": 1, "public": "age1…", "sealed": "…"}]},
//!  "proofs": {"marks": "…", "private_half": "…"}}
//! ```
//!
//! A part that this program does not know is refused, as the proofs would not hold for it: what is added to a record
//! raises the oldest version that may read it.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::error::{NotUsable, Proof};
use super::recipient::Recipient;
use super::recipients::Recipients;
use crate::model::format::Version;
use crate::model::{Format, MarkKey};

/// What a proof is made for, so that none of another thing stands for it.
const PURPOSE: &str = "recipients of the cluster's key";

/// As it was read, or is to be written. Says nothing until it is [checked](KeyRecord::check).
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct KeyRecord(Value);

/// All of a record.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Whole {
    format: u32,
    read: Version,
    write: Version,
    key: Said,
    proofs: Proofs,
}

/// What is proved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Said {
    /// 1 for the first key of a cluster; a rotation makes the next.
    pub epoch: u64,
    /// To which values are sealed.
    pub public: Recipient,
    pub recipients: Recipients,
    /// The private half, sealed to the recipients.
    pub sealed: String,
    /// Keys that were replaced and that some value may still need, the oldest first.
    pub former: Vec<Former>,
}

/// A key that was replaced.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Former {
    pub epoch: u64,
    pub public: Recipient,
    /// Its private half, sealed to the present key.
    pub sealed: String,
}

/// Of the whole of what a record says, with its format.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Proofs {
    marks: String,
    private_half: String,
}

impl Proofs {
    /// By both keys.
    pub fn make(marks: &MarkKey, private: &MarkKey, format: Format, said: &Said) -> Self {
        let content = content(format, said);
        Self { marks: marks.proof(PURPOSE, &content), private_half: private.proof(PURPOSE, &content) }
    }

    /// # Errors
    ///
    /// Another key made the proof, or it is of something else.
    pub fn check(&self, by: Proof, key: &MarkKey, format: Format, said: &Said) -> Result<(), NotUsable> {
        let proof = match by {
            Proof::Marks => &self.marks,
            Proof::PrivateHalf => &self.private_half,
        };
        if key.proves(PURPOSE, &content(format, said), proof) {
            return Ok(());
        }
        Err(NotUsable::Foreign { proof: by, recipients: said.recipients.words() })
    }
}

/// The same bytes for the same record, by any program and in any order: fields are in that of the types, and
/// recipients in that of their names.
fn content(format: Format, said: &Said) -> Vec<u8> {
    serde_json::to_vec(&(format, said)).expect("texts and numbers are JSON")
}

impl KeyRecord {
    /// Whether there is a record at all: before there is a key, there is none.
    #[must_use]
    pub fn is_none(&self) -> bool {
        self.0.is_null()
    }

    pub(super) fn of(format: Format, said: &Said, proofs: &Proofs) -> Self {
        let Format { number, read, write } = format;
        let whole = Whole { format: number, read, write, key: said.clone(), proofs: proofs.clone() };
        Self(serde_json::to_value(whole).expect("texts and numbers are JSON"))
    }

    /// What it says, and what it is proved by: not yet checked.
    ///
    /// # Errors
    ///
    /// A newer program wrote it, or it is damaged.
    pub(super) fn read(&self) -> Result<(Format, Said, Proofs), NotUsable> {
        let damaged = |error: serde_json::Error| NotUsable::Damaged(error.to_string());
        // First of all: nothing else need be as this version knows it.
        let format = Format::deserialize(&self.0).map_err(damaged)?;
        format.check_read().map_err(NotUsable::TooOld)?;
        let Whole { key, proofs, .. } = Whole::deserialize(&self.0).map_err(damaged)?;
        check_order(&key)?;
        Ok((format, key, proofs))
    }
}

fn check_order(said: &Said) -> Result<(), NotUsable> {
    let damaged = |what: &str| Err(NotUsable::Damaged(what.to_owned()));
    let epochs: Vec<u64> = said.former.iter().map(|former| former.epoch).chain([said.epoch]).collect();
    if epochs[0] == 0 || !epochs.is_sorted_by(|one, next| one < next) {
        return damaged("its epochs are not in order");
    }
    if !said.public.is_age() || said.former.iter().any(|former| !former.public.is_age()) {
        return damaged("the key of a cluster is one of age, and it has another");
    }
    Ok(())
}

impl fmt::Debug for KeyRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyRecord({})", self.0["key"]["public"].as_str().unwrap_or("none"))
    }
}
