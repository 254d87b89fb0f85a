//! How soon a task of a service can count as up, as far as that is sure before the task was started.
//!
//! For the least time of a plan alone: whatever is not sure counts as no time at all.

use super::Planner;
use crate::model::restart;
use crate::model::spec::ServiceSpec;
use crate::model::{Health, Task, TaskStatus};

/// The soonest way in which a task counts as up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Readiness {
    /// It has no health check for sure: it runs, and then it must hold.
    Running,
    /// It may be healthy so many milliseconds after its start; 0 where that may depend on the image.
    Healthy {
        /// Milliseconds from the start to the end of the first probe, at least.
        after_ms: i64,
    },
    /// It may end with status 0 at once, which is all that it has to do.
    Complete,
}

impl Readiness {
    /// Whether it takes any time for sure.
    #[must_use]
    pub fn takes_time(self) -> bool {
        match self {
            Self::Running => true,
            Self::Healthy { after_ms } => after_ms > 0,
            Self::Complete => false,
        }
    }
}

impl Planner<'_> {
    /// How soon a fresh task of this service can count as up.
    pub(super) fn readiness(&self, service: &ServiceSpec, must_complete: bool) -> Readiness {
        if must_complete || restart::is_complete(&service.task.restart_policy, service.mode.is_job(), 0) {
            return Readiness::Complete;
        }
        match &service.task.healthcheck {
            Some(check) if check.is_disabled() => Readiness::Running,
            Some(check) => Readiness::Healthy { after_ms: check.first_probe_ms() },
            None if self.runs_unchecked(service) => Readiness::Running,
            None => Readiness::Healthy { after_ms: 0 },
        }
    }

    /// Whether the very same image is seen to run without a health check, so that it brings none. A digest
    /// may stand for an image of each platform: that of another one proves nothing.
    fn runs_unchecked(&self, service: &ServiceSpec) -> bool {
        let wanted = &service.task;
        let is_proof = |task: &&&Task| {
            let same = task.spec.image == wanted.image && task.spec.digest == wanted.digest;
            let unchecked = task.status == TaskStatus::Running { health: Health::None };
            same && unchecked && task.spec.healthcheck.is_none()
        };
        let is_pinned = wanted.digest.is_some() || wanted.image.contains("@sha256:");
        let mut platforms = self.observed.reachable().map(|(_, facts)| &facts.platform);
        let first = platforms.next();
        is_pinned
            && self.running.get(&service.name).is_some_and(|tasks| tasks.iter().any(|task| is_proof(&task)))
            && platforms.all(|other| Some(other) == first)
    }
}
