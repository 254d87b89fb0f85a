//! Who is told of what happens: by a real server and by real commands, on fake engines.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::certificates::certificates;
use crate::engine::Behaviour;
use crate::hosts::Hosts;

const WEB: &str = "\
services:
  web:
    image: nginx:1.25
    deploy: {replicas: 2, update_config: {parallelism: 0, monitor: 50ms, failure_action: rollback}}
";

/// A request as it came: its head in lower case, and its body.
type Requests = Arc<Mutex<Vec<(String, String)>>>;

/// A server that answers with these statuses, the last of them for ever.
struct Server {
    address: String,
    requests: Requests,
}

impl Server {
    fn start(statuses: &'static [u16]) -> Self {
        Self::start_with(statuses, None)
    }

    /// One that speaks TLS, with `member`'s certificate in that directory.
    fn start_secure(statuses: &'static [u16], certificates: &Path) -> Self {
        let file = |name: &str| certificates.join(name);
        let chain = CertificateDer::pem_file_iter(file("member.pem")).expect("a file");
        let chain = chain.collect::<Result<Vec<_>, _>>().expect("certificates");
        let key = PrivateKeyDer::from_pem_file(file("member.key")).expect("a key");
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .expect("a certificate and its key");
        Self::start_with(statuses, Some(Arc::new(config)))
    }

    fn start_with(statuses: &'static [u16], tls: Option<Arc<ServerConfig>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let scheme = if tls.is_some() { "https" } else { "http" };
        let address = format!("{scheme}://{}", listener.local_addr().expect("an address"));
        let requests = Requests::default();
        let seen = Arc::clone(&requests);
        std::thread::spawn(move || {
            for (at, stream) in listener.incoming().enumerate() {
                let tcp = stream.expect("a connection");
                let mut stream: Box<dyn Stream> = match &tls {
                    None => Box::new(tcp),
                    Some(tls) => {
                        let connection = ServerConnection::new(Arc::clone(tls)).expect("a connection");
                        Box::new(StreamOwned::new(connection, tcp))
                    }
                };
                // Who does not believe us says nothing.
                let Some(request) = request(&mut *stream) else { continue };
                seen.lock().expect("the list").push(request);
                let status = statuses.get(at).or(statuses.last()).expect("a status");
                let _gone =
                    write!(stream, "HTTP/1.1 {status} X\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
            }
        });
        Self { address, requests }
    }

    fn requests(&self) -> Vec<(String, String)> {
        self.requests.lock().expect("the list").clone()
    }

    /// Bodies as JSON.
    fn told(&self) -> Vec<Value> {
        self.requests().iter().map(|(_, body)| serde_json::from_str(body).expect(body)).collect()
    }
}

trait Stream: Read + Write {}

impl<T: Read + Write> Stream for T {}

/// A whole request; `None` if there is none.
fn request(stream: &mut dyn Stream) -> Option<(String, String)> {
    let mut bytes = Vec::new();
    let mut part = [0; 4096];
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let head = head.to_lowercase();
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            if body.len() >= length.and_then(|length| length.parse().ok()).unwrap_or(0) {
                return Some((head, body.to_owned()));
            }
        }
        let read = stream.read(&mut part).unwrap_or(0);
        if read == 0 {
            assert!(text.is_empty(), "cut off after {text}");
            return None;
        }
        bytes.extend_from_slice(&part[..read]);
    }
}

fn cluster(notifications: &str) -> Hosts {
    let mut cluster = Hosts::new(3);
    cluster.room.env("STACKCTL_TRUST", "1");
    let path = std::env::var("PATH").expect("a path");
    cluster.room.env("USER", "ann").env("PATH", &path);
    cluster.stackfile(WEB);
    let inventory = std::fs::read_to_string(cluster.room.path().join("stackctl.yml")).expect("an inventory");
    cluster.room.file("stackctl.yml", &format!("{inventory}notifications:\n{notifications}"));
    cluster
}

