//! Records operations other than releases in the log, and warns if their end cannot be recorded.

use super::cluster::Cluster;
use super::records::Writing;
use super::report::Failure;
use super::ui::Ui;
pub(super) use crate::ops::log::NewEntry as Said;
use crate::ops::log::{Unended, logged};

/// Warns that the end of an operation was not recorded.
pub(super) fn warn_unended(ui: &Ui) -> impl FnOnce(Unended) {
    |unended| ui.warn(&unended.to_string())
}

/// Records an operation, carries it out, and records how it ended.
pub(super) async fn recorded<T>(
    ui: &Ui,
    cluster: &Cluster,
    ledger: &Writing,
    said: Said,
    work: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    logged(&cluster.actor(), ledger, said, work, warn_unended(ui)).await
}
