//! Restart policies: what is passed to the engine, and what an ended task means for its slot.
//!
//! Between runs the host heals itself by Docker's own restart policy. It counts attempts and waits in
//! its own way (100 ms, doubling, up to a minute), so `delay` and `window` have no counterpart there.

use crate::model::spec::{RestartCondition, RestartPolicy};

/// Docker's restart policy for a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EnginePolicy {
    No,
    /// On a status other than 0, so many times; 0 is without limit.
    OnFailure(u32),
    /// Always, but for containers that were stopped on purpose.
    ///
    /// Not `always`: that would start kept, stopped tasks again when the daemon restarts.
    UnlessStopped,
}

/// The policy that is passed to the engine. Jobs end on purpose: for them `any` means on failure, as in
/// SwarmKit.
#[must_use]
pub fn engine_policy(policy: &RestartPolicy, is_job: bool) -> EnginePolicy {
    match policy.condition {
        RestartCondition::None => EnginePolicy::No,
        RestartCondition::OnFailure => EnginePolicy::OnFailure(policy.max_attempts),
        // The engine can only limit `on-failure`. A limit that is kept beats an ending with status 0
        // that is restarted: unlimited restarts are what the file rules out.
        RestartCondition::Any if is_job || policy.max_attempts > 0 => {
            EnginePolicy::OnFailure(policy.max_attempts)
        }
        RestartCondition::Any => EnginePolicy::UnlessStopped,
    }
}

/// Whether a task that ended with this status has completed.
#[must_use]
pub fn is_complete(policy: &RestartPolicy, is_job: bool, exit_code: i64) -> bool {
    match policy.condition {
        _ if is_job => exit_code == 0,
        RestartCondition::None => true,
        RestartCondition::OnFailure => exit_code == 0,
        RestartCondition::Any => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(condition: RestartCondition, max_attempts: u32) -> RestartPolicy {
        RestartPolicy { condition, max_attempts, ..RestartPolicy::default() }
    }

    #[test]
    fn conditions_map_to_the_engines_policies() {
        use RestartCondition as C;
        for (condition, attempts, is_job, expected) in [
            (C::None, 3, false, EnginePolicy::No),
            (C::OnFailure, 3, false, EnginePolicy::OnFailure(3)),
            (C::Any, 0, false, EnginePolicy::UnlessStopped),
            (C::Any, 4, false, EnginePolicy::OnFailure(4)),
            (C::Any, 0, true, EnginePolicy::OnFailure(0)),
        ] {
            assert_eq!(engine_policy(&policy(condition, attempts), is_job), expected);
        }
    }

    #[test]
    fn an_ended_task_may_have_done_its_work() {
        use RestartCondition as C;
        assert!(is_complete(&policy(C::None, 0), false, 1));
        assert!(is_complete(&policy(C::OnFailure, 0), false, 0));
        assert!(!is_complete(&policy(C::OnFailure, 0), false, 1));
        assert!(!is_complete(&policy(C::Any, 0), false, 0));
        assert!(is_complete(&policy(C::Any, 0), true, 0));
        assert!(!is_complete(&policy(C::None, 0), true, 1));
    }
}
