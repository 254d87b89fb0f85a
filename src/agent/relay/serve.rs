//! What an agent does for a client that sends an archive: it gives it to its engine, and layers to those who have come for
//! them, or takes them from the one who passes them on.
//!
//! Layers alone come from another host, and each is held against what the client says of it before the engine is given
//! the end of the archive, without which it makes nothing of it.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::io::{AsyncRead, ReadHalf, split};
use tokio::time::timeout;

use super::board::{Board, Came, Waiting};
use super::feed::Feed;
use super::frames::{Begin, Broken, Failure, Frame, Incoming, Named, Outgoing, Part, Passing, WrongBytes};
use crate::http::stream::Stream;

/// A client that says nothing for so long is gone: one that has nothing to say says that.
pub const CLIENT_SILENCE: Duration = Duration::from_secs(60);
/// The same among agents; and one that takes nothing for so long is let go.
pub const PEER_SILENCE: Duration = Duration::from_secs(30);
/// Bytes from another agent after which a client hears how far it is: each word wakes ssh on both sides.
const MOVED_EVERY: u64 = 2 << 20;
/// For those to come who are to.
const COME_LIMIT: Duration = Duration::from_secs(8);

/// Where an archive goes: the engine, and the client who hears of it.
struct Way<'a> {
    from: Incoming<ReadHalf<Stream>>,
    out: Outgoing,
    engine: &'a Path,
}

/// Serves a client's stream to its end. `reach` opens a stream to the agent of a host, for a transfer.
pub async fn serve<F>(
    stream: Stream,
    board: &Arc<Board>,
    engine: Option<&Path>,
    protocols: std::ops::RangeInclusive<u32>,
    reach: impl FnOnce(String, String) -> F,
) where
    F: Future<Output = Result<Stream, String>>,
{
    let (from, to) = split(stream);
    let from = Incoming::new(from, CLIENT_SILENCE);
    let out = Outgoing::new(to, CLIENT_SILENCE);
    let refused = |why: String| Failure::Refused { why };
    let answers = out.clone();
    let served = async {
        let engine = engine.ok_or_else(|| refused("it has no engine's socket".to_owned()))?;
        let mut way = Way { from, out, engine };
        let Frame::Begin(Begin { protocol, transfer, part }) = way.next().await? else {
            return Err(refused("the stream has another beginning".to_owned()));
        };
        if !protocols.contains(&protocol) {
            return Err(refused(format!("it does not speak protocol {protocol}")));
        }
        match part {
            Part::Relay { to } => way.lead(board.wait(&transfer, to).map_err(refused)?).await,
            Part::Taker { from } => {
                let failed = |why| Failure::NotPassedOn { host: from.clone(), why };
                let relay = reach(from.clone(), transfer).await.map_err(failed)?;
                way.take(&from, Incoming::new(relay, PEER_SILENCE)).await
            }
        }
    };
    let last = served.await.map_or_else(Frame::Failed, |()| Frame::End);
    let _client_is_gone = answers.send(last).await;
}

fn broken(why: Broken) -> Failure {
    Failure::Refused { why: format!("the client's stream: {why}") }
}

fn out_of_turn() -> Failure {
    Failure::Refused { why: "what the client sends is not in order".to_owned() }
}

/// The file that the client names is another one by now.
fn other_bytes(WrongBytes: WrongBytes) -> Failure {
    Failure::Refused { why: "what the client sends is not the layer that it names".to_owned() }
}

