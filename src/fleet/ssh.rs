//! One ssh connection for each host, shared by everything we do there.
//!
//! The master is started here rather than by openssh's builder, which leaves it behind when a handshake
//! outlives its deadline, and which guesses at ssh's messages where we want to read all of them. From then on
//! openssh's `Session` talks to the master's control socket, without a process for each operation.
//!
//! Because it is the user's own ssh, their configuration, agent, jump hosts and hardware keys all work.

use std::fmt;
use std::io::{self, Read as _};
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use openssh::{Child, ChildStdin, ChildStdout, ForwardType, Session};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, ReadBuf};
use tokio::process::Command;
use tokio::sync::Semaphore;
use tokio::time::error::Elapsed;
use tokio::time::timeout;

use super::ConnectOptions;
use super::error::HostError;
use super::runtime_dir::{Paths, RuntimeDir};
use super::transport::{Open, Opening};
use super::turns::Turns;
use crate::http::stream;
use crate::inventory::{Address, Inventory, KnownHosts};
use crate::model::shell::quoted;
use crate::process_group;

pub mod direct;
mod forwards;
mod words;

/// The master ends this long after its last channel, should we die without ending it.
const MASTER_IDLE_S: u64 = 60;
/// A dead link is detected after three of these without an answer.
const ALIVE_INTERVAL_S: u64 = 5;
const ALIVE_COUNT_MAX: u64 = 3;
/// Streams over a forwarded socket; sshd has no limit of its own for these.
const FORWARDED_STREAMS_MAX: usize = 64;
/// Streams through `docker system dial-stdio`; sshd's MaxSessions is 10, and probes need one too.
const STDIO_STREAMS_MAX: usize = 8;
/// For the words of a host, of which a few lines are read.
const WORDS_MAX: u64 = 64 << 10;
/// For ssh to end a connection.
const END_LIMIT: Duration = Duration::from_secs(2);
/// Between two looks whether it has.
const END_PAUSE: Duration = Duration::from_millis(50);
/// For a sign of life over a connection that may be dead.
const NUDGE_LIMIT: Duration = Duration::from_secs(2);
/// For one small command over a connection that stands.
const COMMAND_LIMIT: Duration = Duration::from_secs(10);

/// What all handshakes of a fleet share.
#[derive(Debug)]
pub(super) struct Dialer {
    runtime: Result<RuntimeDir, HostError>,
    ssh_config: Option<PathBuf>,
    known_hosts: KnownHosts,
    known_hosts_file: Option<PathBuf>,
    /// Upper bound for one handshake.
    handshake: Duration,
    /// What opens connections for ssh.
    dial_with: Option<PathBuf>,
    gate: Semaphore,
    /// A connection was made that its link does not end.
    has_dialled_loose: AtomicBool,
    /// The turns of all calls of the fleet.
    pub turns: Turns,
}

impl Dialer {
    pub(super) fn new(inventory: &Inventory, options: &ConnectOptions) -> Self {
        let runtime = RuntimeDir::create(options.runtime_dir.as_deref())
            .map_err(|e| HostError::RuntimeDir { detail: e.to_string() });
        Self {
            runtime,
            ssh_config: inventory.ssh_config.clone(),
            known_hosts: inventory.known_hosts,
            known_hosts_file: inventory.known_hosts_file.clone(),
            handshake: options.handshake,
            dial_with: options.dial_with.clone(),
            gate: Semaphore::new(options.dials_max.max(1)),
            has_dialled_loose: AtomicBool::new(false),
            turns: Turns::new(options.calls_max),
        }
    }

    /// Whether a connection was made that its link does not end.
    pub(super) fn has_dialled_loose(&self) -> bool {
        self.has_dialled_loose.load(Ordering::SeqCst)
    }

    /// The directory below which sockets are, if there is one.
    pub(super) fn sockets(&self) -> Option<&Path> {
        self.runtime.as_ref().ok().map(RuntimeDir::base)
    }

