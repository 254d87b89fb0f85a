//! Takes agents away, and with them everything that came with them: plugins, containers, images. Their sockets and folders
//! they take away themselves when they end.

use std::collections::BTreeMap;

use super::Look;
use super::install::{Failed, Unfinished, result};
use crate::fleet::agents::{Installed, NotShipped};
use crate::ledger::LedgerError;
use crate::model::NodeName;
use crate::ops::cluster::Cluster;
use crate::ops::log::{NewEntry, Unended, logged};

/// What is removed from one host.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Removal {
    pub agents: Vec<Installed>,
    pub images: Vec<String>,
}

/// What there is to remove, by host.
#[must_use]
pub fn removals(look: &Look) -> BTreeMap<NodeName, Removal> {
    let of = |(node, on): (&NodeName, &Result<super::OnHost, _>)| {
        let host = &on.as_ref().ok()?.host;
        let removal = Removal { agents: host.agents.clone(), images: host.images.clone() };
        (removal != Removal::default()).then(|| (node.clone(), removal))
    };
    look.iter().filter_map(of).collect()
}

/// Removes the agents of these hosts, by another look at each. A host that fails does not keep the others from it.
///
/// # Errors
///
/// If the operation cannot be written down, in which case nothing is done.
pub async fn remove(
    cluster: &Cluster,
    hosts: &BTreeMap<NodeName, Removal>,
    removed: impl Fn(&NodeName, &Installed),
    unended: impl FnOnce(Unended),
) -> Result<Failed<NotShipped>, LedgerError> {
    let names: Vec<String> = hosts.keys().map(ToString::to_string).collect();
    let mut failed = Vec::new();
    let work = async {
        for node in hosts.keys() {
            if let Err(why) = remove_from(cluster, node, |agent| removed(node, agent)).await {
                failed.push((node.clone(), why));
            }
        }
        result(&failed, hosts.len())
    };
    let entry = NewEntry { verb: format!("agent rm {}", names.join(" ")), ..NewEntry::default() };
    match logged(cluster, &*cluster.writing(), entry, work, unended).await {
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
    for agent in &host.agents {
        shipper.remove(agent).await?;
        removed(agent);
    }
    for image in &host.images {
        shipper.remove_image(image).await?;
    }
    Ok(())
}
