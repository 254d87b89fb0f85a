//! Points in the past as arguments: a time, or an operation of the log.
//!
//! The ledger knows what was declared then, not what ran.

use super::cluster::Cluster;
use super::logs::time;
use super::report::Failure;
use crate::engine::operations::{Id, Operation, operations};
use crate::model::{StackName, Timestamp};
use crate::ops::records::History;

/// No such operation.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[error("the log has no operation `{id}`")]
#[diagnostic(code(stackctl::history::no_operation), help("`stackctl log -n 1000` lists them"))]
pub(super) struct NoOperation {
    pub(super) id: String,
}

/// The operation of that name.
pub(super) async fn find(cluster: &Cluster, id: &Id) -> Result<Operation, Failure> {
    let stack = match id {
        Id::Release(stack, _) | Id::Heal(stack, _) => Some(stack),
        Id::Cluster(_) => None,
    };
    let all = operations(&cluster.ledger, stack, cluster.me.is_gone).await?;
    let found = all.into_iter().find(|one| one.id == *id);
    found.ok_or_else(|| Failure::refused(NoOperation { id: id.to_string() }))
}

/// Removes from a stack's history what came after that time.
pub(super) async fn until(
    cluster: &Cluster,
    stack: &StackName,
    then: &str,
    history: &mut History,
) -> Result<(), Failure> {
    let id = Id::parse(then);
    if let Some(Id::Release(of, number)) = &id
        && of == stack
    {
        find(cluster, &Id::Release(of.clone(), *number)).await?;
        history.releases.retain(|one, _| one <= number);
        return Ok(());
    }
    let then = match &id {
        Some(id) => find(cluster, id).await?.at,
        None => Timestamp(time(then, cluster.clock.now()).map_err(Failure::usage)? / 1_000_000),
    };
    let later = operations(&cluster.ledger, Some(stack), cluster.me.is_gone).await?;
    let later = later.into_iter().filter(|one| one.at > then);
    let later: Vec<u64> = later
        .filter_map(|one| match one.id {
            Id::Release(_, number) => Some(number),
            Id::Cluster(_) | Id::Heal(..) => None,
        })
        .collect();
    history.releases.retain(|number, _| !later.contains(number));
    Ok(())
}
