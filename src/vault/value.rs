//! A value as it is kept: sealed to the cluster's key of one epoch.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A sealed value. Who cannot open it sees its version, and so whether two are of the same bytes.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SealedValue {
    /// Of the key that opens it. Those that are behind the cluster's have yet to be encrypted again.
    pub epoch: u64,
    /// By the key of marks ([`MarkKey::of_secret`](crate::model::MarkKey::of_secret)): it stays when the value is
    /// encrypted again.
    pub version: String,
    /// In the armored form of age.
    pub(super) sealed: String,
}

impl fmt::Debug for SealedValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SealedValue({} of epoch {})", self.version, self.epoch)
    }
}
