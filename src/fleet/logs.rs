//! Logs of containers as streams of lines with times, and [merging](merge) them.
//!
//! Containers without a terminal write two streams in one, in frames with a head of eight bytes; those
//! with a terminal write plain bytes. Each message begins with its time, which is always asked for.

pub mod merge;

use std::collections::VecDeque;
use std::pin::Pin;
use std::time::Duration;

use bytes::{Buf as _, BytesMut};
use futures_util::{Stream, stream};
use http_body_util::BodyExt;
use hyper::body::Incoming;

use super::docker::client::{CallError, Reader, with_query};
use super::error::HostError;

/// For the first byte of an answer.
const LOGS_LIMIT: Duration = Duration::from_secs(30);
/// A line that is longer is handed on in pieces, which count as lines: one without an end is shown as it grows, and
/// kept in memory by no one.
pub const LINE_MAX: usize = 1 << 20;
/// A frame's head: one byte for the stream, three for nothing, four for the length.
const HEAD_BYTES: usize = 8;

/// Which part of a log.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LogOptions {
    /// Only the last lines.
    pub tail: Option<u32>,
    /// From this time on, in nanoseconds since the epoch, by the host's clock.
    pub since: Option<i64>,
    /// Up to this time.
    pub until: Option<i64>,
    /// Stay for what is yet to be written.
    pub follow: bool,
    /// With the attributes that the log driver keeps.
    pub details: bool,
}

/// Where a line was written to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Output {
    /// Standard output, or a terminal.
    Stdout,
    Stderr,
}

/// A line of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    pub output: Output,
    /// When, in nanoseconds since the epoch, by the host's clock.
    pub at: Option<i64>,
    /// Attributes `k=v,k=v`, if they were asked for and there are any.
    pub details: Option<String>,
    /// The bytes, without the end of line.
    pub bytes: Vec<u8>,
}

impl LogLine {
    /// The text, as far as it is one.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }
}

/// Lines as they come.
pub type LogStream = Pin<Box<dyn Stream<Item = Result<LogLine, HostError>> + Send>>;

/// A log that was opened.
pub(super) struct Opened {
    body: Incoming,
    splitter: Splitter,
}

/// Opens a container's log.
pub(super) async fn open(
    reader: &Reader,
    container: &str,
    options: &LogOptions,
    tty: bool,
) -> Result<Opened, CallError> {
    let flag = |on: bool| if on { "1" } else { "0" };
    let tail = options.tail.map_or_else(|| "all".to_owned(), |lines| lines.to_string());
    let (since, until) = (options.since.map(seconds), options.until.map(seconds));
    let mut query = vec![
        ("stdout", "1"),
        ("stderr", "1"),
        ("timestamps", "1"),
        ("tail", &tail),
        ("follow", flag(options.follow)),
        ("details", flag(options.details)),
    ];
    query.extend(since.as_deref().map(|at| ("since", at)));
    query.extend(until.as_deref().map(|at| ("until", at)));
    let path = with_query(&format!("/containers/{container}/logs"), &query);
    let body = reader.stream(&path, LOGS_LIMIT).await?;
    Ok(Opened { body, splitter: Splitter::new(tty, options.details) })
}

/// `seconds.nanoseconds`, the API's format of times.
fn seconds(nanos: i64) -> String {
    format!("{}.{:09}", nanos.div_euclid(1_000_000_000), nanos.rem_euclid(1_000_000_000))
}

