//! One table of every key of the language and what becomes of it: used, ignored with a warning, or
//! refused with advice. No key is dropped in silence.
//!
//! A new key takes three steps: a line here, a field in [`stackfile`](super::stackfile), a line in
//! `lower`.

mod misplaced;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use crate::yaml::decode::misplaced_key;
use crate::yaml::{Diagnostic, Fields, Span};

/// Which mapping a key belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum At {
    Top,
    Include,
    Service,
    Extends,
    EnvFile,
    Deploy,
    UpdateConfig,
    RollbackConfig,
    RestartPolicy,
    Resources,
    Limits,
    Reservations,
    GenericResource,
    DiscreteResourceSpec,
    Placement,
    Preference,
    Healthcheck,
    Logging,
    Ulimit,
    Port,
    Mount,
    MountBind,
    MountVolume,
    MountTmpfs,
    Attachment,
    FileMount,
    Dependency,
    Device,
    Network,
    Ipam,
    IpamPool,
    Volume,
    Config,
    Secret,
    XStackctl,
    XPlacement,
}

/// How a key is treated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Treatment {
    /// It is used.
    Used,
    /// It is used with this exception, which a note shows where it matters.
    Partly(&'static str),
    /// It has no effect yet; this happens instead.
    NotYet(&'static str),
    /// It has no effect, for this reason.
    Ignored(&'static str),
    /// It has no effect, which does no harm.
    Noted(&'static str),
    /// The file is refused; this is the alternative.
    Refused(&'static str),
}

use At::{
    Attachment, Config, Dependency, Deploy, Device, DiscreteResourceSpec, EnvFile, Extends, FileMount,
    GenericResource, Healthcheck, Include, Ipam, IpamPool, Limits, Logging, Mount, MountBind, MountTmpfs,
    MountVolume, Network, Placement, Port, Preference, Reservations, Resources, RestartPolicy,
    RollbackConfig, Secret, Service, Top, Ulimit, UpdateConfig, Volume, XPlacement, XStackctl,
};
use Treatment::{Ignored, NotYet, Noted, Partly, Refused, Used};

/// A key: its mapping, its name, the file version that introduced it (`spec` for the Compose specification), and how
/// it is treated.
pub type Key = (At, &'static str, &'static str, Treatment);

/// The version of keys that only stackctl has.
pub const OURS: &str = "ours";

/// Every key.
pub static KEYS: &[Key] = &[
    (Top, "version", "3.0", Used),
    (Top, "name", "spec", Partly("a name on the command line wins")),
    (Top, "services", "3.0", Used),
    (Top, "networks", "3.0", Used),
    (Top, "volumes", "3.0", Used),
    (Top, "secrets", "3.1", Used),
    (Top, "configs", "3.3", Used),
    (Top, "include", "spec", Used),
    (Top, "models", "spec", Refused("run the model as a service")),
    (Include, "path", "spec", Used),
    (Include, "project_directory", "spec", Used),
    (Include, "env_file", "spec", Used),
    // Service: what it runs.
    (Service, "extends", "spec", Used),
    (Service, "profiles", "spec", Used),
    (Service, "image", "3.0", Used),
    (Service, "command", "3.0", Used),
    (Service, "entrypoint", "3.0", Used),
    (Service, "environment", "3.0", Used),
    (Service, "env_file", "3.0", Used),
    (Service, "labels", "3.0", Used),
    (Service, "hostname", "3.0", Used),
    (Service, "domainname", "3.0", Used),
    (Service, "user", "3.0", Used),
    (Service, "group_add", "spec", Used),
    (Service, "working_dir", "3.0", Used),
    (Service, "stdin_open", "3.0", Used),
    (Service, "tty", "3.0", Used),
    (Service, "init", "3.7", Used),
    (Service, "stop_signal", "3.0", Used),
    (Service, "stop_grace_period", "3.0", Used),
    (Service, "healthcheck", "3.0", Used),
    (Service, "logging", "3.0", Used),
    (Service, "deploy", "3.0", Used),
    (Service, "restart", "3.0", Used),
    (Service, "scale", "spec", Used),
    (Service, "platform", "spec", Used),
    (Service, "cpus", "spec", Used),
    (Service, "mem_limit", "spec", Used),
    (Service, "mem_reservation", "spec", Used),
    (Service, "pids_limit", "spec", Used),
    (Service, "depends_on", "3.0", Used),
    // Service: permissions and limits.
    (Service, "cap_add", "3.0", Used),
    (Service, "cap_drop", "3.0", Used),
    (Service, "privileged", "3.0", Used),
    (Service, "security_opt", "3.0", Used),
    (Service, "devices", "3.0", Used),
    (Service, "device_cgroup_rules", "spec", Used),
    (Service, "read_only", "3.0", Used),
    (Service, "sysctls", "3.0", Used),
    (Service, "ulimits", "3.0", Used),
    (Service, "shm_size", "3.0", Used),
    (Service, "oom_score_adj", "3.13", Used),
    (Service, "ipc", "3.0", Used),
    (Service, "pid", "3.0", Used),
    (Service, "userns_mode", "3.0", Used),
    (Service, "cgroupns_mode", "3.9", Used),
    (Service, "cgroup", "spec", Used),
    (Service, "cgroup_parent", "3.0", Used),
    (Service, "runtime", "spec", Used),
    (Service, "isolation", "3.5", Used),
    // Service: networks and mounts.
    (Service, "networks", "3.0", Used),
    (Service, "network_mode", "3.0", Used),
    (Service, "ports", "3.0", Used),
    (Service, "mac_address", "3.0", Used),
    (Service, "dns", "3.0", Used),
    (Service, "dns_search", "3.0", Used),
    (Service, "dns_opt", "spec", Used),
    (Service, "extra_hosts", "3.0", Used),
    (Service, "volumes", "3.0", Used),
    (Service, "tmpfs", "3.0", Used),
    (Service, "configs", "3.3", Used),
    (Service, "secrets", "3.1", Used),
    // Service: keys without an effect.
    (Service, "build", "3.0", Ignored("images are built and pushed before a deploy")),
    (
        Service,
        "container_name",
        "3.0",
        Ignored("a service may have several containers, so their names are made"),
    ),
    (Service, "expose", "3.0", Ignored("services on one network reach every port of each other")),
    (Service, "links", "3.0", Ignored("services on one network find each other by name")),
    (Service, "external_links", "3.0", Ignored("join the other container's network instead")),
    (
        Service,
        "pull_policy",
        "spec",
        Ignored("an image is pinned when the plan is made, then pulled if absent"),
    ),
    (Service, "attach", "spec", Noted("a deploy attaches to no container")),
    (Service, "develop", "spec", Noted("it is for `docker compose watch`")),
    // Service: keys that must not be ignored.
    (Service, "volumes_from", "3.0", Refused("mount a named volume in both services")),
    (Service, "volume_driver", "3.0", Refused("set `driver` on the volume at the top of the file")),
    (Service, "cpu_count", "spec", Refused("use `deploy.resources.limits.cpus`")),
    (Service, "cpu_percent", "spec", Refused("use `deploy.resources.limits.cpus`")),
    (Service, "cpu_period", "spec", Refused("use `deploy.resources.limits.cpus`")),
    (Service, "cpu_quota", "3.0", Refused("use `deploy.resources.limits.cpus`")),
    (Service, "cpu_rt_period", "spec", Refused("real-time scheduling is not supported")),
    (Service, "cpu_rt_runtime", "spec", Refused("real-time scheduling is not supported")),
    (Service, "cpu_shares", "3.0", Refused("use `deploy.resources.reservations.cpus`")),
    (Service, "cpuset", "3.0", Refused("use `deploy.resources.limits.cpus`")),
    (Service, "mem_swappiness", "spec", Refused("set it on the host")),
    (Service, "memswap_limit", "3.0", Refused("use `deploy.resources.limits.memory`")),
    (Service, "oom_kill_disable", "spec", Refused("use `oom_score_adj`")),
    (Service, "gpus", "spec", Refused("use `deploy.resources.reservations.generic_resources` and `devices`")),
    (Service, "blkio_config", "spec", Refused("limits on block devices are not supported")),
    (Service, "storage_opt", "spec", Refused("set the storage driver's options on the host")),
    (Service, "uts", "spec", Refused("use `hostname`")),
    (Service, "annotations", "spec", Refused("use `labels`")),
    (Service, "label_file", "spec", Refused("use `labels`")),
    (Service, "credential_spec", "3.3", Refused("Windows credentials are not supported")),
    (Service, "post_start", "spec", Refused("do it in the image's entrypoint")),
    (Service, "pre_stop", "spec", Refused("do it in the image's entrypoint, on `stop_signal`")),
    (Service, "provider", "spec", Refused("only containers can be deployed")),
    (Service, "models", "spec", Refused("run the model as a service")),
    (Service, "use_api_socket", "spec", Refused("mount `/var/run/docker.sock`")),
    (Service, "x-stackctl", OURS, Used),
    (XStackctl, "placement", OURS, Used),
    (XStackctl, "plain_values", OURS, Used),
    (XStackctl, "on_config", OURS, Used),
    (XStackctl, "secret_environment", OURS, Used),
    (XPlacement, "strategy", OURS, Used),
    (XPlacement, "on_node_loss", OURS, Used),
    (Extends, "service", "spec", Used),
    (Extends, "file", "spec", Used),
    (EnvFile, "path", "spec", Used),
    (EnvFile, "required", "spec", Used),
    (EnvFile, "format", "spec", Used),
    // Deploy.
    (Deploy, "mode", "3.0", Used),
    (Deploy, "replicas", "3.0", Used),
    (Deploy, "endpoint_mode", "3.2", Used),
    (Deploy, "labels", "3.0", Used),
    (Deploy, "update_config", "3.0", Used),
    (Deploy, "rollback_config", "3.7", Used),
    (Deploy, "restart_policy", "3.0", Used),
    (Deploy, "resources", "3.0", Used),
    (Deploy, "placement", "3.0", Used),
    (UpdateConfig, "parallelism", "3.0", Used),
    (UpdateConfig, "delay", "3.0", Used),
    (UpdateConfig, "failure_action", "3.0", Used),
    (UpdateConfig, "monitor", "3.0", Used),
    (UpdateConfig, "max_failure_ratio", "3.0", Used),
    (UpdateConfig, "order", "3.4", Used),
    (RollbackConfig, "parallelism", "3.7", Used),
    (RollbackConfig, "delay", "3.7", Used),
    (RollbackConfig, "failure_action", "3.7", Used),
    (RollbackConfig, "monitor", "3.7", Used),
    (RollbackConfig, "max_failure_ratio", "3.7", Used),
    (RollbackConfig, "order", "3.7", Used),
    (RestartPolicy, "condition", "3.0", Used),
    (RestartPolicy, "delay", "3.0", Used),
    (RestartPolicy, "max_attempts", "3.0", Used),
    (RestartPolicy, "window", "3.0", Used),
    (Resources, "limits", "3.0", Used),
    (Resources, "reservations", "3.0", Used),
    (Limits, "cpus", "3.0", Used),
    (Limits, "memory", "3.0", Used),
    (Limits, "pids", "3.9", Used),
    (Reservations, "cpus", "3.0", Used),
    (Reservations, "memory", "3.0", Used),
    (Reservations, "generic_resources", "3.5", Used),
    (Reservations, "devices", "spec", Refused("use `generic_resources` here and `devices` of the service")),
    (GenericResource, "discrete_resource_spec", "3.5", Used),
    (DiscreteResourceSpec, "kind", "3.5", Used),
    (DiscreteResourceSpec, "value", "3.5", Used),
    (Placement, "constraints", "3.0", Used),
    (Placement, "preferences", "3.3", Used),
    (Placement, "max_replicas_per_node", "3.8", Used),
    (Preference, "spread", "3.3", Used),
    // Parts of a service.
    (Healthcheck, "test", "3.0", Used),
    (Healthcheck, "interval", "3.0", Used),
    (Healthcheck, "timeout", "3.0", Used),
    (Healthcheck, "retries", "3.0", Used),
    (Healthcheck, "start_period", "3.4", Used),
    (Healthcheck, "start_interval", "3.12", Used),
    (Healthcheck, "disable", "3.0", Used),
    (Logging, "driver", "3.0", Used),
    (Logging, "options", "3.0", Used),
    (Ulimit, "soft", "3.0", Used),
    (Ulimit, "hard", "3.0", Used),
    (Port, "target", "3.2", Used),
    (Port, "published", "3.2", Used),
    (Port, "protocol", "3.2", Used),
    (Port, "mode", "3.2", Used),
    (Port, "host_ip", "spec", Used),
    (Port, "name", "spec", Noted("it only describes")),
    (Port, "app_protocol", "spec", Noted("it only describes")),
    (Mount, "type", "3.2", Used),
    (Mount, "source", "3.2", Used),
    (Mount, "target", "3.2", Used),
    (Mount, "read_only", "3.2", Used),
    (Mount, "bind", "3.2", Used),
    (Mount, "volume", "3.2", Used),
    (Mount, "tmpfs", "3.6", Used),
    (Mount, "consistency", "3.2", Noted("only Docker Desktop knows it")),
    (Mount, "image", "spec", Refused("mount a volume, or copy the files in the image's build")),
    (Mount, "cluster", "3.10", Refused("cluster volumes are not supported")),
    (MountBind, "propagation", "3.2", Used),
    (MountBind, "create_host_path", "spec", Used),
    (MountBind, "selinux", "spec", Ignored("label the path on the host")),
    (MountBind, "recursive", "spec", Refused("mount the inner paths one by one")),
    (MountVolume, "nocopy", "3.2", Used),
    (MountVolume, "subpath", "spec", Used),
    (MountVolume, "labels", "spec", Ignored("put them on the volume at the top of the file")),
    (MountTmpfs, "size", "3.6", Used),
    (MountTmpfs, "mode", "spec", Used),
    (Attachment, "aliases", "3.0", Used),
    (Attachment, "ipv4_address", "3.0", Used),
    (Attachment, "ipv6_address", "3.0", Used),
    (Attachment, "driver_opts", "3.13", Used),
    (Attachment, "priority", "spec", Ignored("networks are joined in the order of their names")),
    (Attachment, "gw_priority", "spec", Ignored("networks are joined in the order of their names")),
    (Attachment, "interface_name", "spec", Refused("the engine names interfaces")),
    (Attachment, "link_local_ips", "spec", Refused("use `ipv4_address` or `ipv6_address`")),
    (Attachment, "mac_address", "spec", Refused("use `mac_address` of the service")),
    (FileMount, "source", "3.1", Used),
    (FileMount, "target", "3.1", Used),
    (FileMount, "uid", "3.1", Used),
    (FileMount, "gid", "3.1", Used),
    (FileMount, "mode", "3.1", Used),
    (Dependency, "condition", "spec", Used),
    (Dependency, "restart", "spec", Partly("a service restarts for changes of its own only")),
    (Dependency, "required", "spec", Used),
    (Device, "source", "spec", Used),
    (Device, "target", "spec", Used),
    (Device, "permissions", "spec", Used),
    // Top level.
    (Network, "name", "3.5", Used),
    (Network, "driver", "3.0", Used),
    (Network, "driver_opts", "3.0", Used),
    (Network, "ipam", "3.0", Used),
    (Network, "external", "3.0", Used),
    (Network, "internal", "3.0", Used),
    (Network, "attachable", "3.2", Used),
    (Network, "enable_ipv6", "spec", Used),
    (Network, "labels", "3.0", Used),
    (Network, "enable_ipv4", "spec", Refused("every network has IPv4")),
    (Ipam, "driver", "3.0", Used),
    (Ipam, "config", "3.0", Used),
    (Ipam, "options", "spec", Refused("options of an address driver are not supported")),
    (IpamPool, "subnet", "3.0", Used),
    (IpamPool, "ip_range", "spec", Used),
    (IpamPool, "gateway", "spec", Used),
    (IpamPool, "aux_addresses", "spec", Refused("keep them out with `ip_range`")),
    (Volume, "name", "3.4", Used),
    (Volume, "driver", "3.0", Used),
    (Volume, "driver_opts", "3.0", Used),
    (Volume, "external", "3.0", Used),
    (Volume, "labels", "3.0", Used),
    (Config, "name", "3.5", Used),
    (Config, "file", "3.3", Used),
    (Config, "content", "spec", Used),
    (Config, "environment", "spec", Used),
    (Config, "external", "3.3", Used),
    (Config, "labels", "3.3", Used),
    (Config, "template_driver", "3.8", Used),
    (Secret, "name", "3.5", Used),
    (Secret, "file", "3.1", Used),
    (Secret, "environment", "spec", Used),
    (Secret, "external", "3.1", Used),
    (Secret, "labels", "3.1", Used),
    (Secret, "driver", "3.8", Used),
    (Secret, "driver_opts", "3.8", Used),
    (Secret, "template_driver", "3.8", Used),
];

/// Names of the keys of a mapping.
pub fn names(at: At) -> Vec<&'static str> {
    KEYS.iter().filter(|key| key.0 == at).map(|key| key.1).collect()
}

/// The mappings of the language.
pub fn mappings() -> &'static [At] {
    static ALL: LazyLock<Vec<At>> =
        LazyLock::new(|| KEYS.iter().map(|key| key.0).collect::<BTreeSet<_>>().into_iter().collect());
    &ALL
}

/// Whether a mapping has this key, or it is the author's own.
pub fn is_key(at: At, key: &str) -> bool {
    key.starts_with("x-") || treatment(at, key).is_some()
}

/// What stands below a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Below {
    /// A mapping, or a list of them. With `true`, also a short form of one that is no mapping.
    One(At, bool),
    /// Mappings with names of the author's choice. With `true`, also short forms.
    Named(At, bool),
    /// Names of the author's choice, with a value each.
    Names,
    /// No mapping of known keys.
    Plain,
}

/// What stands below a key of a mapping.
pub fn below(at: At, key: &str) -> Below {
    use Below::{Named, Names, One, Plain};
    match (at, key) {
        (Top, "services") => Named(Service, false),
        (Top, "networks") => Named(Network, false),
        (Top, "volumes") => Named(Volume, false),
        (Top, "configs") => Named(Config, false),
        (Top, "secrets") => Named(Secret, false),
        (Top, "include") => One(Include, true),
        (Service, "extends") => One(Extends, true),
        (Service, "env_file") => One(EnvFile, true),
        (Service, "deploy") => One(Deploy, false),
        (Service, "healthcheck") => One(Healthcheck, false),
        (Service, "logging") => One(Logging, false),
        (Service, "ulimits") => Named(Ulimit, true),
        (Service, "ports") => One(Port, true),
        (Service, "volumes") => One(Mount, true),
        (Service, "networks") => Named(Attachment, true),
        (Service, "configs" | "secrets") => One(FileMount, true),
        (Service, "depends_on") => Named(Dependency, true),
        (Service, "devices") => One(Device, true),
        (Service, "sysctls" | "extra_hosts") => Names,
        (Service, "x-stackctl") => One(XStackctl, false),
        (XStackctl, "placement") => One(XPlacement, false),
        (Deploy, "update_config") => One(UpdateConfig, false),
        (Deploy, "rollback_config") => One(RollbackConfig, false),
        (Deploy, "restart_policy") => One(RestartPolicy, false),
        (Deploy, "resources") => One(Resources, false),
        (Deploy, "placement") => One(Placement, false),
        (Resources, "limits") => One(Limits, false),
        (Resources, "reservations") => One(Reservations, false),
        (Reservations, "generic_resources") => One(GenericResource, false),
        (GenericResource, "discrete_resource_spec") => One(DiscreteResourceSpec, false),
        (Placement, "preferences") => One(Preference, false),
        (Mount, "bind") => One(MountBind, false),
        (Mount, "volume") => One(MountVolume, false),
        (Mount, "tmpfs") => One(MountTmpfs, false),
        (Network, "ipam") => One(Ipam, false),
        (Ipam, "config") => One(IpamPool, false),
        // The old way to give a name.
        (Network | Volume | Config | Secret, "external") => One(at, true),
        _ => Plain,
    }
}

/// How a key is treated, if there is one of that name in that mapping. Found in an index: a range of ports is
/// written out into as many mappings, and the table has hundreds of lines.
fn treatment(at: At, key: &str) -> Option<&'static Treatment> {
    static INDEX: LazyLock<BTreeMap<(At, &str), &Treatment>> =
        LazyLock::new(|| KEYS.iter().map(|(at, key, _, treatment)| ((*at, *key), treatment)).collect());
    INDEX.get(&(at, key)).copied()
}

