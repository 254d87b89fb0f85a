//! Reads one service.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::{
    Attachment, Dependency, Deploy, FileRef, Limits, Mode, Mount, MountKind, Restart, RestartPolicy, Service,
};
use crate::compose::constraint_syntax;
use crate::compose::platform;
use crate::compose::short;
use crate::compose::support::{self, At};
use crate::model::spec::{
    DependencyCondition, Device, EndpointMode, FailureAction, Healthcheck, Logging, OnNodeLoss, Port,
    Protocol, PublishMode, Reservations, RestartCondition, Strategy, Ulimit, UpdateConfig, UpdateOrder,
};
use crate::model::{GoDuration, ImageRef};
use crate::yaml::decode::each;
use crate::yaml::{Diagnostic, Fields, Node, Span, Spanned, Value, text};

const DURATION: &str = "a duration such as `1m30s`";
const SIZE: &str = "a size such as `512M`";

/// Reads a service.
pub fn read(key: &Spanned<String>, fields: &Fields<'_>) -> Service {
    support::check(fields, At::Service);
    let own = own(fields);
    let own_placement = own.as_ref().and_then(own_placement);
    let texts = |key| fields.texts(key).unwrap_or_default();
    Service {
        key: key.clone(),
        image: image(fields),
        command: fields.texts("command"),
        entrypoint: fields.texts("entrypoint"),
        environment: fields.pairs("environment").unwrap_or_default(),
        labels: fields.pairs("labels").unwrap_or_default(),
        hostname: fields.text("hostname"),
        domainname: fields.text("domainname"),
        user: fields.text("user"),
        group_add: group_add(fields),
        working_dir: fields.text("working_dir"),
        stdin_open: fields.boolean("stdin_open"),
        tty: fields.boolean("tty"),
        init: fields.boolean("init"),
        read_only: fields.boolean("read_only"),
        privileged: fields.boolean("privileged"),
        cap_add: texts("cap_add"),
        cap_drop: texts("cap_drop"),
        security_opt: texts("security_opt"),
        devices: devices(fields),
        device_cgroup_rules: texts("device_cgroup_rules"),
        sysctls: fields.pairs("sysctls").unwrap_or_default(),
        ulimits: ulimits(fields),
        shm_size: size(fields, "shm_size"),
        oom_score_adj: fields.integer("oom_score_adj", -1000),
        ipc: fields.text("ipc"),
        pid: fields.text("pid"),
        userns_mode: fields.text("userns_mode"),
        cgroupns_mode: fields.text("cgroupns_mode").or_else(|| fields.text("cgroup")),
        cgroup_parent: fields.text("cgroup_parent"),
        runtime: fields.text("runtime"),
        isolation: fields.text("isolation"),
        stop_signal: fields.text("stop_signal"),
        stop_grace_period: duration(fields, "stop_grace_period"),
        networks: networks(fields),
        network_mode: fields.text("network_mode"),
        mac_address: fields.text("mac_address"),
        dns: texts("dns"),
        dns_search: texts("dns_search"),
        dns_opt: texts("dns_opt"),
        extra_hosts: texts("extra_hosts"),
        ports: ports(fields),
        volumes: mounts(fields),
        tmpfs: texts("tmpfs"),
        configs: file_refs(fields, "configs"),
        secrets: file_refs(fields, "secrets"),
        logging: logging(fields),
        healthcheck: healthcheck(fields),
        restart: restart(fields),
        depends_on: depends_on(fields),
        profiles: texts("profiles"),
        platform: fields.parsed("platform", "bad_platform", "a platform such as `linux/amd64`", |text| {
            platform::constraints(text).map(|_| text.to_owned())
        }),
        deploy: deploy(fields),
        strategy: own_placement.as_ref().and_then(|placement| placement.choice("strategy", &STRATEGIES)),
        on_config: own.as_ref().and_then(|own| own.text("on_config")),
        plain_values: own.as_ref().and_then(|own| own.texts("plain_values")).unwrap_or_default(),
        secret_environment: own.as_ref().and_then(|own| own.boolean("secret_environment")),
        on_node_loss: own_placement.as_ref().and_then(|placement| placement.choice("on_node_loss", &LOSSES)),
    }
}

const STRATEGIES: [(&str, Strategy); 3] =
    [("spread", Strategy::Spread), ("binpack", Strategy::Binpack), ("random", Strategy::Random)];
