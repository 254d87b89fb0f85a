//! One host: its connection, opened when needed and again when lost, or the error that prevents it.

use std::collections::BTreeMap;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use tokio::sync::{Mutex, Semaphore};
use tokio::time::Instant;

use super::docker::client::{CallError, Engine, GreetError};
use super::docker::wire;
use super::error::HostError;
use super::ssh::{Dialer, Link, Master, Target};
use super::transport::{CallCounts, Open, Transport};
use super::turns::Turns;
use crate::http::stream::Stream;
use crate::inventory::{Address, HostEntry};

/// For the first answer of an engine over an open connection.
const GREET_LIMIT: Duration = Duration::from_secs(5);
/// For a probe of the host after its engine took too long.
const NUDGE_LIMIT: Duration = Duration::from_secs(2);
/// Actions at a time on one host: more only queue inside the engine.
const ACTIONS_MAX: usize = 8;
/// Pulls at a time on one host: each loads several layers at once by itself.
const PULLS_MAX: usize = 3;

/// After a dial that timed out, callers do not wait for this host again within this time.
const SILENT_FOR: Duration = Duration::from_secs(60);

/// Streams that are reserved for requests when actions and logs have taken theirs.
const STREAMS_SPARED: usize = 3;

/// A host of the inventory.
#[derive(Debug)]
pub(super) struct Host {
    pub entry: HostEntry,
    /// A turn for each action.
    pub actions: Semaphore,
    /// A turn for each pull.
    pub pulls: Semaphore,
    dialer: Arc<Dialer>,
    counts: Arc<CallCounts>,
    state: RwLock<Result<Arc<Up>, HostError>>,
    /// One dial at a time; waiting callers share its result.
    dialing: Mutex<()>,
    /// The last dial failed, and no caller has received the error yet.
    is_news: AtomicBool,
    /// When the last dial failed.
    failed_at: std::sync::Mutex<Option<Instant>>,
}

/// A host that answers.
#[derive(Debug)]
pub(super) struct Up {
    pub engine: Engine,
    /// The address we reach it at, by ssh.
    pub address: Option<SocketAddr>,
    /// Permits for long-lived streams. `dial-stdio` has few streams, and an observation that waits too long
    /// for one would take its host for dead.
    pub turns: Arc<Semaphore>,
    link: Link,
}

impl Up {
    /// A stream to another socket of the host than its engine's.
    pub(super) async fn open_beside(&self, socket: &Path) -> io::Result<Stream> {
        self.link.open_beside(socket).await
    }

    /// The ssh connection below, if there is one.
    pub(super) fn master(&self) -> Option<&Arc<Master>> {
        self.link.master()
    }
}

impl Host {
    /// Whether calls go over a connection that ssh keeps.
    pub(super) fn is_over_ssh(&self) -> bool {
        matches!(self.entry.address, Address::Ssh { .. })
    }

    pub(super) fn new(entry: HostEntry, dialer: Arc<Dialer>) -> Self {
        let never = HostError::ConnectionLost { host: entry.address.to_string() };
        Self {
            entry,
            actions: Semaphore::new(ACTIONS_MAX),
            pulls: Semaphore::new(PULLS_MAX),
            dialer,
            counts: Arc::default(),
            state: RwLock::new(Err(never)),
            dialing: Mutex::new(()),
            is_news: AtomicBool::new(false),
            failed_at: std::sync::Mutex::default(),
        }
    }