/// Reports the unknown, ignored and refused keys of a mapping.
pub fn check(fields: &Fields<'_>, at: At) {
    for entry in fields.entries() {
        let key = entry.key.value.as_str();
        if key.starts_with("x-") {
            continue;
        }
        let Some(treatment) = treatment(at, key) else {
            misplaced_key(fields.sink(), entry, &fields.what(), &names(at), misplaced::home(key, at));
            continue;
        };
        let diagnostic = match treatment {
            Used | Partly(_) => continue,
            // The report about the key covers the keys below it.
            NotYet(_) if at == RollbackConfig => continue,
            NotYet(why) => Diagnostic::note("not_yet", format!("{} has no effect yet", fields.name(key)))
                .at(entry.key.span, *why),
            Ignored(why) => Diagnostic::warning("ignored_key", format!("{} is ignored", fields.name(key)))
                .at(entry.key.span, *why),
            Noted(why) => Diagnostic::note("unneeded_key", format!("{} has no effect", fields.name(key)))
                .at(entry.key.span, *why),
            Refused(advice) => {
                Diagnostic::error("refused_key", format!("{} is not supported", fields.name(key)))
                    .at(entry.key.span, "not supported, and must not be ignored")
                    .help(*advice)
            }
        };
        fields.sink().push(match entry.value.via() {
            Some(via) => diagnostic.also(via, "used here"),
            None => diagnostic,
        });
    }
}

