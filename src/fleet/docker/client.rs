//! Calls to one engine: reading through our own wire types, writing through bollard.

use std::fmt;
use std::io;
use std::str::FromStr;
use std::time::Duration;

use bollard::{API_DEFAULT_VERSION, ClientVersion, Docker};
use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_TYPE, HeaderName, HeaderValue, UPGRADE};
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Either, Full};
use hyper::body::Incoming;
use serde::de::DeserializeOwned;
use tokio::time::timeout;

use crate::fleet::error::HostError;
use crate::fleet::transport::{Body, Fence, TooLong, Transport, TransportError};
use crate::fleet::turns::Turn;
use crate::http::client::{self as http_client, Upgraded};

use super::wire;

/// A version of the engine's API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ApiVersion {
    /// Always 1 so far.
    pub major: u32,
    /// Grows with each engine.
    pub minor: u32,
}

impl ApiVersion {
    /// 1.`minor`.
    #[must_use]
    pub const fn v1(minor: u32) -> Self {
        Self { major: 1, minor }
    }

    /// Docker 20.10's, the oldest supported.
    pub const OLDEST: Self = Self::v1(41);

    /// The newest whose models bollard has.
    pub const NEWEST: Self = Self {
        major: API_DEFAULT_VERSION.major_version as u32,
        minor: API_DEFAULT_VERSION.minor_version as u32,
    };
}

impl fmt::Display for ApiVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

impl FromStr for ApiVersion {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (major, minor) = text.split_once('.').ok_or(())?;
        Ok(Self { major: major.parse().map_err(|_| ())?, minor: minor.parse().map_err(|_| ())? })
    }
}

/// Why a call failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// The engine said no.
    #[error("{message}")]
    Status { code: u16, message: String },
    /// The connection broke, or was never made.
    #[error("{0}")]
    Transport(String),
    /// No answer in time.
    #[error("no answer within {} s", .0.as_secs())]
    Deadline(Duration),
    /// The answer does not follow the API.
    #[error("the answer cannot be read: {0}")]
    Decode(String),
    /// The answer, or a line of it, has no end.
    #[error("{0}")]
    TooLong(String),
}

impl CallError {
    /// Whether the engine did not answer at all, so that the effect of the call is not known.
    #[must_use]
    pub fn is_silence(&self) -> bool {
        match self {
            Self::Transport(_) | Self::Deadline(_) => true,
            Self::Status { .. } | Self::Decode(_) | Self::TooLong(_) => false,
        }
    }

    /// The HTTP status, if there was an answer.
    #[must_use]
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Status { code, .. } => Some(*code),
            Self::Transport(_) | Self::Deadline(_) | Self::Decode(_) | Self::TooLong(_) => None,
        }
    }
}

impl From<TransportError> for CallError {
    fn from(error: TransportError) -> Self {
        if let Some(long) = TooLong::behind(&error) {
            return Self::TooLong(long.to_string());
        }
        match &error {
            // Not the engine's socket: the way to it is gone.
            TransportError::Open(source) if source.kind() == io::ErrorKind::NotConnected => {
                Self::Transport(source.to_string())
            }
            TransportError::Open(source) => Self::Transport(format!("{error}: {source}")),
            TransportError::Http(source) => Self::Transport(format!("{error}: {source}")),
            TransportError::Malformed(_) | TransportError::Fenced => Self::Decode(error.to_string()),
        }
    }
}

impl From<bollard::errors::Error> for CallError {
    fn from(error: bollard::errors::Error) -> Self {
        use bollard::errors::Error;
        if let Some(long) = TooLong::behind(&error) {
            return Self::TooLong(long.to_string());
        }
        match error {
            Error::DockerResponseServerError { status_code, message } => {
                Self::Status { code: status_code, message }
            }
            Error::IOError { err } => Self::Transport(err.to_string()),
            Error::HyperResponseError { err } => Self::Transport(err.to_string()),
            Error::RequestTimeoutError => Self::Deadline(DEFAULT_LIMIT),
            other => Self::Decode(other.to_string()),
        }
    }
}

/// For an ordinary call. Creating a container on a busy disk takes seconds.
pub const DEFAULT_LIMIT: Duration = Duration::from_secs(60);

/// Reads from one engine, and can do nothing else.
#[derive(Debug, Clone)]
pub struct Reader {
    transport: Transport,
    /// The API version that was agreed on.
    pub api: ApiVersion,
}

impl Reader {
    /// `GET path`, decoded.
    pub async fn get<T: DeserializeOwned>(&self, path: &str, limit: Duration) -> Result<T, CallError> {
        self.get_with(path, &[], limit).await
    }

