//! The file as its author wrote it: typed, every value with its place, and optional values as options.
//!
//! Reads trees in normal form (see `normal`). `lower` fills in defaults and follows references. Reports every mistake
//! of a single key.

mod service;

use std::collections::BTreeMap;

use crate::model::GoDuration;
use crate::model::spec::{
    DependencyCondition, Device, EndpointMode, Healthcheck, Logging, OnNodeLoss, Port, Reservations,
    RestartCondition, Strategy, Ulimit, UpdateConfig,
};
use crate::yaml::{Diagnostic, Fields, Node, Severity, Sink, Span, Spanned, Value};

use super::support::{self, At};

pub use crate::yaml::decode::Pairs;

/// A whole file, or several merged.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Stackfile {
    /// By key. Boxed, as a map has room for more than it holds, and a service is large.
    pub services: BTreeMap<String, Box<Service>>,
    pub networks: BTreeMap<String, Network>,
    pub volumes: BTreeMap<String, Volume>,
    pub configs: BTreeMap<String, Content>,
    pub secrets: BTreeMap<String, Content>,
}

/// A service. Fields are named as the keys.
#[derive(Debug, Clone, PartialEq)]
pub struct Service {
    pub key: Spanned<String>,
    pub image: Option<Spanned<String>>,
    pub command: Option<Vec<Spanned<String>>>,
    pub entrypoint: Option<Vec<Spanned<String>>>,
    pub environment: Pairs,
    pub labels: Pairs,
    pub hostname: Option<Spanned<String>>,
    pub domainname: Option<Spanned<String>>,
    pub user: Option<Spanned<String>>,
    pub group_add: Vec<Spanned<String>>,
    pub working_dir: Option<Spanned<String>>,
    pub stdin_open: Option<Spanned<bool>>,
    pub tty: Option<Spanned<bool>>,
    pub init: Option<Spanned<bool>>,
    pub read_only: Option<Spanned<bool>>,
    pub privileged: Option<Spanned<bool>>,
    pub cap_add: Vec<Spanned<String>>,
    pub cap_drop: Vec<Spanned<String>>,
    pub security_opt: Vec<Spanned<String>>,
    pub devices: Vec<Spanned<Device>>,
    pub device_cgroup_rules: Vec<Spanned<String>>,
    pub sysctls: Pairs,
    pub ulimits: BTreeMap<String, Spanned<Ulimit>>,
    pub shm_size: Option<Spanned<i64>>,
    pub oom_score_adj: Option<Spanned<i64>>,
    pub ipc: Option<Spanned<String>>,
    pub pid: Option<Spanned<String>>,
    pub userns_mode: Option<Spanned<String>>,
    pub cgroupns_mode: Option<Spanned<String>>,
    pub cgroup_parent: Option<Spanned<String>>,
    pub runtime: Option<Spanned<String>>,
    pub isolation: Option<Spanned<String>>,
    pub stop_signal: Option<Spanned<String>>,
    /// `x-stackctl: {on_config}`.
    pub on_config: Option<Spanned<String>>,
    pub stop_grace_period: Option<Spanned<GoDuration>>,
    /// In the order of their names.
    pub networks: Option<Vec<(String, Spanned<Box<Attachment>>)>>,
    pub network_mode: Option<Spanned<String>>,
    pub mac_address: Option<Spanned<String>>,
    pub dns: Vec<Spanned<String>>,
    pub dns_search: Vec<Spanned<String>>,
    pub dns_opt: Vec<Spanned<String>>,
    pub extra_hosts: Vec<Spanned<String>>,
    pub ports: Vec<Spanned<Port>>,
    pub volumes: Vec<Mount>,
    pub tmpfs: Vec<Spanned<String>>,
    pub configs: Vec<FileRef>,
    pub secrets: Vec<FileRef>,
    pub logging: Option<Logging>,
    pub healthcheck: Option<Healthcheck>,
    pub restart: Option<Spanned<Restart>>,
    pub depends_on: BTreeMap<String, Spanned<Dependency>>,
    pub profiles: Vec<Spanned<String>>,
    pub platform: Option<Spanned<String>>,
    pub deploy: Deploy,
    pub strategy: Option<Spanned<Strategy>>,
    /// Variables whose value is no secret, whatever it looks like.
    pub plain_values: Vec<Spanned<String>>,
    /// `x-stackctl: {secret_environment}`: whether `secret://NAME` in `environment` names a secret.
    pub secret_environment: Option<Spanned<bool>>,
    pub on_node_loss: Option<Spanned<OnNodeLoss>>,
}

