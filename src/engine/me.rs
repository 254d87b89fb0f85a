//! The identity that goes into our leases. Finds nothing out: the caller supplies it.

use super::new_key::NewKey;
use crate::ledger::lease::Holder;
use crate::ledger::payload::fresh_id;

/// Characters of a lease's id behind the name of what it is of.
const ID_CHARS: usize = 8;

/// A process of stackctl.
#[derive(Debug, Clone)]
pub struct Me {
    /// `user@machine`.
    pub who: String,
    pub pid: u32,
    /// Which process of which start of which machine.
    pub process: String,
    /// Whether the holder of a lease is known from here to have ended.
    pub is_gone: fn(&Holder) -> bool,
    /// What it would give a cluster without a key of marks.
    pub new_key: NewKey,
}

impl Me {
    /// As the holder of a new lease of `of`, for a `verb`.
    #[must_use]
    pub fn holder(&self, of: &str, verb: &str) -> Holder {
        Holder {
            id: format!("{of}-{}", &fresh_id()[..ID_CHARS]),
            who: self.who.clone(),
            pid: self.pid,
            process: self.process.clone(),
            verb: verb.to_owned(),
        }
    }
}
