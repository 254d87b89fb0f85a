//! What an agent asks of the engine of its host. An engine that does not answer says nothing: that is not "no".

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, StatusCode, header};
use http_body_util::Full;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::timeout;

use super::{FOLDER, PROGRAMS_FOLDER};
use crate::agent::put::Owner;
use crate::http::{body, client, stream};
use crate::model::ids::STACK_LABEL;

/// The label that has the id of a task, on its container.
pub const TASK_LABEL: &str = "io.stackctl.task";

/// The label that has the cluster of a task, on its container.
pub const CLUSTER_LABEL: &str = "io.stackctl.cluster";
/// Labels that together name the place that a task fills.
pub const PLACE_LABELS: [&str; 3] = [STACK_LABEL, "io.stackctl.service", "io.stackctl.slot"];

/// For an engine to answer.
const LIMIT: Duration = Duration::from_secs(10);
/// The longest list of containers, in bytes.
const LIST_MAX: usize = 256 << 20;
/// What no registry and no host has.
const NO_IMAGE: &str = "stackctl.invalid/none:none";

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Container {
    labels: Option<BTreeMap<String, String>>,
}

/// The tasks that have a container, in whatever state, with what they are of.
pub async fn tasks(engine: &Path) -> Result<BTreeMap<String, Option<Owner>>, String> {
    // Without a version: every engine has this request, and no version of the API is known to all of them.
    let path = format!("/containers/json?all=1&filters=%7B%22label%22%3A%5B%22{TASK_LABEL}%22%5D%7D");
    let (status, bytes) = asked(engine, Method::GET, &path, None).await?;
    if status != StatusCode::OK {
        return Err(format!("the engine answered {status}"));
    }
    let containers: Vec<Container> = serde_json::from_slice(&bytes).map_err(|error| error.to_string())?;
    let task = |one: Container| {
        let mut labels = one.labels?;
        let task = labels.remove(TASK_LABEL)?;
        Some((task, owner(labels)))
    };
    Ok(containers.into_iter().filter_map(task).collect())
}

fn owner(mut labels: BTreeMap<String, String>) -> Option<Owner> {
    let [stack, service, slot] = PLACE_LABELS.map(|label| labels.remove(label));
    Some(Owner { stack: stack?, service: service?, slot: slot?, born: 0 })
}

