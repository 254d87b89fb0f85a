//! Contexts of docker's client as addresses: `context://NAME` is where the context NAME leads.
//!
//! Docker keeps each context in a folder named by the hash of its name, as JSON with the address of its engine, and
//! certificates for `tcp://` in other folders, which stackctl never reads. [`load`](super::load) knows where the files
//! are; here they are text. Messages show only the scheme of an address, because people put passwords into addresses.

use std::io;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::Address;
use crate::model::ids::sha256_hex;

/// The prefix of an address that names a context.
pub(super) const SCHEME: &str = "context://";

/// Reads what docker keeps of a context, by its name. `None` where contexts cannot be named.
pub type Contexts<'a> = Option<&'a dyn Fn(&str) -> io::Result<Vec<u8>>>;

/// Why a context is no address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum ContextError {
    #[error("only the inventory can name a context")]
    NotHere,
    #[error("`context://` needs the name of a context")]
    Nameless,
    #[error("`default` means the engine that docker uses without a context")]
    Default,
    #[error("docker has no context of this name")]
    Missing,
    #[error("docker's file of this context cannot be read: {0}")]
    Unreadable(io::ErrorKind),
    #[error("docker's file of this context is invalid")]
    Broken,
    #[error("this context has no address of an engine")]
    NoEndpoint,
    #[error("this context uses `tcp://`, and stackctl does not support certificates yet")]
    Tcp,
    #[error("this context uses neither ssh nor a socket of this machine")]
    Scheme,
    #[error("the address in this context is invalid")]
    BadAddress,
}

impl ContextError {
    /// What to do about it.
    pub(super) fn help(&self) -> &'static str {
        match self {
            Self::NotHere => "write the address itself",
            Self::Default => "write the engine's own address: `unix:///var/run/docker.sock`",
            Self::Nameless | Self::Missing => {
                "`docker context ls` lists contexts; a name without `context://` is an alias of the ssh config"
            }
            Self::Unreadable(_) | Self::Broken | Self::NoEndpoint | Self::BadAddress => {
                "`docker context inspect NAME` shows it; make it again, or write the address itself"
            }
            Self::Tcp | Self::Scheme => {
                "make one that goes by ssh: `docker context create NAME --docker host=ssh://root@10.0.0.1`"
            }
        }
    }
}

#[derive(Deserialize)]
struct Meta {
    #[serde(rename = "Endpoints")]
    endpoints: Endpoints,
}

#[derive(Deserialize)]
struct Endpoints {
    docker: Option<Endpoint>,
}

#[derive(Deserialize)]
struct Endpoint {
    #[serde(rename = "Host", default)]
    host: String,
}

/// The file that docker keeps of a context, below the folder of its client's configuration.
pub(super) fn file(config: &Path, name: &str) -> PathBuf {
    config.join("contexts").join("meta").join(sha256_hex(name.as_bytes())).join("meta.json")
}

/// Where a context leads.
pub(super) fn address(name: &str, contexts: Contexts<'_>) -> Result<Address, ContextError> {
    let read = contexts.ok_or(ContextError::NotHere)?;
    match name {
        "" => return Err(ContextError::Nameless),
        "default" => return Err(ContextError::Default),
        _ => {}
    }
    let text = read(name).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => ContextError::Missing,
        kind => ContextError::Unreadable(kind),
    })?;
    let meta: Meta = serde_json::from_slice(&text).map_err(|_| ContextError::Broken)?;
    let host = meta.endpoints.docker.map(|docker| docker.host).unwrap_or_default();
    match host.split_once("://").map(|(scheme, _)| scheme) {
        _ if host.is_empty() => Err(ContextError::NoEndpoint),
        Some("ssh" | "unix") => Address::parse(&host).map_err(|_| ContextError::BadAddress),
        Some("tcp" | "http" | "https") => Err(ContextError::Tcp),
        Some(_) => Err(ContextError::Scheme),
        None => Err(ContextError::BadAddress),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(meta: &str) -> Result<String, ContextError> {
        let read = |name: &str| match name {
            "lab" => Ok(meta.as_bytes().to_vec()),
            "locked" => Err(io::ErrorKind::PermissionDenied.into()),
            _ => Err(io::ErrorKind::NotFound.into()),
        };
        address("lab", Some(&read)).map(|address| address.to_string())
    }

    fn host(host: &str) -> Result<String, ContextError> {
        // As docker 29 writes it.
        of(&format!(
            "{{\"Name\":\"lab\",\"Metadata\":{{\"Description\":\"\"}},\"Endpoints\":{{\"docker\":{{\"Host\":\"{host}\",\
             \"SkipTLSVerify\":false}}}}}}"
        ))
    }

    #[test]
    fn a_context_leads_to_its_engine() {
        assert_eq!(host("ssh://root@10.0.0.1:2222").unwrap(), "ssh://root@10.0.0.1:2222");
        assert_eq!(host("unix:///run/user/1000/docker.sock").unwrap(), "unix:///run/user/1000/docker.sock");
    }

    #[test]
    fn docker_calls_its_folders_by_a_hash() {
        let hash = "a51146d38077ff992eba84cf1d5e9b249073503eb74868699016153b031a38f7";
        let expected = PathBuf::from(format!("/d/contexts/meta/{hash}/meta.json"));
        assert_eq!(file(Path::new("/d"), "lab"), expected);
    }

    #[test]
    fn what_leads_nowhere_is_told_without_what_is_in_it() {
        for (meta, why) in [
            ("", ContextError::Broken),
            ("{\"Name\": \"lab\"}", ContextError::Broken),
            ("{\"Endpoints\": {\"docker\": \"Hunter2\"}}", ContextError::Broken),
            ("{\"Endpoints\": {}}", ContextError::NoEndpoint),
            ("{\"Endpoints\": {\"docker\": {}}}", ContextError::NoEndpoint),
        ] {
            assert_eq!(of(meta), Err(why), "{meta}");
        }
        for (address, why) in [
            ("tcp://me:Hunter2@10.0.0.1:2376", ContextError::Tcp),
            ("npipe:////./pipe/docker_engine", ContextError::Scheme),
            ("ssh://me:Hunter2@10.0.0.1", ContextError::BadAddress),
            ("ssh://10.0.0.1/run/d.sock", ContextError::BadAddress),
            ("unix://d.sock", ContextError::BadAddress),
            ("10.0.0.1", ContextError::BadAddress),
        ] {
            let error = host(address).unwrap_err();
            assert_eq!(error, why, "{address}");
            assert!(!format!("{error} {error:?} {}", error.help()).contains("Hunter2"));
        }
        let read = |name: &str| {
            let kind = if name == "gone" { io::ErrorKind::NotFound } else { io::ErrorKind::PermissionDenied };
            Err(kind.into())
        };
        let error = |name, contexts| address(name, contexts).unwrap_err();
        assert_eq!(error("gone", Some(&read)), ContextError::Missing);
        assert_eq!(error("x", Some(&read)), ContextError::Unreadable(io::ErrorKind::PermissionDenied));
        assert_eq!(error("default", Some(&read)), ContextError::Default);
        assert_eq!(error("", Some(&read)), ContextError::Nameless);
        assert_eq!(error("lab", None), ContextError::NotHere);
    }
}
