//! A small engine in this process, on a unix socket: it answers what a test tells it to, and remembers
//! what it was asked.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::task::JoinHandle;

/// What the engine says to a request.
pub enum Answer {
    /// A status and a body.
    Json(u16, Value),
    /// Lines, as a pull has them.
    Lines(&'static str),
    /// Nothing: the connection is closed.
    HangUp,
}

/// An answer of status 200.
pub fn ok(body: Value) -> Answer {
    Answer::Json(200, body)
}

/// A refusal.
pub fn no(status: u16, message: &str) -> Answer {
    Answer::Json(status, json!({ "message": message }))
}

type Script = Arc<dyn Fn(&str, &Value) -> Option<Answer> + Send + Sync>;

/// An engine that answers by a script.
pub struct FakeEngine {
    pub socket: PathBuf,
    asked: Arc<Mutex<Vec<String>>>,
    script: Script,
    serving: JoinHandle<()>,
    _folder: tempfile::TempDir,
}

impl FakeEngine {
    /// `script` gets `METHOD /path?query` without the version, and the body; what it has no answer to
    /// is answered as an empty engine would.
    pub fn start(script: impl Fn(&str, &Value) -> Option<Answer> + Send + Sync + 'static) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("s");
        let asked = Arc::default();
        let script: Script = Arc::new(script);
        let serving = serve(&socket, Arc::clone(&script), Arc::clone(&asked));
        Self { socket, asked, script, serving, _folder: folder }
    }

    /// What it was asked since the last time, without greetings.
    pub fn asked(&self) -> Vec<String> {
        let asked = std::mem::take(&mut *self.asked.lock().unwrap());
        asked.into_iter().filter(|line| line != "GET /version").collect()
    }

    /// Dies, leaving its socket behind.
    pub fn die(&self) {
        self.serving.abort();
    }

    /// Comes back.
    #[expect(clippy::disallowed_methods, reason = "its socket is a file")]
    pub fn come_back(&mut self) {
        std::fs::remove_file(&self.socket).unwrap();
        self.serving = serve(&self.socket, Arc::clone(&self.script), Arc::clone(&self.asked));
    }
}

impl Drop for FakeEngine {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

fn serve(socket: &Path, script: Script, asked: Arc<Mutex<Vec<String>>>) -> JoinHandle<()> {
    let listener = UnixListener::bind(socket).unwrap();
    tokio::spawn(async move {
        // Conversations end with the engine.
        let mut talks = tokio::task::JoinSet::new();
        while let Ok((stream, _)) = listener.accept().await {
            talks.spawn(converse(stream, Arc::clone(&script), Arc::clone(&asked)));
        }
    })
}

async fn converse(mut stream: UnixStream, script: Script, asked: Arc<Mutex<Vec<String>>>) {
    while let Some((line, body)) = read(&mut stream).await {
        asked.lock().unwrap().push(line.clone());
        let answer = script(&line, &body).unwrap_or_else(|| empty_engine(&line));
        let (status, text) = match answer {
            Answer::Json(status, Value::Null) => (status, String::new()),
            Answer::Json(status, body) => (status, body.to_string()),
            Answer::Lines(text) => (200, text.to_owned()),
            Answer::HangUp => return,
        };
        let head = format!("HTTP/1.1 {status} X\r\ncontent-length: {}\r\n\r\n", text.len());
        let sent = stream.write_all(format!("{head}{text}").as_bytes()).await;
        if sent.is_err() {
            return;
        }
    }
}

async fn read(stream: &mut UnixStream) -> Option<(String, Value)> {
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break end;
        }
        let mut some = [0; 4096];
        let n = stream.read(&mut some).await.ok().filter(|&n| n > 0)?;
        bytes.extend_from_slice(&some[..n]);
    };
    let head = String::from_utf8(bytes[..end].to_vec()).ok()?;
    let length = head
        .lines()
        .find_map(|line| line.to_lowercase().strip_prefix("content-length: ").map(str::to_owned))
        .map_or(0, |text| text.trim().parse().unwrap());
    let mut body = bytes[end + 4..].to_vec();
    while body.len() < length {
        let mut some = [0; 4096];
        let n = stream.read(&mut some).await.ok().filter(|&n| n > 0)?;
        body.extend_from_slice(&some[..n]);
    }
    let mut words = head.lines().next()?.split(' ');
    let (method, path) = (words.next()?, words.next()?);
    let line = format!("{method} {}", path.strip_prefix("/v1.41").unwrap_or(path));
    Some((line, serde_json::from_slice(&body).unwrap_or_default()))
}

fn empty_engine(line: &str) -> Answer {
    match line.split('?').next().unwrap_or_default() {
        "GET /version" => ok(json!({ "Version": "20.10.24", "ApiVersion": "1.41", "MinAPIVersion": "1.12" })),
        "GET /info" => ok(json!({ "Name": "fake" })),
        "GET /containers/json" | "GET /networks" | "GET /images/json" => ok(json!([])),
        "GET /volumes" => ok(json!({ "Volumes": null })),
        _ => no(404, "no such thing"),
    }
}
