//! The inventory: the hosts of the cluster, their addresses and settings.
//!
//! [`parse()`] turns text into an [`Inventory`] and reports all mistakes at once; [`load`] finds the file. Without a
//! file there is one host, the local engine, so that a laptop needs no inventory.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;

use crate::ledger::place::{LedgerPlace, PasswordFrom};
use crate::model::node::{Availability, Member, Role};
use crate::model::spec::Strategy;
use crate::model::{ClusterName, NodeName};

mod clusters;
mod contexts;
pub mod drivers;
mod error;
mod find;
mod hosts;
pub mod notifications;
mod parse;
pub mod private;
pub mod range;
mod sources;
pub mod trust;

pub use clusters::{by_cluster, clusters};
pub use contexts::Contexts;
pub use error::{ClusterFile, InventoryError};
pub use find::{Env, find, load, local};
pub use parse::{parse, parse_found, parse_with};
pub use sources::{Source, SourceKind};

/// The file's name in a folder.
pub const FILE: &str = "stackctl.yml";
/// The variable that names it.
pub const VARIABLE: &str = "STACKCTL_INVENTORY";
/// The default socket of the engine.
pub const DEFAULT_SOCKET: &str = "/var/run/docker.sock";

/// The hosts of one cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inventory {
    /// The file it came from; `None` is the one local engine.
    pub file: Option<PathBuf>,
    pub cluster: ClusterName,
    /// Configuration for ssh instead of the user's own.
    pub ssh_config: Option<PathBuf>,
    /// What to do about host keys.
    pub known_hosts: KnownHosts,
    /// Where host keys are looked up, instead of the user's own file.
    pub known_hosts_file: Option<PathBuf>,
    /// Ended tasks kept for each slot, where set.
    pub task_history: Option<u32>,
    /// The placement strategy of services without one.
    pub strategy: Option<Strategy>,
    /// Where the ledger is.
    pub ledger: LedgerPlace,
    /// Whether hosts may get an agent.
    pub agents: Agents,
    /// Where agents listen for each other.
    pub agent_port: u16,
    /// Stores that stackfiles may have values of secrets from, by the names that they use.
    pub drivers: BTreeMap<String, drivers::Driver>,
    /// Receivers of notifications.
    pub notifications: Vec<notifications::Notification>,
    /// The hosts by node name.
    pub hosts: BTreeMap<NodeName, HostEntry>,
    /// Sources of more hosts.
    pub discover: Vec<Source>,
}

impl Inventory {
    /// Variables of the environment that hold passwords, tokens and keys, by what is written here: no program that is started
    /// has a use for them.
    pub fn secret_variables(&self) -> impl Iterator<Item = &str> {
        let sources = self.discover.iter().filter_map(|source| source.kind.secret());
        let opened = self.ledger.secret().into_iter().chain(sources).filter_map(PasswordFrom::variable);
        let signed = self.notifications.iter().filter_map(|one| match &one.target {
            notifications::Target::Webhook {
                secret: Some(notifications::Secret::Variable(name)), ..
            } => Some(name.as_str()),
            notifications::Target::Webhook { .. } | notifications::Target::Command(_) => None,
        });
        opened.chain(signed)
    }
}

/// Where agents listen for each other, if the inventory says nothing else.
pub const AGENT_PORT: u16 = 4795;

/// Whether a program that stays, with root's rights, may be brought to hosts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Agents {
    /// The user is asked at a terminal, whatever flags say; otherwise nothing is brought.
    #[default]
    Ask,
    /// The inventory is the consent.
    Auto,
    /// No host gets one.
    Off,
}

/// What to do about host keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum KnownHosts {
    /// Connect only to hosts whose key is known.
    #[default]
    Strict,
    /// Accept the key of a new host, refuse a changed key.
    AcceptNew,
    /// Accept every key, record none.
    Off,
}

/// One host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostEntry {
    /// Its node.
    pub member: Member,
    /// How it is reached.
    pub address: Address,
    /// The engine's socket on that host.
    pub docker_socket: PathBuf,
    /// What makes sure that the host is off.
    pub fence: Option<FenceCommand>,
    /// Where agents of other hosts reach it, if not at its address.
    pub data_address: Option<IpAddr>,
}

/// A command that makes sure that a host is off: its status 0 says so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FenceCommand {
    /// It, and its arguments.
    pub argv: Vec<String>,
    /// Where it runs: the inventory's folder.
    pub folder: PathBuf,
}

/// How a host is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// By ssh; parts that are not given come from the ssh config.
    Ssh {
        user: Option<String>,
        /// Name, address, or alias of the ssh config.
        host: String,
        port: Option<u16>,
    },
    /// An engine on this machine.
    Unix(PathBuf),
}

/// Why a text is no address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// Nothing there.
    #[error("the address is empty")]
    Empty,
    /// A scheme that is not `ssh` or `unix`.
    #[error("`{0}://` is not a way to reach a host")]
    UnknownScheme(String),
    /// After the last colon there is no port.
    #[error("`{0}` is not a port")]
    BadPort(String),
    /// `unix://` wants an absolute path.
    #[error("a socket needs an absolute path")]
    RelativeSocket,
    /// Characters that no host or user name has; a leading `-` would be an option for ssh.
    #[error("`{0}` is not a host or user name")]
    BadName(String),
    /// `ssh://user:password@host`: ssh takes none, and messages with the address would show it.
    #[error("an ssh address has no password")]
    Password,
    /// `ssh://host/path`.
    #[error("an ssh address has no path")]
    Path,
}

