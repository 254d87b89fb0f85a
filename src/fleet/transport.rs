//! HTTP/1 to one engine: a pool of kept-alive connections over whatever stream the link can open.
//!
//! Written for bollard's custom transport, because its own ones open a connection for each request, and
//! because its released version never puts the API version into the path, so that every engine answers
//! in its own newest dialect. The version is put in here, once, for bollard's calls and ours alike.
//!
//! A request is sent a second time only if that cannot do harm: when it never left, or when it reads.
//!
//! The bytes of an answer are counted where they come in, by whatever they are read: one host must not take the memory of all.

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::Stream as Frames;
use http::header::{HOST, HeaderName, HeaderValue};
use http::uri::PathAndQuery;
use http::{Method, Request, Response, Uri};
use http_body_util::{Either, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::turns::{Turn, Turns};
use crate::http::client::{self, Sender};
use crate::http::stream::Stream;

/// For an answer that is read to its end: some ten thousand containers with all their labels.
pub const ANSWER_MAX: u64 = 64 << 20;
/// For a list of records, which hold whole releases: as much as from other ledgers.
const RECORDS_MAX: u64 = 256 << 20;

/// Opening a stream, some day.
pub type Opening<'a> = Pin<Box<dyn Future<Output = io::Result<Stream>> + Send + 'a>>;

/// Opens streams to one engine.
pub trait Open: Send + Sync + fmt::Debug {
    /// A new stream.
    fn open(&self) -> Opening<'_>;

    /// How many may be open at a time.
    fn streams_max(&self) -> usize;
}

type Parts = Pin<Box<dyn Frames<Item = Result<Frame<Bytes>, io::Error>> + Send>>;

/// The body of a request, as bollard has it.
pub type Body = Either<Full<Bytes>, StreamBody<Parts>>;

/// No HTTP answer came back.
#[derive(Debug, thiserror::Error)]
pub enum TransportError {
    /// No stream to the engine.
    #[error("the engine's socket cannot be opened")]
    Open(#[source] io::Error),
    /// The stream broke, or what came over it was not HTTP.
    #[error("the conversation with the engine broke off")]
    Http(#[source] hyper::Error),
    /// The sender no longer holds its lease.
    #[error("not sent: the lease is lost")]
    Fenced,
    /// The request itself is malformed.
    #[error("not a request: {0}")]
    Malformed(String),
}

/// An answer that is longer than it may be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{call}` is answered with more than {} MiB", max >> 20)]
pub struct TooLong {
    /// `GET /containers/json`.
    pub call: String,
    /// The limit in bytes.
    pub max: u64,
}

impl TooLong {
    /// The reason for an error, if it is this one.
    #[must_use]
    pub fn behind(error: &(dyn std::error::Error + 'static)) -> Option<Self> {
        let mut next = Some(error);
        while let Some(error) = next {
            let within = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
            let found = within.and_then(|within| within.downcast_ref::<Self>());
            if let Some(found) = found.or_else(|| error.downcast_ref::<Self>()) {
                return Some(found.clone());
            }
            next = error.source();
        }
        None
    }
}

/// How much of an answer may still come over a connection.
#[derive(Debug, Default)]
struct Meter(Mutex<Allowance>);

#[derive(Debug, Default)]
struct Allowance {
    call: String,
    max: u64,
    left: u64,
}

impl Meter {
    /// The next answer is to this call, and may be so long.
    fn begin(&self, call: String, max: u64) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Allowance { call, max, left: max };
    }

    fn take(&self, bytes: usize) -> Result<(), TooLong> {
        let mut allowance = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let left = allowance.left.checked_sub(bytes as u64);
        allowance.left = left.unwrap_or_default();
        left.map(|_| ()).ok_or_else(|| TooLong { call: allowance.call.clone(), max: allowance.max })
    }
}

/// A stream whose bytes are counted as they come in.
struct Metered {
    stream: Stream,
    meter: Arc<Meter>,
}

impl AsyncRead for Metered {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buf);
        if let Poll::Ready(Ok(())) = read {
            self.meter.take(buf.filled().len() - before).map_err(io::Error::other)?;
        }
        read
    }
}

impl AsyncWrite for Metered {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

/// Calls by `METHOD /path/{}`.
#[derive(Debug, Default)]
pub struct CallCounts(Mutex<BTreeMap<String, u64>>);

impl CallCounts {
    fn add(&self, call: &str) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *counts.entry(call.to_owned()).or_default() += 1;
    }

    /// What was counted so far.
    #[must_use]
    pub fn snapshot(&self) -> BTreeMap<String, u64> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Every changing request carries the lease under which it is sent, as `stack/epoch`. Engines ignore it; a
/// proxy or a test can check which holder sent a request, and that no earlier holder sent one after it.
const LEASE: HeaderName = HeaderName::from_static("x-stackctl-lease");

/// Whether its holder may still write.
#[derive(Clone)]
pub struct Fence {
    lease: Option<HeaderValue>,
    is_open: Arc<dyn Fn() -> bool + Send + Sync>,
}

impl Fence {
    /// A fence that is checked for each request, and its lease.
    pub fn new(lease: Option<String>, is_open: impl Fn() -> bool + Send + Sync + 'static) -> Self {
        let lease = lease.and_then(|lease| HeaderValue::try_from(lease).ok());
        Self { lease, is_open: Arc::new(is_open) }
    }

    /// Whether a change may be sent now.
    #[must_use]
    pub fn is_open(&self) -> bool {
        (self.is_open)()
    }
}

impl fmt::Debug for Fence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Fence")
    }
}

