//! Members that are gone for good: what names them no more is believed again.

use std::collections::BTreeMap;

use crate::engine::node_records;
use crate::ledger::nodes::NodeRecords;
use crate::ledger::{Ledger, LedgerError, WriteRegisters};
use crate::model::{NodeName, Observed};

/// Why a host was not dropped. None of those that were named with it was.
#[derive(Debug, thiserror::Error)]
pub enum NotForgotten {
    /// The ledger cannot be read or written.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// No host of that name is remembered.
    #[error("no host `{0}` is remembered")]
    Unknown(String),
    /// A source, or the inventory itself, names it.
    #[error("host `{name}` is there: {source_name} names it")]
    Named {
        /// The host.
        name: String,
        /// What names it.
        source_name: String,
    },
}

/// What names each host of an observation. One that leads to another machine than before may be forgotten: that other
/// one is remembered then.
#[must_use]
pub fn named(observed: &Observed) -> BTreeMap<NodeName, String> {
    let replaced = observed.replaced_for_any();
    let there = observed.nodes.values().map(|node| &node.member);
    let there = there.filter(|member| !observed.is_missing(&member.name) && !replaced.contains(&member.name));
    let source = |by: &Option<String>| by.clone().unwrap_or_else(|| "the inventory".to_owned());
    there.map(|member| (member.name.clone(), source(&member.found_by))).collect()
}

/// Drops members that are gone for good, with all that is remembered of what runs there. `named` are those that are
/// named now, each by its source.
///
/// # Errors
///
/// If one of them is still named, or is not remembered.
pub async fn forget<R: WriteRegisters>(
    ledger: &Ledger<R>,
    named: &BTreeMap<NodeName, String>,
    names: &[String],
) -> Result<(), NotForgotten> {
    let is_named = |name: &String| Some((name.clone(), named.get(name.as_str())?.clone()));
    if let Some((name, source_name)) = names.iter().find_map(is_named) {
        return Err(NotForgotten::Named { name, source_name });
    }
    node_records::change(ledger, |records: &mut NodeRecords| {
        for name in names {
            let found = records.discovered.remove(name.as_str()).is_some();
            let known = records.members.remove(name.as_str()).is_some();
            if !found && !known {
                return Err(NotForgotten::Unknown(name.clone()));
            }
        }
        Ok(())
    })
    .await?;
    Ok(())
}
