//! Keys that docker drops on the way from a stackfile to a swarm service, some with a warning and some silently.
//! Here each gets a warning.

use crate::compose::normal::items;
use crate::yaml::{Diagnostic, Entry, Map, Node, Sink};

/// Keys of a service without an effect, with docker's reason if it has one.
const SERVICE: [(&str, &str); 16] = [
    ("cgroup_parent", UNSUPPORTED),
    ("cgroupns_mode", UNSUPPORTED),
    ("credential_spec", "only a swarm of Windows nodes knows it"),
    ("depends_on", "a swarm starts its services in any order"),
    ("devices", UNSUPPORTED),
    ("domainname", UNSUPPORTED),
    ("ipc", UNSUPPORTED),
    ("mac_address", UNSUPPORTED),
    ("network_mode", UNSUPPORTED),
    ("oom_score_adj", FORGOTTEN),
    ("pid", UNSUPPORTED),
    ("privileged", UNSUPPORTED),
    ("security_opt", UNSUPPORTED),
    ("shm_size", UNSUPPORTED),
    ("tmpfs", FORGOTTEN),
    ("userns_mode", UNSUPPORTED),
];
const UNSUPPORTED: &str = "docker ignores it in a stack";
const FORGOTTEN: &str = "docker's loader loses it";

/// Takes out of a tree in normal form what docker drops.
pub fn narrow(root: &mut Node, sink: &Sink<'_>) {
    let services = root.as_map_mut().and_then(|top| top.get_mut("services")).and_then(Node::as_map_mut);
    for entry in services.into_iter().flat_map(|services| &mut services.entries) {
        let dropper = Dropper { service: &entry.key.value, sink };
        if let Some(service) = entry.value.as_map_mut() {
            dropper.service(service);
        }
    }
}

struct Dropper<'a> {
    service: &'a str,
    sink: &'a Sink<'a>,
}

impl Dropper<'_> {
    fn service(&self, service: &mut Map) {
        for (key, why) in SERVICE {
            self.remove(service, key, why);
        }
        if service.get("restart").and_then(Node::as_text) == Some("no") {
            self.remove(service, "restart", "docker sends nothing, and a swarm restarts");
        }
        for port in items(service, "ports").filter_map(Node::as_map_mut) {
            self.remove(port, "host_ip", "a swarm publishes on every address");
        }
        for mount in items(service, "volumes").filter_map(Node::as_map_mut) {
            if let Some(bind) = mount.get_mut("bind").and_then(Node::as_map_mut) {
                self.remove(bind, "create_host_path", FORGOTTEN);
            }
            if let Some(tmpfs) = mount.get_mut("tmpfs").and_then(Node::as_map_mut) {
                self.remove(tmpfs, "mode", FORGOTTEN);
            }
        }
        let networks = service.get_mut("networks").and_then(Node::as_map_mut);
        for network in networks.into_iter().flat_map(|networks| &mut networks.entries) {
            if let Some(attachment) = network.value.as_map_mut() {
                self.remove(attachment, "ipv4_address", FORGOTTEN);
                self.remove(attachment, "ipv6_address", FORGOTTEN);
            }
        }
    }

    fn remove(&self, map: &mut Map, key: &str, why: &str) {
        if let Some(Entry { key, .. }) = map.remove(key) {
            let service = self.sink.clean(self.service);
            let message = format!("`{}` of service `{service}` is ignored", key.value);
            self.sink.push(Diagnostic::warning("ignored_key", message).at(key.span, why));
        }
    }
}
