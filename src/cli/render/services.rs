//! Services and stacks as docker's `stack services` and `stack ls` list them.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::cells::{ID_CHARS, natural, short_image};
use super::list::{Columns, Row};
use crate::model::spec::{Port, TaskSpec};
use crate::model::task::Slot;
use crate::model::{ServiceName, SpecHash, StackName, Task};

/// Docker's columns of `stack services`.
pub const COLUMNS: Columns = Columns {
    fields: &[
        ("ID", "ID"),
        ("Name", "NAME"),
        ("Mode", "MODE"),
        ("Replicas", "REPLICAS"),
        ("Image", "IMAGE"),
        ("Ports", "PORTS"),
    ],
    table: &["ID", "Name", "Mode", "Replicas", "Image", "Ports"],
};

/// Docker's columns of `stack ls`, and how many nodes a stack is on.
pub const STACK_COLUMNS: Columns = Columns {
    fields: &[("Name", "NAME"), ("Services", "SERVICES"), ("Nodes", "NODES")],
    table: &["Name", "Services", "Nodes"],
};

/// A service, derived from its tasks.
#[derive(Debug, Clone, PartialEq)]
pub struct ServiceView<'a> {
    pub stack: &'a StackName,
    pub name: &'a ServiceName,
    /// One task a node instead of numbered slots.
    pub is_global: bool,
    /// Number of running tasks.
    pub up: usize,
    pub slots: usize,
    /// The spec of the newest task.
    pub spec: &'a TaskSpec,
}

impl ServiceView<'_> {
    /// A stable id, since docker's list has one: on plain hosts services have no id of their own.
    #[must_use]
    pub fn id(&self) -> String {
        service_id(&self.full_name())
    }

    /// `shop_web`.
    #[must_use]
    pub fn full_name(&self) -> String {
        format!("{}_{}", self.stack, self.name)
    }

    /// The mode, as in the stackfile.
    #[must_use]
    pub fn mode(&self) -> &'static str {
        if self.is_global { "global" } else { "replicated" }
    }
}

/// The id of a service, by its full name.
#[must_use]
pub fn service_id(full_name: &str) -> String {
    let hash = SpecHash::of(full_name.as_bytes());
    hash.as_str().chars().filter(char::is_ascii_alphanumeric).take(ID_CHARS).collect()
}

/// The services that `tasks` belong to, in natural order.
#[must_use]
pub fn views<'a>(tasks: &[&'a Task]) -> Vec<ServiceView<'a>> {
    let mut by_service: BTreeMap<(&StackName, &ServiceName), Vec<&Task>> = BTreeMap::new();
    for task in tasks {
        by_service.entry((&task.stack, &task.service)).or_default().push(task);
    }
    let mut views: Vec<ServiceView<'a>> = by_service
        .into_iter()
        .map(|((stack, name), tasks)| {
            let newest = tasks
                .iter()
                .max_by_key(|task| (task.is_live(), task.created_at, &task.id))
                .expect("a service is known by its tasks");
            let slots: BTreeSet<&Slot> = tasks.iter().map(|task| &task.slot).collect();
            ServiceView {
                stack,
                name,
                is_global: matches!(newest.slot, Slot::Node(_)),
                up: tasks.iter().filter(|task| task.status.is_up()).count(),
                slots: slots.len(),
                spec: &newest.spec,
            }
        })
        .collect();
    views.sort_by(|a, b| natural(a.name.as_str(), b.name.as_str()));
    views
}

/// One row for each service.
#[must_use]
pub fn rows(views: &[ServiceView<'_>]) -> Vec<Row> {
    let row = |view: &ServiceView<'_>| {
        json!({
            "ID": view.id(),
            "Name": view.full_name(),
            "Mode": view.mode(),
            "Replicas": format!("{}/{}", view.up, view.slots),
            "Image": short_image(&view.spec.image),
            "Ports": ports(&view.spec.ports),
        })
    };
    views.iter().map(row).map(into_row).collect()
}

