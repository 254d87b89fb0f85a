//! Instances of a service in Consul's catalog.
//!
//! Uses the catalog, not the health checks: a host whose check fails is a host with a failing check, not one
//! that is gone. Whether hosts answer is judged elsewhere, by probing them.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::client::Client;
use crate::ledger::http_cluster::Failure;

/// What Consul itself puts into a node's meta.
const CONSULS_OWN: &str = "consul-";

/// An instance of a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instance {
    pub node: String,
    /// The service's own address, or else the node's.
    pub address: String,
    pub meta: BTreeMap<String, String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Row {
    node: String,
    address: String,
    #[serde(default)]
    service_address: String,
    node_meta: Option<BTreeMap<String, String>>,
}

/// All instances of a service, as a majority knows them.
pub async fn instances(client: &Client, service: &str) -> Result<Vec<Instance>, String> {
    let path = format!("/v1/catalog/service/{service}?consistent");
    let rows: Option<Vec<Row>> = client.get(&path).await.map_err(Failure::why)?;
    Ok(rows.unwrap_or_default().into_iter().map(Instance::from).collect())
}

impl From<Row> for Instance {
    fn from(row: Row) -> Self {
        let mut meta = row.node_meta.unwrap_or_default();
        meta.retain(|key, _| !key.starts_with(CONSULS_OWN));
        let address = if row.service_address.is_empty() { row.address } else { row.service_address };
        Self { node: row.node, address, meta }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_has_an_address_of_its_own_or_that_of_its_node() {
        let rows = r#"[{"Node": "h1", "Address": "10.0.0.1", "ServiceAddress": "", "NodeMeta": null},
            {"Node": "h2", "Address": "10.0.0.2", "ServiceAddress": "192.168.0.2", "ServicePort": 22,
             "NodeMeta": {"rack": "b", "consul-network-segment": ""}}]"#;
        let rows: Vec<Row> = serde_json::from_str(rows).unwrap();
        let all: Vec<Instance> = rows.into_iter().map(Instance::from).collect();
        assert_eq!((all[0].node.as_str(), all[0].address.as_str()), ("h1", "10.0.0.1"));
        assert_eq!(all[1].address, "192.168.0.2");
        assert_eq!(all[1].meta, BTreeMap::from([("rack".to_owned(), "b".to_owned())]));
    }
}