/// Reports a value without an effect, with the reason from the table.
pub fn note_part(fields: &Fields<'_>, key: &str, span: Span, at: At) {
    if let Some(Partly(why) | NotYet(why)) = treatment(at, key) {
        fields.sink().push(
            Diagnostic::note("not_yet", format!("{} has no effect yet", fields.name(key))).at(span, *why),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_that_is_said_to_be_used_is_read_somewhere() {
        let readers = [
            include_str!("stackfile/mod.rs"),
            include_str!("stackfile/service.rs"),
            include_str!("normal.rs"),
            include_str!("moved.rs"),
            include_str!("include.rs"),
            include_str!("extends.rs"),
        ]
        .concat();
        for (at, key, ..) in KEYS.iter().filter(|key| matches!(key.3, Used | Partly(_))) {
            assert!(readers.contains(&format!("\"{key}\"")), "{at:?} {key}");
        }
    }

    #[test]
    fn every_mapping_stands_below_a_key_of_another() {
        let below = |key: &Key| match below(key.0, key.1) {
            Below::One(at, _) | Below::Named(at, _) => Some(at),
            Below::Names | Below::Plain => None,
        };
        let mut reached: BTreeSet<At> = KEYS.iter().filter_map(below).collect();
        reached.insert(Top);
        assert_eq!(reached.into_iter().collect::<Vec<_>>(), mappings());
    }

    #[test]
    fn no_key_is_listed_twice() {
        for (n, key) in KEYS.iter().enumerate() {
            assert!(KEYS[..n].iter().all(|other| (other.0, other.1) != (key.0, key.1)), "{key:?}");
        }
    }
}
