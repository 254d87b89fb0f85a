//! Constraints that no node can meet, and tasks that must share a node but cannot.

use super::{Scene, host_port, is_global, replicas};
use crate::compose::stackfile::Service;
use crate::model::constraint::{Beside, Constraint};
use crate::yaml::{Diagnostic, Spanned};

/// The limit of constraints of a service that are compared with each other.
const CONSTRAINTS_MAX: usize = 200;

pub(super) fn check(scene: &Scene<'_>, service: &Service) {
    let read = |text: &Spanned<String>| Some((text.span, Constraint::parse(text).ok()?));
    let constraints: Vec<_> =
        service.deploy.constraints.iter().take(CONSTRAINTS_MAX).filter_map(read).collect();
    for (n, (span, constraint)) in constraints.iter().enumerate() {
        if let Some(why) = constraint.never_holds() {
            scene.sink.push(
                scene
                    .hopeless(
                        "impossible_constraint",
                        format!("no node can meet a constraint of service `{}`", service.key.value),
                    )
                    .at(*span, why)
                    .help("correct the value, or remove the constraint"),
            );
        }
        if let Some((first, _)) = constraints[..n].iter().find(|(_, other)| constraint.contradicts(other)) {
            scene.sink.push(
                scene
                    .hopeless(
                        "contradicting_constraints",
                        format!("no node can meet both constraints of service `{}`", service.key.value),
                    )
                    .at(*span, "excludes the other")
                    .also(*first, "the other")
                    .help("constraints hold all together: keep one of the two"),
            );
        }
    }
    for (span, constraint) in &constraints {
        lonely(scene, service, *span, constraint);
    }
    if let Some((pin, _)) = constraints.iter().find(|(_, constraint)| constraint.names_one_node()) {
        share_one_node(scene, service, *pin);
    }
}

/// An affinity to a service that does not exist. A name with `_` may be one of another stack.
fn lonely(scene: &Scene<'_>, service: &Service, span: crate::yaml::Span, constraint: &Constraint) {
    let Some((Beside::Service, true)) = constraint.affinity() else { return };
    let Some(name) = constraint.plain_value().filter(|name| !name.contains('_')) else { return };
    if constraint.is_soft() || scene.file.services.keys().any(|key| constraint.matches(key)) {
        return;
    }
    scene.sink.push(
        Diagnostic::warning(
            "no_such_company",
            format!("service `{}` has an affinity to `{name}`, which does not exist", service.key.value),
        )
        .at(span, "no service of this stack is called so")
        .help("correct the name; a service of another stack is written with the stack's name: `shop_db`"),
    );
}

/// Several tasks on one node that need something a node has only once.
fn share_one_node(scene: &Scene<'_>, service: &Service, pin: crate::yaml::Span) {
    let tasks = replicas(service);
    let Some(count) = service.deploy.replicas.filter(|_| !is_global(service) && tasks > 1) else { return };
    let tell = |span, label: String| {
        scene.sink.push(
            scene
                .hopeless(
                    "too_few_nodes",
                    format!("the {tasks} tasks of service `{}` do not fit on one node", service.key.value),
                )
                .at(count.span, format!("{tasks} tasks"))
                .also(pin, "all of them on this node")
                .also(span, label)
                .help("lower `replicas`, or let the service run on more nodes"),
        );
    };
    if let Some(max) = service.deploy.max_replicas_per_node.filter(|max| max.value > 0 && max.value < tasks) {
        tell(max.span, format!("at most {} on one node", max.value));
        return;
    }
    if let Some(port) = host_port(service) {
        tell(port.span, "each task needs this port of the node for itself".to_owned());
    }
}
