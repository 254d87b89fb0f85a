//! Requests over a stream. Which connections are kept, and what is sent twice, the caller decides.

use std::io;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::Empty;
use hyper::body::{Body, Incoming};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::upgrade::Upgraded as Connection;
use hyper_util::rt::TokioIo;

use super::stream::Stream;

/// What sends requests into one connection, one after the other.
pub type Sender<B> = SendRequest<B>;

/// A connection that has become a stream of bytes to whatever was asked for.
pub type Upgraded = TokioIo<Connection>;

/// Begins to speak HTTP. The connection lives in a task of its own until the sender is dropped or the other
/// side closes it; what goes wrong with it reaches the request that is under way.
///
/// # Errors
///
/// The stream is broken already.
pub async fn handshake<B>(stream: Stream) -> hyper::Result<Sender<B>>
where
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection.with_upgrades());
    Ok(sender)
}

/// Sends one request, and is done with the stream when the answer has begun: the connection is driven by this
/// call, so that nothing of it is left behind when the caller stops waiting.
///
/// # Errors
///
/// The stream broke, or what came over it was not HTTP.
pub async fn send_once<B>(stream: Stream, request: Request<B>) -> hyper::Result<Response<Incoming>>
where
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let mut connection = std::pin::pin!(connection);
    let mut answered = std::pin::pin!(sender.send_request(request));
    tokio::select! {
        biased;
        answer = &mut answered => answer,
        // The answer may have been the last thing that came.
        ended = &mut connection => match ended {
            Ok(()) => answered.await,
            Err(error) => Err(error),
        },
    }
}

/// The stream that a connection becomes after an answer which agrees to it.
///
/// # Errors
///
/// The other side did not agree, or hung up.
pub async fn upgraded(response: Response<Incoming>) -> hyper::Result<Upgraded> {
    hyper::upgrade::on(response).await.map(TokioIo::new)
}

/// Has a connection become a stream of this protocol, by a request to this path.
///
/// # Errors
///
/// The stream is broken, or the other side does not agree.
pub async fn stream_of(stream: Stream, host: &str, path: &str, protocol: &str) -> io::Result<Stream> {
    let request = Request::builder()
        .method(Method::POST)
        .uri(path)
        .header(header::HOST, host)
        .header(header::CONNECTION, "upgrade")
        .header(header::UPGRADE, protocol)
        .body(Empty::<Bytes>::new())
        .map_err(io::Error::other)?;
    let mut sender = handshake(stream).await.map_err(io::Error::other)?;
    let response = sender.send_request(request).await.map_err(io::Error::other)?;
    if response.status() != StatusCode::SWITCHING_PROTOCOLS {
        return Err(io::Error::other(format!("it does not agree to {protocol}: {}", response.status())));
    }
    Ok(Box::new(upgraded(response).await.map_err(io::Error::other)?))
}
