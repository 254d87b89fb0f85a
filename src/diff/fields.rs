//! Two task specs, compared field by field.

use serde::Serialize;
use serde_json::Value;

use crate::model::in_place::ReadsAgain;
use crate::model::marks::is_mark;
use crate::model::{TaskSpec, in_place};

/// Stands for a value.
pub const HIDDEN: &str = "(hidden)";

/// Whether values are shown. Plans are pasted into pull requests, printed by CI and shown to users who push.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Values {
    /// That one differs is said, and no more.
    #[default]
    Hidden,
    /// A user asked for them.
    Shown,
}

/// Whether a field, by its path in a diff, holds a free-form value, in which a secret may be under any name: variables,
/// commands, health checks, labels, options of log drivers and networks, contents of configs and secrets. It is the same
/// list as that of [`each_value`](crate::model::marks::each_value), by which values are marked in labels and snapshots.
///
/// All else is names, numbers, fixed words, paths and addresses: images, replicas, ports, limits, constraints, mounts. A
/// plan consists of them.
#[must_use]
pub fn is_value(path: &str) -> bool {
    let first = path.split(['.', '[']).next().unwrap_or_default();
    matches!(first, "environment" | "labels" | "command" | "entrypoint")
        || ["logging.options", "healthcheck.test"].iter().any(|begin| path.starts_with(begin))
        || (first == "networks" && path.contains("driver_opts"))
        || (matches!(first, "configs" | "secrets") && path.ends_with(".content"))
}

/// One field that differs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Change {
    /// Path as in the stackfile: `environment.LOG_LEVEL`, `volumes["/data"].read_only`.
    pub path: String,
    /// Before; `None` if the field was not there.
    pub before: Option<Value>,
    /// After; `None` if the field is gone.
    pub after: Option<Value>,
    /// Its effect.
    pub impact: Impact,
}

/// The effect of a changed field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Impact {
    /// Tasks are added or removed; those that stay are not touched.
    Scale,
    /// Tasks are replaced.
    Replace,
    /// Tasks go on running, and are changed as they are.
    #[serde(rename = "in_place")]
    InPlace,
}

impl Change {
    /// A change whose values may be shown.
    #[must_use]
    pub fn new(path: &str, before: Option<Value>, after: Option<Value>, impact: Impact) -> Self {
        Self { path: path.to_owned(), before, after, impact }
    }
}

/// Every field of two task specs that differs, in the order of the stackfile's keys; with values, if they are asked for.
pub(super) fn changes(before: &TaskSpec, after: &TaskSpec, values: Values) -> Vec<Change> {
    let mut changes = Vec::new();
    if before.image != after.image || before.digest != after.digest {
        changes.push(Change::new(
            "image",
            Some(before.pinned_image().into()),
            Some(after.pinned_image().into()),
            Impact::Replace,
        ));
    }
    let strip = |spec: &TaskSpec| {
        let mut spec = spec.clone();
        spec.image.clear();
        spec.digest = None;
        // How its container was made is no field of a stackfile.
        spec.swaps = false;
        let policy = spec.restart_policy;
        let mut value = serde_json::to_value(spec).expect("a spec has string keys and finite numbers");
        // The default is left out of the JSON, and `none` against nothing would say the opposite of what it is.
        if before.restart_policy != after.restart_policy {
            value["restart_policy"] = serde_json::json!(policy);
        }
        value
    };
    walk("", Some(&strip(before)), Some(&strip(after)), values, &mut changes);
    let reads_again = match (after.on_config.is_some() && before.on_config == after.on_config, before.swaps) {
        (false, _) => ReadsAgain::Nothing,
        (true, false) => ReadsAgain::Configs,
        (true, true) => ReadsAgain::All,
    };
    for change in changes.iter_mut().filter(|change| in_place::is_field(&change.path, reads_again)) {
        change.impact = Impact::InPlace;
    }
    changes
}

fn walk(
    path: &str,
    before: Option<&Value>,
    after: Option<&Value>,
    values: Values,
    changes: &mut Vec<Change>,
) {
    if before == after {
        return;
    }
    let object = |value: Option<&Value>| value.is_none_or(Value::is_object);
    // A map that is added or removed as a whole is still reported key by key, so that an added variable looks
    // the same whether it is the first or the tenth.
    if object(before) && object(after) && !(path.is_empty() && before.is_none()) {
        let empty = serde_json::Map::new();
        let before = before.and_then(Value::as_object).unwrap_or(&empty);
        let after = after.and_then(Value::as_object).unwrap_or(&empty);
        let keys: std::collections::BTreeSet<&String> = before.keys().chain(after.keys()).collect();
        for key in keys {
            walk(&join(path, key), before.get(key), after.get(key), values, changes);
        }
        return;
    }
    let is_hidden = values == Values::Hidden && is_value(path);
    let shown = |value: Option<&Value>| {
        value.map(|value| if is_hidden { HIDDEN.into() } else { without_marks(value) })
    };
    let (mut before, mut after) = (shown(before), shown(after));
    if before == after {
        // The difference is in what is not known: a container carries a mark in its place.
        (before, after) = (before.map(|_| HIDDEN.into()), after.map(|_| HIDDEN.into()));
    }
    changes.push(Change::new(path, before, after, Impact::Replace));
}

