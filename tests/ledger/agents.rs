//! Three servers of Consul on this machine, which can be killed, stopped and started again.

use std::ops::Deref;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::certificates::certificates;
use crate::processes::{Processes, reserve_ports};

/// How long all may take to begin.
const START_LIMIT: Duration = Duration::from_secs(60);
/// Who may do everything.
const ROOT: &str = "6d0e3c4e-0b57-4a68-9b4b-0d4bb3c05cf2";

/// A running Consul. Ends with the test.
pub struct Agents {
    // First, so that all have ended when their directory goes.
    processes: Processes,
    dir: tempfile::TempDir,
    /// Of the servers, and then of an agent that is none.
    ports: Vec<Ports>,
    servers: usize,
    is_secure: bool,
}

/// Of clients, of servers among each other, of gossip.
struct Ports {
    http: u16,
    server: u16,
    serf: u16,
}

/// The program, where it was asked for to be tested with.
fn program() -> String {
    std::env::var("STACKCTL_TEST_CONSUL_BIN").unwrap_or_else(|_| "consul".to_owned())
}

/// Whether there is a Consul to be tested with: it is tried where that was asked for.
pub fn is_there() -> bool {
    if std::env::var_os("STACKCTL_TEST_CONSUL").is_none() {
        eprintln!("skipped: STACKCTL_TEST_CONSUL is not set (Debian 11: consul)");
        return false;
    }
    let run = Command::new(program()).arg("version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    assert!(
        run.is_ok_and(|status| status.success()),
        "STACKCTL_TEST_CONSUL is set, and there is no {}; STACKCTL_TEST_CONSUL_BIN says where it is",
        program()
    );
    true
}

impl Agents {
    /// Three servers, which elect one of them as fast as they do in production, and an agent that hands on what
    /// it is asked.
    pub fn start() -> Self {
        Self::with(3, false)
    }

    /// One server that wants certificates, and without a token allows nothing.
    pub fn secure() -> Self {
        Self::with(1, true)
    }

    fn with(servers: usize, is_secure: bool) -> Self {
        let members = if is_secure { servers } else { servers + 1 };
        let dir = tempfile::Builder::new().prefix("consul").tempdir().expect("a temporary directory");
        let ports = (0..members).map(|_| {
            let [http, server, serf] = reserve_ports();
            Ports { http, server, serf }
        });
        let ports = ports.collect();
        if is_secure {
            certificates(dir.path());
        }
        let agents = Self { dir, ports, servers, processes: Processes::new(members), is_secure };
        (0..members).for_each(|member| agents.spawn(member));
        (0..members).for_each(|member| agents.wait_for(member));
        agents
    }

    /// Where a file of it is.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// The ports for clients, by member.
    pub fn ports(&self) -> Vec<u16> {
        self.ports[..self.servers].iter().map(|ports| ports.http).collect()
    }

    /// The address of something in it, through the agent that is no server.
    pub fn place_at_agent(&self, prefix: &str) -> String {
        format!("consul://127.0.0.1:{}/{prefix}", self.ports[self.servers].http)
    }

    /// `127.0.0.1:1,127.0.0.1:2`.
    pub fn members(&self) -> String {
        let all: Vec<String> = self.ports().iter().map(|port| format!("127.0.0.1:{port}")).collect();
        all.join(",")
    }

    /// The address of something in it.
    pub fn place(&self, prefix: &str) -> String {
        format!("consul://{}/{prefix}", self.members())
    }

    fn spawn(&self, member: usize) {
        let Ports { http, server, serf } = self.ports[member];
        let others: Vec<String> = (self.ports.iter().enumerate())
            .filter(|(at, _)| *at != member)
            .map(|(_, ports)| format!("127.0.0.1:{}", ports.serf))
            .collect();
        let (plain, secure) = if self.is_secure { (-1, i32::from(http)) } else { (i32::from(http), -1) };
        let mut config = json!({
            "node_name": format!("c{member}"),
            "data_dir": self.path(&format!("m{member}")),
            "server": member < self.servers,
            "bind_addr": "127.0.0.1",
            "client_addr": "127.0.0.1",
            "retry_join": others,
            "retry_interval": "1s",
            "log_level": "warn",
            "disable_update_check": true,
            // As Consul's own manual has it for production; without it an election takes ten seconds.
            "performance": { "raft_multiplier": 1 },
            "ports": {
                "http": plain, "https": secure, "dns": -1, "grpc": -1, "server": server, "serf_lan": serf,
                "serf_wan": -1,
            },
        });
        if member < self.servers {
            config["bootstrap_expect"] = json!(self.servers);
        }
        if self.is_secure {
            config["ca_file"] = json!(self.path("ca.pem"));
            config["cert_file"] = json!(self.path("member.pem"));
            config["key_file"] = json!(self.path("member.key"));
            config["verify_incoming_https"] = json!(true);
            config["acl"] = json!({
                "enabled": true, "default_policy": "deny", "tokens": { "master": ROOT, "agent": ROOT },
            });
        }
        let file = self.path(&format!("m{member}.json"));
        std::fs::write(&file, config.to_string()).expect("a file");
        let log = std::fs::File::create(self.path(&format!("m{member}.log"))).expect("a log");
        let log_too = log.try_clone().expect("a log");
        let child = Command::new(program())
            .args(["agent", "-config-file"])
            .arg(file)
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(log_too)
            .spawn()
            .expect("consul starts");
        self.processes.began(member, child);
    }