    /// `GET path` with headers, decoded.
    pub async fn get_with<T: DeserializeOwned>(
        &self,
        path: &str,
        headers: &[(HeaderName, HeaderValue)],
        limit: Duration,
    ) -> Result<T, CallError> {
        let _turn = self.transport.turn().await;
        let body = within(limit, async {
            let response = send(&self.transport, request(Method::GET, path, headers, Bytes::new())?).await?;
            collect(response).await
        });
        decode(&body.await?)
    }

    /// `GET path` as it is, if it is no longer than `most` bytes.
    pub async fn bytes(&self, path: &str, limit: Duration, most: u64) -> Result<Vec<u8>, CallError> {
        let _turn = self.transport.turn().await;
        within(limit, async {
            let response = send(&self.transport, request(Method::GET, path, &[], Bytes::new())?).await?;
            if !response.status().is_success() {
                return collect(response).await.map(|body| body.to_vec());
            }
            let most = usize::try_from(most).unwrap_or(usize::MAX);
            let body = http_body_util::Limited::new(response.into_body(), most).collect().await;
            let body = body.map_err(|error| CallError::Decode(error.to_string()))?;
            Ok(body.to_bytes().to_vec())
        })
        .await
    }

    /// `GET path` as a stream; the limit is for its beginning. Its reader must keep no more of it than it can bear.
    pub async fn stream(&self, path: &str, limit: Duration) -> Result<Incoming, CallError> {
        let _turn = self.transport.turn().await;
        let endless = self.transport.endless();
        let call = async { send(&endless, request(Method::GET, path, &[], Bytes::new())?).await };
        Ok(within(limit, call).await?.into_body())
    }

    /// The same reader for one that has a turn already.
    #[must_use]
    pub(in crate::fleet) fn without_turns(&self) -> Self {
        Self { transport: self.transport.without_turns(), api: self.api }
    }

    /// The same reader for the ledger's records.
    #[must_use]
    pub(in crate::fleet) fn for_records(&self) -> Self {
        Self { transport: self.transport.for_records(), api: self.api }
    }

    /// The connections below.
    pub(in crate::fleet) fn transport(&self) -> &Transport {
        &self.transport
    }
}

/// Reads from one engine and writes to it.
#[derive(Debug, Clone)]
pub struct Engine {
    /// The half that only reads.
    pub reader: Reader,
    docker: Docker,
}

/// Why an engine could not be greeted.
#[derive(Debug)]
pub(in crate::fleet) enum GreetError {
    /// No answer; the kind of error when opening the socket, if that is where it failed.
    Silent(Option<io::ErrorKind>),
    /// An answer from a server that cannot be used.
    Known(HostError),
}

impl Engine {
    /// The first call to an engine: whether it answers, and which API version to use.
    pub(in crate::fleet) async fn greet(
        transport: Transport,
        host: &str,
        limit: Duration,
    ) -> Result<Self, GreetError> {
        let unexpected =
            |detail: String| GreetError::Known(HostError::Unexpected { host: host.to_owned(), detail });
        let hello =
            request(Method::GET, "/version", &[], Bytes::new()).map_err(|e| unexpected(e.to_string()))?;
        let turn = transport.turn().await;
        let answer = timeout(limit, async {
            let response = transport.send(hello).await.map_err(|error| {
                GreetError::Silent(match &error {
                    TransportError::Open(source) => Some(source.kind()),
                    TransportError::Http(_) | TransportError::Malformed(_) | TransportError::Fenced => None,
                })
            })?;
            collect(response).await.map_err(|error| match error {
                CallError::Transport(_) => GreetError::Silent(None),
                other => unexpected(other.to_string()),
            })
        });
        let seconds = limit.as_secs();
        let no_answer = || GreetError::Known(HostError::NoAnswer { host: host.to_owned(), seconds });
        let body = answer.await.map_err(|_| no_answer())??;
        drop(turn);
        let version: wire::Version = decode(&body).map_err(|error| unexpected(error.to_string()))?;
        let api = agree(host, &version).map_err(GreetError::Known)?;
        transport.speak(&api.to_string());
        let docker = bollard_over(transport.clone(), api).map_err(|e| unexpected(e.to_string()))?;
        Ok(Self { reader: Reader { transport, api }, docker })
    }

    /// A call through bollard, with a time limit.
    pub async fn call<T, A>(&self, limit: Duration, call: impl FnOnce(Docker) -> A) -> Result<T, CallError>
    where
        A: Future<Output = Result<T, bollard::errors::Error>>,
    {
        let _turn = self.reader.transport.turn().await;
        // Bollard's own limit is only for the head of the answer; ours has to come first.
        let docker = self.docker.clone().with_timeout(limit * 2);
        within(limit, async { call(docker).await.map_err(CallError::from) }).await
    }