/// `restart` of a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Restart {
    /// `no`.
    No,
    /// `always`, `unless-stopped`.
    Always,
    /// `on-failure`, and how often at most (0: no limit).
    OnFailure(u32),
}

/// An item of `depends_on`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dependency {
    pub condition: DependencyCondition,
    pub required: bool,
}

/// `deploy` of a service.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Deploy {
    pub mode: Option<Spanned<Mode>>,
    pub replicas: Option<Spanned<u32>>,
    pub endpoint_mode: Option<Spanned<EndpointMode>>,
    pub labels: Pairs,
    pub labels_span: Option<Span>,
    pub update_config: Option<Spanned<UpdateConfig>>,
    pub rollback_config: Option<Spanned<UpdateConfig>>,
    pub restart_policy: Option<RestartPolicy>,
    pub limits: Limits,
    pub reservations: Reservations,
    pub constraints: Vec<Spanned<String>>,
    pub spread: Vec<Spanned<String>>,
    pub max_replicas_per_node: Option<Spanned<u32>>,
}

/// `deploy.mode`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    Replicated,
    Global,
    ReplicatedJob,
    GlobalJob,
}

/// `deploy.restart_policy`.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct RestartPolicy {
    pub condition: Option<Spanned<RestartCondition>>,
    pub delay: Option<Spanned<GoDuration>>,
    pub max_attempts: Option<Spanned<u32>>,
    pub window: Option<Spanned<GoDuration>>,
}

/// `deploy.resources.limits`.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Limits {
    pub cpus: Option<Spanned<i64>>,
    pub memory: Option<Spanned<i64>>,
    pub pids: Option<Spanned<i64>>,
}

/// A network of a service.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Attachment {
    pub aliases: Vec<Spanned<String>>,
    pub ipv4_address: Option<Spanned<std::net::IpAddr>>,
    pub ipv6_address: Option<Spanned<std::net::IpAddr>>,
    pub driver_opts: Pairs,
}

/// An item of `volumes`.
#[derive(Debug, Clone, PartialEq)]
pub struct Mount {
    pub kind: Spanned<MountKind>,
    pub source: Option<Spanned<String>>,
    pub target: Spanned<String>,
    pub read_only: bool,
    pub propagation: Option<String>,
    pub create_host_path: bool,
    pub nocopy: bool,
    pub subpath: Option<String>,
    pub tmpfs_size: u64,
    pub tmpfs_mode: Option<u32>,
}

/// `type` of an item of `volumes`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MountKind {
    Volume,
    Bind,
    Tmpfs,
    Npipe,
}

/// An item of `configs` or `secrets` of a service.
#[derive(Debug, Clone, PartialEq)]
pub struct FileRef {
    pub source: Spanned<String>,
    pub target: Option<Spanned<String>>,
    pub uid: Option<Spanned<String>>,
    pub gid: Option<Spanned<String>>,
    pub mode: Option<Spanned<u32>>,
}

/// A network at the top of the file.
#[derive(Debug, Clone, PartialEq)]
pub struct Network {
    pub key: Spanned<String>,
    pub name: Option<Spanned<String>>,
    pub external: bool,
    pub driver: Option<Spanned<String>>,
    pub driver_opts: Pairs,
    pub ipam_driver: Option<String>,
    pub pools: Vec<Pool>,
    pub internal: bool,
    pub attachable: bool,
    pub enable_ipv6: bool,
    pub labels: Pairs,
}

/// An address pool.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Pool {
    pub subnet: Option<Spanned<String>>,
    pub ip_range: Option<Spanned<String>>,
    pub gateway: Option<Spanned<String>>,
}

/// A volume at the top of the file.
#[derive(Debug, Clone, PartialEq)]
pub struct Volume {
    pub key: Spanned<String>,
    pub name: Option<Spanned<String>>,
    pub external: bool,
    pub driver: Option<Spanned<String>>,
    pub driver_opts: Pairs,
    pub labels: Pairs,
}

