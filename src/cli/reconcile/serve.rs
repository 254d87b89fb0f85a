//! Serves `/healthz` and `/metrics`, read-only.

use std::future::ready;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::{Method, Request, StatusCode};
use hyper::body::Incoming;
use tokio::sync::watch;

use super::{metrics, webhook};
use crate::engine::Clock;
use crate::http::server::{self, Answer, Limits, Server, plain};
use crate::notify;
use crate::reconcile::Snapshot;

/// The age of the last iteration above which the loop counts as stalled.
const STALLED_MS: i64 = 15_000;
/// Probes and a scraper or two.
const LIMITS: Limits =
    Limits { connections_max: 32, head: Duration::from_secs(5), whole: Duration::from_secs(20) };

/// Starts the server, which runs until the result is dropped.
pub(super) async fn serve(
    address: SocketAddr,
    clock: Clock,
    seen: watch::Receiver<Snapshot>,
    notified: Arc<notify::Counts>,
    deliveries: Option<Arc<webhook::Counts>>,
    dropped: impl Fn() -> u64 + Send + Sync + 'static,
) -> io::Result<Server> {
    let dropped = Arc::new(dropped);
    Server::listen(address, LIMITS, move |request: Request<Incoming>| {
        let more = deliveries.as_deref().map(webhook::metrics).unwrap_or_default();
        let text = || metrics::text(&seen.borrow(), &notified, dropped()) + &more;
        ready(answer(request.method(), request.uri().path(), &seen.borrow(), text, clock))
    })
    .await
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
            ago if ago > STALLED_MS => plain(
                StatusCode::SERVICE_UNAVAILABLE,
                format!("stalled: last iteration {} s ago\n", ago / 1000),
            ),
            _ if seen.is_leading => plain(StatusCode::OK, "ok\n".to_owned()),
            _ => plain(StatusCode::OK, "ok (standby)\n".to_owned()),
        },
        "/metrics" => server::answer(StatusCode::OK, metrics::CONTENT_TYPE, metrics()),
        _ => plain(StatusCode::NOT_FOUND, "only /healthz and /metrics exist\n".to_owned()),
    }
}