const LOSSES: [(&str, OnNodeLoss); 2] = [("reschedule", OnNodeLoss::Reschedule), ("hold", OnNodeLoss::Hold)];

/// `x-stackctl`: settings for which docker has no key. It is below the service, the only place where every docker version
/// with `x-` keys accepts them.
fn own<'a>(fields: &Fields<'a>) -> Option<Fields<'a>> {
    fields.fields("x-stackctl").inspect(|own| support::check(own, At::XStackctl))
}

fn own_placement<'a>(own: &Fields<'a>) -> Option<Fields<'a>> {
    own.fields("placement").inspect(|placement| support::check(placement, At::XPlacement))
}

fn image(fields: &Fields<'_>) -> Option<Spanned<String>> {
    let node = fields.node("image")?;
    let Some(image) = fields.text("image") else {
        // What is no text was reported; it is not missing as well.
        return (!node.is_null()).then(|| Spanned::new(String::new(), node.span));
    };
    if let Err(error) = ImageRef::parse(&image) {
        if image.is_empty() {
            fields.sink().push(
                Diagnostic::error("bad_image", format!("{} is empty", fields.name("image")))
                    .on(node, "nothing to run")
                    .help("a variable without a value may be the reason"),
            );
            return Some(image);
        }
        let written = fields.sink().written(node);
        let label = if fields.sink().may_quote(node) {
            error.to_string()
        } else {
            "not an image with its variables filled in".to_owned()
        };
        fields.sink().push(
            Diagnostic::error("bad_image", format!("`{written}` is not an image"))
                .on(node, label)
                .help("the form is `[registry/]name[:tag][@digest]`, in lower case"),
        );
    }
    Some(image)
}

/// One of a few words. Empty is left out, as docker has it: a variable without a value may be the reason.
fn word<T: Copy>(fields: &Fields<'_>, key: &str, words: &[(&str, T)]) -> Option<Spanned<T>> {
    let is_empty = fields.node(key)?.as_text().is_some_and(str::is_empty);
    if is_empty { None } else { fields.choice(key, words) }
}

fn duration(fields: &Fields<'_>, key: &str) -> Option<Spanned<GoDuration>> {
    if let Some(node @ Node { value: Value::Int(_) | Value::Float(_), .. }) = fields.node(key) {
        fields.sink().push(
            Diagnostic::error("bad_duration", format!("{} is not {DURATION}", fields.name(key)))
                .on(node, "a unit is missing")
                .help(format!("did you mean `{}s`?", fields.sink().written(node))),
        );
        return None;
    }
    let text = fields.text(key)?;
    let why = match text.parse::<GoDuration>() {
        Ok(duration) if duration >= GoDuration::ZERO => return Some(text.map(|_| duration)),
        Ok(_) => "a duration is not negative".to_owned(),
        Err(error) => error.to_string(),
    };
    let node = fields.node(key)?;
    let literal = fields.sink().may_quote(node);
    fields.sink().push(
        Diagnostic::error("bad_duration", format!("{} is not {DURATION}", fields.name(key)))
            .on(node, if literal { why } else { format!("not {DURATION} with its variables filled in") })
            .help(match short::duration_meant(&text).filter(|_| literal) {
                Some(meant) => format!("did you mean `{meant}`?"),
                None => "units are `ns`, `us`, `ms`, `s`, `m` and `h`, without blanks".to_owned(),
            }),
    );
    None
}

/// Bytes, as a number or with a unit.
fn size(fields: &Fields<'_>, key: &str) -> Option<Spanned<i64>> {
    match fields.node(key)?.value {
        Value::Int(_) => fields.integer(key, 0),
        Value::Float(_) => {
            fields.bad_value("bad_size", key, fields.node(key)?, SIZE, "");
            None
        }
        _ => fields.parsed(key, "bad_size", SIZE, short::bytes),
    }
}

/// Cores, as text or, as people write them, as a number.
fn cpus(fields: &Fields<'_>, key: &str) -> Option<Spanned<i64>> {
    let node = fields.node(key)?;
    let text = match &node.value {
        Value::Int(int) => int.to_string(),
        Value::Float(float) => crate::yaml::scalar::go_float(*float),
        _ => return fields.parsed(key, "bad_cpus", "a number of cores such as `0.5`", short::nano_cpus),
    };
    match short::nano_cpus(&text) {
        Ok(nanos) => Some(Spanned::new(nanos, node.span)),
        Err(error) => {
            fields.bad_value("bad_cpus", key, node, "a number of cores such as `0.5`", error);
            None
        }
    }
}

