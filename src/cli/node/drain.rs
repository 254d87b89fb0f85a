//! Draining nodes: the record, and the tasks moved off them, stack by stack, by each service's update
//! policy.
//!
//! All is planned and shown before anything is written: a drain whose tasks would have no place is no
//! drain that anybody wants. `--detach` writes the record whatever follows from it.

use std::collections::BTreeSet;

use super::super::Context;
use super::super::records::writing;
use super::super::report::{Exit, Failure, draw};
use super::super::rollout::{self, Job, Kind};
use super::super::rollout_args::RolloutArgs;
use super::super::standing::{Standing, standing};
use super::update::Wanted;
use crate::engine::{Planned, members};
use crate::ledger::nodes::NodeRecords;
use crate::model::{Observed, StackName};
use crate::orchestrator::Plan;

/// How the releases are called that only move tasks off drained nodes; their names follow.
pub(in crate::cli) const VERB: &str = "drain ";

pub(super) async fn run(
    rollout: &RolloutArgs,
    context: &Context,
    wanted: &Wanted<'_>,
) -> Result<Exit, Failure> {
    let (cluster, ui) = (wanted.cluster, &context.ui);
    let (_, before) = members::read(&cluster.ledger).await?;
    let mut after = before.clone();
    wanted.apply(&mut after);
    let stacks = stacks_on(&cluster.observe().await, wanted);
    let names: Vec<&str> = wanted.nodes.iter().map(|name| name.as_str()).collect();
    let verb = format!("{VERB}{}", names.join(" "));
    let (standing, left) =
        standing(cluster, stacks, &verb, rollout.message.as_ref(), rollout.dry_run).await?;
    let mut observed = cluster.observe().await;
    if observed.records_unknown.is_none() {
        lay(&after, wanted, &mut observed);
    }
    for name in &wanted.nodes {
        if observed.nodes.get(name).is_some_and(|node| node.view.facts().is_none()) {
            ui.warn(&format!("node {name} is silent: what runs there is seen to when it is back"));
        }
    }
    let options = cluster.plan_options(false);
    let mut jobs = Vec::new();
    for Standing { spec, record, is_settled } in standing {
        let plan = Plan::make(&observed, &spec, options.clone());
        // Nothing to do is no news, unless it ends what was begun.
        let is_news = !plan.forecast.waves.is_empty() || !is_settled;
        let record = record.filter(|_| is_news).map(Ok);
        jobs.push(Job { planned: Planned { observed: observed.clone(), spec, plan }, record });
    }
    let wish = rollout.wish("node update", Kind::Move, options);
    if rollout.dry_run {
        wanted.tell(context, &before, &after);
    }
    let remember = async || wanted.remember(context, &writing(cluster)).await;
    let exit = rollout::carry_out_after(context, cluster, jobs, wish, remember).await?;
    for one in &left {
        ui.talk(&draw(one, ui.look()));
    }
    Ok(if exit == Exit::Done && !left.is_empty() { Exit::Refused } else { exit })
}

/// Stacks with anything on these nodes.
fn stacks_on(observed: &Observed, wanted: &Wanted<'_>) -> BTreeSet<StackName> {
    let there = observed.tasks().filter(|task| task.is_live() && wanted.nodes.contains(&task.node));
    there.map(|task| task.stack.clone()).collect()
}

/// What nodes will be declared as.
fn lay(records: &NodeRecords, wanted: &Wanted<'_>, observed: &mut Observed) {
    for (name, node) in &mut observed.nodes {
        node.member = wanted.cluster.inventory.hosts[name.as_str()].member.clone();
        records.apply(&mut node.member);
    }
}
