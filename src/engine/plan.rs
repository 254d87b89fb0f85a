//! One look at every host, one question to the registries at the same time, and the plan that follows.
//! Holds a [`Lookout`], which cannot write: neither can anything that only plans.

use std::collections::BTreeSet;

use super::Lookout;
use crate::ledger::ReadRegisters;
use crate::model::{Observed, StackSpec, Timestamp};
use crate::orchestrator::pin::{Resolutions, ResolveImage, images_to_resolve, pin};
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
    spec: StackSpec,
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
    let mut options = request.options;
    request.what_if.apply(&mut observed, &mut options);
    if request.resolve == ResolveImage::Changed {
        let running = observed.tasks().filter(|task| task.stack == spec.name);
        let late: BTreeSet<String> = images_to_resolve(&spec, request.resolve, running).into_iter().collect();
        answers = observer.resolve(&late).await;
    }
    plan_on(observed, spec, options, request.resolve, &answers)
}

/// Plans on what was seen, without a host to ask: tags of which no digest runs stay tags, and a note says so.
#[must_use]
pub fn plan_without_hosts(mut observed: Observed, spec: StackSpec, request: Request) -> Planned {
    const WHY: &str = "no registry is asked without hosts";
    let mut options = request.options;
    request.what_if.apply(&mut observed, &mut options);
    let resolve = match request.resolve {
        ResolveImage::Always | ResolveImage::Changed => ResolveImage::Changed,
        ResolveImage::Never => ResolveImage::Never,
    };
    let running = observed.tasks().filter(|task| task.stack == spec.name);
    let open = images_to_resolve(&spec, resolve, running);
    let answers = open.into_iter().map(|image| (image, Err(WHY.to_owned()))).collect();
    plan_on(observed, spec, options, resolve, &answers)
}

fn plan_on(
    observed: Observed,
    mut spec: StackSpec,
    options: PlanOptions,
    resolve: ResolveImage,
    answers: &Resolutions,
) -> Planned {
    let stack = spec.name.clone();
    let running = observed.tasks().filter(|task| task.stack == stack);
    let mut notes = pin(&mut spec, resolve, running, answers);
    let mut plan = Plan::make(&observed, &spec, options);
    if plan.is_empty() {
        notes.retain(|note| !note.is_about_doing());
    }
    notes.append(&mut plan.notes);
    plan.notes = notes;
    Planned { observed, spec, plan }
}
