//! One look at every host, one question to the registries at the same time, and the plan that follows.
//! Holds a [`Lookout`], which cannot write: neither can anything that only plans.

use std::collections::BTreeSet;

use super::Lookout;
use crate::ledger::ReadRegisters;
use crate::model::{Observed, StackSpec, Timestamp};
use crate::orchestrator::pin::{ResolveImage, images_to_resolve, pin};
use crate::orchestrator::{Plan, PlanOptions, WhatIf};

/// What is asked for besides the stackfile.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// Choices of the plan.
    pub options: PlanOptions,
    /// When registries are asked.
    pub resolve: ResolveImage,
    /// What the cluster is taken to be.
    pub what_if: WhatIf,
}

/// A plan, and what it was made from.
#[derive(Debug)]
pub struct Planned {
    /// What was seen.
    pub observed: Observed,
    /// What is wanted, images pinned.
    pub spec: StackSpec,
    /// What would be done.
    pub plan: Plan,
}

/// Looks and plans. Writes nothing anywhere.
pub async fn plan<R: ReadRegisters>(
    lookout: Lookout<'_, R>,
    now: Timestamp,
    mut spec: StackSpec,
    request: Request,
) -> Planned {
    let observer = lookout.observer;
    // What does not depend on what runs is asked while the hosts are: one round, not two.
    let nothing = std::iter::empty;
    let early: BTreeSet<String> = match request.resolve {
        ResolveImage::Always => images_to_resolve(&spec, request.resolve, nothing()).into_iter().collect(),
        ResolveImage::Changed | ResolveImage::Never => BTreeSet::new(),
    };
    let (mut observed, mut answers) = tokio::join!(lookout.observe(now), observer.resolve(&early));
    let mut options = request.options.clone();
    request.what_if.apply(&mut observed, &mut options);
    let running = || observed.tasks().filter(|task| task.stack == spec.name);
    if request.resolve == ResolveImage::Changed {
        let late: BTreeSet<String> =
            images_to_resolve(&spec, request.resolve, running()).into_iter().collect();
        answers = observer.resolve(&late).await;
    }
    let stack = spec.name.clone();
    let running = observed.tasks().filter(|task| task.stack == stack);
    let mut notes = pin(&mut spec, request.resolve, running, &answers);
    let mut plan = Plan::make(&observed, &spec, options);
    if plan.is_empty() {
        notes.retain(|note| !note.is_about_doing());
    }
    notes.append(&mut plan.notes);
    plan.notes = notes;
    Planned { observed, spec, plan }
}
