//! Agents that a plan needs: those of the hosts on which it makes tasks with secrets.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use futures_util::future::{BoxFuture, join_all};
use miette::Diagnostic;

use super::install::install;
use super::join::{Joined, Papers, join_if_due};
use super::over::{Wanted, tell};
use super::plan::Plan;
use super::programs::Programs;
use super::{Hands, look};
use crate::engine::Writing;
use crate::fleet::Fleet;
use crate::fleet::agents::Installed;
use crate::model::action::{SecretPlan, What};
use crate::model::{NodeName, secret_env};
use crate::ops::event::Unknown;
use crate::ops::log::Actor;
use crate::ops::vault::VaultError;
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
    #[error("tasks whose variables are secrets are to run on {}, where the agent is of a version before that", names(.0))]
    #[diagnostic(
        code(stackctl::agent::too_old),
        help("nothing was changed; `stackctl agent install` brings the present one")
    )]
    TooOld(Vec<NodeName>),
    #[error("files of tasks are to be changed in place on {}, where the agent is of a version before that", names(.0))]
    #[diagnostic(
        code(stackctl::agent::too_old),
        help("nothing was changed; `stackctl agent install` brings the present one")
    )]
    SwapsNothing(Vec<NodeName>),
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

/// What tasks of a host need of its agent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Need {
    /// To be kept.
    pub values: BTreeSet<Value>,
    /// Its program, for variables that are secrets.
    pub program: bool,
    /// That it knows how to swap files.
    pub swaps: bool,
}

impl Need {
    /// Whether this agent, which runs, has what is needed.
    #[must_use]
    pub fn is_met_by(&self, agent: &Installed) -> bool {
        !self.program || agent.gives_programs()
    }
}

/// What hosts need of their agents.
pub type Needs = BTreeMap<NodeName, Need>;

/// Hosts on which a plan makes tasks with secrets, or changes such as they run, and what those need.
#[must_use]
pub fn needing(plan: &Planned) -> Needs {
    let mut needing = Needs::new();
    for action in plan.plan().forecast.actions() {
        let task = match &action.what {
            What::CreateTask { task } => Some(task),
            What::UpdateTask { update, .. } => {
                update.reload.as_ref().map(|reload| &reload.task).filter(|task| task.service.swaps)
            }
            _ => None,
        };
        if let Some(task) = task.filter(|task| !task.service.secrets.is_empty()) {
            let value = |one: &SecretPlan| Some((one.name.clone(), one.version()?.to_owned()));
            let values = task.service.secrets.iter().filter_map(value);
            let need = needing.entry(action.node.clone()).or_default();
            need.values.extend(values);
            need.program |= secret_env::names(&task.spec).next().is_some();
            need.swaps |= task.service.swaps;
        }
    }
    needing
}

