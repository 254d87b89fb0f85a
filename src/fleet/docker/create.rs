//! A task plan as the body of `POST /containers/create`. Every field of the spec is carried.
//!
//! Bollard's types write most of it. The few fields they cannot express are put into the JSON afterwards, so
//! that the engine itself reports what it does not support.
#![expect(clippy::disallowed_types, reason = "the API client's types are made so")]

use std::collections::{BTreeMap, HashMap};

use bollard::models::{
    ContainerCreateBody, DeviceMapping, EndpointIpamConfig, EndpointSettings, HealthConfig, HostConfig,
    HostConfigLogConfig, Mount as ApiMount, MountBindOptions, MountTmpfsOptions, MountType,
    MountVolumeOptions, NetworkingConfig, PortBinding, ResourcesUlimits, RestartPolicyNameEnum,
};
use serde_json::{Value, json};

use crate::model::action::{ServicePlan, TaskPlan};
use crate::model::restart::{EnginePolicy, engine_policy};
use crate::model::spec::{Attachment, Healthcheck, Mount, Port, RestartPolicy, TaskSpec, Ulimit};
use crate::model::swap;

use super::client::ApiVersion;
use super::failure::ActionError;
use super::labels;
use crate::fleet::agents::secrets::Places;

/// Health checks have a start interval from here on (Docker 25); older engines refuse it.
const API_START_INTERVAL: ApiVersion = ApiVersion::v1(44);
/// The hardware address moved from the container to its attachment.
const API_MAC_OF_ENDPOINT: ApiVersion = ApiVersion::v1(44);
/// `CreateMountpoint` of bind mounts; before, only the older `Binds` make a missing path.
const API_CREATE_MOUNTPOINT: ApiVersion = ApiVersion::v1(43);

/// Networks every engine has, on which names cannot be given.
const BUILT_IN_NETWORKS: [&str; 3] = ["bridge", "host", "none"];

/// The body that creates the container of a task.
///
/// `places` says where on the host the files of its secrets stand.
pub fn body(plan: &TaskPlan, api: ApiVersion, places: Places<'_>) -> Result<Value, ActionError> {
    let spec = &*plan.spec;
    let anonymous = file_volumes(plan)?;
    let mut body = serde_json::to_value(ContainerCreateBody {
        hostname: spec.hostname.clone(),
        domainname: spec.domainname.clone(),
        user: spec.user.clone(),
        exposed_ports: some(spec.ports.iter().map(exposed).collect()),
        tty: on(spec.tty),
        open_stdin: on(spec.stdin_open),
        env: some(environment(spec)),
        cmd: spec.command.clone().filter(|words| !words.is_empty()),
        // An empty one is the image's, as in a swarm; `[]` sent to the engine would remove it.
        entrypoint: spec.entrypoint.clone().filter(|words| !words.is_empty()),
        healthcheck: spec.healthcheck.as_ref().map(|check| health(check, api)),
        image: Some(spec.pinned_image()),
        working_dir: spec.working_dir.clone(),
        labels: Some(hashed(&labels::of_task(plan))),
        stop_signal: spec.stop_signal.clone(),
        stop_timeout: spec.stop_grace_period.map(|grace| seconds_up(grace.as_nanos())),
        host_config: Some(host_config(spec, plan.service.is_job, api, &anonymous)),
        networking_config: first_network(spec).map(|(name, attachment)| NetworkingConfig {
            endpoints_config: Some(HashMap::from([(name.to_owned(), endpoint(name, attachment, spec, api))])),
        }),
        ..ContainerCreateBody::default()
    })
    .expect("string keys and finite numbers");
    patch(&mut body, spec, api);
    mount_secrets(&mut body, plan, places);
    Ok(body)
}

/// The files of secrets, which stand in the host's memory: read-only, and made by nothing but the host's agent.
fn mount_secrets(body: &mut Value, plan: &TaskPlan, places: Places<'_>) {
    let id = plan.id.as_str();
    let ServicePlan { secrets, swaps, .. } = &*plan.service;
    if secrets.is_empty() {
        return;
    }
    let bind = |source: String, target: &str| json!({ "Type": "bind", "Source": source, "Target": target, "ReadOnly": true });
    let one_by_one = secrets.iter().enumerate().filter(|(_, one)| !swaps || !swap::is_file(&one.target));
    let folder = swaps.then(|| bind(places.folder(id), swap::FOLDER));
    let mounts =
        folder.into_iter().chain(one_by_one.map(|(at, secret)| bind(places.file(id, at), &secret.target)));
    let host = &mut body["HostConfig"]["Mounts"];
    if let Some(all) = host.as_array_mut() {
        all.extend(mounts);
    } else {
        *host = mounts.collect();
    }
}