/// Groups by name or number.
fn group_add(fields: &Fields<'_>) -> Vec<Spanned<String>> {
    let nodes = fields.list("group_add").unwrap_or_default();
    nodes
        .iter()
        .filter_map(|node| crate::yaml::scalar_text(fields.sink(), node, "an item of `group_add`"))
        .collect()
}

fn devices(fields: &Fields<'_>) -> Vec<Spanned<Device>> {
    let read = |node: &Node| {
        if node.as_map().is_some() {
            let device = Fields::of(fields.sink(), node, node.span, "a device")?;
            support::check(&device, At::Device);
            let source = device.required_text("source")?;
            let target = device.text("target").map_or_else(|| source.value.clone(), |target| target.value);
            let permissions = device.text("permissions").map_or_else(|| "rwm".to_owned(), |p| p.value);
            return Some(Spanned::new(Device { source: source.value, target, permissions }, node.span));
        }
        let line = text(fields.sink(), node, || "an item of `devices`".to_owned())?;
        match short::device(&line) {
            Ok((source, target, permissions)) => {
                Some(Spanned::new(Device { source, target, permissions }, node.span))
            }
            Err(error) => {
                let written = fields.sink().written(node);
                fields.sink().push(
                    Diagnostic::error("bad_device", format!("`{written}` is not a device"))
                        .on(node, error.0)
                        .help("the form is `/dev/host:/dev/container:rwm`"),
                );
                None
            }
        }
    };
    each(fields.list("devices"), read)
}

fn ulimits<'a>(fields: &Fields<'a>) -> BTreeMap<String, Spanned<Ulimit>> {
    let Some(limits) = fields.fields("ulimits") else { return BTreeMap::new() };
    let read = |entry: &'a crate::yaml::Entry| {
        let name = &entry.key.value;
        let limit = if entry.value.as_map().is_some() {
            let pair = limits.under(entry)?;
            support::check(&pair, At::Ulimit);
            for key in ["soft", "hard"].into_iter().filter(|key| !pair.has(key)) {
                pair.missing(key);
            }
            Ulimit { soft: pair.integer("soft", -1)?.value, hard: pair.integer("hard", -1)?.value }
        } else {
            let both = limits.integer_of(entry, -1)?.value;
            Ulimit { soft: both, hard: both }
        };
        Some((name.clone(), Spanned::new(limit, entry.key.span)))
    };
    limits.entries().iter().filter_map(read).collect()
}

fn networks<'a>(fields: &Fields<'a>) -> Option<Vec<(String, Spanned<Box<Attachment>>)>> {
    let networks = fields.fields("networks")?;
    let read = |entry: &'a crate::yaml::Entry| {
        let span = entry.key.span;
        let mut attachment = Attachment::default();
        if let Some(own) = networks.under(entry) {
            support::check(&own, At::Attachment);
            let ip = |key| own.parsed(key, "bad_address", "an IP address", str::parse::<IpAddr>);
            attachment = Attachment {
                aliases: own.texts("aliases").unwrap_or_default(),
                ipv4_address: ip("ipv4_address"),
                ipv6_address: ip("ipv6_address"),
                driver_opts: own.pairs("driver_opts").unwrap_or_default(),
            };
        }
        (entry.key.value.clone(), Spanned::new(Box::new(attachment), span))
    };
    let mut all: Vec<_> = networks.entries().iter().map(read).collect();
    all.sort_by(|(one, _), (other, _)| one.cmp(other));
    Some(all)
}

