//! What is sent to an engine so that it has an agent: archives and descriptions, made without an effect.

use std::io;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use serde_json::{Value, json};

use crate::agent::program::{Program, slug, tag};
use crate::agent::secrets;
use crate::fleet::docker::labels;
use crate::fleet::one_layer::{self, Archive};
use crate::model::ClusterName;
use crate::model::ids::sha256_hex;

/// The folder beside the engine's socket in which agents have theirs.
pub const FOLDER: &str = "stackctl";
/// Where an agent sees the folder of the engine's socket.
const HOST_FOLDER: &str = "/host";
/// The program in its root directory.
const PROGRAM: &str = "stackctl";
/// What says there what it is. Without it two clusters' agents would have the same root directory, and engines
/// make a plugin of the same content only once.
const NOTE: &str = "agent.json";
/// Where an agent has written down who it is: in its own root directory, which stays while the host is off, and goes with it.
const IDENTITY: &str = "/identity.json";
/// Where engines look for the sockets of plugins, as the plugin sees it.
const PLUGIN_SOCKETS: &str = "/run/docker/plugins";
const PLUGIN_SOCKET: &str = "agent.sock";
/// A type of our own: no part of an engine uses it, so that it can be disabled at any time.
const PLUGIN_TYPE: &str = "stackctl.agent/1.0";

/// Variables of a plugin, which has no labels, that say what it is.
pub const CLUSTER_VARIABLE: &str = "STACKCTL_AGENT_CLUSTER";
pub const DIGEST_VARIABLE: &str = "STACKCTL_AGENT_DIGEST";
pub const VERSION_VARIABLE: &str = "STACKCTL_AGENT_VERSION";
pub const RIGHTS_VARIABLE: &str = "STACKCTL_AGENT_RIGHTS";

/// A folder of the plugin's own, in which nothing is. An engine shares mounts with a plugin only if that has one.
const PROPAGATED: &str = "/propagated";
/// Digits by which rights are known.
const RIGHTS_CHARS: usize = 4;

/// What an agent may do on its host beside what the engine's socket lets it do. Each is for a feature that needs it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rights {
    /// The host's network instead of none.
    pub host_network: bool,
    /// The host's processes.
    pub host_processes: bool,
    /// Capabilities beside those of every container.
    pub capabilities: Vec<String>,
    /// What it mounts in the folder of the engine's socket is mounted on the host, and what is mounted there it sees.
    pub shares_mounts: bool,
}

impl Rights {
    /// What every agent has: to keep secrets it mounts memory where containers see it, and agents of other hosts are
    /// reached over the host's network.
    #[must_use]
    pub fn of_agents() -> Self {
        let capabilities = vec!["CAP_SYS_ADMIN".to_owned()];
        Self { capabilities, shares_mounts: true, host_network: true, ..Self::default() }
    }

    /// By what they are known, in names and variables: other rights are another agent. Nothing, where there are none.
    #[must_use]
    pub fn word(&self) -> String {
        if *self == Self::default() {
            return String::new();
        }
        let Self { host_network, host_processes, capabilities, shares_mounts } = self;
        let text = json!([host_network, host_processes, capabilities, shares_mounts]).to_string();
        sha256_hex(text.as_bytes())[..RIGHTS_CHARS].to_owned()
    }

    /// In words for people.
    #[must_use]
    pub fn words(&self) -> Vec<String> {
        let mut words: Vec<String> = self.capabilities.clone();
        let flags = [
            (self.shares_mounts, "mounts that the host sees"),
            (self.host_network, "the host's network"),
            (self.host_processes, "the host's processes"),
        ];
        words.extend(flags.iter().filter(|(has, _)| *has).map(|(_, word)| (*word).to_owned()));
        words
    }
}

/// What tells an agent from others of its cluster on a host: its program, and what it may do.
#[must_use]
pub fn mark(digest: &str, rights: &str) -> String {
    if rights.is_empty() { tag(digest) } else { format!("{}-{rights}", tag(digest)) }
}

/// An agent for one host.
#[derive(Debug, Clone)]
pub struct Parcel<'a> {
    pub cluster: &'a ClusterName,
    pub program: &'a Program,
    pub rights: &'a Rights,
    /// The engine's socket, as it is called on the host.
    pub engine: &'a Path,
}

/// The name of the socket of an agent.
#[must_use]
pub fn socket_name(mark: &str) -> String {
    format!("{mark}.sock")
}

