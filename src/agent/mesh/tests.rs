//! Agents among each other, at addresses of this machine: what they keep for each other, and whom they turn away.

mod large;
mod lists;
mod over;

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::identity::Identity;
use super::link::ask;
use super::talk::{Ask, Reply, TALK_MAX, write_ask};
use super::*;
use crate::agent::join::{KeyText, Peer, name_of};
use crate::agent::put::{Owner, SecretFile, SecretsPut};
use crate::agent::secrets::kept::digest;
use crate::vault::Plaintext;
use crate::vault::authority::Authority;

const NOW: Timestamp = Timestamp(1_796_000_000_000);
const LIMIT: Duration = Duration::from_secs(30);
const HELLO: Ask = Ask::Hello { list: 0, news: None };

/// Addresses of one cluster of this machine, and who signs for them.
struct Ground {
    authority: Authority,
    peers: Vec<Peer>,
    folder: tempfile::TempDir,
}

/// An agent that runs.
struct Running {
    mesh: Mesh,
    keeper: Arc<Keeper>,
    _tasks: JoinSet<()>,
}

/// What the engine of a test calls the agent's folder.
const ON_HOST: &str = "/var/run/stackctl/prod";

/// An engine with containers of tasks, each of which is called as its task.
struct Engine {
    socket: PathBuf,
    _folder: tempfile::TempDir,
}

impl Engine {
    /// `waits`: could not start without secrets, and runs once it is started. `ended`: has ended.
    fn of(tasks: &[(&'static str, &'static str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let tasks: Vec<(&str, &str)> = tasks.to_vec();
        let started = std::sync::Mutex::new(Vec::<String>::new());
        let source = |task: &str| format!("{ON_HOST}/secrets/{task}/0");
        let answer = move |asked: &str| {
            let path = asked.split_whitespace().nth(1).unwrap_or_default();
            let mut started = started.lock().unwrap();
            if let Some(container) = path.strip_prefix("/containers/").and_then(|p| p.strip_suffix("/start"))
            {
                started.push(container.to_owned());
                return Some(String::new());
            }
            let state = |(task, state): &(&'static str, &'static str)| match *state {
                "waits" if started.iter().any(|one| one == task) => "running",
                "waits" | "ended" => "exited",
                other => other,
            };
            if path.starts_with("/containers/json") {
                let listed = tasks.iter().map(|one| {
                    serde_json::json!({ "Id": one.0, "State": state(one), "Created": 0,
                        "Labels": { (crate::agent::secrets::TASK_LABEL): one.0 },
                        "Mounts": [{ "Source": source(one.0) }] })
                });
                return Some(serde_json::Value::Array(listed.collect()).to_string());
            }
            let one = tasks.iter().find(|(task, _)| path == format!("/containers/{task}/json"))?;
            let error = if one.1 == "waits" { source(one.0) } else { String::new() };
            let said = serde_json::json!({ "State": { "Status": state(one), "Error": error },
                "HostConfig": { "RestartPolicy": { "Name": "unless-stopped" } } });
            Some(said.to_string())
        };
        let socket = crate::agent::secrets::engine::tests::engine_of(folder.path(), answer);
        Self { socket, _folder: folder }
    }
}

/// What a client says of the tasks of these tests.
fn owner() -> Owner {
    Owner { stack: "shop".into(), service: "web".into(), slot: "1".into(), born: 0 }
}

fn loopback(last: u8) -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(127, 0, 0, last))
}

impl Ground {
    /// Hosts `h1`, `h2`, … of one cluster.
    fn new(hosts: u8) -> Self {
        let free = std::net::TcpListener::bind(SocketAddr::new(loopback(1), 0)).unwrap();
        let port = free.local_addr().unwrap().port();
        let peer = |n| Peer { host: format!("h{n}"), address: loopback(10 + n), port };
        let peers = (1..=hosts).map(peer).collect();
        Self { authority: Authority::make("prod", NOW).unwrap(), peers, folder: tempfile::tempdir().unwrap() }
    }

