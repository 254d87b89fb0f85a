//! What is on a host: containers, networks, volumes and images, in memory.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::life::{Binding, Life, State, taken};
use super::plugins::{FakeAgent, Plugin};
use super::state::{Behaviour, Clock, policy};

/// A host, as its engine knows it.
#[derive(Debug)]
pub struct World {
    /// The machine's name.
    pub name: String,
    /// The engine's version.
    pub version: String,
    /// The newest API it speaks.
    pub api_version: String,
    /// Its clock.
    pub clock: Clock,
    /// What `/info` says besides: merged over the defaults.
    pub info: Value,
    /// Containers by id.
    pub containers: BTreeMap<String, Container>,
    /// Managed plugins.
    pub plugins: Vec<Plugin>,
    /// Agents that run, by the name of their plugin or container.
    pub agents: BTreeMap<String, FakeAgent>,
    /// The folder of the engine's socket.
    pub room: std::path::PathBuf,
    /// Networks by id.
    pub networks: BTreeMap<String, Network>,
    /// Volumes by name.
    pub volumes: BTreeMap<String, Volume>,
    /// Images on the host, by `repo:tag`: their digest.
    pub images: BTreeMap<String, String>,
    /// Images that came as an archive, by `repo:tag`: their ids, and their layers from the lowest up.
    pub loaded: BTreeMap<String, (String, Vec<String>)>,
    /// Bytes of layers that came in archives.
    pub loaded_bytes: u64,
    /// What `docker save` gives of an image, by `repo:tag`.
    pub saved: BTreeMap<String, Vec<u8>>,
    /// Images that are not in any registry. Everything else can be pulled.
    pub missing: Vec<String>,
    /// What the program in an image does, by `repo:tag`; [`Behaviour::Runs`] if it is not told.
    pub behaviours: BTreeMap<String, Behaviour>,
    /// Volumes that images declare, by `repo:tag`.
    pub declared: BTreeMap<String, Vec<String>>,
    /// How long a stop takes, in milliseconds.
    pub stop_ms: u64,
    /// How long a pull takes, in milliseconds.
    pub pull_ms: u64,
    made: u64,
}

impl Default for World {
    fn default() -> Self {
        let mut world = Self {
            name: "fake".to_owned(),
            version: "20.10.24".to_owned(),
            api_version: "1.41".to_owned(),
            clock: Clock::Real,
            info: json!({}),
            containers: BTreeMap::new(),
            plugins: Vec::new(),
            agents: BTreeMap::new(),
            room: std::path::PathBuf::new(),
            networks: BTreeMap::new(),
            volumes: BTreeMap::new(),
            images: BTreeMap::new(),
            loaded: BTreeMap::new(),
            loaded_bytes: 0,
            saved: BTreeMap::new(),
            missing: Vec::new(),
            behaviours: BTreeMap::new(),
            declared: BTreeMap::new(),
            stop_ms: 0,
            pull_ms: 0,
            made: 0,
        };
        for (name, driver) in [("bridge", "bridge"), ("host", "host"), ("none", "null")] {
            world.add_network(name, &json!({ "Driver": driver }));
        }
        world
    }
}

/// A container.
#[derive(Debug, Clone)]
pub struct Container {
    /// Sixty-four hex digits.
    pub id: String,
    /// Without the slash.
    pub name: String,
    /// When it was made.
    pub created: i64,
    /// What the create asked for.
    pub asked: Value,
    /// How its life stands.
    pub life: Life,
    /// What its program does.
    pub behaviour: Behaviour,
    /// Bytes of memory that it uses.
    pub uses: i64,
    /// Names of the networks it is on.
    pub networks: Vec<String>,
    /// Its volumes: name, where, and whether the engine made it for this container.
    pub volumes: Vec<(String, String, bool)>,
    /// Volumes that its image declares.
    pub declared: Vec<String>,
    /// Archives put into it: path and bytes.
    pub archives: Vec<(String, Vec<u8>)>,
    /// Signals that it was sent, but for those that end it.
    pub signals: Vec<String>,
    /// What it wrote: when, whether to stderr, and the line.
    pub output: Vec<(i64, bool, String)>,
}

impl Container {
    /// A file that was put into it, as an archive of that file alone. Archives of text are text.
    pub fn uploaded(&self, path: &str) -> Option<String> {
        use std::io::Read as _;
        self.archives.iter().rev().find_map(|(folder, bytes)| {
            let mut archive = tar::Archive::new(&bytes[..]);
            let mut entry = archive.entries().ok()?.flatten().find(|entry| {
                let name = entry.path().map(|name| name.display().to_string()).unwrap_or_default();
                format!("{}/{name}", folder.trim_end_matches('/')) == path
            })?;
            let mut content = Vec::new();
            entry.read_to_end(&mut content).ok()?;
            let mut header = tar::Header::new_gnu();
            header.set_size(content.len() as u64);
            let mut builder = tar::Builder::new(Vec::new());
            builder.append_data(&mut header, path.rsplit('/').next()?, &content[..]).ok()?;
            String::from_utf8(builder.into_inner().ok()?).ok()
        })
    }
}

