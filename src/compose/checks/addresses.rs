//! Subnets of networks and fixed addresses of tasks: whether they lie in each other, and beside each other.

use std::collections::BTreeMap;
use std::net::IpAddr;

use ipnet::IpNet;

use super::{Scene, is_global, replicas};
use crate::compose::stackfile::{Network, Pool, Service};
use crate::yaml::{Diagnostic, Span, Spanned};

/// Subnets that are held against each other.
const SUBNETS_MAX: usize = 1000;

pub(super) fn check(scene: &Scene<'_>) {
    let mut subnets: Vec<(IpNet, Span, &Network)> = Vec::new();
    for network in scene.file.networks.values().filter(|network| !network.external) {
        for pool in &network.pools {
            let subnet = self::pool(scene, network, pool);
            let Some((net, span)) = subnet else { continue };
            if let Some((_, first, other)) = subnets.iter().find(|(known, ..)| overlap(known, &net)) {
                scene.sink.push(
                    scene
                        .hopeless("subnets_overlap", same_addresses(network, other))
                        .at(span, "overlaps the other")
                        .also(*first, "the other")
                        .help("give one of the two another subnet"),
                );
            }
            if subnets.len() < SUBNETS_MAX {
                subnets.push((net, span, network));
            }
        }
    }
    let mut taken: BTreeMap<(&str, IpAddr), (&Service, Span)> = BTreeMap::new();
    for service in scene.file.services.values() {
        for (key, attachment) in service.networks.iter().flatten() {
            for address in [attachment.ipv4_address, attachment.ipv6_address].into_iter().flatten() {
                one_task(scene, service, address);
                outside(scene, key, address);
                if let Some((other, first)) = taken.insert((key, address.value), (service, address.span)) {
                    scene.sink.push(
                        Diagnostic::error(
                            "address_twice",
                            format!(
                                "services `{}` and `{}` have the same address on network `{}`",
                                other.key.value,
                                service.key.value,
                                scene.sink.clean(key)
                            ),
                        )
                        .at(address.span.max(first), "again here")
                        .also(address.span.min(first), "first here")
                        .help("give one of the two another address"),
                    );
                }
            }
        }
    }
}

fn same_addresses(network: &Network, other: &Network) -> String {
    if network.key.value == other.key.value {
        return format!("network `{}` has the same addresses twice", network.key.value);
    }
    format!("networks `{}` and `{}` have the same addresses", other.key.value, network.key.value)
}

/// The subnet of a pool, after a look at what should lie in it.
fn pool(scene: &Scene<'_>, network: &Network, pool: &Pool) -> Option<(IpNet, Span)> {
    let net =
        |text: &Option<Spanned<String>>| text.as_ref().and_then(|text| Some((text.parse().ok()?, text.span)));
    let subnet: Option<(IpNet, Span)> = net(&pool.subnet);
    let gateway = pool.gateway.as_ref().and_then(|text| Some((text.parse::<IpAddr>().ok()?, text.span)));
    let range = net(&pool.ip_range);
    let inside = [("gateway", gateway.map(|(ip, span)| (IpNet::from(ip), span))), ("ip_range", range)];
    for (key, part) in inside {
        let Some((part, span)) = part else { continue };
        let name = scene.sink.clean(&network.key);
        match subnet {
            None => scene.sink.push(
                Diagnostic::error(
                    "outside_subnet",
                    format!("`{key}` of network `{name}` has no subnet to be in"),
                )
                .at(span, "needs a subnet")
                .help("write the `subnet` beside it"),
            ),
            Some((whole, place)) if !whole.contains(&part) => scene.sink.push(
                Diagnostic::error(
                    "outside_subnet",
                    format!("`{key}` of network `{name}` is outside its subnet"),
                )
                .at(span, "not in it")
                .also(place, "the subnet")
                .help("take one from the subnet"),
            ),
            Some(_) => {}
        }
    }
    subnet
}

fn overlap(a: &IpNet, b: &IpNet) -> bool {
    a.contains(&b.network()) || b.contains(&a.network())
}

/// A fixed address is for one task.
fn one_task(scene: &Scene<'_>, service: &Service, address: Spanned<IpAddr>) {
    let (count, label) = match (is_global(service), service.deploy.mode, service.deploy.replicas) {
        (true, Some(mode), _) => (mode.span, "a task on every node".to_owned()),
        (false, _, Some(count)) if replicas(service) > 1 => (count.span, format!("{} tasks", count.value)),
        _ => return,
    };
    scene.sink.push(
        Diagnostic::error(
            "address_of_several",
            format!("the tasks of service `{}` cannot all have the same address", service.key.value),
        )
        .at(address.span, "one address")
        .also(count, label)
        .help("remove the address: other services find this one by its name"),
    );
}

fn outside(scene: &Scene<'_>, key: &str, address: Spanned<IpAddr>) {
    let Some(network) = scene.file.networks.get(key).filter(|network| !network.external) else { return };
    let subnets: Vec<(IpNet, Span)> = network
        .pools
        .iter()
        .filter_map(|pool| pool.subnet.as_ref())
        .filter_map(|text| Some((text.parse().ok()?, text.span)))
        .filter(|(net, _): &(IpNet, Span)| net.addr().is_ipv4() == address.is_ipv4())
        .collect();
    let name = scene.sink.clean(key);
    match subnets.first() {
        // Without a subnet of one's own the engine takes no fixed address.
        None => scene.sink.push(
            Diagnostic::error("outside_subnet", format!("network `{name}` has no subnet for this address"))
                .at(address.span, "needs a subnet")
                .also(network.key.span, "has none of its own")
                .help("give the network an `ipam` with a `subnet` that holds the address"),
        ),
        Some((_, place)) if !subnets.iter().any(|(net, _)| net.contains(&address.value)) => scene.sink.push(
            Diagnostic::error("outside_subnet", format!("the address is outside network `{name}`"))
                .at(address.span, "not in it")
                .also(*place, "its subnet")
                .help("take one from the subnet"),
        ),
        Some(_) => {}
    }
}
