//! Stops that were begun under a lease and were not seen to end: the lease's notes carry them, so that the next holder
//! knows of them whatever becomes of this process. Why, is in [`ledger::lease`](crate::ledger::lease).

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, watch};

use crate::ledger::lease::{BegunStop, Left};
use crate::model::{NodeName, TaskId};

/// The stops of one lease. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Stops(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    list: Mutex<List>,
    /// A stop must be written down now.
    is_pressing: Notify,
    /// The version of the list that the ledger holds; the highest number once the lease is lost.
    written: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct List {
    under_way: BTreeMap<(NodeName, TaskId), BegunStop>,
    /// What was found besides when the lease was taken.
    unlisted_ms: i64,
    found_nothing: bool,
    /// Grows with each stop that is begun.
    version: u64,
}

impl Stops {
    /// What the last holder of the lease had under way.
    #[must_use]
    pub fn inherited(left: Left) -> Self {
        let Left { stops, unlisted_ms, found_nothing } = left;
        let list = Mutex::new(List { under_way: by_task(stops), unlisted_ms, found_nothing, version: 0 });
        Self(Arc::new(Shared { list, is_pressing: Notify::new(), written: watch::Sender::new(0) }))
    }

    /// A stop is about to be sent. Waits until it is written down, or the lease is lost, where that matters: see
    /// [`BegunStop::outlasts_lock`]. Others go with the next heartbeat, if they last until then.
    pub async fn begin(&self, stop: BegunStop) {
        let must_be_written = stop.outlasts_lock();
        let version = {
            let mut list = self.list();
            list.under_way.insert((stop.node.clone(), stop.task.clone()), stop);
            list.version += 1;
            list.version
        };
        if must_be_written {
            self.0.is_pressing.notify_one();
            let mut written = self.0.written.subscribe();
            // The sender lives as long as this.
            let _written = written.wait_for(|written| *written >= version).await;
        }
    }

    /// A stop was seen to end.
    pub fn end(&self, node: &NodeName, task: &TaskId) {
        self.list().under_way.remove(&(node.clone(), task.clone()));
    }

    /// What was inherited was waited for; all that may still be under way are these.
    pub fn outlasted(&self, silent: Vec<BegunStop>) {
        let mut list = self.list();
        list.under_way = by_task(silent);
        list.unlisted_ms = 0;
    }

    /// A holder that the ledger may have forgotten was waited for, or there can be none. Written down at once, so that the
    /// next one does not wait for it if this process is killed. Nothing waits for that note.
    pub fn none_is_forgotten(&self) {
        if std::mem::take(&mut self.list().found_nothing) {
            self.0.is_pressing.notify_one();
        }
    }

    /// What is under way, and the version of the list.
    #[must_use]
    pub fn under_way(&self) -> (u64, Left) {
        let list = self.list();
        let stops = list.under_way.values().cloned().collect();
        let (unlisted_ms, found_nothing) = (list.unlisted_ms, list.found_nothing);
        (list.version, Left { stops, unlisted_ms, found_nothing })
    }

    /// The ledger holds this version of the list.
    pub(super) fn are_written(&self, version: u64) {
        self.0.written.send_if_modified(|written| {
            let is_newer = version > *written;
            *written = version.max(*written);
            is_newer
        });
    }

    /// Nothing that waits for a note may wait any longer: nothing is sent without the lease.
    pub(super) fn lock_is_lost(&self) {
        self.are_written(u64::MAX);
    }

    /// Until a stop must be written down.
    pub(super) async fn is_pressing(&self) {
        self.0.is_pressing.notified().await;
    }

    fn list(&self) -> MutexGuard<'_, List> {
        self.0.list.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn by_task(stops: Vec<BegunStop>) -> BTreeMap<(NodeName, TaskId), BegunStop> {
    stops.into_iter().map(|stop| ((stop.node.clone(), stop.task.clone()), stop)).collect()
}