    fn peer(&self, host: &str) -> &Peer {
        self.peers.iter().find(|peer| peer.host == host).unwrap()
    }

    fn join_by(&self, authority: &Authority, host: &str, generation: u64) -> Join {
        let list = name_of(generation, self.peers.clone());
        self.join_with(authority, host, generation, Some(&list))
    }

    fn join_with(&self, authority: &Authority, host: &str, generation: u64, list: Option<&str>) -> Join {
        let own = self.peer(host).clone();
        let issued = authority.issue(host, own.address, list, NOW).unwrap();
        Join {
            certificate: issued.certificate,
            key: KeyText::new(issued.key),
            authority: authority.certificate().to_owned(),
            until: issued.until,
            generation,
            peers: self.peers.iter().filter(|peer| **peer != own).cloned().collect(),
            own,
            proof: None,
            before: Vec::new(),
            is_out: false,
        }
    }

    fn join(&self, host: &str) -> Join {
        self.join_by(&self.authority, host, 1)
    }

    fn identity(&self, host: &str) -> Identity {
        Identity::of(self.join(host)).unwrap()
    }

    /// Starts an agent whose memory is this folder, and which knows what its disk says.
    fn start(&self, host: &str, memory: &str) -> Running {
        self.start_on(host, memory, None)
    }

    /// The same beside an engine.
    #[allow(clippy::disallowed_methods, reason = "a test has files")]
    fn start_on(&self, host: &str, memory: &str, engine: Option<&Engine>) -> Running {
        let own = self.folder.path().join(memory);
        std::fs::create_dir_all(&own).unwrap();
        let keeper = Arc::new(match engine {
            None => Keeper::of_test(&own, None),
            Some(engine) => Keeper::of_test_on(&own, Path::new(ON_HOST), &engine.socket),
        });
        let file = self.folder.path().join(format!("{host}.json"));
        let program = Program { path: file.clone(), digest: "aa".into() };
        let mesh = Mesh::new(Arc::clone(&keeper), "prod", program, Some(file), || NOW);
        let mut tasks = JoinSet::new();
        mesh.run(&mut tasks);
        Running { mesh, keeper, _tasks: tasks }
    }

    async fn all(&self) -> BTreeMap<String, Running> {
        let mut all = BTreeMap::new();
        for peer in &self.peers {
            let running = self.start(&peer.host, &peer.host);
            running.mesh.join(self.join(&peer.host)).await.unwrap();
            all.insert(peer.host.clone(), running);
        }
        all
    }
}

impl Running {
    async fn put(&self, task: &str, value: &str) {
        let (uid, gid) = (rustix::process::getuid().as_raw(), rustix::process::getgid().as_raw());
        let file = SecretFile {
            name: "a".into(),
            version: format!("of {value}"),
            uid,
            gid,
            mode: 0o400,
            place: None,
        };
        let value = Arc::new(Plaintext::new(value.as_bytes().to_vec()));
        self.keeper
            .put(SecretsPut { task: task.into(), of: Some(owner()), files: vec![(file, Some(value))] }, NOW)
            .await
            .unwrap();
        self.mesh.changed();
    }

    async fn own(&self) -> Vec<String> {
        self.keeper.own_names().await.unwrap().into_iter().map(|put| put.task).collect()
    }

    /// Tasks of a host that it keeps.
    async fn kept(&self, host: &str) -> Vec<String> {
        let kept = self.keeper.kept_of(host).await.unwrap().unwrap_or_default();
        kept.into_iter().map(|put| put.task).collect()
    }

    async fn log(&self) -> String {
        let log = self.mesh.standing().await.unwrap().log;
        log.into_iter().map(|noted| noted.text + "\n").collect()
    }
}