/// A pool of connections to one engine.
#[derive(Clone, Debug)]
pub struct Transport {
    pool: Arc<Pool>,
    fence: Option<Fence>,
    /// Calls wait for these; those of the ledger for none.
    turns: Option<Turns>,
    answer_max: u64,
}

/// A connection that carries one request after the other.
struct Kept {
    sender: Sender<Body>,
    meter: Arc<Meter>,
}

struct Pool {
    opener: Arc<dyn Open>,
    idle: Mutex<Vec<Kept>>,
    slots: Arc<Semaphore>,
    prefix: OnceLock<String>,
    counts: Arc<CallCounts>,
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool").field("opener", &self.opener).field("prefix", &self.prefix).finish()
    }
}

impl Transport {
    /// A pool with nothing in it yet.
    #[must_use]
    pub(super) fn new(opener: Arc<dyn Open>, counts: Arc<CallCounts>, turns: Turns) -> Self {
        let slots = Arc::new(Semaphore::new(opener.streams_max()));
        let pool = Pool { opener, idle: Mutex::default(), slots, prefix: OnceLock::new(), counts };
        Self { pool: Arc::new(pool), fence: None, turns: Some(turns), answer_max: ANSWER_MAX }
    }

    /// The same pool for a writer that sends changes only while the fence is open.
    #[must_use]
    pub fn fenced(&self, fence: Fence) -> Self {
        Self { fence: Some(fence), ..self.clone() }
    }

    /// The same pool for calls that wait for no turn: heartbeats of leases, and what has a turn already.
    #[must_use]
    pub fn without_turns(&self) -> Self {
        Self { turns: None, ..self.clone() }
    }

    /// The same pool for the ledger's records.
    #[must_use]
    pub fn for_records(&self) -> Self {
        Self { answer_max: RECORDS_MAX, ..self.without_turns() }
    }

    /// The same pool for answers without an end, whose reader keeps nothing of them.
    #[must_use]
    pub fn endless(&self) -> Self {
        Self { answer_max: u64::MAX, ..self.clone() }
    }

    /// Waits for the turn of one call, which is to be held until it is answered.
    pub(super) async fn turn(&self) -> Option<Turn> {
        match &self.turns {
            Some(turns) => Some(turns.call().await),
            None => None,
        }
    }

    /// From now on every path begins with `/v<version>`. The first call decides.
    pub fn speak(&self, version: &str) {
        self.pool.prefix.get_or_init(|| format!("/v{version}"));
    }

    /// Closes the idle connections.
    pub fn close_idle(&self) {
        self.pool.idle().clear();
    }

    /// Sends a request and waits for the head of the answer.
    pub async fn send(&self, request: Request<Body>) -> Result<Response<Incoming>, TransportError> {
        let mut request = self.pool.addressed(request)?;
        let fence = self.fence.as_ref().filter(|_| !request.method().is_safe());
        if let Some(lease) = fence.and_then(|fence| fence.lease.clone()) {
            request.headers_mut().insert(LEASE, lease);
        }
        let call = format!("{} {}", request.method(), template(request.uri().path()));
        self.pool.counts.add(&call);
        let mut spare = repeatable(&request);
        let slots = Arc::clone(&self.pool.slots);
        let permit = slots.acquire_owned().await.expect("the semaphore is never closed");
        loop {
            let kept = self.pool.take_idle();
            let fresh = kept.is_none();
            let Kept { mut sender, meter } = match kept {
                Some(kept) => kept,
                None => self.pool.open().await?,
            };
            // At the last moment: a permit, a stream or a connection may have been waited for.
            if fence.is_some_and(|fence| !fence.is_open()) {
                return Err(TransportError::Fenced);
            }
            meter.begin(call.clone(), self.answer_max);
            match sender.try_send_request(request).await {
                Ok(response) => {
                    self.pool.give_back(Kept { sender, meter }, permit);
                    return Ok(response);
                }
                Err(mut failed) => match (failed.take_message(), spare.take()) {
                    // A kept connection that the engine had closed meanwhile: nothing was sent.
                    (Some(unsent), copy) if !fresh => {
                        request = unsent;
                        spare = copy;
                    }
                    (_, Some(copy)) => request = copy,
                    (_, None) => return Err(TransportError::Http(failed.into_error())),
                },
            }
        }
    }
}

