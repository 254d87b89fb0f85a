//! Calls to etcd's JSON gateway, answered by whichever member answers first.
//!
//! Every call may be made twice: a second member is asked as soon as the first one takes long, so that one
//! that is dead or cut off costs half a second, once. Whoever answered is asked first the next time.
//!
//! Over HTTP and JSON rather than gRPC: the six calls that are needed go through the HTTP client that is
//! there for docker. A client for gRPC brings some eighty packages, and a compiler of its own for the build.

use std::fmt;
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;

use crate::ledger::place::{EtcdPlace, shown};

/// One call, all members. An election of etcd's takes a second or two.
const CALL_LIMIT: Duration = Duration::from_millis(4_500);
/// So long a member may take before another one is asked as well.
const HEDGE: Duration = Duration::from_millis(500);
/// For a login. The password's check alone takes a tenth of a second.
const LOGIN_LIMIT: Duration = Duration::from_millis(1_000);
/// Before all are asked once more.
const PAUSE: Duration = Duration::from_millis(150);
/// To find out why nobody answers.
const LOOK_LIMIT: Duration = Duration::from_millis(700);
/// More than the records of any stack come to.
const ANSWER_MAX: usize = 256 << 20;

/// Speaks with the members of one etcd.
pub struct Client {
    members: Vec<Member>,
    tls: Option<TlsConnector>,
    login: Option<Login>,
    /// What the login gave.
    token: tokio::sync::Mutex<Option<String>>,
    preferred: AtomicUsize,
    /// Where it is, as it is called.
    place: EtcdPlace,
}

/// Who we are to etcd. Never shown.
pub(super) struct Login {
    pub(super) user: String,
    pub(super) password: String,
}

struct Member {
    at: (String, u16),
    /// Connections that nobody uses just now.
    idle: Mutex<Vec<SendRequest<Full<Bytes>>>>,
}

/// Why a call has no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Failure {
    /// Another member, or a later moment, may do better.
    Away(String),
    /// Our login has run out.
    Stranger(String),
    /// Something the call names is not there.
    NotFound(String),
    /// No is no.
    Refused(String),
}

impl Failure {
    pub(super) fn why(self) -> String {
        match self {
            Self::Away(why) | Self::Stranger(why) | Self::NotFound(why) | Self::Refused(why) => why,
        }
    }
}

/// How etcd says no.
#[derive(Deserialize)]
struct Refusal {
    #[serde(default)]
    error: String,
    #[serde(default)]
    code: u32,
}

trait Wire: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Wire for T {}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("place", &self.place).finish_non_exhaustive()
    }
}

impl Client {
    pub(super) fn new(place: &EtcdPlace, tls: Option<TlsConnector>, login: Option<Login>) -> Self {
        let member = |at: &(String, u16)| Member { at: at.clone(), idle: Mutex::default() };
        Self {
            members: place.members.iter().map(member).collect(),
            tls,
            login,
            token: tokio::sync::Mutex::default(),
            preferred: AtomicUsize::new(0),
            place: place.clone(),
        }
    }

    /// Where it is.
    #[must_use]
    pub fn place(&self) -> &EtcdPlace {
        &self.place
    }

    /// Has some member answer.
    pub(super) async fn call<A: DeserializeOwned>(&self, path: &str, body: &Value) -> Result<A, Failure> {
        let body = Bytes::from(body.to_string());
        let mut last = None;
        let trying = async {
            loop {
                match self.race(path, &body).await {
                    Err(Failure::Away(why)) => last = Some(why),
                    // With a new login all may be well.
                    Err(Failure::Stranger(why)) if self.login.is_some() => last = Some(why),
                    other => return other,
                }
                sleep(PAUSE).await;
            }
        };
        match timeout(CALL_LIMIT, trying).await {
            Ok(answer) => {
                let answer = answer?;
                serde_json::from_slice(&answer)
                    .map_err(|error| Failure::Refused(format!("its answer cannot be read: {error}")))
            }
            Err(_) => Err(Failure::Away(self.why_nobody_answers(last).await)),
        }
    }

