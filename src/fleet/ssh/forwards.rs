//! Sockets of a host besides its engine's, over the connection that stands.
//!
//! Each is forwarded once, when it is first needed, and stays forwarded as long as the connection: what listens there may
//! come and go. Whether anything listens shows in what is asked over it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use openssh::ForwardType;
use tokio::time::timeout;

use super::{COMMAND_LIMIT, Link, Master, StdioPair, chain};
use crate::fleet::error::HostError;
use crate::fleet::transport::Opening;
use crate::http::stream;

/// Our ends of forwarded sockets, by their paths on the host.
#[derive(Debug, Default)]
pub(super) struct Forwards {
    known: Mutex<BTreeMap<PathBuf, PathBuf>>,
    /// One request at a time.
    asking: tokio::sync::Mutex<()>,
}

impl Forwards {
    fn find(&self, remote: &Path) -> Option<PathBuf> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).get(remote).cloned()
    }

    fn keep(&self, remote: &Path, local: PathBuf) {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).insert(remote.to_owned(), local);
    }

    fn count(&self) -> usize {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    #[expect(clippy::disallowed_methods, reason = "sockets are files")]
    pub(super) fn remove_files(&self) {
        for local in self.known.lock().unwrap_or_else(PoisonError::into_inner).values() {
            let _gone = std::fs::remove_file(local);
        }
    }
}

impl Master {
    /// Our end of a socket of the host.
    async fn forward_beside(&self, remote: &Path) -> Result<PathBuf, HostError> {
        let _one = self.others.asking.lock().await;
        if let Some(local) = self.others.find(remote) {
            return Ok(local);
        }
        let local = self.paths.socket.with_extension(format!("s{}", self.others.count()));
        let _turn = self.turns.call().await;
        let request = self.session.request_port_forward(ForwardType::Local, &*local, remote);
        match timeout(COMMAND_LIMIT, request).await {
            Ok(Ok(())) => {
                self.others.keep(remote, local.clone());
                Ok(local)
            }
            Ok(Err(e)) if self.stands().await => Err(self.target.failed(&chain(&e))),
            Ok(Err(_)) | Err(_) => Err(self.lost()),
        }
    }
}

impl Link {
    /// A stream to another socket of the same host.
    pub(in crate::fleet) fn open_beside<'a>(&'a self, socket: &'a Path) -> Opening<'a> {
        Box::pin(async move {
            match self {
                Self::Local(_) => stream::unix(socket).await,
                Self::Forwarded(master, _) => {
                    let local = master.forward_beside(socket).await.map_err(std::io::Error::other)?;
                    stream::unix(&local).await
                }
                // It connects to any socket, and sends nothing of its own.
                Self::Stdio(master, _) => Ok(Box::new(StdioPair::open(master, socket).await?) as _),
            }
        })
    }
}
