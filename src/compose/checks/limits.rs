//! Amounts that contradict each other, or that the engine refuses.

use super::{Scene, is_global, replicas};
use crate::compose::stackfile::Service;
use crate::model::GoDuration;
use crate::model::spec::TASKS_MAX;
use crate::yaml::{Diagnostic, Span};

pub(super) fn check(scene: &Scene<'_>, service: &Service) {
    let deploy = &service.deploy;
    let reserved = &deploy.reservations;
    for (key, limit, reservation) in
        [("cpus", deploy.limits.cpus, reserved.nano_cpus), ("memory", deploy.limits.memory, reserved.memory)]
    {
        if let Some(limit) = limit.filter(|limit| limit.value > 0 && limit.value < reservation) {
            let at = scene.value(service, &["deploy", "resources", "reservations", key]);
            scene.sink.push(
                Diagnostic::warning(
                    "reserved_above_limit",
                    format!("service `{}` reserves more {} than it may use", service.key.value, words(key)),
                )
                .at(at, "kept free on the node")
                .also(limit.span, "more than this a task does not get")
                .help("reserve as much as the limit, or less"),
            );
        }
    }
    for (name, limit) in &service.ulimits {
        // -1 is no limit at all.
        let unlimited = |value: i64| if value == -1 { i64::MAX } else { value };
        if unlimited(limit.soft) > unlimited(limit.hard) {
            scene.sink.push(
                scene
                    .hopeless(
                        "soft_above_hard",
                        format!(
                            "the soft limit of ulimit `{}` is above the hard one",
                            scene.sink.clean(name)
                        ),
                    )
                    .at(limit.span, format!("soft {}, hard {}", limit.soft, limit.hard))
                    .help("the soft limit is the hard one, or less"),
            );
        }
    }
    health(scene, service);
}

/// More tasks than any stack may have, at the service that has most.
pub(super) fn tasks(scene: &Scene<'_>) {
    let numbered = || scene.file.services.values().filter(|service| !is_global(service));
    let all = numbered().fold(0_u64, |sum, service| sum.saturating_add(replicas(service).into()));
    let largest = numbered().filter_map(|service| service.deploy.replicas).max_by_key(|count| count.value);
    let Some(count) = largest.filter(|_| all > TASKS_MAX) else { return };
    scene.sink.push(
        scene
            .hopeless("too_many_tasks", format!("the stack would have {all} tasks"))
            .at(count.span, "most of them are asked for here")
            .help(format!("a stack has at most {TASKS_MAX} tasks in all: lower `replicas`")),
    );
}

/// The engine's own least duration (moby, `daemon/container.go`): a millisecond; 0 is its default.
fn health(scene: &Scene<'_>, service: &Service) {
    const LEAST: GoDuration = GoDuration::from_millis(1);
    let Some(health) = &service.healthcheck else { return };
    let all = [
        ("interval", health.interval),
        ("timeout", health.timeout),
        ("start_period", health.start_period),
        ("start_interval", health.start_interval),
    ];
    let at = |key: &str| -> Span { scene.value(service, &["healthcheck", key]) };
    for (key, duration) in all {
        if duration.is_some_and(|duration| duration > GoDuration::ZERO && duration < LEAST) {
            scene.sink.push(
                Diagnostic::error(
                    "out_of_range",
                    format!("`healthcheck.{key}` of service `{}` is out of range", service.key.value),
                )
                .at(at(key), "must be `1ms` or more")
                .help("the engine refuses a shorter one; `0s` is its default"),
            );
        }
    }
}

fn words(key: &str) -> &str {
    if key == "cpus" { "CPU" } else { key }
}
