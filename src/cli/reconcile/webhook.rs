//! Webhooks of forges: a valid delivery makes the loop poll the repository at once, and can do nothing else.
//! Strangers can reach this server, so everything is limited: bodies, times, connections, memory, and log lines.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use clap::ValueHint;
use http::{Method, Request, StatusCode, header};
use hyper::body::Incoming;
use serde_json::json;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::timeout;

use crate::cli::format::Format;
use crate::cli::render::progress::stamped;
use crate::cli::render::style::{CHANGE, FAINT, paint};
use crate::cli::render::text::clean;
use crate::cli::report::Failure;
use crate::engine::Clock;
use crate::gitops::FollowedRepo;
use crate::gitops::webhook::{Delivery, Refused, Secrets, Seen, read};
use crate::http::body::{self, BodyError};
use crate::http::server::{Answer, Limits, Server, plain};
use crate::model::Timestamp;
use crate::model::json::json_line;

/// The path of the endpoint.
pub(super) const PATH: &str = "/webhook";
/// The size limit of a delivery. A push of two thousand commits is below it.
const BODY_MAX: usize = 1 << 20;
/// Limits for connections: forges are few, and deliver within seconds.
const LIMITS: Limits =
    Limits { connections_max: 32, head: Duration::from_secs(5), whole: Duration::from_secs(20) };
/// The time limit for the body of a delivery.
const BODY_LIMIT: Duration = Duration::from_secs(10);
/// The interval between two log lines about refused deliveries.
const WORD_EVERY_MS: i64 = 10_000;

/// Arguments about forges.
#[derive(Debug, clap::Args)]
pub struct Webhook {
    /// Serve /webhook at this address, for GitHub, GitLab, Gitea and Forgejo: after a push the loop polls the
    /// repository at once. TLS is the job of a reverse proxy
    #[arg(long = "webhook", value_name = "ADDRESS", env = "STACKCTL_WEBHOOK")]
    #[arg(requires = "repositories", requires = "webhook_secret_file")]
    pub webhook: Option<SocketAddr>,
    /// A file with the secret of the webhook; each line is a valid secret
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, env = "STACKCTL_WEBHOOK_SECRET_FILE")]
    pub webhook_secret_file: Option<PathBuf>,
}

/// There is no usable secret.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[error("{} {what}", path.display())]
#[diagnostic(
    code(stackctl::reconcile::webhook_secret),
    help(
        "write a long random secret into it, such as from `openssl rand -hex 32`, and set the same at the forge"
    )
)]
struct NoSecret {
    path: PathBuf,
    what: String,
}

/// Deliveries by their outcome.
#[derive(Debug, Default)]
pub(super) struct Counts {
    pub(super) accepted: AtomicU64,
    pub(super) ignored: AtomicU64,
    pub(super) replayed: AtomicU64,
    pub(super) refused: AtomicU64,
}

/// An event about deliveries, for the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum WebhookEvent {
    /// The loop polls a repository, because this ref was pushed.
    Asked { repository: String, reference: String },
    /// A delivery was refused, and so many others since the last such event.
    Refused { why: &'static str, others: u64 },
}

/// The endpoint, until this is dropped.
pub(super) struct Endpoint {
    pub(super) server: Server,
    pub(super) counts: Arc<Counts>,
    pub(super) words: UnboundedReceiver<(Timestamp, WebhookEvent)>,
}

/// The state that all connections share.
struct WebhookServer {
    secrets: Secrets,
    followed: BTreeMap<String, FollowedRepo>,
    seen: Mutex<Seen>,
    counts: Arc<Counts>,
    clock: Clock,
    tell: UnboundedSender<(Timestamp, WebhookEvent)>,
    quiet: Mutex<(Option<Timestamp>, u64)>,
}

/// Reads the secrets of a file.
#[expect(clippy::disallowed_methods, reason = "the secret is in a file, and in no argument")]
pub(super) fn secrets(path: &Path) -> Result<Secrets, Failure> {
    let bad = |what: String| Failure::refused(NoSecret { path: path.to_owned(), what });
    let text = std::fs::read(path).map_err(|error| bad(format!("cannot be read: {error}")))?;
    Secrets::parse(&text).ok_or_else(|| bad("has no secret in it".to_owned()))
}

/// Starts the server.
pub(super) async fn listen(
    address: SocketAddr,
    secrets: Secrets,
    followed: BTreeMap<String, FollowedRepo>,
    clock: Clock,
) -> io::Result<Endpoint> {
    let (tell, words) = unbounded_channel();
    let counts = Arc::new(Counts::default());
    let shared = Arc::new(WebhookServer {
        secrets,
        followed,
        seen: Mutex::default(),
        counts: Arc::clone(&counts),
        clock,
        tell,
        quiet: Mutex::default(),
    });
    let server = Server::listen(address, LIMITS, move |request| {
        let shared = Arc::clone(&shared);
        async move { shared.answer(request).await }
    })
    .await?;
    Ok(Endpoint { server, counts, words })
}

