//! Plans of clusters far larger than the ones we know: how long `Plan::make` takes, and how that grows.
//!
//! `cargo bench --bench forecast`; a word behind `--` chooses: `-- new/100k`.
#![allow(clippy::disallowed_methods, reason = "a benchmark measures time")]

#[path = "../support/stackfile.rs"]
mod stackfile;

use std::collections::BTreeMap;
use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use stackctl::model::action::What;
use stackctl::model::node::NodeView;
use stackctl::model::spec::{ConfigSpec, FileMount, NetworkSpec, UpdateOrder};
use stackctl::model::testing as builder;
use stackctl::model::{Health, Observed, StackSpec, Task, TaskStatus, Timestamp};
use stackctl::orchestrator::{Plan, PlanOptions};

const ZONES: usize = 7;

/// Nodes in seven zones, half of them with fast disks.
fn cluster(nodes: usize) -> Observed {
    let zones: Vec<String> = (0..ZONES).map(|zone| format!("z{zone}")).collect();
    let node = |at: usize| {
        let disk = if at.is_multiple_of(2) { "ssd" } else { "hdd" };
        let mut node =
            builder::labelled(&format!("n{at:06}"), &[("zone", &zones[at % ZONES]), ("disk", disk)]);
        // Room enough, so that what is measured is a plan and not a refusal.
        builder::facts(&mut node).nano_cpus = 1 << 50;
        builder::facts(&mut node).memory = 1 << 50;
        node
    };
    builder::cluster((0..nodes).map(node).collect())
}

/// A stack as people write them: 20 to 100 services, a third of them constrained, a fourth spread over
/// zones, a network, a config and reservations each.
fn stack(tasks: usize) -> StackSpec {
    let services = (tasks / 500).clamp(20, 100);
    let mut all = Vec::with_capacity(services);
    for at in 0..services {
        let replicas = tasks / services + usize::from(at < tasks % services);
        let mut service =
            builder::replicated(&format!("s{at:03}"), u32::try_from(replicas).expect("not that many"));
        if at % 3 == 0 {
            service = builder::constrained(service, "node.labels.disk == ssd");
        }
        if at % 4 == 0 {
            service.placement.spread.push("node.labels.zone".to_owned());
        }
        service.update_config.parallelism = 10;
        service.update_config.order =
            if at % 2 == 0 { UpdateOrder::StopFirst } else { UpdateOrder::StartFirst };
        all.push(builder::with_task(service, |task| {
            task.environment.insert("LEVEL".into(), Some("info".into()));
            task.resources.reservations.nano_cpus = 100_000_000;
            task.resources.reservations.memory = 64 << 20;
            task.networks.insert(format!("app_net{at:03}"), Box::default());
            let mount = FileMount {
                source: format!("conf{at:03}"),
                uid: "0".into(),
                gid: "0".into(),
                mode: 0o444,
                content: "0".repeat(64),
                template_driver: None,
            };
            task.configs.insert("/etc/app.conf".into(), mount);
        }));
    }
    let mut spec = builder::stack(all);
    for at in 0..services {
        let network = NetworkSpec { name: format!("app_net{at:03}"), ..NetworkSpec::default() };
        spec.networks.insert(format!("net{at:03}"), network);
        let config = ConfigSpec {
            name: format!("app_conf{at:03}"),
            external: false,
            digest: "0".repeat(64),
            content: Some(Arc::from(&b"listen 80\n"[..])),
            labels: BTreeMap::new(),
            template_driver: None,
        };
        spec.configs.insert(format!("conf{at:03}"), config);
    }
    spec
}

/// The cluster once a plan was carried out.
fn carried_out(mut observed: Observed, plan: &Plan) -> Observed {
    let cluster = observed.cluster.clone();
    for action in plan.forecast.actions() {
        let node = observed.nodes.get_mut(&action.node).expect("a node of the cluster");
        let NodeView::Facts(facts) = &mut node.view else { continue };
        match &action.what {
            What::CreateNetwork { network } => {
                let there = stackctl::model::node::ObservedNetwork {
                    cluster: Some(cluster.to_string()),
                    stack: Some(builder::STACK.to_owned()),
                    spec_hash: Some(network.hash().to_string()),
                    ..Default::default()
                };
                facts.networks.insert(network.name.clone(), there);
            }
            What::PullImage { image } => {
                facts.images.insert(image.to_string());
            }
            What::StartTask { task } => facts.tasks.push(Task {
                id: task.id.clone(),
                stack: task.service.stack.clone(),
                service: task.service.service.clone(),
                slot: task.slot.clone(),
                node: task.node.clone(),
                attempt: task.attempt,
                is_job: task.service.is_job,
                spec_hash: task.service.spec_hash.clone(),
                spec: task.service.spec.clone(),
                key_id: None,
                container: task.container_name(),
                status: TaskStatus::Running { health: Health::None },
                created_at: Timestamp(0),
                since: None,
                published: Vec::new(),
            }),
            What::CreateVolume { .. }
            | What::StartAgain { .. }
            | What::UpdateTask { .. }
            | What::CreateTask { .. }
            | What::StopTask { .. }
            | What::RemoveTask { .. }
            | What::RemoveNetwork { .. } => {}
        }
    }
    observed
}