    /// The connection in its current state, or why there is none.
    pub(super) fn up(&self) -> Result<Arc<Up>, HostError> {
        self.state.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The turns of all calls of the fleet.
    pub(super) fn turns(&self) -> &Turns {
        &self.dialer.turns
    }

    /// How often each call was made.
    pub(super) fn calls(&self) -> BTreeMap<String, u64> {
        self.counts.snapshot()
    }

    /// The connection, opened now if there is none. Callers that arrive during a dial share its result,
    /// errors included: a dead host is not dialled again for each of them.
    pub(super) async fn reconnect(&self) -> Result<Arc<Up>, HostError> {
        let Ok(_turn) = self.dialing.try_lock() else {
            let _ended = self.dialing.lock().await;
            return self.up();
        };
        if let Ok(up) = self.up() {
            return Ok(up);
        }
        let result = self.connect().await.map(Arc::new);
        self.set(result.clone());
        self.is_news.store(result.is_err(), Ordering::Relaxed);
        let failed_at = result.is_err().then(Instant::now);
        *self.failed_at.lock().unwrap_or_else(PoisonError::into_inner) = failed_at;
        result
    }

    /// The connection, opened now if there is none. But an error that a dial has just found is returned
    /// first, and a host that timed out a while ago is dialled in the background. So a dead host costs its
    /// ten seconds once in a command, not once for each request.
    pub(super) async fn up_or_revived(self: &Arc<Self>) -> Result<Arc<Up>, HostError> {
        if self.is_news.swap(false, Ordering::Relaxed) {
            return self.up();
        }
        if let Err(error @ HostError::Timeout { .. }) = self.up()
            && self.has_just_failed()
        {
            self.reconnect_later();
            return Err(error);
        }
        let result = self.reconnect().await;
        self.is_news.store(false, Ordering::Relaxed);
        result
    }

    fn has_just_failed(&self) -> bool {
        let failed_at = *self.failed_at.lock().unwrap_or_else(PoisonError::into_inner);
        failed_at.is_some_and(|at| at.elapsed() < SILENT_FOR)
    }

    /// Dials again in the background.
    pub(super) fn reconnect_later(self: &Arc<Self>) {
        if self.dialing.try_lock().is_ok() {
            let host = Arc::clone(self);
            tokio::spawn(async move { host.reconnect().await.is_ok() });
        }
    }

    /// Diagnoses a broken connection in the background, and repairs it where that is quick.
    pub(super) fn recover_later(self: &Arc<Self>, up: Arc<Up>, error: CallError) {
        if self.dialing.try_lock().is_ok() {
            let host = Arc::clone(self);
            tokio::spawn(async move { host.recover(&up, &error).await.is_ok() });
        }
    }

    /// Sends a request and waits for the answer. If the connection breaks it is sent once more: every request
    /// made through here must be safe to repeat.
    pub(super) async fn ask<T, F, A>(&self, up: Arc<Up>, question: F) -> Result<T, AskError>
    where
        F: Fn(Arc<Up>) -> A,
        A: Future<Output = Result<T, CallError>>,
    {
        let first = match question(Arc::clone(&up)).await {
            Ok(answer) => return Ok(answer),
            Err(error) => error,
        };
        if !first.is_silence() {
            return Err(AskError::Refused(first));
        }
        let again = self.recover(&up, &first).await.map_err(AskError::Silent)?;
        match question(Arc::clone(&again)).await {
            Ok(answer) => Ok(answer),
            Err(second) if second.is_silence() => {
                let error = HostError::ConnectionLost { host: self.called() };
                self.set_if(&again, Err(error.clone()));
                Err(AskError::Silent(error))
            }
            Err(second) => Err(AskError::Refused(second)),
        }
    }

    /// As [`Host::ask`], for requests that a healthy engine always answers.
    pub(super) async fn read<T, F, A>(&self, up: Arc<Up>, question: F) -> Result<T, HostError>
    where
        F: Fn(Arc<Up>) -> A,
        A: Future<Output = Result<T, CallError>>,
    {
        self.ask(up, question).await.map_err(|error| match error {
            AskError::Silent(error) => error,
            AskError::Refused(error) => {
                HostError::Unexpected { host: self.called(), detail: error.to_string() }
            }
        })
    }

    /// Whether its engine answers anything: asked of hosts that were silent before they count as that.
    pub(super) async fn is_there(&self) -> bool {
        let Ok(up) = self.up() else { return false };
        up.engine.reader.get::<wire::Version>("/version", GREET_LIMIT).await.is_ok()
    }

    /// Marks the host as lost, at once: later requests fail immediately rather than wait for it. The
    /// connection is closed in the background; a dead one takes its time.
    pub(super) fn mark_lost(self: &Arc<Self>) {
        let was = self.up();
        self.set(Err(HostError::ConnectionLost { host: self.called() }));
        if let Ok(up) = was {
            tokio::spawn(async move { up.end().await });
        }
    }

    /// Closes the connection. A dial in progress is not awaited: it ends with this process.
    pub(super) async fn close(&self) {
        let Ok(_turn) = self.dialing.try_lock() else { return };
        let was = self.up();
        self.set(Err(HostError::ConnectionLost { host: self.called() }));
        if let Ok(up) = was {
            up.close().await;
        }
    }

    /// The host's name in messages.
    pub(super) fn called(&self) -> String {
        match &self.entry.address {
            Address::Ssh { host, .. } => host.clone(),
            Address::Unix(path) => path.display().to_string(),
        }
    }

    fn set(&self, state: Result<Arc<Up>, HostError>) {
        *self.state.write().unwrap_or_else(PoisonError::into_inner) = state;
    }

    fn set_if(&self, current: &Arc<Up>, state: Result<Arc<Up>, HostError>) {
        if self.up().is_ok_and(|up| Arc::ptr_eq(&up, current)) {
            self.set(state);
        }
    }

    /// The connection broke or timed out: finds out why, and repairs it where that is quick.
    async fn recover(&self, up: &Arc<Up>, error: &CallError) -> Result<Arc<Up>, HostError> {
        let _turn = self.dialing.lock().await;
        let current = self.up()?;
        if !Arc::ptr_eq(&current, up) {
            return Ok(current);
        }
        let result = self.repair(up, error).await.map(Arc::new);
        if matches!(result, Err(HostError::NoAnswer { .. })) {
            // The engine is slow, not gone: its other requests must not be interrupted.
            return result;
        }
        self.set(result.clone());
        if result.is_err() {
            up.end().await;
        }
        result
    }

    async fn repair(&self, up: &Up, error: &CallError) -> Result<Up, HostError> {
        let host = self.called();
        if let CallError::Deadline(limit) = error {
            let seconds = limit.as_secs();
            let answers = match up.link.master() {
                Some(master) => master.answers_within(NUDGE_LIMIT).await,
                None => true,
            };
            return Err(match (answers, self.target()) {
                (false, Some(target)) => HostError::Timeout { host, seconds, try_it: target.try_it() },
                _ => HostError::NoAnswer { host, seconds },
            });
        }
        match up.link.master() {
            Some(master) if !master.is_alive().await => Err(HostError::ConnectionLost { host }),
            // Over the open link: a second forward to the same socket would collide with the first.
            Some(_) | None => self.over(up.link.clone(), up.address).await,
        }
    }

    async fn connect(&self) -> Result<Up, HostError> {
        let (Address::Ssh { .. }, Some(target)) = (&self.entry.address, self.target()) else {
            return self.over(Link::Local(self.socket().to_owned()), None).await;
        };
        let master = Arc::new(self.dialer.dial(target).await?);
        let result = self.through(&master).await;
        if result.is_err() {
            master.close().await;
        }
        result
    }

    /// The engine's socket, local or remote.
    pub(super) fn socket(&self) -> &Path {
        match &self.entry.address {
            Address::Unix(path) => path,
            Address::Ssh { .. } => &self.entry.docker_socket,
        }
    }

    fn target(&self) -> Option<Target> {
        Target::of(&self.entry.address)
    }

    /// Forwards the engine's socket of a host whose ssh connection stands, and greets the engine.
    async fn through(&self, master: &Arc<Master>) -> Result<Up, HostError> {
        let local = master.forward(self.socket()).await?;
        let link = Link::Forwarded(Arc::clone(master), local);
        let (up, address) = tokio::join!(self.over(link, None), master.address());
        up.map(|up| Up { address, ..up })
    }

    /// Greets the engine at the end of a link; if it does not answer, finds out why.
    async fn over(&self, link: Link, address: Option<SocketAddr>) -> Result<Up, HostError> {
        match (self.greet(&link).await, link.master()) {
            (Ok(engine), _) => Ok(Up::new(engine, address, link)),
            (Err(GreetError::Known(error)), _) => Err(error),
            (Err(GreetError::Silent(_)), Some(master)) => self.after_silence(master, address).await,
            (Err(GreetError::Silent(kind)), None) => Err(self.why_silent_here(kind)),
        }
    }

    /// The forward is open, but there is no answer through it: sshd resets a connection for four reasons and
    /// reports none, so we run a command on the host to find out.
    async fn after_silence(
        &self,
        master: &Arc<Master>,
        address: Option<SocketAddr>,
    ) -> Result<Up, HostError> {
        let (host, socket) = (self.called(), self.socket());
        let Some(probe) = master.probe(socket).await else {
            if !master.is_alive().await {
                return Err(master.lost());
            }
            // No shell there, or not for us.
            return Err(if master.forwarding_was_refused() {
                HostError::ForwardingRefused { host }
            } else {
                down(host, format!("no engine answers on {}", socket.display()))
            });
        };
        if !probe.exists {
            return Err(HostError::Down {
                host,
                detail: format!("there is no socket at {}", socket.display()),
                hint: "start it there with `sudo systemctl start docker`; if its socket is elsewhere, set \
                       `docker_socket:` in the inventory"
                    .to_owned(),
            });
        }
        if !probe.writable {
            let socket = socket.display().to_string();
            return Err(HostError::PermissionDenied { host, user: probe.user, socket });
        }
        if probe.has_cli {
            let link = Link::Stdio(Arc::clone(master), socket.to_owned());
            match self.greet(&link).await {
                Ok(engine) => return Ok(Up::new(engine, address, link)),
                Err(GreetError::Known(error)) => return Err(error),
                Err(GreetError::Silent(_)) => {}
            }
        } else if probe.listening || master.forwarding_was_refused() {
            return Err(HostError::ForwardingRefused { host });
        }
        let listens = if probe.listening { "who listens on" } else { "nothing listens on" };
        let silent = if probe.listening { " hangs up" } else { "" };
        Err(down(host, format!("{listens} {}{silent}", socket.display())))
    }

    #[expect(clippy::disallowed_methods, reason = "the user's name, for a message")]
    fn why_silent_here(&self, kind: Option<io::ErrorKind>) -> HostError {
        let (host, socket) = ("localhost".to_owned(), self.socket().display().to_string());
        match kind {
            Some(io::ErrorKind::PermissionDenied) => {
                let user = std::env::var("USER").unwrap_or_else(|_| "$USER".to_owned());
                HostError::PermissionDenied { host, user, socket }
            }
            Some(io::ErrorKind::NotFound) => HostError::Down {
                host,
                detail: format!("there is no socket at {socket}"),
                hint: "start it with `sudo systemctl start docker`, or name your hosts in ./stackctl.yml"
                    .to_owned(),
            },
            Some(_) | None => down(host, format!("nothing listens on {socket}")),
        }
    }

    async fn greet(&self, link: &Link) -> Result<Engine, GreetError> {
        let turns = self.turns().clone();
        let transport = Transport::new(Arc::new(link.clone()), Arc::clone(&self.counts), turns);
        Engine::greet(transport, &self.called(), GREET_LIMIT).await
    }
}

fn down(host: String, detail: String) -> HostError {
    let hint = "start it there with `sudo systemctl start docker`, and see `journalctl -u docker`".to_owned();
    HostError::Down { host, detail, hint }
}

impl Up {
    fn new(engine: Engine, address: Option<SocketAddr>, link: Link) -> Self {
        let turns = link.streams_max().saturating_sub(STREAMS_SPARED).max(1);
        Self { engine, address, turns: Arc::new(Semaphore::new(turns)), link }
    }

    /// Whether nothing that was sent over it can still arrive: the engine answers what was asked later, over the same
    /// connection; or the connection is over, and has taken it along. Ends a connection that is dead.
    pub(super) async fn has_settled(&self) -> bool {
        let Some(master) = self.link.master() else { return true };
        if self.engine.reader.get::<wire::Version>("/version", NUDGE_LIMIT).await.is_ok() {
            return true;
        }
        // An engine that does not answer a host that does may have it in a queue of its own.
        !master.answers().await && master.end().await
    }

    /// Ends a connection that does not answer.
    async fn end(&self) {
        self.engine.reader.transport().close_idle();
        if let Some(master) = self.link.master() {
            let _is_over = master.end().await;
        }
    }

    async fn close(&self) {
        self.engine.reader.transport().close_idle();
        if let Some(master) = self.link.master() {
            master.close().await;
        }
    }
}

/// Why a request has no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum AskError {
    /// The host is silent.
    Silent(HostError),
    /// The engine answered with an error.
    Refused(CallError),
}