impl Pool {
    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Kept>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take_idle(&self) -> Option<Kept> {
        let mut idle = self.idle();
        while let Some(kept) = idle.pop() {
            if kept.sender.is_ready() {
                return Some(kept);
            }
        }
        None
    }

    async fn open(&self) -> Result<Kept, TransportError> {
        let stream = self.opener.open().await.map_err(TransportError::Open)?;
        let meter = Arc::new(Meter::default());
        let stream = Metered { stream, meter: Arc::clone(&meter) };
        let sender = client::handshake(Box::new(stream)).await.map_err(TransportError::Http)?;
        Ok(Kept { sender, meter })
    }

    /// Keeps the connection once the body of its answer is read to the end. The permit goes along, so
    /// that there are never more streams than the link can carry.
    fn give_back(self: &Arc<Self>, mut kept: Kept, permit: OwnedSemaphorePermit) {
        let pool = Arc::clone(self);
        tokio::spawn(async move {
            if kept.sender.ready().await.is_ok() {
                pool.idle().push(kept);
            }
            drop(permit);
        });
    }

    /// In origin form, with the version in front unless there is one, and a host for HTTP's sake.
    fn addressed(&self, request: Request<Body>) -> Result<Request<Body>, TransportError> {
        let malformed = |e: &dyn fmt::Display| TransportError::Malformed(e.to_string());
        let (mut head, body) = request.into_parts();
        let path = head.uri.path_and_query().map_or("/", PathAndQuery::as_str);
        let uri = match self.prefix.get() {
            Some(prefix) if !has_version(path) => format!("{prefix}{path}"),
            Some(_) | None => path.to_owned(),
        };
        head.uri = Uri::try_from(uri).map_err(|e| malformed(&e))?;
        head.headers.insert(HOST, HeaderValue::from_static("docker"));
        Ok(Request::from_parts(head, body))
    }
}

/// A copy of a request that only reads.
fn repeatable(request: &Request<Body>) -> Option<Request<Body>> {
    if request.method() != Method::GET {
        return None;
    }
    let Either::Left(body) = request.body() else { return None };
    let mut copy = Request::new(Either::Left(body.clone()));
    *copy.method_mut() = request.method().clone();
    *copy.uri_mut() = request.uri().clone();
    *copy.headers_mut() = request.headers().clone();
    Some(copy)
}

/// Whether a path begins with `/v1.41/`.
fn has_version(path: &str) -> bool {
    let first = path.trim_start_matches('/').split(['/', '?']).next().unwrap_or_default();
    first.strip_prefix('v').is_some_and(|rest| {
        rest.split_once('.').is_some_and(|(major, minor)| is_number(major) && is_number(minor))
    })
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

/// Words of the API's paths. Any other segment is a name or an id.
const PATH_WORDS: [&str; 28] = [
    "_ping",
    "archive",
    "connect",
    "containers",
    "create",
    "disable",
    "disconnect",
    "distribution",
    "enable",
    "events",
    "exec",
    "images",
    "info",
    "json",
    "kill",
    "load",
    "logs",
    "networks",
    "plugins",
    "prune",
    "remove",
    "restart",
    "start",
    "stats",
    "stop",
    "version",
    "volumes",
    "wait",
];

/// The path without its version, and with `{}` for names: `/containers/{}/start`.
fn template(path: &str) -> String {
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    let parts = &parts[usize::from(has_version(path))..];
    let mut text = String::new();
    for (at, part) in parts.iter().enumerate() {
        // The first word is the API's; the last may be a verb; a name may have slashes, and be `web`.
        let is_word = PATH_WORDS.contains(part) && (at != 1 || parts.len() == 2);
        let next = if is_word { part } else { "{}" };
        if !(next == "{}" && text.ends_with("/{}")) {
            text.push('/');
            text.push_str(next);
        }
    }
    text
}

#[cfg(test)]
mod tests;
