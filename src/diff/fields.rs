//! Two task specs, compared field by field.

use serde::Serialize;
use serde_json::Value;

use super::veil::{self, HIDDEN};
use crate::model::{TaskSpec, in_place};

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

/// Every field that differs between two task specs, in the order of the stackfile's keys.
#[must_use]
pub fn task_changes(before: &TaskSpec, after: &TaskSpec) -> Vec<Change> {
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
        let policy = spec.restart_policy;
        let mut value = serde_json::to_value(spec).expect("a spec has string keys and finite numbers");
        // The default is left out of the JSON, and `none` against nothing would say the opposite of what it is.
        if before.restart_policy != after.restart_policy {
            value["restart_policy"] = serde_json::json!(policy);
        }
        value
    };
    walk("", Some(&strip(before)), Some(&strip(after)), &mut changes);
    changes
}

fn walk(path: &str, before: Option<&Value>, after: Option<&Value>, changes: &mut Vec<Change>) {
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
            walk(&join(path, key), before.get(key), after.get(key), changes);
        }
        return;
    }
    let hide = is_hidden(path);
    let shown = |value: Option<&Value>| {
        value.map(|value| if hide { Value::from(HIDDEN) } else { veil::veiled(value) })
    };
    let (mut before, mut after) = (shown(before), shown(after));
    if before == after {
        // The difference is in a part that is not shown.
        (before, after) = (before.map(|_| HIDDEN.into()), after.map(|_| HIDDEN.into()));
    }
    let impact = if in_place::is_field(path) { Impact::InPlace } else { Impact::Replace };
    changes.push(Change::new(path, before, after, impact));
}

fn join(path: &str, key: &str) -> String {
    let plain = !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'));
    match (path.is_empty(), plain) {
        (true, true) => key.to_owned(),
        (false, true) => format!("{path}.{key}"),
        (_, false) => format!("{path}[{key:?}]"),
    }
}

/// Environment variables that are named like passwords. They belong into `secrets:`, but people put them here,
/// and plans are pasted into pull requests.
fn is_hidden(path: &str) -> bool {
    path.strip_prefix("environment").is_some_and(veil::is_sensitive)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::spec::Mount;

    fn spec(image: &str) -> TaskSpec {
        TaskSpec { image: image.into(), ..TaskSpec::default() }
    }

    fn lines(before: &TaskSpec, after: &TaskSpec) -> Vec<String> {
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
                r#"environment.LOG: - -> "debug""#,
                r#"volumes["/data"].read_only: - -> true"#,
                r#"volumes["/data"].source: - -> "a_d""#,
                r#"volumes["/data"].type: - -> "volume""#,
            ]
        );
    }

    #[test]
    fn what_looks_like_a_password_is_hidden() {
        let (mut before, mut after) = (spec("db"), spec("db"));
        before.environment.insert("POSTGRES_PASSWORD".into(), Some("old".into()));
        after.environment.insert("POSTGRES_PASSWORD".into(), Some("new".into()));
        assert_eq!(lines(&before, &after), [r#"environment.POSTGRES_PASSWORD: "(hidden)" -> "(hidden)""#]);
        let (mut before, mut after) = (spec("db"), spec("db"));
        for (spec, password, host) in [(&mut before, "old", "db1"), (&mut after, "new", "db2")] {
            spec.command = Some(vec!["run".into(), format!("--password={password}")]);
            spec.environment.insert("URL".into(), Some(format!("db://a:{password}@{host}/x")));
        }
        assert_eq!(
            lines(&before, &after),
            [
                r#"command: "(hidden)" -> "(hidden)""#,
                r#"environment.URL: "db://a:(hidden)@db1/x" -> "db://a:(hidden)@db2/x""#
            ]
        );
    }

    #[test]
    fn equal_specs_have_no_changes() {
        assert!(task_changes(&spec("a"), &spec("a")).is_empty());
    }
}
