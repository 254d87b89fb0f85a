//! Releases in a ledger, read and written.

use crate::ledger::nodes;
use crate::ledger::payload::value;
use crate::ledger::release::{History, Outcome, Release, outcomes, releases};
use crate::ledger::{Appended, Ledger, LedgerError, Log, ReadRegisters, WriteRegisters};
use crate::model::{StackName, StackSpec, Timestamp};

/// The releases of a stack, and the streams they come from: releases, and how they ended.
pub async fn history<R: ReadRegisters>(
    ledger: &Ledger<R>,
    stack: &StackName,
) -> Result<(History, Log, Log), LedgerError> {
    let streams = (releases(stack), outcomes(stack));
    // Errors of both streams are reported for the first, whichever answers first.
    let (releases, outcomes) = tokio::join!(ledger.read(&streams.0), ledger.read(&streams.1));
    let (releases, outcomes) = (releases?, outcomes?);
    let history = History::of(&releases, &outcomes).map_err(|(seq, detail)| LedgerError::Unreadable {
        stream: streams.0.to_string(),
        seq,
        detail,
    })?;
    Ok((history, releases, outcomes))
}

/// What is recorded of a stack, and the streams it comes from.
#[derive(Debug, Default)]
pub struct Remembered {
    pub history: History,
    releases: Log,
    outcomes: Log,
}

/// Reads the releases of a stack.
pub async fn remembered<R: ReadRegisters>(
    ledger: &Ledger<R>,
    stack: &StackName,
) -> Result<Remembered, LedgerError> {
    let (history, releases, outcomes) = history(ledger, stack).await?;
    Ok(Remembered { history, releases, outcomes })
}

impl Remembered {
    /// Whether a deploy of this that has nothing to do is no new release: it is what was deployed last, and
    /// successfully.
    pub fn is_last(&self, spec: &StackSpec) -> bool {
        self.history.current().is_ok_and(|current| current.spec == *spec)
    }

    /// Writes a release; returns its number.
    pub async fn begin(
        &self,
        ledger: &Ledger<impl WriteRegisters>,
        release: &Release,
    ) -> Result<u64, LedgerError> {
        let stream = releases(&release.spec.name);
        self.releases.check_write(&stream)?;
        self.outcomes.check_write(&outcomes(&release.spec.name))?;
        let ours = value(ledger.registers(), serde_json::json!(release));
        let mut number = self.releases.undecided.first().copied().unwrap_or_else(|| self.releases.next());
        while ledger.append(&stream, number, &ours).await? != Appended::Won {
            number += 1;
        }
        Ok(number)
    }

    /// Writes how a release ended, and trims the streams.
    pub async fn end(
        &self,
        ledger: &Ledger<impl WriteRegisters>,
        stack: &StackName,
        number: u64,
        at: Timestamp,
        outcome: &Outcome,
    ) -> Result<(), LedgerError> {
        let ours = value(ledger.registers(), outcome.recorded(at));
        ledger.append(&outcomes(stack), number, &ours).await?;
        let of_stack = async {
            for (stream, log) in [(releases(stack), &self.releases), (outcomes(stack), &self.outcomes)] {
                ledger.replicate(&stream, log).await;
                ledger.trim(&stream, log).await;
            }
        };
        // Node records may stay unwritten for months: so each deploy copies them to new managers.
        let of_nodes = async {
            if let Ok(log) = ledger.read(&nodes::stream()).await {
                ledger.replicate(&nodes::stream(), &log).await;
            }
        };
        tokio::join!(of_stack, of_nodes);
        Ok(())
    }
}
