//! Chooses nodes for tasks. Knows nothing of Docker.
//!
//! Filters first ([`filter`]), then affinities (`affinity`), then the rank by strategy (`rank`), in branches
//! of equal load where there are spread preferences (`spread`). The name comes last and makes the answer the
//! same every time, where SwarmKit leaves ties to the order of a map.

mod affinity;
mod division;
pub mod filter;
mod rank;
mod spread;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use serde::Serialize;

pub(super) use affinity::{Occupants, Tally};
pub(super) use division::Divisions;
pub use filter::FilterKind;
pub(super) use filter::{Request, constraints};
pub(super) use rank::has_image;
pub(super) use spread::Spread;

use super::site::Site;
use crate::model::ids::{NodeName, ServiceName};

/// Tasks for which there is no node, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Unplaced {
    pub service: ServiceName,
    /// How many of its tasks have no node.
    pub tasks: u32,
    /// Nodes that each filter refused.
    pub counts: BTreeMap<FilterKind, u32>,
    /// Node by node.
    pub nodes: Vec<(NodeName, String)>,
}

/// Why a node takes no further task of a service, if it takes none.
pub(super) fn refusal(
    request: &Request,
    site: &Site<'_>,
    tally: &Tally,
    at: usize,
) -> Result<(), (FilterKind, String)> {
    request
        .check_fixed(site)
        .and_then(|()| request.check_room(site, tally.counts[at]))
        .map_err(|kind| (kind, request.explain(kind, site)))?;
    if tally.refuses(at) {
        let why = format!("{} does not hold", tally.missed(at).join(", "));
        return Err((FilterKind::Affinity, why));
    }
    Ok(())
}

impl Unplaced {
    /// Asks every node again, this time for its reasons.
    pub(super) fn explain(
        service: &ServiceName,
        tasks: u32,
        request: &Request,
        sites: &[Site<'_>],
        tally: &Tally,
    ) -> Self {
        let mut counts = BTreeMap::new();
        let mut nodes = Vec::new();
        for (at, site) in sites.iter().enumerate() {
            if let Err((kind, why)) = refusal(request, site, tally, at) {
                *counts.entry(kind).or_default() += 1;
                nodes.push((site.member.name.clone(), why));
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
