//! Where forges tell of pushes: a delivery that is theirs has the repository asked at once, and that is all
//! it can do. Other people can reach this, so that everything has an end: bodies, times, connections,
//! what is remembered, and what is logged.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use clap::ValueHint;
use http::{Method, Request, StatusCode, header};
use http_body_util::{BodyExt as _, Limited};
use hyper::body::{Body as _, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use serde_json::json;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::serve::{Answer, accept, plain};
use crate::cli::format::Format;
use crate::cli::render::progress::stamped;
use crate::cli::render::style::{CHANGE, FAINT, paint};
use crate::cli::render::text::clean;
use crate::cli::report::Failure;
use crate::cli::template::json_line;
use crate::engine::Clock;
use crate::gitops::Asked;
use crate::gitops::webhook::{Delivery, Refused, Secrets, Seen, read};
use crate::model::Timestamp;

/// Where deliveries go.
pub(super) const PATH: &str = "/webhook";
/// The most of a delivery. A push of two thousand commits is below it.
const BODY_MAX: usize = 1 << 20;
/// Connections at a time. Each has its end within [`WHOLE_LIMIT`].
const CONNECTIONS_MAX: usize = 32;
/// For the head of a request, its body, and all of it.
const HEAD_LIMIT: Duration = Duration::from_secs(5);
const BODY_LIMIT: Duration = Duration::from_secs(10);
const WHOLE_LIMIT: Duration = Duration::from_secs(20);
/// Between two lines about what was refused.
const WORD_EVERY_MS: i64 = 10_000;

/// Arguments about forges.
#[derive(Debug, clap::Args)]
pub struct Webhook {
    /// Serve /webhook at this address, for GitHub, GitLab, Gitea and Forgejo: a push they tell of is looked
    /// for at once, without waiting for --poll. TLS is a reverse proxy's
    #[arg(long = "webhook", value_name = "ADDRESS", env = "STACKCTL_WEBHOOK")]
    #[arg(requires = "repositories", requires = "webhook_secret_file")]
    pub webhook: Option<SocketAddr>,
    /// A file with the secret of the webhook; with several lines, any of them
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, env = "STACKCTL_WEBHOOK_SECRET_FILE")]
    pub webhook_secret_file: Option<PathBuf>,
}

/// There is no secret.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[error("{} {what}", path.display())]
#[diagnostic(
    code(stackctl::reconcile::webhook_secret),
    help(
        "write a long random secret into it, such as `openssl rand -hex 32` gives, and the same at the forge"
    )
)]
struct NoSecret {
    path: PathBuf,
    what: String,
}

/// What came of deliveries.
#[derive(Debug, Default)]
pub(super) struct Counts {
    pub(super) accepted: AtomicU64,
    pub(super) ignored: AtomicU64,
    pub(super) replayed: AtomicU64,
    pub(super) refused: AtomicU64,
}

/// What is told of deliveries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Word {
    /// A repository is asked, because of this ref.
    Asked { repository: String, reference: String },
    /// Something was refused, and so many others since the last word.
    Refused { why: &'static str, others: u64 },
}

/// The endpoint, until this is dropped.
pub(super) struct Endpoint {
    pub(super) at: SocketAddr,
    pub(super) counts: Arc<Counts>,
    pub(super) words: UnboundedReceiver<(Timestamp, Word)>,
    _server: JoinSet<()>,
}

/// What every connection needs.
struct Desk {
    secrets: Secrets,
    followed: BTreeMap<String, Asked>,
    seen: Mutex<Seen>,
    counts: Arc<Counts>,
    clock: Clock,
    tell: UnboundedSender<(Timestamp, Word)>,
    quiet: Mutex<(Option<Timestamp>, u64)>,
}

/// Reads the secrets of a file.
#[expect(clippy::disallowed_methods, reason = "the secret is in a file, and in no argument")]
pub(super) fn secrets(path: &Path) -> Result<Secrets, Failure> {
    let bad = |what: String| Failure::refused(NoSecret { path: path.to_owned(), what });
    let text = std::fs::read(path).map_err(|error| bad(format!("cannot be read: {error}")))?;
    Secrets::parse(&text).ok_or_else(|| bad("has no secret in it".to_owned()))
}

/// Begins to listen.
pub(super) async fn listen(
    address: SocketAddr,
    secrets: Secrets,
    followed: BTreeMap<String, Asked>,
    clock: Clock,
) -> io::Result<Endpoint> {
    let (tell, words) = unbounded_channel();
    let counts = Arc::new(Counts::default());
    let desk = Arc::new(Desk {
        secrets,
        followed,
        seen: Mutex::default(),
        counts: Arc::clone(&counts),
        clock,
        tell,
        quiet: Mutex::default(),
    });
    let (at, server) = accept(address, CONNECTIONS_MAX, move |stream| {
        let desk = Arc::clone(&desk);
        async move {
            let answer = service_fn(|request: Request<Incoming>| {
                let desk = Arc::clone(&desk);
                async move { Ok::<_, Infallible>(desk.answer(request).await) }
            });
            let mut http = http1::Builder::new();
            http.timer(TokioTimer::new()).header_read_timeout(HEAD_LIMIT).keep_alive(false);
            // Whoever hangs up, or takes its time, is forgotten.
            let _gone = timeout(WHOLE_LIMIT, http.serve_connection(TokioIo::new(stream), answer)).await;
        }
    })
    .await?;
    Ok(Endpoint { at, counts, words, _server: server })
}

