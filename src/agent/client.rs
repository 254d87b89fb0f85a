//! Asks an agent, over a stream that leads to its socket.

use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request as HttpRequest, header};
use http_body_util::Full;
use tokio::time::timeout;

use super::relay;
use super::wire::{
    ANSWER_MAX, Answer, Hello, NoAnswer, REQUEST_MAX, Refusal, Request, read_answer, write_request,
};
use crate::http::body::{self, BodyError};
use crate::http::client;
use crate::http::stream::Stream;

/// Why a request has no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AskError {
    /// It took too long.
    #[error("the agent did not answer within {} s", .0.as_secs())]
    Late(Duration),
    /// The stream broke, or something else than an agent is at its other end.
    #[error("the conversation with the agent broke off: {0}")]
    Broken(String),
    /// It was not sent: no agent would read it to its end.
    #[error("{} bytes are too many for one request to an agent, which reads {REQUEST_MAX} at most", .0)]
    TooLarge(usize),
    /// It answered that it does not do that.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// What it answered cannot be read.
    #[error(transparent)]
    NoAnswer(#[from] NoAnswer),
}

/// Asks one thing.
///
/// # Errors
///
/// See [`AskError`].
pub async fn ask(stream: Stream, request: &Request, limit: Duration) -> Result<Answer, AskError> {
    match timeout(limit, asked(stream, request)).await {
        Ok(answer) => answer,
        Err(_) => Err(AskError::Late(limit)),
    }
}

/// Has the stream become one of [layers](super::relay): frames go both ways.
///
/// # Errors
///
/// See [`AskError`].
pub async fn layers(stream: Stream, limit: Duration) -> Result<Stream, AskError> {
    match timeout(limit, client::stream_of(stream, "agent", relay::PATH, relay::STREAM)).await {
        Ok(stream) => stream.map_err(|error| AskError::Broken(error.to_string())),
        Err(_) => Err(AskError::Late(limit)),
    }
}

/// Asks who is there.
///
/// # Errors
///
/// See [`AskError`].
pub async fn hello(stream: Stream, limit: Duration) -> Result<Hello, AskError> {
    match ask(stream, &Request::Hello, limit).await? {
        Answer::Hello(hello) => Ok(hello),
        _ => Err(AskError::Broken("it answered something else".to_owned())),
    }
}

async fn asked(stream: Stream, request: &Request) -> Result<Answer, AskError> {
    let broken = |error: &dyn std::fmt::Display| AskError::Broken(error.to_string());
    let written = write_request(request);
    if written.len() > REQUEST_MAX {
        return Err(AskError::TooLarge(written.len()));
    }
    let question = HttpRequest::builder()
        .method(Method::POST)
        .uri("/")
        .header(header::HOST, "agent")
        .body(Full::new(Bytes::from_owner(written)))
        .map_err(|error| broken(&error))?;
    let mut sender = client::handshake(stream).await.map_err(|error| broken(&error))?;
    let response = sender.send_request(question).await.map_err(|error| broken(&error))?;
    let bytes = body::whole(response.into_body(), ANSWER_MAX).await.map_err(|error| match error {
        BodyError::TooLarge => AskError::Broken("the answer has no end".to_owned()),
        BodyError::Broken(why) => AskError::Broken(why),
    })?;
    Ok(read_answer(request, &bytes)??)
}
