//! An older release, released again: its images keep their digests, and what was forced since stays forced.

use super::Error;
use super::cluster::Cluster;
use super::order::{Job, Order};
use super::release::{Commit, Draft};
use crate::ledger::release::Release;
use crate::model::StackName;
use crate::orchestrator::{Planned, pin};

/// Plans the release `number` of a stack once more; with `dry_run`, only to look at it.
pub async fn rollback<E: From<Error>>(
    cluster: &Cluster,
    stack: &StackName,
    (number, release): (u64, &Release),
    message: Option<String>,
    dry_run: bool,
) -> Job<E> {
    let mut spec = release.spec.clone();
    let plan = async {
        let observed = cluster.observe_for(&spec).await;
        pin::keep_forced(&mut spec, observed.tasks().filter(|task| task.stack == *stack));
        Planned::make(observed, spec, cluster.plan_options(true))
    };
    let draft = || Draft {
        verb: format!("rollback to {number}"),
        files: release.files.clone(),
        message,
        git: release.git.clone().map(Commit::Known),
        ..Draft::default()
    };
    let draft = (!dry_run).then(draft);
    Order::job(cluster, stack, draft, plan).await
}