/// The lines of an opened log. `lost` is the error when the connection breaks.
pub(super) fn lines(opened: Opened, lost: HostError) -> LogStream {
    struct State {
        body: Option<Incoming>,
        splitter: Splitter,
        ready: VecDeque<LogLine>,
        lost: HostError,
    }
    let Opened { body, splitter } = opened;
    let state = State { body: Some(body), splitter, ready: VecDeque::new(), lost };
    Box::pin(stream::unfold(state, |mut state| async move {
        loop {
            if let Some(line) = state.ready.pop_front() {
                return Some((Ok(line), state));
            }
            match state.body.as_mut()?.frame().await {
                Some(Ok(frame)) => {
                    state.ready.extend(state.splitter.push(frame.data_ref().map_or(&[][..], |data| data)));
                }
                Some(Err(_)) => {
                    state.body = None;
                    return Some((Err(state.lost.clone()), state));
                }
                None => {
                    state.body = None;
                    state.ready.extend(state.splitter.finish());
                    if state.ready.is_empty() {
                        return None;
                    }
                    let line = state.ready.pop_front()?;
                    return Some((Ok(line), state));
                }
            }
        }
    }))
}

/// Cuts bytes into lines. Keeps no more of one than [`LINE_MAX`].
#[derive(Debug)]
struct Splitter {
    tty: bool,
    details: bool,
    /// Bytes that were not taken yet.
    waiting: BytesMut,
    /// How many of them are known to hold no end of a line, at a terminal.
    searched: usize,
    /// The message that the next bytes belong to; at a terminal each line is one.
    message: Option<Message>,
    /// Lines that are not complete, of stdout and of stderr. A long one comes in several messages.
    open: [Option<OpenLine>; 2],
}

/// A message of which the beginning was taken, or its head.
#[derive(Debug)]
struct Message {
    output: Output,
    /// Bytes to come, where the head says that.
    left: usize,
    /// Nothing of it was taken yet.
    is_new: bool,
}

/// A line without its end.
#[derive(Debug)]
struct OpenLine {
    line: LogLine,
    /// What is before it was handed on.
    is_rest: bool,
}

impl Splitter {
    fn new(tty: bool, details: bool) -> Self {
        Self { tty, details, waiting: BytesMut::new(), searched: 0, message: None, open: [None, None] }
    }

    fn push(&mut self, bytes: &[u8]) -> Vec<LogLine> {
        self.waiting.extend_from_slice(bytes);
        let mut lines = Vec::new();
        while let Some((message, piece, is_end)) = self.next_piece() {
            lines.extend(self.take(&message, &piece, is_end));
        }
        lines
    }

    /// What is left when the log ends.
    fn finish(&mut self) -> Vec<LogLine> {
        let rest = self.waiting.split();
        let message = self.message.take().unwrap_or_else(Message::of_terminal);
        let last = if self.tty && !rest.is_empty() { self.take(&message, &rest, true) } else { None };
        let open = self.open.iter_mut().filter_map(Option::take);
        last.into_iter().chain(open.filter_map(OpenLine::into_line)).collect()
    }

    /// A message, or as much of a long one as may be kept; whether it is the end of it.
    fn next_piece(&mut self) -> Option<(Message, BytesMut, bool)> {
        let (length, is_end, mut message) =
            if self.tty { self.piece_of_line()? } else { self.piece_of_frame()? };
        let piece = self.waiting.split_to(length);
        self.searched = 0;
        message.left = message.left.saturating_sub(length);
        let rest = Message { output: message.output, left: message.left, is_new: false };
        self.message = (!is_end).then_some(rest);
        Some((message, piece, is_end))
    }

    fn piece_of_line(&mut self) -> Option<(usize, bool, Message)> {
        let end = self.waiting[self.searched..].iter().position(|&byte| byte == b'\n');
        let (length, is_end) = match end {
            Some(end) => (self.searched + end + 1, true),
            None => {
                self.searched = self.waiting.len();
                (self.searched, false)
            }
        };
        (is_end || length >= LINE_MAX)
            .then(|| (length, is_end, self.message.take().unwrap_or_else(Message::of_terminal)))
    }

    fn piece_of_frame(&mut self) -> Option<(usize, bool, Message)> {
        if self.message.is_none() {
            if self.waiting.len() < HEAD_BYTES {
                return None;
            }
            let output = if self.waiting[0] == 2 { Output::Stderr } else { Output::Stdout };
            self.waiting.advance(4);
            self.message = Some(Message { output, left: self.waiting.get_u32() as usize, is_new: true });
        }
        let message = self.message.take()?;
        let length = message.left.min(self.waiting.len());
        let is_end = length == message.left;
        if is_end || length >= LINE_MAX {
            return Some((length, is_end, message));
        }
        self.message = Some(message);
        None
    }