    /// Asks members one after the other, none waiting for the one before for long; and then again: what was
    /// handed to a leader that died is lost, and the member that handed it on waits for it for seconds.
    async fn race(&self, path: &str, body: &Bytes) -> Result<Bytes, Failure> {
        let order = self.order();
        let mut again = order.iter().copied().cycle();
        let mut waiting = order.iter().copied();
        let mut asked = FuturesUnordered::new();
        let ask = |at: usize| async move { (at, self.ask(at, path, body).await) };
        asked.extend(waiting.next().map(ask));
        let mut last = Failure::Away("it has no members".to_owned());
        loop {
            tokio::select! {
                answer = asked.next() => match answer {
                    None => return Err(last),
                    Some((at, Ok(answer))) => {
                        self.preferred.store(at, Ordering::Relaxed);
                        return Ok(answer);
                    }
                    Some((_, Err(failure @ (Failure::Refused(_) | Failure::NotFound(_))))) => return Err(failure),
                    Some((at, Err(failure))) => {
                        last = match failure {
                            Failure::Away(why) => Failure::Away(format!("{}: {why}", shown(&self.members[at].at))),
                            other => other,
                        };
                        asked.extend(waiting.next().map(ask));
                    }
                },
                () = sleep(HEDGE), if order.len() > 1 => {
                    asked.extend(waiting.next().or_else(|| again.next()).map(ask));
                }
            }
        }
    }

    /// All members, the one that answered last in front.
    fn order(&self) -> Vec<usize> {
        let (first, all) = (self.preferred.load(Ordering::Relaxed), self.members.len());
        (0..all).map(|n| (first + n) % all).collect()
    }

    async fn ask(&self, at: usize, path: &str, body: &Bytes) -> Result<Bytes, Failure> {
        let token = self.token(at).await?;
        let (response, sender) = self.send(at, path, body, token.as_deref()).await?;
        let status = response.status();
        let whole = Limited::new(response.into_body(), ANSWER_MAX).collect().await;
        let whole = whole.map_err(|error| Failure::Away(error.to_string()))?.to_bytes();
        self.keep(at, sender);
        if status == StatusCode::OK {
            return Ok(whole);
        }
        let failure = refused(status, &whole);
        if matches!(failure, Failure::Stranger(_)) {
            let mut known = self.token.lock().await;
            if *known == token {
                *known = None;
            }
        }
        Err(failure)
    }

    /// A call whose answer goes on and on.
    pub(super) async fn open(&self, path: &str, body: &Value) -> Result<Incoming, Failure> {
        let body = Bytes::from(body.to_string());
        let mut last = Failure::Away("it has no members".to_owned());
        for at in self.order() {
            let opening = async {
                let token = self.token(at).await?;
                let (response, _) = self.send(at, path, &body, token.as_deref()).await?;
                match response.status() {
                    StatusCode::OK => Ok(response.into_body()),
                    status => {
                        let why = Limited::new(response.into_body(), ANSWER_MAX).collect().await;
                        Err(refused(status, &why.map(|why| why.to_bytes()).unwrap_or_default()))
                    }
                }
            };
            match timeout(HEDGE * 4, opening).await {
                Ok(Ok(body)) => return Ok(body),
                Ok(Err(failure)) => last = failure,
                Err(_) => last = Failure::Away("no answer".to_owned()),
            }
        }
        // Whatever was wrong: a login that ran out is not tried again.
        *self.token.lock().await = None;
        Err(last)
    }

    /// What proves who we are, if we have to. Several who need it wait for one to get it.
    async fn token(&self, at: usize) -> Result<Option<String>, Failure> {
        #[derive(Deserialize)]
        struct Answer {
            token: String,
        }
        let Some(Login { user, password }) = &self.login else { return Ok(None) };
        let mut known = self.token.lock().await;
        if known.is_none() {
            let body = Bytes::from(json!({ "name": user, "password": password }).to_string());
            let login = async {
                let (response, sender) = self.send(at, "/v3/auth/authenticate", &body, None).await?;
                let status = response.status();
                let whole = Limited::new(response.into_body(), ANSWER_MAX).collect().await;
                let whole = whole.map_err(|error| Failure::Away(error.to_string()))?.to_bytes();
                self.keep(at, sender);
                Ok((status, whole))
            };
            // Those who wait for it ask another member: one that is cut off must not hold them up.
            let late = |_| Failure::Away("no answer to the login".to_owned());
            let (status, whole) = timeout(LOGIN_LIMIT, login).await.map_err(late)??;
            if status != StatusCode::OK {
                return Err(match refused(status, &whole) {
                    Failure::Away(why) => Failure::Away(why),
                    other => Failure::Refused(format!("as {user}: {}", other.why())),
                });
            }
            let answer: Answer = serde_json::from_slice(&whole)
                .map_err(|_| Failure::Refused("its answer to the login cannot be read".to_owned()))?;
            *known = Some(answer.token);
        }
        Ok(known.clone())
    }

