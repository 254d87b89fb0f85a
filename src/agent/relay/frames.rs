//! What goes over a stream of layers: frames with a kind and a length. No frame is a layer, and none is held for long.
//!
//! A stream is whole only with its [end](Frame::End): one that ends without it is broken off. A side that has nothing to say
//! says so every few seconds, so that one that is cut off, or stands still, is known from one that is busy.

use std::io;
use std::time::Duration;

use bytes::{BufMut as _, Bytes, BytesMut};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::sync::mpsc;
use tokio::time::timeout;

/// The longest content of a frame, in bytes.
pub const FRAME_MAX: usize = 256 << 10;
/// Bytes of what is before the content.
const HEAD: usize = 5;
/// Between two words of a side that has nothing to say.
const IDLE_EVERY: Duration = Duration::from_secs(5);
/// Frames on their way to one reader.
const AHEAD: usize = 8;

/// How a stream begins: who the agent is in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Begin {
    /// The protocol in which it goes on.
    pub protocol: u32,
    /// By chance, the same for all agents that take part, and another one for each archive.
    pub transfer: String,
    pub part: Part,
}

/// The part of an agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// It is sent the layers, and passes them on to the agents of these hosts.
    Relay { to: Vec<String> },
    /// It gets the layers from the agent of this host.
    Taker { from: String },
}

/// A layer, as a client names it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Named {
    /// `sha256:…` of its bytes.
    pub digest: String,
    pub size: u64,
}

/// Why an agent did not load an archive. What its engine says is not here: it goes back as it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(tag = "code", rename_all = "snake_case")]
pub enum Failure {
    /// Another agent sent something else.
    #[error("the agent of {host} sent something else than layer {digest}")]
    Wrong { host: String, digest: String },
    /// Another agent did not send all.
    #[error("the agent of {host} did not pass on everything: {why}")]
    NotPassedOn { host: String, why: String },
    /// The engine of its own host cannot be asked, or takes nothing.
    #[error("the agent does not get through to its engine: {why}")]
    Engine { why: String },
    /// What came from the client cannot be used.
    #[error("the agent does not take it: {why}")]
    Refused { why: String },
    /// Something that this program does not know.
    #[error("the agent gave up for a reason that this version does not know")]
    #[serde(other)]
    Other,
}

/// One frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Frame {
    /// Client to agent, the first one.
    Begin(Begin),
    /// Client to agent: bytes of the archive itself, for the engine of this agent alone.
    Bytes(Bytes),
    /// The bytes of this layer follow: in the stream from the client, or in that from the relay.
    Layer(Named),
    /// Bytes of the layer.
    Data(Bytes),
    /// Nothing follows.
    End,
    /// Nothing at the moment.
    Idle,
    /// Agent to client: others may come for the layers now.
    Ready,
    /// Agent to client: these have come.
    Came(Vec<String>),
    /// Agent to client: so many bytes more came from another agent.
    Moved(u64),
    /// Agent to client: how the engine's answer begins, and what it says.
    Status(u16),
    /// See above.
    Said(Bytes),
    /// Agent to client, the last one.
    Failed(Failure),
    /// Agent to agent: it comes for this transfer.
    Come(String),
}

/// Why nothing more comes over a stream.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    /// Not a word for too long.
    #[error("not a word for {} s", .0.as_secs())]
    Silent(Duration),
    /// It ended before its end.
    #[error("it was broken off")]
    Ended,
    /// The system says that it is over.
    #[error("{0}")]
    Io(String),
    /// What came is no frame.
    #[error("what came is no frame")]
    Malformed,
}

impl Broken {
    fn of(error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => {
                Self::Ended
            }
            _ => Self::Io(error.to_string()),
        }
    }
}

impl Frame {
    fn kind(&self) -> u8 {
        match self {
            Self::Begin(_) => 1,
            Self::Bytes(_) => 2,
            Self::Layer(_) => 3,
            Self::Data(_) => 4,
            Self::End => 5,
            Self::Idle => 6,
            Self::Ready => 7,
            Self::Came(_) => 8,
            Self::Moved(_) => 9,
            Self::Status(_) => 10,
            Self::Said(_) => 11,
            Self::Failed(_) => 12,
            Self::Come(_) => 13,
        }
    }

