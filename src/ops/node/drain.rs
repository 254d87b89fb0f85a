//! Draining: which stacks give tasks away, and the plans for that.
//!
//! Everything is planned and can be shown before anything is written: a drain whose tasks would have no
//! place must not begin.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::update::{Recorded, Update};
use crate::ledger::LedgerError;
use crate::ledger::nodes::NodeRecords;
use crate::model::{NodeName, Observed, StackName};
use crate::ops::Error;
use crate::ops::cluster::Cluster;
use crate::ops::edit::{Left, standing};
use crate::ops::order::Job;
use crate::orchestrator::Planned;

/// How the releases are called that only move tasks off drained nodes; the names of the nodes follow.
pub const VERB: &str = "drain ";

/// The verb of the releases that move tasks off these nodes.
fn verb(nodes: &[NodeName]) -> String {
    let names: Vec<&str> = nodes.iter().map(NodeName::as_str).collect();
    format!("{VERB}{}", names.join(" "))
}

/// Stacks with live tasks on these nodes.
fn stacks_on(observed: &Observed, nodes: &[NodeName]) -> BTreeSet<StackName> {
    let there = observed.tasks().filter(|task| task.is_live() && nodes.contains(&task.node));
    there.map(|task| task.stack.clone()).collect()
}

/// The observation as it will be once `records` are written. One that could not be joined with what is
/// remembered stays as it is: nothing may be planned on it.
fn foreseen(mut observed: Observed, update: &Update, records: &NodeRecords) -> Observed {
    if observed.records_unknown.is_none() {
        for (name, declared) in &update.nodes {
            if let Some(node) = observed.nodes.get_mut(name) {
                node.member.clone_from(declared);
                records.apply(&mut node.member);
            }
        }
    }
    observed
}

/// Nodes that do not answer: what runs there is moved once they are back.
fn silent<'a>(observed: &'a Observed, nodes: &'a [NodeName]) -> impl Iterator<Item = &'a NodeName> {
    let is_silent =
        |name: &&NodeName| observed.nodes.get(*name).is_some_and(|node| node.view.facts().is_none());
    nodes.iter().filter(is_silent)
}

/// A drain, planned. `E` is the error of the surface.
#[derive(Debug)]
pub struct Drain<E> {
    /// What would be remembered of nodes.
    pub recorded: Recorded,
    /// Nodes that do not answer: what runs there is moved once they are back.
    pub silent: Vec<NodeName>,
    /// The plans that move tasks off the nodes.
    pub jobs: Vec<Job<E>>,
    /// Stacks of which the ledger does not say what is to run.
    pub left: Vec<Left>,
}

/// Plans an update that drains nodes. The record is written by [`Update::write`], once the plans are approved and
/// before the first of them is carried out. `is_dry` plans without what is needed to carry the plans out.
///
/// # Errors
///
/// If the ledger cannot be read.
pub async fn drain<E: From<Error>>(
    cluster: &Cluster,
    update: &Update,
    is_dry: bool,
) -> Result<Drain<E>, LedgerError> {
    let recorded = update.foresee(&cluster.ledger, &cluster.actor()).await?;
    let nodes: Vec<NodeName> = update.nodes.keys().cloned().collect();
    let stacks = stacks_on(&cluster.observe().await, &nodes);
    let message = update.message.as_ref();
    let (standing, left) = standing(cluster, stacks, &verb(&nodes), message, is_dry).await?;
    let observed = cluster.observe_for_all(standing.iter().map(|one| &one.spec)).await;
    let foreseen = Arc::new(foreseen(observed, update, &recorded.after));
    let silent = silent(&foreseen, &nodes).cloned().collect();
    let options = cluster.plan_options(false);
    let plan = |spec| Planned::make(Arc::clone(&foreseen), spec, options.clone());
    let jobs = standing.into_iter().map(|one| one.job(plan)).collect();
    Ok(Drain { recorded, silent, jobs, left })
}
