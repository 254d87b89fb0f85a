//! One archive to an engine: written as it is read, and watched, since nothing says how long it takes.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use http_body_util::{BodyExt as _, Either, StreamBody};
use hyper::body::{Frame, Incoming};
use tokio::sync::{mpsc, watch};

use super::Checked;
use crate::fleet::docker::client::{CallError, Engine};
use crate::fleet::docker::wire;
use crate::fleet::error::HostError;
use crate::fleet::lines::{LINE_MAX, Lines, TooLong};
use crate::fleet::transport::Body;
use crate::image::load::{Archive, Piece};
use crate::image::{Blob, Fault};

/// A load in which nothing moves for so long is stuck: neither does the engine take bytes, nor does it say anything.
const SILENCE_MAX: Duration = Duration::from_secs(300);
/// Between two looks at whether something moves.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// Pieces that are read ahead.
const AHEAD: usize = 2;

/// How far a push has come.
#[derive(Debug, Default)]
pub struct Meter {
    sent: AtomicU64,
    passed: AtomicU64,
    total: AtomicU64,
}

impl Meter {
    /// So many bytes more were sent from here.
    pub(super) fn add(&self, bytes: u64) {
        self.sent.fetch_add(bytes, Ordering::Relaxed);
    }

    /// So many bytes more came from another host.
    pub(super) fn pass(&self, bytes: u64) {
        self.passed.fetch_add(bytes, Ordering::Relaxed);
    }

    /// So many bytes are to be sent from the beginning on.
    pub(super) fn set_total(&self, bytes: u64) {
        self.total.store(bytes, Ordering::Relaxed);
    }

    /// Bytes of requests that were handed to the connection.
    #[must_use]
    pub fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    /// Bytes of layers that came from another host.
    #[must_use]
    pub fn passed(&self) -> u64 {
        self.passed.load(Ordering::Relaxed)
    }

    /// Bytes that the host has been sent, from wherever.
    #[must_use]
    pub fn came(&self) -> u64 {
        self.sent() + self.passed()
    }

    /// Bytes of layers that are to be sent, once that is known.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.total.load(Ordering::Relaxed)
    }
}

/// Whether the archive before has been taken, once that is known.
pub(super) type Gate = watch::Receiver<Option<bool>>;

/// Why an archive was not taken.
#[derive(Debug)]
pub(super) enum NotLoaded {
    /// There is no connection.
    Silent(HostError),
    /// The image is at fault.
    Fault(Fault),
    /// The engine is, or the way to it.
    Call(CallError),
    /// The way by agents leads nowhere; why.
    Lost(String),
}

/// Sends an archive, and waits until the engine has made an image of it. Its end waits for the gate.
pub(super) async fn load(
    engine: &Engine,
    archive: &Archive,
    checked: &Arc<Checked>,
    meter: &Arc<Meter>,
    gate: Option<Gate>,
) -> Result<(), NotLoaded> {
    let fault: Arc<Mutex<Option<Fault>>> = Arc::default();
    // They are read anyway, and what a layer is found to be is waited for before the last piece.
    checked.check_soon(archive.layers.clone());
    let moved = Arc::new(AtomicU64::new(0));
    let (body, out) = body(meter, &moved);
    let (pieces, checked, found) = (archive.pieces.clone(), Arc::clone(checked), Arc::clone(&fault));
    let moves = Arc::clone(&moved);
    tokio::spawn(async move {
        let why = match fill(pieces, &checked, gate, &moves, &out).await {
            Ok(true) => return,
            Ok(false) => None,
            Err(why) => Some(why),
        };
        *found.lock().unwrap_or_else(PoisonError::into_inner) = why;
        // The request is broken off: the engine must not take it for a whole one.
        let _gone = out.send(Err(io::Error::other("the archive is not whole"))).await;
    });
    let call = async {
        let mut answer = engine.post_body("/images/load?quiet=0", body).await?;
        let mut lines = Answer::new();
        while let Some(frame) = answer.frame().await {
            let frame = frame.map_err(|error| CallError::Transport(error.to_string()))?;
            moved.fetch_add(1, Ordering::Relaxed);
            lines.hear(frame.data_ref().map_or(&[][..], |data| data))?;
        }
        lines.end()
    };
    let result = tokio::select! {
        result = call => result,
        error = stuck(&moved) => Err(error),
    };
    let fault: Option<Fault> = fault.lock().unwrap_or_else(PoisonError::into_inner).take();
    match (fault, result) {
        (Some(fault), _) => Err(NotLoaded::Fault(fault)),
        (None, result) => result.map_err(NotLoaded::Call),
    }
}

/// What an engine says of an archive, line by line.
pub(super) struct Answer(Lines);

impl Answer {
    /// It has said nothing yet.
    pub(super) fn new() -> Self {
        Self(Lines::new(LINE_MAX))
    }

    /// Some bytes more.
    pub(super) fn hear(&mut self, bytes: &[u8]) -> Result<(), CallError> {
        self.0.push(bytes);
        while let Some(line) = self.0.next() {
            said(&line.map_err(|TooLong| long_line())?)?;
        }
        Ok(())
    }

    /// It says nothing more.
    pub(super) fn end(self) -> Result<(), CallError> {
        said(&self.0.rest())
    }
}

/// A load that fails has already answered "200 OK": its error is in a line. With the containerd store newer engines say of
/// an image that they cannot unpack that it is loaded, and then that they cannot.
fn said(line: &[u8]) -> Result<(), CallError> {
    const NOT_UNPACKED: &str = "Error unpacking image";
    match serde_json::from_slice::<wire::PullLine>(line) {
        Ok(wire::PullLine { error: Some(message), .. }) => Err(CallError::Status { code: 200, message }),
        Ok(wire::PullLine { stream, .. }) if stream.starts_with(NOT_UNPACKED) => {
            Err(CallError::Status { code: 200, message: stream.trim().to_owned() })
        }
        Ok(_) | Err(_) => Ok(()),
    }
}