    /// Connects to a host, or returns why not.
    pub(super) async fn dial(&self, target: Target) -> Result<Master, HostError> {
        let paths = self.runtime.as_ref().map_err(Clone::clone)?.paths();
        let _turn = self.gate.acquire().await.expect("the semaphore is never closed");
        let target =
            Target { config: self.ssh_config.clone(), known_hosts: self.known_hosts_file.clone(), ..target };
        let helper = if self.is_plain(&target).await { self.dial_with.as_deref() } else { None };
        let mut ssh = self.command(&target, &paths, helper);
        // Ends with the process going into the background, connected; a deadline kills it before that.
        let ended = match timeout(self.handshake, ssh.status()).await {
            Err(_) => {
                let seconds = self.handshake.as_secs();
                return Err(HostError::Timeout {
                    host: target.host.clone(),
                    seconds,
                    try_it: target.try_it(),
                });
            }
            Ok(Err(e)) if e.kind() == io::ErrorKind::NotFound => return Err(HostError::SshMissing),
            Ok(Err(e)) => return Err(target.failed(&e.to_string())),
            Ok(Ok(status)) => status,
        };
        if !ended.success() {
            let log = beginning(&paths.log);
            return Err(words::explain(&log, &target, self.handshake));
        }
        let session = Session::resume_mux(paths.control.clone().into(), None);
        let ends_with_link = helper.is_some() && !beginning(&paths.log).contains(direct::NOT_ENDED);
        self.has_dialled_loose.fetch_or(!ends_with_link, Ordering::SeqCst);
        Ok(Master {
            session,
            target,
            paths,
            turns: self.turns.clone(),
            ends_with_link,
            is_over: AtomicBool::new(false),
            is_closed: AtomicBool::new(false),
            others: forwards::Forwards::default(),
        })
    }

    /// Whether ssh would open one connection to the host itself; a host of which ssh does not say so is left to it.
    async fn is_plain(&self, target: &Target) -> bool {
        if self.dial_with.is_none() {
            return false;
        }
        self.config_of(target).await.is_some_and(|config| direct::is_plain(&config))
    }

    /// The name or address of a host, as ssh's own configuration has it.
    pub(super) async fn host_name(&self, target: &Target) -> Option<String> {
        let config = self.config_of(target).await?;
        config.lines().find_map(|line| line.strip_prefix("hostname ")).map(str::to_owned)
    }

    /// What ssh would do for a host, as it says itself; nothing if it does not say.
    async fn config_of(&self, target: &Target) -> Option<String> {
        let mut ssh = ssh_program();
        ssh.stdout(Stdio::piped()).arg("-G");
        self.aim(&mut ssh, target);
        let output = timeout(COMMAND_LIMIT, ssh.output()).await.ok()?.ok()?;
        Some(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Says which configuration and which host.
    fn aim(&self, ssh: &mut Command, target: &Target) {
        if let Some(file) = &self.ssh_config {
            ssh.arg("-F").arg(file);
        }
        if let Some(user) = &target.user {
            ssh.arg("-l").arg(user);
        }
        if let Some(port) = target.port {
            ssh.arg("-p").arg(port.to_string());
        }
        ssh.arg("--").arg(&target.host);
    }

    fn command(&self, target: &Target, paths: &Paths, helper: Option<&Path>) -> Command {
        let mut ssh = ssh_program();
        ssh.arg("-E").arg(&paths.log).arg("-S").arg(&paths.control).args(["-M", "-f", "-N"]);
        let mut option = |text: String| {
            ssh.arg("-o").arg(text);
        };
        option(format!("ControlPersist={MASTER_IDLE_S}s"));
        option(format!("ServerAliveInterval={ALIVE_INTERVAL_S}"));
        option(format!("ServerAliveCountMax={ALIVE_COUNT_MAX}"));
        option(format!("ConnectTimeout={}", self.handshake.as_secs().max(1)));
        option("BatchMode=yes".to_owned());
        // Forwardings of the user's own config are for their shells: a taken port would make our connection
        // fail.
        option("ClearAllForwardings=yes".to_owned());
        option("PermitLocalCommand=no".to_owned());
        option("LogLevel=INFO".to_owned());
        option(format!(
            "StrictHostKeyChecking={}",
            match self.known_hosts {
                KnownHosts::Strict => "yes",
                KnownHosts::AcceptNew => "accept-new",
                KnownHosts::Off => "no",
            }
        ));
        match (&self.known_hosts_file, self.known_hosts) {
            (Some(file), _) => option(format!("UserKnownHostsFile={}", file.display())),
            (None, KnownHosts::Off) => option("UserKnownHostsFile=/dev/null".to_owned()),
            (None, KnownHosts::Strict | KnownHosts::AcceptNew) => {}
        }
        if let Some(helper) = helper {
            let seconds = self.handshake.as_secs().max(1);
            option(format!("ProxyCommand={}", direct::proxy_command(helper, &paths.log, seconds)));
            option("ProxyUseFdpass=yes".to_owned());
            // ssh has the user's shell start the helper, on a socket. bash takes that for a login from afar and reads
            // ~/.bashrc, zsh and fish read their files always: what is slow there, or writes, is none of this connection's.
            ssh.env("SHELL", "/bin/sh");
        }
        self.aim(&mut ssh, target);
        ssh
    }
}

#[expect(clippy::disallowed_methods, reason = "connections are made by the ssh program")]
fn ssh_program() -> Command {
    let mut ssh = process_group::program("ssh");
    ssh.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
    ssh
}

/// Whom we dial, for ssh and for messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Target {
    pub user: Option<String>,
    pub host: String,
    pub port: Option<u16>,
    pub config: Option<PathBuf>,
    pub known_hosts: Option<PathBuf>,
}

impl Target {
    /// The target of an ssh address.
    pub(super) fn of(address: &Address) -> Option<Self> {
        match address {
            Address::Ssh { user, host, port } => Some(Self {
                user: user.clone(),
                host: host.clone(),
                port: *port,
                config: None,
                known_hosts: None,
            }),
            Address::Unix(_) => None,
        }
    }

