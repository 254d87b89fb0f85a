//! Stacks as they stand in the ledger: what operations work from that move tasks and change nothing else.

use std::collections::BTreeSet;

use futures_util::future::join_all;

use crate::ledger::{LedgerError, NoCurrent};
use crate::model::{Observed, StackName, StackSpec};
use crate::ops::Error;
use crate::ops::cluster::Cluster;
use crate::ops::order::{Job, Order};
use crate::ops::release::Draft;
use crate::orchestrator::Planned;

/// A stack, and what is to run of it. `E` is the error of the surface.
#[derive(Debug)]
pub struct Standing<E> {
    /// Images pinned.
    pub spec: StackSpec,
    /// The ledger's part, looked at before the hosts are; `None` where nothing is to be written.
    pub record: Option<Order<E>>,
    /// Whether the newest release came to an end, or was cut off.
    pub is_settled: bool,
}

impl<E> Standing<E> {
    /// The job that carries out what `plan` makes of the stack. A release without actions is written only where it
    /// ends one that was cut off.
    pub fn job(self, plan: impl FnOnce(StackSpec) -> Planned) -> Job<E> {
        let planned = plan(self.spec);
        let is_wanted = planned.is_busy() || !self.is_settled;
        Job::new(planned, self.record.filter(|_| is_wanted).map(Ok))
    }
}

/// A stack of which it is not known what is to run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("stack `{stack}` is left as it is: {why}")]
pub struct Left {
    /// The stack.
    pub stack: StackName,
    /// Why it is not known.
    pub why: NoCurrent,
}

/// What is to run of each stack, and those of which that is not known. Of the ledger only these are read: it
/// may know many.
///
/// # Errors
///
/// If the ledger cannot be read.
pub async fn standing<E: From<Error>>(
    cluster: &Cluster,
    stacks: BTreeSet<StackName>,
    verb: &str,
    message: Option<&String>,
    is_dry: bool,
) -> Result<(Vec<Standing<E>>, Vec<Left>), LedgerError> {
    let all = stacks.into_iter().map(async |stack| {
        let (history, record) = if is_dry {
            (cluster.remembered_for_sure(&stack).await?.history, None)
        } else {
            let draft = Draft { verb: verb.to_owned(), message: message.cloned(), ..Draft::default() };
            let record = Order::of(cluster, &stack, draft).await?;
            (record.history().clone(), Some(record))
        };
        let is_settled = history.last().is_some_and(|(.., outcome)| outcome.is_some());
        Ok(match history.current() {
            Ok(current) => Ok(Standing { spec: current.spec, record, is_settled }),
            Err(why) => Err(Left { stack, why }),
        })
    });
    let (mut standing, mut left) = (Vec::new(), Vec::new());
    for one in join_all(all).await {
        match one? {
            Ok(one) => standing.push(one),
            Err(why) => left.push(why),
        }
    }
    Ok((standing, left))
}

/// Stacks that have live tasks.
#[must_use]
pub fn running(observed: &Observed) -> BTreeSet<StackName> {
    observed.tasks().filter(|task| task.is_live()).map(|task| task.stack.clone()).collect()
}
