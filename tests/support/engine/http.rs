//! HTTP/1.1, as little of it as an engine's clients need.

use std::collections::BTreeMap;
use std::io::{self, BufRead as _, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::{Answer, Call, Fault, Script, Shared, Wrong, api, lock};

/// A request, read whole.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) method: String,
    /// Without the API version and the query, still escaped.
    pub(super) path: String,
    pub(super) query: BTreeMap<String, String>,
    pub(super) headers: BTreeMap<String, String>,
    pub(super) body: Vec<u8>,
    /// Path and query, without the API version.
    pub(super) target: String,
}

/// Gives the next piece of a long answer; an empty one is nothing new yet.
pub(super) type Pieces = Box<dyn FnMut(&Shared) -> Option<Vec<u8>> + Send>;

/// An answer.
pub(super) enum Reply {
    Json(u16, Value),
    Text(u16, String),
    Empty(u16),
    /// Written piece by piece until it says there is nothing more.
    Stream(&'static str, Pieces),
}

/// What the engine says when it refuses.
pub(super) fn refusal(status: u16, message: impl Into<String>) -> Reply {
    Reply::Json(status, serde_json::json!({ "message": message.into() }))
}

/// Answers requests on a connection until it ends.
pub(super) fn serve(stream: &UnixStream, shared: &Shared) {
    let mut reader = BufReader::new(stream);
    while let Ok(Some(request)) = read(&mut reader) {
        if answer(stream, shared, &request).is_err() {
            break;
        }
    }
    let _ = stream.shutdown(std::net::Shutdown::Both);
}

fn answer(stream: &UnixStream, shared: &Shared, request: &Request) -> io::Result<()> {
    let began = Instant::now();
    let route = api::route(request);
    let record = |ended| {
        let lease = request.headers.get("x-stackctl-lease").cloned();
        let (call, target) = (route.clone(), request.target.clone());
        lock(&shared.calls).push(Call { call, target, lease, began, ended });
    };
    let latency = *lock(&shared.latency);
    thread::sleep(latency);
    let broken = || io::Error::from(io::ErrorKind::ConnectionAborted);
    let mut drops_reply = false;
    let mut refused = None;
    match take_fault(shared, &route, request) {
        None => {}
        Some(Wrong::Refuse(status, message)) => refused = Some(refusal(status, message)),
        Some(Wrong::Slow(time)) => thread::sleep(time),
        Some(Wrong::DropReply) => drops_reply = true,
        Some(Wrong::DropRequest) => {
            record(Instant::now());
            return Err(broken());
        }
        Some(Wrong::Silence(time)) => {
            thread::sleep(time);
            record(Instant::now());
            return Err(broken());
        }
    }
    let reply = match (refused, scripted(shared, request)) {
        (Some(refused), _) => refused,
        (None, None) => api::answer(request, shared),
        (None, Some(Answer::Json(status, Value::Null))) => Reply::Empty(status),
        (None, Some(Answer::Json(status, body))) => Reply::Json(status, body),
        (None, Some(Answer::Lines(text))) => Reply::Text(200, text.to_owned()),
        (None, Some(Answer::HangUp)) => {
            record(Instant::now());
            return Err(broken());
        }
    };
    record(Instant::now());
    if drops_reply {
        return Err(broken());
    }
    write(stream, shared, request, reply)
}

/// What the test has to say to a request, if it has.
fn scripted(shared: &Shared, request: &Request) -> Option<Answer> {
    let Script(ask) = lock(&shared.script).clone()?;
    let body = serde_json::from_slice(&request.body).unwrap_or_default();
    ask(&format!("{} {}", request.method, request.target), &body)
}

fn take_fault(shared: &Shared, route: &str, request: &Request) -> Option<Wrong> {
    let mut faults = lock(&shared.faults);
    let fits = |fault: &Fault| {
        fault.left > 0 && (fault.call == "*" || fault.call == route) && request.target.contains(&fault.about)
    };
    let fault = faults.iter_mut().find(|fault| fits(fault))?;
    fault.left -= 1;
    Some(fault.wrong.clone())
}

fn read(reader: &mut BufReader<&UnixStream>) -> io::Result<Option<Request>> {
    let mut line = String::new();
    if reader.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let mut words = line.split_ascii_whitespace();
    let (method, target) =
        (words.next().unwrap_or_default().to_owned(), words.next().unwrap_or("/").to_owned());
    let mut headers = BTreeMap::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        match line.trim_end().split_once(':') {
            Some((name, value)) => {
                headers.insert(name.trim().to_ascii_lowercase(), value.trim().to_owned());
            }
            None => break,
        }
    }
    let mut body = Vec::new();
    if headers.get("transfer-encoding").is_some_and(|coding| coding.contains("chunked")) {
        read_chunks(reader, &mut body)?;
    } else if let Some(length) = headers.get("content-length").and_then(|text| text.parse::<u64>().ok()) {
        reader.by_ref().take(length).read_to_end(&mut body)?;
    }
    let target = without_version(&target);
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    let query = query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (unescaped(name), unescaped(value))
        })
        .collect();
    Ok(Some(Request { method, path: path.to_owned(), query, headers, body, target: target.clone() }))
}

