//! HTTP connections to the members of a backend, and which member is asked when.
//!
//! Every call may be made twice: a second member is asked as soon as the first one is slow, so that a member
//! that is dead or cut off costs half a second, once. The member that answered is asked first the next time.
//!
//! Knows nothing of what is asked.

use std::fmt;
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use tokio::time::{sleep, timeout};

use super::place::shown;
use crate::http::client::Sender;
use crate::http::tls::Tls;
use crate::http::{body, client, stream};

/// One call, all members. An election takes a second or two.
pub(super) const CALL_LIMIT: Duration = Duration::from_millis(4_500);
/// So long a member may take before another one is asked as well.
pub(super) const HEDGE: Duration = Duration::from_millis(500);
/// Before all are asked once more.
const PAUSE: Duration = Duration::from_millis(150);
/// For the diagnosis of a call that no member answered.
const LOOK_LIMIT: Duration = Duration::from_millis(700);
/// More than the records of any stack come to.
const ANSWER_MAX: usize = 256 << 20;

/// All members, and how to get through to them.
pub(super) struct HttpCluster {
    members: Vec<Member>,
    tls: Option<Tls>,
    preferred: AtomicUsize,
}

struct Member {
    at: (String, u16),
    /// Idle connections.
    idle: Mutex<Vec<Sender<Full<Bytes>>>>,
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

/// A whole answer, whatever it says.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl HttpCluster {
    pub(super) fn new(all: &[(String, u16)], tls: Option<Tls>) -> Self {
        let member = |at: &(String, u16)| Member { at: at.clone(), idle: Mutex::default() };
        Self { members: all.iter().map(member).collect(), tls, preferred: AtomicUsize::new(0) }
    }

    /// A member as it is called.
    pub(super) fn name(&self, at: usize) -> String {
        shown(&self.members[at].at)
    }

    /// Has some member answer, again and again while what is wrong may pass, for as long as a call may take.
    /// Once that is over: what was wrong last.
    pub(super) async fn patiently<T, F>(
        &self,
        ask: impl Fn(usize) -> F,
        passes: impl Fn(&Failure) -> bool,
    ) -> Result<Result<T, Failure>, String>
    where
        F: Future<Output = Result<T, Failure>>,
    {
        let mut last = None;
        let trying = async {
            loop {
                match self.race(&ask).await {
                    Err(failure) if passes(&failure) => last = Some(failure.why()),
                    done => return done,
                }
                sleep(PAUSE).await;
            }
        };
        let done = timeout(CALL_LIMIT, trying).await;
        done.map_err(|_| last.unwrap_or_else(|| format!("no answer within {} s", CALL_LIMIT.as_secs())))
    }

    /// Asks members one after the other, none waiting for the one before for long; and then again: what was
    /// handed to a leader that died is lost, and the member that handed it on waits for it for seconds.
    async fn race<T, F>(&self, asking: impl Fn(usize) -> F) -> Result<T, Failure>
    where
        F: Future<Output = Result<T, Failure>>,
    {
        let order = self.order();
        let mut again = order.iter().copied().cycle();
        let mut waiting = order.iter().copied();
        let mut asked = FuturesUnordered::new();
        let ask = |at: usize| {
            let asking = asking(at);
            async move { (at, asking.await) }
        };
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
                            Failure::Away(why) => Failure::Away(format!("{}: {why}", self.name(at))),
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
    pub(super) fn order(&self) -> Vec<usize> {
        let (first, all) = (self.preferred.load(Ordering::Relaxed), self.members.len());
        (0..all).map(|n| (first + n) % all).collect()
    }

    /// Asks one member, and reads its answer to the end.
    pub(super) async fn whole(
        &self,
        at: usize,
        request: impl Fn() -> Result<Request<Full<Bytes>>, Failure>,
    ) -> Result<Answer, Failure> {
        let (response, sender) = self.send(at, request).await?;
        let (head, body) = response.into_parts();
        let body = read(body).await?;
        if !sender.is_closed() {
            self.idle(at).push(sender);
        }
        Ok(Answer { status: head.status, headers: head.headers, body })
    }

    /// Asks one member. Its answer has begun.
    pub(super) async fn send(
        &self,
        at: usize,
        request: impl Fn() -> Result<Request<Full<Bytes>>, Failure>,
    ) -> Result<(Response<Incoming>, Sender<Full<Bytes>>), Failure> {
        let away = |error: &dyn fmt::Display| Failure::Away(error.to_string());
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
                // The member closed it while it was idle.
                Err(_) => {}
            }
        }
    }

    async fn connect(&self, at: usize) -> io::Result<Sender<Full<Bytes>>> {
        let (host, port) = &self.members[at].at;
        let stream = stream::tcp(host, *port, self.tls.as_ref()).await?;
        client::handshake(stream).await.map_err(io::Error::other)
    }

    fn idle(&self, at: usize) -> std::sync::MutexGuard<'_, Vec<Sender<Full<Bytes>>>> {
        self.members[at].idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many members answer for themselves, and whether one leads: distinguishes a lost majority from an
    /// unreachable network.
    pub(super) async fn diagnose<F>(
        &self,
        whose: &str,
        last: String,
        knows_a_leader: impl Fn(usize) -> F,
    ) -> String
    where
        F: Future<Output = Option<bool>>,
    {
        let all = self.members.len();
        let looks = (0..all).map(|at| timeout(LOOK_LIMIT, knows_a_leader(at)));
        let looks = futures_util::future::join_all(looks).await;
        let answers: Vec<bool> = looks.into_iter().filter_map(|look| look.ok().flatten()).collect();
        let of = if all == 1 { "member" } else { "members" };
        match (answers.len(), answers.contains(&true)) {
            (0, _) => format!("none of its {all} {of} answers ({last})"),
            (some, false) => format!(
                "{some} of its {all} {of} {} and none of them leads: {whose} has lost its majority ({last})",
                if some == 1 { "answers," } else { "answer," }
            ),
            (_, true) => last,
        }
    }
}

/// All of an answer's body.
pub(super) async fn read(answer: Incoming) -> Result<Bytes, Failure> {
    body::whole(answer, ANSWER_MAX).await.map_err(|error| Failure::Away(error.to_string()))
}
