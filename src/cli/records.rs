//! The ledger's place as an argument.

use super::report::{Blame, Failure};
pub(super) use crate::engine::Writing;
pub(super) use crate::engine::records::remembered;
pub(super) use crate::ops::cluster::drifted;
use crate::ops::records::{BadLedger, LedgerError, LedgerPlace};

impl From<LedgerError> for Failure {
    fn from(error: LedgerError) -> Self {
        let blame = if error.is_silence() { Blame::Unreachable } else { Blame::Refused };
        Self::new(blame, error)
    }
}

/// A ledger's place on the command line.
pub(super) fn place(text: &str) -> Result<LedgerPlace, BadLedger> {
    LedgerPlace::parse(text)
}
