//! A Docker engine for tests: the HTTP API on a unix socket, and behind it a world in memory.
//!
//! `unix://` is an address an inventory may hold, so the real binary talks to it as to any engine and
//! needs no door of its own for tests. What a test arranges is in [`World`]; what may go wrong is a
//! [`Fault`]; what was asked is counted in [`FakeEngine::calls`].
//!
//! Made of threads and `std` alone: a test needs no runtime to have engines.

#![allow(dead_code, unused_imports, reason = "shared: each test program uses a part of it")]

mod api;
mod containers;
mod http;
mod images;
pub mod life;
mod plugins;
mod resources;
mod state;
mod world;

use std::collections::BTreeMap;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use serde_json::Value;

pub use state::{Behaviour, Clock};
pub use world::{Container, Network, Volume, World};

/// What goes wrong with a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wrong {
    /// The engine answers with this status and message, and does nothing.
    Refuse(u16, String),
    /// The engine takes its time.
    Slow(Duration),
    /// The engine does what was asked; the answer is lost.
    DropReply,
    /// The connection breaks before anything is done.
    DropRequest,
    /// The engine keeps the connection and says nothing, for so long.
    Silence(Duration),
}

/// A thing that goes wrong, and how often.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Such as `POST /containers/{id}/start`; `*` is any call.
    pub call: String,
    /// Only calls whose path and query contain this.
    pub about: String,
    /// What.
    pub wrong: Wrong,
    /// How many times more.
    pub left: u32,
}

/// What a test has an engine answer, whatever its world is like.
#[derive(Debug, Clone)]
pub enum Answer {
    /// A status and a body; none if it is null.
    Json(u16, Value),
    /// Lines, as a pull has them.
    Lines(&'static str),
    /// Nothing: the connection is closed.
    HangUp,
}

impl Answer {
    /// An answer of status 200.
    pub fn ok(body: Value) -> Self {
        Self::Json(200, body)
    }

    /// A refusal.
    pub fn no(status: u16, message: &str) -> Self {
        Self::Json(status, serde_json::json!({ "message": message }))
    }
}

/// Gets `METHOD /path?query` without the version, and the body; what it has no answer to, the world answers.
type Ask = dyn Fn(&str, &Value) -> Option<Answer> + Send + Sync;

#[derive(Clone)]
struct Script(Arc<Ask>);

impl std::fmt::Debug for Script {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Script")
    }
}

/// A call as it was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// Method and path with `{id}` for names: `GET /containers/{id}/json`.
    pub call: String,
    /// Path and query as sent, without the API version.
    pub target: String,
    /// Under which lease, as `stack/epoch`; of what changes something.
    pub lease: Option<String>,
    /// When it arrived.
    pub began: Instant,
    /// When it was answered.
    pub ended: Instant,
}

/// An engine that listens until it is dropped.
#[derive(Debug)]
pub struct FakeEngine {
    name: String,
    socket: PathBuf,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    world: Mutex<World>,
    faults: Mutex<Vec<Fault>>,
    calls: Mutex<Vec<Call>>,
    script: Mutex<Option<Script>>,
    latency: Mutex<Duration>,
    listening: Mutex<Option<JoinHandle<()>>>,
    connections: Mutex<Vec<UnixStream>>,
    /// Answers that are being given piece by piece.
    followers: AtomicUsize,
    /// Grows with each start; a listener of an earlier life stops.
    life: Mutex<u32>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

impl FakeEngine {
    /// An engine on the host of this name, with its socket in `dir`.
    pub fn start(name: &str, dir: &Path) -> Self {
        let engine = Self {
            name: name.to_owned(),
            socket: dir.join(format!("{name}.sock")),
            shared: Arc::new(Shared::default()),
        };
        lock(&engine.shared.world).name = name.to_owned();
        lock(&engine.shared.world).room = dir.to_owned();
        engine.listen();
        engine
    }

