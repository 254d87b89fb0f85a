//! Which networks a service joins and under which names.

use std::collections::{BTreeMap, BTreeSet};

use super::{Context, bare, labels, plain};
use crate::compose::stackfile::{self, Network, Service};
use crate::model::spec::{Attachment, Ipam, IpamPool, NetworkSpec};
use crate::yaml::{Diagnostic, Span};

/// The network of a service that names none.
const DEFAULT: &str = "default";

/// How a service joins its networks, by their full names.
type Attachments = BTreeMap<String, Box<Attachment>>;

/// A service's networks by full name, or the mode that takes their place.
pub fn attach(context: &Context<'_>, service: &Service) -> (Attachments, Option<String>) {
    if let Some(mode) = &service.network_mode {
        return (BTreeMap::new(), network_mode(context, service, mode));
    }
    let mut joined = BTreeMap::new();
    let mut engines_own: Option<(String, Span)> = None;
    for (key, span, attachment) in wanted(service) {
        let Some(network) = defined(context, key, span) else { continue };
        let name = full_name(context, key, network);
        let external = network.is_some_and(|network| network.external);
        if external && matches!(name.as_str(), "host" | "none" | "bridge") {
            engines_own = Some((name, span));
            continue;
        }
        let mut aliases = attachment.map(|own| bare(&own.aliases)).unwrap_or_default();
        if !aliases.contains(&service.key.value) {
            aliases.push(service.key.value.clone());
        }
        let spec = Attachment {
            aliases,
            ipv4_address: attachment.and_then(|own| own.ipv4_address).map(|ip| ip.value),
            ipv6_address: attachment.and_then(|own| own.ipv6_address).map(|ip| ip.value),
            driver_opts: attachment.map(|own| plain(&own.driver_opts)).unwrap_or_default(),
        };
        joined.insert(name, Box::new(spec));
    }
    match engines_own {
        None => (joined, None),
        Some((name, span)) if joined.is_empty() => {
            let _ = span;
            (joined, Some(name))
        }
        // The engine's bridge takes further networks beside it, but knows no aliases.
        Some((name, _)) if name == "bridge" => {
            joined.insert(name, Box::default());
            (joined, None)
        }
        Some((name, span)) => {
            context.sink.push(
                Diagnostic::error(
                    "network_mode_and_networks",
                    format!("service `{}` joins `{name}` and other networks", service.key.value),
                )
                .at(span, "goes with no other network")
                .help("remove one of the two"),
            );
            (joined, None)
        }
    }
}

fn network_mode(
    context: &Context<'_>,
    service: &Service,
    mode: &crate::yaml::Spanned<String>,
) -> Option<String> {
    if let Some((_, first)) = service.networks.iter().flatten().next() {
        context.sink.push(
            Diagnostic::error(
                "network_mode_and_networks",
                format!("service `{}` has `network_mode` and `networks`", service.key.value),
            )
            .at(mode.span, "this one")
            .also(first.span, "and this one")
            .help("remove one of the two"),
        );
    }
    if matches!(mode.as_str(), "host" | "none" | "bridge") {
        return Some(mode.value.clone());
    }
    let help = if mode.starts_with("service:") || mode.starts_with("container:") {
        "tasks may be on different nodes: put the two on one network instead"
    } else {
        "modes are `host`, `none` and `bridge`; other networks go under `networks`"
    };
    context.sink.push(
        Diagnostic::error(
            "bad_network_mode",
            format!("`network_mode` of service `{}` is not supported", service.key.value),
        )
        .at(mode.span, "not a supported mode")
        .help(help),
    );
    None
}

/// The networks at the top of the file that some service joins.
pub fn used(context: &Context<'_>) -> BTreeMap<String, NetworkSpec> {
    let mut keys = BTreeSet::new();
    for service in context.file.services.values().filter(|service| service.network_mode.is_none()) {
        keys.extend(wanted(service).into_iter().map(|(key, ..)| key));
    }
    let mut networks = BTreeMap::new();
    for key in keys {
        let network = context.file.networks.get(key);
        if network.is_none() && key != DEFAULT {
            continue;
        }
        let spec = spec(context, key, network);
        if !(spec.external && matches!(spec.name.as_str(), "host" | "none")) {
            networks.insert(key.to_owned(), spec);
        }
    }
    networks
}

fn spec(context: &Context<'_>, key: &str, network: Option<&Network>) -> NetworkSpec {
    let name = full_name(context, key, network);
    let Some(network) = network else { return NetworkSpec { name, ..NetworkSpec::default() } };
    let text = |text: &Option<crate::yaml::Spanned<String>>| text.as_ref().map(|text| text.value.clone());
    let pool = |pool: &stackfile::Pool| IpamPool {
        subnet: text(&pool.subnet),
        ip_range: text(&pool.ip_range),
        gateway: text(&pool.gateway),
    };
    NetworkSpec {
        name,
        external: network.external,
        driver: text(&network.driver),
        driver_opts: plain(&network.driver_opts),
        ipam: Ipam { driver: network.ipam_driver.clone(), config: network.pools.iter().map(pool).collect() },
        internal: network.internal,
        attachable: network.attachable,
        enable_ipv6: network.enable_ipv6,
        labels: labels(context, &network.labels),
    }
}

/// The networks of a service: its own list, or the default network.
fn wanted(service: &Service) -> Vec<(&str, Span, Option<&stackfile::Attachment>)> {
    match &service.networks {
        Some(networks) if !networks.is_empty() => networks
            .iter()
            .map(|(key, attachment)| (key.as_str(), attachment.span, Some(&*attachment.value)))
            .collect(),
        _ => vec![(DEFAULT, service.key.span, None)],
    }
}

/// The definition of a network: `Some(None)` for the default network without a definition.
fn defined<'f>(context: &Context<'f>, key: &str, span: Span) -> Option<Option<&'f Network>> {
    match context.file.networks.get(key) {
        Some(network) => Some(Some(network)),
        None if key == DEFAULT => Some(None),
        None => {
            context.undefined("network", key, span, context.file.networks.keys());
            None
        }
    }
}

fn full_name(context: &Context<'_>, key: &str, network: Option<&Network>) -> String {
    let name = network.and_then(|network| network.name.as_ref());
    context.full_name(key, name, network.is_some_and(|network| network.external))
}