    fn content(&self) -> Bytes {
        fn json<T: Serialize>(value: &T) -> Bytes {
            serde_json::to_vec(value).expect("texts and numbers are JSON").into()
        }
        match self {
            Self::Bytes(bytes) | Self::Data(bytes) | Self::Said(bytes) => bytes.clone(),
            Self::End | Self::Idle | Self::Ready => Bytes::new(),
            Self::Begin(begin) => json(begin),
            Self::Layer(named) => json(named),
            Self::Came(hosts) => json(hosts),
            Self::Moved(bytes) => json(bytes),
            Self::Status(status) => json(status),
            Self::Failed(failure) => json(failure),
            Self::Come(transfer) => json(transfer),
        }
    }

    fn read(kind: u8, content: Bytes) -> Result<Self, Broken> {
        fn json<T: for<'de> Deserialize<'de>>(content: &Bytes) -> Result<T, Broken> {
            serde_json::from_slice(content).map_err(|_| Broken::Malformed)
        }
        Ok(match kind {
            1 => Self::Begin(json(&content)?),
            2 => Self::Bytes(content),
            3 => Self::Layer(json(&content)?),
            4 => Self::Data(content),
            5 => Self::End,
            6 => Self::Idle,
            7 => Self::Ready,
            8 => Self::Came(json(&content)?),
            9 => Self::Moved(json(&content)?),
            10 => Self::Status(json(&content)?),
            11 => Self::Said(content),
            12 => Self::Failed(json(&content)?),
            13 => Self::Come(json(&content)?),
            _ => return Err(Broken::Malformed),
        })
    }
}

/// Bytes in pieces that frames can have.
pub fn pieces(mut bytes: Bytes) -> impl Iterator<Item = Bytes> {
    std::iter::from_fn(move || {
        let length = bytes.len().min(FRAME_MAX);
        (length > 0).then(|| bytes.split_to(length))
    })
}

/// What comes in. Nothing is read ahead.
#[derive(Debug)]
pub struct Incoming<R> {
    from: R,
    silence_max: Duration,
}

impl<R: AsyncRead + Unpin> Incoming<R> {
    /// Of a side that says something at least this often.
    pub fn new(from: R, silence_max: Duration) -> Self {
        Self { from, silence_max }
    }

    /// The next frame that says something. Must not be given up halfway if more is to be read.
    ///
    /// # Errors
    ///
    /// See [`Broken`].
    pub async fn next(&mut self) -> Result<Frame, Broken> {
        loop {
            let mut head = [0; HEAD];
            self.fill(&mut head).await?;
            let [kind, length @ ..] = head;
            let length = u32::from_be_bytes(length) as usize;
            if length > FRAME_MAX {
                return Err(Broken::Malformed);
            }
            let mut content = vec![0; length];
            self.fill(&mut content).await?;
            match Frame::read(kind, content.into())? {
                Frame::Idle => {}
                frame => return Ok(frame),
            }
        }
    }

    async fn fill(&mut self, bytes: &mut [u8]) -> Result<(), Broken> {
        let mut at = 0;
        while at < bytes.len() {
            match timeout(self.silence_max, self.from.read(&mut bytes[at..])).await {
                Err(_) => return Err(Broken::Silent(self.silence_max)),
                Ok(Err(error)) => return Err(Broken::of(&error)),
                Ok(Ok(0)) => return Err(Broken::Ended),
                Ok(Ok(length)) => at += length,
            }
        }
        Ok(())
    }
}

/// What goes out, a few frames ahead. Once the last clone is dropped, those are written still, and then the stream ends.
#[derive(Debug, Clone)]
pub struct Outgoing(mpsc::Sender<Frame>);

/// The other side takes nothing more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gone;

impl Outgoing {
    /// To a side that takes something at least this often.
    pub fn new(to: impl AsyncWrite + Send + Unpin + 'static, stall_max: Duration) -> Self {
        let (into, frames) = mpsc::channel(AHEAD);
        tokio::spawn(write_all(to, frames, stall_max));
        Self(into)
    }

