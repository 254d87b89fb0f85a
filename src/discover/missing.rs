//! Checks whether the answers of discovery sources are plausible, by their earlier answers.

use std::collections::{BTreeMap, BTreeSet};

use super::DiscoverError;
use crate::model::NodeName;

/// Compares the answers of sources with earlier ones: if more than half of a source's hosts are gone, that is a
/// fault of the source. `known` are hosts by the source that named them. `sources` are those that are asked at all:
/// a source that was removed from the inventory takes its hosts with it.
pub fn missing(
    known: &BTreeMap<NodeName, String>,
    sources: &BTreeSet<String>,
    now: impl Fn(&NodeName) -> bool,
) -> Result<(), DiscoverError> {
    for source in sources {
        let before: Vec<&NodeName> =
            known.iter().filter(|(_, of)| *of == source).map(|(name, _)| name).collect();
        let gone: Vec<&str> = before.iter().filter(|name| !now(name)).map(|name| name.as_str()).collect();
        if !gone.is_empty() && (gone.len() == before.len() || gone.len() * 2 > before.len()) {
            return Err(DiscoverError::Fewer {
                source_name: source.clone(),
                known: before.len(),
                missing: gone.len(),
                gone: gone.join(" "),
            });
        }
    }
    Ok(())
}
