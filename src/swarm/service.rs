//! A service: how many tasks, where, and how they are replaced.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{Body, Stack, Written, container, labels};
use crate::model::spec::{
    Attachment, EndpointMode, Limits, Placement, Port, Reservations, RestartCondition, ServiceMode,
    ServiceSpec, TaskSpec, UpdateConfig,
};

/// The image as written, by which a later deploy sees whether the user changed it.
const IMAGE: &str = "com.docker.stack.image";

/// The request for a service; `written` is its part of the file.
pub fn body(stack: &Stack<'_>, service: &ServiceSpec, written: Written<'_>) -> Value {
    let spec = stack.spec;
    let deploy = written.at("deploy");
    let mut own = service.labels.clone();
    own.insert(IMAGE.to_owned(), service.task.image.clone());
    Body::default()
        .with("Name", format!("{}_{}", spec.name, service.name))
        .with("Labels", labels(spec, &own))
        .with("TaskTemplate", task(stack, service, written))
        .with("Mode", mode(service.mode, deploy))
        .with("UpdateConfig", update(&service.update_config, deploy.at("update_config")))
        .with("RollbackConfig", update(&service.rollback_config, deploy.at("rollback_config")))
        .with_even_empty("EndpointSpec", endpoint(service, deploy, written.at("ports")))
        .into()
}

fn task(stack: &Stack<'_>, service: &ServiceSpec, written: Written<'_>) -> Body {
    let task = &service.task;
    let logging = task.logging.clone().unwrap_or_default();
    let log_driver = Body::default().with("Name", logging.driver).with("Options", json!(logging.options));
    let deploy = written.at("deploy");
    let wanted = deploy.at("resources");
    let resources = Body::default()
        .with_written("Limits", limits(&task.resources.limits), wanted.at("limits"))
        .with_written("Reservations", reservations(&task.resources.reservations), wanted.at("reservations"));
    Body::default()
        .with("ContainerSpec", container::body(stack, task, written))
        .with("LogDriver", log_driver)
        .with_even_empty("Resources", resources)
        .with_written("RestartPolicy", restart(task, written), deploy.at("restart_policy"))
        // An update without it makes the manager of a 20.10 engine panic, and again at each start.
        .with_even_empty("Placement", placement(&service.placement))
        .with("ForceUpdate", (task.force_update != 0).then_some(task.force_update))
        .with("Networks", networks(stack, service, written.at("networks")))
}

fn limits(limits: &Limits) -> Body {
    Body::default()
        .with("NanoCPUs", limits.nano_cpus)
        .with("MemoryBytes", limits.memory)
        .with("Pids", limits.pids)
}

fn reservations(reserved: &Reservations) -> Body {
    let given = |value: i64| (value != 0).then_some(value);
    let generic = |(kind, value): (&String, &i64)| {
        let spec = Body::default().with("Kind", kind.clone()).with("Value", given(*value));
        json!({"DiscreteResourceSpec": Value::from(spec)})
    };
    Body::default()
        .with("NanoCPUs", given(reserved.nano_cpus))
        .with("MemoryBytes", given(reserved.memory))
        .with("GenericResources", reserved.generic.iter().map(generic).collect::<Vec<_>>())
}

/// The engine decides what the file leaves open.
fn restart(task: &TaskSpec, written: Written<'_>) -> Body {
    let policy = &task.restart_policy;
    let wanted = written.at("deploy").at("restart_policy");
    if wanted.is_there() {
        return Body::default()
            .with("Condition", wanted.at("condition").then(json!(policy.condition)))
            .with("Delay", wanted.at("delay").then(policy.delay.as_nanos()))
            .with("MaxAttempts", wanted.at("max_attempts").then(policy.max_attempts))
            .with("Window", wanted.at("window").then(policy.window.as_nanos()));
    }
    match written.at("restart").text() {
        None => Body::default(),
        // In docker's reading it is nothing, and the engine restarts.
        Some("no") if policy.condition != RestartCondition::None => Body::default(),
        Some(word) => Body::default()
            .with("Condition", json!(policy.condition))
            .with("MaxAttempts", word.starts_with("on-failure").then_some(policy.max_attempts)),
    }
}

fn placement(placement: &Placement) -> Body {
    let spread = |label: &String| json!({"Spread": {"SpreadDescriptor": label}});
    let max = placement.max_replicas_per_node;
    Body::default()
        .with("Constraints", placement.constraints.clone())
        .with("Preferences", placement.spread.iter().map(spread).collect::<Vec<_>>())
        .with("MaxReplicas", (max != 0).then_some(max))
}