/// Where secrets of a cluster's tasks are kept on a host, by the engine's socket there.
#[must_use]
pub fn secrets_folder(cluster: &ClusterName, engine: &Path) -> PathBuf {
    own_folder(cluster, engine).join(secrets::FOLDER)
}

/// Where programs for tasks whose variables are secrets stand, by the engine's socket there.
#[must_use]
pub fn programs_folder(cluster: &ClusterName, engine: &Path) -> PathBuf {
    own_folder(cluster, engine).join(secrets::PROGRAMS_FOLDER)
}

/// The folder of the sockets of a cluster's agents on a host.
#[must_use]
pub fn own_folder(cluster: &ClusterName, engine: &Path) -> PathBuf {
    engine.parent().unwrap_or(Path::new("/")).join(FOLDER).join(slug(cluster))
}

/// The beginning of the names of all plugins that are agents of a cluster.
#[must_use]
pub fn plugin_head(cluster: &ClusterName) -> String {
    format!("stackctl/agent-{}:", slug(cluster))
}

/// The name of the images of a cluster's agents, without the tag.
#[must_use]
pub fn image_name(cluster: &ClusterName) -> String {
    format!("stackctl-agent-{}", slug(cluster))
}

impl Parcel<'_> {
    /// What tells it from others on the host.
    #[must_use]
    pub fn mark(&self) -> String {
        mark(&self.program.digest, &self.rights.word())
    }

    /// What an engine calls the plugin.
    #[must_use]
    pub fn plugin_name(&self) -> String {
        plugin_head(self.cluster) + &self.mark()
    }

    /// The image of the container.
    #[must_use]
    pub fn image(&self) -> String {
        format!("{}:{}", image_name(self.cluster), self.mark())
    }

    /// The name of the container.
    #[must_use]
    pub fn container_name(&self) -> String {
        format!("{}-{}", image_name(self.cluster), self.mark())
    }

    /// For `/plugins/create`: its configuration and its root directory.
    ///
    /// # Errors
    ///
    /// None that memory has.
    pub fn plugin(&self) -> io::Result<Bytes> {
        let mut archive = Archive::new();
        archive.file("config.json", 0o644, self.plugin_config().to_string().as_bytes())?;
        archive.folder("rootfs/")?;
        self.root(&mut archive, "rootfs/")?;
        archive.end()
    }

    fn plugin_config(&self) -> Value {
        let variable = |name: &str, value: &str| json!({ "name": name, "description": "", "settable": null, "value": value });
        let mut command = self.command();
        command.push(format!("--activation={PLUGIN_SOCKETS}/{PLUGIN_SOCKET}"));
        let options =
            if self.rights.shares_mounts { json!(["rbind", "rw", "rshared"]) } else { json!(["bind", "rw"]) };
        let mut config = json!({
            "description": format!(
                "agent of stackctl {} for cluster {}", self.program.version, self.cluster
            ),
            "documentation": "stackctl help agent",
            "interface": { "types": [PLUGIN_TYPE], "socket": PLUGIN_SOCKET },
            "entrypoint": command,
            "workdir": "/",
            "network": { "type": if self.rights.host_network { "host" } else { "" } },
            "pidhost": self.rights.host_processes,
            "linux": { "capabilities": self.rights.capabilities, "allowAllDevices": false, "devices": [] },
            "mounts": [{
                "name": "host", "description": "the folder of the engine's socket", "type": "bind",
                "source": self.beside(), "destination": HOST_FOLDER, "options": options, "settable": null,
            }],
            "env": [
                variable(CLUSTER_VARIABLE, self.cluster.as_str()),
                variable(DIGEST_VARIABLE, &self.program.digest),
                variable(VERSION_VARIABLE, &self.program.version),
                variable(RIGHTS_VARIABLE, &self.rights.word()),
            ],
            "args": { "name": "", "description": "", "settable": null, "value": [] },
        });
        if self.rights.shares_mounts {
            config["propagatedMount"] = json!(PROPAGATED);
        }
        config
    }

    /// For `/images/load`: one layer, as `docker save` writes it.
    ///
    /// # Errors
    ///
    /// None that memory has.
    pub fn image_archive(&self) -> io::Result<Bytes> {
        let mut layer = Archive::new();
        self.root(&mut layer, "")?;
        let settings = json!({ "Entrypoint": self.command(), "WorkingDir": "/" });
        one_layer::image(&self.image(), &self.program.architecture, &settings, layer)
    }

    /// For `/containers/create`.
    #[must_use]
    pub fn container(&self) -> Value {
        let network = if self.rights.host_network { "host" } else { "none" };
        let mut folder = json!({ "Type": "bind", "Source": self.beside(), "Target": HOST_FOLDER });
        let mut options = Vec::new();
        if self.rights.shares_mounts {
            folder["BindOptions"] = json!({ "Propagation": "rshared" });
            // Docker's own profile forbids to mount, whatever the capabilities.
            options.push("apparmor=unconfined");
        }
        json!({
            "Image": self.image(),
            "Entrypoint": self.command(),
            "Labels": {
                (labels::AGENT): self.program.digest,
                (labels::AGENT_VERSION): self.program.version,
                (labels::AGENT_CLUSTER): self.cluster.as_str(),
                (labels::AGENT_RIGHTS): self.rights.word(),
            },
            "HostConfig": {
                "RestartPolicy": { "Name": "always" },
                "NetworkMode": network,
                "PidMode": if self.rights.host_processes { "host" } else { "" },
                "CapAdd": self.rights.capabilities,
                "SecurityOpt": options,
                "Mounts": [folder],
                "LogConfig": { "Type": "json-file", "Config": { "max-size": "1m", "max-file": "1" } },
            },
        })
    }

    /// What starts it, wherever it is.
    fn command(&self) -> Vec<String> {
        let own = format!("{HOST_FOLDER}/{FOLDER}/{}", slug(self.cluster));
        let engine = self.engine.file_name().unwrap_or_default().to_string_lossy();
        vec![
            format!("/{PROGRAM}"),
            "agent".to_owned(),
            "serve".to_owned(),
            format!("--of={}", self.cluster),
            format!("--socket={own}/{}", socket_name(&self.mark())),
            format!("--engine={HOST_FOLDER}/{engine}"),
            format!("--on-host={}", own_folder(self.cluster, self.engine).display()),
            format!("--identity={IDENTITY}"),
        ]
    }

    /// The folder of the engine's socket.
    fn beside(&self) -> String {
        self.engine.parent().unwrap_or(Path::new("/")).display().to_string()
    }

    fn root(&self, archive: &mut Archive, folder: &str) -> io::Result<()> {
        let note = json!({
            "cluster": self.cluster.as_str(), "version": self.program.version, "digest": self.program.digest,
        });
        archive.file(&format!("{folder}{NOTE}"), 0o644, note.to_string().as_bytes())?;
        archive.file(&format!("{folder}{PROGRAM}"), 0o755, &self.program.bytes)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::io::Read as _;

    use super::*;

    fn program() -> Program {
        Program {
            bytes: Bytes::from_static(b"a program"),
            digest: sha256_hex(b"a program"),
            version: "0.3.0".into(),
            architecture: "x86_64".into(),
        }
    }

    fn content(bytes: &[u8]) -> BTreeMap<String, (u32, Vec<u8>)> {
        let mut archive = ::tar::Archive::new(bytes);
        let mut all = BTreeMap::new();
        for entry in archive.entries().unwrap() {
            let mut entry = entry.unwrap();
            let path = entry.path().unwrap().display().to_string();
            let mut content = Vec::new();
            entry.read_to_end(&mut content).unwrap();
            all.insert(path, (entry.header().mode().unwrap(), content));
        }
        all
    }

    #[test]
    fn a_plugin_is_its_configuration_and_a_root_directory_with_the_program() {
        let (cluster, program) = (ClusterName::unchecked("prod"), program());
        let parcel = Parcel {
            cluster: &cluster,
            program: &program,
            rights: &Rights::default(),
            engine: Path::new("/var/run/docker.sock"),
        };
        let archive = parcel.plugin().unwrap();
        assert_eq!(archive, parcel.plugin().unwrap(), "the same bytes each time");
        let all = content(&archive);
        let paths: Vec<&str> = all.keys().map(String::as_str).collect();
        assert_eq!(paths, ["config.json", "rootfs/", "rootfs/agent.json", "rootfs/stackctl"]);
        assert_eq!(all["rootfs/stackctl"], (0o755, b"a program".to_vec()));
        let config: Value = serde_json::from_slice(&all["config.json"].1).unwrap();
        let tag = &program.digest[..12];
        assert_eq!(
            config["entrypoint"],
            json!([
                "/stackctl",
                "agent",
                "serve",
                "--of=prod",
                format!("--socket=/host/stackctl/prod/{tag}.sock"),
                "--engine=/host/docker.sock",
                "--on-host=/var/run/stackctl/prod",
                "--identity=/identity.json",
                "--activation=/run/docker/plugins/agent.sock",
            ])
        );
        assert_eq!(config["mounts"][0]["source"], "/var/run");
        // No more than it needs: no network, no processes, no devices, no capabilities.
        assert_eq!((&config["network"]["type"], &config["pidhost"]), (&json!(""), &json!(false)));
        assert_eq!(config["linux"]["capabilities"], json!([]));
        assert_eq!(parcel.plugin_name(), format!("stackctl/agent-prod:{tag}"));
        let socket = super::super::socket_on_host(&cluster, Path::new("/var/run/docker.sock"), tag);
        assert_eq!(socket, Path::new(&format!("/var/run/stackctl/prod/{tag}.sock")));
        assert!(config.get("propagatedMount").is_none(), "{config}");
    }

    #[test]
    fn other_rights_are_another_agent_with_mounts_that_the_host_sees() {
        let (cluster, program, rights) = (ClusterName::unchecked("prod"), program(), Rights::of_agents());
        let engine = Path::new("/var/run/docker.sock");
        let parcel = Parcel { cluster: &cluster, program: &program, rights: &rights, engine };
        let plain = Parcel { rights: &Rights::default(), ..parcel.clone() };
        assert_eq!(parcel.mark(), format!("{}-{}", plain.mark(), rights.word()));
        assert!(
            parcel.plugin_name() != plain.plugin_name() && parcel.container_name() != plain.container_name()
        );
        let config: Value =
            serde_json::from_slice(&content(&parcel.plugin().unwrap())["config.json"].1).unwrap();
        assert_eq!(config["linux"]["capabilities"], json!(["CAP_SYS_ADMIN"]));
        assert_eq!(config["mounts"][0]["options"], json!(["rbind", "rw", "rshared"]));
        assert_eq!(config["propagatedMount"], "/propagated");
        assert_eq!(config["env"][3]["value"], rights.word());
        assert!(config["entrypoint"].to_string().contains(&format!("/{}.sock", parcel.mark())));
        let host = &parcel.container()["HostConfig"];
        assert_eq!(host["Mounts"][0]["BindOptions"]["Propagation"], "rshared");
        assert_eq!(
            (&host["CapAdd"], &host["SecurityOpt"]),
            (&json!(["CAP_SYS_ADMIN"]), &json!(["apparmor=unconfined"]))
        );
        assert_eq!(secrets::CLUSTER_LABEL, labels::CLUSTER);
        assert_eq!(secrets::PLACE_LABELS, [labels::STACK, labels::SERVICE, labels::SLOT]);
        assert_eq!(secrets::TASK_LABEL, labels::TASK, "by which an agent knows whose secrets are used");
        assert_eq!(rights.words(), ["CAP_SYS_ADMIN", "mounts that the host sees", "the host's network"]);
        assert_eq!((&config["network"]["type"], &host["NetworkMode"]), (&json!("host"), &json!("host")));
    }

    #[test]
    fn an_image_is_one_layer_whose_digests_are_right() {
        let (cluster, program) = (ClusterName::unchecked("Prod"), program());
        let rights = Rights {
            host_network: true,
            host_processes: true,
            capabilities: vec!["NET_ADMIN".into()],
            ..Rights::default()
        };
        let engine = Path::new("/run/user/1000/docker.sock");
        let parcel = Parcel { cluster: &cluster, program: &program, rights: &rights, engine };
        let all = content(&parcel.image_archive().unwrap());
        let manifest: Value = serde_json::from_slice(&all["manifest.json"].1).unwrap();
        let config = &all[manifest[0]["Config"].as_str().unwrap()].1;
        let config: Value = serde_json::from_slice(config).unwrap();
        let layer = &all["layer.tar"].1;
        assert_eq!(config["rootfs"]["diff_ids"][0], format!("sha256:{}", sha256_hex(layer)));
        assert_eq!(config["architecture"], "amd64");
        assert_eq!(content(layer)["stackctl"], (0o755, b"a program".to_vec()));
        let asked = parcel.container();
        assert_eq!(asked["Image"], manifest[0]["RepoTags"][0]);
        let host = &asked["HostConfig"];
        assert_eq!((&host["NetworkMode"], &host["PidMode"]), (&json!("host"), &json!("host")));
        assert_eq!(host["Mounts"][0]["Source"], "/run/user/1000");
        assert_eq!(asked["Labels"][labels::AGENT_CLUSTER], "Prod");
        assert!(asked["Labels"].get(labels::CLUSTER).is_none(), "it is no task");
    }
}
