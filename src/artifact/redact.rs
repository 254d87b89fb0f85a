//! Redacts values that may hold secrets; equal values stay comparable.
//!
//! Passwords belong into secrets, but people also put them into variables, labels, commands and options of log
//! drivers, under any name. A diff only needs to know whether two values are equal. So each value is replaced by a
//! mark: 32 bits of a hash over the value, the cluster and its place.
//!
//! A mark is short on purpose. Two different values have the same mark once in four billion, so a change is visible;
//! and since many values have the same mark, a mark does not confirm a guess. It is no protection of weak passwords:
//! from a list of ten likely ones, a mark reveals the right one. Users with weak passwords in variables should
//! protect snapshots like their stackfiles.

use std::collections::BTreeMap;
use std::sync::Arc;

use sha2::{Digest as _, Sha256};

use crate::model::ids::hex;
use crate::model::spec::{Attachment, FileMount, Healthcheck, Logging};
use crate::model::{ClusterName, StackSpec, Task, TaskSpec};

/// Bytes of a mark.
const BYTES: usize = 4;

/// The key of marks: the cluster and the service that a value belongs to.
#[derive(Debug, Clone)]
pub struct Salt(String);

impl Salt {
    /// For values of one place: `prod/shop`.
    #[must_use]
    pub fn new(place: &str) -> Self {
        Self(place.to_owned())
    }

    /// For values of a task's service.
    #[must_use]
    pub fn of(cluster: &ClusterName, task: &Task) -> Self {
        Self(format!("{cluster}/{}/{}", task.stack, task.service))
    }

    /// `(hidden:1a2b3c4d)`, understandable wherever it is shown.
    #[must_use]
    pub fn mark(&self, place: &str, value: &str) -> String {
        let mut hash = Sha256::new();
        for part in ["stackctl", &self.0, place, value] {
            hash.update(part.len().to_le_bytes());
            hash.update(part.as_bytes());
        }
        format!("(hidden:{})", hex(&hash.finalize()[..BYTES]))
    }

    /// The spec with marks for values.
    #[must_use]
    pub fn masked(&self, spec: &TaskSpec) -> TaskSpec {
        let mut spec = spec.clone();
        each_value(&mut spec, &mut |place, value| *value = self.mark(place, value));
        spec
    }

    /// The spec with the values of `wanted` in place of their own marks.
    #[must_use]
    pub fn unmasked(&self, masked: &TaskSpec, wanted: &TaskSpec) -> TaskSpec {
        let mut known = BTreeMap::new();
        each_value(&mut wanted.clone(), &mut |place, value| {
            known.insert((place.to_owned(), self.mark(place, value)), value.clone());
        });
        let mut spec = masked.clone();
        each_value(&mut spec, &mut |place, value| {
            if let Some(same) = known.get(&(place.to_owned(), value.clone())) {
                value.clone_from(same);
            }
        });
        spec
    }
}

/// Whether a field, by its path in a diff, is masked.
#[must_use]
pub fn is_masked(path: &str) -> bool {
    let first = path.split(['.', '[']).next().unwrap_or_default();
    matches!(first, "environment" | "labels" | "command" | "entrypoint" | "configs" | "secrets")
        || ["logging.options", "healthcheck.test"].iter().any(|begin| path.starts_with(begin))
        || (first == "networks" && path.contains("driver_opts"))
}

/// A whole stack with marks for values, and without the contents of its configs.
#[must_use]
pub fn masked_stack(cluster: &ClusterName, spec: &StackSpec) -> StackSpec {
    let mut spec = spec.clone();
    let StackSpec { name, services, networks, volumes, configs, secrets } = &mut spec;
    let salt = Salt(format!("{cluster}/{name}"));
    let all = |place: &str, values: &mut BTreeMap<String, String>| {
        for (key, value) in values {
            *value = salt.mark(&format!("{place} {key}"), value);
        }
    };
    for (service, spec) in services {
        spec.task = Arc::new(Salt(format!("{cluster}/{name}/{service}")).masked(&spec.task));
        all(&format!("services {service}"), &mut spec.labels);
    }
    for (key, network) in networks {
        all(&format!("networks {key} labels"), &mut network.labels);
        all(&format!("networks {key}"), &mut network.driver_opts);
    }
    for (key, volume) in volumes {
        all(&format!("volumes {key} labels"), &mut volume.labels);
        all(&format!("volumes {key}"), &mut volume.driver_opts);
    }
    for (key, config) in configs {
        all(&format!("configs {key} labels"), &mut config.labels);
        config.digest = salt.mark(&format!("configs {key}"), &config.digest);
        config.content = Arc::default();
    }
    for (key, secret) in secrets {
        all(&format!("secrets {key} labels"), &mut secret.labels);
        all(&format!("secrets {key}"), &mut secret.driver_opts);
    }
    spec
}