    fn listen(&self) {
        let listener =
            UnixListener::bind(&self.socket).expect("the socket's directory is there, its path short");
        let shared = Arc::clone(&self.shared);
        let life = *lock(&shared.life);
        let listening = thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(stream) = stream else { return };
                if *lock(&shared.life) != life {
                    return;
                }
                if let Ok(copy) = stream.try_clone() {
                    lock(&shared.connections).push(copy);
                }
                let shared = Arc::clone(&shared);
                thread::spawn(move || http::serve(&stream, &shared));
            }
        });
        *lock(&self.shared.listening) = Some(listening);
    }

    /// The host's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// For an inventory: `unix:///…`.
    pub fn address(&self) -> String {
        format!("unix://{}", self.socket.display())
    }

    /// The socket.
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// Arranges or looks at the world behind the socket.
    pub fn with<T>(&self, look: impl FnOnce(&mut World) -> T) -> T {
        look(&mut lock(&self.shared.world))
    }

    /// From now on a script is asked first.
    pub fn answer_by(&self, script: impl Fn(&str, &Value) -> Option<Answer> + Send + Sync + 'static) {
        *lock(&self.shared.script) = Some(Script(Arc::new(script)));
    }

    /// What it was asked since the last time, without greetings: `METHOD /path?query`.
    pub fn asked(&self) -> Vec<String> {
        let line = |call: &Call| {
            let method = call.call.split(' ').next().unwrap_or_default();
            format!("{method} {}", call.target)
        };
        let asked = self.calls().iter().map(line).filter(|line| line != "GET /version").collect();
        self.forget_calls();
        asked
    }

    /// Lets `wrong` happen to the next `times` calls like `call` (`POST /containers/create`, or `*`).
    pub fn fail(&self, call: &str, times: u32, wrong: Wrong) {
        self.fail_about(call, "", times, wrong);
    }

    /// The same, for calls whose path or query contains `about`.
    pub fn fail_about(&self, call: &str, about: &str, times: u32, wrong: Wrong) {
        let fault = Fault { call: call.to_owned(), about: about.to_owned(), wrong, left: times };
        lock(&self.shared.faults).push(fault);
    }

    /// Nothing goes wrong any more.
    pub fn heal(&self) {
        lock(&self.shared.faults).clear();
    }

    /// Every answer takes at least so long from now on: lets calls that overlap be told from calls that
    /// wait for one another.
    pub fn set_latency(&self, latency: Duration) {
        *lock(&self.shared.latency) = latency;
    }

    /// Every call so far, in the order of their arrival.
    pub fn calls(&self) -> Vec<Call> {
        let mut calls = lock(&self.shared.calls).clone();
        calls.sort_by_key(|call| call.began);
        calls
    }

    /// How often each call was made.
    pub fn counts(&self) -> BTreeMap<String, usize> {
        let mut counts = BTreeMap::new();
        for call in self.calls() {
            *counts.entry(call.call).or_default() += 1;
        }
        counts
    }

    /// Calls that may change something.
    pub fn writes(&self) -> Vec<String> {
        let is_read = |call: &Call| call.call.starts_with("GET ") || call.call.starts_with("HEAD ");
        self.calls().into_iter().filter(|call| !is_read(call)).map(|call| call.call).collect()
    }

    /// Forgets the calls so far.
    pub fn forget_calls(&self) {
        lock(&self.shared.calls).clear();
    }

    /// Answers that are being given piece by piece, such as events.
    pub fn followers(&self) -> usize {
        self.shared.followers.load(Ordering::SeqCst)
    }

    /// How many calls had to wait for one another: calls that overlap are one round.
    pub fn rounds(&self) -> usize {
        let mut rounds = 0;
        let mut end_of_round: Option<Instant> = None;
        for call in self.calls() {
            match end_of_round {
                Some(end) if call.began < end => end_of_round = Some(end.min(call.ended)),
                _ => {
                    rounds += 1;
                    end_of_round = Some(call.ended);
                }
            }
        }
        rounds
    }

    /// The daemon dies: connections break, nobody listens. The world stays.
    pub fn kill(&self) {
        self.crash();
        let _ = std::fs::remove_file(&self.socket);
    }

    /// The same, and its socket is left behind: it refuses.
    pub fn crash(&self) {
        *lock(&self.shared.life) += 1;
        // The listener wakes, sees that its life is over, and closes.
        if UnixStream::connect(&self.socket).is_ok()
            && let Some(listening) = lock(&self.shared.listening).take()
        {
            let _ = listening.join();
        }
        for connection in lock(&self.shared.connections).drain(..) {
            let _ = connection.shutdown(std::net::Shutdown::Both);
        }
    }

    /// The daemon is back.
    pub fn revive(&self) {
        let _ = std::fs::remove_file(&self.socket);
        self.listen();
    }
}

impl Drop for FakeEngine {
    fn drop(&mut self) {
        self.kill();
    }
}

#[cfg(test)]
mod tests;