fn networks(stack: &Stack<'_>, service: &ServiceSpec, written: Written<'_>) -> Vec<Value> {
    let name = service.name.as_str();
    let attachment = |target: &String, attachment: &Attachment| {
        let mut aliases = attachment.aliases.clone();
        let key = stack.networks.get(target.as_str());
        let own = key.map_or(Written::File(None), |key| written.at(key).at("aliases"));
        // Docker appends the service's name to the written aliases, even if it is one of them.
        if own.items().any(|alias| alias.text() == Some(name)) {
            aliases.push(name.to_owned());
        }
        Body::default()
            .with("Target", target.clone())
            .with("Aliases", aliases)
            .with("DriverOpts", json!(attachment.driver_opts))
            .into()
    };
    match &service.task.network_mode {
        Some(mode) => vec![json!({ "Target": mode })],
        None => service.task.networks.iter().map(|(target, own)| attachment(target, own)).collect(),
    }
}

fn mode(mode: ServiceMode, deploy: Written<'_>) -> Value {
    let replicas = deploy.at("replicas");
    match mode {
        ServiceMode::Replicated { replicas: slots } => {
            json!({"Replicated": Value::from(Body::default().with("Replicas", replicas.then(slots)))})
        }
        ServiceMode::Global => json!({"Global": {}}),
        ServiceMode::ReplicatedJob { total, max_concurrent } => {
            let job = Body::default()
                .with("MaxConcurrent", replicas.then(max_concurrent))
                .with("TotalCompletions", replicas.then(total));
            json!({"ReplicatedJob": Value::from(job)})
        }
        ServiceMode::GlobalJob => json!({"GlobalJob": {}}),
    }
}

/// For an existing block docker always sends the parallelism, and no default monitor.
fn update(config: &UpdateConfig, written: Written<'_>) -> Body {
    if !written.is_there() {
        return Body::default();
    }
    // The API keeps no more digits than half of ours.
    #[expect(clippy::cast_possible_truncation, reason = "that is the point")]
    let ratio: f64 = (config.max_failure_ratio as f32).to_string().parse().unwrap_or(0.0);
    let nanos = |key: &str, value: i64| written.at(key).then(value).filter(|value| *value != 0);
    Body::default()
        .with("Parallelism", config.parallelism)
        .with("Delay", nanos("delay", config.delay.as_nanos()))
        // As written: both stackctl and the engine treat a rollback of a rollback as a pause.
        .with("FailureAction", written.at("failure_action").word(json!(config.failure_action)))
        .with("Monitor", nanos("monitor", config.monitor.as_nanos()))
        .with("MaxFailureRatio", ratio)
        .with("Order", written.at("order").then(json!(config.order)))
}

fn endpoint(service: &ServiceSpec, deploy: Written<'_>, ports: Written<'_>) -> Body {
    let mode = match service.endpoint_mode {
        EndpointMode::Vip => "vip",
        EndpointMode::Dnsrr => "dnsrr",
    };
    // The short form says both protocol and mode; of a long one what is written is sent, and as it is.
    let place = |item: Written<'_>| {
        let word = |key: &str, or: &str| match item.at(key).text() {
            None | Some("") => or.to_owned(),
            Some(text) => text.to_ascii_lowercase(),
        };
        let published = item.number("published").filter(|number| *number != 0);
        (item.number("target"), published, word("protocol", "tcp"), word("mode", "ingress"))
    };
    let items: BTreeMap<_, _> = ports.items().map(|item| (place(item), item)).collect();
    let port = |port: &Port| {
        let (protocol, mode) = (port.protocol.to_string(), json!(port.mode));
        let word = mode.as_str().unwrap_or_default().to_owned();
        let published = port.published.map(i128::from);
        let item = items.get(&(Some(port.target.into()), published, protocol.clone(), word)).copied();
        let sent = |key: &str, value: Value| match item {
            Some(item) => item.at(key).text().map_or(Value::Null, Value::from),
            None => value,
        };
        Body::default()
            .with("Protocol", sent("protocol", protocol.as_str().into()))
            .with("TargetPort", port.target)
            .with("PublishedPort", port.published)
            .with("PublishMode", sent("mode", mode.clone()))
            .into()
    };
    Body::default()
        .with("Mode", deploy.at("endpoint_mode").then(mode))
        .with("Ports", service.task.ports.iter().map(port).collect::<Vec<Value>>())
}