    /// A piece of a message; gives back the line that it completes, or makes too long.
    fn take(&mut self, message: &Message, piece: &[u8], is_end: bool) -> Option<LogLine> {
        let output = message.output;
        let (mut at, mut details, mut rest) = (None, None, piece);
        if message.is_new {
            (at, rest) = split_time(rest);
            (details, rest) = if self.details { split_details(rest) } else { (None, rest) };
        }
        let (rest, is_complete) = match rest.strip_suffix(b"\n").filter(|_| is_end) {
            Some(rest) => (if self.tty { rest.strip_suffix(b"\r").unwrap_or(rest) } else { rest }, true),
            None => (rest, false),
        };
        let open = &mut self.open[usize::from(output == Output::Stderr)];
        let line = || LogLine { output, at, details, bytes: Vec::new() };
        let own = open.get_or_insert_with(|| OpenLine { line: line(), is_rest: false });
        own.line.bytes.extend_from_slice(rest);
        if is_complete {
            return open.take()?.into_line();
        }
        if own.line.bytes.len() < LINE_MAX {
            return None;
        }
        let rest = LogLine { output, at: own.line.at, details: own.line.details.clone(), bytes: Vec::new() };
        let long = open.replace(OpenLine { line: rest, is_rest: true });
        long.map(|long| long.line)
    }
}

impl Message {
    fn of_terminal() -> Self {
        Self { output: Output::Stdout, left: 0, is_new: true }
    }
}

impl OpenLine {
    /// The line, unless all of it was handed on before.
    fn into_line(self) -> Option<LogLine> {
        (!self.is_rest || !self.line.bytes.is_empty()).then_some(self.line)
    }
}

/// A time before the first blank.
fn split_time(message: &[u8]) -> (Option<i64>, &[u8]) {
    let Some(blank) = message.iter().position(|&byte| byte == b' ') else { return (None, message) };
    let text = std::str::from_utf8(&message[..blank]).unwrap_or_default();
    match text.parse::<jiff::Timestamp>().map(|at| i64::try_from(at.as_nanosecond())) {
        Ok(Ok(at)) => (Some(at), &message[blank + 1..]),
        Ok(Err(_)) | Err(_) => (None, message),
    }
}