fn ports(fields: &Fields<'_>) -> Vec<Spanned<Port>> {
    let protocols = [("tcp", Protocol::Tcp), ("udp", Protocol::Udp), ("sctp", Protocol::Sctp)];
    let read = |node: &Node| {
        let port = Fields::of(fields.sink(), node, node.span, format!("a port of {}", fields.what()))?;
        support::check(&port, At::Port);
        if !port.has("target") {
            port.missing("target");
        }
        // A wrong port must not count as an open one.
        let published = match port.node("published") {
            None => None,
            // Zero leaves the choice to the engine, too.
            Some(node) if node.value == Value::Int(0.into()) => None,
            Some(_) => Some(port_number(&port, "published")?),
        };
        let target = port_number(&port, "target")?;
        // Empty is left out, as in `word`.
        let said = |key| port.node(key).filter(|node| node.as_text() != Some(""));
        let protocol = match said("protocol") {
            None => Protocol::Tcp,
            Some(_) => port.choice_in_any_case("protocol", &protocols)?.value,
        };
        let mode = match said("mode") {
            None => PublishMode::Ingress,
            Some(_) => {
                port.choice("mode", &[("ingress", PublishMode::Ingress), ("host", PublishMode::Host)])?.value
            }
        };
        let host_ip = match port.node("host_ip") {
            None => None,
            Some(_) => {
                Some(port.parsed("host_ip", "bad_address", "an IP address", str::parse::<IpAddr>)?.value)
            }
        };
        Some(Spanned::new(Port { published, target, protocol, mode, host_ip }, node.span))
    };
    each(fields.list("ports"), read)
}

/// A port as a number, or as text with a number in it. A published 0 leaves the choice to the engine.
fn port_number(port: &Fields<'_>, key: &str) -> Option<u16> {
    let node = port.node(key)?;
    let parsed = match &node.value {
        Value::Int(int) => short::port(&int.to_string()),
        Value::Text(text) => short::port(text),
        _ => {
            crate::yaml::decode::wrong_type(port.sink(), node, &port.name(key), "a port number");
            return None;
        }
    };
    match parsed {
        Ok(number) => Some(number),
        Err(_) if key == "published" && node.as_text().is_some_and(|text| text.contains('-')) => {
            port.sink().push(
                Diagnostic::error("bad_port", format!("{} is a range", port.name(key)))
                    .on(node, "would leave the choice to each engine")
                    .help("name one port; the short form `8080-8081:80` publishes every port of a range"),
            );
            None
        }
        Err(error) => {
            port.bad_value("bad_port", key, node, "a port", error);
            None
        }
    }
}

fn mounts(fields: &Fields<'_>) -> Vec<Mount> {
    let nodes = fields.list("volumes").unwrap_or_default();
    nodes.iter().filter_map(|node| mount(fields, node)).collect()
}

fn mount(fields: &Fields<'_>, node: &Node) -> Option<Mount> {
    let mount = Fields::of(fields.sink(), node, node.span, format!("a mount of {}", fields.what()))?;
    support::check(&mount, At::Mount);
    if !mount.has("type") {
        mount.missing("type");
    }
    let kinds = [
        ("volume", MountKind::Volume),
        ("bind", MountKind::Bind),
        ("tmpfs", MountKind::Tmpfs),
        ("npipe", MountKind::Npipe),
    ];
    let kind = mount.choice("type", &kinds)?;
    let source = mount.text("source");
    let target = mount.required_text("target")?;
    let named = |kind: MountKind| kinds.iter().find(|(_, k)| *k == kind).map_or("", |(word, _)| *word);
    match (kind.value, &source) {
        (MountKind::Bind | MountKind::Npipe, None) => mount.missing("source"),
        (MountKind::Tmpfs, Some(source)) => fields.sink().push(
            Diagnostic::error("tmpfs_source", "a tmpfs has no source")
                .at(source.span, "memory comes from nowhere")
                .help("remove `source`, or make it `type: volume`"),
        ),
        _ => {}
    }
    for (key, owner) in
        [("bind", MountKind::Bind), ("volume", MountKind::Volume), ("tmpfs", MountKind::Tmpfs)]
    {
        if let Some(entry) = mount.entry(key)
            && owner != kind.value
        {
            fields.sink().push(
                Diagnostic::error(
                    "other_mount_type",
                    format!("`{key}` options in a mount of type `{}`", named(kind.value)),
                )
                .at(entry.key.span, "belongs to another type")
                .also(kind.span, "the type"),
            );
        }
    }
    let bind = mount.fields("bind").inspect(|bind| support::check(bind, At::MountBind));
    let volume = mount.fields("volume").inspect(|volume| support::check(volume, At::MountVolume));
    let tmpfs = mount.fields("tmpfs").inspect(|tmpfs| support::check(tmpfs, At::MountTmpfs));
    let propagations =
        ["private", "rprivate", "shared", "rshared", "slave", "rslave"].map(|word| (word, word));
    let flag = |fields: Option<&Fields<'_>>, key: &str| {
        fields.and_then(|fields| fields.boolean(key)).is_some_and(|flag| flag.value)
    };
    Some(Mount {
        kind,
        source,
        target,
        read_only: flag(Some(&mount), "read_only"),
        propagation: bind
            .as_ref()
            .and_then(|bind| bind.choice("propagation", &propagations))
            .map(|word| word.value.to_owned()),
        create_host_path: flag(bind.as_ref(), "create_host_path"),
        nocopy: flag(volume.as_ref(), "nocopy"),
        subpath: volume.as_ref().and_then(|volume| volume.text("subpath")).map(|path| path.value),
        tmpfs_size: tmpfs
            .as_ref()
            .and_then(|tmpfs| size(tmpfs, "size"))
            .map_or(0, |size| u64::try_from(size.value).unwrap_or(0)),
        tmpfs_mode: tmpfs.as_ref().and_then(|tmpfs| tmpfs.integer("mode", 0)).map(|mode| mode.value),
    })
}