/// What the closed enums and missing fields of bollard's types cannot say.
fn patch(body: &mut Value, spec: &TaskSpec, api: ApiVersion) {
    if let (Some(mac), true) = (&spec.mac_address, api < API_MAC_OF_ENDPOINT) {
        body["MacAddress"] = json!(mac);
    }
    let host = &mut body["HostConfig"];
    for (key, text) in [("CgroupnsMode", &spec.cgroupns_mode), ("Isolation", &spec.isolation)] {
        if let Some(text) = text {
            host[key] = json!(text);
        }
    }
    let Some(mounts) = host.get_mut("Mounts").and_then(Value::as_array_mut) else { return };
    for mount in mounts {
        let target = mount["Target"].as_str().unwrap_or_default();
        if let Some(Mount::Bind { propagation: Some(text), .. }) = spec.volumes.get(target) {
            mount["BindOptions"]["Propagation"] = json!(text);
        }
    }
}

fn host_config(spec: &TaskSpec, is_job: bool, api: ApiVersion, anonymous: &[String]) -> HostConfig {
    let limits = &spec.resources.limits;
    let mut mounts = Mounts::default();
    for (target, mount) in &spec.volumes {
        mounts.add(target, mount, api);
    }
    for target in anonymous {
        mounts.typed.push(ApiMount {
            target: Some(target.clone()),
            typ: Some(MountType::VOLUME),
            ..ApiMount::default()
        });
    }
    HostConfig {
        nano_cpus: limits.nano_cpus,
        memory: limits.memory,
        pids_limit: limits.pids,
        cgroup_parent: spec.cgroup_parent.clone(),
        devices: some(
            spec.devices
                .iter()
                .map(|device| DeviceMapping {
                    path_on_host: Some(device.source.clone()),
                    path_in_container: Some(device.target.clone()),
                    cgroup_permissions: Some(device.permissions.clone()),
                })
                .collect(),
        ),
        device_cgroup_rules: some(spec.device_cgroup_rules.clone()),
        ulimits: some(spec.ulimits.iter().map(|(name, limit)| ulimit(name, *limit)).collect()),
        init: spec.init,
        binds: some(mounts.binds),
        mounts: some(mounts.typed),
        tmpfs: (!mounts.tmpfs.is_empty()).then_some(mounts.tmpfs),
        log_config: spec.logging.as_ref().map(|logging| HostConfigLogConfig {
            typ: logging.driver.clone(),
            config: (!logging.options.is_empty()).then(|| hashed(&logging.options)),
        }),
        network_mode: spec
            .network_mode
            .clone()
            .or_else(|| first_network(spec).map(|(name, _)| name.to_owned())),
        port_bindings: bindings(&spec.ports),
        restart_policy: Some(restart_policy(&spec.restart_policy, is_job)),
        cap_add: some(spec.cap_add.clone()),
        cap_drop: some(spec.cap_drop.clone()),
        dns: some(spec.dns.clone()),
        dns_options: some(spec.dns_opt.clone()),
        dns_search: some(spec.dns_search.clone()),
        extra_hosts: some(spec.extra_hosts.clone()),
        group_add: some(spec.group_add.clone()),
        ipc_mode: spec.ipc.clone(),
        oom_score_adj: spec.oom_score_adj,
        pid_mode: spec.pid.clone(),
        privileged: on(spec.privileged),
        readonly_rootfs: on(spec.read_only),
        security_opt: some(spec.security_opt.clone()),
        userns_mode: spec.userns_mode.clone(),
        shm_size: spec.shm_size.map(clamped),
        sysctls: (!spec.sysctls.is_empty()).then(|| hashed(&spec.sysctls)),
        runtime: spec.runtime.clone(),
        ..HostConfig::default()
    }
}

/// The engine's own restart policy, which restarts containers between our runs.
pub(super) fn restart_policy(policy: &RestartPolicy, is_job: bool) -> bollard::models::RestartPolicy {
    let (name, count) = match engine_policy(policy, is_job) {
        EnginePolicy::No => (RestartPolicyNameEnum::NO, None),
        EnginePolicy::OnFailure(attempts) => (RestartPolicyNameEnum::ON_FAILURE, Some(i64::from(attempts))),
        EnginePolicy::UnlessStopped => (RestartPolicyNameEnum::UNLESS_STOPPED, None),
    };
    bollard::models::RestartPolicy { name: Some(name), maximum_retry_count: count }
}

/// The network a container is created in; it joins the others before its start.
#[must_use]
pub fn first_network(spec: &TaskSpec) -> Option<(&str, &Attachment)> {
    attachments(spec).next()
}

/// The networks a container joins after its creation.
pub fn further_networks(spec: &TaskSpec) -> impl Iterator<Item = (&str, &Attachment)> {
    attachments(spec).skip(1)
}

/// All networks of a task, by name.
pub fn networks(spec: &TaskSpec) -> impl Iterator<Item = &str> {
    attachments(spec).map(|(name, _)| name)
}

