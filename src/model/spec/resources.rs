//! What a stack has besides its services: networks, volumes, configs, secrets.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::is_default;
use crate::model::ids::SpecHash;

/// A network of the stack.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct NetworkSpec {
    /// Full name: `<stack>_<key>`, or the `name:` given, or the external name.
    pub name: String,
    /// Not ours: it must exist on every node that needs it.
    #[serde(skip_serializing_if = "is_default")]
    pub external: bool,
    /// Driver as written; `overlay` (the default) becomes a bridge on each node for now.
    #[serde(skip_serializing_if = "is_default")]
    pub driver: Option<String>,
    #[serde(skip_serializing_if = "is_default")]
    pub driver_opts: BTreeMap<String, String>,
    /// Address pools.
    #[serde(skip_serializing_if = "is_default")]
    pub ipam: Ipam,
    /// No way out.
    #[serde(skip_serializing_if = "is_default")]
    pub internal: bool,
    /// Other containers may join.
    #[serde(skip_serializing_if = "is_default")]
    pub attachable: bool,
    /// IPv6 as well.
    #[serde(skip_serializing_if = "is_default")]
    pub enable_ipv6: bool,
    #[serde(skip_serializing_if = "is_default")]
    pub labels: BTreeMap<String, String>,
}

impl NetworkSpec {
    /// The hash by which a node's network is known to be up to date.
    #[must_use]
    pub fn hash(&self) -> SpecHash {
        SpecHash::of(serde_json::to_string(self).expect("string keys").as_bytes())
    }
}

/// Address management of a network.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Ipam {
    #[serde(skip_serializing_if = "is_default")]
    pub driver: Option<String>,
    #[serde(skip_serializing_if = "is_default")]
    pub config: Vec<IpamPool>,
}

/// One address pool.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct IpamPool {
    /// CIDR.
    #[serde(skip_serializing_if = "is_default")]
    pub subnet: Option<String>,
    /// CIDR inside the subnet.
    #[serde(skip_serializing_if = "is_default")]
    pub ip_range: Option<String>,
    #[serde(skip_serializing_if = "is_default")]
    pub gateway: Option<String>,
}

/// A named volume of the stack.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct VolumeSpec {
    /// Full name.
    pub name: String,
    /// Not ours: it must exist on every node that needs it.
    #[serde(skip_serializing_if = "is_default")]
    pub external: bool,
    /// Driver; the engine's default is `local`.
    #[serde(skip_serializing_if = "is_default")]
    pub driver: Option<String>,
    #[serde(skip_serializing_if = "is_default")]
    pub driver_opts: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "is_default")]
    pub labels: BTreeMap<String, String>,
}

/// A config: a file's content under a name. Two are equal if their digests are, whether their contents are at hand or
/// not.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ConfigSpec {
    /// Full name.
    pub name: String,
    /// Made elsewhere: its content is not known here.
    #[serde(default, skip_serializing_if = "is_default")]
    pub external: bool,
    /// SHA-256 of the content, in hex; empty if it is external.
    pub digest: String,
    /// The content itself; `None` if it is external, or of a release whose contents were not read. Not serialised: it
    /// may be large, and plans are printed.
    #[serde(skip)]
    pub content: Option<Arc<[u8]>>,
    #[serde(default, skip_serializing_if = "is_default")]
    pub labels: BTreeMap<String, String>,
    /// `golang` expands the content for each task.
    #[serde(default, skip_serializing_if = "is_default")]
    pub template_driver: Option<String>,
}

impl PartialEq for ConfigSpec {
    fn eq(&self, other: &Self) -> bool {
        let Self { name, external, digest, content: _, labels, template_driver } = self;
        *name == other.name
            && *external == other.external
            && *digest == other.digest
            && *labels == other.labels
            && *template_driver == other.template_driver
    }
}

impl Eq for ConfigSpec {}

/// Why it is not known which version of a secret is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoVersion {
    /// A sentence without its end.
    pub why: String,
    /// What to do about it.
    pub help: String,
}

/// A secret. Only that it exists, where it comes from, and which version it is: never what it is.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct SecretSpec {
    /// Full name.
    pub name: String,
    /// Made elsewhere.
    #[serde(skip_serializing_if = "is_default")]
    pub external: bool,
    /// A [keyed digest](crate::model::MarkKey::of_secret) of its value; empty as long as that was compared with nothing.
    #[serde(skip_serializing_if = "is_default")]
    pub version: String,
    /// Why there is no version, if one was looked for.
    #[serde(skip)]
    pub unknown: Option<Arc<NoVersion>>,
    /// File it is read from, as written.
    #[serde(skip_serializing_if = "is_default")]
    pub file: Option<String>,
    /// Environment variable it is read from.
    #[serde(skip_serializing_if = "is_default")]
    pub environment: Option<String>,
    #[serde(skip_serializing_if = "is_default")]
    pub driver: Option<String>,
    #[serde(skip_serializing_if = "is_default")]
    pub driver_opts: BTreeMap<String, String>,
    /// `golang` expands the content for each task.
    #[serde(skip_serializing_if = "is_default")]
    pub template_driver: Option<String>,
    #[serde(skip_serializing_if = "is_default")]
    pub labels: BTreeMap<String, String>,
}