    /// The remote user, as far as it is known.
    pub(super) fn user(&self) -> String {
        self.user.clone().unwrap_or_else(|| "of the ssh config".to_owned())
    }

    /// The command with which a user can reproduce the error.
    pub(super) fn try_it(&self) -> String {
        let mut text = "ssh ".to_owned();
        if let Some(file) = &self.config {
            text += &format!("-F {} ", file.display());
        }
        if let Some(file) = &self.known_hosts {
            text += &format!("-o UserKnownHostsFile={} ", file.display());
        }
        if let Some(port) = self.port {
            text += &format!("-p {port} ");
        }
        if let Some(user) = &self.user {
            text += &format!("{user}@");
        }
        text + &self.host
    }

    fn failed(&self, detail: &str) -> HostError {
        HostError::SshFailed { host: self.host.clone(), detail: detail.to_owned(), try_it: self.try_it() }
    }
}

/// A connection that stands.
pub(super) struct Master {
    session: Session,
    pub target: Target,
    paths: Paths,
    turns: Turns,
    /// A dead link ends it, with all that was not sent: see [`direct`].
    ends_with_link: bool,
    /// Its process was seen to be gone.
    is_over: AtomicBool,
    /// It was closed, and its socket removed.
    is_closed: AtomicBool,
    /// Sockets of the host besides the engine's.
    others: forwards::Forwards,
}

impl fmt::Debug for Master {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Master").field("target", &self.target).finish_non_exhaustive()
    }
}

/// The state of the engine's socket, seen from the host itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SocketProbe {
    /// The user we are there.
    pub user: String,
    /// It is there and is a socket.
    pub exists: bool,
    /// We may use it.
    pub writable: bool,
    /// A process listens on it.
    pub listening: bool,
    /// There is a docker program.
    pub has_cli: bool,
}

impl Master {
    /// Forwards the engine's socket to this machine. Does not check whether anything
    /// listens: sshd finds that out at each connection, and resets it.
    #[expect(clippy::disallowed_methods, reason = "sockets are files")]
    pub(super) async fn forward(&self, remote: &Path) -> Result<PathBuf, HostError> {
        let local = &self.paths.socket;
        let _ = std::fs::remove_file(local);
        let _turn = self.turns.call().await;
        let request = self.session.request_port_forward(ForwardType::Local, &**local, remote);
        match timeout(COMMAND_LIMIT, request).await {
            Ok(Ok(())) => Ok(local.clone()),
            Ok(Err(e)) if self.stands().await => Err(self.target.failed(&chain(&e))),
            Ok(Err(_)) | Err(_) => Err(self.lost()),
        }
    }