    /// Starts a member with what it has on disk, and waits until it is one of a majority that answers.
    pub fn start_again(&self, member: usize) {
        self.spawn(member);
        // The agent that is no server runs, and does not count.
        if self.processes.running() - (self.ports.len() - self.servers) > self.servers / 2 {
            self.wait_for(member);
        }
    }

    fn wait_for(&self, member: usize) {
        let begun = Instant::now();
        // What a majority agrees on can be read through it.
        while self.ask(member, "GET", "kv/nothing?consistent", "").0 != 404 {
            let log = std::fs::read_to_string(self.path(&format!("m{member}.log"))).unwrap_or_default();
            assert!(begun.elapsed() < START_LIMIT, "Consul does not begin: {log}");
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// As somebody who may do everything: the status, and what is told. Status 0 where nobody answers.
    fn ask(&self, member: usize, method: &str, path: &str, body: &str) -> (u16, String) {
        let scheme = if self.is_secure { "https" } else { "http" };
        let mut command = Command::new("curl");
        command.args(["--silent", "--max-time", "3", "--request", method, "--data-binary", body]);
        command.args(["--write-out", "\n%{http_code}"]);
        if self.is_secure {
            command.args(["--header", &format!("X-Consul-Token: {ROOT}")]);
            command.arg("--cacert").arg(self.path("ca.pem"));
            command.arg("--cert").arg(self.path("ann.pem")).arg("--key").arg(self.path("ann.key"));
        }
        let done = command
            .arg(format!("{scheme}://127.0.0.1:{}/v1/{path}", self.ports[member].http))
            .output()
            .expect("curl is there");
        let told = String::from_utf8_lossy(&done.stdout).into_owned();
        let (told, status) = told.rsplit_once('\n').unwrap_or(("", "0"));
        (status.parse().unwrap_or(0), told.to_owned())
    }

    /// Has it do something, as somebody who may do everything.
    pub fn put(&self, path: &str, body: &str) -> Value {
        let (status, told) = self.ask(0, "PUT", path, body);
        assert_eq!(status, 200, "{path}: {told}");
        serde_json::from_str(&told).unwrap_or_default()
    }

    /// Removes something, as somebody who may do everything.
    pub fn delete(&self, path: &str) {
        let (status, told) = self.ask(0, "DELETE", path, "");
        assert_eq!(status, 200, "{path}: {told}");
    }

    /// Reads something, as somebody who may do everything.
    pub fn get(&self, path: &str) -> Value {
        let (status, told) = self.ask(0, "GET", path, "");
        assert!(matches!(status, 200 | 404), "{path}: {status} {told}");
        serde_json::from_str(&told).unwrap_or_default()
    }

    /// A token that may do what the rules say.
    pub fn token(&self, name: &str, rules: &str) -> String {
        let policy = json!({ "Name": name, "Rules": rules }).to_string();
        // It takes a moment after the election until there are policies at all.
        let begun = Instant::now();
        while self.ask(0, "PUT", "acl/policy", &policy).0 != 200 {
            assert!(begun.elapsed() < START_LIMIT, "there are no policies");
            std::thread::sleep(Duration::from_millis(200));
        }
        let made = self.put("acl/token", &json!({ "Policies": [{ "Name": name }] }).to_string());
        made["SecretID"].as_str().expect("a token").to_owned()
    }

    /// Registers a node that no agent of Consul runs on, and a service on it.
    pub fn register(&self, node: &str, address: &str, service: &str, meta: &Value) {
        let node = json!({
            "Node": node, "Address": address, "NodeMeta": meta, "Service": { "Service": service },
        });
        self.put("catalog/register", &node.to_string());
    }

    /// Which member leads.
    pub fn leader(&self) -> usize {
        let begun = Instant::now();
        loop {
            for member in 0..self.servers {
                let (_, told) = self.ask(member, "GET", "status/leader", "");
                let leader =
                    self.ports.iter().position(|ports| told.contains(&format!(":{}\"", ports.server)));
                if let Some(leader) = leader {
                    return leader;
                }
            }
            assert!(begun.elapsed() < START_LIMIT, "nobody leads");
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}

impl Deref for Agents {
    type Target = Processes;

    fn deref(&self) -> &Processes {
        &self.processes
    }
}
