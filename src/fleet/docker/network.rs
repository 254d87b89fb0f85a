//! Networks of a stack on one node, as the body of `POST /networks/create`.
//!
//! A plain engine has no overlays: what the stackfile calls one becomes a bridge on each node.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::model::spec::NetworkSpec;
use crate::model::{ClusterName, MarkKey, StackName};

use super::labels;

const OVERLAY: &str = "overlay";
const BRIDGE: &str = "bridge";

/// The driver a network gets on a node.
#[must_use]
pub fn driver(spec: &NetworkSpec) -> &str {
    match spec.driver.as_deref() {
        None | Some("" | OVERLAY) => BRIDGE,
        Some(other) => other,
    }
}

/// The body that creates a network. Not bollard's type: the one that keeps old engines from making a
/// second network of the same name, `CheckDuplicate`, is gone from its newest models.
#[must_use]
pub fn body(cluster: &ClusterName, stack: &StackName, key: &MarkKey, spec: &NetworkSpec) -> Value {
    let mut body = json!({
        "Name": spec.name,
        "CheckDuplicate": true,
        "Driver": driver(spec),
        "Labels": labels::of_network(cluster, stack, key, spec),
    });
    let options = options(spec);
    if !options.is_empty() {
        body["Options"] = json!(options);
    }
    if spec.internal {
        body["Internal"] = json!(true);
    }
    if spec.enable_ipv6 {
        body["EnableIPv6"] = json!(true);
    }
    if spec.ipam.driver.is_some() || !spec.ipam.config.is_empty() {
        let pools: Vec<Value> = spec
            .ipam
            .config
            .iter()
            .map(|pool| {
                let parts =
                    [("Subnet", &pool.subnet), ("IPRange", &pool.ip_range), ("Gateway", &pool.gateway)];
                let given =
                    parts.into_iter().filter_map(|(key, text)| Some((key.to_owned(), json!(text.as_ref()?))));
                Value::Object(given.collect())
            })
            .collect();
        body["IPAM"] = json!({ "Driver": spec.ipam.driver.as_deref().unwrap_or("default"), "Config": pools });
    }
    body
}

/// Options of the driver in use: those of an overlay, such as `encrypted`, mean nothing to a bridge.
fn options(spec: &NetworkSpec) -> BTreeMap<&str, &str> {
    let stands_in = driver(spec) == BRIDGE && spec.driver.as_deref() != Some(BRIDGE);
    let fits = |key: &str| {
        key.starts_with("com.docker.network.") && !key.starts_with("com.docker.network.driver.overlay.")
    };
    let all = spec.driver_opts.iter().filter(|(key, _)| !stands_in || fits(key));
    all.map(|(key, value)| (key.as_str(), value.as_str())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::spec::{Ipam, IpamPool};

    fn made(spec: &NetworkSpec) -> Value {
        body(&ClusterName::unchecked("prod"), &StackName::unchecked("efk"), &MarkKey::unset(), spec)
    }

    #[test]
    fn an_overlay_becomes_a_bridge_without_its_own_options() {
        let opts = [("encrypted", ""), ("com.docker.network.driver.mtu", "1400")];
        let spec = NetworkSpec {
            name: "efk_default".into(),
            driver: Some("overlay".into()),
            driver_opts: opts.map(|(k, v)| (k.to_owned(), v.to_owned())).into(),
            attachable: true,
            ..NetworkSpec::default()
        };
        let key = MarkKey::unset();
        let hash = crate::model::Marks::of_stack(&key, &StackName::unchecked("efk")).network_hash(&spec);
        assert_eq!(
            made(&spec),
            json!({
                "Name": "efk_default",
                "CheckDuplicate": true,
                "Driver": "bridge",
                "Options": { "com.docker.network.driver.mtu": "1400" },
                "Labels": {
                    "com.docker.stack.namespace": "efk",
                    "io.stackctl.cluster": "prod", "io.stackctl.format": crate::model::Format::CURRENT.to_string(),
                    "io.stackctl.key": key.id(),
                    "io.stackctl.spec-hash": hash.as_str(),
                },
            })
        );
    }

    #[test]
    fn a_driver_that_is_named_keeps_its_options() {
        let spec = NetworkSpec {
            name: "lan".into(),
            driver: Some("macvlan".into()),
            driver_opts: BTreeMap::from([("parent".to_owned(), "eth0".to_owned())]),
            internal: true,
            ipam: Ipam {
                driver: None,
                config: vec![IpamPool { subnet: Some("10.1.0.0/24".into()), ..IpamPool::default() }],
            },
            ..NetworkSpec::default()
        };
        let body = made(&spec);
        assert_eq!(body["Driver"], "macvlan");
        assert_eq!(body["Options"], json!({ "parent": "eth0" }));
        assert_eq!(body["Internal"], true);
        assert_eq!(body["IPAM"], json!({ "Driver": "default", "Config": [{ "Subnet": "10.1.0.0/24" }] }));
    }
}