    /// The address at which we reached the host, which becomes `node.ip`, and the port of its sshd.
    pub(super) async fn address(&self) -> Option<SocketAddr> {
        let text = self.shell("echo $SSH_CONNECTION", COMMAND_LIMIT).await.ok()??;
        let mut words = text.split_whitespace().skip(2);
        let ip: IpAddr = words.next()?.parse().ok()?;
        Some(SocketAddr::new(ip, words.next()?.parse().ok()?))
    }

    /// Whether the host says anything within a limit, be it no.
    pub(super) async fn answers_within(&self, limit: Duration) -> bool {
        match self.shell("true", limit).await {
            Ok(Some(_)) => true,
            // No shell there, or not for us; or ssh has given the connection up, and nothing was asked.
            Ok(None) => self.stands().await,
            Err(_) => false,
        }
    }

    /// Inspects the engine's socket on the host itself.
    pub(super) async fn probe(&self, socket: &Path) -> Option<SocketProbe> {
        let socket = quoted(&socket.to_string_lossy());
        // The kernel lists a socket under the path it was bound to, which may lead over a link.
        let script = format!(
            "id -un; s={socket}; test -S \"$s\" && echo exists; test -w \"$s\" && echo writable; \
             grep -qe \" $s\\$\" -e \" $(readlink -f \"$s\")\\$\" /proc/net/unix && echo listening; \
             command -v docker >/dev/null && echo cli; true"
        );
        let text = self.shell(&script, COMMAND_LIMIT).await.ok()??;
        let has = |word: &str| text.lines().skip(1).any(|line| line == word);
        Some(SocketProbe {
            user: text.lines().next().unwrap_or_default().to_owned(),
            exists: has("exists"),
            writable: has("writable"),
            listening: has("listening"),
            has_cli: has("cli"),
        })
    }

    /// What `df` says of the file system of a folder.
    pub(super) async fn disk(&self, folder: &str) -> Option<String> {
        self.shell(&format!("df -Pk {}", quoted(folder)), COMMAND_LIMIT).await.ok()?
    }

    /// Whether sshd reported that it forwards no sockets. OpenSSH up to 9.2 at least does not: to us its
    /// refusal looks like an engine that is down.
    pub(super) fn forwarding_was_refused(&self) -> bool {
        let log = beginning(&self.paths.log);
        log.contains("administratively prohibited")
    }

    /// Whether the connection is still open.
    pub(super) async fn is_alive(&self) -> bool {
        let _turn = self.turns.call().await;
        self.stands().await
    }

    /// The same, for one who has a turn.
    async fn stands(&self) -> bool {
        matches!(timeout(COMMAND_LIMIT, self.session.check()).await, Ok(Ok(())))
    }

    /// Why a stream over it cannot be opened. ssh's own sockets on this machine refuse once it has given the connection
    /// up; that says nothing about the engine.
    async fn no_stream(&self, error: io::Error) -> io::Error {
        if self.stands().await {
            error
        } else {
            io::Error::new(io::ErrorKind::NotConnected, self.lost().to_string())
        }
    }

    /// Ends the connection once its channels are closed.
    pub(super) async fn close(&self) {
        if self.is_closed.swap(true, Ordering::SeqCst) {
            return;
        }
        // Through a second handle: closing consumes one, and this one may be shared.
        let session = Session::resume_mux(self.paths.control.clone().into(), None);
        let _ = timeout(COMMAND_LIMIT, session.close()).await;
        self.remove_files();
    }

    /// Ends the connection at once. Whether what was still in it has gone with it, and its process is seen to be gone.
    pub(super) async fn end(&self) -> bool {
        if !self.is_closed.swap(true, Ordering::SeqCst) {
            let mut ssh = ssh_program();
            ssh.args(["-F", "none", "-O", "exit", "-S"])
                .arg(&self.paths.control)
                .arg("--")
                .arg(&self.target.host);
            // One that is gone already does not answer.
            let _status = timeout(END_LIMIT, ssh.status()).await;
            let listens = async {
                // ssh closes the connection before it takes its socket away.
                while stream::unix(&self.paths.control).await.is_ok() {
                    tokio::time::sleep(END_PAUSE).await;
                }
            };
            self.is_over.store(timeout(END_LIMIT, listens).await.is_ok(), Ordering::SeqCst);
            self.remove_files();
        }
        self.ends_with_link && self.is_over.load(Ordering::SeqCst)
    }

