//! A forge tells the loop of a push: through a real socket, to a loop that would not look for a long time.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use crate::git::git;
use crate::repositories::{Place, stack};

const SECRET: &str = "It's a Secret to Everybody";
/// Of `Hello, World!` by that secret, from GitHub's documentation.
const GITHUBS: &str = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";

/// A loop with a webhook, that looks for pushes by itself once an hour.
pub struct Loop {
    child: Child,
    lines: BufReader<ChildStdout>,
    at: SocketAddr,
    metrics: SocketAddr,
}

impl Loop {
    pub fn begin(place: &Place) -> Self {
        place.cluster.room.file("secret", &format!("{SECRET}\n"));
        let args = "reconcile --format json --poll 1h --repo ops.git#main --webhook 127.0.0.1:0 \
                    --webhook-secret-file secret --listen 127.0.0.1:0";
        let mut child = Command::new(env!("CARGO_BIN_EXE_stackctl"))
            .args(args.split_whitespace())
            .env_clear()
            .envs(place.cluster.room.variables())
            .current_dir(place.cluster.room.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary starts");
        let mut said = BufReader::new(child.stderr.take().expect("a pipe"));
        let mut address = |before: &str| {
            let mut line = String::new();
            said.read_line(&mut line).expect("a line");
            let rest = line.strip_prefix("Listening at http://").unwrap_or_else(|| panic!("{line}"));
            rest.split(before).next().expect("an address").parse().expect("an address")
        };
        let (at, metrics) = (address("/webhook"), address(": /healthz"));
        let lines = BufReader::new(child.stdout.take().expect("a pipe"));
        Self { child, lines, at, metrics }
    }

    /// The next line of a kind.
    pub fn line_of(&mut self, kind: &str) -> serde_json::Value {
        loop {
            let value = self.line();
            if value["type"] == kind {
                return value;
            }
        }
    }

    fn line(&mut self) -> serde_json::Value {
        let mut line = String::new();
        assert!(self.lines.read_line(&mut line).expect("a line") > 0, "the loop has ended");
        serde_json::from_str(&line).expect("JSON")
    }

    /// Waits until a release is reached. What a slow machine leaves unfinished the loop brings to its end.
    pub fn deployed(&mut self) {
        let mut is_unfinished = false;
        loop {
            let line = self.line();
            match line["type"].as_str() {
                Some("release_ended") if line["outcome"] == "deployed" => return,
                Some("release_ended") if line["outcome"] == "unfinished" => is_unfinished = true,
                Some("release_ended") => panic!("{line}"),
                Some("heal_ended") if is_unfinished && line["failed"].is_null() => return,
                _ => {}
            }
        }
    }

    fn post(&self, headers: &[(&str, &str)], body: &str) -> String {
        let mut head = format!("POST /webhook HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n", body.len());
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        ask(self.at, &format!("{head}\r\n{body}"))
    }
}

impl Drop for Loop {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _gone = self.child.wait();
    }
}

/// The first line of an answer, and its body.
fn ask(at: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(at).expect("a server");
    stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a limit");
    // A server that has heard enough may hang up.
    let _cut_off = stream.write_all(request.as_bytes());
    let mut answer = String::new();
    let _cut_off = stream.read_to_string(&mut answer);
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    format!("{} {}", head.lines().next().unwrap_or_default(), body.trim_end())
}