/// Waits until something is so.
async fn until(what: &str, is_so: impl AsyncFn() -> bool) {
    let wait = async {
        while !is_so().await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(LIMIT, wait).await.unwrap_or_else(|_| panic!("never: {what}"));
}

async fn tcp(from: IpAddr, to: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(SocketAddr::new(from, 0)).unwrap();
    socket.connect(to).await.unwrap()
}

#[tokio::test]
async fn two_others_keep_what_a_host_has_and_no_more_than_it_has() {
    let ground = Ground::new(4);
    let all = ground.all().await;
    let h2 = &all["h2"];
    h2.put("t1", "x").await;
    h2.put("t2", "y").await;
    // The two behind it in the order of names.
    until("kept by two", async || {
        all["h3"].kept("h2").await == ["t1", "t2"] && all["h4"].kept("h2").await == ["t1", "t2"]
    })
    .await;
    // Another one may have, while one of these had just begun.
    until("kept by no other", async || {
        let standing = h2.mesh.standing().await.unwrap();
        all["h1"].kept("h2").await.is_empty() && standing.kept_by == ["h3", "h4"]
    })
    .await;
    h2.keeper.forget("t1".into()).await.unwrap();
    // They keep what its tasks had, until they have heard of the change.
    let kept_by = h2.mesh.standing().await.unwrap().kept_by;
    assert!(kept_by.is_empty() || all["h3"].kept("h2").await == ["t2"], "{kept_by:?}");
    h2.mesh.changed();
    until("forgotten", async || all["h3"].kept("h2").await == ["t2"] && all["h4"].kept("h2").await == ["t2"])
        .await;
    // One that leaves has all forget.
    h2.mesh.leave().await;
    assert_eq!((all["h3"].kept("h2").await, all["h4"].kept("h2").await), (vec![], vec![]));
    assert!(h2.mesh.standing().await.is_none());
}

#[tokio::test]
async fn a_host_that_was_off_has_its_secrets_back_and_nothing_is_forgotten_meanwhile() {
    let ground = Ground::new(3);
    let mut all = ground.all().await;
    all["h1"].put("t1", "x").await;
    until("kept", async || all["h2"].kept("h1").await == ["t1"] && all["h3"].kept("h1").await == ["t1"])
        .await;
    drop(all.remove("h1"));
    // While it is off, the others are, too.
    let (h2, h3) = (all.remove("h2").unwrap(), all.remove("h3").unwrap());
    drop((h2, h3));
    let back = ground.start("h1", "h1-after");
    until("the others are missed", async || {
        back.mesh.standing().await.is_some_and(|standing| standing.unreached.len() == 2)
    })
    .await;
    back.mesh.changed();
    let h3 = ground.start("h3", "h3");
    until("back", async || back.own().await == ["t1"]).await;
    assert_eq!(h3.kept("h1").await, ["t1"]);
    let h2 = ground.start("h2", "h2");
    until("kept again", async || h2.kept("h1").await == ["t1"] && h3.kept("h1").await == ["t1"]).await;
    assert!(h3.log().await.contains("gave h1 the secrets of 1 of its tasks"), "{}", h3.log().await);
    assert!(!(h3.log().await + &back.log().await).contains("of x"));
}

/// A host that was off has had something new since, and its agent begins once more before another one answers.
#[tokio::test]
async fn a_part_is_not_taken_for_the_whole_when_an_agent_begins_again() {
    let ground = Ground::new(3);
    let mut all = ground.all().await;
    all["h1"].put("t1", "x").await;
    all["h1"].put("t2", "y").await;
    until("kept", async || {
        all["h2"].kept("h1").await == ["t1", "t2"] && all["h3"].kept("h1").await == ["t1", "t2"]
    })
    .await;
    drop(all.remove("h1"));
    drop((all.remove("h2"), all.remove("h3")));
    let engine = Engine::of(&[("t1", "waits"), ("t2", "ended"), ("t3", "running")]);
    let back = ground.start_on("h1", "h1-after", Some(&engine));
    back.put("t3", "z").await;
    until("it lacks one", async || back.mesh.standing().await.is_some_and(|standing| standing.lacking == 1))
        .await;
    drop(back);
    let again = ground.start_on("h1", "h1-after", Some(&engine));
    let (h2, h3) = (ground.start("h2", "h2"), ground.start("h3", "h3"));
    until("back", async || again.own().await == ["t1", "t2", "t3"]).await;
    until("started", async || again.log().await.contains("started container t1")).await;
    until("kept as a whole", async || {
        let whole = ["t1", "t2", "t3"];
        h2.kept("h1").await == whole && h3.kept("h1").await == whole
    })
    .await;
    // One that lacks nothing asks for nothing when it begins.
    drop(again);
    let given = async || {
        let mut given = 0;
        for other in [&h2, &h3] {
            let log = other.mesh.standing().await.unwrap().log;
            let gave = log.iter().filter(|noted| noted.text.contains("gave h1"));
            given += gave.map(|noted| noted.times).sum::<u64>();
        }
        given
    };
    let before = given().await;
    let third = ground.start_on("h1", "h1-after", Some(&engine));
    until("two keep it", async || {
        third.mesh.standing().await.is_some_and(|standing| standing.kept_by.len() == 2)
    })
    .await;
    assert!(!third.log().await.contains("gave back"), "{}", third.log().await);
    assert!(before > 0 && given().await == before);
}

/// Another host may say what it likes, and what was stopped waits for nothing.
#[tokio::test]
async fn only_what_the_engine_has_comes_back_and_only_what_is_to_run_is_lacking() {
    let ground = Ground::new(2);
    let mut all = ground.all().await;
    for task in ["t1", "t2", "t8", "t9"] {
        all["h1"].put(task, "x").await;
    }
    until("kept", async || all["h2"].kept("h1").await == ["t1", "t2", "t8", "t9"]).await;
    drop(all.remove("h1"));
    let engine =
        Engine::of(&[("t1", "waits"), ("t2", "ended"), ("t3", "ended"), ("t4", "waits"), ("t5", "running")]);
    let back = ground.start_on("h1", "h1-after", Some(&engine));
    until("back", async || back.own().await == ["t1", "t2"]).await;
    until("two are lacking", async || {
        back.mesh.standing().await.is_some_and(|standing| standing.lacking == 2)
    })
    .await;
    let log = back.log().await;
    assert!(log.contains("2 tasks are none of this host"), "{log}");
    until("forgotten there, too", async || all["h2"].kept("h1").await == ["t1", "t2"]).await;
}

#[tokio::test]
async fn an_agent_that_never_answers_keeps_no_container_waiting() {
    let ground = Ground::new(3);
    let mut all = ground.all().await;
    all["h1"].put("t1", "x").await;
    until("kept", async || all["h2"].kept("h1").await == ["t1"] && all["h3"].kept("h1").await == ["t1"])
        .await;
    drop((all.remove("h1"), all.remove("h2")));
    // It shows its certificate, and reads, and says nothing.
    let (hanging, at) = (ground.identity("h2"), ground.peer("h2").at());
    let bind = async || tokio::net::TcpListener::bind(at).await;
    until("the one before is gone", async || bind().await.is_ok()).await;
    let listener = bind().await.unwrap();
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        let mut held = Vec::new();
        while let Ok((tcp, _)) = listener.accept().await {
            held.push(hanging.tls.accept(tcp).await);
        }
    });
    let engine = Engine::of(&[("t1", "waits")]);
    let back = ground.start_on("h1", "h1-after", Some(&engine));
    let started = until("started", async || back.log().await.contains("started container t1"));
    timeout(Duration::from_secs(4), started).await.expect("at once");
}

