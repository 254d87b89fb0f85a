//! Ports of the nodes that two services publish. `lower` finds two that publish the same port on every node.

use std::collections::BTreeMap;

use super::{Scene, is_global};
use crate::compose::stackfile::Service;
use crate::model::spec::{HostPort, Port, PublishMode};
use crate::yaml::{Diagnostic, Spanned};

/// The limit of services with the same port that are compared; one report for more of them is enough.
const SAME_MAX: usize = 100;

pub(super) fn check(scene: &Scene<'_>) {
    let mut known: BTreeMap<u16, Vec<(&Service, &Spanned<Port>)>> = BTreeMap::new();
    for service in scene.file.services.values() {
        for port in &service.ports {
            let Some(number) = port.published else { continue };
            let others = known.entry(number).or_default();
            let is_other = |other: &&Service| other.key.value != service.key.value;
            let found = others.iter().find_map(|(other, first)| {
                Some(*other).filter(|other| is_other(other) && clash(first, port))?;
                pair(scene, (*other, *first), (service, port))
            });
            if let Some(found) = found {
                scene.sink.push(found);
            }
            if others.len() < SAME_MAX {
                others.push((service, port));
            }
        }
    }
}

/// Checks a port that two services publish.
fn pair(
    scene: &Scene<'_>,
    one: (&Service, &Spanned<Port>),
    other: (&Service, &Spanned<Port>),
) -> Option<Diagnostic> {
    // In the order of the file, not of the names.
    let (first, second) = if one.1.span < other.1.span { (one, other) } else { (other, one) };
    let names = format!("services `{}` and `{}`", first.0.key.value, second.0.key.value);
    let diagnostic = match (first.1.mode, second.1.mode) {
        (PublishMode::Ingress, PublishMode::Ingress) => return None,
        (PublishMode::Host, PublishMode::Host) => {
            // Other services may be on different nodes.
            (is_global(first.0) && is_global(second.0) && same_nodes(first.0, second.0)).then_some(())?;
            scene
                .hopeless("port_on_every_node", format!("{names} publish the same port on every node"))
                .at(second.1.span, "again here")
                .also(first.1.span, "first here")
                .help("use another port for one of the two, or constrain them to different nodes")
        }
        (PublishMode::Ingress, PublishMode::Host) | (PublishMode::Host, PublishMode::Ingress) => {
            Diagnostic::warning("port_in_two_modes", format!("{names} publish the same port"))
                .at(second.1.span, published(second.1.mode))
                .also(first.1.span, published(first.1.mode))
                .help("where both have a task one of them does not start: use another port for one")
        }
    };
    Some(diagnostic)
}

fn published(mode: PublishMode) -> &'static str {
    match mode {
        PublishMode::Ingress => "published for the whole service",
        PublishMode::Host => "published on the node of each task",
    }
}

fn same_nodes(one: &Service, other: &Service) -> bool {
    let sorted = |service: &Service| {
        let mut all: Vec<String> = service.deploy.constraints.iter().map(|c| c.replace(' ', "")).collect();
        all.sort();
        all
    };
    sorted(one) == sorted(other)
}

fn clash(a: &Port, b: &Port) -> bool {
    let host = |port: &Port| {
        port.published.map(|number| HostPort { number, protocol: port.protocol, ip: port.host_ip })
    };
    matches!((host(a), host(b)), (Some(a), Some(b)) if a.clashes_with(&b))
}
