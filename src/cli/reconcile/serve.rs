//! `/healthz` and `/metrics`, for those who watch the loop. Answers questions and takes no orders.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::{metrics, webhook};
use crate::cli::notify;
use crate::engine::Clock;
use crate::engine::reconcile::Snapshot;

/// A loop that has not gone round for so long is stuck.
const STUCK_MS: i64 = 15_000;
/// Connections at a time: probes and a scraper or two.
const CONNECTIONS_MAX: usize = 32;
/// For the head of a request.
const HEAD_LIMIT: Duration = Duration::from_secs(5);

/// What is answered.
pub(super) type Answer = Response<Full<Bytes>>;

/// Begins to serve; where, and the task that ends it when dropped.
pub(super) async fn serve(
    address: SocketAddr,
    clock: Clock,
    seen: watch::Receiver<Snapshot>,
    told: Arc<notify::Counts>,
    deliveries: Option<Arc<webhook::Counts>>,
) -> io::Result<(SocketAddr, JoinSet<()>)> {
    accept(address, CONNECTIONS_MAX, move |stream| {
        let (seen, told, deliveries) = (seen.clone(), Arc::clone(&told), deliveries.clone());
        async move {
            let answer = service_fn(|request: Request<Incoming>| {
                let more = deliveries.as_deref().map(webhook::metrics).unwrap_or_default();
                let text = || metrics::text(&seen.borrow(), &told) + &more;
                let answer = answer(request.method(), request.uri().path(), &seen.borrow(), text, clock);
                async move { Ok::<_, Infallible>(answer) }
            });
            let mut http = http1::Builder::new();
            http.timer(TokioTimer::new()).header_read_timeout(HEAD_LIMIT);
            // Whoever hangs up has heard enough.
            let _gone = http.serve_connection(TokioIo::new(stream), answer).await;
        }
    })
    .await
}

/// Listens, and has every connection served, so many at a time.
pub(super) async fn accept<F: Future<Output = ()> + Send + 'static>(
    address: SocketAddr,
    connections_max: usize,
    served: impl Fn(TcpStream) -> F + Send + 'static,
) -> io::Result<(SocketAddr, JoinSet<()>)> {
    let listener = TcpListener::bind(address).await?;
    let at = listener.local_addr()?;
    let mut server = JoinSet::new();
    server.spawn(async move {
        let mut connections = JoinSet::new();
        loop {
            while connections.len() >= connections_max {
                connections.join_next().await;
            }
            // Out of files, say: whoever asks may come again.
            let Ok((stream, _)) = listener.accept().await else {
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            };
            while connections.try_join_next().is_some() {}
            connections.spawn(served(stream));
        }
    });
    Ok((at, server))
}

fn answer(
    method: &Method,
    path: &str,
    seen: &Snapshot,
    metrics: impl FnOnce() -> String,
    clock: Clock,
) -> Answer {
    if !matches!(*method, Method::GET | Method::HEAD) {
        return plain(StatusCode::METHOD_NOT_ALLOWED, "only GET\n".to_owned());
    }
    match path {
        "/healthz" => match clock.now().since_ms(seen.at) {
            ago if ago > STUCK_MS => plain(
                StatusCode::SERVICE_UNAVAILABLE,
                format!("stuck: last went round {} s ago\n", ago / 1000),
            ),
            _ if seen.is_leading => plain(StatusCode::OK, "ok\n".to_owned()),
            _ => plain(StatusCode::OK, "ok, without the lead\n".to_owned()),
        },
        "/metrics" => made(StatusCode::OK, metrics::CONTENT_TYPE, metrics()),
        _ => plain(StatusCode::NOT_FOUND, "there are /healthz and /metrics\n".to_owned()),
    }
}

/// An answer of words.
pub(super) fn plain(status: StatusCode, text: String) -> Answer {
    made(status, "text/plain; charset=utf-8", text)
}

fn made(status: StatusCode, kind: &'static str, text: String) -> Answer {
    let mut response = Response::new(Full::new(Bytes::from(text)));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static(kind));
    response
}
