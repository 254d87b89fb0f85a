//! Commands in running containers: what `docker exec` does, over the connection we have.
//!
//! The engine turns the request's connection into a two-way stream. Without a terminal what comes back is
//! framed as logs are, one byte telling stdout from stderr; with one it is plain bytes. Our own reader, as
//! bollard's guesses from the first byte which of the two it has, and a terminal may send any.
//!
//! A command is started once: it is only repeated if it is known to have failed.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, BytesMut};
use miette::Diagnostic;
use serde_json::json;
use tokio::io::{AsyncReadExt, ReadHalf, WriteHalf};
use tokio::sync::OwnedSemaphorePermit;

use crate::http::client::Upgraded;

use super::docker::client::{CallError, Engine, with_query};
use super::docker::wire;
use super::error::HostError;
use super::host::Up;
use super::logs::Output;
use super::{Inner, NodeName};

/// For a small call.
const CALL_LIMIT: Duration = Duration::from_secs(30);
/// A frame's head: one byte for the stream, three for nothing, four for the length.
const HEAD_BYTES: usize = 8;

/// What is to be run, and how.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Command {
    /// The command and its arguments.
    pub words: Vec<String>,
    /// `NAME=VALUE`.
    pub env: Vec<String>,
    /// User, or `uid:gid`.
    pub user: Option<String>,
    pub workdir: Option<String>,
    /// With all capabilities.
    pub privileged: bool,
    /// With a terminal.
    pub tty: bool,
    /// Something is written to it.
    pub stdin: bool,
}

/// Why a command did not run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Diagnostic)]
pub enum ExecError {
    #[error(transparent)]
    #[diagnostic(transparent)]
    Host(#[from] HostError),
    /// The engine said no.
    #[error("the command cannot be run in {container}: {detail}")]
    #[diagnostic(
        code(stackctl::docker::exec_refused),
        help("is it in the image? see the task with `stackctl ps`")
    )]
    Refused {
        /// Name of the container.
        container: String,
        detail: String,
    },
    /// The stream broke.
    #[error("the connection to {host} broke off; the command may still be running there")]
    #[diagnostic(code(stackctl::docker::exec_broken))]
    Broken { host: String },
}

/// A command that runs.
pub struct Session {
    up: Arc<Up>,
    host: String,
    id: String,
    read: ReadHalf<Upgraded>,
    frames: Option<Frames>,
    buffer: BytesMut,
    // Held as long as the stream.
    _turn: OwnedSemaphorePermit,
}

/// What is written to a command. Shut down, it is the end of its input.
pub type Input = WriteHalf<Upgraded>;

/// Changes the size of a command's terminal.
#[derive(Clone)]
pub struct Resizer {
    up: Arc<Up>,
    id: String,
}

/// Runs a command in a container.
pub(super) async fn run(
    inner: &Inner,
    node: &NodeName,
    container: &str,
    command: &Command,
) -> Result<(Session, Input), ExecError> {
    let unknown = || HostError::NameNotResolved { host: node.to_string() };
    let host = inner.host(node).ok_or_else(unknown)?;
    let up = host.up()?;
    let full = |_| HostError::StreamsTaken { host: host.called() };
    let turn = Arc::clone(&up.turns).try_acquire_owned().map_err(full)?;
    let called = host.called();
    let failed = |error: CallError| match error.is_silence() {
        true => ExecError::Host(HostError::ConnectionLost { host: called.clone() }),
        false => ExecError::Refused { container: container.to_owned(), detail: error.to_string() },
    };
    let id = create(&up.engine, container, command).await.map_err(failed)?;
    let start = json!({ "Detach": false, "Tty": command.tty });
    let stream = up.engine.upgrade(&format!("/exec/{id}/start"), &start, CALL_LIMIT).await.map_err(failed)?;
    let (read, write) = tokio::io::split(stream);
    let frames = (!command.tty).then(Frames::default);
    let session = Session { up, host: called, id, read, frames, buffer: BytesMut::new(), _turn: turn };
    Ok((session, write))
}

async fn create(engine: &Engine, container: &str, command: &Command) -> Result<String, CallError> {
    let body = json!({
        "AttachStdin": command.stdin,
        "AttachStdout": true,
        "AttachStderr": true,
        "Tty": command.tty,
        "Cmd": command.words,
        "Env": command.env,
        "User": command.user.clone().unwrap_or_default(),
        "WorkingDir": command.workdir.clone().unwrap_or_default(),
        "Privileged": command.privileged,
    });
    let made: wire::Created =
        engine.post(&format!("/containers/{container}/exec"), &body, CALL_LIMIT).await?;
    Ok(made.id)
}