impl WebhookServer {
    async fn answer(&self, request: Request<Incoming>) -> Answer {
        if request.uri().path() != PATH {
            return plain(StatusCode::NOT_FOUND, format!("only {PATH} exists\n"));
        }
        if request.method() != Method::POST {
            let mut answer = plain(StatusCode::METHOD_NOT_ALLOWED, "only POST\n".to_owned());
            answer.headers_mut().insert(header::ALLOW, header::HeaderValue::from_static("POST"));
            return answer;
        }
        let (head, body) = request.into_parts();
        let too_large = || plain(StatusCode::PAYLOAD_TOO_LARGE, "the limit is 1 MiB\n".to_owned());
        let body = match timeout(BODY_LIMIT, body::whole(body, BODY_MAX)).await {
            Ok(Ok(body)) => body,
            Ok(Err(BodyError::TooLarge)) => {
                return self.refused("its body is larger than 1 MiB", too_large());
            }
            Ok(Err(BodyError::Broken(_))) => {
                return plain(StatusCode::BAD_REQUEST, "incomplete body\n".to_owned());
            }
            Err(_) => {
                let answer = plain(StatusCode::REQUEST_TIMEOUT, "too slow\n".to_owned());
                return self.refused("its body took too long", answer);
            }
        };
        let header = |name: &str| head.headers.get(name).and_then(|value| value.to_str().ok());
        self.delivered(&header, &body)
    }

    /// Handles a delivery.
    fn delivered<'h>(&self, header: &dyn Fn(&str) -> Option<&'h str>, body: &[u8]) -> Answer {
        let now = self.clock.now();
        if let Err(why) = self.secrets.check(header, body, now.0 / 1000) {
            // The exact reason would help an attacker.
            let answer = plain(StatusCode::UNAUTHORIZED, "invalid signature\n".to_owned());
            return self.refused(why.words(), answer);
        }
        let delivery = match read(header, body) {
            Ok(delivery) => delivery,
            Err(
                why @ (Refused::Senseless | Refused::NotSigned | Refused::BadSignature | Refused::TooOld),
            ) => {
                let answer = plain(StatusCode::BAD_REQUEST, "not a delivery\n".to_owned());
                return self.refused(why.words(), answer);
            }
        };
        let push = match delivery {
            Delivery::Ping => return plain(StatusCode::OK, "pong\n".to_owned()),
            Delivery::Other => return self.ignored("ignored: not a push\n"),
            Delivery::Push(push) => push,
        };
        let is_new = self.seen.lock().unwrap_or_else(PoisonError::into_inner).is_new(header, body);
        if !is_new {
            self.counts.replayed.fetch_add(1, Ordering::Relaxed);
            return plain(StatusCode::OK, "duplicate delivery\n".to_owned());
        }
        let mut about = self.followed.iter().filter(|(name, _)| push.is_about(name)).peekable();
        if about.peek().is_none() {
            return self.ignored("ignored: no such repository or ref is followed\n");
        }
        self.counts.accepted.fetch_add(1, Ordering::Relaxed);
        for (repository, asked) in about {
            asked.poll_now();
            let (repository, reference) = (repository.clone(), push.reference.clone());
            let _no_receiver = self.tell.send((now, WebhookEvent::Asked { repository, reference }));
        }
        plain(StatusCode::ACCEPTED, "accepted\n".to_owned())
    }

    fn ignored(&self, why: &str) -> Answer {
        self.counts.ignored.fetch_add(1, Ordering::Relaxed);
        plain(StatusCode::ACCEPTED, why.to_owned())
    }

    /// Counts a refused delivery, and logs it at intervals.
    fn refused(&self, why: &'static str, answer: Answer) -> Answer {
        self.counts.refused.fetch_add(1, Ordering::Relaxed);
        let now = self.clock.now();
        let mut quiet = self.quiet.lock().unwrap_or_else(PoisonError::into_inner);
        if quiet.0.is_some_and(|last| now.since_ms(last) < WORD_EVERY_MS) {
            quiet.1 += 1;
        } else {
            let others = std::mem::take(&mut quiet.1);
            quiet.0 = Some(now);
            let _no_receiver = self.tell.send((now, WebhookEvent::Refused { why, others }));
        }
        answer
    }
}

impl WebhookEvent {
    /// As a line of the loop's log.
    pub(super) fn line(&self, at: Timestamp, format: Format) -> String {
        let (level, style) = match self {
            Self::Asked { .. } => ("info", anstyle::Style::new()),
            Self::Refused { .. } => ("warning", CHANGE),
        };
        match format {
            Format::Text => format!("{}  {}\n", paint(FAINT, at), paint(style, clean(&self.words()))),
            Format::Json => {
                let value = match self {
                    Self::Asked { repository, reference } => {
                        json!({ "level": level, "repository": repository, "ref": reference })
                    }
                    Self::Refused { why, others } => json!({ "level": level, "why": why, "others": others }),
                };
                let kind = match self {
                    Self::Asked { .. } => "webhook",
                    Self::Refused { .. } => "webhook_refused",
                };
                json_line(&stamped(at, kind, value)) + "\n"
            }
        }
    }

    fn words(&self) -> String {
        match self {
            Self::Asked { repository, reference } => {
                format!("{reference} of {repository} was pushed: polling it at once")
            }
            Self::Refused { why, others: 0 } => format!("refused a webhook delivery: {why}"),
            Self::Refused { why, others } => {
                format!("refused a webhook delivery: {why} ({others} more since the last such line)")
            }
        }
    }
}

/// For Prometheus.
pub(super) fn metrics(counts: &Counts) -> String {
    let mut out = "# HELP stackctl_webhook_deliveries_total Webhook deliveries by outcome.\n\
                   # TYPE stackctl_webhook_deliveries_total counter\n"
        .to_owned();
    for (result, count) in [
        ("accepted", &counts.accepted),
        ("ignored", &counts.ignored),
        ("replayed", &counts.replayed),
        ("refused", &counts.refused),
    ] {
        let count = count.load(Ordering::Relaxed);
        out.push_str(&format!("stackctl_webhook_deliveries_total{{result=\"{result}\"}} {count}\n"));
    }
    out
}
