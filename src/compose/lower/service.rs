//! One service: its mode, how it is replaced, and the specification of its tasks.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::{Context, Lengths, bare, check_template, labels, lengths, mounts, networks, plain, variables};
use crate::compose::Reading;
use crate::compose::platform;
use crate::compose::short;
use crate::compose::stackfile::{Mode, Restart, Service};
use crate::model::ServiceName;
use crate::model::spec::{
    ConfigSpec, EndpointMode, Limits, Placement, Port, PublishMode, Resources, RestartCondition,
    RestartPolicy, ServiceMode, ServiceSpec, TaskSpec,
};
use crate::yaml::{Diagnostic, Spanned};

/// Least memory a task can be limited to: SwarmKit's.
const MEMORY_MIN: i64 = 4 << 20;
/// Least CPU, in billionths of a core: SwarmKit's.
const NANO_CPUS_MIN: i64 = 1_000_000;

/// Lowers a service.
pub fn lower(
    context: &Context<'_>,
    service: &Service,
    configs: &BTreeMap<String, ConfigSpec>,
) -> ServiceSpec {
    let deploy = &service.deploy;
    let mode = mode(context, service);
    if mode.is_job() {
        for config in [&deploy.update_config, &deploy.rollback_config].into_iter().flatten() {
            context.sink.push(
                Diagnostic::error(
                    "update_of_a_job",
                    format!("job `{}` cannot be updated step by step", service.key.value),
                )
                .at(config.span, "not for jobs")
                .help("remove it: a changed job runs again"),
            );
        }
    }
    let mut constraints = bare(&deploy.constraints);
    constraints
        .extend(service.platform.iter().flat_map(|text| platform::constraints(text).unwrap_or_default()));
    let placement = Placement {
        constraints,
        spread: bare(&deploy.spread),
        is_literal: context.world.reading == Reading::Docker,
        strategy: service.strategy.map(|strategy| strategy.value),
        on_node_loss: service.on_node_loss.map(|choice| choice.value),
        max_replicas_per_node: deploy.max_replicas_per_node.map_or(0, |max| max.value),
        platforms: Vec::new(),
    };
    if let Some(max) = deploy.max_replicas_per_node.filter(|max| mode.is_global() && max.value > 0) {
        context.sink.push(
            Diagnostic::warning(
                "replicas_of_a_global_service",
                format!("`max_replicas_per_node` of global service `{}` is ignored", service.key.value),
            )
            .at(max.span, "a global service has one task a node anyway"),
        );
    }
    ServiceSpec {
        name: ServiceName::unchecked(&service.key),
        mode,
        task: Arc::new(task(context, service, configs)),
        placement,
        update_config: deploy.update_config.map(|config| config.value).unwrap_or_default(),
        rollback_config: deploy.rollback_config.map(|config| config.value).unwrap_or_default(),
        labels: labels(context, &deploy.labels),
        endpoint_mode: endpoint_mode(context, service),
        depends_on: service
            .depends_on
            .iter()
            .map(|(name, dependency)| (ServiceName::unchecked(name), dependency.condition))
            .collect(),
    }
}

fn mode(context: &Context<'_>, service: &Service) -> ServiceMode {
    let deploy = &service.deploy;
    let mode = deploy.mode.map_or(Mode::Replicated, |mode| mode.value);
    let replicas = deploy.replicas.map_or(1, |replicas| replicas.value);
    if let (Some(written), Some(replicas)) = (&deploy.mode, &deploy.replicas)
        && matches!(mode, Mode::Global | Mode::GlobalJob)
    {
        context.sink.push(
            Diagnostic::error(
                "replicas_and_global",
                format!("global service `{}` has `replicas`", service.key.value),
            )
            .at(replicas.span, "how many there are depends on the nodes")
            .also(written.span, "global here")
            .help("remove one of the two"),
        );
    }
    match mode {
        Mode::Replicated => ServiceMode::Replicated { replicas },
        Mode::Global => ServiceMode::Global,
        Mode::ReplicatedJob => ServiceMode::ReplicatedJob { total: replicas, max_concurrent: replicas },
        Mode::GlobalJob => ServiceMode::GlobalJob,
    }
}

