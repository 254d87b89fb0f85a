//! A server for a few clients: so many connections at a time, and an end for each that takes too long.
//!
//! When there are too many, the one that has been there longest ends: an ordinary request takes milliseconds, so it is
//! the slow ones that go, and they cannot keep a short request out. Rejected: so many for each address, since behind a
//! proxy all have one.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::os::unix::net::UnixListener as UnixSocket;
use std::time::Duration;

use bytes::Bytes;
use http::header::{self, HeaderValue};
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::timeout;

use super::stream::Stream;

/// The type of a handler's answer.
pub type Answer = Response<Full<Bytes>>;

/// Limits on a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Connections at a time. One more ends the oldest.
    pub connections_max: usize,
    /// For the head of a request.
    pub head: Duration,
    /// For a whole connection, which carries one request.
    pub whole: Duration,
}

/// A server, until this is dropped.
#[derive(Debug)]
pub struct Server {
    at: SocketAddr,
    _connections: JoinSet<()>,
}

impl Server {
    /// Begins to listen, and has every request answered.
    ///
    /// # Errors
    ///
    /// The address cannot be listened at.
    pub async fn listen<A, F>(address: SocketAddr, limits: Limits, answer: A) -> io::Result<Self>
    where
        A: Fn(Request<Incoming>) -> F + Clone + Send + Sync + 'static,
        F: Future<Output = Answer> + Send + 'static,
    {
        let listener = TcpListener::bind(address).await?;
        let at = listener.local_addr()?;
        let mut server = JoinSet::new();
        let serve = move |came: Came| serve(came.stream(), limits, answer.clone());
        server.spawn(accept_all(Listener::Tcp(listener), limits.connections_max, serve));
        Ok(Self { at, _connections: server })
    }

    /// The same where it is found out first who asks: `admit` says so, and makes a stream of what came in. What it does
    /// not admit is dropped without a word.
    ///
    /// # Errors
    ///
    /// The listener has no address.
    pub fn guarded<W, D, E, A, F>(
        listener: TcpListener,
        limits: Limits,
        admit: D,
        answer: A,
    ) -> io::Result<Self>
    where
        W: Clone + Send + Sync + 'static,
        D: Fn(TcpStream, SocketAddr) -> E + Clone + Send + Sync + 'static,
        E: Future<Output = Option<(Stream, W)>> + Send + 'static,
        A: Fn(W, Request<Incoming>) -> F + Clone + Send + Sync + 'static,
        F: Future<Output = Answer> + Send + 'static,
    {
        let at = listener.local_addr()?;
        let mut server = JoinSet::new();
        let serve = move |came: Came| {
            let (admit, answer) = (admit.clone(), answer.clone());
            async move {
                let Came::Tcp(stream, from) = came else { return };
                let Ok(Some((stream, who))) = timeout(limits.head, admit(stream, from)).await else { return };
                serve(stream, limits, move |request| answer(who.clone(), request)).await;
            }
        };
        server.spawn(accept_all(Listener::Tcp(listener), limits.connections_max, serve));
        Ok(Self { at, _connections: server })
    }

    /// Where it listens. The port is chosen by the system if none was asked for.
    #[must_use]
    pub fn at(&self) -> SocketAddr {
        self.at
    }
}

/// A server at a socket of this machine, until this is dropped. The socket's file is the caller's.
#[derive(Debug)]
pub struct UnixServer {
    _connections: JoinSet<()>,
}

impl UnixServer {
    /// Has every request answered that comes to a socket, whose owner and mode the caller has set.
    ///
    /// # Errors
    ///
    /// The socket cannot be waited for.
    pub fn listen<A, F>(socket: UnixSocket, limits: Limits, answer: A) -> io::Result<Self>
    where
        A: Fn(Request<Incoming>) -> F + Clone + Send + Sync + 'static,
        F: Future<Output = Answer> + Send + 'static,
    {
        socket.set_nonblocking(true)?;
        let listener = UnixListener::from_std(socket)?;
        let mut server = JoinSet::new();
        let serve = move |came: Came| serve(came.stream(), limits, answer.clone());
        server.spawn(accept_all(Listener::Unix(listener), limits.connections_max, serve));
        Ok(Self { _connections: server })
    }
}

/// Where clients come in.
enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener),
}

impl Listener {
    async fn accept(&self) -> io::Result<Came> {
        Ok(match self {
            Self::Tcp(listener) => {
                let (stream, from) = listener.accept().await?;
                Came::Tcp(stream, from)
            }
            Self::Unix(listener) => Came::Unix(listener.accept().await?.0),
        })
    }
}

/// A client that came in.
enum Came {
    Tcp(TcpStream, SocketAddr),
    Unix(UnixStream),
}

impl Came {
    fn stream(self) -> Stream {
        match self {
            Self::Tcp(stream, _) => Box::new(stream),
            Self::Unix(stream) => Box::new(stream),
        }
    }
}

