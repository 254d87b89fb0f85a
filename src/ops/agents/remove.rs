//! Takes agents away, and with them everything that came with them: plugins, containers, images. Their sockets and folders
//! they take away themselves when they end, and before that, when they are asked to, the secrets that they keep:
//! one that only ends leaves those, for the next one.

use std::collections::BTreeMap;

use super::install::{Failed, Unfinished, result};
use super::lock::{NotLocked, alone};
use super::{Hands, Look, asked, greeted};
use crate::agent::wire::Request;
use crate::fleet::agents::{Installed, NotShipped, Shipper};
use crate::ledger::LedgerError;
use crate::ledger::lease::Holder;
use crate::model::NodeName;
use crate::ops::cluster::Cluster;
use crate::ops::log::{NewEntry, Unended, logged};

/// What is removed from one host.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Removal {
    pub agents: Vec<Installed>,
    pub images: Vec<String>,
    /// What containers with secrets from an agent are of: they could not start again.
    pub users: Vec<String>,
}

/// What there is to remove, by host.
#[must_use]
pub fn removals(look: &Look) -> BTreeMap<NodeName, Removal> {
    let of = |(node, on): (&NodeName, &Result<super::OnHost, _>)| {
        let host = &on.as_ref().ok()?.host;
        let removal =
            Removal { agents: host.agents.clone(), images: host.images.clone(), users: host.users.clone() };
        (!removal.agents.is_empty() || !removal.images.is_empty()).then(|| (node.clone(), removal))
    };
    look.iter().filter_map(of).collect()
}

/// Removes the agents of these hosts, by another look at each. A host that fails does not keep the others from it.
///
/// # Errors
///
/// If the operation cannot be written down, or another process works on agents for too long. Nothing is done then.
pub async fn remove(
    cluster: &Cluster,
    hosts: &BTreeMap<NodeName, Removal>,
    removed: impl Fn(&NodeName, &Installed),
    waiting: impl FnMut(&Holder),
    unended: impl FnOnce(Unended),
) -> Result<Failed<NotShipped>, NotLocked> {
    let names: Vec<String> = hosts.keys().map(ToString::to_string).collect();
    let verb = format!("agent rm {}", names.join(" "));
    let (actor, writing) = (cluster.actor(), cluster.writing());
    let hands = Hands { fleet: &cluster.fleet, actor: &actor, writing: &writing };
    let work = remove_alone(cluster, hosts, &verb, removed, unended);
    Ok(alone(&hands, &verb, waiting, work).await??)
}

async fn remove_alone(
    cluster: &Cluster,
    hosts: &BTreeMap<NodeName, Removal>,
    verb: &str,
    removed: impl Fn(&NodeName, &Installed),
    unended: impl FnOnce(Unended),
) -> Result<Failed<NotShipped>, LedgerError> {
    let mut failed = Vec::new();
    let work = async {
        for node in hosts.keys() {
            if let Err(why) = remove_from(cluster, node, |agent| removed(node, agent)).await {
                failed.push((node.clone(), why));
            }
        }
        result(&failed, hosts.len())
    };
    let entry = NewEntry { verb: verb.to_owned(), ..NewEntry::default() };
    match logged(&cluster.actor(), &*cluster.writing(), entry, work, unended).await {
        Err(Unfinished::Ledger(error)) => Err(error),
        Ok(()) | Err(Unfinished::Failed { .. }) => Ok(failed),
    }
}

async fn remove_from(
    cluster: &Cluster,
    node: &NodeName,
    removed: impl Fn(&Installed),
) -> Result<(), NotShipped> {
    let shipper = cluster.fleet.shipper(node)?;
    let host = cluster.fleet.agents_of(node).await?;
    clear(cluster, node, &host.agents, &shipper).await?;
    for agent in &host.agents {
        shipper.remove(agent).await?;
        removed(agent);
    }
    for image in &host.images {
        shipper.remove_image(image).await?;
    }
    Ok(())
}

/// Has the secrets of tasks removed from memory, which only an agent can do. One that is off is started for it.
async fn clear(
    cluster: &Cluster,
    node: &NodeName,
    agents: &[Installed],
    shipper: &Shipper,
) -> Result<(), NotShipped> {
    // One that was given no rights never kept any.
    for agent in agents.iter().filter(|agent| !agent.rights.is_empty()) {
        if !agent.is_on && shipper.start(agent).await.is_err() {
            continue;
        }
        match greeted(&cluster.fleet, node, &agent.mark(), &agent.digest).await {
            Ok(hello) if hello.knows_secrets() => {
                let cleared = asked(&cluster.fleet, node, agent, &Request::SecretsClear).await;
                return cleared.map(drop).map_err(NotShipped::Secrets);
            }
            // None that answers: what it may have left in memory goes with the next one, or when the host ends.
            Ok(_) | Err(_) => {}
        }
    }
    Ok(())
}