fn make(observed: &Observed, spec: &StackSpec) -> Plan {
    let plan = Plan::make(black_box(observed), black_box(spec), PlanOptions::default());
    assert!(plan.problems.is_empty(), "{:?}", plan.problems.first());
    plan
}

fn plans(c: &mut Criterion) {
    let mut group = c.benchmark_group("new");
    group.sample_size(10).warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(4));
    for (name, tasks, nodes) in [
        ("1k-on-1k", 1_000, 1_000),
        ("10k-on-1k", 10_000, 1_000),
        ("10k-on-10k", 10_000, 10_000),
        ("100k-on-1k", 100_000, 1_000),
        ("100k-on-100k", 100_000, 100_000),
    ] {
        let (observed, spec) = (cluster(nodes), stack(tasks));
        assert_eq!(make(&observed, &spec).forecast.summary().create as usize, tasks);
        group.bench_function(name, |b| b.iter_with_large_drop(|| make(&observed, &spec)));
    }
    group.finish();

    let mut group = c.benchmark_group("running");
    group.sample_size(10).warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(4));
    let (empty, mut spec) = (cluster(1_000), stack(10_000));
    let observed = carried_out(empty.clone(), &make(&empty, &spec));
    assert!(make(&observed, &spec).is_empty(), "nothing is left to do");
    group.bench_function("no-op-10k-on-1k", |b| b.iter_with_large_drop(|| make(&observed, &spec)));
    for service in spec.services.values_mut() {
        Arc::make_mut(&mut service.task).environment.insert("LEVEL".into(), Some("debug".into()));
    }
    assert_eq!(make(&observed, &spec).forecast.summary().replace, 10_000);
    group.bench_function("update-10k-on-1k", |b| b.iter_with_large_drop(|| make(&observed, &spec)));

    let empty = cluster(100_000);
    let spec = builder::stack(vec![builder::global("agent")]);
    let observed = carried_out(empty.clone(), &make(&empty, &spec));
    assert!(make(&observed, &spec).is_empty(), "nothing is left to do");
    group.bench_function("no-op-global-on-100k", |b| b.iter_with_large_drop(|| make(&observed, &spec)));
    group.finish();
}

/// Text to spec: a stackfile of a thousand services.
fn stackfiles(c: &mut Criterion) {
    use std::fmt::Write as _;
    let mut text = String::from("version: '3.8'\nservices:\n");
    for at in 0..1_000 {
        write!(
            text,
            "  s{at:04}:\n    image: registry.example.com/team/app:${{TAG:-1.{at}}}\n    environment:\n      LEVEL: info\n      PORT: \"80\"\n    networks: [back]\n    deploy:\n      replicas: 3\n      placement:\n        constraints: [node.labels.zone == a]\n      resources:\n        limits: {{cpus: '0.5', memory: 128M}}\n"
        )
        .expect("text takes text");
    }
    text.push_str("networks:\n  back: {}\n");
    let load = || stackfile::load(&text);
    assert_eq!(load().spec.services.len(), 1_000);
    let mut group = c.benchmark_group("compose");
    group.sample_size(10).measurement_time(Duration::from_secs(3));
    group.bench_function("1000-services", |b| b.iter_with_large_drop(load));
    group.finish();
}

/// The whole program, asked for help.
fn help(c: &mut Criterion) {
    let mut group = c.benchmark_group("cli");
    group.sample_size(50).measurement_time(Duration::from_secs(2));
    group.bench_function("help", |b| {
        b.iter(|| {
            let output = std::process::Command::new(env!("CARGO_BIN_EXE_stackctl"))
                .arg("--help")
                .output()
                .expect("the program runs");
            assert!(output.status.success());
        });
    });
    group.finish();
}

criterion_group!(benches, plans, stackfiles, help);
criterion_main!(benches);