#[tokio::test]
async fn one_that_comes_up_empty_is_told_at_once() {
    let ground = Ground::new(3);
    let mut all = ground.all().await;
    all["h1"].put("t1", "x").await;
    until("kept", async || all["h2"].kept("h1").await == ["t1"] && all["h3"].kept("h1").await == ["t1"])
        .await;
    for (host, memory) in [("h2", "h2-after"), ("h3", "h3-after")] {
        drop(all.remove(host));
        let empty = ground.start(host, memory);
        let kept = until("kept again", async || empty.kept("h1").await == ["t1"]);
        timeout(Duration::from_secs(4), kept).await.expect("sooner than the next round");
        all.insert(host.to_owned(), empty);
    }
}

#[tokio::test]
async fn what_a_client_said_to_be_over_does_not_come_back() {
    let ground = Ground::new(2);
    let mut all = ground.all().await;
    all["h1"].put("t1", "x").await;
    all["h1"].put("t2", "x").await;
    until("kept", async || all["h2"].kept("h1").await == ["t1", "t2"]).await;
    drop((all.remove("h1"), all.remove("h2")));
    let back = ground.start("h1", "h1-after");
    back.mesh.dropped("t1");
    let h2 = ground.start("h2", "h2");
    // The value was sent once, with the task that is over.
    until("back", async || back.own().await == ["t2"]).await;
    until("forgotten", async || h2.kept("h1").await == ["t2"]).await;
}

