//! The pool against a small engine in this process.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use http_body_util::BodyExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixListener;

use super::*;
use crate::http::stream;

#[derive(Debug)]
struct Socket(PathBuf);

impl Open for Socket {
    fn open(&self) -> Opening<'_> {
        Box::pin(stream::unix(&self.0))
    }

    fn streams_max(&self) -> usize {
        2
    }
}

/// Answers each request with its first line; closes a connection after `answers_max` answers, and the
/// first connection of all without any answer if `rude`.
fn engine(path: &Path, answers_max: usize, rude: bool) -> Arc<AtomicUsize> {
    let listener = UnixListener::bind(path).unwrap();
    let connections = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&connections);
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let number = seen.fetch_add(1, Ordering::SeqCst);
            tokio::spawn(async move {
                let mut buffer = vec![0; 4096];
                for _ in 0..answers_max {
                    let Ok(n @ 1..) = stream.read(&mut buffer).await else { return };
                    if rude && number == 0 {
                        return;
                    }
                    let text = String::from_utf8_lossy(&buffer[..n]).into_owned();
                    let line = text.lines().next().unwrap_or_default();
                    let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{line}", line.len());
                    stream.write_all(answer.as_bytes()).await.unwrap();
                }
            });
        }
    });
    connections
}

fn request(method: Method, path: &str) -> Request<Body> {
    Request::builder().method(method).uri(path).body(Either::Left(Full::default())).unwrap()
}

async fn text(transport: &Transport, method: Method, path: &str) -> Result<String, TransportError> {
    let response = transport.send(request(method, path)).await?;
    let body = response.into_body().collect().await.map_err(TransportError::Http)?.to_bytes();
    // The connection goes back in a task of its own.
    tokio::task::yield_now().await;
    Ok(String::from_utf8_lossy(&body).into_owned())
}

struct World {
    transport: Transport,
    connections: Arc<AtomicUsize>,
    counts: Arc<CallCounts>,
    _folder: tempfile::TempDir,
}

fn world(answers_max: usize, rude: bool) -> World {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s");
    let connections = engine(&path, answers_max, rude);
    let counts = Arc::new(CallCounts::default());
    let transport = Transport::new(Arc::new(Socket(path)), Arc::clone(&counts), Turns::new(256));
    World { transport, connections, counts, _folder: folder }
}

#[tokio::test]
async fn the_version_stands_in_front_exactly_once() {
    let world = world(9, false);
    let ask = |path| text(&world.transport, Method::GET, path);
    assert_eq!(ask("http://docker/version").await.unwrap(), "GET /version HTTP/1.1");
    world.transport.speak("1.41");
    assert_eq!(ask("http://docker/info?a=b").await.unwrap(), "GET /v1.41/info?a=b HTTP/1.1");
    assert_eq!(ask("/v1.30/info").await.unwrap(), "GET /v1.30/info HTTP/1.1");
    assert_eq!(ask("/volumes").await.unwrap(), "GET /v1.41/volumes HTTP/1.1");
}

#[tokio::test]
async fn connections_are_kept_and_calls_counted() {
    let world = world(99, false);
    for id in ["a", "b", "c"] {
        text(&world.transport, Method::POST, &format!("/containers/{id}/start")).await.unwrap();
    }
    assert_eq!(world.connections.load(Ordering::SeqCst), 1);
    assert_eq!(
        world.counts.snapshot().into_iter().collect::<Vec<_>>(),
        [("POST /containers/{}/start".to_owned(), 3)]
    );
}

#[tokio::test]
async fn a_connection_closed_while_idle_is_replaced() {
    let world = world(1, false);
    for _ in 0..3 {
        text(&world.transport, Method::GET, "/info").await.unwrap();
    }
    assert_eq!(world.connections.load(Ordering::SeqCst), 3);
}

#[tokio::test]
async fn reading_is_tried_twice_and_writing_once() {
    assert!(text(&world(9, true).transport, Method::GET, "/info").await.is_ok());
    let written = text(&world(9, true).transport, Method::POST, "/containers/a/start").await;
    assert!(matches!(written, Err(TransportError::Http(_))), "{written:?}");
}

#[tokio::test]
async fn no_more_streams_than_the_link_carries() {
    let world = world(99, false);
    let calls = (0..20).map(|_| text(&world.transport, Method::GET, "/info"));
    for answer in futures_util::future::join_all(calls).await {
        answer.unwrap();
    }
    assert!(world.connections.load(Ordering::SeqCst) <= 2);
}

#[test]
fn paths_become_templates() {
    for (path, wanted) in [
        ("/v1.41/containers/json", "/containers/json"),
        ("/containers/json/json", "/containers/{}/json"),
        ("/containers/create", "/containers/create"),
        ("/v1.41/containers/efk_web.1.x/start", "/containers/{}/start"),
        ("/v1.41/distribution/registry:5000/team/web:1/json", "/distribution/{}/json"),
        ("/v1.41/networks/efk_default", "/networks/{}"),
        ("/_ping", "/_ping"),
    ] {
        assert_eq!(template(path), wanted, "{path}");
    }
}
