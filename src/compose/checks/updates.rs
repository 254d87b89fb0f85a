//! Updates that cannot work, because the new task needs what the old one still holds.

use super::{Scene, host_port, is_global, is_job, replicas};
use crate::compose::stackfile::Service;
use crate::model::spec::UpdateOrder;
use crate::yaml::{Diagnostic, Span};

pub(super) fn check(scene: &Scene<'_>, service: &Service) {
    for (key, config) in
        [("update_config", service.deploy.update_config), ("rollback_config", service.deploy.rollback_config)]
    {
        if key == "rollback_config" {
            ratio(scene, service, config.map(|config| config.max_failure_ratio));
        }
        let starts_first = config.is_some_and(|config| config.order == UpdateOrder::StartFirst);
        // A job with update settings is refused altogether.
        if !starts_first || is_job(service) || replicas(service) == 0 {
            continue;
        }
        let order = scene.value(service, &["deploy", key, "order"]);
        if let Some(port) = host_port(service) {
            start_first_with_port(scene, service, order, port.span);
        }
        let fixed = service.networks.iter().flatten().find_map(|(_, attachment)| {
            attachment.ipv4_address.or(attachment.ipv6_address).map(|address| address.span)
        });
        if let Some(address) = fixed {
            scene.sink.push(
                Diagnostic::error(
                    "start_first_with_address",
                    format!("service `{}` cannot start its new task first", service.key.value),
                )
                .at(order, "the new task starts before the old one stops")
                .also(address, "and both need this address")
                .help("write `order: stop-first`, or remove the address"),
            );
        }
    }
}

/// Docker's server looks at the one of an update only.
fn ratio(scene: &Scene<'_>, service: &Service, ratio: Option<f64>) {
    if ratio.is_some_and(|ratio| !(0.0..=1.0).contains(&ratio)) {
        let name = &service.key.value;
        let message =
            format!("`deploy.rollback_config.max_failure_ratio` of service `{name}` is out of range");
        let at = scene.value(service, &["deploy", "rollback_config", "max_failure_ratio"]);
        scene.sink.push(scene.hopeless("out_of_range", message).at(at, "a share is between 0 and 1"));
    }
}

/// Both tasks need the port of the node. A replicated service can start the new task on a spare node; a global one
/// cannot.
fn start_first_with_port(scene: &Scene<'_>, service: &Service, order: Span, port: Span) {
    let name = &service.key.value;
    let diagnostic = if is_global(service) {
        scene
            .hopeless(
                "start_first_with_host_port",
                format!("global service `{name}` cannot start its new task first"),
            )
            .help("write `order: stop-first`: on each node the old task holds the port")
    } else {
        Diagnostic::warning(
            "start_first_with_host_port",
            format!("service `{name}` can start its new task first only on another node"),
        )
        .help("write `order: stop-first`, or keep a node more than there are replicas")
    };
    scene.sink.push(
        diagnostic
            .at(order, "the new task starts before the old one stops")
            .also(port, "which holds this port of its node"),
    );
}