impl Address {
    /// Reads `ssh://user@host:port`, `unix:///path`, `user@host` or an alias of the ssh config.
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        let (scheme, rest) = text.split_once("://").unwrap_or(("", text));
        match scheme {
            "unix" if rest.starts_with('/') => Ok(Self::Unix(PathBuf::from(rest))),
            "unix" => Err(AddressError::RelativeSocket),
            "ssh" => Self::parse_ssh(rest.strip_suffix('/').unwrap_or(rest)),
            // An alias has no port.
            "" => {
                let (user, host) = split_user(rest)?;
                Ok(Self::Ssh { user, host: checked_name(host)?, port: None })
            }
            other => Err(AddressError::UnknownScheme(other.to_owned())),
        }
    }

    fn parse_ssh(rest: &str) -> Result<Self, AddressError> {
        if rest.contains('/') {
            return Err(AddressError::Path);
        }
        let (user, rest) = split_user(rest)?;
        let (host, port) = match rest.strip_prefix('[').and_then(|inner| inner.split_once(']')) {
            Some((host, after)) => (host, after.strip_prefix(':')),
            None => match rest.split_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (rest, None),
            },
        };
        let number = |text: &str| match text.parse() {
            Ok(0) | Err(_) => Err(AddressError::BadPort(text.to_owned())),
            Ok(port) => Ok(port),
        };
        let port = port.map(number).transpose()?;
        Ok(Self::Ssh { user, host: checked_name(host)?, port })
    }
}

fn split_user(text: &str) -> Result<(Option<String>, &str), AddressError> {
    match text.rsplit_once('@') {
        // No user has a colon in the name.
        Some((user, _)) if user.contains(':') => Err(AddressError::Password),
        Some((user, host)) => Ok((Some(checked_name(user)?), host)),
        None => Ok((None, text)),
    }
}

fn checked_name(text: &str) -> Result<String, AddressError> {
    let fits = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.' | ':' | '%' | '+' | '\\');
    if text.is_empty() {
        return Err(AddressError::Empty);
    }
    if text.starts_with('-') || !text.chars().all(fits) {
        return Err(AddressError::BadName(text.to_owned()));
    }
    Ok(text.to_owned())
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix://{}", path.display()),
            Self::Ssh { user, host, port } => {
                f.write_str("ssh://")?;
                if let Some(user) = user {
                    write!(f, "{user}@")?;
                }
                if host.contains(':') {
                    write!(f, "[{host}]")?
                } else {
                    f.write_str(host)?
                }
                port.map_or(Ok(()), |port| write!(f, ":{port}"))
            }
        }
    }
}

impl Inventory {
    /// One engine without a file: node `local`, a manager of cluster `default`.
    #[must_use]
    pub fn local(address: Address) -> Self {
        let name = NodeName::unchecked("local");
        let member = Member {
            name: name.clone(),
            address: address.to_string(),
            role: Role::Manager,
            labels: BTreeMap::new(),
            availability: Availability::Active,
            abandons_data: false,
            found_by: None,
        };
        let entry = HostEntry {
            member,
            address,
            docker_socket: PathBuf::from(DEFAULT_SOCKET),
            fence: None,
            data_address: None,
        };
        Self {
            file: None,
            cluster: ClusterName::unchecked("default"),
            ssh_config: None,
            known_hosts: KnownHosts::default(),
            known_hosts_file: None,
            task_history: None,
            strategy: None,
            ledger: LedgerPlace::default(),
            agents: Agents::default(),
            agent_port: AGENT_PORT,
            drivers: BTreeMap::new(),
            notifications: Vec::new(),
            hosts: BTreeMap::from([(name, entry)]),
            discover: Vec::new(),
        }
    }

    /// The members, by name.
    pub fn members(&self) -> impl Iterator<Item = &Member> {
        self.hosts.values().map(|entry| &entry.member)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_and_printed() {
        for (text, printed) in [
            ("ssh://root@10.0.0.1:22", "ssh://root@10.0.0.1:22"),
            ("ssh://h1", "ssh://h1"),
            ("ssh://h1/", "ssh://h1"),
            ("ssh://root@[fe80::1]:2222", "ssh://root@[fe80::1]:2222"),
            ("h2", "ssh://h2"),
            ("deploy@h2", "ssh://deploy@h2"),
            ("unix:///var/run/docker.sock", "unix:///var/run/docker.sock"),
        ] {
            assert_eq!(Address::parse(text).unwrap().to_string(), printed);
        }
    }

    #[test]
    fn what_is_no_address_is_refused() {
        use AddressError::{BadName, BadPort, Empty, Path, RelativeSocket, UnknownScheme};
        for (text, error) in [
            ("", Empty),
            ("ssh://", Empty),
            ("tcp://h1:2375", UnknownScheme("tcp".into())),
            ("ssh://h1:ssh", BadPort("ssh".into())),
            ("ssh://h1:0", BadPort("0".into())),
            ("unix://docker.sock", RelativeSocket),
            ("-oProxyCommand=x", BadName("-oProxyCommand=x".into())),
            ("ssh://-l@h1", BadName("-l".into())),
            ("ssh://h1/var/run", Path),
            ("ssh://ann:hush@h1", AddressError::Password),
            ("ann:hush@h1", AddressError::Password),
            ("h 1", BadName("h 1".into())),
        ] {
            assert_eq!(Address::parse(text), Err(error), "{text}");
        }
    }
}
