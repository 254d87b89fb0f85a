//! Discovered hosts that are gone for good: what names them no more is believed again.

use std::collections::BTreeMap;

use crate::engine::node_records;
use crate::ledger::nodes::NodeRecords;
use crate::ledger::{Ledger, LedgerError, WriteRegisters};
use crate::model::NodeName;

/// Why a host was not dropped. None of those that were named with it was.
#[derive(Debug, thiserror::Error)]
pub enum NotForgotten {
    /// The ledger cannot be read or written.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// No host of that name was ever discovered.
    #[error("no host `{0}` is remembered as discovered")]
    Unknown(String),
    /// A source names it.
    #[error("host `{name}` is there: {source_name} names it")]
    Named {
        /// The host.
        name: String,
        /// The source.
        source_name: String,
    },
}

/// Drops hosts that were discovered and are gone. `found` are those that are named now, each by its source.
///
/// # Errors
///
/// If one of them is still named, or was never discovered.
pub async fn forget<R: WriteRegisters>(
    ledger: &Ledger<R>,
    found: &BTreeMap<NodeName, String>,
    names: &[String],
) -> Result<(), NotForgotten> {
    let named = |name: &String| Some((name.clone(), found.get(name.as_str())?.clone()));
    if let Some((name, source_name)) = names.iter().find_map(named) {
        return Err(NotForgotten::Named { name, source_name });
    }
    node_records::change(ledger, |records: &mut NodeRecords| {
        for name in names {
            if records.discovered.remove(name.as_str()).is_none() {
                return Err(NotForgotten::Unknown(name.clone()));
            }
        }
        Ok(())
    })
    .await?;
    Ok(())
}
