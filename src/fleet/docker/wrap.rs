//! Containers whose variables are secrets: the engine starts this program in them, and this program the service's own.

use serde::Deserialize;
use serde_json::{Value, json};

use super::client::{CallError, DEFAULT_LIMIT, Engine};
use super::task::Stop;
use crate::model::action::TaskPlan;
use crate::model::secret_env::{PROGRAM, entrypoint, names};

/// What an image starts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct Image {
    entrypoint: Option<Vec<String>>,
    cmd: Option<Vec<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Inspected {
    config: Option<Image>,
}

/// Asks the engine what the image of a task starts. One that is not there is what the create would have found.
pub(super) async fn image(engine: &Engine, plan: &TaskPlan) -> Result<Image, Stop> {
    let path = format!("/images/{}/json", plan.spec.pinned_image());
    let found: Result<Inspected, CallError> = engine.reader.get(&path, DEFAULT_LIMIT).await;
    Ok(found?.config.unwrap_or_default())
}

/// Changes what is to be created: what it starts is found as the engine finds it, and goes behind the program.
pub(super) fn wrap(body: &mut Value, plan: &TaskPlan, image: Image, program: String) {
    let set = |words: &Option<Vec<String>>| words.clone().filter(|words| !words.is_empty());
    let (own, own_args) = (set(&plan.spec.entrypoint), set(&plan.spec.command));
    // An image's arguments are those of its own entrypoint.
    let args = match (&own, own_args) {
        (_, Some(args)) => args,
        (Some(_), None) => Vec::new(),
        (None, None) => image.cmd.unwrap_or_default(),
    };
    let mut words = own.or(image.entrypoint).unwrap_or_default();
    // As the engine has it: one empty word takes the image's away, and is none itself.
    if words == [""] {
        words.clear();
    }
    // One that starts nothing is refused by the engine, in its own words.
    if words.is_empty() && args.is_empty() {
        return;
    }
    let mut all = entrypoint(names(&plan.spec));
    all.extend(words);
    body["Entrypoint"] = json!(all);
    body["Cmd"] = json!(args);
    let mount = json!({ "Type": "bind", "Source": program, "Target": PROGRAM, "ReadOnly": true });
    match body["HostConfig"]["Mounts"].as_array_mut() {
        Some(mounts) => mounts.push(mount),
        None => body["HostConfig"]["Mounts"] = json!([mount]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fleet::docker::labels::tests::plan;
    use crate::model::Slot;
    use crate::model::secret_env::file_of;
    use crate::model::spec::TaskSpec;
    use crate::model::testing::file_mount;

    fn started(own: Option<&str>, own_args: Option<&str>, image: (Option<&str>, Option<&str>)) -> Value {
        let words = |text: Option<&str>| {
            text.map(|text| text.split_whitespace().map(|word| word.replace('"', "")).collect())
        };
        let mount = file_mount("db", "v1");
        let spec = TaskSpec {
            entrypoint: words(own),
            command: words(own_args),
            secrets: [(file_of("B"), mount.clone()), (file_of("A"), mount)].into(),
            ..TaskSpec::default()
        };
        let plan = plan(spec, Slot::Replica(1), Vec::new());
        let image = Image { entrypoint: words(image.0), cmd: words(image.1) };
        let mut body = json!({ "HostConfig": {} });
        wrap(&mut body, &plan, image, "/var/run/p".into());
        body
    }

    /// As docker merges what a service and its image say.
    #[test]
    fn what_is_started_is_what_the_engine_would_have_started() {
        let head = ["/run/stackctl/run", "env-run", "A", "B", "--"];
        for (own, own_args, image, words, args) in [
            (None, None, (Some("tini --"), Some("app run")), "tini --", "app run"),
            (None, Some("x"), (Some("tini --"), Some("app run")), "tini --", "x"),
            (Some("sh -c"), None, (Some("tini --"), Some("app run")), "sh -c", ""),
            (Some("sh -c"), Some("x y"), (Some("tini --"), Some("app run")), "sh -c", "x y"),
            (None, None, (None, Some("app")), "", "app"),
            (None, None, (Some("app"), None), "app", ""),
            (Some(""), Some(""), (Some("app"), Some("x")), "app", "x"),
            (Some("\"\""), Some("x y"), (Some("tini --"), Some("app run")), "", "x y"),
        ] {
            let body = started(own, own_args, image);
            let all: Vec<&str> = head.into_iter().chain(words.split_whitespace()).collect();
            assert_eq!(body["Entrypoint"], json!(all), "{own:?} {own_args:?} {image:?}");
            assert_eq!(body["Cmd"], json!(args.split_whitespace().collect::<Vec<_>>()));
            let mount = json!({ "Type": "bind", "Source": "/var/run/p", "Target": "/run/stackctl/run", "ReadOnly": true });
            assert_eq!(body["HostConfig"]["Mounts"], json!([mount]));
        }
    }

    #[test]
    fn what_starts_nothing_is_left_to_the_engine() {
        assert_eq!(started(None, None, (None, None)), json!({ "HostConfig": {} }));
        assert_eq!(started(None, None, (Some(""), Some(""))), json!({ "HostConfig": {} }));
        assert_eq!(started(Some("\"\""), None, (Some("app"), Some("x"))), json!({ "HostConfig": {} }));
    }
}
