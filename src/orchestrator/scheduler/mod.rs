//! Chooses nodes for tasks. Knows nothing of Docker.
//!
//! Filters first ([`filter`]), then rank (`spread`): fewer tasks of the service, then a node that
//! already holds the service's volumes, then fewer tasks in all, then the name. The middle one is ours:
//! a stack that was removed and comes back finds its data. The last one makes the answer the same
//! every time, where SwarmKit leaves ties to the order of a map.

mod division;
pub mod filter;
mod spread;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use serde::Serialize;

pub(super) use division::Divisions;
pub use filter::FilterKind;
pub(super) use filter::Request;
pub(super) use spread::Spread;

use super::site::Site;
use crate::model::ids::{NodeName, ServiceName};

/// Tasks for which there is no node, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Unplaced {
    /// Service.
    pub service: ServiceName,
    /// How many of its tasks have no node.
    pub tasks: u32,
    /// Nodes that each filter refused.
    pub counts: BTreeMap<FilterKind, u32>,
    /// Node by node.
    pub nodes: Vec<(NodeName, String)>,
}

impl Unplaced {
    /// Asks every node again, this time for its reasons.
    pub(super) fn explain(
        service: &ServiceName,
        tasks: u32,
        request: &Request,
        sites: &[Site<'_>],
        tasks_of_service: impl Fn(usize) -> u32,
    ) -> Self {
        let mut counts = BTreeMap::new();
        let mut nodes = Vec::new();
        for (at, site) in sites.iter().enumerate() {
            let refused =
                request.check_fixed(site).and_then(|()| request.check_room(site, tasks_of_service(at)));
            if let Err(kind) = refused {
                *counts.entry(kind).or_default() += 1;
                nodes.push((site.member.name.clone(), request.explain(kind, site)));
            }
        }
        Self { service: service.clone(), tasks, counts, nodes }
    }

    /// The counts in SwarmKit's words, biggest first.
    #[must_use]
    pub fn summary(&self) -> String {
        let mut counts: Vec<(&FilterKind, &u32)> = self.counts.iter().collect();
        counts.sort_by_key(|(kind, n)| (std::cmp::Reverse(**n), **kind));
        if counts.is_empty() {
            return "the cluster has no nodes".to_owned();
        }
        counts
            .iter()
            .map(|(kind, n)| format!("{kind} on {n} {}", if **n == 1 { "node" } else { "nodes" }))
            .collect::<Vec<_>>()
            .join("; ")
    }
}
