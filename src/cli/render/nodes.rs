//! Nodes as docker's `node ls` and `node inspect` show them, with stackctl's own fields.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::cells::{ID_CHARS, natural};
use super::list::{Columns, Row};
use super::services::into_row;
use super::text::clean;
use crate::model::NodeName;
use crate::model::node::NodeView;
use crate::model::observed::{Observed, ObservedNode};
use crate::ops::records::{NodeRecord, NodeRecords};

/// Docker's columns, and the inventory's name and labels.
pub const COLUMNS: Columns = Columns {
    fields: &[
        ("ID", "ID"),
        ("Name", "NAME"),
        ("Hostname", "HOSTNAME"),
        ("Address", "ADDRESS"),
        ("Status", "STATUS"),
        ("Availability", "AVAILABILITY"),
        ("ManagerStatus", "MANAGER STATUS"),
        ("EngineVersion", "ENGINE VERSION"),
        ("Role", "ROLE"),
        ("Labels", "LABELS"),
        ("Tasks", "TASKS"),
        ("Error", "ERROR"),
        ("Ledger", "FROM LEDGER"),
        ("Source", "FOUND BY"),
    ],
    table: &["ID", "Name", "Hostname", "Status", "Availability", "ManagerStatus", "EngineVersion", "Labels"],
};

/// The table with a column of values from the ledger.
pub const WITH_LEDGER: &str = "table {{.ID}}\t{{.Name}}\t{{.Hostname}}\t{{.Status}}\t{{.Availability}}\t{{.Role}}\t\
    {{.ManagerStatus}}\t{{.EngineVersion}}\t{{.Labels}}\t{{.Ledger}}";

/// The table with a column of discovery sources.
pub const WITH_SOURCE: &str = "table {{.ID}}\t{{.Name}}\t{{.Hostname}}\t{{.Status}}\t{{.Availability}}\t\
    {{.ManagerStatus}}\t{{.EngineVersion}}\t{{.Labels}}\t{{.Source}}";

/// The table with both columns.
pub const WITH_BOTH: &str = "table {{.ID}}\t{{.Name}}\t{{.Hostname}}\t{{.Status}}\t{{.Availability}}\t{{.Role}}\t\
    {{.ManagerStatus}}\t{{.EngineVersion}}\t{{.Labels}}\t{{.Ledger}}\t{{.Source}}";

/// One row for each node, in natural order. `keepers` keep the ledger, and the manager status shows that;
/// docker's is about Raft.
#[must_use]
pub fn rows(observed: &Observed, keepers: &BTreeSet<NodeName>, records: &NodeRecords) -> Vec<Row> {
    let row = |node: &ObservedNode| {
        let name = &node.member.name;
        row(node, keepers.contains(name), records.nodes.get(name))
    };
    in_order(observed).into_iter().map(row).collect()
}

fn in_order(observed: &Observed) -> Vec<&ObservedNode> {
    let mut nodes: Vec<&ObservedNode> = observed.nodes.values().collect();
    nodes.sort_by(|a, b| natural(a.member.name.as_str(), b.member.name.as_str()));
    nodes
}

fn row(node: &ObservedNode, keeps: bool, record: Option<&NodeRecord>) -> Row {
    let member = &node.member;
    let labels: Vec<String> = member.labels.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let (facts, error) = match &node.view {
        NodeView::Facts(facts) => (Some(facts), ""),
        NodeView::Unreachable(why) => (None, why.reason.as_str()),
    };
    let manager = match (keeps, facts.is_some()) {
        (false, _) => "",
        (true, true) => "Reachable",
        (true, false) => "Unreachable",
    };
    into_row(json!({
        "ID": facts.map_or("", |facts| facts.id.get(..ID_CHARS).unwrap_or(&facts.id)),
        "Name": member.name.as_str(),
        "Hostname": facts.map_or("", |facts| &facts.hostname),
        "Address": member.address,
        "Status": if facts.is_some() { "Ready" } else { "Down" },
        "Availability": capital(&member.availability.to_string()),
        "ManagerStatus": manager,
        "EngineVersion": facts.map_or("", |facts| &facts.engine_version),
        "Role": member.role.to_string(),
        "Labels": labels.join(","),
        "Tasks": facts.map_or(0, |facts| facts.tasks.iter().filter(|task| task.is_live()).count()).to_string(),
        "Error": error,
        "Ledger": record.map(recorded).unwrap_or_default().join(","),
        "Source": member.found_by.as_deref().unwrap_or("inventory"),
    }))
}

/// The values of a node that come from the ledger: `availability`, `label zone`.
fn recorded(record: &NodeRecord) -> Vec<String> {
    let mut all = Vec::new();
    all.extend(record.availability.map(|_| "availability".to_owned()));
    all.extend(record.role.map(|_| "role".to_owned()));
    all.extend(record.fence.as_ref().map(|_| "fence".to_owned()));
    all.extend(record.labels.iter().map(|(key, value)| match value {
        Some(_) => format!("label {key}"),
        None => format!("no label {key}"),
    }));
    all
}