/// Serves whatever comes, so many at a time.
async fn accept_all<S, F>(listener: Listener, connections_max: usize, serve: S)
where
    S: Fn(Came) -> F,
    F: Future<Output = ()> + Send + 'static,
{
    let mut connections = JoinSet::new();
    let mut by_age: VecDeque<AbortHandle> = VecDeque::new();
    loop {
        // Out of files, say: the client may come again.
        let Ok(came) = listener.accept().await else {
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        while connections.try_join_next().is_some() {}
        by_age.retain(|one| !one.is_finished());
        while by_age.len() >= connections_max
            && let Some(oldest) = by_age.pop_front()
        {
            oldest.abort();
        }
        by_age.push_back(connections.spawn(serve(came)));
    }
}

/// Serves one connection to its end. A client that hangs up, or is too slow, is dropped.
async fn serve<A, F>(stream: Stream, limits: Limits, answer: A)
where
    A: Fn(Request<Incoming>) -> F,
    F: Future<Output = Answer>,
{
    let answer = service_fn(|request: Request<Incoming>| {
        let answering = answer(request);
        async move { Ok::<_, Infallible>(answering.await) }
    });
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(limits.head).keep_alive(false);
    let connection = http.serve_connection(TokioIo::new(stream), answer).with_upgrades();
    // What is over or too slow is dropped alike.
    let _ended = timeout(limits.whole, connection).await;
}

/// Whether a request asks for the connection to become a stream of this protocol.
#[must_use]
pub fn wants_stream(request: &Request<Incoming>, protocol: &str) -> bool {
    request.headers().get(header::UPGRADE).is_some_and(|wanted| wanted.as_bytes() == protocol.as_bytes())
}

/// The answer that agrees to that, and the stream once the answer is sent; none if the client is gone by then. The limits of
/// the server are not those of the stream, which is up to the one who takes it.
pub fn stream_of(
    request: Request<Incoming>,
    protocol: &'static str,
) -> (Answer, impl Future<Output = Option<Stream>> + Send + 'static) {
    let mut response = Response::new(Full::default());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(header::UPGRADE, HeaderValue::from_static(protocol));
    let upgrade = hyper::upgrade::on(request);
    (response, async move { Some(Box::new(TokioIo::new(upgrade.await.ok()?)) as Stream) })
}

/// An answer of words.
#[must_use]
pub fn plain(status: StatusCode, text: String) -> Answer {
    answer(status, "text/plain; charset=utf-8", text)
}

/// An answer of some kind of text.
#[must_use]
pub fn answer(status: StatusCode, kind: &'static str, text: String) -> Answer {
    let mut response = Response::new(Full::new(Bytes::from(text)));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}

#[cfg(test)]
mod tests {
    use std::future::ready;

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    async fn asked(at: SocketAddr) -> String {
        let mut stream = TcpStream::connect(at).await.unwrap();
        stream.write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).await.unwrap();
        text
    }

    /// With limits of hours, so that time is no help.
    #[tokio::test]
    async fn slow_clients_keep_no_other_out() {
        const HOUR: Duration = Duration::from_secs(3600);
        let limits = Limits { connections_max: 4, head: HOUR, whole: HOUR };
        let long = || plain(StatusCode::OK, "x".repeat(16 << 20));
        let answer = move |request: Request<Incoming>| {
            ready(if request.uri().path() == "/metrics" {
                long()
            } else {
                plain(StatusCode::OK, "ok".into())
            })
        };
        let server = Server::listen("127.0.0.1:0".parse().unwrap(), limits, answer).await.unwrap();
        let mut slow = Vec::new();
        for request in ["GET /metrics HTTP/1.1\r\nhost: x\r\n\r\n", "GET /heal", ""].iter().cycle().take(30) {
            let mut stream = TcpStream::connect(server.at()).await.unwrap();
            stream.write_all(request.as_bytes()).await.unwrap();
            slow.push(stream);
        }
        for _ in 0..3 {
            let answered = timeout(Duration::from_secs(60), asked(server.at())).await.expect("an answer");
            assert!(answered.ends_with("\r\n\r\nok"), "{answered}");
        }
    }

    #[tokio::test]
    async fn a_connection_ends_in_time() {
        let limits =
            Limits { connections_max: 4, head: Duration::from_millis(50), whole: Duration::from_millis(100) };
        let answer = |_: Request<Incoming>| ready(plain(StatusCode::OK, "x".repeat(16 << 20)));
        let server = Server::listen("127.0.0.1:0".parse().unwrap(), limits, answer).await.unwrap();
        let mut slow = TcpStream::connect(server.at()).await.unwrap();
        slow.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
        tokio::time::sleep(Duration::from_secs(1)).await;
        let mut bytes = Vec::new();
        let _reset = slow.read_to_end(&mut bytes).await;
        assert!(bytes.len() < 16 << 20, "all of it was there after its time");
    }
}