fn endpoint_mode(context: &Context<'_>, service: &Service) -> EndpointMode {
    let Some(endpoint) = service.deploy.endpoint_mode else { return EndpointMode::Vip };
    let ingress = service.ports.iter().find(|port| port.mode == PublishMode::Ingress);
    if let (EndpointMode::Dnsrr, Some(port)) = (endpoint.value, ingress) {
        context.sink.push(
            Diagnostic::error(
                "ingress_without_vip",
                format!(
                    "service `{}` publishes a port to all nodes but has no virtual address",
                    service.key.value
                ),
            )
            .at(port.span, "published on every node")
            .also(endpoint.span, "`dnsrr` has no virtual address")
            .help("publish with `mode: host`, or use `endpoint_mode: vip`"),
        );
    }
    endpoint.value
}

fn task(context: &Context<'_>, service: &Service, configs: &BTreeMap<String, ConfigSpec>) -> TaskSpec {
    let text = |text: &Option<Spanned<String>>| text.as_ref().map(|text| text.value.clone());
    let flag = |flag: Option<Spanned<bool>>| flag.is_some_and(|flag| flag.value);
    let words = |words: &Option<Vec<Spanned<String>>>| {
        // An empty list is the same as none.
        words.as_deref().filter(|words| !words.is_empty()).map(bare)
    };
    let lengths = lengths(service);
    check_templates(context, service, &lengths);
    let (cap_add, cap_drop) = capabilities(&service.cap_add, &service.cap_drop);
    let (networks, network_mode) = networks::attach(context, service);
    let environment = variables::lower(context, service);
    let mut secrets = mounts::secrets(context, service);
    secrets.extend(environment.secrets);
    TaskSpec {
        image: image(context, service),
        digest: None,
        command: words(&service.command),
        entrypoint: words(&service.entrypoint),
        environment: environment.texts,
        labels: labels(context, &service.labels),
        hostname: text(&service.hostname),
        domainname: text(&service.domainname),
        user: text(&service.user),
        group_add: bare(&service.group_add),
        working_dir: text(&service.working_dir),
        stdin_open: flag(service.stdin_open),
        tty: flag(service.tty),
        cap_add,
        cap_drop,
        privileged: flag(service.privileged),
        security_opt: bare(&service.security_opt),
        devices: service.devices.iter().map(|device| device.value.clone()).collect(),
        device_cgroup_rules: bare(&service.device_cgroup_rules),
        sysctls: plain(&service.sysctls),
        ulimits: service.ulimits.iter().map(|(name, limit)| (name.clone(), limit.value)).collect(),
        init: service.init.map(|init| init.value),
        read_only: flag(service.read_only),
        shm_size: service.shm_size.map(|size| u64::try_from(size.value).unwrap_or(0)),
        ipc: text(&service.ipc),
        pid: text(&service.pid),
        network_mode,
        userns_mode: text(&service.userns_mode),
        cgroupns_mode: text(&service.cgroupns_mode),
        cgroup_parent: text(&service.cgroup_parent),
        mac_address: text(&service.mac_address),
        runtime: text(&service.runtime),
        isolation: text(&service.isolation),
        oom_score_adj: service.oom_score_adj.map(|score| score.value),
        stop_signal: text(&service.stop_signal),
        on_config: text(&service.on_config).filter(|signal| !signal.is_empty()),
        swaps: false,
        stop_grace_period: service.stop_grace_period.map(|period| period.value),
        // Invalid addresses were reported, and docker drops them.
        dns: bare(&service.dns).into_iter().filter(|text| text.parse::<std::net::IpAddr>().is_ok()).collect(),
        dns_search: bare(&service.dns_search),
        dns_opt: bare(&service.dns_opt),
        extra_hosts: bare(&service.extra_hosts),
        logging: service.logging.clone(),
        healthcheck: service.healthcheck.clone(),
        resources: resources(context, service),
        restart_policy: restart_policy(context, service),
        ports: ports(context, service),
        volumes: mounts::lower(context, service, &lengths),
        networks,
        configs: mounts::configs(context, service, configs),
        secrets,
        force_update: 0,
    }
}

