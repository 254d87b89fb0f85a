//! How a loop is to go, and how long it waits for what.

use std::collections::BTreeSet;

use crate::model::StackName;
use crate::orchestrator::PlanOptions;

/// What happened is looked into after this long: several things often happen together.
pub(super) const SETTLE_MS: i64 = 150;
/// A look in which some host does not answer is given up after this long, and begun again.
pub(super) const LOOK_LIMIT_MS: i64 = 20_000;
/// After a question that the ledger did not answer.
pub(super) const ASK_AGAIN_MS: i64 = 2_000;
/// A question that the ledger has failed to answer so often in a row is given up by a loop that goes round only once: its
/// caller waits.
pub(super) const LEDGER_TRIES: u32 = 3;
/// Stacks that are worked on at a time: more only queue at the engines.
pub(super) const HEALS_MAX: usize = 8;
/// Stacks whose records are read at a time.
pub const READS_MAX: usize = 8;
/// What is under way when the loop is to stop is finished within this.
pub(super) const STOP_LIMIT_MS: i64 = 60_000;

/// What to do about a stack that is not as declared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Policy {
    /// Bring it back.
    Heal,
    /// Say so. Such a loop writes nothing anywhere.
    Report,
}

/// How a loop is to go.
#[derive(Debug, Clone)]
pub struct Options {
    /// What to do about drift.
    pub policy: Policy,
    /// From one full look to the next, in milliseconds, if nothing happens.
    pub interval_ms: i64,
    /// From one reading of all that is remembered to the next, in milliseconds, whatever was heard: engines
    /// tell of records that are written, and a directory does not.
    pub records_ms: i64,
    /// From one question for hosts to the next, in milliseconds, where they are discovered.
    pub discover_ms: i64,
    /// How long a node may be silent before it counts as lost, in milliseconds.
    pub patience_ms: i64,
    /// Only these stacks; all if there is none.
    pub only: BTreeSet<StackName>,
    /// The choices of plans.
    pub plan: PlanOptions,
    /// End once every stack was looked at and whatever could be done is done.
    pub once: bool,
}

/// What holds for as long as a loop runs.
#[derive(Debug, Clone)]
pub struct Setup {
    /// How it is to go.
    pub options: Options,
    /// Whether it may write into the ledger. Without that it needs no lead and changes nothing.
    pub may_write: bool,
    /// The sources that are asked for hosts; `None` if all hosts stand in the inventory.
    pub sources: Option<BTreeSet<String>>,
}

impl Options {
    /// Whether a stack is among those that are looked after.
    pub(super) fn concerns(&self, stack: &StackName) -> bool {
        self.only.is_empty() || self.only.contains(stack)
    }
}