#[tokio::test]
async fn a_host_that_is_no_member_any_more_is_forgotten_and_let_in_no_more() {
    let mut ground = Ground::new(3);
    let all = ground.all().await;
    all["h1"].put("t1", "x").await;
    until("kept", async || all["h2"].kept("h1").await == ["t1"]).await;
    let former = ground.identity("h1");
    ground.peers.remove(0);
    all["h2"].mesh.join(ground.join_by(&ground.authority, "h2", 2)).await.unwrap();
    assert_eq!(all["h2"].kept("h1").await, [""; 0]);
    let h2 = ground.peer("h2").clone();
    until("turned away", async || ask(&former, &h2, &Ask::Give { begun: 0, after: None }).await.is_err())
        .await;
    // What is older is not believed.
    let old = all["h2"].mesh.join(ground.join_by(&ground.authority, "h2", 1)).await;
    assert!(matches!(old, Err(Refusal::NotJoined { .. })), "{old:?}");
}

#[tokio::test]
async fn a_port_passes_from_one_agent_of_a_host_to_the_next() {
    let ground = Ground::new(2);
    let old = ground.start("h1", "h1");
    old.mesh.join(ground.join("h1")).await.unwrap();
    let (other, h1) = (ground.identity("h2"), ground.peer("h1").clone());
    until("the old one", async || ask(&other, &h1, &HELLO).await.is_ok()).await;
    let new = ground.start("h1", "h1");
    until("it cannot listen", async || {
        new.mesh.standing().await.is_some_and(|standing| standing.why_not.is_some())
    })
    .await;
    drop(old);
    until("the new one", async || {
        let listens = new.mesh.standing().await.is_some_and(|standing| standing.why_not.is_none());
        listens && ask(&other, &h1, &HELLO).await.is_ok()
    })
    .await;
}

