//! The values of a task whose label has marks under a key that is lost: the container itself has them.

use serde_json::Value;

use super::client::{CallError, Reader};
use super::{files, update};
use crate::model::ids::sha256_hex;
use crate::model::marks::is_mark;
use crate::model::{TaskSpec, Tuning, secret_env};

/// The spec of a label with the values that a container was made with in place of marks. What the container does not
/// show stays a mark. A file that was a template is there as it was filled in.
pub(in crate::fleet) async fn spec(
    reader: &Reader,
    container: &str,
    label: &TaskSpec,
    is_job: bool,
) -> Result<TaskSpec, CallError> {
    let path = format!("/containers/{container}/json");
    let inspect: Value = reader.get(&path, super::inspect::INSPECT_LIMIT).await?;
    let mut spec = with_values(label, &inspect);
    // With the key, what was changed in place is forgotten, too.
    Tuning::of(&spec).as_seen(&update::seen_in(&inspect), is_job, spec.swaps).apply(&mut spec);
    for (target, mount) in spec.configs.iter_mut().filter(|(_, mount)| is_mark(&mount.content)) {
        if let Some(content) = files::read(reader, container, target).await? {
            mount.content = sha256_hex(&content);
        }
    }
    Ok(spec)
}

/// All but the contents of files.
fn with_values(label: &TaskSpec, inspect: &Value) -> TaskSpec {
    let mut spec = label.clone();
    let config = &inspect["Config"];
    let env =
        config["Env"].as_array().into_iter().flatten().filter_map(|pair| pair.as_str()?.split_once('='));
    for (name, value) in env {
        if let Some(Some(hidden)) = spec.environment.get_mut(name) {
            value.clone_into(hidden);
        }
    }
    for (words, there) in [(&mut spec.command, &config["Cmd"]), (&mut spec.entrypoint, &config["Entrypoint"])]
    {
        if let Some(words) = words {
            take_words(words, &own_words(label, there));
        }
    }
    if let Some(check) = &mut spec.healthcheck {
        take_words(&mut check.test, &texts(&config["Healthcheck"]["Test"]));
    }
    let take = |name: &str, hidden: &mut String, there: &Value| {
        if let Some(value) = there[name].as_str() {
            value.clone_into(hidden);
        }
    };
    if let Some(logging) = &mut spec.logging {
        for (name, hidden) in &mut logging.options {
            take(name, hidden, &inspect["HostConfig"]["LogConfig"]["Config"]);
        }
    }
    for (network, attachment) in &mut spec.networks {
        let there = &inspect["NetworkSettings"]["Networks"][network]["DriverOpts"];
        for (name, hidden) in &mut attachment.driver_opts {
            take(name, hidden, there);
        }
    }
    spec
}

/// Words that an engine gives back as they were asked for.
fn take_words(words: &mut [String], there: &[&str]) {
    if there.len() == words.len() {
        for (word, value) in words.iter_mut().zip(there) {
            (*value).clone_into(word);
        }
    }
}

/// Without those of ours in front, where variables are secrets.
fn own_words<'i>(label: &TaskSpec, there: &'i Value) -> Vec<&'i str> {
    let (mut words, ours) = (texts(there), secret_env::entrypoint(secret_env::names(label)));
    if words.get(..ours.len()).is_some_and(|first| ours.iter().eq(first.iter().copied())) {
        words.drain(..ours.len());
    }
    words
}

fn texts(there: &Value) -> Vec<&str> {
    there.as_array().into_iter().flatten().filter_map(Value::as_str).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::model::{MarkKey, Marks, ServiceName, StackName};

    #[test]
    fn a_container_has_the_values_that_its_label_hides() {
        let text = r#"{"image":"web:1","command":["run","--key=hunter2"],"entrypoint":["hunter3"],
            "environment":{"DSN":"hunter4","MODE":"fast","GONE":null},
            "logging":{"driver":"splunk","options":{"token":"hunter6"}},
            "healthcheck":{"test":["CMD","curl","-u","hunter7"],"interval":"5s"},
            "networks":{"n":{"driver_opts":{"key":"hunter8"}}}}"#;
        let spec: TaskSpec = serde_json::from_str(text).unwrap();
        let (key, stack, web) =
            (MarkKey::unset(), StackName::unchecked("shop"), ServiceName::unchecked("web"));
        let label = Marks::of(&key, &stack, &web).masked(&spec);
        let inspect = json!({
            "Config": {
                "Env": ["PATH=/bin", "DSN=hunter4", "MODE=fast"],
                "Cmd": ["run", "--key=hunter2"],
                "Entrypoint": ["hunter3"],
                "Healthcheck": { "Test": ["CMD", "curl", "-u", "hunter7"] },
            },
            "HostConfig": { "LogConfig": { "Type": "splunk", "Config": { "token": "hunter6" } } },
            "NetworkSettings": { "Networks": { "n": { "DriverOpts": { "key": "hunter8" } } } },
        });
        assert_eq!(with_values(&label, &inspect), spec);
        let other = with_values(&label, &json!({ "Config": { "Env": ["DSN=changed"] } }));
        assert_eq!(other.environment["DSN"].as_deref(), Some("changed"));
        assert!(other.environment["MODE"].as_deref().is_some_and(is_mark));
        assert!(other.command.unwrap().iter().all(|word| is_mark(word)));
    }

    /// What the engine was asked to start there begins with this program.
    #[test]
    fn where_variables_are_secrets_the_services_own_words_are_found_behind_ours() {
        let text = r#"{"image":"web:1","command":["(hidden:0a)"],"entrypoint":["(hidden:0b)","(hidden:0c)"],
            "secrets":{"/run/stackctl/env/DB":{"source":"db","uid":"0","gid":"0","mode":292,"content":"v1"}}}"#;
        let label: TaskSpec = serde_json::from_str(text).unwrap();
        let inspect = serde_json::json!({ "Config": {
            "Cmd": ["x"], "Entrypoint": ["/run/stackctl/run", "env-run", "DB", "--", "sh", "-c"],
        } });
        let spec = with_values(&label, &inspect);
        let words = |words: &Option<Vec<String>>| words.clone().unwrap_or_default().join(" ");
        assert_eq!((words(&spec.command), words(&spec.entrypoint)), ("x".into(), "sh -c".into()));
        // One that was made otherwise is taken as it is.
        let inspect = serde_json::json!({ "Config": { "Entrypoint": ["sh", "-c"] } });
        assert_eq!(words(&with_values(&label, &inspect).entrypoint), "sh -c");
    }
}