/// Checks templates of the host name and of the environment; those of mounts are checked with the mounts.
fn check_templates(context: &Context<'_>, service: &Service, lengths: &Lengths<'_>) {
    if let Some(hostname) = &service.hostname {
        check_template(context, lengths, hostname);
    }
    for (_, value) in &service.environment {
        if let Some(text) = &value.value {
            check_template(context, lengths, &Spanned::new(text.clone(), value.span));
        }
    }
}

fn image(context: &Context<'_>, service: &Service) -> String {
    if let Some(image) = &service.image {
        return image.value.clone();
    }
    context.sink.push(
        Diagnostic::error("no_image", format!("service `{}` has no `image`", service.key.value))
            .at(service.key.span, "nothing to run")
            .help("name an image that every node can pull; `build` is not done by a deploy"),
    );
    String::new()
}

/// Each once, in one spelling, sorted; `ALL` takes in the rest; what is added is not dropped.
fn capabilities(add: &[Spanned<String>], drop: &[Spanned<String>]) -> (Vec<String>, Vec<String>) {
    let normal = |list: &[Spanned<String>]| -> BTreeSet<String> {
        let all: BTreeSet<String> = list.iter().map(|text| short::capability(text)).collect();
        if all.contains("ALL") { BTreeSet::from(["ALL".to_owned()]) } else { all }
    };
    let (add, drop) = (normal(add), normal(drop));
    let drop = drop.difference(&add).cloned().collect();
    (add.into_iter().collect(), drop)
}

fn resources(context: &Context<'_>, service: &Service) -> Resources {
    let limits = &service.deploy.limits;
    let too_small = |key: &str, value: &Option<Spanned<i64>>, min: i64, least: &str| {
        if let Some(value) = value.filter(|value| value.value != 0 && value.value < min) {
            context.sink.push(
                Diagnostic::error(
                    "out_of_range",
                    format!(
                        "`deploy.resources.limits.{key}` of service `{}` is out of range",
                        service.key.value
                    ),
                )
                .at(value.span, format!("must be {least} or more")),
            );
        }
    };
    too_small("cpus", &limits.cpus, NANO_CPUS_MIN, "`0.001`");
    too_small("memory", &limits.memory, MEMORY_MIN, "`4M`");
    let given = |value: Option<Spanned<i64>>| value.map(|value| value.value).filter(|&value| value != 0);
    Resources {
        limits: Limits {
            nano_cpus: given(limits.cpus),
            memory: given(limits.memory),
            pids: given(limits.pids),
        },
        reservations: service.deploy.reservations.clone(),
    }
}

/// `deploy.restart_policy`, or the equivalent of `restart`. `no` means none; docker sends nothing for it, and the
/// engine restarts.
fn restart_policy(context: &Context<'_>, service: &Service) -> RestartPolicy {
    let defaults = RestartPolicy::default();
    match (&service.deploy.restart_policy, service.restart) {
        (Some(policy), restart) => {
            if let Some(restart) = restart {
                context.sink.push(
                    Diagnostic::note(
                        "two_restarts",
                        format!("`restart` of service `{}` has no effect", service.key.value),
                    )
                    .at(restart.span, "`deploy.restart_policy` decides"),
                );
            }
            RestartPolicy {
                condition: policy.condition.map_or(defaults.condition, |c| c.value),
                delay: policy.delay.map_or(defaults.delay, |d| d.value),
                max_attempts: policy.max_attempts.map_or(defaults.max_attempts, |n| n.value),
                window: policy.window.map_or(defaults.window, |d| d.value),
            }
        }
        (None, Some(restart)) => match restart.value {
            Restart::No => {
                context.sink.push(
                    Diagnostic::note(
                        "never_restarted",
                        format!("service `{}` is never restarted", service.key.value),
                    )
                    .at(restart.span, "docker sends nothing for `no`, and a swarm restarts")
                    .help("to be understood by both, write `deploy: {restart_policy: {condition: none}}`"),
                );
                RestartPolicy { condition: RestartCondition::None, ..defaults }
            }
            Restart::Always => RestartPolicy { condition: RestartCondition::Any, ..defaults },
            Restart::OnFailure(max_attempts) => {
                RestartPolicy { condition: RestartCondition::OnFailure, max_attempts, ..defaults }
            }
        },
        (None, None) => defaults,
    }
}