impl Desk {
    async fn answer(&self, request: Request<Incoming>) -> Answer {
        if request.uri().path() != PATH {
            return plain(StatusCode::NOT_FOUND, format!("there is {PATH}\n"));
        }
        if request.method() != Method::POST {
            let mut answer = plain(StatusCode::METHOD_NOT_ALLOWED, "only POST\n".to_owned());
            answer.headers_mut().insert(header::ALLOW, header::HeaderValue::from_static("POST"));
            return answer;
        }
        let (head, body) = request.into_parts();
        let too_large = || plain(StatusCode::PAYLOAD_TOO_LARGE, "1 MiB is the most\n".to_owned());
        if body.size_hint().lower() > BODY_MAX as u64 {
            return self.refused("it is larger than 1 MiB", too_large());
        }
        let body = match timeout(BODY_LIMIT, Limited::new(body, BODY_MAX).collect()).await {
            Ok(Ok(body)) => body.to_bytes(),
            Ok(Err(error)) if error.is::<http_body_util::LengthLimitError>() => {
                return self.refused("it is larger than 1 MiB", too_large());
            }
            Ok(Err(_)) => return plain(StatusCode::BAD_REQUEST, "cut off\n".to_owned()),
            Err(_) => {
                let answer = plain(StatusCode::REQUEST_TIMEOUT, "too slow\n".to_owned());
                return self.refused("it did not come to its end", answer);
            }
        };
        let header = |name: &str| head.headers.get(name).and_then(|value| value.to_str().ok());
        self.delivered(&header, &body)
    }

    /// What becomes of a delivery.
    fn delivered<'h>(&self, header: &dyn Fn(&str) -> Option<&'h str>, body: &[u8]) -> Answer {
        let now = self.clock.now();
        if let Err(why) = self.secrets.check(header, body, now.0 / 1000) {
            // Which of all it is would help those who guess.
            let answer = plain(StatusCode::UNAUTHORIZED, "not signed as it must be\n".to_owned());
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
            Delivery::Ping => return plain(StatusCode::OK, "here\n".to_owned()),
            Delivery::Other => return self.ignored("nothing that is followed\n"),
            Delivery::Push(push) => push,
        };
        let is_new = self.seen.lock().unwrap_or_else(PoisonError::into_inner).is_new(header, body);
        if !is_new {
            self.counts.replayed.fetch_add(1, Ordering::Relaxed);
            return plain(StatusCode::OK, "told before\n".to_owned());
        }
        let mut about = self.followed.iter().filter(|(name, _)| push.is_about(name)).peekable();
        if about.peek().is_none() {
            return self.ignored("not followed\n");
        }
        self.counts.accepted.fetch_add(1, Ordering::Relaxed);
        for (repository, asked) in about {
            asked.sooner();
            let (repository, reference) = (repository.clone(), push.reference.clone());
            let _nobody_listens = self.tell.send((now, Word::Asked { repository, reference }));
        }
        plain(StatusCode::ACCEPTED, "it is looked for\n".to_owned())
    }

    fn ignored(&self, why: &str) -> Answer {
        self.counts.ignored.fetch_add(1, Ordering::Relaxed);
        plain(StatusCode::ACCEPTED, why.to_owned())
    }

    /// Counts it, and says so now and then.
    fn refused(&self, why: &'static str, answer: Answer) -> Answer {
        self.counts.refused.fetch_add(1, Ordering::Relaxed);
        let now = self.clock.now();
        let mut quiet = self.quiet.lock().unwrap_or_else(PoisonError::into_inner);
        if quiet.0.is_some_and(|last| now.since_ms(last) < WORD_EVERY_MS) {
            quiet.1 += 1;
        } else {
            let others = std::mem::take(&mut quiet.1);
            quiet.0 = Some(now);
            let _nobody_listens = self.tell.send((now, Word::Refused { why, others }));
        }
        answer
    }
}

impl Word {
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
                format!("{repository} is asked at once: {reference} was pushed")
            }
            Self::Refused { why, others: 0 } => format!("a webhook's delivery was refused: {why}"),
            Self::Refused { why, others } => {
                format!(
                    "a webhook's delivery was refused: {why} (and {others} more since the last such line)"
                )
            }
        }
    }
}

/// For Prometheus.
pub(super) fn metrics(counts: &Counts) -> String {
    let mut out = "# HELP stackctl_webhook_deliveries_total What forges delivered, by what became of it.\n\
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