#[test]
fn a_release_is_told_by_a_signed_post_and_by_a_command() {
    let server = Server::start(&[200]);
    let cluster = cluster(&format!(
        "  - {{webhook: '{}/hooks/t0ken', secret_file: hook.secret, on: [release_began, release_ended]}}\n  \
         - {{command: [sh, -c, 'cat >> told'], on: [release_ended], format: slack}}\n  \
         - {{command: [sh, -c, 'cat >> others'], on: [release_ended], stacks: [blog]}}\n",
        server.address
    ));
    cluster.room.file("hook.secret", "Jefe\n");
    cluster.expect(0, "deploy --yes shop");
    let told = server.told();
    let types: Vec<&str> = told.iter().filter_map(|one| one["type"].as_str()).collect();
    assert_eq!(types, ["release_began", "release_ended"]);
    let ended = &told[1];
    assert_eq!(
        (&ended["stack"], &ended["release"], &ended["outcome"]),
        (&"shop".into(), &1.into(), &"deployed".into())
    );
    assert_eq!((&ended["cluster"], &ended["level"]), (&"test".into(), &"info".into()));
    assert!(ended["who"].as_str().is_some_and(|who| who == crate::run::who()), "{ended}");
    let (head, body) = &server.requests()[1];
    assert!(head.starts_with("post /hooks/t0ken http/1.1\r\n"), "{head}");
    assert!(
        head.contains("x-stackctl-event: release_ended") && head.contains("x-stackctl-delivery: "),
        "{head}"
    );
    assert!(head.contains(&format!("x-stackctl-signature-256: sha256={}", signature(body))), "{head}");
    let told = std::fs::read_to_string(cluster.room.path().join("told")).expect("a file");
    assert_eq!(told, "{\"text\":\"[test] stack shop: release 1 is deployed\"}\n");
    assert!(!cluster.room.path().join("others").exists());
    // Nothing to do is no release.
    cluster.expect(0, "deploy --yes shop");
    assert_eq!(server.requests().len(), 2);
}

/// By another program than ours.
fn signature(body: &str) -> String {
    let mut child = std::process::Command::new("openssl")
        .args(["dgst", "-sha256", "-hmac", "Jefe", "-r"])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .expect("openssl");
    child.stdin.take().expect("its input").write_all(body.as_bytes()).expect("its input");
    let output = child.wait_with_output().expect("its answer");
    String::from_utf8(output.stdout).expect("text").split(' ').next().expect("a digest").to_owned()
}

#[test]
fn over_tls_only_whom_the_inventory_believes_is_told() {
    let room = tempfile::tempdir().expect("a directory");
    certificates(room.path());
    let server = Server::start_secure(&[200], room.path());
    let entry = |more: &str| {
        format!("  - {{webhook: '{}/hooks/t0ken', on: [release_ended], {more}}}\n", server.address)
    };
    let sure = cluster(&entry("ca: ca.pem, secret_file: hook.secret"));
    sure.room.file("hook.secret", "Jefe\n");
    sure.room.file("ca.pem", &std::fs::read_to_string(room.path().join("ca.pem")).expect("a file"));
    let run = sure.expect(0, "deploy --yes shop");
    assert!(!run.stderr.contains("not notified"), "{}", run.show());
    let (head, body) = server.requests().pop().expect("a request");
    assert!(head.contains(&format!("x-stackctl-signature-256: sha256={}", signature(&body))), "{head}");

    // By the system's authorities it is a stranger's.
    let stranger = cluster(&entry("timeout: 1s"));
    let run = stranger.expect(0, "deploy --yes shop");
    assert!(run.stderr.contains("was not notified: invalid peer certificate"), "{}", run.show());
    assert!(!run.stderr.contains("t0ken"), "{}", run.show());
    assert_eq!(server.requests().len(), 1);
}

#[test]
fn trouble_is_told_and_its_end_too_without_a_word_on_what_goes_well() {
    let server = Server::start(&[503, 200]);
    let cluster = cluster(&format!("  - webhook: {}/x\n", server.address));
    cluster.expect(0, "deploy --yes shop");
    assert_eq!(server.told(), [] as [Value; 0], "all is well");
    for engine in &cluster.engines {
        engine.with(|world| world.behaviours.insert("nginx:bad".to_owned(), Behaviour::Exits(0, 1)));
    }
    cluster.stackfile(&WEB.replace("1.25", "bad"));
    cluster.expect(3, "deploy --yes shop");
    let told = server.told();
    assert_eq!(told.len(), 2, "tried again after 503");
    assert_eq!((&told[1]["type"], &told[1]["level"]), (&"release_ended".into(), &"error".into()), "{told:?}");
    let delivery = |at: usize| {
        let head = server.requests()[at].0.clone();
        head.lines().find(|line| line.starts_with("x-stackctl-delivery")).map(str::to_owned)
    };
    assert_eq!(delivery(0), delivery(1), "the same event");
    cluster.stackfile(&WEB.replace("1.25", "1.26"));
    cluster.expect(0, "deploy --yes shop");
    assert_eq!(server.told()[2]["outcome"], "deployed", "whoever was told of the failure");
    cluster.stackfile(WEB);
    cluster.expect(0, "deploy --yes shop");
    assert_eq!(server.told().len(), 3);
}

