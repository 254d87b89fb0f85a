//! Ports of nodes, and which of them clash.

use std::fmt;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::is_default;

/// A port of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct HostPort {
    /// 1 to 65535.
    pub number: u16,
    /// Which protocol's port space.
    pub protocol: Protocol,
    /// One address of the host, or `None` for all.
    pub ip: Option<IpAddr>,
}

impl HostPort {
    /// Whether both cannot be bound on one node.
    #[must_use]
    pub fn clashes_with(&self, other: &Self) -> bool {
        let any = |ip: Option<IpAddr>| ip.is_none_or(|ip| ip.is_unspecified());
        self.number == other.number
            && self.protocol == other.protocol
            && (any(self.ip) || any(other.ip) || self.ip == other.ip)
    }
}

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.ip {
            Some(ip @ IpAddr::V6(_)) => write!(f, "[{ip}]:{}/{}", self.number, self.protocol),
            Some(ip) => write!(f, "{ip}:{}/{}", self.number, self.protocol),
            None => write!(f, "{}/{}", self.number, self.protocol),
        }
    }
}

/// Transport protocol of a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    #[default]
    Tcp,
    Udp,
    Sctp,
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::Sctp => "sctp",
        })
    }
}

/// How a port is published.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PublishMode {
    /// On every node of the cluster, once there is a mesh; today on nodes with a task.
    #[default]
    Ingress,
    /// On nodes with a task.
    Host,
}

/// A published port.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Port {
    /// Port of the host; `None` lets the engine choose one.
    #[serde(default, skip_serializing_if = "is_default")]
    pub published: Option<u16>,
    /// Port of the container.
    pub target: u16,
    #[serde(default)]
    pub protocol: Protocol,
    #[serde(default)]
    pub mode: PublishMode,
    /// One address of the host, or all.
    #[serde(default, skip_serializing_if = "is_default")]
    pub host_ip: Option<IpAddr>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_clash_by_number_protocol_and_address() {
        let port = |number, protocol, ip: Option<&str>| HostPort {
            number,
            protocol,
            ip: ip.map(|ip| ip.parse().unwrap()),
        };
        let all = port(80, Protocol::Tcp, None);
        assert!(all.clashes_with(&port(80, Protocol::Tcp, Some("10.0.0.1"))));
        assert!(!all.clashes_with(&port(80, Protocol::Udp, None)));
        let one = port(80, Protocol::Tcp, Some("10.0.0.1"));
        assert!(!one.clashes_with(&port(80, Protocol::Tcp, Some("10.0.0.2"))));
        assert!(one.clashes_with(&port(80, Protocol::Tcp, Some("0.0.0.0"))));
    }
}
