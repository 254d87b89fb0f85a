//! Transfers that wait for those who are to come for layers. What is not named there gets nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};

use crate::http::stream::Stream;

/// Transfers at a time, of all clients together.
const TRANSFERS_MAX: usize = 16;

/// One who has come, and the stream to it.
pub struct Came {
    /// By its certificate.
    pub host: String,
    /// For layers.
    pub stream: Stream,
}

impl fmt::Debug for Came {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Came").field("host", &self.host).finish_non_exhaustive()
    }
}

struct Open {
    hosts: BTreeSet<String>,
    came: mpsc::UnboundedSender<Came>,
}

/// All transfers of an agent that others may come for.
#[derive(Default)]
pub struct Board {
    open: Mutex<BTreeMap<String, Open>>,
}

impl fmt::Debug for Board {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.open().keys()).finish()
    }
}

/// A transfer that others may come for, as long as this is there.
#[derive(Debug)]
pub struct Waiting {
    board: Arc<Board>,
    transfer: String,
    left: BTreeSet<String>,
    came: mpsc::UnboundedReceiver<Came>,
}

impl Board {
    fn open(&self) -> MutexGuard<'_, BTreeMap<String, Open>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// These hosts may come for a transfer.
    ///
    /// # Errors
    ///
    /// There is one of that name, or there are too many.
    pub fn wait(self: &Arc<Self>, transfer: &str, hosts: Vec<String>) -> Result<Waiting, String> {
        let mut open = self.open();
        if open.contains_key(transfer) {
            return Err("another client has a transfer of that name".to_owned());
        }
        if open.len() >= TRANSFERS_MAX {
            return Err(format!("it has {TRANSFERS_MAX} transfers already"));
        }
        let (into, came) = mpsc::unbounded_channel();
        let left: BTreeSet<String> = hosts.into_iter().collect();
        open.insert(transfer.to_owned(), Open { hosts: left.clone(), came: into });
        Ok(Waiting { board: Arc::clone(self), transfer: transfer.to_owned(), left, came })
    }

    /// A host comes, by its certificate.
    ///
    /// # Errors
    ///
    /// It is not expected, or is there already, or it has begun.
    pub fn come(&self, transfer: &str, came: Came) -> Result<(), String> {
        let mut open = self.open();
        let one = open.get_mut(transfer);
        let Some(one) = one.filter(|one| one.hosts.contains(&came.host)) else {
            return Err(format!("{} comes for layers that are not for it", came.host));
        };
        one.hosts.remove(&came.host);
        one.came.send(came).map_err(|_| "it has begun".to_owned())
    }
}

impl Waiting {
    /// Those who have come, once all are there or the time is over. Others cannot come later.
    pub async fn all(mut self, limit: Duration) -> Vec<Came> {
        let (until, mut all) = (Instant::now() + limit, Vec::new());
        while !self.left.is_empty() {
            let Ok(Some(came)) = timeout_at(until, self.came.recv()).await else { break };
            self.left.remove(&came.host);
            all.push(came);
        }
        all
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.board.open().remove(&self.transfer);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn came(host: &str) -> Came {
        Came { host: host.to_owned(), stream: Box::new(tokio::io::duplex(1).0) }
    }

    #[tokio::test(start_paused = true)]
    async fn only_those_who_are_expected_come_and_only_once() {
        let board = Arc::new(Board::default());
        let limit = Duration::from_secs(10);
        let hosts = || vec!["h2".to_owned(), "h3".to_owned()];
        assert!(board.come("t", came("h2")).is_err(), "there is no transfer yet");
        let waiting = board.wait("t", hosts()).unwrap();
        assert!(board.wait("t", hosts()).is_err(), "there is one of that name");
        board.come("t", came("h2")).unwrap();
        assert!(board.come("t", came("h2")).is_err(), "it is there");
        assert!(board.come("t", came("h4")).is_err(), "it is not for h4");
        assert!(board.come("u", came("h3")).is_err(), "another transfer");
        let begun = Instant::now();
        let all: Vec<String> = waiting.all(limit).await.into_iter().map(|came| came.host).collect();
        assert_eq!((all, begun.elapsed()), (vec!["h2".to_owned()], limit));
        assert!(board.come("t", came("h3")).is_err(), "it has begun");

        let waiting = board.wait("t", hosts()).unwrap();
        for host in hosts() {
            board.come("t", came(&host)).unwrap();
        }
        let begun = Instant::now();
        assert_eq!((waiting.all(limit).await.len(), begun.elapsed()), (2, Duration::ZERO));
        let many: Vec<Waiting> =
            (0..TRANSFERS_MAX).map(|at| board.wait(&at.to_string(), hosts()).unwrap()).collect();
        assert!(board.wait("t", hosts()).is_err(), "they are too many");
        drop(many);
        assert_eq!(format!("{board:?}"), "[]");
    }
}
