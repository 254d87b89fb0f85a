//! The ledger's place as an argument.

use super::report::{Blame, Failure};
pub(super) use crate::engine::records::remembered;
pub(super) use crate::engine::{Reading, Writing};
use crate::ledger::LedgerError;
use crate::ledger::place::{BadLedger, LedgerPlace};
pub(super) use crate::ops::cluster::drifted;

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