fn long_line() -> CallError {
    CallError::TooLong(format!("`POST /images/load` sends a line of more than {} MiB", LINE_MAX >> 20))
}

/// Ends once nothing has moved for too long.
pub(super) async fn stuck(moved: &AtomicU64) -> CallError {
    let (mut last, mut since) = (moved.load(Ordering::Relaxed), Duration::ZERO);
    while since < SILENCE_MAX {
        tokio::time::sleep(LOOK_EVERY).await;
        let now = moved.load(Ordering::Relaxed);
        since = if now == last { since + LOOK_EVERY } else { Duration::ZERO };
        last = now;
    }
    CallError::Deadline(SILENCE_MAX)
}

/// A body, and what it is filled through.
fn body(meter: &Arc<Meter>, moved: &Arc<AtomicU64>) -> (Body, mpsc::Sender<io::Result<Bytes>>) {
    let (out, into) = mpsc::channel(AHEAD);
    let (meter, moved) = (Arc::clone(meter), Arc::clone(moved));
    let frames = stream::unfold(into, move |mut into: mpsc::Receiver<io::Result<Bytes>>| {
        let (meter, moved) = (Arc::clone(&meter), Arc::clone(&moved));
        async move {
            let next = into.recv().await?;
            if let Ok(bytes) = &next {
                meter.add(bytes.len() as u64);
                moved.fetch_add(bytes.len() as u64, Ordering::Relaxed);
            }
            Some((next.map(Frame::data), into))
        }
    });
    (Either::Right(StreamBody::new(Box::pin(frames))), out)
}

/// Reads the pieces, one after the other, as fast as they are taken; whether they are all that there is.
async fn fill(
    pieces: Vec<Piece>,
    checked: &Checked,
    gate: Option<Gate>,
    moved: &AtomicU64,
    out: &mpsc::Sender<io::Result<Bytes>>,
) -> Result<bool, Fault> {
    let mut gate = gate;
    for piece in pieces {
        match piece {
            Piece::Bytes(bytes) => {
                if out.send(Ok(bytes)).await.is_err() {
                    return Ok(true);
                }
            }
            Piece::Blob(blob) => {
                let mut at = 0;
                while at < blob.size() {
                    let bytes = read_blob(&blob, at).await?;
                    at += bytes.len() as u64;
                    if out.send(Ok(bytes)).await.is_err() {
                        return Ok(true);
                    }
                }
            }
            Piece::Verified(layers) => {
                for layer in layers {
                    checked.check(layer).await?;
                }
                if let Some(gate) = gate.take()
                    && !opened(gate, moved).await
                {
                    return Ok(false);
                }
            }
        }
    }
    Ok(true)
}

/// Some bytes of a layer, from there on.
pub(super) async fn read_blob(blob: &Blob, at: u64) -> Result<Bytes, Fault> {
    let from = blob.clone();
    let read = tokio::task::spawn_blocking(move || from.read(at)).await;
    read.unwrap_or_else(|error| Err(Fault::Unreadable { what: "a layer".to_owned(), why: error.to_string() }))
}

/// Waits for a gate. What it waits for may take long, and has a limit of its own: this one is not stuck meanwhile.
pub(super) async fn opened(mut gate: Gate, moved: &AtomicU64) -> bool {
    loop {
        tokio::select! {
            taken = gate.wait_for(Option::is_some) => return taken.is_ok_and(|taken| *taken == Some(true)),
            () = tokio::time::sleep(LOOK_EVERY) => drop(moved.fetch_add(1, Ordering::Relaxed)),
        }
    }
}

/// An answer as bytes.
pub(in crate::fleet) fn bytes_of(
    body: Incoming,
) -> impl futures_util::Stream<Item = Result<Bytes, CallError>> + use<> {
    stream::unfold(body, |mut body| async move {
        loop {
            match body.frame().await? {
                Ok(frame) => {
                    if let Ok(bytes) = frame.into_data() {
                        return Some((Ok(bytes), body));
                    }
                }
                Err(error) => return Some((Err(CallError::Transport(error.to_string())), body)),
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_found_however_an_engine_says_it() {
        let refused = |line: &str| said(line.as_bytes()).unwrap_err().to_string();
        let line = r#"{"errorDetail":{},"error":"open /tmp/layer-0: no such file or directory"}"#;
        assert_eq!(refused(line), "open /tmp/layer-0: no such file or directory");
        let line = r#"{"stream":"Error unpacking image app:1: content digest sha256:00: not found\n"}"#;
        assert!(refused(line).ends_with("sha256:00: not found"));
        for fine in [r#"{"stream":"Loaded image: app:1\n"}"#, r#"{"status":"Loading layer"}"#, "", "\r\n"] {
            said(fine.as_bytes()).unwrap();
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_archive_behind_a_gate_waits_and_is_broken_off_if_that_stays_shut() {
        let moved = AtomicU64::new(0);
        for (taken, opens) in [(true, true), (false, false)] {
            let (done, gate) = watch::channel(None);
            let wait = opened(gate, &moved);
            let before = tokio::time::sleep(SILENCE_MAX * 2);
            let (is_open, ()) = tokio::join!(wait, async {
                before.await;
                done.send_replace(Some(taken));
            });
            assert_eq!(is_open, opens);
        }
        assert!(moved.load(Ordering::Relaxed) > 100, "waiting is not being stuck");
    }
}