fn file_refs(fields: &Fields<'_>, key: &str) -> Vec<FileRef> {
    let read = |node: &Node| {
        let what = format!("an item of {}", fields.name(key));
        let file = Fields::of(fields.sink(), node, node.span, what)?;
        support::check(&file, At::FileMount);
        let id = |key: &str| {
            let node = file.node(key)?;
            crate::yaml::scalar_text(file.sink(), node, &file.name(key))
        };
        Some(FileRef {
            source: file.required_text("source")?,
            target: file.text("target"),
            uid: id("uid"),
            gid: id("gid"),
            mode: file.integer("mode", 0),
        })
    };
    each(fields.list(key), read)
}

fn logging(fields: &Fields<'_>) -> Option<Logging> {
    let logging = fields.fields("logging")?;
    support::check(&logging, At::Logging);
    let options = logging.pairs("options").unwrap_or_default();
    Some(Logging {
        driver: logging.text("driver").map(|driver| driver.value),
        options: options.into_iter().map(|(k, v)| (k, v.value.unwrap_or_default())).collect(),
    })
}

fn healthcheck(fields: &Fields<'_>) -> Option<Healthcheck> {
    let health = fields.fields("healthcheck")?;
    support::check(&health, At::Healthcheck);
    let test = health.texts("test");
    let disable = health.boolean("disable").filter(|disable| disable.value);
    if let (Some(disable), Some(entry)) = (&disable, health.entry("test"))
        && test.as_ref().is_some_and(|test| test.first().is_none_or(|word| word.value != "NONE"))
    {
        fields.sink().push(
            Diagnostic::error("disabled_test", format!("{} has a test and is disabled", health.what()))
                .at(disable.span, "disabled here")
                .also(entry.key.span, "and tested here")
                .help("remove one of the two"),
        );
    }
    if let Some(first) = test.as_ref().and_then(|test| test.first())
        && !matches!(first.as_str(), "NONE" | "CMD" | "CMD-SHELL")
    {
        fields.sink().push(
            Diagnostic::error("bad_test", format!("{} does not say how it is run", health.name("test")))
                .at(first.span, "the first word is `CMD`, `CMD-SHELL` or `NONE`")
                .help("write the command as one text, or put `CMD` in front"),
        );
    }
    let healthcheck = Healthcheck {
        test: test.unwrap_or_default().into_iter().map(|word| word.value).collect(),
        interval: duration(&health, "interval").map(|d| d.value),
        timeout: duration(&health, "timeout").map(|d| d.value),
        retries: health.integer("retries", 0).map(|n| n.value),
        start_period: duration(&health, "start_period").map(|d| d.value),
        start_interval: duration(&health, "start_interval").map(|d| d.value),
    };
    // A disabled health check has no other settings.
    Some(match disable {
        Some(_) => Healthcheck { test: vec!["NONE".to_owned()], ..Healthcheck::default() },
        None => healthcheck,
    })
}

fn restart(fields: &Fields<'_>) -> Option<Spanned<Restart>> {
    let node = fields.node("restart")?;
    if let Value::Bool(value) = node.value {
        let meant = if value { "always" } else { "no" };
        fields.sink().push(
            Diagnostic::error("wrong_type", format!("{} must be text", fields.name("restart")))
                .on(node, "this is a boolean")
                .help(format!("did you mean `\"{meant}\"`?")),
        );
        return None;
    }
    fields.parsed(
        "restart",
        "bad_restart",
        "`no`, `always`, `unless-stopped` or `on-failure[:times]`",
        |text| match text.split_once(':') {
            None if text == "no" => Ok(Restart::No),
            None if matches!(text, "always" | "unless-stopped") => Ok(Restart::Always),
            None if text == "on-failure" => Ok(Restart::OnFailure(0)),
            Some(("on-failure", times)) => {
                times.parse().map(Restart::OnFailure).map_err(|_| "behind the colon comes a number")
            }
            _ => Err("not a policy"),
        },
    )
}

