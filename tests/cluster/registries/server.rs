//! Debian's docker-registry on this machine, and a door before one that does what a bad day does.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::{IpAddr, Shutdown, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::ground::Ground;

/// Who pushes: the password of no test.
const PUSHER: (&str, &str) = ("pusher", "pushes-and-no-more");

/// Whether what is needed is on this machine; says so if not.
pub fn is_installed() -> bool {
    let is_there = |name: &str| {
        let found =
            Command::new("sh").args(["-c", &format!("command -v {name}")]).stdout(Stdio::null()).status();
        found.is_ok_and(|status| status.success())
    };
    let missing: Vec<_> =
        ["docker-registry", "htpasswd", "openssl"].into_iter().filter(|name| !is_there(name)).collect();
    if !missing.is_empty() {
        eprintln!("skipped: there is no {} here; .ci/run installs them", missing.join(", "));
    }
    missing.is_empty()
}

/// This machine's address in the playground's network.
fn machine(ground: &Ground) -> IpAddr {
    let IpAddr::V4(host) = ground.address("h1") else { panic!("playgrounds have IPv4") };
    let [a, b, c, _] = host.octets();
    IpAddr::from([a, b, c, 1])
}

fn free_port(address: IpAddr) -> u16 {
    TcpListener::bind((address, 0)).expect("a port").local_addr().expect("an address").port()
}