/// Sorted, each once; two that cannot both be published are reported.
fn ports(context: &Context<'_>, service: &Service) -> Vec<Port> {
    let mut ports: Vec<&Spanned<Port>> = Vec::new();
    let (mut seen, mut published) = (BTreeSet::new(), Published::default());
    for port in &service.ports {
        if !seen.insert(&port.value) {
            continue;
        }
        if let Some((_, first)) = published.clash(port, |_| true) {
            context.sink.push(
                Diagnostic::error(
                    "port_twice",
                    format!("service `{}` publishes the same port twice", service.key.value),
                )
                .at(port.span, "again here")
                .also(first.span, "first here")
                .help("use another port for one of the two"),
            );
        }
        published.add(&service.key.value, port);
        ports.push(port);
    }
    let mut ports: Vec<Port> = ports.into_iter().map(|port| port.value.clone()).collect();
    ports.sort();
    ports
}

/// Ports that were looked at, by number.
#[derive(Default)]
struct Published<'a>(BTreeMap<u16, Vec<(&'a str, &'a Spanned<Port>)>>);

impl<'a> Published<'a> {
    fn add(&mut self, service: &'a str, port: &'a Spanned<Port>) {
        let Some(number) = port.published else { return };
        let known = self.0.entry(number).or_default();
        // A clash within one service was reported already.
        if known.last().is_none_or(|(own, last)| *own != service || !clash(last, port)) {
            known.push((service, port));
        }
    }

    /// The first that cannot be published beside this one.
    fn clash(&self, port: &Port, other: impl Fn(&str) -> bool) -> Option<(&'a str, &'a Spanned<Port>)> {
        let known = port.published.and_then(|number| self.0.get(&number))?;
        known.iter().find(|(service, known)| other(service) && clash(known, port)).copied()
    }
}

fn clash(a: &Port, b: &Port) -> bool {
    let host = |port: &Port| {
        port.published.map(|number| crate::model::spec::HostPort {
            number,
            protocol: port.protocol,
            ip: port.host_ip,
        })
    };
    matches!((host(a), host(b)), (Some(a), Some(b)) if a.clashes_with(&b))
}

/// A port that is published on every node belongs to one service.
pub fn check_ingress(context: &Context<'_>) {
    let mut seen = Published::default();
    for service in context.file.services.values() {
        for port in service.ports.iter().filter(|port| port.mode == PublishMode::Ingress) {
            let own = &service.key.value;
            if let Some((name, first)) = seen.clash(port, |name| name != own) {
                let (above, below) = (first.span.min(port.span), first.span.max(port.span));
                context.sink.push(
                    Diagnostic::error(
                        "port_of_two_services",
                        format!("services `{name}` and `{}` publish the same port", service.key.value),
                    )
                    .at(below, "again here")
                    .also(above, "first here")
                    .help("use another port for one of the two, or `mode: host` and different nodes"),
                );
            }
            seen.add(own, port);
        }
    }
}

/// Users expect `deploy.labels` on containers: one note says that they are not there.
pub fn note_labels(context: &Context<'_>) {
    let span = context
        .file
        .services
        .values()
        .find_map(|service| service.deploy.labels_span.filter(|_| !service.deploy.labels.is_empty()));
    if let Some(span) = span {
        context.sink.push(
            Diagnostic::note(
                "service_labels",
                "`deploy.labels` are labels of the service, not of its containers",
            )
            .at(span, "not seen by what reads container labels")
            .help("for labels on containers use `labels` of the service"),
        );
    }
}
