//! What can be wrong with the key of a cluster, and with values that were sealed to it.

use std::fmt;

use super::name::RecipientName;
use super::sealing::OpenError;
use crate::model::format::TooOld;

/// By what a list of recipients is known to be the cluster's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proof {
    /// The key of marks, which every program of the cluster has.
    Marks,
    /// The private half of the cluster's key, which recipients have.
    PrivateHalf,
}

impl fmt::Display for Proof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Marks => "the cluster's key of marks",
            Self::PrivateHalf => "the private half of the cluster's key",
        })
    }
}

/// Why the record of a cluster's key is not used. Nothing is sealed to it then, and nothing is changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotUsable {
    /// A newer program wrote it.
    #[error("the cluster's key cannot be used: {0}")]
    TooOld(TooOld),
    /// It is no record of a key.
    #[error("the record of the cluster's key is damaged: {0}")]
    Damaged(String),
    /// Without it, the cluster's own list of recipients looks as one that other hands wrote.
    #[error("the cluster has no key of marks yet, by which its recipients could be known")]
    NoMarks,
    /// Other hands wrote it, or changed it.
    #[error(
        "the cluster's key is refused: what stands in the ledger of it, with the recipients {recipients}, was not \
         written by a program that has {proof}"
    )]
    Foreign { proof: Proof, recipients: String },
    /// None of the private keys is of a recipient.
    #[error("{} the cluster's key: its recipients are {recipients}", opens_words(*.tried))]
    NoKeyFits { tried: usize, recipients: String },
    /// The private half cannot be opened for another reason.
    #[error("the private half of the cluster's key cannot be opened: {0}")]
    Private(OpenError),
    /// What was opened is the private half of another key.
    #[error("what is kept as the private half of the cluster's key of epoch {epoch} belongs to another key")]
    OtherHalf { epoch: u64 },
    /// Values of a former key cannot be opened any more.
    #[error("the cluster's former key of epoch {epoch} cannot be opened: {why}")]
    Former { epoch: u64, why: OpenError },
}

fn opens_words(tried: usize) -> String {
    match tried {
        0 => "there is no private key that opens".to_owned(),
        1 => "the private key does not open".to_owned(),
        some => format!("none of the {some} private keys opens"),
    }
}

/// Why the recipients stay as they are.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChangeError {
    #[error("there is a recipient {name} already: remove it first, or choose another name")]
    NameTaken { name: RecipientName },
    #[error("the key of {name} is that of the recipient {there} already")]
    KeyTwice { name: RecipientName, there: RecipientName },
    #[error("there is no recipient {name}: there are {there}")]
    NoSuchName { name: RecipientName, there: String },
    #[error("{name} is the last recipient: without one, nothing could open the cluster's key any more")]
    LastOne { name: RecipientName },
    #[error("there is no recipient: nothing could open the cluster's key")]
    NoRecipients,
    #[error(transparent)]
    NotUsable(#[from] NotUsable),
}

/// Why a sealed value gives nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ValueError {
    /// A newer record of the key has it.
    #[error(
        "it is encrypted to the cluster's key of epoch {epoch}, and the key that was read is of epoch {ours}"
    )]
    Newer { epoch: u64, ours: u64 },
    /// The key of that epoch was given up.
    #[error("it is encrypted to the cluster's key of epoch {epoch}, which is not kept any more")]
    Forgotten { epoch: u64 },
    #[error(transparent)]
    Open(#[from] OpenError),
    /// It was put in the place of another value, or was not made by this cluster.
    #[error("it is not the value that its version stands for: other hands put it there")]
    OtherValue,
}