impl Session {
    /// What it writes next; `None` at the end.
    pub async fn output(&mut self) -> Result<Option<(Output, Vec<u8>)>, ExecError> {
        let broken = |_: io::Error| ExecError::Broken { host: self.host.clone() };
        loop {
            match &mut self.frames {
                None if !self.buffer.is_empty() => {
                    return Ok(Some((Output::Stdout, self.buffer.split().to_vec())));
                }
                Some(frames) => {
                    if let Some(part) = frames.next(&mut self.buffer) {
                        return Ok(Some(part));
                    }
                }
                None => {}
            }
            if self.read.read_buf(&mut self.buffer).await.map_err(broken)? == 0 {
                return Ok(None);
            }
        }
    }

    /// What changes the size of its terminal.
    #[must_use]
    pub fn resizer(&self) -> Resizer {
        Resizer { up: Arc::clone(&self.up), id: self.id.clone() }
    }

    /// The status it ended with.
    pub async fn status(self) -> Result<i64, ExecError> {
        let path = format!("/exec/{}/json", self.id);
        let broken = |_| ExecError::Broken { host: self.host.clone() };
        // The stream may end a moment before the command does.
        const TRIES: u32 = 50;
        const PAUSE: Duration = Duration::from_millis(100);
        for _ in 0..TRIES {
            let seen: wire::Exec = self.up.engine.reader.get(&path, CALL_LIMIT).await.map_err(broken)?;
            if let (false, Some(status)) = (seen.running, seen.exit_code) {
                return Ok(status);
            }
            tokio::time::sleep(PAUSE).await;
        }
        Err(ExecError::Broken { host: self.host })
    }
}

impl Resizer {
    /// Sets the size. The stream opens a moment before the engine knows the command, so this is retried, as
    /// in docker's client. A command that has ended has no terminal, which is not an error.
    pub async fn resize(&self, columns: u16, lines: u16) {
        const TRIES: u32 = 10;
        const PAUSE: Duration = Duration::from_millis(20);
        let (columns, lines) = (columns.to_string(), lines.to_string());
        let path = with_query(&format!("/exec/{}/resize", self.id), &[("h", &lines), ("w", &columns)]);
        for again in 1..=TRIES {
            let answer =
                self.up.engine.post::<Option<serde_json::Value>>(&path, &json!({}), CALL_LIMIT).await;
            if answer.is_ok() {
                return;
            }
            tokio::time::sleep(PAUSE * again).await;
        }
    }
}

/// Takes frames apart. One may come in many pieces: what is there of it is handed on at once.
#[derive(Debug, Default)]
struct Frames {
    output: Option<Output>,
    left: usize,
}

impl Frames {
    fn next(&mut self, buffer: &mut BytesMut) -> Option<(Output, Vec<u8>)> {
        loop {
            match self.output {
                Some(output) if self.left > 0 => {
                    if buffer.is_empty() {
                        return None;
                    }
                    let part = buffer.split_to(self.left.min(buffer.len()));
                    self.left -= part.len();
                    return Some((output, part.to_vec()));
                }
                _ => {
                    if buffer.len() < HEAD_BYTES {
                        return None;
                    }
                    let stream = buffer[0];
                    buffer.advance(4);
                    self.left = buffer.get_u32() as usize;
                    self.output = Some(if stream == 2 { Output::Stderr } else { Output::Stdout });
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(stream: u8, text: &str) -> Vec<u8> {
        let length = u32::try_from(text.len()).unwrap().to_be_bytes();
        [&[stream, 0, 0, 0][..], &length, text.as_bytes()].concat()
    }

    #[test]
    fn frames_are_taken_apart_wherever_they_are_cut() {
        let wire = [frame(1, "hello "), frame(2, "oh"), frame(1, ""), frame(1, "\x01\x02 world")].concat();
        for cut in 1..wire.len() {
            let (mut frames, mut buffer) = (Frames::default(), BytesMut::new());
            let (mut out, mut err) = (Vec::new(), Vec::new());
            for piece in wire.chunks(cut) {
                buffer.extend_from_slice(piece);
                while let Some((output, part)) = frames.next(&mut buffer) {
                    match output {
                        Output::Stdout => out.extend(part),
                        Output::Stderr => err.extend(part),
                    }
                }
            }
            assert_eq!((out.as_slice(), err.as_slice()), (&b"hello \x01\x02 world"[..], &b"oh"[..]), "{cut}");
        }
    }
}