fn push_of(reference: &str, mark: &str) -> String {
    format!(r#"{{"ref":"{reference}","after":"{mark}","project":{{"path_with_namespace":"ops/stacks"}}}}"#)
}

#[test]
fn a_push_that_a_forge_tells_of_is_released_at_once() {
    let place = Place::new();
    place.write("stacks/shop/compose.yaml", &stack("nginx:1.25"));
    git(&place.work, &["add", "-A"]);
    git(&place.work, &["commit", "-q", "-m", "first"]);
    git(&place.work, &["push", "-q", "origin", "main"]);
    let mut running = Loop::begin(&place);
    running.deployed();
    assert_eq!(place.images(), ["shop_web=nginx:1.25"]);

    place.write("stacks/shop/compose.yaml", &stack("nginx:1.26"));
    git(&place.work, &["add", "-A"]);
    git(&place.work, &["commit", "-q", "-m", "second"]);
    git(&place.work, &["push", "-q", "origin", "main"]);
    let told = Instant::now();
    let token =
        |id| [("x-gitlab-event", "Push Hook"), ("x-gitlab-token", SECRET), ("x-gitlab-event-uuid", id)];
    let body = push_of("refs/heads/main", "2");
    assert_eq!(running.post(&token("1"), &body), "HTTP/1.1 202 Accepted accepted");
    assert_eq!(running.line_of("webhook")["ref"], "refs/heads/main");
    running.deployed();
    assert_eq!(place.images(), ["shop_web=nginx:1.26"]);
    // Without the webhook the loop would have looked after an hour.
    eprintln!("released {:.1?} after it was told", told.elapsed());

    // What brings about nothing.
    for (headers, body, answer) in [
        (&token("1")[..], push_of("refs/heads/main", "3"), "200 OK duplicate delivery"),
        (&token("2")[..], body.clone(), "200 OK duplicate delivery"),
        (
            &token("3")[..],
            push_of("refs/heads/other", "4"),
            "202 Accepted ignored: no such repository or ref is followed",
        ),
        (
            &[("x-gitea-event", "push"), ("x-gitea-signature", "00")][..],
            body.clone(),
            "401 Unauthorized invalid signature",
        ),
        (&[("x-github-event", "push")][..], body.clone(), "401 Unauthorized invalid signature"),
        (
            &[("x-gitlab-event", "Push Hook"), ("x-gitlab-token", "It")][..],
            body.clone(),
            "401 Unauthorized invalid signature",
        ),
        (
            &[("x-github-event", "ping"), ("x-hub-signature-256", GITHUBS)][..],
            "Hello, World!".to_owned(),
            "200 OK pong",
        ),
        (
            &[("x-github-event", "push"), ("x-hub-signature-256", GITHUBS)][..],
            "Hello, World!".to_owned(),
            "400 Bad Request not a delivery",
        ),
        (
            &[("x-github-event", "issues"), ("x-hub-signature-256", GITHUBS)][..],
            "Hello, World!".to_owned(),
            "202 Accepted ignored: not a push",
        ),
    ] {
        assert_eq!(running.post(headers, &body), format!("HTTP/1.1 {answer}"), "{headers:?}");
    }
    let large = "POST /webhook HTTP/1.1\r\nhost: x\r\ncontent-length: 1048577\r\n\r\n";
    assert_eq!(ask(running.at, large), "HTTP/1.1 413 Payload Too Large the limit is 1 MiB");
    let chunks = format!(
        "POST /webhook HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n{}",
        format!("10000\r\n{}\r\n", "x".repeat(0x1_0000)).repeat(17)
    );
    assert!(ask(running.at, &chunks).starts_with("HTTP/1.1 413 "), "however it is sent");
    assert_eq!(
        ask(running.at, "GET /webhook HTTP/1.1\r\nhost: x\r\n\r\n"),
        "HTTP/1.1 405 Method Not Allowed only POST"
    );
    assert_eq!(
        ask(running.at, "POST / HTTP/1.1\r\nhost: x\r\n\r\n"),
        "HTTP/1.1 404 Not Found only /webhook exists"
    );
    let word = running.line_of("webhook_refused");
    assert_eq!((&word["why"], &word["others"]), (&"its signature does not fit".into(), &0.into()));

    let metrics = ask(running.metrics, "GET /metrics HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    for (result, count) in [("accepted", 1), ("ignored", 2), ("replayed", 2), ("refused", 6)] {
        let line = format!("stackctl_webhook_deliveries_total{{result=\"{result}\"}} {count}");
        assert!(metrics.lines().any(|one| one == line), "{line}\n{metrics}");
    }
    assert_eq!(place.history("shop").lines().count(), 2);
}

#[test]
fn without_a_secret_nobody_is_listened_to() {
    let place = Place::new();
    place.cluster.room.file("empty", "\n");
    for (args, status, says) in [
        ("--webhook 127.0.0.1:0 --repo ops.git", 64, "--webhook-secret-file <FILE>"),
        ("--webhook 127.0.0.1:0 --webhook-secret-file empty", 64, "--repo <URL[#REF]>"),
        ("--webhook 127.0.0.1:0 --repo ops.git --webhook-secret-file empty", 1, "empty has no secret in it"),
        (
            "--webhook 127.0.0.1:0 --repo ops.git --webhook-secret-file gone",
            1,
            "stackctl::reconcile::webhook_secret",
        ),
    ] {
        let run = place.cluster.expect(status, &format!("reconcile --once {args}"));
        assert!(run.stderr.contains(says), "{}", run.show());
    }
}