    /// `POST path` with a JSON body of our own, for what bollard's types cannot say.
    pub async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &serde_json::Value,
        limit: Duration,
    ) -> Result<T, CallError> {
        let _turn = self.reader.transport.turn().await;
        let answer = within(limit, async {
            let request = request(Method::POST, path, &[], Bytes::from(body.to_string()))?;
            collect(send(&self.reader.transport, request).await?).await
        });
        decode(&answer.await?)
    }

    /// `POST path` without a body, or with an archive as it; what it answers is not read.
    pub async fn post_archive(&self, path: &str, archive: Bytes, limit: Duration) -> Result<(), CallError> {
        let _turn = self.reader.transport.turn().await;
        let headers = [(CONTENT_TYPE, HeaderValue::from_static("application/x-tar"))];
        let answer = within(limit, async {
            let request = request(Method::POST, path, &headers, archive)?;
            collect(send(&self.reader.transport, request).await?).await
        });
        answer.await.map(drop)
    }

    /// `POST path` with an archive that comes bit by bit; the answer is a stream. Without a limit: the caller sees whether
    /// anything moves.
    pub(in crate::fleet) async fn post_body(&self, path: &str, body: Body) -> Result<Incoming, CallError> {
        let request = Request::builder().method(Method::POST).uri(path);
        let request = request.header(CONTENT_TYPE, "application/x-tar").body(body);
        let request = request.map_err(|error| CallError::Decode(error.to_string()))?;
        Ok(send(&self.reader.transport.endless(), request).await?.into_body())
    }

    /// `POST path`, after which the connection is a stream to the started process.
    pub async fn upgrade(
        &self,
        path: &str,
        body: &serde_json::Value,
        limit: Duration,
    ) -> Result<Upgraded, CallError> {
        let _turn = self.reader.transport.turn().await;
        let call = async {
            let headers = [
                (CONNECTION, HeaderValue::from_static("Upgrade")),
                (UPGRADE, HeaderValue::from_static("tcp")),
            ];
            let request = request(Method::POST, path, &headers, Bytes::from(body.to_string()))?;
            let response = send(&self.reader.transport.endless(), request).await?;
            Ok(http_client::upgraded(response).await.map_err(TransportError::Http)?)
        };
        within(limit, call).await
    }

    /// `DELETE path`; a missing object counts as removed.
    pub async fn delete(&self, path: &str, limit: Duration) -> Result<(), CallError> {
        let _turn = self.reader.transport.turn().await;
        let answer = within(limit, async {
            let request = request(Method::DELETE, path, &[], Bytes::new())?;
            collect(send(&self.reader.transport, request).await?).await
        });
        match answer.await {
            Err(error) if error.status() != Some(404) => Err(error),
            Ok(_) | Err(_) => Ok(()),
        }
    }

    /// The same engine for the ledger's records.
    #[must_use]
    pub(in crate::fleet) fn for_records(&self) -> Self {
        Self { reader: self.reader.for_records(), docker: self.docker.clone() }
    }

    /// The same engine for a writer that may lose its lease: nothing that could change anything is sent once
    /// `fence` is closed.
    pub(in crate::fleet) fn fenced(&self, fence: Fence) -> Result<Self, CallError> {
        let transport = self.reader.transport.fenced(fence);
        let docker = bollard_over(transport.clone(), self.reader.api)?;
        Ok(Self { reader: Reader { transport, api: self.reader.api }, docker })
    }

    /// `POST path` without a body, as a stream; the limit is for its beginning. It has its turn until the end.
    pub(in crate::fleet) async fn post_stream(
        &self,
        path: &str,
        headers: &[(HeaderName, HeaderValue)],
        limit: Duration,
    ) -> Result<(Incoming, Option<Turn>), CallError> {
        let turn = self.reader.transport.turn().await;
        let endless = self.reader.transport.endless();
        let call = async { send(&endless, request(Method::POST, path, headers, Bytes::new())?).await };
        Ok((within(limit, call).await?.into_body(), turn))
    }
}