fn run(program: &str, args: &[&str]) -> String {
    let output = Command::new(program).args(args).output().expect(program);
    assert!(output.status.success(), "{program} {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// What `docker login` writes.
pub fn auth(user: &str, password: &str) -> String {
    STANDARD.encode(format!("{user}:{password}"))
}

/// A registry with basic auth, over TLS unless it is plain.
pub struct Registry {
    child: Option<Child>,
    dir: PathBuf,
    name: String,
    /// As images name it.
    pub address: String,
}

impl Registry {
    /// One for these users, which the hosts trust; with none it is open to all.
    pub fn start(ground: &Ground, name: &str, users: &[(&str, &str)]) -> Self {
        let (cert, key) = certificate(ground);
        let machine = machine(ground);
        let port = free_port(machine);
        let tls = format!("  tls: {{certificate: {}, key: {}}}\n", cert.display(), key.display());
        let dir = ground.path().join(name);
        std::fs::create_dir(&dir).expect("a directory");
        if !users.is_empty() {
            write_users(&dir, users);
        }
        let this = Self::served(dir, "tls", &format!("{machine}:{port}"), &tls);
        trust(ground, &this.address);
        this
    }

    /// The same images and users without TLS, for this machine alone.
    fn plain(&self) -> Self {
        let port = free_port([127, 0, 0, 1].into());
        Self::served(self.dir.clone(), "plain", &format!("127.0.0.1:{port}"), "")
    }

    fn served(dir: PathBuf, name: &str, address: &str, tls: &str) -> Self {
        let mut auth = String::new();
        if dir.join("htpasswd").exists() {
            auth = format!("auth: {{htpasswd: {{realm: test, path: {}}}}}\n", dir.join("htpasswd").display());
        }
        let config = format!(
            "version: 0.1\nstorage: {{filesystem: {{rootdirectory: {}}}}}\nhttp:\n  addr: {address}\n{tls}{auth}",
            dir.join("store").display()
        );
        std::fs::write(dir.join(format!("{name}.yml")), config).expect("a file");
        let mut this = Self { child: None, dir, name: name.to_owned(), address: address.to_owned() };
        this.start_again();
        this
    }

    /// Other passwords, at once: the old ones have expired.
    pub fn set_users(&self, users: &[(&str, &str)]) {
        write_users(&self.dir, users);
    }

    /// Starts it once more, with what it has.
    pub fn start_again(&mut self) {
        let log = self.dir.join(format!("{}.log", self.name));
        let log = std::fs::File::options().create(true).append(true).open(log).expect("a file");
        let child = Command::new("docker-registry")
            .args(["serve", &self.dir.join(format!("{}.yml", self.name)).display().to_string()])
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a file"))
            .stderr(log)
            .spawn()
            .expect("docker-registry");
        self.child = Some(child);
        let begun = Instant::now();
        while TcpStream::connect(&self.address).is_err() {
            assert!(begun.elapsed() < Duration::from_secs(20), "{}", self.log());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// It is down.
    pub fn stop(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().expect("a process");
            child.wait().expect("an end");
        }
    }

    /// What it wrote, accesses among it.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.dir.join(format!("{}.log", self.name))).unwrap_or_default()
    }

    /// Makes an image of so many bytes that do not compress, and pushes it. No host has it then.
    pub fn push(&self, ground: &Ground, image: &str, bytes: u32) {
        let ((user, password), address) = (PUSHER, &self.address);
        let config = format!(r#"{{"auths":{{"{address}":{{"auth":"{}"}}}}}}"#, auth(user, password));
        let image = format!("{address}/{image}");
        ground.on_host(
            "h1",
            &format!(
                "set -e; made=$(docker create busybox:1); head -c {bytes} /dev/urandom >/root/blob; \
                 docker cp /root/blob $made:/blob; docker rmi -f {image} 2>/dev/null || true; \
                 docker commit --change 'CMD [\"sleep\",\"100000\"]' $made {image}; docker rm $made; \
                 mkdir -p /root/pusher; echo '{config}' >/root/pusher/config.json; \
                 DOCKER_CONFIG=/root/pusher docker push {image}; \
                 rm -r /root/pusher /root/blob; docker rmi {image}"
            ),
        );
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        self.stop();
    }
}

fn write_users(dir: &Path, users: &[(&str, &str)]) {
    let mut text = String::new();
    for (user, password) in users.iter().chain([&PUSHER]) {
        let line = run("htpasswd", &["-Bbn", user, password]);
        writeln!(text, "{}", line.trim()).expect("text");
    }
    std::fs::write(dir.join("htpasswd"), text).expect("a file");
}

/// A certificate of this machine's address and its key, made once for each test.
fn certificate(ground: &Ground) -> (PathBuf, PathBuf) {
    let (cert, key) = (ground.path().join("cert.pem"), ground.path().join("key.pem"));
    if !cert.exists() {
        let machine = machine(ground);
        run(
            "openssl",
            &[
                "req",
                "-x509",
                "-newkey",
                "rsa:2048",
                "-nodes",
                "-days",
                "2",
                "-subj",
                &format!("/CN={machine}"),
                "-addext",
                &format!("subjectAltName=IP:{machine}"),
                "-keyout",
                &key.display().to_string(),
                "-out",
                &cert.display().to_string(),
            ],
        );
    }
    (cert, key)
}

/// Has the hosts trust the test's certificate at this address.
fn trust(ground: &Ground, address: &str) {
    let (cert, _) = certificate(ground);
    let text = std::fs::read_to_string(cert).expect("a certificate");
    for host in super::ON {
        let dir = format!("/etc/docker/certs.d/{address}");
        ground.on_host(host, &format!("mkdir -p {dir}; cat >{dir}/ca.crt <<'END'\n{text}END\n"));
    }
}

/// What a door does with requests.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Mode {
    /// Hands them on.
    Open,
    /// Answers with this status.
    Status(u16),
    /// Hands them on after this while.
    Late(Duration),
    /// Hands on so many bytes a second.
    Dripping(usize),
    /// Takes connections, and says nothing.
    Silent,
    /// Stops in the middle of an answer once so many bytes of it are out, where the host has this address.
    Stalling(usize, IpAddr),
}

/// A door before a registry, over TLS.
pub struct Door {
    _behind: Registry,
    /// As images name it.
    pub address: String,
    mode: Arc<Mutex<Mode>>,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Door {
    /// One that is open.
    pub fn start(ground: &Ground, registry: &Registry) -> Self {
        let behind = registry.plain();
        let (cert, key) = certificate(ground);
        let listener = TcpListener::bind((machine(ground), 0)).expect("a port");
        let address = listener.local_addr().expect("an address").to_string();
        trust(ground, &address);
        let (mode, asked) = (Arc::new(Mutex::new(Mode::Open)), Arc::<Mutex<Vec<String>>>::default());
        let chain = CertificateDer::pem_file_iter(cert).expect("PEM").map(|one| one.expect("a certificate"));
        let key = PrivateKeyDer::from_pem_file(key).expect("a key");
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(chain.collect(), key)
            .expect("a certificate");
        let guest = Guest {
            behind: behind.address.clone(),
            mode: Arc::clone(&mode),
            asked: Arc::clone(&asked),
            config: Arc::new(config),
        };
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let guest = guest.clone();
                std::thread::spawn(move || guest.serve(stream));
            }
        });
        Self { _behind: behind, address, mode, asked }
    }

    /// From now on it does this.
    pub fn set(&self, mode: Mode) {
        *self.mode.lock().expect("the mode") = mode;
        self.asked.lock().expect("the list").clear();
    }

    /// Requests for manifests since it was set.
    pub fn manifests(&self) -> usize {
        let asked = self.asked.lock().expect("the list");
        asked
            .iter()
            .filter(|head| head.lines().next().is_some_and(|line| line.contains("/manifests/")))
            .count()
    }

    /// The users and passwords that came with requests since then.
    pub fn users(&self) -> BTreeSet<String> {
        let asked = self.asked.lock().expect("the list");
        let lines = asked.iter().flat_map(|head| head.lines());
        let basic = lines.filter_map(|line| {
            let (name, value) = line.split_once(": ")?;
            name.eq_ignore_ascii_case("authorization")
                .then_some(value.strip_prefix("Basic ").unwrap_or(value))
        });
        basic
            .map(|value| {
                STANDARD
                    .decode(value)
                    .map_or_else(|_| value.to_owned(), |b| String::from_utf8_lossy(&b).into())
            })
            .collect()
    }
}

