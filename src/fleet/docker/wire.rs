//! What engines answer, as far as we read it. Everything may be missing, and words are kept as text, so
//! that an engine newer than us is still understood.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer};

#[derive(Debug, Deserialize)]
pub(in crate::fleet) struct ErrorMessage {
    pub message: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(in crate::fleet) struct Version {
    pub version: String,
    pub api_version: String,
    #[serde(rename = "MinAPIVersion")]
    pub min_api_version: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(in crate::fleet) struct Info {
    #[serde(rename = "ID")]
    pub id: String,
    pub name: String,
    #[serde(rename = "OSType")]
    pub os_type: String,
    pub architecture: String,
    #[serde(rename = "NCPU")]
    pub ncpu: i64,
    pub mem_total: i64,
    pub server_version: String,
    pub system_time: String,
    pub docker_root_dir: String,
    #[serde(deserialize_with = "or_default")]
    pub labels: Vec<String>,
    pub plugins: PluginNames,
    pub swarm: Swarm,
    #[serde(deserialize_with = "or_default")]
    pub generic_resources: Vec<GenericResource>,
    #[serde(deserialize_with = "or_default")]
    pub security_options: Vec<String>,
    /// Pairs of words.
    #[serde(deserialize_with = "or_default")]
    pub driver_status: Vec<Vec<String>>,
}

/// A managed plugin.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(in crate::fleet) struct Plugin {
    pub name: String,
    pub enabled: bool,
    pub config: PluginConfig,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(in crate::fleet) struct PluginConfig {
    #[serde(deserialize_with = "or_default")]
    pub env: Vec<PluginVariable>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(in crate::fleet) struct PluginVariable {
    pub name: String,
    #[serde(deserialize_with = "or_default")]
    pub value: String,
}

/// An image of a list.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(in crate::fleet) struct ListedImage {
    #[serde(deserialize_with = "or_default")]
    pub repo_tags: Vec<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(in crate::fleet) struct PluginNames {
    #[serde(deserialize_with = "or_default")]
    pub volume: Vec<String>,
    #[serde(deserialize_with = "or_default")]
    pub network: Vec<String>,
    #[serde(deserialize_with = "or_default")]
    pub log: Vec<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(in crate::fleet) struct Swarm {
    pub local_node_state: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(in crate::fleet) struct GenericResource {
    pub discrete_resource_spec: Option<DiscreteResource>,
    pub named_resource_spec: Option<NamedResource>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(in crate::fleet) struct DiscreteResource {
    pub kind: String,
    pub value: i64,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(in crate::fleet) struct NamedResource {
    pub kind: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(in crate::fleet) struct Container {
    pub id: String,
    #[serde(deserialize_with = "or_default")]
    pub names: Vec<String>,
    /// The image as it was asked for when the container was made.
    pub image: String,
    /// What that was then.
    #[serde(rename = "ImageID")]
    pub image_id: String,
    pub created: i64,
    pub state: String,
    pub status: String,
    #[serde(deserialize_with = "or_default")]
    pub labels: BTreeMap<String, String>,
    #[serde(deserialize_with = "or_default")]
    pub ports: Vec<PublishedPort>,
    #[serde(deserialize_with = "or_default")]
    pub mounts: Vec<MountPoint>,
    /// From API 1.52 on; before, only the status text shows it.
    pub health: Option<HealthSummary>,
}

impl Container {
    /// The name without its slash.
    pub(in crate::fleet) fn name(&self) -> &str {
        // Names with more slashes are links of other containers to this one.
        let own = self.names.iter().map(|name| name.trim_start_matches('/')).find(|name| !name.contains('/'));
        own.unwrap_or(&self.id)
    }
}

/// What a container has mounted; the name is a volume's.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(in crate::fleet) struct MountPoint {
    #[serde(rename = "Type")]
    pub kind: String,
    pub name: String,
    pub source: String,
    pub destination: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(in crate::fleet) struct HealthSummary {
    pub status: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(in crate::fleet) struct PublishedPort {
    #[serde(rename = "IP")]
    pub ip: Option<String>,
    pub private_port: u16,
    pub public_port: Option<u16>,
    #[serde(rename = "Type")]
    pub protocol: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(in crate::fleet) struct Network {
    pub name: String,
    pub id: String,
    pub driver: String,
    #[serde(deserialize_with = "or_default")]
    pub labels: BTreeMap<String, String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(in crate::fleet) struct Volumes {
    #[serde(deserialize_with = "or_default")]
    pub volumes: Vec<Volume>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(in crate::fleet) struct Volume {
    pub name: String,
    pub driver: String,
    pub created_at: String,
    #[serde(deserialize_with = "or_default")]
    pub labels: BTreeMap<String, String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(in crate::fleet) struct Image {
    pub id: String,
    #[serde(deserialize_with = "or_default")]
    pub repo_tags: Vec<String>,
    #[serde(deserialize_with = "or_default")]
    pub repo_digests: Vec<String>,
    pub size: i64,
    pub created: i64,
}

/// One image, as it is inspected.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(in crate::fleet) struct ImageInspect {
    pub id: String,
    #[serde(rename = "RootFS")]
    pub root_fs: ImageRootFs,
    /// From API 1.48 on, if they are asked for.
    #[serde(deserialize_with = "or_default")]
    pub manifests: Vec<ImageManifest>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(in crate::fleet) struct ImageRootFs {
    #[serde(deserialize_with = "or_default")]
    pub layers: Vec<String>,
}

/// A manifest of an image, and whether all that it names is there.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(in crate::fleet) struct ImageManifest {
    pub available: bool,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(in crate::fleet) struct Inspect {
    pub id: String,
    pub created: String,
    pub state: InspectState,
    pub config: InspectConfig,
    pub restart_count: i64,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(in crate::fleet) struct InspectState {
    pub status: String,
    pub exit_code: i64,
    pub error: String,
    #[serde(rename = "OOMKilled")]
    pub oom_killed: bool,
    pub started_at: String,
    pub finished_at: String,
    pub health: Option<InspectHealth>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(in crate::fleet) struct InspectHealth {
    pub status: String,
    #[serde(deserialize_with = "or_default")]
    pub log: Vec<HealthResult>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(in crate::fleet) struct HealthResult {
    pub exit_code: i64,
    pub output: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(in crate::fleet) struct InspectConfig {
    pub tty: bool,
    pub stop_timeout: Option<u64>,
    /// Those that the image declares.
    #[serde(deserialize_with = "or_default")]
    pub volumes: BTreeMap<String, serde_json::Value>,
    #[serde(deserialize_with = "or_default")]
    pub labels: BTreeMap<String, String>,
}

/// A command in a container.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(in crate::fleet) struct Exec {
    pub running: bool,
    pub exit_code: Option<i64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(in crate::fleet) struct Created {
    pub id: String,
    #[serde(deserialize_with = "or_default")]
    pub warnings: Vec<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(in crate::fleet) struct Distribution {
    pub descriptor: Descriptor,
    #[serde(deserialize_with = "or_default")]
    pub platforms: Vec<DistributionPlatform>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(in crate::fleet) struct Descriptor {
    pub digest: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(in crate::fleet) struct DistributionPlatform {
    pub os: String,
    pub architecture: String,
}

/// One line of a pull or a load.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(in crate::fleet) struct PullLine {
    pub error: Option<String>,
    /// What a load says.
    pub stream: String,
    pub status: String,
    /// Of the layer.
    pub id: String,
    #[serde(deserialize_with = "or_default")]
    pub progress_detail: PullDetail,
}

/// How far a layer has come.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(in crate::fleet) struct PullDetail {
    pub current: i64,
    pub total: i64,
}

/// Go writes an empty list or map as `null`.
fn or_default<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(from: D) -> Result<T, D::Error> {
    Ok(Option::<T>::deserialize(from)?.unwrap_or_default())
}
