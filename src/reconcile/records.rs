//! Reads for a loop what the ledger says a stack should be, and repairs what was left half written.

use super::heal::LoopContext;
use crate::engine::node_records;
use crate::engine::records::remembered_patiently;
use crate::ledger::{Ledger, LedgerError, ReadRegisters, document, settings};
use crate::model::StackName;
use crate::ops::declared::record::StackRecord;

/// Reads what is remembered of a stack. A deploy that is writing its release is waited for; what stays undecided is so in what
/// is read.
pub(super) async fn known<R: ReadRegisters>(
    ledger: &Ledger<R>,
    stack: &StackName,
) -> Result<StackRecord, LedgerError> {
    let (remembered, settings) =
        tokio::join!(remembered_patiently(ledger, stack), settings::settings(ledger, stack));
    Ok(StackRecord::of(&remembered?.history, settings?))
}

/// Reads it for a loop. What was left half written of its settings would stay so until the next command:
/// a loop that may write settles it.
pub(super) async fn settled(context: &LoopContext, stack: &StackName) -> Result<StackRecord, LedgerError> {
    match (known(&context.reading, stack).await, &context.writing) {
        (Err(LedgerError::Undecided { .. }), Some(writing)) => {
            document::repair(writing, &settings::stream(stack)).await?;
            known(&context.reading, stack).await
        }
        (known, _) => known,
    }
}

/// The same for what is remembered of the nodes. Whether it can be read is seen by the look at them.
pub(super) async fn tend_nodes(context: &LoopContext) {
    if let Some(writing) = &context.writing {
        let _is_told = node_records::repair(writing).await;
    }
}
