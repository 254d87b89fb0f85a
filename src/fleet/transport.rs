//! HTTP/1 to one engine: a pool of kept-alive connections over whatever stream the link can open.
//!
//! Written for bollard's custom transport, because its own ones open a connection for each request, and
//! because its released version never puts the API version into the path, so that every engine answers
//! in its own newest dialect. The version is put in here, once, for bollard's calls and ours alike.
//!
//! A request is sent a second time only if that cannot do harm: when it never left, or when it reads.

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use bytes::Bytes;
use futures_util::Stream as Frames;
use http::header::{HOST, HeaderName, HeaderValue};
use http::uri::PathAndQuery;
use http::{Method, Request, Response, Uri};
use http_body_util::{Either, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::http::client::{self, Sender};
use crate::http::stream::Stream;

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

/// Calls by `METHOD /path/{}`.
#[derive(Debug, Default)]
pub struct CallCounts(Mutex<BTreeMap<String, u64>>);

impl CallCounts {
    fn add(&self, method: &Method, path: &str) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *counts.entry(format!("{method} {}", template(path))).or_default() += 1;
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
}

struct Pool {
    opener: Arc<dyn Open>,
    idle: Mutex<Vec<Sender<Body>>>,
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
    pub fn new(opener: Arc<dyn Open>, counts: Arc<CallCounts>) -> Self {
        let slots = Arc::new(Semaphore::new(opener.streams_max()));
        let pool = Pool { opener, idle: Mutex::default(), slots, prefix: OnceLock::new(), counts };
        Self { pool: Arc::new(pool), fence: None }
    }

    /// The same pool for a writer that sends changes only while the fence is open.
    #[must_use]
    pub fn fenced(&self, fence: Fence) -> Self {
        Self { pool: Arc::clone(&self.pool), fence: Some(fence) }
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
        self.pool.counts.add(request.method(), request.uri().path());
        let mut spare = repeatable(&request);
        let slots = Arc::clone(&self.pool.slots);
        let permit = slots.acquire_owned().await.expect("the semaphore is never closed");
        loop {
            let kept = self.pool.take_idle();
            let fresh = kept.is_none();
            let mut sender = match kept {
                Some(sender) => sender,
                None => self.pool.open().await?,
            };
            // At the last moment: a permit, a stream or a connection may have been waited for.
            if fence.is_some_and(|fence| !(fence.is_open)()) {
                return Err(TransportError::Fenced);
            }
            match sender.try_send_request(request).await {
                Ok(response) => {
                    self.pool.give_back(sender, permit);
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
    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Sender<Body>>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take_idle(&self) -> Option<Sender<Body>> {
        let mut idle = self.idle();
        while let Some(sender) = idle.pop() {
            if sender.is_ready() {
                return Some(sender);
            }
        }
        None
    }

    async fn open(&self) -> Result<Sender<Body>, TransportError> {
        let stream = self.opener.open().await.map_err(TransportError::Open)?;
        client::handshake(stream).await.map_err(TransportError::Http)
    }

    /// Keeps the connection once the body of its answer is read to the end. The permit goes along, so
    /// that there are never more streams than the link can carry.
    fn give_back(self: &Arc<Self>, mut sender: Sender<Body>, permit: OwnedSemaphorePermit) {
        let pool = Arc::clone(self);
        tokio::spawn(async move {
            if sender.ready().await.is_ok() {
                pool.idle().push(sender);
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
const PATH_WORDS: [&str; 24] = [
    "_ping",
    "archive",
    "connect",
    "containers",
    "create",
    "disconnect",
    "distribution",
    "events",
    "exec",
    "images",
    "info",
    "json",
    "kill",
    "logs",
    "networks",
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