    /// Whether the host says something over it.
    pub(super) async fn answers(&self) -> bool {
        // A session of a connection that breaks ends without a word, and without an error.
        let said = self.shell("echo here", NUDGE_LIMIT).await;
        matches!(said, Ok(Some(words)) if words.contains("here"))
    }

    #[expect(clippy::disallowed_methods, reason = "sockets are files")]
    fn remove_files(&self) {
        for path in [&self.paths.socket, &self.paths.control, &self.paths.log] {
            let _ = std::fs::remove_file(path);
        }
        self.others.remove_files();
    }

    /// The error of a connection that was open and was lost.
    pub(super) fn lost(&self) -> HostError {
        HostError::ConnectionLost { host: self.target.host.clone() }
    }

    /// What a small script prints; of a host that never stops printing, the beginning.
    async fn shell(&self, script: &str, limit: Duration) -> Result<Option<String>, Elapsed> {
        let _turn = self.turns.call().await;
        let mut command = self.session.command("sh");
        command.arg("-c").arg(script).stdin(openssh::Stdio::null()).stderr(openssh::Stdio::null());
        command.stdout(openssh::Stdio::piped());
        let output = async {
            let mut child = command.spawn().await.ok()?;
            let mut text = Vec::new();
            let _end = child.stdout().take()?.take(WORDS_MAX).read_to_end(&mut text).await.ok()?;
            Some(String::from_utf8_lossy(&text).into_owned())
        };
        timeout(limit, output).await
    }
}

/// The beginning of a file of words, which may be a host's.
#[expect(clippy::disallowed_methods, reason = "ssh tells why it failed in a file")]
fn beginning(path: &Path) -> String {
    let mut text = Vec::new();
    let read = std::fs::File::open(path).and_then(|file| file.take(WORDS_MAX).read_to_end(&mut text));
    // Without it there are no words.
    let _none = read;
    String::from_utf8_lossy(&text).into_owned()
}

/// An error with its sources, for the few whose own message is empty.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(source) = next {
        text += &format!(": {source}");
        next = source.source();
    }
    text
}

/// The way to an engine. An enum, so that a built-in ssh client can be added for fleets of hundreds.
#[derive(Debug, Clone)]
pub(super) enum Link {
    /// A socket of this machine.
    Local(PathBuf),
    /// A socket of the host, forwarded to this one.
    Forwarded(Arc<Master>, PathBuf),
    /// `docker system dial-stdio`, where sshd forwards no sockets.
    Stdio(Arc<Master>, PathBuf),
}

impl Link {
    /// The ssh connection below, if there is one.
    pub(super) fn master(&self) -> Option<&Arc<Master>> {
        match self {
            Self::Local(_) => None,
            Self::Forwarded(master, _) | Self::Stdio(master, _) => Some(master),
        }
    }
}

impl Open for Link {
    fn open(&self) -> Opening<'_> {
        Box::pin(async move {
            match self {
                Self::Local(path) => stream::unix(path).await,
                Self::Forwarded(master, path) => match stream::unix(path).await {
                    Ok(stream) => Ok(stream),
                    Err(error) => Err(master.no_stream(error).await),
                },
                Self::Stdio(master, socket) => match StdioPair::open(master, socket).await {
                    Ok(pair) => Ok(Box::new(pair) as _),
                    Err(error) => Err(master.no_stream(error).await),
                },
            }
        })
    }

    fn streams_max(&self) -> usize {
        match self {
            Self::Local(_) | Self::Forwarded(..) => FORWARDED_STREAMS_MAX,
            Self::Stdio(..) => STDIO_STREAMS_MAX,
        }
    }
}

/// Stdin and stdout of a `docker system dial-stdio` on the host.
struct StdioPair {
    input: ChildStdin,
    output: ChildStdout,
    _child: Child<Arc<Session>>,
}

