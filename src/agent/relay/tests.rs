//! Agents that pass layers on, without hosts: engines that write down what they are sent.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode};
use hyper::body::Incoming as HttpBody;
use tokio::io::{DuplexStream, ReadHalf, duplex, split};

use super::board::{Board, Came};
use super::frames::{Begin, Failure, Frame, Incoming, Named, Outgoing, Part};
use super::serve::{PEER_SILENCE, serve};
use crate::http::body;
use crate::http::server::{Limits, UnixServer, plain};
use crate::http::stream::Stream;
use crate::model::ids::sha256_hex;

const LIMIT: Duration = Duration::from_secs(600);
const LIMITS: Limits = Limits { connections_max: 9, head: LIMIT, whole: LIMIT };
/// What is before and behind the layers.
const HEAD: &[u8] = b"head";
const TAIL: &[u8] = b"tail";
/// What an engine says that has made an image, and one that does not.
const LOADED: &str = "{\"stream\":\"Loaded image: app:1\\n\"}\r\n";
const REFUSED: &str = "{\"error\":\"no space left\"}";

/// The archives that an engine was sent to their end.
type Loads = Arc<Mutex<Vec<Bytes>>>;

/// A host with an engine and the board of an agent.
struct Host {
    name: &'static str,
    board: Arc<Board>,
    engine: PathBuf,
    loads: Loads,
    _server: UnixServer,
    _folder: tempfile::TempDir,
}

impl Host {
    /// With an engine that takes everything.
    fn new(name: &'static str) -> Self {
        Self::with(name, true)
    }

    /// With an engine that reads an archive, or says before that what is wrong.
    fn with(name: &'static str, takes: bool) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (engine, loads) = (folder.path().join("docker.sock"), Loads::default());
        let seen = Arc::clone(&loads);
        let answer = move |request: Request<HttpBody>| {
            let seen = Arc::clone(&seen);
            async move {
                assert_eq!((request.method().as_str(), request.uri().path()), ("POST", "/images/load"));
                if !takes {
                    return plain(StatusCode::OK, REFUSED.to_owned());
                }
                if let Ok(whole) = body::whole(request.into_body(), usize::MAX).await {
                    seen.lock().unwrap().push(whole);
                }
                plain(StatusCode::OK, LOADED.to_owned())
            }
        };
        let socket = std::os::unix::net::UnixListener::bind(&engine).unwrap();
        let server = UnixServer::listen(socket, LIMITS, answer).unwrap();
        Self { name, board: Arc::default(), engine, loads, _server: server, _folder: folder }
    }

    /// A client of its agent, which has said what the agent is to be.
    async fn client(&self, part: Part, relay: Stream) -> Client {
        let (ours, theirs) = duplex(1 << 16);
        let (board, engine) = (Arc::clone(&self.board), self.engine.clone());
        tokio::spawn(async move {
            let reach = async |_host: String, _transfer: String| Ok(relay);
            serve(Box::new(theirs), &board, Some(&engine), 5..=5, reach).await;
        });
        let (from, to) = split(ours);
        let client = Client { out: Outgoing::new(to, LIMIT), incoming: Incoming::new(from, LIMIT) };
        client.send(Frame::Begin(Begin { protocol: 5, transfer: "t".into(), part })).await;
        client
    }

    async fn lead(&self, to: &[&Self]) -> Client {
        let to = to.iter().map(|host| host.name.to_owned()).collect();
        let mut client = self.client(Part::Relay { to }, Box::new(duplex(1).0)).await;
        assert_eq!(client.incoming.next().await, Ok(Frame::Ready));
        client
    }

    /// A client of an agent that takes layers from another one.
    async fn take_from(&self, relay: &Self) -> Client {
        let (ours, theirs) = duplex(1 << 16);
        relay.board.come("t", Came { host: self.name.to_owned(), stream: Box::new(theirs) }).unwrap();
        self.client(Part::Taker { from: relay.name.to_owned() }, Box::new(ours)).await
    }

    /// The same from one that does what the test says.
    async fn take_from_test(&self) -> (Client, Outgoing) {
        let (ours, theirs) = duplex(1 << 16);
        let client = self.client(Part::Taker { from: "h1".to_owned() }, Box::new(ours)).await;
        (client, Outgoing::new(theirs, LIMIT))
    }

    fn loaded(&self) -> Vec<Bytes> {
        self.loads.lock().unwrap().clone()
    }
}

struct Client {
    out: Outgoing,
    incoming: Incoming<ReadHalf<DuplexStream>>,
}

