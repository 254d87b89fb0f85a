//! Operations that are no release, written down: that they begin, and how they ended.
//!
//! What cannot be written down is not done: a log with holes is none.

use super::cluster::Cluster;
use super::machine;
use super::records::Writing;
use super::report::Failure;
use super::ui::Ui;
use crate::ledger::operation::{Changed, Ending, Operation, begin, end, stream};
use crate::model::StackName;

/// What is to be said of an operation.
#[derive(Debug, Default)]
pub(super) struct Said {
    /// The words of the command, without secret values.
    pub(super) verb: String,
    pub(super) message: Option<String>,
    pub(super) stacks: Vec<StackName>,
    pub(super) changes: Vec<Changed>,
}

/// Writes an operation down, does it, and writes down how it ended.
pub(super) async fn recorded<T>(
    ui: &Ui,
    cluster: &Cluster,
    ledger: &Writing,
    said: Said,
    work: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    let Said { verb, message, stacks, changes } = said;
    let (who, at) = (machine::who(), cluster.clock.now());
    let operation = Operation { verb, who, at, message, stacks, changes };
    let number = begin(ledger, &stream(), operation).await?;
    let done = work.await;
    let ending = match &done {
        Ok(_) => Ending::Done,
        Err(failure) => Ending::Failed { why: failure.report.to_string() },
    };
    if let Err(error) = end(ledger, &stream(), number, cluster.clock.now(), ending).await {
        ui.warn(&format!("operation @{number} was not written to its end: {error}"));
    }
    done
}