#[tokio::test]
async fn a_certificate_alone_and_an_address_alone_are_not_believed() {
    let ground = Ground::new(3);
    let all = ground.all().await;
    all["h2"].put("t1", "x").await;
    until("kept", async || all["h3"].kept("h2").await == ["t1"] && all["h1"].kept("h2").await == ["t1"])
        .await;
    let h1 = ground.peer("h1").clone();
    // The certificate of h2, from an address of no host, as a copy of its disk would have it; and from that of h3.
    for (from, said) in [(loopback(99), "is the address of no host"), (loopback(13), "is not that of h3")] {
        let mut copy = ground.join("h2");
        copy.own.address = from;
        let copy = Identity::of(copy).unwrap();
        assert!(ask(&copy, &h1, &Ask::Give { begun: 0, after: None }).await.is_err(), "{from}");
        assert!(all["h1"].log().await.contains(said), "{}", all["h1"].log().await);
    }
    // From the address of h2, with a certificate of another authority.
    let other = Authority::make("prod", NOW).unwrap();
    let mut stranger = ground.join_by(&other, "h2", 1);
    stranger.authority = ground.authority.certificate().to_owned();
    let stranger = Identity::of(stranger).unwrap();
    assert!(ask(&stranger, &h1, &Ask::Give { begun: 0, after: None }).await.is_err());
    assert!(all["h1"].log().await.contains("is no agent of this cluster"), "{}", all["h1"].log().await);
    // Another host's set cannot be asked for: who asks gets its own.
    let h3 = ground.identity("h3");
    let Ok(Reply::Given { set, .. }) = ask(&h3, &h1, &Ask::Give { begun: 0, after: None }).await else {
        panic!("what is kept for h3")
    };
    assert!(set.is_empty());
    assert!(ask(&h3, &h1, &Ask::Drop).await.is_ok());
    assert_eq!(all["h1"].kept("h2").await, ["t1"]);
    // And an agent believes no other server, either.
    let mut elsewhere = h1.clone();
    elsewhere.host = "h2".into();
    assert!(ask(&h3, &elsewhere, &HELLO).await.unwrap_err().contains("certificate"));
}

/// Sends bytes from an address of the cluster, and reads to the end.
async fn sent(ground: &Ground, bytes: &[u8]) -> Vec<u8> {
    let mut stream = tcp(ground.peer("h2").address, ground.peer("h1").at()).await;
    let _may_be_cut_off = stream.write_all(bytes).await;
    let mut answer = Vec::new();
    let _reset = timeout(LIMIT, stream.read_to_end(&mut answer)).await.expect("an end");
    answer
}

#[tokio::test]
async fn garbage_and_slow_clients_keep_no_agent_out() {
    let ground = Ground::new(2);
    let h1 = ground.start("h1", "h1");
    h1.mesh.join(ground.join("h1")).await.unwrap();
    let (other, place) = (ground.identity("h2"), ground.peer("h1").clone());
    until("it listens", async || ask(&other, &place, &HELLO).await.is_ok()).await;
    for bytes in [
        &b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\n{}"[..],
        &[0; 4096],
        &[0x16, 3, 3, 255, 255],
    ] {
        let answer = sent(&ground, bytes).await;
        assert!(!answer.starts_with(b"HTTP"), "{answer:?}");
    }
    assert!(h1.log().await.contains("is no agent of this cluster"), "{}", h1.log().await);
    // More than there may be at a time, each of which says nothing.
    let mut slow = Vec::new();
    for _ in 0..200 {
        slow.push(tcp(ground.peer("h2").address, place.at()).await);
    }
    for _ in 0..3 {
        let answer = timeout(LIMIT, ask(&other, &place, &HELLO)).await.expect("in time");
        assert!(matches!(answer, Ok(Reply::Done(_))), "{answer:?}");
    }
}