#[derive(Clone)]
struct Guest {
    behind: String,
    mode: Arc<Mutex<Mode>>,
    asked: Arc<Mutex<Vec<String>>>,
    config: Arc<ServerConfig>,
}

impl Guest {
    fn serve(&self, stream: TcpStream) {
        let mode = *self.mode.lock().expect("the mode");
        if mode == Mode::Silent {
            // Until the other side has had enough.
            let _gone = (&stream).read(&mut [0; 1]);
            std::thread::sleep(Duration::from_secs(60));
            return;
        }
        let connection = ServerConnection::new(Arc::clone(&self.config)).expect("a connection");
        let mut stream = StreamOwned::new(connection, stream);
        let Some(head) = head(&mut stream) else { return };
        self.asked.lock().expect("the list").push(head.clone());
        let from = stream.sock.peer_addr().map_or(IpAddr::from([0; 4]), |of| of.ip());
        let _gone = self.answer(&mut stream, mode, &head, from);
        stream.conn.send_close_notify();
        let _gone = stream.flush();
        let _gone = stream.sock.shutdown(Shutdown::Write);
    }

    fn answer(
        &self,
        stream: &mut (impl Read + Write),
        mode: Mode,
        head: &str,
        from: IpAddr,
    ) -> std::io::Result<()> {
        match mode {
            Mode::Status(code) => {
                return write!(
                    stream,
                    "HTTP/1.1 {code} X\r\nretry-after: 30\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
                );
            }
            Mode::Late(while_) => std::thread::sleep(while_),
            Mode::Open | Mode::Dripping(_) | Mode::Silent | Mode::Stalling(..) => {}
        }
        let mut behind = TcpStream::connect(&self.behind)?;
        // One request on each connection: its answer ends with it.
        write!(behind, "{}\r\nConnection: close\r\n\r\n", head.trim_end())?;
        let (mut part, mut sent) = (vec![0; 1 << 16], 0);
        loop {
            let read = behind.read(&mut part)?;
            if read == 0 {
                return Ok(());
            }
            if let Mode::Dripping(rate) = mode {
                std::thread::sleep(Duration::from_secs_f64(read as f64 / rate as f64));
            }
            stream.write_all(&part[..read])?;
            sent += read;
            // Until the other side has had enough.
            while matches!(mode, Mode::Stalling(most, of) if sent >= most && of == from) {
                stream.flush()?;
                std::thread::sleep(Duration::from_secs(1));
                if *self.mode.lock().expect("the mode") != mode {
                    return Ok(());
                }
            }
        }
    }
}

/// The head of a request; those of pulls and look-ups have no body.
fn head(stream: &mut impl Read) -> Option<String> {
    let (mut bytes, mut part) = (Vec::new(), [0; 4096]);
    while !bytes.ends_with(b"\r\n\r\n") {
        let read = stream.read(&mut part).ok().filter(|&read| read > 0)?;
        bytes.extend(&part[..read]);
    }
    String::from_utf8(bytes).ok()
}
