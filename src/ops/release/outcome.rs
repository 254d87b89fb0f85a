//! How a run ended, as the ledger remembers it.

use std::collections::BTreeSet;

use super::Plannable;
use crate::ledger::NoCurrent;
use crate::ledger::release::{History, Outcome};
use crate::model::{ServiceName, StackSpec};
use crate::ops::RunReport;
use crate::orchestrator::End;
use crate::orchestrator::{Ending, ServiceEnding, ServiceVerdict, Verdict};

/// What is to be written of the run of a release. `before` is what was remembered when it began, without the
/// release itself. `None` if nothing is to be written: the lock is lost and its next holder writes, or the
/// caller `resumes` what was cut short.
pub(super) fn of_release<P: Plannable>(
    report: &RunReport<P>,
    before: &History,
    resumes: bool,
) -> Option<Outcome> {
    let (spec, is_atomic) = (report.plan.spec(), report.plan.options().atomic);
    Some(match &report.end {
        End::Detached => done(spec),
        End::Verdict(verdict) => match verdict.ending {
            Ending::Converged if report.is_proved() => done(spec),
            // Another look shows that the stack is not as wanted.
            Ending::Converged | Ending::Failed => Outcome::Failed,
            Ending::RolledBack => rolled_back(before, (!is_atomic).then(|| as_before(verdict))),
            Ending::Paused | Ending::RollbackPaused => Outcome::Paused,
            // Its images are there. What else could not be prepared cannot be the next time either: with an
            // outcome that calls for another try, a loop would fill the history.
            Ending::NotPrepared => Outcome::RolledBack { to: ran_before(before), services: None },
            Ending::HostSilent if resumes => return None,
            // It may be as wanted, and it may not.
            Ending::HostSilent => Outcome::Unknown,
        },
        End::TimedOut(_) | End::Interrupted if resumes => return None,
        End::TimedOut(_) | End::Interrupted => Outcome::Interrupted,
        End::LeaseLost => return None,
    })
}

/// What is to be written of a run that was to finish another process's release.
pub(super) fn of_heal<P: Plannable>(report: &RunReport<P>) -> Option<Outcome> {
    let End::Verdict(verdict) = &report.end else { return None };
    match verdict.ending {
        Ending::Converged => Some(done(report.plan.spec())),
        Ending::Paused | Ending::RollbackPaused => Some(Outcome::Paused),
        // The next look finds what is back and what is not; the stack is not as declared.
        Ending::NotPrepared | Ending::Failed | Ending::RolledBack => Some(Outcome::Failed),
        Ending::HostSilent => None,
    }
}

/// All is as `spec` wants it.
pub(super) fn done(spec: &StackSpec) -> Outcome {
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
        // Something ran, and the ledger does not say what: that is still so.
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