/// Marks say nothing to people.
fn without_marks(value: &Value) -> Value {
    match value {
        Value::String(text) if is_mark(text) => HIDDEN.into(),
        Value::Array(all) => all.iter().map(without_marks).collect(),
        Value::Object(all) => {
            Value::Object(all.iter().map(|(key, value)| (key.clone(), without_marks(value))).collect())
        }
        other => other.clone(),
    }
}

pub(super) fn join(path: &str, key: &str) -> String {
    let plain = !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'));
    match (path.is_empty(), plain) {
        (true, true) => key.to_owned(),
        (false, true) => format!("{path}.{key}"),
        (_, false) => format!("{path}[{key:?}]"),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::{task_changes, task_changes_with};
    use super::*;
    use crate::model::spec::Mount;

    fn spec(image: &str) -> TaskSpec {
        TaskSpec { image: image.into(), ..TaskSpec::default() }
    }

    /// What differs, a line for each field.
    pub fn lines(before: &TaskSpec, after: &TaskSpec) -> Vec<String> {
        let text = |value: &Option<Value>| value.as_ref().map_or_else(|| "-".to_owned(), Value::to_string);
        task_changes(before, after)
            .iter()
            .map(|c| format!("{}: {} -> {}", c.path, text(&c.before), text(&c.after)))
            .collect()
    }

    #[test]
    fn image_and_digest_are_one_field() {
        let mut after = spec("web:2");
        after.digest = Some("sha256:aa".into());
        assert_eq!(lines(&spec("web:1"), &after), [r#"image: "web:1" -> "web:2@sha256:aa""#]);
    }

    #[test]
    fn a_restart_policy_is_compared_with_the_default_by_name() {
        let mut after = spec("web:1");
        after.restart_policy.condition = crate::model::spec::RestartCondition::None;
        assert_eq!(lines(&spec("web:1"), &after), [r#"restart_policy.condition: "any" -> "none""#]);
    }

    #[test]
    fn maps_are_told_key_by_key() {
        let mut after = spec("web:1");
        after.environment.insert("LOG".into(), Some("debug".into()));
        after.volumes.insert(
            "/data".into(),
            Mount::Volume { source: Some("a_d".into()), read_only: true, nocopy: false, subpath: None },
        );
        assert_eq!(
            lines(&spec("web:1"), &after),
            [
                r#"environment.LOG: - -> "(hidden)""#,
                r#"volumes["/data"].read_only: - -> true"#,
                r#"volumes["/data"].source: - -> "a_d""#,
                r#"volumes["/data"].type: - -> "volume""#,
            ]
        );
    }

    #[test]
    fn no_value_is_told_unless_it_is_asked_for() {
        let of = |secret: &str, host: &str| {
            let text = serde_json::json!({
                "image": "db", "hostname": host, "command": ["run", format!("-p{secret}")],
                "entrypoint": [secret], "environment": { "URL": format!("db://a:{secret}@h/x") },
                "labels": { "auth": secret }, "healthcheck": { "test": ["CMD", secret], "interval": "5s" },
                "logging": { "driver": "splunk", "options": { "splunk-token": secret } },
                "networks": { "n": { "driver_opts": { "key": secret } } },
                "configs": { "/c": { "source": "c", "uid": "0", "gid": "0", "mode": 292, "content": secret } },
            });
            serde_json::from_value::<TaskSpec>(text).unwrap()
        };
        let (before, after) = (of("hunter2", "a"), of("hunter3", "b"));
        let changes = task_changes(&before, &after);
        let text = serde_json::json!(changes).to_string();
        assert!(!text.contains("hunter") && text.contains(r#""before":"a""#), "{text}");
        let paths: Vec<&str> = changes.iter().map(|change| change.path.as_str()).collect();
        assert!(paths.contains(&"environment.URL") && paths.contains(&"labels.auth"), "{paths:?}");
        assert_eq!(changes.iter().filter(|change| is_value(&change.path)).count(), 8, "{paths:?}");
        let shown = task_changes_with(&before, &after, Values::Shown);
        assert_eq!(shown.len(), changes.len());
        let text = serde_json::json!(shown).to_string();
        assert!(text.contains("db://a:hunter2@h/x") && text.contains("-phunter3"), "{text}");
        for path in ["image", "deploy.replicas", "healthcheck.interval", "configs[\"/c\"].mode", "hostname"] {
            assert!(!is_value(path), "{path}");
        }
    }

    /// The list by paths and the list by places are one.
    #[test]
    fn what_is_marked_in_a_label_is_hidden_in_a_plan() {
        let text = r#"{"image":"web:1","command":["a"],"entrypoint":["a"],"environment":{"A":"a","B":null},
            "labels":{"a":"a"},"logging":{"driver":"splunk","options":{"a":"a"}},
            "healthcheck":{"test":["a"],"interval":"5s"},"networks":{"n":{"driver_opts":{"a":"a"}}},
            "configs":{"/c":{"source":"c","uid":"0","gid":"0","mode":292,"content":"a"}},
            "secrets":{"/c":{"source":"c","uid":"0","gid":"0","mode":292,"content":"a"}}}"#;
        let before: TaskSpec = serde_json::from_str(text).unwrap();
        let mut after = before.clone();
        crate::model::marks::each_value(&mut after, &mut |_, value| value.push('!'));
        let changes = task_changes(&before, &after);
        assert_eq!(changes.len(), 9, "{changes:?}");
        assert!(changes.iter().all(|change| is_value(&change.path)), "{changes:?}");
    }

    #[test]
    fn equal_specs_have_no_changes() {
        assert!(task_changes(&spec("a"), &spec("a")).is_empty());
    }
}
