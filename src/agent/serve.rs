//! The sockets of an agent: who may open them, and that they are there as long as it runs.
//!
//! The one that clients use lies beside the engine's own socket, whose group it takes over, so that the same users may
//! open both. It is made under another name and moved into its place: a client finds it ready or not at all. A second
//! one, with no other answers, is what the engine waits for when it starts an agent as a plugin.

use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _, chown};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use http::{Request as HttpRequest, StatusCode};
use hyper::body::Incoming;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinSet;

use super::desk::Desk;
use super::mesh::Mesh;
use super::put::Came;
use super::relay;
use super::secrets::{Keeper, Program, TIDY_PAUSE};
use super::wire::{
    Answer as Said, Hello, PROTOCOL, PROTOCOL_LAYERS, PROTOCOL_OLDEST, REQUEST_MAX, Refusal, Request,
    read_request,
};
use crate::http::body::{self, BodyError};
use crate::http::server::{self, Answer, Limits, UnixServer};
use crate::model::ids::sha256_hex;
use crate::model::{ClusterName, Timestamp};

/// A few clients, and none that takes its time; but a task's secrets may come over a slow line.
pub const LIMITS: Limits =
    Limits { connections_max: 64, head: Duration::from_secs(5), whole: Duration::from_secs(60) };
/// Between two looks whether the socket is still there.
const LOOK_PAUSE: Duration = Duration::from_secs(2);
/// The program itself.
const OWN_PROGRAM: &str = "/proc/self/exe";

/// Where an agent listens, and for whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    pub cluster: ClusterName,
    /// The socket for clients. Its folder, and the folder above, are the agent's own.
    pub socket: PathBuf,
    /// The engine's socket: who may open that may open ours.
    pub engine: Option<PathBuf>,
    /// The socket that the engine waits for.
    pub activation: Option<PathBuf>,
    /// What the engine calls the folder of the socket for clients.
    pub on_host: Option<PathBuf>,
    /// The file that has who the agent is among the others. It outlives the host's memory, and has no secret of a task.
    pub identity: Option<PathBuf>,
}

impl Place {
    /// What keeps secrets beside the socket.
    fn keeper(&self) -> Keeper {
        let own = self.socket.parent().unwrap_or(Path::new("/"));
        Keeper::new(own, self.on_host.as_deref(), self.engine.as_deref())
    }
}

/// What answers.
#[derive(Debug)]
struct Agent {
    desk: Desk,
    keeper: Arc<Keeper>,
    mesh: Arc<Mesh>,
    /// The socket of its engine, which layers go to.
    engine: Option<PathBuf>,
    /// What it gives to tasks whose variables are secrets.
    program: Program,
}

