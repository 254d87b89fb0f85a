//! Calls to Consul's HTTP interface, sent to its [members](super::super::http_cluster): servers, or agents that
//! speak with the servers.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use http::header::HOST;
use http::{HeaderValue, Method, Request, StatusCode};
use http_body_util::Full;
use serde::de::DeserializeOwned;
use tokio::time::timeout;

use crate::http::tls::Tls;
use crate::ledger::http_cluster::{Answer, Failure, HEDGE, HttpCluster};
use crate::ledger::place::ConsulPlace;

/// Of what Consul says beside an answer so much is shown.
const WORDS_MAX: usize = 300;

/// Speaks with the members of one Consul.
pub struct Client {
    members: HttpCluster,
    /// Says what we may do. Never shown.
    token: Option<HeaderValue>,
    /// Where it is, as it is called.
    place: ConsulPlace,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("place", &self.place).finish_non_exhaustive()
    }
}

impl Client {
    pub(super) fn new(place: &ConsulPlace, tls: Option<Tls>, token: Option<HeaderValue>) -> Self {
        Self { members: HttpCluster::new(&place.members, tls), token, place: place.clone() }
    }

    /// Where it is.
    #[must_use]
    pub fn place(&self) -> &ConsulPlace {
        &self.place
    }

    /// Has some member answer. Whatever is asked may be done twice.
    pub(super) async fn call(&self, method: Method, path: &str, body: Bytes) -> Result<Answer, Failure> {
        let (method, body) = (&method, &body);
        let passes = |failure: &Failure| matches!(failure, Failure::Away(_));
        let ask = |at| async move { self.ask(at, method, path, body).await };
        match self.members.patiently(ask, passes).await {
            Ok(answer) => answer,
            Err(last) => {
                let leads = |at| self.knows_a_leader(at);
                Err(Failure::Away(self.members.diagnose("Consul", last, leads).await))
            }
        }
    }

    /// Reads what a majority has agreed on; `None` if there is no such thing.
    pub(super) async fn get<A: DeserializeOwned>(&self, path: &str) -> Result<Option<A>, Failure> {
        let answer = self.call(Method::GET, path, Bytes::new()).await?;
        if answer.status == StatusCode::NOT_FOUND { Ok(None) } else { parse(&answer) }
    }

    /// Asks for something whose answer comes when it is another one than at `index`, or after a while; the
    /// index it has then.
    pub(super) async fn wait(
        &self,
        path: &str,
        index: u64,
        limit: Duration,
    ) -> Result<(Answer, u64), Failure> {
        let path = &format!("{path}&index={index}");
        let mut last = Failure::Away("it has no members".to_owned());
        for at in self.members.order() {
            // The first answer is there at once, or the member is not.
            let limit = if index == 0 { HEDGE * 4 } else { limit };
            match timeout(limit, self.ask(at, &Method::GET, path, &Bytes::new())).await {
                Ok(Ok(answer)) => {
                    let index = answer.headers.get("x-consul-index");
                    let index = index.and_then(|text| text.to_str().ok()?.parse().ok());
                    return Ok((answer, index.unwrap_or(0)));
                }
                Ok(Err(failure)) => last = failure,
                Err(_) => last = Failure::Away("no answer".to_owned()),
            }
        }
        Err(last)
    }

    async fn ask(&self, at: usize, method: &Method, path: &str, body: &Bytes) -> Result<Answer, Failure> {
        let request = || {
            let mut request = Request::builder().method(method).uri(path).header(HOST, self.members.name(at));
            if let Some(token) = &self.token {
                request = request.header("X-Consul-Token", token);
            }
            request.body(Full::new(body.clone())).map_err(|error| Failure::Refused(error.to_string()))
        };
        let answer = self.members.whole(at, request).await?;
        match judged(answer.status, &answer.body, self.token.is_some()) {
            None => Ok(answer),
            Some(failure) => Err(failure),
        }
    }

    /// Whether a member that answers for itself knows the leader. No token is needed to ask that.
    async fn knows_a_leader(&self, at: usize) -> Option<bool> {
        match self.ask(at, &Method::GET, "/v1/status/leader", &Bytes::new()).await {
            Ok(answer) => Some(parse::<String>(&answer).is_ok_and(|leader| !leader.is_empty())),
            // The member itself reports what it cannot find out.
            Err(Failure::Away(why)) if why.starts_with("HTTP ") => Some(false),
            Err(_) => None,
        }
    }
}

/// Parses a JSON answer.
pub(super) fn parse<A: DeserializeOwned>(answer: &Answer) -> Result<A, Failure> {
    serde_json::from_slice(&answer.body)
        .map_err(|error| Failure::Refused(format!("its answer cannot be read: {error}")))
}

/// What is wrong with an answer, if anything. That something is not there (404), or that a transaction was
/// not to be (409), is an answer.
fn judged(status: StatusCode, body: &[u8], has_token: bool) -> Option<Failure> {
    if matches!(status, StatusCode::OK | StatusCode::NOT_FOUND | StatusCode::CONFLICT) {
        return None;
    }
    let words = String::from_utf8_lossy(body);
    let words: String = words.trim().chars().filter(|c| !c.is_control()).take(WORDS_MAX).collect();
    // An agent that forwards a request puts a prefix of its own before the error.
    let words = words.trim_start_matches("rpc error making call: ");
    Some(if words.contains("ACL not found") {
        Failure::Refused("it does not know our token (ACL not found)".to_owned())
    } else if words.contains("Permission denied") {
        let whose =
            if has_token { "our token does not allow it" } else { "nothing is allowed without a token" };
        Failure::Refused(format!("permission denied: {whose}"))
    } else if status == StatusCode::PAYLOAD_TOO_LARGE {
        Failure::Refused(format!(
            "the record is larger than its kv_max_value_size allows, 512 KB unless set: {words}"
        ))
    } else if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS {
        Failure::Away(format!("HTTP {}: {words}", status.as_u16()))
    } else {
        Failure::Refused(format!("HTTP {}: {words}", status.as_u16()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transient_and_permanent_errors_differ() {
        let judged = |status: u16, body: &str| {
            super::judged(StatusCode::from_u16(status).unwrap(), body.as_bytes(), true)
        };
        for status in [200, 404, 409] {
            assert_eq!(judged(status, "anything"), None);
        }
        let away = |words: &str| Some(Failure::Away(words.to_owned()));
        assert_eq!(judged(500, "No cluster leader"), away("HTTP 500: No cluster leader"));
        assert_eq!(judged(500, "rpc error making call: EOF\n"), away("HTTP 500: EOF"));
        assert!(matches!(judged(429, "slow down"), Some(Failure::Away(_))));
        for (status, body, word) in [
            (403, "ACL not found", "does not know our token"),
            (403, "Permission denied", "our token does not allow it"),
            (500, "rpc error making call: Permission denied", "permission denied"),
            (413, "Request body(600000 bytes) too large, max size: 524288 bytes.", "kv_max_value_size"),
            (400, "Missing key name", "HTTP 400: Missing key name"),
        ] {
            let Some(Failure::Refused(why)) = judged(status, body) else { panic!("{body}") };
            assert!(why.contains(word), "{why}");
        }
        let Some(Failure::Refused(why)) = super::judged(StatusCode::FORBIDDEN, b"Permission denied", false)
        else {
            panic!()
        };
        assert!(why.contains("without a token"), "{why}");
    }
}
