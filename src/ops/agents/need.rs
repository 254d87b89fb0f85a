//! Agents that a plan needs: those of the hosts on which it makes tasks with secrets.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use futures_util::future::{BoxFuture, join_all};
use miette::Diagnostic;

use super::install::install;
use super::join::{Papers, join_if_due};
use super::plan::Plan;
use super::programs::Programs;
use super::{Hands, look};
use crate::engine::Writing;
use crate::fleet::Fleet;
use crate::fleet::agents::Installed;
use crate::model::NodeName;
use crate::model::action::{SecretPlan, What};
use crate::ops::log::Actor;
use crate::orchestrator::Planned;

/// Hosts that are to keep secrets have no agent that could.
#[derive(Debug, thiserror::Error, Diagnostic)]
pub enum NoAgents {
    #[error("tasks with secrets are to run on {}, which {} agent to keep them in memory", names(.0), has_no(.0))]
    #[diagnostic(
        code(stackctl::agent::needed),
        help(
            "nothing was changed; `stackctl agent install` brings it, after a consent of its own; `agents: auto` in the inventory is \
             that consent for every deploy"
        )
    )]
    Lacking(Vec<NodeName>),
    #[error("the agent that is to keep secrets cannot be brought to {node}: {why}")]
    #[diagnostic(
        code(stackctl::agent::not_brought),
        help("nothing of the stack was changed; `stackctl agent install` says more")
    )]
    NotBrought { node: NodeName, why: String },
}

fn names(nodes: &[NodeName]) -> String {
    nodes.iter().map(NodeName::as_str).collect::<Vec<_>>().join(", ")
}

fn has_no(nodes: &[NodeName]) -> &'static str {
    if nodes.len() == 1 { "has no" } else { "have no" }
}

/// Name and version of a value.
pub type Value = (String, String);

/// Hosts on which a plan makes tasks with secrets, and what those need.
#[must_use]
pub fn needing(plan: &Planned) -> BTreeMap<NodeName, BTreeSet<Value>> {
    let mut needing: BTreeMap<NodeName, BTreeSet<Value>> = BTreeMap::new();
    for action in plan.plan().forecast.actions() {
        if let What::CreateTask { task } = &action.what
            && !task.service.secrets.is_empty()
        {
            let value = |one: &SecretPlan| Some((one.name.clone(), one.version()?.to_owned()));
            let values = task.service.secrets.iter().filter_map(value);
            needing.entry(action.node.clone()).or_default().extend(values);
        }
    }
    needing
}

/// Sees to it that hosts have agents, before anything of a plan is done.
pub trait EnsureAgents: fmt::Debug + Send + Sync {
    /// These hosts need one.
    fn ensure<'a>(&'a self, nodes: BTreeSet<NodeName>) -> BoxFuture<'a, Result<(), NoAgents>>;

    /// What a host keeps in memory already; nothing if it does not say.
    fn kept<'a>(&'a self, node: &'a NodeName) -> BoxFuture<'a, BTreeSet<Value>>;
}

/// Looks at the hosts; brings agents where the inventory allows that.
#[derive(Debug)]
pub struct HostAgents {
    pub fleet: Fleet,
    pub actor: Actor,
    pub writing: Arc<Writing>,
    /// The inventory says `agents: auto`.
    pub is_auto: bool,
    /// What certificates of agents are made with.
    pub papers: Papers,
}

impl HostAgents {
    /// Those of the hosts that have no agent that runs, and the agents of the others. A silent host is no matter of this:
    /// the plan knows of it.
    async fn lacking(
        &self,
        nodes: BTreeSet<NodeName>,
    ) -> (BTreeSet<NodeName>, BTreeMap<NodeName, Installed>) {
        let asked = nodes.into_iter().map(async |node| (self.fleet.agents_of(&node).await, node));
        let (mut lacking, mut there) = (BTreeSet::new(), BTreeMap::new());
        for (host, node) in join_all(asked).await {
            let Ok(host) = host else { continue };
            match host.agents.into_iter().find(|agent| agent.is_on && !agent.rights.is_empty()) {
                Some(agent) => drop(there.insert(node, agent)),
                None => drop(lacking.insert(node)),
            }
        }
        (lacking, there)
    }

    /// Agents that do not know each other work as ever: what stands in the way of that stops no deploy, and `agent ls`
    /// and `doctor` say so.
    async fn acquaint(&self, hands: &Hands<'_>, agents: &BTreeMap<NodeName, Installed>) {
        let _said_elsewhere = join_if_due(hands, &self.papers, agents).await;
    }

    async fn ensured(&self, nodes: BTreeSet<NodeName>) -> Result<(), NoAgents> {
        if nodes.is_empty() {
            return Ok(());
        }
        let (lacking, mut agents) = self.lacking(nodes).await;
        let hands = Hands { fleet: &self.fleet, actor: &self.actor, writing: &self.writing };
        if !lacking.is_empty() {
            if !self.is_auto {
                return Err(NoAgents::Lacking(lacking.into_iter().collect()));
            }
            bring(&hands, &lacking).await?;
            agents.extend(self.lacking(lacking).await.1);
        }
        self.acquaint(&hands, &agents).await;
        Ok(())
    }
}

/// Brings agents to hosts for which there is a consent.
///
/// # Errors
///
/// One of them did not get one.
pub async fn bring(hands: &Hands<'_>, nodes: &BTreeSet<NodeName>) -> Result<(), NoAgents> {
    let programs = Programs::here();
    let look = look(hands.fleet, hands.actor.clock, Some(nodes)).await;
    let plan = Plan::of(look, |architecture| programs.for_host(architecture));
    let failed = |node: &NodeName, why: String| NoAgents::NotBrought { node: node.clone(), why };
    if let Some((node, why)) = plan.obstacles.first() {
        return Err(failed(node, why.to_string()));
    }
    if let Some((node, why)) = plan.silent.first() {
        return Err(failed(node, why.reason.clone()));
    }
    let Some(first) = nodes.first() else { return Ok(()) };
    let done = install(hands, &plan, |_, _| (), |_| ()).await;
    let all = done.map_err(|error| failed(first, error.to_string()))?;
    match all.first() {
        None => Ok(()),
        Some((node, why)) => Err(failed(node, why.to_string())),
    }
}

impl EnsureAgents for HostAgents {
    fn ensure<'a>(&'a self, nodes: BTreeSet<NodeName>) -> BoxFuture<'a, Result<(), NoAgents>> {
        Box::pin(self.ensured(nodes))
    }

    fn kept<'a>(&'a self, node: &'a NodeName) -> BoxFuture<'a, BTreeSet<Value>> {
        Box::pin(async move { self.fleet.kept_secrets(node).await.unwrap_or_default() })
    }
}