/// Every free-form value, with its place. A new field of a spec does not compile until this function decides
/// whether to mask it.
fn each_value(spec: &mut TaskSpec, act: &mut dyn FnMut(&str, &mut String)) {
    let TaskSpec {
        command,
        entrypoint,
        environment,
        labels,
        logging,
        healthcheck,
        networks,
        configs,
        secrets,
        // Names, numbers, fixed words, paths and addresses stay readable: the plan consists of them.
        image: _,
        digest: _,
        hostname: _,
        domainname: _,
        user: _,
        group_add: _,
        working_dir: _,
        stdin_open: _,
        tty: _,
        cap_add: _,
        cap_drop: _,
        privileged: _,
        security_opt: _,
        devices: _,
        device_cgroup_rules: _,
        sysctls: _,
        ulimits: _,
        init: _,
        read_only: _,
        shm_size: _,
        ipc: _,
        pid: _,
        network_mode: _,
        userns_mode: _,
        cgroupns_mode: _,
        cgroup_parent: _,
        mac_address: _,
        runtime: _,
        isolation: _,
        oom_score_adj: _,
        stop_signal: _,
        stop_grace_period: _,
        dns: _,
        dns_search: _,
        dns_opt: _,
        extra_hosts: _,
        resources: _,
        restart_policy: _,
        ports: _,
        volumes: _,
        force_update: _,
    } = spec;
    for (words, place) in [(command, "command"), (entrypoint, "entrypoint")] {
        each_word(words.iter_mut().flatten(), place, act);
    }
    for (name, value) in environment {
        if let Some(value) = value {
            act(&format!("environment {name}"), value);
        }
    }
    for (name, value) in labels {
        act(&format!("labels {name}"), value);
    }
    if let Some(Logging { driver: _, options }) = logging {
        for (name, value) in options {
            act(&format!("logging {name}"), value);
        }
    }
    if let Some(Healthcheck {
        test,
        interval: _,
        timeout: _,
        retries: _,
        start_period: _,
        start_interval: _,
    }) = healthcheck
    {
        each_word(test.iter_mut(), "healthcheck", act);
    }
    for (network, attachment) in networks {
        let Attachment { driver_opts, aliases: _, ipv4_address: _, ipv6_address: _ } = &mut **attachment;
        for (name, value) in driver_opts {
            act(&format!("networks {network} {name}"), value);
        }
    }
    for (files, kind) in [(configs, "configs"), (secrets, "secrets")] {
        for (target, FileMount { content, source: _, uid: _, gid: _, mode: _ }) in files {
            act(&format!("{kind} {target}"), content);
        }
    }
}

fn each_word<'w>(
    words: impl Iterator<Item = &'w mut String>,
    place: &str,
    act: &mut dyn FnMut(&str, &mut String),
) {
    for (at, word) in words.enumerate() {
        act(&format!("{place} {at}"), word);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec() -> TaskSpec {
        let text = r#"{"image":"web:1","command":["run","--key=hunter2"],"entrypoint":["hunter3"],
            "environment":{"DSN":"hunter4","MODE":"fast","GONE":null},"labels":{"auth":"hunter5"},
            "logging":{"driver":"splunk","options":{"token":"hunter6"}},
            "healthcheck":{"test":["CMD","curl","-u","hunter7"],"interval":"5s"},
            "networks":{"n":{"driver_opts":{"key":"hunter8"}}},
            "configs":{"/c":{"source":"c","uid":"0","gid":"0","mode":292,"content":"hunter9"}}}"#;
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn no_value_is_left_and_the_same_values_come_back() {
        let salt = Salt("test/shop/web".into());
        let masked = salt.masked(&spec());
        let text = masked.canonical_json();
        assert!(!text.contains("hunter") && text.contains("5s") && text.contains("GONE"), "{text}");
        assert_eq!(salt.unmasked(&masked, &spec()), spec());
        assert_eq!(salt.unmasked(&masked, &spec()).hash(), spec().hash());
    }

    #[test]
    fn what_is_masked_in_a_spec_is_masked_in_a_diff() {
        let mut after = spec();
        each_value(&mut after, &mut |_, value| value.push('!'));
        let changes = crate::diff::task_changes(&spec(), &after);
        assert!(changes.len() > 8, "{changes:?}");
        assert!(changes.iter().all(|change| is_masked(&change.path)), "{changes:?}");
        assert!(!is_masked("image") && !is_masked("healthcheck.interval") && !is_masked("deploy.replicas"));
    }

    #[test]
    fn what_is_another_value_stays_hidden() {
        let salt = Salt("test/shop/web".into());
        let mut wanted = spec();
        wanted.environment.insert("DSN".into(), Some("other".into()));
        let seen = salt.unmasked(&salt.masked(&spec()), &wanted);
        assert_eq!(seen.environment["MODE"].as_deref(), Some("fast"));
        let hidden = seen.environment["DSN"].as_deref().unwrap();
        assert!(hidden.starts_with("(hidden:") && hidden.len() == 17, "{hidden}");
        assert_ne!(seen.hash(), wanted.hash());
    }

    #[test]
    fn equal_values_at_two_places_have_two_marks() {
        let salt = Salt("test/shop/web".into());
        assert_ne!(salt.mark("environment A", "x"), salt.mark("environment B", "x"));
        assert_ne!(salt.mark("environment A", "x"), Salt("test/shop/db".into()).mark("environment A", "x"));
    }
}
