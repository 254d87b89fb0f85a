//! Rebalancing: a few tasks move to where they would be placed today. Planned only: nothing is written here.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Error;
use super::cluster::Cluster;
use super::edit::{Left, running, standing};
use super::order::{Job, Order};
use super::release::Draft;
use crate::ledger::LedgerError;
use crate::model::action::Action;
use crate::model::image::Resolutions;
use crate::model::reason::Reason;
use crate::model::{NodeName, Observed, ServiceName, Slot, StackName, StackSpec};
use crate::orchestrator::rebalance::{Move, carry};
use crate::orchestrator::{PlanOptions, Planned, pin, rebalance as moves};

/// The verb of these releases.
const VERB: &str = "rebalance";

/// Stacks whose tasks move, and stacks that are left as they are. `E` is the error of the surface.
#[derive(Debug)]
pub struct Moves<E> {
    /// The plans.
    pub jobs: Vec<Job<E>>,
    /// Stacks of which the ledger does not say what is to run.
    pub left: Vec<Left>,
}

/// Plans moves of the stacks that run, or of one, by what the ledger says of them; `max_moves` counts over all
/// stacks. What differs from the ledger is restored with it: a run that was cut off may have left two tasks in a
/// slot. `is_dry` plans without what is needed to carry the plans out.
///
/// # Errors
///
/// If the ledger cannot be read.
pub async fn rebalance<E: From<Error>>(
    cluster: &Cluster,
    stack: Option<&StackName>,
    max_moves: usize,
    message: Option<&String>,
    is_dry: bool,
) -> Result<Moves<E>, LedgerError> {
    let stacks = match stack {
        Some(stack) => [stack.clone()].into(),
        None => running(&cluster.observe().await),
    };
    let (standing, left) = standing(cluster, stacks, VERB, message, is_dry).await?;
    let observed = Arc::new(cluster.observe_for_all(standing.iter().map(|one| &one.spec)).await);
    let base = cluster.plan_options(false);
    // Where tasks will be after the moves planned so far: two stacks must not both fill one node.
    let mut then = Observed::clone(&observed);
    let mut moves_left = max_moves;
    let mut jobs = Vec::new();
    for one in standing {
        let moves = moves(&then, &one.spec, &base, moves_left);
        moves_left -= moves.len();
        moves.iter().for_each(|to| carry(&mut then, &one.spec.name, to));
        let options = PlanOptions { moves: targets(moves), ..base.clone() };
        jobs.push(one.job(|spec| Planned::make(Arc::clone(&observed), spec, options)));
    }
    Ok(Moves { jobs, left })
}

/// Why a stack as a file has it cannot be rebalanced.
#[derive(Debug)]
pub enum NotMoved {
    /// The plan has problems.
    Problems(Box<Planned>),
    /// What runs differs from the file: it is to be deployed first.
    NotCurrent(StackName),
}

/// Plans moves of one stack that runs as `spec` has it. Without a `draft` the plan is only looked at.
///
/// # Errors
///
/// If what runs differs from `spec`, or the plan has problems.
pub async fn rebalance_as<E: From<Error>>(
    cluster: &Cluster,
    mut spec: StackSpec,
    draft: Option<Draft>,
    max_moves: usize,
) -> Result<Job<E>, NotMoved> {
    let mut options = cluster.plan_options(false);
    // The lock's stream is read before the hosts are: a plan made beside another process is stale.
    let order = match draft {
        None => None,
        Some(draft) => Some(Order::of(cluster, &spec.name, draft).await),
    };
    let observed = Arc::new(cluster.observe_for(&spec).await);
    // What runs stays as it is, digests too.
    let stack = spec.name.clone();
    let running = observed.tasks().filter(|task| task.stack == stack);
    let _said_at_deploys = pin::pin(&mut spec, pin::ResolveImage::Never, running, &Resolutions::new());
    let before = Planned::make(Arc::clone(&observed), spec, options.clone());
    if !before.plan().problems.is_empty() {
        return Err(NotMoved::Problems(Box::new(before)));
    }
    // What a run left behind that was cut off is no difference from the file.
    let is_leftover = |action: &Action| action.why == Reason::Duplicate;
    if !before.plan().forecast.actions().all(is_leftover) {
        return Err(NotMoved::NotCurrent(stack));
    }
    options.moves = targets(moves(&observed, before.spec(), &options, max_moves));
    let planned = Planned::make(observed, before.spec().clone(), options);
    Ok(Job::new(planned, order))
}

fn targets(moves: Vec<Move>) -> BTreeMap<(ServiceName, Slot), NodeName> {
    moves.into_iter().map(|one| ((one.service, one.slot), one.to)).collect()
}
