//! Records as they are shown: what surfaces name of the ledger. They read these types and never write one; what writes
//! records is in this room alone.

pub use crate::ledger::archive::{Archive, BadBackup, NotCopied};
pub use crate::ledger::lease::{BegunStop, Held, Holder};
pub use crate::ledger::nodes::{NodeRecord, NodeRecords};
pub use crate::ledger::operation::Changed;
pub use crate::ledger::place::{BadLedger, LedgerPlace};
pub use crate::ledger::release::{Git, History, Outcome, Release};
pub use crate::ledger::secrets::{Secret, Secrets, Version, owner as owner_of_secrets};
pub use crate::ledger::settings::Suspended;
pub use crate::ledger::{Current, LedgerError, NoCurrent};