fn depends_on<'a>(fields: &Fields<'a>) -> BTreeMap<String, Spanned<Dependency>> {
    let Some(all) = fields.fields("depends_on") else { return BTreeMap::new() };
    let conditions = [
        ("service_started", DependencyCondition::ServiceStarted),
        ("service_healthy", DependencyCondition::ServiceHealthy),
        ("service_completed_successfully", DependencyCondition::ServiceCompletedSuccessfully),
    ];
    let read = |entry: &'a crate::yaml::Entry| {
        let mut dependency = Dependency { condition: DependencyCondition::ServiceStarted, required: true };
        if let Some(own) = all.under(entry) {
            support::check(&own, At::Dependency);
            if let Some(chosen) = own.choice("condition", &conditions) {
                dependency.condition = chosen.value;
            }
            dependency.required = own.boolean("required").is_none_or(|required| required.value);
            if let Some(restart) = own.boolean("restart").filter(|restart| restart.value) {
                support::note_part(&own, "restart", restart.span, At::Dependency);
            }
        }
        (entry.key.value.clone(), Spanned::new(dependency, entry.key.span))
    };
    all.entries().iter().map(read).collect()
}

fn deploy(fields: &Fields<'_>) -> Deploy {
    let Some(deploy) = fields.fields("deploy") else { return Deploy::default() };
    support::check(&deploy, At::Deploy);
    let modes = [
        ("replicated", Mode::Replicated),
        ("global", Mode::Global),
        ("replicated-job", Mode::ReplicatedJob),
        ("global-job", Mode::GlobalJob),
    ];
    let endpoints = [("vip", EndpointMode::Vip), ("dnsrr", EndpointMode::Dnsrr)];
    let resources = deploy.fields("resources").inspect(|resources| support::check(resources, At::Resources));
    let placement = deploy.fields("placement").inspect(|placement| support::check(placement, At::Placement));
    let spread = placement.as_ref().and_then(|placement| placement.list("preferences")).unwrap_or_default();
    let spread = spread.iter().filter_map(|node| {
        let preference = Fields::of(fields.sink(), node, node.span, "a placement preference")?;
        support::check(&preference, At::Preference);
        preference.required_text("spread")
    });
    Deploy {
        mode: word(&deploy, "mode", &modes),
        replicas: deploy.integer("replicas", 0),
        endpoint_mode: deploy.choice_in_any_case("endpoint_mode", &endpoints),
        labels: deploy.pairs("labels").unwrap_or_default(),
        labels_span: deploy.entry("labels").map(|entry| entry.key.span),
        update_config: update_config(&deploy, "update_config"),
        rollback_config: update_config(&deploy, "rollback_config"),
        restart_policy: restart_policy(&deploy),
        limits: resources.as_ref().map(limits).unwrap_or_default(),
        reservations: resources.as_ref().map(reservations).unwrap_or_default(),
        constraints: placement.as_ref().map(constraints).unwrap_or_default(),
        spread: spread.collect(),
        max_replicas_per_node: placement.as_ref().and_then(|p| p.integer("max_replicas_per_node", 0)),
    }
}

fn constraints(placement: &Fields<'_>) -> Vec<Spanned<String>> {
    let nodes = placement.list("constraints").unwrap_or_default();
    let read = |node: &Node| {
        let constraint = text(placement.sink(), node, || "a constraint".to_owned())?;
        let Err(error) = constraint_syntax::check(&constraint) else { return Some(constraint) };
        let sink = placement.sink();
        let written = sink.written(node);
        let literal = sink.may_quote(node);
        let span = sink.sources().part(node.span, &constraint, error.part);
        let label = if literal { error.why } else { "not one with its variables filled in".to_owned() };
        let mut diagnostic =
            Diagnostic::error("bad_constraint", format!("`{written}` is not a placement constraint"))
                .at(span, label)
                .maybe_help(error.help.filter(|_| literal));
        if let Some(via) = node.via() {
            diagnostic = diagnostic.also(via, "used here");
        }
        sink.push(diagnostic);
        None
    };
    nodes.iter().filter_map(read).collect()
}

