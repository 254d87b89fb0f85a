//! Agents that a deploy needs: shown beside its plan, and brought after a consent of their own.

use std::collections::BTreeSet;

use super::super::Context;
use super::super::cluster::Cluster;
use super::super::recorded::warn_unended;
use super::super::render::agents::{happened, plan_text};
use super::super::render::text::clean;
use super::super::report::Failure;
use super::super::ui::Ui;
use super::install::{acquaint, consent, not_possible, unfinished, waiting};
use crate::inventory::Inventory;
use crate::model::NodeName;
use crate::ops::agents::install::install;
use crate::ops::agents::need::{Needs, needing};
use crate::ops::agents::plan::Plan;
use crate::ops::agents::programs::Programs;
use crate::ops::agents::{Agent, Hands, look};
use crate::orchestrator::Planned;

/// Agents that plans need and that are not there.
#[derive(Debug)]
pub(in super::super) struct Needed(Plan);

impl Needed {
    /// By the hosts of tasks with secrets; nothing if all of them have an agent that runs and does what is needed. Plans
    /// without such tasks ask nothing.
    pub(in super::super) async fn by(
        cluster: &Cluster,
        plans: impl Iterator<Item = &Planned>,
    ) -> Option<Self> {
        let mut needs = Needs::new();
        for (node, need) in plans.flat_map(needing) {
            needs.entry(node).or_default().program |= need.program;
        }
        if needs.is_empty() {
            return None;
        }
        let nodes: BTreeSet<NodeName> = needs.keys().cloned().collect();
        let mut look = look(&cluster.fleet, cluster.clock, Some(&nodes)).await;
        look.retain(|node, on| {
            let is_met = |agent: &Agent| {
                agent.keeps_secrets() && needs.get(node).is_none_or(|need| need.is_met_by(&agent.installed))
            };
            on.as_ref().is_ok_and(|on| !on.agents.iter().any(is_met))
        });
        let programs = Programs::here();
        (!look.is_empty()).then(|| Self(Plan::of(look, |architecture| programs.for_host(architecture))))
    }

    /// Shows them.
    pub(in super::super) fn show(&self, ui: &Ui, inventory: &Inventory) {
        ui.talk(&format!(
            "Tasks with secrets need an agent on their hosts.\n{}\n",
            plan_text(&self.0, &inventory.cluster, inventory.agent_port)
        ));
    }

    /// Brings them, if that is consented to. `yes` answers no question about a host's first agent.
    ///
    /// # Errors
    ///
    /// There is no consent, or a host can have none, or did not get its own.
    pub(in super::super) async fn bring(
        &self,
        context: &Context,
        cluster: &Cluster,
        yes: bool,
    ) -> Result<(), Failure> {
        let Self(plan) = self;
        if let Some((node, obstacle)) = plan.obstacles.first() {
            return Err(Failure::refused(not_possible(node.as_str(), obstacle)));
        }
        consent(yes, context, cluster, plan)?;
        let (actor, writing) = (cluster.actor(), cluster.writing());
        let hands = Hands { fleet: &cluster.fleet, actor: &actor, writing: &writing };
        let tell = |node: &_, what| context.ui.say(&clean(&happened(node, &what)));
        let failed =
            install(&hands, plan, tell, |holder| waiting(&context.ui, holder), warn_unended(&context.ui))
                .await?;
        acquaint(context, cluster).await;
        match failed.first() {
            None => Ok(()),
            Some((node, why)) => Err(Failure::refused(unfinished(node.as_str(), why, failed.len()))),
        }
    }
}