fn capital(word: &str) -> String {
    let mut chars = word.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}

/// The details of a node, in the shape of docker's `node inspect` as far as that goes.
#[must_use]
pub fn inspect(node: &ObservedNode, record: Option<&NodeRecord>) -> Value {
    let member = &node.member;
    let mut value = json!({
        "ID": "",
        "Name": member.name.as_str(),
        "Address": member.address,
        "Spec": {
            "Labels": member.labels,
            "Role": member.role.to_string(),
            "Availability": member.availability.to_string(),
        },
        "FromLedger": record.map_or(Value::Null, |record| json!(record)),
        "FoundBy": member.found_by.as_deref().unwrap_or("inventory"),
        "Description": Value::Null,
        "Status": { "State": "ready", "Addr": "" },
    });
    match &node.view {
        NodeView::Unreachable(why) => {
            value["Status"] = json!({
                "State": "down", "Addr": "", "Message": why.reason, "Code": why.code, "Help": why.help,
            });
        }
        NodeView::Facts(facts) => {
            value["ID"] = facts.id.clone().into();
            value["Status"]["Addr"] = facts.ip.map_or_else(String::new, |ip| ip.to_string()).into();
            value["Description"] = json!({
                "Hostname": facts.hostname,
                "Platform": { "Architecture": facts.platform.architecture, "OS": facts.platform.os },
                "Resources": {
                    "NanoCPUs": facts.nano_cpus,
                    "MemoryBytes": facts.memory,
                    "GenericResources": facts.generic,
                },
                "Engine": {
                    "EngineVersion": facts.engine_version,
                    "ApiVersion": facts.api_version,
                    "Labels": facts.engine_labels,
                    "Plugins": {
                        "Volume": facts.plugins.volume,
                        "Network": facts.plugins.network,
                        "Log": facts.plugins.log,
                    },
                    "SwarmActive": facts.swarm_active,
                },
            });
            value["Tasks"] = facts
                .tasks
                .iter()
                .map(|task| json!({ "Name": task.container, "State": task.status.swarm_word().to_lowercase() }))
                .collect::<Vec<_>>()
                .into();
            value["Foreign"] = facts.foreign.len().into();
        }
    }
    value
}

/// The same for people, as `docker node inspect --pretty`.
#[must_use]
pub fn pretty(node: &ObservedNode, record: Option<&NodeRecord>) -> String {
    let member = &node.member;
    let mut lines: Vec<(usize, String, String)> = Vec::new();
    let mut add = |depth: usize, name: &str, value: String| lines.push((depth, name.to_owned(), value));
    add(0, "Name", member.name.to_string());
    add(0, "Address", member.address.clone());
    if let Some(source) = &member.found_by {
        add(0, "Found by", source.clone());
    }
    add(0, "Role", member.role.to_string());
    add(0, "Availability", member.availability.to_string());
    if !member.labels.is_empty() {
        add(0, "Labels", String::new());
        for (name, value) in &member.labels {
            add(1, name, value.clone());
        }
    }
    if let Some(record) = record {
        add(0, "From the ledger", recorded(record).join(", "));
        add(1, "Changed by", format!("{} at {}", record.who, record.at));
        if let Some(fence) = &record.fence {
            add(1, "Fence", fence.to_string());
        }
        if member.abandons_data {
            add(1, "Local data", "left behind when tasks move".to_owned());
        }
    }
    match &node.view {
        NodeView::Unreachable(why) => {
            add(0, "Status", "down".to_owned());
            add(1, "Reason", why.reason.clone());
            if let Some(help) = &why.help {
                add(1, "Help", help.clone());
            }
        }
        NodeView::Facts(facts) => {
            add(0, "Status", "ready".to_owned());
            add(0, "ID", facts.id.clone());
            add(0, "Hostname", facts.hostname.clone());
            if let Some(ip) = facts.ip {
                add(0, "IP", ip.to_string());
            }
            add(0, "Platform", format!("{}/{}", facts.platform.os, facts.platform.architecture));
            add(0, "CPUs", cpus(facts.nano_cpus));
            add(0, "Memory", bytes(facts.memory));
            add(0, "Engine", format!("{} (API {})", facts.engine_version, facts.api_version));
            let live = facts.tasks.iter().filter(|task| task.is_live()).count();
            add(0, "Tasks", format!("{live} live, {} ended", facts.tasks.len() - live));
            add(0, "Other containers", facts.foreign.len().to_string());
            if facts.swarm_active {
                add(0, "Swarm", "active: its own scheduler runs beside stackctl".to_owned());
            }
        }
    }
    let column = lines.iter().map(|(depth, name, _)| depth * 2 + name.chars().count()).max().unwrap_or(0) + 2;
    lines
        .iter()
        .map(|(depth, name, value)| {
            let name = format!("{}{}:", "  ".repeat(*depth), clean(name));
            format!("{name:column$} {}", clean(value)).trim_end().to_owned() + "\n"
        })
        .collect()
}

