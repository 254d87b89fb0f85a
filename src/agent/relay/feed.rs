//! An archive on its way into the engine of this host, and what the engine says of it, which goes to the client as it is.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::{self as streams, BoxStream, StreamExt as _};
use http::{Method, Request, header};
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::Frame as Part;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::frames::{Failure, Frame, Outgoing, pieces};
use crate::http::{client, stream};

/// Frames between a client and the engine.
const AHEAD: usize = 4;
/// An engine that takes nothing for so long is stuck: it may be unpacking what came before.
const STALL_MAX: Duration = Duration::from_secs(300);
/// For an engine to hear that what it reads is broken off.
const BREAK_LIMIT: Duration = Duration::from_secs(10);

/// A request to the engine that is under way.
#[derive(Debug)]
pub struct Feed {
    into: mpsc::Sender<io::Result<Bytes>>,
    ended: JoinHandle<Result<(), String>>,
}

impl Feed {
    /// Begins to load an archive at the engine with this socket; its answer goes out.
    #[must_use]
    pub fn begin(engine: &Path, out: Outgoing) -> Self {
        let (into, bytes) = mpsc::channel(AHEAD);
        let ended = tokio::spawn(load(engine.to_owned(), bytes, out));
        Self { into, ended }
    }

    /// Gives the engine some bytes. Whether it still takes any: one that has found a mistake does not.
    ///
    /// # Errors
    ///
    /// It takes nothing for too long.
    pub async fn give(&self, bytes: Bytes) -> Result<bool, Failure> {
        match timeout(STALL_MAX, self.into.send(Ok(bytes))).await {
            Ok(given) => Ok(given.is_ok()),
            Err(_) => {
                let why = format!("it took nothing for {} s", STALL_MAX.as_secs());
                Err(Failure::Engine { why })
            }
        }
    }

    /// Nothing follows: waits for the engine to have made an image of it, or to say why not.
    ///
    /// # Errors
    ///
    /// It does not answer to the end.
    pub async fn end(self) -> Result<(), Failure> {
        drop(self.into);
        let ended = self.ended.await.unwrap_or_else(|error| Err(error.to_string()));
        ended.map_err(|why| Failure::Engine { why })
    }

    /// Breaks the request off: the engine must not take it for a whole one. Waits until the engine has heard of it.
    pub async fn break_off(self) {
        let broken = io::Error::other("the archive is not whole");
        let mut ended = self.ended;
        if timeout(BREAK_LIMIT, self.into.send(Err(broken))).await.is_err()
            || timeout(BREAK_LIMIT, &mut ended).await.is_err()
        {
            ended.abort();
        }
    }
}

async fn load(
    engine: PathBuf,
    bytes: mpsc::Receiver<io::Result<Bytes>>,
    out: Outgoing,
) -> Result<(), String> {
    let words = |error: &dyn std::fmt::Display| error.to_string();
    let parts: BoxStream<'static, io::Result<Part<Bytes>>> = streams::unfold(bytes, |mut bytes| async move {
        let next = bytes.recv().await?;
        Some((next.map(Part::data), bytes))
    })
    .boxed();
    // Without a version: every engine has this request.
    let request = Request::builder()
        .method(Method::POST)
        .uri("/images/load?quiet=0")
        .header(header::HOST, "docker")
        .header(header::CONTENT_TYPE, "application/x-tar")
        .body(StreamBody::new(parts))
        .map_err(|error| words(&error))?;
    let stream = stream::unix(&engine).await.map_err(|error| words(&error))?;
    let mut sender = client::handshake(stream).await.map_err(|error| words(&error))?;
    let answer = sender.send_request(request).await.map_err(|error| words(&error))?;
    let _client_is_gone = out.send(Frame::Status(answer.status().as_u16())).await;
    let mut answer = answer.into_body();
    while let Some(part) = answer.frame().await {
        let data = part.map_err(|error| words(&error))?.into_data().unwrap_or_default();
        for piece in pieces(data) {
            let _client_is_gone = out.send(Frame::Said(piece)).await;
        }
    }
    Ok(())
}
