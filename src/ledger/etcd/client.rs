//! Calls to etcd's JSON gateway, sent to its [members](super::super::http_cluster).
//!
//! Over HTTP and JSON rather than gRPC: the six calls that are needed go through the HTTP client that is
//! there for docker. A client for gRPC brings some eighty packages, and a compiler of its own for the build.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use http::{Request, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::http::tls::Tls;
use crate::ledger::http_cluster::{Failure, HEDGE, HttpCluster, read};
use crate::ledger::place::EtcdPlace;

/// For a login. The password's check alone takes a tenth of a second.
const LOGIN_LIMIT: Duration = Duration::from_millis(1_000);

/// Speaks with the members of one etcd.
pub struct Client {
    members: HttpCluster,
    login: Option<Login>,
    token: tokio::sync::Mutex<Option<String>>,
    /// Where it is, as it is called.
    place: EtcdPlace,
}

/// Who we are to etcd. Never shown.
pub(super) struct Login {
    pub(super) user: String,
    pub(super) password: String,
}

/// How etcd says no.
#[derive(Deserialize)]
struct Refusal {
    #[serde(default)]
    error: String,
    #[serde(default)]
    code: u32,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("place", &self.place).finish_non_exhaustive()
    }
}

impl Client {
    pub(super) fn new(place: &EtcdPlace, tls: Option<Tls>, login: Option<Login>) -> Self {
        let members = HttpCluster::new(&place.members, tls);
        Self { members, login, token: tokio::sync::Mutex::default(), place: place.clone() }
    }

    /// Where it is.
    #[must_use]
    pub fn place(&self) -> &EtcdPlace {
        &self.place
    }

    /// Has some member answer.
    pub(super) async fn call<A: DeserializeOwned>(&self, path: &str, body: &Value) -> Result<A, Failure> {
        let body = &Bytes::from(body.to_string());
        // With a new login all may be well.
        let passes = |failure: &Failure| match failure {
            Failure::Away(_) => true,
            Failure::Stranger(_) => self.login.is_some(),
            Failure::NotFound(_) | Failure::Refused(_) => false,
        };
        match self.members.patiently(|at| self.ask(at, path, body), passes).await {
            Ok(answer) => serde_json::from_slice(&answer?)
                .map_err(|error| Failure::Refused(format!("its answer cannot be read: {error}"))),
            Err(last) => {
                let leads = |at| self.knows_a_leader(at);
                Err(Failure::Away(self.members.diagnose("etcd", last, leads).await))
            }
        }
    }

    async fn ask(&self, at: usize, path: &str, body: &Bytes) -> Result<Bytes, Failure> {
        let token = self.token(at).await?;
        let answer = self.members.whole(at, || self.request(at, path, body, token.as_deref())).await?;
        if answer.status == StatusCode::OK {
            return Ok(answer.body);
        }
        let failure = refused(answer.status, &answer.body);
        if matches!(failure, Failure::Stranger(_)) {
            let mut known = self.token.lock().await;
            if *known == token {
                *known = None;
            }
        }
        Err(failure)
    }

    fn request(
        &self,
        at: usize,
        path: &str,
        body: &Bytes,
        token: Option<&str>,
    ) -> Result<Request<Full<Bytes>>, Failure> {
        let mut request =
            Request::post(path).header(HOST, self.members.name(at)).header(CONTENT_TYPE, "application/json");
        if let Some(token) = token {
            request = request.header(AUTHORIZATION, token);
        }
        request.body(Full::new(body.clone())).map_err(|error| Failure::Refused(error.to_string()))
    }

    /// A call whose answer goes on and on.
    pub(super) async fn open(&self, path: &str, body: &Value) -> Result<Incoming, Failure> {
        let body = Bytes::from(body.to_string());
        let mut last = Failure::Away("it has no members".to_owned());
        for at in self.members.order() {
            let opening = async {
                let token = self.token(at).await?;
                let request = || self.request(at, path, &body, token.as_deref());
                let (response, _) = self.members.send(at, request).await?;
                match response.status() {
                    StatusCode::OK => Ok(response.into_body()),
                    status => Err(refused(status, &read(response.into_body()).await.unwrap_or_default())),
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
            let login = self.members.whole(at, || self.request(at, "/v3/auth/authenticate", &body, None));
            // Those who wait for it ask another member: one that is cut off must not hold them up.
            let late = |_| Failure::Away("no answer to the login".to_owned());
            let answer = timeout(LOGIN_LIMIT, login).await.map_err(late)??;
            if answer.status != StatusCode::OK {
                return Err(match refused(answer.status, &answer.body) {
                    Failure::Away(why) => Failure::Away(why),
                    other => Failure::Refused(format!("as {user}: {}", other.why())),
                });
            }
            let answer: Answer = serde_json::from_slice(&answer.body)
                .map_err(|_| Failure::Refused("its answer to the login cannot be read".to_owned()))?;
            *known = Some(answer.token);
        }
        Ok(known.clone())
    }

    /// Whether a member that answers for itself knows who leads.
    async fn knows_a_leader(&self, at: usize) -> Option<bool> {
        #[derive(Deserialize)]
        struct Status {
            #[serde(default)]
            leader: String,
        }
        let status = self.ask(at, "/v3/maintenance/status", &Bytes::from_static(b"{}")).await.ok()?;
        let status = serde_json::from_slice::<Status>(&status);
        Some(status.is_ok_and(|status| !matches!(&*status.leader, "" | "0")))
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
