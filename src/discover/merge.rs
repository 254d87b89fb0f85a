//! What several sources name, beside what the inventory names; and what they do not name any more.

use std::collections::{BTreeMap, BTreeSet};

use super::{DiscoverError, Found};
use crate::fleet::inventory::HostEntry;
use crate::model::NodeName;
use crate::model::node::Role;

/// Hosts beside those of the inventory. Whoever names a host first decides about it; who names it again must
/// mean the same.
pub(super) fn merge(
    named: &BTreeMap<NodeName, HostEntry>,
    answers: Vec<(&str, Found)>,
    is_in_volumes: bool,
) -> Result<Found, DiscoverError> {
    let mut engines: BTreeMap<String, NodeName> =
        named.iter().map(|(name, entry)| (engine(entry), name.clone())).collect();
    let mut found = Found::new();
    for (source, hosts) in answers {
        for (name, mut entry) in hosts {
            if let Some(first) = named.get(&name).or_else(|| found.get(&name)) {
                if engine(first) == engine(&entry) {
                    continue;
                }
                let (ours, theirs) = (&first.address, &entry.address);
                return Err(DiscoverError::Clash(format!("`{name}` is {ours}, and {theirs} to {source}")));
            }
            if let Some(other) = engines.insert(engine(&entry), name.clone()) {
                return Err(DiscoverError::Clash(format!(
                    "`{other}` and `{name}` of {source} are the same host, {}",
                    entry.address
                )));
            }
            if is_in_volumes && entry.member.role == Role::Manager {
                return Err(DiscoverError::Manager {
                    source_name: source.to_owned(),
                    node: name.to_string(),
                });
            }
            entry.member.found_by = Some(source.to_owned());
            found.insert(name, entry);
        }
    }
    Ok(found)
}

fn engine(entry: &HostEntry) -> String {
    format!("{} {}", entry.address, entry.docker_socket.display())
}

/// Judges what sources name now by what they named before: all of a source's hosts gone, or more than half
/// of them, is a fault of the source. `known` are hosts by the source that named them, `sources` those that
/// are asked at all: one that was taken out of the inventory takes its hosts with it, as it was meant.
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
