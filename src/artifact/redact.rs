//! Redacts values that may hold secrets; equal values stay comparable.
//!
//! Passwords belong into secrets, but people also put them into variables, labels, commands and options of log
//! drivers, under any name. A diff only needs to know whether two values are equal. So each value is replaced by a
//! [mark](crate::model::marks) under the cluster's key: without the key, a mark confirms no guess.
//!
//! Snapshots of versions before 0.3.0 have marks without a key ([`FirstSalt`]); they are read, and no longer written.

use std::collections::BTreeMap;
use std::sync::Arc;

use sha2::{Digest as _, Sha256};

use crate::model::ids::hex;
use crate::model::marks::{each_value, unmasked_by};
use crate::model::{ClusterName, MarkKey, Marks, StackSpec, Task, TaskSpec};

/// Makes the marks of one place, such as `prod/shop`.
#[derive(Debug, Clone)]
pub struct Salt<'a> {
    key: &'a MarkKey,
    place: String,
}

impl<'a> Salt<'a> {
    /// For values of one place.
    #[must_use]
    pub fn new(key: &'a MarkKey, place: &str) -> Self {
        Self { key, place: place.to_owned() }
    }

    /// The mark of a value.
    #[must_use]
    pub fn mark(&self, place: &str, value: &str) -> String {
        self.key.mark(&["file", &self.place, place, value])
    }
}

/// A task's spec for a file: labels are marked as well, since the file may go further than the engine's own answers.
#[must_use]
pub fn masked_task(key: &MarkKey, task: &Task) -> TaskSpec {
    let marks = Marks::of(key, &task.stack, &task.service);
    let mut spec = match task.key_id {
        Some(_) => TaskSpec::clone(&task.spec),
        None => marks.masked(&task.spec),
    };
    for (name, value) in &mut spec.labels {
        *value = marks.mark(&format!("labels {name}"), value);
    }
    spec
}

/// Bytes of a mark of the first format.
const FIRST_BYTES: usize = 4;

/// The marks of snapshots before 0.3.0: 32 bits of a hash over the value, the cluster and its place, without a key.
#[derive(Debug, Clone)]
pub struct FirstSalt(String);

impl FirstSalt {
    /// For values of a task's service.
    #[must_use]
    pub fn of(cluster: &ClusterName, task: &Task) -> Self {
        Self(format!("{cluster}/{}/{}", task.stack, task.service))
    }

    /// `(hidden:1a2b3c4d)`
    #[must_use]
    pub fn mark(&self, place: &str, value: &str) -> String {
        let mut hash = Sha256::new();
        for part in ["stackctl", &self.0, place, value] {
            hash.update(part.len().to_le_bytes());
            hash.update(part.as_bytes());
        }
        format!("(hidden:{})", hex(&hash.finalize()[..FIRST_BYTES]))
    }

    /// The spec with the values of `wanted` in place of their own marks.
    #[must_use]
    pub fn unmasked(&self, masked: &TaskSpec, wanted: &TaskSpec) -> TaskSpec {
        unmasked_by(masked, wanted, |place, value| self.mark(place, value))
    }
}

/// A whole stack with marks for values, and without the contents of its configs.
#[must_use]
pub fn masked_stack(cluster: &ClusterName, spec: &StackSpec, key: &MarkKey) -> StackSpec {
    let mut spec = spec.clone();
    let StackSpec { name, services, networks, volumes, configs, secrets } = &mut spec;
    let salt = Salt::new(key, &format!("{cluster}/{name}"));
    let all = |place: &str, values: &mut BTreeMap<String, String>| {
        for (key, value) in values {
            *value = salt.mark(&format!("{place} {key}"), value);
        }
    };
    for (service, spec) in services {
        let of_service = Salt::new(key, &format!("{cluster}/{name}/{service}"));
        each_value(Arc::make_mut(&mut spec.task), &mut |place, value| *value = of_service.mark(place, value));
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
        config.content = None;
    }
    for (key, secret) in secrets {
        all(&format!("secrets {key} labels"), &mut secret.labels);
        all(&format!("secrets {key}"), &mut secret.driver_opts);
    }
    spec
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

    fn task() -> Task {
        use crate::model::{NodeName, ServiceName, Slot, SpecHash, StackName, TaskId, TaskStatus, Timestamp};
        Task {
            id: TaskId::unchecked("t"),
            stack: StackName::unchecked("shop"),
            service: ServiceName::unchecked("web"),
            slot: Slot::Replica(1),
            node: NodeName::unchecked("h1"),
            attempt: 1,
            is_job: false,
            spec_hash: SpecHash::of(b""),
            spec: Arc::new(spec()),
            key_id: None,
            container: "shop_web.1.t".into(),
            status: TaskStatus::Created,
            created_at: Timestamp(0),
            since: None,
            published: Vec::new(),
        }
    }

    #[test]
    fn no_value_is_left_in_a_file_and_labels_come_back() {
        let key = MarkKey::new([7; 32]);
        let masked = masked_task(&key, &task());
        let text = masked.canonical_json();
        assert!(!text.contains("hunter") && text.contains("5s") && text.contains("GONE"), "{text}");
        let unmasked =
            |key: &MarkKey| Marks::of(key, &task().stack, &task().service).unmasked(&masked, &spec());
        assert_eq!(unmasked(&key), spec());
        assert_ne!(unmasked(&MarkKey::new([8; 32])).labels, spec().labels);
        // What a container of this version says of itself has marks already.
        let marks = Marks::of(&key, &task().stack, &task().service).masked(&spec());
        let of_label = Task { spec: Arc::new(marks), key_id: Some(Arc::from(key.id())), ..task() };
        assert_eq!(masked_task(&key, &of_label), masked);
    }

    #[test]
    fn marks_of_the_first_format_are_read() {
        let salt = FirstSalt("test/shop/web".into());
        let mut masked = spec();
        each_value(&mut masked, &mut |place, value| *value = salt.mark(place, value));
        let mut wanted = spec();
        wanted.environment.insert("DSN".into(), Some("other".into()));
        let seen = salt.unmasked(&masked, &wanted);
        assert_eq!(seen.environment["MODE"].as_deref(), Some("fast"));
        let hidden = seen.environment["DSN"].as_deref().unwrap();
        assert!(hidden.starts_with("(hidden:") && hidden.len() == 17, "{hidden}");
    }
}
