//! Stacks as they stand in the ledger: what commands work from that move tasks and change nothing else.

use std::collections::BTreeSet;

use futures_util::future::join_all;

use super::cluster::Cluster;
use super::records::{reading, remembered};
use super::rollout::{Draft, Record};
use crate::ledger::{LedgerError, NoCurrent};
use crate::model::{Observed, StackName, StackSpec};

/// A stack, and what is to run of it.
#[derive(Debug)]
pub(super) struct Standing {
    /// Images pinned.
    pub(super) spec: StackSpec,
    /// For whoever is to write: the ledger's part, looked at before the hosts are.
    pub(super) record: Option<Record>,
    /// Whether the newest release came to an end, or was cut off.
    pub(super) is_settled: bool,
}

/// A stack of which it cannot be told what is to run.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[error("stack `{stack}` is left as it is: {why}")]
#[diagnostic(code(stackctl::history::left_as_it_is), help("{help}"))]
pub(super) struct Left {
    pub(super) stack: StackName,
    why: NoCurrent,
    help: String,
}

/// What is to run of each stack, and those of which that cannot be told. Nothing but these is asked of the
/// ledger: it may know many.
pub(super) async fn standing(
    cluster: &Cluster,
    stacks: BTreeSet<StackName>,
    verb: &str,
    message: Option<&String>,
    is_dry: bool,
) -> Result<(Vec<Standing>, Vec<Left>), LedgerError> {
    let all = stacks.into_iter().map(async |stack| {
        let (history, record) = if is_dry {
            (remembered(reading(cluster), &stack).await?.history, None)
        } else {
            let draft = Draft { verb: verb.to_owned(), message: message.cloned(), ..Draft::default() };
            let record = Record::of(cluster, &stack, draft).await?;
            (record.history().clone(), Some(record))
        };
        let is_settled = history.last().is_some_and(|(.., outcome)| outcome.is_some());
        Ok(match history.current() {
            Ok(current) => Ok(Standing { spec: current.spec, record, is_settled }),
            Err(why) => {
                let help = miette::Diagnostic::help(&why).map(|help| help.to_string()).unwrap_or_default();
                Err(Left { stack, why, help })
            }
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
pub(super) fn running(observed: &Observed) -> BTreeSet<StackName> {
    observed.tasks().filter(|task| task.is_live()).map(|task| task.stack.clone()).collect()
}
