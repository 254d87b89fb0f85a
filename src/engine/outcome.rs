//! How a run ended, as the ledger remembers it.

use std::collections::BTreeSet;

use super::End;
use crate::ledger::NoCurrent;
use crate::ledger::release::{History, Outcome};
use crate::model::{ServiceName, StackSpec};
use crate::orchestrator::{Ending, ServiceEnding, ServiceVerdict, Verdict};

/// What is to be written of a run that carried `spec` out. `before` is what was remembered when it began,
/// without its own release. `None` if nothing is to be written: whoever has the lease now writes.
#[must_use]
pub fn of_run(end: &End, spec: &StackSpec, before: &History, is_atomic: bool) -> Option<Outcome> {
    Some(match end {
        End::Detached => done(spec),
        End::Verdict(verdict) => match verdict.ending {
            Ending::Converged => done(spec),
            Ending::RolledBack => rolled_back(before, (!is_atomic).then(|| as_before(verdict))),
            Ending::Paused | Ending::RollbackPaused => Outcome::Paused,
            Ending::NotPrepared => Outcome::NotBegun { still: ran_before(before) },
            Ending::Failed | Ending::HostSilent => Outcome::Failed,
        },
        End::TimedOut(_) | End::Interrupted => Outcome::Interrupted,
        End::LeaseLost => return None,
    })
}

/// All is as `spec` wants it.
#[must_use]
pub fn done(spec: &StackSpec) -> Outcome {
    if spec.services.is_empty() { Outcome::Removed } else { Outcome::Deployed }
}

/// All that was begun is as it was before, or some services of it are.
fn rolled_back(before: &History, services: Option<BTreeSet<ServiceName>>) -> Outcome {
    let to = match (before.current(), &services) {
        (Ok(before), Some(services)) => {
            services.iter().map(|name| before.release_of(name.as_str())).max().unwrap_or(before.number)
        }
        _ => ran_before(before),
    };
    Outcome::RolledBack { to, services }
}

/// The release that runs where a newer one changed nothing.
fn ran_before(before: &History) -> u64 {
    match before.current() {
        Ok(before) => before.number,
        Err(NoCurrent::Removed(_)) => 0,
        // Something ran, and it cannot be told what: the same is true again.
        Err(_) => before.last().map_or(0, |(number, ..)| number),
    }
}

/// The services that are as they were before: those that went back, and those that were not begun because
/// of them.
fn as_before(verdict: &Verdict) -> BTreeSet<ServiceName> {
    let is_as_before = |one: &&ServiceVerdict| match one.ending {
        ServiceEnding::RolledBack | ServiceEnding::Skipped => true,
        ServiceEnding::Failed | ServiceEnding::Paused | ServiceEnding::RollbackPaused => false,
    };
    verdict.services.iter().filter(is_as_before).map(|one| one.service.clone()).collect()
}
