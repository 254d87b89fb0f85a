//! One archive to an engine by way of the agent beside it: the relay is sent the layers, takers get them from the relay, and
//! all else comes from here to each of them.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::pending;
use tokio::io::{AsyncRead, split};
use tokio::time::timeout;

use super::Checked;
use super::group::{Member, Role};
use super::load::{Answer, Gate, Meter, NotLoaded, opened, read_blob, stuck};
use crate::agent::client;
use crate::agent::relay::frames::{Begin, Failure, Frame, Incoming, Named, Outgoing, Part, pieces};
use crate::agent::relay::serve::CLIENT_SILENCE;
use crate::agent::wire::PROTOCOL_LAYERS;
use crate::fleet::docker::client::CallError;
use crate::fleet::host::Up;
use crate::fleet::lines::LINE_MAX;
use crate::image::load::{Archive, Piece};

/// For an agent to begin.
const BEGIN_LIMIT: Duration = Duration::from_secs(15);

/// What an archive is sent with.
pub(super) struct Passing<'a> {
    pub member: &'a Member,
    pub up: &'a Up,
    /// The socket of the host's agent.
    pub socket: PathBuf,
    pub meter: &'a Arc<Meter>,
}

/// How an archive goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Layers {
    /// They are sent from here.
    FromHere,
    /// Another agent sends them.
    PassedOn,
}

fn lost(why: impl std::fmt::Display) -> NotLoaded {
    NotLoaded::Lost(why.to_string())
}

impl Passing<'_> {
    /// Sends an archive, the one at this place, and waits until the engine has made an image of it. Its end waits for the
    /// gate. Gives [`NotLoaded::Lost`] where this way leads nowhere.
    pub(super) async fn load(
        &self,
        at: usize,
        role: Role,
        archive: &Archive,
        checked: &Arc<Checked>,
        gate: Option<Gate>,
    ) -> Result<(), NotLoaded> {
        let (part, layers) = match &role {
            Role::Alone => {
                return Err(lost(format!("{} does not pass it on any more", self.member.relay())));
            }
            Role::Relay(to) => {
                let to = to.iter().map(ToString::to_string).collect();
                (Part::Relay { to }, Layers::FromHere)
            }
            Role::Taker => (Part::Taker { from: self.member.relay().to_string() }, Layers::PassedOn),
        };
        // They are read anyway, and what a layer is found to be is waited for before the last piece.
        checked.check_soon(archive.layers.clone());
        let stream = self.up.open_beside(&self.socket).await.map_err(lost)?;
        let stream = client::layers(stream, BEGIN_LIMIT).await.map_err(lost)?;
        let (from, to) = split(stream);
        let (mut incoming, out) = (Incoming::new(from, CLIENT_SILENCE), Outgoing::new(to, CLIENT_SILENCE));
        let begin = Begin { protocol: PROTOCOL_LAYERS, transfer: self.member.transfer(at), part };
        let _broken_is_seen_below = out.send(Frame::Begin(begin)).await;
        if let Role::Relay(takers) = role {
            match timeout(BEGIN_LIMIT, incoming.next()).await {
                Ok(Ok(Frame::Ready)) => self.member.begin(at, takers),
                Ok(Ok(Frame::Failed(why))) => return Err(lost(why)),
                Ok(Ok(_)) => return Err(lost(Failure::Other)),
                Ok(Err(why)) => return Err(lost(why)),
                Err(_) => {
                    return Err(lost(format!("the agent did not begin within {} s", BEGIN_LIMIT.as_secs())));
                }
            }
        }
        let moved = AtomicU64::new(0);
        let sender = Sender { out: &out, meter: self.meter, moved: &moved, layers };
        let sending = async {
            match sender.send_all(archive, checked, gate).await {
                Ok(true) => pending().await,
                Ok(false) => lost("the archive before it was not taken"),
                Err(fault) => NotLoaded::Fault(fault),
            }
        };
        tokio::select! {
            result = answered(&mut incoming, self.meter, &moved) => result,
            why = sending => Err(why),
            error = stuck(&moved) => Err(lost(error)),
        }
    }
}

/// Hears of the agent how far it is, and what its engine says.
async fn answered<R: AsyncRead + Unpin>(
    incoming: &mut Incoming<R>,
    meter: &Meter,
    moved: &AtomicU64,
) -> Result<(), NotLoaded> {
    let (mut status, mut answer, mut refused) = (None, Answer::new(), None);
    let mut text = Vec::new();
    loop {
        let frame = incoming.next().await.map_err(|why| lost(format!("the agent's stream: {why}")))?;
        moved.fetch_add(1, Ordering::Relaxed);
        match frame {
            Frame::Moved(bytes) => meter.pass(bytes),
            Frame::Status(code) => status = Some(code),
            // Others may want what this engine refuses: it is for the agent to end.
            Frame::Said(bytes) if status.is_some_and(is_fine) => {
                refused = refused.or(answer.hear(&bytes).err());
            }
            Frame::Said(bytes) => text.extend_from_slice(&bytes[..bytes.len().min(LINE_MAX - text.len())]),
            Frame::Failed(why) => return Err(lost(why)),
            Frame::End => {
                let refused = match status {
                    Some(code) if is_fine(code) => refused.or(answer.end().err()),
                    Some(code) => Some(refusal(code, &text)),
                    None => return Err(lost("its engine has not answered")),
                };
                return refused.map_or(Ok(()), |error| Err(NotLoaded::Call(error)));
            }
            Frame::Came(_) => {}
            _ => return Err(lost(Failure::Other)),
        }
    }
}