/// Why an agent cannot begin.
#[derive(Debug, thiserror::Error)]
pub enum NotServed {
    /// It cannot read its own program.
    #[error("the agent cannot read its own program")]
    Program(#[source] io::Error),
    /// A socket cannot be made.
    #[error("the agent cannot listen at {}", .0.display())]
    Socket(PathBuf, #[source] io::Error),
    /// The system tells of no signals, or of no connections.
    #[error("the agent cannot wait for signals or connections")]
    Signals(#[source] io::Error),
}

/// Serves until it is asked to end, and takes its socket away then.
///
/// # Errors
///
/// It cannot begin. Nothing ends it later but a signal.
pub async fn serve(
    place: &Place,
    version: &str,
    now: impl Fn() -> Timestamp + Clone + Send + Sync + 'static,
) -> Result<(), NotServed> {
    serve_with(place, place.keeper(), version, now).await
}

/// The same with what keeps secrets.
pub(crate) async fn serve_with(
    place: &Place,
    keeper: Keeper,
    version: &str,
    now: impl Fn() -> Timestamp + Clone + Send + Sync + 'static,
) -> Result<(), NotServed> {
    let mut end = signal(SignalKind::terminate()).map_err(NotServed::Signals)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(NotServed::Signals)?;
    let not_there = |path: &Path, error| NotServed::Socket(path.to_owned(), error);
    // Before anything that takes time: an engine whose plugin does not listen within some seconds, however loaded its host
    // is, disables it for good. What is asked meanwhile waits.
    let first = open(place).map_err(|error| not_there(&place.socket, error))?;
    let activation = match &place.activation {
        None => None,
        Some(path) => Some(bind(path, 0).map_err(|error| not_there(path, error))?),
    };
    let desk = Desk::new(Hello {
        protocol_from: PROTOCOL_OLDEST,
        protocol_to: PROTOCOL,
        version: version.to_owned(),
        digest: own_digest().map_err(NotServed::Program)?,
        cluster: place.cluster.to_string(),
        started: now(),
    });
    let keeper = Arc::new(keeper);
    let identity = place.identity.clone();
    let program = Program { path: OWN_PROGRAM.into(), digest: desk.digest().to_owned() };
    let (of, others) = (place.cluster.as_str(), program.clone());
    let mesh = Arc::new(Mesh::new(Arc::clone(&keeper), of, others, identity, now.clone()));
    let engine = place.engine.clone();
    let agent = Arc::new(Agent { desk, keeper, mesh: Arc::clone(&mesh), engine, program });
    let listen = |listener: UnixListener| {
        let (agent, now) = (Arc::clone(&agent), now.clone());
        let answer = move |request: HttpRequest<Incoming>| answer(Arc::clone(&agent), now(), request);
        UnixServer::listen(listener, LIMITS, answer)
    };
    let mut server = Some(listen(first).map_err(|error| not_there(&place.socket, error))?);
    let _activation = activation.map(listen).transpose().map_err(NotServed::Signals)?;
    let mut tidying = JoinSet::new();
    tidying.spawn(tidy(Arc::clone(&agent), now.clone()));
    mesh.run(&mut tidying);
    loop {
        tokio::select! {
            _ = end.recv() => break,
            _ = interrupt.recv() => break,
            () = tokio::time::sleep(LOOK_PAUSE) => {
                if server.is_none() || !is_there(&place.socket) {
                    // What removed it may remove the folder as well: once more at the next look.
                    server = open(place).and_then(&listen).ok();
                }
            }
        }
    }
    clear(place);
    Ok(())
}

/// Has secrets of tasks that are over removed, again and again.
async fn tidy(agent: Arc<Agent>, now: impl Fn() -> Timestamp) {
    loop {
        tokio::time::sleep(TIDY_PAUSE).await;
        agent.keeper.tidy(now()).await;
    }
}

async fn answer(agent: Arc<Agent>, now: Timestamp, request: HttpRequest<Incoming>) -> Answer {
    if request.uri().path() == relay::PATH && server::wants_stream(&request, relay::STREAM) {
        let (answer, stream) = server::stream_of(request, relay::STREAM);
        tokio::spawn(async move {
            let Some(stream) = stream.await else { return };
            let (mesh, engine) = (Arc::clone(&agent.mesh), agent.engine.as_deref());
            let reach = async |host: String, transfer: String| mesh.layers(&host, &transfer).await;
            let protocols = PROTOCOL_LAYERS..=PROTOCOL;
            relay::serve::serve(stream, agent.mesh.board(), engine, protocols, reach).await;
        });
        return answer;
    }
    let said = match body::whole(request.into_body(), REQUEST_MAX).await {
        Ok(asked) => said(&agent, now, Came(asked)).await,
        Err(BodyError::TooLarge) => Err(Refusal::TooLarge { max: REQUEST_MAX }),
        Err(BodyError::Broken(why)) => Err(Refusal::Malformed { why }),
    };
    let text = agent.desk.counted(&said);
    server::answer(StatusCode::OK, "application/json", String::from_utf8_lossy(&text).into_owned())
}

async fn said(agent: &Agent, now: Timestamp, asked: Came) -> Result<Said, Refusal> {
    let request = read_request(&asked.0);
    drop(asked);
    let Agent { desk, keeper, mesh, program, engine: _ } = agent;
    match request? {
        Request::Hello => Ok(desk.hello()),
        Request::Status => Ok(desk.status(now, memory_kib(), keeper.keeping().await, mesh.standing().await)),
        Request::SecretsPut(put) => {
            mesh.put(&put.task).await;
            let done = keeper.put(put, now).await;
            mesh.changed();
            done
        }
        Request::SecretsSwap(put) => {
            let done = keeper.swap(put, now).await;
            mesh.changed();
            done
        }
        Request::SecretsBack { task } => {
            let done = keeper.swap_back(task).await;
            mesh.changed();
            done
        }
        Request::SecretsSettle { task } => keeper.settle(task).await,
        Request::SecretsDrop { task } => {
            mesh.dropped(&task);
            let done = keeper.forget(task).await;
            mesh.changed();
            done
        }
        Request::ProgramPut { task } => keeper.put_program(task, program.clone()).await,
        Request::SecretsList => keeper.list().await,
        Request::SecretsClear => {
            mesh.leave().await;
            keeper.clear().await
        }
        Request::Join(join) => mesh.join(*join).await.map(|()| Said::Done),
        Request::PeerKept { host } => keeper.list_of(&host).await,
        Request::PeerOver { host, over } => mesh.end_of(&host, over).await.map(|()| Said::Done),
    }
}

/// The socket for clients, and its folders.
fn open(place: &Place) -> io::Result<UnixListener> {
    let gid = make_folders(place)?;
    bind(&place.socket, gid)
}

/// The folders of the socket, for the group of the engine's socket: its id.
#[expect(clippy::disallowed_methods, reason = "sockets are files")]
fn make_folders(place: &Place) -> io::Result<u32> {
    let engine = place.engine.as_ref().and_then(|path| std::fs::metadata(path).ok());
    // One that only its owner may open has no group.
    let gid = engine.filter(|socket| socket.mode() & 0o060 == 0o060).map_or(0, |socket| socket.gid());
    for folder in own_folders(place).iter().rev() {
        match std::fs::DirBuilder::new().mode(0o750).create(folder) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            Ok(()) | Err(_) => {}
        }
        if !std::fs::symlink_metadata(folder)?.is_dir() {
            return Err(io::Error::from(io::ErrorKind::NotADirectory));
        }
        std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o750))?;
        give(folder, gid)?;
    }
    Ok(gid)
}