fn update_config(deploy: &Fields<'_>, key: &str) -> Option<Spanned<UpdateConfig>> {
    let span: Span = deploy.entry(key)?.key.span;
    let config = deploy.fields(key)?;
    let at = if key == "rollback_config" { At::RollbackConfig } else { At::UpdateConfig };
    support::check(&config, at);
    let defaults = UpdateConfig::default();
    let actions = [
        ("pause", FailureAction::Pause),
        ("continue", FailureAction::Continue),
        ("rollback", FailureAction::Rollback),
    ];
    let orders = [("stop-first", UpdateOrder::StopFirst), ("start-first", UpdateOrder::StartFirst)];
    let ratio = config.float("max_failure_ratio");
    // No engine checks it for a rollback, so the reading decides.
    if let Some(ratio) = ratio.filter(|ratio| at == At::UpdateConfig && !(0.0..=1.0).contains(&ratio.value)) {
        deploy.sink().push(
            Diagnostic::error(
                "out_of_range",
                format!("{} is out of range", config.name("max_failure_ratio")),
            )
            .at(ratio.span, "a share is between 0 and 1"),
        );
    }
    let action = word(&config, "failure_action", &actions);
    let mut failure_action = action.map_or(defaults.failure_action, |action| action.value);
    if let (FailureAction::Rollback, Some(action), "rollback_config") = (failure_action, action, key) {
        // Docker accepts the value, and pauses.
        deploy.sink().push(
            Diagnostic::warning("rollback_of_a_rollback", "a rollback is not rolled back itself")
                .at(action.span, "taken for `pause`")
                .help("write `pause` or `continue`"),
        );
        failure_action = FailureAction::Pause;
    }
    let update = UpdateConfig {
        parallelism: config.integer("parallelism", 0).map_or(defaults.parallelism, |n| n.value),
        delay: duration(&config, "delay").map_or(defaults.delay, |d| d.value),
        failure_action,
        monitor: duration(&config, "monitor").map_or(defaults.monitor, |d| d.value),
        max_failure_ratio: ratio.map_or(defaults.max_failure_ratio, |ratio| ratio.value),
        order: config.choice("order", &orders).map_or(defaults.order, |order| order.value),
    };
    Some(Spanned::new(update, span))
}

fn restart_policy(deploy: &Fields<'_>) -> Option<RestartPolicy> {
    let policy = deploy.fields("restart_policy")?;
    support::check(&policy, At::RestartPolicy);
    let conditions = [
        ("none", RestartCondition::None),
        ("on-failure", RestartCondition::OnFailure),
        ("any", RestartCondition::Any),
    ];
    Some(RestartPolicy {
        condition: word(&policy, "condition", &conditions),
        delay: duration(&policy, "delay"),
        max_attempts: policy.integer("max_attempts", 0),
        window: duration(&policy, "window"),
    })
}

fn limits(resources: &Fields<'_>) -> Limits {
    let Some(limits) = resources.fields("limits") else { return Limits::default() };
    support::check(&limits, At::Limits);
    Limits { cpus: cpus(&limits, "cpus"), memory: size(&limits, "memory"), pids: limits.integer("pids", -1) }
}

fn reservations(resources: &Fields<'_>) -> Reservations {
    let Some(reserved) = resources.fields("reservations") else { return Reservations::default() };
    support::check(&reserved, At::Reservations);
    let mut generic = BTreeMap::new();
    for node in reserved.list("generic_resources").unwrap_or_default() {
        let Some(item) = Fields::of(reserved.sink(), node, node.span, "a generic resource") else { continue };
        support::check(&item, At::GenericResource);
        if !item.has("discrete_resource_spec") {
            item.missing("discrete_resource_spec");
        }
        let Some(discrete) = item.fields("discrete_resource_spec") else { continue };
        support::check(&discrete, At::DiscreteResourceSpec);
        if let (Some(kind), Some(value)) =
            (discrete.required_text("kind"), discrete.integer::<i64>("value", 0))
        {
            *generic.entry(kind.value).or_insert(0) += value.value;
        }
    }
    Reservations {
        nano_cpus: cpus(&reserved, "cpus").map_or(0, |n| n.value),
        memory: size(&reserved, "memory").map_or(0, |n| n.value),
        generic,
    }
}
