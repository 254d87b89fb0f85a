//! Three members of ZooKeeper on this machine, which can be killed, stopped and started again.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::ops::Deref;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::processes::{Processes, reserve_ports};

/// How long all may take to begin.
const START_LIMIT: Duration = Duration::from_secs(60);
/// Where Debian's package has it.
const JAR: &str = "/usr/share/java/zookeeper.jar";

/// A running ZooKeeper. Ends with the test.
pub struct Zoo {
    // First, so that all have ended when their directory goes.
    processes: Processes,
    dir: tempfile::TempDir,
    /// Of clients, of followers, of elections.
    ports: Vec<[u16; 3]>,
}

/// Whether there is a ZooKeeper to be tested with. It wants Java and half a minute: it is tried where that
/// was asked for.
pub fn is_there() -> bool {
    if std::env::var_os("STACKCTL_TEST_ZOOKEEPER").is_none() {
        eprintln!("skipped: STACKCTL_TEST_ZOOKEEPER is not set (Debian: zookeeper)");
        return false;
    }
    assert!(std::path::Path::new(JAR).exists(), "STACKCTL_TEST_ZOOKEEPER is set, and there is no {JAR}");
    true
}

impl Zoo {
    /// Three members, each of which answers.
    pub fn start() -> Self {
        let dir = tempfile::Builder::new().prefix("zoo").tempdir().expect("a temporary directory");
        let ports = (0..3).map(|_| reserve_ports()).collect();
        let zoo = Self { dir, ports, processes: Processes::new(3) };
        (0..3).for_each(|member| zoo.spawn(member));
        (0..3).for_each(|member| zoo.wait_for(member));
        zoo
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// `127.0.0.1:1,127.0.0.1:2`.
    pub fn members(&self) -> String {
        let all: Vec<String> = self.ports.iter().map(|[port, ..]| format!("127.0.0.1:{port}")).collect();
        all.join(",")
    }

    /// Of clients.
    pub fn ports(&self) -> Vec<u16> {
        self.ports.iter().map(|[port, ..]| *port).collect()
    }

    /// The address of something in it.
    pub fn place(&self, prefix: &str) -> String {
        format!("zookeeper://{}/{prefix}", self.members())
    }

    fn spawn(&self, member: usize) {
        let data = self.path(&format!("m{member}"));
        std::fs::create_dir_all(&data).expect("a directory");
        std::fs::write(data.join("myid"), (member + 1).to_string()).expect("a file");
        let mut text = format!(
            "tickTime=2000\ninitLimit=10\nsyncLimit=2\ndataDir={}\nclientPort={}\nclientPortAddress=127.0.0.1\n\
             admin.enableServer=false\n4lw.commands.whitelist=srvr\n",
            data.display(),
            self.ports[member][0]
        );
        for (at, [_, follow, elect]) in self.ports.iter().enumerate() {
            text += &format!("server.{}=127.0.0.1:{follow}:{elect}\n", at + 1);
        }
        let config = self.path(&format!("m{member}.cfg"));
        std::fs::write(&config, text).expect("a file");
        let log = std::fs::File::create(self.path(&format!("m{member}.log"))).expect("a log");
        let log_too = log.try_clone().expect("a log");
        let child = Command::new("java")
            .args(["-Xmx96m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp", JAR])
            .arg("org.apache.zookeeper.server.quorum.QuorumPeerMain")
            .arg(config)
            .current_dir(self.dir.path())
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(log_too)
            .spawn()
            .expect("java starts");
        self.processes.began(member, child);
    }

    /// Starts a member with what it has on disk, and waits until it is one of a majority that answers.
    pub fn start_again(&self, member: usize) {
        self.spawn(member);
        if self.processes.running() > 1 {
            self.wait_for(member);
        }
    }

    fn wait_for(&self, member: usize) {
        let begun = Instant::now();
        while self.mode(member).is_none() {
            assert!(begun.elapsed() < START_LIMIT, "ZooKeeper does not begin");
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// `leader` or `follower`, of one that takes part.
    fn mode(&self, member: usize) -> Option<String> {
        let address = format!("127.0.0.1:{}", self.ports[member][0]).parse().expect("an address");
        let mut stream = TcpStream::connect_timeout(&address, Duration::from_millis(500)).ok()?;
        stream.set_read_timeout(Some(Duration::from_millis(500))).ok()?;
        stream.write_all(b"srvr").ok()?;
        let mut told = String::new();
        stream.read_to_string(&mut told).ok()?;
        told.lines().find_map(|line| line.strip_prefix("Mode: ")).map(str::to_owned)
    }

    /// Which member leads.
    pub fn leader(&self) -> usize {
        let begun = Instant::now();
        loop {
            if let Some(leader) = (0..3).find(|member| self.mode(*member).as_deref() == Some("leader")) {
                return leader;
            }
            assert!(begun.elapsed() < START_LIMIT, "nobody leads");
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}

impl Deref for Zoo {
    type Target = Processes;

    fn deref(&self) -> &Processes {
        &self.processes
    }
}