#[test]
fn what_was_done_is_told_though_the_next_stack_could_not_be_begun() {
    let cluster =
        cluster("  - {command: [sh, -c, 'sleep 1; cat >> told'], on: [release_ended], stacks: [blog]}\n");
    cluster.expect(0, "deploy --yes shop");
    cluster.expect(0, "deploy --yes blog");
    let told = cluster.room.path().join("told");
    std::fs::remove_file(&told).expect("a file");
    cluster.stackfile(&WEB.replace("1.25", "1.26"));
    for engine in &cluster.engines {
        engine.with(|world| world.pull_ms = 4_000);
    }
    std::thread::scope(|scope| {
        cluster.forget_calls();
        let first = scope.spawn(|| cluster.run("deploy --yes shop"));
        let is_at_work = || cluster.writes().iter().any(|call| call.contains("/images/create"));
        while !is_at_work() && !first.is_finished() {
            std::thread::sleep(Duration::from_millis(5));
        }
        cluster.expect(5, "rm --yes blog shop");
        assert!(std::fs::read_to_string(&told).expect("a file").contains("\"removed\""));
        assert_eq!(first.join().expect("no panic").status, 0);
    });
}

#[test]
fn who_cannot_be_told_is_named_once_and_costs_the_rollout_nothing() {
    let silent = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = silent.local_addr().expect("an address");
    let refusing = Server::start(&[403]);
    let cluster = cluster(&format!(
        "  - {{webhook: 'http://{address}/hunter2', on: [release_began, release_ended], timeout: 300ms}}\n  \
         - {{webhook: '{}/hunter2', on: [release_began, release_ended]}}\n  \
         - {{command: [/nowhere/tell], on: [release_ended]}}\n  \
         - {{webhook: 'http://{address}/hunter2', secret_env: NOT_SET}}\n",
        refusing.address
    ));
    let begun = Instant::now();
    let run = cluster.expect(0, "deploy --yes shop");
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
    assert_eq!(cluster.running().len(), 2);
    let told = &run.stderr;
    assert!(!told.contains("hunter2"), "{}", run.show());
    assert_eq!(told.matches("answered 403").count(), 1, "{}", run.show());
    assert_eq!(refusing.requests().len(), 2, "what is refused is not tried again");
    assert!(told.contains("command /nowhere/tell was not notified: No such file"), "{}", run.show());
    assert!(
        told.contains("notification 4 cannot be used: its secret: variable NOT_SET is not set"),
        "{}",
        run.show()
    );
    // A plan tells nobody.
    cluster.stackfile(&WEB.replace("1.25", "1.26"));
    cluster.expect(0, "deploy --dry-run shop");
    cluster.expect(2, "diff shop");
    assert_eq!(refusing.requests().len(), 2);
}

#[test]
fn the_loop_tells_what_it_tells_in_its_log() {
    let server = Server::start(&[200]);
    let cluster = cluster(&format!("  - {{webhook: '{}', on: [stack, heal_ended]}}\n", server.address));
    cluster.expect(0, "deploy --yes shop");
    cluster.engines[0].with(|world| world.containers.clear());
    cluster.engines[1].with(|world| world.containers.clear());
    let run = cluster.expect(0, "reconcile --once --format json");
    let log: Vec<Value> = run.stdout.lines().map(|line| serde_json::from_str(line).expect(line)).collect();
    let wanted: Vec<&Value> =
        log.iter().filter(|line| line["type"] == "stack" || line["type"] == "heal_ended").collect();
    let told = server.told();
    assert!(told.len() >= 3, "{told:?}");
    assert_eq!(told.len(), wanted.len());
    for (told, logged) in told.iter().zip(wanted) {
        for (key, value) in logged.as_object().expect("an object").iter().filter(|(key, _)| *key != "at") {
            assert_eq!(told[key], *value, "{told}");
        }
    }
}