/// A container of a task that has secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    pub container: String,
    pub task: String,
    /// The engine could not start it, for want of them.
    pub is_refused: bool,
    pub is_running: bool,
    /// A newer task has taken its place on this host.
    pub is_replaced: bool,
    /// What the engine starts in it is this program.
    pub has_program: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Listed {
    id: String,
    state: String,
    #[serde(default)]
    created: i64,
    labels: Option<BTreeMap<String, String>>,
    #[serde(default)]
    mounts: Vec<Mount>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Mount {
    #[serde(default)]
    source: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Inspect {
    state: State,
    host_config: HostConfig,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct State {
    status: String,
    #[serde(default)]
    error: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct HostConfig {
    #[serde(default)]
    restart_policy: Policy,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase")]
struct Policy {
    #[serde(default)]
    name: String,
}

/// Containers of a cluster's tasks that have secrets of this agent's folder mounted, in whatever state.
///
/// One that the engine could not start when it began itself is exited with the path that it missed in its error: a
/// container that was stopped by hand has no error, and one whose policy does not have it started again had no attempt.
pub async fn users(engine: &Path, cluster: &str, folder: &Path) -> Result<Vec<User>, String> {
    let (secrets, programs) = (folder.join(FOLDER), folder.join(PROGRAMS_FOLDER));
    let labels = json!({ "label": [TASK_LABEL, format!("{CLUSTER_LABEL}={cluster}")] }).to_string();
    let path = format!("/containers/json?all=1&filters={}", escaped(&labels));
    let (status, bytes) = asked(engine, Method::GET, &path, None).await?;
    if status != StatusCode::OK {
        return Err(format!("the engine answered {status}"));
    }
    let listed: Vec<Listed> = serde_json::from_slice(&bytes).map_err(|error| error.to_string())?;
    // The time of the newest in each place: what is older was replaced, and is there to be looked at.
    let mut newest: BTreeMap<Vec<String>, i64> = BTreeMap::new();
    for one in &listed {
        let made = newest.entry(place(one)).or_insert(one.created);
        *made = one.created.max(*made);
    }
    let mut users = Vec::new();
    for one in listed {
        let is_replaced = newest.get(&place(&one)).is_some_and(|made| *made > one.created);
        let Some(task) = one.labels.and_then(|mut labels| labels.remove(TASK_LABEL)) else { continue };
        let (own, program) = (secrets.join(&task), programs.join(&task));
        if !one.mounts.iter().any(|mount| Path::new(&mount.source).starts_with(&own)) {
            continue;
        }
        let has_program = one.mounts.iter().any(|mount| Path::new(&mount.source) == program);
        let is_refused = match one.state.as_str() {
            "exited" => is_refused(engine, &one.id, &[&own, &program]).await?,
            _ => false,
        };
        let is_running = matches!(one.state.as_str(), "running" | "restarting" | "paused");
        users.push(User { container: one.id, task, is_refused, is_running, is_replaced, has_program });
    }
    Ok(users)
}

/// The place that a container's task fills.
fn place(of: &Listed) -> Vec<String> {
    let label = |name: &str| of.labels.as_ref().and_then(|labels| labels.get(name)).cloned();
    // One that names none is in a place of its own.
    let named: Option<Vec<String>> = PLACE_LABELS.iter().map(|name| label(name)).collect();
    named.unwrap_or_else(|| vec![of.id.clone()])
}

/// Whether the engine could not start it for want of one of these paths, or of something in one.
async fn is_refused(engine: &Path, container: &str, own: &[&Path]) -> Result<bool, String> {
    let (status, bytes) = asked(engine, Method::GET, &format!("/containers/{container}/json"), None).await?;
    match status {
        StatusCode::OK => {}
        StatusCode::NOT_FOUND => return Ok(false),
        _ => return Err(format!("the engine answered {status}")),
    }
    let Inspect { state, host_config } = serde_json::from_slice(&bytes).map_err(|error| error.to_string())?;
    let has_policy = !matches!(host_config.restart_policy.name.as_str(), "" | "no");
    let is_missed = own.iter().any(|path| state.error.contains(&path.display().to_string()));
    Ok(has_policy && is_missed && state.status == "exited")
}

/// Starts a container; one that runs already is as wanted.
pub async fn start(engine: &Path, container: &str) -> Result<(), String> {
    let (status, bytes) =
        asked(engine, Method::POST, &format!("/containers/{container}/start"), None).await?;
    if status.is_success() || status == StatusCode::NOT_MODIFIED {
        return Ok(());
    }
    let said: Value = serde_json::from_slice(&bytes).unwrap_or_default();
    Err(format!("the engine answered {status}: {}", said["message"].as_str().unwrap_or_default()))
}

/// For a query: everything but letters, digits and a few signs by its number.
fn escaped(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    text.bytes()
        .map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

/// Whether the engine sees a folder, by its path there. It is asked for a container that has it mounted, of an image that
/// is not there: what it misses first, the folder or the image, is the answer, and nothing is made.
pub async fn sees(engine: &Path, folder: &Path) -> Result<bool, String> {
    let mount = json!({ "Type": "bind", "Source": folder, "Target": "/folder", "ReadOnly": true });
    let container = json!({ "Image": NO_IMAGE, "Cmd": ["none"], "HostConfig": { "Mounts": [mount] } });
    let (status, bytes) = asked(engine, Method::POST, "/containers/create", Some(&container)).await?;
    let said: Value = serde_json::from_slice(&bytes).unwrap_or_default();
    let said = said["message"].as_str().unwrap_or_default();
    match status {
        StatusCode::NOT_FOUND => Ok(true),
        StatusCode::BAD_REQUEST if said.contains("does not exist") => Ok(false),
        _ => Err(format!("the engine answered {status}: {said}")),
    }
}

async fn asked(
    engine: &Path,
    method: Method,
    path: &str,
    content: Option<&Value>,
) -> Result<(StatusCode, Bytes), String> {
    let content = content.map(|value| Bytes::from(value.to_string())).unwrap_or_default();
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header(header::HOST, "docker")
        .header(header::CONTENT_TYPE, "application/json")
        .body(Full::new(content))
        .map_err(|error| error.to_string())?;
    let answer = async {
        let stream = stream::unix(engine).await.map_err(|error| error.to_string())?;
        let mut sender = client::handshake(stream).await.map_err(|error| error.to_string())?;
        let response = sender.send_request(request).await.map_err(|error| error.to_string())?;
        let status = response.status();
        let bytes = body::whole(response.into_body(), LIST_MAX).await.map_err(|error| error.to_string())?;
        Ok((status, bytes))
    };
    timeout(LIMIT, answer).await.unwrap_or_else(|_| Err(format!("no answer within {} s", LIMIT.as_secs())))
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "a test has files")]
pub(in crate::agent) mod tests {
    use std::io::{Read as _, Write as _};
    use std::os::unix::net::UnixListener;

    use super::*;

    /// An engine that answers everything with these bytes, once.
    fn engine(folder: &Path, answer: &'static str) -> std::path::PathBuf {
        let socket = folder.join("docker.sock");
        let _earlier = std::fs::remove_file(&socket);
        let listener = UnixListener::bind(&socket).unwrap();
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let _asked = stream.read(&mut [0; 4096]).unwrap();
            stream.write_all(answer.as_bytes()).unwrap();
        });
        socket
    }

    fn reply(status: &str, text: &str) -> &'static str {
        format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{text}", text.len())
            .leak()
    }

    #[tokio::test]
    async fn only_an_engine_that_answers_says_that_there_are_no_tasks() {
        let folder = tempfile::tempdir().unwrap();
        let asked = async |answer| tasks(&engine(folder.path(), answer)).await;
        let list = r#"[{"Labels": {"io.stackctl.task": "a1"}}, {"Labels": {}}, {"Labels": null}, {"Labels": {
            "io.stackctl.task": "a2", "STACK": "s", "io.stackctl.service": "w", "io.stackctl.slot": "1"}}]"#;
        let list = list.replace("STACK", STACK_LABEL);
        let of = Owner { stack: "s".into(), service: "w".into(), slot: "1".into(), born: 0 };
        let all = [("a1".to_owned(), None), ("a2".to_owned(), Some(of))];
        assert_eq!(asked(reply("200 OK", &list)).await, Ok(all.into()));
        assert_eq!(asked(reply("200 OK", "[]")).await, Ok(BTreeMap::new()));
        for answer in [
            reply("200 OK", "null"),
            reply("200 OK", "{}"),
            reply("500 Oh", "[]"),
            "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n[]",
            "",
        ] {
            assert!(asked(answer).await.is_err(), "{answer}");
        }
        assert!(tasks(Path::new("/nowhere/docker.sock")).await.is_err());
    }

    /// An engine that answers each request with its own text, as often as it is asked.
    pub fn engine_of(
        folder: &Path,
        answer_to: impl Fn(&str) -> Option<String> + Send + 'static,
    ) -> std::path::PathBuf {
        let socket = folder.join("many.sock");
        let listener = UnixListener::bind(&socket).unwrap();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (mut stream, mut bytes) = (stream.unwrap(), [0; 4096]);
                let length = stream.read(&mut bytes).unwrap_or(0);
                let asked = String::from_utf8_lossy(&bytes[..length]).into_owned();
                let answer = match answer_to(&asked) {
                    Some(text) => reply("200 OK", &text),
                    None => "HTTP/1.1 404 No\r\ncontent-length: 0\r\n\r\n",
                };
                let _who_asked_may_be_gone = stream.write_all(answer.as_bytes());
            }
        });
        socket
    }

    #[tokio::test]
    async fn what_could_not_start_for_want_of_secrets_is_told_from_what_was_stopped() {
        let folder = tempfile::tempdir().unwrap();
        let folder_of_agent = Path::new("/var/run/stackctl/prod");
        let one = |id: &str, state: &str, source: &str| {
            json!({ "Id": id, "State": state, "Labels": { (TASK_LABEL): format!("t{id}") },
                    "Mounts": [{ "Source": source }] })
        };
        let own = |id: &str| format!("/var/run/stackctl/prod/secrets/t{id}/0");
        let of_slot = |id: &str, created: i64| {
            let mut one = one(id, "exited", &own(id));
            one["Created"] = json!(created);
            for label in PLACE_LABELS {
                one["Labels"][label] = json!("x");
            }
            one
        };
        let program = "/var/run/stackctl/prod/programs/t9";
        let mut with_program = one("9", "exited", &own("9"));
        with_program["Mounts"] = json!([{ "Source": own("9") }, { "Source": program }]);
        let list = json!([
            of_slot("7", 100),
            of_slot("8", 101),
            one("1", "exited", &own("1")),
            one("2", "exited", &own("2")),
            one("3", "running", &own("3")),
            one("4", "exited", "/srv/data"),
            one("5", "exited", &own("5")),
            one("6", "exited", &own("1")),
            with_program,
        ]);
        let missed =
            |id: &str| format!("error mounting \"{}\" to rootfs: no such file or directory", own(id));
        let state = |error: &str, policy: &str| {
            json!({ "State": { "Status": "exited", "Error": error },
                    "HostConfig": { "RestartPolicy": { "Name": policy } } })
            .to_string()
        };
        let answers = [
            ("GET /containers/json?all=1&filters=%7B%22label%22", list.to_string()),
            ("GET /containers/1/json", state(&missed("1"), "unless-stopped")),
            ("GET /containers/2/json", state("", "unless-stopped")),
            ("GET /containers/5/json", state(&missed("5"), "no")),
            ("GET /containers/7/json", state(&missed("7"), "unless-stopped")),
            ("GET /containers/8/json", state(&missed("8"), "unless-stopped")),
            ("GET /containers/9/json", state(&format!("no such file: {program}"), "unless-stopped")),
            ("POST /containers/1/start", String::new()),
        ];
        let engine = engine_of(folder.path(), move |asked| {
            answers.iter().find(|(path, _)| asked.starts_with(path)).map(|(_, text)| text.clone())
        });
        let found = users(&engine, "prod", folder_of_agent).await.unwrap();
        assert_eq!((found[0].is_replaced, found[0].is_refused), (true, true));
        assert!(found[1..].iter().all(|user| !user.is_replaced));
        assert!(found.iter().all(|user| user.has_program == (user.container == "9")));
        assert!(found.iter().all(|user| user.is_running == (user.container == "3")));
        let found: Vec<_> = found.iter().map(|user| (user.container.as_str(), user.is_refused)).collect();
        assert_eq!(found[..2], [("7", true), ("8", true)]);
        assert_eq!(found[2..], [("1", true), ("2", false), ("3", false), ("5", false), ("9", true)]);
        assert_eq!(start(&engine, "1").await, Ok(()));
        assert!(start(&engine, "10").await.is_err());
        assert_eq!(escaped("{\"a=b c"), "%7B%22a%3Db%20c");
    }

    #[tokio::test]
    async fn what_an_engine_misses_first_says_whether_it_sees_a_folder() {
        let folder = tempfile::tempdir().unwrap();
        let asked = async |answer| sees(&engine(folder.path(), answer), Path::new("/run/x")).await;
        let missing = r#"{"message": "invalid mount config for type \"bind\": bind source path does not exist: /run/x"}"#;
        assert_eq!(asked(reply("404 Not Found", r#"{"message": "No such image: x"}"#)).await, Ok(true));
        assert_eq!(asked(reply("400 Bad Request", missing)).await, Ok(false));
        assert!(asked(reply("400 Bad Request", r#"{"message": "no"}"#)).await.is_err());
        assert!(asked(reply("503 Later", missing)).await.is_err());
    }
}