/// One row for each stack.
#[must_use]
pub fn stack_rows(tasks: &[&Task]) -> Vec<Row> {
    let mut stacks: BTreeMap<&StackName, (BTreeSet<&ServiceName>, BTreeSet<&str>)> = BTreeMap::new();
    for task in tasks {
        let (services, nodes) = stacks.entry(&task.stack).or_default();
        services.insert(&task.service);
        nodes.insert(task.node.as_str());
    }
    let mut stacks: Vec<_> = stacks.into_iter().collect();
    stacks.sort_by(|a, b| natural(a.0.as_str(), b.0.as_str()));
    stacks
        .into_iter()
        .map(|(name, (services, nodes))| {
            into_row(json!({
                "Name": name.as_str(),
                "Services": services.len().to_string(),
                "Nodes": nodes.len().to_string(),
            }))
        })
        .collect()
}

/// `*:80-82->80-82/tcp`: consecutive ports are shown as one range, as docker does.
#[must_use]
pub fn ports(ports: &[Port]) -> String {
    struct Run {
        address: String,
        published: (u16, u16),
        target: (u16, u16),
        protocol: String,
    }
    let mut sorted: Vec<&Port> = ports.iter().collect();
    sorted.sort_by_key(|port| (port.protocol, port.host_ip, port.published, port.target));
    let mut runs: Vec<Run> = Vec::new();
    let mut unfixed: Vec<String> = Vec::new();
    for port in sorted {
        let address = port.host_ip.map_or_else(|| "*".to_owned(), |ip| ip.to_string());
        let protocol = port.protocol.to_string();
        let Some(published) = port.published else {
            unfixed.push(format!("{address}:0->{}/{protocol}", port.target));
            continue;
        };
        match runs.last_mut() {
            Some(run)
                if run.address == address
                    && run.protocol == protocol
                    && run.published.1.checked_add(1) == Some(published)
                    && run.target.1.checked_add(1) == Some(port.target) =>
            {
                run.published.1 = published;
                run.target.1 = port.target;
            }
            _ => runs.push(Run {
                address,
                protocol,
                published: (published, published),
                target: (port.target, port.target),
            }),
        }
    }
    let range = |(first, last): (u16, u16)| {
        if first == last { first.to_string() } else { format!("{first}-{last}") }
    };
    let shown = runs.iter().map(|run| {
        format!("{}:{}->{}/{}", run.address, range(run.published), range(run.target), run.protocol)
    });
    shown.chain(unfixed).collect::<Vec<_>>().join(", ")
}

pub(in crate::cli) fn into_row(value: Value) -> Row {
    match value {
        Value::Object(row) => row,
        _ => unreachable!("rows are written as objects"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::task;
    use super::*;
    use crate::model::spec::{Protocol, PublishMode};
    use crate::model::{Health, TaskStatus};

    const UP: TaskStatus = TaskStatus::Running { health: Health::Healthy };

    #[test]
    fn services_count_slots_and_those_that_are_up() {
        let tasks = [
            task("web.1", "h1", UP, 10),
            task("web.1", "h2", TaskStatus::Exited { exit_code: 1 }, 5),
            task("web.2", "h2", TaskStatus::Exited { exit_code: 1 }, 5),
            task("agent.h1", "h1", UP, 1),
            task("agent.h2", "h2", TaskStatus::Running { health: Health::Starting }, 1),
        ];
        let tasks: Vec<&Task> = tasks.iter().collect();
        let text = COLUMNS.render(None, &rows(&views(&tasks))).unwrap();
        insta::assert_snapshot!(text, @r#"
        ID             NAME         MODE         REPLICAS   IMAGE        PORTS
        571e8bd966a8   shop_agent   global       1/2        nginx:1.25
        687307ed0c66   shop_web     replicated   1/2        nginx:1.25
        "#);
        insta::assert_snapshot!(STACK_COLUMNS.render(None, &stack_rows(&tasks)).unwrap(), @r#"
        NAME      SERVICES   NODES
        shop      2          2
        "#);
    }

    #[test]
    fn ports_that_follow_one_another_fold() {
        let port = |published: Option<u16>, target, protocol| Port {
            published,
            target,
            protocol,
            mode: PublishMode::Ingress,
            host_ip: None,
        };
        let all = [
            port(Some(80), 80, Protocol::Tcp),
            port(Some(82), 82, Protocol::Tcp),
            port(Some(81), 81, Protocol::Tcp),
            port(Some(53), 53, Protocol::Udp),
            port(Some(8080), 80, Protocol::Tcp),
            port(None, 9000, Protocol::Tcp),
        ];
        assert_eq!(ports(&all), "*:80-82->80-82/tcp, *:8080->80/tcp, *:53->53/udp, *:0->9000/tcp");
    }
}