/// A network.
#[derive(Debug, Clone)]
pub struct Network {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// When it was made.
    pub created: i64,
    /// What the create asked for.
    pub asked: Value,
}

/// A volume.
#[derive(Debug, Clone)]
pub struct Volume {
    /// Its name.
    pub name: String,
    /// When it was made.
    pub created: i64,
    /// What the create asked for.
    pub asked: Value,
}

impl Container {
    /// Lets time pass for it.
    pub fn pass(&mut self, now: i64) {
        self.behaviour.play(&mut self.life, now);
    }

    /// Starts it.
    pub fn start(&mut self, now: i64) {
        let check = &self.asked["Healthcheck"]["Test"];
        let has_check = check[0].as_str().is_some_and(|first| first != "NONE");
        self.life.start(now, has_check || self.behaviour.has_check());
        self.pass(now);
    }

    /// The ports of the host that it publishes. One that the engine is to choose clashes with none.
    pub fn bindings(&self) -> Vec<Binding> {
        let asked = self.asked["HostConfig"]["PortBindings"].as_object();
        let bindings = asked.into_iter().flatten().flat_map(|(target, bindings)| {
            let protocol = target.split_once('/').map_or("tcp", |(_, protocol)| protocol);
            bindings.as_array().into_iter().flatten().filter_map(move |binding| {
                let text = |key: &str| binding[key].as_str().unwrap_or_default();
                let port = text("HostPort").parse().ok().filter(|port| *port != 0)?;
                Some(Binding { ip: text("HostIp").parse().ok(), port, protocol: protocol.to_owned() })
            })
        });
        bindings.collect()
    }

    /// Its labels.
    pub fn labels(&self) -> &Value {
        &self.asked["Labels"]
    }

    /// What it was made from.
    pub fn image(&self) -> &str {
        self.asked["Image"].as_str().unwrap_or_default()
    }
}

impl World {
    /// Now, by the host's clock.
    pub fn now(&self) -> i64 {
        self.clock.now()
    }

    /// An id nobody has yet, the same in each run.
    pub fn new_id(&mut self) -> String {
        self.made += 1;
        digest(&format!("{} {}", self.name, self.made))
    }

    /// The container with this id, start of an id, or name.
    pub fn container(&mut self, key: &str) -> Option<&mut Container> {
        let now = self.now();
        let found = self
            .containers
            .values_mut()
            .find(|c| c.id == key || c.name == key || (key.len() >= 12 && c.id.starts_with(key)))?;
        found.pass(now);
        Some(found)
    }

    /// Which port of a container another one on this host has.
    pub fn taken_port(&mut self, id: &str) -> Option<Binding> {
        let now = self.now();
        self.containers.values_mut().for_each(|container| container.pass(now));
        let wanted = self.containers.get(id)?.bindings();
        let others = self.containers.values().filter(|other| other.id != id);
        taken(&wanted, others.map(|other| (&other.life, other.bindings())))
    }

    /// Names of the containers that run, in order.
    pub fn running(&mut self) -> Vec<String> {
        let now = self.now();
        let mut names: Vec<String> = Vec::new();
        for container in self.containers.values_mut() {
            container.pass(now);
            if container.life.state() == State::Running {
                names.push(container.name.clone());
            }
        }
        names.sort();
        names
    }

    /// Makes a container as a create would, its image present or not.
    pub fn add_container(&mut self, name: &str, asked: Value) -> String {
        let id = self.new_id();
        let image = asked["Image"].as_str().unwrap_or_default();
        let behaviour = self.behaviour(image);
        let mode = asked["HostConfig"]["NetworkMode"].as_str().unwrap_or("bridge");
        let mut networks: Vec<String> = vec![if mode == "default" { "bridge" } else { mode }.to_owned()];
        for network in asked["NetworkingConfig"]["EndpointsConfig"].as_object().into_iter().flatten() {
            if !networks.contains(network.0) {
                networks.push(network.0.clone());
            }
        }
        let name_of_image = image.split('@').next().unwrap_or(image);
        let declared = self.declared.get(name_of_image).cloned().unwrap_or_default();
        let volumes = self.mount(&asked, &declared);
        let container = Container {
            id: id.clone(),
            name: name.to_owned(),
            created: self.now(),
            life: Life::new(policy(&asked)),
            asked,
            behaviour,
            uses: 4 << 20,
            networks,
            volumes,
            declared,
            archives: Vec::new(),
            signals: Vec::new(),
            output: Vec::new(),
        };
        self.containers.insert(id.clone(), container);
        id
    }