impl Way<'_> {
    async fn next(&mut self) -> Result<Frame, Failure> {
        self.from.next().await.map_err(broken)
    }

    /// Passes on what comes from the client.
    async fn lead(mut self, waiting: Waiting) -> Result<(), Failure> {
        let _client_is_gone = self.out.send(Frame::Ready).await;
        let feed = Feed::begin(self.engine, self.out.clone());
        match self.lead_all(&feed, waiting).await {
            Ok(()) => self.end(feed).await,
            Err(why) => {
                feed.break_off().await;
                Err(why)
            }
        }
    }

    async fn lead_all(&mut self, feed: &Feed, waiting: Waiting) -> Result<(), Failure> {
        let (mut waiting, mut audience) = (Some(waiting), Audience::default());
        let (mut layer, mut takes): (Option<Passing>, bool) = (None, true);
        loop {
            let frame = self.next().await?;
            let is_between = layer.as_ref().is_none_or(Passing::is_whole);
            if !is_between && !matches!(frame, Frame::Data(_)) {
                return Err(out_of_turn());
            }
            if matches!(frame, Frame::Layer(_) | Frame::End)
                && let Some(waiting) = waiting.take()
            {
                audience = Audience::of(waiting.all(COME_LIMIT).await);
                let _client_is_gone = self.out.send(Frame::Came(audience.hosts())).await;
            }
            match frame {
                Frame::Bytes(bytes) => takes = takes && feed.give(bytes).await?,
                Frame::Layer(named) => {
                    layer = Some(begun(&named).map_err(other_bytes)?);
                    audience.hear(Frame::Layer(named)).await;
                }
                Frame::Data(bytes) => {
                    layer.as_mut().ok_or_else(out_of_turn)?.take(&bytes).map_err(other_bytes)?;
                    let own = async { Ok(takes && feed.give(bytes.clone()).await?) };
                    let (own, ()) = tokio::join!(own, audience.hear(Frame::Data(bytes.clone())));
                    takes = own?;
                }
                Frame::End => {
                    audience.hear(Frame::End).await;
                    return Ok(());
                }
                _ => return Err(out_of_turn()),
            }
            // Others may want what its own engine does not.
            if !takes && waiting.is_none() && audience.is_empty() {
                return Ok(());
            }
        }
    }

    /// Takes layers from another agent, and all else from the client.
    async fn take<R: AsyncRead + Unpin>(mut self, host: &str, mut relay: Incoming<R>) -> Result<(), Failure> {
        let feed = Feed::begin(self.engine, self.out.clone());
        let taken = async {
            loop {
                let takes = match self.next().await? {
                    Frame::Bytes(bytes) => feed.give(bytes).await?,
                    Frame::Layer(named) => take_layer(&self.out, host, named, &mut relay, &feed).await?,
                    Frame::End => return Ok(()),
                    _ => return Err(out_of_turn()),
                };
                if !takes {
                    return Ok(());
                }
            }
        };
        match taken.await {
            Ok(()) => self.end(feed).await,
            Err(why) => {
                feed.break_off().await;
                Err(why)
            }
        }
    }

    /// Waits for the engine, as long as the client does.
    async fn end(mut self, feed: Feed) -> Result<(), Failure> {
        tokio::select! {
            ended = feed.end() => ended,
            why = self.gone() => Err(why),
        }
    }

    /// What is left of the client's stream says nothing but that it is there.
    async fn gone(&mut self) -> Failure {
        loop {
            if let Err(why) = self.from.next().await {
                return broken(why);
            }
        }
    }
}

/// Takes one layer from another agent; whether the engine still takes any.
async fn take_layer<R: AsyncRead + Unpin>(
    out: &Outgoing,
    host: &str,
    named: Named,
    relay: &mut Incoming<R>,
    feed: &Feed,
) -> Result<bool, Failure> {
    let wrong = |_| Failure::Wrong { host: host.to_owned(), digest: named.digest.clone() };
    let failed = |why: Broken| Failure::NotPassedOn { host: host.to_owned(), why: why.to_string() };
    match relay.next().await.map_err(failed)? {
        Frame::Layer(other) if other == named => {}
        Frame::End => return Err(failed(Broken::Ended)),
        _ => return Err(wrong(WrongBytes)),
    }
    let mut layer = begun(&named).map_err(wrong)?;
    let mut moved = 0;
    while !layer.is_whole() {
        let bytes = match relay.next().await.map_err(failed)? {
            Frame::Data(bytes) => bytes,
            Frame::End => return Err(failed(Broken::Ended)),
            _ => return Err(wrong(WrongBytes)),
        };
        layer.take(&bytes).map_err(wrong)?;
        moved += bytes.len() as u64;
        let takes = feed.give(bytes).await?;
        if moved >= MOVED_EVERY || layer.is_whole() || !takes {
            let _client_is_gone = out.send(Frame::Moved(std::mem::take(&mut moved))).await;
        }
        if !takes {
            return Ok(false);
        }
    }
    Ok(true)
}

/// A layer that begins. One without bytes is whole at once.
fn begun(named: &Named) -> Result<Passing, WrongBytes> {
    let layer = Passing::new(named.clone());
    if layer.is_whole() {
        layer.check()?;
    }
    Ok(layer)
}

/// Those who have come for layers.
#[derive(Default)]
struct Audience(Vec<(String, Outgoing)>);

impl Audience {
    fn of(came: Vec<Came>) -> Self {
        let one = |came: Came| (came.host, Outgoing::new(came.stream, PEER_SILENCE));
        Self(came.into_iter().map(one).collect())
    }

    fn hosts(&self) -> Vec<String> {
        self.0.iter().map(|(host, _)| host.clone()).collect()
    }

    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Gives all of them a frame. One that takes nothing for too long is let go: its stream has no end then.
    async fn hear(&mut self, frame: Frame) {
        let sent = self.0.drain(..).map(async |(host, out)| {
            let taken = timeout(PEER_SILENCE, out.send(frame.clone())).await;
            matches!(taken, Ok(Ok(()))).then_some((host, out))
        });
        let all: Vec<_> = join_all(sent).await;
        self.0 = all.into_iter().flatten().collect();
    }
}