fn is_fine(status: u16) -> bool {
    (200..300).contains(&status)
}

/// What an engine says that takes nothing at all.
fn refusal(code: u16, text: &[u8]) -> CallError {
    let said: serde_json::Value = serde_json::from_slice(text).unwrap_or_default();
    let message = said["message"].as_str().map_or_else(|| format!("it answered {code}"), str::to_owned);
    CallError::Status { code, message }
}

/// Sends the pieces of an archive, one after the other, as fast as they are taken.
struct Sender<'a> {
    out: &'a Outgoing,
    meter: &'a Meter,
    moved: &'a AtomicU64,
    layers: Layers,
}

impl Sender<'_> {
    /// Whether they are all that there is. A stream that is broken is none of its business: the answer's reader sees it.
    async fn send_all(
        &self,
        archive: &Archive,
        checked: &Checked,
        gate: Option<Gate>,
    ) -> Result<bool, crate::image::Fault> {
        let (mut gate, mut layer) = (gate, archive.layers.start);
        for piece in archive.pieces.clone() {
            match piece {
                Piece::Bytes(bytes) => self.send(bytes, Frame::Bytes).await,
                Piece::Blob(blob) => {
                    let named = Named { digest: checked.digest(layer).await?, size: blob.size() };
                    layer += 1;
                    self.frame(Frame::Layer(named)).await;
                    let mut at = 0;
                    while at < blob.size() && self.layers == Layers::FromHere {
                        let bytes = read_blob(&blob, at).await?;
                        at += bytes.len() as u64;
                        self.send(bytes, Frame::Data).await;
                    }
                }
                Piece::Verified(layers) => {
                    for layer in layers {
                        checked.check(layer).await?;
                    }
                    if let Some(gate) = gate.take()
                        && !opened(gate, self.moved).await
                    {
                        return Ok(false);
                    }
                }
            }
        }
        self.frame(Frame::End).await;
        Ok(true)
    }

    async fn send(&self, bytes: Bytes, kind: impl Fn(Bytes) -> Frame) {
        for piece in pieces(bytes) {
            self.meter.add(piece.len() as u64);
            self.frame(kind(piece)).await;
        }
    }

    async fn frame(&self, frame: Frame) {
        if self.out.send(frame).await.is_err() {
            // What reads the answer says why.
            pending::<()>().await;
        }
        self.moved.fetch_add(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_secs(20);

    /// What comes of these frames, and how many bytes the meter has as passed on.
    async fn heard(frames: Vec<Frame>) -> (Result<(), NotLoaded>, u64) {
        let (ours, theirs) = tokio::io::duplex(1 << 16);
        let (out, mut incoming) = (Outgoing::new(theirs, LIMIT), Incoming::new(ours, LIMIT));
        for frame in frames {
            out.send(frame).await.unwrap();
        }
        drop(out);
        let (meter, moved) = (Meter::default(), AtomicU64::new(0));
        (answered(&mut incoming, &meter, &moved).await, meter.passed())
    }

    fn said(text: &'static str) -> Frame {
        Frame::Said(Bytes::from_static(text.as_bytes()))
    }

    #[tokio::test]
    async fn only_an_engine_that_says_so_has_loaded_it() {
        let loaded = || said("{\"stream\":\"Loaded image: app:1\\n\"}\r\n");
        let fine = vec![Frame::Status(200), Frame::Moved(7), loaded(), Frame::Moved(5), Frame::End];
        assert!(matches!(heard(fine).await, (Ok(()), 12)));
        // The error of an engine is what it is when the engine is asked from here.
        for refused in [
            vec![Frame::Status(200), said("{\"error\":\"no sp"), said("ace\"}"), Frame::End],
            vec![Frame::Status(200), said("{\"error\":\"no space\"}\r\n"), loaded(), Frame::End],
            vec![Frame::Status(500), said("{\"message\":\"no space\"}"), Frame::End],
        ] {
            let (heard, _) = heard(refused).await;
            let Err(NotLoaded::Call(CallError::Status { message, .. })) = heard else { panic!("{heard:?}") };
            assert_eq!(message, "no space");
        }
        let failure = Failure::NotPassedOn { host: "h1".into(), why: "x".into() };
        for lost in [
            vec![],
            vec![Frame::End],
            vec![Frame::Status(200), loaded()],
            vec![Frame::Ready],
            vec![Frame::Status(200), loaded(), Frame::Failed(failure)],
        ] {
            let (heard, _) = heard(lost).await;
            assert!(matches!(heard, Err(NotLoaded::Lost(_))), "{heard:?}");
        }
    }
}
