//! Networks, secrets and configs that a deploy would create. Volumes are not among them: in swarm mode
//! each node makes one when a task that mounts it lands there.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::{Body, labels};
use crate::model::StackSpec;
use crate::model::spec::{ConfigSpec, IpamPool, NetworkSpec, SecretSpec};

/// The driver of a network that names none.
const OVERLAY: &str = "overlay";

/// The requests for the networks of the stack.
pub fn networks(spec: &StackSpec) -> Vec<Value> {
    let body = |network: &NetworkSpec| {
        Body::default()
            .with("Name", network.name.clone())
            .with("Driver", network.driver.as_deref().filter(|name| !name.is_empty()).unwrap_or(OVERLAY))
            .with("Options", serde_json::json!(network.driver_opts))
            .with("IPAM", ipam(network))
            .with("Internal", network.internal)
            .with("Attachable", network.attachable)
            .with("EnableIPv6", network.enable_ipv6)
            .with("Labels", labels(spec, &network.labels))
            .into()
    };
    spec.networks.values().filter(|network| !network.external).map(body).collect()
}

fn ipam(network: &NetworkSpec) -> Body {
    let pool = |pool: &IpamPool| -> Value {
        Body::default()
            .with("Subnet", pool.subnet.clone())
            .with("IPRange", pool.ip_range.clone())
            .with("Gateway", pool.gateway.clone())
            .into()
    };
    Body::default()
        .with("Driver", network.ipam.driver.clone())
        .with("Config", network.ipam.config.iter().map(pool).collect::<Vec<_>>())
}

/// The requests for the secrets of the stack, without their data.
pub fn secrets(spec: &StackSpec) -> Vec<Value> {
    let body = |secret: &SecretSpec| {
        // Options without a driver are passed over.
        let driver = match secret.driver.as_deref().filter(|name| !name.is_empty()) {
            None => Body::default(),
            Some(name) => {
                Body::default().with("Name", name).with("Options", serde_json::json!(secret.driver_opts))
            }
        };
        Body::default()
            .with("Name", secret.name.clone())
            .with("Labels", labels(spec, &secret.labels))
            .with("Driver", driver)
            .with("Templating", Body::default().with("Name", secret.template_driver.clone()))
            .into()
    };
    spec.secrets.values().filter(|secret| !secret.external).map(body).collect()
}

/// The requests for the configs of the stack.
pub fn configs(spec: &StackSpec) -> Vec<Value> {
    let body = |config: &ConfigSpec| {
        Body::default()
            .with("Name", config.name.clone())
            .with("Labels", labels(spec, &config.labels))
            .with("Data", STANDARD.encode(config.content.as_deref().unwrap_or_default()))
            .with("Templating", Body::default().with("Name", config.template_driver.clone()))
            .into()
    };
    spec.configs.values().filter(|config| !config.external).map(body).collect()
}