/// A config or secret at the top of the file.
#[derive(Debug, Clone, PartialEq)]
pub struct Content {
    pub key: Spanned<String>,
    pub name: Option<Spanned<String>>,
    pub external: bool,
    pub file: Option<Spanned<String>>,
    pub content: Option<Spanned<String>>,
    pub environment: Option<Spanned<String>>,
    pub driver: Option<Spanned<String>>,
    pub driver_opts: Pairs,
    pub template_driver: Option<Spanned<String>>,
    pub labels: Pairs,
}

/// Reads a tree; reports mistakes to the sink, and returns what is usable.
pub fn read(root: &Node, sink: &Sink<'_>) -> Stackfile {
    let mut file = Stackfile::default();
    let Some(top) = Fields::of(sink, root, root.span, "") else { return file };
    support::check(&top, At::Top);
    version(&top);
    // Read where the stack is named.
    let _ = top.text("name");
    for section in ["services", "networks", "volumes", "configs", "secrets"] {
        let Some(entries) = top.fields(section) else { continue };
        for entry in entries.entries() {
            let key = &entry.key;
            if key.starts_with("x-") && section != "services" {
                continue;
            }
            if !is_name(key) {
                bad_name(sink, key, section);
                continue;
            }
            let what = format!("{} `{}`", section.trim_end_matches('s'), key.value);
            // `web:` with nothing behind it is a network or volume with every default.
            let empty = Node::made(Value::Map(crate::yaml::Map::default()), key.span);
            let node = if entry.value.is_null() { &empty } else { &entry.value };
            let Some(fields) = Fields::of(sink, node, key.span, what) else { continue };
            let name = key.value.clone();
            match section {
                "services" => drop(file.services.insert(name, Box::new(service::read(key, &fields)))),
                "networks" => drop(file.networks.insert(name, network(key, &fields))),
                "volumes" => drop(file.volumes.insert(name, volume(key, &fields))),
                "configs" => drop(file.configs.insert(name, content(key, &fields, At::Config))),
                _ => drop(file.secrets.insert(name, content(key, &fields, At::Secret))),
            }
        }
    }
    file
}

/// `[a-zA-Z0-9._-]+`
fn is_name(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c))
}

fn bad_name(sink: &Sink<'_>, key: &Spanned<String>, section: &str) {
    sink.push(
        Diagnostic::error(
            "bad_name",
            format!("`{}` is not a name for a {}", sink.clean(key), section.trim_end_matches('s')),
        )
        .at(key.span, "has other characters than names have")
        .help("names are made of letters, digits, `.`, `_` and `-`"),
    );
}

/// Any version is read as the newest of 3; one that is not 3 gets a note.
fn version(top: &Fields<'_>) {
    let Some(node) = top.node("version") else { return };
    let written = match &node.value {
        Value::Text(text) => text.clone(),
        Value::Int(_) | Value::Float(_) => top.sink().written(node),
        _ => {
            crate::yaml::decode::wrong_type(top.sink(), node, "`version`", "text");
            return;
        }
    };
    if !(written.is_empty() || written == "3" || written.starts_with("3.")) {
        top.sink().push(
            Diagnostic::note(
                "other_version",
                format!("version `{}` is read as version 3", top.sink().written(node)),
            )
            .on(node, "not 3")
            .help("`version` may be left out"),
        );
    }
}

fn network(key: &Spanned<String>, fields: &Fields<'_>) -> Network {
    support::check(fields, At::Network);
    let ipam = fields.fields("ipam");
    let mut pools = Vec::new();
    if let Some(ipam) = &ipam {
        support::check(ipam, At::Ipam);
        for node in ipam.list("config").unwrap_or_default() {
            let Some(pool) =
                Fields::of(fields.sink(), node, node.span, format!("an address pool of {}", fields.what()))
            else {
                continue;
            };
            support::check(&pool, At::IpamPool);
            let net = |key| {
                pool.parsed(key, "bad_subnet", "a network such as `10.1.0.0/24`", |text| {
                    text.parse::<ipnet::IpNet>().map(|_| text.to_owned())
                })
            };
            let address = "an IP address";
            pools.push(Pool {
                subnet: net("subnet"),
                ip_range: net("ip_range"),
                gateway: pool.parsed("gateway", "bad_address", address, |text| {
                    text.parse::<std::net::IpAddr>().map(|_| text.to_owned())
                }),
            });
        }
    }
    let flag = |key| fields.boolean(key).is_some_and(|flag| flag.value);
    let network = Network {
        key: key.clone(),
        name: name_of(fields),
        external: flag("external"),
        driver: fields.text("driver"),
        driver_opts: fields.pairs("driver_opts").unwrap_or_default(),
        ipam_driver: ipam.as_ref().and_then(|ipam| ipam.text("driver")).map(|driver| driver.value),
        pools,
        internal: flag("internal"),
        attachable: flag("attachable"),
        enable_ipv6: flag("enable_ipv6"),
        labels: fields.pairs("labels").unwrap_or_default(),
    };
    external_alone(
        fields,
        network.external,
        Severity::Warning,
        &["driver", "driver_opts", "ipam", "internal", "labels", "enable_ipv6"],
    );
    network
}

