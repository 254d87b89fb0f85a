//! Small worlds for tests and benchmarks: nodes, services and stacks in a line each.
//!
//! Part of the library, since the unit tests, the simulator and the benchmarks all build their worlds here; the
//! program uses none of it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::node::{Availability, Member, NodeFacts, NodeView, Role, Unreachable};
use super::observed::ObservedNode;
use super::spec::{
    DependencyCondition, FileMount, Placement, Platform, Port, PublishMode, ServiceMode, ServiceSpec,
    StackSpec, TaskSpec, UpdateConfig,
};
use super::{
    ClusterName, Health, MarkKey, Marks, NodeName, Observed, ServiceName, Slot, SpecHash, StackName, Task,
    TaskId, TaskStatus, Timestamp,
};

/// The stack all tests speak of.
pub const STACK: &str = "app";

/// A name that is not checked.
#[must_use]
pub fn node_name(name: &str) -> NodeName {
    NodeName::unchecked(name)
}

/// A name that is not checked.
#[must_use]
pub fn service_name(name: &str) -> ServiceName {
    ServiceName::unchecked(name)
}

/// An active worker with four cores, 8 GiB and every image that is asked for.
#[must_use]
pub fn node(name: &str) -> ObservedNode {
    ObservedNode {
        member: Member {
            name: node_name(name),
            address: format!("ssh://{name}"),
            role: Role::Worker,
            labels: BTreeMap::new(),
            availability: Availability::Active,
            abandons_data: false,
            found_by: None,
        },
        view: NodeView::Facts(Box::new(NodeFacts {
            id: format!("ID-{name}"),
            hostname: format!("host-{name}"),
            platform: Platform { os: "linux".into(), architecture: "amd64".into() },
            nano_cpus: 4_000_000_000,
            memory: 8 << 30,
            engine_version: "20.10.24".into(),
            api_version: "1.41".into(),
            ..NodeFacts::default()
        })),
    }
}

/// A [node] with labels.
#[must_use]
pub fn labelled(name: &str, labels: &[(&str, &str)]) -> ObservedNode {
    let mut node = node(name);
    node.member.labels = labels.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    node
}

/// From now on the node does not answer.
pub fn silence(node: &mut ObservedNode) {
    node.view = NodeView::Unreachable(Unreachable {
        since: Timestamp(0),
        code: "stackctl::ssh::unreachable".into(),
        reason: "no route to host".into(),
        help: None,
    });
}

/// The facts that the node's engine reports.
///
/// # Panics
///
/// The node is silent.
pub fn facts(node: &mut ObservedNode) -> &mut NodeFacts {
    match &mut node.view {
        NodeView::Facts(facts) => facts,
        NodeView::Unreachable(_) => panic!("{} is silent", node.member.name),
    }
}

/// The hash of a service's task, under the key of a cluster without one.
#[must_use]
pub fn hash_of(stack: &StackName, service: &ServiceSpec) -> SpecHash {
    Marks::of(&MarkKey::unset(), stack, &service.name).hash(&service.task)
}

/// A cluster of these nodes, all records of which are known.
#[must_use]
pub fn cluster(nodes: Vec<ObservedNode>) -> Observed {
    Observed {
        cluster: ClusterName::unchecked("test"),
        at: Timestamp(0),
        key: MarkKey::unset(),
        release_key: None,
        nodes: nodes.into_iter().map(|node| (node.member.name.clone(), node)).collect(),
        memory_use: BTreeMap::new(),
        unsure: BTreeSet::new(),
        in_place: BTreeMap::new(),
        known: BTreeMap::new(),
        records_unknown: None,
        hosts_unknown: None,
        remembered: BTreeMap::new(),
    }
}

/// `n` nodes, `n0001` and so on.
#[must_use]
pub fn nodes(n: usize) -> Observed {
    cluster((1..=n).map(|i| node(&format!("n{i:06}"))).collect())
}

/// A service of image `NAME:1`.
#[must_use]
pub fn service(name: &str, mode: ServiceMode) -> ServiceSpec {
    ServiceSpec {
        name: service_name(name),
        mode,
        task: Arc::new(TaskSpec { image: format!("{name}:1"), ..TaskSpec::default() }),
        placement: Placement::default(),
        update_config: UpdateConfig::default(),
        rollback_config: UpdateConfig::default(),
        labels: BTreeMap::new(),
        endpoint_mode: super::spec::EndpointMode::Vip,
        depends_on: BTreeMap::new(),
    }
}

/// A service of so many tasks.
#[must_use]
pub fn replicated(name: &str, replicas: u32) -> ServiceSpec {
    service(name, ServiceMode::Replicated { replicas })
}

/// A service with a task on each node.
#[must_use]
pub fn global(name: &str) -> ServiceSpec {
    service(name, ServiceMode::Global)
}

/// Changes what the service's tasks run.
#[must_use]
pub fn with_task(mut service: ServiceSpec, change: impl FnOnce(&mut TaskSpec)) -> ServiceSpec {
    change(Arc::make_mut(&mut service.task));
    service
}

/// The service with another image.
#[must_use]
pub fn with_image(service: ServiceSpec, image: &str) -> ServiceSpec {
    with_task(service, |task| image.clone_into(&mut task.image))
}

/// The service with port 80 published at another.
#[must_use]
pub fn with_port(service: ServiceSpec, published: u16) -> ServiceSpec {
    with_task(service, |task| {
        task.ports.push(Port {
            published: Some(published),
            target: 80,
            protocol: super::spec::Protocol::Tcp,
            mode: PublishMode::Ingress,
            host_ip: None,
        });
    })
}

/// The service with a placement constraint.
#[must_use]
pub fn constrained(mut service: ServiceSpec, constraint: &str) -> ServiceSpec {
    service.placement.constraints.push(constraint.to_owned());
    service
}

/// The service with a dependency on another one.
#[must_use]
pub fn depends(mut service: ServiceSpec, on: &str, condition: DependencyCondition) -> ServiceSpec {
    service.depends_on.insert(service_name(on), condition);
    service
}

/// A file of a config or secret: root's, readable by all.
#[must_use]
pub fn file_mount(source: &str, content: &str) -> FileMount {
    FileMount {
        source: source.into(),
        uid: "0".into(),
        gid: "0".into(),
        mode: 0o444,
        content: content.into(),
        template_driver: None,
    }
}

/// The stack `app` of these services.
#[must_use]
pub fn stack(services: Vec<ServiceSpec>) -> StackSpec {
    let mut spec = StackSpec::empty(StackName::unchecked(STACK));
    spec.services = services.into_iter().map(|service| (service.name.clone(), service)).collect();
    spec
}

/// A running task of a service in a numbered slot, on the node `n000001`; its id is the service and the number.
#[must_use]
pub fn task_of(stack: &StackName, service: &ServiceSpec, number: u32) -> Task {
    let (slot, id) = (Slot::Replica(number), TaskId::unchecked(&format!("{}{number}", service.name)));
    Task {
        container: format!("{stack}_{}.{slot}.{id}", service.name),
        id,
        stack: stack.clone(),
        service: service.name.clone(),
        slot,
        node: node_name("n000001"),
        attempt: 1,
        is_job: false,
        spec_hash: hash_of(stack, service),
        spec: Arc::clone(&service.task),
        key_id: None,
        status: TaskStatus::Running { health: Health::None },
        created_at: Timestamp(0),
        since: None,
        published: Vec::new(),
    }
}