impl StdioPair {
    async fn open(master: &Master, socket: &Path) -> io::Result<Self> {
        let session = Arc::new(Session::resume_mux(master.paths.control.clone().into(), None));
        let mut command = session.arc_command("docker");
        command
            .args(["-H", &format!("unix://{}", socket.display()), "system", "dial-stdio"])
            .stdin(openssh::Stdio::piped())
            .stdout(openssh::Stdio::piped())
            .stderr(openssh::Stdio::null());
        let mut child = command.spawn().await.map_err(io::Error::other)?;
        let input = child.stdin().take().ok_or_else(|| io::Error::other("no stdin"))?;
        let output = child.stdout().take().ok_or_else(|| io::Error::other("no stdout"))?;
        Ok(Self { input, output, _child: child })
    }
}

impl AsyncRead for StdioPair {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.output).poll_read(cx, buf)
    }
}

impl AsyncWrite for StdioPair {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.input).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.input).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.input).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use super::*;
    use crate::fleet::docker::client::CallError;
    use crate::fleet::transport::TransportError;

    /// ssh gave up the connection to a host whose network is cut, and its sockets are still there.
    #[expect(clippy::disallowed_methods, reason = "sockets are files")]
    fn given_up(folder: &Path) -> Arc<Master> {
        let [control, socket, log] = ["c", "s", "log"].map(|name| folder.join(name));
        for path in [&control, &socket] {
            drop(UnixListener::bind(path).unwrap());
        }
        std::fs::write(&log, "").unwrap();
        Arc::new(Master {
            session: Session::resume_mux(control.clone().into(), None),
            target: Target { user: None, host: "h2".to_owned(), port: None, config: None, known_hosts: None },
            paths: Paths { control, socket, log },
            turns: Turns::new(1),
            ends_with_link: true,
            is_over: AtomicBool::new(false),
            is_closed: AtomicBool::new(false),
            others: forwards::Forwards::default(),
        })
    }

    #[test]
    fn what_dials_for_ssh_is_started_by_no_shell_that_reads_files_of_the_user() {
        let dialer = Dialer {
            runtime: Err(HostError::SshMissing),
            ssh_config: None,
            known_hosts: KnownHosts::Strict,
            known_hosts_file: None,
            handshake: Duration::from_secs(1),
            dial_with: None,
            gate: Semaphore::new(1),
            has_dialled_loose: AtomicBool::new(false),
            turns: Turns::new(1),
        };
        let [control, socket, log] = ["c", "s", "log"].map(PathBuf::from);
        let paths = Paths { control, socket, log };
        let target =
            Target { user: None, host: "h2".to_owned(), port: None, config: None, known_hosts: None };
        let shell = |helper: Option<&Path>| {
            let ssh = dialer.command(&target, &paths, helper);
            let found = ssh.as_std().get_envs().find(|(name, _)| *name == "SHELL");
            found.and_then(|(_, value)| Some(value?.to_owned()))
        };
        assert_eq!(shell(Some(Path::new("/proc/7/exe"))), Some("/bin/sh".into()));
        assert_eq!(shell(None), None, "a command of the user's configuration is for the user's shell");
    }

    #[tokio::test]
    async fn a_connection_that_ssh_gave_up_is_lost_and_no_engine_refuses() {
        let folder = tempfile::tempdir().unwrap();
        let master = given_up(folder.path());
        let socket = master.paths.socket.clone();
        let lost = "the connection to `h2` was lost";
        for link in [
            Link::Forwarded(Arc::clone(&master), socket.clone()),
            Link::Stdio(Arc::clone(&master), "/var/run/docker.sock".into()),
        ] {
            let Err(error) = link.open().await else { panic!("nothing listens") };
            assert_eq!(CallError::from(TransportError::Open(error)).to_string(), lost, "{link:?}");
        }
        assert!(!master.answers_within(COMMAND_LIMIT).await && !master.is_alive().await);
        assert_eq!(master.forward(&socket).await, Err(HostError::ConnectionLost { host: "h2".to_owned() }));
        // An engine of this machine does refuse.
        drop(UnixListener::bind(&socket).unwrap());
        let Err(error) = Link::Local(socket).open().await else { panic!("nothing listens") };
        let error = CallError::from(TransportError::Open(error)).to_string();
        assert!(error.contains("the engine's socket cannot be opened: Connection refused"), "{error}");
    }
}
