//! Where agents of other hosts reach a host: the address that the inventory gives for that, or the one that ssh has.

use std::net::IpAddr;

use super::Fleet;
use super::ssh::Target;
use crate::model::NodeName;

impl Fleet {
    /// The address of a host for agents of other hosts; in words why none is known.
    ///
    /// # Errors
    ///
    /// None is given, and the host's own is none that is known here.
    pub async fn data_address(&self, node: &NodeName) -> Result<IpAddr, String> {
        let entry = self.entry(node).ok_or_else(|| "there is no such host".to_owned())?;
        if let Some(address) = entry.data_address {
            return Ok(address);
        }
        let none = |why: &str| format!("{why}: write its `data_address:` in the inventory");
        let Some(target) = Target::of(&entry.address) else {
            return Err(none("it is reached by a socket of this machine"));
        };
        if let Ok(address) = target.host.parse::<IpAddr>() {
            return usable(address).ok_or_else(|| none("its address leads nowhere else"));
        }
        let name = self.inner.dialer.host_name(&target).await.unwrap_or(target.host);
        let found = tokio::net::lookup_host((name.as_str(), 0)).await;
        let first = found.ok().and_then(|mut all| all.find_map(|at| usable(at.ip())));
        first.ok_or_else(|| none("no address of it is known here"))
    }
}

/// An address at which another machine can reach it.
fn usable(address: IpAddr) -> Option<IpAddr> {
    let address = address.to_canonical();
    let is_local = match address {
        IpAddr::V4(v4) => v4.is_link_local(),
        // One of a link alone needs the name of an interface, too.
        IpAddr::V6(v6) => v6.is_unicast_link_local(),
    };
    (!address.is_loopback() && !address.is_unspecified() && !is_local).then_some(address)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_that_others_reach_are_used() {
        let of = |text: &str| usable(text.parse().unwrap()).map(|address| address.to_string());
        assert_eq!(of("10.0.0.1").as_deref(), Some("10.0.0.1"));
        assert_eq!(of("::ffff:10.0.0.1").as_deref(), Some("10.0.0.1"));
        assert_eq!(of("fd00::1").as_deref(), Some("fd00::1"));
        for text in ["127.0.0.1", "::1", "0.0.0.0", "fe80::1", "169.254.0.1"] {
            assert_eq!(of(text), None, "{text}");
        }
    }
}
