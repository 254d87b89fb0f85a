//! A plan together with everything that it was made from and that it is carried out by.
//!
//! [`Planned::make`] decides every placement once. People read the forecast of that assignment, and a run
//! executes that same assignment: nothing outside this file pairs a plan with another one, so the plan that
//! was shown is the plan that is carried out. Knows no hosts and no clock.

use std::sync::Arc;

use super::assign::{Assignment, assign};
use super::drift::Drifted;
use super::forecast::Plan;
use super::note::Note;
use super::options::PlanOptions;
use crate::model::{Observed, StackName, StackSpec};

/// A plan of one stack, its placement, and what both were made from.
#[derive(Debug, Clone)]
pub struct Planned {
    observed: Arc<Observed>,
    spec: StackSpec,
    options: PlanOptions,
    plan: Plan,
    assignment: Assignment,
}

impl Planned {
    /// Plans a stack on an observation. Reads nothing, writes nothing; the same input gives the same plan.
    #[must_use]
    pub fn make(observed: impl Into<Arc<Observed>>, spec: StackSpec, options: PlanOptions) -> Self {
        let observed = observed.into();
        let assignment = assign(&observed, &spec, options.clone());
        let plan = Plan::of(&observed, &spec, &options, assignment.clone());
        Self { observed, spec, options, plan, assignment }
    }

    /// Plans the same spec with the same choices on another observation. Notes and drift of this plan are
    /// not taken over: they were of the older look.
    #[must_use]
    pub fn again(&self, observed: impl Into<Arc<Observed>>) -> Self {
        Self::make(observed, self.spec.clone(), self.options.clone())
    }

    /// With notes that were made before the plan was, such as those of pinned images, in front of its own.
    #[must_use]
    pub fn with_notes(mut self, notes: Vec<Note>) -> Self {
        self.plan.notes.splice(0..0, notes);
        self
    }

    /// Adds the drift from the stack's last release.
    #[must_use]
    pub fn with_drift(mut self, drift: Drifted) -> Self {
        self.plan.drift = drift;
        self
    }

    /// The stack that it is about.
    #[must_use]
    pub fn stack(&self) -> &StackName {
        &self.spec.name
    }

    /// The look at the cluster that it was made from.
    #[must_use]
    pub fn observed(&self) -> &Arc<Observed> {
        &self.observed
    }

    /// What is wanted, images pinned.
    #[must_use]
    pub fn spec(&self) -> &StackSpec {
        &self.spec
    }

    /// The choices that it was made with.
    #[must_use]
    pub fn options(&self) -> &PlanOptions {
        &self.options
    }

    /// What people and programs are shown.
    #[must_use]
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Where everything goes: what a run carries out.
    #[must_use]
    pub fn assignment(&self) -> &Assignment {
        &self.assignment
    }

    /// Whether there is anything to do.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        !self.plan.forecast.waves.is_empty()
    }
}