fn cpus(nano: i64) -> String {
    let text = format!("{}.{:03}", nano / 1_000_000_000, nano % 1_000_000_000 / 1_000_000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// Bytes as docker's `units.BytesSize` says them: `3.83GiB`.
#[must_use]
pub fn bytes(count: i64) -> String {
    const UNITS: [&str; 6] = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
    #[expect(clippy::cast_precision_loss, reason = "four digits are shown")]
    let mut size = count as f64;
    let mut unit = 0;
    while size >= 1024.0 && unit < UNITS.len() - 1 {
        size /= 1024.0;
        unit += 1;
    }
    let digits = match size {
        ..10.0 => 3,
        ..100.0 => 2,
        ..1000.0 => 1,
        _ => 0,
    };
    let text = format!("{size:.digits$}");
    let text = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    format!("{text}{}", UNITS[unit])
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::model::node::{Availability, Member, NodeFacts, Role, Unreachable};
    use crate::model::spec::Platform;
    use crate::model::{ClusterName, Timestamp};

    fn observed() -> Observed {
        let member = |name: &str, role, availability| Member {
            name: NodeName::unchecked(name),
            address: format!("ssh://root@{name}"),
            role,
            labels: BTreeMap::from([("zone".to_owned(), "a".to_owned())]),
            availability,
            abandons_data: false,
            found_by: None,
        };
        let facts = NodeFacts {
            id: "7TRN:IPZB:QYBB:VPBQ".into(),
            hostname: "host-2".into(),
            engine_version: "20.10.24".into(),
            api_version: "1.41".into(),
            platform: Platform { os: "linux".into(), architecture: "amd64".into() },
            nano_cpus: 2_500_000_000,
            memory: 4_110_000_000,
            ..NodeFacts::default()
        };
        let silent = Unreachable {
            since: Timestamp(0),
            code: "stackctl::ssh::timeout".into(),
            reason: "no answer\x1b[2J within 5s".into(),
            help: Some("check that the host is up".into()),
        };
        let nodes = [
            ObservedNode {
                member: member("h10", Role::Manager, Availability::Drain),
                view: NodeView::Unreachable(silent),
            },
            ObservedNode {
                member: member("h2", Role::Manager, Availability::Active),
                view: NodeView::Facts(Box::new(facts)),
            },
        ];
        Observed {
            cluster: ClusterName::unchecked("test"),
            at: Timestamp(0),
            key: crate::model::MarkKey::unset(),
            release_key: None,
            nodes: nodes.into_iter().map(|node| (node.member.name.clone(), node)).collect(),
            memory_use: std::collections::BTreeMap::new(),
            unsure: std::collections::BTreeSet::new(),
            in_place: std::collections::BTreeMap::new(),
            known: BTreeMap::new(),
            records_unknown: None,
            hosts_unknown: None,
            remembered: BTreeMap::new(),
        }
    }

    #[test]
    fn a_silent_node_is_down_and_still_listed() {
        let keepers = ["h2", "h10"].map(NodeName::unchecked).into();
        insta::assert_snapshot!(COLUMNS.render(None, &rows(&observed(), &keepers, &NodeRecords::default())).unwrap(), @r#"
        ID             NAME      HOSTNAME   STATUS    AVAILABILITY   MANAGER STATUS   ENGINE VERSION   LABELS
        7TRN:IPZB:QY   h2        host-2     Ready     Active         Reachable        20.10.24         zone=a
                       h10                  Down      Drain          Unreachable                       zone=a
        "#);
    }

    #[test]
    fn pretty_tells_all() {
        let observed = observed();
        let text: Vec<String> = observed.nodes.values().map(|node| pretty(node, None)).collect();
        insta::assert_snapshot!(text.join("\n"), @r#"
        Name:          h10
        Address:       ssh://root@h10
        Role:          manager
        Availability:  drain
        Labels:
          zone:        a
        Status:        down
          Reason:      no answer\x1b[2J within 5s
          Help:        check that the host is up

        Name:              h2
        Address:           ssh://root@h2
        Role:              manager
        Availability:      active
        Labels:
          zone:            a
        Status:            ready
        ID:                7TRN:IPZB:QYBB:VPBQ
        Hostname:          host-2
        Platform:          linux/amd64
        CPUs:              2.5
        Memory:            3.828GiB
        Engine:            20.10.24 (API 1.41)
        Tasks:             0 live, 0 ended
        Other containers:  0
        "#);
    }

    #[test]
    fn sizes_as_docker_says_them() {
        for (count, text) in [(0, "0B"), (1024, "1KiB"), (4_110_000_000, "3.828GiB"), (16_777_216, "16MiB")] {
            assert_eq!(bytes(count), text);
        }
    }
}