impl Client {
    async fn send(&self, frame: Frame) {
        self.out.send(frame).await.unwrap();
    }

    /// An archive with these layers; without their bytes for one that takes them elsewhere.
    async fn send_all(&self, layers: &[&'static [u8]], with_bytes: bool) {
        self.send(Frame::Bytes(HEAD.into())).await;
        for layer in layers {
            self.send(Frame::Layer(named(layer))).await;
            if with_bytes {
                for piece in layer.chunks(3) {
                    self.send(Frame::Data(piece.into())).await;
                }
            }
        }
        self.send(Frame::Bytes(TAIL.into())).await;
        self.send(Frame::End).await;
    }

    /// What the agent said at last, what its engine said, and how many bytes came from another agent.
    async fn end(mut self) -> (Frame, String, u64) {
        let (mut said, mut moved) = (Vec::new(), 0);
        loop {
            match self.incoming.next().await.expect("an end") {
                Frame::Said(bytes) => said.extend_from_slice(&bytes),
                Frame::Moved(bytes) => moved += bytes,
                Frame::Came(_) | Frame::Status(200) => {}
                last => return (last, String::from_utf8(said).unwrap(), moved),
            }
        }
    }
}

fn named(layer: &[u8]) -> Named {
    Named { digest: format!("sha256:{}", sha256_hex(layer)), size: layer.len() as u64 }
}

fn archive(layers: &[&[u8]]) -> Bytes {
    [HEAD, &layers.concat(), TAIL].concat().into()
}

fn fine(moved: u64) -> (Frame, String, u64) {
    (Frame::End, LOADED.to_owned(), moved)
}

const LAYERS: [&[u8]; 3] = [b"the lowest layer", b"", b"another one"];

#[tokio::test]
async fn a_layer_that_is_sent_to_one_reaches_the_engines_of_all() {
    let [h1, h2, h3] = ["h1", "h2", "h3"].map(Host::new);
    let mut relay = h1.lead(&[&h2, &h3]).await;
    let takers = [h2.take_from(&h1).await, h3.take_from(&h1).await];
    for taker in &takers {
        taker.send_all(&LAYERS, false).await;
    }
    relay.send_all(&LAYERS, true).await;
    assert_eq!(relay.incoming.next().await, Ok(Frame::Came(vec!["h2".into(), "h3".into()])));
    assert_eq!(relay.end().await, fine(0));
    let all: usize = LAYERS.iter().map(|layer| layer.len()).sum();
    for taker in takers {
        assert_eq!(taker.end().await, fine(all as u64));
    }
    for host in [h1, h2, h3] {
        assert_eq!(host.loaded(), [archive(&LAYERS)], "{}", host.name);
    }
}

#[tokio::test]
async fn no_engine_makes_anything_of_what_another_host_has_changed() {
    let wrong = named(b"layer");
    let of = |digest: &Named| Failure::Wrong { host: "h1".into(), digest: digest.digest.clone() };
    for sent in [
        vec![Frame::Layer(wrong.clone()), Frame::Data(b"Layer"[..].into())],
        vec![Frame::Layer(wrong.clone()), Frame::Data(b"layers"[..].into())],
        vec![Frame::Layer(wrong.clone()), Frame::Bytes(b"layer"[..].into())],
        vec![Frame::Layer(named(b"Layer")), Frame::Data(b"Layer"[..].into())],
        vec![Frame::Data(b"layer"[..].into())],
    ] {
        let host = Host::new("h2");
        let (taker, relay) = host.take_from_test().await;
        taker.send_all(&[b"layer"], false).await;
        for frame in sent {
            relay.send(frame).await.unwrap();
        }
        assert_eq!(taker.end().await.0, Frame::Failed(of(&wrong)));
        assert_eq!(host.loaded(), [""; 0], "it was broken off");
    }
}

#[tokio::test]
async fn what_ends_in_the_middle_is_loaded_nowhere() {
    let layer = || Frame::Layer(named(b"layer"));
    for sent in [
        vec![],
        vec![layer()],
        vec![layer(), Frame::Data(b"lay"[..].into())],
        vec![layer(), Frame::Data(b"lay"[..].into()), Frame::End],
        vec![Frame::End],
    ] {
        let host = Host::new("h2");
        let (taker, relay) = host.take_from_test().await;
        taker.send_all(&[b"layer"], false).await;
        for frame in sent {
            relay.send(frame).await.unwrap();
        }
        drop(relay);
        let why = "it was broken off".to_owned();
        let failure = Failure::NotPassedOn { host: "h1".into(), why };
        assert_eq!(taker.end().await.0, Frame::Failed(failure));
        assert_eq!(host.loaded(), [""; 0]);
    }
    // The client of the relay goes away: all that take from it hear of no end.
    let [h1, h2] = ["h1", "h2"].map(Host::new);
    let relay = h1.lead(&[&h2]).await;
    let taker = h2.take_from(&h1).await;
    taker.send_all(&[b"layer"], false).await;
    relay.send(layer()).await;
    relay.send(Frame::Data(b"lay"[..].into())).await;
    drop(relay);
    assert!(matches!(taker.end().await.0, Frame::Failed(Failure::NotPassedOn { .. })));
    assert_eq!((h1.loaded(), h2.loaded()), (vec![], vec![]));
}

#[tokio::test]
async fn what_is_not_in_order_or_not_of_this_protocol_is_refused() {
    let host = Host::new("h1");
    let other = Frame::Begin(Begin { protocol: 6, transfer: "t".into(), part: Part::Relay { to: vec![] } });
    let (ours, theirs) = duplex(1000);
    let board = Arc::clone(&host.board);
    tokio::spawn(async move {
        let reach = async |_: String, _: String| Err("nowhere".to_owned());
        serve(Box::new(theirs), &board, None, 5..=5, reach).await;
    });
    let (from, to) = split(ours);
    let none = Client { out: Outgoing::new(to, LIMIT), incoming: Incoming::new(from, LIMIT) };
    none.send(other).await;
    assert!(matches!(none.end().await.0, Frame::Failed(Failure::Refused { .. })));
    for sent in [
        vec![Frame::Ready],
        vec![Frame::Data(b"lay"[..].into())],
        vec![Frame::Layer(named(b"layer")), Frame::Bytes(TAIL.into())],
        vec![Frame::Layer(named(b"layer")), Frame::Data(b"lay"[..].into()), Frame::End],
        vec![Frame::Layer(named(b"layer")), Frame::Data(b"Layer"[..].into())],
    ] {
        let host = Host::new("h1");
        let client = host.lead(&[]).await;
        client.send(Frame::Bytes(HEAD.into())).await;
        for frame in sent {
            client.send(frame).await;
        }
        assert!(matches!(client.end().await.0, Frame::Failed(Failure::Refused { .. })));
        assert_eq!(host.loaded(), [""; 0]);
    }
}

#[tokio::test]
async fn an_engine_that_refuses_keeps_nothing_from_the_others() {
    let (h1, h2) = (Host::with("h1", false), Host::new("h2"));
    let relay = h1.lead(&[&h2]).await;
    let taker = h2.take_from(&h1).await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    taker.send_all(&LAYERS, false).await;
    relay.send_all(&LAYERS, true).await;
    let (last, said, _) = relay.end().await;
    // Whether the answer is read to its end or the request breaks before is the system's affair.
    assert!(last == Frame::End && said == REFUSED || matches!(last, Frame::Failed(_)), "{last:?} {said}");
    assert_eq!(taker.end().await.0, Frame::End);
    assert_eq!((h1.loaded(), h2.loaded()), (vec![], vec![archive(&LAYERS)]));
}

/// Its stream takes some bytes and then none.
#[tokio::test(start_paused = true)]
async fn one_that_takes_nothing_is_let_go_and_the_others_go_on() {
    const LARGE: &[u8] = &[7; 4 << 20];
    let [h1, h2, h3] = ["h1", "h2", "h3"].map(Host::new);
    let relay = h1.lead(&[&h2, &h3]).await;
    let (theirs, _takes_nothing) = duplex(1000);
    h1.board.come("t", Came { host: "h3".to_owned(), stream: Box::new(theirs) }).unwrap();
    let taker = h2.take_from(&h1).await;
    let begun = tokio::time::Instant::now();
    taker.send(Frame::Layer(named(LARGE))).await;
    taker.send(Frame::End).await;
    relay.send(Frame::Layer(named(LARGE))).await;
    for piece in LARGE.chunks(super::frames::FRAME_MAX) {
        relay.send(Frame::Data(piece.into())).await;
    }
    relay.send(Frame::End).await;
    assert_eq!(relay.end().await, fine(0));
    assert_eq!(taker.end().await, fine(LARGE.len() as u64));
    assert_eq!((h1.loaded(), h2.loaded()), (vec![Bytes::from(LARGE)], vec![Bytes::from(LARGE)]));
    let took = begun.elapsed();
    assert!(took >= PEER_SILENCE && took < 3 * PEER_SILENCE, "{took:?}");
}