/// Attributes before the next blank; there is a blank even when there are none.
fn split_details(message: &[u8]) -> (Option<String>, &[u8]) {
    let Some(blank) = message.iter().position(|&byte| byte == b' ') else { return (None, message) };
    let text = String::from_utf8_lossy(&message[..blank]).into_owned();
    ((!text.is_empty()).then_some(text), &message[blank + 1..])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(stream: u8, text: &str) -> Vec<u8> {
        let mut bytes = vec![stream, 0, 0, 0];
        bytes.extend_from_slice(&(text.len() as u32).to_be_bytes());
        bytes.extend_from_slice(text.as_bytes());
        bytes
    }

    #[test]
    fn two_streams_come_apart_however_the_bytes_are_cut() {
        let mut bytes = frame(1, "2026-11-21T01:00:00.000000001Z one\n");
        bytes.extend(frame(2, "2026-11-21T01:00:00.000000002Z two\n"));
        bytes.extend(frame(1, "2026-11-21T01:00:00.000000003Z long "));
        bytes.extend(frame(2, "2026-11-21T01:00:00.000000004Z \n"));
        bytes.extend(frame(1, "2026-11-21T01:00:00.000000005Z line\n"));
        bytes.extend(frame(1, "2026-11-21T01:00:00.000000006Z end"));
        for size in [1, 3, 7, 50, bytes.len()] {
            let mut splitter = Splitter::new(false, false);
            let mut lines: Vec<LogLine> = bytes.chunks(size).flat_map(|chunk| splitter.push(chunk)).collect();
            lines.extend(splitter.finish());
            let seen: Vec<_> = lines.iter().map(|l| (l.output, l.at.unwrap() % 1000, l.text())).collect();
            let line = |output, at, text: &str| (output, at, text.to_owned());
            let (out, err) = (Output::Stdout, Output::Stderr);
            assert_eq!(
                seen,
                [
                    line(out, 1, "one"),
                    line(err, 2, "two"),
                    line(err, 4, ""),
                    line(out, 3, "long line"),
                    line(out, 6, "end"),
                ],
                "{size}"
            );
        }
    }

    #[test]
    fn a_terminal_writes_plain_lines() {
        let mut splitter = Splitter::new(true, false);
        let lines = splitter.push(b"2026-11-21T01:00:00Z \x1b[1mhello\x1b[0m\r\n2026-11-21T01:00:01Z wor");
        assert_eq!(lines.len(), 1);
        assert_eq!(lines[0].text(), "\u{1b}[1mhello\u{1b}[0m");
        let rest = splitter.finish();
        assert_eq!((rest[0].text(), rest[0].at), ("wor".to_owned(), Some(1_795_222_801_000_000_000)));
    }

    #[test]
    fn a_line_without_an_end_is_handed_on_in_pieces() {
        let text = "2026-11-21T01:00:00Z ".to_owned() + &"x".repeat(LINE_MAX * 5 / 2);
        let ends = [frame(1, &(text.clone() + "\n")), frame(1, &text)];
        let ends = ends.into_iter().map(|bytes| (false, bytes));
        let terminal = [text.clone() + "\r\n", text].into_iter().map(|text| (true, text.into_bytes()));
        for (tty, bytes) in ends.chain(terminal) {
            let (mut splitter, mut lines) = (Splitter::new(tty, false), Vec::new());
            for chunk in bytes.chunks(50_000) {
                lines.extend(splitter.push(chunk));
                assert!(splitter.waiting.len() < LINE_MAX + 50_000);
            }
            assert!(lines.len() >= 2, "{} lines before the end", lines.len());
            lines.extend(splitter.finish());
            let length: usize = lines.iter().map(|line| line.bytes.len()).sum();
            assert_eq!((lines.len(), length), (3, LINE_MAX * 5 / 2), "{tty}");
            assert!(lines.iter().all(|line| line.at == lines[0].at && line.at.is_some()));
        }
    }

    #[test]
    fn bytes_without_an_end_are_searched_once() {
        let mut splitter = Splitter::new(true, false);
        for at in 1..=1_000 {
            assert_eq!(splitter.push(b"x"), []);
            assert_eq!(splitter.searched, at);
        }
    }

    #[test]
    fn a_frame_of_four_gigabytes_is_no_reason_to_keep_them() {
        let mut splitter = Splitter::new(false, false);
        splitter.push(&[1, 0, 0, 0, 255, 255, 255, 255]);
        let lines: usize = (0..100).map(|_| splitter.push(&[b'x'; 100_000]).len()).sum();
        assert!(lines >= 8 && splitter.waiting.len() <= LINE_MAX + 100_000, "{lines}");
    }

    #[test]
    fn attributes_stand_between_time_and_text() {
        let mut splitter = Splitter::new(false, true);
        let lines = splitter.push(&frame(1, "2026-11-21T01:00:00Z a=b,c=d hello world\n"));
        assert_eq!(lines[0].details.as_deref(), Some("a=b,c=d"));
        assert_eq!(lines[0].text(), "hello world");
        let lines = splitter.push(&frame(1, "2026-11-21T01:00:00Z  hello\n"));
        assert_eq!((lines[0].details.clone(), lines[0].text()), (None, "hello".to_owned()));
    }

    #[test]
    fn times_are_written_as_the_api_takes_them() {
        assert_eq!(seconds(1_500_000_001), "1.500000001");
        assert_eq!(seconds(-1), "-1.999999999");
    }
}
