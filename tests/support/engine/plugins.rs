//! Managed plugins; and agents, which an engine starts as the one or from
//! the other: of those, a socket that says hello.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};

use super::http::{Reply, Request, refusal};
use super::world::{World, digest};

/// A plugin.
#[derive(Debug)]
pub struct Plugin {
    pub name: String,
    pub is_enabled: bool,
    /// As it was sent, but for the keys, which an engine writes in capitals.
    pub config: Value,
}

/// A program that listens where it was told to.
#[derive(Debug)]
pub struct FakeAgent {
    socket: PathBuf,
    is_over: Arc<AtomicBool>,
}

impl FakeAgent {
    /// What an agent does when it is started with these words; `None` for any other program. `room` is the folder of
    /// the engine's socket.
    pub fn start(command: &Value, digest: &str, room: &Path) -> Option<Self> {
        let words = command.as_array()?.iter().filter_map(Value::as_str);
        let of = |key: &str| words.clone().find_map(|word| word.strip_prefix(key)).map(str::to_owned);
        let (socket, cluster) = (of("--socket=/host/")?, of("--of=")?);
        let socket = room.join(socket);
        std::fs::create_dir_all(socket.parent()?).ok()?;
        let _stale = std::fs::remove_file(&socket);
        let listener = UnixListener::bind(&socket).ok()?;
        let hello = json!({ "answer": {
            "protocol_from": 1, "protocol_to": 1, "version": "9.9.9", "digest": digest, "cluster": cluster,
            "started": 1_769_860_000_000_i64,
        }});
        let is_over = Arc::new(AtomicBool::new(false));
        let over = Arc::clone(&is_over);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if over.load(Ordering::SeqCst) {
                    return;
                }
                let _gone = answer(&stream, &hello.to_string());
            }
        });
        Some(Self { socket, is_over })
    }
}

impl Drop for FakeAgent {
    /// It takes its socket away when it is asked to end, and the folders if they are empty then.
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::SeqCst);
        let _woken = UnixStream::connect(&self.socket);
        let _gone = std::fs::remove_file(&self.socket);
        for folder in self.socket.ancestors().skip(1).take(2) {
            let _may_be_used = std::fs::remove_dir(folder);
        }
    }
}

fn answer(mut stream: &UnixStream, text: &str) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream);
    let (mut line, mut length) = (String::new(), 0);
    while reader.read_line(&mut line)? > 2 {
        if let Some(number) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = number.trim().parse().unwrap_or(0);
        }
        line.clear();
    }
    reader.read_exact(&mut vec![0; length])?;
    write!(stream, "HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{text}", text.len())
}

pub(super) fn list(world: &World) -> Reply {
    let one = |plugin: &Plugin| {
        let variable = |one: &Value| json!({ "Name": one["name"], "Value": one["value"], "Settable": null, "Description": "" });
        let env: Vec<Value> = plugin.config["env"].as_array().into_iter().flatten().map(variable).collect();
        json!({
            "Id": digest(&plugin.name), "Name": plugin.name, "Enabled": plugin.is_enabled, "Config": { "Env": env },
        })
    };
    Reply::Json(200, world.plugins.iter().map(one).collect())
}

/// A file of an archive.
pub(super) fn file_of(archive: &[u8], name: &str) -> Option<Vec<u8>> {
    let mut archive = tar::Archive::new(archive);
    let mut entry = archive
        .entries()
        .ok()?
        .flatten()
        .find(|entry| entry.path().is_ok_and(|path| path == Path::new(name)))?;
    let mut bytes = Vec::new();
    entry.read_to_end(&mut bytes).ok()?;
    Some(bytes)
}

pub(super) fn create(world: &mut World, request: &Request) -> Reply {
    let name = request.query.get("name").cloned().unwrap_or_default();
    if world.plugins.iter().any(|plugin| plugin.name == name) {
        return refusal(409, format!("plugin {name} already exists"));
    }
    let config = file_of(&request.body, "config.json").and_then(|bytes| serde_json::from_slice(&bytes).ok());
    let Some(config) = config else { return refusal(500, "config.json not found") };
    if file_of(&request.body, "rootfs/stackctl").is_none() {
        return refusal(500, "rootfs not found");
    }
    world.plugins.push(Plugin { name, is_enabled: false, config });
    Reply::Empty(204)
}

pub(super) fn switch(world: &mut World, name: &str, is_on: bool) -> Reply {
    let room = world.room.clone();
    let Some(plugin) = world.plugins.iter_mut().find(|plugin| plugin.name == name) else {
        return refusal(404, format!("plugin \"{name}\" not found"));
    };
    if plugin.is_enabled == is_on {
        let word = if is_on { "enabled" } else { "disabled" };
        return refusal(500, format!("plugin {name} is already {word}"));
    }
    plugin.is_enabled = is_on;
    if !is_on {
        world.agents.remove(name);
        return Reply::Empty(200);
    }
    let env = plugin.config["env"].as_array().into_iter().flatten();
    let digest = env.clone().find(|one| one["name"] == "STACKCTL_AGENT_DIGEST");
    let digest = digest.and_then(|one| one["value"].as_str()).unwrap_or_default().to_owned();
    if let Some(agent) = FakeAgent::start(&plugin.config["entrypoint"], &digest, &room) {
        world.agents.insert(name.to_owned(), agent);
    }
    Reply::Empty(200)
}

pub(super) fn remove(world: &mut World, name: &str) -> Reply {
    let before = world.plugins.len();
    world.plugins.retain(|plugin| plugin.name != name);
    if world.plugins.len() == before {
        return refusal(404, format!("plugin \"{name}\" not found"));
    }
    world.agents.remove(name);
    Reply::Json(200, json!({ "Name": name }))
}

/// Has the agent in a container begin or end with it, where there is one.
pub(super) fn follow(world: &mut World, name: &str, is_on: bool) {
    let found = world.containers.values().find(|one| one.name == name || one.id == name);
    let Some(container) = found else { return };
    let (name, asked, room) = (container.name.clone(), container.asked.clone(), world.room.clone());
    if !is_on {
        world.agents.remove(&name);
        return;
    }
    let digest = asked["Labels"]["io.stackctl.agent"].as_str().unwrap_or_default();
    if let Some(agent) = FakeAgent::start(&asked["Entrypoint"], digest, &room) {
        world.agents.insert(name, agent);
    }
}