    /// Sends a frame, as soon as there is room for it.
    ///
    /// # Errors
    ///
    /// The stream is broken.
    pub async fn send(&self, frame: Frame) -> Result<(), Gone> {
        self.0.send(frame).await.map_err(|_| Gone)
    }
}

async fn write_all(mut to: impl AsyncWrite + Unpin, mut frames: mpsc::Receiver<Frame>, stall_max: Duration) {
    loop {
        let frame = match timeout(IDLE_EVERY, frames.recv()).await {
            Ok(Some(frame)) => frame,
            Ok(None) => break,
            Err(_) => Frame::Idle,
        };
        if write(&mut to, &frame, stall_max).await.is_err() {
            return;
        }
    }
    let _it_may_be_gone = timeout(stall_max, to.shutdown()).await;
}

/// Writes one frame.
///
/// # Errors
///
/// The stream is broken, or takes nothing for too long.
pub async fn write(to: &mut (impl AsyncWrite + Unpin), frame: &Frame, stall_max: Duration) -> io::Result<()> {
    let content = frame.content();
    let mut head = BytesMut::with_capacity(HEAD);
    head.put_u8(frame.kind());
    head.put_u32(u32::try_from(content.len()).unwrap_or(u32::MAX));
    let mut bytes = bytes::Buf::chain(head.freeze(), content);
    while bytes::Buf::has_remaining(&bytes) {
        match timeout(stall_max, to.write_buf(&mut bytes)).await {
            Err(_) => return Err(io::ErrorKind::TimedOut.into()),
            Ok(Ok(0)) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => drop(written?),
        }
    }
    match timeout(stall_max, to.flush()).await {
        Err(_) => Err(io::ErrorKind::TimedOut.into()),
        Ok(flushed) => flushed,
    }
}

/// A layer that is under way, held against what it is to be.
#[derive(Debug)]
pub struct Passing {
    named: Named,
    hash: Sha256,
    left: u64,
}

/// The bytes are not those of the layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WrongBytes;

impl Passing {
    /// Nothing of it has come yet.
    #[must_use]
    pub fn new(named: Named) -> Self {
        Self { left: named.size, named, hash: Sha256::new() }
    }

    /// What it is to be.
    #[must_use]
    pub fn named(&self) -> &Named {
        &self.named
    }

