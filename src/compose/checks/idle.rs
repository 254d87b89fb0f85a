//! Settings without an effect because of other settings: valid, but perhaps not as intended.

use super::{Scene, is_job, is_unchecked, replicas};
use crate::compose::stackfile::Service;
use crate::model::spec::{FailureAction, RestartCondition, UpdateConfig};
use crate::yaml::{Diagnostic, Spanned};

pub(super) fn check(scene: &Scene<'_>, service: &Service) {
    let deploy = &service.deploy;
    for (key, config) in
        [("update_config", &deploy.update_config), ("rollback_config", &deploy.rollback_config)]
    {
        if let Some(config) = config.as_ref().filter(|_| !is_job(service)) {
            update(scene, service, key, config);
        }
    }
    if let Some(policy) = &deploy.restart_policy {
        let has = |key: &str| scene.written_key(service, &["deploy", "restart_policy", key]);
        if let Some(none) = policy.condition.filter(|condition| condition.value == RestartCondition::None) {
            for key in ["delay", "max_attempts", "window"] {
                if has(key).is_some() {
                    let path = ["deploy", "restart_policy", key];
                    tell(scene, service, &path, "nothing is restarted", Some((none.span, "because of this")));
                }
            }
        } else if policy.window.is_some() && policy.max_attempts.is_none_or(|attempts| attempts.value == 0) {
            tell(
                scene,
                service,
                &["deploy", "restart_policy", "window"],
                "counts attempts, and there may be any number of them",
                None,
            );
        }
    }
    health(scene, service);
}

fn update(scene: &Scene<'_>, service: &Service, block: &str, config: &Spanned<UpdateConfig>) {
    let key = |key: &str| scene.written_key(service, &["deploy", block, key]);
    if let Some(action) = key("failure_action").filter(|_| config.failure_action == FailureAction::Continue)
        && config.max_failure_ratio > 0.0
    {
        let path = ["deploy", block, "max_failure_ratio"];
        tell(scene, service, &path, "failures are passed over", Some((action, "because of this")));
    }
    if let Some(parallelism) = key("parallelism").filter(|_| config.parallelism == 0)
        && key("delay").is_some()
    {
        let path = ["deploy", block, "delay"];
        tell(scene, service, &path, "all tasks are replaced at once", Some((parallelism, "because of this")));
    } else if key("delay").is_some()
        && service
            .deploy
            .replicas
            .is_some_and(|count| count.value > 1 && u64::from(config.parallelism) >= u64::from(count.value))
        && replicas(service) > 1
        && let Some(parallelism) = key("parallelism")
    {
        let path = ["deploy", block, "delay"];
        tell(
            scene,
            service,
            &path,
            "all tasks are replaced at once",
            Some((parallelism, "not fewer than there are")),
        );
    }
}

fn health(scene: &Scene<'_>, service: &Service) {
    if !is_unchecked(service) {
        return;
    }
    let why =
        ["disable", "test"].into_iter().find_map(|key| scene.written_key(service, &["healthcheck", key]));
    for key in ["interval", "timeout", "retries", "start_period", "start_interval"] {
        if scene.written_key(service, &["healthcheck", key]).is_some() {
            let because = why.map(|span| (span, "because of this"));
            tell(scene, service, &["healthcheck", key], "nothing is checked", because);
        }
    }
}

/// Reports a key without an effect, and why.
fn tell(
    scene: &Scene<'_>,
    service: &Service,
    path: &[&str],
    why: &str,
    because: Option<(crate::yaml::Span, &str)>,
) {
    let diagnostic = Diagnostic::note(
        "idle_setting",
        format!("`{}` of service `{}` has no effect", path.join("."), service.key.value),
    )
    .at(scene.key(service, path), why);
    scene.sink.push(match because {
        Some((span, label)) => diagnostic.also(span, label),
        None => diagnostic,
    });
}