/// TLS without a certificate, from the address of an agent.
#[tokio::test]
async fn a_client_without_a_certificate_gets_nothing() {
    use tokio_rustls::rustls::pki_types::pem::PemObject as _;
    use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
    use tokio_rustls::rustls::{ClientConfig, RootCertStore, crypto::ring};

    let ground = Ground::new(2);
    let h1 = ground.start("h1", "h1");
    h1.mesh.join(ground.join("h1")).await.unwrap();
    let (other, place) = (ground.identity("h2"), ground.peer("h1").clone());
    until("it listens", async || ask(&other, &place, &HELLO).await.is_ok()).await;
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(ground.authority.certificate().as_bytes()).unwrap()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
    let name = ServerName::from(place.address);
    let mut answer = Vec::new();
    if let Ok(mut tls) = connector.connect(name, tcp(ground.peer("h2").address, place.at()).await).await {
        let _cut_off = tls
            .write_all(b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 16\r\n\r\n{\"word\": \"give\"}")
            .await;
        let _cut_off = timeout(LIMIT, tls.read_to_end(&mut answer)).await.expect("an end");
    }
    assert!(answer.is_empty(), "{answer:?}");
    assert!(h1.log().await.contains("is no agent of this cluster"), "{}", h1.log().await);
}

#[tokio::test]
async fn what_is_too_large_or_not_what_it_says_is_not_kept() {
    let ground = Ground::new(2);
    let h1 = ground.start("h1", "h1");
    h1.mesh.join(ground.join("h1")).await.unwrap();
    let (other, place) = (ground.identity("h2"), ground.peer("h1").clone());
    until("it listens", async || ask(&other, &place, &HELLO).await.is_ok()).await;
    let (uid, gid) = (rustix::process::getuid().as_raw(), rustix::process::getgid().as_raw());
    let set = |task: &str, bytes: usize| {
        let file = SecretFile { name: "a".into(), version: "v".into(), uid, gid, mode: 0o400, place: None };
        vec![SecretsPut {
            task: task.into(),
            of: None,
            files: vec![(file, Some(Arc::new(Plaintext::new(vec![7; bytes]))))],
        }]
    };
    let said =
        ask(&other, &place, &Ask::Keep { digest: "other".into(), part: None, set: set("t1", 8) }).await;
    assert!(said.unwrap_err().contains("refuses"));
    let bad = set("../../t1", 8);
    assert!(ask(&other, &place, &Ask::Keep { digest: digest(&bad), part: None, set: bad }).await.is_err());
    let large = set("t1", TALK_MAX);
    let asked = Ask::Keep { digest: digest(&large), part: None, set: large };
    let written = write_ask(&asked);
    assert!(
        ask(&other, &place, &asked).await.unwrap_err().contains("more than the 64 MiB"),
        "it is not sent"
    );
    // One that sends it nevertheless.
    let stream = tcp(ground.peer("h2").address, place.at()).await;
    let mut tls = other.tls.connect(&crate::vault::authority::name_of_host("h1"), stream).await.unwrap();
    let head = format!("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: {}\r\n\r\n", written.len());
    tls.write_all(head.as_bytes()).await.unwrap();
    let mut answer = vec![0; 4096];
    let length =
        timeout(LIMIT, tls.read(&mut answer)).await.expect("an answer before it is all there").unwrap();
    let answer = String::from_utf8_lossy(&answer[..length]).into_owned();
    assert!(answer.contains("length limit exceeded"), "{answer}");
    assert_eq!(h1.kept("h2").await, [""; 0]);
    assert_eq!(h1.keeper.keeps_for().await.unwrap(), [""; 0]);
}

/// A client of an earlier version knows nothing of this, and neither does an agent of one.
#[test]
fn a_client_tells_an_agent_who_it_is_in_a_protocol_that_older_ones_refuse() {
    use crate::agent::wire::{Request, read_request, write_request};

    let ground = Ground::new(2);
    let join = ground.join("h1");
    let written = write_request(&Request::Join(Box::new(join.clone())));
    let Ok(Request::Join(back)) = read_request(&written) else { panic!("a join") };
    assert_eq!(*back, join);
    let text = String::from_utf8(written.to_vec()).unwrap();
    assert!(text.starts_with(r#"{"protocol":3,"#), "{text}");
    let as_before = text.replacen("\"protocol\":3", "\"protocol\":2", 1);
    let refused = read_request(as_before.as_bytes());
    assert!(matches!(refused, Err(Refusal::UnknownRequest { .. })), "{refused:?}");
    // What is cut off is said to be so without the key.
    let short = text.replacen("\"until\"", "\"untill\"", 1);
    let Err(Refusal::Malformed { why }) = read_request(short.as_bytes()) else { panic!("no join") };
    assert!(!why.contains("PRIVATE") && !why.contains("CERT"), "{why}");
}