fn volume(key: &Spanned<String>, fields: &Fields<'_>) -> Volume {
    support::check(fields, At::Volume);
    let external = fields.boolean("external").is_some_and(|flag| flag.value);
    external_alone(fields, external, Severity::Error, &["driver", "driver_opts", "labels"]);
    Volume {
        key: key.clone(),
        name: name_of(fields),
        external,
        driver: fields.text("driver"),
        driver_opts: fields.pairs("driver_opts").unwrap_or_default(),
        labels: fields.pairs("labels").unwrap_or_default(),
    }
}

fn content(key: &Spanned<String>, fields: &Fields<'_>, at: At) -> Content {
    support::check(fields, at);
    let external = fields.boolean("external").is_some_and(|flag| flag.value);
    external_alone(
        fields,
        external,
        Severity::Warning,
        &["file", "content", "environment", "driver", "driver_opts", "template_driver", "labels"],
    );
    let secret = at == At::Secret;
    let origins: Vec<_> = ["file", "content", "environment", "driver"]
        .into_iter()
        .filter(|key| (*key != "driver" || secret) && (*key != "content" || !secret))
        .filter_map(|key| fields.entry(key))
        .collect();
    match origins.as_slice() {
        [] if !external => fields.sink().push(
            Diagnostic::error("no_content", format!("{} has no content", fields.what()))
                .at(key.span, "no source of its content")
                .help("give it a `file`, or say that it is `external: true`"),
        ),
        [first, second, ..] => fields.sink().push(
            Diagnostic::error("two_contents", format!("{} has its content twice", fields.what()))
                .at(second.key.span, "and here")
                .also(first.key.span, "here")
                .help("keep one of the two"),
        ),
        _ => {}
    }
    Content {
        key: key.clone(),
        name: name_of(fields),
        external,
        file: fields.text("file"),
        content: if secret { None } else { fields.text("content") },
        environment: fields.text("environment"),
        driver: if secret { fields.text("driver") } else { None },
        driver_opts: if secret { fields.pairs("driver_opts").unwrap_or_default() } else { Pairs::new() },
        template_driver: fields.text("template_driver"),
        labels: fields.pairs("labels").unwrap_or_default(),
    }
}

fn name_of(fields: &Fields<'_>) -> Option<Spanned<String>> {
    let name = fields.text("name")?;
    if name.trim().is_empty() {
        fields.sink().push(
            Diagnostic::warning("empty_name", format!("{} is empty", fields.name("name")))
                .at(name.span, "treated as missing")
                .help("a variable without a value may be the reason"),
        );
        return None;
    }
    Some(name)
}

/// External objects cannot have settings here. Docker refuses them for volumes, and ignores them elsewhere.
fn external_alone(fields: &Fields<'_>, external: bool, severity: Severity, others: &[&str]) {
    if !external {
        return;
    }
    for key in others {
        let Some(entry) = fields.entry(key) else { continue };
        let name = fields.name(key);
        let (message, help) = match severity {
            Severity::Error => (format!("{name} does not go with `external`"), Some("remove one of the two")),
            Severity::Warning | Severity::Note => (format!("{name} is ignored"), None),
        };
        fields.sink().push(
            Diagnostic::new(severity, "external_and_more", message)
                .at(entry.key.span, "it is external: set this where it is created")
                .maybe_help(help.map(str::to_owned)),
        );
    }
}
