//! What an agent asks of the engine of its host. An engine that does not answer says nothing: that is not "no".

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, StatusCode, header};
use http_body_util::Full;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::http::{body, client, stream};

/// The label that has the id of a task, on its container.
pub const TASK_LABEL: &str = "io.stackctl.task";

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

/// The tasks that have a container, in whatever state.
pub async fn tasks(engine: &Path) -> Result<BTreeSet<String>, String> {
    // Without a version: every engine has this request, and no version of the API is known to all of them.
    let path = format!("/containers/json?all=1&filters=%7B%22label%22%3A%5B%22{TASK_LABEL}%22%5D%7D");
    let (status, bytes) = asked(engine, Method::GET, &path, None).await?;
    if status != StatusCode::OK {
        return Err(format!("the engine answered {status}"));
    }
    let containers: Vec<Container> = serde_json::from_slice(&bytes).map_err(|error| error.to_string())?;
    Ok(containers.into_iter().filter_map(|one| one.labels?.remove(TASK_LABEL)).collect())
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
mod tests {
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
        let list = r#"[{"Labels": {"io.stackctl.task": "a1"}}, {"Labels": {}}, {"Labels": null}]"#;
        assert_eq!(asked(reply("200 OK", list)).await, Ok(["a1".to_owned()].into()));
        assert_eq!(asked(reply("200 OK", "[]")).await, Ok(BTreeSet::new()));
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