    /// The volumes of a container that is being made: those that are asked for, and those that its image declares.
    fn mount(&mut self, asked: &Value, declared: &[String]) -> Vec<(String, String, bool)> {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let typed = asked["HostConfig"]["Mounts"].as_array().into_iter().flatten();
        let all: Vec<(String, String, String)> = typed
            .map(|mount| (text(&mount["Type"]), text(&mount["Source"]), text(&mount["Target"])))
            .collect();
        let free = declared.iter().filter(|target| all.iter().all(|(_, _, taken)| taken != *target));
        let wanted: Vec<(String, String)> = (all.iter().filter(|(kind, ..)| kind == "volume"))
            .map(|(_, source, target)| (source.clone(), target.clone()))
            .chain(free.map(|target| (String::new(), target.clone())))
            .collect();
        let mut volumes = Vec::new();
        for (source, target) in wanted {
            let is_made_up = source.is_empty();
            let name = if is_made_up { self.new_id() } else { source };
            self.add_volume(&name, &json!({}));
            volumes.push((name, target, is_made_up));
        }
        volumes
    }

    /// Whether a container has the volume mounted.
    pub fn is_mounted(&self, volume: &str) -> bool {
        self.containers.values().any(|container| container.volumes.iter().any(|(name, ..)| name == volume))
    }

    /// Starts a container.
    pub fn start(&mut self, key: &str) {
        let now = self.now();
        if let Some(container) = self.container(key) {
            container.start(now);
        }
    }

    /// Stops a container, which ends with a status, at some time.
    pub fn end(&mut self, key: &str, at: i64, code: i64) {
        if let Some(container) = self.container(key) {
            container.life.stop(at, code);
        }
    }

    /// The container writes a line.
    pub fn write(&mut self, key: &str, at: i64, line: &str) {
        if let Some(container) = self.container(key) {
            container.output.push((at, false, line.to_owned()));
        }
    }

    fn behaviour(&self, image: &str) -> Behaviour {
        let image = image.split('@').next().unwrap_or(image);
        self.behaviours.get(image).cloned().unwrap_or(Behaviour::Runs)
    }

    /// Makes a network as a create would.
    pub fn add_network(&mut self, name: &str, asked: &Value) -> String {
        let id = self.new_id();
        let network =
            Network { id: id.clone(), name: name.to_owned(), created: self.now(), asked: asked.clone() };
        self.networks.insert(id.clone(), network);
        id
    }

    /// The network with this id or name.
    pub fn network(&self, key: &str) -> Option<&Network> {
        self.networks.get(key).or_else(|| self.networks.values().find(|network| network.name == key))
    }

    /// Makes a volume as a create would: one that is there stays as it is.
    pub fn add_volume(&mut self, name: &str, asked: &Value) {
        let created = self.now();
        self.volumes.entry(name.to_owned()).or_insert_with(|| Volume {
            name: name.to_owned(),
            created,
            asked: asked.clone(),
        });
    }

    /// Brings an image to the host: `nginx:1.25`.
    pub fn add_image(&mut self, image: &str) {
        self.images.insert(image.to_owned(), image_digest(image));
    }

    /// Whether `image` is on the host, by tag or by digest.
    pub fn has_image(&self, image: &str) -> bool {
        let (name, digest) = image.split_once('@').unwrap_or((image, ""));
        if digest.is_empty() {
            return self.images.contains_key(&with_tag(name));
        }
        self.images.iter().any(|(have, their)| repository(have) == repository(name) && their == digest)
    }
}

/// The digest that the registry has for `repo:tag`.
pub fn image_digest(image: &str) -> String {
    format!("sha256:{}", digest(&with_tag(image)))
}

/// `nginx` is `nginx:latest`.
pub fn with_tag(image: &str) -> String {
    let has_tag = image.rsplit('/').next().is_some_and(|last| last.contains(':'));
    if has_tag { image.to_owned() } else { format!("{image}:latest") }
}

/// `registry:5000/web:1` without its tag.
pub fn repository(image: &str) -> &str {
    let last = image.rfind('/').map_or(0, |at| at + 1);
    image[last..].find(':').map_or(image, |at| &image[..last + at])
}

/// Sixty-four hex digits.
pub fn digest(text: &str) -> String {
    digest_of(text.as_bytes())
}

/// The same of bytes.
pub fn digest_of(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}
