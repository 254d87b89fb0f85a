//! Volumes of a cluster over all its hosts: whose each is, and which of those that engines made are no longer needed.
//!
//! A volume with a name is its stack's, or was mounted by its name; nothing here removes one. What an engine made for a
//! task is [remembered](crate::ledger::volumes), and [`prune`](mod@prune) alone removes it.

pub mod prune;

use std::collections::{BTreeMap, BTreeSet};

use futures_util::StreamExt as _;

use super::cluster::Cluster;
use crate::ledger::{LedgerError, volumes};
use crate::model::volume::{AnonymousVolume, AnonymousVolumes, ObservedVolume, add_seen, is_made_up, newest};
use crate::model::{NodeFacts, NodeName, Observed, ServiceName, StackName};

/// Stacks whose records are read at a time.
const READS_MAX: usize = 16;

/// What is remembered of the volumes that engines made, by stack.
pub type Remembered = BTreeMap<StackName, AnonymousVolumes>;

/// What becomes of a volume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// A container that runs, or may start again, has it mounted.
    InUse,
    /// Nothing runs on it, and it is kept for a reason.
    Kept(Keeper),
    /// Nothing has it mounted.
    Unused,
    /// Its host is silent.
    Unknown,
}

/// Why a volume is kept on which nothing runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Keeper {
    /// A container that has ended.
    Ended(String),
    /// It may hold the newest data of a slot: `db.1`.
    NewestOf(String),
}

/// A volume on a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    pub node: NodeName,
    pub name: String,
    /// The stack that it belongs to, or that uses it.
    pub stack: Option<StackName>,
    /// Services that use it, or the one that it was made for.
    pub services: BTreeSet<ServiceName>,
    /// For which task an engine made it, if so and if it is known.
    pub made_for: Option<AnonymousVolume>,
    /// What the engine says of it, unless it is silent.
    pub seen: Option<ObservedVolume>,
    pub standing: Standing,
    /// Whether it is a stack's of this cluster.
    pub is_ours: bool,
}

/// Reads what is remembered of all stacks.
///
/// # Errors
///
/// If the ledger cannot be read.
pub async fn remembered(cluster: &Cluster) -> Result<Remembered, LedgerError> {
    let reads = cluster.ledger.stacks().await?.into_iter().map(|stack| async move {
        let records = volumes::records(&cluster.ledger, &stack).await?;
        Ok::<_, LedgerError>((stack, records.anonymous))
    });
    let all: Vec<_> = futures_util::stream::iter(reads).buffered(READS_MAX).collect().await;
    let all: Result<Remembered, LedgerError> = all.into_iter().collect();
    Ok(all?.into_iter().filter(|(_, volumes)| !volumes.is_empty()).collect())
}

/// The volumes that an engine made for tasks of one stack and still has, remembered or seen.
fn made_for(
    facts: &NodeFacts,
    node: &NodeName,
    stack: &StackName,
    remembered: Option<&AnonymousVolumes>,
) -> BTreeMap<String, AnonymousVolume> {
    let remembered = remembered.and_then(|all| all.get(node)).into_iter().flatten();
    let is_there = |name: &&String| facts.volumes.contains(name.as_str()) && is_made_up(name);
    let remembered = remembered.filter(|(name, _)| is_there(name));
    let mut all: BTreeMap<String, AnonymousVolume> =
        remembered.map(|(name, made)| (name.clone(), made.clone())).collect();
    let seen = facts.anonymous_volumes().filter(|(_, of, _)| *of == stack);
    add_seen(&mut all, seen.map(|(name, _, made)| (name.to_owned(), made.clone())));
    all
}

/// Every volume of every host, by node and name. What is remembered of silent hosts is among them.
#[must_use]
pub fn listed(observed: &Observed, remembered: &Remembered) -> Vec<Listed> {
    let mut all = Vec::new();
    for (name, node) in &observed.nodes {
        match node.view.facts() {
            Some(facts) => all.extend(of_node(observed, name, facts, remembered)),
            None => all.extend(of_silent(name, remembered)),
        }
    }
    all
}

fn of_silent<'a>(node: &'a NodeName, remembered: &'a Remembered) -> impl Iterator<Item = Listed> + 'a {
    remembered.iter().flat_map(move |(stack, all)| {
        all.get(node).into_iter().flatten().map(move |(name, made)| Listed {
            node: node.clone(),
            name: name.clone(),
            stack: Some(stack.clone()),
            services: [made.service.clone()].into(),
            made_for: Some(made.clone()),
            seen: None,
            standing: Standing::Unknown,
            is_ours: true,
        })
    })
}

fn of_node(observed: &Observed, node: &NodeName, facts: &NodeFacts, remembered: &Remembered) -> Vec<Listed> {
    let seen: BTreeSet<&StackName> = facts.anonymous_volumes().map(|(_, stack, _)| stack).collect();
    let stacks: BTreeSet<&StackName> = seen.into_iter().chain(remembered.keys()).collect();
    let mut made: BTreeMap<String, (StackName, AnonymousVolume)> = BTreeMap::new();
    let mut kept: BTreeSet<String> = BTreeSet::new();
    for stack in stacks {
        let ours = made_for(facts, node, stack, remembered.get(stack));
        kept.extend(newest(&ours));
        made.extend(ours.into_iter().map(|(name, one)| (name, (stack.clone(), one))));
    }
    let all = facts.volume_details.iter().map(|(name, seen)| {
        let (of, made_for) = made.get(name).cloned().unzip();
        let is_foreign = seen.cluster.as_ref().is_some_and(|of| of != observed.cluster.as_str());
        let own = seen.stack.as_ref().filter(|_| !is_foreign).and_then(|name| StackName::new(name).ok());
        let users = || seen.uses.iter().filter_map(|one| one.task.as_ref());
        let stack = of.or(own).or_else(|| users().next().map(|(stack, _)| stack.clone()));
        let services = users().map(|(_, one)| one).chain(&made_for).map(|one| one.service.clone());
        let services = services.collect();
        let standing = standing(seen, made_for.as_ref().filter(|_| kept.contains(name)));
        let is_ours = stack.is_some();
        let (node, name, seen) = (node.clone(), name.clone(), Some(seen.clone()));
        Listed { node, name, stack, services, made_for, seen, standing, is_ours }
    });
    all.collect()
}

fn standing(seen: &ObservedVolume, newest: Option<&AnonymousVolume>) -> Standing {
    match (seen.uses.iter().find(|one| one.is_live), seen.uses.first(), newest) {
        (Some(_), ..) => Standing::InUse,
        (None, Some(ended), _) => Standing::Kept(Keeper::Ended(ended.container.clone())),
        (None, None, Some(made)) => {
            Standing::Kept(Keeper::NewestOf(format!("{}.{}", made.service, made.slot)))
        }
        (None, None, None) => Standing::Unused,
    }
}
