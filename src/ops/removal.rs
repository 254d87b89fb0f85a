//! Stacks that are removed: each a release of nothing.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Error;
use super::agents::over::{Wanted, tell};
use super::cluster::Cluster;
use super::order::{Job, Order};
use super::release::Draft;
use crate::model::{Observed, StackName, StackSpec};
use crate::orchestrator::Planned;

/// What removing stacks comes to.
#[derive(Debug)]
pub struct Removal<E> {
    /// Those of which something is there, in the order in which they were named.
    pub jobs: Vec<Job<E>>,
    /// Those of which nothing is left on the hosts that answer, and how many tasks with secrets agents know now to be over
    /// on hosts that do not.
    pub absent: Vec<(StackName, usize)>,
    /// What was seen.
    pub observed: Arc<Observed>,
}

/// Plans the removal of these stacks, each once; with `dry_run`, only to look at it.
pub async fn removal<E: From<Error>>(
    cluster: &Cluster,
    stacks: &[StackName],
    message: Option<&str>,
    dry_run: bool,
) -> Removal<E> {
    // Reads the locks before it observes the hosts.
    let mut orders = BTreeMap::new();
    if !dry_run {
        for stack in stacks {
            let message = message.map(str::to_owned);
            let draft = Draft { verb: "rm".to_owned(), message, ..Draft::default() };
            orders.insert(stack, Order::of(cluster, stack, draft).await);
        }
    }
    let observed = Arc::new(cluster.observe().await);
    let (mut jobs, mut absent) = (Vec::new(), Vec::new());
    for (at, stack) in stacks.iter().enumerate() {
        if stacks[..at].contains(stack) {
            continue;
        }
        let spec = StackSpec::empty(stack.clone());
        let planned = Planned::make(Arc::clone(&observed), spec, cluster.plan_options(true));
        if planned.plan().is_empty() {
            let over = match dry_run {
                true => 0,
                false => tell(&cluster.fleet, &Wanted::of(&planned, &observed)).await,
            };
            absent.push((stack.clone(), over));
        } else {
            jobs.push(Job::new(planned, orders.remove(stack)));
        }
    }
    Removal { jobs, absent, observed }
}
