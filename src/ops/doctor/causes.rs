//! Findings that have one cause: a manager that is behind shows it in every stream of records.

use super::{Check, Finding, Gap, Level, counts_with_one_fewer};
use crate::ledger::LedgerError;

/// Findings of one cause.
#[derive(Debug, Clone, PartialEq)]
pub struct Cause<'c> {
    /// The first of them.
    pub first: &'c Check,
    /// The others, in their order.
    pub others: Vec<&'c Check>,
}

impl<'c> Cause<'c> {
    /// All of them.
    pub fn all(&self) -> impl Iterator<Item = &'c Check> + '_ {
        std::iter::once(self.first).chain(self.others.iter().copied())
    }
}

/// What findings of one cause have in common.
#[derive(PartialEq)]
enum Common<'f> {
    Undecided,
    Behind(&'f str),
    Differs(&'f str),
    Alone { managers: &'f [String], were_decided: bool, is_had_back: bool },
    OtherManagers(&'f [String]),
    ManagersChanged { then: &'f [String], now: &'f [String] },
    NoMajority(&'f LedgerError),
    Copies { answering: usize, lacking: &'f [String] },
}

fn common(finding: &Finding) -> Option<Common<'_>> {
    Some(match finding {
        Finding::Gap(Gap::Undecided { .. }) => Common::Undecided,
        Finding::Gap(Gap::Behind { manager, .. }) => Common::Behind(manager),
        Finding::Gap(Gap::Differs { manager, .. }) => Common::Differs(manager),
        Finding::Gap(Gap::Alone { managers, fewest, of, were_decided, .. }) => Common::Alone {
            managers,
            were_decided: *were_decided,
            is_had_back: counts_with_one_fewer(*fewest, *of),
        },
        Finding::Gap(Gap::OtherManagers { then, .. }) => Common::OtherManagers(then),
        Finding::Unreadable(LedgerError::ManagersChanged { then, now, .. }) => {
            Common::ManagersChanged { then, now }
        }
        Finding::Unreadable(error @ LedgerError::NoMajority { .. }) => Common::NoMajority(error),
        Finding::Copies { answering, lacking, .. } => Common::Copies { answering: *answering, lacking },
        _ => return None,
    })
}

/// The findings by their causes, in the order of the first of each.
#[must_use]
pub fn by_cause(checks: &[Check]) -> Vec<Cause<'_>> {
    let mut all: Vec<(Level, Option<Common<'_>>, Cause<'_>)> = Vec::new();
    for check in checks {
        let (level, shared) = (check.finding.level(), common(&check.finding));
        match all.iter_mut().find(|(of, with, _)| shared.is_some() && *of == level && *with == shared) {
            Some((.., cause)) => cause.others.push(check),
            None => all.push((level, shared, Cause { first: check, others: Vec::new() })),
        }
    }
    all.into_iter().map(|(.., cause)| cause).collect()
}
