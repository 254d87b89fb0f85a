//! Why there is no inventory, and which ones exist.

use std::path::PathBuf;

use miette::Diagnostic;
use thiserror::Error;

use crate::model::address;
use crate::yaml::Report;

use super::{FILE, VARIABLE};

/// Why there is no inventory.
#[derive(Debug, Error, Diagnostic)]
pub enum InventoryError {
    /// A named file cannot be read.
    #[error("the inventory {} cannot be read: {words}", path.display())]
    #[diagnostic(
        code(stackctl::inventory::unreadable),
        help(
            "name another with `-i FILE` or {VARIABLE}, or write one: `hosts: {{h1: \"ssh://root@10.0.0.1\"}}`"
        )
    )]
    Unreadable { path: PathBuf, words: String },
    /// Mistakes in the file.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Faults(#[from] Report),
    /// None of the user's inventories belongs to the named cluster.
    #[error("no inventory in {} belongs to cluster `{name}`", folder.display())]
    #[diagnostic(code(stackctl::inventory::unknown_cluster), help("{}", ClusterFile::listed(known)))]
    UnknownCluster {
        name: String,
        folder: PathBuf,
        /// Those that there are.
        known: Vec<ClusterFile>,
    },
    /// Several of them do.
    #[error("{} inventories in {} belong to cluster `{name}`", files.len(), folder.display())]
    #[diagnostic(
        code(stackctl::inventory::ambiguous_cluster),
        help("name one of them with `-i FILE`; {}", ClusterFile::listed(known))
    )]
    AmbiguousCluster {
        name: String,
        folder: PathBuf,
        /// Those of the name.
        files: Vec<PathBuf>,
        /// All that there are.
        known: Vec<ClusterFile>,
    },
    /// An unsupported `DOCKER_HOST`; a fallback to another engine would be dangerous.
    #[error("DOCKER_HOST is `{}`, but stackctl supports only ssh:// and unix://", address::shown(value))]
    #[diagnostic(
        code(stackctl::inventory::bad_docker_host),
        help("unset DOCKER_HOST, or name the hosts in ./{FILE}")
    )]
    BadDockerHost { value: String },
}

/// An inventory of the user's configuration.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ClusterFile {
    /// The cluster it is of; `None` if the file cannot be read so far.
    pub cluster: Option<String>,
    pub file: PathBuf,
}

impl ClusterFile {
    /// What there is, for a person: `lab (lab.yml), prod (stackctl.yml)`.
    #[must_use]
    pub fn listed(known: &[Self]) -> String {
        let file = |one: &Self| one.file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let mut named: Vec<String> = known
            .iter()
            .filter_map(|one| Some(format!("`{}` ({})", one.cluster.as_ref()?, file(one))))
            .collect();
        named.extend(
            known
                .iter()
                .filter(|one| one.cluster.is_none())
                .map(|one| format!("{} cannot be read", file(one))),
        );
        match named.is_empty() {
            true => "it has no inventories: write one there, with `cluster: NAME` at its top".to_owned(),
            false => format!("there are: {}", named.join(", ")),
        }
    }
}
