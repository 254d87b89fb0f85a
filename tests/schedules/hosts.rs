//! The hosts of a small cluster: what the playground does to them, and what their engines say, not by way of
//! stackctl and not through ssh.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::Value;

/// An engine that is silent for so long does not answer.
const ANSWER_MAX: Duration = Duration::from_secs(3);

/// Some hosts of a playground.
pub struct Hosts {
    dir: PathBuf,
    pub names: Vec<String>,
}

/// A container that belongs to a stack.
#[derive(Debug, Clone)]
pub struct Container {
    pub host: String,
    pub id: String,
    pub name: String,
    pub service: String,
    pub slot: String,
    pub state: String,
    pub image: String,
    pub mark: String,
    /// Status and times, for people.
    pub times: String,
    pub exit: i64,
}

/// What the engines said of a stack.
#[derive(Debug)]
pub struct Seen {
    pub containers: Vec<Container>,
    pub networks: Vec<String>,
    /// Hosts whose engine did not answer.
    pub silent: Vec<String>,
}

impl Hosts {
    pub fn new(dir: &Path, names: &[String]) -> Self {
        Self { dir: dir.to_owned(), names: names.to_vec() }
    }

    /// Does something to the hosts; words as a shell would part them.
    pub fn playground(&self, words: &str) -> Result<(), String> {
        let output = Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/playground/playground"))
            .args(words.split_whitespace())
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .env("PLAYGROUND_DIR", &self.dir)
            .stdin(Stdio::null())
            .output()
            .expect("the playground");
        match output.status.success() {
            true => Ok(()),
            false => Err(format!("playground {words}: {}", String::from_utf8_lossy(&output.stderr).trim())),
        }
    }

    /// As they were when they were made.
    pub fn reset(&self) -> Result<(), String> {
        self.playground(&format!("reset {}", self.names.join(" ")))
    }

    /// The inventory of these hosts alone.
    pub fn inventory(&self, managers: usize) -> String {
        let config = std::fs::read_to_string(self.dir.join("ssh_config")).expect("the ssh config");
        let address = |host: &str| {
            let head = format!("Host {host}");
            let mut lines = config.lines().map(str::trim).skip_while(|line| *line != head);
            lines.find_map(|line| line.strip_prefix("HostName ")).expect("an address").to_owned()
        };
        let mut text = format!(
            "cluster: {}\nssh_config: {}\nhosts:\n",
            self.names.join("-"),
            self.dir.join("ssh_config").display()
        );
        for (at, host) in self.names.iter().enumerate() {
            let role = if at < managers { "manager" } else { "worker" };
            text += &format!("  {host}:\n    address: ssh://root@{}:22\n    role: {role}\n", address(host));
        }
        text
    }

    /// The versions of the engines.
    pub fn engines(&self) -> Vec<String> {
        let version = |host: &String| {
            let said = self.ask(host, "/version")?;
            Ok::<_, std::io::Error>(said["Version"].as_str().unwrap_or("?").to_owned())
        };
        self.names.iter().map(|host| version(host).unwrap_or_else(|_| "?".to_owned())).collect()
    }

    /// One question to one engine.
    fn ask(&self, host: &str, path: &str) -> std::io::Result<Value> {
        let mut stream = UnixStream::connect(self.dir.join("hosts").join(host).join("docker.sock"))?;
        stream.set_read_timeout(Some(ANSWER_MAX))?;
        stream.set_write_timeout(Some(ANSWER_MAX))?;
        // In this version of HTTP an answer has no chunks and ends with the connection.
        write!(stream, "GET {path} HTTP/1.0\r\nHost: docker\r\n\r\n")?;
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes)?;
        let text = String::from_utf8_lossy(&bytes);
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or_default();
        if head.split(' ').nth(1).is_none_or(|status| status != "200") {
            return Err(std::io::Error::other(format!("{path}: {head}")));
        }
        serde_json::from_str(body).map_err(std::io::Error::other)
    }

    /// Everything of a stack on all hosts that answer.
    pub fn look(&self, stack: &str) -> Seen {
        let mut seen = Seen { containers: Vec::new(), networks: Vec::new(), silent: Vec::new() };
        let answers: Vec<_> = std::thread::scope(|scope| {
            let asked: Vec<_> =
                self.names.iter().map(|host| scope.spawn(move || self.look_at(host, stack))).collect();
            asked.into_iter().map(|asked| asked.join().expect("a look")).collect()
        });
        for (host, answer) in self.names.iter().zip(answers) {
            match answer {
                Ok((containers, networks)) => {
                    seen.containers.extend(containers);
                    seen.networks.extend(networks);
                }
                Err(_) => seen.silent.push(host.clone()),
            }
        }
        seen
    }

    fn look_at(&self, host: &str, stack: &str) -> std::io::Result<(Vec<Container>, Vec<String>)> {
        let filter = format!("filters=%7B%22label%22%3A%5B%22com.docker.stack.namespace%3D{stack}%22%5D%7D");
        let mut containers = Vec::new();
        for listed in array(&self.ask(host, &format!("/containers/json?all=1&{filter}"))?) {
            let id = listed["Id"].as_str().unwrap_or_default();
            // One that is gone by now is not there.
            match self.ask(host, &format!("/containers/{id}/json")) {
                Ok(inspect) => containers.push(container(host, &inspect)),
                Err(error) if error.to_string().contains(" 404 ") => {}
                Err(error) => return Err(error),
            }
        }
        let networks = array(&self.ask(host, &format!("/networks?{filter}"))?);
        let name = |network: &Value| format!("{host} {}", network["Name"].as_str().unwrap_or_default());
        Ok((containers, networks.iter().map(name).collect()))
    }

    /// Running tasks of all stacks: slot, and the containers in it.
    pub fn running(&self) -> BTreeMap<String, Vec<String>> {
        let filter = "filters=%7B%22label%22%3A%5B%22io.stackctl.service%22%5D%7D";
        let mut all: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for host in &self.names {
            let Ok(list) = self.ask(host, &format!("/containers/json?{filter}")) else { continue };
            for listed in array(&list) {
                let label = |key: &str| listed["Labels"][key].as_str().unwrap_or_default();
                let slot = format!(
                    "{}_{}.{}",
                    label("com.docker.stack.namespace"),
                    label("io.stackctl.service"),
                    label("io.stackctl.slot")
                );
                let id: String = listed["Id"].as_str().unwrap_or_default().chars().take(12).collect();
                all.entry(slot).or_default().push(format!("{host}/{id}"));
            }
        }
        all
    }
}

fn array(value: &Value) -> Vec<Value> {
    value.as_array().cloned().unwrap_or_default()
}

fn container(host: &str, inspect: &Value) -> Container {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let label = |key: &str| text(&inspect["Config"]["Labels"][key]);
    let state = &inspect["State"];
    let exit = state["ExitCode"].as_i64().unwrap_or_default();
    let mark = array(&inspect["Config"]["Env"]);
    let mark = mark.iter().find_map(|one| one.as_str()?.strip_prefix("MARK=").map(str::to_owned));
    Container {
        host: host.to_owned(),
        id: text(&inspect["Id"]).chars().take(12).collect(),
        name: text(&inspect["Name"]).trim_start_matches('/').to_owned(),
        service: label("io.stackctl.service"),
        slot: label("io.stackctl.slot"),
        state: text(&state["Status"]),
        image: text(&inspect["Config"]["Image"]),
        mark: mark.unwrap_or_default(),
        times: format!("exit {exit}, from {} to {}", text(&state["StartedAt"]), text(&state["FinishedAt"])),
        exit,
    }
}