fn read_chunks(reader: &mut BufReader<&UnixStream>, body: &mut Vec<u8>) -> io::Result<()> {
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let size = u64::from_str_radix(line.trim().split(';').next().unwrap_or("0"), 16)
            .map_err(|_| io::ErrorKind::InvalidData)?;
        reader.by_ref().take(size).read_to_end(body)?;
        let mut end = String::new();
        reader.read_line(&mut end)?;
        if size == 0 {
            return Ok(());
        }
    }
}

/// `/v1.41/info` is `/info`.
fn without_version(target: &str) -> String {
    // A client that speaks to a proxy sends the whole URL.
    let target = target.strip_prefix("http://").map_or(target, |rest| &rest[rest.find('/').unwrap_or(0)..]);
    let rest = target.strip_prefix("/v1.").and_then(|rest| rest.find('/').map(|at| &rest[at..]));
    rest.unwrap_or(target).to_owned()
}

/// Per cent escapes undone.
pub(super) fn unescaped(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len());
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        let hex = text.get(at + 1..at + 3).and_then(|hex| u8::from_str_radix(hex, 16).ok());
        match (bytes[at], hex) {
            (b'%', Some(byte)) => {
                out.push(byte);
                at += 3;
            }
            (b'+', _) => {
                out.push(b' ');
                at += 1;
            }
            (byte, _) => {
                out.push(byte);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

fn write(mut stream: &UnixStream, shared: &Shared, request: &Request, reply: Reply) -> io::Result<()> {
    let api = lock(&shared.world).api_version.clone();
    let head = |status: u16, kind: &str, length: &str| {
        format!(
            "HTTP/1.1 {status} {}\r\nApi-Version: {api}\r\nServer: Docker/fake\r\n{kind}{length}\r\n",
            word(status)
        )
    };
    let (status, kind, body) = match reply {
        Reply::Json(status, value) => {
            (status, "Content-Type: application/json\r\n", value.to_string() + "\n")
        }
        Reply::Text(status, text) => (status, "Content-Type: text/plain\r\n", text),
        Reply::Empty(status) => (status, "", String::new()),
        Reply::Stream(kind, mut next) => {
            let kind = format!("Content-Type: {kind}\r\n");
            let _following = Following::begin(&shared.followers);
            stream.write_all(head(200, &kind, "Transfer-Encoding: chunked\r\n").as_bytes())?;
            while let Some(piece) = next(shared) {
                if piece.is_empty() {
                    // Nothing new yet. Each command of a test follows the events of each engine: what stayed here after it
                    // would take all of the processor in the end.
                    if is_over(stream) {
                        return Err(io::ErrorKind::ConnectionAborted.into());
                    }
                    thread::sleep(Duration::from_millis(10));
                    continue;
                }
                write!(stream, "{:x}\r\n", piece.len())?;
                stream.write_all(&piece)?;
                stream.write_all(b"\r\n")?;
            }
            return stream.write_all(b"0\r\n\r\n");
        }
    };
    let length = match status {
        204 | 304 => String::new(),
        _ => format!("Content-Length: {}\r\n", body.len()),
    };
    let body = if request.method == "HEAD" { "" } else { &body };
    stream.write_all((head(status, kind, &length) + body).as_bytes())
}

/// A long answer that is being given.
struct Following<'a>(&'a AtomicUsize);

impl<'a> Following<'a> {
    fn begin(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::SeqCst);
        Self(count)
    }
}

impl Drop for Following<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Whether the client has gone away, or the engine has shut the connection down.
fn is_over(stream: &UnixStream) -> bool {
    use rustix::net::{RecvFlags, recv};
    let mut byte = [0];
    match recv(stream, &mut byte, RecvFlags::PEEK | RecvFlags::DONTWAIT) {
        Ok((_, bytes)) => bytes == 0,
        Err(error) => error != rustix::io::Errno::AGAIN,
    }
}

fn word(status: u16) -> &'static str {
    match status {
        200 => "OK",
        201 => "Created",
        204 => "No Content",
        304 => "Not Modified",
        400 => "Bad Request",
        403 => "Forbidden",
        404 => "Not Found",
        409 => "Conflict",
        _ => "Internal Server Error",
    }
}