fn attachments(spec: &TaskSpec) -> impl Iterator<Item = (&str, &Attachment)> {
    let named = spec.network_mode.is_none();
    spec.networks.iter().filter(move |_| named).map(|(name, attachment)| (name.as_str(), &**attachment))
}

/// How a task joins a network.
#[must_use]
pub fn endpoint(
    network: &str,
    attachment: &Attachment,
    spec: &TaskSpec,
    api: ApiVersion,
) -> EndpointSettings {
    let is_first = first_network(spec).is_some_and(|(name, _)| name == network);
    let fixed = attachment.ipv4_address.is_some() || attachment.ipv6_address.is_some();
    EndpointSettings {
        aliases: (!BUILT_IN_NETWORKS.contains(&network)).then(|| attachment.aliases.clone()).and_then(some),
        ipam_config: fixed.then(|| EndpointIpamConfig {
            ipv4_address: attachment.ipv4_address.map(|ip| ip.to_string()),
            ipv6_address: attachment.ipv6_address.map(|ip| ip.to_string()),
            ..EndpointIpamConfig::default()
        }),
        driver_opts: (!attachment.driver_opts.is_empty()).then(|| hashed(&attachment.driver_opts)),
        mac_address: spec.mac_address.clone().filter(|_| is_first && api >= API_MAC_OF_ENDPOINT),
        ..EndpointSettings::default()
    }
}

/// Directories that must be volumes so that files can be put there: the engine copies nothing into a
/// read-only root. The image's own files at that place are copied into the volume by the engine.
fn file_volumes(plan: &TaskPlan) -> Result<Vec<String>, ActionError> {
    let spec = &*plan.spec;
    let mut folders = Vec::new();
    let links: Vec<(&str, String)> = plan.links().collect();
    let files = plan.service.files.iter().map(|file| file.target.as_str());
    for target in files.chain(links.iter().map(|(target, _)| *target)) {
        let mount = mount_above(spec, target);
        if let Some((mounted, Mount::Tmpfs { .. })) = mount {
            return Err(ActionError::FileInTmpfs { target: target.to_owned(), mounted: mounted.to_owned() });
        }
        if !spec.read_only || mount.is_some() {
            continue;
        }
        match file_volume(spec, target) {
            Some(folder) => folders.push(folder.to_owned()),
            None => return Err(ActionError::FileInReadOnlyRoot { target: target.to_owned() }),
        }
    }
    folders.sort();
    folders.dedup();
    Ok(folders)
}

/// The directory that is a volume since this file must be put there.
fn file_volume<'f>(spec: &TaskSpec, file: &'f str) -> Option<&'f str> {
    let needs_one = spec.read_only && mount_above(spec, file).is_none();
    let (folder, _) = file.rsplit_once('/').filter(|_| needs_one)?;
    Some(folder).filter(|folder| !folder.is_empty())
}

/// Whether a volume at this place was made for config files alone.
pub(super) fn is_file_volume(spec: &TaskSpec, target: &str) -> bool {
    spec.configs.keys().any(|file| file_volume(spec, file) == Some(target))
}

/// Where a file is uploaded to, so that the engine sees which mount it goes into, and refuses a
/// read-only one: the mount in which it lies, or the root.
pub(super) fn upload_folder(plan: &TaskPlan, target: &str) -> String {
    let spec = &*plan.spec;
    match mount_above(spec, target) {
        Some((mounted, _)) => mounted.to_owned(),
        // Its folder is a volume, see `file_volumes`.
        None if spec.read_only => target.rsplit_once('/').map_or("/", |(folder, _)| folder).to_owned(),
        None => "/".to_owned(),
    }
}

/// The innermost mount in which a path lies.
fn mount_above<'a>(spec: &'a TaskSpec, path: &str) -> Option<(&'a str, &'a Mount)> {
    let holds = |target: &str| {
        let target = target.trim_end_matches('/');
        path.strip_prefix(target).is_some_and(|rest| rest.starts_with('/'))
    };
    let above = spec.volumes.iter().filter(|(target, _)| holds(target));
    above.max_by_key(|(target, _)| target.len()).map(|(target, mount)| (target.as_str(), mount))
}

fn environment(spec: &TaskSpec) -> Vec<String> {
    let own = spec.environment.iter().map(|(name, value)| match value {
        Some(value) => format!("{name}={value}"),
        None => name.clone(),
    });
    // As Swarm passes reserved devices to a task.
    let generic = spec.resources.reservations.generic.iter();
    let reserved = generic.map(|(kind, count)| format!("DOCKER_RESOURCE_{}={count}", kind.to_uppercase()));
    own.chain(reserved).collect()
}

