//! Merges the hosts of several sources with those of the inventory.

use std::collections::BTreeMap;

use super::{DiscoverError, Found};
use crate::inventory::HostEntry;
use crate::model::NodeName;
use crate::model::node::Role;

/// The hosts in addition to those of the inventory. The first source that names a host decides about it; others
/// must name it with the same address.
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