    /// Whether all of it has come.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.left == 0
    }

    /// Some bytes more.
    ///
    /// # Errors
    ///
    /// They are too many, or they are the last ones and the whole is another layer.
    pub fn take(&mut self, bytes: &[u8]) -> Result<(), WrongBytes> {
        self.left = self.left.checked_sub(bytes.len() as u64).ok_or(WrongBytes)?;
        self.hash.update(bytes);
        if self.left == 0 { self.check() } else { Ok(()) }
    }

    /// Whether it is what it is to be, now that all of it has come.
    ///
    /// # Errors
    ///
    /// It is another layer.
    pub fn check(&self) -> Result<(), WrongBytes> {
        let hex: String = self.hash.clone().finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        if self.named.digest == format!("sha256:{hex}") { Ok(()) } else { Err(WrongBytes) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ids::sha256_hex;

    const LIMIT: Duration = Duration::from_secs(20);

    #[tokio::test]
    async fn every_frame_is_read_back() {
        let named = Named { digest: "sha256:ab".into(), size: 7 };
        let begin = |part| Frame::Begin(Begin { protocol: 5, transfer: "t".into(), part });
        let frames = [
            begin(Part::Relay { to: vec!["h2".into()] }),
            begin(Part::Taker { from: "h1".into() }),
            Frame::Bytes(Bytes::from_static(b"head")),
            Frame::Layer(named),
            Frame::Data(vec![7; FRAME_MAX].into()),
            Frame::Ready,
            Frame::Came(vec!["h2".into()]),
            Frame::Moved(u64::MAX),
            Frame::Status(200),
            Frame::Said(Bytes::from_static(b"{}")),
            Frame::Failed(Failure::Wrong { host: "h1".into(), digest: "d".into() }),
            Frame::Failed(Failure::NotPassedOn { host: "h1".into(), why: "w".into() }),
            Frame::Failed(Failure::Engine { why: "w".into() }),
            Frame::Failed(Failure::Refused { why: "w".into() }),
            Frame::Come("t".into()),
            Frame::End,
        ];
        let (ours, theirs) = tokio::io::duplex(1000);
        let (out, mut incoming) = (Outgoing::new(ours, LIMIT), Incoming::new(theirs, LIMIT));
        let sent = frames.clone();
        tokio::spawn(async move {
            for frame in sent {
                out.send(frame).await.unwrap();
            }
        });
        for frame in frames {
            assert_eq!(incoming.next().await, Ok(frame));
        }
        assert_eq!(incoming.next().await, Err(Broken::Ended));
        let newer = Bytes::from_static(br#"{"code": "asleep", "until": 7}"#);
        assert_eq!(Frame::read(12, newer), Ok(Frame::Failed(Failure::Other)));
    }

    #[tokio::test]
    async fn what_is_no_frame_and_what_is_cut_off_are_kept_apart() {
        let said = async |bytes: &[u8]| Incoming::new(bytes, LIMIT).next().await;
        assert_eq!(said(&[99, 0, 0, 0, 0]).await, Err(Broken::Malformed));
        assert_eq!(said(&[4, 0xff, 0, 0, 0]).await, Err(Broken::Malformed));
        assert_eq!(said(&[3, 0, 0, 0, 2, b'{', b'{']).await, Err(Broken::Malformed));
        assert_eq!(said(&[4, 0, 0, 0, 2, 1]).await, Err(Broken::Ended));
        assert_eq!(said(&[4, 0]).await, Err(Broken::Ended));
    }

    #[tokio::test(start_paused = true)]
    async fn having_nothing_to_say_is_no_silence() {
        let (ours, theirs) = tokio::io::duplex(1000);
        let (out, mut incoming) = (Outgoing::new(ours, LIMIT), Incoming::new(theirs, LIMIT));
        let waits = tokio::spawn(async move { incoming.next().await });
        tokio::time::sleep(10 * LIMIT).await;
        out.send(Frame::Ready).await.unwrap();
        assert_eq!(waits.await.unwrap(), Ok(Frame::Ready));

        let (_silent, theirs) = tokio::io::duplex(1000);
        assert_eq!(Incoming::new(theirs, LIMIT).next().await, Err(Broken::Silent(LIMIT)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_side_that_takes_nothing_is_given_up() {
        let (ours, _takes_nothing) = tokio::io::duplex(10);
        let out = Outgoing::new(ours, LIMIT);
        let begun = tokio::time::Instant::now();
        while out.send(Frame::Data(vec![0; 100].into())).await.is_ok() {}
        assert!(begun.elapsed() < 2 * LIMIT);
    }

    #[test]
    fn a_layer_is_held_against_its_size_and_its_digest() {
        let named = |size| Named { digest: format!("sha256:{}", sha256_hex(b"layer")), size };
        let mut right = Passing::new(named(5));
        assert_eq!((right.take(b"la"), right.is_whole()), (Ok(()), false));
        assert_eq!((right.take(b"yer"), right.is_whole()), (Ok(()), true));
        assert_eq!(Passing::new(named(5)).take(b"Layer"), Err(WrongBytes));
        assert_eq!(Passing::new(named(5)).take(b"layers"), Err(WrongBytes));
        assert_eq!(Passing::new(named(4)).take(b"laye"), Err(WrongBytes));
        assert_eq!(Passing::new(named(0)).check(), Err(WrongBytes), "it has bytes");
    }

    #[test]
    fn long_bytes_go_in_several_frames() {
        let all: Vec<usize> = pieces(vec![0; 2 * FRAME_MAX + 1].into()).map(|piece| piece.len()).collect();
        assert_eq!(all, [FRAME_MAX, FRAME_MAX, 1]);
        assert_eq!(pieces(Bytes::new()).count(), 0);
    }
}
