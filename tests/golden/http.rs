//! What goes over HTTP beside docker's API: metrics, notifications, and the headers of both.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::{golden, mask, shop};

/// Heads and bodies of requests.
type Requests = Arc<Mutex<Vec<(String, String)>>>;

/// A server that takes everything; where it is.
fn server() -> (SocketAddr, Requests) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let at = listener.local_addr().expect("an address");
    let requests = Requests::default();
    let seen = Arc::clone(&requests);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.expect("a connection");
            let request = request(&mut stream);
            seen.lock().expect("the list").push(request);
            let _gone =
                stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
        }
    });
    (at, requests)
}

fn request(stream: &mut TcpStream) -> (String, String) {
    let mut reader = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        assert!(reader.read_line(&mut head).expect("a line") > 0, "cut off after {head}");
    }
    let length = head.to_lowercase();
    let length = length.lines().find_map(|line| line.strip_prefix("content-length: ")).expect("a length");
    let mut body = vec![0; length.parse().expect("a number")];
    reader.read_exact(&mut body).expect("a body");
    (head, String::from_utf8(body).expect("text"))
}

/// Method and path, and each header with what does not differ from run to run.
fn masked(head: &str) -> String {
    let mut lines = head.trim_end().lines();
    let mut out = format!("{}\n", lines.next().unwrap_or_default());
    let headers: BTreeSet<String> = lines
        .map(|line| {
            let (name, value) = line.split_once(": ").expect("a header");
            let value = match name {
                "content-length" | "host" | "x-stackctl-delivery" | "user-agent" => "[one]".to_owned(),
                _ if value.starts_with("sha256=") => "sha256=[sum]".to_owned(),
                _ => value.to_owned(),
            };
            format!("  {name}: {value}\n")
        })
        .collect();
    out.extend(headers);
    out
}

#[test]
fn what_is_posted() {
    let (at, requests) = server();
    let hosts = shop::empty();
    let inventory = std::fs::read_to_string(hosts.path().join("stackctl.yml")).expect("an inventory");
    let all = "level: info, secret_file: hook.secret";
    hosts.file(
        "stackctl.yml",
        &format!(
            "{inventory}notifications:\n  - {{webhook: 'http://{at}/json', {all}}}\n  \
             - {{webhook: 'http://{at}/slack', {all}, format: slack}}\n"
        ),
    );
    hosts.file("hook.secret", "Jefe\n");
    hosts.expect(0, "trust --yes");
    hosts.expect(0, "deploy --yes shop");
    hosts.engines[0].with(|world| world.containers.clear());
    hosts.expect(0, "reconcile --once");
    let mut out = BTreeSet::new();
    for (head, body) in requests.lock().expect("the list").iter() {
        let mut body = mask::value(serde_json::from_str(body).expect("JSON"));
        // Which of its tasks is found to be gone first is a matter of chance.
        if let Some(found) = body.get_mut("found").filter(|found| found.is_array()) {
            found.as_array_mut().expect("a list").truncate(1);
        }
        if body["standing"] != "healing" {
            out.insert(format!("{}{body:#}\n", masked(head)));
        }
    }
    golden::hold("posts.txt", &out.into_iter().collect::<String>());
}

/// Names, types and labels; help is there, and is for people.
fn metrics(text: &str) -> String {
    let mut out = String::new();
    for line in text.lines() {
        match line.strip_prefix("# HELP ").and_then(|rest| rest.split_once(' ')) {
            Some((name, words)) => {
                assert!(!words.trim().is_empty(), "{name} has no help");
                out.push_str(&format!("# HELP {name} [words]\n"));
            }
            None if line.starts_with('#') => out.push_str(&format!("{line}\n")),
            None => out.push_str(&format!("{} [number]\n", line.rsplit_once(' ').expect("a number").0)),
        }
    }
    out
}

fn get(at: SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(at).expect("a server");
    stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a limit");
    write!(stream, "GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").expect("a request");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    answer
}

/// Status and headers of an answer.
fn head(answer: &str) -> String {
    let (head, _) = answer.split_once("\r\n\r\n").expect("a head");
    let names = |line: &str| match line.split_once(": ") {
        Some((name @ ("content-length" | "date"), _)) => format!("  {name}: [one]\n"),
        _ => format!("  {line}\n"),
    };
    head.lines().map(names).collect()
}

#[test]
fn what_is_served() {
    let hosts = shop::lived_in();
    hosts.file("secret", "It's a Secret to Everybody\n");
    let args = "reconcile --format json --policy report --listen 127.0.0.1:0 --webhook 127.0.0.1:0 \
                --webhook-secret-file secret --repo nowhere.git";
    let mut child = Command::new(env!("CARGO_BIN_EXE_stackctl"))
        .args(args.split_whitespace())
        .env_clear()
        .envs(hosts.room.variables())
        .current_dir(hosts.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary starts");
    let mut said = BufReader::new(child.stderr.take().expect("a pipe"));
    let mut listening: Option<SocketAddr> = None;
    for _ in 0..2 {
        let mut line = String::new();
        said.read_line(&mut line).expect("a line");
        if line.contains("/healthz") {
            let (_, rest) = line.split_once("http://").expect("an address");
            let end = rest.find(|c: char| !c.is_ascii_digit() && !".:".contains(c)).unwrap_or(rest.len());
            listening = rest[..end].trim_end_matches(':').parse().ok();
        }
    }
    let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
    // It has looked at the stack by then.
    let has_looked = lines.by_ref().any(|line| line.expect("a line").contains("\"type\":\"stack\""));
    let answers = listening.map(|at| ["/metrics", "/healthz", "/nothing"].map(|path| (path, get(at, path))));
    child.kill().expect("a child that runs");
    child.wait().expect("it is gone");
    assert!(has_looked, "the loop ended");
    let answers = answers.expect("the loop says where it listens");
    let (_, text) = answers[0].1.split_once("\r\n\r\n").expect("a body");
    let mut out = metrics(text);
    for (path, answer) in &answers {
        out.push_str(&format!("{path}\n{}", head(answer)));
    }
    golden::hold("metrics.txt", &out);
}

/// One round of the loop, line by line.
#[test]
fn what_a_loop_tells() {
    let hosts = shop::empty();
    hosts.expect(0, "deploy --yes shop");
    let is_once = |one: &crate::engine::Container| one.name.starts_with("shop_agent");
    hosts.engines[1].with(|world| world.containers.retain(|_, one| !is_once(one)));
    let run = hosts.expect(0, "reconcile --once --format json");
    // Whether it is told that a short heal is under way is a matter of time.
    let lines = mask::lines(&run.stdout).into_iter().filter(|one| one["standing"] != "healing");
    let lines: BTreeSet<String> = lines.map(|one| format!("{one}\n")).collect();
    golden::hold("json/reconcile.jsonl", &lines.into_iter().collect::<String>());
}