    async fn send(
        &self,
        at: usize,
        path: &str,
        body: &Bytes,
        token: Option<&str>,
    ) -> Result<(Response<Incoming>, SendRequest<Full<Bytes>>), Failure> {
        let away = |error: &dyn fmt::Display| Failure::Away(error.to_string());
        let request = || {
            let mut request = Request::post(path)
                .header(HOST, shown(&self.members[at].at))
                .header(CONTENT_TYPE, "application/json");
            if let Some(token) = token {
                request = request.header(AUTHORIZATION, token);
            }
            request.body(Full::new(body.clone())).map_err(|error| Failure::Refused(error.to_string()))
        };
        loop {
            let idle = self.idle(at).pop();
            let is_fresh = idle.is_none();
            let mut sender = match idle {
                Some(sender) => sender,
                None => self.connect(at).await.map_err(|error| away(&error))?,
            };
            match sender.send_request(request()?).await {
                Ok(response) => return Ok((response, sender)),
                Err(error) if is_fresh => return Err(away(&error)),
                // Closed while nobody used it.
                Err(_) => {}
            }
        }
    }

    async fn connect(&self, at: usize) -> io::Result<SendRequest<Full<Bytes>>> {
        let (host, port) = &self.members[at].at;
        let tcp = TcpStream::connect((host.as_str(), *port)).await?;
        tcp.set_nodelay(true)?;
        let wire: Box<dyn Wire> = match &self.tls {
            None => Box::new(tcp),
            Some(tls) => {
                let name = ServerName::try_from(host.clone()).map_err(io::Error::other)?;
                Box::new(tls.connect(name, tcp).await?)
            }
        };
        let (sender, connection) = http1::handshake(TokioIo::new(wire)).await.map_err(io::Error::other)?;
        // Ends with the sender, or the other side.
        tokio::spawn(connection);
        Ok(sender)
    }

    fn idle(&self, at: usize) -> std::sync::MutexGuard<'_, Vec<SendRequest<Full<Bytes>>>> {
        self.members[at].idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn keep(&self, at: usize, sender: SendRequest<Full<Bytes>>) {
        if !sender.is_closed() {
            self.idle(at).push(sender);
        }
    }

    /// How many members answer for themselves, and whether one leads: a lost majority is told from a
    /// network that is gone.
    async fn why_nobody_answers(&self, last: Option<String>) -> String {
        #[derive(Deserialize)]
        struct Status {
            #[serde(default)]
            leader: String,
        }
        let body = Bytes::from_static(b"{}");
        let looks = (0..self.members.len()).map(|at| {
            let look = self.ask(at, "/v3/maintenance/status", &body);
            timeout(LOOK_LIMIT, look)
        });
        let all = self.members.len();
        let answers: Vec<Bytes> = futures_util::future::join_all(looks)
            .await
            .into_iter()
            .filter_map(|look| look.ok()?.ok())
            .collect();
        let leads = |answer: &&Bytes| {
            serde_json::from_slice::<Status>(answer).is_ok_and(|status| !matches!(&*status.leader, "" | "0"))
        };
        let led = answers.iter().filter(leads).count();
        let of = if all == 1 { "member" } else { "members" };
        let last = last.unwrap_or_else(|| format!("no answer within {} s", CALL_LIMIT.as_secs()));
        match (answers.len(), led) {
            (0, _) => format!("none of its {all} {of} answers ({last})"),
            (some, 0) => format!(
                "{some} of its {all} {of} {} and none of them leads: etcd has lost its majority ({last})",
                if some == 1 { "answers," } else { "answer," }
            ),
            (..) => last,
        }
    }
}

fn refused(status: StatusCode, body: &[u8]) -> Failure {
    let refusal = serde_json::from_slice::<Refusal>(body).ok().filter(|refusal| !refusal.error.is_empty());
    let Some(Refusal { error, code }) = refusal else {
        let why = format!("HTTP {status}");
        return if status.is_server_error() { Failure::Away(why) } else { Failure::Refused(why) };
    };
    let error = error.strip_prefix("etcdserver: ").unwrap_or(&error).to_owned();
    // gRPC's codes (google.golang.org/grpc/codes).
    match code {
        16 => Failure::Stranger(error),
        // Users or roles were changed since the login.
        3 if error.contains("revision of auth store is old") => Failure::Stranger(error),
        5 => Failure::NotFound(error),
        3 if error.contains("too large") => {
            Failure::Refused(format!("{error}: the record is larger than its --max-request-bytes allows"))
        }
        3 | 6 | 7 | 9 | 11 | 12 => Failure::Refused(error),
        // Cancelled, unknown, late, exhausted, aborted, internal, unavailable.
        _ => Failure::Away(error),
    }
}
