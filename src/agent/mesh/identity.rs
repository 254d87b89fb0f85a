//! Who an agent is, on its disk: so that it is the same after the host was off. No secret of a task is ever there.

use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::time::Duration;

use crate::agent::join::{Join, List, Peer};
use crate::http::mutual::Mutual;
use crate::model::Timestamp;

/// What an agent is, ready to speak.
#[derive(Debug)]
pub struct Identity {
    pub join: Join,
    pub tls: Mutual,
    /// Its list of agents, if the authority vouches for it: the certificates of earlier versions have nothing of lists.
    pub list: Option<List>,
}

impl Identity {
    /// Of what a client says.
    ///
    /// # Errors
    ///
    /// Certificate, key and authority do not belong together, or an address is given twice. The words have nothing of the
    /// key in them.
    pub fn of(join: Join) -> Result<Self, String> {
        let tls = Mutual::of(join.authority.as_bytes(), join.certificate.as_bytes(), join.key.pem());
        let tls = tls.map_err(|error| error.to_string())?;
        if join.peers.iter().any(|peer| peer.host == join.own.host) {
            return Err("it would be one of the others itself".to_owned());
        }
        let is_vouched = |list: &List| Mutual::is_for(&list.proof, &list.name());
        let list = join.list().filter(is_vouched);
        Ok(Self { join, tls, list })
    }

    /// The same agent by a list of another one, if that is newer.
    ///
    /// # Errors
    ///
    /// The authority does not vouch for it.
    pub fn by(&self, list: List, now: Timestamp) -> Result<Option<Self>, String> {
        if list.number <= self.join.generation {
            return Ok(None);
        }
        let at = Duration::from_millis(u64::try_from(now.0).unwrap_or(0));
        if !self.tls.has_signed(&list.proof, &list.name(), at) {
            return Err("no certificate vouches for that list of agents".to_owned());
        }
        Self::of(self.join.by(list)).map(Some)
    }

    /// Where it listens.
    pub fn at(&self) -> SocketAddr {
        self.join.own.at()
    }

    /// The others, from the one behind it in the order of names, all around.
    pub fn around(&self) -> Vec<&Peer> {
        let mut peers: Vec<&Peer> = self.join.peers.iter().collect();
        peers.sort_by_key(|peer| (peer.host <= self.join.own.host, &peer.host));
        peers
    }

    /// The identity that a file has; none of a file that is not there, or that another version wrote.
    #[expect(clippy::disallowed_methods, reason = "an identity is a file")]
    pub fn read(file: &Path) -> Option<Self> {
        let bytes = zeroize::Zeroizing::new(std::fs::read(file).ok()?);
        Self::of(serde_json::from_slice(&bytes).ok()?).ok()
    }

    /// Writes it, for root alone. It is there as a whole, or the one before is.
    ///
    /// # Errors
    ///
    /// The system refuses.
    #[expect(clippy::disallowed_methods, reason = "an identity is a file")]
    pub fn write(&self, file: &Path) -> io::Result<()> {
        let new = file.with_extension("new");
        remove(&new)?;
        let bytes = crate::agent::put::counted(&self.join);
        let mut options = std::fs::OpenOptions::new();
        let mut opened = options.write(true).create_new(true).mode(0o600).open(&new)?;
        opened.write_all(&bytes)?;
        opened.sync_all()?;
        std::fs::rename(&new, file)?;
        if let Some(folder) = file.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            std::fs::File::open(folder)?.sync_all()?;
        }
        Ok(())
    }
}

/// Removes a file, if it is there.
#[expect(clippy::disallowed_methods, reason = "an identity is a file")]
pub fn remove(file: &Path) -> io::Result<()> {
    match std::fs::remove_file(file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}
