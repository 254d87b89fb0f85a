//! Brings an image to a host.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use http::{HeaderName, HeaderValue};
use http_body_util::BodyExt;

use crate::fleet::auth::{Credentials, Sent};
use crate::fleet::lines::{LINE_MAX, Lines, TooLong};
use crate::model::action::{Outcome, Pulled};
use crate::model::image::ImageRef;

use super::client::{CallError, Engine, with_query, within};
use super::failure::ActionError;
use super::refusal::Refusal;
use super::task::Stop;
use super::wire;

/// A pull without progress for so long is stuck.
const SILENCE_MAX: Duration = Duration::from_secs(120);

/// Pulls an image, with the credentials of its registry, and tells how far it has come. Not through bollard: it writes
/// credentials in the wrong base 64, which engines refuse whenever it matters.
pub(super) async fn run(
    engine: &Engine,
    credentials: &Credentials,
    image: &str,
    tell: &(dyn Fn(Pulled) + Sync),
) -> Result<Outcome, Stop> {
    let parsed = ImageRef::parse(image).ok();
    let (name, tag) = match &parsed {
        Some(image) => {
            let tag = image.digest.as_deref().or(image.effective_tag());
            (image.familiar_name(), tag.unwrap_or_default().to_owned())
        }
        None => (image.to_owned(), String::new()),
    };
    let path = with_query("/images/create", &[("fromImage", &name), ("tag", &tag)]);
    let (header, sent) = match &parsed {
        Some(image) => credentials.header(image).await,
        None => (None, Sent::default()),
    };
    let far = AtomicU64::new(0);
    let tell = &|pulled: Pulled| {
        far.store(pulled.bytes, Ordering::Relaxed);
        tell(pulled);
    };
    let done = once(engine, &path, header, tell).await;
    // The user has no credentials: what the cluster keeps for this registry may do.
    let (done, sent) = match (&done, &parsed) {
        (Err(error), Some(image)) if !sent.were_sent && wants_credentials(error) => {
            match credentials.of_cluster(image).await {
                Some(header) => {
                    let sent = Sent { were_sent: true, why_none: None };
                    (once(engine, &path, Some(header), tell).await, sent)
                }
                None => (done, sent),
            }
        }
        _ => (done, sent),
    };
    match done {
        Ok(()) => Ok(Outcome::Done),
        // Whether the engine goes on with it is not known: the next connection asks again.
        Err(error @ CallError::Transport(_)) => Err(error.into()),
        // The request ends with this, and the engine's pull with that.
        Err(CallError::Deadline(limit)) if far.load(Ordering::Relaxed) > 0 => {
            let (image, bytes) = (image.to_owned(), far.load(Ordering::Relaxed));
            Err(ActionError::PullStalled { image, bytes, seconds: limit.as_secs() }.into())
        }
        Err(error) => Err(ActionError::of_pull(&error, image, &sent).into()),
    }
}

fn wants_credentials(error: &CallError) -> bool {
    Refusal::of(error, false).is_some_and(Refusal::wants_credentials)
}

/// One request, with these credentials.
async fn once(
    engine: &Engine,
    path: &str,
    header: Option<(HeaderName, HeaderValue)>,
    tell: &(dyn Fn(Pulled) + Sync),
) -> Result<(), CallError> {
    let headers: Vec<_> = header.into_iter().collect();
    let (mut body, _turn) = engine.post_stream(path, &headers, SILENCE_MAX).await?;
    let (mut lines, mut layers) = (Lines::new(LINE_MAX), Layers::default());
    loop {
        let next = within(SILENCE_MAX, async { Ok(body.frame().await) }).await?;
        let Some(frame) = next else { break };
        let frame = frame.map_err(|e| CallError::Transport(e.to_string()))?;
        lines.push(frame.data_ref().map_or(&[][..], |data| data));
        while let Some(line) = lines.next() {
            layers.take(&line.map_err(|TooLong| long_line())?)?;
        }
        tell(layers.pulled());
    }
    layers.take(&lines.rest())
}

fn long_line() -> CallError {
    CallError::TooLong(format!("`POST /images/create` sends a line of more than {} MiB", LINE_MAX >> 20))
}

/// The layers of an image: of each how much is there, and how large it is, where that is known yet.
#[derive(Debug, Default)]
struct Layers(BTreeMap<String, (u64, Option<u64>)>);

impl Layers {
    /// Reads a line of the engine's. A pull that fails has already answered "200 OK": its error is in such a line.
    fn take(&mut self, line: &[u8]) -> Result<(), CallError> {
        let Ok(line) = serde_json::from_slice::<wire::PullLine>(line) else { return Ok(()) };
        if let Some(message) = line.error {
            return Err(CallError::Status { code: 200, message });
        }
        let size = |wanted: i64| u64::try_from(wanted).ok().filter(|&size| size > 0);
        match line.status.as_str() {
            "Pulling fs layer" | "Waiting" => {
                self.0.entry(line.id).or_default();
            }
            "Downloading" => {
                let layer = self.0.entry(line.id).or_default();
                layer.0 = layer.0.max(size(line.progress_detail.current).unwrap_or(0));
                layer.1 = size(line.progress_detail.total).or(layer.1);
            }
            "Download complete" => {
                let layer = self.0.entry(line.id).or_default();
                // A small one is there before its size was said.
                layer.0 = layer.1.unwrap_or(layer.0);
                layer.1 = Some(layer.0);
            }
            "Already exists" => {
                self.0.remove(&line.id);
            }
            _ => {}
        }
        Ok(())
    }

    fn pulled(&self) -> Pulled {
        let bytes = self.0.values().map(|(bytes, _)| bytes).sum();
        let total = self.0.values().map(|(_, total)| *total).sum();
        Pulled { bytes, total }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_counted_over_layers() {
        let mut layers = Layers::default();
        let mut after = |line: &str| {
            layers.take(line.as_bytes()).unwrap();
            (layers.pulled().bytes, layers.pulled().total)
        };
        assert_eq!(after(r#"{"status":"Pulling from app","id":"1"}"#), (0, Some(0)));
        after(r#"{"status":"Pulling fs layer","progressDetail":{},"id":"aa"}"#);
        assert_eq!(after(r#"{"status":"Pulling fs layer","progressDetail":{},"id":"bb"}"#), (0, None));
        let line = r#"{"status":"Downloading","progressDetail":{"current":30,"total":100},"progress":"[>]","id":"aa"}"#;
        assert_eq!(after(line), (30, None));
        after(r#"{"status":"Downloading","progressDetail":{"current":5,"total":50},"id":"bb"}"#);
        assert_eq!(
            after(r#"{"status":"Download complete","progressDetail":{},"id":"aa"}"#),
            (105, Some(150))
        );
        // An engine that tries a layer again begins at nothing.
        let line = r#"{"status":"Downloading","progressDetail":{"current":1,"total":50},"id":"bb"}"#;
        assert_eq!(after(line), (105, Some(150)));
        assert_eq!(
            after(r#"{"status":"Extracting","progressDetail":{"current":9,"total":100},"id":"aa"}"#).0,
            105
        );
        assert_eq!(after(r#"{"status":"Already exists","progressDetail":{},"id":"bb"}"#), (100, Some(100)));
    }

    #[test]
    fn an_error_in_the_stream_ends_it() {
        let line = br#"{"errorDetail":{"message":"toomanyrequests: "},"error":"toomanyrequests: "}"#;
        let error = Layers::default().take(line).unwrap_err();
        assert_eq!(error, CallError::Status { code: 200, message: "toomanyrequests: ".into() });
    }
}
