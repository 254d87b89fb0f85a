//! What plans look like, in each form.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use anstream::adapter::strip_str;

use super::*;
use crate::diff::Values;
use crate::model::node::{Availability, Member, NodeFacts, NodeView, Role};
use crate::model::observed::{Observed, ObservedNode};
use crate::model::spec::{
    Healthcheck, NetworkSpec, Placement, Platform, Port, Protocol, PublishMode, ServiceMode, ServiceSpec,
    TaskSpec, UpdateConfig, UpdateOrder,
};
use crate::model::task::Slot;
use crate::model::{Health, NodeName, ServiceName, Task, TaskId, TaskStatus, Timestamp};
use crate::orchestrator::{Plan, PlanOptions};

fn service(name: &str, image: &str, mode: ServiceMode) -> ServiceSpec {
    ServiceSpec {
        name: ServiceName::unchecked(name),
        mode,
        task: Arc::new(TaskSpec { image: image.into(), ..TaskSpec::default() }),
        placement: Placement::default(),
        update_config: UpdateConfig::default(),
        rollback_config: UpdateConfig::default(),
        labels: BTreeMap::new(),
        endpoint_mode: Default::default(),
        depends_on: BTreeMap::new(),
    }
}

fn edit(service: &mut ServiceSpec, change: impl FnOnce(&mut TaskSpec)) {
    let mut task = (*service.task).clone();
    change(&mut task);
    service.task = Arc::new(task);
}

/// So that it is known to have no health check, whatever its image brings, and how long its tasks must hold.
fn uncheck(service: &mut ServiceSpec) {
    let none = Healthcheck { test: vec!["NONE".into()], ..Healthcheck::default() };
    edit(service, |task| task.healthcheck = Some(none));
}

fn stack(services: Vec<ServiceSpec>) -> StackSpec {
    let mut stack = StackSpec::empty(StackName::unchecked("shop"));
    stack.services = services.into_iter().map(|service| (service.name.clone(), service)).collect();
    stack
}

/// Nodes h1..; the tasks of `running` spread over them, one after the other.
fn observed(nodes: usize, running: &StackSpec) -> Observed {
    let cluster = ClusterName::unchecked("prod");
    let name = |at: usize| NodeName::unchecked(&format!("h{}", at % nodes + 1));
    let mut tasks: BTreeMap<NodeName, Vec<Task>> = BTreeMap::new();
    let mut next = 0;
    for service in running.services.values() {
        let slots: Vec<(Slot, NodeName)> = match service.mode {
            ServiceMode::Replicated { replicas } => (1..=replicas)
                .map(|number| {
                    next += 1;
                    (Slot::Replica(number), name(next - 1))
                })
                .collect(),
            _ => (0..nodes).map(|at| (Slot::Node(name(at)), name(at))).collect(),
        };
        for (slot, node) in slots {
            let spec_hash = crate::model::testing::hash_of(&running.name, service);
            let id =
                TaskId::derive(&cluster, &running.name, &service.name, &slot, &node, &spec_hash, false, 1);
            tasks.entry(node.clone()).or_default().push(Task {
                container: format!("{}_{}.{slot}.{id}", running.name, service.name),
                id,
                stack: running.name.clone(),
                service: service.name.clone(),
                slot,
                node,
                attempt: 1,
                is_job: false,
                spec_hash,
                spec: Arc::clone(&service.task),
                key_id: None,
                status: TaskStatus::Running { health: Health::None },
                created_at: Timestamp(0),
                since: None,
                published: Vec::new(),
            });
        }
    }
    let node = |at: usize| {
        let name = name(at);
        let facts = NodeFacts {
            hostname: name.to_string(),
            platform: Platform { os: "linux".into(), architecture: "amd64".into() },
            nano_cpus: 8_000_000_000,
            memory: 1 << 34,
            tasks: tasks.remove(&name).unwrap_or_default(),
            images: BTreeSet::new(),
            ..NodeFacts::default()
        };
        let member = Member {
            address: format!("ssh://{name}"),
            name: name.clone(),
            role: Role::Manager,
            labels: BTreeMap::new(),
            availability: Availability::Active,
            abandons_data: false,
            found_by: None,
        };
        (name, ObservedNode { member, view: NodeView::Facts(Box::new(facts)) })
    };
    Observed {
        cluster,
        at: Timestamp(0),
        key: crate::model::MarkKey::unset(),
        release_key: None,
        nodes: (0..nodes).map(node).collect(),
        memory_use: std::collections::BTreeMap::new(),
        unsure: std::collections::BTreeSet::new(),
        in_place: std::collections::BTreeMap::new(),
        known: BTreeMap::new(),
        records_unknown: None,
        hosts_unknown: None,
        remembered: BTreeMap::new(),
    }
}