/// The socket's folder, and the one above that all agents of a host share.
fn own_folders(place: &Place) -> Vec<&Path> {
    place.socket.ancestors().skip(1).take(2).collect()
}

/// Gives a file to a group, where there is one to give it to.
fn give(path: &Path, gid: u32) -> io::Result<()> {
    if gid == 0 { Ok(()) } else { chown(path, None, Some(gid)) }
}

#[expect(clippy::disallowed_methods, reason = "sockets are files")]
fn bind(socket: &Path, gid: u32) -> io::Result<UnixListener> {
    let unready = socket.with_extension("new");
    match std::fs::remove_file(&unready) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let listener = UnixListener::bind(&unready)?;
    std::fs::set_permissions(&unready, std::fs::Permissions::from_mode(0o660))?;
    give(&unready, gid)?;
    std::fs::rename(&unready, socket)?;
    Ok(listener)
}

#[expect(clippy::disallowed_methods, reason = "sockets are files")]
fn is_there(socket: &Path) -> bool {
    std::fs::symlink_metadata(socket).is_ok()
}

/// Leaves nothing. The folders stay while another agent has a socket there.
#[expect(clippy::disallowed_methods, reason = "sockets are files")]
fn clear(place: &Place) {
    let _gone = std::fs::remove_file(&place.socket);
    for folder in own_folders(place) {
        let _may_be_used = std::fs::remove_dir(folder);
    }
}

#[expect(clippy::disallowed_methods, reason = "the program is a file")]
fn own_digest() -> io::Result<String> {
    Ok(sha256_hex(&std::fs::read(OWN_PROGRAM)?))
}

