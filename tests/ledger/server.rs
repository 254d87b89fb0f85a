//! Three members of etcd on this machine, which can be killed, stopped and started again.

use std::ops::Deref;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::certificates::certificates;
use crate::processes::{Processes, reserve_ports};

/// How long all may take to begin.
const START_LIMIT: Duration = Duration::from_secs(30);

/// A running etcd. Ends with the test.
pub struct Server {
    // First, so that all have ended when their directory goes.
    processes: Processes,
    dir: tempfile::TempDir,
    ports: Vec<(u16, u16)>,
    is_secure: bool,
}

/// Whether there is an etcd to be tested with.
pub fn is_there() -> bool {
    let is_there = |program| {
        let run = Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
        run.is_ok_and(|status| status.success())
    };
    if is_there("etcd") {
        return true;
    }
    assert!(
        std::env::var_os("STACKCTL_TEST_ETCD").is_none(),
        "STACKCTL_TEST_ETCD is set, and there is no etcd"
    );
    eprintln!("skipped: there is no etcd on this machine (Debian: etcd-server, etcd-client)");
    false
}

impl Server {
    /// Three members.
    pub fn start() -> Self {
        Self::with(3, false)
    }

    /// One member that wants certificates and a login: user `ann`, who may use keys below `prod/`.
    pub fn secure() -> Self {
        let server = Self::with(1, true);
        for words in [
            "user add root:toor",
            "user grant-role root root",
            "user add ann:hush",
            "role add stacks",
            "role grant-permission stacks --prefix=true readwrite prod/",
            "user grant-role ann stacks",
            "auth enable",
        ] {
            server.etcdctl(words);
        }
        server
    }

    fn with(members: usize, is_secure: bool) -> Self {
        let dir = tempfile::Builder::new().prefix("etcd").tempdir().expect("a temporary directory");
        let ports = (0..members).map(|_| reserve_ports::<2>().into()).collect();
        if is_secure {
            certificates(dir.path());
        }
        let server = Self { dir, ports, processes: Processes::new(members), is_secure };
        (0..members).for_each(|member| server.start_again(member));
        server
    }

    /// Where a file of it is.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn scheme(&self) -> &'static str {
        if self.is_secure { "https" } else { "http" }
    }

    fn client_url(&self, member: usize) -> String {
        format!("{}://127.0.0.1:{}", self.scheme(), self.ports[member].0)
    }

    /// The ports for clients, by member.
    pub fn ports(&self) -> Vec<u16> {
        self.ports.iter().map(|(port, _)| *port).collect()
    }

    /// `127.0.0.1:1,127.0.0.1:2`.
    pub fn members(&self) -> String {
        let all: Vec<String> = self.ports.iter().map(|(port, _)| format!("127.0.0.1:{port}")).collect();
        all.join(",")
    }

    /// The address of a ledger in it.
    pub fn place(&self, prefix: &str) -> String {
        format!("etcd://{}/{prefix}", self.members())
    }

    /// Starts a member, with what it has on disk, and waits until it is one of a majority that answers.
    pub fn start_again(&self, member: usize) {
        let peers: Vec<String> = (self.ports.iter().enumerate())
            .map(|(at, (_, peer))| format!("m{at}=http://127.0.0.1:{peer}"))
            .collect();
        let peer = format!("http://127.0.0.1:{}", self.ports[member].1);
        let client = self.client_url(member);
        let mut command = Command::new("etcd");
        command
            .args(["--name", &format!("m{member}"), "--logger", "zap", "--log-level", "error"])
            .arg("--data-dir")
            .arg(self.path(&format!("m{member}")))
            .args(["--listen-client-urls", &client, "--advertise-client-urls", &client])
            .args(["--listen-peer-urls", &peer, "--initial-advertise-peer-urls", &peer])
            .args(["--initial-cluster", &peers.join(",")]);
        if self.is_secure {
            command.arg("--client-cert-auth").arg("--trusted-ca-file").arg(self.path("ca.pem"));
            command.arg("--cert-file").arg(self.path("member.pem"));
            command.arg("--key-file").arg(self.path("member.key"));
        }
        let log = std::fs::File::create(self.path(&format!("m{member}.log"))).expect("a log");
        let log_too = log.try_clone().expect("a log");
        let child = command.stdin(Stdio::null()).stdout(log).stderr(log_too).spawn().expect("etcd starts");
        self.processes.began(member, child);
        let is_majority = self.processes.running() > self.ports.len() / 2;
        let begun = Instant::now();
        while is_majority && !self.is_up(member) {
            assert!(begun.elapsed() < START_LIMIT, "etcd does not begin: {}", self.log(member));
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    fn log(&self, member: usize) -> String {
        std::fs::read_to_string(self.path(&format!("m{member}.log"))).unwrap_or_default()
    }

    fn is_up(&self, member: usize) -> bool {
        self.client(&self.client_url(member), &["endpoint", "health"]).0
    }

    fn client(&self, endpoints: &str, words: &[&str]) -> (bool, String) {
        let mut command = Command::new("etcdctl");
        command.env("ETCDCTL_API", "3").args(["--endpoints", endpoints, "--command-timeout", "2s"]);
        if self.is_secure {
            command.arg("--cacert").arg(self.path("ca.pem"));
            command.arg("--cert").arg(self.path("ann.pem")).arg("--key").arg(self.path("ann.key"));
        }
        let done = command.args(words).output().expect("etcdctl is there, as etcd is");
        (done.status.success(), String::from_utf8_lossy(&done.stdout).into_owned())
    }

    /// Writes a key, as somebody else would.
    pub fn put(&self, key: &str, value: &str) {
        let (is_done, told) = self.client(&self.client_url(0), &["put", key, value]);
        assert!(is_done, "{key}: {told}");
    }

    /// Has etcd's own program do something.
    pub fn etcdctl(&self, words: &str) {
        let words: Vec<&str> = words.split(' ').collect();
        let (is_done, told) = self.client(&self.client_url(0), &words);
        assert!(is_done, "{words:?}: {told}");
    }

    /// Which member leads.
    pub fn leader(&self) -> usize {
        let begun = Instant::now();
        loop {
            for member in 0..self.ports.len() {
                let (_, told) = self.client(&self.client_url(member), &["endpoint", "status"]);
                // Endpoint, id, version, size, whether it leads.
                if told.split(", ").nth(4) == Some("true") {
                    return member;
                }
            }
            assert!(begun.elapsed() < START_LIMIT, "nobody leads");
        }
    }
}

impl Deref for Server {
    type Target = Processes;

    fn deref(&self) -> &Processes {
        &self.processes
    }
}