/// The newest API version that both sides support.
fn agree(host: &str, version: &wire::Version) -> Result<ApiVersion, HostError> {
    let host = host.to_owned();
    let engine = version.version.clone();
    let Ok(newest) = version.api_version.parse::<ApiVersion>() else {
        let detail = format!("`{}` is not an API version", version.api_version);
        return Err(HostError::Unexpected { host, detail });
    };
    let oldest = version.min_api_version.parse().unwrap_or(ApiVersion::v1(0));
    if newest < ApiVersion::OLDEST {
        let (api, needed) = (newest.to_string(), ApiVersion::OLDEST.to_string());
        return Err(HostError::ApiTooOld { host, engine, api, needed });
    }
    if oldest > ApiVersion::NEWEST {
        let (api, known) = (oldest.to_string(), ApiVersion::NEWEST.to_string());
        return Err(HostError::ApiTooNew { host, engine, api, known });
    }
    Ok(newest.min(ApiVersion::NEWEST))
}

fn bollard_over(transport: Transport, api: ApiVersion) -> Result<Docker, bollard::errors::Error> {
    let version = ClientVersion { major_version: api.major as usize, minor_version: api.minor as usize };
    Docker::connect_with_custom_transport(
        move |request| {
            let transport = transport.clone();
            async move {
                let sent = transport.send(request).await;
                // Bollard has no variant for this; it comes back out in `CallError::from`.
                sent.map_err(|error| io::Error::other(CallError::from(error).to_string()).into())
            }
        },
        Some("http://docker"),
        DEFAULT_LIMIT.as_secs(),
        &version,
    )
}

fn request(
    method: Method,
    path: &str,
    headers: &[(HeaderName, HeaderValue)],
    body: Bytes,
) -> Result<Request<Body>, CallError> {
    let mut builder = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        builder = builder.header(name, value);
    }
    if !body.is_empty() && !headers.iter().any(|(name, _)| name == CONTENT_TYPE) {
        builder = builder.header(CONTENT_TYPE, "application/json");
    }
    builder.body(Either::Left(Full::new(body))).map_err(|e| CallError::Decode(e.to_string()))
}

async fn send(transport: &Transport, request: Request<Body>) -> Result<Response<Incoming>, CallError> {
    let response = transport.send(request).await?;
    let status = response.status();
    let is_good = status == StatusCode::NOT_MODIFIED || status == StatusCode::SWITCHING_PROTOCOLS;
    if status.is_success() || is_good {
        return Ok(response);
    }
    let body = bytes(response).await?;
    let message = serde_json::from_slice::<wire::ErrorMessage>(&body)
        .map_or_else(|_| String::from_utf8_lossy(&body).trim().to_owned(), |error| error.message);
    Err(CallError::Status { code: status.as_u16(), message })
}

async fn collect(response: Response<Incoming>) -> Result<Bytes, CallError> {
    let status = response.status();
    let body = bytes(response).await?;
    if status.is_client_error() || status.is_server_error() {
        let message = String::from_utf8_lossy(&body).trim().to_owned();
        return Err(CallError::Status { code: status.as_u16(), message });
    }
    Ok(body)
}

async fn bytes(response: Response<Incoming>) -> Result<Bytes, CallError> {
    let body = response.into_body().collect().await.map_err(TransportError::Http)?;
    Ok(body.to_bytes())
}

fn decode<T: DeserializeOwned>(body: &[u8]) -> Result<T, CallError> {
    // An empty body is what a call without an answer leaves.
    let text = if body.is_empty() { b"null" } else { body };
    serde_json::from_slice(text).map_err(|e| CallError::Decode(e.to_string()))
}

/// Bounds a whole call, its body included. It has its turn by then: waiting for that is no silence of the engine.
pub(in crate::fleet) async fn within<T>(
    limit: Duration,
    call: impl Future<Output = Result<T, CallError>>,
) -> Result<T, CallError> {
    timeout(limit, call).await.unwrap_or(Err(CallError::Deadline(limit)))
}

/// A path with a query, values escaped.
#[must_use]
pub fn with_query(path: &str, query: &[(&str, &str)]) -> String {
    let mut text = path.to_owned();
    for (at, (key, value)) in query.iter().enumerate() {
        text.push(if at == 0 { '?' } else { '&' });
        text.push_str(key);
        text.push('=');
        text.push_str(&escaped(value));
    }
    text
}

