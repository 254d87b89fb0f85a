//! A server for a few clients: so many connections at a time, and an end for each that takes too long.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http::header::{self, HeaderValue};
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::timeout;

/// The type of a handler's answer.
pub type Answer = Response<Full<Bytes>>;

/// Limits on a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Connections at a time. Others wait until one ends.
    pub connections_max: usize,
    /// For the head of a request.
    pub head: Duration,
    /// For a whole connection, which then carries one request. Without it a connection may carry more of
    /// them, one after the other, for as long as it likes.
    pub whole: Option<Duration>,
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
        server.spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                while connections.len() >= limits.connections_max {
                    connections.join_next().await;
                }
                // Out of files, say: the client may come again.
                let Ok((stream, _)) = listener.accept().await else {
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    continue;
                };
                while connections.try_join_next().is_some() {}
                connections.spawn(serve(stream, limits, answer.clone()));
            }
        });
        Ok(Self { at, _connections: server })
    }

    /// Where it listens. The port is chosen by the system if none was asked for.
    #[must_use]
    pub fn at(&self) -> SocketAddr {
        self.at
    }
}

/// Serves one connection to its end. A client that hangs up, or is too slow, is dropped.
async fn serve<A, F>(stream: TcpStream, limits: Limits, answer: A)
where
    A: Fn(Request<Incoming>) -> F,
    F: Future<Output = Answer>,
{
    let answer = service_fn(|request: Request<Incoming>| {
        let answering = answer(request);
        async move { Ok::<_, Infallible>(answering.await) }
    });
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(limits.head).keep_alive(limits.whole.is_none());
    let connection = http.serve_connection(TokioIo::new(stream), answer);
    match limits.whole {
        None => drop(connection.await),
        Some(whole) => drop(timeout(whole, connection).await),
    }
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