fn show(observed: &Observed, wanted: &StackSpec, render: impl FnOnce(&PlanView<'_>) -> String) -> String {
    show_with(Values::Hidden, observed, wanted, render)
}

fn show_with(
    values: Values,
    observed: &Observed,
    wanted: &StackSpec,
    render: impl FnOnce(&PlanView<'_>) -> String,
) -> String {
    let plan = Plan::make(observed, wanted, PlanOptions { prune: true, ..PlanOptions::default() });
    assert!(plan.problems.is_empty(), "{:?}", plan.problems);
    let diff = match values {
        Values::Hidden => plan.diff,
        Values::Shown => crate::diff::stack(observed.tasks(), wanted, &observed.key, values),
    };
    let view = PlanView {
        stack: &wanted.name,
        cluster: &observed.cluster,
        nodes: observed.nodes.len(),
        tasks: observed.tasks().filter(|task| task.stack == wanted.name).count(),
        diff: &diff,
        forecast: &plan.forecast,
        drift: &plan.drift,
        notes: &plan.notes,
        wanted: Some(wanted),
        is_whole: false,
    };
    strip_str(&render(&view)).to_string()
}

const THREE: ServiceMode = ServiceMode::Replicated { replicas: 3 };

fn before() -> StackSpec {
    let mut web = service("web", "nginx:1.24", THREE);
    edit(&mut web, |task| {
        task.environment.insert("LOG_LEVEL".into(), Some("info".into()));
        task.environment.insert("DB_PASSWORD".into(), Some("old".into()));
        task.command = Some(vec!["serve".into(), "--workers=2".into(), "--listen=0.0.0.0:80".into()]);
    });
    uncheck(&mut web);
    let api = service("api", "api:1", ServiceMode::Replicated { replicas: 1 });
    let old = service("old", "old:9", ServiceMode::Replicated { replicas: 1 });
    let same = service("same", "same:1", THREE);
    stack(vec![web, api, old, same])
}

fn after() -> StackSpec {
    let mut stack = before();
    stack.services.remove("old");
    let web = stack.services.get_mut("web").unwrap();
    edit(web, |task| {
        task.image = "nginx:1.25".into();
        task.environment.insert("LOG_LEVEL".into(), Some("debug and\x1b[2J more".into()));
        task.environment.insert("DB_PASSWORD".into(), Some("new".into()));
        task.command = Some(vec![
            "serve".into(),
            "--workers=4".into(),
            "--listen=0.0.0.0:80".into(),
            "--a-rather-long-option-which-does-not-fit=yes".into(),
        ]);
    });
    let api = stack.services.get_mut("api").unwrap();
    api.mode = ServiceMode::Replicated { replicas: 2 };
    let mut cache = service("cache", "redis:7", ServiceMode::Global);
    edit(&mut cache, |task| {
        task.networks.insert("shop_default".into(), Default::default());
        task.ports.push(Port {
            published: Some(6379),
            target: 6379,
            protocol: Protocol::Tcp,
            mode: PublishMode::Host,
            host_ip: None,
        });
    });
    stack
        .networks
        .insert("default".into(), NetworkSpec { name: "shop_default".into(), ..NetworkSpec::default() });
    stack.services.insert(cache.name.clone(), cache);
    stack
}

#[test]
fn a_change_of_everything() {
    insta::assert_snapshot!(show_with(Values::Shown, &observed(4, &before()), &after(), text), @r#"
    Stack shop on cluster prod (4 nodes)

    ~ api
            deploy.replicas: 1 -> 2
          + api.2 on h2  (scaled up from 1 to 2)

    ~ web
            image: nginx:1.24 -> nginx:1.25
            command:
                serve
              - --workers=2
              + --workers=4
                --listen=0.0.0.0:80
              + --a-rather-long-option-which-does-not-fit=yes
            environment.DB_PASSWORD: old -> new
            environment.LOG_LEVEL: info -> "debug and\u001b[2J more"
        -/+ web.1 on h2  (stop first: 4 fields changed)
        -/+ web.2 on h3  (stop first: 4 fields changed)
        -/+ web.3 on h4  (stop first: 4 fields changed)

    + cache  redis:7, global, *:6379->6379/tcp on h1, h2, h3, h4

    - old    1 task on h2

    + network shop_default on h1, h2, h3, h4

    = 1 service unchanged

    Notes:
      ! networks are bridges on each host for now: tasks on different hosts do not see each other through shop_default

    Plan: 5 to create, 3 to replace, 1 to remove on 4 nodes; 3 images to pull; takes at least 15s
    "#);
}

#[test]
fn a_change_of_everything_in_a_pull_request() {
    insta::assert_snapshot!(show(&observed(4, &before()), &after(), markdown), @r#"
    <!-- stackctl:diff:shop -->
    ### Stack `shop` on cluster `prod`

    **Plan: 5 to create, 3 to replace, 1 to remove on 4 nodes; 3 images to pull; takes at least 15s**

    <details><summary>Details</summary>

    ```diff
    ! api
            deploy.replicas: 1 -> 2
    +     api.2 on h2  (scaled up from 1 to 2)

    ! web
            image: nginx:1.24 -> nginx:1.25
            command: (hidden, changed)
            environment.DB_PASSWORD: (hidden, changed)
            environment.LOG_LEVEL: (hidden, changed)
    !     -/+ web.1 on h2  (stop first: 4 fields changed)
    !     -/+ web.2 on h3  (stop first: 4 fields changed)
    !     -/+ web.3 on h4  (stop first: 4 fields changed)

    + cache  redis:7, global, *:6379->6379/tcp on h1, h2, h3, h4

    - old    1 task on h2

    + network shop_default on h1, h2, h3, h4

    = 1 service unchanged
    ```

    </details>

    - ⚠️ networks are bridges on each host for now: tasks on different hosts do not see each other through shop\_default
    "#);
}

#[test]
fn nothing_to_do_says_what_was_looked_at() {
    insta::assert_snapshot!(show(&observed(4, &before()), &before(), text), @r#"
    Stack shop on cluster prod (4 nodes)

    No changes. Checked 4 services and 8 tasks on 4 nodes.
    "#);
}

#[test]
fn many_tasks_take_one_line() {
    let mut big = service("web", "nginx:1.24", ServiceMode::Replicated { replicas: 40 });
    uncheck(&mut big);
    let empty = StackSpec::empty(StackName::unchecked("shop"));
    let new = stack(vec![big.clone()]);
    insta::assert_snapshot!(show(&observed(4, &empty), &new, text), @r#"
    Stack shop on cluster prod (4 nodes)

    + web  nginx:1.24, 40 replicas on h1 x10, h2 x10, h3 x10, h4 x10

    Plan: 40 to create on 4 nodes; 1 image to pull
    "#);
    edit(&mut big, |task| task.image = "nginx:1.25".into());
    big.update_config.order = UpdateOrder::StartFirst;
    insta::assert_snapshot!(show(&observed(4, &new), &stack(vec![big]), text), @r#"
    Stack shop on cluster prod (4 nodes)

    ~ web
            image: nginx:1.24 -> nginx:1.25
        +/- web.1-40: h1 x10, h2 x10, h3 x10, h4 x10  (start first: image changed)

    Plan: 40 to replace on 4 nodes; 1 image to pull; takes at least 3m20s
    "#);
}

#[test]
fn removal_names_what_goes() {
    let empty = StackSpec::empty(StackName::unchecked("shop"));
    insta::assert_snapshot!(show(&observed(2, &before()), &empty, text), @r#"
    Stack shop on cluster prod (2 nodes)

    - api   1 task on h1
    - old   1 task on h2
    - same  3 tasks on h1 x2, h2
    - web   3 tasks on h1, h2 x2

    Plan: 8 to remove on 2 nodes
    "#);
}

#[test]
fn programs_get_every_action() {
    let json = show(&observed(2, &before()), &after(), |view| to_json(view).to_string());
    let value: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(value["version"], 1);
    let summary = &value["summary"];
    assert_eq!((&summary["replace"], &summary["remove"]), (&3.into(), &1.into()), "{summary}");
    let starts = value["actions"].as_array().unwrap().iter().filter(|a| a["verb"] == "start task");
    assert_eq!(starts.count(), 3 + 1 + 2);
    assert!(!json.contains("\"old\"") || !json.contains("\"before\":\"old\""), "secrets stay hidden: {json}");
    let first = value["actions"].as_array().unwrap().iter().find(|a| a["verb"] == "stop task").unwrap();
    for key in ["id", "node", "object", "service", "slot", "reason", "why", "wave"] {
        assert!(!first[key].is_null(), "{key} is missing in {first}");
    }
}