/// Sees to it that hosts have agents, before anything of a plan is done.
pub trait EnsureAgents: fmt::Debug + Send + Sync {
    /// These hosts need one. What stands in the way of secrets being handed over stops nothing, and is given back.
    fn ensure<'a>(&'a self, needs: Needs) -> BoxFuture<'a, Result<Vec<Unknown>, NoAgents>>;

    /// What a host keeps in memory already; nothing if it does not say.
    fn kept<'a>(&'a self, node: &'a NodeName) -> BoxFuture<'a, BTreeSet<Value>>;

    /// A run has ended well while hosts did not answer: agents of the others hear which tasks of those are over.
    fn ended<'a>(&'a self, wanted: &'a Wanted) -> BoxFuture<'a, ()>;
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
    /// Which of these hosts have what is needed. A silent host is no matter of this: the plan knows of it.
    async fn standing(&self, needs: &Needs) -> Standing {
        let asked = needs.iter().map(async |(node, need)| (self.fleet.agents_of(node).await, node, need));
        let mut standing = Standing::default();
        for (host, node, need) in join_all(asked).await {
            let Ok(host) = host else { continue };
            let mut running = host.agents.into_iter().filter(|agent| agent.is_on && !agent.rights.is_empty());
            match (running.next(), running.next()) {
                (None, _) => drop(standing.lacking.insert(node.clone())),
                (Some(one), other) => {
                    let met = [Some(one), other].into_iter().flatten().find(|one| need.is_met_by(one));
                    let knows = match &met {
                        Some(agent) if need.swaps => self.fleet.knows_swaps(node, agent).await,
                        _ => true,
                    };
                    match met.filter(|_| knows) {
                        Some(agent) => drop(standing.there.insert(node.clone(), agent)),
                        None if !knows => drop(standing.swaps_nothing.insert(node.clone())),
                        None => drop(standing.too_old.insert(node.clone())),
                    }
                }
            }
        }
        standing
    }

    /// Agents that do not know each other work as ever: what stands in the way of that stops no deploy, and is said.
    async fn acquaint(&self, hands: &Hands<'_>, agents: &BTreeMap<NodeName, Installed>) -> Vec<Unknown> {
        match join_if_due(hands, &self.papers, agents).await {
            Ok(Joined { failed, nowhere, .. }) => {
                let all = failed.into_iter().chain(nowhere);
                all.map(|(node, why)| Unknown { node: Some(node), why }).collect()
            }
            // Without a key there are no secrets that could be handed over.
            Err(VaultError::NoKey) => Vec::new(),
            Err(why) => vec![Unknown { node: None, why: why.to_string() }],
        }
    }

    async fn ensured(&self, mut needs: Needs) -> Result<Vec<Unknown>, NoAgents> {
        if needs.is_empty() {
            return Ok(Vec::new());
        }
        let Standing { lacking, too_old, swaps_nothing, there: mut agents } = self.standing(&needs).await;
        let hands = Hands { fleet: &self.fleet, actor: &self.actor, writing: &self.writing };
        let wanting: BTreeSet<NodeName> =
            [&lacking, &too_old, &swaps_nothing].into_iter().flatten().cloned().collect();
        if !wanting.is_empty() {
            if !self.is_auto {
                return Err(match (lacking.is_empty(), too_old.is_empty()) {
                    (false, _) => NoAgents::Lacking(lacking.into_iter().collect()),
                    (true, false) => NoAgents::TooOld(too_old.into_iter().collect()),
                    (true, true) => NoAgents::SwapsNothing(swaps_nothing.into_iter().collect()),
                });
            }
            bring(&hands, &wanting).await?;
            needs.retain(|node, _| wanting.contains(node));
            agents.extend(self.standing(&needs).await.there);
        }
        Ok(self.acquaint(&hands, &agents).await)
    }
}

/// How hosts stand with what is needed of their agents.
#[derive(Debug, Default)]
struct Standing {
    /// No agent runs there.
    lacking: BTreeSet<NodeName>,
    /// One runs that cannot do what is needed.
    too_old: BTreeSet<NodeName>,
    /// One runs that does, and does not know how to swap files.
    swaps_nothing: BTreeSet<NodeName>,
    there: BTreeMap<NodeName, Installed>,
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
    let done = install(hands, &plan, |_, _| (), |_| (), |_| ()).await;
    let all = done.map_err(|error| failed(first, error.to_string()))?;
    match all.first() {
        None => Ok(()),
        Some((node, why)) => Err(failed(node, why.to_string())),
    }
}

impl EnsureAgents for HostAgents {
    fn ensure<'a>(&'a self, needs: Needs) -> BoxFuture<'a, Result<Vec<Unknown>, NoAgents>> {
        Box::pin(self.ensured(needs))
    }

    fn kept<'a>(&'a self, node: &'a NodeName) -> BoxFuture<'a, BTreeSet<Value>> {
        Box::pin(async move { self.fleet.kept_secrets(node).await.unwrap_or_default() })
    }

    fn ended<'a>(&'a self, wanted: &'a Wanted) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            let _how_many = tell(&self.fleet, wanted).await;
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fleet::agents::Kind;

    #[test]
    fn variables_that_are_secrets_need_an_agent_that_gives_its_program() {
        let agent = |version: &str| Installed {
            kind: Kind::Plugin,
            name: "a".into(),
            digest: "ab".into(),
            version: version.into(),
            rights: "r".into(),
            is_on: true,
        };
        let program = Need { program: true, ..Need::default() };
        for (version, gives) in
            [("0.6.0", false), ("0.7.0", true), ("1.0.0-rc.1", true), ("", false), ("x", false)]
        {
            assert_eq!(program.is_met_by(&agent(version)), gives, "{version}");
            assert!(Need::default().is_met_by(&agent(version)), "{version}");
        }
    }
}