/// Percent-escapes every character that is special in a URL.
#[must_use]
pub fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => out.push(char::from(byte)),
            other => out.push_str(&format!("%{other:02X}")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use bollard::models::VolumeCreateRequest;

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;
    use crate::fleet::transport::{Open, Opening};
    use crate::fleet::turns::Turns;

    fn version(newest: &str, oldest: &str) -> wire::Version {
        wire::Version { version: "x".into(), api_version: newest.into(), min_api_version: oldest.into() }
    }

    /// Engines of a machine that does one thing at a time, each for a while; how many requests were there at most.
    #[derive(Debug, Default)]
    struct Slow {
        machine: Arc<tokio::sync::Mutex<()>>,
        there: Arc<Mutex<(usize, usize)>>,
    }

    const WHILE: Duration = Duration::from_millis(200);

    impl Open for Slow {
        fn open(&self) -> Opening<'_> {
            let (ours, theirs) = tokio::io::duplex(1 << 16);
            let (machine, there) = (Arc::clone(&self.machine), Arc::clone(&self.there));
            tokio::spawn(async move {
                let (mut theirs, mut asked) = (theirs, vec![0; 4096]);
                while let Ok(1..) = theirs.read(&mut asked).await {
                    let now = there.lock().unwrap().0 + 1;
                    let most = there.lock().unwrap().1.max(now);
                    *there.lock().unwrap() = (now, most);
                    let turn = machine.lock().await;
                    tokio::time::sleep(WHILE).await;
                    drop(turn);
                    there.lock().unwrap().0 -= 1;
                    let _gone = theirs.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}").await;
                }
            });
            Box::pin(async move { Ok(Box::new(ours) as _) })
        }

        fn streams_max(&self) -> usize {
            64
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_deadline_begins_with_the_turn_of_a_call() {
        let machine = Arc::new(Slow::default());
        let turns = Turns::new(8);
        let host = |_| Reader {
            transport: Transport::new(Arc::clone(&machine) as _, Arc::default(), turns.clone()),
            api: ApiVersion::OLDEST,
        };
        let hosts: Vec<Reader> = (0..50).map(host).collect();
        // Six calls at a time, of which the last one has its answer after six times the while.
        let asked = hosts.iter().map(|host| host.get::<serde_json::Value>("/info", WHILE * 8));
        for answer in futures_util::future::join_all(asked).await {
            answer.unwrap();
        }
        assert_eq!(machine.there.lock().unwrap().1, 6);
    }

    /// Sends an answer without an end.
    #[derive(Debug)]
    struct Endless;

    impl Open for Endless {
        fn open(&self) -> Opening<'_> {
            let (ours, mut theirs) = tokio::io::duplex(1 << 20);
            tokio::spawn(async move {
                let _read = theirs.read(&mut [0; 4096]).await;
                let mut part = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n".to_vec();
                while theirs.write_all(&part).await.is_ok() {
                    part = [&b"100000\r\n"[..], &[b' '; 1 << 20], b"\r\n"].concat();
                }
            });
            Box::pin(async move { Ok(Box::new(ours) as _) })
        }

        fn streams_max(&self) -> usize {
            64
        }
    }

    #[tokio::test]
    async fn an_answer_without_an_end_is_read_to_its_limit() {
        let transport = Transport::new(Arc::new(Endless), Arc::default(), Turns::new(8));
        let docker = bollard_over(transport.clone(), ApiVersion::OLDEST).unwrap();
        let engine = Engine { reader: Reader { transport, api: ApiVersion::OLDEST }, docker };
        let limit = Duration::from_secs(60);
        let long = |call: &str| CallError::TooLong(format!("`{call}` is answered with more than 64 MiB"));
        let listed = engine.reader.get::<serde_json::Value>("/containers/json?all=1", limit).await;
        assert_eq!(listed.unwrap_err(), long("GET /containers/json"));
        let made = engine
            .call(limit, async |docker| docker.create_volume(VolumeCreateRequest::default()).await)
            .await;
        assert_eq!(made.unwrap_err(), long("POST /volumes/create"));
        assert!(!long("").is_silence(), "the host answers, and is not dialled again for that");
    }

    #[test]
    fn the_newest_common_dialect_is_spoken() {
        let agreed = |newest, oldest| agree("h1", &version(newest, oldest)).map(|api| api.to_string());
        assert_eq!(agreed("1.41", "1.12").unwrap(), "1.41");
        assert_eq!(agreed("1.55", "1.44").unwrap(), "1.53");
        assert_eq!(agreed("1.40", "1.12").unwrap_err().code_text(), "stackctl::docker::api_too_old");
        assert_eq!(agreed("1.99", "1.90").unwrap_err().code_text(), "stackctl::docker::api_too_new");
        assert_eq!(agreed("", "").unwrap_err().code_text(), "stackctl::docker::unexpected_answer");
    }

    #[test]
    fn queries_are_escaped() {
        assert_eq!(
            with_query("/containers/json", &[("all", "1"), ("filters", r#"{"label":["a=b"]}"#)]),
            "/containers/json?all=1&filters=%7B%22label%22%3A%5B%22a%3Db%22%5D%7D"
        );
    }
}