/// What the kernel says of this process's memory.
#[expect(clippy::disallowed_methods, reason = "the kernel says it in a file")]
fn memory_kib() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "a test looks at files")]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::super::client::{AskError, ask, hello};
    use super::super::wire::{Answer as Said, Request};
    use super::*;
    use crate::http::stream;

    const LIMIT: Duration = Duration::from_secs(10);

    struct Served {
        place: Place,
        _folder: tempfile::TempDir,
        agent: tokio::task::JoinHandle<()>,
    }

    async fn served() -> Served {
        let folder = tempfile::tempdir().unwrap();
        let place = Place {
            cluster: ClusterName::unchecked("prod"),
            socket: folder.path().join("stackctl/prod/abc.sock"),
            engine: None,
            activation: Some(folder.path().join("agent.sock")),
            on_host: None,
            identity: None,
        };
        let of = place.clone();
        let agent = tokio::spawn(async move { serve(&of, "0.9.0", || Timestamp(7)).await.unwrap() });
        let ready = async {
            while !place.activation.as_ref().unwrap().exists() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(LIMIT, ready).await.expect("an agent that listens");
        Served { place, _folder: folder, agent }
    }

    #[tokio::test]
    async fn it_answers_at_both_sockets_those_who_may_open_them() {
        let served = served().await;
        for socket in [&served.place.socket, served.place.activation.as_ref().unwrap()] {
            let said = hello(stream::unix(socket).await.unwrap(), LIMIT).await.unwrap();
            assert_eq!((said.version.as_str(), said.cluster.as_str()), ("0.9.0", "prod"));
            assert_eq!(said.digest, sha256_hex(&std::fs::read("/proc/self/exe").unwrap()));
            assert!(said.is_understood());
            assert_eq!(std::fs::metadata(socket).unwrap().mode() & 0o777, 0o660);
        }
        let folder = served.place.socket.parent().unwrap();
        assert_eq!(std::fs::metadata(folder).unwrap().mode() & 0o777, 0o750);
        let stream = stream::unix(&served.place.socket).await.unwrap();
        let Said::Status(status) = ask(stream, &Request::Status, LIMIT).await.unwrap() else {
            panic!("a status was asked for");
        };
        assert_eq!((status.answered, status.refused), (2, 0));
        assert!(status.memory_kib.unwrap() > 100);
        served.agent.abort();
    }

    #[tokio::test]
    async fn what_is_not_understood_is_refused_and_what_is_too_long_is_not_read() {
        let served = served().await;
        let raw = async |text: Vec<u8>| {
            let mut stream = stream::unix(&served.place.socket).await.unwrap();
            let head = format!("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: {}\r\n\r\n", text.len());
            stream.write_all(head.as_bytes()).await.unwrap();
            let _may_be_cut_off = stream.write_all(&text).await;
            let mut answer = Vec::new();
            // What was not read by the other side ends the stream with an error, behind the answer.
            let _end = stream.read_to_end(&mut answer).await;
            String::from_utf8_lossy(&answer).into_owned()
        };
        let newer = raw(br#"{"protocol": 77, "request": "dance"}"#.to_vec()).await;
        assert!(newer.contains(r#"{"refused":{"asked":77,"code":"protocol","from":1,"to":5}}"#), "{newer}");
        assert!(raw(br#"{"protocol": 1, "request": "dance"}"#.to_vec()).await.contains("unknown_request"));
        assert!(raw(b"no JSON".to_vec()).await.contains("malformed"));
        assert!(raw(vec![b' '; REQUEST_MAX + 1]).await.contains("too_large"));
        served.agent.abort();
    }

    /// What removes old files from a host's folder of sockets takes ours along.
    #[tokio::test]
    async fn a_socket_that_was_removed_comes_back() {
        let served = served().await;
        std::fs::remove_dir_all(served.place.socket.parent().unwrap().parent().unwrap()).unwrap();
        let back = async {
            while !served.place.socket.exists() {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        tokio::time::timeout(LIMIT, back).await.expect("its socket");
        hello(stream::unix(&served.place.socket).await.unwrap(), LIMIT).await.unwrap();
        served.agent.abort();
    }

    #[tokio::test]
    async fn one_who_never_answers_is_given_up() {
        let (ours, _theirs) = tokio::io::duplex(64);
        let limit = Duration::from_millis(50);
        assert_eq!(hello(Box::new(ours), limit).await, Err(AskError::Late(limit)));
        let (ours, mut theirs) = tokio::io::duplex(1 << 10);
        tokio::spawn(async move {
            let _asked = theirs.read(&mut [0; 512]).await;
            theirs.write_all(b"220 mail.example.com ESMTP\r\n").await
        });
        let said = hello(Box::new(ours), LIMIT).await;
        assert!(matches!(said, Err(AskError::Broken(_))), "{said:?}");
    }
}
