//! Small worlds for the tests of this folder.

use std::sync::Arc;

use crate::model::task::Slot;
use crate::model::{
    ClusterName, NodeName, ServiceName, SpecHash, StackName, Task, TaskId, TaskSpec, TaskStatus, Timestamp,
};

/// A task of stack `shop`, named `service.slot`, made at so many seconds.
pub(super) fn task(name: &str, node: &str, status: TaskStatus, created_s: i64) -> Task {
    let (service, slot) = name.rsplit_once('.').expect("service.slot");
    let slot = slot.parse().map_or_else(|_| Slot::Node(NodeName::unchecked(slot)), Slot::Replica);
    let (stack, service) = (StackName::unchecked("shop"), ServiceName::unchecked(service));
    let spec = Arc::new(TaskSpec { image: "nginx:1.25".into(), ..TaskSpec::default() });
    let cluster = ClusterName::unchecked("test");
    let (hash, node) = (SpecHash::of(&created_s.to_le_bytes()), NodeName::unchecked(node));
    let id = TaskId::derive(&cluster, &stack, &service, &slot, &node, &hash, false, 1);
    Task {
        container: format!("{stack}_{service}.{slot}.{id}"),
        id,
        stack,
        service,
        slot,
        node,
        attempt: 1,
        is_job: false,
        spec_hash: hash,
        spec,
        key_id: None,
        status,
        created_at: Timestamp(created_s * 1000),
        since: Some(Timestamp((created_s + 1) * 1000)),
        published: Vec::new(),
    }
}