fn health(check: &Healthcheck, api: ApiVersion) -> HealthConfig {
    let start_interval = check.start_interval.filter(|_| api >= API_START_INTERVAL);
    HealthConfig {
        test: some(check.test.clone()),
        interval: check.interval.map(|d| d.as_nanos()),
        timeout: check.timeout.map(|d| d.as_nanos()),
        retries: check.retries.map(i64::from),
        start_period: check.start_period.map(|d| d.as_nanos()),
        start_interval: start_interval.map(|d| d.as_nanos()),
    }
}

fn exposed(port: &Port) -> String {
    format!("{}/{}", port.target, port.protocol)
}

fn bindings(ports: &[Port]) -> Option<HashMap<String, Option<Vec<PortBinding>>>> {
    let mut map: HashMap<String, Option<Vec<PortBinding>>> = HashMap::new();
    for port in ports {
        let binding = PortBinding {
            host_ip: port.host_ip.map(|ip| ip.to_string()),
            // Nothing lets the engine choose.
            host_port: Some(port.published.map(|number| number.to_string()).unwrap_or_default()),
        };
        map.entry(exposed(port)).or_default().get_or_insert_default().push(binding);
    }
    (!map.is_empty()).then_some(map)
}

fn ulimit(name: &str, limit: Ulimit) -> ResourcesUlimits {
    ResourcesUlimits { name: Some(name.to_owned()), soft: Some(limit.soft), hard: Some(limit.hard) }
}

/// Mounts in the three forms the API has for them.
#[derive(Default)]
struct Mounts {
    typed: Vec<ApiMount>,
    binds: Vec<String>,
    tmpfs: HashMap<String, String>,
}

impl Mounts {
    fn add(&mut self, target: &str, mount: &Mount, api: ApiVersion) {
        let base = ApiMount { target: Some(target.to_owned()), ..ApiMount::default() };
        match mount {
            Mount::Bind { source, read_only, propagation, create_host_path } => {
                let old = *create_host_path && api < API_CREATE_MOUNTPOINT;
                if old && !source.contains(':') && !target.contains(':') {
                    let mode = [read_only.then_some("ro"), propagation.as_deref()];
                    let mode = mode.into_iter().flatten().collect::<Vec<_>>().join(",");
                    let end = if mode.is_empty() { mode } else { format!(":{mode}") };
                    return self.binds.push(format!("{source}:{target}{end}"));
                }
                self.typed.push(ApiMount {
                    source: Some(source.clone()),
                    typ: Some(MountType::BIND),
                    read_only: on(*read_only),
                    bind_options: (*create_host_path && !old)
                        .then(|| MountBindOptions { create_mountpoint: Some(true), ..Default::default() }),
                    ..base
                });
            }
            Mount::Volume { source, read_only, nocopy, subpath } => self.typed.push(ApiMount {
                source: source.clone(),
                typ: Some(MountType::VOLUME),
                read_only: on(*read_only),
                volume_options: (*nocopy || subpath.is_some()).then(|| MountVolumeOptions {
                    no_copy: on(*nocopy),
                    subpath: subpath.clone(),
                    ..MountVolumeOptions::default()
                }),
                ..base
            }),
            // Options are in the typed form only from API 1.46 on, and in this one always.
            Mount::Tmpfs { size, mode, options } if !options.is_empty() => {
                let mut words = options.clone();
                words.extend((*size > 0).then(|| format!("size={size}")));
                words.extend(mode.map(|mode| format!("mode={mode:o}")));
                self.tmpfs.insert(target.to_owned(), words.join(","));
            }
            Mount::Tmpfs { size, mode, .. } => self.typed.push(ApiMount {
                typ: Some(MountType::TMPFS),
                tmpfs_options: (*size > 0 || mode.is_some()).then(|| MountTmpfsOptions {
                    size_bytes: (*size > 0).then(|| clamped(*size)),
                    mode: mode.map(i64::from),
                    ..MountTmpfsOptions::default()
                }),
                ..base
            }),
            Mount::Npipe { source } => self.typed.push(ApiMount {
                source: Some(source.clone()),
                typ: Some(MountType::NPIPE),
                ..base
            }),
        }
    }
}

/// Whole seconds, since the API has no others; a grace period is rather too long than too short.
pub(super) fn seconds_up(nanos: i64) -> i64 {
    nanos.max(0).saturating_add(999_999_999) / 1_000_000_000
}

fn clamped(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

fn some<T>(list: Vec<T>) -> Option<Vec<T>> {
    (!list.is_empty()).then_some(list)
}

fn on(flag: bool) -> Option<bool> {
    flag.then_some(true)
}

/// Bollard wants hash maps; they end up in a `Value`, whose maps are ordered.
fn hashed(map: &BTreeMap<String, String>) -> HashMap<String, String> {
    map.iter().map(|(key, value)| (key.clone(), value.clone())).collect()
}

#[cfg(test)]
mod tests;
