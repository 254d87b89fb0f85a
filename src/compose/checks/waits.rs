//! Conditions of dependencies that the other service cannot meet.

use super::{Scene, is_job, is_unchecked};
use crate::compose::stackfile::{Restart, Service};
use crate::model::spec::{DependencyCondition, RestartCondition};
use crate::yaml::Diagnostic;

pub(super) fn check(scene: &Scene<'_>, service: &Service) {
    for (name, condition) in &service.depends_on {
        let Some(other) = scene.file.services.get(name) else { continue };
        let name = scene.sink.clean(name);
        let at = scene.value(service, &["depends_on", &other.key.value, "condition"]);
        match condition.condition {
            DependencyCondition::ServiceStarted => {}
            DependencyCondition::ServiceHealthy => {
                if is_unchecked(other) {
                    scene.sink.push(
                        Diagnostic::error(
                            "never_healthy",
                            format!(
                                "service `{}` waits for the health of a service without a health check",
                                service.key.value
                            ),
                        )
                        .at(at, format!("`{name}` is never found healthy"))
                        .also(scene.key(other, &["healthcheck"]), "not checked")
                        .help("give it a `healthcheck.test`, or wait with `condition: service_started`"),
                    );
                }
            }
            DependencyCondition::ServiceCompletedSuccessfully => {
                if restarts_after_success(other) {
                    scene.sink.push(
                        Diagnostic::warning(
                            "never_completed",
                            format!("service `{}` may wait forever", service.key.value),
                        )
                        .at(at, format!("`{name}` is restarted whenever it ends"))
                        .also(other.key.span, "not a job, and restarted after a success, too")
                        .help(format!(
                            "give `{name}` `restart_policy: {{condition: on-failure}}`, or `mode: replicated-job`"
                        )),
                    );
                }
            }
        }
    }
}

/// By default, a service is restarted whenever it ends.
fn restarts_after_success(service: &Service) -> bool {
    if is_job(service) {
        return false;
    }
    match (&service.deploy.restart_policy, service.restart) {
        (Some(policy), _) => policy.condition.is_none_or(|c| c.value == RestartCondition::Any),
        (None, Some(restart)) => restart.value == Restart::Always,
        (None, None) => true,
    }
}
