//! Whether hosts whose tasks have secrets have an agent that keeps them: without one, a container that ends does not start
//! again once the host has been off.

use std::collections::{BTreeMap, BTreeSet};

use super::{Area, Check, Finding, check};
use crate::model::{NodeName, Observed};
use crate::ops::agents::{Seen, look};
use crate::ops::cluster::Cluster;

/// Asks the hosts that run tasks with secrets, and no others.
pub(super) async fn agents(cluster: &Cluster, known: &Observed) -> Vec<Check> {
    let mut users: BTreeMap<NodeName, BTreeSet<String>> = BTreeMap::new();
    for task in known.tasks().filter(|task| task.is_live() && !task.spec.secrets.is_empty()) {
        let name = format!("{}_{}.{}", task.stack, task.service, task.slot);
        users.entry(task.node.clone()).or_default().insert(name);
    }
    if users.is_empty() {
        return Vec::new();
    }
    let nodes: BTreeSet<NodeName> = users.keys().cloned().collect();
    let looks = look(&cluster.fleet, cluster.clock, Some(&nodes)).await;
    let mut found = Vec::new();
    for (node, users) in users {
        // One that does not answer is said to be silent.
        let Some(Ok(on)) = looks.get(&node) else { continue };
        if on.agents.iter().any(crate::ops::agents::Agent::keeps_secrets) {
            continue;
        }
        let silent = on.agents.iter().find_map(|agent| match &agent.seen {
            Seen::Silent(why) => Some(why.clone()),
            Seen::Up(_) | Seen::Off => None,
        });
        let users = users.into_iter().collect();
        found.push(check(Area::Hosts, node, Finding::NoAgent { users, silent }));
    }
    found
}
